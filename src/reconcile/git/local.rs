//! Repositories on this machine, read where they are.

use std::path::Path;

use git2::{ErrorCode, Repository, RepositoryOpenFlags};

use super::{
    ask::stored,
    cache,
    select::{Advert, Head},
};
use crate::reconcile::content::{FetchError, FetchReason};

/// Opens a repository, bare or with a work tree.
pub(super) fn open(path: &Path) -> Result<Repository, FetchError> {
    let ceilings: [&Path; 0] = [];
    let opened = Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, ceilings);
    let repository = opened.map_err(|error| match error.code() {
        ErrorCode::NotFound => {
            FetchError::new(FetchReason::SourceGone, format!("{} is no git repository", path.display()))
        }
        ErrorCode::Owner => FetchError::new(
            FetchReason::Untrusted,
            format!("{} belongs to another account, so it is not read; run as its owner", path.display()),
        ),
        _ => stored(&error),
    })?;
    cache::alone(&repository).map_err(|error| stored(&error))?;
    Ok(repository)
}

/// What the repository has.
pub(super) fn advert(repository: &Repository) -> Result<Advert, FetchError> {
    let mut advert = Advert::default();
    if let Ok(head) = repository.find_reference("HEAD") {
        advert.default = head.symbolic_target().ok().flatten().map(str::to_owned);
        if let Some(id) = head.resolve().ok().and_then(|head| head.target()) {
            advert.heads.push(Head { name: "HEAD".to_owned(), id });
        }
    }
    for reference in repository.references().map_err(|error| stored(&error))? {
        // A reference that cannot be read does not stand in the way of the others.
        let Ok(reference) = reference else { continue };
        let id = reference.resolve().ok().and_then(|reference| reference.target());
        if let (Ok(name), Some(id)) = (reference.name(), id) {
            advert.heads.push(Head { name: name.to_owned(), id });
        }
    }
    Ok(advert)
}
