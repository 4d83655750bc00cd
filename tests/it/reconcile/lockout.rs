//! The guard against locking everybody out, on the shipped blueprints.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use gatewright::{
    model::{Model, Need, Object},
    policies::access::WithoutRequest,
    reconcile::lockout::{Lockout, Outcome, check},
};

use super::loading;
use crate::support::lab::{Lab, entries};

static SHIPPED: LazyLock<Lab> = LazyLock::new(|| {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("blueprints");
    let mut lab = Lab::new();
    let first = lab.plan_paths(&[folder.join("default"), folder.join("system")]);
    assert!(first.errors().is_empty(), "{}", first.report());
    lab.commit(&first.plan);
    lab
});

const FLOW: &str = "!Find [authentik_flows.flow, [slug, default-authentication-flow]]";
const ADMINS: &str = "!Find [authentik_core.group, [name, authentik Admins]]";

/// The shipped system, whose administrator has set a password.
fn installed() -> Lab {
    let mut lab = SHIPPED.clone();
    lab.apply(&entries(&user("akadmin", "password: secret")));
    lab
}

fn user(name: &str, attrs: &str) -> String {
    format!("- {{model: authentik_core.user, identifiers: {{username: {name}}}, attrs: {{name: Somebody, {attrs}}}}}\n")
}

fn stage_binding(stage: &str, order: i32, rest: &str) -> String {
    format!(
        "- model: authentik_flows.flowstagebinding\n  id: {stage}-binding\n  identifiers: {{target: {FLOW}, stage: !Find [authentik_flows.stage, \
         [name, {stage}]], order: {order}}}\n  {rest}\n"
    )
}

/// Binds the administrators' group in place of the policy that is bound.
fn admins_only(target: &str) -> String {
    format!(
        "- {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf {target}, policy: !Find \
         [authentik_policies.policy, [name, default-authentication-flow-password-stage]], order: 10}}, state: absent}}\n\
         - {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf {target}, group: {ADMINS}, order: 1}}}}\n"
    )
}

fn deny(order: i32) -> String {
    format!(
        "- {{model: authentik_stages_deny.denystage, id: shut, identifiers: {{name: shut}}}}\n- model: authentik_flows.flowstagebinding\n  \
         id: shut-binding\n  identifiers: {{target: {FLOW}, stage: !KeyOf shut, order: {order}}}\n"
    )
}

fn brand(attrs: &str) -> String {
    format!("- {{model: authentik_brands.brand, identifiers: {{domain: authentik-default}}, attrs: {{{attrs}}}}}\n")
}

fn identification(attrs: &str) -> String {
    format!(
        "- {{model: authentik_stages_identification.identificationstage, identifiers: {{name: default-authentication-identification}}, \
         attrs: {{{attrs}}}}}\n"
    )
}

fn validation(attrs: &str) -> String {
    format!(
        "- {{model: authentik_stages_authenticator_validate.authenticatorvalidatestage, identifiers: {{name: \
         default-authentication-mfa-validation}}, attrs: {{{attrs}}}}}\n"
    )
}

fn flow(attrs: &str) -> String {
    format!(
        "- {{model: authentik_flows.flow, identifiers: {{slug: default-authentication-flow}}, attrs: {{name: W, title: W, designation: \
         authentication, {attrs}}}}}\n"
    )
}

fn oauth(attrs: &str) -> String {
    format!(
        "- model: authentik_sources_oauth.oauthsource\n  id: hub\n  identifiers: {{slug: hub}}\n  attrs: {{name: Hub, provider_type: github, \
         consumer_key: k, consumer_secret: s, {attrs}}}\n"
    )
}

const PASSKEYS: &str = "
- model: authentik_flows.flow
  id: keys
  identifiers: {slug: keys}
  attrs: {name: Keys, title: Keys, designation: authentication}
- model: authentik_stages_authenticator_validate.authenticatorvalidatestage
  id: key
  identifiers: {name: key}
  attrs: {device_classes: [webauthn], not_configured_action: deny}
- {model: authentik_stages_user_login.userloginstage, id: enter, identifiers: {name: enter}}
- {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf keys, stage: !KeyOf key, order: 0}}
- {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf keys, stage: !KeyOf enter, order: 1}}
";

