//! The one type in which the engine speaks about input: a [`Diagnostic`] with a stable code, a place and a way out.
//!
//! Producers collect diagnostics and never print; the renderers beside this file turn them into source
//! snippets ([`snippet`]), JSON ([`json`]), SARIF ([`sarif`]) and GitHub annotations ([`github`]).
//! A renderer never fails: a span out of bounds or inside a character is moved to the nearest place that exists.

pub mod codes;
pub mod explain;
pub mod github;
pub mod json;
pub mod sarif;
pub mod snippet;
#[cfg(test)]
mod tests;

use std::{fmt, ops::Range, sync::Arc};

pub use codes::Code;
pub use explain::{explain, index_markdown};

/// How bad a [`Diagnostic`] is. Errors refuse the whole run, the others never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The input cannot be used.
    Error,
    /// The input can be used, but probably does not mean what its author thinks.
    Warning,
    /// Something worth knowing.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        })
    }
}

/// Names one file of a [`Sources`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A half-open range of bytes in one source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Makes a span of `start..end` in `file`.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Span { file, start: clamp(start), end: clamp(end.max(start)) }
    }
}

/// A span with what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What; may be empty for a bare underline.
    pub text: String,
    /// The text under the span is a secret: no renderer shows it, neither here nor below another finding.
    pub secret: bool,
}

/// Replaces the bytes of `span` by `replacement`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What goes.
    pub span: Span,
    /// What comes.
    pub replacement: String,
}

/// A correction that a machine may apply without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Says what the fix does, in the imperative.
    pub title: String,
    /// Non-overlapping edits, all or none.
    pub edits: Vec<Edit>,
}

/// One finding about the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code; `gatewright explain CODE` tells more.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence: what is wrong.
    pub message: String,
    /// The primary label is the first; more may point into a second file.
    pub labels: Vec<Label>,
    /// Next steps, each one sentence.
    pub help: Vec<String>,
    /// A machine-applicable correction.
    pub fix: Option<Fix>,
    /// Name of the file when there is no span in it (unreadable, not UTF-8).
    pub path: Option<String>,
}

impl Diagnostic {
    /// Starts a diagnostic of the code's own severity.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: code.info().severity,
            message: message.into(),
            labels: Vec::new(),
            help: Vec::new(),
            fix: None,
            path: None,
        }
    }

    /// Adds a label; the first one is the primary place.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), secret: false });
        self
    }

    /// Adds a label whose text in the file is a secret and stays hidden in every output.
    #[must_use]
    pub fn at_secret(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), secret: true });
        self
    }

    /// Adds a next step.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Adds a correction made of one edit.
    #[must_use]
    pub fn fix(mut self, title: impl Into<String>, span: Span, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix { title: title.into(), edits: vec![Edit { span, replacement: replacement.into() }] });
        self
    }

    /// Names the file of a finding that has no place inside it.
    #[must_use]
    pub fn in_file(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Changes the severity, for modes that are stricter or laxer than the default.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Tells whether this finding refuses the run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The primary place.
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }

    /// Name of the file that this finding is about, if it is about one.
    fn file<'a>(&'a self, sources: &'a Sources) -> Option<&'a str> {
        match &self.path {
            Some(path) => Some(path),
            None => self.span().and_then(|span| sources.find(span.file)).map(|file| file.name.as_str()),
        }
    }

    /// The correction as far as it may be shown: a fix beside a secret could repeat it, so there is none then.
    fn shown_fix(&self, secrets: &[Span]) -> Option<&Fix> {
        let near = |span: Span| {
            secrets
                .iter()
                .any(|secret| secret.file == span.file && secret.start <= span.end && span.start <= secret.end)
        };
        let fix = self.fix.as_ref()?;
        let hidden = self.labels.iter().any(|label| label.secret) || fix.edits.iter().any(|edit| near(edit.span));
        (!hidden).then_some(fix)
    }
}

/// The spans that some finding of a report, or the table of texts, declares secret; they are hidden below every finding.
fn secrets(sources: &Sources, diagnostics: &[Diagnostic]) -> Vec<Span> {
    let labels = diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels);
    labels.filter(|label| label.secret).map(|label| label.span).chain(sources.hidden.iter().copied()).collect()
}

/// How many findings of each severity a report holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Findings that refuse the run.
    pub errors: usize,
    /// Findings that do not.
    pub warnings: usize,
}

impl Summary {
    /// Counts; notes are in neither number.
    pub fn of(diagnostics: &[Diagnostic]) -> Self {
        let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
        Summary { errors: count(Severity::Error), warnings: count(Severity::Warning) }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let Summary { errors, warnings } = *self;
        write!(f, "{errors} error{}, {warnings} warning{}", plural(errors), plural(warnings))
    }
}

