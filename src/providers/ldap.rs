//! The kind `authentik_providers_ldap.ldapprovider`: shows users and groups as an LDAP directory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference};

/// Shows users and groups as an LDAP directory, served by an outpost.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LdapProvider {
    /// Name of the provider, unique among all providers.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow for a visitor who is not signed in. Binds do not use it.
    pub authentication_flow: Option<Ref>,
    /// Flow that checks each bind: its stages get the user name and the password without a browser. The provider is
    /// deleted with this flow.
    pub authorization_flow: Ref,
    /// Flow that ends the session of a bind (2024.10).
    pub invalidation_flow: Option<Ref>,
    /// Property mappings for the entries that the directory serves.
    pub property_mappings: Vec<Ref>,
    /// Distinguished name below which the directory lives. Providers on one outpost need different ones.
    #[schemars(length(min = 1))]
    pub base_dn: String,
    /// Members of this group see the whole directory, everyone else only the own entry. Releases from 2024.8 have a
    /// permission instead.
    pub search_group: Option<Ref>,
    /// Certificate for LDAPS and StartTLS; without one the outpost makes its own.
    pub certificate: Option<Ref>,
    /// Server name by which a TLS client chooses this provider's certificate.
    pub tls_server_name: String,
    /// Added to a user's number to make `uidNumber`, so that the numbers do not meet those of local accounts.
    pub uid_start_number: i32,
    /// Added to a group's number to make `gidNumber`, so that the numbers do not meet those of local groups.
    pub gid_start_number: i32,
    /// Where searches are answered from.
    pub search_mode: AccessMode,
    /// Where binds are answered from.
    pub bind_mode: AccessMode,
    /// Lets users append the code of a second factor to the password, as in `password;123456`. A password that holds
    /// a semicolon itself may then be misread.
    pub mfa_support: bool,
}

impl Default for LdapProvider {
    fn default() -> Self {
        LdapProvider {
            name: String::new(),
            authentication_flow: None,
            authorization_flow: Ref::default(),
            invalidation_flow: None,
            property_mappings: Vec::new(),
            base_dn: "DC=ldap,DC=goauthentik,DC=io".to_owned(),
            search_group: None,
            certificate: None,
            tls_server_name: String::new(),
            uid_start_number: 2000,
            gid_start_number: 4000,
            search_mode: AccessMode::Direct,
            bind_mode: AccessMode::Direct,
            mfa_support: true,
        }
    }
}

impl Kind for LdapProvider {
    const NAME: &'static str = "authentik_providers_ldap.ldapprovider";
    const TITLE: &'static str = "LDAP provider";
    const FAMILIES: &'static [Family] = &[Family::Provider];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Provider)];
    const REQUIRED: &'static [&'static str] = &["name", "authorization_flow"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("authentication_flow", "authentik_flows.flow"),
        Reference::one("authorization_flow", "authentik_flows.flow").cascade(),
        Reference::one("invalidation_flow", "authentik_flows.flow"),
        Reference::many("property_mappings", Family::PropertyMapping.name()),
        Reference::one("search_group", "authentik_core.group"),
        Reference::one("certificate", "authentik_crypto.certificatekeypair"),
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

/// Where the outpost takes an answer from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessMode {
    /// Asks the server each time: current, slower.
    Direct,
    /// Keeps answers in memory: fast, but a changed password or a removed right shows late.
    Cached,
}
