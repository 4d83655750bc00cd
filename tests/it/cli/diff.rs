//! What a branch would change: `gatewright diff` on repositories that are made here.

use std::{collections::BTreeSet, fmt::Write};

use super::Desk;

/// Groups of the company with the first and the last number of their members.
const GROUPS: [(&str, usize, usize); 4] =
    [("staff", 1, 120), ("finance", 121, 140), ("ops", 141, 170), ("contractors", 171, 200)];

/// Applications with the groups that may use them.
const APPS: [(&str, &[&str]); 5] = [
    ("wiki", &["staff", "contractors"]),
    ("chat", &["staff", "finance", "ops", "contractors"]),
    ("payroll", &["finance"]),
    ("grafana", &["ops"]),
    ("intranet", &[]),
];

fn user(number: usize) -> String {
    format!("user{number:03}")
}

/// An application with its bindings.
fn app(name: &str, groups: &[&str]) -> String {
    let mut text = format!(
        "version: 1\nmetadata:\n  name: {name}\nentries:\n- model: authentik_core.application\n  id: app\n  \
         identifiers: {{slug: {name}}}\n  attrs:\n    name: {name}\n    meta_launch_url: https://{name}.example/\n"
    );
    for (order, group) in groups.iter().enumerate() {
        binding(&mut text, group, order);
    }
    text
}

fn binding(text: &mut String, group: &str, order: usize) {
    let _ = write!(
        text,
        "- model: authentik_policies.policybinding\n  identifiers: {{target: !KeyOf app, order: {order}}}\n  \
         attrs: {{group: !Find [authentik_core.group, [name, {group}]]}}\n"
    );
}

/// A repository with five applications and 200 users in groups.
fn company() -> Desk {
    let desk = Desk::new();
    let mut people = "version: 1\nmetadata:\n  name: people\nentries:\n".to_owned();
    for (group, first, last) in GROUPS {
        let _ = write!(people, "- model: authentik_core.group\n  id: {group}\n  identifiers: {{name: {group}}}\n");
        for number in first..=last {
            let _ = write!(
                people,
                "- model: authentik_core.user\n  identifiers: {{username: {}}}\n  attrs: {{name: User {number}, groups: [!KeyOf {group}]}}\n",
                user(number)
            );
        }
    }
    desk.write("identity/people.yaml", &people);
    for (name, groups) in APPS {
        desk.write(&format!("identity/apps/{name}.yaml"), &app(name, groups));
    }
    desk.commit("the company");
    desk
}

const DIFF: [&str; 7] = ["diff", "--from", "main", "--to", "HEAD", "--path", "identity"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&DIFF[..], more].concat()
}

