//! Programs: compiled expressions, and the cache of them.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError},
};

use indexmap::IndexMap;
use monty::MontyRun;
use monty_types::{AssertMessageAnnotations, CompileOptions};

use super::{Fault, Names, Purpose, Variables, prelude, rewrite, weight};

/// How many programs are remembered.
const REMEMBERED: usize = 2048;
/// Stack for parsing and compiling: the deepest text that the parser lets through fits with room to spare.
const STACK: usize = 64 << 20;

/// A compiled expression. Cloning it costs nothing.
#[derive(Clone)]
pub struct Program(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub source: String,
    pub variables: Variables,
    pub warnings: Vec<Fault>,
    /// Whether only a worker may run it.
    pub heavy: bool,
    /// Which attributes it may ask for.
    pub names: Names,
    /// What of the scope it can reach.
    pub reach: Reach,
    parts: Parts,
    /// By what comes with the scope: nothing that has to be made, objects, addresses as well.
    codes: [OnceLock<Option<Code>>; 3],
}

/// What comes with a scope that has to be made in the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comes {
    Nothing,
    Objects,
    Addresses,
}

/// What of the scope a program can reach.
pub(super) struct Reach {
    pub context: bool,
    pub user: bool,
    pub http_request: bool,
    pub object: bool,
    /// Variables by name.
    pub variables: BTreeSet<String>,
}

/// What the text of a program is put together from.
struct Parts {
    body: String,
    imports: Vec<(String, String)>,
    free: BTreeSet<String>,
    helpers: BTreeSet<&'static str>,
    yields: bool,
}

/// Code of the sandbox.
pub(super) struct Code {
    /// Locked for as long as a copy takes: the language's code is not shared between threads.
    run: Mutex<MontyRun>,
    /// The line of the text before the expression's first.
    pub before: u32,
    /// The last line of the expression.
    pub last: u32,
}

impl Code {
    /// A copy to run.
    pub fn run(&self) -> MontyRun {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("source", &self.0.source).finish_non_exhaustive()
    }
}

impl Program {
    /// What is doubtful about the expression: names that nothing defines.
    pub fn warnings(&self) -> &[Fault] {
        &self.0.warnings
    }

    /// Whether the program runs in a worker process because its form does not bound its memory.
    pub fn is_heavy(&self) -> bool {
        self.0.heavy
    }

    /// The text that it was compiled from.
    pub fn source(&self) -> &str {
        &self.0.source
    }
}

static CACHE: LazyLock<Mutex<IndexMap<blake3::Hash, Program>>> = LazyLock::new(Mutex::default);

/// Compiles an expression, or says what is wrong with it. Programs are remembered by their text and variables.
///
/// # Errors
///
/// Everything that keeps the text from running, each with its place.
pub fn compile(source: &str, variables: &Variables) -> Result<Program, Vec<Fault>> {
    let digest = digest(source, variables);
    if let Some(program) = CACHE.lock().unwrap_or_else(PoisonError::into_inner).get(&digest) {
        return Ok(program.clone());
    }
    // A thread of its own, for the stack: what comes is text from outside, and its syntax tree is as deep as it likes.
    let program = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("expression-compiler".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || prepare(source, variables))
            .map_err(|error| vec![internal(&error.to_string())])
            .and_then(|thread| thread.join().unwrap_or_else(|_| Err(vec![internal("the compiler failed")])))
    })?;
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if cache.len() >= REMEMBERED {
        cache.shift_remove_index(0);
    }
    cache.insert(digest, program.clone());
    Ok(program)
}

fn internal(message: &str) -> Fault {
    Fault { line: 1, column: 1, width: 1, construct: "internal".to_owned(), message: message.to_owned(), help: None }
}

fn digest(source: &str, variables: &Variables) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[match variables.purpose {
        Purpose::Policy => 0,
        Purpose::Mapping => 1,
    }]);
    for name in &variables.names {
        hasher.update(name.as_bytes()).update(&[0]);
    }
    hasher.update(&[0]).update(source.as_bytes());
    hasher.finalize()
}

