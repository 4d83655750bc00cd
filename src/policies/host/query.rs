//! Questions to the directory: which rows, narrowed and ordered how, and what of them.

use std::{cmp::Ordering, collections::HashSet, sync::Arc};

use uuid::Uuid;

use super::{Directory, change, failed, plain, rows, rows::Wanted};
use crate::{
    expression::{Answer, Condition, Handle, HostError, Lookup, Map, Query, Step, Test, Value},
    identity::{event::Event, group::Group, person::Person, user::User},
    model::{Kind, KindIndex, Model, Need, Object, Residency},
    store::EventFilter,
};

/// Kinds of authenticator devices, which `authentik_core.device` stands for.
pub const DEVICES: &[&str] = &[
    "authentik_stages_authenticator_duo.duodevice",
    "authentik_stages_authenticator_email.emaildevice",
    "authentik_stages_authenticator_sms.smsdevice",
    "authentik_stages_authenticator_static.staticdevice",
    "authentik_stages_authenticator_totp.totpdevice",
    "authentik_stages_authenticator_webauthn.webauthndevice",
];

/// Objects of a kind that is not in memory as a whole which are gone through when no look-up narrows them.
const SCANNED: i64 = 10_000;
/// Events that are gone through.
const EVENTS: u32 = 1000;

/// A row of an answer.
struct Row {
    /// The kind and identity, for handles.
    kind: &'static str,
    id: String,
    /// The object; none for rows of other tables.
    object: Option<Arc<Object>>,
    /// What the look-ups need.
    map: Map,
}

/// Answers a query.
pub async fn answer(host: &Directory<'_>, query: Query) -> Result<Value, HostError> {
    if matches!(query.answer, Answer::Update(_) | Answer::Delete) {
        return Err(change::refused("change or delete many objects at once; change them one by one with save()"));
    }
    let lookups: Vec<Vec<(Lookup, Value)>> = query.steps.iter().map(lookups).collect();
    let rows = if query.model == Event::NAME {
        events(host, &lookups).await?
    } else {
        objects(host, &query, &lookups).await?
    };
    let rows = narrow(rows, &query.steps, &lookups)?;
    Ok(match query.answer {
        Answer::Count => Value::Int(i64::try_from(rows.len()).unwrap_or(i64::MAX)),
        Answer::Exists => Value::Bool(!rows.is_empty()),
        Answer::Objects => {
            let wanted = Wanted::of(&query.names);
            let mut handles = Vec::with_capacity(rows.len());
            for Row { kind, id, object, map } in rows {
                let map = match &object {
                    Some(object) => rows::row(host, object, &wanted).await?,
                    None => map,
                };
                handles.push(Handle::with(kind, id, map).into());
            }
            Value::List(handles)
        }
        Answer::Values(fields) => {
            let rows = values(host, rows, &fields).await?;
            Value::List(rows.into_iter().map(|row| Value::Map(row.into_iter().collect())).collect())
        }
        Answer::Tuples(fields) => {
            let rows = values(host, rows, &fields).await?;
            Value::List(
                rows.into_iter().map(|row| Value::Tuple(row.into_iter().map(|(_, value)| value).collect())).collect(),
            )
        }
        Answer::Update(_) | Answer::Delete => Value::None,
    })
}

fn lookups(step: &Step) -> Vec<(Lookup, Value)> {
    match step {
        Step::Filter(conditions) | Step::Exclude(conditions) => {
            conditions.iter().map(|Condition { path, value }| (Lookup::parse(path), value.clone())).collect()
        }
        _ => Vec::new(),
    }
}

