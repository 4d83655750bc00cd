//! One attempt to bring the running state to what a source declares: fetch, verify, decrypt, parse, plan, gate, apply,
//! record. Level-triggered: it looks at what is, whatever the trigger, and does nothing when nothing is to be done.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use serde_json::{Value, json};

use super::{
    content::{Content, FetchError},
    documents,
    gate::{self, Facts, Refusal},
    guard,
    obtain::{self, Kept},
    settings::Settings,
    source::OnDrift,
    state::{Applied, Basis, ConditionType, Drift, Pending, State},
    surroundings::Surroundings,
    tolerate,
    trigger::{Request, Trigger},
};
use crate::{
    base::diagnostic,
    blueprint::{
        apply,
        drive::{self, DriveError, SourcePlan},
        inputs::{Access, Folder, Inputs},
        plan::Plan,
        render,
    },
    store::{
        RunRecord, SourceRecord, Store, StoreError,
        changeset::{Lease, Outcome, Run, SourceWrite},
    },
};

/// How often a plan that someone else's write made stale is made again.
const TRIES: usize = 5;

/// Changes of a plan that its run keeps. What was written is in the change log anyway.
const KEPT_CHANGES: usize = 200;

/// What a process remembers of a source between attempts; losing it costs time only.
#[derive(Debug, Default)]
pub struct Memory {
    /// What was found to need nothing, at which revision of the store.
    verified: Option<Basis>,
    /// What was fetched last.
    kept: Kept,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// There was nothing to do.
    Unchanged,
    /// The plan was applied, as this run if it wrote anything.
    Applied(Option<i64>),
    /// A gate, drift that is only reported, or a missing dependency or consent is in the way.
    Held,
    /// It failed; true when trying again may help.
    Failed(bool),
    /// Another process is writing for the source.
    Busy,
    /// This process is ending, so nothing was done and nothing recorded.
    Stopped,
}

/// What went wrong with the means of reconciling, not with a source.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Randomness.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

impl From<DriveError> for AttemptError {
    fn from(error: DriveError) -> Self {
        match error {
            DriveError::Store(error) => AttemptError::Store(error),
            DriveError::Random(error) => AttemptError::Random(error),
        }
    }
}

/// One step of an attempt: its end, or the wish to start again from what is there now.
enum Step {
    Done(Attempted),
    Again,
}

/// An attempt under way.
struct Attempt<'a> {
    around: &'a Surroundings,
    settings: &'a Settings,
    trigger: &'a Trigger,
    request: Option<(i64, Request)>,
    before: State,
    state: State,
    durations: BTreeMap<&'static str, u64>,
}

/// Makes one attempt.
///
/// # Errors
/// When the store fails. What is wrong with the source is recorded and no error.
pub async fn attempt(
    around: &Surroundings,
    settings: &Settings,
    memory: &mut Memory,
    trigger: &Trigger,
) -> Result<Attempted, AttemptError> {
    for _ in 0..TRIES {
        let record = around.store.source(&settings.name).await?;
        let mut attempt = Attempt::new(around, settings, trigger, record.as_ref());
        match attempt.once(memory).await? {
            Step::Done(attempted) => return Ok(attempted),
            Step::Again => tracing::debug!(source = settings.name, "the state moved meanwhile; planning again"),
        }
    }
    Ok(Attempted::Busy)
}

/// Reads the kept state; one that cannot be read is as none, and everything is looked at anew.
pub fn state_of(record: Option<&SourceRecord>) -> State {
    record.and_then(|record| serde_json::from_value(record.state.clone()).ok()).unwrap_or_default()
}

/// What is stored about a source.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Where it stands.
    pub state: State,
    /// The process that holds, or held last, the right to write for it.
    pub holder: String,
    /// When that right ends, in microseconds since 1970; 0 when nobody has it.
    pub lease_until: i64,
}

/// Reads what is stored about a source.
///
/// # Errors
/// When the store fails.
pub async fn known(store: &Store, source: &str) -> Result<Known, StoreError> {
    let record = store.source(source).await?;
    let state = state_of(record.as_ref());
    Ok(record.map_or_else(Known::default, |record| Known {
        state,
        holder: record.holder,
        lease_until: record.lease_until,
    }))
}

