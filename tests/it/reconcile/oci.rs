//! Artifacts from a registry that speaks the distribution protocol, with everything that can go wrong there.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    serve::Listener,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use gatewright::{
    base::egress::Egress,
    model::SecretText,
    reconcile::{
        content::{Budget, Content, FetchError, FetchReason},
        oci::{self, LAYER, Origin},
    },
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::support::git::loopback;

const BLUEPRINT: &str = "version: 1\nentries: []\n";
const PASSWORD: &str = "pass:word@";
const TOKEN: &str = "the-token";

/// How the registry wants to be asked.
#[derive(Clone, Default, PartialEq)]
enum Wants {
    #[default]
    Nothing,
    Basic,
    /// A token from this address; with an account unless `anonymous`.
    Token {
        realm: String,
        anonymous: bool,
    },
}

type Answer = Arc<dyn Fn() -> Response + Send + Sync>;

#[derive(Default)]
struct State {
    wants: Wants,
    manifests: BTreeMap<String, Vec<u8>>,
    blobs: BTreeMap<String, Vec<u8>>,
    /// Answers instead of the usual ones, by the end of the path.
    odd: Vec<(String, Answer)>,
    /// Every request: path with query, and what authorises it.
    asked: Vec<(String, Option<String>)>,
}

/// A server that is a registry.
#[derive(Clone)]
struct Registry {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

fn digest(bytes: &[u8]) -> String {
    let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

impl Registry {
    async fn start() -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listener");
        let address = listener.local_addr().expect("address");
        Registry::serve(listener, address)
    }

    fn serve<L>(listener: L, address: SocketAddr) -> Registry
    where
        L: Listener<Addr = SocketAddr>,
    {
        let registry = Registry { address, state: Arc::default() };
        let asked = registry.clone();
        let router = Router::new().fallback(move |request: Request| async move { asked.answer(&request) });
        tokio::spawn(async move { axum::serve(listener, router).await });
        registry
    }

    fn answer(&self, request: &Request) -> Response {
        let mut state = self.state.lock().expect("state");
        let path = request.uri().path().to_owned();
        let authorization = request.headers().get(header::AUTHORIZATION);
        let authorization = authorization.map(|value| value.to_str().expect("text").to_owned());
        let whole = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
        state.asked.push((whole, authorization.clone()));
        if let Some((_, answer)) = state.odd.iter().find(|(end, _)| path.ends_with(end.as_str())) {
            return answer();
        }
        let basic = format!("Basic {}", STANDARD.encode(format!("bob:{PASSWORD}")));
        if path == "/token" {
            let Wants::Token { anonymous, .. } = &state.wants else { return StatusCode::NOT_FOUND.into_response() };
            let known = *anonymous || authorization.as_deref() == Some(&basic);
            let wanted = "scope=repository%3Aorg%2Fapp%3Apull";
            let right =
                request.uri().query().is_some_and(|query| query.contains(wanted) && query.contains("service=s"));
            return match (known, right) {
                (true, true) => json!({ "access_token": TOKEN, "expires_in": 60 }).to_string().into_response(),
                (false, _) => StatusCode::UNAUTHORIZED.into_response(),
                _ => StatusCode::BAD_REQUEST.into_response(),
            };
        }
        let (challenge, proof) = match &state.wants {
            Wants::Nothing => (String::new(), None),
            Wants::Basic => ("Basic realm=\"r\"".to_owned(), Some(basic)),
            Wants::Token { realm, .. } => (
                format!("Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:org/app:pull,push\""),
                Some(format!("Bearer {TOKEN}")),
            ),
        };
        if proof.is_some() && authorization != proof {
            let body = json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "who are you" }] }).to_string();
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)], body).into_response();
        }
        let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
        match path.strip_prefix("/v2/org/app/").and_then(|rest| rest.split_once('/')) {
            Some(("manifests", name)) if accepts == Some("application/vnd.oci.image.manifest.v1+json") => {
                match state.manifests.get(name) {
                    Some(body) => ([("docker-content-digest", digest(body))], body.clone()).into_response(),
                    None => refuse(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
                }
            }
            Some(("blobs", name)) => match state.blobs.get(name) {
                Some(body) => body.clone().into_response(),
                None => refuse(StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
            },
            _ => refuse(StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
        }
    }

    /// Puts an artifact with these layers under a tag, and returns the digest of its manifest.
    fn push(&self, tag: &str, layers: &[(&str, &str, Option<&str>)]) -> String {
        let mut state = self.state.lock().expect("state");
        let mut listed = Vec::new();
        for (media_type, text, title) in layers {
            let digest = digest(text.as_bytes());
            state.blobs.insert(digest.clone(), text.as_bytes().to_vec());
            let annotations = title.map_or(json!({}), |title| json!({ "org.opencontainers.image.title": title }));
            listed.push(json!({
                "mediaType": media_type, "digest": digest, "size": text.len(), "annotations": annotations
            }));
        }
        drop(state);
        self.push_manifest(tag, &json!({ "schemaVersion": 2, "layers": listed }))
    }

    fn push_manifest(&self, tag: &str, manifest: &Value) -> String {
        let body = serde_json::to_vec(manifest).expect("JSON");
        let digest = digest(&body);
        let manifests = &mut self.state.lock().expect("state").manifests;
        manifests.insert(tag.to_owned(), body.clone());
        manifests.insert(digest.clone(), body);
        digest
    }

    fn wants(&self, wants: Wants) {
        self.state.lock().expect("state").wants = wants;
    }

    fn answers(&self, end: &str, answer: impl Fn() -> Response + Send + Sync + 'static) {
        self.state.lock().expect("state").odd.insert(0, (end.to_owned(), Arc::new(answer)));
    }

    /// The requests since the last call.
    fn asked(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.state.lock().expect("state").asked)
    }

    fn origin(&self, rest: &str) -> Origin {
        Origin {
            reference: format!("oci://{}/org/app{rest}", self.address),
            allow_plain: true,
            egress: loopback(),
            ..Origin::default()
        }
    }

    fn known(&self, rest: &str) -> Origin {
        let password = Some(SecretText(PASSWORD.to_owned()));
        Origin { username: "bob".to_owned(), password, ..self.origin(rest) }
    }
}

