//! Validate, plan and apply, from a team's first day on.

use super::Desk;

const WITH_MISTAKES: &str = "\
version: 1
metadata:
  name: team
entries:
  - model: authentik_core.group
    id: engineers
    identifiers:
      name: engineers
    atrrs:
      is_superuser: false
  - model: authentik_core.aplication
    identifiers:
      slug: wiki
    attrs:
      name: Wiki
  - model: authentik_core.application
    identifiers:
      slug: chat
    attrs:
      name: Chat
      meta_lanch_url: https://chat.example
      policy_engine_mode: some
  - model: authentik_policies.policybinding
    identifiers:
      order: 0
      target: !KeyOf chat
    attrs:
      group: !KeyOf engineers
";

const TEAM: &str = "\
version: 1
metadata:
  name: team
entries:
  - model: authentik_core.group
    id: engineers
    identifiers:
      name: engineers
    attrs:
      is_superuser: false
  - model: authentik_core.application
    id: chat
    identifiers:
      slug: chat
    attrs:
      name: Chat
      meta_launch_url: https://chat.example
  - model: authentik_policies.policybinding
    identifiers:
      order: 0
      target: !KeyOf chat
    attrs:
      group: !KeyOf engineers
";

#[test]
fn a_team_s_first_day() {
    let desk = Desk::new();
    desk.write("team.yaml", WITH_MISTAKES);
    let refused = desk.expect(1, &["validate", "team.yaml"]);
    insta::assert_snapshot!("first_day_mistakes", refused.page());
    assert_eq!(
        refused.last(),
        "1 file, 4 entries: 5 errors, 0 warnings. Run `gatewright explain GW0103` for more about the first."
    );
    let refused = desk.expect(1, &["apply", "--yes", "team.yaml"]);
    assert!(refused.out.is_empty() && refused.err.ends_with("Nothing was written.\n"), "{}", refused.page());

    desk.write("team.yaml", TEAM);
    let fine = desk.expect(0, &["validate", "team.yaml"]);
    assert_eq!(fine.out, "1 file, 3 entries: 0 errors, 0 warnings.\n");

    std::fs::remove_file(desk.path("gatewright.db")).expect("apply has made the database");
    let plan = desk.expect(2, &["plan", "--detailed-exitcode", "team.yaml"]);
    insta::assert_snapshot!("first_day_plan", plan.page());
    assert_eq!(plan.last(), "Plan: 3 to create, 0 to update, 0 to delete, 0 unchanged.");
    assert!(!desk.path("gatewright.db").exists(), "a plan makes no database");

    let applied = desk.expect(0, &["apply", "--yes", "team.yaml"]);
    insta::assert_snapshot!("first_day_apply", applied.page());
    assert_eq!(applied.last(), "Applied: 3 created, 0 updated, 0 deleted, 0 unchanged.");

    let plan = desk.expect(0, &["plan", "--detailed-exitcode", "team.yaml"]);
    insta::assert_snapshot!("first_day_nothing_to_do", plan.page());
    let again = desk.expect(0, &["apply", "--json", "team.yaml"]).json();
    assert_eq!((&again["rows_written"], &again["summary"]["unchanged"]), (&0.into(), &3.into()), "{again:#}");

    desk.edit("team.yaml", "name: Chat", "name: Team chat");
    let plan = desk.expect(2, &["plan", "--detailed-exitcode", "team.yaml"]);
    insta::assert_snapshot!("first_day_edit", plan.page());
    assert_eq!(desk.expect(0, &["plan", "team.yaml"]).out, plan.out, "without the flag the code is 0");
    desk.expect(0, &["apply", "team.yaml"]);
    let audit = desk.expect(0, &["verify-audit"]);
    assert_eq!(audit.out, "The change log is intact: 4 entries.\n");
    let audit = desk.expect(0, &["verify-audit", "--json"]).json();
    assert_eq!((&audit["whole"], &audit["records"]), (&true.into(), &4.into()));
}

