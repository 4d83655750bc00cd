//! Who may use what: the one function that decides by bindings.
//!
//! Verdicts have three values. What only a request can tell (an address, a password that was typed) is never guessed:
//! the verdict then is [`Verdict::Depends`], with the name of the policy that it depends on. `and`, `or` and `not` are
//! Kleene's: the smaller, the larger and the mirrored value of denied < depends < allowed.
//!
//! [`decide`] answers for one person and says why; [`Crowd`] answers for everybody at once.

mod crowd;
mod oracle;
mod user_set;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::binding::PolicyBinding;
use crate::{
    identity::{membership::DEPTH, notification_rule::NotificationRule, user::User},
    model::{Kind, KindIndex, Model, Need, Object},
};

pub use crowd::{Crowd, People, Verdicts};
pub use oracle::{Outcome, PolicyOracle, Question, WithoutRequest};
pub use user_set::UserSet;

/// What is said about somebody's access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Surely not.
    Denied,
    /// Only a request tells.
    Depends,
    /// Surely.
    Allowed,
}

impl Verdict {
    /// The verdict of something that is known.
    pub fn known(allowed: bool) -> Verdict {
        if allowed { Verdict::Allowed } else { Verdict::Denied }
    }

    /// The opposite; what depends goes on depending.
    pub fn negated(self) -> Verdict {
        match self {
            Verdict::Denied => Verdict::Allowed,
            Verdict::Depends => Verdict::Depends,
            Verdict::Allowed => Verdict::Denied,
        }
    }
}

/// About whom is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Somebody who has not signed in.
    Anonymous,
    /// A user. Whether the account is active is no matter of bindings; whoever signs people in looks at it.
    User(Uuid),
}

/// A verdict and what led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// What led to it, in the order of the bindings; bindings that did not matter are left out.
    pub reasons: Vec<Reason>,
}

/// What one binding contributes to a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The binding; none when there is nothing bound.
    pub binding: Option<Uuid>,
    /// What the binding says.
    pub verdict: Verdict,
    /// Why, in a few words, with names between backticks.
    pub words: String,
}

/// One enabled binding of a target.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// The binding.
    pub id: Uuid,
    /// What it decides by.
    pub rule: Rule,
    /// Whether the verdict is turned round.
    pub negate: bool,
    /// Verdict when the policy breaks.
    pub failure_result: bool,
}

/// What a binding decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A policy.
    Policy(Uuid),
    /// Membership in a group.
    Group(Uuid),
    /// Being a user.
    User(Uuid),
    /// Nothing; such a binding fails.
    Nothing,
}

/// Decides whether somebody passes the bindings of a target: an application, a flow, a stage binding, a source.
///
/// # Errors
/// What the model does not hold of users and groups.
pub fn decide(model: &Model, target: &Object, who: Who, oracle: &dyn PolicyOracle) -> Result<Decision, Need> {
    let bindings = bindings(model, target)?;
    if bindings.is_empty() {
        let (verdict, words) = match passes_unbound(model, target) {
            true => (Verdict::Allowed, "nothing is bound, so it is open to all"),
            false => (Verdict::Denied, "nothing is bound"),
        };
        return Ok(Decision { verdict, reasons: vec![Reason { binding: None, verdict, words: words.to_owned() }] });
    }
    let mut reasons = Vec::with_capacity(bindings.len());
    for bound in &bindings {
        let (verdict, words) = judge(model, target, bound, who, oracle)?;
        reasons.push(Reason { binding: Some(bound.id), verdict, words });
    }
    let verdicts = reasons.iter().map(|reason| reason.verdict);
    let all = needs_all(target);
    let verdict = if all { verdicts.min() } else { verdicts.max() }.unwrap_or(Verdict::Denied);
    // Those of another verdict did not matter: one that passes does not save from `all`, nor one that fails from `any`.
    reasons.retain(|reason| reason.verdict == verdict);
    Ok(Decision { verdict, reasons })
}

/// The enabled bindings of a target in their order.
///
/// # Errors
/// What the model does not hold.
pub fn bindings(model: &Model, target: &Object) -> Result<Vec<Bound>, Need> {
    let Some(kind) = index_of::<PolicyBinding>(model) else { return Ok(Vec::new()) };
    let mut found: Vec<(i64, Bound)> = Vec::new();
    for id in model.referrers(kind, "target", target.id)? {
        let Some(object) = model.known(id).filter(|object| flag(object, "enabled")) else { continue };
        let first = |field: &str| object.targets(field).first().copied();
        let rule = if let Some(policy) = first("policy") {
            Rule::Policy(policy)
        } else if let Some(group) = first("group") {
            Rule::Group(group)
        } else {
            first("user").map_or(Rule::Nothing, Rule::User)
        };
        let order = object.attrs.get("order").and_then(Value::as_i64).unwrap_or_default();
        let (negate, failure_result) = (flag(object, "negate"), flag(object, "failure_result"));
        found.push((order, Bound { id, rule, negate, failure_result }));
    }
    found.sort_by_key(|(order, bound)| (*order, bound.id));
    Ok(found.into_iter().map(|(_, bound)| bound).collect())
}

