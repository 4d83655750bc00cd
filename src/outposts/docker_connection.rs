//! The kind `authentik_outposts.dockerserviceconnection`: a Docker engine that outposts run on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference};

/// How to reach a Docker engine on which outposts are to run.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DockerConnection {
    /// Name by which outposts and people choose the connection, unique.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Uses the engine of the machine that the server runs on.
    pub local: bool,
    /// URL of the engine: `unix:///var/run/docker.sock`, `https://host:2376` or `ssh://user@host`.
    #[schemars(length(min = 1))]
    pub url: String,
    /// Certificate of the authority by which the engine is recognized. It cannot be deleted while it is named here.
    pub tls_verification: Option<Ref>,
    /// Certificate and key that we present to the engine; with `ssh://` the private key.
    pub tls_authentication: Option<Ref>,
}

impl Kind for DockerConnection {
    const NAME: &'static str = "authentik_outposts.dockerserviceconnection";
    const TITLE: &'static str = "Docker connection";
    const FAMILIES: &'static [Family] = &[Family::OutpostConnection];
    const KEYS: &'static [Key] = &[Key::of(&["name"])];
    const REQUIRED: &'static [&'static str] = &["name", "url"];
    const REFERENCES: &'static [Reference] = &[
        // Clearing would silently accept any engine.
        Reference::one("tls_verification", "authentik_crypto.certificatekeypair").protect(),
        Reference::one("tls_authentication", "authentik_crypto.certificatekeypair"),
    ];
}
