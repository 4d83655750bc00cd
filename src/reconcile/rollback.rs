//! Rollbacks: the plan that leads back to the state before a run.
//!
//! The state before is worked out from what the changes took away, newest first. All later changes are undone with the run,
//! so that the result is a state that was there once; or only those of the run, which is refused where something later
//! builds on them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::{Map, json};
use uuid::Uuid;

use super::{attempt, trigger::Request};
use crate::{
    blueprint::{
        drive,
        plan::{self, Beyond, Plan},
    },
    model::{KindInfo, Model, Need, Object, Registry, SecretState},
    store::{
        ChangeRecord, Former, FormerSecret, Store, StoreError, Undoable,
        changeset::{Outcome, Ownership, Run, SecretWrite},
    },
};

/// What is to be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The run.
    pub run: i64,
    /// Only what this run changed, and nothing that later ones did.
    pub only: bool,
    /// Leave what cannot be undone as it is, instead of refusing.
    pub force: bool,
}

/// A rollback that may be shown and applied.
#[derive(Debug)]
pub struct Rollback {
    /// What would change.
    pub plan: Plan,
    /// Runs that are undone, oldest first.
    pub runs: Vec<i64>,
    /// Sources of these runs, each with the digest of the content that it is not to apply again.
    pub holds: Vec<(String, String)>,
    /// What cannot be undone. Without force the plan is not to be applied; with it, the plan leaves these out.
    pub conflicts: Vec<Conflict>,
}

/// Something that cannot be undone.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Conflict {
    /// The object.
    pub object: Uuid,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The field, when it is about one.
    pub field: Option<String>,
    /// Why, as the end of a sentence that begins with the object.
    pub why: String,
}

/// Why there is no way back.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such run.
    #[error("there is no run {0}; `gatewright history` lists them")]
    NoSuchRun(i64),
    /// The run wrote nothing.
    #[error("run {run} was {outcome} and wrote nothing, so there is nothing to undo")]
    WroteNothing {
        /// The run.
        run: i64,
        /// What it came to.
        outcome: &'static str,
    },
}

/// Makes the plan back to the state before a run, in one snapshot of the store.
///
/// # Errors
/// When there is no such run, it wrote nothing, or the store fails.
pub async fn plan(store: &Store, registry: &Arc<Registry>, wish: Wish) -> Result<Rollback, RollbackError> {
    let Some(record) = store.run(wish.run).await? else { return Err(RollbackError::NoSuchRun(wish.run)) };
    if record.run.outcome != Outcome::Applied {
        return Err(RollbackError::WroteNothing { run: wish.run, outcome: record.run.outcome.as_str() });
    }
    let mut reader = store.read().await?;
    let undoable = reader.changes_since(store.key(), wish.run).await?;
    let mut model = reader.model(registry.clone()).await?;
    let ids: BTreeSet<Uuid> = undoable.iter().map(|undoable| undoable.change.object).collect();
    let sensitive = reader.secret_fields(ids.into_iter().collect()).await?;
    let mut needs: BTreeSet<Need> = undoable.iter().map(|undoable| Need::Id(undoable.change.object)).collect();
    let (plan, conflicts) = loop {
        model = drive::supply(&mut reader, model, needs.into_iter().collect()).await?;
        match Back::new(&model, &undoable, wish).plan(&sensitive) {
            Ok(found) => break found,
            Err(more) => needs = more,
        }
    };
    drop(reader);
    let undone = undoable.iter().filter(|undoable| !wish.only || undoable.change.run == wish.run);
    let runs: Vec<i64> = undone.map(|undoable| undoable.change.run).collect::<BTreeSet<_>>().into_iter().collect();
    let mut holds = Vec::new();
    let records = store.runs_by_id(runs.clone()).await?;
    let sources: BTreeSet<String> = records.into_iter().filter_map(|record| record.run.source).collect();
    for name in sources {
        let state = attempt::state_of(store.source(&name).await?.as_ref());
        holds.extend(state.applied.map(|applied| (name, applied.revision.digest)));
    }
    Ok(Rollback { plan, runs, holds, conflicts })
}

