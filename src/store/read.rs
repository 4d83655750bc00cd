//! Objects out of one snapshot of the database.
//!
//! A load is four queries whatever the number of objects: rows, edges, digests of secrets, password hashes; by ids, as
//! many times as there are chunks of ids. What an older or newer program left behind and this one does not know (a
//! kind, a reference, a secret field) is left out with a warning, never an error.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{
    StoreError,
    changeset::Ownership,
    db::{Row, Tx},
    error::Doing,
    meta::Meta,
    sql::{LIST, List, Statement, Value, chunks},
};
use crate::{
    base::hash::FastMap,
    model::{KindIndex, KindInfo, Model, Need, Object, Registry, Residency, SecretState},
};

/// Between the packed columns of an object and between packed rows: control characters, which neither JSON nor an id nor
/// the name of a kind or field can contain as they are.
const COLUMN: char = '\u{1f}';
const ROW: char = '\u{1e}';

/// All columns of an object in one text. A row of seven values costs several times as much on its way out of SQLite.
const PACKED_OBJECT: &str = "o.id || '\u{1f}' || o.kind || '\u{1f}' || COALESCE(CAST(o.number AS TEXT), '') || '\u{1f}' \
    || CAST(o.revision AS TEXT) || '\u{1f}' || CAST(o.created AS TEXT) || '\u{1f}' || CAST(o.updated AS TEXT) \
    || '\u{1f}' || CAST(o.attrs AS TEXT)";

/// A reader of one snapshot. It holds a connection and, on SQLite, keeps the write-ahead log from being
/// cleared, so it should not live longer than a load.
pub struct Reader {
    tx: Tx,
    meta: Meta,
}

/// Which objects a load takes.
enum Selection {
    Kinds(Vec<String>),
    Ids(Vec<Uuid>),
}

impl Selection {
    /// A query for the rows whose column, with which `select` ends, holds the id of one of the objects.
    ///
    /// A subquery and not a join: the engine then goes through the ids in their order, which for SQLite is twice as fast.
    fn query(&self, select: &'static str) -> Statement {
        self.query_of(&[select])
    }

    fn query_of(&self, select: &[&'static str]) -> Statement {
        let (condition, list) = match self {
            Selection::Kinds(kinds) => (
                " IN (SELECT o.id FROM object o WHERE o.kind IN ({}))",
                kinds.iter().map(|kind| Value::from(kind.as_str())).collect(),
            ),
            Selection::Ids(ids) => (" IN ({})", ids.iter().map(|id| Value::from(*id)).collect()),
        };
        Statement::with_lists(&[select, &[condition]].concat(), Vec::new(), vec![List::Values(list)])
    }

    /// The query for the objects themselves: packed rows, all in one where the ids say how many there can be.
    fn objects(&self) -> Statement {
        match self {
            Selection::Kinds(kinds) => {
                let list = kinds.iter().map(|kind| Value::from(kind.as_str())).collect();
                let parts = &["SELECT ", PACKED_OBJECT, " FROM object o WHERE o.kind IN ({})"];
                Statement::with_lists(parts, Vec::new(), vec![List::Values(list)])
            }
            Selection::Ids(ids) => {
                let list = ids.iter().map(|id| Value::from(*id)).collect();
                let parts = &["SELECT string_agg(", PACKED_OBJECT, ", '\u{1e}') FROM object o WHERE o.id IN ({})"];
                Statement::with_lists(parts, Vec::new(), vec![List::Values(list)])
            }
        }
    }

    /// The query for their references, packed likewise.
    fn edges(&self) -> Statement {
        const PACKED: &str =
            "e.source || '\u{1f}' || e.field || '\u{1f}' || e.target || '\u{1f}' || CAST(e.position AS TEXT)";
        match self {
            Selection::Kinds(_) => self.query_of(&["SELECT ", PACKED, " FROM object_edge e WHERE e.source"]),
            Selection::Ids(_) => {
                self.query_of(&["SELECT string_agg(", PACKED, ", '\u{1e}') FROM object_edge e WHERE e.source"])
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Selection::Kinds(kinds) => kinds.is_empty(),
            Selection::Ids(ids) => ids.is_empty(),
        }
    }
}

impl Reader {
    pub(super) fn new(tx: Tx, meta: Meta) -> Reader {
        Reader { tx, meta }
    }

    /// Identity of the store.
    pub fn instance(&self) -> Uuid {
        self.meta.instance
    }

    /// Revision of the snapshot: of the last commit in it.
    pub fn revision(&self) -> i64 {
        self.meta.revision
    }

    /// All objects of resident kinds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load_resident(&mut self, registry: &Registry) -> Result<Vec<Object>, StoreError> {
        // From the kinds that are there and not from those that are declared: so a kind that only another
        // release knows is noticed, and the paged ones, of which there may be millions, are never walked.
        let rows = self.tx.fetch(Statement::new(STORED_KINDS)).await.doing("listing the stored kinds")?;
        let mut resident = Vec::new();
        for row in rows {
            let name = row.text(0).doing("listing the stored kinds")?;
            match registry.find(&name) {
                Some(kind) if kind.residency == Residency::Resident => resident.push(name),
                Some(_) => {}
                None => tracing::warn!(kind = name, "objects of a kind that this program does not know are left alone"),
            }
        }
        self.load(registry, &Selection::Kinds(resident)).await
    }

    /// All objects of a kind.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load_kind(&mut self, registry: &Registry, kind: KindIndex) -> Result<Vec<Object>, StoreError> {
        self.load(registry, &Selection::Kinds(stored_names(registry.get(kind)).collect())).await
    }

