//! What everybody may know of the server: its brand, and what it can do.

use axum::{http::StatusCode, response::Response};
use serde_json::{Map, Value, json};

use crate::{
    identity::brand::Brand,
    model::Object,
    web::{
        refusal::{Refusal, json_answer},
        visit::Call,
    },
};

/// `root/config/`: what the server can do. It reports errors to nobody and has no caches that time out.
pub async fn config(_call: &mut Call) -> Result<Response, Refusal> {
    let config = json!({
        "error_reporting": {
            "enabled": false,
            "sentry_dsn": "",
            "environment": "",
            "send_pii": false,
            "traces_sample_rate": 0.0,
        },
        "capabilities": ["can_impersonate"],
        "cache_timeout": 0,
        "cache_timeout_flows": 0,
        "cache_timeout_policies": 0,
        "cache_timeout_reputation": 0,
    });
    Ok(json_answer(StatusCode::OK, &config))
}

/// `core/brands/current/`: looks and flows of the host.
pub async fn current_brand(call: &mut Call) -> Result<Response, Refusal> {
    let model = call.site.world.model().await?;
    let brand = call.visit.brand.as_deref();
    let plain = Brand::default();
    let text = |field: &str, otherwise: &str| brand.and_then(|brand| brand.text(field)).unwrap_or(otherwise.to_owned());
    let mut shown = Map::new();
    let mut put = |field: &str, value: Value| {
        shown.insert(field.to_owned(), value);
    };
    put("matched_domain", json!(text("domain", "fallback")));
    put("branding_title", json!(text("branding_title", &plain.branding_title)));
    put("branding_logo", json!(text("branding_logo", &plain.branding_logo)));
    put("branding_favicon", json!(text("branding_favicon", &plain.branding_favicon)));
    put("ui_footer_links", json!([]));
    let theme = setting(brand, "/settings/theme/base").filter(|theme| ["light", "dark"].contains(theme));
    put("ui_theme", json!(theme.unwrap_or("automatic")));
    for field in [
        "flow_authentication",
        "flow_invalidation",
        "flow_recovery",
        "flow_unenrollment",
        "flow_user_settings",
        "flow_device_code",
    ] {
        if let Some(flow) = call.visit.brand_target(field).and_then(|id| model.known(id)) {
            put(field, json!(flow.text("slug")));
        }
    }
    put("default_locale", json!(setting(brand, "/settings/locale").unwrap_or_default()));
    Ok(json_answer(StatusCode::OK, &Value::Object(shown)))
}

/// A text among the brand's free settings.
fn setting<'b>(brand: Option<&'b Object>, pointer: &str) -> Option<&'b str> {
    brand?.attrs.get("attributes")?.pointer(pointer)?.as_str()
}
