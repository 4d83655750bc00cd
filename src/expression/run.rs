//! Leading the conversation between a sandbox and a host.

use std::time::{Duration, Instant};

use super::{
    Error, ErrorKind, Host, HostError, Limits, Outcome, Program, Scope,
    session::{Ask, Reply, SINGLE, Session, Turn},
    worker,
};

/// Evaluates a program.
///
/// Programs whose memory is bounded by their form run at once on the caller's thread, which they leave whenever they wait
/// for the host; the others run in a worker process. A worker that dies takes nothing with it.
///
/// # Errors
///
/// The expression raised an exception, went beyond its limits, or asked to be skipped; the host refused; the worker died.
pub async fn evaluate(program: &Program, scope: Scope, host: &dyn Host, limits: &Limits) -> Result<Outcome, Error> {
    let deadline = Deadline { at: Instant::now() + limits.total, total: limits.total };
    if program.0.heavy {
        return worker::evaluate(program, scope, host, limits, deadline).await;
    }
    let (mut session, mut turn) = Session::start(program, scope, *limits, SINGLE.min(limits.memory));
    let mut calls = 0;
    loop {
        match turn {
            Turn::Done(outcome) => return Ok(*outcome),
            Turn::Failed(error) => return Err(error),
            Turn::Ask(ask) => {
                calls += 1;
                turn = session.resume(answer(host, ask, calls, limits, deadline).await?);
            }
        }
    }
}

/// When an evaluation has to be over.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    total: Duration,
}

impl Deadline {
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
    let asked = async {
        match ask {
            Ask::Attributes(objects, names) => host.attributes(&objects, &names).await.map(Reply::Attributes),
            Ask::Query(query) => host.query(query).await.map(Reply::Value),
            Ask::Call(call) => host.call(call).await.map(Reply::Value),
        }
    };
    tokio::time::timeout(deadline.left(), asked).await.map_err(|_| deadline.missed())
}
