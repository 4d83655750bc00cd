//! Small random systems, and the rules of access written down a second time: one user after another, by the text.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use gatewright::{
    model::{Model, Need, Object, Registry},
    policies::access::{Outcome, PolicyOracle, Question, Verdict, Who},
    registry::registry,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

static REGISTRY: LazyLock<Arc<Registry>> = LazyLock::new(|| Arc::new(registry().expect("the declarations agree")));

pub const USERS: usize = 9;
pub const GROUPS: usize = 6;
pub const TARGETS: usize = 4;
pub const POLICIES: usize = 5;
const BINDINGS: usize = 8;

/// A group: its parent, which has a lower number, and whether it makes superusers.
#[derive(Clone, Debug)]
pub struct Group {
    pub parent: Option<usize>,
    pub superuser: bool,
}

#[derive(Clone, Debug)]
pub struct User {
    pub groups: Vec<usize>,
    pub active: bool,
}

/// An application, or a flow for superusers.
#[derive(Clone, Debug)]
pub struct Target {
    pub all: bool,
}

#[derive(Clone, Debug)]
pub enum Rule {
    Policy(usize),
    Group(usize),
    User(usize),
}

#[derive(Clone, Debug)]
pub struct Binding {
    pub target: usize,
    pub rule: Rule,
    pub negate: bool,
    pub enabled: bool,
    pub failure_result: bool,
}

/// What there is; nothing where something is gone.
#[derive(Clone, Debug)]
pub struct World {
    pub groups: Vec<Option<Group>>,
    pub users: Vec<Option<User>>,
    pub targets: Vec<Option<Target>>,
    pub bindings: Vec<Option<Binding>>,
}

#[derive(Clone, Debug)]
pub enum Edit {
    Group(usize, Option<Group>),
    User(usize, Option<User>),
    Target(usize, Option<Target>),
    Binding(usize, Option<Binding>),
}

fn group() -> impl Strategy<Value = Option<Group>> {
    prop::option::weighted(
        0.9,
        (prop::option::of(0..GROUPS), prop::bool::weighted(0.2))
            .prop_map(|(parent, superuser)| Group { parent, superuser }),
    )
}

fn user() -> impl Strategy<Value = Option<User>> {
    prop::option::weighted(
        0.9,
        (prop::collection::vec(0..GROUPS, 0..3), prop::bool::weighted(0.9))
            .prop_map(|(groups, active)| User { groups, active }),
    )
}

fn target() -> impl Strategy<Value = Option<Target>> {
    prop::option::weighted(0.95, prop::bool::ANY.prop_map(|all| Target { all }))
}

fn binding() -> impl Strategy<Value = Option<Binding>> {
    let rule = prop_oneof![
        2 => (0..POLICIES).prop_map(Rule::Policy),
        3 => (0..GROUPS).prop_map(Rule::Group),
        1 => (0..USERS).prop_map(Rule::User),
    ];
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.8), prop::bool::ANY);
    let some = (0..TARGETS, rule, flags).prop_map(|(target, rule, (negate, enabled, failure_result))| Binding {
        target,
        rule,
        negate,
        enabled,
        failure_result,
    });
    prop::option::weighted(0.8, some)
}

pub fn world() -> impl Strategy<Value = World> {
    use prop::collection::vec;
    (vec(group(), GROUPS), vec(user(), USERS), vec(target(), TARGETS), vec(binding(), BINDINGS))
        .prop_map(|(groups, users, targets, bindings)| World { groups, users, targets, bindings })
}

pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        (0..GROUPS, group()).prop_map(|(at, group)| Edit::Group(at, group)),
        (0..USERS, user()).prop_map(|(at, user)| Edit::User(at, user)),
        (0..TARGETS, target()).prop_map(|(at, target)| Edit::Target(at, target)),
        (0..BINDINGS, binding()).prop_map(|(at, binding)| Edit::Binding(at, binding)),
    ];
    prop::collection::vec(edit, 0..4)
}

pub fn id(scope: u8, at: usize) -> Uuid {
    Uuid::from_u128((u128::from(scope) << 64) + at as u128 + 1)
}

