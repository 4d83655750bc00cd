//! The text of an expression as the body of a function, and places in it as the author counts them.

use ruff_text_size::TextRange;

use super::Fault;

/// The line that the text is put under.
const HEAD: &str = "def _gw_body():\n";
/// What each line is indented by.
const INDENT: usize = 4;

/// The text as the body of a function. Lines that are blank stay as they are.
pub(super) fn wrap(source: &str) -> String {
    let mut text = String::with_capacity(HEAD.len() + source.len() * 5 / 4);
    text.push_str(HEAD);
    for line in source.replace("\r\n", "\n").replace('\r', "\n").split_inclusive('\n') {
        if !line.trim().is_empty() {
            text.push_str("    ");
        }
        text.push_str(line);
    }
    text.push('\n');
    text
}

/// Where the lines of the wrapped text begin.
pub(super) struct Places<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Places<'a> {
    /// The places of a wrapped text.
    pub fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// A fault at a place of the wrapped text, in terms of the text that was given.
    pub fn fault(&self, range: TextRange, construct: &str, message: String, help: Option<String>) -> Fault {
        // What is missing at the end is missing where the text ends, not on the empty lines after it.
        let offset = range.start().to_usize().min(self.text.trim_end().len());
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or_default();
        let characters = |from: usize, to: usize| self.text.get(from..to).map_or(0, |text| text.chars().count());
        let column = characters(start, offset);
        let end = self.starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        let width = characters(offset, range.end().to_usize().clamp(offset, end.max(offset)));
        // The line of the head and the indentation are ours.
        let (line, column) = if line == 0 { (1, 0) } else { (line, column.saturating_sub(INDENT)) };
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Fault {
            line: number(line),
            column: number(column + 1),
            width: number(width.max(1)),
            construct: construct.to_owned(),
            message,
            help,
        }
    }
}
