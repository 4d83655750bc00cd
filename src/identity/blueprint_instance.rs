//! The kind `authentik_blueprints.blueprintinstance`: a blueprint that the server applies by itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Key, Kind, Report};

/// A blueprint known to the server, with the variables that it is applied with. Its document comes from a file, from
/// an OCI registry, or from the instance itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BlueprintInstance {
    /// Name of the instance, unique. Other blueprints refer to it by this name when they need it applied first.
    #[schemars(length(min = 1))]
    pub name: String,
    /// File below the blueprint folder, or `oci://host/repository:reference`. Empty when `content` holds the document.
    pub path: String,
    /// Variables that override the document's own `context`. Mappings are merged, lists are appended.
    pub context: Map<String, Value>,
    /// Whether the server applies the blueprint. Disabling leaves what it created untouched.
    pub enabled: bool,
    /// The document itself, as YAML; used only when `path` is empty.
    pub content: String,
}

impl Default for BlueprintInstance {
    fn default() -> Self {
        BlueprintInstance {
            name: String::new(),
            path: String::new(),
            context: Map::new(),
            enabled: true,
            content: String::new(),
        }
    }
}

impl Kind for BlueprintInstance {
    const NAME: &'static str = "authentik_blueprints.blueprintinstance";
    const TITLE: &'static str = "Blueprint instance";
    const KEYS: &'static [Key] = &[Key::of(&["name"])];
    const REQUIRED: &'static [&'static str] = &["name"];
    const READ_ONLY: &'static [&'static str] =
        &["last_applied", "last_applied_hash", "status", "managed_models", "metadata"];

    fn check(&self, report: &mut Report) {
        if !self.path.starts_with("oci://") && self.path.split('/').any(|part| part == "..") {
            report.error("path", format!("{:?} leaves the blueprint folder; give a path below it", self.path));
        }
        if self.path.is_empty() && self.content.is_empty() {
            report.error("path", "the instance has no document; give a path or the content");
        } else if !self.path.is_empty() && !self.content.is_empty() {
            report.warn("content", "is not used, because a path is given as well; keep one of the two");
        }
    }
}
