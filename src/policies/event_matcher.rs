//! The kind `authentik_policies_event_matcher.eventmatcherpolicy`: passes for chosen events.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    identity::event::EventAction,
    model::{Change, Family, Key, Kind, Report},
};

/// Passes when an event is of the wanted sort; for notification rules. Criteria that are left out are not looked at.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventMatcherPolicy {
    /// Name of the policy, unique among all policies.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Writes an event for every run; without it only failures leave one.
    pub execution_logging: bool,
    /// What happened.
    pub action: Option<EventAction>,
    /// Address that the request came from, compared letter by letter; for networks use an expression policy.
    #[schemars(length(min = 1))]
    pub client_ip: Option<String>,
    /// Part of the system in which it happened.
    pub app: Option<AppName>,
    /// Kind of the object that the event is about, as in `authentik_core.user`.
    pub model: Option<KindName>,
}

impl Kind for EventMatcherPolicy {
    const NAME: &'static str = "authentik_policies_event_matcher.eventmatcherpolicy";
    const TITLE: &'static str = "Event matcher policy";
    const FAMILIES: &'static [Family] = &[Family::Policy];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Policy)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const CHANGES: &'static [Change] = &[
        Change::Converted {
            field: "action",
            release: "2023.3",
            convert: empty_to_null,
            shape: || json!({ "const": "" }),
        },
        Change::Converted {
            field: "client_ip",
            release: "2023.3",
            convert: empty_to_null,
            shape: || json!({ "const": "" }),
        },
        Change::Converted { field: "app", release: "2023.3", convert: empty_to_null, shape: || json!({ "const": "" }) },
    ];
    const READ_ONLY: &'static [&'static str] = &["bound_to"];

    fn check(&self, report: &mut Report) {
        if self.action.is_none() && self.client_ip.is_none() && self.app.is_none() && self.model.is_none() {
            report.error(
                "action",
                "the policy has nothing to match; set at least one of action, client_ip, app and model",
            );
        }
    }
}

/// A criterion that is not set was an empty text before it was null.
fn empty_to_null(value: &Value) -> Option<Value> {
    (value == "").then_some(Value::Null)
}

/// Part of the system that writes events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AppName(pub String);

impl JsonSchema for AppName {
    fn schema_name() -> Cow<'static, str> {
        "AppName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": APPS })
    }
}

/// Name of a kind, as blueprints write it. Any well-formed name will do, so that kinds of other releases can be
/// matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct KindName(#[schemars(regex(pattern = r"^authentik_[a-z0-9_]+\.[a-z0-9]+$"))] pub String);

/// The parts of 2024.6 and those that later releases added.
const APPS: &[&str] = &[
    "authentik.admin",
    "authentik.api",
    "authentik.blueprints",
    "authentik.brands",
    "authentik.core",
    "authentik.crypto",
    "authentik.enterprise",
    "authentik.enterprise.audit",
    "authentik.enterprise.policies.unique_password",
    "authentik.enterprise.providers.google_workspace",
    "authentik.enterprise.providers.microsoft_entra",
    "authentik.enterprise.providers.rac",
    "authentik.enterprise.providers.ssf",
    "authentik.enterprise.stages.authenticator_endpoint_gdtc",
    "authentik.enterprise.stages.mtls",
    "authentik.enterprise.stages.source",
    "authentik.events",
    "authentik.flows",
    "authentik.outposts",
    "authentik.policies",
    "authentik.policies.dummy",
    "authentik.policies.event_matcher",
    "authentik.policies.expiry",
    "authentik.policies.expression",
    "authentik.policies.geoip",
    "authentik.policies.password",
    "authentik.policies.reputation",
    "authentik.providers.ldap",
    "authentik.providers.oauth2",
    "authentik.providers.proxy",
    "authentik.providers.rac",
    "authentik.providers.radius",
    "authentik.providers.saml",
    "authentik.providers.scim",
    "authentik.rbac",
    "authentik.recovery",
    "authentik.sources.kerberos",
    "authentik.sources.ldap",
    "authentik.sources.oauth",
    "authentik.sources.plex",
    "authentik.sources.saml",
    "authentik.sources.scim",
    "authentik.stages.authenticator",
    "authentik.stages.authenticator_duo",
    "authentik.stages.authenticator_email",
    "authentik.stages.authenticator_sms",
    "authentik.stages.authenticator_static",
    "authentik.stages.authenticator_totp",
    "authentik.stages.authenticator_validate",
    "authentik.stages.authenticator_webauthn",
    "authentik.stages.captcha",
    "authentik.stages.consent",
    "authentik.stages.deny",
    "authentik.stages.dummy",
    "authentik.stages.email",
    "authentik.stages.identification",
    "authentik.stages.invitation",
    "authentik.stages.password",
    "authentik.stages.prompt",
    "authentik.stages.redirect",
    "authentik.stages.user_delete",
    "authentik.stages.user_login",
    "authentik.stages.user_logout",
    "authentik.stages.user_write",
    "authentik.tasks",
    "authentik.tasks.schedules",
    "authentik.tenants",
];
