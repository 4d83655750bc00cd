//! What the store holds of the objects that a changeset touches, read in bulk under the writers' turn, and whether it
//! is what the changeset was made for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::prepare::Prepared;
use crate::store::{
    StoreError,
    changeset::{Changeset, Precondition, Write},
    db::Tx,
    error::{Broken, Doing, Found, LastChange},
    read::id,
    sql::{LIST, List, Statement, Value, chunks},
};

/// One stored object, as far as a write needs it.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) kind: String,
    pub(super) revision: i64,
    pub(super) digest: Vec<u8>,
    pub(super) number: Option<i64>,
    pub(super) attrs: Map<String, Json>,
    /// Position by field and target.
    pub(super) edges: BTreeMap<String, BTreeMap<Uuid, i64>>,
    /// Scope, key name, value.
    pub(super) keys: BTreeSet<(String, String, String)>,
    /// Digests by field.
    pub(super) secrets: BTreeMap<String, Vec<u8>>,
    /// Sealed values by field.
    pub(super) sealed: BTreeMap<String, Vec<u8>>,
    pub(super) credentials: BTreeMap<String, String>,
}

/// Heads of all objects that the changeset writes, and the revisions of those that it only has a condition on.
pub(super) async fn heads(
    tx: &mut Tx,
    changes: &Changeset,
    prepared: &[Prepared<'_>],
) -> Result<HashMap<Uuid, Stored>, StoreError> {
    let conditions = changes.preconditions.iter().filter_map(|condition| match condition {
        Precondition::Revision(id, _) | Precondition::Missing(id) => Some(*id),
        Precondition::FreeKey(..) | Precondition::KeyOf(..) => None,
    });
    let written: BTreeSet<Uuid> = prepared.iter().map(|write| write.id).collect();
    let looked_at: BTreeSet<Uuid> = conditions.filter(|id| !written.contains(id)).collect();
    let mut found = HashMap::with_capacity(written.len() + looked_at.len());
    let query = "SELECT id, kind, revision, digest, number, attrs FROM object WHERE id IN ({})";
    for row in by_ids(tx, query, written.into_iter().collect()).await? {
        let stored = Stored {
            kind: row.text(1).doing(READING)?,
            revision: row.int(2).doing(READING)?,
            digest: row.bytes(3).doing(READING)?,
            number: row.maybe_int(4).doing(READING)?,
            attrs: row.json(5).doing(READING)?,
            ..Stored::default()
        };
        found.insert(id(&row, 0)?, stored);
    }
    let query = "SELECT id, revision FROM object WHERE id IN ({})";
    for row in by_ids(tx, query, looked_at.into_iter().collect()).await? {
        found.insert(id(&row, 0)?, Stored { revision: row.int(1).doing(READING)?, ..Stored::default() });
    }
    Ok(found)
}

/// Refuses a changeset whose conditions do not hold, naming every one.
pub(super) async fn check(
    tx: &mut Tx,
    changes: &Changeset,
    prepared: &[Prepared<'_>],
    heads: &HashMap<Uuid, Stored>,
) -> Result<(), StoreError> {
    let keys = key_owners(tx, changes).await?;
    let owner = |scope: &&'static str, key: &String, value: &String| {
        keys.get(&((*scope).to_owned(), key.clone(), value.clone())).copied()
    };
    let mut broken = Vec::new();
    for condition in &changes.preconditions {
        let found = match condition {
            Precondition::Revision(id, revision) => match heads.get(id) {
                Some(stored) if stored.revision == *revision => continue,
                Some(stored) => Found::Revision(stored.revision),
                None => Found::Gone,
            },
            Precondition::Missing(id) if heads.contains_key(id) => Found::Exists,
            Precondition::Missing(_) => continue,
            Precondition::FreeKey(scope, key, value) => match owner(scope, key, value) {
                Some(holder) => Found::KeyOf(holder),
                None => continue,
            },
            Precondition::KeyOf(scope, key, value, expected) => match owner(scope, key, value) {
                Some(holder) if holder == *expected => continue,
                Some(holder) => Found::KeyOf(holder),
                None => Found::NoKey,
            },
        };
        broken.push(Broken { expected: condition.clone(), found, last_change: None });
    }
    // What each write takes for granted, unless a condition has said it already.
    let named: HashSet<Uuid> = broken.iter().filter_map(|broken| subject(&broken.expected, &broken.found)).collect();
    for write in prepared.iter().filter(|write| !named.contains(&write.id)) {
        match (write.write, heads.get(&write.id)) {
            (Write::Create { .. }, Some(_)) => broken.push(Broken {
                expected: Precondition::Missing(write.id),
                found: Found::Exists,
                last_change: None,
            }),
            (Write::Update { .. } | Write::Delete { .. }, None) => broken.push(Broken {
                expected: Precondition::Revision(write.id, 0),
                found: Found::Gone,
                last_change: None,
            }),
            (Write::Update { .. } | Write::Delete { .. }, Some(stored))
                if stored.kind != write.kind.name && !write.kind.aliases.contains(&stored.kind.as_str()) =>
            {
                let problem = format!("it is a {} and not a {}", stored.kind, write.kind.name);
                return Err(StoreError::Unfit { object: write.id, problem });
            }
            _ => {}
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    add_last_changes(tx, &mut broken).await?;
    Err(StoreError::Stale(broken))
}

/// Reads the rest of the objects that are updated or deleted.
pub(super) async fn load_replaced(
    tx: &mut Tx,
    prepared: &[Prepared<'_>],
    heads: &mut HashMap<Uuid, Stored>,
) -> Result<(), StoreError> {
    let replaced = |write: &&Prepared<'_>| !matches!(write.write, Write::Create { .. });
    let ids: Vec<Uuid> = prepared.iter().filter(replaced).map(|write| write.id).collect();
    let query = "SELECT source, field, target, position FROM object_edge WHERE source IN ({})";
    for row in by_ids(tx, query, ids.clone()).await? {
        let (field, target) = (row.text(1).doing(READING)?, id(&row, 2)?);
        if let Some(stored) = heads.get_mut(&id(&row, 0)?) {
            stored.edges.entry(field).or_default().insert(target, row.int(3).doing(READING)?);
        }
    }
    let query = "SELECT object, kind, field, value FROM object_key WHERE object IN ({})";
    for row in by_ids(tx, query, ids.clone()).await? {
        if let Some(stored) = heads.get_mut(&id(&row, 0)?) {
            stored.keys.insert((row.text(1).doing(READING)?, row.text(2).doing(READING)?, row.text(3).doing(READING)?));
        }
    }
    let query = "SELECT object, field, digest, sealed FROM secret WHERE object IN ({})";
    for row in by_ids(tx, query, ids.clone()).await? {
        if let Some(stored) = heads.get_mut(&id(&row, 0)?) {
            stored.secrets.insert(row.text(1).doing(READING)?, row.bytes(2).doing(READING)?);
            stored.sealed.insert(row.text(1).doing(READING)?, row.bytes(3).doing(READING)?);
        }
    }
    let query = "SELECT object, field, hash FROM credential WHERE object IN ({})";
    for row in by_ids(tx, query, ids.clone()).await? {
        if let Some(stored) = heads.get_mut(&id(&row, 0)?) {
            stored.credentials.insert(row.text(1).doing(READING)?, row.text(2).doing(READING)?);
        }
    }
    Ok(())
}

/// Those of some ids that no object has.
pub(super) async fn absent(tx: &mut Tx, ids: BTreeSet<Uuid>) -> Result<BTreeSet<Uuid>, StoreError> {
    let mut absent = ids.clone();
    for row in by_ids(tx, "SELECT id FROM object WHERE id IN ({})", ids.into_iter().collect()).await? {
        absent.remove(&id(&row, 0)?);
    }
    Ok(absent)
}

const READING: &str = "reading the objects that are to be written";

/// Rows of a query with one list of ids, in chunks.
pub(super) async fn by_ids(
    tx: &mut Tx,
    query: &'static str,
    ids: Vec<Uuid>,
) -> Result<Vec<crate::store::db::Row>, StoreError> {
    let mut rows = Vec::new();
    for chunk in chunks(ids, LIST) {
        let list = List::Values(chunk.into_iter().map(Value::from).collect());
        rows.append(&mut tx.fetch(Statement::with_lists(&[query], Vec::new(), vec![list])).await.doing(READING)?);
    }
    Ok(rows)
}

type KeyOwners = HashMap<(String, String, String), Uuid>;

async fn key_owners(tx: &mut Tx, changes: &Changeset) -> Result<KeyOwners, StoreError> {
    let wanted = changes.preconditions.iter().filter_map(|condition| match condition {
        Precondition::FreeKey(scope, key, value) | Precondition::KeyOf(scope, key, value, _) => {
            Some((*scope, key.as_str(), value.as_str()))
        }
        Precondition::Revision(..) | Precondition::Missing(_) => None,
    });
    owners(tx, wanted.collect()).await
}

/// Who has some natural identifiers (scope, key name, value).
pub(super) async fn owners(tx: &mut Tx, wanted: BTreeSet<(&str, &str, &str)>) -> Result<KeyOwners, StoreError> {
    let mut found = HashMap::with_capacity(wanted.len());
    for chunk in chunks(wanted, LIST) {
        let rows = chunk.into_iter().map(|(scope, key, value)| vec![scope.into(), key.into(), value.into()]).collect();
        let query = "WITH wanted (kind, field, value) AS (VALUES {}) \
            SELECT k.kind, k.field, k.value, k.object FROM wanted w JOIN object_key k \
            ON k.kind = w.kind AND k.field = w.field AND k.value = w.value";
        let statement = Statement::with_lists(&[query], Vec::new(), vec![List::Rows(rows)]);
        for row in tx.fetch(statement).await.doing(READING)? {
            let key = (row.text(0).doing(READING)?, row.text(1).doing(READING)?, row.text(2).doing(READING)?);
            found.insert(key, id(&row, 3)?);
        }
    }
    Ok(found)
}

/// The object that a broken condition is about.
fn subject(expected: &Precondition, found: &Found) -> Option<Uuid> {
    match (expected, found) {
        (_, Found::KeyOf(id)) => Some(*id),
        (Precondition::Revision(id, _) | Precondition::Missing(id) | Precondition::KeyOf(_, _, _, id), _) => Some(*id),
        (Precondition::FreeKey(..), _) => None,
    }
}

async fn add_last_changes(tx: &mut Tx, broken: &mut [Broken]) -> Result<(), StoreError> {
    let ids: BTreeSet<Uuid> = broken.iter().filter_map(|broken| subject(&broken.expected, &broken.found)).collect();
    let query = "SELECT c.object, c.run, c.at, c.actor, c.action, c.name FROM change c WHERE c.object IN ({}) \
        AND c.seq = (SELECT MAX(later.seq) FROM change later WHERE later.object = c.object)";
    let mut last = HashMap::new();
    for row in by_ids(tx, query, ids.into_iter().collect()).await? {
        let change = LastChange {
            run: row.int(1).doing(READING)?,
            at: row.int(2).doing(READING)?,
            actor: row.text(3).doing(READING)?,
            action: row.text(4).doing(READING)?,
            name: row.text(5).doing(READING)?,
        };
        last.insert(id(&row, 0)?, change);
    }
    for broken in broken {
        broken.last_change = subject(&broken.expected, &broken.found).and_then(|id| last.get(&id)).cloned();
    }
    Ok(())
}
