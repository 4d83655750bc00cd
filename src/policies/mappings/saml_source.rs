//! The kind `authentik_sources_saml.samlsourcepropertymapping`: users and groups of a SAML source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Shapes users and groups that come from a SAML source (2024.8).
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SamlSourceMapping {
    /// Marks a mapping that a product ships, by a stable name. Unique among all property mappings.
    #[schemars(length(min = 1))]
    pub managed: Option<String>,
    /// Name of the mapping, unique among all property mappings.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Expression that returns a mapping of user or group fields. It sees the assertion and its name identifier.
    #[schemars(length(min = 1))]
    pub expression: String,
}

impl Kind for SamlSourceMapping {
    const NAME: &'static str = "authentik_sources_saml.samlsourcepropertymapping";
    const TITLE: &'static str = "SAML source mapping";
    const FAMILIES: &'static [Family] = &[Family::PropertyMapping];
    const KEYS: &'static [Key] = super::KEYS;
    const REQUIRED: &'static [&'static str] = &["name", "expression"];
}
