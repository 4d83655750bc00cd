use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::base::diagnostic::Severity;

mod peer;

const FILE: FileId = FileId(7);

fn read(text: &str) -> (Option<Arc<Node>>, Vec<Diagnostic>) {
    let mut findings = Vec::new();
    let node = parse(FILE, text, &Limits::default(), &mut findings);
    assert_eq!(node.is_none(), findings.iter().any(Diagnostic::is_error), "{text:?}: {findings:?}");
    (node, findings)
}

fn tree(text: &str) -> Arc<Node> {
    let (node, findings) = read(text);
    node.unwrap_or_else(|| panic!("{text:?}: {findings:?}"))
}

fn under(text: &str, span: Span) -> &str {
    assert_eq!(span.file, FILE);
    &text[span.start as usize..span.end as usize]
}

fn scalar(node: &Node) -> &Scalar {
    let Data::Scalar(scalar) = &node.data else { panic!("{node:?}") };
    scalar
}

/// The value of a scalar, with text shown as such.
fn shown(node: &Node) -> String {
    let scalar = scalar(node);
    match &scalar.value {
        Value::Text => format!("text {}", scalar.text),
        other => format!("{other:?}"),
    }
}

/// Recorded data beside the project; tests that need it pass when it is not there.
fn data() -> std::path::PathBuf {
    let beside = || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    crate::config::Environment::of_process().get("GATEWRIGHT_TEST_DATA").map_or_else(beside, Into::into)
}

#[test]
fn plain_scalars_follow_yaml_1_1() {
    let table = [
        ("yes Yes YES on On ON true True TRUE", "Bool(true)"),
        ("no No NO off Off OFF false False FALSE", "Bool(false)"),
        ("y", "text y"),
        ("N", "text N"),
        ("tRue", "text tRue"),
        ("~ null Null NULL", "Null"),
        ("nUll", "text nUll"),
        ("0777", "Int(511)"),
        ("012", "Int(10)"),
        ("007", "Int(7)"),
        ("08", "text 08"),
        ("09", "text 09"),
        ("0o777", "text 0o777"),
        ("0x1F 0b11111 3_1 +31", "Int(31)"),
        ("1_000", "Int(1000)"),
        ("-012", "Int(-10)"),
        ("1:30", "Int(90)"),
        ("12:30:45", "Int(45045)"),
        ("190:20:30", "Int(685230)"),
        ("18446744073709551616 0x10000000000000000", "BigInt(\"18446744073709551616\")"),
        ("1e3", "text 1e3"),
        ("1.0e3", "text 1.0e3"),
        ("12e03", "text 12e03"),
        ("1.0e+3", "Float(1000.0)"),
        (".5", "Float(0.5)"),
        ("1.", "Float(1.0)"),
        (".inf .Inf +.INF", "Float(inf)"),
        ("-.inf", "Float(-inf)"),
        (".NaN .nan .NAN", "Float(NaN)"),
        ("1:30.5", "Float(90.5)"),
        ("2024-01-01", "Date(\"2024-01-01\")"),
        ("2024-01-01T10:00:00Z", "DateTime(\"2024-01-01T10:00:00+00:00\")"),
        ("2024-01-01T10:00:00.25-01:30", "DateTime(\"2024-01-01T10:00:00.250000-01:30\")"),
        ("foo-%s", "text foo-%s"),
    ];
    for (spellings, expected) in table {
        for spelling in spellings.split(' ') {
            assert_eq!(shown(tree(&format!("k: {spelling}")).get("k").unwrap()), expected, "{spelling}");
        }
    }
    assert_eq!(shown(tree("k: 2024-01-01 10:00:00").get("k").unwrap()), "DateTime(\"2024-01-01T10:00:00\")");
    assert_eq!(shown(tree("k:").get("k").unwrap()), "Null");
    assert_eq!(shown(tree("k: !!str yes").get("k").unwrap()), "text yes");
    assert_eq!(shown(tree("k: 'yes'").get("k").unwrap()), "text yes");
    assert_eq!(shown(tree("k: !!binary aGk=").get("k").unwrap()), "Binary([104, 105])");
    assert!(tree("").is_null() && tree("# nothing\n").is_null());
}

