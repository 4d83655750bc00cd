//! A field's change in words: the rows that text and Markdown show, each in its own dress.

use std::collections::BTreeMap;

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::{
    escape::{self, quoted, thousands},
    names::{Names, SECRET},
};
use crate::{
    blueprint::{
        desired::same,
        plan::{Action, FieldDiff, Named, ObjectChange, Shown},
    },
    model::{Registry, symbol},
};

/// Lines around a changed line of a text.
const CONTEXT: usize = 3;

/// Texts with more lines than this together are not compared line by line, which could take long.
const MAX_LINES: usize = 20_000;

/// What is shown for no value.
const NONE: &str = "none";

/// What is shown for a value that only applying makes known.
const LATER: &str = "(known after apply)";

/// One row: a field, or one place within its value.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// Field with the way into its value: `attributes.department`.
    pub path: String,
    /// What happens there.
    pub change: RowChange,
}

/// What happens at one place. All texts are fit for a terminal.
#[derive(Debug, PartialEq, Eq)]
pub enum RowChange {
    /// The value that a new object gets or a deleted one loses, or words in its place.
    Value(String),
    /// One value for another.
    Replaced {
        /// Before.
        before: String,
        /// After.
        after: String,
    },
    /// Items of a list or set.
    Items {
        /// Those that come.
        added: Vec<String>,
        /// Those that go.
        removed: Vec<String>,
    },
    /// A text of several lines.
    Text(Vec<TextLine>),
}

/// One line of a text that changes.
#[derive(Debug, PartialEq, Eq)]
pub struct TextLine {
    /// What happens to it.
    pub sign: Sign,
    /// The line without its line break.
    pub text: String,
}

/// What happens to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It stays and is shown for orientation.
    Keep,
    /// It comes.
    Add,
    /// It goes.
    Remove,
    /// It is no line of the text but says something about it.
    Note,
}

/// Makes rows of changes.
pub struct Rows<'a> {
    /// All kinds.
    pub registry: &'a Registry,
    /// What objects are called.
    pub names: &'a Names<'a>,
    /// Largest number of characters of one value or line; longer ones are cut around the first difference.
    pub longest: usize,
}

