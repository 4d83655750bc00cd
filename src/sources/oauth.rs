//! The kind `authentik_sources_oauth.oauthsource`: sign-in at an OAuth 2.0 or OpenID Connect service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{GroupMatchingMode, USER_PATH_TEMPLATE, UserMatchingMode};
use crate::{
    model::{Family, Key, Kind, Ref, Reference, Report, SecretText},
    policies::EngineMode,
};

/// Lets people sign in at another service that speaks OAuth 2.0 or OpenID Connect. Its keys can also vouch for
/// the tokens of machines.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OAuthSource {
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
    /// The service, or its make; it decides about the endpoints and how the profile is read.
    pub provider_type: ProviderType,
    /// Endpoint of OAuth 1.0 for the first token. No service that is known here needs it.
    #[schemars(length(max = 255))]
    pub request_token_url: Option<String>,
    /// Page of the service that people are sent to. Needed when neither the type nor `oidc_well_known_url` gives it.
    #[schemars(length(max = 255))]
    pub authorization_url: Option<String>,
    /// Endpoint that gives the access token. Needed when neither the type nor `oidc_well_known_url` gives it.
    #[schemars(length(max = 255))]
    pub access_token_url: Option<String>,
    /// Endpoint that tells about the user. Needed when neither the type nor `oidc_well_known_url` gives it.
    #[schemars(length(max = 255))]
    pub profile_url: Option<String>,
    /// Client id that the service gave us.
    #[schemars(length(min = 1))]
    pub consumer_key: String,
    /// Client secret that the service gave us; for Apple the private key.
    #[schemars(length(min = 1))]
    pub consumer_secret: SecretText,
    /// Scopes to ask for besides those of the type, separated by spaces; a `*` before them leaves the type's out.
    pub additional_scopes: String,
    /// URL of the service's OpenID configuration, which fills in endpoints that are left out here.
    pub oidc_well_known_url: String,
    /// URL of the service's keys.
    pub oidc_jwks_url: String,
    /// The service's keys as a JSON Web Key Set, for services without `oidc_jwks_url`.
    pub oidc_jwks: Map<String, Value>,
    /// How the client secret is sent when a code is exchanged for a token (2025.4).
    pub authorization_code_auth_method: AuthorizationCodeAuthMethod,
    /// Protection of the code against interception (2025.10).
    pub pkce: Pkce,
}

impl Default for OAuthSource {
    fn default() -> Self {
        OAuthSource {
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
            provider_type: ProviderType::Openidconnect,
            request_token_url: None,
            authorization_url: None,
            access_token_url: None,
            profile_url: None,
            consumer_key: String::new(),
            consumer_secret: SecretText::default(),
            additional_scopes: String::new(),
            oidc_well_known_url: String::new(),
            oidc_jwks_url: String::new(),
            oidc_jwks: Map::new(),
            authorization_code_auth_method: AuthorizationCodeAuthMethod::BasicAuth,
            pkce: Pkce::None,
        }
    }
}

impl Kind for OAuthSource {
    const NAME: &'static str = "authentik_sources_oauth.oauthsource";
    const TITLE: &'static str = "OAuth source";
    const FAMILIES: &'static [Family] = &[Family::Source, Family::BindingTarget];
    const KEYS: &'static [Key] =
        &[Key::in_family(&["slug"], Family::Source), Key::in_family(&["name"], Family::Source)];
    const REQUIRED: &'static [&'static str] = &["name", "slug", "provider_type", "consumer_key", "consumer_secret"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("authentication_flow", "authentik_flows.flow"),
        Reference::one("enrollment_flow", "authentik_flows.flow"),
        Reference::many("user_property_mappings", "authentik_sources_oauth.oauthsourcepropertymapping"),
        Reference::many("group_property_mappings", "authentik_sources_oauth.oauthsourcepropertymapping"),
    ];
    const READ_ONLY: &'static [&'static str] = &["managed", "callback_url", "type"];

    fn check(&self, report: &mut Report) {
        if self.provider_type.has_endpoints() || !self.oidc_well_known_url.is_empty() {
            return;
        }
        for (field, url) in [
            ("authorization_url", &self.authorization_url),
            ("access_token_url", &self.access_token_url),
            ("profile_url", &self.profile_url),
        ] {
            if url.as_deref().unwrap_or_default().is_empty() {
                report.error(
                    field,
                    "is missing; a provider_type without endpoints of its own needs this URL or oidc_well_known_url",
                );
            }
        }
    }
}

/// The service that people sign in at, or its make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ProviderType {
    Apple,
    Openidconnect,
    Azuread,
    Discord,
    Facebook,
    Github,
    Gitlab,
    Google,
    Mailcow,
    Okta,
    Patreon,
    Reddit,
    Twitch,
    Twitter,
}

impl ProviderType {
    /// Whether the endpoints are known without the source naming them.
    pub fn has_endpoints(self) -> bool {
        !matches!(self, ProviderType::Openidconnect | ProviderType::Mailcow | ProviderType::Okta)
    }
}

/// How the client secret is sent when a code is exchanged for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthorizationCodeAuthMethod {
    /// In the `Authorization` header.
    BasicAuth,
    /// In the body.
    PostBody,
}

/// Protection of the authorization code (RFC 7636).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Pkce {
    /// None.
    #[serde(rename = "none")]
    None,
    /// The verifier itself; for services that know nothing better.
    #[serde(rename = "plain")]
    Plain,
    /// A hash of the verifier.
    S256,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_needed_unless_something_else_gives_them() {
        let missing = |source: OAuthSource| {
            let mut report = Report::default();
            source.check(&mut report);
            report.findings.iter().map(|finding| finding.field).collect::<Vec<_>>()
        };
        let all = ["authorization_url", "access_token_url", "profile_url"];
        assert_eq!(missing(OAuthSource::default()), all);
        assert_eq!(missing(OAuthSource { provider_type: ProviderType::Github, ..OAuthSource::default() }), [""; 0]);
        let discovered = "https://id.example.com/.well-known/openid-configuration".to_owned();
        assert_eq!(missing(OAuthSource { oidc_well_known_url: discovered, ..OAuthSource::default() }), [""; 0]);
        let endpoint = Some("https://id.example.com/token".to_owned());
        let partly = OAuthSource {
            access_token_url: endpoint,
            profile_url: Some(String::new()),
            provider_type: ProviderType::Okta,
            ..OAuthSource::default()
        };
        assert_eq!(missing(partly), ["authorization_url", "profile_url"]);
    }
}
