//! Whatever is thrown at the engine: no panic, no finding outside of the text, no run that does not end.
//!
//! `fixtures/fuzz` holds inputs made by hand against each known way of hurting a parser or an evaluator, and every
//! input that once found a defect. The generators below look for more; `PROPTEST_CASES` lets them look longer.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
    time::{Duration, Instant},
};

use gatewright::{
    base::diagnostic::{Diagnostic, Sources, github, json, sarif, snippet},
    blueprint::{
        apply, engine, format, inputs::Inputs, load::Labelled, load::Loaded, plan::NoSecrets, planfile, value::Val,
    },
    model::Registry,
    registry::registry,
    store::{Key, changeset},
};
use proptest::{prelude::*, test_runner::FileFailurePersistence};

use crate::support::lab::Lab;

/// For each file of the corpus, the code of the first finding of `validate` and of a plan on an empty system.
const CORPUS: &[(&str, &str, &str)] = &[
    ("anchors-many.yaml", "GW0103", "GW0103"),
    ("apply-self.yaml", "GW0111", "GW0111"),
    ("at-index-extremes.yaml", "GW0217", "GW0217"),
    ("base-60-overflow.yaml", "GW0303", "GW0303"),
    ("binary.yaml", "GW0002", "GW0002"),
    ("bom.yaml", "GW0005", "GW0005"),
    ("bomb-aliases.yaml", "GW0012", "GW0012"),
    ("bomb-anchors-quadratic.yaml", "GW0012", "GW0012"),
    ("bomb-merge-keys.yaml", "GW0012", "GW0012"),
    ("comments-only.yaml", "GW0109", "GW0109"),
    ("context-chain.yaml", "GW0219", "GW0219"),
    ("context-cycle.yaml", "GW0219", "GW0219"),
    ("context-doubling-lists.yaml", "GW0012", "GW0012"),
    ("context-doubling-maps.yaml", "GW0012", "GW0012"),
    ("context-many-copies.yaml", "GW0012", "GW0012"),
    ("context-many-uses.yaml", "fine", "fine"),
    ("context-self.yaml", "GW0219", "GW0219"),
    ("control-character.yaml", "GW0010", "GW0010"),
    ("dates-extreme.yaml", "GW0015", "GW0015"),
    ("deep-braces.yaml", "GW0012", "GW0012"),
    ("deep-brackets.yaml", "GW0012", "GW0012"),
    ("deep-dashes.yaml", "GW0012", "GW0012"),
    ("deep-indents.yaml", "GW0012", "GW0012"),
    ("deep-questions.yaml", "GW0012", "GW0012"),
    ("documents-many.yaml", "GW0011", "GW0011"),
    ("duplicate-keys.yaml", "GW0017", "GW0017"),
    ("enumerate-characters.yaml", "GW0012", "GW0012"),
    ("enumerate-growth.yaml", "GW0012", "GW0012"),
    ("enumerate-map-merge.yaml", "GW0012", "GW0012"),
    ("enumerate-nested.yaml", "GW0012", "GW0012"),
    ("enumerate-rounds.yaml", "GW0012", "GW0012"),
    ("escape-surrogate.yaml", "GW0010", "GW0010"),
    ("finding-behind-a-wait.yaml", "GW0212", "GW0212"),
    ("context-of-a-forced-entry.yaml", "fine", "fine"),
    ("find-chain.yaml", "fine", "GW0403"),
    ("find-circle.yaml", "fine", "fine"),
    ("find-object-doubling.yaml", "GW0012", "GW0012"),
    ("find-object-nesting.yaml", "GW0219", "GW0219"),
    ("find-self.yaml", "fine", "GW0303"),
    ("format-doubling.yaml", "GW0012", "GW0012"),
    ("format-many-widths.yaml", "GW0212", "GW0212"),
    ("format-precision.yaml", "fine", "fine"),
    ("format-python-tricks.yaml", "GW0212", "GW0212"),
    ("format-repr-doubling.yaml", "GW0012", "GW0012"),
    ("format-star.yaml", "GW0212", "GW0212"),
    ("format-width.yaml", "GW0212", "GW0212"),
    ("key-of-chain-deep.yaml", "fine", "fine"),
    ("key-of-chain.yaml", "fine", "fine"),
    ("key-of-circle.yaml", "GW0204", "GW0204"),
    ("key-of-self.yaml", "GW0204", "GW0204"),
    ("line-separator.yaml", "GW0010", "GW0010"),
    ("list-root.yaml", "GW0101", "GW0101"),
    ("lone-brace.yaml", "GW0010", "GW0010"),
    ("long-key.yaml", "GW0010", "GW0010"),
    ("long-scalar.yaml", "fine", "fine"),
    ("nul-escape.yaml", "GW0303", "GW0303"),
    ("nul.yaml", "GW0010", "GW0010"),
    ("numbers-extreme.yaml", "GW0303", "GW0305"),
    ("parse-json-deep.yaml", "GW0216", "GW0216"),
    ("parse-json-doubling.yaml", "GW0012", "GW0012"),
    ("permissions-soup.yaml", "GW0104", "GW0104"),
    ("quote-open.yaml", "GW0010", "GW0010"),
    ("reserved-key.yaml", "GW0318", "GW0318"),
    ("tab-indent.yaml", "GW0010", "GW0010"),
    ("tab-separator.yaml", "GW0010", "GW0010"),
    ("tag-empty.yaml", "GW0010", "GW0010"),
    ("tag-python.yaml", "GW0013", "GW0013"),
    ("tag-verbatim.yaml", "GW0103", "GW0103"),
    ("tags-as-keys.yaml", "GW0218", "GW0218"),
    ("tags-deep.yaml", "fine", "fine"),
    ("tags-deepest.yaml", "GW0012", "GW0012"),
    ("utf-16-with-bom.yaml", "GW0002", "GW0002"),
    ("utf-16-without-bom.yaml", "GW0010", "GW0010"),
    ("value-extremes.yaml", "GW0201", "GW0201"),
    ("wrong-everywhere.yaml", "GW0102", "GW0102"),
];

