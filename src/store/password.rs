//! Password hashes: Argon2id with 19 MiB, two passes and one lane, in PHC string form.
//!
//! Hashes in the forms of Django, as they come with accounts from elsewhere, are verified as well, and replaced by ones of
//! our own after the first sign-in.
//!
//! A hash takes tens of milliseconds and its memory, so hashing runs on threads of its own, and in the whole
//! process no more at a time than there are processors.

use std::{sync::LazyLock, thread};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// How the hashes that are made now begin.
const CURRENT: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// Longest password that is looked at, in bytes. A longer one is refused, never cut.
pub const LONGEST_PASSWORD: usize = 512;

/// The most memory that a stored hash may ask for, in KiB: 256 MiB.
const MOST_MEMORY_KIB: u64 = 256 * 1024;
/// The most rounds of PBKDF2 that a stored hash may ask for.
const MOST_ROUNDS: u32 = 10_000_000;
/// The most passes of Argon2 that a stored hash may ask for.
const MOST_PASSES: u64 = 64;
/// The highest cost of bcrypt that a stored hash may ask for, as a power of two.
const MOST_COST: u32 = 17;

static AT_A_TIME: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(thread::available_parallelism().map_or(2, usize::from)));

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Argon2 refused, which it does for texts beyond 4 GiB and without random bytes for the salt.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
    /// The process is shutting down.
    #[error("hashing was interrupted by the end of the process")]
    Interrupted,
}

/// Hashes a password with a new salt.
///
/// # Errors
/// When the system gives no random bytes, or the process is ending.
pub async fn hash_password(password: &str) -> Result<String, PasswordError> {
    let password = Zeroizing::new(password.to_owned());
    run(move || {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| error.to_string())?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        hasher.hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(|error| error.to_string())
    })
    .await?
    .map_err(PasswordError::Hash)
}

/// Whether the candidate is the password of a hash; a hash that cannot be read, or that asks for absurd amounts of work or
/// memory, matches nothing.
///
/// Takes the processor for as long as the hash's own parameters say; on a request's path use [`try_password`].
pub fn verify_password(hash: &str, candidate: &str) -> bool {
    if hash.starts_with("$argon2") {
        return argon2(hash, candidate);
    }
    let Some((algorithm, rest)) = hash.split_once('$') else { return false };
    match algorithm {
        "argon2" => argon2(&format!("${rest}"), candidate),
        "pbkdf2_sha256" => pbkdf2(rest, candidate).unwrap_or(false),
        "scrypt" => scrypt(rest, candidate).unwrap_or(false),
        "bcrypt" => bcrypt(rest, candidate.as_bytes()),
        "bcrypt_sha256" => {
            let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(candidate.as_bytes()));
            bcrypt(rest, digest.as_bytes())
        }
        _ => false,
    }
}

fn argon2(hash: &str, candidate: &str) -> bool {
    let parameter = |name: &str| {
        let parameters = hash.split('$').find(|part| part.starts_with("m="))?;
        parameters.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')?.parse::<u64>().ok())
    };
    let (Some(memory), Some(passes)) = (parameter("m"), parameter("t")) else { return false };
    memory <= MOST_MEMORY_KIB
        && passes <= MOST_PASSES
        && PasswordVerifier::<str>::verify_password(&Argon2::default(), candidate.as_bytes(), hash).is_ok()
}

/// `ROUNDS$SALT$BASE64`
fn pbkdf2(rest: &str, candidate: &str) -> Option<bool> {
    let mut parts = rest.split('$');
    let rounds = parts.next()?.parse().ok().filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))?;
    let (salt, expected) = (parts.next()?, STANDARD.decode(parts.next()?).ok()?);
    let mut found = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(candidate.as_bytes(), salt.as_bytes(), rounds, &mut found);
    Some(found.as_slice().ct_eq(&expected).into())
}

/// `N$SALT$R$P$BASE64`
fn scrypt(rest: &str, candidate: &str) -> Option<bool> {
    let mut parts = rest.split('$');
    let n: u64 = parts.next()?.parse().ok()?;
    let salt = parts.next()?;
    let (r, p): (u32, u32) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let expected = STANDARD.decode(parts.next()?).ok()?;
    let memory = n.checked_mul(u64::from(r))?.checked_mul(128)? / 1024;
    if !n.is_power_of_two() || memory > MOST_MEMORY_KIB || p > 16 {
        return None;
    }
    let params = scrypt::Params::new(u8::try_from(n.ilog2()).ok()?, r, p).ok()?;
    let mut found = [0; 64];
    scrypt::scrypt(candidate.as_bytes(), salt.as_bytes(), &params, &mut found).ok()?;
    Some(found.as_slice().ct_eq(&expected).into())
}

/// `$2b$COST$…`
fn bcrypt(rest: &str, candidate: &[u8]) -> bool {
    let cost = rest.parse::<bcrypt::HashParts>().map(|parts| parts.get_cost());
    cost.is_ok_and(|cost| cost <= MOST_COST) && bcrypt::verify(candidate, rest).unwrap_or(false)
}

/// What a candidate was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Not the password.
    Wrong,
    /// The password.
    Right,
    /// The password, and its hash is of a form or strength that is no longer used: it is to be hashed anew.
    Outdated,
}

