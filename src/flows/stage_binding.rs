//! The kind `authentik_flows.flowstagebinding`: a stage's place in a flow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    model::{Family, Key, Kind, Ref, Reference, Report},
    policies::EngineMode,
};

/// A stage's place in a flow. What is bound to it decides whether the stage takes part.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FlowStageBinding {
    /// The flow.
    pub target: Ref,
    /// The stage.
    pub stage: Ref,
    /// Evaluates the bindings when the flow starts, before anything is known about the person.
    pub evaluate_on_plan: bool,
    /// Evaluates the bindings just before the stage is shown, with everything that the earlier stages found out.
    pub re_evaluate_policies: bool,
    /// Place of the stage in the flow, lowest first.
    #[schemars(range(min = i32::MIN, max = i32::MAX))]
    pub order: i32,
    /// Whether all bindings must pass or any one.
    pub policy_engine_mode: EngineMode,
    /// What follows an answer that the stage does not accept.
    pub invalid_response_action: InvalidResponseAction,
}

impl Default for FlowStageBinding {
    fn default() -> Self {
        FlowStageBinding {
            target: Ref::default(),
            stage: Ref::default(),
            evaluate_on_plan: false,
            re_evaluate_policies: true,
            order: 0,
            policy_engine_mode: EngineMode::default(),
            invalid_response_action: InvalidResponseAction::Retry,
        }
    }
}

impl Kind for FlowStageBinding {
    const NAME: &'static str = "authentik_flows.flowstagebinding";
    const TITLE: &'static str = "Flow stage binding";
    const FAMILIES: &'static [Family] = &[Family::BindingTarget];
    const KEYS: &'static [Key] = &[Key::of(&["target", "stage", "order"])];
    const REQUIRED: &'static [&'static str] = &["target", "stage", "order"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("target", "authentik_flows.flow").cascade(),
        Reference::one("stage", "authentik_flows.stage").cascade(),
    ];
    const READ_ONLY: &'static [&'static str] = &["policybindingmodel_ptr_id", "stage_obj"];

    fn check(&self, report: &mut Report) {
        if !self.evaluate_on_plan && !self.re_evaluate_policies {
            report.error(
                "re_evaluate_policies",
                "what is bound would never be evaluated; set evaluate_on_plan or re_evaluate_policies to true",
            );
        }
    }
}

/// What follows an answer that a stage does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvalidResponseAction {
    /// The same stage again, with a message.
    Retry,
    /// The flow from its beginning.
    Restart,
    /// The flow from its beginning, keeping what is known so far.
    RestartWithContext,
}
