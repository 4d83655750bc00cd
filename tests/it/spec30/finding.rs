//! `!Find`: over what is stored and over what the documents declare, and what it says when there is no database.

use gatewright::base::diagnostic::Code;
use serde_json::{Value, json};

use super::{FLOW, GROUP, only_error, refusal};
use crate::support::lab::{Lab, entries};

/// Stores what a `!Find` gives as an attribute of a group.
fn carrier(find: &str) -> String {
    format!(
        "- {{model: authentik_core.group, identifiers: {{name: carrier}}, attrs: {{attributes: {{found: {find}}}}}}}\n"
    )
}

fn found(lab: &Lab) -> Value {
    lab.attr(GROUP, "name", "carrier", "attributes")["found"].clone()
}

const WORLD: &str = r"
version: 1
entries:
  - {model: authentik_flows.flow, id: f, identifiers: {slug: f}, attrs: {name: Flow, title: The Flow, designation: recovery}}
  - {model: authentik_stages_user_login.userloginstage, id: s, identifiers: {name: login}}
  - {model: authentik_flows.flowstagebinding, id: b, identifiers: {target: !KeyOf f, stage: !KeyOf s, order: 7}}
  - {model: authentik_core.group, id: top, identifiers: {name: top}, attrs: {attributes: {team: {colour: red}, tags: [x, y]}}}
  - {model: authentik_core.group, id: sub, identifiers: {name: sub}, attrs: {parent: !KeyOf top}}
  - {model: authentik_core.user, id: jo, identifiers: {username: jo}, attrs: {name: Jo, email: Jo@Example.com, groups: [!KeyOf sub]}}
";

/// Every path and lookup gives the same whether the objects are stored, or declared by another document of the run.
#[test]
fn more_find_over_stored_and_declared_objects() {
    for (find, kind, field, value) in [
        ("[authentik_flows.flow, [slug, f]]", FLOW, "slug", "f"),
        ("[authentik_flows.flow, [title, The Flow]]", FLOW, "slug", "f"),
        ("[authentik_flows.flow, [name__iexact, fLOW]]", FLOW, "slug", "f"),
        ("[authentik_flows.flow, [title__startswith, The], [designation, recovery]]", FLOW, "slug", "f"),
        ("[authentik_flows.flow, [slug__in, [e, f]]]", FLOW, "slug", "f"),
        ("[authentik_flows.stage, [name, login]]", "authentik_stages_user_login.userloginstage", "name", "login"),
        ("[authentik_core.group, [parent__name, top]]", GROUP, "name", "sub"),
        ("[authentik_core.group, [parent__isnull, true], [attributes__team__colour, red]]", GROUP, "name", "top"),
        ("[authentik_core.group, [attributes, {team: {colour: red}, tags: [y]}]]", GROUP, "name", "top"),
        ("[authentik_core.group, [attributes__tags__contains, [x]]]", GROUP, "name", "top"),
        ("[authentik_core.group, [users__username, jo]]", GROUP, "name", "sub"),
        ("[authentik_core.group, [parent, !Find [authentik_core.group, [name, top]]]]", GROUP, "name", "sub"),
        ("[authentik_flows.flow, [flowstagebinding__stage__name, login]]", FLOW, "slug", "f"),
    ] {
        let text = entries(&carrier(&format!("!Find {find}")));
        let mut together = Lab::new();
        let judged = together.settle_all(&[("a.yaml", &text), ("world.yaml", WORLD)]);
        assert!(judged.found.is_empty(), "{find}: {}", judged.report());
        let mut apart = Lab::new();
        apart.settle(WORLD);
        apart.settle(&text);
        for (lab, how) in [(together, "declared"), (apart, "stored")] {
            assert_eq!(found(&lab), json!(lab.one(kind, field, value).id.to_string()), "{find}, {how}");
        }
    }
}

/// Users are found as their numbers, by a relation that is a list.
#[test]
fn more_find_through_a_list_of_references() {
    for find in [
        "!Find [authentik_core.user, [groups__name, sub]]",
        "!Find [authentik_core.user, [email__iexact, jo@example.com]]",
        "!Find [authentik_core.user, [groups__parent__name, top]]",
        "!Find [authentik_core.user, [groups, !Find [authentik_core.group, [name, sub]]]]",
    ] {
        let text = entries(&carrier(find));
        let mut lab = Lab::new();
        lab.settle_all(&[("a.yaml", &text), ("world.yaml", WORLD)]);
        assert_eq!(found(&lab), json!(lab.one("authentik_core.user", "username", "jo").number), "{find}");
    }
}

