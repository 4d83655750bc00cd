//! One request to a flow: from the session's plan to the answer. Spec: flows §3.
//!
//! The plan is read from the store, changed in memory, and written once, over the version that was read; of two answers
//! that come at once only one counts, and the other client is shown where the flow stands.

use std::sync::Arc;

use serde_json::{Map as JsonMap, Value as Json, json};
use uuid::Uuid;

use super::{
    challenge::{Answer, Challenge, Sort},
    flow::{DeniedAction, Flow},
    plan::{Plan, StageRef, Step},
    planner::{DOES_NOT_APPLY, PlanError, Planning},
    proof::{Proof, Record},
    redirect,
    slice::Slice,
    stage::{self, Next, StageContext, StageError, StageTable},
    stage_binding::{FlowStageBinding, InvalidResponseAction},
};
use crate::{
    expression::{Map, Value},
    identity::{
        application::Application,
        avatar, sessions,
        visit::{Seat, Visit},
        world::World,
    },
    model::{Kind, Model, Object},
    policies::engine::Subject,
    store::{Execution, Saved, StoreError},
};

/// What the client gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A challenge, with status 200.
    Challenge(Json),
    /// The same address again, with status 302: a stage was passed.
    Again,
    /// There is no such flow.
    NotFound,
}

/// What was sent.
#[derive(Clone, Debug)]
pub enum Sent {
    /// Nothing: the current challenge is wanted.
    Nothing,
    /// An answer to it.
    Answer(Answer),
}

/// How often a flow begins anew after wrong answers before it is ended.
const RESTARTS: u32 = 10;
/// How many silent steps one request walks through.
const STEPS: usize = 100;
/// How many plans the inspector can look back on.
const HISTORY: usize = 50;

/// Walks through flows for one request.
pub struct Executor<'a> {
    /// The server.
    pub world: &'a World,
    /// What stages do.
    pub stages: &'a StageTable,
    /// The request.
    pub visit: &'a Visit,
    /// Its session.
    pub seat: &'a mut Seat,
}

/// A flow in progress, in memory.
struct Running {
    execution: Execution,
    slice: Slice,
    plan: Plan,
    /// Whether the slice may not be stored yet.
    new: bool,
}

/// What a step came to.
enum Outcome {
    Reply(Reply),
    /// The next step, within the same request.
    Onward,
}

