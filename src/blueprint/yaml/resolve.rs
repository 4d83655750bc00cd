//! What a scalar means in YAML 1.1 as PyYAML's `SafeLoader` reads it: the implicit types of plain scalars and the
//! standard `!!` tags.

use super::{Scalar, Style, Value};

/// Longest number literal; converting more digits would take quadratic time.
const MAX_DIGITS: usize = 4300;

/// What a plain scalar resolves to.
pub(super) enum Implicit {
    /// A value.
    Value(Value),
    /// `<<`, which has a meaning as a mapping key only.
    Merge,
    /// `=`, which is text as a mapping key and nothing elsewhere.
    Equals,
    /// It has the form of a type but no value of it; why.
    Broken(&'static str),
}

/// Resolves a plain scalar.
pub(super) fn implicit(text: &str) -> Implicit {
    let found = match text.as_bytes().first() {
        None => Some(Ok(Value::Null)),
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => {
            if is_float(text) {
                Some(float(text))
            } else if is_int(text) {
                Some(int(text))
            } else {
                timestamp(text, true)
            }
        }
        Some(_) => match text {
            "~" | "null" | "Null" | "NULL" => Some(Ok(Value::Null)),
            "<<" => return Implicit::Merge,
            "=" => return Implicit::Equals,
            _ => boolean(text, true).map(|value| Ok(Value::Bool(value))),
        },
    };
    match found {
        None => Implicit::Value(Value::Text),
        Some(Ok(value)) => Implicit::Value(value),
        Some(Err(why)) => Implicit::Broken(why),
    }
}

/// Constructs a scalar under a standard tag, named without its `!!`. `None`: the tag takes no scalar.
pub(super) fn explicit(tag: &str, text: &str) -> Option<Result<Value, &'static str>> {
    Some(match tag {
        "str" => Ok(Value::Text),
        "null" => Ok(Value::Null),
        "bool" => boolean(text, false).map(Value::Bool).ok_or("it is none of yes, no, true, false, on and off"),
        "int" => int(text),
        "float" => float(text),
        "timestamp" => {
            timestamp(text, false).unwrap_or(Err("it is not of the form 2024-01-31 or 2024-01-31T10:00:00Z"))
        }
        "binary" => binary(text),
        _ => return None,
    })
}

