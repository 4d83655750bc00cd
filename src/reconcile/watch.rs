//! Notices changes of a folder.
//!
//! The system's own notices come first; a slow comparison of the whole folder catches what they miss: lost notices, network
//! file systems, more folders than the system watches. Notices are gathered until it is quiet, and what is told is only
//! that something changed: whoever is told reads the folder anew.
//!
//! Watched are real folders, one by one: notices follow a folder, not its name, so whenever a folder may have come,
//! gone or been replaced, all watches are made anew from the names. The folder itself may be missing, and may be a
//! symbolic link or lie behind some: what decides where it is, is watched too.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind},
};
use tokio::sync::watch;

/// Entries of a folder that are looked at; what is beyond is neither watched nor compared.
const MAX_ENTRIES: usize = 200_000;
/// Symbolic links that are followed to find the folder.
const MAX_LINKS: usize = 40;

/// When changes are told.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long nothing must happen before a change is told.
    pub quiet: Duration,
    /// How long after its first notice a change is told at the latest, if it never gets quiet.
    pub latest: Duration,
    /// Time between two comparisons of the whole folder.
    pub poll: Duration,
    /// Whether the system's notices are used at all.
    pub notices: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            quiet: Duration::from_millis(100),
            latest: Duration::from_millis(500),
            poll: Duration::from_secs(10),
            notices: true,
        }
    }
}

/// A folder that is being watched, until this is dropped.
pub struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to watch. The receiver's number grows with each change from now on; how many there were is not kept.
    /// Looks through the folder before it returns.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(folder: PathBuf, options: Options) -> std::io::Result<(Watch, watch::Receiver<u64>)> {
        let folder = std::path::absolute(folder)?;
        let (sender, receiver) = watch::channel(0);
        let shared = Arc::new(Shared::default());
        let mut looker = Looker { folder, options, shared: shared.clone(), watcher: None, complained: false };
        looker.arm();
        let digest = looker.digest();
        let thread = std::thread::Builder::new()
            .name("gatewright-watch".to_owned())
            .spawn(move || looker.run(digest, &sender))?;
        Ok((Watch { shared, thread: Some(thread) }, receiver))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.state().stop = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the system's notices and the thread that looks have in common. Bounded whatever happens.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    stop: bool,
    /// First and last notice that is not yet told.
    noticed: Option<(Instant, Instant)>,
    /// The notices say for sure that something changed; otherwise a comparison decides.
    certain: bool,
    /// A folder may have come, gone or been replaced.
    moved: bool,
    interest: Interest,
}

/// Which notices matter.
#[derive(Default)]
struct Interest {
    /// Folders of which every entry matters.
    folders: BTreeSet<PathBuf>,
    /// Single paths that decide where the folder is.
    anchors: BTreeSet<PathBuf>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done where this could be poisoned.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_notice(&self, notice: &notify::Result<notify::Event>) {
        let mut state = self.state();
        let (certain, moved) = match notice {
            Ok(event) if !event.need_rescan() => {
                let inside = event.paths.iter().any(|path| {
                    state.interest.folders.contains(path)
                        || path.parent().is_some_and(|parent| state.interest.folders.contains(parent))
                });
                let anchor = event.paths.iter().any(|path| state.interest.anchors.contains(path));
                match event.kind {
                    _ if !inside && !anchor => return,
                    // Reading is no change, or each look at the folder would cause the next.
                    EventKind::Access(AccessKind::Close(AccessMode::Write)) => (true, false),
                    EventKind::Access(_) => return,
                    EventKind::Modify(ModifyKind::Data(_)) => (true, false),
                    EventKind::Modify(ModifyKind::Metadata(_)) => (false, false),
                    EventKind::Create(notify::event::CreateKind::File)
                    | EventKind::Remove(notify::event::RemoveKind::File) => (inside, anchor),
                    _ => (inside, true),
                }
            }
            // Notices were lost, or could not be given.
            _ => (false, true),
        };
        let now = Instant::now();
        let first = state.noticed.map_or(now, |(first, _)| first);
        state.noticed = Some((first, now));
        state.certain |= certain;
        state.moved |= moved;
        self.wake.notify_all();
    }
}

