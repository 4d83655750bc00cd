//! Static codes and authenticator apps.

use futures_util::future::join_all;
use serde_json::{Value, json};
use totp_rs::{Algorithm, Builder};

use super::lab::{Lab, error_of, passed};
use crate::support::database::{self, Database};

/// Flows of one stage each, and two people.
const FLOWS: &str = "
  - {model: authentik_core.user, identifiers: {username: ada}, attrs: {name: Ada}}
  - {model: authentik_core.user, identifiers: {username: bob}, attrs: {name: Bob}}
  - {model: authentik_flows.flow, id: static, identifiers: {slug: static}, attrs: {name: s, title: S, designation: stage_configuration}}
  - {model: authentik_flows.flow, id: totp, identifiers: {slug: totp}, attrs: {name: t, title: T, designation: stage_configuration}}
  - {model: authentik_flows.flow, id: mfa, identifiers: {slug: mfa}, attrs: {name: m, title: M, designation: authorization}}
  - {model: authentik_stages_authenticator_static.authenticatorstaticstage, id: s, identifiers: {name: s}, attrs: {token_count: 2}}
  - {model: authentik_stages_authenticator_totp.authenticatortotpstage, id: t, identifiers: {name: t}, attrs: {digits: '6', friendly_name: App}}
  - {model: authentik_stages_authenticator_validate.authenticatorvalidatestage, id: m, identifiers: {name: m},
     attrs: {not_configured_action: configure, configuration_stages: [!KeyOf s, !KeyOf t], last_auth_threshold: hours=1}}
  - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf static, stage: !KeyOf s, order: 0}}
  - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf totp, stage: !KeyOf t, order: 0}}
  - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf mfa, stage: !KeyOf m, order: 0}}
";

const WRONG: (&str, &str) =
    ("Invalid Token. Please ensure the time on your device is accurate and try again.", "invalid");

/// The app of the address that was shown, at a second.
fn code(challenge: &Value, second: i64) -> String {
    let address = challenge["config_url"].as_str().expect("an address");
    let key = address.split_once("secret=").and_then(|(_, rest)| rest.split('&').next()).expect("a key");
    let key = data_encoding::BASE32.decode(key.as_bytes()).expect("base 32");
    let totp = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_secret(key).build_noncompliant();
    totp.generate(second as u64).to_string()
}

/// A lab where Ada has an app; gives what the app was shown.
async fn with_app(database: Database) -> (Lab, Value) {
    let lab = Lab::on(database).await;
    lab.apply(FLOWS).await;
    let mut browser = lab.signed_in("ada").await;
    let shown = browser.look("totp").await;
    let done = browser.answer("totp", json!({ "code": code(&shown, lab.now()) })).await;
    assert!(passed(&done), "{done}");
    (lab, shown)
}

