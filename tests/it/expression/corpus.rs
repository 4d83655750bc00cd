//! The published expressions of the reference system: all that are Python compile, and give what CPython gives.

use std::{
    path::PathBuf,
    process::Command,
    sync::{Mutex, PoisonError},
};

use futures_util::{FutureExt, future::BoxFuture};
use gatewright::expression::{
    Call, ErrorKind, Handle, Host, HostError, Map, Names, ObjectRef, PlanChange, Query, Scope, Value, compile, evaluate,
};
use serde_json::{Value as Json, json};

use super::{patient, program, runtime, variables, world::World};

/// A host whose answers are written down.
struct Recorder<'a> {
    world: &'a World,
    replies: Mutex<Vec<Json>>,
}

impl Recorder<'_> {
    fn record(&self, reply: Result<Value, HostError>) -> Result<Value, HostError> {
        let line = match &reply {
            Ok(value) => json!({ "value": value.to_json() }),
            Err(error) => json!({ "error": error.exception, "message": error.message }),
        };
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        reply
    }
}

impl Host for Recorder<'_> {
    fn attributes<'a>(
        &'a self,
        objects: &'a [ObjectRef],
        names: &'a Names,
    ) -> BoxFuture<'a, Result<Vec<Option<Map>>, HostError>> {
        self.world.attributes(objects, names)
    }

    fn query(&self, query: Query) -> BoxFuture<'_, Result<Value, HostError>> {
        async move { self.record(self.world.query(query).await) }.boxed()
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, HostError>> {
        async move { self.record(self.world.call(call).await) }.boxed()
    }
}

/// The texts, where they are at hand: identity and text.
fn texts() -> Option<Vec<(String, String)>> {
    let folder = match std::env::var_os("GATEWRIGHT_TEST_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
    };
    let Ok(lines) = std::fs::read_to_string(folder.join("expressions/corpus.jsonl")) else {
        println!("skipped: no corpus of expressions (set GATEWRIGHT_TEST_DATA to the folder of the reference data)");
        return None;
    };
    let rows = lines.lines().map(|line| serde_json::from_str::<Json>(line).expect("a row of the corpus"));
    let text = |row: &Json, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    Some(rows.filter(|row| row["cpython_ok"] == true).map(|row| (text(&row, "id"), text(&row, "text"))).collect())
}

#[test]
fn all_texts_compile() {
    let Some(texts) = texts() else { return };
    assert!(texts.len() > 100, "{} texts", texts.len());
    let mut heavy = 0;
    for (id, text) in &texts {
        let program = compile(text, &variables()).unwrap_or_else(|faults| panic!("{id}: {faults:#?}"));
        heavy += usize::from(program.is_heavy());
        assert_eq!(program.warnings(), [], "{id}");
    }
    // A worker is for the rare expression.
    assert!(heavy * 10 <= texts.len(), "{heavy} of {} texts are heavy", texts.len());
}

/// Everything in a scope with its attributes, as one JSON value.
fn filled(value: &mut Value, world: &World) {
    match value {
        Value::Handle(handle) => {
            if handle.attributes.is_none() {
                let known = world.objects.lock().unwrap_or_else(PoisonError::into_inner);
                *handle = known
                    .iter()
                    .find(|one| one.id == handle.id)
                    .cloned()
                    .unwrap_or_else(|| Handle::with("x", "x", Map::new()));
            }
            handle.attributes.iter_mut().flat_map(|map| map.values_mut()).for_each(|value| filled(value, world));
        }
        Value::List(items) => items.iter_mut().for_each(|item| filled(item, world)),
        Value::Map(map) => map.values_mut().for_each(|value| filled(value, world)),
        _ => {}
    }
}

fn filled_map(map: Map, world: &World) -> Map {
    let mut value = Value::Map(map);
    filled(&mut value, world);
    match value {
        Value::Map(map) => map,
        _ => Map::new(),
    }
}

fn json_of(map: &Map) -> Json {
    Value::Map(map.clone()).to_json()
}

/// Sets have no order.
fn sorted(json: &mut Json) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(sorted),
        Json::Object(map) => {
            map.values_mut().for_each(sorted);
            if let Some(Json::Array(items)) = map.get_mut("$set") {
                items.sort_by_key(Json::to_string);
            }
        }
        _ => {}
    }
}

#[test]
fn texts_give_what_cpython_gives() {
    let Some(texts) = texts() else { return };
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: no python3 to compare with");
        return;
    }
    let runtime = runtime();
    let mut cases = Vec::new();
    let mut ours = Vec::new();
    for (_, text) in &texts {
        let world = World::new();
        let scope = world.scope();
        let scope = Scope {
            context: filled_map(scope.context, &world),
            plan: scope.plan.map(|plan| filled_map(plan, &world)),
            variables: filled_map(scope.variables, &world),
            ..scope
        };
        let recorder = Recorder { world: &world, replies: Mutex::default() };
        let mut out = match runtime.block_on(evaluate(&program(text), scope.clone(), &recorder, &patient())) {
            Ok(outcome) => {
                let changes = outcome.plan_changes.iter().map(|change| match change {
                    PlanChange::Redirect(url) => json!({ "$tuple": ["redirect", url] }),
                    other => panic!("{other:?}"),
                });
                json!({
                    "value": outcome.value.to_json(), "truth": outcome.truth, "context": json_of(&outcome.context),
                    "plan": outcome.plan.as_ref().map(json_of), "changes": changes.collect::<Vec<_>>(),
                    "variables": json_of(&outcome.variables), "messages": outcome.messages, "left": 0,
                })
            }
            Err(error) => match error.kind {
                ErrorKind::Exception { name, .. } => json!({ "error": name, "left": 0 }),
                ErrorKind::Skip => json!({ "error": "KeyboardInterrupt", "left": 0 }),
                other => panic!("{text}\n{other:?}"),
            },
        };
        sorted(&mut out);
        ours.push(out);
        let handle = |handle: &Option<Handle>| handle.clone().map_or(Value::None, Value::Handle).to_json();
        cases.push(json!({
            "text": text, "client_ip": "10.0.0.9", "replies": recorder.replies.into_inner().unwrap_or_default(),
            "scope": {
                "user": handle(&scope.user), "http_request": handle(&scope.http_request), "object": handle(&scope.object), "debug": false,
                "context": json_of(&scope.context), "plan": scope.plan.as_ref().map(json_of), "variables": json_of(&scope.variables),
            },
        }));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cases.json");
    std::fs::write(&file, serde_json::to_string(&cases).expect("JSON")).expect("a file");
    let root =
        PathBuf::from(std::env::var_os("GATEWRIGHT_TEST_ROOT").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()));
    let output = Command::new("python3")
        .arg(root.join("tests/it/expression/oracle.py"))
        .arg(&file)
        .arg(&root)
        .output()
        .expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<Json> = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut wrong = Vec::new();
    for (((id, text), ours), mut theirs) in texts.iter().zip(ours).zip(theirs) {
        sorted(&mut theirs);
        let keys: &[&str] = match ours.get("error") {
            Some(_) => &["error", "left"],
            None => &["error", "value", "truth", "context", "plan", "changes", "variables", "messages", "left"],
        };
        for key in keys {
            let (ours, theirs) = (ours.get(*key).unwrap_or(&Json::Null), theirs.get(*key).unwrap_or(&Json::Null));
            if ours != theirs {
                wrong.push(format!("{id} {key}\n{text}\n  here    {ours}\n  CPython {theirs}"));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), texts.len(), wrong.join("\n\n"));
}
