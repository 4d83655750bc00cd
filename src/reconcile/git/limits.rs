//! What one fetch may still cost.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::reconcile::content::{Budget, FetchError, FetchReason};

/// Longest silence of the other side.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// Longest time until a connection stands.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// Largest commit or tag that is looked at, in bytes.
pub(super) const LARGEST_COMMIT: usize = 1 << 20;

/// The budget of a fetch under way.
pub(super) struct Limits<'a> {
    pub(super) budget: &'a Budget,
    deadline: Instant,
    cancelled: &'a AtomicBool,
    received: AtomicU64,
}

/// Why a fetch has to end before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Cancelled,
    TimedOut,
    TooManyBytes,
    TooManyObjects,
}

impl<'a> Limits<'a> {
    pub(super) fn new(budget: &'a Budget, cancelled: &'a AtomicBool) -> Limits<'a> {
        Limits { budget, deadline: Instant::now() + budget.time, cancelled, received: AtomicU64::new(0) }
    }

    /// Time that is left.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether the fetch may go on.
    pub(super) fn check(&self) -> Result<(), Stop> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(Stop::Cancelled)
        } else if self.left().is_zero() {
            Err(Stop::TimedOut)
        } else if self.received.load(Ordering::Relaxed) > self.budget.received {
            Err(Stop::TooManyBytes)
        } else {
            Ok(())
        }
    }

    /// Counts bytes that came in.
    pub(super) fn receive(&self, bytes: usize) -> Result<(), Stop> {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.check()
    }

    /// Whether a pack of so many objects may be taken.
    pub(super) fn objects(&self, objects: usize) -> Result<(), Stop> {
        if objects as u64 > self.budget.objects { Err(Stop::TooManyObjects) } else { self.check() }
    }

    /// What to tell about `place`.
    pub(super) fn error(&self, stop: Stop, place: &dyn std::fmt::Display) -> FetchError {
        let Budget { received, objects, time, .. } = self.budget;
        match stop {
            Stop::Cancelled => FetchError::new(FetchReason::Local, format!("{place}: the fetch was called off")),
            Stop::TimedOut => FetchError::new(
                FetchReason::TimedOut,
                format!(
                    "{place}: not done after {time:?}; the server is slow or hangs, or the repository is too large"
                ),
            ),
            Stop::TooManyBytes => FetchError::new(
                FetchReason::TooLarge,
                format!(
                    "{place}: sends more than {received} bytes; keep large files out of the repository, or raise the limit"
                ),
            ),
            Stop::TooManyObjects => FetchError::new(
                FetchReason::TooLarge,
                format!("{place}: sends more than {objects} objects; use a smaller repository, or raise the limit"),
            ),
        }
    }
}