const NO_PASSWORD_STEP: &str = "- {model: authentik_stages_password.passwordstage, identifiers: {name: default-authentication-password}, state: absent}\n";

fn after(lab: &Lab, list: &str) -> Model {
    let judged = lab.plan(&[("change.yaml", &entries(list))]);
    assert!(judged.errors().is_empty(), "{list}\n{}", judged.report());
    assert!(!judged.plan.is_empty(), "changes nothing: {list}");
    judged.plan.applied_to(&lab.model)
}

fn judge(before: &Model, after: &Model) -> (Lockout, BTreeSet<Need>) {
    let ask = |before: &Model, after: &Model| check(before, after, &WithoutRequest);
    let whole = ask(before, after).expect("the models are complete");
    let (loaded, asked) = loading(before, after, ask);
    assert_eq!(loaded.outcome, whole.outcome, "what is loaded on demand gives another answer");
    assert_eq!(loaded.render_text(), whole.render_text());
    (whole, asked)
}

#[test]
fn every_way_of_losing_the_sign_in_is_refused() {
    let lab = installed();
    let inactive = user("akadmin", "is_active: false");
    // Decided while nobody is known yet.
    let early = stage_binding(
        "default-authentication-password",
        20,
        "attrs: {evaluate_on_plan: true, re_evaluate_policies: false}",
    ) + &admins_only("default-authentication-password-binding");
    let table: Vec<(String, &str)> = vec![
        (
            early,
            "akadmin: the flow `default-authentication-flow` leaves the stage `default-authentication-password` out: not a \
             member of `authentik Admins`",
        ),
        (inactive.clone(), "akadmin: the account is inactive (by this plan)"),
        (user("akadmin", "groups: []"), "akadmin: is in no group of superusers (by this plan)"),
        (user("akadmin", "type: external"), "akadmin: the account is of the type `external` (by this plan)"),
        (
            // Nobody has given the other one a password.
            user("second", &format!("groups: [{ADMINS}]")) + &inactive,
            "second: has no usable password for the stage `default-authentication-password` (by this plan)",
        ),
        ("- {model: authentik_core.user, identifiers: {username: akadmin}, state: absent}\n".into(), "akadmin: there is no such account (by this plan)"),
        ("- {model: authentik_core.group, identifiers: {name: authentik Admins}, attrs: {is_superuser: false}}\n".into(), "akadmin: is in no group of superusers (by this plan)"),
        ("- {model: authentik_core.group, identifiers: {name: authentik Admins}, state: absent}\n".into(), "akadmin: is in no group of superusers (by this plan)"),
        ("- {model: authentik_flows.flow, identifiers: {slug: default-authentication-flow}, state: absent}\n".into(), "akadmin: the default brand has no authentication flow (by this plan)"),
        (NO_PASSWORD_STEP.into(), "akadmin: the flow `default-authentication-flow` has no password stage any more (by this plan)"),
        (stage_binding("default-authentication-password", 20, "state: absent"), "akadmin: the flow `default-authentication-flow` has no password stage any more (by this plan)"),
        (stage_binding("default-authentication-login", 100, "state: absent"), "akadmin: the flow `default-authentication-flow` has no user login stage, so it signs nobody in (by this plan)"),
        (stage_binding("default-authentication-identification", 10, "state: absent"), "akadmin: the flow `default-authentication-flow` asks for a password before it knows of whom"),
        (deny(15), "akadmin: the flow `default-authentication-flow` denies at the stage `shut` (by this plan)"),
        (deny(99), "akadmin: the flow `default-authentication-flow` denies at the stage `shut` (by this plan)"),
        (format!("{}- {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf shut-binding, group: {ADMINS}, order: 0}}}}\n", deny(99)),
            "denies at the stage `shut` (by this plan)"),
        // Who has not signed in yet is in no group.
        (format!("- {{model: authentik_policies.policybinding, identifiers: {{target: {FLOW}, group: {ADMINS}, order: 0}}}}\n"),
            "akadmin: the flow `default-authentication-flow` denies whoever is not signed in yet: not a member of `authentik Admins` (by this plan)"),
        (format!("- {{model: authentik_policies_dummy.dummypolicy, id: 'no', identifiers: {{name: 'no'}}}}\n- {{model: authentik_policies.policybinding, identifiers: {{target: {FLOW}, policy: !KeyOf 'no', order: 0}}}}\n"),
            "the dummy policy `no` fails (by this plan)"),
        (format!("{}- {{model: authentik_policies_dummy.dummypolicy, id: 'no', identifiers: {{name: 'no'}}}}\n- {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf default-authentication-login-binding, policy: !KeyOf 'no', order: 0}}}}\n",
            stage_binding("default-authentication-login", 100, "")), "leaves the stage `default-authentication-login` out: the dummy policy `no` fails (by this plan)"),
        (flow("authentication: require_authenticated"), "akadmin: the flow `default-authentication-flow` is open to people who are signed in only (by this plan)"),
        (flow("authentication: require_outpost"), "is open to outposts only (by this plan)"),
        (brand("flow_authentication: !Find [authentik_flows.flow, [slug, default-invalidation-flow]]"), "akadmin: the flow `default-invalidation-flow` has no user login stage"),
        ("- {model: authentik_stages_password.passwordstage, identifiers: {name: default-authentication-password}, attrs: {backends: [authentik.sources.ldap.auth.LDAPBackend]}}\n".into(),
            "akadmin: has nothing that the backends of the stage `default-authentication-password` accept (by this plan)"),
        (validation("not_configured_action: deny"), "akadmin: has no device that the stage `default-authentication-mfa-validation` accepts, and it denies without one (by this plan)"),
        (format!("{}{}", oauth("enabled: true"), identification("user_fields: [], sources: [!KeyOf hub]")), "akadmin: is not linked to the source `Hub` (by this plan)"),
        (format!("{}{}", oauth("enabled: false, user_matching_mode: username_link"), identification("user_fields: [], sources: [!KeyOf hub]")), "akadmin: the source `Hub` is disabled (by this plan)"),
        (format!("{}{}", oauth("user_matching_mode: username_link"), identification("user_fields: [], sources: [!KeyOf hub]")), "akadmin: the source `Hub` has no authentication flow (by this plan)"),
        (identification("user_fields: [upn]"), "does not find the user: no value for upn (by this plan)"),
        // Nobody has a passkey.
        (format!("{PASSKEYS}{NO_PASSWORD_STEP}{}", identification("user_fields: [username], passwordless_flow: !KeyOf keys")), "akadmin: has no passkey for the stage `key` (by this plan)"),
    ];
    for (list, expected) in table {
        let (found, asked) = judge(&lab.model, &after(&lab, &list));
        let text = found.render_text();
        assert_eq!(found.outcome, Outcome::LocksOut, "{list}\n{text}");
        assert!(found.refuses() && text.starts_with("Refused: "), "{text}");
        assert!(text.contains(expected), "{list}\n{text}");
        let users = lab.model.registry().find("authentik_core.user").expect("a kind").index;
        assert!(!asked.contains(&Need::Kind(users)), "loads every user: {list}");
    }
}

