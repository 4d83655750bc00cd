//! One evaluation as a conversation: the sandbox runs until it needs the host, and goes on with the answer.
//!
//! Nothing here waits. The same conversation is led in the process and, over a pipe, with a worker.

use std::{sync::Arc, time::Duration};

use monty::RunProgress;
use monty_types::{
    ExcType, ExtFunctionResult, MontyException, MontyObject, MontyUuid, NameLookupResult, OsFunctionCall, PrintWriter,
    PrintWriterCallback, ResourceLimits, ResourceTracker,
};
use serde::{Deserialize, Serialize};

use super::{
    Error, ErrorKind, Limits, LogLine, Outcome, Program, Scope,
    bridge::{Given, Inward, Made, Outward, QUERY, related, text},
    calls,
    ending::{exception, line, now, plan_changes, put},
    host::{Call, HostError, Names, ObjectRef, Query},
    program::Comes,
    pure,
    value::{Handle, Map, Value},
};

/// The largest single allocation in a process that has other things to do.
pub(super) const SINGLE: usize = 16 << 20;

/// What the sandbox asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Ask {
    Attributes(Vec<ObjectRef>, Names),
    Query(Query),
    Call(Call),
}

/// What the host answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Reply {
    Attributes(Vec<Option<Map>>),
    Value(Value),
}

/// What comes of a step.
#[allow(clippy::large_enum_variant, reason = "each lives for one step; a box would cost more than it saves")]
pub(super) enum Turn {
    Ask(Ask),
    Done(Box<Outcome>),
    Failed(Error),
}

/// An evaluation.
pub(super) struct Session {
    program: Program,
    scope: Scope,
    limits: Limits,
    single: usize,
    inward: Inward,
    /// What the sandbox reads as its scope.
    tree: Value,
    comes: Comes,
    state: State,
    /// What the host gave of each object, by its identity in the sandbox.
    given: Given,
    messages: Vec<String>,
    log: Vec<LogLine>,
    /// What may still be logged, in bytes.
    room: usize,
    printed: Printed,
}

#[allow(clippy::large_enum_variant, reason = "each lives for one step; a box would cost more than it saves")]
enum State {
    /// Attributes of objects are being fetched.
    Fetch(Vec<usize>),
    /// The sandbox waits for the value of a call.
    Wait(RunProgress),
    /// The value has come; the sandbox makes the objects in it.
    Place(Value, Inward),
    /// The rows of queries that came out unloaded are being fetched.
    Resolve(Box<Finish>),
    Over,
}

/// An outcome whose queries are still to be asked.
struct Finish {
    parts: Vec<Value>,
    queries: Vec<(Query, bool)>,
    rows: Vec<Value>,
}

#[derive(Default)]
struct Printed(String, usize);

impl PrintWriterCallback for Printed {
    fn stdout_write(&mut self, output: std::borrow::Cow<'_, str>) -> Result<(), MontyException> {
        if self.0.len() + output.len() > self.1 {
            return Err(MontyException::new(ExcType::MemoryError, Some("too much was printed".to_owned())));
        }
        self.0.push_str(&output);
        Ok(())
    }

    fn stdout_push(&mut self, end: char) -> Result<(), MontyException> {
        self.stdout_write(end.to_string().into())
    }
}

