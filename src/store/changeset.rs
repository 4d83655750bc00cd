//! What one transaction writes: the plan reduced to rows, with the state of the store that it was made for.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::model::KindIndex;

/// All writes of one run, committed together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Changeset {
    /// Conditions under which the writes were decided; a broken one makes the commit fail as stale.
    pub preconditions: Vec<Precondition>,
    /// Object writes. Their order has no meaning, except that the change log keeps it.
    pub writes: Vec<Write>,
    /// Who set which fields. Written only for objects whose entry here differs from what is recorded.
    pub ownership: Vec<Ownership>,
    /// The run that is recorded with the writes.
    pub run: Run,
    /// For the plan of a source: the lease that it was made under, and where the source stands afterwards.
    pub source: Option<SourceWrite>,
}

/// What a source's commit checks and writes about the source itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceWrite {
    /// The lease under which the plan was made.
    pub lease: Lease,
    /// The source's new state, as the reconciler keeps it: a mapping, whose `run` becomes the number of the recorded run.
    pub state: Value,
}

/// The right to write for a source. It ends when it is not renewed in time; a commit of one that has ended is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Name of the source.
    pub source: String,
    /// Grows each time that the lease changes hands.
    pub fence: i64,
}

/// A statement about the store that must hold at commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The object still has this revision.
    Revision(Uuid, i64),
    /// No object has this value of a natural identifier (scope, key name, indexed text).
    FreeKey(&'static str, String, String),
    /// The value of a natural identifier still belongs to this object.
    KeyOf(&'static str, String, String, Uuid),
    /// No object with this id.
    Missing(Uuid),
}

/// One write to one object.
#[derive(Clone, Debug)]
pub enum Write {
    /// A new object.
    Create {
        /// Id, as the plan derived it.
        id: Uuid,
        /// Kind.
        kind: KindIndex,
        /// Integer key to use; the next free one of the scope when none is given and the kind has one.
        number: Option<i64>,
        /// The row.
        row: Row,
        /// For the change log.
        changes: Vec<FieldChange>,
    },
    /// New content of an object.
    Update {
        /// Id.
        id: Uuid,
        /// Kind.
        kind: KindIndex,
        /// The row after the write, complete but for secrets: only those that change are given.
        row: Row,
        /// For the change log.
        changes: Vec<FieldChange>,
    },
    /// The end of an object, with its keys, edges, secrets and ownership.
    Delete {
        /// Id.
        id: Uuid,
        /// Kind.
        kind: KindIndex,
        /// Name, for the change log.
        name: String,
        /// Last values, for the change log.
        changes: Vec<FieldChange>,
    },
}

impl Write {
    /// The object written.
    pub fn id(&self) -> Uuid {
        match self {
            Write::Create { id, .. } | Write::Update { id, .. } | Write::Delete { id, .. } => *id,
        }
    }
}

/// Content of one object as it is to be stored.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Display name.
    pub name: String,
    /// Non-secret, non-reference attributes. May contain [`crate::model::symbol`]s, which the commit resolves.
    pub attrs: Map<String, Value>,
    /// All forward references.
    pub edges: BTreeMap<&'static str, Vec<Uuid>>,
    /// Natural identifiers: (scope, key name, indexed text). May contain no symbol.
    pub keys: Vec<(&'static str, String, String)>,
    /// Secrets to set or clear; fields that are not named keep their value.
    pub secrets: BTreeMap<&'static str, SecretWrite>,
}

/// What happens to one secret field.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretWrite {
    /// Encrypt and keep, with a keyed digest for comparison. JSON secrets come as their canonical text.
    Seal(String),
    /// Keep a salted hash only.
    Hash(String),
    /// Forget the value.
    Clear,
}

impl std::fmt::Debug for SecretWrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SecretWrite::Clear => "clear",
            _ => "(secret)",
        })
    }
}

/// One field in the change log. Values of secret fields are never in here: they are `"(secret)"`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FieldChange {
    /// The field.
    pub field: String,
    /// Value before; null when there was none. References are ids.
    pub before: Value,
    /// Value after.
    pub after: Value,
}

/// Which entry of which source last set fields of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The object.
    pub object: Uuid,
    /// The source: name of a reconciler source, or `cli` for files given on the command line.
    pub source: String,
    /// The document: path within the source.
    pub document: String,
    /// Index of the entry in its document.
    pub entry: u32,
    /// Line of the entry, from 1.
    pub line: u32,
    /// Fields that the entry sets, sorted.
    pub fields: Vec<String>,
}

/// The record of one application of a plan.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Run {
    /// Who or what asked: `cli:alice`, `serve`, `source:main`.
    pub actor: String,
    /// Where the documents came from, and which revision.
    pub origin: String,
    /// Counts of objects, as JSON.
    pub summary: Value,
    /// The source of blueprints that the run was for, when it was for one.
    #[serde(default)]
    pub source: Option<String>,
    /// What it came to.
    #[serde(default)]
    pub outcome: Outcome,
    /// What else is worth keeping, as JSON: the revision of the source, the plan, findings, durations.
    #[serde(default)]
    pub detail: Value,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Its changes were written.
    #[default]
    Applied,
    /// Its plan waits for a person's consent.
    Pending,
    /// Its plan was refused by a gate: too many deletions, kinds that the source may not touch, a lock-out.
    Refused,
    /// It came to no plan: the source could not be had or its documents are wrong.
    Failed,
    /// Its plan would have put back what someone else changed, and the source only reports that.
    Drifted,
}

impl Outcome {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::Pending => "pending",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
            Outcome::Drifted => "drifted",
        }
    }

    /// The outcome of a stored text.
    pub fn of(text: &str) -> Option<Outcome> {
        [Outcome::Applied, Outcome::Pending, Outcome::Refused, Outcome::Failed, Outcome::Drifted]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }
}
