//! What kinds ask for beyond their schema: blueprint-only fields, secrets, the shipped files.

use std::path::{Path, PathBuf};

use gatewright::{
    base::diagnostic::{Code, Severity},
    blueprint::{inputs::Environment, plan::Shown},
    model::SecretMode,
    store::changeset::SecretWrite,
};
use serde_json::json;

use super::{FLOW, GROUP, USER, only_error, refusal};
use crate::{
    engine::reference_data,
    support::lab::{Lab, entries},
};

const BINDING: &str = "authentik_policies.policybinding";
const GRANT: &str = "gatewright_rbac.objectpermission";

const LOGIN: &str = r"
  - {model: authentik_flows.flow, id: flow, identifiers: {slug: f}, attrs: {name: F, title: F, designation: authentication}}
  - {model: authentik_stages_user_login.userloginstage, id: stage, identifiers: {name: login}}
  - {model: authentik_flows.flowstagebinding, id: binding, identifiers: {target: !KeyOf flow, stage: !KeyOf stage, order: 0}}
";

/// A flow, its stage and their binding into an empty system. Joined to an export by the export's tests.
#[test]
fn s30_05_a_flow_with_a_stage_and_its_binding() {
    let mut lab = Lab::new();
    let judged = lab.settle(&entries(LOGIN));
    assert!(judged.found.is_empty(), "{}", judged.report());
    assert_eq!(judged.plan.counts().create, 3);
    let binding = &lab.all("authentik_flows.flowstagebinding")[0];
    assert_eq!(binding.targets("target"), [lab.one(FLOW, "slug", "f").id]);
}

/// A policy bound both to the flow and to a binding of one of its stages. Joined to an export by the export's tests.
#[test]
fn s30_07_a_policy_bound_to_a_flow_and_to_a_stage_binding() {
    let mut lab = Lab::new();
    let judged = lab.settle(&entries(&format!(
        "{LOGIN}
  - {{model: {BINDING}, identifiers: {{target: !KeyOf flow, policy: !KeyOf policy, order: 0}}}}
  - {{model: {BINDING}, identifiers: {{target: !KeyOf binding, policy: !KeyOf policy, order: 0}}}}
  - {{model: authentik_policies_dummy.dummypolicy, id: policy, identifiers: {{name: p}}}}
"
    )));
    assert_eq!(judged.plan.counts().create, 6);
    let policy = lab.one("authentik_policies_dummy.dummypolicy", "name", "p").id;
    assert!(lab.all(BINDING).iter().all(|binding| binding.targets("policy") == [policy]));
}

/// A stage of three prompts. Joined to an export by the export's tests.
#[test]
fn s30_08_a_stage_of_three_prompts() {
    let prompts: String = ["one", "two", "three"]
        .iter()
        .map(|name| {
            format!(
                "- {{model: authentik_stages_prompt.prompt, id: {name}, identifiers: {{name: {name}}}, \
                 attrs: {{field_key: {name}, label: {name}, type: text}}}}\n"
            )
        })
        .collect();
    let mut lab = Lab::new();
    let judged = lab.settle(&entries(&format!(
        "- {{model: authentik_stages_prompt.promptstage, identifiers: {{name: s}}, \
         attrs: {{fields: [!KeyOf one, !KeyOf two, !KeyOf three]}}}}\n{prompts}"
    )));
    assert_eq!(judged.plan.counts().create, 4);
    assert_eq!(lab.one("authentik_stages_prompt.promptstage", "name", "s").targets("fields").len(), 3);
}

/// An instance whose document lies in a registry is planned without asking the registry.
#[test]
fn s30_22_an_instance_with_an_oci_path() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        "- {model: authentik_blueprints.blueprintinstance, identifiers: {name: a}, \
         attrs: {path: 'oci://registry.invalid/repository:latest'}}",
    ));
}