#[test]
fn merges_aliases_and_duplicates() {
    let text =
        "base: &base {a: 1, b: 1}\nmore: &more {b: 2, c: 2}\nboth:\n  <<: [*base, *more]\n  c: 3\nagain: *base\n";
    let root = tree(text);
    let both = root.get("both").unwrap();
    let values = ["a", "b", "c"].map(|key| shown(both.get(key).unwrap()));
    assert_eq!(values, ["Int(1)", "Int(1)", "Int(3)"], "explicit keys win, then earlier items of the list");
    assert!(Arc::ptr_eq(root.get("base").unwrap(), root.get("again").unwrap()), "an alias is the same node");

    let text = "a: 1\nb: 2\na: 3\n";
    let (root, findings) = read(text);
    let root = root.unwrap();
    assert_eq!(shown(root.get("a").unwrap()), "Int(3)");
    let Data::Mapping(pairs) = &root.data else { panic!() };
    assert_eq!(pairs.len(), 2);
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((finding.code, finding.severity), (Code::YAML_DUPLICATE_KEY, Severity::Warning));
    let starts: Vec<_> = finding.labels.iter().map(|label| label.span.start).collect();
    assert_eq!(starts, [10, 0]);
}

#[test]
fn tag_payloads_are_raw_in_scalar_form_and_typed_in_lists() {
    let root = tree("- !Context yes\n- !Context 'no'\n- !Context |\n  block\n- !Context [no, x, 012]\n- !KeyOf\n");
    let Data::Sequence(items) = &root.data else { panic!() };
    let texts: Vec<_> = [0, 1, 2, 4].iter().map(|at| shown(&items[*at])).collect();
    assert_eq!(texts, ["text yes", "text no", "text block\n", "text "]);
    let Data::Sequence(arguments) = &items[3].data else { panic!() };
    assert_eq!(arguments.iter().map(|node| shown(node)).collect::<Vec<_>>(), ["Bool(false)", "text x", "Int(10)"]);
    assert!(items.iter().all(|item| item.kind_name() == "tag" && item.as_text().is_none()));
}

