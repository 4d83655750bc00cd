//! Entries that want different things, uniqueness, memberships seen from both sides, and what goes with a deleted object.

use gatewright::base::diagnostic::Code;
use serde_json::json;

use super::{FLOW, GROUP, USER, only_error, refusal};
use crate::support::lab::{Lab, entries};

fn group(more: &str) -> String {
    entries(&format!("- {{model: authentik_core.group, identifiers: {{name: g}}{more}}}"))
}

/// Two documents set one field to different values: an error that shows both places.
#[test]
fn more_conflicts_show_both_places() {
    let documents = [
        ("a.yaml", &*group(", attrs: {is_superuser: true, attributes: {a: 1}}")),
        ("b.yaml", &*group(", attrs: {is_superuser: false, attributes: {a: 1}}")),
    ];
    let judged = Lab::new().refused_all(&documents);
    assert_eq!(judged.codes(), [Code::CONFLICT], "equal values are no conflict");
    assert!(judged.words(Code::CONFLICT).contains("`is_superuser`"));
    let mut places = judged.places(Code::CONFLICT);
    places.sort();
    assert_eq!(places, ["a.yaml:3", "b.yaml:3"]);
}

/// Fields of one object may be spread over entries and documents.
#[test]
fn more_entries_of_one_object_add_up() {
    let mut lab = Lab::new();
    let judged = lab.settle_all(&[
        ("a.yaml", &group(", attrs: {is_superuser: true}")),
        ("b.yaml", &group(", attrs: {attributes: {a: 1}}")),
        ("c.yaml", &group("")),
    ]);
    assert_eq!(judged.changes(), ["+ authentik_core.group g"]);
    assert_eq!(judged.plan.changes[0].places.len(), 3);
    let g = lab.one(GROUP, "name", "g");
    assert_eq!((&g.attrs["is_superuser"], &g.attrs["attributes"]), (&json!(true), &json!({"a": 1})));
}

/// With `--last-wins` the order of the arguments decides, and the conflict is a warning.
#[test]
fn more_last_wins() {
    let (on, off) = (group(", attrs: {is_superuser: true}"), group(", attrs: {is_superuser: false}"));
    for (first, second, expected) in [(&on, &off, false), (&off, &on, true)] {
        let mut lab = Lab::new();
        lab.options.last_wins = true;
        let judged = lab.settle_all(&[("z.yaml", first), ("a.yaml", second)]);
        assert_eq!(judged.codes(), [Code::CONFLICT_LAST_WINS]);
        assert_eq!(lab.attr(GROUP, "name", "g", "is_superuser"), json!(expected));
    }
}

/// What `created` says counts only where nobody else says anything.
#[test]
fn more_created_gives_way() {
    for backwards in [false, true] {
        let mut documents = [
            ("a.yaml", group(", state: created, attrs: {is_superuser: true, attributes: {a: 1}}")),
            ("b.yaml", group(", attrs: {is_superuser: false}")),
        ];
        if backwards {
            let (one, other) = documents.split_at_mut(1);
            std::mem::swap(&mut one[0].1, &mut other[0].1);
        }
        let mut lab = Lab::new();
        lab.settle_all(&documents.each_ref().map(|(name, text)| (*name, text.as_str())));
        let g = lab.one(GROUP, "name", "g");
        assert_eq!((&g.attrs["is_superuser"], &g.attrs["attributes"]), (&json!(false), &json!({"a": 1})));
    }
}

/// One object cannot be both there and not there.
#[test]
fn more_present_and_absent() {
    let judged = Lab::new().refused_all(&[("a.yaml", &group("")), ("b.yaml", &group(", state: absent"))]);
    assert_eq!(only_error(&judged), Code::PRESENT_AND_ABSENT);
    assert_eq!(judged.places(Code::PRESENT_AND_ABSENT), ["b.yaml:3", "a.yaml:3"]);
}

