//! The kind `authentik_events.event`: something that happened.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::check_timestamp;
use crate::model::{Change, Key, Kind, Report, Residency};

/// Something that happened, kept for audit. The server writes events; a blueprint has no natural name for one, so an
/// entry can address an existing event by its `pk` only.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Event {
    /// Who did it: `pk`, `username` and `email`.
    pub user: Map<String, Value>,
    /// What happened.
    pub action: EventAction,
    /// Part of the system in which it happened, as a dotted module name.
    #[schemars(length(min = 1))]
    pub app: String,
    /// Details; which ones depends on the action.
    pub context: Map<String, Value>,
    /// Address that the request came from.
    #[schemars(length(min = 1))]
    pub client_ip: Option<String>,
    /// Point in time, as `2030-12-31T23:59:59Z`, from which the event may be deleted. Left out, the system's retention
    /// time counts from now.
    pub expires: Option<String>,
    /// Brand under which it happened.
    pub brand: Map<String, Value>,
}

impl Default for Event {
    fn default() -> Self {
        Event {
            user: Map::new(),
            action: EventAction::Custom,
            app: String::new(),
            context: Map::new(),
            client_ip: None,
            expires: None,
            brand: Map::new(),
        }
    }
}

impl Kind for Event {
    const NAME: &'static str = "authentik_events.event";
    const TITLE: &'static str = "Event";
    const KEYS: &'static [Key] = &[];
    const REQUIRED: &'static [&'static str] = &["action", "app"];
    const CHANGES: &'static [Change] = &[Change::Renamed { from: "tenant", to: "brand", release: "2023.3" }];
    const READ_ONLY: &'static [&'static str] = &["created"];
    const RESIDENCY: Residency = Residency::Paged;

    fn check(&self, report: &mut Report) {
        check_timestamp(report, "expires", self.expires.as_deref());
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventAction {
    /// Someone signed in.
    Login,
    /// A sign-in failed.
    LoginFailed,
    /// Someone signed out.
    Logout,
    /// A flow created or changed a user.
    UserWrite,
    /// A request that no honest client would make.
    SuspiciousRequest,
    /// A password was set.
    PasswordSet,
    /// A secret was shown to someone.
    SecretView,
    /// A secret was replaced by a new one.
    SecretRotate,
    /// An invitation was used.
    InvitationUsed,
    /// Someone signed in to an application.
    AuthorizeApplication,
    /// A user was linked to an account at a source.
    SourceLinked,
    /// An administrator began to act as another user.
    ImpersonationStarted,
    /// An administrator stopped acting as another user.
    ImpersonationEnded,
    /// A flow was started.
    FlowExecution,
    /// A policy ran that logs its runs.
    PolicyExecution,
    /// A policy failed to run.
    PolicyException,
    /// A property mapping failed to run.
    PropertyMappingException,
    /// A background task ended.
    SystemTaskExecution,
    /// A background task failed.
    SystemTaskException,
    /// The server failed.
    SystemException,
    /// Something is configured wrongly.
    ConfigurationError,
    /// An object was created.
    ModelCreated,
    /// An object was changed.
    ModelUpdated,
    /// An object was deleted.
    ModelDeleted,
    /// A mail was sent.
    EmailSent,
    /// A newer release exists.
    UpdateAvailable,
    /// Written by an expression, under a name of its own.
    #[serde(rename = "custom_")]
    Custom,
}
