//! Asks a registry: its address space, its tokens, its errors, and where it sends for blobs.
//!
//! Written on the HTTP client itself rather than on a registry client: those at hand read manifests and tokens without
//! a limit, and give the password to whatever server the registry names.

use std::error::Error;

use reqwest::{
    Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, WWW_AUTHENTICATE},
};
use serde::Deserialize;

use super::{
    super::content::{FetchError, FetchReason},
    Origin,
    reference::{Reference, is_loopback},
};
use crate::base::egress::{Client, Redirects, Refused};

/// Redirects that are followed for one request.
const MAX_REDIRECTS: usize = 5;
/// Largest answer with a token.
const MAX_TOKEN: u64 = 256 << 10;
/// Largest answer with an error that is looked at.
const MAX_ERROR: u64 = 64 << 10;

/// A registry, and what has been agreed with it.
pub(super) struct Registry<'a> {
    client: Client,
    reference: &'a Reference,
    credentials: Option<(String, String)>,
    /// What the registry wants to see.
    authorization: Option<HeaderValue>,
    allow_plain: bool,
    /// Bytes that may still be received.
    left: u64,
}

/// A whole answer.
pub(super) struct Answer {
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl<'a> Registry<'a> {
    /// Makes ready to ask; nothing is sent yet. `budget` is in bytes, for everything together.
    pub fn new(
        reference: &'a Reference,
        credentials: Option<(String, String)>,
        origin: &Origin,
        budget: u64,
    ) -> Result<Registry<'a>, FetchError> {
        let mut certificates = Vec::new();
        if !origin.ca_certificate.trim().is_empty() {
            let read = reqwest::Certificate::from_pem_bundle(origin.ca_certificate.as_bytes());
            certificates = read.ok().filter(|certificates| !certificates.is_empty()).ok_or_else(|| {
                FetchError::new(FetchReason::Misconfigured, "ca_certificate holds no certificate in PEM form")
            })?;
        }
        // Redirects are followed here, where it is known what may be sent along.
        let client = origin.egress.client(Redirects::Never, |client| {
            client.user_agent(concat!("gatewright/", env!("CARGO_PKG_VERSION"))).tls_certs_merge(certificates)
        });
        let client = client.map_err(|error| {
            FetchError::new(FetchReason::Misconfigured, format!("no TLS client: {}", innermost(&error.without_url())))
        })?;
        let allow_plain = origin.allow_plain;
        Ok(Registry { client, reference, credentials, authorization: None, allow_plain, left: budget })
    }

    /// Gets `path` below the repository, at most `limit` bytes of it.
    pub async fn get(&mut self, path: &str, accept: &'static str, limit: u64) -> Result<Answer, FetchError> {
        let url = format!("{}v2/{}/{path}", self.reference.registry, self.reference.repository);
        let url = Url::parse(&url)
            .map_err(|_| FetchError::new(FetchReason::Misconfigured, "the address of the artifact is unusable"))?;
        let mut response = self.send(url.clone(), accept).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.authorization.is_none() {
            self.authorize(response.headers()).await?;
            response = self.send(url, accept).await?;
        }
        let status = response.status();
        if !status.is_success() {
            // The error's code says more than the status, if it can be read.
            let body = self.body(response, MAX_ERROR).await.unwrap_or_default();
            return Err(self.refusal(Some(status), &body));
        }
        let headers = response.headers().clone();
        let body = self.body(response, limit).await?;
        Ok(Answer { headers, body })
    }

    /// Sends a request and follows redirects. What authorises is for the registry's own address only.
    async fn send(&self, mut url: Url, accept: &'static str) -> Result<Response, FetchError> {
        for _ in 0..=MAX_REDIRECTS {
            let request = self.client.get(url.clone()).map_err(|refused| self.forbidden(&refused))?;
            let mut request = request.header(ACCEPT, accept);
            if let Some(authorization) = self.authorization.as_ref().filter(|_| self.is_own(&url)) {
                request = request.header(AUTHORIZATION, authorization);
            }
            let response = request.send().await.map_err(|error| self.failure(error))?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let target = response.headers().get(LOCATION).and_then(|target| target.to_str().ok());
            let target = target.and_then(|target| url.join(target).ok());
            url = match target {
                Some(target) if self.is_safe(&target) => target,
                _ => return Err(self.wrong(FetchReason::Untrusted, "sends to an address without TLS, or to none")),
            };
        }
        Err(self.wrong(FetchReason::Unreachable, "sends from one address to the next without end"))
    }

