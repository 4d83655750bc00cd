//! Python's printf-style formatting, for `!Format` (spec blueprints §3.1).

use serde_json::Value;

use super::value::Val;

/// Formats `template` with `arguments` as Python's `%` operator does with a tuple.
///
/// Arguments that are not known before the plan is applied make the result a [`Val::Symbol`]; one unknown
/// argument makes it unknown.
///
/// # Errors
/// A sentence that says what does not fit.
pub fn format(template: &str, arguments: &[Val]) -> Result<Val, String> {
    let mut parts: Vec<Value> = Vec::new();
    let mut text = String::new();
    let mut next = arguments.iter();
    let mut unknown = false;
    let mut letters = template.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let mut spec = Spec::default();
        if letters.peek() == Some(&'(') {
            return Err("named placeholders such as %(name)s are not supported; give the arguments in order".to_owned());
        }
        while let Some(flag) = letters.next_if(|letter| "#0- +".contains(*letter)) {
            match flag {
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                '-' => spec.left = true,
                ' ' => spec.space = true,
                _ => spec.plus = true,
            }
        }
        spec.width = number(&mut letters)?.unwrap_or(0);
        if letters.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(&mut letters)?.unwrap_or(0));
        }
        while letters.next_if(|letter| "hlL".contains(*letter)).is_some() {}
        let Some(conversion) = letters.next() else {
            return Err("the format ends in a lone %; write %% for a percent sign".to_owned());
        };
        if conversion == '%' {
            text.push('%');
            continue;
        }
        if text.len() > MAX_TEXT {
            return Err(format!("the text becomes longer than {MAX_TEXT} bytes"));
        }
        let Some(argument) = next.next() else {
            return Err(format!("the format has more placeholders than the {} given arguments", arguments.len()));
        };
        match argument.peel() {
            Val::Unknown => unknown = true,
            Val::Object(object) if object.numbered && object.number.is_none() && "sdr".contains(conversion) => {
                parts.push(Value::String(std::mem::take(&mut text)));
                parts.push(object.key());
            }
            Val::Symbol(symbol) if conversion == 's' => {
                parts.push(Value::String(std::mem::take(&mut text)));
                parts.extend(symbol.iter().cloned());
            }
            value => text.push_str(&spec.apply(conversion, value)?),
        }
    }
    if next.next().is_some() {
        return Err(format!("not all of the {} arguments are used by the format", arguments.len()));
    }
    let secret = arguments.iter().any(Val::is_secret);
    if unknown {
        return Ok(Val::Unknown);
    }
    if parts.is_empty() {
        return Ok(Val::text(text).secret_if(secret));
    }
    parts.push(Value::String(text));
    Ok(Val::Symbol(std::sync::Arc::new(parts)).secret_if(secret))
}

/// Longest text that is made, but for what the last placeholder adds.
const MAX_TEXT: usize = 16 << 20;
/// Widths and precisions beyond this are refused: they only serve to exhaust memory.
const MAX_WIDTH: usize = 10_000;

fn number(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Option<usize>, String> {
    let mut found = None;
    while let Some(digit) = letters.next_if(char::is_ascii_digit) {
        let value = found.unwrap_or(0) * 10 + digit as usize - '0' as usize;
        if value > MAX_WIDTH {
            return Err(format!("a width or precision above {MAX_WIDTH} is not supported"));
        }
        found = Some(value);
    }
    if letters.peek() == Some(&'*') {
        return Err("widths given as arguments (%*d) are not supported".to_owned());
    }
    Ok(found)
}

#[derive(Default)]
struct Spec {
    alternate: bool,
    zero: bool,
    left: bool,
    space: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
}

impl Spec {
    fn apply(&self, conversion: char, value: &Val) -> Result<String, String> {
        let wrong =
            |wanted: &str| Err(format!("%{conversion} needs {wanted}, but the argument is {}", value.kind_name()));
        let number = match value {
            Val::Int(number) => Some((*number as f64, Some(*number))),
            Val::Bool(truth) => Some((f64::from(u8::from(*truth)), Some(i64::from(*truth)))),
            Val::Float(number) => Some((*number, None)),
            Val::Object(object) => {
                object.number.filter(|_| object.numbered).map(|number| (number as f64, Some(number)))
            }
            _ => None,
        };
        let body = match conversion {
            's' | 'r' | 'a' => {
                let full = if conversion == 's' { value.python_str() } else { value.python_repr() };
                let cut = match self.precision {
                    Some(precision) => full.chars().take(precision).collect(),
                    None => full,
                };
                return Ok(self.pad("", cut, false));
            }
            'd' | 'i' | 'u' => match number {
                Some((_, Some(integer))) => (integer < 0, integer.unsigned_abs().to_string()),
                Some((float, None)) if float.is_finite() => (float < 0.0, format!("{:.0}", float.abs().trunc())),
                _ => return wrong("a number"),
            },
            'x' | 'X' | 'o' => match number {
                Some((_, Some(integer))) => {
                    let magnitude = integer.unsigned_abs();
                    let (prefix, digits) = match conversion {
                        'x' => ("0x", format!("{magnitude:x}")),
                        'X' => ("0X", format!("{magnitude:X}")),
                        _ => ("0o", format!("{magnitude:o}")),
                    };
                    (integer < 0, if self.alternate { format!("{prefix}{digits}") } else { digits })
                }
                _ => return wrong("an integer"),
            },
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' => match number {
                Some((float, _)) => {
                    (float.is_sign_negative(), float_text(conversion, float.abs(), self.precision.unwrap_or(6)))
                }
                None => return wrong("a number"),
            },
            'c' => match value {
                Val::Text(text) if text.chars().count() == 1 => return Ok(self.pad("", text.to_string(), false)),
                Val::Int(code) => match u32::try_from(*code).ok().and_then(char::from_u32) {
                    Some(letter) => return Ok(self.pad("", letter.to_string(), false)),
                    None => return wrong("one character"),
                },
                _ => return wrong("one character"),
            },
            other => return Err(format!("%{other} is no conversion; use %s, %d, %r, %f or %%")),
        };
        let (negative, digits) = body;
        let digits = match self.precision {
            Some(precision) if "diuxXo".contains(conversion) => format!("{digits:0>precision$}"),
            _ => digits,
        };
        let sign = if negative {
            "-"
        } else if self.plus {
            "+"
        } else if self.space {
            " "
        } else {
            ""
        };
        Ok(self.pad(sign, digits, true))
    }

    fn pad(&self, sign: &str, body: String, numeric: bool) -> String {
        let missing = self.width.saturating_sub(sign.chars().count() + body.chars().count());
        if self.left {
            format!("{sign}{body}{}", " ".repeat(missing))
        } else if self.zero && numeric {
            format!("{sign}{}{body}", "0".repeat(missing))
        } else {
            format!("{}{sign}{body}", " ".repeat(missing))
        }
    }
}

