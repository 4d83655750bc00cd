//! Plans against this server that are asked for from elsewhere: `POST /-/plan`. Never writes.
//!
//! The body is a [`Request`] in JSON, the answer an [`Answer`] or a problem document. Whoever asks shows the key of a token
//! (`Authorization: Bearer KEY`) of the intent `api`, of an active superuser: a plan says what is stored, whom it belongs
//! to, and whether a guess at a secret is right, so it is for those who may read and change everything anyway. A key that
//! is wrong, that has expired, and one whose user is inactive or gone are answered alike.
//!
//! Blueprints name variables and files, and these are never this server's: `!Env` and `!File` see what came with the
//! request and nothing else. There is no way from here to the environment or the files of this process: the inputs of such a
//! plan are made from the request alone, without the allow-lists and the keys for encrypted files that the server's own
//! sources have. What did not come is reported as not allowed. What came counts as secret and comes back in no report, and
//! secrets that are stored are shown as in every plan: not at all.
//!
//! What a request may cost is bounded: it is refused before its body is kept when the token is not good; the body has a
//! largest size and a longest time; a few plans are made at once and each for so long. The time is looked at whenever the
//! database is asked for more; between that, the engine's own budgets bound it, and a plan that nobody waits for any more
//! keeps its place among the few until it has ended.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::StreamExt;
use tokio::{
    sync::Semaphore,
    time::{error::Elapsed, timeout},
};

use super::problem;
use crate::{
    base::clock::{Clock, SystemClock},
    identity::bearer::{Bearer, bearer},
    model::Registry,
    reconcile::pull_request::live::{self, Answer, LiveError, MAX_REQUEST, Request},
    store::Store,
};

/// Plans that are made at once. More wait.
const AT_ONCE: usize = 2;

/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(20);

/// How long the body may take.
const BODY: Duration = Duration::from_secs(30);

/// How long a plan may take.
const PLAN: Duration = Duration::from_secs(60);

/// How long the body of a request that is refused is read, so that whoever sends it gets to read the refusal.
const REFUSED_BODY: Duration = Duration::from_secs(5);

/// The longest key that is looked up.
const LONGEST_KEY: usize = 4096;

#[derive(Clone)]
struct Planner {
    store: Store,
    registry: Arc<Registry>,
    turns: Arc<Semaphore>,
}

/// The route.
pub fn router(store: Store, registry: Arc<Registry>) -> Router {
    let planner = Planner { store, registry, turns: Arc::new(Semaphore::new(AT_ONCE)) };
    Router::new().route("/-/plan", post(plan).fallback(wrong_method)).with_state(planner)
}

async fn wrong_method() -> Response {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "method", "Plans are asked for by POST.");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

async fn plan(State(planner): State<Planner>, headers: HeaderMap, body: Body) -> Response {
    match planner.admit(&headers).await {
        Ok(bearer) => planner.serve(bearer, body).await.unwrap_or_else(|refusal| refusal),
        Err(refusal) => {
            let _ = timeout(REFUSED_BODY, receive(body, false)).await;
            refusal
        }
    }
}

/// An answer that is no plan.
type Refusal = Response;

impl Planner {
    /// Who asks, if they may.
    async fn admit(&self, headers: &HeaderMap) -> Result<Bearer, Refusal> {
        let shown = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let Some(key) = shown.and_then(key) else {
            return Err(unauthorized(
                "Bearer realm=\"gatewright\"",
                "Show the key of an API token, as Authorization: Bearer KEY.",
            ));
        };
        match bearer(&self.store, &self.registry, key, SystemClock.now_us()).await {
            Ok(Some(bearer)) if bearer.superuser => Ok(bearer),
            Ok(Some(bearer)) => {
                tracing::warn!(user = bearer.name, "a plan was asked for by a user who is no superuser");
                Err(problem(
                    StatusCode::FORBIDDEN,
                    "forbidden",
                    "Plans are for superusers; the user of this token is none.",
                ))
            }
            Ok(None) => {
                tracing::warn!("a plan was asked for with a token that is not good");
                Err(unauthorized(
                    "Bearer realm=\"gatewright\", error=\"invalid_token\"",
                    "There is no such API token, it has expired, or its user may not sign in.",
                ))
            }
            Err(error) => {
                tracing::error!(%error, "a token cannot be looked up");
                Err(problem(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "The database does not answer."))
            }
        }
    }

