//! Who gains and who loses access when something changes.

use std::{collections::BTreeSet, fmt::Write as _};

use gatewright::{
    model::{Model, Need},
    policies::access::{Verdict, WithoutRequest},
    reconcile::impact::{Existence, Impact, Options, PeopleList, impact, render_markdown, render_text},
};
use proptest::{prelude::*, test_runner::FileFailurePersistence};

use super::{
    loading,
    world::{TARGETS, Told, USERS, edits, target_id, user_id, world},
};
use crate::support::lab::{Lab, entries};

/// 200 users: 120 of staff, 10 of finance below it, 30 of contractors, and 40 who are in no group.
fn people() -> String {
    let mut list = "
- {model: authentik_core.group, id: staff, identifiers: {name: Staff}}
- {model: authentik_core.group, id: finance, identifiers: {name: Finance}, attrs: {parent: !KeyOf staff}}
- {model: authentik_core.group, id: contractors, identifiers: {name: Contractors}}
"
    .to_owned();
    for at in 0..200 {
        let groups = match at {
            0..120 => "!KeyOf staff",
            120..130 => "!KeyOf finance",
            130..160 => "!KeyOf contractors",
            _ => "",
        };
        let _ = writeln!(
            list,
            "- {{model: authentik_core.user, identifiers: {{username: user{at:03}}}, attrs: {{name: User {at}, groups: [{groups}]}}}}"
        );
    }
    list
}

fn application(slug: &str, name: &str) -> String {
    format!(
        "- {{model: authentik_core.application, id: {slug}, identifiers: {{slug: {slug}}}, attrs: {{name: {name}}}}}\n"
    )
}

fn bind(application: &str, group: &str, rest: &str) -> String {
    format!(
        "- model: authentik_policies.policybinding\n  identifiers: {{target: !Find [authentik_core.application, [slug, {application}]], \
         order: 0, group: !Find [authentik_core.group, [name, {group}]]}}\n  {rest}\n"
    )
}

/// Five applications: payroll for staff, wiki for staff, chat for all, portal for contractors, ledger for finance.
fn base() -> Lab {
    let mut list = people();
    for (slug, name) in
        [("payroll", "Payroll"), ("wiki", "Wiki"), ("chat", "Chat"), ("portal", "Portal"), ("ledger", "Ledger")]
    {
        list.push_str(&application(slug, name));
    }
    list.push_str(&bind("payroll", "Staff", ""));
    list.push_str(&bind("wiki", "Staff", ""));
    list.push_str(&bind("portal", "Contractors", ""));
    list.push_str(&bind("ledger", "Finance", ""));
    let mut lab = Lab::new();
    lab.apply(&entries(&list));
    lab
}

fn after(lab: &Lab, list: &str) -> Model {
    let judged = lab.plan(&[("change.yaml", &entries(list))]);
    assert!(judged.errors().is_empty(), "{}", judged.report());
    judged.plan.applied_to(&lab.model)
}

fn compare(before: &Model, after: &Model, options: &Options) -> Impact {
    let ask = |before: &Model, after: &Model| impact(before, after, &WithoutRequest, options);
    let whole = ask(before, after).expect("the models are complete");
    let (loaded, _) = loading(before, after, ask);
    assert_eq!(loaded, whole, "what is loaded on demand gives another answer");
    whole
}

fn change(lab: &Lab, list: &str) -> Impact {
    compare(&lab.model, &after(lab, list), &Options { limit: 1000, ..Options::default() })
}

fn names(list: &PeopleList) -> Vec<&str> {
    assert_eq!(list.count, list.people.len());
    list.people.iter().map(|person| person.name.as_str()).collect()
}

fn users(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|at| format!("user{at:03}")).collect()
}

