//! The reader against PyYAML itself, which the reference system uses.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::{Value as Json, json};

use super::*;

/// What PyYAML makes of each text; `None`, with a word about it, if it is not installed.
fn peer(texts: &[String]) -> Option<Vec<Json>> {
    let available = Command::new("python3").args(["-c", "import yaml"]).stderr(Stdio::null()).status();
    if !available.is_ok_and(|status| status.success()) {
        assert!(
            crate::config::Environment::of_process().get("GATEWRIGHT_REQUIRE_PEERS").is_none(),
            "python3 with PyYAML is required"
        );
        eprintln!("skipped: install python3 and PyYAML (pip install pyyaml) to compare with it");
        return None;
    }
    let mut process = Command::new("python3")
        .args(["-c", include_str!("peer.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let request = json!({ "tags": TAGS, "texts": texts }).to_string();
    let writer = std::thread::spawn(move || input.write_all(request.as_bytes()));
    let output = process.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn encode(node: &Node) -> Json {
    match &node.tag {
        Some(tag) => json!(["tag", tag.name, encode_data(&node.data)]),
        None => encode_data(&node.data),
    }
}

fn encode_data(data: &Data) -> Json {
    match data {
        Data::Sequence(items) => json!(["list", items.iter().map(|item| encode(item)).collect::<Vec<_>>()]),
        Data::Mapping(pairs) => {
            json!(["map", pairs.iter().map(|(key, value)| json!([encode(key), encode(value)])).collect::<Vec<_>>()])
        }
        Data::Scalar(scalar) => match &scalar.value {
            Value::Null => json!(["null"]),
            Value::Bool(value) => json!(["bool", value]),
            Value::Int(value) => json!(["int", value.to_string()]),
            Value::BigInt(value) => json!(["int", value]),
            Value::Float(value) if value.is_nan() => json!(["float", "nan"]),
            Value::Float(value) => json!(["float", format!("{:016x}", value.to_bits())]),
            Value::Text => json!(["text", &*scalar.text]),
            Value::Date(value) => json!(["date", value]),
            Value::DateTime(value) => json!(["datetime", value]),
            Value::Binary(bytes) => json!(["binary", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()]),
        },
    }
}

/// Compares each text. With `may_refuse` an error of ours where PyYAML reads is accepted.
fn compare(texts: &[String], may_refuse: bool) {
    let Some(answers) = peer(texts) else { return };
    assert_eq!(answers.len(), texts.len());
    for (text, answer) in texts.iter().zip(&answers) {
        let (node, findings) = read(text);
        match (answer.get("ok"), node) {
            (Some(theirs), Some(ours)) => assert_eq!(&encode(&ours), theirs, "{text:?}"),
            (None, None) => {}
            (Some(_), None) => assert!(may_refuse, "PyYAML reads {text:?}, we say {findings:?}"),
            (None, Some(_)) => panic!("we read {text:?}, PyYAML says {}", answer["error"]),
        }
    }
}

/// Small deterministic generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % sides
    }

    fn pick<'p>(&mut self, from: &[&'p str]) -> &'p str {
        from[self.roll(from.len())]
    }
}

#[test]
fn scalars_have_the_same_types_and_values() {
    let seeds = "yes YES Yes yEs y no off On ~ null nUll true tRue 0 007 012 08 0o17 0x1F 0xg 0b11 0b2 1_000 _1 1__0 \
        -0 +1 --1 1:30 12:30:45 190:20:30 1:60 01:30 0:30 -1:30 1:30.5 1e3 1.0e3 1.0e+3 1.e-2 .5 -.5 5. ._5 1_0.5_0 \
        .inf -.INF +.Inf .nan -.nan 1.2.3 2024-01-01 2024-1-1 2024-02-30 2023-02-29 0000-01-01 9999-12-31 \
        2024-01-01T10:00:00Z 2024-01-01t1:02:03.1234567+05:30 2024-01-01T10:00:00-00:30 2024-01-01T24:00:00 \
        2024-01-01T10:00:00+25:00 2024-01-01T10:00 = << <<< - : a:b -a ?a :a a#b 99999999999999999999 \
        -9223372036854775808 9223372036854775808 0xFFFFFFFFFFFFFFFFFF 07777777777777777777777777 1:0:0:0:0:0:0:0:0:0:0:0:0 \
        0_ 0x_ 0b_ 1e400 1.0e+400 -0.0 123456789.123456789 0.1 1.7976931348623157e+308 5.0e-324";
    let mut scalars: Vec<String> = seeds.split_whitespace().map(str::to_owned).collect();
    scalars.extend(
        ["2024-01-01 10:00:00", "2024-01-01 10:00:00 +2", "2024-1-1  1:00:00.5 Z", "a b", "1 2"].map(Into::into),
    );
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let parts = [
        "0", "1", "7", "9", "12", "60", "_", ":", ".", "-", "+", "e", "E", "x", "b", "0x", "0b", "f", "T", "Z",
        "2024-01-", "10:", "inf",
    ];
    for _ in 0..600 {
        scalars.push((0..=dice.roll(5)).map(|_| dice.pick(&parts)).collect());
    }
    let tags = [
        "",
        "",
        "",
        "!!int ",
        "!!float ",
        "!!bool ",
        "!!timestamp ",
        "!!null ",
        "!!str ",
        "!!binary ",
        "! ",
        "!Context ",
    ];
    let texts: Vec<String> = scalars.iter().map(|scalar| format!("key: {}{scalar}\n", dice.pick(&tags))).collect();
    compare(&texts, false);
    let keys: Vec<String> =
        scalars.iter().filter(|scalar| *scalar != "-").map(|scalar| format!("{scalar}: 1\n")).collect();
    compare(&keys, false);
}

