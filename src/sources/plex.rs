//! The kind `authentik_sources_plex.plexsource`: sign-in with a Plex account.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GroupMatchingMode, USER_PATH_TEMPLATE, UserMatchingMode};
use crate::{
    model::{Family, Generated, Key, Kind, Ref, Reference, SecretText},
    policies::EngineMode,
};

/// Lets people sign in with their Plex account if they share a server with the owner or are friends.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlexSource {
    /// Name that people see, unique among all sources.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Part of the source's URLs, unique among all sources.
    #[schemars(length(min = 1, max = 50), regex(pattern = "^[-a-zA-Z0-9_]+$"))]
    pub slug: String,
    /// Whether users can sign in through the source.
    pub enabled: bool,
    /// Flow that signs in a user whom the source knows.
    pub authentication_flow: Option<Ref>,
    /// Flow that enrols somebody new. Without one, people without a user are turned away.
    pub enrollment_flow: Option<Ref>,
    /// Whether all bound policies must pass or any one.
    pub policy_engine_mode: EngineMode,
    /// How the user is found for somebody whom the source does not know yet.
    pub user_matching_mode: UserMatchingMode,
    /// How the group is found for one that the source does not know yet (2024.8).
    pub group_matching_mode: GroupMatchingMode,
    /// Folder of users that the source creates; `%(slug)s` stands for its slug.
    #[schemars(length(min = 1))]
    pub user_path_template: String,
    /// Picture on the sign-in page: a URL or a path below the static files.
    #[schemars(length(min = 1))]
    pub icon: Option<String>,
    /// Mappings that shape users (2024.8).
    pub user_property_mappings: Vec<Ref>,
    /// Mappings that shape groups (2024.8).
    pub group_property_mappings: Vec<Ref>,
    /// Identifier by which this installation names itself to Plex. Generated when left out.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// Identifiers of Plex servers; people with access to one of them may sign in.
    pub allowed_servers: Vec<ServerId>,
    /// Lets in friends of the account that `plex_token` belongs to, whatever servers they have access to.
    pub allow_friends: bool,
    /// Token of the Plex account whose servers and friends count.
    #[schemars(length(min = 1))]
    pub plex_token: SecretText,
}

/// Identifier of a Plex server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ServerId(#[schemars(length(min = 1))] pub String);

impl Default for PlexSource {
    fn default() -> Self {
        PlexSource {
            name: String::new(),
            slug: String::new(),
            enabled: true,
            authentication_flow: None,
            enrollment_flow: None,
            policy_engine_mode: EngineMode::Any,
            user_matching_mode: UserMatchingMode::Identifier,
            group_matching_mode: GroupMatchingMode::Identifier,
            user_path_template: USER_PATH_TEMPLATE.to_owned(),
            icon: None,
            user_property_mappings: Vec::new(),
            group_property_mappings: Vec::new(),
            client_id: String::new(),
            allowed_servers: Vec::new(),
            allow_friends: true,
            plex_token: SecretText::default(),
        }
    }
}

impl Kind for PlexSource {
    const NAME: &'static str = "authentik_sources_plex.plexsource";
    const TITLE: &'static str = "Plex source";
    const FAMILIES: &'static [Family] = &[Family::Source, Family::BindingTarget];
    const KEYS: &'static [Key] =
        &[Key::in_family(&["slug"], Family::Source), Key::in_family(&["name"], Family::Source)];
    const REQUIRED: &'static [&'static str] = &["name", "slug", "plex_token"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("authentication_flow", "authentik_flows.flow"),
        Reference::one("enrollment_flow", "authentik_flows.flow"),
        Reference::many("user_property_mappings", "authentik_sources_plex.plexsourcepropertymapping"),
        Reference::many("group_property_mappings", "authentik_sources_plex.plexsourcepropertymapping"),
    ];
    const GENERATED: &'static [Generated] = &[Generated { field: "client_id", length: 40 }];
    const READ_ONLY: &'static [&'static str] = &["managed"];
}
