//! The kind `authentik_stages_user_logout.userlogoutstage`: ends the session.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::flows::stage::{Next, Stage, StageContext, StageError};
use crate::identity::{events, sessions};
use crate::model::{Family, Key, Kind};

/// Ends the session of whoever is signed in.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserLogoutStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
}

impl Kind for UserLogoutStage {
    const NAME: &'static str = "authentik_stages_user_logout.userlogoutstage";
    const TITLE: &'static str = "User logout stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
}

/// Signs out whoever is signed in; nobody is, is fine as well.
pub(super) struct Behaviour;

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        let done = at.done();
        if let Some(person) = sessions::sign_out(at.world, at.seat).await? {
            let app = "authentik.stages.user_logout";
            events::write(at.world, Some(at.visit), Some(&person), "logout", app, json!({})).await?;
        }
        done
    }
}
