//! Files that are encrypted by SOPS for age recipients, decrypted in memory.
//!
//! Such a file keeps its keys and its shape in clear and has its values replaced by `ENC[…]`; beside them stands a
//! mapping `sops` with the file's key, encrypted for each recipient, and a code over all values. [`decrypt`] puts the
//! values back where they were written, so that every finding still has its line. What was encrypted counts as secret
//! wherever it goes, as what `!Env` and `!File` give does, but for the few values that are structure: version, metadata,
//! and the model, id and state of an entry.
//!
//! SOPS promises this much, and no more is promised here: an encrypted value is what was encrypted at this place of this
//! file, and no value was changed, added, taken away or put elsewhere (with `mac_only_encrypted`: no encrypted one). Not
//! covered are the keys above values in clear, the types of values, nulls, empty values, and tags. SOPS does not know the tags of blueprints
//! and drops them; they can be put back where values are in clear, and are refused before encrypted values.

mod crypto;
mod plain;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

pub use self::crypto::{FileKey, SopsKeys};
use self::{
    crypto::{DataKey, Kind, Sealed, Sum},
    rules::Rules,
};
use super::yaml::{self, Data, Node, Scalar, Style, Value};
use crate::base::diagnostic::{Code, Diagnostic, Span};

/// The key under which a file says how it is encrypted.
const METADATA: &str = "sops";

/// Decrypts a document; one that is not encrypted is given back as it is. Nothing when that fails, with a finding
/// that says why.
pub fn decrypt(root: &Arc<Node>, keys: &SopsKeys, found: &mut Vec<Diagnostic>) -> Option<Arc<Node>> {
    let Some((key, metadata)) = root.pair(METADATA) else { return Some(root.clone()) };
    decrypted(root, key.span, metadata, keys).map_err(|finding| found.push(*finding)).ok()
}

/// The key of an encrypted document, for somebody who shall be able to read this one and no other. Nothing when it is not
/// encrypted, or not for any of the keys.
pub fn file_key(root: &Node, keys: &SopsKeys) -> Option<FileKey> {
    let (key, metadata) = root.pair(METADATA)?;
    data_key(metadata, key.span, keys).ok()
}

type Finding = Box<Diagnostic>;

fn malformed(message: impl Into<String>, span: Span) -> Finding {
    Box::new(Diagnostic::new(Code::SOPS_MALFORMED, message).at(span, ""))
}

fn changed(message: impl Into<String>, span: Span) -> Finding {
    let finding = Diagnostic::new(Code::SOPS_CHANGED, message).at(span, "");
    Box::new(finding.help("change such files with `sops edit`, which needs the key"))
}

fn decrypted(root: &Node, at: Span, metadata: &Node, keys: &SopsKeys) -> Result<Arc<Node>, Finding> {
    let Data::Mapping(_) = &metadata.data else {
        return Err(malformed("`sops` is not the mapping that SOPS writes", metadata.span));
    };
    let rules = read_rules(metadata)?;
    let wrong = || malformed("the key of the file has not the length of one", at);
    let key = DataKey::new(&data_key(metadata, at, keys)?).ok_or_else(wrong)?;
    let Some((mac_node, mac)) = metadata.get("mac").and_then(|node| Some((node, Sealed::read(node.as_text()?)?)))
    else {
        return Err(malformed(
            "the file has no code over its values (`sops.mac`), so nothing in it can be believed",
            at,
        ));
    };
    let modified = metadata.get("lastmodified").and_then(|node| match &node.data {
        Data::Scalar(scalar) => Some(scalar.text.clone()),
        _ => None,
    });
    let mac = key
        .open(&mac, modified.as_deref().unwrap_or_default())
        .ok_or_else(|| changed("the code over the values of the file is not of this file or time", mac_node.span))?;
    let sum = Sum::new(rules.mac_only_encrypted);
    let mut walk = Walk { rules: &rules, key: &key, sum, path: Vec::new() };
    let document = walk.node(root)?;
    if !walk.sum.is(&mac) {
        return Err(changed("the file was changed after it was encrypted", at));
    }
    document.ok_or_else(|| malformed("the file holds nothing", at))
}

