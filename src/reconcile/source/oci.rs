//! The kind `gatewright_sources.oci`: a blueprint in an OCI registry.

use super::source_kind;
use crate::model::{Report, SecretText};

source_kind! {
    /// Applies the blueprint of an artifact in an OCI registry.
    pub struct OciSource {
        /// The artifact: `oci://host[:port]/repository[:tag|@sha256:digest]`.
        #[schemars(length(min = 1), regex(pattern = "^oci://"))]
        pub reference: String = String::new(),
        /// Account at the registry; without one, anonymous access.
        pub username: String = String::new(),
        /// Password or token of the account.
        pub password: Option<SecretText> = None,
        /// Certificates, as PEM, of the authorities to trust for this registry besides the system's.
        pub ca_certificate: String = String::new(),
    }
    kind "gatewright_sources.oci", "OCI source", required &["name", "reference"];
}

impl OciSource {
    fn check_own(&self, report: &mut Report) {
        if self.reference.split("://").nth(1).is_some_and(|rest| rest.contains('@') && !rest.contains("@sha256:")) {
            report.error("reference", "contains credentials; put them into username and password");
        }
    }
}
