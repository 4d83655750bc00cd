//! The kind `authentik_stages_redirect.redirectstage`: sends the browser elsewhere.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::flows::stage::{Next, Stage, StageContext, StageError};
use crate::model::{Family, Key, Kind, Ref, Reference, Report};

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
