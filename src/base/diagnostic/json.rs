//! Diagnostics as JSON, for scripts and editors.
//!
//! The shape is versioned: fields may be added within a version, none is removed or changes its meaning.
//!
//! ```json
//! {
//!   "version": 1,
//!   "diagnostics": [
//!     {
//!       "code": "GW0010",
//!       "severity": "error",
//!       "message": "the value ends too early",
//!       "path": "flows/login.yaml",
//!       "labels": [
//!         { "file": "flows/login.yaml", "line": 3, "column": 5, "end_line": 3, "end_column": 9, "text": "here" }
//!       ],
//!       "help": ["close the quote"],
//!       "fix": {
//!         "title": "add the quote",
//!         "edits": [
//!           { "file": "flows/login.yaml", "line": 3, "column": 9, "end_line": 3, "end_column": 9, "replacement": "\"" }
//!         ]
//!       }
//!     }
//!   ],
//!   "summary": { "errors": 1, "warnings": 0 }
//! }
//! ```
//!
//! * `severity` is `error`, `warning` or `note`.
//! * `path` is the file that the finding is about, or null; `labels` is empty when there is no place in it.
//!   The first label is the primary place, later ones may be in other files.
//! * Lines and columns count from 1, columns in Unicode characters; the end is exclusive.
//! * `fix` is null when there is no correction that a machine may apply, and for every finding that touches a secret.
//!   Its edits do not overlap and are applied all or none.
//! * Nothing but `replacement` ever repeats text of the files.

use serde::Serialize;

use super::{Diagnostic, Region, Severity, Sources, Summary};

/// The version that this build writes.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    diagnostics: Vec<Item<'a>>,
    summary: Summary,
}

#[derive(Serialize)]
struct Item<'a> {
    code: &'static str,
    severity: Severity,
    message: &'a str,
    path: Option<&'a str>,
    labels: Vec<Label<'a>>,
    help: &'a [String],
    fix: Option<Fix<'a>>,
}

#[derive(Serialize)]
struct Label<'a> {
    #[serde(flatten)]
    region: Region<'a>,
    text: &'a str,
}

#[derive(Serialize)]
struct Fix<'a> {
    title: &'a str,
    edits: Vec<Edit<'a>>,
}

#[derive(Serialize)]
struct Edit<'a> {
    #[serde(flatten)]
    region: Region<'a>,
    replacement: &'a str,
}

/// Writes the report described at the top of this module, indented, ending with a line break.
pub fn render(sources: &Sources, diagnostics: &[Diagnostic]) -> String {
    let secrets = super::secrets(sources, diagnostics);
    let item = |diagnostic| item(sources, diagnostic, &secrets);
    let report = Report {
        version: VERSION,
        diagnostics: diagnostics.iter().map(item).collect(),
        summary: Summary::of(diagnostics),
    };
    super::pretty(&report)
}

fn item<'a>(sources: &'a Sources, diagnostic: &'a Diagnostic, secrets: &[super::Span]) -> Item<'a> {
    let labels = diagnostic.labels.iter();
    let fix = diagnostic.shown_fix(secrets).and_then(|fix| {
        let edits = fix.edits.iter();
        let edits = edits.map(|edit| Some(Edit { region: sources.region(edit.span)?, replacement: &edit.replacement }));
        Some(Fix { title: &fix.title, edits: edits.collect::<Option<_>>()? })
    });
    Item {
        code: diagnostic.code.info().name,
        severity: diagnostic.severity,
        message: &diagnostic.message,
        path: diagnostic.file(sources),
        labels: labels
            .filter_map(|label| Some(Label { region: sources.region(label.span)?, text: &label.text }))
            .collect(),
        help: &diagnostic.help,
        fix,
    }
}
