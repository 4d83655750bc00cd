//! From resolved entries to desired objects: field names of other releases, types, references, schemas, and what
//! several entries together want of one object.

mod field;
mod judge;
mod references;
mod schema;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    lookup,
    resolve::{Attr, Grant, Identity, Resolver, State},
    value::Val,
};
use crate::{
    base::{
        diagnostic::{Code, Diagnostic, Span},
        hash::FastIndexMap,
    },
    model::{KindIndex, KindInfo, Need, Object, Registry, object},
};

pub use schema::Validators;

/// The kind that object permissions of entries become.
pub const GRANT_KIND: &str = "gatewright_rbac.objectpermission";

/// A value that a field is to have.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// A plain attribute.
    Json(Value),
    /// Targets of a reference field.
    Edges(Vec<Uuid>),
    /// A secret.
    Secret(String),
}

/// A wanted value with where it comes from.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The value.
    pub wanted: Wanted,
    /// Whether it came from the environment or a file, and must not be printed.
    pub tainted: bool,
    /// The entry.
    pub entry: usize,
    /// Place of the key.
    pub span: Span,
    /// Whether it counts only for creation.
    pub initial: bool,
}

/// Everything that all entries want of one object.
#[derive(Debug)]
pub struct Desired {
    /// Id, stored or derived.
    pub id: Uuid,
    /// Kind.
    pub kind: KindIndex,
    /// The stored object.
    pub object: Option<Arc<Object>>,
    /// The entry that deletes it.
    pub absent: Option<usize>,
    /// Wishes by field name.
    pub wishes: FastIndexMap<String, Wish>,
    /// Entries about the object, in order.
    pub entries: Vec<usize>,
    /// Fields that each entry names, for ownership.
    pub named: BTreeMap<usize, BTreeSet<String>>,
    /// Integer key that a creation asks for.
    pub number: Option<i64>,
    /// Whether something about the object could not be decided without a database.
    pub uncertain: bool,
}

/// What composing came to.
pub struct Composed {
    /// Desired objects in the order of their first entry.
    pub objects: FastIndexMap<Uuid, Desired>,
    /// Number of entries that are about an object.
    pub entries: usize,
}

/// Options of composing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// No database: objects that are not declared may exist.
    pub offline: bool,
    /// Contradicting entries: the last one wins, with a warning.
    pub last_wins: bool,
}

/// Composes the entries of a resolver.
pub struct Composer<'r, 'a> {
    resolver: &'r mut Resolver<'a>,
    registry: Arc<Registry>,
    validators: &'r mut Validators,
    options: Options,
    needs: BTreeSet<Need>,
    found: Vec<Diagnostic>,
    objects: FastIndexMap<Uuid, Desired>,
}

/// What one entry says of one field.
struct Asked<'k> {
    field: &'k str,
    span: Span,
    wanted: Option<Wanted>,
    tainted: bool,
}

/// A field's wish before it is merged with those of other entries; nothing when there is no wish after all.
type Converted = Option<Wanted>;

impl<'r, 'a> Composer<'r, 'a> {
    /// Starts with a resolver that has run.
    pub fn new(resolver: &'r mut Resolver<'a>, validators: &'r mut Validators, options: Options) -> Self {
        let registry = resolver.model().registry().clone();
        Composer {
            resolver,
            registry,
            validators,
            options,
            needs: BTreeSet::new(),
            found: Vec::new(),
            objects: FastIndexMap::default(),
        }
    }

    /// Composes all entries.
    ///
    /// # Errors
    /// What must be loaded first; nothing of this attempt is kept then.
    pub fn run(mut self, found: &mut Vec<Diagnostic>) -> Result<Composed, BTreeSet<Need>> {
        let mut entries = 0;
        for number in 0..self.resolver.len() {
            let Some((identity, body)) = self.resolver.resolved(number) else {
                self.glance(number);
                continue;
            };
            let Some(identity) = &*identity else { continue };
            entries += 1;
            self.entry(number, identity, &body.attrs);
            if identity.state != State::Absent {
                self.grants(number, identity, &body.grants);
            }
        }
        if !self.needs.is_empty() {
            return Err(self.needs);
        }
        self.judge();
        found.append(&mut self.found);
        Ok(Composed { objects: self.objects, entries })
    }

