//! Drift that a person decided to leave alone until a date.
//!
//! It counts as long as the declared state is the one that was applied: a new revision is applied in full, since nobody
//! knows whether its author still wants the difference.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::state::Tolerated;
use crate::{
    blueprint::plan::{Action, ObjectChange, Plan, Shown},
    model::Model,
};

/// Takes new decisions over; the later one about the same thing counts.
pub fn add(tolerated: &mut Vec<Tolerated>, new: &[Tolerated]) {
    for one in new {
        tolerated.retain(|other| (&other.kind, &other.name, &other.field) != (&one.kind, &one.name, &one.field));
        tolerated.push(one.clone());
    }
}

/// Drops the decisions whose time is over. Tells whether there were any.
pub fn expire(tolerated: &mut Vec<Tolerated>, now_us: i64) -> bool {
    let before = tolerated.len();
    tolerated.retain(|one| one.until > now_us);
    tolerated.len() != before
}

/// The decision about a field, or about the existence of an object.
pub fn decision<'t>(tolerated: &'t [Tolerated], kind: &str, name: &str, field: Option<&str>) -> Option<&'t Tolerated> {
    tolerated.iter().find(|one| {
        one.kind == kind
            && one.name == name
            && (one.field.is_none() || field.is_some() && one.field.as_deref() == field)
    })
}

/// Takes out of a plan what is tolerated, and what cannot be without it.
pub fn leave(plan: &mut Plan, base: &Model, tolerated: &[Tolerated]) {
    if tolerated.is_empty() {
        return;
    }
    // Objects that stay away, and members whose side of a tolerated membership stays as it is.
    let mut missing: BTreeSet<Uuid> = BTreeSet::new();
    let mut members: BTreeSet<Uuid> = BTreeSet::new();
    for change in &mut plan.changes {
        let object = change.object.clone();
        let decided = |field: Option<&str>| decision(tolerated, &object.kind, &object.name, field).is_some();
        match change.action {
            Action::Update => {
                for diff in change.fields.iter().filter(|diff| decided(Some(&diff.field))) {
                    members.extend(differing(&diff.before, &diff.after));
                }
                leave_fields(change, base, &decided);
            }
            Action::Create if decided(None) => drop(missing.insert(object.id)),
            _ => {}
        }
    }
    let is_left = |change: &ObjectChange| {
        let Named { id, kind, name } = Named::of(change);
        let whole = decision(tolerated, kind, name, None).is_some();
        match change.action {
            Action::Update => change.fields.is_empty() && (!change.implied || members.contains(&id)),
            Action::Create | Action::Delete => whole,
        }
    };
    plan.changes.retain(|change| !is_left(change));
    // What refers to an object that stays away cannot come either.
    loop {
        let before = missing.len();
        for change in &plan.changes {
            let refers = |id: &Uuid| missing.contains(id);
            if change.after.iter().flat_map(|after| after.edges.values().flatten()).any(refers) {
                missing.insert(change.object.id);
            }
        }
        plan.changes.retain(|change| !missing.contains(&change.object.id));
        if missing.len() == before {
            break;
        }
    }
    let creatable = |id: &Uuid| !missing.contains(id) || base.known(*id).is_some();
    plan.ownership.retain(|row| creatable(&row.object));
}

struct Named<'c> {
    id: Uuid,
    kind: &'c str,
    name: &'c str,
}

impl Named<'_> {
    fn of(change: &ObjectChange) -> Named<'_> {
        Named { id: change.object.id, kind: &change.object.kind, name: &change.object.name }
    }
}

/// Gives tolerated fields of a change their present value.
fn leave_fields(change: &mut ObjectChange, base: &Model, decided: &dyn Fn(Option<&str>) -> bool) {
    let (Some(after), Some(present)) = (&change.after, base.known(change.object.id)) else { return };
    let mut object = (**after).clone();
    let mut left = false;
    change.fields.retain(|diff| {
        let field = diff.field.as_str();
        if !decided(Some(field)) {
            return true;
        }
        left = true;
        match present.attrs.get(field) {
            Some(value) => drop(object.attrs.insert(field.to_owned(), value.clone())),
            None => drop(object.attrs.remove(field)),
        }
        let edge = present.edges.get_key_value(field).or(after.edges.get_key_value(field)).map(|(name, _)| *name);
        if let Some(name) = edge {
            match present.edges.get(field) {
                Some(targets) => drop(object.edges.insert(name, targets.clone())),
                None => drop(object.edges.remove(name)),
            }
        }
        change.secrets.remove(field);
        change.generated.retain(|(name, _)| *name != field);
        if let Some((name, state)) = present.secrets.get_key_value(field) {
            object.secrets.insert(name, state.clone());
        }
        false
    });
    if left {
        change.after = Some(std::sync::Arc::new(object));
    }
}

/// Objects that are on one side only.
fn differing(before: &Shown, after: &Shown) -> Vec<Uuid> {
    let ids = |shown: &Shown| match shown {
        Shown::Objects(objects) => objects.iter().map(|object| object.id).collect(),
        _ => BTreeSet::new(),
    };
    let (before, after) = (ids(before), ids(after));
    before.symmetric_difference(&after).copied().collect()
}
