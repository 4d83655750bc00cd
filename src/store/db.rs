//! The two engines: the only file that names them.
//!
//! Everything else writes one SQL text with numbered placeholders and binds [`Value`]s to it. What the engines do
//! differently is here: how a file or a server is opened, how a reader gets its snapshot and a writer its turn, how
//! values are bound, and what their errors mean.

use std::{fs, os::unix::fs::OpenOptionsExt, path::Path, str::FromStr, sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use serde::de::DeserializeOwned;
use sqlx::{
    ConnectOptions, Connection, Decode, PgPool, Postgres, Row as _, Sqlite, SqlitePool, Transaction, Type,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow},
    query::Query,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
    types::Json,
};

use super::{
    StoreError,
    engine::{Engine, code},
    error::Doing,
    sql::{self, Statement, Value},
};

/// Called with the text of each statement of a commit, before it runs.
pub type Observer = Arc<dyn Fn(&str) + Send + Sync>;

/// Says of each statement, by its text, whether it is to fail as it would when the connection breaks.
pub type Faults = Arc<dyn Fn(&str) -> bool + Send + Sync>;

type Result<T> = std::result::Result<T, sqlx::Error>;

/// How long a request waits for a free connection.
const ACQUIRE: Duration = Duration::from_secs(10);
/// A writer that stops in the middle of its transaction, because its machine is paused, loses its turn after this.
const ABANDONED: &str = "60000";

/// The connections to one database.
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Where a writer's turn ends before it begins.
pub(super) enum BeginError {
    /// Someone else is writing and did not finish in time.
    Taken(String),
    Failed(sqlx::Error),
}

