//! The kind `authentik_stages_authenticator_sms.smsdevice`: a telephone number that receives codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Residency};

/// A telephone number that receives sign-in codes as text messages.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SmsDevice {
    /// What the user calls the device, to tell several apart.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
}

impl Kind for SmsDevice {
    const NAME: &'static str = "authentik_stages_authenticator_sms.smsdevice";
    const TITLE: &'static str = "SMS device";
    const KEYS: &'static [Key] = &[];
    const REQUIRED: &'static [&'static str] = &["name"];
    const READ_ONLY: &'static [&'static str] =
        &["phone_number", "user", "confirmed", "created", "last_updated", "last_used"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> =
        Some("the telephone number is verified while its user enrols it in a flow");
}
