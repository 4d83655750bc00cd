//! The kind `authentik_sources_kerberos.userkerberossourceconnection`: a user's account at a Kerberos source (2024.10).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference, Residency};

/// Says which account at a Kerberos source belongs to a user; whoever signs in there with it is this user.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserKerberosSourceConnection {
    /// The user. The connection is deleted with the user.
    pub user: Ref,
    /// The source; read-only until 2024.10. The connection is deleted with it.
    pub source: Ref,
    /// The principal, as `user@REALM`.
    #[schemars(length(min = 1))]
    pub identifier: String,
}

impl Kind for UserKerberosSourceConnection {
    const NAME: &'static str = "authentik_sources_kerberos.userkerberossourceconnection";
    const TITLE: &'static str = "User Kerberos source connection";
    const FAMILIES: &'static [Family] = &[Family::UserSourceConnection];
    const KEYS: &'static [Key] = &[Key::of(&["user", "source"])];
    const REQUIRED: &'static [&'static str] = &["user", "source", "identifier"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("user", "authentik_core.user").cascade(),
        Reference::one("source", "authentik_sources_kerberos.kerberossource").cascade(),
    ];
    const READ_ONLY: &'static [&'static str] = &["source_obj", "icon", "created", "last_updated"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
}
