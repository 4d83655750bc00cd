//! What can go wrong at the store: what happened, to what, and what to do.

use std::{fmt, time::Duration};

use uuid::Uuid;

use super::{
    changeset::Precondition,
    engine,
    password::PasswordError,
    seal::{KeyError, UnsealError},
};

/// A failed act of the store. Unless it says otherwise, nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL is of no known form. The URL itself is not repeated, since it may hold a password.
    #[error(
        "the database URL is not understood; write sqlite://path/to/file.db, sqlite::memory: or \
         postgres://user:password@host/name"
    )]
    Url,
    /// The database could not be opened.
    #[error("cannot open the {engine} database{}", at.as_ref().map(|at| format!(" {at}")).unwrap_or_default())]
    Open {
        /// Which engine.
        engine: engine::Engine,
        /// The file, if it is one.
        at: Option<String>,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The database was last written with another key.
    #[error(
        "this database was made with the key {expected} and cannot be used with the key {given}: its secrets would not \
         open; give the key file that belongs to it, or restore a database that belongs to this key"
    )]
    WrongKey {
        /// Fingerprint that the database remembers.
        expected: String,
        /// Fingerprint of the key given.
        given: String,
    },
    /// The schema is newer than this program.
    #[error(
        "the database has schema version {found} and this program knows {known} at most; run the newer release that \
         migrated it"
    )]
    TooNew {
        /// Version of the database.
        found: i64,
        /// Newest version known.
        known: i64,
    },
    /// The schema is older than this program needs, or there is none.
    #[error(
        "the database has schema version {found} and this program needs {known}; `gatewright serve` \
         and `gatewright apply` bring it up to date"
    )]
    NotMigrated {
        /// Version of the database; 0 when it is empty.
        found: i64,
        /// Version needed.
        known: i64,
    },
    /// A migration failed and was undone.
    #[error("the migration {name} failed and was undone; the database is as it was")]
    Migration {
        /// Name of the migration.
        name: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// Someone else is writing.
    #[error("another writer held the database for {} s: {holder}; try again when it is done", waited.as_secs_f32())]
    Locked {
        /// Who, as far as is known.
        holder: String,
        /// How long this writer waited.
        waited: Duration,
    },
    /// The store is not as it was when the changeset was made.
    #[error("the plan is stale, make it anew; since it was made{}", list(.0))]
    Stale(Vec<Broken>),
    /// Two objects with one natural identifier or number.
    #[error("{key} = {value:?} is taken in {scope}: {object} cannot have it{}",
        holder.map(|holder| format!(" because {holder} has it")).unwrap_or_default())]
    Duplicate {
        /// Kind or family within which it must be unique.
        scope: String,
        /// The key: its fields joined with `+`, or `number`.
        key: String,
        /// The value as indexed.
        value: String,
        /// The object that wanted it.
        object: Uuid,
        /// The object that has it, if it is another one.
        holder: Option<Uuid>,
    },
    /// References to objects that would not exist after the commit.
    #[error("references would point to nothing:{}", list(.0))]
    Dangling(Vec<DanglingEdge>),
    /// The changeset contradicts itself or the declarations of its kinds. A defect of the planner, not of its input.
    #[error("the changeset cannot be written: object {object}: {problem}")]
    Unfit {
        /// The object.
        object: Uuid,
        /// What is wrong with its write.
        problem: String,
    },
    /// The lease of a source ended before its plan was committed.
    #[error("another process has taken over the source {0}; its plan is left to that one")]
    Fenced(String),
    /// A text contains U+0000, which the database cannot keep.
    #[error("{what} contains the character U+0000, which cannot be stored; remove it")]
    Nul {
        /// The object, or the part of the run.
        what: String,
    },
    /// A scope's integer keys are used up.
    #[error("no integer key is left in {scope}: the API's keys end at 2147483647")]
    NumbersExhausted {
        /// Kind or family.
        scope: &'static str,
    },
    /// A secret does not open.
    #[error("the secret {field} of {object} cannot be read; set it anew")]
    Unseal {
        /// The object.
        object: Uuid,
        /// The field.
        field: String,
        /// Why.
        #[source]
        source: UnsealError,
    },
    /// A secret could not be sealed.
    #[error("a secret could not be sealed")]
    Seal(#[from] KeyError),
    /// A password could not be hashed.
    #[error("a password could not be hashed")]
    Password(#[from] PasswordError),
    /// The disk of the database is full.
    #[error("the disk of the database is full, {doing} failed; free some space, reading goes on meanwhile")]
    Full {
        /// What was being done.
        doing: &'static str,
        /// The engine's words.
        #[source]
        source: sqlx::Error,
    },
    /// No connection was free.
    #[error("no database connection became free in time for {doing}; the server is overloaded")]
    Exhausted {
        /// What was to be done.
        doing: &'static str,
    },
    /// The connection broke during the commit itself.
    #[error(
        "the connection to the database broke during the commit: either all of it was written or nothing; plan again to \
         see which"
    )]
    Undecided(#[source] sqlx::Error),
    /// A stored value is not what this program writes.
    #[error("the database holds something unreadable in {what}; it was changed by hand or is damaged")]
    Corrupt {
        /// Where.
        what: String,
    },
    /// Anything else that the engine reports.
    #[error("the database failed at {doing}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The engine's words.
        #[source]
        source: sqlx::Error,
    },
}

