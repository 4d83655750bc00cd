//! From resolved entries to desired objects: field names of other releases, types, references, schemas, and what
//! several entries together want of one object.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use indexmap::IndexMap;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    lookup,
    resolve::{Attr, Grant, Identity, Resolver, State},
    tags::Fault,
    value::Val,
    yaml::{self, Data, Node},
};
use crate::{
    base::diagnostic::{Code, Diagnostic, Severity, Span, nearest},
    model::{
        Change, KindIndex, KindInfo, Need, Object, Registry, kind::COMMON_READ_ONLY, kind::Finding, object, publish,
        registry::FieldInfo, registry::SecretMode, symbol,
    },
};

/// The kind that object permissions of entries become.
pub const GRANT_KIND: &str = "gatewright_rbac.objectpermission";

/// A value that a field is to have.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// A plain attribute.
    Json(Value),
    /// Targets of a reference field.
    Edges(Vec<Uuid>),
    /// A secret.
    Secret(String),
}

/// A wanted value with where it comes from.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The value.
    pub wanted: Wanted,
    /// Whether it came from the environment or a file, and must not be printed.
    pub tainted: bool,
    /// The entry.
    pub entry: usize,
    /// Place of the key.
    pub span: Span,
    /// Whether it counts only for creation.
    pub initial: bool,
}

/// Everything that all entries want of one object.
#[derive(Debug)]
pub struct Desired {
    /// Id, stored or derived.
    pub id: Uuid,
    /// Kind.
    pub kind: KindIndex,
    /// The stored object.
    pub object: Option<Arc<Object>>,
    /// The entry that deletes it.
    pub absent: Option<usize>,
    /// Wishes by field name.
    pub wishes: IndexMap<String, Wish>,
    /// Entries about the object, in order.
    pub entries: Vec<usize>,
    /// Fields that each entry names, for ownership.
    pub named: BTreeMap<usize, BTreeSet<String>>,
    /// Integer key that a creation asks for.
    pub number: Option<i64>,
    /// Whether something about the object could not be decided without a database.
    pub uncertain: bool,
}

/// What composing came to.
pub struct Composed {
    /// Desired objects in the order of their first entry.
    pub objects: IndexMap<Uuid, Desired>,
    /// Number of entries that are about an object.
    pub entries: usize,
}

/// Options of composing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// No database: objects that are not declared may exist.
    pub offline: bool,
    /// Contradicting entries: the last one wins, with a warning.
    pub last_wins: bool,
}

/// Compiled schemas of kinds, built on first use.
#[derive(Default)]
pub struct Validators {
    by_kind: HashMap<KindIndex, Option<jsonschema::Validator>>,
}

impl Validators {
    fn get(&mut self, info: &KindInfo) -> Option<&jsonschema::Validator> {
        self.by_kind
            .entry(info.index)
            .or_insert_with(|| {
                jsonschema::options().with_draft(jsonschema::Draft::Draft7).build(&publish::of_attributes(info)).ok()
            })
            .as_ref()
    }
}

/// Composes the entries of a resolver.
pub struct Composer<'r, 'a> {
    resolver: &'r mut Resolver<'a>,
    registry: Arc<Registry>,
    validators: &'r mut Validators,
    options: Options,
    needs: BTreeSet<Need>,
    found: Vec<Diagnostic>,
    objects: IndexMap<Uuid, Desired>,
}

/// A field's wish before it is merged with those of other entries; nothing when there is no wish after all.
type Converted = Option<Wanted>;

impl<'r, 'a> Composer<'r, 'a> {
    /// Starts with a resolver that has run.
    pub fn new(resolver: &'r mut Resolver<'a>, validators: &'r mut Validators, options: Options) -> Self {
        let registry = resolver.model().registry().clone();
        Composer {
            resolver,
            registry,
            validators,
            options,
            needs: BTreeSet::new(),
            found: Vec::new(),
            objects: IndexMap::new(),
        }
    }

    /// Composes all entries.
    ///
    /// # Errors
    /// What must be loaded first; nothing of this attempt is kept then.
    pub fn run(mut self, found: &mut Vec<Diagnostic>) -> Result<Composed, BTreeSet<Need>> {
        let mut entries = 0;
        for number in 0..self.resolver.len() {
            let Some((identity, body)) = self.resolver.resolved(number) else {
                self.glance(number);
                continue;
            };
            let Some(identity) = &*identity else { continue };
            entries += 1;
            self.entry(number, identity, &body.attrs);
            if identity.state != State::Absent {
                self.grants(number, identity, &body.grants);
            }
        }
        if !self.needs.is_empty() {
            return Err(self.needs);
        }
        self.judge();
        found.append(&mut self.found);
        Ok(Composed { objects: self.objects, entries })
    }

