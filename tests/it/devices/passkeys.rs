//! Passkeys, by an authenticator in software: a key on P-256 that is kept here.

use data_encoding::BASE64URL_NOPAD;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::lab::{Browser, Lab, error_of, passed};

/// Flows: enrolment, a second factor, and signing in by a passkey alone.
const FLOWS: &str = "
  - {model: authentik_core.user, identifiers: {username: ada}, attrs: {name: Ada}}
  - {model: authentik_core.user, identifiers: {username: bob}, attrs: {name: ''}}
  - {model: authentik_flows.flow, id: setup, identifiers: {slug: setup}, attrs: {name: s, title: S, designation: stage_configuration}}
  - {model: authentik_flows.flow, id: mfa, identifiers: {slug: mfa}, attrs: {name: m, title: M, designation: authorization}}
  - {model: authentik_flows.flow, id: other, identifiers: {slug: other}, attrs: {name: o, title: O, designation: authorization}}
  - {model: authentik_flows.flow, id: alone, identifiers: {slug: alone}, attrs: {name: a, title: A, designation: authentication}}
  - {model: authentik_stages_authenticator_webauthn.authenticatorwebauthnstage, id: w, identifiers: {name: w}, attrs: {max_attempts: 3}}
  - {model: authentik_stages_authenticator_validate.authenticatorvalidatestage, id: m, identifiers: {name: m}, attrs: {not_configured_action: deny}}
  - {model: authentik_stages_authenticator_validate.authenticatorvalidatestage, id: p, identifiers: {name: p}, attrs: {webauthn_user_verification: required}}
  - {model: authentik_stages_dummy.dummystage, id: d, identifiers: {name: d}}
  - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf setup, stage: !KeyOf w, order: 0}}
  - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf mfa, stage: !KeyOf m, order: 0}}
  - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf other, stage: !KeyOf m, order: 0}}
  - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf alone, stage: !KeyOf p, order: 0}}
  - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf alone, stage: !KeyOf d, order: 1}}
";

const HOST: &str = "id.example.org";
const ORIGIN: &str = "https://id.example.org:9443";
const PRESENT: u8 = 1;
const VERIFIED: u8 = 4;
const NEW_KEY: u8 = 64;

/// A device.
struct Authenticator {
    key: KeyPair,
    id: [u8; 16],
    model: [u8; 16],
    count: u32,
    flags: u8,
    origin: &'static str,
}

impl Authenticator {
    fn new(id: u8) -> Authenticator {
        let key = KeyPair::generate().expect("a key");
        Authenticator { key, id: [id; 16], model: [9; 16], count: 0, flags: PRESENT | VERIFIED, origin: ORIGIN }
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(HOST).to_vec();
        data.push(flags);
        data.extend(self.count.to_be_bytes());
        data
    }

    fn client(&self, what: &str, challenge: &Value) -> Vec<u8> {
        json!({ "type": what, "challenge": challenge, "origin": self.origin, "crossOrigin": false })
            .to_string()
            .into_bytes()
    }

    /// The answer to `navigator.credentials.create()`.
    fn create(&self, options: &Value) -> Value {
        let client = self.client("webauthn.create", &options["challenge"]);
        let mut data = self.data(self.flags | NEW_KEY);
        data.extend(self.model);
        data.extend(16_u16.to_be_bytes());
        data.extend(self.id);
        let point = self.key.der_bytes();
        // COSE: {1: 2, 3: -7, -1: 1, -2: x, -3: y}
        data.extend([0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 32]);
        data.extend(&point[33..65]);
        // {"fmt": "none", "attStmt": {}, "authData": data}
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).expect("short"));
        object.extend(data);
        let id = BASE64URL_NOPAD.encode(&self.id);
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "registrationClientExtensions": "{}",
            "response": {
                "clientDataJSON": BASE64URL_NOPAD.encode(&client),
                "attestationObject": BASE64URL_NOPAD.encode(&object),
            },
        })
    }

    /// The answer to `navigator.credentials.get()`.
    fn get(&mut self, options: &Value) -> Value {
        self.count += 1;
        let client = self.client("webauthn.get", &options["challenge"]);
        let data = self.data(self.flags);
        let signed = [data.as_slice(), Sha256::digest(&client).as_slice()].concat();
        let id = BASE64URL_NOPAD.encode(&self.id);
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "assertionClientExtensions": "{}",
            "response": {
                "clientDataJSON": BASE64URL_NOPAD.encode(&client),
                "authenticatorData": BASE64URL_NOPAD.encode(&data),
                "signature": BASE64URL_NOPAD.encode(&self.key.sign(&signed).expect("a signature")),
                "userHandle": null,
            },
        })
    }
}