/// An instance with neither path nor content has no document.
#[test]
fn s30_23_an_instance_without_a_document() {
    let text = "- {model: authentik_blueprints.blueprintinstance, identifiers: {name: a}}";
    let (code, judged) = refusal(&entries(text));
    assert_eq!(code, Code::CROSS_FIELD);
    assert!(judged.words(code).contains("content"));
}

/// The key of a token is what the file says, kept as a secret.
#[test]
fn s30_25_a_token_with_a_key() {
    let mut lab = Lab::new();
    let judged = lab.settle(&entries(
        r"
  - {model: authentik_core.user, id: jo, identifiers: {username: jo}, attrs: {name: Jo}}
  - {model: authentik_core.token, identifiers: {identifier: t}, attrs: {user: !KeyOf jo, intent: api, key: the-key}}
",
    ));
    let change = judged.plan.changes.iter().find(|change| change.object.name == "t").expect("planned");
    assert!(matches!(&change.secrets["key"], SecretWrite::Seal(text) if text == "the-key"));
    assert!(!lab.one("authentik_core.token", "identifier", "t").attrs.contains_key("key"));
}

/// A token without a key gets a random one when the plan is applied, and keeps it.
#[test]
fn s30_25_a_token_without_a_key_gets_one() {
    let judged = Lab::new().settle(&entries(
        r"
  - {model: authentik_core.user, id: jo, identifiers: {username: jo}, attrs: {name: Jo}}
  - {model: authentik_core.token, identifiers: {identifier: t}, attrs: {user: !KeyOf jo, intent: api}}
",
    ));
    let change = judged.plan.changes.iter().find(|change| change.object.name == "t").expect("planned");
    assert_eq!(change.generated, [("key", 60)]);
    assert!(change.fields.iter().any(|diff| diff.field == "key" && diff.after == Shown::Generated));
}

const PICTURE: &str = "https://goauthentik.io/img/icon.png";

/// The icon of an application is stored as it is given.
#[test]
fn s30_26_an_application_with_an_icon() {
    let mut lab = Lab::new();
    for picture in [PICTURE, "/static/dist/icon.svg"] {
        lab.settle(&entries(&format!(
            "- {{model: authentik_core.application, identifiers: {{slug: a}}, attrs: {{name: A, icon: '{picture}'}}}}"
        )));
        assert_eq!(lab.attr("authentik_core.application", "slug", "a", "icon"), json!(picture));
    }
}

fn oauth_source(more: &str) -> String {
    entries(&format!(
        "- {{model: authentik_sources_oauth.oauthsource, identifiers: {{slug: s}}, \
         attrs: {{name: S, consumer_key: k, consumer_secret: c, {more}}}}}"
    ))
}

/// So is the icon of a source.
#[test]
fn s30_27_a_source_with_an_icon() {
    let mut lab = Lab::new();
    lab.settle(&oauth_source(&format!("provider_type: github, icon: '{PICTURE}'")));
    assert_eq!(lab.attr("authentik_sources_oauth.oauthsource", "slug", "s", "icon"), json!(PICTURE));
}

/// And the background of a flow.
#[test]
fn s30_28_a_flow_with_a_background() {
    let mut lab = Lab::new();
    lab.settle(&entries(&format!(
        "- {{model: authentik_flows.flow, identifiers: {{slug: f}}, \
         attrs: {{name: F, title: F, designation: recovery, background: '{PICTURE}'}}}}"
    )));
    assert_eq!(lab.attr(FLOW, "slug", "f", "background"), json!(PICTURE));
}

/// A password is written as a hash and never beside the attributes.
#[test]
fn s30_29_a_user_with_a_password() {
    let mut lab = Lab::new();
    let judged = lab.settle(&entries(
        "- {model: authentik_core.user, identifiers: {username: jo}, attrs: {name: Jo, password: hunter2}}",
    ));
    assert!(matches!(&judged.plan.changes[0].secrets["password"], SecretWrite::Hash(text) if text == "hunter2"));
    let jo = lab.one(USER, "username", "jo");
    assert!(!jo.attrs.contains_key("password") && jo.secrets.contains_key("password"));
}

