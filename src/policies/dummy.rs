//! The kind `authentik_policies_dummy.dummypolicy`: waits, then gives a fixed verdict.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::engine::{Policy, PolicyContext, PolicyError, Verdict};
use crate::model::{Family, Key, Kind, Report};

/// Waits a random time, then gives a fixed verdict; for tests.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DummyPolicy {
    /// Name of the policy, unique among all policies.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Writes an event for every run; without it only failures leave one.
    pub execution_logging: bool,
    /// The verdict.
    pub result: bool,
    /// Shortest wait, in seconds.
    #[schemars(range(min = i32::MIN, max = i32::MAX))]
    pub wait_min: i32,
    /// Longest wait, in seconds.
    #[schemars(range(min = i32::MIN, max = i32::MAX))]
    pub wait_max: i32,
}

impl Default for DummyPolicy {
    fn default() -> Self {
        DummyPolicy { name: String::new(), execution_logging: false, result: false, wait_min: 5, wait_max: 30 }
    }
}

impl Kind for DummyPolicy {
    const NAME: &'static str = "authentik_policies_dummy.dummypolicy";
    const TITLE: &'static str = "Dummy policy";
    const FAMILIES: &'static [Family] = &[Family::Policy];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Policy)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const READ_ONLY: &'static [&'static str] = &["bound_to"];

    fn check(&self, report: &mut Report) {
        if self.wait_min < 0 || self.wait_max < self.wait_min {
            report.error("wait_min", "the waits must not be negative, and wait_min not above wait_max");
        }
    }
}

/// Waits and gives the verdict.
pub(super) struct Behaviour;

#[async_trait]
impl Policy for Behaviour {
    async fn judge(&self, at: &mut PolicyContext<'_, '_>) -> Result<Verdict, PolicyError> {
        let declared: DummyPolicy = at.declared()?;
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|error| PolicyError::Broken(error.to_string()))?;
        let (least, most) = (declared.wait_min.max(0), declared.wait_max.max(declared.wait_min).max(0));
        let wait = u64::from(least.unsigned_abs()) + u64::from(u32::from_le_bytes(random) % (most.abs_diff(least) + 1));
        tokio::time::sleep(Duration::from_secs(wait)).await;
        Ok(Verdict::silent(declared.result))
    }
}
