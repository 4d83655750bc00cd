//! The kind `authentik_stages_authenticator_totp.authenticatortotpstage`: enrols an authenticator app.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{
    devices::{self, Enrolment, Holder},
    one_time,
    totp_device::TotpDevice,
};
use crate::{
    flows::{
        challenge::{Answer, Challenge, Errors},
        stage::{Next, Stage, StageContext, StageError},
    },
    model::{Family, Key, Kind, Ref, Reference},
};

/// Enrols an authenticator app that computes time-based one-time codes (SHA-1, 30 seconds).
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticatorTotpStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow in which a signed-in user enrols an app; without one there is no such entry in the user's settings.
    pub configure_flow: Option<Ref>,
    /// What users see instead of the stage's name when they choose between methods.
    #[schemars(length(min = 1))]
    pub friendly_name: Option<String>,
    /// Digits of a code. Many apps compute 6 whatever they are told; a change concerns devices enrolled afterwards.
    pub digits: Digits,
}

impl Kind for AuthenticatorTotpStage {
    const NAME: &'static str = "authentik_stages_authenticator_totp.authenticatortotpstage";
    const TITLE: &'static str = "TOTP setup stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name", "digits"];
    const REFERENCES: &'static [Reference] = &[Reference::one("configure_flow", "authentik_flows.flow")];
}

/// Digits of a one-time code, as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Digits {
    /// Six digits, which every app computes.
    #[default]
    #[serde(rename = "6")]
    Six,
    /// Eight digits.
    #[serde(rename = "8")]
    Eight,
}

impl Digits {
    fn count(self) -> u8 {
        match self {
            Digits::Six => 6,
            Digits::Eight => 8,
        }
    }
}

/// Shows a new key, and keeps it once a code proves that an app has it.
pub(super) struct Behaviour;

/// Bytes of a key, as RFC 4226 recommends.
const KEY: usize = 20;
/// What the step remembers: the key.
const SHOWN: &str = "key";

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        match devices::holder(at).await? {
            Holder::Person(person) => Ok(Next::Ask(ask(at, person.username())?)),
            Holder::Nobody => at.done(),
            Holder::Unsaved => Ok(Next::Refused("No pending user.".to_owned())),
        }
    }

    async fn answer(&self, at: &mut StageContext<'_>, answer: Answer) -> Result<Next, StageError> {
        let Holder::Person(person) = devices::holder(at).await? else { return self.challenge(at).await };
        let challenge = ask(at, person.username())?;
        let mut errors = Errors::default();
        let Some(code) = answer.text("code", &mut errors) else { return Ok(Next::Wrong(challenge, errors)) };
        if !code.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b' ') {
            return Ok(Next::Wrong(challenge, Errors::of("code", "A valid integer is required.")));
        }
        let declared: AuthenticatorTotpStage = at.declared()?;
        let digits = declared.digits.count();
        let text = shown(at)?;
        let (key, now) = (one_time::key_of(&text).unwrap_or_default(), at.world.now());
        let Some((step, drift)) = one_time::step_of(&key, digits, &code, now, 0) else {
            return Ok(Next::Wrong(challenge, Errors::of("code", "Code does not match")));
        };
        let id = devices::planned_id(at);
        // The code that was typed here is not good for signing in.
        at.world.store().use_device(id, step, drift, now).await?;
        let enrolment = Enrolment {
            id,
            name: "TOTP Authenticator",
            attrs: Map::from_iter([("digits".to_owned(), json!(digits))]),
            edges: Default::default(),
            secrets: [("key", text)].into(),
        };
        devices::enrol::<TotpDevice>(at, &person, enrolment).await?;
        at.done()
    }
}

fn ask(at: &mut StageContext<'_>, username: &str) -> Result<Challenge, StageError> {
    let declared: AuthenticatorTotpStage = at.declared()?;
    let key = shown(at)?;
    let (issuer, username) = (escape(at.visit.product()), escape(username));
    let digits = declared.digits.count();
    let address = format!(
        "otpauth://totp/{issuer}%3A{username}?secret={key}&algorithm=SHA1&digits={digits}&period={}&issuer={issuer}",
        one_time::PERIOD
    );
    Ok(Challenge::new("ak-stage-authenticator-totp", json!({ "config_url": address })))
}

/// The key that is shown for as long as the step lasts.
fn shown(at: &mut StageContext<'_>) -> Result<String, StageError> {
    if let Some(key) = at.memory().get(SHOWN).and_then(Json::as_str) {
        return Ok(key.to_owned());
    }
    let key = one_time::key_text(&devices::random::<KEY>()?);
    at.memory().insert(SHOWN.to_owned(), json!(key));
    devices::planned_id(at);
    Ok(key)
}

/// A text as part of an address.
fn escape(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
