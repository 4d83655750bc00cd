use serde_json::{Value as Json, json};

use super::{Edit, Editor, Operation, Step, Why, edits};

fn path(text: &str) -> Vec<Step> {
    let step = |part: &str| part.parse().map_or_else(|_| Step::Key(part.to_owned()), Step::Index);
    text.split('/').filter(|part| !part.is_empty()).map(step).collect()
}

fn set(at: &str, value: Json) -> Edit {
    Edit { path: path(at), operation: Operation::Set(serde_yaml::to_value(value).expect("a value")) }
}

fn insert(at: &str, value: Json) -> Edit {
    Edit { path: path(at), operation: Operation::Insert(serde_yaml::to_value(value).expect("a value")) }
}

fn remove(at: &str) -> Edit {
    Edit { path: path(at), operation: Operation::Remove }
}

#[track_caller]
fn check(cases: &[(&str, Edit, &str)]) {
    for (text, edit, expected) in cases {
        let mut editor = Editor::new(text).expect("a document");
        let made = editor.make(edit, &["!Find", "!KeyOf"]);
        assert_eq!(made, Ok(()), "{edit:?} in\n{text}");
        assert_eq!(editor.text(), *expected, "{edit:?} in\n{text}");
    }
}

#[test]
fn scalars_keep_their_style() {
    check(&[
        ("a: 1 # one\nb: 2\n", set("a", json!(3)), "a: 3 # one\nb: 2\n"),
        ("a: \"x\"  # note\n", set("a", json!("it's")), "a: \"it's\"  # note\n"),
        ("a: 'x'\n", set("a", json!("it's")), "a: 'it''s'\n"),
        ("a: x\n", set("a", json!("no")), "a: \"no\"\n"),
        ("a: x\n", set("a", json!("1:30")), "a: \"1:30\"\n"),
        ("a: x\n", set("a", json!("two words")), "a: two words\n"),
        ("a: 'x'\n", set("a", json!(false)), "a: false\n"),
        ("a:\nb: 2\n", set("a", json!(1)), "a: 1\nb: 2\n"),
        ("a: # none\nb: 2\n", set("a", json!("x")), "a: x # none\nb: 2\n"),
        ("a: {b: [1, x]}\n", set("a/b/1", json!("y, z")), "a: {b: [1, \"y, z\"]}\n"),
        ("- a: x\n  b: y\n", set("0/a", json!(null)), "- a: null\n  b: y\n"),
        ("a: x\r\nb: y\r\n", set("a", json!("1\n2\n")), "a: |\r\n  1\r\n  2\r\nb: y\r\n"),
        ("k:\n    a: x\n", set("k/a", json!("1\n2")), "k:\n    a: |-\n      1\n      2\n"),
        ("a: x # c\n", set("a", json!("1\n2")), "a: \"1\\n2\" # c\n"),
        (
            "k:\n  a: | # code\n     one\n\n     two\n  b: 1\n",
            set("k/a", json!("one\n  2\n")),
            "k:\n  a: | # code\n     one\n       2\n  b: 1\n",
        ),
        ("a: >\n  one\n  two\nb: 1\n", set("a", json!("short")), "a: short\nb: 1\n"),
        ("a: |+\n  one\n\nb: 1\n", set("a", json!("two\nthree\n")), "a: |\n  two\n  three\n\nb: 1\n"),
        ("a: !Find [x, [y, z]] # f\n", set("a", json!(null)), "a: null # f\n"),
    ]);
}

