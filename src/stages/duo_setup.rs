//! Setting up a phone with Duo within a flow. What the stage is called and set is in `authenticator_duo`.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};

use super::{
    devices::{self, Enrolment, Holder},
    duo_api::{self, BEGUN, Duo, DuoError},
    duo_device::DuoDevice,
};
use crate::{
    flows::{
        challenge::{Answer, Challenge, Errors, NO_FIELD},
        stage::{Next, Stage, StageContext, StageError},
    },
    identity::{events, person::Person},
    model::Object,
};

/// Has Duo enrol a phone, and keeps whose it is once Duo says that it is done.
pub(super) struct Behaviour;

/// The part of the system that events name.
const APP: &str = "authentik.stages.authenticator_duo";

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        let Holder::Person(person) = devices::holder(at).await? else {
            return Ok(Next::Refused("No pending user.".to_owned()));
        };
        let stage = own(at)?;
        match begun(at, &stage, &person).await {
            Ok(begun) => Ok(Next::Ask(ask(&begun, &stage))),
            Err(error) => failed(at, &stage, &person, error).await,
        }
    }

    async fn answer(&self, at: &mut StageContext<'_>, _answer: Answer) -> Result<Next, StageError> {
        let Holder::Person(person) = devices::holder(at).await? else { return self.challenge(at).await };
        let stage = own(at)?;
        let begun = match begun(at, &stage, &person).await {
            Ok(begun) => begun,
            Err(error) => return failed(at, &stage, &person, error).await,
        };
        let text = |field: &str| begun[field].as_str().unwrap_or_default();
        let status = match Duo::of(at.world, &stage).await {
            Ok(duo) => duo.enroll_status(text("user_id"), text("activation_code")).await,
            Err(error) => Err(error),
        };
        match status.as_deref() {
            Ok("success") => {}
            Ok(_) => {
                let wrong = Errors::of(NO_FIELD, "The device is not activated yet.");
                return Ok(Next::Ask(ask(&begun, &stage).with_errors(wrong)));
            }
            Err(_) => return failed(at, &stage, &person, status.err().unwrap_or_else(unknown)).await,
        }
        let enrolment = Enrolment {
            id: devices::planned_id(at),
            name: "Duo Authenticator",
            attrs: Map::new(),
            edges: [("stage", vec![stage.id])].into(),
            secrets: [("duo_user_id", text("user_id").to_owned())].into(),
        };
        devices::enrol::<DuoDevice>(at, &person, enrolment).await?;
        at.done()
    }
}

fn own(at: &StageContext<'_>) -> Result<Arc<Object>, StageError> {
    at.stage.cloned().ok_or_else(|| StageError::Failed("the stage is not stored".to_owned()))
}

fn ask(begun: &Json, stage: &Object) -> Challenge {
    Challenge::new("ak-stage-authenticator-duo", duo_api::shown(begun, stage.id))
}

/// The enrolment that was begun in this step; now, if none was.
async fn begun(at: &mut StageContext<'_>, stage: &Object, person: &Person) -> Result<Json, DuoError> {
    if let Some(begun) = at.memory().get(BEGUN) {
        return Ok(begun.clone());
    }
    let begun = Duo::of(at.world, stage).await?.enroll(person.username()).await?;
    at.memory().insert(BEGUN.to_owned(), begun.clone());
    devices::planned_id(at);
    Ok(begun)
}

fn unknown() -> DuoError {
    DuoError::Refused("it does not say why".to_owned())
}

async fn failed(at: &StageContext<'_>, stage: &Object, person: &Person, error: DuoError) -> Result<Next, StageError> {
    match error {
        DuoError::Store(error) => Err(error.into()),
        DuoError::Refused(_) => {
            let stage = events::describe(at.world.registry(), stage);
            let context = json!({ "message": format!("A device cannot be set up: {error}"), "stage": stage });
            events::write(at.world, Some(at.visit), Some(person), "configuration_error", APP, context).await?;
            Ok(Next::Refused("The device cannot be set up now.".to_owned()))
        }
    }
}
