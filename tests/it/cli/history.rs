//! The past on the command line: what was applied, who is behind a value, and the way back.

use super::Desk;

const WIKI: &str = r#"version: 1
metadata: {name: wiki}
entries:
  - model: authentik_core.group
    id: staff
    identifiers: {name: staff}
    attrs: {attributes: {mail: staff@example.org}}
  - model: authentik_core.user
    identifiers: {username: ada}
    attrs: {name: Ada Lovelace, password: first-password, groups: [!KeyOf staff]}
  - model: authentik_flows.flow
    id: login
    identifiers: {slug: login}
    attrs: {name: Login, title: Welcome, designation: authentication}
  - model: authentik_policies_expression.expressionpolicy
    identifiers: {name: only-staff}
    attrs:
      expression: |
        if request.user.username == "root":
            return True
        return ak_is_group_member(request.user, name="staff")
"#;

/// Three runs: four objects are made, three are changed, somebody else deletes one and renames another.
fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.write("wiki.yaml", WIKI);
    desk.expect(0, &["apply", "--quiet", "wiki.yaml"]);
    desk.edit("wiki.yaml", "Welcome", "Hello");
    desk.edit("wiki.yaml", "first-password", "second-password");
    desk.edit("wiki.yaml", "username == \"root\"", "username in [\"root\", \"ada\"]");
    desk.expect(0, &["apply", "--quiet", "wiki.yaml"]);
    let staff = desk.expect(0, &["history", "--json", "--object", "group/staff"]).json();
    let staff = staff["object"]["id"].as_str().expect("an id").to_owned();
    desk.write(
        "later.yaml",
        &format!(
            "version: 1\nentries:\n  - {{model: authentik_flows.flow, identifiers: {{slug: login}}, state: absent}}\n  - {{model: authentik_core.group, identifiers: {{pk: {staff}}}, attrs: {{name: employees}}}}\n"
        ),
    );
    desk.set("USER", "bob");
    desk.expect(0, &["apply", "--quiet", "later.yaml"]);
    desk
}

#[test]
fn the_past_is_told_calmly() {
    let desk = desk();
    insta::assert_snapshot!("runs", desk.expect(0, &["history"]).page());
    insta::assert_snapshot!("run", desk.expect(0, &["show", "2"]).page());
    insta::assert_snapshot!("gone", desk.expect(0, &["history", "--object", "flow/login"]).page());
    // By its former name, and by the kind's full name.
    insta::assert_snapshot!("renamed", desk.expect(0, &["history", "--object", "authentik_core.group/staff"]).page());
    insta::assert_snapshot!("secret", desk.expect(0, &["history", "--object", "user/ada"]).page());
    insta::assert_snapshot!("blame", desk.expect(0, &["blame", "group", "employees"]).page());
    let less = desk.expect(0, &["history", "--limit", "1"]);
    assert_eq!(less.out.lines().count(), 2);
    assert_eq!(less.err, "note: there are older ones; --limit shows more\n");

    let runs = desk.expect(0, &["history", "--json"]).json();
    assert_eq!((&runs["runs"][0]["run"], &runs["runs"][0]["by"]), (&3.into(), &"cli:bob".into()));
    let run = desk.expect(0, &["show", "2", "--json"]).json();
    assert_eq!(run["changes"][0]["fields"][0]["after"], "(secret)");
    let object = desk.expect(0, &["history", "--json", "--object", "flow/login"]).json();
    assert_eq!((&object["object"]["gone"], object["changes"].as_array().map(Vec::len)), (&true.into(), Some(3)));
    let blame = desk.expect(0, &["blame", "--json", "group", "employees"]).json();
    assert_eq!(
        (&blame["fields"][0]["owners"][0]["file"], &blame["fields"][0]["last"]["run"]),
        (&"later.yaml".into(), &3.into())
    );
}

