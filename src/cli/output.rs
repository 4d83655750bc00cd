//! What goes to the screen: colour, findings, errors.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;

use crate::{
    base::diagnostic::{Diagnostic, Sources, github, json, sarif, snippet},
    config::Environment,
};

pub use crate::blueprint::render::findings::{closing_line, refusal_markdown, sorted, warning};

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

/// Form of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people
    Text,
    /// One JSON document, see schemas/plan.schema.json
    Json,
    /// For a pull request
    Markdown,
}

/// How many people each list of a report on access names unless told otherwise.
pub const NAMES: usize = 50;

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

/// Findings in a form for programs.
pub fn findings(format: FindingFormat, sources: &Sources, found: &[Diagnostic], colour: bool) -> String {
    match format {
        FindingFormat::Text => snippet::render(sources, found, colour),
        FindingFormat::Json => json::render(sources, found),
        FindingFormat::Sarif => sarif::render(sources, found),
        FindingFormat::Github => github::render(sources, found),
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
