//! Neutralises text that somebody else chose (names, values, paths) for the place where it is shown.
//!
//! A plan is read by a reviewer who decides by it, so nothing in it may look like something else: no control
//! sequence reaches the terminal, no letters run backwards, no name becomes markup, a mention or a part of a picture.

use std::fmt::Write;

use crate::base::text::shorten;

/// Makes everything visible on one line: control characters, line breaks and characters that only steer
/// the direction or the joining of others are written as escapes.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        push_visible(&mut out, letter);
    }
    out
}

/// As [`visible`], but tabs stay: for lines of a longer text.
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter == '\t' { out.push('\t') } else { push_visible(&mut out, letter) }
    }
    out
}

/// A text value between quotation marks, escaped so that two different values never look the same.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            _ => push_visible(&mut out, letter),
        }
    }
    out.push('"');
    out
}

fn push_visible(out: &mut String, letter: char) {
    match letter {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if letter.is_control() || steers(letter) => {
            // Writing into a string cannot fail, here and below.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(letter));
        }
        _ => out.push(letter),
    }
}

/// Whether a character is not seen but changes how others are. The two joiners stay: scripts and emoji need them.
fn steers(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Text for HTML, in an element or an attribute.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in visible(text).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(letter),
        }
    }
    out
}

/// Text as code in Markdown, also within a table. Forges do not look for mentions, links or emoji in code.
pub fn code(text: &str) -> String {
    let text = visible(text);
    // Whoever looks for our marker in a comment must not find it in a name.
    let plain = !text.is_empty() && !text.contains(['`', '|']) && !text.contains("<!--") && text.trim() == text;
    if plain {
        return format!("`{text}`");
    }
    let mut out = String::from("<code>");
    for letter in text.chars() {
        if letter.is_ascii_punctuation() {
            push_entity(&mut out, letter, false);
        } else {
            out.push(letter);
        }
    }
    out.push_str("</code>");
    out
}

/// A sentence of ours in Markdown in which others' names stand between backticks: they become code, and whatever
/// else could be markup or a mention becomes plain text.
pub fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let mut out = String::new();
    for (at, part) in parts.iter().enumerate() {
        // An odd number of parts means that every backtick has its partner.
        if at % 2 == 1 && at + 1 < parts.len() {
            out.push_str(&if part.is_empty() { "&#96;&#96;".to_owned() } else { code(part) });
            continue;
        }
        if at % 2 == 1 {
            out.push_str("&#96;");
        }
        let shown = visible(part);
        let mut letters = shown.chars().peekable();
        let mut first = out.is_empty();
        while let Some(letter) = letters.next() {
            let digit = letters.peek().is_some_and(char::is_ascii_digit);
            let path = letters.peek().is_some_and(|next| next.is_alphabetic() || matches!(next, '/' | '+' | '-'));
            match letter {
                // The mark of no width keeps forges from finding a person, an issue, a link or an emoji.
                '@' | '#' | '%' | '~' | '$' | '^' => push_entity(&mut out, letter, true),
                '!' | '&' => push_entity(&mut out, letter, digit),
                ':' if path => out.push_str(":\u{200b}"),
                '\\' | '*' | '_' | '[' | ']' | '<' | '>' | '|' => push_entity(&mut out, letter, false),
                // A list or a heading would begin.
                '-' | '+' | '=' | '0'..='9' if first => push_entity(&mut out, letter, false),
                _ => out.push(letter),
            }
            first = false;
        }
    }
    out
}

fn push_entity(out: &mut String, letter: char, apart: bool) {
    let _ = write!(out, "&#{};{}", u32::from(letter), if apart { "\u{200b}" } else { "" });
}

/// A fence for a code block that nothing in the block can close.
pub fn fence(block: &str) -> String {
    let (mut longest, mut run) = (0, 0);
    for letter in block.chars() {
        run = if letter == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat((longest + 1).max(3))
}

/// Text for a quoted label of a Mermaid picture, at most `limit` characters of it.
pub fn label(text: &str, limit: usize) -> String {
    let text = shorten(&visible(text), limit);
    let mut out = String::with_capacity(text.len());
    // `- x` and `1. x` would be taken for lists, which labels cannot hold.
    let list = match text.trim_start_matches(|letter: char| letter.is_ascii_digit()) {
        rest if rest.len() == text.len() => rest.starts_with(['-', '+']),
        rest => rest.starts_with('.'),
    };
    for (at, letter) in text.char_indices() {
        let plain = letter.is_alphanumeric() || !letter.is_ascii() || matches!(letter, ' ' | '-' | '.' | '/' | ',');
        let list = list && text[..at].chars().all(|before| before.is_ascii_digit()) && !letter.is_ascii_digit();
        if plain && !list {
            out.push(letter);
        } else {
            let _ = write!(out, "#{};", u32::from(letter));
        }
    }
    out
}

/// A number with its thousands apart: `9,800`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
