//! A world with one person in it, whose browser the test is.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use gatewright::{
    base::{clock::Clock, diagnostic::Diagnostic, egress::Egress},
    blueprint::{apply, drive, engine::Options, inputs::Inputs, load::Loaded},
    flows::{
        challenge::Answer,
        executor::{Executor, Reply, Sent},
        stage::StageTable,
    },
    identity::{
        visit::{Seat, Visit},
        world::{Means, World},
    },
    registry::registry,
    stages,
    store::EventFilter,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::database::Database;

/// A clock that moves when it is told to.
pub struct Hand(AtomicI64);

impl Clock for Hand {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub struct Lab {
    pub world: World,
    pub clock: Arc<Hand>,
    pub stages: StageTable,
    _database: Database,
}

impl Lab {
    pub async fn on(database: Database) -> Lab {
        let store = database.store().await;
        let clock = Arc::new(Hand(AtomicI64::new(1_700_000_000_000_000)));
        let registry = Arc::new(registry().expect("kinds"));
        let egress = Egress::new(&["127.0.0.0/8"], false).expect("a rule");
        let means = Means { egress, ..Means::default() };
        let world = World::equipped(store, registry, clock.clone(), means);
        Lab { world, clock, stages: stages::table(), _database: database }
    }

    pub async fn new(flows: &str) -> Lab {
        let lab = Lab::on(Database::sqlite()).await;
        lab.apply(flows).await;
        lab
    }

    pub fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Microseconds since 1970.
    pub fn clock_now(&self) -> i64 {
        self.clock.now_us()
    }

    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        self.clock.now_us() / 1_000_000
    }

    /// Applies entries: `- model: …`.
    pub async fn apply(&self, entries: &str) {
        let mut loaded = Loaded::default();
        loaded.add_text("by-hand.yaml", "by-hand.yaml", "cli", &format!("version: 1\nentries:\n{entries}"));
        let registry = self.world.registry();
        let mut planned =
            drive::plan(self.world.store(), registry, &mut loaded, &Inputs::default(), Options::default())
                .await
                .expect("a plan");
        let mut found = std::mem::take(&mut loaded.found);
        found.append(&mut planned.outcome.found);
        assert!(!found.iter().any(Diagnostic::is_error), "{found:#?}");
        let run = apply::run(&planned.outcome.plan, "cli:alice", "by-hand.yaml");
        let committed = drive::commit(self.world.store(), registry, &planned.outcome.plan, run, self.clock.now_us());
        committed.await.expect("it is committed");
    }

    /// A browser in which nobody is signed in.
    pub fn browser(&self) -> Browser<'_> {
        let now = self.clock.now_us();
        let visit = Visit {
            id: Uuid::from_u128(1),
            method: "GET".into(),
            path: "/".into(),
            query: String::new(),
            host: "id.example.org:9443".into(),
            secure: true,
            headers: Vec::new(),
            client: "192.0.2.1".parse().expect("an address"),
            outpost: None,
            brand: None,
        };
        Browser { lab: self, visit, seat: Seat::new(now, now + 86_400_000_000) }
    }

    /// A browser in which somebody is signed in.
    pub async fn signed_in(&self, username: &str) -> Browser<'_> {
        let person = self.world.person_named(username).await.expect("the store answers").expect("a user");
        let mut browser = self.browser();
        browser.seat.person = Some(person);
        browser
    }

    pub async fn person(&self, username: &str) -> Uuid {
        self.world.person_named(username).await.expect("the store answers").expect("a user").id()
    }

    /// Device classes of the failures that were written down, latest first.
    pub async fn failures(&self) -> Vec<String> {
        let filter = EventFilter { action: Some("login_failed"), ..EventFilter::default() };
        let events = self.world.store().events(&filter).await.expect("events");
        events.iter().map(|event| event.context["device_class"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

#[derive(Clone)]
pub struct Browser<'l> {
    pub lab: &'l Lab,
    pub visit: Visit,
    pub seat: Seat,
}

impl Browser<'_> {
    pub async fn look(&mut self, flow: &str) -> Value {
        self.send(flow, Sent::Nothing).await
    }

    pub async fn answer(&mut self, flow: &str, body: Value) -> Value {
        let Value::Object(body) = body else { panic!("an answer is a mapping") };
        self.send(flow, Sent::Answer(Answer(body))).await
    }

    async fn send(&mut self, flow: &str, sent: Sent) -> Value {
        let mut sent = Some(sent);
        for _ in 0..20 {
            let mut executor =
                Executor { world: &self.lab.world, stages: &self.lab.stages, visit: &self.visit, seat: &mut self.seat };
            let sent = sent.take().unwrap_or(Sent::Nothing);
            match executor.run(flow, Vec::new(), sent).await.expect("the store answers") {
                Reply::Challenge(challenge) => return challenge,
                Reply::Again => {}
                Reply::NotFound => return json!("not found"),
            }
        }
        panic!("the flow goes in circles");
    }
}

/// Whether the flow is over and let the person through.
pub fn passed(challenge: &Value) -> bool {
    challenge["component"] == "xak-flow-redirect"
}

/// The first error of a field, as text and code.
pub fn error_of<'c>(challenge: &'c Value, field: &str) -> (&'c str, &'c str) {
    let error = &challenge["response_errors"][field][0];
    (error["string"].as_str().unwrap_or_default(), error["code"].as_str().unwrap_or_default())
}