/// Issue 2, acceptance 6: one group binding goes, another comes.
#[test]
fn a_binding_goes_and_another_comes() {
    let lab = base();
    let list = [
        bind("payroll", "Staff", "state: absent"),
        bind("payroll", "Finance", "attrs: {enabled: true}"),
        bind("wiki", "Contractors", ""),
    ];
    let found = change(&lab, &list.concat());
    let [payroll, wiki] = found.targets.as_slice() else { panic!("{found:?}") };
    assert_eq!((payroll.name.as_str(), wiki.name.as_str()), ("Payroll", "Wiki"));
    // Finance is below staff, so its ten people keep what they had.
    assert_eq!(names(&payroll.loses), users(0..120));
    assert!(payroll.gains.people.is_empty());
    assert_eq!(payroll.before.map(|access| (access.allowed, access.users)), Some((130, 200)));
    assert_eq!(payroll.after.map(|access| access.allowed), Some(10));
    let first = &payroll.loses.people[0];
    assert_eq!((first.before.verdict, first.after.verdict), (Verdict::Allowed, Verdict::Denied));
    assert_eq!(first.before.reasons, ["member of `Staff`"]);
    assert_eq!(first.after.reasons, ["not a member of `Finance`"]);
    assert_eq!(names(&wiki.gains), users(130..160));
    assert!(wiki.loses.people.is_empty());
    let report = Options { limit: 2, ..Options::default() };
    let found = compare(&lab.model, &after(&lab, &list.concat()), &report);
    insta::assert_snapshot!("impact_text", render_text(&found));
    insta::assert_snapshot!("impact_markdown", render_markdown(&found, 65_536));
    insta::assert_json_snapshot!("impact_json", found);
}

#[test]
fn what_touches_no_access_touches_no_report() {
    let lab = base();
    for list in [
        "- {model: authentik_core.user, identifiers: {username: user000}, attrs: {name: Another, email: a@example.com}}\n".to_owned(),
        "- {model: authentik_core.group, identifiers: {name: Finance}, attrs: {attributes: {a: 1}}}\n".to_owned(),
        "- {model: authentik_core.application, identifiers: {slug: payroll}, attrs: {meta_publisher: Us}}\n".to_owned(),
        // With one binding only, both modes are the same.
        "- {model: authentik_core.application, identifiers: {slug: payroll}, attrs: {policy_engine_mode: all}}\n".to_owned(),
        bind("payroll", "Staff", "attrs: {timeout: 5}"),
        "- {model: authentik_stages_dummy.dummystage, identifiers: {name: d}}\n".to_owned(),
    ] {
        let after = after(&lab, &list);
        assert_eq!(compare(&lab.model, &after, &Options::default()).targets, [], "{list}");
        assert_eq!(render_text(&compare(&lab.model, &after, &Options::default())), "");
        assert_eq!(render_markdown(&compare(&lab.model, &after, &Options::default()), 65_536), "");
    }
}

#[test]
fn users_are_only_loaded_when_somebody_may_be_touched() {
    let lab = base();
    let ask = |before: &Model, after: &Model| impact(before, after, &WithoutRequest, &Options::default());
    let asked = |list: &str| loading(&lab.model, &after(&lab, list), ask).1;
    let kind = |name: &str| Need::Kind(lab.model.registry().find(name).expect("a kind").index);
    let [users, groups] = ["authentik_core.user", "authentik_core.group"].map(kind);
    let publisher =
        "- {model: authentik_core.application, identifiers: {slug: payroll}, attrs: {meta_publisher: Us}}\n";
    assert_eq!(asked(publisher), BTreeSet::new());
    let lonely = "- {model: authentik_core.group, identifiers: {name: Lonely}}\n";
    assert_eq!(asked(lonely), BTreeSet::from([groups]), "nothing is bound to the new group");
    assert!(asked(&bind("payroll", "Staff", "attrs: {enabled: false}")).contains(&users));
}

