//! Tags: what each comes to, how they nest, and what is said when one cannot be resolved.

use std::collections::BTreeMap;

use gatewright::{
    base::diagnostic::Code,
    blueprint::{
        inputs::{Environment, Files},
        value::{MapKey, Val},
    },
};
use serde_json::{Value, json};

use super::{FLOW, GROUP, only_error, refusal};
use crate::support::lab::{Lab, carrier, entries};

/// A system whose environment has variables that may be read.
fn with_environment(variables: &[(&str, &str)]) -> Lab {
    let mut lab = Lab::new();
    let process: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    lab.inputs.environment = Environment::new(BTreeMap::new(), process, &["S30_*".to_owned()]).expect("globs");
    lab
}

fn value(context: &str, node: &str) -> Value {
    Lab::new().value_of(context, node)
}

/// The code that refuses a value.
fn value_refused(context: &str, node: &str) -> Code {
    only_error(&Lab::new().refused(&carrier(context, node)))
}

/// Model and state may be tags, and a context value given from outside wins over the document's own.
#[test]
fn s30_09_model_and_state_are_tags_and_outer_context_wins() {
    let mut lab = Lab::new();
    lab.inputs.context.insert(MapKey::Text("name".into()), Val::text("from outside"));
    lab.settle(
        r#"
version: 1
context: {name: from the file, app: core}
entries:
  - model: !Format ["authentik_%s.%s", !Context app, group]
    state: !Format ["%s", present]
    identifiers:
      name: !Context name
"#,
    );
    assert_eq!(lab.texts(GROUP, "name"), ["from outside"]);
    let absent = r#"
version: 1
entries:
  - model: authentik_core.group
    state: !Format ["%s", absent]
    identifiers: {name: from outside}
"#;
    lab.settle(absent);
    assert!(lab.all(GROUP).is_empty());
}

/// The model's letter case does not matter behind the dot.
#[test]
fn s30_09_model_names_ignore_letter_case() {
    let mut lab = Lab::new();
    lab.settle(&entries("- {model: authentik_core.Group, identifiers: {name: a}}"));
    assert_eq!(lab.texts(GROUP, "name"), ["a"]);
}

/// A set variable gives its text, an unset or empty one the default, and without a default null.
#[test]
fn s30_10_env_set_unset_and_empty() {
    let lab = with_environment(&[("S30_SET", "foo"), ("S30_EMPTY", "")]);
    for (node, expected) in [
        ("!Env S30_SET", json!("foo")),
        ("!Env [S30_SET, other]", json!("foo")),
        ("!Env [S30_UNSET, baz]", json!("baz")),
        ("!Env [S30_UNSET, null]", json!(null)),
        ("!Env S30_UNSET", json!(null)),
        ("!Env [S30_EMPTY, baz]", json!("baz")),
        ("!Env [S30_UNSET, 5]", json!(5)),
        ("!Env [S30_UNSET, !Context fallback]", json!("context")),
    ] {
        assert_eq!(lab.value_of("{fallback: context}", node), expected, "{node}");
    }
}

/// What nobody allowed is not readable, which the reference system has no notion of.
#[test]
fn s30_10_env_reads_only_what_is_allowed() {
    let lab = with_environment(&[("HOME_OF_SECRETS", "hunter2")]);
    let judged = lab.refused(&carrier("{}", "!Env HOME_OF_SECRETS"));
    assert_eq!(only_error(&judged), Code::ENV_DENIED);
    assert!(!judged.report().contains("hunter2"));
}

/// `!Find` in attributes, its kind made by `!Format`.
#[test]
fn s30_11_find_with_a_formatted_kind() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        r#"
  - {model: authentik_core.group, identifiers: {name: parent}}
  - model: authentik_core.group
    identifiers: {name: child}
    attrs:
      parent: !Find [!Format ["%s.%s", authentik_core, group], [name, parent]]
"#,
    ));
    assert_eq!(lab.one(GROUP, "name", "child").targets("parent"), [lab.one(GROUP, "name", "parent").id]);
}

