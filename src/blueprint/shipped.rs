//! The blueprints that the program carries in itself (folder `blueprints/`).

use include_dir::{Dir, include_dir};

use super::load::Loaded;

static FOLDER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/blueprints");

/// The folders that are applied by `serve`; the examples are there to be copied.
const APPLIED: [&str; 2] = ["default", "system"];

/// The shipped blueprints: path and text.
pub fn files() -> impl Iterator<Item = (String, &'static str)> {
    APPLIED.iter().filter_map(|folder| FOLDER.get_dir(folder)).flat_map(Dir::files).filter_map(|file| {
        let path = file.path().to_string_lossy().replace('\\', "/");
        path.ends_with(".yaml").then_some((path, file.contents_utf8()?))
    })
}

/// Name of a shipped blueprint in messages.
pub fn shown(path: &str) -> String {
    format!("shipped:{path}")
}

/// Adds the shipped blueprints to a run.
pub fn add(loaded: &mut Loaded) {
    for (path, text) in files() {
        loaded.add_text(&shown(&path), &path, "shipped", text);
    }
}
