//! Desired objects put into the planned state, and memberships that either side may state.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Map;
use uuid::Uuid;

use super::{
    super::desired::{Wanted, Wish, same},
    Builder, Secrets, label, set_edges,
};
use crate::{
    base::diagnostic::{Code, Diagnostic},
    model::{KindInfo, Object, SecretMode, SecretState},
    store::changeset::SecretWrite,
};

impl Builder<'_, '_> {
    /// Puts each desired object into the overlay as it is to be.
    pub(super) fn put_objects(&mut self, secrets: &dyn Secrets) {
        let registry = self.registry.clone();
        for desired in self.composed.objects.values().filter(|desired| desired.absent.is_none()) {
            let info = registry.get(desired.kind);
            let mut object = match &desired.object {
                Some(object) => (**object).clone(),
                None => Object {
                    id: desired.id,
                    kind: desired.kind,
                    number: None,
                    attrs: Map::new(),
                    edges: BTreeMap::new(),
                    secrets: BTreeMap::new(),
                    revision: 0,
                    created: 0,
                    updated: 0,
                },
            };
            fill_defaults(info, &mut object);
            let mut writes = BTreeMap::new();
            for (name, wish) in &desired.wishes {
                let Some(field) = info.fields.get(name) else { continue };
                match (&wish.wanted, field.reference) {
                    (Wanted::Json(value), _) => {
                        let keep = object.attrs.get(name).is_some_and(|present| same(present, value));
                        if !keep {
                            object.attrs.insert(name.clone(), value.clone());
                        }
                    }
                    (Wanted::Edges(_), Some(reference)) if reference.inverse.is_some() => {}
                    (Wanted::Edges(targets), Some(reference)) => {
                        let present = object.targets(reference.field);
                        let equal =
                            present.len() == targets.len() && targets.iter().all(|target| present.contains(target));
                        if !equal {
                            set_edges(&mut object, reference.field, targets.clone());
                        }
                    }
                    (Wanted::Secret(text), _) => {
                        let Some((name, _)) = static_secret(info, name) else { continue };
                        let unchanged = object.secrets.get(name).is_some_and(|state| secrets.matches(state, text));
                        if !unchanged {
                            let password = field.secret == Some(SecretMode::Password);
                            let write = if password {
                                SecretWrite::Hash(text.clone())
                            } else {
                                SecretWrite::Seal(text.clone())
                            };
                            writes.insert(name, write);
                            object.secrets.insert(name, SecretState::Planned);
                        }
                    }
                    (Wanted::Edges(_), None) => {}
                }
            }
            let mut generated = Vec::new();
            if desired.object.is_none() {
                for rule in info.generated.iter().filter(|rule| !desired.wishes.contains_key(rule.field)) {
                    generated.push((rule.field, rule.length));
                    if static_secret(info, rule.field).is_some() {
                        object.secrets.insert(rule.field, SecretState::Planned);
                    }
                    // The default is not what it will be, and would make two new objects look alike.
                    object.attrs.remove(rule.field);
                }
            }
            if !writes.is_empty() || !generated.is_empty() {
                self.writes.insert(desired.id, (writes, generated));
            }
            self.touch(desired.id);
            if desired.object.as_deref() != Some(&object) {
                self.overlay.put(Arc::new(object));
            }
        }
    }

    /// Applies wishes on far sides of memberships (a group's users) to the members.
    pub(super) fn put_memberships(&mut self) {
        let registry = self.registry.clone();
        let composed = self.composed;
        for desired in composed.objects.values().filter(|desired| desired.absent.is_none()) {
            let info = registry.get(desired.kind);
            for reference in info.references {
                let (Some(there), Some(wish)) = (reference.inverse, desired.wishes.get(reference.field)) else {
                    continue;
                };
                let Wanted::Edges(wanted) = &wish.wanted else { continue };
                let mut present = Vec::new();
                for far in registry.targets(reference.target) {
                    present.extend(self.referrers(far, there, desired.id));
                }
                self.memberships.insert((desired.id, reference.field), present.clone());
                // Entries about members may have added some that are not stored.
                let planned = self.overlay.known_incoming(desired.id).filter(|(field, _)| *field == there);
                let gone: BTreeSet<Uuid> = planned
                    .map(|(_, member)| member)
                    .chain(present)
                    .filter(|member| !wanted.contains(member))
                    .collect();
                for member in gone {
                    self.set_member(member, there, desired.id, false, wish);
                }
                for member in wanted {
                    self.set_member(*member, there, desired.id, true, wish);
                }
            }
        }
    }

    fn set_member(&mut self, member: Uuid, field: &'static str, target: Uuid, wanted: bool, wish: &Wish) {
        if self.composed.objects.get(&member).is_some_and(|desired| desired.absent.is_some()) {
            return;
        }
        let Some(object) = self.object(member) else { return };
        let own = self.composed.objects.get(&member).and_then(|desired| desired.wishes.get(field));
        if let Some(own) = own
            && let Wanted::Edges(targets) = &own.wanted
            && targets.contains(&target) != wanted
            && !(own.initial || wish.initial)
        {
            let name = label(&self.overlay, &object);
            self.found.push(
                Diagnostic::new(
                    Code::MEMBERSHIP_CONFLICT,
                    format!("the two sides disagree on whether `{name}` is a member"),
                )
                .at(wish.span, if wanted { "listed as a member here" } else { "not listed as a member here" })
                .at(
                    own.span,
                    if wanted {
                        "but not a member according to this list"
                    } else {
                        "but a member according to this list"
                    },
                )
                .help("state the membership on one side only"),
            );
            return;
        }
        if object.targets(field).contains(&target) == wanted {
            return;
        }
        let mut changed = (*object).clone();
        let mut targets = changed.targets(field).to_vec();
        if wanted {
            targets.push(target);
        } else {
            targets.retain(|present| *present != target);
        }
        set_edges(&mut changed, field, targets);
        self.overlay.put(Arc::new(changed));
        // A member that nothing else touches is shown at the other side only.
        if self.touched.insert(member) {
            self.order.push(member);
            self.implied.insert(member);
        }
    }
}

pub(super) fn static_secret(info: &KindInfo, name: &str) -> Option<(&'static str, SecretMode)> {
    info.secret_names().find(|(field, _)| *field == name)
}

/// Gives an object the default of every plain attribute that it does not have yet.
pub fn fill_defaults(info: &KindInfo, object: &mut Object) {
    for field in info.fields.values().filter(|field| field.reference.is_none() && field.secret.is_none()) {
        if !object.attrs.contains_key(&field.name) {
            object.attrs.insert(field.name.clone(), field.default.clone());
        }
    }
}
