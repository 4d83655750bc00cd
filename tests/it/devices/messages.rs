//! Codes by text message, sent to a gateway on this machine.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, http::HeaderMap, routing::post};
use serde_json::{Value, json};

use super::lab::{Lab, error_of, passed};

/// A gateway that keeps what it is sent, and takes only what carries its token.
async fn gateway() -> (String, Arc<Mutex<Vec<Value>>>) {
    let sent: Arc<Mutex<Vec<Value>>> = Arc::default();
    let take = async |State(sent): State<Arc<Mutex<Vec<Value>>>>, headers: HeaderMap, body: String| {
        let json = headers["content-type"] == "application/json";
        if headers.get("authorization").is_none_or(|token| token != "Bearer s3cret") || !json {
            return axum::http::StatusCode::UNAUTHORIZED;
        }
        sent.lock().expect("the list").push(serde_json::from_str(&body).expect("JSON"));
        axum::http::StatusCode::CREATED
    };
    let router = Router::new().route("/send", post(take)).with_state(sent.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}/send", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, sent)
}

fn flows(gateway: &str, settings: &str) -> String {
    format!(
        "
  - {{model: authentik_core.user, identifiers: {{username: ada}}, attrs: {{name: Ada}}}}
  - {{model: authentik_core.user, identifiers: {{username: bob}}, attrs: {{name: Bob}}}}
  - {{model: authentik_flows.flow, id: setup, identifiers: {{slug: setup}}, attrs: {{name: s, title: S, designation: stage_configuration}}}}
  - {{model: authentik_flows.flow, id: mfa, identifiers: {{slug: mfa}}, attrs: {{name: m, title: M, designation: authorization}}}}
  - {{model: authentik_stages_authenticator_sms.authenticatorsmsstage, id: s, identifiers: {{name: s}},
     attrs: {{provider: generic, from_number: gate, account_sid: '{gateway}', auth: s3cret, auth_type: bearer{settings}}}}}
  - {{model: authentik_stages_authenticator_validate.authenticatorvalidatestage, id: m, identifiers: {{name: m}}, attrs: {{not_configured_action: deny}}}}
  - {{model: authentik_flows.flowstagebinding, identifiers: {{target: !KeyOf setup, stage: !KeyOf s, order: 0}}}}
  - {{model: authentik_flows.flowstagebinding, identifiers: {{target: !KeyOf mfa, stage: !KeyOf m, order: 0}}}}
"
    )
}

#[tokio::test]
async fn a_number_is_enrolled_by_a_code_and_gets_one_at_sign_in() {
    let (address, sent) = gateway().await;
    let lab = Lab::new(&flows(&address, "")).await;
    let last = || sent.lock().expect("the list").last().cloned().expect("a message");
    let code = || last()["Body"].as_str().expect("a code").to_owned();

    let mut browser = lab.signed_in("ada").await;
    let asked = browser.look("setup").await;
    assert_eq!(asked["component"], "ak-stage-authenticator-sms");
    assert_eq!(asked["phone_number_required"], true);
    let wrong = browser.answer("setup", json!({ "phone_number": "call me" })).await;
    assert_eq!(error_of(&wrong, "non_field_errors"), ("Invalid phone number", "invalid"));
    let asked = browser.answer("setup", json!({ "phone_number": "+49 89 123456" })).await;
    assert_eq!(asked["phone_number_required"], false);
    assert_eq!((&last()["From"], &last()["To"]), (&json!("gate"), &json!("+4989123456")));
    assert_eq!(last()["Message"], format!("{} is your code for authentik.", code()));
    let wrong = browser.answer("setup", json!({ "code": if code() == "000000" { "1" } else { "000000" } })).await;
    assert_eq!(error_of(&wrong, "non_field_errors"), ("Code does not match", "invalid"));
    assert!(passed(&browser.answer("setup", json!({ "code": code() })).await));

    let mut other = lab.signed_in("bob").await;
    other.look("setup").await;
    let taken = other.answer("setup", json!({ "phone_number": "+4989123456" })).await;
    assert_eq!(error_of(&taken, "non_field_errors"), ("Invalid phone number", "invalid"), "it is Ada's");

    let before = code();
    let mut browser = lab.signed_in("ada").await;
    let asked = browser.look("mfa").await;
    let chosen = asked["device_challenges"][0].clone();
    assert_eq!(chosen, json!({ "device_class": "sms", "device_uid": "1", "challenge": {} }));
    let unsent = browser.answer("mfa", json!({ "code": before })).await;
    assert!(error_of(&unsent, "code").0.starts_with("Invalid Token."), "it was for enrolling");
    lab.pass(60);
    let empty = browser.answer("mfa", json!({ "selected_challenge": chosen })).await;
    assert_eq!(error_of(&empty, "non_field_errors"), ("Empty response", "invalid"));
    lab.pass(301);
    let late = browser.answer("mfa", json!({ "code": code() })).await;
    assert!(error_of(&late, "code").0.starts_with("Invalid Token."), "it has ended");
    lab.pass(60);
    browser.answer("mfa", json!({ "selected_challenge": chosen })).await;
    assert!(passed(&browser.answer("mfa", json!({ "code": code() })).await));
}

#[tokio::test]
async fn a_number_of_which_only_a_hash_is_kept_is_no_factor() {
    let (address, sent) = gateway().await;
    let lab = Lab::new(&flows(&address, ", verify_only: true")).await;
    let mut browser = lab.signed_in("ada").await;
    browser.look("setup").await;
    browser.answer("setup", json!({ "phone_number": "+4989123456" })).await;
    let code = sent.lock().expect("the list")[0]["Body"].clone();
    assert!(passed(&browser.answer("setup", json!({ "code": code })).await));
    let refused = lab.signed_in("ada").await.look("mfa").await;
    assert_eq!(refused["error_message"], "No (allowed) MFA authenticator configured.");
}

#[tokio::test]
async fn a_gateway_that_refuses_is_told_of_and_sends_nobody_on() {
    let (address, sent) = gateway().await;
    let lab = Lab::new(&flows(&address, ", auth_password: x").replace("s3cret", "other")).await;
    let mut browser = lab.signed_in("ada").await;
    browser.look("setup").await;
    let refused = browser.answer("setup", json!({ "phone_number": "+4989123456" })).await;
    assert_eq!(error_of(&refused, "non_field_errors").0, "The message could not be sent.");
    assert_eq!(refused["phone_number_required"], true);
    assert!(sent.lock().expect("the list").is_empty());
    let filter = gatewright::store::EventFilter { action: Some("configuration_error"), ..Default::default() };
    let events = lab.world.store().events(&filter).await.expect("events");
    let message = events[0].context["message"].as_str().expect("a message");
    assert!(message.contains("status 401"), "{message}");
}
