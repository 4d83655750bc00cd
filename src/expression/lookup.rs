//! Look-ups of queries: what `name__startswith="x"` asks, for every host alike.
//!
//! Hosts that can push a look-up down to their store take a [`Lookup`] apart; the others call [`Lookup::holds`] on each row.

use std::cmp::Ordering;

use super::value::{Handle, Map, Value};

/// A look-up, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The field and the path below it: a related object's field, or keys and indexes into JSON.
    pub path: Vec<String>,
    /// How it is compared.
    pub test: Test,
}

/// How a look-up compares. The case-insensitive ones fold case as Unicode does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the suffixes")]
pub enum Test {
    Exact,
    IExact,
    Contains,
    IContains,
    StartsWith,
    IStartsWith,
    EndsWith,
    IEndsWith,
    In,
    IsNull,
    Gt,
    Gte,
    Lt,
    Lte,
    Range,
    Regex,
    IRegex,
    HasKey,
}

impl Test {
    fn named(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "exact" => Self::Exact,
            "iexact" => Self::IExact,
            "contains" => Self::Contains,
            "icontains" => Self::IContains,
            "startswith" => Self::StartsWith,
            "istartswith" => Self::IStartsWith,
            "endswith" => Self::EndsWith,
            "iendswith" => Self::IEndsWith,
            "in" => Self::In,
            "isnull" => Self::IsNull,
            "gt" => Self::Gt,
            "gte" => Self::Gte,
            "lt" => Self::Lt,
            "lte" => Self::Lte,
            "range" => Self::Range,
            "regex" => Self::Regex,
            "iregex" => Self::IRegex,
            "has_key" => Self::HasKey,
            _ => return None,
        })
    }
}

impl Lookup {
    /// Takes a look-up apart. A last part that is a suffix is the test, `exact` otherwise.
    pub fn parse(path: &str) -> Self {
        let mut parts: Vec<String> = path.split("__").map(str::to_owned).collect();
        let test = match parts.last().and_then(|last| Test::named(last)) {
            Some(test) if parts.len() > 1 => {
                parts.pop();
                test
            }
            _ => Test::Exact,
        };
        Self { path: parts, test }
    }

    /// Whether the look-up holds for a row.
    ///
    /// A part of the path leads from an object to its field, from a map to the value of a key, from a list to the item
    /// of an index; from a list of objects to that field of each of them, of which one has to hold.
    ///
    /// # Errors
    ///
    /// The value is nothing that can be compared so: `in` wants a list, `regex` a valid expression.
    pub fn holds(&self, row: &Map, wanted: &Value) -> Result<bool, String> {
        let Some((field, rest)) = self.path.split_first() else { return Ok(false) };
        let mut found = Vec::new();
        match row.get(alias(field, row)) {
            Some(value) => reach(value, rest, &mut found),
            None => found.push(None),
        }
        for value in found {
            if self.compare(value, wanted)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn compare(&self, found: Option<&Value>, wanted: &Value) -> Result<bool, String> {
        if self.test == Test::IsNull {
            // A key that is not there and a field that is null are one to a directory; JSON null is there.
            let missing = found.is_none_or(|value| self.path.len() == 1 && *value == Value::None);
            return Ok(missing == wanted.truth());
        }
        let Some(found) = found else { return Ok(false) };
        let texts = || match (found, wanted) {
            (Value::Text(found), Value::Text(wanted)) => Some((found.clone(), wanted.clone())),
            (Value::None, _) | (_, Value::None) => None,
            (found, wanted) => Some((plain(found)?, plain(wanted)?)),
        };
        let folded = || texts().map(|(found, wanted)| (found.to_lowercase(), wanted.to_lowercase()));
        let ordered = |test: fn(Ordering) -> bool| Ok(order(found, wanted).is_some_and(test));
        match self.test {
            Test::Exact => Ok(same(found, wanted)),
            Test::IExact if *wanted == Value::None => Ok(*found == Value::None),
            Test::IExact => Ok(folded().is_some_and(|(found, wanted)| found == wanted)),
            Test::Contains if !matches!(found, Value::Text(_)) => Ok(holds_all(found, wanted)),
            Test::Contains => Ok(texts().is_some_and(|(found, wanted)| found.contains(&wanted))),
            Test::IContains => Ok(folded().is_some_and(|(found, wanted)| found.contains(&wanted))),
            Test::StartsWith => Ok(texts().is_some_and(|(found, wanted)| found.starts_with(&wanted))),
            Test::IStartsWith => Ok(folded().is_some_and(|(found, wanted)| found.starts_with(&wanted))),
            Test::EndsWith => Ok(texts().is_some_and(|(found, wanted)| found.ends_with(&wanted))),
            Test::IEndsWith => Ok(folded().is_some_and(|(found, wanted)| found.ends_with(&wanted))),
            Test::In => match wanted {
                Value::List(items) | Value::Tuple(items) | Value::Set(items) => {
                    Ok(items.iter().any(|item| same(found, item)))
                }
                _ => Err("`__in` wants a list".to_owned()),
            },
            Test::Gt => ordered(Ordering::is_gt),
            Test::Gte => ordered(Ordering::is_ge),
            Test::Lt => ordered(Ordering::is_lt),
            Test::Lte => ordered(Ordering::is_le),
            Test::Range => match wanted {
                Value::List(ends) | Value::Tuple(ends) if ends.len() == 2 => Ok(order(found, &ends[0])
                    .is_some_and(Ordering::is_ge)
                    && order(found, &ends[1]).is_some_and(Ordering::is_le)),
                _ => Err("`__range` wants two values".to_owned()),
            },
            Test::Regex | Test::IRegex => {
                let Some((found, pattern)) = texts() else { return Ok(false) };
                regex::RegexBuilder::new(&pattern)
                    .case_insensitive(self.test == Test::IRegex)
                    .size_limit(1 << 20)
                    .build()
                    .map(|regex| regex.is_match(&found))
                    .map_err(|error| format!("`{pattern}` is no regular expression: {error}"))
            }
            Test::HasKey => Ok(match (found, wanted) {
                (Value::Map(map), Value::Text(key)) => map.contains_key(key),
                _ => false,
            }),
            Test::IsNull => Ok(false),
        }
    }
}

/// `pk` is whatever the kind's key is called.
fn alias<'a>(field: &'a str, row: &Map) -> &'a str {
    match field {
        "pk" if !row.contains_key("pk") => ["uuid", "group_uuid", "id"].into_iter().find(|key| row.contains_key(*key)),
        _ => None,
    }
    .unwrap_or(field)
}

