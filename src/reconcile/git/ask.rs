//! What is asked of a remote, and what its refusals and our own failures are called.

use git2::Oid;

use crate::reconcile::content::{FetchError, FetchReason};

/// What to bring into the cache.
pub(super) struct Ask {
    /// The wanted object with the full name of a reference to it, if there is any.
    pub(super) wanted: (Option<String>, Oid),
    /// Whether every branch is wanted besides.
    pub(super) all_branches: bool,
    /// Whether the history is wanted, not only the newest commit.
    pub(super) history: bool,
}

/// The wanted object is not to be had by its id.
pub(super) fn not_given(place: &dyn std::fmt::Display, id: Oid, why: &str) -> FetchError {
    FetchError::new(FetchReason::RevisionGone, format!("{place}: does not give out {id}: {why}"))
}

/// What failed on this side while something was stored or read.
pub(super) fn stored(error: &git2::Error) -> FetchError {
    use git2::ErrorClass;
    let reason = match error.class() {
        ErrorClass::Os | ErrorClass::NoMemory | ErrorClass::Filesystem => FetchReason::Local,
        _ => FetchReason::Corrupt,
    };
    FetchError::new(reason, format!("the repository cannot be read or stored: {}", error.message()))
}
