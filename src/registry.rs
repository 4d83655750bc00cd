//! The list of all kinds. Adding a kind is its one file and one line here.

use crate::{
    flows,
    model::registry::{Registration, Registry, RegistryError},
    stages,
};

/// Every kind once, grouped by the floor that it lives on.
pub const KINDS: &[Registration] = &[
    // identity
    // policies and mappings
    // flows
    Registration::of::<flows::flow::Flow>(),
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
