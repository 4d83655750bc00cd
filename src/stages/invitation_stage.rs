//! The kind `authentik_stages_invitation.invitationstage`: lets only invited people pass.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{invitation::Invitation, prompt_stage::PROMPT_DATA};
use crate::base::timestamp;
use crate::expression::{Handle, Map, Value};
use crate::flows::{
    proof::Evidence,
    stage::{Next, Stage, StageContext, StageError},
};
use crate::identity::{
    events,
    write::{self, Author, Edit},
};
use crate::model::{Family, Key, Kind, Model, Object};
use crate::store::StoreError;

/// Lets people pass who bring a valid invitation, and puts the invitation's data into the flow.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InvitationStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Lets people without an invitation pass as well; when off the flow ends for them.
    pub continue_flow_without_invitation: bool,
}

impl Kind for InvitationStage {
    const NAME: &'static str = "authentik_stages_invitation.invitationstage";
    const TITLE: &'static str = "Invitation stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
}

/// Takes an invitation from the link, or from what was filled in.
pub(super) struct Behaviour;

const NOT_INVITED: &str = "Invalid invite/invite not found";

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        let declared: InvitationStage = at.declared()?;
        let Some(invitation) = find(at).await? else {
            return uninvited(at, &declared);
        };
        let single_use = invitation.attrs.get("single_use").and_then(Json::as_bool).unwrap_or(false);
        if single_use && !use_up(at, &invitation).await? {
            return uninvited(at, &declared);
        }
        let handle = Handle::new(Invitation::NAME, invitation.id.to_string());
        at.plan.context.insert("invitation_in_effect".to_owned(), true.into());
        at.plan.context.insert("invitation".to_owned(), handle.into());
        if let Some(Ok(Value::Map(fixed))) = invitation.attrs.get("fixed_data").cloned().map(Value::from_json) {
            merge(at.plan.map_mut(PROMPT_DATA), fixed);
        }
        let context = json!({ "invitation_uuid": invitation.id.simple().to_string() });
        let actor = at.seat.person.as_deref();
        let app = "authentik.stages.invitation";
        events::write(at.world, Some(at.visit), actor, "invitation_used", app, context).await?;
        Ok(Next::Passed(at.prove(Evidence::Invitation)))
    }
}

fn uninvited(at: &StageContext<'_>, declared: &InvitationStage) -> Result<Next, StageError> {
    if declared.continue_flow_without_invitation { at.done() } else { Ok(Next::Refused(NOT_INVITED.to_owned())) }
}

/// The invitation that was presented, if it is good for this flow and now. The reference looks at its end only when it cleans
/// up; here it counts.
async fn find(at: &StageContext<'_>) -> Result<Option<Arc<Object>>, StoreError> {
    let filled = at.plan.context.get(PROMPT_DATA).and_then(Value::as_map);
    let filled = filled.and_then(|data| data.get("token")).and_then(Value::as_text);
    let Some(id) = at.asked("itoken").or_else(|| at.asked("token")).or(filled) else { return Ok(None) };
    let Ok(id) = id.trim().parse::<Uuid>() else { return Ok(None) };
    let mut model = Model::clone(&*at.world.model().await?);
    let found = at.world.ask(&mut model, |model| Ok(model.get(id)?.cloned())).await?;
    Ok(found.filter(|object| {
        let is_one = at.world.registry().get(object.kind).name == Invitation::NAME;
        let of_flow = object.targets("flow").first().is_none_or(|flow| *flow == at.flow.id);
        let lives = match object.text("expires") {
            None => true,
            Some(text) => timestamp::parse(&text).is_some_and(|ends| ends.as_microsecond() > at.world.now()),
        };
        is_one && of_flow && lives
    }))
}

/// Deletes an invitation that is good once. False when somebody else was quicker.
async fn use_up(at: &StageContext<'_>, invitation: &Arc<Object>) -> Result<bool, StageError> {
    let author = Author {
        actor: at
            .seat
            .person
            .as_ref()
            .map_or_else(|| "serve".to_owned(), |person| format!("user:{}", person.username())),
        origin: format!("flow/{}", at.flow.text("slug").unwrap_or_default()),
    };
    match write::commit(at.world, &author, vec![Edit::Delete(invitation.clone())]).await {
        Ok(()) => Ok(true),
        Err(StoreError::Stale(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Merges what an invitation fixes over what was filled in: mappings within are merged, lists appended.
fn merge(into: &mut Map, from: Map) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Map(old)), Value::Map(new)) => merge(old, new),
            (Some(Value::List(old)), Value::List(new)) => old.extend(new),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}
