//! `!KeyOf` and `!Find`: objects as the whole plan leaves them.

use std::sync::Arc;

use indexmap::IndexMap;
use uuid::Uuid;

use super::{
    super::{
        lookup::{self, Lookup, Path, Step},
        tags::{Fault, Meter, Query, World},
        value::{MapKey, ObjectRef, Val},
    },
    FieldIndex, Resolver, Result, State, Token, key_of_conditions,
    unknown::{renamed_kind, unknown_condition, unknown_kind},
};
use crate::{
    base::diagnostic::{Code, Diagnostic, Span},
    model::{KindIndex, Object, object},
};

impl Resolver<'_> {
    /// Entries of a kind that may set a field to a value: those that write it literally, and those that write it by a tag
    /// or not at all.
    pub(super) fn candidates(&mut self, kind: KindIndex, field: &str, wanted: &Val) -> Vec<usize> {
        let Some(numbers) = self.by_kind.get(&kind) else { return Vec::new() };
        let key = (kind, field.to_owned());
        if !self.field_indexes.contains_key(&key) {
            let mut index = FieldIndex::default();
            for number in numbers {
                let entry = self.entry(*number).1;
                let pair = entry.identifiers.iter().chain(&entry.attrs).find(|pair| &*pair.key == field);
                match pair.and_then(|pair| Val::literal(&pair.value)) {
                    Some(Val::List(_) | Val::Map(_)) | None => index.other.push(*number),
                    Some(value) => index.by_text.entry(value.python_str().into()).or_default().push(*number),
                }
            }
            self.field_indexes.insert(key.clone(), index);
        }
        let Some(index) = self.field_indexes.get(&key) else { return Vec::new() };
        let mut found = index.other.clone();
        if let Val::Object(_) | Val::List(_) | Val::Map(_) | Val::Symbol(_) = wanted.peel() {
            found.extend(index.by_text.values().flatten());
        } else if let Some(literal) = index.by_text.get(wanted.peel().python_str().as_str()) {
            found.extend(literal);
        }
        found.sort_unstable();
        found
    }

    /// Objects that match a query in the state that the plan leaves behind.
    pub(super) fn matching(
        &mut self,
        kinds: &[KindIndex],
        conditions: &[(Path, Val)],
        span: Span,
    ) -> Result<(Vec<ObjectRef>, bool)> {
        let mut found: Vec<ObjectRef> = Vec::new();
        let mut undecided = false;
        let simple = conditions
            .iter()
            .find_map(|(path, value)| path.plain_field().map(|field| (field.to_owned(), value.clone())));
        for kind in kinds {
            let numbers = match &simple {
                Some((field, value)) => self.candidates(*kind, field, value),
                None => self.by_kind.get(kind).cloned().unwrap_or_default(),
            };
            // All are identified before the first is compared: where one of them has to wait, no comparison is in vain.
            let mut candidates = Vec::with_capacity(numbers.len());
            for number in numbers {
                match self.identity(number) {
                    Ok(identity) => candidates.push(identity),
                    Err(Fault::Blocked(by)) if Some(by) == self.current() => {}
                    Err(Fault::Reported) => undecided = true,
                    Err(other) => return Err(other),
                }
            }
            for identity in candidates {
                let Some(identity) = &*identity else { continue };
                if identity.kind != *kind
                    || identity.state == State::Absent
                    || found.iter().any(|object| object.id == identity.id)
                {
                    continue;
                }
                self.compare(1, span)?;
                match self.planned_match(identity.id, identity.kind, conditions) {
                    Ok(Some(true)) => {
                        found.push(self.object_ref(identity.id, identity.kind, identity.object.as_deref()))
                    }
                    Ok(Some(false)) => {}
                    Ok(None) => undecided = true,
                    Err(Fault::Blocked(by)) if Some(by) == self.current() => {}
                    Err(Fault::Reported) => undecided = true,
                    Err(other) => return Err(other),
                }
            }
            for object in self.stored_candidates(*kind, conditions, span)? {
                if found.iter().any(|known| known.id == object.id) {
                    continue;
                }
                self.identify_all(*kind)?;
                if self.is_gone(object.id) {
                    continue;
                }
                match self.planned_match(object.id, object.kind, conditions) {
                    Ok(Some(true)) => found.push(self.object_ref(object.id, object.kind, Some(&object))),
                    Err(Fault::Blocked(by)) if Some(by) == self.current() => {
                        found.push(self.object_ref(object.id, object.kind, Some(&object)));
                    }
                    Ok(_) | Err(Fault::Reported) => {}
                    Err(other) => return Err(other),
                }
            }
        }
        Ok((found, undecided))
    }

    fn compare(&mut self, count: usize, span: Span) -> Result<()> {
        if self.meter.compare(count) {
            return Ok(());
        }
        self.fail(
            Diagnostic::new(Code::YAML_BUDGET, "the look-ups of this run compare too many objects")
                .at(span, "the limit is passed here")
                .help("look objects up by their natural keys, such as slug or name, where there are many"),
        )
    }

    /// Identifies all entries of a kind as far as that is possible now.
    fn identify_all(&mut self, kind: KindIndex) -> Result<()> {
        let mut at = self.identified.get(&kind).copied().unwrap_or_default();
        let mut finished = true;
        while let Some(number) = self.by_kind.get(&kind).and_then(|numbers| numbers.get(at)).copied() {
            at += 1;
            match self.identity(number) {
                Ok(_) | Err(Fault::Reported) => {}
                Err(fault @ (Fault::Need(_) | Fault::Deferred)) => return Err(fault),
                Err(Fault::Blocked(by)) => {
                    finished = false;
                    if Some(by) != self.current() && self.stack.iter().any(|token| token.code() == by) {
                        return Err(Fault::Blocked(by));
                    }
                }
            }
            if finished {
                self.identified.insert(kind, at);
            }
        }
        Ok(())
    }

    fn planned_match(&mut self, id: Uuid, kind: KindIndex, conditions: &[(Path, Val)]) -> Result<Option<bool>> {
        let mut undecided = false;
        for (path, wanted) in conditions {
            let mut any = Some(false);
            for value in self.walk(id, kind, &path.steps, true)? {
                match (path.lookup.matches(&value, wanted), any) {
                    (Some(true), _) => any = Some(true),
                    (None, Some(false)) => any = None,
                    _ => {}
                }
            }
            match any {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => undecided = true,
            }
        }
        Ok(if undecided { None } else { Some(true) })
    }

    /// Stored objects of a kind whose own values meet the conditions as they are stored. What lies behind a reference may
    /// change with other objects, so those conditions are left to whoever knows the plan.
    fn stored_candidates(
        &mut self,
        kind: KindIndex,
        conditions: &[(Path, Val)],
        span: Span,
    ) -> Result<Vec<Arc<Object>>> {
        let registry = self.registry.clone();
        let info = registry.get(kind);
        let by_key = info.keys.iter().find_map(|key| {
            let text = key_of_conditions(info, key, conditions)?;
            Some((object::key_scope(info, key), object::key_name(key), text))
        });
        let all: Vec<Arc<Object>> = match by_key {
            Some((scope, name, text)) => self.model.by_key(scope, &name, &text)?.cloned().into_iter().collect(),
            None => match conditions.iter().find(|(path, _)| path.steps == [Step::Key] && path.lookup == Lookup::Exact)
            {
                Some((_, value)) => {
                    let value = value.clone();
                    self.stored_by_pk(info, &value)?.into_iter().collect()
                }
                None => self.model.of_kind(kind)?.cloned().collect(),
            },
        };
        self.compare(all.len(), span)?;
        let own: Vec<(Path, Val)> = conditions
            .iter()
            .filter(|(path, _)| match &path.steps[..] {
                [Step::Field(field), ..] => info.reference(field).is_none(),
                [first, ..] => *first == Step::Key,
                [] => false,
            })
            .cloned()
            .collect();
        let mut found = Vec::new();
        for object in all {
            if object.kind == kind && self.all_match(&object, &own)? {
                found.push(object);
            }
        }
        Ok(found)
    }

    /// An object as a mapping, for `!FindObject`.
    pub(super) fn whole(&mut self, object: ObjectRef) -> Result<Val> {
        let registry = self.registry.clone();
        let info = registry.get(object.kind);
        let mut map = IndexMap::from([(MapKey::Text("pk".into()), Val::Object(object))]);
        for field in info.fields.values().filter(|field| field.secret.is_none()) {
            map.insert(
                MapKey::Text(field.name.as_str().into()),
                self.planned_field(object.id, object.kind, &field.name)?,
            );
        }
        Ok(Val::Map(map))
    }
}

