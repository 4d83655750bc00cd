//! What a change does to people, as a reviewer reads it: who gains and who loses access, and whether anybody is left who
//! can sign in as a superuser.

use std::collections::BTreeSet;

use crate::{
    blueprint::render::escape::prose,
    model::{Model, Need},
    policies::access::WithoutRequest,
    reconcile::{
        impact::{self, Impact},
        lockout::{self, Lockout},
    },
};

/// Room for the report on access in a comment, in bytes: at first, and when space is short.
const ROOM: [usize; 3] = [24_000, 8_000, 2_000];

/// The headline of a lock-out.
const LOCKED_OUT: &str =
    "After this change no active superuser could sign in. A server refuses to apply it unless it is forced to.";

/// What a change does to people.
#[derive(Clone, Debug, PartialEq)]
pub struct Consequences {
    /// Who gains and who loses access.
    pub impact: Impact,
    /// Whether everybody is locked out.
    pub lockout: Lockout,
}

/// Looks at two models. `names` is how many people each list names, `hidden` what is not to be printed.
///
/// # Errors
/// What must be loaded first, in both models.
pub fn consequences(
    before: &Model,
    after: &Model,
    hidden: &BTreeSet<String>,
    names: usize,
) -> Result<Consequences, BTreeSet<Need>> {
    let options = impact::Options { limit: names, hidden: hidden.clone() };
    let impact = impact::impact(before, after, &WithoutRequest, &options)?;
    let mut lockout = lockout::check(before, after, &WithoutRequest)?;
    let mask = |text: &mut String| {
        for name in hidden {
            *text = text.replace(name.as_str(), "(secret)");
        }
    };
    if let Some(way) = &mut lockout.way {
        mask(&mut way.user);
        way.assuming.iter_mut().for_each(mask);
    }
    for superuser in &mut lockout.superusers {
        mask(&mut superuser.name);
        superuser.problems.iter_mut().for_each(|problem| mask(&mut problem.words));
    }
    Ok(Consequences { impact, lockout })
}

impl Consequences {
    /// The report on access for a comment: in full, and shorter for when space is short.
    pub fn access(&self) -> [String; 3] {
        ROOM.map(|room| impact::render_markdown(&self.impact, room))
    }

    /// What stands above everything else in a comment; empty when a superuser can still sign in, or none could before.
    pub fn alert(&self) -> String {
        if !self.lockout.refuses() {
            return String::new();
        }
        let items: String = self.problems().iter().map(|line| format!("> * {}\n", prose(line))).collect();
        format!("> [!CAUTION]\n> **{LOCKED_OUT}**\n>\n{items}")
    }

    /// Why each superuser cannot sign in, one line each. The first line of the guard's own report is for who applies.
    fn problems(&self) -> Vec<String> {
        self.lockout.render_text().lines().skip(1).map(|line| line.trim().to_owned()).collect()
    }

    /// The report for a terminal; empty when nobody's access changes.
    pub fn text(&self) -> String {
        let mut lockout = String::new();
        if self.lockout.refuses() {
            lockout = format!("{LOCKED_OUT}\n");
            lockout.extend(self.problems().iter().map(|line| format!("  {line}\n")));
        }
        let access = impact::render_text(&self.impact);
        match (access.is_empty(), lockout.is_empty()) {
            (true, _) => lockout,
            (_, true) => access,
            _ => format!("{lockout}\n{access}"),
        }
    }
}
