//! The change log: what each run wrote, chained by hashes so that a later edit shows.
//!
//! Each row's hash covers the hash before it and the row in canonical JSON; the end of the log is signed under the
//! store's key. So a row that was edited, removed or slipped in, and a tail that was cut off, are all found. What is
//! not found is a whole database put back to an earlier state, which is a matter for whoever keeps copies of the head.

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{
    Store, StoreError, canonical::canonical, changeset::FieldChange, db::Row, error::Doing, read::id, sql::Statement,
};

/// Rows read at a time.
const PAGE: i64 = 1000;

/// One row of the change log.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRecord {
    /// Position in the log, from 1, without gaps.
    pub seq: i64,
    /// The run that wrote it.
    pub run: i64,
    /// Microseconds since 1970.
    pub at: i64,
    /// Who asked for the run.
    pub actor: String,
    /// The object.
    pub object: Uuid,
    /// Name of its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `create`, `update` or `delete`.
    pub action: String,
    /// What changed.
    pub fields: Vec<FieldChange>,
}

/// What a walk along the change log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Rows that were read and are as they were written, before the first fault.
    pub intact: i64,
    /// Last sequence number according to the signed head.
    pub head: i64,
    /// The first fault.
    pub fault: Option<AuditFault>,
}

/// What is wrong with the change log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditFault {
    /// The row of this number, or the hash of the one before it, is not what was written.
    Altered {
        /// Sequence number.
        seq: i64,
    },
    /// Rows are missing from this number on; if none follows, the tail was cut off.
    Missing {
        /// First missing number.
        from: i64,
        /// Last missing number.
        to: i64,
    },
    /// There are rows after the signed end.
    Unsigned {
        /// First such number.
        from: i64,
    },
    /// The signature of the log's end is not of this store's key.
    HeadForged,
}

impl std::fmt::Display for AuditReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.fault {
            None => {
                let entries = if self.intact == 1 { "entry" } else { "entries" };
                write!(f, "the change log is intact: {} {entries}", self.intact)
            }
            Some(AuditFault::Altered { seq }) => {
                let (entries, are) = if self.intact == 1 { ("entry", "is") } else { ("entries", "are") };
                write!(
                    f,
                    "entry {seq} of the change log was altered; the {} {entries} before it {are} intact",
                    self.intact
                )
            }
            Some(AuditFault::Missing { from, to }) if *to == self.head => {
                write!(f, "the tail of the change log is missing: entries {from} to {to}")
            }
            Some(AuditFault::Missing { from, to }) => {
                write!(f, "entries {from} to {to} of the change log are missing")
            }
            Some(AuditFault::Unsigned { from }) => {
                write!(f, "the change log ends at {}, but there are entries from {from} on", self.head)
            }
            Some(AuditFault::HeadForged) => {
                write!(f, "the end of the change log is not signed by this store")
            }
        }
    }
}

/// The hash of a row, given the hash of the row before it.
pub(super) fn chain(previous: &str, record: &ChangeRecord) -> String {
    let row = json!({
        "seq": record.seq,
        "run": record.run,
        "at": record.at,
        "actor": record.actor,
        "object": record.object.to_string(),
        "kind": record.kind,
        "name": record.name,
        "action": record.action,
        "fields": fields_json(&record.fields),
    });
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous.as_bytes());
    hasher.update(canonical(&row).as_bytes());
    hasher.finalize().to_hex().to_string()
}

pub(super) fn fields_json(fields: &[FieldChange]) -> Json {
    fields
        .iter()
        .map(|change| json!({ "field": change.field, "before": change.before, "after": change.after }))
        .collect()
}

const CHANGES: &str = "SELECT seq, run, at, actor, object, kind, name, action, fields, hash FROM change";

