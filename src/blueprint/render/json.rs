//! The plan as JSON, for scripts and other programs.
//!
//! The shape is versioned: fields may be added within a version, none is removed or changes its meaning. It is
//! described by the JSON Schema [`SCHEMA`].
//!
//! ```json
//! {
//!   "version": 1,
//!   "kind": "plan",
//!   "base": { "instance": "3f1b2b8c-0d0c-4a64-9f5a-2f6c1b0e9a11", "revision": 42 },
//!   "summary": { "create": 0, "update": 1, "delete": 0, "unchanged": 7 },
//!   "changes": [
//!     {
//!       "action": "update",
//!       "id": "0d9e7c5a-6a0f-4f6e-8f1f-0a4f5c1c7d21",
//!       "kind": "authentik_flows.flow",
//!       "name": "login",
//!       "renamed_from": null,
//!       "reason": "differs from flows/login.yaml:3",
//!       "places": [{ "file": "flows/login.yaml", "line": 3, "entry": "flow" }],
//!       "fields": [
//!         {
//!           "field": "title",
//!           "type": "value",
//!           "before": "Welcome",
//!           "after": "Hello",
//!           "sensitive": false,
//!           "place": { "file": "flows/login.yaml", "line": 8, "entry": "flow" }
//!         }
//!       ]
//!     }
//!   ],
//!   "inputs": [{ "name": "env:TITLE", "found": true }]
//! }
//! ```
//!
//! * `changes` holds deletions first, then the order of the documents. What only follows from another change and
//!   is shown there (a user's side of a group's members) is left out, so that `changes` and `summary` agree.
//! * `action` is `create`, `update` or `delete`; `places` is empty for consequences of other changes; `entry` is the
//!   entry's id or null; `renamed_from` is the former name of an object that is called otherwise now, or null.
//! * `type` says how to read `before` and `after`, which are null where there is nothing:
//!   * `value`: plain JSON. `{"known_after_apply": true}` stands where only applying makes a part known.
//!   * `references`: a list of `{"id", "kind", "name", "new"}`; `new` objects are created by the same plan.
//!   * `secret`: `{"secret": true}`, whatever the value is. So are all `sensitive` fields, whose value comes from the
//!     environment or a file.
//!   * `generated`: `{"generated": true}` for a value that is made up when the plan is applied.
//! * `inputs` names the variables and files that were read. Their digests are not written: from the digest of a short
//!   value one can guess the value.

use serde::Serialize;
use serde_json::{Map, Value, json as value};
use uuid::Uuid;

use super::names::Names;
use crate::{
    blueprint::plan::{Action, Counts, FieldDiff, ObjectChange, Place, Plan, Shown},
    model::{Registry, symbol},
};

/// The version that this build writes.
pub const VERSION: u32 = 1;

/// JSON Schema of the shape.
pub const SCHEMA: &str = include_str!("../../../schemas/plan.schema.json");

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    kind: &'static str,
    base: Base,
    summary: Counts,
    changes: Vec<Change<'a>>,
    inputs: Vec<Input<'a>>,
}

#[derive(Serialize)]
struct Base {
    instance: Uuid,
    revision: i64,
}

#[derive(Serialize)]
struct Change<'a> {
    action: Action,
    id: Uuid,
    kind: &'a str,
    name: String,
    renamed_from: Option<&'a str>,
    reason: String,
    places: Vec<Value>,
    fields: Vec<Field<'a>>,
}

#[derive(Serialize)]
struct Field<'a> {
    field: &'a str,
    #[serde(rename = "type")]
    reading: &'static str,
    before: Value,
    after: Value,
    sensitive: bool,
    place: Option<Value>,
}

#[derive(Serialize)]
struct Input<'a> {
    name: &'a str,
    found: bool,
}

/// Writes the document described at the top of this module, indented, ending with a line break.
pub fn json(plan: &Plan, registry: &Registry) -> String {
    let names = Names::of(plan, registry);
    let document = Document {
        version: VERSION,
        kind: "plan",
        base: Base { instance: plan.instance, revision: plan.revision },
        summary: plan.counts(),
        changes: plan.visible().map(|change| object(change, &names)).collect(),
        inputs: plan.inputs.iter().map(|(name, digest)| Input { name, found: digest != "missing" }).collect(),
    };
    // Every key is text and every value is JSON already, so there is nothing that could fail to be written.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn object<'a>(change: &'a ObjectChange, names: &Names<'_>) -> Change<'a> {
    Change {
        action: change.action,
        id: change.object.id,
        kind: &change.object.kind,
        name: names.masked(&change.object.name),
        renamed_from: names.renamed(change),
        reason: names.reason(&change.reason),
        places: change.places.iter().map(place).collect(),
        fields: change.fields.iter().map(|diff| field(diff, names)).collect(),
    }
}

fn place(place: &Place) -> Value {
    value!({ "file": place.file, "line": place.line, "entry": place.entry })
}

fn field<'a>(diff: &'a FieldDiff, names: &Names<'_>) -> Field<'a> {
    let either = |wanted: fn(&Shown) -> bool| wanted(&diff.before) || wanted(&diff.after);
    let reading = if diff.after == Shown::Generated {
        "generated"
    } else if diff.sensitive || either(|shown| *shown == Shown::Secret) {
        "secret"
    } else if either(|shown| matches!(shown, Shown::Objects(_))) {
        "references"
    } else {
        "value"
    };
    let side = |shown: &Shown| {
        match shown {
        Shown::Nothing | Shown::Json(Value::Null) => Value::Null,
        Shown::Generated => value!({ "generated": true }),
        Shown::Secret => value!({ "secret": true }),
        _ if diff.sensitive => value!({ "secret": true }),
        Shown::Json(plain) => known(plain),
        Shown::Objects(objects) => objects
            .iter()
            .map(|named| value!({ "id": named.id, "kind": named.kind, "name": names.masked(&named.name), "new": named.new }))
            .collect(),
    }
    };
    Field {
        field: &diff.field,
        reading,
        before: side(&diff.before),
        after: side(&diff.after),
        sensitive: diff.sensitive,
        place: diff.place.as_ref().map(place),
    }
}

/// A value with words in place of what is not known yet.
fn known(plain: &Value) -> Value {
    match plain {
        _ if symbol::is_symbol(plain) => value!({ "known_after_apply": true }),
        Value::Array(items) => items.iter().map(known).collect(),
        Value::Object(object) => {
            let known: Map<String, Value> = object.iter().map(|(key, inner)| (key.clone(), known(inner))).collect();
            Value::Object(known)
        }
        other => other.clone(),
    }
}
