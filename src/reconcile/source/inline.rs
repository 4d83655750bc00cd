//! The kind `gatewright_sources.inline`: a blueprint that is kept in the database.

use super::source_kind;
use crate::model::Report;

source_kind! {
    /// Applies a blueprint that is kept in the database itself.
    pub struct InlineSource {
        /// The document, as YAML.
        #[schemars(length(min = 1))]
        pub content: String = String::new(),
    }
    kind "gatewright_sources.inline", "Inline source", required &["name", "content"];
}

impl InlineSource {
    fn check_own(&self, _: &mut Report) {}
}
