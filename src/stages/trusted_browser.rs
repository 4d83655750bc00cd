//! The cookie by which a browser is not asked for a second factor again for a while.
//!
//! It says which device was used, at which stage, by whom and when, signed under a key that only this store's key yields. It
//! is worth nothing for another person or stage, and ends with the device.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use crate::identity::{visit::Visit, world::World};

/// Name of the cookie.
const NAME: &str = "authentik_mfa";

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    device: Uuid,
    stage: Uuid,
    person: Uuid,
    /// Seconds since 1970.
    iat: i64,
    /// Seconds since 1970.
    exp: i64,
}

/// The cookie to be set after a success, as a whole `Set-Cookie` value; `lasts` in microseconds.
pub(super) fn cookie(world: &World, visit: &Visit, stage: Uuid, person: Uuid, device: Uuid, lasts: i64) -> String {
    let iat = world.now() / 1_000_000;
    let lasts = lasts / 1_000_000;
    let claims = Claims { device, stage, person, iat, exp: iat.saturating_add(lasts) };
    let part = |value: serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(json!({ "typ": "JWT", "alg": "HS256" })), part(json!(claims)));
    let signature = BASE64URL_NOPAD.encode(&signer(world, stage).chain_update(&signed).finalize().into_bytes());
    let secure = if visit.secure { "; Secure" } else { "" };
    format!("{NAME}={signed}.{signature}; HttpOnly; Max-Age={lasts}; Path=/; SameSite=Lax{secure}")
}

/// The device that was used in this browser by a person at a stage within the last `lasts` microseconds.
pub(super) fn device(world: &World, visit: &Visit, stage: Uuid, person: Uuid, lasts: i64) -> Option<Uuid> {
    let cookies = visit.headers.iter().filter(|(name, _)| name == "cookie").flat_map(|(_, value)| value.split(';'));
    let values = cookies.filter_map(|cookie| cookie.trim().strip_prefix(NAME)?.strip_prefix('='));
    values.filter_map(|value| read(world, stage, value)).find_map(|claims| {
        let now = world.now() / 1_000_000;
        let recent = now < claims.exp && now.saturating_sub(claims.iat) < lasts / 1_000_000 && claims.iat <= now;
        (recent && claims.stage == stage && claims.person == person).then_some(claims.device)
    })
}

/// What a cookie says, if this store signed it for the stage. The header is not looked at: there is one way to sign.
fn read(world: &World, stage: Uuid, value: &str) -> Option<Claims> {
    let (signed, signature) = value.rsplit_once('.')?;
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
    signer(world, stage).chain_update(signed).verify_slice(&signature).ok()?;
    let (_, claims) = signed.split_once('.')?;
    serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?).ok()
}

fn signer(world: &World, stage: Uuid) -> Hmac<Sha256> {
    let mut key = [0; 64];
    key[..32].copy_from_slice(&world.store().key().digest(&format!("trusted-browser/{stage}")));
    Hmac::new(&key.into())
}
