//! The kind `authentik_stages_user_logout.userlogoutstage`: ends the session.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Ends the session of whoever is signed in.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserLogoutStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
}

impl Kind for UserLogoutStage {
    const NAME: &'static str = "authentik_stages_user_logout.userlogoutstage";
    const TITLE: &'static str = "User logout stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
}