    /// Whether an address is the registry's.
    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.reference.registry.origin()
    }

    /// Whether anything may be sent to an address.
    fn is_safe(&self, url: &Url) -> bool {
        let plain = self.allow_plain && url.scheme() == "http" && is_loopback(url);
        (url.scheme() == "https" || plain) && url.username().is_empty() && url.password().is_none()
    }

    /// Finds out what the registry wants to see, by its answer to a request without anything.
    async fn authorize(&mut self, headers: &HeaderMap) -> Result<(), FetchError> {
        let mut basic = false;
        for challenge in headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()) {
            let (scheme, parameters) = challenge.trim().split_once(' ').unwrap_or((challenge.trim(), ""));
            if scheme.eq_ignore_ascii_case("bearer") {
                return self.fetch_token(&Challenge::read(parameters)).await;
            }
            basic |= scheme.eq_ignore_ascii_case("basic");
        }
        match &self.credentials {
            Some((user, password)) if basic => {
                use base64::{Engine, engine::general_purpose::STANDARD};
                let text = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
                self.authorization = self.secret_header(&text)?;
                Ok(())
            }
            Some(_) => {
                Err(self.wrong(FetchReason::Unauthorized, "asks for a proof of identity that is not known here"))
            }
            None => Err(self.wrong(FetchReason::Unauthorized, "asks for an account; give username and password")),
        }
    }

    fn secret_header(&self, text: &str) -> Result<Option<HeaderValue>, FetchError> {
        let mut value = HeaderValue::from_str(text)
            .map_err(|_| self.wrong(FetchReason::Corrupt, "gave a token that cannot be sent"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// Fetches a token to pull this repository, and for nothing else.
    async fn fetch_token(&mut self, challenge: &Challenge) -> Result<(), FetchError> {
        let realm = challenge.realm.as_deref().and_then(|realm| Url::parse(realm).ok());
        let Some(mut realm) = realm.filter(|realm| self.is_safe(realm)) else {
            return Err(self.wrong(FetchReason::Untrusted, "sends for a token to an address without TLS, or to none"));
        };
        if self.credentials.is_some() && !is_same_site(&realm, &self.reference.registry) {
            let host = realm.host_str().unwrap_or_default();
            let why = format!("sends for a token to {host}, which is not of its own site and is not told the password");
            return Err(self.wrong(FetchReason::Untrusted, &why));
        }
        {
            let mut query = realm.query_pairs_mut();
            if let Some(service) = &challenge.service {
                query.append_pair("service", service);
            }
            query.append_pair("scope", &format!("repository:{}:pull", self.reference.repository));
        }
        let mut request = self.client.get(realm).map_err(|refused| self.forbidden(&refused))?;
        if let Some((user, password)) = &self.credentials {
            request = request.basic_auth(user, Some(password));
        }
        let response = request.send().await.map_err(|error| self.failure(error))?;
        let status = response.status();
        if status.is_client_error() {
            let why = if self.credentials.is_some() {
                "refuses the account or its password"
            } else {
                "gives no token without an account; give username and password"
            };
            return Err(self.wrong(FetchReason::Unauthorized, why));
        }
        if !status.is_success() {
            return Err(self.wrong(FetchReason::Unreachable, &format!("gives no token (status {})", status.as_u16())));
        }
        let body = self.body(response, MAX_TOKEN).await?;
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let token = serde_json::from_slice::<Token>(&body).ok();
        let token = token.and_then(|token| token.token.or(token.access_token)).filter(|token| !token.is_empty());
        let Some(token) = token else {
            return Err(self.wrong(FetchReason::Corrupt, "answers without a token when asked for one"));
        };
        self.authorization = self.secret_header(&format!("Bearer {token}"))?;
        Ok(())
    }

    /// Reads a body, and stops at the limit.
    async fn body(&mut self, mut response: Response, limit: u64) -> Result<Vec<u8>, FetchError> {
        let limit = limit.min(self.left);
        let too_large = || {
            let message = format!("what {} sends is larger than {limit} bytes", self.reference.place());
            FetchError::new(FetchReason::TooLarge, message)
        };
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(error))? {
            if body.len() as u64 + chunk.len() as u64 > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        self.left -= body.len() as u64;
        Ok(body)
    }

    /// What an answer that is no success means. Of what the registry says only the code is repeated.
    pub fn refusal(&self, status: Option<StatusCode>, body: &[u8]) -> FetchError {
        #[derive(Deserialize)]
        struct Errors {
            errors: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            code: String,
        }
        let code = serde_json::from_slice::<Errors>(body).ok().and_then(|body| body.errors.into_iter().next());
        let is_code = |code: &String| {
            code.len() <= 40
                && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit())
        };
        let code = code.map(|item| item.code).filter(is_code);
        let wanted = self.reference.wanted();
        let status_code = status.map_or(0, |status| status.as_u16());
        let (reason, why) = match (code.as_deref(), status_code) {
            (Some("UNAUTHORIZED" | "DENIED"), _) | (_, 401 | 403) => {
                (FetchReason::Unauthorized, "refuses access; check username and password".to_owned())
            }
            (Some("NAME_UNKNOWN" | "NAME_INVALID"), _) => {
                (FetchReason::SourceGone, "has no such repository".to_owned())
            }
            (Some("MANIFEST_UNKNOWN"), _) => (FetchReason::RevisionGone, format!("has no {wanted} in it")),
            (Some("BLOB_UNKNOWN"), _) => (FetchReason::Corrupt, "lacks a part of the artifact".to_owned()),
            (Some("TOOMANYREQUESTS"), _) | (_, 408 | 429 | 500..) => {
                (FetchReason::Unreachable, "cannot answer now".to_owned())
            }
            (_, 404 | 410) => (FetchReason::RevisionGone, format!("has no {wanted} there")),
            _ => (FetchReason::Corrupt, "answers with an error".to_owned()),
        };
        let detail = match (&code, status) {
            (Some(code), _) => format!(" ({code})"),
            (None, Some(status)) => format!(" (status {})", status.as_u16()),
            (None, None) => String::new(),
        };
        self.wrong(reason, &format!("{why}{detail}"))
    }

    /// Something that the registry did.
    pub fn wrong(&self, reason: FetchReason, why: &str) -> FetchError {
        FetchError::new(reason, format!("the registry of {} {why}", self.reference.place()))
    }

    /// That a host may not be reached: the registry's own, or one to which it sends.
    fn forbidden(&self, refused: &Refused) -> FetchError {
        let message = format!("the artifact {} cannot be fetched: {refused}", self.reference.place());
        FetchError::new(FetchReason::Forbidden, message)
    }

    /// What a failed request means.
    fn failure(&self, error: reqwest::Error) -> FetchError {
        if let Some(refused) = Refused::among(&error) {
            return self.forbidden(refused);
        }
        let error = error.without_url();
        if error.is_timeout() {
            return self.wrong(FetchReason::TimedOut, "does not answer in time");
        }
        let why = innermost(&error);
        match certificate_error(&error) {
            Some(why) => self.wrong(FetchReason::Untrusted, &format!("has a certificate that is not trusted: {why}")),
            None if error.is_connect() => {
                self.wrong(FetchReason::Unreachable, &format!("cannot be connected to: {why}"))
            }
            None => self.wrong(FetchReason::Unreachable, &format!("broke off: {why}")),
        }
    }
}

/// The last cause, which is the one that says something.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Why a certificate was refused, if that is what happened.
fn certificate_error(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = error
            .downcast_ref::<rustls::Error>()
            .or_else(|| inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()));
        if let Some(rustls::Error::InvalidCertificate(why)) = tls {
            return Some(why.to_string());
        }
        cause = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Whether a token server may be told what is meant for the registry: the same host, or one whose name ends in the same
/// two labels, as `auth.docker.io` for `registry-1.docker.io`.
fn is_same_site(one: &Url, other: &Url) -> bool {
    let (Some(one), Some(other)) = (one.domain(), other.domain()) else { return one.host() == other.host() };
    let site = |host: &str| {
        let labels: Vec<&str> = host.trim_end_matches('.').rsplit('.').take(2).collect();
        (labels.len() == 2).then(|| labels.join(".").to_lowercase())
    };
    one == other || site(one).is_some_and(|name| site(other) == Some(name))
}

/// What follows `Bearer` in a challenge.
#[derive(Debug, Default, PartialEq)]
struct Challenge {
    realm: Option<String>,
    service: Option<String>,
}

impl Challenge {
    /// Reads `name="value"` pairs with commas between. Whatever is odd ends the reading.
    fn read(parameters: &str) -> Challenge {
        let mut challenge = Challenge::default();
        let mut rest = parameters;
        while let Some((name, after)) = rest.trim_start_matches([' ', ',']).split_once('=') {
            let mut value = String::new();
            match after.strip_prefix('"') {
                Some(quoted) => {
                    let mut letters = quoted.char_indices();
                    let mut end = None;
                    while let Some((at, letter)) = letters.next() {
                        match letter {
                            '"' => {
                                end = Some(at + 1);
                                break;
                            }
                            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
                            letter => value.push(letter),
                        }
                    }
                    let Some(end) = end else { break };
                    rest = &quoted[end..];
                }
                None => {
                    let end = after.find(',').unwrap_or(after.len());
                    value.push_str(after[..end].trim());
                    rest = &after[end..];
                }
            }
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => challenge.realm = Some(value),
                "service" => challenge.service = Some(value),
                _ => {}
            }
        }
        challenge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let challenge = |realm: Option<&str>, service: Option<&str>| Challenge {
            realm: realm.map(str::to_owned),
            service: service.map(str::to_owned),
        };
        for (text, expected) in [
            (r#"realm="https://a/t",service="s",scope="x:y:pull,push""#, challenge(Some("https://a/t"), Some("s"))),
            (r#"scope="a,b", Realm = "https://a/t?x=\"y\"" "#, challenge(Some(""), None)),
            (r#"Service=s , realm="r""#, challenge(Some("r"), Some("s"))),
            (r#"realm="open"#, challenge(None, None)),
            ("", challenge(None, None)),
            ("=,=\"\",=", challenge(None, None)),
        ] {
            let read = Challenge::read(text);
            // Blanks around the sign are not in the grammar: what comes of them is no address.
            if text.contains("Realm =") {
                assert!(read.realm.is_none_or(|realm| Url::parse(&realm).is_err()), "{text}");
            } else {
                assert_eq!(read, expected, "{text}");
            }
        }
    }

    #[test]
    fn a_password_stays_on_its_site() {
        for (registry, realm, same) in [
            ("registry-1.docker.io", "auth.docker.io", true),
            ("registry.gitlab.com", "gitlab.com", true),
            ("ghcr.io", "ghcr.io", true),
            ("localhost", "localhost", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("10.0.0.1", "9.0.0.1", false),
            ("localhost", "remotehost", false),
            ("registry", "other.registry", false),
            ("a.example.org", "a.example.com", false),
            ("docker.io", "docker.io.evil.org", false),
            ("docker.io", "notdocker.io", false),
        ] {
            let url = |host: &str| Url::parse(&format!("https://{host}/")).expect("address");
            assert_eq!(is_same_site(&url(realm), &url(registry)), same, "{registry} {realm}");
        }
    }
}