/// No measure, only a guard against inputs that never end: far above what any of them takes on a busy machine.
const MAX_TIME: Duration = Duration::from_secs(60);

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fuzz")
}

/// Time that this thread has worked; real time where the system does not tell.
fn worked(since: Instant) -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match text.split_whitespace().next().and_then(|text| text.parse().ok()) {
        Some(nanoseconds) => Duration::from_nanos(nanoseconds),
        None => since.elapsed(),
    }
}

/// Judges documents as `validate` and as a plan do; checks what must hold whatever they say.
fn judge(lab: &Lab, loaded: &mut Loaded) -> [Vec<Diagnostic>; 2] {
    loaded.arrange(&lab.model, false);
    [true, false].map(|offline| {
        let inputs = Inputs { lenient: offline, ..lab.inputs.clone() };
        let options = engine::Options { offline, last_wins: false };
        let outcome = engine::run(loaded, &inputs, &NoSecrets, &lab.model, options).expect("the model is complete");
        let mut found: Vec<Diagnostic> = loaded.found.iter().cloned().chain(outcome.found).collect();
        loaded.sources.sort(&mut found);
        check_places(&loaded.sources, &found);
        found
    })
}

fn check_places(sources: &Sources, found: &[Diagnostic]) {
    for finding in found {
        let edits = finding.fix.iter().flat_map(|fix| &fix.edits).map(|edit| edit.span);
        for span in finding.labels.iter().map(|label| label.span).chain(edits) {
            let text = &sources.get(span.file).text;
            let (start, end) = (span.start as usize, span.end as usize);
            assert!(start <= end && end <= text.len(), "{finding:?}");
            assert!(text.is_char_boundary(start) && text.is_char_boundary(end), "{finding:?}");
        }
        assert!(finding.path.is_some() || !finding.labels.is_empty(), "without a place: {finding:?}");
    }
}

