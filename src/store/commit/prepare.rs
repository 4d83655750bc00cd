//! What is done before the writers' turn is taken: judging the changeset, sealing and hashing its secrets.

use std::collections::{BTreeMap, HashSet};

use futures_util::future::try_join_all;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    model::{KindInfo, Registry, registry::SecretMode},
    store::{
        Key, StoreError,
        canonical::{ContainsNul, storable, without_nul},
        changeset::{Changeset, FieldChange, Row, SecretWrite, Write},
        password::hash_password,
        secret_context,
    },
};

/// The API's integer keys have 32 bits.
pub(super) const LARGEST_NUMBER: i64 = i32::MAX as i64;

/// A write that can be stored, with its secrets ready.
pub(super) struct Prepared<'a> {
    pub(super) id: Uuid,
    pub(super) kind: &'a KindInfo,
    pub(super) write: &'a Write,
    /// Of a creation or update.
    pub(super) content: Option<Content<'a>>,
}

pub(super) struct Content<'a> {
    pub(super) row: &'a Row,
    pub(super) sealed: BTreeMap<&'static str, Sealed>,
    pub(super) hashed: BTreeMap<&'static str, String>,
    pub(super) cleared: Vec<&'static str>,
}

pub(super) struct Sealed {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: [u8; 32],
}

/// Judges all writes and makes their secrets ready.
pub(super) async fn prepare<'a>(
    key: &Key,
    registry: &'a Registry,
    changes: &'a Changeset,
) -> Result<Vec<Prepared<'a>>, StoreError> {
    let mut seen = HashSet::with_capacity(changes.writes.len());
    let mut prepared = Vec::with_capacity(changes.writes.len());
    let mut passwords = Vec::new();
    for (place, write) in changes.writes.iter().enumerate() {
        let id = write.id();
        let unfit = |problem: String| StoreError::Unfit { object: id, problem };
        if !seen.insert(id) {
            return Err(unfit("it is written twice".to_owned()));
        }
        let (kind, row) = match write {
            Write::Create { kind, row, number, .. } => {
                let kind = registry.get(*kind);
                match number {
                    Some(_) if !kind.numbered => return Err(unfit(format!("{} has no integer keys", kind.name))),
                    Some(number) if !(1..=LARGEST_NUMBER).contains(number) => {
                        return Err(unfit(format!("{number} is no integer key: they go from 1 to {LARGEST_NUMBER}")));
                    }
                    _ => (kind, Some(row)),
                }
            }
            Write::Update { kind, row, .. } => (registry.get(*kind), Some(row)),
            Write::Delete { kind, .. } => (registry.get(*kind), None),
        };
        let content = match row {
            Some(row) => {
                judge(kind, row).map_err(unfit)?;
                let mut content =
                    Content { row, sealed: BTreeMap::new(), hashed: BTreeMap::new(), cleared: Vec::new() };
                for (field, secret) in &row.secrets {
                    match secret {
                        SecretWrite::Seal(value) => {
                            let bytes = key.seal(&secret_context(id, field), value.as_bytes())?;
                            content.sealed.insert(field, Sealed { bytes, digest: key.digest(value) });
                        }
                        SecretWrite::Hash(value) => passwords.push((place, *field, value)),
                        SecretWrite::Sealed { sealed, digest } => {
                            content.sealed.insert(field, Sealed { bytes: sealed.clone(), digest: *digest });
                        }
                        SecretWrite::Hashed(hash) => {
                            content.hashed.insert(field, hash.clone());
                        }
                        SecretWrite::Clear => content.cleared.push(field),
                    }
                }
                Some(content)
            }
            None => None,
        };
        prepared.push(Prepared { id, kind, write, content });
    }
    let hashes = try_join_all(passwords.iter().map(|(_, _, value)| hash_password(value))).await?;
    for ((place, field, _), hash) in passwords.into_iter().zip(hashes) {
        if let Some(content) = &mut prepared[place].content {
            content.hashed.insert(field, hash);
        }
    }
    Ok(prepared)
}

/// Whether a row names only what its kind declares.
fn judge(kind: &KindInfo, row: &Row) -> Result<(), String> {
    for (field, targets) in &row.edges {
        match kind.reference(field) {
            None => return Err(format!("{} has no reference {field}", kind.name)),
            Some(reference) if reference.inverse.is_some() => {
                return Err(format!("the references {field} of {} are kept at their other end", kind.name));
            }
            Some(reference) if !reference.many && targets.len() > 1 => {
                return Err(format!("{field} of {} refers to one object, not to {}", kind.name, targets.len()));
            }
            Some(_) => {}
        }
    }
    for (field, secret) in &row.secrets {
        let declared = kind.secret_names().find(|(name, _)| name == field).map(|(_, mode)| mode);
        match (declared, secret) {
            (None, _) => return Err(format!("{} has no secret {field}", kind.name)),
            (Some(SecretMode::Password), SecretWrite::Seal(_) | SecretWrite::Sealed { .. })
            | (Some(SecretMode::Sealed), SecretWrite::Hash(_) | SecretWrite::Hashed(_)) => {
                return Err(format!("the secret {field} of {} is kept in the other way", kind.name));
            }
            (Some(_), _) => {}
        }
    }
    Ok(())
}

/// Attributes and texts of a row as they can be stored, with symbols resolved.
pub(super) struct Texts {
    pub(super) name: String,
    pub(super) attrs: Map<String, Value>,
    pub(super) keys: Vec<(&'static str, String, String)>,
}

pub(super) fn texts(
    id: Uuid,
    row: &Row,
    resolve: &dyn Fn(&Value) -> Result<Value, StoreError>,
) -> Result<Texts, StoreError> {
    let nul = |_: ContainsNul| StoreError::Nul { what: format!("a value of {id}") };
    let mut attrs = Map::with_capacity(row.attrs.len());
    for (field, value) in &row.attrs {
        attrs.insert(without_nul(field.clone()).map_err(nul)?, storable(resolve(value)?).map_err(nul)?);
    }
    for (_, _, value) in &row.keys {
        if value.contains('\0') {
            return Err(nul(ContainsNul));
        }
    }
    Ok(Texts { name: without_nul(row.name.clone()).map_err(nul)?, attrs, keys: row.keys.clone() })
}

/// Log entries of a write as they can be stored, with symbols resolved.
pub(super) fn field_changes(
    id: Uuid,
    changes: &[FieldChange],
    resolve: &dyn Fn(&Value) -> Result<Value, StoreError>,
) -> Result<Vec<FieldChange>, StoreError> {
    let nul = |_: ContainsNul| StoreError::Nul { what: format!("a value of {id}") };
    changes
        .iter()
        .map(|change| {
            Ok(FieldChange {
                field: without_nul(change.field.clone()).map_err(nul)?,
                before: storable(change.before.clone()).map_err(nul)?,
                after: storable(resolve(&change.after)?).map_err(nul)?,
            })
        })
        .collect()
}
