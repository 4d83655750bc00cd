//! The kind `authentik_stages_deny.denystage`: ends the flow.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::flows::stage::{Next, Stage, StageContext, StageError};
use crate::model::{Family, Key, Kind};

/// Denies access to whoever reaches it; policies on its binding say who does.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DenyStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What the person reads. A policy can give another text as `deny_message` in the flow's context.
    pub deny_message: String,
}

impl Kind for DenyStage {
    const NAME: &'static str = "authentik_stages_deny.denystage";
    const TITLE: &'static str = "Deny stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
}

/// Refuses.
pub(super) struct Behaviour;

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        let declared: DenyStage = at.declared()?;
        let of_expression = at.plan.text("deny_message").map(str::to_owned);
        Ok(Next::Refused(of_expression.unwrap_or(declared.deny_message)))
    }
}
