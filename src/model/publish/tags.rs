//! Tags as an editor shows them to a schema: `!Context key` is the text `key`, `!Find [a, b]` is the list `[a, b]`.
//!
//! A schema cannot see the tag, so each position must also accept what a tag may look like there, and as little
//! else as possible. The decision and its reasons are in `docs/decisions/0003-schemas-and-tags.md`.

use serde_json::{Map, Value, json};

use super::shared;
use crate::model::{field::Family, registry::Registry, schema};

/// Keywords that say something about a value without judging it.
pub const ANNOTATIONS: [&str; 6] = ["title", "description", "default", "writeOnly", "examples", "$comment"];

/// What a tag in list form looks like; says nothing about values that are no lists.
const SEQUENCE: &str = "tag-sequence";
/// The arguments of a tag, and the lists among them.
const ARGUMENTS: &str = "tag-arguments";
/// A tag beside text of a certain form: its text looks like a name.
const NAMED: &str = "tag-named";
/// A tag beside listed values: its text is no misspelling of one.
const CHOICE: &str = "tag-choice";
/// A tag in list form that gives a list.
const LIST: &str = "tag-list";
/// The first argument of `!Find`.
const FIND_MODEL: &str = "find-model";

/// Text of a scalar tag where text has no place otherwise.
const WORD: &str = "^\\S+$";

/// The shared definitions. With a registry, the kinds that `!Find` names are checked; a schema of a
/// single kind leaves that out, because the list of all kinds would be most of it.
pub fn definitions(registry: Option<&Registry>) -> Map<String, Value> {
    let mut definitions = Map::new();
    let mut define = |name: &str, schema: Value| definitions.insert(name.to_owned(), schema);
    for numbered in [false, true] {
        for nullable in [false, true] {
            let text = if numbered {
                "A reference is written as !KeyOf, !Find, a UUID or a number; this is none of them."
            } else {
                "A reference is written as !KeyOf, !Find or a UUID; this is none of them."
            };
            let mut schema =
                json!({ "type": reference_types(numbered, nullable), "pattern": WORD, "patternErrorMessage": text });
            if numbered {
                schema["minimum"] = json!(1);
            }
            schema["allOf"] = json!([shared(SEQUENCE)]);
            define(&reference_name(numbered, nullable), schema);
        }
    }
    define(
        NAMED,
        with_sequence(json!({
            "type": ["string", "array"],
            "pattern": "^([A-Za-z_][A-Za-z0-9_-]*|goauthentik\\.io/\\S+)$",
        })),
    );
    define(
        CHOICE,
        with_sequence(json!({
            "type": ["string", "array"],
            "pattern": "^([A-Z][A-Z0-9]*(_[A-Z0-9]+)+|goauthentik\\.io/\\S+)$",
        })),
    );
    define(
        LIST,
        json!({
            "$comment": "A tag that gives a list: `!Enumerate [list, SEQ, body]`, or another with a list among its arguments.",
            "type": "array",
            "minItems": 2,
            "maxItems": 3,
            "anyOf": [
                { "minItems": 3, "items": [true, { "type": "string", "pattern": "^[Ss][Ee][Qq]$" }] },
                { "contains": { "type": "array" } },
            ],
        }),
    );
    let Some(registry) = registry else {
        define(SEQUENCE, json!({ "minItems": 1 }));
        return definitions;
    };
    define(SEQUENCE, json!({ "minItems": 1, "allOf": [shared(ARGUMENTS)] }));
    define(
        ARGUMENTS,
        json!({
            "$comment": "What begins with the name of a kind and goes on with a list is a !Find.",
            "if": {
                "type": "array",
                "minItems": 2,
                "items": [{ "type": "string", "pattern": "^authentik_[a-z0-9_]+\\.[a-z0-9]+$" }, { "type": "array" }],
            },
            "then": {
                "items": [shared(FIND_MODEL)],
                "additionalItems": { "type": "array", "minItems": 2, "maxItems": 2, "items": shared(ARGUMENTS) },
            },
            "else": { "items": shared(ARGUMENTS) },
        }),
    );
    let kinds = registry.kinds().flat_map(|info| std::iter::once(&info.name).chain(info.aliases).copied());
    let families = Family::ALL.into_iter().filter(|family| *family != Family::Anything).map(Family::name);
    define(FIND_MODEL, json!({ "enum": kinds.chain(families).collect::<Vec<_>>() }));
    definitions
}

