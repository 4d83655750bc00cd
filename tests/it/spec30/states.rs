//! What each state does to objects that exist and to those that do not, and what is left alone.

use gatewright::{base::diagnostic::Code, store::changeset::SecretWrite};
use serde_json::json;

use super::{FLOW, GROUP, USER, only_error, refusal};
use crate::support::lab::{Lab, entries};

/// A flow entry of a state.
fn flow(state: &str, title: &str) -> String {
    entries(&format!(
        "- {{model: authentik_flows.flow, state: {state}, identifiers: {{slug: a}}, \
         attrs: {{name: A, title: {title}, designation: recovery}}}}"
    ))
}

fn title(lab: &Lab) -> serde_json::Value {
    lab.attr(FLOW, "slug", "a", "title")
}

fn retitle(lab: &mut Lab, title: &str) {
    lab.by_hand(FLOW, "slug", "a", |flow| {
        flow.attrs.insert("title".to_owned(), json!(title));
    });
}

fn with_conditions(conditions: [&str; 2]) -> String {
    entries(&format!(
        "- {{model: authentik_core.group, conditions: {}, identifiers: {{name: one}}}}\n\
         - {{model: authentik_core.group, conditions: {}, identifiers: {{name: two}}}}",
        conditions[0], conditions[1]
    ))
}

/// All conditions true: both objects come to be.
#[test]
fn s30_31_true_conditions() {
    let mut lab = Lab::new();
    lab.settle(&with_conditions(["[true]", "[true, true]"]));
    assert_eq!(lab.texts(GROUP, "name"), ["one", "two"]);
}

/// One false condition is enough to skip an entry, and the run is fine all the same.
#[test]
fn s30_32_false_conditions() {
    let mut lab = Lab::new();
    let judged = lab.settle(&with_conditions(["[false]", "[true, false]"]));
    assert!(judged.plan.is_empty() && judged.found.is_empty());
    assert!(lab.all(GROUP).is_empty());
}

/// A skipped entry is not resolved, but a slip in what it says literally is a slip all the same.
#[test]
fn s30_32_skipped_entries_are_judged_as_they_are_written() {
    let skipped = |model: &str, rest: &str| entries(&format!("- {{model: {model}, conditions: [no], {rest}}}"));
    let unresolved = "identifiers: {name: !AtIndex [[], 0]}, attrs: {parent: !Find [authentik_core.group, [name, x]]}";
    assert!(Lab::new().judge(&skipped(GROUP, unresolved)).found.is_empty());
    assert_eq!(refusal(&skipped("authentik_core.gruop", unresolved)).0, Code::UNKNOWN_KIND);
    for (rest, code) in [
        ("identifiers: {nmae: x}", Code::IDENTIFIER_FIELD),
        ("attrs: {nmae: x}", Code::UNKNOWN_FIELD),
        ("attrs: {is_superuser: maybe}", Code::FIELD_VALUE),
        ("attrs: {parent: !KeyOf nobody}", Code::KEY_OF_UNKNOWN),
        ("attrs: {parent: [x]}", Code::REFERENCE_VALUE),
        ("attrs: {parent: !Find [authentik_core.gruop, [name, x]]}", Code::UNKNOWN_KIND),
        ("attrs: {parent: !Find [authentik_core.group, [nmae, x]]}", Code::FIND_FIELD),
        ("state: presnet", Code::UNKNOWN_STATE),
    ] {
        assert_eq!(refusal(&skipped(GROUP, rest)).0, code, "{rest}");
    }
}

/// `present` brings back what was changed by hand.
#[test]
fn s30_33_present_restores() {
    let mut lab = Lab::new();
    lab.settle(&flow("present", "Declared"));
    retitle(&mut lab, "By hand");
    let judged = lab.settle(&flow("present", "Declared"));
    assert_eq!(judged.changed_fields(), ["title"]);
    assert_eq!(title(&lab), json!("Declared"));
}

/// `created` leaves alone what was changed by hand, and declares nothing that would have to change.
#[test]
fn s30_34_created_keeps() {
    let mut lab = Lab::new();
    lab.settle(&flow("created", "Declared"));
    assert_eq!(title(&lab), json!("Declared"));
    retitle(&mut lab, "By hand");
    let judged = lab.settle(&flow("created", "Declared"));
    assert!(judged.plan.is_empty());
    assert_eq!(title(&lab), json!("By hand"));
}

