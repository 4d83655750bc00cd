//! Reads the blueprints of a folder into memory.
//!
//! Everything goes through a handle of the folder that no path and no symbolic link leads out of. Links inside are
//! followed, also through hidden folders, as mounted Kubernetes volumes have them. What is read is the folder at one
//! moment: if something changes meanwhile, it is read again.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, Metadata},
};

use super::content::{Budget, Content, FetchError, FetchReason, ReadBeside, Revision, Selection, SourceFile};

/// Folders inside each other.
const MAX_DEPTH: usize = 64;
/// How often a folder that changes is read before giving up.
const ATTEMPTS: u32 = 5;

/// Reads the selected files of the folder `location`. Blocks; of the budget, content, files and time count.
///
/// # Errors
/// Why the content is not to be had; a folder without a selected file is one that holds no content.
pub fn read(location: &Path, selection: &Selection, budget: &Budget) -> Result<Content, FetchError> {
    let deadline = Instant::now() + budget.time;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            thread::sleep(Duration::from_millis(20 << attempt));
        }
        match attempt_to_read(location, selection, budget, deadline) {
            Ok(content) => return Ok(content),
            Err(Failure::Moving) => {}
            Err(Failure::Final(error)) => return Err(error),
        }
    }
    let message = format!("the folder {} keeps changing while it is read", location.display());
    Err(FetchError::new(FetchReason::Local, message))
}

/// Why one reading failed.
enum Failure {
    /// Something changed meanwhile.
    Moving,
    /// Reading again would not help.
    Final(FetchError),
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Failure::Final(error)
    }
}

fn attempt_to_read(
    location: &Path,
    selection: &Selection,
    budget: &Budget,
    deadline: Instant,
) -> Result<Content, Failure> {
    let dir = open(location)?;
    let walk = || Walk::of(&dir, location, selection, budget, deadline);
    let before = walk()?;
    let mut files = Vec::with_capacity(before.files.len());
    let mut hasher = blake3::Hasher::new();
    let mut left = budget.content;
    for (path, stamp) in &before.files {
        check_time(location, deadline)?;
        let inside = below(&selection.folder, path);
        let bytes = match read_file(&dir, &inside, *stamp, left) {
            Ok(bytes) => bytes,
            Err(Unread::Moving) => return Err(Failure::Moving),
            Err(Unread::TooLarge) => {
                let message = format!(
                    "the blueprints in {} have more than {} MiB together",
                    location.display(),
                    budget.content >> 20
                );
                return Err(FetchError::new(FetchReason::TooLarge, message).into());
            }
            Err(Unread::Failed(error)) => {
                return Err(local(&location.join(&inside), &error).into());
            }
        };
        left -= bytes.len() as u64;
        for part in [path.as_bytes(), &bytes] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        files.push(SourceFile { path: path.clone(), bytes: bytes.into() });
    }
    // What is reached by the same name now, with the same stamps, has been read as it was at one moment.
    if walk()? != before || open(location).and_then(|now| stamp_of(&now, location))? != stamp_of(&dir, location)? {
        return Err(Failure::Moving);
    }
    if files.is_empty() {
        let folder = location.join(&selection.folder);
        let message = format!("there is no *.yaml or *.yml file to take in {}", folder.display());
        return Err(FetchError::new(FetchReason::Empty, message).into());
    }
    let digest = hasher.finalize().to_hex();
    let revision =
        Revision { name: format!("blake3:{}", &digest[..12]), digest: digest.to_string(), commit: None, signer: None };
    let beside = open_folder(&dir, location, &selection.folder)?;
    Ok(Content { revision, files, beside: Some(Arc::new(Beside(beside))) })
}

fn open(location: &Path) -> Result<Dir, FetchError> {
    Dir::open_ambient_dir(location, ambient_authority()).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            FetchError::new(FetchReason::SourceGone, format!("the folder {} does not exist", location.display()))
        }
        io::ErrorKind::NotADirectory => {
            FetchError::new(FetchReason::SourceGone, format!("{} is not a folder", location.display()))
        }
        _ => local(location, &error),
    })
}

fn open_folder(dir: &Dir, location: &Path, folder: &str) -> Result<Dir, FetchError> {
    let opened = if folder.is_empty() { dir.try_clone() } else { dir.open_dir(folder) };
    opened.map_err(|error| refused(location, folder, &error))
}

