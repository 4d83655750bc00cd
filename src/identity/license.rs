//! The kind `authentik_enterprise.license`: a licence of the reference system.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind};

/// A licence of the reference system. It is kept so that files with one apply and export; nothing here needs a licence.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct License {
    /// The licence key.
    #[schemars(length(min = 1))]
    pub key: String,
}

impl Kind for License {
    const NAME: &'static str = "authentik_enterprise.license";
    const TITLE: &'static str = "License";
    const KEYS: &'static [Key] = &[Key::of(&["key"])];
    const REQUIRED: &'static [&'static str] = &["key"];
    const READ_ONLY: &'static [&'static str] = &["license_uuid", "name", "expiry", "internal_users", "external_users"];
}
