//! The engine on a store: loads what a run asks for, and commits what it plans.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use uuid::Uuid;

use super::{
    apply,
    engine::{Options, Outcome, Run},
    inputs::Inputs,
    load::Loaded,
    plan::{Action, Plan, Pruned, Secrets},
};
use crate::{
    base::diagnostic::Diagnostic,
    model::{Model, Need, Registry, Residency, SecretState},
    store::{
        Committed, Key, Reader, Store, StoreError,
        changeset::{self, Changeset, Ownership},
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

/// Plans documents against a store, in one snapshot of it.
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
    let (planned, ()) = plan_and_ask(store, registry, loaded, inputs, options, &|_, _, _| Ok(())).await?;
    Ok(planned)
}

/// A question about a plan and the models before and after it.
pub type Question<'q, T> = &'q (dyn Fn(&Plan, &Model, &Model) -> Result<T, BTreeSet<Need>> + Sync);

/// As [`plan`], and asks a question about the plan in the same snapshot.
///
/// # Errors
/// When the store fails.
pub async fn plan_and_ask<T>(
    store: &Store,
    registry: &Arc<Registry>,
    loaded: &mut Loaded,
    inputs: &Inputs,
    options: Options,
    question: Question<'_, T>,
) -> Result<(Planned, T), DriveError> {
    let mut reader = store.read().await?;
    let model = reader.model(registry.clone()).await?;
    loaded.arrange(&model, options.last_wins);
    let secrets = Keyed(store.key());
    let mut run = Run::new(loaded, inputs, &secrets, model, options);
    let mut outcome = advance(&mut run, &mut reader).await?;
    keep_secret(&mut outcome.plan, &mut reader).await?;
    let mut model = run.model().clone();
    loop {
        match question(&outcome.plan, &model, &outcome.plan.applied_to(&model)) {
            Ok(answer) => return Ok((Planned { outcome, model }, answer)),
            Err(needs) => model = supply(&mut reader, model, needs.into_iter().collect()).await?,
        }
    }
}

/// The plan of a whole source.
pub struct SourcePlan {
    /// The plan and the findings.
    pub planned: Planned,
    /// What the source owned before.
    pub owned: usize,
    /// What it owned, no longer declares, and leaves as it is: the rows of its ownership.
    pub orphans: Vec<Ownership>,
}

/// Plans all documents of a source against a store, in one snapshot of it. What the source owns and no longer declares is
/// deleted if `prune` says so, unless another source declares it as well.
///
/// # Errors
/// When the store fails.
pub async fn plan_source(
    store: &Store,
    registry: &Arc<Registry>,
    loaded: &mut Loaded,
    inputs: &Inputs,
    source: &str,
    prune: bool,
) -> Result<SourcePlan, DriveError> {
    let mut reader = store.read().await?;
    let model = reader.model(registry.clone()).await?;
    loaded.arrange(&model, false);
    let secrets = Keyed(store.key());
    let rows = reader.ownership_of(source).await?;
    let owned = rows.iter().map(|row| row.object).collect::<BTreeSet<_>>().len();
    let mut run = Run::new(loaded, inputs, &secrets, model, Options::default());
    let mut outcome = advance(&mut run, &mut reader).await?;
    // What is not declared any more may be the very thing that is in the way, as when an object is renamed: the plan is
    // judged after pruning. A run that came to no plan at all declares nothing, and nothing follows from that.
    let refused = outcome.found.iter().chain(&loaded.found).any(Diagnostic::is_error);
    let mut orphans = Vec::new();
    if !refused || !outcome.plan.ownership.is_empty() {
        let declared: HashSet<Uuid> = outcome.plan.ownership.iter().map(|row| row.object).collect();
        let kept: HashSet<(Uuid, &str)> =
            outcome.plan.ownership.iter().map(|row| (row.object, row.document.as_str())).collect();
        let gone: HashSet<Uuid> = outcome
            .plan
            .changes
            .iter()
            .filter(|change| change.after.is_none())
            .map(|change| change.object.id)
            .collect();
        let (moved, left): (Vec<Ownership>, Vec<Ownership>) = rows
            .into_iter()
            .filter(|row| !kept.contains(&(row.object, row.document.as_str())) && !gone.contains(&row.object))
            .partition(|row| declared.contains(&row.object));
        let let_go = |row: Ownership| Ownership { fields: Vec::new(), ..row };
        let mut released: Vec<Ownership> = moved.into_iter().map(let_go).collect();
        orphans = left;
        if prune && !orphans.is_empty() {
            let ids: BTreeSet<Uuid> = orphans.iter().map(|row| row.object).collect();
            let shared: HashSet<Uuid> = reader
                .ownership(ids.into_iter().collect())
                .await?
                .into_iter()
                .filter(|row| row.source != source)
                .map(|row| row.object)
                .collect();
            let (shared, own): (Vec<Ownership>, Vec<Ownership>) =
                orphans.into_iter().partition(|row| shared.contains(&row.object));
            released.extend(shared.into_iter().map(let_go));
            run.prune(own.into_iter().map(|row| pruned(source, &row)).collect());
            outcome = advance(&mut run, &mut reader).await?;
            orphans = Vec::new();
        }
        outcome.plan.ownership.append(&mut released);
    }
    keep_secret(&mut outcome.plan, &mut reader).await?;
    Ok(SourcePlan { planned: Planned { outcome, model: run.model().clone() }, owned, orphans })
}

/// Has a plan hide values that were ever secret: one that came from a variable stays so when its entry goes, or says
/// something else. The change log knows which fields those are.
async fn keep_secret(plan: &mut Plan, reader: &mut Reader) -> Result<(), StoreError> {
    let stored = plan.changes.iter().filter(|change| change.action != Action::Create);
    let fields = reader.secret_fields(stored.map(|change| change.object.id).collect()).await?;
    for change in &mut plan.changes {
        let id = change.object.id;
        for diff in &mut change.fields {
            diff.sensitive |= fields.contains(&(id, diff.field.clone()));
        }
    }
    Ok(())
}

fn pruned(source: &str, row: &Ownership) -> Pruned {
    let reason = format!("{source} declares it no longer; it was in {}:{}", row.document, row.line);
    Pruned { object: row.object, reason }
}

async fn advance(run: &mut Run<'_>, reader: &mut Reader) -> Result<Outcome, DriveError> {
    loop {
        match run.advance() {
            Ok(outcome) => return Ok(outcome),
            Err(needs) => {
                let model = supply(reader, run.model().clone(), needs.into_iter().collect()).await?;
                run.supply(model);
            }
        }
    }
}

/// The model with what was needed.
///
/// # Errors
/// When the store fails.
pub async fn supply(reader: &mut Reader, mut model: Model, needs: Vec<Need>) -> Result<Model, StoreError> {
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
