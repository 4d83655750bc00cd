//! The kind `authentik_flows.flow`: a named sequence of stages that a person walks through.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// A flow: stages in an order, with policies that say who may walk through it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Flow {
    /// Shown in lists of the administration pages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Part of the flow's URL, `/if/flow/<slug>/`.
    #[schemars(length(min = 1, max = 50), regex(pattern = "^[-a-zA-Z0-9_]+$"))]
    pub slug: String,
    /// Heading of the flow's pages.
    #[schemars(length(min = 1))]
    pub title: String,
    /// What the flow is for.
    pub designation: Designation,
    /// Background picture of the pages: a URL or a path below the static files.
    pub background: Option<String>,
    /// Whether all bound policies must pass or any one.
    pub policy_engine_mode: crate::policies::EngineMode,
    /// Renders plain form fields, for password managers that do not see into components.
    pub compatibility_mode: bool,
    /// Arrangement of the pages.
    pub layout: Layout,
    /// What a person sees whom the policies refuse.
    pub denied_action: DeniedAction,
    /// Who may start the flow.
    pub authentication: Authentication,
}

impl Default for Flow {
    fn default() -> Self {
        Flow {
            name: String::new(),
            slug: String::new(),
            title: String::new(),
            designation: Designation::Authentication,
            background: None,
            policy_engine_mode: Default::default(),
            compatibility_mode: false,
            layout: Layout::Stacked,
            denied_action: DeniedAction::MessageContinue,
            authentication: Authentication::None,
        }
    }
}

impl Kind for Flow {
    const NAME: &'static str = "authentik_flows.flow";
    const TITLE: &'static str = "Flow";
    const FAMILIES: &'static [Family] = &[Family::BindingTarget];
    const KEYS: &'static [Key] = &[Key::of(&["slug"])];
    const REQUIRED: &'static [&'static str] = &["name", "slug", "title", "designation"];
    const READ_ONLY: &'static [&'static str] = &["stages", "policies", "cache_count", "export_url"];
}

/// What a flow is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Designation {
    Authentication,
    Authorization,
    Invalidation,
    Enrollment,
    Unenrollment,
    Recovery,
    StageConfiguration,
}

/// Arrangement of a flow's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Layout {
    Stacked,
    ContentLeft,
    ContentRight,
    SidebarLeft,
    SidebarRight,
}

/// What a person sees whom a flow's policies refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeniedAction {
    /// Goes on to `?next=` if there is one, otherwise shows the message.
    MessageContinue,
    /// Always shows the message.
    Message,
    /// Goes on to `?next=`, otherwise to the default page.
    Continue,
}

/// Who may start a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Authentication {
    None,
    RequireAuthenticated,
    RequireUnauthenticated,
    RequireSuperuser,
    RequireOutpost,
}
