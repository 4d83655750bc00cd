//! What the server's work on a request stands on: the store, the state of the objects, the clock.
//!
//! The resident objects are in memory as a [`Model`] of the last revision. People and groups are looked up when a request
//! needs them, and kept until the next revision.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use uuid::Uuid;

use super::{person::Person, place::Places};
use crate::{
    base::{clock::Clock, egress::Egress},
    blueprint::drive,
    model::{Model, Need, Registry},
    store::{Store, StoreError},
};

/// People that are kept at most; beyond, all are forgotten and looked up again.
const PEOPLE: usize = 10_000;

/// What the server has at hand besides the store.
#[derive(Clone, Debug, Default)]
pub struct Means {
    /// What it may connect to because of what is declared.
    pub egress: Egress,
    /// Where addresses are.
    pub places: Places,
    /// File of passwords known from leaks; without one, a server on the internet is asked.
    pub breaches: Option<PathBuf>,
}

/// Who was looked up, whether found or not.
type People = HashMap<Uuid, Option<Arc<Person>>>;

/// The server's state behind all requests. Cheap to clone.
#[derive(Clone)]
pub struct World {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    means: Means,
    model: RwLock<Option<Arc<Model>>>,
    /// Held while a new model is loaded, so that one request does it for all.
    loading: tokio::sync::Mutex<()>,
    people: Mutex<(i64, People)>,
}

impl World {
    /// A world on a store, with nothing at hand but the public internet.
    pub fn new(store: Store, registry: Arc<Registry>, clock: Arc<dyn Clock>) -> World {
        World::equipped(store, registry, clock, Means::default())
    }

    /// A world on a store.
    pub fn equipped(store: Store, registry: Arc<Registry>, clock: Arc<dyn Clock>, means: Means) -> World {
        let inner = Inner {
            store,
            registry,
            clock,
            means,
            model: RwLock::default(),
            loading: tokio::sync::Mutex::default(),
            people: Mutex::default(),
        };
        World { inner: Arc::new(inner) }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The kinds.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.inner.registry
    }

    /// What the server has at hand besides the store.
    pub fn means(&self) -> &Means {
        &self.inner.means
    }

    /// Microseconds since 1970.
    pub fn now(&self) -> i64 {
        self.inner.clock.now_us()
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// The resident objects as of the last commit of any process.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn model(&self) -> Result<Arc<Model>, StoreError> {
        let revision = self.inner.store.revision().await?;
        if let Some(model) = self.held(revision) {
            return Ok(model);
        }
        let _loading = self.inner.loading.lock().await;
        if let Some(model) = self.held(revision) {
            return Ok(model);
        }
        let model = Arc::new(self.inner.store.read().await?.model(self.inner.registry.clone()).await?);
        *self.inner.model.write().unwrap_or_else(PoisonError::into_inner) = Some(model.clone());
        Ok(model)
    }

    fn held(&self, revision: i64) -> Option<Arc<Model>> {
        let held = self.inner.model.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|model| model.revision >= revision).cloned()
    }

    /// Evaluates something on a model, looking up in the store what the model does not hold. The model keeps what was
    /// looked up.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ask<T>(
        &self,
        model: &mut Model,
        evaluate: impl Fn(&Model) -> Result<T, Need> + Send,
    ) -> Result<T, StoreError> {
        loop {
            let need = match evaluate(model) {
                Ok(value) => return Ok(value),
                Err(need) => need,
            };
            let mut reader = self.inner.store.read().await?;
            *model = drive::supply(&mut reader, model.clone(), vec![need]).await?;
        }
    }

    /// A person by id, with the groups that the person is in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn person(&self, id: Uuid) -> Result<Option<Arc<Person>>, StoreError> {
        let model = self.model().await?;
        {
            let mut people = self.inner.people.lock().unwrap_or_else(PoisonError::into_inner);
            if people.0 != model.revision || people.1.len() > PEOPLE {
                *people = (model.revision, HashMap::new());
            }
            if let Some(person) = people.1.get(&id) {
                return Ok(person.clone());
            }
        }
        let mut seen = Model::clone(&model);
        let person = self.ask(&mut seen, |model| Person::of(model, id)).await?.map(Arc::new);
        let mut people = self.inner.people.lock().unwrap_or_else(PoisonError::into_inner);
        if people.0 == model.revision {
            people.1.insert(id, person.clone());
        }
        Ok(person)
    }

    /// A person by the whole value of a natural identifier: `username`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn person_named(&self, username: &str) -> Result<Option<Arc<Person>>, StoreError> {
        let mut model = Model::clone(&*self.model().await?);
        let found = self
            .ask(&mut model, |model| {
                Ok(model.by_key("authentik_core.user", "username", username)?.map(|object| object.id))
            })
            .await?;
        match found {
            Some(id) => self.person(id).await,
            None => Ok(None),
        }
    }
}
