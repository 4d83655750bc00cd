//! Help texts, manual pages, completions and the explanations of codes.

use super::Desk;

const COMMANDS: [&str; 22] = [
    "serve",
    "validate",
    "plan",
    "diff",
    "comment",
    "apply",
    "sources",
    "reconcile",
    "approve",
    "history",
    "show",
    "blame",
    "rollback",
    "drift",
    "export",
    "schema",
    "migrate",
    "explain",
    "verify-audit",
    "check",
    "completions",
    "man",
];

#[test]
fn every_command_has_its_help() {
    let desk = Desk::new();
    let all = desk.expect(0, &["--help"]);
    insta::assert_snapshot!("help", all.page());
    for command in COMMANDS {
        assert!(all.out.contains(&format!("\n  {command} ")), "{command} is not listed");
        insta::assert_snapshot!(format!("help_{command}"), desk.expect(0, &[command, "--help"]).page());
    }
    let listed = all.out.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    assert_eq!(listed.count(), COMMANDS.len() + 1, "a new command belongs in this test's list");
    assert_eq!(
        desk.expect(64, &[]).err.replace("(see more with '--help')", ""),
        all.out.replace("(see a summary with '-h')", "")
    );
}

#[test]
fn codes_are_explained() {
    let desk = Desk::new();
    insta::assert_snapshot!("explain", desk.expect(0, &["explain", "GW0302"]).page());
    assert_eq!(desk.expect(0, &["explain", "gw0302"]).out, desk.expect(0, &["explain", "GW0302"]).out);
    let near = desk.expect(1, &["explain", "GW032"]);
    assert_eq!(near.err, "error: there is no code GW032; did you mean GW0302?\n");
    let far = desk.expect(1, &["explain", "everything"]);
    assert_eq!(far.err, "error: there is no code everything; `gatewright explain` lists all of them\n");
    let list = desk.expect(0, &["explain"]).out;
    assert!(list.lines().count() > 60 && list.lines().all(|line| line.starts_with("GW")), "{list}");
}

#[test]
fn manual_pages_and_completions_name_every_command() {
    let desk = Desk::new();
    let page = desk.expect(0, &["man"]).out;
    desk.expect(0, &["man", "--out", "."]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = desk.expect(0, &["completions", shell]).out;
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} {command}");
        }
    }
    for command in COMMANDS {
        assert!(page.contains(&command.replace('-', "\\-")), "{command}");
        let own = desk.read(&format!("gatewright-{command}.1"));
        assert!(own.contains(".SH NAME") && own.contains(".SH OPTIONS"), "{own}");
    }
}
