//! Methods of objects that the sandbox does not compute itself.

use super::{Directory, change, failed, plain, rows};
use crate::{
    expression::{Handle, HostError, Map, Names, ObjectRef, Value},
    identity::{
        application::Application,
        application_entitlement::ApplicationEntitlement,
        person::{Person, merge},
        user::User,
    },
    model::{Kind, SecretState},
    policies::access::{self, Who},
    store::{Checked, try_password},
};

/// Runs a method.
pub async fn run(
    host: &Directory<'_>,
    object: &ObjectRef,
    name: &str,
    arguments: Vec<Value>,
) -> Result<Value, HostError> {
    match (object.kind.as_str(), name) {
        (User::NAME, _) => of_user(host, object, name, arguments).await,
        (Application::NAME, "get_launch_url") => launch_url(host, object).await,
        (Application::NAME, "get_provider") => {
            let application = host.object(object).await?;
            let Some(provider) = application.targets("provider").first().copied() else { return Ok(Value::None) };
            let found = rows::load(host, &[provider]).await?;
            let kind = found.first().map(|found| host.world.registry().get(found.kind).name);
            Ok(kind.map(|kind| Handle::new(kind, provider.to_string())).into())
        }
        (_, "get_user_path") => {
            let source = host.object(object).await?;
            let slug = source.text("slug").unwrap_or_default();
            let template =
                source.text("user_path_template").unwrap_or_else(|| "goauthentik.io/sources/%(slug)s".to_owned());
            Ok(Value::Text(template.replace("%(slug)s", &slug)))
        }
        (kind, name) => Err(missing(kind, name)),
    }
}

fn missing(kind: &str, name: &str) -> HostError {
    let class = kind.rsplit('.').next().unwrap_or(kind);
    HostError::raise("AttributeError", format!("'{class}' object has no attribute '{name}'"))
}

async fn of_user(
    host: &Directory<'_>,
    user: &ObjectRef,
    name: &str,
    arguments: Vec<Value>,
) -> Result<Value, HostError> {
    let first = arguments.first();
    match name {
        "group_attributes" => {
            // Brand, then groups by name, then the user's own.
            let brand = host.visit.and_then(|visit| visit.brand.as_ref());
            let mut merged =
                brand.and_then(|brand| brand.attrs.get("attributes")?.as_object().cloned()).unwrap_or_default();
            if let Some(person) = person(host, user).await? {
                merge(&mut merged, &person.merged_attributes());
            }
            Ok(Value::Map(plain::of_map(&merged)))
        }
        "locale" => {
            let locale = |attributes: &serde_json::Map<String, serde_json::Value>| {
                Some(attributes.get("settings")?.get("locale")?.as_str()?.to_owned())
            };
            let own = person(host, user).await?.and_then(|person| locale(&person.merged_attributes()));
            let brand = host.visit.and_then(|visit| visit.brand.as_ref());
            let of_brand = || brand.and_then(|brand| locale(brand.attrs.get("attributes")?.as_object()?));
            Ok(Value::Text(own.or_else(of_brand).unwrap_or_default()))
        }
        "has_usable_password" => Ok(Value::Bool(hash(host, user).await?.is_some())),
        "check_password" => {
            let candidate = first.and_then(Value::as_text).unwrap_or_default();
            let hash = hash(host, user).await?;
            let checked = try_password(hash.as_deref(), candidate).await;
            Ok(Value::Bool(checked.map_err(|error| HostError::fatal(error.to_string()))? != Checked::Wrong))
        }
        "set_password" => match first {
            Some(Value::Text(password)) => change::password(host, user, Some(password)).await,
            Some(Value::None) | None => change::password(host, user, None).await,
            Some(_) => Err(HostError::raise("TypeError", "a password is a text")),
        },
        "set_unusable_password" => change::password(host, user, None).await,
        "has_perm" => {
            let person = person(host, user).await?;
            Ok(Value::Bool(person.is_some_and(|person| person.is_active() && person.is_superuser())))
        }
        "app_entitlements" | "app_entitlements_attributes" => {
            let Some(Value::Handle(application)) = first else {
                return Err(HostError::raise("TypeError", "an application was expected"));
            };
            entitlements(host, user, application, name == "app_entitlements").await
        }
        _ => Err(missing(&user.kind, name)),
    }
}

async fn person(host: &Directory<'_>, user: &ObjectRef) -> Result<Option<Person>, HostError> {
    let Ok(id) = user.id.parse() else { return Ok(None) };
    let mut seen = host.seen.lock().await;
    host.world.ask(&mut seen, |model| Person::of(model, id)).await.map_err(failed)
}

async fn hash(host: &Directory<'_>, user: &ObjectRef) -> Result<Option<String>, HostError> {
    if user.id.is_empty() {
        return Ok(None);
    }
    Ok(match host.object(user).await?.secrets.get("password") {
        // A mark that there is no password is none.
        Some(SecretState::Password(hash)) if !hash.starts_with('!') => Some(hash.clone()),
        _ => None,
    })
}

/// The rights within an application that a user has by the bindings of users and groups; their objects or their attributes.
async fn entitlements(
    host: &Directory<'_>,
    user: &ObjectRef,
    application: &Handle,
    objects: bool,
) -> Result<Value, HostError> {
    let (Ok(user), Ok(application)) = (user.id.parse(), application.id.parse()) else {
        return Ok(if objects { Value::List(Vec::new()) } else { Value::Map(Map::new()) });
    };
    let mut seen = host.seen.lock().await;
    let held = host.world.ask(&mut seen, |model| {
        let Some(kind) = model.registry().find(ApplicationEntitlement::NAME) else { return Ok(Vec::new()) };
        let mut held = Vec::new();
        for id in model.referrers(kind.index, "app", application)? {
            let Some(entitlement) = model.get(id)?.cloned() else { continue };
            // Nobody has a right to which nobody is bound.
            let bound = !access::bindings(model, &entitlement)?.is_empty();
            let decision = access::decide(model, &entitlement, Who::User(user), &access::WithoutRequest)?;
            if bound && decision.verdict == access::Verdict::Allowed {
                held.push(entitlement);
            }
        }
        held.sort_by_key(|entitlement| entitlement.text("name"));
        Ok(held)
    });
    let held = held.await.map_err(failed)?;
    drop(seen);
    if objects {
        let wanted = rows::Wanted::of(&Names::All);
        let mut handles = Vec::with_capacity(held.len());
        for entitlement in &held {
            let row = rows::row(host, entitlement, &wanted).await?;
            handles.push(Handle::with(ApplicationEntitlement::NAME, entitlement.id.to_string(), row).into());
        }
        return Ok(Value::List(handles));
    }
    let mut merged = serde_json::Map::new();
    for attributes in held.iter().filter_map(|entitlement| entitlement.attrs.get("attributes")?.as_object()) {
        merge(&mut merged, attributes);
    }
    Ok(Value::Map(plain::of_map(&merged)))
}

async fn launch_url(host: &Directory<'_>, application: &ObjectRef) -> Result<Value, HostError> {
    let application = host.object(application).await?;
    let url = application.text("meta_launch_url").unwrap_or_default();
    let mut url = url;
    if let Some(person) = host.subject.person() {
        for field in ["username", "name", "email"] {
            url = url.replace(&format!("%({field})s"), person.text(field));
        }
    }
    Ok(if url.is_empty() { Value::None } else { Value::Text(url) })
}