/// Two conditions whose field and value come from the context; the result is an argument of `!Format`.
/// `!KeyOf` as an argument of `!Format` gives the same key.
#[test]
fn s30_12_and_13_find_and_key_of_in_format_give_the_same_key() {
    let mut lab = Lab::new();
    lab.settle(
        r#"
version: 1
context: {field: slug, wanted: the-flow}
entries:
  - model: authentik_flows.flow
    id: flow
    identifiers: {slug: the-flow}
    attrs: {name: Flow, title: Flow, designation: enrollment}
  - model: authentik_core.group
    identifiers: {name: carrier}
    attrs:
      attributes:
        found: !Format ["pk-%s-%s", !Find [authentik_flows.flow, [!Context field, !Context wanted], [designation, enrollment]], literal]
        known: !Format ["pk-%s-%s", !KeyOf flow, literal]
        missed: !Find [authentik_flows.flow, [slug, the-flow], [designation, recovery]]
"#,
    );
    let attributes = lab.attr(GROUP, "name", "carrier", "attributes");
    let id = lab.one(FLOW, "slug", "the-flow").id;
    assert_eq!(attributes["found"], json!(format!("pk-{id}-literal")));
    assert_eq!(attributes["known"], attributes["found"]);
    assert_eq!(attributes["missed"], json!(null), "all conditions must hold");
}

/// Integer keys are given out when the plan is applied; text made from them is right afterwards.
#[test]
fn s30_13_key_of_a_user_in_format_is_its_number() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        r#"
  - {model: authentik_core.user, id: jo, identifiers: {username: jo}, attrs: {name: Jo}}
  - model: authentik_core.group
    identifiers: {name: carrier}
    attrs:
      attributes: {text: !Format ["user-%s", !KeyOf jo], number: !KeyOf jo}
"#,
    ));
    let number = lab.one("authentik_core.user", "username", "jo").number.expect("users have numbers");
    let attributes = lab.attr(GROUP, "name", "carrier", "attributes");
    assert_eq!(attributes["text"], json!(format!("user-{number}")));
    assert_eq!(attributes["number"], json!(number));
}

