//! The kind `authentik_stages_user_login.userloginstage`: starts a session.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map as JsonMap, Value as Json, json};

use super::{backends, password::Backend};
use crate::base::duration;
use crate::expression::Value;
use crate::flows::{
    challenge::{Answer, Challenge, Errors},
    stage::{Next, Stage, StageContext, StageError},
};
use crate::identity::{
    attempts, events,
    sessions::{self, SignIn},
};
use crate::model::{Family, Key, Kind};

/// Signs the pending user in.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserLoginStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Time for which the session lasts, such as `hours=8`; `seconds=0` lasts until the browser closes.
    #[schemars(length(min = 1))]
    pub session_duration: String,
    /// Ends the user's other sessions.
    pub terminate_other_sessions: bool,
    /// Time by which the session is prolonged for users who choose to stay signed in, such as `days=30`; `seconds=0`
    /// does not offer the choice.
    #[schemars(length(min = 1))]
    pub remember_me_offset: String,
    /// Ends the session when the network that it is used from changes.
    pub network_binding: NetworkBinding,
    /// Ends the session when the place that it is used from changes, as far as the address tells it.
    pub geoip_binding: GeoipBinding,
    /// Time for which the browser counts as known to policies after a sign-in, such as `days=30` (2025.8).
    #[schemars(length(min = 1))]
    pub remember_device: String,
}

impl Default for UserLoginStage {
    fn default() -> Self {
        UserLoginStage {
            name: String::new(),
            session_duration: "seconds=0".to_owned(),
            terminate_other_sessions: false,
            remember_me_offset: "seconds=0".to_owned(),
            network_binding: NetworkBinding::NoBinding,
            geoip_binding: GeoipBinding::NoBinding,
            remember_device: "days=30".to_owned(),
        }
    }
}

impl Kind for UserLoginStage {
    const NAME: &'static str = "authentik_stages_user_login.userloginstage";
    const TITLE: &'static str = "User login stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
}

/// How closely a session is bound to the network that it started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkBinding {
    /// Not at all.
    NoBinding,
    /// To the operator's autonomous system.
    BindAsn,
    /// To the autonomous system and the network within it.
    BindAsnNetwork,
    /// To the exact address.
    BindAsnNetworkIp,
}

/// How closely a session is bound to the place that it started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GeoipBinding {
    /// Not at all.
    NoBinding,
    /// To the continent.
    BindContinent,
    /// To the country.
    BindContinentCountry,
    /// To the city.
    BindContinentCountryCity,
}

/// Signs whom the flow is about in.
pub(super) struct Behaviour;

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        let declared: UserLoginStage = at.declared()?;
        if length(at, "remember_me_offset", &declared.remember_me_offset)? > 0 {
            return Ok(Next::Ask(page()));
        }
        sign_in(at, &declared, false).await
    }

    async fn answer(&self, at: &mut StageContext<'_>, answer: Answer) -> Result<Next, StageError> {
        let declared: UserLoginStage = at.declared()?;
        if length(at, "remember_me_offset", &declared.remember_me_offset)? <= 0 {
            return sign_in(at, &declared, false).await;
        }
        match truth(&answer, "remember_me") {
            Ok(remember) => sign_in(at, &declared, remember).await,
            Err(errors) => Ok(Next::Wrong(page(), errors)),
        }
    }
}

fn page() -> Challenge {
    Challenge::new("ak-stage-user-login", json!({}))
}

/// A truth value that must be there, in the spellings that forms and clients use.
fn truth(answer: &Answer, field: &str) -> Result<bool, Errors> {
    match answer.0.get(field) {
        None => Err(Errors::coded(field, "This field is required.", "required")),
        Some(Json::Null) => Err(Errors::coded(field, "This field may not be null.", "null")),
        Some(Json::Bool(value)) => Ok(*value),
        Some(Json::String(text)) if matches!(text.as_str(), "true" | "True" | "on" | "1") => Ok(true),
        Some(Json::String(text)) if matches!(text.as_str(), "false" | "False" | "off" | "0") => Ok(false),
        Some(_) => Err(Errors::of(field, "Must be a valid boolean.")),
    }
}

/// A duration of the stage in microseconds.
fn length(at: &StageContext<'_>, field: &str, text: &str) -> Result<i64, StageError> {
    duration::microseconds(text)
        .map_err(|error| StageError::Configuration { stage: at.name(), problem: format!("`{field}`: {error}") })
}

async fn sign_in(at: &mut StageContext<'_>, declared: &UserLoginStage, remember: bool) -> Result<Next, StageError> {
    let pending = at.pending().await?;
    let Some(person) = pending.as_ref().and_then(|subject| subject.person()).cloned() else {
        at.seat.message("error", "There is nobody to sign in.");
        return Ok(Next::Refused(String::new()));
    };
    let mut lasts = length(at, "session_duration", &declared.session_duration)?.max(0);
    if remember {
        lasts = lasts.saturating_add(length(at, "remember_me_offset", &declared.remember_me_offset)?);
    }
    let method = at.plan.text(backends::AUTH_METHOD).unwrap_or_default().to_owned();
    let method_args = match at.plan.context.get(backends::AUTH_METHOD_ARGS).map(Value::to_json) {
        Some(Json::Object(arguments)) => arguments,
        _ => JsonMap::new(),
    };
    let source = at.plan.context.get("source").map(Value::to_json);
    let mut context = json!({ "auth_method": method, "auth_method_args": method_args });
    if let Some(source) = &source {
        context["source"] = source.clone();
    }
    let how = SignIn {
        method,
        method_args,
        backend: at.plan.text(backends::USER_BACKEND).unwrap_or(Backend::Inbuilt.path()).to_owned(),
        lasts,
        network_binding: written(&declared.network_binding),
        geoip_binding: written(&declared.geoip_binding),
        end_others: declared.terminate_other_sessions,
    };
    // The reference warns and signs in; here nobody who is not active gets a session.
    if !sessions::sign_in(at.world, at.visit, at.seat, person.clone(), how).await? {
        return Ok(Next::Refused("This account is not active.".to_owned()));
    }
    attempts::forget(at.world, person.id()).await?;
    backends::reputation(at, person.username(), 1).await?;
    let app = "authentik.stages.user_login";
    events::write(at.world, Some(at.visit), Some(&person), "login", app, context).await?;
    if source.is_none() {
        at.seat.message("success", "Successfully logged in!");
    }
    at.done()
}

/// As the setting is written.
fn written(setting: &impl Serialize) -> String {
    serde_json::to_value(setting).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
