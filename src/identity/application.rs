//! The kind `authentik_core.application`: something that people sign in to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EngineMode;
use crate::model::{Family, Key, Kind, Ref, Reference, Report};

/// Something that people sign in to: an entry in their overview, the provider that speaks its protocol, and the
/// bindings that say who may use it. Without bindings everybody may.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Application {
    /// Name that people see.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Part of the application's URLs, those of its provider included; changing it changes the addresses that the
    /// other side has configured.
    #[schemars(length(min = 1, max = 50), regex(pattern = "^[-a-zA-Z0-9_]+$"))]
    pub slug: String,
    /// Provider through which people sign in. A provider serves at most one application.
    pub provider: Option<Ref>,
    /// Providers that work behind the scenes for the application, such as a SCIM or LDAP provider.
    pub backchannel_providers: Vec<Ref>,
    /// Opens the application in a new browser tab.
    pub open_in_new_tab: bool,
    /// Where the overview sends people; empty to ask the provider. `%(username)s` and other fields of the user are
    /// filled in. `blank://blank` hides the application from the overview without taking access away.
    pub meta_launch_url: String,
    /// Text below the name in the overview.
    pub meta_description: String,
    /// Who makes or runs the application, shown in the overview.
    pub meta_publisher: String,
    /// Whether all bindings must pass or any one.
    pub policy_engine_mode: EngineMode,
    /// Heading under which the overview lists the application; empty for none.
    pub group: String,
    /// Picture in the overview: a URL, or a path below the static or media files.
    #[schemars(length(min = 1))]
    pub icon: Option<String>,
}

impl Kind for Application {
    const NAME: &'static str = "authentik_core.application";
    const TITLE: &'static str = "Application";
    const FAMILIES: &'static [Family] = &[Family::BindingTarget];
    const KEYS: &'static [Key] = &[Key::of(&["slug"])];
    const REQUIRED: &'static [&'static str] = &["name", "slug"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("provider", "authentik_core.provider").exclusive(),
        Reference::many("backchannel_providers", "authentik_core.provider").exclusive(),
    ];
    const READ_ONLY: &'static [&'static str] =
        &["provider_obj", "backchannel_providers_obj", "launch_url", "meta_icon", "meta_icon_url"];

    fn check(&self, report: &mut Report) {
        // Browsers drop white space and control characters before they look for the scheme.
        let url = self.meta_launch_url.chars().filter(|letter| !letter.is_whitespace() && !letter.is_control());
        let url = url.collect::<String>().to_ascii_lowercase();
        if let Some((scheme @ ("javascript" | "data" | "vbscript"), _)) = url.split_once(':') {
            let problem = format!("an address that begins with {scheme}: would run a script in the overview");
            report.error("meta_launch_url", format!("{problem}; give the application's address"));
        }
        if self.provider.is_some_and(|provider| self.backchannel_providers.contains(&provider)) {
            report.error(
                "backchannel_providers",
                "lists the application's own provider; name it in one of the two fields",
            );
        }
    }
}
