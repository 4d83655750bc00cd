//! SQL texts with lists of placeholders: the only file that puts a statement together at run time.
//!
//! The parts are constants of this crate, and what is added to them is numbered placeholders, never a value;
//! so every text that leaves here is safe to run, and only this file may say so to sqlx.

use std::borrow::Cow;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// Placeholders in one statement, about. Both engines take many times as many; beyond this there is nothing to gain.
pub(super) const PLACEHOLDERS: usize = 1000;

/// Items in one list of a `SELECT`.
pub(super) const LIST: usize = PLACEHOLDERS;

/// A value bound to a placeholder.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Int(i64),
    /// A text column that may be null.
    MaybeText(Option<String>),
    /// An integer column that may be null.
    MaybeInt(Option<i64>),
    Bytes(Vec<u8>),
    /// For a JSONB column.
    Json(serde_json::Value),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<uuid::Uuid> for Value {
    fn from(id: uuid::Uuid) -> Self {
        Value::Text(id.to_string())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Value::Bytes(bytes)
    }
}

/// What replaces one `{}` of a template.
pub(super) enum List {
    /// `$1, $2, $3`
    Values(Vec<Value>),
    /// `($1, $2), ($3, $4)`
    Rows(Vec<Vec<Value>>),
}

/// A statement and its values.
#[derive(Debug)]
pub(super) struct Statement {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

impl Statement {
    /// A constant text.
    pub(super) fn new(text: &'static str) -> Statement {
        Statement { text: Cow::Borrowed(text), values: Vec::new() }
    }

    /// Binds the next placeholder.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Statement {
        self.values.push(value.into());
        self
    }

    /// Joins constant parts, which may contain placeholders for `fixed`, and puts one list in place of each `{}`.
    pub(super) fn with_lists(parts: &[&'static str], fixed: Vec<Value>, lists: Vec<List>) -> Statement {
        let template = parts.concat();
        let mut pieces = template.split("{}");
        let mut text = String::with_capacity(template.len() + 64);
        text.push_str(pieces.next().unwrap_or_default());
        let mut values = fixed;
        for (list, piece) in lists.into_iter().zip(pieces) {
            match list {
                List::Values(items) => push_placeholders(&mut text, &mut values, items),
                List::Rows(rows) => {
                    for (index, row) in rows.into_iter().enumerate() {
                        text.push_str(if index == 0 { "(" } else { ", (" });
                        push_placeholders(&mut text, &mut values, row);
                        text.push(')');
                    }
                }
            }
            text.push_str(piece);
        }
        Statement { text: Cow::Owned(text), values }
    }

    /// The text, for an observer.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The same with placeholders as SQLite binds them best.
    pub(super) fn into_sqlite_parts(self) -> (SqlStr, Vec<Value>) {
        let text = without_numbers(&self.text).map_or(self.text, Cow::Owned);
        (AssertSqlSafe(text).into_sql_str(), self.values)
    }

    /// The text as sqlx wants it, and the values.
    pub(super) fn into_parts(self) -> (SqlStr, Vec<Value>) {
        (AssertSqlSafe(self.text).into_sql_str(), self.values)
    }
}

/// The text with `?` in place of each numbered placeholder, when they come once each and in order. SQLite looks a
/// numbered one up in a list from its start each time that it is bound.
fn without_numbers(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut pieces = text.split('$');
    out.push_str(pieces.next()?);
    for (index, piece) in pieces.enumerate() {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        if piece[..digits].parse() != Ok(index + 1) {
            return None;
        }
        out.push('?');
        out.push_str(&piece[digits..]);
    }
    Some(out)
}

/// The text of a migration as SQLite understands it.
pub(super) fn without_collation(migration: &'static str) -> SqlStr {
    AssertSqlSafe(migration.replace(" COLLATE \"C\"", "")).into_sql_str()
}

/// Splits items into lists of at most `size`.
pub(super) fn chunks<T>(items: impl IntoIterator<Item = T>, size: usize) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    std::iter::from_fn(move || {
        let chunk: Vec<T> = items.by_ref().take(size.max(1)).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
}

fn push_placeholders(text: &mut String, values: &mut Vec<Value>, items: Vec<Value>) {
    for (index, item) in items.into_iter().enumerate() {
        values.push(item);
        if index > 0 {
            text.push_str(", ");
        }
        text.push('$');
        text.push_str(&values.len().to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_numbered_after_the_fixed_values() {
        let statement = Statement::with_lists(
            &["SELECT a FROM t WHERE b = $1 AND c IN ({})", " AND (d, e) IN (VALUES {})"],
            vec!["b".into()],
            vec![
                List::Values(vec![1.into(), 2.into()]),
                List::Rows(vec![vec![3.into(), 4.into()], vec![5.into(), 6.into()]]),
            ],
        );
        assert_eq!(
            statement.text(),
            "SELECT a FROM t WHERE b = $1 AND c IN ($2, $3) AND (d, e) IN (VALUES ($4, $5), ($6, $7))"
        );
        assert_eq!(statement.values.len(), 7);
    }

    #[test]
    fn numbers_go_only_when_they_say_nothing() {
        assert_eq!(without_numbers("a = $1 AND b IN ($2, $3)").as_deref(), Some("a = ? AND b IN (?, ?)"));
        assert_eq!(without_numbers("no values").as_deref(), Some("no values"));
        for text in ["$2, $1", "$1, $1", "a = '$'", "$0"] {
            assert_eq!(without_numbers(text), None, "{text}");
        }
    }

    #[test]
    fn chunks_cover_everything_once() {
        let found: Vec<Vec<i32>> = chunks(0..5, 2).collect();
        assert_eq!(found, [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(chunks(Vec::<i32>::new(), 2).count(), 0);
    }
}
