//! The past as people ask for it: which object they mean, what runs did to it, and who is behind each of its fields.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::Value;
use uuid::Uuid;

use super::content::Revision;
use crate::{
    base::diagnostic::nearest,
    blueprint::{
        drive,
        plan::{Action, FieldDiff, Named, ObjectChange, Plan, Shown},
    },
    model::{KindInfo, Need, Registry},
    store::{
        ChangeRecord, LastName, RunRecord, SECRET, Store, StoreError,
        changeset::{Outcome, Ownership},
    },
};

/// How many names are looked through for the one that was meant.
const LOOKED_THROUGH: u32 = 10_000;

/// Nobody knows the object that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such kind.
    #[error("there is no kind {kind}{}", meant(.nearest))]
    UnknownKind {
        /// As it was asked for.
        kind: String,
        /// The nearest kind.
        nearest: Option<String>,
    },
    /// Several kinds end so.
    #[error("several kinds are called {kind}: {}", .names.join(", "))]
    AmbiguousKind {
        /// As it was asked for.
        kind: String,
        /// All of them.
        names: Vec<&'static str>,
    },
    /// No such object, nor was there ever one.
    #[error("there is no {title} {name:?}, and there never was one{}", meant(.nearest))]
    NoObject {
        /// Title of the kind.
        title: String,
        /// As it was asked for.
        name: String,
        /// The nearest name.
        nearest: Option<String>,
    },
    /// Several objects have the name.
    #[error("several objects of the kind {kind} are called {name:?}; give one of their ids: {}", list(.ids))]
    AmbiguousName {
        /// Name of the kind.
        kind: &'static str,
        /// As it was asked for.
        name: String,
        /// All of them.
        ids: Vec<Uuid>,
    },
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default()
}

fn list(ids: &[Uuid]) -> String {
    ids.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", ")
}

/// The kind of a full name, an alias, or the part after the dot where only one kind has it.
///
/// # Errors
/// When there is none, or more than one.
pub fn kind<'r>(registry: &'r Registry, asked: &str) -> Result<&'r KindInfo, FindError> {
    if let Some(info) = registry.find(asked) {
        return Ok(info);
    }
    let short = asked.to_lowercase();
    let ends = |name: &str| name.split_once('.').is_some_and(|(_, end)| end == short);
    let found: Vec<&KindInfo> =
        registry.kinds().filter(|kind| ends(kind.name) || kind.aliases.iter().any(|alias| ends(alias))).collect();
    match found.as_slice() {
        [info] => Ok(info),
        [] => {
            let nearest = registry.nearest(asked).map(str::to_owned);
            Err(FindError::UnknownKind { kind: asked.to_owned(), nearest })
        }
        several => Err(FindError::AmbiguousKind {
            kind: asked.to_owned(),
            names: several.iter().map(|kind| kind.name).collect(),
        }),
    }
}

/// The object of a kind by id, by name, or by a name that it once had.
///
/// # Errors
/// When there is none, there are several, or the store fails.
pub async fn object(store: &Store, info: &KindInfo, asked: &str) -> Result<Uuid, FindError> {
    let kinds: Vec<&str> = std::iter::once(info.name).chain(info.aliases.iter().copied()).collect();
    if let Ok(id) = asked.parse::<Uuid>() {
        let known = store.last_names(vec![id]).await?;
        if known.get(&id).is_some_and(|last| kinds.contains(&last.kind.as_str())) {
            return Ok(id);
        }
    }
    let found = store.objects_named(&kinds, asked).await?;
    match found.as_slice() {
        [id] => return Ok(*id),
        [] => {}
        _ => return Err(FindError::AmbiguousName { kind: info.name, name: asked.to_owned(), ids: found }),
    }
    if let Some(id) = store.objects_once_named(&kinds, asked).await?.first() {
        return Ok(*id);
    }
    let names = store.names_of(&kinds, LOOKED_THROUGH).await?;
    let nearest = nearest(asked, names.iter().map(String::as_str)).map(str::to_owned);
    Err(FindError::NoObject { title: info.title.to_lowercase(), name: asked.to_owned(), nearest })
}

