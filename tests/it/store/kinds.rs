//! Kinds that exist for these tests only, with one of everything that a kind can have.

use std::{collections::BTreeMap, sync::Arc};

use gatewright::{
    model::{
        Family, Key, Kind, KindIndex, PasswordText, Ref, Reference, Registry, Residency, SecretText,
        registry::Registration,
    },
    store::changeset::{Changeset, FieldChange, Row, Run, SecretWrite, Write},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// A member of the directory.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Person {
    pub username: String,
    pub name: String,
    pub attributes: Value,
    pub teams: Vec<Ref>,
    pub boss: Option<Ref>,
    pub badge: Option<Ref>,
    pub token: SecretText,
    pub password: PasswordText,
}

impl Kind for Person {
    const NAME: &'static str = "test.person";
    const TITLE: &'static str = "Person";
    const KEYS: &'static [Key] = &[Key::of(&["username"])];
    const REFERENCES: &'static [Reference] = &[
        Reference::many("teams", "test.team"),
        Reference::one("boss", "test.person"),
        Reference::one("badge", "test.badge").exclusive(),
    ];
    const NUMBERED: bool = true;
    const RESIDENCY: Residency = Residency::Paged;
}

/// A team.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Team {
    pub name: String,
    pub attributes: Value,
    pub parent: Option<Ref>,
}

impl Kind for Team {
    const NAME: &'static str = "test.team";
    const TITLE: &'static str = "Team";
    const KEYS: &'static [Key] = &[Key::of(&["name"])];
    const REFERENCES: &'static [Reference] = &[Reference::one("parent", "test.team")];
}

/// A badge.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Badge {
    pub name: String,
}

impl Kind for Badge {
    const NAME: &'static str = "test.badge";
    const TITLE: &'static str = "Badge";
    const KEYS: &'static [Key] = &[Key::of(&["name"])];
}

/// One kind of provider.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    pub name: String,
    pub url: String,
}

impl Kind for Gate {
    const NAME: &'static str = "test.gate";
    const TITLE: &'static str = "Gate";
    const FAMILIES: &'static [Family] = &[Family::Provider];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Provider)];
    const NUMBERED: bool = true;
}

/// Another kind of provider.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Door {
    pub name: String,
}

impl Kind for Door {
    const NAME: &'static str = "test.door";
    const TITLE: &'static str = "Door";
    const FAMILIES: &'static [Family] = &[Family::Provider];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Provider)];
    const NUMBERED: bool = true;
}

pub fn registry() -> Arc<Registry> {
    let kinds = [
        Registration::of::<Person>(),
        Registration::of::<Team>(),
        Registration::of::<Badge>(),
        Registration::of::<Gate>(),
        Registration::of::<Door>(),
    ];
    Arc::new(Registry::build(&kinds).expect("the declarations agree"))
}

pub const PERSON: KindIndex = KindIndex(0);
pub const TEAM: KindIndex = KindIndex(1);
pub const BADGE: KindIndex = KindIndex(2);
pub const GATE: KindIndex = KindIndex(3);
pub const DOOR: KindIndex = KindIndex(4);

/// An id that is easy to tell apart.
pub fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x1000_0000_0000_0000_0000_0000_0000_0000 + number)
}

/// The row of a person.
pub fn person(username: &str) -> Row {
    Row {
        name: username.to_owned(),
        attrs: object(json!({ "username": username, "name": username, "attributes": {} })),
        keys: vec![("test.person", "username".to_owned(), username.to_owned())],
        ..Row::default()
    }
}

/// The row of a team.
pub fn team(name: &str) -> Row {
    named("test.team", name, json!({ "name": name, "attributes": {} }))
}

/// The row of a badge.
pub fn badge(name: &str) -> Row {
    named("test.badge", name, json!({ "name": name }))
}

/// The row of a provider.
pub fn provider(name: &str) -> Row {
    named(Family::Provider.name(), name, json!({ "name": name }))
}

fn named(scope: &'static str, name: &str, attrs: Value) -> Row {
    Row {
        name: name.to_owned(),
        attrs: object(attrs),
        keys: vec![(scope, "name".to_owned(), name.to_owned())],
        ..Row::default()
    }
}

fn object(value: Value) -> serde_json::Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

/// Shorthands for rows.
pub trait RowExt: Sized {
    fn to(self, field: &'static str, targets: &[Uuid]) -> Self;
    fn secret(self, field: &'static str, secret: SecretWrite) -> Self;
    fn attr(self, field: &str, value: Value) -> Self;
}

impl RowExt for Row {
    fn to(mut self, field: &'static str, targets: &[Uuid]) -> Row {
        self.edges.insert(field, targets.to_vec());
        self
    }

    fn secret(mut self, field: &'static str, secret: SecretWrite) -> Row {
        self.secrets.insert(field, secret);
        self
    }

    fn attr(mut self, field: &str, value: Value) -> Row {
        self.attrs.insert(field.to_owned(), value);
        self
    }
}

pub fn create(id: Uuid, kind: KindIndex, row: Row) -> Write {
    let changes = logged(&row, BTreeMap::new());
    Write::Create { id, kind, number: None, row, changes }
}

pub fn create_numbered(id: Uuid, kind: KindIndex, number: i64, row: Row) -> Write {
    Write::Create { id, kind, number: Some(number), row, changes: Vec::new() }
}

pub fn update(id: Uuid, kind: KindIndex, row: Row) -> Write {
    let changes = logged(&row, BTreeMap::new());
    Write::Update { id, kind, row, changes }
}

pub fn delete(id: Uuid, kind: KindIndex) -> Write {
    Write::Delete { id, kind, name: id.to_string(), changes: Vec::new() }
}

fn logged(row: &Row, before: BTreeMap<&str, Value>) -> Vec<FieldChange> {
    row.attrs
        .iter()
        .map(|(field, after)| FieldChange {
            field: field.clone(),
            before: before.get(field.as_str()).cloned().unwrap_or(Value::Null),
            after: after.clone(),
        })
        .collect()
}

/// A changeset of some writes by the actor `test`.
pub fn changes(writes: Vec<Write>) -> Changeset {
    let run = Run {
        actor: "test".to_owned(),
        origin: "tests".to_owned(),
        summary: json!({ "writes": writes.len() }),
        ..Run::default()
    };
    Changeset { writes, run, ..Changeset::default() }
}
