//! A database for a test, on each engine that is here.

use std::{future::Future, time::Duration};

use gatewright::store::{Key, Store, StoreOptions};

use super::postgres;

/// An empty database.
pub struct Database {
    /// For [`Store::open`] and for SQL by hand.
    pub url: String,
    _place: Place,
}

enum Place {
    Folder(#[expect(dead_code, reason = "kept for its end")] tempfile::TempDir),
    Server(#[expect(dead_code, reason = "kept for its end")] postgres::Database),
}

/// The key that tests use.
pub fn key() -> Key {
    Key::from_bytes([7; 32])
}

/// Options for tests: short waits.
pub fn options() -> StoreOptions {
    StoreOptions { max_connections: 4, lock_wait: Duration::from_secs(20), ..StoreOptions::new(key()) }
}

impl Database {
    pub fn sqlite() -> Database {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("store.db").display());
        Database { url, _place: Place::Folder(folder) }
    }

    pub async fn postgres() -> Option<Database> {
        let database = postgres::database().await?;
        Some(Database { url: database.url(), _place: Place::Server(database) })
    }

    /// A further empty one on the same engine.
    pub async fn another(&self) -> Database {
        match self.is_sqlite() {
            true => Database::sqlite(),
            false => Database::postgres().await.expect("the server that is there"),
        }
    }

    pub fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite")
    }

    /// Opens and migrates it.
    pub async fn store(&self) -> Store {
        self.store_with(options()).await
    }

    pub async fn store_with(&self, options: StoreOptions) -> Store {
        let store = Store::open(&self.url, options).await.expect("the database opens");
        store.migrate().await.expect("the schema is made");
        store
    }

    /// Runs SQL behind the store's back.
    pub async fn sql(&self, statements: &str) {
        use sqlx::{Connection, Executor};
        let statements = sqlx::AssertSqlSafe(statements.to_owned());
        if let Some(path) = self.url.strip_prefix("sqlite://") {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).foreign_keys(false);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("the database opens");
            connection.execute(sqlx::raw_sql(statements)).await.expect("the statements run");
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await.expect("the database opens");
            connection.execute(sqlx::raw_sql(statements)).await.expect("the statements run");
        }
    }
}

/// Runs a test on every engine that is here.
pub async fn on_each<Test, Running>(test: Test)
where
    Test: Fn(Database) -> Running,
    Running: Future<Output = ()>,
{
    eprintln!("on SQLite:");
    test(Database::sqlite()).await;
    if let Some(database) = Database::postgres().await {
        eprintln!("on PostgreSQL:");
        test(database).await;
    }
}
