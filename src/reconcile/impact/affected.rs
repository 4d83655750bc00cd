//! What of applications and flows the difference of two models touches.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use serde_json::Value;
use uuid::Uuid;

use super::{Accounts, Options};
use crate::{
    flows::flow::Flow,
    identity::{application::Application, group::Group, membership::DEPTH, user::User},
    model::{Family, Kind, KindIndex, Model, Need, Object},
    policies::{
        access::{Outcome, PolicyOracle, Question, known_as},
        binding::PolicyBinding,
    },
};

/// An object before and after.
type Pair<'a> = (Option<&'a Arc<Object>>, Option<&'a Arc<Object>>);

/// What differs between two models, as far as access may care.
pub struct Difference<'a> {
    before: &'a Model,
    after: &'a Model,
    bindings: Vec<Pair<'a>>,
    groups: Vec<Pair<'a>>,
    users: Vec<Pair<'a>>,
    targets: BTreeSet<Uuid>,
    /// Policies that differ.
    pub policies: BTreeSet<Uuid>,
}

impl<'a> Difference<'a> {
    /// Compares what is known in two models.
    pub fn of(before: &'a Model, after: &'a Model) -> Self {
        let mut difference = Difference {
            before,
            after,
            bindings: Vec::new(),
            groups: Vec::new(),
            users: Vec::new(),
            targets: BTreeSet::new(),
            policies: BTreeSet::new(),
        };
        for old in before.objects() {
            match after.known(old.id) {
                // Most objects of an overlay are the very same.
                Some(new) if Arc::ptr_eq(old, new) => {}
                new => difference.add((Some(old), new)),
            }
        }
        for new in after.objects().filter(|new| before.known(new.id).is_none()) {
            difference.add((None, Some(new)));
        }
        difference
    }

    fn add(&mut self, pair: Pair<'a>) {
        let Some(object) = pair.1.or(pair.0) else { return };
        let info = self.after.registry().get(object.kind);
        match info.name {
            PolicyBinding::NAME => {
                let attrs = ["enabled", "negate", "failure_result"];
                if differs(pair, &attrs, &["target", "policy", "group", "user"]) {
                    self.bindings.push(pair);
                }
            }
            Group::NAME if differs(pair, &["is_superuser"], &["parent"]) => self.groups.push(pair),
            User::NAME if differs_at_all(pair) => self.users.push(pair),
            Application::NAME if differs(pair, &["policy_engine_mode"], &[]) => drop(self.targets.insert(object.id)),
            Flow::NAME if differs(pair, &["policy_engine_mode", "authentication"], &[]) => {
                self.targets.insert(object.id);
            }
            _ if info.families.contains(&Family::Policy) && differs_at_all(pair) => {
                self.policies.insert(object.id);
            }
            _ => {}
        }
    }

    /// The accounts that come, go, open or close.
    pub fn accounts(&self, options: &Options) -> Accounts {
        let (mut created, mut deleted, mut enabled, mut disabled) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for pair in &self.users {
            let active = |user: &Object| user.attrs.get("is_active") == Some(&Value::Bool(true));
            match pair {
                (None, Some(new)) => created.push(known_as(self.after, new)),
                (Some(old), None) => deleted.push(known_as(self.before, old)),
                (Some(old), Some(new)) if active(old) != active(new) => {
                    let list = if active(new) { &mut enabled } else { &mut disabled };
                    list.push(known_as(self.after, new));
                }
                _ => {}
            }
        }
        Accounts {
            created: options.names(created),
            deleted: options.names(deleted),
            enabled: options.names(enabled),
            disabled: options.names(disabled),
        }
    }

