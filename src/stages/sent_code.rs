//! Codes that are sent to somebody and typed in: remembered by the step for which they were sent, for a few minutes.

use data_encoding::HEXLOWER;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::devices;
use crate::{
    flows::stage::{StageContext, StageError},
    identity::world::World,
    store::StoreError,
};

/// What a step remembers: by device, the digest of the code and its end.
const SENT: &str = "sent";
/// Scope of the counts of messages.
const MESSAGES: &str = "message";
/// How many messages a person may have sent within [`WINDOW`].
const MOST: i64 = 5;
/// See [`MOST`], in microseconds.
const WINDOW: i64 = 300_000_000;

/// Whether another message may be sent for a person; counts it.
///
/// # Errors
/// When the database fails.
pub(super) async fn may_send(world: &World, person: Uuid) -> Result<bool, StoreError> {
    Ok(world.store().count_attempt(MESSAGES, &person.to_string(), world.now(), WINDOW).await?.count <= MOST)
}

/// A new code of six digits for a device, good for `lasts` microseconds. Codes that were sent to it before end.
///
/// # Errors
/// When the system gives no random bytes.
pub(super) fn make(at: &mut StageContext<'_>, device: Uuid, lasts: i64) -> Result<String, StageError> {
    let number = u64::from_le_bytes(devices::random::<8>()?) % 1_000_000;
    let code = format!("{number:06}");
    let expires = at.world.now().saturating_add(lasts);
    let sent = at.memory().entry(SENT).or_insert_with(|| json!({}));
    sent[device.to_string()] = json!({ "digest": digest(device, &code), "expires": expires });
    Ok(code)
}

/// Whether the code that was sent to a device was typed. One that was is not good any more.
pub(super) fn take(at: &mut StageContext<'_>, device: Uuid, typed: &str) -> bool {
    let now = at.world.now();
    let key = device.to_string();
    let Some(sent) = at.memory().get_mut(SENT).and_then(Json::as_object_mut) else { return false };
    let Some(code) = sent.get(&key) else { return false };
    let fresh = code["expires"].as_i64().is_some_and(|expires| now < expires);
    let wanted = code["digest"].as_str().unwrap_or_default().as_bytes();
    // Clients send it as a number, which loses its zeros.
    let typed = format!("{:0>6}", typed.trim());
    let right = fresh && bool::from(digest(device, &typed).as_bytes().ct_eq(wanted));
    if right {
        sent.remove(&key);
    }
    right
}

fn digest(device: Uuid, code: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(format!("{device}/{code}")))
}