impl Session {
    /// Begins an evaluation. `single` bounds a single allocation, and in a worker all of them together.
    pub fn start(program: &Program, scope: Scope, limits: Limits, single: usize) -> (Self, Turn) {
        let reach = &program.0.reach;
        let handle = |wanted: bool, handle: &Option<Handle>| match handle {
            Some(handle) if wanted => Value::Handle(handle.clone()),
            _ => Value::None,
        };
        let mut variables: Map = scope
            .variables
            .iter()
            .filter(|(name, _)| reach.variables.contains(*name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if reach.variables.contains("user")
            && let Some(user) = &scope.user
            && !variables.contains_key("user")
        {
            variables.insert("user".to_owned(), Value::Handle(user.clone()));
        }
        if reach.variables.contains("http_request")
            && let Some(request) = &scope.http_request
        {
            variables.insert("http_request".to_owned(), Value::Handle(request.clone()));
        }
        if reach.variables.contains("ak_client_ip")
            && let Some(address) = scope.client_ip
        {
            variables.insert("ak_client_ip".to_owned(), Value::Address(address));
        }
        let map = |wanted: bool, map: &Map| if wanted { Value::Map(map.clone()) } else { Value::Map(Map::new()) };
        let tree = Value::Map(Map::from_iter([
            ("user".to_owned(), handle(reach.user, &scope.user)),
            ("http_request".to_owned(), handle(reach.http_request, &scope.http_request)),
            ("object".to_owned(), handle(reach.object, &scope.object)),
            ("debug".to_owned(), Value::Bool(scope.debug)),
            ("context".to_owned(), map(reach.context, &scope.context)),
            ("plan".to_owned(), scope.plan.as_ref().map_or(Value::None, |plan| map(reach.context, plan))),
            ("variables".to_owned(), Value::Map(variables)),
        ]));
        let mut inward = Inward::of(program);
        inward.collect(&tree);
        let mut session = Self {
            program: program.clone(),
            scope,
            limits,
            single,
            inward,
            tree,
            comes: Comes::Nothing,
            state: State::Over,
            given: Given::default(),
            messages: Vec::new(),
            log: Vec::new(),
            room: limits.output,
            printed: Printed(String::new(), limits.output),
        };
        let turn = session.fetch();
        (session, turn)
    }

    /// Asks for the attributes that are missing, or runs.
    fn fetch(&mut self) -> Turn {
        let missing: Vec<usize> = (0..self.inward.made.len())
            .filter(|at| matches!(&self.inward.made[*at], Made::Object(handle) if handle.attributes.is_none()))
            .collect();
        if missing.is_empty() {
            return self.run();
        }
        let objects = missing
            .iter()
            .filter_map(|at| match &self.inward.made[*at] {
                Made::Object(handle) => Some(ObjectRef { kind: handle.kind.clone(), id: handle.id.clone() }),
                _ => None,
            })
            .collect();
        self.state = State::Fetch(missing);
        Turn::Ask(Ask::Attributes(objects, self.program.0.names.clone()))
    }

    fn run(&mut self) -> Turn {
        let address = |made: &Made| !matches!(made, Made::Object(_));
        self.comes = match &self.inward.made {
            made if made.is_empty() => Comes::Nothing,
            made if made.iter().any(address) => Comes::Addresses,
            _ => Comes::Objects,
        };
        let Some(code) = self.program.0.code(self.comes) else {
            return self.fail(ErrorKind::Sandbox("the program could not be assembled".to_owned()), None);
        };
        let (refs, scope) = if self.comes != Comes::Nothing {
            (self.inward.refs(), MontyObject::None)
        } else {
            (MontyObject::None, self.inward.convert(&self.tree))
        };
        let limits = ResourceLimits::default()
            .max_duration(self.limits.compute)
            .max_memory(self.single)
            .max_recursion_depth(self.limits.recursion);
        let run = code.run();
        self.state = State::Over;
        let turn = run.start(vec![refs, scope], ResourceTracker::new(limits), PrintWriter::Callback(&mut self.printed));
        self.follow(turn)
    }

    /// Goes on with the host's answer.
    pub fn resume(&mut self, reply: Result<Reply, HostError>) -> Turn {
        match (std::mem::replace(&mut self.state, State::Over), reply) {
            (_, Err(HostError { exception: None, message })) => self.fail(ErrorKind::Host(message), None),
            (State::Fetch(missing), Ok(Reply::Attributes(found))) if found.len() == missing.len() => {
                for (at, attributes) in missing.into_iter().zip(found) {
                    if let Some(Made::Object(handle)) = self.inward.made.get_mut(at) {
                        let attributes = attributes.unwrap_or_default();
                        // Objects within attributes have to be made as well; their attributes are fetched next.
                        handle.attributes = Some(attributes.clone());
                        self.inward.collect_attributes(Some(&attributes));
                    }
                }
                self.fetch()
            }
            (State::Wait(progress), Ok(Reply::Value(value))) => self.answer(progress, value),
            (State::Wait(progress), Err(error)) => {
                let error = exception(error.exception.as_deref().unwrap_or_default(), error.message);
                let turn = match progress {
                    RunProgress::FunctionCall(call) => call.resume(error, PrintWriter::Callback(&mut self.printed)),
                    RunProgress::OsCall(call) => call.resume(error, PrintWriter::Callback(&mut self.printed)),
                    _ => Err(error),
                };
                self.follow(turn)
            }
            (State::Resolve(mut finish), Ok(Reply::Value(rows))) => {
                finish.rows.push(rows);
                self.resolve(finish)
            }
            (State::Fetch(_) | State::Resolve(_), Err(error)) => {
                let name = error.exception.unwrap_or_default();
                self.fail(ErrorKind::Exception { name, message: error.message }, None)
            }
            _ => self.fail(ErrorKind::Sandbox("an answer came that was not asked for".to_owned()), None),
        }
    }

    /// Gives the value of a call to the sandbox, by way of making the objects in it.
    fn answer(&mut self, progress: RunProgress, value: Value) -> Turn {
        let turn = match progress {
            RunProgress::FunctionCall(call) => {
                let mut inward = Inward::of(&self.program);
                inward.collect(&value);
                let object = if inward.made.is_empty() {
                    MontyObject::Tuple(vec![MontyObject::Bool(false), inward.convert(&value)])
                } else {
                    let refs = inward.refs();
                    self.state = State::Place(value, inward);
                    MontyObject::Tuple(vec![MontyObject::Bool(true), refs])
                };
                call.resume(object, PrintWriter::Callback(&mut self.printed))
            }
            RunProgress::OsCall(call) => {
                let Value::DateTime(moment, _) = value else {
                    return self.fail(ErrorKind::Host("the time is no time".to_owned()), None);
                };
                let result = now(&call.function_call, moment);
                call.resume(result, PrintWriter::Callback(&mut self.printed))
            }
            _ => return self.fail(ErrorKind::Sandbox("an answer came that was not asked for".to_owned()), None),
        };
        self.follow(turn)
    }

    /// Follows the sandbox until it needs the host or is done.
    fn follow(&mut self, mut turn: Result<RunProgress, MontyException>) -> Turn {
        loop {
            let print = PrintWriter::Callback(&mut self.printed);
            turn = match turn {
                Err(error) => return self.raised(&error),
                Ok(RunProgress::Complete(result)) => return self.complete(result),
                Ok(RunProgress::NameLookup(lookup)) => lookup.resume(NameLookupResult::Undefined, print),
                Ok(RunProgress::ResolveFutures(_)) => {
                    return self.fail(ErrorKind::Sandbox("the sandbox waits for nothing".to_owned()), None);
                }
                Ok(RunProgress::OsCall(call)) => match &call.function_call {
                    OsFunctionCall::DateToday | OsFunctionCall::DateTimeNow(_) => {
                        self.state = State::Wait(RunProgress::OsCall(call));
                        return Turn::Ask(Ask::Call(Call::Now));
                    }
                    _ => {
                        let error = exception(
                            "PermissionError",
                            "expressions have no access to files or the system".to_owned(),
                        );
                        call.resume(error, print)
                    }
                },
                Ok(RunProgress::FunctionCall(mut call)) => {
                    if call.function_name != "_gw_native" {
                        let name = call.function_name.clone();
                        call.resume(ExtFunctionResult::NotFound(name), print)
                    } else {
                        let mut arguments = std::mem::take(&mut call.args).into_iter();
                        let Some(MontyObject::String(function)) = arguments.next() else {
                            return self.fail(ErrorKind::Sandbox("a call without a name".to_owned()), None);
                        };
                        match self.native(&function, arguments.collect()) {
                            Ok(Native::Value(value)) => call.resume(value, PrintWriter::Callback(&mut self.printed)),
                            Ok(Native::Ask(ask)) => {
                                self.state = State::Wait(RunProgress::FunctionCall(call));
                                return Turn::Ask(ask);
                            }
                            Err(message) => {
                                call.resume(exception("ValueError", message), PrintWriter::Callback(&mut self.printed))
                            }
                        }
                    }
                }
            };
        }
    }

    /// A call of the prelude's one door.
    fn native(&mut self, function: &str, mut arguments: Vec<MontyObject>) -> Result<Native, String> {
        let mut outward = Outward::new(self.limits.output, false, &self.program, self.given.clone());
        match function {
            "place" => {
                drop(outward);
                let Some(MontyObject::List(made)) = arguments.pop() else { return Err("nothing was made".to_owned()) };
                let (value, mut inward, outer) = match std::mem::replace(&mut self.state, State::Over) {
                    State::Place(value, inward) => (value, inward, false),
                    _ => (std::mem::take(&mut self.tree), std::mem::take(&mut self.inward), true),
                };
                for (one, object) in made.into_iter().zip(&inward.made) {
                    let MontyObject::ClassInstance(one) = one else { continue };
                    if let Made::Object(handle) = object {
                        Arc::make_mut(&mut self.given).insert(one.instance_id, handle.clone());
                    }
                    inward.ids.push((one.instance_id, one.class_type));
                }
                let placed = MontyObject::Tuple(vec![inward.attributes(), inward.convert(&value)]);
                if outer {
                    self.tree = value;
                }
                Ok(Native::Value(placed))
            }
            "names" => {
                let names = match arguments.first() {
                    Some(MontyObject::ClassInstance(one)) => self
                        .given
                        .get(&one.instance_id)
                        .and_then(|handle| handle.attributes.as_ref())
                        .map(|attributes| attributes.keys().map(|key| text(key)).collect())
                        .unwrap_or_default(),
                    _ => Vec::new(),
                };
                Ok(Native::Value(MontyObject::List(names)))
            }
            "message" => {
                if let Some(MontyObject::String(message)) = arguments.pop() {
                    self.room = self.room.checked_sub(message.len() + 16).ok_or("there are too many messages")?;
                    self.messages.push(message);
                }
                Ok(Native::Value(MontyObject::None))
            }
            "log" => {
                let mut values = arguments.into_iter().map(|argument| outward.convert(argument));
                let mut next = || values.next().unwrap_or(Ok(Value::None));
                let (level, message, fields) = (next()?, next()?, next()?);
                if let (Value::Text(level), Value::Text(message), Value::Map(fields)) = (level, message, fields) {
                    self.room = self.room.checked_sub(message.len() + 16).ok_or("there is too much in the log")?;
                    self.log.push(LogLine { level, message, fields });
                }
                Ok(Native::Value(MontyObject::None))
            }
            "pure" => {
                let name = match arguments.first() {
                    Some(MontyObject::String(name)) => name.clone(),
                    _ => String::new(),
                };
                let Some(last) = arguments.pop() else { return Err("nothing to compute with".to_owned()) };
                let Value::List(values) = outward.convert(last)? else {
                    return Err("nothing to compute with".to_owned());
                };
                Ok(Native::Value(Inward::default().convert(&pure::run(&name, &values)?)))
            }
            "query" => Ok(Native::Ask(Ask::Query(outward.ask(arguments)?))),
            "save" => match arguments.pop() {
                Some(MontyObject::ClassInstance(one)) => {
                    let id = one.instance_id;
                    let Value::Handle(handle) = outward.convert(MontyObject::ClassInstance(one))? else {
                        return Err("only objects can be saved".to_owned());
                    };
                    drop(outward);
                    Ok(Native::Ask(Ask::Call(self.save(id, handle))))
                }
                _ => Err("only objects can be saved".to_owned()),
            },
            "relate" => {
                let mut values = Vec::new();
                for argument in arguments {
                    values.push(outward.convert(argument)?);
                }
                let relation =
                    values.first().map_or(Ok(None), related)?.ok_or("all objects of a kind have no members")?;
                calls::relate(relation, &values[1..]).map(|call| Native::Ask(Ask::Call(call)))
            }
            _ => {
                let mut values = Vec::new();
                for argument in arguments {
                    values.push(outward.convert(argument)?);
                }
                calls::call(function, values).map(|call| Native::Ask(Ask::Call(call)))
            }
        }
    }

    /// What changed of an object since the host gave it.
    fn save(&mut self, id: MontyUuid, handle: Handle) -> Call {
        let object = ObjectRef { kind: handle.kind.clone(), id: handle.id.clone() };
        let now = handle.attributes.clone().unwrap_or_default();
        let before = match self.given.get(&id) {
            Some(given) if !given.id.is_empty() => given.attributes.clone().unwrap_or_default(),
            _ => Map::new(),
        };
        let changes = now.into_iter().filter(|(name, value)| before.get(name) != Some(value)).collect();
        Arc::make_mut(&mut self.given).insert(id, handle);
        Call::Save { object, changes }
    }

    fn complete(&mut self, result: MontyObject) -> Turn {
        let MontyObject::List(parts) = result else {
            return self.fail(ErrorKind::Sandbox("the program has no result".to_owned()), None);
        };
        let mut outward = Outward::new(self.limits.output, true, &self.program, self.given.clone());
        let mut values = Vec::with_capacity(parts.len() + 1);
        let mut changes = MontyObject::None;
        for (at, part) in parts.into_iter().enumerate() {
            let part = match part {
                MontyObject::Dict(pairs) if at == 2 => {
                    // The plan in the context is ours; what was done to it comes out by itself.
                    let mut rest = Vec::new();
                    for (key, value) in pairs {
                        match (&key, value) {
                            (MontyObject::String(name), MontyObject::ClassInstance(plan))
                                if name == "flow_plan" && plan.class_type.name == "_Plan" =>
                            {
                                for (key, value) in plan.attrs {
                                    if matches!(&key, MontyObject::String(name) if name == "_changes") {
                                        changes = value;
                                    }
                                }
                            }
                            (_, value) => rest.push((key, value)),
                        }
                    }
                    MontyObject::dict(rest)
                }
                part => part,
            };
            match outward.convert(part) {
                Ok(value) => values.push(value),
                Err(message) => return self.fail(ErrorKind::Output(message), None),
            }
        }
        match outward.convert(changes) {
            Ok(value) => values.push(value),
            Err(message) => return self.fail(ErrorKind::Output(message), None),
        }
        self.resolve(Box::new(Finish { parts: values, queries: outward.queries, rows: Vec::new() }))
    }

    /// Asks for the rows of the queries that came out, one after the other; then all is done.
    fn resolve(&mut self, finish: Box<Finish>) -> Turn {
        if let Some((query, _)) = finish.queries.get(finish.rows.len()) {
            let ask = Ask::Query(query.clone());
            self.state = State::Resolve(finish);
            return Turn::Ask(ask);
        }
        let Finish { mut parts, queries, mut rows } = *finish;
        for ((_, flat), rows) in queries.iter().zip(&mut rows) {
            if let (true, Value::List(items)) = (flat, rows) {
                for item in items {
                    if let Value::Tuple(fields) = item {
                        *item = fields.first().cloned().unwrap_or_default();
                    }
                }
            }
        }
        let loose = matches!(parts.first(), Some(Value::Handle(handle)) if handle.kind == QUERY);
        if !rows.is_empty() {
            parts.iter_mut().for_each(|part| put(part, &rows));
        }
        let mut parts = parts.into_iter();
        let mut next = || parts.next().unwrap_or_default();
        let (value, truth, context, plan, variables, changes) = (next(), next(), next(), next(), next(), next());
        let reach = &self.program.0.reach;
        let map = |value: Value| match value {
            Value::Map(map) => map,
            _ => Map::new(),
        };
        let truth = if loose { value.truth() } else { truth.truth() };
        let mut log = std::mem::take(&mut self.log);
        for line in self.printed.0.lines() {
            log.push(LogLine { level: "info".to_owned(), message: line.to_owned(), fields: Map::new() });
        }
        let mut left = self.scope.variables.clone();
        for (name, value) in map(variables) {
            if left.contains_key(&name) {
                left.insert(name, value);
            }
        }
        // What an expression cannot reach is as it was, and `context` is the plan's with what was added to it.
        let mut untouched = Map::new();
        if !reach.context {
            untouched.extend(self.scope.plan.iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
            untouched.append(&mut self.scope.context);
        }
        Turn::Done(Box::new(Outcome {
            truth,
            context: if reach.context { map(context) } else { untouched },
            plan: match self.scope.plan.take() {
                Some(_) if reach.context => Some(map(plan)),
                untouched => untouched,
            },
            plan_changes: plan_changes(changes),
            variables: left,
            value,
            messages: std::mem::take(&mut self.messages),
            log,
        }))
    }

    fn raised(&self, error: &MontyException) -> Turn {
        let line = self.program.0.code(self.comes).and_then(|code| line(code, error));
        let message = error.message().unwrap_or_default();
        let kind = match error.exc_type() {
            ExcType::KeyboardInterrupt => ErrorKind::Skip,
            ExcType::TimeoutError if message.starts_with("time limit exceeded") => {
                ErrorKind::Timeout(self.limits.compute)
            }
            ExcType::MemoryError => ErrorKind::Memory(self.limits.memory),
            other => ErrorKind::Exception { name: other.to_string(), message: message.to_owned() },
        };
        self.fail(kind, line)
    }

    fn fail(&self, kind: ErrorKind, line: Option<u32>) -> Turn {
        Turn::Failed(Error { kind, line })
    }
}

#[allow(clippy::large_enum_variant, reason = "each lives for one step; a box would cost more than it saves")]
enum Native {
    Value(MontyObject),
    Ask(Ask),
}

/// How long a worker may be silent.
pub(super) fn patience(limits: &Limits) -> Duration {
    limits.compute + Duration::from_millis(75)
}
