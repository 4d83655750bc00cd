//! From prepared writes and what is stored to the rows that differ.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{
    prepare::{self, Content, Prepared, Texts},
    stored::Stored,
};
use crate::store::{
    StoreError,
    canonical::canonical,
    changeset::{FieldChange, Ownership, Write},
    former::{Former, FormerSecret},
    read,
    seal::hex,
    sql::Value,
};

/// Rows to write, by table; what goes out goes before what comes in.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) deleted: Vec<Uuid>,
    pub(super) created: BTreeSet<Uuid>,
    pub(super) objects: Vec<Vec<Value>>,
    pub(super) updates: Vec<Vec<Value>>,
    pub(super) edges_out: Vec<Vec<Value>>,
    pub(super) edges_in: Vec<Edge>,
    pub(super) keys_out: Vec<Vec<Value>>,
    pub(super) keys_in: Vec<KeyRow>,
    pub(super) secrets_out: Vec<Vec<Value>>,
    pub(super) secrets_in: Vec<Vec<Value>>,
    pub(super) credentials_out: Vec<Vec<Value>>,
    pub(super) credentials_in: Vec<Vec<Value>>,
    pub(super) changes: Vec<Logged>,
}

/// A new row of `object_edge`.
pub(super) struct Edge {
    pub(super) source: Uuid,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) field: &'static str,
    pub(super) exclusive: bool,
    pub(super) position: i64,
    pub(super) target: Uuid,
}

/// A new row of `object_key`.
pub(super) struct KeyRow {
    pub(super) scope: &'static str,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) object: Uuid,
}

/// A new row of `change`, before it has a number.
pub(super) struct Logged {
    pub(super) object: Uuid,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) action: &'static str,
    pub(super) fields: Vec<FieldChange>,
    /// What is there before; none for a creation.
    pub(super) former: Option<Former>,
}

/// What rows are stamped with.
pub(super) struct Stamp {
    pub(super) revision: i64,
    pub(super) at: i64,
}

