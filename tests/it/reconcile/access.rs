//! Who passes which bindings: the rules as a table, and everybody at once against one after another.

use gatewright::{
    model::{Model, Object},
    policies::access::{Crowd, People, Verdict, Who, WithoutRequest, decide},
};
use proptest::{prelude::*, test_runner::FileFailurePersistence};

use super::world::{TARGETS, Told, USERS, target_id, user_id, world};
use crate::support::lab::{Lab, entries};

/// Groups `all` > `staff` > `payroll`, and beside them `guests`; ann is in payroll, bob in staff, eve among the guests, and
/// zoe, whose account is inactive, in payroll.
const PEOPLE: &str = "
- {model: authentik_core.group, id: all, identifiers: {name: all}}
- {model: authentik_core.group, id: staff, identifiers: {name: staff}, attrs: {parent: !KeyOf all}}
- {model: authentik_core.group, id: payroll, identifiers: {name: payroll}, attrs: {parent: !KeyOf staff}}
- {model: authentik_core.group, id: guests, identifiers: {name: guests}}
- {model: authentik_core.user, id: ann, identifiers: {username: ann}, attrs: {name: Ann, groups: [!KeyOf payroll]}}
- {model: authentik_core.user, id: bob, identifiers: {username: bob}, attrs: {name: Bob, groups: [!KeyOf staff]}}
- {model: authentik_core.user, id: eve, identifiers: {username: eve}, attrs: {name: Eve, groups: [!KeyOf guests]}}
- model: authentik_core.user
  id: zoe
  identifiers: {username: zoe}
  attrs: {name: Zoe, groups: [!KeyOf payroll], is_active: false}
- {model: authentik_policies_dummy.dummypolicy, id: 'yes', identifiers: {name: 'yes'}, attrs: {result: true}}
- {model: authentik_policies_dummy.dummypolicy, id: 'no', identifiers: {name: 'no'}, attrs: {result: false}}
- {model: authentik_policies_expression.expressionpolicy, id: ask, identifiers: {name: ask}, attrs: {expression: return 1}}
- {model: authentik_policies_event_matcher.eventmatcherpolicy, id: event, identifiers: {name: event}, attrs: {client_ip: 10.0.0.1}}
- {model: authentik_policies_password.passwordpolicy, id: form, identifiers: {name: form}, attrs: {length_min: 8}}
- {model: authentik_policies_expiry.passwordexpirypolicy, id: age, identifiers: {name: age}, attrs: {days: 30}}
- {model: authentik_policies_reputation.reputationpolicy, id: record, identifiers: {name: record}}
- {model: authentik_policies_geoip.geoippolicy, id: nowhere, identifiers: {name: nowhere}}
- {model: authentik_policies_geoip.geoippolicy, id: norway, identifiers: {name: norway}, attrs: {countries: ['NO']}}
- {model: authentik_core.application, id: app, identifiers: {slug: app}, attrs: {name: App, policy_engine_mode: MODE}}
";

fn bound(mode: &str, bindings: &[&str]) -> Lab {
    let mut list = PEOPLE.replace("MODE", mode);
    for (order, binding) in bindings.iter().enumerate() {
        let (what, rest) = binding.split_once(' ').unwrap_or((binding, ""));
        let (field, name) = what.split_once(':').expect("kind:name");
        let negate = rest.contains("negate");
        let enabled = !rest.contains("disabled");
        list.push_str(&format!(
            "- model: authentik_policies.policybinding\n  identifiers: {{target: !KeyOf app, order: {order}, {field}: \
             !KeyOf '{name}'}}\n  attrs: {{negate: {negate}, enabled: {enabled}}}\n"
        ));
    }
    let mut lab = Lab::new();
    lab.apply(&entries(&list));
    lab
}

fn letter(verdict: Verdict) -> char {
    match verdict {
        Verdict::Allowed => '+',
        Verdict::Depends => '?',
        Verdict::Denied => '-',
    }
}

/// The verdicts about ann, bob, eve, zoe and about somebody who is not signed in, and what was said to ann and eve.
fn verdicts(lab: &Lab) -> (String, [String; 2]) {
    let app = lab.one("authentik_core.application", "slug", "app");
    let user = |name: &str| Who::User(lab.one("authentik_core.user", "username", name).id);
    let ask = |who| decide(&lab.model, &app, who, &WithoutRequest).expect("the model is complete");
    let all = [user("ann"), user("bob"), user("eve"), user("zoe"), Who::Anonymous];
    let words = |name| {
        let reasons = ask(user(name)).reasons;
        reasons.into_iter().map(|reason| reason.words).collect::<Vec<_>>().join("; ")
    };
    (all.map(|who| letter(ask(who).verdict)).into_iter().collect(), [words("ann"), words("eve")])
}

