//! One fetch, from the question to the files.

use std::{path::Path, sync::Arc, sync::atomic::AtomicBool, thread};

use git2::{ObjectType, Oid, Repository};

use super::{
    ask::{Ask, stored},
    cache,
    history::{Descent, descends},
    http::basic,
    limits::{LARGEST_COMMIT, Limits},
    local,
    location::Location,
    origin::{Credentials, Follow, Origin, Verification},
    remote::Remote,
    select::{Wanted, choose},
    signature::{self, Signed},
    tree::{self, Beside},
};
use crate::reconcile::{
    content::{Budget, Commit, Content, FetchError, FetchReason, Revision, Selection},
    source::git::ForcePush,
};

/// Annotated tags that may point at each other.
const TAGS: usize = 8;

/// Fetches the wanted revision of a repository. Blocks, for at most the budget's time and a little.
///
/// `cache` is the folder of this source's bare repository; nothing else may lie in it, and no two fetches may use it at
/// once. `last` is the revision that was applied last. When the remote still has that one, nothing is transferred.
///
/// # Errors
/// Why the content cannot be had, without any credential.
pub fn fetch(
    origin: &Origin,
    selection: &Selection,
    budget: &Budget,
    cache: &Path,
    last: Option<&Revision>,
    cancelled: &AtomicBool,
) -> Result<Content, FetchError> {
    // On a thread of its own: the caller may be a worker of an asynchronous runtime, where the HTTP client's own runtime
    // must not be entered; and what breaks in a reader of hostile data ends this thread and nothing else.
    thread::scope(|scope| {
        let work = || Fetch { origin, selection, limits: &Limits::new(budget, cancelled), last }.run(cache);
        let thread = thread::Builder::new().name("git fetch".to_owned()).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| FetchError::new(FetchReason::Local, format!("no thread: {error}")))?;
        thread.join().unwrap_or_else(|_| {
            Err(FetchError::new(
                FetchReason::Corrupt,
                "the repository made its reader fail; this is a defect of the program",
            ))
        })
    })
    .map_err(|error| without_secrets(origin, error))
}

/// A server's own words are part of some messages, and it knows what it was sent.
fn without_secrets(origin: &Origin, mut error: FetchError) -> FetchError {
    let Credentials { username, password, passphrase, .. } = &origin.credentials;
    let sent = password.as_ref().map(|password| basic(username, password));
    for secret in [&sent, password, passphrase].into_iter().flatten() {
        // Shorter ones would be found in every sentence.
        if secret.len() >= 4 {
            error.message = error.message.replace(secret.as_str(), "(secret)");
        }
    }
    error
}

struct Fetch<'a> {
    origin: &'a Origin,
    selection: &'a Selection,
    limits: &'a Limits<'a>,
    last: Option<&'a Revision>,
}

/// How an attempt failed.
enum Failed {
    /// For good.
    Finally(FetchError),
    /// Maybe because of the cache: a fresh one may help.
    WithThisCache(FetchError),
}

impl From<FetchError> for Failed {
    fn from(error: FetchError) -> Failed {
        Failed::Finally(error)
    }
}

