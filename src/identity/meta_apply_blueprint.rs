//! The kind `authentik_blueprints.metaapplyblueprint`: an instruction to apply another blueprint first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Key, Kind, Report};

/// Says that another blueprint must be in place before the entries that follow. Nothing of it is stored.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MetaApplyBlueprint {
    /// Fields and values by which the blueprint instance is found, usually its `name` or `path`.
    pub identifiers: Map<String, Value>,
    /// Whether it is an error when no such blueprint exists.
    pub required: bool,
}

impl Default for MetaApplyBlueprint {
    fn default() -> Self {
        MetaApplyBlueprint { identifiers: Map::new(), required: true }
    }
}

impl Kind for MetaApplyBlueprint {
    const NAME: &'static str = "authentik_blueprints.metaapplyblueprint";
    const TITLE: &'static str = "Apply another blueprint";
    const KEYS: &'static [Key] = &[];
    const REQUIRED: &'static [&'static str] = &["identifiers"];
    const META: bool = true;

    fn check(&self, report: &mut Report) {
        if self.identifiers.is_empty() {
            report.error("identifiers", "names no blueprint; give its name or path");
        }
    }
}