/// `created` is still judged when the object exists.
#[test]
fn s30_34_created_is_judged_also_when_it_exists() {
    let mut lab = Lab::new();
    lab.settle(&flow("created", "Declared"));
    let judged = lab.refused(&flow("created", "[not, a, title]"));
    assert_eq!(only_error(&judged), Code::FIELD_VALUE);
}

/// `absent` deletes; one for an object that never was is fine, and says so.
#[test]
fn s30_35_absent_deletes() {
    let mut lab = Lab::new();
    lab.settle(&flow("present", "Declared"));
    let absent = entries(
        "- {model: authentik_flows.flow, state: absent, identifiers: {slug: a}}\n\
         - {model: authentik_policies_dummy.dummypolicy, state: absent, identifiers: {name: never}}",
    );
    let judged = lab.settle(&absent);
    assert_eq!(judged.changes(), ["- authentik_flows.flow a"]);
    assert_eq!(judged.codes(), [Code::ABSENT_IGNORED]);
    assert!(lab.all(FLOW).is_empty());
}

/// Identifiers alone suffice for `absent`; attributes beside them are not judged, as old files carry dummies.
#[test]
fn s30_35_absent_needs_no_attributes() {
    let mut lab = Lab::new();
    lab.settle(&flow("present", "Declared"));
    lab.settle(&flow("absent", "[not, a, title]"));
    assert!(lab.all(FLOW).is_empty());
}

/// `must_created` refuses an object that exists, also when the state comes from a tag.
#[test]
fn s30_52_must_created_refuses_what_exists() {
    let mut lab = Lab::new();
    lab.apply(&flow("must_created", "New"));
    for state in ["must_created", "!Format [\"must_%s\", created]"] {
        let judged = lab.refused(&flow(state, "New"));
        assert_eq!(only_error(&judged), Code::ALREADY_EXISTS);
        assert!(judged.plan.is_empty());
    }
}

/// Two entries that must both create one object cannot both be right.
#[test]
fn s30_52_must_created_twice_in_one_run() {
    let twice = entries(
        "- {model: authentik_core.group, state: must_created, identifiers: {name: a}}\n\
         - {model: authentik_core.group, state: must_created, identifiers: {name: a}}",
    );
    let (code, judged) = refusal(&twice);
    assert_eq!(code, Code::ALREADY_EXISTS);
    assert_eq!(judged.places(code), ["test.yaml:4", "test.yaml:3"]);
}

/// `!KeyOf` an entry whose object was there already.
#[test]
fn s30_61_key_of_a_created_entry_that_existed() {
    let mut lab = Lab::new();
    let top = entries("- {model: authentik_core.group, identifiers: {name: top}}");
    lab.settle(&top);
    lab.settle(&entries(
        "- {model: authentik_core.group, id: top, state: created, identifiers: {name: top}}\n\
         - {model: authentik_core.group, identifiers: {name: child}, attrs: {parent: !KeyOf top}}",
    ));
    assert_eq!(lab.one(GROUP, "name", "child").targets("parent"), [lab.one(GROUP, "name", "top").id]);
}

/// An attribute that leaves the file keeps its value. Undoing it is for whoever owns the field, not for the engine.
#[test]
fn s30_70_a_removed_attribute_keeps_its_value() {
    let mut lab = Lab::new();
    lab.settle(&entries("- {model: authentik_core.group, identifiers: {name: a}, attrs: {is_superuser: true}}"));
    let judged = lab.settle(&entries("- {model: authentik_core.group, identifiers: {name: a}}"));
    assert!(judged.plan.is_empty());
    assert_eq!(lab.attr(GROUP, "name", "a", "is_superuser"), json!(true));
}

/// An identifier that is no field is an error in every state.
#[test]
fn s30_76_absent_with_an_identifier_that_is_no_field() {
    for state in ["absent", "present", "created", "must_created"] {
        let text = format!("- {{model: authentik_core.group, state: {state}, identifiers: {{nmae: a}}}}");
        let (code, judged) = refusal(&entries(&text));
        assert_eq!(code, Code::IDENTIFIER_FIELD, "{state}");
        assert!(judged.words(code).contains("`name`"), "{}", judged.report());
    }
}