fn names(list: &serde_json::Value) -> BTreeSet<String> {
    list["people"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|person| person["name"].as_str())
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_branch_tells_who_gains_and_who_loses_access() {
    let desk = company();
    desk.git(&["switch", "--quiet", "--create", "topic"]);
    desk.write("identity/apps/wiki.yaml", &app("wiki", &["staff"]));
    desk.write("identity/apps/payroll.yaml", &app("payroll", &["finance", "ops"]));
    desk.commit("contractors leave the wiki, ops joins payroll");
    // Main moves on meanwhile, which is no change of the branch.
    desk.git(&["switch", "--quiet", "main"]);
    desk.write("identity/apps/later.yaml", &app("later", &["staff"]));
    desk.commit("another application");
    desk.git(&["switch", "--quiet", "topic"]);

    let json = desk.expect(2, &with(&["--json", "--detailed-exitcode"])).json();
    assert_eq!(json["summary"], serde_json::json!({"create": 1, "update": 0, "delete": 1, "unchanged": 217 - 1}));
    let schema: serde_json::Value =
        serde_json::from_str(gatewright::blueprint::render::SCHEMA).expect("the schema is JSON");
    assert!(jsonschema::is_valid(&schema, &json), "{json:#}");
    let targets = json["impact"]["targets"].as_array().expect("targets");
    let people = |first: usize, last: usize| (first..=last).map(user).collect::<BTreeSet<_>>();
    let found: Vec<_> = targets
        .iter()
        .map(|target| (target["slug"].as_str().expect("a slug"), names(&target["gains"]), names(&target["loses"])))
        .collect();
    assert_eq!(found, [("payroll", people(141, 170), BTreeSet::new()), ("wiki", BTreeSet::new(), people(171, 200))]);

    assert_eq!(desk.expect(0, &DIFF).code, 0, "without the flag the code is 0");
    insta::assert_snapshot!("access_text", desk.expect(0, &with(&["--names", "3"])).page());
    let markdown = desk.expect(0, &with(&["--format", "markdown"]));
    insta::assert_snapshot!("access_markdown", markdown.page());
    let counts = desk.expect(0, &with(&["--format", "markdown", "--names", "0"]));
    assert!(counts.out.contains("30 users lose access") && !counts.out.contains("user171"), "{}", counts.page());

    // Against main itself the new application seems to go.
    let exact = desk.expect(0, &with(&["--exact", "--json"])).json();
    assert_eq!(exact["summary"]["delete"], 3);
    assert_eq!(
        desk.expect(0, &["diff", "--from", "topic", "--detailed-exitcode"]).last(),
        "Plan: 0 to create, 0 to update, 0 to delete, 217 unchanged."
    );
}

/// The plan for a database says the same, although people are not all in memory there.
#[test]
fn a_plan_for_a_database_tells_who_gains_access() {
    let desk = company();
    desk.expect(0, &["apply", "--yes", "--quiet", "identity"]);
    desk.write("identity/apps/payroll.yaml", &app("payroll", &["finance", "ops"]));
    let plan = desk.expect(0, &["plan", "--format", "markdown", "identity/apps/payroll.yaml"]);
    for part in [
        "**30 users gain access to application `payroll` (50 of 200 users instead of 20)**",
        "| `user170` | not a member of `finance` | member of `ops` |",
    ] {
        assert!(plan.out.contains(part), "{part}: {}", plan.page());
    }
}

#[test]
fn a_renamed_object_is_one_change_and_a_renamed_file_none() {
    let desk = company();
    desk.git(&["switch", "--quiet", "--create", "topic"]);
    desk.git(&["mv", "identity/apps/chat.yaml", "identity/apps/talk.yaml"]);
    desk.git(&["mv", "identity/people.yaml", "identity/everybody.yaml"]);
    desk.commit("other file names");
    assert_eq!(
        desk.expect(0, &with(&["--detailed-exitcode"])).last(),
        "Plan: 0 to create, 0 to update, 0 to delete, 217 unchanged."
    );

    desk.edit("identity/apps/talk.yaml", "slug: chat", "slug: talk");
    desk.edit("identity/everybody.yaml", "{name: ops}", "{name: operations}");
    for file in ["talk", "grafana"] {
        desk.edit(&format!("identity/apps/{file}.yaml"), "[name, ops]", "[name, operations]");
    }
    // Files that are not committed count as well.
    let renamed = desk.expect(2, &["diff", "--from", "main", "--path", "identity", "--detailed-exitcode"]);
    insta::assert_snapshot!("renamed", renamed.page());
    let json = desk.expect(0, &["diff", "--from", "main", "--path", "identity", "--json"]).json();
    let olds: Vec<_> =
        json["changes"].as_array().expect("changes").iter().map(|change| change["renamed_from"].clone()).collect();
    assert_eq!(olds, ["chat", "ops"]);
    assert_eq!(json["impact"]["targets"], serde_json::json!([]), "nobody's access changes");

    // What is not alike is no rename.
    desk.git(&["checkout", "--quiet", "--", "."]);
    std::fs::remove_file(desk.path("identity/apps/intranet.yaml")).expect("the file");
    desk.write("identity/apps/shop.yaml", &app("shop", &["finance"]));
    let json = desk.expect(0, &["diff", "--from", "main", "--path", "identity", "--json"]).json();
    assert_eq!((&json["summary"]["create"], &json["summary"]["delete"]), (&2.into(), &1.into()), "{json:#}");
}

#[test]
fn deletions_are_loud_and_a_lock_out_louder() {
    let desk = Desk::new();
    desk.write(
        "admins.yaml",
        "version: 1\nmetadata: {name: admins}\nentries:\n- model: authentik_core.group\n  id: g\n  identifiers: {name: authentik Admins}\n- model: authentik_core.user\n  \
         identifiers: {username: root}\n  attrs: {name: Root, password: \"horse battery\", groups: [!KeyOf g]}\n",
    );
    desk.commit("an administrator");
    desk.edit("admins.yaml", "name: Root,", "name: Root, is_active: false,");
    let markdown = desk.expect(0, &["diff", "--from", "HEAD", "--format", "markdown"]);
    insta::assert_snapshot!("locked_out", markdown.page());
    std::fs::remove_file(desk.path("admins.yaml")).expect("the file");
    let all = desk.expect(2, &["diff", "--from", "HEAD", "--detailed-exitcode"]);
    insta::assert_snapshot!("everything_deleted", all.page());
}

const FLOW: &str = "\
version: 1
metadata: {name: flow}
entries:
- model: authentik_flows.flow
  id: flow
  identifiers: {slug: enrol}
  attrs: {name: Enrol, title: Welcome, designation: enrollment}
- model: authentik_stages_dummy.dummystage
  id: first
  identifiers: {name: first}
- model: authentik_flows.flowstagebinding
  identifiers: {target: !KeyOf flow, stage: !KeyOf first, order: 10}
";

#[test]
fn a_changed_flow_is_drawn_before_and_after() {
    let desk = Desk::new();
    desk.write("flow.yaml", FLOW);
    desk.commit("a flow");
    let second = "- model: authentik_stages_deny.denystage\n  id: second\n  identifiers: {name: second}\n- model: authentik_flows.flowstagebinding\n  \
                  identifiers: {target: !KeyOf flow, stage: !KeyOf second, order: 20}\n";
    desk.write("flow.yaml", &format!("{FLOW}{second}"));
    insta::assert_snapshot!("flow", desk.expect(0, &["diff", "--from", "HEAD", "--format", "markdown"]).page());
}

#[test]
fn a_broken_head_is_refused_and_a_broken_base_is_not() {
    let desk = company();
    desk.edit("identity/apps/wiki.yaml", "meta_launch_url", "meta_lunch_url");
    let line = ["diff", "--from", "HEAD", "--path", "identity"];
    let broken = desk.expect(1, &line);
    assert!(broken.out.is_empty(), "{}", broken.page());
    insta::assert_snapshot!("broken_head", broken.page());
    let json = desk.expect(1, &[&line[..], &["--json"]].concat()).json();
    assert_eq!((&json["refused"], json["changes"].as_array().map(Vec::len)), (&true.into(), Some(0)));
    let markdown = desk.expect(1, &[&line[..], &["--format", "markdown"]].concat());
    assert!(
        markdown.out.starts_with("<!-- gatewright:plan -->\n## Gatewright plan: refused, 1 error, 0 warnings\n"),
        "{}",
        markdown.page()
    );

    desk.commit("broken");
    desk.edit("identity/apps/wiki.yaml", "meta_lunch_url", "meta_launch_url");
    let mended = desk.expect(0, &line);
    insta::assert_snapshot!("broken_base", mended.page());
}

#[test]
fn what_cannot_be_read_is_told() {
    let desk = Desk::new();
    assert!(desk.expect(1, &["diff", "--from", "main"]).err.contains("is in no git repository"));
    desk.write("a.yaml", "version: 1\nentries: []\n");
    desk.commit("one");
    assert_eq!(
        desk.expect(1, &["diff", "--from", "nowhere"]).err,
        "error: there is no revision nowhere; in a shallow clone, fetch it first (with its history)\n"
    );
    assert!(
        desk.expect(1, &["diff", "--from", "main", "--path", "nothing"]).err.contains("has a blueprint to look at")
    );
    assert!(desk.expect(1, &["diff", "--from", "main", "--path", "../x"]).err.contains("leaves the source"));
    std::os::unix::fs::symlink("/etc/passwd", desk.path("b.yaml")).expect("a link");
    assert!(desk.expect(1, &["diff", "--from", "main"]).err.contains("\"b.yaml\""));
    desk.commit("a link that leads out");
    let led_out = desk.expect(1, &["diff", "--from", "main~1", "--to", "main"]).err;
    assert!(
        led_out.contains("\"b.yaml\" is a symbolic link that does not lead to a file inside the source's folder"),
        "{led_out}"
    );
}

#[test]
fn no_secret_is_shown_and_unknown_values_are_named() {
    let mut desk = Desk::new();
    desk.set("APP_NAME", "hidden-name-8s2");
    let entry = |password: &str, more: &str| {
        format!(
            "version: 1\nmetadata: {{name: x}}\nentries:\n- model: authentik_core.user\n  identifiers: {{username: eve}}\n  attrs:\n    name: Eve\n    password: {password}\n\
             - model: authentik_core.user\n  identifiers: {{username: !Env DIRECTORY_USER}}\n  attrs: {{name: !Env [DIRECTORY_NAME, Directory]}}\n\
             - model: authentik_core.group\n  id: g\n  identifiers: {{name: !Env APP_NAME}}\n{more}"
        )
    };
    desk.write("x.yaml", &entry("first-pass-7Q", ""));
    desk.write("secret.txt", "file-secret-4T");
    desk.commit("one");
    assert_eq!(
        desk.expect(0, &["diff", "--from", "HEAD"]).last(),
        "Plan: 0 to create, 0 to update, 0 to delete, 3 unchanged."
    );
    let more = "- model: authentik_providers_oauth2.oauth2provider\n  identifiers: {name: p}\n  attrs:\n    client_secret: !File secret.txt\n    redirect_uris: []\n    \
                authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]\n    \
                invalidation_flow: !Find [authentik_flows.flow, [slug, default-invalidation-flow]]\n\
                - model: authentik_core.application\n  id: a\n  identifiers: {slug: a}\n  attrs: {name: A}\n\
                - model: authentik_policies.policybinding\n  identifiers: {target: !KeyOf a, order: 0}\n  attrs: {group: !KeyOf g}\n";
    desk.write("x.yaml", &entry("second-pass-7Q", more));
    let mut all = String::new();
    for format in ["text", "json", "markdown"] {
        let ran = desk.expect(0, &["diff", "--from", "HEAD", "--format", format, "--allow-env", "APP_*"]);
        all.push_str(&ran.page());
        if format == "text" {
            insta::assert_snapshot!("secrets", ran.page());
        }
    }
    for secret in ["first-pass-7Q", "second-pass-7Q", "file-secret-4T", "hidden-name-8s2"] {
        assert!(!all.contains(secret), "{secret} in\n{all}");
    }
}

#[test]
fn what_cannot_be_decrypted_here_is_named_and_compared_where_it_can_be() {
    let desk = Desk::new();
    desk.write("sealed.yaml", include_str!("../../../fixtures/sops/blueprint.yaml"));
    desk.write("key.txt", include_str!("../../../fixtures/sops/identity.txt"));
    desk.write("a.yaml", "version: 1\nentries:\n- model: authentik_core.group\n  identifiers: {name: a}\n");
    desk.commit("one");
    desk.write("sealed.yaml", include_str!("../../../fixtures/sops/blueprint-new.yaml"));
    let line = ["diff", "--from", "HEAD", "--no-shipped"];
    let without = desk.expect(0, &line);
    assert_eq!(without.last(), "Plan: 0 to create, 0 to update, 0 to delete, 1 unchanged.");
    assert_eq!(
        without.err,
        "note: values that are not known here are not compared: the encrypted file `sealed.yaml`\n"
    );
    let with = desk.expect(0, &[&line[..], &["--age-key-file", "key.txt"]].concat());
    assert_eq!(with.out.matches("(secret changed)").count(), 4, "{}", with.page());
    super::secrets::assert_silent(&with, &super::secrets::SECRETS);
}

#[test]
fn the_comment_of_5000_changes_is_not_too_long() {
    let desk = Desk::new();
    let entries = |range: std::ops::Range<usize>, kind: &str, field: &str| {
        range.fold("version: 1\nmetadata: {name: many}\nentries:\n".to_owned(), |mut text, number| {
            let _ = write!(
                text,
                "- model: {kind}\n  identifiers: {{{field}: many-{number:05}}}\n  attrs: {{name: Number {number}}}\n"
            );
            text
        })
    };
    desk.write("gone.yaml", &entries(0..1000, "authentik_core.application", "slug"));
    desk.write("users.yaml", &entries(0..1000, "authentik_core.user", "username"));
    desk.commit("many");
    std::fs::remove_file(desk.path("gone.yaml")).expect("the file");
    desk.write(
        "new.yaml",
        &entries(0..3000, "authentik_core.application", "slug").replace("many-", "new-").replace("Number", "Fresh"),
    );
    desk.write(
        "users.yaml",
        &entries(0..1000, "authentik_core.user", "username").replace("name: Number", "name: User"),
    );
    let ran = desk.expect(0, &["diff", "--from", "HEAD", "--format", "markdown"]);
    let length = ran.out.chars().count();
    assert!((20_000..=65_536).contains(&length), "{length} characters");
    let head: Vec<&str> = ran.out.lines().take(4).collect();
    assert_eq!(
        head[1], "## Gatewright plan: 3,000 to create, 1,000 to update, 1,000 to delete, 0 unchanged",
        "{head:?}"
    );
    for part in ["**This deletes 1,000 objects.**", "more deletions", "left out", "`gatewright diff` shows everything"]
    {
        assert!(ran.out.contains(part), "{part} in\n{}", ran.out);
    }
}
