//! Who gains and who loses access: the decision about every user on two models, for whatever of applications and flows
//! the difference between the models touches.
//!
//! Bindings of groups and users are decided exactly. What a policy says only when a request is there is reported as
//! depending on that policy (see [`access`](crate::policies::access)); who such a report calls a gain or a loss has
//! surely gained or lost. Inactive accounts have no access to anything.

mod affected;
mod render;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    flows::flow::Flow,
    model::{Kind, Model, Need, Object},
    policies::access::{
        Crowd, People, PolicyOracle, Rule, UserSet, Verdict, Verdicts, Who, bindings, decide, known_as,
    },
};

pub use render::{render_markdown, render_text};

/// The version of the JSON that this build writes. Fields may be added within a version, none is removed or changes
/// its meaning.
pub const VERSION: u32 = 1;

/// How a report is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many people each list names at most. The counts are exact all the same.
    pub limit: usize,
    /// Names that come from the environment or a file and are not to be printed.
    pub hidden: BTreeSet<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options { limit: 50, hidden: BTreeSet::new() }
    }
}

/// What a change does to people's access.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Impact {
    /// Version of the shape, [`VERSION`].
    pub version: u32,
    /// Accounts that come, go, open or close.
    pub accounts: Accounts,
    /// Applications and flows for which something changes: applications first, then by name.
    pub targets: Vec<TargetImpact>,
}

/// Accounts that come, go, open or close.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Accounts {
    /// New accounts.
    pub created: Names,
    /// Accounts that are deleted.
    pub deleted: Names,
    /// Accounts that become active.
    pub enabled: Names,
    /// Accounts that become inactive.
    pub disabled: Names,
}

/// A list of names that may be cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Names {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub names: Vec<String>,
}

/// What a change does to one application or flow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetImpact {
    /// Id.
    pub id: Uuid,
    /// Kind name.
    pub kind: &'static str,
    /// Title of the kind.
    pub title: &'static str,
    /// Name.
    pub name: String,
    /// Slug, which unlike the name is unique.
    pub slug: String,
    /// Whether the target itself comes or goes.
    pub existence: Existence,
    /// Access before; none when the target is new.
    pub before: Option<Access>,
    /// Access after; none when the target is deleted.
    pub after: Option<Access>,
    /// People who had surely no access and surely have it.
    pub gains: PeopleList,
    /// People who surely had access and surely have none.
    pub loses: PeopleList,
    /// People whose access depends on a policy and did not.
    pub begins_to_depend: PeopleList,
    /// People whose access depended on a policy and does no longer, though their account stays active.
    pub ceases_to_depend: PeopleList,
    /// Number of people whose access depends on policies before and after.
    pub still_depends: usize,
    /// The policies that were not evaluated, by name.
    pub depends_on: Vec<Dependency>,
}

/// Whether a target comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Existence {
    /// It is there before and after.
    Stays,
    /// It is new.
    Created,
    /// It is deleted.
    Deleted,
}

/// Access to one target in one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// Active users.
    pub users: usize,
    /// Those who surely have access.
    pub allowed: usize,
    /// Those whose access depends on policies that were not evaluated.
    pub depends: usize,
    /// Whether nothing is bound.
    pub open: bool,
}

/// A list of people that may be cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PeopleList {
    /// How many there are.
    pub count: usize,
    /// The first of them by name.
    pub people: Vec<Person>,
}

/// One person and what changes for them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Person {
    /// Id.
    pub id: Uuid,
    /// User name.
    pub name: String,
    /// Before.
    pub before: Side,
    /// After.
    pub after: Side,
}

/// One person's access in one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, with names between backticks.
    pub reasons: Vec<String>,
}

/// A policy that was not evaluated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dependency {
    /// Id.
    pub id: Uuid,
    /// Kind name.
    pub kind: &'static str,
    /// Title of the kind.
    pub title: &'static str,
    /// Name.
    pub name: String,
    /// Whether it matters before.
    pub before: bool,
    /// Whether it matters after.
    pub after: bool,
    /// Whether the policy itself changes.
    pub changes: bool,
}

/// Compares everybody's access on two models.
///
/// Users and groups are needed whole, but only when the difference touches an application's or flow's bindings, the
/// groups or the people in them, or a policy.
///
/// # Errors
/// What must be loaded first, in both models.
pub fn impact(
    before: &Model,
    after: &Model,
    oracle: &dyn PolicyOracle,
    options: &Options,
) -> Result<Impact, BTreeSet<Need>> {
    let difference = affected::Difference::of(before, after);
    let accounts = difference.accounts(options);
    let mut impact = Impact { version: VERSION, accounts, targets: Vec::new() };
    let targets = difference.targets(oracle)?;
    if targets.is_empty() {
        return Ok(impact);
    }
    let people = People::of(&[before, after]).map_err(|need| BTreeSet::from([need]))?;
    let mut comparison = Comparison {
        sides: [Sight::new(before, &people, oracle)?, Sight::new(after, &people, oracle)?],
        people: &people,
        changed: &difference.policies,
        options,
    };
    for target in targets {
        impact.targets.extend(comparison.compare(target).map_err(|need| BTreeSet::from([need]))?);
    }
    let rank = |target: &TargetImpact| (target.kind == Flow::NAME, target.name.clone(), target.slug.clone());
    impact.targets.sort_by_key(rank);
    Ok(impact)
}

