//! The plan that leads from one model to another, when both are at hand: a rollback leads to a former state, the diff of
//! two revisions from what one declares to what the other does.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use uuid::Uuid;

use super::{
    super::desired::same,
    Action, FieldDiff, Named, ObjectChange, Plan, Shown,
    label::{NAME_DEPTH, label},
};
use crate::{
    model::{KindInfo, Model, Need, Object, object},
    store::changeset::{Precondition, SecretWrite},
};

/// What two models do not tell about the way from one to the other.
#[derive(Debug, Default)]
pub struct Beyond {
    /// Secrets to write. A model knows of a secret only whether it differs.
    pub secrets: HashMap<Uuid, BTreeMap<&'static str, SecretWrite>>,
    /// Why an object changes, in a few words.
    pub reasons: HashMap<Uuid, String>,
    /// Fields whose values are not to be printed, because they once came from the environment or a file.
    pub sensitive: BTreeSet<(Uuid, String)>,
}

/// Makes the plan from `base` to `target` for some objects; the order of `touched` is that of the plan, but for deletions,
/// which come first. Objects that are alike in both count as unchanged. Nothing is judged: whether the target makes sense is
/// the caller's matter.
///
/// # Errors
/// What must be loaded into both models first, because changes show its name.
pub fn between(base: &Model, target: &Model, touched: &[Uuid], beyond: Beyond) -> Result<Plan, BTreeSet<Need>> {
    let mut way = Way { base, target, needs: BTreeSet::new() };
    let Beyond { mut secrets, mut reasons, sensitive } = beyond;
    let mut plan = Plan { instance: base.instance, revision: base.revision, ..Plan::default() };
    for id in touched {
        let (before, after) = (base.known(*id), target.known(*id));
        let Some(sample) = after.or(before) else { continue };
        let info = base.registry().get(sample.kind);
        let action = match (before, after) {
            (None, _) => Action::Create,
            (_, None) => Action::Delete,
            (Some(before), Some(after)) if alike(before, after) => {
                plan.unchanged += 1;
                continue;
            }
            _ => Action::Update,
        };
        let mut fields = way.fields(info, before.map(Arc::as_ref), after.map(Arc::as_ref));
        for diff in &mut fields {
            diff.sensitive = sensitive.contains(&(*id, diff.field.clone()));
        }
        match before {
            Some(before) => plan.preconditions.push(Precondition::Revision(*id, before.revision)),
            None => {
                plan.preconditions.push(Precondition::Missing(*id));
                let keys = info.keys.iter().filter_map(|key| Some((key, sample.key_value(key)?)));
                plan.preconditions.extend(keys.map(|(key, value)| {
                    Precondition::FreeKey(object::key_scope(info, key), object::key_name(key), value)
                }));
            }
        }
        plan.changes.push(ObjectChange {
            action,
            object: way.named(*id),
            kind: sample.kind,
            // Two spellings of one number, an attribute that now has its default: nothing that people could see.
            implied: action == Action::Update && fields.is_empty(),
            fields,
            places: Vec::new(),
            reason: reasons.remove(id).unwrap_or_default(),
            after: after.cloned(),
            secrets: secrets.remove(id).unwrap_or_default(),
            generated: Vec::new(),
            number: after.filter(|_| action == Action::Create).and_then(|after| after.number),
        });
    }
    // A key may pass from an object that goes or changes to one that comes.
    let freed: BTreeSet<(&'static str, String, String)> = plan
        .changes
        .iter()
        .filter_map(|change| base.known(change.object.id))
        .flat_map(|object| keys(base.registry().get(object.kind), object))
        .collect();
    plan.preconditions.retain(|condition| match condition {
        Precondition::FreeKey(scope, key, value) => !freed.contains(&(*scope, key.clone(), value.clone())),
        _ => true,
    });
    plan.changes.sort_by_key(|change| change.action != Action::Delete);
    if way.needs.is_empty() { Ok(plan) } else { Err(way.needs) }
}

/// The natural identifiers of an object, as they are indexed: scope, key name, value.
pub fn keys(info: &KindInfo, object: &Object) -> Vec<(&'static str, String, String)> {
    let value = |key| Some((object::key_scope(info, key), object::key_name(key), object.key_value(key)?));
    info.keys.iter().filter_map(value).collect()
}

/// Whether two states of an object are the same but for when they were written. Lists of references are sets.
pub fn alike(one: &Object, other: &Object) -> bool {
    let sets = |object: &Object| -> BTreeMap<&'static str, BTreeSet<Uuid>> {
        let filled = object.edges.iter().filter(|(_, targets)| !targets.is_empty());
        filled.map(|(field, targets)| (*field, targets.iter().copied().collect())).collect()
    };
    one.kind == other.kind && one.attrs == other.attrs && one.secrets == other.secrets && sets(one) == sets(other)
}

