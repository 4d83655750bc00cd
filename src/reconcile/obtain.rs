//! Getting the content of a source, wherever it is.

use std::path::Path;

use crate::blueprint::shipped;

use super::{
    content::{Content, FetchError, FetchReason, Revision, SourceFile},
    settings::{Origin, Settings},
    surroundings::Surroundings,
};

/// The content of a source at its newest revision. `known` is the revision that was applied last.
///
/// # Errors
/// Why there is none to be had.
pub async fn content(
    around: &Surroundings,
    settings: &Settings,
    _known: Option<&Revision>,
) -> Result<Content, FetchError> {
    match &settings.origin {
        Origin::Shipped => Ok(shipped_content()),
        Origin::Inline { content } => Ok(inline(content)),
        Origin::Directory { .. } | Origin::File { .. } | Origin::Git { .. } | Origin::Oci { .. } => {
            let _ = around;
            Err(FetchError::new(FetchReason::Misconfigured, "not yet"))
        }
    }
}

fn shipped_content() -> Content {
    let mut hasher = blake3::Hasher::new();
    let mut files: Vec<SourceFile> = Vec::new();
    for (path, text) in shipped::files() {
        for part in [path.as_bytes(), text.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        files.push(SourceFile { path, bytes: text.as_bytes().into() });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let digest = hasher.finalize().to_hex().to_string();
    let revision = Revision { name: env!("CARGO_PKG_VERSION").to_owned(), digest, ..Revision::default() };
    Content { revision, files, beside: None }
}

fn inline(content: &str) -> Content {
    let digest = blake3::hash(content.as_bytes()).to_hex().to_string();
    let revision = Revision { name: format!("blake3:{}", &digest[..16]), digest, ..Revision::default() };
    let file = SourceFile { path: "content.yaml".to_owned(), bytes: content.as_bytes().into() };
    Content { revision, files: vec![file], beside: None }
}

/// A file of a source as messages name it.
pub fn shown(settings: &Settings, path: &str) -> String {
    match &settings.origin {
        Origin::Directory { location, selection } => location.join(&selection.folder).join(path).display().to_string(),
        Origin::Git { selection, .. } => Path::new(&selection.folder).join(path).display().to_string(),
        Origin::File { path } => path.clone(),
        Origin::Oci { reference, .. } => format!("{reference}/{path}"),
        Origin::Shipped => shipped::shown(path),
        Origin::Inline { .. } => format!("{}/{path}", settings.name),
    }
}