/// Entries with different identifiers that end up with the same unique value.
#[test]
fn more_unique_values_of_new_objects() {
    let provider = |name: &str| {
        format!(
            "- {{model: authentik_providers_oauth2.oauth2provider, identifiers: {{name: {name}}}, \
             attrs: {{authorization_flow: !KeyOf f, invalidation_flow: !KeyOf f, client_id: same}}}}\n"
        )
    };
    let (code, judged) = refusal(&entries(&format!(
        "- {{model: authentik_flows.flow, id: f, identifiers: {{slug: f}}, attrs: {{name: F, title: F, designation: recovery}}}}\n{}{}",
        provider("one"),
        provider("two")
    )));
    assert_eq!(code, Code::KEY_TAKEN);
    assert!(judged.words(code).contains("client_id"), "{}", judged.report());
    let mut places = judged.places(code);
    places.sort();
    assert_eq!(places, ["test.yaml:4", "test.yaml:5"]);
}

/// A stored object that no entry is about may have the value; it may also give it up or go in the same run.
#[test]
fn more_unique_values_of_stored_objects() {
    let mut lab = Lab::new();
    lab.settle(&entries("- {model: authentik_core.group, identifiers: {name: a}}\n- {model: authentik_core.group, identifiers: {name: b}}"));
    let (a, b) = (lab.one(GROUP, "name", "a").id, lab.one(GROUP, "name", "b").id);
    let rename = |id, name: &str| {
        format!("- {{model: authentik_core.group, identifiers: {{pk: {id}}}, attrs: {{name: {name}}}}}\n")
    };
    assert_eq!(only_error(&lab.refused(&entries(&rename(a, "b")))), Code::KEY_TAKEN);
    let mut swapped = lab.clone();
    swapped.settle(&entries(&format!("{}{}", rename(a, "b"), rename(b, "a"))));
    assert_eq!(swapped.one(GROUP, "name", "b").id, a, "two objects can swap their names");
    lab.settle(&entries(&format!(
        "{}- {{model: authentik_core.group, state: absent, identifiers: {{pk: {b}}}}}",
        rename(a, "b")
    )));
    assert_eq!(lab.one(GROUP, "name", "b").id, a, "and take that of one that goes");
}

/// A provider belongs to one application.
#[test]
fn more_one_to_one_references() {
    let applications = r"
  - {model: authentik_flows.flow, id: f, identifiers: {slug: f}, attrs: {name: F, title: F, designation: recovery}}
  - {model: authentik_providers_saml.samlprovider, id: p, identifiers: {name: p}, attrs: {authorization_flow: !KeyOf f, invalidation_flow: !KeyOf f, acs_url: 'https://a.example'}}
  - {model: authentik_core.application, identifiers: {slug: one}, attrs: {name: One, provider: !KeyOf p}}
";
    let (code, judged) = refusal(&entries(&format!(
        "{applications}  - {{model: authentik_core.application, identifiers: {{slug: two}}, attrs: {{name: Two, provider: !KeyOf p}}}}"
    )));
    assert_eq!(code, Code::UNIQUE_TARGET);
    assert_eq!(judged.places(code).len(), 2);
    let mut lab = Lab::new();
    lab.settle(&entries(applications));
    let moved = "- {model: authentik_core.application, identifiers: {slug: two}, attrs: {name: Two, provider: !Find [authentik_core.provider, [name, p]]}}\n";
    assert_eq!(only_error(&lab.refused(&entries(moved))), Code::UNIQUE_TARGET);
    lab.settle(&entries(&format!(
        "{moved}- {{model: authentik_core.application, identifiers: {{slug: one}}, attrs: {{provider: null}}}}"
    )));
    assert!(lab.one("authentik_core.application", "slug", "one").targets("provider").is_empty());
}

/// Users `a`, `b` and `c`, each with more attributes.
fn users(more: [&str; 3]) -> String {
    ["a", "b", "c"]
        .iter()
        .zip(more)
        .map(|(name, more)| format!("- {{model: authentik_core.user, id: {name}, identifiers: {{username: {name}}}, attrs: {{name: N{more}}}}}\n"))
        .collect()
}

