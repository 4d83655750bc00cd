//! The schema's versions: SQL files in `migrations/`, embedded in the program.
//!
//! A database knows its version (`meta`, key `schema_version`); version n is the state after the n-th file. Files that
//! were part of a release are never edited.

/// One file of `migrations/`.
pub(super) struct Migration {
    pub name: &'static str,
    pub script: &'static str,
}

/// All files in order.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { name: "0001_objects", script: include_str!("../../migrations/0001_objects.sql") },
    Migration { name: "0002_sources", script: include_str!("../../migrations/0002_sources.sql") },
    Migration { name: "0003_former_states", script: include_str!("../../migrations/0003_former_states.sql") },
    Migration { name: "0004_secret_by_digest", script: include_str!("../../migrations/0004_secret_by_digest.sql") },
    Migration { name: "0005_server", script: include_str!("../../migrations/0005_server.sql") },
];

/// The schema version that this program reads and writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;
