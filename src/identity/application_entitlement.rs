//! The kind `authentik_core.applicationentitlement` (2024.12): a right within one application.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Family, Key, Kind, Ref, Reference};

/// A right that an application knows by name, such as `editor`. Users and groups bound to it hold it, and mappings
/// tell the application.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApplicationEntitlement {
    /// Name of the right, unique within its application.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The application that the right belongs to.
    pub app: Ref,
    /// Free data for mappings.
    pub attributes: Map<String, Value>,
}

impl Kind for ApplicationEntitlement {
    const NAME: &'static str = "authentik_core.applicationentitlement";
    const TITLE: &'static str = "Application entitlement";
    const FAMILIES: &'static [Family] = &[Family::BindingTarget];
    const KEYS: &'static [Key] = &[Key::of(&["app", "name"])];
    const REQUIRED: &'static [&'static str] = &["name", "app"];
    const REFERENCES: &'static [Reference] = &[Reference::one("app", "authentik_core.application").cascade()];
    const READ_ONLY: &'static [&'static str] = &["pbm_uuid"];
}
