//! The kind `authentik_stages_authenticator_email.emaildevice`: a mail address that receives codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Residency};

/// A mail address that receives sign-in codes (2025.2).
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmailDevice {
    /// What the user calls the device, to tell several apart.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
}

impl Kind for EmailDevice {
    const NAME: &'static str = "authentik_stages_authenticator_email.emaildevice";
    const TITLE: &'static str = "Email device";
    const KEYS: &'static [Key] = &[];
    const REQUIRED: &'static [&'static str] = &["name"];
    const READ_ONLY: &'static [&'static str] = &["email", "user", "confirmed", "created", "last_updated", "last_used"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> = Some("the mail address is verified while its user enrols it in a flow");
}
