//! The kind `authentik_providers_microsoft_entra.microsoftentraprovidermapping`: what a Microsoft Entra provider sends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Shapes what a Microsoft Entra provider sends about a user or a group.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EntraMapping {
    /// Marks a mapping that a product ships, by a stable name. Unique among all property mappings.
    #[schemars(length(min = 1))]
    pub managed: Option<String>,
    /// Name of the mapping, unique among all property mappings.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Expression that returns a mapping of directory attributes, named in the style of `display_name`.
    /// It sees `request.user`, `provider` and `connection`, which is null while the object is new to the other side,
    /// and for groups `group`. The results of several mappings are merged, ordered by name.
    #[schemars(length(min = 1))]
    pub expression: String,
}

impl Kind for EntraMapping {
    const NAME: &'static str = "authentik_providers_microsoft_entra.microsoftentraprovidermapping";
    const TITLE: &'static str = "Microsoft Entra provider mapping";
    const FAMILIES: &'static [Family] = &[Family::PropertyMapping];
    const KEYS: &'static [Key] = super::KEYS;
    const REQUIRED: &'static [&'static str] = &["name", "expression"];
}
