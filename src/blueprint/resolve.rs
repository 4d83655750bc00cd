//! From entries to desired values: which object each entry is about, and what it wants of it.
//!
//! Entries are forced on demand and at most once. Knowing *which* object an entry is about needs only its
//! identifiers, so references between entries work in any order and in circles; only a circle through
//! identifiers is an error. What is decided by looking for objects (`!Find`) sees the state as the whole plan
//! leaves it. Where two entries depend on each other's existence, document order decides.

mod planned;

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    rc::Rc,
    sync::Arc,
};

use indexmap::IndexMap;
use serde_json::Value;
use uuid::Uuid;

use super::{
    document::{Document, Entry, Pair},
    inputs::Inputs,
    lookup::{self, Lookup, Path, Step},
    meta,
    tags::{self, ContextIndex, Evaluator, Fault, Meter, Query, World},
    value::{MapKey, ObjectRef, Val},
    yaml::{Data, Node},
};
use crate::{
    base::diagnostic::{Code, Diagnostic, Span},
    model::{KindIndex, KindInfo, Model, Need, Object, Registry, Residency, object},
};

/// What an entry wants of its object (spec blueprints §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// To exist with these attributes.
    Present,
    /// To exist; attributes matter only for creation.
    Created,
    /// To be created by this very run.
    MustCreated,
    /// Not to exist.
    Absent,
}

impl State {
    const NAMES: [(&'static str, State); 4] = [
        ("present", State::Present),
        ("created", State::Created),
        ("must_created", State::MustCreated),
        ("absent", State::Absent),
    ];
}

/// Which object an entry is about.
#[derive(Debug)]
pub struct Identity {
    /// The kind.
    pub kind: KindIndex,
    /// Id, stored or derived.
    pub id: Uuid,
    /// The stored object, if there is one.
    pub object: Option<Arc<Object>>,
    /// What is wanted.
    pub state: State,
    /// Identifiers, resolved.
    pub identifiers: Vec<Attr>,
    /// Whether a condition or identifier could not be decided because there is no database.
    pub uncertain: bool,
}

/// A resolved attribute or identifier.
#[derive(Clone, Debug)]
pub struct Attr {
    /// Name as written.
    pub key: Arc<str>,
    /// Place of the name.
    pub key_span: Span,
    /// The node of the value.
    pub node: Arc<Node>,
    /// The value.
    pub value: Val,
}

impl Attr {
    fn of(pair: &Pair, value: Val) -> Attr {
        Attr { key: pair.key.clone(), key_span: pair.key_span, node: pair.value.clone(), value }
    }
}

/// An object permission that an entry grants (2024.8).
#[derive(Clone, Debug)]
pub struct Grant {
    /// Codename, optionally with the application label.
    pub permission: String,
    /// Who gets it: a user or a role.
    pub holder: ObjectRef,
    /// Place of the grant.
    pub span: Span,
}

/// The resolved body of an entry.
#[derive(Debug, Default)]
pub struct Body {
    /// Attributes in order.
    pub attrs: Vec<Attr>,
    /// Grants.
    pub grants: Vec<Grant>,
}

#[derive(Debug)]
enum Slot<T> {
    Open,
    Working,
    /// Cannot go on in this round.
    Waiting(Need),
    Done(Rc<T>),
    Failed,
}

impl<T> Slot<T> {
    /// What the work came to; a slot that stays open is worked on again.
    fn of(result: &Result<Rc<T>>) -> Slot<T> {
        match result {
            Ok(value) => Slot::Done(value.clone()),
            Err(Fault::Reported) => Slot::Failed,
            Err(Fault::Need(need)) => Slot::Waiting(need.clone()),
            Err(Fault::Blocked(_) | Fault::Deferred) => Slot::Open,
        }
    }

    /// What is known already, if anything is.
    fn known(&self, token: Token) -> Option<Result<Rc<T>>> {
        match self {
            Slot::Open => None,
            Slot::Working => Some(Err(Fault::Blocked(token.code()))),
            Slot::Waiting(need) => Some(Err(Fault::Need(need.clone()))),
            Slot::Done(value) => Some(Ok(value.clone())),
            Slot::Failed => Some(Err(Fault::Reported)),
        }
    }

    fn reopen(&mut self) {
        if let Slot::Waiting(_) = self {
            *self = Slot::Open;
        }
    }
}

/// One entry on its way.
#[derive(Debug)]
pub struct EntryState {
    /// Index of the document.
    pub document: usize,
    /// Index of the entry in it.
    pub index: usize,
    identity: Slot<Option<Identity>>,
    body: Slot<Body>,
}

/// How to resolve.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// There is no database: what would have to be looked up is unknown instead of absent.
    pub offline: bool,
}

#[derive(Default)]
struct FieldIndex {
    by_text: HashMap<Arc<str>, Vec<usize>>,
    other: Vec<usize>,
}

