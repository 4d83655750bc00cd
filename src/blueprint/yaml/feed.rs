//! The character source of the YAML scanner, with three duties that the scanner itself does not have.
//!
//! * **Depth**: the scanner keeps a list of open flow collections and walks it for every token, and it reads a whole
//!   flow collection before it emits its first event. The feed counts `[` and `{` as the scanner consumes them and ends
//!   the input when there are too many, so that work stays linear.
//! * **Indentation**: YAML 1.2 wants continuation lines of quoted scalars and the insides of flow collections indented
//!   deeper than their parent, YAML 1.1 as widely written does not (a closing bracket below its key is usual). The feed
//!   pads such lines with spaces that exist for the scanner only; [`Probe::byte`] takes them out of positions again.
//! * **Comments** directly after a closing quote, bracket or a comma need no space before the `#` in YAML 1.1.
//!
//! What the scanner is doing is read off the order of its calls: it alone calls `skip_ws_to_eol` right after skipping a
//! bracket token, and `lookahead(4)` right after skipping an opening quote. That is a property of the pinned version;
//! the tests of this module fail if an update changes it.

use std::cell::{Cell, RefCell};

use saphyr_parser::input::{Input, SkipTabs};

/// Columns up to which lines are padded; files indented deeper than this meet the scanner's own rule.
const MAX_PAD: usize = 512;

/// What the feed tells the builder while the parser owns it.
#[derive(Debug, Default)]
pub(super) struct Probe {
    /// Byte offset of the token that went beyond a limit, and which one.
    pub stopped: Cell<Option<(usize, Stop)>>,
    /// Scanner index at which spaces were inserted, and how many.
    pads: RefCell<Vec<(usize, usize)>>,
    /// Where the last translated position lies: scanner index, byte, number of pads passed.
    cursor: Cell<(usize, usize, usize)>,
}

/// Which limit ended the input early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Too many flow collections inside each other.
    Depth,
    /// Too many items in flow collections.
    Nodes,
}

impl Probe {
    /// The byte offset that a scanner index means. Amortised constant time for rising indexes.
    pub fn byte(&self, text: &str, index: usize) -> usize {
        let pads = self.pads.borrow();
        let (mut at, mut byte, mut passed) = self.cursor.get();
        if index < at {
            (at, byte, passed) = (0, 0, 0);
        }
        loop {
            // Real characters up to the next pad or to the wanted index.
            let limit = pads.get(passed).map_or(index, |(start, _)| index.min(*start));
            byte = forward(text, byte, limit - at);
            at = limit;
            match pads.get(passed) {
                Some((start, count)) if at == *start => {
                    if index < start + count {
                        // Inside the pad: its real place is the start of the line's content. The cursor stays before it.
                        self.cursor.set((at, byte, passed));
                        return byte;
                    }
                    at += count;
                    passed += 1;
                }
                _ => break,
            }
        }
        self.cursor.set((at, byte, passed));
        byte
    }
}

/// The byte offset `count` characters after `byte`, at most the end of the text.
fn forward(text: &str, byte: usize, count: usize) -> usize {
    let rest = &text.as_bytes()[byte..];
    if rest.len() >= count && rest[..count].is_ascii() {
        return byte + count;
    }
    text[byte..].char_indices().nth(count).map_or(text.len(), |(offset, _)| byte + offset)
}

/// The scanner's input over a text.
pub(super) struct Feed<'a> {
    text: &'a str,
    at: usize,
    ahead: usize,
    /// Virtual spaces still to be delivered before the text goes on.
    pad: usize,
    /// Virtual spaces that may still be inserted, so that they cannot multiply the work.
    pad_budget: usize,
    /// Characters delivered, virtual ones included: equals the scanner's index.
    index: usize,
    /// `index` at the start of the line.
    line: usize,
    /// The character of the directly preceding `skip`, or NUL.
    last: char,
    /// Column that continuation lines need while inside a quoted scalar outside flow collections.
    quoted: Option<usize>,
    /// Column that continuation lines need inside the outermost flow collection.
    base: usize,
    depth: usize,
    max_depth: usize,
    items_left: usize,
    probe: &'a Probe,
}

impl<'a> Feed<'a> {
    /// Feeds `text`, ending it where flow collections go beyond `max_depth` levels or `max_items` items.
    pub fn new(text: &'a str, probe: &'a Probe, max_depth: usize, max_items: usize) -> Self {
        Feed {
            text,
            at: 0,
            ahead: 0,
            pad: 0,
            pad_budget: 8 * text.len(),
            index: 0,
            line: 0,
            last: '\0',
            quoted: None,
            base: 0,
            depth: 0,
            max_depth,
            items_left: max_items,
            probe,
        }
    }

    fn stop(&mut self, stop: Stop) {
        self.probe.stopped.set(Some((self.at.saturating_sub(1), stop)));
        self.at = self.text.len();
        self.pad = 0;
    }

    /// Called at the start of a line inside a quoted scalar or a flow collection.
    fn pad_line(&mut self) {
        let need = if self.depth > 0 { self.base } else { self.quoted.unwrap_or(0) }.min(MAX_PAD);
        let rest = &self.text.as_bytes()[self.at..];
        let spaces = rest.iter().take(need).take_while(|byte| **byte == b' ').count();
        let blank = matches!(rest.get(spaces), None | Some(b'\n' | b'\r'));
        let marker = matches!(rest.get(..3), Some(b"---" | b"..."))
            && matches!(rest.get(3), None | Some(b' ' | b'\t' | b'\n' | b'\r'));
        if blank || marker || spaces >= need || need - spaces > self.pad_budget {
            return;
        }
        self.pad = need - spaces;
        self.pad_budget -= self.pad;
        self.probe.pads.borrow_mut().push((self.index, self.pad));
    }

