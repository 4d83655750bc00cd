//! The engine's benchmarks: `cargo bench`. Prints one table; the committed figures are in `docs/performance.md`.
//!
//! Every row is the best and the median of several rounds in one process, and the processor time of one round (all
//! threads, in steps of 10 ms over all rounds), which a machine that is busy with other work disturbs less. Rows marked
//! "naive" do the same work the obvious way, in the same run, so that a ratio survives a noisy machine. Inputs are
//! generated here (the shipped blueprints, and a directory of people made on the spot), so nothing else is needed.
//!
//! `cargo bench -- people` measures the directory only, and in it the most memory that its first apply takes.

use std::{
    fmt::Write,
    hint::black_box,
    ops::AddAssign,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use gatewright::{
    base::diagnostic::Sources,
    blueprint::{
        apply, drive,
        engine::{Options, Run},
        inputs::Inputs,
        load::{Labelled, Loaded},
        yaml,
    },
    model::Registry,
    registry::registry,
    store::{Key, Store, StoreOptions},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USERS: usize = 10_000;
const GROUPS: usize = 1_000;
const MEMBERS: usize = 10;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    let mut table = Table::default();
    let registry = Arc::new(registry().expect("the declarations agree"));
    let folder = tempfile::tempdir().expect("folder");
    let people = folder.path().join("people.yaml");
    let changed = folder.path().join("changed.yaml");
    std::fs::write(&people, directory(false)).expect("written");
    std::fs::write(&changed, directory(true)).expect("written");
    if std::env::args().any(|argument| argument == "people") {
        runtime.block_on(bench(&mut table, &registry, "10,000 users", 5, &[people], Some(&changed)));
        print!("{}", table.text);
        return;
    }
    table.row("build the registry of all kinds", 20, || {
        black_box(gatewright::registry::registry().expect("agree"));
    });
    let text = std::fs::read_to_string(&people).expect("read");
    table.row("read 10,000 users and 1,000 groups as YAML 1.1 with places", 5, || {
        let mut sources = Sources::default();
        let file = sources.add("people.yaml", text.as_str());
        black_box(yaml::parse(file, &text, &yaml::Limits::default(), &mut Vec::new()));
    });
    table.row("  naive: serde_yaml into values, no places", 5, || {
        black_box(serde_yaml::from_str::<serde_yaml::Value>(&text).expect("parses"));
    });
    let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("blueprints");
    let stock = [shipped.join("default"), shipped.join("system")];
    runtime.block_on(async {
        bench(&mut table, &registry, "shipped set", 10, &stock, None).await;
        bench(&mut table, &registry, "10,000 users", 5, &[people], Some(&changed)).await;
    });
    print!("{}", table.text);
}

/// One set of blueprints through its life: first apply, no-change plan with its phases, changed plan and apply.
async fn bench(
    table: &mut Table,
    registry: &Arc<Registry>,
    name: &str,
    rounds: usize,
    paths: &[PathBuf],
    changed: Option<&Path>,
) {
    let mut times = Vec::new();
    let mut kept = None;
    for _ in 0..rounds {
        let folder = tempfile::tempdir().expect("folder");
        let url = format!("sqlite://{}", folder.path().join("bench.db").display());
        let start = Watch::start();
        let store = Store::open(&url, StoreOptions::new(Key::from_bytes([1; 32]))).await.expect("opens");
        store.migrate().await.expect("migrates");
        let rows = once(&store, registry, paths, true).await;
        times.push(start.stop());
        assert!(rows > 0, "the first apply writes");
        if kept.is_none()
            && let Some(peak) = peak_memory()
        {
            let _ = writeln!(table.text, "| {:<60} | {peak:>9.1} |", format!("{name}: most memory so far, MiB"));
        }
        kept = Some((folder, store));
    }
    table.add(&format!("{name}: first apply to an empty SQLite file"), &mut times);
    let Some((_folder, store)) = kept else { return };
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = Watch::start();
        once(&store, registry, paths, false).await;
        times.push(start.stop());
    }
    table.add(&format!("{name}: plan without a change"), &mut times);
    phases(table, &store, registry, name, rounds, paths).await;
    let start = Watch::start();
    let rows = once(&store, registry, paths, true).await;
    table.add(&format!("{name}: second apply"), &mut [start.stop()]);
    assert_eq!(rows, 0, "the second apply writes nothing");
    if let Some(changed) = changed {
        let changed = [changed.to_path_buf()];
        let mut times = Vec::new();
        for _ in 0..rounds {
            let start = Watch::start();
            once(&store, registry, &changed, false).await;
            times.push(start.stop());
        }
        table.add(&format!("{name}: plan with 1 % changed"), &mut times);
        let start = Watch::start();
        once(&store, registry, &changed, true).await;
        table.add(&format!("{name}: apply with 1 % changed"), &mut [start.stop()]);
    }
}