fn with_sequence(mut schema: Value) -> Value {
    schema["allOf"] = json!([shared(SEQUENCE)]);
    schema
}

/// Schema of a position that accepts a tag beside what `schema` accepts, with the marks for the engine left out.
pub fn tolerant(schema: &Value) -> Map<String, Value> {
    let Some(object) = schema.as_object() else { return Map::new() };
    let mut annotations = Map::new();
    let mut strict = Map::new();
    for (name, value) in object {
        match name.as_str() {
            name if ANNOTATIONS.contains(&name) => {
                annotations.insert(name.to_owned(), value.clone());
            }
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                let inner = properties.map(|(name, inner)| (name.clone(), Value::Object(tolerant(inner))));
                strict.insert(name.clone(), Value::Object(inner.collect()));
            }
            "items" | "additionalProperties" if value.is_object() => {
                strict.insert(name.clone(), Value::Object(tolerant(value)));
            }
            // Sizes of Rust's integers; the bounds beside them say the same.
            "format" if value.as_str().is_some_and(|format| format.contains("int") || format == "double") => {}
            name if name.starts_with("x-") => {}
            name => {
                strict.insert(name.to_owned(), value.clone());
            }
        }
    }
    numbers_as_text(&mut strict);
    if let Some(Value::String(text)) = annotations.get_mut("description") {
        *text = paragraphs(text);
    }
    annotations.extend(beside_tags(strict));
    annotations
}

/// A choice between texts that are numbers accepts the numbers too, as the engine does.
fn numbers_as_text(strict: &mut Map<String, Value>) {
    let Some(Value::Array(values)) = strict.get_mut("enum") else { return };
    let numbers: Option<Vec<Value>> =
        values.iter().map(|value| value.as_str()?.parse::<i64>().ok().map(Value::from)).collect();
    if let Some(numbers) = numbers {
        values.extend(numbers);
        strict.insert("type".into(), json!(["string", "integer"]));
    }
}

/// Adds to the judgement of a value what a tag may look like beside it.
///
/// Where it can be, the result is one flat schema and no `anyOf`: an editor then says what is wrong with the value, and
/// not that it is no tag either.
fn beside_tags(mut strict: Map<String, Value>) -> Map<String, Value> {
    if strict.is_empty() {
        return strict;
    }
    let whole = Value::Object(strict.clone());
    let allows = |json_type: &str| schema::allows(&whole, json_type);
    let branches = || whole.get("anyOf").and_then(Value::as_array).into_iter().flatten().chain([&whole]);
    let has = |keyword: &str| branches().any(|branch| branch.get(keyword).is_some());
    let any_of = |tag: &str| {
        let mut either = match whole.get("anyOf") {
            Some(Value::Array(branches)) => branches.clone(),
            _ => vec![whole.clone()],
        };
        either.push(shared(tag));
        Map::from_iter([("anyOf".to_owned(), Value::Array(either))])
    };
    if allows("array") {
        return list(strict);
    }
    if has("enum") || has("const") {
        return any_of(CHOICE);
    }
    if allows("string") && (has("pattern") || has("format")) {
        return any_of(NAMED);
    }
    if !has("type") {
        return strict;
    }
    if !allows("string") {
        strict.insert(
            if allows("object") { "minLength" } else { "pattern" }.to_owned(),
            match allows("object") {
                true => json!(1),
                false => json!(WORD),
            },
        );
    }
    widen(&mut strict, &["string", "array"]);
    strict.insert("allOf".into(), json!([shared(SEQUENCE)]));
    strict
}

