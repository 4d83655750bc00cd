//! The only floor that knows SQL: SQLite and PostgreSQL behind one [`Store`].
//!
//! | file | job |
//! |---|---|
//! | `db` | the engines: opening, snapshots, the writers' turn, binding; nothing else names an engine |
//! | `sql` | statements with lists of placeholders; nothing else builds SQL text |
//! | `migrations`, `migrate` | versions of the schema, and going from one to the next |
//! | `meta` | what a database knows about itself |
//! | `read` | [`Reader`]: objects out of one snapshot |
//! | `changeset`, `commit` | what a transaction writes, and writing it |
//! | `audit` | the change log and its hash chain |
//! | `former` | what changes took away, sealed, for rollbacks |
//! | `names` | what objects are or were called |
//! | `runs` | the record of each application of a plan and of each attempt at one |
//! | `sources` | where each source of blueprints stands, requests to it, and who may write for it |
//! | `seal`, `password` | the key of the store, sealed secrets, password hashes |
//! | `sessions`, `executions`, `events`, `counters` | what churns while the server runs |
//!
//! Writers of objects take turns, one at a time over all processes; readers never wait and never make a writer wait.
//! What churns is written in short transactions of its own, which on PostgreSQL wait for nobody.

mod audit;
mod canonical;
pub mod changeset;
mod commit;
mod counters;
mod db;
mod devices;
mod engine;
mod error;
mod events;
mod executions;
mod former;
mod meta;
mod migrate;
mod migrations;
mod names;
pub mod password;
mod people;
mod read;
mod runs;
pub mod seal;
mod sessions;
mod sources;
mod sql;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use uuid::Uuid;
use zeroize::Zeroizing;

pub use audit::{AuditFault, AuditReport, ChangeRecord};
pub use commit::Committed;
pub use counters::{Attempts, Reputation};
pub use db::{Faults, Observer};
pub use devices::DeviceUse;
pub use engine::Engine;
pub use error::{Broken, DanglingEdge, Found, LastChange, StoreError};
pub use events::{EventFilter, EventRecord};
pub use executions::{Execution, FlowToken, Resumed, Saved};
pub use former::{Former, FormerSecret, Undoable};
pub use migrations::SCHEMA_VERSION;
pub use names::{LastName, SECRET};
pub use password::{Checked, LONGEST_PASSWORD, PasswordError, check_password, try_password, verify_password};
pub use people::PersonField;
pub use read::Reader;
pub use runs::RunRecord;
pub use seal::{Key, KeyError};
pub use sessions::{Session, SessionWrite};
pub use sources::{Poll, SourceRecord};

use db::{BeginError, Pool, Tx};
use error::Doing;
use meta::Meta;
use sql::Statement;

/// How a store is opened.
#[derive(Clone)]
pub struct StoreOptions {
    /// The key for secrets.
    pub key: Key,
    /// Connections at most, at least 2.
    pub max_connections: u32,
    /// Rows per statement at most when writing; rows of many columns go in smaller statements.
    pub batch_rows: usize,
    /// Called before each statement of a commit; for tests.
    pub observer: Option<Observer>,
    /// Has statements fail; for tests.
    pub faults: Option<Faults>,
    /// How long a writer waits for its turn.
    pub lock_wait: Duration,
    /// Identity of a store that is made; random when none is given. Without effect on one that exists.
    pub instance: Option<Uuid>,
}

impl StoreOptions {
    /// The usual options.
    pub fn new(key: Key) -> StoreOptions {
        StoreOptions {
            key,
            max_connections: 8,
            batch_rows: 200,
            observer: None,
            faults: None,
            lock_wait: Duration::from_secs(30),
            instance: None,
        }
    }
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    options: StoreOptions,
    /// The turn among the writers of this process, so that they queue fairly and hold no connection meanwhile.
    turn: tokio::sync::Mutex<()>,
    /// Who has the turn.
    holder: Mutex<Option<String>>,
    /// Folder of a store that is not meant to last.
    passing: Option<PathBuf>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(folder) = &self.passing
            && let Err(error) = fs::remove_dir_all(folder)
        {
            tracing::warn!(folder = %folder.display(), %error, "the folder of a passing store stays behind");
        }
    }
}

