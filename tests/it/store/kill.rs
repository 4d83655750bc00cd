//! A process that is killed before the n-th statement of a commit, for every n, on both engines.
//!
//! The test runs its own program again as the victim: [`victim`] does nothing unless the environment tells it to.
//! That is some 750 processes; so unless `GATEWRIGHT_EVERY_STATEMENT=1`, which the full check sets, only every
//! seventh statement is tried.

use std::{
    os::unix::process::ExitStatusExt,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gatewright::store::{
    Store, StoreOptions,
    changeset::{Changeset, Ownership, SecretWrite, Write},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    everything,
    kinds::{DOOR, GATE, PERSON, RowExt, TEAM, changes, create, delete, id, person, provider, registry, team, update},
};
use crate::support::database::{Database, on_each, options};

const URL: &str = "GATEWRIGHT_VICTIM_URL";
const STATEMENT: &str = "GATEWRIGHT_VICTIM_STATEMENT";
const DELAY: &str = "GATEWRIGHT_VICTIM_DELAY";

/// What is there before.
fn before() -> Changeset {
    let teams = (0..20).map(|number| create(id(5_000 + number), TEAM, team(&format!("old {number}"))));
    changes(teams.collect())
}

/// Two hundred entries: creations with references and secrets, updates, deletions, and who owns them.
fn apply() -> Changeset {
    let people = (0..150).map(|number| {
        let row = person(&format!("p{number}"))
            .to("teams", &[id(5_000 + number % 10), id(7_000 + number % 20)])
            .to("boss", &[id((number + 1) % 150)])
            .secret("token", SecretWrite::Seal(format!("secret {number}")));
        create(id(number), PERSON, row)
    });
    let teams = (0..20).map(|number| create(id(7_000 + number), TEAM, team(&format!("new {number}"))));
    let providers = (0..10).map(|number| {
        create(id(8_000 + number), if number % 2 == 0 { GATE } else { DOOR }, provider(&format!("v{number}")))
    });
    let renamed = (0..10)
        .map(|number| update(id(5_000 + number), TEAM, team(&format!("renamed {number}")).to("parent", &[id(7_000)])));
    let gone = (10..20).map(|number| delete(id(5_000 + number), TEAM));
    let mut all = changes(people.chain(teams).chain(providers).chain(renamed).chain(gone).collect());
    assert_eq!(all.writes.len(), 200);
    all.ownership = (0..150)
        .map(|number| Ownership {
            object: id(number),
            source: "main".into(),
            document: "people.yaml".into(),
            entry: number as u32,
            line: number as u32 + 1,
            fields: vec!["name".into(), "username".into()],
        })
        .collect();
    all
}

/// Commits [`apply`] and kills itself before a statement, or some microseconds into the final `COMMIT`.
#[tokio::test]
#[ignore = "the victim of the test beside it"]
async fn victim() {
    let Ok(url) = std::env::var(URL) else { return };
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let (fatal, delay) = (number(STATEMENT), number(DELAY));
    let die = || kill(Pid::this(), Signal::SIGKILL).expect("dies");
    let count = AtomicU64::new(0);
    let observer = move |statement: &str| {
        if Some(count.fetch_add(1, Ordering::SeqCst) + 1) == fatal {
            die();
        }
        if let (Some(delay), "COMMIT") = (delay, statement) {
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(delay));
                die();
            });
        }
    };
    let options = StoreOptions { observer: Some(Arc::new(observer)), batch_rows: 4, ..options() };
    let store = Store::open(&url, options).await.expect("opens");
    store.commit(&registry(), &apply(), 2).await.expect("written");
}

