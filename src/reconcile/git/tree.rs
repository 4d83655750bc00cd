//! Files of a commit, read from the object store.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use git2::{ErrorCode, ObjectType, Odb, Oid, Repository};

use super::{ask::stored, limits::Limits};
use crate::reconcile::content::{Budget, FetchError, FetchReason, ReadBeside, Selection, SourceFile};

/// Deepest folder.
const DEPTH: usize = 64;

/// Symbolic links on the way to one file.
const LINKS: usize = 16;

/// Longest target of a symbolic link.
const LONGEST_TARGET: usize = 4096;

/// Largest object that lists a folder.
const LARGEST_TREE: usize = 16 << 20;

/// What an entry of a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Folder,
    File,
    Link,
    /// Another repository's commit.
    Submodule,
}

struct Entry {
    name: String,
    mode: Mode,
    id: Oid,
}

/// A folder at a commit.
pub(super) struct Folder<'a> {
    odb: Odb<'a>,
    root: Oid,
    /// Whether a blob that is not here was left out for its size.
    leaves_out: bool,
}

/// Looks for `path` below a commit's tree; nothing when it is not there or no folder.
pub(super) fn folder<'a>(
    repository: &'a Repository,
    tree: Oid,
    path: &str,
    leaves_out: bool,
) -> Result<Option<Folder<'a>>, FetchError> {
    let odb = repository.odb().map_err(|error| stored(&error))?;
    let mut folder = Folder { odb, root: tree, leaves_out };
    for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
        let found = folder.entries(folder.root, "")?.into_iter().find(|entry| entry.name == name);
        match found {
            Some(Entry { mode: Mode::Folder, id, .. }) => folder.root = id,
            _ => return Ok(None),
        }
    }
    Ok(Some(folder))
}

/// Selected files, and what reads those beside them.
type Held = (Vec<SourceFile>, Arc<dyn ReadBeside>);

/// The selected files of a commit's tree in a repository of this machine, with what reads the files beside them; nothing
/// when the selection's folder is not there.
///
/// # Errors
/// When the tree cannot be read, or exceeds the usual budget.
pub fn held(repository: &Repository, tree: Oid, selection: &Selection) -> Result<Option<Held>, FetchError> {
    let Some(folder) = folder(repository, tree, &selection.folder, false)? else { return Ok(None) };
    let (budget, never) = (Budget::default(), AtomicBool::new(false));
    let files = folder.files(selection, &Limits::new(&budget, &never), &repository.path().display())?;
    let own = Repository::open(repository.path()).map_err(|error| stored(&error))?;
    Ok(Some((files, Arc::new(Beside::new(own, folder.id(), false)))))
}

impl Folder<'_> {
    /// Id of the folder with all that is in it.
    pub(super) fn id(&self) -> Oid {
        self.root
    }

    /// The selected files, sorted by path.
    pub(super) fn files(
        &self,
        selection: &Selection,
        limits: &Limits<'_>,
        place: &dyn std::fmt::Display,
    ) -> Result<Vec<SourceFile>, FetchError> {
        let (mut files, mut entries, mut bytes) = (Vec::new(), 0, 0);
        let mut open = vec![(self.root, String::new(), 0)];
        while let Some((tree, prefix, depth)) = open.pop() {
            if depth > DEPTH {
                return Err(corrupt(&prefix, "lies too deep"));
            }
            for entry in self.entries(tree, &prefix)? {
                entries += 1;
                limits.objects(entries).map_err(|stop| limits.error(stop, place))?;
                let path = format!("{prefix}{}", entry.name);
                let blob = match entry.mode {
                    Mode::Folder => {
                        open.push((entry.id, format!("{path}/"), depth + 1));
                        continue;
                    }
                    Mode::File if selection.takes(&path) => entry.id,
                    // A link that leads nowhere is an error: passed over, the file would seem to have been deleted.
                    Mode::Link if selection.takes(&path) => self.resolve(&path)?.ok_or_else(|| {
                        corrupt(&path, "is a symbolic link that does not lead to a file inside the source's folder")
                    })?,
                    Mode::File | Mode::Link | Mode::Submodule => continue,
                };
                if files.len() == limits.budget.files {
                    return Err(too_large(format!(
                        "{place}: more than {} files are selected; narrow `path`, `include` or `exclude`, or raise the limit",
                        limits.budget.files
                    )));
                }
                let content = self.blob(blob, limits.budget.content - bytes)?;
                let Some(content) = content.filter(|content| content.len() as u64 <= limits.budget.content - bytes)
                else {
                    return Err(too_large(format!(
                        "{place}: with {path} the selected files exceed {} bytes; leave large files out with `exclude`, \
                         or raise the limit",
                        limits.budget.content
                    )));
                };
                bytes += content.len() as u64;
                files.push(SourceFile { path, bytes: Arc::from(content) });
            }
        }
        files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(files)
    }

    /// Content of a blob; nothing when it is larger than `limit`, which is found out without reading it.
    fn blob(&self, id: Oid, limit: u64) -> Result<Option<Vec<u8>>, FetchError> {
        match self.odb.read_header(id) {
            Ok((size, ObjectType::Blob)) if size as u64 <= limit => {}
            Ok((_, ObjectType::Blob)) => return Ok(None),
            Ok(_) => return Err(FetchError::new(FetchReason::Corrupt, format!("the object {id} should be a file"))),
            Err(error) if error.code() == ErrorCode::NotFound && self.leaves_out => return Ok(None),
            Err(error) => return Err(stored(&error)),
        }
        let object = self.odb.read(id).map_err(|error| stored(&error))?;
        Ok(Some(object.data().to_vec()))
    }

    /// The file at `path`, through links, all inside the folder; nothing when there is none.
    fn resolve(&self, path: &str) -> Result<Option<Oid>, FetchError> {
        let mut open: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let (mut trees, mut links) = (vec![self.root], 0);
        while let Some(name) = open.pop_front() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    trees.pop();
                    if trees.is_empty() {
                        return Ok(None);
                    }
                    continue;
                }
                _ => {}
            }
            let Some(tree) = trees.last().copied() else { return Ok(None) };
            let Some(entry) = self.entries(tree, "")?.into_iter().find(|entry| entry.name == name) else {
                return Ok(None);
            };
            match entry.mode {
                Mode::Folder => trees.push(entry.id),
                Mode::File => return Ok(open.is_empty().then_some(entry.id)),
                Mode::Submodule => return Ok(None),
                Mode::Link => {
                    links += 1;
                    let target = self.blob(entry.id, LONGEST_TARGET as u64)?;
                    let target = target.and_then(|target| String::from_utf8(target).ok());
                    let Some(target) = target.filter(|target| links <= LINKS && !target.starts_with('/')) else {
                        return Ok(None);
                    };
                    for part in target.split('/').rev() {
                        open.push_front(part.to_owned());
                    }
                }
            }
        }
        Ok(None)
    }

    /// What a folder lists, every name checked.
    fn entries(&self, tree: Oid, prefix: &str) -> Result<Vec<Entry>, FetchError> {
        match self.odb.read_header(tree) {
            Ok((size, ObjectType::Tree)) if size <= LARGEST_TREE => {}
            Ok((_, ObjectType::Tree)) => return Err(too_large(format!("the folder {prefix:?} lists too much"))),
            Ok(_) => {
                return Err(FetchError::new(FetchReason::Corrupt, format!("the object {tree} should be a folder")));
            }
            Err(error) => return Err(stored(&error)),
        }
        let object = self.odb.read(tree).map_err(|error| stored(&error))?;
        let (mut entries, mut names) = (Vec::new(), HashSet::new());
        let mut rest = object.data();
        while !rest.is_empty() {
            let Some((mode, name, id, after)) = raw_entry(rest) else {
                return Err(corrupt(prefix, "is a folder whose list is damaged"));
            };
            rest = after;
            let shown = || format!("{prefix}{}", String::from_utf8_lossy(name));
            let name = std::str::from_utf8(name).map_err(|_| corrupt(&shown(), "has a name that is not UTF-8"))?;
            if let Some(why) = odd(name) {
                return Err(corrupt(&shown(), why));
            }
            if !names.insert(name) {
                return Err(corrupt(&shown(), "is there twice"));
            }
            let mode = match mode & 0o170_000 {
                0o040_000 => Mode::Folder,
                0o100_000 => Mode::File,
                0o120_000 => Mode::Link,
                0o160_000 => Mode::Submodule,
                _ => return Err(corrupt(&shown(), "is neither file nor folder nor link")),
            };
            entries.push(Entry { name: name.to_owned(), mode, id });
        }
        Ok(entries)
    }
}

