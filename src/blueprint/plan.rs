//! The plan: what would change, field by field, why, and under which conditions. A value that knows no database.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    desired::{Composed, Desired, Wanted, Wish, same},
    resolve::Resolver,
};
use crate::{
    base::diagnostic::{Code, Diagnostic, Sources},
    model::{KindIndex, KindInfo, Model, Need, Object, OnDelete, Registry, SecretState, object, symbol},
    store::changeset::{Ownership, Precondition, SecretWrite},
};

/// What happens to one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It goes.
    Delete,
    /// It comes.
    Create,
    /// Some of its fields change.
    Update,
}

impl Action {
    /// The sign in front of it.
    pub fn symbol(self) -> &'static str {
        match self {
            Action::Create => "+",
            Action::Update => "~",
            Action::Delete => "-",
        }
    }
}

/// A place in a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Name of the file as shown to people.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Id of the entry, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub entry: Option<String>,
}

/// An object as others show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Id.
    pub id: Uuid,
    /// Kind name.
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// Whether this plan creates it.
    pub new: bool,
}

/// A field's value as people and programs may see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", content = "value")]
pub enum Shown {
    /// There is none.
    Nothing,
    /// A plain value.
    Json(Value),
    /// Objects referred to, sorted by name.
    Objects(Vec<Named>),
    /// A secret has a value.
    Secret,
    /// Made up when the plan is applied.
    Generated,
}

/// One field's change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldDiff {
    /// The field.
    pub field: String,
    /// Before.
    pub before: Shown,
    /// After.
    pub after: Shown,
    /// Whether the value came from the environment or a file and is not to be printed.
    #[serde(default)]
    pub sensitive: bool,
    /// The entry that asks for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place: Option<Place>,
}

/// One object's change.
#[derive(Clone, Debug)]
pub struct ObjectChange {
    /// What happens.
    pub action: Action,
    /// The object.
    pub object: Named,
    /// Kind.
    pub kind: KindIndex,
    /// Field changes, in the order of the kind's fields.
    pub fields: Vec<FieldDiff>,
    /// Entries that ask for it; empty for consequences of other changes.
    pub places: Vec<Place>,
    /// Why, in a few words.
    pub reason: String,
    /// Set when the change only follows from the named object's and is shown there.
    pub implied: bool,
    /// The object after the change; none for deletions.
    pub after: Option<Arc<Object>>,
    /// Secrets to write.
    pub secrets: BTreeMap<&'static str, SecretWrite>,
    /// Fields whose value is made up when applying: name and length.
    pub generated: Vec<(&'static str, usize)>,
    /// Integer key that a creation asks for.
    pub number: Option<i64>,
}

/// An exact list of changes with what it was made for.
#[derive(Debug, Default)]
pub struct Plan {
    /// The store that it was made for.
    pub instance: Uuid,
    /// Revision of the store.
    pub revision: i64,
    /// Changes: deletions first, then in document order.
    pub changes: Vec<ObjectChange>,
    /// Declared objects that are as they should be.
    pub unchanged: usize,
    /// What must hold when it is applied.
    pub preconditions: Vec<Precondition>,
    /// Who declares which fields.
    pub ownership: Vec<Ownership>,
    /// Digests of the inputs that were read: variables, files.
    pub inputs: BTreeMap<String, String>,
}

/// Counts of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Objects to create.
    pub create: usize,
    /// Objects to update.
    pub update: usize,
    /// Objects to delete.
    pub delete: usize,
    /// Declared objects that stay as they are.
    pub unchanged: usize,
}

impl Plan {
    /// Counts, leaving out what only follows from another change and is shown there.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { unchanged: self.unchanged, ..Counts::default() };
        for change in self.visible() {
            match change.action {
                Action::Create => counts.create += 1,
                Action::Update => counts.update += 1,
                Action::Delete => counts.delete += 1,
            }
        }
        counts
    }

    /// Changes to show.
    pub fn visible(&self) -> impl Iterator<Item = &ObjectChange> {
        self.changes.iter().filter(|change| !change.implied)
    }

    /// The model that applying the plan to `base` leads to, as far as it is known before applying.
    pub fn applied_to(&self, base: &Model) -> Model {
        let mut model = base.clone();
        for change in &self.changes {
            match &change.after {
                Some(object) => model.put(object.clone()),
                None => drop(model.remove(change.object.id)),
            }
        }
        model
    }

    /// Whether applying it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Compares a secret with what is stored of it.
