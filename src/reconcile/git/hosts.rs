//! Which key an ssh host should have, by lines of a `known_hosts` file.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What is known about a host's key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the host's.
    Known,
    /// It is marked as revoked.
    Revoked,
    /// The host has other keys, of these types.
    Other(Vec<String>),
    /// Nothing is known about the host.
    Unknown,
}

/// Judges a host's key, given in the protocol's form.
pub(super) fn judge(lines: &str, host: &str, port: u16, key: &[u8]) -> Verdict {
    let name = name(host, port);
    let (mut known, mut others) = (false, Vec::new());
    for line in lines.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.split_whitespace().peekable();
        let marker = fields.next_if(|field| field.starts_with('@'));
        let (Some(patterns), Some(kind), Some(blob)) = (fields.next(), fields.next(), fields.next()) else { continue };
        if !names(patterns, &name) {
            continue;
        }
        let equal = STANDARD.decode(blob).is_ok_and(|blob| blob.ct_eq(key).into());
        match marker {
            Some("@revoked") if equal => return Verdict::Revoked,
            None if equal => known = true,
            None => others.push(kind.to_owned()),
            // Certificates of hosts are not offered by the transport, so a line about their authority says nothing.
            Some(_) => {}
        }
    }
    match (known, others.is_empty()) {
        (true, _) => Verdict::Known,
        (false, true) => Verdict::Unknown,
        (false, false) => Verdict::Other(others),
    }
}

/// The host as such files name it.
pub(super) fn name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// The line to add for a key, and its fingerprint as `ssh-keygen -l` prints it.
pub(super) fn describe(host: &str, port: u16, key: &[u8]) -> (String, String) {
    let fingerprint = format!("SHA256:{}", STANDARD.encode(Sha256::digest(key)).trim_end_matches('='));
    (format!("{} {} {}", name(host, port), kind(key), STANDARD.encode(key)), fingerprint)
}

/// The type of a key, which its protocol form begins with.
pub(super) fn kind(key: &[u8]) -> String {
    let length = key.first_chunk::<4>().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let kind = key.get(4..).and_then(|rest| rest.get(..length)).unwrap_or_default();
    String::from_utf8_lossy(kind).chars().filter(char::is_ascii_graphic).collect()
}

/// Whether a list of patterns names the host: one does, and none denies it.
fn names(patterns: &str, name: &str) -> bool {
    if let Some(hashed) = patterns.strip_prefix("|1|") {
        return hashed.split_once('|').is_some_and(|(salt, hash)| hashes_to(name, salt, hash));
    }
    let mut named = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(denied) if matches(denied, name) => return false,
            Some(_) => {}
            None => named |= matches(pattern, name),
        }
    }
    named
}

fn hashes_to(name: &str, salt: &str, hash: &str) -> bool {
    let (Ok(salt), Ok(hash)) = (STANDARD.decode(salt), STANDARD.decode(hash)) else { return false };
    let Ok(mac) = Hmac::<Sha1>::new_from_slice(&salt) else { return false };
    mac.chain_update(name.as_bytes()).verify_slice(&hash).is_ok()
}

/// Whether `pattern`, in which `*` and `?` stand for others, is `name`. Letters' cases do not matter.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase().into_bytes(), name.to_ascii_lowercase().into_bytes());
    // Where the last star was, and how much it stands for so far: the usual walk without recursion.
    let (mut at, mut in_name, mut star) = (0, 0, None);
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(c) if *c == b'?' || *c == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => match &mut star {
                Some((star_at, taken)) => {
                    *taken += 1;
                    (at, in_name) = (*star_at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIFn/Bqbyt1hrJJlhqBwXxHsFWDcvNhnEMmEWqN0+6cAP";

    #[test]
    fn keys_are_judged_by_the_lines_about_the_host() {
        let key = STANDARD.decode(KEY).expect("a key");
        assert_eq!(kind(&key), "ssh-ed25519");
        let hashed = {
            let salt = [7; 20];
            let mac = Hmac::<Sha1>::new_from_slice(&salt).expect("a salt").chain_update("example.org");
            format!("|1|{}|{} ssh-ed25519 {KEY}", STANDARD.encode(salt), STANDARD.encode(mac.finalize().into_bytes()))
        };
        let other = "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let wrong = Verdict::Other(vec!["ssh-ed25519".to_owned()]);
        for (lines, host, port, expected) in [
            (format!("example.org ssh-ed25519 {KEY} comment"), "example.org", 22, Verdict::Known),
            (format!("example.org ssh-ed25519 {KEY}"), "Example.ORG", 22, Verdict::Known),
            (format!("example.org ssh-ed25519 {KEY}"), "example.org", 2222, Verdict::Unknown),
            (format!("[example.org]:2222,[192.0.2.1]:2222 ssh-ed25519 {KEY}"), "192.0.2.1", 2222, Verdict::Known),
            (format!("*.example.org,!bad.example.org ssh-ed25519 {KEY}"), "git.example.org", 22, Verdict::Known),
            (format!("*.example.org,!bad.example.org ssh-ed25519 {KEY}"), "bad.example.org", 22, Verdict::Unknown),
            (format!("# comment\n\n{hashed}"), "example.org", 22, Verdict::Known),
            (hashed.clone(), "example.com", 22, Verdict::Unknown),
            (format!("example.org ssh-ed25519 {other}"), "example.org", 22, wrong),
            (
                format!("example.org ssh-ed25519 {other}\nexample.org ssh-ed25519 {KEY}"),
                "example.org",
                22,
                Verdict::Known,
            ),
            (
                format!("example.org ssh-ed25519 {KEY}\n@revoked * ssh-ed25519 {KEY}"),
                "example.org",
                22,
                Verdict::Revoked,
            ),
            (format!("@cert-authority * ssh-ed25519 {KEY}"), "example.org", 22, Verdict::Unknown),
            (String::new(), "example.org", 22, Verdict::Unknown),
        ] {
            assert_eq!(judge(&lines, host, port, &key), expected, "{host}:{port} by {lines}");
        }
        let (line, fingerprint) = describe("example.org", 2222, &key);
        assert_eq!(line, format!("[example.org]:2222 ssh-ed25519 {KEY}"));
        assert!(fingerprint.starts_with("SHA256:") && fingerprint.len() == 50, "{fingerprint}");
        assert_eq!(judge(&line, "example.org", 2222, &key), Verdict::Known);
    }

    #[test]
    fn patterns_match_as_shells_do() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