    fn entry(&mut self, number: usize, identity: &Identity, attrs: &[Attr]) {
        let registry = self.registry.clone();
        let info = registry.get(identity.kind);
        let model_span = self.resolver.entry(number).1.model.span;
        if let Some(other) = self.objects.get(&identity.id).filter(|desired| desired.kind != identity.kind) {
            let there = self.resolver.entry(other.entries[0]).1.model.span;
            let title = registry.get(other.kind).title;
            self.found.push(
                Diagnostic::new(
                    Code::IDENTIFIERS_DIFFER,
                    format!("one pk is given to a {title} and to a {}", info.title),
                )
                .at(model_span, "this one")
                .at(there, "and this one"),
            );
            return;
        }
        if identity.state == State::MustCreated && identity.object.is_some() {
            self.found.push(
                Diagnostic::new(Code::ALREADY_EXISTS, format!("this {} exists already", info.title))
                    .at(model_span, "")
                    .help("use `state: present` to change it, or `state: created` to leave it as it is"),
            );
        }
        let values = if identity.state == State::Absent { Vec::new() } else { merged(info, identity, attrs) };
        let mut json = Map::new();
        let mut wishes: Vec<Asked> = Vec::with_capacity(values.len());
        let mut named = BTreeSet::new();
        for attr in &values {
            let Some((field, value)) = self.field_of(info, attr) else { continue };
            named.insert(field.name.clone());
            let tainted = value.is_secret();
            let wanted = self.convert(field, attr, &value, &mut json);
            wishes.push(Asked { field: &field.name, span: attr.key_span, wanted, tainted });
        }
        self.validate(number, info, json, &wishes);
        let desired = self.desired(number, identity);
        desired.named.insert(number, named);
        let creating = desired.object.is_none();
        if identity.state == State::Absent {
            desired.absent.get_or_insert(number);
            return;
        }
        let initial = identity.state == State::Created;
        if initial && !creating {
            return;
        }
        for Asked { field, span, wanted, tainted } in wishes {
            if let Some(wanted) = wanted {
                self.wish(identity.id, field, Wish { wanted, tainted, entry: number, span, initial });
            }
        }
    }

    /// Judges what an entry says literally when it was not resolved, because its conditions skip it or because another
    /// part of it is wrong: a typo in it is a typo all the same.
    fn glance(&mut self, number: usize) {
        let registry = self.registry.clone();
        let entry = self.resolver.entry(number).1;
        let Some(info) = Val::literal(&entry.model).and_then(|name| registry.find(&name.python_str())) else { return };
        if info.meta {
            return;
        }
        let mut json = Map::new();
        // Identifiers may be paths, which the resolver has judged.
        let identifiers = entry.identifiers.iter().filter(|pair| info.fields.contains_key(&*pair.key));
        for pair in identifiers.chain(&entry.attrs) {
            let value = Val::literal(&pair.value).unwrap_or(Val::Unknown);
            let (key, key_span, node) = (pair.key.clone(), pair.key_span, pair.value.clone());
            let attr = Attr { key, key_span, node, value };
            let Some((field, value)) = self.field_of(info, &attr) else { continue };
            let Some(reference) = field.reference else {
                self.convert(field, &attr, &value, &mut json);
                continue;
            };
            // Whether an id or a number belongs to an object is not asked for an entry without effect.
            let wrong = match value.peel() {
                Val::Bool(_) | Val::Float(_) | Val::Map(_) => true,
                Val::List(_) => !reference.many,
                Val::Text(text) => Uuid::parse_str(text.trim()).is_err() && text.trim().parse::<i64>().is_err(),
                _ => false,
            };
            if wrong {
                self.bad_reference(field, reference.target, &attr.node, &value);
            }
        }
        self.validate(number, info, json, &[]);
    }

    fn desired(&mut self, number: usize, identity: &Identity) -> &mut Desired {
        let asked = identity
            .identifiers
            .iter()
            .filter(|attr| lookup::KEY_NAMES.contains(&&*attr.key))
            .find_map(|attr| attr.value.peel().python_str().parse::<i64>().ok());
        let desired = self.objects.entry(identity.id).or_insert_with(|| Desired {
            id: identity.id,
            kind: identity.kind,
            object: identity.object.clone(),
            absent: None,
            wishes: FastIndexMap::default(),
            entries: Vec::new(),
            named: BTreeMap::new(),
            number: None,
            uncertain: false,
        });
        desired.entries.push(number);
        desired.number = desired.number.or(asked);
        desired.uncertain |= identity.uncertain;
        desired
    }

