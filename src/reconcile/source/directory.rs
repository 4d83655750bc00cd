//! The kind `gatewright_sources.directory`: blueprints in a folder of the server.

use super::{check_selection, source_kind};
use crate::model::Report;

source_kind! {
    /// Applies the blueprints of a folder on the server, and watches it for changes.
    pub struct DirectorySource {
        /// The folder, absolute or relative to the server's working directory.
        #[schemars(length(min = 1))]
        pub location: String = String::new(),
        /// Folder inside the location; empty for all of it.
        pub path: String = String::new(),
        /// Patterns of the files to take, relative to the path; all `*.yaml` and `*.yml` files when empty.
        pub include: Vec<String> = Vec::new(),
        /// Patterns of files to leave out.
        pub exclude: Vec<String> = Vec::new(),
    }
    kind "gatewright_sources.directory", "Directory source", required &["name", "location"];
}

impl DirectorySource {
    fn check_own(&self, report: &mut Report) {
        check_selection(&self.path, &self.include, &self.exclude, report);
    }
}