impl Store {
    /// Walks the whole change log and finds the first place where it is not what was written.
    ///
    /// # Errors
    /// When the database fails; a fault in the log is part of the report.
    pub async fn verify_audit(&self) -> Result<AuditReport, StoreError> {
        let (mut tx, meta) = self.begin_read().await?;
        meta.require_current()?;
        let head = meta.change_head;
        let end = head.as_ref().map_or(0, |head| head.seq);
        let mut report = AuditReport { intact: 0, head: end, fault: None };
        let mut hash = String::new();
        'walk: loop {
            let query = Statement::with_lists(
                &[CHANGES, " WHERE seq > $1 ORDER BY seq LIMIT $2"],
                vec![report.intact.into(), PAGE.into()],
                Vec::new(),
            );
            let rows = tx.fetch(query).await.doing("reading the change log")?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let expected = report.intact + 1;
                let seq = row.int(0).doing("reading the change log")?;
                if expected > end {
                    report.fault = Some(AuditFault::Unsigned { from: seq });
                    break 'walk;
                }
                if seq != expected {
                    report.fault = Some(AuditFault::Missing { from: expected, to: seq.min(end + 1) - 1 });
                    break 'walk;
                }
                // A row that cannot be read as one was altered, too.
                let stored = row.text(9).doing("reading the change log")?;
                match record(&row) {
                    Ok(record) if chain(&hash, &record) == stored => {}
                    Ok(_) | Err(StoreError::Corrupt { .. } | StoreError::Database { .. }) => {
                        report.fault = Some(AuditFault::Altered { seq });
                        break 'walk;
                    }
                    Err(error) => return Err(error),
                }
                hash = stored;
                report.intact = seq;
            }
        }
        if report.fault.is_none() && report.intact < end {
            report.fault = Some(AuditFault::Missing { from: report.intact + 1, to: end });
        }
        let signed = head.is_some_and(|head| head.hash == hash && head.is_signed(self.key()));
        if report.fault.is_none() && !signed {
            report.fault = Some(AuditFault::HeadForged);
        }
        Ok(report)
    }

    /// What happened to an object, oldest first; also when it is gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn changes_of(&self, object: Uuid) -> Result<Vec<ChangeRecord>, StoreError> {
        self.changes(Statement::with_lists(
            &[CHANGES, " WHERE object = $1 ORDER BY seq"],
            vec![object.into()],
            Vec::new(),
        ))
        .await
    }

    /// The last deletion of an object of a kind under a name, which tells what became of an object whose id is unknown.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_deletion(&self, kind: &str, name: &str) -> Result<Option<ChangeRecord>, StoreError> {
        let query = Statement::with_lists(
            &[CHANGES, " WHERE kind = $1 AND name = $2 AND action = 'delete' ORDER BY seq DESC LIMIT 1"],
            vec![kind.into(), name.into()],
            Vec::new(),
        );
        Ok(self.changes(query).await?.pop())
    }

    /// The change log after a sequence number, oldest first: what a consumer that has seen `seq` has yet to see.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn changes_after(&self, seq: i64, limit: u32) -> Result<Vec<ChangeRecord>, StoreError> {
        self.changes(Statement::with_lists(
            &[CHANGES, " WHERE seq > $1 ORDER BY seq LIMIT $2"],
            vec![seq.into(), i64::from(limit).into()],
            Vec::new(),
        ))
        .await
    }

    /// What a run wrote, in the order of its plan.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn changes_by(&self, run: i64) -> Result<Vec<ChangeRecord>, StoreError> {
        self.changes(Statement::with_lists(&[CHANGES, " WHERE run = $1 ORDER BY seq"], vec![run.into()], Vec::new()))
            .await
    }

    async fn changes(&self, query: Statement) -> Result<Vec<ChangeRecord>, StoreError> {
        let (mut tx, meta) = self.begin_read().await?;
        meta.require_current()?;
        tx.fetch(query).await.doing("reading the change log")?.iter().map(record).collect()
    }
}

pub(super) fn record(row: &Row) -> Result<ChangeRecord, StoreError> {
    let object = id(row, 4)?;
    let read = || {
        Ok(ChangeRecord {
            seq: row.int(0)?,
            run: row.int(1)?,
            at: row.int(2)?,
            actor: row.text(3)?,
            object,
            kind: row.text(5)?,
            name: row.text(6)?,
            action: row.text(7)?,
            fields: row.json(8)?,
        })
    };
    read().doing("reading the change log")
}
