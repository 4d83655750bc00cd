//! A look at what is not resolved: names in entries that their conditions skip.

use super::{
    super::{
        lookup,
        value::Val,
        yaml::{Data, Node},
    },
    Resolver,
    unknown::{unknown_condition, unknown_kind},
};
use crate::model::KindIndex;

impl Resolver<'_> {
    /// Judges the names in an entry that is skipped by its conditions, without resolving anything: its state, its
    /// identifiers, ids behind !KeyOf, and the kinds and fields of !Find.
    pub(super) fn glance(&mut self, number: usize, kind: KindIndex) {
        let registry = self.registry.clone();
        let entry = self.entry(number).1;
        for pair in &entry.identifiers {
            let path = (!lookup::KEY_NAMES.contains(&&*pair.key))
                .then(|| lookup::parse(&registry, &[kind], &pair.key))
                .transpose();
            if let Err((part, meant)) = path {
                self.unknown_identifier(registry.get(kind), pair, &part, meant);
            }
        }
        for pair in entry.identifiers.iter().chain(&entry.attrs) {
            self.glance_at(number, &pair.value);
        }
        if let Some(state) = entry.state.as_ref().filter(|state| state.tag.is_none()) {
            let _ = self.state(number, state);
        }
    }

    fn glance_at(&mut self, number: usize, node: &Node) {
        match (node.tag.as_ref().map(|tag| tag.name.as_str()), &node.data) {
            (Some("!KeyOf"), Data::Scalar(id)) => {
                let document = self.entries[number].document;
                if !self.ids[document].contains_key(&id.text) {
                    let finding = self.unknown_id(document, &id.text, node.span);
                    self.found.push(finding);
                }
            }
            (Some("!Find" | "!FindObject"), Data::Sequence(items)) => {
                let registry = self.registry.clone();
                let Some((model, conditions)) = items.split_first() else { return };
                let Some(Val::Text(name)) = Val::literal(model) else { return };
                let kinds = registry.targets(&name);
                if kinds.is_empty() {
                    self.found.push(unknown_kind(&registry, &name, model.span, false));
                    return;
                }
                for condition in conditions {
                    let Data::Sequence(pair) = &condition.data else { continue };
                    if let Some(field) = pair.first()
                        && let Some(Val::Text(path)) = Val::literal(field)
                        && let Err((part, meant)) = lookup::parse(&registry, &kinds, &path)
                    {
                        self.found.push(unknown_condition(&name, &path, &part, meant, field.span));
                    }
                    for value in pair {
                        self.glance_at(number, value);
                    }
                }
            }
            (_, Data::Scalar(_)) => {}
            (_, Data::Sequence(items)) => {
                for item in items {
                    self.glance_at(number, item);
                }
            }
            (_, Data::Mapping(pairs)) => {
                for (_, value) in pairs {
                    self.glance_at(number, value);
                }
            }
        }
    }
}
