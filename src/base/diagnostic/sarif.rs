//! Diagnostics as SARIF 2.1.0, which code hosts and editors show beside the changed lines.
//!
//! The rules of a log are the catalogue entries of the codes that occur in it. Paths become percent-encoded URI
//! references relative to `%SRCROOT%`, unless they are absolute.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Code, Diagnostic, Region, Severity, Sources, Span};

/// Writes one SARIF log with one run, indented, ending with a line break.
pub fn render(sources: &Sources, diagnostics: &[Diagnostic]) -> String {
    let secrets = super::secrets(sources, diagnostics);
    let mut codes: Vec<Code> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    codes.sort();
    codes.dedup();
    let results: Vec<Value> =
        diagnostics.iter().map(|diagnostic| result(sources, diagnostic, &codes, &secrets)).collect();
    super::pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": env!("CARGO_PKG_NAME"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn rule(code: Code) -> Value {
    let info = code.info();
    json!({
        "id": info.name,
        "shortDescription": { "text": info.title },
        "fullDescription": { "text": info.explanation },
        "help": { "text": info.explanation },
        "defaultConfiguration": { "level": level(info.severity) },
    })
}

fn result(sources: &Sources, diagnostic: &Diagnostic, codes: &[Code], secrets: &[Span]) -> Value {
    let mut text = diagnostic.message.clone();
    for help in &diagnostic.help {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    let mut result = json!({
        "ruleId": diagnostic.code.info().name,
        "level": level(diagnostic.severity),
        "message": { "text": text },
    });
    if let Ok(at) = codes.binary_search(&diagnostic.code) {
        result["ruleIndex"] = json!(at);
    }
    let mut places = diagnostic.labels.iter().filter_map(|label| {
        let mut place = json!({ "physicalLocation": physical(&sources.region(label.span)?) });
        if !label.text.is_empty() {
            place["message"] = json!({ "text": label.text });
        }
        Some(place)
    });
    if let Some(primary) = places.next() {
        result["locations"] = json!([primary]);
    } else if let Some(path) = diagnostic.file(sources) {
        result["locations"] = json!([{ "physicalLocation": { "artifactLocation": artifact(path) } }]);
    }
    let related: Vec<Value> = places
        .enumerate()
        .map(|(at, mut place)| {
            place["id"] = json!(at + 1);
            place
        })
        .collect();
    if !related.is_empty() {
        result["relatedLocations"] = Value::Array(related);
    }
    if let Some(fix) = diagnostic.shown_fix(secrets)
        && let Some(changes) = changes(sources, fix)
    {
        result["fixes"] = json!([{ "description": { "text": fix.title }, "artifactChanges": changes }]);
    }
    result
}

/// The edits of a fix, one change for each file; none when an edit has no place.
fn changes(sources: &Sources, fix: &super::Fix) -> Option<Vec<Value>> {
    let mut files: Vec<(&str, Vec<Value>)> = Vec::new();
    for edit in &fix.edits {
        let place = sources.region(edit.span)?;
        let replacement = json!({ "deletedRegion": region(&place), "insertedContent": { "text": edit.replacement } });
        match files.iter_mut().find(|(name, _)| *name == place.file) {
            Some((_, replacements)) => replacements.push(replacement),
            None => files.push((place.file, vec![replacement])),
        }
    }
    let change = |(name, replacements): (&str, Vec<Value>)| json!({ "artifactLocation": artifact(name), "replacements": replacements });
    Some(files.into_iter().map(change).collect())
}

fn physical(place: &Region<'_>) -> Value {
    json!({ "artifactLocation": artifact(place.file), "region": region(place) })
}

fn region(place: &Region<'_>) -> Value {
    json!({
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    })
}

fn artifact(path: &str) -> Value {
    if path.starts_with('/') {
        return json!({ "uri": format!("file://{}", percent_encode(path)) });
    }
    json!({ "uri": percent_encode(path.trim_start_matches("./")), "uriBaseId": "%SRCROOT%" })
}

/// Encodes all but the unreserved characters of RFC 3986 and the slash, so that a name can be no other URI part.
fn percent_encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
