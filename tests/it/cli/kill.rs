//! The program is killed in the middle of its work, everywhere: `gatewright apply` of a folder of 200 entries dies by
//! SIGKILL before its n-th call to the database, for every n, on both engines.
//!
//! On SQLite a call is one that reads, writes, locks or synchronizes its files, on PostgreSQL one that sends or receives;
//! both come several times for each statement. That is hundreds of processes for one apply, so only a few calls are tried
//! unless `GATEWRIGHT_EVERY_STATEMENT=1`, which the full check sets. Then one edit of the folder comes after the other
//! until [`enough`] processes were killed on each engine.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use gatewright::{
    model::{Object, Registry},
    registry::registry,
    store::{Key, Store, StoreOptions, changeset::Ownership},
};
use uuid::Uuid;

use super::Desk;
use crate::{
    store::everything,
    support::{
        database::Database,
        tracer::{self, Counted, Ended, creating_calls, file_calls, socket_calls},
    },
};

const KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| registry().expect("the declarations agree"));

fn every_call() -> bool {
    std::env::var("GATEWRIGHT_EVERY_STATEMENT").as_deref() == Ok("1")
}

/// After how many deaths no further edit is begun. An unoptimized program takes ten times as long to get there, so it is
/// spared most of it; `cargo test --release` is not.
fn enough() -> usize {
    match (every_call(), cfg!(debug_assertions)) {
        (true, false) => 2_000,
        (true, true) => 500,
        (false, _) => 20,
    }
}

/// Writes the folder of the n-th edit: 200 entries in four files that refer to each other. Compared with the edit before,
/// most objects change, twenty users go and twenty others come.
fn write_folder(desk: &Desk, edit: usize) {
    let document = |name: &str, entries: Vec<String>| {
        let text = format!("version: 1\nmetadata: {{name: {name}}}\nentries:\n{}", entries.concat());
        desk.write(&format!("folder/{name}.yaml"), &text);
        entries.len()
    };
    let group = |number: usize| format!("!Find [authentik_core.group, [name, group{number}]]");
    let user = |number: usize| format!("!Find [authentik_core.user, [username, user{number}]]");
    let mut count = 0;
    count += document(
        "groups",
        (0..20)
            .map(|at| {
                let parent = if at == 0 { "null".to_owned() } else { group(at / 2) };
                format!(
                    "- model: authentik_core.group\n  identifiers: {{name: group{at}}}\n  attrs:\n    attributes: {{edit: {edit}}}\n    parent: {parent}\n"
                )
            })
            .collect(),
    );
    let first = edit * 20;
    count += document(
        "users",
        (first..first + 120)
            .map(|at| {
                format!(
                    "- model: authentik_core.user\n  identifiers: {{username: user{at}}}\n  attrs:\n    name: User {at} in edit {edit}\n    groups: [{}, {}]\n",
                    group(at % 20),
                    group((at + 1 + edit % 18) % 20),
                )
            })
            .chain((first.saturating_sub(20)..first).map(|at| {
                format!("- {{model: authentik_core.user, state: absent, identifiers: {{username: user{at}}}}}\n")
            }))
            .collect(),
    );
    count += document(
        "tokens",
        (0..10)
            .map(|at| {
                format!(
                    "- model: authentik_core.token\n  identifiers: {{identifier: token{at}}}\n  attrs:\n    intent: api\n    user: {}\n    key: key-{at}-of-edit-{edit}\n",
                    user(first + 20 + at),
                )
            })
            .collect(),
    );
    let rest = (200 - count) / 2;
    count += document(
        "applications",
        (0..rest)
            .map(|at| {
                format!(
                    "- model: authentik_core.application\n  id: application{at}\n  identifiers: {{slug: application{at}}}\n  attrs: {{name: Application {at} of edit {edit}}}\n- model: authentik_policies.policybinding\n  identifiers: {{target: !KeyOf application{at}, group: {}, order: {edit}}}\n",
                    group(at % 20),
                )
            })
            .collect(),
    ) * 2;
    assert_eq!(count, 200);
}

/// Everything that an apply writes, without the times at which it did.
#[derive(Debug, PartialEq)]
struct State {
    revision: i64,
    objects: BTreeMap<Uuid, Object>,
    ownership: Vec<Ownership>,
    /// Entries of the change log, which must be whole.
    changes: i64,
}

impl State {
    async fn of(database: &Database) -> State {
        let options = StoreOptions::new(Key::of_text(KEY));
        let store = Store::open(&database.url, options).await.expect("the database opens");
        let mut objects = everything(&store, &REGISTRY).await;
        for object in objects.values_mut() {
            (object.created, object.updated) = (0, 0);
        }
        let mut reader = store.read().await.expect("a snapshot");
        let revision = reader.revision();
        let ownership = reader.ownership(objects.keys().copied().collect()).await.expect("who owns what");
        drop(reader);
        let report = store.verify_audit().await.expect("the change log");
        assert_eq!(report.fault, None);
        store.close().await;
        State { revision, objects, ownership, changes: report.intact }
    }
}

