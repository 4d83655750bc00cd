//! Requests that have a source of blueprints looked at: `POST /hooks/{source}`.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};

use super::problem;
use crate::reconcile::{
    hooks::{self, MAX_BODY},
    supervisor::{Handle, Hook},
    trigger::Trigger,
};

/// The routes.
pub fn router(sources: Handle) -> Router {
    Router::new().route("/hooks/{*source}", post(hook)).with_state(sources)
}

/// Answers 202 when the source will be looked at. Whether a source exists is told only to those who know its secret.
async fn hook(State(sources): State<Handle>, Path(source): Path<String>, headers: HeaderMap, body: Body) -> Response {
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is larger than 1 MiB.");
    };
    let refused = || problem(StatusCode::FORBIDDEN, "refused", "The request is not signed as this source demands.");
    let source = source.trim_end_matches('/');
    let Hook::Secret(secret) = sources.hook(source) else { return refused() };
    match hooks::verify(&headers, &body, secret.expose()) {
        Ok(hook) => {
            if hook.is_trigger() {
                sources.trigger(source, Trigger::Hook { by: hook.proof.to_owned() }).await;
            }
            StatusCode::ACCEPTED.into_response()
        }
        Err(error) => {
            tracing::warn!(source, %error, "a request to the hook was refused");
            refused()
        }
    }
}
