//! The kind `authentik_events.notificationwebhookmapping`: shapes what a webhook receives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Shapes the body or the headers of the request that a notification transport or an SMS stage sends.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationWebhookMapping {
    /// Name of the mapping, unique among all property mappings.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Expression that returns a mapping. For a transport it sees `notification` and the notified
    /// `request.user`, for an SMS stage `device`, `token` and `stage`.
    #[schemars(length(min = 1))]
    pub expression: String,
}

impl Kind for NotificationWebhookMapping {
    const NAME: &'static str = "authentik_events.notificationwebhookmapping";
    const TITLE: &'static str = "Webhook mapping";
    const FAMILIES: &'static [Family] = &[Family::PropertyMapping];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::PropertyMapping)];
    const REQUIRED: &'static [&'static str] = &["name", "expression"];
}
