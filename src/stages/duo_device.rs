//! The kind `authentik_stages_authenticator_duo.duodevice`: a phone enrolled with Duo.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Residency};

/// A phone that its user enrolled with Duo; sign-ins are confirmed on it by a push message.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DuoDevice {
    /// What the user calls the device, to tell several apart.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
}

impl Kind for DuoDevice {
    const NAME: &'static str = "authentik_stages_authenticator_duo.duodevice";
    const TITLE: &'static str = "Duo device";
    const KEYS: &'static [Key] = &[];
    const REQUIRED: &'static [&'static str] = &["name"];
    const READ_ONLY: &'static [&'static str] = &["user", "confirmed", "created", "last_updated", "last_used"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> = Some("Duo knows a device only once its user has enrolled it in a flow");
}
