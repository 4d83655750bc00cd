//! The guard against locking everybody out: a change after which no active superuser could sign in is refused.
//!
//! The guard follows each superuser through the sign-in of the default brand on the planned model (see [`walk`]). What
//! depends on a request counts as possible, so it refuses only what surely fails; and it refuses nothing when there was
//! no way in before either, as in a system that is being set up.

mod walk;

use std::collections::BTreeSet;

use serde::Serialize;
use uuid::Uuid;

use self::walk::{Attempt, Sight};
use crate::{
    blueprint::render::escape::visible,
    identity::{
        membership::{superuser_groups, with_groups_below},
        user::User,
    },
    model::{Kind, Model, Need},
    policies::access::{PolicyOracle, known_as},
};

/// How many superusers are explained.
const EXPLAINED: usize = 20;

/// Whether a change locks everybody out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A superuser can still sign in.
    Safe,
    /// A superuser could sign in before, and none could after. To be refused unless forced.
    LocksOut,
    /// No superuser could sign in before, and none can after.
    LockedBefore,
}

/// What the guard found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lockout {
    /// Whether everybody is locked out.
    pub outcome: Outcome,
    /// The way in that was found, when there is one.
    pub way: Option<Way>,
    /// The superusers, and who was one and could sign in before, with why none of them can; at most 20, by name. Empty
    /// when there is a way in.
    pub superusers: Vec<Superuser>,
    /// How many they are, those that are not listed included; 0 when there is a way in.
    pub count: usize,
}

/// A way in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// User name.
    pub user: String,
    /// What the sign-in rests on besides what is known, in the order met: policies, devices, other services.
    pub assuming: Vec<String>,
}

/// Why one superuser cannot sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Superuser {
    /// Id.
    pub id: Uuid,
    /// User name.
    pub name: String,
    /// Each way and why it fails.
    pub problems: Vec<Problem>,
}

/// Why one way fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A sentence's middle, with names between backticks.
    pub words: String,
    /// Whether the change brings it.
    pub by_this_plan: bool,
}

impl Lockout {
    /// Whether the change is to be refused unless forced.
    pub fn refuses(&self) -> bool {
        self.outcome == Outcome::LocksOut
    }

    /// The finding for a terminal; empty when there is a way in.
    pub fn render_text(&self) -> String {
        let mut out = match self.outcome {
            Outcome::Safe => return String::new(),
            Outcome::LocksOut => "Refused: after this change no active superuser could sign in.\n".to_owned(),
            Outcome::LockedBefore => {
                "Note: no active superuser can sign in, neither before this change nor after it.\n".to_owned()
            }
        };
        if self.superusers.is_empty() {
            out.push_str("  There is no superuser.\n");
        }
        for superuser in &self.superusers {
            for problem in &superuser.problems {
                let by = if problem.by_this_plan { " (by this plan)" } else { "" };
                out.push_str(&format!("  {}: {}{by}\n", visible(&superuser.name), visible(&problem.words)));
            }
        }
        if self.count > self.superusers.len() {
            out.push_str(&format!("  and {} more superusers\n", self.count - self.superusers.len()));
        }
        out
    }
}

/// Checks that a change leaves a superuser a way in.
///
/// # Errors
/// What must be loaded first, in both models: groups, the superusers, and what they sign in with.
pub fn check(before: &Model, after: &Model, oracle: &dyn PolicyOracle) -> Result<Lockout, BTreeSet<Need>> {
    let [old, new] = [before, after].map(|model| Sight { model, oracle });
    let mut everybody = BTreeSet::new();
    if let Some(way) = find_way(&new, &mut everybody)? {
        return Ok(Lockout { outcome: Outcome::Safe, way: Some(way), superusers: Vec::new(), count: 0 });
    }
    let outcome = match find_way(&old, &mut everybody)? {
        Some(_) => Outcome::LocksOut,
        None => Outcome::LockedBefore,
    };
    let mut named: Vec<(String, Uuid)> = Vec::new();
    for id in everybody {
        let user = after.known(id).map(|user| (after, user)).or_else(|| before.known(id).map(|user| (before, user)));
        named.push((user.map_or_else(|| id.to_string(), |(model, user)| known_as(model, user)), id));
    }
    named.sort_unstable();
    let count = named.len();
    let mut superusers = Vec::new();
    let mut needs = BTreeSet::new();
    for (name, id) in named.into_iter().take(EXPLAINED) {
        match problems(&old, &new, id) {
            Ok(problems) => superusers.push(Superuser { id, name, problems }),
            Err(need) => drop(needs.insert(need)),
        }
    }
    if needs.is_empty() { Ok(Lockout { outcome, way: None, superusers, count }) } else { Err(needs) }
}

/// The first superuser's way in, if there is one. Adds the superusers who were looked at.
fn find_way(sight: &Sight<'_>, everybody: &mut BTreeSet<Uuid>) -> Result<Option<Way>, BTreeSet<Need>> {
    let mut needs = BTreeSet::new();
    for user in superusers(sight.model)? {
        everybody.insert(user);
        match sight.attempt(user) {
            Ok(Attempt { way: Some(assuming), .. }) => {
                let user = sight.model.known(user).map(|user| known_as(sight.model, user)).unwrap_or_default();
                return Ok(Some(Way { user, assuming }));
            }
            Ok(_) => {}
            Err(need) => drop(needs.insert(need)),
        }
    }
    if needs.is_empty() { Ok(None) } else { Err(needs) }
}

/// The members of the superuser groups and of the groups below them.
fn superusers(model: &Model) -> Result<BTreeSet<Uuid>, BTreeSet<Need>> {
    let single = |need| BTreeSet::from([need]);
    let mut found = BTreeSet::new();
    let mut needs = BTreeSet::new();
    let Some(kind) = model.registry().find(User::NAME).map(|info| info.index) else { return Ok(found) };
    for group in superuser_groups(model).map_err(single)? {
        for group in with_groups_below(model, group).map_err(single)? {
            match model.referrers(kind, "groups", group) {
                Ok(users) => found.extend(users),
                Err(need) => drop(needs.insert(need)),
            }
        }
    }
    if needs.is_empty() { Ok(found) } else { Err(needs) }
}

/// Why a superuser cannot sign in, and what of it is new.
fn problems(old: &Sight<'_>, new: &Sight<'_>, user: Uuid) -> Result<Vec<Problem>, Need> {
    let (then, now) = (old.attempt(user)?.obstacles, new.attempt(user)?.obstacles);
    let mut problems = Vec::new();
    for obstacle in now {
        let by_this_plan = !then.contains(&obstacle);
        let lost: Vec<String> = match obstacle.unproven {
            Some(flow) => old.proofs(flow)?.difference(&new.proofs(flow)?).cloned().collect(),
            None => Vec::new(),
        };
        let mut add = |words: String| {
            if !problems.iter().any(|problem: &Problem| problem.words == words) {
                problems.push(Problem { words, by_this_plan });
            }
        };
        match (lost.is_empty(), obstacle.unproven) {
            (false, Some(flow)) => {
                let flow = new.slug(flow);
                add(format!("the flow `{flow}` has no {} any more", lost.join(" and no ")));
            }
            _ => add(obstacle.words),
        }
    }
    Ok(problems)
}
