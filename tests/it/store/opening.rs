//! Opening, migrating, and what is refused before anything is read.

use std::os::unix::fs::PermissionsExt;

use futures_util::future::join_all;
use gatewright::store::{Engine, Key, SCHEMA_VERSION, Store, StoreError, StoreOptions};
use uuid::Uuid;

use super::kinds::{self, changes, create, id, registry, team};
use crate::support::database::{key, on_each, options};

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_agree_on_one_store() {
    on_each(|database| async move {
        let starting = (0..6).map(|_| database.store());
        let stores: Vec<Store> = join_all(starting).await;
        let mut seen = Vec::new();
        for store in &stores {
            seen.push(store.read().await.expect("a snapshot").instance());
        }
        assert!(!seen[0].is_nil());
        assert!(seen.iter().all(|instance| *instance == seen[0]), "{seen:?}");
    })
    .await;
}

#[tokio::test]
async fn a_new_store_tells_what_it_is() {
    on_each(|database| async move {
        let instance = Uuid::from_u128(42);
        let options = StoreOptions { instance: Some(instance), ..options() };
        let store = Store::open(&database.url, options).await.expect("opens");
        assert_eq!(store.check().await.expect("answers").schema_version, 0);
        let early = store.read().await.err().expect("there is no schema yet");
        assert!(matches!(early, StoreError::NotMigrated { found: 0, .. }), "{early}");
        let early = store.commit(&registry(), &changes(Vec::new()), 1).await.expect_err("there is no schema yet");
        assert!(matches!(early, StoreError::NotMigrated { found: 0, .. }), "{early}");

        store.migrate().await.expect("migrates");
        store.migrate().await.expect("migrates again, with nothing to do");
        let check = store.check().await.expect("answers");
        let engine = if database.is_sqlite() { Engine::Sqlite } else { Engine::Postgres };
        assert_eq!((check.engine, check.instance), (engine, instance));
        assert_eq!((check.schema_version, check.revision, check.objects), (SCHEMA_VERSION, 0, 0));
        assert!(!check.engine_version.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    on_each(|database| async move {
        let store = database.store().await;
        database.sql("UPDATE meta SET value = '999' WHERE key = 'schema_version'").await;
        let commit = changes(vec![create(id(1), kinds::TEAM, team("a"))]);
        let refusals = [
            Store::open(&database.url, options()).await.err(),
            store.migrate().await.err(),
            store.read().await.err(),
            store.commit(&registry(), &commit, 1).await.err(),
        ];
        for refusal in refusals {
            let refusal = refusal.expect("refused");
            assert!(matches!(refusal, StoreError::TooNew { found: 999, .. }), "{refusal}");
        }
    })
    .await;
}

#[tokio::test]
async fn another_key_is_refused() {
    on_each(|database| async move {
        database.store().await;
        let other = StoreOptions { key: Key::from_bytes([8; 32]), ..options() };
        let refusal = Store::open(&database.url, other.clone()).await.err().expect("refused");
        let text = refusal.to_string();
        assert!(matches!(refusal, StoreError::WrongKey { .. }), "{text}");
        assert!(text.contains(key().fingerprint()) && text.contains(other.key.fingerprint()), "{text}");
    })
    .await;
}

#[tokio::test]
async fn a_file_is_made_for_its_owner_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new.db");
    let store = Store::open(&format!("sqlite://{}", path.display()), options()).await.expect("opens");
    store.migrate().await.expect("migrates");
    for entry in std::fs::read_dir(folder.path()).expect("the folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("its data").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn a_store_in_memory_is_shared_by_its_clones() {
    let store = Store::open("sqlite::memory:", options()).await.expect("opens");
    store.migrate().await.expect("migrates");
    let mut before = store.read().await.expect("a snapshot");
    let written = changes(vec![create(id(1), kinds::TEAM, team("a"))]);
    store.clone().commit(&registry(), &written, 1).await.expect("a reader does not hold up a writer");
    assert!(before.load_resident(&registry()).await.expect("loads").is_empty());
    drop(before);
    assert_eq!(super::everything(&store, &registry()).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_opened_says_why_and_keeps_the_password() {
    let cases = [
        ("mysql://root:hunter2@localhost/db", "not understood"),
        ("", "not understood"),
        ("sqlite://", "not understood"),
        ("postgres://user:hunter2@localhost:port/db", "not understood"),
        ("sqlite:///nowhere/at/all.db", "cannot open the SQLite database /nowhere/at/all.db"),
        ("postgres://user:hunter2@127.0.0.1:1/db", "cannot open the PostgreSQL database"),
    ];
    for (url, expected) in cases {
        let refusal = Store::open(url, options()).await.err().expect("refused").to_string();
        assert!(refusal.contains(expected) && !refusal.contains("hunter2"), "{url}: {refusal}");
    }
}
