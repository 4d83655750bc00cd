//! The one place that writes objects: a changeset goes in wholly or not at all.
//!
//! Secrets are made ready first (hashing takes long), then the writers' turn is taken, the conditions are checked against
//! what is there, the rows that differ are worked out in memory, and written in a few statements of many rows.

mod numbers;
mod prepare;
mod rows;
mod stored;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
};

use uuid::Uuid;

use self::{
    prepare::prepare,
    rows::{Edge, KeyRow, Rows, Stamp},
};
use super::{
    Key, Store, StoreError,
    audit::{self, ChangeRecord},
    changeset::{Changeset, Ownership, Precondition, Run, Write},
    db::Tx,
    engine,
    error::{Broken, DanglingEdge, Doing, Found},
    former,
    meta::{self, Head},
    read::{self, id},
    runs, sources,
    sql::{LIST, List, PLACEHOLDERS, Statement, Value, chunks},
};
use crate::model::Registry;

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Revision of the store afterwards.
    pub revision: i64,
    /// The run that was recorded; none when there was nothing to write.
    pub run: Option<i64>,
    /// Rows inserted, updated and deleted in all tables.
    pub rows_written: u64,
    /// Integer keys of the objects created.
    pub numbers: HashMap<Uuid, i64>,
}

impl Store {
    /// Writes a changeset in one transaction, records the run and its changes in the log, and raises the revision.
    ///
    /// What is already there is not written again: updates that change nothing and ownership that is recorded
    /// so are passed over, and if nothing else is left, nothing at all is written, not even the run.
    ///
    /// # Errors
    /// [`StoreError::Stale`] with every condition that does not hold, [`StoreError::Duplicate`],
    /// [`StoreError::Dangling`], [`StoreError::Locked`] when another writer does not finish in time, and whatever the
    /// engine reports. Nothing is written then, but for [`StoreError::Undecided`].
    pub async fn commit(
        &self,
        registry: &Registry,
        changes: &Changeset,
        clock_us: i64,
    ) -> Result<Committed, StoreError> {
        let run = runs::storable(&changes.run)?;
        let prepared = prepare(&self.inner.options.key, registry, changes).await?;

        let mut turn = self.begin_write(&run.actor, self.inner.options.observer.clone()).await?;
        let tx = &mut turn.tx;
        if !tx.has_table("meta").await.doing("looking for the schema")? {
            meta::Meta::default().require_current()?;
        }
        let meta = meta::read(tx).await?;
        meta.require_current()?;
        meta.refuse_other_key(&self.inner.options.key)?;

        if let Some(source) = &changes.source {
            sources::check_lease(tx, &source.lease).await?;
        }
        let mut stored = stored::heads(tx, changes, &prepared).await?;
        stored::check(tx, changes, &prepared, &stored).await?;
        stored::load_replaced(tx, &prepared, &mut stored).await?;
        let numbers = numbers::allot(tx, registry, &prepared).await?;
        let stamp = Stamp { revision: meta.revision + 1, at: clock_us };
        let deleted = prepared.iter().filter(|write| matches!(write.write, Write::Delete { .. })).map(|write| write.id);
        let owners = changes.ownership.iter().map(|owned| owned.object).chain(deleted).collect();
        let owned = stored_ownership(tx, owners).await?;
        let mut rows = rows::work_out(&prepared, &stored, &owned, &numbers.given, &stamp)?;
        let (owned_out, owned_in) = rows::ownership(&changes.ownership, &owned, &rows.deleted)?;
        for (source, request) in &changes.requests {
            sources::ask(tx, source, request).await?;
        }
        if rows.is_empty() && owned_out.is_empty() && owned_in.is_empty() {
            if let Some(source) = &changes.source {
                sources::write_state(tx, source, None).await?;
            }
            if changes.source.is_some() || !changes.requests.is_empty() {
                turn.tx.commit().await.doing("recording the state of a source")?;
                return Ok(Committed { revision: meta.revision, ..Committed::default() });
            }
            turn.tx.rollback().await.doing("ending a transaction without writes")?;
            return Ok(Committed { revision: meta.revision, ..Committed::default() });
        }

        let mut writer = Writer { tx, batch: self.inner.options.batch_rows.max(1), written: 0 };
        writer.delete_objects(&rows.deleted).await?;
        writer.write_objects(&mut rows).await?;
        writer.refuse_dangling(&rows).await?;
        writer.refuse_shared_targets(&rows.edges_in).await?;
        let next = numbers.next.iter().map(|(scope, next)| vec![(*scope).into(), (*next).into()]).collect();
        writer.rows("writing number sequences", SET_SEQUENCES, next).await?;
        let run_id = writer.write_run(&run, &stamp).await?;
        writer.write_ownership(&rows.created, owned_out, owned_in, run_id).await?;
        let head = meta.change_head.unwrap_or_else(|| Head::signed(self.key(), 0, String::new()));
        let (seq, hash) = writer.write_changes(self.key(), rows, &run, run_id, &stamp, (head.seq, head.hash)).await?;
        let head = Head::signed(self.key(), seq, hash);
        let values = [(meta::REVISION, stamp.revision.to_string()), (meta::CHANGE_HEAD, head.to_text())];
        let values = values.into_iter().map(|(key, value)| vec![key.into(), value.into()]).collect();
        writer.rows("writing the revision", &[meta::SET], values).await?;
        let rows_written = writer.written;
        if let Some(source) = &changes.source {
            sources::write_state(tx, source, Some(run_id)).await?;
        }

        turn.tx.commit().await.map_err(|error| {
            if engine::is_lost(&error) {
                return StoreError::Undecided(error);
            }
            match Err::<(), _>(error).doing("the commit") {
                Err(error) => error,
                Ok(()) => StoreError::Corrupt { what: "the outcome of a commit".to_owned() },
            }
        })?;
        Ok(Committed { revision: stamp.revision, run: Some(run_id), rows_written, numbers: numbers.given })
    }
}

