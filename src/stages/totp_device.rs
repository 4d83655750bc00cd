//! The kind `authentik_stages_authenticator_totp.totpdevice`: an app that computes time-based codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Residency};

/// An authenticator app of a user that computes time-based one-time codes.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TotpDevice {
    /// What the user calls the device, to tell several apart.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
}

impl Kind for TotpDevice {
    const NAME: &'static str = "authentik_stages_authenticator_totp.totpdevice";
    const TITLE: &'static str = "TOTP device";
    const KEYS: &'static [Key] = &[];
    const REQUIRED: &'static [&'static str] = &["name"];
    const READ_ONLY: &'static [&'static str] = &["user", "confirmed", "created", "last_updated", "last_used"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> =
        Some("the secret is shared with the user's app while the user enrols it in a flow");
}
