//! The kind `authentik_stages_user_delete.userdeletestage`: deletes the user who walks the flow.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::user_write::is_shown;
use crate::flows::stage::{Next, PENDING_USER, Stage, StageContext, StageError};
use crate::identity::{
    sessions,
    write::{self, Author},
};
use crate::model::{Family, Key, Kind, Model};
use crate::store::StoreError;

/// Deletes the pending or signed-in user without asking; put a consent or prompt stage before it.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserDeleteStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
}

impl Kind for UserDeleteStage {
    const NAME: &'static str = "authentik_stages_user_delete.userdeletestage";
    const TITLE: &'static str = "User delete stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
}

/// Deletes whom the flow is about, with all that belongs to the user.
pub(super) struct Behaviour;

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        let subject = at.subject().await?;
        let Some(person) = subject.person().filter(|person| is_shown(at, person.id())) else {
            at.seat.message("error", "No Pending User.");
            return Ok(Next::Refused(String::new()));
        };
        let mut model = Model::clone(&*at.world.model().await?);
        let edits = at.world.ask(&mut model, |model| write::deletion(model, &person.object)).await?;
        let author = Author {
            actor: format!("user:{}", at.seat.person.as_ref().unwrap_or(person).username()),
            origin: format!("flow/{}", at.flow.text("slug").unwrap_or_default()),
        };
        match write::commit(at.world, &author, edits).await {
            Ok(()) => {}
            Err(error @ (StoreError::Stale(_) | StoreError::Dangling(_))) => {
                tracing::warn!(person = %person.id(), %error, "a user could not be deleted");
                return Ok(Next::Refused("This user cannot be deleted now.".to_owned()));
            }
            Err(error) => return Err(error.into()),
        }
        let done = at.done();
        if at.seat.session.person == Some(person.id()) {
            sessions::sign_out(at.world, at.seat).await?;
        }
        at.world.store().end_sessions_of(person.id()).await?;
        at.plan.context.shift_remove(PENDING_USER);
        // The link was for the one who is gone.
        at.plan.pinned = None;
        done
    }
}
