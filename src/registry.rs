//! The list of all kinds. Adding a kind is its one file and one line here.

use crate::{
    flows,
    model::registry::{Registration, Registry, RegistryError},
    outposts, providers, sources, stages,
};

/// Every kind once, grouped by the floor that it lives on.
pub const KINDS: &[Registration] = &[
    // identity
    // policies and mappings
    // flows
    Registration::of::<flows::flow::Flow>(),
    // stages
    Registration::of::<stages::password::PasswordStage>(),
    // sources
    Registration::of::<sources::kerberos::KerberosSource>(),
    Registration::of::<sources::ldap::LdapSource>(),
    Registration::of::<sources::oauth::OAuthSource>(),
    Registration::of::<sources::plex::PlexSource>(),
    Registration::of::<sources::saml::SamlSource>(),
    Registration::of::<sources::scim::ScimSource>(),
    Registration::of::<sources::connections::user_kerberos::UserKerberosSourceConnection>(),
    Registration::of::<sources::connections::user_ldap::UserLdapSourceConnection>(),
    Registration::of::<sources::connections::user_oauth::UserOAuthSourceConnection>(),
    Registration::of::<sources::connections::user_plex::UserPlexSourceConnection>(),
    Registration::of::<sources::connections::user_saml::UserSamlSourceConnection>(),
    Registration::of::<sources::connections::group_kerberos::GroupKerberosSourceConnection>(),
    Registration::of::<sources::connections::group_ldap::GroupLdapSourceConnection>(),
    Registration::of::<sources::connections::group_oauth::GroupOAuthSourceConnection>(),
    Registration::of::<sources::connections::group_plex::GroupPlexSourceConnection>(),
    Registration::of::<sources::connections::group_saml::GroupSamlSourceConnection>(),
    // providers
    Registration::of::<providers::google_workspace::GoogleWorkspaceProvider>(),
    Registration::of::<providers::ldap::LdapProvider>(),
    Registration::of::<providers::microsoft_entra::MicrosoftEntraProvider>(),
    Registration::of::<providers::oauth2::OAuth2Provider>(),
    Registration::of::<providers::proxy::ProxyProvider>(),
    Registration::of::<providers::rac::RacProvider>(),
    Registration::of::<providers::rac_endpoint::RacEndpoint>(),
    Registration::of::<providers::radius::RadiusProvider>(),
    Registration::of::<providers::saml::SamlProvider>(),
    Registration::of::<providers::scim::ScimProvider>(),
    Registration::of::<providers::ssf::SsfProvider>(),
    // outposts
    Registration::of::<outposts::docker_connection::DockerConnection>(),
    Registration::of::<outposts::kubernetes_connection::KubernetesConnection>(),
    Registration::of::<outposts::outpost::Outpost>(),
];

/// Builds the registry of all kinds.
///
/// # Errors
/// When two declarations contradict each other; a test keeps this from ever reaching a user.
pub fn registry() -> Result<Registry, RegistryError> {
    Registry::build(KINDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_fit_together() {
        let registry = registry().expect("the declarations agree");
        assert_eq!(registry.kinds().count(), KINDS.len());
    }
}