/// What changes for whom: `+` and `-` with the number of users, `?` and `=` for policies.
#[test]
fn every_kind_of_change_reaches_the_people_it_touches() {
    let mut lab = base();
    let more = format!(
        "{}{}{}{}{}",
        "- {model: authentik_policies_expression.expressionpolicy, id: office, identifiers: {name: office hours}, attrs: {expression: return True}}\n",
        "- {model: authentik_policies_dummy.dummypolicy, id: shut, identifiers: {name: shut}, attrs: {result: false}}\n",
        application("crm", "CRM"),
        "- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf crm, policy: !KeyOf shut, order: 0}}\n",
        "- {model: authentik_flows.flow, identifiers: {slug: setup}, attrs: {name: Setup, title: Setup, designation: stage_configuration, authentication: none}}\n",
    );
    lab.apply(&entries(&more));
    let policy = |rest: &str| {
        format!(
            "- model: authentik_policies.policybinding\n  identifiers: {{target: !Find [authentik_core.application, [slug, ledger]], \
             policy: !Find [authentik_policies.policy, [name, office hours]], order: 5}}\n  {rest}\n"
        )
    };
    let table: Vec<(String, &str)> = vec![
        (bind("ledger", "Finance", "attrs: {negate: true}"), "Ledger +190 -10"),
        (bind("ledger", "Finance", "attrs: {enabled: false}"), "Ledger +190"),
        ("- {model: authentik_core.group, identifiers: {name: Finance}, state: absent}\n".into(),
            // The binding goes with the group, so the ledger opens to all.
            "Ledger +190, Payroll -10, Wiki -10"),
        ("- {model: authentik_core.group, identifiers: {name: Finance}, attrs: {parent: null}}\n".into(), "Payroll -10, Wiki -10"),
        ("- {model: authentik_core.user, identifiers: {username: user150}, attrs: {name: U, groups: [!Find [authentik_core.group, [name, Finance]]]}}\n".into(),
            "Ledger +1, Payroll +1, Portal -1, Wiki +1"),
        ("- {model: authentik_core.user, identifiers: {username: user125}, attrs: {name: U, is_active: false}}\n".into(),
            "Ledger -1, Payroll -1, Wiki -1"),
        ("- {model: authentik_core.user, identifiers: {username: user125}, state: absent}\n".into(), "Ledger -1, Payroll -1, Wiki -1"),
        ("- {model: authentik_core.user, identifiers: {username: new}, attrs: {name: N, groups: [!Find [authentik_core.group, [name, Contractors]]]}}\n".into(),
            "Portal +1"),
        (policy(""), "Ledger ?190"),
        ("- {model: authentik_core.application, identifiers: {slug: portal}, state: absent}\n".into(), "Portal deleted -30"),
        (application("shop", "Shop"), "Shop created +200"),
        ("- {model: authentik_policies_dummy.dummypolicy, identifiers: {name: shut}, attrs: {result: true}}\n".into(), "CRM +200"),
        ("- {model: authentik_flows.flow, identifiers: {slug: setup}, attrs: {name: Setup, title: Setup, designation: stage_configuration, authentication: require_superuser}}\n".into(),
            "Setup -200"),
    ];
    for (list, expected) in table {
        let found = change(&lab, &list);
        assert_eq!(brief(&found), expected, "{list}");
    }
    // A policy that stays bound and is written anew changes nothing that is known, and is said to be undecided.
    lab.apply(&entries(&policy("")));
    let rewritten = "- {model: authentik_policies_expression.expressionpolicy, identifiers: {name: office hours}, attrs: {expression: return False}}\n";
    let found = change(&lab, rewritten);
    assert_eq!(brief(&found), "Ledger ~190");
    let [policy_note] = found.targets[0].depends_on.as_slice() else { panic!("{found:?}") };
    assert!(policy_note.changes && policy_note.before && policy_note.after, "{policy_note:?}");
    assert_eq!(brief(&change(&lab, &policy("state: absent"))), "Ledger =190");
    // Who goes or is disabled is told as such, and not once more for each target that would have asked a policy.
    let user = |more: &str| format!("- {{model: authentik_core.user, identifiers: {{username: user000}}, {more}}}\n");
    for (more, disabled, deleted) in [("attrs: {name: A, is_active: false}", 1, 0), ("state: absent", 0, 1)] {
        let found = change(&lab, &user(more));
        assert_eq!((found.accounts.disabled.count, found.accounts.deleted.count), (disabled, deleted));
        assert!(found.targets.iter().all(|target| target.ceases_to_depend.count == 0), "{}", brief(&found));
    }
}

fn brief(impact: &Impact) -> String {
    let targets = impact.targets.iter().map(|target| {
        let mut words = vec![target.name.clone()];
        match target.existence {
            Existence::Stays => {}
            Existence::Created => words.push("created".to_owned()),
            Existence::Deleted => words.push("deleted".to_owned()),
        }
        let still = target.still_depends;
        for (sign, count) in [
            ('+', target.gains.count),
            ('-', target.loses.count),
            ('?', target.begins_to_depend.count),
            ('=', target.ceases_to_depend.count),
            ('~', still),
        ] {
            if count > 0 {
                words.push(format!("{sign}{count}"));
            }
        }
        words.join(" ")
    });
    targets.collect::<Vec<_>>().join(", ")
}