pub trait Secrets {
    /// Whether `candidate` is the stored value.
    fn matches(&self, stored: &SecretState, candidate: &str) -> bool;
}

/// Without a key nothing is known of a stored secret, so it counts as different.
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn matches(&self, _: &SecretState, _: &str) -> bool {
        false
    }
}

/// Makes the plan that leads from the resolver's model to the composed objects.
///
/// # Errors
/// What must be loaded first.
pub fn plan(
    resolver: &Resolver<'_>,
    composed: &Composed,
    secrets: &dyn Secrets,
    sources: &Sources,
    found: &mut Vec<Diagnostic>,
) -> Result<Plan, BTreeSet<Need>> {
    let base = resolver.model().clone();
    let mut builder = Builder {
        registry: base.registry().clone(),
        overlay: base.clone(),
        base,
        resolver,
        composed,
        sources,
        needs: BTreeSet::new(),
        found: Vec::new(),
        order: Vec::new(),
        touched: HashSet::new(),
        reasons: HashMap::new(),
        implied: HashSet::new(),
        deleted: Vec::new(),
        writes: HashMap::new(),
        memberships: HashMap::new(),
    };
    builder.put_objects(secrets);
    builder.put_memberships();
    builder.delete();
    builder.check_unique();
    builder.load_names();
    if !builder.needs.is_empty() {
        return Err(builder.needs);
    }
    let plan = builder.finish();
    found.append(&mut builder.found);
    Ok(plan)
}

/// Secrets that a change writes, and fields that get generated values.
type Writes = (BTreeMap<&'static str, SecretWrite>, Vec<(&'static str, usize)>);

struct Builder<'b, 'a> {
    registry: Arc<Registry>,
    base: Model,
    overlay: Model,
    resolver: &'b Resolver<'a>,
    composed: &'b Composed,
    sources: &'b Sources,
    needs: BTreeSet<Need>,
    found: Vec<Diagnostic>,
    /// Objects that may have changed, in the order of the documents.
    order: Vec<Uuid>,
    touched: HashSet<Uuid>,
    reasons: HashMap<Uuid, String>,
    implied: HashSet<Uuid>,
    deleted: Vec<Uuid>,
    writes: HashMap<Uuid, Writes>,
    memberships: HashMap<(Uuid, &'static str), Vec<Uuid>>,
}

impl Builder<'_, '_> {
    fn touch(&mut self, id: Uuid) {
        if self.touched.insert(id) {
            self.order.push(id);
        }
    }

    /// Puts each desired object into the overlay as it is to be.
    fn put_objects(&mut self, secrets: &dyn Secrets) {
        let registry = self.registry.clone();
        for desired in self.composed.objects.values().filter(|desired| desired.absent.is_none()) {
            let info = registry.get(desired.kind);
            let mut object = match &desired.object {
                Some(object) => (**object).clone(),
                None => Object {
                    id: desired.id,
                    kind: desired.kind,
                    number: None,
                    attrs: Map::new(),
                    edges: BTreeMap::new(),
                    secrets: BTreeMap::new(),
                    revision: 0,
                    created: 0,
                    updated: 0,
                },
            };
            fill_defaults(info, &mut object);
            let mut writes = BTreeMap::new();
            for (name, wish) in &desired.wishes {
                let Some(field) = info.fields.get(name) else { continue };
                match (&wish.wanted, field.reference) {
                    (Wanted::Json(value), _) => {
                        let keep = object.attrs.get(name).is_some_and(|present| same(present, value));
                        if !keep {
                            object.attrs.insert(name.clone(), value.clone());
                        }
                    }
                    (Wanted::Edges(_), Some(reference)) if reference.inverse.is_some() => {}
                    (Wanted::Edges(targets), Some(reference)) => {
                        let present = object.targets(reference.field);
                        let equal =
                            present.len() == targets.len() && targets.iter().all(|target| present.contains(target));
                        if !equal {
                            set_edges(&mut object, reference.field, targets.clone());
                        }
                    }
                    (Wanted::Secret(text), _) => {
                        let Some((name, _)) = static_secret(info, name) else { continue };
                        let unchanged = object.secrets.get(name).is_some_and(|state| secrets.matches(state, text));
                        if !unchanged {
                            let password = field.secret == Some(crate::model::registry::SecretMode::Password);
                            let write = if password {
                                SecretWrite::Hash(text.clone())
                            } else {
                                SecretWrite::Seal(text.clone())
                            };
                            writes.insert(name, write);
                            object.secrets.insert(name, SecretState::Planned);
                        }
                    }
                    (Wanted::Edges(_), None) => {}
                }
            }
            let mut generated = Vec::new();
            if desired.object.is_none() {
                for rule in info.generated.iter().filter(|rule| !desired.wishes.contains_key(rule.field)) {
                    generated.push((rule.field, rule.length));
                    if static_secret(info, rule.field).is_some() {
                        object.secrets.insert(rule.field, SecretState::Planned);
                    }
                    // The default is not what it will be, and would make two new objects look alike.
                    object.attrs.remove(rule.field);
                }
            }
            if !writes.is_empty() || !generated.is_empty() {
                self.writes.insert(desired.id, (writes, generated));
            }
            self.touch(desired.id);
            if desired.object.as_deref() != Some(&object) {
                self.overlay.put(Arc::new(object));
            }
        }
    }

