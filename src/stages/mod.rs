//! Stages: the steps of a flow, each kind with its behaviour in one file, and the devices that stages enrol.

pub mod authenticator_duo;
pub mod authenticator_email;
pub mod authenticator_endpoint_gdtc;
pub mod authenticator_sms;
pub mod authenticator_static;
pub mod authenticator_totp;
pub mod authenticator_validate;
pub mod authenticator_webauthn;
mod backends;
pub mod captcha;
pub mod consent;
pub mod deny;
pub mod devices;
pub mod dummy;
pub mod duo_api;
pub mod duo_device;
mod duo_setup;
pub mod email;
pub mod email_device;
pub mod identification;
pub mod invitation;
pub mod invitation_stage;
mod mail;
pub mod mutual_tls;
mod one_time;
mod passkey;
pub mod password;
mod password_check;
pub mod prompt;
mod prompt_field;
pub mod prompt_stage;
pub mod redirect;
mod sent_code;
pub mod sms_device;
mod sms_setup;
pub mod source;
pub mod static_device;
mod text_message;
pub mod totp_device;
mod trusted_browser;
pub mod user_consent;
mod user_data;
pub mod user_delete;
pub mod user_login;
pub mod user_logout;
pub mod user_write;
mod validation;
pub mod webauthn_device;
mod webauthn_setup;

use crate::{
    flows::{
        redirect::PASSING_REDIRECT,
        stage::{Stage, StageTable},
    },
    model::Kind as _,
};

/// What stages do, by the name of their kind; a line for each. The rest of the kinds cannot be run yet, and flows say so.
pub fn table() -> StageTable {
    let stages: [(&'static str, &'static dyn Stage); _] = [
        (PASSING_REDIRECT, &redirect::Passing),
        (captcha::CaptchaStage::NAME, &captcha::Behaviour),
        (consent::ConsentStage::NAME, &consent::Behaviour),
        (authenticator_duo::AuthenticatorDuoStage::NAME, &duo_setup::Behaviour),
        (authenticator_sms::AuthenticatorSmsStage::NAME, &sms_setup::Behaviour),
        (authenticator_static::AuthenticatorStaticStage::NAME, &authenticator_static::Behaviour),
        (authenticator_totp::AuthenticatorTotpStage::NAME, &authenticator_totp::Behaviour),
        (authenticator_validate::AuthenticatorValidateStage::NAME, &validation::Behaviour),
        (authenticator_webauthn::AuthenticatorWebAuthnStage::NAME, &webauthn_setup::Behaviour),
        (deny::DenyStage::NAME, &deny::Behaviour),
        (dummy::DummyStage::NAME, &dummy::Behaviour),
        (identification::IdentificationStage::NAME, &identification::Behaviour),
        (invitation_stage::InvitationStage::NAME, &invitation_stage::Behaviour),
        (password::PasswordStage::NAME, &password_check::Behaviour),
        (prompt_stage::PromptStage::NAME, &prompt_stage::Behaviour),
        (redirect::RedirectStage::NAME, &redirect::Behaviour),
        (user_delete::UserDeleteStage::NAME, &user_delete::Behaviour),
        (user_login::UserLoginStage::NAME, &user_login::Behaviour),
        (user_logout::UserLogoutStage::NAME, &user_logout::Behaviour),
        (user_write::UserWriteStage::NAME, &user_write::Behaviour),
    ];
    StageTable::new(stages)
}

/// What a kind's check finds in an object that is written as JSON, defaults filled in: `!field` when it refuses
/// at a field, `?field` when it warns.
#[cfg(test)]
fn judge<K: crate::model::Kind>(object: serde_json::Value) -> Vec<String> {
    let object: K = serde_json::from_value(object).expect("the object fits the struct");
    let mut report = crate::model::Report::default();
    object.check(&mut report);
    let mark = |refuses: bool| if refuses { '!' } else { '?' };
    report.findings.iter().map(|finding| format!("{}{}", mark(finding.refuses), finding.field)).collect()
}
