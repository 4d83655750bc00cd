//! Leading the conversation between a sandbox and a host.

use super::{
    Error, Host, Limits, Outcome, Program, Scope,
    asking::{Deadline, answer},
    session::{SINGLE, Session, Turn},
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
    let deadline = Deadline::after(limits.total);
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