fn read_rules(metadata: &Node) -> Result<Rules, Finding> {
    let text = |name: &str| match metadata.get(name) {
        Some(node) if node.is_null() => Ok(None),
        Some(node) => match node.as_text() {
            Some("") => Ok(None),
            Some(text) => Ok(Some((text.to_owned(), node.span))),
            None => Err(malformed(format!("`sops.{name}` is not text"), node.span)),
        },
        None => Ok(None),
    };
    let suffix = |name: &str| -> Result<Option<String>, Finding> { Ok(text(name)?.map(|(suffix, _)| suffix)) };
    let regex = |name: &str| -> Result<Option<Regex>, Finding> {
        let Some((pattern, span)) = text(name)? else { return Ok(None) };
        let regex = RegexBuilder::new(&pattern).size_limit(1 << 20).build();
        regex.map(Some).map_err(|_| malformed(format!("`sops.{name}` is no regular expression"), span))
    };
    // What these choose by is not in the tree.
    for name in ["unencrypted_comment_regex", "encrypted_comment_regex"] {
        if let Some((_, span)) = text(name)? {
            let message = format!("`sops.{name}` chooses values by comments, which is not supported");
            return Err(malformed(message, span));
        }
    }
    let mac_only_encrypted = match metadata.get("mac_only_encrypted").map(|node| (&node.data, node.span)) {
        None => false,
        Some((Data::Scalar(Scalar { value: Value::Bool(truth), .. }), _)) => *truth,
        Some((_, span)) => return Err(malformed("`sops.mac_only_encrypted` is neither true nor false", span)),
    };
    Ok(Rules {
        unencrypted_suffix: suffix("unencrypted_suffix")?,
        encrypted_suffix: suffix("encrypted_suffix")?,
        unencrypted_regex: regex("unencrypted_regex")?,
        encrypted_regex: regex("encrypted_regex")?,
        mac_only_encrypted,
    })
}

/// The key of the file.
fn data_key(metadata: &Node, at: Span, keys: &SopsKeys) -> Result<FileKey, Finding> {
    if let Some((_, groups)) = metadata.pair("key_groups")
        && matches!(&groups.data, Data::Sequence(groups) if !groups.is_empty())
    {
        return Err(malformed("the key of the file is divided among groups of recipients, which is not supported", at));
    }
    let recipients = match metadata.get("age").map(|node| &node.data) {
        Some(Data::Sequence(items)) => items.as_slice(),
        _ => &[],
    };
    let text = |node: &Arc<Node>, key: &str| node.get(key).and_then(|value| value.as_text().map(str::to_owned));
    let names: Vec<String> = recipients.iter().filter_map(|item| text(item, "recipient")).collect();
    if names.is_empty() {
        let message = "the file is not encrypted for any age recipient";
        let help = "add one with `sops rotate --in-place --add-age RECIPIENT`";
        return Err(Box::new(Diagnostic::new(Code::SOPS_WRONG_KEY, message).at(at, "").help(help)));
    }
    let shown = names.iter().take(8).map(|name| shortened(name)).collect::<Vec<_>>().join(", ");
    let shown = if names.len() > 8 { format!("{shown} and {} more", names.len() - 8) } else { shown };
    if keys.is_empty() {
        let finding = Diagnostic::new(Code::SOPS_NO_KEY, "the file is encrypted, and no key is given").at(at, "");
        let help = format!("give the file with the age identity of one of {shown} by --age-key-file");
        return Err(Box::new(finding.help(help)));
    }
    let wrapped: Vec<String> = recipients.iter().filter_map(|item| text(item, "enc")).collect();
    let wrapped: Vec<&str> = wrapped.iter().map(String::as_str).collect();
    keys.unwrap(&wrapped).ok_or_else(|| {
        let finding = Diagnostic::new(Code::SOPS_WRONG_KEY, "none of the given keys decrypts the file").at(at, "");
        Box::new(finding.help(format!("it is encrypted for {shown}")))
    })
}

/// A recipient as a message shows it: those of age are short, and what is long is none.
fn shortened(name: &str) -> String {
    let clean: String = name.chars().filter(|letter| letter.is_ascii_graphic()).take(80).collect();
    if clean.len() == name.len() { clean } else { format!("{clean}…") }
}

struct Walk<'a> {
    rules: &'a Rules,
    key: &'a DataKey,
    sum: Sum,
    /// Keys from the root to here.
    path: Vec<Arc<str>>,
}