/// Without a password, or with an empty one, a user has none, and one who has a password keeps it.
#[test]
fn s30_30_a_user_without_a_password() {
    let user = |password: &str| {
        entries(&format!(
            "- {{model: authentik_core.user, identifiers: {{username: jo}}, attrs: {{name: Jo{password}}}}}"
        ))
    };
    let mut lab = Lab::new();
    for nothing in ["", ", password: null", ", password: ''"] {
        lab.settle(&user(nothing));
        assert!(lab.one(USER, "username", "jo").secrets.is_empty(), "{nothing}");
    }
    lab.settle(&user(", password: hunter2"));
    for nothing in ["", ", password: null", ", password: ''"] {
        assert!(lab.settle(&user(nothing)).plan.is_empty(), "{nothing}");
    }
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            files.extend(yaml_files(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "yaml") {
            files.push(entry);
        }
    }
    files.sort();
    files
}

/// What a file of a set must be given beside it: the blueprints that it requires.
fn apply_alone_and_in_any_order(files: &[PathBuf]) {
    for file in files {
        let mut lab = Lab::new();
        let judged = lab.plan_paths(std::slice::from_ref(file));
        assert!(judged.errors().is_empty(), "{}", judged.report());
        lab.commit(&judged.plan);
        assert!(lab.plan_paths(std::slice::from_ref(file)).plan.is_empty(), "{} is not settled", file.display());
    }
    let results = [false, true].map(|backwards| {
        let mut lab = Lab::new();
        let mut order: Vec<&PathBuf> = files.iter().collect();
        if backwards {
            order.reverse();
        }
        for file in order {
            let judged = lab.plan_paths(std::slice::from_ref(file));
            assert!(judged.errors().is_empty(), "{}", judged.report());
            lab.commit(&judged.plan);
        }
        // What one file looked for before another made it is found in a second round.
        let all = lab.plan_paths(files);
        assert!(all.errors().is_empty(), "{}", all.report());
        lab.commit(&all.plan);
        lab.model.counts()
    });
    assert_eq!(results[0], results[1]);
}

/// Every file that we ship applies to an empty system, alone and in any order.
#[test]
fn s30_48_every_shipped_file_applies() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("blueprints");
    apply_alone_and_in_any_order(&[yaml_files(&folder.join("default")), yaml_files(&folder.join("system"))].concat());
    let mut lab = Lab::new();
    lab.inputs.environment =
        Environment::new(Default::default(), Default::default(), &["EXAMPLE_*".to_owned()]).expect("globs");
    for file in yaml_files(&folder.join("example")) {
        let judged = lab.plan_paths(std::slice::from_ref(&file));
        assert!(judged.errors().is_empty(), "{}", judged.report());
    }
}

/// So does every stock file of two releases of the reference system.
#[test]
fn s30_48_every_stock_file_of_two_releases_applies() {
    let Some(data) = reference_data() else { return };
    for release in ["authentik-2023.3.1", "authentik-2024.6.4"] {
        let folder = data.join(release).join("blueprints");
        apply_alone_and_in_any_order(
            &[yaml_files(&folder.join("default")), yaml_files(&folder.join("system"))].concat(),
        );
    }
}

/// Every kind can be planned: an entry that deletes an object that is not there is fine for each.
#[test]
fn s30_49_every_kind_can_be_planned() {
    let lab = Lab::new();
    let registry = lab.model.registry().clone();
    let names: Vec<&str> = registry.kinds().filter(|kind| !kind.meta).map(|kind| kind.name).collect();
    assert!(names.len() > 100, "{}", names.len());
    for name in names {
        let judged = lab.judge(&entries(&format!(
            "- {{model: {name}, state: absent, identifiers: {{pk: c2bd2b5c-0b6f-4d53-a5ad-2a2a3a6d3f10}}}}"
        )));
        assert_eq!(judged.codes(), [Code::ABSENT_IGNORED], "{name}: {}", judged.report());
    }
}

