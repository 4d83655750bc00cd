//! Repositories over ssh and `git://`, through libgit2.

use std::{cell::RefCell, rc::Rc};

use git2::{
    AutotagOption, CertificateCheckStatus, Cred, CredentialType, Direction, ErrorClass, ErrorCode, FetchOptions,
    RemoteCallbacks, RemoteRedirect, Repository, cert::Cert,
};

use super::{
    ask::{Ask, not_given, stored},
    cache,
    hosts::{self, Verdict},
    limits::Limits,
    location::Location,
    origin::Origin,
    relay::Relay,
    select::{Advert, Head},
    wire::printable,
};
use crate::reconcile::content::{FetchError, FetchReason};

/// A repository that libgit2 talks to.
pub(super) struct Native<'a> {
    location: &'a Location,
    origin: &'a Origin,
    limits: &'a Limits<'a>,
}

/// What went wrong inside callbacks, whose own errors libgit2 may hide behind others.
type Noted = Rc<RefCell<Option<FetchError>>>;

impl<'a> Native<'a> {
    pub(super) fn new(location: &'a Location, origin: &'a Origin, limits: &'a Limits<'a>) -> Native<'a> {
        Native { location, origin, limits }
    }

    /// What the server has. The remote belongs to the cache, since one of its own would heed the account's configuration.
    pub(super) fn list(&self, cache: &Repository) -> Result<Advert, FetchError> {
        self.connected(|url, callbacks| {
            let mut remote = cache.remote_anonymous(url)?;
            let connection = remote.connect_auth(Direction::Fetch, Some(callbacks), None)?;
            let mut advert = Advert::default();
            for head in connection.list()? {
                if head.name() == "HEAD" {
                    advert.default = head.symref_target().map(str::to_owned);
                }
                if git2::Reference::is_valid_name(head.name()) {
                    advert.heads.push(Head { name: head.name().to_owned(), id: head.oid() });
                }
            }
            Ok(advert)
        })
    }

    /// Brings objects into the cache.
    pub(super) fn download(&self, repository: &Repository, ask: &Ask) -> Result<(), FetchError> {
        let refspec = match &ask.wanted {
            _ if ask.all_branches => "+refs/heads/*:refs/gatewright/heads/*".to_owned(),
            (Some(name), _) => format!("+{name}:{}", cache::TIP),
            (None, id) => format!("+{id}:{}", cache::TIP),
        };
        let fetched = self.fetch(repository, &refspec, if ask.history { 0 } else { 1 });
        match fetched {
            // Servers refuse ids that no reference names with words of their own.
            Err(error) if ask.wanted.0.is_none() && !ask.all_branches && error.reason == FetchReason::Unreachable => {
                Err(not_given(self.location, ask.wanted.1, &error.message))
            }
            other => other,
        }
    }

    fn fetch(&self, repository: &Repository, refspec: &str, depth: i32) -> Result<(), FetchError> {
        self.connected(|url, callbacks| {
            let mut remote = repository.remote_anonymous(url)?;
            let mut options = FetchOptions::new();
            options
                .remote_callbacks(callbacks)
                .download_tags(AutotagOption::None)
                .update_fetchhead(false)
                .follow_redirects(RemoteRedirect::None)
                .depth(depth);
            remote.fetch(&[refspec], Some(&mut options), None)
        })
    }

    /// Does something with a url that leads to the server, and callbacks that log in and keep to the budget.
    fn connected<T>(
        &self,
        work: impl FnOnce(&str, RemoteCallbacks<'_>) -> Result<T, git2::Error>,
    ) -> Result<T, FetchError> {
        let (host, server_port) = match self.location {
            Location::Ssh { host, port, .. } | Location::Daemon { host, port, .. } => (host.as_str(), *port),
            other => {
                return Err(FetchError::new(FetchReason::Misconfigured, format!("{other} is not reached this way")));
            }
        };
        let relay = Relay::connect(&self.origin.egress, host, server_port, self.limits, self.location)?;
        let noted: Noted = Rc::default();
        let (result, cut) = relay.run(|port| work(&self.url(port), self.callbacks(host, server_port, &noted)));
        let noted = noted.borrow_mut().take();
        match result {
            Ok(value) => Ok(value),
            Err(error) => Err(noted.or(cut).unwrap_or_else(|| self.failed(&error))),
        }
    }

    /// The url by which libgit2 reaches the relay.
    fn url(&self, relay: u16) -> String {
        match self.location {
            Location::Ssh { user, path, .. } if path.starts_with('/') => {
                format!("ssh://{user}@127.0.0.1:{relay}{path}")
            }
            // A path without a slash has its own form, in brackets because of the port.
            Location::Ssh { user, path, .. } => format!("[{user}@127.0.0.1:{relay}]:{path}"),
            Location::Daemon { path, .. } => format!("git://127.0.0.1:{relay}{path}"),
            other => other.to_string(),
        }
    }

    fn callbacks<'c>(&'c self, host: &'c str, port: u16, noted: &Noted) -> RemoteCallbacks<'c> {
        let mut callbacks = RemoteCallbacks::new();
        let (for_key, for_login, for_progress) = (Rc::clone(noted), Rc::clone(noted), Rc::clone(noted));
        callbacks.certificate_check(move |certificate, _| {
            self.judge(host, port, certificate).map_err(|error| {
                for_key.replace(Some(error));
                git2::Error::from_str("the host's key is refused")
            })
        });
        let mut tried = false;
        callbacks.credentials(move |_, user, allowed| {
            let given = self.login(user, allowed, &mut tried);
            given.map_err(|error| {
                for_login.replace(Some(error));
                git2::Error::from_str("no login")
            })
        });
        callbacks.transfer_progress(move |progress| match self.limits.objects(progress.total_objects()) {
            Ok(()) => true,
            Err(stop) => {
                for_progress.replace(Some(self.limits.error(stop, self.location)));
                false
            }
        });
        callbacks
    }

    fn login(&self, user: Option<&str>, allowed: CredentialType, tried: &mut bool) -> Result<Cred, FetchError> {
        let refused = |what: String| FetchError::new(FetchReason::Unauthorized, format!("{}: {what}", self.location));
        let user = user.unwrap_or("git");
        if allowed.contains(CredentialType::USERNAME) {
            return Cred::username(user).map_err(|error| refused(error.message().to_owned()));
        }
        let credentials = &self.origin.credentials;
        let Some(key) = &credentials.private_key else {
            return Err(refused("a key is needed to log in over ssh; give private_key".to_owned()));
        };
        if *tried || !allowed.contains(CredentialType::SSH_MEMORY) {
            return Err(refused(format!(
                "the key is refused for {user}, or the private key or its passphrase cannot be read; \
                 check both, and that the public key may read the repository"
            )));
        }
        *tried = true;
        let passphrase = credentials.passphrase.as_ref().map(|passphrase| passphrase.as_str());
        // Without its last line's end, the key is not accepted.
        let key = zeroize::Zeroizing::new(format!("{}\n", key.trim()));
        Cred::ssh_key_from_memory(user, None, &key, passphrase)
            .map_err(|_| refused("private_key cannot be read; give it in OpenSSH or PEM form".to_owned()))
    }

    fn judge(&self, host: &str, port: u16, certificate: &Cert<'_>) -> Result<CertificateCheckStatus, FetchError> {
        let untrusted = |what: String| FetchError::new(FetchReason::Untrusted, format!("{}: {what}", self.location));
        let Some(key) = certificate.as_hostkey().and_then(|key| key.hostkey()) else {
            return Err(untrusted("the host has shown no key".to_owned()));
        };
        let (line, fingerprint) = hosts::describe(host, port, key);
        let kind = hosts::kind(key);
        match hosts::judge(&self.origin.known_hosts, host, port, key) {
            Verdict::Known => Ok(CertificateCheckStatus::CertificateOk),
            Verdict::Revoked => {
                Err(untrusted(format!("the host's key {fingerprint} is marked as revoked in known_hosts")))
            }
            Verdict::Other(kinds) if kinds.contains(&kind) => Err(untrusted(format!(
                "the host shows the key {fingerprint} ({kind}), but known_hosts has another; someone may be in between. \
                 When the host really has a new key, replace its line by `{line}`"
            ))),
            Verdict::Other(kinds) => Err(untrusted(format!(
                "the host shows the key {fingerprint} ({kind}), but known_hosts has only {} for it; \
                 if the fingerprint is right, add the line `{line}`",
                kinds.join(", ")
            ))),
            Verdict::Unknown => Err(untrusted(format!(
                "the host's key {fingerprint} ({kind}) is not in known_hosts; compare it with the one that the \
                 server's people publish, then add the line `{line}`"
            ))),
        }
    }

    fn failed(&self, error: &git2::Error) -> FetchError {
        let message = printable(error.message().as_bytes());
        let lower = message.to_lowercase();
        let gone = [
            "not found",
            "does not exist",
            "not appear to be a git",
            "not exported",
            "no such file",
            "could not read from",
        ];
        let (reason, what) = match (error.code(), error.class()) {
            (ErrorCode::Auth, _) => (FetchReason::Unauthorized, "the login is refused"),
            (_, ErrorClass::Ssh) if lower.contains("authenticat") || lower.contains("private key") => {
                (FetchReason::Unauthorized, "the login failed; check private_key and its passphrase")
            }
            (ErrorCode::Certificate, _) => (FetchReason::Untrusted, "the host is not to be trusted"),
            (_, ErrorClass::Ssh | ErrorClass::Net | ErrorClass::Http | ErrorClass::None)
                if gone.iter().any(|words| lower.contains(words)) =>
            {
                (FetchReason::SourceGone, "there is no such repository, or the account may not see it")
            }
            (
                _,
                ErrorClass::Indexer | ErrorClass::Odb | ErrorClass::Zlib | ErrorClass::Object | ErrorClass::Filesystem,
            )
            | (_, ErrorClass::Os | ErrorClass::NoMemory)
                if !lower.contains("socket") && !lower.contains("connect") =>
            {
                let error = stored(error);
                return FetchError::new(error.reason, format!("{}: {}", self.location, error.message));
            }
            _ => (FetchReason::Unreachable, "the connection failed"),
        };
        FetchError::new(reason, format!("{}: {what}: {message}", self.location))
    }
}
