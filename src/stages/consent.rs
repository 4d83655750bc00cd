//! The kind `authentik_stages_consent.consentstage`: asks whether an application may have what it wants.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::user_consent::UserConsent;
use crate::base::{duration, timestamp};
use crate::expression::{Map, Value};
use crate::flows::{
    challenge::{Answer, Challenge, Errors},
    proof::Evidence,
    stage::{Next, Stage, StageContext, StageError},
};
use crate::identity::{
    application::Application,
    sessions,
    write::{self, Author, Edit},
};
use crate::model::{Family, Key, Kind, Model, Object};
use crate::store::StoreError;

/// Asks the user to agree to what an application will learn, and remembers the answer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConsentStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// How long an answer is remembered.
    pub mode: Mode,
    /// Time after which a remembered answer expires, for `mode: expiring`; such as `weeks=4` or `hours=1;minutes=30`.
    #[schemars(length(min = 1))]
    pub consent_expire_in: String,
}

impl Default for ConsentStage {
    fn default() -> Self {
        ConsentStage { name: String::new(), mode: Mode::Expiring, consent_expire_in: "weeks=4".to_owned() }
    }
}

impl Kind for ConsentStage {
    const NAME: &'static str = "authentik_stages_consent.consentstage";
    const TITLE: &'static str = "Consent stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
}

/// How long an answer is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Not at all: every authorization asks.
    AlwaysRequire,
    /// Until it is revoked or the application asks for something else.
    Permanent,
    /// For the time in `consent_expire_in`.
    Expiring,
}

/// Key of the context: what the application wants, a list of mappings with `id` and `name`.
const PERMISSIONS: &str = "consent_permissions";
/// Key of the context: what it wants beyond what was agreed to before.
const ADDITIONAL: &str = "consent_additional_permissions";
/// Where the stage remembers what a consent must repeat.
const TOKEN: &str = "token";

/// Asks whether the application may have what it wants, unless that was answered before.
pub(super) struct Behaviour;

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        let declared = settings(at)?;
        let parties = parties(at).await?;
        if declared.mode != Mode::AlwaysRequire
            && let Some((person, application)) = parties
            && let Some(granted) = granted(at, person, application).await?
        {
            let all = wanted(&at.plan.context);
            let (old, new): (Vec<Value>, Vec<Value>) = all.into_iter().partition(|one| granted.contains(&id(one)));
            if new.is_empty() && old.len() == granted.len() {
                return at.done();
            }
            at.plan.context.insert(PERMISSIONS.to_owned(), Value::List(old));
            at.plan.context.insert(ADDITIONAL.to_owned(), Value::List(new));
        }
        Ok(Next::Ask(page(at)?))
    }

    async fn answer(&self, at: &mut StageContext<'_>, answer: Answer) -> Result<Next, StageError> {
        let declared = settings(at)?;
        let mut errors = Errors::default();
        let expected = at.memory().get(TOKEN).and_then(Json::as_str).unwrap_or_default().to_owned();
        let Some(token) = answer.text(TOKEN, &mut errors) else { return Ok(Next::Wrong(page(at)?, errors)) };
        if expected.is_empty() || !bool::from(token.as_bytes().ct_eq(expected.as_bytes())) {
            let errors = Errors::of(TOKEN, "This page was out of date; please read it again.");
            return Ok(Next::Wrong(page(at)?, errors));
        }
        if declared.mode != Mode::AlwaysRequire
            && let Some((person, application)) = parties(at).await?
        {
            remember(at, &declared, person, application).await?;
        }
        Ok(Next::Passed(at.prove(Evidence::Consent)))
    }
}

/// The stage's settings; one that the server itself puts into a flow always asks.
fn settings(at: &StageContext<'_>) -> Result<ConsentStage, StageError> {
    match at.stage {
        Some(_) => at.declared(),
        None => Ok(ConsentStage { mode: Mode::AlwaysRequire, ..ConsentStage::default() }),
    }
}

fn page(at: &mut StageContext<'_>) -> Result<Challenge, StageError> {
    let token = sessions::secret_text()?;
    at.memory().insert(TOKEN.to_owned(), json!(token));
    let list = |key: &str| -> Json { listed(&at.plan.context, key).iter().map(Value::to_json).collect() };
    let mut fields = json!({
        "permissions": list(PERMISSIONS),
        "additional_permissions": list(ADDITIONAL),
        "token": token,
    });
    if let Some(header) = at.plan.text("consent_header") {
        fields["header_text"] = json!(header);
    }
    Ok(Challenge::new("ak-stage-consent", fields))
}

fn listed<'c>(context: &'c Map, key: &str) -> &'c [Value] {
    match context.get(key) {
        Some(Value::List(items) | Value::Tuple(items) | Value::Set(items)) => items,
        _ => &[],
    }
}