/// Runs the victim; says whether it lived.
async fn survives(database: &Database, variable: &str, value: u64) -> bool {
    let program = std::env::current_exe().expect("a path");
    let mut victim = Command::new(program);
    victim.args(["store::kill::victim", "--exact", "--ignored", "--quiet"]);
    victim.env(URL, &database.url).env(variable, value.to_string());
    let output = tokio::task::spawn_blocking(move || victim.output()).await.expect("no panic").expect("it runs");
    let killed = output.status.signal() == Some(Signal::SIGKILL as i32);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(killed || output.status.success(), "{variable} {value}: {said}");
    !killed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_apply_is_wholly_there_or_not_at_all_and_the_next_one_converges() {
    // Both engines at once, since this takes hundreds of processes.
    let postgres = tokio::spawn(async {
        if let Some(database) = Database::postgres().await {
            kill_at_every_statement(database).await;
        }
    });
    kill_at_every_statement(Database::sqlite()).await;
    postgres.await.expect("it holds on PostgreSQL");
}

async fn kill_at_every_statement(database: Database) {
    let registry = registry();
    let store = database.store().await;
    store.commit(&registry, &before(), 1).await.expect("written");
    let old = everything(&store, &registry).await;
    let every = std::env::var("GATEWRIGHT_EVERY_STATEMENT").as_deref() == Ok("1");
    let stride = if every { 1 } else { 7 };
    let mut killed = 0;
    for fatal in (1..).step_by(stride) {
        let survived = survives(&database, STATEMENT, fatal).await;
        let now = everything(&store, &registry).await;
        let check = store.check().await.expect("answers");
        let report = store.verify_audit().await.expect("reads");
        assert_eq!(report.fault, None, "statement {fatal}");
        if survived {
            assert_eq!((check.revision, now.len()), (2, 190), "statement {fatal}");
            break;
        }
        // Nothing is acknowledged before the last statement, so up to there it must be the old state.
        assert_eq!((check.revision, report.intact), (1, 20), "statement {fatal}");
        assert_eq!(now, old, "statement {fatal}");
        killed += 1;
    }
    assert!(killed * stride > 350, "only {killed} statements were tried");
    eprintln!("killed at {killed} statements");

    // The same in a database that was never disturbed.
    let undisturbed = database.another().await;
    let calm = undisturbed.store().await;
    calm.commit(&registry, &before(), 1).await.expect("written");
    calm.commit(&registry, &apply(), 2).await.expect("written");
    let (now, expected) = (everything(&store, &registry).await, everything(&calm, &registry).await);
    assert_eq!(now, expected);

    // The entries once more, as a plan made now would have them: nothing to do.
    let mut again = apply();
    again.writes = again
        .writes
        .into_iter()
        .filter_map(|write| match write {
            Write::Create { id, kind, row, .. } | Write::Update { id, kind, row, .. } => Some(update(id, kind, row)),
            Write::Delete { .. } => None,
        })
        .collect();
    let idle = store.commit(&registry, &again, 3).await.expect("accepted");
    assert_eq!((idle.rows_written, idle.run), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_same_apply_goes_through() {
    on_each(|database| async move {
        let registry = registry();
        let store = database.store().await;
        store.commit(&registry, &before(), 1).await.expect("written");
        for fatal in [1, 3, 10, 100] {
            assert!(!survives(&database, STATEMENT, fatal).await);
        }
        let done = store.commit(&registry, &apply(), 2).await.expect("written");
        assert_eq!((done.revision, done.run), (2, Some(2)));
        assert_eq!(done.numbers[&id(8_000)], 1, "no number was lost to the dead");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_the_commit_leaves_the_old_or_the_new() {
    on_each(|first| async move {
        let registry = registry();
        let (mut old, mut new) = (0, 0);
        // A commit takes a fraction of a millisecond or, on a slow disk, tens of them.
        for delay in (0..12).map(|step| 25 << step) {
            let database = first.another().await;
            let store = database.store().await;
            store.commit(&registry, &before(), 1).await.expect("written");
            let then = everything(&store, &registry).await;
            survives(&database, DELAY, delay).await;
            // The dead one's server process may still be at it; a writer's turn comes after it.
            let probe = store.commit(&registry, &Changeset::default(), 2).await.expect("a turn");
            match probe.revision {
                1 => {
                    old += 1;
                    assert_eq!(everything(&store, &registry).await, then, "after {delay} us");
                    store.commit(&registry, &apply(), 2).await.expect("written");
                }
                revision => {
                    new += 1;
                    assert_eq!(revision, 2);
                }
            }
            assert_eq!(everything(&store, &registry).await.len(), 190, "after {delay} us");
            let report = store.verify_audit().await.expect("reads");
            assert_eq!((report.intact, report.fault), (220, None), "after {delay} us");
        }
        eprintln!("old {old} times, new {new} times");
    })
    .await;
}