#[test]
fn spans_are_the_tokens() {
    // What stands under the node that a pointer leads to.
    let text = concat!(
        "# é before everything\n",
        "plain: some words # note\n",
        "'quo ted' : \"d\\\"q\"\n",
        "multi: one\n  two\n",
        "block: |-  # note\n    text é\n      more\n\n",
        "folded: >\n  x\n",
        "flow: [a, {b: c, d}, [], 'e' ] # note\n",
        "pair: [k: v, w]\n",
        "wrapped: [\n  é,\nz\n]\n",
        "quoted: 'one\ntwo'\n",
        "list:\n- 1\n-\n- x: y\n  z:\n- - deep\n",
        "tagged: &anchor !Find [authentik_flows.flow, [slug, é]]\n",
        "late: !KeyOf\n  target\n",
        "nothing:   # note\n",
        "alias: *anchor\n",
        "last: 2024-01-01",
    );
    let root = tree(text);
    let table = [
        ("/plain", "some words"),
        ("/quo ted", "\"d\\\"q\""),
        ("/multi", "one\n  two"),
        ("/block", "|-  # note\n    text é\n      more"),
        ("/folded", ">\n  x"),
        ("/flow", "[a, {b: c, d}, [], 'e' ]"),
        ("/flow/0", "a"),
        ("/flow/1", "{b: c, d}"),
        ("/flow/1/b", "c"),
        ("/flow/1/d", ""),
        ("/flow/2", "[]"),
        ("/flow/3", "'e'"),
        ("/pair/0", "k: v"),
        ("/pair/0/k", "v"),
        ("/pair/1", "w"),
        ("/wrapped", "[\n  é,\nz\n]"),
        ("/wrapped/0", "é"),
        ("/wrapped/1", "z"),
        ("/quoted", "'one\ntwo'"),
        ("/list", "- 1\n-\n- x: y\n  z:\n- - deep"),
        ("/list/0", "1"),
        ("/list/1", ""),
        ("/list/2", "x: y\n  z:"),
        ("/list/2/z", ""),
        ("/list/3", "- deep"),
        ("/list/3/0", "deep"),
        ("/tagged", "[authentik_flows.flow, [slug, é]]"),
        ("/late", "target"),
        ("/nothing", ""),
        ("/alias", "[authentik_flows.flow, [slug, é]]"),
        ("/last", "2024-01-01"),
    ];
    for (pointer, expected) in table {
        assert_eq!(under(text, root.at(pointer).span), expected, "{pointer}");
        let name = pointer.rsplit('/').next().unwrap();
        if let Some(key) = root.key_at(pointer) {
            assert_eq!(under(text, key).trim_matches('\''), name);
        } else {
            assert!(name.parse::<usize>().is_ok());
        }
    }
    assert_eq!(under(text, root.span), text.split_once('\n').unwrap().1);
    assert_eq!(under(text, root.at("/tagged").tag.as_ref().unwrap().span), "!Find");
    assert_eq!(under(text, root.at("/late").tag.as_ref().unwrap().span), "!KeyOf");
    let before = |pointer: &str| &text[..root.at(pointer).span.start as usize];
    assert!(before("/nothing").ends_with("nothing:") && before("/list/1").ends_with("\n-"), "where a value would go");
    let notes: Vec<_> = comments(FILE, text).into_iter().map(|span| under(text, span)).collect();
    assert_eq!(notes, ["# é before everything", "# note", "# note", "# note", "# note"]);
}

#[test]
fn spans_count_from_the_mark_and_over_crlf() {
    let text = "\u{FEFF}a: é\r\nb:\r\n  - 'x\r\n  y'\r\n";
    let root = tree(text);
    assert_eq!(under(text, root.at("/a").span), "é");
    assert_eq!(under(text, root.at("/b").span), "- 'x\r\n  y'");
    assert_eq!(root.at("/b/0").as_text(), Some("x y"));
}

#[test]
fn yaml_1_1_indentation_inside_brackets_and_quotes() {
    // Each of these is an error by YAML 1.2; positions behind the padded lines must still be exact.
    let text = "a:\n  b: [\n    x, # note\n  {y: é,\nz: 1}\n  ]\n  c: \"one\n\ntwo\\\nthree\"\n  d: after\n";
    let root = tree(text);
    assert_eq!(under(text, root.at("/a/b/1").span), "{y: é,\nz: 1}");
    assert_eq!(root.at("/a/c").as_text(), Some("one\ntwothree"));
    assert_eq!(under(text, root.at("/a/d").span), "after");
    let (_, findings) = read("a: 'x\n--- y'\n");
    assert_eq!(findings[0].message, "this quote is never closed", "a document marker still ends a quoted scalar");
}

#[test]
fn walking_stops_where_the_tree_does() {
    let root = tree("a:\n  b/c: [1, {d: !Find [e]}]\n");
    assert_eq!(root.at("").kind_name(), "mapping");
    assert_eq!(shown(root.at("/a/b~1c/0")), "Int(1)");
    assert_eq!(root.at("/a/b~1c/1/d/0").kind_name(), "tag", "not into a tag");
    assert_eq!(root.at("/a/x/y").span, root.get("a").unwrap().span);
    assert!(root.pair("nope").is_none() && root.at("/a/b~1c").get("x").is_none());
    let kinds = ["list", "text", "boolean", "integer", "number", "null", "date", "date with time", "binary data"];
    let text = "[[], x, on, 0x1, .5, ~, 2024-01-01, 2024-01-01 10:00:00, !!binary aGk=]";
    let Data::Sequence(items) = &tree(text).data else { panic!() };
    assert_eq!(items.iter().map(|item| item.kind_name()).collect::<Vec<_>>(), kinds);
}

