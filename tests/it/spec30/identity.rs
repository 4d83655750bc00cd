//! Which object an entry is about.

use gatewright::base::diagnostic::Code;
use serde_json::json;

use super::{FLOW, GROUP, USER, only_error, refusal};
use crate::support::lab::{Lab, entries};

/// Neither identifiers nor attributes.
#[test]
fn s30_02_a_user_without_identifiers() {
    for empty in ["identifiers: {}, attrs: {}", "identifiers: null, attrs: null", "state: absent"] {
        let (code, judged) = refusal(&entries(&format!("- {{model: authentik_core.user, {empty}}}")));
        assert_eq!(code, Code::NO_IDENTIFIERS);
        assert!(judged.words(code).contains("username"), "{}", judged.report());
    }
}

/// Attributes do not identify.
#[test]
fn s30_03_a_group_with_a_name_but_no_identifiers() {
    let text = "- {model: authentik_core.group, identifiers: {}, attrs: {name: a}}";
    assert_eq!(refusal(&entries(text)).0, Code::NO_IDENTIFIERS);
}

/// A mapping as identifier finds by containment in the stored JSON; lists in it are contained as well. Afterwards the
/// attributes are what the file says, with the identifier's part merged in.
#[test]
fn s30_04_json_containment_finds_one_of_two_groups() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        r"
  - {model: authentik_core.group, identifiers: {name: one}, attrs: {attributes: {key: [one], other_key: [a, b, c], gone: 1}}}
  - {model: authentik_core.group, identifiers: {name: two}, attrs: {attributes: {key: [two], other_key: [d, e]}}}
",
    ));
    let (one, two) = (lab.one(GROUP, "name", "one").id, lab.one(GROUP, "name", "two"));
    lab.settle(&entries(
        r"
  - model: authentik_core.group
    identifiers: {attributes: {other_key: [b]}}
    attrs: {name: renamed, attributes: {some: {new: value}}}
",
    ));
    let renamed = lab.one(GROUP, "name", "renamed");
    assert_eq!(renamed.id, one);
    assert_eq!(renamed.attrs["attributes"], json!({"some": {"new": "value"}, "other_key": ["b"]}));
    assert_eq!(lab.one(GROUP, "name", "two"), two, "the other one is untouched");
}

/// A pk that nothing has: the first run creates the object under it, the second finds it again.
#[test]
fn s30_06_only_a_pk_identifies() {
    let pk = "c2bd2b5c-0b6f-4d53-a5ad-2a2a3a6d3f10";
    let text = entries(&format!(
        "- {{model: authentik_stages_prompt.prompt, identifiers: {{pk: {pk}}}, \
         attrs: {{name: prompt, field_key: key, label: Label, type: text, order: 5}}}}"
    ));
    let mut lab = Lab::new();
    lab.settle(&text);
    let prompts = lab.all("authentik_stages_prompt.prompt");
    assert_eq!(prompts.len(), 1);
    assert_eq!(prompts[0].id.to_string(), pk);
}

/// The stored target of a policy binding is the flow itself, however the file names it.
#[test]
fn s30_65_a_policy_binding_by_find_is_not_doubled() {
    let by = |target: &str, what: &str| {
        entries(&format!(
            "- {{model: authentik_flows.flow, id: f, identifiers: {{slug: f}}, attrs: {{name: F, title: F, designation: recovery}}}}\n\
             - {{model: authentik_core.group, id: g, identifiers: {{name: g}}}}\n\
             - {{model: authentik_policies_dummy.dummypolicy, id: p, identifiers: {{name: p}}}}\n\
             - {{model: authentik_policies.policybinding, identifiers: {{target: {target}, {what}, order: 0}}}}"
        ))
    };
    for what in ["policy: !KeyOf p", "group: !KeyOf g"] {
        let mut lab = Lab::new();
        lab.settle(&by("!Find [authentik_flows.flow, [slug, f]]", what));
        assert!(lab.judge(&by("!KeyOf f", what)).plan.is_empty(), "{what}: the other spelling is the same binding");
        let id = lab.one(FLOW, "slug", "f").id;
        assert!(lab.judge(&by(&id.to_string(), what)).plan.is_empty(), "{what}: so is the id itself");
        assert_eq!(lab.all("authentik_policies.policybinding").len(), 1);
    }
}

