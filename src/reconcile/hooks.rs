//! Requests by which a forge says that something was pushed: who sent one, whether it may be believed, what it says.
//!
//! What the body says never decides what is applied: a believed request makes its source look for itself. That is why a
//! body that cannot be read is as good a trigger as any, and a request sent twice does no harm.
//!
//! | sender | header | proof |
//! |---|---|---|
//! | GitHub, Bitbucket | `X-Hub-Signature-256`, `X-Hub-Signature: sha256=…` | `sha256=` and the HMAC-SHA256 of the body, hexadecimal |
//! | Gitea, Forgejo, Gogs | `X-Gitea-Signature`, `X-Forgejo-Signature`, `X-Gogs-Signature` | the same without the prefix |
//! | GitLab, token | `X-Gitlab-Token` | the secret itself |
//! | GitLab, signed (and other "standard webhooks") | `webhook-signature` | `v1,` and the HMAC-SHA256 of id, time and body, Base64 |
//! | anything else | `X-Gatewright-Signature` | `sha256=` and the HMAC-SHA256 of the body, hexadecimal |
//! | anything else | `Authorization: Bearer …` | the secret itself |

use axum::http::{HeaderMap, HeaderName};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Largest body of a request that is worth reading, in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// A request that may be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The header by which it was believed, in lower case; the first of the table above if there are several.
    pub proof: &'static str,
    /// What happened.
    pub event: Event,
}

/// What a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The forge tries whether the address works. Nothing was pushed.
    Ping,
    /// A branch or tag was moved, made or deleted.
    Push {
        /// Its full name, such as `refs/heads/main`.
        reference: String,
        /// The commit that it is at now; none when it was deleted or the forge does not say.
        commit: Option<String>,
    },
    /// Something else, or nothing that could be read.
    Other,
}

impl Hook {
    /// Whether the source is to be looked at.
    pub fn is_trigger(&self) -> bool {
        self.event != Event::Ping
    }
}

/// Why a request is not believed. Says nothing about the secret, so it may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// The source has no secret, so nothing can be proven.
    #[error("the source has no hook_secret, so requests to it cannot be checked")]
    NoSecret,
    /// The body is longer than [`MAX_BODY`].
    #[error("the body is larger than 1 MiB")]
    TooLarge,
    /// No header proves anything.
    #[error("the request carries neither a signature nor a token; give the forge the secret of the source")]
    Unsigned,
    /// The only proof is of a kind that is no longer one.
    #[error("the request is signed with SHA-1 only; a signature with SHA-256 is needed")]
    Sha1Only,
    /// A proof is wrong. All that are given must be right.
    #[error("the header {0} does not fit the secret of the source")]
    Wrong(&'static str),
}

/// What a header proves the knowledge of the secret by.
#[derive(Clone, Copy)]
enum Proof {
    /// `sha256=` and the HMAC of the body, hexadecimal.
    Prefixed,
    /// The HMAC of the body, hexadecimal.
    Hexadecimal,
    /// The secret.
    Plain,
    /// `Bearer` and the secret. Other schemes are not ours: a proxy on the way may have asked for them.
    Bearer,
    /// A list of versions and HMACs, of which one must be right.
    Standard,
}

const PROOFS: [(&str, Proof); 9] = [
    ("x-hub-signature-256", Proof::Prefixed),
    ("x-hub-signature", Proof::Prefixed),
    ("x-forgejo-signature", Proof::Hexadecimal),
    ("x-gitea-signature", Proof::Hexadecimal),
    ("x-gogs-signature", Proof::Hexadecimal),
    ("webhook-signature", Proof::Standard),
    ("x-gitlab-token", Proof::Plain),
    ("x-gatewright-signature", Proof::Prefixed),
    ("authorization", Proof::Bearer),
];

