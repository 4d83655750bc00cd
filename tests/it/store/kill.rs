//! A process that is killed before the n-th statement of a commit, for every n, on both engines.
//!
//! The test runs its own program again as the victim: [`victim`] does nothing unless the environment tells it to.

use std::{
    os::unix::process::ExitStatusExt,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
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

/// Commits [`apply`] and kills itself before a statement.
#[tokio::test]
#[ignore = "the victim of the test beside it"]
async fn victim() {
    let (Ok(url), Ok(fatal)) = (std::env::var(URL), std::env::var(STATEMENT)) else { return };
    let fatal: usize = fatal.parse().expect("a number");
    let count = AtomicUsize::new(0);
    let observer = move |_: &str| {
        if count.fetch_add(1, Ordering::SeqCst) + 1 == fatal {
            kill(Pid::this(), Signal::SIGKILL).expect("dies");
        }
    };
    let options = StoreOptions { observer: Some(Arc::new(observer)), batch_rows: 4, ..options() };
    let store = Store::open(&url, options).await.expect("opens");
    store.commit(&registry(), &apply(), 2).await.expect("written");
}

/// Runs the victim; says whether it lived.
async fn survives(database: &Database, fatal: usize) -> bool {
    let program = std::env::current_exe().expect("a path");
    let mut victim = Command::new(program);
    victim.args(["store::kill::victim", "--exact", "--ignored", "--quiet"]);
    victim.env(URL, &database.url).env(STATEMENT, fatal.to_string());
    let output = tokio::task::spawn_blocking(move || victim.output()).await.expect("no panic").expect("it runs");
    let killed = output.status.signal() == Some(Signal::SIGKILL as i32);
    assert!(killed || output.status.success(), "statement {fatal}: {}", String::from_utf8_lossy(&output.stdout));
    !killed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_apply_is_wholly_there_or_not_at_all_and_the_next_one_converges() {
    on_each(|database| async move {
        let registry = registry();
        let store = database.store().await;
        store.commit(&registry, &before(), 1).await.expect("written");
        let old = everything(&store, &registry).await;
        let mut killed = 0;
        for fatal in 1.. {
            let survived = survives(&database, fatal).await;
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
        assert!(killed > 150, "only {killed} statements were tried");
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
                Write::Create { id, kind, row, .. } | Write::Update { id, kind, row, .. } => {
                    Some(update(id, kind, row))
                }
                Write::Delete { .. } => None,
            })
            .collect();
        let idle = store.commit(&registry, &again, 3).await.expect("accepted");
        assert_eq!((idle.rows_written, idle.run), (0, None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_same_apply_goes_through() {
    on_each(|database| async move {
        let registry = registry();
        let store = database.store().await;
        store.commit(&registry, &before(), 1).await.expect("written");
        for fatal in [1, 3, 10, 100] {
            assert!(!survives(&database, fatal).await);
        }
        let done = store.commit(&registry, &apply(), 2).await.expect("written");
        assert_eq!((done.revision, done.run), (2, Some(2)));
        assert_eq!(done.numbers[&id(8_000)], 1, "no number was lost to the dead");
    })
    .await;
}