#[test]
fn standard_output_is_for_data_and_standard_error_for_findings() {
    let desk = Desk::new();
    desk.write("bad.yaml", WITH_MISTAKES);
    let text = desk.expect(1, &["plan", "bad.yaml"]);
    assert!(text.out.is_empty() && text.err.contains("error[GW0301]"), "{}", text.page());
    let json = desk.expect(1, &["plan", "--json", "bad.yaml"]);
    let value = json.json();
    assert_eq!((&value["refused"], value["diagnostics"].as_array().map(Vec::len)), (&true.into(), Some(5)));
    let applied = desk.expect(1, &["apply", "--json", "bad.yaml"]).json();
    assert_eq!((&applied["refused"], &applied["rows_written"]), (&true.into(), &0.into()));
    assert_eq!(applied["diagnostics"], value["diagnostics"]);
    let markdown = desk.expect(1, &["plan", "--format", "markdown", "bad.yaml"]);
    let head: Vec<&str> = markdown.out.lines().take(6).collect();
    assert_eq!(
        head,
        [
            "<!-- gatewright:plan -->",
            "## Gatewright plan: refused, 5 errors, 0 warnings",
            "",
            "```text",
            "error[GW0103]: an entry has no key `atrrs`",
            " --> bad.yaml:9:5"
        ]
    );
    let sarif = desk.expect(1, &["validate", "--format", "sarif", "bad.yaml"]).json();
    assert_eq!(sarif["runs"][0]["results"].as_array().map(Vec::len), Some(5));
    let github = desk.expect(1, &["validate", "--format", "github", "bad.yaml"]);
    assert_eq!(github.out.lines().filter(|line| line.starts_with("::error file=bad.yaml,line=")).count(), 5);
}

#[test]
fn colour_is_for_terminals_unless_it_is_asked_for() {
    let mut desk = Desk::new();
    desk.write("bad.yaml", WITH_MISTAKES);
    desk.write("team.yaml", TEAM);
    let coloured = |desk: &Desk, arguments: &[&str]| {
        let ran = desk.run(arguments);
        format!("{}{}", ran.out, ran.err).contains('\u{1b}')
    };
    for command in ["validate", "plan"] {
        for file in ["bad.yaml", "team.yaml", "missing.yaml"] {
            assert!(!coloured(&desk, &[command, file]), "{command} {file}");
        }
    }
    for command in [["--color", "always", "validate", "bad.yaml"], ["plan", "--color", "always", "team.yaml"]] {
        assert!(coloured(&desk, &command), "{command:?}");
    }
    desk.set("CLICOLOR_FORCE", "1");
    assert!(coloured(&desk, &["plan", "team.yaml"]));
    assert!(!coloured(&desk, &["plan", "--color", "never", "team.yaml"]));
}

#[test]
fn a_wrong_command_line_ends_with_64() {
    let desk = Desk::new();
    for arguments in [
        &["frobnicate"][..],
        &["plan"],
        &["plan", "--format", "yaml", "x.yaml"],
        &["apply", "--context", "who", "x.yaml"],
        &["plan", "--allow-env", "[", "x.yaml"],
        &["validate", "--json", "--format", "text", "x.yaml"],
        &["serve", "--listen", "nowhere"],
        &[],
    ] {
        let ran = desk.expect(64, arguments);
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{}", ran.page());
    }
    let glob = desk.expect(64, &["plan", "--allow-env", "[", "x.yaml"]);
    insta::assert_snapshot!("wrong_glob", glob.page());
}

#[test]
fn what_is_no_blueprint_is_told_apart() {
    let desk = Desk::new();
    desk.write("empty/.hidden.yaml", "x");
    desk.write("broken/a.yaml", "entries: [\n");
    desk.write("broken/b.yaml", TEAM);
    desk.write("broken/c.yaml", "version: 2\n");
    for (path, name) in
        [("missing.yaml", "missing"), ("empty", "nothing_in_folder"), ("broken", "one_bad_file_of_three")]
    {
        insta::assert_snapshot!(name, desk.expect(1, &["validate", path]).page());
    }
}

