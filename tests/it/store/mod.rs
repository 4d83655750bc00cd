//! The store, on both engines, through its public interface and with SQL behind its back.

mod audit;
mod commit;
mod kill;
mod kinds;
mod load;
mod opening;
mod property;
mod queries;
mod refusals;
mod writers;

use std::collections::BTreeMap;

use gatewright::{
    model::{Need, Object, Registry},
    store::Store,
};
use uuid::Uuid;

/// Every object, by id.
pub async fn everything(store: &Store, registry: &Registry) -> BTreeMap<Uuid, Object> {
    let needs: Vec<Need> = registry.kinds().map(|kind| Need::Kind(kind.index)).collect();
    let mut reader = store.read().await.expect("a snapshot");
    let objects = reader.answer(registry, &needs).await.expect("the objects");
    objects.into_iter().map(|object| (object.id, object)).collect()
}
