//! The decision for everybody at once: sets of users for each binding instead of one user after another.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    Bound, PolicyOracle, Question, Rule, UserSet, Verdict, Who, bindings, flag, known_as, needs_all, passes_unbound,
    user_kind,
};
use crate::{
    identity::membership::{superuser_groups, with_groups_below},
    model::{Model, Need, Object},
};

/// The users of one or several models by position, ordered by name, so that sets of several models can be compared.
#[derive(Debug)]
pub struct People {
    list: Vec<(String, Uuid)>,
    positions: HashMap<Uuid, usize>,
}

impl People {
    /// Everybody who is in one of the models; who is renamed goes by the name in the last one.
    ///
    /// # Errors
    /// The need for all users.
    pub fn of(models: &[&Model]) -> Result<People, Need> {
        let mut names: HashMap<Uuid, String> = HashMap::new();
        for model in models {
            let Some(kind) = user_kind(model) else { continue };
            names.extend(model.of_kind(kind)?.map(|user| (user.id, known_as(model, user))));
        }
        let mut list: Vec<(String, Uuid)> = names.into_iter().map(|(id, name)| (name, id)).collect();
        list.sort_unstable();
        let positions = list.iter().enumerate().map(|(at, (_, id))| (*id, at)).collect();
        Ok(People { list, positions })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Name and id of the user at a position.
    pub fn get(&self, at: usize) -> Option<(&str, Uuid)> {
        self.list.get(at).map(|(name, id)| (name.as_str(), *id))
    }

    /// The position of a user.
    pub fn position(&self, user: Uuid) -> Option<usize> {
        self.positions.get(&user).copied()
    }
}

/// Who passes: surely, and perhaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdicts {
    /// Those who surely pass.
    pub sure: UserSet,
    /// Those who may pass; who surely passes is among them.
    pub possible: UserSet,
}

impl Verdicts {
    /// The same for everybody of `len`.
    pub fn uniform(len: usize, verdict: Verdict) -> Verdicts {
        let set = |full| if full { UserSet::all(len) } else { UserSet::none(len) };
        Verdicts { sure: set(verdict == Verdict::Allowed), possible: set(verdict != Verdict::Denied) }
    }

    /// Surely those of a set, and nobody else.
    pub fn exactly(set: UserSet) -> Verdicts {
        Verdicts { sure: set.clone(), possible: set }
    }

    /// The verdict about one.
    pub fn of(&self, at: usize) -> Verdict {
        match (self.sure.contains(at), self.possible.contains(at)) {
            (true, _) => Verdict::Allowed,
            (false, true) => Verdict::Depends,
            (false, false) => Verdict::Denied,
        }
    }

    /// Those about whom only a request tells.
    pub fn depending(&self) -> UserSet {
        self.possible.clone().minus(&self.sure)
    }

    /// Who passes both.
    pub fn and(self, other: &Verdicts) -> Verdicts {
        Verdicts { sure: self.sure.and(&other.sure), possible: self.possible.and(&other.possible) }
    }

    /// Who passes either.
    pub fn or(self, other: &Verdicts) -> Verdicts {
        Verdicts { sure: self.sure.or(&other.sure), possible: self.possible.or(&other.possible) }
    }

    /// Who passes when verdicts are turned round.
    pub fn negated(self) -> Verdicts {
        Verdicts { sure: self.possible.complement(), possible: self.sure.complement() }
    }
}

/// Everybody in one model, with the members of groups worked out once.
pub struct Crowd<'a> {
    model: &'a Model,
    people: &'a People,
    oracle: &'a dyn PolicyOracle,
    members: HashMap<Uuid, UserSet>,
}

impl<'a> Crowd<'a> {
    /// The people in a state, and who says what policies say.
    pub fn new(model: &'a Model, people: &'a People, oracle: &'a dyn PolicyOracle) -> Self {
        Crowd { model, people, oracle, members: HashMap::new() }
    }