/// Several matches are an error that names them, never a silent choice.
#[test]
fn s30_66_two_objects_match() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        r"
  - {model: authentik_core.group, identifiers: {name: one}, attrs: {attributes: {team: red}}}
  - {model: authentik_core.group, identifiers: {name: two}, attrs: {attributes: {team: red}}}
",
    ));
    for state in ["present", "absent", "created"] {
        let judged = lab.refused(&entries(&format!(
            "- {{model: authentik_core.group, state: {state}, identifiers: {{attributes: {{team: red}}}}}}"
        )));
        assert_eq!(only_error(&judged), Code::AMBIGUOUS);
        let words = judged.words(Code::AMBIGUOUS);
        assert!(words.contains("`one`") && words.contains("`two`"), "{words}");
    }
}

/// The pk of one object with the name of another.
#[test]
fn s30_67_pk_and_name_of_different_objects() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        "- {model: authentik_core.group, identifiers: {name: one}}\n- {model: authentik_core.group, identifiers: {name: two}}",
    ));
    let one = lab.one(GROUP, "name", "one").id;
    let both =
        |name: &str| entries(&format!("- {{model: authentik_core.group, identifiers: {{pk: {one}, name: {name}}}}}"));
    let judged = lab.refused(&both("two"));
    assert_eq!(only_error(&judged), Code::IDENTIFIERS_DIFFER);
    let report = judged.report();
    assert!(report.contains("pk: one") && report.contains("others: two"), "{report}");
    lab.settle(&both("one"));
    assert_eq!(
        lab.settle(&both("renamed")).changes(),
        ["~ authentik_core.group renamed"],
        "a name that nobody has renames"
    );
}

/// Keys of a raw export are replaced where a field refers to an object, and nowhere else.
#[test]
fn s30_71_only_references_follow_a_remapped_pk() {
    let mut lab = Lab::new();
    for name in ["a", "b", "c", "jo"] {
        lab.settle(&entries(&format!(
            "- {{model: authentik_core.user, identifiers: {{username: {name}}}, attrs: {{name: N}}}}"
        )));
    }
    let jo = lab.one(USER, "username", "jo");
    assert_ne!(jo.number, Some(1), "the export's number belongs to somebody else here");
    lab.settle(&entries(
        r"
  - {model: authentik_core.user, identifiers: {pk: 100, username: jo}, attrs: {name: Jo}}
  - {model: authentik_flows.flow, identifiers: {pk: 0d8d4a4e-6d5c-4d4f-9d2f-6b1f3f0c8a11, slug: f}, attrs: {name: F, title: F, designation: recovery}}
  - model: authentik_policies.policybinding
    identifiers: {target: 0d8d4a4e-6d5c-4d4f-9d2f-6b1f3f0c8a11, user: 100, order: 100}
    attrs: {enabled: true, timeout: 100}
",
    ));
    let bindings = lab.all("authentik_policies.policybinding");
    assert_eq!(bindings.len(), 1);
    assert_eq!(bindings[0].targets("user"), [jo.id], "a reference means the entry");
    assert_eq!(bindings[0].attrs["order"], json!(100), "a number stays a number");
    assert_eq!(bindings[0].attrs["timeout"], json!(100));
    assert_eq!(bindings[0].attrs["enabled"], json!(true), "and a boolean a boolean");
}

/// In an existing system the flow of a raw export has another id; everything that refers to the exported one follows.
#[test]
fn s30_71_a_raw_export_into_a_system_that_has_the_objects() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        "- {model: authentik_flows.flow, identifiers: {slug: f}, attrs: {name: F, title: F, designation: recovery}}",
    ));
    let id = lab.one(FLOW, "slug", "f").id;
    let exported = "0d8d4a4e-6d5c-4d4f-9d2f-6b1f3f0c8a11";
    let text = |late: &str| {
        let flow = format!(
            "- {{model: authentik_flows.flow, identifiers: {{pk: {exported}, slug: f}}, attrs: {{name: F, title: F, designation: recovery}}}}"
        );
        let brand = format!(
            "- {{model: authentik_brands.brand, identifiers: {{domain: a.example}}, attrs: {{flow_recovery: {exported}}}}}"
        );
        entries(&if late == "late" { format!("{brand}\n{flow}") } else { format!("{flow}\n{brand}") })
    };
    lab.settle(&text("early"));
    assert_eq!(lab.one("authentik_brands.brand", "domain", "a.example").targets("flow_recovery"), [id]);
    assert!(lab.judge(&text("late")).plan.is_empty(), "in any order");
}