    /// The object as the plan has it so far, or as it is stored.
    fn object(&mut self, id: Uuid) -> Option<Arc<Object>> {
        if let Some(object) = self.overlay.known(id) {
            return Some(object.clone());
        }
        match self.base.get(id) {
            Ok(object) => object.cloned(),
            Err(need) => {
                self.needs.insert(need);
                None
            }
        }
    }

    fn referrers(&mut self, kind: KindIndex, field: &'static str, target: Uuid) -> Vec<Uuid> {
        match self.base.referrers(kind, field, target) {
            Ok(found) => found,
            Err(need) => {
                if self.base.known(target).is_some() {
                    self.needs.insert(need);
                }
                Vec::new()
            }
        }
    }

    /// Applies wishes on far sides of memberships (a group's users) to the members.
    fn put_memberships(&mut self) {
        let registry = self.registry.clone();
        let composed = self.composed;
        for desired in composed.objects.values().filter(|desired| desired.absent.is_none()) {
            let info = registry.get(desired.kind);
            for reference in info.references {
                let (Some(there), Some(wish)) = (reference.inverse, desired.wishes.get(reference.field)) else {
                    continue;
                };
                let Wanted::Edges(wanted) = &wish.wanted else { continue };
                let mut present = Vec::new();
                for far in registry.targets(reference.target) {
                    present.extend(self.referrers(far, there, desired.id));
                }
                self.memberships.insert((desired.id, reference.field), present.clone());
                // Entries about members may have added some that are not stored.
                let planned = self.overlay.known_incoming(desired.id).filter(|(field, _)| *field == there);
                let gone: BTreeSet<Uuid> = planned
                    .map(|(_, member)| member)
                    .chain(present)
                    .filter(|member| !wanted.contains(member))
                    .collect();
                for member in gone {
                    self.set_member(member, there, desired.id, false, wish);
                }
                for member in wanted {
                    self.set_member(*member, there, desired.id, true, wish);
                }
            }
        }
    }

    fn set_member(&mut self, member: Uuid, field: &'static str, target: Uuid, wanted: bool, wish: &Wish) {
        if self.composed.objects.get(&member).is_some_and(|desired| desired.absent.is_some()) {
            return;
        }
        let Some(object) = self.object(member) else { return };
        let own = self.composed.objects.get(&member).and_then(|desired| desired.wishes.get(field));
        if let Some(own) = own
            && let Wanted::Edges(targets) = &own.wanted
            && targets.contains(&target) != wanted
            && !(own.initial || wish.initial)
        {
            let name = label(&self.overlay, &object);
            self.found.push(
                Diagnostic::new(
                    Code::MEMBERSHIP_CONFLICT,
                    format!("the two sides disagree on whether `{name}` is a member"),
                )
                .at(wish.span, if wanted { "listed as a member here" } else { "not listed as a member here" })
                .at(
                    own.span,
                    if wanted {
                        "but not a member according to this list"
                    } else {
                        "but a member according to this list"
                    },
                )
                .help("state the membership on one side only"),
            );
            return;
        }
        if object.targets(field).contains(&target) == wanted {
            return;
        }
        let mut changed = (*object).clone();
        let mut targets = changed.targets(field).to_vec();
        if wanted {
            targets.push(target);
        } else {
            targets.retain(|present| *present != target);
        }
        set_edges(&mut changed, field, targets);
        self.overlay.put(Arc::new(changed));
        // A member that nothing else touches is shown at the other side only.
        if self.touched.insert(member) {
            self.order.push(member);
            self.implied.insert(member);
        }
    }

