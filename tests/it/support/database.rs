//! A database for a test, on each engine that is here.

use std::{future::Future, time::Duration};

use gatewright::store::{Key, Store, StoreOptions};

use super::postgres;

/// An empty database.
pub struct Database {
    /// For [`Store::open`] and for SQL by hand.
    pub url: String,
    place: Place,
}

enum Place {
    Folder(#[expect(dead_code, reason = "kept for its end")] tempfile::TempDir),
    Server(postgres::Database),
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
        Database { url, place: Place::Folder(folder) }
    }

    pub async fn postgres() -> Option<Database> {
        let database = postgres::database().await?;
        Some(Database { url: database.url(), place: Place::Server(database) })
    }

    /// A further empty one on the same engine.
    pub async fn another(&self) -> Database {
        match self.is_sqlite() {
            true => Database::sqlite(),
            false => Database::postgres().await.expect("the server that is there"),
        }
    }

    /// A copy of it as it lies there, with what a killed process left beside it; on a server nobody may be connected
    /// to it meanwhile.
    pub async fn copy(&self) -> Database {
        if let Place::Server(database) = &self.place {
            let database = database.copy().await;
            return Database { url: database.url(), place: Place::Server(database) };
        }
        let copy = Database::sqlite();
        let file = |database: &Database| database.url.trim_start_matches("sqlite://").to_owned();
        for end in ["", "-wal"] {
            match std::fs::copy(file(self) + end, file(&copy) + end) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                copied => drop(copied.expect("it is copied")),
            }
        }
        copy
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

    /// Every row of every table, in whatever form; equal for equal content only.
    pub async fn dump(&self) -> Vec<String> {
        Database::dump_of(&self.url).await
    }

    /// The same of a database that somebody else has made.
    pub async fn dump_of(url: &str) -> Vec<String> {
        use sqlx::{Connection, query_scalar};
        let one = |parts: &[&str]| sqlx::AssertSqlSafe(parts.concat());
        if let Some(path) = url.strip_prefix("sqlite://") {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("the database opens");
            let check: String = query_scalar("PRAGMA quick_check").fetch_one(&mut connection).await.expect("a check");
            assert_eq!(check, "ok", "the file is damaged");
            let tables = "SELECT name || '(' || (SELECT group_concat('quote(\"' || name || '\")', '||'',''||') \
                FROM pragma_table_info(t.name)) || ')' FROM sqlite_master t WHERE type = 'table' ORDER BY name";
            let tables: Vec<String> = query_scalar(tables).fetch_all(&mut connection).await.expect("the tables");
            let mut rows = Vec::new();
            for table in tables {
                let (name, columns) = table.split_once('(').expect("a list of columns");
                let query = one(&["SELECT '", name, " ' || (", columns, " AS line FROM \"", name, "\" ORDER BY line"]);
                let mut found: Vec<String> = query_scalar(query).fetch_all(&mut connection).await.expect("the rows");
                rows.append(&mut found);
            }
            connection.close().await.expect("the connection closes");
            rows
        } else {
            let mut connection = sqlx::PgConnection::connect(url).await.expect("the database opens");
            let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
            let tables: Vec<String> = query_scalar(tables).fetch_all(&mut connection).await.expect("the tables");
            let mut rows = Vec::new();
            for table in tables {
                let query = one(&["SELECT '", &table, " ' || t::text FROM \"", &table, "\" t ORDER BY 1"]);
                let mut found: Vec<String> = query_scalar(query).fetch_all(&mut connection).await.expect("the rows");
                rows.append(&mut found);
            }
            connection.close().await.expect("the connection closes");
            rows
        }
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