    /// The users with an active account.
    ///
    /// # Errors
    /// The need for all users.
    pub fn active(&self) -> Result<UserSet, Need> {
        let mut set = UserSet::none(self.people.len());
        if let Some(kind) = user_kind(self.model) {
            let active = self.model.of_kind(kind)?.filter(|user| flag(user, "is_active"));
            active.filter_map(|user| self.people.position(user.id)).for_each(|at| set.insert(at));
        }
        Ok(set)
    }

    /// The members of a group and of the groups below it.
    ///
    /// # Errors
    /// What the model does not hold of users and groups.
    pub fn members(&mut self, group: Uuid) -> Result<UserSet, Need> {
        if let Some(known) = self.members.get(&group) {
            return Ok(known.clone());
        }
        let mut set = UserSet::none(self.people.len());
        if let Some(kind) = user_kind(self.model) {
            for group in with_groups_below(self.model, group)? {
                let users = self.model.referrers(kind, "groups", group)?;
                users.into_iter().filter_map(|user| self.people.position(user)).for_each(|at| set.insert(at));
            }
        }
        self.members.insert(group, set.clone());
        Ok(set)
    }

    /// The superusers.
    ///
    /// # Errors
    /// What the model does not hold of users and groups.
    pub fn superusers(&mut self) -> Result<UserSet, Need> {
        let mut set = UserSet::none(self.people.len());
        for group in superuser_groups(self.model)? {
            set = set.or(&self.members(group)?);
        }
        Ok(set)
    }

    /// The decision of [`decide`](super::decide) for everybody.
    ///
    /// # Errors
    /// What the model does not hold of users and groups.
    pub fn decide(&mut self, target: &Object) -> Result<Verdicts, Need> {
        let bindings = bindings(self.model, target)?;
        if bindings.is_empty() {
            return Ok(Verdicts::uniform(self.people.len(), Verdict::known(passes_unbound(self.model, target))));
        }
        let all = needs_all(target);
        let mut result = Verdicts::uniform(self.people.len(), Verdict::known(all));
        for bound in &bindings {
            let verdicts = self.judge(target, bound)?;
            result = if all { result.and(&verdicts) } else { result.or(&verdicts) };
        }
        Ok(result)
    }

    fn judge(&mut self, target: &Object, bound: &Bound) -> Result<Verdicts, Need> {
        let set = match bound.rule {
            Rule::Policy(policy) => return self.judge_policy(target, bound, policy),
            Rule::Group(group) => self.members(group)?,
            Rule::User(user) => {
                let mut set = UserSet::none(self.people.len());
                if let Some(at) = self.people.position(user) {
                    set.insert(at);
                }
                set
            }
            Rule::Nothing => UserSet::none(self.people.len()),
        };
        let verdicts = Verdicts::exactly(set);
        Ok(if bound.negate { verdicts.negated() } else { verdicts })
    }

    fn judge_policy(&self, target: &Object, bound: &Bound, policy: Uuid) -> Result<Verdicts, Need> {
        let len = self.people.len();
        let Some(object) = self.model.get(policy)? else {
            return Ok(Verdicts::uniform(len, Verdict::known(bound.negate)));
        };
        let question = Question { model: self.model, target, policy: object };
        if let Some(outcome) = self.oracle.for_all(&question)? {
            return Ok(Verdicts::uniform(len, bound.verdict_of(outcome)));
        }
        let mut verdicts = Verdicts::uniform(len, Verdict::Denied);
        for (at, (_, user)) in self.people.list.iter().enumerate() {
            // Who is only in another model has no verdict here.
            if self.model.known(*user).is_none() {
                continue;
            }
            let verdict = bound.verdict_of(self.oracle.for_one(&question, Who::User(*user))?);
            if verdict != Verdict::Denied {
                verdicts.possible.insert(at);
            }
            if verdict == Verdict::Allowed {
                verdicts.sure.insert(at);
            }
        }
        Ok(verdicts)
    }
}
