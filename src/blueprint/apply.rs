//! From a plan to the rows of one transaction. Makes no choice: whatever was to be decided is in the plan.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Value, json};

use super::plan::{Action, Counts, ObjectChange, Plan, logged};
use crate::{
    model::{Object, Registry, SecretMode, object},
    store::changeset::{Changeset, FieldChange, Row, Run, SecretWrite, Write},
};

/// Characters of generated values.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A random text of letters and digits.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn random_text(length: usize) -> Result<String, getrandom::Error> {
    let mut text = String::with_capacity(length);
    let mut bytes = [0u8; 64];
    while text.len() < length {
        getrandom::fill(&mut bytes)?;
        // Bytes above the largest multiple of the alphabet's size are skipped, so that every character is as likely.
        let usable = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(ALPHABET[usize::from(*byte) % 62]));
        text.extend(usable.take(length - text.len()));
    }
    Ok(text)
}

/// The rows that a plan writes.
///
/// # Errors
/// When the operating system gives no randomness for generated values.
pub fn changeset(plan: &Plan, registry: &Registry, run: Run) -> Result<Changeset, getrandom::Error> {
    let mut writes = Vec::with_capacity(plan.changes.len());
    for change in &plan.changes {
        writes.push(write(change, registry)?);
    }
    Ok(Changeset {
        preconditions: plan.preconditions.clone(),
        writes,
        ownership: plan.ownership.clone(),
        run,
        source: None,
        requests: Vec::new(),
    })
}

fn write(change: &ObjectChange, registry: &Registry) -> Result<Write, getrandom::Error> {
    let (id, kind) = (change.object.id, change.kind);
    let changes = log(change);
    let Some(after) = change.after.as_deref() else {
        return Ok(Write::Delete { id, kind, name: change.object.name.clone(), changes });
    };
    let row = row(change, after, registry)?;
    Ok(match change.action {
        Action::Create => Write::Create { id, kind, number: change.number, row, changes },
        _ => Write::Update { id, kind, row, changes },
    })
}

fn row(change: &ObjectChange, after: &Object, registry: &Registry) -> Result<Row, getrandom::Error> {
    let info = registry.get(change.kind);
    let mut object = Cow::Borrowed(after);
    let mut secrets: BTreeMap<&'static str, SecretWrite> = change.secrets.clone();
    for (field, length) in &change.generated {
        let text = random_text(*length)?;
        match info.secret_names().find(|(name, _)| name == field) {
            Some((name, SecretMode::Sealed)) => secrets.insert(name, SecretWrite::Seal(text)),
            Some((name, SecretMode::Password)) => secrets.insert(name, SecretWrite::Hash(text)),
            None => {
                object.to_mut().attrs.insert((*field).to_owned(), Value::String(text));
                None
            }
        };
    }
    let keys = info
        .keys
        .iter()
        .filter_map(|key| Some((object::key_scope(info, key), object::key_name(key), object.key_value(key)?)))
        .collect();
    let (attrs, edges) = match object {
        Cow::Borrowed(object) => (object.attrs.clone(), object.edges.clone()),
        Cow::Owned(object) => (object.attrs, object.edges),
    };
    Ok(Row { name: change.object.name.clone(), attrs, edges, keys, secrets })
}

/// What the change log keeps of a change. A value from the environment or a file is not kept.
fn log(change: &ObjectChange) -> Vec<FieldChange> {
    change
        .fields
        .iter()
        .map(|diff| {
            let hide = |value: Value| if diff.sensitive && !value.is_null() { json!("(secret)") } else { value };
            FieldChange {
                field: diff.field.clone(),
                before: hide(logged(&diff.before)),
                after: hide(logged(&diff.after)),
            }
        })
        .collect()
}

/// The record of a run that applies a plan.
pub fn run(plan: &Plan, actor: &str, origin: &str) -> Run {
    let Counts { create, update, delete, unchanged } = plan.counts();
    Run {
        actor: actor.to_owned(),
        origin: origin.to_owned(),
        summary: json!({ "create": create, "update": update, "delete": delete, "unchanged": unchanged }),
        ..Run::default()
    }
}