    /// The applications and flows about which the decision may differ.
    ///
    /// # Errors
    /// All groups, when memberships change.
    pub fn targets(&self, oracle: &dyn PolicyOracle) -> Result<BTreeSet<Uuid>, BTreeSet<Need>> {
        let mut found = self.targets.clone();
        let mut needs = BTreeSet::new();
        let groups = self.groups(&mut needs);
        if !needs.is_empty() {
            return Err(needs);
        }
        let came_or_went = |pair: &Pair<'_>| differs(*pair, &["is_active"], &[]);
        let accounts = self.users.iter().any(came_or_went);
        let superusers = !groups.is_empty() || accounts;
        for (model, side) in [(self.before, 0), (self.after, 1)] {
            let target_of = |binding: &Object| binding.targets("target").first().copied();
            for pair in &self.bindings {
                found.extend([pair.0, pair.1][side].and_then(|binding| target_of(binding)));
            }
            for binding in kind_of::<PolicyBinding>(model).into_iter().flat_map(|kind| model.known_of_kind(kind)) {
                let names = |field: &str, any: &dyn Fn(Uuid) -> bool| binding.targets(field).iter().any(|id| any(*id));
                // Who comes or goes changes nothing that a reviewer wants to read about what is open to all.
                if binding.attrs.get("enabled") != Some(&Value::Bool(true)) {
                    continue;
                }
                let touched = accounts
                    || names("group", &|id| groups.contains(&id))
                    || names("policy", &|id| self.policies.contains(&id))
                    || (!self.users.is_empty() && self.asks_each(model, binding, oracle).map_err(single)?);
                if touched {
                    found.extend(target_of(binding));
                }
            }
            for flow in kind_of::<Flow>(model).into_iter().flat_map(|kind| model.known_of_kind(kind)) {
                if superusers && flow.text("authentication").as_deref() == Some("require_superuser") {
                    found.insert(flow.id);
                }
            }
        }
        let kinds = [Application::NAME, Flow::NAME];
        found.retain(|id| {
            let object = self.after.known(*id).or_else(|| self.before.known(*id));
            object.is_some_and(|object| kinds.contains(&self.after.registry().get(object.kind).name))
        });
        Ok(found)
    }

    /// Whether a binding's policy has to be asked about each user, so that any change of a user may matter to it.
    fn asks_each(&self, model: &Model, binding: &Object, oracle: &dyn PolicyOracle) -> Result<bool, Need> {
        let of = |field: &str| binding.targets(field).first().and_then(|id| model.known(*id));
        let (Some(target), Some(policy)) = (of("target"), of("policy")) else { return Ok(false) };
        Ok(oracle.for_all(&Question { model, target, policy })?.is_none())
    }

    /// The groups that may have other members, or another say about superusers.
    fn groups(&self, needs: &mut BTreeSet<Need>) -> HashSet<Uuid> {
        let mut found = HashSet::new();
        let moved: Vec<&Pair<'_>> = self.users.iter().filter(|pair| differs(**pair, &[], &["groups"])).collect();
        if moved.is_empty() && self.groups.is_empty() {
            return found;
        }
        for (model, side) in [(self.before, 0), (self.after, 1)] {
            if let Some(kind) = kind_of::<Group>(model)
                && let Err(need) = model.of_kind(kind).map(drop)
            {
                needs.insert(need);
                continue;
            }
            // Many people move between few groups, so their ways up are gone once.
            let starts: HashSet<Uuid> = moved
                .iter()
                .filter_map(|pair| [pair.0, pair.1][side])
                .flat_map(|user| user.targets("groups").iter().copied())
                .chain(self.groups.iter().filter_map(|pair| [pair.0, pair.1][side]).map(|group| group.id))
                .collect();
            for start in starts {
                let mut at = start;
                for _ in 0..=DEPTH {
                    found.insert(at);
                    let parent = model.known(at).and_then(|group| group.targets("parent").first());
                    let Some(parent) = parent else { break };
                    at = *parent;
                }
            }
        }
        found
    }
}

/// Whether only a request tells what a policy says of at least somebody, as far as that can be told at once.
///
/// # Errors
/// What the model does not hold.
pub fn undecided(model: &Model, target: &Object, policy: &Object, oracle: &dyn PolicyOracle) -> Result<bool, Need> {
    let outcome = oracle.for_all(&Question { model, target, policy })?;
    Ok(matches!(outcome, None | Some(Outcome::Depends)))
}

fn single(need: Need) -> BTreeSet<Need> {
    BTreeSet::from([need])
}

fn kind_of<K: Kind>(model: &Model) -> Option<KindIndex> {
    model.registry().find(K::NAME).map(|info| info.index)
}

/// Whether an object comes, goes, or has another value in one of the fields. Lists of references are sets.
fn differs(pair: Pair<'_>, attrs: &[&str], edges: &[&str]) -> bool {
    let (Some(old), Some(new)) = pair else { return true };
    let set = |object: &Object, field: &str| object.targets(field).iter().copied().collect::<BTreeSet<_>>();
    attrs.iter().any(|field| old.attrs.get(*field) != new.attrs.get(*field))
        || edges.iter().any(|field| old.targets(field) != new.targets(field) && set(old, field) != set(new, field))
}

/// Whether anything but the bookkeeping of the store differs.
fn differs_at_all(pair: Pair<'_>) -> bool {
    let (Some(old), Some(new)) = pair else { return true };
    old.attrs != new.attrs || old.edges != new.edges || old.secrets != new.secrets
}
