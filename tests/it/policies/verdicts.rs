//! What policies say on a store, and what the engine makes of it.

use gatewright::{
    expression::{Map, Value},
    flows::{
        plan::Plan,
        planner::{self, PlanError, Planning},
        slice::Slice,
    },
    policies::engine::Subject,
};
use serde_json::json;

use super::lab::{DAY, Lab, visit};

/// An application `app` with policies bound in order: kind, name, settings, settings of the binding.
fn guarded(mode: &str, policies: &[(&str, &str, &str, &str)]) -> String {
    let mut text = format!(
        "- {{model: authentik_core.application, id: app, identifiers: {{slug: app}}, attrs: {{name: App, policy_engine_mode: {mode}}}}}\n\
         - {{model: authentik_core.user, identifiers: {{username: ada}}, attrs: {{name: Ada, password: first}}}}\n"
    );
    for (order, (kind, name, settings, binding)) in policies.iter().enumerate() {
        text.push_str(&format!(
            "- {{model: {kind}, id: {name}, identifiers: {{name: {name}}}, attrs: {{{settings}}}}}\n\
             - {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf app, policy: !KeyOf {name}, order: {order}}}, \
             attrs: {{{binding}}}}}\n"
        ));
    }
    text
}

const DUMMY: &str = "authentik_policies_dummy.dummypolicy";
const EXPRESSION: &str = "authentik_policies_expression.expressionpolicy";
const PASSES: (&str, &str, &str, &str) = (DUMMY, "passes", "result: true, wait_min: 0, wait_max: 0", "");
const FAILS: (&str, &str, &str, &str) = (DUMMY, "fails", "result: false, wait_min: 0, wait_max: 0", "");
const BREAKS: (&str, &str, &str, &str) = (EXPRESSION, "breaks", "expression: 'return 1 / 0'", "");

