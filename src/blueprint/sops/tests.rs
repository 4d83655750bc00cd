//! Files made by SOPS itself, with every rule that it has, and what becomes of them when they are meddled with.

use super::*;
use crate::{base::diagnostic::Sources, blueprint::value::Val};

const IDENTITY: &str = include_str!("../../../fixtures/sops/identity.txt");
const SECOND: &str = include_str!("../../../fixtures/sops/identity-two.txt");
const OTHER: &str = include_str!("../../../fixtures/sops/identity-other.txt");
const PLAIN: &str = include_str!("../../../fixtures/sops/plain.yaml");
const DEFAULT: &str = include_str!("../../../fixtures/sops/default.yaml");
const REGEX: &str = include_str!("../../../fixtures/sops/encrypted-regex.yaml");
const SUFFIX: &str = include_str!("../../../fixtures/sops/encrypted-suffix.yaml");
const CLEAR_SUFFIX: &str = include_str!("../../../fixtures/sops/unencrypted-suffix.yaml");
const CLEAR_REGEX: &str = include_str!("../../../fixtures/sops/unencrypted-regex.yaml");
const MAC_ONLY: &str = include_str!("../../../fixtures/sops/mac-only.yaml");
const ALL: [(&str, &str); 6] = [
    ("default", DEFAULT),
    ("encrypted regex", REGEX),
    ("encrypted suffix", SUFFIX),
    ("unencrypted suffix", CLEAR_SUFFIX),
    ("unencrypted regex", CLEAR_REGEX),
    ("code over encrypted values", MAC_ONLY),
];

fn parse(text: &str) -> (Arc<Node>, Sources) {
    let mut sources = Sources::default();
    let file = sources.add("test.yaml", text);
    let mut found = Vec::new();
    let root = yaml::parse(file, text, &yaml::Limits::default(), &mut found);
    (root.unwrap_or_else(|| panic!("{found:?}")), sources)
}

fn keys(text: &str) -> SopsKeys {
    SopsKeys::parse(text).expect("identities")
}

fn open(text: &str, keys: &SopsKeys) -> Result<Val, (Code, String)> {
    let mut found = Vec::new();
    let root = decrypt(&parse(text).0, keys, &mut found);
    match root {
        Some(root) => {
            assert_eq!(found, []);
            Ok(Val::literal(&root).expect("no tags"))
        }
        None => {
            assert_eq!(found.len(), 1);
            let finding = found.remove(0);
            assert!(!finding.labels.is_empty(), "{finding:?} has no place");
            Err((finding.code, format!("{} {:?}", finding.message, finding.help)))
        }
    }
}

/// A value without the marks of secrets.
fn bare(value: &Val) -> Val {
    match value.peel() {
        Val::List(items) => Val::List(items.iter().map(bare).collect()),
        Val::Map(map) => Val::Map(map.iter().map(|(key, value)| (key.clone(), bare(value))).collect()),
        other => other.clone(),
    }
}

fn at<'v>(value: &'v Val, path: &[&str]) -> &'v Val {
    path.iter().fold(value, |value, key| match value {
        Val::Map(map) => map.iter().find(|(name, _)| name.text() == *key).map(|(_, value)| value).expect(key),
        _ => panic!("{key} is in no mapping"),
    })
}

#[test]
fn what_sops_encrypts_is_decrypted() {
    let plain = bare(&Val::literal(&parse(PLAIN).0).expect("no tags"));
    for (name, text) in ALL {
        for identity in [IDENTITY, SECOND] {
            let mut given = keys(OTHER);
            given.append(keys(identity));
            let opened = open(text, &given).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let (Val::Map(opened), Val::Map(plain)) = (bare(&opened), &plain) else { panic!("no mapping") };
            for (key, value) in plain {
                // SOPS writes a whole floating-point number without its point.
                let (Val::Map(opened), Val::Map(expected)) = (&opened[key], value) else {
                    assert_eq!(&opened[key], value, "{name}: {key:?}");
                    continue;
                };
                for (key, expected) in expected {
                    // … and an exponent in a form that YAML 1.1 takes for text.
                    let number = |value: &Val| match value {
                        Val::Int(number) => Val::Float(*number as f64),
                        Val::Text(text) if text.starts_with("1e") => Val::Float(text.parse().expect("number")),
                        other => other.clone(),
                    };
                    assert_eq!(number(&opened[key]), number(expected), "{name}: {key:?}");
                }
            }
            assert_eq!(opened.len(), plain.len(), "{name}: `sops` itself is gone");
        }
    }
    let untouched = parse(PLAIN).0;
    let same = decrypt(&untouched, &SopsKeys::default(), &mut Vec::new()).expect("not encrypted");
    assert!(Arc::ptr_eq(&same, &untouched));
}

