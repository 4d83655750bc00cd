//! Points in time as blueprints and API clients write them.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Reads an ISO 8601 point in time. Without an offset it is in UTC; without a time of day it is midnight.
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_in_the_forms_that_files_use() {
        let table = [
            ("2025-01-02T03:04:05Z", Some("2025-01-02T03:04:05Z")),
            ("2025-01-02T03:04:05+02:00", Some("2025-01-02T01:04:05Z")),
            ("2025-01-02T03:04:05.123456Z", Some("2025-01-02T03:04:05.123456Z")),
            ("2025-01-02 03:04:05", Some("2025-01-02T03:04:05Z")),
            ("2025-01-02", Some("2025-01-02T00:00:00Z")),
            ("2025-13-02", None),
            ("tomorrow", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).map(|time| time.to_string()).as_deref(), expected, "{text}");
        }
    }
}
