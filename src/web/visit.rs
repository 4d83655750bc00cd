//! From a request to what the floors below know of it, and from what came of it to the answer: address, brand, session,
//! cookies, and the headers that every answer has.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::{ConnectInfo, FromRequestParts, RawPathParams, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{MethodRouter, any},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    body::{self, Forms},
    csrf,
    proxies::Proxies,
    refusal::{NO_CREDENTIALS, Refusal},
};
use crate::{
    flows::stage::StageTable,
    identity::{
        bearer::bearer,
        brand::Brand,
        person::Person,
        sessions::{self, Opened},
        user::UserType,
        visit::{Seat, Visit},
        world::World,
    },
    model::{Kind, Model, Object},
    store::StoreError,
};

/// The cookie that holds a session.
pub const SESSION: &str = "authentik_session";
/// The cookie that holds what a program repeats in a header.
pub const CSRF: &str = "authentik_csrf";
/// How long the latter is kept, in seconds: longer than any session.
const CSRF_AGE: u32 = 31_449_600;
/// The longest key of a token that is looked up.
const LONGEST_KEY: usize = 4096;

/// What answers requests.
#[derive(Clone)]
pub struct Site {
    /// The server's state.
    pub world: World,
    /// What stages do.
    pub stages: StageTable,
    /// Whom to believe about where requests come from.
    pub proxies: Arc<Proxies>,
}

/// One request on its way.
pub struct Call {
    /// The site.
    pub site: Site,
    /// The request.
    pub visit: Visit,
    /// Its session.
    pub seat: Seat,
    /// Whether it shows a token; then its session is empty, and whatever is put into it is gone with the request.
    pub by_token: bool,
    headers: HeaderMap,
    params: Vec<(String, String)>,
    /// Taken once. The lock only lets other threads look at the rest of the call.
    body: Mutex<Option<Body>>,
}

/// What an answer will be.
pub type Work<'a> = Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send + 'a>>;

/// How a resource takes requests.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The methods that it knows, as the header `Allow` names them.
    pub allow: &'static str,
    /// Whether tokens are taken, as the API does; pages and flows are for sessions.
    pub tokens: bool,
}

/// A resource of the API: for those who show a token or are signed in, or for anybody.
pub const fn api(allow: &'static str) -> Rules {
    Rules { allow, tokens: true }
}

/// A page or a flow.
pub const fn page(allow: &'static str) -> Rules {
    Rules { allow, tokens: false }
}

/// A resource.
pub fn resource<W>(rules: Rules, work: W) -> MethodRouter<Site>
where
    W: for<'a> Fn(&'a mut Call) -> Work<'a> + Clone + Send + Sync + 'static,
{
    any(move |State(site): State<Site>, request: Request| async move {
        let id = Uuid::new_v4();
        let (mut call, admitted) = match Call::begin(site, request, id, rules).await {
            Ok(begun) => begun,
            Err(refusal) => return dress(refusal.into_response(), id, false, rules),
        };
        let answer = match admitted {
            Err(refusal) => Err(refusal),
            Ok(()) if !rules.allow.split(", ").any(|method| method == call.visit.method) => {
                Err(Refusal::Method(call.visit.method.clone(), rules.allow))
            }
            Ok(()) if call.visit.method == "OPTIONS" => Ok(StatusCode::OK.into_response()),
            Ok(()) => work(&mut call).await,
        };
        call.end(answer, rules).await
    })
}

