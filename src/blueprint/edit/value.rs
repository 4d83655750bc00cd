//! A tree as a value, for comparing what a text said with what it says.

use serde_yaml::{
    Number, Value,
    value::{Tag, TaggedValue},
};

use super::{
    super::yaml::{self, Data, Node},
    Operation, Step,
};

/// The value of a node. What YAML has and the value type has not, and blueprint tags, become tagged values.
pub fn of(node: &Node) -> Value {
    let value = match &node.data {
        Data::Sequence(items) => Value::Sequence(items.iter().map(|item| of(item)).collect()),
        Data::Mapping(pairs) => Value::Mapping(pairs.iter().map(|(key, value)| (of(key), of(value))).collect()),
        Data::Scalar(scalar) => match &scalar.value {
            yaml::Value::Null => Value::Null,
            yaml::Value::Bool(truth) => Value::Bool(*truth),
            yaml::Value::Int(number) => Value::Number(Number::from(*number)),
            yaml::Value::BigInt(digits) => match digits.parse::<u64>() {
                Ok(number) => Value::Number(Number::from(number)),
                Err(_) => tagged("integer", Value::String(digits.clone())),
            },
            yaml::Value::Float(number) => Value::Number(Number::from(*number)),
            yaml::Value::Text => Value::String(scalar.text.to_string()),
            yaml::Value::Date(text) => tagged("date", Value::String(text.clone())),
            yaml::Value::DateTime(text) => tagged("time", Value::String(text.clone())),
            yaml::Value::Binary(bytes) => {
                tagged("binary", Value::Sequence(bytes.iter().map(|byte| Value::from(*byte)).collect()))
            }
        },
    };
    match &node.tag {
        Some(tag) => tagged(&tag.name, value),
        None => value,
    }
}

fn tagged(tag: &str, value: Value) -> Value {
    Value::Tagged(Box::new(TaggedValue { tag: Tag::new(tag), value }))
}

/// Makes an edit in a value; nothing when there is no such place.
pub fn change(value: &mut Value, path: &[Step], operation: &Operation) -> Option<()> {
    let Some((step, rest)) = path.split_first() else {
        let Operation::Set(new) = operation else { return None };
        *value = new.clone();
        return Some(());
    };
    match step {
        Step::Key(name) => {
            if value.is_null() && matches!(operation, Operation::Set(_)) {
                *value = Value::Mapping(serde_yaml::Mapping::new());
            }
            let Value::Mapping(pairs) = value else { return None };
            match (rest.is_empty(), operation) {
                (true, Operation::Remove) => pairs.remove(name.as_str()).map(drop),
                (_, Operation::Set(_)) => {
                    change(pairs.entry(name.as_str().into()).or_insert(Value::Null), rest, operation)
                }
                _ => change(pairs.get_mut(name.as_str())?, rest, operation),
            }
        }
        Step::Index(at) => {
            if value.is_null() && matches!(operation, Operation::Insert(_)) {
                *value = Value::Sequence(Vec::new());
            }
            let Value::Sequence(items) = value else { return None };
            match (rest.is_empty(), operation) {
                (true, Operation::Remove) => (*at < items.len()).then(|| drop(items.remove(*at))),
                (true, Operation::Insert(new)) => (*at <= items.len()).then(|| items.insert(*at, new.clone())),
                _ => change(items.get_mut(*at)?, rest, operation),
            }
        }
    }
}