fn prepare(source: &str, variables: &Variables) -> Result<Program, Vec<Fault>> {
    let rewritten = rewrite::rewrite(source, variables)?;
    let body = match &rewritten.parsed.syntax().body[..] {
        [ruff_python_ast::Stmt::FunctionDef(function)] => &function.body,
        _ => return Err(vec![internal("the expression is no function")]),
    };
    let heavy = weight::is_heavy(body);
    let reads = |name: &str| rewritten.free.contains(name);
    let request = reads("request");
    let context =
        request || reads("context") || reads("ak_call_policy") || reads("ak_create_event") || reads("ak_is_sso_flow");
    let reach = Reach {
        context,
        user: (request && rewritten.names.wants("user")) || reads("user"),
        http_request: (request && rewritten.names.wants("http_request")) || reads("http_request"),
        object: request && rewritten.names.wants("obj"),
        variables: rewritten.free.clone(),
    };
    let program = Program(Arc::new(Inner {
        source: source.to_owned(),
        variables: variables.clone(),
        warnings: rewritten.warnings,
        heavy,
        names: rewritten.names,
        reach,
        parts: Parts {
            body: rewritten.text,
            imports: rewritten.imports,
            free: rewritten.free,
            helpers: rewritten.helpers,
            yields: rewritten.yields,
        },
        codes: Default::default(),
    }));
    // What the language itself refuses shows now, not when a user logs in.
    let code = program.0.assemble(Comes::Nothing).map_err(|(line, message)| {
        let construct = message.split('\'').nth(1).unwrap_or("syntax").to_owned();
        let help = Some("see the guide on expressions for what the sandbox's language has".to_owned());
        vec![Fault {
            line,
            column: 1,
            width: 1,
            construct,
            message: format!("Expression Syntax Error: {message}"),
            help,
        }]
    })?;
    let _ = program.0.codes[Comes::Nothing as usize].set(Some(code));
    Ok(program)
}

impl Inner {
    /// The code for a scope with which this comes.
    pub fn code(&self, comes: Comes) -> Option<&Code> {
        self.codes[comes as usize].get_or_init(|| self.assemble(comes).ok()).as_ref()
    }

    fn assemble(&self, comes: Comes) -> Result<Code, (u32, String)> {
        let (text, before) = self.text(comes);
        let lines = |text: &str| u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX);
        let last = before + lines(&self.parts.body);
        let options = CompileOptions { assert_message_annotations: AssertMessageAnnotations::Off };
        let inputs = ["_gw_refs", "_gw_scope"].map(str::to_owned).to_vec();
        match MontyRun::new(text, "expression", inputs, options) {
            Ok(run) => Ok(Code { run: Mutex::new(run), before, last }),
            Err(error) => {
                let line = error.traceback().last().map_or(0, |frame| frame.start.line);
                let line = line.saturating_sub(before).clamp(1, last - before);
                Err((line, error.message().unwrap_or_default().to_owned()))
            }
        }
    }

    /// The whole text, and the number of its lines before the expression's first.
    fn text(&self, comes: Comes) -> (String, u32) {
        let objects = comes != Comes::Nothing;
        let parts = &self.parts;
        let reads = |name: &str| parts.free.contains(name);
        let mut wanted: Vec<&str> = parts.free.iter().map(String::as_str).collect();
        // Those that are made of others here.
        wanted.retain(|name| !prelude::special(name, self.variables.purpose));
        wanted.extend(parts.imports.iter().map(|(_, value)| value.split('.').next().unwrap_or_default()));
        if self.reach.context {
            wanted.push("_gw_context");
        }
        if reads("request") {
            wanted.push("_Request");
        }
        if reads("ak_call_policy") {
            wanted.push("_gw_call_policy");
        }
        if reads("ak_create_event") {
            wanted.push("_gw_create_event");
        }
        let needs = prelude::Needs {
            helpers: &parts.helpers,
            names: &self.names,
            objects,
            addresses: comes == Comes::Addresses,
        };
        let mut text = prelude::select(wanted, needs);
        text.push_str("_gw_y = []\n");
        if objects {
            text.push_str("_gw_scope = _gw_enter(_gw_refs)\n");
        }
        if self.reach.context {
            text.push_str("context = _gw_context(_gw_scope)\n");
        }
        if reads("request") {
            text.push_str("request = _Request(_gw_scope, context)\n");
        }
        if reads("ak_is_sso_flow") && self.variables.purpose == Purpose::Policy {
            text.push_str("ak_is_sso_flow = context.get(\"is_sso\", False)\n");
        }
        if reads("ak_call_policy") {
            text.push_str("def ak_call_policy(name, **kwargs):\n    return _gw_call_policy(context, name, kwargs)\n");
        }
        if reads("ak_create_event") {
            text.push_str(
                "def ak_create_event(action, **kwargs):\n    return _gw_create_event(context, action, kwargs)\n",
            );
        }
        let given = self.variables.names.iter().map(String::as_str).chain(["user", "http_request", "ak_client_ip"]);
        for name in given.filter(|name| reads(name)) {
            text.push_str(&format!(
                "if \"{name}\" in _gw_scope[\"variables\"]:\n    {name} = _gw_scope[\"variables\"][\"{name}\"]\n"
            ));
        }
        for (alias, value) in &parts.imports {
            text.push_str(&format!("{alias} = {value}\n"));
        }
        let before = u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX).saturating_add(1);
        text.push_str(&parts.body);
        text.push_str("_gw_r = _gw_body()\n");
        if parts.yields {
            text.push_str("_gw_r = _gw_y\n");
        }
        let truth = if text.contains("def _gw_t(") { "_gw_t(_gw_r)" } else { "_gw_r" };
        let context = if self.reach.context { "context" } else { "None" };
        text.push_str(&format!("[_gw_r, bool({truth}), {context}, _gw_scope[\"plan\"], _gw_scope[\"variables\"]]\n"));
        (text, before)
    }
}