/// Families, framework internals, and what only the system writes are no kinds.
#[test]
fn s30_49_what_is_no_kind_is_refused() {
    for name in [
        "authentik_core.provider",
        "authentik_core.source",
        "authentik_core.propertymapping",
        "authentik_flows.stage",
        "authentik_policies.policy",
        "authentik_policies.policybindingmodel",
        "authentik_core.authenticatedsession",
        "authentik_flows.flowtoken",
        "authentik_providers_oauth2.authorizationcode",
        "authentik_providers_oauth2.accesstoken",
        "authentik_policies_reputation.reputation",
        "auth.user",
        "contenttypes.contenttype",
        "guardian.userobjectpermission",
        "gatewright.object",
        "user",
        "a.b.c",
    ] {
        let text = entries(&format!("- {{model: {name}, identifiers: {{name: a}}}}"));
        assert_eq!(refusal(&text).0, Code::UNKNOWN_KIND, "{name}");
    }
}

/// What the application wizard composes: a provider that must be new and an application that refers to it.
fn wizard(flow: &str) -> String {
    format!(
        r"
  - model: authentik_core.application
    id: app
    state: must_created
    identifiers: {{slug: app}}
    attrs: {{name: App, provider: !KeyOf provider}}
  - model: authentik_providers_oauth2.oauth2provider
    id: provider
    state: must_created
    identifiers: {{name: Provider}}
    attrs: {{authorization_flow: {flow}, invalidation_flow: {flow}}}
"
    )
}

/// Provider and application in one run, linked. A second such run must not take them over.
#[test]
fn s30_50_an_application_with_its_provider() {
    let mut lab = Lab::new();
    lab.settle(&entries(LOGIN));
    let flow = lab.one(FLOW, "slug", "f").id.to_string();
    lab.apply(&entries(&wizard(&flow)));
    let provider = lab.one("authentik_providers_oauth2.oauth2provider", "name", "Provider").id;
    assert_eq!(lab.one("authentik_core.application", "slug", "app").targets("provider"), [provider]);
    let again = lab.refused(&entries(&wizard(&flow)));
    assert_eq!(again.errors(), [Code::ALREADY_EXISTS; 2]);
    assert_eq!(again.places(Code::ALREADY_EXISTS).len(), 2, "one for the provider and one for the application");
}

/// An empty reference is reported at its field.
#[test]
fn s30_51_an_empty_flow_reference() {
    for flow in ["null", "''", "not-an-id"] {
        let (code, judged) = refusal(&entries(&wizard(flow)));
        assert_eq!(code, Code::REFERENCE_VALUE, "{flow}");
        assert!(judged.words(code).contains("authorization_flow"), "{}", judged.report());
    }
}

/// The wizard's list of bindings: a group and a user bound to the new application.
#[test]
fn s30_54_bindings_on_a_new_application() {
    let mut lab = Lab::new();
    lab.settle(&entries(
        r"
  - {model: authentik_core.application, id: app, identifiers: {slug: app}, attrs: {name: App}}
  - {model: authentik_core.group, id: g, identifiers: {name: g}}
  - {model: authentik_policies.policybinding, identifiers: {target: !KeyOf app, group: !KeyOf g, order: 0}}
  - {model: authentik_policies.policybinding, identifiers: {target: !KeyOf app, user: !KeyOf u, order: 0}}
  - {model: authentik_core.user, id: u, identifiers: {username: u}, attrs: {name: U}}
",
    ));
    let app = lab.one("authentik_core.application", "slug", "app").id;
    let bindings = lab.all(BINDING);
    assert_eq!(bindings.len(), 2);
    assert!(bindings.iter().all(|binding| binding.targets("target") == [app]));
}

/// A binding decides by exactly one of policy, group and user.
#[test]
fn s30_54_a_binding_has_one_subject() {
    let binding = |what: &str| {
        entries(&format!(
            "- {{model: authentik_core.application, id: app, identifiers: {{slug: app}}, attrs: {{name: App}}}}\n\
             - {{model: authentik_core.group, id: g, identifiers: {{name: g}}}}\n\
             - {{model: authentik_core.user, id: u, identifiers: {{username: u}}, attrs: {{name: U}}}}\n\
             - {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf app, order: 0{what}}}}}"
        ))
    };
    assert_eq!(refusal(&binding("")).0, Code::CROSS_FIELD);
    assert_eq!(refusal(&binding(", group: !KeyOf g, user: !KeyOf u")).0, Code::CROSS_FIELD);
}

