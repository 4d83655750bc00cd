//! The kind `authentik_providers_google_workspace.googleworkspaceprovidermapping`: what Google is sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Shapes what a Google Workspace provider sends about a user or a group.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GoogleWorkspaceMapping {
    /// Marks a mapping that a product ships, by a stable name. Unique among all property mappings.
    #[schemars(length(min = 1))]
    pub managed: Option<String>,
    /// Name of the mapping, unique among all property mappings.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Expression that returns a mapping of directory attributes.
    /// It sees `request.user`, `provider` and `connection`, which is null while the object is new to the other side,
    /// and for groups `group`. The results of several mappings are merged, ordered by name.
    #[schemars(length(min = 1))]
    pub expression: String,
}

impl Kind for GoogleWorkspaceMapping {
    const NAME: &'static str = "authentik_providers_google_workspace.googleworkspaceprovidermapping";
    const TITLE: &'static str = "Google Workspace provider mapping";
    const FAMILIES: &'static [Family] = &[Family::PropertyMapping];
    const KEYS: &'static [Key] = super::KEYS;
    const REQUIRED: &'static [&'static str] = &["name", "expression"];
}
