//! Where each source of blueprints stands, what was asked of it, and who may write for it.
//!
//! A lease is a row with a holder, an end and a fence. It is taken only to write and not to look, so that a source that
//! nothing happens to costs no write. Whoever finds the lease of another process ended takes it over with the next fence;
//! a commit names the fence that its plan was made under, and is refused when there is a newer one.

use serde_json::Value as Json;

use super::{
    Store, StoreError,
    changeset::{Lease, SourceWrite},
    db::{Row, Tx},
    error::Doing,
    meta,
    sql::Statement,
};

/// What is stored about a source besides its declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRecord {
    /// Name.
    pub source: String,
    /// Where it stands, as the reconciler keeps it; null before the first attempt.
    pub state: Json,
    /// Number of requests ever made.
    pub requested: i64,
    /// The last request: who, and what for.
    pub request: Json,
    /// The process that holds, or held last, the lease.
    pub holder: String,
    /// Fence of the lease.
    pub fence: i64,
    /// End of the lease in microseconds since 1970; 0 when nobody holds it.
    pub lease_until: i64,
}

/// What a process looks at again and again, in one cheap query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Poll {
    /// Revision of the store.
    pub revision: i64,
    /// Number of requests by source, for sources that were ever asked.
    pub requested: Vec<(String, i64)>,
}

const RECORDS: &str = "SELECT source, state, requested, request, holder, fence, lease_until FROM source_state";

/// Refuses a commit under a lease that has changed hands.
pub(super) async fn check_lease(tx: &mut Tx, lease: &Lease) -> Result<(), StoreError> {
    let query = Statement::new("SELECT fence FROM source_state WHERE source = $1").bind(lease.source.as_str());
    let rows = tx.fetch(query).await.doing("checking the lease of a source")?;
    let fence = rows.first().map_or(Ok(0), |row| row.int(0)).doing("checking the lease of a source")?;
    if fence == lease.fence { Ok(()) } else { Err(StoreError::Fenced(lease.source.clone())) }
}

/// Writes where a source stands after a commit, with the number of the run that the commit recorded.
pub(super) async fn write_state(tx: &mut Tx, write: &SourceWrite, run: Option<i64>) -> Result<(), StoreError> {
    let mut state = write.state.clone();
    if let (Some(run), Json::Object(fields)) = (run, &mut state) {
        fields.insert("run".to_owned(), run.into());
    }
    let update = Statement::new("UPDATE source_state SET state = $1 WHERE source = $2")
        .bind(state.to_string())
        .bind(write.lease.source.as_str());
    tx.execute(update).await.doing("recording the state of a source").map(|_| ())
}

