//! Durations as blueprints write them: `hours=1;minutes=30`.
//!
//! A list of `unit=number` pairs with `;` between them. Units are `microseconds`, `milliseconds`, `seconds`, `minutes`,
//! `hours`, `days` and `weeks` in any case; numbers may have a fraction and a sign; a unit may come only once.
//! The reference system skips a unit that it does not know, so that `hour=8` is no time at all; here it is an error.

use super::diagnostic::nearest;

/// Units and their length in microseconds.
const UNITS: [(&str, i64); 7] = [
    ("microseconds", 1),
    ("milliseconds", 1_000),
    ("seconds", 1_000_000),
    ("minutes", 60_000_000),
    ("hours", 3_600_000_000),
    ("days", 86_400_000_000),
    ("weeks", 604_800_000_000),
];

/// Why a text is no duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DurationError {
    /// A part between semicolons is not `unit=number`.
    #[error("{0:?} is not of the form unit=number, as in hours=1;minutes=30")]
    Malformed(String),
    /// A unit that does not exist.
    #[error("there is no unit {unit:?}{}", suggestion(.nearest))]
    UnknownUnit {
        /// As written.
        unit: String,
        /// The unit that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A unit that comes twice.
    #[error("the unit {0} is given twice")]
    Repeated(&'static str),
    /// More than about 292,000 years either way.
    #[error("the duration is too long")]
    TooLong,
}

fn suggestion(nearest: &Option<&'static str>) -> String {
    match nearest {
        Some(unit) => format!(", did you mean {unit}?"),
        None => "; units are microseconds, milliseconds, seconds, minutes, hours, days and weeks".to_owned(),
    }
}

/// Length of a duration in microseconds; negative durations are allowed.
///
/// # Errors
/// When the text is not a list of `unit=number` pairs, or the sum does not fit.
pub fn microseconds(text: &str) -> Result<i64, DurationError> {
    let mut seen = [false; UNITS.len()];
    let mut sum = 0_f64;
    for part in text.split(';') {
        let malformed = || DurationError::Malformed(part.to_owned());
        let (unit, number) = part.split_once('=').ok_or_else(malformed)?;
        let (unit, number) = (unit.trim(), number.trim());
        let Some(index) = UNITS.iter().position(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
            let nearest = nearest(unit, UNITS.iter().map(|(name, _)| *name));
            return Err(DurationError::UnknownUnit { unit: unit.to_owned(), nearest });
        };
        if std::mem::replace(&mut seen[index], true) {
            return Err(DurationError::Repeated(UNITS[index].0));
        }
        let plain = number.trim_start_matches(['+', '-']);
        if plain.is_empty() || !plain.chars().all(|letter| letter.is_ascii_digit() || letter == '.') {
            return Err(malformed());
        }
        sum += number.parse::<f64>().map_err(|_| malformed())? * UNITS[index].1 as f64;
    }
    // 2^63 is exact as a float, so everything strictly below it in size fits after rounding.
    if sum.abs() >= 9_223_372_036_854_775_808.0 { Err(DurationError::TooLong) } else { Ok(sum.round() as i64) }
}

/// Length of a duration in whole seconds, rounded down.
///
/// # Errors
/// As [`microseconds`].
pub fn seconds(text: &str) -> Result<i64, DurationError> {
    Ok(microseconds(text)?.div_euclid(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_their_length() {
        let table = [
            ("hours=1;minutes=30", 5_400_000_000),
            ("Hours=1; Minutes=30", 5_400_000_000),
            ("seconds=0", 0),
            ("seconds=1.5", 1_500_000),
            ("days=1;hours=-1", 82_800_000_000),
            ("weeks=2;microseconds=1", 1_209_600_000_001),
            ("milliseconds=.25", 250),
        ];
        for (text, expected) in table {
            assert_eq!(microseconds(text), Ok(expected), "{text}");
        }
        assert_eq!(seconds("milliseconds=1999"), Ok(1));
        assert_eq!(seconds("milliseconds=-1"), Ok(-1));
    }

    #[test]
    fn what_is_no_duration_says_why() {
        let table = [
            ("", "\"\" is not of the form unit=number, as in hours=1;minutes=30"),
            ("hours=1;", "\"\" is not of the form unit=number, as in hours=1;minutes=30"),
            ("30", "\"30\" is not of the form unit=number, as in hours=1;minutes=30"),
            ("hours=", "\"hours=\" is not of the form unit=number, as in hours=1;minutes=30"),
            ("hours=1=2", "\"hours=1=2\" is not of the form unit=number, as in hours=1;minutes=30"),
            ("hours=inf", "\"hours=inf\" is not of the form unit=number, as in hours=1;minutes=30"),
            ("hours=--1", "\"hours=--1\" is not of the form unit=number, as in hours=1;minutes=30"),
            ("hour=8", "there is no unit \"hour\", did you mean hours?"),
            (
                "fortnights=8",
                "there is no unit \"fortnights\"; units are microseconds, milliseconds, seconds, minutes, hours, \
                 days and weeks",
            ),
            ("hours=1;hours=2", "the unit hours is given twice"),
            ("weeks=99999999999999", "the duration is too long"),
        ];
        for (text, message) in table {
            assert_eq!(microseconds(text).map_err(|error| error.to_string()), Err(message.to_owned()), "{text}");
        }
    }
}
