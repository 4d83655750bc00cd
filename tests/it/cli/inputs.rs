//! What blueprints may see of the world: variables, files and context values, each only when it is allowed.

use super::Desk;

const TEXT: &str = "\
version: 1
context:
  who: the document
entries:
  - model: authentik_core.group
    identifiers:
      name: !Context who
    attrs:
      attributes:
        team: !Env TEAM
        note: !File note.txt
        far: !File [/etc/hostname, none]
";

#[test]
fn nothing_is_visible_unless_it_is_allowed() {
    let mut desk = Desk::new();
    desk.set("TEAM", "blue");
    desk.write("a.yaml", TEXT);
    desk.write("note.txt", "beside the blueprint\n");
    // Judging alone needs no values.
    insta::assert_snapshot!("judged", desk.expect(0, &["validate", "a.yaml"]).page());
    insta::assert_snapshot!("denied", desk.expect(1, &["plan", "a.yaml"]).page());
    let allowed = ["--allow-env", "TE*", "--allow-files", "/etc", "a.yaml"];
    insta::assert_snapshot!("allowed", desk.expect(0, &[&["plan"][..], &allowed].concat()).page());
    // The same from the configuration.
    desk.write("gatewright.toml", "[blueprints]\nallow_env = [\"TEAM\"]\nallow_files = [\"/etc\"]\n");
    desk.expect(0, &["plan", "a.yaml"]);
}

#[test]
fn a_file_of_variables_stands_in_for_the_environment() {
    let mut desk = Desk::new();
    desk.set("TEAM", "blue");
    desk.write("a.yaml", "version: 1\nentries:\n  - model: authentik_core.group\n    identifiers: {name: !Env TEAM}\n");
    desk.write("team.env", "# who\nexport TEAM=\"red\"\n");
    desk.expect(0, &["apply", "--env-file", "team.env", "a.yaml"]);
    let again = desk.expect(2, &["plan", "--detailed-exitcode", "--allow-env", "TEAM", "a.yaml"]);
    assert!(again.out.contains("1 to create"), "the variable of the process has another value: {}", again.page());
    desk.write("team.env", "TEAM=red\nnonsense\n");
    let wrong = desk.expect(1, &["plan", "--env-file", "team.env", "a.yaml"]);
    assert_eq!(wrong.err, "error: team.env:2: write NAME=value, one a line\n");
    let missing = desk.expect(1, &["plan", "--env-file", "none.env", "a.yaml"]);
    assert_eq!(missing.err, "error: cannot read none.env\n  caused by: No such file or directory (os error 2)\n");
    // A variable that is allowed and not there.
    desk.edit("a.yaml", "TEAM", "CREW");
    insta::assert_snapshot!("unset_variable", desk.expect(1, &["plan", "--allow-env", "*", "a.yaml"]).page());
}

#[test]
fn context_values_come_from_flags_over_the_configuration_over_the_document() {
    let desk = Desk::new();
    desk.write(
        "a.yaml",
        "version: 1\ncontext: {who: document}\nentries:\n  - model: authentik_core.group\n    identifiers: {name: !Context who}\n    attrs: {attributes: {more: !Context [more, none]}}\n",
    );
    let plan = |arguments: &[&str]| desk.expect(0, &[&["plan", "a.yaml"], arguments].concat()).out;
    assert!(plan(&[]).contains("name: \"document\""));
    desk.write("gatewright.toml", "[blueprints]\ncontext = { who = \"file\" }\n");
    assert!(plan(&[]).contains("name: \"file\""));
    assert!(plan(&["--context", "who=flag"]).contains("name: \"flag\""));
    let json = plan(&["--context", "more={\"a\": [1, true]}", "--context", "who=1=1"]);
    assert!(json.contains("attributes.more.a: [1, true]") && json.contains("name: \"1=1\""), "{json}");
}
