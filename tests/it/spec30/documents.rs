//! Files and the structure of documents: what is refused, what is warned about, and that no file harms another.

use std::path::Path;

use gatewright::base::diagnostic::{Code, Severity};
use serde_json::json;

use super::{FLOW, GROUP, only_error, refusal};
use crate::support::lab::{Lab, entries};

const FINE: &str = "version: 1\nentries:\n- {model: authentik_core.group, identifiers: {name: fine}}\n";

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("folder");
    std::fs::write(path, content).expect("file");
}

/// Another version than 1, and nothing else in the document.
#[test]
fn s30_01_version_3_is_refused() {
    for version in ["3", "2", "'1'", "1.0", "null", "one"] {
        let (code, judged) = refusal(&format!("version: {version}\n"));
        assert_eq!(code, Code::DOCUMENT_VERSION, "{version}");
        assert!(judged.words(code).contains("`version: 1`"));
    }
    assert!(Lab::new().judge("version: 1\n").found.is_empty());
}

/// What an instance's content may be is what a document may be, in JSON as well.
#[test]
fn s30_24_content_with_version_3_is_refused() {
    assert_eq!(refusal(r#"{"version": 3}"#).0, Code::DOCUMENT_VERSION);
    let json = r#"{"version": 1, "entries": [{"model": "authentik_core.group", "identifiers": {"name": "a"}}]}"#;
    let mut lab = Lab::new();
    lab.settle(json);
    assert_eq!(lab.texts(GROUP, "name"), ["a"]);
}

/// A folder with a broken file: the file has no document, the others are read, and the findings say which it was.
#[test]
fn s30_36_a_file_that_is_no_yaml() {
    let folder = tempfile::tempdir().expect("folder");
    write(folder.path(), "broken.yaml", "{");
    write(folder.path(), "fine.yaml", FINE);
    let judged = Lab::new().plan_paths(&[folder.path().to_path_buf()]);
    assert_eq!(judged.errors(), [Code::YAML_SYNTAX]);
    assert!(judged.report().contains("broken.yaml:1"), "{}", judged.report());
    let paths: Vec<&str> = judged.loaded.documents.iter().map(|document| document.path.as_str()).collect();
    assert_eq!(paths, ["fine.yaml"]);
}

/// A file of another version is refused by name.
#[test]
fn s30_37_a_file_of_version_2() {
    let folder = tempfile::tempdir().expect("folder");
    write(folder.path(), "two.yaml", "version: 2\nentries: []\n");
    let judged = Lab::new().plan_paths(&[folder.path().to_path_buf()]);
    assert_eq!(judged.errors(), [Code::DOCUMENT_VERSION]);
    assert!(judged.places(Code::DOCUMENT_VERSION)[0].ends_with("two.yaml:1"), "{}", judged.report());
}

/// A document given twice in one file: the last of two equal keys counts, with a warning at both places.
#[test]
fn s30_39_the_last_duplicate_key_wins() {
    let first =
        "version: 1\nmetadata: {name: one}\nentries:\n- {model: authentik_core.group, identifiers: {name: a}}\n";
    let second = first.replace("name: a}", "name: b}").replace("name: one", "name: one, labels: {foo: bar}");
    let mut lab = Lab::new();
    let judged = lab.settle(&format!("{first}{second}"));
    assert_eq!(lab.texts(GROUP, "name"), ["b"]);
    assert_eq!(judged.codes(), [Code::YAML_DUPLICATE_KEY; 3]);
    assert_eq!(judged.loaded.documents[0].label("foo"), Some("bar"));
}

/// No path leads out of the folder: not as a link that lies in it, nor as a path of an instance.
#[test]
#[cfg(unix)]
fn s30_41_no_path_leads_out_of_the_folder() {
    let folder = tempfile::tempdir().expect("folder");
    let (inside, outside) = (folder.path().join("in"), folder.path().join("in-too"));
    write(&outside, "other.yaml", FINE);
    write(&inside, "fine.yaml", FINE.replace("fine", "inside"));
    std::os::unix::fs::symlink("../in-too/other.yaml", inside.join("link.yaml")).expect("link");
    std::os::unix::fs::symlink("/etc/hosts", inside.join("hosts.yaml")).expect("link");
    let judged = Lab::new().plan_paths(&[inside]);
    assert_eq!(judged.errors(), [Code::FILE_OUTSIDE; 2]);
    assert_eq!(judged.loaded.documents.len(), 1);
    let instance = |path: &str| {
        entries(&format!(
            "- {{model: authentik_blueprints.blueprintinstance, identifiers: {{name: a}}, attrs: {{path: {path}}}}}"
        ))
    };
    for path in ["../etc/hosts", "a/../../etc/hosts", ".."] {
        assert_eq!(refusal(&instance(path)).0, Code::CROSS_FIELD, "{path}");
    }
    assert!(Lab::new().judge(&instance("a/..b/hosts.yaml")).errors().is_empty());
}

/// A path of a metaapplyblueprint entry finds documents that were given, and never opens a file.
#[test]
fn s30_41_a_blueprint_path_opens_nothing() {
    let text = "- {model: authentik_blueprints.metaapplyblueprint, attrs: {identifiers: {path: ../../../etc/hosts}}}";
    assert_eq!(refusal(&entries(text)).0, Code::META_NOT_FOUND);
}

/// Entries in groups are entries in order.
#[test]
fn s30_59_entries_in_groups() {
    let mut lab = Lab::new();
    let groups = r"
version: 1
entries:
  first:
    - {model: authentik_core.group, identifiers: {name: child}, attrs: {parent: !KeyOf top}}
  empty: null
  second:
    - {model: authentik_core.group, id: top, identifiers: {name: top}}
";
    lab.settle(groups);
    assert_eq!(lab.one(GROUP, "name", "child").targets("parent"), [lab.one(GROUP, "name", "top").id]);
    let list = entries(
        "- {model: authentik_core.group, identifiers: {name: child}, attrs: {parent: !KeyOf top}}\n\
         - {model: authentik_core.group, id: top, identifiers: {name: top}}",
    );
    assert!(lab.judge(&list).plan.is_empty(), "a list of the same entries wants the same");
}

/// Line endings, a byte-order mark, the other suffix, links of a mounted config map, hidden folders and equal names:
/// all of them are read, or left out, without harm.
#[test]
#[cfg(unix)]
fn s30_72_odd_files_are_read() {
    let folder = tempfile::tempdir().expect("folder");
    let group = |name: &str| FINE.replace("fine", name);
    let named = |name: &str| group(name).replace("entries:", "metadata: {name: same}\nentries:");
    write(folder.path(), "crlf.yaml", group("crlf").replace('\n', "\r\n"));
    write(folder.path(), "bom.yaml", format!("\u{feff}{}", group("bom")));
    write(folder.path(), "short.yml", group("short"));
    write(folder.path(), "..2024_01/mounted.yaml", group("mounted"));
    std::os::unix::fs::symlink("..2024_01", folder.path().join("..data")).expect("link");
    std::os::unix::fs::symlink("..data/mounted.yaml", folder.path().join("mounted.yaml")).expect("link");
    write(folder.path(), ".git/hidden.yaml", group("hidden"));
    write(folder.path(), "one.yaml", named("one"));
    write(folder.path(), "two.yaml", named("two"));
    write(folder.path(), "empty.yaml", "");
    write(folder.path(), "only-comments.yaml", "# nothing\n---\n");
    write(folder.path(), "notes.txt", "{");
    let mut lab = Lab::new();
    let judged = lab.plan_paths(&[folder.path().to_path_buf()]);
    assert!(judged.errors().is_empty(), "{}", judged.report());
    lab.commit(&judged.plan);
    assert_eq!(lab.texts(GROUP, "name"), ["bom", "crlf", "mounted", "one", "short", "two"]);
    let mut codes = judged.codes();
    codes.sort();
    let expected = [Code::FILE_BOM, Code::FILE_CRLF, Code::DUPLICATE_NAME, Code::EMPTY_DOCUMENT, Code::EMPTY_DOCUMENT];
    assert_eq!(codes, expected, "{}", judged.report());
}

/// Files that cannot be used are each refused for a reason of its own, and none hides another.
#[test]
fn s30_72_unusable_files_do_not_stop_others() {
    let folder = tempfile::tempdir().expect("folder");
    write(folder.path(), "list.yaml", "- model: x\n");
    write(folder.path(), "label.yaml", format!("metadata: {{name: a, labels: {{instantiate: false}}}}\n{FINE}"));
    write(folder.path(), "nameless.yaml", format!("metadata: {{labels: {{}}}}\n{FINE}"));
    write(folder.path(), "bytes.yaml", b"version: 1\nentries: [] # \xff\n");
    write(folder.path(), "two-documents.yaml", "version: 1\n---\nversion: 1\n");
    write(folder.path(), "fine.yaml", FINE);
    let judged = Lab::new().plan_paths(&[folder.path().to_path_buf()]);
    let mut codes = judged.errors();
    codes.sort();
    let expected =
        [Code::FILE_NOT_UTF8, Code::YAML_DOCUMENTS, Code::DOCUMENT_ROOT, Code::WRONG_TYPE, Code::MISSING_KEY];
    assert_eq!(codes, expected, "{}", judged.report());
    assert!(judged.loaded.documents.iter().any(|document| document.path == "fine.yaml"));
    assert!(judged.plan.is_empty(), "one refused file refuses the run");
}

/// A mistake in a file that was good refuses the run: nothing of it, or of the files beside it, is planned.
#[test]
fn s30_73_a_syntax_error_changes_nothing() {
    let mut lab = Lab::new();
    let (one, two) = (FINE.replace("fine", "one"), FINE.replace("fine", "two"));
    lab.settle_all(&[("one.yaml", &one), ("two.yaml", &two)]);
    let before = lab.model.revision;
    let changed = two.replace("{name: two}}", "{name: two}, attrs: {is_superuser: true}}");
    let judged = lab.refused_all(&[("one.yaml", &format!("{one}- {{")), ("two.yaml", &changed)]);
    assert_eq!(only_error(&judged), Code::YAML_SYNTAX);
    assert!(judged.plan.is_empty());
    lab.commit(&judged.plan);
    assert_eq!(lab.model.revision, before);
}

fn meta(identifiers: &str, more: &str) -> String {
    format!("- {{model: authentik_blueprints.metaapplyblueprint, attrs: {{identifiers: {{{identifiers}}}{more}}}}}")
}

fn child(name: &str) -> String {
    format!(
        "version: 1\nmetadata: {{name: {name}}}\nentries:\n- {{model: authentik_core.group, identifiers: {{name: {name}}}}}\n"
    )
}

/// Another blueprint is found by name, by path below the folder, and by both.
#[test]
fn s30_77_meta_entries_find_by_name_and_path() {
    for wanted in ["name: child", "path: sub/child.yaml", "path: child.yaml", "name: child, path: sub/child.yaml"] {
        let judged =
            Lab::new().plan(&[("sub/child.yaml", &child("child")), ("parent.yaml", &entries(&meta(wanted, "")))]);
        assert!(judged.found.is_empty(), "{wanted}: {}", judged.report());
    }
    let wrong = entries(&meta("name: child, path: other.yaml", ""));
    let judged = Lab::new().refused_all(&[("sub/child.yaml", &child("child")), ("parent.yaml", &wrong)]);
    assert_eq!(only_error(&judged), Code::META_NOT_FOUND);
}

/// A stored instance counts as well, as its document is applied by the server.
#[test]
fn s30_77_meta_entries_find_stored_instances() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        "- {model: authentik_blueprints.blueprintinstance, identifiers: {name: stored}, attrs: {path: some/stored.yaml}}",
    ));
    assert!(lab.judge(&entries(&meta("name: stored", ""))).found.is_empty());
    assert!(lab.judge(&entries(&meta("path: some/stored.yaml", ""))).found.is_empty());
}

