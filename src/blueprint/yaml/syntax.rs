//! Words for what is wrong with the text.

use std::{cmp::Ordering, ops::Range};

use super::cursor::is_blank;
use crate::base::diagnostic::{Code, Diagnostic, FileId, Span};

/// What the parser says about an alias without anchor; the only error after which it can go on.
pub(super) const UNKNOWN_ANCHOR: &str = "while parsing node, found unknown anchor";

/// The first character that YAML 1.1 does not allow, or that it reads in a way that nobody expects.
pub(super) fn forbidden_character(file: FileId, text: &str) -> Option<Diagnostic> {
    let suspicious = |byte: &u8| matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 127 | 0xC2 | 0xE2 | 0xEF);
    let mut from = 0;
    while let Some(offset) = text.as_bytes()[from..].iter().position(suspicious) {
        let at = from + offset;
        let c = text[at..].chars().next()?;
        from = at + c.len_utf8();
        let (message, help) = match c {
            '\u{85}' | '\u{2028}' | '\u{2029}' => (
                format!("the character U+{:04X} is a line break in YAML 1.1", u32::from(c)),
                "Remove it, or write it as an escape in double quotes (\\N, \\L or \\P).",
            ),
            '\u{FEFF}' if at > 0 => {
                ("a byte-order mark inside the text".into(), "Remove it; it is invisible in most editors.")
            }
            '\u{FEFF}' => continue,
            '\0' => (
                "the text contains a NUL character".into(),
                "The file may be UTF-16 or no text at all; blueprints are UTF-8.",
            ),
            '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}' => (
                format!("the control character U+{:04X} is not allowed", u32::from(c)),
                "Remove it, or write it as an escape in double quotes (\\x1B).",
            ),
            _ => continue,
        };
        return Some(Diagnostic::new(Code::YAML_SYNTAX, message).at(Span::new(file, at, from), "").help(help));
    }
    None
}

/// A plain scalar in single quotes; `None` if it spans lines.
pub(super) fn quoted(raw: &str) -> Option<String> {
    (!raw.contains(['\n', '\r'])).then(|| format!("'{}'", raw.replace('\'', "''")))
}

/// The finding for a tab at `at` that YAML cannot take as a blank.
pub(super) fn tab(span: Span, line_start: usize, at: usize, text: &str) -> Diagnostic {
    let indents = text[line_start..at].bytes().all(|byte| byte == b' ');
    let message = if indents { "a tab in the indentation" } else { "a tab between values" };
    Diagnostic::new(Code::YAML_SYNTAX, message)
        .at(span, "")
        .help("Replace tabs by spaces; only quoted values, blocks and comments may contain them.")
}

