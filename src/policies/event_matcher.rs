//! The kind `authentik_policies_event_matcher.eventmatcherpolicy`: passes for chosen events.

use std::borrow::Cow;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::engine::{Policy, PolicyContext, PolicyError, Verdict};
use crate::{
    expression::{self, Handle, Map},
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
        let set = [self.action.is_some(), self.client_ip.is_some(), self.app.is_some(), self.model.is_some()];
        if set.into_iter().filter(|set| *set).count() > 1 {
            report.warn(
                "action",
                "an event passes that fits one of the criteria, as in 2024.6; releases from 2024.10 on want all of them. \
                 To want all, bind a policy for each and set the engine's mode to all",
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

/// Compares the event of the context.
pub(super) struct Behaviour;

#[async_trait]
impl Policy for Behaviour {
    async fn judge(&self, at: &mut PolicyContext<'_, '_>) -> Result<Verdict, PolicyError> {
        let declared: EventMatcherPolicy = at.declared()?;
        Ok(match at.request.context.get("event") {
            Some(expression::Value::Map(event))
            | Some(expression::Value::Handle(Handle { attributes: Some(event), .. })) => declared.compare(event),
            _ => Verdict::silent(false),
        })
    }
}

impl EventMatcherPolicy {
    /// One criterion that matches is enough, as in 2024.6: later releases want all of them, and a rule that was written for
    /// 2024.6 would fall silent if this did. Each criterion that is set has its message, whether it matched or not.
    fn compare(&self, event: &Map) -> Verdict {
        let text = |key: &str| event.get(key).and_then(expression::Value::as_text);
        let action = self.action.and_then(|action| serde_json::to_value(action).ok());
        let model = event.get("context").and_then(|context| context.as_map()?.get("model")?.as_map());
        let model = model.and_then(|model| {
            let part = |key: &str| model.get(key).and_then(expression::Value::as_text);
            Some(format!("{}.{}", part("app")?, part("model_name")?))
        });
        let address = match event.get("client_ip") {
            Some(expression::Value::Address(address)) => Some(address.to_string()),
            _ => text("client_ip").map(str::to_owned),
        };
        let criteria = [
            (action.as_ref().and_then(Value::as_str), text("action").map(str::to_owned), "Action matched."),
            (self.client_ip.as_deref(), address, "Client IP matched."),
            (self.app.as_ref().map(|app| app.0.as_str()), text("app").map(str::to_owned), "App matched."),
            (self.model.as_ref().map(|model| model.0.as_str()), model, "Model matched."),
        ];
        let mut verdict = Verdict::default();
        for (wanted, found, message) in criteria {
            let Some(wanted) = wanted else { continue };
            verdict.passing |= found.as_deref() == Some(wanted);
            verdict.messages.push(message.to_owned());
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_criterion_that_matches_is_enough() {
        let event = json!({
            "action": "login", "app": "authentik.core", "client_ip": "10.0.0.1",
            "context": { "model": { "app": "authentik_core", "model_name": "user" } },
        });
        let Ok(expression::Value::Map(event)) = expression::Value::from_json(event) else { panic!("a map") };
        let table: [(Value, bool, usize); 7] = [
            (json!({ "action": "login" }), true, 1),
            (json!({ "action": "logout" }), false, 1),
            (json!({ "action": "logout", "client_ip": "10.0.0.1" }), true, 2),
            (json!({ "client_ip": "10.0.0.10" }), false, 1),
            (json!({ "model": "authentik_core.user" }), true, 1),
            (json!({ "model": "authentik_core.group", "app": "authentik.core" }), true, 2),
            (json!({ "model": "authentik_core.group", "app": "authentik.api" }), false, 2),
        ];
        for (settings, passing, messages) in table {
            let policy: EventMatcherPolicy = serde_json::from_value(settings.clone()).expect("fits");
            let verdict = policy.compare(&event);
            assert_eq!((verdict.passing, verdict.messages.len()), (passing, messages), "{settings}");
        }
    }
}
