//! What changes took away: the values that objects had before, kept sealed beside the change log, for rollbacks.
//!
//! The change log is made for people, keeps no secret and leaves out what goes without saying. This is its other half, made
//! by the commit from the very rows that it replaces, so that what is put back is what was there.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    Key, Store, StoreError,
    audit::{self, ChangeRecord},
    changeset::Ownership,
    error::Doing,
    read::Reader,
    sql::Statement,
};

/// Values that a change replaced or, for a deletion, everything that the object was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Former {
    /// Integer key of a deleted object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// Attributes that changed or went, with their former values.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub attrs: Map<String, Value>,
    /// Attributes that came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// Reference fields that changed, with all their former targets; none when it was empty.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub edges: BTreeMap<String, Vec<Uuid>>,
    /// Secrets that changed or went.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, FormerSecret>,
    /// Who declared which fields of a deleted object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ownership: Vec<Ownership>,
}

impl Former {
    /// Whether the change took nothing away that could be put back.
    pub fn is_empty(&self) -> bool {
        *self == Former::default()
    }

    /// Names of the fields that the change touched.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let attrs = self.attrs.keys().chain(&self.without);
        attrs.chain(self.edges.keys()).chain(self.secrets.keys()).map(String::as_str)
    }
}

/// What a secret field held.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormerSecret {
    /// Nothing.
    Nothing,
    /// A value, sealed for its object and field.
    Sealed {
        /// As [`Key::seal`] made it.
        #[serde(serialize_with = "to_base64", deserialize_with = "of_base64")]
        sealed: Vec<u8>,
        /// As [`Key::digest`] made it.
        digest: [u8; 32],
    },
    /// A password, as a hash.
    Password(String),
}

impl fmt::Debug for FormerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == FormerSecret::Nothing { "nothing" } else { "(secret)" })
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn of_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A change with what it took away.
#[derive(Clone, Debug, PartialEq)]
pub struct Undoable {
    /// The row of the change log.
    pub change: ChangeRecord,
    /// What was there before; none for a creation, and for a change of which it is no longer kept.
    pub former: Option<Former>,
}

/// Seals what a change took away.
pub(super) fn seal(key: &Key, seq: i64, former: &Former) -> Result<Vec<u8>, StoreError> {
    let corrupt = |_| StoreError::Corrupt { what: format!("what change {seq} takes away") };
    let plain = Zeroizing::new(serde_json::to_vec(former).map_err(corrupt)?);
    Ok(key.seal(&context(seq), &plain)?)
}

fn open(key: &Key, seq: i64, sealed: &[u8]) -> Result<Former, StoreError> {
    let corrupt = || StoreError::Corrupt { what: format!("what was there before change {seq}") };
    let plain = key.unseal(&context(seq), sealed).map_err(|_| corrupt())?;
    serde_json::from_slice(&plain).map_err(|_| corrupt())
}

/// Where a sealed former state belongs.
fn context(seq: i64) -> String {
    format!("former/{seq}")
}

impl Reader {
    /// All changes of a run and of those after it, newest first, with what they took away.
    ///
    /// # Errors
    /// When the database fails, or what was kept was altered.
    pub async fn changes_since(&mut self, key: &Key, run: i64) -> Result<Vec<Undoable>, StoreError> {
        const QUERY: &str = "SELECT c.seq, c.run, c.at, c.actor, c.object, c.kind, c.name, c.action, c.fields, f.sealed \
            FROM change c LEFT JOIN former f ON f.seq = c.seq WHERE c.run >= $1 ORDER BY c.seq DESC";
        let rows = self.fetch(Statement::new(QUERY).bind(run)).await.doing("reading the change log")?;
        rows.iter()
            .map(|row| {
                let change = audit::record(row)?;
                let sealed = row.maybe_bytes(9).doing("reading the change log")?;
                let former = sealed.map(|sealed| open(key, change.seq, &sealed)).transpose()?;
                Ok(Undoable { change, former })
            })
            .collect()
    }
}

/// Changes of one object that are gone through for its former secrets.
const DEPTH: i64 = 1000;

impl Store {
    /// Hashes of the passwords that a user had before the present one, latest first, as far as they are kept.
    ///
    /// # Errors
    /// When the database fails, or what was kept was altered.
    pub async fn former_passwords(&self, user: Uuid, limit: usize) -> Result<Vec<String>, StoreError> {
        const DOING: &str = "reading former passwords";
        const QUERY: &str = "SELECT f.seq, f.sealed FROM change c JOIN former f ON f.seq = c.seq \
            WHERE c.object = $1 ORDER BY c.seq DESC LIMIT $2";
        let mut hashes = Vec::new();
        for row in self.look(Statement::new(QUERY).bind(user).bind(DEPTH), DOING).await? {
            if hashes.len() >= limit {
                break;
            }
            let seq = row.int(0).doing(DOING)?;
            let former = open(self.key(), seq, &row.bytes(1).doing(DOING)?)?;
            hashes.extend(former.secrets.into_values().filter_map(|secret| match secret {
                FormerSecret::Password(hash) => Some(hash),
                FormerSecret::Nothing | FormerSecret::Sealed { .. } => None,
            }));
        }
        Ok(hashes)
    }
}