/// Which file or folder a handle is about.
fn stamp_of(dir: &Dir, location: &Path) -> Result<(u64, u64), FetchError> {
    let metadata = dir.dir_metadata().map_err(|error| local(location, &error))?;
    Ok(identity(&metadata))
}

fn local(path: &Path, error: &io::Error) -> FetchError {
    FetchError::new(FetchReason::Local, format!("{} cannot be read: {error}", path.display()))
}

/// What an error at a path inside the location means.
fn refused(location: &Path, inside: &str, error: &io::Error) -> FetchError {
    let path = location.join(inside);
    if escapes(error) {
        let message = format!(
            "{} leads out of the folder {}; copy what it leads to into the folder",
            path.display(),
            location.display()
        );
        return FetchError::new(FetchReason::Misconfigured, message);
    }
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            FetchError::new(FetchReason::Empty, format!("there is no folder {}", path.display()))
        }
        _ => local(&path, error),
    }
}

/// Whether a path was refused because it leads out: the one refusal that does not come from the system.
fn escapes(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

fn check_time(location: &Path, deadline: Instant) -> Result<(), FetchError> {
    if Instant::now() < deadline {
        return Ok(());
    }
    let message = format!("reading the folder {} took longer than it may", location.display());
    Err(FetchError::new(FetchReason::TimedOut, message))
}

/// `path` inside `folder`.
fn below(folder: &str, path: &str) -> String {
    match (folder.is_empty(), path.is_empty()) {
        (true, _) => path.to_owned(),
        (false, true) => folder.to_owned(),
        (false, false) => format!("{folder}/{path}"),
    }
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    identity: (u64, u64),
    length: u64,
    /// When content and metadata changed last, in nanoseconds since 1970.
    times: (i128, i128),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp { identity: identity(metadata), length: metadata.len(), times: times(metadata) }
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use cap_std::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(unix)]
fn times(metadata: &Metadata) -> (i128, i128) {
    use cap_std::fs::MetadataExt;
    let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    (nanoseconds(metadata.mtime(), metadata.mtime_nsec()), nanoseconds(metadata.ctime(), metadata.ctime_nsec()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(not(unix))]
fn times(metadata: &Metadata) -> (i128, i128) {
    let modified = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
    let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    (since.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)), 0)
}

/// The selected files of a folder with their stamps.
struct Walk<'a> {
    dir: &'a Dir,
    location: &'a Path,
    selection: &'a Selection,
    budget: &'a Budget,
    deadline: Instant,
    /// Entries that were looked at.
    entries: u64,
    /// Real paths that were taken, so that a file behind several names is taken once.
    taken: BTreeSet<String>,
    files: BTreeMap<String, Stamp>,
}

impl PartialEq for Walk<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files
    }
}