impl Rows<'_> {
    /// The rows of one object's change, field by field.
    pub fn of(&self, change: &ObjectChange) -> Vec<Row> {
        let mut rows = Vec::new();
        for diff in &change.fields {
            self.field(change, diff, &mut rows);
        }
        rows
    }

    fn field(&self, change: &ObjectChange, diff: &FieldDiff, rows: &mut Vec<Row>) {
        let path = escape::visible(&diff.field);
        let secret = diff.sensitive || [&diff.before, &diff.after].contains(&&Shown::Secret);
        if secret && diff.after != Shown::Generated {
            rows.push(Row { path, change: secret_row(change.action, &diff.before, &diff.after) });
            return;
        }
        match (&diff.before, &diff.after) {
            (_, Shown::Generated) => {
                rows.push(Row { path, change: RowChange::Value("(generated)".to_owned()) });
            }
            (Shown::Objects(_), _) | (_, Shown::Objects(_)) => {
                rows.push(Row { path, change: self.references(change, diff) });
            }
            (before, after) => self.json(path, change.action, plain(before), plain(after), rows),
        }
    }

    fn references(&self, change: &ObjectChange, diff: &FieldDiff) -> RowChange {
        let (before, after) = (objects(&diff.before), objects(&diff.after));
        let among: Vec<&Named> = before.iter().chain(after).collect();
        let all = |side: &[Named]| self.names.apart(&side.iter().collect::<Vec<_>>(), &among).join(", ");
        let only = |side: &[Named], other: &[Named]| {
            let only: Vec<&Named> = side.iter().filter(|one| !other.iter().any(|two| two.id == one.id)).collect();
            self.names.apart(&only, &among)
        };
        let field = self.registry.get(change.kind).fields.get(&diff.field);
        let many = field.and_then(|field| field.reference).map_or(among.len() > 2, |reference| reference.many);
        match change.action {
            Action::Create => RowChange::Value(all(after)),
            Action::Delete => RowChange::Value(all(before)),
            Action::Update if many => RowChange::Items { added: only(after, before), removed: only(before, after) },
            Action::Update => {
                let one = |side| Some(all(side)).filter(|text| !text.is_empty()).unwrap_or_else(|| NONE.to_owned());
                RowChange::Replaced { before: one(before), after: one(after) }
            }
        }
    }

    fn json(&self, path: String, action: Action, before: &Value, after: &Value, rows: &mut Vec<Row>) {
        match action {
            Action::Create => self.alone(path, Sign::Add, after, rows),
            Action::Delete => self.alone(path, Sign::Remove, before, rows),
            Action::Update => self.both(path, before, after, rows),
        }
    }

    /// A value that has no counterpart on the other side.
    fn alone(&self, path: String, sign: Sign, value: &Value, rows: &mut Vec<Row>) {
        match value {
            Value::Object(object) if !object.is_empty() && !symbol::is_symbol(value) => {
                for (key, inner) in object {
                    self.alone(step(&path, key), sign, inner, rows);
                }
            }
            Value::String(text) if several_lines(text) => {
                let lines = text.lines().map(|line| TextLine { sign, text: self.cut(&escape::line(line), 0) });
                rows.push(Row { path, change: RowChange::Text(lines.collect()) });
            }
            _ => rows.push(Row { path, change: RowChange::Value(self.cut(&compact(value), 0)) }),
        }
    }

    fn both(&self, path: String, before: &Value, after: &Value, rows: &mut Vec<Row>) {
        let symbolic = symbol::is_symbol(before) || symbol::is_symbol(after);
        match (before, after) {
            _ if symbolic => rows.push(Row { path, change: self.replaced(before, after) }),
            (Value::Object(old), Value::Object(new)) => self.keys(&path, old, new, rows),
            (Value::Null, Value::Object(new)) if !new.is_empty() => self.keys(&path, &Default::default(), new, rows),
            (Value::Object(old), Value::Null) if !old.is_empty() => self.keys(&path, old, &Default::default(), rows),
            (Value::Array(old), Value::Array(new)) => self.items(path, old, new, rows),
            (Value::String(old), Value::String(new)) if several_lines(old) || several_lines(new) => {
                rows.push(Row { path, change: RowChange::Text(self.lines(old, new)) });
            }
            (Value::Null, Value::String(new)) if several_lines(new) => self.alone(path, Sign::Add, after, rows),
            (Value::String(old), Value::Null) if several_lines(old) => self.alone(path, Sign::Remove, before, rows),
            _ => rows.push(Row { path, change: self.replaced(before, after) }),
        }
    }

    fn keys(
        &self,
        path: &str,
        old: &serde_json::Map<String, Value>,
        new: &serde_json::Map<String, Value>,
        rows: &mut Vec<Row>,
    ) {
        for (key, before) in old {
            match new.get(key) {
                Some(after) if same(before, after) => {}
                Some(after) => self.both(step(path, key), before, after, rows),
                // Unlike a key that is not there, one of null is there.
                None if before.is_null() => rows.push(replaced(step(path, key), "null", NONE)),
                None => self.both(step(path, key), before, &Value::Null, rows),
            }
        }
        for (key, after) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
            match after {
                Value::Null => rows.push(replaced(step(path, key), NONE, "null")),
                _ => self.both(step(path, key), &Value::Null, after, rows),
            }
        }
    }

    fn items(&self, path: String, old: &[Value], new: &[Value], rows: &mut Vec<Row>) {
        let alike = |items: &[Value]| items.iter().all(|item| item.is_object() && !symbol::is_symbol(item));
        if old.len() == new.len() && alike(old) && alike(new) {
            for (at, (before, after)) in old.iter().zip(new).enumerate().filter(|(_, (a, b))| !same(a, b)) {
                self.both(format!("{path}[{at}]"), before, after, rows);
            }
            return;
        }
        let mut surplus: BTreeMap<String, isize> = BTreeMap::new();
        for item in old {
            *surplus.entry(compact(item)).or_default() -= 1;
        }
        for item in new {
            *surplus.entry(compact(item)).or_default() += 1;
        }
        if surplus.values().all(|count| *count == 0) {
            // The same items in another order.
            let (before, after) = (Value::Array(old.to_vec()), Value::Array(new.to_vec()));
            rows.push(Row { path, change: self.replaced(&before, &after) });
            return;
        }
        let mut take = |items: &[Value], sign: isize| {
            let mut taken = Vec::new();
            for item in items {
                let text = compact(item);
                if let Some(count) = surplus.get_mut(&text).filter(|count| **count * sign > 0) {
                    *count -= sign;
                    taken.push(self.cut(&text, 0));
                }
            }
            taken
        };
        let (added, removed) = (take(new, 1), take(old, -1));
        rows.push(Row { path, change: RowChange::Items { added, removed } });
    }

    fn replaced(&self, before: &Value, after: &Value) -> RowChange {
        let (before, after) = (compact(before), compact(after));
        let from = before.chars().zip(after.chars()).take_while(|(one, two)| one == two).count();
        RowChange::Replaced { before: self.cut(&before, from), after: self.cut(&after, from) }
    }

    fn lines(&self, old: &str, new: &str) -> Vec<TextLine> {
        let count = |text: &str| text.lines().count();
        if count(old) + count(new) > MAX_LINES {
            let text = format!("{} lines become {}", thousands(count(old)), thousands(count(new)));
            return vec![TextLine { sign: Sign::Note, text }];
        }
        let diff = TextDiff::from_lines(old, new);
        let ends_differ = old.ends_with('\n') != new.ends_with('\n');
        let hunks = diff.grouped_ops(CONTEXT);
        let mut lines = Vec::new();
        for (at, hunk) in hunks.iter().enumerate() {
            let start = hunk.first().map_or(0, |op| op.new_range().start);
            if at > 0 || start > 0 {
                lines.push(TextLine { sign: Sign::Note, text: format!("@@ line {} @@", thousands(start + 1)) });
            }
            for change in hunk.iter().flat_map(|op| diff.iter_changes(op)) {
                let sign = match change.tag() {
                    ChangeTag::Equal => Sign::Keep,
                    ChangeTag::Delete => Sign::Remove,
                    ChangeTag::Insert => Sign::Add,
                };
                let text = change.value().strip_suffix('\n').unwrap_or(change.value());
                lines.push(TextLine { sign, text: self.cut(&escape::line(text), 0) });
                if change.missing_newline() && ends_differ {
                    lines.push(TextLine { sign: Sign::Note, text: "\\ no line break at the end".to_owned() });
                }
            }
        }
        lines
    }

    /// At most the longest number of characters, beginning shortly before a place of interest.
    fn cut(&self, text: &str, interest: usize) -> String {
        if text.len() <= self.longest {
            return text.to_owned();
        }
        let length = text.chars().count();
        if length <= self.longest {
            return text.to_owned();
        }
        let from = interest.saturating_sub(self.longest / 4).min(length - self.longest);
        let part: String = text.chars().skip(from).take(self.longest).collect();
        let (left, right) = (if from > 0 { "…" } else { "" }, if from + self.longest < length { "…" } else { "" });
        format!("{left}{part}{right} ({} characters)", thousands(length))
    }
}

