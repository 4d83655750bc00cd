//! The kind `authentik_stages_user_write.userwritestage`: creates or changes a user from what was entered.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{backends, password::Backend, prompt_stage::PROMPT_DATA, user_data};
use crate::expression::{Map, Value};
use crate::flows::{
    proof::Evidence,
    stage::{Next, Stage, StageContext, StageError},
};
use crate::identity::{
    events,
    group::Group,
    person::Person,
    sessions,
    user::User,
    write::{self, Author, Edit},
};
use crate::model::{Family, Key, Kind, Object, Ref, Reference, Report, SecretState};
use crate::policies::engine::Subject;
use crate::store::{PersonField, StoreError, changeset::SecretWrite};

/// Writes the answers collected in the flow to the pending user, or to a new one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserWriteStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Whether the stage may create users.
    pub user_creation_mode: UserCreationMode,
    /// Creates users inactive, so that they cannot sign in until someone, or an email stage, activates them.
    pub create_users_as_inactive: bool,
    /// Group that new users join.
    pub create_users_group: Option<Ref>,
    /// Type of new users, unless the flow's context gives another one as `user_type`.
    pub user_type: UserType,
    /// Path of new users, unless the flow's context gives another one as `user_path`; empty means `users`.
    pub user_path_template: String,
}

impl Default for UserWriteStage {
    fn default() -> Self {
        UserWriteStage {
            name: String::new(),
            user_creation_mode: UserCreationMode::CreateWhenRequired,
            create_users_as_inactive: false,
            create_users_group: None,
            user_type: UserType::External,
            user_path_template: String::new(),
        }
    }
}

impl Kind for UserWriteStage {
    const NAME: &'static str = "authentik_stages_user_write.userwritestage";
    const TITLE: &'static str = "User write stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[Reference::one("create_users_group", "authentik_core.group")];

    fn check(&self, report: &mut Report) {
        if self.user_type == UserType::InternalServiceAccount {
            report.warn(
                "user_type",
                "is reserved for accounts of the system, so that `service_account` is written; say so in the file",
            );
        }
    }
}

/// Whether a user write stage may create users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserCreationMode {
    /// Only changes the pending user; without one the flow ends.
    NeverCreate,
    /// Creates a user when none is pending.
    CreateWhenRequired,
    /// Creates a user even when one is pending.
    AlwaysCreate,
}

/// Type of the users that a user write stage creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserType {
    /// Members of the organisation.
    Internal,
    /// Customers and guests.
    External,
    /// Programs.
    ServiceAccount,
    /// Programs of the system itself; written as `service_account`.
    InternalServiceAccount,
}

/// Writes what was filled in to whom the flow is about, or to a new user.
pub(super) struct Behaviour;

const NO_DATA: &str = "No Pending data.";
const NO_USER: &str = "No user found and can't create new user.";
const FAILED: &str = "Failed to update user. Please try again later.";

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        let declared: UserWriteStage = at.declared()?;
        let Some(data) = at.plan.context.get(PROMPT_DATA).and_then(Value::as_map).cloned() else {
            return Ok(Next::Refused(NO_DATA.to_owned()));
        };
        if at.pending().await?.is_none()
            && let Some(person) = at.seat.person.clone()
        {
            at.set_pending(&Subject::Person(person));
        }
        let person = at.pending().await?.and_then(|subject| subject.person().cloned());
        let target = match (declared.user_creation_mode, person) {
            (UserCreationMode::AlwaysCreate, _) => None,
            (_, Some(person)) if !is_shown(at, person.id()) => {
                tracing::warn!(person = %person.id(), stage = at.name(), "nothing but a name was given for this user");
                return Ok(Next::Refused(FAILED.to_owned()));
            }
            (_, Some(person)) => Some(person),
            // Accounts come into being where people enrol. Elsewhere the stage has to say so, or else whoever opens the
            // page for changing one's own account without having one would get one.
            (UserCreationMode::CreateWhenRequired, None) if is_enrollment(at) => None,
            _ => return Ok(Next::Refused(NO_USER.to_owned())),
        };
        match write_user(at, &declared, target, &data).await? {
            Some(()) => at.done(),
            None => Ok(Next::Refused(FAILED.to_owned())),
        }
    }
}