/// A precondition that does not hold, and what is there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What was expected.
    pub expected: Precondition,
    /// What was found.
    pub found: Found,
    /// The last change of the object in question, if the log has one.
    pub last_change: Option<LastChange>,
}

/// What stands where a precondition expected something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The object is gone.
    Gone,
    /// The object is of another revision.
    Revision(i64),
    /// An object of this id exists.
    Exists,
    /// The identifier belongs to this object.
    KeyOf(Uuid),
    /// The identifier belongs to no object.
    NoKey,
}

/// Who touched an object last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastChange {
    /// The run.
    pub run: i64,
    /// Microseconds since 1970.
    pub at: i64,
    /// Who asked for the run.
    pub actor: String,
    /// `create`, `update` or `delete`.
    pub action: String,
    /// The object's name then.
    pub name: String,
}

/// A reference whose target would not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DanglingEdge {
    /// The object that refers.
    pub object: Uuid,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The reference field.
    pub field: String,
    /// The missing object.
    pub target: Uuid,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.expected, &self.found) {
            (Precondition::Revision(id, _), Found::Gone) => write!(f, "{id} was deleted")?,
            (Precondition::Revision(id, before), Found::Revision(now)) => {
                write!(f, "{id} was changed (revision {before} then, {now} now)")?;
            }
            (Precondition::Missing(id), _) => write!(f, "{id} was created")?,
            (Precondition::FreeKey(scope, key, value), Found::KeyOf(id)) => {
                write!(f, "{key} = {value:?} in {scope} was taken by {id}")?;
            }
            (Precondition::KeyOf(scope, key, value, id), Found::KeyOf(other)) => {
                write!(f, "{key} = {value:?} in {scope} went from {id} to {other}")?;
            }
            (Precondition::KeyOf(scope, key, value, id), _) => {
                write!(f, "{key} = {value:?} in {scope} was given up by {id}")?;
            }
            (expected, found) => write!(f, "{expected:?} became {found:?}")?,
        }
        match &self.last_change {
            Some(last) => write!(f, ": {} of {:?} by {} in run {}", last.action, last.name, last.actor, last.run),
            None => Ok(()),
        }
    }
}

impl fmt::Display for DanglingEdge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} {:?} ({}) refers to {}, which does not exist",
            self.field, self.kind, self.name, self.object, self.target
        )
    }
}

/// Items one a line; the error's value holds all of them, its text the first ones.
fn list<T: fmt::Display>(items: &[T]) -> String {
    const SHOWN: usize = 20;
    let mut text: String = items.iter().take(SHOWN).map(|item| format!("\n  {item}")).collect();
    if items.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", items.len() - SHOWN));
    }
    text
}

/// Says what was being done when the engine failed.
pub(super) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| {
            if engine::is_full(&source) {
                StoreError::Full { doing, source }
            } else if engine::is_exhausted(&source) {
                StoreError::Exhausted { doing }
            } else {
                StoreError::Database { doing, source }
            }
        })
    }
}
