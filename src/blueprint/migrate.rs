//! Rewriting files of other releases: the corrections of migration findings, applied to the text so that comments and
//! layout stay.

use std::collections::BTreeMap;

use serde_json::Value;
use similar::TextDiff;

use super::load::Loaded;
use crate::base::diagnostic::{Code, Diagnostic, Edit, FileId};

/// What rewriting came to.
#[derive(Debug, Default)]
pub struct Rewritten {
    /// New text of each file that changes.
    pub texts: BTreeMap<FileId, String>,
    /// Findings that a person has to deal with.
    pub left: Vec<Diagnostic>,
}

/// Whether a code is about differences between releases.
pub fn is_migration(code: Code) -> bool {
    [Code::RENAMED_FIELD, Code::REMOVED_FIELD, Code::CONVERTED_FIELD, Code::RENAMED_KIND].contains(&code)
}

/// Applies the corrections of all migration findings.
pub fn rewrite(loaded: &Loaded, found: &[Diagnostic]) -> Rewritten {
    let mut rewritten = Rewritten::default();
    let mut edits: BTreeMap<FileId, Vec<(usize, usize, String)>> = BTreeMap::new();
    for finding in found.iter().filter(|finding| is_migration(finding.code)) {
        let edit = match finding.fix.as_ref().map(|fix| fix.edits.as_slice()) {
            Some([edit]) => place(loaded, edit, finding.code == Code::REMOVED_FIELD),
            _ => None,
        };
        match (edit, finding.span()) {
            (Some(edit), Some(span)) => edits.entry(span.file).or_default().push(edit),
            _ => rewritten.left.push(finding.clone()),
        }
    }
    for (file, mut list) in edits {
        let text = &loaded.sources.get(file).text;
        list.sort();
        list.dedup();
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (start, end, replacement) in list {
            // An anchored node that several places share gives the same correction at each of them.
            if start < at {
                continue;
            }
            out.push_str(&text[at..start]);
            out.push_str(&replacement);
            at = end;
        }
        out.push_str(&text[at..]);
        if out != **text {
            rewritten.texts.insert(file, out);
        }
    }
    rewritten
}

/// The bytes that an edit replaces and what by, laid out for its surroundings; nothing when that is not safe.
fn place(loaded: &Loaded, edit: &Edit, remove: bool) -> Option<(usize, usize, String)> {
    let text = &loaded.sources.get(edit.span.file).text;
    let (start, end) = (edit.span.start as usize, edit.span.end as usize);
    let line_start = text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
    let before = &text[line_start..start];
    if remove {
        // Only a key on a line of its own can be cut out without touching its neighbours.
        let line_end = text.get(end..)?.find('\n').map_or(text.len(), |at| end + at + 1);
        let after = text[end..line_end].trim();
        let alone = before.trim().is_empty() && (after.is_empty() || after.starts_with('#'));
        return alone.then(|| (line_start, line_end, String::new()));
    }
    let nested =
        serde_json::from_str::<Value>(&edit.replacement).ok().filter(|value| value.is_array() || value.is_object());
    let replacement = match nested {
        Some(value) => {
            let indent = before.chars().take_while(|letter| *letter == ' ' || *letter == '-').count();
            let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
            let block = serde_yaml::to_string(&value).ok()?;
            let pad = " ".repeat(indent + 2);
            block.trim_end().lines().map(|line| format!("{newline}{pad}{line}")).collect()
        }
        None => edit.replacement.clone(),
    };
    // `key: |` leaves a blank before the block that is replaced.
    let start =
        if replacement.starts_with(['\r', '\n']) { start - (before.len() - before.trim_end().len()) } else { start };
    Some((start, end, replacement))
}

/// A unified diff of a file before and after.
pub fn diff(name: &str, before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(2).header(name, name).to_string()
}