/// One model and everybody in it.
struct Sight<'a> {
    model: &'a Model,
    oracle: &'a dyn PolicyOracle,
    crowd: Crowd<'a>,
    active: UserSet,
}

impl<'a> Sight<'a> {
    fn new(model: &'a Model, people: &'a People, oracle: &'a dyn PolicyOracle) -> Result<Self, BTreeSet<Need>> {
        let crowd = Crowd::new(model, people, oracle);
        let active = crowd.active().map_err(|need| BTreeSet::from([need]))?;
        Ok(Sight { model, oracle, crowd, active })
    }

    /// Who has access, as far as the target is there.
    fn verdicts(&mut self, target: Uuid, len: usize) -> Result<Verdicts, Need> {
        let Some(object) = self.model.known(target) else { return Ok(Verdicts::uniform(len, Verdict::Denied)) };
        let bound = self.crowd.decide(object)?;
        let entry = match entry(self.model, object) {
            Entry::Everybody => Verdicts::uniform(len, Verdict::Allowed),
            Entry::Superusers => Verdicts::exactly(self.crowd.superusers()?),
            Entry::Redirected => Verdicts::uniform(len, Verdict::Depends),
            Entry::Outposts => Verdicts::uniform(len, Verdict::Denied),
        };
        Ok(bound.and(&entry).and(&Verdicts::exactly(self.active.clone())))
    }

    fn access(&self, target: Uuid, verdicts: &Verdicts) -> Result<Option<Access>, Need> {
        let Some(object) = self.model.known(target) else { return Ok(None) };
        Ok(Some(Access {
            users: self.active.count(),
            allowed: verdicts.sure.count(),
            depends: verdicts.depending().count(),
            open: bindings(self.model, object)?.is_empty() && entry(self.model, object) == Entry::Everybody,
        }))
    }

    /// One person's access and why it is so.
    fn side(&self, target: Uuid, at: usize, user: Uuid, verdict: Verdict) -> Result<Side, Need> {
        let model = self.model;
        let Some(object) = model.known(target) else { return Ok(Side { verdict, reasons: Vec::new() }) };
        let alone = |words: &str| Ok(Side { verdict, reasons: vec![words.to_owned()] });
        if model.known(user).is_none() {
            return alone("no account");
        }
        if !self.active.contains(at) {
            return alone("the account is inactive");
        }
        let decision = decide(model, object, Who::User(user), self.oracle)?;
        // What the flow asks for matters when the bindings alone would have said something else.
        if decision.verdict != verdict {
            match entry(model, object) {
                Entry::Superusers => return alone("only superusers may start the flow"),
                Entry::Outposts => return alone("only outposts may start the flow"),
                Entry::Redirected => return alone("depends on a redirect from another flow"),
                Entry::Everybody => {}
            }
        }
        Ok(Side { verdict, reasons: decision.reasons.into_iter().map(|reason| reason.words).collect() })
    }
}

/// Whom a target lets in before its bindings are asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Everybody,
    Superusers,
    /// People who are sent by another flow.
    Redirected,
    Outposts,
}

fn entry(model: &Model, target: &Object) -> Entry {
    if model.registry().get(target.kind).name != Flow::NAME {
        return Entry::Everybody;
    }
    match target.attrs.get("authentication").and_then(Value::as_str) {
        Some("require_superuser") => Entry::Superusers,
        Some("require_redirect") => Entry::Redirected,
        Some("require_outpost") => Entry::Outposts,
        // Everybody can sign in or out, so the other two keep nobody away.
        _ => Entry::Everybody,
    }
}

struct Comparison<'a> {
    sides: [Sight<'a>; 2],
    people: &'a People,
    changed: &'a BTreeSet<Uuid>,
    options: &'a Options,
}

