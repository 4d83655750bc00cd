//! The kind `authentik_stages_authenticator_validate.authenticatorvalidatestage`: asks for a second factor. What it does is
//! in `validation`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::authenticator_webauthn::UserVerification;
use crate::model::{Family, Key, Kind, Ref, Reference, Report};

/// Asks the user to prove possession of one of their devices, or signs them in by a passkey alone.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticatorValidateStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What happens to a user who has no device of an allowed class.
    pub not_configured_action: NotConfiguredAction,
    /// Classes of devices that are accepted. A user who has devices of other classes only counts as having none.
    pub device_classes: Vec<DeviceClass>,
    /// Stages in which a user without a device enrols one, for `not_configured_action: configure`. Of several the
    /// user chooses one, and is not asked for a code right after it.
    pub configuration_stages: Vec<Ref>,
    /// Time after a successful validation for which the same browser is not asked again, such as
    /// `hours=12;minutes=30`; `seconds=0` always asks.
    #[schemars(length(min = 1))]
    pub last_auth_threshold: String,
    /// Whether a WebAuthn device must verify its user (PIN, fingerprint) and not only their presence.
    pub webauthn_user_verification: UserVerification,
    /// Models of WebAuthn devices that are accepted, by AAGUID; empty accepts all. The models are data of the system
    /// and no objects, so the list holds plain UUIDs. The all-zero UUID stands for models that are not known.
    #[schemars(inner(regex(pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")))]
    pub webauthn_allowed_device_types: Vec<String>,
}

impl Default for AuthenticatorValidateStage {
    fn default() -> Self {
        AuthenticatorValidateStage {
            name: String::new(),
            not_configured_action: NotConfiguredAction::Skip,
            device_classes: vec![
                DeviceClass::Static,
                DeviceClass::Totp,
                DeviceClass::Webauthn,
                DeviceClass::Duo,
                DeviceClass::Sms,
            ],
            configuration_stages: Vec::new(),
            last_auth_threshold: "seconds=0".to_owned(),
            webauthn_user_verification: UserVerification::Preferred,
            webauthn_allowed_device_types: Vec::new(),
        }
    }
}

impl Kind for AuthenticatorValidateStage {
    const NAME: &'static str = "authentik_stages_authenticator_validate.authenticatorvalidatestage";
    const TITLE: &'static str = "Authenticator validation stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[Reference::many("configuration_stages", "authentik_flows.stage")];
    const READ_ONLY: &'static [&'static str] = &["webauthn_allowed_device_types_obj"];

    fn check(&self, report: &mut Report) {
        if self.not_configured_action == NotConfiguredAction::Configure && self.configuration_stages.is_empty() {
            report.error(
                "configuration_stages",
                "is empty, so `not_configured_action: configure` has nothing to offer; list a setup stage",
            );
        }
        if self.device_classes.is_empty() {
            report.warn("device_classes", "is empty, so no device is ever accepted; list at least one class");
        }
    }
}

/// What happens to a user who has no device of an allowed class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotConfiguredAction {
    /// The stage counts as passed: whoever has no device needs none.
    Skip,
    /// The flow ends.
    Deny,
    /// The user enrols a device in one of the configuration stages.
    Configure,
}

/// A class of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceClass {
    /// Recovery codes.
    Static,
    /// Authenticator apps.
    Totp,
    /// Security keys and passkeys.
    Webauthn,
    /// Duo push messages.
    Duo,
    /// Codes by text message.
    Sms,
    /// Codes by mail (2025.2).
    Email,
}

impl DeviceClass {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            DeviceClass::Static => "static",
            DeviceClass::Totp => "totp",
            DeviceClass::Webauthn => "webauthn",
            DeviceClass::Duo => "duo",
            DeviceClass::Sms => "sms",
            DeviceClass::Email => "email",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stages::judge;

    #[test]
    fn configuring_needs_a_stage_to_configure_in() {
        let stage = "5f0c7a34-4f0c-4a3b-9c39-0d2f3a4b5c6d";
        for (object, found) in [
            (json!({}), vec![]),
            (json!({ "not_configured_action": "deny" }), vec![]),
            (json!({ "not_configured_action": "configure" }), vec!["!configuration_stages"]),
            (json!({ "not_configured_action": "configure", "configuration_stages": [stage] }), vec![]),
            (json!({ "device_classes": [] }), vec!["?device_classes"]),
        ] {
            assert_eq!(judge::<AuthenticatorValidateStage>(object.clone()), found, "{object}");
        }
    }
}
