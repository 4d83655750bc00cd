//! Values while tags are being resolved: what YAML can say, plus what only an evaluation knows.

use std::{fmt::Write, sync::Arc};

use indexmap::IndexMap;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::yaml::{self, Data, Node};
use crate::model::{KindIndex, symbol};

/// A value with Python's notion of truth and text, which blueprints rely on (spec blueprints §3).
#[derive(Clone, Debug, PartialEq)]
pub enum Val {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// Integer.
    Int(i64),
    /// Floating point number, or an integer beyond 64 bits.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// A YAML 1.1 date or time, as ISO text. JSON has no such type: where it is used it becomes its text.
    Time(Arc<str>),
    /// List.
    List(Vec<Val>),
    /// Mapping in source order.
    Map(IndexMap<MapKey, Val>),
    /// An object that a tag referred to.
    Object(ObjectRef),
    /// Text made from integer keys that are given out when the plan is applied.
    Symbol(Arc<Vec<Value>>),
    /// Cannot be known in this run, because there is no database to look at.
    Unknown,
    /// A value from the environment or a file: never printed.
    Secret(Box<Val>),
}

/// The result of `!KeyOf` or `!Find`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    /// Id of the object, stored or derived for creation.
    pub id: Uuid,
    /// Its kind.
    pub kind: KindIndex,
    /// Integer key when the kind has one and the object is stored.
    pub number: Option<i64>,
    /// Whether the kind has integer keys.
    pub numbered: bool,
}

/// Key of a mapping. Keys other than text occur in contexts and in mappings made by `!Enumerate`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MapKey {
    /// Text.
    Text(Arc<str>),
    /// Integer.
    Int(i64),
    /// Boolean.
    Bool(bool),
    /// Null.
    Null,
}

impl MapKey {
    fn weight(&self) -> usize {
        if let MapKey::Text(text) = self { text.len() } else { 0 }
    }

    /// The key as JSON has it; JSON knows only text.
    pub fn text(&self) -> String {
        match self {
            MapKey::Text(text) => text.to_string(),
            MapKey::Int(number) => number.to_string(),
            MapKey::Bool(truth) => truth.to_string(),
            MapKey::Null => "null".to_owned(),
        }
    }

    /// The key as a value, for `!Index` in a mapping.
    pub fn value(&self) -> Val {
        match self {
            MapKey::Text(text) => Val::Text(text.clone()),
            MapKey::Int(number) => Val::Int(*number),
            MapKey::Bool(truth) => Val::Bool(*truth),
            MapKey::Null => Val::Null,
        }
    }
}

impl Val {
    /// Makes a text value.
    pub fn text(text: impl Into<Arc<str>>) -> Val {
        Val::Text(text.into())
    }

    /// The value below a secret mark.
    pub fn peel(&self) -> &Val {
        match self {
            Val::Secret(inner) => inner.peel(),
            other => other,
        }
    }

    /// Marks the value as secret if `secret` is set; unknown values and null have nothing to hide.
    #[must_use]
    pub fn secret_if(self, secret: bool) -> Val {
        match self {
            Val::Secret(_) | Val::Null | Val::Unknown => self,
            other if secret => Val::Secret(Box::new(other)),
            other => other,
        }
    }

    /// Whether the value or a part of it is secret.
    pub fn is_secret(&self) -> bool {
        match self {
            Val::Secret(_) => true,
            Val::List(items) => items.iter().any(Val::is_secret),
            Val::Map(map) => map.values().any(Val::is_secret),
            _ => false,
        }
    }

    /// Whether the value or a part of it is unknown.
    pub fn is_unknown(&self) -> bool {
        match self {
            Val::Unknown => true,
            Val::Secret(inner) => inner.is_unknown(),
            Val::List(items) => items.iter().any(Val::is_unknown),
            Val::Map(map) => map.values().any(Val::is_unknown),
            _ => false,
        }
    }

    /// Python's truth value; none for an unknown value.
    pub fn truth(&self) -> Option<bool> {
        Some(match self {
            Val::Null => false,
            Val::Bool(truth) => *truth,
            Val::Int(number) => *number != 0,
            Val::Float(number) => *number != 0.0,
            Val::Text(text) => !text.is_empty(),
            Val::List(items) => !items.is_empty(),
            Val::Map(map) => !map.is_empty(),
            Val::Time(_) | Val::Object(_) | Val::Symbol(_) => true,
            Val::Secret(inner) => return inner.truth(),
            Val::Unknown => return None,
        })
    }