impl Call {
    /// Looks at a request. What is wrong with its rights is given beside it, so that its session is kept in any case.
    async fn begin(
        site: Site,
        request: Request,
        id: Uuid,
        rules: Rules,
    ) -> Result<(Call, Result<(), Refusal>), Refusal> {
        let (mut parts, body) = request.into_parts();
        let params = match RawPathParams::from_request_parts(&mut parts, &()).await {
            Ok(params) => params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            Err(_) => return Err(Refusal::NotFound),
        };
        let model = site.world.model().await?;
        let mut visit = visit(&site, &parts, &model, id)?;
        outpost(&site, &mut visit).await?;
        let token = if rules.tokens { visit.header("authorization").map(str::to_owned) } else { None };
        let by_token = token.is_some();
        let cookie = if by_token { None } else { cookie(&parts.headers, SESSION) };
        let Opened { mut seat, moved } =
            sessions::open(&site.world, cookie.as_deref(), visit.client, visit.user_agent()).await?;
        if let Some(moved) = moved {
            tracing::warn!(request = %id.simple(), person = ?moved.person, before = %moved.before, now = %moved.now,
                "a session was used from elsewhere than it is bound to, and has ended");
        }
        let admitted = match token {
            Some(header) => match shown(&site, &header).await? {
                Ok(person) => {
                    seat.person = Some(person);
                    Ok(())
                }
                Err(text) => Err(Refusal::Forbidden(text.to_owned())),
            },
            None if seat.person.is_some() => {
                csrf::check(&visit, &seat.data.csrf).map_err(|text| Refusal::Forbidden(text.to_owned()))
            }
            None => Ok(()),
        };
        let headers = parts.headers;
        Ok((Call { site, visit, seat, by_token, headers, params, body: Mutex::new(Some(body)) }, admitted))
    }

    /// A part of the path.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(param, _)| param == name).map_or("", |(_, value)| value)
    }

    /// The fields of the body; those of one that was taken already are none.
    ///
    /// # Errors
    /// See [`body::fields`].
    pub async fn fields(&mut self, forms: Forms) -> Result<Map<String, Value>, Refusal> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        match body {
            Some(body) => body::fields(&self.headers, body, forms).await,
            None => Ok(Map::new()),
        }
    }

    /// Who asks.
    ///
    /// # Errors
    /// When nobody is signed in and no token is shown.
    pub fn person(&self) -> Result<Arc<Person>, Refusal> {
        self.seat.person.clone().ok_or_else(|| Refusal::Forbidden(NO_CREDENTIALS.to_owned()))
    }

    /// The answer, with the session kept and its cookies set.
    async fn end(mut self, answer: Result<Response, Refusal>, rules: Rules) -> Response {
        // What a request that failed would have put into its session is not kept.
        let failed = matches!(answer, Err(Refusal::Store(_)));
        let mut answer = answer.unwrap_or_else(IntoResponse::into_response);
        if !self.by_token && !failed {
            match sessions::keep(&self.site.world, &mut self.seat).await {
                Ok(()) => self.set_cookies(answer.headers_mut()),
                Err(error) => answer = Refusal::Store(error).into_response(),
            }
        }
        tracing::debug!(request = %self.visit.id.simple(), method = self.visit.method, path = self.visit.path,
            client = %self.visit.client, status = answer.status().as_u16(), "answered");
        dress(answer, self.visit.id, self.visit.secure, rules)
    }

    fn set_cookies(&self, headers: &mut HeaderMap) {
        let secure = if self.visit.secure { "; Secure" } else { "" };
        let mut cookies = Vec::new();
        let seat = &self.seat;
        if let Some(token) = seat.token.as_ref().filter(|_| seat.stored) {
            let left = (seat.session.expires - self.site.world.now()).max(0) / 1_000_000;
            let age = if seat.data.until_closed { String::new() } else { format!("; Max-Age={left}") };
            cookies.push(format!("{SESSION}={token}; HttpOnly; Path=/; SameSite=Lax{age}{secure}"));
            if !seat.data.csrf.is_empty() {
                let secret = &seat.data.csrf;
                cookies.push(format!("{CSRF}={secret}; Max-Age={CSRF_AGE}; Path=/; SameSite=Lax{secure}"));
            }
        } else if seat.ended {
            cookies.push(format!("{SESSION}=; HttpOnly; Path=/; SameSite=Lax; Max-Age=0{secure}"));
            cookies.push(format!("{CSRF}=; Path=/; SameSite=Lax; Max-Age=0{secure}"));
        }
        cookies.extend(seat.cookies.iter().cloned());
        for cookie in cookies {
            match HeaderValue::from_str(&cookie) {
                Ok(value) => {
                    headers.append(header::SET_COOKIE, value);
                }
                Err(error) => tracing::error!(%error, "a cookie cannot be set"),
            }
        }
    }
}

