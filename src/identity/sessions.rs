//! Opening, keeping and ending browser sessions.
//!
//! A session begins without anybody in it. [`sign_in`] puts a person into it and rotates the cookie, so that nobody who
//! knew the cookie before is signed in with them; [`sign_out`] ends it. Whether a session still counts is looked up at
//! every request, so that an end by anybody in any process holds from the next request on.

use std::{net::IpAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    person::Person,
    visit::{Seat, SessionData, Visit},
    world::World,
};
use crate::store::{Session, SessionWrite, StoreError};

/// How long a session lasts in which nobody is signed in, in microseconds.
const ANONYMOUS: i64 = 24 * HOUR;
/// How long a session lasts that ends with the browser, in microseconds: the server does not see a browser close.
const UNTIL_CLOSED: i64 = 12 * HOUR;
/// How long such a session lasts without being used.
const IDLE: i64 = 2 * HOUR;
/// How often it is written that a session was used, in microseconds.
const TOUCH: i64 = 60_000_000;
const HOUR: i64 = 3_600_000_000;

/// How somebody signs in.
#[derive(Clone, Debug, Default)]
pub struct SignIn {
    /// `auth_method` of the flow.
    pub method: String,
    /// `auth_method_args` of the flow.
    pub method_args: Map<String, Value>,
    /// `user_backend` of the flow.
    pub backend: String,
    /// How long the session lasts, in microseconds; zero, or less, for one that ends with the browser.
    pub lasts: i64,
    /// `network_binding` of the login stage.
    pub network_binding: String,
    /// `geoip_binding` of the login stage.
    pub geoip_binding: String,
    /// Whether the person's other sessions end.
    pub end_others: bool,
}

/// A secret of 256 bits as text, as it goes into cookies and links.
///
/// # Errors
/// When the system gives no random bytes.
pub fn secret_text() -> Result<String, StoreError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Seal(crate::store::KeyError::Randomness(error)))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What a cookie opened.
#[derive(Debug)]
pub struct Opened {
    /// The session, or a new one.
    pub seat: Seat,
    /// The person whose session was ended just now because it moved to another address.
    pub moved: Option<Moved>,
}

/// A session that was ended because it is bound to where it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Whose session it was.
    pub person: Option<uuid::Uuid>,
    /// Address that it was used from until now.
    pub before: IpAddr,
    /// Address that it was used from this time.
    pub now: IpAddr,
}

/// The session of a cookie, or a new one that is not stored yet. A person who is gone or not active any more is not signed
/// in, whatever the session says; nor is one who is impersonated once the impersonator is.
///
/// # Errors
/// When the database fails.
pub async fn open(world: &World, cookie: Option<&str>, client: IpAddr, user_agent: &str) -> Result<Opened, StoreError> {
    let now = world.now();
    let fresh = || Seat::new(now, now.saturating_add(ANONYMOUS));
    let nobody = || Opened { seat: fresh(), moved: None };
    let Some(cookie) = cookie else { return Ok(nobody()) };
    let Some(session) = world.store().session(cookie, now).await? else { return Ok(nobody()) };
    let Ok(mut data) = serde_json::from_value::<SessionData>(session.data.clone()) else {
        tracing::warn!(session = %session.id, "a session cannot be read and counts as ended");
        return Ok(nobody());
    };
    if session.person.is_none() {
        let seat = Seat { session, data, known: Some(cookie.to_owned()), stored: true, ..fresh() };
        return Ok(Opened { seat, moved: None });
    }
    if data.until_closed && now.saturating_sub(session.used) > IDLE {
        return Ok(nobody());
    }
    let Some(person) = sitting(world, &session, &data).await? else { return Ok(nobody()) };
    if let Some(before) = data.address.filter(|before| *before != client) {
        // Where an address lies is not known here, so any change of address breaks the binding.
        let bound = |binding: &str| !matches!(binding, "" | "no_binding");
        if bound(&data.network_binding) || bound(&data.geoip_binding) {
            world.store().end_session(session.id).await?;
            let moved = Moved { person: session.person, before, now: client };
            return Ok(Opened { seat: fresh(), moved: Some(moved) });
        }
    }
    data.address = Some(client);
    user_agent.clone_into(&mut data.user_agent);
    let seat = Seat { session, data, person: Some(person), known: Some(cookie.to_owned()), stored: true, ..fresh() };
    Ok(Opened { seat, moved: None })
}

/// Who sits in a stored session: everybody who has to be is active.
async fn sitting(world: &World, session: &Session, data: &SessionData) -> Result<Option<Arc<Person>>, StoreError> {
    let Some(owner) = session.person else { return Ok(None) };
    let Some(owner) = world.person(owner).await?.filter(|person| person.is_active()) else { return Ok(None) };
    match data.impersonated {
        None => Ok(Some(owner)),
        // Who may impersonate may change; the one in whose name things are done may go.
        Some(_) if !owner.is_superuser() => Ok(None),
        Some(person) => Ok(world.person(person).await?.filter(|person| person.is_active())),
    }
}

