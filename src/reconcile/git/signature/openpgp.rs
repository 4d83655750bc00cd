//! OpenPGP signatures (RFC 9580).
//!
//! The library checks the arithmetic. Which key may sign, when, and until when is decided here from the certificate's
//! own signatures: the newest valid one counts, weak hashes never do.

use pgp::{
    composed::{Deserializable, DetachedSignature, SignedPublicKey, SignedPublicSubKey},
    crypto::hash::HashAlgorithm,
    packet::{KeyFlags, RevocationCode, Signature, SignatureType},
    types::{KeyDetails, Tag},
};

use super::SKEW;

/// A certificate: a primary key with names and subkeys.
pub(in crate::reconcile::git) type Certificate = SignedPublicKey;

/// Reads armoured certificates, one or more.
pub(super) fn certificates(text: &str) -> Result<Vec<Certificate>, String> {
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    let mut certificates = Vec::new();
    if text.contains("-----BEGIN PGP PRIVATE KEY BLOCK-----") {
        return Err("this is a private key; give the public one (`gpg --armor --export`)".to_owned());
    }
    for block in text.split(BEGIN).skip(1) {
        let block = format!("{BEGIN}{block}");
        let wrong = |error: pgp::errors::Error| format!("this is no OpenPGP public key: {error}");
        let (read, _) = SignedPublicKey::from_armor_many(block.as_bytes()).map_err(wrong)?;
        let before = certificates.len();
        for certificate in read {
            certificates.push(certificate.map_err(wrong)?);
        }
        if certificates.len() == before {
            return Err("this armour holds no OpenPGP public key".to_owned());
        }
    }
    if certificates.is_empty() {
        return Err(format!("this is no OpenPGP public key in ASCII armour ({BEGIN})"));
    }
    Ok(certificates)
}

/// Whether a signature's hash withstands today's collisions.
fn is_strong(signature: &Signature) -> bool {
    matches!(
        signature.hash_alg(),
        Some(
            HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512
        )
    )
}

fn created(signature: &Signature) -> Option<i64> {
    signature.created().map(|at| i64::from(at.as_secs()))
}

/// Checks a signature over `payload`, made at `at` by its maker's account. Times are seconds since 1970.
pub(super) fn verify<'a>(
    armour: &[u8],
    payload: &[u8],
    certificates: impl Iterator<Item = &'a Certificate>,
    at: i64,
    now: i64,
) -> Result<String, String> {
    let unreadable = |error: pgp::errors::Error| format!("its OpenPGP signature cannot be read: {error}");
    let (read, _) = DetachedSignature::from_armor_many(armour).map_err(unreadable)?;
    let mut read = read.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let (Some(DetachedSignature { signature }), true) = (read.pop(), read.is_empty()) else {
        return Err("it carries several OpenPGP signatures, or none".to_owned());
    };
    let issuer = issuer(&signature);
    if signature.typ() != Some(SignatureType::Binary) {
        return Err(format!("its signature by {issuer} is not one of a document"));
    }
    if !is_strong(&signature) {
        let hash = signature.hash_alg().map_or_else(|| "an unknown hash".to_owned(), |hash| hash.to_string());
        return Err(format!("its signature by {issuer} uses {hash}, which is too weak; use SHA-256 or better"));
    }
    let Some(made) = created(&signature) else {
        return Err(format!("its signature by {issuer} has no time"));
    };
    if made > now + SKEW {
        return Err(format!("its signature by {issuer} is from the future; is a clock wrong?"));
    }
    if let Some(ends) = signature.signature_expiration_time().filter(|time| time.as_secs() != 0)
        && made + i64::from(ends.as_secs()) <= now
    {
        return Err(format!("its signature by {issuer} has expired"));
    }
    let mut why = None;
    for certificate in certificates {
        match by(certificate, &signature, payload, [made, at], now) {
            Some(Ok(name)) => return Ok(name),
            Some(Err(reason)) => why = Some(reason),
            None => {}
        }
    }
    Err(match why {
        Some(reason) => reason,
        None => format!("it is signed by the OpenPGP key {issuer}, which is not among trusted_keys"),
    })
}

/// Who claims to have made a signature.
fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|fingerprint| format!("{fingerprint:X}"));
    let id = || signature.issuer_key_id().first().map(|id| id.to_string().to_uppercase());
    fingerprint.or_else(id).unwrap_or_else(|| "an unnamed key".to_owned())
}

fn is_issuer(signature: &Signature, key: &impl KeyDetails) -> bool {
    let (fingerprints, ids) = (signature.issuer_fingerprint(), signature.issuer_key_id());
    fingerprints.iter().any(|fingerprint| **fingerprint == key.fingerprint())
        || (fingerprints.is_empty() && ids.iter().any(|id| **id == key.legacy_key_id()))
}

/// Judges a signature as one by a key of this certificate; nothing when it is by another.
fn by(
    certificate: &Certificate,
    signature: &Signature,
    payload: &[u8],
    times: [i64; 2],
    now: i64,
) -> Option<Result<String, String>> {
    let primary = &certificate.primary_key;
    let shown = format!("{:X}", primary.fingerprint());
    let judge = |allowed: Result<(), String>, fits: bool| match allowed {
        _ if !fits => Err(format!("the signature by {shown} is wrong: it is not over this content")),
        Err(why) => Err(format!("it is signed by {shown}, {why}")),
        Ok(()) => Ok(owner(certificate, now).map_or_else(|| shown.clone(), |name| format!("{shown} ({name})"))),
    };
    if is_issuer(signature, primary) {
        let flags = primary_state(certificate, times, now);
        let allowed = flags.and_then(|flags| may_sign(&flags, true));
        return Some(judge(allowed, signature.verify(primary, payload).is_ok()));
    }
    let subkey = certificate.public_subkeys.iter().find(|subkey| is_issuer(signature, &subkey.key))?;
    let allowed = primary_state(certificate, times, now).and_then(|_| subkey_state(certificate, subkey, times, now));
    Some(judge(allowed, signature.verify(&subkey.key, payload).is_ok()))
}

