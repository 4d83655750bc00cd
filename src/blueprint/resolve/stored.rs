//! Stored objects that identifiers and references mean.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;
use uuid::Uuid;

use super::{
    super::{
        lookup::{self, Lookup, Path},
        tags::Fault,
        value::{ObjectRef, Val},
    },
    Attr, Resolver, Result,
};
use crate::{
    base::diagnostic::{Code, Diagnostic},
    model::{Key, KindIndex, KindInfo, Model, Object, object},
};

impl Resolver<'_> {
    /// The object that a value of a reference field means, if it is of the target's kind or family.
    pub fn reference(&mut self, target: &str, value: &Val) -> Result<Option<ObjectRef>> {
        let registry = self.registry.clone();
        let object = match value.peel() {
            Val::Object(object) => Some(*object),
            Val::Text(text) => match Uuid::parse_str(text.trim()) {
                Ok(id) => self.by_pk(target, &text.to_lowercase(), Some(id), None)?,
                Err(_) => match text.trim().parse::<i64>() {
                    Ok(number) => self.by_pk(target, text, None, Some(number))?,
                    Err(_) => None,
                },
            },
            Val::Int(number) => self.by_pk(target, &number.to_string(), None, Some(*number))?,
            _ => None,
        };
        Ok(object.filter(|object| registry.get(object.kind).is_a(target)))
    }

    /// Finds an object by a raw primary key: first among entries that name this key as their `pk` (raw exports,
    /// spec blueprints §9), then in the model.
    fn by_pk(&mut self, target: &str, text: &str, id: Option<Uuid>, number: Option<i64>) -> Result<Option<ObjectRef>> {
        let registry = self.registry.clone();
        for kind in registry.targets(target) {
            for name in lookup::KEY_NAMES {
                for candidate in self.candidates(kind, name, &Val::text(text)) {
                    let pair = self.entry(candidate).1.identifiers.iter().find(|pair| &*pair.key == name);
                    if pair.and_then(|pair| Val::literal(&pair.value)).is_none_or(|found| found.python_str() != text) {
                        continue;
                    }
                    if let Some(identity) = &*self.identity(candidate)? {
                        return Ok(Some(self.object_ref(identity.id, identity.kind, identity.object.as_deref())));
                    }
                }
            }
        }
        let found = match (id, number) {
            (Some(id), _) => self.model.get(id)?.cloned(),
            (None, Some(number)) => {
                let mut found = None;
                let scopes: BTreeSet<&'static str> = registry
                    .targets(target)
                    .into_iter()
                    .map(|kind| registry.get(kind))
                    .filter(|info| info.numbered)
                    .map(KindInfo::number_scope)
                    .collect();
                for scope in scopes {
                    found = found.or(self.model.by_number(scope, number)?.cloned());
                }
                found
            }
            (None, None) => None,
        };
        Ok(found.map(|object| self.object_ref(object.id, object.kind, Some(&object))))
    }

    pub(super) fn object_ref(&self, id: Uuid, kind: KindIndex, object: Option<&Object>) -> ObjectRef {
        let numbered = self.registry.get(kind).numbered;
        ObjectRef { id, kind, number: object.and_then(|object| object.number), numbered }
    }

    /// The stored object that identifiers match (spec blueprints §7), with the union of `pk` and the others.
    pub(super) fn stored(
        &mut self,
        number: usize,
        info: &KindInfo,
        identifiers: &[Attr],
    ) -> Result<Option<Arc<Object>>> {
        let (keys, others): (Vec<&Attr>, Vec<&Attr>) = identifiers
            .iter()
            .partition(|attr| lookup::KEY_NAMES.contains(&&*attr.key) && !info.fields.contains_key(&*attr.key));
        let mut by_key = None;
        for attr in &keys {
            by_key = self.stored_by_pk(info, &attr.value)?;
            if let Some(object) = by_key.as_ref().filter(|object| object.kind != info.index) {
                let owner = self.registry.get(object.kind);
                let finding = Diagnostic::new(
                    Code::IDENTIFIERS_DIFFER,
                    format!(
                        "this pk belongs to the {} `{}`, which is no {}",
                        owner.title,
                        object.name(owner),
                        info.title
                    ),
                )
                .at(attr.key_span, "of another kind");
                return self.fail(finding);
            }
        }
        if others.is_empty() {
            return Ok(by_key);
        }
        let by_others = self.stored_by_fields(number, info, &others)?;
        match (by_key, by_others) {
            (Some(one), Some(other)) if one.id != other.id => {
                let place = identifiers[0].key_span;
                self.fail(
                    Diagnostic::new(
                        Code::IDENTIFIERS_DIFFER,
                        "the pk belongs to another object than the other identifiers",
                    )
                    .at(place, format!("pk: {}; others: {}", one.name(info), other.name(info))),
                )
            }
            (one, other) => Ok(one.or(other)),
        }
    }

    pub(super) fn stored_by_pk(&mut self, info: &KindInfo, value: &Val) -> Result<Option<Arc<Object>>> {
        let number = |number: i64, model: &Model| -> Result<Option<Arc<Object>>> {
            if info.numbered { Ok(model.by_number(info.number_scope(), number)?.cloned()) } else { Ok(None) }
        };
        match value.peel() {
            Val::Object(object) => Ok(self.model.get(object.id)?.cloned()),
            Val::Int(found) => number(*found, &self.model),
            Val::Text(text) => match (Uuid::parse_str(text.trim()), text.trim().parse::<i64>()) {
                (Ok(id), _) => Ok(self.model.get(id)?.cloned()),
                (_, Ok(found)) => number(found, &self.model),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn stored_by_fields(&mut self, number: usize, info: &KindInfo, attrs: &[&Attr]) -> Result<Option<Arc<Object>>> {
        let registry = self.registry.clone();
        let mut conditions = Vec::with_capacity(attrs.len());
        for attr in attrs {
            let Ok(mut path) = lookup::parse(&registry, &[info.index], &attr.key) else {
                return Err(Fault::Reported);
            };
            if matches!(attr.value.peel(), Val::Map(_)) && path.lookup == Lookup::Exact {
                path.lookup = Lookup::Contains;
            }
            let value = match path.plain_field().and_then(|field| info.reference(field)) {
                Some(reference) if !reference.many && !matches!(attr.value.peel(), Val::Null) => {
                    match self.reference(reference.target, &attr.value)? {
                        Some(object) => Val::Object(object),
                        None => return Ok(None),
                    }
                }
                _ => attr.value.clone(),
            };
            conditions.push((path, value));
        }
        for key in info.keys {
            let Some(text) = key_of_conditions(info, key, &conditions) else { continue };
            let found = self.model.by_key(object::key_scope(info, key), &object::key_name(key), &text)?.cloned();
            return match found {
                Some(object) if object.kind == info.index && self.all_match(&object, &conditions)? => Ok(Some(object)),
                _ => Ok(None),
            };
        }
        let all: Vec<Arc<Object>> = self.model.of_kind(info.index)?.cloned().collect();
        let mut matching = Vec::new();
        for object in all {
            if self.all_match(&object, &conditions)? {
                matching.push(object);
            }
        }
        if matching.len() > 1 {
            let names: Vec<String> =
                matching.iter().take(5).map(|object| format!("`{}` ({})", object.name(info), object.id)).collect();
            let more = if matching.len() > 5 { ", …" } else { "" };
            let span = attrs.first().map_or(self.entry(number).1.span, |attr| attr.key_span);
            return self.fail(
                Diagnostic::new(
                    Code::AMBIGUOUS,
                    format!("{} objects of {} match these identifiers", matching.len(), info.name),
                )
                .at(span, "ambiguous")
                .help(format!("they are {}{more}", names.join(", "))),
            );
        }
        Ok(matching.pop())
    }

    /// Whether a stored object, as it is stored, meets all conditions.
    pub(super) fn all_match(&mut self, object: &Arc<Object>, conditions: &[(Path, Val)]) -> Result<bool> {
        for (path, wanted) in conditions {
            let mut any = false;
            for value in self.walk(object.id, object.kind, &path.steps, false)? {
                any |= path.lookup.matches(&value, wanted).unwrap_or(false);
            }
            if !any {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The indexed text of a key when equality conditions give all of its fields.
pub(super) fn key_of_conditions(info: &KindInfo, key: &Key, conditions: &[(Path, Val)]) -> Option<String> {
    if key.only_true
        && conditions.iter().any(|(path, value)| {
            path.plain_field().is_some_and(|field| key.fields.contains(&field)) && value.peel() != &Val::Bool(true)
        })
    {
        return None;
    }
    let values: Option<Vec<Value>> = key
        .fields
        .iter()
        .map(|field| {
            let (_, value) = conditions.iter().find(|(path, _)| path.plain_field() == Some(field))?;
            match (value.peel(), info.reference(field)) {
                (Val::Object(object), Some(_)) => Some(Value::String(object.id.to_string())),
                (Val::Object(_) | Val::Null | Val::Unknown | Val::List(_) | Val::Map(_) | Val::Symbol(_), _) => None,
                (_, Some(_)) => None,
                (Val::Int(number), None) if info.fields.get(*field).is_some_and(|field| !field.allows("integer")) => {
                    Some(Value::String(number.to_string()))
                }
                (Val::Text(text), None) if info.fields.get(*field).is_some_and(|field| !field.allows("string")) => {
                    text.parse::<i64>().ok().map(Value::from)
                }
                (other, None) => Some(other.to_json()),
            }
        })
        .collect();
    values.map(|values| object::key_text(&values))
}
