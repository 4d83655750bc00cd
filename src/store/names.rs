//! Objects by name, also those that are gone: what the change log calls them.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    Store, StoreError,
    changeset::FieldChange,
    error::Doing,
    read::{Reader, id},
    sql::{LIST, List, Statement, Value, chunks},
};

/// What the change log puts in place of a value that it does not keep.
pub const SECRET: &str = "(secret)";

const READING: &str = "looking up names";

/// What an object is, or was when it was last written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastName {
    /// Name of its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether it is gone.
    pub gone: bool,
}

impl Store {
    /// How many objects there are of some kinds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_of(&self, kinds: &[&str]) -> Result<i64, StoreError> {
        const DOING: &str = "counting objects";
        let kinds = List::Values(kinds.iter().map(|kind| Value::from(*kind)).collect());
        let query = Statement::with_lists(&["SELECT COUNT(*) FROM object WHERE kind IN ({})"], Vec::new(), vec![kinds]);
        let rows = self.look(query, DOING).await?;
        rows.first().map_or(Ok(0), |row| row.int(0)).doing(DOING)
    }

    /// Kinds and names of objects according to the change log; those that it does not know are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_names(&self, ids: Vec<Uuid>) -> Result<HashMap<Uuid, LastName>, StoreError> {
        const QUERY: &str = "SELECT c.object, c.kind, c.name, c.action FROM change c WHERE c.object IN ({}) \
            AND c.seq = (SELECT MAX(later.seq) FROM change later WHERE later.object = c.object)";
        let (mut tx, meta) = self.begin_read().await?;
        meta.require_current()?;
        let mut names = HashMap::new();
        for chunk in chunks(ids, LIST) {
            let list = List::Values(chunk.into_iter().map(Value::from).collect());
            for row in tx.fetch(Statement::with_lists(&[QUERY], Vec::new(), vec![list])).await.doing(READING)? {
                let (kind, name) = (row.text(1).doing(READING)?, row.text(2).doing(READING)?);
                names.insert(id(&row, 0)?, LastName { kind, name, gone: row.text(3).doing(READING)? == "delete" });
            }
        }
        Ok(names)
    }

    /// Stored objects of some kinds that have a name, by id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn objects_named(&self, kinds: &[&str], name: &str) -> Result<Vec<Uuid>, StoreError> {
        self.named("SELECT id FROM object WHERE name = $1 AND kind IN ({}) ORDER BY id", kinds, name).await
    }

    /// Objects of some kinds that ever had a name, those that had it last first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn objects_once_named(&self, kinds: &[&str], name: &str) -> Result<Vec<Uuid>, StoreError> {
        let query = "SELECT object FROM change WHERE name = $1 AND kind IN ({}) GROUP BY object ORDER BY MAX(seq) DESC";
        self.named(query, kinds, name).await
    }

    async fn named(&self, query: &'static str, kinds: &[&str], name: &str) -> Result<Vec<Uuid>, StoreError> {
        let (mut tx, meta) = self.begin_read().await?;
        meta.require_current()?;
        let list = List::Values(kinds.iter().map(|kind| Value::from(*kind)).collect());
        let statement = Statement::with_lists(&[query], vec![name.into()], vec![list]);
        tx.fetch(statement).await.doing(READING)?.iter().map(|row| id(row, 0)).collect()
    }

    /// Names that objects of some kinds have or had, at most so many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn names_of(&self, kinds: &[&str], limit: u32) -> Result<Vec<String>, StoreError> {
        let (mut tx, meta) = self.begin_read().await?;
        meta.require_current()?;
        let list = List::Values(kinds.iter().map(|kind| Value::from(*kind)).collect());
        let query = "SELECT DISTINCT name FROM change WHERE kind IN ({}) ORDER BY name LIMIT $1";
        let statement = Statement::with_lists(&[query], vec![i64::from(limit).into()], vec![list]);
        tx.fetch(statement).await.doing(READING)?.iter().map(|row| row.text(0).doing(READING)).collect()
    }
}

impl Reader {
    /// Fields of some objects whose value the change log ever refused to keep: secrets, and values that came from the
    /// environment or a file. Nothing else may print them either.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn secret_fields(&mut self, ids: Vec<Uuid>) -> Result<BTreeSet<(Uuid, String)>, StoreError> {
        let mut found = BTreeSet::new();
        for chunk in chunks(ids, LIST) {
            let list = List::Values(chunk.into_iter().map(Value::from).collect());
            let query = "SELECT object, fields FROM change WHERE object IN ({})";
            for row in self.fetch(Statement::with_lists(&[query], Vec::new(), vec![list])).await.doing(READING)? {
                let object = id(&row, 0)?;
                let fields: Vec<FieldChange> = row.json(1).doing(READING)?;
                let is_secret = |value: &Json| value.as_str() == Some(SECRET);
                let secret = fields.into_iter().filter(|field| is_secret(&field.before) || is_secret(&field.after));
                found.extend(secret.map(|change| (object, change.field)));
            }
        }
        Ok(found)
    }
}
