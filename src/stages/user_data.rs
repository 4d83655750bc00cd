//! What a form's answers do to a user. Spec: flows §5.5.
//!
//! Only the fields that are listed here can be written by name; all else goes into the free attributes or nowhere.

use serde_json::{Map as JsonMap, Value as Json, json};

use crate::{
    expression::{Map, Value},
    store::LONGEST_PASSWORD,
};

/// Fields that a form may write, with the longest text that they take in characters.
const TEXTS: [(&str, usize); 4] = [("username", 150), ("name", 1000), ("email", 254), ("path", 1000)];
/// Types of users that a form may give; those of the server itself it may not.
const TYPES: [&str; 3] = ["internal", "external", "service_account"];
/// How deep attributes can be nested by a key.
const DEPTH: usize = 16;

/// What is wrong with an answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the field {0} cannot have this value")]
pub(super) struct Unfit(String);

/// Writes answers into a user's attributes. Gives the new password, if there is one among them.
///
/// # Errors
/// The field whose value does not fit.
pub(super) fn apply(attrs: &mut JsonMap<String, Json>, data: &Map) -> Result<Option<String>, Unfit> {
    let mut password = None;
    for (key, value) in data {
        let unfit = || Unfit(key.clone());
        match key.as_str() {
            "component" | "groups" => {}
            "password" => match value {
                Value::Text(text) if text.len() > LONGEST_PASSWORD => return Err(unfit()),
                Value::Text(text) if !text.is_empty() => password = Some(text.clone()),
                Value::Text(_) | Value::None => {}
                _ => return Err(unfit()),
            },
            "attributes" => {
                let Value::Map(given) = value else { return Err(unfit()) };
                let free = mapping(attrs, "attributes");
                for (name, value) in given {
                    free.insert(name.clone(), plain(value));
                }
            }
            "is_active" => match value {
                Value::Bool(active) => drop(attrs.insert(key.clone(), json!(active))),
                _ => return Err(unfit()),
            },
            "type" => match value.as_text() {
                Some(text) if TYPES.contains(&text) => drop(attrs.insert(key.clone(), json!(text))),
                _ => return Err(unfit()),
            },
            _ if key.starts_with("attributes.") || key.starts_with("attributes_") => {
                let path = key.replace('_', ".");
                let path: Vec<&str> = path.split('.').skip(1).collect();
                if path.len() > DEPTH || path.iter().any(|part| part.is_empty()) {
                    return Err(unfit());
                }
                put(mapping(attrs, "attributes"), &path, plain(value));
            }
            _ => match TEXTS.iter().find(|(name, _)| name == key) {
                Some((_, longest)) => {
                    let text = value.as_text().filter(|text| text.chars().count() <= *longest).ok_or_else(unfit)?;
                    attrs.insert(key.clone(), json!(text));
                }
                None => tracing::debug!(key, "an answer that is no field of users is left out"),
            },
        }
    }
    Ok(password)
}

fn mapping<'a>(attrs: &'a mut JsonMap<String, Json>, field: &str) -> &'a mut JsonMap<String, Json> {
    let value = attrs.entry(field.to_owned()).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    match value {
        Json::Object(map) => map,
        _ => unreachable!("it was made a mapping just now"),
    }
}

/// Puts a value at a path; what is in the way and is no mapping gives way to one.
fn put(attributes: &mut JsonMap<String, Json>, path: &[&str], value: Json) {
    match path {
        [] => {}
        [last] => drop(attributes.insert((*last).to_owned(), value)),
        [first, rest @ ..] => put(mapping(attributes, first), rest, value),
    }
}

/// A value as free attributes keep it.
fn plain(value: &Value) -> Json {
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => items.iter().map(plain).collect(),
        Value::Map(map) => Json::Object(map.iter().map(|(name, value)| (name.clone(), plain(value))).collect()),
        Value::Date(date) => json!(date.to_string()),
        Value::Time(time) => json!(time.to_string()),
        Value::DateTime(moment, Some(0)) => json!(format!("{moment}Z")),
        Value::DateTime(moment, _) => json!(moment.to_string()),
        Value::TimeDelta(span) => json!(i64::from(span.days) * 86_400 + i64::from(span.seconds)),
        Value::Handle(handle) => json!(handle.id),
        Value::Address(address) => json!(address.to_string()),
        Value::Network(address, prefix) => json!(format!("{address}/{prefix}")),
        other => other.to_json(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(data: Json) -> Result<(Json, Option<String>), Unfit> {
        let mut attrs = JsonMap::from_iter([
            ("username".to_owned(), json!("ada")),
            ("attributes".to_owned(), json!({ "old": { "a": 1 }, "text": "x" })),
        ]);
        let Ok(Value::Map(data)) = Value::from_json(data) else { panic!("a mapping") };
        apply(&mut attrs, &data).map(|password| (Json::Object(attrs), password))
    }

    #[test]
    fn answers_go_where_they_belong() {
        let table = [
            (json!({ "username": "eve" }), json!({ "username": "eve" })),
            (json!({ "is_superuser": true, "groups": ["x"], "id": 1, "permissions": ["a.b"] }), json!({})),
            (json!({ "type": "internal", "is_active": false }), json!({ "type": "internal", "is_active": false })),
            (json!({ "attributes.old.b": 2 }), json!({ "attributes": { "old": { "a": 1, "b": 2 }, "text": "x" } })),
            (
                json!({ "attributes_new_key": 2 }),
                json!({ "attributes": { "old": { "a": 1 }, "text": "x", "new": { "key": 2 } } }),
            ),
            (
                json!({ "attributes.text.deep": 2 }),
                json!({ "attributes": { "old": { "a": 1 }, "text": { "deep": 2 } } }),
            ),
            (json!({ "attributes": { "old": 3 } }), json!({ "attributes": { "old": 3, "text": "x" } })),
            (
                json!({ "attributes.born": { "$date": "2000-01-02" } }),
                json!({ "attributes": { "old": { "a": 1 }, "text": "x", "born": "2000-01-02" } }),
            ),
        ];
        for (data, expected) in table {
            let mut whole = json!({ "username": "ada", "attributes": { "old": { "a": 1 }, "text": "x" } });
            for (name, value) in expected.as_object().expect("a mapping") {
                whole[name] = value.clone();
            }
            assert_eq!(applied(data.clone()).map(|(attrs, _)| attrs), Ok(whole), "{data}");
        }
        assert_eq!(applied(json!({ "password": "new" })).map(|(_, password)| password), Ok(Some("new".to_owned())));
        assert_eq!(applied(json!({ "password": "" })).map(|(_, password)| password), Ok(None));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for data in [
            json!({ "username": 1 }),
            json!({ "username": "x".repeat(151) }),
            json!({ "type": "internal_service_account" }),
            json!({ "is_active": "true" }),
            json!({ "password": ["x"] }),
            json!({ "password": "x".repeat(513) }),
            json!({ "attributes": "x" }),
            json!({ "attributes.": "x" }),
        ] {
            assert!(applied(data.clone()).is_err(), "{data}");
        }
    }
}
