//! Rewriting files of other releases: the corrections of migration findings, applied to the text so that comments and
//! layout stay.

use std::collections::BTreeMap;

use serde_json::Value;
use similar::TextDiff;

use super::{load::Loaded, yaml};
use crate::base::diagnostic::{Code, Diagnostic, Edit, FileId};

/// What rewriting came to.
#[derive(Debug, Default)]
pub struct Rewritten {
    /// Each file that changes.
    pub texts: BTreeMap<FileId, Change>,
    /// Findings that a person has to deal with.
    pub left: Vec<Diagnostic>,
}

/// A file's new text.
#[derive(Debug)]
pub struct Change {
    /// The text to write.
    pub text: String,
    /// Before and after as a unified diff, without secrets.
    pub diff: String,
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
            // A file under a seal is for its own editor to change.
            (Some(edit), Some(span)) if !loaded.is_encrypted(span.file) => {
                edits.entry(span.file).or_default().push(edit)
            }
            _ => rewritten.left.push(finding.clone()),
        }
    }
    for (file, mut list) in edits {
        let before = loaded.sources.get(file);
        list.sort();
        list.dedup();
        let text = edited(&before.text, &list);
        // Nothing is written that cannot be read again.
        if yaml::parse(file, &text, &yaml::Limits::default(), &mut Vec::new()).is_none() {
            let all = found.iter().filter(|finding| is_migration(finding.code));
            rewritten.left.extend(all.filter(|finding| finding.span().is_some_and(|span| span.file == file)).cloned());
            continue;
        }
        if text != *before.text {
            let masked = loaded.sources.masked(file);
            let diff = diff(&before.name, &masked, &edited(&masked, &list));
            rewritten.texts.insert(file, Change { text, diff });
        }
    }
    rewritten
}

/// A text with sorted edits made.
fn edited(text: &str, edits: &[(usize, usize, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end, replacement) in edits {
        // An anchored node that several places share gives the same correction at each of them.
        if *start < at {
            continue;
        }
        out.push_str(text.get(at..*start).unwrap_or(""));
        out.push_str(replacement);
        at = *end;
    }
    out.push_str(text.get(at..).unwrap_or(""));
    out
}

/// The bytes that an edit replaces and what by, laid out for its surroundings; nothing when that is not safe.
fn place(loaded: &Loaded, edit: &Edit, remove: bool) -> Option<(usize, usize, String)> {
    let text = &*loaded.sources.get(edit.span.file).text;
    let (start, end) = (edit.span.start as usize, edit.span.end as usize);
    let line_start = text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
    let before = &text[line_start..start];
    if remove {
        return cut(text, line_start, start, end).map(|(start, end)| (start, end, String::new()));
    }
    let nested =
        serde_json::from_str::<Value>(&edit.replacement).ok().filter(|value| value.is_array() || value.is_object());
    let Some(value) = nested else { return Some((start, end, edit.replacement.clone())) };
    if !is_block_key(before) {
        return Some((start, end, flow(&value)?));
    }
    let indent = before.chars().take_while(|letter| *letter == ' ' || *letter == '-').count();
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let block = serde_yaml::to_string(&value).ok()?;
    let pad = " ".repeat(indent + 2);
    let lines: String = block.trim_end().lines().map(|line| format!("{newline}{pad}{line}")).collect();
    // `key: |` leaves a blank before the block that is replaced.
    let start = start - (before.len() - before.trim_end().len());
    Some((start, end, format!("{}{lines}", block_comment(text[start..end].trim_start()))))
}

/// The bytes to remove with a pair, so that nothing of it stays and nothing else goes.
fn cut(text: &str, line_start: usize, start: usize, end: usize) -> Option<(usize, usize)> {
    let line_end = text.get(end..)?.find('\n').map_or(text.len(), |at| end + at + 1);
    let before = text[line_start..start].trim_end();
    let after = text[end..line_end].trim_start();
    let ends = |rest: &str| rest.trim().is_empty() || rest.trim_start().starts_with('#');
    match after.strip_prefix(',') {
        // On a line of its own, as in block style or in braces over several lines.
        Some(rest) if before.is_empty() && ends(rest) => Some((line_start, line_end)),
        None if before.is_empty() && ends(after) => Some((line_start, line_end)),
        // In braces, with its comma: the one behind it, else the one before.
        Some(rest) if before.is_empty() || before.ends_with(['{', ',']) => {
            Some((start, line_end - rest.trim_start().len()))
        }
        None if before.ends_with(',') => Some((line_start + before.len() - 1, end)),
        None if before.ends_with('{') => Some((start, end)),
        _ => None,
    }
}

/// Whether what stands before a value on its line is nothing but its key in block style.
fn is_block_key(before: &str) -> bool {
    let key = before.trim_start_matches([' ', '-']).trim_end();
    key.strip_suffix(':').is_some_and(|key| !key.is_empty() && !key.contains(['{', '[', ',', ':', '"', '\'', '&']))
}

/// A value on one line, as it may stand in braces and brackets.
fn flow(value: &Value) -> Option<String> {
    let pretty = serde_json::to_string_pretty(value).ok()?;
    let line: Vec<&str> = pretty.lines().map(str::trim).collect();
    Some(line.join(" "))
}

/// The comment behind the mark of a block scalar with the blanks before it, or nothing.
fn block_comment(scalar: &str) -> &str {
    let mark = scalar.lines().next().filter(|line| line.starts_with(['|', '>'])).unwrap_or("").trim_end();
    let comment = mark.find('#').map(|at| mark[..at].trim_end().len());
    comment.map_or("", |from| &mark[from..])
}

/// A unified diff of a file before and after.
fn diff(name: &str, before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(2).header(name, name).to_string()
}
