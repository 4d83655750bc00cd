//! Several writers at once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gatewright::store::{
    Store, StoreError, StoreOptions,
    changeset::{Precondition, SecretWrite},
};
use serde_json::json;

use super::{
    everything,
    kinds::{PERSON, RowExt, TEAM, changes, create, id, person, registry, team, update},
};
use crate::support::database::{Database, on_each, options};

/// Raises a counter `times` times, planning anew whenever the plan was stale.
async fn count(store: &Store, times: usize) {
    let registry = registry();
    for _ in 0..times {
        loop {
            let mut reader = store.read().await.expect("a snapshot");
            let team_now = reader.load_ids(&registry, vec![id(11)]).await.expect("loads").remove(0);
            drop(reader);
            let count = team_now.attrs["attributes"].as_i64().expect("a number");
            let mut plan = changes(vec![update(id(11), TEAM, team("counter").attr("attributes", json!(count + 1)))]);
            plan.preconditions = vec![Precondition::Revision(id(11), team_now.revision)];
            match store.commit(&registry, &plan, 2).await {
                Ok(_) => break,
                Err(StoreError::Stale(_)) => continue,
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_update_is_lost_or_doubled() {
    on_each(|database| async move {
        let first = database.store().await;
        let start = changes(vec![create(id(11), TEAM, team("counter").attr("attributes", json!(0)))]);
        first.commit(&registry(), &start, 1).await.expect("written");
        // Two pools stand for two processes; within each, two tasks.
        let second = database.store().await;
        join_all([count(&first, 15), count(&first, 15), count(&second, 15), count(&second, 15)]).await;
        let counter = everything(&first, &registry()).await.remove(&id(11)).expect("the counter");
        assert_eq!(counter.attrs["attributes"], json!(60));
        assert_eq!(counter.revision, 61);
        let report = first.verify_audit().await.expect("reads");
        assert_eq!((report.intact, report.fault), (61, None));
    })
    .await;
}

/// Holds the writers' turn from outside.
async fn hold(database: &Database) -> Box<dyn std::any::Any> {
    use sqlx::{Connection, Executor};
    if let Some(path) = database.url.strip_prefix("sqlite://") {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("connects");
        connection.execute("BEGIN IMMEDIATE").await.expect("holds");
        Box::new(connection)
    } else {
        let mut connection = sqlx::PgConnection::connect(&database.url).await.expect("connects");
        connection.execute("SET application_name = 'gatewright for cli:mallory'").await.expect("names itself");
        connection.execute("BEGIN").await.expect("begins");
        connection.execute("SELECT pg_advisory_xact_lock(723654109)").await.expect("holds");
        Box::new(connection)
    }
}

#[tokio::test]
async fn a_writer_waits_its_time_and_then_says_who_is_in_the_way() {
    on_each(|database| async move {
        database.store().await;
        let patience = Duration::from_millis(300);
        let store = database.store_with(StoreOptions { lock_wait: patience, ..options() }).await;
        let plan = changes(vec![create(id(11), TEAM, team("red"))]);
        let holding = hold(&database).await;
        let started = Instant::now();
        let refusal = store.commit(&registry(), &plan, 1).await.expect_err("somebody else is writing");
        assert!(started.elapsed() >= patience);
        let StoreError::Locked { holder, waited } = &refusal else { panic!("{refusal}") };
        assert!(*waited >= patience);
        let expected = if database.is_sqlite() { "another process" } else { "gatewright for cli:mallory" };
        assert!(holder.contains(expected), "{holder}");
        drop(store.read().await.expect("readers are not held up"));
        drop(holding);
        let done = database.store().await.commit(&registry(), &plan, 1).await.expect("the way is free");
        assert_eq!(done.revision, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_a_process_the_waiting_writer_hears_who_has_the_turn() {
    let database = Database::sqlite();
    database.store().await;
    let (entered, inside) = std::sync::mpsc::channel();
    let (leave, left) = std::sync::mpsc::channel();
    let left = std::sync::Mutex::new(left);
    let slow = StoreOptions {
        lock_wait: Duration::from_millis(300),
        observer: Some(std::sync::Arc::new(move |statement: &str| {
            if statement.starts_with("COMMIT") {
                entered.send(()).expect("somebody listens");
                left.lock().expect("nobody panicked").recv().expect("somebody lets go");
            }
        })),
        ..options()
    };
    let store = database.store_with(slow).await;
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            let mut plan = changes(vec![create(id(11), TEAM, team("red"))]);
            plan.run.actor = "source:main".into();
            store.commit(&registry(), &plan, 1).await
        }
    });
    tokio::task::spawn_blocking(move || inside.recv()).await.expect("no panic").expect("it is writing");
    let plan = changes(vec![create(id(12), TEAM, team("blue"))]);
    let refusal = store.commit(&registry(), &plan, 1).await.expect_err("the turn is taken");
    assert!(refusal.to_string().contains("this process, for source:main"), "{refusal}");
    leave.send(()).expect("it waits");
    writing.await.expect("no panic").expect("written");
}

#[tokio::test]
async fn a_commit_that_is_given_up_is_whole_or_nothing_and_frees_the_turn() {
    on_each(|database| async move {
        let store = database.store().await;
        let row = |number: u128| person(&format!("p{number}")).secret("token", SecretWrite::Seal("x".into()));
        let plan = changes((0..400).map(|number| create(id(number), PERSON, row(number))).collect());
        for patience in [0, 1, 3, 9, 27] {
            let registry = registry();
            let commit = store.commit(&registry, &plan, 1);
            if tokio::time::timeout(Duration::from_millis(patience), commit).await.is_ok() {
                return;
            }
            // Whoever gives up while the engine works on the COMMIT itself does not learn that it came through.
            match everything(&store, &registry).await.len() {
                0 => {}
                400 => return,
                part => panic!("{part} of 400 are there, given up after {patience} ms"),
            }
        }
        store.commit(&registry(), &plan, 1).await.expect("written");
    })
    .await;
}

#[tokio::test]
async fn the_work_of_the_store_can_move_between_threads() {
    fn movable<T: Send>(work: T) -> T {
        work
    }
    let database = Database::sqlite();
    let (store, registry) = (database.store().await, registry());
    let plan = changes(vec![create(id(11), TEAM, team("red"))]);
    movable(store.commit(&registry, &plan, 1)).await.expect("written");
    let mut reader = movable(store.read()).await.expect("a snapshot");
    movable(reader.answer(&registry, &[])).await.expect("answers");
    movable(reader.model(registry.clone())).await.expect("the model");
    movable(reader.ownership(vec![id(11)])).await.expect("answers");
    movable(store.verify_audit()).await.expect("reads");
}
