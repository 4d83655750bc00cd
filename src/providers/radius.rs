//! The kind `authentik_providers_radius.radiusprovider`: lets network equipment check users over RADIUS.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Generated, Key, Kind, Ref, Reference, Report, SecretText};

/// Lets network equipment check user names and passwords over RADIUS, served by an outpost.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RadiusProvider {
    /// Name of the provider, unique among all providers.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow for a visitor who is not signed in. RADIUS requests do not use it.
    pub authentication_flow: Option<Ref>,
    /// Flow that checks each request: its stages get the user name and the password without a browser. The provider
    /// is deleted with this flow.
    pub authorization_flow: Ref,
    /// Flow that ends the session of a request (2024.10).
    pub invalidation_flow: Option<Ref>,
    /// Mappings that add attributes to the answer (2024.8).
    pub property_mappings: Vec<Ref>,
    /// Networks that requests may come from, in CIDR form, separated by commas. Of several providers on one outpost
    /// the one with the most specific network that fits answers; requests from elsewhere are dropped.
    #[schemars(length(min = 1))]
    pub client_networks: String,
    /// Secret that the equipment shares with us; it protects the passwords on the way. Generated when left out.
    #[schemars(length(min = 1))]
    pub shared_secret: SecretText,
    /// Lets users append the code of a second factor to the password, as in `password;123456`. A password that holds
    /// a semicolon itself may then be misread.
    pub mfa_support: bool,
    /// Certificate that EAP-TLS presents to clients (2025.10).
    pub certificate: Option<Ref>,
}

impl Default for RadiusProvider {
    fn default() -> Self {
        RadiusProvider {
            name: String::new(),
            authentication_flow: None,
            authorization_flow: Ref::default(),
            invalidation_flow: None,
            property_mappings: Vec::new(),
            client_networks: "0.0.0.0/0, ::/0".to_owned(),
            shared_secret: SecretText::default(),
            mfa_support: true,
            certificate: None,
        }
    }
}

impl Kind for RadiusProvider {
    const NAME: &'static str = "authentik_providers_radius.radiusprovider";
    const TITLE: &'static str = "RADIUS provider";
    const FAMILIES: &'static [Family] = &[Family::Provider];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Provider)];
    const REQUIRED: &'static [&'static str] = &["name", "authorization_flow"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("authentication_flow", "authentik_flows.flow"),
        Reference::one("authorization_flow", "authentik_flows.flow").cascade(),
        Reference::one("invalidation_flow", "authentik_flows.flow"),
        Reference::many("property_mappings", "authentik_providers_radius.radiusproviderpropertymapping"),
        Reference::one("certificate", "authentik_crypto.certificatekeypair"),
    ];
    const GENERATED: &'static [Generated] = &[Generated { field: "shared_secret", length: 40 }];
    const READ_ONLY: &'static [&'static str] = &[
        "assigned_application_slug",
        "assigned_application_name",
        "assigned_backchannel_application_slug",
        "assigned_backchannel_application_name",
        "outpost_set",
    ];
    const NUMBERED: bool = true;

    fn check(&self, report: &mut Report) {
        for network in self.client_networks.split(',').map(str::trim) {
            if !is_network(network) {
                report.warn(
                    "client_networks",
                    format!("`{network}` is not a network and lets no client in; write it like 10.0.0.0/8 or fd00::/8"),
                );
            }
        }
    }
}

/// Whether the text is an address and a prefix length that suits it.
fn is_network(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else { return false };
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    prefix.parse::<u8>().is_ok_and(|length| length <= longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_need_an_address_and_a_fitting_prefix() {
        for (text, right) in [
            ("0.0.0.0/0", true),
            ("::/0", true),
            ("10.1.2.0/24", true),
            ("10.1.2.0/33", false),
            ("fd00::/129", false),
            ("10.1.2.3", false),
            ("", false),
        ] {
            assert_eq!(is_network(text), right, "{text}");
        }
    }
}
