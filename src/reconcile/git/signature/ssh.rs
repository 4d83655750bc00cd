//! ssh signatures (`PROTOCOL.sshsig`), by keys as an `allowed_signers` file lists them.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use ssh_key::{Algorithm, HashAlg, PublicKey, SshSig};

/// What git signs under.
const NAMESPACE: &str = "git";

/// Smallest RSA modulus, in bits.
const SMALLEST_RSA: usize = 2048;

/// A key that may sign.
#[derive(Debug)]
pub(in crate::reconcile::git) struct AllowedSigner {
    /// For whom it signs; empty for a lone key.
    principals: String,
    key: PublicKey,
    /// Patterns of namespaces; all when there are none.
    namespaces: Option<String>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
}

/// Reads lines of keys.
pub(super) fn allowed_signers(text: &str) -> Result<Vec<AllowedSigner>, String> {
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(n, line)| allowed_signer(line).map_err(|why| format!("line {n}: {why}")))
        .collect()
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| word.starts_with(start))
}

fn allowed_signer(line: &str) -> Result<AllowedSigner, String> {
    let (first, rest) = word(line);
    let (principals, options, key) = if is_key_type(first) {
        (String::new(), "", line)
    } else {
        let (second, after) = word(rest);
        let (options, key) = if is_key_type(second) { ("", rest) } else { (second, after) };
        (first.trim_matches('"').to_owned(), options, key)
    };
    let key = PublicKey::from_openssh(key.trim())
        .map_err(|error| format!("no OpenPGP key, ssh public key or line of an allowed_signers file: {error}"))?;
    let (mut namespaces, mut after, mut before) = (None, None, None);
    for option in options_of(options) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "namespaces" => namespaces = Some(value.to_owned()),
            "valid-after" => after = Some(time(value)?),
            "valid-before" => before = Some(time(value)?),
            "cert-authority" => {
                return Err("keys of certificate authorities are not supported; list the keys that sign".to_owned());
            }
            other => return Err(format!("the option {other:?} is unknown")),
        }
    }
    Ok(AllowedSigner { principals, key, namespaces, after, before })
}

/// The first word, in which blanks inside quotes do not count, and what follows it.
fn word(line: &str) -> (&str, &str) {
    let mut quoted = false;
    let end = line.find(|c: char| {
        quoted ^= c == '"';
        c.is_whitespace() && !quoted
    });
    let (word, rest) = line.split_at(end.unwrap_or(line.len()));
    (word, rest.trim_start())
}

