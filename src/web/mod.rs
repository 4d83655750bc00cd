//! What the server answers over HTTP.

mod api;
mod body;
mod csrf;
mod flows;
mod hooks;
mod plan;
pub mod proxies;
mod refusal;
pub mod visit;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use self::visit::Site;
use crate::{reconcile::supervisor::Handle, store::Store};

/// All routes. The server hands each connection's peer over as [`axum::extract::ConnectInfo`].
pub fn router(site: Site, sources: Handle) -> Router {
    let (store, registry) = (site.world.store().clone(), site.world.registry().clone());
    Router::new()
        .route("/-/health/live/", get(live))
        .route("/-/health/ready/", get(ready))
        .with_state(store.clone())
        .merge(plan::router(store, registry))
        .merge(hooks::router(sources))
        .merge(people(site))
        .fallback(unknown)
}

/// What people and the clients of flows use.
pub fn people(site: Site) -> Router {
    flows::router().merge(api::router()).with_state(site)
}

/// The process runs.
async fn live() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The process can do its work: the database answers. Names what does not, without saying where it is.
async fn ready(State(store): State<Store>) -> Response {
    match store.check().await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            problem(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "The database does not answer.")
        }
    }
}

async fn unknown() -> Response {
    problem(StatusCode::NOT_FOUND, "not-found", "There is nothing at this address.")
}

/// A problem document (RFC 9457).
fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
    });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}
