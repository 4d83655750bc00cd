//! Asking for a password within a flow. What the stage is called and set is in `password`.

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use super::backends;
use crate::flows::{
    challenge::{Answer, Challenge, Errors},
    proof::Evidence,
    stage::{Next, Stage, StageContext, StageError},
};

use super::password::*;

/// Where the session counts wrong passwords. As in the reference the count is of the session, over all flows, and neither a
/// right password nor another flow resets it; what keeps guesses apart is the count of the account.
const FAILURES: &str = "password/failures";

/// Asks for the password, and checks it.
pub(super) struct Behaviour;

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        if at.pending().await?.is_none() {
            return Ok(Next::Refused(String::new()));
        }
        Ok(Next::Ask(page(at).await?))
    }

    async fn answer(&self, at: &mut StageContext<'_>, answer: Answer) -> Result<Next, StageError> {
        let declared: PasswordStage = at.declared()?;
        let Some(subject) = at.pending().await? else { return Ok(Next::Refused(String::new())) };
        let mut errors = Errors::default();
        if let Some(password) = answer.text("password", &mut errors) {
            if let Some(backend) = backends::check(at, &subject, &declared.backends, &password).await? {
                return Ok(Next::Passed(at.prove(Evidence::Password(backend.path().to_owned()))));
            }
            errors = Errors::of("password", "Invalid password");
        }
        let failures = at.seat.data.kept.get(FAILURES).and_then(Json::as_i64).unwrap_or(0) + 1;
        if failures >= i64::from(declared.failed_attempts_before_cancel) {
            at.seat.data.kept.remove(FAILURES);
            return Ok(Next::Refused(String::new()));
        }
        at.seat.data.kept.insert(FAILURES.to_owned(), json!(failures));
        Ok(Next::Wrong(page(at).await?, errors))
    }
}

/// The page. The link to recovery is that of the brand; the reference takes the first recovery flow that it finds, whosoever
/// it is.
async fn page(at: &StageContext<'_>) -> Result<Challenge, StageError> {
    let mut fields = json!({});
    if let Some(flow) = at.visit.brand_target("flow_recovery")
        && let Some(flow) = at.world.model().await?.known(flow)
    {
        fields["recovery_url"] = json!(at.address(&at.page_of(flow)));
    }
    Ok(Challenge::new("ak-stage-password", fields))
}
