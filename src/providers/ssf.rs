//! The kind `authentik_providers_ssf.ssfprovider`: tells applications about security events (2025).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference};

/// Transmits signed security events, such as an ended session, to applications that subscribe to them
/// (OpenID Shared Signals Framework).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SsfProvider {
    /// Name of the provider, unique among all providers.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Key that signs the events. The certificate cannot be deleted while it is named here.
    pub signing_key: Ref,
    /// OAuth2 providers whose access tokens may manage event streams here.
    pub oidc_auth_providers: Vec<Ref>,
    /// How long events are kept for delivery, as in `days=30`.
    #[schemars(length(min = 1))]
    pub event_retention: String,
}

impl Default for SsfProvider {
    fn default() -> Self {
        SsfProvider {
            name: String::new(),
            signing_key: Ref::default(),
            oidc_auth_providers: Vec::new(),
            event_retention: "days=30".to_owned(),
        }
    }
}

impl Kind for SsfProvider {
    const NAME: &'static str = "authentik_providers_ssf.ssfprovider";
    const TITLE: &'static str = "Shared signals provider";
    const FAMILIES: &'static [Family] = &[Family::Provider];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Provider)];
    const REQUIRED: &'static [&'static str] = &["name", "signing_key"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("signing_key", "authentik_crypto.certificatekeypair").protect(),
        Reference::many("oidc_auth_providers", "authentik_providers_oauth2.oauth2provider"),
    ];
    const READ_ONLY: &'static [&'static str] = &["ssf_url", "token_obj"];
    const NUMBERED: bool = true;
}
