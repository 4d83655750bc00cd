//! Whether one commit follows from another.

use std::collections::{BTreeSet, HashSet};

use git2::{ErrorCode, Oid, Repository};

use super::{
    ask::stored,
    limits::{LARGEST_COMMIT, Limits},
};
use crate::reconcile::content::{FetchError, FetchReason};

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Descent {
    /// It does.
    Follows,
    /// It does not: the whole history is known.
    Differs,
    /// The known history ends before that is clear.
    Unclear,
}

/// Whether `new` is `old` or comes after it. `shallow` are the commits whose parents are not here.
pub(super) fn descends(
    repository: &Repository,
    new: Oid,
    old: Oid,
    shallow: &BTreeSet<Oid>,
    limits: &Limits<'_>,
    place: &dyn std::fmt::Display,
) -> Result<Descent, FetchError> {
    let (mut open, mut seen) = (vec![new], HashSet::from([new]));
    let odb = repository.odb().map_err(|error| stored(&error))?;
    let mut cut = false;
    while let Some(id) = open.pop() {
        if id == old {
            return Ok(Descent::Follows);
        }
        limits.objects(seen.len()).map_err(|stop| limits.error(stop, place))?;
        if shallow.contains(&id) {
            cut = true;
            continue;
        }
        // Looked at before it is inflated.
        if odb.read_header(id).is_ok_and(|(size, _)| size > LARGEST_COMMIT) {
            return Err(FetchError::new(FetchReason::TooLarge, format!("{place}: the commit {id} is too large")));
        }
        match repository.find_commit(id) {
            Ok(commit) => open.extend(commit.parent_ids().filter(|parent| seen.insert(*parent))),
            Err(error) if error.code() == ErrorCode::NotFound => cut = true,
            Err(error) => return Err(stored(&error)),
        }
    }
    Ok(if cut { Descent::Unclear } else { Descent::Differs })
}
