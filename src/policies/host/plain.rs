//! Between the values of expressions and those of the store.
//!
//! Texts of the store are data and nothing else: a mapping in it that looks like one of the tags by which contexts are kept
//! stays a mapping.

use serde_json::{Map as JsonMap, Value as Json};

use crate::expression::{Map, Value};

/// A value of the store as an expression sees it.
pub fn of_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::None,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Value::Int(value),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(of_json).collect()),
        Json::Object(fields) => Value::Map(of_map(fields)),
    }
}

/// The same for a mapping.
pub fn of_map(fields: &JsonMap<String, Json>) -> Map {
    fields.iter().map(|(key, value)| (key.clone(), of_json(value))).collect()
}

/// A value of an expression as it is stored.
///
/// # Errors
/// For what JSON cannot hold.
pub fn to_json(value: &Value) -> Result<Json, String> {
    Ok(match value {
        Value::None => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::from(*value),
        Value::Float(value) => {
            serde_json::Number::from_f64(*value).map(Json::Number).ok_or("no number can be infinite")?
        }
        Value::Text(text) => Json::String(text.clone()),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => {
            Json::Array(items.iter().map(to_json).collect::<Result<_, _>>()?)
        }
        Value::Map(map) => {
            let fields = map.iter().map(|(key, value)| Ok((key.clone(), to_json(value)?)));
            Json::Object(fields.collect::<Result<_, String>>()?)
        }
        Value::Handle(handle) => Json::String(handle.id.clone()),
        Value::Address(address) => Json::String(address.to_string()),
        Value::Network(address, prefix) => Json::String(format!("{address}/{prefix}")),
        Value::Date(date) => Json::String(date.to_string()),
        Value::Time(time) => Json::String(time.to_string()),
        Value::DateTime(moment, None) => Json::String(moment.to_string()),
        Value::DateTime(moment, Some(offset)) => {
            let utc = moment.saturating_sub(jiff::SignedDuration::from_secs(i64::from(*offset)));
            Json::String(format!("{utc}Z"))
        }
        Value::Big(_) => return Err("the number is too large to be stored".to_owned()),
        Value::Bytes(_) => return Err("bytes cannot be stored; decode them first".to_owned()),
        Value::Dict(_) => return Err("a mapping that is stored has texts as keys".to_owned()),
        Value::TimeDelta(_) => return Err("a span of time cannot be stored; store its seconds".to_owned()),
    })
}

/// A value as events show it: what cannot be shown is left to its form in contexts.
pub fn shown(value: &Value) -> Json {
    match value {
        Value::Map(map) => Json::Object(map.iter().map(|(key, value)| (key.clone(), shown(value))).collect()),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => Json::Array(items.iter().map(shown).collect()),
        Value::Handle(handle) => {
            let (app, model) = handle.kind.split_once('.').unwrap_or(("", &handle.kind));
            serde_json::json!({ "app": app, "model_name": model, "pk": handle.id })
        }
        other => to_json(other).unwrap_or_else(|_| other.to_json()),
    }
}

/// A point in time, given in microseconds since 1970, in UTC.
pub fn moment(at: i64) -> Value {
    let moment = jiff::Timestamp::from_microsecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    Value::DateTime(moment.to_zoned(jiff::tz::TimeZone::UTC).datetime(), Some(0))
}
