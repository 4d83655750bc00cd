//! The key of a store and what is done with it: sealing secrets, comparing them without opening, signing the audit head.
//!
//! One key of 32 bytes lives outside the database. Each use derives its own key from it (BLAKE3 key derivation with
//! a fixed context), so that nothing learnt from one use helps with another. Sealing is XChaCha20-Poly1305 under a
//! random nonce, with the place of the secret as associated data: a sealed value that is moved to another object or
//! field does not open there.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::Arc,
};

use base64::{Engine, engine::general_purpose};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// First byte of a sealed value: the way in which it is sealed.
const FORMAT: u8 = 1;
const NONCE: usize = 24;

/// The key under which a store keeps secrets. Cheap to clone, never printed, wiped from memory after the last use.
#[derive(Clone)]
pub struct Key(Arc<Derived>);

struct Derived {
    sealing: Zeroizing<[u8; 32]>,
    comparing: Zeroizing<[u8; 32]>,
    signing: Zeroizing<[u8; 32]>,
    fingerprint: String,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is not a key. It is not repeated here, because it may be one with a typing error.
    #[error("the key must be 32 bytes, written as 64 hexadecimal digits or as Base64; this text is neither")]
    Malformed,
    /// The file could not be read or made.
    #[error("cannot {act} the key file {path}")]
    File {
        /// `read` or `create`.
        act: &'static str,
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file exists and holds no key.
    #[error("the key file {path} does not hold a key: 32 bytes, written as 64 hexadecimal digits or as Base64")]
    NoKeyIn {
        /// The file.
        path: String,
    },
    /// The system gives no random bytes.
    #[error("the operating system gives no random bytes for a new key")]
    Randomness(#[source] getrandom::Error),
}

/// Why a sealed value does not open. Nothing more is said, because nothing more may be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value does not open: it was altered, moved, or sealed under another key")]
pub struct UnsealError;

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(key)")
    }
}

impl Key {
    /// The key made of 32 bytes.
    pub fn from_bytes(mut bytes: [u8; 32]) -> Key {
        let derive = |context: &str| Zeroizing::new(blake3::derive_key(context, &bytes));
        let mark = derive("gatewright 2026-11 key fingerprint");
        let key = Key(Arc::new(Derived {
            sealing: derive("gatewright 2026-11 secret sealing"),
            comparing: derive("gatewright 2026-11 secret comparison"),
            signing: derive("gatewright 2026-11 audit head"),
            fingerprint: hex(&mark[..16]),
        }));
        bytes.zeroize();
        key
    }

    /// A new random key.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Key, KeyError> {
        Ok(Key::from_bytes(*random_key()?))
    }

    /// Reads a key written as 64 hexadecimal digits or as Base64 (either alphabet, padded or not).
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Key, KeyError> {
        let text = text.trim();
        let bytes = Zeroizing::new(match text.len() {
            64 => unhex(text).ok_or(KeyError::Malformed)?,
            43 | 44 => {
                let bare = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
                general_purpose::STANDARD_NO_PAD.decode(bare).map_err(|_| KeyError::Malformed)?
            }
            _ => return Err(KeyError::Malformed),
        });
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| KeyError::Malformed)?;
        Ok(Key::from_bytes(bytes))
    }

    /// The key of a configured text: read as [`Key::parse`] does, or, when it is of neither form, derived from the
    /// text's hash. The text is then as hard to guess as the key.
    pub fn of_text(text: &str) -> Key {
        Key::parse(text).unwrap_or_else(|_| {
            Key::from_bytes(blake3::derive_key("gatewright 2026-11 key of a text", text.trim().as_bytes()))
        })
    }

    /// Reads the key in a file, or makes the file with a new key, readable by its owner only.
    ///
    /// The file appears complete or not at all, and of several processes that make it at once one wins and all
    /// use its key.
    ///
    /// # Errors
    /// When the file can neither be read nor made, or holds something else.
    pub fn load_or_create(path: &Path) -> Result<Key, KeyError> {
        if let Some(key) = Key::load(path)? {
            return Ok(key);
        }
        let failed = |source| KeyError::File { act: "create", path: path.display().to_string(), source };
        let secret = random_key()?;
        let text = Zeroizing::new(hex(secret.as_slice()) + "\n");
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.new", uuid::Uuid::new_v4()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
        let made = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            // Unlike a renaming, a link never replaces a file that another process has made meanwhile.
            .and_then(|()| fs::hard_link(&beside, path));
        let removed = fs::remove_file(&beside);
        match made {
            Ok(()) => removed.map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        Key::load(path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
    }

    /// Reads the key in a file, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else.
    pub fn load(path: &Path) -> Result<Option<Key>, KeyError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(KeyError::File { act: "read", path: path.display().to_string(), source }),
        };
        if fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o007 != 0) {
            tracing::warn!(path = %path.display(), "every user of this machine can read the key file; chmod it to 600");
        }
        Key::parse(&text).map(Some).map_err(|_| KeyError::NoKeyIn { path: path.display().to_string() })
    }

    /// Sixteen bytes in hexadecimal by which a key is recognised; says nothing about the key itself.
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// Keyed digest of a secret value: equal values have equal digests, whatever object and field they are in, so
    /// that a value can be compared with a stored one even after the object was made anew.
    pub fn digest(&self, value: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.0.comparing, value.as_bytes()).as_bytes()
    }

    /// Encrypts `plain`; only [`Key::unseal`] with the same context opens it. The context names the place
    /// or purpose (`secret/<object>/<field>`, `plan-file`) and is not kept in the result.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(KeyError::Randomness)?;
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        let cipher = XChaCha20Poly1305::new((&*self.0.sealing).into());
        // Encryption fails only beyond 256 GiB, which no allocation reaches.
        let body = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| KeyError::Malformed)?;
        Ok([&[FORMAT], nonce.as_slice(), &body].concat())
    }

    /// Opens what [`Key::seal`] made.
    ///
    /// # Errors
    /// When the value was altered, or sealed under another key or context.
    pub fn unseal(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        let (format, rest) = sealed.split_first().ok_or(UnsealError)?;
        let (nonce, body) = rest.split_at_checked(NONCE).ok_or(UnsealError)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| UnsealError)?;
        if *format != FORMAT {
            return Err(UnsealError);
        }
        let payload = Payload { msg: body, aad: context.as_bytes() };
        let cipher = XChaCha20Poly1305::new((&*self.0.sealing).into());
        cipher.decrypt(&XNonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| UnsealError)
    }

    /// Signs the end of the change log.
    pub(super) fn sign(&self, text: &str) -> String {
        blake3::keyed_hash(&self.0.signing, text.as_bytes()).to_hex().to_string()
    }

    /// Whether a signature is of this key and text.
    pub(super) fn signed(&self, text: &str, signature: &str) -> bool {
        self.sign(text).as_bytes().ct_eq(signature.as_bytes()).into()
    }
}

