//! Tampering with the change log and with secrets, behind the store's back.

use gatewright::store::{AuditFault, AuditReport, StoreError, changeset::SecretWrite};
use serde_json::json;

use super::kinds::{PERSON, RowExt, TEAM, changes, create, delete, id, person, registry, team, update};
use crate::support::database::{Database, on_each};

/// A log of twelve entries in three runs.
async fn with_history(database: &Database) -> gatewright::store::Store {
    let (store, registry) = (database.store().await, registry());
    let teams = (1..=9).map(|number| create(id(number), TEAM, team(&format!("t{number}")))).collect();
    store.commit(&registry, &changes(teams), 1).await.expect("written");
    let odd = json!({ "f": 1e16, "g": 1.5e-7, "h": -0.0, "b": [1e300, "\u{10ffff}\\\""], "a": { "y": 1, "x": null } });
    let second = changes(vec![
        update(id(1), TEAM, team("t1").attr("attributes", odd)),
        update(id(2), TEAM, team("t2").attr("attributes", json!(1))),
    ]);
    store.commit(&registry, &second, 2).await.expect("written");
    store.commit(&registry, &changes(vec![delete(id(3), TEAM)]), 3).await.expect("written");
    store
}

#[tokio::test]
async fn an_honest_log_is_intact() {
    on_each(|database| async move {
        let empty = database.store().await.verify_audit().await.expect("reads");
        assert_eq!(empty, AuditReport { intact: 0, head: 0, fault: None });
        let report = with_history(&database).await.verify_audit().await.expect("reads");
        assert_eq!(report, AuditReport { intact: 12, head: 12, fault: None });
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_tampering_is_found_where_it_was_done() {
    let cases = [
        ("UPDATE change SET actor = 'nobody' WHERE seq = 5", AuditFault::Altered { seq: 5 }),
        ("UPDATE change SET at = at + 1 WHERE seq = 1", AuditFault::Altered { seq: 1 }),
        ("UPDATE change SET fields = '[]' WHERE seq = 10", AuditFault::Altered { seq: 10 }),
        ("UPDATE change SET fields = '{}' WHERE seq = 11", AuditFault::Altered { seq: 11 }),
        ("UPDATE change SET object = 'x' WHERE seq = 4", AuditFault::Altered { seq: 4 }),
        // Nobody can give an altered row a hash that fits both itself and the next one.
        ("UPDATE change SET hash = 'x' WHERE seq = 12", AuditFault::Altered { seq: 12 }),
        ("DELETE FROM change WHERE seq IN (6, 7)", AuditFault::Missing { from: 6, to: 7 }),
        ("DELETE FROM change WHERE seq > 10", AuditFault::Missing { from: 11, to: 12 }),
        ("DELETE FROM change", AuditFault::Missing { from: 1, to: 12 }),
        (
            "INSERT INTO change SELECT 13, run, at, actor, object, kind, name, action, fields, hash FROM change WHERE seq = 12",
            AuditFault::Unsigned { from: 13 },
        ),
        (
            "UPDATE meta SET value = REPLACE(value, '\"signature\":\"', '\"signature\":\"0') WHERE key = 'change_head'",
            AuditFault::HeadForged,
        ),
        (
            "DELETE FROM change WHERE seq = 12; UPDATE meta SET value = REPLACE(value, '12,', '11,') WHERE key = 'change_head'",
            AuditFault::HeadForged,
        ),
        ("DELETE FROM change; DELETE FROM meta WHERE key = 'change_head'", AuditFault::HeadForged),
    ];
    on_each(|database| {
        let cases = cases.clone();
        async move {
            for (tampering, expected) in cases {
                let database = database.another().await;
                let store = with_history(&database).await;
                database.sql(tampering).await;
                let report = store.verify_audit().await.expect("reads");
                assert_eq!(report.fault, Some(expected), "{tampering}: {report}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_sealed_secret_opens_only_where_it_was_put() {
    on_each(|database| async move {
        let (store, registry) = (database.store().await, registry());
        let with = |name: &str, secret: &str| person(name).secret("token", SecretWrite::Seal(secret.into()));
        let first = changes(vec![create(id(1), PERSON, with("ada", "one")), create(id(2), PERSON, with("bob", "two"))]);
        store.commit(&registry, &first, 1).await.expect("written");
        let (ada, bob) = (id(1), id(2));
        database
            .sql(&format!(
                "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE object = '{ada}') WHERE object = '{bob}'"
            ))
            .await;
        assert_eq!(store.reveal(ada, "token").await.expect("opens").expect("a value").as_str(), "one");
        let refusal = store.reveal(bob, "token").await.expect_err("it belongs to another");
        assert!(matches!(&refusal, StoreError::Unseal { object, field, .. } if *object == bob && field == "token"));
    })
    .await;
}