/// Checks a candidate on a thread of its own, after waiting for a free processor. Without a hash the work is that of a
/// current one, so that the time does not tell who has a password; the answer is then [`Checked::Wrong`].
///
/// # Errors
/// When the process is ending, or the system gives no random bytes.
pub async fn try_password(hash: Option<&str>, candidate: &str) -> Result<Checked, PasswordError> {
    if candidate.len() > LONGEST_PASSWORD {
        return Ok(Checked::Wrong);
    }
    // A hash that says that there is no password is as good as none.
    let hash = hash.filter(|hash| !hash.starts_with('!') && !hash.is_empty());
    let stored = match hash {
        Some(hash) => hash.to_owned(),
        None => DUMMY.get_or_try_init(|| hash_password("")).await?.clone(),
    };
    let (known, outdated) = (hash.is_some(), !stored.starts_with(CURRENT));
    let candidate = Zeroizing::new(candidate.to_owned());
    let matches = run(move || verify_password(&stored, &candidate)).await?;
    Ok(match (matches && known, outdated) {
        (false, _) => Checked::Wrong,
        (true, false) => Checked::Right,
        (true, true) => Checked::Outdated,
    })
}

/// Whether the candidate is the password of a hash, as [`try_password`] finds it.
///
/// # Errors
/// When the process is ending, or the system gives no random bytes.
pub async fn check_password(hash: &str, candidate: &str) -> Result<bool, PasswordError> {
    Ok(try_password(Some(hash), candidate).await? != Checked::Wrong)
}

/// The hash that is worked on where there is none.
static DUMMY: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();

async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
    let _turn = AT_A_TIME.acquire().await.map_err(|_| PasswordError::Interrupted)?;
    tokio::task::spawn_blocking(work).await.map_err(|_| PasswordError::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_knows_its_password_and_no_other() {
        let hash = hash_password("correct horse").await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify_password(&hash, "correct horse"));
        assert_eq!(try_password(Some(&hash), "correct house").await.expect("checked"), Checked::Wrong);
        assert_eq!(try_password(Some(&hash), "correct horse").await.expect("checked"), Checked::Right);
        assert!(hash.starts_with(CURRENT));
        assert_ne!(hash, hash_password("correct horse").await.expect("hashed"), "each hash has its own salt");
        for unreadable in ["", "!", "plain", "$argon2id$v=19$m=19456"] {
            assert!(!verify_password(unreadable, unreadable));
        }
    }
    /// Made by other programs: hashlib and crypt of Python.
    const OF_OTHERS: [&str; 4] = [
        "pbkdf2_sha256$1000$saltsalt$qQDPSZa3Ormyy9oK1Pu0ZLLwP2Svzmx3yu8OvDdq/J0=",
        "scrypt$1024$saltsalt$8$1$\
         ZGeSwropSvEgLQU1pjltINKrRvmEBSnohdqYXUe5EZ8lX839he8Xlnu1Hm6vBg8U0dik5GHfzXu1ax2apIYCXQ==",
        "bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuuIvyWZlBcE3WoQXKqRnwrLYJ6nenE0Bq",
        "bcrypt$$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
    ];

    #[tokio::test]
    async fn hashes_of_django_are_verified_and_outdated() {
        let own = hash_password("correct horse").await.expect("hashed");
        let wrapped = format!("argon2{own}");
        for hash in OF_OTHERS.into_iter().chain([wrapped.as_str()]) {
            assert_eq!(try_password(Some(hash), "correct horse").await.expect("checked"), Checked::Outdated, "{hash}");
            assert_eq!(try_password(Some(hash), "correct house").await.expect("checked"), Checked::Wrong, "{hash}");
        }
    }

    #[tokio::test]
    async fn absurd_hashes_and_passwords_are_refused_at_once() {
        for absurd in [
            "pbkdf2_sha256$10000001$saltsalt$qQDPSZa3Ormyy9oK1Pu0ZLLwP2Svzmx3yu8OvDdq/J0=",
            "pbkdf2_sha256$0$saltsalt$qQDPSZa3Ormyy9oK1Pu0ZLLwP2Svzmx3yu8OvDdq/J0=",
            "scrypt$1073741824$saltsalt$8$1$AAAA",
            "scrypt$1024$saltsalt$4294967295$1$AAAA",
            "bcrypt$$2b$31$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
            "argon2$argon2id$v=19$m=1048576,t=2,p=1$c2FsdHNhbHQ$AAAA",
            "$argon2id$v=19$m=19456,t=10000000,p=1$c2FsdHNhbHQ$AAAA",
            "md5$a$b",
        ] {
            assert!(!verify_password(absurd, "correct horse"), "{absurd}");
        }
        let long = "x".repeat(LONGEST_PASSWORD + 1);
        let hash = hash_password(&long).await.expect("hashed");
        assert_eq!(try_password(Some(&hash), &long).await.expect("checked"), Checked::Wrong);
        for none in [None, Some(""), Some("!unusable")] {
            assert_eq!(try_password(none, "").await.expect("checked"), Checked::Wrong, "{none:?}");
        }
    }
}
