//! The kind `authentik_crypto.certificatekeypair`: a certificate, with or without its private key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Report, SecretText};

/// A certificate for signing, encryption, verification or TLS, with or without its private key.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CertificateKeyPair {
    /// Name of the pair, unique.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The certificate in PEM form; a chain begins with the certificate itself.
    #[schemars(length(min = 1), extend("writeOnly" = true))]
    pub certificate_data: String,
    /// The private key in PEM form, not encrypted. Without it the pair can verify and encrypt, but neither sign nor
    /// serve TLS.
    pub key_data: Option<SecretText>,
}

impl Kind for CertificateKeyPair {
    const NAME: &'static str = "authentik_crypto.certificatekeypair";
    const TITLE: &'static str = "Certificate-key pair";
    const KEYS: &'static [Key] = &[Key::of(&["name"])];
    const REQUIRED: &'static [&'static str] = &["name", "certificate_data"];
    const READ_ONLY: &'static [&'static str] = &[
        "fingerprint_sha256",
        "fingerprint_sha1",
        "cert_expiry",
        "cert_subject",
        "private_key_available",
        "private_key_type",
        "certificate_download_url",
        "private_key_download_url",
    ];

    fn check(&self, report: &mut Report) {
        if !is_pem(&self.certificate_data, |label| label == "CERTIFICATE") {
            report.error(
                "certificate_data",
                "is not a certificate in PEM form, which begins with -----BEGIN CERTIFICATE-----",
            );
        }
        // A stored key arrives here as an empty text.
        let key = self.key_data.as_ref().map_or("", |key| key.0.as_str());
        if key.is_empty() {
            return;
        }
        if key.contains("ENCRYPTED") {
            report
                .error("key_data", "is encrypted, and there is no place for its passphrase; give the key unencrypted");
        } else if !is_pem(key, |label| label.ends_with("PRIVATE KEY")) {
            report.error("key_data", "is not a private key in PEM form, which begins with -----BEGIN PRIVATE KEY-----");
        }
    }
}

/// Whether a text holds a whole PEM block whose label is wanted. The bytes inside are left to whoever uses them.
fn is_pem(text: &str, wanted: impl Fn(&str) -> bool) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, body)) = after.split_once("-----") else { return false };
        if wanted(label) {
            return body.split_once(&format!("-----END {label}-----")).is_some_and(|(bytes, _)| {
                let base64 = |letter: char| letter.is_ascii_alphanumeric() || "+/=".contains(letter);
                !bytes.trim().is_empty() && bytes.chars().all(|letter| base64(letter) || letter.is_ascii_whitespace())
            });
        }
        rest = body;
    }
    false
}
