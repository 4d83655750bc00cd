//! The kind `authentik_events.notificationrule`: which events reach whom, and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Change, Family, Key, Kind, Ref, Reference, Report};

/// Sends the events that any of its bound policies passes to the members of a group. A rule without bindings never
/// notifies.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationRule {
    /// Name of the rule, unique.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Ways in which the notification is delivered. Without any, it is only shown in the user interface.
    pub transports: Vec<Ref>,
    /// How urgent the notifications are.
    pub severity: Severity,
    /// Group whose members are notified. Without one, nobody is, unless the event's own user is.
    pub group: Option<Ref>,
    /// Also notifies the user whom the event is about (after 2024.6).
    pub destination_event_user: bool,
}

impl Kind for NotificationRule {
    const NAME: &'static str = "authentik_events.notificationrule";
    const TITLE: &'static str = "Notification rule";
    const FAMILIES: &'static [Family] = &[Family::BindingTarget];
    const KEYS: &'static [Key] = &[Key::of(&["name"])];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[
        Reference::many("transports", "authentik_events.notificationtransport"),
        Reference::one("group", "authentik_core.group"),
    ];
    const CHANGES: &'static [Change] = &[Change::Renamed { from: "destination_group", to: "group", release: "2025.8" }];
    const READ_ONLY: &'static [&'static str] = &["group_obj", "destination_group_obj"];

    fn check(&self, report: &mut Report) {
        if self.group.is_none() && !self.destination_event_user {
            report.warn("group", "the rule notifies nobody; name a group or set destination_event_user");
        }
    }
}

/// How urgent a notification is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Severity {
    #[default]
    Notice,
    Warning,
    Alert,
}