impl Walk<'_> {
    /// The node with everything in it decrypted; nothing for a comment that stands in a list.
    fn node(&mut self, node: &Node) -> Result<Option<Arc<Node>>, Finding> {
        let data = match &node.data {
            Data::Scalar(scalar) => match self.scalar(node, scalar)? {
                Some(scalar) => Data::Scalar(scalar),
                None => return Ok(None),
            },
            Data::Sequence(items) => {
                let mut whole = Vec::with_capacity(items.len());
                for item in items {
                    whole.extend(self.node(item)?);
                }
                Data::Sequence(whole)
            }
            Data::Mapping(pairs) => {
                let mut whole = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    let Data::Scalar(Scalar { text, .. }) = &key.data else {
                        return Err(malformed("a key of an encrypted file must be text", key.span));
                    };
                    if self.path.is_empty() && &**text == METADATA {
                        continue;
                    }
                    self.path.push(text.clone());
                    let value = self.node(value)?;
                    self.path.pop();
                    whole.extend(value.map(|value| (key.clone(), value)));
                }
                Data::Mapping(whole)
            }
        };
        Ok(Some(Arc::new(Node { span: node.span, tag: node.tag.clone(), data })))
    }

    fn scalar(&mut self, node: &Node, scalar: &Scalar) -> Result<Option<Scalar>, Finding> {
        let keys: Vec<&str> = self.path.iter().map(|key| &**key).collect();
        let kept = || Scalar {
            text: scalar.text.clone(),
            style: scalar.style,
            value: scalar.value.clone(),
            secret: scalar.secret,
        };
        let is_null = node.tag.is_none() && scalar.value == Value::Null;
        if is_null || !self.rules.is_encrypted(&keys) {
            if !self.rules.mac_only_encrypted
                && let Some(bytes) = plain::bytes(scalar)
            {
                self.sum.add(bytes.as_bytes());
            }
            return Ok(Some(kept()));
        }
        if let Some(tag) = &node.tag {
            return Err(malformed(format!("{} stands before an encrypted value", tag.name), tag.span));
        }
        if scalar.text.is_empty() {
            return Ok(Some(kept()));
        }
        let Some(sealed) = Sealed::read(&scalar.text) else {
            let message = "this value is not encrypted, although by the rules of the file it should be";
            return Err(changed(message, node.span));
        };
        let place = format!("{}:", keys.join(":"));
        let Some(bytes) = self.key.open(&sealed, &place) else {
            return Err(changed("this value was changed, or comes from another place or file", node.span));
        };
        if sealed.kind == Kind::Comment {
            return Ok(None);
        }
        self.sum.add(&bytes);
        let unreadable = || malformed("this value decrypts to something that is not of its type", node.span);
        let text: Arc<str> = std::str::from_utf8(&bytes).map_err(|_| unreadable())?.into();
        let value = typed(sealed.kind, &text).ok_or_else(unreadable)?;
        // Any style but plain: what is plain is looked at for words that YAML 1.1 reads as something else.
        Ok(Some(Scalar { text, style: Style::Double, value, secret: !is_structure(&keys) }))
    }
}

/// The value of a decrypted text.
fn typed(kind: Kind, text: &str) -> Option<Value> {
    Some(match kind {
        Kind::Text | Kind::Bytes | Kind::Comment => Value::Text,
        Kind::Boolean => Value::Bool(match text {
            "True" | "true" => true,
            "False" | "false" => false,
            _ => return None,
        }),
        Kind::Integer => Value::Int(text.parse().ok()?),
        Kind::Float => Value::Float(match text {
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            "NaN" => f64::NAN,
            number => number.parse().ok()?,
        }),
        Kind::Time => match yaml::plain_value(text)? {
            value @ (Value::Date(_) | Value::DateTime(_)) => value,
            _ => return None,
        },
    })
}

/// Whether a value at this path says what a document is about rather than what is in it.
fn is_structure(path: &[&str]) -> bool {
    let is_word = |key: &str| matches!(key, "model" | "id" | "state");
    match path {
        ["version"] | ["metadata", ..] => true,
        ["entries", key] => is_word(key),
        // Entries in groups.
        ["entries", group, key] => {
            is_word(key) && !matches!(*group, "attrs" | "identifiers" | "conditions" | "permissions")
        }
        _ => false,
    }
}
