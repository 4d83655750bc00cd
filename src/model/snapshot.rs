//! The immutable model: every object that is known, with indexes, at one revision.
//!
//! A [`Model`] is cheap to clone (persistent maps), so an overlay is a clone that is changed: the planner starts
//! from the stored model and ends with the planned one, and neither notices the other.

use std::{collections::BTreeMap, sync::Arc};

use imbl::{GenericHashMap, GenericHashSet, OrdSet, shared_ptr::DefaultSharedPtr};
use uuid::Uuid;

use super::{
    kind::Residency,
    object::{Object, key_name, key_scope},
    registry::{KindIndex, Registry},
};
use crate::base::hash::Even;

type HashMap<K, V> = GenericHashMap<K, V, Even, DefaultSharedPtr>;
type HashSet<K> = GenericHashSet<K, Even, DefaultSharedPtr>;

/// Something about a paged kind that the model was asked for and does not hold.
///
/// Whoever built the model loads what is needed and asks again; an evaluation never touches a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// The object with an id, of any paged kind.
    Id(Uuid),
    /// The object with an integer key, within a number scope (kind or family name).
    Number(&'static str, i64),
    /// The object with a value of a natural identifier: scope, key name, indexed text.
    Key(&'static str, String, String),
    /// All objects whose list field refers to a target: field name, target.
    Referrers(&'static str, Uuid),
    /// All objects of a kind.
    Kind(KindIndex),
}

/// Immutable snapshot of the objects at one revision.
#[derive(Clone, Debug)]
pub struct Model {
    registry: Arc<Registry>,
    /// Identity of the store; part of the derivation of new ids.
    pub instance: Uuid,
    /// Revision of the store at which the snapshot was taken.
    pub revision: i64,
    objects: HashMap<Uuid, Arc<Object>>,
    by_kind: HashMap<KindIndex, OrdSet<Uuid>>,
    keys: HashMap<(&'static str, String, String), Uuid>,
    numbers: HashMap<(&'static str, i64), Uuid>,
    incoming: HashMap<Uuid, OrdSet<(&'static str, Uuid)>>,
    answered: HashSet<Need>,
}

impl Model {
    /// A model without objects, in which every kind is fully known: the state of an empty database.
    pub fn empty(registry: Arc<Registry>) -> Model {
        let mut model = Model::partial(registry, Uuid::nil(), 0);
        for kind in model.registry.clone().kinds() {
            model.answered.insert(Need::Kind(kind.index));
        }
        model
    }

    /// A model in which resident kinds count as fully known and of paged kinds nothing is known yet.
    pub fn partial(registry: Arc<Registry>, instance: Uuid, revision: i64) -> Model {
        Model {
            registry,
            instance,
            revision,
            objects: HashMap::default(),
            by_kind: HashMap::default(),
            keys: HashMap::default(),
            numbers: HashMap::default(),
            incoming: HashMap::default(),
            answered: HashSet::default(),
        }
    }

    /// The registry that the objects' kinds belong to.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Records that a need has been answered by the objects put since.
    pub fn answer(&mut self, need: Need) {
        self.answered.insert(need);
    }

    /// Adds an object or replaces the one of the same id.
    pub fn put(&mut self, object: Arc<Object>) {
        self.remove(object.id);
        let registry = self.registry.clone();
        let kind = registry.get(object.kind);
        for key in kind.keys {
            if let Some(value) = object.key_value(key) {
                self.keys.insert((key_scope(kind, key), key_name(key), value), object.id);
            }
        }
        if let Some(number) = object.number {
            self.numbers.insert((kind.number_scope(), number), object.id);
        }
        for (field, targets) in &object.edges {
            for target in targets {
                self.incoming.entry(*target).or_default().insert((field, object.id));
            }
        }
        self.by_kind.entry(object.kind).or_default().insert(object.id);
        self.objects.insert(object.id, object);
    }

    /// Takes an object out; references to it stay and dangle until someone decides about them.
    pub fn remove(&mut self, id: Uuid) -> Option<Arc<Object>> {
        let object = self.objects.remove(&id)?;
        let registry = self.registry.clone();
        let kind = registry.get(object.kind);
        for key in kind.keys {
            if let Some(value) = object.key_value(key) {
                let entry = (key_scope(kind, key), key_name(key), value);
                if self.keys.get(&entry) == Some(&id) {
                    self.keys.remove(&entry);
                }
            }
        }
        if let Some(number) = object.number {
            self.numbers.remove(&(kind.number_scope(), number));
        }
        for (field, targets) in &object.edges {
            for target in targets {
                if let Some(sources) = self.incoming.get_mut(target) {
                    sources.remove(&(*field, id));
                }
            }
        }
        if let Some(ids) = self.by_kind.get_mut(&object.kind) {
            ids.remove(&id);
        }
        Some(object)
    }

    /// The object of an id, if it is known; makes no statement about paged objects that were not asked for.
    pub fn known(&self, id: Uuid) -> Option<&Arc<Object>> {
        self.objects.get(&id)
    }

    /// The object of an id.
    ///
    /// # Errors
    /// The need, when the id is not held and could belong to a paged kind.
    pub fn get(&self, id: Uuid) -> Result<Option<&Arc<Object>>, Need> {
        match self.objects.get(&id) {
            Some(object) => Ok(Some(object)),
            None if self.knows_all_paged() => Ok(None),
            None => self.unless_answered(Need::Id(id)),
        }
    }

    /// The object with a value of a natural identifier (`scope` as by [`key_scope`], `key` as by [`key_name`]).
    ///
    /// # Errors
    /// The need, when a kind of the scope is paged and the value was not looked up.
    pub fn by_key(&self, scope: &'static str, key: &str, value: &str) -> Result<Option<&Arc<Object>>, Need> {
        let entry = (scope, key.to_owned(), value.to_owned());
        if let Some(id) = self.keys.get(&entry) {
            return Ok(self.objects.get(id));
        }
        if self.registry.targets(scope).iter().all(|kind| self.knows_all(*kind)) {
            return Ok(None);
        }
        self.unless_answered(Need::Key(entry.0, entry.1, entry.2))
    }

    /// The object with an integer key.
    ///
    /// # Errors
    /// The need, when a kind of the scope is paged and the number was not looked up.
    pub fn by_number(&self, scope: &'static str, number: i64) -> Result<Option<&Arc<Object>>, Need> {
        if let Some(id) = self.numbers.get(&(scope, number)) {
            return Ok(self.objects.get(id));
        }
        if self.registry.targets(scope).iter().all(|kind| self.knows_all(*kind)) {
            return Ok(None);
        }
        self.unless_answered(Need::Number(scope, number))
    }

    /// All objects of a kind, by id.
    ///
    /// # Errors
    /// The need, when the kind is paged and not loaded as a whole.
    pub fn of_kind(&self, kind: KindIndex) -> Result<impl Iterator<Item = &Arc<Object>>, Need> {
        if !self.knows_all(kind) {
            return Err(Need::Kind(kind));
        }
        Ok(self.known_of_kind(kind))
    }

    /// The objects of a kind that are held, which for a paged kind may not be all.
    pub fn known_of_kind(&self, kind: KindIndex) -> impl Iterator<Item = &Arc<Object>> {
        self.by_kind.get(&kind).into_iter().flatten().filter_map(|id| self.objects.get(id))
    }

    /// Ids of the objects of kind `kind` whose field refers to `target`.
    ///
    /// # Errors
    /// The need, when the kind is paged and the referrers were not loaded.
    pub fn referrers(&self, kind: KindIndex, field: &'static str, target: Uuid) -> Result<Vec<Uuid>, Need> {
        let need = Need::Referrers(field, target);
        if !self.knows_all(kind) && !self.answered.contains(&need) {
            return Err(need);
        }
        Ok(self
            .known_incoming(target)
            .filter(|(found, source)| {
                *found == field && self.objects.get(source).is_some_and(|object| object.kind == kind)
            })
            .map(|(_, source)| source)
            .collect())
    }

    /// Every known edge that ends at `target`: field and source.
    pub fn known_incoming(&self, target: Uuid) -> impl Iterator<Item = (&'static str, Uuid)> {
        self.incoming.get(&target).into_iter().flatten().copied()
    }

    /// All objects held.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    /// Number of objects held per kind.
    pub fn counts(&self) -> BTreeMap<KindIndex, usize> {
        self.by_kind.iter().map(|(kind, ids)| (*kind, ids.len())).collect()
    }

    fn knows_all(&self, kind: KindIndex) -> bool {
        self.registry.get(kind).residency == Residency::Resident || self.answered.contains(&Need::Kind(kind))
    }

    fn knows_all_paged(&self) -> bool {
        self.registry.kinds().all(|kind| self.knows_all(kind.index))
    }

    fn unless_answered(&self, need: Need) -> Result<Option<&Arc<Object>>, Need> {
        if self.answered.contains(&need) { Ok(None) } else { Err(need) }
    }
}
