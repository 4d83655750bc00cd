//! Password hashes: Argon2id with 19 MiB, two passes and one lane, in PHC string form.
//!
//! A hash takes tens of milliseconds and its memory, so hashing runs on threads of its own, and in the whole
//! process no more at a time than there are processors.

use std::{sync::LazyLock, thread};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

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

/// Whether the candidate is the password of a hash; a hash that cannot be read matches nothing.
///
/// Takes the processor for as long as the hash's own parameters say; on a request's path use [`check_password`].
pub fn verify_password(hash: &str, candidate: &str) -> bool {
    PasswordVerifier::<str>::verify_password(&Argon2::default(), candidate.as_bytes(), hash).is_ok()
}

/// [`verify_password`] on a thread of its own, after waiting for a free processor.
///
/// # Errors
/// When the process is ending.
pub async fn check_password(hash: &str, candidate: &str) -> Result<bool, PasswordError> {
    let (hash, candidate) = (hash.to_owned(), Zeroizing::new(candidate.to_owned()));
    run(move || verify_password(&hash, &candidate)).await
}

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
        assert!(!check_password(&hash, "correct house").await.expect("checked"));
        assert_ne!(hash, hash_password("correct horse").await.expect("hashed"), "each hash has its own salt");
        for unreadable in ["", "!", "plain", "$argon2id$v=19$m=19456"] {
            assert!(!verify_password(unreadable, unreadable));
        }
    }
}