/// Says in our words what the parser stopped at. `open` is the innermost flow collection that was still open.
pub(super) fn explain(
    info: &str,
    text: &str,
    at: usize,
    open: Option<usize>,
    span: impl Fn(Range<usize>) -> Span,
) -> Diagnostic {
    let place = Place::new(text, at);
    if let Some(at) = place.tab() {
        return tab(span(at..at + 1), place.line.start, at, text);
    }
    let finding = |message: &str, range: Range<usize>| Diagnostic::new(Code::YAML_SYNTAX, message).at(span(range), "");
    let has = |part: &str| info.contains(part);
    if has("unexpected character") {
        return reserved_start(&place, span);
    }
    if has("quoted scalar") || has("tab cannot be used as indentation") {
        return quoted_scalar(info, &place, finding);
    }
    if let Some(open) = open.filter(|_| place.at_end()) {
        let bracket = &text[open..open + 1];
        return finding(&format!("this `{bracket}` is never closed"), open..open + 1)
            .help(format!("Add the closing `{}`.", if bracket == "[" { "]" } else { "}" }));
    }
    let here = place.token();
    if has("simple key expect") {
        return finding("this line is neither `key: value` nor part of the value above", place.line_before())
            .help("Is the `:` missing (it needs a blank behind it), or the indentation wrong?");
    }
    if has("mapping values are not allowed") {
        let found = finding("a `:` that cannot begin a value here", at..(at + 1).min(text.len()))
            .help("Put the value in quotes if the `: ` belongs to it.")
            .help("Otherwise compare the indentation of this line with the one above.");
        return if place.behind_first_word() { place.compare_indentation(found, span) } else { found };
    }
    if has("did not find expected key") || has("did not find expected '-'") || has("invalid indentation") {
        let found = finding("the indentation of this line fits none of the collections above", here)
            .help("Align keys of one mapping, and the dashes of one list, in the same column.");
        return place.compare_indentation(found, span);
    }
    if has("block sequence entries are not allowed") {
        return finding("a list item cannot begin here", here)
            .help("Begin the list on its own line, or put the value in quotes if the dash belongs to it.");
    }
    if has("only valid inside a block") {
        return finding("a dash inside [ ] or { }", here).help("Separate items by commas there, without dashes.");
    }
    if has("document end") || has("document start") {
        let found = finding("text outside of the document", here)
            .help("Keys at the top of a document begin in the same column as its first one.")
            .help("Nothing may follow a `...` line; a directive needs a `---` line below it.");
        return place.compare_indentation(found, span);
    }
    let opened = |finding: Diagnostic| match open {
        Some(open) => finding.at(span(open..open + 1), "opened here"),
        None => finding,
    };
    if has("illegal placement of ':'") {
        return opened(finding("a `:` on a later line than its item of the list", here))
            .help("Is the closing `]` missing above? Otherwise put braces around the mapping.");
    }
    if has("expected ',' or ']'") || has("expected ',' or '}'") {
        let close = if has("']'") { "]" } else { "}" };
        return opened(finding(&format!("expected `,` or `{close}` before this"), here))
            .help("Put values that contain brackets, commas or `: ` in quotes.");
    }
    let (message, help) = if has("misplaced bracket") {
        ("a closing bracket without an opening one", "Remove it, or put the value in quotes if it belongs to it.")
    } else if has("expected node content") {
        (
            "a value is missing before this",
            "Write the value, or `null`; put a mark that belongs to the value in quotes.",
        )
    } else if has("comments must be separated") {
        ("a `#` directly behind a mark", "Put a blank before the comment.")
    } else if has("comment intercepting") {
        ("an unquoted value goes on behind a comment", "Put the value in quotes, or the comment on a line above.")
    } else if has("handle wasn't declared") {
        ("a tag prefix that is not declared", "Blueprint tags have a single `!` at their beginning.")
    } else if has("anchor or alias") {
        ("`*` and `&` need a name behind them", "Put the value in quotes if the mark belongs to it.")
    } else if has("a tag") || has("TAG") {
        ("this is no well-formed tag", "A tag is a `!` and a name, then a blank.")
    } else if has("may not precede") {
        ("a blank is missing behind the `:`", "Write `key: value` with a blank.")
    } else if has("block scalar") {
        (
            "this `|` or `>` block is not well-formed",
            "Behind the mark may stand only +, - and a digit; indent the lines below it evenly, deeper than their key.",
        )
    } else if has("directive") {
        ("a line that begins with % is a directive and this is none", "Put a value that begins with % in quotes.")
    } else if has("expected whitespace") {
        ("a blank is missing here", "Put a blank behind the `?`.")
    } else {
        ("the text cannot be read as YAML from here on", "Put values with punctuation at their beginning in quotes.")
    };
    finding(message, here).help(help)
}

/// `%`, `@` or a backtick at the beginning of a value.
fn reserved_start(place: &Place, span: impl Fn(Range<usize>) -> Span) -> Diagnostic {
    let (text, at) = (place.text, place.at);
    let line = &text[at..place.line.end];
    let end = at + line.find(" #").unwrap_or(line.len());
    let value = text[at..end].trim_end();
    let mark = &value[..value.chars().next().map_or(0, char::len_utf8)];
    let finding = Diagnostic::new(Code::YAML_SYNTAX, format!("an unquoted value cannot begin with `{mark}`"))
        .at(span(at..at + mark.len()), "")
        .help("Put the value in quotes.");
    // Inside brackets it is not known where the value ends.
    match quoted(value).filter(|_| !value.contains([',', '[', ']', '{', '}']) && !value.contains(": ")) {
        Some(quoted) => finding.fix("put the value in quotes", span(at..at + value.len()), quoted),
        None => finding,
    }
}

fn quoted_scalar(info: &str, place: &Place, finding: impl Fn(&str, Range<usize>) -> Diagnostic) -> Diagnostic {
    let first_line = place.at..place.line.end.max(place.at);
    let has = |part: &str| info.contains(part);
    if has("invalid trailing content") {
        return finding("text behind the closing quote", place.token())
            .help("A value that begins with a quote ends at the next one: quote all of it.")
            .help("Inside single quotes a single quote is written twice.");
    }
    if has("unexpected end of stream") || has("unexpected document indicator") {
        return finding("this quote is never closed", first_line)
            .help("Add the closing quote; inside single quotes a single quote is written twice.");
    }
    if has("escape") || has("hexadecimal") {
        let range = place.bad_escape().unwrap_or(first_line);
        return finding("a backslash sequence that YAML does not know", range)
            .help("Write \\\\ for a backslash, or use single quotes, which know no escapes.");
    }
    finding("the lines of this quoted value are not indented", first_line)
        .help("Indent them deeper than the key, or use a `|` block.")
}

/// A position and what is around it.
struct Place<'a> {
    text: &'a str,
    at: usize,
    line: Range<usize>,
}

