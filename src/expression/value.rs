//! The values that go into an expression and come out of one, and how they are kept as JSON.
//!
//! What JSON can say is plain JSON; the rest is a map with a single key that begins with `$` (`{"$bytes": "…"}`).
//! A map of text keys that itself has a key beginning with `$` is written as `{"$dict": […]}`, so nothing that an
//! expression makes can be mistaken for a tag. The form is stable: flow contexts of logins in progress are kept in it.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use indexmap::IndexMap;
use jiff::civil::{Date, DateTime, Time};
use num_bigint::BigInt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value as Json, json};

/// A map with text keys that remembers its order: a flow context, attributes of an object, fields of a row.
pub type Map = IndexMap<String, Value>;

/// One value of the expression language.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `None`.
    #[default]
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A whole number of 64 bits.
    Int(i64),
    /// A whole number beyond 64 bits.
    Big(BigInt),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A set, in no particular order.
    Set(Vec<Value>),
    /// A map whose keys are all text.
    Map(Map),
    /// A map with other keys, in order.
    Dict(Vec<(Value, Value)>),
    /// A date.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// A moment: wall-clock time and, unless naive, the offset from UTC in seconds.
    DateTime(DateTime, Option<i32>),
    /// A span of time.
    TimeDelta(TimeDelta),
    /// An IPv4 or IPv6 address.
    Address(IpAddr),
    /// A network: address and length of its prefix.
    Network(IpAddr, u8),
    /// An object of the model.
    Handle(Handle),
}

/// A span of time as Python normalises it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeDelta {
    /// Days, negative for spans into the past.
    pub days: i32,
    /// Seconds within the day, 0 to 86 399.
    pub seconds: i32,
    /// Microseconds within the second.
    pub microseconds: i32,
}

/// An object of the model as an expression sees it.
///
/// With `attributes` the object enters the sandbox as given; without, the engine asks
/// [`Host::attributes`](super::Host::attributes) for all such objects of a scope at once, and only if the expression can
/// reach them. Handles that come out carry the attributes as the expression left them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handle {
    /// The kind as blueprints name it (`authentik_core.user`), or one of the engine's own: `http.request`,
    /// `policy.event` and the like, see the guide on expressions.
    pub kind: String,
    /// The object's identity within its kind, its UUID as a rule. Empty for objects that were never stored, such as the
    /// anonymous user.
    pub id: String,
    /// What is known of the object. `None`: to be loaded when needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Map>,
}

impl Handle {
    /// A handle whose attributes are loaded when an expression needs them.
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into(), attributes: None }
    }

    /// A handle with its attributes.
    pub fn with(kind: impl Into<String>, id: impl Into<String>, attributes: Map) -> Self {
        Self { kind: kind.into(), id: id.into(), attributes: Some(attributes) }
    }
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The text, if the value is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The map, if all keys of the value are text.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Whether Python holds the value for true.
    pub fn truth(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Big(value) => *value != BigInt::ZERO,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(items) | Self::Tuple(items) | Self::Set(items) => !items.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Dict(pairs) => !pairs.is_empty(),
            Self::TimeDelta(span) => *span != TimeDelta::default(),
            Self::Date(_) | Self::Time(_) | Self::DateTime(..) => true,
            Self::Address(_) | Self::Network(..) | Self::Handle(_) => true,
        }
    }

    /// Pairs as a map if all keys are text, as a general dictionary otherwise.
    pub fn from_pairs(pairs: Vec<(Value, Value)>) -> Self {
        if pairs.iter().all(|(key, _)| matches!(key, Self::Text(_))) {
            Self::Map(
                pairs
                    .into_iter()
                    .filter_map(|(key, value)| match key {
                        Self::Text(key) => Some((key, value)),
                        _ => None,
                    })
                    .collect(),
            )
        } else {
            Self::Dict(pairs)
        }
    }

    /// The value in its JSON form.
    pub fn to_json(&self) -> Json {
        let list = |items: &[Value]| Json::Array(items.iter().map(Value::to_json).collect());
        match self {
            Self::None => Json::Null,
            Self::Bool(value) => json!(value),
            Self::Int(value) => json!(value),
            Self::Big(value) => json!({ "$int": value.to_string() }),
            Self::Float(value) if value.is_finite() => json!(value),
            Self::Float(value) => json!({ "$float": value.to_string() }),
            Self::Text(text) => json!(text),
            Self::Bytes(bytes) => json!({ "$bytes": STANDARD.encode(bytes) }),
            Self::List(items) => list(items),
            Self::Tuple(items) => json!({ "$tuple": list(items) }),
            Self::Set(items) => json!({ "$set": list(items) }),
            Self::Map(map) if map.keys().any(|key| key.starts_with('$')) => {
                json!({ "$dict": map.iter().map(|(key, value)| json!([key, value.to_json()])).collect::<Vec<_>>() })
            }
            Self::Map(map) => map_to_json(map),
            Self::Dict(pairs) => {
                json!({ "$dict": pairs.iter().map(|(key, value)| json!([key.to_json(), value.to_json()])).collect::<Vec<_>>() })
            }
            Self::Date(date) => json!({ "$date": date.to_string() }),
            Self::Time(time) => json!({ "$time": time.to_string() }),
            Self::DateTime(moment, None) => json!({ "$datetime": [moment.to_string()] }),
            Self::DateTime(moment, Some(offset)) => json!({ "$datetime": [moment.to_string(), offset] }),
            Self::TimeDelta(span) => json!({ "$timedelta": [span.days, span.seconds, span.microseconds] }),
            Self::Address(address) => json!({ "$address": address.to_string() }),
            Self::Network(address, prefix) => json!({ "$network": format!("{address}/{prefix}") }),
            Self::Handle(handle) => {
                let mut fields = json!({ "kind": handle.kind, "id": handle.id });
                if let Some(attributes) = &handle.attributes {
                    fields["attributes"] = Self::Map(attributes.clone()).to_json();
                }
                json!({ "$handle": fields })
            }
        }
    }

    /// The value of a JSON form.
    ///
    /// # Errors
    ///
    /// The text names a tag that is unknown or has the wrong content.
    pub fn from_json(json: Json) -> Result<Self, String> {
        Ok(match json {
            Json::Null => Self::None,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Self::Int(value),
                (None, Some(value)) => Self::Big(BigInt::from(value)),
                (None, None) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Text(text),
            Json::Array(items) => Self::List(list(items)?),
            Json::Object(fields) => {
                if fields.len() == 1
                    && let Some((tag, _)) = fields.iter().next()
                    && tag.starts_with('$')
                {
                    let (tag, content) = fields.into_iter().next().unwrap_or_default();
                    return tagged(&tag, content).ok_or_else(|| format!("`{tag}` is no value of an expression"));
                }
                let mut map = Map::with_capacity(fields.len());
                for (key, value) in fields {
                    map.insert(key, Self::from_json(value)?);
                }
                Self::Map(map)
            }
        })
    }
}

