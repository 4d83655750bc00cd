//! The kind `authentik_tenants.domain`: a host name of a tenant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::{Key, Kind, Report};

/// A host name of a tenant of the reference system. There is one tenant here, and it answers to every host name; the
/// object is kept so that files with one apply and export.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TenantDomain {
    /// Host name, unique.
    #[schemars(length(min = 1, max = 253))]
    pub domain: String,
    /// Whether this is the host name that the tenant's links use.
    pub is_primary: bool,
    /// UUID of the tenant. Tenants are no blueprint objects, so nothing is looked up by it.
    pub tenant: String,
}

impl Default for TenantDomain {
    fn default() -> Self {
        TenantDomain { domain: String::new(), is_primary: true, tenant: String::new() }
    }
}

impl Kind for TenantDomain {
    const NAME: &'static str = "authentik_tenants.domain";
    const TITLE: &'static str = "Domain";
    const KEYS: &'static [Key] = &[Key::of(&["domain"])];
    const REQUIRED: &'static [&'static str] = &["domain", "tenant"];
    const READ_ONLY: &'static [&'static str] = &["id"];
    const NUMBERED: bool = true;

    fn check(&self, report: &mut Report) {
        if Uuid::parse_str(&self.tenant).is_err() {
            report.error("tenant", format!("{:?} is not the UUID of a tenant", self.tenant));
        }
    }
}