    /// Adds a wish, unless another entry wants something else of the same field.
    fn wish(&mut self, id: Uuid, field: &str, wish: Wish) {
        let Some(desired) = self.objects.get_mut(&id) else { return };
        let Some(present) = desired.wishes.get_mut(field) else {
            desired.wishes.insert(field.to_owned(), wish);
            return;
        };
        let equal = match (&present.wanted, &wish.wanted) {
            (Wanted::Json(one), Wanted::Json(other)) => same(one, other),
            (Wanted::Edges(one), Wanted::Edges(other)) => {
                one.iter().collect::<HashSet<_>>() == other.iter().collect::<HashSet<_>>()
            }
            (one, other) => one == other,
        };
        if equal {
            present.initial &= wish.initial;
            return;
        }
        match (present.initial, wish.initial) {
            (true, false) => {
                *present = wish;
                return;
            }
            (_, true) => return,
            _ => {}
        }
        let (code, help) = if self.options.last_wins {
            (Code::CONFLICT_LAST_WINS, "the later one is taken, because of --last-wins")
        } else {
            (Code::CONFLICT, "remove one of them, or take the later one with --last-wins")
        };
        let finding = Diagnostic::new(code, format!("`{field}` is set to different values for one object"))
            .at(wish.span, "set here")
            .at(present.span, "and to another value here")
            .help(help);
        self.found.push(finding);
        if self.options.last_wins {
            *present = wish;
        }
    }

    fn grants(&mut self, number: usize, identity: &Identity, grants: &[Grant]) {
        let registry = self.registry.clone();
        let Some(info) = registry.find(GRANT_KIND) else { return };
        for grant in grants {
            let holder = if registry.get(grant.holder.kind).name == "authentik_rbac.role" { "role" } else { "user" };
            let codename = grant.permission.rsplit('.').next().unwrap_or(&grant.permission).to_owned();
            let values = [
                Value::String(identity.id.to_string()),
                Value::String(codename.clone()),
                Value::String(grant.holder.id.to_string()),
            ];
            let Some(key) = info.keys.iter().find(|key| key.fields.contains(&holder)) else { continue };
            let text = object::key_text(&values);
            let object = match self.resolver.model().by_key(object::key_scope(info, key), &object::key_name(key), &text)
            {
                Ok(object) => object.cloned(),
                Err(need) => {
                    self.needs.insert(need);
                    continue;
                }
            };
            let id = object.as_ref().map_or_else(
                || Uuid::new_v5(&self.resolver.namespace(), format!("{}|{text}", info.name).as_bytes()),
                |object| object.id,
            );
            let granted = Identity {
                kind: info.index,
                id,
                object,
                state: State::Present,
                identifiers: Vec::new(),
                uncertain: identity.uncertain,
            };
            let fields = [
                ("object", Wanted::Edges(vec![identity.id])),
                ("permission", Wanted::Json(Value::String(codename))),
                (holder, Wanted::Edges(vec![grant.holder.id])),
            ];
            let desired = self.desired(number, &granted);
            desired.named.insert(number, fields.iter().map(|(field, _)| (*field).to_owned()).collect());
            for (field, wanted) in fields {
                let wish = Wish { wanted, tainted: false, entry: number, span: grant.span, initial: false };
                self.wish(id, field, wish);
            }
        }
    }
}

/// Attributes with identifiers merged over them (spec blueprints §5.8). Identifiers that are paths or keys only find.
fn merged<'e>(info: &KindInfo, identity: &'e Identity, attrs: &'e [Attr]) -> Vec<Cow<'e, Attr>> {
    let mut merged: Vec<Cow<'e, Attr>> = attrs.iter().map(Cow::Borrowed).collect();
    for identifier in &identity.identifiers {
        let is_key = lookup::KEY_NAMES.contains(&&*identifier.key) && !info.fields.contains_key(&*identifier.key);
        if is_key || (identifier.key.contains("__") && !info.fields.contains_key(&*identifier.key)) {
            continue;
        }
        match merged.iter_mut().find(|attr| attr.key == identifier.key) {
            Some(attr) => {
                let scalar = !matches!(identifier.value.peel(), Val::Map(_) | Val::List(_));
                let attr = attr.to_mut();
                attr.value.merge(identifier.value.clone());
                if scalar {
                    attr.node = identifier.node.clone();
                    attr.key_span = identifier.key_span;
                }
            }
            None => merged.push(Cow::Borrowed(identifier)),
        }
    }
    merged
}

/// JSON equality that does not tell `1` from `1.0`.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|found| same(value, found)))
        }
        (one, other) => one == other,
    }
}
