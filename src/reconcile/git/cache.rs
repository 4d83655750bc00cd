//! The bare repository that keeps what was received for a source.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use git2::{Config, ConfigLevel, Oid, Repository, RepositoryInitOptions};

use crate::reconcile::content::{FetchError, FetchReason};

/// The file that marks a folder as such a cache, and says for what.
const MARK: &str = "gatewright-source";

/// Keeps the newest fetched object, so that the next fetch can say what is there.
pub(super) const TIP: &str = "refs/gatewright/tip";

/// What the cache is for: another url, or another limit for large blobs, is another cache.
pub(super) fn mark(url: &str, largest_blob: u64) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(url.as_bytes());
    hash.update(&largest_blob.to_le_bytes());
    hash.finalize().to_hex().to_string()
}

fn local(folder: &Path, what: &str, error: &dyn std::fmt::Display) -> FetchError {
    FetchError::new(FetchReason::Local, format!("the cache {} cannot be {what}: {error}", folder.display()))
}

/// Opens the cache in `folder`. It is made anew when it is absent, is for something else, or cannot be opened.
pub(super) fn open(folder: &Path, mark: &str) -> Result<Repository, FetchError> {
    let kept = fs::read_to_string(folder.join(MARK)).is_ok_and(|kept| kept == mark);
    if kept {
        sweep(folder).map_err(|error| local(folder, "cleaned", &error))?;
        if let Ok(repository) = opened(folder) {
            return Ok(repository);
        }
    }
    recreate(folder, mark)
}

/// Removes what a fetch that did not come to its end has left: locks, which nobody would ever take away, and beginnings of
/// packs. Nobody else uses the cache meanwhile, so they are nobody's.
fn sweep(folder: &Path) -> io::Result<()> {
    let mut open = vec![folder.to_path_buf()];
    while let Some(at) = open.pop() {
        let packs = at.ends_with("objects/pack");
        for entry in fs::read_dir(at)? {
            let entry = entry?;
            let path = entry.path();
            let ends_in = |ends: &[&str]| path.extension().is_some_and(|end| ends.iter().any(|known| end == *known));
            if entry.file_type()?.is_dir() {
                open.push(path);
            } else if ends_in(&["lock"]) || packs && !ends_in(&["pack", "idx"]) {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

/// Empties the cache.
pub(super) fn recreate(folder: &Path, mark: &str) -> Result<Repository, FetchError> {
    match fs::symlink_metadata(folder) {
        Ok(found) => {
            // Nothing is deleted that was not made here.
            let ours = found.is_dir() && (folder.join(MARK).is_file() || is_empty(folder));
            if !ours {
                return Err(local(folder, "used", &"something else lies there; choose another folder"));
            }
            fs::remove_dir_all(folder).map_err(|error| local(folder, "emptied", &error))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(local(folder, "read", &error)),
    }
    let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.map_err(|error| local(folder, "created", &error))?;
    // The mark comes first: what is left half made is recognised as ours.
    fs::write(folder.join(MARK), mark).map_err(|error| local(folder, "written", &error))?;
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).mkdir(false).initial_head("gatewright");
    Repository::init_opts(folder, &options).map_err(|error| local(folder, "created", &error.message()))?;
    opened(folder).map_err(|error| local(folder, "opened", &error.message()))
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn opened(folder: &Path) -> Result<Repository, git2::Error> {
    let repository = Repository::open_bare(folder)?;
    alone(&repository)?;
    repository.odb()?;
    Ok(repository)
}

/// Makes a repository heed its own configuration only, not that of the account or the system, which could rewrite urls.
pub(super) fn alone(repository: &Repository) -> Result<(), git2::Error> {
    let mut config = Config::new()?;
    let own = repository.path().join("config");
    if own.is_file() {
        config.add_file(&own, ConfigLevel::Local, false)?;
    }
    repository.set_config(&config)
}

fn boundaries(repository: &Repository) -> PathBuf {
    repository.path().join("shallow")
}

/// Commits that the repository has without their parents.
pub(super) fn shallow(repository: &Repository) -> BTreeSet<Oid> {
    let text = fs::read_to_string(boundaries(repository)).unwrap_or_default();
    text.lines().filter_map(|line| Oid::from_str(line.trim()).ok()).collect()
}

/// Records them.
pub(super) fn set_shallow(repository: &Repository, commits: &BTreeSet<Oid>) -> Result<(), FetchError> {
    let file = boundaries(repository);
    let failed = |error: io::Error| local(repository.path(), "written", &error);
    if commits.is_empty() {
        return match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        };
    }
    let text: String = commits.iter().map(|commit| format!("{commit}\n")).collect();
    let new = file.with_extension("new");
    fs::write(&new, text).map_err(failed)?;
    fs::rename(&new, &file).map_err(failed)
}
