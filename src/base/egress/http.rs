//! HTTP within the bounds of an [`Egress`].

use std::sync::Arc;

use reqwest::{
    ClientBuilder, Method, RequestBuilder, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::{Attempt, Policy},
};

use super::{Egress, Refused};

/// Redirects that are followed for one request.
const HOPS: usize = 5;

/// Which redirects are followed. None ever leads from `https` to `http`, and each place is checked as the first one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// None: the answer is given as it is.
    Never,
    /// Those to the same scheme, host and port; others are an error.
    SameOrigin,
    /// All. `Authorization` and cookies stay behind when the origin changes, but bodies and headers of other names go
    /// along: not for requests that carry secrets in these.
    Anywhere,
}

/// An HTTP client that reaches what an [`Egress`] allows. Cheap to clone.
///
/// It heeds no proxy of the environment: a proxy would look names up itself.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    egress: Egress,
}

impl Egress {
    /// A client that keeps to this. `set` adds what else is wanted (time limits, certificates, the agent's name); what it
    /// says about names, proxies and redirects does not count.
    ///
    /// # Errors
    /// When the system's certificates cannot be read or `set` contradicts itself.
    pub fn client(
        &self,
        redirects: Redirects,
        set: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Client, reqwest::Error> {
        // The client looks for the process-wide provider; whoever was first has set the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let judge = self.clone();
        let policy = match redirects {
            Redirects::Never => Policy::none(),
            _ => Policy::custom(move |attempt| match judge.redirect(&attempt, redirects) {
                Ok(()) => attempt.follow(),
                Err(error) => attempt.error(error),
            }),
        };
        let builder = set(reqwest::Client::builder())
            .dns_resolver(Arc::new(Checked(self.clone())))
            .redirect(policy)
            .no_proxy()
            .referer(false);
        Ok(Client { inner: builder.build()?, egress: self.clone() })
    }

    fn redirect(
        &self,
        attempt: &Attempt<'_>,
        redirects: Redirects,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (to, previous) = (attempt.url(), attempt.previous());
        let Some(from) = previous.last() else { return Ok(()) };
        if previous.len() > HOPS {
            return Err(format!("redirects more than {HOPS} times").into());
        }
        let same = from.origin() == to.origin();
        if redirects == Redirects::SameOrigin && !same {
            return Err(format!("redirects to {}, another server", to.origin().ascii_serialization()).into());
        }
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err(format!("redirects to {}, without encryption", to.origin().ascii_serialization()).into());
        }
        Ok(self.check_url(to)?)
    }

    /// Addresses are connected to without a look-up, so they are checked here; names are when they are looked up.
    fn check_url(&self, url: &Url) -> Result<(), Refused> {
        self.check_host(url.host_str().unwrap_or_default())
    }
}

impl Client {
    /// Begins a request. Its `send` fails, with a [`Refused`] among the causes, when the host's name leads to what may not
    /// be reached.
    ///
    /// # Errors
    /// When the url's host is refused as it stands.
    pub fn request(&self, method: Method, url: Url) -> Result<RequestBuilder, Refused> {
        self.egress.check_url(&url)?;
        Ok(self.inner.request(method, url))
    }

    /// Begins a `GET` request, like [`Client::request`].
    ///
    /// # Errors
    /// When the url's host is refused as it stands.
    pub fn get(&self, url: Url) -> Result<RequestBuilder, Refused> {
        self.request(Method::GET, url)
    }

    /// Begins a `POST` request, like [`Client::request`].
    ///
    /// # Errors
    /// When the url's host is refused as it stands.
    pub fn post(&self, url: Url) -> Result<RequestBuilder, Refused> {
        self.request(Method::POST, url)
    }
}

/// Gives the client's connector only addresses that were checked.
struct Checked(Egress);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = self.0.clone();
        Box::pin(async move {
            // The port is the url's; the connector sets it.
            let found = egress.resolve(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