impl Pool {
    /// Opens a SQLite file, which is made, for its owner only, when it is missing.
    pub(super) async fn open_sqlite(path: &Path, connections: u32, wait: Duration, lasting: bool) -> Result<Pool> {
        let created = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        if let Err(error) = created
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(sqlx::Error::Io(error));
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL, not NORMAL: in WAL mode NORMAL may lose the last commits at a power cut.
            .synchronous(if lasting { SqliteSynchronous::Full } else { SqliteSynchronous::Off })
            .foreign_keys(true)
            .busy_timeout(wait)
            .row_buffer_size(500)
            .disable_statement_logging();
        let open = || {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE)
                .test_before_acquire(false)
                .connect_with(options.clone())
        };
        // The switch to WAL mode does not wait for another process that does the same.
        let started = std::time::Instant::now();
        loop {
            match open().await {
                Err(error) if is_busy(&error) && started.elapsed() < wait => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                opened => return opened.map(Pool::Sqlite),
            }
        }
    }

    /// Connects to a PostgreSQL server.
    pub(super) async fn open_postgres(url: &str, connections: u32) -> Result<Pool> {
        let options = PgConnectOptions::from_str(url)?
            .application_name(&format!("gatewright (process {})", std::process::id()))
            .disable_statement_logging();
        // The pool would go on trying and report a timeout; one attempt of our own says what is wrong.
        options.connect().await?.close().await?;
        let pool =
            PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE).connect_with(options).await?;
        Ok(Pool::Postgres(pool))
    }

    pub(super) fn engine(&self) -> Engine {
        match self {
            Pool::Sqlite(_) => Engine::Sqlite,
            Pool::Postgres(_) => Engine::Postgres,
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }

    /// A transaction that sees one state of the database, whatever is written meanwhile.
    pub(super) async fn begin_read(&self) -> Result<Tx> {
        let inner = match self {
            Pool::Sqlite(pool) => Inner::Sqlite(pool.begin().await?),
            Pool::Postgres(pool) => {
                Inner::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        };
        Ok(Tx { inner, observer: None, faults: None })
    }

    /// Runs one query outside of any transaction.
    pub(super) async fn fetch(&self, statement: Statement) -> Result<Vec<Row>> {
        Ok(match self {
            Pool::Sqlite(pool) => bind_sqlite(statement).fetch_all(pool).await?.into_iter().map(Row::Sqlite).collect(),
            Pool::Postgres(pool) => {
                bind_postgres(statement).fetch_all(pool).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// A transaction that may write beside others.
    pub(super) async fn begin(&self) -> Result<Tx> {
        let inner = match self {
            Pool::Sqlite(pool) => Inner::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Pool::Postgres(pool) => Inner::Postgres(pool.begin().await?),
        };
        Ok(Tx { inner, observer: None, faults: None })
    }

    /// A transaction that alone may write; waits for its turn.
    ///
    /// On PostgreSQL it reads what was committed before each statement (and not before the wait), so what it
    /// reads is what the writer before it left.
    pub(super) async fn begin_write(
        &self,
        wait: Duration,
        actor: &str,
        observer: Option<Observer>,
    ) -> std::result::Result<Tx, BeginError> {
        match self {
            Pool::Sqlite(pool) => {
                if let Some(observer) = &observer {
                    observer("BEGIN IMMEDIATE");
                }
                match pool.begin_with("BEGIN IMMEDIATE").await {
                    Ok(tx) => Ok(Tx { inner: Inner::Sqlite(tx), observer, faults: None }),
                    Err(error) if is_busy(&error) => Err(BeginError::Taken("another process".to_owned())),
                    Err(error) => Err(BeginError::Failed(error)),
                }
            }
            Pool::Postgres(pool) => {
                if let Some(observer) = &observer {
                    observer("BEGIN");
                }
                let tx = pool.begin().await.map_err(BeginError::Failed)?;
                let mut tx = Tx { inner: Inner::Postgres(tx), observer, faults: None };
                let label: String = format!("gatewright (process {}) for {actor}", std::process::id())
                    .chars()
                    .map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' })
                    .take(60)
                    .collect();
                let prepare = Statement::new(
                    "SELECT set_config('lock_timeout', $1, true), set_config('application_name', $2, true), \
                     set_config('idle_in_transaction_session_timeout', $3, true)",
                )
                .bind(wait.as_millis().max(1).to_string())
                .bind(label)
                .bind(ABANDONED);
                tx.fetch(prepare).await.map_err(BeginError::Failed)?;
                match tx.fetch(Statement::new("SELECT 1 FROM pg_advisory_xact_lock(723654109)")).await {
                    Ok(_) => Ok(tx),
                    Err(error) if is_busy(&error) => {
                        drop(tx);
                        Err(BeginError::Taken(self.holder().await.unwrap_or_else(|_| "another process".to_owned())))
                    }
                    Err(error) => Err(BeginError::Failed(error)),
                }
            }
        }
    }

    /// Who holds the writers' lock of a PostgreSQL database.
    async fn holder(&self) -> Result<String> {
        let mut tx = self.begin_read().await?;
        let rows = tx
            .fetch(Statement::new(
                "SELECT a.application_name, COALESCE(host(a.client_addr), 'the server''s own machine'), \
                 CAST(EXTRACT(EPOCH FROM clock_timestamp() - a.xact_start) AS BIGINT) \
                 FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
                 WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = 723654109 \
                 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            ))
            .await?;
        match rows.first() {
            Some(row) => {
                Ok(format!("{}, connected from {}, for {} s already", row.text(0)?, row.text(1)?, row.int(2)?))
            }
            None => Ok("another process, which has finished since".to_owned()),
        }
    }

    /// Version of the library or server.
    pub(super) async fn version(&self) -> Result<String> {
        let mut tx = self.begin_read().await?;
        let query = match self {
            Pool::Sqlite(_) => "SELECT sqlite_version()",
            Pool::Postgres(_) => "SELECT current_setting('server_version')",
        };
        tx.fetch(Statement::new(query)).await?.first().map_or(Ok(String::new()), |row| row.text(0))
    }
}

/// A transaction on either engine; rolled back when dropped.
pub(super) struct Tx {
    inner: Inner,
    observer: Option<Observer>,
    faults: Option<Faults>,
}

enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Runs a statement and gives the number of rows that it wrote.
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<u64> {
        self.observe(statement.text())?;
        match &mut self.inner {
            Inner::Sqlite(tx) => Ok(bind_sqlite(statement).execute(&mut **tx).await?.rows_affected()),
            Inner::Postgres(tx) => Ok(bind_postgres(statement).execute(&mut **tx).await?.rows_affected()),
        }
    }

    /// Runs a query and gives all its rows.
    pub(super) async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>> {
        self.observe(statement.text())?;
        match &mut self.inner {
            Inner::Sqlite(tx) => {
                let rows = bind_sqlite(statement).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Inner::Postgres(tx) => {
                let rows = bind_postgres(statement).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Runs a query and hands each row on as it comes, without keeping them: for results of many rows.
    pub(super) async fn fetch_each(
        &mut self,
        doing: &'static str,
        statement: Statement,
        mut take: impl FnMut(Row) -> std::result::Result<(), StoreError> + Send,
    ) -> std::result::Result<(), StoreError> {
        self.observe(statement.text()).doing(doing)?;
        match &mut self.inner {
            Inner::Sqlite(tx) => {
                let mut rows = bind_sqlite(statement).fetch(&mut **tx);
                while let Some(row) = rows.try_next().await.doing(doing)? {
                    take(Row::Sqlite(row))?;
                }
            }
            Inner::Postgres(tx) => {
                let mut rows = bind_postgres(statement).fetch(&mut **tx);
                while let Some(row) = rows.try_next().await.doing(doing)? {
                    take(Row::Postgres(row))?;
                }
            }
        }
        Ok(())
    }

    /// Runs a migration, which may hold several statements.
    pub(super) async fn execute_script(&mut self, script: &'static str) -> Result<()> {
        self.observe(script)?;
        match &mut self.inner {
            Inner::Sqlite(tx) => sqlx::raw_sql(sql::without_collation(script)).execute(&mut **tx).await.map(drop),
            Inner::Postgres(tx) => sqlx::raw_sql(script).execute(&mut **tx).await.map(drop),
        }
    }

    pub(super) async fn has_table(&mut self, name: &'static str) -> Result<bool> {
        let query = match &self.inner {
            Inner::Sqlite(_) => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1",
            Inner::Postgres(_) => {
                "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1"
            }
        };
        let rows = self.fetch(Statement::new(query).bind(name)).await?;
        rows.first().map_or(Ok(false), |row| Ok(row.int(0)? > 0))
    }

    pub(super) async fn commit(self) -> Result<()> {
        self.observe("COMMIT")?;
        match self.inner {
            Inner::Sqlite(tx) => tx.commit().await,
            Inner::Postgres(tx) => tx.commit().await,
        }
    }

    pub(super) async fn rollback(self) -> Result<()> {
        match self.inner {
            Inner::Sqlite(tx) => tx.rollback().await,
            Inner::Postgres(tx) => tx.rollback().await,
        }
    }

    fn observe(&self, text: &str) -> Result<()> {
        if let Some(observer) = &self.observer {
            observer(text);
        }
        match &self.faults {
            Some(faults) if faults(text) => Err(sqlx::Error::Io(std::io::Error::other("a planted fault"))),
            _ => Ok(()),
        }
    }

    /// The transaction with statements that fail when told to.
    pub(super) fn with_faults(mut self, faults: Option<Faults>) -> Tx {
        self.faults = faults;
        self
    }
}

/// A row of either engine.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(super) fn text(&self, column: usize) -> Result<String> {
        self.get(column)
    }

    pub(super) fn str(&self, column: usize) -> Result<&str> {
        self.get(column)
    }

    pub(super) fn int(&self, column: usize) -> Result<i64> {
        self.get(column)
    }

    pub(super) fn maybe_int(&self, column: usize) -> Result<Option<i64>> {
        self.get(column)
    }

    pub(super) fn maybe_text(&self, column: usize) -> Result<Option<String>> {
        self.get(column)
    }

    pub(super) fn maybe_bytes(&self, column: usize) -> Result<Option<Vec<u8>>> {
        self.get(column)
    }

    pub(super) fn bytes(&self, column: usize) -> Result<Vec<u8>> {
        self.get(column)
    }

    pub(super) fn json<T: DeserializeOwned + 'static>(&self, column: usize) -> Result<T> {
        self.get::<Json<T>>(column).map(|json| json.0)
    }

    fn get<'r, T>(&'r self, column: usize) -> Result<T>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        }
    }
}

fn bind_sqlite(statement: Statement) -> Query<'static, Sqlite, SqliteArguments> {
    let (text, values) = statement.into_sqlite_parts();
    let mut query = sqlx::query(text);
    for value in values {
        query = match value {
            Value::Text(text) => query.bind(text),
            Value::Int(number) => query.bind(number),
            Value::MaybeText(text) => query.bind(text),
            Value::MaybeInt(number) => query.bind(number),
            Value::Bytes(bytes) => query.bind(bytes),
            // As text: SQLite would take a JSON type for a number and destroy the value.
            Value::Json(json) => query.bind(json.to_string()),
        };
    }
    query
}

fn bind_postgres(statement: Statement) -> Query<'static, Postgres, PgArguments> {
    let (text, values) = statement.into_parts();
    let mut query = sqlx::query(text);
    for value in values {
        query = match value {
            Value::Text(text) => query.bind(text),
            Value::Int(number) => query.bind(number),
            Value::MaybeText(text) => query.bind(text),
            Value::MaybeInt(number) => query.bind(number),
            Value::Bytes(bytes) => query.bind(bytes),
            Value::Json(json) => query.bind(Json(json)),
        };
    }
    query
}

/// Whether someone else holds a lock that was waited for. PostgreSQL, whose codes have five characters: lock not
/// available. SQLite, whose codes are smaller numbers: the primary code 5 is in the low byte.
fn is_busy(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| {
        code == "55P03" || code.len() < 5 && code.parse::<u32>().is_ok_and(|number| number & 0xff == 5)
    })
}
