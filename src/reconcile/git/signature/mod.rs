//! Signatures of commits and tags.

mod openpgp;
mod ssh;

use git2::{ErrorCode, Oid, Repository};
use jiff::Timestamp;

/// How far ahead a signer's clock may be, in seconds.
const SKEW: i64 = 600;

/// A key whose signatures count.
pub(super) enum Key {
    /// An OpenPGP certificate.
    OpenPgp(Box<openpgp::Certificate>),
    /// An ssh key with what it may sign and for whom.
    Ssh(Box<ssh::AllowedSigner>),
}

/// Reads trusted keys. Each text holds armoured OpenPGP keys or lines of ssh keys.
pub(super) fn keys(texts: &[String]) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let place = |why: String| format!("trusted_keys[{n}]: {why}");
        if text.contains("-----BEGIN PGP") {
            let read = openpgp::certificates(text).map_err(place)?;
            keys.extend(read.into_iter().map(|certificate| Key::OpenPgp(Box::new(certificate))));
        } else {
            keys.extend(
                ssh::allowed_signers(text).map_err(place)?.into_iter().map(|signer| Key::Ssh(Box::new(signer))),
            );
        }
    }
    if keys.is_empty() {
        return Err("trusted_keys holds no key, so no signature could ever be accepted".to_owned());
    }
    Ok(keys)
}

/// Something with a signature.
pub(super) struct Signed {
    signature: Vec<u8>,
    payload: Vec<u8>,
    /// When it was made by its own account, in seconds since 1970.
    at: i64,
}

impl Signed {
    /// A commit.
    pub(super) fn commit(repository: &Repository, id: Oid) -> Result<Signed, String> {
        let commit = repository.find_commit(id).map_err(|error| error.message().to_owned())?;
        match repository.extract_signature(&id, None) {
            Ok((signature, payload)) => {
                Ok(Signed { signature: signature.to_vec(), payload: payload.to_vec(), at: commit.time().seconds() })
            }
            Err(error) if error.code() == ErrorCode::NotFound => {
                Err(format!("the commit by {} is not signed; use `git commit -S`", person(&commit.committer())))
            }
            Err(error) => Err(format!("the commit's signature cannot be read: {}", error.message())),
        }
    }

    /// The annotated tag `name`, that must say so itself: otherwise the reference of one version could be put in the
    /// place of another's.
    pub(super) fn tag(repository: &Repository, id: Oid, name: &str) -> Result<Signed, String> {
        let failed = |error: git2::Error| error.message().to_owned();
        let tag = repository.find_tag(id).map_err(failed)?;
        let own = tag.name_bytes();
        if own != name.as_bytes() {
            return Err(format!("the tag's object is of the tag {:?}, not {name:?}", String::from_utf8_lossy(own)));
        }
        if tag.target_type() != Some(git2::ObjectType::Commit) {
            return Err("the tag does not name a commit directly".to_owned());
        }
        let odb = repository.odb().map_err(failed)?;
        let object = odb.read(id).map_err(failed)?;
        let raw = object.data();
        let who = tag.tagger().map_or_else(|| "someone unnamed".to_owned(), |tagger| person(&tagger));
        let Some(start) = last_block(raw) else {
            return Err(format!("the tag by {who} is not signed; use `git tag -s`"));
        };
        let at = tag.tagger().map_or(0, |tagger| tagger.when().seconds());
        Ok(Signed { signature: raw[start..].to_vec(), payload: raw[..start].to_vec(), at })
    }
}

fn person(signature: &git2::Signature<'_>) -> String {
    let text = format!(
        "{} <{}>",
        String::from_utf8_lossy(signature.name_bytes()),
        String::from_utf8_lossy(signature.email_bytes())
    );
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Beginnings of armoured signatures.
const BLOCKS: [&[u8]; 4] = [
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN SSH SIGNATURE-----",
    b"-----BEGIN SIGNED MESSAGE-----",
];

/// Where the last signature at the beginning of a line starts.
fn last_block(raw: &[u8]) -> Option<usize> {
    let starts =
        std::iter::once(0).chain(raw.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1));
    starts.filter(|at| BLOCKS.iter().any(|block| raw[*at..].starts_with(block))).next_back()
}

/// Checks a signature. Gives who signed: the key's fingerprint and its owner's name.
pub(super) fn verify(signed: &Signed, keys: &[Key], now: Timestamp) -> Result<String, String> {
    let now = now.as_second();
    if signed.at > now + SKEW {
        return Err("it claims to be from the future; is a clock wrong?".to_owned());
    }
    let (signature, payload) = (signed.signature.as_slice(), signed.payload.as_slice());
    let begins = |block: &[u8]| signature.trim_ascii_start().starts_with(block);
    if begins(BLOCKS[0]) || begins(BLOCKS[1]) {
        let certificates = keys.iter().filter_map(|key| match key {
            Key::OpenPgp(certificate) => Some(certificate.as_ref()),
            Key::Ssh(_) => None,
        });
        openpgp::verify(signature, payload, certificates, signed.at, now)
    } else if begins(BLOCKS[2]) {
        let signers = keys.iter().filter_map(|key| match key {
            Key::Ssh(signer) => Some(signer.as_ref()),
            Key::OpenPgp(_) => None,
        });
        ssh::verify(signature, payload, signers, signed.at)
    } else if begins(BLOCKS[3]) {
        Err("it carries an X.509 signature, which is not supported; sign with OpenPGP or ssh".to_owned())
    } else {
        Err("it carries a signature of an unknown form".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_is_the_signature() {
        let text = b"object\n\ntext\n-----BEGIN PGP SIGNATURE-----\nold\nx-----BEGIN SSH SIGNATURE-----\n-----BEGIN SSH SIGNATURE-----\n";
        let start = last_block(text).expect("a block");
        assert_eq!(&text[start..], b"-----BEGIN SSH SIGNATURE-----\n");
        assert_eq!(last_block(b"no -----BEGIN SSH SIGNATURE-----"), None);
    }

    #[test]
    fn texts_without_keys_are_refused() {
        for text in [
            "",
            "# nothing",
            "nonsense",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
        ] {
            assert!(keys(&[text.to_owned()]).is_err(), "{text:?}");
        }
        assert!(keys(&[]).is_err());
    }
}
