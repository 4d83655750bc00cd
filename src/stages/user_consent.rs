//! The kind `authentik_stages_consent.userconsent`: what a user agreed to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Ref, Reference, Residency};

/// A user's consent that an application receives certain data.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserConsent {
    /// Moment after which the user is asked again, RFC 3339; without meaning unless `expiring` is set.
    #[schemars(extend("format" = "date-time"))]
    pub expires: Option<String>,
    /// Whether the consent ends at the time in `expires`.
    pub expiring: bool,
    /// User who agreed.
    pub user: Ref,
    /// Application that the consent is for.
    pub application: Ref,
    /// Identifiers of what was agreed to, separated by spaces. A request for anything else asks again.
    pub permissions: String,
}

impl Default for UserConsent {
    fn default() -> Self {
        UserConsent {
            expires: None,
            expiring: true,
            user: Ref::default(),
            application: Ref::default(),
            permissions: String::new(),
        }
    }
}

impl Kind for UserConsent {
    const NAME: &'static str = "authentik_stages_consent.userconsent";
    const TITLE: &'static str = "User consent";
    const KEYS: &'static [Key] = &[Key::of(&["user", "application", "permissions"])];
    const REQUIRED: &'static [&'static str] = &["user", "application"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("user", "authentik_core.user").cascade(),
        Reference::one("application", "authentik_core.application").cascade(),
    ];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
    const NOT_CREATABLE: Option<&'static str> = Some("only the user can consent, in a flow");
}
