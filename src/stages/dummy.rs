//! The kind `authentik_stages_dummy.dummystage`: a page with one button, for trying flows out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