/// The six modes with true operands of every sort, and with some that are false.
#[test]
fn s30_14_condition_modes() {
    let context = "{word: text}";
    let truths = r#"!Context word, !Format ["%s-%s", a, 1], 1"#;
    for (mode, all_true, mixed, all_false) in [
        ("AND", true, false, false),
        ("NAND", false, true, true),
        ("OR", true, true, false),
        ("NOR", false, false, true),
        ("XOR", true, true, false),
        ("XNOR", false, false, true),
        ("and", true, false, false),
        ("Xor", true, true, false),
    ] {
        let judge = |values: &str| value(context, &format!("!Condition [{mode}, {values}]"));
        assert_eq!(judge(truths), json!(all_true), "{mode} of truths");
        assert_eq!(judge(r#"!Context word, "", null"#), json!(mixed), "{mode} of a mixture");
        assert_eq!(judge(r#"null, "", 0"#), json!(all_false), "{mode} of nothing true");
        assert_eq!(judge("1"), json!(!mode.starts_with('N') && mode != "XNOR"), "{mode} of one");
    }
}

/// Python's truth: empty things, zero and null are false, the texts "false" and "0" are true.
#[test]
fn s30_14_truth_of_every_sort_of_value() {
    for (node, truth) in [
        ("''", false),
        ("0", false),
        ("0.0", false),
        ("null", false),
        ("[]", false),
        ("{}", false),
        ("no", false),
        ("'false'", true),
        ("'0'", true),
        ("[null]", true),
        ("{a: null}", true),
        ("-1", true),
    ] {
        assert_eq!(value("{}", &format!("!Condition [AND, {node}]")), json!(truth), "{node}");
    }
}

/// An unknown mode, no mode, and no values.
#[test]
fn s30_14_condition_mistakes() {
    let judged = Lab::new().refused(&carrier("{}", "!Condition [NEITHER, 1]"));
    assert_eq!(only_error(&judged), Code::CONDITION_MODE);
    assert_eq!(value_refused("{}", "!Condition [AND]"), Code::TAG_FORM);
    assert_eq!(value_refused("{}", "!Condition []"), Code::TAG_FORM);
    assert_eq!(value_refused("{}", "!Condition AND"), Code::TAG_FORM);
}

/// Conditions in conditions, over a context value that is missing, a text and null.
#[test]
fn s30_15_nested_conditions() {
    let node = "!Condition [AND, !Condition [NOR, !Context missing, null], !Condition [OR, text, null], \
                !Condition [XNOR, !Condition [NAND, text, null], text]]";
    assert_eq!(value("{}", node), json!(true));
}

/// Branches are resolved at any depth, the condition may be null, and one argument alone gives its truth.
#[test]
fn s30_16_if_branches() {
    let context = "{foo: bar}";
    for (node, expected) in [
        (
            "!If [!Condition [AND, true], {dictionary: {with: {keys: !Context foo}}, and: [!Context foo]}, no]",
            json!({"dictionary": {"with": {"keys": "bar"}}, "and": ["bar"]}),
        ),
        ("!If [no, 1, [list, with, !Format [\"%s-%s\", items, !Context foo]]]", json!(["list", "with", "items-bar"])),
        ("!If [null, {a: 1}, 2]", json!(2)),
        ("!If [!Context foo]", json!(true)),
        ("!If [!Context nothing]", json!(false)),
        ("!If [!If [yes, !Context foo, no], 1, 2]", json!(1)),
    ] {
        assert_eq!(value(context, node), expected, "{node}");
    }
    assert_eq!(value_refused("{}", "!If [yes, 1]"), Code::TAG_FORM, "two arguments have no meaning");
}

/// Only the branch that is taken is resolved, so the other one may refer to what is not there.
#[test]
fn s30_16_if_leaves_the_other_branch_alone() {
    assert_eq!(value("{}", "!If [yes, 1, !KeyOf nobody]"), json!(1));
}

const LISTS: &str = "{mapping: {key1: value, key2: 2}, sequence: [foo, bar], tables: [[a, b], [c]]}";

/// Mappings and lists into mappings and lists.
#[test]
fn s30_17_enumerate_mappings_and_sequences() {
    for (node, expected) in [
        (
            r#"!Enumerate [!Context mapping, MAP, [!Format ["%s", !Index 0], !Format ["prefix-%s", !Value 0]]]"#,
            json!({"key1": "prefix-value", "key2": "prefix-2"}),
        ),
        (
            r#"!Enumerate [!Context mapping, SEQ, !Format ["%s-%s", !Index 0, !Value 0]]"#,
            json!(["key1-value", "key2-2"]),
        ),
        (
            r#"!Enumerate [!Context sequence, SEQ, !Format ["prefixed-items-%d-%s", !Index 0, !Value 0]]"#,
            json!(["prefixed-items-0-foo", "prefixed-items-1-bar"]),
        ),
        (
            r#"!Enumerate [!Context sequence, MAP, [!Format ["index: %d", !Index 0], !Value 0]]"#,
            json!({"index: 0": "foo", "index: 1": "bar"}),
        ),
        (r#"!Enumerate [ab, SEQ, !Value 0]"#, json!(["a", "b"])),
        (r#"!Enumerate [[1, 2], MAP, {same: [!Value 0]}]"#, json!({"same": [1, 2]})),
        (r#"!Enumerate [[], SEQ, !Value 0]"#, json!([])),
        (r#"!Enumerate [{}, MAP, [!Index 0, !Value 0]]"#, json!({})),
    ] {
        assert_eq!(value(LISTS, node), expected, "{node}");
    }
}

/// What cannot be enumerated, an unknown output, a body that gives no pair, and places outside of any round.
#[test]
fn s30_17_enumerate_mistakes() {
    assert_eq!(value_refused("{}", "!Enumerate [5, SEQ, !Value 0]"), Code::ENUMERATE_VALUE);
    assert_eq!(value_refused("{}", "!Enumerate [[1], LIST, !Value 0]"), Code::ENUMERATE_VALUE);
    assert_eq!(value_refused("{}", "!Enumerate [[1], MAP, [!Value 0]]"), Code::ENUMERATE_VALUE);
    assert_eq!(value_refused("{}", "!Enumerate [[1], SEQ]"), Code::TAG_FORM);
    assert_eq!(value_refused("{}", "!Value 0"), Code::ENUMERATE_SCOPE);
    assert_eq!(value_refused("{}", "!Enumerate [!Value 0, SEQ, 1]"), Code::ENUMERATE_SCOPE);
    assert_eq!(value_refused("{}", "!Enumerate [[1], SEQ, !Value 1]"), Code::ENUMERATE_SCOPE);
    assert_eq!(value_refused("{}", "!Enumerate [[1], SEQ, !Index one]"), Code::TAG_FORM);
}

/// Three levels: a sequence into a mapping, in it a mapping into a mapping, in it the letters of the outermost value into
/// a list. Integer keys become texts where they are stored.
#[test]
fn s30_18_enumerate_three_levels_deep() {
    let node = r#"
        !Enumerate
          - !Context sequence
          - MAP
          - - !Index 0
            - !Enumerate
                - !Context mapping
                - MAP
                - - !Format ["%s", !Index 0]
                  - - !Enumerate [!Value 2, SEQ, !Format ["prefixed-%s", !Value 0]]
                    - outer_value: !Value 1
                      outer_index: !Index 1
                      middle_value: !Value 0
                      middle_index: !Index 0
"#;
    let letters = |word: &str| word.chars().map(|letter| format!("prefixed-{letter}")).collect::<Vec<_>>();
    let middle = |outer: usize, word: &str, key: &str, inner: Value| {
        json!([letters(word), {
            "outer_value": word, "outer_index": outer, "middle_value": inner, "middle_index": key,
        }])
    };
    let round = |outer: usize, word: &str| {
        json!({
            "key1": middle(outer, word, "key1", json!("value")),
            "key2": middle(outer, word, "key2", json!(2)),
        })
    };
    assert_eq!(value(LISTS, node), json!({"0": round(0, "foo"), "1": round(1, "bar")}));
}

/// What is enumerated counts as inside of its own tag: there 0 would be the tag itself, and the enclosing one is 1.
#[test]
fn s30_18_depths_in_what_is_enumerated() {
    let around = |inner: &str| format!("!Enumerate [!Context tables, SEQ, !Enumerate [{inner}, SEQ, !Value 0]]");
    assert_eq!(value(LISTS, &around("!Value 1")), json!([["a", "b"], ["c"]]));
    assert_eq!(
        value(LISTS, &around("!AtIndex [[!Value 1], 0]")),
        json!([["a", "b"], ["c"]]),
        "also inside of other tags"
    );
    let judged = Lab::new().refused(&carrier(LISTS, &around("!Value 0")));
    assert_eq!(only_error(&judged), Code::ENUMERATE_SCOPE);
    assert!(judged.words(Code::ENUMERATE_SCOPE).contains("the one around it is 1"), "{}", judged.report());
}

/// A context value may be a tag that looks at the context again.
#[test]
fn s30_19_context_values_are_tags() {
    assert_eq!(
        value("{one: !Context two, two: !Format [\"%s!\", !Context three], three: end}", "!Context one"),
        json!("end!")
    );
    assert_eq!(
        value("{one: {deep: [!Context two]}, two: end}", "!Context one"),
        json!({"deep": ["end"]}),
        "also inside of lists and mappings, where the reference system leaves them alone"
    );
    assert_eq!(value_refused("{one: !Context two, two: !Context one}", "!Context one"), Code::DEPTH);
}

/// `!Context yes` looks for the text, `!Context [yes]` for the boolean, as YAML 1.1 reads it.
#[test]
fn s30_19_context_keys_by_text_and_by_value() {
    assert_eq!(value("{yes: boolean, 'yes': text}", "!Context yes"), json!("text"));
    assert_eq!(value("{yes: boolean, 'yes': text}", "!Context [yes, none]"), json!("boolean"));
    assert_eq!(value("{}", "!Context [none, 5]"), json!(5));
}

/// A context value may be a `!KeyOf`, read in an entry.
#[test]
fn s30_19_key_of_in_the_context() {
    let mut lab = Lab::new();
    lab.settle(
        r"
version: 1
context: {top: !KeyOf top}
entries:
  - {model: authentik_core.group, identifiers: {name: child}, attrs: {parent: !Context top}}
  - {model: authentik_core.group, id: top, identifiers: {name: top}}
",
    );
    assert_eq!(lab.one(GROUP, "name", "child").targets("parent"), [lab.one(GROUP, "name", "top").id]);
}

/// An entry whose conditions are tags and texts that are all true is applied.
#[test]
fn s30_20_conditions_of_tags_and_texts() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        r"
  - model: authentik_core.group
    conditions: [!Condition [AND, true, true, text], true, text]
    identifiers: {name: there}
  - model: authentik_core.group
    conditions: [!Condition [NAND, true, true, text], true, text]
    identifiers: {name: not there}
",
    ));
    assert_eq!(lab.texts(GROUP, "name"), ["there"]);
}

/// A readable file gives its stripped content, an unreadable one its default or null, with a warning. What lies
/// outside of the allowed folders is refused.
#[test]
fn s30_55_file_readable_missing_and_outside() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("there"), "  content\nof it \n\n").expect("file");
    std::fs::write(folder.path().join("empty"), "").expect("file");
    let mut lab = Lab::new();
    lab.inputs.files = Files::new([folder.path().to_path_buf()]);
    assert_eq!(lab.value_of("{}", "!File there"), json!("content\nof it"));
    assert_eq!(lab.value_of("{}", "!File empty"), json!(""), "an empty file is a value");
    assert_eq!(lab.value_of("{}", "!File [missing, default]"), json!("default"));
    assert_eq!(lab.value_of("{}", "!File missing"), json!(null));
    assert_eq!(lab.judge(&carrier("{}", "!File missing")).codes(), [Code::FILE_MISSING]);
    let judged = lab.refused(&carrier("{}", "!File [/etc/hostname, default]"));
    assert_eq!(only_error(&judged), Code::FILE_DENIED);
}

/// JSON in a text becomes a value; it may come from a tag as well.
#[test]
fn s30_56_parse_json() {
    assert_eq!(value("{}", r#"!ParseJSON '{"foo": ["bar", 1, null]}'"#), json!({"foo": ["bar", 1, null]}));
    assert_eq!(value(r#"{text: '{"a": 1}'}"#, "!ParseJSON [!Context text]"), json!({"a": 1}));
    assert_eq!(value_refused("{}", "!ParseJSON '{'"), Code::PARSE_JSON);
}

/// Elements of lists and mappings, from the end as well, and defaults.
#[test]
fn s30_57_at_index() {
    for (node, expected) in [
        ("!AtIndex [[a, b, c], 1]", json!("b")),
        ("!AtIndex [[a, b, c], -1]", json!("c")),
        ("!AtIndex [{k: v}, k]", json!("v")),
        ("!AtIndex [[a], 5, default]", json!("default")),
        ("!AtIndex [{k: v}, x, !Context d]", json!("context")),
        ("!AtIndex [!Context list, !Context at]", json!("y")),
    ] {
        assert_eq!(value("{d: context, list: [x, y], at: 1}", node), expected, "{node}");
    }
    assert_eq!(value_refused("{}", "!AtIndex [[a], 5]"), Code::AT_INDEX);
    assert_eq!(value_refused("{}", "!AtIndex [[a], b]"), Code::AT_INDEX);
    assert_eq!(value_refused("{}", "!AtIndex [null, 0]"), Code::AT_INDEX);
}

/// A field of an object that was found, also of one that the same documents declare.
#[test]
fn s30_58_at_index_over_find_object() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        r#"
  - model: authentik_core.group
    identifiers: {name: carrier}
    attrs:
      attributes:
        title: !AtIndex [!FindObject [authentik_flows.flow, [slug, a]], title]
        default: !AtIndex [!FindObject [authentik_flows.flow, [slug, a]], layout]
        key: !AtIndex [!FindObject [authentik_flows.flow, [slug, a]], pk]
        none: !FindObject [authentik_flows.flow, [slug, b]]
        stand_in: !AtIndex [!FindObject [authentik_flows.flow, [slug, b]], title, nothing]
  - {model: authentik_flows.flow, identifiers: {slug: a}, attrs: {name: A, title: The flow, designation: recovery}}
"#,
    ));
    let id = lab.one(FLOW, "slug", "a").id;
    assert_eq!(
        lab.attr(GROUP, "name", "carrier", "attributes"),
        json!({"title": "The flow", "default": "stacked", "key": id.to_string(), "none": null, "stand_in": "nothing"})
    );
}

/// Secrets of an object are no part of what `!FindObject` gives.
#[test]
fn s30_58_find_object_shows_no_secret() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        r"
  - {model: authentik_core.user, id: jo, identifiers: {username: jo}, attrs: {name: Jo, password: hunter2}}
  - model: authentik_core.group
    identifiers: {name: carrier}
    attrs: {attributes: {user: !FindObject [authentik_core.user, [username, jo]]}}
",
    ));
    let user = &lab.attr(GROUP, "name", "carrier", "attributes")["user"];
    assert_eq!(user["name"], json!("Jo"));
    assert!(user.get("password").is_none(), "{user}");
}

/// A reference to a later entry works, where the reference system fails.
#[test]
fn s30_62_key_of_a_later_entry_works() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        r"
  - {model: authentik_core.group, identifiers: {name: child}, attrs: {parent: !KeyOf top}}
  - {model: authentik_core.group, id: top, identifiers: {name: top}}
",
    ));
    assert_eq!(lab.one(GROUP, "name", "child").targets("parent"), [lab.one(GROUP, "name", "top").id]);
}

