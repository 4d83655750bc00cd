//! Values that are not known before a plan is applied.
//!
//! Ids of new objects are derived when planning, but the integer keys that users and providers also have are
//! given out by the store. A value made from such a key is a *symbol*: a JSON object under a reserved
//! name that the commit replaces. Documents cannot contain the reserved name ([`is_reserved`]).

use serde_json::{Map, Value, json};
use uuid::Uuid;

const NUMBER: &str = "$gatewright:number";
const TEXT: &str = "$gatewright:text";

/// The integer key of an object that the same plan creates.
pub fn number_of(id: Uuid) -> Value {
    json!({ NUMBER: id.to_string() })
}

/// A text with symbols in it: the parts are strings or [`number_of`] symbols, to be joined.
pub fn text(parts: Vec<Value>) -> Value {
    json!({ TEXT: parts })
}

/// Whether a mapping key is reserved for symbols and must be refused in documents.
pub fn is_reserved(key: &str) -> bool {
    key.starts_with("$gatewright:")
}

/// Whether the value itself is a symbol.
pub fn is_symbol(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.len() == 1 && object.keys().all(|key| is_reserved(key)))
}

/// Whether the value is a symbol or contains one.
pub fn contains_symbol(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(contains_symbol),
        Value::Object(object) => is_symbol(value) || object.values().any(contains_symbol),
        _ => false,
    }
}

/// Replaces all symbols in a value, given the integer keys of objects.
pub fn resolve(value: &Value, number: &dyn Fn(Uuid) -> Option<i64>) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(|item| resolve(item, number)).collect()),
        Value::Object(object) => {
            if let Some(Value::String(id)) = object.get(NUMBER) {
                return id.parse().ok().and_then(number).map_or(Value::Null, Value::from);
            }
            if let Some(Value::Array(parts)) = object.get(TEXT) {
                let joined = parts
                    .iter()
                    .map(|part| match resolve(part, number) {
                        Value::String(text) => text,
                        other => other.to_string(),
                    })
                    .collect();
                return Value::String(joined);
            }
            let resolved: Map<String, Value> =
                object.iter().map(|(key, inner)| (key.clone(), resolve(inner, number))).collect();
            Value::Object(resolved)
        }
        other => other.clone(),
    }
}