/// A required blueprint that is not there is an error, an optional one is not.
#[test]
fn s30_77_meta_entries_required_and_optional() {
    let (code, judged) = refusal(&entries(&meta("name: chidl", "")));
    assert_eq!(code, Code::META_NOT_FOUND);
    assert!(judged.words(code).contains("required: false"));
    assert!(Lab::new().judge(&entries(&meta("name: chidl", ", required: false"))).found.is_empty());
    let near =
        Lab::new().refused_all(&[("child.yaml", &child("child")), ("parent.yaml", &entries(&meta("name: chidl", "")))]);
    assert!(near.words(Code::META_NOT_FOUND).contains("`child`"), "{}", near.report());
}

/// What the entry may say is judged like everything else.
#[test]
fn s30_77_meta_entries_are_judged() {
    for (entry, code) in [
        ("attrs: {identifiers: {name: a}, requierd: false}", Code::UNKNOWN_FIELD),
        ("attrs: {identifiers: {name: a}, required: maybe}", Code::WRONG_TYPE),
        ("attrs: {identifiers: a}", Code::WRONG_TYPE),
        ("attrs: {required: false}", Code::REQUIRED_FIELD),
        ("attrs: {identifiers: {pahth: a}}", Code::IDENTIFIER_FIELD),
        ("state: absent, attrs: {identifiers: {name: a}, required: false}", Code::UNKNOWN_KEY),
    ] {
        let text = entries(&format!("- {{model: authentik_blueprints.metaapplyblueprint, {entry}}}"));
        let codes = Lab::new().refused(&text).errors();
        assert!(codes.contains(&code), "{entry}: {codes:?}");
    }
}