#[test]
fn traps_are_explained() {
    let table = [
        ("yes", "booleans"),
        ("Off", "booleans"),
        ("010", "octal"),
        ("12:30", "base-60"),
        ("1:30.5", "base-60"),
        ("2024-01-01", "date"),
        ("2024-01-01 10:00:00", "time"),
        ("1_000", "underscores"),
        ("0x1F", "hexadecimal"),
        ("0b1", "binary"),
    ];
    for (text, word) in table {
        let root = tree(&format!("k: {text}"));
        let why = trap(scalar(root.get("k").unwrap()));
        assert!(why.is_some_and(|why| why.contains(word)), "{text}: {why:?}");
    }
    for text in ["'yes'", "!!str 010", "!Context no", "true", "False", "12", "0", "-1.5", "~", "word", "08"] {
        assert_eq!(trap(scalar(tree(&format!("k: {text}")).get("k").unwrap())), None, "{text}");
    }
}

#[test]
fn errors_point_at_the_place_and_help() {
    // Text, code, what is underlined, and a part of message or help.
    let table = [
        ("a: %s\n", Code::YAML_SYNTAX, "%", "quotes"),
        ("a: @x\n", Code::YAML_SYNTAX, "@", "quotes"),
        ("a: `x`\n", Code::YAML_SYNTAX, "`", "quotes"),
        ("a:\tb\n", Code::YAML_SYNTAX, "\t", "tab between"),
        ("a: b\tc\n", Code::YAML_SYNTAX, "\t", "tab between"),
        ("a:\n\tb: c\n", Code::YAML_SYNTAX, "\t", "tab in the indentation"),
        ("a: 'x\nb: y\n", Code::YAML_SYNTAX, "'x", "never closed"),
        ("a: \"x\nb: y\n", Code::YAML_SYNTAX, "\"x", "never closed"),
        ("a: 'it's'\n", Code::YAML_SYNTAX, "s'", "written twice"),
        ("a: \"C:\\dir\"\n", Code::YAML_SYNTAX, "\\d", "backslash"),
        ("a: b: c\n", Code::YAML_SYNTAX, ":", "quotes"),
        ("a:\n  b: 1\n c: 2\n", Code::YAML_SYNTAX, "c:", "indentation"),
        ("a: 1\nfoo\nb: 2\n", Code::YAML_SYNTAX, "foo", "`:`"),
        ("a: 1\nfoo", Code::YAML_SYNTAX, "foo", "`:`"),
        ("{", Code::YAML_SYNTAX, "{", "never closed"),
        ("a: [b, c\nd: e\n", Code::YAML_SYNTAX, ":", "`]` missing"),
        ("a: [b c: d}\n", Code::YAML_SYNTAX, "[", "never closed"),
        ("a: ]\n", Code::YAML_SYNTAX, "]", "without an opening"),
        ("a: - b\n", Code::YAML_SYNTAX, "-", "list item"),
        ("a: [x?y]\n", Code::YAML_SYNTAX, "x?y", "quotes"),
        ("a: [!KeyOf, b]\n", Code::YAML_SYNTAX, "!KeyOf,", "blank"),
        ("a: 1\n---\nb: 2\n", Code::YAML_DOCUMENTS, "---", "file of its own"),
        ("a: !keyof x\n", Code::YAML_TAG, "!keyof", "`!KeyOf`"),
        ("a: !!strr x\n", Code::YAML_TAG, "!!strr", "`!!str`"),
        ("[a, b]: c\n", Code::YAML_KEY, "[a, b]", "list cannot be a key"),
        ("<<: 1\n", Code::YAML_KEY, "1", "mapping"),
        ("a: =\n", Code::YAML_SCALAR, "=", "quotes"),
        ("a: 2024-02-30\n", Code::YAML_SCALAR, "2024-02-30", "calendar"),
        ("a: !!int x\n", Code::YAML_SCALAR, "x", "whole number"),
        ("a: !!str [x]\n", Code::YAML_SCALAR, "[x]", "list"),
        ("a: *base\nb: 1\n", Code::YAML_ALIAS, "*base", "no anchor"),
        ("a: &a [*a]\n", Code::YAML_ALIAS, "*a", "contain itself"),
        ("a: &x 1\nb: &x 2\n", Code::YAML_ANCHOR, "&x", "twice"),
        ("a: x\u{0}\n", Code::YAML_SYNTAX, "\u{0}", "NUL"),
        ("a: x\u{7}\n", Code::YAML_SYNTAX, "\u{7}", "U+0007"),
        ("a: x\u{2028}y\n", Code::YAML_SYNTAX, "\u{2028}", "U+2028"),
    ];
    for (text, code, underlined, words) in table {
        let (node, findings) = read(text);
        assert!(node.is_none());
        let finding = &findings[0];
        assert_eq!((finding.code, under(text, finding.span().unwrap())), (code, underlined), "{text:?} {finding:?}");
        let all = format!("{} {} {}", finding.message, finding.help.join(" "), finding.labels[0].text);
        assert!(all.contains(words), "{text:?}: {all}");
    }
}

