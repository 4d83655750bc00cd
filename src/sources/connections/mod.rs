//! Connections: which account or group at a source belongs to which user or group.

pub mod group_kerberos;
pub mod group_ldap;
pub mod group_oauth;
pub mod group_plex;
pub mod group_saml;
pub mod user_kerberos;
pub mod user_ldap;
pub mod user_oauth;
pub mod user_plex;
pub mod user_saml;
