//! A store with sources, a clock that the test moves, and attempts made by hand.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use gatewright::{
    base::{
        clock::Clock,
        diagnostic::{Diagnostic, Sources},
    },
    blueprint::{
        apply, drive,
        engine::Options,
        inputs::{Environment, Files, Inputs},
        load::Loaded,
    },
    model::{Model, Object, Registry},
    reconcile::{
        attempt::{self, Attempted, Memory},
        content::Budget,
        settings::{self, Settings},
        state::State,
        surroundings::Surroundings,
        trigger::{Request, Trigger},
    },
    registry::registry,
    store::{RunRecord, Store},
};
use serde_json::{Value, json};

use crate::support::git;

/// A clock that moves when it is told to.
pub struct Hand(AtomicI64);

impl Clock for Hand {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A system with sources.
pub struct Lab {
    pub store: Store,
    pub registry: Arc<Registry>,
    pub around: Surroundings,
    pub clock: Arc<Hand>,
    /// What was reported about documents.
    pub reported: Arc<Mutex<Vec<Diagnostic>>>,
    memories: HashMap<String, Memory>,
    cache: Arc<tempfile::TempDir>,
}

impl Lab {
    pub fn new(store: Store) -> Lab {
        let registry = Arc::new(registry().expect("kinds"));
        let clock = Arc::new(Hand(AtomicI64::new(1_700_000_000_000_000)));
        let reported = Arc::<Mutex<Vec<Diagnostic>>>::default();
        let sink = reported.clone();
        let cache = Arc::new(tempfile::tempdir().expect("a folder"));
        let around = Surroundings {
            store: store.clone(),
            registry: registry.clone(),
            inputs: Inputs::default(),
            clock: clock.clone(),
            holder: "one".to_owned(),
            cache: cache.path().to_owned(),
            folders: Vec::new(),
            budget: Budget::default(),
            lease: Duration::from_secs(15),
            report: Arc::new(move |_: &Sources, found: &[Diagnostic]| {
                sink.lock().expect("the list").extend_from_slice(found);
            }),
            egress: git::loopback(),
            trusted: BTreeMap::new(),
            allow_plain: true,
            stopping: Arc::default(),
        };
        Lab { store, registry, around, clock, reported, memories: HashMap::new(), cache }
    }

    /// Another process on the same store, with nothing in its memory.
    pub fn another(&self, holder: &str) -> Lab {
        let around = Surroundings { holder: holder.to_owned(), ..self.around.clone() };
        Lab {
            store: self.store.clone(),
            registry: self.registry.clone(),
            around,
            clock: self.clock.clone(),
            reported: self.reported.clone(),
            memories: HashMap::new(),
            cache: self.cache.clone(),
        }
    }

    pub fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(time.as_micros() as i64, Ordering::SeqCst);
    }

    /// What variables and folders the server allows.
    pub fn allow(&mut self, variables: &[(&str, &str)], folders: &[&std::path::Path]) {
        let process: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.around.inputs = Inputs {
            environment: Environment::new(BTreeMap::new(), process, &["*".to_owned()]).expect("a pattern"),
            files: Files::new(folders.iter().map(|folder| folder.to_path_buf())),
            ..Inputs::default()
        };
    }

    /// Applies a document as somebody at a command line does.
    pub async fn apply(&self, text: &str) {
        self.try_apply(text).await.unwrap_or_else(|found| panic!("{found:#?}"));
    }

    /// The same, unless the document is refused; gives the run, if anything was to be written.
    pub async fn try_apply(&self, text: &str) -> Result<Option<i64>, Vec<Diagnostic>> {
        let mut loaded = Loaded::default();
        loaded.add_text("by-hand.yaml", "by-hand.yaml", "cli", text);
        let mut planned = drive::plan(&self.store, &self.registry, &mut loaded, &Inputs::default(), Options::default())
            .await
            .expect("a plan");
        let mut found = std::mem::take(&mut loaded.found);
        found.append(&mut planned.outcome.found);
        if found.iter().any(Diagnostic::is_error) {
            return Err(found);
        }
        let run = apply::run(&planned.outcome.plan, "cli:alice", "by-hand.yaml");
        let committed = drive::commit(&self.store, &self.registry, &planned.outcome.plan, run, self.clock.now_us());
        Ok(committed.await.expect("it is committed").run)
    }

