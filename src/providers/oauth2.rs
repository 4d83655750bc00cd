//! The kind `authentik_providers_oauth2.oauth2provider`: an OpenID Connect and OAuth 2.0 client.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::{Change, Family, Generated, Key, Kind, Ref, Reference, SecretText};

/// Lets an application sign users in over OpenID Connect or OAuth 2.0. One provider is one client.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OAuth2Provider {
    /// Name of the provider, unique among all providers.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow in which a visitor who is not signed in signs in first; without one the brand's flow is used.
    pub authentication_flow: Option<Ref>,
    /// Flow that a signed-in user passes each time the application asks for authorization, for instance to give
    /// consent. The provider is deleted with this flow.
    pub authorization_flow: Ref,
    /// Flow that ends the session when the user signs out of the application (2024.10); without one the brand's flow.
    pub invalidation_flow: Option<Ref>,
    /// Scope mappings: which scopes the client may ask for, and what it then learns about the user.
    pub property_mappings: Vec<Ref>,
    /// Whether the application can keep a secret.
    pub client_type: ClientType,
    /// Identifier by which the application names itself. Generated when left out.
    #[schemars(length(min = 1, max = 255))]
    pub client_id: String,
    /// Secret by which the application proves itself; without a signing key it also signs the tokens. Generated when
    /// left out.
    #[schemars(length(max = 255))]
    pub client_secret: SecretText,
    /// Life of authorization codes and device codes, as in `minutes=1`.
    #[schemars(length(min = 1))]
    pub access_code_validity: String,
    /// Life of access tokens, as in `hours=1`.
    #[schemars(length(min = 1))]
    pub access_token_validity: String,
    /// Life of refresh tokens, as in `days=30`.
    #[schemars(length(min = 1))]
    pub refresh_token_validity: String,
    /// Puts what the scopes reveal into the ID token as well, for applications that do not ask the userinfo endpoint.
    pub include_claims_in_id_token: bool,
    /// Key that signs the tokens: RS256 with an RSA key, ES256 with an elliptic curve. Without one the client secret
    /// signs (HS256), and nobody else can verify.
    pub signing_key: Option<Ref>,
    /// Key that encrypts the tokens (2024.10); without one they are signed only.
    pub encryption_key: Option<Ref>,
    /// URIs that a response may go to.
    pub redirect_uris: Vec<RedirectUri>,
    /// What the `sub` claim holds. Applications know users by it: changing it makes all their users strangers.
    pub sub_mode: SubMode,
    /// What the `iss` claim holds. Applications compare it with their configuration.
    pub issuer_mode: IssuerMode,
    /// OAuth sources whose signed tokens are accepted in place of the client secret.
    pub jwks_sources: Vec<Ref>,
    /// OAuth2 providers whose tokens are accepted in place of the client secret (2024.12).
    pub jwt_federation_providers: Vec<Ref>,
    /// Endpoint of the application that is told when a session ends (2025.10).
    pub backchannel_logout_uri: String,
}

impl Default for OAuth2Provider {
    fn default() -> Self {
        OAuth2Provider {
            name: String::new(),
            authentication_flow: None,
            authorization_flow: Ref::default(),
            invalidation_flow: None,
            property_mappings: Vec::new(),
            client_type: ClientType::Confidential,
            client_id: String::new(),
            client_secret: SecretText::default(),
            access_code_validity: "minutes=1".to_owned(),
            access_token_validity: "hours=1".to_owned(),
            refresh_token_validity: "days=30".to_owned(),
            include_claims_in_id_token: true,
            signing_key: None,
            encryption_key: None,
            redirect_uris: Vec::new(),
            sub_mode: SubMode::HashedUserId,
            issuer_mode: IssuerMode::PerProvider,
            jwks_sources: Vec::new(),
            jwt_federation_providers: Vec::new(),
            backchannel_logout_uri: String::new(),
        }
    }
}

