//! The REST API, as far as clients of flows and people about themselves need it.

mod accounts;
mod devices;
mod list;
pub(super) mod represent;
mod sessions;
mod site;
mod user_agent;

use axum::Router;

use super::visit::{Site, api, resource};

/// The methods of what is only read.
const READ: &str = "GET, HEAD, OPTIONS";
/// The methods of what is read and ended.
const READ_OR_END: &str = "GET, DELETE, HEAD, OPTIONS";

/// The routes.
pub fn router() -> Router<Site> {
    let routes = Router::new()
        .route("/root/config/", resource(api(READ), |call| Box::pin(site::config(call))))
        .route("/core/brands/current/", resource(api(READ), |call| Box::pin(site::current_brand(call))))
        .route("/core/users/me/", resource(api(READ), |call| Box::pin(accounts::me(call))))
        .route(
            "/core/users/{id}/impersonate/",
            resource(api("POST, OPTIONS"), |call| Box::pin(accounts::impersonate(call))),
        )
        .route("/core/users/impersonate_end/", resource(api(READ), |call| Box::pin(accounts::impersonate_end(call))))
        .route("/core/tokens/", resource(api(READ), |call| Box::pin(accounts::tokens(call))))
        .route("/core/user_consent/", resource(api(READ), |call| Box::pin(accounts::consents(call))))
        .route("/core/user_consent/{id}/", resource(api(READ_OR_END), |call| Box::pin(accounts::consent(call))))
        .route("/core/authenticated_sessions/", resource(api(READ), |call| Box::pin(sessions::list(call))))
        .route(
            "/core/authenticated_sessions/{uuid}/",
            resource(api(READ_OR_END), |call| Box::pin(sessions::session(call))),
        )
        .route("/authenticators/all/", resource(api(READ), |call| Box::pin(devices::all(call))))
        .route("/stages/all/user_settings/", resource(api(READ), |call| Box::pin(devices::user_settings(call))));
    Router::new().nest("/api/v3", routes)
}
