//! A repository elsewhere, whatever way leads to it.

use git2::Repository;

use super::{ask::Ask, http::Http, limits::Limits, location::Location, native::Native, origin::Origin, select::Advert};
use crate::reconcile::content::FetchError;

/// A way to a repository.
pub(super) enum Remote<'a> {
    /// Over https.
    Http(Box<Http<'a>>),
    /// Through libgit2.
    Native(Native<'a>),
}

impl<'a> Remote<'a> {
    pub(super) fn new(
        location: &'a Location,
        origin: &'a Origin,
        limits: &'a Limits<'a>,
    ) -> Result<Remote<'a>, FetchError> {
        match location {
            Location::Http(url) => Ok(Remote::Http(Box::new(Http::new(url, origin, limits)?))),
            _ => Ok(Remote::Native(Native::new(location, origin, limits))),
        }
    }

    /// What the other side has. The cache lends its configuration.
    pub(super) fn list(&mut self, cache: &Repository) -> Result<Advert, FetchError> {
        match self {
            Remote::Http(http) => http.list(),
            Remote::Native(native) => native.list(cache),
        }
    }

    /// Brings objects into the cache.
    pub(super) fn download(&mut self, cache: &Repository, ask: &Ask) -> Result<(), FetchError> {
        match self {
            Remote::Http(http) => http.download(cache, ask),
            Remote::Native(native) => native.download(cache, ask),
        }
    }

    /// Whether blobs that are too large to be used were left out.
    pub(super) fn leaves_out_large_blobs(&self) -> bool {
        match self {
            Remote::Http(http) => http.filters(),
            Remote::Native(_) => false,
        }
    }
}
