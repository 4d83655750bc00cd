//! What people and programs read of one plan, and that nothing in it can pose as something else.

use std::{collections::BTreeMap, sync::Arc};

use insta::assert_snapshot;
use serde_json::{Value, json as value};
use uuid::Uuid;

use super::{
    MARKER, MarkdownOptions, SCHEMA, TextOptions,
    fields::{RowChange, Rows, Sign},
    markdown, mermaid,
    names::Names,
    summary_line,
};
use crate::{
    blueprint::plan::{Action, Counts, FieldDiff, Named, ObjectChange, Place, Plan, Shown},
    model::{Model, Object, Registry, symbol},
};

const APPLICATION: &str = "authentik_core.application";
const BINDING: &str = "authentik_policies.policybinding";
const EXPRESSION: &str = "authentik_policies_expression.expressionpolicy";
const FLOW: &str = "authentik_flows.flow";
const GROUP: &str = "authentik_core.group";
const IDENTIFICATION: &str = "authentik_stages_identification.identificationstage";
const OAUTH2: &str = "authentik_providers_oauth2.oauth2provider";
const PASSWORD: &str = "authentik_stages_password.passwordstage";
const PROMPT: &str = "authentik_stages_prompt.prompt";
const PROMPT_STAGE: &str = "authentik_stages_prompt.promptstage";
const STAGE_BINDING: &str = "authentik_flows.flowstagebinding";
const USER: &str = "authentik_core.user";
const USER_LOGIN: &str = "authentik_stages_user_login.userloginstage";

const PLAIN: TextOptions = TextOptions { colour: false, width: 100, verbose: false };

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A store's content and a plan for it, put together by hand.
struct World {
    registry: Arc<Registry>,
    before: Model,
    plan: Plan,
}

impl World {
    fn new() -> World {
        let registry = Arc::new(crate::registry::registry().expect("the kinds fit each other"));
        let plan = Plan { instance: id(0xabc), revision: 41, unchanged: 12, ..Plan::default() };
        World { before: Model::empty(registry.clone()), registry, plan }
    }