/// Two revisions of a repository are built each on its own; the same objects must be recognised in both.
#[test]
fn two_revisions_that_never_met_are_compared_by_what_they_declare() {
    let build = |binding: &str| {
        let mut lab = Lab::new();
        lab.apply(&entries(&format!("{}{}{binding}", people(), application("payroll", "Payroll"))));
        lab.model
    };
    let (old, new) = (build(&bind("payroll", "Staff", "")), build(&bind("payroll", "Contractors", "")));
    let found = compare(&old, &new, &Options::default());
    assert_eq!(brief(&found), "Payroll +30 -130");
}

#[test]
fn reports_neutralise_names_and_keep_to_their_size() {
    let mut lab = base();
    let nasty = "evil`|<!-- x -->\\n@team";
    lab.apply(&entries(&format!(
        "- {{model: authentik_core.group, identifiers: {{name: \"{nasty}\"}}}}\n- {{model: authentik_core.user, identifiers: {{username: \"{nasty}\"}}, \
         attrs: {{name: N, groups: [!Find [authentik_core.group, [name, \"{nasty}\"]]]}}}}\n"
    )));
    let list = format!(
        "{}- model: authentik_policies.policybinding\n  identifiers: {{target: !Find [authentik_core.application, [slug, ledger]], \
         order: 9, group: !Find [authentik_core.group, [name, \"{nasty}\"]]}}\n",
        bind("wiki", "Staff", "state: absent")
    );
    let after = after(&lab, &list);
    let found = compare(&lab.model, &after, &Options::default());
    let markdown = render_markdown(&found, 65_536);
    assert!(!markdown.contains("<!-- x") && !markdown.contains("@team"), "{markdown}");
    assert!(!render_text(&found).contains("\n@team"));
    let small = render_markdown(&found, 700);
    assert!(small.len() <= 700 && small.contains("left out for lack of space"), "{small}");
    let hidden = Options { hidden: ["Staff".to_owned(), "user000".to_owned()].into(), ..Options::default() };
    let text = render_text(&compare(&lab.model, &after, &hidden));
    assert!(!text.contains("`Staff`") && !text.contains("user000") && text.contains("(secret)"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    /// Whatever changes: the report has exactly those whose access changes when each is asked on both systems.
    #[test]
    fn the_report_misses_nobody_and_invents_nobody(world in world(), edits in edits()) {
        let changed = world.edited(&edits);
        let (before, after) = (world.model(), changed.model());
        let options = Options { limit: 1000, ..Options::default() };
        let found = impact(&before, &after, &Told, &options).expect("complete");
        for target in 0..TARGETS {
            let mut expected: [BTreeSet<uuid::Uuid>; 4] = Default::default();
            for user in 0..USERS {
                let list = match (world.access(target, user), changed.access(target, user)) {
                    (Verdict::Denied, Verdict::Allowed) => 0,
                    (Verdict::Allowed, Verdict::Denied) => 1,
                    (Verdict::Allowed | Verdict::Denied, Verdict::Depends) => 2,
                    // Of who goes or is disabled it is not told.
                    (Verdict::Depends, Verdict::Allowed | Verdict::Denied) if changed.is_active(user) => 3,
                    _ => continue,
                };
                expected[list].insert(user_id(user));
            }
            let ids = |list: &PeopleList| list.people.iter().map(|person| person.id).collect::<BTreeSet<_>>();
            let reported = found.targets.iter().find(|found| found.id == target_id(target));
            // Who comes or goes is not reported for what is open to all.
            let open = world.bound(target).is_empty() && changed.bound(target).is_empty();
            let Some(reported) = reported else {
                prop_assert!(open || expected.iter().all(BTreeSet::is_empty), "target {} missing: {:?}", target, expected);
                continue;
            };
            let lists = [&reported.gains, &reported.loses, &reported.begins_to_depend, &reported.ceases_to_depend];
            prop_assert_eq!(lists.map(ids), expected, "target {}", target);
        }
    }
}
