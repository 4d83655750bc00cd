//! Checking a password against the backends of a password stage, for the stage itself and for the page that asks for name and
//! password at once. Spec: flows §5.2.
//!
//! An unknown user, a user without a password and one whose account waits after failures cost what a wrong password costs.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use super::password::Backend;
use crate::{
    base::text,
    expression::Value,
    flows::stage::{StageContext, StageError},
    identity::{
        attempts::{self, Account},
        bearer, events,
        person::Person,
        token::{Intent, Token},
        write::{self, Author, Edit},
    },
    model::{Kind, Object, SecretState},
    policies::engine::Subject,
    store::{Checked, LONGEST_PASSWORD, PasswordError, StoreError, changeset::SecretWrite, try_password},
};

/// Key of the context: path of the backend that the password was right for.
pub(super) const USER_BACKEND: &str = "user_backend";
/// Key of the context: how the person signed in.
pub(super) const AUTH_METHOD: &str = "auth_method";
/// Key of the context: details of it.
pub(super) const AUTH_METHOD_ARGS: &str = "auth_method_args";
/// Limits of a reputation, and how long it lasts in microseconds.
const REPUTATION: ((i64, i64), i64) = ((-5, 5), 86_400_000_000);

impl From<PasswordError> for StageError {
    fn from(error: PasswordError) -> Self {
        StageError::Failed(error.to_string())
    }
}

/// Checks a password. When it is right, the flow is about the person from then on and the context says how it was found out;
/// gives the backend then.
///
/// # Errors
/// When the database fails.
pub(super) async fn check(
    at: &mut StageContext<'_>,
    subject: &Subject,
    backends: &[Backend],
    password: &str,
) -> Result<Option<Backend>, StageError> {
    let account = subject.id().map_or(Account::Unknown(subject.username()), Account::Person);
    let attempt = attempts::begin(at.world, at.visit, account).await?;
    let person = subject.person().filter(|person| attempt.allowed && person.is_active());
    let fits = password.len() <= LONGEST_PASSWORD;
    for backend in backends {
        let arguments = match backend {
            Backend::Inbuilt => {
                let right = inbuilt(at, person, password).await?;
                right.then(|| ("password", None))
            }
            Backend::Token => {
                let token = if fits { app_password(at, person, password).await? } else { None };
                token.map(|token| ("token", Some(events::describe(at.world.registry(), &token))))
            }
            Backend::Ldap | Backend::Kerberos => {
                tracing::warn!(stage = at.name(), ?backend, "this release cannot check passwords by this backend");
                None
            }
        };
        if let (Some((method, token)), Some(person)) = (arguments, person) {
            attempts::was_right(at.world, &attempt).await?;
            at.set_pending(&Subject::Person(person.clone()));
            at.plan.context.insert(USER_BACKEND.to_owned(), backend.path().into());
            at.plan.context.entry(AUTH_METHOD.to_owned()).or_insert_with(|| method.into());
            let known = at.plan.map_mut(AUTH_METHOD_ARGS);
            if let Some(token) = token.and_then(|token| Value::from_json(token).ok()) {
                known.insert("token".to_owned(), token);
            }
            return Ok(Some(*backend));
        }
    }
    failed(at, subject).await?;
    Ok(None)
}

/// Whether it is the person's own password. A hash of a form that is no longer used is replaced.
async fn inbuilt(at: &StageContext<'_>, person: Option<&Arc<Person>>, password: &str) -> Result<bool, StageError> {
    let hash = person.and_then(|person| match person.object.secrets.get("password") {
        Some(SecretState::Password(hash)) => Some(hash.as_str()),
        _ => None,
    });
    match (try_password(hash, password).await?, person) {
        (Checked::Right, Some(_)) => Ok(true),
        (Checked::Outdated, Some(person)) => {
            let author = Author { actor: "serve".to_owned(), origin: "password-hash".to_owned() };
            let secrets = BTreeMap::from([("password", SecretWrite::Hash(password.to_owned()))]);
            let edit = Edit::Update { before: person.object.clone(), after: Object::clone(&person.object), secrets };
            if let Err(error) = write::commit(at.world, &author, vec![edit]).await {
                tracing::warn!(person = %person.id(), %error, "an old password hash could not be replaced");
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// The application password of the person that this is. It is looked up for nobody as well.
async fn app_password(
    at: &StageContext<'_>,
    person: Option<&Arc<Person>>,
    key: &str,
) -> Result<Option<Object>, StoreError> {
    let (world, now) = (at.world, at.world.now());
    let Some(kind) = world.registry().find(Token::NAME) else { return Ok(None) };
    let mut reader = world.store().read().await?;
    let tokens = reader.by_secret(kind, "key", &world.store().key().digest(key)).await?;
    let tokens = reader.load_ids(world.registry(), tokens).await?;
    let is_theirs = |token: &Object| person.is_some_and(|person| token.targets("user").first() == Some(&person.id()));
    Ok(tokens.into_iter().find(|token| bearer::is_good(token, Intent::AppPassword, now) && is_theirs(token)))
}

/// Writes down that somebody failed to sign in.
async fn failed(at: &StageContext<'_>, subject: &Subject) -> Result<(), StoreError> {
    let stage = at.stage.map(|stage| events::describe(at.world.registry(), stage));
    let context = json!({ "username": subject.username(), "password": "", "stage": stage });
    let actor = at.seat.person.as_deref();
    events::write(at.world, Some(at.visit), actor, "login_failed", "authentik.stages.password", context).await?;
    reputation(at, subject.username(), -1).await
}

/// Changes the reputation of what was typed as a name.
///
/// # Errors
/// When the database fails.
pub(super) async fn reputation(at: &StageContext<'_>, identifier: &str, by: i64) -> Result<(), StoreError> {
    let identifier = text::shorten(identifier, 255);
    let (limits, lasts) = REPUTATION;
    let (store, now) = (at.world.store(), at.world.now());
    store.change_reputation(&identifier, at.visit.client, by, limits, &json!({}), now, lasts).await
}
