//! The kind `authentik_stages_authenticator_duo.duodevice`: a phone enrolled with Duo.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Ref, Reference, Residency, SecretText};

/// A phone that its user enrolled with Duo; sign-ins are confirmed on it by a push message.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DuoDevice {
    /// What the user calls the device, to tell several apart.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Whose it is.
    pub user: Ref,
    /// Whether its user has shown to hold it; others are not asked for.
    pub confirmed: bool,
    /// Stage that enrolled it, which knows the account at Duo.
    pub stage: Option<Ref>,
    /// The user's identity at Duo.
    pub duo_user_id: SecretText,
}

impl Default for DuoDevice {
    fn default() -> Self {
        DuoDevice {
            name: String::new(),
            user: Ref::default(),
            confirmed: true,
            stage: None,
            duo_user_id: SecretText::default(),
        }
    }
}

impl Kind for DuoDevice {
    const NAME: &'static str = "authentik_stages_authenticator_duo.duodevice";
    const TITLE: &'static str = "Duo device";
    const KEYS: &'static [Key] = &[];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("user", "authentik_core.user").cascade(),
        Reference::one("stage", "authentik_stages_authenticator_duo.authenticatorduostage").cascade(),
    ];
    const READ_ONLY: &'static [&'static str] = &["created", "last_updated", "last_used"];
    const SERVER_ONLY: &'static [&'static str] = &["user", "confirmed", "stage", "duo_user_id"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> = Some("Duo knows a device only once its user has enrolled it in a flow");
}
