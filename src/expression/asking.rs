//! Asking the host, within the limits of an evaluation.

use std::time::{Duration, Instant};

use super::{
    Error, ErrorKind, Host, HostError, Limits,
    session::{Ask, Reply},
};

/// When an evaluation has to be over.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    total: Duration,
}

impl Deadline {
    /// So much from now.
    pub fn after(total: Duration) -> Self {
        Self { at: Instant::now() + total, total }
    }

    /// What is left of the time.
    pub fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// The error of being late.
    pub fn missed(&self) -> Error {
        Error { kind: ErrorKind::Timeout(self.total), line: None }
    }
}

/// Asks the host within the evaluation's limits. Exceptions for the expression are the inner error.
pub(super) async fn answer(
    host: &dyn Host,
    ask: Ask,
    calls: usize,
    limits: &Limits,
    deadline: Deadline,
) -> Result<Result<Reply, HostError>, Error> {
    if calls > limits.calls {
        return Err(Error { kind: ErrorKind::Calls(limits.calls), line: None });
    }
    if deadline.left().is_zero() {
        return Err(deadline.missed());
    }
    let asked = async {
        match ask {
            Ask::Attributes(objects, names) => host.attributes(&objects, &names).await.map(Reply::Attributes),
            Ask::Query(query) => host.query(query).await.map(Reply::Value),
            Ask::Call(call) => host.call(call).await.map(Reply::Value),
        }
    };
    tokio::time::timeout(deadline.left(), asked).await.map_err(|_| deadline.missed())
}
