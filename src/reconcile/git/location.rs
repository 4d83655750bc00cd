//! Where a repository is.

use std::{fmt, path::PathBuf};

use reqwest::Url;

use super::origin::Origin;
use crate::reconcile::content::{FetchError, FetchReason};

/// A place that was understood. Shown without the account.
#[derive(Clone, Debug)]
pub(super) enum Location {
    /// `https://…`, or `http://…` where that is allowed.
    Http(Url),
    /// Over ssh. `path` is as the server shall see it, with or without a slash before it.
    Ssh { user: String, host: String, port: u16, path: String },
    /// `git://…`
    Daemon { host: String, port: u16, path: String },
    /// On this machine.
    Local(PathBuf),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Http(url) => write!(f, "{url}"),
            Location::Ssh { host, port: 22, path, .. } => write!(f, "ssh://{host}/{}", path.trim_start_matches('/')),
            Location::Ssh { host, port, path, .. } => write!(f, "ssh://{host}:{port}/{}", path.trim_start_matches('/')),
            Location::Daemon { host, port, path } => write!(f, "git://{host}:{port}{path}"),
            Location::Local(path) => write!(f, "{}", path.display()),
        }
    }
}

fn misconfigured(message: impl Into<String>) -> FetchError {
    FetchError::new(FetchReason::Misconfigured, message)
}

impl Location {
    /// Understands an origin's url and whether it is allowed.
    pub(super) fn parse(origin: &Origin) -> Result<Location, FetchError> {
        let text = origin.url.trim();
        if text.is_empty() || text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(misconfigured("the url is empty or contains blanks; give one such as https://host/name.git"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Location::without_scheme(origin, text);
        };
        match scheme.to_ascii_lowercase().as_str() {
            "https" => Location::http(text),
            "http" if origin.allow_plain => Location::http(text),
            "git" if origin.allow_plain => {
                let (host, port, path) = server(text, 9418)?;
                Ok(Location::Daemon { host, port, path })
            }
            "http" | "git" => Err(misconfigured(format!(
                "{scheme}:// is neither encrypted nor authenticated, so anyone on the way could change the blueprints; \
                 use https:// or ssh://"
            ))),
            "ssh" | "git+ssh" | "ssh+git" => {
                let (user, rest) = rest.split_once('@').map_or(("", rest), |(user, rest)| (user, rest));
                if user.contains(':') {
                    return Err(misconfigured("the url contains a password; ssh sources log in with private_key"));
                }
                let (host, port, path) = server(&format!("ssh://{rest}"), 22)?;
                // A path that begins with `~` is about a home folder, and servers want it without the slash.
                let path = path.strip_prefix('/').filter(|path| path.starts_with('~')).unwrap_or(&path).to_owned();
                Ok(Location::Ssh { user: account(origin, user), host, port, path })
            }
            "file" => Location::local(origin, rest),
            other => Err(misconfigured(format!(
                "{other}:// is no way to reach a git repository here; use https:// or ssh://"
            ))),
        }
    }

    fn without_scheme(origin: &Origin, text: &str) -> Result<Location, FetchError> {
        match text.split_once(':') {
            Some((server, path)) if !server.contains('/') && !path.is_empty() => {
                let (user, host) = server.split_once('@').unwrap_or(("", server));
                check_host(host)?;
                Ok(Location::Ssh {
                    user: account(origin, user),
                    host: host.to_owned(),
                    port: 22,
                    path: path.to_owned(),
                })
            }
            _ => Location::local(origin, text),
        }
    }

    fn local(origin: &Origin, path: &str) -> Result<Location, FetchError> {
        if !origin.allow_local {
            return Err(misconfigured(
                "the url is a path of this machine, which git sources may not read; use https:// or ssh://, \
                 or a directory source for a local folder",
            ));
        }
        Ok(Location::Local(PathBuf::from(path)))
    }

    fn http(text: &str) -> Result<Location, FetchError> {
        // The error's text is about the form only, but the url in it could hold a password.
        let mut url = Url::parse(text).map_err(|error| misconfigured(format!("the url is malformed: {error}")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(misconfigured("the url contains credentials; put them into username and password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(misconfigured("the url has a `?` or `#` part, which no repository has; leave it out"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Location::Http(url))
    }
}

/// The account for ssh: the url's, the configured one, or the one that forges use.
fn account(origin: &Origin, in_url: &str) -> String {
    let configured = origin.credentials.username.as_str();
    [in_url, configured, "git"].into_iter().find(|name| !name.is_empty()).unwrap_or("git").to_owned()
}

/// Host, port and path of a url without an account.
fn server(text: &str, port: u16) -> Result<(String, u16, String), FetchError> {
    let url = Url::parse(text).map_err(|error| misconfigured(format!("the url is malformed: {error}")))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    check_host(host)?;
    let path = url.path();
    if path.trim_matches('/').is_empty() {
        return Err(misconfigured(format!("the url names the host {host} but no repository; add its path")));
    }
    Ok((host.to_owned(), url.port().unwrap_or(port), path.to_owned()))
}

fn check_host(host: &str) -> Result<(), FetchError> {
    let fine = !host.is_empty()
        && !host.starts_with('-')
        && host.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_' | b':'));
    if fine { Ok(()) } else { Err(misconfigured("the url's host is no host name; write it in ASCII letters")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str, local: bool, plain: bool) -> String {
        let origin = Origin { allow_local: local, allow_plain: plain, ..Origin::new(url) };
        match Location::parse(&origin) {
            Ok(Location::Ssh { user, host, port, path }) => format!("{user} at {host} {port}: {path}"),
            Ok(location) => location.to_string(),
            Err(error) => format!("{:?}", error.reason),
        }
    }

    #[test]
    fn urls_are_understood_or_refused() {
        for (url, expected) in [
            ("https://example.org/a/b.git/", "https://example.org/a/b.git"),
            ("https://user:secret@example.org/a", "Misconfigured"),
            ("https://example.org/a?b", "Misconfigured"),
            ("ssh://example.org/a", "git at example.org 22: /a"),
            ("ssh://me@example.org:2222/a/b", "me at example.org 2222: /a/b"),
            ("ssh://me@example.org/~/b", "me at example.org 22: ~/b"),
            ("ssh://me:secret@example.org/a", "Misconfigured"),
            ("ssh://me@-oProxyCommand=x/a", "Misconfigured"),
            ("me@example.org:a/b.git", "me at example.org 22: a/b.git"),
            ("ssh://example.org/", "Misconfigured"),
            ("http://example.org/a", "Misconfigured"),
            ("git://example.org/a", "Misconfigured"),
            ("file:///srv/a", "Misconfigured"),
            ("/srv/a", "Misconfigured"),
            ("ext::sh -c x", "Misconfigured"),
            ("ftp://example.org/a", "Misconfigured"),
            ("", "Misconfigured"),
        ] {
            assert_eq!(shown(url, false, false), expected, "{url}");
        }
        assert_eq!(shown("/srv/a", true, false), "/srv/a");
        assert_eq!(shown("file:///srv/a", true, false), "/srv/a");
        assert_eq!(shown("git://localhost/a", false, true), "git://localhost:9418/a");
    }
}
