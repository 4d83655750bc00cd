//! Walks the source text alongside the parser's events, because events do not say where indicators, tags, anchors and
//! block scalar headers are.
//!
//! Between two scalars there are only blanks, comments and indicators, so the walk needs no grammar. It also sees what
//! YAML 1.1 forbids and the 1.2 scanner lets pass: tabs as separators, and tags or anchors that run into punctuation.

use std::ops::Range;

/// A position in the text that only moves forward.
pub(super) struct Cursor<'a> {
    pub text: &'a str,
    /// Everything before it has been accounted for.
    pub at: usize,
    /// End of the last token, so without the blanks and comments after it.
    pub end: usize,
    /// Comments passed, in order.
    pub comments: Vec<Range<usize>>,
    /// The first tab that separates tokens.
    pub tab: Option<usize>,
}

impl<'a> Cursor<'a> {
    /// Starts at the beginning of `text`.
    pub fn new(text: &'a str) -> Self {
        Cursor { text, at: 0, end: 0, comments: Vec::new(), tab: None }
    }

    /// The byte at the cursor, NUL at the end.
    pub fn byte(&self) -> u8 {
        self.byte_at(self.at)
    }

    fn byte_at(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// Moves over blanks, line breaks and comments.
    pub fn skip_blank(&mut self) {
        loop {
            match self.byte() {
                b' ' | b'\n' | b'\r' => self.at += 1,
                b'\t' => {
                    self.tab.get_or_insert(self.at);
                    self.at += 1;
                }
                b'#' => {
                    let end = self.line_end(self.at);
                    self.comments.push(self.at..end);
                    self.at = end;
                }
                _ => return,
            }
        }
    }

    /// Moves over blanks, then over the indicator if it is there; `spaced` asks for a blank or the end behind it.
    pub fn take(&mut self, indicator: u8, spaced: bool) -> Option<usize> {
        self.skip_blank();
        let found =
            self.byte() == indicator && self.at < self.text.len() && (!spaced || is_blank(self.byte_at(self.at + 1)));
        found.then(|| {
            let at = self.at;
            self.pass(at + 1);
            at
        })
    }

    /// Moves behind a token that ends at `end`.
    pub fn pass(&mut self, end: usize) {
        self.at = end.max(self.at).min(self.text.len());
        self.end = self.at;
    }

    /// Moves over directives and `---`. An error is a line that may not stand there, with what is wrong about it.
    pub fn skip_prologue(&mut self) -> Result<(), (Range<usize>, &'static str)> {
        let mut started = false;
        loop {
            self.skip_blank();
            let rest = &self.text[self.at..];
            if self.line_start(self.at) != self.at {
                return Ok(());
            }
            let line = self.at..self.line_end(self.at);
            if rest.starts_with('%') && !started {
                self.at = line.end;
                let name = rest[1..].bytes().take_while(|byte| is_name_byte(*byte)).count();
                if name == 0 || !is_blank(self.byte_at(line.start + 1 + name)) {
                    return Err((line, "a line that begins with % is a directive and this is none"));
                }
                if rest.strip_prefix("%YAML").is_some_and(|version| !version.trim_start().starts_with("1.")) {
                    return Err((line, "only YAML 1.x can be read"));
                }
            } else if rest.starts_with("---") && is_blank(self.byte_at(self.at + 3)) && !started {
                self.pass(self.at + 3);
                started = true;
            } else if rest.starts_with("...") && is_blank(self.byte_at(self.at + 3)) && !started {
                return Err((line, "`...` ends a document that has not begun"));
            } else {
                return Ok(());
            }
        }
    }

    /// Moves over one tag or anchor token and returns its range.
    pub fn take_property(&mut self, in_flow: bool) -> Option<Range<usize>> {
        self.skip_blank();
        let start = self.at;
        if !matches!(self.byte(), b'!' | b'&' | b'*') {
            return None;
        }
        let rest = &self.text.as_bytes()[start..];
        let length = if rest.starts_with(b"!<") {
            rest.iter().position(|byte| *byte == b'>').map_or(rest.len(), |at| at + 1)
        } else {
            // A verbatim tag aside, the scanner never lets flow punctuation into a tag or an anchor.
            let stop = |byte: &u8| {
                is_blank(*byte) || (matches!(byte, b',' | b'[' | b']' | b'{' | b'}') && (in_flow || rest[0] != b'!'))
            };
            rest.iter().position(stop).unwrap_or(rest.len())
        };
        self.pass(start + length);
        Some(start..self.at)
    }

    /// The end of a quoted scalar that starts at the cursor.
    pub fn quoted_end(&self) -> usize {
        let bytes = self.text.as_bytes();
        let quote = self.byte();
        let mut at = self.at + 1;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'\\' if quote == b'"' => at += 2,
                b'\'' if quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') => at += 2,
                byte if *byte == quote => return at + 1,
                _ => at += 1,
            }
        }
        bytes.len()
    }

    /// The byte after the last one of the line, its break not included.
    pub fn line_end(&self, at: usize) -> usize {
        let rest = &self.text.as_bytes()[at.min(self.text.len())..];
        rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(self.text.len(), |offset| at + offset)
    }

    /// The first byte of the line.
    pub fn line_start(&self, at: usize) -> usize {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        before.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |offset| offset + 1)
    }

    /// The column of a byte, in characters from 0.
    pub fn column(&self, at: usize) -> usize {
        self.text.get(self.line_start(at)..at).map_or(0, |before| before.chars().count())
    }

    /// Reads the block scalar whose header is at the cursor, inside a collection at column `parent` (-1 for none), and
    /// moves behind it. Returns its range without the final line break, and its content.
    ///
    /// The scanner's own content is not used: it adds a line break when the file ends without one, YAML 1.1 does not.
    pub fn block_scalar(&mut self, parent: isize) -> (Range<usize>, String) {
        let start = self.at;
        let folded = self.byte() == b'>';
        let (mut keep, mut strip, mut increment) = (false, false, None);
        let mut at = start + 1;
        loop {
            match self.byte_at(at) {
                b'+' => keep = true,
                b'-' => strip = true,
                digit @ b'1'..=b'9' => increment = Some(usize::from(digit - b'0')),
                _ => break,
            }
            at += 1;
        }
        self.pass(at);
        while matches!(self.byte(), b' ' | b'\t') {
            if self.byte() == b'\t' {
                self.tab.get_or_insert(self.at);
            }
            self.at += 1;
        }
        let header_end = self.line_end(self.at);
        if self.byte() == b'#' {
            self.comments.push(self.at..header_end);
        }
        self.at = self.after_break(header_end);

        let least = usize::try_from(parent + 1).unwrap_or(0).max(1);
        let mut breaks = 0;
        let indent = match increment {
            Some(increment) => least + increment - 1,
            None => {
                // The deepest of the blank lines and the first line with content decides.
                let (mut deepest, mut probe) = (0, self.at);
                loop {
                    let spaces = self.spaces(probe, usize::MAX);
                    deepest = deepest.max(spaces);
                    let next = self.after_break(probe + spaces);
                    if next == probe + spaces {
                        break;
                    }
                    probe = next;
                }
                least.max(deepest)
            }
        };
        let mut content = String::new();
        let mut end = self.end;
        let mut line = self.next_line(indent, &mut breaks);
        let mut pending_break = false;
        let mut was_blank = false;
        while let Some((from, to)) = line {
            let is_blank = matches!(self.byte_at(from), b' ' | b'\t');
            if pending_break && folded && !was_blank && !is_blank {
                if breaks == 0 {
                    content.push(' ');
                }
            } else if pending_break {
                content.push('\n');
            }
            content.extend(std::iter::repeat_n('\n', breaks));
            content.push_str(&self.text[from..to]);
            end = to;
            was_blank = is_blank;
            self.at = self.after_break(to);
            pending_break = self.at != to;
            breaks = 0;
            line = if pending_break { self.next_line(indent, &mut breaks) } else { None };
        }
        if pending_break && !strip {
            content.push('\n');
        }
        if keep {
            content.extend(std::iter::repeat_n('\n', breaks));
        }
        self.end = end;
        (start..end, content)
    }

    /// Moves over blank lines, counting them, and returns the range of the next line's content if it is indented enough.
    fn next_line(&mut self, indent: usize, breaks: &mut usize) -> Option<(usize, usize)> {
        loop {
            let spaces = self.spaces(self.at, indent);
            let from = self.at + spaces;
            let next = self.after_break(from);
            if next != from {
                *breaks += 1;
                self.at = next;
            } else if spaces == indent && from < self.text.len() {
                return Some((from, self.line_end(from)));
            } else {
                return None;
            }
        }
    }

    fn spaces(&self, at: usize, most: usize) -> usize {
        self.text.as_bytes()[at..].iter().take(most).take_while(|byte| **byte == b' ').count()
    }

    /// The position behind the line break at `at`, or `at` itself if there is none.
    fn after_break(&self, at: usize) -> usize {
        match (self.byte_at(at), self.byte_at(at + 1)) {
            (b'\r', b'\n') => at + 2,
            (b'\r' | b'\n', _) => at + 1,
            _ => at,
        }
    }
}

/// Whether a byte separates tokens; NUL stands for the end of the text.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0)
}

/// Whether a byte may stand in the name of an anchor or a directive.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