/// Resolves the entries of all documents against a model.
pub struct Resolver<'a> {
    documents: &'a [Document],
    folders: &'a [Option<PathBuf>],
    inputs: &'a Inputs,
    registry: Arc<Registry>,
    options: Options,
    model: Model,
    namespace: Uuid,
    engine_context: Rc<IndexMap<MapKey, Val>>,
    contexts: Rc<[ContextIndex]>,
    meter: Meter,
    entries: Vec<EntryState>,
    ids: Vec<HashMap<Arc<str>, usize>>,
    by_kind: HashMap<KindIndex, Vec<usize>>,
    field_indexes: HashMap<(KindIndex, String), FieldIndex>,
    touched: HashMap<Uuid, Vec<usize>>,
    declared_keys: HashMap<String, Uuid>,
    applications: Vec<meta::Application>,
    /// Attributes that were asked for before the rest of their entry.
    attrs: HashMap<(usize, usize), Slot<Val>>,
    declared: HashMap<(KindIndex, &'static str), Rc<planned::Declared>>,
    stack: Vec<Token>,
    /// Where a chain was cut off.
    deferred: Option<Token>,
    prefetched: bool,
    /// How many entries of a kind, from the first, are known to be identified.
    identified: HashMap<KindIndex, usize>,
    needs: BTreeSet<Need>,
    /// Findings of the work in progress; lost if it has to be done again.
    found: Vec<Diagnostic>,
    /// Findings of finished work.
    settled: Vec<Diagnostic>,
}

/// What is being worked on: an entry's identity, its body, or one attribute of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Identity(usize),
    Body(usize),
    Attr(usize, usize),
}

impl Token {
    fn code(self) -> u64 {
        let (entry, part) = match self {
            Token::Identity(entry) => (entry, 0),
            Token::Body(entry) => (entry, 1),
            Token::Attr(entry, position) => (entry, position + 2),
        };
        (entry as u64) << 32 | part as u64
    }

    fn entry(self) -> usize {
        let (Token::Identity(entry) | Token::Body(entry) | Token::Attr(entry, _)) = self;
        entry
    }
}

/// Entries that force each other on the stack, of which each takes a few kilobytes. The far end of a longer chain is
/// decided first.
const MAX_CHAIN: usize = 64;
/// Evaluations inside each other at which no further entry is forced, for the same reason.
const MAX_NESTING: usize = 128;

type Result<T> = std::result::Result<T, Fault>;

impl<'a> Resolver<'a> {
    /// Documents come in the order in which ties are broken; `folders` says where each lies.
    pub fn new(
        documents: &'a [Document],
        folders: &'a [Option<PathBuf>],
        inputs: &'a Inputs,
        model: Model,
        options: Options,
    ) -> Self {
        let registry = model.registry().clone();
        let mut entries = Vec::new();
        let mut ids = Vec::with_capacity(documents.len());
        let mut by_kind: HashMap<KindIndex, Vec<usize>> = HashMap::new();
        let mut dynamic = Vec::new();
        for (document, content) in documents.iter().enumerate() {
            let mut names = HashMap::new();
            for (index, entry) in content.entries.iter().enumerate() {
                let number = entries.len();
                if let Some((id, _)) = &entry.id {
                    names.entry(id.clone()).or_insert(number);
                }
                match (&entry.model.tag, &entry.model.data) {
                    (None, Data::Scalar(scalar)) => {
                        if let Some(kind) = registry.find(&scalar.text) {
                            by_kind.entry(kind.index).or_default().push(number);
                        }
                    }
                    _ => dynamic.push(number),
                }
                entries.push(EntryState { document, index, identity: Slot::Open, body: Slot::Open });
            }
            ids.push(names);
        }
        if !dynamic.is_empty() {
            for kind in registry.kinds() {
                by_kind.entry(kind.index).or_default().extend(&dynamic);
            }
        }
        let models: IndexMap<MapKey, Val> = registry
            .kinds()
            .filter_map(|kind| kind.name.split_once('.'))
            .map(|(app, short)| (MapKey::Text(short.into()), Val::text(app)))
            .collect();
        let engine_context = IndexMap::from([
            (MapKey::Text("goauthentik.io/enterprise/licensed".into()), Val::Bool(true)),
            (MapKey::Text("goauthentik.io/rbac/models".into()), Val::Map(models)),
        ]);
        let namespace = Uuid::new_v5(&model.instance, &model.revision.to_be_bytes());
        Resolver {
            documents,
            folders,
            inputs,
            registry,
            options,
            model,
            namespace,
            engine_context: Rc::new(engine_context),
            contexts: documents.iter().map(tags::index_context).collect(),
            meter: Meter::default(),
            entries,
            ids,
            by_kind,
            field_indexes: HashMap::new(),
            touched: HashMap::new(),
            declared_keys: HashMap::new(),
            applications: Vec::new(),
            attrs: HashMap::new(),
            declared: HashMap::new(),
            stack: Vec::new(),
            deferred: None,
            prefetched: false,
            identified: HashMap::new(),
            needs: BTreeSet::new(),
            found: Vec::new(),
            settled: Vec::new(),
        }
    }

