//! Runs the policies of a target for somebody, with a request or without: the one place where a binding decides.
//!
//! What the bindings of groups and users say, the order, the modes and the negation are
//! [`access::decide`]'s; what is added here is running the policies themselves, each within its
//! binding's time, before that decision is made.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::access::{self, Bound, Outcome, PolicyOracle, Question, Rule, Who};
use crate::{
    expression::{Handle, Map, Value},
    identity::{events, person::Person, user::User, visit::Visit, world::World},
    model::{Kind, Model, Need, Object},
    store::StoreError,
};

/// Whom a policy is about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Nobody who is known.
    Anonymous,
    /// A user of the directory.
    Person(Arc<Person>),
    /// A user who is not stored: pretended, or about to be created. The attributes as an expression sees them.
    Unsaved(Map),
}

impl Subject {
    /// The stored user.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Subject::Person(person) => Some(person.id()),
            Subject::Anonymous | Subject::Unsaved(_) => None,
        }
    }

    /// The stored user.
    pub fn person(&self) -> Option<&Arc<Person>> {
        match self {
            Subject::Person(person) => Some(person),
            Subject::Anonymous | Subject::Unsaved(_) => None,
        }
    }

    /// The name that is shown; empty for nobody.
    pub fn username(&self) -> &str {
        match self {
            Subject::Person(person) => person.username(),
            Subject::Unsaved(attributes) => attributes.get("username").and_then(Value::as_text).unwrap_or_default(),
            Subject::Anonymous => "",
        }
    }

    /// As an expression sees it.
    pub fn handle(&self) -> Value {
        match self {
            Subject::Person(person) => Handle::new(User::NAME, person.id().to_string()).into(),
            Subject::Unsaved(attributes) => Handle::with(User::NAME, "", attributes.clone()).into(),
            Subject::Anonymous => Handle::new(User::NAME, "").into(),
        }
    }
}

/// The part of a flow plan that expressions see and change: `context["flow_plan"]`.
#[derive(Clone, Debug, Default)]
pub struct PlanView {
    /// The plan's context.
    pub context: Map,
    /// Where `redirect(url)` wants to go next, in the order of the calls.
    pub redirects: Vec<String>,
    /// Stages that `insert_stage` and `append_stage` want to have, in the order of the calls.
    pub stages: Vec<MoreStage>,
}

/// A stage that an expression wants in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoreStage {
    /// The stage.
    pub stage: Uuid,
    /// Whether it comes last; otherwise it comes next.
    pub last: bool,
}

/// What a policy is asked.
#[derive(Debug)]
pub struct Request<'a> {
    /// Whom it is about.
    pub subject: &'a Subject,
    /// The HTTP request, if it is asked because of one.
    pub visit: Option<&'a Visit>,
    /// What it may read, and change for those that come after it: `request.context`.
    pub context: Map,
    /// The flow, when it is asked within one. Changes that expressions make are in here afterwards.
    pub plan: Option<&'a mut PlanView>,
    /// A test: no events are written and nothing is remembered.
    pub debug: bool,
}

/// What the policies of a target came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Whether they pass.
    pub passing: bool,
    /// Whether they do not pass, but could have if no policy had broken. To deny access, that makes no difference; where
    /// failing means that something is left out, it must not be taken for a failure.
    pub undecided: bool,
    /// What the policies tell the person, in their order.
    pub messages: Vec<String>,
    /// What the policies wrote to the log.
    pub log: Vec<Json>,
}

/// What one policy says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Whether it passes.
    pub passing: bool,
    /// What it tells the person.
    pub messages: Vec<String>,
    /// What it wrote to the log.
    pub log: Vec<Json>,
    /// What an expression returned, for `ak_call_policy`.
    pub raw: Value,
}

impl Verdict {
    /// Passes or fails, and says nothing.
    pub fn silent(passing: bool) -> Verdict {
        Verdict { passing, ..Verdict::default() }
    }

