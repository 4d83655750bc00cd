//! The text of an export: YAML that reads the same under version 1.1 and 1.2.
//!
//! Values come through serde as [`serde_yaml::Value`]; only their layout is made here. The library's own writer cannot
//! be used for it. It decides about quotes by the rules of YAML 1.2, so it leaves `yes`, `on`, `1:30`, `2024-01-01`,
//! `1_000` and `=` bare, and a reader of YAML 1.1, as blueprints are read, makes booleans, numbers, dates or errors of
//! them. It also knows only block style, which spreads a `!Find` over as many lines as it has words.
//!
//! Here a text is left bare only when it begins with a letter, `_` or `/`, is no word of any YAML version, and has
//! nothing in it that could end or change it. No number, date or operator of either version begins that way. Everything
//! else is quoted.

use std::fmt::Write;

use serde_yaml::{Mapping, Number, Value};

/// Columns of one level of nesting. Literal blocks state it as their indentation where it cannot be guessed.
const STEP: usize = 2;
/// Longest key that is written before its colon; readers look only so far for the colon (1024 characters by YAML 1.1).
const LONGEST_KEY: usize = 500;
/// Bare words that some version of YAML reads as something else, in lower case.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Where a scalar stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::blueprint) enum Place {
    /// After an indicator on a line of its own.
    Block,
    /// Inside brackets.
    Flow,
}

/// Writes the pairs of a mapping, each on a line of its own that begins at column `indent`.
pub(in crate::blueprint) fn mapping(out: &mut String, pairs: &Mapping, indent: usize) {
    for (number, (key, value)) in pairs.iter().enumerate() {
        if number > 0 {
            spaces(out, indent);
        }
        let key = inline(key, Place::Block);
        if key.chars().count() > LONGEST_KEY {
            out.push_str("? ");
            out.push_str(&key);
            out.push('\n');
            spaces(out, indent);
        } else {
            out.push_str(&key);
        }
        out.push(':');
        after_indicator(out, value, indent);
    }
}

/// Writes one item of a list whose dashes stand at column `indent`.
pub(in crate::blueprint) fn item(out: &mut String, value: &Value, indent: usize) {
    spaces(out, indent);
    out.push('-');
    match value {
        Value::Mapping(pairs) if !pairs.is_empty() => {
            out.push(' ');
            mapping(out, pairs, indent + STEP);
        }
        other => after_indicator(out, other, indent),
    }
}

/// Writes a value after the `:` or `-` of a collection at column `indent`, and ends the line.
fn after_indicator(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Mapping(pairs) if !pairs.is_empty() => {
            out.push('\n');
            spaces(out, indent + STEP);
            mapping(out, pairs, indent + STEP);
        }
        Value::Sequence(items) if !items.is_empty() => {
            out.push('\n');
            for value in items {
                item(out, value, indent + STEP);
            }
        }
        Value::String(text) if fits_literal(text) => {
            out.push(' ');
            literal(out, text, indent + STEP);
        }
        other => {
            out.push(' ');
            out.push_str(&inline(other, Place::Block));
            out.push('\n');
        }
    }
}

/// A value on one line.
pub(in crate::blueprint) fn inline(value: &Value, place: Place) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => numeral(number),
        Value::String(text) => scalar(text, place),
        Value::Sequence(items) => {
            let items: Vec<String> = items.iter().map(|item| inline(item, Place::Flow)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Mapping(pairs) => {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(key, value)| format!("{}: {}", inline(key, Place::Flow), inline(value, Place::Flow)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Value::Tagged(tagged) => format!("{} {}", tagged.tag, inline(&tagged.value, place)),
    }
}

fn scalar(text: &str, place: Place) -> String {
    if is_bare(text, place) {
        text.to_owned()
    } else if text.contains(['"', '\\']) && !text.contains('\'') && text.chars().all(is_plain_letter) {
        format!("'{text}'")
    } else {
        quoted(text)
    }
}

/// Whether the text can stand without quotes.
fn is_bare(text: &str, place: Place) -> bool {
    let begins = text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_' || letter == '/');
    let ends = !text.ends_with([' ', ':']);
    let fits = |letter: char| match letter {
        ',' | ':' | '?' => place == Place::Block,
        ' ' | '_' | '-' | '.' | '/' | '+' | '@' | '=' | '%' | '&' | '\'' | '(' | ')' | ';' | '!' | '$' | '*' => true,
        other => other.is_alphanumeric() && is_plain_letter(other),
    };
    begins && ends && text.chars().all(fits) && !text.contains(": ") && !WORDS.contains(&text.to_lowercase().as_str())
}

/// Whether a character may stand in a text as it is: it shows, and no reader takes it for a line break.
pub(in crate::blueprint) fn is_plain_letter(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter,
            '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
            // Marks that turn the reading direction can make a text look like another one.
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text in double quotes, on one line.
pub(in crate::blueprint) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            letter if is_plain_letter(letter) => quoted.push(letter),
            letter => {
                let code = letter as u32;
                // Writing to a String cannot fail.
                let _ = if code > 0xff { write!(quoted, "\\u{code:04x}") } else { write!(quoted, "\\x{code:02x}") };
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Whether the text is better written, and can be, as a literal block.
pub(in crate::blueprint) fn fits_literal(text: &str) -> bool {
    let shows = |letter| matches!(letter, '\n' | '\t') || is_plain_letter(letter);
    text.contains('\n') && text.chars().all(shows) && text.lines().any(|line| !line.trim().is_empty())
}

/// Writes a literal block whose lines begin at column `indent`.
pub(in crate::blueprint) fn literal(out: &mut String, text: &str, indent: usize) {
    out.push('|');
    // A reader takes the indentation from the first line, unless that line hides it.
    if text.starts_with([' ', '\t', '\n']) {
        let _ = write!(out, "{STEP}");
    }
    let body = text.trim_end_matches('\n');
    match text.len() - body.len() {
        0 => out.push('-'),
        1 => {}
        _ => out.push('+'),
    }
    out.push('\n');
    for line in body.split('\n') {
        if !line.is_empty() {
            spaces(out, indent);
            out.push_str(line);
        }
        out.push('\n');
    }
    for _ in 1..text.len() - body.len() {
        out.push('\n');
    }
}

/// A number as both versions read it: a floating point number has a dot, and its exponent a sign.
fn numeral(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| !number.is_i64() && !number.is_u64()) else {
        return number.to_string();
    };
    if float.is_nan() {
        return ".nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let text = format!("{float:?}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let dot = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{mantissa}{dot}e{sign}{exponent}")
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}