impl Kind for OAuth2Provider {
    const NAME: &'static str = "authentik_providers_oauth2.oauth2provider";
    const TITLE: &'static str = "OAuth2/OpenID provider";
    const FAMILIES: &'static [Family] = &[Family::Provider];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Provider), Key::of(&["client_id"])];
    const REQUIRED: &'static [&'static str] = &["name", "authorization_flow"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("authentication_flow", "authentik_flows.flow"),
        Reference::one("authorization_flow", "authentik_flows.flow").cascade(),
        Reference::one("invalidation_flow", "authentik_flows.flow"),
        Reference::many("property_mappings", "authentik_providers_oauth2.scopemapping"),
        Reference::one("signing_key", "authentik_crypto.certificatekeypair"),
        Reference::one("encryption_key", "authentik_crypto.certificatekeypair"),
        Reference::many("jwks_sources", "authentik_sources_oauth.oauthsource"),
        Reference::many("jwt_federation_providers", "authentik_providers_oauth2.oauth2provider"),
    ];
    const GENERATED: &'static [Generated] =
        &[Generated { field: "client_id", length: 40 }, Generated { field: "client_secret", length: 128 }];
    const CHANGES: &'static [Change] = &[
        Change::Renamed { from: "jwt_federation_sources", to: "jwks_sources", release: "2024.12" },
        Change::Converted {
            field: "redirect_uris",
            release: "2024.10",
            convert: redirect_uris_from_text,
            shape: || json!({ "type": "string" }),
        },
    ];
    const READ_ONLY: &'static [&'static str] = &[
        "assigned_application_slug",
        "assigned_application_name",
        "assigned_backchannel_application_slug",
        "assigned_backchannel_application_name",
    ];
    const NUMBERED: bool = true;
}

/// Until 2024.10 the URIs were one text, an entry a line, each a regular expression that must match in full.
///
/// An entry that is only an URI becomes a strict one, although its dots matched any character before. A single
/// star was no valid expression but meant any URI.
fn redirect_uris_from_text(value: &Value) -> Option<Value> {
    let entries = value.as_str()?.split_whitespace().map(|entry| {
        let (mode, url) = match entry {
            "*" => (MatchingMode::Regex, ".*"),
            _ if entry.contains(['*', '+', '[', ']', '(', ')', '^', '$', '\\', '|', '{', '}']) => {
                (MatchingMode::Regex, entry)
            }
            _ => (MatchingMode::Strict, entry),
        };
        json!({ "matching_mode": mode, "url": url })
    });
    Some(entries.collect())
}

/// A URI that a response may go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedirectUri {
    /// How `url` is compared with the URI of a request.
    pub matching_mode: MatchingMode,
    /// The URI, or an expression for it.
    pub url: String,
}

/// How a redirect URI is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchingMode {
    /// Character by character.
    Strict,
    /// As a regular expression that must match in full.
    Regex,
}

/// Whether the application can keep a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientType {
    /// It runs on a server and proves itself with the client secret.
    Confidential,
    /// It runs in a browser or on a device and has no secret.
    Public,
}

/// What the `sub` claim holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubMode {
    /// A hash of the user's number: stable, and says nothing.
    HashedUserId,
    /// The user's number.
    UserId,
    /// The user's UUID.
    UserUuid,
    /// The user name; it may change.
    UserUsername,
    /// The e-mail address; it may change.
    UserEmail,
    /// The `upn` attribute of the user.
    UserUpn,
}

/// What the `iss` claim holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IssuerMode {
    /// The same URL for all providers.
    Global,
    /// A URL with the application's slug.
    PerProvider,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uris_of_earlier_releases_keep_their_meaning() {
        let text = "https://app.example.com/cb?x=1\n  http://localhost:8080/a-b \n*\nhttps://.*\\.example\\.com/cb\n";
        let expected = json!([
            { "matching_mode": "strict", "url": "https://app.example.com/cb?x=1" },
            { "matching_mode": "strict", "url": "http://localhost:8080/a-b" },
            { "matching_mode": "regex", "url": ".*" },
            { "matching_mode": "regex", "url": "https://.*\\.example\\.com/cb" },
        ]);
        assert_eq!(redirect_uris_from_text(&json!(text)), Some(expected));
        assert_eq!(redirect_uris_from_text(&json!("")), Some(json!([])));
        assert_eq!(redirect_uris_from_text(&json!([])), None);
    }
}