fn float_text(conversion: char, number: f64, precision: usize) -> String {
    if !number.is_finite() {
        return if number.is_nan() { "nan" } else { "inf" }.to_owned();
    }
    let scientific = |precision: usize| {
        let text = format!("{number:.precision$e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        (format!("{mantissa}e{sign}{:02}", exponent.abs()), exponent)
    };
    let text = match conversion {
        'f' | 'F' => format!("{number:.precision$}"),
        'e' | 'E' => scientific(precision).0,
        _ => {
            let significant = precision.max(1);
            let (text, exponent) = scientific(significant - 1);
            let strip = |text: &str| {
                if text.contains('.') {
                    text.trim_end_matches('0').trim_end_matches('.').to_owned()
                } else {
                    text.to_owned()
                }
            };
            if exponent < -4 || exponent >= significant as i32 {
                let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
                format!("{}e{exponent}", strip(mantissa))
            } else {
                let decimals = usize::try_from(significant as i32 - 1 - exponent).unwrap_or(0);
                strip(&format!("{number:.decimals$}"))
            }
        }
    };
    if conversion.is_uppercase() { text.to_uppercase() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_python_does() {
        let text = |text: &str| Val::text(text);
        let cases: &[(&str, Vec<Val>, &str)] = &[
            ("%s-suffix", vec![text("foo")], "foo-suffix"),
            ("%s %s %s", vec![Val::Null, Val::Bool(true), Val::Float(1.0)], "None True 1.0"),
            ("%d%%", vec![Val::Int(42)], "42%"),
            ("%05d|%-5d|%+d|% d", vec![Val::Int(42), Val::Int(7), Val::Int(3), Val::Int(4)], "00042|7    |+3| 4"),
            ("%r", vec![text("it's")], "\"it's\""),
            (
                "%.2f|%8.3f|%e|%g|%g",
                vec![Val::Float(1.005), Val::Float(2.0), Val::Float(12345.678), Val::Float(0.0001), Val::Float(1e20)],
                "1.00|   2.000|1.234568e+04|0.0001|1e+20",
            ),
            ("%x %X %o %#x", vec![Val::Int(255), Val::Int(255), Val::Int(8), Val::Int(16)], "ff FF 10 0x10"),
            ("%s", vec![Val::List(vec![Val::Int(1), text("a"), Val::Null])], "[1, 'a', None]"),
            ("%d", vec![Val::Float(3.9)], "3"),
            ("%10s|%-4s|%.2s", vec![text("a"), text("b"), text("cde")], "         a|b   |cd"),
            ("%c%c", vec![Val::Int(65), text("b")], "Ab"),
            ("plain", vec![], "plain"),
        ];
        for (template, arguments, expected) in cases {
            assert_eq!(format(template, arguments), Ok(Val::text(*expected)), "{template}");
        }
    }

    #[test]
    fn says_what_does_not_fit() {
        for (template, arguments, part) in [
            ("%s %s", vec![Val::Null], "more placeholders"),
            ("%s", vec![Val::Null, Val::Null], "not all"),
            ("%d", vec![Val::text("x")], "needs a number"),
            ("%y", vec![Val::Null], "no conversion"),
            ("100%", vec![], "lone %"),
            ("%(a)s", vec![Val::Null], "named"),
            ("%99999999999999999999d", vec![Val::Int(1)], "above"),
        ] {
            let message = format(template, &arguments).expect_err(template);
            assert!(message.contains(part), "{template}: {message}");
        }
    }

    #[test]
    fn what_is_secret_stays_secret() {
        let secret = Val::text("hunter2").secret_if(true);
        assert!(format("p=%s", &[secret]).expect("fits").is_secret());
    }
}
