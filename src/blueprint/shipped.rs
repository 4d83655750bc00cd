//! The blueprints that the program carries in itself (folder `blueprints/`).

use include_dir::{Dir, include_dir};

use super::load::Loaded;

static FOLDER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/blueprints");

/// The folders that are applied by `serve`; the examples are there to be copied.
const APPLIED: [&str; 2] = ["default", "system"];

/// Adds the shipped blueprints to a run.
pub fn add(loaded: &mut Loaded) {
    for folder in APPLIED {
        let files = FOLDER.get_dir(folder).into_iter().flat_map(|folder| folder.files());
        for file in files {
            let path = file.path().to_string_lossy().replace('\\', "/");
            if let Some(text) = file.contents_utf8()
                && path.ends_with(".yaml")
            {
                loaded.add_text(&format!("shipped:{path}"), &path, "shipped", text);
            }
        }
    }
}