    /// The objects of a list of ids, in no particular order; ids without an object are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load_ids(&mut self, registry: &Registry, ids: Vec<Uuid>) -> Result<Vec<Object>, StoreError> {
        let mut objects = Vec::new();
        for chunk in chunks(ids, LIST) {
            objects.append(&mut self.load(registry, &Selection::Ids(chunk)).await?);
        }
        Ok(objects)
    }

    /// Every object that a list of needs asks about, each once; a need without an object adds none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answer(&mut self, registry: &Registry, needs: &[Need]) -> Result<Vec<Object>, StoreError> {
        self.answer_beyond(registry, needs, &|_| false).await
    }

    /// As [`Reader::answer`], but without the objects that the asker holds already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answer_beyond(
        &mut self,
        registry: &Registry,
        needs: &[Need],
        held: &(dyn Fn(Uuid) -> bool + Sync),
    ) -> Result<Vec<Object>, StoreError> {
        let mut ids = BTreeSet::new();
        let mut kinds = BTreeSet::new();
        let mut numbers: HashMap<&str, Vec<Value>> = HashMap::new();
        let mut keys: HashMap<(&str, &str), Vec<Value>> = HashMap::new();
        let mut referrers: HashMap<&str, Vec<Value>> = HashMap::new();
        for need in needs {
            match need {
                Need::Id(id) => {
                    ids.insert(*id);
                }
                Need::Kind(kind) => {
                    kinds.insert(*kind);
                }
                Need::Number(scope, number) => numbers.entry(scope).or_default().push(Value::from(*number)),
                Need::Key(scope, key, value) => {
                    keys.entry((scope, key)).or_default().push(Value::from(value.as_str()));
                }
                Need::Referrers(field, target) => referrers.entry(field).or_default().push(Value::from(*target)),
            }
        }
        for (scope, wanted) in numbers {
            let names: Vec<Value> = number_kinds(registry, scope).map(Value::from).collect();
            for chunk in chunks(wanted, LIST) {
                let lists = vec![List::Values(chunk), List::Values(names.clone())];
                let query = &["SELECT id FROM object WHERE number IN ({}) AND kind IN ({})"];
                self.collect_ids(Statement::with_lists(query, Vec::new(), lists), &mut ids).await?;
            }
        }
        for ((scope, key), wanted) in keys {
            for chunk in chunks(wanted, LIST) {
                let query = &["SELECT object FROM object_key WHERE kind = $1 AND field = $2 AND value IN ({})"];
                let fixed = vec![scope.into(), key.into()];
                self.collect_ids(Statement::with_lists(query, fixed, vec![List::Values(chunk)]), &mut ids).await?;
            }
        }
        for (field, wanted) in referrers {
            for chunk in chunks(wanted, LIST) {
                let query = &["SELECT source FROM object_edge WHERE field = $1 AND target IN ({})"];
                let statement = Statement::with_lists(query, vec![field.into()], vec![List::Values(chunk)]);
                self.collect_ids(statement, &mut ids).await?;
            }
        }
        let mut objects = Vec::new();
        if !kinds.is_empty() {
            let names = kinds.iter().flat_map(|kind| stored_names(registry.get(*kind))).collect();
            objects = self.load(registry, &Selection::Kinds(names)).await?;
            for object in &objects {
                ids.remove(&object.id);
            }
        }
        ids.retain(|id| !held(*id));
        objects.append(&mut self.load_ids(registry, ids.into_iter().collect()).await?);
        Ok(objects)
    }

    /// A model with all objects of resident kinds, in which nothing is known yet of the paged ones.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn model(&mut self, registry: Arc<Registry>) -> Result<Model, StoreError> {
        let objects = self.load_resident(&registry).await?;
        let mut model = Model::partial(registry, self.instance(), self.revision());
        for object in objects {
            model.put(Arc::new(object));
        }
        Ok(model)
    }

    /// The objects of a kind whose sealed field has a value, which is given by its digest (see [`Key::digest`](super::Key::digest)).
    ///
    /// The look-up is by an index, and how long it takes tells nothing: the digest is keyed, so that who guesses values
    /// does not know which digests they try.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn by_secret(
        &mut self,
        kind: &KindInfo,
        field: &'static str,
        digest: &[u8; 32],
    ) -> Result<Vec<Uuid>, StoreError> {
        const DOING: &str = "looking up a secret";
        let query = &["SELECT s.object, s.digest FROM secret s JOIN object o ON o.id = s.object \
            WHERE s.digest = $1 AND s.field = $2 AND o.kind IN ({}) ORDER BY s.object"];
        let fixed = vec![Value::Bytes(digest.to_vec()), field.into()];
        let kinds = List::Values(stored_names(kind).map(Value::from).collect());
        let mut found = Vec::new();
        for row in self.tx.fetch(Statement::with_lists(query, fixed, vec![kinds])).await.doing(DOING)? {
            if bool::from(row.bytes(1).doing(DOING)?.as_slice().ct_eq(digest)) {
                found.push(id(&row, 0)?);
            }
        }
        Ok(found)
    }

    /// Who set which fields of some objects.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ownership(&mut self, objects: Vec<Uuid>) -> Result<Vec<Ownership>, StoreError> {
        let mut found = Vec::new();
        for chunk in chunks(objects, LIST) {
            let list = List::Values(chunk.into_iter().map(Value::from).collect());
            let query = &[
                "SELECT ",
                PACKED_OWNERSHIP,
                " FROM ownership WHERE object IN ({}) ORDER BY object, source, document, entry",
            ];
            found.append(&mut ownership(&mut self.tx, Statement::with_lists(query, Vec::new(), vec![list])).await?);
        }
        Ok(found)
    }

    /// Who set which fields of some objects, each with the run that recorded it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ownership_with_runs(&mut self, objects: Vec<Uuid>) -> Result<Vec<(Ownership, i64)>, StoreError> {
        let mut found = Vec::new();
        for chunk in chunks(objects, LIST) {
            let list = List::Values(chunk.into_iter().map(Value::from).collect());
            let query = &[
                "SELECT ",
                PACKED_OWNERSHIP,
                ", run FROM ownership WHERE object IN ({}) ORDER BY object, source, document, entry",
            ];
            for row in self.tx.fetch(Statement::with_lists(query, Vec::new(), vec![list])).await.doing(OWNERS)? {
                found.push((owned(row.str(0).doing(OWNERS)?)?, row.int(1).doing(OWNERS)?));
            }
        }
        Ok(found)
    }

    /// Everything that a source has set.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ownership_of(&mut self, source: &str) -> Result<Vec<Ownership>, StoreError> {
        let query =
            &["SELECT ", PACKED_OWNERSHIP, " FROM ownership WHERE source = $1 ORDER BY document, entry, object"];
        ownership(&mut self.tx, Statement::with_lists(query, vec![source.into()], Vec::new())).await
    }

    pub(super) async fn fetch(&mut self, query: Statement) -> Result<Vec<Row>, sqlx::Error> {
        self.tx.fetch(query).await
    }

    async fn collect_ids(&mut self, query: Statement, ids: &mut BTreeSet<Uuid>) -> Result<(), StoreError> {
        for row in self.tx.fetch(query).await.doing("looking up objects")? {
            ids.insert(id(&row, 0)?);
        }
        Ok(())
    }

    async fn load(&mut self, registry: &Registry, selection: &Selection) -> Result<Vec<Object>, StoreError> {
        if selection.is_empty() {
            return Ok(Vec::new());
        }
        let mut load = Load::new(registry);
        let packed = |row: &Row| row.maybe_text(0).doing("reading objects").map(Option::unwrap_or_default);
        self.tx
            .fetch_each("reading objects", selection.objects(), |row| {
                packed(&row)?.split(ROW).filter(|row| !row.is_empty()).try_for_each(|row| load.object(row))
            })
            .await?;
        if load.objects.is_empty() {
            return Ok(load.objects);
        }
        self.tx
            .fetch_each("reading references", selection.edges(), |row| {
                packed(&row)?.split(ROW).filter(|row| !row.is_empty()).try_for_each(|row| load.edge(row))
            })
            .await?;
        let secrets = selection.query("SELECT s.object, s.field, s.digest FROM secret s WHERE s.object");
        let sealed = |row: &Row| {
            let digest = row.bytes(2).doing("reading secrets")?.try_into();
            digest.map(SecretState::Sealed).map_err(|_| StoreError::Corrupt { what: "a digest of a secret".into() })
        };
        self.tx.fetch_each("reading secrets", secrets, |row| load.secret(&row, sealed(&row)?)).await?;
        let hashes = selection.query("SELECT s.object, s.field, s.hash FROM credential s WHERE s.object");
        let hash = |row: &Row| row.text(2).doing("reading credentials").map(SecretState::Password);
        self.tx.fetch_each("reading credentials", hashes, |row| load.secret(&row, hash(&row)?)).await?;
        Ok(load.finish())
    }
}