fn is_enrollment(at: &StageContext<'_>) -> bool {
    at.flow.text("designation").as_deref() == Some("enrollment")
}

/// Whether a user may be written or deleted in this flow: who is signed in, whom the server or a policy chose, and who showed
/// more than a name. Somebody who typed a name and nothing else has shown nothing.
pub(super) fn is_shown(at: &StageContext<'_>, person: Uuid) -> bool {
    if at.seat.person.as_ref().is_some_and(|signed_in| signed_in.id() == person) {
        return true;
    }
    let mut given = at.plan.proofs.iter().filter(|proof| proof.person == Some(person)).peekable();
    let strong = |evidence: &Evidence| {
        use Evidence::{Authenticator, Certificate, Mail, Password, Source};
        matches!(evidence, Password(_) | Authenticator(_) | Mail | Certificate | Source)
    };
    let named = at.plan.proofs.iter().any(|proof| proof.person == Some(person) && proof.evidence == Evidence::Named);
    !named || given.any(|proof| strong(&proof.evidence))
}

/// Writes the user; none when the answers do not fit or somebody was quicker.
async fn write_user(
    at: &mut StageContext<'_>,
    declared: &UserWriteStage,
    target: Option<Arc<Person>>,
    data: &Map,
) -> Result<Option<()>, StageError> {
    let Some(kind) = at.world.registry().find(User::NAME) else {
        return Err(StageError::Failed("there is no kind of users".to_owned()));
    };
    let before = target.as_ref().map(|person| person.object.clone());
    let mut object = match &before {
        Some(object) => Object::clone(object),
        None => new_user(at, declared),
    };
    let password = match user_data::apply(&mut object.attrs, data) {
        Ok(password) => password,
        Err(error) => {
            tracing::warn!(stage = at.name(), %error, "answers do not fit a user");
            return Ok(None);
        }
    };
    if !fits(before.as_deref(), &object) || is_taken(at, &object).await? {
        return Ok(None);
    }
    let mut groups = object.targets("groups").to_vec();
    let joins = at.stage.map(|stage| stage.targets("create_users_group").to_vec()).unwrap_or_default();
    let joins = joins.into_iter().filter(|_| before.is_none()).chain(groups_of_context(&at.plan.context));
    for group in joins {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    if !groups.is_empty() {
        object.edges.insert("groups", groups);
    }
    let mut secrets = BTreeMap::new();
    if let Some(password) = &password {
        object.secrets.insert("password", SecretState::Planned);
        secrets.insert("password", SecretWrite::Hash(password.clone()));
    }
    let id = object.id;
    let username = object.text("username").unwrap_or_default();
    let actor = at.seat.person.as_ref().map_or(username.as_str(), |person| person.username());
    let author =
        Author { actor: format!("user:{actor}"), origin: format!("flow/{}", at.flow.text("slug").unwrap_or_default()) };
    let created = before.is_none();
    let edit = match before {
        Some(before) => Edit::Update { before, after: object, secrets },
        None => Edit::Create { object, secrets },
    };
    match write::commit(at.world, &author, vec![edit]).await {
        Ok(()) => {}
        Err(
            error @ (StoreError::Stale(_)
            | StoreError::Duplicate { .. }
            | StoreError::Dangling(_)
            | StoreError::Unfit { .. }
            | StoreError::Nul { .. }),
        ) => {
            tracing::warn!(kind = kind.name, %error, "a user could not be written");
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    }
    let Some(person) = at.world.person(id).await? else { return Ok(None) };
    at.set_pending(&Subject::Person(person.clone()));
    if created {
        at.plan.context.insert(backends::USER_BACKEND.to_owned(), Backend::Inbuilt.path().into());
    }
    report(at, &person, data, created).await?;
    settle_sessions(at, person, password.is_some()).await?;
    Ok(Some(()))
}

/// An account as it begins.
fn new_user(at: &StageContext<'_>, declared: &UserWriteStage) -> Object {
    let mut attrs = serde_json::Map::new();
    if let Some(kind) = at.world.registry().find(User::NAME) {
        for (name, field) in &kind.fields {
            if field.secret.is_none() && field.reference.is_none() {
                attrs.insert(name.clone(), field.default.clone());
            }
        }
    }
    let path = at.plan.text("user_path").filter(|path| !path.is_empty()).unwrap_or(&declared.user_path_template);
    attrs.insert("path".to_owned(), json!(if path.is_empty() { "users" } else { path }));
    let of_context =
        at.plan.text("user_type").filter(|text| ["internal", "external", "service_account"].contains(text));
    let of_stage = match declared.user_type {
        UserType::Internal => "internal",
        UserType::External => "external",
        UserType::ServiceAccount | UserType::InternalServiceAccount => "service_account",
    };
    attrs.insert("type".to_owned(), json!(of_context.unwrap_or(of_stage)));
    attrs.insert("is_active".to_owned(), json!(!declared.create_users_as_inactive));
    Object {
        id: Uuid::new_v4(),
        kind: at.world.registry().find(User::NAME).map_or(at.flow.kind, |kind| kind.index),
        number: None,
        attrs,
        edges: BTreeMap::new(),
        secrets: BTreeMap::new(),
        revision: 0,
        created: 0,
        updated: 0,
    }
}

/// Whether the user is one that could be declared as well. What was wrong before the write is none of its business.
fn fits(before: Option<&Object>, after: &Object) -> bool {
    if after.text("username").is_none_or(|username| username.trim().is_empty()) {
        return false;
    }
    let Ok(user) = serde_json::from_value::<User>(Json::Object(after.attrs.clone())) else { return false };
    let mut report = Report::default();
    user.check(&mut report);
    report.findings.iter().filter(|finding| finding.refuses).all(|finding| {
        let unchanged = before.is_some_and(|before| before.attrs.get(finding.field) == after.attrs.get(finding.field));
        if !unchanged {
            tracing::warn!(field = finding.field, problem = finding.message, "a user cannot be written");
        }
        unchanged
    })
}

/// Whether somebody else has the user name, in whatever letter case.
async fn is_taken(at: &StageContext<'_>, object: &Object) -> Result<bool, StoreError> {
    let username = object.text("username").unwrap_or_default();
    let holders = at.world.store().people_by(PersonField::Username, &username).await?;
    Ok(holders.iter().any(|holder| *holder != object.id))
}

/// The groups that expressions want the user in.
fn groups_of_context(context: &Map) -> Vec<Uuid> {
    let Some(Value::List(items) | Value::Tuple(items) | Value::Set(items)) = context.get("groups") else {
        return Vec::new();
    };
    let group = |item: &Value| match item {
        Value::Handle(handle) if handle.kind == Group::NAME => handle.id.parse().ok(),
        _ => None,
    };
    items.iter().filter_map(group).collect()
}

async fn report(at: &StageContext<'_>, person: &Person, data: &Map, created: bool) -> Result<(), StoreError> {
    let mut context = Value::Map(data.clone()).to_json();
    if let Some(fields) = context.as_object_mut() {
        fields.shift_remove("component");
        fields.insert("created".to_owned(), json!(created));
    }
    let actor = at.seat.person.as_deref().unwrap_or(person);
    let app = "authentik.stages.user_write";
    events::write(at.world, Some(at.visit), Some(actor), "user_write", app, context).await
}

/// After a change of password, only the session stays in which it was made, under a new cookie.
async fn settle_sessions(at: &mut StageContext<'_>, person: Arc<Person>, password: bool) -> Result<(), StageError> {
    let own = at.seat.person.as_ref().is_some_and(|signed_in| signed_in.id() == person.id());
    if password {
        at.world.store().note_person(person.id(), None, Some(at.world.now())).await?;
        let app = "authentik.stages.user_write";
        let about = json!({ "user": person.as_actor() });
        events::write(at.world, Some(at.visit), Some(&person), "password_set", app, about).await?;
        if own && at.seat.data.impersonator.is_none() {
            at.seat.token = Some(sessions::secret_text()?);
            at.seat.end_others = true;
        } else {
            at.world.store().end_sessions_of(person.id()).await?;
        }
    }
    if own {
        at.seat.person = Some(person);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stages::judge;

    #[test]
    fn accounts_of_the_system_are_not_enrolled() {
        assert!(judge::<UserWriteStage>(json!({})).is_empty());
        assert_eq!(judge::<UserWriteStage>(json!({ "user_type": "internal_service_account" })), ["?user_type"]);
    }
}
