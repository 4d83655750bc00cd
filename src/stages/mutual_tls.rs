//! The kind `authentik_stages_mtls.mutualtlsstage`: identifies a user by a client certificate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference};

/// Identifies and authenticates a user by the client certificate of the TLS connection (2025.6).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MutualTlsStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What happens to someone who brings no valid certificate.
    pub mode: Mode,
    /// Authorities whose certificates are accepted; empty takes those of the brand.
    pub certificate_authorities: Vec<Ref>,
    /// Part of the certificate that names its holder.
    pub cert_attribute: CertAttribute,
    /// Field of the user that the certificate's part is compared with.
    pub user_attribute: UserAttribute,
}

impl Default for MutualTlsStage {
    fn default() -> Self {
        MutualTlsStage {
            name: String::new(),
            mode: Mode::Required,
            certificate_authorities: Vec::new(),
            cert_attribute: CertAttribute::Email,
            user_attribute: UserAttribute::Email,
        }
    }
}

impl Kind for MutualTlsStage {
    const NAME: &'static str = "authentik_stages_mtls.mutualtlsstage";
    const TITLE: &'static str = "Mutual TLS stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name", "mode", "cert_attribute", "user_attribute"];
    const REFERENCES: &'static [Reference] =
        &[Reference::many("certificate_authorities", "authentik_crypto.certificatekeypair")];
}

/// What happens to someone who brings no valid certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The flow goes on without a user from this stage.
    Optional,
    /// Access is denied.
    Required,
}

/// Part of a certificate that names its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertAttribute {
    /// The whole subject.
    Subject,
    /// The common name in the subject.
    CommonName,
    /// The mail address.
    Email,
}

/// Field of the user that the certificate's part is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserAttribute {
    /// The user name.
    Username,
    /// The mail address.
    Email,
}