impl World for Resolver<'_> {
    fn key_of(&mut self, id: &Arc<str>, span: Span) -> Result<Val> {
        let Some(number) = self.stack.last().map(|token| token.entry()) else {
            return Err(Fault::Reported);
        };
        let document = self.entries[number].document;
        let Some(target) = self.ids[document].get(id).copied() else {
            let finding = self.unknown_id(document, id, span);
            return self.fail(finding);
        };
        let there = |this: &Self| {
            let entry = this.entry(target).1;
            entry.id.as_ref().map_or(entry.span, |(_, span)| *span)
        };
        let identity = match self.identity(target) {
            Ok(identity) => identity,
            Err(Fault::Blocked(by))
                if Some(by) == self.current() || by == Token::Identity(target).code() && target == number =>
            {
                let there = there(self);
                return self.fail(
                    Diagnostic::new(
                        Code::KEY_OF_CYCLE,
                        format!("the entry `{id}` is identified by this entry, directly or through others"),
                    )
                    .at(span, "leads back to this entry")
                    .at(there, "identified by the other one"),
                );
            }
            Err(other) => return Err(other),
        };
        match &*identity {
            Some(identity) if identity.state != State::Absent => {
                Ok(Val::Object(self.object_ref(identity.id, identity.kind, identity.object.as_deref())))
            }
            other => {
                let why = if other.is_some() {
                    "deletes its object"
                } else {
                    "is skipped by its conditions, or stores nothing"
                };
                let there = there(self);
                self.fail(
                    Diagnostic::new(
                        Code::KEY_OF_SKIPPED,
                        format!("the entry `{id}` {why}, so there is nothing to refer to"),
                    )
                    .at(span, "")
                    .at(there, "this entry"),
                )
            }
        }
    }

    fn find(&mut self, query: &Query, span: Span, whole: bool) -> Result<Val> {
        let registry = self.registry.clone();
        let kinds = registry.targets(&query.model);
        if kinds.is_empty() {
            return self.fail(unknown_kind(&registry, &query.model, query.model_span, query.model_literal));
        }
        self.found.extend(renamed_kind(&registry, &query.model, query.model_span, query.model_literal));
        let mut conditions = Vec::with_capacity(query.conditions.len());
        for condition in &query.conditions {
            match lookup::parse(&registry, &kinds, &condition.field) {
                Ok(mut path) => {
                    if matches!(condition.value.peel(), Val::Map(_)) && path.lookup == Lookup::Exact {
                        path.lookup = Lookup::Contains;
                    }
                    conditions.push((path, condition.value.clone()));
                }
                Err((part, meant)) => {
                    let finding = unknown_condition(&query.model, &condition.field, &part, meant, condition.span);
                    return self.fail(finding);
                }
            }
        }
        let (mut found, undecided) = self.matching(&kinds, &conditions, span)?;
        if found.len() > 1 {
            let mut named: Vec<(String, ObjectRef)> = Vec::with_capacity(found.len());
            for object in found {
                let field = registry.get(object.kind).name_field().to_owned();
                let name = match self.planned_field(object.id, object.kind, &field) {
                    Ok(name) => name.python_str(),
                    Err(Fault::Reported | Fault::Blocked(_)) => String::new(),
                    Err(other) => return Err(other),
                };
                named.push((name, object));
            }
            named.sort_by(|(one, a), (other, b)| (one, a.id).cmp(&(other, b.id)));
            let names: Vec<String> = named.iter().take(5).map(|(name, _)| format!("`{name}`")).collect();
            self.found.push(
                Diagnostic::new(Code::FIND_SEVERAL, format!("{} objects match; the first one is taken", named.len()))
                    .at(span, "")
                    .help(format!("they are {}", names.join(", "))),
            );
            found = named.into_iter().map(|(_, object)| object).collect();
        }
        match found.first() {
            Some(object) if whole => self.whole(*object),
            Some(object) => Ok(Val::Object(*object)),
            None if self.options.offline || undecided => Ok(Val::Unknown),
            None => Ok(Val::Null),
        }
    }

    fn report(&mut self, finding: Diagnostic) {
        self.found.push(finding);
    }

    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}