    fn entry(&mut self, number: usize, identity: &Identity, attrs: &[Attr]) {
        let registry = self.registry.clone();
        let info = registry.get(identity.kind);
        let model_span = self.resolver.entry(number).1.model.span;
        if let Some(other) = self.objects.get(&identity.id).filter(|desired| desired.kind != identity.kind) {
            let there = self.resolver.entry(other.entries[0]).1.model.span;
            let title = registry.get(other.kind).title;
            self.found.push(
                Diagnostic::new(
                    Code::IDENTIFIERS_DIFFER,
                    format!("one pk is given to a {title} and to a {}", info.title),
                )
                .at(model_span, "this one")
                .at(there, "and this one"),
            );
            return;
        }
        if identity.state == State::MustCreated && identity.object.is_some() {
            self.found.push(
                Diagnostic::new(Code::ALREADY_EXISTS, format!("this {} exists already", info.title))
                    .at(model_span, "")
                    .help("use `state: present` to change it, or `state: created` to leave it as it is"),
            );
        }
        let mut values = merged(info, identity, attrs);
        if identity.state == State::Absent {
            values.clear();
        }
        let mut json = Map::new();
        let mut wishes: Vec<(String, Span, Option<Wanted>, bool)> = Vec::new();
        let mut named = BTreeSet::new();
        for attr in values {
            let Some((field, value)) = self.field_of(info, &attr) else { continue };
            named.insert(field.name.clone());
            let tainted = value.is_secret();
            let wanted = self.convert(field, &attr, value, &mut json);
            wishes.push((field.name.clone(), attr.key_span, wanted, tainted));
        }
        self.validate(number, info, &json, &wishes);
        let desired = self.desired(number, identity);
        desired.named.insert(number, named);
        let creating = desired.object.is_none();
        if identity.state == State::Absent {
            desired.absent.get_or_insert(number);
            return;
        }
        let initial = identity.state == State::Created;
        if initial && !creating {
            return;
        }
        for (field, span, wanted, tainted) in wishes {
            if let Some(wanted) = wanted {
                self.wish(identity.id, field, Wish { wanted, tainted, entry: number, span, initial });
            }
        }
    }

    /// Judges what an entry says literally when it was not resolved, because its conditions skip it or because another
    /// part of it is wrong: a typo in it is a typo all the same.
    fn glance(&mut self, number: usize) {
        let registry = self.registry.clone();
        let entry = self.resolver.entry(number).1;
        let Some(info) = Val::literal(&entry.model).and_then(|name| registry.find(&name.python_str())) else { return };
        if info.meta {
            return;
        }
        let mut json = Map::new();
        // Identifiers may be paths, which the resolver has judged.
        let identifiers = entry.identifiers.iter().filter(|pair| info.fields.contains_key(&*pair.key));
        for pair in identifiers.chain(&entry.attrs) {
            let value = Val::literal(&pair.value).unwrap_or(Val::Unknown);
            let (key, key_span, node) = (pair.key.clone(), pair.key_span, pair.value.clone());
            let attr = Attr { key, key_span, node, value };
            let Some((field, value)) = self.field_of(info, &attr) else { continue };
            let Some(reference) = field.reference else {
                self.convert(field, &attr, value, &mut json);
                continue;
            };
            // Whether an id or a number belongs to an object is not asked for an entry without effect.
            let wrong = match value.peel() {
                Val::Bool(_) | Val::Float(_) | Val::Map(_) => true,
                Val::List(_) => !reference.many,
                Val::Text(text) => Uuid::parse_str(text.trim()).is_err() && text.trim().parse::<i64>().is_err(),
                _ => false,
            };
            if wrong {
                self.bad_reference(field, reference.target, &attr.node, &value);
            }
        }
        self.validate(number, info, &json, &[]);
    }

    fn desired(&mut self, number: usize, identity: &Identity) -> &mut Desired {
        let asked = identity
            .identifiers
            .iter()
            .filter(|attr| lookup::KEY_NAMES.contains(&&*attr.key))
            .find_map(|attr| attr.value.peel().python_str().parse::<i64>().ok());
        let desired = self.objects.entry(identity.id).or_insert_with(|| Desired {
            id: identity.id,
            kind: identity.kind,
            object: identity.object.clone(),
            absent: None,
            wishes: IndexMap::new(),
            entries: Vec::new(),
            named: BTreeMap::new(),
            number: None,
            uncertain: false,
        });
        desired.entries.push(number);
        desired.number = desired.number.or(asked);
        desired.uncertain |= identity.uncertain;
        desired
    }

