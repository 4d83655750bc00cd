//! The list of all kinds. Adding a kind is its one file and one line here.

use crate::{
    flows, identity,
    model::registry::{Registration, Registry, RegistryError},
    policies, stages,
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
    // providers
    // outposts
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
