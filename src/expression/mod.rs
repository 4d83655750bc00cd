//! Sandboxed expressions: the language of expression policies, property mappings and prompts.
//!
//! [`compile`] turns a text into a [`Program`] or says where and why it cannot; [`evaluate`] runs a program on a
//! [`Scope`], asking a [`Host`] for everything that is not computing, within [`Limits`]. An expression has no ambient
//! authority: no file, network, process, environment or clock but through the host. Anything that goes wrong is an
//! [`Error`], and callers take an error for a denial.
//!
//! The engine behind it is private to this module; `docs/decisions/0008-expressions.md` tells which and why.

mod asking;
mod bridge;
mod builtins;
mod calls;
mod ending;
mod host;
mod lookup;
mod places;
mod prelude;
mod program;
mod pure;
mod rewrite;
mod run;
mod session;
mod value;
mod weight;
pub mod worker;

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::{
    host::{Answer, Call, Condition, Host, HostError, HttpBody, HttpCall, Names, ObjectRef, Query, Relate, Step},
    lookup::{Lookup, Test},
    program::{Program, compile},
    run::evaluate,
    value::{Handle, Map, TimeDelta, Value},
};

/// Why a text is no expression, or what is doubtful about it. Several can come from one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line within the expression, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// How many characters it spans on its line, at least 1.
    pub width: u32,
    /// The name of what is not supported (`class with bases`, `import of os`), `syntax` for text that is no Python,
    /// `name` for a name that nothing defines.
    pub construct: String,
    /// What is wrong.
    pub message: String,
    /// What to do instead, where that is known.
    pub help: Option<String>,
}

/// Which names an expression finds defined, besides the functions and modules that every expression has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Variables {
    /// What the expression is for.
    pub purpose: Purpose,
    /// Names beyond those that the purpose brings: `ldap`, `provider`, `prompt_context`, …
    pub names: Vec<String>,
}

/// What an expression is for; decides the variables that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Purpose {
    /// An expression policy: `request`, `context`, `ak_message`, `ak_is_sso_flow`, `http_request`, `ak_client_ip`.
    #[default]
    Policy,
    /// A property mapping or prompt expression: `request`, `context`, `user`, `http_request`, `SkipObject`.
    Mapping,
}

impl Variables {
    /// The variables of expression policies.
    pub fn policy() -> Self {
        Self::default()
    }

    /// The variables of mappings and prompts with these further names.
    pub fn mapping<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self { purpose: Purpose::Mapping, names: names.into_iter().map(str::to_owned).collect() }
    }
}

/// What an expression is evaluated on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scope {
    /// `request.user`, and `user` in mappings. `None` is Python's `None`.
    pub user: Option<Handle>,
    /// `request.http_request` and `http_request`, a handle of the kind `http.request`.
    pub http_request: Option<Handle>,
    /// `request.obj`.
    pub object: Option<Handle>,
    /// `request.debug`.
    pub debug: bool,
    /// `request.context` and `context` (one object). What the flow's plan holds need not be repeated here.
    pub context: Map,
    /// The context of the running flow's plan. With it, `context` begins as a copy of it that shares the values, and has
    /// `flow_plan`.
    pub plan: Option<Map>,
    /// The client's address for `ak_client_ip`.
    pub client_ip: Option<IpAddr>,
    /// Further variables by name, as declared in [`Variables::names`].
    pub variables: Map,
}

/// What came of an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the expression returned; a list of what it yielded if it yields.
    pub value: Value,
    /// Whether Python holds the value for true; an empty query is false.
    pub truth: bool,
    /// `request.context` afterwards, without `flow_plan`.
    pub context: Map,
    /// The plan's context afterwards, if there was a plan.
    pub plan: Option<Map>,
    /// What the expression did to the plan beyond its context, in order.
    pub plan_changes: Vec<PlanChange>,
    /// The further variables afterwards (`packet` of RADIUS mappings is changed in place).
    pub variables: Map,
    /// The texts of `ak_message`, in order.
    pub messages: Vec<String>,
    /// What was logged or printed, in order.
    pub log: Vec<LogLine>,
}

/// A change of a flow's plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PlanChange {
    /// `plan.redirect(url)`: the flow sends the client there next.
    Redirect(String),
    /// `plan.append_stage(stage)`.
    Append(Value),
    /// `plan.insert_stage(stage, index)`.
    Insert(Value, i64),
}

/// A line that an expression logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// `debug`, `info`, `warning`, `error`; `print` counts as `info`.
    pub level: String,
    /// The message.
    pub message: String,
    /// Structured fields.
    pub fields: Map,
}

/// Why an evaluation has no outcome. A denial, wherever something is decided by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{}", self.describe())]
pub struct Error {
    /// What happened.
    pub kind: ErrorKind,
    /// The line of the expression where it happened, from 1, where there is one.
    pub line: Option<u32>,
}

/// What ended an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The expression raised an exception and did not catch it.
    Exception {
        /// The type's name (`KeyError`).
        name: String,
        /// Its text.
        message: String,
    },
    /// The expression raised `SkipObject`: the object is to be left out of the synchronisation, without an event.
    Skip,
    /// It computed longer, or the host took longer, than allowed.
    Timeout(Duration),
    /// It wanted more memory than allowed, in bytes.
    Memory(usize),
    /// It made more calls of the host than allowed.
    Calls(usize),
    /// What it returned or left in its context is larger than allowed, in bytes, or is no value that can be kept.
    Output(String),
    /// The host refused to go on.
    Host(String),
    /// The sandbox itself failed: a worker process died or could not be started.
    Sandbox(String),
}

impl Error {
    fn describe(&self) -> String {
        let what = match &self.kind {
            ErrorKind::Exception { name, message } if message.is_empty() => name.clone(),
            ErrorKind::Exception { name, message } => format!("{name}: {message}"),
            ErrorKind::Skip => "the object is to be skipped".to_owned(),
            ErrorKind::Timeout(limit) => format!("the expression took longer than {limit:?}"),
            ErrorKind::Memory(limit) => format!("the expression wanted more than {} MiB", limit >> 20),
            ErrorKind::Calls(limit) => format!("the expression made more than {limit} calls"),
            ErrorKind::Output(what) => what.clone(),
            ErrorKind::Host(what) => what.clone(),
            ErrorKind::Sandbox(what) => format!("the sandbox failed: {what}"),
        };
        match self.line {
            Some(line) => format!("{what} (line {line})"),
            None => what,
        }
    }
}

/// What an evaluation may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Time spent computing.
    pub compute: Duration,
    /// Time from beginning to end, the host's included.
    pub total: Duration,
    /// Calls of the host.
    pub calls: usize,
    /// Depth of calls within the expression.
    pub recursion: usize,
    /// Memory in bytes. Programs that could exceed it run in a worker process that cannot.
    pub memory: usize,
    /// Size of what comes out, in bytes: the value, the contexts, messages and log together.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            compute: Duration::from_millis(100),
            total: Duration::from_secs(30),
            calls: 1000,
            recursion: 100,
            memory: 64 << 20,
            output: 4 << 20,
        }
    }
}
