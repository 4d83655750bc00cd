//! What to fetch, from where, as whom, and what to believe.

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{base::egress::Egress, reconcile::source::git::ForcePush};

/// A git repository and what to follow in it.
pub struct Origin {
    /// `https://…`, `ssh://user@host/path` or `user@host:path`.
    pub url: String,
    /// Which commit is wanted.
    pub follow: Follow,
    /// As whom to ask.
    pub credentials: Credentials,
    /// Keys that the ssh host may have, as lines of a `known_hosts` file.
    pub known_hosts: String,
    /// Certificates, as PEM, of the authorities to trust besides the system's.
    pub ca_certificate: String,
    /// What happens when a branch was rewritten, or a tag moved.
    pub force_push: ForcePush,
    /// Which signature is demanded.
    pub verify: Verification,
    /// Whether paths of this machine and `file://` are allowed.
    pub allow_local: bool,
    /// Whether the unprotected `http://` and `git://` are allowed.
    pub allow_plain: bool,
    /// Which hosts may be reached.
    pub egress: Egress,
}

impl Origin {
    /// The default branch of the repository at `url`, asked for without credentials and believed without signature.
    pub fn new(url: &str) -> Origin {
        Origin {
            url: url.to_owned(),
            follow: Follow::DefaultBranch,
            credentials: Credentials::default(),
            known_hosts: String::new(),
            ca_certificate: String::new(),
            force_push: ForcePush::Follow,
            verify: Verification::Nothing,
            allow_local: false,
            allow_plain: false,
            egress: Egress::default(),
        }
    }
}

/// Which commit of a repository is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The newest of the branch that the remote's `HEAD` names.
    DefaultBranch,
    /// The newest of a branch.
    Branch(String),
    /// That of a tag.
    Tag(String),
    /// That of the tag with the highest version in the range.
    Semver(semver::VersionReq),
    /// A certain one, by its full id.
    Commit(String),
}

/// Who asks. Never printed.
#[derive(Default)]
pub struct Credentials {
    /// Account for https; `git` when empty. For ssh, it is used when the url names none.
    pub username: String,
    /// Password or token for https.
    pub password: Option<Zeroizing<String>>,
    /// Private key for ssh, in OpenSSH or PEM form.
    pub private_key: Option<Zeroizing<String>>,
    /// Passphrase of the private key.
    pub passphrase: Option<Zeroizing<String>>,
}

/// Which signature is demanded.
pub enum Verification {
    /// None.
    Nothing,
    /// One of the commit.
    Commit(Trust),
    /// One of the annotated tag.
    Tag(Trust),
}

/// Whose signatures count.
pub struct Trust {
    /// OpenPGP public keys in ASCII armour, lines of an ssh `allowed_signers` file, or lone ssh public keys. One text may
    /// hold several.
    pub keys: Vec<String>,
    /// The present, against which a signature's own end counts and which no signature may follow.
    pub now: Timestamp,
}