fn refuse(status: StatusCode, code: &str) -> Response {
    let body = json!({ "errors": [{ "code": code, "message": "a message with s3cret in it", "detail": null }] });
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn one_blueprint() -> [(&'static str, &'static str, Option<&'static str>); 1] {
    [(LAYER, BLUEPRINT, None)]
}

async fn fetch(origin: &Origin) -> Result<Content, FetchError> {
    let content = oci::fetch(origin, &Budget::default(), None).await?;
    Ok(content.expect("without a last revision there is always content"))
}

async fn reason(origin: &Origin) -> FetchReason {
    let error = fetch(origin).await.expect_err("refused");
    for secret in [PASSWORD, TOKEN, "s3cret", "pass%3Aword"] {
        assert!(!error.message.contains(secret), "{error}");
    }
    error.reason
}

#[tokio::test]
async fn the_last_blueprint_layer_is_the_blueprint() {
    let registry = Registry::start().await;
    let layers = [
        ("application/octet-stream", "first", Some("first.yaml")),
        (LAYER, "version: 1\n", Some("one.yaml")),
        (LAYER, BLUEPRINT, Some("apps/two.yaml")),
        ("application/vnd.goauthentik.blueprint.v1+json", "other", None),
    ];
    let manifest = registry.push("v1", &layers);
    let content = fetch(&registry.origin(":v1")).await.expect("content");
    assert_eq!(content.revision.digest, manifest);
    assert_eq!(content.revision.name, format!("v1@{manifest}"));
    let [file] = content.files.as_slice() else { panic!("{content:?}") };
    assert_eq!((file.path.as_str(), &*file.bytes), ("apps/two.yaml", BLUEPRINT.as_bytes()));
    assert!(content.beside.is_none());

    // Without a tag it is `latest`; a title that is no path of a blueprint is not used.
    for title in ["../up.yaml", "/etc/x.yaml", "a//b.yaml", ".hidden.yaml", "readme.md", "a\\b.yaml", "a\n.yaml", ""] {
        registry.push("latest", &[(LAYER, BLUEPRINT, Some(title))]);
        let content = fetch(&registry.origin("")).await.expect("content");
        assert_eq!(content.files[0].path, "blueprint.yaml", "{title:?}");
    }
    let by_digest = fetch(&registry.origin(&format!("@{manifest}"))).await.expect("content");
    assert_eq!((by_digest.revision.name.as_str(), &by_digest.files), (manifest.as_str(), &content.files));
}

#[tokio::test]
async fn what_is_known_already_is_not_fetched_again() {
    let registry = Registry::start().await;
    let first = registry.push("main", &one_blueprint());
    let budget = Budget::default();
    let origin = registry.origin(":main");
    let last = fetch(&origin).await.expect("content").revision;
    registry.asked();
    let again = oci::fetch(&origin, &budget, Some(&last)).await.expect("an answer");
    assert!(again.is_none());
    assert_eq!(registry.asked().len(), 1, "the manifest alone");

    let pinned = registry.origin(&format!("@{first}"));
    assert!(oci::fetch(&pinned, &budget, Some(&last)).await.expect("an answer").is_none());
    assert_eq!(registry.asked(), [], "what a digest names cannot change");

    // The tag moves.
    let second = registry.push("main", &[(LAYER, "version: 1\n", None)]);
    let moved = oci::fetch(&origin, &budget, Some(&last)).await.expect("an answer").expect("content");
    assert_eq!(moved.revision.digest, second);
    assert_eq!(&*moved.files[0].bytes, b"version: 1\n");
}

#[tokio::test]
async fn a_token_is_fetched_with_the_account_and_only_for_pulling() {
    let registry = Registry::start().await;
    registry.push("main", &one_blueprint());
    let realm = format!("http://{}/token", registry.address);
    registry.wants(Wants::Token { realm: realm.clone(), anonymous: true });
    assert!(fetch(&registry.origin(":main")).await.is_ok());
    let asked = registry.asked();
    let paths: Vec<&str> = asked.iter().map(|(path, _)| path.split(['?', ':']).next().unwrap_or_default()).collect();
    assert_eq!(
        paths,
        ["/v2/org/app/manifests/main", "/token", "/v2/org/app/manifests/main", "/v2/org/app/blobs/sha256"]
    );
    assert!(asked[0].1.is_none() && asked[1].1.is_none());

    registry.wants(Wants::Token { realm, anonymous: false });
    assert_eq!(reason(&registry.origin(":main")).await, FetchReason::Unauthorized);
    registry.asked();
    assert!(fetch(&registry.known(":main")).await.is_ok());
    let asked = registry.asked();
    assert!(asked[0].1.is_none(), "nothing is told before it is asked for");
    assert!(asked[1].1.as_deref().is_some_and(|proof| proof.starts_with("Basic ")));
    assert_eq!(asked[2].1.as_deref(), Some("Bearer the-token"));
    let in_address = Origin {
        reference: format!("oci://bob:pass%3Aword%40@{}/org/app:main", registry.address),
        ..registry.origin("")
    };
    assert!(fetch(&in_address).await.is_ok());
    let mut wrong = registry.known(":main");
    wrong.password = Some(SecretText("other".to_owned()));
    assert_eq!(reason(&wrong).await, FetchReason::Unauthorized);

    registry.wants(Wants::Basic);
    assert!(fetch(&registry.known(":main")).await.is_ok());
    assert_eq!(reason(&registry.origin(":main")).await, FetchReason::Unauthorized);
    assert_eq!(reason(&wrong).await, FetchReason::Unauthorized);
}

#[tokio::test]
async fn no_credential_goes_to_another_host() {
    let registry = Registry::start().await;
    let other = Registry::start().await;
    registry.push("main", &one_blueprint());
    let elsewhere = |path: &str| format!("http://localhost:{}{path}", other.address.port());

    // Another host for tokens is told nothing, as long as there is something to tell.
    registry.wants(Wants::Token { realm: elsewhere("/token"), anonymous: true });
    assert_eq!(reason(&registry.known(":main")).await, FetchReason::Untrusted);
    assert_eq!(other.asked(), []);
    other.wants(Wants::Token { realm: String::new(), anonymous: true });
    assert!(fetch(&registry.origin(":main")).await.is_ok(), "without an account there is nothing to give away");
    assert_eq!(other.asked().len(), 1);
    for realm in ["http://example.org/token", "ftp://127.0.0.1/token", "https://bob:x@127.0.0.1/", "none", ""] {
        registry.wants(Wants::Token { realm: realm.to_owned(), anonymous: true });
        assert_eq!(reason(&registry.known(":main")).await, FetchReason::Untrusted, "{realm}");
    }

    // A storage host gets the request for the blob, and no proof.
    registry.wants(Wants::Basic);
    let blob = digest(BLUEPRINT.as_bytes());
    other.answers("/storage", || BLUEPRINT.into_response());
    let storage = elsewhere("/storage?signature=x");
    let redirect = move |target: String| {
        move || (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, target.clone())]).into_response()
    };
    registry.answers(&blob, redirect(storage));
    assert!(fetch(&registry.known(":main")).await.is_ok());
    assert_eq!(other.asked(), [("/storage?signature=x".to_owned(), None)]);

    // Neither place is reached where that is not allowed, though the registry is.
    let near = |origin: Origin| Origin { egress: Egress::new(&["127.0.0.1"], false).expect("an address"), ..origin };
    let door = TcpListener::bind("127.0.0.2:0").await.expect("a listener");
    let inner = Registry::serve(door, other.address);
    let door = |path: &str| format!("http://127.0.0.2:{}{path}", inner.address.port());
    registry.answers(&blob, redirect(door("/storage")));
    assert_eq!(reason(&near(registry.known(":main"))).await, FetchReason::Forbidden);
    registry.wants(Wants::Token { realm: door("/token"), anonymous: true });
    assert_eq!(reason(&near(registry.origin(":main"))).await, FetchReason::Forbidden);
    assert_eq!(inner.asked(), []);
    registry.wants(Wants::Basic);

    // To itself the proof goes along; in circles, into the clear or into nothing it does not go at all.
    registry.answers("/here", || BLUEPRINT.into_response());
    registry.answers(&blob, redirect("/here".to_owned()));
    registry.asked();
    assert!(fetch(&registry.known(":main")).await.is_ok());
    assert!(registry.asked().last().is_some_and(|(path, proof)| path == "/here" && proof.is_some()));
    registry.answers(&blob, redirect(format!("/v2/org/app/blobs/{blob}")));
    assert_eq!(reason(&registry.known(":main")).await, FetchReason::Unreachable);
    for target in ["http://example.org/x", "file:///etc/passwd", "https://bob:x@127.0.0.1/x", "http://["] {
        registry.answers(&blob, redirect(target.to_owned()));
        assert_eq!(reason(&registry.known(":main")).await, FetchReason::Untrusted, "{target}");
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_right_has_a_reason() {
    let registry = Registry::start().await;
    registry.push("main", &one_blueprint());
    let origin = registry.origin(":main");
    assert_eq!(reason(&registry.origin(":gone")).await, FetchReason::RevisionGone);
    let absent = format!("@sha256:{}", "0".repeat(64));
    assert_eq!(reason(&registry.origin(&absent)).await, FetchReason::RevisionGone);
    let nowhere = Origin { reference: format!("oci://{}/org/none:main", registry.address), ..registry.origin("") };
    assert_eq!(reason(&nowhere).await, FetchReason::SourceGone);
    let free = TcpListener::bind("127.0.0.1:0").await.expect("listener").local_addr().expect("address");
    let closed = Origin { reference: format!("oci://{free}/org/app"), ..registry.origin("") };
    assert_eq!(reason(&closed).await, FetchReason::Unreachable);

    registry.push("none", &[("application/octet-stream", "x", None)]);
    assert_eq!(reason(&registry.origin(":none")).await, FetchReason::Empty);
    registry.push_manifest("index", &json!({ "schemaVersion": 2, "manifests": [] }));
    assert_eq!(reason(&registry.origin(":index")).await, FetchReason::Corrupt);
    registry.push_manifest("old", &json!({ "schemaVersion": 1, "layers": [] }));
    assert_eq!(reason(&registry.origin(":old")).await, FetchReason::Corrupt);
    let layer = |digest: &str, size: u64| json!({ "schemaVersion": 2, "layers": [{ "mediaType": LAYER, "digest": digest, "size": size }] });
    registry.push_manifest("md5", &layer("md5:00", 1));
    assert_eq!(reason(&registry.origin(":md5")).await, FetchReason::Corrupt);
    registry.push_manifest("lost", &layer(&digest(b"lost"), 4));
    assert_eq!(reason(&registry.origin(":lost")).await, FetchReason::Corrupt);

    for (status, code, expected) in [
        (StatusCode::OK, "NAME_UNKNOWN", FetchReason::SourceGone),
        (StatusCode::OK, "s3cret", FetchReason::Corrupt),
        (StatusCode::FORBIDDEN, "DENIED", FetchReason::Unauthorized),
        (StatusCode::NOT_FOUND, "NAME_UNKNOWN", FetchReason::SourceGone),
        (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", FetchReason::Unreachable),
        (StatusCode::BAD_GATEWAY, "UNKNOWN", FetchReason::Unreachable),
        (StatusCode::BAD_REQUEST, "UNSUPPORTED", FetchReason::Corrupt),
    ] {
        registry.answers("/manifests/main", move || refuse(status, code));
        assert_eq!(reason(&origin).await, expected, "{status} {code}");
    }
    for body in ["", "null", "[]", "<html>", "{\"layers\":{}}", "{\"errors\":7}", "{}"] {
        registry.answers("/manifests/main", move || body.into_response());
        assert_eq!(reason(&origin).await, FetchReason::Corrupt, "{body}");
    }
}

#[tokio::test]
async fn what_has_another_digest_is_refused() {
    let registry = Registry::start().await;
    let manifest = registry.push("main", &one_blueprint());
    let other = serde_json::to_vec(&json!({ "schemaVersion": 2, "layers": [] })).expect("JSON");
    let sent = other.clone();
    registry.answers(&manifest, move || sent.clone().into_response());
    assert_eq!(reason(&registry.origin(&format!("@{manifest}"))).await, FetchReason::Corrupt);
    registry.answers("/manifests/main", move || {
        let mut headers = HeaderMap::new();
        headers.insert("docker-content-digest", manifest.parse().expect("value"));
        (headers, other.clone()).into_response()
    });
    assert_eq!(reason(&registry.origin(":main")).await, FetchReason::Corrupt);

    let registry = Registry::start().await;
    registry.push("main", &one_blueprint());
    let blob = digest(BLUEPRINT.as_bytes());
    for (body, expected) in [
        (BLUEPRINT.replace("entries", "Entries"), FetchReason::Corrupt),
        (String::new(), FetchReason::Corrupt),
        (format!("{BLUEPRINT}\n"), FetchReason::TooLarge),
    ] {
        registry.answers(&blob, move || body.clone().into_response());
        assert_eq!(reason(&registry.origin(":main")).await, expected);
    }
}

#[tokio::test]
async fn nothing_is_larger_or_slower_than_its_budget() {
    let registry = Registry::start().await;
    registry.push("main", &one_blueprint());
    let origin = registry.origin(":main");
    let with = |budget: Budget| {
        let origin = origin.clone();
        async move { oci::fetch(&origin, &budget, None).await.map(|_| ()).map_err(|error| error.reason) }
    };
    let full = Budget::default();
    let size = BLUEPRINT.len() as u64;
    assert_eq!(with(Budget { content: size, ..full }).await, Ok(()));
    assert_eq!(with(Budget { content: size - 1, ..full }).await, Err(FetchReason::TooLarge));
    assert_eq!(with(Budget { received: 100, ..full }).await, Err(FetchReason::TooLarge));

    // Bodies without a length, and without an end.
    let endless = || {
        let chunk = axum::body::Bytes::from(vec![b' '; 64 << 10]);
        let stream = futures_util::stream::repeat_with(move || Ok::<_, io::Error>(chunk.clone()));
        Body::from_stream(stream).into_response()
    };
    registry.answers("/manifests/main", endless);
    assert_eq!(with(full).await, Err(FetchReason::TooLarge));
    registry.answers("/manifests/main", move || (StatusCode::INTERNAL_SERVER_ERROR, endless()).into_response());
    assert_eq!(with(full).await, Err(FetchReason::Unreachable));

    let silent = || Body::from_stream(futures_util::stream::pending::<Result<&str, io::Error>>()).into_response();
    registry.answers("/manifests/main", silent);
    let start = Instant::now();
    let short = Budget { time: Duration::from_millis(200), ..full };
    assert_eq!(with(short).await, Err(FetchReason::TimedOut));
    assert!(start.elapsed() < Duration::from_secs(5));

    // A connection that breaks off.
    registry.answers("/manifests/main", || {
        let stream = futures_util::stream::iter([Ok("{"), Err(io::Error::other("gone"))]);
        Body::from_stream(stream).into_response()
    });
    assert_eq!(with(full).await, Err(FetchReason::Unreachable));
}

/// Speaks TLS on the connections of a listener.
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

struct Authority {
    pem: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "private authority");
        let key = rcgen::KeyPair::generate().expect("key");
        let pem = params.self_signed(&key).expect("certificate").pem();
        Authority { pem, issuer: rcgen::Issuer::new(params, key) }
    }

    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = rcgen::KeyPair::generate().expect("key");
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer).expect("certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .expect("certificate");
        TlsAcceptor::from(Arc::new(config))
    }
}

