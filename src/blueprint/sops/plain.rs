//! What a value in clear counts as in the code over the file. SOPS reads YAML by the rules of another library than
//! blueprints are read by, and takes the code over what comes out, so those rules are followed here.

use super::super::yaml::{self, Scalar, Style, Value};

/// The bytes of a value; nothing for null, which does not count.
pub(super) fn bytes(scalar: &Scalar) -> Option<String> {
    let text = &*scalar.text;
    if scalar.style != Style::Plain {
        return Some(text.to_owned());
    }
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => return None,
        "true" | "True" | "TRUE" => "True".to_owned(),
        "false" | "False" | "FALSE" => "False".to_owned(),
        ".nan" | ".NaN" | ".NAN" => "NaN".to_owned(),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => "+Inf".to_owned(),
        "-.inf" | "-.Inf" | "-.INF" => "-Inf".to_owned(),
        _ if text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) => {
            time(text).or_else(|| number(text)).unwrap_or_else(|| text.to_owned())
        }
        _ => text.to_owned(),
    })
}

/// A number in its shortest decimal form without exponent.
pub(super) fn float(number: f64) -> String {
    match number {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        number => number.to_string(),
    }
}

fn number(text: &str) -> Option<String> {
    if text.starts_with('.') {
        return is_float(text).then(|| text.parse().ok().map(float))?;
    }
    let text = text.replace('_', "");
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text.as_str()),
    };
    let radix = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => Some((16, &digits[2..])),
        [b'0', b'o' | b'O', ..] => Some((8, &digits[2..])),
        [b'0', b'b' | b'B', ..] => Some((2, &digits[2..])),
        [b'0', _, ..] => Some((8, &digits[1..])),
        _ => Some((10, digits)),
    };
    let integer = radix.filter(|(_, digits)| !digits.starts_with(['+', '-']));
    let integer = integer.and_then(|(radix, digits)| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok());
    match integer {
        Some(integer) => Some(integer.to_string()),
        None => is_float(&text).then(|| text.parse().ok().map(float))?,
    }
}

/// Whether a text is a number with an optional point and exponent.
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa = match mantissa.split_once('.') {
        Some(("", after)) => !after.is_empty() && digits(after),
        Some((before, after)) => digits(before) && digits(after),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa && exponent
}

/// A date or time in the form of RFC 3339, in UTC where no offset is given.
fn time(text: &str) -> Option<String> {
    match yaml::plain_value(text)? {
        Value::Date(date) => Some(format!("{date}T00:00:00Z")),
        Value::DateTime(time) => {
            let (clock, offset) = match time.get(19..)?.find(['+', '-']) {
                Some(at) => time.split_at(19 + at),
                None => (time.as_str(), "Z"),
            };
            let clock = if clock.contains('.') { clock.trim_end_matches('0') } else { clock };
            Some(format!("{clock}{}", if offset == "+00:00" { "Z" } else { offset }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_clear_count_as_sops_reads_them() {
        let plain =
            |text: &str| bytes(&Scalar { text: text.into(), style: Style::Plain, value: Value::Text, secret: false });
        for (text, expected) in [
            ("text", "text"),
            ("yes", "yes"),
            ("No", "No"),
            ("true", "True"),
            ("FALSE", "False"),
            ("0", "0"),
            ("-0", "0"),
            ("0777", "511"),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("-0b11", "-3"),
            ("1_000", "1000"),
            ("+12", "12"),
            ("09", "9"),
            ("9223372036854775807", "9223372036854775807"),
            ("123456789012345678901234567890", "123456789012345680000000000000"),
            ("3.14e2", "314"),
            (".5", "0.5"),
            ("1.", "1"),
            ("2.0", "2"),
            ("1e-6", "0.000001"),
            ("1e21", "1000000000000000000000"),
            (".inf", "+Inf"),
            ("-.inf", "-Inf"),
            (".nan", "NaN"),
            ("1.2.3", "1.2.3"),
            ("-", "-"),
            ("-x", "-x"),
            ("0x", "0x"),
            ("0x-1", "0x-1"),
            ("10:20", "10:20"),
            ("2024-01-02", "2024-01-02T00:00:00Z"),
            ("2024-1-2", "2024-1-2"),
            ("2024-01-02T03:04:05.25Z", "2024-01-02T03:04:05.25Z"),
            ("2024-01-02 03:04:05", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05+02:00", "2024-01-02T03:04:05+02:00"),
        ] {
            assert_eq!(plain(text).as_deref(), Some(expected), "{text}");
        }
        for null in ["", "~", "null"] {
            assert_eq!(plain(null), None);
        }
        let quoted = Scalar { text: "0777".into(), style: Style::Double, value: Value::Text, secret: false };
        assert_eq!(bytes(&quoted).as_deref(), Some("0777"));
    }
}
