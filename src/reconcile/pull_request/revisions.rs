//! The blueprints of two revisions of a local repository, read from its object store; nothing is checked out.

use std::{
    fmt,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use cap_std::{ambient_authority, fs::Dir};
use git2::{Commit, ErrorCode, Repository};

use crate::reconcile::{
    content::{Budget, Content, ReadBeside, Revision, Selection, SourceFile},
    git,
};

/// The revision that means the files on disk, committed or not.
pub const WORKTREE: &str = "WORKTREE";

/// Why revisions cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// There is no repository.
    #[error("{} is in no git repository; name one by --repo", .0.display())]
    NoRepository(PathBuf),
    /// The repository belongs to somebody else.
    #[error(
        "the repository at {} belongs to another account, so git does not read it; run as its owner, or add it to git's safe.directory",
        .0.display()
    )]
    Untrusted(PathBuf),
    /// There is no such commit.
    #[error("there is no revision {0}; in a shallow clone, fetch it first (with its history)")]
    NoRevision(String),
    /// A bare repository has no files on disk.
    #[error("the repository is bare, so it has no files on disk; name a revision by --to")]
    Bare,
    /// The files of a commit cannot be used.
    #[error("{revision}: {why}")]
    Unreadable {
        /// The revision.
        revision: String,
        /// Which, and why.
        why: String,
    },
    /// A file or folder on disk cannot be used.
    #[error("{revision}: {path} {why}")]
    Unusable {
        /// The revision.
        revision: String,
        /// Path in the repository.
        path: String,
        /// Why, as the end of a sentence.
        why: String,
    },
    /// The repository is damaged, or something of it is missing.
    #[error("the repository cannot be read: {0}")]
    Git(String),
}

impl From<git2::Error> for RevisionError {
    fn from(error: git2::Error) -> RevisionError {
        RevisionError::Git(error.message().to_owned())
    }
}

/// Two revisions to compare.
pub struct Pair {
    /// What the changes start from.
    pub base: Content,
    /// What they lead to.
    pub head: Content,
    /// Whether `from` has moved on since the changes left it, so that the base is an older commit.
    pub moved_on: bool,
    /// What a reader must know of how the base was chosen.
    pub notes: Vec<String>,
}

/// Reads the blueprints of two revisions.
///
/// As forges do, the changes are those that `to` makes since it left `from`; with `exact` they are all differences
/// between the two. No `to`, or [`WORKTREE`], means the files on disk.
///
/// # Errors
/// When the repository or one of the revisions cannot be read.
pub fn read(
    dir: &Path,
    from: &str,
    to: Option<&str>,
    exact: bool,
    selection: &Selection,
) -> Result<Pair, RevisionError> {
    let repository = open(dir)?;
    let (mut notes, mut moved_on) = (Vec::new(), false);
    let asked = commit(&repository, from)?;
    let to = to.filter(|name| *name != WORKTREE);
    let head_commit = match to {
        Some(name) => Some(commit(&repository, name)?),
        None => repository.head().ok().and_then(|head| head.peel_to_commit().ok()),
    };
    let mut base_commit = asked.clone();
    if let Some(head) = head_commit.as_ref().filter(|_| !exact) {
        match repository.merge_base(asked.id(), head.id()) {
            Ok(id) if id == asked.id() => {}
            Ok(id) => {
                base_commit = repository.find_commit(id)?;
                moved_on = true;
            }
            Err(_) => notes.push(format!(
                "{from} and {} have no common commit here (a shallow clone?), so all their differences are shown",
                to.unwrap_or(WORKTREE)
            )),
        }
    }
    let base = at_commit(&repository, from, &base_commit, selection)?;
    let head = match (to, &head_commit) {
        (Some(name), Some(commit)) => at_commit(&repository, name, commit, selection)?,
        _ => on_disk(&repository, selection)?,
    };
    Ok(Pair { base, head, moved_on, notes })
}

fn open(dir: &Path) -> Result<Repository, RevisionError> {
    Repository::discover(dir).map_err(|error| match error.code() {
        ErrorCode::NotFound => RevisionError::NoRepository(dir.to_path_buf()),
        ErrorCode::Owner => RevisionError::Untrusted(dir.to_path_buf()),
        _ => error.into(),
    })
}

fn commit<'r>(repository: &'r Repository, name: &str) -> Result<Commit<'r>, RevisionError> {
    let object = repository.revparse_single(name).map_err(|error| match error.code() {
        ErrorCode::NotFound | ErrorCode::InvalidSpec | ErrorCode::Ambiguous => {
            RevisionError::NoRevision(name.to_owned())
        }
        _ => error.into(),
    })?;
    object.peel_to_commit().map_err(|_| RevisionError::NoRevision(name.to_owned()))
}