impl<'a> Place<'a> {
    fn new(text: &'a str, at: usize) -> Self {
        let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let bytes = text.as_bytes();
        let start = bytes[..at].iter().rposition(is_break).map_or(0, |offset| offset + 1);
        let end = bytes[at..].iter().position(is_break).map_or(text.len(), |offset| at + offset);
        Place { text, at, line: start..end }
    }

    fn at_end(&self) -> bool {
        self.text[self.at..].trim().is_empty()
    }

    /// A tab that indents the line or stands at or before the position.
    fn tab(&self) -> Option<usize> {
        let line = &self.text[self.line.clone()];
        let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
        let in_indentation = line[..indentation].find('\t').map(|at| self.line.start + at);
        let around = [self.at, self.at.wrapping_sub(1)];
        let beside = around.into_iter().find(|at| self.text.as_bytes().get(*at) == Some(&b'\t'));
        in_indentation.or(beside)
    }

    /// From the position to the next blank; at the end of the text the last line with content.
    fn token(&self) -> Range<usize> {
        if self.at_end() {
            return self.line_before();
        }
        let bytes = &self.text.as_bytes()[self.at..];
        let length = bytes.iter().position(|byte| is_blank(*byte)).unwrap_or(bytes.len());
        let one = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        self.at..self.at + length.max(one)
    }

    /// The content of this line before the position, or if there is none, of the last line with content above.
    fn line_before(&self) -> Range<usize> {
        let mut end = self.at;
        loop {
            let before = self.text[..end].trim_end();
            let start = before.rfind(['\n', '\r']).map_or(0, |offset| offset + 1);
            let line = &before[start..];
            let content = line.trim_start();
            if content.is_empty() {
                return self.at..self.at;
            }
            if !content.starts_with('#') {
                return start + line.len() - content.len()..before.len();
            }
            end = start;
        }
    }

    /// Whether the position is directly behind the first word of its line, as that of a key's colon is.
    fn behind_first_word(&self) -> bool {
        let before = self.text[self.line.start..self.at].trim_start().trim_start_matches("- ");
        !before.is_empty() && !before.contains(' ')
    }

    /// Labels the lines above whose indentation decides about that of this line: the nearest one that is indented less (or
    /// as much, when only one of the two is a list item), the first one behind it that is indented more, and the one
    /// directly above. The line that stands wrong is one of these or this one.
    fn compare_indentation(&self, finding: Diagnostic, span: impl Fn(Range<usize>) -> Span) -> Diagnostic {
        let indentation = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let is_item = |line: &str| line.trim_start_matches(' ').starts_with("- ");
        let line = &self.text[self.line.clone()];
        let (own, own_item) = (indentation(line), is_item(line));
        let (mut nearest, mut less, mut more) = (None, None, None);
        let mut end = self.line.start;
        for line in self.text[..end].split_inclusive('\n').rev() {
            let start = end - line.len();
            end = start;
            let content = line.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let columns = indentation(line);
            let place = (start + columns..start + line.trim_end().len(), columns);
            nearest.get_or_insert_with(|| place.clone());
            match columns.cmp(&own) {
                Ordering::Less => less = Some(place),
                Ordering::Equal if is_item(line) != own_item => less = Some(place),
                Ordering::Equal => {}
                Ordering::Greater => {
                    more = Some(place);
                    continue;
                }
            }
            break;
        }
        let mut places: Vec<_> = less.into_iter().chain(more).chain(nearest).collect();
        places.dedup();
        places.retain(|(_, columns)| *columns != own || own_item);
        places.into_iter().fold(finding, |finding, (range, columns)| {
            finding.at(span(range), format!("indented by {columns}, the other line by {own}"))
        })
    }

    /// The first escape of the double-quoted scalar at the position that is none.
    fn bad_escape(&self) -> Option<Range<usize>> {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        loop {
            at += bytes.get(at..)?.iter().position(|byte| *byte == b'\\')?;
            let digits = match bytes.get(at + 1)? {
                b'x' => 2,
                b'u' => 4,
                b'U' => 8,
                b'0' | b'a' | b'b' | b't' | b'\t' | b'n' | b'v' | b'f' | b'r' | b'e' | b' ' | b'"' | b'/' | b'\\'
                | b'N' | b'_' | b'L' | b'P' | b'\n' | b'\r' => 0,
                _ => {
                    let length = self.text[at + 1..].chars().next().map_or(0, char::len_utf8);
                    return Some(at..at + 1 + length);
                }
            };
            let code =
                self.text.get(at + 2..at + 2 + digits).filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()));
            let character = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
            if digits > 0 && character.is_none() {
                return Some(at..at + 2);
            }
            at += 2 + digits;
        }
    }
}