    async fn serve(&self, bearer: Bearer, body: Body) -> Result<Response, Refusal> {
        let busy = |_: Elapsed| {
            let mut response =
                problem(StatusCode::SERVICE_UNAVAILABLE, "busy", "Other plans are being made; try again in a minute.");
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            response
        };
        let turn = timeout(TURN, self.turns.clone().acquire_owned()).await.map_err(busy)?;
        let Ok(turn) = turn else { return Err(failed()) };
        let body = match timeout(BODY, receive(body, true)).await {
            Ok(Ok(body)) => body,
            Ok(Err(Broken::TooLarge)) => {
                let detail = format!("A request has at most {} MiB.", MAX_REQUEST >> 20);
                return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "too-large", &detail));
            }
            Ok(Err(Broken::Off)) => return Err(problem(StatusCode::BAD_REQUEST, "broken-off", "The body broke off.")),
            Err(_) => return Err(problem(StatusCode::REQUEST_TIMEOUT, "too-slow", "The body did not come in time.")),
        };
        let Planner { store, registry, .. } = self.clone();
        let runtime = tokio::runtime::Handle::current();
        // Planning computes for long without a pause, so it gets a thread of its own.
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            runtime.block_on(timeout(PLAN, made(&store, &registry, &bearer, &body)))
        });
        match timeout(PLAN, work).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Err(error)) => {
                tracing::error!(%error, "a plan broke off");
                Err(failed())
            }
            Ok(Ok(Err(_))) | Err(_) => {
                Err(problem(StatusCode::SERVICE_UNAVAILABLE, "too-slow", "The plan takes too long to make."))
            }
        }
    }
}

/// The key that a header shows.
fn key(header: &[u8]) -> Option<&str> {
    let (scheme, key) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty() && key.len() <= LONGEST_KEY).then_some(key)
}

fn unauthorized(challenge: &'static str, detail: &str) -> Response {
    let mut response = problem(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

fn failed() -> Response {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "failed", "The plan could not be made; the log of the server says why.")
}

/// Why there is no body.
enum Broken {
    TooLarge,
    Off,
}

/// Receives a body up to the largest size, and keeps it or throws it away.
async fn receive(body: Body, keep: bool) -> Result<Vec<u8>, Broken> {
    let mut stream = body.into_data_stream();
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(part) = stream.next().await {
        let part = part.map_err(|_| Broken::Off)?;
        length += part.len();
        if length > MAX_REQUEST {
            return Err(Broken::TooLarge);
        }
        if keep {
            bytes.extend_from_slice(&part);
        }
    }
    Ok(bytes)
}

/// Makes the plan of a request.
async fn made(store: &Store, registry: &Arc<Registry>, bearer: &Bearer, body: &[u8]) -> Response {
    let malformed = |detail: &str| problem(StatusCode::BAD_REQUEST, "malformed", detail);
    let request: Request = match serde_json::from_slice(body) {
        Ok(request) => request,
        // The words of the parser quote what it stumbled over, which may be a secret.
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            return malformed(&format!(
                "The body is not the JSON of a request for a plan (line {line}, column {column}); is the program that sent \
                 it newer than this server?"
            ));
        }
    };
    let files = request.files.len();
    match live::answer(store, registry, request).await {
        Ok(answer) => {
            tracing::info!(user = bearer.name, files, refused = answer.refused, "made a plan for a request");
            found(&answer)
        }
        Err(error @ (LiveError::Version(_) | LiveError::Malformed(_))) => malformed(&format!("{error}.")),
        Err(LiveError::Drive(error)) => {
            tracing::error!(%error, "a plan cannot be made");
            failed()
        }
    }
}

fn found(answer: &Answer) -> Response {
    match serde_json::to_string(answer) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a plan cannot be written as JSON");
            failed()
        }
    }
}
