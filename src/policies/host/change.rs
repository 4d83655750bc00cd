//! The writes that expressions may make: what describes a user or a group, and who is in which group.

use std::{borrow::Cow, collections::BTreeMap, collections::HashMap, sync::Arc};

use serde_json::Value as Json;
use uuid::Uuid;

use super::{Directory, failed, plain};
use crate::{
    expression::{HostError, Map, ObjectRef, Relate, Value},
    identity::{
        group::Group,
        user::User,
        write::{self, Author, Edit},
    },
    model::{Kind, KindInfo, Object},
    store::{StoreError, changeset::SecretWrite},
};

/// Fields of users that `save()` writes.
const OF_USERS: &[&str] = &["username", "name", "email", "is_active", "path", "type", "attributes"];
/// Fields of groups that `save()` writes. Who is a superuser is no matter of an expression.
const OF_GROUPS: &[&str] = &["name", "attributes"];
/// Longest texts of these fields.
const LENGTHS: &[(&str, &str, usize)] =
    &[(User::NAME, "username", 150), (User::NAME, "email", 254), (Group::NAME, "name", 80)];

/// The refusal of something that expressions cannot do.
pub fn refused(what: &str) -> HostError {
    HostError::raise("PermissionError", format!("expressions cannot {what}"))
}

/// Stores changes of a user or a group.
pub async fn save(host: &Directory<'_>, object: &ObjectRef, changes: Map) -> Result<Value, HostError> {
    let fields = match object.kind.as_str() {
        User::NAME => OF_USERS,
        Group::NAME => OF_GROUPS,
        kind => return Err(refused(&format!("save objects such as {kind}"))),
    };
    if object.id.is_empty() {
        return Err(refused("create users and groups; a user write stage does that"));
    }
    let before = host.object(object).await?;
    let mut after = Object::clone(&before);
    for (name, value) in changes {
        if !fields.contains(&name.as_str()) {
            return Err(refused(&format!("change {name} of {}", object.kind)));
        }
        let value = plain::to_json(&value).map_err(|message| HostError::raise("ValueError", message))?;
        after.attrs.insert(name, value);
    }
    check(host.world.registry().get(after.kind), &after)?;
    commit(host, vec![Edit::Update { before, after, secrets: BTreeMap::new() }]).await?;
    Ok(Value::None)
}

/// Changes the groups of a user, or the users of a group.
pub async fn relate(
    host: &Directory<'_>,
    object: &ObjectRef,
    relation: &str,
    change: Relate,
    members: &[ObjectRef],
) -> Result<Value, HostError> {
    let (of_user, wanted) = match (object.kind.as_str(), relation) {
        (User::NAME, "ak_groups" | "groups") => (true, Group::NAME),
        (Group::NAME, "users") => (false, User::NAME),
        (kind, relation) => return Err(refused(&format!("change {relation} of {kind}"))),
    };
    if let Some(other) = members.iter().find(|member| member.kind != wanted) {
        return Err(HostError::raise("TypeError", format!("{relation} holds no {}", other.kind)));
    }
    let own = host.object(object).await?;
    let mut others = Vec::with_capacity(members.len());
    for member in members {
        others.push(host.object(member).await?);
    }
    let named: Vec<Uuid> = others.iter().map(|other| other.id).collect();
    let mut edits = Vec::new();
    if of_user {
        let had = own.targets("groups");
        let now = match change {
            Relate::Set => named,
            Relate::Clear => Vec::new(),
            Relate::Add => had.iter().chain(&named).copied().collect(),
            Relate::Remove => had.iter().copied().filter(|group| !named.contains(group)).collect(),
        };
        edits.extend(with_groups(&own, now));
    } else {
        let id = own.id;
        let in_it = match change {
            Relate::Add | Relate::Remove => Vec::new(),
            Relate::Set | Relate::Clear => {
                let mut seen = host.seen.lock().await;
                let members = host.world.ask(&mut seen, |model| {
                    let Some(kind) = model.registry().find(User::NAME) else { return Ok(Vec::new()) };
                    let mut members: Vec<Arc<Object>> = Vec::new();
                    for member in model.referrers(kind.index, "groups", id)? {
                        members.extend(model.get(member)?.cloned());
                    }
                    Ok(members)
                });
                members.await.map_err(failed)?
            }
        };
        let joins = matches!(change, Relate::Set | Relate::Add);
        for user in in_it.iter().filter(|user| !named.contains(&user.id)) {
            edits.extend(with_groups(
                user,
                user.targets("groups").iter().copied().filter(|group| *group != id).collect(),
            ));
        }
        for user in &others {
            let rest = user.targets("groups").iter().copied().filter(|group| *group != id);
            let groups: Vec<Uuid> = if joins { rest.chain([id]).collect() } else { rest.collect() };
            let same = joins && user.targets("groups").contains(&id);
            edits.extend(with_groups(user, groups).filter(|_| !same));
        }
    }
    commit(host, edits).await?;
    Ok(Value::None)
}

