//! The sessions in which the person who asks is signed in.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{list, represent, user_agent};
use crate::{
    identity::{sessions, visit::SessionData},
    store::Session,
    web::{
        refusal::{Refusal, json_answer},
        visit::Call,
    },
};

/// `core/authenticated_sessions/`.
pub async fn list(call: &mut Call) -> Result<Response, Refusal> {
    let sessions = own(call).await?;
    list::answer(&call.visit.query, &sessions, |session| shown(call, session))
}

/// `core/authenticated_sessions/{uuid}/`: one of them, and its end.
pub async fn session(call: &mut Call) -> Result<Response, Refusal> {
    let wanted = call.param("uuid").to_owned();
    let sessions = own(call).await?;
    let found = sessions.iter().find(|session| session.id.to_string() == wanted);
    let Some(found) = found else { return Err(Refusal::NotFound) };
    if call.visit.method != "DELETE" {
        return Ok(json_answer(StatusCode::OK, &shown(call, found)));
    }
    if found.id == call.seat.session.id {
        sessions::sign_out(&call.site.world, &mut call.seat).await?;
    } else {
        call.site.world.store().end_session(found.id).await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The person's own sessions; those that are used for somebody else are the impersonator's.
async fn own(call: &Call) -> Result<Vec<Session>, Refusal> {
    let person = call.person()?;
    Ok(call.site.world.store().sessions_of(person.id(), call.site.world.now()).await?)
}

fn shown(call: &Call, session: &Session) -> Value {
    let data: SessionData = serde_json::from_value(session.data.clone()).unwrap_or_default();
    json!({
        "uuid": session.id,
        "current": session.id == call.seat.session.id,
        "user_agent": user_agent::describe(&data.user_agent),
        "geo_ip": null,
        "asn": null,
        "user": call.seat.person.as_ref().and_then(|person| person.object.number),
        "last_ip": data.address.map(|address| address.to_string()).unwrap_or_default(),
        "last_user_agent": data.user_agent,
        "last_used": represent::time(session.used),
        "expires": represent::time(session.expires),
    })
}