#[test]
fn every_input_of_the_corpus_is_judged_as_expected() {
    let lab = Lab::new();
    let mut names: Vec<String> = std::fs::read_dir(corpus())
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut wrong = String::new();
    for name in &names {
        let before = worked(Instant::now());
        let started = Instant::now();
        let mut loaded = Loaded::default();
        loaded.add_paths(&[corpus().join(name)], "test", Labelled::Take);
        let found = judge(&lab, &mut loaded);
        let took = worked(started).saturating_sub(before);
        let first = found.map(|found| found.first().map_or("fine", |finding| finding.code.info().name));
        let expected = CORPUS.iter().find(|(file, ..)| file == name).map(|(_, one, other)| [*one, *other]);
        if expected != Some(first) {
            let _ = writeln!(wrong, "    (\"{name}\", \"{}\", \"{}\"),", first[0], first[1]);
        }
        assert!(took < MAX_TIME, "{name} took {took:?}");
    }
    assert!(wrong.is_empty(), "not as expected:\n{wrong}");
    assert_eq!(CORPUS.len(), names.len(), "the table names a file that is not there");
}

/// Each input in a process of its own that may not have more than half a gigabyte.
#[test]
#[cfg(target_os = "linux")]
fn no_input_of_the_corpus_exhausts_memory() {
    for (name, ..) in CORPUS {
        let output = Command::new("sh")
            .arg("-c")
            .arg("ulimit -v 524288; exec \"$0\" validate --format json \"$1\"")
            .arg(env!("CARGO_BIN_EXE_gatewright"))
            .arg(corpus().join(name))
            .output()
            .expect("a shell");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{name}: {:?} {errors}", output.status);
    }
}

static LAB: LazyLock<Lab> = LazyLock::new(Lab::new);

/// Cases of one generator, unless `PROPTEST_CASES` says otherwise.
fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let failures = FileFailurePersistence::WithSource("regressions");
    ProptestConfig {
        cases,
        max_shrink_iters: 4000,
        failure_persistence: Some(Box::new(failures)),
        ..ProptestConfig::default()
    }
}

/// Pieces that YAML and blueprints consist of, right and wrong.
fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "version: 1",
        "metadata:",
        "name: x",
        "labels:",
        "context:",
        "entries:",
        "- model: authentik_core.group",
        "- model: authentik_flows.flow",
        "model: authentik_core.user",
        "- model: !Format [\"authentik_core.%s\", group]",
        "- model: authentik_policies.policybinding",
        "- model: authentik_blueprints.metaapplyblueprint",
        "id: a",
        "id: b",
        "identifiers:",
        "attrs:",
        "conditions:",
        "permissions:",
        "state: absent",
        "state: created",
        "name: !KeyOf a",
        "slug: !KeyOf b",
        "parent: !KeyOf a",
        "target: !KeyOf b",
        "order: 1",
        "pk: 1",
        "users: [!KeyOf a, !KeyOf b]",
        "attributes: !Context a",
        "attributes: {a: !Context b}",
        "a: !Context a",
        "a: [!Context a, !Context b]",
        "b: !Env X",
        "c: !Find [authentik_core.group, [name, x]]",
        "<<: *a",
        "a: &a [1]",
        "b: *a",
        "&a",
        "*a",
        "!KeyOf",
        "!Find",
        "!Enumerate [[1, 2], SEQ, !Value 0]",
        "!Index 0",
        "!If [a, b, c]",
        "!Condition [AND, true]",
        "!AtIndex [[1], 0]",
        "!ParseJSON '{\"a\": 1}'",
        "!FindObject [authentik_core.group, [name, x]]",
        "!!str",
        "!!int x",
        "!!binary aGk=",
        "!!set {a}",
        "!!omap [a: 1]",
        "!unknown",
        "!",
        "!<x>",
        "? a",
        "? ",
        ": b",
        "- ",
        "- - ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "[]",
        "{}",
        "\"",
        "'",
        "'a'",
        "\"\\u0041\"",
        "\"\\uD800\"",
        "|",
        "|+",
        ">2",
        "---",
        "...",
        "%YAML 1.1",
        "# c",
        "\t",
        "yes",
        "~",
        "0o7",
        "017",
        "1:30",
        "2024-01-01",
        ".inf",
        "1e3",
        "=",
        "é",
        "\u{1F600}",
        "\u{FEFF}",
        "\u{85}",
        "\0",
        "%",
        "@",
        "`",
        "x: y: z",
        "a",
        "b",
        "1",
        "-1",
        "99999999999999999999",
    ]);
    let indent =
        prop::sample::select(vec!["", "", "", " ", "  ", "  ", "    ", "    ", "      ", "      ", "        "]);
    let end = prop::sample::select(vec!["\n", "\n", "\n", "\n", " ", "", "\r\n", "\r"]);
    (indent, words, end).prop_map(|(indent, word, end)| format!("{indent}{word}{end}"))
}