#[tokio::test]
async fn a_registry_is_trusted_by_its_certificate() {
    let authority = Authority::new();
    let start = async |name: &str| {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listener");
        let address = listener.local_addr().expect("address");
        let registry = Registry::serve(Tls { listener, acceptor: authority.acceptor(name) }, address);
        registry.push("main", &one_blueprint());
        registry
    };
    let registry = start("127.0.0.1").await;
    let origin = |registry: &Registry, pem: &str| Origin {
        allow_plain: false,
        ca_certificate: pem.to_owned(),
        ..registry.known(":main")
    };
    let trusted = origin(&registry, &authority.pem);
    assert!(fetch(&trusted).await.is_ok());
    let realm = format!("https://{}/token", registry.address);
    registry.wants(Wants::Token { realm, anonymous: false });
    assert!(fetch(&trusted).await.is_ok());
    let plain = format!("http://{}/token", registry.address);
    registry.wants(Wants::Token { realm: plain, anonymous: true });
    assert_eq!(reason(&trusted).await, FetchReason::Untrusted, "the password is not sent in the clear");

    assert_eq!(reason(&origin(&registry, "")).await, FetchReason::Untrusted);
    assert_eq!(reason(&origin(&registry, &Authority::new().pem)).await, FetchReason::Untrusted);
    assert_eq!(reason(&origin(&registry, "no certificate")).await, FetchReason::Misconfigured);
    let misnamed = start("example.org").await;
    assert_eq!(reason(&origin(&misnamed, &authority.pem)).await, FetchReason::Untrusted);
    // A server without TLS is not talked to unless that is allowed.
    let plain = Registry::start().await;
    plain.push("main", &one_blueprint());
    assert!(fetch(&plain.origin(":main")).await.is_ok());
    assert_eq!(reason(&Origin { allow_plain: false, ..plain.origin(":main") }).await, FetchReason::Unreachable);
}