    /// Deletes objects and decides about everything that refers to them.
    fn delete(&mut self) {
        let registry = self.registry.clone();
        let composed = self.composed;
        let mut queue: Vec<(Uuid, String)> = Vec::new();
        let mut doomed: HashSet<Uuid> = HashSet::new();
        for desired in composed.objects.values() {
            let Some(absent) = desired.absent else { continue };
            let (_, entry) = self.resolver.entry(absent);
            if desired.object.is_some() {
                if doomed.insert(desired.id) {
                    queue.push((desired.id, format!("deleted by {}", self.sources.place(entry.span))));
                }
            } else {
                self.found.push(
                    Diagnostic::new(Code::ABSENT_IGNORED, "the object does not exist, so there is nothing to delete")
                        .at(entry.model.span, ""),
                );
            }
        }
        let mut at = 0;
        while let Some((id, reason)) = queue.get(at).cloned() {
            at += 1;
            let Some(object) = self.object(id) else { continue };
            let info = registry.get(object.kind);
            self.reasons.insert(id, reason);
            self.deleted.push(id);
            self.touch(id);
            let name = format!("{} `{}`", info.title, label(&self.overlay, &object));
            for kind in registry.kinds() {
                for reference in kind
                    .references
                    .iter()
                    .filter(|reference| reference.inverse.is_none() && info.is_a(reference.target))
                {
                    let mut sources = self.referrers(kind.index, reference.field, id);
                    sources.extend(
                        self.overlay
                            .known_incoming(id)
                            .filter(|(field, _)| *field == reference.field)
                            .map(|(_, source)| source)
                            .collect::<Vec<_>>(),
                    );
                    sources.sort_unstable();
                    sources.dedup();
                    for source in sources {
                        let Some(holder) = self.object(source) else { continue };
                        if holder.kind != kind.index
                            || doomed.contains(&source)
                            || !holder.targets(reference.field).contains(&id)
                        {
                            continue;
                        }
                        let wanted = composed.objects.get(&source).filter(|desired| desired.absent.is_none());
                        let insists = wanted.and_then(|desired| desired.wishes.get(reference.field));
                        let cascade = !reference.many && reference.on_delete == OnDelete::Cascade;
                        let protect = !reference.many && reference.on_delete == OnDelete::Protect;
                        if insists.is_some() || protect || (cascade && wanted.is_some()) {
                            self.still_referred(
                                &name,
                                kind,
                                &holder,
                                reference.field,
                                insists.map(|wish| wish.span),
                                id,
                            );
                        } else if cascade {
                            doomed.insert(source);
                            queue.push((source, format!("goes with {name}")));
                        } else {
                            let mut changed = (*holder).clone();
                            let left = changed
                                .targets(reference.field)
                                .iter()
                                .copied()
                                .filter(|target| *target != id)
                                .collect();
                            set_edges(&mut changed, reference.field, left);
                            self.overlay.put(Arc::new(changed));
                            self.reasons.entry(source).or_insert_with(|| format!("refers to {name}, which is deleted"));
                            self.touch(source);
                        }
                    }
                }
            }
        }
        for id in &self.deleted {
            self.overlay.remove(*id);
        }
    }

