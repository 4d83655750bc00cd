//! Saved plans: what `plan --out` writes and `apply PLANFILE` takes.
//!
//! The file is JSON. Its readable part is for people and tools; what is applied is the sealed part, which only the key of
//! the store opens, so a file that was changed or belongs to another store is refused, and no secret lies in it in clear.
//! The seal covers the readable part as well: what was looked at is what is applied.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::plan::Counts;
use crate::{
    model::Registry,
    store::{
        Key,
        changeset::{Changeset, FieldChange, Ownership, Precondition, Row, Run, SecretWrite, Write},
    },
};

/// Version of the format.
pub const VERSION: u32 = 1;
/// Value of the file's `kind`, by which a plan file is told from a blueprint.
pub const KIND: &str = "gatewright-plan";

/// A plan file.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlanFile {
    /// [`KIND`].
    pub kind: String,
    /// [`VERSION`].
    pub version: u32,
    /// The store that the plan was made for.
    pub instance: Uuid,
    /// Its revision then.
    pub revision: i64,
    /// Counts.
    pub summary: Counts,
    /// The plan as text, to be looked at again.
    pub text: String,
    /// What is applied.
    sealed: String,
}

/// Why a plan file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// No JSON, or not of the right shape.
    #[error("the saved plan is damaged: {0}")]
    Shape(String),
    /// Another version.
    #[error("the plan has format version {0} and this program knows {VERSION}; make the plan again with this program")]
    Version(u32),
    /// Sealed with another key, or changed.
    #[error("the plan was changed since it was saved, or saved under another key; make it again")]
    Sealed,
    /// The plan names something that this program does not know.
    #[error("the plan names {0}, which this program does not know; make it again with this program")]
    Unknown(String),
    /// The plan could not be sealed.
    #[error("the plan could not be sealed: {0}")]
    Seal(String),
}

#[derive(Serialize, Deserialize)]
struct Saved {
    instance: Uuid,
    preconditions: Vec<SavedPrecondition>,
    writes: Vec<SavedWrite>,
    ownership: Vec<SavedOwnership>,
    run: Run,
}

#[derive(Serialize, Deserialize)]
enum SavedPrecondition {
    Revision(Uuid, i64),
    FreeKey(String, String, String),
    KeyOf(String, String, String, Uuid),
    Missing(Uuid),
}

#[derive(Serialize, Deserialize)]
struct SavedWrite {
    action: SavedAction,
    id: Uuid,
    kind: String,
    number: Option<i64>,
    name: String,
    attrs: Map<String, Value>,
    edges: BTreeMap<String, Vec<Uuid>>,
    keys: Vec<(String, String, String)>,
    secrets: BTreeMap<String, SavedSecret>,
    changes: Vec<FieldChange>,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
enum SavedAction {
    Create,
    Update,
    Delete,
}

#[derive(Serialize, Deserialize)]
enum SavedSecret {
    Seal(String),
    Hash(String),
    Sealed(Vec<u8>, [u8; 32]),
    Hashed(String),
    Clear,
}

#[derive(Serialize, Deserialize)]
struct SavedOwnership {
    object: Uuid,
    source: String,
    document: String,
    entry: u32,
    line: u32,
    fields: Vec<String>,
}

/// Makes the file's text.
///
/// # Errors
/// When the system gives no randomness for sealing.
pub fn save(
    changes: &Changeset,
    registry: &Registry,
    key: &Key,
    instance: Uuid,
    revision: i64,
    summary: Counts,
    text: String,
) -> Result<String, PlanFileError> {
    let saved = Saved {
        instance,
        preconditions: changes.preconditions.iter().map(save_precondition).collect(),
        writes: changes.writes.iter().map(|write| save_write(write, registry)).collect(),
        ownership: changes.ownership.iter().map(save_ownership).collect(),
        run: changes.run.clone(),
    };
    let failed = |error: &dyn std::fmt::Display| PlanFileError::Seal(error.to_string());
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(&saved).map_err(|error| failed(&error))?);
    let mut file =
        PlanFile { kind: KIND.to_owned(), version: VERSION, instance, revision, summary, text, sealed: String::new() };
    let sealed = key.seal(&file.context(), &plain).map_err(|error| failed(&error))?;
    file.sealed = STANDARD.encode(sealed);
    let mut text = serde_json::to_string_pretty(&file).map_err(|error| failed(&error))?;
    text.push('\n');
    Ok(text)
}

