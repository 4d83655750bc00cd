//! What people and machines see of one report, and that no span can break a renderer.

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::Value;

use super::{Code, Diagnostic, FileId, Severity, Sources, Span, github, json, sarif, snippet};

/// Marks the `nth` occurrence of `needle` in a file.
fn span(sources: &Sources, file: FileId, needle: &str, nth: usize) -> Span {
    let text = &sources.get(file).text;
    let (start, found) = text.match_indices(needle).nth(nth).expect("the needle is in the text");
    Span::new(file, start, start + found.len())
}

fn draw(sources: &Sources, diagnostic: Diagnostic) -> String {
    snippet::render(sources, &[diagnostic], false)
}

/// A report with most of what a diagnostic can hold: two files, help, a fix, a secret, no place at all.
fn report() -> (Sources, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let login = "version: 1\nentries:\n  - model: authentik_flows.flwo\n    identifiers: {slug: login}\n";
    let login = sources.add("flows/log in.yaml", login);
    let other = sources.add("./other.yaml", "entries:\n  - model: authentik_flows.flow\n    password: hunter2\n");
    let diagnostics = vec![
        Diagnostic::new(Code::YAML_TAG, "no kind is named `authentik_flows.flwo`")
            .at(span(&sources, login, "authentik_flows.flwo", 0), "unknown kind")
            .at(span(&sources, other, "authentik_flows.flow", 0), "spelled right here")
            .help("the list of kinds is in schemas/")
            .fix("use the nearest name", span(&sources, login, "authentik_flows.flwo", 0), "authentik_flows.flow"),
        Diagnostic::new(Code::YAML_TRAP, "the password is too short")
            .at_secret(span(&sources, other, "hunter2", 0), "7 characters")
            .fix("make it longer", span(&sources, other, "hunter2", 0), "hunter2hunter2"),
        Diagnostic::new(Code::FILE_UNREADABLE, "missing.yaml: no such file").in_file("missing.yaml"),
    ];
    (sources, diagnostics)
}

#[test]
fn people_see_the_lines_of_both_files_and_the_suggestion() {
    let (sources, diagnostics) = report();
    assert_snapshot!(snippet::render(&sources, &diagnostics, false));
}

#[test]
fn machines_get_versioned_json() {
    let (sources, diagnostics) = report();
    assert_snapshot!(json::render(&sources, &diagnostics));
}

#[test]
fn code_hosts_get_sarif() {
    let (sources, diagnostics) = report();
    let log = sarif::render(&sources, &diagnostics);
    assert_snapshot!(log.replace(env!("CARGO_PKG_VERSION"), "[version]"));
}

#[test]
fn github_gets_one_escaped_line_each() {
    let (mut sources, mut diagnostics) = report();
    let odd = sources.add("a,b:c%.yaml", "one\ntwo\n");
    diagnostics.push(Diagnostic::new(Code::YAML_SYNTAX, "50% of\r\nlines: lost, ::gone").at(Span::new(odd, 0, 6), ""));
    diagnostics.push(Diagnostic::new(Code::YAML_TRAP, "by the way").severity(Severity::Note));
    assert_snapshot!(github::render(&sources, &diagnostics));
}

#[test]
fn a_secret_is_hidden_in_every_output_and_below_other_findings() {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", "user: {passwrd: hünter2, name: x}\nkey: |\n  BEGIN\n  abcdef\nend: 1\n");
    let block = Span::new(file, span(&sources, file, "BEGIN", 0).start as usize, sources.get(file).text.len() - 8);
    let key = span(&sources, file, "passwrd", 0);
    let diagnostics = [
        Diagnostic::new(Code::YAML_KEY, "unknown key").at(key, "not known").fix("rename it", key, "password"),
        Diagnostic::new(Code::YAML_KEY, "weak").at_secret(span(&sources, file, "hünter2", 0), "this one"),
        Diagnostic::new(Code::YAML_KEY, "quote it").at(span(&sources, file, "hünter2, name", 0), "all of it").fix(
            "quote the value",
            span(&sources, file, "hünter2", 0),
            "\"hünter2\"",
        ),
        Diagnostic::new(Code::YAML_KEY, "not a certificate").at_secret(block, "block"),
    ];
    let drawn = snippet::render(&sources, &diagnostics, false);
    assert_snapshot!(drawn);
    for output in [
        drawn,
        snippet::render(&sources, &diagnostics, true),
        json::render(&sources, &diagnostics),
        sarif::render(&sources, &diagnostics),
        github::render(&sources, &diagnostics),
    ] {
        assert!(!output.contains("hünter2") && !output.contains("BEGIN") && !output.contains("abcdef"), "{output}");
    }
}

#[test]
fn columns_hold_with_tabs_wide_characters_and_crlf() {
    let mut sources = Sources::default();
    let file = sources.add("wide.yaml", "a: 1\r\n\tname: \"日本語\" # café\r\nb: 2\r\n");
    let at = |needle| span(&sources, file, needle, 0);
    let diagnostic = Diagnostic::new(Code::YAML_SYNTAX, "odd characters")
        .at(at("日本語"), "wide")
        .at(at("café"), "after wide")
        .at(at("\t"), "a tab")
        .fix("write it plainly", at("\"日本語\""), "nihongo");
    assert_snapshot!(draw(&sources, diagnostic));
    let (line, column) = sources.get(file).position(at("café").start);
    assert_eq!((line, column), (2, 16));
}