fn boolean(text: &str, implicit: bool) -> Option<bool> {
    if text.len() > 5 {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let value = match lower.as_str() {
        "yes" | "true" | "on" => true,
        "no" | "false" | "off" => false,
        _ => return None,
    };
    let title = text.bytes().skip(1).all(|byte| byte.is_ascii_lowercase());
    let upper = text.bytes().all(|byte| byte.is_ascii_uppercase());
    (!implicit || title || upper).then_some(value)
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(allowed)
}

fn digit_or_underscore(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

/// `(:[0-5]?[0-9])+` with its first colon already removed.
fn is_base_60_tail(tail: &str) -> bool {
    tail.split(':')
        .all(|part| matches!(part.as_bytes(), [b'0'..=b'9']) || matches!(part.as_bytes(), [b'0'..=b'5', b'0'..=b'9']))
}

fn is_int(text: &str) -> bool {
    let body = unsigned(text);
    if let Some(bits) = body.strip_prefix("0b") {
        return !bits.is_empty() && all(bits, |byte| matches!(byte, b'0' | b'1' | b'_'));
    }
    if let Some(digits) = body.strip_prefix("0x") {
        return !digits.is_empty() && all(digits, |byte| byte.is_ascii_hexdigit() || byte == b'_');
    }
    match body.as_bytes() {
        [b'0', rest @ ..] => rest.iter().all(|byte| matches!(byte, b'0'..=b'7' | b'_')),
        [b'1'..=b'9', ..] => match body.split_once(':') {
            None => all(body, digit_or_underscore),
            Some((head, tail)) => all(head, digit_or_underscore) && is_base_60_tail(tail),
        },
        _ => false,
    }
}

fn is_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let body = unsigned(text);
    if matches!(body, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let Some((head, tail)) = body.split_once('.') else { return false };
    let (fraction, exponent) = match tail.find(['e', 'E']) {
        Some(at) => (&tail[..at], Some(&tail[at + 1..])),
        None => (tail, None),
    };
    if !all(fraction, digit_or_underscore) {
        return false;
    }
    let exponent_fits = exponent.is_none_or(|exponent| {
        exponent.starts_with(['+', '-']) && exponent.len() > 1 && all(&exponent[1..], |byte| byte.is_ascii_digit())
    });
    let starts_with_digit = |part: &str| part.as_bytes().first().is_some_and(u8::is_ascii_digit);
    if head.is_empty() {
        return body.len() == text.len() && starts_with_digit(fraction) && exponent_fits;
    }
    match head.split_once(':') {
        None => starts_with_digit(head) && all(head, digit_or_underscore) && exponent_fits,
        Some((first, rest)) => {
            starts_with_digit(first) && all(first, digit_or_underscore) && is_base_60_tail(rest) && exponent.is_none()
        }
    }
}

fn int(text: &str) -> Result<Value, &'static str> {
    const NOT: &str = "it is not a whole number";
    let clean = text.replace('_', "");
    if clean.len() > MAX_DIGITS {
        return Err("the number has too many digits");
    }
    let negative = clean.starts_with('-');
    let body = unsigned(&clean);
    if !body.starts_with('0')
        && let Ok(value) = clean.parse()
    {
        return Ok(Value::Int(value));
    }
    let magnitude = if body.is_empty() {
        return Err(NOT);
    } else if let Some(bits) = body.strip_prefix("0b") {
        Magnitude::parse(bits, 2)
    } else if let Some(digits) = body.strip_prefix("0x") {
        Magnitude::parse(digits, 16)
    } else if body.starts_with('0') && body != "0" {
        Magnitude::parse(body.strip_prefix("0o").unwrap_or(body), 8)
    } else if body.contains(':') {
        body.split(':').try_fold(Magnitude::default(), |mut sum, part| {
            sum.times(60);
            sum.plus(&Magnitude::parse(part, 10)?);
            Some(sum)
        })
    } else {
        Magnitude::parse(body.trim_ascii(), 10)
    };
    let digits = magnitude.ok_or(NOT)?.decimal();
    let signed = if negative && digits != "0" { format!("-{digits}") } else { digits };
    Ok(signed.parse().map_or(Value::BigInt(signed), Value::Int))
}

/// A non-negative whole number of any size: limbs of nine decimal digits, lowest first.
#[derive(Default)]
struct Magnitude(Vec<u32>);

impl Magnitude {
    const LIMB: u64 = 1_000_000_000;

    fn parse(digits: &str, radix: u32) -> Option<Magnitude> {
        let mut sum = Magnitude::default();
        for digit in digits.chars() {
            sum.times(radix);
            sum.plus(&Magnitude(vec![digit.to_digit(radix)?]));
        }
        (!digits.is_empty()).then_some(sum)
    }

    fn times(&mut self, factor: u32) {
        let mut carry = 0;
        for limb in &mut self.0 {
            let value = u64::from(*limb) * u64::from(factor) + carry;
            *limb = (value % Self::LIMB) as u32;
            carry = value / Self::LIMB;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn plus(&mut self, other: &Magnitude) {
        let mut carry = 0;
        for at in 0..self.0.len().max(other.0.len()) {
            if at == self.0.len() {
                self.0.push(0);
            }
            let value = u64::from(self.0[at]) + u64::from(other.0.get(at).copied().unwrap_or(0)) + carry;
            self.0[at] = (value % Self::LIMB) as u32;
            carry = value / Self::LIMB;
            if carry == 0 && at >= other.0.len() {
                break;
            }
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn decimal(&self) -> String {
        let mut limbs = self.0.iter().rev().skip_while(|limb| **limb == 0);
        let Some(first) = limbs.next() else { return "0".into() };
        limbs.fold(first.to_string(), |mut text, limb| {
            text.push_str(&format!("{limb:09}"));
            text
        })
    }
}

fn float(text: &str) -> Result<Value, &'static str> {
    const NOT: &str = "it is not a number";
    let clean = text.replace('_', "").to_ascii_lowercase();
    let sign = if clean.starts_with('-') { -1.0 } else { 1.0 };
    let body = unsigned(&clean);
    let value = match body {
        ".inf" => f64::INFINITY,
        ".nan" => f64::NAN,
        _ if body.contains(':') => {
            let mut base = 1.0;
            let mut sum = 0.0;
            for part in body.rsplit(':') {
                sum += part.trim_ascii().parse::<f64>().map_err(|_| NOT)? * base;
                base *= 60.0;
            }
            sum
        }
        _ => body.trim_ascii().parse().map_err(|_| NOT)?,
    };
    Ok(Value::Float(sign * value))
}

/// Reads a date or a date with time. `None`: it has not the form of one. The implicit form of a date alone needs two
/// digits for month and day, `!!timestamp` does not.
fn timestamp(text: &str, implicit: bool) -> Option<Result<Value, &'static str>> {
    let mut rest = Digits(text.as_bytes());
    let year = rest.number(4, 4)?;
    rest.byte(b'-')?;
    let month = rest.number(1, 2)?;
    rest.byte(b'-')?;
    let day = rest.number(1, 2)?;
    const NO_DATE: &str = "the calendar has no such date";
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
        2 => 28,
        _ => 31,
    };
    let date_fits = year >= 1 && (1..=12).contains(&month) && (1..=days).contains(&day);
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.0.is_empty() {
        return (!implicit || text.len() == 10).then_some(if date_fits { Ok(Value::Date(date)) } else { Err(NO_DATE) });
    }
    if rest.byte(b'T').or_else(|| rest.byte(b't')).is_none() && rest.blanks() == 0 {
        return None;
    }
    let hour = rest.number(1, 2)?;
    rest.byte(b':')?;
    let minute = rest.number(2, 2)?;
    rest.byte(b':')?;
    let second = rest.number(2, 2)?;
    let mut micros = String::new();
    if rest.byte(b'.').is_some() {
        let digits = rest.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        micros.extend(rest.0[..digits].iter().take(6).map(|byte| *byte as char));
        rest.0 = &rest.0[digits..];
    }
    let mut zone = None;
    let blanks = rest.blanks();
    if rest.byte(b'Z').is_some() {
        zone = Some(0);
    } else if let Some(sign) = rest.byte(b'+').map(|()| 1).or_else(|| rest.byte(b'-').map(|()| -1)) {
        let hours = rest.number(1, 2)?;
        let minutes = if rest.byte(b':').is_some() { rest.number(2, 2)? } else { 0 };
        zone = Some(sign * (hours as i64 * 60 + minutes as i64));
    } else if blanks > 0 {
        return None;
    }
    if !rest.0.is_empty() {
        return None;
    }
    if !date_fits {
        return Some(Err(NO_DATE));
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Some(Err("the clock has no such time"));
    }
    if zone.is_some_and(|minutes| minutes.abs() >= 24 * 60) {
        return Some(Err("the offset from UTC must be less than a day"));
    }
    let mut iso = format!("{date}T{hour:02}:{minute:02}:{second:02}");
    if micros.bytes().any(|byte| byte != b'0') {
        iso.push_str(&format!(".{micros:0<6}"));
    }
    if let Some(minutes) = zone {
        let sign = if minutes < 0 { '-' } else { '+' };
        iso.push_str(&format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60));
    }
    Some(Ok(Value::DateTime(iso)))
}

/// The rest of a timestamp.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let count = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(count).filter(|_| count >= least)?;
        self.0 = rest;
        Some(digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        let rest = self.0.strip_prefix(&[wanted])?;
        self.0 = rest;
        Some(())
    }

    fn blanks(&mut self) -> usize {
        let count = self.0.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.0 = &self.0[count..];
        count
    }
}

