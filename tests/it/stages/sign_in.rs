//! Names, passwords, sessions.

use std::time::Duration;

use gatewright::store::EventFilter;
use serde_json::{Value, json};

use super::{INBUILT, LOGIN, PASSWORD, document, flow, sign_in, stage};
use crate::web::lab::Lab;

const NAMES: &str = "user_fields: [username, email]";

/// A challenge without what names the person.
fn anonymous(mut challenge: Value) -> Value {
    for field in ["pending_user", "pending_user_avatar"] {
        challenge[field] = Value::Null;
    }
    challenge
}

async fn is_signed_in(lab: &Lab) -> bool {
    let held = lab.jar.lock().expect("the jar").get("authentik_session").cloned();
    let Some(cookie) = held else { return false };
    lab.store
        .session(&cookie, lab.world.now())
        .await
        .expect("a session")
        .is_some_and(|session| session.person.is_some())
}

#[tokio::test]
async fn somebody_signs_in_and_it_is_written_down() {
    let lab = Lab::new().await;
    lab.apply(&sign_in(NAMES)).await;
    lab.user("ada", "correct horse").await;
    let walk = lab.flow("in").with_query("next=/if/user/");
    let first = walk.look().await;
    assert_eq!(first["component"], "ak-stage-identification");
    assert_eq!(first["user_fields"], json!(["username", "email"]));
    assert_eq!((&first["primary_action"], &first["password_fields"]), (&json!("Log in"), &json!(false)));
    let empty = walk.answer(json!({})).await;
    assert_eq!(empty["response_errors"]["uid_field"][0]["code"], "required");
    assert_eq!(walk.answer(json!({ "uid_field": "ADA@example.org" })).await["component"], "ak-stage-password");
    let wrong = walk.answer(json!({ "password": "correct house" })).await;
    assert_eq!(wrong["response_errors"], json!({ "password": [{ "string": "Invalid password", "code": "invalid" }] }));
    assert!(!is_signed_in(&lab).await);
    let last = walk.answer(json!({ "password": "correct horse" })).await;
    assert_eq!((&last["component"], &last["to"]), (&json!("xak-flow-redirect"), &json!("/if/user/")));
    let events = lab.store.events(&EventFilter::default()).await.expect("events");
    let actions: Vec<&str> = events.iter().map(|event| event.action.as_str()).collect();
    assert!(actions.contains(&"login") && actions.contains(&"login_failed"), "{actions:?}");
    let login = events.iter().find(|event| event.action == "login").expect("a login");
    assert_eq!(login.context["auth_method"], "password");
    assert_eq!(login.actor["username"], "ada");
    for event in &events {
        assert!(!event.context.to_string().contains("horse") && !event.context.to_string().contains("house"));
    }
}