/// Whether a text looks like a plan file, so that it is not read as a blueprint.
pub fn is_plan_file(text: &str) -> bool {
    let head: String = text.chars().take(200).collect();
    head.trim_start().starts_with('{') && head.contains(KIND)
}

/// Reads the outer part of a plan file.
///
/// # Errors
/// When it is no plan file of this version.
pub fn read(text: &str) -> Result<PlanFile, PlanFileError> {
    let file: PlanFile = serde_json::from_str(text).map_err(|error| PlanFileError::Shape(error.to_string()))?;
    if file.kind != KIND {
        return Err(PlanFileError::Shape(format!("its kind is {:?}", file.kind)));
    }
    if file.version != VERSION {
        return Err(PlanFileError::Version(file.version));
    }
    Ok(file)
}

impl PlanFile {
    /// Opens the part that is applied.
    ///
    /// # Errors
    /// When the key does not fit, the file was changed, or it names unknown kinds or fields.
    pub fn open(&self, registry: &Registry, key: &Key) -> Result<Changeset, PlanFileError> {
        let bytes = STANDARD.decode(&self.sealed).map_err(|_| PlanFileError::Sealed)?;
        let plain = key.unseal(&self.context(), &bytes).map_err(|_| PlanFileError::Sealed)?;
        let saved: Saved = serde_json::from_slice(&plain).map_err(|error| PlanFileError::Shape(error.to_string()))?;
        if saved.instance != self.instance {
            return Err(PlanFileError::Sealed);
        }
        Ok(Changeset {
            preconditions: saved
                .preconditions
                .into_iter()
                .map(|precondition| open_precondition(precondition, registry))
                .collect::<Result<_, _>>()?,
            writes: saved.writes.into_iter().map(|write| open_write(write, registry)).collect::<Result<_, _>>()?,
            ownership: saved.ownership.into_iter().map(open_ownership).collect(),
            run: saved.run,
            source: None,
            requests: Vec::new(),
        })
    }

    /// What the sealed part belongs to: everything else in the file.
    fn context(&self) -> String {
        let Counts { create, update, delete, unchanged } = self.summary;
        let head = format!("{}/{}/{}", self.version, self.instance, self.revision);
        let text = blake3::hash(self.text.as_bytes()).to_hex();
        format!("plan/{head}/{create}+{update}+{delete}+{unchanged}/{text}")
    }
}

fn save_precondition(precondition: &Precondition) -> SavedPrecondition {
    match precondition {
        Precondition::Revision(id, revision) => SavedPrecondition::Revision(*id, *revision),
        Precondition::FreeKey(scope, key, value) => {
            SavedPrecondition::FreeKey((*scope).to_owned(), key.clone(), value.clone())
        }
        Precondition::KeyOf(scope, key, value, id) => {
            SavedPrecondition::KeyOf((*scope).to_owned(), key.clone(), value.clone(), *id)
        }
        Precondition::Missing(id) => SavedPrecondition::Missing(*id),
    }
}

fn open_precondition(saved: SavedPrecondition, registry: &Registry) -> Result<Precondition, PlanFileError> {
    Ok(match saved {
        SavedPrecondition::Revision(id, revision) => Precondition::Revision(id, revision),
        SavedPrecondition::FreeKey(scope, key, value) => {
            Precondition::FreeKey(self::scope(&scope, registry)?, key, value)
        }
        SavedPrecondition::KeyOf(scope, key, value, id) => {
            Precondition::KeyOf(self::scope(&scope, registry)?, key, value, id)
        }
        SavedPrecondition::Missing(id) => Precondition::Missing(id),
    })
}

/// The registry's own copy of the name of a kind or family.
fn scope(name: &str, registry: &Registry) -> Result<&'static str, PlanFileError> {
    crate::model::Family::ALL
        .into_iter()
        .map(crate::model::Family::name)
        .find(|family| *family == name)
        .or_else(|| registry.find(name).map(|info| info.name))
        .ok_or_else(|| PlanFileError::Unknown(name.to_owned()))
}

