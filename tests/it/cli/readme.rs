//! The example of README.md, run from its text: what it says is printed is what is printed.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::Desk;

const README: &str = include_str!("../../../README.md");

/// The fenced blocks of a section, each with the word after its fence.
fn blocks(section: &str) -> Vec<(String, String)> {
    let (_, rest) = README.split_once(&format!("\n## {section}\n")).expect("the section");
    let text = rest.split("\n## ").next().unwrap_or(rest);
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block: String =
                lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
            blocks.push((language.to_owned(), block));
        }
    }
    blocks
}

/// The commands of a console block with what follows each.
fn commands(block: &str) -> Vec<(&str, String)> {
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, String::new())),
            (None, Some((_, output))) => *output += &format!("{line}\n"),
            (None, None) => panic!("{line:?} is printed by no command"),
        }
    }
    commands
}

#[test]
fn the_example_prints_what_it_says() {
    let desk = Desk::new();
    let program = Path::new(env!("CARGO_BIN_EXE_gatewright"));
    let folder = program.parent().expect("a folder").to_str().expect("text");
    let path = format!("{folder}:/usr/local/bin:/usr/bin:/bin");
    let mut ran = 0;
    for (language, block) in blocks("One example") {
        if language == "yaml" {
            desk.write("team.yaml", &block);
            continue;
        }
        assert_eq!(language, "console");
        for (command, expected) in commands(&block) {
            let shell = Command::new("/bin/sh")
                .args(["-c", &format!("exec 2>&1; {command}")])
                .current_dir(desk.path(""))
                .env_clear()
                .env("PATH", &path)
                .stdin(Stdio::null())
                .output()
                .expect("a shell");
            assert_eq!(String::from_utf8_lossy(&shell.stdout), expected, "$ {command}");
            ran += 1;
        }
    }
    assert_eq!(ran, 4, "commands of the example");
}

/// Commands and flags that the page names are there.
#[test]
fn commands_of_the_page_are_there() {
    let desk = Desk::new();
    let help = desk.expect(0, &["--help"]).out;
    let (_, table) = README.split_once("\n## Commands\n").expect("the section");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let mut named = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        let commands = cells[1].split('`').skip(1).step_by(2).filter_map(|code| code.split(' ').next());
        for command in commands {
            assert!(help.lines().any(|line| line.trim_start().split(' ').next() == Some(command)), "{command}\n{help}");
            let own = desk.expect(0, &[command, "--help"]).out;
            for flag in cells[2].split('`').skip(1).step_by(2).filter_map(|code| code.split(' ').next()) {
                assert!(!flag.starts_with("--") || own.contains(flag), "{command} {flag}");
            }
            named += 1;
        }
    }
    assert!(named >= 12, "only {named} commands are named");
}
