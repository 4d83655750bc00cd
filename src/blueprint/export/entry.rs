//! One object as an entry: identifiers, attributes, references, placeholders and permissions.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::Value as Json;
use serde_yaml::{
    Mapping, Value,
    value::{Tag, TaggedValue},
};
use uuid::Uuid;

use super::{
    ExportError, Options, Placeholder,
    identify::{Identifier, Identity, Part},
    order,
    select::Selected,
};
use crate::{
    blueprint::desired::same,
    model::{
        KindInfo, Model, Object,
        registry::{FieldInfo, SecretMode},
        symbol,
    },
};

/// An item of the document, in the order in which its parts are written.
#[derive(Serialize)]
pub(super) struct Entry {
    model: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    identifiers: Mapping,
    #[serde(skip_serializing_if = "Mapping::is_empty")]
    attrs: Mapping,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    permissions: Vec<Mapping>,
}

/// By what entries are sorted where references do not decide: the rank of the kind, then the place among what is bound
/// to the same target, then the name. The last two parts only tell objects apart that have no name.
type SortKey = (usize, String, Option<i64>, Vec<String>, String, Uuid);

/// Writes the entries of an export.
pub(super) struct Writer<'m> {
    model: &'m Model,
    options: &'m Options,
    selected: &'m Selected,
    identifier: Identifier<'m>,
    /// Ids of entries that others refer to, given when first needed.
    ids: HashMap<Uuid, String>,
    used_ids: Names,
    used_variables: Names,
    placeholders: Vec<Placeholder>,
    passwords_left_out: usize,
}

impl<'m> Writer<'m> {
    pub fn new(model: &'m Model, options: &'m Options, selected: &'m Selected) -> Self {
        Writer {
            model,
            options,
            selected,
            identifier: Identifier::new(model),
            ids: HashMap::new(),
            used_ids: Names::default(),
            used_variables: Names::default(),
            placeholders: Vec::new(),
            passwords_left_out: 0,
        }
    }

    /// What people call an object.
    ///
    /// # Errors
    /// When the model does not hold everything.
    pub fn label(&mut self, id: Uuid) -> Result<String, ExportError> {
        self.identifier.label(id)
    }

    /// The objects of the export in the order of their entries.
    ///
    /// # Errors
    /// When the model does not hold everything.
    pub fn order(&mut self) -> Result<Vec<&'m Object>, ExportError> {
        let selected = self.selected;
        let ranks = selected.kind_ranks();
        let mut keyed: Vec<(SortKey, &'m Object)> = Vec::with_capacity(selected.objects.len());
        for object in selected.objects.values() {
            keyed.push((self.sort_key(object, ranks.get(&object.kind).copied().unwrap_or_default())?, object));
        }
        keyed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let sorted: Vec<&Object> = keyed.into_iter().map(|(_, object)| object).collect();
        let position: HashMap<Uuid, usize> = sorted.iter().enumerate().map(|(at, object)| (object.id, at)).collect();
        let dependencies: Vec<Vec<usize>> = sorted
            .iter()
            .map(|object| {
                let mut needed: Vec<usize> = selected.needs(object).map(|target| position[&target.id]).collect();
                needed.sort_unstable();
                needed.dedup();
                needed
            })
            .collect();
        Ok(order::order(&dependencies).into_iter().map(|at| sorted[at]).collect())
    }

    fn sort_key(&mut self, object: &Object, rank: usize) -> Result<SortKey, ExportError> {
        let identity = self.identifier.identity(object)?;
        let target = match object.targets("target").first() {
            Some(target) => self.label(*target)?,
            None => String::new(),
        };
        let place = if target.is_empty() { None } else { object.attrs.get("order").and_then(Json::as_i64) };
        let content =
            if identity.fields.is_empty() { Json::Object(object.attrs.clone()).to_string() } else { String::new() };
        Ok((rank, target, place, identity.parts.clone(), content, object.id))
    }