impl<'a> Walk<'a> {
    fn of(
        dir: &'a Dir,
        location: &'a Path,
        selection: &'a Selection,
        budget: &'a Budget,
        deadline: Instant,
    ) -> Result<Walk<'a>, Failure> {
        let mut walk = Walk {
            dir,
            location,
            selection,
            budget,
            deadline,
            entries: 0,
            taken: BTreeSet::new(),
            files: BTreeMap::new(),
        };
        let root = open_folder(dir, location, &selection.folder)?;
        let identity = stamp_of(&root, location)?;
        // The real path of a file is known from its name unless a link is on the way.
        let real = dir.canonicalize(if selection.folder.is_empty() { "." } else { &selection.folder }).ok();
        let linked = !selection.folder.is_empty() && real.is_none_or(|real| real != Path::new(&selection.folder));
        walk.folder("", linked, &mut vec![identity])?;
        Ok(walk)
    }

    /// Visits the folder at `path` below the selection's. `linked` says that a link is on the way, `above` which
    /// folders are.
    fn folder(&mut self, path: &str, linked: bool, above: &mut Vec<(u64, u64)>) -> Result<(), Failure> {
        let inside = below(&self.selection.folder, path);
        let shown = if inside.is_empty() { "." } else { inside.as_str() };
        let listing = self.dir.read_dir(shown).map_err(|error| self.moving_or(&inside, &error))?;
        let mut entries = Vec::new();
        for entry in listing {
            let entry = entry.map_err(|error| self.moving_or(&inside, &error))?;
            check_time(self.location, self.deadline)?;
            self.entries += 1;
            if self.entries > self.budget.objects {
                let message =
                    format!("there are more than {} files in {}", self.budget.objects, self.location.display());
                return Err(FetchError::new(FetchReason::TooLarge, message).into());
            }
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = entry.file_type().map_err(|error| self.moving_or(&inside, &error))?;
            match name.into_string() {
                Ok(name) => entries.push((name, kind)),
                Err(name) => {
                    let path = self.location.join(&inside).join(name);
                    let message = format!("the name of {} is not UTF-8", path.display());
                    return Err(FetchError::new(FetchReason::Misconfigured, message).into());
                }
            }
        }
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        for (name, kind) in entries {
            let path = below(path, &name);
            let is_selected = self.selection.takes(&path);
            if !kind.is_dir() && !kind.is_symlink() && !is_selected {
                continue;
            }
            let inside = below(&self.selection.folder, &path);
            let metadata = match self.dir.metadata(&inside) {
                Ok(metadata) => metadata,
                // A link to nothing, or out of the folder, only matters where a blueprint should be.
                Err(_) if !is_selected => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound && kind.is_symlink() => {
                    if self.dir.symlink_metadata(&inside).is_err() {
                        return Err(Failure::Moving);
                    }
                    let message = format!("the link {} leads to nothing", self.location.join(&inside).display());
                    return Err(FetchError::new(FetchReason::Local, message).into());
                }
                Err(error) => return Err(self.moving_or(&inside, &error)),
            };
            let linked = linked || kind.is_symlink();
            if metadata.is_dir() {
                let identity = identity(&metadata);
                // What leads back to where it came from adds nothing.
                if linked && above.contains(&identity) {
                    continue;
                }
                if above.len() > MAX_DEPTH {
                    let message = format!("{} is nested too deeply", self.location.join(&inside).display());
                    return Err(FetchError::new(FetchReason::TooLarge, message).into());
                }
                above.push(identity);
                self.folder(&path, linked, above)?;
                above.pop();
            } else if is_selected {
                self.file(path, &inside, linked, &metadata)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: String, inside: &str, linked: bool, metadata: &Metadata) -> Result<(), Failure> {
        if !metadata.is_file() {
            let message = format!("{} is not a regular file", self.location.join(inside).display());
            return Err(FetchError::new(FetchReason::Misconfigured, message).into());
        }
        let real = if linked {
            let real = self.dir.canonicalize(inside).map_err(|error| self.moving_or(inside, &error))?;
            real.to_string_lossy().into_owned()
        } else {
            inside.to_owned()
        };
        if !self.taken.insert(real) {
            return Ok(());
        }
        self.files.insert(path, Stamp::of(metadata));
        if self.files.len() > self.budget.files {
            let message = format!("{} has more than {} blueprints", self.location.display(), self.budget.files);
            return Err(FetchError::new(FetchReason::TooLarge, message).into());
        }
        Ok(())
    }

    /// What was there just now and is not any more has moved.
    fn moving_or(&self, inside: &str, error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Failure::Moving,
            _ => Failure::Final(refused(self.location, inside, error)),
        }
    }
}

/// Why a file was not read.
enum Unread {
    Moving,
    TooLarge,
    Failed(io::Error),
}

fn read_file(dir: &Dir, path: &str, stamp: Stamp, limit: u64) -> Result<Vec<u8>, Unread> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Unread::Moving,
        _ => Unread::Failed(error),
    };
    if stamp.length > limit {
        return Err(Unread::TooLarge);
    }
    let file = dir.open(path).map_err(failed)?;
    if Stamp::of(&file.metadata().map_err(failed)?) != stamp {
        return Err(Unread::Moving);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.length).unwrap_or(0));
    file.take(stamp.length + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 == stamp.length { Ok(bytes) } else { Err(Unread::Moving) }
}

/// Reads other files of the folder as they are when they are asked for: a folder has no revisions.
struct Beside(Dir);

impl ReadBeside for Beside {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
        let none_or = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            _ if escapes(&error) => Ok(None),
            _ => Err(format!("cannot be read: {error}")),
        };
        if path.is_empty() || Path::new(path).is_absolute() {
            return Ok(None);
        }
        // The type is looked at first, because opening a named pipe would wait for its writer.
        match self.0.metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err("is not a regular file".to_owned()),
            Err(error) => return none_or(error),
        }
        let file = match self.0.open(path) {
            Ok(file) => file,
            Err(error) => return none_or(error),
        };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| format!("cannot be read: {error}"))?;
        if bytes.len() as u64 > limit {
            return Err(format!("is larger than {limit} bytes"));
        }
        Ok(Some(bytes))
    }
}
