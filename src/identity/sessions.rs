//! Opening, keeping and ending browser sessions.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{
    visit::{Seat, SessionData},
    world::World,
};
use crate::store::{SessionWrite, StoreError};

/// How long a session lasts in which nobody is signed in, in microseconds.
const ANONYMOUS: i64 = 86_400_000_000;
/// How often it is written that a session was used, in microseconds.
const TOUCH: i64 = 60_000_000;

/// A secret of 256 bits as text, as it goes into cookies and links.
///
/// # Errors
/// When the system gives no random bytes.
pub fn secret_text() -> Result<String, StoreError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Seal(crate::store::KeyError::Randomness(error)))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The session of a cookie, or a new one that is not stored yet. A person who is gone or not active any more is not signed
/// in, whatever the session says.
///
/// # Errors
/// When the database fails.
pub async fn open(world: &World, cookie: Option<&str>) -> Result<Seat, StoreError> {
    let now = world.now();
    let fresh = || Seat::new(now, now.saturating_add(ANONYMOUS));
    let Some(cookie) = cookie else { return Ok(fresh()) };
    let Some(session) = world.store().session(cookie, now).await? else { return Ok(fresh()) };
    let data: SessionData = serde_json::from_value(session.data.clone()).unwrap_or_default();
    let person = match session.person {
        Some(person) => world.person(person).await?.filter(|person| person.is_active()),
        None => None,
    };
    if session.person.is_some() && person.is_none() {
        return Ok(fresh());
    }
    Ok(Seat { session, data, person, stored: true, ..fresh() })
}

/// Makes sure that the session is in the database, so that something can be kept for it.
///
/// # Errors
/// When the database fails or the system gives no random bytes.
pub async fn ensure(world: &World, seat: &mut Seat) -> Result<(), StoreError> {
    if seat.stored && !seat.ended {
        return Ok(());
    }
    if seat.ended {
        let now = world.now();
        let messages = std::mem::take(&mut seat.data.messages);
        let cookies = std::mem::take(&mut seat.cookies);
        *seat = Seat { cookies, ..Seat::new(now, now.saturating_add(ANONYMOUS)) };
        seat.data.messages = messages;
    }
    seat.token = Some(secret_text()?);
    write(world, seat).await
}

/// Writes what the request has changed of its session.
///
/// # Errors
/// When the database fails.
pub async fn keep(world: &World, seat: &mut Seat) -> Result<(), StoreError> {
    if seat.ended {
        return Ok(());
    }
    let changed = seat.token.is_some() || serde_json::to_value(&seat.data).unwrap_or_default() != seat.session.data;
    if changed && !seat.stored && is_empty(&seat.data) {
        return Ok(());
    }
    if changed {
        if !seat.stored && seat.token.is_none() {
            seat.token = Some(secret_text()?);
        }
        return write(world, seat).await;
    }
    let now = world.now();
    if seat.stored && now - seat.session.used > TOUCH {
        world.store().touch_session(seat.session.id, now).await?;
    }
    Ok(())
}

fn is_empty(data: &SessionData) -> bool {
    *data == SessionData { until_closed: data.until_closed, ..SessionData::default() }
}

async fn write(world: &World, seat: &mut Seat) -> Result<(), StoreError> {
    seat.session.data = serde_json::to_value(&seat.data).unwrap_or(Value::Null);
    seat.session.used = world.now();
    let write = SessionWrite { session: &seat.session, token: seat.token.as_deref(), end_others: seat.end_others };
    // A session that was ended meanwhile stays ended.
    seat.stored = world.store().put_session(&write).await?;
    seat.end_others = false;
    Ok(())
}
