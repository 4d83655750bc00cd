//! By which fields an object is identified in an export.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use serde_json::Value;
use uuid::Uuid;

use super::ExportError;
use crate::model::{KindIndex, KindInfo, Model, Object, object};

/// Beyond this number of objects no set of fields is searched for in a kind without natural identifiers: the primary
/// key serves. Such kinds hold what happened or what people enrolled, not what anyone writes by hand.
const MAX_SEARCHED: usize = 10_000;
/// Fields among which a set is searched for.
const MAX_CANDIDATES: usize = 6;
/// Fields that such a set has besides the name.
const MAX_SET: usize = 3;

/// The value of an identifying field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// A plain attribute.
    Plain(Value),
    /// The target of a reference.
    Target(Uuid),
}

/// How an object is told apart from all others of its kind.
#[derive(Debug)]
pub(super) struct Identity {
    /// Fields with values; empty when only the primary key tells.
    pub fields: Vec<(String, Part)>,
    /// The values as people read them, for sorting and naming. Without ids in them.
    pub parts: Vec<String>,
}

impl Identity {
    /// What people call the object; empty when nothing but its primary key tells.
    pub fn label(&self) -> String {
        self.parts.join(" › ")
    }
}

type Fields = Vec<String>;

/// Finds and remembers identities.
pub(super) struct Identifier<'m> {
    model: &'m Model,
    known: HashMap<Uuid, Rc<Identity>>,
    counts: HashMap<(KindIndex, Fields), HashMap<String, usize>>,
    working: HashSet<Uuid>,
}

impl<'m> Identifier<'m> {
    pub fn new(model: &'m Model) -> Self {
        Identifier { model, known: HashMap::new(), counts: HashMap::new(), working: HashSet::new() }
    }

    /// The identity of an object: the first natural identifier that it has, else a small set of fields that no other
    /// object of the kind shares, else the primary key.
    ///
    /// # Errors
    /// When the model does not hold everything.
    pub fn identity(&mut self, object: &Object) -> Result<Rc<Identity>, ExportError> {
        if let Some(identity) = self.known.get(&object.id) {
            return Ok(identity.clone());
        }
        self.working.insert(object.id);
        let identity = self.find(object);
        self.working.remove(&object.id);
        let identity = Rc::new(identity?);
        self.known.insert(object.id, identity.clone());
        Ok(identity)
    }

    /// What people call an object; empty when nothing but its primary key tells, or there is no such object.
    ///
    /// # Errors
    /// When the model does not hold everything.
    pub fn label(&mut self, id: Uuid) -> Result<String, ExportError> {
        match self.model.get(id)? {
            Some(object) => Ok(self.identity(object)?.label()),
            None => Ok(String::new()),
        }
    }

    fn find(&mut self, object: &Object) -> Result<Identity, ExportError> {
        let model = self.model;
        let info = model.registry().get(object.kind);
        let mut fields = None;
        for key in info.keys {
            let (Some(parts), Some(text)) = (self.parts(object, key.fields), object.key_value(key)) else { continue };
            let holder = model.by_key(object::key_scope(info, key), &object::key_name(key), &text)?;
            if holder.is_some_and(|holder| holder.id == object.id) {
                fields = Some(parts);
                break;
            }
        }
        if fields.is_none() {
            fields = self.partial(info, object)?;
        }
        if fields.is_none() {
            fields = self.search(info, object)?;
        }
        let fields = fields.unwrap_or_default();
        let mut parts = Vec::with_capacity(fields.len());
        for (_, part) in &fields {
            parts.push(match part {
                Part::Plain(Value::String(text)) => text.clone(),
                Part::Plain(other) => other.to_string(),
                Part::Target(target) => self.label(*target)?,
            });
        }
        if fields.is_empty() {
            parts.extend(object.text(info.name_field()));
        }
        Ok(Identity { fields, parts })
    }

    fn parts<S: AsRef<str>>(&self, object: &Object, fields: &[S]) -> Option<Vec<(String, Part)>> {
        fields
            .iter()
            .map(|field| self.part(object, field.as_ref()).map(|part| (field.as_ref().to_owned(), part)))
            .collect()
    }

