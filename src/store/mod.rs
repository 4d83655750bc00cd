//! The only floor that knows SQL: SQLite and PostgreSQL behind one [`Store`].

pub mod changeset;