impl Comparison<'_> {
    /// What changes for one target; nothing when nothing does.
    fn compare(&mut self, target: Uuid) -> Result<Option<TargetImpact>, Need> {
        let len = self.people.len();
        let [old, new] = &mut self.sides;
        let (before, after) = (old.verdicts(target, len)?, new.verdicts(target, len)?);
        let [old, new] = &self.sides;
        let (there, stays) = (old.model.known(target), new.model.known(target));
        let (existence, model, object) = match (there, stays) {
            (_, Some(object)) if there.is_none() => (Existence::Created, new.model, object),
            (_, Some(object)) => (Existence::Stays, new.model, object),
            (Some(object), None) => (Existence::Deleted, old.model, object),
            (None, None) => return Ok(None),
        };
        let (depended, depends) = (before.depending(), after.depending());
        let list = |set: UserSet| self.list(target, &set, &before, &after);
        let gains = list(after.sure.clone().minus(&before.possible))?;
        let loses = list(before.sure.clone().minus(&after.possible))?;
        let begins_to_depend = list(depends.clone().minus(&depended))?;
        // Of who goes or is disabled, nobody asks any more what it would have depended on.
        let ceases_to_depend = list(depended.clone().minus(&depends).and(&new.active))?;
        let still_depends = depended.clone().and(&depends).count();
        let depends_on = self.dependencies(target, depended.count() > 0, depends.count() > 0)?;
        let lists = [&gains, &loses, &begins_to_depend, &ceases_to_depend];
        let nothing = existence == Existence::Stays
            && lists.iter().all(|list| list.count == 0)
            && depends_on.iter().all(|policy| policy.before == policy.after && !policy.changes);
        if nothing {
            return Ok(None);
        }
        let kind = model.registry().get(object.kind);
        Ok(Some(TargetImpact {
            id: target,
            kind: kind.name,
            title: kind.title,
            name: self.options.masked(&known_as(model, object)),
            slug: self.options.masked(&object.text("slug").unwrap_or_default()),
            existence,
            before: old.access(target, &before)?,
            after: new.access(target, &after)?,
            gains,
            loses,
            begins_to_depend,
            ceases_to_depend,
            still_depends,
            depends_on,
        }))
    }

    fn list(&self, target: Uuid, set: &UserSet, before: &Verdicts, after: &Verdicts) -> Result<PeopleList, Need> {
        let mut people = Vec::new();
        for at in set.iter().take(self.options.limit) {
            let Some((name, id)) = self.people.get(at) else { continue };
            let side = |sight: &Sight<'_>, verdicts: &Verdicts| {
                let mut side = sight.side(target, at, id, verdicts.of(at))?;
                side.reasons.iter_mut().for_each(|reason| *reason = self.options.masked_words(reason));
                Ok(side)
            };
            people.push(Person {
                id,
                name: self.options.masked(name),
                before: side(&self.sides[0], before)?,
                after: side(&self.sides[1], after)?,
            });
        }
        Ok(PeopleList { count: set.count(), people })
    }

    /// The policies that keep a target's verdicts from being known.
    fn dependencies(&self, target: Uuid, before: bool, after: bool) -> Result<Vec<Dependency>, Need> {
        let mut found: BTreeMap<Uuid, Dependency> = BTreeMap::new();
        for (at, matters) in [before, after].into_iter().enumerate() {
            let Sight { model, oracle, .. } = &self.sides[at];
            let Some(object) = model.known(target).filter(|_| matters) else { continue };
            for bound in bindings(model, object)? {
                let Rule::Policy(id) = bound.rule else { continue };
                let Some(policy) = model.known(id) else { continue };
                if !affected::undecided(model, object, policy, *oracle)? {
                    continue;
                }
                let kind = model.registry().get(policy.kind);
                let entry = found.entry(id).or_insert_with(|| Dependency {
                    id,
                    kind: kind.name,
                    title: kind.title,
                    name: self.options.masked(&known_as(model, policy)),
                    before: false,
                    after: false,
                    changes: self.changed.contains(&id),
                });
                *(if at == 0 { &mut entry.before } else { &mut entry.after }) = true;
            }
        }
        let mut found: Vec<Dependency> = found.into_values().collect();
        found.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        Ok(found)
    }
}

impl Options {
    /// A name, unless it is not to be printed.
    fn masked(&self, name: &str) -> String {
        if self.hidden.contains(name) { "(secret)".to_owned() } else { name.to_owned() }
    }

    /// Words in which names stand between backticks.
    fn masked_words(&self, words: &str) -> String {
        if self.hidden.is_empty() {
            return words.to_owned();
        }
        // A backtick in a name would make the parts uneven.
        let ticked = self.hidden.iter().filter(|hidden| hidden.contains('`'));
        let words = ticked.fold(words.to_owned(), |words, hidden| words.replace(hidden.as_str(), "(secret)"));
        let parts = words.split('`').enumerate();
        let parts = parts.map(|(at, part)| if at % 2 == 1 { self.masked(part) } else { part.to_owned() });
        parts.collect::<Vec<_>>().join("`")
    }

    fn names(&self, mut names: Vec<String>) -> Names {
        names.sort_unstable();
        let first = names.iter().take(self.limit).map(|name| self.masked(name)).collect();
        Names { count: names.len(), names: first }
    }
}