fn plain(shown: &Shown) -> &Value {
    match shown {
        Shown::Json(value) => value,
        _ => &Value::Null,
    }
}

fn objects(shown: &Shown) -> &[Named] {
    match shown {
        Shown::Objects(objects) => objects,
        _ => &[],
    }
}

fn secret_row(action: Action, before: &Shown, after: &Shown) -> RowChange {
    let is_there = |shown: &Shown| !matches!(shown, Shown::Nothing | Shown::Json(Value::Null));
    let text = |there| if there { SECRET } else { NONE }.to_owned();
    match (action, is_there(before), is_there(after)) {
        (Action::Update, true, true) => RowChange::Value("(secret changed)".to_owned()),
        (Action::Update, before, after) => RowChange::Replaced { before: text(before), after: text(after) },
        (_, before, after) => RowChange::Value(text(before || after)),
    }
}

fn replaced(path: String, before: &str, after: &str) -> Row {
    Row { path, change: RowChange::Replaced { before: before.to_owned(), after: after.to_owned() } }
}

fn several_lines(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
}

/// The way to a key of an object.
fn step(path: &str, key: &str) -> String {
    let simple = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '/');
    if !key.is_empty() && key.chars().all(simple) {
        format!("{path}.{key}")
    } else {
        format!("{path}[{}]", quoted(key))
    }
}

/// A value on one line.
fn compact(value: &Value) -> String {
    match value {
        Value::Null => NONE.to_owned(),
        _ => nested(value),
    }
}

fn nested(value: &Value) -> String {
    match value {
        _ if symbol::is_symbol(value) => LATER.to_owned(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(nested).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let pairs: Vec<String> =
                object.iter().map(|(key, value)| format!("{}: {}", quoted(key), nested(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}