    /// Applies the shipped blueprints.
    pub async fn shipped(&self) {
        let settings = Settings::shipped();
        let applied = attempt::attempt(&self.around, &settings, &mut Memory::default(), &Trigger::Start).await;
        assert!(matches!(applied, Ok(Attempted::Applied(Some(_)))), "{applied:?}");
    }

    /// Declares, or changes, a source that keeps its document in the database.
    pub async fn inline(&self, name: &str, content: &str, attrs: Value) {
        let mut attrs = attrs;
        attrs["content"] = content.into();
        self.declare("inline", name, attrs).await;
    }

    /// Declares, or changes, a source.
    pub async fn declare(&self, kind: &str, name: &str, attrs: Value) {
        let document = json!({ "version": 1, "entries": [
            { "model": format!("gatewright_sources.{kind}"), "identifiers": { "name": name }, "attrs": attrs },
        ] });
        self.apply(&document.to_string()).await;
    }

    /// The declaration of a source.
    pub async fn settings(&self, source: &str) -> Settings {
        let all = settings::all(&self.store, &self.registry).await.expect("the declarations");
        let mut all = all.into_iter().map(|settings| settings.expect("a declaration that can be read"));
        all.find(|settings| settings.name == source).unwrap_or_else(|| panic!("no source {source}"))
    }

    /// One attempt at a source, a moment after whatever came before.
    pub async fn attempt(&mut self, source: &str) -> Attempted {
        self.pass(Duration::from_millis(1));
        let settings = self.settings(source).await;
        let memory = self.memories.entry(source.to_owned()).or_default();
        attempt::attempt(&self.around, &settings, memory, &Trigger::Interval).await.expect("the store works")
    }

    pub async fn state(&self, source: &str) -> State {
        attempt::state_of(self.store.source(source).await.expect("the store works").as_ref())
    }

    /// A condition as `status reason: message`.
    pub async fn condition(&self, source: &str, kind: &str) -> String {
        let state = self.state(source).await;
        let found = state.conditions.iter().find(|(found, _)| found.name() == kind);
        found.map_or_else(String::new, |(_, condition)| {
            format!("{} {}: {}", condition.status, condition.reason, condition.message)
        })
    }

    pub async fn runs(&self, source: &str) -> Vec<RunRecord> {
        self.store.runs_of(source, 100).await.expect("the runs")
    }

    pub async fn request(&self, source: &str, request: Request) {
        self.store.request(source, &json!(request), "cli:alice").await.expect("the request");
    }

    pub async fn model(&self) -> Model {
        drive::whole_model(&self.store, &self.registry).await.expect("the model")
    }

    /// Objects of a kind by name.
    pub async fn objects(&self, kind: &str) -> BTreeMap<String, Arc<Object>> {
        let model = self.model().await;
        let info = self.registry.find(kind).expect("a kind");
        model.known_of_kind(info.index).map(|object| (object.name(info), object.clone())).collect()
    }

    /// Names of groups.
    pub async fn groups(&self) -> Vec<String> {
        self.objects("authentik_core.group").await.into_keys().collect()
    }

    /// Everything that a write would change, but for the lease.
    pub async fn trace(&self) -> (i64, usize, Vec<(String, Value)>) {
        let poll = self.store.poll().await.expect("the store works");
        let runs = self.store.runs(10_000).await.expect("the runs").len();
        let states = self.store.sources().await.expect("the sources");
        (poll.revision, runs, states.into_iter().map(|record| (record.source, record.state)).collect())
    }
}

/// A document of groups with a note each.
pub fn groups(names: &[(&str, &str)]) -> String {
    let mut text = "version: 1\nmetadata: {name: groups}\nentries:\n".to_owned();
    for (name, note) in names {
        text.push_str(&format!(
            "  - model: authentik_core.group\n    identifiers: {{name: {name}}}\n    attrs: {{attributes: {{note: {note}}}}}\n"
        ));
    }
    if names.is_empty() {
        text = text.replace("entries:\n", "entries: []\n");
    }
    text
}
