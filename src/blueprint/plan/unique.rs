//! What must be unique, or must not go in circles, in the state that the plan leaves behind.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use uuid::Uuid;

use super::{Builder, label};
use crate::{
    base::diagnostic::{Code, Diagnostic},
    model::{KindInfo, Object, object},
};

impl Builder<'_, '_> {
    /// Natural identifiers and one-to-one references must be unique in the state that the plan leaves behind.
    pub(super) fn check_unique(&mut self) {
        let registry = self.registry.clone();
        let mut holders: HashMap<(&'static str, String, String), Uuid> = HashMap::new();
        for id in self.order.clone() {
            let Some(object) = self.overlay.known(id).cloned() else { continue };
            let info = registry.get(object.kind);
            let before = self.base.known(id).cloned();
            for key in info.keys {
                let Some(value) = object.key_value(key) else { continue };
                let entry = (object::key_scope(info, key), object::key_name(key), value);
                let unchanged = before.as_ref().is_some_and(|before| {
                    Arc::ptr_eq(before, &object) || before.key_value(key).as_ref() == Some(&entry.2)
                });
                if let Some(other) = holders.insert(entry.clone(), id) {
                    self.key_taken(info, id, other, &entry);
                    continue;
                }
                if unchanged {
                    continue;
                }
                match self.base.by_key(entry.0, &entry.1, &entry.2) {
                    Ok(Some(holder)) if holder.id != id => {
                        let holder = holder.clone();
                        let still = self
                            .overlay
                            .known(holder.id)
                            .is_some_and(|now| now.key_value(key).as_ref() == Some(&entry.2));
                        if still && !self.touched.contains(&holder.id) {
                            self.key_taken(info, id, holder.id, &entry);
                        }
                    }
                    Ok(_) => {}
                    Err(need) => {
                        self.needs.insert(need);
                    }
                }
            }
            for reference in info.references.iter().filter(|reference| reference.acyclic) {
                self.check_acyclic(info, &object, reference.field);
            }
            for reference in
                info.references.iter().filter(|reference| reference.exclusive && reference.inverse.is_none())
            {
                for target in object.targets(reference.field) {
                    let other = self
                        .overlay
                        .known_incoming(*target)
                        .find(|(field, source)| {
                            *field == reference.field
                                && *source != id
                                && self.overlay.known(*source).is_some_and(|other| other.kind == object.kind)
                        })
                        .map(|(_, source)| source);
                    if let Some(other) = other
                        && (id < other || !self.touched.contains(&other))
                    {
                        self.twice_referred(info, &object, other, *target, reference.field);
                    }
                }
            }
        }
    }

    /// Follows a reference field upwards and reports when it comes back.
    fn check_acyclic(&mut self, info: &KindInfo, object: &Object, field: &'static str) {
        let mut seen = HashSet::from([object.id]);
        let mut next = object.targets(field).to_vec();
        while let Some(id) = next.pop() {
            if id == object.id {
                let name = label(&self.overlay, object);
                let mut finding = Diagnostic::new(
                    Code::CIRCULAR,
                    format!("following `{field}` from {} `{name}` leads back to it", info.title),
                );
                if let Some(span) = self.span_of(object.id, field) {
                    finding = finding.at(span, "");
                }
                self.found.push(finding);
                return;
            }
            if seen.insert(id)
                && let Some(above) = self.object(id)
            {
                next.extend(above.targets(field));
            }
        }
    }

    fn key_taken(&mut self, info: &KindInfo, id: Uuid, other: Uuid, entry: &(&'static str, String, String)) {
        let fields = entry.1.replace('+', " and ");
        let first = entry.1.split('+').next().unwrap_or_default();
        let other_kind =
            self.overlay.known(other).map(|object| self.registry.get(object.kind).title).unwrap_or("object");
        let mut finding = Diagnostic::new(
            Code::KEY_TAKEN,
            format!("another {other_kind} has the same {fields} as this {}, which must be unique", info.title),
        );
        for (id, text) in [(id, "this one"), (other, "the other one")] {
            if let Some(span) = self.span_of(id, first) {
                finding = finding.at(span, text);
            }
        }
        self.found
            .push(finding.help("if both are meant to be the same object, use the same identifiers in both entries"));
    }

    fn twice_referred(&mut self, info: &KindInfo, object: &Object, other: Uuid, target: Uuid, field: &str) {
        let name =
            |id: Uuid| self.overlay.known(id).map_or_else(|| id.to_string(), |object| label(&self.overlay, object));
        let message = format!(
            "`{}` can be the `{field}` of one {} only, but `{}` and `{}` refer to it",
            name(target),
            info.title,
            label(&self.overlay, object),
            name(other)
        );
        let mut finding = Diagnostic::new(Code::UNIQUE_TARGET, message);
        for id in [object.id, other] {
            if let Some(span) = self.span_of(id, field) {
                finding = finding.at(span, "");
            }
        }
        self.found.push(finding);
    }
}
