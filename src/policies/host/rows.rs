//! Objects of the model as expressions see them: names and values.

use std::{collections::BTreeMap, sync::Arc};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Directory, failed, plain};
use crate::{
    expression::{Handle, HostError, Map, Names, ObjectRef, Value},
    identity::{avatar, group::Group, person::Person, user::User},
    model::{Kind, KindInfo, Model, Need, Object},
};

/// Names of users besides the fields of their kind.
const OF_USERS: &[&str] = &[
    "is_superuser",
    "is_staff",
    "is_authenticated",
    "is_anonymous",
    "uid",
    "avatar",
    "date_joined",
    "last_updated",
    "password_change_date",
    "ak_groups",
    "all_groups",
];
/// Names of groups besides the fields of their kind.
const OF_GROUPS: &[&str] = &["group_uuid", "num_pk", "children", "is_superuser"];
/// Names of all objects besides the fields of their kind.
const OF_ALL: &[&str] = &["pk", "id", "uuid", "created", "last_updated"];

/// Which names are wanted, and which of the objects behind them.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    all: bool,
    /// Relations to many are wanted as values: a look-up goes through them. To expressions they are queries.
    through: bool,
    below: BTreeMap<String, Wanted>,
}

impl Wanted {
    /// What a program may ask of an object.
    pub fn of(names: &Names) -> Wanted {
        match names {
            Names::All => Wanted { all: true, ..Wanted::default() },
            Names::Only(names) => {
                let below = names.iter().map(|name| (name.clone(), Wanted::default())).collect();
                Wanted { below, ..Wanted::default() }
            }
        }
    }

    /// Everything of the object itself.
    pub fn everything() -> Wanted {
        Wanted { all: true, ..Wanted::default() }
    }