async fn stored_ownership(tx: &mut Tx, objects: BTreeSet<Uuid>) -> Result<Vec<Ownership>, StoreError> {
    let mut found = Vec::new();
    for chunk in chunks(objects, LIST) {
        let list = List::Values(chunk.into_iter().map(Value::from).collect());
        let query = &["SELECT string_agg(", read::PACKED_OWNERSHIP, ", '\u{1e}') FROM ownership WHERE object IN ({})"];
        let query = Statement::with_lists(query, Vec::new(), vec![list]);
        found.append(&mut read::ownership(tx, query).await?);
    }
    Ok(found)
}

const SET_SEQUENCES: &[&str] =
    &["INSERT INTO number_sequence (scope, next) VALUES {}", " ON CONFLICT (scope) DO UPDATE SET next = excluded.next"];

/// Writes rows in statements of a bounded number of them, and counts.
struct Writer<'a> {
    tx: &'a mut Tx,
    batch: usize,
    written: u64,
}

impl Writer<'_> {
    /// Rows of some columns for one statement.
    fn size(&self, columns: usize) -> usize {
        self.batch.min(PLACEHOLDERS / columns.max(1)).max(1)
    }

    /// Runs a statement with `{}` for the rows, as often as it takes.
    async fn rows(
        &mut self,
        doing: &'static str,
        text: &'static [&'static str],
        rows: Vec<Vec<Value>>,
    ) -> Result<(), StoreError> {
        let columns = rows.first().map_or(1, Vec::len);
        for chunk in chunks(rows, self.size(columns)) {
            let statement = Statement::with_lists(text, Vec::new(), vec![List::Rows(chunk)]);
            self.written += self.tx.execute(statement).await.doing(doing)?;
        }
        Ok(())
    }

    /// The same for a statement with two `{}`: the objects that the rows belong to, which are their first values, and the
    /// rows. With the rows alone SQLite would walk over the whole table.
    async fn rows_of_objects(
        &mut self,
        doing: &'static str,
        text: &'static [&'static str],
        rows: Vec<Vec<Value>>,
    ) -> Result<(), StoreError> {
        let columns = rows.first().map_or(1, Vec::len);
        for chunk in chunks(rows, self.size(columns)) {
            let objects = chunk.iter().filter_map(|row| row.first().cloned()).collect();
            let statement = Statement::with_lists(text, Vec::new(), vec![List::Values(objects), List::Rows(chunk)]);
            self.written += self.tx.execute(statement).await.doing(doing)?;
        }
        Ok(())
    }

    async fn delete_objects(&mut self, ids: &[Uuid]) -> Result<(), StoreError> {
        for chunk in ids.chunks(self.batch) {
            let ids: Vec<Value> = chunk.iter().map(|id| Value::from(*id)).collect();
            for text in [
                "DELETE FROM object_edge WHERE source IN ({})",
                "DELETE FROM object_key WHERE object IN ({})",
                "DELETE FROM secret WHERE object IN ({})",
                "DELETE FROM credential WHERE object IN ({})",
                "DELETE FROM ownership WHERE object IN ({})",
                "DELETE FROM object WHERE id IN ({})",
            ] {
                let statement = Statement::with_lists(&[text], Vec::new(), vec![List::Values(ids.clone())]);
                self.written += self.tx.execute(statement).await.doing("deleting objects")?;
            }
        }
        Ok(())
    }

    async fn write_objects(&mut self, rows: &mut Rows) -> Result<(), StoreError> {
        const OBJECTS: &str = "INSERT INTO object \
            (id, number, kind, name, attrs, digest, revision, created, updated) VALUES {}";
        let out: [(_, &'static [&'static str], _); 4] = [
            (
                "deleting references",
                &["DELETE FROM object_edge WHERE source IN ({}) AND (source, field, target) IN (VALUES {})"],
                mem::take(&mut rows.edges_out),
            ),
            (
                "deleting keys",
                &["DELETE FROM object_key WHERE object IN ({}) AND (object, kind, field, value) IN (VALUES {})"],
                mem::take(&mut rows.keys_out),
            ),
            (
                "deleting secrets",
                &["DELETE FROM secret WHERE object IN ({}) AND (object, field) IN (VALUES {})"],
                mem::take(&mut rows.secrets_out),
            ),
            (
                "deleting credentials",
                &["DELETE FROM credential WHERE object IN ({}) AND (object, field) IN (VALUES {})"],
                mem::take(&mut rows.credentials_out),
            ),
        ];
        for (doing, text, gone) in out {
            self.rows_of_objects(doing, text, gone).await?;
        }
        self.rows("writing objects", &[OBJECTS], mem::take(&mut rows.objects)).await?;
        let update = &[
            OBJECTS,
            " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, name = excluded.name, attrs = excluded.attrs, \
             digest = excluded.digest, revision = excluded.revision, updated = excluded.updated",
        ];
        self.rows("writing objects", update, mem::take(&mut rows.updates)).await?;
        let edges = rows
            .edges_in
            .iter()
            .map(|edge| vec![edge.source.into(), edge.field.into(), edge.position.into(), edge.target.into()])
            .collect();
        let text = &["INSERT INTO object_edge (source, field, position, target) VALUES {}"];
        self.rows("writing references", text, edges).await?;
        self.write_keys(&rows.keys_in).await?;
        let text = &[
            "INSERT INTO secret (object, field, sealed, digest) VALUES {}",
            " ON CONFLICT (object, field) DO UPDATE SET sealed = excluded.sealed, digest = excluded.digest",
        ];
        self.rows("writing secrets", text, mem::take(&mut rows.secrets_in)).await?;
        let text = &[
            "INSERT INTO credential (object, field, hash) VALUES {}",
            " ON CONFLICT (object, field) DO UPDATE SET hash = excluded.hash",
        ];
        self.rows("writing credentials", text, mem::take(&mut rows.credentials_in)).await
    }

    /// Writes natural identifiers. A conflict is not left to the engine, which on PostgreSQL would end the transaction
    /// before anyone could ask who the other is.
    async fn write_keys(&mut self, keys: &[KeyRow]) -> Result<(), StoreError> {
        for chunk in keys.chunks(self.size(4)) {
            let list = chunk
                .iter()
                .map(|key| {
                    vec![key.scope.into(), key.key.as_str().into(), key.value.as_str().into(), key.object.into()]
                })
                .collect();
            let text = &["INSERT INTO object_key (kind, field, value, object) VALUES {} ON CONFLICT DO NOTHING"];
            let statement = Statement::with_lists(text, Vec::new(), vec![List::Rows(list)]);
            let written = self.tx.execute(statement).await.doing("writing keys")?;
            self.written += written;
            if written == chunk.len() as u64 {
                continue;
            }
            let wanted = chunk.iter().map(|key| (key.scope, key.key.as_str(), key.value.as_str())).collect();
            let owners = stored::owners(self.tx, wanted).await?;
            for key in chunk {
                let holder = owners.get(&(key.scope.to_owned(), key.key.clone(), key.value.clone())).copied();
                if holder != Some(key.object) {
                    return Err(StoreError::Duplicate {
                        scope: key.scope.to_owned(),
                        key: key.key.clone(),
                        value: key.value.clone(),
                        object: key.object,
                        holder,
                    });
                }
            }
        }
        Ok(())
    }

    /// Names the references that the engine would refuse at the commit without naming them.
    async fn refuse_dangling(&mut self, rows: &Rows) -> Result<(), StoreError> {
        let targets: BTreeSet<Uuid> =
            rows.edges_in.iter().map(|edge| edge.target).filter(|target| !rows.created.contains(target)).collect();
        let absent = stored::absent(self.tx, targets).await?;
        let mut dangling: Vec<DanglingEdge> = rows
            .edges_in
            .iter()
            .filter(|edge| absent.contains(&edge.target))
            .map(|edge| DanglingEdge {
                object: edge.source,
                kind: edge.kind.to_owned(),
                name: edge.name.clone(),
                field: edge.field.to_owned(),
                target: edge.target,
            })
            .collect();
        let query = "SELECT e.source, o.kind, o.name, e.field, e.target \
            FROM object_edge e JOIN object o ON o.id = e.source WHERE e.target IN ({})";
        for row in stored::by_ids(self.tx, query, rows.deleted.clone()).await? {
            let edge = DanglingEdge {
                object: id(&row, 0)?,
                kind: row.text(1).doing("reading references")?,
                name: row.text(2).doing("reading references")?,
                field: row.text(3).doing("reading references")?,
                target: id(&row, 4)?,
            };
            if !dangling.contains(&edge) {
                dangling.push(edge);
            }
        }
        if dangling.is_empty() { Ok(()) } else { Err(StoreError::Dangling(dangling)) }
    }

    /// Refuses a second holder of a one-to-one reference.
    async fn refuse_shared_targets(&mut self, edges: &[Edge]) -> Result<(), StoreError> {
        let mut exclusive: BTreeMap<(&str, &str), BTreeMap<Uuid, Uuid>> = BTreeMap::new();
        for edge in edges.iter().filter(|edge| edge.exclusive) {
            exclusive.entry((edge.kind, edge.field)).or_default().insert(edge.target, edge.source);
        }
        for ((kind, field), targets) in exclusive {
            for chunk in chunks(targets.keys().copied().collect::<Vec<Uuid>>(), LIST) {
                let list = List::Values(chunk.into_iter().map(Value::from).collect());
                let query = "SELECT e.target, e.source FROM object_edge e JOIN object o ON o.id = e.source \
                    WHERE o.kind = $1 AND e.field = $2 AND e.target IN ({})";
                let statement = Statement::with_lists(&[query], vec![kind.into(), field.into()], vec![list]);
                for row in self.tx.fetch(statement).await.doing("reading references")? {
                    let (target, holder) = (id(&row, 0)?, id(&row, 1)?);
                    if let Some(object) = targets.get(&target).filter(|object| **object != holder) {
                        return Err(StoreError::Duplicate {
                            scope: kind.to_owned(),
                            key: field.to_owned(),
                            value: target.to_string(),
                            object: *object,
                            holder: Some(holder),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    async fn write_run(&mut self, run: &Run, stamp: &Stamp) -> Result<i64, StoreError> {
        let id = runs::next_id(self.tx).await?;
        self.rows("recording the run", runs::INSERT, vec![runs::row(id, run, stamp.revision, stamp.at)]).await?;
        Ok(id)
    }

    async fn write_ownership(
        &mut self,
        created: &BTreeSet<Uuid>,
        out: Vec<&Ownership>,
        into: Vec<&Ownership>,
        run: i64,
    ) -> Result<(), StoreError> {
        let objects = into.iter().map(|owned| owned.object).filter(|object| !created.contains(object)).collect();
        let absent = stored::absent(self.tx, objects).await?;
        if !absent.is_empty() {
            let gone =
                |object| Broken { expected: Precondition::Revision(object, 0), found: Found::Gone, last_change: None };
            return Err(StoreError::Stale(absent.into_iter().map(gone).collect()));
        }
        let place = |owned: &Ownership| -> Vec<Value> {
            vec![
                owned.object.into(),
                owned.source.as_str().into(),
                owned.document.as_str().into(),
                i64::from(owned.entry).into(),
            ]
        };
        let text = &["DELETE FROM ownership WHERE object IN ({}) AND (object, source, document, entry) IN (VALUES {})"];
        self.rows_of_objects("writing ownership", text, out.into_iter().map(place).collect()).await?;
        let text = &[
            "INSERT INTO ownership (object, source, document, entry, line, fields, run) VALUES {}",
            " ON CONFLICT (object, source, document, entry) \
             DO UPDATE SET line = excluded.line, fields = excluded.fields, run = excluded.run",
        ];
        let rows = into
            .into_iter()
            .map(|owned| {
                let mut row = place(owned);
                row.push(i64::from(owned.line).into());
                row.push(Value::Json(owned.fields.clone().into()));
                row.push(run.into());
                row
            })
            .collect();
        self.rows("writing ownership", text, rows).await
    }

    /// Appends to the change log, after `head` (sequence number and hash), and gives the new head.
    async fn write_changes(
        &mut self,
        key: &Key,
        rows: Rows,
        run: &Run,
        run_id: i64,
        stamp: &Stamp,
        head: (i64, String),
    ) -> Result<(i64, String), StoreError> {
        let (mut seq, mut hash) = head;
        let mut entries = Vec::with_capacity(rows.changes.len());
        let mut formers = Vec::new();
        for logged in rows.changes {
            seq += 1;
            if let Some(former) = &logged.former {
                formers.push(vec![seq.into(), former::seal(key, seq, former)?.into()]);
            }
            let record = ChangeRecord {
                seq,
                run: run_id,
                at: stamp.at,
                actor: run.actor.clone(),
                object: logged.object,
                kind: logged.kind.to_owned(),
                name: logged.name,
                action: logged.action.to_owned(),
                fields: logged.fields,
            };
            hash = audit::chain(&hash, &record);
            entries.push(vec![
                seq.into(),
                run_id.into(),
                stamp.at.into(),
                record.actor.into(),
                record.object.into(),
                record.kind.into(),
                record.name.into(),
                record.action.into(),
                Value::Json(audit::fields_json(&record.fields)),
                hash.as_str().into(),
            ]);
        }
        let text = &["INSERT INTO change (seq, run, at, actor, object, kind, name, action, fields, hash) VALUES {}"];
        self.rows("writing the change log", text, entries).await?;
        let text = &["INSERT INTO former (seq, sealed) VALUES {}"];
        self.rows("writing what the changes take away", text, formers).await?;
        Ok((seq, hash))
    }
}
