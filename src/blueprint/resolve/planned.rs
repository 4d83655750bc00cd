//! Values of fields: as they are stored, and as the entries leave them.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use uuid::Uuid;

use super::{Fault, Identity, ObjectRef, Resolver, Result, Slot, State, Step, Token, Val, lookup};
use crate::model::KindIndex;

/// Who refers to whom by one field, as far as entries say something about that field.
#[derive(Debug, Default)]
pub(super) struct Declared {
    by_target: HashMap<Uuid, Vec<ObjectRef>>,
    /// The objects whose field entries decide; what is stored of it does not count.
    decided: HashSet<Uuid>,
}

impl Resolver<'_> {
    /// The values at the end of a path from an object: one for fields, several through lists and back-references.
    /// With `planned` the entries' wishes count, otherwise only what is stored.
    pub(super) fn walk(&mut self, id: Uuid, kind: KindIndex, steps: &[Step], planned: bool) -> Result<Vec<Val>> {
        let Some((step, rest)) = steps.split_first() else { return Ok(Vec::new()) };
        let stored = self.model.known(id).cloned();
        let next: Vec<Val> = match step {
            Step::Key => vec![Val::Object(self.object_ref(id, kind, stored.as_deref()))],
            Step::Field(field) => {
                let value =
                    if planned { self.planned_field(id, kind, field)? } else { self.stored_field(id, kind, field)? };
                match value {
                    Val::List(items) if items.iter().any(|item| matches!(item, Val::Object(_))) => items,
                    other => vec![other],
                }
            }
            Step::Member(_) => Vec::new(),
            Step::Back(fields) => {
                let mut sources = Vec::new();
                for (kind, field) in fields {
                    let back = if planned {
                        self.planned_sources(*kind, field, id)?
                    } else {
                        self.stored_sources(*kind, field, id)?
                    };
                    sources.extend(back.into_iter().map(Val::Object));
                }
                sources
            }
        };
        if rest.is_empty() {
            return Ok(next);
        }
        let mut values = Vec::new();
        for value in next {
            match value {
                Val::Object(object) if !matches!(rest[0], Step::Member(_)) => {
                    values.extend(self.walk(object.id, object.kind, rest, planned)?);
                }
                mut value => {
                    for step in rest {
                        if let Step::Member(name) = step {
                            value = lookup::member(&value, name);
                        }
                    }
                    values.push(value);
                }
            }
        }
        Ok(values)
    }

    fn stored_field(&mut self, id: Uuid, kind: KindIndex, field: &str) -> Result<Val> {
        let registry = self.registry.clone();
        let info = registry.get(kind);
        let object = self.model.get(id)?.cloned();
        if let Some(reference) = info.reference(field) {
            let mut values = Vec::new();
            match reference.inverse {
                Some(there) => {
                    for far in registry.targets(reference.target) {
                        values.extend(self.stored_sources(far, there, id)?.into_iter().map(Val::Object));
                    }
                }
                None => {
                    for target in object.iter().flat_map(|object| object.targets(field)) {
                        if let Some(found) = self.model.get(*target)?.cloned() {
                            values.push(Val::Object(self.object_ref(found.id, found.kind, Some(&found))));
                        }
                    }
                }
            }
            return Ok(if reference.many { Val::List(values) } else { values.pop().unwrap_or(Val::Null) });
        }
        let value = object.as_ref().and_then(|object| object.attrs.get(field));
        Ok(match (value, info.fields.get(field)) {
            (Some(value), _) => Val::from_json(value),
            (None, Some(field)) if object.is_none() => Val::from_json(&field.default),
            _ => Val::Null,
        })
    }

    fn stored_sources(&mut self, kind: KindIndex, field: &'static str, target: Uuid) -> Result<Vec<ObjectRef>> {
        let mut sources = Vec::new();
        for source in self.model.referrers(kind, field, target)? {
            if let Some(object) = self.model.get(source)?.cloned() {
                sources.push(self.object_ref(object.id, object.kind, Some(&object)));
            }
        }
        Ok(sources)
    }

    /// A field's value as the plan leaves it. Memberships can be stated at either side.
    pub(super) fn planned_field(&mut self, id: Uuid, kind: KindIndex, field: &str) -> Result<Val> {
        let registry = self.registry.clone();
        let info = registry.get(kind);
        let own = self.wished(id, kind, field)?;
        let Some(reference) = info.reference(field).filter(|reference| reference.many) else {
            return own.map_or_else(|| self.stored_field(id, kind, field), Ok);
        };
        if let Some(there) = reference.inverse {
            if let Some(own) = own {
                return Ok(own);
            }
            let mut members = Vec::new();
            for far in registry.targets(reference.target) {
                members.extend(self.planned_sources(far, there, id)?.into_iter().map(Val::Object));
            }
            return Ok(Val::List(members));
        }
        let Val::List(mut targets) = own.map_or_else(|| self.stored_field(id, kind, field), Ok)? else {
            return Ok(Val::Null);
        };
        for far in registry.kinds() {
            let sides = far.references.iter().filter(|side| side.inverse == Some(field) && info.is_a(side.target));
            for side in sides {
                let declared = self.declared(far.index, side.field)?;
                targets
                    .retain(|target| !matches!(target, Val::Object(target) if declared.decided.contains(&target.id)));
                targets.extend(declared.by_target.get(&id).into_iter().flatten().copied().map(Val::Object));
            }
        }
        Ok(Val::List(targets))
    }

    /// Objects of a kind that refer to an object by a field in the state that the plan leaves behind.
    fn planned_sources(&mut self, kind: KindIndex, field: &'static str, target: Uuid) -> Result<Vec<ObjectRef>> {
        let declared = self.declared(kind, field)?;
        let mut sources = declared.by_target.get(&target).cloned().unwrap_or_default();
        if self.model.known(target).is_some() {
            for source in self.stored_sources(kind, field, target)? {
                if !declared.decided.contains(&source.id) && !self.is_gone(source.id) {
                    sources.push(source);
                }
            }
        }
        Ok(sources)
    }

    /// Whether an entry deletes an object, as far as entries are identified.
    pub(super) fn is_gone(&self, id: Uuid) -> bool {
        let touching = self.touched.get(&id).into_iter().flatten();
        touching.filter_map(|number| self.identified(*number)).any(|identity| identity.state == State::Absent)
    }

    fn identified(&self, number: usize) -> Option<&Identity> {
        match &self.entries[number].identity {
            Slot::Done(identity) => identity.as_ref().as_ref(),
            _ => None,
        }
    }

    /// What all entries of a kind say about a reference field. Entries that wait for the one being worked on are left out.
    fn declared(&mut self, kind: KindIndex, field: &'static str) -> Result<Rc<Declared>> {
        if let Some(known) = self.declared.get(&(kind, field)) {
            return Ok(known.clone());
        }
        let mut declared = Declared::default();
        let mut complete = true;
        for number in self.by_kind.get(&kind).cloned().unwrap_or_default() {
            let entry = self.entry(number).1;
            if !entry.attrs.iter().chain(&entry.identifiers).any(|pair| &*pair.key == field) {
                continue;
            }
            let said = self.identity(number).and_then(|identity| match &*identity {
                Some(identity) if identity.kind == kind && identity.state != State::Absent => {
                    let source = self.object_ref(identity.id, kind, identity.object.as_deref());
                    Ok(self.wished(identity.id, kind, field)?.map(|value| (source, value)))
                }
                _ => Ok(None),
            });
            let (source, value) = match said {
                Ok(Some(said)) => said,
                Ok(None) | Err(Fault::Reported) => continue,
                Err(Fault::Blocked(by)) if Some(by) == self.current() => {
                    complete = false;
                    continue;
                }
                Err(other) => return Err(other),
            };
            if !declared.decided.insert(source.id) {
                continue;
            }
            let targets = match value {
                Val::List(items) => items,
                single => vec![single],
            };
            for target in targets {
                if let Val::Object(target) = target {
                    declared.by_target.entry(target.id).or_default().push(source);
                }
            }
        }
        let declared = Rc::new(declared);
        if complete {
            self.declared.insert((kind, field), declared.clone());
        }
        Ok(declared)
    }

    /// What entries about an object want of a field; nothing when none names it.
    fn wished(&mut self, id: Uuid, kind: KindIndex, field: &str) -> Result<Option<Val>> {
        let mut numbers = self.touched.get(&id).cloned().unwrap_or_default();
        // What `created` says gives way to what others say.
        numbers.sort_by_key(|number| {
            let present = self.identified(*number).is_some_and(|identity| identity.state == State::Present);
            (!present, std::cmp::Reverse(*number))
        });
        for number in numbers {
            let identity = self.identity(number)?;
            let Some(identity) = &*identity else { continue };
            if identity.object.is_some() && identity.state != State::Present {
                continue;
            }
            let identifier = identity.identifiers.iter().find(|attr| &*attr.key == field);
            let value = match identifier.map(|attr| attr.value.clone()) {
                Some(value) => value,
                None => {
                    let position = self.entry(number).1.attrs.iter().position(|pair| &*pair.key == field);
                    let Some(position) = position else { continue };
                    (*self.attr_value(number, position)?).clone()
                }
            };
            let registry = self.registry.clone();
            let Some(reference) = registry.get(kind).reference(field) else { return Ok(Some(value)) };
            return Ok(Some(match value.peel() {
                Val::List(items) => {
                    let mut objects = Vec::with_capacity(items.len());
                    for item in items {
                        objects.extend(self.reference(reference.target, item)?.map(Val::Object));
                    }
                    Val::List(objects)
                }
                single => self.reference(reference.target, single)?.map_or(Val::Null, Val::Object),
            }));
        }
        Ok(None)
    }

    /// The value of one attribute of an entry, without resolving the others.
    fn attr_value(&mut self, number: usize, position: usize) -> Result<Rc<Val>> {
        let pair = &self.entry(number).1.attrs[position];
        if let Slot::Done(body) = &self.entries[number].body
            && let Some(attr) = body.attrs.iter().find(|attr| attr.key_span == pair.key_span)
        {
            return Ok(Rc::new(attr.value.clone()));
        }
        if let Some(value) = Val::literal(&pair.value) {
            return Ok(Rc::new(value));
        }
        let token = Token::Attr(number, position);
        if let Some(known) = self.attrs.get(&(number, position)).and_then(|slot| slot.known(token)) {
            return known;
        }
        self.attrs.insert((number, position), Slot::Working);
        let result = self.guard(token, |this| this.evaluate(number, &pair.value)).map(Rc::new);
        self.attrs.insert((number, position), Slot::of(&result));
        result
    }

    /// The value of an attribute for an entry's body: what has been asked for alone is not resolved again.
    pub(super) fn body_value(&mut self, number: usize, position: usize) -> Result<Val> {
        let pair = &self.entry(number).1.attrs[position];
        match self.attrs.get(&(number, position)).and_then(|slot| slot.known(Token::Attr(number, position))) {
            Some(known) => known.map(|value| (*value).clone()),
            None => self.evaluate(number, &pair.value),
        }
    }
}
