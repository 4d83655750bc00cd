//! The kind `authentik_providers_rac.racprovider`: remote desktops and terminals in the browser.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Family, Key, Kind, Ref, Reference};

/// Opens remote desktops and terminals in the browser, through an outpost. The machines are its endpoints.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RacProvider {
    /// Name of the provider, unique among all providers.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow in which a visitor who is not signed in signs in first; without one the brand's flow is used.
    pub authentication_flow: Option<Ref>,
    /// Flow that the user passes before each connection. The provider is deleted with this flow.
    pub authorization_flow: Ref,
    /// Flow that ends the session at this provider (2024.10).
    pub invalidation_flow: Option<Ref>,
    /// Mappings that add connection settings, for all endpoints.
    pub property_mappings: Vec<Ref>,
    /// Guacamole connection settings for all endpoints; those of an endpoint win over them.
    pub settings: Map<String, Value>,
    /// How long a connection may last, as in `hours=8`; it is cut afterwards.
    #[schemars(length(min = 1))]
    pub connection_expiry: String,
    /// Forgets the connection token when the connection ends, so that a reload must pass the flow again.
    pub delete_token_on_disconnect: bool,
}

impl Default for RacProvider {
    fn default() -> Self {
        RacProvider {
            name: String::new(),
            authentication_flow: None,
            authorization_flow: Ref::default(),
            invalidation_flow: None,
            property_mappings: Vec::new(),
            settings: Map::new(),
            connection_expiry: "hours=8".to_owned(),
            delete_token_on_disconnect: false,
        }
    }
}

impl Kind for RacProvider {
    const NAME: &'static str = "authentik_providers_rac.racprovider";
    const TITLE: &'static str = "Remote access provider";
    const FAMILIES: &'static [Family] = &[Family::Provider];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Provider)];
    const REQUIRED: &'static [&'static str] = &["name", "authorization_flow"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("authentication_flow", "authentik_flows.flow"),
        Reference::one("authorization_flow", "authentik_flows.flow").cascade(),
        Reference::one("invalidation_flow", "authentik_flows.flow"),
        Reference::many("property_mappings", "authentik_providers_rac.racpropertymapping"),
    ];
    const READ_ONLY: &'static [&'static str] = &[
        "assigned_application_slug",
        "assigned_application_name",
        "assigned_backchannel_application_slug",
        "assigned_backchannel_application_name",
        "outpost_set",
    ];
    const NUMBERED: bool = true;
}