async fn once(store: &Store, registry: &Arc<Registry>, paths: &[PathBuf], write: bool) -> u64 {
    let mut loaded = Loaded::default();
    loaded.add_paths(paths, "bench", Labelled::Take);
    let planned =
        drive::plan(store, registry, &mut loaded, &Inputs::default(), Options::default()).await.expect("plans");
    if !write {
        return 0;
    }
    let run = apply::run(&planned.outcome.plan, "bench", "bench");
    let changes = drive::changeset(&planned.outcome.plan, registry, run).expect("randomness");
    drop((planned, loaded));
    store.commit(registry, &changes, 1).await.expect("commits").rows_written
}

/// Where the time of a no-change plan goes.
async fn phases(
    table: &mut Table,
    store: &Store,
    registry: &Arc<Registry>,
    name: &str,
    rounds: usize,
    paths: &[PathBuf],
) {
    let mut times: [Vec<Time>; 4] = Default::default();
    for _ in 0..rounds {
        let start = Watch::start();
        let mut loaded = Loaded::default();
        loaded.add_paths(paths, "bench", Labelled::Take);
        times[0].push(start.stop());
        let start = Watch::start();
        let mut reader = store.read().await.expect("reads");
        let mut model = reader.model(registry.clone()).await.expect("loads");
        loaded.arrange(&model, false);
        let mut loading = start.stop();
        let mut planning = Time::default();
        let inputs = Inputs::default();
        let secrets = drive::Keyed(store.key());
        let start = Watch::start();
        let mut run = Run::new(&loaded, &inputs, &secrets, model.clone(), Options::default());
        planning += start.stop();
        loop {
            let start = Watch::start();
            let result = run.advance();
            planning += start.stop();
            let Err(needs) = result else { break };
            let start = Watch::start();
            let needs: Vec<_> = needs.into_iter().collect();
            let held = run.model().clone();
            let known = |id| held.known(id).is_some();
            for object in reader.answer_beyond(registry, &needs, &known).await.expect("loads") {
                model.put(Arc::new(object));
            }
            for need in needs {
                model.answer(need);
            }
            run.supply(model.clone());
            loading += start.stop();
        }
        times[1].push(loading);
        times[2].push(planning);
        let start = Watch::start();
        drop(run);
        drop(loaded);
        times[3].push(start.stop());
    }
    for (phase, times) in ["reading files", "loading the model", "planning", "cleaning up"].iter().zip(&mut times) {
        table.add(&format!("  {name}: of that, {phase}"), times);
    }
}

/// People and groups as a blueprint; with `changed`, one person in a hundred has another name.
fn directory(changed: bool) -> String {
    let mut text = String::from("version: 1\nmetadata:\n  name: Directory\nentries:\n");
    for user in 0..USERS {
        let suffix = if changed && user % 100 == 7 { " (changed)" } else { "" };
        let _ = write!(
            text,
            "- model: authentik_core.user\n  id: user-{user}\n  identifiers:\n    username: person-{user:05}\n  attrs:\n    \
             name: Person {user}{suffix}\n    email: person-{user:05}@example.com\n    path: directory/people\n    \
             type: internal\n    attributes:\n      department: d{}\n      employeeNumber: \"{}\"\n      locale: en\n",
            user % 17,
            100_000 + user
        );
    }
    for group in 0..GROUPS {
        let _ = write!(
            text,
            "- model: authentik_core.group\n  identifiers:\n    name: group-{group:04}\n  attrs:\n    attributes:\n      \
             cost_center: {group}\n    users:\n"
        );
        for member in 0..MEMBERS {
            let _ = writeln!(text, "    - !KeyOf user-{}", group * MEMBERS + member);
        }
    }
    text
}

#[derive(Default)]
struct Table {
    text: String,
}

impl Table {
    fn row(&mut self, name: &str, rounds: usize, mut work: impl FnMut()) {
        let mut times = Vec::new();
        for _ in 0..rounds {
            let start = Watch::start();
            work();
            times.push(start.stop());
        }
        self.add(name, &mut times);
    }

    fn add(&mut self, name: &str, times: &mut [Time]) {
        times.sort_by_key(|time| time.wall);
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        let (best, median) = (times[0].wall, times[times.len() / 2].wall);
        let busy: Duration = times.iter().map(|time| time.busy).sum();
        let _ = writeln!(
            self.text,
            "| {name:<60} | {:>9.1} | {:>9.1} | {:>9.1} | {:>3} |",
            milliseconds(best),
            milliseconds(median),
            milliseconds(busy) / times.len() as f64,
            times.len()
        );
    }
}

/// What a piece of work took.
#[derive(Clone, Copy, Default)]
struct Time {
    wall: Duration,
    /// Time on processors, of all threads together.
    busy: Duration,
}

impl AddAssign for Time {
    fn add_assign(&mut self, other: Time) {
        self.wall += other.wall;
        self.busy += other.busy;
    }
}

struct Watch {
    start: Instant,
    busy: Duration,
}

impl Watch {
    fn start() -> Watch {
        Watch { busy: busy(), start: Instant::now() }
    }

    fn stop(&self) -> Time {
        Time { wall: self.start.elapsed(), busy: busy().saturating_sub(self.busy) }
    }
}

/// Processor time of the process so far, where the system tells it.
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may hold anything; the times are the 12th and 13th field behind it, in hundredths.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The most memory that the process has held so far, in MiB.
fn peak_memory() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}
