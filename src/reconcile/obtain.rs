//! Getting the content of a source, wherever it is.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    content::{Budget, Content, FetchError, FetchReason, Revision, Selection, SourceFile},
    directory, oci,
    settings::{Origin, Settings},
    surroundings::Surroundings,
};
use crate::{blueprint::shipped, model::SecretText};

/// Content that was fetched last, for origins that only say that nothing changed.
pub type Kept = Option<Arc<Content>>;

/// The content of a source at its newest revision. `known` is the revision that was applied last; `kept` is what this
/// function gave last, if it is still there.
///
/// # Errors
/// Why there is none to be had.
pub async fn content(around: &Surroundings, settings: &Settings, kept: &mut Kept) -> Result<Arc<Content>, FetchError> {
    let budget = around.budget;
    let content = match &settings.origin {
        Origin::Shipped => shipped_content(),
        Origin::Inline { content } => inline(content),
        Origin::Directory { location, selection } => directory::read(location, selection, &budget)?,
        Origin::File { path } => file(&around.folders, path, &budget)?,
        Origin::Oci { reference, username, password, ca_certificate } => {
            let origin = oci::Origin {
                reference: reference.clone(),
                username: username.clone(),
                password: password.as_ref().map(|password| SecretText(password.expose().to_owned())),
                ca_certificate: ca_certificate.clone(),
                allow_plain: around.allow_plain,
            };
            let known = kept.as_ref().map(|content| content.revision.clone());
            match (oci::fetch(&origin, &budget, known.as_ref()).await?, kept.clone()) {
                (Some(content), _) => content,
                (None, Some(content)) => return Ok(content),
                (None, None) => return Err(FetchError::new(FetchReason::Corrupt, "the registry sent nothing")),
            }
        }
        Origin::Git { .. } => return Err(FetchError::new(FetchReason::Misconfigured, "git is not there yet")),
    };
    let content = Arc::new(content);
    *kept = Some(content.clone());
    Ok(content)
}

/// One file of the blueprint folders: the first folder that has it counts.
fn file(folders: &[PathBuf], path: &str, budget: &Budget) -> Result<Content, FetchError> {
    let misconfigured = |why: String| FetchError::new(FetchReason::Misconfigured, why);
    let pattern = globset::escape(path);
    let selection = Selection::new("", &[pattern], &[]).map_err(|error| misconfigured(error.to_string()))?;
    for folder in folders {
        match directory::read(folder, &selection, budget) {
            Err(error) if matches!(error.reason, FetchReason::Empty | FetchReason::SourceGone) => {}
            other => return other,
        }
    }
    let gone = format!("there is no blueprint {path} in the blueprint folders of this server");
    Err(FetchError::new(FetchReason::SourceGone, gone))
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
