//! No statement of a commit walks over a whole table.

use std::sync::{Arc, Mutex};

use gatewright::store::{
    StoreOptions,
    changeset::{Ownership, Precondition, SecretWrite},
};
use sqlx::{Connection, Row};

use super::kinds::{
    BADGE, GATE, PERSON, RowExt, TEAM, badge, changes, create, create_numbered, delete, id, person, provider, registry,
    team, update,
};
use crate::support::database::{Database, options};

#[tokio::test]
async fn no_statement_of_a_commit_walks_over_a_table() {
    let database = Database::sqlite();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let seen = seen.clone();
        Arc::new(move |statement: &str| seen.lock().expect("nobody panicked").push(statement.to_owned()))
    };
    let store = database.store_with(StoreOptions { observer: Some(observer), ..options() }).await;
    let owned = |entry, fields: &[&str]| Ownership {
        object: id(1),
        source: "main".into(),
        document: "a".into(),
        entry,
        line: 1,
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
    };
    let mut first = changes(vec![
        create(
            id(1),
            PERSON,
            person("ada")
                .to("teams", &[id(11)])
                .to("badge", &[id(21)])
                .secret("token", SecretWrite::Seal("x".into()))
                .secret("password", SecretWrite::Hash("x".into())),
        ),
        create(id(2), PERSON, person("bob")),
        create(id(11), TEAM, team("red")),
        create(id(21), BADGE, badge("gold")),
        create_numbered(id(31), GATE, 5, provider("gate")),
    ]);
    first.ownership = vec![owned(0, &["name"])];
    store.commit(&registry(), &first, 1).await.expect("written");
    let clear = person("eve").secret("token", SecretWrite::Clear).secret("password", SecretWrite::Clear);
    let mut second = changes(vec![
        update(id(1), PERSON, clear),
        delete(id(11), TEAM),
        create(id(12), PERSON, person("fay").to("boss", &[id(2)])),
    ]);
    second.ownership = vec![owned(1, &["name"])];
    second.preconditions = vec![Precondition::KeyOf("test.person", "username".into(), "bob".into(), id(2))];
    store.commit(&registry(), &second, 2).await.expect("written");
    let twice = changes(vec![create(id(13), PERSON, person("bob"))]);
    store.commit(&registry(), &twice, 3).await.expect_err("a duplicate");
    let mut stale = changes(Vec::new());
    stale.preconditions = vec![Precondition::Missing(id(1))];
    store.commit(&registry(), &stale, 3).await.expect_err("stale");

    let path = database.url.strip_prefix("sqlite://").expect("a file");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("connects");
    let mut statements = seen.lock().expect("nobody panicked").clone();
    statements.retain(|text| !text.starts_with("BEGIN") && !text.starts_with("COMMIT"));
    statements.sort();
    statements.dedup();
    assert!(statements.len() > 30, "the commits above exercise every statement, not {} only", statements.len());
    for text in statements {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
        for step in sqlx::query(explain).fetch_all(&mut connection).await.expect("explains") {
            let step: String = step.get("detail");
            let walks = step.strip_prefix("SCAN ").is_some_and(|table| {
                // `meta` has five rows, `w` is the list of wanted keys, and lists of values are constant rows.
                !["meta", "w", "sqlite_master"].contains(&table)
                    && !table.contains("CONSTANT ROW")
                    && !table.contains("VALUES CLAUSE")
            });
            assert!(!walks, "{step}: {text}");
        }
    }
}
