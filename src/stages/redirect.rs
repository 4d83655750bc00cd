//! The kind `authentik_stages_redirect.redirectstage`: sends the browser elsewhere.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::expression::{Handle, Map};
use crate::flows::{
    executor,
    planner::{DOES_NOT_APPLY, PlanError, Planning},
    slice::Slice,
    stage::{Next, Stage, StageContext, StageError},
};
use crate::identity::sessions;
use crate::model::{Family, Key, Kind, Model, Object, Ref, Reference, Report};
use crate::store::Execution;

/// Sends the browser to a URL or on into another flow (2024.12).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedirectStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Which of the two targets counts. A policy can give another one as `redirect_stage_target` in the flow's context.
    pub mode: Mode,
    /// URL to go to, for `mode: static`.
    pub target_static: String,
    /// Flow to go on in, for `mode: flow`.
    pub target_flow: Option<Ref>,
    /// Takes the flow's context along into the target flow.
    pub keep_context: bool,
}

impl Default for RedirectStage {
    fn default() -> Self {
        RedirectStage {
            name: String::new(),
            mode: Mode::Static,
            target_static: String::new(),
            target_flow: None,
            keep_context: true,
        }
    }
}

impl Kind for RedirectStage {
    const NAME: &'static str = "authentik_stages_redirect.redirectstage";
    const TITLE: &'static str = "Redirect stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name", "mode"];
    const REFERENCES: &'static [Reference] = &[Reference::one("target_flow", "authentik_flows.flow")];

    fn check(&self, report: &mut Report) {
        if runs_script(&self.target_static) {
            report.error("target_static", "would run in the page instead of leading elsewhere; give an http(s) URL");
        }
        // A policy may still provide the target, so that a missing one is no error.
        let missing = match self.mode {
            Mode::Static => self.target_static.is_empty().then_some("target_static"),
            Mode::Flow => self.target_flow.is_none().then_some("target_flow"),
        };
        if let Some(field) = missing {
            report.warn(field, "is not set, so access is denied unless a policy provides a target");
        }
    }
}

/// Whether a browser that is sent to the URL would execute it. Browsers ignore control characters and
/// leading spaces when they look for the scheme.
fn runs_script(url: &str) -> bool {
    let plain: String = url.chars().filter(|letter| !letter.is_control() && *letter != ' ').collect();
    let scheme = plain.split(':').next().unwrap_or_default().to_ascii_lowercase();
    plain.contains(':') && matches!(scheme.as_str(), "javascript" | "data" | "vbscript")
}

/// Which target of a redirect counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The URL in `target_static`.
    Static,
    /// The flow in `target_flow`.
    Flow,
}

/// Sends somebody where an expression or the server itself wants it; nobody else can put this stage into a plan. The flow
/// waits there until it is given up: it is no step that could be passed.
pub(super) struct Passing;

#[async_trait]
impl Stage for Passing {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        match at.settings.get("to").and_then(serde_json::Value::as_str) {
            Some(to) => Ok(Next::Away(to.to_owned())),
            None => Err(StageError::Failed("a redirect without an address".to_owned())),
        }
    }
}

/// Sends somebody to an address or on into another flow.
pub(super) struct Behaviour;

/// Where somebody is sent.
enum Target {
    Address(String),
    Flow(Arc<Object>),
}

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        let declared: RedirectStage = at.declared()?;
        match target(at, &declared).await? {
            Some(Target::Address(url)) if !runs_script(&url) => Ok(Next::Away(url)),
            Some(Target::Flow(flow)) => go_on_in(at, &declared, &flow).await,
            _ => Ok(Next::Refused(String::new())),
        }
    }
}

