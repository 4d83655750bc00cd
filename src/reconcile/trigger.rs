//! What makes a source be looked at.

use serde::{Deserialize, Serialize};

use super::state::Tolerated;

/// Why an attempt is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Trigger {
    /// The server started.
    Start,
    /// The interval is over.
    Interval,
    /// Files of the source changed.
    Files,
    /// A request to its hook.
    Hook {
        /// The header by which it was believed.
        by: String,
    },
    /// Somebody asked.
    Request {
        /// Who.
        by: String,
    },
    /// The server was sent SIGHUP.
    Signal,
    /// Its declaration changed.
    Declared,
    /// The stored objects changed.
    Store,
    /// A source that it depends on became ready.
    Dependency,
}

impl Trigger {
    /// As shown.
    pub fn text(&self) -> String {
        match self {
            Trigger::Start => "start of the server".to_owned(),
            Trigger::Interval => "interval".to_owned(),
            Trigger::Files => "changed files".to_owned(),
            Trigger::Hook { by } => format!("hook ({by})"),
            Trigger::Request { by } => format!("request of {by}"),
            Trigger::Signal => "SIGHUP".to_owned(),
            Trigger::Declared => "changed declaration".to_owned(),
            Trigger::Store => "changed objects".to_owned(),
            Trigger::Dependency => "dependency".to_owned(),
        }
    }
}

/// What somebody asked of a source, as the store keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    /// Who.
    pub by: String,
    /// Digest of the plan that is consented to.
    pub approve: Option<String>,
    /// Whether the consent overrides the gates that refused the plan.
    pub force: bool,
    /// Digest of the content that is not to be applied again.
    pub hold: Option<String>,
    /// Drift to leave alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerate: Vec<Tolerated>,
}
