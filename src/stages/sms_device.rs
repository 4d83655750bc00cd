//! The kind `authentik_stages_authenticator_sms.smsdevice`: a telephone number that receives codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Ref, Reference, Residency, SecretText};

/// A telephone number that receives sign-in codes as text messages.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SmsDevice {
    /// What the user calls the device, to tell several apart.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Whose it is.
    pub user: Ref,
    /// Whether its user has shown to hold it; others are not asked for.
    pub confirmed: bool,
    /// Stage that enrolled it, which knows how messages are sent.
    pub stage: Option<Ref>,
    /// The number, or `hash:` and its SHA-256.
    pub phone_number: SecretText,
    /// Keyed digest of stage and number, by which one that is enrolled already is found.
    pub number_digest: Option<String>,
    /// Whether only a hash of the number is kept, so that no message can be sent to it.
    pub is_hashed: bool,
}

impl Default for SmsDevice {
    fn default() -> Self {
        SmsDevice {
            name: String::new(),
            user: Ref::default(),
            confirmed: true,
            stage: None,
            phone_number: SecretText::default(),
            number_digest: None,
            is_hashed: false,
        }
    }
}

impl Kind for SmsDevice {
    const NAME: &'static str = "authentik_stages_authenticator_sms.smsdevice";
    const TITLE: &'static str = "SMS device";
    const KEYS: &'static [Key] = &[Key::of(&["number_digest"])];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("user", "authentik_core.user").cascade(),
        Reference::one("stage", "authentik_stages_authenticator_sms.authenticatorsmsstage").cascade(),
    ];
    const READ_ONLY: &'static [&'static str] = &["created", "last_updated", "last_used"];
    const SERVER_ONLY: &'static [&'static str] =
        &["user", "confirmed", "stage", "phone_number", "number_digest", "is_hashed"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> =
        Some("the telephone number is verified while its user enrols it in a flow");
}