/// Puts a person into the session and rotates the cookie. What the session held of somebody else is forgotten. It is
/// written at the end of the request, together with the end of the person's other sessions if that is wanted.
///
/// Gives false, and does nothing, when the person is not active.
///
/// # Errors
/// When the database fails or the system gives no random bytes.
pub async fn sign_in(
    world: &World,
    visit: &Visit,
    seat: &mut Seat,
    person: Arc<Person>,
    how: SignIn,
) -> Result<bool, StoreError> {
    if !person.is_active() {
        return Ok(false);
    }
    if seat.ended {
        renew(world, seat);
    }
    let now = world.now();
    let same = seat.session.person.is_none() || seat.session.person == Some(person.id());
    let before = std::mem::take(&mut seat.data);
    let keep = if same {
        before
    } else {
        // The flow that is in progress goes on for the new person.
        let SessionData { query, application, messages, .. } = before;
        SessionData { query, application, messages, ..SessionData::default() }
    };
    seat.data = SessionData {
        csrf: secret_text()?,
        method: how.method,
        method_args: how.method_args,
        backend: how.backend,
        address: Some(visit.client),
        user_agent: visit.user_agent().to_owned(),
        network_binding: how.network_binding,
        geoip_binding: how.geoip_binding,
        until_closed: how.lasts <= 0,
        impersonator: None,
        impersonated: None,
        ..keep
    };
    let lasts = if how.lasts <= 0 { UNTIL_CLOSED } else { how.lasts };
    seat.session.person = Some(person.id());
    seat.session.created = now;
    seat.session.used = now;
    seat.session.expires = now.saturating_add(lasts);
    seat.token = Some(secret_text()?);
    seat.end_others = how.end_others;
    world.store().note_person(person.id(), Some(now), None).await?;
    seat.person = Some(person);
    Ok(true)
}

/// Ends the session, now and whole: with the flow that is in progress in it, and for an impersonator as well. A new one
/// follows when something has to be kept. Gives who was signed in.
///
/// # Errors
/// When the database fails.
pub async fn sign_out(world: &World, seat: &mut Seat) -> Result<Option<Arc<Person>>, StoreError> {
    let Some(person) = seat.person.take() else { return Ok(None) };
    world.store().end_session(seat.session.id).await?;
    let messages = std::mem::take(&mut seat.data.messages);
    let query = std::mem::take(&mut seat.data.query);
    seat.data = SessionData { messages, query, until_closed: true, ..SessionData::default() };
    seat.session.person = None;
    seat.ended = true;
    seat.stored = false;
    seat.known = None;
    seat.token = None;
    seat.end_others = false;
    Ok(Some(person))
}

/// Has the session act as another person, or again as the one whose it is. The cookie is rotated.
///
/// # Errors
/// When the system gives no random bytes.
pub fn act_as(seat: &mut Seat, person: Option<Arc<Person>>, owner: Arc<Person>) -> Result<(), StoreError> {
    seat.data.impersonator = person.as_ref().map(|_| owner.id());
    seat.data.impersonated = person.as_ref().map(|person| person.id());
    seat.data.csrf = secret_text()?;
    seat.token = Some(secret_text()?);
    seat.person = Some(person.unwrap_or(owner));
    Ok(())
}

/// Makes sure that the session is in the database, so that something can be kept for it.
///
/// # Errors
/// When the database fails or the system gives no random bytes.
pub async fn ensure(world: &World, seat: &mut Seat) -> Result<(), StoreError> {
    if seat.stored {
        return Ok(());
    }
    if seat.ended {
        renew(world, seat);
    }
    if seat.token.is_none() {
        seat.token = Some(secret_text()?);
    }
    write(world, seat).await
}

/// A new session in place of one that has ended.
fn renew(world: &World, seat: &mut Seat) {
    let now = world.now();
    let old = std::mem::replace(seat, Seat::new(now, now.saturating_add(ANONYMOUS)));
    seat.data = old.data;
    seat.cookies = old.cookies;
}

/// Writes what the request has changed of its session, once, at its end.
///
/// # Errors
/// When the database fails or the system gives no random bytes.
pub async fn keep(world: &World, seat: &mut Seat) -> Result<(), StoreError> {
    if seat.ended && is_empty(&seat.data) {
        return Ok(());
    }
    if seat.ended {
        renew(world, seat);
    }
    // A token that is known already was written by `ensure`.
    let rotated = seat.token.is_some() && seat.token != seat.known;
    let changed = rotated || serde_json::to_value(&seat.data).unwrap_or_default() != seat.session.data;
    if changed && !seat.stored && !rotated && is_empty(&seat.data) {
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
    let write = SessionWrite {
        session: &seat.session,
        known: seat.known.as_deref(),
        token: seat.token.as_deref(),
        end_others: seat.end_others,
    };
    seat.end_others = false;
    if world.store().put_session(&write).await? {
        seat.stored = true;
        if let Some(token) = &seat.token {
            seat.known = Some(token.clone());
        }
    } else {
        // It was ended or rotated meanwhile, and stays as it is: this request hands out no cookie.
        seat.stored = false;
        seat.token = None;
    }
    Ok(())
}