fn members(lab: &Lab) -> Vec<String> {
    let group = lab.one(GROUP, "name", "g").id;
    let mut names: Vec<String> = lab
        .all(USER)
        .iter()
        .filter(|user| user.targets("groups").contains(&group))
        .filter_map(|user| user.text("username"))
        .collect();
    names.sort();
    names
}

fn group_of(list: &str) -> String {
    format!("- {{model: authentik_core.group, id: g, identifiers: {{name: g}}, attrs: {{users: [{list}]}}}}\n")
}

/// The members of a group are those that it lists: others go, in whatever way they came.
#[test]
fn more_group_users_replace_the_membership() {
    let mut lab = Lab::new();
    lab.settle(&entries(&format!("{}{}", users(["", "", ""]), group_of("!KeyOf a, !KeyOf b"))));
    assert_eq!(members(&lab), ["a", "b"]);
    let judged = lab.settle(&entries(&format!("{}{}", users(["", "", ""]), group_of("!KeyOf b, !KeyOf c"))));
    assert_eq!(members(&lab), ["b", "c"]);
    assert_eq!(judged.changes(), ["~ authentik_core.group g"], "the change is shown once, at the group");
    lab.settle(&entries(&format!("{}{}", users(["", "", ""]), group_of(""))));
    assert!(members(&lab).is_empty());
    let left_alone = entries("- {model: authentik_core.group, identifiers: {name: g}}");
    lab.settle(&entries(&users([", groups: [!Find [authentik_core.group, [name, g]]]", "", ""])));
    lab.settle(&left_alone);
    assert_eq!(members(&lab), ["a"], "a group that lists nobody's membership changes none");
}

/// Both sides may say the same.
#[test]
fn more_memberships_stated_on_both_sides() {
    let mut lab = Lab::new();
    lab.settle(&entries(&format!(
        "{}{}",
        users([", groups: [!KeyOf g]", "", ", groups: []"]),
        group_of("!KeyOf a, !KeyOf b")
    )));
    assert_eq!(members(&lab), ["a", "b"]);
}

/// When they disagree, in either way, nobody can be right.
#[test]
fn more_memberships_that_contradict_each_other() {
    for (groups, list) in
        [(", groups: []", "!KeyOf a"), (", groups: [!KeyOf g]", "!KeyOf b"), (", groups: [!KeyOf g]", "")]
    {
        let text = entries(&format!("{}{}", users([groups, "", ""]), group_of(list)));
        let (code, judged) = refusal(&text);
        assert_eq!(code, Code::MEMBERSHIP_CONFLICT, "{groups} against [{list}]");
        let mut places = judged.places(code);
        places.sort();
        assert_eq!(places, ["test.yaml:3", "test.yaml:6"]);
        let mut lab = Lab::new();
        lab.settle(&entries(&format!("{}{}", users(["", "", ""]), group_of(""))));
        assert_eq!(only_error(&lab.refused(&text)), Code::MEMBERSHIP_CONFLICT, "also when both are stored");
    }
}

const GUARDED_LOGIN: &str = r"
  - {model: authentik_flows.flow, id: f, identifiers: {slug: f}, attrs: {name: F, title: F, designation: authentication}}
  - {model: authentik_stages_user_login.userloginstage, id: s, identifiers: {name: s}}
  - {model: authentik_flows.flowstagebinding, id: b, identifiers: {target: !KeyOf f, stage: !KeyOf s, order: 0}}
  - {model: authentik_core.group, id: g, identifiers: {name: g}}
  - {model: authentik_policies.policybinding, identifiers: {target: !KeyOf b, group: !KeyOf g, order: 0}}
  - {model: authentik_policies.policybinding, identifiers: {target: !KeyOf f, group: !KeyOf g, order: 0}}
  - {model: authentik_brands.brand, identifiers: {domain: a.example}, attrs: {flow_authentication: !KeyOf f}}
";

