//! Objects that got another name: a deletion and a creation that are alike become one update.
//!
//! What a blueprint identifies an object by is its identity, so an object under a new identifier is planned as a
//! deletion and a creation. A reader wants to see what stayed the same. What refers to a renamed object by reference is
//! carried along: its bindings are no changes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use serde_json::{Value, json};
use similar::TextDiff;
use uuid::Uuid;

use crate::{
    blueprint::plan::{Action, FieldDiff, Named, ObjectChange, Plan, Secrets, Shown, label},
    model::{KindIndex, KindInfo, Model, Object},
    store::changeset::SecretWrite,
};

/// With more pairs of one kind than this only those that are alike in everything but the name are found.
const MOST_PAIRS: usize = 10_000;

/// Longest text that is compared letter by letter.
const LONGEST: usize = 2_000;

/// How alike two objects must be, from 0 to 1.
const ALIKE: f64 = 0.6;

/// How alike two names must be when there is nothing else to go by.
const ALIKE_IN_NAME: f64 = 0.7;

/// Most rounds: an application, its provider, what is bound to them, what is bound to that.
const ROUNDS: usize = 5;

/// What an update that was two changes says of itself.
const REASON: &str = "another identifier: applying deletes the old object and creates a new one";

/// Finds renames in a plan from `before` to `after` and writes them as updates. In `before`, renamed objects get the ids
/// that they have in `after`.
pub fn fold(plan: &mut Plan, before: &mut Model, after: &Model, secrets: &dyn Secrets) {
    let ids: HashMap<Uuid, Uuid> = pairs(plan, before, after);
    if ids.is_empty() {
        return;
    }
    let merger = Merger { before: before.clone(), after, secrets, ids: &ids, news: ids.values().copied().collect() };
    let deleted: HashMap<Uuid, usize> =
        plan.changes.iter().enumerate().map(|(at, change)| (change.object.id, at)).collect();
    let olds: HashMap<Uuid, Uuid> = ids.iter().map(|(old, new)| (*new, *old)).collect();
    let mut changes = Vec::with_capacity(plan.changes.len());
    for change in &plan.changes {
        if change.after.is_none() && ids.contains_key(&change.object.id) {
            continue;
        }
        let merged = match olds.get(&change.object.id).and_then(|old| deleted.get(old)) {
            Some(at) => merger.merged(&plan.changes[*at], change),
            None => merger.carried(change),
        };
        match merged {
            Some(change) => changes.push(change),
            None => plan.unchanged += usize::from(!change.places.is_empty()),
        }
    }
    plan.changes = changes;
    rewrite(before, &ids);
}

/// Gives objects other ids, also where they are referred to.
fn rewrite(model: &mut Model, ids: &HashMap<Uuid, Uuid>) {
    let mut touched: BTreeSet<Uuid> = ids.keys().copied().collect();
    for old in ids.keys() {
        touched.extend(model.known_incoming(*old).map(|(_, source)| source));
    }
    for id in touched {
        let Some(object) = model.remove(id) else { continue };
        let mut object = (*object).clone();
        object.id = ids.get(&id).copied().unwrap_or(id);
        for target in object.edges.values_mut().flatten() {
            *target = ids.get(target).copied().unwrap_or(*target);
        }
        model.put(Arc::new(object));
    }
}

/// Old ids with the new ones.
fn pairs(plan: &Plan, before: &Model, after: &Model) -> HashMap<Uuid, Uuid> {
    let mut kinds: BTreeMap<KindIndex, (Vec<Uuid>, Vec<Uuid>)> = BTreeMap::new();
    for change in &plan.changes {
        let (deleted, created) = kinds.entry(change.kind).or_default();
        match change.action {
            Action::Delete => deleted.push(change.object.id),
            Action::Create => created.push(change.object.id),
            Action::Update => {}
        }
    }
    kinds.retain(|_, (deleted, created)| !deleted.is_empty() && !created.is_empty());
    let mut ids: HashMap<Uuid, Uuid> = HashMap::new();
    for _ in 0..ROUNDS {
        let known = ids.len();
        for (kind, (deleted, created)) in &kinds {
            let taken: HashSet<Uuid> = ids.values().copied().collect();
            let info = before.registry().get(*kind);
            let features = |model: &Model, side: &[Uuid], ids: &HashMap<Uuid, Uuid>, free: &dyn Fn(&Uuid) -> bool| {
                let objects = side.iter().filter(|id| free(id)).filter_map(|id| model.known(*id));
                objects.map(|object| Features::of(model, info, object, ids)).collect::<Vec<_>>()
            };
            let old = features(before, deleted, &ids, &|id| !ids.contains_key(id));
            let new = features(after, created, &HashMap::new(), &|id| !taken.contains(id));
            for (from, to) in matches(&old, &new) {
                ids.insert(old[from].id, new[to].id);
            }
        }
        if ids.len() == known {
            break;
        }
    }
    ids
}