impl Fetch<'_> {
    fn run(&self, folder: &Path) -> Result<Content, FetchError> {
        let location = Location::parse(self.origin)?;
        let trusted = self.trusted()?;
        if let Location::Local(path) = &location {
            let repository = local::open(path)?;
            let wanted = choose(&self.origin.follow, &local::advert(&repository)?, &location)?;
            self.check_present(&repository, &wanted, &location)?;
            self.check_tag_stays(&repository, &wanted, &location)?;
            if let Some(old) = self.must_follow(&wanted)
                && self.descent(&repository, &wanted, old, &location)? != Descent::Follows
            {
                return Err(rewritten(&location, &wanted, old));
            }
            return self.content(repository, &wanted, &trusted, &location, false);
        }
        let mut remote = Remote::new(&location, self.origin, self.limits)?;
        let mark = cache::mark(&self.origin.url, self.limits.budget.content);
        let first = cache::open(folder, &mark)?;
        let advert = remote.list(&first)?;
        let wanted = choose(&self.origin.follow, &advert, &location)?;
        match self.attempt(first, &mut remote, &wanted, &trusted, &location, true) {
            Ok(content) => Ok(content),
            Err(Failed::Finally(error)) => Err(error),
            Err(Failed::WithThisCache(_)) => {
                let fresh = cache::recreate(folder, &mark)?;
                self.attempt(fresh, &mut remote, &wanted, &trusted, &location, false).map_err(|failed| match failed {
                    Failed::Finally(error) | Failed::WithThisCache(error) => error,
                })
            }
        }
    }

    /// The keys whose signatures count.
    fn trusted(&self) -> Result<Vec<signature::Key>, FetchError> {
        let trust = match &self.origin.verify {
            Verification::Nothing => return Ok(Vec::new()),
            Verification::Commit(trust) => trust,
            Verification::Tag(trust) => {
                if !matches!(self.origin.follow, Follow::Tag(_) | Follow::Semver(_)) {
                    let message = "a signed tag is demanded, but neither tag nor semver says which";
                    return Err(FetchError::new(FetchReason::Misconfigured, message));
                }
                trust
            }
        };
        signature::keys(&trust.keys).map_err(|why| FetchError::new(FetchReason::Misconfigured, why))
    }

    /// Fetches into the cache what is not there, and reads it.
    fn attempt(
        &self,
        cache: Repository,
        remote: &mut Remote<'_>,
        wanted: &Wanted,
        trusted: &[signature::Key],
        location: &Location,
        may_be_stale: bool,
    ) -> Result<Content, Failed> {
        let stale = |error: FetchError| match error.reason {
            FetchReason::Corrupt if may_be_stale => Failed::WithThisCache(error),
            _ => Failed::Finally(error),
        };
        let path = cache.path().to_path_buf();
        let old = self.must_follow(wanted);
        if !cache.odb().is_ok_and(|odb| odb.exists(wanted.id)) {
            self.bring(&cache, remote, wanted, old.is_some()).map_err(stale)?;
        }
        drop(cache);
        // Opened again, so that it sees new packs and where its history ends now.
        let cache = Repository::open_bare(&path).map_err(|error| stale(stored(&error)))?;
        cache::alone(&cache).map_err(|error| stale(stored(&error)))?;
        self.check_present(&cache, wanted, location).map_err(stale)?;
        self.check_tag_stays(&cache, wanted, location).map_err(stale)?;
        if let Some(old) = old {
            match self.descent(&cache, wanted, old, location).map_err(stale)? {
                Descent::Follows => {}
                // The cache may be shallower than needed; a fresh one holds the whole history.
                Descent::Unclear if may_be_stale => {
                    return Err(Failed::WithThisCache(rewritten(location, wanted, old)));
                }
                Descent::Unclear | Descent::Differs => return Err(Failed::Finally(rewritten(location, wanted, old))),
            }
        }
        cache.reference(cache::TIP, wanted.id, true, "fetched").map_err(|error| stale(stored(&error)))?;
        self.content(cache, wanted, trusted, location, remote.leaves_out_large_blobs()).map_err(stale)
    }

    /// Fetches the wanted object. With `history`, all that leads from the cache's newest commit to it, or everything
    /// when the cache is empty: whether a branch was rewritten shows only in the whole chain of commits, and the budget
    /// bounds what that may cost. Otherwise one commit is enough.
    fn bring(
        &self,
        cache: &Repository,
        remote: &mut Remote<'_>,
        wanted: &Wanted,
        history: bool,
    ) -> Result<(), FetchError> {
        let ask = Ask { wanted: (wanted.name.clone(), wanted.id), all_branches: false, history };
        match remote.download(cache, &ask) {
            // A commit that no reference names: servers that do not give it out by its id do with its branch.
            Err(error)
                if error.reason == FetchReason::RevisionGone && wanted.label.is_none() && wanted.name.is_none() =>
            {
                remote.download(cache, &Ask { all_branches: true, history: true, ..ask })
            }
            other => other,
        }
    }

    /// Whether the wanted object arrived. A reference that moved since it was listed brings another one.
    fn check_present(&self, repository: &Repository, wanted: &Wanted, location: &Location) -> Result<(), FetchError> {
        let odb = repository.odb().map_err(|error| stored(&error))?;
        if odb.exists(wanted.id) {
            return Ok(());
        }
        Err(match wanted.label {
            None => FetchError::new(
                FetchReason::RevisionGone,
                format!("{location}: there is no commit {} on any branch; is the id right?", wanted.id),
            ),
            Some(_) => FetchError::new(
                FetchReason::Unreachable,
                format!(
                    "{location}: {} moved while it was fetched; the next attempt takes the newer one",
                    name(wanted, wanted.id)
                ),
            ),
        })
    }

    /// The commit that the wanted one has to follow from, when branches may not be rewritten.
    fn must_follow(&self, wanted: &Wanted) -> Option<Oid> {
        let last = self.last.filter(|_| self.origin.force_push == ForcePush::Refuse && wanted.is_branch())?;
        let old = Oid::from_str(&last.commit.as_ref()?.id).ok()?;
        // Another branch than before was chosen by someone here, so it need not follow.
        (last.name == name(wanted, old)).then_some(old)
    }

    /// Whether a tag is still at the commit where it was, when tags may not be moved.
    fn check_tag_stays(&self, repository: &Repository, wanted: &Wanted, location: &Location) -> Result<(), FetchError> {
        if self.origin.force_push == ForcePush::Follow || wanted.is_branch() || wanted.label.is_none() {
            return Ok(());
        }
        let old = self.last.and_then(|last| Some((last, Oid::from_str(&last.commit.as_ref()?.id).ok()?)));
        let Some((last, old)) = old else { return Ok(()) };
        let (commit, _) = self.peel(repository, wanted)?;
        if last.name == name(wanted, old) && commit != old {
            return Err(rewritten(location, wanted, old));
        }
        Ok(())
    }

    fn descent(
        &self,
        repository: &Repository,
        wanted: &Wanted,
        old: Oid,
        place: &Location,
    ) -> Result<Descent, FetchError> {
        let (commit, _) = self.peel(repository, wanted)?;
        descends(repository, commit, old, &cache::shallow(repository), self.limits, place)
    }

    /// The commit behind the wanted object, and the annotated tag that names it directly, if one does.
    fn peel(&self, repository: &Repository, wanted: &Wanted) -> Result<(Oid, Option<Oid>), FetchError> {
        let odb = repository.odb().map_err(|error| stored(&error))?;
        let (mut id, mut tag) = (wanted.id, None);
        for _ in 0..TAGS {
            let (size, kind) = odb.read_header(id).map_err(|error| stored(&error))?;
            if size > LARGEST_COMMIT {
                return Err(FetchError::new(FetchReason::TooLarge, format!("the commit or tag {id} is too large")));
            }
            match kind {
                ObjectType::Commit => return Ok((id, tag)),
                ObjectType::Tag => {
                    let object = repository.find_tag(id).map_err(|error| stored(&error))?;
                    tag = Some(id);
                    id = object.target_id();
                }
                _ => break,
            }
        }
        let message = format!("{} leads to no commit", name(wanted, wanted.id));
        Err(FetchError::new(FetchReason::RevisionGone, message))
    }

    /// Verifies and reads.
    fn content(
        &self,
        repository: Repository,
        wanted: &Wanted,
        trusted: &[signature::Key],
        location: &Location,
        leaves_out: bool,
    ) -> Result<Content, FetchError> {
        let (id, tag) = self.peel(&repository, wanted)?;
        let (files, root, commit) = {
            let commit = repository.find_commit(id).map_err(|error| stored(&error))?;
            let folder = tree::folder(&repository, commit.tree_id(), &self.selection.folder, leaves_out)?;
            let folder = folder.ok_or_else(|| {
                FetchError::new(
                    FetchReason::Empty,
                    format!("{location}: {} has no folder {:?}", name(wanted, id), self.selection.folder),
                )
            });
            let described = describe(&commit);
            (
                folder.and_then(|folder| Ok((folder.id(), folder.files(self.selection, self.limits, location)?))),
                id,
                described,
            )
        };
        // Verified before anything about its content is told.
        let signer = self.verify(&repository, id, tag, wanted, trusted)?;
        let (tree, files) = files?;
        if files.is_empty() {
            let place =
                if self.selection.folder.is_empty() { "it".to_owned() } else { format!("{:?}", self.selection.folder) };
            let message = format!(
                "{location}: {} has no blueprint: no selected file in {place} ends in .yaml or .yml",
                name(wanted, id)
            );
            return Err(FetchError::new(FetchReason::Empty, message));
        }
        // All of the folder counts, since `!File` may read any file in it; so does which files are blueprints.
        let mut digest = blake3::Hasher::new();
        digest.update(tree.as_bytes());
        for file in &files {
            digest.update(file.path.as_bytes());
            digest.update(&[0]);
        }
        let revision = Revision {
            name: name(wanted, root),
            digest: digest.finalize().to_hex().to_string(),
            commit: Some(commit),
            signer,
        };
        let beside = Arc::new(Beside::new(repository, tree, leaves_out));
        Ok(Content { revision, files, beside: Some(beside) })
    }

    fn verify(
        &self,
        repository: &Repository,
        commit: Oid,
        tag: Option<Oid>,
        wanted: &Wanted,
        trusted: &[signature::Key],
    ) -> Result<Option<String>, FetchError> {
        let unverified =
            |why: String| FetchError::new(FetchReason::Unverified, format!("{}: {why}", name(wanted, commit)));
        let (signed, trust) = match &self.origin.verify {
            Verification::Nothing => return Ok(None),
            Verification::Commit(trust) => (Signed::commit(repository, commit), trust),
            Verification::Tag(trust) => match tag {
                // The object that the reference names, and nothing further behind it.
                Some(tag) if tag == wanted.id => {
                    (Signed::tag(repository, tag, wanted.label.as_deref().unwrap_or_default()), trust)
                }
                _ => {
                    return Err(unverified(
                        "the tag is not annotated, so it carries no signature; use `git tag -s`".to_owned(),
                    ));
                }
            },
        };
        let signed = signed.map_err(unverified)?;
        signature::verify(&signed, trusted, trust.now).map(Some).map_err(unverified)
    }
}