/// A flow takes its bindings with it, and those what is bound to them; who only refers to it stays and loses the reference.
#[test]
fn more_deleting_a_flow_deletes_its_bindings() {
    let mut lab = Lab::new();
    lab.settle(&entries(GUARDED_LOGIN));
    let judged = lab.settle(&entries("- {model: authentik_flows.flow, state: absent, identifiers: {slug: f}}"));
    let counts = judged.plan.counts();
    assert_eq!((counts.delete, counts.update, counts.create), (4, 1, 0), "{:?}", judged.changes());
    assert!(
        lab.all("authentik_flows.flowstagebinding").is_empty()
            && lab.all("authentik_policies.policybinding").is_empty()
    );
    assert_eq!(lab.texts("authentik_stages_user_login.userloginstage", "name"), ["s"]);
    assert!(lab.one("authentik_brands.brand", "domain", "a.example").targets("flow_authentication").is_empty());
    let reasons: Vec<&str> = judged.plan.changes.iter().map(|change| change.reason.as_str()).collect();
    assert!(reasons.iter().filter(|reason| reason.starts_with("goes with")).count() == 3, "{reasons:?}");
}

/// What entries of the same run want to keep cannot go, nor lose what it refers to.
#[test]
fn more_a_deletion_that_another_entry_contradicts() {
    let mut lab = Lab::new();
    lab.settle(&entries(GUARDED_LOGIN));
    let f = lab.one(FLOW, "slug", "f").id;
    let gone = "- {model: authentik_flows.flow, state: absent, identifiers: {slug: f}}\n";
    for other in [
        format!(
            "- {{model: authentik_brands.brand, identifiers: {{domain: a.example}}, attrs: {{flow_authentication: {f}}}}}"
        ),
        format!("- {{model: authentik_flows.flowstagebinding, identifiers: {{target: {f}, order: 0}}}}"),
    ] {
        let judged = lab.refused(&entries(&format!("{gone}{other}")));
        assert_eq!(only_error(&judged), Code::STILL_REFERRED, "{other}");
        assert_eq!(judged.places(Code::STILL_REFERRED), ["test.yaml:3", "test.yaml:4"], "{}", judged.report());
    }
}

/// A reference that protects its target refuses the deletion, unless its holder goes as well.
#[test]
fn more_a_protected_object_cannot_be_deleted() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        r"
  - {model: authentik_core.group, id: g, identifiers: {name: g}}
  - {model: authentik_providers_scim.scimprovider, identifiers: {name: p}, attrs: {url: 'https://a.example', token: t, filter_group: !KeyOf g}}
",
    ));
    let group = "- {model: authentik_core.group, state: absent, identifiers: {name: g}}\n";
    let judged = lab.refused(&entries(group));
    assert_eq!(only_error(&judged), Code::STILL_REFERRED);
    let words = judged.words(Code::STILL_REFERRED);
    assert!(words.contains("`g`") && words.contains("`p`") && words.contains("`filter_group`"), "{words}");
    let provider = "- {model: authentik_providers_scim.scimprovider, state: absent, identifiers: {name: p}}\n";
    for both in [format!("{group}{provider}"), format!("{provider}{group}")] {
        let mut lab = lab.clone();
        lab.settle(&entries(&both));
        assert!(lab.all(GROUP).is_empty());
    }
    let released =
        "- {model: authentik_providers_scim.scimprovider, identifiers: {name: p}, attrs: {filter_group: null}}\n";
    lab.settle(&entries(&format!("{group}{released}")));
    assert!(lab.all(GROUP).is_empty(), "or lets go of it");
}

/// Members stay when their group goes.
#[test]
fn more_deleting_a_group_keeps_its_members() {
    let mut lab = Lab::new();
    lab.settle(&entries(&format!("{}{}", users(["", "", ""]), group_of("!KeyOf a, !KeyOf b"))));
    lab.settle(&entries("- {model: authentik_core.group, state: absent, identifiers: {name: g}}"));
    assert_eq!(lab.texts(USER, "username"), ["a", "b", "c"]);
    assert!(lab.all(USER).iter().all(|user| user.targets("groups").is_empty()));
}