/// Objects on their way out of the rows of four queries.
struct Load<'r> {
    registry: &'r Registry,
    objects: Vec<Object>,
    places: FastMap<Uuid, usize>,
    /// Place of the source, field, position, target.
    edges: Vec<(usize, &'static str, i64, Uuid)>,
    /// Kinds and fields that were warned of.
    unknown: HashSet<String>,
}

impl<'r> Load<'r> {
    fn new(registry: &'r Registry) -> Load<'r> {
        Load { registry, objects: Vec::new(), places: FastMap::default(), edges: Vec::new(), unknown: HashSet::new() }
    }

    fn object(&mut self, row: &str) -> Result<(), StoreError> {
        let corrupt = || StoreError::Corrupt { what: "a row of the table object".into() };
        let mut columns = row.splitn(7, COLUMN);
        let mut next = || columns.next().ok_or_else(corrupt);
        let (id, name) = (next()?.parse().map_err(|_| corrupt())?, next()?);
        let Some(kind) = self.registry.find(name) else {
            if self.unknown.insert(name.to_owned()) {
                tracing::warn!(kind = name, "objects of a kind that this program does not know are left alone");
            }
            return Ok(());
        };
        let number = next()?;
        let number = if number.is_empty() { None } else { Some(number.parse().map_err(|_| corrupt())?) };
        let mut count = || next()?.parse().map_err(|_| corrupt());
        let (revision, created, updated) = (count()?, count()?, count()?);
        let attrs = serde_json::from_str(next()?).map_err(|_| corrupt())?;
        self.places.insert(id, self.objects.len());
        self.objects.push(Object {
            id,
            kind: kind.index,
            number,
            attrs,
            edges: Default::default(),
            secrets: Default::default(),
            revision,
            created,
            updated,
        });
        Ok(())
    }

    fn edge(&mut self, row: &str) -> Result<(), StoreError> {
        let corrupt = || StoreError::Corrupt { what: "a row of the table object_edge".into() };
        let mut columns = row.split(COLUMN);
        let mut next = || columns.next().ok_or_else(corrupt);
        let source: Uuid = next()?.parse().map_err(|_| corrupt())?;
        let Some(place) = self.places.get(&source) else { return Ok(()) };
        let kind = self.registry.get(self.objects[*place].kind);
        let field = next()?;
        match kind.reference(field) {
            Some(reference) => {
                let (target, position) =
                    (next()?.parse().map_err(|_| corrupt())?, next()?.parse().map_err(|_| corrupt())?);
                self.edges.push((*place, reference.field, position, target));
            }
            None => warn_unknown(&mut self.unknown, kind, field),
        }
        Ok(())
    }

    fn secret(&mut self, row: &Row, state: SecretState) -> Result<(), StoreError> {
        let Some(place) = self.places.get(&id(row, 0)?) else { return Ok(()) };
        let object = &mut self.objects[*place];
        let kind = self.registry.get(object.kind);
        let field = row.str(1).doing("reading secrets")?;
        match kind.fields.get(field) {
            Some(info) if info.secret.is_some() => {
                object.secrets.insert(lasting(&info.name), state);
            }
            _ => warn_unknown(&mut self.unknown, kind, field),
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<Object> {
        self.edges.sort_unstable();
        for (place, field, _, target) in self.edges {
            self.objects[place].edges.entry(field).or_default().push(target);
        }
        self.objects
    }
}

/// One look into the index for each kind, instead of a walk over all objects.
const STORED_KINDS: &str = "WITH RECURSIVE stored (kind) AS (SELECT MIN(kind) FROM object UNION ALL \
    SELECT (SELECT MIN(object.kind) FROM object WHERE object.kind > stored.kind) FROM stored \
    WHERE stored.kind IS NOT NULL) SELECT kind FROM stored WHERE kind IS NOT NULL";

/// The names under which objects of a kind may be stored.
fn stored_names(kind: &KindInfo) -> impl Iterator<Item = String> {
    std::iter::once(kind.name).chain(kind.aliases.iter().copied()).map(str::to_owned)
}

/// Names of the kinds that share a scope of integer keys.
pub(super) fn number_kinds<'r>(registry: &'r Registry, scope: &'r str) -> impl Iterator<Item = &'static str> + 'r {
    registry.kinds().filter(move |kind| kind.number_scope() == scope).map(|kind| kind.name)
}

/// All columns of an ownership in one text, like [`PACKED_OBJECT`]; the names of sources and documents are checked for the
/// separators when they are written.
pub(super) const PACKED_OWNERSHIP: &str = "object || '\u{1f}' || CAST(entry AS TEXT) || '\u{1f}' || CAST(line AS TEXT) \
    || '\u{1f}' || source || '\u{1f}' || document || '\u{1f}' || CAST(fields AS TEXT)";

/// Ownership by a query for packed ones.
pub(super) async fn ownership(tx: &mut Tx, query: Statement) -> Result<Vec<Ownership>, StoreError> {
    let mut found = Vec::new();
    tx.fetch_each(OWNERS, query, |row| {
        let packed = row.maybe_text(0).doing(OWNERS)?.unwrap_or_default();
        for row in packed.split(ROW).filter(|row| !row.is_empty()) {
            found.push(owned(row)?);
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Characters that separate packed values, and so cannot be in names that are packed.
pub(super) const SEPARATORS: [char; 2] = [COLUMN, ROW];

const OWNERS: &str = "reading ownership";

fn owned(row: &str) -> Result<Ownership, StoreError> {
    let corrupt = || StoreError::Corrupt { what: "the table ownership".into() };
    let mut columns = row.splitn(6, COLUMN);
    let mut next = || columns.next().ok_or_else(corrupt);
    Ok(Ownership {
        object: next()?.parse().map_err(|_| corrupt())?,
        entry: next()?.parse().map_err(|_| corrupt())?,
        line: next()?.parse().map_err(|_| corrupt())?,
        source: next()?.to_owned(),
        document: next()?.to_owned(),
        fields: serde_json::from_str(next()?).map_err(|_| corrupt())?,
    })
}

/// An id column.
pub(super) fn id(row: &Row, column: usize) -> Result<Uuid, StoreError> {
    let text = row.str(column).doing("reading ids")?;
    text.parse().map_err(|_| StoreError::Corrupt { what: format!("the id {text:?}") })
}

fn warn_unknown(unknown: &mut HashSet<String>, kind: &KindInfo, field: &str) {
    if unknown.insert(format!("{}.{field}", kind.name)) {
        tracing::warn!(kind = kind.name, field, "a stored field that this program does not know is left alone");
    }
}

/// The name of a declared field for the life of the process. Declarations are constants, so this keeps one copy
/// of each name and grows no further.
fn lasting(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    match names.get(name) {
        Some(known) => known,
        None => {
            let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
            names.insert(kept);
            kept
        }
    }
}
