//! The kind `gatewright_rbac.objectpermission`: one permission on one object, held by a user or a role.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference, Report};

/// A permission on a single object. Entries grant it in their `permissions` list (2024.8), so it is rarely declared by itself.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectPermission {
    /// The object that the permission is about.
    pub object: Option<Ref>,
    /// Code name of the permission, such as `view_flow`.
    #[schemars(length(min = 1))]
    pub permission: String,
    /// The user who holds it.
    pub user: Option<Ref>,
    /// The role that holds it.
    pub role: Option<Ref>,
}

impl Kind for ObjectPermission {
    const NAME: &'static str = "gatewright_rbac.objectpermission";
    const TITLE: &'static str = "Object permission";
    const KEYS: &'static [Key] =
        &[Key::of(&["object", "permission", "user"]), Key::of(&["object", "permission", "role"])];
    const REQUIRED: &'static [&'static str] = &["object", "permission"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("object", Family::Anything.name()).cascade(),
        Reference::one("user", "authentik_core.user").cascade(),
        Reference::one("role", "authentik_rbac.role").cascade(),
    ];

    fn check(&self, report: &mut Report) {
        if self.user.is_some() == self.role.is_some() {
            report.error("permission", "is held by exactly one of `user` and `role`");
        }
    }
}
