//! What goes to the screen: colour, findings, errors.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;

use crate::{
    base::diagnostic::{Diagnostic, Severity, Sources, Summary, github, json, sarif, snippet},
    blueprint::render,
    config::Environment,
};

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    Auto,
    Always,
    Never,
}

/// Form of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FindingFormat {
    /// Source snippets for people
    Text,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands that annotate lines on GitHub
    Github,
}

/// The two streams and what they can do.
pub struct Terminal {
    /// Whether standard output may be coloured.
    pub stdout_colour: bool,
    /// Whether standard error may be coloured.
    pub stderr_colour: bool,
    /// Whether standard error is a terminal.
    pub stderr_is_terminal: bool,
    /// Whether questions can be asked.
    pub interactive: bool,
    /// Columns of the terminal, 100 where that is unknown.
    pub width: usize,
}

impl Terminal {
    /// Looks at the streams of this process.
    pub fn new(colour: Colour, environment: &Environment) -> Terminal {
        let refused = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty())
            || environment.get("TERM").is_some_and(|term| term == "dumb");
        let forced = environment.get("CLICOLOR_FORCE").is_some_and(|value| value != "0" && !value.is_empty());
        let allow = |terminal: bool| match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => forced || (terminal && !refused),
        };
        let (stdin, stdout, stderr) =
            (std::io::stdin().is_terminal(), std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let width = environment.get("COLUMNS").and_then(|columns| columns.parse().ok()).unwrap_or(100);
        Terminal {
            stdout_colour: allow(stdout),
            stderr_colour: allow(stderr),
            stderr_is_terminal: stderr,
            interactive: stdin && stderr,
            width,
        }
    }

    /// Prints an error with its causes.
    pub fn error(&self, error: &anyhow::Error) {
        let (on, off) = if self.stderr_colour { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
        let mut text = format!("{on}error:{off} {error}\n");
        let mut last = error.to_string();
        for cause in error.chain().skip(1) {
            let cause = cause.to_string();
            if last.ends_with(&cause) {
                // The database driver repeats its cause in its own words.
            } else if cause.contains('\n') {
                cause.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
            } else {
                text.push_str(&format!("  caused by: {cause}\n"));
            }
            last = cause;
        }
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// Asks a yes-or-no question; anything but yes is no.
    pub fn ask(&self, question: &str) -> std::io::Result<bool> {
        let mut stderr = std::io::stderr();
        write!(stderr, "{question} [y/N] ")?;
        stderr.flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

/// Findings in the order of files and places, without notes if `quiet`.
pub fn sorted(sources: &Sources, found: Vec<Diagnostic>, quiet: bool) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> =
        found.into_iter().filter(|finding| !quiet || finding.severity != Severity::Note).collect();
    sources.sort(&mut found);
    found.dedup();
    found
}

/// Findings in a form for programs.
pub fn findings(format: FindingFormat, sources: &Sources, found: &[Diagnostic], colour: bool) -> String {
    match format {
        FindingFormat::Text => snippet::render(sources, found, colour),
        FindingFormat::Json => json::render(sources, found),
        FindingFormat::Sarif => sarif::render(sources, found),
        FindingFormat::Github => github::render(sources, found),
    }
}

/// `2 errors, 1 warning` and where to learn more.
pub fn closing_line(found: &[Diagnostic]) -> String {
    let summary = Summary::of(found);
    match found.iter().find(|finding| finding.is_error()) {
        Some(first) => format!("{summary}. Run `gatewright explain {}` for more about the first.", first.code),
        None => format!("{summary}."),
    }
}

/// What stands in a pull request when there is no plan.
pub fn refusal_markdown(sources: &Sources, found: &[Diagnostic]) -> String {
    let mut text = findings(FindingFormat::Text, sources, found, false);
    if text.len() > LONGEST_REFUSAL {
        text.truncate(text.floor_char_boundary(LONGEST_REFUSAL));
        text.truncate(text.rfind('\n').unwrap_or(0));
        text.push_str("\n… and more");
    }
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    let summary = Summary::of(found);
    format!("{}\n## Gatewright plan: refused, {summary}\n\n{fence}text\n{}\n{fence}\n", render::MARKER, text.trim_end())
}

/// Most bytes of findings in a comment, which forges limit to 65,536 characters.
const LONGEST_REFUSAL: usize = 60_000;

/// A warning in one line.
pub fn warning(sources: &Sources, finding: &Diagnostic) -> String {
    match finding.labels.first() {
        Some(label) => format!("{}: {}", sources.place(label.span), finding.message),
        None => finding.message.clone(),
    }
}

/// A number with the noun that it counts.
pub fn counted(number: impl TryInto<i64>, one: &str, several: &str) -> String {
    let number = number.try_into().unwrap_or(i64::MAX);
    format!("{number} {}", if number == 1 { one } else { several })
}

/// An error with its causes in one line.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// Writes to standard output.
pub fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Whether the reader of our output went away, which is no error of ours.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