/// Whether flags permit signing. A primary key without any flag may; so it was before flags existed.
fn may_sign(flags: &KeyFlags, primary: bool) -> Result<(), String> {
    if flags.sign() || (primary && *flags == KeyFlags::default()) {
        Ok(())
    } else {
        Err("a key that may not sign content".to_owned())
    }
}

/// Whether the primary key was good at these times, and what it may do.
fn primary_state(certificate: &Certificate, times: [i64; 2], now: i64) -> Result<KeyFlags, String> {
    let primary = &certificate.primary_key;
    for revocation in &certificate.details.revocation_signatures {
        if revocation.typ() == Some(SignatureType::KeyRevocation) && revocation.verify_key(primary).is_ok() {
            revoked(revocation, times)?;
        }
    }
    let direct = certificate
        .details
        .direct_signatures
        .iter()
        .filter(|signature| signature.typ() == Some(SignatureType::Key) && signature.verify_key(primary).is_ok());
    let names = certificate.details.users.iter().filter_map(|user| {
        let newest = newest(
            user.signatures.iter().filter(|signature| {
                is_issuer(signature, primary) && signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
            }),
            now,
        )?;
        (newest.typ() != Some(SignatureType::CertRevocation)).then_some(newest)
    });
    let Some(own) = newest(direct.chain(names), now) else {
        return Err("whose certificate has no valid signature of its own with SHA-256 or better".to_owned());
    };
    lives(i64::from(primary.created_at().as_secs()), own.key_expiration_time().map(|time| time.as_secs()), times)?;
    Ok(own.key_flags())
}

/// Whether a subkey was good for signing at these times.
fn subkey_state(
    certificate: &Certificate,
    subkey: &SignedPublicSubKey,
    times: [i64; 2],
    now: i64,
) -> Result<(), String> {
    let primary = &certificate.primary_key;
    let valid = |signature: &&Signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok();
    let of_type = |kind: SignatureType| {
        subkey.signatures.iter().filter(move |signature| signature.typ() == Some(kind)).filter(valid)
    };
    for revocation in of_type(SignatureType::SubkeyRevocation) {
        revoked(revocation, times)?;
    }
    let Some(binding) = newest(of_type(SignatureType::SubkeyBinding), now) else {
        return Err("by a subkey that is not bound to it with SHA-256 or better".to_owned());
    };
    may_sign(&binding.key_flags(), false)?;
    // The subkey's own consent, without which anyone could claim another's subkey.
    let consents = binding
        .embedded_signature()
        .is_some_and(|back| is_strong(back) && back.verify_primary_key_binding(&subkey.key, primary).is_ok());
    if !consents {
        return Err("by a subkey that does not confirm to belong to it".to_owned());
    }
    lives(i64::from(subkey.key.created_at().as_secs()), binding.key_expiration_time().map(|time| time.as_secs()), times)
}

/// The newest of a key's own signatures up to now that count: with a strong hash and not expired.
fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>, now: i64) -> Option<&'a Signature> {
    signatures
        .filter(|signature| is_strong(signature))
        .filter_map(|signature| Some((created(signature)?, signature)))
        .filter(|(made, signature)| {
            let ends = signature.signature_expiration_time().map_or(0, |time| i64::from(time.as_secs()));
            *made <= now + SKEW && (ends == 0 || made + ends > now)
        })
        .max_by_key(|(made, _)| *made)
        .map(|(_, signature)| signature)
}

/// A revocation ends a key from its time on; one for compromise, or for no told reason, from the beginning.
fn revoked(revocation: &Signature, times: [i64; 2]) -> Result<(), String> {
    let soft = matches!(
        revocation.revocation_reason_code(),
        Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired | RevocationCode::CertUserIdInvalid)
    );
    match created(revocation) {
        Some(made) if soft && times.iter().all(|time| *time < made) => Ok(()),
        _ => Err("a key that is revoked".to_owned()),
    }
}

/// Whether a key existed and had not expired at these times. That it has expired since does not undo what it signed.
fn lives(born: i64, lasts: Option<u32>, times: [i64; 2]) -> Result<(), String> {
    if times.iter().any(|time| *time < born - SKEW) {
        return Err("a key that did not exist at the time".to_owned());
    }
    let lasts = i64::from(lasts.unwrap_or_default());
    if lasts != 0 && times.iter().any(|time| *time >= born + lasts) {
        return Err("a key that had expired at the time".to_owned());
    }
    Ok(())
}

/// The name on a certificate: the primary one, else the first.
fn owner(certificate: &Certificate, now: i64) -> Option<String> {
    let primary = &certificate.primary_key;
    let names = certificate.details.users.iter().filter_map(|user| {
        let own = newest(
            user.signatures.iter().filter(|signature| {
                is_issuer(signature, primary) && signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
            }),
            now,
        )?;
        (own.typ() != Some(SignatureType::CertRevocation)).then_some((own.is_primary(), user))
    });
    let mut names: Vec<_> = names.collect();
    names.sort_by_key(|(is_primary, _)| !is_primary);
    let (_, user) = names.first()?;
    Some(String::from_utf8_lossy(user.id.id()).chars().filter(|c| !c.is_control()).take(200).collect())
}