/// Nothing of such an entry is stored, so only a state that says nothing either goes without a word.
#[test]
fn s30_77_meta_entries_have_no_state() {
    let judge = |state: &str| {
        let entry = meta("name: a", ", required: false").replace("attrs:", &format!("state: {state}, attrs:"));
        let judged = Lab::new().judge(&entries(&entry));
        judged.found.iter().map(|finding| (finding.code, finding.severity)).collect::<Vec<_>>()
    };
    assert_eq!(judge("present"), []);
    for without_effect in ["created", "must_created", "abset", "!Context state"] {
        assert!(judge(without_effect).contains(&(Code::UNKNOWN_KEY, Severity::Warning)), "{without_effect}");
    }
}

/// The child fails, so the whole run does: everything is one transaction.
#[test]
fn s30_77_a_failing_child_fails_the_parent() {
    let broken = child("child").replace("authentik_core.group", "authentik_core.gruop");
    let parent = entries(&format!(
        "{}\n- {{model: authentik_core.group, identifiers: {{name: parent}}}}",
        meta("name: child", "")
    ));
    let judged = Lab::new().refused_all(&[("child.yaml", &broken), ("parent.yaml", &parent)]);
    assert_eq!(only_error(&judged), Code::UNKNOWN_KIND);
    assert!(judged.plan.is_empty());
}

