//! The kind `authentik_core.user`: a person or a machine that signs in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{check_permissions, check_timestamp};
use crate::model::{Key, Kind, PasswordText, Ref, Reference, Report, Residency};

/// A person or a machine that signs in.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct User {
    /// Name to sign in with, unique.
    #[schemars(length(min = 1, max = 150))]
    pub username: String,
    /// Name that is shown; may be empty.
    pub name: String,
    /// Whether the user may sign in. Set it to false instead of deleting people whose traces should stay readable.
    pub is_active: bool,
    /// Point in time of the last sign-in, as `2024-12-31T23:59:59Z`. The server keeps it up to date,
    /// so there is rarely a reason to set it.
    pub last_login: Option<String>,
    /// Groups that the user is a direct member of. A given list replaces the membership.
    pub groups: Vec<Ref>,
    /// Mail address; may be empty, need not be unique.
    #[schemars(length(max = 254))]
    pub email: String,
    /// Free data for mappings and policies. Keys below `goauthentik.io/user/` have a meaning of their own, for
    /// example `goauthentik.io/user/can-change-email`. A given mapping replaces the stored one as a whole.
    pub attributes: Map<String, Value>,
    /// Folder in which the administration pages list the user: names with `/` between them.
    #[schemars(length(min = 1))]
    pub path: String,
    /// What sort of user it is.
    #[serde(rename = "type")]
    pub user_type: UserType,
    /// Password, of which only a salted hash is kept. Without one the user cannot sign in by password.
    pub password: Option<PasswordText>,
    /// Permissions on all objects of a kind, as `app.codename` (2024.8). Left out, they stay as they are; a given list
    /// replaces them.
    pub permissions: Vec<String>,
}

impl Default for User {
    fn default() -> Self {
        User {
            username: String::new(),
            name: String::new(),
            is_active: true,
            last_login: None,
            groups: Vec::new(),
            email: String::new(),
            attributes: Map::new(),
            path: "users".to_owned(),
            user_type: UserType::Internal,
            password: None,
            permissions: Vec::new(),
        }
    }
}

impl Kind for User {
    const NAME: &'static str = "authentik_core.user";
    const TITLE: &'static str = "User";
    const KEYS: &'static [Key] = &[Key::of(&["username"])];
    const REQUIRED: &'static [&'static str] = &["username", "name"];
    const REFERENCES: &'static [Reference] = &[Reference::many("groups", "authentik_core.group")];
    const READ_ONLY: &'static [&'static str] =
        &["is_superuser", "groups_obj", "avatar", "uid", "uuid", "date_joined", "last_updated", "password_change_date"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;

    fn check(&self, report: &mut Report) {
        if self.path.split('/').any(str::is_empty) {
            report.error(
                "path",
                format!(
                    "{:?} has an empty part; write names with single slashes between them, as in users/staff",
                    self.path
                ),
            );
        }
        if self.user_type == UserType::InternalServiceAccount {
            report.error("type", "internal service accounts belong to the server itself; use service_account");
        }
        if !self.email.is_empty() && !is_mail_address(&self.email) {
            report.error("email", format!("{:?} is not a mail address; write it as name@example.com", self.email));
        }
        check_timestamp(report, "last_login", self.last_login.as_deref());
        check_permissions(report, &self.permissions);
    }
}

/// Whether a text has the shape of a mail address: something, an `@`, a host, nothing that could break out of a header.
fn is_mail_address(text: &str) -> bool {
    let plain = |letter: char| !letter.is_whitespace() && !letter.is_control() && !"<>,;\"".contains(letter);
    text.rsplit_once('@').is_some_and(|(local, host)| {
        let (local_fits, host_fits) = (local.chars().all(plain), host.chars().all(plain));
        !local.is_empty() && local_fits && host_fits && !host.split('.').any(str::is_empty)
    })
}

/// What sort of user it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserType {
    /// A member of the organisation.
    Internal,
    /// A guest: a customer or partner, without access to the user interface.
    External,
    /// A machine.
    ServiceAccount,
    /// A machine that belongs to the server itself, such as an outpost; created by the server only.
    InternalServiceAccount,
}