#[test]
fn contradicting_files_are_shown_together() {
    let desk = Desk::new();
    let group = |superuser: bool| {
        format!(
            "version: 1\nentries:\n  - model: authentik_core.group\n    identifiers: {{name: one}}\n    attrs:\n      is_superuser: {superuser}\n"
        )
    };
    desk.write("a.yaml", &group(true));
    desk.write("b.yaml", &group(false));
    insta::assert_snapshot!("conflict", desk.expect(1, &["plan", "a.yaml", "b.yaml"]).page());
    desk.expect(1, &["validate", "a.yaml", "b.yaml"]);
    // The order of the arguments decides, not that of the names.
    let last = desk.expect(0, &["plan", "--last-wins", "b.yaml", "a.yaml"]);
    insta::assert_snapshot!("conflict_last_wins", last.page());
    let other = desk.expect(0, &["plan", "--last-wins", "a.yaml", "b.yaml"]);
    assert!(last.out.contains("is_superuser: true") && other.out.contains("is_superuser: false"), "{}", other.page());
    desk.expect(0, &["apply", "--last-wins", "b.yaml", "a.yaml"]);
    let third = desk.expect(2, &["plan", "--detailed-exitcode", "--last-wins", "a.yaml", "b.yaml"]);
    assert!(third.out.contains("is_superuser: true → false"), "{}", third.page());
}

/// Whether a required blueprint is stored can only be told with a database.
#[test]
fn a_blueprint_that_is_applied_may_be_stored() {
    let desk = Desk::new();
    desk.write(
        "parent.yaml",
        "version: 1\nentries:\n  - model: authentik_blueprints.metaapplyblueprint\n    attrs:\n      identifiers: {name: stored}\n",
    );
    let offline = desk.expect(0, &["validate", "parent.yaml"]);
    insta::assert_snapshot!("blueprint_not_among_files", offline.page());
    let missing = desk.expect(1, &["plan", "parent.yaml"]);
    assert!(
        missing.err.contains("error[GW0110]: there is no blueprint with the name `stored`\n"),
        "{}",
        missing.page()
    );
    desk.write(
        "stored.yaml",
        "version: 1\nentries: [{model: authentik_blueprints.blueprintinstance, identifiers: {name: stored}, attrs: {path: stored.yaml}}]\n",
    );
    desk.expect(0, &["apply", "stored.yaml"]);
    let found = desk.expect(0, &["plan", "parent.yaml"]);
    assert!(found.err.is_empty(), "{}", found.page());
}

#[test]
fn quiet_leaves_out_notes() {
    let desk = Desk::new();
    desk.write("a.yaml", &format!("\u{feff}{TEAM}"));
    let loud = desk.expect(0, &["plan", "a.yaml"]);
    assert!(loud.err.contains("note[GW0005]") && loud.err.contains("note: there is no database"), "{}", loud.page());
    let quiet = desk.expect(0, &["plan", "--quiet", "a.yaml"]);
    assert!(quiet.err.is_empty() && quiet.out == loud.out, "{}", quiet.page());
}

/// Both want to create the same objects; one of them finds that the other one has.
#[test]
fn two_at_once_end_in_the_same_state() {
    let desk = Desk::new();
    let entries: String = (0..200)
        .map(|at| format!("  - model: authentik_core.group\n    identifiers: {{name: g{at}}}\n    attrs: {{attributes: {{n: {at}}}}}\n"))
        .collect();
    desk.write("many.yaml", &format!("version: 1\nentries:\n{entries}"));
    let arguments = ["apply", "--json", "many.yaml"];
    let both: Vec<_> = (0..2).map(|_| desk.command(&arguments).spawn().expect("the program starts")).collect();
    let both: Vec<_> =
        both.into_iter().map(|child| super::Ran::of(&arguments, child.wait_with_output().expect("it ends"))).collect();
    let mut created = 0;
    for ran in &both {
        assert_eq!(ran.code, 0, "{}", ran.page());
        created += ran.json()["summary"]["create"].as_u64().expect("a number");
    }
    assert_eq!(created, 200, "each object is created once");
    assert_eq!(desk.expect(0, &["apply", "--json", "many.yaml"]).json()["rows_written"], 0);
    assert_eq!(desk.expect(0, &["verify-audit"]).out, "The change log is intact: 200 entries.\n");
}
