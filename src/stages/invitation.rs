//! The kind `authentik_stages_invitation.invitation`: lets someone into an enrolment flow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Key, Kind, Ref, Reference, Residency};

/// An invitation into an enrolment flow. Its id is the secret part of the link that is sent out.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Invitation {
    /// Tells invitations apart in the administration pages.
    #[schemars(length(min = 1, max = 50), regex(pattern = "^[-a-zA-Z0-9_]+$"))]
    pub name: String,
    /// Moment after which the invitation is refused, RFC 3339; none for no limit.
    #[schemars(extend("format" = "date-time"))]
    pub expires: Option<String>,
    /// Values that are merged over what the invited person enters, by the key of the prompt; they win.
    pub fixed_data: Map<String, Value>,
    /// Deletes the invitation when it is used.
    pub single_use: bool,
    /// Only flow in which the invitation counts; none for any.
    pub flow: Option<Ref>,
}

impl Kind for Invitation {
    const NAME: &'static str = "authentik_stages_invitation.invitation";
    const TITLE: &'static str = "Invitation";
    const KEYS: &'static [Key] = &[Key::of(&["name"])];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[Reference::one("flow", "authentik_flows.flow")];
    const READ_ONLY: &'static [&'static str] = &["created_by", "flow_obj"];
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> =
        Some("an invitation belongs to the person who invites, and a file names none");
}