#[tokio::test]
async fn recovery_codes_are_shown_kept_and_burnt() {
    let lab = Lab::new(FLOWS).await;
    let mut browser = lab.signed_in("ada").await;
    let shown = browser.look("static").await;
    assert_eq!(shown["component"], "ak-stage-authenticator-static");
    assert_eq!(shown["pending_user"], "ada");
    assert_eq!(browser.look("static").await["codes"], shown["codes"], "the same as long as the step lasts");
    let codes: Vec<&str> = shown["codes"].as_array().expect("codes").iter().filter_map(Value::as_str).collect();
    assert!(codes.len() == 2 && codes.iter().all(|code| code.len() == 12), "{codes:?}");
    assert!(passed(&browser.answer("static", json!({ "component": "ak-stage-authenticator-static" })).await));

    let mut browser = lab.signed_in("ada").await;
    let asked = browser.look("mfa").await;
    let challenges = json!([{ "device_class": "static", "device_uid": "1", "challenge": {} }]);
    assert_eq!(asked["component"], "ak-stage-authenticator-validate");
    assert_eq!(asked["device_challenges"], challenges);
    assert_eq!(asked["configuration_stages"], json!([]));
    let empty = json!({ "selected_challenge": asked["device_challenges"][0] });
    assert_eq!(error_of(&browser.answer("mfa", empty).await, "non_field_errors"), ("Empty response", "invalid"));
    for (body, field, error) in [
        (json!({}), "non_field_errors", ("Empty response", "invalid")),
        (json!({ "unknown": 1 }), "non_field_errors", ("Empty response", "invalid")),
        (json!({ "selected_stage": "x" }), "non_field_errors", ("Empty response", "invalid")),
        (json!({ "code": "" }), "code", ("This field may not be blank.", "blank")),
        (json!({ "code": [] }), "code", ("Not a valid string.", "invalid")),
        (json!({ "webauthn": "x" }), "webauthn", ("Not a valid dictionary.", "invalid")),
        (json!({ "webauthn": {} }), "webauthn", ("No compatible device class allowed", "invalid")),
        (json!({ "duo": 1 }), "duo", ("No compatible device class allowed", "invalid")),
        (json!({ "selected_challenge": {} }), "selected_challenge", ("invalid challenge selected", "invalid")),
        (
            json!({ "selected_challenge": { "device_class": "static", "device_uid": "2" }, "code": codes[0] }),
            "selected_challenge",
            ("invalid challenge selected", "invalid"),
        ),
        (json!({ "code": "nope" }), "code", WRONG),
        // A second after a failure is too soon for the right one.
        (json!({ "code": codes[0] }), "code", WRONG),
    ] {
        assert_eq!(error_of(&browser.answer("mfa", body.clone()).await, field), error, "{body}");
    }
    assert_eq!(lab.failures().await, ["static", "static"]);
    lab.pass(60);
    assert!(passed(&browser.answer("mfa", json!({ "code": codes[0] })).await));
    let mut again = lab.signed_in("ada").await;
    again.look("mfa").await;
    assert_eq!(error_of(&again.answer("mfa", json!({ "code": codes[0] })).await, "code"), WRONG, "it was used");
    lab.pass(60);
    assert!(passed(&again.answer("mfa", json!({ "code": codes[1] })).await));
}

#[tokio::test]
async fn an_app_is_enrolled_by_a_code_and_asked_for_another() {
    let lab = Lab::new(FLOWS).await;
    let mut browser = lab.signed_in("ada").await;
    let shown = browser.look("totp").await;
    assert_eq!(shown["component"], "ak-stage-authenticator-totp");
    let address = shown["config_url"].as_str().expect("an address");
    assert!(address.starts_with("otpauth://totp/authentik%3Aada?secret="), "{address}");
    assert!(address.ends_with("&algorithm=SHA1&digits=6&period=30&issuer=authentik"), "{address}");
    for (body, error) in [
        (json!({}), ("This field is required.", "required")),
        (json!({ "code": "abc" }), ("A valid integer is required.", "invalid")),
        (json!({ "code": code(&shown, lab.now() + 3000) }), ("Code does not match", "invalid")),
    ] {
        let wrong = browser.answer("totp", body.clone()).await;
        assert_eq!(error_of(&wrong, "code"), error, "{body}");
        assert_eq!(wrong["config_url"], shown["config_url"]);
    }
    // As a number, which has lost its zeros.
    let typed: u32 = code(&shown, lab.now()).parse().expect("a number");
    assert!(passed(&browser.answer("totp", json!({ "code": typed })).await));

    let mut browser = lab.signed_in("ada").await;
    browser.look("mfa").await;
    let same = json!({ "code": code(&shown, lab.now()) });
    assert_eq!(error_of(&browser.answer("mfa", same).await, "code"), WRONG, "it was used to enrol");
    lab.pass(30);
    assert!(passed(&browser.answer("mfa", json!({ "code": code(&shown, lab.now()) })).await));
    let mut other = lab.signed_in("bob").await;
    assert_eq!(other.look("mfa").await["device_challenges"], json!([]), "Bob has no device");
}

