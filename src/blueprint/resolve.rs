//! From entries to desired values: which object each entry is about, and what it wants of it.
//!
//! Entries are forced on demand and at most once. Knowing *which* object an entry is about needs only its
//! identifiers, so references between entries work in any order and in circles; only a circle through
//! identifiers is an error. What is decided by looking for objects (`!Find`) sees the state as the whole plan
//! leaves it. Where two entries depend on each other's existence, document order decides.

mod find;
mod glance;
mod identify;
mod planned;
mod stored;
mod unknown;

use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
};

use indexmap::IndexMap;
use stored::key_of_conditions;
pub use unknown::unknown_kind;
use uuid::Uuid;

use super::{
    document::{Document, Entry, Pair},
    inputs::{Folder, Inputs},
    lookup::{self, Path, Step},
    meta,
    tags::{self, ContextIndex, Evaluator, Fault, Meter},
    value::{MapKey, ObjectRef, Val},
    yaml::{Data, Node},
};
use crate::{
    base::{
        diagnostic::{Code, Diagnostic, Span},
        hash::FastMap,
    },
    model::{KindIndex, Model, Need, Object, Registry, Residency, object},
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
    folders: &'a [Option<Folder>],
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
    touched: FastMap<Uuid, Vec<usize>>,
    declared_keys: HashMap<String, Uuid>,
    applications: Vec<meta::Application>,
    /// Attributes that were asked for before the rest of their entry.
    attrs: FastMap<(usize, usize), Slot<Val>>,
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
        folders: &'a [Option<Folder>],
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
            touched: FastMap::default(),
            declared_keys: HashMap::new(),
            applications: Vec::new(),
            attrs: FastMap::default(),
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
        let folder = folders.get(at).and_then(Option::as_ref);
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

    fn current(&self) -> Option<u64> {
        self.stack.last().map(|token| token.code())
    }
}
