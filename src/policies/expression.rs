//! The kind `authentik_policies_expression.expressionpolicy`: decides by an expression.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    engine::{MoreStage, PlanView, Policy, PolicyContext, PolicyError, Subject, Verdict},
    host::{Directory, Ground, request},
};
use crate::{
    expression::{self, Fault, Handle, Limits, Map, PlanChange, Scope, Value, Variables},
    model::{Family, Key, Kind, Object, Registry},
};

/// Passes when its expression returns something true.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExpressionPolicy {
    /// Name of the policy, unique among all policies. Other expressions call the policy by this name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Writes an event for every run; without it only failures leave one.
    pub execution_logging: bool,
    /// Expression that returns the verdict; without a `return` it fails. It sees `request`, `context` and the helper
    /// functions, and `ak_message` tells people why.
    #[schemars(length(min = 1))]
    pub expression: String,
}

impl Kind for ExpressionPolicy {
    const NAME: &'static str = "authentik_policies_expression.expressionpolicy";
    const TITLE: &'static str = "Expression policy";
    const FAMILIES: &'static [Family] = &[Family::Policy];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Policy)];
    const REQUIRED: &'static [&'static str] = &["name", "expression"];
    const READ_ONLY: &'static [&'static str] = &["bound_to"];
}

/// Runs the expression.
pub(super) struct Behaviour;

#[async_trait]
impl Policy for Behaviour {
    async fn judge(&self, at: &mut PolicyContext<'_, '_>) -> Result<Verdict, PolicyError> {
        let declared: ExpressionPolicy = at.declared()?;
        let program = expression::compile(&declared.expression, &Variables::policy())
            .map_err(|faults| PolicyError::Broken(described(&faults)))?;
        let plan = at.request.plan.as_ref().map(|plan| plan.context.clone());
        // What the plan holds is shared with it: a change within is a change of the plan.
        let own = at
            .request
            .context
            .iter()
            .filter(|(key, value)| plan.as_ref().and_then(|plan| plan.get(*key)) != Some(*value));
        let context: Map = own.map(|(key, value)| (key.clone(), value.clone())).collect();
        let scope = Scope {
            user: handle(at.request.subject),
            http_request: at.request.visit.map(request::handle),
            object: at.target.map(|target| of_object(at.world.registry(), target)),
            debug: at.request.debug,
            context: context.clone(),
            plan: plan.clone(),
            client_ip: at.request.visit.map(|visit| visit.client),
            variables: Map::new(),
        };
        let directory = Directory::new(Ground {
            world: at.world,
            model: at.model,
            subject: at.request.subject,
            visit: at.request.visit,
            target: at.target,
            plan: plan.as_ref(),
            debug: at.request.debug,
            name: declared.name.clone(),
        });
        let outcome = expression::evaluate(&program, scope, &directory, &Limits::default())
            .await
            .map_err(|error| PolicyError::Broken(error.to_string()))?;
        let registry = at.world.registry();
        // An expression that does not look at the context leaves what it was given, which is not the whole.
        if outcome.context != context {
            at.request.context = references(registry, outcome.context);
        }
        if let (Some(view), Some(changed)) = (at.request.plan.as_deref_mut(), outcome.plan) {
            view.context = references(registry, changed);
            change_plan(view, outcome.plan_changes)?;
        }
        if outcome.value == Value::None {
            tracing::warn!(policy = declared.name, "the expression returned nothing, which is a failure");
        }
        let log = outcome.log.iter().filter_map(|line| serde_json::to_value(line).ok()).collect();
        Ok(Verdict { passing: outcome.truth, messages: outcome.messages, log, raw: outcome.value })
    }
}

/// Somebody as `request.user`.
pub(super) fn handle(subject: &Subject) -> Option<Handle> {
    match subject.handle() {
        Value::Handle(handle) => Some(handle),
        _ => None,
    }
}

/// A stored object for an expression.
pub(super) fn of_object(registry: &Registry, object: &Object) -> Handle {
    Handle::new(registry.get(object.kind).name, object.id.to_string())
}

/// What is wrong with an expression, in one text.
pub(super) fn described(faults: &[Fault]) -> String {
    let faults = faults.iter().map(|fault| format!("line {}, column {}: {}", fault.line, fault.column, fault.message));
    faults.collect::<Vec<_>>().join("; ")
}

/// A context whose stored objects are references again: what an expression saw of them is out of date as soon as it ends.
pub(super) fn references(registry: &Registry, context: Map) -> Map {
    context.into_iter().map(|(key, value)| (key, reference(registry, value))).collect()
}

fn reference(registry: &Registry, value: Value) -> Value {
    let all = |items: Vec<Value>| items.into_iter().map(|item| reference(registry, item)).collect();
    match value {
        Value::Handle(handle) if !handle.id.is_empty() && registry.find(&handle.kind).is_some() => {
            Handle::new(handle.kind, handle.id).into()
        }
        Value::Map(map) => Value::Map(references(registry, map)),
        Value::List(items) => Value::List(all(items)),
        Value::Tuple(items) => Value::Tuple(all(items)),
        Value::Set(items) => Value::Set(all(items)),
        other => other,
    }
}

fn change_plan(view: &mut PlanView, changes: Vec<PlanChange>) -> Result<(), PolicyError> {
    for change in changes {
        let (stage, last) = match change {
            PlanChange::Redirect(url) => {
                view.redirects.push(url);
                continue;
            }
            PlanChange::Append(stage) => (stage, true),
            PlanChange::Insert(stage, 1) => (stage, false),
            PlanChange::Insert(_, index) => {
                return Err(PolicyError::Broken(format!("a stage can be inserted as the next one, not at {index}")));
            }
        };
        let id = match &stage {
            Value::Handle(handle) => handle.id.parse().ok(),
            _ => None,
        };
        let Some(stage) = id else {
            return Err(PolicyError::Broken("only a stored stage can be put into a plan".to_owned()));
        };
        view.stages.push(MoreStage { stage, last });
    }
    Ok(())
}
