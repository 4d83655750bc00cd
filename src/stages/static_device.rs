//! The kind `authentik_stages_authenticator_static.staticdevice`: a set of recovery codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Residency};

/// A user's set of recovery codes, each good for one sign-in.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StaticDevice {
    /// What the user calls the device, to tell several apart.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
}

impl Kind for StaticDevice {
    const NAME: &'static str = "authentik_stages_authenticator_static.staticdevice";
    const TITLE: &'static str = "Static device";
    const KEYS: &'static [Key] = &[];
    const REQUIRED: &'static [&'static str] = &["name"];
    const READ_ONLY: &'static [&'static str] =
        &["token_set", "user", "confirmed", "created", "last_updated", "last_used"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> =
        Some("the codes are generated and shown once, while the user enrols in a flow");
}
