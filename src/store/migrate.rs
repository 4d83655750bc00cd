//! Bringing a database to this program's schema, in one transaction.
//!
//! Migrating takes the writers' turn, so any number of processes may
//! start at once: one migrates, the others wait and find nothing to do.

use uuid::Uuid;

use super::{
    Store, StoreError,
    error::Doing,
    meta::{self, Head, Meta},
    migrations::{MIGRATIONS, SCHEMA_VERSION},
    sql::{List, Statement, Value},
};

impl Store {
    /// Brings the schema up to date; on an empty database, makes it and gives the store its identity.
    ///
    /// # Errors
    /// When the database is newer than this program, belongs to another key, is locked by another writer, or a
    /// migration fails; the database is then as it was.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut turn = self.begin_write("migrate", None).await?;
        let tx = &mut turn.tx;
        let known = tx.has_table("meta").await.doing("looking for the schema")?;
        let before = if known { meta::read(tx).await? } else { Meta::default() };
        before.refuse_newer()?;
        before.refuse_other_key(&self.inner.options.key)?;
        let done = usize::try_from(before.schema_version).unwrap_or(0);
        if done == MIGRATIONS.len() {
            return turn.tx.rollback().await.doing("ending the migration");
        }
        for migration in &MIGRATIONS[done..] {
            tx.execute_script(migration.script)
                .await
                .map_err(|source| StoreError::Migration { name: migration.name, source })?;
            tracing::info!(migration = migration.name, "schema migrated");
        }
        let mut values = vec![(meta::SCHEMA_VERSION, SCHEMA_VERSION.to_string())];
        if done == 0 {
            let instance = self.inner.options.instance.unwrap_or_else(Uuid::new_v4);
            values.push((meta::INSTANCE, instance.to_string()));
            values.push((meta::KEY_FINGERPRINT, self.inner.options.key.fingerprint().to_owned()));
            values.push((meta::REVISION, "0".to_owned()));
            let empty = Head::signed(&self.inner.options.key, 0, String::new());
            values.push((meta::CHANGE_HEAD, empty.to_text()));
        }
        let rows = values.into_iter().map(|(key, value)| vec![Value::from(key), value.into()]).collect();
        tx.execute(Statement::with_lists(&[meta::SET], Vec::new(), vec![List::Rows(rows)]))
            .await
            .doing("recording the schema version")?;
        turn.tx.commit().await.doing("committing the migration")
    }
}
