//! What a database knows about itself.

use std::collections::HashMap;

use serde::Deserialize;
use uuid::Uuid;

use super::{StoreError, db::Tx, error::Doing, migrations, seal::Key, sql::Statement};

pub(super) const SCHEMA_VERSION: &str = "schema_version";
pub(super) const INSTANCE: &str = "instance";
pub(super) const KEY_FINGERPRINT: &str = "key_fingerprint";
pub(super) const REVISION: &str = "revision";
pub(super) const CHANGE_HEAD: &str = "change_head";

/// Sets several values.
pub(super) const SET: &str =
    "INSERT INTO meta (key, value) VALUES {} ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// The table `meta`, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Meta {
    pub(super) schema_version: i64,
    pub(super) instance: Uuid,
    pub(super) revision: i64,
    pub(super) key_fingerprint: Option<String>,
    pub(super) change_head: Option<Head>,
}

/// The end of the change log, signed under the store's key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Head {
    pub(super) seq: i64,
    pub(super) hash: String,
    pub(super) signature: String,
}

impl Head {
    pub(super) fn signed(key: &Key, seq: i64, hash: String) -> Head {
        let signature = key.sign(&format!("{seq} {hash}"));
        Head { seq, hash, signature }
    }

    pub(super) fn is_signed(&self, key: &Key) -> bool {
        key.signed(&format!("{} {}", self.seq, self.hash), &self.signature)
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::json!({ "seq": self.seq, "hash": self.hash, "signature": self.signature }).to_string()
    }
}

impl Meta {
    pub(super) fn refuse_newer(&self) -> Result<(), StoreError> {
        let (found, known) = (self.schema_version, migrations::SCHEMA_VERSION);
        if found > known { Err(StoreError::TooNew { found, known }) } else { Ok(()) }
    }

    pub(super) fn require_current(&self) -> Result<(), StoreError> {
        self.refuse_newer()?;
        let (found, known) = (self.schema_version, migrations::SCHEMA_VERSION);
        if found < known { Err(StoreError::NotMigrated { found, known }) } else { Ok(()) }
    }

    pub(super) fn refuse_other_key(&self, key: &Key) -> Result<(), StoreError> {
        match &self.key_fingerprint {
            Some(expected) if expected != key.fingerprint() => {
                Err(StoreError::WrongKey { expected: expected.clone(), given: key.fingerprint().to_owned() })
            }
            _ => Ok(()),
        }
    }
}

/// Reads the table. In a reading transaction this first read is also what fixes the snapshot.
pub(super) async fn read(tx: &mut Tx) -> Result<Meta, StoreError> {
    let rows = tx.fetch(Statement::new("SELECT key, value FROM meta")).await.doing("reading the table meta")?;
    let mut values = HashMap::with_capacity(rows.len());
    for row in rows {
        values.insert(row.text(0).doing("reading the table meta")?, row.text(1).doing("reading the table meta")?);
    }
    let corrupt = |what: &str| StoreError::Corrupt { what: format!("the row {what} of the table meta") };
    let number = |what: &str| values.get(what).and_then(|text| text.parse().ok()).ok_or_else(|| corrupt(what));
    Ok(Meta {
        schema_version: number(SCHEMA_VERSION)?,
        instance: values.get(INSTANCE).and_then(|text| text.parse().ok()).ok_or_else(|| corrupt(INSTANCE))?,
        revision: number(REVISION)?,
        key_fingerprint: values.get(KEY_FINGERPRINT).cloned(),
        change_head: match values.get(CHANGE_HEAD) {
            Some(text) => Some(serde_json::from_str(text).map_err(|_| corrupt(CHANGE_HEAD))?),
            None => None,
        },
    })
}
