//! The kind `authentik_sources_kerberos.kerberossourcepropertymapping`: users and groups of a Kerberos realm.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Shapes users and groups that come from a Kerberos source (after 2024.6).
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KerberosSourceMapping {
    /// Marks a mapping that a product ships, by a stable name. Unique among all property mappings.
    #[schemars(length(min = 1))]
    pub managed: Option<String>,
    /// Name of the mapping, unique among all property mappings.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Expression that returns a mapping of user or group fields. It sees the `principal` and its parts.
    #[schemars(length(min = 1))]
    pub expression: String,
}

impl Kind for KerberosSourceMapping {
    const NAME: &'static str = "authentik_sources_kerberos.kerberossourcepropertymapping";
    const TITLE: &'static str = "Kerberos source mapping";
    const FAMILIES: &'static [Family] = &[Family::PropertyMapping];
    const KEYS: &'static [Key] = super::KEYS;
    const REQUIRED: &'static [&'static str] = &["name", "expression"];
}
