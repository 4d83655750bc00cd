//! The kind `authentik_stages_authenticator_static.staticdevice`: a set of recovery codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Ref, Reference, Residency, SecretJson};

/// A user's set of recovery codes, each good for one sign-in.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StaticDevice {
    /// What the user calls the device, to tell several apart.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Whose it is.
    pub user: Ref,
    /// Whether its user has shown to hold it; others are not asked for.
    pub confirmed: bool,
    /// SHA-256 of each code, as a list. Those that were used are remembered apart from it.
    pub codes: SecretJson,
}

impl Default for StaticDevice {
    fn default() -> Self {
        StaticDevice { name: String::new(), user: Ref::default(), confirmed: true, codes: SecretJson::default() }
    }
}

impl Kind for StaticDevice {
    const NAME: &'static str = "authentik_stages_authenticator_static.staticdevice";
    const TITLE: &'static str = "Static device";
    const KEYS: &'static [Key] = &[];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[Reference::one("user", "authentik_core.user").cascade()];
    const READ_ONLY: &'static [&'static str] = &["token_set", "created", "last_updated", "last_used"];
    const SERVER_ONLY: &'static [&'static str] = &["user", "confirmed", "codes"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> =
        Some("the codes are generated and shown once, while the user enrols in a flow");
}