    fn object(&self, kind: &str, number: u128, attrs: Value, edges: &[(&'static str, u128)]) -> Arc<Object> {
        let kind = self.registry.find(kind).expect("the kind exists").index;
        let mut targets: BTreeMap<&'static str, Vec<Uuid>> = BTreeMap::new();
        for (field, target) in edges {
            targets.entry(field).or_default().push(id(*target));
        }
        let Value::Object(attrs) = attrs else { panic!("attributes are an object") };
        Arc::new(Object {
            id: id(number),
            kind,
            number: None,
            attrs,
            edges: targets,
            secrets: BTreeMap::new(),
            revision: 1,
            created: 0,
            updated: 0,
        })
    }

    /// Something that is stored.
    fn stored(&mut self, kind: &str, number: u128, attrs: Value, edges: &[(&'static str, u128)]) {
        let object = self.object(kind, number, attrs, edges);
        self.before.put(object);
    }

    /// A change; `place` is a line of the one file, or the reason of a consequence.
    fn change(
        &mut self,
        action: Action,
        (kind, number, name): (&str, u128, &str),
        place: Result<usize, &str>,
        fields: Vec<FieldDiff>,
        after: Option<Arc<Object>>,
    ) {
        let file = "blueprints/login.yaml".to_owned();
        let reason = match (action, place) {
            (Action::Create, Ok(line)) => format!("declared by {file}:{line}"),
            (Action::Update, Ok(line)) => format!("differs from {file}:{line}"),
            (Action::Delete, Ok(line)) => format!("deleted by {file}:{line}:5"),
            (_, Err(reason)) => reason.to_owned(),
        };
        self.plan.changes.push(ObjectChange {
            action,
            object: named(kind, number, name, action == Action::Create),
            kind: self.registry.find(kind).expect("the kind exists").index,
            fields,
            places: place.into_iter().map(|line| Place { file: file.as_str().into(), line, entry: None }).collect(),
            reason,
            implied: false,
            after,
            secrets: BTreeMap::new(),
            generated: Vec::new(),
            number: None,
        });
    }

    fn text(&self, options: TextOptions) -> String {
        super::text(&self.plan, &self.registry, &options)
    }

    fn json(&self) -> String {
        super::json(&self.plan, &self.registry)
    }

    fn markdown(&self, warnings: &[String], limit: usize) -> String {
        let after = self.plan.applied_to(&self.before);
        let options = MarkdownOptions { limit, ..MarkdownOptions::default() };
        markdown(&self.plan, &self.before, &after, &self.registry, warnings, &options)
    }
}

fn named(kind: &str, number: u128, name: &str, new: bool) -> Named {
    Named { id: id(number), kind: kind.to_owned(), name: name.to_owned(), new }
}

fn diff(field: &str, before: Shown, after: Shown) -> FieldDiff {
    FieldDiff { field: field.to_owned(), before, after, sensitive: false, place: None }
}

fn plain(value: Value) -> Shown {
    Shown::Json(value)
}

fn given(field: &str, value: Value) -> FieldDiff {
    diff(field, Shown::Nothing, plain(value))
}

fn set(field: &str, before: Value, after: Value) -> FieldDiff {
    diff(field, plain(before), plain(after))
}

fn sensitive(mut diff: FieldDiff) -> FieldDiff {
    diff.sensitive = true;
    diff
}

const OLD_EXPRESSION: &str = "# Asks for the second factor outside the office.
office = [
    ip_network(\"10.0.0.0/8\"),
]
if any(ak_client_ip in network for network in office):
    return False
if not request.user.is_active:
    return False
# Service accounts have no second factor.
if request.user.type == \"service_account\":
    return False
return True
";

/// A day's work on a login flow: most of what a plan can hold.
fn story() -> World {
    use Action::{Create, Delete, Update};
    let mut world = World::new();
    let flow = |title: &str| {
        value!({"name": "Login", "slug": "login", "title": title, "policy_engine_mode": "any",
        "authentication": "require_unauthenticated"})
    };
    world.stored(FLOW, 1, flow("Welcome"), &[]);
    world.stored(IDENTIFICATION, 2, value!({"name": "login-identification"}), &[]);
    world.stored(PASSWORD, 3, value!({"name": "login-password"}), &[]);
    world.stored(USER_LOGIN, 4, value!({"name": "login-session"}), &[]);
    world.stored(STAGE_BINDING, 12, value!({"order": 10}), &[("target", 1), ("stage", 2)]);
    world.stored(STAGE_BINDING, 13, value!({"order": 20}), &[("target", 1), ("stage", 3)]);
    world.stored(STAGE_BINDING, 14, value!({"order": 100}), &[("target", 1), ("stage", 4)]);
    world.stored(EXPRESSION, 5, value!({"name": "needs-mfa", "expression": OLD_EXPRESSION}), &[]);
    world.stored(BINDING, 15, value!({"order": 0, "enabled": true}), &[("target", 13), ("policy", 5)]);
    world.stored(GROUP, 6, value!({"name": "staff", "attributes": {}}), &[]);
    world.stored(FLOW, 20, value!({"name": "Old login", "slug": "old-login", "title": "Old"}), &[]);
    world.stored(STAGE_BINDING, 21, value!({"order": 10}), &[("target", 20), ("stage", 2)]);
    world.stored(OAUTH2, 30, value!({"name": "grafana"}), &[]);
    world.stored(APPLICATION, 31, value!({"name": "Grafana", "slug": "grafana"}), &[("provider", 30)]);

    world.change(
        Delete,
        (FLOW, 20, "old-login"),
        Ok(4),
        vec![diff("title", plain(value!("Old")), Shown::Nothing)],
        None,
    );
    let binding = (STAGE_BINDING, 21, "old-login › login-identification › 10");
    world.change(Delete, binding, Err("goes with Flow `old-login`"), Vec::new(), None);

    let fields = vec![
        set("title", value!("Welcome"), value!("Hello")),
        set("background", value!(null), value!("/static/a.jpg")),
    ];
    let after = world.object(FLOW, 1, flow("Hello"), &[]);
    world.change(Update, (FLOW, 1, "login"), Ok(10), fields, Some(after));

    let fields = vec![
        diff("fields", Shown::Nothing, Shown::Objects(vec![named(PROMPT, 8, "login-code", true)])),
        diff("validation_policies", Shown::Nothing, Shown::Objects(vec![named(EXPRESSION, 5, "needs-mfa", false)])),
    ];
    let after = world.object(PROMPT_STAGE, 7, value!({"name": "login-code"}), &[("fields", 8)]);
    world.change(Create, (PROMPT_STAGE, 7, "login-code"), Ok(20), fields, Some(after));
    let fields =
        vec![given("field_key", value!("code")), given("label", value!("Code")), given("type", value!("number"))];
    let after = world.object(PROMPT, 8, value!({"name": "login-code"}), &[]);
    world.change(Create, (PROMPT, 8, "login-code"), Ok(28), fields, Some(after));
    let fields = vec![
        diff("target", Shown::Nothing, Shown::Objects(vec![named(FLOW, 1, "login", false)])),
        diff("stage", Shown::Nothing, Shown::Objects(vec![named(PROMPT_STAGE, 7, "login-code", true)])),
        given("order", value!(30)),
    ];
    let after = world.object(STAGE_BINDING, 17, value!({"order": 30}), &[("target", 1), ("stage", 7)]);
    world.change(Create, (STAGE_BINDING, 17, "login › login-code › 30"), Ok(35), fields, Some(after));

    let new = OLD_EXPRESSION
        .replace(
            "    ip_network(\"10.0.0.0/8\"),\n",
            "    ip_network(\"10.0.0.0/8\"),\n    ip_network(\"192.0.2.0/24\"),\n",
        )
        .replace("return True\n", "return \"mfa\" in request.context");
    let fields = vec![set("expression", value!(OLD_EXPRESSION), value!(new))];
    let after = world.object(EXPRESSION, 5, value!({"name": "needs-mfa", "expression": new}), &[]);
    world.change(Update, (EXPRESSION, 5, "needs-mfa"), Ok(41), fields, Some(after));

    let fields = vec![
        set("name", value!("staff"), value!("employees")),
        diff(
            "users",
            Shown::Objects(vec![named(USER, 50, "ada", false), named(USER, 51, "brian", false)]),
            Shown::Objects(vec![named(USER, 50, "ada", false), named(USER, 52, "chloé", true)]),
        ),
        set(
            "attributes",
            value!({"department": "a", "quota": {"mail.size": 10}, "old": null}),
            value!({"department": "b", "quota": {"mail.size": 20, "files": {"GB": 1}}, "sites": ["Oslo"]}),
        ),
    ];
    let after = world.object(GROUP, 6, value!({"name": "employees"}), &[]);
    world.change(Update, (GROUP, 6, "employees"), Ok(60), fields, Some(after));

    let fields = vec![
        given("name", value!("Chloé")),
        diff("password", Shown::Nothing, Shown::Secret),
        sensitive(given("email", value!("hunter2@example.org"))),
        given("attributes", value!({"uid": symbol::number_of(id(52)), "sites": ["Oslo", "Nice"]})),
    ];
    let after = world.object(USER, 52, value!({"username": "chloé"}), &[]);
    world.change(Create, (USER, 52, "chloé"), Ok(70), fields, Some(after));

    let fields = vec![
        diff("client_secret", Shown::Secret, Shown::Secret),
        sensitive(set("client_id", value!("hunter2"), value!("hunter3"))),
        diff(
            "authorization_flow",
            Shown::Objects(vec![named(FLOW, 20, "old-login", false)]),
            Shown::Objects(vec![named(FLOW, 1, "login", false)]),
        ),
        set(
            "redirect_uris",
            value!([{"matching_mode": "strict", "url": "https://grafana.example.org/a"}]),
            value!([{"matching_mode": "strict", "url": "https://grafana.example.org/b"}]),
        ),
    ];
    let after = world.object(OAUTH2, 30, value!({"name": "grafana"}), &[]);
    world.change(Update, (OAUTH2, 30, "grafana"), Ok(80), fields, Some(after));
    let fields = vec![
        given("name", value!("wiki")),
        given("client_type", value!("confidential")),
        diff("client_secret", Shown::Nothing, Shown::Generated),
        diff("client_id", Shown::Nothing, Shown::Generated),
    ];
    let after = world.object(OAUTH2, 32, value!({"name": "wiki"}), &[]);
    world.change(Create, (OAUTH2, 32, "wiki"), Ok(90), fields, Some(after));
    let fields =
        vec![diff("flow_authentication", Shown::Objects(vec![named(FLOW, 20, "old-login", false)]), Shown::Nothing)];
    let brand = ("authentik_brands.brand", 40, "example.org");
    world.change(Update, brand, Err("refers to Flow `old-login`, which is deleted"), fields, None);
    world.plan.changes.last_mut().expect("just added").after =
        Some(world.object("authentik_brands.brand", 40, value!({"domain": "example.org"}), &[]));
    world.plan.inputs = BTreeMap::from([
        ("env:MAIL".to_owned(), "9f86d081884c7d65".to_owned()),
        ("file:/run/secrets/id".to_owned(), "missing".to_owned()),
    ]);
    world
}

#[test]
fn a_terminal_shows_deletions_first_then_every_field() {
    assert_snapshot!(story().text(PLAIN));
}

#[test]
fn colour_marks_what_happens() {
    let mut world = story();
    world.plan.changes.retain(|change| [FLOW, EXPRESSION, GROUP].contains(&change.object.kind.as_str()));
    let coloured = world.text(TextOptions { colour: true, ..PLAIN });
    assert_snapshot!(coloured.replace('\u{1b}', "␛"));
    let stripped = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(stripped, world.text(PLAIN));
}

#[test]
fn all_of_it_includes_what_deleted_objects_lose() {
    let mut world = story();
    world.plan.changes.truncate(2);
    let long = "x".repeat(3_000);
    world.plan.changes[0].fields.push(diff("title", plain(value!(long)), Shown::Nothing));
    let text = world.text(TextOptions { verbose: true, ..PLAIN });
    assert!(text.contains("      title: \"Old\"\n") && text.contains(&long), "{text}");
}

#[test]
fn values_that_do_not_fit_a_line_take_several() {
    let mut world = World::new();
    let picture = |end: &str| format!("data:image/png;base64,{}{end}", "A".repeat(2_000));
    let names = |from: u128, to: u128| {
        Shown::Objects((from..to).map(|at| named(PROMPT, at, &format!("enrolment-field-{at}"), false)).collect())
    };
    let fields = vec![set("background", value!(picture("x")), value!(picture("y")))];
    world.change(Action::Update, (FLOW, 1, "login"), Ok(3), fields, None);
    world.change(
        Action::Update,
        (PROMPT_STAGE, 2, "enrolment"),
        Ok(9),
        vec![diff("fields", names(1, 4), names(2, 9))],
        None,
    );
    let text = world.text(TextOptions { width: 72, ..PLAIN });
    assert_snapshot!(text);
}

#[test]
fn nothing_to_do_is_said_in_a_line() {
    let world = World::new();
    assert_snapshot!(world.text(PLAIN));
    assert_snapshot!(world.markdown(&[], 65_536));
}

#[test]
fn the_last_line_is_a_contract() {
    let counts = Counts { create: 3, update: 1, delete: 0, unchanged: 42 };
    assert_eq!(summary_line(counts, false), "Plan: 3 to create, 1 to update, 0 to delete, 42 unchanged.");
    assert_eq!(summary_line(counts, true), "Applied: 3 created, 1 updated, 0 deleted, 42 unchanged.");
    let text = story().text(PLAIN);
    assert_eq!(text.lines().last(), Some("Plan: 5 to create, 5 to update, 2 to delete, 12 unchanged."));
}

#[test]
fn ten_thousand_objects_stay_readable() {
    let mut world = World::new();
    for number in 0..10_000 {
        let user = format!("user-{number:05}");
        world.change(Action::Create, (USER, number, &user), Ok(number as usize), Vec::new(), None);
    }
    let text = world.text(PLAIN);
    let tail: Vec<&str> = text.lines().skip(199).collect();
    assert_snapshot!(tail.join("\n"));
    assert_eq!(world.text(TextOptions { verbose: true, ..PLAIN }).lines().count(), 10_003);
    let markdown = world.markdown(&[], 65_536);
    assert!(markdown.len() < 65_536);
    assert_whole(&markdown);
    assert_snapshot!(markdown.lines().take(12).chain(markdown.lines().skip(50)).collect::<Vec<_>>().join("\n"));
}

#[test]
fn places_within_values_are_told() {
    let world = World::new();
    let names = Names::of(&world.plan, &world.registry);
    let rows = Rows { registry: &world.registry, names: &names, longest: 40 };
    let table: &[(Action, Value, Value, &str)] = &[
        (
            Action::Update,
            value!({"a": 1}),
            value!({"a": 1.5, "b": {"c d": true}}),
            "f.a: 1 → 1.5; f.b[\"c d\"]: none → true",
        ),
        (Action::Update, value!({"a": null}), value!({"b": null}), "f.a: null → none; f.b: none → null"),
        (Action::Update, value!(null), value!({"a": {"b": 1}}), "f.a.b: none → 1"),
        (Action::Update, value!(["a", "b", "b"]), value!(["b", "c"]), "f: +\"c\" -\"a\" -\"b\""),
        (Action::Update, value!(["a", "b"]), value!(["b", "a"]), "f: [\"a\", \"b\"] → [\"b\", \"a\"]"),
        (Action::Update, value!([{"a": 1}]), value!([{"a": 1}, {"a": 2}]), "f: +{\"a\": 2}"),
        (Action::Update, value!([{"a": 1}, {"b": 1}]), value!([{"a": 1}, {"b": 2}]), "f[1].b: 1 → 2"),
        (Action::Update, value!("a\n"), value!("a"), "f: \"a\\n\" → \"a\""),
        (Action::Update, value!("a\nb\n"), value!("a\nb"), "f:  a|-b|+b|\\ no line break at the end"),
        (Action::Update, value!("a\r\nb"), value!("a\nb"), "f: -a\\r|+a| b"),
        (Action::Update, value!(""), value!("(secret)"), "f: \"\" → \"(secret)\""),
        (Action::Update, value!({}), value!(null), "f: {} → none"),
        (Action::Create, value!(null), value!({"a": [], "b": {"c": 1}}), "f.a: []; f.b.c: 1"),
        (Action::Create, value!(null), value!("a\nb"), "f: +a|+b"),
        (Action::Create, value!(null), value!({"$gatewright:text": []}), "f: (known after apply)"),
        (Action::Create, value!(null), value!("é".repeat(50)), &format!("f: \"{}… (52 characters)", "é".repeat(39))),
    ];
    for (action, before, after, expected) in table {
        let mut world = World::new();
        world.change(*action, (FLOW, 1, "login"), Ok(1), vec![set("f", before.clone(), after.clone())], None);
        let told: Vec<String> = rows
            .of(&world.plan.changes[0])
            .into_iter()
            .map(|row| {
                let change = match row.change {
                    RowChange::Value(value) => format!(" {value}"),
                    RowChange::Replaced { before, after } => format!(" {before} → {after}"),
                    RowChange::Items { added, removed } => {
                        let added = added.iter().map(|item| format!(" +{item}"));
                        added.chain(removed.iter().map(|item| format!(" -{item}"))).collect()
                    }
                    RowChange::Text(lines) => {
                        let sign = |sign| match sign {
                            Sign::Keep => " ",
                            Sign::Add => "+",
                            Sign::Remove => "-",
                            Sign::Note => "",
                        };
                        let lines: Vec<String> =
                            lines.iter().map(|line| format!("{}{}", sign(line.sign), line.text)).collect();
                        format!(" {}", lines.join("|"))
                    }
                };
                format!("{}:{change}", row.path)
            })
            .collect();
        assert_eq!(told.join("; "), *expected, "{before} {after}");
    }
}

#[test]
fn objects_of_one_name_are_told_apart() {
    let mut world = World::new();
    let objects = |list: &[(&str, u128, &str)]| {
        Shown::Objects(list.iter().map(|(kind, number, name)| named(kind, *number, name, false)).collect())
    };
    let fields = vec![
        diff("target", objects(&[(FLOW, 1, "login")]), objects(&[(APPLICATION, 2, "login")])),
        diff("policy", objects(&[(EXPRESSION, 3, "same")]), objects(&[(EXPRESSION, 4, "same")])),
        diff("group", objects(&[(GROUP, 5, "none")]), Shown::Nothing),
        diff("user", Shown::Nothing, objects(&[(USER, 6, "00000000-0000-0000-0000-000000000006")])),
    ];
    world.change(Action::Update, (BINDING, 9, "login › same › 0"), Ok(2), fields, None);
    assert_snapshot!(world.text(TextOptions { width: 200, ..PLAIN }));
}

#[test]
fn programs_read_what_the_schema_promises() {
    let world = story();
    let text = world.json();
    assert_snapshot!(text);
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    jsonschema::meta::validate(&schema).expect("the schema is a schema");
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).expect("the schema compiles");
    let mut document: Value = serde_json::from_str(&text).expect("the plan is JSON");
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    // What hides a value must not be able to show it.
    document["changes"][2]["fields"][0]["sensitive"] = value!(true);
    assert!(!validator.is_valid(&document));
}

#[test]
fn reviewers_read_it_in_the_pull_request() {
    let warnings = ["`default-user` of blueprints/login.yaml:70 has no e-mail address".to_owned()];
    let markdown = story().markdown(&warnings, 65_536);
    assert_whole(&markdown);
    assert_snapshot!(markdown);
}

#[test]
fn secrets_are_in_no_output() {
    let mut world = story();
    // A name from the environment returns in the names of what refers to it and in reasons.
    let fields =
        vec![sensitive(given("slug", value!("hunter4"))), sensitive(given("name", value!("hunter5\nhunter6")))];
    let after = world.object(FLOW, 60, value!({"slug": "hunter4", "name": "hunter5"}), &[]);
    world.change(Action::Create, (FLOW, 60, "hunter4"), Ok(100), fields, Some(after));
    let fields = vec![diff("target", Shown::Nothing, Shown::Objects(vec![named(FLOW, 60, "hunter4", true)]))];
    let after = world.object(STAGE_BINDING, 61, value!({"order": 5}), &[("target", 60), ("stage", 2)]);
    world.change(
        Action::Create,
        (STAGE_BINDING, 61, "hunter4 › login-identification › 5"),
        Ok(101),
        fields,
        Some(after),
    );
    let fields = vec![sensitive(given("name", value!("hunter`7")))];
    world.change(Action::Create, (GROUP, 63, "hunter`7"), Ok(102), fields, None);
    world.change(Action::Delete, (USER, 64, "hunter`7"), Err("goes with Group `hunter`7`"), Vec::new(), None);
    world.change(Action::Delete, (BINDING, 62, "hunter4 › 5"), Err("goes with Flow `hunter4`"), Vec::new(), None);
    let outputs = [
        world.text(PLAIN),
        world.text(TextOptions { verbose: true, ..PLAIN }),
        world.json(),
        world.markdown(&[], 65_536),
        world.markdown(&[], 4_000),
    ];
    for output in outputs {
        assert!(!output.contains("hunter"), "{output}");
        assert!(!output.contains("9f86d081884c7d65"), "{output}");
        assert!(output.contains("(secret)") || output.contains("\"secret\": true"), "{output}");
    }
}

#[test]
fn what_several_share_shows_in_the_pictures_of_all() {
    let mut world = World::new();
    for flow in [1, 2] {
        world.stored(FLOW, flow, value!({"slug": format!("flow-{flow}")}), &[]);
        world.stored(STAGE_BINDING, 10 + flow, value!({"order": 0}), &[("target", flow), ("stage", 3)]);
    }
    world.stored(PASSWORD, 3, value!({"name": "password"}), &[]);
    let after = world.object(PASSWORD, 3, value!({"name": "password"}), &[]);
    let fields = vec![set("failed_attempts_before_cancel", value!(5), value!(3))];
    world.change(Action::Update, (PASSWORD, 3, "password"), Ok(7), fields, Some(after));
    let markdown = world.markdown(&[], 65_536);
    assert_whole(&markdown);
    assert_snapshot!(markdown);
}

/// Names that try to be something else.
const HOSTILE: [&str; 10] = [
    "a | b | c",
    "`code` @octocat #1 fixes org/repo#2",
    "``` \n# heading\n<details>",
    "</details><img src=x onerror=alert(1)>",
    "<!-- gatewright:plan -->",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "right\u{202e}tfel \u{200b}zero\u{feff}",
    "\"]; click n0 \"javascript:alert(1)\"",
    "1. end\n%%{init: {}}%% `x` #quot;",
    "日本語 👩‍💻 naïve ﷺ",
];

fn hostile() -> World {
    let mut world = World::new();
    world.stored(FLOW, 1, value!({"slug": "login"}), &[]);
    for (at, name) in HOSTILE.iter().enumerate() {
        let at = at as u128;
        let stage = world.object(PASSWORD, 100 + at, value!({"name": name}), &[]);
        let mut fields = vec![
            given("name", value!(name)),
            diff("configure_flow", Shown::Nothing, Shown::Objects(vec![named(FLOW, 1, name, false)])),
            given("backends", value!([name, {*name: name}])),
        ];
        if at == 2 {
            fields.push(given("expression", value!("```\n</details>\n@octocat\n````\n")));
        }
        world.change(Action::Create, (PASSWORD, 100 + at, name), Ok(1 + at as usize), fields, Some(stage));
        let binding =
            world.object(STAGE_BINDING, 200 + at, value!({"order": at as i64}), &[("target", 1), ("stage", 100 + at)]);
        world.before.put(binding);
        let reason = format!("goes with Stage `{name}`");
        world.change(Action::Delete, (USER, 300 + at, name), Err(&reason), Vec::new(), None);
    }
    world.plan.changes.sort_by_key(|change| change.action != Action::Delete);
    world
}

#[test]
fn hostile_names_are_only_text_in_a_terminal() {
    let text = hostile().text(PLAIN);
    assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'));
    assert_snapshot!(text);
}

#[test]
fn hostile_names_are_only_text_in_markdown() {
    let warnings = HOSTILE.map(|name| format!("`{name}` and {name} are odd"));
    let markdown = hostile().markdown(&warnings, 65_536);
    assert_whole(&markdown);
    assert_eq!(markdown.matches(MARKER).count(), 1);
    let mut fenced = false;
    for line in markdown.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let text = outside_code(line);
        if !fenced {
            for trap in ["@octocat", "<img", "#1 ", "javascript:", "onerror=alert(1)>"] {
                assert!(!text.contains(trap), "{trap} in {line}");
            }
        }
    }
    assert_snapshot!(markdown);
}

/// A line without what stands in code spans.
fn outside_code(line: &str) -> String {
    let spans: String = line.split('`').step_by(2).collect();
    let (mut out, mut rest) = (String::new(), spans.as_str());
    while let Some((before, after)) = rest.split_once("<code>") {
        out.push_str(before);
        rest = after.split_once("</code>").map_or("", |(_, after)| after);
    }
    out + rest
}

/// Every fence and every fold that is opened is closed, and in order.
fn assert_whole(markdown: &str) {
    assert!(markdown.starts_with(MARKER));
    let mut fence: Option<String> = None;
    let mut open = 0;
    for line in markdown.lines() {
        let ticks: String = line.chars().take_while(|letter| *letter == '`').collect();
        match &fence {
            Some(opened) if line == opened => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => {
                open += usize::from(line.starts_with("<details"));
                open -= usize::from(line.starts_with("</details>"));
            }
        }
    }
    assert!(fence.is_none() && open == 0, "{markdown}");
}

#[test]
fn a_comment_keeps_within_its_limit_and_whole() {
    let mut world = story();
    let body: String = (0..600).map(|line| format!("line {line}\n")).collect();
    let fields = vec![given("expression", value!(body))];
    let after = world.object(EXPRESSION, 70, value!({"name": "long"}), &[]);
    world.change(Action::Create, (EXPRESSION, 70, "long"), Ok(200), fields, Some(after));
    for number in 0..300 {
        let user = format!("leaver-{number}");
        world.change(Action::Delete, (USER, 1_000 + number, &user), Ok(1), Vec::new(), None);
    }
    world.plan.changes.sort_by_key(|change| change.action != Action::Delete);
    let warnings: Vec<String> = (0..150).map(|at| format!("warning {at}")).collect();
    let full = world.markdown(&warnings, usize::MAX);
    for limit in [full.len(), full.len() - 1, 20_000, 12_000, 8_000, 5_000, 3_000, 2_000] {
        let markdown = world.markdown(&warnings, limit);
        assert!(markdown.len() <= limit, "{} > {limit}", markdown.len());
        assert_whole(&markdown);
        assert!(markdown.contains("**This deletes 302 objects.**"));
    }
    assert!(world.markdown(&warnings, 0).contains("302 to delete"));
    assert_snapshot!(world.markdown(&warnings, 5_000));
}

#[test]
fn a_flow_is_drawn_with_its_decisions() {
    let mut world = World::new();
    let flow = value!({"slug": "enrol", "policy_engine_mode": "all", "authentication": "require_unauthenticated"});
    world.stored(FLOW, 1, flow, &[]);
    world.stored(PROMPT_STAGE, 2, value!({"name": "1. Who are \"you\"?"}), &[]);
    world.stored("authentik_stages_deny.denystage", 3, value!({"name": "deny"}), &[]);
    world.stored(USER_LOGIN, 4, value!({"name": "session"}), &[]);
    world.stored(EXPRESSION, 5, value!({"name": "from-the-office"}), &[]);
    world.stored(EXPRESSION, 6, value!({"name": "is-blocked"}), &[]);
    world.stored(GROUP, 7, value!({"name": "guests"}), &[]);
    world.stored(STAGE_BINDING, 13, value!({"order": 20, "policy_engine_mode": "any"}), &[("target", 1), ("stage", 3)]);
    let first = value!({"order": 10, "invalid_response_action": "restart"});
    world.stored(STAGE_BINDING, 12, first, &[("target", 1), ("stage", 2)]);
    world.stored(STAGE_BINDING, 14, value!({"order": 30}), &[("target", 1), ("stage", 4)]);
    world.stored(BINDING, 21, value!({"order": 1}), &[("target", 1), ("policy", 5)]);
    world.stored(BINDING, 22, value!({"order": 0, "negate": true}), &[("target", 1), ("group", 7)]);
    world.stored(BINDING, 23, value!({"order": 2, "enabled": false}), &[("target", 1), ("policy", 6)]);
    world.stored(BINDING, 24, value!({"order": 0}), &[("target", 13), ("policy", 6)]);
    world.stored(BINDING, 25, value!({"order": 1}), &[("target", 13), ("user", 99)]);
    assert_snapshot!(mermaid(&world.before, id(1)));
    assert_eq!(mermaid(&world.before, id(2_000)), "");
}
