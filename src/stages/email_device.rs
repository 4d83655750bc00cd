//! The kind `authentik_stages_authenticator_email.emaildevice`: a mail address that receives codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Ref, Reference, Residency, SecretText};

/// A mail address that receives sign-in codes (2025.2).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmailDevice {
    /// What the user calls the device, to tell several apart.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Whose it is.
    pub user: Ref,
    /// Whether its user has shown to hold it; others are not asked for.
    pub confirmed: bool,
    /// Stage that enrolled it, which knows how mail is sent.
    pub stage: Option<Ref>,
    /// The address.
    pub email: SecretText,
}

impl Default for EmailDevice {
    fn default() -> Self {
        EmailDevice {
            name: String::new(),
            user: Ref::default(),
            confirmed: true,
            stage: None,
            email: SecretText::default(),
        }
    }
}

impl Kind for EmailDevice {
    const NAME: &'static str = "authentik_stages_authenticator_email.emaildevice";
    const TITLE: &'static str = "Email device";
    const KEYS: &'static [Key] = &[];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("user", "authentik_core.user").cascade(),
        Reference::one("stage", "authentik_stages_authenticator_email.authenticatoremailstage").cascade(),
    ];
    const READ_ONLY: &'static [&'static str] = &["created", "last_updated", "last_used"];
    const SERVER_ONLY: &'static [&'static str] = &["user", "confirmed", "stage", "email"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> = Some("the mail address is verified while its user enrols it in a flow");
}