/// Rows of kinds.
async fn objects(host: &Directory<'_>, query: &Query, lookups: &[Vec<(Lookup, Value)>]) -> Result<Vec<Row>, HostError> {
    let registry = host.world.registry();
    let kinds: Vec<KindIndex> = if query.model == "authentik_core.device" {
        DEVICES.iter().filter_map(|name| Some(registry.find(name)?.index)).collect()
    } else {
        registry.targets(&query.model)
    };
    if kinds.is_empty() {
        return Err(HostError::raise("ValueError", format!("objects of the kind {} cannot be looked up", query.model)));
    }
    let mut wanted = Wanted::default();
    let mut add = |path: &[String]| -> Result<(), HostError> {
        let Some(field) = path.first() else { return Ok(()) };
        if !kinds.iter().any(|kind| rows::has(registry.get(*kind), field)) {
            let kind = registry.get(kinds[0]).short_name();
            return Err(HostError::raise(
                "ValueError",
                format!("Cannot resolve keyword '{field}' into field of {kind}"),
            ));
        }
        // What lies below a plain field is data, not an object.
        let object = kinds.iter().any(|kind| leads_on(registry.get(*kind), field));
        wanted.add(if object { path } else { &path[..1] });
        Ok(())
    };
    for (lookup, _) in lookups.iter().flatten() {
        add(&lookup.path)?;
    }
    for step in &query.steps {
        if let Step::OrderBy(fields) = step {
            for field in fields {
                let path: Vec<String> = field.trim_start_matches('-').split("__").map(str::to_owned).collect();
                if field != "?" {
                    add(&path)?;
                }
            }
        }
    }
    let ids = match &query.related {
        Some((object, relation)) => related(host, &object.kind, &object.id, relation).await?,
        None => candidates(host, &kinds, &query.steps, lookups).await?,
    };
    let found = rows::load(host, &ids).await?;
    let mut all = Vec::with_capacity(found.len());
    for object in found.into_iter().filter(|object| kinds.contains(&object.kind)) {
        let map = rows::row(host, &object, &wanted).await?;
        all.push(Row { kind: registry.get(object.kind).name, id: object.id.to_string(), object: Some(object), map });
    }
    Ok(all)
}

/// Whether a field of a kind leads to other objects.
fn leads_on(kind: &crate::model::KindInfo, field: &str) -> bool {
    kind.reference(field).is_some()
        || (kind.name == User::NAME && matches!(field, "ak_groups" | "all_groups"))
        || (kind.name == Group::NAME && matches!(field, "users" | "children"))
}

/// The objects on the other side of a relation.
async fn related(host: &Directory<'_>, kind: &str, id: &str, relation: &str) -> Result<Vec<Uuid>, HostError> {
    let Ok(id) = id.parse::<Uuid>() else { return Ok(Vec::new()) };
    let mut seen = host.seen.lock().await;
    let found = host.world.ask(&mut seen, |model| {
        let groups = |direct: bool| {
            let person = Person::of(model, id)?;
            Ok(person.map(|person| {
                let count = if direct { person.direct } else { person.groups.len() };
                person.groups.iter().take(count).map(|group| group.id).collect()
            }))
        };
        let referrers = |kind: &str, field: &'static str| match model.registry().find(kind) {
            Some(kind) => model.referrers(kind.index, field, id).map(Some),
            None => Ok(None),
        };
        match (kind, relation) {
            (User::NAME, "ak_groups" | "groups") => groups(true),
            (User::NAME, "all_groups") => groups(false),
            (Group::NAME, "users") => referrers(User::NAME, "groups"),
            (Group::NAME, "children") => referrers(Group::NAME, "parent"),
            _ => Ok(model.get(id)?.map(|object| object.targets(relation).to_vec())),
        }
    });
    Ok(found.await.map_err(failed)?.unwrap_or_default())
}

