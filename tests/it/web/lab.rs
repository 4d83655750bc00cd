//! A server in this process, on a database of its own: a client with a cookie jar, and a clock that the test moves.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Request, StatusCode, header},
};
use gatewright::{
    base::{clock::Clock, diagnostic::Diagnostic},
    blueprint::{apply, drive, engine::Options, inputs::Inputs, load::Loaded},
    identity::world::World,
    registry::registry,
    stages,
    store::Store,
    web::{self, proxies::Proxies, visit::Site},
};
use serde_json::Value;
use tower::ServiceExt;

use crate::support::database::Database;

/// A clock that moves when it is told to.
pub struct Hand(AtomicI64);

impl Clock for Hand {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// What a client got.
#[derive(Clone, Debug)]
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body as JSON; null when it is none.
    pub body: Value,
}

impl Got {
    /// A header; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The whole `Set-Cookie` line of a cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
        lines.map(str::to_owned).find(|line| line.starts_with(&format!("{name}=")))
    }

    /// The component that shows the challenge.
    pub fn component(&self) -> &str {
        self.body["component"].as_str().unwrap_or_default()
    }
}

/// A server with one client. [`Lab::client`] gives another client, [`Lab::process`] another process on the same database.
pub struct Lab {
    pub world: World,
    pub store: Store,
    pub clock: Arc<Hand>,
    pub router: Router,
    /// Cookies by name.
    pub jar: Mutex<BTreeMap<String, String>>,
    /// The connection's other end.
    pub peer: SocketAddr,
    /// Headers of every request.
    pub headers: Vec<(&'static str, String)>,
    _database: Arc<Database>,
}

impl Lab {
    /// On an empty SQLite database.
    pub async fn new() -> Lab {
        Lab::on(Database::sqlite()).await
    }

    /// On an empty database.
    pub async fn on(database: Database) -> Lab {
        let store = database.store().await;
        let clock = Arc::new(Hand(AtomicI64::new(1_700_000_000_000_000)));
        Lab::build(store, clock, Arc::new(database))
    }

    fn build(store: Store, clock: Arc<Hand>, database: Arc<Database>) -> Lab {
        let registry = Arc::new(registry().expect("kinds"));
        let world = World::new(store.clone(), registry, clock.clone());
        let trusted = ["127.0.0.0/8", "::1"].iter().map(|network| network.parse().expect("a network"));
        let site =
            Site { world: world.clone(), stages: stages::table(), proxies: Arc::new(Proxies::new(trusted.collect())) };
        let peer = SocketAddr::from(([127, 0, 0, 1], 4711));
        let (jar, headers) = (Mutex::default(), Vec::new());
        Lab { world, store, clock, router: web::people(site), jar, peer, headers, _database: database }
    }

    /// Another client of the same server, with no cookies.
    pub fn client(&self) -> Lab {
        Lab {
            world: self.world.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            router: self.router.clone(),
            jar: Mutex::default(),
            peer: self.peer,
            headers: self.headers.clone(),
            _database: self._database.clone(),
        }
    }

    /// Another process on the same database, whose client has this one's cookies.
    pub fn process(&self) -> Lab {
        let lab = Lab::build(self.store.clone(), self.clock.clone(), self._database.clone());
        *lab.jar.lock().expect("the jar") = self.jar.lock().expect("the jar").clone();
        lab
    }

    /// Takes another client's cookies over.
    pub fn share(&self, other: &Lab) {
        *self.jar.lock().expect("the jar") = other.jar.lock().expect("the jar").clone();
    }

    pub fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(i64::try_from(time.as_micros()).expect("a short time"), Ordering::SeqCst);
    }

    /// Applies a document as somebody at a command line does.
    pub async fn apply(&self, text: &str) {
        let mut loaded = Loaded::default();
        loaded.add_text("by-hand.yaml", "by-hand.yaml", "cli", text);
        let registry = self.world.registry();
        let mut planned = drive::plan(&self.store, registry, &mut loaded, &Inputs::default(), Options::default())
            .await
            .expect("a plan");
        let mut found = std::mem::take(&mut loaded.found);
        found.append(&mut planned.outcome.found);
        assert!(!found.iter().any(Diagnostic::is_error), "{found:#?}");
        let run = apply::run(&planned.outcome.plan, "cli:alice", "by-hand.yaml");
        let committed = drive::commit(&self.store, registry, &planned.outcome.plan, run, self.clock.now_us());
        committed.await.expect("it is committed");
    }

