//! The kind `authentik_stages_dummy.dummystage`: a page with one button, for trying flows out.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::flows::{
    challenge::{Answer, Challenge},
    proof::Evidence,
    stage::{Next, Stage, StageContext, StageError},
};
use crate::model::{Family, Key, Kind};

/// Shows its name and accepts any answer; for trying flows out.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DummyStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Fails with an internal error instead, to see how the flow and the monitoring take it.
    pub throw_error: bool,
}

impl Kind for DummyStage {
    const NAME: &'static str = "authentik_stages_dummy.dummystage";
    const TITLE: &'static str = "Dummy stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
}

/// Shows its name, and takes any answer.
pub(super) struct Behaviour;

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        let declared: DummyStage = at.declared()?;
        if declared.throw_error {
            return Err(StageError::Failed("the dummy stage was told to fail".to_owned()));
        }
        let name = at.name();
        Ok(Next::Ask(Challenge::new("ak-stage-dummy", serde_json::json!({ "name": name })).without_person()))
    }

    async fn answer(&self, at: &mut StageContext<'_>, _answer: Answer) -> Result<Next, StageError> {
        Ok(Next::Passed(at.prove(Evidence::Done)))
    }
}