pub fn user_id(at: usize) -> Uuid {
    id(2, at)
}

pub fn target_id(at: usize) -> Uuid {
    id(3, at)
}

fn policy_id(at: usize) -> Uuid {
    id(4, at)
}

/// Whether a target of the number is the flow for superusers.
pub fn is_flow(target: usize) -> bool {
    target == TARGETS - 1
}

impl World {
    pub fn edited(&self, edits: &[Edit]) -> World {
        let mut world = self.clone();
        for edit in edits.iter().cloned() {
            match edit {
                Edit::Group(at, group) => world.groups[at] = group,
                Edit::User(at, user) => world.users[at] = user,
                Edit::Target(at, target) => world.targets[at] = target,
                Edit::Binding(at, binding) => world.bindings[at] = binding,
            }
        }
        world
    }

    pub fn model(&self) -> Model {
        let registry = &*REGISTRY;
        let mut model = Model::empty(registry.clone());
        let put = |model: &mut Model, object: Object| model.put(Arc::new(object));
        for at in 0..POLICIES {
            let kind =
                ["authentik_policies_dummy.dummypolicy", "authentik_policies_expression.expressionpolicy"][at / 2 % 2];
            let attrs = json!({ "name": format!("policy {at}"), "result": at == 0 });
            put(&mut model, object(registry, kind, policy_id(at), attrs, &[]));
        }
        for (at, group) in self.groups.iter().enumerate() {
            let Some(group) = group else { continue };
            // Parents have lower numbers, so that nothing goes in circles.
            let parent = group.parent.filter(|parent| *parent < at).map(|parent| id(1, parent));
            let attrs = json!({ "name": format!("group {at}"), "is_superuser": group.superuser });
            let edges: &[(&'static str, Vec<Uuid>)] = &[("parent", parent.into_iter().collect())];
            put(&mut model, object(registry, "authentik_core.group", id(1, at), attrs, edges));
        }
        for (at, user) in self.users.iter().enumerate() {
            let Some(user) = user else { continue };
            let attrs = json!({ "username": format!("user {at}"), "name": "", "is_active": user.active });
            let groups = user.groups.iter().map(|group| id(1, *group)).collect();
            put(&mut model, object(registry, "authentik_core.user", user_id(at), attrs, &[("groups", groups)]));
        }
        for (at, target) in self.targets.iter().enumerate() {
            let Some(target) = target else { continue };
            let mode = if target.all { "all" } else { "any" };
            let attrs = json!({
                "name": format!("target {at}"), "slug": format!("target-{at}"), "policy_engine_mode": mode,
                "authentication": "require_superuser",
            });
            let kind = if is_flow(at) { "authentik_flows.flow" } else { "authentik_core.application" };
            put(&mut model, object(registry, kind, target_id(at), attrs, &[]));
        }
        for (at, binding) in self.bindings.iter().enumerate() {
            let Some(binding) = binding.as_ref().filter(|binding| self.targets[binding.target].is_some()) else {
                continue;
            };
            let rule = match binding.rule {
                Rule::Policy(at) => ("policy", vec![policy_id(at)]),
                Rule::Group(at) => ("group", vec![id(1, at)]),
                Rule::User(at) => ("user", vec![user_id(at)]),
            };
            let attrs = json!({
                "negate": binding.negate, "enabled": binding.enabled, "failure_result": binding.failure_result, "order": at,
            });
            let edges = [("target", vec![target_id(binding.target)]), rule];
            put(&mut model, object(registry, "authentik_policies.policybinding", id(5, at), attrs, &edges));
        }
        model
    }

    /// The bindings of a target that count.
    pub fn bound(&self, target: usize) -> Vec<&Binding> {
        self.bindings.iter().flatten().filter(|binding| binding.target == target && binding.enabled).collect()
    }

    fn is_member(&self, user: usize, group: usize) -> bool {
        if self.groups[group].is_none() {
            return false;
        }
        let direct = self.users[user].as_ref().is_some_and(|user| user.groups.contains(&group));
        let child = |at: usize, child: &Option<Group>| {
            child.as_ref().is_some_and(|child| child.parent == Some(group) && group < at)
        };
        direct || (0..GROUPS).any(|at| child(at, &self.groups[at]) && self.is_member(user, at))
    }

    pub fn is_superuser(&self, user: usize) -> bool {
        (0..GROUPS).any(|at| self.groups[at].as_ref().is_some_and(|group| group.superuser) && self.is_member(user, at))
    }

    /// What the bindings alone say of a user.
    pub fn by_bindings(&self, target: usize, user: usize) -> Verdict {
        let verdicts: Vec<Verdict> = self
            .bound(target)
            .into_iter()
            .map(|binding| {
                let verdict = match binding.rule {
                    Rule::Group(group) => Verdict::known(self.is_member(user, group)),
                    Rule::User(at) => Verdict::known(at == user),
                    Rule::Policy(policy) => match outcome(policy, user) {
                        Outcome::Pass => Verdict::Allowed,
                        Outcome::Fail => Verdict::Denied,
                        Outcome::Depends => Verdict::Depends,
                        Outcome::Broken => return Verdict::known(binding.failure_result),
                    },
                };
                match (binding.negate, verdict) {
                    (true, Verdict::Allowed) => Verdict::Denied,
                    (true, Verdict::Denied) => Verdict::Allowed,
                    (_, verdict) => verdict,
                }
            })
            .collect();
        let any = |wanted: Verdict| verdicts.contains(&wanted);
        match self.targets[target].as_ref().is_some_and(|target| target.all) {
            _ if verdicts.is_empty() => Verdict::Allowed,
            true if any(Verdict::Denied) => Verdict::Denied,
            true if any(Verdict::Depends) => Verdict::Depends,
            true => Verdict::Allowed,
            false if any(Verdict::Allowed) => Verdict::Allowed,
            false if any(Verdict::Depends) => Verdict::Depends,
            false => Verdict::Denied,
        }
    }

    /// Whether a user is there and active.
    pub fn is_active(&self, user: usize) -> bool {
        self.users[user].as_ref().is_some_and(|user| user.active)
    }

    /// Whether an active user has access.
    pub fn access(&self, target: usize, user: usize) -> Verdict {
        let there = self.targets[target].is_some();
        let active = self.is_active(user);
        let enters = !is_flow(target) || self.is_superuser(user);
        if there && active && enters { self.by_bindings(target, user) } else { Verdict::Denied }
    }
}

/// Policy 4 says something else to each user, the others the same to all.
fn outcome(policy: usize, user: usize) -> Outcome {
    match policy {
        0 => Outcome::Pass,
        1 => Outcome::Fail,
        2 => Outcome::Depends,
        3 => Outcome::Broken,
        _ => [Outcome::Pass, Outcome::Fail, Outcome::Broken, Outcome::Depends][user % 4],
    }
}

/// Says what the random systems' policies say.
pub struct Told;

impl Told {
    fn number(question: &Question<'_>) -> usize {
        (0..POLICIES).find(|at| policy_id(*at) == question.policy.id).expect("a policy of the world")
    }
}

impl PolicyOracle for Told {
    fn for_all(&self, question: &Question<'_>) -> Result<Option<Outcome>, Need> {
        let policy = Told::number(question);
        Ok((policy != 4).then(|| outcome(policy, 0)))
    }

    fn for_one(&self, question: &Question<'_>, who: Who) -> Result<Outcome, Need> {
        let user = (0..USERS).find(|at| who == Who::User(user_id(*at))).expect("a user of the world");
        Ok(outcome(Told::number(question), user))
    }
}

fn object(registry: &Registry, kind: &str, id: Uuid, attrs: Value, edges: &[(&'static str, Vec<Uuid>)]) -> Object {
    let Value::Object(attrs) = attrs else { panic!("attributes are an object") };
    Object {
        id,
        kind: registry.find(kind).expect("a kind").index,
        number: None,
        attrs: Map::from_iter(attrs),
        edges: edges.iter().filter(|(_, targets)| !targets.is_empty()).cloned().collect(),
        secrets: BTreeMap::new(),
        revision: 0,
        created: 0,
        updated: 0,
    }
}