/// Works out all rows. An update that changes nothing has none.
pub(super) fn work_out(
    prepared: &[Prepared<'_>],
    stored: &HashMap<Uuid, Stored>,
    owned: &[Ownership],
    numbers: &HashMap<Uuid, i64>,
    stamp: &Stamp,
) -> Result<Rows, StoreError> {
    let mut rows = Rows::default();
    let nothing = Stored::default();
    for write in prepared {
        let resolve = |value: &Json| resolve(write.id, value, numbers);
        let (changes, name, action, former) = match (write.write, &write.content) {
            (Write::Delete { name, changes, .. }, _) => {
                rows.deleted.push(write.id);
                let before = stored.get(&write.id).unwrap_or(&nothing);
                (changes, name.clone(), "delete", Some(everything(write.id, before, owned)))
            }
            (Write::Create { changes, .. }, Some(content)) => {
                let texts = prepare::texts(write.id, content.row, &resolve)?;
                let name = texts.name.clone();
                rows.created.insert(write.id);
                rows.put(write, content, texts, &nothing, numbers.get(&write.id).copied(), stamp);
                (changes, name, "create", None)
            }
            (Write::Update { changes, .. }, Some(content)) => {
                let texts = prepare::texts(write.id, content.row, &resolve)?;
                let name = texts.name.clone();
                let before = stored.get(&write.id).unwrap_or(&nothing);
                let former = replaced(content, &texts, before);
                if !rows.put(write, content, texts, before, None, stamp) {
                    continue;
                }
                (changes, name, "update", Some(former))
            }
            (Write::Create { .. } | Write::Update { .. }, None) => continue,
        };
        rows.changes.push(Logged {
            object: write.id,
            kind: write.kind.name,
            name,
            action,
            fields: prepare::field_changes(write.id, changes, &resolve)?,
            former,
        });
    }
    Ok(rows)
}

/// All that an object is before it is deleted.
fn everything(id: Uuid, before: &Stored, owned: &[Ownership]) -> Former {
    let fields = before.sealed.keys().chain(before.credentials.keys());
    Former {
        number: before.number,
        attrs: before.attrs.clone(),
        edges: before.edges.keys().map(|field| (field.clone(), targets(before, field))).collect(),
        secrets: fields.map(|field| (field.clone(), secret(before, field))).collect(),
        ownership: owned.iter().filter(|owned| owned.object == id).cloned().collect(),
        without: Vec::new(),
    }
}

/// What an update takes away.
fn replaced(content: &Content<'_>, texts: &Texts, before: &Stored) -> Former {
    let mut former = Former::default();
    let gone = before.attrs.iter().filter(|(field, value)| texts.attrs.get(*field) != Some(value));
    former.attrs = gone.map(|(field, value)| (field.clone(), value.clone())).collect();
    former.without = texts.attrs.keys().filter(|field| !before.attrs.contains_key(*field)).cloned().collect();
    let fields: BTreeSet<&str> =
        before.edges.keys().map(String::as_str).chain(content.row.edges.keys().copied()).collect();
    for field in fields {
        let after: BTreeSet<Uuid> = content.row.edges.get(field).into_iter().flatten().copied().collect();
        let targets = targets(before, field);
        if targets.len() != after.len() || targets.iter().any(|target| !after.contains(target)) {
            former.edges.insert(field.to_owned(), targets);
        }
    }
    let unchanged = |field: &str, digest: &[u8]| before.secrets.get(field).is_some_and(|before| before == digest);
    let sealed = content.sealed.iter().filter(|(field, sealed)| !unchanged(field, &sealed.digest));
    let hashed = content.hashed.iter().filter(|(field, hash)| before.credentials.get(**field) != Some(*hash));
    let cleared = content.cleared.iter().filter(|field| secret(before, field) != FormerSecret::Nothing);
    let secrets = sealed.map(|(field, _)| field).chain(hashed.map(|(field, _)| field)).chain(cleared);
    former.secrets = secrets.map(|field| ((*field).to_owned(), secret(before, field))).collect();
    former
}

/// The stored targets of a field in their order.
fn targets(before: &Stored, field: &str) -> Vec<Uuid> {
    let mut targets: Vec<(i64, Uuid)> =
        before.edges.get(field).into_iter().flatten().map(|(target, position)| (*position, *target)).collect();
    targets.sort_unstable();
    targets.into_iter().map(|(_, target)| target).collect()
}

fn secret(before: &Stored, field: &str) -> FormerSecret {
    let digest = before.secrets.get(field).and_then(|digest| <[u8; 32]>::try_from(digest.as_slice()).ok());
    match (before.sealed.get(field), digest, before.credentials.get(field)) {
        (Some(sealed), Some(digest), _) => FormerSecret::Sealed { sealed: sealed.clone(), digest },
        (_, _, Some(hash)) => FormerSecret::Password(hash.clone()),
        _ => FormerSecret::Nothing,
    }
}

/// Replaces symbols; one whose object gets no number here is a defect of the plan.
fn resolve(object: Uuid, value: &Json, numbers: &HashMap<Uuid, i64>) -> Result<Json, StoreError> {
    let missing = std::cell::Cell::new(None);
    let resolved = crate::model::symbol::resolve(value, &|id| {
        let number = numbers.get(&id).copied();
        if number.is_none() {
            missing.set(Some(id));
        }
        number
    });
    match missing.into_inner() {
        None => Ok(resolved),
        Some(id) => Err(StoreError::Unfit {
            object,
            problem: format!("it needs the integer key of {id}, which this changeset does not create"),
        }),
    }
}

impl Rows {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Adds the rows of a creation or update; says whether there are any.
    fn put(
        &mut self,
        write: &Prepared<'_>,
        content: &Content<'_>,
        texts: Texts,
        before: &Stored,
        number: Option<i64>,
        stamp: &Stamp,
    ) -> bool {
        let id = write.id;
        let edges: BTreeMap<&'static str, BTreeSet<Uuid>> = content
            .row
            .edges
            .iter()
            .filter(|(_, targets)| !targets.is_empty())
            .map(|(field, targets)| (*field, targets.iter().copied().collect()))
            .collect();
        let digest = digest(&texts, &edges, &secrets_after(content, before), &credentials_after(content, before));
        let keys: BTreeSet<(&str, &str, &str)> =
            texts.keys.iter().map(|(scope, key, value)| (*scope, key.as_str(), value.as_str())).collect();
        let keys_before: BTreeSet<(&str, &str, &str)> =
            before.keys.iter().map(|(scope, key, value)| (scope.as_str(), key.as_str(), value.as_str())).collect();
        if digest.as_slice() == before.digest && keys == keys_before && before.kind == write.kind.name {
            return false;
        }

        for (field, targets) in &before.edges {
            for target in targets.keys() {
                if !edges.get(field.as_str()).is_some_and(|kept| kept.contains(target)) {
                    self.edges_out.push(vec![id.into(), field.as_str().into(), (*target).into()]);
                }
            }
        }
        for (field, targets) in &content.row.edges {
            let there = before.edges.get(*field);
            let mut position = there.and_then(|there| there.values().max()).map_or(0, |last| last + 1);
            let mut seen = BTreeSet::new();
            for target in targets {
                if there.is_some_and(|there| there.contains_key(target)) || !seen.insert(target) {
                    continue;
                }
                self.edges_in.push(Edge {
                    source: id,
                    kind: write.kind.name,
                    name: texts.name.clone(),
                    field,
                    exclusive: write.kind.reference(field).is_some_and(|reference| reference.exclusive),
                    position,
                    target: *target,
                });
                position += 1;
            }
        }
        for (scope, key, value) in keys_before.difference(&keys) {
            self.keys_out.push(vec![id.into(), (*scope).into(), (*key).into(), (*value).into()]);
        }
        for (scope, key, value) in &texts.keys {
            if !keys_before.contains(&(*scope, key.as_str(), value.as_str())) {
                self.keys_in.push(KeyRow { scope, key: key.clone(), value: value.clone(), object: id });
            }
        }
        for field in &content.cleared {
            if before.secrets.contains_key(*field) {
                self.secrets_out.push(vec![id.into(), (*field).into()]);
            }
            if before.credentials.contains_key(*field) {
                self.credentials_out.push(vec![id.into(), (*field).into()]);
            }
        }
        for (field, sealed) in &content.sealed {
            if before.secrets.get(*field).is_none_or(|digest| *digest != sealed.digest) {
                self.secrets_in.push(vec![
                    id.into(),
                    (*field).into(),
                    sealed.bytes.clone().into(),
                    sealed.digest.to_vec().into(),
                ]);
            }
        }
        for (field, hash) in &content.hashed {
            self.credentials_in.push(vec![id.into(), (*field).into(), hash.as_str().into()]);
        }
        let row = vec![
            id.into(),
            Value::MaybeInt(number),
            write.kind.name.into(),
            texts.name.into(),
            Value::Json(Json::Object(texts.attrs)),
            digest.to_vec().into(),
            stamp.revision.into(),
            stamp.at.into(),
            stamp.at.into(),
        ];
        if self.created.contains(&id) {
            self.objects.push(row)
        } else {
            self.updates.push(row)
        }
        true
    }
}

fn secrets_after<'a>(content: &'a Content<'_>, before: &'a Stored) -> BTreeMap<&'a str, &'a [u8]> {
    let mut after: BTreeMap<&str, &[u8]> =
        before.secrets.iter().map(|(field, digest)| (field.as_str(), digest.as_slice())).collect();
    after.retain(|field, _| !content.cleared.contains(field));
    after.extend(content.sealed.iter().map(|(field, sealed)| (*field, sealed.digest.as_slice())));
    after
}

