//! The order of entries and documents has no meaning, and length no limit that anyone would meet.

use std::fmt::Write;

use gatewright::base::diagnostic::Code;

use super::GROUP;
use crate::support::lab::{Lab, entries};

const LENGTH: usize = 1000;

/// Groups of which each refers to the one at `next`, in the order given.
fn chain(order: impl Iterator<Item = usize>, field: &str) -> String {
    let mut text = String::new();
    for at in order {
        let parent = match at + 1 {
            LENGTH => String::new(),
            next => field.replace("NEXT", &format!("g{next}")),
        };
        let _ = writeln!(
            text,
            "- {{model: authentik_core.group, id: g{at}, identifiers: {{name: g{at}}}, attrs: {{{parent}}}}}"
        );
    }
    entries(&text)
}

fn assert_chain(lab: &Lab) {
    let mut at = lab.one(GROUP, "name", "g0");
    for _ in 1..LENGTH {
        let next = at.targets("parent")[0];
        at = lab.model.known(next).expect("it is there").clone();
    }
    assert_eq!(at.text("name").as_deref(), Some("g999"));
}

/// A thousand entries of which each refers to a later one, and to an earlier one.
#[test]
fn more_a_chain_of_a_thousand_references() {
    for field in ["parent: !KeyOf NEXT", "parent: !Find [authentik_core.group, [name, NEXT]]"] {
        for backwards in [false, true] {
            let mut lab = Lab::new();
            let text = if backwards { chain((0..LENGTH).rev(), field) } else { chain(0..LENGTH, field) };
            lab.settle(&text);
            assert_chain(&lab);
        }
    }
}

/// Chains of values, of conditions and of identities, in which each entry forces the next one before it is known itself, may be
/// of any length in either direction.
#[test]
fn more_chains_in_which_entries_force_each_other() {
    let values = "attributes: {copy: !AtIndex [!AtIndex [!FindObject [authentik_core.group, [name, NEXT]], attributes], copy, end]}";
    let conditions = |at: usize| match at + 1 {
        LENGTH => String::new(),
        next => format!("conditions: [!Find [authentik_core.group, [name, g{next}]]], "),
    };
    let identities = |at: usize| match at + 1 {
        LENGTH => String::new(),
        next => format!(", parent: !KeyOf g{next}"),
    };
    let conditional =
        |at: usize| format!("- {{model: authentik_core.group, {}identifiers: {{name: g{at}}}}}\n", conditions(at));
    let identified = |at: usize| {
        format!("- {{model: authentik_core.group, id: g{at}, identifiers: {{name: g{at}{}}}}}\n", identities(at))
    };
    let list = |entry: &dyn Fn(usize) -> String, backwards: bool| {
        let order: Vec<usize> = if backwards { (0..LENGTH).rev().collect() } else { (0..LENGTH).collect() };
        entries(&order.into_iter().map(entry).collect::<String>())
    };
    for (name, forward, backward) in [
        ("values", chain(0..LENGTH, values), chain((0..LENGTH).rev(), values)),
        ("conditions", list(&conditional, false), list(&conditional, true)),
        ("identities", list(&identified, false), list(&identified, true)),
    ] {
        for (text, direction) in [(forward, "forward"), (backward, "backward")] {
            let mut lab = Lab::new();
            lab.apply(&text);
            assert_eq!(lab.all(GROUP).len(), LENGTH, "{name} {direction}");
        }
    }
}

/// Numbers that look random and are the same every time.
struct Shuffle(u64);

impl Shuffle {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % below
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.next(at + 1));
        }
    }
}

