//! Section `[database]`.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Problem;

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite://FILE`, or `postgres://USER:PASSWORD@HOST/NAME` when several processes share the database.
    #[schemars(extend("x-secret" = "url"))]
    pub url: String,
    /// Connections that one process keeps open at most.
    pub max_connections: NonZeroU32,
}

impl Default for Database {
    fn default() -> Self {
        Database { url: "sqlite://gatewright.db".into(), max_connections: NonZeroU32::MIN.saturating_add(9) }
    }
}

impl Database {
    pub(super) fn check(&self) -> Vec<Problem> {
        let known = ["sqlite:", "postgres://", "postgresql://"];
        if known.iter().any(|scheme| self.url.starts_with(scheme)) {
            return Vec::new();
        }
        vec![Problem::new("database.url", "must start with sqlite:// or postgres://")]
    }
}
