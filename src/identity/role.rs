//! The kind `authentik_rbac.role`: permissions under a name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check_permissions;
use crate::model::{Key, Kind, Report};

/// Permissions under a name. Members of the group that has the role get them.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    /// Name of the role, unique.
    #[schemars(length(min = 1, max = 150))]
    pub name: String,
    /// Permissions on all objects of a kind, as `app.codename` (2024.8). Left out, they stay as they are; a given list
    /// replaces them.
    pub permissions: Vec<String>,
}

impl Kind for Role {
    const NAME: &'static str = "authentik_rbac.role";
    const TITLE: &'static str = "Role";
    const KEYS: &'static [Key] = &[Key::of(&["name"])];
    const REQUIRED: &'static [&'static str] = &["name"];

    fn check(&self, report: &mut Report) {
        check_permissions(report, &self.permissions);
    }
}