/// What an object is recognised by.
struct Features {
    id: Uuid,
    /// What it is called; none for objects that only tie others together.
    name: Option<String>,
    /// Everything else that is not the default, with references in both directions.
    rest: BTreeMap<String, Value>,
    /// The references that a tie is known by.
    ties: Vec<(&'static str, Vec<Uuid>)>,
}

impl Features {
    fn of(model: &Model, info: &KindInfo, object: &Object, ids: &HashMap<Uuid, Uuid>) -> Features {
        let map = |id: &Uuid| ids.get(id).copied().unwrap_or(*id);
        let keys: BTreeSet<&str> =
            info.keys.iter().filter(|key| !key.only_true).flat_map(|key| key.fields.iter().copied()).collect();
        let is_reference = |field: &str| info.fields.get(field).is_some_and(|field| field.reference.is_some());
        let is_tie = !info.fields.contains_key("name") && keys.iter().any(|field| is_reference(field));
        let mut rest = BTreeMap::new();
        for field in info.fields.values() {
            let name = field.name.as_str();
            let made = info.generated.iter().any(|rule| rule.field == name);
            let value = object.attrs.get(name).filter(|value| **value != field.default && !value.is_null());
            if let Some(value) = value.filter(|_| !made && !keys.contains(name)) {
                rest.insert(name.to_owned(), value.clone());
            }
        }
        let mut ties = Vec::new();
        for (field, targets) in &object.edges {
            let mut targets: Vec<Uuid> = targets.iter().map(map).collect();
            rest.insert((*field).to_owned(), json!(targets));
            targets.sort_unstable();
            ties.push((*field, targets));
        }
        let mut incoming: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
        for (field, source) in model.known_incoming(object.id) {
            incoming.entry(format!("<{field}")).or_default().push(map(&source));
        }
        for (field, mut sources) in incoming {
            sources.sort_unstable();
            rest.insert(field, json!(sources));
        }
        let name = (!is_tie).then(|| label(model, object));
        Features { id: object.id, name, rest, ties }
    }