    /// Wants what a path leads to as well.
    pub fn add(&mut self, path: &[String]) {
        let mut at = self;
        at.through = true;
        for part in path {
            at = at.below.entry(part.clone()).or_default();
            at.through = true;
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.all || self.below.contains_key(name)
    }

    fn is_empty(&self) -> bool {
        !self.all && !self.through && self.below.is_empty()
    }
}

/// Whether objects of a kind have a field of that name.
pub fn has(kind: &KindInfo, name: &str) -> bool {
    let derived = if kind.name == User::NAME {
        OF_USERS
    } else if kind.name == Group::NAME {
        OF_GROUPS
    } else {
        &[]
    };
    kind.fields.get(name).is_some_and(|field| field.secret.is_none())
        || kind.references.iter().any(|reference| reference.field == name)
        || OF_ALL.contains(&name)
        || derived.contains(&name)
        || (kind.name == User::NAME && name == "user_uuid")
}

/// Attributes of the objects of a scope.
pub async fn attributes(
    host: &Directory<'_>,
    objects: &[ObjectRef],
    names: &Names,
) -> Result<Vec<Option<Map>>, HostError> {
    let wanted = Wanted::of(names);
    let mut ids: Vec<Uuid> = objects.iter().filter_map(|object| object.id.parse().ok()).collect();
    ids.dedup();
    let found = load(host, &ids).await?;
    let found: BTreeMap<Uuid, Arc<Object>> = found.into_iter().map(|object| (object.id, object)).collect();
    let mut all = Vec::with_capacity(objects.len());
    for object in objects {
        if object.id.is_empty() {
            all.push(Some(if Directory::is_user(object) { nobody() } else { Map::new() }));
            continue;
        }
        let stored = object.id.parse().ok().and_then(|id: Uuid| found.get(&id));
        all.push(match stored {
            Some(stored) => Some(row(host, stored, &wanted).await?),
            None => None,
        });
    }
    Ok(all)
}

/// The user who is nobody.
fn nobody() -> Map {
    let text = |name: &str, value: &str| (name.to_owned(), Value::text(value));
    let flag = |name: &str, value: bool| (name.to_owned(), Value::Bool(value));
    Map::from_iter([
        text("username", ""),
        text("name", ""),
        text("email", ""),
        text("uid", ""),
        text("path", ""),
        text("type", ""),
        ("pk".to_owned(), Value::None),
        ("id".to_owned(), Value::None),
        flag("is_active", false),
        flag("is_superuser", false),
        flag("is_staff", false),
        flag("is_authenticated", false),
        flag("is_anonymous", true),
        ("attributes".to_owned(), Value::Map(Map::new())),
    ])
}

/// Objects by id, in the order of the ids, without those that are gone.
pub async fn load(host: &Directory<'_>, ids: &[Uuid]) -> Result<Vec<Arc<Object>>, HostError> {
    let mut seen = host.seen.lock().await;
    let missing: Vec<Uuid> = ids.iter().copied().filter(|id| matches!(seen.get(*id), Err(Need::Id(_)))).collect();
    if !missing.is_empty() {
        let mut reader = host.world.store().read().await.map_err(failed)?;
        let needs = missing.into_iter().map(Need::Id).collect();
        *seen = crate::blueprint::drive::supply(&mut reader, seen.clone(), needs).await.map_err(failed)?;
    }
    Ok(ids.iter().filter_map(|id| seen.known(*id).cloned()).collect())
}

/// An object as a row of what is wanted of it.
pub async fn row(host: &Directory<'_>, object: &Arc<Object>, wanted: &Wanted) -> Result<Map, HostError> {
    let mut seen = host.seen.lock().await;
    let mut map = host.world.ask(&mut seen, |model| fields(model, object, wanted)).await.map_err(failed)?;
    drop(seen);
    let is_user = host.world.registry().get(object.kind).name == User::NAME;
    if is_user && (wanted.wants("password_change_date") || wanted.wants("last_login")) {
        let (login, password) = host.world.store().person_state(object.id).await.map_err(failed)?;
        if let Some(login) = login {
            map.insert("last_login".to_owned(), plain::moment(login));
        }
        map.insert("password_change_date".to_owned(), plain::moment(password.unwrap_or(object.created)));
    }
    Ok(map)
}

fn fields(model: &Model, object: &Arc<Object>, wanted: &Wanted) -> Result<Map, Need> {
    let kind = model.registry().get(object.kind);
    let mut map = Map::new();
    // What the key of an object is called differs by kind; `pk` is always there.
    map.insert("pk".to_owned(), key(object));
    for name in ["id", "uuid", "group_uuid", "user_uuid"].into_iter().filter(|name| wanted.wants(name)) {
        let value = if name == "id" { key(object) } else { Value::Text(object.id.to_string()) };
        if name == "uuid" || has(kind, name) {
            map.insert(name.to_owned(), value);
        }
    }
    for (name, value) in &object.attrs {
        if wanted.wants(name) {
            map.insert(name.clone(), plain::of_json(value));
        }
    }
    for reference in kind.references {
        let name = reference.field;
        let query = kind.name == User::NAME && name == "groups";
        if !wanted.wants(name) || reference.inverse.is_some() || (query && !wanted.through) {
            continue;
        }
        let below = wanted.below.get(name);
        let mut targets = Vec::new();
        for target in object.targets(name) {
            targets.extend(handle(model, *target, below)?);
        }
        let value = if reference.many { Value::List(targets) } else { targets.into_iter().next().into() };
        map.insert(name.to_owned(), value);
    }
    if wanted.wants("created") {
        map.insert("created".to_owned(), plain::moment(object.created));
    }
    if wanted.wants("last_updated") {
        map.insert("last_updated".to_owned(), plain::moment(object.updated));
    }
    if kind.name == User::NAME {
        of_user(model, object, wanted, &mut map)?;
    } else if kind.name == Group::NAME {
        of_group(model, object, wanted, &mut map)?;
    }
    Ok(map)
}

fn of_user(model: &Model, object: &Arc<Object>, wanted: &Wanted, map: &mut Map) -> Result<(), Need> {
    let mut set = |name: &str, value: Value| {
        if wanted.wants(name) {
            map.insert(name.to_owned(), value);
        }
    };
    set("is_authenticated", Value::Bool(true));
    set("is_anonymous", Value::Bool(false));
    set("date_joined", plain::moment(object.created));
    if wanted.wants("uid") {
        // Stable for the life of the database, and the same user of another one has another.
        let number = object.number.unwrap_or_default();
        let digest = Sha256::digest(format!("{number}-{}", model.instance).as_bytes());
        set("uid", Value::Text(data_encoding::HEXLOWER.encode(&digest)));
    }
    if wanted.wants("avatar") {
        let shown = object.text("name").filter(|name| !name.is_empty()).or_else(|| object.text("username"));
        set("avatar", Value::Text(avatar::initials(&shown.unwrap_or_default())));
    }
    let groups = ["is_superuser", "is_staff"].into_iter().any(|name| wanted.wants(name));
    // Relations are queries to expressions; they are values where a look-up goes through them.
    let through = ["ak_groups", "all_groups"].into_iter();
    let through = through.filter(|name| wanted.through && (wanted.below.contains_key(*name) || wanted.wants(name)));
    let through: Vec<&str> = through.collect();
    if groups || !through.is_empty() {
        let Some(person) = Person::of(model, object.id)? else { return Ok(()) };
        set("is_superuser", Value::Bool(person.is_superuser()));
        set("is_staff", Value::Bool(person.is_superuser()));
        for name in through {
            let count = if name == "all_groups" { person.groups.len() } else { person.direct };
            let below = wanted.below.get(name);
            let mut list = Vec::new();
            for group in person.groups.iter().take(count) {
                list.extend(handle(model, group.id, below)?);
            }
            map.insert(name.to_owned(), Value::List(list));
        }
    }
    Ok(())
}

fn of_group(model: &Model, object: &Arc<Object>, wanted: &Wanted, map: &mut Map) -> Result<(), Need> {
    if wanted.wants("num_pk") {
        map.insert("num_pk".to_owned(), Value::Int(object.number.unwrap_or_default()));
    }
    for (name, kind, field) in [("users", User::NAME, "groups"), ("children", Group::NAME, "parent")] {
        let (Some(below), Some(kind)) = (wanted.below.get(name), model.registry().find(kind)) else { continue };
        if !wanted.through {
            continue;
        }
        let mut list = Vec::new();
        for member in model.referrers(kind.index, field, object.id)? {
            list.extend(handle(model, member, Some(below))?);
        }
        map.insert(name.to_owned(), Value::List(list));
    }
    Ok(())
}

/// The key that the API gives an object.
pub fn key(object: &Object) -> Value {
    object.number.map_or_else(|| Value::Text(object.id.to_string()), Value::Int)
}

/// An object behind a reference; with what is wanted of it, if anything is.
fn handle(model: &Model, id: Uuid, wanted: Option<&Wanted>) -> Result<Option<Value>, Need> {
    let Some(object) = model.get(id)?.cloned() else { return Ok(None) };
    let kind = model.registry().get(object.kind).name;
    Ok(Some(match wanted.filter(|wanted| !wanted.is_empty()) {
        Some(wanted) => Handle::with(kind, id.to_string(), fields(model, &object, wanted)?).into(),
        None => Handle::new(kind, id.to_string()).into(),
    }))
}
