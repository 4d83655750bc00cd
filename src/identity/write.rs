//! Writes to objects that the server makes for people: an account that a flow creates, a device, a consent.
//!
//! They go the way of every write, in one transaction with the change log, under the name of who did it. What is written is
//! compared with what is there, so that writing the same again writes nothing.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use uuid::Uuid;

use super::world::World;
use crate::{
    model::{KindInfo, Model, Need, Object, OnDelete, Reference, object},
    store::{
        StoreError,
        changeset::{Changeset, FieldChange, Precondition, Row, Run, SecretWrite, Write},
    },
};

/// One write.
#[derive(Debug)]
pub enum Edit {
    /// A new object.
    Create {
        /// The object, whole.
        object: Object,
        /// Its secrets.
        secrets: BTreeMap<&'static str, SecretWrite>,
    },
    /// Another content for an object.
    Update {
        /// As it was read; when it is another one meanwhile, nothing is written.
        before: Arc<Object>,
        /// As it is to be, whole.
        after: Object,
        /// Secrets that change.
        secrets: BTreeMap<&'static str, SecretWrite>,
    },
    /// The end of an object that nothing refers to.
    Delete(Arc<Object>),
}

/// Who writes, and because of what.
#[derive(Clone, Debug)]
pub struct Author {
    /// `user:NAME`, or what part of the server.
    pub actor: String,
    /// `flow/SLUG`, `api`, …
    pub origin: String,
}

/// Writes all of it, or nothing.
///
/// # Errors
/// [`StoreError::Stale`] when something was changed meanwhile, [`StoreError::Duplicate`] when a name is taken, and what
/// else the store reports.
pub async fn commit(world: &World, author: &Author, edits: Vec<Edit>) -> Result<(), StoreError> {
    let mut changes = Changeset::default();
    let (mut created, mut updated, mut deleted) = (0, 0, 0);
    for edit in edits {
        match edit {
            Edit::Create { object, secrets } => {
                created += 1;
                let kind = world.registry().get(object.kind);
                changes.preconditions.push(Precondition::Missing(object.id));
                let fields = fields(kind, None, Some(&object), &secrets);
                let (id, kind_index, number) = (object.id, object.kind, object.number);
                let row = row(kind, object, secrets);
                changes.writes.push(Write::Create { id, kind: kind_index, number, row, changes: fields });
            }
            Edit::Update { before, after, secrets } => {
                let kind = world.registry().get(after.kind);
                let fields = fields(kind, Some(&before), Some(&after), &secrets);
                if fields.is_empty() {
                    continue;
                }
                updated += 1;
                changes.preconditions.push(Precondition::Revision(before.id, before.revision));
                let (id, kind_index) = (after.id, after.kind);
                let row = row(kind, after, secrets);
                changes.writes.push(Write::Update { id, kind: kind_index, row, changes: fields });
            }
            Edit::Delete(object) => {
                deleted += 1;
                let kind = world.registry().get(object.kind);
                changes.preconditions.push(Precondition::Revision(object.id, object.revision));
                let name = object.name(kind);
                let fields = fields(kind, Some(&object), None, &BTreeMap::new());
                changes.writes.push(Write::Delete { id: object.id, kind: object.kind, name, changes: fields });
            }
        }
    }
    if changes.writes.is_empty() {
        return Ok(());
    }
    changes.run = Run {
        actor: author.actor.clone(),
        origin: author.origin.clone(),
        summary: json!({ "create": created, "update": updated, "delete": deleted, "unchanged": 0 }),
        ..Run::default()
    };
    world.store().commit(world.registry(), &changes, world.now()).await.map(drop)
}