/// The right to write, for the length of one transaction.
struct Turn<'a> {
    tx: Tx,
    _held: Option<Held<'a>>,
}

struct Held<'a> {
    holder: &'a Mutex<Option<String>>,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// The state of a store, for `gatewright check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreCheck {
    /// The engine.
    pub engine: Engine,
    /// Version of the engine's library or server.
    pub engine_version: String,
    /// Version of the schema; 0 when there is none yet.
    pub schema_version: i64,
    /// Identity of the store; nil when there is none yet.
    pub instance: Uuid,
    /// Revision of the last commit.
    pub revision: i64,
    /// Number of objects.
    pub objects: i64,
}

impl Store {
    /// Opens a database, without changing its schema.
    ///
    /// `sqlite://path` is a file, taken word for word, which is made when missing; `sqlite::memory:` is a store
    /// that ends with the last clone of this handle (a private file in the folder for temporary files, since a database
    /// in memory has no snapshots that a writer leaves alone); `postgres://…` is a server.
    ///
    /// # Errors
    /// When the database cannot be reached, is newer than this program, or belongs to another key.
    pub async fn open(url: &str, options: StoreOptions) -> Result<Store, StoreError> {
        let connections = options.max_connections.max(2);
        let mut passing = None;
        let pool = if url == "sqlite::memory:" {
            let folder = std::env::temp_dir().join(format!("gatewright-{}", Uuid::new_v4()));
            let path = folder.join("store.db");
            let made = make_private_folder(&folder).map_err(sqlx::Error::Io);
            passing = Some(folder);
            match made {
                Ok(()) => Pool::open_sqlite(&path, connections, options.lock_wait, false).await,
                Err(error) => Err(error),
            }
            .map_err(|source| StoreError::Open { engine: Engine::Sqlite, at: None, source })?
        } else if let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
            if path.is_empty() || path.contains('?') {
                return Err(StoreError::Url);
            }
            Pool::open_sqlite(Path::new(path), connections, options.lock_wait, true)
                .await
                .map_err(|source| StoreError::Open { engine: Engine::Sqlite, at: Some(path.to_owned()), source })?
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Pool::open_postgres(url, connections).await.map_err(|source| match source {
                sqlx::Error::Configuration(_) => StoreError::Url,
                source => StoreError::Open { engine: Engine::Postgres, at: None, source },
            })?
        } else {
            return Err(StoreError::Url);
        };
        let inner = Inner { pool, options, turn: tokio::sync::Mutex::default(), holder: Mutex::default(), passing };
        let store = Store { inner: Arc::new(inner) };
        let (_, meta) = store.begin_read().await?;
        meta.refuse_newer()?;
        meta.refuse_other_key(&store.inner.options.key)?;
        Ok(store)
    }

    /// One consistent snapshot; what is committed later is not seen.
    ///
    /// # Errors
    /// When the database fails, or its schema is not this program's.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        let (tx, meta) = self.begin_read().await?;
        meta.require_current()?;
        Ok(Reader::new(tx, meta))
    }

    /// The revision of the last commit, in one cheap query.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revision(&self) -> Result<i64, StoreError> {
        let query = Statement::new("SELECT value FROM meta WHERE key = $1").bind(meta::REVISION);
        let rows = self.look(query, "reading the revision").await?;
        let text = rows.first().map(|row| row.text(0)).transpose().doing("reading the revision")?;
        text.map_or(Ok(0), |text| text.parse().map_err(|_| StoreError::Corrupt { what: "the table meta".into() }))
    }

    /// Opens a sealed secret; nothing when the field has no value.
    ///
    /// # Errors
    /// When the database fails or the sealed value was tampered with.
    pub async fn reveal(&self, object: Uuid, field: &str) -> Result<Option<Zeroizing<String>>, StoreError> {
        let (mut tx, meta) = self.begin_read().await?;
        meta.require_current()?;
        let query = Statement::new("SELECT sealed FROM secret WHERE object = $1 AND field = $2");
        let rows = tx.fetch(query.bind(object).bind(field)).await.doing("reading a secret")?;
        let Some(row) = rows.first() else { return Ok(None) };
        let sealed = row.bytes(0).doing("reading a secret")?;
        let plain = self
            .inner
            .options
            .key
            .unseal(&secret_context(object, field), &sealed)
            .map_err(|source| StoreError::Unseal { object, field: field.to_owned(), source })?;
        match std::str::from_utf8(&plain) {
            Ok(text) => Ok(Some(Zeroizing::new(text.to_owned()))),
            Err(_) => Err(StoreError::Corrupt { what: format!("the secret {field} of {object}") }),
        }
    }

    /// Whether the database answers, and what it holds.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn check(&self) -> Result<StoreCheck, StoreError> {
        let engine_version = self.inner.pool.version().await.doing("asking for the engine's version")?;
        let (mut tx, meta) = self.begin_read().await?;
        let objects = if meta.schema_version == 0 {
            0
        } else {
            let rows = tx.fetch(Statement::new("SELECT COUNT(*) FROM object")).await.doing("counting objects")?;
            rows.first().map_or(Ok(0), |row| row.int(0)).doing("counting objects")?
        };
        Ok(StoreCheck {
            engine: self.inner.pool.engine(),
            engine_version,
            schema_version: meta.schema_version,
            instance: meta.instance,
            revision: meta.revision,
            objects,
        })
    }

    /// The key that the store was opened with.
    pub fn key(&self) -> &Key {
        &self.inner.options.key
    }

    /// Closes all connections, after the transactions under way.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    async fn begin_read(&self) -> Result<(Tx, Meta), StoreError> {
        let tx = self.inner.pool.begin_read().await.doing("beginning to read")?;
        let mut tx = tx.with_faults(self.inner.options.faults.clone());
        let meta = if tx.has_table("meta").await.doing("looking for the schema")? {
            meta::read(&mut tx).await?
        } else {
            Meta::default()
        };
        Ok((tx, meta))
    }

    /// A short transaction for what churns. On SQLite, which has one writer, it takes its turn with the others; on
    /// PostgreSQL it waits for nobody.
    async fn begin_churn(&self) -> Result<Turn<'_>, StoreError> {
        let inner = &*self.inner;
        if inner.pool.engine() == Engine::Sqlite {
            return self.begin_write("the server", None).await;
        }
        let tx = inner.pool.begin().await.doing("beginning to write")?;
        Ok(Turn { tx: tx.with_faults(inner.options.faults.clone()), _held: None })
    }

    /// Waits for the turn to write, first within the process and then among processes.
    async fn begin_write(&self, actor: &str, observer: Option<Observer>) -> Result<Turn<'_>, StoreError> {
        let inner = &*self.inner;
        let wait = inner.options.lock_wait;
        let started = Instant::now();
        let locked = |holder| StoreError::Locked { holder, waited: started.elapsed() };
        let Ok(turn) = tokio::time::timeout(wait, inner.turn.lock()).await else {
            let holder = inner.holder.lock().unwrap_or_else(PoisonError::into_inner).clone();
            return Err(locked(format!("this process, for {}", holder.unwrap_or_else(|| "an unknown actor".into()))));
        };
        let held = Held { holder: &inner.holder, _turn: turn };
        *inner.holder.lock().unwrap_or_else(PoisonError::into_inner) = Some(actor.to_owned());
        let left = wait.saturating_sub(started.elapsed());
        match inner.pool.begin_write(left, actor, observer).await {
            Ok(tx) => Ok(Turn { tx: tx.with_faults(inner.options.faults.clone()), _held: Some(held) }),
            Err(BeginError::Taken(holder)) => Err(locked(holder)),
            Err(BeginError::Failed(error)) => Err(error).doing("beginning to write"),
        }
    }
}

/// Where a sealed secret belongs.
fn secret_context(object: Uuid, field: &str) -> String {
    format!("secret/{object}/{field}")
}

fn make_private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(path)
}
