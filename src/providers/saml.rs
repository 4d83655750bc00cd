//! The kind `authentik_providers_saml.samlprovider`: signs users in at a SAML 2.0 service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    base::saml::{
        DigestAlgorithm, NameIdFormat, SignatureAlgorithm, name_id_of_later_releases, name_id_shape_of_later_releases,
    },
    model::{Change, Family, Key, Kind, Ref, Reference, Report},
};

/// Signs users in at a service that speaks SAML 2.0, as its identity provider.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SamlProvider {
    /// Name of the provider, unique among all providers.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow in which a visitor who is not signed in signs in first; without one the brand's flow is used.
    pub authentication_flow: Option<Ref>,
    /// Flow that a signed-in user passes each time the service asks for a sign-in. The provider is deleted with this
    /// flow.
    pub authorization_flow: Ref,
    /// Flow that ends the session when the user signs out of the service (2024.10); without one the brand's flow.
    pub invalidation_flow: Option<Ref>,
    /// Mappings that make the attributes of the assertion.
    pub property_mappings: Vec<Ref>,
    /// Assertion consumer service of the service: the URL that responses go to. Requests that ask for another are
    /// refused.
    #[schemars(url, length(min = 1, max = 200))]
    pub acs_url: String,
    /// Entity id of the service, for the audience restriction of assertions; empty leaves the restriction out.
    pub audience: String,
    /// Our entity id, as the service knows it.
    #[schemars(length(min = 1))]
    pub issuer: String,
    /// Start of an assertion's validity, counted from now; negative for clocks that go behind, as in `minutes=-5`.
    #[schemars(length(min = 1))]
    pub assertion_valid_not_before: String,
    /// End of an assertion's validity, counted from now, as in `minutes=5`.
    #[schemars(length(min = 1))]
    pub assertion_valid_not_on_or_after: String,
    /// Time after which the service should end the session, counted from now, as in `minutes=86400`.
    #[schemars(length(min = 1))]
    pub session_valid_not_on_or_after: String,
    /// Mapping that makes the NameID; without one the request's format decides.
    pub name_id_mapping: Option<Ref>,
    /// Mapping that makes the authentication context class (2025.4); without one the way of signing in decides.
    pub authn_context_class_ref_mapping: Option<Ref>,
    /// Digest of our signatures.
    pub digest_algorithm: DigestAlgorithm,
    /// Algorithm of our signatures; it must suit the type of `signing_kp`.
    pub signature_algorithm: SignatureAlgorithm,
    /// Certificate and key that sign; without them nothing is signed.
    pub signing_kp: Option<Ref>,
    /// Certificate of the service: with it only requests that it signed are accepted. It cannot be deleted while it
    /// is named here.
    pub verification_kp: Option<Ref>,
    /// Certificate of the service that assertions are encrypted for (2024.8).
    pub encryption_kp: Option<Ref>,
    /// Signs the assertion, when there is a `signing_kp` (2024.8).
    pub sign_assertion: bool,
    /// Signs the response around the assertion, when there is a `signing_kp` (2024.8).
    pub sign_response: bool,
    /// How responses reach the service.
    pub sp_binding: SpBinding,
    /// Relay state of sign-ins that start here and not at the service.
    pub default_relay_state: String,
    /// NameID format when the request names none (2025.8).
    pub default_name_id_policy: NameIdFormat,
}

impl Default for SamlProvider {
    fn default() -> Self {
        SamlProvider {
            name: String::new(),
            authentication_flow: None,
            authorization_flow: Ref::default(),
            invalidation_flow: None,
            property_mappings: Vec::new(),
            acs_url: String::new(),
            audience: String::new(),
            issuer: "authentik".to_owned(),
            assertion_valid_not_before: "minutes=-5".to_owned(),
            assertion_valid_not_on_or_after: "minutes=5".to_owned(),
            session_valid_not_on_or_after: "minutes=86400".to_owned(),
            name_id_mapping: None,
            authn_context_class_ref_mapping: None,
            digest_algorithm: DigestAlgorithm::Sha256,
            signature_algorithm: SignatureAlgorithm::RsaSha256,
            signing_kp: None,
            verification_kp: None,
            encryption_kp: None,
            sign_assertion: true,
            sign_response: false,
            sp_binding: SpBinding::Redirect,
            default_relay_state: String::new(),
            default_name_id_policy: NameIdFormat::Unspecified,
        }
    }
}

impl Kind for SamlProvider {
    const NAME: &'static str = "authentik_providers_saml.samlprovider";
    const TITLE: &'static str = "SAML provider";
    const FAMILIES: &'static [Family] = &[Family::Provider];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Provider)];
    const REQUIRED: &'static [&'static str] = &["name", "authorization_flow", "acs_url"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("authentication_flow", "authentik_flows.flow"),
        Reference::one("authorization_flow", "authentik_flows.flow").cascade(),
        Reference::one("invalidation_flow", "authentik_flows.flow"),
        Reference::many("property_mappings", "authentik_providers_saml.samlpropertymapping"),
        Reference::one("name_id_mapping", "authentik_providers_saml.samlpropertymapping"),
        Reference::one("authn_context_class_ref_mapping", "authentik_providers_saml.samlpropertymapping"),
        Reference::one("signing_kp", "authentik_crypto.certificatekeypair"),
        // Clearing would silently accept unsigned requests.
        Reference::one("verification_kp", "authentik_crypto.certificatekeypair").protect(),
        Reference::one("encryption_kp", "authentik_crypto.certificatekeypair"),
    ];
    const CHANGES: &'static [Change] = &[Change::Converted {
        field: "default_name_id_policy",
        release: "2025.8",
        convert: name_id_of_later_releases,
        shape: name_id_shape_of_later_releases,
    }];
    const READ_ONLY: &'static [&'static str] = &[
        "assigned_application_slug",
        "assigned_application_name",
        "assigned_backchannel_application_slug",
        "assigned_backchannel_application_name",
        "url_download_metadata",
        "url_sso_post",
        "url_sso_redirect",
        "url_sso_init",
        "url_slo_post",
        "url_slo_redirect",
    ];
    const NUMBERED: bool = true;

    fn check(&self, report: &mut Report) {
        if self.signing_kp.is_some() && !self.sign_assertion && !self.sign_response {
            report.error("signing_kp", "would sign nothing; set sign_assertion or sign_response, or leave the key out");
        }
    }
}

/// How responses reach the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpBinding {
    /// As a redirect, with the response in the URL.
    Redirect,
    /// As a form that the browser posts.
    Post,
}
