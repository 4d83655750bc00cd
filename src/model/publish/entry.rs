//! What a kind adds to the schema of an entry: its identifiers, its attributes, and what a creation must give.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{shared, tags};
use crate::model::{
    field::Family,
    kind::{COMMON_READ_ONLY, Change},
    registry::{FieldInfo, KindInfo, Registry},
};

/// The condition that an entry can only create.
const CREATES: &str = "must-create";
/// What names that nobody can write look like.
const READ_ONLY: &str = "read-only";
/// Names of the primary key among identifiers.
const KEY_NAMES: [&str; 3] = ["pk", "id", "uuid"];

/// Schema of an entry of the kind, which lies at `here` in its file: title, description, `identifiers`, `attrs`
/// and what is required. The keys that all entries share are left to the caller.
pub fn body(registry: &Registry, info: &KindInfo, here: &str) -> Value {
    let mut schema = Map::new();
    schema.insert("title".into(), json!(info.title));
    schema.insert("description".into(), json!(description(info)));
    let mut properties = Map::new();
    properties.insert("identifiers".into(), identifiers(registry, info, here));
    properties.insert("attrs".into(), attributes(registry, info));
    schema.insert("properties".into(), Value::Object(properties));
    let required: Vec<Value> = required(info).map(|field| shared(&given_name(info, &field.name))).collect();
    if info.meta {
        schema.insert("required".into(), json!(["model", "attrs"]));
        return Value::Object(schema);
    }
    schema.insert("required".into(), json!(["model", "identifiers"]));
    if !required.is_empty() {
        schema.insert("if".into(), shared(CREATES));
        schema.insert("then".into(), json!({ "allOf": required }));
    }
    Value::Object(schema)
}

/// Schema of `model` in an entry of one kind.
pub fn model(info: &KindInfo) -> Value {
    let mut schema = json!({ "title": "Kind", "description": "The kind of the object.", "const": info.name });
    if !info.aliases.is_empty() {
        schema = json!({ "title": "Kind", "description": "The kind of the object.", "anyOf": [
            { "const": info.name },
        ] });
        if let Some(Value::Array(branches)) = schema.get_mut("anyOf") {
            branches.extend(old_names(info));
        }
    }
    schema
}

/// The names that a kind has in other releases.
pub fn old_names(info: &KindInfo) -> impl Iterator<Item = Value> {
    let message = format!("The name of another release; it is `{}` here.", info.name);
    info.aliases.iter().map(move |name| deprecated(json!({ "const": name }), &message))
}

/// What the kinds share: among others a definition for each field that some kind requires, saying that an entry
/// gives it, among its identifiers or attributes.
pub fn definitions(registry: &Registry) -> Map<String, Value> {
    let mut definitions = Map::new();
    let creates = json!({ "properties": { "state": { "const": "must_created" } }, "required": ["state"] });
    definitions.insert(CREATES.to_owned(), creates);
    let mut ignored = deprecated(json!({}), "It cannot be written, and is ignored.");
    ignored["readOnly"] = json!(true);
    definitions.insert(READ_ONLY.to_owned(), ignored);
    for info in registry.kinds().filter(|info| !info.meta) {
        for field in required(info) {
            let own = json!([{ "required": [field.name] }]);
            let mut names: Vec<Value> = own.as_array().cloned().unwrap_or_default();
            names.extend(old_field_names(info, &field.name).map(|name| json!({ "required": [name] })));
            let attrs = if names.len() == 1 { names.remove(0) } else { json!({ "anyOf": names }) };
            let inside = |part: &str, mut holds: Value| {
                holds["type"] = json!("object");
                json!({ "properties": { part: holds }, "required": [part] })
            };
            let schema = json!({ "anyOf": [
                inside("attrs", attrs),
                inside("identifiers", json!({ "required": [field.name] })),
            ] });
            definitions.insert(given_name(info, &field.name), schema);
        }
    }
    definitions
}

fn given_name(info: &KindInfo, field: &str) -> String {
    match old_field_names(info, field).next() {
        Some(old) => format!("gives-{field}-or-{old}"),
        None => format!("gives-{field}"),
    }
}

/// Fields that a creation must give and that are not generated.
fn required(info: &KindInfo) -> impl Iterator<Item = &FieldInfo> {
    let generated = |field: &FieldInfo| info.generated.iter().any(|generated| generated.field == field.name);
    info.fields.values().filter(move |field| field.required && !generated(field))
}