#[tokio::test]
async fn nobody_learns_who_has_an_account() {
    let lab = Lab::new().await;
    lab.apply(&sign_in(&format!("{NAMES}, show_matched_user: false"))).await;
    lab.user("ada", "correct horse").await;
    let mut seen = Vec::new();
    for name in ["ada", "nobody"] {
        let client = lab.client();
        let walk = client.flow("in");
        walk.look().await;
        let asked = walk.answer(json!({ "uid_field": name })).await;
        let wrong = walk.answer(json!({ "password": "wrong" })).await;
        assert_eq!(asked["pending_user"], name);
        seen.push((anonymous(asked), anonymous(wrong)));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_stage_that_does_not_pretend_says_no_and_one_page_can_ask_both() {
    let lab = Lab::new().await;
    let both = document(&format!(
        "{}{}  - model: authentik_stages_password.passwordstage\n    id: inline\n    identifiers: {{name: inline}}\n    \
         attrs: {{{INBUILT}}}\n{}{}",
        flow("honest", "authentication"),
        stage(
            "honest",
            10,
            "authentik_stages_identification.identificationstage",
            "user_fields: [username], pretend_user_exists: false"
        ),
        flow("both", "authentication"),
        stage(
            "both",
            10,
            "authentik_stages_identification.identificationstage",
            "user_fields: [username], password_stage: !KeyOf inline"
        ) + &stage("both", 20, LOGIN, ""),
    ));
    lab.apply(&both).await;
    lab.user("ada", "correct horse").await;
    let no = json!({ "non_field_errors": [{ "string": "Failed to authenticate.", "code": "invalid" }] });
    assert_eq!(lab.flow("honest").answer(json!({ "uid_field": "nobody" })).await["response_errors"], no);
    let walk = lab.flow("both");
    assert_eq!(walk.look().await["password_fields"], true);
    for body in [
        json!({ "uid_field": "nobody", "password": "correct horse" }),
        json!({ "uid_field": "ada", "password": "wrong" }),
        json!({ "uid_field": "ada" }),
        json!({ "uid_field": "ada", "password": null }),
        json!({ "uid_field": "ada", "password": "" }),
    ] {
        assert_eq!(walk.answer(body.clone()).await["response_errors"], no, "{body}");
    }
    assert!(!is_signed_in(&lab).await);
    let done = walk.answer(json!({ "uid_field": "ada", "password": "correct horse" })).await;
    assert_eq!(done["component"], "xak-flow-redirect");
    assert!(is_signed_in(&lab).await);
}

#[tokio::test]
async fn guesses_are_slowed_down_for_all_clients_together() {
    let lab = Lab::new().await;
    lab.apply(&sign_in(NAMES)).await;
    lab.user("ada", "correct horse").await;
    for _ in 0..6 {
        let client = lab.client();
        let walk = client.flow("in");
        walk.answer(json!({ "uid_field": "ada" })).await;
        walk.answer(json!({ "password": "guess" })).await;
    }
    let walk = lab.flow("in");
    walk.answer(json!({ "uid_field": "ada" })).await;
    let early = walk.answer(json!({ "password": "correct horse" })).await;
    assert_eq!(early["response_errors"]["password"][0]["string"], "Invalid password", "the account waits");
    lab.pass(Duration::from_secs(60));
    assert_eq!(walk.answer(json!({ "password": "correct horse" })).await["component"], "xak-flow-redirect");
}

#[tokio::test]
async fn too_many_wrong_passwords_end_the_flow() {
    let lab = Lab::new().await;
    lab.apply(&sign_in(NAMES)).await;
    lab.user("ada", "correct horse").await;
    let walk = lab.flow("in");
    walk.answer(json!({ "uid_field": "ada" })).await;
    for _ in 0..4 {
        assert_eq!(walk.answer(json!({ "password": "wrong" })).await["component"], "ak-stage-password");
    }
    let end = walk.answer(json!({ "password": "wrong" })).await;
    assert_eq!((&end["component"], &end["error_message"]), (&json!("ak-stage-access-denied"), &json!("Unknown error")));
    assert_eq!(walk.look().await["component"], "ak-stage-identification");
}

#[tokio::test]
async fn nothing_but_a_password_passes_a_password_stage() {
    let lab = Lab::new().await;
    lab.apply(&sign_in(NAMES)).await;
    lab.user("ada", "correct horse").await;
    for body in [
        json!({}),
        json!({ "password": ["correct horse"] }),
        json!({ "password": { "$ne": "" } }),
        json!({ "password": true }),
        json!({ "password": "   " }),
        json!({ "password": "correct horse\u{0}" }),
        json!({ "password": "x".repeat(600) }),
        json!({ "component": "ak-stage-user-login", "remember_me": true }),
    ] {
        let client = lab.client();
        let walk = client.flow("in");
        walk.answer(json!({ "uid_field": "ada" })).await;
        lab.pass(Duration::from_secs(3600));
        assert_eq!(walk.answer(body.clone()).await["component"], "ak-stage-password", "{body}");
        assert!(!is_signed_in(&client).await);
    }
}

#[tokio::test]
async fn who_is_not_active_does_not_sign_in() {
    let lab = Lab::new().await;
    lab.apply(&sign_in(NAMES)).await;
    lab.apply(&document(&format!(
        "  - model: authentik_core.user\n    identifiers: {{username: gone}}\n    attrs: {{name: G, password: correct horse, \
         is_active: false}}\n{}{}{}",
        flow("weak", "authentication"),
        stage("weak", 10, "authentik_stages_identification.identificationstage", "user_fields: [username]"),
        stage("weak", 20, LOGIN, ""),
    )))
    .await;
    let walk = lab.flow("in");
    walk.answer(json!({ "uid_field": "gone" })).await;
    let wrong = walk.answer(json!({ "password": "correct horse" })).await;
    assert_eq!(wrong["response_errors"]["password"][0]["string"], "Invalid password");
    let denied = lab.flow("weak").answer(json!({ "uid_field": "gone" })).await;
    assert_eq!(denied["component"], "ak-stage-access-denied");
    assert!(!is_signed_in(&lab).await);
}

#[tokio::test]
async fn somebody_can_choose_to_stay_and_to_leave() {
    let lab = Lab::new().await;
    lab.apply(&document(&format!(
        "{}{}{}{}{}{}",
        flow("stay", "authentication"),
        stage("stay", 10, "authentik_stages_identification.identificationstage", "user_fields: [username]"),
        stage("stay", 20, PASSWORD, INBUILT),
        stage("stay", 30, LOGIN, "remember_me_offset: days=30"),
        flow("leave", "invalidation"),
        stage("leave", 10, "authentik_stages_user_logout.userlogoutstage", ""),
    )))
    .await;
    lab.user("ada", "correct horse").await;
    let walk = lab.flow("stay");
    walk.answer(json!({ "uid_field": "ada" })).await;
    assert_eq!(walk.answer(json!({ "password": "correct horse" })).await["component"], "ak-stage-user-login");
    assert_eq!(walk.answer(json!({})).await["response_errors"]["remember_me"][0]["code"], "required");
    assert!(!is_signed_in(&lab).await);
    assert_eq!(walk.answer(json!({ "remember_me": true })).await["component"], "xak-flow-redirect");
    assert!(is_signed_in(&lab).await);
    let kept = lab.client();
    kept.share(&lab);
    assert_eq!(lab.flow("leave").look().await["component"], "xak-flow-redirect");
    assert!(!is_signed_in(&lab).await && !is_signed_in(&kept).await);
}