/// What people call a revision.
fn name(wanted: &Wanted, commit: Oid) -> String {
    match &wanted.label {
        Some(label) => format!("{label}@{commit}"),
        None => commit.to_string(),
    }
}

fn rewritten(location: &Location, wanted: &Wanted, old: Oid) -> FetchError {
    let label = wanted.label.as_deref().unwrap_or_default();
    let what = if wanted.is_branch() { "the branch" } else { "the tag" };
    let verb = if wanted.is_branch() { "was rewritten and does not follow from" } else { "was moved away from" };
    FetchError::new(
        FetchReason::HistoryRewritten,
        format!(
            "{location}: {what} {label} {verb} {old}, which was applied; restore it, or set force_push to `follow` \
             when this is wanted"
        ),
    )
}

/// What people are told of a commit, without control characters.
pub fn describe(commit: &git2::Commit<'_>) -> Commit {
    let author = commit.author();
    let text = |bytes: &[u8]| -> String {
        String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(500).collect()
    };
    Commit {
        id: commit.id().to_string(),
        author: format!("{} <{}>", text(author.name_bytes()), text(author.email_bytes())),
        at: commit.time().seconds().saturating_mul(1_000_000),
        subject: text(
            commit.message_bytes().split(|byte| *byte == b'\n').find(|line| !line.is_empty()).unwrap_or_default(),
        ),
    }
}
