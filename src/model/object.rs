//! One object: attributes, edges and the state of its secrets.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    field::Key,
    registry::{KindIndex, KindInfo},
};

/// An object as it is stored, or as a plan would store it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Primary key.
    pub id: Uuid,
    /// The kind.
    pub kind: KindIndex,
    /// Integer key of kinds that have one; none on a planned object that is not stored yet.
    pub number: Option<i64>,
    /// Non-secret, non-reference attributes, all of them, defaults filled in.
    pub attrs: Map<String, Value>,
    /// Forward references by field, list fields without duplicates; empty fields are left out.
    pub edges: BTreeMap<&'static str, Vec<Uuid>>,
    /// Secrets that have a value, by field.
    pub secrets: BTreeMap<&'static str, SecretState>,
    /// Store revision of the last write; 0 while only planned.
    pub revision: i64,
    /// Microseconds since 1970; 0 while only planned.
    pub created: i64,
    /// Microseconds since 1970; 0 while only planned.
    pub updated: i64,
}

/// What is known of a secret that has a value, without revealing it.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretState {
    /// Digest of the value under the store's key.
    Sealed([u8; 32]),
    /// Password hash in PHC string form.
    Password(String),
    /// A value that this plan sets or generates.
    Planned,
}

impl std::fmt::Debug for SecretState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl Object {
    /// The text that people recognise the object by.
    pub fn name(&self, kind: &KindInfo) -> String {
        self.text(kind.name_field()).unwrap_or_else(|| self.id.to_string())
    }

    /// A text attribute.
    pub fn text(&self, field: &str) -> Option<String> {
        self.attrs.get(field).and_then(Value::as_str).map(str::to_owned)
    }

    /// The targets of a reference field.
    pub fn targets(&self, field: &str) -> &[Uuid] {
        self.edges.get(field).map_or(&[], Vec::as_slice)
    }

    /// The value of a natural identifier as it is indexed, if the object has one in every field of the key.
    pub fn key_value(&self, key: &Key) -> Option<String> {
        let mut values = Vec::with_capacity(key.fields.len());
        if key.only_true && key.fields.iter().any(|field| self.attrs.get(*field) != Some(&Value::Bool(true))) {
            return None;
        }
        for field in key.fields {
            match (self.edges.get(field).and_then(|targets| targets.first()), self.attrs.get(*field)) {
                (Some(target), _) => values.push(Value::String(target.to_string())),
                (None, Some(value)) if !value.is_null() => values.push(value.clone()),
                _ => return None,
            }
        }
        Some(key_text(&values))
    }
}

/// Text under which the values of a key's fields are indexed: the plain text of a single string, JSON otherwise.
pub fn key_text(values: &[Value]) -> String {
    match values {
        [Value::String(single)] => single.clone(),
        several => Value::Array(several.to_vec()).to_string(),
    }
}

/// Scope in which a key is unique, as stored in the key index: the kind's or the family's name.
pub fn key_scope(kind: &KindInfo, key: &Key) -> &'static str {
    key.family.map_or(kind.name, |family| family.name())
}

/// Name of a key in the key index: its fields joined with `+`.
pub fn key_name(key: &Key) -> String {
    key.fields.join("+")
}
