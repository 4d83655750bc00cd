use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the verdicts of several bindings on one target combine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineMode {
    /// Every binding must pass.
    All,
    /// One passing binding is enough.
    #[default]
    Any,
}