    /// Resolves everything that can be resolved with the model at hand.
    ///
    /// # Errors
    /// What must be loaded first; give it with [`Resolver::supply`] and call again.
    pub fn run(&mut self) -> std::result::Result<(), BTreeSet<Need>> {
        if !std::mem::replace(&mut self.prefetched, true) {
            self.prefetch();
            if !self.needs.is_empty() {
                return Err(std::mem::take(&mut self.needs));
            }
        }
        for entry in &mut self.entries {
            entry.identity.reopen();
            entry.body.reopen();
        }
        self.attrs.values_mut().for_each(Slot::reopen);
        for entry in 0..self.entries.len() {
            self.settle(Token::Identity(entry));
            if matches!(&self.entries[entry].identity, Slot::Done(identity) if identity.is_some()) {
                self.settle(Token::Body(entry));
            }
        }
        if !self.needs.is_empty() {
            return Err(std::mem::take(&mut self.needs));
        }
        self.settled.append(&mut meta::circles(self.documents.len(), &self.applications));
        Ok(())
    }

    /// Asks at once for all objects that entries name literally. Entries that wait for each other would ask one by one.
    fn prefetch(&mut self) {
        let registry = self.registry.clone();
        for (kind, numbers) in &self.by_kind {
            let info = registry.get(*kind);
            if info.residency != Residency::Paged {
                continue;
            }
            for number in numbers {
                let entry = self.entry(*number).1;
                let literal = |pair: &Pair| {
                    let path = lookup::parse(&registry, &[*kind], &pair.key).ok()?;
                    Some((path, Val::literal(&pair.value)?))
                };
                let conditions: Vec<(Path, Val)> = entry.identifiers.iter().filter_map(literal).collect();
                for key in info.keys {
                    let Some(text) = key_of_conditions(info, key, &conditions) else { continue };
                    if let Err(need) = self.model.by_key(object::key_scope(info, key), &object::key_name(key), &text) {
                        self.needs.insert(need);
                    }
                }
            }
        }
    }

    /// Does one piece of work, and before it the far ends of the chains that it hangs on.
    fn settle(&mut self, token: Token) {
        let mut pending = vec![token];
        while let Some(token) = pending.last().copied() {
            let result = match token {
                Token::Identity(number) => self.identity(number).map(drop),
                Token::Body(number) | Token::Attr(number, _) => self.body(number).map(drop),
            };
            let next = self.deferred.take();
            match result {
                Err(Fault::Deferred) => match next {
                    Some(next) if !pending.contains(&next) => pending.push(next),
                    _ => self.give_up(token, Code::DEPTH, "this entry depends on itself through many others"),
                },
                Err(Fault::Blocked(_)) => {
                    self.give_up(token, Code::KEY_OF_CYCLE, "what this entry is about depends on this entry itself");
                }
                _ => {
                    pending.pop();
                }
            }
        }
    }

    fn give_up(&mut self, token: Token, code: Code, why: &str) {
        let number = token.entry();
        self.settled.push(Diagnostic::new(code, why).at(self.entry(number).1.span, ""));
        match token {
            Token::Identity(_) => self.entries[number].identity = Slot::Failed,
            Token::Body(_) | Token::Attr(..) => self.entries[number].body = Slot::Failed,
        }
    }

    /// Replaces the model by one that holds more.
    pub fn supply(&mut self, model: Model) {
        self.model = model;
    }

    /// The model in use.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Number of entries of all documents.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The document and entry of an entry number.
    pub fn entry(&self, number: usize) -> (&'a Document, &'a Entry) {
        let state = &self.entries[number];
        let document = &self.documents[state.document];
        (document, &document.entries[state.index])
    }

    /// Position of an entry in its document.
    pub fn position(&self, number: usize) -> usize {
        self.entries[number].index
    }

    /// What became of an entry, after [`Resolver::run`]: nothing for skipped and failed ones.
    pub fn resolved(&self, number: usize) -> Option<(Rc<Option<Identity>>, Rc<Body>)> {
        match (&self.entries[number].identity, &self.entries[number].body) {
            (Slot::Done(identity), Slot::Done(body)) if identity.is_some() => Some((identity.clone(), body.clone())),
            _ => None,
        }
    }

    /// Findings so far.
    pub fn findings(&mut self) -> Vec<Diagnostic> {
        let mut findings = std::mem::take(&mut self.settled);
        findings.append(&mut self.found);
        findings
    }

    /// Namespace of derived ids: differs between databases and between revisions of one.
    pub fn namespace(&self) -> Uuid {
        self.namespace
    }

    fn evaluate(&mut self, number: usize, node: &Node) -> Result<Val> {
        let at = self.entries[number].document;
        let (documents, folders, inputs) = (self.documents, self.folders, self.inputs);
        let folder = folders.get(at).and_then(|folder| folder.as_deref());
        let document = &documents[at];
        let (engine, contexts) = (self.engine_context.clone(), self.contexts.clone());
        let names = &contexts[at];
        Evaluator::new(self, inputs, document, names, &engine, folder).whole(node)
    }