const PIECES: [&str; 14] = [
    "- {model: authentik_flows.flow, id: f, identifiers: {slug: f}, attrs: {name: F, title: F, designation: authentication}}",
    "- {model: authentik_stages_password.passwordstage, id: p, identifiers: {name: p}, attrs: {backends: [authentik.core.auth.InbuiltBackend], configure_flow: !KeyOf f}}",
    "- {model: authentik_stages_user_login.userloginstage, id: l, identifiers: {name: l}}",
    "- {model: authentik_flows.flowstagebinding, id: b, identifiers: {target: !KeyOf f, stage: !KeyOf p, order: 0}}",
    "- {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf f, stage: !KeyOf l, order: 1}}",
    "- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf b, policy: !KeyOf d, order: 0}}",
    "- {model: authentik_policies_dummy.dummypolicy, id: d, identifiers: {name: d}}",
    "- {model: authentik_core.group, id: g, identifiers: {name: g}, attrs: {users: [!KeyOf u]}}",
    "- {model: authentik_core.group, id: h, identifiers: {name: h}, attrs: {parent: !KeyOf g}, permissions: [{permission: view_group, user: !KeyOf u}]}",
    "- {model: authentik_core.user, id: u, identifiers: {username: u}, attrs: {name: U}}",
    "- {model: authentik_core.group, state: created, identifiers: {name: g}, attrs: {is_superuser: true}}",
    "- {model: authentik_core.group, identifiers: {name: g}, attrs: {attributes: {user: !KeyOf u}}}",
    "- {model: authentik_brands.brand, identifiers: {domain: a.example}, attrs: {flow_authentication: !Find [authentik_flows.flow, [designation, authentication]]}}",
    "- {model: authentik_core.group, conditions: [!Find [authentik_core.group, [parent__name, g]]], identifiers: {name: i}}",
];

/// What the pieces come to, in a form that does not depend on order: each change with its fields.
fn outcome(lab: &Lab, text: &str) -> Vec<String> {
    let judged = lab.judge(text);
    assert!(judged.found.is_empty(), "{}\n{text}", judged.report());
    let mut changes: Vec<String> = judged
        .plan
        .changes
        .iter()
        .map(|change| {
            let fields: Vec<_> = change.fields.iter().map(|diff| (&diff.field, &diff.before, &diff.after)).collect();
            format!("{:?} {:?} {fields:?} {:?}", change.action, change.object, change.after)
        })
        .collect();
    changes.sort();
    changes
}

/// The same entries in forty orders come to the same objects, ids included.
#[test]
fn more_the_order_of_entries_has_no_meaning() {
    let lab = Lab::new();
    let mut pieces = PIECES.to_vec();
    let expected = outcome(&lab, &entries(&pieces.join("\n")));
    assert_eq!(expected.len(), 13, "{expected:#?}");
    let mut random = Shuffle(1);
    for _ in 0..40 {
        random.shuffle(&mut pieces);
        let text = entries(&pieces.join("\n"));
        assert_eq!(outcome(&lab, &text), expected, "{text}");
    }
}

/// Nor has the order in which documents are given.
#[test]
fn more_the_order_of_documents_has_no_meaning() {
    let texts: Vec<String> = (0..20)
        .map(|at| {
            entries(&format!(
                "- {{model: authentik_core.group, identifiers: {{name: g{at}}}, \
                 attrs: {{parent: !Find [authentik_core.group, [name, g{}]], attributes: {{of: {at}}}}}}}",
                at + 1
            ))
        })
        .collect();
    let names: Vec<String> = (0..20).map(|at| format!("{at}.yaml")).collect();
    let mut documents: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    let lab = Lab::new();
    let shape = |documents: &[(&str, &str)]| {
        let judged = lab.plan(documents);
        let changes: Vec<String> = judged.plan.changes.iter().map(|change| format!("{change:?}")).collect();
        (changes, judged.report(), judged.plan.ownership)
    };
    let expected = shape(&documents);
    assert_eq!(expected.0.len(), 20);
    let mut random = Shuffle(2);
    for _ in 0..10 {
        random.shuffle(&mut documents);
        assert_eq!(shape(&documents), expected);
    }
}

/// Entries that identify each other in a circle are refused, however long the circle is.
#[test]
fn more_circles_of_any_length_are_refused() {
    for length in [1, 2, 63, 64, 65, 200] {
        let circle: String = (0..length)
            .map(|at| {
                let next = (at + 1) % length;
                format!(
                    "- {{model: authentik_core.group, id: g{at}, identifiers: {{name: g{at}, parent: !KeyOf g{next}}}}}\n"
                )
            })
            .collect();
        let errors = Lab::new().refused(&entries(&circle)).errors();
        let expected = [Code::KEY_OF_CYCLE, Code::DEPTH];
        assert!(errors.iter().all(|code| expected.contains(code)), "{length}: {errors:?}");
    }
    let pk = "c2bd2b5c-0b6f-4d53-a5ad-2a2a3a6d3f10";
    let own = entries(&format!(
        "- {{model: authentik_core.group, identifiers: {{pk: {pk}, parent: {pk}}}, attrs: {{name: a}}}}"
    ));
    assert_eq!(Lab::new().refused(&own).errors(), [Code::KEY_OF_CYCLE], "an entry that is its own parent");
}
