//! Identifiers that SAML peers put into metadata and messages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Digest that is computed over the signed part of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DigestAlgorithm {
    /// SHA-1; only for peers that know nothing better.
    #[serde(rename = "http://www.w3.org/2000/09/xmldsig#sha1")]
    Sha1,
    /// SHA-256.
    #[default]
    #[serde(rename = "http://www.w3.org/2001/04/xmlenc#sha256")]
    Sha256,
    /// SHA-384.
    #[serde(rename = "http://www.w3.org/2001/04/xmldsig-more#sha384")]
    Sha384,
    /// SHA-512.
    #[serde(rename = "http://www.w3.org/2001/04/xmlenc#sha512")]
    Sha512,
}

/// Algorithm of a message's signature; it must suit the type of the signing key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SignatureAlgorithm {
    /// RSA with SHA-1; only for peers that know nothing better.
    #[serde(rename = "http://www.w3.org/2000/09/xmldsig#rsa-sha1")]
    RsaSha1,
    /// RSA with SHA-256.
    #[default]
    #[serde(rename = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256")]
    RsaSha256,
    /// RSA with SHA-384.
    #[serde(rename = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384")]
    RsaSha384,
    /// RSA with SHA-512.
    #[serde(rename = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512")]
    RsaSha512,
    /// ECDSA with SHA-1; only for peers that know nothing better.
    #[serde(rename = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1")]
    EcdsaSha1,
    /// ECDSA with SHA-256.
    #[serde(rename = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256")]
    EcdsaSha256,
    /// ECDSA with SHA-384.
    #[serde(rename = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384")]
    EcdsaSha384,
    /// ECDSA with SHA-512.
    #[serde(rename = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512")]
    EcdsaSha512,
    /// DSA with SHA-1; only for peers that know nothing better.
    #[serde(rename = "http://www.w3.org/2000/09/xmldsig#dsa-sha1")]
    DsaSha1,
}

/// Form of the identifier (NameID) by which two SAML peers speak of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NameIdFormat {
    /// The e-mail address.
    #[serde(rename = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress")]
    EmailAddress,
    /// An opaque identifier that stays the same for one user and one pair of peers.
    #[serde(rename = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent")]
    Persistent,
    /// The subject name of a certificate.
    #[serde(rename = "urn:oasis:names:tc:SAML:2.0:nameid-format:X509SubjectName")]
    X509SubjectName,
    /// Windows domain and account name.
    #[serde(rename = "urn:oasis:names:tc:SAML:2.0:nameid-format:WindowsDomainQualifiedName")]
    WindowsDomainQualifiedName,
    /// A new identifier for each session.
    #[serde(rename = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient")]
    Transient,
    /// Whatever the asserting peer chooses (2025.8).
    #[serde(rename = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified")]
    Unspecified,
}

/// Gives the name of the X.509 format that we use for the one that later releases use: they write the
/// version 1.1 prefix that the standard has, releases until 2024.8 wrote 2.0.
pub fn name_id_of_later_releases(value: &Value) -> Option<Value> {
    (value == "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName")
        .then(|| Value::from("urn:oasis:names:tc:SAML:2.0:nameid-format:X509SubjectName"))
}

/// JSON Schema of what [`name_id_of_later_releases`] converts.
pub fn name_id_shape_of_later_releases() -> Value {
    json!({ "const": "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName" })
}