#[test]
fn documents_that_people_write_read_the_same() {
    let texts = [
        "a: |\n  one\n  two\n",
        "a: |\n  no final break",
        "a: |-\n  x\n\n\n",
        "a: |+\n  x\n\n\nb: 1\n",
        "a: |2\n    x\n   y\n",
        "a: |\n\n  x\n   y\n\n  z\n  ",
        "a: >\n  fold\n  ed\n\n  para\n    code\n  end\n",
        "a: >-\n  x\n\n   y\n\n\n  z",
        "a: |\nb: 1\n",
        "a: |+",
        "a: |  # comment\n  x\n",
        "- |\n x\n- >\n y\n",
        "a:\n- |\n  x\n",
        "a: |\r\n  x\r\n  y\r\nb: 1\r\n",
        "a: |\n  \tx\n  \n\t\n",
        "a: 'it''s'\nb: \"\\t\\x41\\u00e9\\U0001F600\\\n  joined\"\n",
        "a: 'one\n  two\n\n  three'\n",
        "a: \"one\ntwo\"\n",
        "a:\n  b: 'one\ntwo'\n  c: 1\n",
        "a: plain\n  goes on\n\n  here\n",
        "a: [\n  b,\n]\n",
        "a:\n  b: !Find [\n    c,\n  [d, e],\n  ]\n  f: {\n  g: h\n}\n",
        "a: [x,\ny]\n",
        "{\"a\": [1, 2.5, true, null], \"b\":{\"c\":\"d\\/e\"}}",
        "[\n{\n\"a\":1\n},\n{}\n]\n",
        "[a: b, c, {d}, [e]]",
        "{a, b: , c: d}",
        "[? a : b]",
        "? a\n: b\n? c\n",
        "a: &x {b: 1}\nc: {<<: *x, b: 2, d: 3}\n",
        "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc:\n  <<: [*a, *b]\n  y: 3\n",
        "a: &a {x: 1}\nb: &b\n  <<: *a\n  y: 2\nc:\n  <<: *b\n  <<: {y: 3, w: 4}\n  x: 5\n",
        "- &a [1]\n- *a\n- {k: *a}\n",
        "a: 1\nb: 2\na: 3\n",
        "1: a\n1.0: b\ntrue: c\n",
        "a: !!set {x, y}\n",
        "a: !!omap [x: 1, y: 2]\n",
        "a: !!pairs [x: 1, x: 2]\n",
        "!!map {a: !!seq [!!str 1]}\n",
        "!!binary |\n  aGVs\n  bG8=\n",
        "a: !Context yes\nb: !Context 'x'\nc: !Context [no, 012]\nd: !Context |\n  block\ne: !If [!Condition [AND, yes], !Find [a, [b, c]], ~]\nf: !KeyOf\n",
        "!Context a: b\n",
        "a: !Format\n- '%s'\n- x\n",
        "a: !Enumerate\n  [x, SEQ, !Value 0]\n",
        "",
        "# only a comment\n",
        "---\n",
        "---\na: 1\n...\n",
        "%YAML 1.1\n---\na: 1\n",
        "--- # c\na: 1\n",
        "\u{FEFF}a: 1\n",
        "\"a\"#c\n",
        "[a]#c\n",
        "a: b#c\nd: e #f\n",
        "a:   # c\n  - 1\n  # c\n  - 2\n",
        "a:\n- - 1\n  - 2\n- b: 1\n  c: 2\n",
        "a: http://x/?q=1#frag\n",
        "a: -x\nb: ?x\nc: :x\n",
        "é: ü\n",
        "a: 50%\nb: a@b\n",
        "a: foo-%s\n",
        "'a' : 1\n\"b\" : 2\n",
        "*a : 1\n",
        "a: b: c\n",
        "a: 'x' y\n",
        "a: %s\n",
        "a: @x\n",
        "a: `x`\n",
        "a:\tb\n",
        "a: b\t\n",
        "\ta: b\n",
        "a: b\n\tc: d\n",
        "a: 'b\tc'\n",
        "a: # \t\n",
        "a: [b\n",
        "a: {b\n",
        "a: b]\n",
        "a: ]\n",
        "- a\nb\n",
        "a: 1\n b: 2\n",
        "a:\n  b: 1\n c: 2\n",
        "a: - b\n",
        "a: [- b]\n",
        "[a]: b\n",
        "{a: b}: c\n",
        "? [a]\n: b\n",
        "a: =\n",
        "=: a\n",
        "a: <<\n",
        "a: &x 1\nb: &x 2\n",
        "a: *x\n",
        "a: !Bad x\n",
        "a: !!bad x\n",
        "a: !x!y z\n",
        "a: 1\n---\nb: 2\n",
        "a: 1\n...\nb: 2\n",
        "a: 1\n---\n",
        "...\n",
        ": a\n",
        "{: a}\n",
        "[a?b]\n",
        "[!Find, a]\n",
        "{a: !KeyOf x}\n",
        "[!KeyOf x, y]\n",
        "a: \"\\q\"\n",
        "a: \"x\n",
        "a\nb: c\n",
        "|\nx\n",
        "%YAML 2.0\n---\na\n",
        "%x:\n---\na\n",
        "a: !!str [x]\n",
        "a: !!seq {x: y}\n",
        "a: !!omap {x: y}\n",
        "<<: 1\n",
        "<<: [{a: 1}, 2]\n",
        "{a\n: b}\n",
        "&a.b x\n",
        "&a{x: 1}\n",
        "a: \u{1}\n",
        "a: &x [*x2]\n",
    ];
    compare(&texts.map(str::to_owned), false);
}