/// `!Find` sees the state that the run leaves behind: new values, and not what goes.
#[test]
fn more_find_sees_the_planned_state() {
    let mut lab = Lab::new();
    lab.settle(WORLD);
    let top = lab.one(GROUP, "name", "top").id;
    let renamed = format!("- {{model: authentik_core.group, identifiers: {{pk: {top}}}, attrs: {{name: renamed}}}}\n");
    let mut after = lab.clone();
    after.settle(&entries(&format!("{}{renamed}", carrier("!Find [authentik_core.group, [name, renamed]]"))));
    assert_eq!(found(&after), json!(top.to_string()));
    let mut after = lab.clone();
    after.apply(&entries(&format!("{}{renamed}", carrier("!Find [authentik_core.group, [name, top]]"))));
    assert_eq!(found(&after), json!(null), "the old name is gone");
    let gone = "- {model: authentik_flows.flow, state: absent, identifiers: {slug: f}}\n";
    lab.apply(&entries(&format!("{}{gone}", carrier("!Find [authentik_flows.flow, [slug, f]]"))));
    assert_eq!(found(&lab), json!(null), "so is what is deleted");
}

/// Nothing found is null; in a reference field that is worth a warning, and an error where the field needs an object.
#[test]
fn more_find_nothing() {
    let mut lab = Lab::new();
    let judged = lab.settle(&entries(
        "- {model: authentik_core.group, identifiers: {name: g}, attrs: {parent: !Find [authentik_core.group, [name, nobody]]}}",
    ));
    assert_eq!(judged.codes(), [Code::FIND_NOTHING]);
    let (code, _) = refusal(&entries(
        "- {model: authentik_core.token, identifiers: {identifier: t}, \
         attrs: {intent: api, user: !Find [authentik_core.user, [username, nobody]]}}",
    ));
    assert_eq!(code, Code::REFERENCE_VALUE);
    let judged = lab.settle(&entries(&carrier("!Find [authentik_core.group, [name, nobody]]")));
    assert!(judged.found.is_empty(), "in plain data null is an answer");
}

/// Several matches: the first by name is taken, in every order of the documents, with a warning that names them.
#[test]
fn more_find_several() {
    let flow = |slug: &str| {
        format!(
            "- {{model: authentik_flows.flow, identifiers: {{slug: {slug}}}, attrs: {{name: {slug}, title: T, designation: recovery}}}}\n"
        )
    };
    let carrier = carrier("!Find [authentik_flows.flow, [title, T]]");
    for text in [format!("{}{}{carrier}", flow("a"), flow("b")), format!("{carrier}{}{}", flow("b"), flow("a"))] {
        let mut lab = Lab::new();
        let judged = lab.settle(&entries(&text));
        assert_eq!(judged.codes(), [Code::FIND_SEVERAL]);
        assert_eq!(found(&lab), json!(lab.one(FLOW, "slug", "a").id.to_string()));
    }
}

/// Unknown kinds, fields and shapes are errors, with the nearest name.
#[test]
fn more_find_mistakes() {
    for (find, code, meant) in [
        ("!Find [authentik_flows.folw, [slug, a]]", Code::UNKNOWN_KIND, "authentik_flows.flow"),
        ("!Find [authentik_flows.flow, [slgu, a]]", Code::FIND_FIELD, "slug"),
        ("!Find [authentik_core.group, [parent__nmae, a]]", Code::FIND_FIELD, "name"),
        ("!Find [authentik_flows.flow, slug, a]", Code::TAG_FORM, "!Find [model"),
        ("!Find authentik_flows.flow", Code::TAG_FORM, "!Find [model"),
    ] {
        let (found, judged) = refusal(&entries(&carrier(find)));
        assert_eq!(found, code, "{find}");
        assert!(judged.words(code).contains(meant), "{find}: {}", judged.report());
    }
}

/// The packaged guard of the default brand: it is created only while nobody else has one. Here another document of the same
/// run declares one, in either order of the two.
#[test]
fn more_a_brand_that_is_created_only_if_there_is_no_other() {
    let guarded = r"
version: 1
entries:
  - model: authentik_brands.brand
    conditions: [!Condition [NOR, !Find [authentik_brands.brand, [default, true]]]]
    state: created
    identifiers: {domain: authentik-default, default: true}
";
    let own = r"
version: 1
entries:
  - {model: authentik_brands.brand, identifiers: {domain: own.example}, attrs: {default: true}}
";
    for documents in [[("a.yaml", guarded), ("b.yaml", own)], [("a.yaml", own), ("b.yaml", guarded)]] {
        let mut lab = Lab::new();
        lab.settle_all(&documents);
        assert_eq!(lab.texts("authentik_brands.brand", "domain"), ["own.example"]);
    }
    let mut lab = Lab::new();
    lab.settle(guarded);
    assert_eq!(lab.texts("authentik_brands.brand", "domain"), ["authentik-default"]);
    lab.settle(guarded);
}

