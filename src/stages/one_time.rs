//! One-time codes: those that apps compute from the time (RFC 6238), and those that are good once.

use data_encoding::{BASE32, BASE32_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, Builder};
use uuid::Uuid;

use super::{authenticator_validate::DeviceClass, devices::Device};
use crate::{
    identity::world::World,
    store::{DeviceUse, StoreError},
};

/// Seconds for which a code stands.
pub(super) const PERIOD: i64 = 30;
/// By how many steps the clock of a device may differ from what is known of it.
const TOLERANCE: i64 = 1;
/// By how many steps a clock may come to differ at most, however slowly.
const LONGEST_DRIFT: i64 = 10;

/// The code of a step.
pub(super) fn code_at(key: &[u8], step: i64, digits: u8) -> String {
    let seconds = u64::try_from(step.saturating_mul(PERIOD)).unwrap_or_default();
    let totp = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(digits).with_secret(key.to_vec());
    totp.build_noncompliant().generate(seconds).to_string()
}

/// The step whose code was typed, and how far it is from the server's: the present one, or one beside it, as the device's
/// drift has it.
pub(super) fn step_of(key: &[u8], digits: u8, typed: &str, now: i64, drift: i64) -> Option<(i64, i64)> {
    let typed = digits_of(typed, digits)?;
    let present = now.div_euclid(PERIOD * 1_000_000);
    let mut found = None;
    // All are computed, whichever fits.
    for off in [0, -1, 1].map(|off: i64| off * TOLERANCE) {
        let step = present + drift + off;
        let fits = bool::from(code_at(key, step, digits).as_bytes().ct_eq(typed.as_bytes()));
        if fits && found.is_none() {
            found = Some((step, (drift + off).clamp(-LONGEST_DRIFT, LONGEST_DRIFT)));
        }
    }
    found
}

/// A code as it is computed: without the blanks that apps show within it, with the zeros that clients lose who send it as
/// a number.
fn digits_of(typed: &str, digits: u8) -> Option<String> {
    let plain: String = typed.chars().filter(|letter| !letter.is_whitespace()).collect();
    let fits =
        !plain.is_empty() && plain.len() <= usize::from(digits) && plain.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| format!("{plain:0>width$}", width = usize::from(digits)))
}

/// A key as it was stored.
pub(super) fn key_of(text: &str) -> Option<Vec<u8>> {
    BASE32_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok()
}

/// A key as people type it into an app.
pub(super) fn key_text(key: &[u8]) -> String {
    BASE32.encode(key)
}

/// By what a code that is good once is kept.
pub(super) fn digest(code: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(code.as_bytes()))
}

/// Whether a code is right for an app or a set of recovery codes, and takes it out of use if so. Of two who show the same
/// code one is right.
///
/// # Errors
/// When the database fails.
pub(super) async fn take(world: &World, device: &Device, typed: &str) -> Result<bool, StoreError> {
    let (id, now) = (device.object.id, world.now());
    match device.class {
        DeviceClass::Totp => {
            let Some(key) = world.store().reveal(id, "key").await?.and_then(|key| key_of(&key)) else {
                return Ok(false);
            };
            let digits = device.object.attrs.get("digits").and_then(serde_json::Value::as_u64);
            let digits = digits.and_then(|digits| u8::try_from(digits).ok()).filter(|digits| (6..=8).contains(digits));
            let last = last_use(world, id).await?;
            match step_of(&key, digits.unwrap_or(6), typed, now, last.drift) {
                Some((step, drift)) => world.store().use_device(id, step, drift, now).await,
                None => Ok(false),
            }
        }
        DeviceClass::Static => {
            let Some(codes) = world.store().reveal(id, "codes").await? else { return Ok(false) };
            let codes: Vec<String> = serde_json::from_str(&codes).unwrap_or_default();
            let wanted = digest(typed.trim());
            let mut known = false;
            for code in &codes {
                known |= bool::from(code.as_bytes().ct_eq(wanted.as_bytes()));
            }
            if !known || !world.store().burn_code(id, &wanted, now).await? {
                return Ok(false);
            }
            world.store().touch_device(id, now).await?;
            Ok(true)
        }
        DeviceClass::Webauthn | DeviceClass::Duo | DeviceClass::Sms | DeviceClass::Email => Ok(false),
    }
}

/// The last use of a device.
///
/// # Errors
/// When the database fails.
pub(super) async fn last_use(world: &World, device: Uuid) -> Result<DeviceUse, StoreError> {
    Ok(world.store().device_uses(&[device]).await?.remove(&device).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the rows of SHA-1.
    const VECTORS: [(i64, &str); 6] = [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ];

    #[test]
    fn codes_are_those_of_the_standard() {
        let key = b"12345678901234567890";
        for (seconds, code) in VECTORS {
            assert_eq!(code_at(key, seconds / PERIOD, 8), code);
            assert_eq!(step_of(key, 8, code, seconds * 1_000_000, 0), Some((seconds / PERIOD, 0)));
            assert_eq!(step_of(key, 6, &code[2..], seconds * 1_000_000, 0), Some((seconds / PERIOD, 0)));
        }
    }

    #[test]
    fn a_clock_may_be_off_by_a_step_and_wander() {
        let key = b"12345678901234567890";
        let (now, step) = (1_234_567_890_000_000, 1_234_567_890 / PERIOD);
        for (off, found) in [(-2, None), (-1, Some((step - 1, -1))), (1, Some((step + 1, 1))), (2, None)] {
            assert_eq!(step_of(key, 6, &code_at(key, step + off, 6), now, 0), found, "{off}");
        }
        assert_eq!(step_of(key, 6, &code_at(key, step + 2, 6), now, 1), Some((step + 2, 2)));
    }

    #[test]
    fn codes_come_in_many_spellings_and_never_as_nothing() {
        for (typed, read) in [
            ("123 456", Some("123456")),
            ("5924", Some("005924")),
            (" 123456\n", Some("123456")),
            ("", None),
            (" ", None),
            ("1234567", None),
            ("12345a", None),
            ("+12345", None),
            ("१२३४५६", None),
        ] {
            assert_eq!(digits_of(typed, 6).as_deref(), read, "{typed:?}");
        }
    }
}