/// Text of such pieces, or of any characters.
fn soup() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.concat()),
        2 => prop::collection::vec(piece(), 0..30).prop_map(|pieces| format!("version: 1\nentries:\n{}", pieces.concat())),
        1 => "\\PC{0,60}",
        1 => prop::collection::vec(any::<char>(), 0..60).prop_map(|letters| letters.into_iter().collect()),
    ]
}

/// One shipped file with some pieces thrown in at random places, or parts cut out.
fn wounded() -> impl Strategy<Value = String> {
    static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("blueprints");
        let names = [
            "default/flow-oobe.yaml",
            "default/flow-password-change.yaml",
            "system/bootstrap.yaml",
            "example/directory.yaml",
        ];
        names.iter().map(|name| std::fs::read_to_string(folder.join(name)).expect("a shipped file")).collect()
    });
    let wound = (any::<prop::sample::Index>(), 0..30_usize, prop_oneof![Just(String::new()), piece()]);
    (0..TEXTS.len(), prop::collection::vec(wound, 1..5)).prop_map(|(file, wounds)| {
        let mut letters: Vec<char> = TEXTS[file].chars().collect();
        for (at, cut, put) in wounds {
            let at = at.index(letters.len() + 1);
            let end = (at + cut).min(letters.len());
            letters.splice(at..end, put.chars());
        }
        letters.into_iter().collect()
    })
}

