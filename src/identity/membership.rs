//! Which groups a user belongs to beyond those that list them, and who is a superuser by that.

use std::collections::HashSet;

use serde_json::Value;
use uuid::Uuid;

use super::group::Group;
use crate::model::{Kind, KindIndex, Model, Need, Object};

/// How many groups up a membership reaches beyond the group that a user is a direct member of.
pub const DEPTH: usize = 20;

/// The groups whose members are superusers by that group, without those that inherit it from above.
///
/// # Errors
/// The need for all groups.
pub fn superuser_groups(model: &Model) -> Result<Vec<Uuid>, Need> {
    let Some(kind) = group_kind(model) else { return Ok(Vec::new()) };
    Ok(model.of_kind(kind)?.filter(|group| makes_superusers(group)).map(|group| group.id).collect())
}

/// A group and the groups below it whose members it has as well.
///
/// # Errors
/// What the model does not hold of groups.
pub fn with_groups_below(model: &Model, group: Uuid) -> Result<Vec<Uuid>, Need> {
    let Some(kind) = group_kind(model) else { return Ok(Vec::new()) };
    if model.get(group)?.is_none() {
        return Ok(Vec::new());
    }
    let (mut all, mut seen) = (vec![group], HashSet::from([group]));
    let mut level = vec![group];
    for _ in 0..DEPTH {
        let mut below = Vec::new();
        for parent in level {
            for child in model.referrers(kind, "parent", parent)? {
                if seen.insert(child) {
                    all.push(child);
                    below.push(child);
                }
            }
        }
        level = below;
    }
    Ok(all)
}

/// Whether a user is a superuser: a member of a group that makes its members superusers, or of one below such a group.
/// Whether the account is active is another matter.
///
/// # Errors
/// What the model does not hold of the user and the groups.
pub fn is_superuser(model: &Model, user: Uuid) -> Result<bool, Need> {
    let Some(user) = model.get(user)? else { return Ok(false) };
    let mut level: Vec<Uuid> = user.targets("groups").to_vec();
    let mut seen: HashSet<Uuid> = level.iter().copied().collect();
    for _ in 0..=DEPTH {
        let mut above = Vec::new();
        for group in level {
            let Some(group) = model.get(group)? else { continue };
            if makes_superusers(group) {
                return Ok(true);
            }
            above.extend(group.targets("parent").iter().copied().filter(|parent| seen.insert(*parent)));
        }
        level = above;
    }
    Ok(false)
}

fn makes_superusers(group: &Object) -> bool {
    group.attrs.get("is_superuser").and_then(Value::as_bool).unwrap_or_default()
}

fn group_kind(model: &Model) -> Option<KindIndex> {
    model.registry().find(Group::NAME).map(|info| info.index)
}