/// A state that does not exist names the nearest.
#[test]
fn more_unknown_states() {
    let (code, judged) = refusal(&entries("- {model: authentik_core.group, state: abesnt, identifiers: {name: a}}"));
    assert_eq!(code, Code::UNKNOWN_STATE);
    assert!(judged.words(code).contains("`absent`"), "{}", judged.report());
}

const SECRETS: &str = r"
  - model: authentik_core.user
    id: jo
    identifiers: {username: jo}
    attrs: {name: Jo, password: hunter2, attributes: {a: [1, {b: 2}]}, groups: [!KeyOf staff]}
  - {model: authentik_core.group, id: staff, identifiers: {name: staff}}
  - model: authentik_core.token
    identifiers: {identifier: jo-token}
    attrs: {user: !KeyOf jo, intent: api, key: the-key}
";

/// Nothing of a second run is written: not the password, not the token's key or expiry, not a list in another order.
#[test]
fn s30_79_a_second_run_writes_nothing() {
    let mut lab = Lab::new();
    let first = lab.settle(&entries(SECRETS));
    assert_eq!(first.plan.counts().create, 3);
    let expires = lab.attr("authentik_core.token", "identifier", "jo-token", "expires");
    let again = lab.judge(&entries(SECRETS));
    assert!(again.plan.changes.is_empty() && again.plan.preconditions.is_empty());
    assert_eq!(again.plan.unchanged, 3);
    assert_eq!(lab.attr("authentik_core.token", "identifier", "jo-token", "expires"), expires);
}

/// Another password is one change of one field, which shows neither the old nor the new one.
#[test]
fn s30_79_a_changed_secret_is_one_change() {
    let mut lab = Lab::new();
    lab.settle(&entries(SECRETS));
    let judged = lab.settle(&entries(&SECRETS.replace("hunter2", "correct horse")));
    assert_eq!(judged.changed_fields(), ["password"]);
    assert!(matches!(&judged.plan.changes[0].secrets["password"], SecretWrite::Hash(text) if text == "correct horse"));
    let shown = format!("{:?}", judged.plan);
    assert!(!shown.contains("correct horse") && !shown.contains("hunter2"));
}

/// A reference list has no order, so another order is no change.
#[test]
fn s30_79_lists_of_references_have_no_order() {
    let members = |list: &str| {
        entries(&format!(
            "- {{model: authentik_core.group, id: a, identifiers: {{name: a}}}}\n\
             - {{model: authentik_core.group, id: b, identifiers: {{name: b}}}}\n\
             - {{model: authentik_core.user, identifiers: {{username: jo}}, attrs: {{name: Jo, groups: [{list}]}}}}"
        ))
    };
    let mut lab = Lab::new();
    lab.settle(&members("!KeyOf a, !KeyOf b"));
    assert!(lab.judge(&members("!KeyOf b, !KeyOf a, !KeyOf b")).plan.is_empty());
    let judged = lab.settle(&members("!KeyOf b"));
    assert_eq!(judged.changed_fields(), ["groups"], "the list replaces what is stored");
    assert_eq!(lab.one(USER, "username", "jo").targets("groups"), [lab.one(GROUP, "name", "b").id]);
    lab.settle(&members(""));
    assert!(lab.one(USER, "username", "jo").targets("groups").is_empty(), "an empty list clears");
}

/// Permissions that a file does not name stay as they are.
#[test]
fn s30_82_permissions_that_are_not_named_stay() {
    let holders = |permissions: &str| {
        entries(&format!(
            "- {{model: authentik_rbac.role, identifiers: {{name: r}}, attrs: {{{permissions}}}}}\n\
             - {{model: authentik_core.user, identifiers: {{username: jo}}, attrs: {{name: Jo, {permissions}}}}}"
        ))
    };
    let mut lab = Lab::new();
    lab.settle(&holders("permissions: [authentik_core.view_user]"));
    assert!(lab.settle(&holders("")).plan.is_empty());
    assert_eq!(lab.attr("authentik_rbac.role", "name", "r", "permissions"), json!(["authentik_core.view_user"]));
    lab.settle(&holders("permissions: []"));
    assert_eq!(lab.attr(USER, "username", "jo", "permissions"), json!([]), "an empty list takes them away");
}
