//! Blueprint text to a tree that keeps tags and places.
//!
//! [`parse`] reads one document exactly as PyYAML's `SafeLoader` would (YAML 1.1), except that custom tags stay in the
//! tree as data, that every node knows its bytes, and that a finding is a [`Diagnostic`] instead of an exception.
//! Events come from `saphyr-parser`, a YAML 1.2 parser; the modules below bridge the difference:
//!
//! * [`feed`] bounds the scanner's work and relaxes its indentation rule for quoted scalars and flow collections;
//! * [`cursor`] walks the text beside the events for exact spans, and finds what YAML 1.1 forbids;
//! * [`resolve`] types scalars by the YAML 1.1 rules;
//! * [`build`] makes the tree: anchors, merge keys, duplicate keys, tags, budgets;
//! * [`syntax`] says what is wrong in words that help.

mod build;
mod cursor;
mod feed;
mod resolve;
mod syntax;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::base::diagnostic::{Code, Diagnostic, FileId, Span};

pub use resolve::trap;

/// What a plain scalar of this text is; nothing where it is no value.
pub fn plain_value(text: &str) -> Option<Value> {
    match resolve::implicit(text) {
        resolve::Implicit::Value(value) => Some(value),
        _ => None,
    }
}

/// The tags that blueprints define. Any other tag with a single `!` is an error.
pub const TAGS: &[&str] = &[
    "!KeyOf",
    "!Env",
    "!Context",
    "!Format",
    "!Find",
    "!FindObject",
    "!Condition",
    "!If",
    "!Enumerate",
    "!Index",
    "!Value",
    "!AtIndex",
    "!File",
    "!ParseJSON",
];

/// One node of a document. Children are shared, and an alias is the same node once more: the tree is a DAG.
#[derive(Debug, PartialEq)]
pub struct Node {
    /// The bytes of the content, without tag and anchor.
    ///
    /// A scalar's span is its token with the quotes; a block scalar's goes from the `|` or `>` to the end of its last
    /// line of content, line break excluded. A flow collection's has its brackets, a block collection's goes from its
    /// first to its last item. A node that is not written (`key:` without value) has an empty span where it would be.
    pub span: Span,
    /// The blueprint tag, if it has one. The standard `!!` tags are applied to the data and not kept.
    pub tag: Option<Tag>,
    /// What it holds.
    pub data: Data,
}

/// A tag of [`TAGS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// With the exclamation mark: `!KeyOf`.
    pub name: String,
    /// The bytes of the tag.
    pub span: Span,
}

/// The content of a [`Node`].
#[derive(Debug, PartialEq)]
pub enum Data {
    /// A single value.
    Scalar(Scalar),
    /// A list. `!!set` gives its members, `!!omap` and `!!pairs` give lists of two-item lists.
    Sequence(Vec<Arc<Node>>),
    /// Keys and values with merge keys expanded (merged pairs first) and duplicates removed (the last one's value at
    /// the first one's position), otherwise in source order. Keys are hashable in Python's sense: scalars, or nodes
    /// with a blueprint tag.
    Mapping(Vec<(Arc<Node>, Arc<Node>)>),
}

/// A scalar as written and as understood.
#[derive(Debug, PartialEq)]
pub struct Scalar {
    /// Content after quotes, escapes and folding.
    pub text: Arc<str>,
    /// How it was written.
    pub style: Style,
    /// Its typed value. The payload of a blueprint tag is always [`Value::Text`].
    pub value: Value,
    /// It was encrypted in the file, so it is never printed.
    pub secret: bool,
}

/// The way a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In `'single quotes'`.
    Single,
    /// In `"double quotes"`.
    Double,
    /// A `|` block.
    Literal,
    /// A `>` block.
    Folded,
}

/// The value of a scalar by YAML 1.1.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `~`, `null` or nothing.
    Null,
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// A whole number in any notation.
    Int(i64),
    /// A whole number beyond 64 bits, in decimal.
    BigInt(String),
    /// A number with a dot, infinity or not-a-number.
    Float(f64),
    /// Text: see [`Scalar::text`].
    Text,
    /// A date, `YYYY-MM-DD`.
    Date(String),
    /// A date with time as Python's `isoformat` writes it; without an offset if none was given.
    DateTime(String),
    /// The bytes of a `!!binary`.
    Binary(Vec<u8>),
}