/// Two entries that are each there only if the other is not: document order decides, whatever else surrounds them.
#[test]
fn more_entries_that_depend_on_each_others_absence() {
    let guarded = |name: &str, other: &str| {
        format!(
            "- {{model: authentik_core.group, conditions: [!Condition [NOR, !Find [authentik_core.group, [name, {other}]]]], \
             identifiers: {{name: {name}}}}}\n"
        )
    };
    let mut lab = Lab::new();
    lab.settle(&entries(&format!("{}{}", guarded("a", "b"), guarded("b", "a"))));
    assert_eq!(lab.all(GROUP).len(), 1);
}

/// Without a database, what is not declared is unknown: neither there nor absent. Conditions are decided only if every answer
/// leads to the same result.
#[test]
fn more_offline_logic_has_three_values() {
    let mut lab = Lab::new();
    lab.options.offline = true;
    let judge = |condition: &str| {
        // The entry is wrong in a way that shows only when it is not skipped.
        let text = entries(&format!(
            "- {{model: authentik_core.group, conditions: [{condition}], identifiers: {{name: a}}, \
             attrs: {{attributes: !AtIndex [[], 0]}}}}"
        ));
        !lab.judge(&text).errors().is_empty()
    };
    let unknown = "!Find [authentik_core.group, [name, stored]]";
    assert!(judge(unknown), "an entry that may be there is judged");
    assert!(judge(&format!("!Condition [NOR, {unknown}]")));
    assert!(judge(&format!("!Condition [AND, {unknown}, yes]")));
    assert!(!judge(&format!("!Condition [AND, {unknown}, no]")), "false whatever the answer is");
    assert!(judge(&format!("!Condition [OR, {unknown}, yes]")));
    assert!(!judge(&format!("!Condition [NOR, {unknown}, yes]")));
    assert!(judge(&format!("!If [{unknown}]")));
    assert!(!judge(&format!("!If [!Condition [AND, {unknown}, no], yes, no]")));
    assert!(judge("!Find [authentik_core.group, [name, a]]"), "the entry itself may be stored already");
}

/// Offline, references that cannot be followed are no errors, but what is wrong in the document itself is.
#[test]
fn more_offline_judges_what_it_can() {
    let mut lab = Lab::new();
    lab.options.offline = true;
    let fine = entries(
        r"
  - {model: authentik_flows.flowstagebinding, identifiers: {target: !Find [authentik_flows.flow, [slug, stored]], order: 0}}
  - {model: authentik_core.group, identifiers: {pk: 0d8d4a4e-6d5c-4d4f-9d2f-6b1f3f0c8a11}, attrs: {parent: 1d8d4a4e-6d5c-4d4f-9d2f-6b1f3f0c8a11}}
  - {model: authentik_core.group, identifiers: {name: a}, attrs: {parent: !Find [authentik_core.group, [name, stored]]}}
",
    );
    let judged = lab.judge(&fine);
    assert!(judged.found.is_empty(), "{}", judged.report());
    assert!(judged.plan.is_empty(), "offline nothing is planned");
    let wrong = lab.refused(&fine.replace("order: 0", "order: first"));
    assert_eq!(only_error(&wrong), Code::FIELD_VALUE);
}

/// A membership counts for `!Find` at whichever side it is stated, and the stored one only where nobody states another.
#[test]
fn more_find_sees_memberships_of_either_side() {
    let mut lab = Lab::new();
    lab.settle(WORLD);
    let users = "- {model: authentik_core.group, id: new, identifiers: {name: new}, \
                 attrs: {users: [!Find [authentik_core.user, [username, jo]]]}}\n";
    let by_group = carrier("!Find [authentik_core.user, [groups__name, new]]");
    let mut after = lab.clone();
    after.settle(&entries(&format!("{by_group}{users}")));
    assert_eq!(found(&after), json!(lab.one("authentik_core.user", "username", "jo").number));
    let emptied = "- {model: authentik_core.group, identifiers: {name: sub}, attrs: {users: []}}\n";
    for find in ["[authentik_core.user, [groups__name, sub]]", "[authentik_core.group, [users__username, jo]]"] {
        let mut after = lab.clone();
        after.settle(&entries(&format!("{}{emptied}", carrier(&format!("!Find {find}")))));
        assert_eq!(found(&after), json!(null), "{find}");
    }
}

/// A stored object is found by what an entry makes of another one that it refers to.
#[test]
fn more_find_through_a_changed_relation() {
    let mut lab = Lab::new();
    lab.settle(WORLD);
    let top = lab.one(GROUP, "name", "top").id;
    let renamed = format!("- {{model: authentik_core.group, identifiers: {{pk: {top}}}, attrs: {{name: renamed}}}}\n");
    let text = entries(&format!("{}{renamed}", carrier("!Find [authentik_core.group, [parent__name, renamed]]")));
    lab.settle(&text);
    assert_eq!(found(&lab), json!(lab.one(GROUP, "name", "sub").id.to_string()));
}
