//! Answers under `/api/v3/` that are not what was asked for, in the shapes that clients of the reference know.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::store::StoreError;

/// Why a request is not answered as it wants.
#[derive(Debug)]
pub enum Refusal {
    /// The body or a parameter is malformed.
    BadRequest(String),
    /// Fields do not hold what they should: the errors by field.
    Invalid(Value),
    /// Nobody has said who they are, or not in a way that is understood, or they may not.
    Forbidden(String),
    /// The request may not do what it asks for.
    Denied,
    /// It is not there, or not for whom asks.
    NotFound,
    /// A page of a list that is not there.
    NoPage,
    /// The method means nothing here; these do.
    Method(String, &'static str),
    /// The body is larger than is read.
    TooLarge,
    /// The body is of a type that is not understood.
    MediaType(String),
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::Store(error)
    }
}

/// What is said to those who did not say who they are.
pub const NO_CREDENTIALS: &str = "Authentication credentials were not provided.";

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let detail = |status: StatusCode, text: &str| json_answer(status, &json!({ "detail": text }));
        match self {
            Refusal::BadRequest(text) => detail(StatusCode::BAD_REQUEST, &text),
            Refusal::Invalid(errors) => json_answer(StatusCode::BAD_REQUEST, &errors),
            Refusal::Forbidden(text) => detail(StatusCode::FORBIDDEN, &text),
            Refusal::Denied => StatusCode::UNAUTHORIZED.into_response(),
            Refusal::NotFound => detail(StatusCode::NOT_FOUND, "Not found."),
            Refusal::NoPage => detail(StatusCode::NOT_FOUND, "Invalid page."),
            Refusal::Method(method, allow) => {
                let mut answer = detail(StatusCode::METHOD_NOT_ALLOWED, &format!("Method \"{method}\" not allowed."));
                answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
                answer
            }
            Refusal::TooLarge => detail(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."),
            Refusal::MediaType(written) => {
                detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, &format!("Unsupported media type \"{written}\" in request."))
            }
            Refusal::Store(error) => {
                tracing::error!(%error, "a request could not be answered");
                detail(StatusCode::SERVICE_UNAVAILABLE, "The server cannot do this now; try again later.")
            }
        }
    }
}

/// An answer in JSON.
pub fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
