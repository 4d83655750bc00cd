//! Finished collections: merge keys, duplicate keys and the standard collection tags.

use std::{collections::HashMap, ops::Range, sync::Arc};

use super::{super::Value, Builder, Data, Frame, MAX_SHOWN, Node};
use crate::base::{
    diagnostic::{Code, Diagnostic},
    text::shorten,
};

impl Builder<'_, '_> {
    pub(super) fn standard_collection(&mut self, tag: &str, data: Data, range: Range<usize>) -> Data {
        match (tag, data) {
            ("seq", data @ Data::Sequence(_)) | ("map", data @ Data::Mapping(_)) => data,
            ("set", Data::Mapping(pairs)) => Data::Sequence(pairs.into_iter().map(|(key, _)| key).collect()),
            ("omap" | "pairs", Data::Sequence(items)) => {
                let mut pairs = Vec::with_capacity(items.len());
                for item in items {
                    match &item.data {
                        Data::Mapping(inner) if inner.len() == 1 => {
                            let members = inner.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect();
                            pairs.push(Arc::new(Node { span: item.span, tag: None, data: Data::Sequence(members) }));
                        }
                        _ => {
                            let message = format!("an item of `!!{tag}` is a mapping with one key");
                            self.report(Diagnostic::new(Code::YAML_SCALAR, message).at(item.span, ""));
                        }
                    }
                }
                Data::Sequence(pairs)
            }
            (_, data) => {
                let what = if matches!(data, Data::Mapping(_)) { "a mapping" } else { "a list" };
                self.wrong_data(tag, what, range);
                data
            }
        }
    }

    /// Expands merge keys and removes duplicates.
    pub(super) fn mapping(&mut self, frame: &mut Frame) -> Option<Data> {
        let merges = std::mem::take(&mut frame.merges);
        let mut items = std::mem::take(&mut frame.items).into_iter().enumerate();
        let mut merged = Vec::new();
        let mut own = Vec::with_capacity(items.len() / 2);
        while let (Some((at, key)), Some((_, value))) = (items.next(), items.next()) {
            if merges.binary_search(&at).is_ok() {
                self.merge(&value, &mut merged)?;
            } else if key.tag.is_none() && !matches!(key.data, Data::Scalar(_)) {
                let message = format!("a {} cannot be a key", key.kind_name());
                let finding = Diagnostic::new(Code::YAML_KEY, message).at(key.span, "");
                self.report(finding.help("Put the key in quotes if it is meant as text."));
            } else {
                own.push((key, value));
            }
        }
        let first_own = merged.len();
        merged.append(&mut own);
        Some(Data::Mapping(self.unique(merged, first_own)))
    }

    fn merge(&mut self, value: &Arc<Node>, merged: &mut Vec<(Arc<Node>, Arc<Node>)>) -> Option<()> {
        let single = std::slice::from_ref(value);
        let sources = match &value.data {
            Data::Sequence(items) => items.as_slice(),
            _ => single,
        };
        for source in sources.iter().rev() {
            let Data::Mapping(pairs) = &source.data else {
                // The null that stands for a broken alias has been reported.
                if source.is_null() && self.failed {
                    continue;
                }
                let message = format!("`<<` takes a mapping or a list of mappings, not a {}", source.kind_name());
                let finding = Diagnostic::new(Code::YAML_KEY, message).at(source.span, "");
                self.report(finding.help("Usual is `<<: *name` with an `&name` before a mapping earlier in the file."));
                continue;
            };
            self.expanded = self.expanded.saturating_add(pairs.len());
            if self.expanded > self.limits.expansion {
                return self.too_expanded(self.cursor.end..self.cursor.end);
            }
            merged.extend(pairs.iter().cloned());
        }
        Some(())
    }

    /// Removes duplicates as Python's `dict` does. Pairs before `first_own` were merged in; overriding them is no finding.
    fn unique(&mut self, pairs: Vec<(Arc<Node>, Arc<Node>)>, first_own: usize) -> Vec<(Arc<Node>, Arc<Node>)> {
        let repeated = repeated_keys(&pairs);
        if repeated.is_empty() {
            return pairs;
        }
        let mut kept: Vec<Option<(Arc<Node>, Arc<Node>)>> = pairs.into_iter().map(Some).collect();
        // Index from which the pair that now stands at a position came.
        let mut origin: Vec<usize> = (0..kept.len()).collect();
        for (first, at) in repeated {
            let (Some((key, value)), Some((old_key, _))) = (kept[at].take(), kept[first].take()) else { continue };
            if origin[first] >= first_own {
                let shown = match &key.data {
                    Data::Scalar(scalar) => shorten(&scalar.text, MAX_SHOWN),
                    _ => String::new(),
                };
                let finding = Diagnostic::new(Code::YAML_DUPLICATE_KEY, format!("the key `{shown}` appears twice"))
                    .at(key.span, "this one wins")
                    .at(old_key.span, "this one has no effect");
                self.report(finding);
            }
            origin[first] = at;
            // Python keeps the first of two equal keys, which matters if they differ in type (1 and true).
            let same = matches!((&key.data, &old_key.data), (Data::Scalar(a), Data::Scalar(b)) if a.value == b.value);
            kept[first] = Some((if same { key } else { old_key }, value));
        }
        kept.into_iter().flatten().collect()
    }
}

/// Positions of keys that appeared before, each with that of the first one.
fn repeated_keys(pairs: &[(Arc<Node>, Arc<Node>)]) -> Vec<(usize, usize)> {
    let keys = pairs.iter().map(|(key, _)| KeyId::of(key)).enumerate();
    let mut repeated = Vec::new();
    if pairs.len() <= 8 {
        // Most mappings; comparing is cheaper than hashing.
        for (at, key) in keys {
            if let Some(first) = pairs[..at].iter().position(|(other, _)| KeyId::of(other) == key) {
                repeated.push((first, at));
            }
        }
    } else {
        let mut seen: HashMap<KeyId, usize> = HashMap::with_capacity(pairs.len());
        for (at, key) in keys {
            let first = *seen.entry(key).or_insert(at);
            if first != at {
                repeated.push((first, at));
            }
        }
    }
    repeated
}

/// Identity of a key as Python's `dict` sees it.
#[derive(PartialEq, Eq, Hash)]
enum KeyId<'n> {
    Null,
    Text(&'n str),
    /// Booleans and whole floats equal the integer.
    Int(i64),
    Float(u64),
    Other(&'n str),
    Binary(&'n [u8]),
    /// Tags are compared by identity.
    Tagged(*const Node),
}

impl KeyId<'_> {
    fn of(node: &Arc<Node>) -> KeyId<'_> {
        let Data::Scalar(scalar) = &node.data else { return KeyId::Tagged(Arc::as_ptr(node)) };
        if node.tag.is_some() {
            return KeyId::Tagged(Arc::as_ptr(node));
        }
        match &scalar.value {
            Value::Null => KeyId::Null,
            Value::Text => KeyId::Text(&scalar.text),
            Value::Bool(value) => KeyId::Int(i64::from(*value)),
            Value::Int(value) => KeyId::Int(*value),
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => KeyId::Int(*value as i64),
            Value::Float(value) => KeyId::Float(value.to_bits()),
            Value::BigInt(text) | Value::Date(text) | Value::DateTime(text) => KeyId::Other(text),
            Value::Binary(bytes) => KeyId::Binary(bytes),
        }
    }
}
