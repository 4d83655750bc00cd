//! The authenticators of the person who asks, and the stages that they can set up.

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::accounts::owned;
use crate::{
    model::{Kind, Object},
    stages::{
        authenticator_duo::AuthenticatorDuoStage, authenticator_sms::AuthenticatorSmsStage,
        authenticator_static::AuthenticatorStaticStage, authenticator_totp::AuthenticatorTotpStage,
        authenticator_webauthn::AuthenticatorWebAuthnStage, duo_device::DuoDevice, email_device::EmailDevice,
        password::PasswordStage, sms_device::SmsDevice, static_device::StaticDevice, totp_device::TotpDevice,
        webauthn_device::WebAuthnDevice,
    },
    web::{
        refusal::{Refusal, json_answer},
        visit::Call,
    },
};

/// The kinds of devices.
const DEVICES: [&str; 6] =
    [DuoDevice::NAME, EmailDevice::NAME, SmsDevice::NAME, StaticDevice::NAME, TotpDevice::NAME, WebAuthnDevice::NAME];

/// The stages that people can set up for themselves, each with the component that shows it.
const SETTINGS: [(&str, &str); 6] = [
    (PasswordStage::NAME, "ak-user-settings-password"),
    (AuthenticatorDuoStage::NAME, "ak-user-settings-authenticator-duo"),
    (AuthenticatorSmsStage::NAME, "ak-user-settings-authenticator-sms"),
    (AuthenticatorStaticStage::NAME, "ak-user-settings-authenticator-static"),
    (AuthenticatorTotpStage::NAME, "ak-user-settings-authenticator-totp"),
    (AuthenticatorWebAuthnStage::NAME, "ak-user-settings-authenticator-webauthn"),
];

/// `authenticators/all/`: the devices that the person has shown to hold.
pub async fn all(call: &mut Call) -> Result<Response, Refusal> {
    let person = call.person()?;
    let mut shown = Vec::new();
    for kind in DEVICES {
        let (model, mut devices) = owned(call, kind, person.id()).await?;
        devices.sort_by_key(|device| device.number);
        for device in devices {
            let confirmed = device.attrs.get("confirmed").and_then(Value::as_bool).unwrap_or(false);
            if !confirmed {
                continue;
            }
            let info = model.registry().get(device.kind);
            shown.push(json!({
                "verbose_name": info.title,
                "verbose_name_plural": format!("{}s", info.title),
                "meta_model_name": info.name,
                "pk": device.number,
                "name": device.text("name"),
                "type": info.name,
                "confirmed": confirmed,
            }));
        }
    }
    Ok(json_answer(StatusCode::OK, &Value::Array(shown)))
}

/// `stages/all/user_settings/`: the stages that the person can set up, and where.
pub async fn user_settings(call: &mut Call) -> Result<Response, Refusal> {
    call.person()?;
    let model = call.site.world.model().await?;
    let mut shown = Vec::new();
    for (kind, component) in SETTINGS {
        let Some(info) = model.registry().find(kind) else { continue };
        let mut stages: Vec<_> = model.known_of_kind(info.index).collect();
        stages.sort_by_key(|stage| stage.text("name"));
        for stage in stages {
            let configurable = !stage.targets("configure_flow").is_empty();
            let is_password = kind == PasswordStage::NAME;
            if is_password && !configurable {
                continue;
            }
            let title = if is_password { "Change your password".to_owned() } else { title(stage, info.title) };
            let mut setting = json!({ "object_uid": stage.id, "component": component, "title": title });
            if configurable {
                setting["configure_url"] = json!(format!("/flows/-/configure/{}/", stage.id));
            }
            shown.push(setting);
        }
    }
    Ok(json_answer(StatusCode::OK, &Value::Array(shown)))
}

/// The name that a stage shows to people.
fn title(stage: &Object, kind: &str) -> String {
    stage.text("friendly_name").filter(|name| !name.is_empty()).unwrap_or_else(|| kind.to_owned())
}