/// Entries whose identities depend on each other cannot be told apart: both places are shown.
#[test]
fn s30_62_entries_that_identify_each_other_are_refused() {
    let (code, judged) = refusal(&entries(
        r"
  - {model: authentik_flows.flowstagebinding, id: one, identifiers: {target: !KeyOf two, stage: !KeyOf two, order: 0}}
  - {model: authentik_flows.flowstagebinding, id: two, identifiers: {target: !KeyOf one, stage: !KeyOf one, order: 0}}
",
    ));
    assert_eq!(code, Code::KEY_OF_CYCLE);
    let places = judged.places(code).join(" ");
    assert!(places.contains("test.yaml:4") && places.contains("test.yaml:5"), "{places}");
}

/// An id that nobody has names the nearest one.
#[test]
fn s30_62_key_of_an_unknown_id() {
    let (code, judged) = refusal(&entries(
        r"
  - {model: authentik_core.group, id: top-group, identifiers: {name: top}}
  - {model: authentik_core.group, identifiers: {name: child}, attrs: {parent: !KeyOf top-gruop}}
",
    ));
    assert_eq!(code, Code::KEY_OF_UNKNOWN);
    let words = judged.words(code);
    assert!(words.contains("top-gruop") && words.contains("top-group"), "{words}");
}