impl Rollback {
    /// The record of the run that applies it.
    pub fn run(&self, wish: Wish, actor: &str) -> Run {
        let origin = if wish.only {
            format!("rollback of run {} alone", wish.run)
        } else {
            format!("rollback to before run {}", wish.run)
        };
        let detail = json!({ "rollback": { "run": wish.run, "only": wish.only, "runs": self.runs } });
        Run { summary: json!(self.plan.counts()), detail, actor: actor.to_owned(), origin, ..Run::default() }
    }

    /// What is asked of the sources, so that they do not put back at once what is rolled back.
    pub fn requests(&self, actor: &str) -> Vec<(String, serde_json::Value)> {
        let request =
            |digest: &String| Request { by: actor.to_owned(), hold: Some(digest.clone()), ..Request::default() };
        self.holds.iter().map(|(source, digest)| (source.clone(), json!(request(digest)))).collect()
    }
}

/// An object on its way back.
#[derive(Clone, Default)]
struct State {
    /// None when it is not there.
    object: Option<Object>,
    /// Secrets that were put back, by field.
    secrets: BTreeMap<&'static str, FormerSecret>,
    ownership: Vec<Ownership>,
}

struct Back<'a> {
    model: &'a Model,
    changes: &'a [Undoable],
    /// The changes of each object, newest first.
    of: HashMap<Uuid, Vec<&'a Undoable>>,
    wish: Wish,
    conflicts: Vec<Conflict>,
    /// Objects that stay as they are, because something about them cannot be undone.
    kept: BTreeSet<Uuid>,
}

