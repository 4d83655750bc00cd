//! The kind `authentik_events.notificationtransport`: a way to deliver notifications.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Change, Key, Kind, Ref, Reference, Report};

/// A way to deliver notifications.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationTransport {
    /// Name of the transport, unique.
    #[schemars(length(min = 1))]
    pub name: String,
    /// How the notification travels.
    pub mode: Mode,
    /// Address that the webhook modes post to.
    pub webhook_url: String,
    /// Mapping whose result is the body of the request. Without one, a fixed set of fields is sent.
    pub webhook_mapping: Option<Ref>,
    /// Mapping whose result is added to the headers of the request (after 2024.6).
    pub webhook_mapping_headers: Option<Ref>,
    /// Delivers once per event instead of once per member of the rule's group; for chat channels.
    pub send_once: bool,
    /// Beginning of the subject of mails (after 2024.6).
    pub email_subject_prefix: String,
    /// Template of mails, as a path below the templates (after 2024.6).
    pub email_template: String,
}

impl Default for NotificationTransport {
    fn default() -> Self {
        NotificationTransport {
            name: String::new(),
            mode: Mode::Local,
            webhook_url: String::new(),
            webhook_mapping: None,
            webhook_mapping_headers: None,
            send_once: false,
            email_subject_prefix: "authentik Notification: ".to_owned(),
            email_template: "email/event_notification.html".to_owned(),
        }
    }
}

impl Kind for NotificationTransport {
    const NAME: &'static str = "authentik_events.notificationtransport";
    const TITLE: &'static str = "Notification transport";
    const KEYS: &'static [Key] = &[Key::of(&["name"])];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("webhook_mapping", "authentik_events.notificationwebhookmapping"),
        Reference::one("webhook_mapping_headers", "authentik_events.notificationwebhookmapping"),
    ];
    const CHANGES: &'static [Change] =
        &[Change::Renamed { from: "webhook_mapping_body", to: "webhook_mapping", release: "2025.8" }];
    const READ_ONLY: &'static [&'static str] = &["mode_verbose"];

    fn check(&self, report: &mut Report) {
        let posts = matches!(self.mode, Mode::Webhook | Mode::WebhookSlack);
        let url = self.webhook_url.to_ascii_lowercase();
        if posts && url.is_empty() {
            report.error("webhook_url", "the mode posts to a webhook, so it needs the webhook's address");
        } else if !url.is_empty() && !url.starts_with("https://") && !url.starts_with("http://") {
            report.error("webhook_url", "is not the address of a webhook, which begins with https:// or http://");
        }
    }
}

/// How a notification travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Shown in the user interface only.
    Local,
    /// Posted as JSON.
    Webhook,
    /// Posted as JSON in the form that Slack and Discord understand.
    WebhookSlack,
    /// Sent by mail to users who have an address.
    Email,
}