    /// The entry of an object of the export; its id is given by [`Writer::finish`].
    ///
    /// # Errors
    /// When the model is partial or planned.
    pub fn entry(&mut self, object: &Object) -> Result<Entry, ExportError> {
        let info = self.model.registry().get(object.kind);
        let identity = self.identifier.identity(object)?;
        let mut identifiers = Mapping::new();
        for (field, part) in &identity.fields {
            let value = match part {
                Part::Plain(value) => plain(info, field, value)?,
                Part::Target(target) => self.reference(*target)?,
            };
            identifiers.insert(field.as_str().into(), value);
        }
        if identifiers.is_empty() {
            identifiers.insert("pk".into(), primary_key(info, object));
        }
        let mut attrs = Mapping::new();
        for field in info.fields.values().filter(|field| !identifiers.contains_key(field.name.as_str())) {
            if let Some(value) = self.attribute(info, object, field, &identity.label())? {
                attrs.insert(field.name.as_str().into(), value);
            }
        }
        let permissions = self.permissions(object.id)?;
        Ok(Entry { model: info.name, id: None, identifiers, attrs, permissions })
    }

    /// Gives the entries their ids, and what they left behind: placeholders, and the number of passwords left out.
    pub fn finish(self, ordered: &[&Object], entries: &mut [Entry]) -> (Vec<Placeholder>, usize) {
        let mut ids = self.ids;
        for (object, entry) in ordered.iter().zip(entries) {
            entry.id = ids.remove(&object.id);
        }
        (self.placeholders, self.passwords_left_out)
    }

    /// The value of a field as the entry says it; nothing if the entry need not or cannot say it.
    fn attribute(
        &mut self,
        info: &KindInfo,
        object: &Object,
        field: &FieldInfo,
        label: &str,
    ) -> Result<Option<Value>, ExportError> {
        if let Some(mode) = field.secret {
            return Ok(self.secret(info, object, field, mode, label));
        }
        let always = field.required || self.options.full;
        let Some(reference) = field.reference else {
            let value = object.attrs.get(&field.name).unwrap_or(&field.default);
            let generated = info.generated.iter().any(|generated| generated.field == field.name);
            let written = always || generated || !same(value, &field.default);
            return written.then(|| plain(info, &field.name, value)).transpose();
        };
        if reference.inverse.is_some() {
            // The members say it.
            return Ok(None);
        }
        let targets = object.targets(&field.name);
        match (targets.first(), reference.many) {
            (None, true) => Ok(always.then(|| Value::Sequence(Vec::new()))),
            (None, false) => Ok((always && field.nullable).then_some(Value::Null)),
            (Some(target), false) => self.reference(*target).map(Some),
            (Some(_), true) => {
                let mut named = Vec::with_capacity(targets.len());
                for target in targets {
                    let kind = self.model.known(*target).map(|target| target.kind);
                    named.push((self.label(*target)?, kind, *target));
                }
                named.sort_unstable();
                let list: Result<Vec<Value>, ExportError> =
                    named.into_iter().map(|(_, _, target)| self.reference(target)).collect();
                list.map(|list| Some(Value::Sequence(list)))
            }
        }
    }

    /// A reference: by entry id if the object is in the export, else by what identifies it, at last by primary key.
    fn reference(&mut self, id: Uuid) -> Result<Value, ExportError> {
        let Some(object) = self.model.get(id)? else { return Ok(Value::String(id.to_string())) };
        let info = self.model.registry().get(object.kind);
        if self.selected.objects.contains_key(&id) {
            return Ok(tagged("!KeyOf", Value::String(self.entry_id(info, object)?)));
        }
        let identity = self.identifier.identity(object)?;
        find(info, object, &identity, &mut |target| self.reference(target))
    }

    fn entry_id(&mut self, info: &KindInfo, object: &Object) -> Result<String, ExportError> {
        if let Some(id) = self.ids.get(&object.id) {
            return Ok(id.clone());
        }
        let label = self.label(object.id)?;
        let wanted = words(&format!("{} {label}", info.short_name()), '-').to_lowercase();
        let id = self.used_ids.unused(wanted, '-');
        self.ids.insert(object.id, id.clone());
        Ok(id)
    }

    /// The placeholder of a secret. Without one, a secret that is not set stays so, and a password is lost on purpose.
    fn secret(
        &mut self,
        info: &KindInfo,
        object: &Object,
        field: &FieldInfo,
        mode: SecretMode,
        label: &str,
    ) -> Option<Value> {
        let is_set = object.secrets.contains_key(field.name.as_str());
        if !field.required && (!is_set || mode == SecretMode::Password && !self.options.passwords) {
            self.passwords_left_out += usize::from(is_set);
            return None;
        }
        let wanted = words(&format!("{} {label} {}", info.short_name(), field.name), '_').to_uppercase();
        let variable = self.used_variables.unused(format!("{}{wanted}", self.options.prefix), '_');
        self.placeholders.push(Placeholder {
            variable: variable.clone(),
            kind: info.name,
            object: label.to_owned(),
            field: field.name.clone(),
        });
        Some(tagged("!Env", Value::String(variable)))
    }