struct Way<'m> {
    base: &'m Model,
    target: &'m Model,
    needs: BTreeSet<Need>,
}

impl Way<'_> {
    fn fields(&mut self, info: &KindInfo, before: Option<&Object>, after: Option<&Object>) -> Vec<FieldDiff> {
        let mut diffs = Vec::new();
        for field in info.fields.values() {
            let name = field.name.as_str();
            let (old, new) = if let Some(reference) = field.reference {
                // The edges of a far side are the other object's, and shown there.
                if reference.inverse.is_some() {
                    continue;
                }
                let old = before.map_or(&[][..], |object| object.targets(name));
                let new = after.map_or(&[][..], |object| object.targets(name));
                if old.len() == new.len() && old.iter().all(|target| new.contains(target)) {
                    continue;
                }
                (self.names(old), self.names(new))
            } else if field.secret.is_some() {
                let state = |object: Option<&Object>| object.and_then(|object| object.secrets.get(name)).cloned();
                let (old, new) = (state(before), state(after));
                if old == new {
                    continue;
                }
                let shown = |there| if there { Shown::Secret } else { Shown::Nothing };
                (shown(old.is_some()), shown(new.is_some()))
            } else {
                let present = |object: &Object| object.attrs.get(name).unwrap_or(&field.default).clone();
                match (before.map(present), after.map(present)) {
                    (Some(old), Some(new)) if !same(&old, &new) => (Shown::Json(old), Shown::Json(new)),
                    (None, Some(new)) if !same(&new, &field.default) => (Shown::Nothing, Shown::Json(new)),
                    (Some(old), None) if !same(&old, &field.default) => (Shown::Json(old), Shown::Nothing),
                    _ => continue,
                }
            };
            diffs.push(FieldDiff { field: name.to_owned(), before: old, after: new, sensitive: false, place: None });
        }
        diffs
    }

    fn names(&mut self, ids: &[Uuid]) -> Shown {
        if ids.is_empty() {
            return Shown::Nothing;
        }
        let mut named: Vec<Named> = ids.iter().map(|id| self.named(*id)).collect();
        named.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        Shown::Objects(named)
    }

    fn named(&mut self, id: Uuid) -> Named {
        let view = if self.target.known(id).is_some() { self.target } else { self.base };
        self.load(view, id, NAME_DEPTH);
        let object = view.known(id);
        Named {
            id,
            kind: object.map_or_else(String::new, |object| view.registry().get(object.kind).name.to_owned()),
            name: object.map_or_else(|| id.to_string(), |object| label(view, object)),
            new: self.base.known(id).is_none(),
        }
    }

    /// Asks for what the name of an object is made of.
    fn load(&mut self, view: &Model, id: Uuid, depth: usize) {
        match view.get(id) {
            Ok(Some(object)) if depth > 0 => {
                for target in object.edges.values().filter(|targets| targets.len() == 1).flatten() {
                    self.load(view, *target, depth - 1);
                }
            }
            Ok(_) => {}
            Err(need) => drop(self.needs.insert(need)),
        }
    }
}