/// An entry that its conditions skip has no object to refer to.
#[test]
fn s30_63_key_of_a_skipped_entry() {
    let (code, judged) = refusal(&entries(
        r"
  - {model: authentik_core.group, id: top, conditions: [no], identifiers: {name: top}}
  - {model: authentik_core.group, identifiers: {name: child}, attrs: {parent: !KeyOf top}}
",
    ));
    assert_eq!(code, Code::KEY_OF_SKIPPED);
    assert!(judged.words(code).contains("conditions"), "{}", judged.report());
    assert_eq!(judged.places(code).len(), 2, "the reference and what it refers to");
}

/// An entry that deletes its object has none to refer to either, whether the object exists or not.
#[test]
fn s30_64_key_of_an_absent_entry() {
    let text = entries(
        r"
  - {model: authentik_core.group, id: top, state: absent, identifiers: {name: top}}
  - {model: authentik_core.group, identifiers: {name: child}, attrs: {parent: !KeyOf top}}
",
    );
    let mut lab = Lab::new();
    assert_eq!(only_error(&lab.refused(&text)), Code::KEY_OF_SKIPPED);
    lab.settle(&entries("- {model: authentik_core.group, identifiers: {name: top}}"));
    assert_eq!(only_error(&lab.refused(&text)), Code::KEY_OF_SKIPPED);
}