    /// What [`Val::weight`] counts for a value besides its text, in bytes.
    pub const WEIGHT: usize = 64;

    /// About how many bytes the value is worth when all of it is written out; texts that are shared in memory count
    /// wherever they stand.
    pub fn weight(&self) -> usize {
        Val::WEIGHT
            + match self {
                Val::Text(text) | Val::Time(text) => text.len(),
                Val::List(items) => items.iter().map(Val::weight).sum(),
                Val::Map(map) => map.iter().map(|(key, value)| key.weight() + value.weight()).sum(),
                Val::Symbol(parts) => parts.iter().map(|part| part.as_str().map_or(Val::WEIGHT, str::len)).sum(),
                Val::Secret(inner) => inner.weight(),
                Val::Null | Val::Bool(_) | Val::Int(_) | Val::Float(_) | Val::Object(_) | Val::Unknown => 0,
            }
    }

    /// Whether all numbers in the value are finite, as JSON needs them.
    pub fn is_finite(&self) -> bool {
        match self {
            Val::Float(number) => number.is_finite(),
            Val::List(items) => items.iter().all(Val::is_finite),
            Val::Map(map) => map.values().all(Val::is_finite),
            Val::Secret(inner) => inner.is_finite(),
            _ => true,
        }
    }

    /// Collections inside each other.
    pub fn depth(&self) -> usize {
        match self {
            Val::List(items) => 1 + items.iter().map(Val::depth).max().unwrap_or(0),
            Val::Map(map) => 1 + map.values().map(Val::depth).max().unwrap_or(0),
            Val::Secret(inner) => inner.depth(),
            _ => 0,
        }
    }