/// All that is wanted, each once.
fn wanted(context: &Map) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for one in listed(context, PERMISSIONS).iter().chain(listed(context, ADDITIONAL)) {
        if !all.iter().any(|known| id(known) == id(one)) {
            all.push(one.clone());
        }
    }
    all
}

fn id(permission: &Value) -> String {
    permission.as_map().and_then(|map| map.get("id")).and_then(Value::as_text).unwrap_or_default().to_owned()
}

/// Who consents, and to which application's wishes.
async fn parties(at: &StageContext<'_>) -> Result<Option<(Uuid, Uuid)>, StageError> {
    let application = match at.plan.context.get("application") {
        Some(Value::Handle(handle)) if handle.kind == Application::NAME => handle.id.parse().ok(),
        _ => None,
    };
    Ok(at.subject().await?.id().zip(application))
}

/// The consents of a person to an application.
async fn consents(at: &StageContext<'_>, person: Uuid, application: Uuid) -> Result<Vec<Arc<Object>>, StoreError> {
    let Some(kind) = at.world.registry().find(UserConsent::NAME) else { return Ok(Vec::new()) };
    let kind = kind.index;
    let mut model = Model::clone(&*at.world.model().await?);
    at.world
        .ask(&mut model, |model| {
            let mut found = Vec::new();
            for consent in model.referrers(kind, "user", person)? {
                if let Some(consent) = model.get(consent)?
                    && consent.targets("application").first() == Some(&application)
                {
                    found.push(consent.clone());
                }
            }
            Ok(found)
        })
        .await
}

/// What a person agreed to for an application and still agrees to; the latest consent counts.
async fn granted(at: &StageContext<'_>, person: Uuid, application: Uuid) -> Result<Option<Vec<String>>, StoreError> {
    let now = at.world.now();
    let mut consents = consents(at, person, application).await?;
    consents.retain(|consent| {
        let expiring = consent.attrs.get("expiring").and_then(Json::as_bool).unwrap_or(true);
        let ends = consent.text("expires").and_then(|text| timestamp::parse(&text));
        // A consent that expires without saying when has expired.
        !expiring || ends.is_some_and(|ends| ends.as_microsecond() > now)
    });
    let latest = consents.iter().max_by_key(|consent| (consent.updated, consent.revision, consent.id));
    Ok(latest
        .map(|consent| consent.text("permissions").unwrap_or_default().split_whitespace().map(str::to_owned).collect()))
}

/// Keeps the consent.
async fn remember(
    at: &StageContext<'_>,
    declared: &ConsentStage,
    person: Uuid,
    application: Uuid,
) -> Result<(), StageError> {
    let problem = |problem: String| StageError::Configuration { stage: at.name(), problem };
    let Some(kind) = at.world.registry().find(UserConsent::NAME) else {
        return Err(StageError::Failed("there is no kind of consents".to_owned()));
    };
    let expires = if declared.mode == Mode::Expiring {
        let lasts = duration::microseconds(&declared.consent_expire_in)
            .map_err(|error| problem(format!("`consent_expire_in`: {error}")))?;
        let ends = jiff::Timestamp::from_microsecond(at.world.now().saturating_add(lasts))
            .map_err(|error| problem(format!("`consent_expire_in`: {error}")))?;
        json!(ends.to_string())
    } else {
        Json::Null
    };
    let ids: Vec<String> = wanted(&at.plan.context).iter().map(id).filter(|id| !id.is_empty()).collect();
    let permissions = ids.join(" ");
    let set = |attrs: &mut serde_json::Map<String, Json>| {
        attrs.insert("permissions".to_owned(), json!(permissions));
        attrs.insert("expiring".to_owned(), json!(declared.mode == Mode::Expiring));
        attrs.insert("expires".to_owned(), expires.clone());
    };
    let former = consents(at, person, application).await?;
    let same = former.into_iter().find(|consent| consent.text("permissions").as_deref() == Some(&*permissions));
    let edit = match same {
        Some(before) => {
            let mut after = Object::clone(&before);
            set(&mut after.attrs);
            Edit::Update { before, after, secrets: BTreeMap::new() }
        }
        None => {
            let mut attrs = serde_json::Map::new();
            set(&mut attrs);
            let object = Object {
                id: Uuid::new_v4(),
                kind: kind.index,
                number: None,
                attrs,
                edges: BTreeMap::from([("user", vec![person]), ("application", vec![application])]),
                secrets: BTreeMap::new(),
                revision: 0,
                created: 0,
                updated: 0,
            };
            Edit::Create { object, secrets: BTreeMap::new() }
        }
    };
    let subject = at.subject().await?;
    let author = Author {
        actor: format!("user:{}", subject.username()),
        origin: format!("flow/{}", at.flow.text("slug").unwrap_or_default()),
    };
    match write::commit(at.world, &author, vec![edit]).await {
        Ok(()) => Ok(()),
        // Two answers at once: the other one has kept it.
        Err(StoreError::Duplicate { .. } | StoreError::Stale(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
