//! The kind `authentik_stages_authenticator_sms.authenticatorsmsstage`: enrols a telephone number.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference, Report, SecretText};

/// Enrols a telephone number by sending a code to it, and holds the account of the service that sends.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticatorSmsStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow in which a signed-in user enrols a number; without one there is no such entry in the user's settings.
    pub configure_flow: Option<Ref>,
    /// What users see instead of the stage's name when they choose between methods.
    #[schemars(length(min = 1))]
    pub friendly_name: Option<String>,
    /// Service that sends the messages.
    pub provider: Provider,
    /// Sender of the messages: a number that belongs to the account, or whatever the gateway takes.
    #[schemars(length(min = 1))]
    pub from_number: String,
    /// Twilio: the account SID. Generic: the URL that each message is posted to.
    #[schemars(length(min = 1))]
    pub account_sid: String,
    /// Twilio: the account's auth token. Generic: the user name of basic authentication or the bearer token.
    #[schemars(length(min = 1))]
    pub auth: SecretText,
    /// Password of basic authentication; generic gateways only.
    pub auth_password: SecretText,
    /// How requests to a generic gateway authenticate; without meaning for Twilio.
    pub auth_type: AuthType,
    /// Only verifies that the user holds the number and keeps a hash of it. Such a number is not enrolled twice,
    /// and no code can be sent to it at sign-in.
    pub verify_only: bool,
    /// Expression that builds the body for a generic gateway; without one it gets sender, recipient, code and text.
    pub mapping: Option<Ref>,
}

impl Kind for AuthenticatorSmsStage {
    const NAME: &'static str = "authentik_stages_authenticator_sms.authenticatorsmsstage";
    const TITLE: &'static str = "SMS setup stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name", "provider", "from_number", "account_sid", "auth"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("configure_flow", "authentik_flows.flow"),
        Reference::one("mapping", "authentik_events.notificationwebhookmapping"),
    ];

    fn check(&self, report: &mut Report) {
        let is_url = self.account_sid.starts_with("https://") || self.account_sid.starts_with("http://");
        if self.provider == Provider::Generic && !is_url {
            report.warn("account_sid", "is no URL, so a generic gateway cannot be called; give its http(s) address");
        }
    }
}

/// A service that sends text messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Twilio's message API.
    #[default]
    Twilio,
    /// Any gateway that takes a JSON document by POST.
    Generic,
}

/// How requests to a generic gateway authenticate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthType {
    /// User name and password.
    #[default]
    Basic,
    /// A bearer token.
    Bearer,
}
