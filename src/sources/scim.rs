//! The kind `authentik_sources_scim.scimsource`: users and groups that another system pushes here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{USER_PATH_TEMPLATE, UserMatchingMode};
use crate::model::{Family, Key, Kind, Ref, Reference};

/// Takes users and groups from another system that pushes them here over SCIM 2.0. A service account and its token
/// come with the source.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScimSource {
    /// Name that people see, unique among all sources.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Part of the source's URLs, unique among all sources.
    #[schemars(length(min = 1, max = 50), regex(pattern = "^[-a-zA-Z0-9_]+$"))]
    pub slug: String,
    /// Whether the other system may push.
    pub enabled: bool,
    /// Without effect, since pushed users are matched by their identifier; later releases do not have it.
    pub user_matching_mode: UserMatchingMode,
    /// Folder of users that the source creates; `%(slug)s` stands for its slug.
    #[schemars(length(min = 1))]
    pub user_path_template: String,
    /// Picture on the sign-in page: a URL or a path below the static files.
    #[schemars(length(min = 1))]
    pub icon: Option<String>,
    /// Mappings that shape users (2024.8).
    pub user_property_mappings: Vec<Ref>,
    /// Mappings that shape groups (2024.8).
    pub group_property_mappings: Vec<Ref>,
}

impl Default for ScimSource {
    fn default() -> Self {
        ScimSource {
            name: String::new(),
            slug: String::new(),
            enabled: true,
            user_matching_mode: UserMatchingMode::Identifier,
            user_path_template: USER_PATH_TEMPLATE.to_owned(),
            icon: None,
            user_property_mappings: Vec::new(),
            group_property_mappings: Vec::new(),
        }
    }
}

impl Kind for ScimSource {
    const NAME: &'static str = "authentik_sources_scim.scimsource";
    const TITLE: &'static str = "SCIM source";
    const FAMILIES: &'static [Family] = &[Family::Source, Family::BindingTarget];
    const KEYS: &'static [Key] =
        &[Key::in_family(&["slug"], Family::Source), Key::in_family(&["name"], Family::Source)];
    const REQUIRED: &'static [&'static str] = &["name", "slug"];
    const REFERENCES: &'static [Reference] = &[
        Reference::many("user_property_mappings", "authentik_sources_scim.scimsourcepropertymapping"),
        Reference::many("group_property_mappings", "authentik_sources_scim.scimsourcepropertymapping"),
    ];
    const READ_ONLY: &'static [&'static str] = &["managed", "root_url", "token_obj"];
}
