//! From a kind's Rust struct to the JSON Schema of its attributes.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::field::Reference;

/// JSON Schema of a struct with everything inlined, so that every property can be read on its own.
pub fn of_struct<K: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<K>().to_value();
    simplify(&mut schema);
    schema
}

/// Finds a mark (`x-reference`, `x-secret`) on a property, also inside `anyOf` and on the items of a list.
pub fn mark<'p>(property: &'p Value, name: &str) -> Option<&'p Value> {
    if let Some(value) = property.get(name) {
        return Some(value);
    }
    let branches = property.get("anyOf").and_then(Value::as_array);
    branches.into_iter().flatten().chain(property.get("items")).find_map(|inner| mark(inner, name))
}

/// The types that JSON Schema knows.
pub const TYPES: [&str; 7] = ["null", "boolean", "string", "array", "object", "integer", "number"];

/// Whether a property allows a JSON type at its top.
pub fn allows(property: &Value, json_type: &str) -> bool {
    let of_type = |value: &Value| match json_type {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => value.is_number(),
    };
    if property == &Value::Bool(true) {
        return true;
    }
    match property.get("type") {
        Some(Value::String(single)) => single == json_type,
        Some(Value::Array(several)) => several.iter().any(|one| one == json_type),
        _ => {
            if let Some(values) = property.get("enum").and_then(Value::as_array) {
                return values.iter().any(of_type);
            }
            match property.get("anyOf").or(property.get("oneOf")).and_then(Value::as_array) {
                Some(branches) => branches.iter().any(|branch| allows(branch, json_type)),
                None => property.as_object().is_some_and(|object| !object.contains_key("const")),
            }
        }
    }
}

/// Gives a property its title, description of the reference, and default.
pub fn finish_field(name: &str, property: Value, reference: Option<&Reference>, default: &Value) -> Value {
    let secret = mark(&property, "x-secret").cloned();
    let mut property = match property {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    property.remove("default");
    property.insert("title".into(), Value::String(title(name)));
    if let Some(reference) = reference {
        property.insert("x-target".into(), Value::String(reference.target.to_owned()));
    } else if !default.is_null() {
        property.insert("default".into(), default.clone());
    }
    if let Some(mode) = secret {
        property.insert("writeOnly".into(), json!(true));
        property.insert("x-secret".into(), mode);
    }
    Value::Object(property)
}

/// `re_evaluate_policies` → `Re evaluate policies`.
fn title(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => words,
    }
}

/// Turns what schemars writes for unit enums (`oneOf` of described constants) into a plain `enum`, so that
/// editors complete the values and messages can list them.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(branches)) = object.get("oneOf") {
                let mut values = Vec::new();
                let mut descriptions = Vec::new();
                let simple = branches.iter().all(|branch| {
                    let description = branch.get("description").cloned();
                    let found: Vec<Value> = match (branch.get("const"), branch.get("enum")) {
                        (Some(value), _) => vec![value.clone()],
                        (None, Some(Value::Array(listed))) => listed.clone(),
                        _ => return false,
                    };
                    for value in found {
                        values.push(value);
                        descriptions.push(description.clone().unwrap_or(json!("")));
                    }
                    true
                });
                if simple {
                    object.remove("oneOf");
                    if values.iter().all(Value::is_string) {
                        object.insert("type".into(), json!("string"));
                    }
                    object.insert("enum".into(), Value::Array(values));
                    if descriptions.iter().any(|description| description != "") {
                        object.insert("markdownEnumDescriptions".into(), Value::Array(descriptions));
                    }
                }
            }
            for (_, inner) in object.iter_mut() {
                simplify(inner);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(simplify),
        _ => {}
    }
}