impl<'a> Back<'a> {
    fn new(model: &'a Model, changes: &'a [Undoable], wish: Wish) -> Back<'a> {
        let mut of: HashMap<Uuid, Vec<&Undoable>> = HashMap::new();
        for undoable in changes {
            of.entry(undoable.change.object).or_default().push(undoable);
        }
        Back { model, changes, of, wish, conflicts: Vec::new(), kept: BTreeSet::new() }
    }

    fn plan(mut self, sensitive: &BTreeSet<(Uuid, String)>) -> Result<(Plan, Vec<Conflict>), BTreeSet<Need>> {
        let states = self.states();
        // The oldest change first, as the runs were.
        let mut order: Vec<Uuid> = Vec::new();
        let mut seen = BTreeSet::new();
        for undoable in self.changes.iter().rev() {
            let id = undoable.change.object;
            if states.contains_key(&id) && seen.insert(id) {
                order.push(id);
            }
        }
        let target = loop {
            let target = self.target(&order, &states);
            let found = self.judge(&target, &order, &states)?;
            if found.is_empty() {
                break target;
            }
            // Without what cannot be done, something else may no longer be possible; each round leaves out more.
            for conflict in found {
                self.kept.insert(conflict.object);
                self.conflicts.push(conflict);
            }
        };
        let mut beyond = Beyond { sensitive: sensitive.clone(), ..Beyond::default() };
        let mut ownership = Vec::new();
        for id in order.iter().filter(|id| !self.kept.contains(id)) {
            let Some(state) = states.get(id) else { continue };
            let before = self.model.known(*id);
            if state.object.is_some() {
                beyond.secrets.insert(*id, secrets(before.map(Arc::as_ref), state));
                ownership.extend(state.ownership.iter().filter(|_| before.is_none()).cloned());
            }
            beyond.reasons.insert(*id, self.reason(*id, before.is_some(), state.object.is_some()));
        }
        let mut plan = plan::between(self.model, &target, &order, beyond)?;
        plan.ownership = ownership;
        Ok((plan, self.conflicts))
    }

    /// What each object goes back to.
    fn states(&mut self) -> HashMap<Uuid, State> {
        let mut states: HashMap<Uuid, State> = HashMap::new();
        let mut later: HashMap<Uuid, Vec<&Undoable>> = HashMap::new();
        for undoable in self.changes {
            let id = undoable.change.object;
            if self.wish.only && undoable.change.run != self.wish.run {
                later.entry(id).or_default().push(undoable);
                continue;
            }
            let state = states.entry(id).or_insert_with(|| State {
                object: self.model.known(id).map(|object| (**object).clone()),
                ..State::default()
            });
            let found = match later.get(&id) {
                Some(later) => undo_alone(self.model.registry(), state, undoable, later),
                None => undo(self.model.registry(), state, undoable).map_err(|why| vec![(None, why)]),
            };
            for (field, why) in found.err().unwrap_or_default() {
                if field.is_none() {
                    self.kept.insert(id);
                }
                let conflict = conflict(&undoable.change, field, why);
                if !self.conflicts.contains(&conflict) {
                    self.conflicts.push(conflict);
                }
            }
        }
        states
    }

    fn target(&self, order: &[Uuid], states: &HashMap<Uuid, State>) -> Model {
        let mut target = self.model.clone();
        for id in order.iter().filter(|id| !self.kept.contains(id)) {
            match states.get(id).and_then(|state| state.object.clone()) {
                Some(object) => target.put(Arc::new(object)),
                None => drop(target.remove(*id)),
            }
        }
        target
    }

    /// What does not fit together in the target.
    fn judge(
        &self,
        target: &Model,
        order: &[Uuid],
        states: &HashMap<Uuid, State>,
    ) -> Result<Vec<Conflict>, BTreeSet<Need>> {
        let registry = target.registry();
        let mut needs = BTreeSet::new();
        let mut found = Vec::new();
        let name = |id: Uuid| match target.known(id).or(self.model.known(id)) {
            Some(object) => {
                format!("the {} `{}`", registry.get(object.kind).title.to_lowercase(), plan::label(target, object))
            }
            None => format!("an object that is gone ({id})"),
        };
        for id in order.iter().filter(|id| !self.kept.contains(id)) {
            let Some(change) = self.of.get(id).and_then(|changes| changes.first()) else { continue };
            let mut complain = |field: Option<&str>, why: String| {
                found.push(conflict(&change.change, field.map(str::to_owned), why));
            };
            match states.get(id).and_then(|state| state.object.as_ref()) {
                None => {
                    let Some(object) = self.model.known(*id) else { continue };
                    let info = registry.get(object.kind);
                    for kind in registry.kinds() {
                        let near = |field: &&_| is_near(field, info);
                        for reference in kind.references.iter().filter(near) {
                            match target.referrers(kind.index, reference.field, *id) {
                                Err(need) => drop(needs.insert(need)),
                                Ok(holders) => {
                                    for holder in holders {
                                        let why = format!(
                                            "cannot go: {} refers to it in `{}`",
                                            name(holder),
                                            reference.field
                                        );
                                        complain(None, why);
                                    }
                                }
                            }
                        }
                    }
                }
                Some(object) => {
                    let info = registry.get(object.kind);
                    for (field, targets) in &object.edges {
                        for other in targets {
                            match target.get(*other) {
                                Err(need) => drop(needs.insert(need)),
                                Ok(Some(_)) => {}
                                Ok(None) => complain(Some(field), format!("would refer to {}", name(*other))),
                            }
                        }
                    }
                    for (scope, key, value) in plan::keys(info, object) {
                        let taken = |holder: Uuid| {
                            let other = target.known(holder).filter(|_| holder != *id);
                            other.is_some_and(|other| {
                                let kind = registry.get(other.kind);
                                plan::keys(kind, other).contains(&(scope, key.clone(), value.clone()))
                            })
                        };
                        match self.model.by_key(scope, &key, &value) {
                            Err(need) => drop(needs.insert(need)),
                            Ok(Some(holder)) if taken(holder.id) => {
                                let why =
                                    format!("cannot have `{key}` {value:?} again, which {} has now", name(holder.id));
                                complain(None, why);
                            }
                            Ok(_) => {}
                        }
                    }
                    for reference in info.references.iter().filter(|reference| reference.exclusive) {
                        for other in object.targets(reference.field) {
                            match target.referrers(object.kind, reference.field, *other) {
                                Err(need) => drop(needs.insert(need)),
                                Ok(holders) => {
                                    if let Some(holder) = holders.into_iter().find(|holder| holder != id) {
                                        let why = format!(
                                            "cannot refer to {} again, as {} does now",
                                            name(*other),
                                            name(holder)
                                        );
                                        complain(Some(reference.field), why);
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        if needs.is_empty() { Ok(found) } else { Err(needs) }
    }

    fn reason(&self, id: Uuid, was: bool, will: bool) -> String {
        let mut runs: Vec<i64> = self
            .of
            .get(&id)
            .into_iter()
            .flatten()
            .map(|undoable| &undoable.change)
            .filter(|change| !self.wish.only || change.run == self.wish.run)
            .map(|change| change.run)
            .collect();
        runs.dedup();
        let (newest, oldest) = (runs.first().copied().unwrap_or_default(), runs.last().copied().unwrap_or_default());
        match (was, will) {
            (false, _) => format!("deleted by run {newest}"),
            (_, false) => format!("created by run {oldest}"),
            _ if newest == oldest => format!("changed by run {newest}"),
            _ => format!("changed by runs {oldest} to {newest}"),
        }
    }
}

fn is_near(reference: &crate::model::Reference, target: &KindInfo) -> bool {
    reference.inverse.is_none() && target.is_a(reference.target)
}

fn conflict(change: &ChangeRecord, field: Option<String>, why: String) -> Conflict {
    Conflict { object: change.object, kind: change.kind.clone(), name: change.name.clone(), field, why }
}

/// Undoes one change, given that all later ones were undone.
fn undo(registry: &Registry, state: &mut State, undoable: &Undoable) -> Result<(), String> {
    let Undoable { change, former } = undoable;
    if change.action == "create" {
        *state = State::default();
        return Ok(());
    }
    let Some(former) = former else {
        return Err(format!("was changed by run {}, and what it was before is no longer kept", change.run));
    };
    let info = registry.find(&change.kind).ok_or("is of a kind that this program does not know")?;
    if change.action == "delete" {
        *state = State { object: Some(blank(change.object, info, former.number)), ..State::default() };
        state.ownership.clone_from(&former.ownership);
    }
    let fields: Vec<&str> = former.fields().collect();
    fields.into_iter().try_for_each(|field| put_back(info, state, former, field))
}

/// Undoes one change and no later one. Names the fields, or nothing for the whole object, that something later builds on.
fn undo_alone(
    registry: &Registry,
    state: &mut State,
    undoable: &Undoable,
    later: &[&Undoable],
) -> Result<(), Vec<(Option<String>, String)>> {
    let change = &undoable.change;
    let whole = |why: String| vec![(None, why)];
    let again = |other: &ChangeRecord, what: &str| format!("was {what} again in run {} by {}", other.run, other.actor);
    let Some(newest) = later.first() else { return undo(registry, state, undoable).map_err(whole) };
    let gone = state.object.is_none();
    match change.action.as_str() {
        "create" if gone => return Ok(()),
        "create" => {
            let touching = later.iter().find(|other| other.former.as_ref().is_none_or(|former| !former.is_empty()));
            return match touching {
                Some(other) => Err(whole(again(&other.change, "changed"))),
                None => undo(registry, state, undoable).map_err(whole),
            };
        }
        "delete" if gone => return undo(registry, state, undoable).map_err(whole),
        "delete" => return Err(whole(again(&later[later.len() - 1].change, "created"))),
        _ if gone => {
            let by = format!("was deleted in run {} by {}", newest.change.run, newest.change.actor);
            return Err(whole(by));
        }
        _ => {}
    }
    let Some(former) = &undoable.former else { return undo(registry, state, undoable).map_err(whole) };
    let Some(info) = registry.find(&change.kind) else { return undo(registry, state, undoable).map_err(whole) };
    let mut conflicts = Vec::new();
    for field in former.fields() {
        let touching = later.iter().find(|other| match &other.former {
            Some(former) => former.fields().any(|touched| touched == field),
            // Made anew, or no longer known.
            None => true,
        });
        let mut back = state.clone();
        if let Err(why) = put_back(info, &mut back, former, field) {
            conflicts.push((Some(field.to_owned()), why));
            continue;
        }
        match touching {
            // Something later has put it back already.
            Some(_) if is_back(state, &back, field) => {}
            Some(other) => conflicts.push((Some(field.to_owned()), again(&other.change, "changed"))),
            None => *state = back,
        }
    }
    if conflicts.is_empty() { Ok(()) } else { Err(conflicts) }
}

fn is_back(now: &State, back: &State, field: &str) -> bool {
    match (&now.object, &back.object) {
        (Some(now), Some(back)) => {
            now.attrs.get(field) == back.attrs.get(field)
                && now.targets(field) == back.targets(field)
                && now.secrets.get(field) == back.secrets.get(field)
        }
        _ => false,
    }
}

fn blank(id: Uuid, info: &KindInfo, number: Option<i64>) -> Object {
    Object {
        id,
        kind: info.index,
        number,
        attrs: Map::new(),
        edges: BTreeMap::new(),
        secrets: BTreeMap::new(),
        revision: 0,
        created: 0,
        updated: 0,
    }
}

fn put_back(info: &KindInfo, state: &mut State, former: &Former, field: &str) -> Result<(), String> {
    let Some(object) = &mut state.object else { return Err("is not there, though it was changed".to_owned()) };
    if let Some(value) = former.attrs.get(field) {
        object.attrs.insert(field.to_owned(), value.clone());
    }
    if former.without.iter().any(|without| without == field) {
        object.attrs.remove(field);
    }
    let unknown = || format!("had `{field}`, which this program does not know");
    if let Some(targets) = former.edges.get(field) {
        let name = info.reference(field).ok_or_else(unknown)?.field;
        if targets.is_empty() {
            object.edges.remove(name);
        } else {
            object.edges.insert(name, targets.clone());
        }
    }
    if let Some(secret) = former.secrets.get(field) {
        let (name, _) = info.secret_names().find(|(name, _)| *name == field).ok_or_else(unknown)?;
        match secret {
            FormerSecret::Nothing => drop(object.secrets.remove(name)),
            FormerSecret::Sealed { digest, .. } => {
                object.secrets.insert(name, SecretState::Sealed(*digest));
            }
            FormerSecret::Password(hash) => {
                object.secrets.insert(name, SecretState::Password(hash.clone()));
            }
        }
        state.secrets.insert(name, secret.clone());
    }
    Ok(())
}

/// The secrets to write so that an object has those of its state.
fn secrets(before: Option<&Object>, state: &State) -> BTreeMap<&'static str, SecretWrite> {
    let mut writes = BTreeMap::new();
    for (field, secret) in &state.secrets {
        let there = before.and_then(|before| before.secrets.get(field));
        if there == state.object.as_ref().and_then(|object| object.secrets.get(field)) {
            continue;
        }
        let write = match secret {
            FormerSecret::Nothing => SecretWrite::Clear,
            FormerSecret::Sealed { sealed, digest } => SecretWrite::Sealed { sealed: sealed.clone(), digest: *digest },
            FormerSecret::Password(hash) => SecretWrite::Hashed(hash.clone()),
        };
        writes.insert(*field, write);
    }
    writes
}