#[test]
fn bindings_decide_by_the_rules() {
    type Row<'a> = (&'a str, &'a [&'a str], &'a str, &'a str, &'a str);
    let table: &[Row<'_>] = &[
        ("any", &[], "+++++", "nothing is bound, so it is open to all", "nothing is bound, so it is open to all"),
        ("any", &["group:payroll disabled"], "+++++", "nothing is bound, so it is open to all", ""),
        ("any", &["group:payroll"], "+--+-", "member of `payroll`", "not a member of `payroll`"),
        ("any", &["group:all"], "++-+-", "member of `all` through `payroll`", "not a member of `all`"),
        ("any", &["group:staff", "group:guests"], "++++-", "member of `staff` through `payroll`", "member of `guests`"),
        ("all", &["group:staff", "group:payroll"], "+--+-", "", "not a member of `staff`; not a member of `payroll`"),
        (
            "all",
            &["group:staff", "group:payroll negate"],
            "-+---",
            "member of `payroll`, whose members are excluded",
            "",
        ),
        ("any", &["group:staff negate"], "--+-+", "", "not a member of `staff`, whose members are excluded"),
        ("any", &["user:ann"], "+----", "bound directly", "not `ann`, who is bound"),
        ("any", &["user:ann negate"], "-++++", "excluded by name", "not `ann`, who is excluded"),
        ("any", &["policy:yes"], "+++++", "the dummy policy `yes` passes", ""),
        ("any", &["policy:no"], "-----", "the dummy policy `no` fails", ""),
        ("any", &["policy:no negate"], "+++++", "the dummy policy `no` fails, and the binding is negated", ""),
        ("any", &["policy:ask"], "?????", "depends on the expression policy `ask`", ""),
        ("any", &["policy:ask negate"], "?????", "depends on the expression policy `ask`", ""),
        (
            "any",
            &["policy:ask", "group:staff"],
            "++?+?",
            "member of `staff` through `payroll`",
            "depends on the expression policy `ask`",
        ),
        (
            "all",
            &["policy:ask", "group:staff"],
            "??-?-",
            "depends on the expression policy `ask`",
            "not a member of `staff`",
        ),
        ("any", &["policy:ask", "policy:no"], "?????", "depends on the expression policy `ask`", ""),
        ("all", &["policy:ask", "policy:no"], "-----", "the dummy policy `no` fails", ""),
        // Nobody who opens an application brings an event or a new password.
        ("any", &["policy:event"], "-----", "the event matcher policy `event` fails", ""),
        ("any", &["policy:form"], "-----", "the password policy `form` fails", ""),
        ("any", &["policy:age"], "?????", "depends on the password expiry policy `age`", ""),
        ("any", &["policy:record"], "?????", "depends on the reputation policy `record`", ""),
        ("any", &["policy:nowhere"], "+++++", "the GeoIP policy `nowhere` passes", ""),
        ("any", &["policy:norway"], "?????", "depends on the GeoIP policy `norway`", ""),
    ];
    for (mode, bindings, expected, ann, eve) in table {
        let lab = bound(mode, bindings);
        let (found, [to_ann, to_eve]) = verdicts(&lab);
        assert_eq!(found, *expected, "{mode} {bindings:?}");
        for (words, said) in [(ann, to_ann), (eve, to_eve)] {
            assert!(words.is_empty() || said == **words, "{mode} {bindings:?}: {said}");
        }
    }
}

#[test]
fn a_deleted_group_has_no_members_left() {
    let mut lab = bound("any", &["group:staff"]);
    let group = lab.one("authentik_core.group", "name", "staff");
    lab.model.remove(group.id);
    assert_eq!(verdicts(&lab).0, "-----");
}

#[test]
fn memberships_reach_twenty_groups_up_and_no_further() {
    let mut list =
        "- {model: authentik_core.application, id: app, identifiers: {slug: app}, attrs: {name: App}}\n".to_owned();
    for at in 0..23 {
        let parent = if at == 0 { String::new() } else { format!(", attrs: {{parent: !KeyOf g{}}}", at - 1) };
        list.push_str(&format!("- {{model: authentik_core.group, id: g{at}, identifiers: {{name: g{at}}}{parent}}}\n"));
    }
    list.push_str(
        "- {model: authentik_core.user, identifiers: {username: ann}, attrs: {name: Ann, groups: [!KeyOf g22]}}\n",
    );
    for (group, expected) in [(0, '-'), (1, '-'), (2, '+'), (3, '+'), (22, '+')] {
        let mut lab = Lab::new();
        lab.apply(&entries(&format!(
            "{list}- {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf app, group: !KeyOf g{group}, order: 0}}}}\n"
        )));
        let app = lab.one("authentik_core.application", "slug", "app");
        let ann = lab.one("authentik_core.user", "username", "ann").id;
        let found = decide(&lab.model, &app, Who::User(ann), &WithoutRequest).expect("complete").verdict;
        assert_eq!(letter(found), expected, "g{group}");
        assert_eq!(letter(at_once(&lab.model, &app, ann)), expected, "g{group}");
    }
}

fn at_once(model: &Model, target: &Object, user: uuid::Uuid) -> Verdict {
    let people = People::of(&[model]).expect("complete");
    let verdicts = Crowd::new(model, &people, &WithoutRequest).decide(target).expect("complete");
    verdicts.of(people.position(user).expect("a user"))
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    /// The decision about everybody, the decision about each, and the rules as they are written are the same.
    #[test]
    fn everybody_at_once_is_everybody_one_by_one(world in world()) {
        let model = world.model();
        let people = People::of(&[&model]).expect("complete");
        let mut crowd = Crowd::new(&model, &people, &Told);
        for target in (0..TARGETS).filter(|at| world.targets[*at].is_some()) {
            let object = model.known(target_id(target)).expect("there");
            let verdicts = crowd.decide(object).expect("complete");
            for user in (0..USERS).filter(|at| world.users[*at].is_some()) {
                let expected = world.by_bindings(target, user);
                let decision = decide(&model, object, Who::User(user_id(user)), &Told).expect("complete");
                prop_assert_eq!(decision.verdict, expected, "target {} user {}", target, user);
                prop_assert!(!decision.reasons.is_empty());
                let at = people.position(user_id(user)).expect("a user");
                prop_assert_eq!(verdicts.of(at), expected, "target {} user {} at once", target, user);
            }
        }
        let superusers = crowd.superusers().expect("complete");
        for user in (0..USERS).filter(|at| world.users[*at].is_some()) {
            let at = people.position(user_id(user)).expect("a user");
            prop_assert_eq!(superusers.contains(at), world.is_superuser(user));
        }
    }
}