#[test]
fn what_was_encrypted_is_secret() {
    let open = |text: &str| open(text, &keys(IDENTITY)).expect("decrypted");
    let whole = open(DEFAULT);
    assert!(at(&whole, &["context", "password"]).is_secret() && at(&whole, &["data"]).is_secret());
    assert!(!at(&whole, &["version"]).is_secret(), "what a document needs to be one is no secret");
    let some = open(REGEX);
    for (path, secret) in [
        (&["context", "password"][..], true),
        (&["context", "list"], true),
        (&["data"], true),
        (&["context", "text"], false),
        (&["context", "nested_secret"], false),
    ] {
        assert_eq!(at(&some, path).is_secret(), secret, "{path:?}");
    }
    for (path, structure) in [
        (&["version"][..], true),
        (&["metadata", "labels", "x"], true),
        (&["entries", "model"], true),
        (&["entries", "group", "state"], true),
        (&["entries", "attrs", "model"], false),
        (&["entries", "identifiers", "id"], false),
        (&["entries", "group", "attrs", "id"], false),
        (&["context", "model"], false),
        (&["model"], false),
    ] {
        assert_eq!(is_structure(path), structure, "{path:?}");
    }
}

#[test]
fn without_the_right_key_nothing_is_read() {
    let (code, message) = open(DEFAULT, &SopsKeys::default()).expect_err("no key");
    assert_eq!(code, Code::SOPS_NO_KEY);
    assert!(message.contains("age1"), "{message}");
    let (code, message) = open(DEFAULT, &keys(OTHER)).expect_err("another key");
    assert_eq!(code, Code::SOPS_WRONG_KEY);
    assert_eq!(message.matches("age1").count(), 2, "{message}");
    assert_eq!(SopsKeys::parse("# note\n\nAGE-PLUGIN-YUBIKEY-1X\nAGE-SECRET-KEY-1NONE\n").map(|_| ()), Err(4));
    assert_eq!(format!("{:?}", keys(IDENTITY)), "SopsKeys(1)");
}

/// The value that stands at a key.
fn value_of<'t>(text: &'t str, key: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(key)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {key}"))
}

