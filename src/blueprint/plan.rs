//! The plan: what would change, field by field, why, and under which conditions. A value that knows no database.

mod between;
mod changes;
mod delete;
mod label;
mod put;
mod unique;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{desired::Composed, resolve::Resolver};
use crate::{
    base::{
        diagnostic::{Diagnostic, FileId, Sources},
        hash::{FastMap, FastSet},
    },
    model::{KindIndex, Model, Need, Object, Registry, SecretState},
    store::changeset::{Ownership, Precondition, SecretWrite},
};

pub use between::{Beyond, alike, between, keys};
pub use label::{label, logged};
pub use put::fill_defaults;

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
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Id of the entry, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub entry: Option<Arc<str>>,
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
    /// Names that are not to be printed, besides those that the changes themselves show to be secret.
    pub hidden: BTreeSet<String>,
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

/// An object that is to go although no entry says so, because its source declares it no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The object.
    pub object: Uuid,
    /// Why, in a few words.
    pub reason: String,
}

/// Makes the plan that leads from the resolver's model to the composed objects.
///
/// # Errors
/// What must be loaded first.
pub fn plan(
    resolver: &Resolver<'_>,
    composed: &Composed,
    pruned: &[Pruned],
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
        pruned,
        sources,
        needs: BTreeSet::new(),
        found: Vec::new(),
        order: Vec::new(),
        touched: FastSet::default(),
        reasons: HashMap::new(),
        implied: FastSet::default(),
        deleted: Vec::new(),
        writes: FastMap::default(),
        memberships: FastMap::default(),
        files: RefCell::default(),
    };
    builder.ask_for_members();
    if !builder.needs.is_empty() {
        return Err(builder.needs);
    }
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
    pruned: &'b [Pruned],
    sources: &'b Sources,
    needs: BTreeSet<Need>,
    found: Vec<Diagnostic>,
    /// Objects that may have changed, in the order of the documents.
    order: Vec<Uuid>,
    touched: FastSet<Uuid>,
    reasons: HashMap<Uuid, String>,
    implied: FastSet<Uuid>,
    deleted: Vec<Uuid>,
    writes: FastMap<Uuid, Writes>,
    memberships: FastMap<(Uuid, &'static str), Vec<Uuid>>,
    /// Names of the files that places are in, each once.
    files: RefCell<HashMap<FileId, Arc<str>>>,
}

impl Builder<'_, '_> {
    fn touch(&mut self, id: Uuid) {
        if self.touched.insert(id) {
            self.order.push(id);
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

    fn span_of(&self, id: Uuid, field: &str) -> Option<crate::base::diagnostic::Span> {
        let desired = self.composed.objects.get(&id)?;
        let entry = self.resolver.entry(desired.entries[0]).1.model.span;
        Some(desired.wishes.get(field).map_or(entry, |wish| wish.span))
    }
}

/// Whether two lists without duplicates hold the same ids, in whatever order.
fn same_set(one: &[Uuid], other: &[Uuid]) -> bool {
    let sorted = |ids: &[Uuid]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    one == other || one.len() == other.len() && sorted(one) == sorted(other)
}

fn set_edges(object: &mut Object, field: &'static str, targets: Vec<Uuid>) {
    if targets.is_empty() {
        object.edges.remove(field);
    } else {
        object.edges.insert(field, targets);
    }
}
