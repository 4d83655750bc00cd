//! The list of all kinds. Adding a kind is its one file and one line here.

use crate::{
    flows, identity,
    model::registry::{Registration, Registry, RegistryError},
    outposts, policies, providers, reconcile, sources, stages,
};

/// Every kind once, grouped by the floor that it lives on.
pub const KINDS: &[Registration] = &[
    // identity
    Registration::of::<identity::application::Application>(),
    Registration::of::<identity::application_entitlement::ApplicationEntitlement>(),
    Registration::of::<identity::blueprint_instance::BlueprintInstance>(),
    Registration::of::<identity::brand::Brand>(),
    Registration::of::<identity::certificate_key_pair::CertificateKeyPair>(),
    Registration::of::<identity::event::Event>(),
    Registration::of::<identity::group::Group>(),
    Registration::of::<identity::initial_permissions::InitialPermissions>(),
    Registration::of::<identity::license::License>(),
    Registration::of::<identity::meta_apply_blueprint::MetaApplyBlueprint>(),
    Registration::of::<identity::notification::Notification>(),
    Registration::of::<identity::notification_rule::NotificationRule>(),
    Registration::of::<identity::notification_transport::NotificationTransport>(),
    Registration::of::<identity::notification_webhook_mapping::NotificationWebhookMapping>(),
    Registration::of::<identity::object_permission::ObjectPermission>(),
    Registration::of::<identity::role::Role>(),
    Registration::of::<identity::schedule::Schedule>(),
    Registration::of::<identity::tenant_domain::TenantDomain>(),
    Registration::of::<identity::token::Token>(),
    Registration::of::<identity::user::User>(),
    // policies and mappings
    Registration::of::<policies::binding::PolicyBinding>(),
    Registration::of::<policies::dummy::DummyPolicy>(),
    Registration::of::<policies::event_matcher::EventMatcherPolicy>(),
    Registration::of::<policies::expiry::PasswordExpiryPolicy>(),
    Registration::of::<policies::expression::ExpressionPolicy>(),
    Registration::of::<policies::geoip::GeoIpPolicy>(),
    Registration::of::<policies::password::PasswordPolicy>(),
    Registration::of::<policies::reputation::ReputationPolicy>(),
    Registration::of::<policies::unique_password::UniquePasswordPolicy>(),
    Registration::of::<policies::mappings::entra::EntraMapping>(),
    Registration::of::<policies::mappings::google_workspace::GoogleWorkspaceMapping>(),
    Registration::of::<policies::mappings::kerberos_source::KerberosSourceMapping>(),
    Registration::of::<policies::mappings::ldap_source::LdapSourceMapping>(),
    Registration::of::<policies::mappings::oauth_source::OAuthSourceMapping>(),
    Registration::of::<policies::mappings::plex_source::PlexSourceMapping>(),
    Registration::of::<policies::mappings::rac::RacMapping>(),
    Registration::of::<policies::mappings::radius::RadiusMapping>(),
    Registration::of::<policies::mappings::saml::SamlMapping>(),
    Registration::of::<policies::mappings::saml_source::SamlSourceMapping>(),
    Registration::of::<policies::mappings::scim::ScimMapping>(),
    Registration::of::<policies::mappings::scim_source::ScimSourceMapping>(),
    Registration::of::<policies::mappings::scope::ScopeMapping>(),
    // flows
    Registration::of::<flows::flow::Flow>(),
    Registration::of::<flows::stage_binding::FlowStageBinding>(),
    // stages
    Registration::of::<stages::authenticator_duo::AuthenticatorDuoStage>(),
    Registration::of::<stages::duo_device::DuoDevice>(),
    Registration::of::<stages::authenticator_email::AuthenticatorEmailStage>(),
    Registration::of::<stages::email_device::EmailDevice>(),
    Registration::of::<stages::authenticator_endpoint_gdtc::AuthenticatorEndpointGdtcStage>(),
    Registration::of::<stages::authenticator_sms::AuthenticatorSmsStage>(),
    Registration::of::<stages::sms_device::SmsDevice>(),
    Registration::of::<stages::authenticator_static::AuthenticatorStaticStage>(),
    Registration::of::<stages::static_device::StaticDevice>(),
    Registration::of::<stages::authenticator_totp::AuthenticatorTotpStage>(),
    Registration::of::<stages::totp_device::TotpDevice>(),
    Registration::of::<stages::authenticator_validate::AuthenticatorValidateStage>(),
    Registration::of::<stages::authenticator_webauthn::AuthenticatorWebAuthnStage>(),
    Registration::of::<stages::webauthn_device::WebAuthnDevice>(),
    Registration::of::<stages::captcha::CaptchaStage>(),
    Registration::of::<stages::consent::ConsentStage>(),
    Registration::of::<stages::user_consent::UserConsent>(),
    Registration::of::<stages::deny::DenyStage>(),
    Registration::of::<stages::dummy::DummyStage>(),
    Registration::of::<stages::email::EmailStage>(),
    Registration::of::<stages::identification::IdentificationStage>(),
    Registration::of::<stages::invitation::Invitation>(),
    Registration::of::<stages::invitation_stage::InvitationStage>(),
    Registration::of::<stages::mutual_tls::MutualTlsStage>(),
    Registration::of::<stages::password::PasswordStage>(),
    Registration::of::<stages::prompt::Prompt>(),
    Registration::of::<stages::prompt_stage::PromptStage>(),
    Registration::of::<stages::redirect::RedirectStage>(),
    Registration::of::<stages::source::SourceStage>(),
    Registration::of::<stages::user_delete::UserDeleteStage>(),
    Registration::of::<stages::user_login::UserLoginStage>(),
    Registration::of::<stages::user_logout::UserLogoutStage>(),
    Registration::of::<stages::user_write::UserWriteStage>(),
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
    // sources of blueprints
    Registration::of::<reconcile::source::directory::DirectorySource>(),
    Registration::of::<reconcile::source::git::GitSource>(),
    Registration::of::<reconcile::source::inline::InlineSource>(),
    Registration::of::<reconcile::source::oci::OciSource>(),
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
