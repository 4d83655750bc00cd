//! Which objects an export holds, and which it leaves out and why.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{ExportError, LeftOut, Options, Selection, order};
use crate::{
    blueprint::desired::GRANT_KIND,
    model::{Family, KindIndex, KindInfo, Model, Object, OnDelete, Registry},
};

const FLOW: &str = "authentik_flows.flow";
const PROMPT: &str = "authentik_stages_prompt.prompt";
/// Kinds whose field [`TARGET`] hangs them on something that they belong to.
const BINDINGS: [&str; 2] = ["authentik_flows.flowstagebinding", "authentik_policies.policybinding"];
const TARGET: &str = "target";
/// Kinds that a blueprint could create, but that say what happened or belong to one installation.
const NOT_CONFIGURATION: [(&str, &str); 2] = [
    ("authentik_events.event", "it records what happened"),
    ("authentik_enterprise.license", "it belongs to one installation"),
];

/// The objects of an export.
pub(super) struct Selected {
    /// Objects that get an entry.
    pub objects: HashMap<Uuid, Arc<Object>>,
    /// Object permissions by the object that they are about, for its entry.
    pub grants: HashMap<Uuid, Vec<Arc<Object>>>,
    /// What the selection covers but the export does not hold.
    pub left_out: Vec<LeftOut>,
}

impl Selected {
    /// The objects of the export that the entry of one of them refers to, some perhaps twice.
    pub fn needs<'s>(&'s self, object: &'s Object) -> impl Iterator<Item = &'s Arc<Object>> {
        let grants = self.grants.get(&object.id).into_iter().flatten();
        let holders = grants.flat_map(|grant| grant.targets("user").iter().chain(grant.targets("role")));
        object.edges.values().flatten().chain(holders).filter_map(|target| self.objects.get(target))
    }

    /// Places of the kinds, so that entries of one kind stand together as far as their references allow it.
    pub fn kind_ranks(&self) -> HashMap<KindIndex, usize> {
        let mut needs: BTreeMap<KindIndex, BTreeSet<KindIndex>> = BTreeMap::new();
        for object in self.objects.values() {
            needs.entry(object.kind).or_default().extend(self.needs(object).map(|target| target.kind));
        }
        let kinds: Vec<KindIndex> = needs.keys().copied().collect();
        let position: HashMap<KindIndex, usize> = kinds.iter().enumerate().map(|(at, kind)| (*kind, at)).collect();
        let dependencies: Vec<Vec<usize>> =
            needs.values().map(|needed| needed.iter().map(|kind| position[kind]).collect()).collect();
        order::order(&dependencies).into_iter().enumerate().map(|(rank, at)| (kinds[at], rank)).collect()
    }
}

/// Selects the objects of an export.
///
/// # Errors
/// When the selection names what does not exist, or the model does not hold everything.
pub(super) fn select(model: &Model, selection: &Selection, options: &Options) -> Result<Selected, ExportError> {
    let mut selector =
        Selector { model, registry: model.registry(), objects: HashMap::new(), left_out: BTreeMap::new() };
    match selection {
        Selection::Everything => selector.everything(options)?,
        Selection::Objects { ids, closure } => selector.objects(ids, *closure)?,
        Selection::Flow(id) => selector.flow(*id)?,
    }
    if !matches!(selection, Selection::Everything) {
        selector.add_grants()?;
    }
    let mut grants: HashMap<Uuid, Vec<Arc<Object>>> = HashMap::new();
    let listed: Vec<Arc<Object>> =
        selector.objects.values().filter(|object| selector.is_listed_grant(object)).cloned().collect();
    for grant in listed {
        selector.objects.remove(&grant.id);
        if let Some(target) = grant.targets("object").first() {
            grants.entry(*target).or_default().push(grant);
        }
    }
    let left_out = selector
        .left_out
        .into_iter()
        .map(|((kind, _), (reason, count))| LeftOut { kind: selector.registry.get(kind).name, count, reason })
        .collect();
    Ok(Selected { objects: selector.objects, grants, left_out })
}

