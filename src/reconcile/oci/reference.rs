//! Where an artifact is: `oci://[user:password@]host[:port]/repository[:tag][@sha256:digest]`.

use reqwest::Url;

use super::super::content::{FetchError, FetchReason};

/// An artifact in a registry.
pub(super) struct Reference {
    /// `https://host[:port]/`, without credentials.
    pub registry: Url,
    /// Account and password from the address.
    pub credentials: Option<(String, String)>,
    /// Name of the repository.
    pub repository: String,
    /// The tag; `latest` when neither it nor a digest is given.
    pub tag: String,
    /// `sha256:` and the digest of the manifest, which decides over the tag.
    pub digest: Option<String>,
}

impl Reference {
    /// Reads an address. `allow_plain` lets hosts of this machine be asked without TLS.
    pub fn parse(text: &str, allow_plain: bool) -> Result<Reference, FetchError> {
        // The address may contain a password, so it is not repeated.
        let wrong = |why: &str| {
            let form = "write oci://host/repository:tag or oci://host/repository@sha256:…";
            FetchError::new(FetchReason::Misconfigured, format!("the address of the artifact {why}; {form}"))
        };
        let rest = text.strip_prefix("oci://").ok_or_else(|| wrong("does not start with oci://"))?;
        let (authority, path) = rest.split_once('/').ok_or_else(|| wrong("has no repository"))?;
        let mut registry = Url::parse(&format!("https://{authority}/")).map_err(|_| wrong("has no usable host"))?;
        let credentials = match (registry.username(), registry.password()) {
            ("", None) => None,
            (user, password) => Some((decoded(user), decoded(password.unwrap_or_default()))),
        };
        let cleared = registry.set_username("").is_ok() && registry.set_password(None).is_ok();
        if !cleared || !registry.has_host() || registry.path() != "/" || registry.query().is_some() {
            return Err(wrong("has no usable host"));
        }
        if allow_plain && is_loopback(&registry) && registry.set_scheme("http").is_err() {
            return Err(wrong("has no usable host"));
        }
        let (path, digest) = match path.split_once('@') {
            Some((path, digest)) if is_digest(digest) => (path, Some(digest.to_owned())),
            Some(_) => return Err(wrong("has a digest that is not sha256: and 64 hexadecimal digits")),
            None => (path, None),
        };
        let (repository, tag) = path.split_once(':').unwrap_or((path, "latest"));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(is_name);
        if repository.len() > 255 || !repository.split('/').all(is_part) {
            return Err(wrong("has a repository that no registry can have"));
        }
        if tag.len() > 128 || !is_part(tag) || tag.starts_with('-') {
            return Err(wrong("has a tag that no registry can have"));
        }
        Ok(Reference { registry, credentials, repository: repository.to_owned(), tag: tag.to_owned(), digest })
    }

    /// Host, port and repository, for messages.
    pub fn place(&self) -> String {
        let host = self.registry.host_str().unwrap_or_default();
        let port = self.registry.port().map_or_else(String::new, |port| format!(":{port}"));
        format!("{host}{port}/{}", self.repository)
    }

    /// What the manifest is asked for by.
    pub fn wanted(&self) -> &str {
        self.digest.as_deref().unwrap_or(&self.tag)
    }
}

/// Whether a text is a digest that can be checked.
pub(super) fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
}

/// Whether an address is of this machine without asking anyone.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// Undoes the percent encoding of user and password.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = if *first == b'%' { after.first_chunk::<2>() } else { None };
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        let with_digest = format!("oci://h/r:v1@{digest}");
        for (text, place, wanted) in [
            ("oci://ghcr.io/org/repo:v1.2", "ghcr.io/org/repo", "v1.2"),
            ("oci://ghcr.io/repo", "ghcr.io/repo", "latest"),
            ("oci://user:pa%3Ass%40@host:5000/a/b_c/d-e.f:main", "host:5000/a/b_c/d-e.f", "main"),
            ("oci://[::1]:5000/r", "[::1]:5000/r", "latest"),
            (with_digest.as_str(), "h/r", digest.as_str()),
        ] {
            let reference = Reference::parse(text, false).map_err(|error| error.message).expect(text);
            assert_eq!((reference.place().as_str(), reference.wanted()), (place, wanted), "{text}");
            assert_eq!(reference.registry.scheme(), "https");
        }
        let secret = Reference::parse("oci://user:pa%3Ass%40@host/r", false).map_err(|error| error.message);
        assert_eq!(secret.expect("address").credentials, Some(("user".to_owned(), "pa:ss@".to_owned())));

        for text in [
            "https://host/r",
            "oci://host",
            "oci:///r",
            "oci://host/",
            "oci://host//r",
            "oci://host/r/",
            "oci://host/../r",
            "oci://host/r/../../x",
            "oci://host/r?x=y",
            "oci://host/r#x",
            "oci://host/r%2fx",
            "oci://host/r:",
            "oci://host/r:a/b",
            "oci://host/r:../x",
            "oci://host/r@sha256:abc",
            "oci://host/r@sha512:abc",
            "oci://host:port/r",
            "oci://ho st/r",
        ] {
            let error = Reference::parse(text, false).map(|reference| reference.place()).expect_err(text);
            assert_eq!(error.reason, FetchReason::Misconfigured);
        }
    }

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for (host, scheme) in [
            ("localhost:5000", "http"),
            ("127.0.0.1", "http"),
            ("127.8.9.1:1", "http"),
            ("[::1]:1", "http"),
            // The address in another spelling is still the address.
            ("2130706433", "http"),
            ("localhost.example.org", "https"),
            ("10.0.0.1", "https"),
            ("0.0.0.0", "https"),
            ("example.org", "https"),
        ] {
            let reference = Reference::parse(&format!("oci://{host}/r"), true).map_err(|error| error.message);
            assert_eq!(reference.expect(host).registry.scheme(), scheme, "{host}");
        }
    }
}
