//! Where a source stands: what is kept of it between attempts, in the store's row of the source.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::content::Revision;

/// Everything that is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The newest revision that was seen.
    pub observed: Option<Revision>,
    /// What the running state is made of.
    pub applied: Option<Applied>,
    /// What the last attempt failed on, so that the same is not tried again and again.
    pub failed: Option<Basis>,
    /// How the source is, by condition.
    pub conditions: BTreeMap<ConditionType, Condition>,
    /// Attempts in a row that failed for reasons that may pass.
    pub failures: u32,
    /// The last run.
    pub run: Option<i64>,
    /// Number of the last request that was dealt with.
    pub handled: i64,
    /// The plan that waits for consent, or was refused and could be forced.
    pub pending: Option<Pending>,
    /// Set by a rollback: the revision of this digest is not applied again.
    pub held: Option<String>,
    /// What differs from the declared state, when drift is only reported.
    pub drift: Option<Drift>,
    /// Drift that is left alone for some time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerated: Vec<Tolerated>,
    /// Objects that the source owns.
    pub owned: usize,
    /// Objects that it owns and no longer declares.
    pub orphans: usize,
}

/// Everything that decides what a plan of a source comes to, besides the stored objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Basis {
    /// Digest of the content.
    pub content: String,
    /// Digest of the source's settings.
    pub settings: String,
    /// Keyed digests of the variables and files that were read, by name.
    pub inputs: BTreeMap<String, String>,
    /// Revision of the store.
    pub store: i64,
}

impl Basis {
    /// Whether the two lead to the same documents; the stored objects may differ.
    pub fn declares_as(&self, other: &Basis) -> bool {
        (&self.content, &self.settings, &self.inputs) == (&other.content, &other.settings, &other.inputs)
    }
}

/// What was applied last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// Its revision.
    pub revision: Revision,
    /// What it was made from; `store` is the revision after the commit.
    pub basis: Basis,
    /// When, in microseconds since 1970.
    pub at: i64,
}

/// A plan that was not applied because a person has to decide.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// The run that shows it.
    pub run: i64,
    /// Digest of the plan; consent to another plan does not count.
    pub plan: String,
    /// Whether consent overrides a gate.
    pub refused: bool,
}

/// Drift that is reported and not corrected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Digest of the plan that would correct it.
    pub plan: String,
    /// Since when, in microseconds since 1970.
    pub since: i64,
    /// Objects that differ.
    pub objects: usize,
    /// The run that shows it.
    pub run: Option<i64>,
}

/// Drift that is neither reported nor corrected until a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tolerated {
    /// Kind of the object.
    pub kind: String,
    /// Name of the object, as plans show it.
    pub name: String,
    /// The field; all of the object when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The end, in microseconds since 1970.
    pub until: i64,
    /// Who decided so.
    pub by: String,
}

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConditionType {
    /// The newest revision is applied.
    Ready,
    /// It cannot become ready without someone changing something.
    Stalled,
    /// Objects are not as the source declares them.
    Drifted,
}

impl ConditionType {
    /// As shown.
    pub fn name(self) -> &'static str {
        match self {
            ConditionType::Ready => "Ready",
            ConditionType::Stalled => "Stalled",
            ConditionType::Drifted => "Drifted",
        }
    }
}

/// One condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Whether it holds.
    pub status: bool,
    /// One word that programs can rely on.
    pub reason: String,
    /// What happened and what to do.
    pub message: String,
    /// When `status` last changed, in microseconds since 1970.
    pub since: i64,
    /// Name of the revision that it is about.
    pub revision: String,
}

impl State {
    /// Sets a condition, keeping the time since which it holds.
    pub fn set(&mut self, kind: ConditionType, status: bool, reason: &str, message: &str, now: i64) {
        let revision = self.observed.as_ref().map(|revision| revision.name.clone()).unwrap_or_default();
        let before = self.conditions.get(&kind);
        let since = before.filter(|before| before.status == status).map_or(now, |before| before.since);
        let condition = Condition { status, reason: reason.to_owned(), message: message.to_owned(), since, revision };
        self.conditions.insert(kind, condition);
    }

    /// Whether a condition holds.
    pub fn is(&self, kind: ConditionType) -> bool {
        self.conditions.get(&kind).is_some_and(|condition| condition.status)
    }

    /// Whether the newest revision is applied.
    pub fn is_ready(&self) -> bool {
        self.is(ConditionType::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_the_time_since_which_it_holds() {
        let mut state = State::default();
        state.set(ConditionType::Ready, false, "Unreachable", "no answer", 1);
        state.set(ConditionType::Ready, false, "TimedOut", "too slow", 2);
        assert_eq!(state.conditions[&ConditionType::Ready].since, 1);
        assert_eq!(state.conditions[&ConditionType::Ready].reason, "TimedOut");
        state.set(ConditionType::Ready, true, "Applied", "", 3);
        assert_eq!(state.conditions[&ConditionType::Ready].since, 3);
    }

    #[test]
    fn a_state_of_an_older_release_is_read() {
        let state: State = serde_json::from_str("{}").expect("all fields have defaults");
        assert_eq!(state, State::default());
    }
}