/// The group by which a user is a member of `group`: `group` itself, or one below it that the user is a direct member of.
///
/// # Errors
/// What the model does not hold of users and groups.
pub fn member_through(model: &Model, user: Uuid, group: Uuid) -> Result<Option<Uuid>, Need> {
    // Whoever is still listed in a group that is gone is a member of nothing.
    let (Some(user), Some(_)) = (model.get(user)?, model.get(group)?) else { return Ok(None) };
    let direct = user.targets("groups");
    if direct.contains(&group) {
        return Ok(Some(group));
    }
    for start in direct {
        let mut at = *start;
        for _ in 0..DEPTH {
            let Some(parent) = model.get(at)?.and_then(|object| object.targets("parent").first()) else { break };
            if *parent == group {
                return Ok(Some(*start));
            }
            at = *parent;
        }
    }
    Ok(None)
}

fn judge(
    model: &Model,
    target: &Object,
    bound: &Bound,
    who: Who,
    oracle: &dyn PolicyOracle,
) -> Result<(Verdict, String), Need> {
    let negate = bound.negate;
    let turned = |passes: bool| Verdict::known(passes != negate);
    Ok(match bound.rule {
        Rule::Policy(policy) => return judge_policy(model, target, bound, policy, who, oracle),
        Rule::Group(group) => {
            let through = match who {
                Who::User(user) => member_through(model, user, group)?,
                Who::Anonymous => None,
            };
            let name = name_of(model, group);
            let words = match (through, negate) {
                (Some(through), _) if through != group => {
                    let through = name_of(model, through);
                    let excluded = if negate { ", whose members are excluded" } else { "" };
                    format!("member of `{name}` through `{through}`{excluded}")
                }
                (Some(_), false) => format!("member of `{name}`"),
                (Some(_), true) => format!("member of `{name}`, whose members are excluded"),
                (None, false) => format!("not a member of `{name}`"),
                (None, true) => format!("not a member of `{name}`, whose members are excluded"),
            };
            (turned(through.is_some()), words)
        }
        Rule::User(user) => {
            let is = who == Who::User(user);
            let name = name_of(model, user);
            let words = match (is, negate) {
                (true, false) => "bound directly".to_owned(),
                (true, true) => "excluded by name".to_owned(),
                (false, false) => format!("not `{name}`, who is bound"),
                (false, true) => format!("not `{name}`, who is excluded"),
            };
            (turned(is), words)
        }
        Rule::Nothing => (turned(false), "the binding names nobody".to_owned()),
    })
}

fn judge_policy(
    model: &Model,
    target: &Object,
    bound: &Bound,
    policy: Uuid,
    who: Who,
    oracle: &dyn PolicyOracle,
) -> Result<(Verdict, String), Need> {
    let Some(object) = model.get(policy)? else {
        return Ok((Verdict::known(bound.negate), "the bound policy is gone".to_owned()));
    };
    let question = Question { model, target, policy: object };
    let outcome = match oracle.for_all(&question)? {
        Some(outcome) => outcome,
        None => oracle.for_one(&question, who)?,
    };
    let kind = model.registry().get(object.kind);
    let (title, name) = (in_sentence(kind.title), known_as(model, object));
    let negated = if bound.negate { ", and the binding is negated" } else { "" };
    let words = match outcome {
        Outcome::Pass => format!("the {title} `{name}` passes{negated}"),
        Outcome::Fail => format!("the {title} `{name}` fails{negated}"),
        Outcome::Depends => format!("depends on the {title} `{name}`"),
        Outcome::Broken if bound.failure_result => format!("the {title} `{name}` breaks, which lets people pass"),
        Outcome::Broken => format!("the {title} `{name}` breaks"),
    };
    Ok((bound.verdict_of(outcome), words))
}

impl Bound {
    /// What the binding makes of a policy's outcome.
    fn verdict_of(&self, outcome: Outcome) -> Verdict {
        let verdict = match outcome {
            Outcome::Pass => Verdict::Allowed,
            Outcome::Fail => Verdict::Denied,
            Outcome::Depends => Verdict::Depends,
            // A failure is not turned round: that would let people pass whenever a negated policy breaks.
            Outcome::Broken => return Verdict::known(self.failure_result),
        };
        if self.negate { verdict.negated() } else { verdict }
    }
}

/// Whether every binding of a target must pass.
fn needs_all(target: &Object) -> bool {
    target.attrs.get("policy_engine_mode").and_then(Value::as_str) == Some("all")
}

/// Whether everybody passes a target to which nothing is bound.
fn passes_unbound(model: &Model, target: &Object) -> bool {
    model.registry().get(target.kind).name != NotificationRule::NAME
}

fn index_of<K: Kind>(model: &Model) -> Option<KindIndex> {
    model.registry().find(K::NAME).map(|info| info.index)
}

fn user_kind(model: &Model) -> Option<KindIndex> {
    index_of::<User>(model)
}

fn flag(object: &Object, field: &str) -> bool {
    object.attrs.get(field).and_then(Value::as_bool).unwrap_or_default()
}

fn name_of(model: &Model, id: Uuid) -> String {
    model.known(id).map_or_else(|| id.to_string(), |object| known_as(model, object))
}

/// What people know an object by: users by what they sign in with, everything else by its name.
pub fn known_as(model: &Model, object: &Object) -> String {
    let username = if Some(object.kind) == user_kind(model) { object.text("username") } else { None };
    username.unwrap_or_else(|| object.name(model.registry().get(object.kind)))
}

/// The title of a kind within a sentence: in small letters, unless its first word is a name.
pub fn in_sentence(title: &str) -> String {
    let first = title.split(' ').next().unwrap_or_default();
    if first.chars().skip(1).any(char::is_uppercase) {
        return title.to_owned();
    }
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |letter| letter.to_lowercase().chain(letters).collect())
}