/// Blueprints that apply each other, or themselves.
#[test]
fn s30_77_meta_cycles() {
    let with = |name: &str, other: &str| format!("{}{}\n", child(name), meta(&format!("name: {other}"), ""));
    let judged = Lab::new().refused_all(&[
        ("a.yaml", &with("a", "b")),
        ("b.yaml", &with("b", "c")),
        ("c.yaml", &with("c", "a")),
    ]);
    assert_eq!(judged.errors(), [Code::META_CYCLE], "{}", judged.report());
    let judged = Lab::new().refused_all(&[("a.yaml", &with("a", "a"))]);
    assert_eq!(judged.errors(), [Code::META_CYCLE]);
}

/// Two parents want one child: it is applied once, before both. Its own text may see what they make, as order does not
/// matter for references.
#[test]
fn s30_77_each_child_is_applied_once() {
    let parent = |name: &str| format!("{}{}\n", child(name), meta("name: child", ""));
    let mut lab = Lab::new();
    let judged = lab.settle_all(&[("a.yaml", &parent("a")), ("b.yaml", &parent("b")), ("c.yaml", &child("child"))]);
    assert_eq!(judged.plan.counts().create, 3);
    let order: Vec<&str> = judged.loaded.documents.iter().map(|document| document.path.as_str()).collect();
    assert_eq!(order, ["c.yaml", "a.yaml", "b.yaml"], "children come first");
}

/// A long chain of blueprints does not exhaust the stack.
#[test]
fn s30_77_a_chain_of_a_thousand_blueprints() {
    let names: Vec<String> = (0..1000).map(|at| format!("n{at:04}")).collect();
    let texts: Vec<String> = (0..1000)
        .map(|at| format!("{}{}\n", child(&names[at]), meta(&format!("name: n{:04}", at + 1), ", required: false")))
        .collect();
    let documents: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    let judged = Lab::new().plan(&documents);
    assert!(judged.found.is_empty());
    assert_eq!(judged.loaded.documents[0].name.as_deref(), Some("n0999"));
}

/// What conditions skip needs nothing and closes no circle; the blueprint that is meant may come from tags.
#[test]
fn s30_77_meta_entries_have_conditions_and_tags() {
    let guarded = |condition: &str, name: &str| {
        format!(
            "- {{model: authentik_blueprints.metaapplyblueprint, conditions: [{condition}], attrs: {{identifiers: {{name: {name}}}, \
             required: !Context [required, true]}}}}\n"
        )
    };
    assert!(Lab::new().judge(&entries(&guarded("!Context [never, no]", "nobody"))).found.is_empty());
    assert_eq!(refusal(&entries(&guarded("yes", "!Format [\"%s\", nobody]"))).0, Code::META_NOT_FOUND);
    let with = |name: &str, condition: &str, other: &str| format!("{}{}", child(name), guarded(condition, other));
    let (one, other) = (with("a", "yes", "!Format [\"%s\", b]"), with("b", "!If [no]", "a"));
    let judged = Lab::new().plan(&[("a.yaml", &one), ("b.yaml", &other)]);
    assert!(judged.found.is_empty(), "{}", judged.report());
    let other = with("b", "!If [yes]", "a");
    assert_eq!(Lab::new().refused_all(&[("a.yaml", &one), ("b.yaml", &other)]).errors(), [Code::META_CYCLE]);
}

