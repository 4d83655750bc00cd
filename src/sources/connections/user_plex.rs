//! The kind `authentik_sources_plex.plexsourceconnection`: a user's account at a Plex source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference, Residency, SecretText};

/// Says which account at a Plex source belongs to a user; whoever signs in there with it is this user.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserPlexSourceConnection {
    /// The user. The connection is deleted with the user.
    pub user: Ref,
    /// The source; read-only until 2024.10. The connection is deleted with it.
    pub source: Ref,
    /// Number of the Plex account.
    #[schemars(length(min = 1))]
    pub identifier: String,
    /// Token of the user's Plex account, by which the connection is checked now and then.
    #[schemars(length(min = 1))]
    pub plex_token: SecretText,
}

impl Kind for UserPlexSourceConnection {
    const NAME: &'static str = "authentik_sources_plex.plexsourceconnection";
    const TITLE: &'static str = "User Plex source connection";
    const ALIASES: &'static [&'static str] = &["authentik_sources_plex.userplexsourceconnection"];
    const FAMILIES: &'static [Family] = &[Family::UserSourceConnection];
    const KEYS: &'static [Key] = &[Key::of(&["user", "source"])];
    const REQUIRED: &'static [&'static str] = &["user", "source", "identifier", "plex_token"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("user", "authentik_core.user").cascade(),
        Reference::one("source", "authentik_sources_plex.plexsource").cascade(),
    ];
    const READ_ONLY: &'static [&'static str] = &["source_obj", "icon", "created", "last_updated"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
}