    /// Name of the type, for messages.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Val::Null => "null",
            Val::Bool(_) => "a boolean",
            Val::Int(_) => "an integer",
            Val::Float(_) => "a number",
            Val::Text(_) | Val::Symbol(_) => "text",
            Val::Time(_) => "a date",
            Val::List(_) => "a list",
            Val::Map(_) => "a mapping",
            Val::Object(_) => "an object",
            Val::Unknown => "a value that is not known here",
            Val::Secret(inner) => inner.kind_name(),
        }
    }

    /// The JSON form. Objects become their key, unknown values null; the caller decides about those before.
    pub fn to_json(&self) -> Value {
        match self {
            Val::Null | Val::Unknown => Value::Null,
            Val::Bool(truth) => Value::Bool(*truth),
            Val::Int(number) => Value::from(*number),
            Val::Float(number) => serde_json::Number::from_f64(*number).map_or(Value::Null, Value::Number),
            Val::Text(text) | Val::Time(text) => Value::String(text.to_string()),
            Val::List(items) => Value::Array(items.iter().map(Val::to_json).collect()),
            Val::Map(map) => {
                let object: Map<String, Value> = map.iter().map(|(key, value)| (key.text(), value.to_json())).collect();
                Value::Object(object)
            }
            Val::Object(object) => object.key(),
            Val::Symbol(parts) => symbol::text(parts.to_vec()),
            Val::Secret(inner) => inner.to_json(),
        }
    }

    /// From JSON, for context values of the command line and looked-up objects.
    pub fn from_json(value: &Value) -> Val {
        match value {
            Value::Null => Val::Null,
            Value::Bool(truth) => Val::Bool(*truth),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Val::Int(integer),
                None => Val::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Val::text(text.as_str()),
            Value::Array(items) => Val::List(items.iter().map(Val::from_json).collect()),
            Value::Object(object) => Val::Map(
                object.iter().map(|(key, value)| (MapKey::Text(key.as_str().into()), Val::from_json(value))).collect(),
            ),
        }
    }

    /// The value of an untagged scalar node.
    pub fn of_scalar(scalar: &yaml::Scalar) -> Val {
        let value = match &scalar.value {
            yaml::Value::Null => Val::Null,
            yaml::Value::Bool(truth) => Val::Bool(*truth),
            yaml::Value::Int(number) => Val::Int(*number),
            yaml::Value::BigInt(digits) => Val::Float(digits.parse().unwrap_or(f64::INFINITY)),
            yaml::Value::Float(number) => Val::Float(*number),
            yaml::Value::Text => Val::Text(scalar.text.clone()),
            yaml::Value::Date(iso) | yaml::Value::DateTime(iso) => Val::text(iso.as_str()).into_time(),
            yaml::Value::Binary(bytes) => Val::text(String::from_utf8_lossy(bytes).as_ref()),
        };
        value.secret_if(scalar.secret)
    }

    /// The value of a node without any tag in it, and nothing where there is one.
    pub fn literal(node: &Node) -> Option<Val> {
        if node.tag.is_some() {
            return None;
        }
        match &node.data {
            Data::Scalar(scalar) => Some(Val::of_scalar(scalar)),
            Data::Sequence(items) => items.iter().map(|item| Val::literal(item)).collect::<Option<_>>().map(Val::List),
            Data::Mapping(pairs) => pairs
                .iter()
                .map(|(key, value)| Some((Val::literal(key)?.into_key()?, Val::literal(value)?)))
                .collect::<Option<_>>()
                .map(Val::Map),
        }
    }

    /// The value as a mapping key, if it can be one.
    pub fn into_key(self) -> Option<MapKey> {
        Some(match self {
            Val::Text(text) | Val::Time(text) => MapKey::Text(text),
            Val::Int(number) => MapKey::Int(number),
            Val::Bool(truth) => MapKey::Bool(truth),
            Val::Null => MapKey::Null,
            Val::Float(_) => MapKey::Text(self.python_str().into()),
            Val::Object(object) => match object.key() {
                Value::String(text) => MapKey::Text(text.into()),
                Value::Number(number) => MapKey::Int(number.as_i64()?),
                _ => return None,
            },
            Val::Secret(inner) => return inner.into_key(),
            _ => return None,
        })
    }

    fn into_time(self) -> Val {
        match self {
            Val::Text(text) => Val::Time(text),
            other => other,
        }
    }

    /// What Python's `str()` gives.
    pub fn python_str(&self) -> String {
        match self {
            Val::Text(text) | Val::Time(text) => text.to_string(),
            Val::Secret(inner) => inner.python_str(),
            other => other.python_repr(),
        }
    }

    /// What Python's `repr()` gives.
    pub fn python_repr(&self) -> String {
        match self {
            Val::Null | Val::Unknown => "None".to_owned(),
            Val::Bool(truth) => if *truth { "True" } else { "False" }.to_owned(),
            Val::Int(number) => number.to_string(),
            Val::Float(number) => python_float(*number),
            Val::Text(text) | Val::Time(text) => python_quote(text),
            Val::List(items) => {
                let inner: Vec<String> = items.iter().map(Val::python_repr).collect();
                format!("[{}]", inner.join(", "))
            }
            Val::Map(map) => {
                let inner: Vec<String> = map
                    .iter()
                    .map(|(key, value)| format!("{}: {}", key.value().python_repr(), value.python_repr()))
                    .collect();
                format!("{{{}}}", inner.join(", "))
            }
            Val::Object(object) => match object.key() {
                Value::String(text) => text,
                other => other.to_string(),
            },
            Val::Symbol(_) => String::new(),
            Val::Secret(inner) => inner.python_repr(),
        }
    }

    /// Merges `later` into `self` as the reference system's deep merge does: mappings key by key, lists by
    /// appending, everything else by replacing (spec blueprints §3.1).
    pub fn merge(&mut self, later: Val) {
        match (self, later) {
            (Val::Map(mine), Val::Map(theirs)) => {
                for (key, value) in theirs {
                    match mine.get_mut(&key) {
                        Some(present) => present.merge(value),
                        None => {
                            mine.insert(key, value);
                        }
                    }
                }
            }
            (Val::List(mine), Val::List(theirs)) => mine.extend(theirs),
            (mine, theirs) => *mine = theirs,
        }
    }
}

impl ObjectRef {
    /// The primary key as the reference system would show it: an integer for numbered kinds, else the id. The
    /// integer of an object that does not exist yet is a symbol.
    pub fn key(&self) -> Value {
        match (self.numbered, self.number) {
            (false, _) => Value::String(self.id.to_string()),
            (true, Some(number)) => Value::from(number),
            (true, None) => symbol::number_of(self.id),
        }
    }
}

fn python_float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{number:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    let text = number.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

fn python_quote(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for letter in text.chars() {
        match letter {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\\' => quoted.push_str("\\\\"),
            letter if letter == quote => {
                quoted.push('\\');
                quoted.push(letter);
            }
            letter if letter.is_control() => {
                let _ = write!(quoted, "\\x{:02x}", letter as u32);
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push(quote);
    quoted
}