/// A list, the text of a scalar tag, or a tag in list form.
fn list(mut strict: Map<String, Value>) -> Map<String, Value> {
    let items = strict.shift_remove("items");
    widen(&mut strict, &["string"]);
    strict.insert("minLength".into(), json!(1));
    let Some(items) = items else { return strict };
    // Whoever forgets the brackets writes one of the values.
    if let Some(values) = listed(&items) {
        strict.insert("pattern".into(), json!(format!("^(?!({})$)", values.join("|"))));
        strict.insert("patternErrorMessage".into(), json!("This is a list: put the value in brackets."));
    }
    strict.insert("if".into(), shared(LIST));
    strict.insert("then".into(), shared(SEQUENCE));
    strict.insert("else".into(), json!({ "items": items }));
    strict
}

/// Adds to the types of a schema.
fn widen(schema: &mut Map<String, Value>, more: &[&str]) {
    let mut types = match schema.get("type") {
        Some(Value::Array(types)) => types.clone(),
        Some(single) => vec![single.clone()],
        None => return,
    };
    types.extend(more.iter().map(|name| json!(name)).filter(|name| !types.contains(name)).collect::<Vec<_>>());
    schema.insert("type".into(), Value::Array(types));
}

/// The listed values of a list's items, as they stand in a pattern.
fn listed(items: &Value) -> Option<Vec<String>> {
    let mut branches = items.get("anyOf").and_then(Value::as_array).into_iter().flatten().chain([items]);
    let values = branches.find_map(|branch| branch.get("enum").and_then(Value::as_array))?;
    let escaped = |text: &str| {
        let escape = |letter: char| {
            if letter.is_alphanumeric() || "_-/:".contains(letter) { vec![letter] } else { vec!['\\', letter] }
        };
        text.chars().flat_map(escape).collect()
    };
    Some(values.iter().filter_map(Value::as_str).map(escaped).collect())
}

/// Paragraphs in one line each: editors turn every line end into a paragraph.
pub fn paragraphs(text: &str) -> String {
    let lines = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split("\n\n").map(lines).collect::<Vec<_>>().join("\n\n")
}

/// Name of the definition of references.
fn reference_name(numbered: bool, nullable: bool) -> String {
    let number = if numbered { "-or-number" } else { "" };
    let null = if nullable { "-or-null" } else { "" };
    format!("reference{number}{null}")
}

fn reference_types(numbered: bool, nullable: bool) -> Vec<&'static str> {
    let more = [(numbered, "integer"), (nullable, "null")];
    ["string", "array"].into_iter().chain(more.into_iter().filter_map(|(is, name)| is.then_some(name))).collect()
}

/// A reference to one object. The types stand here as well, because editors complete a key by the type beside it.
pub fn reference(numbered: bool, nullable: bool) -> Value {
    json!({ "type": reference_types(numbered, nullable), "allOf": [shared(&reference_name(numbered, nullable))] })
}

/// A set of references.
pub fn references(numbered: bool) -> Value {
    let items = shared(&reference_name(numbered, false));
    let strict = json!({ "type": ["array", "null"], "items": items });
    Value::Object(list(strict.as_object().cloned().unwrap_or_default()))
}

/// A choice from listed values, or a tag.
pub fn choice(listed: Vec<Value>) -> Value {
    json!({ "anyOf": listed.into_iter().chain([shared(CHOICE)]).collect::<Vec<_>>() })
}

/// Text, or a tag.
pub fn text() -> Value {
    with_sequence(json!({ "type": ["string", "array"], "minLength": 1 }))
}

/// A mapping of the given schema, or a tag.
pub fn mapping(strict: Value) -> Value {
    Value::Object(beside_tags(strict.as_object().cloned().unwrap_or_default()))
}
