//! The kind `authentik_providers_radius.radiusproviderpropertymapping`: attributes of RADIUS answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Adds attributes to the answers of a RADIUS provider (after 2024.6).
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RadiusMapping {
    /// Marks a mapping that a product ships, by a stable name. Unique among all property mappings.
    #[schemars(length(min = 1))]
    pub managed: Option<String>,
    /// Name of the mapping, unique among all property mappings.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Expression that adds attributes to the answer. It sees `request.user` and the `packet`.
    #[schemars(length(min = 1))]
    pub expression: String,
}

impl Kind for RadiusMapping {
    const NAME: &'static str = "authentik_providers_radius.radiusproviderpropertymapping";
    const TITLE: &'static str = "RADIUS provider mapping";
    const FAMILIES: &'static [Family] = &[Family::PropertyMapping];
    const KEYS: &'static [Key] = super::KEYS;
    const REQUIRED: &'static [&'static str] = &["name", "expression"];
}
