//! The kind `authentik_stages_authenticator_webauthn.webauthndevice`: a security key or passkey.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Key, Kind, Ref, Reference, Residency};

/// A security key, platform authenticator or passkey of a user.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebAuthnDevice {
    /// What the user calls the device, to tell several apart.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// Whose it is.
    pub user: Ref,
    /// Whether its user has shown to hold it; others are not asked for.
    pub confirmed: bool,
    /// Identity of the key pair as its device gave it, in base 64 for addresses.
    pub credential_id: Option<String>,
    /// The public key and what the device said of itself when it was enrolled.
    pub credential: Map<String, Value>,
    /// Signatures that the device had made when it was enrolled; later counts are kept apart.
    pub sign_count: u32,
    /// Model of the device; all zero when it does not say.
    pub aaguid: String,
}

impl Default for WebAuthnDevice {
    fn default() -> Self {
        WebAuthnDevice {
            name: String::new(),
            user: Ref::default(),
            confirmed: true,
            credential_id: None,
            credential: Map::new(),
            sign_count: 0,
            aaguid: String::new(),
        }
    }
}

impl Kind for WebAuthnDevice {
    const NAME: &'static str = "authentik_stages_authenticator_webauthn.webauthndevice";
    const TITLE: &'static str = "WebAuthn device";
    const KEYS: &'static [Key] = &[Key::of(&["credential_id"])];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[Reference::one("user", "authentik_core.user").cascade()];
    const READ_ONLY: &'static [&'static str] = &["created_on", "device_type", "created", "last_updated", "last_used"];
    const SERVER_ONLY: &'static [&'static str] =
        &["user", "confirmed", "credential_id", "credential", "sign_count", "aaguid"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> =
        Some("the key pair is made by the device itself while its user enrols it in a flow");
}