#[test]
fn what_leaves_a_way_in_is_not_refused() {
    let lab = installed();
    let second = user("second", &format!("password: other, groups: [{ADMINS}]"));
    let nested = format!(
        "- {{model: authentik_core.group, id: duty, identifiers: {{name: duty}}, attrs: {{parent: {ADMINS}}}}}\n{}{}",
        user("second", "password: other, groups: [!KeyOf duty]"),
        user("akadmin", "groups: []")
    );
    let inline = format!(
        "{}{}",
        identification(
            "user_fields: [username], password_stage: !Find [authentik_stages_password.passwordstage, [name, default-authentication-password]]"
        ),
        stage_binding("default-authentication-password", 20, "state: absent")
    );
    let expression = |target: &str| {
        format!(
            "- {{model: authentik_policies_expression.expressionpolicy, id: ask, identifiers: {{name: ask}}, attrs: {{expression: return False}}}}\n\
             - {{model: authentik_policies.policybinding, identifiers: {{target: {target}, policy: !KeyOf ask, order: 0}}}}\n"
        )
    };
    let source = "authentication_flow: !Find [authentik_flows.flow, [slug, default-source-authentication]]";
    let by_source = |attrs: &str| {
        format!("{}{}", oauth(&format!("{source}, {attrs}")), identification("user_fields: [], sources: [!KeyOf hub]"))
    };
    let connection = "- model: authentik_sources_oauth.useroauthsourceconnection\n  identifiers: {user: !Find [authentik_core.user, [username, akadmin]], source: !KeyOf hub}\n  attrs: {identifier: '1'}\n";
    let token = "- model: authentik_core.token\n  identifiers: {identifier: machine}\n  attrs: {user: !Find [authentik_core.user, [username, akadmin]], intent: app_password}\n- {model: authentik_stages_password.passwordstage, identifiers: {name: default-authentication-password}, attrs: {backends: [authentik.core.auth.TokenBackend]}}\n";
    let late = stage_binding("default-authentication-password", 20, "")
        + &admins_only("default-authentication-password-binding");
    for list in [
        late,
        second.clone() + &user("akadmin", "is_active: false"),
        nested,
        inline,
        user("akadmin", "password: another"),
        token.to_owned(),
        brand("branding_title: Ours"),
        brand("flow_authentication: null"),
        flow("layout: sidebar_left"),
        flow("authentication: require_unauthenticated"),
        deny(200),
        deny(15) + &expression("!KeyOf shut-binding"),
        deny(15)
            + "- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf shut-binding, user: !Find [authentik_core.user, [username, akadmin]], order: 0}, attrs: {negate: true}}\n",
        expression(FLOW),
        validation(
            "not_configured_action: configure, configuration_stages: [!Find [authentik_flows.stage, [name, default-authenticator-totp-setup]]]",
        ),
        stage_binding("default-authentication-mfa-validation", 30, "state: absent"),
        by_source("user_matching_mode: username_link"),
        by_source("user_matching_mode: identifier") + connection,
        "- {model: authentik_flows.flow, identifiers: {slug: default-source-authentication}, state: absent}\n"
            .to_owned(),
        "- {model: authentik_core.group, identifiers: {name: authentik Admins}, attrs: {attributes: {a: 1}}}\n"
            .to_owned(),
    ] {
        let (found, asked) = judge(&lab.model, &after(&lab, &list));
        assert_eq!(found.outcome, Outcome::Safe, "{list}\n{}", found.render_text());
        assert!(!found.refuses() && found.render_text().is_empty() && found.way.is_some());
        assert!(asked.iter().all(|need| *need != Need::Kind(lab.all("authentik_core.user")[0].kind)), "{asked:?}");
    }
}