/// The headers that every answer has.
fn dress(mut answer: Response, id: Uuid, secure: bool, rules: Rules) -> Response {
    let headers = answer.headers_mut();
    let fixed = [
        ("allow", rules.allow),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", if rules.tokens { "same-origin" } else { "no-referrer" }),
        ("vary", "Cookie"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if let Ok(id) = HeaderValue::from_str(&id.simple().to_string()) {
        headers.insert(HeaderName::from_static("x-authentik-id"), id);
    }
    answer
}

fn visit(site: &Site, parts: &Parts, model: &Model, id: Uuid) -> Result<Visit, Refusal> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::BROADCAST));
    let host = match parts.headers.get(header::HOST).map(HeaderValue::to_str) {
        Some(Ok(host)) if is_host(host) => host.to_owned(),
        Some(_) => return Err(Refusal::BadRequest("The header Host is malformed.".to_owned())),
        None => parts.uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default(),
    };
    let headers = parts.headers.iter();
    Ok(Visit {
        id,
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        brand: brand(model, &host),
        host,
        secure: site.proxies.secure(peer, &parts.headers),
        headers: headers
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        client: site.proxies.client(peer, &parts.headers),
        outpost: None,
    })
}

/// Whether a text can be a host with a port. It goes into links, so nothing else is taken.
fn is_host(host: &str) -> bool {
    host.len() <= 300
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']'))
}

/// The brand of a host: the one with the longest domain that the host is or lies below, else the default one.
fn brand(model: &Model, host: &str) -> Option<Arc<Object>> {
    let kind = model.registry().find(Brand::NAME)?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let below = |domain: &str| {
        let domain = domain.to_ascii_lowercase();
        !domain.is_empty() && (name == domain || name.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.')))
    };
    let brands = || model.known_of_kind(kind.index);
    let domain = |brand: &Arc<Object>| brand.text("domain").unwrap_or_default();
    let own = brands().filter(|brand| below(&domain(brand))).max_by_key(|brand| domain(brand).len());
    let is_default = |brand: &&Arc<Object>| brand.attrs.get("default") == Some(&Value::Bool(true));
    own.or_else(|| brands().find(is_default)).cloned()
}

/// Takes over the address that an outpost says it asks for.
async fn outpost(site: &Site, visit: &mut Visit) -> Result<(), StoreError> {
    let Some(ip) = visit.header("x-authentik-remote-ip") else { return Ok(()) };
    let Some(key) = visit.header("x-authentik-outpost-token").filter(|key| key.len() <= LONGEST_KEY) else {
        return Ok(());
    };
    let address = ip.trim().parse::<IpAddr>();
    let found = bearer(site.world.store(), site.world.registry(), key, site.world.now()).await?;
    let person = match found {
        Some(found) => site.world.person(found.user).await?,
        None => None,
    };
    let internal = serde_json::to_value(UserType::InternalServiceAccount).unwrap_or_default();
    let person = person.filter(|person| person.object.attrs.get("type") == Some(&internal));
    match (person, address) {
        (Some(person), Ok(address)) => {
            visit.client = address.to_canonical();
            visit.outpost = Some(person.id());
        }
        _ => tracing::warn!(request = %visit.id.simple(), client = %visit.client,
            "a request names an outpost's client without being one"),
    }
    Ok(())
}

/// Whom the header `Authorization` stands for, or what is wrong with it.
async fn shown(site: &Site, header: &str) -> Result<Result<Arc<Person>, &'static str>, StoreError> {
    const INVALID: &str = "Token invalid/expired";
    let Some((scheme, key)) = header.split_once(' ') else { return Ok(Err("Unsupported authentication type")) };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Err("Unsupported authentication type"));
    }
    let key = key.trim();
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Ok(Err(INVALID));
    }
    let found = bearer(site.world.store(), site.world.registry(), key, site.world.now()).await?;
    let person = match found {
        Some(found) => site.world.person(found.user).await?.filter(|person| person.is_active()),
        None => None,
    };
    Ok(person.ok_or(INVALID))
}

/// The first cookie of a name.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value.trim_matches('"').to_owned())
}

/// A redirect that a browser follows by GET.
pub fn found(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// Whether the request only asks.
pub fn is_read(visit: &Visit) -> bool {
    visit.method == Method::GET.as_str() || visit.method == Method::HEAD.as_str()
}
