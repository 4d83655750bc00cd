//! Setting up a telephone number within a flow. What the stage is called and set is in `authenticator_sms`.

use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use super::{
    devices::{self, Enrolment, Holder},
    sent_code,
    sms_device::SmsDevice,
    text_message::{self, Message, SendError},
};
use crate::{
    expression::Value,
    flows::{
        challenge::{Answer, Challenge, Errors, NO_FIELD},
        stage::{Next, Stage, StageContext, StageError},
    },
    identity::{
        attempts::{self, Account},
        person::Person,
    },
    model::Object,
    policies::engine::Subject,
    store::StoreError,
};

use super::authenticator_sms::*;

/// Sends a code to a number, and keeps the number once the code was typed.
pub(super) struct Behaviour;

/// What the step remembers: the number to which a code was sent.
const NUMBER: &str = "number";
/// How long a code is good, in microseconds.
pub(super) const LASTS: i64 = 300_000_000;

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        let Holder::Person(person) = devices::holder(at).await? else {
            return Ok(Next::Refused("No pending user.".to_owned()));
        };
        // A number that was asked for before is taken once; when nothing can be sent to it, another one is asked for.
        let prompted = at.plan.context.get("prompt_data").and_then(Value::as_map);
        let prompted = prompted.and_then(|data| data.get("phone")).and_then(Value::as_text).map(str::to_owned);
        if let Some(number) = prompted
            && !at.memory().contains_key(NUMBER)
            && !at.memory().contains_key(TRIED)
        {
            at.memory().insert(TRIED.to_owned(), json!(true));
            if let Err(errors) = send(at, &person, &number).await? {
                tracing::info!(?errors, "a number that was given before is not taken");
            }
        }
        Ok(Next::Ask(ask(at)))
    }

    async fn answer(&self, at: &mut StageContext<'_>, answer: Answer) -> Result<Next, StageError> {
        let Holder::Person(person) = devices::holder(at).await? else { return self.challenge(at).await };
        let mut errors = Errors::default();
        let number = at.memory().get(NUMBER).and_then(Json::as_str).map(str::to_owned);
        let Some(number) = number.filter(|_| answer.get("phone_number").is_none() || answer.get("code").is_some())
        else {
            let Some(number) = answer.text("phone_number", &mut errors) else {
                return Ok(Next::Wrong(ask(at), errors));
            };
            return Ok(match send(at, &person, &number).await? {
                Ok(()) => Next::Ask(ask(at)),
                Err(errors) => Next::Wrong(ask(at), errors),
            });
        };
        let Some(code) = answer.text("code", &mut errors) else { return Ok(Next::Wrong(ask(at), errors)) };
        let id = devices::planned_id(at);
        let attempt = attempts::begin(at.world, at.visit, Account::Person(person.id())).await?;
        if !attempt.allowed || !sent_code::take(at, id, &code) {
            return Ok(Next::Wrong(ask(at), Errors::of(NO_FIELD, "Code does not match")));
        }
        attempts::was_right(at.world, &attempt).await?;
        match keep(at, &person, &number).await {
            Ok(()) => at.done(),
            Err(StageError::Store(StoreError::Duplicate { .. })) => {
                at.memory().remove(NUMBER);
                Ok(Next::Wrong(ask(at), invalid_number()))
            }
            Err(error) => Err(error),
        }
    }
}

/// What the step remembers: that the number was tried that was asked for before.
const TRIED: &str = "tried";

fn ask(at: &mut StageContext<'_>) -> Challenge {
    let required = !at.memory().contains_key(NUMBER);
    Challenge::new("ak-stage-authenticator-sms", json!({ "phone_number_required": required }))
}

fn invalid_number() -> Errors {
    Errors::of(NO_FIELD, "Invalid phone number")
}

fn own(at: &StageContext<'_>) -> Result<Arc<Object>, StageError> {
    at.stage.cloned().ok_or_else(|| StageError::Failed("the stage is not stored".to_owned()))
}

/// Sends a code to a number that somebody gave.
async fn send(at: &mut StageContext<'_>, person: &Arc<Person>, typed: &str) -> Result<Result<(), Errors>, StageError> {
    let Some(number) = normal(typed) else { return Ok(Err(invalid_number())) };
    let stage = own(at)?;
    let digest = digest_of(at, &stage, &number);
    if devices::by_key::<SmsDevice>(at.world, "number_digest", &digest).await?.is_some() {
        return Ok(Err(invalid_number()));
    }
    if !sent_code::may_send(at.world, person.id()).await? {
        return Ok(Err(Errors::of(NO_FIELD, "Too many messages were sent. Please wait a few minutes.")));
    }
    let id = devices::planned_id(at);
    let code = sent_code::make(at, id, LASTS)?;
    let subject = Subject::Person(person.clone());
    let message = Message { number: &number, code: &code, subject: &subject, visit: at.visit };
    match text_message::send(at.world, &stage, &message).await {
        Ok(()) => {
            at.memory().insert(NUMBER.to_owned(), json!(number));
            Ok(Ok(()))
        }
        Err(SendError::Store(error)) => Err(error.into()),
        Err(SendError::Refused(_)) => Ok(Err(Errors::of(NO_FIELD, "The message could not be sent."))),
    }
}

async fn keep(at: &mut StageContext<'_>, person: &Person, number: &str) -> Result<(), StageError> {
    let declared: AuthenticatorSmsStage = at.declared()?;
    let stage = own(at)?;
    let digest = digest_of(at, &stage, number);
    let kept = match declared.verify_only {
        true => format!("hash:{}", HEXLOWER.encode(&Sha256::digest(number))),
        false => number.to_owned(),
    };
    let enrolment = Enrolment {
        id: devices::planned_id(at),
        name: "SMS Device",
        attrs: Map::from_iter([
            ("number_digest".to_owned(), json!(digest)),
            ("is_hashed".to_owned(), json!(declared.verify_only)),
        ]),
        edges: [("stage", vec![stage.id])].into(),
        secrets: [("phone_number", kept)].into(),
    };
    Ok(devices::enrol::<SmsDevice>(at, person, enrolment).await?)
}

/// By what a number is found that is enrolled at a stage already.
fn digest_of(at: &StageContext<'_>, stage: &Object, number: &str) -> String {
    HEXLOWER.encode(&at.world.store().key().digest(&format!("sms/{}/{number}", stage.id)))
}

/// A number as it is dialled: without what people write between the digits.
fn normal(typed: &str) -> Option<String> {
    let plain: String = typed.chars().filter(|letter| !letter.is_whitespace() && !"-()./".contains(*letter)).collect();
    let digits = plain.strip_prefix('+').unwrap_or(&plain);
    let fits = (4..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits.then_some(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stages::judge;

    #[test]
    fn numbers_are_what_can_be_dialled() {
        for (typed, dialled) in [
            ("+1 (555) 000-1", Some("+15550001")),
            ("0049.89/123", Some("004989123")),
            ("", None),
            ("123", None),
            ("+", None),
            ("1234567890123456", None),
            ("+49a891", None),
            ("+4989\r\nX", None),
        ] {
            assert_eq!(normal(typed).as_deref(), dialled, "{typed:?}");
        }
    }

    #[test]
    fn a_generic_gateway_has_an_address() {
        let stage =
            |provider, account| judge::<AuthenticatorSmsStage>(json!({ "provider": provider, "account_sid": account }));
        assert_eq!(stage("generic", "AC123"), ["?account_sid"]);
        assert!(stage("generic", "https://sms.example.com/send").is_empty());
        assert!(stage("twilio", "AC123").is_empty());
    }
}
