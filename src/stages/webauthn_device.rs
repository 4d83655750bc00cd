//! The kind `authentik_stages_authenticator_webauthn.webauthndevice`: a security key or passkey.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Residency};

/// A security key, platform authenticator or passkey of a user.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebAuthnDevice {
    /// What the user calls the device, to tell several apart.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
}

impl Kind for WebAuthnDevice {
    const NAME: &'static str = "authentik_stages_authenticator_webauthn.webauthndevice";
    const TITLE: &'static str = "WebAuthn device";
    const KEYS: &'static [Key] = &[];
    const REQUIRED: &'static [&'static str] = &["name"];
    const READ_ONLY: &'static [&'static str] =
        &["created_on", "device_type", "aaguid", "user", "confirmed", "created", "last_updated", "last_used"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> =
        Some("the key pair is made by the device itself while its user enrols it in a flow");
}
