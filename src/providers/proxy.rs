//! The kind `authentik_providers_proxy.proxyprovider`: puts a sign-in before an application that has none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Change, Family, Key, Kind, Ref, Reference, Report};

/// Puts a sign-in before an application that has none, served by an outpost: as a reverse proxy, or as the
/// authority that another reverse proxy asks.
///
/// Client id, client secret and redirect URIs are not settings here; they follow from the provider and its
/// `external_host`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyProvider {
    /// Name of the provider, unique among all providers.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow in which a visitor who is not signed in signs in first; without one the brand's flow is used.
    pub authentication_flow: Option<Ref>,
    /// Flow that a signed-in user passes when the application is opened. The provider is deleted with this flow.
    pub authorization_flow: Ref,
    /// Flow that ends the session when the user signs out of the application (2024.10); without one the brand's flow.
    pub invalidation_flow: Option<Ref>,
    /// Scope mappings: what the application learns about the user in headers.
    pub property_mappings: Vec<Ref>,
    /// URL of the application behind the proxy. Needed in mode `proxy`, unused in the others.
    #[schemars(regex(pattern = "^(https?://.*)?$"))]
    pub internal_host: String,
    /// URL by which browsers reach the application; in mode `forward_domain` the URL at which users sign in.
    #[schemars(length(min = 1), regex(pattern = "^https?://"))]
    pub external_host: String,
    /// Whether the certificate of `internal_host` must be valid.
    pub internal_host_ssl_validation: bool,
    /// Certificate that the outpost presents for `external_host`.
    pub certificate: Option<Ref>,
    /// Regular expressions, one a line, of requests that pass without sign-in. They are matched against the path, in
    /// mode `forward_domain` against the whole URL.
    pub skip_path_regex: String,
    /// Sends the application an `Authorization: Basic` header made from the two attributes below.
    pub basic_auth_enabled: bool,
    /// User or group attribute that holds the password for `basic_auth_enabled`.
    pub basic_auth_password_attribute: String,
    /// User or group attribute that holds the user name for `basic_auth_enabled`; the e-mail address is sent for a
    /// user who has none.
    pub basic_auth_user_attribute: String,
    /// Who carries the application's traffic.
    pub mode: Mode,
    /// Accepts credentials in the `Authorization` header of a request. When off the header goes to the application.
    pub intercept_header_auth: bool,
    /// Parent domain that the sign-in cookie is valid for, for mode `forward_domain`: `example.com` covers
    /// `app.example.com`.
    pub cookie_domain: String,
    /// OAuth sources whose signed tokens are accepted in place of a client secret.
    pub jwks_sources: Vec<Ref>,
    /// OAuth2 providers whose tokens are accepted in place of a client secret (2024.12).
    pub jwt_federation_providers: Vec<Ref>,
    /// Life of a session at the outpost, as in `hours=24`.
    #[schemars(length(min = 1))]
    pub access_token_validity: String,
    /// Life of refresh tokens, as in `days=30`.
    #[schemars(length(min = 1))]
    pub refresh_token_validity: String,
}

impl Default for ProxyProvider {
    fn default() -> Self {
        ProxyProvider {
            name: String::new(),
            authentication_flow: None,
            authorization_flow: Ref::default(),
            invalidation_flow: None,
            property_mappings: Vec::new(),
            internal_host: String::new(),
            external_host: String::new(),
            internal_host_ssl_validation: true,
            certificate: None,
            skip_path_regex: String::new(),
            basic_auth_enabled: false,
            basic_auth_password_attribute: String::new(),
            basic_auth_user_attribute: String::new(),
            mode: Mode::Proxy,
            intercept_header_auth: true,
            cookie_domain: String::new(),
            jwks_sources: Vec::new(),
            jwt_federation_providers: Vec::new(),
            access_token_validity: "hours=1".to_owned(),
            refresh_token_validity: "days=30".to_owned(),
        }
    }
}

impl Kind for ProxyProvider {
    const NAME: &'static str = "authentik_providers_proxy.proxyprovider";
    const TITLE: &'static str = "Proxy provider";
    const FAMILIES: &'static [Family] = &[Family::Provider];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Provider)];
    const REQUIRED: &'static [&'static str] = &["name", "authorization_flow", "external_host"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("authentication_flow", "authentik_flows.flow"),
        Reference::one("authorization_flow", "authentik_flows.flow").cascade(),
        Reference::one("invalidation_flow", "authentik_flows.flow"),
        Reference::many("property_mappings", "authentik_providers_oauth2.scopemapping"),
        Reference::one("certificate", "authentik_crypto.certificatekeypair"),
        Reference::many("jwks_sources", "authentik_sources_oauth.oauthsource"),
        Reference::many("jwt_federation_providers", "authentik_providers_oauth2.oauth2provider"),
    ];
    const CHANGES: &'static [Change] =
        &[Change::Renamed { from: "jwt_federation_sources", to: "jwks_sources", release: "2024.12" }];
    const READ_ONLY: &'static [&'static str] = &[
        "assigned_application_slug",
        "assigned_application_name",
        "assigned_backchannel_application_slug",
        "assigned_backchannel_application_name",
        "client_id",
        "redirect_uris",
        "outpost_set",
    ];
    const NUMBERED: bool = true;

    fn check(&self, report: &mut Report) {
        if self.mode == Mode::Proxy && self.internal_host.is_empty() {
            report.error(
                "internal_host",
                "is missing; in mode proxy give the URL of the application behind, or choose a forward mode",
            );
        }
        if self.mode == Mode::ForwardDomain && self.cookie_domain.is_empty() {
            report.warn(
                "cookie_domain",
                "is missing; in mode forward_domain a sign-in counts for one host only, give the parent domain",
            );
        }
        if self.basic_auth_enabled {
            for (field, attribute) in [
                ("basic_auth_user_attribute", &self.basic_auth_user_attribute),
                ("basic_auth_password_attribute", &self.basic_auth_password_attribute),
            ] {
                if attribute.is_empty() {
                    report.error(field, "is missing; basic_auth_enabled needs the names of both attributes");
                }
            }
        }
    }
}

/// Who carries the application's traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The outpost, between browser and application.
    Proxy,
    /// Another reverse proxy, which asks the outpost about each request to one application.
    ForwardSingle,
    /// Another reverse proxy, which asks the outpost about all applications below one domain.
    ForwardDomain,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(provider: ProxyProvider) -> Vec<(&'static str, bool)> {
        let mut report = Report::default();
        provider.check(&mut report);
        report.findings.iter().map(|finding| (finding.field, finding.refuses)).collect()
    }

    #[test]
    fn each_mode_asks_for_what_it_needs() {
        let provider = ProxyProvider::default;
        let cases = [
            (provider(), vec![("internal_host", true)]),
            (ProxyProvider { internal_host: "http://app:8080".to_owned(), ..provider() }, vec![]),
            (ProxyProvider { mode: Mode::ForwardSingle, ..provider() }, vec![]),
            (ProxyProvider { mode: Mode::ForwardDomain, ..provider() }, vec![("cookie_domain", false)]),
            (
                ProxyProvider {
                    mode: Mode::ForwardSingle,
                    basic_auth_enabled: true,
                    basic_auth_user_attribute: "user".to_owned(),
                    ..provider()
                },
                vec![("basic_auth_password_attribute", true)],
            ),
        ];
        for (provider, expected) in cases {
            let shown = format!("{provider:?}");
            assert_eq!(findings(provider), expected, "{shown}");
        }
    }
}
