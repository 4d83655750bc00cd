//! The engines by name, and what their errors mean.

/// Which engine, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file, or memory.
    Sqlite,
    /// A server.
    Postgres,
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Engine::Sqlite => "SQLite",
            Engine::Postgres => "PostgreSQL",
        })
    }
}

/// Whether the disk that the database is on is full.
pub(super) fn is_full(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code == "53100" || code == "13")
}

/// Whether the connection is gone, so that nobody here knows what the server did last.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_))
        // PostgreSQL: the server was told to end the session.
        || code(error).is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
}

/// Whether no connection became free in time.
pub(super) fn is_exhausted(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
}

pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}
