//! What a commit refuses, in what words, and that a refusal leaves nothing behind.

use std::sync::Arc;

use gatewright::{
    model::{Registry, symbol},
    store::{
        Broken, DanglingEdge, Found, LastChange, Store, StoreError,
        changeset::{Changeset, Ownership, Precondition, SecretWrite, Write},
    },
};
use serde_json::json;

use super::{
    everything,
    kinds::{
        BADGE, DOOR, GATE, PERSON, RowExt, TEAM, badge, changes, create, create_numbered, delete, id, person, provider,
        registry, team, update,
    },
};
use crate::support::database::{Database, on_each};

/// A store with a little of everything at revision 1.
async fn inhabited(database: &Database) -> (Store, Arc<Registry>) {
    let (store, registry) = (database.store().await, registry());
    let first = changes(vec![
        create(id(1), PERSON, person("ada").to("teams", &[id(11)]).to("badge", &[id(21)])),
        create(id(2), PERSON, person("bob")),
        create(id(11), TEAM, team("red")),
        create(id(21), BADGE, badge("gold")),
        create(id(31), GATE, provider("gate")),
    ]);
    store.commit(&registry, &first, 1).await.expect("written");
    (store, registry)
}

/// Commits, expects a refusal, and that the store is as before.
async fn refused(store: &Store, registry: &Registry, changes: &Changeset) -> StoreError {
    let before = (everything(store, registry).await, store.check().await.expect("answers"));
    let refusal = store.commit(registry, changes, 99).await.expect_err("refused");
    let after = (everything(store, registry).await, store.check().await.expect("answers"));
    assert_eq!(before, after, "{refusal}");
    refusal
}

