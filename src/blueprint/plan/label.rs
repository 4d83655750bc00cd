//! Names of objects for people, and values for the change log.

use serde_json::{Value, json};

use super::Shown;
use crate::model::{Model, Object, symbol};

/// Names inside of names: a binding of a binding of a flow has three.
pub(super) const NAME_DEPTH: usize = 3;

/// What people call an object: the value of its natural identifier, with the names of objects in it.
pub fn label(model: &Model, object: &Object) -> String {
    label_to(model, object, NAME_DEPTH)
}

fn label_to(model: &Model, object: &Object, depth: usize) -> String {
    let info = model.registry().get(object.kind);
    let part = |field: &str| -> Option<String> {
        if let Some(target) = object.targets(field).first() {
            return Some(match model.known(*target) {
                Some(target) if depth > 0 => label_to(model, target, depth - 1),
                _ => target.to_string(),
            });
        }
        match object.attrs.get(field) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Null | Value::String(_)) | None => None,
            Some(other) => Some(other.to_string()),
        }
    };
    for key in info.keys.iter().filter(|key| !key.only_true) {
        let parts: Option<Vec<String>> = key.fields.iter().map(|field| part(field)).collect();
        match parts {
            Some(parts) if parts.len() == 1 => return parts.join(""),
            Some(parts) => return parts.join(" › "),
            None => {}
        }
    }
    if let Some(name) = part("name") {
        return name;
    }
    let references: Vec<String> = info
        .references
        .iter()
        .filter(|reference| !reference.many)
        .filter_map(|reference| part(reference.field))
        .collect();
    let order = part("order");
    let parts: Vec<String> = references.into_iter().chain(order).collect();
    if parts.is_empty() { object.id.to_string() } else { parts.join(" › ") }
}

/// A field's value as change logs keep it: ids for references, never a secret.
pub fn logged(shown: &Shown) -> Value {
    match shown {
        Shown::Nothing => Value::Null,
        Shown::Json(value) if symbol::contains_symbol(value) => json!("(known after apply)"),
        Shown::Json(value) => value.clone(),
        Shown::Objects(objects) => json!(objects.iter().map(|object| object.id).collect::<Vec<_>>()),
        Shown::Secret => json!("(secret)"),
        Shown::Generated => json!("(generated)"),
    }
}
