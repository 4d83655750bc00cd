//! Changing single values in the text of a document, so that everything else stays byte for byte: comments, tags,
//! anchors, quotes, indentation.
//!
//! An [`Editor`] holds a text and makes one [`Edit`] at a time. It finds the place by the spans of the tree, writes the
//! new value in the style that it finds there, reads the result again, and keeps it only if it holds exactly the wanted
//! values and all others as before. So a layout that it does not foresee is refused and never damaged.
//!
//! * [`diff`] says which edits lead from one value to another;
//! * [`locate`] follows a path to the place where a value is written;
//! * [`place`] decides which bytes go and which come;
//! * [`value`] compares trees.

mod diff;
mod locate;
mod place;
#[cfg(test)]
mod tests;
mod value;

use std::{fmt, sync::Arc};

use serde_yaml::Value;

use super::yaml::{self, Data, Node};
use crate::base::diagnostic::FileId;

pub use diff::edits;

/// One step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the value of a key.
    Key(String),
    /// To an item of a list.
    Index(usize),
}

/// A change of one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// The place, from the root of the document.
    pub path: Vec<Step>,
    /// What happens there.
    pub operation: Operation,
}

/// What happens at a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// The value becomes this one. Keys at the end of the path that do not exist are added.
    Set(Value),
    /// The item comes into the list, in front of the one at the index.
    Insert(Value),
    /// The pair or item goes.
    Remove,
}

/// Why a text cannot be changed in the wanted way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why, as the end of a sentence about the place.
    pub why: Why,
    /// Byte of the text that it is about.
    pub at: usize,
}

/// The reasons for which a text is not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The value is what a tag gives.
    Tag(String),
    /// The value is that of an anchor which stands elsewhere.
    Alias,
    /// The value comes by a merge key.
    Merged,
    /// Other places of the document would change with it, through an anchor or a repeated key.
    Shared,
    /// Comments stand among what would be replaced.
    Comments,
    /// The text is laid out in a way that no edit is known for.
    Layout,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Tag(tag) => write!(f, "the value comes from {tag}"),
            Why::Alias => f.write_str("the value is that of an anchor elsewhere"),
            Why::Merged => f.write_str("the value comes by a merge key"),
            Why::Shared => f.write_str("other places of the document would change with it"),
            Why::Comments => f.write_str("comments stand within the value"),
            Why::Layout => f.write_str("the text is laid out in an unusual way"),
        }
    }
}

/// A text that is being changed.
#[derive(Clone, Debug)]
pub struct Editor {
    text: String,
    /// The text with blanks in place of comments, for looking around.
    masked: String,
    root: Arc<Node>,
    value: Value,
}

impl Editor {
    /// Starts with a text; nothing when it is no YAML document.
    pub fn new(text: &str) -> Option<Editor> {
        let root = yaml::parse(FileId(0), text, &yaml::Limits::default(), &mut Vec::new())?;
        let mut masked = text.as_bytes().to_vec();
        for comment in yaml::comments(FileId(0), text) {
            masked.get_mut(comment.start as usize..comment.end as usize)?.fill(b' ');
        }
        let value = value::of(&root);
        Some(Editor { text: text.to_owned(), masked: String::from_utf8(masked).ok()?, root, value })
    }

    /// The text as it is now.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The tree as it is now.
    pub fn root(&self) -> &Arc<Node> {
        &self.root
    }

    /// Makes an edit. Values under the tags in `replaceable` may be replaced, all other tags stay.
    ///
    /// # Errors
    /// When the place cannot be changed, or not without changing something else; the text is as before then.
    pub fn make(&mut self, edit: &Edit, replaceable: &[&str]) -> Result<(), Refused> {
        let (range, replacement) = place::bytes(self, edit, replaceable)?;
        let refused = |why| Refused { why, at: range.start };
        let mut text = String::with_capacity(self.text.len() + replacement.len());
        text.push_str(&self.text[..range.start]);
        text.push_str(&replacement);
        text.push_str(&self.text[range.end..]);
        let edited = Editor::new(&text).ok_or_else(|| refused(Why::Layout))?;
        let mut expected = self.value.clone();
        value::change(&mut expected, &edit.path, &edit.operation).ok_or_else(|| refused(Why::Layout))?;
        if edited.value != expected {
            return Err(refused(Why::Shared));
        }
        *self = edited;
        Ok(())
    }
}

/// The paths of the entries of a document, in the order of [`Document::entries`](super::document::Document).
pub fn entries(root: &Node) -> Vec<Vec<Step>> {
    let mut paths = Vec::new();
    let key = |name: &str| Step::Key(name.to_owned());
    let Some(entries) = root.get("entries") else { return paths };
    match &entries.data {
        Data::Sequence(items) => paths.extend((0..items.len()).map(|at| vec![key("entries"), Step::Index(at)])),
        Data::Mapping(groups) => {
            for (name, group) in groups {
                if let (Some(name), Data::Sequence(items)) = (name.as_text(), &group.data) {
                    paths.extend((0..items.len()).map(|at| vec![key("entries"), key(name), Step::Index(at)]));
                }
            }
        }
        Data::Scalar(_) => {}
    }
    paths
}
