//! A plan as people and programs read it: calm text for a terminal, JSON of a stable shape, Markdown for a pull
//! request, and pictures of flows.
//!
//! Rendering reads a plan and decides nothing. What it may never do is in one place each: [`escape`] keeps names and
//! values from being anything but text, [`names`] and [`mod@fields`] keep from print what is secret.

mod drift;
pub mod escape;
mod fields;
pub mod findings;
mod flow_picture;
mod homes;
mod json;
mod markdown;
mod names;
mod text;

pub use drift::{Difference, differences, shown_name};
pub use escape::{code as markdown_code, prose as markdown_prose, visible};
pub use flow_picture::mermaid;
pub use json::{SCHEMA, VERSION, json};
pub use markdown::{MARKER, MarkdownOptions, markdown};
pub use names::hidden;
pub use text::{TextOptions, fields, text};

use super::plan::{Action, Counts, ObjectChange, Place};

/// The line that text output always ends with, without a line break: `Plan: 3 to create, 1 to update, 0 to delete,
/// 42 unchanged.`, or `Applied: 3 created, …` for a plan that was applied.
pub fn summary_line(counts: Counts, applied: bool) -> String {
    let Counts { create, update, delete, unchanged } = counts;
    if applied {
        format!("Applied: {create} created, {update} updated, {delete} deleted, {unchanged} unchanged.")
    } else {
        format!("Plan: {create} to create, {update} to update, {delete} to delete, {unchanged} unchanged.")
    }
}

/// The word for what happens to objects.
fn verb(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "delete",
    }
}

/// The entries that ask for a change.
fn places(places: &[Place]) -> String {
    let shown: Vec<String> =
        places.iter().map(|place| format!("{}:{}", escape::visible(&place.file), place.line)).collect();
    shown.join(", ")
}

/// Whether the reason tells more than the places that stand beside it.
fn reason_matters(change: &ObjectChange) -> bool {
    let repeats = |place: &Place| change.reason.contains(&format!("{}:{}", place.file, place.line));
    !change.reason.is_empty() && !change.places.iter().any(repeats)
}

#[cfg(test)]
mod tests;
