//! The kind `authentik_sources_ldap.ldapsourcepropertymapping`: users and groups of an LDAP directory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Shapes users and groups that come from an LDAP source.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LdapSourceMapping {
    /// Marks a mapping that a product ships, by a stable name. Unique among all property mappings.
    #[schemars(length(min = 1))]
    pub managed: Option<String>,
    /// Name of the mapping, unique among all property mappings.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Expression over `ldap`, the entry's attributes, and `dn`. With `object_field` it returns that field's value,
    /// without it a mapping of fields.
    #[schemars(length(min = 1))]
    pub expression: String,
    /// Field of the user or group that gets the value; `attributes.a.b` reaches into the attributes (up to 2024.6;
    /// later releases leave it out).
    #[schemars(length(min = 1))]
    pub object_field: Option<String>,
}

impl Kind for LdapSourceMapping {
    const NAME: &'static str = "authentik_sources_ldap.ldapsourcepropertymapping";
    const TITLE: &'static str = "LDAP source mapping";
    const ALIASES: &'static [&'static str] = &["authentik_sources_ldap.ldappropertymapping"];
    const FAMILIES: &'static [Family] = &[Family::PropertyMapping];
    const KEYS: &'static [Key] = super::KEYS;
    const REQUIRED: &'static [&'static str] = &["name", "expression"];
}