async fn enrolled(lab: &Lab, username: &str, id: u8) -> Authenticator {
    let device = Authenticator::new(id);
    let mut browser = lab.signed_in(username).await;
    let shown = browser.look("setup").await;
    let done = browser.answer("setup", json!({ "response": device.create(&shown["registration"]) })).await;
    assert!(passed(&done), "{done}");
    device
}

/// What the device is asked in a flow.
async fn asked(browser: &mut Browser<'_>, flow: &str) -> Value {
    browser.look(flow).await["device_challenges"][0].clone()
}

#[tokio::test]
async fn a_key_is_enrolled_as_recorded() {
    let lab = Lab::new(FLOWS).await;
    let mut browser = lab.signed_in("ada").await;
    let shown = browser.look("setup").await;
    assert_eq!(shown["component"], "ak-stage-authenticator-webauthn");
    let options = &shown["registration"];
    assert_eq!(options["rp"], json!({ "name": "authentik", "id": HOST }));
    assert_eq!(options["user"]["name"], "ada");
    assert_eq!(options["user"]["displayName"], "Ada");
    assert_eq!(options["excludeCredentials"], json!([]));
    assert_eq!((&options["timeout"], &options["attestation"]), (&json!(60000), &json!("direct")));
    let selection = json!({ "residentKey": "preferred", "requireResidentKey": false, "userVerification": "preferred" });
    assert_eq!(options["authenticatorSelection"], selection);
    assert_eq!(options["pubKeyCredParams"][0], json!({ "type": "public-key", "alg": -7 }));

    let device = Authenticator::new(1);
    let made = device.create(options);
    for (body, starts) in
        [(json!({}), "This field is required."), (json!({ "response": "x" }), "Not a valid dictionary.")]
    {
        let wrong = browser.answer("setup", body).await;
        assert!(error_of(&wrong, "response").0.starts_with(starts), "{wrong}");
    }
    assert!(passed(&browser.answer("setup", json!({ "response": made })).await));
    let stored = lab.signed_in("ada").await.look("setup").await;
    assert_eq!(stored["registration"]["excludeCredentials"][0]["id"], made["id"]);

    // The same key for somebody else.
    let mut other = lab.signed_in("bob").await;
    let options = other.look("setup").await["registration"].clone();
    let taken = other.answer("setup", json!({ "response": device.create(&options) })).await;
    assert_eq!(error_of(&taken, "response"), ("Credential ID already exists.", "invalid"));
    // An answer to a challenge that was answered, and then one too many.
    let stale = other.answer("setup", json!({ "response": Authenticator::new(2).create(&options) })).await;
    assert!(error_of(&stale, "response").0.starts_with("Registration failed. Error: "), "{stale}");
    let refused = other.answer("setup", json!({ "response": {} })).await;
    assert_eq!(refused["component"], "ak-stage-access-denied");
    assert_eq!(refused["error_message"], "Exceeded maximum attempts. Contact your authentik administrator for help.");
}

