//! Expressions: the corpus against CPython, every function and trap with what it must give, and hostile ones.

mod corpus;
mod escape;
mod table;
mod world;

use std::time::Duration;

use gatewright::expression::{Error, Limits, Outcome, Program, Scope, Variables, compile, evaluate};

/// All variables of the world's scope, in an expression that may use both sets of names.
fn variables() -> Variables {
    let names = [
        "ldap",
        "dn",
        "source",
        "principal",
        "data",
        "group",
        "connection",
        "provider",
        "packet",
        "token",
        "prompt_context",
        "notification",
        "user",
    ];
    Variables { names: names.map(str::to_owned).to_vec(), ..Variables::policy() }
}

fn program(text: &str) -> Program {
    compile(text, &variables()).unwrap_or_else(|faults| panic!("{text}\n{faults:#?}"))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Limits that a busy test machine does not reach by being slow.
fn patient() -> Limits {
    Limits { compute: Duration::from_secs(5), ..Limits::default() }
}

fn run_with(text: &str, scope: Scope, world: &world::World) -> Result<Outcome, Error> {
    runtime().block_on(evaluate(&program(text), scope, world, &patient()))
}

/// Runs a text in the world's own scope.
fn run(text: &str) -> Result<Outcome, Error> {
    let world = world::World::new();
    let scope = world.scope();
    run_with(text, scope, &world)
}
