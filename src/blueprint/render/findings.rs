//! Findings as they stand beside a plan, or in place of one.

use super::MARKER;
use crate::base::diagnostic::{Diagnostic, Severity, Sources, Summary, snippet};

/// Findings in the order of files and places, without notes if `quiet`.
pub fn sorted(sources: &Sources, found: Vec<Diagnostic>, quiet: bool) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> =
        found.into_iter().filter(|finding| !quiet || finding.severity != Severity::Note).collect();
    sources.sort(&mut found);
    found.dedup();
    found
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
    let mut text = snippet::render(sources, found, false);
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
    format!("{}\n## Gatewright plan: refused, {summary}\n\n{fence}text\n{}\n{fence}\n", MARKER, text.trim_end())
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
