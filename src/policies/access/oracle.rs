//! What policies say when nobody asks yet: the place where whoever can run a policy plugs in.

use serde_json::Value;

use super::{Who, flag};
use crate::{
    identity::application::Application,
    model::{Kind, Model, Need, Object},
    policies::{
        dummy::DummyPolicy, event_matcher::EventMatcherPolicy, geoip::GeoIpPolicy, password::PasswordPolicy,
        unique_password::UniquePasswordPolicy,
    },
};

/// What a policy says, before the binding negates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passes.
    Pass,
    /// It fails.
    Fail,
    /// It cannot be run; the binding's `failure_result` counts.
    Broken,
    /// Only a request tells.
    Depends,
}

/// A policy and what it is bound to.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The state that it is asked in.
    pub model: &'a Model,
    /// What the policy guards.
    pub target: &'a Object,
    /// The policy.
    pub policy: &'a Object,
}

/// Says what policies say without a request.
pub trait PolicyOracle {
    /// The outcome when it is the same for everybody; none when it has to be asked for each.
    ///
    /// # Errors
    /// What the model does not hold.
    fn for_all(&self, question: &Question<'_>) -> Result<Option<Outcome>, Need>;

    /// The outcome for one person. Only asked when there is none for everybody.
    ///
    /// # Errors
    /// What the model does not hold.
    fn for_one(&self, question: &Question<'_>, who: Who) -> Result<Outcome, Need>;
}

/// Knows what the policies' own settings tell and runs nothing: expressions, ages of passwords, reputation and places
/// depend on the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct WithoutRequest;

impl WithoutRequest {
    fn outcome(question: &Question<'_>) -> Outcome {
        let Question { model, target, policy } = question;
        let name = |object: &Object| model.registry().get(object.kind).name;
        // Whoever opens an application brings no event and no form, which these policies read.
        let application = name(target) == Application::NAME;
        match name(policy) {
            DummyPolicy::NAME if flag(policy, "result") => Outcome::Pass,
            DummyPolicy::NAME => Outcome::Fail,
            EventMatcherPolicy::NAME | PasswordPolicy::NAME | UniquePasswordPolicy::NAME if application => {
                Outcome::Fail
            }
            GeoIpPolicy::NAME if asks_nothing(policy) => Outcome::Pass,
            _ => Outcome::Depends,
        }
    }
}

impl PolicyOracle for WithoutRequest {
    fn for_all(&self, question: &Question<'_>) -> Result<Option<Outcome>, Need> {
        Ok(Some(Self::outcome(question)))
    }

    fn for_one(&self, question: &Question<'_>, _: Who) -> Result<Outcome, Need> {
        Ok(Self::outcome(question))
    }
}

/// Whether a GeoIP policy has nothing to compare a place with.
fn asks_nothing(policy: &Object) -> bool {
    let empty = |field: &str| policy.attrs.get(field).and_then(Value::as_array).is_none_or(Vec::is_empty);
    let checks = flag(policy, "check_history_distance") || flag(policy, "check_impossible_travel");
    empty("asns") && empty("countries") && !checks
}
