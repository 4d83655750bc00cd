//! The kind `authentik_stages_authenticator_duo.authenticatorduostage`: enrols a device with Duo.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference, Report, SecretText};

/// Enrols the user's phone with the Duo service, which then confirms sign-ins by a push message.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticatorDuoStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow in which a signed-in user enrols a device; without one there is no such entry in the user's settings.
    pub configure_flow: Option<Ref>,
    /// What users see instead of the stage's name when they choose between methods.
    #[schemars(length(min = 1))]
    pub friendly_name: Option<String>,
    /// Client ID of the Auth API application at Duo.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// Client secret of the Auth API application.
    #[schemars(length(min = 1))]
    pub client_secret: SecretText,
    /// Host name of the Duo API without a scheme, such as `api-1234abcd.duosecurity.com`.
    #[schemars(length(min = 1))]
    pub api_hostname: String,
    /// Integration key of an Admin API application; only needed to import devices that Duo knows already.
    pub admin_integration_key: String,
    /// Secret key of the Admin API application.
    pub admin_secret_key: SecretText,
}

impl Kind for AuthenticatorDuoStage {
    const NAME: &'static str = "authentik_stages_authenticator_duo.authenticatorduostage";
    const TITLE: &'static str = "Duo setup stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name", "client_id", "client_secret", "api_hostname"];
    const REFERENCES: &'static [Reference] = &[Reference::one("configure_flow", "authentik_flows.flow")];

    fn check(&self, report: &mut Report) {
        if self.api_hostname.contains('/') {
            report.warn(
                "api_hostname",
                "is not a bare host name, so Duo cannot be reached; drop the scheme and the path",
            );
        }
    }
}
