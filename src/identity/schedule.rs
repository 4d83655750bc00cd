//! The kind `authentik_tasks_schedules.schedule` (2025.8): when a background task runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind, Report};

/// When a background task runs. The server creates the schedules of its own tasks; blueprints change or pause them.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Task that is run.
    #[schemars(length(min = 1))]
    pub actor_name: String,
    /// Tells several schedules of one task apart.
    pub identifier: Option<String>,
    /// Object that the task works on, if it works on one.
    pub rel_obj_id: Option<String>,
    /// Times at which the task runs: minute, hour, day of the month, month and day of the week, as in a crontab. Empty,
    /// it never runs by itself.
    pub crontab: String,
    /// Stops the schedule until it is set to false again.
    pub paused: bool,
}

impl Kind for Schedule {
    const NAME: &'static str = "authentik_tasks_schedules.schedule";
    const TITLE: &'static str = "Schedule";
    const KEYS: &'static [Key] = &[Key::of(&["actor_name", "identifier"])];
    const REQUIRED: &'static [&'static str] = &["actor_name"];
    const READ_ONLY: &'static [&'static str] =
        &["id", "uid", "rel_obj_app_label", "rel_obj_model", "next_run", "description", "last_task_status"];

    fn check(&self, report: &mut Report) {
        if !self.crontab.is_empty()
            && let Err(problem) = check_crontab(&self.crontab)
        {
            report.error("crontab", problem);
        }
    }
}

/// Judges a crontab line: five columns, each a list of `*`, numbers and ranges, with optional steps.
fn check_crontab(line: &str) -> Result<(), String> {
    const COLUMNS: [(&str, u8, u8, &[&str]); 5] = [
        ("minute", 0, 59, &[]),
        ("hour", 0, 23, &[]),
        ("day of the month", 1, 31, &[]),
        ("month", 1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
        ("day of the week", 0, 7, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
    ];
    let columns: Vec<&str> = line.split_whitespace().collect();
    if columns.len() != COLUMNS.len() {
        return Err(format!("{line:?} has {} columns; a crontab line has 5, as in 30 2 * * *", columns.len()));
    }
    for (text, (column, low, high, names)) in columns.into_iter().zip(COLUMNS) {
        let number = |text: &str| match names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            Some(_) => true,
            None => text.parse::<u8>().is_ok_and(|number| (low..=high).contains(&number)),
        };
        for part in text.split(',') {
            let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
            let range_fits =
                range == "*" || range.split_once('-').map_or(number(range), |(a, b)| number(a) && number(b));
            let step_fits = step.is_none_or(|step| step.parse::<u8>().is_ok_and(|step| step > 0));
            if !range_fits || !step_fits {
                return Err(format!(
                    "{part:?} does not fit the column for the {column}, which takes * and {low} to {high}"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crontab_lines() {
        for line in ["* * * * *", "30 2 * * *", "*/5 0-6,12 1 jan,Feb mon-fri", "15 */2 * * 7"] {
            assert_eq!(check_crontab(line), Ok(()), "{line}");
        }
        for line in ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "*/0 * * * *", "a * * * *"] {
            assert!(check_crontab(line).is_err(), "{line}");
        }
    }
}