/// What a document may cost at most.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Length of the text.
    pub bytes: usize,
    /// Nodes written in the text.
    pub nodes: usize,
    /// Collections inside each other, counted through aliases. Whoever walks the tree may recurse this deep.
    pub depth: usize,
    /// Nodes that aliases add when every alias is replaced by what it stands for, plus pairs copied by merge keys.
    pub expansion: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 16 << 20, nodes: 4_000_000, depth: 128, expansion: 1_000_000 }
    }
}

/// Reads a document.
///
/// `text` may begin with a byte-order mark; spans are byte offsets into `text` as given. All findings go to
/// `diagnostics`; the result is `None` if one of them is an error. An empty document is a null scalar.
pub fn parse(file: FileId, text: &str, limits: &Limits, diagnostics: &mut Vec<Diagnostic>) -> Option<Arc<Node>> {
    if text.len() > limits.bytes {
        let message = format!("the document has {} bytes, the limit is {}", text.len(), limits.bytes);
        diagnostics.push(Diagnostic::new(Code::FILE_TOO_LARGE, message).at(Span::new(file, 0, 0), ""));
        return None;
    }
    if let Some(found) = syntax::forbidden_character(file, text) {
        diagnostics.push(found);
        return None;
    }
    build::build(file, text, limits, diagnostics).0
}

/// The comments of a document, from the `#` to the end of the line; after a syntax error, those before it.
pub fn comments(file: FileId, text: &str) -> Vec<Span> {
    if syntax::forbidden_character(file, text).is_some() {
        return Vec::new();
    }
    build::build(file, text, &Limits::default(), &mut Vec::new()).1
}

impl Node {
    /// The value under a text key.
    pub fn get(&self, key: &str) -> Option<&Arc<Node>> {
        self.pair(key).map(|(_, value)| value)
    }

    /// Key and value under a text key.
    pub fn pair(&self, key: &str) -> Option<(&Arc<Node>, &Arc<Node>)> {
        let Data::Mapping(pairs) = &self.data else { return None };
        pairs.iter().find(|(name, _)| name.as_text() == Some(key)).map(|(name, value)| (name, value))
    }

    /// The text of an untagged text scalar.
    pub fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(Scalar { text, value: Value::Text, .. }) if self.tag.is_none() => Some(text),
            _ => None,
        }
    }

    /// Whether it is an untagged null.
    pub fn is_null(&self) -> bool {
        self.tag.is_none() && matches!(&self.data, Data::Scalar(Scalar { value: Value::Null, .. }))
    }

    /// What it is, for messages: `mapping`, `list`, `text`, `boolean` and so on, `tag` if it has a blueprint tag.
    pub fn kind_name(&self) -> &'static str {
        match &self.data {
            _ if self.tag.is_some() => "tag",
            Data::Mapping(_) => "mapping",
            Data::Sequence(_) => "list",
            Data::Scalar(scalar) => match scalar.value {
                Value::Null => "null",
                Value::Bool(_) => "boolean",
                Value::Int(_) | Value::BigInt(_) => "integer",
                Value::Float(_) => "number",
                Value::Text => "text",
                Value::Date(_) => "date",
                Value::DateTime(_) => "date with time",
                Value::Binary(_) => "binary data",
            },
        }
    }

    /// Follows a JSON pointer (`/entries/0/attrs`) as far as it leads and returns the deepest node reached. Does not
    /// look inside nodes with a blueprint tag, because what they hold is not what they become.
    pub fn at(&self, pointer: &str) -> &Node {
        self.walk(pointer).0
    }

    /// Like [`Node::at`], but the span of the key under which the deepest node stands; `None` if that node is a list
    /// item or the root.
    pub fn key_at(&self, pointer: &str) -> Option<Span> {
        self.walk(pointer).1
    }

    fn walk(&self, pointer: &str) -> (&Node, Option<Span>) {
        let mut reached = (self, None);
        for token in pointer.split('/').skip(1) {
            let node = reached.0;
            if node.tag.is_some() {
                break;
            }
            let token = token.replace("~1", "/").replace("~0", "~");
            let next = match &node.data {
                Data::Scalar(_) => None,
                Data::Sequence(items) => {
                    token.parse::<usize>().ok().and_then(|index| items.get(index)).map(|item| (&**item, None))
                }
                Data::Mapping(_) => node.pair(&token).map(|(key, value)| (&**value, Some(key.span))),
            };
            match next {
                Some(next) => reached = next,
                None => break,
            }
        }
        reached
    }
}
