//! The kind `authentik_stages_user_write.userwritestage`: creates or changes a user from what was entered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference, Report};

/// Writes the answers collected in the flow to the pending user, or to a new one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserWriteStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Whether the stage may create users.
    pub user_creation_mode: UserCreationMode,
    /// Creates users inactive, so that they cannot sign in until someone, or an email stage, activates them.
    pub create_users_as_inactive: bool,
    /// Group that new users join.
    pub create_users_group: Option<Ref>,
    /// Type of new users, unless the flow's context gives another one as `user_type`.
    pub user_type: UserType,
    /// Path of new users, unless the flow's context gives another one as `user_path`; empty means `users`.
    pub user_path_template: String,
}

impl Default for UserWriteStage {
    fn default() -> Self {
        UserWriteStage {
            name: String::new(),
            user_creation_mode: UserCreationMode::CreateWhenRequired,
            create_users_as_inactive: false,
            create_users_group: None,
            user_type: UserType::External,
            user_path_template: String::new(),
        }
    }
}

impl Kind for UserWriteStage {
    const NAME: &'static str = "authentik_stages_user_write.userwritestage";
    const TITLE: &'static str = "User write stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[Reference::one("create_users_group", "authentik_core.group")];

    fn check(&self, report: &mut Report) {
        if self.user_type == UserType::InternalServiceAccount {
            report.warn(
                "user_type",
                "is reserved for accounts of the system, so that `service_account` is written; say so in the file",
            );
        }
    }
}

/// Whether a user write stage may create users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserCreationMode {
    /// Only changes the pending user; without one the flow ends.
    NeverCreate,
    /// Creates a user when none is pending.
    CreateWhenRequired,
    /// Creates a user even when one is pending.
    AlwaysCreate,
}

/// Type of the users that a user write stage creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserType {
    /// Members of the organisation.
    Internal,
    /// Customers and guests.
    External,
    /// Programs.
    ServiceAccount,
    /// Programs of the system itself; written as `service_account`.
    InternalServiceAccount,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stages::judge;

    #[test]
    fn accounts_of_the_system_are_not_enrolled() {
        assert!(judge::<UserWriteStage>(json!({})).is_empty());
        assert_eq!(judge::<UserWriteStage>(json!({ "user_type": "internal_service_account" })), ["?user_type"]);
    }
}