struct Selector<'m> {
    model: &'m Model,
    registry: &'m Registry,
    objects: HashMap<Uuid, Arc<Object>>,
    /// By kind and a word for the reason: the reason in full, and how many objects it concerns.
    left_out: BTreeMap<(KindIndex, &'static str), (String, usize)>,
}

impl Selector<'_> {
    fn everything(&mut self, options: &Options) -> Result<(), ExportError> {
        let mut included = HashSet::new();
        for name in &options.include {
            match self.registry.find(name) {
                Some(info) if !info.meta => included.insert(info.index),
                _ => return Err(ExportError::UnknownKind(name.clone())),
            };
        }
        let mut gone = HashSet::new();
        for info in self.registry.kinds().filter(|info| !info.meta) {
            let excluded = if included.contains(&info.index) { None } else { excluded(info) };
            for object in self.model.of_kind(info.index)? {
                let refused = if included.contains(&info.index) { None } else { refused(self.model, info, object) };
                match (excluded, refused) {
                    (Some(reason), _) => self.leave_out(object, "kind", reason, &mut gone),
                    (None, Some((field, reason))) => self.leave_out(object, field, &reason, &mut gone),
                    (None, None) => {
                        self.objects.insert(object.id, object.clone());
                    }
                }
            }
        }
        self.follow_gone(gone);
        Ok(())
    }

    fn leave_out(&mut self, object: &Object, word: &'static str, reason: &str, gone: &mut HashSet<Uuid>) {
        gone.insert(object.id);
        self.left_out.entry((object.kind, word)).or_insert_with(|| (reason.to_owned(), 0)).1 += 1;
    }

    /// Leaves out what cannot exist without something that is left out.
    fn follow_gone(&mut self, mut gone: HashSet<Uuid>) {
        let mut queue: Vec<Uuid> = gone.iter().copied().collect();
        while let Some(id) = queue.pop() {
            for (field, source) in self.model.known_incoming(id) {
                let Some(object) = self.objects.get(&source) else { continue };
                let info = self.registry.get(object.kind);
                let nullable = info.fields.get(field).is_none_or(|field| field.nullable);
                let depends = info
                    .reference(field)
                    .is_some_and(|reference| !reference.many && (reference.on_delete != OnDelete::Clear || !nullable));
                if !depends {
                    continue;
                }
                if let Some(object) = self.objects.remove(&source) {
                    self.leave_out(&object, "dependency", "it belongs to an object that is left out", &mut gone);
                    queue.push(source);
                }
            }
        }
    }

    fn objects(&mut self, ids: &[Uuid], closure: bool) -> Result<(), ExportError> {
        let mut queue = Vec::new();
        for id in ids {
            let object = self.model.get(*id)?.ok_or(ExportError::UnknownObject(*id))?;
            if self.objects.insert(*id, object.clone()).is_none() {
                queue.push(object.clone());
            }
        }
        let mut gone = HashSet::new();
        while let Some(object) = queue.pop().filter(|_| closure) {
            let mut next: Vec<Uuid> = object.edges.values().flatten().copied().collect();
            next.extend(self.bindings(object.id)?);
            for grant in self.grants_on(object.id)? {
                next.extend(grant.targets("user").iter().chain(grant.targets("role")));
            }
            for id in next {
                if self.objects.contains_key(&id) || gone.contains(&id) {
                    continue;
                }
                let Some(found) = self.model.get(id)? else { continue };
                let info = self.registry.get(found.kind);
                if let Some(reason) = excluded(info) {
                    self.leave_out(found, "kind", reason, &mut gone);
                } else if let Some((field, reason)) = refused(self.model, info, found) {
                    self.leave_out(found, field, &reason, &mut gone);
                } else {
                    self.objects.insert(id, found.clone());
                    queue.push(found.clone());
                }
            }
        }
        Ok(())
    }

    /// A flow with what it consists of: everything that would be copied with it, and nothing that other flows or the
    /// rest of the system have in common with it.
    fn flow(&mut self, id: Uuid) -> Result<(), ExportError> {
        let flow = self.model.get(id)?.ok_or(ExportError::UnknownObject(id))?;
        let info = self.registry.get(flow.kind);
        if info.name != FLOW {
            return Err(ExportError::NotAFlow { id, kind: info.name });
        }
        self.objects.insert(id, flow.clone());
        let mut queue = vec![flow.clone()];
        while let Some(object) = queue.pop() {
            let mut next: Vec<Uuid> = object.edges.values().flatten().copied().collect();
            let bindings = self.bindings(object.id)?;
            next.extend(&bindings);
            for id in next {
                let Some(found) = self.model.get(id)? else { continue };
                let info = self.registry.get(found.kind);
                let is_part = info.is_a(Family::Stage.name()) || info.is_a(Family::Policy.name()) || info.is_a(PROMPT);
                if (is_part || bindings.contains(&id)) && self.objects.insert(id, found.clone()).is_none() {
                    queue.push(found.clone());
                }
            }
        }
        Ok(())
    }

    /// Stage and policy bindings whose target is the given object.
    fn bindings(&self, target: Uuid) -> Result<Vec<Uuid>, ExportError> {
        let mut found = Vec::new();
        for info in BINDINGS.iter().filter_map(|kind| self.registry.find(kind)) {
            found.extend(self.model.referrers(info.index, TARGET, target)?);
        }
        Ok(found)
    }

    fn grants_on(&self, object: Uuid) -> Result<Vec<Arc<Object>>, ExportError> {
        let Some(info) = self.registry.find(GRANT_KIND) else { return Ok(Vec::new()) };
        let ids = self.model.referrers(info.index, "object", object)?;
        Ok(ids.into_iter().filter_map(|id| self.model.known(id)).cloned().collect())
    }

    fn add_grants(&mut self) -> Result<(), ExportError> {
        let targets: Vec<Uuid> = self.objects.keys().copied().collect();
        for target in targets {
            for grant in self.grants_on(target)? {
                self.objects.insert(grant.id, grant);
            }
        }
        Ok(())
    }

    /// Whether the object is a permission that the entry of its object can list. The list takes what stands before a
    /// dot for the name of an application, so a permission with a dot in it needs an entry of its own.
    fn is_listed_grant(&self, object: &Object) -> bool {
        self.registry.get(object.kind).name == GRANT_KIND
            && object.targets("object").first().is_some_and(|target| self.objects.contains_key(target))
            && object.text("permission").is_some_and(|permission| !permission.contains('.'))
            && !(object.targets("user").is_empty() && object.targets("role").is_empty())
    }
}