    /// Fails with a message.
    pub fn failing(message: impl Into<String>) -> Verdict {
        Verdict { messages: vec![message.into()], ..Verdict::default() }
    }
}

/// Why a policy came to no verdict. The binding's `failure_result` counts then, and everywhere else it is a denial.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The policy raised an error, or is configured wrongly.
    #[error("{0}")]
    Broken(String),
    /// It took longer than its binding allows.
    #[error("the policy took longer than {0} seconds")]
    TimedOut(u64),
}

/// What a policy does.
#[async_trait]
pub trait Policy: Send + Sync {
    /// Judges.
    async fn judge(&self, at: &mut PolicyContext<'_, '_>) -> Result<Verdict, PolicyError>;
}

/// What a policy is run on.
pub struct PolicyContext<'a, 'r> {
    /// The server.
    pub world: &'a World,
    /// The objects that it is asked on. People and groups are in it as far as they were looked up.
    pub model: &'a Model,
    /// What it guards; none when it is run for its own sake.
    pub target: Option<&'a Object>,
    /// The policy.
    pub policy: &'a Object,
    /// What it is asked.
    pub request: &'a mut Request<'r>,
}

impl PolicyContext<'_, '_> {
    /// The policy's settings as its kind declares them.
    ///
    /// # Errors
    /// When the stored settings do not fit the kind.
    pub fn declared<K: Kind + DeserializeOwned>(&self) -> Result<K, PolicyError> {
        serde_json::from_value(Json::Object(self.policy.attrs.clone()))
            .map_err(|error| PolicyError::Broken(format!("its settings do not fit {}: {error}", K::NAME)))
    }
}

/// Asks the policies of a target.
///
/// # Errors
/// When the database fails. A policy that fails is no error here.
pub async fn judge(
    world: &World,
    model: &Model,
    target: &Object,
    request: &mut Request<'_>,
) -> Result<Judgement, StoreError> {
    let mut seen = model.clone();
    let bound = world.ask(&mut seen, |model| access::bindings(model, target)).await?;
    if let Some(visit) = request.visit {
        add_place(world, visit, &mut request.context);
    }
    let mut judgement = Judgement::default();
    let mut outcomes: HashMap<Uuid, Outcome> = HashMap::new();
    for binding in bound {
        let Rule::Policy(policy) = binding.rule else { continue };
        if outcomes.contains_key(&policy) {
            continue;
        }
        let Some(policy) = seen.known(policy).cloned() else {
            outcomes.insert(policy, Outcome::Broken);
            continue;
        };
        let timeout = seen.known(binding.id).and_then(|binding| binding.attrs.get("timeout")).and_then(Json::as_u64);
        let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
        let run = run(world, &seen, Some(target), &policy, request);
        let verdict = match tokio::time::timeout(Duration::from_secs(timeout), run).await {
            Ok(verdict) => verdict,
            Err(_) => Err(PolicyError::TimedOut(timeout)),
        };
        record(world, target, &binding, &policy, request, &verdict).await;
        outcomes.insert(
            policy.id,
            match verdict {
                Ok(verdict) => {
                    judgement.messages.extend(verdict.messages);
                    judgement.log.extend(verdict.log);
                    if verdict.passing { Outcome::Pass } else { Outcome::Fail }
                }
                Err(PolicyError::Store(error)) => return Err(error),
                Err(error) => {
                    judgement.messages.push(error.to_string());
                    Outcome::Broken
                }
            },
        );
    }
    let who = request.subject.id().map_or(Who::Anonymous, Who::User);
    let broken = outcomes.values().any(|outcome| *outcome == Outcome::Broken);
    let mut heard = Heard(outcomes);
    let decision = world.ask(&mut seen, |model| access::decide(model, target, who, &heard)).await?;
    judgement.passing = decision.verdict == access::Verdict::Allowed;
    if broken && !judgement.passing {
        // What would be if the broken policies could still go either way.
        let open = |outcome: &mut Outcome| {
            if *outcome == Outcome::Broken {
                *outcome = Outcome::Depends;
            }
        };
        heard.0.values_mut().for_each(open);
        let decision = world.ask(&mut seen, |model| access::decide(model, target, who, &heard)).await?;
        judgement.undecided = decision.verdict == access::Verdict::Depends;
    }
    Ok(judgement)
}

