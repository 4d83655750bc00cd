//! The kind `authentik_providers_saml.samlpropertymapping`: an attribute of SAML assertions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// An attribute of the assertions that a SAML provider issues.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SamlMapping {
    /// Marks a mapping that a product ships, by a stable name. Unique among all property mappings.
    #[schemars(length(min = 1))]
    pub managed: Option<String>,
    /// Name of the mapping, unique among all property mappings.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Expression that returns the attribute's value or a list of values; with null there is no attribute. It sees
    /// `request.user` and `provider`.
    #[schemars(length(min = 1))]
    pub expression: String,
    /// Name of the attribute, often a URI.
    #[schemars(length(min = 1))]
    pub saml_name: String,
    /// Name of the attribute for people to read.
    pub friendly_name: Option<String>,
}

impl Kind for SamlMapping {
    const NAME: &'static str = "authentik_providers_saml.samlpropertymapping";
    const TITLE: &'static str = "SAML provider mapping";
    const FAMILIES: &'static [Family] = &[Family::PropertyMapping];
    const KEYS: &'static [Key] = super::KEYS;
    const REQUIRED: &'static [&'static str] = &["name", "saml_name", "expression"];
}
