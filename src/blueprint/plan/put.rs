//! Desired objects put into the planned state, and memberships that either side may state.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Map;
use uuid::Uuid;

use super::{
    super::desired::{Wanted, Wish, same},
    Builder, Secrets, label, same_set, set_edges,
};
use crate::{
    base::diagnostic::{Code, Diagnostic},
    model::{FieldInfo, KindInfo, Object, SecretMode, SecretState},
    store::changeset::SecretWrite,
};

impl Builder<'_, '_> {
    /// Puts each desired object into the overlay as it is to be.
    pub(super) fn put_objects(&mut self, secrets: &dyn Secrets) {
        let registry = self.registry.clone();
        for desired in self.composed.objects.values().filter(|desired| desired.absent.is_none()) {
            let info = registry.get(desired.kind);
            // Most objects stay as they are, and copying each would cost more than all comparisons.
            let mut object = match &desired.object {
                Some(object) => Cow::Borrowed(&**object),
                None => Cow::Owned(Object {
                    id: desired.id,
                    kind: desired.kind,
                    number: None,
                    attrs: Map::new(),
                    edges: BTreeMap::new(),
                    secrets: BTreeMap::new(),
                    revision: 0,
                    created: 0,
                    updated: 0,
                }),
            };
            if missing_defaults(info, &object).next().is_some() {
                fill_defaults(info, object.to_mut());
            }
            let mut writes = BTreeMap::new();
            for (name, wish) in &desired.wishes {
                let Some(field) = info.fields.get(name) else { continue };
                match (&wish.wanted, field.reference) {
                    (Wanted::Json(value), _) => {
                        let keep = object.attrs.get(name).is_some_and(|present| same(present, value));
                        if !keep {
                            object.to_mut().attrs.insert(name.clone(), value.clone());
                        }
                    }
                    (Wanted::Edges(_), Some(reference)) if reference.inverse.is_some() => {}
                    (Wanted::Edges(targets), Some(reference)) => {
                        let present = object.targets(reference.field);
                        if !same_set(present, targets) {
                            set_edges(object.to_mut(), reference.field, targets.clone());
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
                            object.to_mut().secrets.insert(name, SecretState::Planned);
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
                        object.to_mut().secrets.insert(rule.field, SecretState::Planned);
                    }
                    // The default is not what it will be, and would make two new objects look alike.
                    object.to_mut().attrs.remove(rule.field);
                }
            }
            if !writes.is_empty() || !generated.is_empty() {
                self.writes.insert(desired.id, (writes, generated));
            }
            self.touch(desired.id);
            if let Cow::Owned(object) = object
                && desired.object.as_deref() != Some(&object)
            {
                self.overlay.put(Arc::new(object));
            }
        }
    }

    /// Asks for the members of everything whose far side is wished for. This comes first, so that nothing else is done
    /// twice while they are loaded.
    pub(super) fn ask_for_members(&mut self) {
        let registry = self.registry.clone();
        let composed = self.composed;
        for desired in composed.objects.values().filter(|desired| desired.absent.is_none()) {
            for reference in registry.get(desired.kind).references {
                let (Some(there), true) = (reference.inverse, desired.wishes.contains_key(reference.field)) else {
                    continue;
                };
                for far in registry.targets(reference.target) {
                    self.referrers(far, there, desired.id);
                }
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
    let missing: Vec<&FieldInfo> = missing_defaults(info, object).collect();
    for field in missing {
        object.attrs.insert(field.name.clone(), field.default.clone());
    }
}

/// The plain attributes that an object does not have yet.
fn missing_defaults<'i>(info: &'i KindInfo, object: &Object) -> impl Iterator<Item = &'i FieldInfo> {
    let plain = info.fields.values().filter(|field| field.reference.is_none() && field.secret.is_none());
    plain.filter(|field| !object.attrs.contains_key(&field.name))
}
