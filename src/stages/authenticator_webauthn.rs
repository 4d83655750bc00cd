//! The kind `authentik_stages_authenticator_webauthn.authenticatorwebauthnstage`: enrols a security key or passkey.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference};

/// Enrols a WebAuthn device: a security key, a platform authenticator or a passkey.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticatorWebAuthnStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow in which a signed-in user enrols a device; without one there is no such entry in the user's settings.
    pub configure_flow: Option<Ref>,
    /// What users see instead of the stage's name when they choose between methods.
    #[schemars(length(min = 1))]
    pub friendly_name: Option<String>,
    /// Whether the device must verify its user (PIN, fingerprint) at enrolment and not only their presence.
    pub user_verification: UserVerification,
    /// Restricts enrolment to devices built into the machine or to separate ones; none allows both.
    pub authenticator_attachment: Option<Attachment>,
    /// Whether the credential is kept on the device, which signing in without a user name needs.
    pub resident_key_requirement: ResidentKey,
    /// Models of devices that may be enrolled, by AAGUID; empty allows all. The models are data of the system and no
    /// objects, so the list holds plain UUIDs. The all-zero UUID stands for models that are not known.
    #[schemars(inner(regex(pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")))]
    pub device_type_restrictions: Vec<String>,
    /// Failed enrolments after which the stage gives up; 0 for no limit (after 2024.6).
    #[schemars(range(min = 0, max = 2147483647))]
    pub max_attempts: u32,
}

impl Kind for AuthenticatorWebAuthnStage {
    const NAME: &'static str = "authentik_stages_authenticator_webauthn.authenticatorwebauthnstage";
    const TITLE: &'static str = "WebAuthn setup stage";
    const ALIASES: &'static [&'static str] = &["authentik_stages_authenticator_webauthn.authenticatewebauthnstage"];
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[Reference::one("configure_flow", "authentik_flows.flow")];
    const READ_ONLY: &'static [&'static str] = &["device_type_restrictions_obj"];
}

/// Whether a WebAuthn device verifies its user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserVerification {
    /// A device that cannot is refused.
    Required,
    /// If the device can.
    #[default]
    Preferred,
    /// Only if the device insists.
    Discouraged,
}

/// How a WebAuthn device is attached to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Attachment {
    /// Built in, such as a fingerprint reader.
    Platform,
    /// Separate, such as a USB key or a phone.
    CrossPlatform,
}

/// Whether a credential is kept on the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResidentKey {
    /// Only if the device insists.
    Discouraged,
    /// If the device can.
    #[default]
    Preferred,
    /// A device that cannot is refused.
    Required,
}