/// Base64 as Python's lenient decoder reads it: foreign characters are skipped, complete padding ends the data.
fn binary(text: &str) -> Result<Value, &'static str> {
    if !text.is_ascii() {
        return Err("base64 is made of ASCII characters");
    }
    let mut bytes = Vec::new();
    let (mut filled, mut bits, mut pads) = (0, 0u32, 0);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                pads += 1;
                if filled >= 2 && filled + pads >= 4 {
                    return Ok(Value::Binary(bytes));
                }
                continue;
            }
            _ => continue,
        };
        pads = 0;
        bits = (bits << 6) | u32::from(six);
        filled = (filled + 1) % 4;
        if filled != 1 {
            // The second, third and fourth character each complete a byte.
            let unused = [0, 0, 4, 2][filled];
            bytes.push((bits >> unused) as u8);
        }
    }
    if filled == 0 { Ok(Value::Binary(bytes)) } else { Err("the base64 data is cut off or lacks its padding") }
}

/// Says why a plain scalar is not the text that it looks like, for use where text is expected (GW0018).
///
/// Ordinary spellings of numbers, `true`, `false` and null are no traps: they look like what they are.
pub fn trap(scalar: &Scalar) -> Option<&'static str> {
    if scalar.style != Style::Plain {
        return None;
    }
    let text = unsigned(&scalar.text);
    match &scalar.value {
        Value::Bool(true) if !text.eq_ignore_ascii_case("true") => {
            Some("yes and on are booleans in YAML 1.1: this is true")
        }
        Value::Bool(false) if !text.eq_ignore_ascii_case("false") => {
            Some("no and off are booleans in YAML 1.1: this is false")
        }
        Value::Date(_) => Some("this is a date in YAML 1.1"),
        Value::DateTime(_) => Some("this is a date with time in YAML 1.1"),
        Value::Int(_) | Value::BigInt(_) => {
            if text.contains(':') {
                Some("digits with colons are a base-60 number in YAML 1.1")
            } else if text.starts_with("0x") {
                Some("this is a hexadecimal number")
            } else if text.starts_with("0b") {
                Some("this is a binary number")
            } else if text.len() > 1 && text.starts_with('0') {
                Some("a leading zero makes an octal number in YAML 1.1")
            } else if text.contains('_') {
                Some("underscores inside numbers are ignored in YAML 1.1")
            } else {
                None
            }
        }
        Value::Float(_) if text.contains(':') => Some("digits with colons are a base-60 number in YAML 1.1"),
        Value::Float(_) if text.contains('_') => Some("underscores inside numbers are ignored in YAML 1.1"),
        _ => None,
    }
}