#[test]
fn token_soup_is_never_read_differently() {
    let tokens = [
        "a",
        "key",
        "1",
        "x y",
        "- ",
        "- ",
        "? ",
        ": ",
        ": ",
        ":",
        "\n",
        "\n",
        "\n",
        "  ",
        " ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "'",
        "\"",
        "'q'",
        "\"d\"",
        "|\n",
        "|-\n",
        ">+\n",
        "|2\n",
        " # c\n",
        "&a ",
        "*a",
        "!Find ",
        "!KeyOf",
        "!!str ",
        "!!int ",
        "<<: ",
        "=",
        "~",
        "yes",
        "012",
        "2024-01-01",
        "---\n",
        "...\n",
        "%",
        "@",
        "\t",
        "\\",
        "\r\n",
        "é",
        "!",
        "!!set ",
        "\n  ",
        "\n- ",
        "\n  - ",
        "\nk: ",
        "\n  k: ",
        "\n\n",
        "-",
        "?",
        "a: b",
        "http://x/?q",
        "a:b",
        "!Bad ",
        "\"\\n\"",
        "''",
    ];
    let mut dice = Dice(0xD1B5_4A32_D192_ED03);
    let texts: Vec<String> = (0..2000).map(|_| (0..=dice.roll(24)).map(|_| dice.pick(&tokens)).collect()).collect();
    compare(&texts, true);
}

#[test]
fn stock_blueprints_read_the_same() {
    let mut paths: Vec<PathBuf> = Vec::new();
    for release in ["authentik-2023.3.1", "authentik-2024.6.4"] {
        for folder in ["default", "system"] {
            let Ok(files) = std::fs::read_dir(data().join(release).join("blueprints").join(folder)) else { continue };
            paths.extend(
                files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "yaml")),
            );
        }
    }
    if paths.is_empty() {
        eprintln!("skipped: no stock blueprints beside the project (or in GATEWRIGHT_TEST_DATA)");
        return;
    }
    let texts: Vec<String> = paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    compare(&texts, false);
}