/// Names of all objects that some changes are about or refer to.
///
/// # Errors
/// When the store fails.
pub async fn names(store: &Store, changes: &[ChangeRecord]) -> Result<HashMap<Uuid, LastName>, StoreError> {
    let mut ids: BTreeSet<Uuid> = changes.iter().map(|change| change.object).collect();
    for value in changes.iter().flat_map(|change| &change.fields).flat_map(|field| [&field.before, &field.after]) {
        ids.extend(targets(value));
    }
    store.last_names(ids.into_iter().collect()).await
}

fn targets(value: &Value) -> Vec<Uuid> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str()?.parse().ok()).collect()
}

/// Changes of the log as a plan, so that they are shown as the plan was. Those of kinds that this program does not know
/// are left out.
pub fn as_plan(changes: &[ChangeRecord], names: &HashMap<Uuid, LastName>, registry: &Registry) -> Plan {
    let mut plan = Plan::default();
    for change in changes {
        let Some(info) = registry.find(&change.kind) else { continue };
        let action = match change.action.as_str() {
            "create" => Action::Create,
            "delete" => Action::Delete,
            _ => Action::Update,
        };
        let fields: Vec<FieldDiff> = change
            .fields
            .iter()
            .map(|field| FieldDiff {
                before: shown(info, &field.field, &field.before, names),
                after: shown(info, &field.field, &field.after, names),
                sensitive: [&field.before, &field.after].into_iter().any(|value| value.as_str() == Some(SECRET)),
                field: field.field.clone(),
                place: None,
            })
            .collect();
        plan.changes.push(ObjectChange {
            action,
            object: Named { id: change.object, kind: change.kind.clone(), name: change.name.clone(), new: false },
            kind: info.index,
            implied: action == Action::Update && fields.is_empty(),
            fields,
            places: Vec::new(),
            reason: String::new(),
            after: None,
            secrets: Default::default(),
            generated: Vec::new(),
            number: None,
        });
    }
    plan
}

/// A value of the change log.
fn shown(info: &KindInfo, field: &str, value: &Value, names: &HashMap<Uuid, LastName>) -> Shown {
    let declared = info.fields.get(field);
    match value {
        Value::Null => Shown::Nothing,
        Value::String(text) if text == "(generated)" => Shown::Generated,
        Value::String(text) if text == SECRET && declared.is_some_and(|field| field.secret.is_some()) => Shown::Secret,
        Value::Array(_) if declared.is_some_and(|field| field.reference.is_some()) => {
            let mut objects: Vec<Named> = targets(value).into_iter().map(|id| named(id, names)).collect();
            objects.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
            Shown::Objects(objects)
        }
        other => Shown::Json(other.clone()),
    }
}

fn named(id: Uuid, names: &HashMap<Uuid, LastName>) -> Named {
    let last = names.get(&id);
    Named {
        id,
        kind: last.map(|last| last.kind.clone()).unwrap_or_default(),
        name: last.map_or_else(|| id.to_string(), |last| last.name.clone()),
        new: false,
    }
}

/// The plan that a run kept as JSON.
pub fn kept_plan(json: &Value, registry: &Registry) -> Plan {
    let mut plan = Plan::default();
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    for change in json["changes"].as_array().into_iter().flatten() {
        let Some(info) = registry.find(&text(change, "kind")) else { continue };
        let Ok(action) = serde_json::from_value::<Action>(change["action"].clone()) else { continue };
        let fields = change["fields"].as_array().into_iter().flatten().map(|field| FieldDiff {
            field: text(field, "field"),
            before: kept(&field["type"], &field["before"]),
            after: kept(&field["type"], &field["after"]),
            sensitive: field["sensitive"].as_bool().unwrap_or_default(),
            place: None,
        });
        plan.changes.push(ObjectChange {
            action,
            object: Named {
                id: text(change, "id").parse().unwrap_or_default(),
                kind: info.name.to_owned(),
                name: text(change, "name"),
                new: action == Action::Create,
            },
            kind: info.index,
            fields: fields.collect(),
            places: serde_json::from_value(change["places"].clone()).unwrap_or_default(),
            reason: text(change, "reason"),
            implied: false,
            after: None,
            secrets: Default::default(),
            generated: Vec::new(),
            number: None,
        });
    }
    plan.unchanged = json.pointer("/summary/unchanged").and_then(Value::as_u64).unwrap_or_default() as usize;
    plan
}

