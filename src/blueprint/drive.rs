//! The engine on a store: loads what a run asks for, and commits what it plans.

use std::sync::Arc;

use super::{
    apply,
    engine::{Options, Outcome, Run},
    inputs::Inputs,
    load::Loaded,
    plan::{Plan, Secrets},
};
use crate::{
    model::{Model, Need, Registry, Residency, SecretState},
    store::{
        Committed, Key, Reader, Store, StoreError,
        changeset::{self, Changeset},
        verify_password,
    },
};

/// A run that could not be driven to its end.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gave no randomness for generated values.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Compares secrets with what a store keeps of them.
pub struct Keyed<'k>(pub &'k Key);

impl Secrets for Keyed<'_> {
    fn matches(&self, stored: &SecretState, candidate: &str) -> bool {
        match stored {
            SecretState::Sealed(digest) => blake3::Hash::from_bytes(*digest) == self.0.digest(candidate),
            SecretState::Password(hash) => verify_password(hash, candidate),
            SecretState::Planned => false,
        }
    }
}

/// What a plan needs to be shown: the models before and after.
pub struct Planned {
    /// The plan and the findings.
    pub outcome: Outcome,
    /// The model that it was made for, as far as it was loaded.
    pub model: Model,
}

/// Plans arranged documents against a store, in one snapshot of it.
///
/// # Errors
/// When the store fails.
pub async fn plan(
    store: &Store,
    registry: &Arc<Registry>,
    loaded: &mut Loaded,
    inputs: &Inputs,
    options: Options,
) -> Result<Planned, DriveError> {
    let mut reader = store.read().await?;
    let model = reader.model(registry.clone()).await?;
    loaded.arrange(&model, options.last_wins);
    let secrets = Keyed(store.key());
    let mut run = Run::new(loaded, inputs, &secrets, model, options);
    loop {
        match run.advance() {
            Ok(outcome) => return Ok(Planned { outcome, model: run.model().clone() }),
            Err(needs) => {
                let model = supply(&mut reader, run.model().clone(), needs.into_iter().collect()).await?;
                run.supply(model);
            }
        }
    }
}

/// The model with what was needed.
async fn supply(reader: &mut Reader, mut model: Model, needs: Vec<Need>) -> Result<Model, StoreError> {
    let registry = model.registry().clone();
    let objects = reader.answer_beyond(&registry, &needs, &|id| model.known(id).is_some()).await?;
    for object in objects {
        model.put(Arc::new(object));
    }
    for need in needs {
        model.answer(need);
    }
    Ok(model)
}

/// A model that holds everything, as export needs it.
///
/// # Errors
/// When the store fails.
pub async fn whole_model(store: &Store, registry: &Arc<Registry>) -> Result<Model, DriveError> {
    let mut reader = store.read().await?;
    let model = reader.model(registry.clone()).await?;
    let paged = registry.kinds().filter(|kind| kind.residency == Residency::Paged);
    let needs = paged.map(|kind| Need::Kind(kind.index)).collect();
    Ok(supply(&mut reader, model, needs).await?)
}

/// Commits a plan.
///
/// # Errors
/// [`StoreError::Stale`] when what it was made for has changed, and whatever else the store reports.
pub async fn commit(
    store: &Store,
    registry: &Registry,
    plan: &Plan,
    run: changeset::Run,
    clock_us: i64,
) -> Result<Committed, DriveError> {
    let changes = changeset(plan, registry, run)?;
    Ok(store.commit(registry, &changes, clock_us).await?)
}

/// What a plan writes, for who lets go of the plan before the commit.
///
/// # Errors
/// When the system gives no randomness for generated values.
pub fn changeset(plan: &Plan, registry: &Registry, run: changeset::Run) -> Result<Changeset, DriveError> {
    apply::changeset(plan, registry, run).map_err(DriveError::Random)
}
