//! The kind `authentik_providers_rac.endpoint`: a machine that a remote access provider connects to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Family, Key, Kind, Ref, Reference};

/// A machine that users reach through a remote access provider. Bound policies say who may connect.
///
/// Neither the name nor the name within a provider is unique, so the kind has no natural identifier.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RacEndpoint {
    /// Shown to the user who chooses a machine.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The remote access provider; the endpoint is deleted with it.
    pub provider: Ref,
    /// Protocol that the machine speaks.
    pub protocol: Protocol,
    /// Address of the machine: a host name or IP address, with a port if it is not the protocol's own.
    #[schemars(length(min = 1))]
    pub host: String,
    /// Guacamole connection settings; they win over those of the provider.
    pub settings: Map<String, Value>,
    /// Mappings that add connection settings, for this endpoint.
    pub property_mappings: Vec<Ref>,
    /// Where the credentials for the machine come from.
    pub auth_mode: AuthMode,
    /// Connections that may be open at the same time; -1 means any number.
    pub maximum_connections: i32,
}

impl Default for RacEndpoint {
    fn default() -> Self {
        RacEndpoint {
            name: String::new(),
            provider: Ref::default(),
            protocol: Protocol::Rdp,
            host: String::new(),
            settings: Map::new(),
            property_mappings: Vec::new(),
            auth_mode: AuthMode::Prompt,
            maximum_connections: 1,
        }
    }
}

impl Kind for RacEndpoint {
    const NAME: &'static str = "authentik_providers_rac.endpoint";
    const TITLE: &'static str = "Remote access endpoint";
    const FAMILIES: &'static [Family] = &[Family::BindingTarget];
    const KEYS: &'static [Key] = &[];
    const REQUIRED: &'static [&'static str] = &["name", "provider", "protocol", "host", "auth_mode"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("provider", "authentik_providers_rac.racprovider").cascade(),
        Reference::many("property_mappings", "authentik_providers_rac.racpropertymapping"),
    ];
    const READ_ONLY: &'static [&'static str] = &["provider_obj", "launch_url"];
}

/// Protocol of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Remote Desktop Protocol, port 3389.
    Rdp,
    /// Virtual Network Computing, port 5900.
    Vnc,
    /// Secure Shell, port 22.
    Ssh,
}

/// Where the credentials for the machine come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// From the settings and mappings.
    Static,
    /// The user is asked for them.
    Prompt,
}
