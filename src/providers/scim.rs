//! The kind `authentik_providers_scim.scimprovider`: keeps the users and groups of a SCIM service in step with ours.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Family, Key, Kind, Ref, Reference, Report, SecretText};

/// Sends users and groups to a service that speaks SCIM 2.0. Nothing is sent until an application names the provider.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScimProvider {
    /// Name of the provider, unique among all providers.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Mappings that shape users.
    pub property_mappings: Vec<Ref>,
    /// Mappings that shape groups.
    pub property_mappings_group: Vec<Ref>,
    /// Base URL of the service, usually ending in `/v2`; one trailing slash is ignored.
    #[schemars(length(min = 1))]
    pub url: String,
    /// Bearer token that is sent with each request. Needed unless `auth_mode` says otherwise.
    #[schemars(with = "SecretText", length(min = 1))]
    pub token: Option<SecretText>,
    /// Leaves service accounts out.
    pub exclude_users_service_account: bool,
    /// Only direct members of this group are sent; groups are always sent all. The group cannot be deleted while
    /// it is named here, since every user would then be sent.
    pub filter_group: Option<Ref>,
    /// Adapts requests to the habits of a known service (2025.4).
    pub compatibility_mode: CompatibilityMode,
    /// Whether the service's TLS certificate must be valid (2024.10). Without it anyone on the way can read the
    /// directory and the token.
    pub verify_certificates: bool,
    /// Logs each change instead of sending it (2025.4).
    pub dry_run: bool,
    /// How requests are authenticated (2025.10).
    pub auth_mode: AuthMode,
    /// OAuth source from whose token endpoint the bearer token comes when `auth_mode` is `oauth` (2025.10).
    pub auth_oauth: Option<Ref>,
    /// Parameters that are added to the token request when `auth_mode` is `oauth`, or replace our own (2025.10).
    pub auth_oauth_params: Map<String, Value>,
}

impl Default for ScimProvider {
    fn default() -> Self {
        ScimProvider {
            name: String::new(),
            property_mappings: Vec::new(),
            property_mappings_group: Vec::new(),
            url: String::new(),
            token: None,
            exclude_users_service_account: false,
            filter_group: None,
            compatibility_mode: CompatibilityMode::Default,
            verify_certificates: true,
            dry_run: false,
            auth_mode: AuthMode::Token,
            auth_oauth: None,
            auth_oauth_params: Map::new(),
        }
    }
}

impl Kind for ScimProvider {
    const NAME: &'static str = "authentik_providers_scim.scimprovider";
    const TITLE: &'static str = "SCIM provider";
    const FAMILIES: &'static [Family] = &[Family::Provider];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Provider)];
    const REQUIRED: &'static [&'static str] = &["name", "url"];
    const REFERENCES: &'static [Reference] = &[
        Reference::many("property_mappings", "authentik_providers_scim.scimmapping"),
        Reference::many("property_mappings_group", "authentik_providers_scim.scimmapping"),
        Reference::one("filter_group", "authentik_core.group").protect(),
        Reference::one("auth_oauth", "authentik_sources_oauth.oauthsource"),
    ];
    const READ_ONLY: &'static [&'static str] =
        &["assigned_backchannel_application_slug", "assigned_backchannel_application_name"];
    const NUMBERED: bool = true;

    fn check(&self, report: &mut Report) {
        match self.auth_mode {
            AuthMode::Token if self.token.is_none() => {
                report.error("token", "is missing; give the service's bearer token, or set auth_mode to oauth");
            }
            AuthMode::Oauth if self.auth_oauth.is_none() => {
                report.error("auth_oauth", "is missing; auth_mode oauth needs the OAuth source that gives the token");
            }
            _ => {}
        }
    }
}

/// Known services whose SCIM differs from the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompatibilityMode {
    /// As the service says of itself.
    Default,
    /// Amazon Web Services: never uses PATCH.
    Aws,
    /// Slack: filters although the service does not announce it.
    Slack,
    /// Salesforce: reads `/ServiceProviderConfigs` (2025.10).
    Sfdc,
}

/// How requests to the service are authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// With the fixed bearer token of `token`.
    Token,
    /// With a token from the OAuth source of `auth_oauth`.
    Oauth,
}
