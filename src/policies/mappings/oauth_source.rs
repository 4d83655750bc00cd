//! The kind `authentik_sources_oauth.oauthsourcepropertymapping`: users and groups of an OAuth source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Shapes users and groups that come from an OAuth source (2024.8).
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OAuthSourceMapping {
    /// Marks a mapping that a product ships, by a stable name. Unique among all property mappings.
    #[schemars(length(min = 1))]
    pub managed: Option<String>,
    /// Name of the mapping, unique among all property mappings.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Expression that returns a mapping of user or group fields. It sees `info`, the answer of the source's profile
    /// address, and the access token.
    #[schemars(length(min = 1))]
    pub expression: String,
}

impl Kind for OAuthSourceMapping {
    const NAME: &'static str = "authentik_sources_oauth.oauthsourcepropertymapping";
    const TITLE: &'static str = "OAuth source mapping";
    const FAMILIES: &'static [Family] = &[Family::PropertyMapping];
    const KEYS: &'static [Key] = super::KEYS;
    const REQUIRED: &'static [&'static str] = &["name", "expression"];
}