/// Adds where the request comes from, as far as there are databases to look it up in.
fn add_place(world: &World, visit: &Visit, context: &mut Map) {
    let places = &world.means().places;
    let value = |found: Option<Json>| found.and_then(|found| Value::from_json(found).ok()).unwrap_or_default();
    if places.knows_places() {
        let place = places.place(visit.client).ok().flatten();
        context.insert("geoip".to_owned(), value(place.and_then(|place| serde_json::to_value(place).ok())));
    }
    if places.knows_networks() {
        let network = places.network(visit.client).ok().flatten();
        context.insert("asn".to_owned(), value(network.and_then(|network| serde_json::to_value(network).ok())));
    }
}

/// Leaves an event of a policy that broke, or that logs its runs. That the event cannot be written keeps nobody out.
async fn record(
    world: &World,
    target: &Object,
    binding: &Bound,
    policy: &Object,
    request: &Request<'_>,
    verdict: &Result<Verdict, PolicyError>,
) {
    let name = policy.text("name").unwrap_or_default();
    let (action, result) = match verdict {
        Err(error) => {
            tracing::warn!(policy = name, binding = %binding.id, %error, "a policy failed to run");
            ("policy_exception", None)
        }
        Ok(verdict) => {
            let logs = policy.attrs.get("execution_logging").and_then(Json::as_bool).unwrap_or(false);
            if !logs {
                return;
            }
            ("policy_execution", Some(json!({ "passing": verdict.passing, "messages": verdict.messages })))
        }
    };
    if request.debug {
        return;
    }
    let about = request.subject;
    let mut context = json!({
        "policy_uuid": policy.id.simple().to_string(),
        "binding": binding.id.simple().to_string(),
        "policy": events::describe(world.registry(), policy),
        "obj": events::describe(world.registry(), target),
        "request": { "user": about.username(), "context": to_event(&request.context) },
    });
    match (verdict, result) {
        (Err(error), _) => context["message"] = json!(format!("{name}: {error}")),
        (Ok(_), result) => context["result"] = json!(result),
    }
    let actor = about.person().map(Arc::as_ref);
    let written = events::write(world, request.visit, actor, action, "authentik.policies.process", context).await;
    if let Err(error) = written {
        tracing::error!(policy = name, %error, "an event about a policy cannot be written");
    }
}

/// A context as events show it.
pub(super) fn to_event(context: &Map) -> Json {
    Value::Map(context.clone()).to_json()
}

/// Seconds that a policy may take when its binding says nothing.
const DEFAULT_TIMEOUT: u64 = 30;

/// Runs one policy.
///
/// # Errors
/// When it comes to no verdict.
pub async fn run(
    world: &World,
    model: &Model,
    target: Option<&Object>,
    policy: &Object,
    request: &mut Request<'_>,
) -> Result<Verdict, PolicyError> {
    let kind = world.registry().get(policy.kind).name;
    let Some(behaviour) = super::behaviour(kind) else {
        return Err(PolicyError::Broken(format!("policies of the kind {kind} cannot be run by this release")));
    };
    behaviour.judge(&mut PolicyContext { world, model, target, policy, request }).await
}

/// What was heard of the policies that were run.
struct Heard(HashMap<Uuid, Outcome>);

impl PolicyOracle for Heard {
    fn for_all(&self, question: &Question<'_>) -> Result<Option<Outcome>, Need> {
        // A policy that was not run is none that may let somebody in.
        Ok(Some(self.0.get(&question.policy.id).copied().unwrap_or(Outcome::Broken)))
    }

    fn for_one(&self, question: &Question<'_>, _: Who) -> Result<Outcome, Need> {
        Ok(self.0.get(&question.policy.id).copied().unwrap_or(Outcome::Broken))
    }
}