fn random_key() -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(KeyError::Randomness)?;
    Ok(bytes)
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect::<Option<_>>()?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fill: u8) -> Key {
        Key::from_bytes([fill; 32])
    }

    #[test]
    fn a_sealed_value_opens_only_where_it_belongs() {
        let sealed = key(1).seal("secret/a/token", b"hunter2").expect("randomness");
        assert_eq!(key(1).unseal("secret/a/token", &sealed).expect("same place").as_slice(), b"hunter2");
        assert_eq!(key(1).unseal("secret/b/token", &sealed), Err(UnsealError));
        assert_eq!(key(2).unseal("secret/a/token", &sealed), Err(UnsealError));
        for cut in 0..sealed.len() {
            assert_eq!(key(1).unseal("secret/a/token", &sealed[..cut]), Err(UnsealError));
            let mut altered = sealed.clone();
            altered[cut] ^= 1;
            assert_eq!(key(1).unseal("secret/a/token", &altered), Err(UnsealError));
        }
        assert_ne!(sealed, key(1).seal("secret/a/token", b"hunter2").expect("randomness"));
    }

    #[test]
    fn digests_compare_values_and_depend_on_the_key() {
        assert_eq!(key(1).digest("a"), key(1).digest("a"));
        assert_ne!(key(1).digest("a"), key(1).digest("b"));
        assert_ne!(key(1).digest("a"), key(2).digest("a"));
    }

    #[test]
    fn keys_are_read_in_every_common_spelling() {
        let bytes: [u8; 32] = std::array::from_fn(|index| (index * 8 + 3) as u8);
        let expected = Key::from_bytes(bytes);
        let spellings = [
            hex(&bytes),
            hex(&bytes).to_uppercase() + "\n",
            general_purpose::STANDARD.encode(bytes),
            general_purpose::URL_SAFE_NO_PAD.encode(bytes),
        ];
        for spelling in spellings {
            assert_eq!(Key::parse(&spelling).expect("a key").fingerprint(), expected.fingerprint(), "{spelling}");
        }
        for wrong in ["", "short", &"g".repeat(64), &"é".repeat(32), &"*".repeat(43), &"A".repeat(45)] {
            assert!(matches!(Key::parse(wrong), Err(KeyError::Malformed)), "{wrong}");
        }
    }

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.key");
        let racing: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || Key::load_or_create(&path).expect("a key").fingerprint().to_owned())
            })
            .collect();
        let seen: std::collections::BTreeSet<_> =
            racing.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        assert_eq!(seen.len(), 1, "every process uses the same key");
        let mode = fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1, "nothing else is left behind");

        fs::write(&path, "not a key").expect("written");
        assert!(matches!(Key::load_or_create(&path), Err(KeyError::NoKeyIn { .. })));
    }
}