    /// How alike two objects are, from 0 to 1; nothing when they are not taken for one.
    fn likeness(&self, other: &Features) -> Option<f64> {
        let (Some(one), Some(two)) = (&self.name, &other.name) else {
            // Ties are the same when they tie the same.
            return (!self.ties.is_empty() && self.ties == other.ties).then_some(1.0);
        };
        let name = text_likeness(one, two);
        // Others' references speak for an object, but not against it: what ties is bound to may have gone with the name.
        let speaks = |field: &&String| {
            !field.starts_with('<')
                || match (self.rest.get(*field), other.rest.get(*field)) {
                    (Some(one), Some(two)) => value_likeness(one, two) > 0.0,
                    _ => false,
                }
        };
        let fields: BTreeSet<&String> = self.rest.keys().chain(other.rest.keys()).filter(speaks).collect();
        if fields.is_empty() {
            return (name >= ALIKE_IN_NAME).then_some(name);
        }
        let alike = |field: &&String| match (self.rest.get(*field), other.rest.get(*field)) {
            (Some(one), Some(two)) => value_likeness(one, two),
            _ => 0.0,
        };
        let rest = fields.iter().map(alike).sum::<f64>() / fields.len() as f64;
        let whole = 0.75 * rest + 0.25 * name;
        (rest >= 0.5 && whole >= ALIKE).then_some(whole)
    }
}

fn value_likeness(one: &Value, two: &Value) -> f64 {
    match (one, two) {
        _ if one == two => 1.0,
        (Value::String(one), Value::String(two)) => text_likeness(one, two),
        (Value::Array(one), Value::Array(two)) => {
            let common = one.iter().filter(|item| two.contains(item)).count();
            common as f64 / one.len().max(two.len()).max(1) as f64
        }
        _ => 0.0,
    }
}

fn text_likeness(one: &str, two: &str) -> f64 {
    if one.len().max(two.len()) > LONGEST {
        return f64::from(TextDiff::from_lines(one, two).ratio());
    }
    f64::from(TextDiff::from_chars(one, two).ratio())
}

/// Pairs of positions, the most alike first, each position once.
fn matches(old: &[Features], new: &[Features]) -> Vec<(usize, usize)> {
    if old.len() * new.len() > MOST_PAIRS {
        return exact(old, new);
    }
    let mut scored: Vec<(f64, usize, usize)> = Vec::new();
    for (from, one) in old.iter().enumerate() {
        for (to, two) in new.iter().enumerate() {
            scored.extend(one.likeness(two).map(|score| (score, from, to)));
        }
    }
    scored.sort_by(|one, other| other.0.total_cmp(&one.0).then((one.1, one.2).cmp(&(other.1, other.2))));
    let (mut used_old, mut used_new, mut found) = (HashSet::new(), HashSet::new(), Vec::new());
    for (_, from, to) in scored {
        if !used_old.contains(&from) && !used_new.contains(&to) {
            used_old.insert(from);
            used_new.insert(to);
            found.push((from, to));
        }
    }
    found
}

/// Pairs that have everything but the name in common, with nobody else.
fn exact(old: &[Features], new: &[Features]) -> Vec<(usize, usize)> {
    let print = |features: &Features| match &features.name {
        Some(_) if features.rest.is_empty() => None,
        Some(_) => Some(json!(features.rest).to_string()),
        None => Some(json!(features.ties).to_string()),
    };
    let mut there: HashMap<String, (Vec<usize>, Vec<usize>)> = HashMap::new();
    for (at, features) in old.iter().enumerate() {
        if let Some(print) = print(features) {
            there.entry(print).or_default().0.push(at);
        }
    }
    for (at, features) in new.iter().enumerate() {
        if let Some(print) = print(features) {
            there.entry(print).or_default().1.push(at);
        }
    }
    let mut found: Vec<(usize, usize)> = there
        .into_values()
        .filter_map(|(old, new)| match (old.as_slice(), new.as_slice()) {
            ([from], [to]) => Some((*from, *to)),
            _ => None,
        })
        .collect();
    found.sort_unstable();
    found
}

struct Merger<'a> {
    before: Model,
    after: &'a Model,
    secrets: &'a dyn Secrets,
    ids: &'a HashMap<Uuid, Uuid>,
    news: HashSet<Uuid>,
}

