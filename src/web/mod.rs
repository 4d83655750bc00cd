//! What the server answers over HTTP.

mod hooks;
mod plan;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use crate::{model::Registry, reconcile::supervisor::Handle, store::Store};

/// All routes.
pub fn router(store: Store, registry: Arc<Registry>, sources: Handle) -> Router {
    Router::new()
        .route("/-/health/live/", get(live))
        .route("/-/health/ready/", get(ready))
        .with_state(store.clone())
        .merge(plan::router(store, registry))
        .merge(hooks::router(sources))
        .fallback(unknown)
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
