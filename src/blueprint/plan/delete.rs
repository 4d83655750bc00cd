//! Deletions with everything that follows from them.

use std::{collections::HashSet, sync::Arc};

use uuid::Uuid;

use super::{Builder, label, set_edges};
use crate::{
    base::diagnostic::{Code, Diagnostic, Span},
    model::{KindInfo, Object, OnDelete},
};

impl Builder<'_, '_> {
    /// Deletes objects and decides about everything that refers to them.
    pub(super) fn delete(&mut self) {
        let registry = self.registry.clone();
        let composed = self.composed;
        let mut queue: Vec<(Uuid, String)> = Vec::new();
        let mut doomed: HashSet<Uuid> = HashSet::new();
        for desired in composed.objects.values() {
            let Some(absent) = desired.absent else { continue };
            let (_, entry) = self.resolver.entry(absent);
            if desired.object.is_some() {
                if doomed.insert(desired.id) {
                    queue.push((desired.id, format!("deleted by {}", self.sources.place(entry.span))));
                }
            } else {
                self.found.push(
                    Diagnostic::new(Code::ABSENT_IGNORED, "the object does not exist, so there is nothing to delete")
                        .at(entry.model.span, ""),
                );
            }
        }
        for pruned in self.pruned {
            let declared = composed.objects.contains_key(&pruned.object);
            if !declared && doomed.insert(pruned.object) {
                queue.push((pruned.object, pruned.reason.clone()));
            }
        }
        let mut at = 0;
        while let Some((id, reason)) = queue.get(at).cloned() {
            at += 1;
            let Some(object) = self.object(id) else { continue };
            let info = registry.get(object.kind);
            self.reasons.insert(id, reason);
            self.deleted.push(id);
            self.touch(id);
            let name = format!("{} `{}`", info.title, label(&self.overlay, &object));
            for kind in registry.kinds() {
                for reference in kind
                    .references
                    .iter()
                    .filter(|reference| reference.inverse.is_none() && info.is_a(reference.target))
                {
                    let mut sources = self.referrers(kind.index, reference.field, id);
                    sources.extend(
                        self.overlay
                            .known_incoming(id)
                            .filter(|(field, _)| *field == reference.field)
                            .map(|(_, source)| source)
                            .collect::<Vec<_>>(),
                    );
                    sources.sort_unstable();
                    sources.dedup();
                    for source in sources {
                        let Some(holder) = self.object(source) else { continue };
                        if holder.kind != kind.index
                            || doomed.contains(&source)
                            || !holder.targets(reference.field).contains(&id)
                        {
                            continue;
                        }
                        let wanted = composed.objects.get(&source).filter(|desired| desired.absent.is_none());
                        let insists = wanted.and_then(|desired| desired.wishes.get(reference.field));
                        let cascade = !reference.many && reference.on_delete == OnDelete::Cascade;
                        let protect = !reference.many && reference.on_delete == OnDelete::Protect;
                        if insists.is_some() || protect || (cascade && wanted.is_some()) {
                            self.still_referred(
                                &name,
                                kind,
                                &holder,
                                reference.field,
                                insists.map(|wish| wish.span),
                                id,
                            );
                        } else if cascade {
                            doomed.insert(source);
                            queue.push((source, format!("goes with {name}")));
                        } else {
                            let mut changed = (*holder).clone();
                            let left = changed
                                .targets(reference.field)
                                .iter()
                                .copied()
                                .filter(|target| *target != id)
                                .collect();
                            set_edges(&mut changed, reference.field, left);
                            self.overlay.put(Arc::new(changed));
                            self.reasons.entry(source).or_insert_with(|| format!("refers to {name}, which is deleted"));
                            self.touch(source);
                        }
                    }
                }
            }
        }
        for id in &self.deleted {
            self.overlay.remove(*id);
        }
    }

    fn still_referred(
        &mut self,
        name: &str,
        kind: &KindInfo,
        holder: &Object,
        field: &str,
        span: Option<Span>,
        id: Uuid,
    ) {
        let holder_name = label(&self.overlay, holder);
        let absent = self.composed.objects.get(&id).and_then(|desired| desired.absent);
        let mut finding = Diagnostic::new(
            Code::STILL_REFERRED,
            format!("{name} cannot be deleted: {} `{holder_name}` refers to it in `{field}`", kind.title),
        );
        if let Some(absent) = absent {
            finding = finding.at(self.resolver.entry(absent).1.model.span, "deleted here");
        }
        if let Some(span) = span {
            finding = finding.at(span, "referred to here");
        }
        self.found.push(finding.help("delete or change the other object as well"));
    }
}