/// Options between commas, of which those inside quotes do not count.
fn options_of(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let parts = text.split(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// `YYYYMMDD[HHMM[SS]][Z]`. Always in UTC: what a server accepts must not depend on where it stands.
fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("{text:?} is no time; write YYYYMMDD or YYYYMMDDHHMMSS");
    let digits = text.strip_suffix('Z').unwrap_or(text);
    if !digits.bytes().all(|c| c.is_ascii_digit()) || !matches!(digits.len(), 8 | 12 | 14) {
        return Err(wrong());
    }
    let full = format!("{digits:0<14}");
    let number = |from: usize, to: usize| full[from..to].parse::<i16>().map_err(|_| wrong());
    let small = |from: usize, to: usize| full[from..to].parse::<i8>().map_err(|_| wrong());
    let time =
        DateTime::new(number(0, 4)?, small(4, 6)?, small(6, 8)?, small(8, 10)?, small(10, 12)?, small(12, 14)?, 0);
    let zoned = time.and_then(|time| time.to_zoned(TimeZone::UTC)).map_err(|_| wrong())?;
    Ok(zoned.timestamp())
}

impl AllowedSigner {
    /// Why it may not sign something made at this time, if so.
    fn refuses(&self, at: i64) -> Option<String> {
        if let Some(namespaces) = &self.namespaces
            && !namespaces.split(',').any(|pattern| super::super::hosts::matches(pattern.trim(), NAMESPACE))
        {
            return Some(format!("may sign for {namespaces:?} but not for \"git\""));
        }
        if self.after.is_some_and(|after| at < after.as_second()) {
            return Some("was not valid yet".to_owned());
        }
        if self.before.is_some_and(|before| at >= before.as_second()) {
            return Some("was no longer valid".to_owned());
        }
        None
    }
}

/// Checks a signature over `payload`, made at `at` by its maker's account.
pub(super) fn verify<'a>(
    signature: &[u8],
    payload: &[u8],
    signers: impl Iterator<Item = &'a AllowedSigner>,
    at: i64,
) -> Result<String, String> {
    let unreadable = |error: ssh_key::Error| format!("its ssh signature cannot be read: {error}");
    let signature = SshSig::from_pem(signature.trim_ascii()).map_err(unreadable)?;
    let fingerprint = signature.public_key().fingerprint(HashAlg::Sha256);
    if signature.namespace() != NAMESPACE {
        return Err(format!("its ssh signature is for {:?}, not for \"git\"", signature.namespace()));
    }
    let same: Vec<&AllowedSigner> = signers.filter(|signer| signer.key.key_data() == signature.public_key()).collect();
    if same.is_empty() {
        return Err(format!("it is signed by the ssh key {fingerprint}, which is not among trusted_keys"));
    }
    if matches!(signature.algorithm(), Algorithm::Dsa | Algorithm::Rsa { hash: None }) {
        return Err(format!("its signature by {fingerprint} uses an algorithm that is too weak"));
    }
    let mut why = String::new();
    for signer in same {
        if let Some(rsa) = signer.key.key_data().rsa()
            && rsa.n.as_positive_bytes().is_none_or(|n| n.len() * 8 < SMALLEST_RSA)
        {
            return Err(format!("the RSA key {fingerprint} is shorter than {SMALLEST_RSA} bits"));
        }
        if signer.key.verify(NAMESPACE, payload, &signature).is_err() {
            return Err(format!("the signature by {fingerprint} is wrong, or of a kind that is not supported"));
        }
        match signer.refuses(at) {
            None => {
                let name = if signer.principals.is_empty() { signer.key.comment() } else { &signer.principals };
                return Ok(if name.is_empty() { fingerprint.to_string() } else { format!("{fingerprint} ({name})") });
            }
            Some(reason) => why = reason,
        }
    }
    Err(format!("it is signed by the ssh key {fingerprint}, which {why} at the time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFn/Bqbyt1hrJJlhqBwXxHsFWDcvNhnEMmEWqN0+6cAP";

    #[test]
    fn lines_are_understood() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time").as_second();
        for (options, when, refused) in [
            ("", "2024-05-01T00:00:00Z", false),
            ("namespaces=\"git\"", "2024-05-01T00:00:00Z", false),
            ("namespaces=\"file,g?t\"", "2024-05-01T00:00:00Z", false),
            ("namespaces=\"file\"", "2024-05-01T00:00:00Z", true),
            ("valid-after=\"20240502\"", "2024-05-01T23:59:59Z", true),
            ("valid-after=\"20240502\"", "2024-05-02T00:00:00Z", false),
            ("valid-before=\"202405021230Z\"", "2024-05-02T12:29:59Z", false),
            ("valid-before=\"202405021230Z\"", "2024-05-02T12:30:00Z", true),
            ("namespaces=\"git,file\",valid-before=\"20240502\"", "2024-05-03T00:00:00Z", true),
        ] {
            let signers =
                allowed_signers(&format!("# list\n\"one@example.org,two@example.org\" {options} {KEY} note\n"));
            let signers = signers.expect("lines");
            assert_eq!(signers[0].principals, "one@example.org,two@example.org");
            assert_eq!(signers[0].refuses(at(when)).is_some(), refused, "{options} {when}");
        }
        assert_eq!(allowed_signers(KEY).expect("a lone key").len(), 1);
        for line in
            ["a@b", "a@b ssh-ed25519 AAAA", &format!("a@b cert-authority {KEY}"), &format!("a@b valid-after=1 {KEY}")]
        {
            assert!(allowed_signers(line).is_err(), "{line}");
        }
    }
}