/// The objects that may be among the rows: those of one look-up that names them, or else all.
async fn candidates(
    host: &Directory<'_>,
    kinds: &[KindIndex],
    steps: &[Step],
    lookups: &[Vec<(Lookup, Value)>],
) -> Result<Vec<Uuid>, HostError> {
    let registry = host.world.registry().clone();
    let mut seen = host.seen.lock().await;
    let filters = steps.iter().zip(lookups).take_while(|(step, _)| !matches!(step, Step::Slice(..)));
    let filters = filters.filter(|(step, _)| matches!(step, Step::Filter(_))).flat_map(|(_, lookups)| lookups);
    for (lookup, value) in filters {
        let named = host.world.ask(&mut seen, |model| named(model, kinds, lookup, value)).await.map_err(failed)?;
        if let Some(ids) = named {
            return Ok(ids);
        }
    }
    let paged: Vec<&'static str> = kinds
        .iter()
        .map(|kind| registry.get(*kind))
        .filter(|kind| kind.residency == Residency::Paged)
        .map(|kind| kind.name)
        .collect();
    if !paged.is_empty() {
        let count = host.world.store().count_of(&paged).await.map_err(failed)?;
        if count > SCANNED {
            return Err(HostError::raise(
                "ValueError",
                format!(
                    "the query would go through all {count} objects of {}, more than {SCANNED}; look them up by their key \
                     (username=, name=, pk=) or by a relation",
                    paged.join(", ")
                ),
            ));
        }
    }
    let all = host.world.ask(&mut seen, |model| {
        let mut ids = Vec::new();
        for kind in kinds {
            ids.extend(model.of_kind(*kind)?.map(|object| object.id));
        }
        Ok(ids)
    });
    all.await.map_err(failed)
}

/// The objects that a look-up names, if it names any by a key or a relation. There may be some too many among them.
fn named(model: &Model, kinds: &[KindIndex], lookup: &Lookup, value: &Value) -> Result<Option<Vec<Uuid>>, Need> {
    let wanted: Vec<&Value> = match (lookup.test, value) {
        (Test::Exact, value) => vec![value],
        (Test::In, Value::List(items) | Value::Tuple(items) | Value::Set(items)) => items.iter().collect(),
        _ => return Ok(None),
    };
    let path: Vec<&str> = lookup.path.iter().map(String::as_str).collect();
    let mut ids = Vec::new();
    let mut done = HashSet::new();
    for kind in kinds {
        let info = model.registry().get(*kind);
        match path.as_slice() {
            ["pk" | "id" | "uuid" | "group_uuid" | "user_uuid"] => {
                for value in &wanted {
                    ids.extend(identity(model, info.number_scope(), value)?);
                }
            }
            [field] if info.keys.iter().any(|key| key.fields == [*field]) => {
                for value in &wanted {
                    let Some(text) = value.as_text() else { return Ok(None) };
                    for key in info.keys.iter().filter(|key| key.fields == [*field]) {
                        let scope = crate::model::object::key_scope(info, key);
                        ids.extend(model.by_key(scope, field, text)?.map(|object| object.id));
                    }
                }
            }
            [field, rest @ ..] if leads_on(info, field) && *field != "all_groups" => {
                let field = if info.name == User::NAME && *field == "ak_groups" { "groups" } else { field };
                let Some(reference) = info.reference(field).filter(|reference| reference.inverse.is_none()) else {
                    return Ok(None);
                };
                let Some(target) = model.registry().find(reference.target) else { return Ok(None) };
                for value in &wanted {
                    let found = match rest {
                        [] | ["pk" | "id" | "uuid" | "group_uuid"] => identity(model, target.number_scope(), value)?,
                        [key] if target.keys.iter().any(|known| known.fields == [*key]) => {
                            let Some(text) = value.as_text() else { return Ok(None) };
                            model.by_key(target.name, key, text)?.map(|object| object.id)
                        }
                        _ => return Ok(None),
                    };
                    if let Some(found) = found {
                        ids.extend(model.referrers(*kind, reference.field, found)?);
                    }
                }
            }
            _ => return Ok(None),
        }
    }
    ids.retain(|id| done.insert(*id));
    Ok(Some(ids))
}

