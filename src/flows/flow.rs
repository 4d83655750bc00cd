//! The kind `authentik_flows.flow`: a named sequence of stages that a person walks through.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    model::{Family, Key, Kind},
    policies::EngineMode,
};

/// A flow: stages in an order, with policies that say who may walk through it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Flow {
    /// Shown in lists of the administration pages. Need not be unique.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Part of the flow's URL, `/if/flow/<slug>/`, and unique.
    #[schemars(length(min = 1, max = 50), regex(pattern = "^[-a-zA-Z0-9_]+$"))]
    pub slug: String,
    /// Heading of the flow's pages. `%(app)s` stands for the application that is signed in to,
    /// `%(user)s` for the person.
    #[schemars(length(min = 1))]
    pub title: String,
    /// What the flow is for. Where no flow is named, such as in a brand, one is chosen by its designation.
    pub designation: Designation,
    /// Background picture of the pages: a URL or a path below the static or media files. Without one, the
    /// default picture.
    #[schemars(length(min = 1))]
    pub background: Option<String>,
    /// Whether all bound policies must pass or any one.
    pub policy_engine_mode: EngineMode,
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
            policy_engine_mode: EngineMode::default(),
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
    const READ_ONLY: &'static [&'static str] =
        &["policybindingmodel_ptr_id", "background_url", "stages", "policies", "cache_count", "export_url"];
}

/// What a flow is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Designation {
    /// Signing in.
    Authentication,
    /// Going on to an application.
    Authorization,
    /// Signing out.
    Invalidation,
    /// Getting an account.
    Enrollment,
    /// Giving up an account.
    Unenrollment,
    /// Coming back after a forgotten password.
    Recovery,
    /// Setting up something of one's own: a second factor, a new password, personal details.
    StageConfiguration,
}

/// Arrangement of a flow's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Box in the middle.
    Stacked,
    /// Full-height box on the left.
    ContentLeft,
    /// Full-height box on the right.
    ContentRight,
    /// Narrow bar on the left.
    SidebarLeft,
    /// Narrow bar on the right.
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
pub enum Authentication {
    /// Everybody.
    None,
    /// People who are signed in.
    RequireAuthenticated,
    /// People who are not signed in.
    RequireUnauthenticated,
    /// Superusers who are signed in.
    RequireSuperuser,
    /// People who come from another flow, by a redirect stage (2024.12).
    RequireRedirect,
    /// Outposts that sign people in on their behalf.
    RequireOutpost,
}
