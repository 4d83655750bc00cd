//! The kind `authentik_stages_invitation.invitationstage`: lets only invited people pass.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Lets people pass who bring a valid invitation, and puts the invitation's data into the flow.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InvitationStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Lets people without an invitation pass as well; when off the flow ends for them.
    pub continue_flow_without_invitation: bool,
}

impl Kind for InvitationStage {
    const NAME: &'static str = "authentik_stages_invitation.invitationstage";
    const TITLE: &'static str = "Invitation stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
}
