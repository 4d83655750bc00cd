//! Planning blueprints against a live server: what travels there and back. [`gather`](mod@gather) packs a request where the
//! blueprints are, [`answer`](mod@answer) makes the plan where the objects are. Neither writes anything.
//!
//! Everything that a plan may see of the world outside the blueprints travels with the request: the variables and files
//! that the blueprints name, as far as the command that asks may read them, and the keys of the encrypted ones of these
//! files, which open nothing else. What did not travel is as good as forbidden. The plan is shown where it is made, since
//! the reports are about objects that stay there; back come finished texts and the JSON of a plan.

mod answer;
mod gather;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::blueprint::inputs::GivenFile;

pub use answer::{LiveError, answer};
pub use gather::gather;

/// The version of both shapes that this build writes and reads.
pub const VERSION: u32 = 1;

/// The largest request, in bytes of JSON.
pub const MAX_REQUEST: usize = 32 << 20;

/// What is to be planned. A field that the server does not know is refused, since it may be a wish.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Version of the shape, [`VERSION`].
    pub version: u32,
    /// The blueprints, in the order of the command line.
    pub files: Vec<File>,
    /// For each folder what was read of its files, by path as the blueprints write it; what is not listed was not allowed.
    pub folders: Vec<BTreeMap<String, GivenFile>>,
    /// Variables; null for those that may be read and are not set. What is not listed was not allowed.
    pub environment: BTreeMap<String, Option<String>>,
    /// Context values, which win over those of the blueprints.
    pub context: Map<String, Value>,
    /// What may not be read is unknown and left out of the comparison, instead of an error.
    pub lenient: bool,
    /// Contradicting entries: the last one wins, with a warning.
    pub last_wins: bool,
    /// How the plan is shown.
    pub show: Show,
}

/// One blueprint.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Name in messages.
    pub name: String,
    /// Path in its source.
    pub path: String,
    /// What it says.
    pub text: String,
    /// Position in [`Request::folders`] of where it lies.
    pub folder: usize,
    /// Whether its label may say that it is not to be applied.
    pub labelled: bool,
    /// The key that decrypts it, if it is encrypted by SOPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// How a plan is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// Form of the report.
    pub form: Form,
    /// Whether the report may have colours, if it is a text.
    pub colour: bool,
    /// Whether the text of the findings may have colours.
    pub colour_findings: bool,
    /// Columns of the terminal.
    pub width: usize,
    /// Every object, however many there are.
    pub verbose: bool,
    /// Findings without notes.
    pub quiet: bool,
    /// How many people each list of who gains or loses access names; none when that is not to be looked at.
    pub people: Option<usize>,
    /// For a pull request: where the blueprints come from.
    pub origin: Option<String>,
    /// What is to be known besides findings, one line each.
    pub notes: Vec<String>,
}

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Only the JSON.
    Json,
    /// For people.
    Text,
    /// For a pull request.
    Markdown,
}

/// A plan as it is shown. Fields may be added within a version.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Version of the shape, [`VERSION`].
    pub version: u32,
    /// What `gatewright plan --format json` writes.
    pub plan: Value,
    /// Whether a finding refuses the plan.
    pub refused: bool,
    /// Whether anything would change.
    pub changes: bool,
    /// The report in the form that was asked for; empty for JSON, and for a text of a plan that is refused.
    pub report: String,
    /// The findings as text; empty when there are none.
    pub findings: String,
    /// Who gains and who loses access, if that was asked for.
    pub impact: Option<Value>,
    /// Whether everybody is locked out, if people were asked about.
    pub lockout: Option<Value>,
    /// What is to be known besides findings, one line each.
    pub notes: Vec<String>,
}