/// Global permissions of users and roles, and permissions of an object for both.
#[test]
fn s30_60_permissions() {
    let text = entries(
        r"
  - model: authentik_flows.flow
    identifiers: {slug: f}
    attrs: {name: F, title: F, designation: recovery}
    permissions:
      - {permission: view_flow, user: !KeyOf u}
      - {permission: authentik_flows.change_flow, role: !KeyOf r}
      - {permission: view_flow, user: !KeyOf u}
  - {model: authentik_core.user, id: u, identifiers: {username: u}, attrs: {name: U, permissions: [authentik_core.view_user]}}
  - {model: authentik_rbac.role, id: r, identifiers: {name: r}, attrs: {permissions: [authentik_core.view_group]}}
",
    );
    let mut lab = Lab::new();
    lab.settle(&text);
    let (flow, user, role) = (
        lab.one(FLOW, "slug", "f").id,
        lab.one(USER, "username", "u").id,
        lab.one("authentik_rbac.role", "name", "r").id,
    );
    let mut grants: Vec<_> = lab
        .all(GRANT)
        .iter()
        .map(|grant| {
            assert_eq!(grant.targets("object"), [flow]);
            (grant.text("permission").expect("text"), grant.targets("user").to_vec(), grant.targets("role").to_vec())
        })
        .collect();
    grants.sort();
    assert_eq!(grants, [("change_flow".to_owned(), vec![], vec![role]), ("view_flow".to_owned(), vec![user], vec![])]);
    assert_eq!(lab.attr(USER, "username", "u", "permissions"), json!(["authentik_core.view_user"]));
    lab.settle(&entries("- {model: authentik_core.user, state: absent, identifiers: {username: u}}"));
    assert_eq!(lab.all(GRANT).len(), 1, "a grant goes with its holder");
}

/// Permissions are given also when `created` leaves the object alone, and none of them is taken away again.
#[test]
fn s30_60_permissions_are_additive() {
    let group = |state: &str, permission: &str| {
        entries(&format!(
            "- {{model: authentik_rbac.role, id: r, identifiers: {{name: r}}}}\n\
             - {{model: authentik_core.group, state: {state}, identifiers: {{name: g}}, \
             permissions: [{{permission: {permission}, role: !KeyOf r}}]}}"
        ))
    };
    let mut lab = Lab::new();
    lab.settle(&group("present", "view_group"));
    lab.settle(&group("created", "change_group"));
    let mut permissions = lab.texts(GRANT, "permission");
    permissions.sort();
    assert_eq!(permissions, ["change_group", "view_group"]);
}

/// A permission of the wrong shape, or held by nobody that can hold it.
#[test]
fn s30_60_permission_mistakes() {
    for grant in [
        "{user: !KeyOf u}",
        "{permission: view_group, role: !KeyOf u}",
        "{permission: view_group, group: !KeyOf g}",
        "{permission: [view_group], user: !KeyOf u}",
        "view_group",
    ] {
        let text = entries(&format!(
            "- {{model: authentik_core.user, id: u, identifiers: {{username: u}}, attrs: {{name: U}}}}\n\
             - {{model: authentik_core.group, id: g, identifiers: {{name: g}}, permissions: [{grant}]}}"
        ));
        assert_eq!(refusal(&text).0, Code::WRONG_TYPE, "{grant}");
    }
}

