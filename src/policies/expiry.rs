//! The kind `authentik_policies_expiry.passwordexpirypolicy`: fails when a password is too old.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Report};

/// Fails when the user's password is too old.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordExpiryPolicy {
    /// Name of the policy, unique among all policies.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Writes an event for every run; without it only failures leave one.
    pub execution_logging: bool,
    /// Age in days from which the password counts as expired.
    #[schemars(range(min = i32::MIN, max = i32::MAX))]
    pub days: i32,
    /// Only fails. Otherwise the expired password is made unusable as well, so that it has to be set anew.
    pub deny_only: bool,
}

impl Kind for PasswordExpiryPolicy {
    const NAME: &'static str = "authentik_policies_expiry.passwordexpirypolicy";
    const TITLE: &'static str = "Password expiry policy";
    const FAMILIES: &'static [Family] = &[Family::Policy];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Policy)];
    const REQUIRED: &'static [&'static str] = &["name", "days"];
    const READ_ONLY: &'static [&'static str] = &["bound_to"];

    fn check(&self, report: &mut Report) {
        if self.days <= 0 {
            report.warn("days", "every password is expired at once, a new one as well; give a number of days above 0");
        }
    }
}