#[test]
fn a_wrong_name_is_met_with_the_right_one() {
    let desk = desk();
    for (arguments, says) in [
        (
            &["history", "--object", "flow/logn"][..],
            "there is no flow \"logn\", and there never was one; did you mean login?",
        ),
        (&["history", "--object", "flows/login"], "there is no kind flows; did you mean authentik_flows.flow?"),
        (&["history", "--object", "login"], "--object takes a kind and a name or id: KIND/NAME"),
        (&["history", "--source", "main"], "there is no source main, and no other either"),
        (&["blame", "flow", "login"], "the flow \"login\" is gone; `gatewright history --object"),
        (&["show", "9"], "there is no run 9; `gatewright history` lists them"),
        (&["rollback", "9"], "there is no run 9; `gatewright history` lists them"),
    ] {
        let ran = desk.expect(1, arguments);
        assert!(ran.err.contains(says) && ran.out.is_empty(), "{}", ran.page());
    }
    let fresh = Desk::new();
    assert!(fresh.expect(1, &["history"]).err.contains("there is no database at sqlite://gatewright.db yet"));
}

#[test]
fn the_way_back_is_a_plan() {
    let desk = desk();
    let dry = desk.expect(0, &["rollback", "2", "--dry-run"]);
    assert_eq!(desk.expect(0, &["history", "--json"]).json()["runs"].as_array().map(Vec::len), Some(3));
    let ran = desk.expect(0, &["rollback", "2", "--yes"]);
    insta::assert_snapshot!("rollback", ran.page());
    assert!(ran.out.starts_with(&dry.out));
    desk.edit("wiki.yaml", "Hello", "Welcome");
    desk.edit("wiki.yaml", "second-password", "first-password");
    desk.edit("wiki.yaml", "username in [\"root\", \"ada\"]", "username == \"root\"");
    let plan = desk.expect(0, &["plan", "--detailed-exitcode", "wiki.yaml"]);
    assert_eq!(plan.last(), "Plan: 0 to create, 0 to update, 0 to delete, 4 unchanged.", "as in the beginning");
    insta::assert_snapshot!("nothing_to_undo", desk.expect(0, &["rollback", "2"]).page());
    desk.expect(0, &["verify-audit"]);
    // Run 3 alone: what it deleted is there again, and what it renamed was renamed back.
    insta::assert_snapshot!("rollback_refused", desk.expect(1, &["rollback", "3", "--only"]).page());
    let refused = desk.expect(1, &["rollback", "3", "--only", "--json"]).json();
    assert_eq!((&refused["refused"], &refused["rows_written"]), (&true.into(), &0.into()));
    insta::assert_snapshot!("rolled_back_runs", desk.expect(0, &["history"]).page());
    let bytes = desk.database_bytes();
    for secret in ["first-password", "second-password"] {
        assert!(!super::holds(&bytes, secret), "{secret}");
    }
}

/// A value from the environment is not printed, whoever puts it back.
#[test]
fn a_rollback_prints_no_value_from_the_environment() {
    let mut desk = Desk::new();
    desk.set("TITLE", "hush-hush");
    let flow = "version: 1\nentries:\n  - {model: authentik_flows.flow, identifiers: {slug: a}, attrs: {name: A, designation: authentication, title: !Env TITLE}}\n";
    desk.write("a.yaml", flow);
    desk.expect(0, &["apply", "--allow-env", "TITLE", "a.yaml"]);
    desk.write("a.yaml", &flow.replace("!Env TITLE", "plain"));
    desk.expect(0, &["apply", "a.yaml"]);
    desk.expect(0, &["rollback", "2"]);
    for arguments in
        [&["rollback", "3", "--dry-run"][..], &["show", "3"], &["show", "3", "--json"], &["blame", "flow", "a"]]
    {
        let ran = desk.expect(0, arguments);
        assert!(ran.out.contains("title") && !ran.out.contains("hush-hush"), "{}", ran.page());
    }
    let exported = desk.expect(0, &["export"]).out;
    assert!(exported.contains("hush-hush"), "the value itself is back: {exported}");
}