fn credentials_after<'a>(content: &'a Content<'_>, before: &'a Stored) -> BTreeMap<&'a str, &'a str> {
    let mut after: BTreeMap<&str, &str> =
        before.credentials.iter().map(|(field, hash)| (field.as_str(), hash.as_str())).collect();
    after.retain(|field, _| !content.cleared.contains(field));
    after.extend(content.hashed.iter().map(|(field, hash)| (*field, hash.as_str())));
    after
}

/// Digest of all that an object is; equal digests, nothing to write.
fn digest(
    texts: &Texts,
    edges: &BTreeMap<&'static str, BTreeSet<Uuid>>,
    secrets: &BTreeMap<&str, &[u8]>,
    credentials: &BTreeMap<&str, &str>,
) -> [u8; 32] {
    let secrets: BTreeMap<&str, String> = secrets.iter().map(|(field, digest)| (*field, hex(digest))).collect();
    let whole = json!({
        "name": texts.name,
        "attrs": texts.attrs,
        "edges": edges,
        "secrets": secrets,
        "credentials": credentials,
    });
    *blake3::hash(canonical(&whole).as_bytes()).as_bytes()
}

/// Ownership rows that differ: those to delete, and those to write.
pub(super) fn ownership<'a>(
    wanted: &'a [Ownership],
    stored: &'a [Ownership],
    deleted: &[Uuid],
) -> Result<(Vec<&'a Ownership>, Vec<&'a Ownership>), StoreError> {
    type Place<'a> = (Uuid, &'a str, &'a str);
    fn place(owned: &Ownership) -> Place<'_> {
        (owned.object, &owned.source, &owned.document)
    }
    let deleted: BTreeSet<&Uuid> = deleted.iter().collect();
    let mut after: BTreeMap<Place<'_>, BTreeMap<u32, &Ownership>> = BTreeMap::new();
    for owned in wanted.iter().filter(|owned| !deleted.contains(&owned.object)) {
        let texts = [&owned.source, &owned.document].into_iter().chain(&owned.fields);
        if texts.into_iter().any(|text| text.contains('\0')) {
            return Err(StoreError::Nul { what: format!("the ownership of {}", owned.object) });
        }
        if [&owned.source, &owned.document].into_iter().any(|name| name.contains(read::SEPARATORS)) {
            let problem = format!("the name of its document {:?} contains a control character", owned.document);
            return Err(StoreError::Unfit { object: owned.object, problem });
        }
        let entries = after.entry(place(owned)).or_default();
        // No fields: the document has let go of the object.
        if !owned.fields.is_empty() && entries.insert(owned.entry, owned).is_some() {
            let problem = format!("entry {} of {} owns it twice", owned.entry, owned.document);
            return Err(StoreError::Unfit { object: owned.object, problem });
        }
    }
    let mut out = Vec::new();
    for owned in stored {
        let Some(entries) = after.get_mut(&place(owned)) else { continue };
        match entries.get(&owned.entry) {
            Some(same) if *same == owned => {
                entries.remove(&owned.entry);
            }
            Some(_) => {}
            None => out.push(owned),
        }
    }
    Ok((out, after.into_values().flat_map(BTreeMap::into_values).collect()))
}