    fn permissions(&mut self, id: Uuid) -> Result<Vec<Mapping>, ExportError> {
        let mut named = Vec::new();
        for grant in self.selected.grants.get(&id).into_iter().flatten() {
            for field in ["role", "user"] {
                for holder in grant.targets(field) {
                    named.push((grant.text("permission").unwrap_or_default(), field, self.label(*holder)?, *holder));
                }
            }
        }
        named.sort_unstable();
        let mut listed = Vec::with_capacity(named.len());
        for (permission, field, _, holder) in named {
            let pairs = [("permission".into(), permission.into()), (field.into(), self.reference(holder)?)];
            listed.push(Mapping::from_iter(pairs));
        }
        Ok(listed)
    }
}

fn plain(info: &KindInfo, field: &str, value: &Json) -> Result<Value, ExportError> {
    if symbol::contains_symbol(value) {
        return Err(ExportError::Planned { kind: info.name, field: field.to_owned() });
    }
    Ok(serde_yaml::to_value(value)?)
}

/// A `!Find` by what identifies an object, or its primary key when nothing else does.
fn find(
    info: &KindInfo,
    object: &Object,
    identity: &Identity,
    reference: &mut dyn FnMut(Uuid) -> Result<Value, ExportError>,
) -> Result<Value, ExportError> {
    if identity.fields.is_empty() {
        return Ok(primary_key(info, object));
    }
    let mut find = vec![Value::from(info.name)];
    for (field, part) in &identity.fields {
        let value = match part {
            Part::Plain(value) => plain(info, field, value)?,
            Part::Target(target) => reference(*target)?,
        };
        find.push(Value::Sequence(vec![field.as_str().into(), value]));
    }
    Ok(tagged("!Find", Value::Sequence(find)))
}

/// Writes references to stored objects for documents that are not made by an export.
pub struct References<'m> {
    model: &'m Model,
    identifier: Identifier<'m>,
}

impl<'m> References<'m> {
    /// Starts with a stored model.
    pub fn new(model: &'m Model) -> Self {
        References { model, identifier: Identifier::new(model) }
    }

    /// A reference to an object: `!KeyOf` with the id that `entry_id` gives for it, else `!Find`, at last its primary key.
    ///
    /// # Errors
    /// When the model does not hold everything.
    pub fn write(&mut self, id: Uuid, entry_id: &dyn Fn(Uuid) -> Option<String>) -> Result<Value, ExportError> {
        if let Some(entry) = entry_id(id) {
            return Ok(tagged("!KeyOf", Value::String(entry)));
        }
        let Some(object) = self.model.get(id)? else { return Ok(Value::String(id.to_string())) };
        let identity = self.identifier.identity(object)?;
        find(self.model.registry().get(object.kind), object, &identity, &mut |target| self.write(target, entry_id))
    }
}

fn tagged(tag: &str, value: Value) -> Value {
    Value::Tagged(Box::new(TaggedValue { tag: Tag::new(tag), value }))
}

/// The primary key as files write it: the integer of kinds that have one, else the id.
fn primary_key(info: &KindInfo, object: &Object) -> Value {
    match object.number.filter(|_| info.numbered) {
        Some(number) => Value::from(number),
        None => Value::String(object.id.to_string()),
    }
}

/// The letters and digits of a text, with one separator for whatever is between them. Only ASCII stays.
fn words(text: &str, separator: char) -> String {
    let words: Vec<&str> =
        text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join(&separator.to_string())
}

/// Names that are given out once each.
#[derive(Default)]
struct Names {
    used: HashSet<String>,
    /// The number to try next for a name that is taken, so that many equal names do not cost their square.
    next: HashMap<String, usize>,
}

impl Names {
    /// The wanted name, or the wanted name with the first number from 2 that makes it a new one.
    fn unused(&mut self, wanted: String, separator: char) -> String {
        if self.used.insert(wanted.clone()) {
            return wanted;
        }
        let number = self.next.entry(wanted.clone()).or_insert(2);
        loop {
            let name = format!("{wanted}{separator}{number}");
            *number += 1;
            if self.used.insert(name.clone()) {
                return name;
            }
        }
    }
}
