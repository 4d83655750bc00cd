//! The kind `gatewright_sources.git`: blueprints in a git repository.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{check_selection, source_kind};
use crate::model::{Report, SecretText};

/// What happens when the branch was rewritten, so that the newest commit does not follow from the applied one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForcePush {
    /// It is applied like any other commit.
    #[default]
    Follow,
    /// It is refused until this is changed or the branch continues the applied commit again.
    Refuse,
}

/// Which signatures are demanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// None.
    #[default]
    Nothing,
    /// The applied commit must be signed by a trusted key.
    Commit,
    /// The tag must be annotated and signed by a trusted key.
    Tag,
}

source_kind! {
    /// Applies the blueprints of a git repository.
    pub struct GitSource {
        /// Where the repository is: `https://…`, `ssh://user@host/path` or `user@host:path`.
        #[schemars(length(min = 1))]
        pub url: String = String::new(),
        /// Branch to follow; the remote's default branch when nothing else is given.
        pub branch: String = String::new(),
        /// Tag to use.
        pub tag: String = String::new(),
        /// Range of versions, such as `>=1.2, <2`: the tag with the highest version in it is used.
        pub semver: String = String::new(),
        /// Full id of a commit to stay at.
        #[schemars(regex(pattern = "^([0-9a-f]{40})?$"))]
        pub commit: String = String::new(),
        /// Account for https; `git` when only a password or token is given.
        pub username: String = String::new(),
        /// Password or token for https.
        pub password: Option<SecretText> = None,
        /// Private key for ssh, in OpenSSH or PEM form.
        pub private_key: Option<SecretText> = None,
        /// Passphrase of the private key.
        pub passphrase: Option<SecretText> = None,
        /// Keys that the ssh host may have, as lines of a `known_hosts` file.
        pub known_hosts: String = String::new(),
        /// Certificates, as PEM, of the authorities to trust for this server besides the system's.
        pub ca_certificate: String = String::new(),
        /// What happens when the branch was rewritten.
        pub force_push: ForcePush = ForcePush::default(),
        /// Which signatures are demanded.
        pub verify: Verify = Verify::default(),
        /// Keys whose signatures count: OpenPGP public keys in ASCII armour, or lines of an ssh `allowed_signers` file.
        pub trusted_keys: Vec<String> = Vec::new(),
        /// Folder inside the repository; empty for all of it.
        pub path: String = String::new(),
        /// Patterns of the files to take, relative to the path; all `*.yaml` and `*.yml` files when empty.
        pub include: Vec<String> = Vec::new(),
        /// Patterns of files to leave out.
        pub exclude: Vec<String> = Vec::new(),
    }
    kind "gatewright_sources.git", "Git source", required &["name", "url"];
}

impl GitSource {
    fn check_own(&self, report: &mut Report) {
        check_selection(&self.path, &self.include, &self.exclude, report);
        let given = [("branch", &self.branch), ("tag", &self.tag), ("semver", &self.semver), ("commit", &self.commit)];
        let mut given = given.iter().filter(|(_, value)| !value.is_empty());
        if let (Some((first, _)), Some((second, _))) = (given.next(), given.next()) {
            report.error(second, format!("contradicts {first}; give one of branch, tag, semver and commit"));
        }
        if !self.semver.is_empty()
            && let Err(error) = semver::VersionReq::parse(&self.semver)
        {
            report.error("semver", format!("is no range of versions: {error}"));
        }
        if let Some((_, rest)) = self.url.split_once("://")
            && self.url.starts_with("http")
            && rest.split('/').next().is_some_and(|host| host.contains('@'))
        {
            report.error("url", "contains credentials; put them into username and password");
        }
        if self.verify != Verify::Nothing && self.trusted_keys.is_empty() {
            report.error("trusted_keys", "is empty, so no signature could ever be accepted; list the keys to trust");
        }
        if self.verify == Verify::Tag && self.tag.is_empty() && self.semver.is_empty() {
            report.error("verify", "demands a signed tag, but neither tag nor semver is given");
        }
    }
}
