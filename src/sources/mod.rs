//! Sources: where users and groups come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod connections;
pub mod kerberos;
pub mod ldap;
pub mod oauth;
pub mod plex;
pub mod saml;
pub mod scim;

/// Path of new users when a source says nothing else; `%(slug)s` stands for the source's slug.
pub const USER_PATH_TEMPLATE: &str = "goauthentik.io/sources/%(slug)s";

/// How a source finds the user for somebody whom it does not know yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserMatchingMode {
    /// By the identifier at the source alone: somebody unknown is enrolled.
    #[default]
    Identifier,
    /// Links to the user of the same e-mail address, otherwise enrols. Whoever can set the address at the source
    /// takes over the user here, so the source must verify addresses.
    EmailLink,
    /// Refuses when a user has the same e-mail address, otherwise enrols.
    EmailDeny,
    /// Links to the user of the same user name, otherwise enrols. Whoever can choose the name at the source takes over
    /// the user here.
    UsernameLink,
    /// Refuses when a user has the same user name, otherwise enrols.
    UsernameDeny,
}

/// How a source finds the group for one that it does not know yet (2024.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupMatchingMode {
    /// By the identifier at the source alone: an unknown group is created.
    #[default]
    Identifier,
    /// Links to the group of the same name, otherwise creates. Members at the source then get the rights of that group.
    NameLink,
    /// Leaves the group out when one has the same name, otherwise creates.
    NameDeny,
}