/// A key that nobody knows is an error with the nearest one, at every level.
#[test]
fn s30_86_unknown_keys_are_errors() {
    let entry = "- {model: authentik_core.group, identifiers: {name: a}";
    for (text, code, wrong, meant) in [
        (format!("{FINE}entires: []\n"), Code::UNKNOWN_KEY, "entires", "entries"),
        (format!("{FINE}metadata: {{name: a, lables: {{}}}}\n"), Code::UNKNOWN_KEY, "lables", "labels"),
        (entries(&format!("{entry}, atrrs: {{}}}}")), Code::UNKNOWN_KEY, "atrrs", "attrs"),
        (entries(&format!("{entry}, identifer: {{}}}}")), Code::UNKNOWN_KEY, "identifer", "identifiers"),
        (
            entries(&format!("{entry}, attrs: {{is_superusr: true}}}}")),
            Code::UNKNOWN_FIELD,
            "is_superusr",
            "is_superuser",
        ),
        (entries("- {model: authentik_core.gruop, identifiers: {name: a}}"), Code::UNKNOWN_KIND, "gruop", "group"),
    ] {
        let (found, judged) = refusal(&text);
        assert_eq!(found, code, "{wrong}");
        let finding = judged.found.iter().find(|finding| finding.code == code).expect("it is there");
        assert!(finding.message.contains(wrong), "{}", finding.message);
        assert!(finding.help.join(" ").contains(meant), "{:?}", finding.help);
        assert!(finding.fix.as_ref().is_some_and(|fix| fix.edits[0].replacement.contains(meant)), "{wrong}");
    }
}

/// The wrong shape of a known key.
#[test]
fn s30_86_wrong_shapes() {
    for text in [
        "version: 1\nentries: text\n",
        "version: 1\nentries: [text]\n",
        "version: 1\nentries: {group: text}\n",
        "version: 1\ncontext: [a]\n",
        "version: 1\nentries: [{model: authentik_core.group, id: 5, identifiers: {name: a}}]\n",
        "version: 1\nentries: [{model: [a], identifiers: {name: a}}]\n",
        "version: 1\nentries: [{model: authentik_core.group, identifiers: [name]}]\n",
        "version: 1\nentries: [{model: authentik_core.group, identifiers: !Context a}]\n",
        "version: 1\nentries: [{model: authentik_core.group, conditions: yes, identifiers: {name: a}}]\n",
        "version: 1\nentries: [{model: authentik_core.group, state: [present], identifiers: {name: a}}]\n",
    ] {
        assert_eq!(refusal(text).0, Code::WRONG_TYPE, "{text}");
    }
    assert_eq!(refusal("version: 1\nentries: [{identifiers: {name: a}}]\n").0, Code::MISSING_KEY);
    assert_eq!(
        refusal("version: 1\nentries: [{model: authentik_core.group, identifiers: {no: a}}]\n").0,
        Code::YAML_KEY
    );
}

/// What YAML 1.1 reads as a number, a date or a time is taken as its text in a text field, with a warning and a fix.
#[test]
fn s30_87_scalars_that_are_not_the_text_they_look_like() {
    for (written, stored) in [
        ("2024-01-01", "2024-01-01"),
        ("0777", "511"),
        ("12:30:45", "45045"),
        ("1_000", "1000"),
        ("0x1F", "31"),
        ("5", "5"),
        ("1.50", "1.5"),
    ] {
        let mut lab = Lab::new();
        let text = |written: &str| {
            entries(&format!(
                "- {{model: authentik_flows.flow, identifiers: {{slug: a}}, attrs: {{name: A, title: {written}, designation: recovery}}}}"
            ))
        };
        let judged = lab.settle(&text(written));
        assert_eq!(judged.codes().len(), 1, "{written}: {}", judged.report());
        assert_eq!(judged.found[0].severity, Severity::Warning);
        let fix = judged.found[0].fix.as_ref().expect("a fix");
        assert_eq!(fix.edits[0].replacement, format!("\"{written}\""));
        assert_eq!(lab.attr(FLOW, "slug", "a", "title"), json!(stored), "{written}");
        assert!(lab.judge(&text(&fix.edits[0].replacement)).found.is_empty(), "the fix silences the warning");
    }
}

/// A boolean in a text field is refused: `no` may have meant the country.
#[test]
fn s30_87_a_boolean_in_a_text_field() {
    let text = "- {model: authentik_core.group, identifiers: {name: no}}";
    let (code, judged) = refusal(&entries(text));
    assert_eq!(code, Code::FIELD_VALUE);
    assert!(judged.words(code).contains("quotes"), "{}", judged.report());
}
