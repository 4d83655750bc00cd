//! The kind `authentik_policies_reputation.reputationpolicy`: passes for those with a bad record.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::engine::{Policy, PolicyContext, PolicyError, Verdict};
use crate::model::{Family, Key, Kind, Report};

/// Passes when the reputation is bad: it *triggers* what it is bound to, for example a captcha stage. A failed sign-in
/// costs a point, a successful one gives a point.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReputationPolicy {
    /// Name of the policy, unique among all policies.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Writes an event for every run; without it only failures leave one.
    pub execution_logging: bool,
    /// Counts the points of the client's address.
    pub check_ip: bool,
    /// Counts the points of the user name.
    pub check_username: bool,
    /// Sum of points up to which, this number included, the policy passes. Usually negative.
    #[schemars(range(min = i32::MIN, max = i32::MAX))]
    pub threshold: i32,
}

impl Default for ReputationPolicy {
    fn default() -> Self {
        ReputationPolicy {
            name: String::new(),
            execution_logging: false,
            check_ip: true,
            check_username: true,
            threshold: -5,
        }
    }
}

impl Kind for ReputationPolicy {
    const NAME: &'static str = "authentik_policies_reputation.reputationpolicy";
    const TITLE: &'static str = "Reputation policy";
    const FAMILIES: &'static [Family] = &[Family::Policy];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Policy)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const READ_ONLY: &'static [&'static str] = &["bound_to"];

    fn check(&self, report: &mut Report) {
        if !self.check_ip && !self.check_username {
            report.error("check_ip", "the policy counts nothing; set check_ip or check_username to true");
        }
    }
}

/// Key of the context: the name that was typed where it belongs to nobody, or whose owner is not to be told.
const TYPED: &str = "pending_user_identifier";

/// Sums the points up.
pub(super) struct Behaviour;

#[async_trait]
impl Policy for Behaviour {
    async fn judge(&self, at: &mut PolicyContext<'_, '_>) -> Result<Verdict, PolicyError> {
        let declared: ReputationPolicy = at.declared()?;
        let request = &*at.request;
        // A name that belongs to nobody has a record as well, so that guessing names costs the same.
        let typed = || request.context.get(TYPED).and_then(|typed| typed.as_text());
        let name = Some(request.subject.username()).filter(|name| !name.is_empty()).or_else(typed);
        let name = name.filter(|_| declared.check_username);
        let address = request.visit.map(|visit| visit.client).filter(|_| declared.check_ip);
        let score = match (name, address) {
            // Nothing to look up is no record, and not the records of all.
            (None, None) => 0,
            _ => at.world.store().reputation(name, address, at.world.now()).await?,
        };
        Ok(Verdict::silent(score <= i64::from(declared.threshold)))
    }
}
