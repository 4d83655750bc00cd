//! Forms, accounts that come and go, consent.

use serde_json::{Value, json};

use super::{LOGIN, document, flow, prompt, sign_in, stage};
use crate::web::lab::Lab;

const PROMPT: &str = "authentik_stages_prompt.promptstage";
const WRITE: &str = "authentik_stages_user_write.userwritestage";
const INVITATION: &str = "authentik_stages_invitation.invitationstage";

async fn exists(lab: &Lab, username: &str) -> bool {
    lab.world.person_named(username).await.expect("a look-up").is_some()
}

/// The prompts, and a flow that writes what they ask.
fn form(slug: &str, designation: &str, write: &str) -> String {
    let prompts = prompt("username", "username", "order: 1")
        + &prompt("password", "password", "order: 2")
        + &prompt("again", "password", "order: 3");
    prompts
        + &flow(slug, designation)
        + &stage(slug, 10, PROMPT, "fields: [!KeyOf prompt-username, !KeyOf prompt-password, !KeyOf prompt-again]")
        + &stage(slug, 20, WRITE, write)
        + &stage(slug, 30, LOGIN, "")
}

fn filled(username: &str) -> Value {
    json!({ "component": "ak-stage-prompt", "username": username, "password": "s3cret pass", "again": "s3cret pass" })
}

#[tokio::test]
async fn somebody_enrols_and_signs_in_afterwards() {
    let lab = Lab::new().await;
    lab.apply(&document(&form("enrol", "enrollment", ""))).await;
    lab.apply(&sign_in("user_fields: [username]")).await;
    lab.user("ada", "correct horse").await;
    let walk = lab.flow("enrol");
    let page = walk.look().await;
    let keys: Vec<&Value> =
        page["fields"].as_array().expect("fields").iter().map(|field| &field["field_key"]).collect();
    assert_eq!(keys, ["username", "password", "again"]);
    let wrong = walk.answer(json!({ "username": "eve", "password": "a", "again": "b" })).await;
    assert_eq!(
        wrong["response_errors"],
        json!({ "non_field_errors": [{ "string": "Passwords don't match.", "code": "invalid" }] })
    );
    let taken = walk.answer(filled("ADA")).await;
    assert_eq!(taken["response_errors"]["username"][0]["string"], "Username is already taken.");
    assert!(walk.answer(json!({})).await["response_errors"]["again"].is_array());
    assert!(!exists(&lab, "eve").await);
    assert_eq!(walk.answer(filled("eve")).await["component"], "xak-flow-redirect");
    let person = lab.world.person_named("eve").await.expect("a look-up").expect("eve");
    assert_eq!((person.text("type"), person.text("path")), ("external", "users"));
    let client = lab.client();
    let again = client.flow("in");
    again.answer(json!({ "uid_field": "eve" })).await;
    assert_eq!(again.answer(json!({ "password": "s3cret pass" })).await["component"], "xak-flow-redirect");
}

#[tokio::test]
async fn accounts_come_only_from_where_people_enrol() {
    for (designation, write, created) in [
        ("stage_configuration", "", false),
        ("recovery", "", false),
        ("authentication", "user_creation_mode: create_when_required", false),
        ("enrollment", "user_creation_mode: never_create", false),
        ("stage_configuration", "user_creation_mode: always_create", true),
    ] {
        let lab = Lab::new().await;
        lab.apply(&document(&form("write", designation, write))).await;
        let end = lab.flow("write").answer(filled("eve")).await;
        assert_eq!(exists(&lab, "eve").await, created, "{designation} {write}: {end}");
        let component = if created { "xak-flow-redirect" } else { "ak-stage-access-denied" };
        assert_eq!(end["component"], component, "{designation} {write}");
    }
}

#[tokio::test]
async fn who_only_typed_a_name_changes_and_deletes_nothing() {
    let lab = Lab::new().await;
    let named = |slug: &str| {
        flow(slug, "recovery")
            + &stage(slug, 5, "authentik_stages_identification.identificationstage", "user_fields: [username]")
    };
    let fields = "fields: [!KeyOf prompt-password]";
    lab.apply(&document(
        &(prompt("password", "password", "order: 1")
            + &named("change")
            + &stage("change", 10, PROMPT, fields)
            + &stage("change", 20, WRITE, "")
            + &named("delete")
            + &stage("delete", 10, "authentik_stages_user_delete.userdeletestage", "")),
    ))
    .await;
    lab.user("ada", "correct horse").await;
    let before = lab.world.person_named("ada").await.expect("a look-up").expect("ada");
    let walk = lab.flow("change");
    walk.answer(json!({ "uid_field": "ada" })).await;
    let end = walk.answer(json!({ "password": "taken over" })).await;
    assert_eq!(end["error_message"], "Failed to update user. Please try again later.");
    let end = lab.flow("delete").answer(json!({ "uid_field": "ada" })).await;
    assert_eq!(end["component"], "ak-stage-access-denied");
    let after = lab.world.person_named("ada").await.expect("a look-up").expect("ada is still there");
    assert_eq!(before.object, after.object);
}

#[tokio::test]
async fn somebody_leaves_for_good() {
    let lab = Lab::new().await;
    lab.apply(&sign_in("user_fields: [username]")).await;
    lab.apply(&document(
        &(flow("bye", "unenrollment") + &stage("bye", 10, "authentik_stages_user_delete.userdeletestage", "")),
    ))
    .await;
    lab.superuser("ada", "correct horse").await;
    let walk = lab.flow("in");
    walk.answer(json!({ "uid_field": "ada" })).await;
    walk.answer(json!({ "password": "correct horse" })).await;
    assert_eq!(lab.flow("bye").look().await["component"], "xak-flow-redirect");
    assert!(!exists(&lab, "ada").await);
    assert_eq!(lab.flow("bye").look().await["component"], "ak-stage-access-denied", "and nobody is signed in");
}

#[tokio::test]
async fn without_an_invitation_nobody_comes_in() {
    let lab = Lab::new().await;
    lab.apply(&document(&(flow("inv", "enrollment") + &stage("inv", 10, INVITATION, "")))).await;
    for query in ["", "itoken=1", "itoken=6ba7b810-9dad-11d1-80b4-00c04fd430c8", "token=%00"] {
        let end = lab.client().flow("inv").with_query(query).look().await;
        assert_eq!(end["error_message"], "Invalid invite/invite not found", "{query}");
    }
}

#[tokio::test]
async fn a_consent_counts_with_its_own_page_only() {
    let lab = Lab::new().await;
    lab.apply(&document(
        &(flow("ask", "authorization") + &stage("ask", 10, "authentik_stages_consent.consentstage", "")),
    ))
    .await;
    let walk = lab.flow("ask");
    let token = walk.look().await["token"].clone();
    for wrong in [json!({}), json!({ "token": "" }), json!({ "token": "x" }), json!({ "token": true })] {
        let again = walk.answer(wrong.clone()).await;
        assert_eq!(again["component"], "ak-stage-consent", "{wrong}");
        assert_ne!(again["token"], token, "{wrong}");
    }
    assert_eq!(walk.answer(json!({ "token": token })).await["component"], "ak-stage-consent", "an old page");
    let token = walk.look().await["token"].clone();
    assert_eq!(walk.answer(json!({ "token": token })).await["component"], "xak-flow-redirect");
}
