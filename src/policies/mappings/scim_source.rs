//! The kind `authentik_sources_scim.scimsourcepropertymapping`: users and groups that a SCIM client sends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Shapes users and groups that a SCIM client sends to a SCIM source (2024.8).
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScimSourceMapping {
    /// Marks a mapping that a product ships, by a stable name. Unique among all property mappings.
    #[schemars(length(min = 1))]
    pub managed: Option<String>,
    /// Name of the mapping, unique among all property mappings.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Expression that returns a mapping of user or group fields. It sees `data`, the SCIM resource.
    #[schemars(length(min = 1))]
    pub expression: String,
}

impl Kind for ScimSourceMapping {
    const NAME: &'static str = "authentik_sources_scim.scimsourcepropertymapping";
    const TITLE: &'static str = "SCIM source mapping";
    const FAMILIES: &'static [Family] = &[Family::PropertyMapping];
    const KEYS: &'static [Key] = super::KEYS;
    const REQUIRED: &'static [&'static str] = &["name", "expression"];
}
