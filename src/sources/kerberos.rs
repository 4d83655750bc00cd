//! The kind `authentik_sources_kerberos.kerberossource`: users of a Kerberos realm (2024.10).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GroupMatchingMode, USER_PATH_TEMPLATE, UserMatchingMode};
use crate::{
    model::{Family, Key, Kind, Ref, Reference, Report, SecretText},
    policies::EngineMode,
};

/// Brings in the users of a Kerberos realm: copies them, checks their passwords, or lets a browser sign in with the
/// ticket that it has (SPNEGO).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KerberosSource {
    /// Name that people see, unique among all sources.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Part of the source's URLs, unique among all sources.
    #[schemars(length(min = 1, max = 50), regex(pattern = "^[-a-zA-Z0-9_]+$"))]
    pub slug: String,
    /// Whether the source is in use.
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
    /// The realm, in capitals by custom; unique among Kerberos sources.
    #[schemars(length(min = 1))]
    pub realm: String,
    /// Text of a `krb5.conf` for this realm; empty uses the machine's own.
    pub krb5_conf: String,
    /// Make of the realm's administration server.
    pub kadmin_type: KadminType,
    /// Copies the realm's principals as users.
    pub sync_users: bool,
    /// Writes a password that is changed here back to the realm.
    pub sync_users_password: bool,
    /// Principal that signs in at the administration server.
    pub sync_principal: String,
    /// Password of `sync_principal`.
    pub sync_password: SecretText,
    /// Keytab of `sync_principal`: Base64, or `TYPE:residual` as in `FILE:/etc/krb5.keytab`.
    pub sync_keytab: SecretText,
    /// Credentials cache of `sync_principal`, as `TYPE:residual`.
    pub sync_ccache: String,
    /// Service name that a browser's ticket must be for, as `HTTP@host`; empty accepts any in the keytab.
    pub spnego_server_name: String,
    /// Keytab of the service for SPNEGO: Base64, or `TYPE:residual`.
    pub spnego_keytab: SecretText,
    /// Credentials cache of the service for SPNEGO, as `TYPE:residual`.
    pub spnego_ccache: String,
    /// Keeps a hash of a password that the realm accepted, so that the user can sign in while the realm is away.
    pub password_login_update_internal_password: bool,
}

impl Default for KerberosSource {
    fn default() -> Self {
        KerberosSource {
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
            realm: String::new(),
            krb5_conf: String::new(),
            kadmin_type: KadminType::Other,
            sync_users: false,
            sync_users_password: true,
            sync_principal: String::new(),
            sync_password: SecretText::default(),
            sync_keytab: SecretText::default(),
            sync_ccache: String::new(),
            spnego_server_name: String::new(),
            spnego_keytab: SecretText::default(),
            spnego_ccache: String::new(),
            password_login_update_internal_password: false,
        }
    }
}

impl Kind for KerberosSource {
    const NAME: &'static str = "authentik_sources_kerberos.kerberossource";
    const TITLE: &'static str = "Kerberos source";
    const FAMILIES: &'static [Family] = &[Family::Source, Family::BindingTarget];
    const KEYS: &'static [Key] =
        &[Key::in_family(&["slug"], Family::Source), Key::in_family(&["name"], Family::Source), Key::of(&["realm"])];
    const REQUIRED: &'static [&'static str] = &["name", "slug", "realm"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("authentication_flow", "authentik_flows.flow"),
        Reference::one("enrollment_flow", "authentik_flows.flow"),
        Reference::many("user_property_mappings", "authentik_sources_kerberos.kerberossourcepropertymapping"),
        Reference::many("group_property_mappings", "authentik_sources_kerberos.kerberossourcepropertymapping"),
    ];
    const READ_ONLY: &'static [&'static str] = &["managed", "connectivity"];

    fn check(&self, report: &mut Report) {
        if self.sync_users && self.sync_principal.is_empty() {
            report.warn("sync_principal", "is missing; sync_users needs a principal that may list the realm's users");
        }
    }
}

/// Make of a realm's administration server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KadminType {
    /// MIT Kerberos.
    #[serde(rename = "MIT")]
    Mit,
    /// Heimdal.
    Heimdal,
    /// Something else.
    #[serde(rename = "other")]
    Other,
}
