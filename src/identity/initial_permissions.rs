//! The kind `authentik_rbac.initialpermissions` (2025.4): rights on new objects for those who create them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check_permissions;
use crate::model::{Key, Kind, Ref, Reference, Report};

/// Gives permissions on a new object when someone who has the role creates it.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InitialPermissions {
    /// Name, unique.
    #[schemars(length(min = 1, max = 150))]
    pub name: String,
    /// Who gets the permissions.
    pub mode: Mode,
    /// The role of the creator.
    pub role: Ref,
    /// Permissions on the new object, as `app.codename`.
    pub permissions: Vec<String>,
}

impl Kind for InitialPermissions {
    const NAME: &'static str = "authentik_rbac.initialpermissions";
    const TITLE: &'static str = "Initial permissions";
    const KEYS: &'static [Key] = &[Key::of(&["name"])];
    const REQUIRED: &'static [&'static str] = &["name", "mode", "role", "permissions"];
    const REFERENCES: &'static [Reference] = &[Reference::one("role", "authentik_rbac.role").cascade()];
    const READ_ONLY: &'static [&'static str] = &["permissions_obj"];

    fn check(&self, report: &mut Report) {
        check_permissions(report, &self.permissions);
    }
}

/// Who gets permissions on a new object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The user who created the object.
    #[default]
    User,
    /// Everyone who has the role.
    Role,
}