/// Values that are false where the default is true, and users that are not active. Joined to an export by its tests.
#[test]
fn s30_75_false_values_are_kept() {
    let mut lab = Lab::new();
    lab.settle(&entries(&format!(
        "{LOGIN}
  - {{model: authentik_core.user, id: u, identifiers: {{username: u}}, attrs: {{name: U, is_active: false}}}}
  - {{model: {BINDING}, identifiers: {{target: !KeyOf flow, user: !KeyOf u, order: 0}}, attrs: {{enabled: false}}}}
"
    )));
    assert_eq!(lab.attr(USER, "username", "u", "is_active"), json!(false));
    assert_eq!(lab.all(BINDING)[0].attrs["enabled"], json!(false));
}

/// Planning changes nothing and comes to the same every time: ids included.
#[test]
fn s30_78_planning_is_pure() {
    let mut lab = Lab::new();
    lab.settle(&entries(LOGIN));
    let text = entries(&format!(
        "{}  - {{model: authentik_core.user, identifiers: {{username: u}}, attrs: {{name: U, password: new}}}}",
        LOGIN.replace("title: F", "title: Other")
    ));
    let (counts, revision) = (lab.model.counts(), lab.model.revision);
    let plans = [lab.judge(&text), lab.judge(&text)].map(|judged| {
        assert_eq!(judged.plan.counts().update, 1);
        let changes = judged.plan.changes.iter().map(|change| format!("{change:?}")).collect::<Vec<_>>();
        (changes, judged.plan.preconditions)
    });
    assert_eq!(plans[0].0, plans[1].0);
    assert_eq!(plans[0].1, plans[1].1);
    assert_eq!((lab.model.counts(), lab.model.revision), (counts, revision));
}

/// A source whose well-known address nobody answers is planned all the same.
#[test]
fn s30_80_a_source_needs_no_network() {
    let judged =
        Lab::new().settle(&oauth_source("provider_type: openidconnect, oidc_well_known_url: 'https://idp.invalid/x'"));
    assert!(judged.found.is_empty(), "{}", judged.report());
}

/// No report shows a secret: not of an entry that is refused, not below another finding, not of a mistyped field, not when
/// the file cannot even be parsed.
#[test]
fn s30_81_no_report_shows_a_secret() {
    let user = |attrs: &str| {
        entries(&format!(
            "- {{model: authentik_core.user, identifiers: {{username: jo}}, attrs: {{name: Jo, {attrs}}}}}"
        ))
    };
    for text in [
        user("password: hunter2, nothing: 1"),
        user("password: [hunter2]"),
        user("password: {a: [hunter2]}"),
        user("password: !Format ['%s %s', hunter2]"),
        user("password: !Env [NOT_SET_AND_NOT_ALLOWED, hunter2], nothing: 1"),
        user("attributes: {client_secret: hunter2}, nothing: 1"),
        format!("context: {{admin_password: hunter2, 5: !Contxt x}}\n{}", user("nothing: 1")),
        user("passwrod: hunter2"),
        user("password: hunter2, email: 'not an address'"),
        format!("{}\n  password: hunter2\n broken", user("is_active: true")),
        "entries:\n- attrs:\n  - password: |\n      hunter2\n\n      hunter2\n    broken".to_owned(),
        user("password: hunter2").replace("authentik_core.user", "authentik_core.usr"),
        entries("- {model: authentik_core.token, identifiers: {identifier: t}, attrs: {key: hunter2, intent: api}}"),
        oauth_source("provider_type: nothing").replace("consumer_secret: c", "consumer_secret: hunter2"),
    ] {
        let judged = Lab::new().refused(&text);
        assert!(!judged.report().contains("hunter2"), "{}", judged.report());
        assert!(!format!("{:?}", judged.found).contains("hunter2"), "{text}");
    }
}

