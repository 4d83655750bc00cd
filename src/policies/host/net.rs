//! What expressions ask of other machines: HTTP within the bounds of the egress rules, and names.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{ClientBuilder, Method, Url, header::HeaderName};

use crate::{
    base::egress::{Redirects, Refused},
    expression::{HostError, HttpBody, HttpCall, Map, Value},
    identity::world::World,
};

/// How long a request may take when the expression says nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer, in bytes.
const LARGEST: usize = 4 << 20;
/// How long answers about names are remembered.
const REMEMBERED: Duration = Duration::from_secs(180);
/// How many are.
const NAMES: usize = 32;

/// Addresses by host and version, with when they were looked up.
type Found = HashMap<(String, Option<u8>), (Instant, Vec<IpAddr>)>;

static FOUND: LazyLock<Mutex<Found>> = LazyLock::new(Mutex::default);

/// Makes a request.
pub async fn http(world: &World, call: HttpCall) -> Result<Value, HostError> {
    let wrong = |message: String| HostError::raise("ValueError", message);
    let HttpCall { method, url, params, headers, auth, body, timeout, follow } = call;
    let mut url = Url::parse(&url).map_err(|error| wrong(format!("{url:?} is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!("{} is neither http nor https", url.scheme())));
    }
    if !params.is_empty() {
        url.query_pairs_mut().extend_pairs(&params);
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| wrong(format!("{method:?} is no method")))?;
    // What goes along could be a secret, which is not to end up at whoever is redirected to.
    let bare = headers.is_empty() && auth.is_none() && body == HttpBody::Empty;
    let redirects = match (follow, bare) {
        (false, _) => Redirects::Never,
        (true, true) => Redirects::Anywhere,
        (true, false) => Redirects::SameOrigin,
    };
    let timeout = timeout
        .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
        .map_or(PATIENCE, |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(PATIENCE));
    let set = |client: ClientBuilder| client.timeout(timeout).user_agent(crate::policies::USER_AGENT);
    let client = world.means().egress.client(redirects, set).map_err(|error| HostError::fatal(error.to_string()))?;
    let mut request = client.request(method, url).map_err(|error| refused(&error))?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(format!("{name:?} is no header")))?;
        request = request.header(name, value);
    }
    if let Some((user, password)) = auth {
        request = request.basic_auth(user, Some(password));
    }
    request = match body {
        HttpBody::Empty => request,
        HttpBody::Bytes(bytes) => request.body(bytes),
        HttpBody::Form(pairs) => {
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            request.header("Content-Type", "application/x-www-form-urlencoded").body(form)
        }
        HttpBody::Json(value) => {
            let json = super::plain::to_json(&value).map_err(wrong)?;
            request.header("Content-Type", "application/json").body(json.to_string())
        }
    };
    let mut answer = request.send().await.map_err(|error| lost(&error))?;
    let status = answer.status();
    let headers = answer.headers().iter().map(|(name, value)| {
        (name.as_str().to_owned(), Value::Text(String::from_utf8_lossy(value.as_bytes()).into_owned()))
    });
    let headers: Map = headers.collect();
    let url = answer.url().to_string();
    let mut content = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| lost(&error))? {
        if content.len() + chunk.len() > LARGEST {
            return Err(HostError::raise(
                "ConnectionError",
                format!("the answer is larger than {} MiB", LARGEST >> 20),
            ));
        }
        content.extend_from_slice(&chunk);
    }
    Ok(Value::Map(Map::from_iter([
        ("status_code".to_owned(), Value::Int(i64::from(status.as_u16()))),
        ("reason".to_owned(), Value::text(status.canonical_reason().unwrap_or_default())),
        ("headers".to_owned(), Value::Map(headers)),
        ("content".to_owned(), Value::Bytes(content)),
        ("url".to_owned(), Value::Text(url)),
    ])))
}

fn refused(error: &Refused) -> HostError {
    HostError::raise("ConnectionError", error.to_string())
}

fn lost(error: &reqwest::Error) -> HostError {
    if let Some(error) = Refused::among(error) {
        return refused(error);
    }
    let name = if error.is_timeout() { "TimeoutError" } else { "ConnectionError" };
    HostError::raise(name, error.to_string())
}

/// The addresses of a host; none when it is not known.
pub async fn resolve(host: &str, version: Option<u8>) -> Result<Value, HostError> {
    let key = (host.to_owned(), version);
    let remembered = {
        let found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(&key).filter(|(at, _)| at.elapsed() < REMEMBERED).map(|(_, addresses)| addresses.clone())
    };
    let addresses = match remembered {
        Some(addresses) => addresses,
        None => {
            let found = tokio::net::lookup_host((host, 0)).await;
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found.into_iter().flatten().map(|address| address.ip()) {
                let fits = version.is_none_or(|version| address.is_ipv4() == (version == 4));
                if fits && !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
            if found.len() >= NAMES {
                found.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
            }
            if found.len() >= NAMES {
                found.clear();
            }
            found.insert(key, (Instant::now(), addresses.clone()));
            addresses
        }
    };
    Ok(Value::List(addresses.into_iter().map(|address| Value::Text(address.to_string())).collect()))
}

/// The name of an address.
pub async fn reverse(address: &str) -> Result<Value, HostError> {
    let message = format!("the name of {address} cannot be looked up by this release");
    Err(HostError::raise("NotImplementedError", message))
}
