//! Diagnostics for people: the message, the lines it is about, and what to do, in the manner of rustc.
//!
//! The drawing is done by `annotate-snippets`. This file chooses what it is given: only the lines around the labels,
//! secrets masked, very long lines and spans cut, so that a finding in a large or hostile file stays a screenful.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet};

use super::{Diagnostic, Fix, Severity, SourceFile, Sources, Span};

/// Columns that a report is drawn within.
const WIDTH: usize = 120;
/// Longest underline in characters; what goes on behind it is not underlined.
const UNDERLINE: usize = 72;
/// Labels of one file that are further apart, in lines, are drawn as separate excerpts.
const FAR_LINES: usize = 400;
/// Most lines that a suggested change is shown with; a larger one is only named.
const FIX_LINES: usize = 12;
/// What stands for a character of a secret.
const MASK: char = '•';

/// Draws every finding, each followed by an empty line. With `colour` the text carries ANSI escape codes.
pub fn render(sources: &Sources, diagnostics: &[Diagnostic], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() }.term_width(WIDTH);
    let secrets = super::secrets(sources, diagnostics);
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&draw(&renderer, sources, diagnostic, &secrets));
        out.push_str("\n\n");
    }
    out
}

fn draw(renderer: &Renderer, sources: &Sources, diagnostic: &Diagnostic, secrets: &[Span]) -> String {
    let title = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = title.primary_title(diagnostic.message.as_str()).id(diagnostic.code.info().name);
    let mut primary = Group::with_title(title);
    let excerpts = excerpts(sources, diagnostic);
    if excerpts.is_empty()
        && let Some(path) = diagnostic.file(sources)
    {
        primary = primary.element(Origin::path(harmless(path)));
    }
    for excerpt in &excerpts {
        let window = Window::new(excerpt.file, excerpt.lines.clone(), excerpt.secrets(secrets));
        let annotations = excerpt.marks.iter().map(|mark| window.annotation(mark)).collect::<Vec<_>>();
        primary = primary.element(
            Snippet::source(window.text)
                .line_start(window.line)
                .path(harmless(&excerpt.file.name))
                .annotations(annotations),
        );
    }
    let mut groups = vec![primary];
    groups.extend(diagnostic.help.iter().map(|help| Group::with_title(Level::HELP.secondary_title(harmless(help)))));
    if let Some(fix) = diagnostic.shown_fix(secrets) {
        groups.push(suggestion(sources, fix, secrets));
    }
    renderer.render(&groups)
}

/// Text from outside without control characters that a terminal would obey.
fn harmless(text: &str) -> String {
    annotate_snippets::normalize_untrusted_str(text)
}

/// One label, brought into the bounds of its file.
struct Mark<'a> {
    range: Range<usize>,
    text: &'a str,
    primary: bool,
}

/// Neighbouring labels of one file, drawn together.
struct Excerpt<'a> {
    file: &'a SourceFile,
    id: super::FileId,
    /// First and last line shown, from 1.
    lines: Range<usize>,
    /// First and last column that a label touches.
    columns: Range<usize>,
    marks: Vec<Mark<'a>>,
}

impl Excerpt<'_> {
    fn secrets(&self, all: &[Span]) -> Vec<Range<usize>> {
        all.iter().filter(|span| span.file == self.id).map(|span| self.file.clamp(*span)).collect()
    }
}

/// Groups the labels by what can be seen at one glance: same file, near lines, near columns.
fn excerpts<'a>(sources: &'a Sources, diagnostic: &'a Diagnostic) -> Vec<Excerpt<'a>> {
    let mut excerpts: Vec<Excerpt<'a>> = Vec::new();
    for (at, label) in diagnostic.labels.iter().enumerate() {
        let Some(file) = sources.find(label.span.file) else { continue };
        let range = visible(file, file.clamp(label.span));
        let (first, last) = (file.line_at(range.start), file.line_at(range.end));
        let column = |offset: usize| file.text[file.line_start(file.line_at(offset))..offset].chars().count();
        let columns = column(range.start).min(column(range.end))..column(range.start).max(column(range.end));
        let mark = Mark { range, text: &label.text, primary: at == 0 };
        let near = excerpts.iter_mut().find(|excerpt| {
            excerpt.id == label.span.file
                && last.max(excerpt.lines.end) - first.min(excerpt.lines.start) <= FAR_LINES
                && columns.end.max(excerpt.columns.end) - columns.start.min(excerpt.columns.start) < WIDTH
        });
        match near {
            Some(excerpt) => {
                excerpt.lines = excerpt.lines.start.min(first)..excerpt.lines.end.max(last);
                excerpt.columns = excerpt.columns.start.min(columns.start)..excerpt.columns.end.max(columns.end);
                excerpt.marks.push(mark);
            }
            None => {
                let lines = first..last;
                excerpts.push(Excerpt { file, id: label.span.file, lines, columns, marks: vec![mark] });
            }
        }
    }
    excerpts
}

