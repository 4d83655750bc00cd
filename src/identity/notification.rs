//! The kind `authentik_events.notification`: an event brought to one user's attention.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Residency};

/// An event brought to one user's attention by a notification rule. It has no natural name, so an entry can address
/// an existing notification by its `pk` only.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Notification {
    /// Whether the user has read it.
    pub seen: bool,
}

impl Kind for Notification {
    const NAME: &'static str = "authentik_events.notification";
    const TITLE: &'static str = "Notification";
    const KEYS: &'static [Key] = &[];
    const READ_ONLY: &'static [&'static str] = &["event", "severity", "body", "created"];
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> =
        Some("a notification belongs to a user and an event, and neither can be given in a blueprint");
}
