//! The kind `authentik_sources_saml.groupsamlsourceconnection`: a group's counterpart at an SAML source (2024.8).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference, Residency};

/// Says which group at an SAML source a group stands for.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GroupSamlSourceConnection {
    /// The group. The connection is deleted with it.
    pub group: Ref,
    /// The source. The connection is deleted with it.
    pub source: Ref,
    /// What the identity provider identifies the group by.
    #[schemars(length(min = 1))]
    pub identifier: String,
}

impl Kind for GroupSamlSourceConnection {
    const NAME: &'static str = "authentik_sources_saml.groupsamlsourceconnection";
    const TITLE: &'static str = "Group SAML source connection";
    const FAMILIES: &'static [Family] = &[Family::GroupSourceConnection];
    const KEYS: &'static [Key] = &[Key::of(&["group", "source"])];
    const REQUIRED: &'static [&'static str] = &["group", "source", "identifier"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("group", "authentik_core.group").cascade(),
        Reference::one("source", "authentik_sources_saml.samlsource").cascade(),
    ];
    const READ_ONLY: &'static [&'static str] = &["source_obj", "icon", "created", "last_updated"];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
}
