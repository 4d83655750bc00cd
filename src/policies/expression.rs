//! The kind `authentik_policies_expression.expressionpolicy`: decides by an expression.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Passes when its expression returns something true.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExpressionPolicy {
    /// Name of the policy, unique among all policies. Other expressions call the policy by this name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Writes an event for every run; without it only failures leave one.
    pub execution_logging: bool,
    /// Expression that returns the verdict; without a `return` it fails. It sees `request`, `context` and the helper
    /// functions, and `ak_message` tells people why.
    #[schemars(length(min = 1))]
    pub expression: String,
}

impl Kind for ExpressionPolicy {
    const NAME: &'static str = "authentik_policies_expression.expressionpolicy";
    const TITLE: &'static str = "Expression policy";
    const FAMILIES: &'static [Family] = &[Family::Policy];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Policy)];
    const REQUIRED: &'static [&'static str] = &["name", "expression"];
    const READ_ONLY: &'static [&'static str] = &["bound_to"];
}
