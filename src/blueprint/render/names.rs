//! What objects are called in a plan, and who must not be called by name.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;
use uuid::Uuid;

use super::escape::{quoted, visible};
use crate::{
    blueprint::plan::{Action, Named, ObjectChange, Plan, Shown},
    model::{KindInfo, Registry},
};

/// Stands between the parts of a name that is made of several.
const JOINT: &str = " › ";

/// What is shown for a value that is not to be printed.
pub const SECRET: &str = "(secret)";

/// The names that a plan shows to be secret, because they come from the environment or a file.
pub fn hidden(plan: &Plan, registry: &Registry) -> BTreeSet<String> {
    Names::of(plan, registry).hidden.into_iter().collect()
}

/// Names of one plan's objects.
///
/// A name that comes from the environment or a file is no more to be printed than any other such value. It would
/// return in the names of objects that refer to it and in reasons, so it is masked in all of them.
pub struct Names<'p> {
    registry: &'p Registry,
    hidden: HashSet<String>,
}

impl<'p> Names<'p> {
    /// Collects what is not to be printed.
    pub fn of(plan: &Plan, registry: &'p Registry) -> Names<'p> {
        let mut hidden: HashSet<String> = plan.hidden.iter().cloned().collect();
        for change in &plan.changes {
            let info = registry.get(change.kind);
            for diff in change.fields.iter().filter(|diff| diff.sensitive && names(info, &diff.field)) {
                for shown in [&diff.before, &diff.after] {
                    let text = match shown {
                        Shown::Json(Value::String(text)) => text.clone(),
                        Shown::Json(Value::Null) => continue,
                        Shown::Json(other) => other.to_string(),
                        _ => continue,
                    };
                    hidden.extend(text.split(JOINT).map(str::to_owned));
                }
            }
        }
        hidden.remove("");
        Names { registry, hidden }
    }

    /// A name without what is not to be printed, otherwise as it is.
    pub fn masked(&self, name: &str) -> String {
        if self.hidden.is_empty() {
            return name.to_owned();
        }
        let parts: Vec<&str> =
            name.split(JOINT).map(|part| if self.hidden.contains(part) { SECRET } else { part }).collect();
        parts.join(JOINT)
    }

    /// A name for people, on one line.
    pub fn show(&self, name: &str) -> String {
        visible(&self.masked(name))
    }

    /// A reason, in which names stand between backticks.
    pub fn reason(&self, reason: &str) -> String {
        if self.hidden.is_empty() {
            return reason.to_owned();
        }
        // A backtick in a name would make the parts uneven.
        let ticked = self.hidden.iter().filter(|hidden| hidden.contains('`'));
        let reason = ticked.fold(reason.to_owned(), |reason, hidden| reason.replace(hidden.as_str(), SECRET));
        let parts: Vec<String> = reason
            .split('`')
            .enumerate()
            .map(|(at, part)| if at % 2 == 1 { self.masked(part) } else { part.to_owned() })
            .collect();
        parts.join("`")
    }

    /// What people call a kind.
    pub fn title<'n>(&self, kind: &'n str) -> &'n str {
        self.registry.find(kind).map_or(kind, |info| info.title)
    }

    /// Names of objects that are shown together, told apart by kind and then by id where the name is not enough.
    pub fn apart(&self, shown: &[&Named], among: &[&Named]) -> Vec<String> {
        let name = |named: &Named| {
            let text = self.show(&named.name);
            let twins = || among.iter().filter(|other| other.id != named.id && other.name == named.name);
            let mut text = match text.as_str() {
                "" | "none" => quoted(&text),
                _ if named.name.parse::<Uuid>().is_ok() => return format!("{} {text}", self.title(&named.kind)),
                _ if text.starts_with(['(', '"']) && text != SECRET => quoted(&self.masked(&named.name)),
                _ => text,
            };
            if twins().any(|other| other.kind != named.kind) {
                text = format!("{text} ({})", self.title(&named.kind));
            }
            if twins().any(|other| other.kind == named.kind) {
                text = format!("{text} ({})", named.id);
            }
            text
        };
        shown.iter().copied().map(name).collect()
    }

    /// The former name of an object that the change gives another.
    pub fn renamed<'c>(&self, change: &'c ObjectChange) -> Option<&'c str> {
        if change.action != Action::Update {
            return None;
        }
        let info = self.registry.get(change.kind);
        change.fields.iter().filter(|diff| !diff.sensitive && names(info, &diff.field)).find_map(|diff| {
            match (&diff.before, &diff.after) {
                (Shown::Json(Value::String(old)), Shown::Json(Value::String(new)))
                    if *new == change.object.name && !old.is_empty() =>
                {
                    Some(old.as_str())
                }
                _ => None,
            }
        })
    }
}

/// Whether objects of a kind may be called by the value of a field.
fn names(info: &KindInfo, field: &str) -> bool {
    field == "name" || info.keys.iter().any(|key| key.fields.contains(&field))
}
