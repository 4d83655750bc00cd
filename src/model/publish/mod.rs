//! The JSON Schemas that the world sees: one for each kind and one for the whole blueprint, made from the kinds' own.
//!
//! They describe a document as an editor sees it, with tags shown as plain text and lists ([`tags`]). The engine
//! judges resolved values instead, by [`of_attributes`].

mod document;
mod entry;
mod tags;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::registry::{KindInfo, Registry};

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// Columns that a line of a written schema may have.
const LINE: usize = 110;

/// Schema of an entry's resolved plain attributes: every one optional, no unknown ones. References and
/// secrets are judged by the engine, which knows more about them than a schema can say.
pub fn of_attributes(info: &KindInfo) -> Value {
    let properties: Map<String, Value> = info
        .fields
        .values()
        .filter(|field| field.reference.is_none() && field.secret.is_none())
        .map(|field| (field.name.clone(), field.schema.clone()))
        .collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// Schema of one entry of the kind, complete in itself.
pub fn kind_schema(registry: &Registry, info: &KindInfo) -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".into(), json!(DRAFT));
    schema.insert("$id".into(), json!(format!("urn:gatewright:schema:kind:{}", info.name)));
    let Value::Object(mut body) = entry::body(registry, info, "#") else { return Value::Object(schema) };
    let Some(Value::Object(own)) = body.shift_remove("properties") else { return Value::Object(schema) };
    schema.append(&mut body);
    schema.insert("type".into(), json!("object"));
    let mut properties = document::entry_properties();
    properties.insert("model".into(), entry::model(info));
    for (name, schema) in own {
        match (properties.get_mut(&name), schema) {
            (Some(Value::Object(all)), Value::Object(kind)) => all.extend(kind),
            (_, schema) => {
                properties.insert(name, schema);
            }
        }
    }
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("additionalProperties".into(), json!(false));
    let mut schema = Value::Object(schema);
    let mut shared = tags::definitions(None);
    shared.extend(entry::definitions(registry));
    keep_used(&schema, &mut shared);
    schema["definitions"] = Value::Object(shared);
    schema
}

/// Schema of a whole blueprint.
pub fn blueprint_schema(registry: &Registry) -> Value {
    let mut schema = document::root(registry);
    let mut definitions = tags::definitions(Some(registry));
    definitions.extend(entry::definitions(registry));
    definitions.insert("entry".into(), document::entry(registry));
    for info in registry.kinds() {
        definitions.insert(info.name.to_owned(), entry::body(registry, info, &pointer(info.name)));
    }
    keep_used(&schema, &mut definitions);
    schema["definitions"] = Value::Object(definitions);
    schema
}

/// The files of the folder `schemas/`: name with forward slashes, and text.
pub fn files(registry: &Registry) -> BTreeMap<String, String> {
    let text = |schema: Value| {
        let mut text = String::new();
        write(&schema, 0, &mut text);
        text + "\n"
    };
    let mut files: BTreeMap<String, String> = registry
        .kinds()
        .map(|info| (format!("kinds/{}.schema.json", info.name), text(kind_schema(registry, info))))
        .collect();
    files.insert("blueprint.schema.json".to_owned(), text(blueprint_schema(registry)));
    files
}

/// Writes JSON with what fits on a line on one line, which keeps the files readable and half as large.
fn write(value: &Value, indent: usize, text: &mut String) {
    let (open, close, items): (_, _, Vec<(Option<&String>, &Value)>) = match value {
        Value::Object(object) => ('{', '}', object.iter().map(|(name, inner)| (Some(name), inner)).collect()),
        Value::Array(items) => ('[', ']', items.iter().map(|inner| (None, inner)).collect()),
        _ => ('[', ']', Vec::new()),
    };
    let short = value.to_string();
    if items.is_empty() || indent + short.len() <= LINE {
        text.push_str(&short);
        return;
    }
    text.push(open);
    for (at, (name, inner)) in items.into_iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        text.extend(std::iter::repeat_n(' ', indent + 2));
        if let Some(name) = name {
            text.push_str(&Value::from(name.as_str()).to_string());
            text.push_str(": ");
        }
        write(inner, indent + 2, text);
    }
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', indent));
    text.push(close);
}

/// Where a shared definition is found.
fn pointer(definition: &str) -> String {
    format!("#/definitions/{definition}")
}

/// A reference to a shared definition.
fn shared(definition: &str) -> Value {
    json!({ "$ref": pointer(definition) })
}

/// Drops the definitions that a schema does not reach.
fn keep_used(schema: &Value, definitions: &mut Map<String, Value>) {
    let mut used: Vec<String> = Vec::new();
    let mut open = Vec::new();
    references(schema, &mut open);
    while let Some(name) = open.pop() {
        if !used.contains(&name) {
            if let Some(definition) = definitions.get(&name) {
                references(definition, &mut open);
            }
            used.push(name);
        }
    }
    definitions.retain(|name, _| used.contains(name));
}

fn references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(object) => {
            let target =
                object.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/definitions/"));
            found.extend(target.and_then(|path| path.split('/').next()).map(str::to_owned));
            object.values().for_each(|inner| references(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}
