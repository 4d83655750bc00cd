//! A world to ask policies in.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use gatewright::{
    base::{clock::Clock, diagnostic::Diagnostic},
    blueprint::{apply, drive, engine::Options, inputs::Inputs, load::Loaded},
    expression::Map,
    identity::{
        visit::Visit,
        world::{Means, World},
    },
    model::{Model, Object},
    policies::engine::{self, Judgement, PlanView, Request, Subject},
    registry::registry,
    store::EventFilter,
};
use serde_json::Value;
use uuid::Uuid;

use crate::support::database::Database;

/// A clock that moves when it is told to.
pub struct Hand(AtomicI64);

impl Clock for Hand {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub const NOON: i64 = 1_700_000_000_000_000;
pub const DAY: i64 = 86_400_000_000;

pub struct Lab {
    pub world: World,
    clock: Arc<Hand>,
    _database: Database,
}

impl Lab {
    pub async fn new(entries: &str) -> Lab {
        Lab::equipped(entries, Means::default()).await
    }

    pub async fn equipped(entries: &str, means: Means) -> Lab {
        let database = Database::sqlite();
        let store = database.store().await;
        let clock = Arc::new(Hand(AtomicI64::new(NOON)));
        let registry = Arc::new(registry().expect("kinds"));
        let world = World::equipped(store, registry, clock.clone(), means);
        let lab = Lab { world, clock, _database: database };
        lab.apply(entries).await;
        lab
    }

    pub fn pass(&self, time: i64) {
        self.clock.0.fetch_add(time, Ordering::SeqCst);
    }

    /// Applies entries: `- model: …`.
    pub async fn apply(&self, entries: &str) {
        let mut loaded = Loaded::default();
        loaded.add_text("by-hand.yaml", "by-hand.yaml", "cli", &format!("version: 1\nentries:\n{entries}"));
        let (store, registry) = (self.world.store(), self.world.registry());
        let mut planned =
            drive::plan(store, registry, &mut loaded, &Inputs::default(), Options::default()).await.expect("a plan");
        let mut found = std::mem::take(&mut loaded.found);
        found.append(&mut planned.outcome.found);
        assert!(!found.iter().any(Diagnostic::is_error), "{found:#?}");
        let run = apply::run(&planned.outcome.plan, "cli:alice", "by-hand.yaml");
        drive::commit(store, registry, &planned.outcome.plan, run, self.clock.now_us()).await.expect("it is committed");
    }

    pub async fn model(&self) -> Model {
        Model::clone(&*self.world.model().await.expect("a model"))
    }

    /// The object of a kind with a name, slug or user name.
    pub async fn object(&self, kind: &str, name: &str) -> Arc<Object> {
        let mut model = self.model().await;
        let info = self.world.registry().find(kind).expect("a kind").index;
        let found = self.world.ask(&mut model, |model| {
            let named = |object: &&Arc<Object>| {
                ["name", "slug", "username"].iter().any(|field| object.text(field).as_deref() == Some(name))
            };
            Ok(model.of_kind(info)?.find(named).cloned())
        });
        found.await.expect("the store answers").unwrap_or_else(|| panic!("{kind} {name}"))
    }

    pub async fn person(&self, username: &str) -> Subject {
        let person = self.world.person_named(username).await.expect("the store answers");
        person.map_or(Subject::Anonymous, Subject::Person)
    }

    /// Asks the policies of an application about somebody.
    pub async fn judge(&self, application: &str, username: &str, context: Map) -> Judgement {
        let (target, subject) =
            (self.object("authentik_core.application", application).await, self.person(username).await);
        let visit = visit();
        let mut request = Request { subject: &subject, visit: Some(&visit), context, plan: None, debug: false };
        engine::judge(&self.world, &self.model().await, &target, &mut request).await.expect("a judgement")
    }

    /// Runs a text as an expression policy for ada; gives what it returned, or what went wrong.
    pub async fn evaluate(&self, expression: &str, plan: Option<&mut PlanView>) -> Result<Value, String> {
        let template = self.object("authentik_policies_expression.expressionpolicy", "template").await;
        let mut policy = Object::clone(&template);
        policy.attrs.insert("expression".into(), expression.into());
        let (subject, visit) = (self.person("ada").await, visit());
        let context = plan.as_ref().map(|plan| plan.context.clone()).unwrap_or_default();
        let mut request = Request { subject: &subject, visit: Some(&visit), context, plan, debug: false };
        let model = self.model().await;
        let run = engine::run(&self.world, &model, None, &policy, &mut request);
        run.await.map(|verdict| verdict.raw.to_json()).map_err(|error| error.to_string())
    }

    /// Actions of the events, latest first.
    pub async fn events(&self) -> Vec<String> {
        let events = self.world.store().events(&EventFilter::default()).await.expect("events");
        events.into_iter().map(|event| event.action).collect()
    }
}

/// A request from Norway, if there is such an address.
pub fn visit() -> Visit {
    Visit {
        id: Uuid::from_u128(1),
        method: "GET".into(),
        path: "/application/o/authorize/".into(),
        query: "next=%2F&q=1".into(),
        host: "id.example.org".into(),
        secure: true,
        headers: vec![
            ("user-agent".into(), "Lynx".into()),
            ("cookie".into(), "authentik_session=secret; theme=dark".into()),
            ("authorization".into(), "Bearer secret".into()),
        ],
        client: "192.0.2.1".parse().expect("an address"),
        outpost: None,
        brand: None,
    }
}