/// The one who looks.
struct Looker {
    folder: PathBuf,
    options: Options,
    shared: Arc<Shared>,
    watcher: Option<RecommendedWatcher>,
    /// A person has been told that notices are incomplete.
    complained: bool,
}

impl Looker {
    fn run(mut self, mut digest: blake3::Hash, sender: &watch::Sender<u64>) {
        let mut polled = Instant::now();
        while let Some((mut certain, moved)) = self.wait(polled + self.options.poll) {
            if moved || self.watcher.is_none() {
                self.arm();
            }
            let found = self.digest();
            if Instant::now() >= polled + self.options.poll {
                polled = Instant::now();
            }
            if found != digest {
                digest = found;
                // A change that came without a notice is where watches are wanting.
                if !certain {
                    self.arm();
                }
                certain = true;
            }
            if certain {
                sender.send_modify(|count| *count += 1);
            }
        }
    }

    /// Waits until notices have settled or it is time to compare. Nothing when it is time to stop.
    fn wait(&self, poll: Instant) -> Option<(bool, bool)> {
        let mut state = self.shared.state();
        loop {
            if state.stop {
                return None;
            }
            let due = match state.noticed {
                Some((first, last)) => (last + self.options.quiet).min(first + self.options.latest),
                None => poll,
            };
            let now = Instant::now();
            if now >= due {
                state.noticed = None;
                return Some((std::mem::take(&mut state.certain), std::mem::take(&mut state.moved)));
            }
            let woken = self.shared.wake.wait_timeout(state, due - now);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Makes all watches anew. The old ones stay until the new ones are there.
    fn arm(&mut self) {
        if !self.options.notices {
            return;
        }
        let anchors = anchors(&self.folder);
        let folders: BTreeSet<PathBuf> = match self.folder.canonicalize() {
            Ok(root) => walk(&root).filter(|entry| entry.file_type().is_dir()).map(|entry| entry.into_path()).collect(),
            Err(_) => BTreeSet::new(),
        };
        let around: BTreeSet<PathBuf> = anchors.iter().filter_map(|anchor| nearest_folder(anchor.parent()?)).collect();
        let watched: Vec<PathBuf> = around.union(&folders).cloned().collect();
        self.shared.state().interest = Interest { folders, anchors };
        let shared = self.shared.clone();
        let made = notify::recommended_watcher(move |notice| shared.take_notice(&notice)).and_then(|mut watcher| {
            let mut outcome = Ok(());
            for folder in &watched {
                match watcher.watch(folder, RecursiveMode::NonRecursive) {
                    // It went away just now; its parent will tell.
                    Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
                    Err(error) if outcome.is_ok() => outcome = Err(error),
                    _ => {}
                }
            }
            self.watcher = Some(watcher);
            outcome
        });
        match made {
            Err(error) if !self.complained => {
                self.complained = true;
                tracing::warn!(
                    folder = %self.folder.display(),
                    %error,
                    "changes are noticed late, because not every folder can be watched"
                );
            }
            Err(_) => {}
            Ok(()) => self.complained = false,
        }
    }

    /// Digest of names, sizes, times and file numbers, of where links lead, and of where the folder is.
    fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let Ok(root) = self.folder.canonicalize() else { return hasher.finalize() };
        for entry in walk(&root) {
            let path = entry.path().as_os_str().as_encoded_bytes();
            hasher.update(&(path.len() as u64).to_le_bytes());
            hasher.update(path);
            if let Ok(metadata) = entry.metadata() {
                // A folder's own times say nothing that its entries do not.
                if !metadata.is_dir() {
                    hasher.update(&metadata.len().to_le_bytes());
                    let modified = metadata.modified().ok();
                    let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
                    hasher.update(&since.unwrap_or_default().as_nanos().to_le_bytes());
                }
                hasher.update(&file_number(&metadata).to_le_bytes());
            }
            if entry.path_is_symlink()
                && let Ok(target) = fs::read_link(entry.path())
            {
                hasher.update(target.as_os_str().as_encoded_bytes());
            }
        }
        hasher.finalize()
    }
}

#[cfg(unix)]
fn file_number(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn file_number(_: &fs::Metadata) -> u64 {
    0
}

/// Everything below a folder, hidden things too, for links may lead there; only what git keeps for itself is left out.
/// Links are not followed: where one leads inside the folder, its target is visited as itself.
fn walk(root: &Path) -> impl Iterator<Item = walkdir::DirEntry> {
    let walk = walkdir::WalkDir::new(root).sort_by_file_name().into_iter();
    let walk = walk.filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git");
    walk.filter_map(Result::ok).take(MAX_ENTRIES)
}

/// The paths that decide where a folder is: itself, and every symbolic link on the way to it.
fn anchors(folder: &Path) -> BTreeSet<PathBuf> {
    let mut anchors = BTreeSet::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(path) = open.pop() {
        for prefix in path.ancestors() {
            // The prefix may itself be behind a link; notices come with the path of the watch, which is the real one.
            let real = match (prefix.parent().map(Path::canonicalize), prefix.file_name()) {
                (Some(Ok(parent)), Some(name)) => parent.join(name),
                _ => prefix.to_path_buf(),
            };
            let target = fs::read_link(&real).ok();
            if let (Some(target), true) = (&target, anchors.len() < MAX_LINKS)
                && anchors.insert(real.clone())
            {
                let target = real.parent().map(|parent| parent.join(target)).unwrap_or_default();
                let rest = path.strip_prefix(prefix).unwrap_or(Path::new(""));
                open.push(if rest.as_os_str().is_empty() { target } else { target.join(rest) });
            }
        }
        // The last that exists on the way, and the first that does not.
        let missing = path.ancestors().take_while(|prefix| fs::symlink_metadata(prefix).is_err()).last();
        let last = missing.unwrap_or(&path);
        if let (Some(Ok(parent)), Some(name)) = (last.parent().map(Path::canonicalize), last.file_name()) {
            anchors.insert(parent.join(name));
        }
    }
    anchors
}

/// The folder itself, or the nearest one above it that is there.
fn nearest_folder(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|folder| folder.is_dir()).map(Path::to_path_buf)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_decides_where_a_folder_is() {
        let scratch = tempfile::tempdir().expect("temporary folder");
        let root = scratch.path().canonicalize().expect("path");
        let at = |path: &str| root.join(path);
        fs::create_dir_all(at("releases/1/blueprints")).expect("folder");
        std::os::unix::fs::symlink("releases/1", at("current")).expect("link");
        std::os::unix::fs::symlink("current/blueprints", at("blueprints")).expect("link");
        std::os::unix::fs::symlink("round", at("round")).expect("link");
        for (folder, expected) in [
            ("releases/1", vec!["releases/1"]),
            ("current/blueprints", vec!["current", "releases/1/blueprints"]),
            ("blueprints", vec!["blueprints", "current", "releases/1/blueprints"]),
            // What is not there yet: the first missing name, where it would come into being.
            ("releases/2/blueprints", vec!["releases/2"]),
            ("current/other/deep", vec!["current", "releases/1/other"]),
            ("round", vec!["round"]),
        ] {
            let found = anchors(&at(folder));
            let expected: BTreeSet<PathBuf> = expected.into_iter().map(at).collect();
            let missing: Vec<_> = expected.difference(&found).collect();
            assert!(missing.is_empty(), "{folder}: {missing:?} is not among {found:?}");
            assert!(found.iter().all(|path| path.starts_with(&root)), "{found:?}");
        }
    }
}
