//! The reconciler's benchmark: `cargo bench --bench reconcile`. One source with 10,000 entries that nothing happens to; the
//! committed figures are in `docs/performance.md`. Beside each figure stands what the attempt wrote, which is nothing.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use gatewright::{
    base::{clock::SystemClock, egress::Egress},
    blueprint::{apply, drive, engine::Options, inputs::Inputs, load::Loaded},
    reconcile::{
        attempt::{self, Attempted, Memory},
        content::Budget,
        settings::{self, Settings},
        surroundings::Surroundings,
        trigger::Trigger,
    },
    registry::registry,
    store::{Key, Store, StoreOptions},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USERS: usize = 9_000;
const GROUPS: usize = 1_000;
const ROUNDS: usize = 10;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    runtime.block_on(bench());
}

async fn bench() {
    let folder = tempfile::tempdir().expect("folder");
    let site = folder.path().join("site");
    std::fs::create_dir(&site).expect("folder");
    std::fs::write(site.join("people.yaml"), people()).expect("written");
    let url = format!("sqlite://{}", folder.path().join("bench.db").display());
    let store = Store::open(&url, StoreOptions::new(Key::from_bytes([1; 32]))).await.expect("opens");
    store.migrate().await.expect("migrates");
    let around = Surroundings {
        store: store.clone(),
        registry: Arc::new(registry().expect("the declarations agree")),
        inputs: Inputs::default(),
        clock: Arc::new(SystemClock),
        holder: "bench".to_owned(),
        cache: folder.path().join("cache"),
        folders: Vec::new(),
        budget: Budget::default(),
        lease: Duration::from_secs(15),
        report: Arc::new(|_, found| assert!(found.is_empty(), "{found:?}")),
        egress: Egress::default(),
        trusted: BTreeMap::new(),
        allow_plain: false,
        stopping: Arc::default(),
    };
    let settings = declared(&around, &site).await;
    let mut memory = Memory::default();
    let started = Instant::now();
    let attempted = attempt::attempt(&around, &settings, &mut memory, &Trigger::Start).await.expect("an attempt");
    assert!(matches!(attempted, Attempted::Applied(Some(_))), "{attempted:?}");
    println!("| {:<62} | {:>8.1} |", "first apply of 10,000 entries", milliseconds(started.elapsed()));
    let before = trace(&store).await;

    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let attempted =
            attempt::attempt(&around, &settings, &mut memory, &Trigger::Interval).await.expect("an attempt");
        times.push(started.elapsed());
        assert_eq!(attempted, Attempted::Unchanged);
    }
    row("10,000 unchanged entries, content as applied", &mut times);

    // Somebody else writes, so that the declared state has to be compared with the stored one in full.
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        elsewhere(&around, round).await;
        let started = Instant::now();
        let attempted =
            attempt::attempt(&around, &settings, &mut memory, &Trigger::Interval).await.expect("an attempt");
        times.push(started.elapsed());
        assert_eq!(attempted, Attempted::Unchanged);
    }
    row("10,000 unchanged entries, full comparison", &mut times);
    let after = trace(&store).await;
    assert_eq!(before.1, after.1, "the state of the source was not written");
    assert_eq!(before.0 + ROUNDS as i64, after.0, "nothing was written but what somebody else wrote");
}

async fn trace(store: &Store) -> (i64, serde_json::Value) {
    let revision = store.poll().await.expect("the store works").revision;
    (revision, store.source("people").await.expect("the store works").expect("a state").state)
}

async fn declared(around: &Surroundings, site: &Path) -> Settings {
    let document = format!(
        "version: 1\nentries: [{{model: gatewright_sources.directory, identifiers: {{name: people}}, attrs: {{location: {}}}}}]\n",
        site.display()
    );
    commit(around, &document).await;
    let all = settings::all(&around.store, &around.registry).await.expect("the declarations");
    all.into_iter().next().expect("a declaration").expect("a declaration that can be read")
}

async fn elsewhere(around: &Surroundings, round: usize) {
    commit(
        around,
        &format!("version: 1\nentries: [{{model: authentik_core.group, identifiers: {{name: elsewhere-{round}}}}}]\n"),
    )
    .await;
}

async fn commit(around: &Surroundings, document: &str) {
    let mut loaded = Loaded::default();
    loaded.add_text("bench.yaml", "bench.yaml", "cli", document);
    let planned = drive::plan(&around.store, &around.registry, &mut loaded, &Inputs::default(), Options::default())
        .await
        .expect("a plan");
    let plan = planned.outcome.plan;
    let run = apply::run(&plan, "bench", "bench");
    let committed = drive::commit(&around.store, &around.registry, &plan, run, 1).await.expect("it is committed");
    assert!(committed.rows_written > 0);
}

fn people() -> String {
    let mut text = "version: 1\nentries:\n".to_owned();
    for group in 0..GROUPS {
        text.push_str(&format!(
            "  - model: authentik_core.group\n    id: g{group}\n    identifiers:\n      name: group-{group}\n"
        ));
    }
    for user in 0..USERS {
        text.push_str(&format!(
            "  - model: authentik_core.user\n    identifiers:\n      username: user-{user}\n    attrs:\n      name: User {user}\n      email: user-{user}@example.com\n      groups:\n        - !KeyOf g{}\n",
            user % GROUPS
        ));
    }
    text
}

fn row(name: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let (best, median) = (milliseconds(times[0]), milliseconds(times[times.len() / 2]));
    println!("| {name:<62} | {best:>8.1} | {median:>8.1} |");
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