/// Takes one entry, `mode SP name NUL id`, off a folder's list.
fn raw_entry(list: &[u8]) -> Option<(u32, &[u8], Oid, &[u8])> {
    let space = list.iter().position(|byte| *byte == b' ')?;
    let mode = std::str::from_utf8(list.get(..space)?).ok()?;
    let mode = u32::from_str_radix(mode, 8).ok()?;
    let rest = list.get(space + 1..)?;
    let nul = rest.iter().position(|byte| *byte == 0)?;
    let id = Oid::from_bytes(rest.get(nul + 1..nul + 21)?).ok()?;
    Some((mode, rest.get(..nul)?, id, rest.get(nul + 21..)?))
}

/// Why a name is not one that a folder can hold.
fn odd(name: &str) -> Option<&'static str> {
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        Some("has a name that leaves its folder")
    } else if name.eq_ignore_ascii_case(".git") {
        Some("has the name of git's own folder")
    } else if name.contains('\\') {
        Some("has a backslash in its name")
    } else if name.chars().any(char::is_control) {
        Some("has a control character in its name")
    } else {
        None
    }
}

fn corrupt(path: &str, why: &str) -> FetchError {
    FetchError::new(FetchReason::Corrupt, format!("{:?} {why}", path.trim_end_matches('/')))
}

fn too_large(message: String) -> FetchError {
    FetchError::new(FetchReason::TooLarge, message)
}

/// Reads other files of the same folder at the same commit.
pub(super) struct Beside {
    repository: Mutex<Repository>,
    root: Oid,
    leaves_out: bool,
}

impl Beside {
    pub(super) fn new(repository: Repository, root: Oid, leaves_out: bool) -> Beside {
        Beside { repository: Mutex::new(repository), root, leaves_out }
    }
}

impl ReadBeside for Beside {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
        if path.starts_with('/') {
            return Ok(None);
        }
        let repository = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        let odb = repository.odb().map_err(|error| error.message().to_owned())?;
        let folder = Folder { odb, root: self.root, leaves_out: self.leaves_out };
        let Some(blob) = folder.resolve(path).map_err(|error| error.message)? else { return Ok(None) };
        match folder.blob(blob, limit).map_err(|error| error.message)? {
            Some(content) => Ok(Some(content)),
            None => Err(format!("it is larger than {limit} bytes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_known() {
        for name in ["", ".", "..", "a/b", "/", ".git", ".GIT", "a\\b", "a\nb", "\u{7f}"] {
            assert!(odd(name).is_some(), "{name:?}");
        }
        for name in ["a", ".gitignore", "...", "ä ö.yaml", "a:b"] {
            assert_eq!(odd(name), None, "{name:?}");
        }
    }
}
