//! JSON as it is stored and hashed: one text per value, whichever engine it comes back from.

use serde_json::{Map, Value};

/// Why a value cannot be stored on every engine.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContainsNul;

/// Makes a value storable: refuses U+0000, which PostgreSQL has no room for, and settles what PostgreSQL's numbers
/// do not tell apart: whole floats from 10^16 that fit an integer become that integer, and minus zero becomes zero.
pub(super) fn storable(value: Value) -> Result<Value, ContainsNul> {
    Ok(match value {
        Value::String(text) => Value::String(without_nul(text)?),
        Value::Array(items) => Value::Array(items.into_iter().map(storable).collect::<Result<_, _>>()?),
        Value::Object(object) => Value::Object(
            object
                .into_iter()
                .map(|(key, inner)| Ok((without_nul(key)?, storable(inner)?)))
                .collect::<Result<Map<_, _>, _>>()?,
        ),
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            Some(0.0) => Value::from(0.0),
            Some(float) if (1e16..18_446_744_073_709_551_616.0).contains(&float) => Value::from(float as u64),
            Some(float) if (-9_223_372_036_854_775_808.0..=-1e16).contains(&float) => Value::from(float as i64),
            _ => Value::Number(number),
        },
        other => other,
    })
}

/// Gives the text back unless it contains U+0000.
pub(super) fn without_nul(text: String) -> Result<String, ContainsNul> {
    if text.contains('\0') { Err(ContainsNul) } else { Ok(text) }
}

/// Compact JSON with the keys of every object in byte order.
pub(super) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (index, (key, inner)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(inner, text);
            }
            text.push('}');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let one = json!({ "b": [1, { "y": null, "x": "\"" }], "a": 1.5 });
        let other = json!({ "a": 1.5, "b": [1, { "x": "\"", "y": null }] });
        assert_eq!(canonical(&one), canonical(&other));
        assert_eq!(canonical(&one), r#"{"a":1.5,"b":[1,{"x":"\"","y":null}]}"#);
    }

    #[test]
    fn values_that_one_engine_would_change_are_refused_or_settled() {
        assert_eq!(storable(json!({ "a": ["x\0"] })), Err(ContainsNul));
        assert_eq!(storable(json!({ "a\0": 1 })), Err(ContainsNul));
        assert_eq!(
            storable(json!([1e16, -1e16, 1.5, 1e300, -0.0])),
            Ok(json!([10_000_000_000_000_000_u64, -10_000_000_000_000_000_i64, 1.5, 1e300, 0.0]))
        );
    }
}