#[test]
fn collections_keep_their_layout() {
    check(&[
        ("a:\n  b: 1 # c\nd: 2\n", set("a/x", json!({"w": 1})), "a:\n  b: 1 # c\n  x:\n    w: 1\nd: 2\n"),
        ("a: {b: 1}\n", set("a/x", json!("w")), "a: {b: 1, x: w}\n"),
        ("a: {b: 1,}\n", set("a/x", json!("w")), "a: {b: 1, x: w}\n"),
        ("a: {}\n", set("a/x/w", json!("z")), "a:\n  x:\n    w: z\n"),
        ("a: {} # c\n", set("a/x", json!("z")), "a: {x: z} # c\n"),
        ("- m: 1\n- m: 2\n", set("0/attrs/x", json!([1])), "- m: 1\n  attrs:\n    x:\n      - 1\n- m: 2\n"),
        ("a:\n  {\n    b: 1 # c\n  }\n", set("a/x", json!(2)), "a:\n  {\n    b: 1, # c\n    x: 2\n  }\n"),
        ("a:\n- 1\n- 2 # two\n", insert("a/2", json!(3)), "a:\n- 1\n- 2 # two\n- 3\n"),
        ("a:\n  - 1\n  - 2\n", insert("a/1", json!({"x": 1, "w": 2})), "a:\n  - 1\n  - x: 1\n    w: 2\n  - 2\n"),
        ("a: [1, 2]\n", insert("a/0", json!("x")), "a: [x, 1, 2]\n"),
        ("a: [1, 2]\n", insert("a/2", json!("x")), "a: [1, 2, x]\n"),
        ("a: [\n  1,\n  2, # c\n]\n", insert("a/2", json!(3)), "a: [\n  1,\n  2, # c\n  3,\n]\n"),
        ("a: []\n", insert("a/0", json!(3)), "a:\n  - 3\n"),
        ("a: [1, 2, 3]\n", remove("a/1"), "a: [1, 3]\n"),
        ("a: [1, 2, 3]\n", remove("a/2"), "a: [1, 2]\n"),
        ("a: [1]\n", remove("a/0"), "a: []\n"),
        ("a:\n  - 1 # c\n  # keep\n  - 2\n", remove("a/0"), "a:\n  # keep\n  - 2\n"),
        ("a:\n  - 1 # c\nb: 1\n", remove("a/0"), "a: []\nb: 1\n"),
        ("a: # all\n  # one\n  - 1\nb: 1\n", remove("a/0"), "a: [] # all\n  # one\nb: 1\n"),
        ("a:\n  b: 1\n  c:\n    - 2\nd: 1", remove("a/c"), "a:\n  b: 1\nd: 1"),
        ("a:\n  b: 1\n  c: 2", remove("a/c"), "a:\n  b: 1"),
        ("a:\n  b: 1\nc: 2\n", remove("a/b"), "a: {}\nc: 2\n"),
        ("- b: 1\n  c: 2\n", remove("0/b"), "- c: 2\n"),
        ("a: {b: 1, c: 2}\n", remove("a/b"), "a: {c: 2}\n"),
        ("a: {\n  b: 1, # c\n  c: 2\n}\n", remove("a/b"), "a: {\n  c: 2\n}\n"),
        ("a:\n- 1\nb: 1\n", set("a", json!({"x": 1})), "a:\n  x: 1\nb: 1\n"),
        ("a: x\nb: 1\n", set("a", json!({"x": [1]})), "a:\n  x:\n    - 1\nb: 1\n"),
    ]);
}

#[test]
fn what_is_not_written_there_is_not_written_over() {
    let cases = [
        ("a: !Env X\n", set("a", json!(1)), Why::Tag("!Env".into())),
        ("a: [!Context x]\n", set("a", json!(1)), Why::Tag("!Context".into())),
        ("a: !Find [m, [n, !Context x]]\n", set("a", json!(1)), Why::Tag("!Context".into())),
        ("a: !If [x, {b: 1}, {}]\n", set("a/b", json!(1)), Why::Tag("!If".into())),
        ("a: !!str 5\n", set("a", json!("6")), Why::Tag("!!str".into())),
        ("x: &x 1\na: *x\n", set("a", json!(2)), Why::Alias),
        ("x: &x 1\na: *x\n", set("x", json!(2)), Why::Shared),
        ("x: &x {b: 1}\na: *x\n", set("x/b", json!(2)), Why::Shared),
        ("x: &x {b: 1}\na: {<<: *x, c: 2}\n", set("a/b", json!(2)), Why::Merged),
        ("a:\n  # why\n  - 1\n  # and\n  - 2\n", set("a", json!(2)), Why::Comments),
        ("a: 1\nb: 0\na: 2\n", remove("a"), Why::Shared),
    ];
    for (text, edit, why) in cases {
        let mut editor = Editor::new(text).expect("a document");
        let refused = editor.make(&edit, &["!Find", "!KeyOf"]).expect_err(text);
        assert_eq!(refused.why, why, "{text}");
        assert_eq!(editor.text(), text);
    }
    // An anchor that nothing else uses is no obstacle, nor is one around the place.
    check(&[
        ("x: &x 1\n", set("x", json!(2)), "x: &x 2\n"),
        ("x: &x {b: 1}\na: {<<: *x, b: 2}\n", set("a/b", json!(3)), "x: &x {b: 1}\na: {<<: *x, b: 3}\n"),
    ]);
}

#[test]
fn the_smallest_edits_lead_from_one_value_to_another() {
    let text = "a:\n  # first\n  list:\n    - one # 1\n    - two\n    # third\n    - {k: 1, l: [x], m: 0}\n  gone: 1\n  kept: !Env X\n";
    let before = json!({"list": ["one", "two", {"k": 1, "l": ["x"], "m": 0}], "gone": 1, "kept": "from outside"});
    let after =
        json!({"list": ["zero", "one", {"k": 2, "l": ["x", "z"], "m": 0}], "kept": "from outside", "new": null});
    let mut editor = Editor::new(text).expect("a document");
    let made: Result<Vec<Edit>, serde_yaml::Error> =
        edits(&path("a"), &before, &after, &mut |value| serde_yaml::to_value(value));
    for edit in made.expect("edits") {
        editor.make(&edit, &[]).unwrap_or_else(|refused| panic!("{edit:?}: {refused:?}\n{}", editor.text()));
    }
    let expected = "a:\n  # first\n  list:\n    - zero\n    - one # 1\n    # third\n    - {k: 2, l: [x, z], m: 0}\n  kept: !Env X\n  new: null\n";
    assert_eq!(editor.text(), expected);
}
