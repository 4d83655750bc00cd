//! The kind `authentik_providers_rac.racpropertymapping`: settings of remote connections.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Family, Key, Kind, Report};

/// Settings of the connections that a remote access provider opens, fixed or by expression.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RacMapping {
    /// Marks a mapping that a product ships, by a stable name. Unique among all property mappings.
    #[schemars(length(min = 1))]
    pub managed: Option<String>,
    /// Name of the mapping, unique among all property mappings.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Expression that returns a mapping of connection settings; used when `static_settings` is empty. It sees
    /// `endpoint` and `provider`.
    pub expression: String,
    /// Connection settings by their Guacamole names, such as `enable-wallpaper`.
    pub static_settings: Map<String, Value>,
}

impl Kind for RacMapping {
    const NAME: &'static str = "authentik_providers_rac.racpropertymapping";
    const TITLE: &'static str = "RAC provider mapping";
    const FAMILIES: &'static [Family] = &[Family::PropertyMapping];
    const KEYS: &'static [Key] = super::KEYS;
    const REQUIRED: &'static [&'static str] = &["name", "static_settings"];

    fn check(&self, report: &mut Report) {
        if !self.static_settings.is_empty() && !self.expression.is_empty() {
            report.warn("expression", "is not used, because static_settings are given; keep one of the two");
        }
    }
}