/// Lists of the document's context and of the one from outside are joined, mappings merged, scalars replaced.
#[test]
fn s30_68_context_lists_are_joined() {
    let mut lab = Lab::new();
    let outside = Val::from_json(&json!({"list": ["c"], "map": {"b": 2}, "text": "outside", "null": null}));
    let Val::Map(outside) = outside else { panic!("a mapping") };
    lab.inputs.context = outside;
    let context = "{list: [a, b], map: {a: 1, b: 1}, text: inside, 'null': 5}";
    assert_eq!(lab.value_of(context, "!Context list"), json!(["a", "b", "c"]));
    assert_eq!(lab.value_of(context, "!Context map"), json!({"a": 1, "b": 2}));
    assert_eq!(lab.value_of(context, "!Context text"), json!("outside"));
    assert_eq!(lab.value_of(context, "!Context 'null'"), json!(null));
}

/// An enumeration opens its round also where it is an argument of another tag, or what another one goes over.
#[test]
fn s30_69_enumerate_as_an_argument() {
    let inner = r#"!Enumerate [[a, b], SEQ, !Format ["%s%s", !Value 0, !Index 0]]"#;
    assert_eq!(value("{}", &format!("!Format [\"%s\", {inner}]")), json!("['a0', 'b1']"));
    assert_eq!(value("{}", &format!("!Condition [AND, {inner}]")), json!(true));
    assert_eq!(value("{}", &format!("!If [{inner}, yes, no]")), json!(true));
    assert_eq!(
        value("{}", &format!("!Enumerate [{inner}, SEQ, !Format [\"<%s>\", !Value 0]]")),
        json!(["<a0>", "<b1>"])
    );
    assert_eq!(
        value("{}", "!Enumerate [[1, 2], SEQ, !Format [\"%s\", !Enumerate [[a], SEQ, [!Value 0, !Value 1]]]]"),
        json!(["[['a', 1]]", "[['a', 2]]"])
    );
}