fn with_groups(user: &Arc<Object>, groups: Vec<Uuid>) -> Option<Edit> {
    let mut distinct = Vec::with_capacity(groups.len());
    for group in groups {
        if !distinct.contains(&group) {
            distinct.push(group);
        }
    }
    if distinct == user.targets("groups") {
        return None;
    }
    let mut after = Object::clone(user);
    if distinct.is_empty() {
        after.edges.remove("groups")
    } else {
        after.edges.insert("groups", distinct)
    };
    Some(Edit::Update { before: user.clone(), after, secrets: BTreeMap::new() })
}

/// Gives a user a password, or takes it away.
pub async fn password(host: &Directory<'_>, user: &ObjectRef, password: Option<&str>) -> Result<Value, HostError> {
    let before = host.object(user).await?;
    let write = match password {
        Some("") => return Err(HostError::raise("ValueError", "a password cannot be empty")),
        Some(password) => SecretWrite::Hash(password.to_owned()),
        None => SecretWrite::Clear,
    };
    let id = before.id;
    let after = Object::clone(&before);
    commit(host, vec![Edit::Update { before, after, secrets: BTreeMap::from([("password", write)]) }]).await?;
    if !host.debug {
        host.world.store().note_person(id, None, Some(host.world.now())).await.map_err(failed)?;
    }
    Ok(Value::None)
}

/// Whether an object still fits its kind.
fn check(kind: &KindInfo, object: &Object) -> Result<(), HostError> {
    let wrong = |message: String| HostError::raise("ValueError", message);
    for (_, field, longest) in LENGTHS.iter().filter(|(of, ..)| *of == kind.name) {
        let text = object.text(field).unwrap_or_default();
        let empty = text.is_empty() && *field != "email";
        if empty || text.chars().count() > *longest {
            return Err(wrong(format!("{field} needs 1 to {longest} characters")));
        }
    }
    let fields: Vec<(&str, Cow<'_, Json>)> =
        object.attrs.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value))).collect();
    let report = kind.check(&fields, HashMap::new()).map_err(wrong)?;
    match report.findings.iter().find(|finding| finding.refuses) {
        Some(finding) => Err(wrong(format!("{}: {}", finding.field, finding.message))),
        None => Ok(()),
    }
}

async fn commit(host: &Directory<'_>, edits: Vec<Edit>) -> Result<(), HostError> {
    if host.debug || edits.is_empty() {
        return Ok(());
    }
    let actor = format!("expression:{}", host.name);
    let origin = host.visit.map_or_else(|| "expression".to_owned(), |visit| visit.path.clone());
    match write::commit(host.world, &Author { actor, origin }, edits).await {
        Ok(()) => {
            // What was looked up before is out of date now.
            *host.seen.lock().await = crate::model::Model::clone(&*host.world.model().await.map_err(failed)?);
            Ok(())
        }
        Err(error @ (StoreError::Stale(_) | StoreError::Duplicate { .. })) => {
            Err(HostError::raise("ValueError", error.to_string()))
        }
        Err(error) => Err(failed(error)),
    }
}