    fn still_referred(
        &mut self,
        name: &str,
        kind: &KindInfo,
        holder: &Object,
        field: &str,
        span: Option<crate::base::diagnostic::Span>,
        id: Uuid,
    ) {
        let holder_name = label(&self.overlay, holder);
        let absent = self.composed.objects.get(&id).and_then(|desired| desired.absent);
        let mut finding = Diagnostic::new(
            Code::STILL_REFERRED,
            format!("{name} cannot be deleted: {} `{holder_name}` refers to it in `{field}`", kind.title),
        );
        if let Some(absent) = absent {
            finding = finding.at(self.resolver.entry(absent).1.model.span, "deleted here");
        }
        if let Some(span) = span {
            finding = finding.at(span, "referred to here");
        }
        self.found.push(finding.help("delete or change the other object as well"));
    }

    /// Natural identifiers and one-to-one references must be unique in the state that the plan leaves behind.
    fn check_unique(&mut self) {
        let registry = self.registry.clone();
        let mut holders: HashMap<(&'static str, String, String), Uuid> = HashMap::new();
        for id in self.order.clone() {
            let Some(object) = self.overlay.known(id).cloned() else { continue };
            let info = registry.get(object.kind);
            let before = self.base.known(id).cloned();
            for key in info.keys {
                let Some(value) = object.key_value(key) else { continue };
                let entry = (object::key_scope(info, key), object::key_name(key), value);
                let unchanged = before.as_ref().and_then(|before| before.key_value(key)).as_ref() == Some(&entry.2);
                if let Some(other) = holders.insert(entry.clone(), id) {
                    self.key_taken(info, id, other, &entry);
                    continue;
                }
                if unchanged {
                    continue;
                }
                match self.base.by_key(entry.0, &entry.1, &entry.2) {
                    Ok(Some(holder)) if holder.id != id => {
                        let holder = holder.clone();
                        let still = self
                            .overlay
                            .known(holder.id)
                            .is_some_and(|now| now.key_value(key).as_ref() == Some(&entry.2));
                        if still && !self.touched.contains(&holder.id) {
                            self.key_taken(info, id, holder.id, &entry);
                        }
                    }
                    Ok(_) => {}
                    Err(need) => {
                        self.needs.insert(need);
                    }
                }
            }
            for reference in info.references.iter().filter(|reference| reference.acyclic) {
                self.check_acyclic(info, &object, reference.field);
            }
            for reference in
                info.references.iter().filter(|reference| reference.exclusive && reference.inverse.is_none())
            {
                for target in object.targets(reference.field) {
                    let other = self
                        .overlay
                        .known_incoming(*target)
                        .find(|(field, source)| {
                            *field == reference.field
                                && *source != id
                                && self.overlay.known(*source).is_some_and(|other| other.kind == object.kind)
                        })
                        .map(|(_, source)| source);
                    if let Some(other) = other
                        && (id < other || !self.touched.contains(&other))
                    {
                        self.twice_referred(info, &object, other, *target, reference.field);
                    }
                }
            }
        }
    }

    /// Follows a reference field upwards and reports when it comes back.
    fn check_acyclic(&mut self, info: &KindInfo, object: &Object, field: &'static str) {
        let mut seen = HashSet::from([object.id]);
        let mut next = object.targets(field).first().copied();
        while let Some(id) = next {
            if id == object.id {
                let name = label(&self.overlay, object);
                let mut finding = Diagnostic::new(
                    Code::CIRCULAR,
                    format!("following `{field}` from {} `{name}` leads back to it", info.title),
                );
                if let Some(span) = self.span_of(object.id, field) {
                    finding = finding.at(span, "");
                }
                self.found.push(finding);
                return;
            }
            if !seen.insert(id) {
                return;
            }
            next = self.object(id).and_then(|above| above.targets(field).first().copied());
        }
    }

    /// Loads what changed objects refer to, because they are shown with the names of those.
    fn load_names(&mut self) {
        for id in self.order.clone() {
            let (before, after) = (self.base.known(id).cloned(), self.overlay.known(id).cloned());
            let unchanged = matches!((&before, &after), (Some(before), Some(after)) if Arc::ptr_eq(before, after));
            if unchanged {
                continue;
            }
            let mut queue: Vec<(Uuid, usize)> = Vec::new();
            let objects = before.iter().chain(&after);
            queue
                .extend(objects.flat_map(|object| object.edges.values().flatten()).map(|target| (*target, NAME_DEPTH)));
            while let Some((id, depth)) = queue.pop() {
                let Some(object) = self.object(id) else { continue };
                if depth > 0 {
                    let single = object.edges.values().filter(|targets| targets.len() == 1).flatten();
                    queue.extend(single.map(|target| (*target, depth - 1)));
                }
            }
        }
    }

    fn span_of(&self, id: Uuid, field: &str) -> Option<crate::base::diagnostic::Span> {
        let desired = self.composed.objects.get(&id)?;
        let entry = self.resolver.entry(desired.entries[0]).1.model.span;
        Some(desired.wishes.get(field).map_or(entry, |wish| wish.span))
    }

    fn key_taken(&mut self, info: &KindInfo, id: Uuid, other: Uuid, entry: &(&'static str, String, String)) {
        let fields = entry.1.replace('+', " and ");
        let first = entry.1.split('+').next().unwrap_or_default();
        let other_kind =
            self.overlay.known(other).map(|object| self.registry.get(object.kind).title).unwrap_or("object");
        let mut finding = Diagnostic::new(
            Code::KEY_TAKEN,
            format!("another {other_kind} has the same {fields} as this {}, which must be unique", info.title),
        );
        for (id, text) in [(id, "this one"), (other, "the other one")] {
            if let Some(span) = self.span_of(id, first) {
                finding = finding.at(span, text);
            }
        }
        self.found
            .push(finding.help("if both are meant to be the same object, use the same identifiers in both entries"));
    }

    fn twice_referred(&mut self, info: &KindInfo, object: &Object, other: Uuid, target: Uuid, field: &str) {
        let name =
            |id: Uuid| self.overlay.known(id).map_or_else(|| id.to_string(), |object| label(&self.overlay, object));
        let message = format!(
            "`{}` can be the `{field}` of one {} only, but `{}` and `{}` refer to it",
            name(target),
            info.title,
            label(&self.overlay, object),
            name(other)
        );
        let mut finding = Diagnostic::new(Code::UNIQUE_TARGET, message);
        for id in [object.id, other] {
            if let Some(span) = self.span_of(id, field) {
                finding = finding.at(span, "");
            }
        }
        self.found.push(finding);
    }

    fn place(&self, number: usize, span: crate::base::diagnostic::Span) -> Place {
        let file = self.sources.get(span.file);
        let entry = self.resolver.entry(number).1.id.as_ref().map(|(id, _)| id.to_string());
        Place { file: file.name.clone(), line: file.position(span.start).0, entry }
    }

    fn finish(&mut self) -> Plan {
        let registry = self.registry.clone();
        let mut plan = Plan { instance: self.base.instance, revision: self.base.revision, ..Plan::default() };
        for id in self.order.clone() {
            let desired = self.composed.objects.get(&id);
            let before = self.base.known(id).cloned();
            let after = self.overlay.known(id).cloned();
            let Some(sample) = after.clone().or(before.clone()) else { continue };
            let info = registry.get(sample.kind);
            let action = match (&before, &after) {
                (None, Some(_)) => Action::Create,
                (Some(_), Some(_)) => Action::Update,
                (_, None) => Action::Delete,
            };
            let fields = self.diff(info, before.as_deref(), after.as_deref(), desired);
            let stored_same = match (&before, &after) {
                (Some(before), Some(after)) => fields.is_empty() && before.edges == after.edges,
                _ => false,
            };
            if stored_same {
                plan.unchanged += usize::from(desired.is_some());
                self.own(&mut plan, desired);
                continue;
            }
            match (&before, action) {
                (Some(before), _) => plan.preconditions.push(Precondition::Revision(id, before.revision)),
                (None, _) => {
                    plan.preconditions.push(Precondition::Missing(id));
                    for key in info.keys {
                        if let Some(value) = sample.key_value(key) {
                            plan.preconditions.push(Precondition::FreeKey(
                                object::key_scope(info, key),
                                object::key_name(key),
                                value,
                            ));
                        }
                    }
                }
            }
            let only_far_side = fields.is_empty();
            let places: Vec<Place> = desired
                .into_iter()
                .flat_map(|desired| &desired.entries)
                .map(|number| self.place(*number, self.resolver.entry(*number).1.span))
                .collect();
            let reason = self.reasons.get(&id).cloned().unwrap_or_else(|| match (action, places.first()) {
                (Action::Create, Some(place)) => format!("declared by {}:{}", place.file, place.line),
                (_, Some(place)) => format!("differs from {}:{}", place.file, place.line),
                _ => "its membership changes".to_owned(),
            });
            let (secrets, generated) = self.writes.remove(&id).unwrap_or_default();
            plan.changes.push(ObjectChange {
                action,
                object: self.named(id),
                kind: sample.kind,
                implied: self.implied.contains(&id) && !self.reasons.contains_key(&id)
                    || only_far_side && action == Action::Update,
                fields,
                places,
                reason,
                after,
                secrets,
                generated,
                number: desired.and_then(|desired| desired.number),
            });
            self.own(&mut plan, desired);
        }
        plan.changes.sort_by_key(|change| change.action != Action::Delete);
        plan
    }

    fn own(&self, plan: &mut Plan, desired: Option<&Desired>) {
        let Some(desired) = desired.filter(|desired| desired.absent.is_none()) else { return };
        for (number, named) in &desired.named {
            let (document, entry) = self.resolver.entry(*number);
            plan.ownership.push(Ownership {
                object: desired.id,
                source: document.source.clone(),
                document: document.path.clone(),
                entry: self.resolver.position(*number) as u32,
                line: self.sources.get(entry.span.file).position(entry.span.start).0 as u32,
                fields: named.iter().cloned().collect(),
            });
        }
    }

    fn named(&self, id: Uuid) -> Named {
        let object = self.overlay.known(id).or(self.base.known(id));
        let view = if self.overlay.known(id).is_some() { &self.overlay } else { &self.base };
        Named {
            id,
            kind: object.map_or_else(String::new, |object| self.registry.get(object.kind).name.to_owned()),
            name: object.map_or_else(|| id.to_string(), |object| label(view, object)),
            new: self.base.known(id).is_none(),
        }
    }

    fn names(&self, ids: &[Uuid]) -> Shown {
        if ids.is_empty() {
            return Shown::Nothing;
        }
        let mut named: Vec<Named> = ids.iter().map(|id| self.named(*id)).collect();
        named.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        Shown::Objects(named)
    }

    fn diff(
        &self,
        info: &KindInfo,
        before: Option<&Object>,
        after: Option<&Object>,
        desired: Option<&Desired>,
    ) -> Vec<FieldDiff> {
        let mut diffs = Vec::new();
        let written = after.and_then(|after| self.writes.get(&after.id));
        for field in info.fields.values() {
            let name = field.name.as_str();
            let wish = desired.and_then(|desired| desired.wishes.get(name));
            let (old, new) = if let Some(reference) = field.reference {
                if reference.inverse.is_some() {
                    match (desired, wish.map(|wish| &wish.wanted)) {
                        (Some(desired), Some(Wanted::Edges(wanted))) => {
                            let present =
                                self.memberships.get(&(desired.id, reference.field)).map_or(&[][..], Vec::as_slice);
                            let equal = present.len() == wanted.len() && wanted.iter().all(|one| present.contains(one));
                            if equal {
                                (Shown::Nothing, Shown::Nothing)
                            } else {
                                (self.names(present), self.names(wanted))
                            }
                        }
                        _ => continue,
                    }
                } else {
                    let old = before.map_or(&[][..], |object| object.targets(name));
                    let new = after.map_or(&[][..], |object| object.targets(name));
                    let implied = wish.is_none() && reference.many && self.is_membership(info, name);
                    let equal = old.len() == new.len() && old.iter().all(|one| new.contains(one));
                    if equal || implied {
                        continue;
                    }
                    (self.names(old), self.names(new))
                }
            } else if field.secret.is_some() {
                let had = before.is_some_and(|object| object.secrets.contains_key(name));
                let set = written.is_some_and(|(writes, _)| writes.contains_key(name));
                let made = written.is_some_and(|(_, generated)| generated.iter().any(|(field, _)| *field == name));
                let old = if had { Shown::Secret } else { Shown::Nothing };
                match (set, made, after) {
                    (true, ..) => (old, Shown::Secret),
                    (_, true, _) => (old, Shown::Generated),
                    (_, _, None) if had => (old, Shown::Nothing),
                    _ => continue,
                }
            } else {
                let made = written.is_some_and(|(_, generated)| generated.iter().any(|(field, _)| *field == name));
                let present = |object: &Object| object.attrs.get(name).unwrap_or(&field.default).clone();
                match (before.map(present), after.map(present)) {
                    (_, _) if made => (Shown::Nothing, Shown::Generated),
                    (Some(old), Some(new)) if !same(&old, &new) => (Shown::Json(old), Shown::Json(new)),
                    (None, Some(new)) if !new.is_null() && (wish.is_some() || !same(&new, &field.default)) => {
                        (Shown::Nothing, Shown::Json(new))
                    }
                    (Some(old), None) if !same(&old, &field.default) => (Shown::Json(old), Shown::Nothing),
                    _ => continue,
                }
            };
            if old == new && !(matches!(new, Shown::Secret)) {
                continue;
            }
            diffs.push(FieldDiff {
                field: name.to_owned(),
                before: old,
                after: new,
                sensitive: wish.is_some_and(|wish| wish.tainted),
                place: wish.map(|wish| self.place(wish.entry, wish.span)),
            });
        }
        diffs
    }

    /// Whether a list field is the near side of a membership that some other kind shows as a field of its own.
    fn is_membership(&self, info: &KindInfo, field: &str) -> bool {
        self.registry
            .kinds()
            .flat_map(|kind| kind.references)
            .any(|reference| reference.inverse == Some(field) && info.is_a(reference.target))
    }
}

fn static_secret(info: &KindInfo, name: &str) -> Option<(&'static str, crate::model::registry::SecretMode)> {
    info.secret_names().find(|(field, _)| *field == name)
}

fn set_edges(object: &mut Object, field: &'static str, targets: Vec<Uuid>) {
    if targets.is_empty() {
        object.edges.remove(field);
    } else {
        object.edges.insert(field, targets);
    }
}

/// Gives an object the default of every plain attribute that it does not have yet.
pub fn fill_defaults(info: &KindInfo, object: &mut Object) {
    for field in info.fields.values().filter(|field| field.reference.is_none() && field.secret.is_none()) {
        if !object.attrs.contains_key(&field.name) {
            object.attrs.insert(field.name.clone(), field.default.clone());
        }
    }
}

/// Names inside of names: a binding of a binding of a flow has three.
const NAME_DEPTH: usize = 3;

/// What people call an object: the value of its natural identifier, with the names of objects in it.
pub fn label(model: &Model, object: &Object) -> String {
    label_to(model, object, NAME_DEPTH)
}

fn label_to(model: &Model, object: &Object, depth: usize) -> String {
    let info = model.registry().get(object.kind);
    let part = |field: &str| -> Option<String> {
        if let Some(target) = object.targets(field).first() {
            return Some(match model.known(*target) {
                Some(target) if depth > 0 => label_to(model, target, depth - 1),
                _ => target.to_string(),
            });
        }
        match object.attrs.get(field) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Null | Value::String(_)) | None => None,
            Some(other) => Some(other.to_string()),
        }
    };
    for key in info.keys.iter().filter(|key| !key.only_true) {
        let parts: Option<Vec<String>> = key.fields.iter().map(|field| part(field)).collect();
        match parts {
            Some(parts) if parts.len() == 1 => return parts.join(""),
            Some(parts) => return parts.join(" › "),
            None => {}
        }
    }
    if let Some(name) = part("name") {
        return name;
    }
    let references: Vec<String> = info
        .references
        .iter()
        .filter(|reference| !reference.many)
        .filter_map(|reference| part(reference.field))
        .collect();
    let order = part("order");
    let parts: Vec<String> = references.into_iter().chain(order).collect();
    if parts.is_empty() { object.id.to_string() } else { parts.join(" › ") }
}

/// A field's value as change logs keep it: ids for references, never a secret.
pub fn logged(shown: &Shown) -> Value {
    match shown {
        Shown::Nothing => Value::Null,
        Shown::Json(value) if symbol::contains_symbol(value) => json!("(known after apply)"),
        Shown::Json(value) => value.clone(),
        Shown::Objects(objects) => json!(objects.iter().map(|object| object.id).collect::<Vec<_>>()),
        Shown::Secret => json!("(secret)"),
        Shown::Generated => json!("(generated)"),
    }
}