/// The object of an identity: a handle, an id, or an integer key.
fn identity(model: &Model, scope: &'static str, value: &Value) -> Result<Option<Uuid>, Need> {
    let text = match value {
        Value::Handle(handle) => handle.id.as_str(),
        Value::Text(text) => text.as_str(),
        Value::Int(number) => return Ok(model.by_number(scope, *number)?.map(|object| object.id)),
        _ => return Ok(None),
    };
    match (text.parse::<Uuid>(), text.parse::<i64>()) {
        (Ok(id), _) => Ok(Some(id)),
        (_, Ok(number)) => Ok(model.by_number(scope, number)?.map(|object| object.id)),
        _ => Ok(None),
    }
}

/// Rows of events, latest first.
async fn events(host: &Directory<'_>, lookups: &[Vec<(Lookup, Value)>]) -> Result<Vec<Row>, HostError> {
    let action = lookups.iter().flatten().find(|(lookup, _)| lookup.path == ["action"] && lookup.test == Test::Exact);
    let action = action.and_then(|(_, value)| value.as_text());
    let filter = EventFilter { action, limit: EVENTS, ..EventFilter::default() };
    let found = host.world.store().events(&filter).await.map_err(failed)?;
    if found.len() >= EVENTS as usize {
        let message = format!("the query would go through more than {EVENTS} events; narrow it by action=");
        return Err(HostError::raise("ValueError", message));
    }
    let row = |event: crate::store::EventRecord| {
        let map = Map::from_iter([
            ("pk".to_owned(), Value::Text(event.id.to_string())),
            ("action".to_owned(), Value::Text(event.action)),
            ("app".to_owned(), Value::Text(event.app)),
            ("user".to_owned(), plain::of_json(&event.actor)),
            ("context".to_owned(), plain::of_json(&event.context)),
            ("client_ip".to_owned(), event.client_ip.into()),
            ("created".to_owned(), plain::moment(event.at)),
            ("expires".to_owned(), plain::moment(event.expires)),
            ("brand".to_owned(), plain::of_json(&event.brand)),
        ]);
        Row { kind: Event::NAME, id: event.id.to_string(), object: None, map }
    };
    Ok(found.into_iter().map(row).collect())
}