/// Indented JSON with a line break at the end. The values are our own and always serialise.
fn pretty(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// A span in the terms of editors: lines and columns from 1, columns in characters, the end exclusive.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
struct Region<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

/// One text that spans point into.
#[derive(Debug)]
pub struct SourceFile {
    /// As shown to people: the path as given on the command line, or the name of an inline document.
    pub name: String,
    /// Decoded text, byte-order mark removed.
    pub text: Arc<str>,
    line_starts: Vec<u32>,
}

impl SourceFile {
    /// Line and column (both from 1, column in characters) of a byte offset. An offset that is not the start of a
    /// character counts as the one before it.
    pub fn position(&self, offset: u32) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset as usize);
        let line = self.line_at(offset);
        let column = self.text[self.line_start(line)..offset].chars().count() + 1;
        (line, column)
    }

    /// The number, from 1, of the line that holds a byte offset.
    fn line_at(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start as usize <= offset).max(1)
    }

    /// Where a line starts; lines behind the last one start at the end of the text.
    fn line_start(&self, line: usize) -> usize {
        self.line_starts.get(line.saturating_sub(1)).map_or(self.text.len(), |start| *start as usize)
    }

    /// The part of a span that exists, grown to whole characters.
    fn clamp(&self, span: Span) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start as usize);
        start..self.text.ceil_char_boundary(span.end as usize).max(start)
    }
}

/// All texts of a run; every [`Span`] of the run points into this table.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    hidden: Vec<Span>,
}

impl Sources {
    /// Adds a text and returns the id that spans into it carry.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let text = text.into();
        let line_starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at as u32 + 1))
            .collect();
        self.files.push(SourceFile { name: name.into(), text, line_starts });
        FileId((self.files.len() - 1) as u32)
    }

    /// Declares a piece of text secret: no renderer shows it below any finding.
    pub fn hide(&mut self, span: Span) {
        self.hidden.push(span);
    }

    /// Takes what is hidden out of the words of findings: a parser may quote the text that it stumbled over.
    pub fn censor(&self, diagnostics: &mut [Diagnostic]) {
        for diagnostic in diagnostics {
            let secrets: Vec<String> = diagnostic.labels.iter().flat_map(|label| self.hidden_in(label.span)).collect();
            for secret in secrets {
                let clean = |text: &mut String| *text = text.replace(&secret, "(secret)");
                clean(&mut diagnostic.message);
                diagnostic.help.iter_mut().for_each(clean);
                diagnostic.labels.iter_mut().for_each(|label| clean(&mut label.text));
            }
        }
    }

    /// The hidden texts under a span. Those of one or two characters give nothing away and would match anywhere.
    fn hidden_in(&self, span: Span) -> Vec<String> {
        let parts = self.hidden.iter().filter(|hidden| hidden.file == span.file).map(|hidden| Span {
            start: hidden.start.max(span.start),
            end: hidden.end.min(span.end),
            ..span
        });
        parts.filter(|part| part.start + 2 < part.end).map(|part| self.text(part).to_owned()).collect()
    }

    /// A file's text with an asterisk for each byte that is hidden, so that all places stay the same.
    pub fn masked(&self, id: FileId) -> String {
        let file = self.get(id);
        let mut bytes = file.text.as_bytes().to_vec();
        for span in self.hidden.iter().filter(|span| span.file == id) {
            let hidden = bytes[file.clamp(*span)].iter_mut();
            hidden.filter(|byte| !matches!(**byte, b'\n' | b'\r' | b' ')).for_each(|byte| *byte = b'*');
        }
        // Spans end between characters, so this stays UTF-8; if one did not, rather nothing is shown than a part of it.
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// The file of an id that this table gave out.
    pub fn get(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// The file of an id that may come from another table.
    fn find(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// Lines and columns of a span; none when its file is unknown.
    fn region(&self, span: Span) -> Option<Region<'_>> {
        let file = self.find(span.file)?;
        let range = file.clamp(span);
        let place = |offset: usize| file.position(u32::try_from(offset).unwrap_or(u32::MAX));
        let ((line, column), (end_line, end_column)) = (place(range.start), place(range.end));
        Some(Region { file: &file.name, line, column, end_line, end_column })
    }

    /// The text under a span.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.file).text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// `file:line` of a span, as provenance is printed.
    pub fn place(&self, span: Span) -> String {
        let file = self.get(span.file);
        format!("{}:{}", file.name, file.position(span.start).0)
    }

    /// Sorts findings the way people read them: by file, then place, then severity.
    pub fn sort(&self, diagnostics: &mut [Diagnostic]) {
        diagnostics.sort_by(|a, b| {
            let key = |d: &Diagnostic| {
                let name = match (&d.path, d.span()) {
                    (Some(path), _) => path.clone(),
                    (None, Some(span)) => self.get(span.file).name.clone(),
                    (None, None) => String::new(),
                };
                (name, d.span().map_or(0, |span| span.start), d.severity, d.code, d.message.clone())
            };
            key(a).cmp(&key(b))
        });
    }
}

/// The known name nearest to a mistyped one, if any is near enough to be meant.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wrong.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.chars().count().max(3) / 3).max(1))
        .min()
        .map(|(_, name)| name)
}