#[tokio::test]
async fn a_stale_plan_hears_of_everything_that_moved() {
    on_each(|database| async move {
        let (store, registry) = inhabited(&database).await;
        let mut moving = changes(vec![
            update(id(1), PERSON, person("ada.l").to("teams", &[id(11)])),
            delete(id(2), PERSON),
            create(id(3), PERSON, person("bob")),
        ]);
        moving.run.actor = "cli:mallory".into();
        store.commit(&registry, &moving, 2).await.expect("written");

        let key = |value: &str| ("test.person", "username".to_owned(), value.to_owned());
        let free = |value| Precondition::FreeKey(key(value).0, key(value).1, key(value).2);
        let owned = |value, id| Precondition::KeyOf(key(value).0, key(value).1, key(value).2, id);
        let mut plan = changes(vec![update(id(11), TEAM, team("crimson"))]);
        plan.preconditions = vec![
            Precondition::Revision(id(11), 1),
            Precondition::Revision(id(1), 1),
            Precondition::Revision(id(2), 1),
            Precondition::Missing(id(3)),
            Precondition::Missing(id(4)),
            free("ada"),
            free("ada.l"),
            owned("bob", id(2)),
            owned("ada", id(1)),
            owned("ada.l", id(1)),
        ];
        let StoreError::Stale(broken) = refused(&store, &registry, &plan).await else { panic!("stale is expected") };
        let last = |action: &str, name: String| {
            Some(LastChange { run: 2, at: 2, actor: "cli:mallory".into(), action: action.into(), name })
        };
        let of = |expected: Precondition, found, last_change| Broken { expected, found, last_change };
        assert_eq!(
            broken,
            [
                of(Precondition::Revision(id(1), 1), Found::Revision(2), last("update", "ada.l".into())),
                of(Precondition::Revision(id(2), 1), Found::Gone, last("delete", id(2).to_string())),
                of(Precondition::Missing(id(3)), Found::Exists, last("create", "bob".into())),
                of(free("ada.l"), Found::KeyOf(id(1)), last("update", "ada.l".into())),
                of(owned("bob", id(2)), Found::KeyOf(id(3)), last("create", "bob".into())),
                of(owned("ada", id(1)), Found::NoKey, last("update", "ada.l".into())),
            ]
        );
        let text = StoreError::Stale(broken).to_string();
        assert!(text.contains("update of \"ada.l\" by cli:mallory in run 2"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn writes_to_what_is_not_there_are_stale_without_being_told() {
    on_each(|database| async move {
        let (store, registry) = inhabited(&database).await;
        let plan = changes(vec![
            create(id(1), PERSON, person("x")),
            update(id(8), PERSON, person("y")),
            delete(id(9), PERSON),
        ]);
        let StoreError::Stale(broken) = refused(&store, &registry, &plan).await else { panic!("stale is expected") };
        let found: Vec<_> = broken.into_iter().map(|broken| broken.found).collect();
        assert_eq!(found, [Found::Exists, Found::Gone, Found::Gone]);

        let mut owning = changes(Vec::new());
        owning.ownership = vec![Ownership {
            object: id(8),
            source: "main".into(),
            document: "a".into(),
            entry: 0,
            line: 1,
            fields: vec!["name".into()],
        }];
        let refusal = refused(&store, &registry, &owning).await;
        assert!(matches!(refusal, StoreError::Stale(_)), "{refusal}");
    })
    .await;
}

#[tokio::test]
async fn nothing_is_named_twice() {
    on_each(|database| async move {
        let (store, registry) = inhabited(&database).await;
        let cases: [(&str, Vec<Write>); 8] = [
            ("test.person username ada", vec![create(id(5), PERSON, person("ada"))]),
            ("test.person username ada", vec![update(id(2), PERSON, person("ada"))]),
            (
                "test.person username new",
                vec![create(id(5), PERSON, person("new")), create(id(6), PERSON, person("new"))],
            ),
            // Unique over the family, not only within the kind.
            ("authentik_core.provider name gate", vec![create(id(5), DOOR, provider("gate"))]),
            ("test.person number 1", vec![create_numbered(id(5), PERSON, 1, person("new"))]),
            ("authentik_core.provider number 1", vec![create_numbered(id(5), DOOR, 1, provider("new"))]),
            (
                "test.person number 7",
                vec![
                    create_numbered(id(5), PERSON, 7, person("new")),
                    create_numbered(id(6), PERSON, 7, person("newer")),
                ],
            ),
            ("test.person badge", vec![update(id(2), PERSON, person("bob").to("badge", &[id(21)]))]),
        ];
        for (expected, writes) in cases {
            let refusal = refused(&store, &registry, &changes(writes)).await;
            let StoreError::Duplicate { scope, key, value, object, holder } = &refusal else {
                panic!("{expected}: {refusal}")
            };
            let found = format!("{scope} {key} {value}");
            assert!(found.starts_with(expected), "{expected}: {found}");
            assert!(holder.is_some_and(|holder| holder != *object), "{refusal}");
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_dangles() {
    on_each(|database| async move {
        let (store, registry) = inhabited(&database).await;
        let edge = |object: u128, name: &str, target: u128| DanglingEdge {
            object: id(object),
            kind: "test.person".into(),
            name: name.into(),
            field: "teams".into(),
            target: id(target),
        };
        let cases = [
            (vec![create(id(5), PERSON, person("eve").to("teams", &[id(11), id(77)]))], vec![edge(5, "eve", 77)]),
            (vec![delete(id(11), TEAM)], vec![edge(1, "ada", 11)]),
            (
                vec![delete(id(11), TEAM), update(id(2), PERSON, person("bob").to("teams", &[id(11)]))],
                vec![edge(2, "bob", 11), edge(1, "ada", 11)],
            ),
        ];
        for (writes, expected) in cases {
            let refusal = refused(&store, &registry, &changes(writes)).await;
            let StoreError::Dangling(found) = refusal else { panic!("{refusal}") };
            assert_eq!(found, expected);
        }
        // With the reference taken out in the same commit, the target may go.
        let clean = changes(vec![delete(id(11), TEAM), update(id(1), PERSON, person("ada"))]);
        store.commit(&registry, &clean, 2).await.expect("written");
    })
    .await;
}

#[tokio::test]
async fn contradictions_and_unstorable_text_are_refused() {
    on_each(|database| async move {
        let (store, registry) = inhabited(&database).await;
        let cases: [(&str, Vec<Write>); 11] = [
            ("written twice", vec![delete(id(1), PERSON), delete(id(1), PERSON)]),
            ("no reference teams", vec![create(id(5), TEAM, team("x").to("teams", &[id(11)]))]),
            ("refers to one object", vec![create(id(5), TEAM, team("x").to("parent", &[id(11), id(5)]))]),
            ("no secret token", vec![create(id(5), TEAM, team("x").secret("token", SecretWrite::Clear))]),
            ("other way", vec![create(id(5), PERSON, person("x").secret("token", SecretWrite::Hash("x".into())))]),
            ("no integer keys", vec![create_numbered(id(5), TEAM, 1, team("x"))]),
            ("no integer key", vec![create_numbered(id(5), PERSON, 0, person("x"))]),
            ("test.person and not a test.team", vec![update(id(1), TEAM, team("x"))]),
            ("integer key of", vec![create(id(5), TEAM, team("x").attr("attributes", symbol::number_of(id(1))))]),
            ("U+0000", vec![create(id(5), TEAM, team("x").attr("attributes", json!({ "a": ["\0"] })))]),
            ("U+0000", vec![create(id(5), TEAM, team("x\0"))]),
        ];
        for (expected, writes) in cases {
            let refusal = refused(&store, &registry, &changes(writes)).await.to_string();
            assert!(refusal.contains(expected), "{expected}: {refusal}");
        }
        let last = changes(vec![create_numbered(id(5), PERSON, i64::from(i32::MAX), person("x"))]);
        store.commit(&registry, &last, 2).await.expect("the last number can be had");
        let refusal = refused(&store, &registry, &changes(vec![create(id(6), PERSON, person("y"))])).await;
        assert!(matches!(refusal, StoreError::NumbersExhausted { scope: "test.person" }), "{refusal}");
    })
    .await;
}