    /// Adds a wish, unless another entry wants something else of the same field.
    fn wish(&mut self, id: Uuid, field: String, wish: Wish) {
        let Some(desired) = self.objects.get_mut(&id) else { return };
        let Some(present) = desired.wishes.get_mut(&field) else {
            desired.wishes.insert(field, wish);
            return;
        };
        let equal = match (&present.wanted, &wish.wanted) {
            (Wanted::Json(one), Wanted::Json(other)) => same(one, other),
            (Wanted::Edges(one), Wanted::Edges(other)) => {
                one.iter().collect::<HashSet<_>>() == other.iter().collect::<HashSet<_>>()
            }
            (one, other) => one == other,
        };
        if equal {
            present.initial &= wish.initial;
            return;
        }
        match (present.initial, wish.initial) {
            (true, false) => {
                *present = wish;
                return;
            }
            (_, true) => return,
            _ => {}
        }
        let (code, help) = if self.options.last_wins {
            (Code::CONFLICT_LAST_WINS, "the later one is taken, because of --last-wins")
        } else {
            (Code::CONFLICT, "remove one of them, or take the later one with --last-wins")
        };
        let finding = Diagnostic::new(code, format!("`{field}` is set to different values for one object"))
            .at(wish.span, "set here")
            .at(present.span, "and to another value here")
            .help(help);
        self.found.push(finding);
        if self.options.last_wins {
            *present = wish;
        }
    }