/// The writes that delete an object, with those that follow from it: what belongs to it goes along, and what else refers to it
/// lets go. What must not be left without it stays as it is, and then [`commit`] reports it as dangling.
///
/// # Errors
/// What the model does not hold.
pub fn deletion(model: &Model, root: &Arc<Object>) -> Result<Vec<Edit>, Need> {
    let registry = model.registry();
    let mut gone: Vec<Arc<Object>> = vec![root.clone()];
    let mut changed: BTreeMap<Uuid, (Arc<Object>, Object)> = BTreeMap::new();
    let mut at = 0;
    while let Some(object) = gone.get(at).cloned() {
        at += 1;
        let info = registry.get(object.kind);
        for kind in registry.kinds() {
            let of_this = |reference: &&Reference| reference.inverse.is_none() && info.is_a(reference.target);
            for reference in kind.references.iter().filter(of_this) {
                for id in model.referrers(kind.index, reference.field, object.id)? {
                    let Some(holder) = model.get(id)?.cloned() else { continue };
                    if holder.kind != kind.index || gone.iter().any(|object| object.id == id) {
                        continue;
                    }
                    match (reference.many, reference.on_delete) {
                        (false, OnDelete::Cascade) => gone.push(holder),
                        (false, OnDelete::Protect) => {}
                        _ => {
                            let (_, after) =
                                changed.entry(id).or_insert_with(|| (holder.clone(), Object::clone(&holder)));
                            let left: Vec<Uuid> = after.targets(reference.field).to_vec();
                            let left: Vec<Uuid> = left.into_iter().filter(|target| *target != object.id).collect();
                            after.edges.remove(reference.field);
                            if !left.is_empty() {
                                after.edges.insert(reference.field, left);
                            }
                        }
                    }
                }
            }
        }
    }
    changed.retain(|id, _| gone.iter().all(|object| object.id != *id));
    let updates = changed.into_values().map(|(before, after)| Edit::Update { before, after, secrets: BTreeMap::new() });
    Ok(updates.chain(gone.into_iter().map(Edit::Delete)).collect())
}

fn row(kind: &KindInfo, object: Object, secrets: BTreeMap<&'static str, SecretWrite>) -> Row {
    let keys = kind
        .keys
        .iter()
        .filter_map(|key| Some((object::key_scope(kind, key), object::key_name(key), object.key_value(key)?)))
        .collect();
    Row { name: object.name(kind), attrs: object.attrs, edges: object.edges, keys, secrets }
}

/// What the change log keeps. Values of secrets are never in it.
fn fields(
    kind: &KindInfo,
    before: Option<&Object>,
    after: Option<&Object>,
    secrets: &BTreeMap<&'static str, SecretWrite>,
) -> Vec<FieldChange> {
    let mut found = Vec::new();
    let mut compare = |field: &str, before: Option<Value>, after: Option<Value>| {
        let (before, after) = (before.unwrap_or(Value::Null), after.unwrap_or(Value::Null));
        if before != after {
            found.push(FieldChange { field: field.to_owned(), before, after });
        }
    };
    let attrs = |object: Option<&Object>, field: &str| object.and_then(|object| object.attrs.get(field)).cloned();
    let names = [before, after].into_iter().flatten().flat_map(|object| object.attrs.keys());
    let names: std::collections::BTreeSet<&String> = names.collect();
    for field in names {
        compare(field, attrs(before, field), attrs(after, field));
    }
    for reference in kind.references {
        let targets = |object: Option<&Object>| {
            object
                .map(|object| object.targets(reference.field))
                .filter(|targets| !targets.is_empty())
                .map(|ids| json!(ids))
        };
        compare(reference.field, targets(before), targets(after));
    }
    for (field, secret) in secrets {
        let had = before.is_some_and(|object| object.secrets.contains_key(field));
        let shown = |there: bool| there.then(|| json!("(secret)"));
        let (was, is) = (shown(had), shown(!matches!(secret, SecretWrite::Clear)));
        found.push(FieldChange {
            field: (*field).to_owned(),
            before: was.unwrap_or(Value::Null),
            after: is.unwrap_or(Value::Null),
        });
    }
    found
}