    /// Makes a user with a password.
    pub async fn user(&self, username: &str, password: &str) {
        self.apply(&format!(
            "version: 1\nmetadata: {{name: user}}\nentries:\n  - model: authentik_core.user\n    \
             identifiers: {{username: {username}}}\n    attrs: {{name: {username}, password: {password}, \
             email: {username}@example.org}}\n"
        ))
        .await;
    }

    /// Makes a user who may do everything.
    pub async fn superuser(&self, username: &str, password: &str) {
        self.apply(&format!(
            "version: 1\nmetadata: {{name: admin}}\nentries:\n  - model: authentik_core.group\n    id: admins\n    \
             identifiers: {{name: admins}}\n    attrs: {{is_superuser: true}}\n  - model: authentik_core.user\n    \
             identifiers: {{username: {username}}}\n    attrs: {{name: {username}, password: {password}, \
             groups: [!KeyOf admins]}}\n"
        ))
        .await;
    }

    pub async fn get(&self, path: &str) -> Got {
        self.send("GET", path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Got {
        let body = body.to_string();
        self.send("POST", path, &[("content-type", "application/json")], Some(body)).await
    }

    /// One request, with the jar's cookies, whose answer's cookies go into the jar.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Got {
        let mut request = Request::builder().method(method).uri(path).extension(ConnectInfo(self.peer));
        let own = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let all: Vec<(&str, &str)> = own.chain(headers.iter().copied()).collect();
        if !all.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "id.example.org");
        }
        for (name, value) in all {
            request = request.header(name, value);
        }
        let cookies: Vec<String> = {
            let jar = self.jar.lock().expect("the jar");
            jar.iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let request = request.body(Body::from(body.unwrap_or_default())).expect("a request");
        let answer = self.router.clone().oneshot(request).await.expect("an answer");
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = to_bytes(answer.into_body(), 1 << 24).await.expect("a body");
        let got = Got { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) };
        let mut jar = self.jar.lock().expect("the jar");
        for line in got.headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().expect("a cookie");
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
            if line.contains("Max-Age=0;") || line.ends_with("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        got
    }

    /// The flow of a slug, walked through as clients do.
    pub fn flow(&self, slug: &str) -> Walk<'_> {
        Walk { lab: self, path: format!("/api/v3/flows/executor/{slug}/?query=") }
    }
}

/// A client in a flow.
pub struct Walk<'a> {
    pub lab: &'a Lab,
    /// Address of the executor, with the query.
    pub path: String,
}

impl Walk<'_> {
    /// The same with the query of the flow's page.
    pub fn with_query(mut self, query: &str) -> Self {
        let (path, _) = self.path.split_once('?').expect("a query");
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        self.path = format!("{path}?query={query}");
        self
    }

    /// The current challenge.
    pub async fn look(&self) -> Value {
        self.settle(self.lab.get(&self.path).await).await
    }

    /// An answer, and the challenge that follows.
    pub async fn answer(&self, body: Value) -> Value {
        let csrf = self.lab.jar.lock().expect("the jar").get("authentik_csrf").cloned().unwrap_or_default();
        let headers = [("content-type", "application/json"), ("x-authentik-csrf", csrf.as_str())];
        self.settle(self.lab.send("POST", &self.path, &headers, Some(body.to_string())).await).await
    }

    /// Follows redirects to the executor.
    async fn settle(&self, mut got: Got) -> Value {
        for _ in 0..50 {
            if got.status == StatusCode::FOUND {
                assert_eq!(got.header("location"), self.path, "the same address again");
                got = self.lab.get(&self.path).await;
                continue;
            }
            assert_eq!(got.status, StatusCode::OK, "{:?}", got.body);
            return got.body;
        }
        panic!("the flow goes in circles");
    }
}
