//! Section `[blueprints]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Problem;

/// The blueprints that the server applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Blueprints {
    /// Folders whose blueprints are applied and watched.
    pub dirs: Vec<PathBuf>,
    /// Whether the blueprints that come with the program (default flows, brand, scopes) are applied.
    pub shipped: bool,
    /// Values that every blueprint sees in its context, below those of its own.
    #[schemars(extend("x-secret" = "value"))]
    pub context: Map<String, Value>,
    /// Environment variables that blueprints may read with `!Env`, as globs.
    pub allow_env: Vec<String>,
    /// Folders that blueprints may read files from with `!File`.
    pub allow_files: Vec<PathBuf>,
}

impl Default for Blueprints {
    fn default() -> Self {
        Blueprints {
            dirs: Vec::new(),
            shipped: true,
            context: Map::new(),
            allow_env: Vec::new(),
            allow_files: Vec::new(),
        }
    }
}

impl Blueprints {
    pub(super) fn check(&self) -> Vec<Problem> {
        let wrong = self.allow_env.iter().filter_map(|glob| globset::Glob::new(glob).err());
        wrong.map(|error| Problem::new("blueprints.allow_env", format!("is not a list of globs: {error}"))).collect()
    }
}