impl Store {
    /// What is stored about a source; nothing before it was first looked at.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn source(&self, name: &str) -> Result<Option<SourceRecord>, StoreError> {
        let query = Statement::with_lists(&[RECORDS, " WHERE source = $1"], vec![name.into()], Vec::new());
        Ok(self.source_records(query).await?.pop())
    }

    /// What is stored about all sources, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sources(&self) -> Result<Vec<SourceRecord>, StoreError> {
        self.source_records(Statement::with_lists(&[RECORDS, " ORDER BY source"], Vec::new(), Vec::new())).await
    }

    /// What may have changed since the last look.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn poll(&self) -> Result<Poll, StoreError> {
        let (mut tx, meta) = self.begin_read().await?;
        meta.require_current()?;
        let query = Statement::new("SELECT source, requested FROM source_state WHERE requested > 0");
        let rows = tx.fetch(query).await.doing("looking for requests")?;
        let requested = rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect::<Result<_, sqlx::Error>>();
        Ok(Poll { revision: meta.revision, requested: requested.doing("looking for requests")? })
    }

    /// Asks whoever reconciles a source to do it now. Gives the number of the request.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn request(&self, source: &str, request: &Json, actor: &str) -> Result<i64, StoreError> {
        let mut turn = self.begin_write(actor, None).await?;
        let tx = &mut turn.tx;
        meta::read(tx).await?.require_current()?;
        let insert = Statement::new(
            "INSERT INTO source_state (source, state, requested, request, holder, fence, lease_until) \
             VALUES ($1, 'null', 1, $2, '', 0, 0) ON CONFLICT (source) \
             DO UPDATE SET requested = source_state.requested + 1, request = excluded.request",
        );
        let insert = insert.bind(source).bind(request.to_string());
        tx.execute(insert).await.doing("asking for a source to be reconciled")?;
        let query = Statement::new("SELECT requested FROM source_state WHERE source = $1").bind(source);
        let rows = tx.fetch(query).await.doing("asking for a source to be reconciled")?;
        let number = rows.first().map_or(Ok(0), |row| row.int(0)).doing("asking for a source to be reconciled")?;
        turn.tx.commit().await.doing("asking for a source to be reconciled")?;
        Ok(number)
    }

    /// Takes the lease of a source, or renews one's own, for `length_us` microseconds; nothing when another holds it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_lease(
        &self,
        source: &str,
        holder: &str,
        clock_us: i64,
        length_us: i64,
    ) -> Result<Option<Lease>, StoreError> {
        let mut turn = self.begin_write(holder, None).await?;
        let tx = &mut turn.tx;
        meta::read(tx).await?.require_current()?;
        // The own lease keeps its fence: what was planned under it may still be committed.
        let upsert = Statement::new(
            "INSERT INTO source_state (source, state, requested, request, holder, fence, lease_until) \
             VALUES ($1, 'null', 0, 'null', $2, 1, $3) ON CONFLICT (source) DO UPDATE SET \
             fence = source_state.fence + CASE WHEN source_state.holder = $2 AND source_state.lease_until >= $4 \
             THEN 0 ELSE 1 END, holder = excluded.holder, lease_until = excluded.lease_until \
             WHERE source_state.holder = $2 OR source_state.lease_until < $4",
        );
        let until = clock_us.saturating_add(length_us);
        let upsert = upsert.bind(source).bind(holder).bind(until).bind(clock_us);
        if tx.execute(upsert).await.doing("taking the lease of a source")? == 0 {
            turn.tx.rollback().await.doing("taking the lease of a source")?;
            return Ok(None);
        }
        let query = Statement::new("SELECT fence FROM source_state WHERE source = $1").bind(source);
        let rows = tx.fetch(query).await.doing("taking the lease of a source")?;
        let fence = rows.first().map_or(Ok(0), |row| row.int(0)).doing("taking the lease of a source")?;
        turn.tx.commit().await.doing("taking the lease of a source")?;
        Ok(Some(Lease { source: source.to_owned(), fence }))
    }

    /// Gives a lease back, and records where the source stands when that is given. Without effect when the lease has
    /// changed hands.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_lease(&self, lease: &Lease, state: Option<&Json>) -> Result<(), StoreError> {
        let mut turn = self.begin_write("reconcile", None).await?;
        let tx = &mut turn.tx;
        meta::read(tx).await?.require_current()?;
        if let Some(state) = state {
            let update = Statement::new("UPDATE source_state SET state = $1 WHERE source = $2 AND fence = $3");
            let update = update.bind(state.to_string()).bind(lease.source.as_str()).bind(lease.fence);
            tx.execute(update).await.doing("recording the state of a source")?;
        }
        let update = Statement::new("UPDATE source_state SET lease_until = 0 WHERE source = $1 AND fence = $2");
        let update = update.bind(lease.source.as_str()).bind(lease.fence);
        tx.execute(update).await.doing("giving the lease of a source back")?;
        turn.tx.commit().await.doing("giving the lease of a source back")
    }

    async fn source_records(&self, query: Statement) -> Result<Vec<SourceRecord>, StoreError> {
        let (mut tx, meta) = self.begin_read().await?;
        meta.require_current()?;
        tx.fetch(query).await.doing("reading the state of sources")?.iter().map(record).collect()
    }
}

fn record(row: &Row) -> Result<SourceRecord, StoreError> {
    let json = |column: usize| {
        let text = row.text(column).doing("reading the state of sources")?;
        serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { what: "the table source_state".to_owned() })
    };
    let (state, request) = (json(1)?, json(3)?);
    let read = || {
        Ok(SourceRecord {
            source: row.text(0)?,
            state,
            requested: row.int(2)?,
            request,
            holder: row.text(4)?,
            fence: row.int(5)?,
            lease_until: row.int(6)?,
        })
    };
    read().doing("reading the state of sources")
}