/// A plan shows that a secret changes and not to what; also one from the environment in a field that is no secret.
#[test]
fn s30_81_no_plan_shows_a_secret() {
    let mut lab = Lab::new();
    lab.inputs.environment =
        Environment::new([("S30_SECRET".to_owned(), "hunter2".to_owned())].into(), Default::default(), &[])
            .expect("globs");
    let judged = lab.settle(&entries(
        r#"
  - model: authentik_core.user
    identifiers: {username: jo}
    attrs: {name: Jo, password: !Env S30_SECRET, attributes: {deep: [!Format ["-%s-", !Env S30_SECRET]]}}
"#,
    ));
    let change = &judged.plan.changes[0];
    let field = |name: &str| change.fields.iter().find(|diff| diff.field == name).expect("it changes");
    assert_eq!(field("password").after, Shown::Secret);
    assert!(field("attributes").sensitive, "it holds what came from the environment");
    assert!(!field("name").sensitive);
}

/// Everything that refers in circles at once, into an empty system. Joined to an export by the export's tests.
#[test]
fn s30_83_circles_into_an_empty_system() {
    let mut lab = Lab::new();
    let judged = lab.settle(&entries(
        r"
  - {model: authentik_policies.policybinding, identifiers: {target: !KeyOf binding, group: !KeyOf g, order: 0}}
  - {model: authentik_flows.flowstagebinding, id: binding, identifiers: {target: !KeyOf flow, stage: !KeyOf stage, order: 0}}
  - model: authentik_stages_password.passwordstage
    id: stage
    identifiers: {name: s}
    attrs: {backends: [authentik.core.auth.InbuiltBackend], configure_flow: !KeyOf flow}
  - {model: authentik_flows.flow, id: flow, identifiers: {slug: f}, attrs: {name: F, title: F, designation: stage_configuration}}
  - {model: authentik_core.group, id: g, identifiers: {name: g}, attrs: {users: [!KeyOf u]}}
  - {model: authentik_core.user, id: u, identifiers: {username: u}, attrs: {name: U, groups: [!KeyOf g]}}
  - model: authentik_stages_identification.identificationstage
    identifiers: {name: i}
    attrs: {sources: [!KeyOf source], user_fields: [email]}
  - model: authentik_sources_oauth.oauthsource
    id: source
    identifiers: {slug: s}
    attrs: {name: S, provider_type: github, consumer_key: k, consumer_secret: c, authentication_flow: !KeyOf flow}
",
    ));
    assert!(judged.found.is_empty(), "{}", judged.report());
    assert_eq!(judged.plan.counts().create, 8);
    assert_eq!(lab.one(USER, "username", "u").targets("groups"), [lab.one(GROUP, "name", "g").id]);
}

/// A partial change is judged by the object that comes of it, not by the attributes that the file happens to name.
#[test]
fn more_checks_see_the_whole_object() {
    let mut lab = Lab::new();
    lab.settle(&entries(LOGIN));
    let off = |field: &str| entries(&LOGIN.replace("order: 0}}", &format!("order: 0}}, attrs: {{{field}: false}}}}")));
    lab.settle(&off("evaluate_on_plan"));
    let judged = lab.refused(&off("re_evaluate_policies"));
    assert_eq!(only_error(&judged), Code::CROSS_FIELD, "both would be off: {}", judged.report());
}

/// Fields that nobody can write are ignored with a warning, also the read-only ones that exports carry.
#[test]
fn more_read_only_fields_are_ignored() {
    let judged = Lab::new().settle(&entries(
        "- {model: authentik_core.group, identifiers: {name: g}, attrs: {num_pk: 5, parent_name: x}}",
    ));
    assert_eq!(judged.codes(), [Code::READ_ONLY_FIELD; 2]);
    assert!(judged.found.iter().all(|finding| finding.severity == Severity::Warning));
}

/// Every secret field of every kind is declared as one of the two sorts that the store knows; none is a plain attribute.
#[test]
fn more_secret_fields_stay_out_of_the_attributes() {
    let lab = Lab::new();
    let registry = lab.model.registry();
    let passwords: Vec<&str> = registry
        .kinds()
        .flat_map(|kind| kind.secret_names().map(move |(field, mode)| (kind.name, field, mode)))
        .filter(|(_, _, mode)| *mode == SecretMode::Password)
        .map(|(kind, _, _)| kind)
        .collect();
    assert_eq!(passwords, [USER], "only a user's password is kept as a hash");
}