#[test]
fn what_was_meddled_with_is_refused() {
    let keys = keys(IDENTITY);
    let swap = |text: &str, one: &str, other: &str| {
        let (first, second) = (value_of(text, one).to_owned(), value_of(text, other).to_owned());
        text.replace(&first, "\0").replace(&second, &first).replace('\0', &second)
    };
    let without_line = |text: &str, start: &str| -> String {
        text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with(start)).collect()
    };
    let sum = value_of(DEFAULT, "mac").to_owned();
    for (deed, text, code) in [
        ("two values change places", swap(DEFAULT, "text", "number"), Code::SOPS_CHANGED),
        ("a value goes", without_line(DEFAULT, "password:"), Code::SOPS_CHANGED),
        ("an item goes", without_line(CLEAR_REGEX, "- last"), Code::SOPS_CHANGED),
        ("a value is put in clear", DEFAULT.replace(value_of(DEFAULT, "number"), "42"), Code::SOPS_CHANGED),
        ("a value comes", DEFAULT.replace("context:\n", "context:\n    more: x\n"), Code::SOPS_CHANGED),
        ("a key changes", DEFAULT.replace("    word:", "    sword:"), Code::SOPS_CHANGED),
        ("values become comments", DEFAULT.replace("type:int]", "type:comment]"), Code::SOPS_CHANGED),
        (
            "the time changes",
            DEFAULT.replace(value_of(DEFAULT, "lastmodified"), "\"2020-01-01T00:00:00Z\""),
            Code::SOPS_CHANGED,
        ),
        ("the code goes", without_line(DEFAULT, "mac:"), Code::SOPS_MALFORMED),
        ("the code is another's", DEFAULT.replace(&sum, value_of(REGEX, "mac")), Code::SOPS_CHANGED),
        ("the code is a value", DEFAULT.replace(&sum, value_of(DEFAULT, "text")), Code::SOPS_CHANGED),
        ("the rule goes", without_line(REGEX, "encrypted_regex:"), Code::SOPS_CHANGED),
        ("a clear value changes", REGEX.replace("number: 42", "number: 43"), Code::SOPS_CHANGED),
        ("a clear value's type changes", REGEX.replace("truth: true", "truth: \"true\""), Code::SOPS_CHANGED),
        ("a clear value goes", without_line(REGEX, "quoted:"), Code::SOPS_CHANGED),
        (
            "the code is said to cover less",
            REGEX.replace("    mac:", "    mac_only_encrypted: true\n    mac:"),
            Code::SOPS_CHANGED,
        ),
        ("the code is said to cover more", without_line(MAC_ONLY, "mac_only_encrypted:"), Code::SOPS_CHANGED),
        (
            "an encrypted value gets a tag",
            MAC_ONLY.replace("password: ENC", "password: !Env ENC"),
            Code::SOPS_MALFORMED,
        ),
        ("a rule is nonsense", REGEX.replace("encrypted_regex: ^", "encrypted_regex: ("), Code::SOPS_MALFORMED),
        (
            "a rule is unknown",
            REGEX.replace("    mac:", "    encrypted_comment_regex: x\n    mac:"),
            Code::SOPS_MALFORMED,
        ),
        ("all recipients go", DEFAULT.replace("    age:", "    pgp:"), Code::SOPS_WRONG_KEY),
        ("the key is cut", DEFAULT.replace("-----END", "-----AND"), Code::SOPS_WRONG_KEY),
        (
            "the metadata goes",
            DEFAULT[..DEFAULT.find("sops:").expect("metadata")].to_owned() + "sops: x\n",
            Code::SOPS_MALFORMED,
        ),
    ] {
        assert!(ALL.iter().all(|(_, original)| *original != text), "{deed}: nothing was done");
        let (found, message) = open(&text, &keys).map(|_| ()).expect_err(deed);
        assert_eq!(found, code, "{deed}: {message}");
        assert!(!message.contains("s3cret") && !message.contains("deep"), "{message}");
    }
    // What the code does not cover may change; SOPS has no tags, so they may be put back.
    assert!(open(&MAC_ONLY.replace("number: 42", "number: 43"), &keys).is_ok());
    let texts = open(&DEFAULT.replace("type:int]", "type:str]"), &keys).expect("types are not covered");
    assert_eq!(bare(at(&texts, &["context", "number"])), Val::text("42"));
    let tagged = parse(&REGEX.replace("number: 42", "number: !Env 42")).0;
    assert!(decrypt(&tagged, &keys, &mut Vec::new()).is_some());
}

#[test]
fn places_stay_where_they_are_written() {
    let (root, sources) = parse(DEFAULT);
    let opened = decrypt(&root, &keys(IDENTITY), &mut Vec::new()).expect("decrypted");
    let (before, after) = (root.at("/context/password"), opened.at("/context/password"));
    assert_eq!(before.span, after.span);
    assert!(matches!(&after.data, Data::Scalar(scalar) if &*scalar.text == "s3cret" && scalar.secret));
    drop(sources);
}

/// All values with their paths, but for what no code covers.
fn collect(path: &str, value: &Val, leaves: &mut Vec<(String, Val)>) {
    match value {
        Val::Map(map) => map.iter().for_each(|(key, value)| collect(&format!("{path}/{}", key.text()), value, leaves)),
        Val::List(items) => items.iter().for_each(|item| collect(path, item, leaves)),
        Val::Null => {}
        Val::Text(text) if text.is_empty() => {}
        leaf => leaves.push((path.to_owned(), leaf.clone())),
    }
}

proptest::proptest! {
    /// Whatever a byte of the file becomes: no panic, and never a value that was not encrypted.
    #[test]
    fn one_byte_never_makes_another_value(at in 0..DEFAULT.len(), byte in 32_u8..127) {
        let mut text = DEFAULT.as_bytes().to_vec();
        text[at] = byte;
        let Ok(text) = String::from_utf8(text) else { return Ok(()) };
        let mut sources = Sources::default();
        let file = sources.add("test.yaml", text.as_str());
        let root = yaml::parse(file, &text, &yaml::Limits::default(), &mut Vec::new());
        let Some(root) = root.filter(|root| root.get("sops").is_some()) else { return Ok(()) };
        if let Some(opened) = decrypt(&root, &keys(IDENTITY), &mut Vec::new()) {
            let original = decrypt(&parse(DEFAULT).0, &keys(IDENTITY), &mut Vec::new()).expect("decrypted");
            let leaves = |root: &Node| {
                let mut leaves = Vec::new();
                collect("", &Val::literal(root).expect("no tags"), &mut leaves);
                leaves
            };
            proptest::prop_assert_eq!(leaves(&opened), leaves(&original));
        }
    }
}