/// Judges a request to a source whose secret is `secret`. Every proof that the request carries must be right, so that a
/// weak one cannot stand in for a strong one; comparisons take the same time wherever the difference is.
///
/// # Errors
/// Why the request is not to be believed.
pub fn verify(headers: &HeaderMap, body: &[u8], secret: &str) -> Result<Hook, HookError> {
    if body.len() > MAX_BODY {
        return Err(HookError::TooLarge);
    }
    if secret.is_empty() {
        return Err(HookError::NoSecret);
    }
    let mut proof = None;
    let mut weak = false;
    for (name, kind) in PROOFS {
        for value in headers.get_all(HeaderName::from_static(name)) {
            let value = value.as_bytes().trim_ascii();
            let is_right = match kind {
                Proof::Prefixed => match value.strip_prefix(b"sha256=") {
                    Some(given) => is_mac(given, secret.as_bytes(), &[body]),
                    None if value.starts_with(b"sha1=") => {
                        weak = true;
                        continue;
                    }
                    None => false,
                },
                Proof::Hexadecimal => is_mac(value, secret.as_bytes(), &[body]),
                Proof::Plain => is_secret(value, secret),
                Proof::Bearer => match value.split_at_checked(7) {
                    Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => {
                        is_secret(token.trim_ascii(), secret)
                    }
                    _ => continue,
                },
                Proof::Standard => is_standard(value, headers, body, secret),
            };
            if !is_right {
                return Err(HookError::Wrong(name));
            }
            proof.get_or_insert(name);
        }
    }
    match proof {
        Some(proof) => Ok(Hook { proof, event: event(headers, body) }),
        None if weak => Err(HookError::Sha1Only),
        None => Err(HookError::Unsigned),
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    parts.iter().for_each(|part| mac.update(part));
    Some(mac)
}

fn is_mac(hexadecimal: &[u8], key: &[u8], parts: &[&[u8]]) -> bool {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = hexadecimal.as_chunks::<2>();
    let given: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    match (given, mac(key, parts)) {
        (Some(given), Some(mac)) => rest.is_empty() && mac.verify_slice(&given).is_ok(),
        _ => false,
    }
}

/// Compares digests, so that not even the length of the secret shows.
fn is_secret(given: &[u8], secret: &str) -> bool {
    Sha256::digest(given).ct_eq(&Sha256::digest(secret.as_bytes())).into()
}

/// `v1,Base64` for the HMAC of `id.time.body`, several with spaces between while keys are being changed. The key is what
/// follows `whsec_` in the secret, as Base64. The time is not looked at: repeating a request only repeats the looking.
fn is_standard(value: &[u8], headers: &HeaderMap, body: &[u8], secret: &str) -> bool {
    let part = |name| headers.get(HeaderName::from_static(name)).map(|value| value.as_bytes());
    let (Some(id), Some(time)) = (part("webhook-id"), part("webhook-timestamp")) else { return false };
    let key = match secret.strip_prefix("whsec_") {
        Some(key) => match STANDARD.decode(key) {
            Ok(key) => key,
            Err(_) => return false,
        },
        None => secret.as_bytes().to_vec(),
    };
    value.split(|byte| *byte == b' ').any(|signature| {
        let given = signature.strip_prefix(b"v1,").and_then(|given| STANDARD.decode(given).ok());
        match (given, mac(&key, &[id, b".", time, b".", body])) {
            (Some(given), Some(mac)) => mac.verify_slice(&given).is_ok(),
            _ => false,
        }
    })
}

/// Reads what happened, as far as that can be read.
fn event(headers: &HeaderMap, body: &[u8]) -> Event {
    let is_ping = headers.get("x-github-event").is_some_and(|event| event.as_bytes().eq_ignore_ascii_case(b"ping"));
    if is_ping {
        return Event::Ping;
    }
    let parsed = serde_json::from_slice::<serde_json::Value>(body).ok().or_else(|| {
        // Forges can also be set to send a form with the document in a field.
        let is_form = body.starts_with(b"payload=");
        let form = is_form.then(|| std::str::from_utf8(body).ok()).flatten()?;
        let form = reqwest::Url::parse(&format!("form:?{form}")).ok()?;
        let (_, document) = form.query_pairs().find(|(name, _)| name == "payload")?;
        serde_json::from_str(&document).ok()
    });
    let text = |name: &str| parsed.as_ref()?.get(name)?.as_str();
    match text("ref") {
        // Issues, comments and releases have a `ref` without the prefix, if any.
        Some(reference) if reference.starts_with("refs/") => {
            let commit = text("after").or_else(|| text("checkout_sha"));
            let commit = commit.filter(|commit| commit.bytes().any(|digit| digit != b'0'));
            Event::Push { reference: reference.to_owned(), commit: commit.map(str::to_owned) }
        }
        _ => Event::Other,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    /// The example of GitHub's documentation on checking deliveries.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &str = "Hello, World!";
    const HEX: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const WRONG: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e18";

    fn headers(given: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("header name");
            headers.append(name, HeaderValue::from_str(value).expect("header value"));
        }
        headers
    }

    #[test]
    fn every_proof_that_is_given_must_be_right() {
        let prefixed = format!("sha256={HEX}");
        let upper = format!("sha256={}", HEX.to_uppercase());
        let wrong = format!("sha256={WRONG}");
        let bearer = format!("Bearer {SECRET}");
        let gitlab = "x-gitlab-token";
        let wrong_in = |name| Err(HookError::Wrong(name));
        type Row<'a> = (&'a [(&'a str, &'a str)], Result<&'a str, HookError>);
        let table: &[Row<'_>] = &[
            (&[("X-Hub-Signature-256", &prefixed)], Ok("x-hub-signature-256")),
            (&[("X-Hub-Signature-256", &upper)], Ok("x-hub-signature-256")),
            (&[("X-Hub-Signature-256", &wrong)], wrong_in("x-hub-signature-256")),
            (&[("X-Hub-Signature-256", HEX)], wrong_in("x-hub-signature-256")),
            (&[("X-Hub-Signature-256", "sha256=")], wrong_in("x-hub-signature-256")),
            (&[("X-Hub-Signature-256", &prefixed[..70])], wrong_in("x-hub-signature-256")),
            (&[("X-Hub-Signature-256", &prefixed), ("X-Hub-Signature-256", &wrong)], wrong_in("x-hub-signature-256")),
            // The old signature beside the new one is passed over, alone it is nothing.
            (&[("X-Hub-Signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59")], Err(HookError::Sha1Only)),
            (&[("X-Hub-Signature", "sha1=00"), ("X-Hub-Signature-256", &prefixed)], Ok("x-hub-signature-256")),
            (&[("X-Hub-Signature", &prefixed)], Ok("x-hub-signature")),
            (&[("X-Hub-Signature", "md5=00")], wrong_in("x-hub-signature")),
            (&[("X-Gitea-Signature", HEX)], Ok("x-gitea-signature")),
            (&[("X-Gitea-Signature", WRONG)], wrong_in("x-gitea-signature")),
            (&[("X-Gogs-Signature", HEX)], Ok("x-gogs-signature")),
            // Forgejo sends all of these.
            (
                &[
                    ("X-Forgejo-Signature", HEX),
                    ("X-Gitea-Signature", HEX),
                    ("X-Gogs-Signature", HEX),
                    ("X-Hub-Signature", "sha1=00"),
                    ("X-Hub-Signature-256", &prefixed),
                ],
                Ok("x-hub-signature-256"),
            ),
            (&[("X-Forgejo-Signature", HEX), ("X-Gitea-Signature", WRONG)], wrong_in("x-gitea-signature")),
            (&[("X-Forgejo-Signature", WRONG), ("X-Gitea-Signature", HEX)], wrong_in("x-forgejo-signature")),
            (&[("X-Gitlab-Token", SECRET)], Ok(gitlab)),
            (&[("X-Gitlab-Token", "It's a Secret")], wrong_in(gitlab)),
            (&[("X-Gitlab-Token", "")], wrong_in(gitlab)),
            (&[("X-Gitlab-Token", HEX)], wrong_in(gitlab)),
            (&[("X-Gatewright-Signature", &prefixed)], Ok("x-gatewright-signature")),
            (&[("X-Gatewright-Signature", HEX)], wrong_in("x-gatewright-signature")),
            (&[("Authorization", &bearer)], Ok("authorization")),
            (&[("Authorization", "bearer  It's a Secret to Everybody ")], Ok("authorization")),
            (&[("Authorization", "Bearer nothing")], wrong_in("authorization")),
            (&[("Authorization", "Basic YTpi")], Err(HookError::Unsigned)),
            (&[("Authorization", "Basic YTpi"), ("X-Gitea-Signature", HEX)], Ok("x-gitea-signature")),
            (&[("Authorization", &bearer), ("X-Gitlab-Token", "other")], wrong_in(gitlab)),
            (&[("X-GitHub-Event", "ping")], Err(HookError::Unsigned)),
            (&[], Err(HookError::Unsigned)),
        ];
        for (given, outcome) in table {
            let hook = verify(&headers(given), BODY.as_bytes(), SECRET);
            assert_eq!(hook.map(|hook| hook.proof), *outcome, "{given:?}");
        }
        assert_eq!(verify(&headers(&[("X-Gitlab-Token", "")]), b"", ""), Err(HookError::NoSecret));
        let long = vec![b' '; MAX_BODY + 1];
        assert_eq!(verify(&headers(&[("X-Gitlab-Token", SECRET)]), &long, SECRET), Err(HookError::TooLarge));
    }

    /// The test vector of the Standard Webhooks libraries, whose scheme GitLab's signed requests follow.
    #[test]
    fn signed_requests_of_gitlab_are_checked() {
        const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let body = br#"{"test": 2432232314}"#;
        let all = |id: &str, time: &str, signature: &str| {
            let given = [("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", signature)];
            verify(&headers(&given), body, KEY).is_ok()
        };
        let (id, time) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
        assert!(all(id, time, SIGNATURE));
        assert!(all(id, time, &format!("v1,AAAA v2,x {SIGNATURE}")), "one of several keys");
        assert!(!all(id, "1614265331", SIGNATURE));
        assert!(!all("other", time, SIGNATURE));
        assert!(!all(id, time, "v1,"));
        assert!(!all(id, time, ""));
        assert!(!all(id, time, SIGNATURE.trim_start_matches("v1,")));
        let bare = headers(&[("webhook-signature", SIGNATURE)]);
        assert_eq!(verify(&bare, body, KEY), Err(HookError::Wrong("webhook-signature")));
        assert!(verify(&bare, body, "whsec_no base64").is_err());
    }

    #[test]
    fn what_was_pushed_is_read_where_it_can_be() {
        let push = |reference: &str, commit: Option<&str>| Event::Push {
            reference: reference.to_owned(),
            commit: commit.map(str::to_owned),
        };
        let zero = "0".repeat(40);
        let deleted = format!(r#"{{"ref":"refs/heads/gone","after":"{zero}"}}"#);
        let github = ("x-github-event", "push");
        for (header, body, event) in [
            (github, r#"{"ref":"refs/heads/main","before":"aa","after":"bb"}"#, push("refs/heads/main", Some("bb"))),
            (
                ("x-gitlab-event", "Tag Push Hook"),
                r#"{"object_kind":"tag_push","ref":"refs/tags/v1","checkout_sha":"cc"}"#,
                push("refs/tags/v1", Some("cc")),
            ),
            (github, deleted.as_str(), push("refs/heads/gone", None)),
            (github, "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fa+b%22%7D", push("refs/heads/a b", None)),
            (("x-github-event", "ping"), r#"{"zen":"…","hook_id":1}"#, Event::Ping),
            (("x-github-event", "ping"), "no JSON", Event::Ping),
            (("x-github-event", "create"), r#"{"ref":"v1","ref_type":"tag"}"#, Event::Other),
            (github, r#"{"ref":7}"#, Event::Other),
            (github, r#"{"ref":null,"commits":[]}"#, Event::Other),
            (github, "[]", Event::Other),
            (github, "payload=%", Event::Other),
            (github, "", Event::Other),
        ] {
            let given = headers(&[header, ("authorization", "Bearer s")]);
            let hook = verify(&given, body.as_bytes(), "s").expect("the bearer is right");
            assert_eq!(hook.event, event, "{body}");
            assert_eq!(hook.is_trigger(), event != Event::Ping);
        }
    }

    proptest! {
        /// Nothing that can be sent makes the judge fall, and nothing without the secret is believed.
        #[test]
        fn no_request_is_too_strange(
            given in prop::collection::vec((0..PROOFS.len() + 3, prop::collection::vec(any::<u8>(), 0..80)), 0..6),
            body in prop::collection::vec(any::<u8>(), 0..200),
            form in any::<bool>(),
        ) {
            let others = ["webhook-id", "webhook-timestamp", "x-github-event"];
            let mut headers = HeaderMap::new();
            for (at, value) in given {
                let name = PROOFS.get(at).map_or_else(|| others[at - PROOFS.len()], |(name, _)| name);
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    headers.append(name, value);
                }
            }
            let body = if form { [b"payload=", body.as_slice()].concat() } else { body };
            prop_assert!(verify(&headers, &body, "a secret that nobody guesses").is_err());
            headers.clear();
            headers.insert("authorization", HeaderValue::from_static("Bearer s"));
            prop_assert!(verify(&headers, &body, "s").is_ok());
        }
    }
}
