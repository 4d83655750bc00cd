//! The structure of a blueprint document: entries with their parts, each with its place.
//!
//! This is the shape only (spec blueprints §1): tags are still in the tree and kinds are not looked up.

use std::sync::Arc;

use super::yaml::{Data, Node, Scalar, Value};
use crate::base::diagnostic::{Code, Diagnostic, FileId, Span, nearest};

/// A parsed blueprint.
#[derive(Debug)]
pub struct Document {
    /// The text in the source table.
    pub file: FileId,
    /// Path relative to the folder that it was found in, with forward slashes; metaapplyblueprint entries find it by this.
    pub path: String,
    /// The whole path as given, with forward slashes; metaapplyblueprint entries may give its end.
    pub full_path: String,
    /// Name of the source that it belongs to, for ownership: `cli`, `shipped`, or a reconciler source.
    pub source: String,
    /// `metadata.name`.
    pub name: Option<String>,
    /// `metadata.labels`.
    pub labels: Vec<(String, String)>,
    /// `context`: key and value nodes.
    pub context: Vec<(Arc<Node>, Arc<Node>)>,
    /// Entries in order, groups flattened.
    pub entries: Vec<Entry>,
}

/// One entry.
#[derive(Debug)]
pub struct Entry {
    /// Place of the whole entry.
    pub span: Span,
    /// `model`.
    pub model: Arc<Node>,
    /// `id` and its place.
    pub id: Option<(Arc<str>, Span)>,
    /// `state`.
    pub state: Option<Arc<Node>>,
    /// `conditions`.
    pub conditions: Vec<Arc<Node>>,
    /// `identifiers`: key and value nodes.
    pub identifiers: Vec<Pair>,
    /// `attrs`: key and value nodes.
    pub attrs: Vec<Pair>,
    /// `permissions` (2024.8).
    pub permissions: Vec<Arc<Node>>,
    /// Some identifiers are unusable, which has been reported; what the entry is about cannot be said.
    pub unidentifiable: bool,
}

/// A key with its place, and the node of its value.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The key.
    pub key: Arc<str>,
    /// Place of the key.
    pub key_span: Span,
    /// The value.
    pub value: Arc<Node>,
}

const ROOT_KEYS: [&str; 4] = ["version", "metadata", "context", "entries"];
const METADATA_KEYS: [&str; 2] = ["name", "labels"];
const ENTRY_KEYS: [&str; 7] = ["model", "id", "state", "conditions", "identifiers", "attrs", "permissions"];

impl Document {
    /// Reads the structure out of a parsed tree; findings go to `found`, and what is unusable is left out.
    pub fn read(file: FileId, path: &str, source: &str, root: &Node, found: &mut Vec<Diagnostic>) -> Document {
        let mut document = Document {
            file,
            path: path.to_owned(),
            full_path: path.to_owned(),
            source: source.to_owned(),
            name: None,
            labels: Vec::new(),
            context: Vec::new(),
            entries: Vec::new(),
        };
        if root.is_null() {
            found.push(
                Diagnostic::new(Code::EMPTY_DOCUMENT, "this file is empty, so it has no effect").at(root.span, ""),
            );
            return document;
        }
        let Some(pairs) = mapping(root) else {
            found.push(
                Diagnostic::new(
                    Code::DOCUMENT_ROOT,
                    format!("the root of a blueprint is a mapping, not {}", root.kind_name()),
                )
                .at(root.span, "")
                .help("start the file with `version: 1` and put the list below `entries:`"),
            );
            return document;
        };
        let mut reader = Reader { found };
        let parts = reader.keys(pairs, &ROOT_KEYS, "a blueprint");
        for Pair { key, key_span, value } in parts {
            match &*key {
                "version" => reader.version(&value),
                "metadata" => reader.metadata(&value, key_span, &mut document),
                "context" => match mapping(&value) {
                    Some(pairs) => document.context = pairs.to_vec(),
                    None if value.is_null() => {}
                    None => reader.wrong_type(&value, "context", "a mapping"),
                },
                _ => reader.entries(&value, &mut document.entries),
            }
        }
        document.note_duplicate_ids(reader.found);
        document
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }

    fn note_duplicate_ids(&self, found: &mut Vec<Diagnostic>) {
        let mut seen = std::collections::HashMap::new();
        for (id, span) in self.entries.iter().filter_map(|entry| entry.id.as_ref()) {
            match seen.get(id) {
                Some(first) => found.push(
                    Diagnostic::new(
                        Code::DUPLICATE_ID,
                        format!("the id `{id}` is used twice; !KeyOf means the first entry"),
                    )
                    .at(*span, "second use")
                    .at(*first, "first use"),
                ),
                None => {
                    seen.insert(id.clone(), *span);
                }
            }
        }
    }
}

/// The pairs of an untagged mapping.
fn mapping(node: &Node) -> Option<&[(Arc<Node>, Arc<Node>)]> {
    match (&node.tag, &node.data) {
        (None, Data::Mapping(pairs)) => Some(pairs),
        _ => None,
    }
}

/// The text of an untagged text scalar.
fn text(node: &Node) -> Option<&Arc<str>> {
    match (&node.tag, &node.data) {
        (None, Data::Scalar(Scalar { text, value: Value::Text, .. })) => Some(text),
        _ => None,
    }
}

struct Reader<'a> {
    found: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn wrong_type(&mut self, node: &Node, what: &str, wanted: &str) {
        let got = node.tag.as_ref().map_or_else(|| node.kind_name().to_owned(), |tag| format!("the tag {}", tag.name));
        let mut finding =
            Diagnostic::new(Code::WRONG_TYPE, format!("`{what}` must be {wanted}, not {got}")).at(node.span, got);
        if let (None, Data::Scalar(scalar)) = (&node.tag, &node.data)
            && wanted == "text"
            && scalar.style == super::yaml::Style::Plain
            && !matches!(scalar.value, Value::Null)
        {
            finding = finding.fix("put the value in quotes", node.span, format!("\"{}\"", scalar.text));
        }
        self.found.push(finding);
    }

    /// The pairs of a mapping whose keys are text; unknown keys are reported when `known` is not empty.
    fn keys(&mut self, pairs: &[(Arc<Node>, Arc<Node>)], known: &[&str], place: &str) -> Vec<Pair> {
        let mut parts = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            if let Some(tag) = &key.tag {
                self.found.push(
                    Diagnostic::new(
                        Code::TAG_AS_KEY,
                        format!("{} is used as a key, where it is never resolved", tag.name),
                    )
                    .at(key.span, "")
                    .help("use `!Enumerate [list, MAP, [key, value]]` to compute keys"),
                );
                continue;
            }
            let Some(name) = text(key) else {
                let mut finding = Diagnostic::new(
                    Code::YAML_KEY,
                    format!("a key must be text, but YAML 1.1 reads this as {}", key.kind_name()),
                )
                .at(key.span, "");
                if let Data::Scalar(scalar) = &key.data {
                    finding = finding.fix("put the key in quotes", key.span, format!("\"{}\"", scalar.text));
                }
                self.found.push(finding);
                continue;
            };
            if !known.is_empty() && !known.contains(&&**name) {
                let mut finding = Diagnostic::new(Code::UNKNOWN_KEY, format!("{place} has no key `{name}`"))
                    .at(key.span, "unknown key");
                match nearest(name, known.iter().copied()) {
                    Some(meant) => {
                        finding = finding.help(format!("did you mean `{meant}`?")).fix(
                            format!("rename it to `{meant}`"),
                            key.span,
                            meant,
                        );
                    }
                    None => finding = finding.help(format!("the keys are {}", known.join(", "))),
                }
                self.found.push(finding);
                continue;
            }
            parts.push(Pair { key: name.clone(), key_span: key.span, value: value.clone() });
        }
        parts
    }

    fn version(&mut self, node: &Node) {
        let is_one = matches!((&node.tag, &node.data), (None, Data::Scalar(Scalar { value: Value::Int(1), .. })));
        if !is_one {
            self.found.push(
                Diagnostic::new(Code::DOCUMENT_VERSION, "the version of a blueprint is the number 1")
                    .at(node.span, "not supported")
                    .help("write `version: 1`"),
            );
        }
    }

    fn metadata(&mut self, node: &Node, key_span: Span, document: &mut Document) {
        if node.is_null() {
            return;
        }
        let Some(pairs) = mapping(node) else {
            return self.wrong_type(node, "metadata", "a mapping");
        };
        let mut named = false;
        for Pair { key, value, .. } in self.keys(pairs, &METADATA_KEYS, "`metadata`") {
            if &*key == "name" {
                named = true;
                match text(&value) {
                    Some(name) => document.name = Some(name.to_string()),
                    None => self.wrong_type(&value, "name", "text"),
                }
            } else if let Some(labels) = mapping(&value) {
                for Pair { key, value, .. } in self.keys(labels, &[], "`labels`") {
                    match text(&value) {
                        Some(label) => document.labels.push((key.to_string(), label.to_string())),
                        None => self.wrong_type(&value, &key, "text"),
                    }
                }
            } else if !value.is_null() {
                self.wrong_type(&value, "labels", "a mapping");
            }
        }
        if !named {
            let mut finding = Diagnostic::new(Code::MISSING_KEY, "`metadata` needs a `name`")
                .at(key_span, "")
                .help("add `name: …` below it");
            if let Some((inner, _)) = node.get("labels").and_then(|labels| labels.pair("name")) {
                finding = finding.at(inner.span, "this one is indented too deeply to be its name");
            }
            self.found.push(finding);
        }
    }

    fn entries(&mut self, node: &Node, entries: &mut Vec<Entry>) {
        match (&node.tag, &node.data) {
            (None, Data::Sequence(items)) => {
                entries.reserve(items.len());
                for item in items {
                    entries.extend(self.entry(item));
                }
            }
            (None, Data::Mapping(groups)) => {
                for Pair { key, value, .. } in self.keys(groups, &[], "`entries`") {
                    match (&value.tag, &value.data) {
                        (None, Data::Sequence(items)) => {
                            for item in items {
                                entries.extend(self.entry(item));
                            }
                        }
                        _ if value.is_null() => {}
                        _ => self.wrong_type(&value, &key, "a list of entries"),
                    }
                }
            }
            _ if node.is_null() => {}
            _ => self.wrong_type(node, "entries", "a list"),
        }
    }

    fn entry(&mut self, node: &Arc<Node>) -> Option<Entry> {
        let Some(pairs) = mapping(node) else {
            self.wrong_type(node, "entry", "a mapping with `model` and `identifiers`");
            return None;
        };
        let mut model = None;
        let mut entry = Entry {
            span: node.span,
            model: node.clone(),
            id: None,
            state: None,
            conditions: Vec::new(),
            identifiers: Vec::new(),
            attrs: Vec::new(),
            permissions: Vec::new(),
            unidentifiable: false,
        };
        for Pair { key, value, .. } in self.keys(pairs, &ENTRY_KEYS, "an entry") {
            match &*key {
                "model" => {
                    if value.tag.is_none() && text(&value).is_none() {
                        self.wrong_type(&value, "model", "text");
                        return None;
                    }
                    model = Some(value);
                }
                "id" => match text(&value) {
                    Some(id) => entry.id = Some((id.clone(), value.span)),
                    None if value.is_null() => {}
                    None => self.wrong_type(&value, "id", "text"),
                },
                "state" => {
                    if value.tag.is_none() && text(&value).is_none() {
                        self.wrong_type(&value, "state", "text");
                    } else {
                        entry.state = Some(value);
                    }
                }
                "identifiers" | "attrs" => {
                    let (list, complete) = match mapping(&value) {
                        Some(pairs) => {
                            let list = self.keys(pairs, &[], "this");
                            let complete = list.len() == pairs.len();
                            (list, complete)
                        }
                        None if value.is_null() => (Vec::new(), true),
                        None => {
                            self.wrong_type(&value, &key, "a mapping");
                            (Vec::new(), false)
                        }
                    };
                    if &*key == "attrs" {
                        entry.attrs = list;
                    } else {
                        entry.identifiers = list;
                        entry.unidentifiable = !complete;
                    }
                }
                list => match (&value.tag, &value.data) {
                    (None, Data::Sequence(items)) if list == "conditions" => entry.conditions = items.clone(),
                    (None, Data::Sequence(items)) => entry.permissions = items.clone(),
                    _ if value.is_null() => {}
                    _ => self.wrong_type(&value, list, "a list"),
                },
            }
        }
        let Some(model) = model else {
            let mut finding = Diagnostic::new(Code::MISSING_KEY, "an entry needs a `model`")
                .at(node.span, "")
                .help("name the kind of object that the entry is about, such as `model: authentik_flows.flow`");
            if let Some((inner, _)) = pairs.iter().find_map(|(_, value)| value.pair("model")) {
                finding = finding.at(inner.span, "this one is indented too deeply to be the entry's");
            }
            self.found.push(finding);
            return None;
        };
        entry.model = model;
        Some(entry)
    }
}