impl Executor<'_> {
    /// Answers a request to the flow of a slug. `query` is that of the flow's page, as pairs.
    ///
    /// # Errors
    /// When the database fails. Everything else is a challenge.
    pub async fn run(&mut self, slug: &str, query: Vec<(String, String)>, sent: Sent) -> Result<Reply, StoreError> {
        let model = self.world.model().await?;
        let Some(flow) = flow_named(&model, slug) else { return Ok(Reply::NotFound) };
        let resumed = match value(&query, "flow_token") {
            Some(key) => self.resume(key, flow.id).await?,
            None => None,
        };
        let running = match resumed {
            Some(running) => Some(running),
            None => self.current(flow.id).await?,
        };
        self.seat.data.query.clone_from(&query);
        let mut running = match running {
            Some(running) => running,
            None => match self.begin(&model, &flow, Map::new(), false).await {
                Ok(running) => running,
                Err(PlanError::NotApplicable(messages)) => return self.not_applicable(&flow, &messages).await,
                Err(PlanError::Failed(StageError::Store(error))) => return Err(error),
                Err(PlanError::Failed(error)) => return Ok(self.broken(&flow, &error)),
            },
        };
        let before = running.plan.clone();
        let reply = match self.walk(&mut running, &query, sent).await {
            Ok(reply) => reply,
            Err(StageError::Store(error)) => return Err(error),
            Err(error) => self.broken(&running.slice.flow, &error),
        };
        self.save(&mut running, &before, reply).await
    }

    /// Puts a flow into the session that the server itself begins, with what it already knows.
    ///
    /// # Errors
    /// When the flow does not apply, or the database fails.
    pub async fn start(&mut self, flow: &Arc<Object>, context: Map) -> Result<(), PlanError> {
        let model = self.world.model().await?;
        let mut running = self.begin(&model, flow, context, true).await?;
        self.store(&mut running).await?;
        Ok(())
    }

    async fn begin(
        &mut self,
        model: &Model,
        flow: &Arc<Object>,
        context: Map,
        trusted: bool,
    ) -> Result<Running, PlanError> {
        let mut model = model.clone();
        let slice = self.world.ask(&mut model, |model| Slice::of(model, flow)).await?;
        self.seat.data.history.clear();
        let visitor = self.visitor();
        let planning = Planning { world: self.world, slice: &slice, visit: self.visit, visitor: &visitor, trusted };
        let plan = planning.plan(context).await?;
        Ok(Self::running(slice, plan))
    }

    fn running(slice: Slice, plan: Plan) -> Running {
        let execution = Execution {
            id: Uuid::new_v4(),
            flow: slice.flow.id,
            slice: slice.digest.clone(),
            version: 0,
            state: Json::Null,
        };
        Running { execution, slice, plan, new: true }
    }

    /// The flow in the session, if it is this one. Another one is given up.
    async fn current(&mut self, flow: Uuid) -> Result<Option<Running>, StoreError> {
        if !self.seat.stored {
            return Ok(None);
        }
        let Some(execution) = self.world.store().execution(self.seat.session.id).await? else { return Ok(None) };
        if execution.flow != flow {
            self.world.store().end_execution(self.seat.session.id, execution.id).await?;
            return Ok(None);
        }
        let Some(slice) = self.slice(&execution.slice).await? else { return Ok(None) };
        let Ok(plan) = serde_json::from_value(execution.state.clone()) else {
            tracing::warn!(execution = %execution.id, "a flow in progress cannot be read and begins anew");
            return Ok(None);
        };
        Ok(Some(Running { execution, slice, plan, new: false }))
    }

    /// The flow of a link, taken over into this session. A link is good once.
    async fn resume(&mut self, key: &str, flow: Uuid) -> Result<Option<Running>, StoreError> {
        let Some(token) = self.world.store().take_flow_token(key, self.world.now()).await? else { return Ok(None) };
        if token.flow != flow {
            return Ok(None);
        }
        let Some(slice) = self.slice(&token.slice).await? else { return Ok(None) };
        let Ok(mut plan) = serde_json::from_value::<Plan>(token.state) else {
            tracing::warn!(token = token.identifier, "a link into a flow cannot be read");
            return Ok(None);
        };
        let restored = json!({
            "identifier": token.identifier,
            "user": token.person,
            "expires": token.expires,
        });
        let restored = Value::from_json(restored).unwrap_or(Value::Bool(true));
        plan.context.insert(IS_RESTORED.to_owned(), restored);
        plan.pinned = token.person;
        self.seat.data.history.clear();
        Ok(Some(Running { new: false, ..Self::running(slice, plan) }))
    }

    async fn slice(&self, digest: &str) -> Result<Option<Slice>, StoreError> {
        let Some(content) = self.world.store().flow_slice(digest).await? else { return Ok(None) };
        match Slice::parse(self.world.registry(), digest, &content) {
            Ok(slice) => Ok(Some(slice)),
            Err(error) => {
                tracing::warn!(digest, %error, "a flow in progress cannot be continued");
                Ok(None)
            }
        }
    }

    /// Walks until somebody has to be asked, or the flow is over.
    async fn walk(
        &mut self,
        running: &mut Running,
        query: &[(String, String)],
        sent: Sent,
    ) -> Result<Reply, StageError> {
        let mut sent = sent;
        for _ in 0..STEPS {
            if !self.settle(running).await? {
                return self.finish(running, query).await;
            }
            match self.step(running, query, std::mem::replace(&mut sent, Sent::Nothing)).await? {
                Outcome::Reply(reply) => return Ok(reply),
                Outcome::Onward => {}
            }
        }
        Err(StageError::Failed(format!("the flow did not come to an end within {STEPS} steps")))
    }

    /// Drops steps whose policies do not let them take part. Gives whether one is left.
    async fn settle(&mut self, running: &mut Running) -> Result<bool, StageError> {
        loop {
            let Some(step) = running.plan.steps.front() else { return Ok(false) };
            let (re_evaluate, admitted, binding) = (step.re_evaluate, step.admitted, step.binding);
            let binding = binding.and_then(|id| running.slice.model.known(id).cloned());
            let Some(binding) = binding.filter(|_| re_evaluate && !admitted) else { return Ok(true) };
            let subject = stage::subject_in(self.world, &running.plan.context).await?;
            let visitor = self.visitor();
            let subject = subject.as_ref().unwrap_or(&visitor);
            let planning = Planning {
                world: self.world,
                slice: &running.slice,
                visit: self.visit,
                visitor: &visitor,
                trusted: true,
            };
            if planning.admits(&mut running.plan, &binding, subject).await? {
                if let Some(step) = running.plan.steps.front_mut() {
                    step.admitted = true;
                }
                return Ok(true);
            }
            running.plan.steps.pop_front();
        }
    }

    async fn step(
        &mut self,
        running: &mut Running,
        query: &[(String, String)],
        sent: Sent,
    ) -> Result<Outcome, StageError> {
        let Some(step) = running.plan.steps.front().cloned() else { return Ok(Outcome::Onward) };
        let (kind, stage, settings) = match &step.stage {
            StageRef::Stored(id) => {
                let Some(stage) = running.slice.model.known(*id).cloned() else {
                    return Err(StageError::Failed(format!("the stage {id} is not there any more")));
                };
                (running.slice.model.registry().get(stage.kind).name.to_owned(), Some(stage), Json::Null)
            }
            StageRef::Passing { kind, settings } => (kind.clone(), None, settings.clone()),
        };
        let Some(behaviour) = self.stages.get(&kind) else {
            return Err(StageError::Failed(format!("stages of the kind {kind} cannot be run by this release")));
        };
        let answered = matches!(sent, Sent::Answer(_));
        let next = {
            let mut at = StageContext {
                world: self.world,
                model: &running.slice.model,
                flow: &running.slice.flow,
                stage: stage.as_ref(),
                settings: &settings,
                visit: self.visit,
                seat: self.seat,
                plan: &mut running.plan,
                query,
                execution: running.execution.id,
            };
            match sent {
                Sent::Nothing => behaviour.challenge(&mut at).await?,
                Sent::Answer(answer) => behaviour.answer(&mut at, answer).await?,
            }
        };
        if let Some(pinned) = running.plan.pinned
            && stage::subject_id(&running.plan.context) != Some(pinned)
        {
            // A link is for whom it was made for: whoever tries to use it for somebody else ends the flow.
            tracing::warn!(execution = %running.execution.id, "somebody tried to use a link for another person");
            return self.denied(running, "This link is for another person.").await.map(Outcome::Reply);
        }
        match next {
            Next::Ask(challenge) => self.show(running, challenge).await.map(Outcome::Reply),
            Next::Wrong(challenge, errors) => match self.wrong_answer_action(running, &step) {
                InvalidResponseAction::Retry => {
                    self.show(running, challenge.with_errors(errors)).await.map(Outcome::Reply)
                }
                action => self.restart(running, action).await.map(Outcome::Reply),
            },
            Next::Refused(message) => match self.wrong_answer_action(running, &step) {
                InvalidResponseAction::Retry => self.denied(running, &message).await.map(Outcome::Reply),
                action => self.restart(running, action).await.map(Outcome::Reply),
            },
            Next::Away(to) => {
                Ok(Outcome::Reply(Reply::Challenge(self.envelope(running, Challenge::redirect(&to)).await?)))
            }
            Next::Passed(proof) => {
                self.accept(running, &step, proof)?;
                self.remember(running);
                running.plan.steps.pop_front();
                if running.plan.steps.is_empty() || !answered {
                    return Ok(Outcome::Onward);
                }
                Ok(Outcome::Reply(Reply::Again))
            }
        }
    }

    /// Takes a proof into the plan, if it is one of this step.
    fn accept(&self, running: &mut Running, step: &Step, proof: Proof) -> Result<(), StageError> {
        let stage = match &step.stage {
            StageRef::Stored(id) => Some(*id),
            StageRef::Passing { .. } => None,
        };
        if proof.execution != running.execution.id || proof.stage != stage {
            return Err(StageError::Failed("a stage handed in a proof that was given for another one".to_owned()));
        }
        running.plan.proofs.push(Record { stage, person: proof.person, evidence: proof.evidence });
        Ok(())
    }

    fn wrong_answer_action(&self, running: &Running, step: &Step) -> InvalidResponseAction {
        let binding = step.binding.and_then(|id| running.slice.model.known(id));
        let declared = binding
            .and_then(|binding| serde_json::from_value::<FlowStageBinding>(Json::Object(binding.attrs.clone())).ok());
        declared.map_or(InvalidResponseAction::Retry, |binding| binding.invalid_response_action)
    }

    async fn restart(&mut self, running: &mut Running, action: InvalidResponseAction) -> Result<Reply, StageError> {
        let restarts = running.plan.restarts + 1;
        if restarts > RESTARTS {
            return self.denied(running, "Too many attempts. Please begin anew.").await;
        }
        let keep = action == InvalidResponseAction::RestartWithContext;
        let context = if keep { std::mem::take(&mut running.plan.context) } else { Map::new() };
        let pinned = running.plan.pinned;
        let visitor = self.visitor();
        let slice = running.slice.clone();
        let planning =
            Planning { world: self.world, slice: &slice, visit: self.visit, visitor: &visitor, trusted: keep };
        match planning.plan(context).await {
            Ok(plan) => {
                let version = running.execution.version;
                *running = Running { new: version == 0, ..Self::running(slice, Plan { restarts, pinned, ..plan }) };
                Ok(Reply::Again)
            }
            Err(PlanError::NotApplicable(messages)) => {
                running.plan.steps.clear();
                Ok(self.not_applicable(&slice.flow, &messages).await?)
            }
            Err(PlanError::Failed(error)) => Err(error),
        }
    }

    /// The end of the flow: on to where it was meant to lead.
    async fn finish(&mut self, running: &mut Running, query: &[(String, String)]) -> Result<Reply, StageError> {
        self.seat.data.application = None;
        if let Some(to) = running.plan.text("redirect") {
            return Ok(Reply::Challenge(self.plain(Challenge::redirect(to))));
        }
        let next = value(query, "next").filter(|next| !next.is_empty()).unwrap_or("/");
        match redirect::within(next) {
            Some(to) => Ok(Reply::Challenge(self.plain(Challenge::redirect(to)))),
            None => self.denied(running, "Invalid next URL").await,
        }
    }

    /// The end of the flow: it refuses.
    async fn denied(&mut self, running: &mut Running, message: &str) -> Result<Reply, StageError> {
        let message = if message.is_empty() { "Unknown error" } else { message };
        let challenge = Challenge::new("ak-stage-access-denied", json!({ "error_message": message }));
        let envelope = self.envelope(running, challenge).await?;
        running.plan.steps.clear();
        Ok(Reply::Challenge(envelope))
    }

    async fn not_applicable(&mut self, flow: &Arc<Object>, messages: &str) -> Result<Reply, StoreError> {
        let declared: Flow = serde_json::from_value(Json::Object(flow.attrs.clone())).unwrap_or_default();
        let own = parse_query(&self.visit.query);
        let next = value(&own, "next").or_else(|| value(&self.seat.data.query, "next")).and_then(redirect::within);
        let onward = match (declared.denied_action, next) {
            (DeniedAction::Continue | DeniedAction::MessageContinue, Some(next)) => Some(next.to_owned()),
            (DeniedAction::Continue, None) => Some("/".to_owned()),
            (DeniedAction::Message | DeniedAction::MessageContinue, _) => None,
        };
        if let Some(to) = onward {
            return Ok(Reply::Challenge(self.plain(Challenge::redirect(&to))));
        }
        let message = if messages.is_empty() { DOES_NOT_APPLY } else { messages };
        let challenge = Challenge::new("ak-stage-access-denied", json!({ "error_message": message }));
        let subject = self.visitor();
        Ok(Reply::Challenge(self.render(flow, "", &subject, None, challenge)))
    }

    /// Something failed inside. What it was is shown to who may see it.
    fn broken(&self, flow: &Arc<Object>, error: &StageError) -> Reply {
        let request = self.visit.id.simple().to_string();
        tracing::error!(request, flow = flow.text("slug"), error = %error, "a flow failed");
        let mut fields = json!({ "type": "native", "component": "ak-stage-flow-error", "request_id": request });
        if self.seat.person.as_ref().is_some_and(|person| person.may_debug()) {
            fields["error"] = json!(error.to_string());
            fields["traceback"] = json!(trace(error));
        }
        Reply::Challenge(fields)
    }

    async fn show(&self, running: &Running, challenge: Challenge) -> Result<Reply, StageError> {
        Ok(Reply::Challenge(self.envelope(running, challenge).await?))
    }

    async fn envelope(&self, running: &Running, challenge: Challenge) -> Result<Json, StageError> {
        let subject = stage::subject_in(self.world, &running.plan.context).await?;
        let visitor = self.visitor();
        let subject = subject.as_ref().unwrap_or(&visitor);
        let application = match running.plan.context.get("application") {
            Some(Value::Handle(handle)) if handle.kind == Application::NAME => match handle.id.parse() {
                Ok(id) => self.world.model().await?.known(id).and_then(|object| object.text("name")),
                Err(_) => None,
            },
            _ => None,
        };
        let typed = running.plan.text("pending_user_identifier");
        Ok(self.render(&running.slice.flow, &application.unwrap_or_default(), subject, typed, challenge))
    }

    /// A challenge with everything around it.
    fn render(
        &self,
        flow: &Object,
        application: &str,
        subject: &Subject,
        typed: Option<&str>,
        challenge: Challenge,
    ) -> Json {
        if challenge.sort == Sort::Redirect {
            return self.plain(challenge);
        }
        let username = typed.unwrap_or_else(|| subject.username());
        let mut out = JsonMap::new();
        out.insert("type".to_owned(), json!(challenge.sort.as_str()));
        let title = flow.text("title").unwrap_or_default();
        let info = json!({
            "title": title.replace("%(app)s", application).replace("%(user)s", username),
            "background": background(flow, self.visit),
            "cancel_url": "/flows/-/cancel/",
            "layout": flow.text("layout").unwrap_or_else(|| "stacked".to_owned()),
        });
        out.insert("flow_info".to_owned(), info);
        out.insert("component".to_owned(), json!(challenge.component));
        if !challenge.errors.is_empty() {
            out.insert("response_errors".to_owned(), challenge.errors.to_json());
        }
        if challenge.with_person {
            let name = match (typed, subject) {
                (None, Subject::Person(person)) if !person.text("name").is_empty() => person.text("name"),
                _ => username,
            };
            out.insert("pending_user".to_owned(), json!(username));
            out.insert("pending_user_avatar".to_owned(), json!(avatar::initials(name)));
        }
        out.extend(challenge.fields);
        Json::Object(out)
    }

    fn plain(&self, challenge: Challenge) -> Json {
        let mut out = JsonMap::new();
        out.insert("type".to_owned(), json!(challenge.sort.as_str()));
        out.insert("component".to_owned(), json!(challenge.component));
        out.extend(challenge.fields);
        Json::Object(out)
    }

    /// Keeps where the flow stood for the inspector.
    fn remember(&mut self, running: &Running) {
        let history = &mut self.seat.data.history;
        if history.len() < HISTORY {
            history.push(json!({
                "flow": running.plan.flow,
                "steps": running.plan.steps.iter().take(2).map(|step| json!(step.binding)).collect::<Vec<_>>(),
                "context": blank(&Value::Map(running.plan.context.clone()).to_json()),
            }));
        }
    }

    fn visitor(&self) -> Subject {
        self.seat.person.clone().map_or(Subject::Anonymous, Subject::Person)
    }

    /// Writes where the flow stands, or that it is over.
    async fn save(&mut self, running: &mut Running, before: &Plan, reply: Reply) -> Result<Reply, StoreError> {
        if running.plan.steps.is_empty() {
            if self.seat.stored && running.execution.version > 0 {
                self.world.store().end_execution(self.seat.session.id, running.execution.id).await?;
            }
            return Ok(reply);
        }
        if running.execution.version > 0 && running.plan == *before {
            return Ok(reply);
        }
        match self.store(running).await? {
            Saved::Version(_) => Ok(reply),
            Saved::Overtaken => Ok(Reply::Again),
        }
    }

    async fn store(&mut self, running: &mut Running) -> Result<Saved, StoreError> {
        let before = self.seat.session.id;
        sessions::ensure(self.world, self.seat).await?;
        if self.seat.session.id != before {
            // The session ended on the way; in the one that follows, the flow is not stored yet.
            running.execution.version = 0;
        }
        running.execution.state = serde_json::to_value(&running.plan).unwrap_or(Json::Null);
        let content = running.new.then_some(&*running.slice.content);
        let session = self.seat.session.id;
        let saved = self.world.store().save_execution(session, &running.execution, content, self.world.now()).await?;
        if let Saved::Version(version) = saved {
            running.execution.version = version;
        }
        Ok(saved)
    }
}