/// A value made of tags inside of tags, right and wrong.
fn tags() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "x",
        "a",
        "1",
        "-1",
        "true",
        "null",
        "2.5",
        "[]",
        "{}",
        "'%s'",
        "'%d %s'",
        "'%r%%'",
        "'%'",
        "AND",
        "XOR",
        "SEQ",
        "MAP",
        "name",
        "authentik_core.group",
        "authentik_flows.stage",
        "!Context a",
        "!Context b",
        "!Context c",
        "!Context d",
        "!KeyOf e",
        "!KeyOf f",
        "!KeyOf g",
        "!Value 0",
        "!Value 1",
        "!Index 0",
        "!Index 2",
        "!Value x",
        "!Env HOME",
        "!Env [A, b]",
        "!File x",
        "!Format x",
        "!Find x",
        "!If x",
        "!Enumerate x",
        "2024-01-01",
        "'[1, {\"a\": 2}]'",
    ]);
    let names = prop::sample::select(vec![
        "",
        "!Format",
        "!Format",
        "!Find",
        "!FindObject",
        "!Condition",
        "!If",
        "!Enumerate",
        "!Enumerate",
        "!AtIndex",
        "!ParseJSON",
        "!Context",
        "!Env",
        "!KeyOf",
        "!Value",
        "!Index",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(6, 48, 4, move |inner| {
        prop_oneof![
            4 => (names.clone(), prop::collection::vec(inner.clone(), 0..5))
                .prop_map(|(name, items)| format!("{name} [{}]", items.join(", "))),
            1 => (inner.clone(), inner.clone(), inner.clone(), prop::sample::select(vec!["SEQ", "MAP"]))
                .prop_map(|(over, key, value, kind)| format!("!Enumerate [{over}, {kind}, [{key}, {value}]]")),
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(|values| {
                let pairs: Vec<String> = values.iter().enumerate().map(|(at, value)| format!("k{at}: {value}")).collect();
                format!("{{{}}}", pairs.join(", "))
            }),
            1 => (inner.clone(), inner).prop_map(|(field, value)| {
                format!("!Find [authentik_core.group, [name, {field}], [parent__name, {value}]]")
            }),
        ]
    })
}

fn judge_text(text: &str) -> [Vec<Diagnostic>; 2] {
    let mut loaded = Loaded::default();
    loaded.add_text("soup.yaml", "soup.yaml", "test", text);
    let found = judge(&LAB, &mut loaded);
    for found in &found {
        snippet::render(&loaded.sources, found, false);
        json::render(&loaded.sources, found);
        sarif::render(&loaded.sources, found);
        github::render(&loaded.sources, found);
    }
    found
}

/// A saved plan, the registry and the key that open it.
static SAVED: LazyLock<(String, Registry, Key)> = LazyLock::new(|| {
    let lab = Lab::new();
    let text = "version: 1\nentries:\n- model: authentik_core.user\n  identifiers: {username: a}\n  attrs: {name: A, password: secret}\n";
    let judged = lab.plan(&[("a.yaml", text)]);
    assert!(judged.errors().is_empty(), "{}", judged.report());
    let registry = registry().expect("the declarations agree");
    let key = Key::from_bytes([7; 32]);
    let run = changeset::Run {
        actor: "test".into(),
        origin: "test".into(),
        summary: serde_json::Value::Null,
        ..Default::default()
    };
    let changes = apply::changeset(&judged.plan, &registry, run).expect("randomness");
    let (instance, revision) = (judged.plan.instance, judged.plan.revision);
    let saved = planfile::save(&changes, &registry, &key, instance, revision, judged.plan.counts(), "Plan".into());
    (saved.expect("sealed"), registry, key)
});

/// Whether the sealed part of a plan file, and what it belongs to, are those of the real one.
fn is_genuine(text: &str) -> bool {
    let part = |text: &str, name: &str| {
        serde_json::from_str::<serde_json::Value>(text).ok().and_then(|file| file.get(name).cloned())
    };
    ["kind", "version", "instance", "sealed"].iter().all(|name| part(text, name) == part(&SAVED.0, name))
}

#[test]
fn the_real_plan_file_opens() {
    let (text, registry, key) = &*SAVED;
    let changes = planfile::read(text).and_then(|file| file.open(registry, key)).expect("it is genuine");
    assert_eq!(changes.writes.len(), 1);
    assert!(planfile::read(text).and_then(|file| file.open(registry, &Key::from_bytes([8; 32]))).is_err());
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn text_soup_is_judged(text in prop_oneof![3 => soup(), 1 => wounded()]) {
        judge_text(&text);
    }

    #[test]
    fn tag_soup_is_judged(a in tags(), b in tags(), c in tags(), value in tags(), name in tags(), condition in tags()) {
        judge_text(&format!(
            "version: 1\ncontext:\n  a: {a}\n  b: {b}\n  c: {c}\nentries:\n\
             - model: authentik_core.group\n  id: e\n  identifiers: {{name: e}}\n  attrs: {{attributes: {{x: {value}}}}}\n\
             - model: authentik_core.group\n  id: f\n  identifiers: {{name: {name}}}\n  attrs: {{parent: {value}}}\n\
             - model: {name}\n  id: g\n  conditions: [{condition}]\n  identifiers: {{name: {value}}}\n"
        ));
    }

    #[test]
    fn format_never_panics(template in "(%[-+ #0]{0,2}[0-9]{0,6}(\\.[0-9]{0,6})?[a-zA-Z%*(]?|\\PC{0,3}){0,6}", numbers in prop::collection::vec(any::<i64>(), 0..4), float in any::<f64>(), text in "\\PC{0,5}") {
        let mut arguments: Vec<Val> = numbers.into_iter().map(Val::Int).collect();
        arguments.extend([Val::Float(float), Val::text(text), Val::Null, Val::Bool(true)]);
        for count in 0..=arguments.len() {
            if let Ok(Val::Text(text)) = format::format(&template, &arguments[..count]) {
                prop_assert!(text.len() < 200_000);
            }
        }
    }

    #[test]
    fn a_changed_plan_file_is_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let (text, registry, key) = &*SAVED;
        let mut bytes = text.clone().into_bytes();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let changed = String::from_utf8_lossy(&bytes);
        planfile::is_plan_file(&changed);
        let opened = planfile::read(&changed).and_then(|file| file.open(registry, key));
        prop_assert!(opened.is_err() || is_genuine(&changed));
    }
}