    fn fail<T>(&mut self, finding: Diagnostic) -> Result<T> {
        self.found.push(finding);
        Err(Fault::Reported)
    }

    /// Runs one piece of work of an entry. Its findings count when it is finished, whatever becomes of the work that
    /// asked for it.
    fn guard<T>(&mut self, token: Token, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.stack.len() >= MAX_CHAIN || self.meter.nesting() >= MAX_NESTING {
            self.deferred.get_or_insert(token);
            return Err(Fault::Deferred);
        }
        let outer = std::mem::take(&mut self.found);
        self.stack.push(token);
        let result = work(self);
        self.stack.pop();
        let mut own = std::mem::replace(&mut self.found, outer);
        match &result {
            Ok(_) | Err(Fault::Reported) => self.settled.append(&mut own),
            Err(Fault::Need(need)) => {
                self.needs.insert(need.clone());
            }
            Err(Fault::Blocked(_) | Fault::Deferred) => {}
        }
        result
    }

    /// Decides which object an entry is about; nothing when its conditions skip it.
    fn identity(&mut self, number: usize) -> Result<Rc<Option<Identity>>> {
        if let Some(known) = self.entries[number].identity.known(Token::Identity(number)) {
            return known;
        }
        self.entries[number].identity = Slot::Working;
        let result = self.guard(Token::Identity(number), |this| this.identify(number)).map(Rc::new);
        if let Ok(identity) = &result
            && let Some(identity) = &**identity
        {
            self.touched.entry(identity.id).or_default().push(number);
        }
        self.entries[number].identity = Slot::of(&result);
        result
    }

    /// Resolves an entry's attributes and grants.
    fn body(&mut self, number: usize) -> Result<Rc<Body>> {
        if let Some(known) = self.entries[number].body.known(Token::Body(number)) {
            return known;
        }
        self.entries[number].body = Slot::Working;
        let result = self.guard(Token::Body(number), |this| this.resolve_body(number)).map(Rc::new);
        self.entries[number].body = Slot::of(&result);
        result
    }

    fn resolve_body(&mut self, number: usize) -> Result<Body> {
        let entry = self.entry(number).1;
        let mut body = Body::default();
        let mut fault = None;
        for (position, pair) in entry.attrs.iter().enumerate() {
            match self.body_value(number, position).map(|value| Attr::of(pair, value)) {
                Ok(attr) => body.attrs.push(attr),
                Err(Fault::Reported) => fault = fault.or(Some(Fault::Reported)),
                Err(other) => fault = Some(other),
            }
        }
        for node in &entry.permissions {
            match self.grant(number, node) {
                Ok(grants) => body.grants.extend(grants),
                Err(Fault::Reported) => fault = fault.or(Some(Fault::Reported)),
                Err(other) => fault = Some(other),
            }
        }
        fault.map_or(Ok(body), Err)
    }

    fn attr(&mut self, number: usize, pair: &Pair) -> Result<Attr> {
        Ok(Attr::of(pair, self.evaluate(number, &pair.value)?))
    }

    fn grant(&mut self, number: usize, node: &Arc<Node>) -> Result<Vec<Grant>> {
        let value = self.evaluate(number, node)?;
        let wrong = |this: &mut Self, why: String| {
            this.fail(
                Diagnostic::new(Code::WRONG_TYPE, why)
                    .at(node.span, "")
                    .help("write `- permission: view_flow` with `user:` or `role:` below it, both by !KeyOf or !Find"),
            )
        };
        let Val::Map(map) = value.peel() else {
            return wrong(self, "a permission is a mapping with `permission` and `user` or `role`".to_owned());
        };
        let mut permission = None;
        let mut holders = Vec::new();
        for (key, value) in map {
            match (key.text().as_str(), value.peel()) {
                ("permission", Val::Text(text)) => permission = Some(text.to_string()),
                ("user" | "role", Val::Null | Val::Unknown) => {}
                (name @ ("user" | "role"), value) => {
                    let kind = if name == "user" { "authentik_core.user" } else { "authentik_rbac.role" };
                    match self.reference(kind, value)? {
                        Some(object) => holders.push(object),
                        None => return wrong(self, format!("`{name}` does not refer to an object of {kind}")),
                    }
                }
                (other, _) => {
                    return wrong(self, format!("`{other}` has no meaning in a permission, or its value no text"));
                }
            }
        }
        match permission {
            Some(permission) => Ok(holders
                .into_iter()
                .map(|holder| Grant { permission: permission.clone(), holder, span: node.span })
                .collect()),
            None => wrong(self, "a permission needs a `permission`".to_owned()),
        }
    }

