//! The kind `authentik_stages_authenticator_email.authenticatoremailstage`: enrols a mail address for codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mail;
use crate::model::{Family, Key, Kind, Ref, Reference, Report, SecretText};

/// Enrols a mail address by sending a code to it, and holds how sign-in codes are sent (2025.2).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticatorEmailStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow in which a signed-in user enrols an address; without one there is no such entry in the user's settings.
    pub configure_flow: Option<Ref>,
    /// What users see instead of the stage's name when they choose between methods.
    #[schemars(length(min = 1))]
    pub friendly_name: Option<String>,
    /// Sends by the server's own mail settings, sender included; the connection fields below have no effect then.
    pub use_global_settings: bool,
    /// Host name of the mail server.
    #[schemars(length(min = 1))]
    pub host: String,
    /// Port of the mail server: 25 plain, 587 with STARTTLS, 465 with TLS from the start.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// User name at the mail server; empty sends without authentication.
    pub username: String,
    /// Password at the mail server.
    pub password: SecretText,
    /// Encrypts with STARTTLS after connecting.
    pub use_tls: bool,
    /// Encrypts from the start of the connection. Excludes `use_tls`.
    pub use_ssl: bool,
    /// Seconds to wait for the mail server.
    #[schemars(range(min = 0, max = 2147483647))]
    pub timeout: i32,
    /// Sender address.
    #[schemars(email, length(min = 1, max = 254))]
    pub from_address: String,
    /// Time for which a code is valid, such as `minutes=30`.
    #[schemars(length(min = 1))]
    pub token_expiry: String,
    /// Subject of the mail.
    #[schemars(length(min = 1))]
    pub subject: String,
    /// Template of the mail: one that comes with the server, or a `.html` file below the configured template folder
    /// by its relative path.
    #[schemars(length(min = 1))]
    pub template: String,
}

impl Default for AuthenticatorEmailStage {
    fn default() -> Self {
        AuthenticatorEmailStage {
            name: String::new(),
            configure_flow: None,
            friendly_name: None,
            use_global_settings: false,
            host: "localhost".to_owned(),
            port: 25,
            username: String::new(),
            password: SecretText::default(),
            use_tls: false,
            use_ssl: false,
            timeout: 10,
            from_address: "system@authentik.local".to_owned(),
            token_expiry: "minutes=30".to_owned(),
            subject: "authentik Sign-in code".to_owned(),
            template: "email/email_otp.html".to_owned(),
        }
    }
}

impl Kind for AuthenticatorEmailStage {
    const NAME: &'static str = "authentik_stages_authenticator_email.authenticatoremailstage";
    const TITLE: &'static str = "Email code setup stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[Reference::one("configure_flow", "authentik_flows.flow")];

    fn check(&self, report: &mut Report) {
        mail::check_template(&self.template, report);
        mail::check_encryption(self.use_global_settings, self.use_tls, self.use_ssl, report);
    }
}