impl<'a> Attempt<'a> {
    fn new(
        around: &'a Surroundings,
        settings: &'a Settings,
        trigger: &'a Trigger,
        record: Option<&SourceRecord>,
    ) -> Attempt<'a> {
        let before = state_of(record);
        let request = record
            .filter(|record| record.requested > before.handled)
            .map(|record| (record.requested, serde_json::from_value(record.request.clone()).unwrap_or_default()));
        Attempt { around, settings, trigger, request, state: before.clone(), before, durations: BTreeMap::new() }
    }

    fn now(&self) -> i64 {
        self.around.clock.now_us()
    }

    async fn once(&mut self, memory: &mut Memory) -> Result<Step, AttemptError> {
        if let Some((number, request)) = &self.request {
            self.state.handled = *number;
            if let Some(hold) = &request.hold {
                self.state.held = Some(hold.clone());
            }
            tolerate::add(&mut self.state.tolerated, &request.tolerate);
        }
        let now = self.now();
        let expired = tolerate::expire(&mut self.state.tolerated, now);
        if self.settings.suspended {
            self.condition(false, "Suspended", "the source is suspended; what it applied stays");
            return self.settle().await;
        }
        if let Some(missing) = self.missing_dependency().await? {
            self.condition(false, "DependencyNotReady", &format!("the source {missing} is not ready"));
            return self.settle().await;
        }
        let started = Instant::now();
        let known = self.state.applied.as_ref().map(|applied| applied.revision.clone());
        let fetched = obtain::content(self.around, self.settings, known.as_ref(), &mut memory.kept).await;
        self.took("fetch", started);
        let content = match fetched {
            Ok(content) => content,
            // Called off by us, which says nothing about the source.
            Err(_) if self.around.is_stopping() => return Ok(Step::Done(Attempted::Stopped)),
            Err(error) => return self.not_fetched(&error).await,
        };
        self.state.observed = Some(content.revision.clone());
        if self.state.held.as_ref().is_some_and(|held| *held != content.revision.digest) {
            self.state.held = None;
        }
        if self.state.held.is_some() {
            let message = "the state was rolled back; the next revision of the source is applied again";
            self.condition(true, "Held", message);
            return self.settle().await;
        }
        let inputs = match documents::inputs(self.around, self.settings) {
            Ok(inputs) => inputs,
            Err(message) => return self.failed("Misconfigured", &message, &[], None, false).await,
        };
        let store = self.around.store.poll().await?.revision;
        let now = self.basis(&content, &inputs, store);
        if self.request.is_none() && !expired && self.needs_nothing(&now, memory) {
            return Ok(Step::Done(Attempted::Unchanged));
        }
        self.plan(content, inputs, memory).await
    }

    /// Whether everything that the outcome depends on is as it was when nothing had to be done, or nothing could be.
    fn needs_nothing(&self, now: &Basis, memory: &Memory) -> bool {
        let settled = self.state.is_ready() && !self.state.is(ConditionType::Drifted);
        let verified = memory.verified.as_ref() == Some(now);
        let applied = self.state.applied.as_ref().is_some_and(|applied| applied.basis == *now);
        let declared = self.state.applied.as_ref().is_some_and(|applied| applied.basis.declares_as(now));
        let as_left = applied || verified || self.settings.once && declared;
        settled && self.state.observed == self.before.observed && as_left || self.state.failed.as_ref() == Some(now)
    }

    /// Reads again what the last plan read, so that a change of it shows.
    fn basis(&self, content: &Content, inputs: &Inputs, store: i64) -> Basis {
        let last = self.state.failed.as_ref().or(self.state.applied.as_ref().map(|applied| &applied.basis));
        let names = last.map(|basis| basis.inputs.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let folder = content.beside.clone().map(Folder::Held);
        for name in names {
            let _: Option<Access<String>> = match name.split_once(':') {
                Some(("env", name)) => Some(inputs.env(name)),
                Some(("file", path)) => Some(inputs.file(folder.as_ref(), path)),
                _ => None,
            };
        }
        Basis {
            content: content.revision.digest.clone(),
            settings: self.settings.digest.clone(),
            inputs: documents::used(self.around, inputs),
            store,
        }
    }

    async fn missing_dependency(&self) -> Result<Option<String>, AttemptError> {
        for name in &self.settings.depends_on {
            let record = self.around.store.source(name).await?;
            let state = state_of(record.as_ref());
            let newest = match (&state.observed, &state.applied) {
                (Some(observed), Some(applied)) => observed.digest == applied.revision.digest,
                _ => false,
            };
            if !(state.is_ready() && newest) {
                return Ok(Some(name.clone()));
            }
        }
        Ok(None)
    }

    async fn plan(&mut self, content: Arc<Content>, inputs: Inputs, memory: &mut Memory) -> Result<Step, AttemptError> {
        let started = Instant::now();
        let mut loaded = documents::load(self.settings, &content, &inputs);
        let planned = drive::plan_source(
            &self.around.store,
            &self.around.registry,
            &mut loaded,
            &inputs,
            &self.settings.name,
            self.settings.prune,
        )
        .await?;
        self.took("plan", started);
        let SourcePlan { mut planned, owned, orphans } = planned;
        let mut found = std::mem::take(&mut loaded.found);
        found.append(&mut planned.outcome.found);
        loaded.sources.sort(&mut found);
        found.dedup();
        let mut plan = planned.outcome.plan;
        let basis = Basis {
            content: content.revision.digest.clone(),
            settings: self.settings.digest.clone(),
            inputs: documents::used(self.around, &inputs),
            store: planned.model.revision,
        };
        (self.around.report)(&loaded.sources, &found);
        let diagnostics = diagnostic::json::render(&loaded.sources, &found);
        if let Some(error) = found.iter().find(|finding| finding.is_error()) {
            let message =
                documents::first_error(&loaded, error, found.iter().filter(|finding| finding.is_error()).count());
            let diagnostics = serde_json::from_str(&diagnostics).unwrap_or_default();
            return self
                .failed("DocumentsInvalid", &message, &[("diagnostics", diagnostics)], Some(basis), false)
                .await;
        }
        self.state.owned = plan.ownership.iter().map(|row| row.object).collect::<BTreeSet<_>>().len();
        self.state.orphans = orphans.len();
        self.state.failed = None;
        self.state.failures = 0;

        let declared_before = self.state.applied.as_ref().is_some_and(|applied| applied.basis.declares_as(&basis));
        if declared_before {
            tolerate::leave(&mut plan, &planned.model, &self.state.tolerated);
        }
        let shown = self.shown(&plan);
        let digest = plan_digest(&basis, &shown);
        if plan.is_empty() && declared_before {
            return self.as_declared(basis, memory).await;
        }
        let mut detail = vec![("plan", shown), ("plan_digest", digest.clone().into())];
        if !found.is_empty() {
            detail.push(("diagnostics", serde_json::from_str(&diagnostics).unwrap_or_default()));
        }
        let consent = self
            .request
            .as_ref()
            .map(|(_, request)| request)
            .filter(|request| request.approve.as_deref() == Some(digest.as_str()));
        let (consented, forced) = (consent.is_some(), consent.is_some_and(|request| request.force));
        if declared_before && self.settings.on_drift == OnDrift::Report && !consented {
            return self.drifted(&plan, digest, detail).await;
        }
        let lock_out = match forced || plan.is_empty() {
            true => None,
            false => {
                let found = guard::check(&self.around.store, &plan, &planned.model).await?;
                found.refuses().then(|| found.render_text().trim_end().to_owned())
            }
        };
        let refusal = gate::judge(self.settings, &self.around.registry, &plan, &Facts { owned, lock_out });
        if let Some(refusal) = refusal.filter(|_| !forced) {
            return self.refused(refusal, Outcome::Refused, digest, detail).await;
        }
        if gate::waits(self.settings, &plan) && !consented {
            let message = format!(
                "{} waits for consent; look at it by `gatewright show`, and give it by `gatewright approve {}`",
                render::summary_line(plan.counts(), false).trim_end_matches('.'),
                self.settings.name
            );
            let refusal = Refusal { reason: "AwaitingApproval", message };
            return self.refused(refusal, Outcome::Pending, digest, detail).await;
        }
        self.apply(&plan, basis, detail, memory, content).await
    }

    /// The plan for the record, without secrets.
    fn shown(&self, plan: &Plan) -> Value {
        let text = render::json(plan, &self.around.registry);
        let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
        if let Some(changes) = value.get_mut("changes").and_then(Value::as_array_mut)
            && changes.len() > KEPT_CHANGES
        {
            let left_out = changes.len() - KEPT_CHANGES;
            changes.truncate(KEPT_CHANGES);
            value["left_out"] = left_out.into();
        }
        value
    }

    /// Everything is as declared.
    async fn as_declared(&mut self, basis: Basis, memory: &mut Memory) -> Result<Step, AttemptError> {
        memory.verified = Some(basis);
        self.state.drift = None;
        self.state.pending = None;
        if let (Some(applied), Some(observed)) = (&mut self.state.applied, &self.state.observed) {
            applied.revision = observed.clone();
        }
        self.condition(true, "Applied", "the newest revision is applied");
        self.settle().await
    }

    /// Objects are not as declared, and the source only says so.
    async fn drifted(
        &mut self,
        plan: &Plan,
        digest: String,
        detail: Vec<(&'static str, Value)>,
    ) -> Result<Step, AttemptError> {
        let now = self.now();
        let objects = plan.visible().count();
        let known = self.state.drift.as_ref().is_some_and(|drift| drift.plan == digest);
        let message = format!(
            "{objects} {} not as the source declares; see `gatewright drift`",
            if objects == 1 { "object is" } else { "objects are" }
        );
        if known {
            self.condition_of(ConditionType::Drifted, true, "Drifted", &message);
            return self.settle().await;
        }
        let run = self.record(Outcome::Drifted, "Drifted", &message, detail).await?;
        self.state.drift = Some(Drift { plan: digest, since: now, objects, run: Some(run) });
        self.condition(true, "Applied", "the newest revision is applied");
        self.condition_of(ConditionType::Drifted, true, "Drifted", &message);
        self.settle().await
    }

    async fn refused(
        &mut self,
        refusal: Refusal,
        outcome: Outcome,
        digest: String,
        detail: Vec<(&'static str, Value)>,
    ) -> Result<Step, AttemptError> {
        let same = self.state.pending.as_ref().is_some_and(|pending| pending.plan == digest);
        let run = match &self.state.pending {
            Some(pending) if same => pending.run,
            _ => self.record(outcome, refusal.reason, &refusal.message, detail).await?,
        };
        self.state.pending = Some(Pending { run, plan: digest, refused: outcome == Outcome::Refused });
        self.stands(false, true, refusal.reason, &refusal.message);
        self.settle().await
    }

    async fn not_fetched(&mut self, error: &FetchError) -> Result<Step, AttemptError> {
        let reason = format!("{:?}", error.reason);
        self.failed(&reason, &error.message, &[], None, error.reason.may_pass()).await
    }

    /// Records a failure. The last good state stays.
    async fn failed(
        &mut self,
        reason: &str,
        message: &str,
        detail: &[(&'static str, Value)],
        basis: Option<Basis>,
        may_pass: bool,
    ) -> Result<Step, AttemptError> {
        self.state.failures = if may_pass { self.state.failures.saturating_add(1) } else { 0 };
        self.state.failed = basis;
        let run = self.record(Outcome::Failed, reason, message, detail.to_vec()).await?;
        self.state.run = Some(run);
        self.stands(false, !may_pass, reason, message);
        tracing::error!(source = self.settings.name, reason, "{message}");
        match self.settle().await? {
            Step::Done(Attempted::Busy) => Ok(Step::Done(Attempted::Busy)),
            _ => Ok(Step::Done(Attempted::Failed(may_pass))),
        }
    }

    async fn apply(
        &mut self,
        plan: &Plan,
        mut basis: Basis,
        detail: Vec<(&'static str, Value)>,
        memory: &mut Memory,
        content: Arc<Content>,
    ) -> Result<Step, AttemptError> {
        let Some(lease) = self.lease().await? else { return Ok(Step::Done(Attempted::Busy)) };
        // Someone who held it before may have done the work meanwhile.
        let record = self.around.store.source(&self.settings.name).await?;
        if state_of(record.as_ref()) != self.before {
            self.around.store.end_lease(&lease, None).await?;
            return Ok(Step::Again);
        }
        let now = self.now();
        if !plan.is_empty() {
            basis.store += 1;
        }
        self.state.applied = Some(Applied { revision: content.revision.clone(), basis: basis.clone(), at: now });
        self.state.drift = None;
        self.state.pending = None;
        self.condition(true, "Applied", "the newest revision is applied");
        let mut run = self.run(Outcome::Applied, "Applied", "", detail);
        run.summary = json!(plan.counts());
        let mut changes = apply::changeset(plan, &self.around.registry, run).map_err(AttemptError::Random)?;
        changes.source = Some(SourceWrite { lease: lease.clone(), state: json!(self.state) });
        let committed = match self.around.store.commit(&self.around.registry, &changes, now).await {
            Ok(committed) => committed,
            Err(StoreError::Stale(_)) => {
                self.around.store.end_lease(&lease, None).await?;
                return Ok(Step::Again);
            }
            Err(StoreError::Fenced(_)) => return Ok(Step::Done(Attempted::Busy)),
            Err(error @ (StoreError::Duplicate { .. } | StoreError::Dangling(_) | StoreError::Nul { .. })) => {
                self.state =
                    State { handled: self.state.handled, observed: self.state.observed.clone(), ..self.before.clone() };
                self.around.store.end_lease(&lease, None).await?;
                return self.failed("NotWritten", &error.to_string(), &[], Some(basis), false).await;
            }
            Err(error) => {
                // What cannot be told is looked at again; the lease ends by itself if even this fails.
                let _ = self.around.store.end_lease(&lease, None).await;
                return Err(error.into());
            }
        };
        if committed.run.is_some() {
            self.state.run = committed.run;
        }
        if let Some(applied) = &mut self.state.applied {
            applied.basis.store = committed.revision;
            memory.verified = Some(applied.basis.clone());
        }
        self.around.store.end_lease(&lease, Some(&json!(self.state))).await?;
        let counts = plan.counts();
        tracing::info!(
            source = self.settings.name,
            created = counts.create,
            updated = counts.update,
            deleted = counts.delete,
            unchanged = counts.unchanged,
            revision = self.state.observed.as_ref().map(|revision| revision.name.as_str()),
            trigger = self.trigger.text(),
            run = committed.run,
            "source applied"
        );
        Ok(Step::Done(Attempted::Applied(committed.run)))
    }

    /// Ends an attempt that writes no object: records the state if it differs from the recorded one.
    async fn settle(&mut self) -> Result<Step, AttemptError> {
        let attempted = if self.state.is_ready() { Attempted::Unchanged } else { Attempted::Held };
        if self.state == self.before {
            return Ok(Step::Done(attempted));
        }
        let Some(lease) = self.lease().await? else { return Ok(Step::Done(Attempted::Busy)) };
        let record = self.around.store.source(&self.settings.name).await?;
        if state_of(record.as_ref()) != self.before {
            self.around.store.end_lease(&lease, None).await?;
            return Ok(Step::Again);
        }
        self.around.store.end_lease(&lease, Some(&json!(self.state))).await?;
        Ok(Step::Done(attempted))
    }

    async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        let length = i64::try_from(self.around.lease.as_micros()).unwrap_or(i64::MAX);
        self.around.store.take_lease(&self.settings.name, &self.around.holder, self.now(), length).await
    }

    /// Sets `Ready`, and takes back what contradicts it.
    fn condition(&mut self, ready: bool, reason: &str, message: &str) {
        self.stands(ready, false, reason, message);
    }

    /// Sets `Ready` and `Stalled`, each once: a condition that is taken back and set again would begin anew each time.
    fn stands(&mut self, ready: bool, stalled: bool, reason: &str, message: &str) {
        self.condition_of(ConditionType::Ready, ready, reason, message);
        self.condition_of(ConditionType::Stalled, stalled, reason, if stalled { message } else { "" });
        if ready && self.state.drift.is_none() {
            self.condition_of(ConditionType::Drifted, false, reason, "");
        }
    }

    fn condition_of(&mut self, kind: ConditionType, status: bool, reason: &str, message: &str) {
        let now = self.now();
        self.state.set(kind, status, reason, message, now);
    }

    async fn record(
        &mut self,
        outcome: Outcome,
        reason: &str,
        message: &str,
        detail: Vec<(&'static str, Value)>,
    ) -> Result<i64, StoreError> {
        let run = self.run(outcome, reason, message, detail);
        self.around.store.record_run(&run, &["reason", "message", "revision"], self.now()).await
    }

    fn run(&self, outcome: Outcome, reason: &str, message: &str, more: Vec<(&'static str, Value)>) -> Run {
        let revision = self.state.observed.as_ref();
        let mut detail = json!({
            "trigger": self.trigger,
            "reason": reason,
            "message": message,
            "revision": revision,
            "durations_ms": self.durations,
        });
        for (name, value) in more {
            detail[name] = value;
        }
        let name = &self.settings.name;
        let summary = detail.pointer("/plan/summary").cloned().unwrap_or_else(|| json!({}));
        Run {
            actor: format!("source:{name}"),
            origin: revision.map_or_else(|| name.clone(), |revision| format!("{name} {}", revision.name)),
            summary,
            source: Some(name.clone()),
            outcome,
            detail,
        }
    }

    fn took(&mut self, what: &'static str, started: Instant) {
        self.durations.insert(what, u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
    }
}

/// What identifies a plan for consent: what it is made from and what it would change.
fn plan_digest(basis: &Basis, shown: &Value) -> String {
    let changes = json!({ "content": basis.content, "settings": basis.settings, "inputs": basis.inputs, "changes": shown.get("changes") });
    blake3::hash(changes.to_string().as_bytes()).to_hex().to_string()
}

/// The runs that were recorded for a source say what is shown of them; this reads a field of the detail.
pub fn detail<'r>(record: &'r RunRecord, field: &str) -> Option<&'r Value> {
    record.run.detail.get(field).filter(|value| !value.is_null())
}