/// Names that a field has in other releases.
fn old_field_names<'a>(info: &'a KindInfo, field: &'a str) -> impl Iterator<Item = &'static str> + 'a {
    info.changes.iter().filter_map(move |change| match change {
        Change::Renamed { from, to, .. } if *to == field => Some(*from),
        _ => None,
    })
}

fn list(names: impl Iterator<Item = impl AsRef<str>>) -> String {
    names.map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

fn description(info: &KindInfo) -> String {
    let mut text = tags::paragraphs(&info.description);
    let required: Vec<&str> = required(info).map(|field| field.name.as_str()).collect();
    if let Some(why) = info.not_creatable {
        text += &format!("\n\nA blueprint cannot create one: {why}.");
    } else if !required.is_empty() {
        text += &format!("\n\nA creation must give {}.", list(required.iter()));
    }
    text
}

fn identifiers(registry: &Registry, info: &KindInfo, here: &str) -> Value {
    if info.meta {
        return json!({ "description": "Not used: the entry is about no object.", "type": ["object", "null"] });
    }
    let mut properties = Map::new();
    // "At most one may be so" is a rule and not a name.
    let natural = || info.keys.iter().filter(|key| !key.only_true);
    let keys: BTreeSet<&str> = natural().flat_map(|key| key.fields).copied().collect();
    // The others are found by a pattern, without a judgement of their values, so that editors propose what identifies.
    for field in info.fields.values().filter(|field| field.required || keys.contains(field.name.as_str())) {
        let attribute = format!("{here}/properties/attrs/properties/{}", field.name);
        properties.insert(field.name.clone(), json!({ "$ref": attribute }));
    }
    properties.entry("pk").or_insert_with(|| tags::reference(info.numbered, false));
    let mut schema = Map::new();
    let natural: Vec<String> = natural().map(|key| list(key.fields.iter()).replace(", ", " with ")).collect();
    let which = if natural.is_empty() { "`pk`".to_owned() } else { natural.join(", or by ") };
    schema.insert("description".into(), json!(format!("Which object the entry is about: found by {which}.")));
    schema.insert("type".into(), json!("object"));
    schema.insert("minProperties".into(), json!(1));
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("patternProperties".into(), Value::Object(paths(registry, info)));
    schema.insert("additionalProperties".into(), json!(false));
    Value::Object(schema)
}

/// Identifiers beyond the listed ones: other fields, paths (`target__slug`), lookups (`name__iexact`).
fn paths(registry: &Registry, info: &KindInfo) -> Map<String, Value> {
    let mut roots: BTreeSet<String> = info.fields.keys().cloned().collect();
    // Databases call a reference so.
    roots.extend(info.references.iter().map(|reference| format!("{}_id", reference.field)));
    roots.extend(KEY_NAMES.map(str::to_owned));
    // References that may point at anything would make some kinds a root of every other.
    let back = registry.kinds().filter(|other| {
        other.references.iter().any(|reference| {
            reference.inverse.is_none() && is_specific(reference.target) && info.is_a(reference.target)
        })
    });
    let back: Vec<&str> = back.map(KindInfo::short_name).collect();
    let fields = roots.into_iter().collect::<Vec<_>>().join("|");
    let mut patterns = Map::new();
    patterns.insert(format!("^({fields})(__|$)"), json!(true));
    if !back.is_empty() {
        patterns.insert(format!("^({})__", back.join("|")), json!(true));
    }
    patterns
}

fn is_specific(target: &str) -> bool {
    target != Family::Anything.name()
}

fn attributes(registry: &Registry, info: &KindInfo) -> Value {
    let mut properties: Map<String, Value> =
        info.fields.values().map(|field| (field.name.clone(), attribute(registry, info, field))).collect();
    for change in info.changes {
        let (name, message) = match change {
            Change::Renamed { from, to, release } => {
                (from, format!("The name of release {release}; it is `{to}` here."))
            }
            Change::Removed { field, release, instead } => {
                (field, format!("Of release {release} only, and ignored; {instead}."))
            }
            Change::Converted { .. } => continue,
        };
        let schema = match change {
            Change::Renamed { to, .. } => properties.get(*to).cloned().unwrap_or(json!({})),
            _ => json!({}),
        };
        properties.insert((*name).to_owned(), deprecated(schema, &message));
    }
    let read_only: Vec<&str> = COMMON_READ_ONLY
        .iter()
        .chain(&info.read_only)
        .copied()
        .filter(|name| !properties.contains_key(*name))
        .collect();
    let mut schema = Map::new();
    schema.insert("type".into(), if info.meta { json!("object") } else { json!(["object", "null"]) });
    schema.insert("properties".into(), Value::Object(properties));
    let pattern = format!("^({})$", read_only.join("|"));
    schema.insert("patternProperties".into(), json!({ pattern: shared(READ_ONLY) }));
    schema.insert("additionalProperties".into(), json!(false));
    if info.meta {
        let names: Vec<&str> = required(info).map(|field| field.name.as_str()).collect();
        schema.insert("required".into(), json!(names));
    }
    Value::Object(schema)
}

/// A schema whose use editors show as a warning and do not propose.
fn deprecated(mut schema: Value, message: &str) -> Value {
    if let Value::Object(object) = &mut schema {
        object.shift_remove("default");
        object.insert("description".into(), json!(message));
        object.insert("deprecated".into(), json!(true));
        object.insert("deprecationMessage".into(), json!(message));
    }
    schema
}

fn attribute(registry: &Registry, info: &KindInfo, field: &FieldInfo) -> Value {
    let mut schema = tags::tolerant(&field.schema);
    if let Some(reference) = field.reference {
        for keyword in ["type", "items", "anyOf"] {
            schema.shift_remove(keyword);
        }
        let targets = registry.targets(reference.target);
        let numbered = targets.iter().any(|kind| registry.get(*kind).numbered);
        let shape = if reference.many { tags::references(numbered) } else { tags::reference(numbered, field.nullable) };
        schema.extend(shape.as_object().cloned().unwrap_or_default());
        // Of the marks it is the one that other tools can use: it makes a graph of the kinds.
        schema.insert("x-target".into(), json!(reference.target));
    }
    let other_shapes = info.changes.iter().filter_map(|change| match change {
        Change::Converted { field: name, release, shape, .. } if *name == field.name => {
            let message = format!("The form of release {release}; it is converted.");
            let mut shape = shape();
            shape["deprecationMessage"] = json!(message);
            Some(shape)
        }
        _ => None,
    });
    let other_shapes: Vec<Value> = other_shapes.collect();
    if !other_shapes.is_empty() {
        // `pattern`, `format` and lists are judged apart from the annotations, so that either shape may hold.
        let (about, judged): (Map<String, Value>, Map<String, Value>) =
            schema.into_iter().partition(|(name, _)| tags::ANNOTATIONS.contains(&name.as_str()));
        let ours = match judged.get("anyOf") {
            Some(Value::Array(branches)) if judged.len() == 1 => branches.clone(),
            _ => vec![Value::Object(judged)],
        };
        schema = about;
        schema.insert("anyOf".into(), ours.into_iter().chain(other_shapes).collect());
    }
    let generated = info.generated.iter().any(|generated| generated.field == field.name);
    let structured = field.schema.get("properties").is_some();
    if field.required || generated || structured || schema.get("default").is_some_and(Value::is_null) {
        schema.shift_remove("default");
    }
    let mut text = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    for note in notes(registry, info, field) {
        text += "\n\n";
        text += &note;
    }
    schema.insert("description".into(), json!(text));
    Value::Object(schema)
}

/// What is known of a field beyond its own description.
fn notes(registry: &Registry, info: &KindInfo, field: &FieldInfo) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(reference) = field.reference {
        let what = match registry.find(reference.target) {
            Some(target) => format!("`{}`", target.name),
            None if is_specific(reference.target) => format!("any kind of `{}`", reference.target),
            None => "any kind".to_owned(),
        };
        let number = registry.targets(reference.target).iter().any(|kind| registry.get(*kind).numbered);
        let by = if number { "`!KeyOf`, `!Find`, UUID or number" } else { "`!KeyOf`, `!Find` or UUID" };
        let article = if reference.many { "References to objects of" } else { "Reference to an object of" };
        notes.push(format!("{article} {what}, by {by}."));
    }
    if field.secret.is_some() {
        notes.push("Secret: kept sealed and never shown; give it by `!Env` or `!File`.".to_owned());
    }
    match info.generated.iter().find(|generated| generated.field == field.name) {
        Some(generated) => {
            notes.push(format!("A creation that leaves it out gets {} random letters and digits.", generated.length))
        }
        None if field.required => notes.push("A creation must give it.".to_owned()),
        None => {}
    }
    notes
}