/// The part of a span worth an underline: without the blank end that a YAML block has, and not wider than a screen.
fn visible(file: &SourceFile, range: Range<usize>) -> Range<usize> {
    let text = &file.text[range.clone()];
    let Some(newline) = text.find('\n') else {
        return range.start..text.char_indices().nth(UNDERLINE).map_or(range.end, |(at, _)| range.start + at);
    };
    let end = range.start + text.trim_end().len();
    let one_line = end <= range.start + newline;
    let last = file.line_start(file.line_at(end));
    let wide = file.text[last..end.max(last)].chars().count() > UNDERLINE
        || file.text[file.line_start(file.line_at(range.start))..range.start].chars().count() > UNDERLINE;
    if one_line || wide || file.line_at(end) - file.line_at(range.start) > FAR_LINES {
        let line = text[..newline].trim_end();
        let end = line.char_indices().nth(UNDERLINE).map_or(line.len(), |(at, _)| at);
        return range.start..range.start + end;
    }
    range.start..end
}

/// Whole lines of a file with the secrets masked, character for character.
struct Window<'a> {
    /// As drawn.
    text: String,
    /// As in the file.
    original: &'a str,
    /// Number of the first line.
    line: usize,
    /// Where the first line starts in the file.
    start: usize,
}

impl<'a> Window<'a> {
    /// Takes the lines `lines.start..=lines.end`.
    fn new(file: &'a SourceFile, lines: Range<usize>, mut secrets: Vec<Range<usize>>) -> Self {
        let start = file.line_start(lines.start);
        let end = file.line_start(lines.end + 1);
        let mut text = String::with_capacity(end - start);
        secrets.sort_by_key(|secret| secret.start);
        let mut at = start;
        for secret in secrets {
            let secret = secret.start.clamp(at, end)..secret.end.clamp(at, end);
            text.push_str(&file.text[at..secret.start]);
            let hide = |c: char| if matches!(c, '\n' | '\r') { c } else { MASK };
            text.extend(file.text[secret.clone()].chars().map(hide));
            at = secret.end;
        }
        text.push_str(&file.text[at..end]);
        if !text.ends_with('\n') {
            // A last line that is empty only exists for the drawing crate when it is ended.
            text.push('\n');
        }
        Window { text, original: &file.text[start..end], line: lines.start, start }
    }

    /// Where an offset of the file lies in the drawn text.
    fn offset(&self, offset: usize) -> usize {
        let before = &self.original[..offset.saturating_sub(self.start).min(self.original.len())];
        self.text.char_indices().nth(before.chars().count()).map_or(self.text.len(), |(at, _)| at)
    }

    fn annotation(&self, mark: &Mark<'_>) -> Annotation<'static> {
        let kind = if mark.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let start = self.offset(mark.range.start);
        let annotation = kind.span(start..self.offset(mark.range.end).max(start));
        if mark.text.is_empty() { annotation } else { annotation.label(harmless(mark.text)) }
    }
}

/// Shows what a fix would do, or only names it when it is too large or its edits contradict each other.
fn suggestion<'a>(sources: &'a Sources, fix: &'a Fix, secrets: &[Span]) -> Group<'a> {
    let group = Group::with_title(Level::HELP.secondary_title(harmless(&fix.title)));
    let Some(first) = fix.edits.first() else { return group };
    let Some(file) = sources.find(first.span.file) else { return group };
    if fix.edits.iter().any(|edit| edit.span.file != first.span.file) {
        return group;
    }
    let mut edits = fix.edits.iter().map(|edit| (file.clamp(edit.span), edit.replacement.as_str())).collect::<Vec<_>>();
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let overlap = edits.windows(2).any(|pair| pair[1].0.start < pair[0].0.end);
    let start = file.line_at(edits.iter().map(|(range, _)| range.start).min().unwrap_or_default());
    let end = file.line_at(edits.iter().map(|(range, _)| range.end).max().unwrap_or_default());
    if overlap || end - start > FIX_LINES {
        return group;
    }
    let hidden = secrets.iter().filter(|span| span.file == first.span.file).map(|span| file.clamp(*span)).collect();
    let window = Window::new(file, start..end, hidden);
    let too_wide = |text: &str| text.lines().any(|line| line.chars().count() > WIDTH);
    let too_long = |text: &str| text.lines().count() > FIX_LINES;
    if too_wide(&window.text) || edits.iter().any(|(_, new)| too_wide(new) || too_long(new)) {
        return group;
    }
    let patches = edits
        .into_iter()
        .map(|(range, new)| Patch::new(window.offset(range.start)..window.offset(range.end), new))
        .collect::<Vec<_>>();
    group.element(Snippet::source(window.text).line_start(window.line).path(harmless(&file.name)).patches(patches))
}
