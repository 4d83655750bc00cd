//! The kind `authentik_stages_authenticator_endpoint_gdtc.authenticatorendpointgdtcstage`: asks Chrome about the device.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference, SecretJson};

/// Learns from Google's device trust connector whether the browser runs on a managed device (after 2024.6).
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticatorEndpointGdtcStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow in which a signed-in user runs the stage; without one there is no such entry in the user's settings.
    pub configure_flow: Option<Ref>,
    /// What users see instead of the stage's name when they choose between methods.
    #[schemars(length(min = 1))]
    pub friendly_name: Option<String>,
    /// Key file of the Google service account that may verify devices, as JSON.
    pub credentials: SecretJson,
}

impl Kind for AuthenticatorEndpointGdtcStage {
    const NAME: &'static str = "authentik_stages_authenticator_endpoint_gdtc.authenticatorendpointgdtcstage";
    const TITLE: &'static str = "Endpoint stage (Google device trust)";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name", "credentials"];
    const REFERENCES: &'static [Reference] = &[Reference::one("configure_flow", "authentik_flows.flow")];
}