#[test]
fn fixes_make_the_text_readable() {
    let table = [
        ("a: %s # x\nb: 1\n", "a: '%s' # x\nb: 1\n"),
        ("a: @it's\n", "a: '@it''s'\n"),
        ("a: =\n", "a: '='\n"),
        ("a: 2024-13-01\n", "a: '2024-13-01'\n"),
        ("a: !Contxt x\n", "a: !Context x\n"),
        ("a: [!KeyOf]\n", "a: [!KeyOf ]\n"),
        ("a: [b?]\n", "a: ['b?']\n"),
    ];
    for (text, expected) in table {
        let (_, findings) = read(text);
        let edit = &findings[0].fix.as_ref().unwrap().edits[0];
        let mut fixed = text.to_owned();
        fixed.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.replacement);
        assert_eq!(fixed, expected);
        tree(&fixed);
    }
}

#[test]
fn one_run_reports_every_finding() {
    let text = "a: !Fnd x\nb: *gone\nc: =\nd: 2024-02-30\n[e]: 1\na: 2\nf: {g: !!int z, h: &i 1, j: &i 2}\nk: [\n";
    let (_, findings) = read(text);
    let mut codes: Vec<_> = findings.iter().map(|finding| finding.code.to_string()).collect();
    codes.sort();
    assert_eq!(codes, ["GW0010", "GW0013", "GW0015", "GW0015", "GW0015", "GW0016", "GW0019"]);
    let (_, findings) = read(&text.replace("k: [\n", ""));
    assert_eq!(findings.len(), 8, "without the syntax error also what is known at the end of a mapping");
}

#[test]
fn hostile_documents_are_refused_quickly() {
    let deep = |open: &str| open.repeat(100_000);
    let bomb = (b'b'..=b'i').fold("a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, name| {
        let (name, before) = (name as char, (name - 1) as char);
        text + &format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(","))
    });
    let wide: Vec<String> = (0..2000).map(|at| format!("k{at}: 1")).collect();
    let merges = format!("a: &a {{{}}}\nb: [{}]\n", wide.join(","), vec!["{<<: *a}"; 600].join(","));
    let chain = (0..1000).fold("- &a0 []\n".to_owned(), |text, at| text + &format!("- &a{} [*a{at}]\n", at + 1));
    let steps: String = (0..200).map(|at| format!("{}a:\n", " ".repeat(at))).collect();
    let texts = [
        deep("["),
        deep("{a: "),
        deep("- "),
        deep("? "),
        deep("[ \"]\", "),
        format!("a: {}", deep("[")),
        steps,
        bomb,
        merges,
        chain,
    ];
    for text in texts {
        let start = Instant::now();
        let (_, findings) = read(&text);
        let shown = &text[..text.len().min(40)];
        assert_eq!(findings.last().unwrap().code, Code::YAML_BUDGET, "{shown:?}");
        assert!(start.elapsed() < Duration::from_secs(5), "{shown:?} took {:?}", start.elapsed());
    }
    let repeated = "a: 1\n".repeat(1000);
    assert_eq!(read(&repeated).1.len(), 200, "findings of one kind are not repeated for ever");
    assert!(read(&format!("b: {{c: =}}\n{repeated}d: !!int x\n")).0.is_none(), "and warnings never displace an error");

    let limits = Limits { bytes: 100, nodes: 10, ..Limits::default() };
    for (text, code) in [
        ("x".repeat(101), Code::FILE_TOO_LARGE),
        ("- a\n".repeat(11), Code::YAML_BUDGET),
        (format!("[{}]", "a,".repeat(40)), Code::YAML_BUDGET),
    ] {
        let mut findings = Vec::new();
        assert_eq!(parse(FILE, &text, &limits, &mut findings), None);
        assert_eq!(findings[0].code, code);
    }
}