fn map_to_json(map: &Map) -> Json {
    Json::Object(map.iter().map(|(key, value)| (key.clone(), value.to_json())).collect())
}

fn list(items: Vec<Json>) -> Result<Vec<Value>, String> {
    items.into_iter().map(Value::from_json).collect()
}

/// The value of a tagged map, `None` if the tag is unknown or its content is not what the tag wants.
fn tagged(tag: &str, content: Json) -> Option<Value> {
    let text = || content.as_str().map(str::to_owned);
    Some(match tag {
        "$int" => Value::Big(text()?.parse().ok()?),
        "$float" => Value::Float(text()?.parse().ok()?),
        "$bytes" => Value::Bytes(STANDARD.decode(text()?).ok()?),
        "$tuple" | "$set" => {
            let Json::Array(items) = content else { return None };
            let items = list(items).ok()?;
            if tag == "$set" { Value::Set(items) } else { Value::Tuple(items) }
        }
        "$dict" => {
            let Json::Array(pairs) = content else { return None };
            let mut all = Vec::with_capacity(pairs.len());
            for pair in pairs {
                let Json::Array(pair) = pair else { return None };
                let [key, value]: [Json; 2] = pair.try_into().ok()?;
                all.push((Value::from_json(key).ok()?, Value::from_json(value).ok()?));
            }
            Value::from_pairs(all)
        }
        "$date" => Value::Date(text()?.parse().ok()?),
        "$time" => Value::Time(text()?.parse().ok()?),
        "$datetime" => {
            let parts = content.as_array()?;
            let offset = match parts.get(1) {
                None => None,
                Some(offset) => Some(i32::try_from(offset.as_i64()?).ok()?),
            };
            Value::DateTime(parts.first()?.as_str()?.parse().ok()?, offset)
        }
        "$timedelta" => {
            let [days, seconds, microseconds]: [i32; 3] = serde_json::from_value(content).ok()?;
            Value::TimeDelta(TimeDelta { days, seconds, microseconds })
        }
        "$address" => Value::Address(text()?.parse().ok()?),
        "$network" => {
            let text = text()?;
            let (address, prefix) = text.split_once('/')?;
            Value::Network(address.parse().ok()?, prefix.parse().ok()?)
        }
        "$handle" => {
            let attributes = match content.get("attributes") {
                None => None,
                Some(attributes) => match Value::from_json(attributes.clone()).ok()? {
                    Value::Map(map) => Some(map),
                    _ => return None,
                },
            };
            let part = |name: &str| content.get(name).and_then(Json::as_str).map(str::to_owned);
            Value::Handle(Handle { kind: part("kind")?, id: part("id")?, attributes })
        }
        _ => return None,
    })
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(Json::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Map> for Value {
    fn from(value: Map) -> Self {
        Self::Map(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Self {
        Self::List(value)
    }
}

impl From<Handle> for Value {
    fn from(value: Handle) -> Self {
        Self::Handle(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}