fn kept(reading: &Value, value: &Value) -> Shown {
    match (reading.as_str(), value) {
        (_, Value::Null) => Shown::Nothing,
        (Some("generated"), Value::Object(_)) => Shown::Generated,
        (Some("secret"), _) => Shown::Secret,
        (Some("references"), Value::Array(_)) => {
            serde_json::from_value(value.clone()).map_or(Shown::Nothing, Shown::Objects)
        }
        _ => Shown::Json(value.clone()),
    }
}

/// The revision of a source that a run was for.
pub fn revision(run: &RunRecord) -> Option<Revision> {
    serde_json::from_value(run.run.detail.get("revision")?.clone()).ok()
}

/// Who is behind the fields of an object.
#[derive(Debug)]
pub struct Blame {
    /// The object.
    pub object: Named,
    /// Its fields that have a value, an owner or a past, in the order of the kind.
    pub fields: Vec<Blamed>,
}

/// Who is behind a field.
#[derive(Debug)]
pub struct Blamed {
    /// The field.
    pub field: String,
    /// What it is now, as it may be shown.
    pub value: Shown,
    /// The entries that declare it.
    pub owners: Vec<Owner>,
    /// Who changed it last; none when that was before the change log begins.
    pub last: Option<LastWriter>,
    /// Whether the last change came from somebody else than the owner, and after the owner declared it.
    pub drifted: bool,
}

/// An entry that declares a field.
#[derive(Debug)]
pub struct Owner {
    /// Source, document, line.
    pub entry: Ownership,
    /// The run that recorded it.
    pub run: i64,
    /// The revision of the source then.
    pub revision: Option<Revision>,
}

/// Who wrote a value.
#[derive(Clone, Debug)]
pub struct LastWriter {
    /// The change.
    pub change: ChangeRecord,
    /// The source that the run was for.
    pub source: Option<String>,
    /// Its revision.
    pub revision: Option<Revision>,
}