/// Waits until the server has noticed that a client is dead and has ended its transaction.
async fn is_buried(database: &Database, client: i32) {
    if database.is_sqlite() {
        return;
    }
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(&database.url).await.expect("the server answers");
    let query = "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = $1";
    loop {
        let name = format!("gatewright (process {client})");
        let left: i64 = sqlx::query_scalar(query).bind(name).fetch_one(&mut connection).await.expect("an answer");
        if left == 0 {
            return connection.close().await.expect("the connection closes");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// One engine with the folder.
struct Scene {
    desk: Desk,
    counted: Counted,
    killed: usize,
    /// How often it was killed so late that the new state was there.
    new: usize,
    converged: usize,
}

impl Scene {
    fn new(counted: Counted) -> Scene {
        let mut desk = Desk::new();
        desk.set("GATEWRIGHT_SECRET_KEY", KEY);
        Scene { desk, counted, killed: 0, new: 0, converged: 0 }
    }

    fn apply(&self, database: &Database, fatal: Option<u64>) -> Ended {
        let command = self.desk.command(&["apply", "--yes", "--database", &database.url, "folder"]);
        tracer::run(&command, self.counted, fatal)
    }

    /// Kills the application of the folder to copies of `old` before every `stride`-th call, and gives a copy to which it
    /// was applied without disturbance. After every `check`-th death the next application must go through.
    async fn kill_everywhere(&mut self, old: &Database, stride: usize, check: usize) -> Database {
        let applied = old.copy().await;
        let calm = self.apply(&applied, None);
        assert_eq!(calm.code, Some(0));
        let (before, after) = (State::of(old).await, State::of(&applied).await);
        assert!(before.revision + 1 == after.revision && before.changes + 100 < after.changes);
        // State::of would take longer than the apply, so what is still the old state is known by its rows.
        let rows = old.dump().await;
        let mut victim = old.copy().await;
        for (at, fatal) in (1..=calm.calls).step_by(stride).enumerate() {
            let ended = self.apply(&victim, Some(fatal));
            is_buried(&victim, ended.pid).await;
            // The next one shall find what the dead one left, so of a file a copy is looked at.
            let copy = if victim.is_sqlite() { Some(victim.copy().await) } else { None };
            let left = copy.as_ref().unwrap_or(&victim);
            let is_new = left.dump().await != rows;
            if is_new {
                assert_eq!(State::of(left).await, after, "call {fatal}");
            }
            assert!(is_new || ended.code.is_none(), "it ended well and wrote nothing");
            if ended.code.is_none() {
                self.killed += 1;
                self.new += usize::from(is_new);
            }
            let checked = at % check == 0;
            if checked {
                self.converges(&victim, is_new);
                assert_eq!(State::of(&victim).await, after, "call {fatal}");
            }
            if checked || is_new {
                victim = old.copy().await;
            }
        }
        applied
    }

    fn converges(&mut self, database: &Database, is_new: bool) {
        let on = |arguments: &[&'static str]| {
            let url: &str = &database.url;
            [arguments, &["--database", url, "folder"]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let run =
            |arguments: Vec<String>| self.desk.expect(0, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let rows = run(on(&["apply", "--json"])).json()["rows_written"].as_u64().expect("a number");
        assert_eq!(rows == 0, is_new);
        run(on(&["plan", "--detailed-exitcode"]));
        self.converged += 1;
    }
}

async fn kill_applies(engine: &str, empty: Database, counted: Counted) {
    let mut scene = Scene::new(counted);
    // The schema is there, and nothing else: the first apply of all has a test of its own.
    scene.desk.write("nothing.yaml", "version: 1\nentries: []\n");
    scene.desk.expect(0, &["apply", "--database", &empty.url, "nothing.yaml"]);
    let mut database = empty;
    let mut edits = 0;
    while scene.killed < enough() {
        write_folder(&scene.desk, edits);
        let (stride, check) = if every_call() { (1, 40) } else { (37, 4) };
        database = scene.kill_everywhere(&database, stride, check).await;
        edits += 1;
    }
    let Scene { killed, new, converged, .. } = scene;
    eprintln!("{engine}: {killed} killed in {edits} edits, {new} when the new state was there; {converged} converged");
    assert!(new > 0 || !every_call(), "some deaths come after the commit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_apply_leaves_the_old_or_the_new_state_and_the_next_one_converges() {
    let postgres = tokio::spawn(async {
        if let Some(database) = Database::postgres().await {
            kill_applies("PostgreSQL", database, socket_calls).await;
        }
    });
    kill_applies("SQLite", Database::sqlite(), file_calls).await;
    postgres.await.expect("it holds on PostgreSQL");
}

/// From nothing: the key, the file, the schema and the objects.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_apply_that_was_killed_is_made_good_by_the_next() {
    let postgres = tokio::spawn(async {
        if let Some(database) = Database::postgres().await {
            kill_first_applies("PostgreSQL", Some(database)).await;
        }
    });
    kill_first_applies("SQLite", None).await;
    postgres.await.expect("it holds on PostgreSQL");
}

async fn kill_first_applies(engine: &str, server: Option<Database>) {
    let stride = if every_call() { 3 } else { 43 };
    let mut killed = 0;
    for fatal in (1..).step_by(stride) {
        let desk = Desk::new();
        desk.write("a.yaml", "version: 1\nentries: [{model: authentik_core.group, identifiers: {name: one}}]\n");
        let database = match &server {
            Some(server) => Some(server.another().await),
            None => None,
        };
        let url = database.as_ref().map_or("sqlite://gatewright.db", |database| &database.url);
        let arguments = |command| [command, "--database", url, "a.yaml"];
        let ended = tracer::run(&desk.command(&arguments("apply")), creating_calls, Some(fatal));
        if let Some(database) = &database {
            is_buried(database, ended.pid).await;
        }
        desk.expect(0, &arguments("apply"));
        desk.expect(0, &[&arguments("plan")[..], &["--detailed-exitcode"]].concat());
        let audit = desk.expect(0, &["verify-audit", "--database", url]);
        assert_eq!(audit.out, "The change log is intact: 1 entry.\n", "call {fatal}");
        if ended.code.is_some() {
            break;
        }
        killed += 1;
    }
    eprintln!("{engine}: killed {killed} times on the way from nothing");
    assert!(killed * stride > 200, "only {killed} calls were tried");
}