    /// The value of a field if it can identify: a scalar, or an object that is not itself identified by this one.
    fn part(&self, object: &Object, field: &str) -> Option<Part> {
        if let Some(target) = object.targets(field).first() {
            let usable = self.model.known(*target).is_some() && !self.working.contains(target);
            return usable.then_some(Part::Target(*target));
        }
        match object.attrs.get(field) {
            Some(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => Some(Part::Plain(value.clone())),
            _ => None,
        }
    }

    /// The first natural identifier with whatever single references the object has in place of the missing fields: what
    /// a policy binding of a group or user is told by.
    fn partial(&mut self, info: &KindInfo, object: &Object) -> Result<Option<Vec<(String, Part)>>, ExportError> {
        let Some(key) = info.keys.first() else { return Ok(None) };
        let mut others: Vec<&str> = info
            .references
            .iter()
            .filter(|reference| !reference.many && !key.fields.contains(&reference.field))
            .map(|reference| reference.field)
            .filter(|field| self.part(object, field).is_some())
            .collect();
        let mut fields: Fields = Vec::new();
        for field in key.fields {
            if self.part(object, field).is_some() {
                fields.push((*field).to_owned());
            } else {
                fields.extend(others.drain(..).map(str::to_owned));
            }
        }
        if fields.is_empty() || !self.is_alone(info, object, &fields)? {
            return Ok(None);
        }
        Ok(self.parts(object, &fields))
    }

    /// The smallest set of fields, the name among them if there is one, that no other object of the kind shares.
    fn search(&mut self, info: &KindInfo, object: &Object) -> Result<Option<Vec<(String, Part)>>, ExportError> {
        if self.model.of_kind(info.index)?.count() > MAX_SEARCHED {
            return Ok(None);
        }
        let tells = |field: &str| match self.part(object, field) {
            Some(Part::Plain(Value::String(text))) => !text.is_empty(),
            part => part.is_some(),
        };
        let name = tells("name").then(|| "name".to_owned());
        let mut candidates: Vec<(u8, &str)> = info
            .fields
            .values()
            .filter(|field| field.secret.is_none() && field.name != "name" && tells(&field.name))
            .filter_map(|field| match field.reference {
                Some(reference) => (!reference.many).then_some((0, field.name.as_str())),
                None => Some((if field.required { 1 } else { 2 }, field.name.as_str())),
            })
            .collect();
        candidates.sort_by_key(|(class, _)| *class);
        candidates.truncate(MAX_CANDIDATES);
        for size in 0..=MAX_SET.min(candidates.len()) {
            for chosen in subsets(candidates.len(), size) {
                let fields: Fields =
                    name.iter().cloned().chain(chosen.iter().map(|at| candidates[*at].1.to_owned())).collect();
                if !fields.is_empty() && self.is_alone(info, object, &fields)? {
                    return Ok(self.parts(object, &fields));
                }
            }
        }
        Ok(None)
    }

    /// Whether no other object of the kind has the same values in the given fields.
    fn is_alone(&mut self, info: &KindInfo, object: &Object, fields: &Fields) -> Result<bool, ExportError> {
        let key = (info.index, fields.clone());
        if !self.counts.contains_key(&key) {
            let mut counts: HashMap<String, usize> = HashMap::new();
            for object in self.model.of_kind(info.index)? {
                if let Some(text) = value_text(object, fields) {
                    *counts.entry(text).or_default() += 1;
                }
            }
            self.counts.insert(key.clone(), counts);
        }
        let count = value_text(object, fields).and_then(|text| self.counts.get(&key)?.get(&text));
        Ok(count == Some(&1))
    }
}

/// The values of fields as one text. Numbers equal their text, as they do for an importer.
fn value_text(object: &Object, fields: &[String]) -> Option<String> {
    let texts: Option<Vec<String>> = fields
        .iter()
        .map(|field| match (object.targets(field).first(), object.attrs.get(field)) {
            (Some(target), _) => Some(target.to_string()),
            (None, Some(Value::String(text))) => Some(text.clone()),
            (None, Some(other)) if !other.is_null() => Some(other.to_string()),
            _ => None,
        })
        .collect();
    texts.map(|texts| Value::from(texts).to_string())
}

/// All subsets of `0..count` with `size` members, the earliest members first.
fn subsets(count: usize, size: usize) -> Vec<Vec<usize>> {
    let mut found = vec![Vec::new()];
    for _ in 0..size {
        found = found
            .into_iter()
            .flat_map(|chosen: Vec<usize>| {
                let from = chosen.last().map_or(0, |last| last + 1);
                (from..count).map(move |next| chosen.iter().copied().chain([next]).collect())
            })
            .collect();
    }
    found
}
