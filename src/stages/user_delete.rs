//! The kind `authentik_stages_user_delete.userdeletestage`: deletes the user who walks the flow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Deletes the pending or signed-in user without asking; put a consent or prompt stage before it.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserDeleteStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
}

impl Kind for UserDeleteStage {
    const NAME: &'static str = "authentik_stages_user_delete.userdeletestage";
    const TITLE: &'static str = "User delete stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
}