fn reach<'a>(value: &'a Value, path: &[String], found: &mut Vec<Option<&'a Value>>) {
    let Some((part, rest)) = path.split_first() else {
        found.push(Some(value));
        return;
    };
    let next = match value {
        Value::Map(map) => map.get(part),
        Value::Handle(Handle { attributes: Some(map), .. }) => map.get(alias(part, map)),
        Value::List(items) if !items.is_empty() && items.iter().all(|item| matches!(item, Value::Handle(_))) => {
            for item in items {
                reach(item, path, found);
            }
            return;
        }
        Value::List(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
        _ => None,
    };
    match next {
        Some(next) => reach(next, rest, found),
        None => found.push(None),
    }
}

/// Equality as a directory has it: objects by identity, an object and its key alike, texts of numbers and numbers alike.
fn same(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Handle(found), Value::Handle(wanted)) => found.kind == wanted.kind && found.id == wanted.id,
        (Value::Handle(handle), key) | (key, Value::Handle(handle)) => {
            plain(key).is_some_and(|key| key == handle.id)
                || handle
                    .attributes
                    .as_ref()
                    .and_then(|attributes| attributes.get("pk"))
                    .is_some_and(|pk| same(pk, key))
        }
        (Value::List(items), wanted) if items.iter().any(|item| matches!(item, Value::Handle(_))) => {
            items.iter().any(|item| same(item, wanted))
        }
        (Value::Text(text), other @ Value::Int(_)) | (other @ Value::Int(_), Value::Text(text)) => {
            plain(other).is_some_and(|other| other == *text)
        }
        (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => *a as f64 == *b,
        (found, wanted) => found == wanted,
    }
}

/// Containment in JSON: every pair of a map, every item of a list.
fn holds_all(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Map(found), Value::Map(wanted)) => {
            wanted.iter().all(|(key, wanted)| found.get(key).is_some_and(|found| holds_all(found, wanted)))
        }
        (Value::List(found), Value::List(wanted)) => {
            wanted.iter().all(|wanted| found.iter().any(|found| holds_all(found, wanted)))
        }
        (Value::List(found), wanted) => found.iter().any(|found| same(found, wanted)),
        (found, wanted) => same(found, wanted),
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Bool(value) => Some(if *value { "True" } else { "False" }.to_owned()),
        Value::Address(address) => Some(address.to_string()),
        _ => None,
    }
}

fn order(found: &Value, wanted: &Value) -> Option<Ordering> {
    match (found, wanted) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Float(b)) => (*a as f64).partial_cmp(b),
        (Value::Float(a), Value::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::DateTime(a, None), Value::DateTime(b, None)) => Some(a.cmp(b)),
        (Value::DateTime(a, Some(x)), Value::DateTime(b, Some(y))) => {
            let utc = |moment: &jiff::civil::DateTime, offset: i32| {
                moment.saturating_sub(jiff::SignedDuration::from_secs(i64::from(offset)))
            };
            Some(utc(a, *x).cmp(&utc(b, *y)))
        }
        _ => None,
    }
}