impl Merger<'_> {
    /// A deletion and a creation as one update; nothing when nothing of the object but its id differs.
    fn merged(&self, deletion: &ObjectChange, creation: &ObjectChange) -> Option<ObjectChange> {
        let info = self.before.registry().get(creation.kind);
        let mut fields = Vec::new();
        for field in info.fields.keys() {
            let find = |change: &ObjectChange| change.fields.iter().find(|diff| diff.field == *field).cloned();
            let (old, new) = (find(deletion), find(creation));
            let inverse = info.reference(field).and_then(|reference| reference.inverse);
            let before = match inverse {
                Some(there) if new.is_some() => self.members(there, deletion.object.id),
                _ => old.as_ref().map_or(Shown::Nothing, |diff| self.shown(&diff.before)),
            };
            let after = new.as_ref().map_or(Shown::Nothing, |diff| self.shown(&diff.after));
            let default = Shown::Json(info.fields[field].default.clone());
            let is_default = |shown: &Shown| *shown == Shown::Nothing || *shown == default;
            let same_secret =
                before == Shown::Secret && after == Shown::Secret && self.same_secret(deletion, creation, field);
            if same_secret
                || same(&before, &after) && after != Shown::Secret
                || is_default(&before) && is_default(&after)
            {
                continue;
            }
            fields.push(FieldDiff {
                field: field.clone(),
                before,
                after,
                sensitive: old.as_ref().is_some_and(|diff| diff.sensitive)
                    || new.as_ref().is_some_and(|diff| diff.sensitive),
                place: new.and_then(|diff| diff.place),
            });
        }
        if fields.is_empty() {
            return None;
        }
        let named = deletion.object.name != creation.object.name;
        Some(ObjectChange {
            action: Action::Update,
            object: Named { new: false, ..creation.object.clone() },
            fields,
            reason: if named { REASON.to_owned() } else { creation.reason.clone() },
            ..creation.clone()
        })
    }

    /// Another change without what only follows from renames; nothing when there is nothing else.
    fn carried(&self, change: &ObjectChange) -> Option<ObjectChange> {
        let mut change = change.clone();
        for diff in &mut change.fields {
            diff.before = self.shown(&diff.before);
            diff.after = self.shown(&diff.after);
        }
        if change.action != Action::Update {
            return Some(change);
        }
        let had = change.fields.len();
        change.fields.retain(|diff| !matches!(diff.after, Shown::Objects(_)) || !same(&diff.before, &diff.after));
        let is_memberships_only = had == 0 && self.same_edges(&change);
        (!change.fields.is_empty() || (had == 0 && !is_memberships_only)).then_some(change)
    }

    /// Whether an object refers to the same before and after.
    fn same_edges(&self, change: &ObjectChange) -> bool {
        let (Some(old), Some(new)) = (self.before.known(change.object.id), &change.after) else { return false };
        let set = |targets: &[Uuid]| -> BTreeSet<Uuid> {
            targets.iter().map(|id| self.ids.get(id).copied().unwrap_or(*id)).collect()
        };
        let fields: BTreeSet<&&str> = old.edges.keys().chain(new.edges.keys()).collect();
        fields.into_iter().all(|field| set(old.targets(field)) == set(new.targets(field)))
    }

    /// Who is a member of an object before, under the new ids.
    fn members(&self, field: &str, id: Uuid) -> Shown {
        let sources = self.before.known_incoming(id).filter(|(found, _)| *found == field).map(|(_, source)| source);
        let mut named: Vec<Named> = sources
            .filter_map(|source| self.before.known(source))
            .map(|object| Named {
                id: object.id,
                kind: self.before.registry().get(object.kind).name.to_owned(),
                name: label(&self.before, object),
                new: false,
            })
            .collect();
        named.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        if named.is_empty() { Shown::Nothing } else { self.shown(&Shown::Objects(named)) }
    }

    /// A value in which renamed objects have their new ids and names.
    fn shown(&self, shown: &Shown) -> Shown {
        let Shown::Objects(objects) = shown else { return shown.clone() };
        let objects = objects.iter().map(|named| {
            let id = self.ids.get(&named.id).copied().unwrap_or(named.id);
            let new = named.new && !self.news.contains(&id);
            let name = match self.after.known(id) {
                Some(object) if id != named.id => label(self.after, object),
                _ => named.name.clone(),
            };
            Named { id, name, new, ..named.clone() }
        });
        Shown::Objects(objects.collect())
    }

    fn same_secret(&self, deletion: &ObjectChange, creation: &ObjectChange, field: &str) -> bool {
        let stored = self.before.known(deletion.object.id).and_then(|object| object.secrets.get(field));
        match (stored, creation.secrets.get(field)) {
            (Some(stored), Some(SecretWrite::Seal(text) | SecretWrite::Hash(text))) => {
                self.secrets.matches(stored, text)
            }
            _ => false,
        }
    }
}

/// Whether two values are the same, whatever the order of the objects in them.
fn same(one: &Shown, two: &Shown) -> bool {
    match (one, two) {
        (Shown::Objects(one), Shown::Objects(two)) => {
            let ids = |named: &[Named]| named.iter().map(|named| named.id).collect::<BTreeSet<_>>();
            ids(one) == ids(two)
        }
        _ => one == two,
    }
}
