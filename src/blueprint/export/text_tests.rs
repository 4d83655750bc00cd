//! Whatever is written is read again, by readers of both versions of YAML.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use proptest::{
    prelude::*,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde::Serialize;
use serde_json::{Value as Json, json};
use serde_yaml::{Mapping, Value};

use super::yaml_text;

/// Texts that some reader of some version of YAML takes for something else, or that a careless writer breaks.
#[rustfmt::skip]
const TRAPS: &[&str] = &[
    "", " ", "  ", "\n", "\n\n", "\t", " \n", "y", "Y", "n", "N", "yes", "Yes", "YES", "no", "No", "NO", "on", "On",
    "ON", "off", "Off", "OFF", "true", "True", "TRUE", "false", "False", "FALSE", "null", "Null", "NULL", "nUll", "~",
    "=", "<<", "-", "--", "---", "...", "?", ":", "!", "!tag x", "&a", "*a", "|", ">", "%", "%s", "@", "`", "#",
    "a #b", "a#b", "#a", "a: b", "a:b", "a:", ":a", "- a", "-a", "? a", "?a", "[", "]", "{", "}", ",", "[a]",
    "{a: b}", "a, b", "'", "\"", "''", "'a'", "\"a\"", "it's", "say \"so\"", "it's \"so\"", "\\", "a\\nb", "C:\\dir",
    "0", "-0", "+1", "012", "0777", "08", "0o17", "0x1F", "0b11", "1_000", "1:30", "12:30:45", "190:20:30.15", "1.",
    ".5", "1.5", "1e3", "1.0e+3", "-1.5E-10", ".inf", "-.inf", "+.INF", ".nan", ".NaN", "_", "_1", "1_", "2024-01-01",
    "2024-1-1", "2024-01-01T10:00:00Z", "2024-01-01 10:00:00", " a", "a ", " a ", "\ta", "a\t", "a\tb", "a  b", "a\n",
    "a\nb", "a\n\n", "a\n\nb\n", "\na", "\n a", " a\nb", "  a\n b\n", "\ta\nb", "a\n\tb", "a \nb ", "a\n ", "a\n  \n",
    "a\n \nb", "a\n\n\n", "# a\nb", "- a\n- b\n", "a: b\nc: d\n", "---\na\n", "a\n---\n", "a\n...\nb", "a\r\nb\r\n",
    "a\rb", "a\u{85}b", "\u{85}", "a\u{a0}b", "a\u{2028}b", "a\u{2029}\nb", "\u{feff}a", "a\u{feff}", "\u{7f}",
    "\u{1}", "\u{1b}[31m", "\u{9f}", "\u{fffd}", "\u{fffe}", "\u{10ffff}", "ß", "Ωmega", "日本語", "👩\u{200d}💻",
    "e\u{301}", "\u{301}e", "a\u{202e}b", "\u{2066}", "Ⅷ", "²", "٣", "İ", "https://example.com:9443/a?b=c&d=e#f",
    "/if/flow/login/", "//", "/", "goauthentik.io/user/can-change-email", "%(app)s", "Welcome to %(app)s!",
    "return True", "ak_is_group_member(request.user, name=\"x\")",
    "if a:\n    return {\"b\": [1, 2]}  # c: d\n\nreturn False\n", "x\n\"y\"\n'z'\n", "key: |\n  text\n",
    "!Find [a, [b, c]]", "$gatewright", "\u{0}",
];

/// Texts that are likely to be misread: pieces of syntax, words and odd characters next to each other.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(TRAPS).prop_map(str::to_owned),
        2 => "[-?:,\\[\\]{}#&*!|>'\"%@`~=<. \t\n\r0-9a-z_/\\\\+]{0,6}",
        1 => prop::char::any().prop_map(|letter| letter.to_string()),
        1 => Just("\n".to_owned()),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// JSON with such texts as values and keys.
fn values() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        6 => texts().prop_map(Json::from),
        1 => any::<i64>().prop_map(Json::from),
        1 => any::<f64>().prop_map(Json::from),
        1 => any::<bool>().prop_map(Json::from),
        1 => Just(Json::Null),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((texts(), inner), 0..4).prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
        ]
    })
}

fn written(value: impl Serialize) -> String {
    let value = serde_yaml::to_value(value).expect("a value");
    let mut text = String::new();
    yaml_text::mapping(&mut text, &Mapping::from_iter([("value".into(), value), ("after".into(), "end".into())]), 0);
    text
}

proptest! {
    #[test]
    fn what_is_written_is_read_the_same_under_yaml_1_2(value in values()) {
        let text = written(&value);
        let read: Json = serde_yaml::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(read, json!({ "value": value, "after": "end" }), "{}", text);
    }
}

#[test]
fn long_keys_are_read() {
    let value = json!({ "k".repeat(3000): { "a": ["b\nc"] }, "l".repeat(3000): "x\ny\n", "short": { "": null } });
    let read: Json = serde_yaml::from_str(&written(&value)).expect("YAML");
    assert_eq!(read["value"], value);
}

/// Blueprints are read by the rules of PyYAML, so PyYAML is asked.
#[test]
fn what_is_written_is_read_the_same_under_yaml_1_1() {
    const READER: &str = "
import json, sys, yaml
class Loader(yaml.SafeLoader): pass
def tagged(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode): return [suffix, loader.construct_scalar(node)]
    return [suffix] + loader.construct_sequence(node, deep=True)
Loader.add_multi_constructor('!', tagged)
texts = json.load(sys.stdin)
json.dump([yaml.load(text, Loader) for text in texts], sys.stdout)
";
    let found = Command::new("python3").args(["-c", "import yaml"]).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        assert!(
            crate::config::Environment::of_process().get("GATEWRIGHT_REQUIRE_PEERS").is_none(),
            "python3 with PyYAML is missing"
        );
        eprintln!("skipped: python3 with PyYAML is missing");
        return;
    }
    let mut reader = Command::new("python3")
        .args(["-c", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut values: Vec<Json> = TRAPS.iter().map(|trap| json!([trap, { *trap: trap }, [[trap]]])).collect();
    let mut runner = TestRunner::deterministic();
    let strategy = self::values();
    values.extend((0..1500).map(|_| strategy.new_tree(&mut runner).expect("a value").current()));
    values.push(json!({ "k".repeat(3000): { "a": ["b\nc"] }, "l".repeat(3000): "x\ny\n" }));
    values.push(json!([1e300, -1.5e-9, 1.0, 0.1, u64::MAX, i64::MIN]));
    let mut texts: Vec<String> = values.iter().map(written).collect();
    let tagged = "[!KeyOf on, !Env 'no', !Find [a.b, [c, 'on'], [d, !Find [e.f, ['y', '1:30'], [g, 5]]]]]";
    texts.push(written(serde_yaml::from_str::<Value>(tagged).expect("YAML")));
    let find = json!(["Find", "a.b", ["c", "on"], ["d", ["Find", "e.f", ["y", "1:30"], ["g", 5]]]]);
    values.push(json!([["KeyOf", "on"], ["Env", "no"], find]));
    let mut input = reader.stdin.take().expect("a pipe");
    let request = Json::from(texts.clone()).to_string();
    let sender = std::thread::spawn(move || input.write_all(request.as_bytes()));
    let output = reader.wait_with_output().expect("python3 ends");
    sender.join().expect("no panic").expect("written");
    let read: Vec<Json> = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(read.len(), values.len());
    for ((value, text), read) in values.iter().zip(&texts).zip(&read) {
        assert_eq!(read["value"], *value, "{text}");
        assert_eq!(read["after"], "end", "{text}");
    }
}