/// Finds out who is behind the fields of an object. Nothing when it is gone.
///
/// # Errors
/// When the store fails.
pub async fn blame(store: &Store, registry: &Arc<Registry>, id: Uuid) -> Result<Option<Blame>, StoreError> {
    let mut reader = store.read().await?;
    let model = reader.model(registry.clone()).await?;
    let mut model = drive::supply(&mut reader, model, vec![Need::Id(id)]).await?;
    let Some(object) = model.known(id).cloned() else { return Ok(None) };
    let info = registry.get(object.kind);
    let far: Vec<_> = info.references.iter().filter_map(|reference| Some((reference, reference.inverse?))).collect();
    let needs = far.iter().map(|(_, there)| Need::Referrers(there, id)).collect();
    model = drive::supply(&mut reader, model, needs).await?;
    let targets = object.edges.values().flatten().map(|target| Need::Id(*target)).collect();
    model = drive::supply(&mut reader, model, targets).await?;
    let owners = reader.ownership_with_runs(vec![id]).await?;
    let secret = reader.secret_fields(vec![id]).await?;
    drop(reader);
    let changes = store.changes_of(id).await?;
    let runs: BTreeSet<i64> =
        changes.iter().map(|change| change.run).chain(owners.iter().map(|(_, run)| *run)).collect();
    let runs: HashMap<i64, RunRecord> =
        store.runs_by_id(runs.into_iter().collect()).await?.into_iter().map(|run| (run.id, run)).collect();
    let name = |id: Uuid| match model.known(id) {
        Some(object) => Named {
            id,
            kind: registry.get(object.kind).name.to_owned(),
            name: crate::blueprint::plan::label(&model, object),
            new: false,
        },
        None => named(id, &HashMap::new()),
    };
    let objects = |ids: Vec<Uuid>| {
        let mut objects: Vec<Named> = ids.into_iter().map(name).collect();
        objects.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        if objects.is_empty() { Shown::Nothing } else { Shown::Objects(objects) }
    };
    let mut fields = Vec::new();
    for field in info.fields.values() {
        let inverse = far.iter().find(|(reference, _)| reference.field == field.name);
        let attr = object.attrs.get(&field.name).filter(|value| !value.is_null());
        let value = if let Some((reference, there)) = inverse {
            let kinds = registry.targets(reference.target);
            objects(kinds.into_iter().flat_map(|kind| model.referrers(kind, there, id).unwrap_or_default()).collect())
        } else if field.reference.is_some() {
            objects(object.targets(&field.name).to_vec())
        } else if field.secret.is_some() {
            if object.secrets.contains_key(field.name.as_str()) { Shown::Secret } else { Shown::Nothing }
        } else if attr.is_some() && secret.contains(&(id, field.name.clone())) {
            Shown::Secret
        } else {
            attr.map_or(Shown::Nothing, |value| Shown::Json(value.clone()))
        };
        let mut owners: Vec<Owner> = owners
            .iter()
            .filter(|(entry, _)| entry.fields.contains(&field.name))
            .map(|(entry, run)| Owner { entry: entry.clone(), run: *run, revision: runs.get(run).and_then(revision) })
            .collect();
        owners.sort_by_key(|owner| owner.entry.source == BY_HAND);
        let names = |change: &&ChangeRecord| change.fields.iter().any(|found| found.field == field.name);
        let plain = owners.is_empty() && !changes.iter().any(|change| names(&change));
        if plain && (value == Shown::Nothing || inverse.is_some() || attr == Some(&field.default)) {
            continue;
        }
        // What a creation does not mention has had its default since.
        let change = changes.iter().rev().find(|change| names(change) || change.action == "create");
        let last = change.map(|change| LastWriter {
            change: change.clone(),
            source: runs.get(&change.run).and_then(|run| run.run.source.clone()),
            revision: runs.get(&change.run).and_then(revision),
        });
        let drifted = last.as_ref().is_some_and(|last| is_drift(&owners, last));
        fields.push(Blamed { field: field.name.clone(), value, owners, last, drifted });
    }
    Ok(Some(Blame { object: name(id), fields }))
}

/// Who declared a field at a command line and not in a source.
const BY_HAND: &str = "cli";

/// Whether a value was written by somebody else after all of its owners had declared it. Whoever applies a file at a
/// command line owns what it says, but not against a source.
fn is_drift(owners: &[Owner], last: &LastWriter) -> bool {
    let sources: Vec<&Owner> = owners.iter().filter(|owner| owner.entry.source != BY_HAND).collect();
    let owners = if sources.is_empty() { owners.iter().collect() } else { sources };
    let by_hand = last.source.is_none() && last.change.actor.starts_with("cli:");
    let wrote = |owner: &Owner| match &last.source {
        Some(source) => *source == owner.entry.source,
        None => by_hand && owner.entry.source == BY_HAND,
    };
    !owners.is_empty() && !owners.iter().any(|owner| wrote(owner) || owner.run >= last.change.run)
}

/// Counts of a run's summary: created, updated, deleted.
pub fn counts(run: &RunRecord) -> [u64; 3] {
    ["create", "update", "delete"].map(|what| run.run.summary[what].as_u64().unwrap_or_default())
}

/// Whether the run's plan was carried out.
pub fn is_applied(run: &RunRecord) -> bool {
    run.run.outcome == Outcome::Applied
}
