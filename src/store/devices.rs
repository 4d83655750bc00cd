//! What using a device leaves behind, so that nothing that was accepted once is accepted again.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    Store, StoreError,
    error::Doing,
    read::id,
    sql::{LIST, List, Statement, Value},
};

/// What is known of a device's use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceUse {
    /// The last time step of which a code was accepted, or the device's count of its signatures.
    pub position: i64,
    /// By how many steps the device's clock differs from the server's.
    pub drift: i64,
    /// Microseconds since 1970.
    pub used: i64,
}

impl Store {
    /// Takes note of a use, if its position is beyond that of the last one. Gives whether it was: of two uses of one
    /// position at the same time one is accepted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn use_device(&self, device: Uuid, position: i64, drift: i64, now: i64) -> Result<bool, StoreError> {
        let upsert = "INSERT INTO device_use (device, position, drift, used) VALUES ($1, $2, $3, $4) \
            ON CONFLICT (device) DO UPDATE SET \
            position = excluded.position, drift = excluded.drift, used = excluded.used \
            WHERE device_use.position < excluded.position";
        let statement = Statement::new(upsert).bind(device).bind(position).bind(drift).bind(now);
        Ok(self.churn(statement, USING).await? > 0)
    }

    /// Takes note of a use of a device that does not count.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn touch_device(&self, device: Uuid, now: i64) -> Result<(), StoreError> {
        let upsert = "INSERT INTO device_use (device, position, drift, used) VALUES ($1, 0, 0, $2) \
            ON CONFLICT (device) DO UPDATE SET used = excluded.used";
        self.churn(Statement::new(upsert).bind(device).bind(now), USING).await.map(drop)
    }

    /// Burns a code that is good once, given by its digest. Gives whether it was still good.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn burn_code(&self, device: Uuid, digest: &str, now: i64) -> Result<bool, StoreError> {
        let insert =
            "INSERT INTO burnt_code (device, code, at) VALUES ($1, $2, $3) ON CONFLICT (device, code) DO NOTHING";
        let statement = Statement::new(insert).bind(device).bind(digest).bind(now);
        Ok(self.churn(statement, "using up a code").await? > 0)
    }

    /// The last uses of some devices; those that were never used are not in it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn device_uses(&self, devices: &[Uuid]) -> Result<HashMap<Uuid, DeviceUse>, StoreError> {
        const DOING: &str = "reading the use of devices";
        let mut found = HashMap::new();
        for chunk in devices.chunks(LIST) {
            let query = &["SELECT device, position, drift, used FROM device_use WHERE device IN ({})"];
            let list = List::Values(chunk.iter().copied().map(Value::from).collect());
            for row in self.look(Statement::with_lists(query, Vec::new(), vec![list]), DOING).await? {
                let last = DeviceUse {
                    position: row.int(1).doing(DOING)?,
                    drift: row.int(2).doing(DOING)?,
                    used: row.int(3).doing(DOING)?,
                };
                found.insert(id(&row, 0)?, last);
            }
        }
        Ok(found)
    }
}

const USING: &str = "noting the use of a device";
