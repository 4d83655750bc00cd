//! The kind `authentik_stages_authenticator_totp.totpdevice`: an app that computes time-based codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Ref, Reference, Residency, SecretText};

/// An authenticator app of a user that computes time-based one-time codes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TotpDevice {
    /// What the user calls the device, to tell several apart.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Whose it is.
    pub user: Ref,
    /// Whether its user has shown to hold it; others are not asked for.
    pub confirmed: bool,
    /// Digits of its codes.
    #[schemars(range(min = 6, max = 8))]
    pub digits: u8,
    /// What its codes are computed from, in base 32.
    pub key: SecretText,
}

impl Default for TotpDevice {
    fn default() -> Self {
        TotpDevice { name: String::new(), user: Ref::default(), confirmed: true, digits: 6, key: SecretText::default() }
    }
}

impl Kind for TotpDevice {
    const NAME: &'static str = "authentik_stages_authenticator_totp.totpdevice";
    const TITLE: &'static str = "TOTP device";
    const KEYS: &'static [Key] = &[];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[Reference::one("user", "authentik_core.user").cascade()];
    const READ_ONLY: &'static [&'static str] = &["created", "last_updated", "last_used"];
    const SERVER_ONLY: &'static [&'static str] = &["user", "confirmed", "digits", "key"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> =
        Some("the secret is shared with the user's app while the user enrols it in a flow");
}