    /// The field that a key means, after renames and conversions between releases; reports unknown keys.
    fn field_of<'k>(&mut self, info: &'k KindInfo, attr: &Attr) -> Option<(&'k FieldInfo, Val)> {
        let key = &*attr.key;
        if let Some(field) = info.fields.get(key) {
            let mut value = attr.value.clone();
            for change in info.changes {
                if let Change::Converted { field: name, release, convert, .. } = change
                    && *name == key
                    && !value.is_unknown()
                    && let Some(converted) = convert(&value.to_json())
                {
                    let mut finding =
                        Diagnostic::new(Code::CONVERTED_FIELD, format!("`{key}` has the shape of release {release}"))
                            .at(attr.node.span, "converted");
                    if Val::literal(&attr.node).is_some() {
                        finding = finding.fix("write it in the present shape", attr.node.span, converted.to_string());
                    }
                    self.found.push(finding);
                    value = Val::from_json(&converted).secret_if(value.is_secret());
                }
            }
            return Some((field, value));
        }
        for change in info.changes {
            match change {
                Change::Renamed { from, to, release } if *from == key => {
                    self.found.push(
                        Diagnostic::new(
                            Code::RENAMED_FIELD,
                            format!("`{key}` of release {release} is taken as `{to}`"),
                        )
                        .at(attr.key_span, "name of another release")
                        .fix(format!("rename it to `{to}`"), attr.key_span, *to),
                    );
                    let renamed = Attr { key: (*to).into(), ..attr.clone() };
                    return self.field_of(info, &renamed);
                }
                Change::Removed { field, release, instead } if *field == key => {
                    let whole = Span { end: attr.node.span.end.max(attr.key_span.end), ..attr.key_span };
                    self.found.push(
                        Diagnostic::new(
                            Code::REMOVED_FIELD,
                            format!("`{key}` is of release {release} only and is ignored; {instead}"),
                        )
                        .at(attr.key_span, "has no effect")
                        .fix(format!("remove `{key}`"), whole, ""),
                    );
                    return None;
                }
                _ => {}
            }
        }
        if COMMON_READ_ONLY.contains(&key) || info.read_only.contains(&key) {
            self.found.push(
                Diagnostic::new(Code::READ_ONLY_FIELD, format!("`{key}` cannot be written and is ignored"))
                    .at(attr.key_span, "read-only"),
            );
            return None;
        }
        let mut finding = Diagnostic::new(Code::UNKNOWN_FIELD, format!("{} has no attribute `{key}`", info.name))
            .at(attr.key_span, "unknown attribute");
        match nearest(key, info.fields.keys().map(String::as_str)) {
            Some(meant) => {
                finding = finding.help(format!("did you mean `{meant}`?")).fix(
                    format!("rename it to `{meant}`"),
                    attr.key_span,
                    meant,
                );
            }
            None => {
                let names: Vec<&str> = info.fields.keys().map(String::as_str).collect();
                finding = finding.help(format!("the attributes are {}", names.join(", ")));
            }
        }
        self.found.push(finding);
        None
    }

    fn convert(&mut self, field: &FieldInfo, attr: &Attr, value: Val, json: &mut Map<String, Value>) -> Converted {
        if let Some(reference) = field.reference {
            return self.references(field, reference, attr, &value);
        }
        if matches!(value.peel(), Val::Unknown) {
            return None;
        }
        if let Some(mode) = field.secret {
            let text = match value.peel() {
                Val::Null => return None,
                Val::Text(text) if mode == SecretMode::Password && text.is_empty() => return None,
                Val::Text(text) | Val::Time(text) => text.to_string(),
                Val::Int(_) | Val::Float(_) => {
                    // Without the value, which is a secret; and not the text as written, for PyYAML would not see it.
                    if let (None, Data::Scalar(scalar)) = (&attr.node.tag, &attr.node.data)
                        && let Some(why) = yaml::trap(scalar)
                    {
                        self.found.push(
                            Diagnostic::new(Code::TEXT_TRAP, format!("`{}` is text, but {why}", field.name))
                                .at(attr.node.span, "taken as a number")
                                .help("put the value in quotes"),
                        );
                    }
                    value.python_str()
                }
                Val::Map(_) | Val::List(_) if field.allows("object") => value.to_json().to_string(),
                other => {
                    self.found.push(
                        Diagnostic::new(
                            Code::FIELD_VALUE,
                            format!("`{}` must be text, not {}", field.name, other.kind_name()),
                        )
                        .at(attr.node.span, "of the wrong type"),
                    );
                    return None;
                }
            };
            return Some(Wanted::Secret(text));
        }
        if !value.is_finite() {
            self.found.push(
                Diagnostic::new(Code::FIELD_VALUE, "infinity and not-a-number cannot be stored")
                    .at(attr.node.span, "")
                    .help("put the value in quotes if it is meant as text"),
            );
            return None;
        }
        let coerced = self.coerce(field, attr, &value);
        if value.is_unknown() {
            return None;
        }
        if let Some(place) = reserved_or_nul(&coerced) {
            self.found.push(place.at(attr.node.span, ""));
            return None;
        }
        if !symbol::contains_symbol(&coerced) {
            json.insert(field.name.clone(), coerced.clone());
        }
        Some(Wanted::Json(coerced))
    }

    /// Converts a scalar whose meaning is clear to the field's type, with a warning.
    fn coerce(&mut self, field: &FieldInfo, attr: &Attr, value: &Val) -> Value {
        let json = value.to_json();
        let plain = value.peel();
        let (converted, wanted) = match plain {
            // A choice between texts that are numbers is clear however it is written.
            Val::Int(number) if enum_values(&field.schema).contains(&number.to_string()) => {
                return Value::String(number.to_string());
            }
            Val::Int(_) | Val::Float(_) | Val::Time(_)
                if field.allows("string") && !field.allows("integer") && !field.allows("number") =>
            {
                (Some(Value::String(plain.python_str())), "text")
            }
            Val::Text(text) if field.allows("integer") && !field.allows("string") => {
                (text.trim().parse::<i64>().ok().map(Value::from), "an integer")
            }
            Val::Float(number) if field.allows("integer") && !field.allows("number") && number.fract() == 0.0 => {
                (Some(Value::from(*number as i64)), "an integer")
            }
            Val::Text(text) if field.allows("number") && !field.allows("string") => {
                (text.trim().parse::<f64>().ok().map(Value::from), "a number")
            }
            Val::Text(text) if field.allows("boolean") && !field.allows("string") => {
                let truth = match text.to_lowercase().as_str() {
                    "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
                    "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
                    _ => None,
                };
                (truth.map(Value::Bool), "a boolean")
            }
            Val::Int(number @ (0 | 1)) if field.allows("boolean") && !field.allows("integer") => {
                (Some(Value::Bool(*number == 1)), "a boolean")
            }
            _ => (None, ""),
        };
        let Some(converted) = converted else { return json };
        if value.is_secret() {
            return converted;
        }
        let mut finding = match (&attr.node.tag, &attr.node.data) {
            (None, Data::Scalar(scalar)) => match yaml::trap(scalar) {
                Some(why) if wanted == "text" => Diagnostic::new(
                    Code::TEXT_TRAP,
                    format!("`{}` is text, but {why}", field.name),
                )
                .fix("put the value in quotes", attr.node.span, format!("\"{}\"", scalar.text)),
                _ => {
                    let text = if wanted == "text" { format!("\"{}\"", scalar.text) } else { converted.to_string() };
                    Diagnostic::new(
                        Code::FIELD_COERCED,
                        format!("`{}` is {wanted}, not {}", field.name, plain.kind_name()),
                    )
                    .fix(format!("write it as {wanted}"), attr.node.span, text)
                }
            },
            _ => return converted,
        };
        finding = finding.at(attr.node.span, format!("taken as {converted}"));
        self.found.push(finding);
        converted
    }

    fn references(
        &mut self,
        field: &FieldInfo,
        reference: &crate::model::Reference,
        attr: &Attr,
        value: &Val,
    ) -> Converted {
        let items: Vec<(&Node, &Val)> = match (value.peel(), reference.many) {
            (Val::Unknown, _) => return None,
            (Val::List(values), true) => match (&attr.node.tag, &attr.node.data) {
                (None, Data::Sequence(nodes)) if nodes.len() == values.len() => {
                    nodes.iter().map(|node| &**node).zip(values).collect()
                }
                _ => values.iter().map(|value| (&*attr.node, value)).collect(),
            },
            (Val::Null, false) => {
                let from_find = attr.node.tag.as_ref().is_some_and(|tag| tag.name == "!Find");
                if from_find {
                    self.find_nothing(&attr.node, reference.target);
                }
                if !field.nullable {
                    self.found.push(
                        Diagnostic::new(
                            Code::REFERENCE_VALUE,
                            format!("`{}` must refer to an object and cannot be null", field.name),
                        )
                        .at(attr.node.span, ""),
                    );
                }
                return Some(Wanted::Edges(Vec::new()));
            }
            (Val::Null, true) => Vec::new(),
            (other, true) => {
                self.found.push(
                    Diagnostic::new(
                        Code::FIELD_VALUE,
                        format!("`{}` is a list of references, not {}", field.name, other.kind_name()),
                    )
                    .at(attr.node.span, "not a list"),
                );
                return None;
            }
            (_, false) => vec![(&*attr.node, value)],
        };
        let mut targets = Vec::with_capacity(items.len());
        let mut complete = true;
        for (node, item) in items {
            match item.peel() {
                Val::Unknown => {
                    complete = false;
                    continue;
                }
                Val::Null if reference.many => {
                    self.find_nothing(node, reference.target);
                    continue;
                }
                _ => {}
            }
            match self.resolver.reference(reference.target, item) {
                Ok(Some(object)) => {
                    if !targets.contains(&object.id) {
                        targets.push(object.id);
                    }
                }
                Ok(None) => {
                    complete = false;
                    self.bad_reference(field, reference.target, node, item);
                }
                Err(Fault::Need(need)) => {
                    self.needs.insert(need);
                    complete = false;
                }
                Err(_) => complete = false,
            }
        }
        complete.then_some(Wanted::Edges(targets))
    }

    fn find_nothing(&mut self, node: &Node, target: &str) {
        self.found.push(
            Diagnostic::new(Code::FIND_NOTHING, format!("no object of {target} matches, so there is no reference"))
                .at(node.span, "finds nothing")
                .help("check the spelling, or add the file that declares the object"),
        );
    }

    fn bad_reference(&mut self, field: &FieldInfo, target: &str, node: &Node, item: &Val) {
        let finding = match item.peel() {
            Val::Object(object) => {
                let kind = self.registry.get(object.kind).name;
                Diagnostic::new(Code::REFERENCE_KIND, format!("`{}` refers to {target}, not to {kind}", field.name))
                    .at(node.span, "of the wrong kind")
            }
            Val::Text(text) if Uuid::parse_str(text.trim()).is_ok() => {
                if self.options.offline {
                    return;
                }
                Diagnostic::new(Code::REFERENCE_VALUE, format!("there is no {target} with this id"))
                    .at(node.span, "not found")
            }
            Val::Int(_) if self.registry.targets(target).iter().any(|kind| self.registry.get(*kind).numbered) => {
                if self.options.offline {
                    return;
                }
                Diagnostic::new(Code::REFERENCE_VALUE, format!("there is no {target} with this number"))
                    .at(node.span, "not found")
            }
            Val::Text(_) => {
                let finding =
                    Diagnostic::new(Code::REFERENCE_VALUE, format!("`{}` is a reference, not a name", field.name))
                        .at(node.span, "no id");
                match self.registry.find(target).and_then(|info| info.keys.first().map(|key| (info, key))) {
                    Some((info, key)) => {
                        finding.help(format!("write `!Find [{}, [{}, …]]` or `!KeyOf id`", info.name, key.fields[0]))
                    }
                    None => finding.help(format!("write `!Find [{target}, [name, …]]` or `!KeyOf id`")),
                }
            }
            other => Diagnostic::new(
                Code::REFERENCE_VALUE,
                format!("`{}` is a reference, not {}", field.name, other.kind_name()),
            )
            .at(node.span, "no reference"),
        };
        self.found.push(finding);
    }

    /// Validates an entry's plain attributes against the kind's JSON Schema.
    fn validate(
        &mut self,
        number: usize,
        info: &KindInfo,
        json: &Map<String, Value>,
        wishes: &[(String, Span, Option<Wanted>, bool)],
    ) {
        if json.is_empty() {
            return;
        }
        let instance = Value::Object(json.clone());
        let Some(validator) = self.validators.get(info) else { return };
        if validator.is_valid(&instance) {
            return;
        }
        let entry = self.resolver.entry(number).1;
        let mut found = Vec::new();
        for error in validator.iter_errors(&instance) {
            let pointer = error.instance_path().to_string();
            let mut parts = pointer.trim_start_matches('/').splitn(2, '/');
            let field = parts.next().unwrap_or_default().to_owned();
            let rest = parts.next();
            let tainted = wishes.iter().any(|(name, _, _, tainted)| *name == field && *tainted);
            let Some(info_field) = info.fields.get(&field) else { continue };
            let written = |pair: &&super::document::Pair| {
                *pair.key == *field
                    || info.changes.iter().any(|change| {
                        matches!(change, Change::Renamed { from, to, .. } if *from == &*pair.key && *to == field)
                    })
            };
            let pair = entry.attrs.iter().rev().chain(entry.identifiers.iter().rev()).find(written);
            let span = pair.map_or(entry.model.span, |pair| match rest {
                Some(rest) => pair.value.at(&format!("/{rest}")).span,
                None => pair.value.span,
            });
            let actual = instance.pointer(&pointer).unwrap_or(&Value::Null);
            found.push(schema_finding(
                info_field,
                rest,
                &error,
                actual,
                span,
                tainted,
                pair.is_some_and(|pair| pair.value.tag.is_none()),
            ));
        }
        self.found.append(&mut found);
    }

    fn grants(&mut self, number: usize, identity: &Identity, grants: &[Grant]) {
        let registry = self.registry.clone();
        let Some(info) = registry.find(GRANT_KIND) else { return };
        for grant in grants {
            let holder = if registry.get(grant.holder.kind).name == "authentik_rbac.role" { "role" } else { "user" };
            let codename = grant.permission.rsplit('.').next().unwrap_or(&grant.permission).to_owned();
            let values = [
                Value::String(identity.id.to_string()),
                Value::String(codename.clone()),
                Value::String(grant.holder.id.to_string()),
            ];
            let Some(key) = info.keys.iter().find(|key| key.fields.contains(&holder)) else { continue };
            let text = object::key_text(&values);
            let object = match self.resolver.model().by_key(object::key_scope(info, key), &object::key_name(key), &text)
            {
                Ok(object) => object.cloned(),
                Err(need) => {
                    self.needs.insert(need);
                    continue;
                }
            };
            let id = object.as_ref().map_or_else(
                || Uuid::new_v5(&self.resolver.namespace(), format!("{}|{text}", info.name).as_bytes()),
                |object| object.id,
            );
            let granted = Identity {
                kind: info.index,
                id,
                object,
                state: State::Present,
                identifiers: Vec::new(),
                uncertain: identity.uncertain,
            };
            let fields = [
                ("object", Wanted::Edges(vec![identity.id])),
                ("permission", Wanted::Json(Value::String(codename))),
                (holder, Wanted::Edges(vec![grant.holder.id])),
            ];
            let desired = self.desired(number, &granted);
            desired.named.insert(number, fields.iter().map(|(field, _)| (*field).to_owned()).collect());
            for (field, wanted) in fields {
                let wish = Wish { wanted, tainted: false, entry: number, span: grant.span, initial: false };
                self.wish(id, field.to_owned(), wish);
            }
        }
    }

    /// Judges each object as a whole: contradictions, required fields, cross-field rules.
    fn judge(&mut self) {
        let registry = self.registry.clone();
        let mut found = Vec::new();
        for desired in self.objects.values() {
            let info = registry.get(desired.kind);
            let first = desired.entries[0];
            let place = |number: usize| self.resolver.entry(number).1.model.span;
            if let Some(absent) = desired.absent {
                if let Some(other) =
                    desired.entries.iter().find(|number| self.state(**number, desired.id) != Some(State::Absent))
                {
                    found.push(
                        Diagnostic::new(
                            Code::PRESENT_AND_ABSENT,
                            format!("one {} is to be both present and absent", info.title),
                        )
                        .at(place(absent), "deleted here")
                        .at(place(*other), "wanted here"),
                    );
                }
                continue;
            }
            let insists = |number: &&usize| self.state(**number, desired.id) == Some(State::MustCreated);
            let mut insisting = desired.entries.iter().filter(insists);
            if let (Some(one), Some(other)) = (insisting.next(), insisting.next()) {
                found.push(
                    Diagnostic::new(
                        Code::ALREADY_EXISTS,
                        format!("two entries must each create one and the same {}", info.title),
                    )
                    .at(place(*other), "must create it as well")
                    .at(place(*one), "creates it")
                    .help("use `state: present` in one of them, or other identifiers if two objects are meant"),
                );
            }
            let creating = desired.object.is_none();
            if creating && !self.options.offline && !desired.uncertain {
                if let Some(why) = info.not_creatable {
                    found.push(
                        Diagnostic::new(
                            Code::NOT_CREATABLE,
                            format!("a blueprint cannot create a {}: {why}", info.title),
                        )
                        .at(place(first), "no such object exists"),
                    );
                    continue;
                }
                let missing: Vec<&str> = info
                    .fields
                    .values()
                    .filter(|field| field.required && !desired.named.values().any(|named| named.contains(&field.name)))
                    .filter(|field| !info.generated.iter().any(|generated| generated.field == field.name))
                    .map(|field| field.name.as_str())
                    .collect();
                if !missing.is_empty() {
                    found.push(self.missing(info, desired, &missing));
                    continue;
                }
            }
            if self.options.offline {
                continue;
            }
            if let Some(findings) = self.cross_field(info, desired) {
                for finding in findings {
                    let wish = desired.wishes.get(finding.field);
                    let span = wish.map_or_else(|| place(first), |wish| wish.span);
                    let severity = if finding.refuses { Severity::Error } else { Severity::Warning };
                    found.push(
                        Diagnostic::new(Code::CROSS_FIELD, format!("`{}` {}", finding.field, finding.message))
                            .at(span, "")
                            .severity(severity),
                    );
                }
            }
        }
        self.found.append(&mut found);
    }

    /// The state of an entry about an object. A grant is wanted by entries that are about another one.
    fn state(&self, number: usize, object: Uuid) -> Option<State> {
        let (identity, _) = self.resolver.resolved(number)?;
        identity.as_ref().as_ref().filter(|identity| identity.id == object).map(|identity| identity.state)
    }

    fn missing(&self, info: &KindInfo, desired: &Desired, missing: &[&str]) -> Diagnostic {
        let number = desired.entries[0];
        let entry = self.resolver.entry(number).1;
        let list = missing.join("`, `");
        let by_path = entry
            .identifiers
            .iter()
            .find(|pair| pair.key.split_once("__").is_some_and(|(field, _)| missing.contains(&field)));
        match by_path {
            Some(pair) => Diagnostic::new(
                Code::IDENTIFIER_PATH,
                format!(
                    "this {} does not exist, and the identifier `{}` cannot fill `{list}` for its creation",
                    info.title, pair.key
                ),
            )
            .at(pair.key_span, "only finds")
            .help(format!("give `{list}` below `identifiers` or `attrs` with !KeyOf or !Find")),
            None => Diagnostic::new(
                Code::REQUIRED_FIELD,
                format!("this {} does not exist yet, and creating it needs `{list}`", info.title),
            )
            .at(entry.model.span, "")
            .help(format!("add `{list}` below `attrs`, or correct the identifiers if it should exist")),
        }
    }

    /// Kind names of the objects that an object refers to.
    fn target_kinds(&self, info: &KindInfo, desired: &Desired) -> HashMap<Uuid, &'static str> {
        let wished = desired.wishes.values().filter_map(|wish| match &wish.wanted {
            Wanted::Edges(targets) => Some(targets.as_slice()),
            _ => None,
        });
        let stored = desired.object.iter().flat_map(|object| object.edges.values().map(Vec::as_slice));
        let kind_of = |id: &Uuid| match self.objects.get(id) {
            Some(desired) => Some(desired.kind),
            None => self.resolver.model().known(*id).map(|object| object.kind),
        };
        // Far sides of memberships can be long, and no rule asks for the kinds of their members.
        let few = info.references.iter().all(|reference| reference.inverse.is_none());
        let targets = wished.chain(stored).filter(|_| few).flatten();
        targets.filter_map(|id| Some((*id, self.registry.get(kind_of(id)?).name))).collect()
    }

    /// Runs the kind's own check on the object as it would be stored.
    fn cross_field(&self, info: &KindInfo, desired: &Desired) -> Option<Vec<Finding>> {
        let mut whole = Map::new();
        for field in info.fields.values() {
            let wish = desired.wishes.get(&field.name).map(|wish| &wish.wanted);
            let stored = desired.object.as_deref();
            let value = match (wish, field.reference, field.secret) {
                (Some(Wanted::Json(value)), ..) if !symbol::contains_symbol(value) => Some(value.clone()),
                (Some(Wanted::Edges(targets)), Some(reference), _) => Some(ids(targets, reference.many)),
                (Some(Wanted::Secret(text)), ..) => Some(if field.allows("object") {
                    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
                } else {
                    Value::String(text.clone())
                }),
                (None, Some(reference), _) => stored.map(|object| ids(object.targets(&field.name), reference.many)),
                (None, None, Some(_)) => {
                    stored.filter(|object| object.secrets.contains_key(field.name.as_str())).map(|_| {
                        if field.allows("string") { Value::String(String::new()) } else { Value::Object(Map::new()) }
                    })
                }
                (None, None, None) => stored.and_then(|object| object.attrs.get(&field.name)).cloned(),
                _ => None,
            };
            if let Some(value) = value {
                whole.insert(field.name.clone(), value);
            }
        }
        whole.retain(|_, value| !value.is_null());
        let kinds = self.target_kinds(info, desired);
        info.check(&Value::Object(whole), kinds).ok().map(|report| report.findings)
    }
}