/// The target that a policy gives, else the stage's own.
async fn target(at: &StageContext<'_>, declared: &RedirectStage) -> Result<Option<Target>, StageError> {
    if let Some(given) = at.plan.text("redirect_stage_target").filter(|given| !given.is_empty()) {
        match given.strip_prefix("ak-flow://") {
            None => return Ok(Some(Target::Address(given.to_owned()))),
            Some(slug) => {
                if let Some(flow) = executor::flow_named(&*at.world.model().await?, slug.trim_end_matches('/')) {
                    return Ok(Some(Target::Flow(flow)));
                }
            }
        }
    }
    Ok(match declared.mode {
        Mode::Static => {
            let url = declared.target_static.as_str();
            (!url.is_empty()).then(|| Target::Address(url.to_owned()))
        }
        // As it is now and not as it was when this flow began: it begins only now.
        Mode::Flow => match at.stage.and_then(|stage| stage.targets("target_flow").first().copied()) {
            Some(flow) => at.world.model().await?.known(flow).cloned().map(Target::Flow),
            None => None,
        },
    })
}

/// Begins the other flow in the place of this one. Its demand on who is signed in holds, whatever this flow knows; and what
/// was shown in this flow counts in the other one if its context does.
async fn go_on_in(at: &mut StageContext<'_>, declared: &RedirectStage, flow: &Arc<Object>) -> Result<Next, StageError> {
    let mut context = if declared.keep_context { at.plan.context.clone() } else { Map::new() };
    let from = Handle::new(at.world.registry().get(at.flow.kind).name, at.flow.id.to_string());
    context.insert("is_redirected".to_owned(), from.into());
    let mut model = Model::clone(&*at.world.model().await?);
    let slice = at.world.ask(&mut model, |model| Slice::of(model, flow)).await?;
    let visitor = at.visitor();
    let planning = Planning { world: at.world, slice: &slice, visit: at.visit, visitor: &visitor, trusted: true };
    let planned = match planning.check_requirement(&context) {
        Ok(()) => planning.plan(context).await,
        Err(error) => Err(error),
    };
    let mut plan = match planned {
        Ok(plan) => plan,
        Err(PlanError::NotApplicable(messages)) => {
            return Ok(Next::Refused(if messages.is_empty() { DOES_NOT_APPLY.to_owned() } else { messages }));
        }
        Err(PlanError::Failed(error)) => return Err(error),
    };
    plan.pinned = at.plan.pinned;
    if declared.keep_context {
        plan.proofs.clone_from(&at.plan.proofs);
    }
    sessions::ensure(at.world, at.seat).await?;
    let state = serde_json::to_value(&plan).map_err(|error| StageError::Failed(error.to_string()))?;
    let execution = Execution { id: Uuid::new_v4(), flow: flow.id, slice: slice.digest.clone(), version: 0, state };
    let (store, now) = (at.world.store(), at.world.now());
    store.save_execution(at.seat.session.id, &execution, Some(&*slice.content), now).await?;
    // This flow is over; the session holds the other one now.
    at.plan.steps.clear();
    Ok(Next::Away(at.page_of(flow)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stages::judge;

    #[test]
    fn the_target_is_there_and_harmless() {
        let flow = "5f0c7a34-4f0c-4a3b-9c39-0d2f3a4b5c6d";
        for (object, found) in [
            (json!({ "mode": "static", "target_static": "https://example.com/" }), vec![]),
            (json!({ "mode": "static", "target_static": "myapp://signed-in" }), vec![]),
            (json!({ "mode": "static" }), vec!["?target_static"]),
            (json!({ "mode": "flow" }), vec!["?target_flow"]),
            (json!({ "mode": "flow", "target_flow": flow }), vec![]),
            (json!({ "mode": "static", "target_static": " Java\tScript:alert(1)" }), vec!["!target_static"]),
            (
                json!({ "mode": "flow", "target_flow": flow, "target_static": "data:text/html,x" }),
                vec!["!target_static"],
            ),
        ] {
            assert_eq!(judge::<RedirectStage>(object.clone()), found, "{object}");
        }
    }
}
