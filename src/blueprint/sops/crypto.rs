//! The cryptography of an encrypted file: its key behind age, its values, and the code over all of them.

use std::io::Read;

use aes_gcm::{
    AesGcm,
    aead::{Aead, KeyInit, Payload, consts::U32},
    aes::Aes256,
};
use age::x25519::Identity;
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Files of more recipients are not looked through to the end.
const MAX_RECIPIENTS: usize = 256;
/// Nonces are longer than usual: 256 bits.
type Cipher = AesGcm<Aes256, U32>;

/// Private keys that may decrypt files. They are wiped from memory when this goes.
#[derive(Default)]
pub struct SopsKeys {
    identities: Vec<Identity>,
    /// The key of the one file that there is, in place of all others.
    file: Option<FileKey>,
}

/// The key of one file, with which nothing but that file can be read. Does not print; wiped from memory when it goes.
#[derive(Clone)]
pub struct FileKey(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl FileKey {
    /// The key written as Base64.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(&*self.0))
    }

    /// Reads what [`FileKey::to_text`] wrote; nothing when it is something else.
    pub fn parse(text: &str) -> Option<FileKey> {
        let key = Zeroizing::new(STANDARD.decode(text).ok()?);
        (key.len() == 32).then_some(FileKey(key))
    }
}

impl std::fmt::Debug for SopsKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SopsKeys({})", self.identities.len())
    }
}

impl SopsKeys {
    /// Reads age identities, one a line; empty lines, `#` comments, and keys of plugins and of newer kinds, which
    /// cannot be used here, are passed over.
    ///
    /// # Errors
    /// Number (from 1) of the first line that is no identity.
    pub fn parse(text: &str) -> Result<SopsKeys, usize> {
        let mut keys = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            let passed = line.is_empty()
                || ["#", "AGE-PLUGIN-", "AGE-SECRET-KEY-PQ-"].iter().any(|start| line.starts_with(start));
            if !passed {
                keys.push(line.parse().map_err(|_| at + 1)?);
            }
        }
        Ok(SopsKeys { identities: keys, file: None })
    }

    /// Takes the keys of another set as well.
    pub fn append(&mut self, mut others: SopsKeys) {
        self.identities.append(&mut others.identities);
    }

    /// The key of one file alone, which somebody else has found out.
    pub fn of_file(key: FileKey) -> SopsKeys {
        SopsKeys { identities: Vec::new(), file: Some(key) }
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty() && self.file.is_none()
    }

    /// The key of a file, of which each of `wrapped` is a copy for one recipient.
    pub(super) fn unwrap(&self, wrapped: &[&str]) -> Option<FileKey> {
        if self.file.is_some() {
            return self.file.clone();
        }
        wrapped.iter().take(MAX_RECIPIENTS).find_map(|wrapped| {
            let decryptor = age::Decryptor::new_buffered(age::armor::ArmoredReader::new(wrapped.as_bytes())).ok()?;
            // A passphrase would cost as much time as whoever wrote the file likes.
            if decryptor.is_scrypt() {
                return None;
            }
            let reader = decryptor.decrypt(self.identities.iter().map(|key| key as &dyn age::Identity)).ok()?;
            let mut key = Zeroizing::new(Vec::with_capacity(64));
            reader.take(64).read_to_end(&mut key).ok()?;
            (key.len() == 32).then_some(FileKey(key))
        })
    }
}

/// The key of a file.
pub(super) struct DataKey(Cipher);

/// What a decrypted value is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Float,
    Boolean,
    Bytes,
    Time,
    Comment,
}

/// An encrypted value as it is written.
pub(super) struct Sealed {
    data: Vec<u8>,
    nonce: [u8; 32],
    pub kind: Kind,
}

impl Sealed {
    /// Reads `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`.
    pub fn read(text: &str) -> Option<Sealed> {
        let inner = text.strip_prefix("ENC[AES256_GCM,")?.strip_suffix(']')?;
        let mut parts = inner.split(',');
        let mut part = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix(':');
        let (data, nonce, tag, kind) = (part("data")?, part("iv")?, part("tag")?, part("type")?);
        if parts.next().is_some() {
            return None;
        }
        let kind = match kind {
            "str" => Kind::Text,
            "int" => Kind::Integer,
            "float" => Kind::Float,
            "bool" => Kind::Boolean,
            "bytes" => Kind::Bytes,
            "time" => Kind::Time,
            "comment" => Kind::Comment,
            _ => return None,
        };
        let mut data = STANDARD.decode(data).ok()?;
        let tag: [u8; 16] = STANDARD.decode(tag).ok()?.try_into().ok()?;
        data.extend_from_slice(&tag);
        Some(Sealed { data, nonce: STANDARD.decode(nonce).ok()?.try_into().ok()?, kind })
    }
}

impl DataKey {
    /// Makes a file's key usable; nothing when it has not the length of one.
    pub fn new(key: &FileKey) -> Option<DataKey> {
        Cipher::new_from_slice(&key.0).ok().map(DataKey)
    }

    /// The value that was sealed at this place; nothing when it was changed or comes from another place.
    pub fn open(&self, sealed: &Sealed, place: &str) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload { msg: &sealed.data, aad: place.as_bytes() };
        self.0.decrypt(&sealed.nonce.into(), payload).ok().map(Zeroizing::new)
    }
}

/// The code over all values of a file.
pub(super) struct Sum(Sha512);

impl Sum {
    /// Begins a code. Those over encrypted values alone begin with a mark, so that neither kind stands in for the other.
    pub fn new(only_encrypted: bool) -> Sum {
        let mut sum = Sha512::new();
        if only_encrypted {
            sum.update(sha2::Sha256::digest(b"sops"));
        }
        Sum(sum)
    }

    /// Adds a value.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Compares with the code that the file carries, as hexadecimal text.
    pub fn is(self, expected: &[u8]) -> bool {
        let digits: String = self.0.finalize().iter().map(|byte| format!("{byte:02X}")).collect();
        digits.as_bytes().ct_eq(expected).into()
    }
}