#[tokio::test]
async fn a_policy_that_breaks_denies_and_is_told_from_one_that_fails() {
    let open = |(kind, name, settings, _)| (kind, name, settings, "failure_result: true");
    let negated = |(kind, name, settings, _)| (kind, name, settings, "negate: true");
    let late = (DUMMY, "late", "result: true, wait_min: 5, wait_max: 5", "timeout: 1");
    type Bound<'a> = (&'a str, &'a str, &'a str, &'a str);
    let table: [(&str, Vec<Bound<'_>>, bool, bool); 12] = [
        ("any", vec![], true, false),
        ("any", vec![PASSES], true, false),
        ("any", vec![FAILS], false, false),
        ("any", vec![BREAKS], false, true),
        ("any", vec![late], false, true),
        ("any", vec![open(BREAKS)], true, false),
        ("any", vec![negated(BREAKS)], false, true),
        ("any", vec![BREAKS, PASSES], true, false),
        ("any", vec![BREAKS, FAILS], false, true),
        ("all", vec![BREAKS, PASSES], false, true),
        // It fails whatever the broken one would have said.
        ("all", vec![BREAKS, FAILS], false, false),
        ("all", vec![open(BREAKS), FAILS], false, false),
    ];
    for (mode, policies, passing, undecided) in table {
        let lab = Lab::new(&guarded(mode, &policies)).await;
        let judgement = lab.judge("app", "ada", Map::new()).await;
        assert_eq!((judgement.passing, judgement.undecided), (passing, undecided), "{mode} {policies:?} {judgement:?}");
        let broken = policies.iter().filter(|(_, name, ..)| matches!(*name, "breaks" | "late")).count();
        let events = lab.events().await;
        assert_eq!(events.iter().filter(|action| *action == "policy_exception").count(), broken, "{events:?}");
    }
}

#[tokio::test]
async fn messages_come_in_the_order_of_the_bindings_and_runs_are_logged_on_demand() {
    let says = |name, text| (EXPRESSION, name, text, "");
    let lab = Lab::new(&guarded(
        "all",
        &[
            says(
                "first",
                "execution_logging: true, expression: \"ak_message('one'); ak_message('two'); return False\"",
            ),
            says("second", "expression: \"ak_message(request.user.username); return context.get('x')\""),
        ],
    ))
    .await;
    let judgement = lab.judge("app", "ada", Map::from_iter([("x".to_owned(), Value::Bool(true))])).await;
    assert_eq!(judgement.messages, ["one", "two", "ada"]);
    assert!(!judgement.passing);
    assert_eq!(lab.events().await, ["policy_execution"]);
}

#[tokio::test]
async fn a_password_grows_old_and_judging_it_changes_nothing() {
    let expiry = "authentik_policies_expiry.passwordexpirypolicy";
    for (settings, message) in [
        ("days: 30", "Password expired 2 days ago. Please update your password."),
        ("days: 30, deny_only: true", "Password has expired."),
    ] {
        let lab = Lab::new(&guarded("any", &[(expiry, "expiry", settings, "")])).await;
        lab.pass(29 * DAY);
        assert!(lab.judge("app", "ada", Map::new()).await.passing);
        lab.pass(3 * DAY);
        let before = lab.world.store().revision().await.expect("a revision");
        let judgement = lab.judge("app", "ada", Map::new()).await;
        assert_eq!((judgement.passing, judgement.messages), (false, vec![message.to_owned()]));
        assert_eq!(lab.world.store().revision().await.expect("a revision"), before);
        let ada = lab.person("ada").await.id().expect("a user");
        lab.world.store().note_person(ada, None, Some(super::lab::NOON + 32 * DAY)).await.expect("noted");
        assert!(lab.judge("app", "ada", Map::new()).await.passing);
        assert!(!lab.judge("app", "nobody", Map::new()).await.passing);
    }
}

#[tokio::test]
async fn reputation_counts_what_is_checked() {
    let reputation = "authentik_policies_reputation.reputationpolicy";
    let table = [
        ("threshold: -5", -5, true),
        ("threshold: -5", -4, false),
        ("threshold: -5, check_ip: false", -5, true),
        ("threshold: -5, check_username: false", -5, false),
    ];
    for (settings, score, passing) in table {
        let lab = Lab::new(&guarded("any", &[(reputation, "reputation", settings, "")])).await;
        let elsewhere = "198.51.100.1".parse().expect("an address");
        let store = lab.world.store();
        store
            .change_reputation("ada", elsewhere, score, (-100, 100), &json!({}), lab.world.now(), DAY)
            .await
            .expect("kept");
        assert_eq!(lab.judge("app", "ada", Map::new()).await.passing, passing, "{settings} {score}");
    }
}

#[tokio::test]
async fn former_passwords_are_known_however_they_were_changed() {
    let unique = "authentik_policies_unique_password.uniquepasswordpolicy";
    let lab = Lab::new(&guarded("any", &[(unique, "unique", "num_historical_passwords: 2", "")])).await;
    for password in ["second", "third"] {
        lab.apply(&format!("- {{model: authentik_core.user, identifiers: {{username: ada}}, attrs: {{name: Ada, password: {password}}}}}\n"))
            .await;
    }
    for (password, passing) in [("third", false), ("second", false), ("first", true), ("fourth", true)] {
        let data = Value::Map(Map::from_iter([("password".to_owned(), Value::text(password))]));
        let judgement = lab.judge("app", "ada", Map::from_iter([("prompt_data".to_owned(), data)])).await;
        assert_eq!(judgement.passing, passing, "{password} {judgement:?}");
    }
    assert_eq!(lab.judge("app", "ada", Map::new()).await.messages, ["Password not set in context"]);
}

/// CVE-2024-47070: a stage whose policy broke was left out, and with it the password.
#[tokio::test]
async fn a_stage_whose_policy_breaks_is_not_left_out() {
    let flow = |expression: &str, binding: &str| {
        format!(
            "- {{model: authentik_flows.flow, id: flow, identifiers: {{slug: sign-in}}, \
             attrs: {{name: Sign in, title: Sign in, designation: authentication}}}}\n\
             - {{model: authentik_stages_dummy.dummystage, id: stage, identifiers: {{name: ask}}}}\n\
             - {{model: authentik_flows.flowstagebinding, id: at, identifiers: {{target: !KeyOf flow, stage: !KeyOf stage, order: 0}}, \
             attrs: {{evaluate_on_plan: true}}}}\n\
             - {{model: {EXPRESSION}, id: policy, identifiers: {{name: policy}}, attrs: {{expression: \"{expression}\"}}}}\n\
             - {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf at, policy: !KeyOf policy, order: 0}}, attrs: {{{binding}}}}}\n"
        )
    };
    let table = [
        ("return True", "", Ok(1)),
        ("return False", "", Ok(0)),
        ("return ip_address('no address')", "", Err(())),
        ("return ip_address('no address')", "negate: true", Err(())),
        ("return ip_address('no address')", "failure_result: true", Ok(1)),
    ];
    for (expression, binding, expected) in table {
        let lab = Lab::new(&flow(expression, binding)).await;
        let flow = lab.object("authentik_flows.flow", "sign-in").await;
        let mut model = lab.model().await;
        let slice = lab.world.ask(&mut model, |model| Slice::of(model, &flow)).await.expect("a slice");
        assert_eq!(planner::bindings(&slice).len(), 1);
        let visit = visit();
        let planning =
            Planning { world: &lab.world, slice: &slice, visit: &visit, visitor: &Subject::Anonymous, trusted: false };
        let plan: Result<Plan, PlanError> = planning.plan(Map::new()).await;
        match (&plan, expected) {
            (Ok(plan), Ok(steps)) => assert_eq!(plan.steps.len(), steps, "{expression} {binding}"),
            (Err(PlanError::Failed(_)), Err(())) => {}
            other => panic!("{expression} {binding}: {other:?}"),
        }
    }
}
