//! Getting the content of a source, wherever it is.

use std::{
    fs::{File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use super::{
    content::{Budget, Content, FetchError, FetchReason, Revision, Selection, SourceFile},
    directory,
    git::{self, Credentials, Follow, Trust, Verification},
    oci,
    settings::{Origin, Secret, Settings},
    source::git::{GitSource, Verify},
    surroundings::Surroundings,
};
use crate::{base::egress::Egress, blueprint::shipped, model::SecretText};

/// Content that was fetched last, for origins that only say that nothing changed.
pub type Kept = Option<Arc<Content>>;

/// The content of a source at its newest revision. `known` is the revision that was applied last; `kept` is what this
/// function gave last, if it is still there.
///
/// # Errors
/// Why there is none to be had.
pub async fn content(
    around: &Surroundings,
    settings: &Settings,
    known: Option<&Revision>,
    kept: &mut Kept,
) -> Result<Arc<Content>, FetchError> {
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
                egress: egress(around, settings, reference),
            };
            let last = kept.as_ref().map(|content| content.revision.clone());
            let fetched = tokio::select! {
                fetched = oci::fetch(&origin, &budget, last.as_ref()) => fetched?,
                () = stopped(around) => return Err(called_off()),
            };
            match (fetched, kept.clone()) {
                (Some(content), _) => content,
                (None, Some(content)) => return Ok(content),
                (None, None) => return Err(FetchError::new(FetchReason::Corrupt, "the registry sent nothing")),
            }
        }
        Origin::Git { declared, selection, password, private_key, passphrase } => {
            let secrets = [password, private_key, passphrase].map(|secret| secret.as_ref().map(Secret::zeroizing));
            let mut origin = git_origin(around, declared, secrets)?;
            origin.egress = egress(around, settings, &declared.url);
            from_git(around, settings, &origin, selection, known)?
        }
    };
    let content = Arc::new(content);
    *kept = Some(content.clone());
    Ok(content)
}

/// What a source may reach: besides what everyone may, the host that the operator himself wrote for it.
fn egress(around: &Surroundings, settings: &Settings, address: &str) -> Egress {
    let egress = around.egress.clone();
    let written = around.trusted.get(&settings.name).is_some_and(|written| written == address);
    match host(address).filter(|_| written) {
        Some(host) => egress.trusting(&host),
        None => egress,
    }
}

/// The host of `scheme://[account@]host[:port]/…` or `[account@]host:path`.
fn host(address: &str) -> Option<String> {
    if address.contains("://") {
        return reqwest::Url::parse(address).ok()?.host_str().map(str::to_owned);
    }
    let server = address.split_once(':')?.0;
    Some(server.rsplit_once('@').map_or(server, |(_, host)| host).to_owned())
}

type Secrets = [Option<Zeroizing<String>>; 3];

fn git_origin(
    around: &Surroundings,
    declared: &GitSource,
    [password, private_key, passphrase]: Secrets,
) -> Result<git::Origin, FetchError> {
    let misconfigured = |why: String| FetchError::new(FetchReason::Misconfigured, why);
    let follow = if !declared.commit.is_empty() {
        Follow::Commit(declared.commit.clone())
    } else if !declared.semver.is_empty() {
        let range = semver::VersionReq::parse(&declared.semver);
        Follow::Semver(range.map_err(|error| misconfigured(format!("semver: {error}")))?)
    } else if !declared.tag.is_empty() {
        Follow::Tag(declared.tag.clone())
    } else if !declared.branch.is_empty() {
        Follow::Branch(declared.branch.clone())
    } else {
        Follow::DefaultBranch
    };
    let now = jiff::Timestamp::from_microsecond(around.clock.now_us());
    let now = now.map_err(|error| misconfigured(format!("the clock is out of range: {error}")))?;
    let trust = Trust { keys: declared.trusted_keys.clone(), now };
    Ok(git::Origin {
        follow,
        credentials: Credentials { username: declared.username.clone(), password, private_key, passphrase },
        known_hosts: declared.known_hosts.clone(),
        ca_certificate: declared.ca_certificate.clone(),
        force_push: declared.force_push,
        verify: match declared.verify {
            Verify::Nothing => Verification::Nothing,
            Verify::Commit => Verification::Commit(trust),
            Verify::Tag => Verification::Tag(trust),
        },
        allow_local: around.allow_plain,
        allow_plain: around.allow_plain,
        ..git::Origin::new(&declared.url)
    })
}

/// Comes to its end when the process is to.
async fn stopped(around: &Surroundings) {
    while !around.is_stopping() {
        tokio::time::sleep(LOOK).await;
    }
}

fn called_off() -> FetchError {
    FetchError::new(FetchReason::Local, "the fetch was called off")
}

/// How often a process looks whether another has done with the cache of a repository, and whether it is to end itself.
const LOOK: Duration = Duration::from_millis(50);

/// Fetches from a repository into the source's own cache, which processes of one machine use one after the other.
fn from_git(
    around: &Surroundings,
    settings: &Settings,
    origin: &git::Origin,
    selection: &Selection,
    known: Option<&Revision>,
) -> Result<Content, FetchError> {
    let local = |what: &str, error: &std::io::Error| {
        let message = format!("{what} of {} cannot be used: {error}", settings.name);
        FetchError::new(FetchReason::Local, message)
    };
    let folder = around.cache.join("git");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| local("the folder for the cache", &error))?;
    // The name may hold anything that a path must not.
    let name = blake3::hash(settings.name.as_bytes()).to_hex();
    let name = &name[..32];
    let lock = File::create(folder.join(format!("{name}.lock"))).map_err(|error| local("the lock", &error))?;
    let started = Instant::now();
    while let Err(error) = lock.try_lock() {
        match error {
            TryLockError::WouldBlock if around.is_stopping() => return Err(called_off()),
            TryLockError::WouldBlock if started.elapsed() < around.budget.time => std::thread::sleep(LOOK),
            TryLockError::WouldBlock => {
                return Err(FetchError::new(
                    FetchReason::TimedOut,
                    "another process is fetching and does not come to an end",
                ));
            }
            TryLockError::Error(error) => return Err(local("the lock", &error)),
        }
    }
    git::fetch(origin, selection, &around.budget, &folder.join(name), known, &around.stopping)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_addresses() {
        for (address, expected) in [
            ("https://Git.example.org/a.git", Some("git.example.org")),
            ("https://127.0.0.1:8443/a.git", Some("127.0.0.1")),
            ("ssh://git@[::1]:2222/a", Some("[::1]")),
            ("oci://bob:secret@registry.test:5000/a/b:tag", Some("registry.test")),
            ("git@example.org:a/b.git", Some("example.org")),
            ("example.org:a/b.git", Some("example.org")),
            ("nowhere", None),
        ] {
            assert_eq!(host(address).as_deref(), expected, "{address}");
        }
    }
}