/// The rows that the steps leave.
fn narrow(rows: Vec<Row>, steps: &[Step], lookups: &[Vec<(Lookup, Value)>]) -> Result<Vec<Row>, HostError> {
    let mut rows = rows;
    for (step, lookups) in steps.iter().zip(lookups) {
        let all = |row: &Row| -> Result<bool, HostError> {
            for (lookup, value) in lookups {
                if !holds(row, lookup, value).map_err(|message| HostError::raise("ValueError", message))? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        match step {
            Step::Filter(_) | Step::Exclude(_) => {
                let keep = matches!(step, Step::Filter(_));
                let mut left = Vec::with_capacity(rows.len());
                for row in rows {
                    if all(&row)? == keep {
                        left.push(row);
                    }
                }
                rows = left;
            }
            Step::OrderBy(fields) => rows.sort_by(|a, b| compare(a, b, fields)),
            Step::Reverse => rows.reverse(),
            Step::Distinct => {
                let mut seen = HashSet::new();
                rows.retain(|row| seen.insert((row.kind, row.id.clone())));
            }
            Step::Slice(from, to) => {
                let from = usize::try_from(*from).unwrap_or(usize::MAX);
                let to = to.map_or(usize::MAX, |to| usize::try_from(to).unwrap_or(usize::MAX));
                rows = rows.into_iter().skip(from).take(to.saturating_sub(from)).collect();
            }
        }
    }
    Ok(rows)
}

/// Whether a look-up holds. The key of an object is its number or its id, whichever is asked for.
fn holds(row: &Row, lookup: &Lookup, value: &Value) -> Result<bool, String> {
    if let [name] = lookup.path.as_slice()
        && matches!(name.as_str(), "pk" | "id")
        && row.object.is_some()
    {
        let by_id = Map::from_iter([(name.clone(), Value::Handle(Handle::new(row.kind, row.id.clone())))]);
        if lookup.holds(&by_id, value)? {
            return Ok(true);
        }
    }
    lookup.holds(&row.map, value)
}

fn compare(a: &Row, b: &Row, fields: &[String]) -> Ordering {
    for field in fields.iter().filter(|field| *field != "?") {
        let (name, turned) = field.strip_prefix('-').map_or((field.as_str(), false), |name| (name, true));
        let path: Vec<&str> = name.split("__").collect();
        let value = |row: &Row| at(&row.map, &path).into_iter().next().unwrap_or_default();
        let ordering = order(&value(a), &value(b));
        let ordering = if turned { ordering.reverse() } else { ordering };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

/// An order of values for lists: nothing first, then by kind of value.
fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::None, Value::None) => Ordering::Equal,
        (Value::None, _) => Ordering::Less,
        (_, Value::None) => Ordering::Greater,
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::DateTime(a, _), Value::DateTime(b, _)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        (a, b) => a.to_json().to_string().cmp(&b.to_json().to_string()),
    }
}

/// The values of fields, a row for each value where a field leads to several objects.
async fn values(
    host: &Directory<'_>,
    rows: Vec<Row>,
    fields: &[String],
) -> Result<Vec<Vec<(String, Value)>>, HostError> {
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let kind = row.object.as_ref().map(|object| host.world.registry().get(object.kind));
        let mut wanted = if fields.is_empty() { Wanted::everything() } else { Wanted::default() };
        for field in fields {
            let path: Vec<String> = field.split("__").map(str::to_owned).collect();
            let Some(kind) = kind else { continue };
            if !rows::has(kind, &path[0]) {
                let message = format!("Cannot resolve keyword '{}' into field of {}", path[0], kind.short_name());
                return Err(HostError::raise("ValueError", message));
            }
            wanted.add(if leads_on(kind, &path[0]) { &path } else { &path[..1] });
        }
        let map = match &row.object {
            Some(object) => rows::row(host, object, &wanted).await?,
            None => row.map,
        };
        if fields.is_empty() {
            all.push(map.into_iter().map(|(name, value)| (name, key_of(value))).collect());
            continue;
        }
        let mut several: Vec<Vec<(String, Value)>> = vec![Vec::new()];
        for field in fields {
            let path: Vec<&str> = field.split("__").collect();
            let mut found = at(&map, &path);
            if found.is_empty() {
                found.push(Value::None);
            }
            several = several
                .iter()
                .flat_map(|row| {
                    found.iter().map(|value| {
                        let mut row = row.clone();
                        row.push((field.clone(), key_of(value.clone())));
                        row
                    })
                })
                .collect();
        }
        all.append(&mut several);
    }
    Ok(all)
}

/// What a path leads to; several values where it goes through a list of objects.
fn at(map: &Map, path: &[&str]) -> Vec<Value> {
    let Some((name, rest)) = path.split_first() else { return Vec::new() };
    let Some(value) = map.get(*name) else { return Vec::new() };
    follow(value, rest)
}

fn follow(value: &Value, rest: &[&str]) -> Vec<Value> {
    match value {
        Value::List(items) if !items.is_empty() && items.iter().all(|item| matches!(item, Value::Handle(_))) => {
            items.iter().flat_map(|item| follow(item, rest)).collect()
        }
        value if rest.is_empty() => vec![value.clone()],
        Value::Handle(Handle { attributes: Some(map), .. }) | Value::Map(map) => at(map, rest),
        _ => Vec::new(),
    }
}

/// Objects are given by their key in rows of values.
fn key_of(value: Value) -> Value {
    match value {
        Value::Handle(Handle { id, attributes, .. }) => {
            attributes.and_then(|attributes| attributes.get("pk").cloned()).unwrap_or(Value::Text(id))
        }
        other => other,
    }
}
