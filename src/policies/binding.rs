//! The kind `authentik_policies.policybinding`: a condition on a target.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Ref, Reference, Report};

/// Binds a policy, a group or a user to a target: the policy must pass, or the person must be in the group or be the
/// user.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyBinding {
    /// Policy that decides.
    pub policy: Option<Ref>,
    /// Group that people must belong to, directly or through a group below it.
    pub group: Option<Ref>,
    /// The only user who passes.
    pub user: Option<Ref>,
    /// What the binding guards: an application, a flow, a stage binding, a source, a notification rule or the like.
    pub target: Ref,
    /// Turns the verdict round. Messages stay, and a failure still gives `failure_result`.
    pub negate: bool,
    /// Whether the binding counts. Targets whose bindings are all disabled are open to everybody.
    pub enabled: bool,
    /// Place among the target's bindings, lowest first. All bindings are evaluated, so it only orders messages.
    #[schemars(range(min = i32::MIN, max = i32::MAX))]
    pub order: i32,
    /// Seconds after which the policy counts as failed.
    #[schemars(range(min = 0, max = i32::MAX))]
    pub timeout: i32,
    /// Verdict when the policy fails to run. True lets people pass whenever the policy breaks.
    pub failure_result: bool,
}

impl Default for PolicyBinding {
    fn default() -> Self {
        PolicyBinding {
            policy: None,
            group: None,
            user: None,
            target: Ref::default(),
            negate: false,
            enabled: true,
            order: 0,
            timeout: 30,
            failure_result: false,
        }
    }
}

impl Kind for PolicyBinding {
    const NAME: &'static str = "authentik_policies.policybinding";
    const TITLE: &'static str = "Policy binding";
    const KEYS: &'static [Key] = &[Key::of(&["target", "policy", "order"])];
    const REQUIRED: &'static [&'static str] = &["target", "order"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("policy", "authentik_policies.policy").cascade(),
        Reference::one("group", "authentik_core.group").cascade(),
        Reference::one("user", "authentik_core.user").cascade(),
        Reference::one("target", "authentik_policies.policybindingmodel").cascade(),
    ];
    const READ_ONLY: &'static [&'static str] = &["policy_obj", "group_obj", "user_obj"];

    fn check(&self, report: &mut Report) {
        let entitlement = report.kind_of(self.target) == Some("authentik_core.applicationentitlement");
        if entitlement && self.policy.is_some() {
            report.error("policy", "cannot decide about an entitlement; bind a group or a user to it");
        }
        let given: Vec<&'static str> = [("policy", self.policy), ("group", self.group), ("user", self.user)]
            .into_iter()
            .filter_map(|(field, reference)| reference.map(|_| field))
            .collect();
        match given.as_slice() {
            [] => report.error("policy", "the binding has nothing to decide by; set one of policy, group and user"),
            [_] => {}
            [first, others @ ..] => report.error(
                others[0],
                format!("a binding has one of policy, group and user, but {first} is set as well; use a binding each"),
            ),
        }
    }
}