#[test]
fn ends_of_files_and_empty_files_have_places() {
    let mut sources = Sources::default();
    let ended = sources.add("ended.yaml", "a: [1,\n");
    let open = sources.add("open.yaml", "a: [1,");
    let empty = sources.add("empty.yaml", "");
    let at_end = |file: FileId| {
        let end = sources.get(file).text.len();
        Diagnostic::new(Code::YAML_SYNTAX, "the list is not closed").at(Span::new(file, end, end), "expected `]`")
    };
    assert_snapshot!(snippet::render(&sources, &[at_end(ended), at_end(open), at_end(empty)], false));
}

#[test]
fn large_things_stay_a_screenful() {
    let mut sources = Sources::default();
    let line = format!("a: {}\nb: wrong\n", "x".repeat(5_000));
    let long = sources.add("long.yaml", line);
    let many: String = (0..2_000).map(|n| format!("key{n}: value\n")).collect();
    let many = sources.add("many.yaml", many);
    let at = |needle| span(&sources, many, needle, 0);
    let block = Span::new(many, at("key3:").start as usize, at("key20:").start as usize);
    let drawn = [
        Diagnostic::new(Code::YAML_SYNTAX, "a long value").at(Span::new(long, 3, 5_003), "all of this"),
        Diagnostic::new(Code::YAML_SYNTAX, "far right")
            .at(Span::new(long, 4_000, 4_003), "here")
            .at(span(&sources, long, "wrong", 0), "and here"),
        Diagnostic::new(Code::YAML_SYNTAX, "far apart").at(at("key1999"), "second").at(at("key0"), "first"),
        Diagnostic::new(Code::YAML_SYNTAX, "a block").at(block, "all of these"),
        Diagnostic::new(Code::YAML_SYNTAX, "a large fix").at(at("key7:"), "").fix("drop it all", block, ""),
    ]
    .map(|diagnostic| draw(&sources, diagnostic));
    for text in &drawn {
        assert!(text.lines().all(|line| line.chars().count() <= 140) && text.lines().count() < 30, "{text}");
    }
    assert_snapshot!(drawn.concat());
}

#[test]
fn colour_is_asked_for_and_the_terminal_is_never_driven_by_input() {
    let mut sources = Sources::default();
    let file = sources.add("\u{1b}[31mred.yaml", "a: \u{1b}[2J\n");
    let escape = "\u{1b}]0;title\u{7}";
    let diagnostic = Diagnostic::new(Code::YAML_SYNTAX, escape).at(Span::new(file, 3, 7), escape).help(escape);
    let diagnostic = diagnostic.fix(escape, Span::new(file, 0, 1), escape);
    let drawn = |colour| snippet::render(&sources, std::slice::from_ref(&diagnostic), colour);
    assert!(!drawn(false).contains(['\u{1b}', '\u{7}']), "{}", drawn(false));
    let coloured = drawn(true);
    assert!(coloured.contains("\u{1b}[") && !coloured.contains("\u{1b}[2J") && !coloured.contains('\u{7}'));
}

/// Spans of any size and place, often inside characters or behind the end, in files that exist or do not.
fn any_span() -> impl Strategy<Value = Span> {
    let offset = prop_oneof![8 => 0..40_u32, 1 => any::<u32>()];
    (0..4_u32, offset.clone(), offset).prop_map(|(file, start, end)| Span { file: FileId(file), start, end })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_span_breaks_a_renderer(
        texts in proptest::collection::vec("[a-c:\t\r\n #é語🙂\u{301}]{0,30}", 3),
        labels in proptest::collection::vec((any_span(), "[a-z\n]{0,5}", any::<bool>()), 0..5),
        edits in proptest::collection::vec((any_span(), "[a-z\t\n語]{0,8}"), 0..3),
        path in proptest::option::of("[a-z]{1,5}"),
    ) {
        let mut sources = Sources::default();
        for (at, text) in texts.into_iter().enumerate() {
            sources.add(format!("{at}.yaml"), text);
        }
        let mut diagnostic = Diagnostic::new(Code::YAML_SYNTAX, "message");
        for (span, text, secret) in labels {
            diagnostic = if secret { diagnostic.at_secret(span, text) } else { diagnostic.at(span, text) };
        }
        diagnostic.path = path;
        let edits: Vec<_> = edits.into_iter().map(|(span, replacement)| super::Edit { span, replacement }).collect();
        diagnostic.fix = (!edits.is_empty()).then(|| super::Fix { title: "fix".into(), edits });
        let all = [diagnostic];
        prop_assert!(snippet::render(&sources, &all, true).contains("message"));
        prop_assert!(github::render(&sources, &all).lines().count() == 1);
        for text in [json::render(&sources, &all), sarif::render(&sources, &all)] {
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}
