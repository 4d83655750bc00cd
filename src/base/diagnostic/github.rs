//! Diagnostics as GitHub workflow commands: one line each, shown as an annotation of the pull request.

use std::fmt::Write;

use super::{Diagnostic, Severity, Sources};

/// Writes one `::error …::message` line (or `::warning`, `::notice`) for every finding.
pub fn render(sources: &Sources, diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|diagnostic| line(sources, diagnostic)).collect()
}

fn line(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let command = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut properties = Vec::new();
    let primary = diagnostic.labels.first().and_then(|label| sources.region(label.span));
    if let Some(file) = diagnostic.file(sources) {
        properties.push(format!("file={}", property(file)));
    }
    if let Some(place) = &primary {
        properties.push(format!("line={},endLine={}", place.line, place.end_line));
        // The runner refuses columns for a range of lines.
        if place.line == place.end_line {
            properties.push(format!("col={},endColumn={}", place.column, place.end_column));
        }
    }
    properties.push(format!("title={}", property(diagnostic.code.info().name)));

    let mut message = diagnostic.message.clone();
    // Writing into a string cannot fail, here and below.
    for (at, label) in diagnostic.labels.iter().enumerate().filter(|(_, label)| !label.text.is_empty()) {
        let _ = match sources.region(label.span) {
            Some(place) if at > 0 => write!(message, "\n{}:{}: {}", place.file, place.line, label.text),
            _ => write!(message, "\n{}", label.text),
        };
    }
    for help in &diagnostic.help {
        let _ = write!(message, "\nhelp: {help}");
    }
    format!("::{command} {}::{}\n", properties.join(","), data(&message))
}

/// Escapes what would end or continue a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes as [`data`] does, and what would end a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
