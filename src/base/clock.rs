//! Time as a parameter, so that a run can be replayed.

use std::time::{SystemTime, UNIX_EPOCH};

/// Something that knows what time it is.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970.
    fn now_us(&self) -> i64;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one clock that is not a parameter")]
    fn now_us(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}