    fn identify(&mut self, number: usize) -> Result<Option<Identity>> {
        let entry = self.entry(number).1;
        let kind = self.kind_of(number, &entry.model)?;
        let registry = self.registry.clone();
        let info = registry.get(kind);
        let mut uncertain = false;
        for condition in &entry.conditions {
            match self.evaluate(number, condition)?.truth() {
                Some(true) => {}
                Some(false) => {
                    self.glance(number, kind);
                    return Ok(None);
                }
                None => uncertain = true,
            }
        }
        if info.meta {
            let values =
                entry.attrs.iter().map(|pair| self.evaluate(number, &pair.value)).collect::<Result<Vec<_>>>()?;
            if let Some(child) = meta::judge(self.documents, &self.model, entry, &values, &mut self.found) {
                self.applications.push((self.entries[number].document, child, entry.model.span));
            }
            return Ok(None);
        }
        let state = match &entry.state {
            None => State::Present,
            Some(node) => self.state(number, node)?,
        };
        let mut identifiers = Vec::with_capacity(entry.identifiers.len());
        let mut failed = false;
        for pair in &entry.identifiers {
            let path = (!lookup::KEY_NAMES.contains(&&*pair.key))
                .then(|| lookup::parse(&registry, &[kind], &pair.key))
                .transpose();
            if let Err((part, meant)) = path {
                self.unknown_identifier(info, pair, &part, meant);
                failed = true;
                continue;
            }
            match self.attr(number, pair) {
                Ok(mut attr) => {
                    collapse_key(&mut attr.value);
                    uncertain |= attr.value.is_unknown();
                    identifiers.push(attr);
                }
                Err(Fault::Reported) => failed = true,
                Err(other) => return Err(other),
            }
        }
        if failed || entry.unidentifiable {
            return Err(Fault::Reported);
        }
        if identifiers.is_empty() {
            let keys: Vec<String> = info.keys.iter().map(|key| key.fields.join(" + ")).collect();
            let mut finding = Diagnostic::new(
                Code::NO_IDENTIFIERS,
                format!("this entry does not say which {} it is about", info.title),
            )
            .at(entry.model.span, "no identifiers");
            if !keys.is_empty() {
                finding = finding.help(format!("identify it below `identifiers:` by {}", keys.join(", or by ")));
            }
            return self.fail(finding);
        }
        let object = if uncertain { None } else { self.stored(number, info, &identifiers)? };
        let id = match &object {
            Some(object) => object.id,
            None => self.derive_id(number, info, &identifiers, uncertain),
        };
        Ok(Some(Identity { kind, id, object, state, identifiers, uncertain }))
    }

