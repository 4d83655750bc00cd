//! The kind `authentik_policies_expiry.passwordexpirypolicy`: fails when a password is too old.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::engine::{Policy, PolicyContext, PolicyError, Verdict};
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
    /// Says only that the password has expired. Otherwise the message asks for a new one as well.
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

const DAY: i64 = 86_400_000_000;

/// Compares the age of the password. Judging somebody changes nothing: who has to set a new password is told so, and what
/// asks them to do it is the flow that the policy guards.
pub(super) struct Behaviour;

#[async_trait]
impl Policy for Behaviour {
    async fn judge(&self, at: &mut PolicyContext<'_, '_>) -> Result<Verdict, PolicyError> {
        let declared: PasswordExpiryPolicy = at.declared()?;
        let Some(person) = at.request.subject.person() else {
            return Err(PolicyError::Broken("there is no user whose password could be old".to_owned()));
        };
        let (_, changed) = at.world.store().person_state(person.id()).await?;
        let since = changed.unwrap_or(person.object.created);
        let days = at.world.now().saturating_sub(since).div_euclid(DAY);
        let over = days.saturating_sub(i64::from(declared.days));
        Ok(match (over >= 0, declared.deny_only) {
            (false, _) => Verdict::silent(true),
            (true, false) => {
                Verdict::failing(format!("Password expired {over} days ago. Please update your password."))
            }
            (true, true) => Verdict::failing("Password has expired."),
        })
    }
}