/// `!Env NAME, default` reads a variable of that whole name, which nobody means: the warning carries the fix.
#[test]
fn s30_85_env_with_a_default_in_scalar_form() {
    let mut lab = Lab::new();
    lab.inputs.environment = Environment::new(BTreeMap::new(), BTreeMap::new(), &["*".to_owned()]).expect("globs");
    let judged = lab.judge(&carrier("{}", "!Env S30_NAME, fallback"));
    assert_eq!(judged.codes(), [Code::ENV_INLINE_DEFAULT, Code::ENV_MISSING], "{}", judged.report());
    let fix = judged.found[0].fix.as_ref().expect("a fix");
    assert_eq!(fix.edits[0].replacement, "!Env [S30_NAME, fallback]");
}

/// Too few and too many arguments, a conversion that does not fit, and a lone sign.
#[test]
fn more_format_mistakes() {
    for node in [
        r#"!Format ["%s %s", a]"#,
        r#"!Format ["%s", a, b]"#,
        r#"!Format ["%d", a]"#,
        r#"!Format ["100%"]"#,
        r#"!Format ["%q", a]"#,
    ] {
        assert_eq!(value_refused("{}", node), Code::FORMAT_MISMATCH, "{node}");
    }
    assert_eq!(value("{}", r#"!Format ["%s %s %s %d%%", null, true, 1.5, 7]"#), json!("None True 1.5 7%"));
}
