//! The kind `authentik_sources_oauth.useroauthsourceconnection`: a user's account at an OAuth source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference, Residency, SecretText};

/// Says which account at an OAuth source belongs to a user; whoever signs in there with it is this user.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserOAuthSourceConnection {
    /// The user. The connection is deleted with the user.
    pub user: Ref,
    /// The source; read-only until 2024.10. The connection is deleted with it.
    pub source: Ref,
    /// What the service identifies the user by, such as the `sub` claim.
    #[schemars(length(min = 1, max = 255))]
    pub identifier: String,
    /// Access token of the last sign-in.
    pub access_token: Option<SecretText>,
}

impl Kind for UserOAuthSourceConnection {
    const NAME: &'static str = "authentik_sources_oauth.useroauthsourceconnection";
    const TITLE: &'static str = "User OAuth source connection";
    const FAMILIES: &'static [Family] = &[Family::UserSourceConnection];
    const KEYS: &'static [Key] = &[Key::of(&["user", "source"])];
    const REQUIRED: &'static [&'static str] = &["user", "source", "identifier"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("user", "authentik_core.user").cascade(),
        Reference::one("source", "authentik_sources_oauth.oauthsource").cascade(),
    ];
    const READ_ONLY: &'static [&'static str] = &["source_obj", "icon", "created", "last_updated"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
}