#[test]
fn depth_may_be_used_up_to_the_limit() {
    let limit = Limits::default().depth;
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    tree(&nested(limit));
    assert_eq!(read(&nested(limit + 1)).1[0].code, Code::YAML_BUDGET);
    let (node, _) = read(&format!("- &a {}\n- [*a]\n", nested(limit - 2)));
    assert!(node.is_some());
    let (node, _) = read(&format!("- &a {}\n- [[*a]]\n", nested(limit - 2)));
    assert!(node.is_none(), "levels behind an alias count");
}

#[test]
fn bench_file_reads_without_findings() {
    let Ok(text) = std::fs::read_to_string(data().join("bench/users-1000.yaml")) else {
        eprintln!("skipped: no bench files beside the project (or in GATEWRIGHT_TEST_DATA)");
        return;
    };
    let (root, findings) = read(&text);
    assert_eq!(findings, []);
    let root = root.unwrap();
    let Data::Sequence(entries) = &root.at("/entries").data else { panic!() };
    let users = entries.iter().filter(|entry| entry.at("/model").as_text() == Some("authentik_core.user"));
    assert_eq!(users.count(), 1000);
}

/// Spans lie in the text on character boundaries, children inside parents, and plain one-line scalars equal their bytes.
fn check_spans(text: &str, node: &Node) {
    let part = text.get(node.span.start as usize..node.span.end as usize).unwrap_or_else(|| panic!("{node:?}"));
    match &node.data {
        Data::Scalar(scalar) => {
            if scalar.style == Style::Plain && !part.contains(['\n', '\r']) {
                assert_eq!(&*scalar.text, part);
            }
        }
        Data::Sequence(items) => items.iter().for_each(|item| check_spans(text, item)),
        Data::Mapping(pairs) => {
            for (key, value) in pairs {
                check_spans(text, key);
                check_spans(text, value);
            }
        }
    }
}

fn survives(text: &str) {
    let (node, findings) = read(text);
    for finding in findings {
        assert!(!finding.labels.is_empty(), "{finding:?}");
        for label in &finding.labels {
            assert!(text.get(label.span.start as usize..label.span.end as usize).is_some(), "{finding:?}");
        }
        for edit in finding.fix.iter().flat_map(|fix| &fix.edits) {
            assert!(text.get(edit.span.start as usize..edit.span.end as usize).is_some(), "{finding:?}");
        }
    }
    if let Some(node) = node {
        check_spans(text, &node);
    }
    comments(FILE, text);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_yaml_does_no_harm(text in "(a|é|key|1|yes|- |[?] |: |:|,|\n|\n|\n  |  | |\\{|\\}|\\[|\\]|'|\"|\\|\n|>-\n| # c|&a |\\*a|!Find |!KeyOf|!!str |!!set |<<: |---\n|\\.\\.\\.\n|%|@|\t|\\\\|\r\n|\r|\u{FEFF}|\u{2028}|=|012){0,30}") {
        survives(&text);
    }
}