    /// The indicator that the scanner has just finished, seen from its call of `skip_ws_to_eol`.
    fn finish_token(&mut self) {
        match self.last {
            '[' | '{' => {
                if self.depth == 0 {
                    self.base = self.index - self.line;
                }
                self.depth += 1;
                if self.depth > self.max_depth {
                    self.stop(Stop::Depth);
                }
            }
            ']' | '}' => self.depth = self.depth.saturating_sub(1),
            '\'' | '"' => self.quoted = None,
            _ => return,
        }
        self.count_item();
    }

    fn count_item(&mut self) {
        match self.items_left.checked_sub(1) {
            Some(left) => self.items_left = left,
            None => self.stop(Stop::Nodes),
        }
    }
}

impl Input for Feed<'_> {
    #[inline]
    fn lookahead(&mut self, count: usize) {
        if count == 4 && matches!(self.last, '\'' | '"') && self.quoted.is_none() {
            self.quoted = Some(self.index - self.line);
        }
        self.last = '\0';
        self.ahead = self.ahead.max(count);
    }

    #[inline]
    fn buflen(&self) -> usize {
        self.ahead
    }

    #[inline]
    fn bufmaxlen(&self) -> usize {
        // The scanner reserves this much for every plain scalar, in a buffer of 32 bytes.
        24
    }

    fn raw_read_ch(&mut self) -> char {
        let c = self.peek();
        self.skip();
        c
    }

    fn raw_read_non_breakz_ch(&mut self) -> Option<char> {
        let c = self.peek_opt().filter(|c| !matches!(c, '\0' | '\n' | '\r' | '\u{FEFF}'))?;
        self.skip();
        Some(c)
    }

    #[inline]
    fn skip(&mut self) {
        if self.pad > 0 {
            self.pad -= 1;
            self.index += 1;
            self.last = '\0';
            return;
        }
        let Some(&byte) = self.text.as_bytes().get(self.at) else { return };
        self.index += 1;
        if byte >= 0x80 {
            self.at += self.text[self.at..].chars().next().map_or(1, char::len_utf8);
            self.last = '\0';
            return;
        }
        self.at += 1;
        self.last = byte as char;
        if byte == b'\n' || (byte == b'\r' && self.text.as_bytes().get(self.at) != Some(&b'\n')) {
            self.line = self.index;
            if self.depth > 0 || self.quoted.is_some() {
                self.pad_line();
            }
        }
    }

    fn skip_n(&mut self, count: usize) {
        for _ in 0..count {
            self.skip();
        }
        self.last = '\0';
    }

    #[inline]
    fn peek(&self) -> char {
        self.peek_opt().unwrap_or('\0')
    }

    #[inline]
    fn peek_nth(&self, n: usize) -> char {
        let Some(n) = n.checked_sub(self.pad) else { return ' ' };
        if let (1, Some([first, second])) = (n, self.text.as_bytes().get(self.at..self.at + 2))
            && first.is_ascii()
            && second.is_ascii()
        {
            return *second as char;
        }
        let rest = &self.text.as_bytes()[self.at..];
        match rest.get(..=n) {
            Some(bytes) if bytes.is_ascii() => bytes[n] as char,
            _ => self.text[self.at..].chars().nth(n).unwrap_or('\0'),
        }
    }

    #[inline]
    fn peek_opt(&self) -> Option<char> {
        if self.pad > 0 {
            return Some(' ');
        }
        match self.text.as_bytes().get(self.at) {
            Some(byte) if *byte < 0x80 => Some(*byte as char),
            Some(_) => self.text[self.at..].chars().next(),
            None => None,
        }
    }

    // The next two are asked for every character of a plain scalar.

    #[inline]
    fn next_is_blank_or_breakz(&self) -> bool {
        self.pad > 0 || matches!(self.text.as_bytes().get(self.at), None | Some(b' ' | b'\t' | b'\n' | b'\r' | 0))
    }

    #[inline]
    fn next_can_be_plain_scalar(&self, in_flow: bool) -> bool {
        let is_flow = |c| matches!(c, ',' | '[' | ']' | '{' | '}');
        match self.peek() {
            ':' => {
                let next = self.peek_nth(1);
                let ends = matches!(next, ' ' | '\t' | '\n' | '\r' | '\0') || (in_flow && is_flow(next));
                !ends
            }
            '\u{FEFF}' => false,
            c => !(in_flow && is_flow(c)),
        }
    }

    fn skip_ws_to_eol(&mut self, tabs: SkipTabs) -> (usize, Result<SkipTabs, &'static str>) {
        let bare_comment = matches!(self.last, '[' | ']' | '{' | '}' | ',' | '\'' | '"');
        if self.last == ',' {
            self.count_item();
        } else {
            self.finish_token();
        }
        let start = self.index;
        let (mut tab, mut space) = (false, false);
        loop {
            match self.peek() {
                ' ' => space = true,
                '\t' if tabs == SkipTabs::Yes => tab = true,
                _ => break,
            }
            self.skip();
        }
        if self.peek() == '#' {
            if !tab && !space && !bare_comment {
                return (self.index - start, Err("comments must be separated from other tokens by whitespace"));
            }
            while !matches!(self.peek(), '\0' | '\n' | '\r' | '\u{FEFF}') {
                self.skip();
            }
        }
        self.last = '\0';
        (self.index - start, Ok(SkipTabs::Result(tab, space)))
    }
}
