//! The person who asks: themselves, whom they impersonate, their tokens and consents.

use std::sync::Arc;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{list, represent};
use crate::{
    identity::{
        sessions,
        token::Token,
        user::User,
        write::{self, Author, Edit},
    },
    model::{Kind, Model, Object},
    stages::user_consent::UserConsent,
    store::StoreError,
    web::{
        refusal::{Refusal, json_answer},
        visit::Call,
    },
};

/// `core/users/me/`: who is signed in, and who really sits there.
pub async fn me(call: &mut Call) -> Result<Response, Refusal> {
    let person = call.person()?;
    let world = &call.site.world;
    let model = world.model().await?;
    let mut shown = json!({ "user": represent::user_self(&model, &person) });
    if let Some(original) = call.seat.data.impersonator
        && let Some(original) = world.person(original).await?
    {
        shown["original"] = represent::user_self(&model, &original);
    }
    Ok(json_answer(StatusCode::OK, &shown))
}

/// `core/users/{id}/impersonate/`: acts as somebody else from now on. For superusers who are signed in as themselves.
pub async fn impersonate(call: &mut Call) -> Result<Response, Refusal> {
    let owner = call.person()?;
    let refused = call.by_token || call.seat.data.impersonator.is_some() || !owner.is_superuser();
    if refused {
        tracing::warn!(request = %call.visit.id.simple(), user = owner.username(), "may not impersonate");
        return Err(Refusal::Denied);
    }
    let world = &call.site.world;
    let Ok(number) = call.param("id").parse::<i64>() else { return Err(Refusal::NotFound) };
    let mut model = Model::clone(&*world.model().await?);
    let found = world.ask(&mut model, |model| Ok(model.by_number(User::NAME, number)?.map(|user| user.id))).await?;
    let person = match found {
        Some(id) => world.person(id).await?,
        None => None,
    };
    let Some(person) = person else { return Err(Refusal::NotFound) };
    if person.id() == owner.id() || !person.is_active() {
        return Err(Refusal::Denied);
    }
    tracing::info!(request = %call.visit.id.simple(), by = owner.username(), of = person.username(), "impersonation begins");
    sessions::act_as(&mut call.seat, Some(person), owner)?;
    Ok(StatusCode::CREATED.into_response())
}

/// `core/users/impersonate_end/`: acts as oneself again.
pub async fn impersonate_end(call: &mut Call) -> Result<Response, Refusal> {
    let person = call.person()?;
    let original = match call.seat.data.impersonator {
        Some(original) => call.site.world.person(original).await?,
        None => None,
    };
    if let Some(original) = original {
        let (by, of) = (original.username(), person.username());
        tracing::info!(request = %call.visit.id.simple(), by, of, "impersonation ends");
        sessions::act_as(&mut call.seat, None, original)?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The objects of a kind whose user somebody is, by id.
pub async fn owned(call: &Call, kind: &'static str, person: Uuid) -> Result<(Model, Vec<Arc<Object>>), StoreError> {
    let world = &call.site.world;
    let mut model = Model::clone(&*world.model().await?);
    let Some(kind) = world.registry().find(kind) else { return Ok((model, Vec::new())) };
    let found = world
        .ask(&mut model, |model| {
            let mut found = Vec::new();
            for id in model.referrers(kind.index, "user", person)? {
                found.extend(model.get(id)?.filter(|object| object.kind == kind.index).cloned());
            }
            Ok(found)
        })
        .await?;
    Ok((model, found))
}

/// `core/tokens/`: the tokens of the person, without their keys.
pub async fn tokens(call: &mut Call) -> Result<Response, Refusal> {
    let person = call.person()?;
    let (model, mut tokens) = owned(call, Token::NAME, person.id()).await?;
    tokens.sort_by_key(|token| token.text("identifier"));
    let (last_login, _) = call.site.world.store().person_state(person.id()).await?;
    let owner = represent::user(&model, &person, last_login);
    list::answer(&call.visit.query, &tokens, |token| {
        let attr = |field: &str| token.attrs.get(field).cloned().unwrap_or(Value::Null);
        json!({
            "pk": token.id,
            "managed": attr("managed"),
            "identifier": attr("identifier"),
            "intent": attr("intent"),
            "user": person.object.number,
            "user_obj": owner,
            "description": attr("description"),
            "expires": attr("expires"),
            "expiring": attr("expiring"),
        })
    })
}

/// `core/user_consent/`: what the person agreed to.
pub async fn consents(call: &mut Call) -> Result<Response, Refusal> {
    let person = call.person()?;
    let (model, mut consents) = owned(call, UserConsent::NAME, person.id()).await?;
    consents.sort_by_key(|consent| consent.number);
    let owner = owner(call, &model).await?;
    list::answer(&call.visit.query, &consents, |consent| shown_consent(&model, consent, &owner))
}

/// `core/user_consent/{id}/`: one of them, and its end.
pub async fn consent(call: &mut Call) -> Result<Response, Refusal> {
    let person = call.person()?;
    let (model, consents) = owned(call, UserConsent::NAME, person.id()).await?;
    let number = call.param("id").parse::<i64>().ok();
    let found = consents.into_iter().find(|consent| number.is_some() && consent.number == number);
    let Some(found) = found else { return Err(Refusal::NotFound) };
    if call.visit.method != "DELETE" {
        let owner = owner(call, &model).await?;
        return Ok(json_answer(StatusCode::OK, &shown_consent(&model, &found, &owner)));
    }
    let author = Author { actor: format!("user:{}", person.username()), origin: "api".to_owned() };
    match write::commit(&call.site.world, &author, vec![Edit::Delete(found)]).await {
        // Whoever was faster ended it as well, or agreed anew.
        Ok(()) | Err(StoreError::Stale(_)) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(error) => Err(error.into()),
    }
}

async fn owner(call: &Call, model: &Model) -> Result<Value, Refusal> {
    let person = call.person()?;
    let (last_login, _) = call.site.world.store().person_state(person.id()).await?;
    Ok(represent::user(model, &person, last_login))
}

fn shown_consent(model: &Model, consent: &Object, owner: &Value) -> Value {
    let attr = |field: &str| consent.attrs.get(field).cloned().unwrap_or(Value::Null);
    let application = consent.targets("application").first().and_then(|id| model.known(*id));
    json!({
        "pk": consent.number,
        "expires": attr("expires"),
        "expiring": attr("expiring"),
        "user": owner,
        "application": application.map(|application| represent::application(model, application)),
        "permissions": attr("permissions"),
    })
}