/// Key of the context: the link that the flow was resumed by.
pub const IS_RESTORED: &str = "is_restored";

/// The flow of a slug.
pub fn flow_named(model: &Model, slug: &str) -> Option<Arc<Object>> {
    model.by_key(Flow::NAME, "slug", slug).ok().flatten().cloned()
}

/// The pairs of a query.
pub fn parse_query(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// A query of pairs.
pub fn encode_query(query: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish()
}

fn value<'q>(query: &'q [(String, String)], key: &str) -> Option<&'q str> {
    query.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

/// Address of a flow's background picture. Spec: flows §1.1.
fn background(flow: &Object, visit: &Visit) -> String {
    const DEFAULT: &str = "/static/dist/assets/images/flow_background.jpg";
    match flow.text("background").filter(|background| !background.is_empty()) {
        Some(stored) if stored.starts_with("http") || stored.starts_with("/static") => stored,
        Some(stored) => format!("/media/{stored}"),
        None => match visit.brand_text("branding_default_flow_background") {
            "" => DEFAULT.to_owned(),
            of_brand => of_brand.to_owned(),
        },
    }
}

/// An error and what it came from, a line each.
fn trace(error: &dyn std::error::Error) -> String {
    let mut lines = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        lines.push(error.to_string());
        source = error.source();
    }
    lines.join("\n")
}

/// The same without what people typed as a secret.
fn blank(value: &Json) -> Json {
    match value {
        Json::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| {
                let secret = key.contains("password") && value.is_string();
                (key.clone(), if secret { json!("********************") } else { blank(value) })
            });
            Json::Object(fields.collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(blank).collect()),
        other => other.clone(),
    }
}