fn ids(targets: &[Uuid], many: bool) -> Value {
    let mut ids = targets.iter().map(|id| Value::String(id.to_string()));
    if many { Value::Array(ids.collect()) } else { ids.next().unwrap_or(Value::Null) }
}

/// Attributes with identifiers merged over them (spec blueprints §5.8). Identifiers that are paths or keys only find.
fn merged(info: &KindInfo, identity: &Identity, attrs: &[Attr]) -> Vec<Attr> {
    let mut merged: Vec<Attr> = attrs.to_vec();
    for identifier in &identity.identifiers {
        let is_key = lookup::KEY_NAMES.contains(&&*identifier.key) && !info.fields.contains_key(&*identifier.key);
        if is_key || (identifier.key.contains("__") && !info.fields.contains_key(&*identifier.key)) {
            continue;
        }
        match merged.iter_mut().find(|attr| attr.key == identifier.key) {
            Some(attr) => {
                let scalar = !matches!(identifier.value.peel(), Val::Map(_) | Val::List(_));
                attr.value.merge(identifier.value.clone());
                if scalar {
                    attr.node = identifier.node.clone();
                    attr.key_span = identifier.key_span;
                }
            }
            None => merged.push(identifier.clone()),
        }
    }
    merged
}

/// JSON equality that does not tell `1` from `1.0`.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|found| same(value, found)))
        }
        (one, other) => one == other,
    }
}