#[test]
fn a_passkey_of_the_administrator_is_a_way_in() {
    let mut lab = installed();
    let registry = lab.model.registry().clone();
    let kind = registry.find("authentik_stages_authenticator_webauthn.webauthndevice").expect("a kind").index;
    let like = Object::clone(&lab.one("authentik_core.user", "username", "akadmin"));
    let mut attrs = like.attrs.clone();
    attrs.insert("confirmed".to_owned(), true.into());
    let device = Object {
        id: uuid::Uuid::from_u128(7),
        kind,
        number: None,
        attrs,
        edges: [("user", vec![like.id])].into(),
        secrets: Default::default(),
        ..like
    };
    lab.model.put(Arc::new(device));
    let list = format!(
        "{PASSKEYS}{NO_PASSWORD_STEP}{}",
        identification("user_fields: [username], passwordless_flow: !KeyOf keys")
    );
    let (found, _) = judge(&lab.model, &after(&lab, &list));
    let way = found.way.expect("there is a way");
    assert_eq!(way.assuming, ["the user still has the device of the class `webauthn`"]);
}

#[test]
fn a_system_without_a_way_in_may_be_changed_but_it_is_said() {
    // The administrator has not chosen a password yet.
    let lab = SHIPPED.clone();
    let (found, _) = judge(&lab.model, &after(&lab, &brand("branding_title: Ours")));
    assert_eq!(found.outcome, Outcome::LockedBefore);
    assert!(!found.refuses());
    let text = found.render_text();
    assert!(
        text.starts_with("Note: no active superuser can sign in, neither before this change nor after it.\n"),
        "{text}"
    );
    assert!(text.contains("akadmin: has no usable password") && !text.contains("by this plan"), "{text}");
    let empty = Lab::new();
    let (found, _) = judge(&empty.model, &lab.model);
    assert_eq!(found.outcome, Outcome::LockedBefore);
    // And what opens a way is welcome.
    let (found, _) = judge(&lab.model, &after(&lab, &user("akadmin", "password: chosen")));
    assert_eq!(found.outcome, Outcome::Safe);
}