#[tokio::test]
async fn who_has_no_device_gets_one_within_the_flow_and_nobody_else() {
    let lab = Lab::new(FLOWS).await;
    let mut browser = lab.signed_in("ada").await;
    let choice = browser.look("mfa").await;
    let stages = choice["configuration_stages"].as_array().expect("stages");
    let named: Vec<(&str, &str)> = stages
        .iter()
        .map(|stage| {
            (stage["name"].as_str().unwrap_or_default(), stage["meta_model_name"].as_str().unwrap_or_default())
        })
        .collect();
    assert!(named.contains(&("App", "authentik_stages_authenticator_totp.authenticatortotpstage")), "{named:?}");
    let wrong = browser.answer("mfa", json!({ "selected_stage": uuid::Uuid::from_u128(7) })).await;
    assert_eq!(error_of(&wrong, "selected_stage"), ("Selected stage is invalid", "invalid"));
    let chosen = stages.iter().find(|stage| stage["name"] == "App").expect("it is there")["pk"].clone();
    let shown = browser.answer("mfa", json!({ "selected_stage": chosen })).await;
    assert_eq!(shown["component"], "ak-stage-authenticator-totp");
    assert!(passed(&browser.answer("mfa", json!({ "code": code(&shown, lab.now()) })).await));
    // Who has one cannot get round it by enrolling another.
    let mut browser = lab.signed_in("ada").await;
    browser.look("mfa").await;
    let refused = browser.answer("mfa", json!({ "selected_stage": chosen })).await;
    assert_eq!(error_of(&refused, "non_field_errors"), ("Empty response", "invalid"));
}

#[tokio::test]
async fn a_browser_is_trusted_for_a_while() {
    let (lab, shown) = with_app(Database::sqlite()).await;
    let mut browser = lab.signed_in("ada").await;
    browser.look("mfa").await;
    lab.pass(30);
    assert!(passed(&browser.answer("mfa", json!({ "code": code(&shown, lab.now()) })).await));
    let [cookie] = browser.seat.cookies.as_slice() else { panic!("one cookie: {:?}", browser.seat.cookies) };
    assert!(cookie.contains("; HttpOnly; Max-Age=3600; Path=/; SameSite=Lax; Secure"), "{cookie}");
    let value = cookie.split(';').next().expect("a pair").to_owned();
    let asked = async |name: &str, value: &str| {
        let mut browser = lab.signed_in(name).await;
        browser.visit.headers.push(("cookie".into(), format!("a=b; {value}")));
        !passed(&browser.look("mfa").await)
    };
    assert!(!asked("ada", &value).await);
    let mut forged = value.clone();
    forged.replace_range(value.len() - 2.., "AA");
    assert!(asked("ada", &forged).await, "a signature that is not right");
    assert!(asked("bob", &value).await, "somebody else's");
    lab.pass(3600);
    assert!(asked("ada", &value).await, "it has ended");
}

#[tokio::test]
async fn guesses_at_once_are_all_counted_and_one_right_code_is_right_once() {
    database::on_each(async |database| {
        let (lab, shown) = with_app(database).await;
        let person = lab.person("ada").await.to_string();
        let mut browser = lab.signed_in("ada").await;
        browser.look("mfa").await;
        let guesses = (0..200).map(|guess| {
            let mut browser = browser.clone();
            async move { browser.answer("mfa", json!({ "code": format!("{guess:06}") })).await }
        });
        for answer in join_all(guesses).await {
            assert_eq!(error_of(&answer, "code"), WRONG);
        }
        let store = lab.world.store();
        let now = lab.clock_now();
        assert_eq!(store.count_attempt("account", &person, now, i64::MAX).await.expect("a count").count, 201);
        store.forget_attempts("account", &person).await.expect("they are forgotten");

        lab.pass(3600);
        let right = code(&shown, lab.now());
        let answers = (0..20).map(|_| {
            let (mut browser, right) = (browser.clone(), right.clone());
            async move { passed(&browser.answer("mfa", json!({ "code": right })).await) }
        });
        let passed = join_all(answers).await.into_iter().filter(|passed| *passed).count();
        assert_eq!(passed, 1);
    })
    .await;
}
