//! The record of runs: each application of a plan, and each attempt of a source that came to none.

use super::{
    Store, StoreError,
    canonical::{self, ContainsNul, without_nul},
    changeset::{Outcome, Run},
    db::{Row, Tx},
    error::Doing,
    meta,
    sql::{LIST, List, Statement, Value, chunks},
};

/// One run, as recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Number of the run, from 1.
    pub id: i64,
    /// Revision of the store that its commit made, or at which it was recorded when it wrote nothing.
    pub revision: i64,
    /// Microseconds since 1970.
    pub at: i64,
    /// Who, from where, and what came of it.
    pub run: Run,
    /// How many attempts in a row ended like this one.
    pub times: i64,
    /// The last of them, in microseconds since 1970; 0 when there was only one.
    pub last_at: i64,
}

/// Writes runs.
pub(super) const INSERT: &[&str] =
    &["INSERT INTO run (id, revision, at, actor, origin, summary, source, outcome, detail) VALUES {}"];

const RUNS: &str = "SELECT id, revision, at, actor, origin, summary, source, outcome, detail, times, last_at FROM run";

/// The number of the next run.
pub(super) async fn next_id(tx: &mut Tx) -> Result<i64, StoreError> {
    let rows = tx.fetch(Statement::new("SELECT COALESCE(MAX(id), 0) + 1 FROM run")).await;
    let rows = rows.doing("numbering the run")?;
    rows.first().map_or(Ok(1), |row| row.int(0)).doing("numbering the run")
}

/// The run as it can be stored.
pub(super) fn storable(run: &Run) -> Result<Run, StoreError> {
    let nul = |_: ContainsNul| StoreError::Nul { what: "the description of the run".to_owned() };
    Ok(Run {
        actor: without_nul(run.actor.clone()).map_err(nul)?,
        origin: without_nul(run.origin.clone()).map_err(nul)?,
        summary: canonical::storable(run.summary.clone()).map_err(nul)?,
        source: run.source.clone().map(without_nul).transpose().map_err(nul)?,
        outcome: run.outcome,
        detail: canonical::storable(run.detail.clone()).map_err(nul)?,
    })
}

/// The row of a run.
pub(super) fn row(id: i64, run: &Run, revision: i64, at: i64) -> Vec<Value> {
    vec![
        id.into(),
        revision.into(),
        at.into(),
        run.actor.as_str().into(),
        run.origin.as_str().into(),
        Value::Json(run.summary.clone()),
        Value::MaybeText(run.source.clone()),
        run.outcome.as_str().into(),
        run.detail.to_string().into(),
    ]
}

impl Store {
    /// Records an attempt that wrote nothing. When the source's last run ended in the same way at the same revision of the
    /// source, that one is counted up instead. Gives the run's number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_run(&self, run: &Run, same: &[&str], clock_us: i64) -> Result<i64, StoreError> {
        let run = storable(run)?;
        let mut turn = self.begin_write(&run.actor, None).await?;
        let tx = &mut turn.tx;
        let meta = meta::read(tx).await?;
        meta.require_current()?;
        if let Some(last) = last_of(tx, run.source.as_deref()).await?
            && last.run.outcome == run.outcome
            && same.iter().all(|field| last.run.detail.get(field) == run.detail.get(field))
        {
            let update = Statement::new("UPDATE run SET times = times + 1, last_at = $1, detail = $2 WHERE id = $3")
                .bind(clock_us)
                .bind(run.detail.to_string())
                .bind(last.id);
            tx.execute(update).await.doing("recording the run")?;
            turn.tx.commit().await.doing("recording the run")?;
            return Ok(last.id);
        }
        let id = next_id(tx).await?;
        let rows = List::Rows(vec![row(id, &run, meta.revision, clock_us)]);
        tx.execute(Statement::with_lists(INSERT, Vec::new(), vec![rows])).await.doing("recording the run")?;
        turn.tx.commit().await.doing("recording the run")?;
        Ok(id)
    }

    /// The last runs, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn runs(&self, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        self.read_runs(Statement::with_lists(
            &[RUNS, " ORDER BY id DESC LIMIT $1"],
            vec![i64::from(limit).into()],
            Vec::new(),
        ))
        .await
    }

    /// The last runs of a source, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn runs_of(&self, source: &str, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        self.read_runs(Statement::with_lists(
            &[RUNS, " WHERE source = $1 ORDER BY id DESC LIMIT $2"],
            vec![source.into(), i64::from(limit).into()],
            Vec::new(),
        ))
        .await
    }

    /// One run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run(&self, id: i64) -> Result<Option<RunRecord>, StoreError> {
        let query = Statement::with_lists(&[RUNS, " WHERE id = $1"], vec![id.into()], Vec::new());
        Ok(self.read_runs(query).await?.pop())
    }

    /// Some runs by number, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn runs_by_id(&self, ids: Vec<i64>) -> Result<Vec<RunRecord>, StoreError> {
        let mut found = Vec::new();
        for chunk in chunks(ids, LIST) {
            let list = List::Values(chunk.into_iter().map(Value::from).collect());
            let query = Statement::with_lists(&[RUNS, " WHERE id IN ({}) ORDER BY id"], Vec::new(), vec![list]);
            found.append(&mut self.read_runs(query).await?);
        }
        Ok(found)
    }

    async fn read_runs(&self, query: Statement) -> Result<Vec<RunRecord>, StoreError> {
        let (mut tx, meta) = self.begin_read().await?;
        meta.require_current()?;
        tx.fetch(query).await.doing("reading runs")?.iter().map(record).collect()
    }
}

async fn last_of(tx: &mut Tx, source: Option<&str>) -> Result<Option<RunRecord>, StoreError> {
    let Some(source) = source else { return Ok(None) };
    let query = &[RUNS, " WHERE source = $1 ORDER BY id DESC LIMIT 1"];
    let query = Statement::with_lists(query, vec![source.into()], Vec::new());
    tx.fetch(query).await.doing("reading runs")?.first().map(record).transpose()
}

fn record(row: &Row) -> Result<RunRecord, StoreError> {
    let corrupt = || StoreError::Corrupt { what: "the table run".to_owned() };
    let read = || {
        Ok((
            RunRecord {
                id: row.int(0)?,
                revision: row.int(1)?,
                at: row.int(2)?,
                run: Run {
                    actor: row.text(3)?,
                    origin: row.text(4)?,
                    summary: row.json(5)?,
                    source: row.maybe_text(6)?,
                    ..Run::default()
                },
                times: row.int(9)?,
                last_at: row.int(10)?,
            },
            row.text(7)?,
            row.text(8)?,
        ))
    };
    let (mut record, outcome, detail) = read().doing("reading runs")?;
    record.run.outcome = Outcome::of(&outcome).ok_or_else(corrupt)?;
    record.run.detail = serde_json::from_str(&detail).map_err(|_| corrupt())?;
    Ok(record)
}