/// Finds what no store can keep: NUL characters, and keys that plans use themselves.
fn reserved_or_nul(value: &Value) -> Option<Diagnostic> {
    let nul = |text: &str| {
        text.contains('\0').then(|| Diagnostic::new(Code::FIELD_VALUE, "text cannot contain the character NUL"))
    };
    match value {
        Value::String(text) => nul(text),
        Value::Array(items) => items.iter().find_map(reserved_or_nul),
        Value::Object(_) if symbol::is_symbol(value) => None,
        Value::Object(map) => map.iter().find_map(|(key, inner)| {
            if symbol::is_reserved(key) {
                return Some(Diagnostic::new(Code::RESERVED_KEY, format!("the key `{key}` is reserved")));
            }
            nul(key).or_else(|| reserved_or_nul(inner))
        }),
        _ => None,
    }
}

/// Words for an error of the schema validator.
fn schema_finding(
    field: &FieldInfo,
    rest: Option<&str>,
    error: &jsonschema::ValidationError<'_>,
    actual: &Value,
    span: Span,
    tainted: bool,
    literal: bool,
) -> Diagnostic {
    use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
    let place = match rest {
        Some(rest) => format!("`{}` at `{}`", field.name, rest.replace('/', ".")),
        None => format!("`{}`", field.name),
    };
    let shown = if tainted { "(secret)".to_owned() } else { shorten(&actual.to_string()) };
    let mut options: Vec<String> = Vec::new();
    let message = match error.kind() {
        Kind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(set) => set.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or "),
            };
            format!("{place} must be of type {wanted}, not {shown}")
        }
        Kind::Enum { options: listed } => {
            options = listed.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            format!("{place} cannot be {shown}")
        }
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            options = enum_values(&field.schema);
            format!("{place} cannot be {shown}")
        }
        Kind::MinLength { limit } if *limit == 1 => format!("{place} cannot be empty"),
        Kind::MinLength { limit } => format!("{place} must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("{place} must have at most {limit} characters"),
        Kind::Minimum { limit } => format!("{place} must be at least {limit}, not {shown}"),
        Kind::Maximum { limit } => format!("{place} must be at most {limit}, not {shown}"),
        Kind::Pattern { pattern } => format!("{place} is {shown}, which does not have the form {pattern}"),
        Kind::Format { format } => format!("{place} is {shown}, which is no {format}"),
        Kind::AdditionalProperties { unexpected } => format!("{place} has no key `{}`", unexpected.join("`, `")),
        Kind::Required { property } => format!("{place} needs {property}"),
        _ if tainted => format!("{place} does not fit its schema"),
        _ => format!("{place}: {error}"),
    };
    let mut finding = Diagnostic::new(Code::FIELD_VALUE, message).at(span, "");
    if !options.is_empty() {
        let meant = actual.as_str().and_then(|text| nearest(text, options.iter().map(String::as_str)));
        finding = match meant {
            Some(meant) if literal && rest.is_none() => {
                finding.help(format!("did you mean `{meant}`?")).fix(format!("use `{meant}`"), span, meant)
            }
            Some(meant) => finding.help(format!("did you mean `{meant}`?")),
            None => finding.help(format!("it is one of {}", options.join(", "))),
        };
    } else if actual.is_boolean() && field.allows("string") {
        finding = finding.help("put the value in quotes if it is meant as text");
    }
    finding
}

/// The constants that a schema lists, also below `anyOf` and `items`.
fn enum_values(schema: &Value) -> Vec<String> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    let branches = schema.get("anyOf").or(schema.get("oneOf")).and_then(Value::as_array);
    branches.into_iter().flatten().chain(schema.get("items")).flat_map(enum_values).collect()
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 60 {
        return text.to_owned();
    }
    text.chars().take(57).chain("…".chars()).collect()
}
