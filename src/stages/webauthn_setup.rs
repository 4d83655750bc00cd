//! Setting up a passkey within a flow. What the stage is called and set is in `authenticator_webauthn`.

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use super::{
    authenticator_validate::DeviceClass,
    devices::{self, Enrolment, Holder},
    passkey,
    webauthn_device::WebAuthnDevice,
};
use crate::{
    flows::{
        challenge::{Answer, Challenge, Errors},
        stage::{Next, Stage, StageContext, StageError},
    },
    identity::person::Person,
    store::StoreError,
};

use super::authenticator_webauthn::*;

/// Has a device make a key pair, and keeps its public half.
pub(super) struct Behaviour;

/// What the step remembers: how many answers were wrong.
const FAILURES: &str = "failures";

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        match devices::holder(at).await? {
            Holder::Person(person) => Ok(Next::Ask(ask(at, &person).await?)),
            Holder::Nobody | Holder::Unsaved => Ok(Next::Refused("No pending user.".to_owned())),
        }
    }

    async fn answer(&self, at: &mut StageContext<'_>, answer: Answer) -> Result<Next, StageError> {
        let Holder::Person(person) = devices::holder(at).await? else { return self.challenge(at).await };
        let problem = match answer.0.get("response") {
            Some(response @ Json::Object(_)) => match enrol(at, &person, response).await? {
                Ok(()) => return at.done(),
                Err(problem) => problem,
            },
            Some(Json::Null) => Errors::coded("response", "This field may not be null.", "null"),
            Some(_) => Errors::of("response", "Not a valid dictionary."),
            None => Errors::coded("response", "This field is required.", "required"),
        };
        let declared: AuthenticatorWebAuthnStage = at.declared()?;
        let failures = at.memory().get(FAILURES).and_then(Json::as_u64).unwrap_or_default() + 1;
        at.memory().insert(FAILURES.to_owned(), json!(failures));
        if declared.max_attempts > 0 && failures >= u64::from(declared.max_attempts) {
            let product = at.visit.product();
            return Ok(Next::Refused(format!(
                "Exceeded maximum attempts. Contact your {product} administrator for help."
            )));
        }
        Ok(Next::Wrong(ask(at, &person).await?, problem))
    }
}

async fn ask(at: &mut StageContext<'_>, person: &Person) -> Result<Challenge, StageError> {
    let declared: AuthenticatorWebAuthnStage = at.declared()?;
    let mut enrolled = devices::of_person(at.world, person.id()).await?;
    enrolled.retain(|device| device.class == DeviceClass::Webauthn);
    let options = passkey::ask_registration(at, &declared, person, &enrolled).await?;
    devices::planned_id(at);
    Ok(Challenge::new("ak-stage-authenticator-webauthn", json!({ "registration": options })))
}

async fn enrol(at: &mut StageContext<'_>, person: &Person, response: &Json) -> Result<Result<(), Errors>, StageError> {
    let declared: AuthenticatorWebAuthnStage = at.declared()?;
    let made = match passkey::check_registration(at, person, response) {
        Ok(made) => made,
        Err(why) => return Ok(Err(Errors::of("response", format!("Registration failed. Error: {why}")))),
    };
    let taken = || Ok(Err(Errors::of("response", "Credential ID already exists.")));
    if devices::by_key::<WebAuthnDevice>(at.world, "credential_id", &made.id).await?.is_some() {
        return taken();
    }
    if !passkey::is_allowed(&made.model, &declared.device_type_restrictions) {
        let product = at.visit.product();
        let problem = format!("Invalid device type. Contact your {product} administrator for help.");
        return Ok(Err(Errors::of("response", problem)));
    }
    let id = devices::planned_id(at);
    let enrolment = Enrolment {
        id,
        name: "WebAuthn Device",
        attrs: made.attrs,
        edges: Default::default(),
        secrets: Default::default(),
    };
    match devices::enrol::<WebAuthnDevice>(at, person, enrolment).await {
        Ok(()) => Ok(Ok(())),
        // Somebody else enrolled it at the same time.
        Err(StoreError::Duplicate { .. }) => taken(),
        Err(error) => Err(error.into()),
    }
}