    /// Judges the names in an entry that is skipped by its conditions, without resolving anything: its state, its
    /// identifiers, ids behind !KeyOf, and the kinds and fields of !Find.
    fn glance(&mut self, number: usize, kind: KindIndex) {
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

    /// The finding about an id that no entry of the document has.
    fn unknown_id(&self, document: usize, id: &str, span: Span) -> Diagnostic {
        let known: Vec<(Arc<str>, Span)> =
            self.documents[document].entries.iter().filter_map(|entry| entry.id.clone()).collect();
        let finding = Diagnostic::new(Code::KEY_OF_UNKNOWN, format!("no entry of this document has the id `{id}`"))
            .at(span, "unknown id");
        let Some(meant) = crate::base::diagnostic::nearest(id, known.iter().map(|(id, _)| &**id)) else {
            return finding
                .help("give the entry an `id`, or use !Find for an object of another document or of the database");
        };
        let finding = finding.help(format!("did you mean `{meant}`?")).fix(format!("use `{meant}`"), span, meant);
        // Several ids may be as near, and the slip may be in any of them.
        let distance = |known: &str| strsim::damerau_levenshtein(id, known);
        let near = known.iter().filter(|(known, _)| &**known == meant || distance(known) <= distance(meant));
        near.take(3).fold(finding, |finding, (_, there)| finding.at(*there, "a similar id is given here"))
    }

    fn unknown_identifier(&mut self, info: &KindInfo, pair: &Pair, part: &str, meant: Option<String>) {
        let mut finding = Diagnostic::new(Code::IDENTIFIER_FIELD, format!("`{part}` is not a field of {}", info.name))
            .at(pair.key_span, "unknown field");
        match meant {
            Some(meant) => {
                finding = finding.help(format!("did you mean `{meant}`?"));
                if part == &*pair.key {
                    finding = finding.fix(format!("rename it to `{meant}`"), pair.key_span, meant);
                }
            }
            None => {
                let names: Vec<&str> = info.fields.keys().map(String::as_str).collect();
                finding = finding.help(format!("the fields are {}", names.join(", ")));
            }
        }
        self.found.push(finding);
    }

    fn kind_of(&mut self, number: usize, node: &Node) -> Result<KindIndex> {
        let value = self.evaluate(number, node)?;
        let Val::Text(name) = value.peel() else {
            return self.fail(
                Diagnostic::new(Code::WRONG_TYPE, format!("`model` must be text, not {}", value.kind_name()))
                    .at(node.span, ""),
            );
        };
        let registry = self.registry.clone();
        let Some(info) = registry.find(name) else {
            return self.fail(unknown_kind(&registry, name, node.span, node.tag.is_none()));
        };
        self.found.extend(renamed_kind(&registry, name, node.span, node.tag.is_none()));
        Ok(info.index)
    }

    fn state(&mut self, number: usize, node: &Node) -> Result<State> {
        let value = self.evaluate(number, node)?;
        let text = match value.peel() {
            Val::Text(text) => text.to_string(),
            Val::Unknown => return Ok(State::Present),
            other => other.python_str(),
        };
        match State::NAMES.iter().find(|(name, _)| *name == text) {
            Some((_, state)) => Ok(*state),
            None => {
                let names = State::NAMES.map(|(name, _)| name);
                let mut finding =
                    Diagnostic::new(Code::UNKNOWN_STATE, format!("`{text}` is no state")).at(node.span, "");
                finding = match crate::base::diagnostic::nearest(&text, names) {
                    Some(meant) if node.tag.is_none() => {
                        finding.help(format!("did you mean `{meant}`?")).fix(format!("use `{meant}`"), node.span, meant)
                    }
                    _ => finding.help(format!("the states are {}", names.join(", "))),
                };
                self.fail(finding)
            }
        }
    }

    /// The object that a value of a reference field means, if it is of the target's kind or family.
    pub fn reference(&mut self, target: &str, value: &Val) -> Result<Option<ObjectRef>> {
        let registry = self.registry.clone();
        let object = match value.peel() {
            Val::Object(object) => Some(*object),
            Val::Text(text) => match Uuid::parse_str(text.trim()) {
                Ok(id) => self.by_pk(target, &text.to_lowercase(), Some(id), None)?,
                Err(_) => match text.trim().parse::<i64>() {
                    Ok(number) => self.by_pk(target, text, None, Some(number))?,
                    Err(_) => None,
                },
            },
            Val::Int(number) => self.by_pk(target, &number.to_string(), None, Some(*number))?,
            _ => None,
        };
        Ok(object.filter(|object| registry.get(object.kind).is_a(target)))
    }

    /// Finds an object by a raw primary key: first among entries that name this key as their `pk` (raw exports,
    /// spec blueprints §9), then in the model.
    fn by_pk(&mut self, target: &str, text: &str, id: Option<Uuid>, number: Option<i64>) -> Result<Option<ObjectRef>> {
        let registry = self.registry.clone();
        for kind in registry.targets(target) {
            for name in lookup::KEY_NAMES {
                for candidate in self.candidates(kind, name, &Val::text(text)) {
                    let pair = self.entry(candidate).1.identifiers.iter().find(|pair| &*pair.key == name);
                    if pair.and_then(|pair| Val::literal(&pair.value)).is_none_or(|found| found.python_str() != text) {
                        continue;
                    }
                    if let Some(identity) = &*self.identity(candidate)? {
                        return Ok(Some(self.object_ref(identity.id, identity.kind, identity.object.as_deref())));
                    }
                }
            }
        }
        let found = match (id, number) {
            (Some(id), _) => self.model.get(id)?.cloned(),
            (None, Some(number)) => {
                let mut found = None;
                let scopes: BTreeSet<&'static str> = registry
                    .targets(target)
                    .into_iter()
                    .map(|kind| registry.get(kind))
                    .filter(|info| info.numbered)
                    .map(KindInfo::number_scope)
                    .collect();
                for scope in scopes {
                    found = found.or(self.model.by_number(scope, number)?.cloned());
                }
                found
            }
            (None, None) => None,
        };
        Ok(found.map(|object| self.object_ref(object.id, object.kind, Some(&object))))
    }

    fn object_ref(&self, id: Uuid, kind: KindIndex, object: Option<&Object>) -> ObjectRef {
        let numbered = self.registry.get(kind).numbered;
        ObjectRef { id, kind, number: object.and_then(|object| object.number), numbered }
    }

    /// The stored object that identifiers match (spec blueprints §7), with the union of `pk` and the others.
    fn stored(&mut self, number: usize, info: &KindInfo, identifiers: &[Attr]) -> Result<Option<Arc<Object>>> {
        let (keys, others): (Vec<&Attr>, Vec<&Attr>) = identifiers
            .iter()
            .partition(|attr| lookup::KEY_NAMES.contains(&&*attr.key) && !info.fields.contains_key(&*attr.key));
        let mut by_key = None;
        for attr in &keys {
            by_key = self.stored_by_pk(info, &attr.value)?;
            if let Some(object) = by_key.as_ref().filter(|object| object.kind != info.index) {
                let owner = self.registry.get(object.kind);
                let finding = Diagnostic::new(
                    Code::IDENTIFIERS_DIFFER,
                    format!(
                        "this pk belongs to the {} `{}`, which is no {}",
                        owner.title,
                        object.name(owner),
                        info.title
                    ),
                )
                .at(attr.key_span, "of another kind");
                return self.fail(finding);
            }
        }
        if others.is_empty() {
            return Ok(by_key);
        }
        let by_others = self.stored_by_fields(number, info, &others)?;
        match (by_key, by_others) {
            (Some(one), Some(other)) if one.id != other.id => {
                let place = identifiers[0].key_span;
                self.fail(
                    Diagnostic::new(
                        Code::IDENTIFIERS_DIFFER,
                        "the pk belongs to another object than the other identifiers",
                    )
                    .at(place, format!("pk: {}; others: {}", one.name(info), other.name(info))),
                )
            }
            (one, other) => Ok(one.or(other)),
        }
    }

    fn stored_by_pk(&mut self, info: &KindInfo, value: &Val) -> Result<Option<Arc<Object>>> {
        let number = |number: i64, model: &Model| -> Result<Option<Arc<Object>>> {
            if info.numbered { Ok(model.by_number(info.number_scope(), number)?.cloned()) } else { Ok(None) }
        };
        match value.peel() {
            Val::Object(object) => Ok(self.model.get(object.id)?.cloned()),
            Val::Int(found) => number(*found, &self.model),
            Val::Text(text) => match (Uuid::parse_str(text.trim()), text.trim().parse::<i64>()) {
                (Ok(id), _) => Ok(self.model.get(id)?.cloned()),
                (_, Ok(found)) => number(found, &self.model),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn stored_by_fields(&mut self, number: usize, info: &KindInfo, attrs: &[&Attr]) -> Result<Option<Arc<Object>>> {
        let registry = self.registry.clone();
        let mut conditions = Vec::with_capacity(attrs.len());
        for attr in attrs {
            let Ok(mut path) = lookup::parse(&registry, &[info.index], &attr.key) else {
                return Err(Fault::Reported);
            };
            if matches!(attr.value.peel(), Val::Map(_)) && path.lookup == Lookup::Exact {
                path.lookup = Lookup::Contains;
            }
            let value = match path.plain_field().and_then(|field| info.reference(field)) {
                Some(reference) if !reference.many && !matches!(attr.value.peel(), Val::Null) => {
                    match self.reference(reference.target, &attr.value)? {
                        Some(object) => Val::Object(object),
                        None => return Ok(None),
                    }
                }
                _ => attr.value.clone(),
            };
            conditions.push((path, value));
        }
        for key in info.keys {
            let Some(text) = key_of_conditions(info, key, &conditions) else { continue };
            let found = self.model.by_key(object::key_scope(info, key), &object::key_name(key), &text)?.cloned();
            return match found {
                Some(object) if object.kind == info.index && self.all_match(&object, &conditions)? => Ok(Some(object)),
                _ => Ok(None),
            };
        }
        let all: Vec<Arc<Object>> = self.model.of_kind(info.index)?.cloned().collect();
        let mut matching = Vec::new();
        for object in all {
            if self.all_match(&object, &conditions)? {
                matching.push(object);
            }
        }
        if matching.len() > 1 {
            let names: Vec<String> =
                matching.iter().take(5).map(|object| format!("`{}` ({})", object.name(info), object.id)).collect();
            let more = if matching.len() > 5 { ", …" } else { "" };
            let span = attrs.first().map_or(self.entry(number).1.span, |attr| attr.key_span);
            return self.fail(
                Diagnostic::new(
                    Code::AMBIGUOUS,
                    format!("{} objects of {} match these identifiers", matching.len(), info.name),
                )
                .at(span, "ambiguous")
                .help(format!("they are {}{more}", names.join(", "))),
            );
        }
        Ok(matching.pop())
    }

    /// Whether a stored object, as it is stored, meets all conditions.
    fn all_match(&mut self, object: &Arc<Object>, conditions: &[(Path, Val)]) -> Result<bool> {
        for (path, wanted) in conditions {
            let mut any = false;
            for value in self.walk(object.id, object.kind, &path.steps, false)? {
                any |= path.lookup.matches(&value, wanted).unwrap_or(false);
            }
            if !any {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Id of an object that this plan creates. The same identifiers give the same id, whatever else the entry says,
    /// so several entries can be about one new object.
    fn derive_id(&mut self, number: usize, info: &KindInfo, identifiers: &[Attr], uncertain: bool) -> Uuid {
        if let Some(id) = identifiers
            .iter()
            .filter(|attr| lookup::KEY_NAMES.contains(&&*attr.key) && !info.fields.contains_key(&*attr.key))
            .find_map(|attr| Uuid::parse_str(attr.value.peel().python_str().trim()).ok())
            && !info.numbered
        {
            return id;
        }
        let mut names: Vec<String> = Vec::new();
        let canonical = |attr: &Attr| match attr.value.peel() {
            Val::Object(object) => Value::String(object.id.to_string()),
            Val::Text(text) => {
                Uuid::parse_str(text).map_or_else(|_| attr.value.to_json(), |id| Value::String(id.to_string()))
            }
            other => other.to_json(),
        };
        for key in info.keys.iter().filter(|key| !key.only_true) {
            let values: Option<Vec<Value>> = key
                .fields
                .iter()
                .map(|field| {
                    identifiers.iter().find(|attr| &*attr.key == *field).map(canonical).filter(|value| !value.is_null())
                })
                .collect();
            if let Some(values) = values {
                names.push(format!("{}|{}|{}", info.name, object::key_name(key), object::key_text(&values)));
            }
        }
        if names.is_empty() {
            let mut all: Vec<String> =
                identifiers.iter().map(|attr| format!("{}={}", attr.key, canonical(attr))).collect();
            all.sort();
            names.push(format!("{}|{}", info.name, all.join("&")));
        }
        if uncertain && identifiers.iter().any(|attr| attr.value.is_unknown()) {
            names = vec![format!("{}|entry {number}", info.name)];
        }
        let known = names.iter().find_map(|name| self.declared_keys.get(name)).copied();
        let id =
            known.unwrap_or_else(|| Uuid::new_v5(&self.namespace, format!("{}|{}", info.name, names[0]).as_bytes()));
        for name in names {
            self.declared_keys.entry(name).or_insert(id);
        }
        id
    }

    /// Entries of a kind that may set a field to a value: those that write it literally, and those that write it by a tag
    /// or not at all.
    fn candidates(&mut self, kind: KindIndex, field: &str, wanted: &Val) -> Vec<usize> {
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

    fn current(&self) -> Option<u64> {
        self.stack.last().map(|token| token.code())
    }

    /// Objects that match a query in the state that the plan leaves behind.
    fn matching(
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
    fn whole(&mut self, object: ObjectRef) -> Result<Val> {
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

/// The finding about a part of a condition's path that no kind knows.
fn unknown_condition(model: &str, path: &str, part: &str, meant: Option<String>, span: Span) -> Diagnostic {
    let mut finding = Diagnostic::new(Code::FIND_FIELD, format!("`{part}` is not a field of {model}")).at(span, "");
    if let Some(meant) = meant {
        finding = finding.help(format!("did you mean `{meant}`?"));
        if part == path {
            finding = finding.fix(format!("use `{meant}`"), span, meant);
        }
    }
    finding
}

/// The finding about a kind name that nobody knows.
pub fn unknown_kind(registry: &Registry, name: &str, span: Span, literal: bool) -> Diagnostic {
    let mut finding =
        Diagnostic::new(Code::UNKNOWN_KIND, format!("there is no kind `{name}`")).at(span, "unknown kind");
    match registry.nearest(name) {
        Some(meant) => {
            finding = finding.help(format!("did you mean `{meant}`?"));
            if literal {
                finding = finding.fix(format!("use `{meant}`"), span, meant);
            }
        }
        None => finding = finding.help("`gatewright schema --list` names all kinds"),
    }
    finding
}

/// The finding about a kind name of another release, if it is one. Only a literal name can be corrected.
fn renamed_kind(registry: &Registry, name: &str, span: Span, literal: bool) -> Option<Diagnostic> {
    let info = registry.find(name).filter(|info| info.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name)))?;
    let finding = Diagnostic::new(Code::RENAMED_KIND, format!("`{name}` is called `{}` now", info.name))
        .at(span, "name of another release");
    Some(if literal { finding.fix(format!("use `{}`", info.name), span, info.name) } else { finding })
}

/// An identifier given as a mapping with `pk` means that key (spec blueprints §5).
fn collapse_key(value: &mut Val) {
    if let Val::Map(map) = value.peel()
        && let Some(pk) = map.get(&MapKey::Text("pk".into()))
    {
        *value = pk.clone();
    }
}

/// The indexed text of a key when equality conditions give all of its fields.
fn key_of_conditions(info: &KindInfo, key: &crate::model::Key, conditions: &[(Path, Val)]) -> Option<String> {
    if key.only_true
        && conditions.iter().any(|(path, value)| {
            path.plain_field().is_some_and(|field| key.fields.contains(&field)) && value.peel() != &Val::Bool(true)
        })
    {
        return None;
    }
    let values: Option<Vec<Value>> = key
        .fields
        .iter()
        .map(|field| {
            let (_, value) = conditions.iter().find(|(path, _)| path.plain_field() == Some(field))?;
            match (value.peel(), info.reference(field)) {
                (Val::Object(object), Some(_)) => Some(Value::String(object.id.to_string())),
                (Val::Object(_) | Val::Null | Val::Unknown | Val::List(_) | Val::Map(_) | Val::Symbol(_), _) => None,
                (_, Some(_)) => None,
                (Val::Int(number), None) if info.fields.get(*field).is_some_and(|field| !field.allows("integer")) => {
                    Some(Value::String(number.to_string()))
                }
                (Val::Text(text), None) if info.fields.get(*field).is_some_and(|field| !field.allows("string")) => {
                    text.parse::<i64>().ok().map(Value::from)
                }
                (other, None) => Some(other.to_json()),
            }
        })
        .collect();
    values.map(|values| object::key_text(&values))
}
