//! The kind `authentik_core.group`: people who share rights and settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Key, Kind, Ref, Reference, Residency};

/// People who share rights and settings. Members of a group are also members of its parent, and so on upwards.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    /// Name of the group, unique.
    #[schemars(length(min = 1, max = 80))]
    pub name: String,
    /// Makes every member, and every member of a group below this one, a superuser who may do everything.
    pub is_superuser: bool,
    /// Group that the members belong to as well. When it is deleted, this group stays and has no parent.
    pub parent: Option<Ref>,
    /// Direct members. A given list replaces the membership: who is missing from it leaves the group.
    pub users: Vec<Ref>,
    /// Free data. Members inherit it; their own attributes win.
    pub attributes: Map<String, Value>,
    /// Roles whose permissions the members get. A role belongs to at most one group.
    pub roles: Vec<Ref>,
}

impl Kind for Group {
    const NAME: &'static str = "authentik_core.group";
    const TITLE: &'static str = "Group";
    const KEYS: &'static [Key] = &[Key::of(&["name"])];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("parent", "authentik_core.group").acyclic(),
        Reference::inverse("users", "authentik_core.user", "groups"),
        Reference::many("roles", "authentik_rbac.role").exclusive(),
    ];
    const READ_ONLY: &'static [&'static str] =
        &["num_pk", "parent_name", "users_obj", "roles_obj", "children", "children_obj"];
    const RESIDENCY: Residency = Residency::Paged;
}
