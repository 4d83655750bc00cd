//! Repositories over https: git's smart protocol over the program's HTTP client.

use std::{error::Error as _, future::Future, io::Write, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use git2::{Oid, Repository};
use reqwest::{
    Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION},
};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use super::{
    ask::{Ask, not_given, stored},
    cache,
    limits::{CONNECT, Limits, SILENCE, Stop},
    origin::Origin,
    select::Advert,
    wire::{AdvertReader, AnswerReader, Greeting, Part, Request, WireError},
};
use crate::{
    base::egress::{Client, Redirects, Refused},
    reconcile::content::{FetchError, FetchReason},
};

/// Redirects that are followed, all on the same server.
const HOPS: usize = 3;

/// Forges look at the beginning to tell git from browsers.
const AGENT: &str = concat!("git/2.0 (gatewright ", env!("CARGO_PKG_VERSION"), ")");

/// A repository over https.
pub(super) struct Http<'a> {
    /// Where requests go; behind a redirect it differs from the configured url in its path.
    url: Url,
    client: Client,
    account: Option<HeaderValue>,
    limits: &'a Limits<'a>,
    greeting: Option<Greeting>,
    /// Taken when this value is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Http<'_> {
    fn drop(&mut self) {
        // Without waiting: a look-up of a name cannot be broken off, and would hold this thread.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl<'a> Http<'a> {
    pub(super) fn new(url: &Url, origin: &Origin, limits: &'a Limits<'a>) -> Result<Http<'a>, FetchError> {
        let mut certificates = Vec::new();
        if !origin.ca_certificate.trim().is_empty() {
            certificates = reqwest::Certificate::from_pem_bundle(origin.ca_certificate.as_bytes())
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or_else(|| {
                    let advice = "ca_certificate holds no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)";
                    FetchError::new(FetchReason::Misconfigured, advice)
                })?;
        }
        // Redirects are followed here, where it is known what may be sent along.
        let client = origin.egress.client(Redirects::Never, |client| {
            client
                .user_agent(AGENT)
                .connect_timeout(CONNECT)
                .read_timeout(SILENCE)
                .https_only(url.scheme() == "https")
                .tls_certs_merge(certificates)
        });
        let broken = |error: &dyn std::fmt::Display| {
            FetchError::new(FetchReason::Local, format!("no HTTPS connection can be prepared: {error}"))
        };
        let client = client.map_err(|error| {
            let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            broken(&cause)
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Http {
            url: url.clone(),
            client,
            account: account(origin)?,
            limits,
            greeting: None,
            runtime: Some(runtime.map_err(|error| broken(&error))?),
        })
    }

    /// What the server has.
    pub(super) fn list(&mut self) -> Result<Advert, FetchError> {
        let runtime = self.runtime.take();
        let answer = self.run(runtime.as_ref(), self.greet());
        self.runtime = runtime;
        let (url, mut greeting) = answer?;
        self.url = url;
        if let Some(format) =
            greeting.capabilities.iter().find_map(|capability| capability.strip_prefix("object-format="))
            && format != "sha1"
        {
            let message = format!("{}: a repository with {format} ids is not supported; use one with sha1", self.url);
            return Err(FetchError::new(FetchReason::Misconfigured, message));
        }
        let advert = std::mem::take(&mut greeting.advert);
        self.greeting = Some(greeting);
        Ok(advert)
    }

    /// Whether the server leaves out blobs that are too large.
    pub(super) fn filters(&self) -> bool {
        self.greeting.as_ref().is_some_and(|greeting| greeting.capabilities.iter().any(|other| other == "filter"))
    }

    /// Brings objects into the cache.
    pub(super) fn download(&mut self, repository: &Repository, ask: &Ask) -> Result<(), FetchError> {
        let shallow = cache::shallow(repository);
        let boundaries: Vec<Oid> = shallow.iter().copied().collect();
        let tip = repository.refname_to_id(cache::TIP).ok();
        let odb = repository.odb().map_err(|error| stored(&error))?;
        let haves: Vec<Oid> = tip.into_iter().filter(|tip| odb.exists(*tip)).collect();
        let mut wants = vec![ask.wanted.1];
        if ask.all_branches {
            wants = self
                .list()?
                .heads
                .into_iter()
                .filter(|head| head.name.starts_with("refs/heads/"))
                .map(|head| head.id)
                .collect();
            wants.sort();
            wants.dedup();
        }
        if wants.is_empty() {
            return Ok(());
        }
        let Some(greeting) = &self.greeting else { return Ok(()) };
        let request = Request {
            capabilities: &greeting.capabilities,
            wants: &wants,
            haves: &haves,
            shallow: &boundaries,
            depth: (!ask.history).then_some(1),
            largest_blob: Some(self.limits.budget.content),
        };
        let mut after = shallow;
        after.extend(&greeting.shallow);
        let limits = self.limits;
        let mut writer = odb.packwriter().map_err(|error| stored(&error))?;
        // Told by the callback, since the writer's own error says only that it was broken off.
        let stopped: Arc<std::sync::Mutex<Option<Stop>>> = Arc::default();
        let noted = Arc::clone(&stopped);
        writer.progress(move |progress| match limits.objects(progress.total_objects()) {
            Ok(()) => true,
            Err(stop) => {
                if let Ok(mut noted) = noted.lock() {
                    *noted = Some(stop);
                }
                false
            }
        });
        let stop = || stopped.lock().ok().and_then(|stop| *stop).map(|stop| limits.error(stop, &self.url));
        let received = self.run(self.runtime.as_ref(), async {
            let mut received = 0;
            let mut response = self.post(request.bytes()).await?;
            let mut reader = AnswerReader::new(&request);
            while let Some(bytes) = self.chunk(&mut response).await? {
                for part in reader.feed(&bytes).map_err(|error| self.refused(error, ask))? {
                    match part {
                        Part::Shallow(commit) => drop(after.insert(commit)),
                        Part::Unshallow(commit) => drop(after.remove(&commit)),
                        Part::Pack(bytes) => {
                            received += bytes.len();
                            writer
                                .write_all(&bytes)
                                .map_err(|_| stop().unwrap_or_else(|| self.corrupt("the pack is damaged")))?;
                        }
                    }
                }
            }
            if reader.is_done() { Ok(received) } else { Err(self.broken_off()) }
        })?;
        if received == 0 {
            return Err(self.corrupt("the server sent no pack"));
        }
        writer.commit().map_err(|error| stop().unwrap_or_else(|| stored(&error)))?;
        cache::set_shallow(repository, &after)
    }

    /// Runs to the end, or until the budget ends.
    fn run<T>(
        &self,
        runtime: Option<&Runtime>,
        work: impl Future<Output = Result<T, FetchError>>,
    ) -> Result<T, FetchError> {
        let watch = async {
            loop {
                if let Err(stop) = self.limits.check() {
                    return self.limits.error(stop, &self.url);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let Some(runtime) = runtime else { return Err(self.broken_off()) };
        runtime.block_on(async {
            tokio::select! {
                done = work => done,
                stop = watch => Err(stop),
            }
        })
    }

    async fn greet(&self) -> Result<(Url, Greeting), FetchError> {
        let mut url = self.url.clone();
        for _ in 0..=HOPS {
            let mut asked = below(&url, "info/refs");
            asked.set_query(Some("service=git-upload-pack"));
            let request =
                self.client.get(asked.clone()).map_err(|refused| self.forbidden(&refused))?.header(ACCEPT, "*/*");
            let mut response = self.send(request).await?;
            if response.status().is_redirection() {
                url = self.redirected(&asked, &response)?;
                continue;
            }
            self.check(&response, "application/x-git-upload-pack-advertisement")?;
            let mut reader = AdvertReader::default();
            while let Some(bytes) = self.chunk(&mut response).await? {
                reader.feed(&bytes).map_err(|error| self.corrupt(&error.0))?;
            }
            let greeting = reader.finish().map_err(|error| self.corrupt(&error.0))?;
            return Ok((url, greeting));
        }
        let message = format!("{}: redirects in circles; give the url where the repository really is", self.url);
        Err(FetchError::new(FetchReason::SourceGone, message))
    }

    async fn post(&self, body: Vec<u8>) -> Result<Response, FetchError> {
        let request = self
            .client
            .post(below(&self.url, "git-upload-pack"))
            .map_err(|refused| self.forbidden(&refused))?
            .header(CONTENT_TYPE, "application/x-git-upload-pack-request")
            .header(ACCEPT, "application/x-git-upload-pack-result")
            .body(body);
        let response = self.send(request).await?;
        self.check(&response, "application/x-git-upload-pack-result")?;
        Ok(response)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, FetchError> {
        let request = match &self.account {
            Some(account) => request.header(AUTHORIZATION, account),
            None => request,
        };
        request.send().await.map_err(|error| self.failed(&error))
    }

    async fn chunk(&self, response: &mut Response) -> Result<Option<Vec<u8>>, FetchError> {
        let Some(bytes) = response.chunk().await.map_err(|error| self.failed(&error))? else { return Ok(None) };
        self.limits.receive(bytes.len()).map_err(|stop| self.limits.error(stop, &self.url))?;
        Ok(Some(bytes.to_vec()))
    }

    /// Where a redirect leads, as the url of a repository. Only a place on the same server is followed, so that neither
    /// the account nor the choice of the server passes to someone else.
    fn redirected(&self, asked: &Url, response: &Response) -> Result<Url, FetchError> {
        let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let target = target.and_then(|target| asked.join(target).ok());
        let Some(target) = target else {
            return Err(self.corrupt("it redirects to nowhere"));
        };
        if target.origin() != asked.origin() {
            let message = format!(
                "{}: redirects to {}, another server; redirects between servers are not followed, so give that url if it is right",
                self.url,
                target.origin().ascii_serialization()
            );
            return Err(FetchError::new(FetchReason::Untrusted, message));
        }
        let mut target = target;
        let Some(path) = target.path().strip_suffix("/info/refs").map(str::to_owned) else {
            let message =
                format!("{}: redirects to {}, which is no repository; is the url right?", self.url, target.path());
            return Err(FetchError::new(
                if target.path().contains("sign_in") || target.path().contains("login") {
                    FetchReason::Unauthorized
                } else {
                    FetchReason::SourceGone
                },
                message,
            ));
        };
        target.set_path(&path);
        target.set_query(None);
        target.set_fragment(None);
        let _ = target.set_username("");
        let _ = target.set_password(None);
        Ok(target)
    }

    fn check(&self, response: &Response, expected: &str) -> Result<(), FetchError> {
        let status = response.status();
        let (reason, message) = match status {
            StatusCode::OK => {
                let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
                if kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected) {
                    return Ok(());
                }
                (FetchReason::SourceGone, "there is a web page but no git repository; is the url right?".to_owned())
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.account.is_some() => (
                FetchReason::Unauthorized,
                format!(
                    "the account or its password or token is refused ({status}); check both and what they may read"
                ),
            ),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
                FetchReason::Unauthorized,
                format!("it is not open to everyone ({status}); give username and password, or a token as password"),
            ),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                (FetchReason::SourceGone, "there is no such repository, or the account may not see it".to_owned())
            }
            _ => (FetchReason::Unreachable, format!("the server answers {status}")),
        };
        Err(FetchError::new(reason, format!("{}: {message}", self.url)))
    }

    fn corrupt(&self, what: &str) -> FetchError {
        FetchError::new(FetchReason::Corrupt, format!("{}: the answer cannot be understood: {what}", self.url))
    }

    fn broken_off(&self) -> FetchError {
        FetchError::new(FetchReason::Unreachable, format!("{}: the connection broke off", self.url))
    }

    /// What a wanted object's refusal means. A reference may also have moved since it was listed.
    fn refused(&self, error: WireError, ask: &Ask) -> FetchError {
        if error.0.contains("not our ref") || error.0.contains("no such") {
            return not_given(&self.url, ask.wanted.1, &error.0);
        }
        self.corrupt(&error.0)
    }

    fn forbidden(&self, refused: &Refused) -> FetchError {
        FetchError::new(FetchReason::Forbidden, format!("{}: {refused}", self.url))
    }

    fn failed(&self, error: &reqwest::Error) -> FetchError {
        if let Some(refused) = Refused::among(error) {
            return self.forbidden(refused);
        }
        let host = self.url.host_str().unwrap_or_default();
        let url = &self.url;
        match tls(error) {
            Some(rustls::Error::InvalidCertificate(why)) => {
                return FetchError::new(
                    FetchReason::Untrusted,
                    format!(
                        "{url}: the certificate of {host} is not to be trusted ({why:?}); when a private authority \
                         issued it, put that authority's certificate into ca_certificate"
                    ),
                );
            }
            Some(other) => {
                return FetchError::new(FetchReason::Unreachable, format!("{url}: TLS with {host} failed: {other}"));
            }
            None => {}
        }
        let mut last: &dyn std::error::Error = error;
        while let Some(cause) = last.source() {
            last = cause;
        }
        let what = match error {
            error if error.is_timeout() => "does not answer in time".to_owned(),
            error if error.is_connect() => format!("cannot be reached: {last}"),
            _ => format!("the connection failed: {last}"),
        };
        FetchError::new(FetchReason::Unreachable, format!("{url}: {what}"))
    }
}

/// The TLS error among an error's causes. Input/output errors hide the errors that they were made from, some twice.
fn tls<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let inner = inner.and_then(|inner| tls(inner));
    inner.or_else(|| error.source().and_then(tls))
}

/// A url inside the repository's.
fn below(url: &Url, name: &str) -> Url {
    let mut below = url.clone();
    below.set_path(&format!("{}/{name}", url.path().trim_end_matches('/')));
    below
}

/// Account and password as they are sent.
pub(super) fn basic(username: &str, password: &str) -> Zeroizing<String> {
    let username = if username.is_empty() { "git" } else { username };
    let pair = Zeroizing::new(format!("{username}:{password}"));
    Zeroizing::new(STANDARD.encode(pair.as_bytes()))
}

/// The header that says who asks. It is sent at once: where credentials are configured, the server asks for them.
fn account(origin: &Origin) -> Result<Option<HeaderValue>, FetchError> {
    let credentials = &origin.credentials;
    let Some(password) = &credentials.password else { return Ok(None) };
    let text = Zeroizing::new(format!("Basic {}", basic(&credentials.username, password).as_str()));
    let mut header = HeaderValue::from_str(&text)
        .map_err(|_| FetchError::new(FetchReason::Misconfigured, "username or password cannot be sent"))?;
    header.set_sensitive(true);
    Ok(Some(header))
}
