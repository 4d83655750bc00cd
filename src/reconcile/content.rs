//! What a source holds at one revision: files in memory, never a work tree on disk.

use std::{fmt, sync::Arc, time::Duration};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

pub use crate::blueprint::inputs::ReadBeside;

/// The blueprint files of one revision of a source.
pub struct Content {
    /// Which revision.
    pub revision: Revision,
    /// The selected blueprint files, sorted by path.
    pub files: Vec<SourceFile>,
    /// Reads other files of the same revision, for `!File`; none for sources that have no others.
    pub beside: Option<Arc<dyn ReadBeside>>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("revision", &self.revision).field("files", &self.files).finish_non_exhaustive()
    }
}

/// One blueprint file.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path below the source's folder, with `/`.
    pub path: String,
    /// Content as stored.
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.path, self.bytes.len())
    }
}

/// A revision of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// What people call it: `main@3f2a9c…` (full commit id), `sha256:…`.
    pub name: String,
    /// Equal digests of one source mean equal content.
    pub digest: String,
    /// The commit, for sources that have any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Whose valid signature the revision carries, when signatures are checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

/// What is kept of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Full hexadecimal id.
    pub id: String,
    /// `Name <address>` of the author.
    pub author: String,
    /// Time of the commit in microseconds since 1970.
    pub at: i64,
    /// First line of its message.
    pub subject: String,
}

/// Which files of a source are its blueprints.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Folder inside the source, without slashes at its ends; empty for the whole source.
    pub folder: String,
    include: GlobSet,
    exclude: GlobSet,
}

impl Selection {
    /// A selection of `*.yaml` and `*.yml` files, of which `include` names some by patterns (all when empty) and
    /// `exclude` leaves some out. Patterns are about paths below `folder`; `*` does not cross a slash, `**` does.
    ///
    /// # Errors
    /// The pattern that is no glob, or a folder that climbs.
    pub fn new(folder: &str, include: &[String], exclude: &[String]) -> Result<Selection, SelectionError> {
        let folder = folder.trim_matches('/');
        let folder = folder.strip_prefix("./").unwrap_or(folder);
        let folder = if folder == "." { "" } else { folder };
        if folder.split('/').any(|part| part == "..") {
            return Err(SelectionError::Climbs(folder.to_owned()));
        }
        let everything = ["**".to_owned()];
        let include = if include.is_empty() { &everything } else { include };
        Ok(Selection { folder: folder.to_owned(), include: globs(include)?, exclude: globs(exclude)? })
    }

    /// Whether the file at `path`, below the folder, is one of the blueprints. Hidden files and what lies in hidden
    /// folders are not.
    pub fn takes(&self, path: &str) -> bool {
        let is_yaml = path.ends_with(".yaml") || path.ends_with(".yml");
        is_yaml
            && !path.split('/').any(|part| part.starts_with('.'))
            && self.include.is_match(path)
            && !self.exclude.is_match(path)
    }
}

fn globs(patterns: &[String]) -> Result<GlobSet, SelectionError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        set.add(glob.map_err(|error| SelectionError::Glob(pattern.clone(), error))?);
    }
    set.build().map_err(|error| SelectionError::Glob(patterns.join(", "), error))
}

/// A selection that means nothing.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// A pattern is wrong.
    #[error("{0:?} is no file pattern: {1}")]
    Glob(String, globset::Error),
    /// The folder leaves the source.
    #[error("the folder {0:?} leaves the source; give a folder inside it, without `..`")]
    Climbs(String),
}

/// What fetching a source may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes that are received.
    pub received: u64,
    /// Objects that are received, for git.
    pub objects: u64,
    /// Bytes of all selected files.
    pub content: u64,
    /// Number of selected files.
    pub files: usize,
    /// Time for everything.
    pub time: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            received: 256 << 20,
            objects: 500_000,
            content: 64 << 20,
            files: 10_000,
            time: Duration::from_secs(60),
        }
    }
}

/// Why the content of a source could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FetchReason {
    /// The other side does not answer, or breaks off. May pass by itself.
    Unreachable,
    /// It took longer than its budget. May pass by itself.
    TimedOut,
    /// The credentials are missing or refused.
    Unauthorized,
    /// The other side is not who it should be: unknown host key, bad certificate.
    Untrusted,
    /// The repository, artifact or folder is not there.
    SourceGone,
    /// The branch, tag or commit is not there, or nothing fits the version range.
    RevisionGone,
    /// The folder inside the source is not there or holds no blueprint.
    Empty,
    /// It exceeds a budget of bytes, objects or files.
    TooLarge,
    /// The revision does not follow from the one that was applied last.
    HistoryRewritten,
    /// The revision carries no signature, or none by a known key, or a wrong one.
    Unverified,
    /// What was received is not what its digest says, or cannot be read.
    Corrupt,
    /// It is at an address that what blueprints declare may not reach.
    Forbidden,
    /// The source's own settings contradict each other.
    Misconfigured,
    /// Something on this side failed: a full disk, a folder without permission.
    Local,
}

impl FetchReason {
    /// Whether trying again without anyone changing anything may help.
    pub fn may_pass(self) -> bool {
        matches!(self, FetchReason::Unreachable | FetchReason::TimedOut | FetchReason::Local)
    }
}

/// Content that could not be had.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct FetchError {
    /// Which kind of failure.
    pub reason: FetchReason,
    /// What happened, to what, and what to do, without any credential.
    pub message: String,
}

impl FetchError {
    /// A failure.
    pub fn new(reason: FetchReason, message: impl Into<String>) -> FetchError {
        FetchError { reason, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_takes_yaml_files_by_pattern() {
        let all = Selection::new("/deploy/", &[], &[]).expect("patterns");
        assert_eq!(all.folder, "deploy");
        for (path, taken) in [
            ("a.yaml", true),
            ("deep/er/b.yml", true),
            ("c.json", false),
            (".hidden.yaml", false),
            (".git/d.yaml", false),
            ("x/.y/d.yaml", false),
        ] {
            assert_eq!(all.takes(path), taken, "{path}");
        }
        let some = Selection::new(".", &["apps/*.yaml".to_owned(), "*.yml".to_owned()], &["apps/old*".to_owned()])
            .expect("patterns");
        assert_eq!(some.folder, "");
        for (path, taken) in [
            ("apps/a.yaml", true),
            ("apps/old.yaml", false),
            ("apps/deep/a.yaml", false),
            ("b.yml", true),
            ("deep/b.yml", false),
        ] {
            assert_eq!(some.takes(path), taken, "{path}");
        }
        assert!(Selection::new("a/../..", &[], &[]).is_err());
        assert!(Selection::new("", &["[".to_owned()], &[]).is_err());
    }
}