/// An identifier that goes through a relation finds, but cannot fill the relation of what it does not find.
#[test]
fn s30_84_a_relation_path_cannot_create() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        r"
  - {model: authentik_flows.flow, id: f, identifiers: {slug: f}, attrs: {name: F, title: F, designation: recovery}}
  - {model: authentik_stages_user_login.userloginstage, id: s, identifiers: {name: s}}
  - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf f, stage: !KeyOf s, order: 0}}
",
    ));
    let by_path = |order: i32| {
        entries(&format!(
            "- {{model: authentik_flows.flowstagebinding, identifiers: {{target__slug: f, order: {order}}}, \
             attrs: {{invalid_response_action: restart}}}}"
        ))
    };
    let judged = lab.settle(&by_path(0));
    assert_eq!(judged.changed_fields(), ["invalid_response_action"], "what exists is found");
    let judged = lab.refused(&by_path(7));
    assert_eq!(only_error(&judged), Code::IDENTIFIER_PATH);
    let words = judged.words(Code::IDENTIFIER_PATH);
    assert!(words.contains("`target__slug`") && words.contains("`target`"), "{words}");
}

/// An identifier wins over an attribute of the same name.
#[test]
fn more_identifiers_win_over_attributes() {
    let mut lab = Lab::new();
    lab.settle(&entries("- {model: authentik_core.group, identifiers: {name: a}, attrs: {name: b}}"));
    assert_eq!(lab.texts(GROUP, "name"), ["a"]);
}

/// A key of another kind of the same family does not match, and the name is taken.
#[test]
fn more_names_are_unique_in_a_family() {
    let mut lab = Lab::new();
    lab.settle(&entries("- {model: authentik_stages_user_login.userloginstage, identifiers: {name: same}}"));
    let judged =
        lab.refused(&entries("- {model: authentik_stages_user_logout.userlogoutstage, identifiers: {name: same}}"));
    assert_eq!(only_error(&judged), Code::KEY_TAKEN);
    let both = entries(
        "- {model: authentik_stages_dummy.dummystage, identifiers: {name: x}}\n\
         - {model: authentik_stages_deny.denystage, identifiers: {name: x}}",
    );
    let (code, judged) = refusal(&both);
    assert_eq!(code, Code::KEY_TAKEN);
    assert_eq!(judged.places(code).len(), 2, "both places are shown: {}", judged.report());
}

/// A null identifier finds what has no value there.
#[test]
fn more_null_identifies_by_absence() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        r"
  - {model: authentik_core.group, id: top, identifiers: {name: top}, attrs: {attributes: {a: 1}}}
  - {model: authentik_core.group, identifiers: {name: child}, attrs: {parent: !KeyOf top, attributes: {a: 1}}}
",
    ));
    let judged = lab.settle(&entries(
        "- {model: authentik_core.group, identifiers: {parent: null, attributes: {a: 1}}, attrs: {is_superuser: true}}",
    ));
    assert_eq!(judged.changes(), ["~ authentik_core.group top"]);
}

/// A pk cannot belong to objects of two kinds, stored or declared.
#[test]
fn more_a_pk_belongs_to_one_kind() {
    let mut lab = Lab::new();
    let pk = "c2bd2b5c-0b6f-4d53-a5ad-2a2a3a6d3f10";
    let group = format!("- {{model: authentik_core.group, identifiers: {{pk: {pk}, name: a}}}}");
    let role = format!("- {{model: authentik_rbac.role, identifiers: {{pk: {pk}, name: b}}}}");
    let (code, judged) = refusal(&entries(&format!("{group}\n{role}")));
    assert_eq!(code, Code::IDENTIFIERS_DIFFER);
    assert_eq!(judged.places(code).len(), 2);
    lab.settle(&entries(&group));
    assert_eq!(only_error(&lab.refused(&entries(&role))), Code::IDENTIFIERS_DIFFER);
}
