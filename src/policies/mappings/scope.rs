//! The kind `authentik_providers_oauth2.scopemapping`: an OAuth scope and the claims that it gives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Report};

/// An OAuth scope and the claims that a client gets with it.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScopeMapping {
    /// Marks a mapping that a product ships, by a stable name. Unique among all property mappings.
    #[schemars(length(min = 1))]
    pub managed: Option<String>,
    /// Name of the mapping, unique among all property mappings.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Expression that returns a mapping of claims. It sees `request.user`, `provider` and `token`. The claims of all
    /// granted scopes are merged, ordered by scope.
    #[schemars(length(min = 1))]
    pub expression: String,
    /// Scope as clients ask for it. Several mappings may share one.
    #[schemars(length(min = 1))]
    pub scope_name: String,
    /// What people read when they are asked to agree. A scope without description is not shown to them.
    pub description: String,
}

impl Kind for ScopeMapping {
    const NAME: &'static str = "authentik_providers_oauth2.scopemapping";
    const TITLE: &'static str = "Scope mapping";
    const FAMILIES: &'static [Family] = &[Family::PropertyMapping];
    const KEYS: &'static [Key] = super::KEYS;
    const REQUIRED: &'static [&'static str] = &["name", "scope_name", "expression"];

    fn check(&self, report: &mut Report) {
        if self.scope_name.contains(char::is_whitespace) {
            report.error("scope_name", "has a space, which separates scopes in requests; no client could ask for it");
        }
    }
}
