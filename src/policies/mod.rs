//! Policies, the bindings that put them to work, and the mappings that shape data.

pub mod access;
pub mod binding;
pub mod dummy;
pub mod engine;
pub mod event_matcher;
pub mod expiry;
pub mod expression;
pub mod geoip;
mod host;
pub mod mappings;
pub mod password;
pub mod reputation;
pub mod unique_password;

pub use crate::identity::EngineMode;
use crate::model::Kind as _;

/// What the server calls itself where policies and expressions ask others.
const USER_AGENT: &str = concat!("gatewright/", env!("CARGO_PKG_VERSION"));

/// What policies of a kind do; a line for each kind.
fn behaviour(kind: &str) -> Option<&'static dyn engine::Policy> {
    Some(match kind {
        dummy::DummyPolicy::NAME => &dummy::Behaviour,
        event_matcher::EventMatcherPolicy::NAME => &event_matcher::Behaviour,
        expiry::PasswordExpiryPolicy::NAME => &expiry::Behaviour,
        expression::ExpressionPolicy::NAME => &expression::Behaviour,
        geoip::GeoIpPolicy::NAME => &geoip::Behaviour,
        password::PasswordPolicy::NAME => &password::Behaviour,
        reputation::ReputationPolicy::NAME => &reputation::Behaviour,
        unique_password::UniquePasswordPolicy::NAME => &unique_password::Behaviour,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::model::{Kind, Report};

    /// What a kind finds in an object: the fields, with `!` where it is refused.
    fn findings<K: Kind>(object: &Value) -> Vec<String> {
        let kind: K = serde_json::from_value(object.clone()).expect("the object fits the kind");
        let mut report = Report::default();
        kind.check(&mut report);
        report.findings.iter().map(|found| format!("{}{}", found.field, if found.refuses { "!" } else { "" })).collect()
    }

    #[test]
    fn whole_objects_are_judged() {
        type Judge = fn(&Value) -> Vec<String>;
        let id = "3f1b2b8c-0d0c-4a64-9f5a-2f6c1b0e9a11";
        let binding: Judge = findings::<super::binding::PolicyBinding>;
        let matcher: Judge = findings::<super::event_matcher::EventMatcherPolicy>;
        let reputation: Judge = findings::<super::reputation::ReputationPolicy>;
        let password: Judge = findings::<super::password::PasswordPolicy>;
        let table: Vec<(Judge, Value, &[&str])> = vec![
            (binding, json!({"target": id, "group": id}), &[]),
            (binding, json!({"target": id}), &["policy!"]),
            (binding, json!({"target": id, "policy": id, "user": id}), &["user!"]),
            (matcher, json!({"client_ip": "10.0.0.1"}), &[]),
            (matcher, json!({"name": "everything"}), &["action!"]),
            (reputation, json!({"check_ip": false}), &[]),
            (reputation, json!({"check_ip": false, "check_username": false}), &["check_ip!"]),
            (password, json!({"length_min": 12}), &[]),
            (password, json!({"check_static_rules": false}), &["check_static_rules"]),
            (password, json!({"check_zxcvbn": true, "zxcvbn_score_threshold": 4}), &["zxcvbn_score_threshold"]),
            (findings::<super::dummy::DummyPolicy>, json!({"wait_min": 40}), &["wait_min!"]),
            (findings::<super::mappings::scope::ScopeMapping>, json!({"scope_name": "a b"}), &["scope_name!"]),
        ];
        for (judge, object, expected) in table {
            assert_eq!(judge(&object), expected, "{object}");
        }
    }
}