#[tokio::test]
async fn only_the_persons_own_key_answers_and_only_what_was_asked() {
    let lab = Lab::new(FLOWS).await;
    let mut own = enrolled(&lab, "ada", 1).await;
    let mut foreign = enrolled(&lab, "bob", 2).await;
    let mut browser = lab.signed_in("ada").await;
    let challenge = asked(&mut browser, "mfa").await;
    assert_eq!(challenge["device_class"], "webauthn");
    assert_eq!(challenge["challenge"]["rpId"], HOST);
    let allowed = challenge["challenge"]["allowCredentials"].as_array().expect("a list");
    assert_eq!(allowed.len(), 1);

    let wrong = browser.answer("mfa", json!({ "webauthn": foreign.get(&challenge["challenge"]) })).await;
    assert_eq!(error_of(&wrong, "webauthn"), ("Invalid device", "invalid"), "the key of another person");
    // Another execution's answer.
    let mut elsewhere = lab.signed_in("ada").await;
    let there = asked(&mut elsewhere, "other").await;
    let replayed = browser.answer("mfa", json!({ "webauthn": own.get(&there["challenge"]) })).await;
    assert_eq!(error_of(&replayed, "webauthn"), ("Assertion failed", "invalid"), "asked in another flow");
    // Another site's answer.
    let challenge = replayed["device_challenges"][0].clone();
    own.origin = "https://id.example.org.evil.example";
    let phished = browser.answer("mfa", json!({ "webauthn": own.get(&challenge["challenge"]) })).await;
    assert_eq!(error_of(&phished, "webauthn"), ("Assertion failed", "invalid"), "signed for another origin");
    own.origin = ORIGIN;
    assert_eq!(lab.failures().await, ["webauthn", "webauthn"]);
    let challenge = phished["device_challenges"][0].clone();
    let right = own.get(&challenge["challenge"]);
    assert!(passed(&browser.answer("mfa", json!({ "webauthn": right })).await));

    // A copy of the device, whose count lags behind.
    own.count = 1;
    let mut browser = lab.signed_in("ada").await;
    let challenge = asked(&mut browser, "mfa").await;
    let cloned = browser.answer("mfa", json!({ "webauthn": own.get(&challenge["challenge"]) })).await;
    assert_eq!(error_of(&cloned, "webauthn"), ("Assertion failed", "invalid"), "the count went back");
}

#[tokio::test]
async fn a_passkey_alone_names_its_person() {
    let lab = Lab::new(FLOWS).await;
    let mut own = enrolled(&lab, "ada", 1).await;
    let mut browser = lab.browser();
    let challenge = asked(&mut browser, "alone").await;
    assert_eq!(challenge["device_uid"], "-1");
    assert_eq!(challenge["challenge"]["allowCredentials"], json!([]));
    assert_eq!(challenge["challenge"]["userVerification"], "required");
    own.flags = PRESENT;
    let unverified = browser.answer("alone", json!({ "webauthn": own.get(&challenge["challenge"]) })).await;
    assert_eq!(error_of(&unverified, "webauthn"), ("Assertion failed", "invalid"), "nobody was verified");
    own.flags = PRESENT | VERIFIED;
    let unknown = Authenticator::new(3).get(&unverified["device_challenges"][0]["challenge"]);
    let refused = browser.answer("alone", json!({ "webauthn": unknown })).await;
    assert_eq!(error_of(&refused, "webauthn"), ("Invalid device", "invalid"), "an unknown key");
    let challenge = refused["device_challenges"][0].clone();
    let next = browser.answer("alone", json!({ "webauthn": own.get(&challenge["challenge"]) })).await;
    assert_eq!(next["component"], "ak-stage-dummy", "{next}");
    let state = lab.world.store().execution(browser.seat.session.id).await.expect("the store answers").expect("a flow");
    let context = &state.state["context"];
    assert_eq!(context["pending_user"]["$handle"]["id"], json!(lab.person("ada").await));
    assert_eq!(context["auth_method"], "auth_webauthn_pwl");
    assert_eq!(context["auth_method_args"]["device"]["model_name"], "webauthndevice");
    assert_eq!(state.state["proofs"][0]["person"], json!(lab.person("ada").await));
}
