//! Bodies of requests: read up to a largest size, and taken apart into fields, each once.

use std::fmt;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, header},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// The largest body, in bytes.
const MAX_BODY: usize = 2 << 20;

/// In which forms a body may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forms {
    /// As JSON only.
    Json,
    /// As JSON or as a form.
    JsonOrForm,
}

/// The fields of a body. An empty one has none.
///
/// # Errors
/// The answer to a body that is too large, of another type, or no mapping of fields that are there once.
pub async fn fields(headers: &HeaderMap, body: Body, forms: Forms) -> Result<Map<String, Value>, Refusal> {
    let body = to_bytes(body, MAX_BODY).await.map_err(|_| Refusal::TooLarge)?;
    let written = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match (essence.as_str(), forms) {
        ("", _) if body.is_empty() => Ok(Map::new()),
        ("application/json", _) if body.iter().all(u8::is_ascii_whitespace) => Ok(Map::new()),
        ("application/json", _) => match serde_json::from_slice::<Strict>(&body) {
            Ok(Strict(Value::Object(fields))) => Ok(fields),
            Ok(Strict(other)) => {
                let text = format!("Invalid data. Expected a dictionary, but got {}.", type_name(&other));
                Err(Refusal::Invalid(json!({ "non_field_errors": [text] })))
            }
            Err(error) => Err(Refusal::BadRequest(format!("JSON parse error - {error}"))),
        },
        ("application/x-www-form-urlencoded", Forms::JsonOrForm) => {
            let mut fields = Map::new();
            for (name, value) in form_urlencoded::parse(&body).into_owned() {
                if fields.insert(name, Value::String(value)).is_some() {
                    return Err(Refusal::BadRequest("Form parse error - a field is there twice".to_owned()));
                }
            }
            Ok(fields)
        }
        _ => Err(Refusal::MediaType(written.to_owned())),
    }
}

/// What the reference calls the types of JSON.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// JSON in which no mapping has a key twice: programs do not agree on which one counts, and what one checked another would
/// not use.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_any(Reader).map(Strict)
    }
}

struct Reader;

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Reader)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = items.next_key::<String>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom("a key is there twice"));
            }
            let value = items.next_value_seed(Reader)?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}
