//! The kind `authentik_sources_saml.samlsource`: sign-in at a SAML 2.0 identity provider.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GroupMatchingMode, USER_PATH_TEMPLATE, UserMatchingMode};
use crate::{
    base::saml::{
        DigestAlgorithm, NameIdFormat, SignatureAlgorithm, name_id_of_later_releases, name_id_shape_of_later_releases,
    },
    model::{Change, Family, Key, Kind, Ref, Reference, Report},
    policies::EngineMode,
};

/// Lets people sign in at another SAML 2.0 identity provider.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SamlSource {
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
    /// Flow that runs before a person is sent to the identity provider. The source is deleted with this flow.
    pub pre_authentication_flow: Ref,
    /// Our entity id at the identity provider; empty means the URL of our metadata.
    pub issuer: String,
    /// URL of the identity provider that sign-in requests go to.
    #[schemars(url, length(min = 1, max = 200))]
    pub sso_url: String,
    /// URL of the identity provider that people who sign out are sent to.
    #[schemars(url, length(max = 200))]
    pub slo_url: Option<String>,
    /// Accepts sign-ins that nobody asked for here. Such a response can be slipped to a person by an attacker.
    pub allow_idp_initiated: bool,
    /// Form of the user's identifier to ask for. With `transient` the user is temporary.
    pub name_id_policy: NameIdFormat,
    /// How a person is sent to the identity provider.
    pub binding_type: BindingType,
    /// Certificate by which the identity provider's signatures are checked. It cannot be deleted while it is named
    /// here.
    pub verification_kp: Option<Ref>,
    /// Certificate and key that sign our requests.
    pub signing_kp: Option<Ref>,
    /// Certificate and key that encrypted assertions are opened with (2024.8).
    pub encryption_kp: Option<Ref>,
    /// Digest of our signatures.
    pub digest_algorithm: DigestAlgorithm,
    /// Algorithm of our signatures; it must suit the type of `signing_kp`.
    pub signature_algorithm: SignatureAlgorithm,
    /// Time after which a temporary user is deleted who did not sign out, as in `days=1`.
    #[schemars(length(min = 1))]
    pub temporary_user_delete_after: String,
}

impl Default for SamlSource {
    fn default() -> Self {
        SamlSource {
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
            pre_authentication_flow: Ref::default(),
            issuer: String::new(),
            sso_url: String::new(),
            slo_url: None,
            allow_idp_initiated: false,
            name_id_policy: NameIdFormat::Persistent,
            binding_type: BindingType::Redirect,
            verification_kp: None,
            signing_kp: None,
            encryption_kp: None,
            digest_algorithm: DigestAlgorithm::Sha256,
            signature_algorithm: SignatureAlgorithm::RsaSha256,
            temporary_user_delete_after: "days=1".to_owned(),
        }
    }
}

impl Kind for SamlSource {
    const NAME: &'static str = "authentik_sources_saml.samlsource";
    const TITLE: &'static str = "SAML source";
    const FAMILIES: &'static [Family] = &[Family::Source, Family::BindingTarget];
    const KEYS: &'static [Key] =
        &[Key::in_family(&["slug"], Family::Source), Key::in_family(&["name"], Family::Source)];
    const REQUIRED: &'static [&'static str] = &["name", "slug", "pre_authentication_flow", "sso_url"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("authentication_flow", "authentik_flows.flow"),
        Reference::one("enrollment_flow", "authentik_flows.flow"),
        Reference::many("user_property_mappings", "authentik_sources_saml.samlsourcepropertymapping"),
        Reference::many("group_property_mappings", "authentik_sources_saml.samlsourcepropertymapping"),
        Reference::one("pre_authentication_flow", "authentik_flows.flow").cascade(),
        // Clearing would silently let anybody in who can write a response.
        Reference::one("verification_kp", "authentik_crypto.certificatekeypair").protect(),
        Reference::one("signing_kp", "authentik_crypto.certificatekeypair"),
        Reference::one("encryption_kp", "authentik_crypto.certificatekeypair"),
    ];
    const CHANGES: &'static [Change] = &[Change::Converted {
        field: "name_id_policy",
        release: "2024.10",
        convert: name_id_of_later_releases,
        shape: name_id_shape_of_later_releases,
    }];
    const READ_ONLY: &'static [&'static str] = &["managed"];

    fn check(&self, report: &mut Report) {
        if self.enabled && self.verification_kp.is_none() {
            report.warn(
                "verification_kp",
                "is missing, so no response can be verified; give the identity provider's certificate",
            );
        }
    }
}

/// How a person is sent to the identity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BindingType {
    /// As a redirect, with the request in the URL.
    Redirect,
    /// As a form that the person sends after a page that says so.
    Post,
    /// As a form that the browser sends by itself.
    PostAuto,
}