fn save_write(write: &Write, registry: &Registry) -> SavedWrite {
    let (action, id, kind, number, row, changes) = match write {
        Write::Create { id, kind, number, row, changes } => {
            (SavedAction::Create, id, kind, *number, Some(row), changes)
        }
        Write::Update { id, kind, row, changes } => (SavedAction::Update, id, kind, None, Some(row), changes),
        Write::Delete { id, kind, changes, .. } => (SavedAction::Delete, id, kind, None, None, changes),
    };
    let name = match write {
        Write::Delete { name, .. } => name.clone(),
        _ => row.map(|row| row.name.clone()).unwrap_or_default(),
    };
    let row = row.cloned().unwrap_or_default();
    SavedWrite {
        action,
        id: *id,
        kind: registry.get(*kind).name.to_owned(),
        number,
        name,
        attrs: row.attrs,
        edges: row.edges.into_iter().map(|(field, targets)| (field.to_owned(), targets)).collect(),
        keys: row.keys.into_iter().map(|(scope, key, value)| (scope.to_owned(), key, value)).collect(),
        secrets: row
            .secrets
            .into_iter()
            .map(|(field, secret)| {
                let secret = match secret {
                    SecretWrite::Seal(text) => SavedSecret::Seal(text),
                    SecretWrite::Hash(text) => SavedSecret::Hash(text),
                    SecretWrite::Sealed { sealed, digest } => SavedSecret::Sealed(sealed, digest),
                    SecretWrite::Hashed(hash) => SavedSecret::Hashed(hash),
                    SecretWrite::Clear => SavedSecret::Clear,
                };
                (field.to_owned(), secret)
            })
            .collect(),
        changes: changes.clone(),
    }
}

fn open_write(saved: SavedWrite, registry: &Registry) -> Result<Write, PlanFileError> {
    let info = registry.find(&saved.kind).ok_or_else(|| PlanFileError::Unknown(saved.kind.clone()))?;
    let (id, kind, changes) = (saved.id, info.index, saved.changes);
    if saved.action == SavedAction::Delete {
        return Ok(Write::Delete { id, kind, name: saved.name, changes });
    }
    let unknown = |field: &str| PlanFileError::Unknown(format!("{}.{field}", info.name));
    let edges = saved
        .edges
        .into_iter()
        .map(|(field, targets)| Ok((info.reference(&field).ok_or_else(|| unknown(&field))?.field, targets)))
        .collect::<Result<_, PlanFileError>>()?;
    let keys = saved
        .keys
        .into_iter()
        .map(|(name, key, value)| Ok((scope(&name, registry)?, key, value)))
        .collect::<Result<_, PlanFileError>>()?;
    let secrets = saved
        .secrets
        .into_iter()
        .map(|(field, secret)| {
            let (name, _) = info.secret_names().find(|(name, _)| *name == field).ok_or_else(|| unknown(&field))?;
            let secret = match secret {
                SavedSecret::Seal(text) => SecretWrite::Seal(text),
                SavedSecret::Hash(text) => SecretWrite::Hash(text),
                SavedSecret::Sealed(sealed, digest) => SecretWrite::Sealed { sealed, digest },
                SavedSecret::Hashed(hash) => SecretWrite::Hashed(hash),
                SavedSecret::Clear => SecretWrite::Clear,
            };
            Ok((name, secret))
        })
        .collect::<Result<_, PlanFileError>>()?;
    let row = Row { name: saved.name, attrs: saved.attrs, edges, keys, secrets };
    Ok(match saved.action {
        SavedAction::Create => Write::Create { id, kind, number: saved.number, row, changes },
        _ => Write::Update { id, kind, row, changes },
    })
}

fn save_ownership(ownership: &Ownership) -> SavedOwnership {
    let Ownership { object, source, document, entry, line, fields } = ownership.clone();
    SavedOwnership { object, source, document, entry, line, fields }
}

fn open_ownership(saved: SavedOwnership) -> Ownership {
    let SavedOwnership { object, source, document, entry, line, fields } = saved;
    Ownership { object, source, document, entry, line, fields }
}
