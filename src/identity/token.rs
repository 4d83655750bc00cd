//! The kind `authentik_core.token`: a secret that stands for a user.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check_timestamp;
use crate::model::{Generated, Key, Kind, Ref, Reference, Report, Residency, SecretText};

/// A secret that stands for a user: a bearer of the API, or a password for one application.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Token {
    /// Marks a token that a product ships, by a stable name. Unique.
    #[schemars(length(min = 1))]
    pub managed: Option<String>,
    /// Name of the token, unique. It is not secret.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[-a-zA-Z0-9_]+$"))]
    pub identifier: String,
    /// What the token is good for.
    pub intent: Intent,
    /// The user whom the token stands for; it has all of this user's rights and goes with the user.
    pub user: Ref,
    /// What the token is used for.
    pub description: String,
    /// Point in time, as `2030-12-31T23:59:59Z`, at which an expiring token ends: API tokens get a new key then, app
    /// passwords are deleted. Left out, an expiring token lives as long as the system's default.
    pub expires: Option<String>,
    /// Whether the token ever expires.
    pub expiring: bool,
    /// The secret itself. Left out on creation, 60 random letters and digits.
    #[schemars(length(min = 1))]
    pub key: Option<SecretText>,
}

impl Default for Token {
    fn default() -> Self {
        Token {
            managed: None,
            identifier: String::new(),
            intent: Intent::Api,
            user: Ref::default(),
            description: String::new(),
            expires: None,
            expiring: true,
            key: None,
        }
    }
}

impl Kind for Token {
    const NAME: &'static str = "authentik_core.token";
    const TITLE: &'static str = "Token";
    const KEYS: &'static [Key] = &[Key::of(&["identifier"]), Key::of(&["managed"])];
    const REQUIRED: &'static [&'static str] = &["identifier", "user", "intent"];
    const REFERENCES: &'static [Reference] = &[Reference::one("user", "authentik_core.user").cascade()];
    const GENERATED: &'static [Generated] = &[Generated { field: "key", length: 60 }];
    const READ_ONLY: &'static [&'static str] = &["user_obj"];
    const RESIDENCY: Residency = Residency::Paged;

    fn check(&self, report: &mut Report) {
        if !matches!(self.intent, Intent::Api | Intent::AppPassword) {
            report.error("intent", "tokens of this intent are issued by the server only; use api or app_password");
        }
        check_timestamp(report, "expires", self.expires.as_deref());
        if self.expires.is_some() && !self.expiring {
            report.warn(
                "expires",
                "has no effect, because the token does not expire; set expiring to true or leave it out",
            );
        }
    }
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Resumes a flow from a link; issued by the server.
    Verification,
    /// Bearer of the API.
    Api,
    /// Signs a user in from a recovery link; issued by the server.
    Recovery,
    /// Password for applications that cannot run a flow, such as mail programs over LDAP.
    AppPassword,
}