fn at_commit(
    repository: &Repository,
    name: &str,
    commit: &Commit<'_>,
    selection: &Selection,
) -> Result<Content, RevisionError> {
    let id = commit.id().to_string();
    let revision = Revision {
        name: format!("{name}@{id}"),
        digest: commit.tree_id().to_string(),
        commit: Some(git::describe(commit)),
        signer: None,
    };
    let held = git::held(repository, commit.tree_id(), selection).map_err(|error| RevisionError::Unreadable {
        revision: format!("{name}@{}", id.get(..12).unwrap_or(&id)),
        why: error.message,
    })?;
    let (files, beside) = held.map_or_else(Default::default, |(files, beside)| (files, Some(beside)));
    Ok(Content { revision, files, beside })
}

/// The files of the work tree, without those that git ignores.
fn on_disk(repository: &Repository, selection: &Selection) -> Result<Content, RevisionError> {
    let workdir = repository.workdir().ok_or(RevisionError::Bare)?;
    let root = workdir.join(&selection.folder);
    let revision = Revision { name: WORKTREE.to_owned(), ..Revision::default() };
    if !root.is_dir() {
        return Ok(Content { revision, files: Vec::new(), beside: None });
    }
    let fail = |path: &str, why: String| unusable(WORKTREE, path, why);
    let mut budget = Spent { revision: WORKTREE, files: 0, bytes: 0 };
    let mut files = Vec::new();
    let dir = Dir::open_ambient_dir(&root, ambient_authority())
        .map_err(|error| fail(&selection.folder, format!("cannot be read: {error}")))?;
    let visible =
        |entry: &walkdir::DirEntry| entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.');
    for entry in walkdir::WalkDir::new(&root).sort_by_file_name().into_iter().filter_entry(visible) {
        let entry = entry.map_err(|error| fail(&selection.folder, format!("cannot be read: {error}")))?;
        let relative = entry.path().strip_prefix(&root).unwrap_or(entry.path());
        let Some(path) = relative.to_str() else {
            return Err(fail(&relative.to_string_lossy(), "has a name that is not UTF-8".to_owned()));
        };
        let ignored = || repository.status_should_ignore(&Path::new(&selection.folder).join(relative));
        if entry.file_type().is_dir() || !selection.takes(path) || ignored().unwrap_or(false) {
            continue;
        }
        let bytes = read_inside(&dir, path, u64::MAX)
            .map_err(|error| fail(path, format!("cannot be read: {error}")))?
            .ok_or_else(|| fail(path, "is no file of this folder".to_owned()))?;
        budget.take(path, bytes.len() as u64)?;
        files.push(SourceFile { path: path.to_owned(), bytes: Arc::from(bytes) });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(Content { revision, files, beside: Some(Arc::new(DiskFiles { dir })) })
}

/// Reads other files of one folder on disk.
struct DiskFiles {
    dir: Dir,
}

impl ReadBeside for DiskFiles {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
        read_inside(&self.dir, path, limit).map_err(|error| error.to_string())
    }
}

/// A regular file inside a folder, at most `limit` bytes of it; nothing when there is none.
fn read_inside(dir: &Dir, path: &str, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    // Opening a named pipe would wait for its writer, so the type is looked at before.
    match dir.metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= limit.min(Budget::default().content) => {}
        Ok(metadata) if metadata.is_file() => return Err(std::io::Error::other("is too large")),
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut bytes = Vec::new();
    dir.open(path)?.take(Budget::default().content).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// What the files of one revision have cost so far.
struct Spent<'n> {
    revision: &'n str,
    files: usize,
    bytes: u64,
}

impl Spent<'_> {
    fn take(&mut self, path: &str, size: u64) -> Result<(), RevisionError> {
        let budget = Budget::default();
        self.files += 1;
        self.bytes = self.bytes.saturating_add(size);
        let why = if self.files > budget.files {
            format!("is file {} of {} at most; narrow --path, --include or --exclude", self.files, budget.files)
        } else if self.bytes > budget.content {
            format!("makes the files larger than {} bytes; narrow --path, --include or --exclude", budget.content)
        } else {
            return Ok(());
        };
        Err(unusable(self.revision, path, why))
    }
}

fn unusable(revision: &str, path: impl fmt::Display, why: impl Into<String>) -> RevisionError {
    RevisionError::Unusable { revision: revision.to_owned(), path: format!("{:?}", path.to_string()), why: why.into() }
}
