//! The changes between the stored and the planned state, as people see them.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::{
    super::desired::{Desired, Wanted, same},
    Action, Builder, FieldDiff, Named, ObjectChange, Place, Plan, Shown,
    label::{NAME_DEPTH, label},
    same_set,
};
use crate::{
    base::diagnostic::Span,
    model::{KindInfo, Object, object},
    store::changeset::{Ownership, Precondition},
};

impl Builder<'_, '_> {
    /// Loads what changed objects refer to, because they are shown with the names of those.
    pub(super) fn load_names(&mut self) {
        for id in self.order.clone() {
            let (before, after) = (self.base.known(id).cloned(), self.overlay.known(id).cloned());
            let unchanged = matches!((&before, &after), (Some(before), Some(after)) if Arc::ptr_eq(before, after));
            if unchanged {
                continue;
            }
            let mut queue: Vec<(Uuid, usize)> = Vec::new();
            let objects = before.iter().chain(&after);
            queue
                .extend(objects.flat_map(|object| object.edges.values().flatten()).map(|target| (*target, NAME_DEPTH)));
            while let Some((id, depth)) = queue.pop() {
                let Some(object) = self.object(id) else { continue };
                if depth > 0 {
                    let single = object.edges.values().filter(|targets| targets.len() == 1).flatten();
                    queue.extend(single.map(|target| (*target, depth - 1)));
                }
            }
        }
    }

    pub(super) fn place(&self, number: usize, span: Span) -> Place {
        let file = self.sources.get(span.file);
        let name = self.files.borrow_mut().entry(span.file).or_insert_with(|| file.name.as_str().into()).clone();
        let entry = self.resolver.entry(number).1.id.as_ref().map(|(id, _)| id.clone());
        Place { file: name, line: file.position(span.start).0, entry }
    }

    pub(super) fn finish(&mut self) -> Plan {
        let registry = self.registry.clone();
        let mut plan = Plan { instance: self.base.instance, revision: self.base.revision, ..Plan::default() };
        for id in self.order.clone() {
            let desired = self.composed.objects.get(&id);
            let before = self.base.known(id).cloned();
            let after = self.overlay.known(id).cloned();
            let Some(sample) = after.clone().or(before.clone()) else { continue };
            let info = registry.get(sample.kind);
            let action = match (&before, &after) {
                (None, Some(_)) => Action::Create,
                (Some(_), Some(_)) => Action::Update,
                (_, None) => Action::Delete,
            };
            let fields = self.diff(info, before.as_deref(), after.as_deref(), desired);
            let stored_same = match (&before, &after) {
                (Some(before), Some(after)) => fields.is_empty() && before.edges == after.edges,
                _ => false,
            };
            if stored_same {
                plan.unchanged += usize::from(desired.is_some());
                self.own(&mut plan, desired);
                continue;
            }
            match (&before, action) {
                (Some(before), _) => plan.preconditions.push(Precondition::Revision(id, before.revision)),
                (None, _) => {
                    plan.preconditions.push(Precondition::Missing(id));
                    for key in info.keys {
                        if let Some(value) = sample.key_value(key) {
                            plan.preconditions.push(Precondition::FreeKey(
                                object::key_scope(info, key),
                                object::key_name(key),
                                value,
                            ));
                        }
                    }
                }
            }
            let only_far_side = fields.is_empty();
            let places: Vec<Place> = desired
                .into_iter()
                .flat_map(|desired| &desired.entries)
                .map(|number| self.place(*number, self.resolver.entry(*number).1.span))
                .collect();
            let reason = self.reasons.get(&id).cloned().unwrap_or_else(|| match (action, places.first()) {
                (Action::Create, Some(place)) => format!("declared by {}:{}", place.file, place.line),
                (_, Some(place)) => format!("differs from {}:{}", place.file, place.line),
                _ => "its membership changes".to_owned(),
            });
            let (secrets, generated) = self.writes.remove(&id).unwrap_or_default();
            plan.changes.push(ObjectChange {
                action,
                object: self.named(id),
                kind: sample.kind,
                implied: self.implied.contains(&id) && !self.reasons.contains_key(&id)
                    || only_far_side && action == Action::Update,
                fields,
                places,
                reason,
                after,
                secrets,
                generated,
                number: desired.and_then(|desired| desired.number),
            });
            self.own(&mut plan, desired);
        }
        plan.changes.sort_by_key(|change| change.action != Action::Delete);
        plan
    }

    pub(super) fn own(&self, plan: &mut Plan, desired: Option<&Desired>) {
        let Some(desired) = desired.filter(|desired| desired.absent.is_none()) else { return };
        for (number, named) in &desired.named {
            let (document, entry) = self.resolver.entry(*number);
            plan.ownership.push(Ownership {
                object: desired.id,
                source: document.source.clone(),
                document: document.path.clone(),
                entry: self.resolver.position(*number) as u32,
                line: self.sources.get(entry.span.file).position(entry.span.start).0 as u32,
                fields: named.iter().cloned().collect(),
            });
        }
    }