/// Why no object of the kind belongs into a blueprint that is made to be applied elsewhere.
fn excluded(info: &KindInfo) -> Option<&'static str> {
    let listed = NOT_CONFIGURATION.iter().find(|(kind, _)| *kind == info.name).map(|(_, reason)| *reason);
    info.not_creatable.or(listed)
}

/// The field and the reason if a blueprint with this object would be refused: the system may write what people may not.
fn refused(model: &Model, info: &KindInfo, object: &Object) -> Option<(&'static str, String)> {
    let mut whole: Vec<(&str, Cow<'_, Value>)> = Vec::with_capacity(info.fields.len());
    for field in info.fields.values() {
        let value = match (field.reference, field.secret) {
            (Some(reference), _) => {
                let mut ids = object.targets(&field.name).iter().map(|id| Value::String(id.to_string()));
                Cow::Owned(if reference.many { Value::Array(ids.collect()) } else { ids.next().unwrap_or_default() })
            }
            (None, Some(_)) if field.required || object.secrets.contains_key(field.name.as_str()) => {
                Cow::Owned(if field.allows("string") {
                    Value::String(String::new())
                } else {
                    Value::Object(Map::new())
                })
            }
            (None, Some(_)) => continue,
            (None, None) => Cow::Borrowed(object.attrs.get(&field.name).unwrap_or(&field.default)),
        };
        if !value.is_null() {
            whole.push((&field.name, value));
        }
    }
    let kinds = object
        .edges
        .values()
        .flatten()
        .filter_map(|id| Some((*id, model.registry().get(model.known(*id)?.kind).name)))
        .collect();
    let report = info.check(&whole, kinds).ok()?;
    let finding = report.findings.into_iter().find(|finding| finding.refuses)?;
    Some((finding.field, format!("its `{}` is refused in blueprints: {}", finding.field, finding.message)))
}
