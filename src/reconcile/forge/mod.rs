//! Says on a pull request what a plan would change: one comment that is edited in place, and the status of a commit.
//!
//! [`protocol`] knows what each forge is asked and answers, [`client`] asks, [`ci`] finds out from the variables of a
//! pipeline what it runs for.

pub mod ci;
mod client;
mod protocol;

use std::{fmt, str::FromStr};

use zeroize::Zeroizing;

pub use client::{Client, ForgeError, Posted};

/// A kind of forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forge {
    /// GitHub and GitHub Enterprise Server.
    Github,
    /// GitLab.
    Gitlab,
    /// Gitea and Forgejo, which speak alike.
    Gitea,
}

impl Forge {
    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Forge::Github => "GitHub",
            Forge::Gitlab => "GitLab",
            Forge::Gitea => "Gitea or Forgejo",
        }
    }

    /// Most characters of a comment.
    pub fn longest_comment(self) -> usize {
        match self {
            Forge::Gitlab => 1_000_000,
            Forge::Github | Forge::Gitea => 65_536,
        }
    }
}

/// A secret that a forge accepts as proof of who asks. Does not print.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// A token, without the blanks around it.
    pub fn new(text: &str) -> Token {
        Token(Zeroizing::new(text.trim().to_owned()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Where to say it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Kind of forge.
    pub forge: Forge,
    /// Address of its API: `https://api.github.com`, `https://gitlab.example/api/v4`, `https://forge.example/api/v1`.
    pub api: String,
    /// `owner/name`; on GitLab also with more groups, or the number of the project.
    pub repository: String,
}

/// What becomes of a commit's check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is fine.
    Success,
    /// It is not.
    Failure,
    /// It is not known yet.
    Pending,
}

/// The status of a commit.
#[derive(Clone, Debug)]
pub struct Status {
    /// What tells it apart from other statuses of the commit.
    pub context: String,
    /// How it is.
    pub state: State,
    /// One line about it.
    pub description: String,
    /// Where to read more.
    pub url: Option<String>,
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<State, String> {
        match text {
            "success" => Ok(State::Success),
            "failure" => Ok(State::Failure),
            "pending" => Ok(State::Pending),
            _ => Err("write success, failure or pending".to_owned()),
        }
    }
}

/// The line by which a later run finds the comment: the report's first line, when it is a hidden one.
pub fn marker(report: &str) -> Option<&str> {
    let first = report.trim_start().lines().next()?.trim_end();
    (first.starts_with("<!-- gatewright:") && first.ends_with("-->")).then_some(first)
}

/// What a status says of a report: its headline.
pub fn headline(report: &str) -> &str {
    let line = report.lines().find_map(|line| line.strip_prefix("## ")).unwrap_or("");
    line.rsplit_once(": ").map_or(line, |(_, counts)| counts).trim()
}