    pub(super) fn named(&self, id: Uuid) -> Named {
        let object = self.overlay.known(id).or(self.base.known(id));
        let view = if self.overlay.known(id).is_some() { &self.overlay } else { &self.base };
        Named {
            id,
            kind: object.map_or_else(String::new, |object| self.registry.get(object.kind).name.to_owned()),
            name: object.map_or_else(|| id.to_string(), |object| label(view, object)),
            new: self.base.known(id).is_none(),
        }
    }

    pub(super) fn names(&self, ids: &[Uuid]) -> Shown {
        if ids.is_empty() {
            return Shown::Nothing;
        }
        let mut named: Vec<Named> = ids.iter().map(|id| self.named(*id)).collect();
        named.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        Shown::Objects(named)
    }

    fn diff(
        &self,
        info: &KindInfo,
        before: Option<&Object>,
        after: Option<&Object>,
        desired: Option<&Desired>,
    ) -> Vec<FieldDiff> {
        let mut diffs = Vec::new();
        let written = after.and_then(|after| self.writes.get(&after.id));
        // One and the same object differs at most in who its members are.
        let is_same = matches!((before, after), (Some(before), Some(after)) if std::ptr::eq(before, after));
        for field in info.fields.values() {
            let is_inverse = field.reference.is_some_and(|reference| reference.inverse.is_some());
            if is_same && !is_inverse {
                continue;
            }
            let name = field.name.as_str();
            let wish = desired.and_then(|desired| desired.wishes.get(name));
            let (old, new) = if let Some(reference) = field.reference {
                if reference.inverse.is_some() {
                    match (desired, wish.map(|wish| &wish.wanted)) {
                        (Some(desired), Some(Wanted::Edges(wanted))) => {
                            let present =
                                self.memberships.get(&(desired.id, reference.field)).map_or(&[][..], Vec::as_slice);
                            if same_set(present, wanted) {
                                (Shown::Nothing, Shown::Nothing)
                            } else {
                                (self.names(present), self.names(wanted))
                            }
                        }
                        _ => continue,
                    }
                } else {
                    let old = before.map_or(&[][..], |object| object.targets(name));
                    let new = after.map_or(&[][..], |object| object.targets(name));
                    if same_set(old, new) || wish.is_none() && reference.many && self.is_membership(info, name) {
                        continue;
                    }
                    (self.names(old), self.names(new))
                }
            } else if field.secret.is_some() {
                let had = before.is_some_and(|object| object.secrets.contains_key(name));
                let set = written.is_some_and(|(writes, _)| writes.contains_key(name));
                let made = written.is_some_and(|(_, generated)| generated.iter().any(|(field, _)| *field == name));
                let old = if had { Shown::Secret } else { Shown::Nothing };
                match (set, made, after) {
                    (true, ..) => (old, Shown::Secret),
                    (_, true, _) => (old, Shown::Generated),
                    (_, _, None) if had => (old, Shown::Nothing),
                    _ => continue,
                }
            } else {
                let made = written.is_some_and(|(_, generated)| generated.iter().any(|(field, _)| *field == name));
                let old = before.map(|object| object.attrs.get(name).unwrap_or(&field.default));
                let new = after.map(|object| object.attrs.get(name).unwrap_or(&field.default));
                let shown = |value: &Value| Shown::Json(value.clone());
                match (old, new) {
                    (_, _) if made => (Shown::Nothing, Shown::Generated),
                    (Some(old), Some(new)) if !same(old, new) => (shown(old), shown(new)),
                    (None, Some(new)) if !new.is_null() && (wish.is_some() || !same(new, &field.default)) => {
                        (Shown::Nothing, shown(new))
                    }
                    (Some(old), None) if !same(old, &field.default) => (shown(old), Shown::Nothing),
                    _ => continue,
                }
            };
            if old == new && !(matches!(new, Shown::Secret)) {
                continue;
            }
            diffs.push(FieldDiff {
                field: name.to_owned(),
                before: old,
                after: new,
                sensitive: wish.is_some_and(|wish| wish.tainted),
                place: wish.map(|wish| self.place(wish.entry, wish.span)),
            });
        }
        diffs
    }

    /// Whether a list field is the near side of a membership that some other kind shows as a field of its own.
    fn is_membership(&self, info: &KindInfo, field: &str) -> bool {
        self.registry
            .kinds()
            .flat_map(|kind| kind.references)
            .any(|reference| reference.inverse == Some(field) && info.is_a(reference.target))
    }
}
