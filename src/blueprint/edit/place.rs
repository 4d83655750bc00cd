//! Which bytes an edit replaces, and what by.

use std::ops::Range;

use serde_yaml::{Mapping, Value};

use super::{
    super::{
        export::yaml_text::{self, Place},
        yaml::{Data, Node, Scalar, Style},
    },
    Edit, Editor, Operation, Refused, Step, Why,
    locate::{Link, Way, bytes as bytes_of, start},
};

/// Columns of one level of nesting.
const STEP: usize = 2;

type Replacement = (Range<usize>, String);

/// The bytes that go and the text that comes.
pub fn bytes(editor: &Editor, edit: &Edit, replaceable: &[&str]) -> Result<Replacement, Refused> {
    let writer = Writer { editor, replaceable };
    match (&edit.operation, edit.path.split_last()) {
        (Operation::Set(value), _) => {
            let way = editor.locate(&edit.path)?;
            if way.missing.is_empty() { writer.replace(&way, value) } else { writer.add(&way, value) }
        }
        (Operation::Insert(value), Some((Step::Index(at), list))) => {
            let way = editor.locate(list)?;
            writer.insert(&way, *at, value)
        }
        (Operation::Remove, Some((step, parent))) => {
            let way = editor.locate(parent)?;
            match step {
                Step::Key(name) => writer.remove_pair(&way, name),
                Step::Index(at) => writer.remove_item(&way, *at),
            }
        }
        _ => Err(Refused { why: Why::Layout, at: 0 }),
    }
}

struct Writer<'e> {
    editor: &'e Editor,
    replaceable: &'e [&'e str],
}

impl Writer<'_> {
    fn refused<T>(&self, why: Why, at: usize) -> Result<T, Refused> {
        Err(Refused { why, at })
    }

    /// Replaces the node at the end of the way.
    fn replace(&self, way: &Way<'_>, value: &Value) -> Result<Replacement, Refused> {
        let link = way.last();
        let node = link.node;
        self.check_replaceable(node)?;
        let mut range = start(node)..bytes_of(node).end;
        if let Some(tag) = &node.tag
            && !self.editor.text[tag.span.end as usize..bytes_of(node).start].trim().is_empty()
        {
            // An anchor stands between the tag and what it is about.
            return self.refused(Why::Layout, range.start);
        }
        if let Some(word) = self.word_before(range.start).filter(|word| word.starts_with('!')) {
            return self.refused(Why::Tag(word.to_owned()), range.start);
        }
        let is_collection = !matches!(node.data, Data::Scalar(_)) && node.tag.is_none();
        if is_collection && self.editor.masked[range.clone()] != self.editor.text[range.clone()] {
            return self.refused(Why::Comments, range.start);
        }
        let in_block = is_collection && !self.editor.is_flow(node);
        let text = self.anew(way, value, in_block);
        // A block collection stands on lines of its own; what replaces it on one line goes behind the key.
        let alone = self.editor.is_last_on_line(range.end);
        if in_block && (!is_filled(value) || ends_open(value, alone)) {
            let from = link.key.as_ref().map(|key| key.end).and_then(|end| self.behind_colon(end));
            let line = self.editor.line_start(range.start);
            if let Some(from) = from.filter(|from| *from <= line && self.editor.is_blank(*from..range.start)) {
                let comments = self.editor.text[from..line].trim_end();
                let end = self.editor.line_end(range.end);
                let rest = self.editor.text[range.end..end].trim();
                if comments.is_empty() || rest.is_empty() {
                    return Ok((from..range.end, format!(" {text}{comments}")));
                }
                return Ok((from..end, format!(" {text}{comments}{}{rest}", self.editor.newline())));
            }
        }
        // What begins on the next line leaves no blank behind the key.
        if text.starts_with(['\n', '\r']) {
            let before = &self.editor.text[..range.start];
            let blanks = before.len() - before.trim_end_matches([' ', '\t']).len();
            let own_line = before[..before.len() - blanks].ends_with('\n') || before.is_empty();
            if own_line {
                return self.refused(Why::Layout, range.start);
            }
            range.start -= blanks;
            return Ok((range, text));
        }
        // `key:` and a dash without a value need a blank before one.
        let tight = self.editor.text[..range.start].ends_with([':', '-', '?']) && range.is_empty();
        Ok((range, if tight { format!(" {text}") } else { text }))
    }

    /// Refuses what an edit may not throw away.
    fn check_replaceable(&self, node: &Node) -> Result<(), Refused> {
        if let Some(tag) = node.tag.as_ref().filter(|tag| !self.replaceable.contains(&tag.name.as_str())) {
            return self.refused(Why::Tag(tag.name.clone()), tag.span.start as usize);
        }
        match &node.data {
            Data::Scalar(_) => Ok(()),
            Data::Sequence(items) => items.iter().try_for_each(|item| self.check_replaceable(item)),
            Data::Mapping(pairs) => {
                pairs.iter().try_for_each(|(key, value)| self.check_replaceable(key).and(self.check_replaceable(value)))
            }
        }
    }

    /// The value as it is written in place of the node at the end of the way. Begins with a line break when it is to
    /// begin on the next line.
    fn anew(&self, way: &Way<'_>, value: &Value, in_block: bool) -> String {
        let Link { node, key, flow } = way.last();
        let span = bytes_of(node);
        let alone = self.editor.is_last_on_line(span.end);
        let stays_flow = self.editor.is_flow(node) && !is_empty(node);
        if *flow || stays_flow {
            return self.inline(node, value, Place::Flow);
        }
        let parent = way.above().map(|above| bytes_of(above.node).start).map_or(0, |at| self.editor.column(at));
        match value {
            Value::String(text) if self.fits_block(text) && alone && !in_block => {
                let found = self.block_indent(node).filter(|column| *column > parent);
                let hidden = text.starts_with([' ', '\t', '\n']);
                let indent = found.filter(|_| !hidden).unwrap_or(parent + STEP);
                self.block(node, text, indent)
            }
            value if is_filled(value) && in_block && !ends_open(value, alone) => {
                let column = self.editor.column(span.start);
                let sequence = matches!(node.data, Data::Sequence(_));
                // A list may stand in the column of its key, a mapping may not.
                let column = if sequence && column <= parent && key.is_some() { parent + STEP } else { column };
                let pad = column - self.editor.column(span.start);
                format!("{}{}", " ".repeat(pad), self.lines(value, column))
            }
            value if is_filled(value) && alone && key.is_some() && !ends_open(value, alone) => {
                let column = parent + STEP;
                format!("{}{}{}", self.editor.newline(), " ".repeat(column), self.lines(value, column))
            }
            Value::Mapping(pairs) if !pairs.is_empty() && alone && !ends_open(value, alone) => {
                let column = self.editor.column(span.start);
                self.lines(value, column)
            }
            _ => self.inline(node, value, Place::Block),
        }
    }

    /// A value on one line, in the quotes that are there.
    fn inline(&self, node: &Node, value: &Value, place: Place) -> String {
        let style = match &node.data {
            Data::Scalar(scalar) if node.tag.is_none() => scalar.style,
            _ => Style::Plain,
        };
        match (value, style) {
            (Value::String(text), Style::Double) => yaml_text::quoted(text),
            (Value::String(text), Style::Single) if text.chars().all(yaml_text::is_plain_letter) => {
                format!("'{}'", text.replace('\'', "''"))
            }
            _ => yaml_text::inline(value, place),
        }
    }

    /// The lines of a filled collection that begins at a column, the first one without its blanks.
    fn lines(&self, value: &Value, column: usize) -> String {
        let mut out = String::new();
        match value {
            Value::Mapping(pairs) => yaml_text::mapping(&mut out, pairs, column),
            Value::Sequence(items) => {
                for item in items {
                    yaml_text::item(&mut out, item, column);
                }
                out.drain(..column);
            }
            other => out.push_str(&yaml_text::inline(other, Place::Block)),
        }
        self.broken(out.strip_suffix('\n').unwrap_or(&out))
    }

    /// A text with the line breaks of the document.
    fn broken(&self, text: &str) -> String {
        text.replace('\n', self.editor.newline())
    }

    /// Whether a text is to be written as a block, and can be without touching the lines behind it.
    fn fits_block(&self, text: &str) -> bool {
        yaml_text::fits_literal(text) && !text.ends_with("\n\n")
    }

    /// The column of the content of a block scalar.
    fn block_indent(&self, node: &Node) -> Option<usize> {
        let Data::Scalar(Scalar { style: Style::Literal | Style::Folded, .. }) = &node.data else { return None };
        let text = &self.editor.text[bytes_of(node)];
        let line = text.lines().skip(1).find(|line| !line.trim().is_empty())?;
        Some(line.chars().take_while(|letter| *letter == ' ').count())
    }

    /// A literal block whose content begins at a column. The comment behind the mark of the block that it replaces stays.
    fn block(&self, node: &Node, text: &str, indent: usize) -> String {
        let mut out = String::new();
        yaml_text::literal(&mut out, text, indent);
        let header = self.editor.text[bytes_of(node)].lines().next().unwrap_or("");
        let is_block =
            matches!(&node.data, Data::Scalar(scalar) if matches!(scalar.style, Style::Literal | Style::Folded));
        if let Some(at) = header.find('#').filter(|_| is_block) {
            let blanks = header[..at].len() - header[..at].trim_end().len();
            let mark = out.find('\n').unwrap_or(out.len());
            out.insert_str(mark, header[at - blanks..].trim_end());
        }
        self.broken(out.strip_suffix('\n').unwrap_or(&out))
    }

    /// Adds the missing keys to the node at the end of the way.
    fn add(&self, way: &Way<'_>, value: &Value) -> Result<Replacement, Refused> {
        let Link { node, flow, .. } = way.last();
        let (first, inner) = match way.missing.split_first() {
            Some(split) => split,
            None => return self.refused(Why::Layout, 0),
        };
        let wrap = |value: Value, name: &String| Value::Mapping(Mapping::from_iter([(name.as_str().into(), value)]));
        let value = inner.iter().rev().fold(value.clone(), wrap);
        let span = bytes_of(node);
        if node.is_null() || is_empty(node) {
            return self.replace(way, &wrap(value, first));
        }
        let pair = Mapping::from_iter([(first.as_str().into(), value)]);
        let Data::Mapping(pairs) = &node.data else { return self.refused(Why::Layout, span.start) };
        if *flow || self.editor.is_flow(node) {
            let text = yaml_text::inline(&Value::Mapping(pair), Place::Flow);
            let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(&text).to_owned();
            if !self.editor.is_flow(node) {
                // `[a: 1]` has no braces that a second pair could stand in.
                return self.refused(Why::Layout, span.start);
            }
            let last = self.last_key(node, pairs);
            return self.append_in_brackets(span, last, &text);
        }
        let column = self.editor.column(span.start);
        let mut text = String::new();
        match pair.iter().next() {
            Some((key, value)) if ends_open(value, true) => {
                text = format!("{}: {}", yaml_text::inline(key, Place::Block), yaml_text::inline(value, Place::Block));
            }
            _ => yaml_text::mapping(&mut text, &pair, column),
        }
        let text = self.broken(text.strip_suffix('\n').unwrap_or(&text));
        let pad = " ".repeat(column);
        self.append_line(node, &format!("{pad}{text}"))
    }

    /// Puts lines behind the line on which something ends.
    fn append_line(&self, node: &Node, text: &str) -> Result<Replacement, Refused> {
        let end = bytes_of(node).end;
        let line_end = self.editor.line_end(end);
        if !self.editor.is_blank(end..line_end) {
            return self.refused(Why::Layout, end);
        }
        if self.editor.keeps_blank_lines(node) {
            let at = self.editor.behind_blank_lines(line_end);
            return Ok((at..at, format!("{text}{}", self.editor.newline())));
        }
        Ok((line_end..line_end, format!("{}{text}", self.editor.newline())))
    }

    /// Puts a part behind the last one of a filled collection in brackets. `last` is where the last part begins.
    fn append_in_brackets(&self, span: Range<usize>, last: Option<usize>, text: &str) -> Result<Replacement, Refused> {
        let end = self.editor.masked[..span.end - 1].trim_end().len();
        let comma = self.editor.masked[..end].ends_with(',');
        let own_line = last.filter(|last| {
            let from = self.editor.line_start(*last);
            self.editor.text[from..*last].trim().is_empty() && end < self.editor.line_start(span.end - 1)
        });
        let Some(last) = own_line else {
            let text = if comma { format!(" {text}") } else { format!(", {text}") };
            return Ok((end..end, text));
        };
        let indent = &self.editor.text[self.editor.line_start(last)..last];
        let line_end = self.editor.line_end(end);
        let rest = &self.editor.text[end..line_end];
        let (before, after) = if comma { ("", ",") } else { (",", "") };
        Ok((end..line_end, format!("{before}{rest}{}{indent}{text}{after}", self.editor.newline())))
    }

    fn last_key(&self, node: &Node, pairs: &[(std::sync::Arc<Node>, std::sync::Arc<Node>)]) -> Option<usize> {
        pairs.iter().filter(|(key, _)| self.is_inside(key, node)).map(|(key, _)| start(key)).max()
    }

    fn is_inside(&self, inner: &Node, outer: &Node) -> bool {
        inner.span.start >= outer.span.start && inner.span.end <= outer.span.end
    }

    /// Puts an item into the list at the end of the way.
    fn insert(&self, way: &Way<'_>, at: usize, value: &Value) -> Result<Replacement, Refused> {
        let Link { node, flow, .. } = way.last();
        let span = bytes_of(node);
        if !way.missing.is_empty() || node.is_null() || is_empty(node) {
            let list = Value::Sequence(vec![value.clone()]);
            return if way.missing.is_empty() { self.replace(way, &list) } else { self.add(way, &list) };
        }
        if let Some(tag) = &node.tag {
            return self.refused(Why::Tag(tag.name.clone()), tag.span.start as usize);
        }
        let Data::Sequence(items) = &node.data else { return self.refused(Why::Layout, span.start) };
        if *flow || self.editor.is_flow(node) {
            let text = yaml_text::inline(value, Place::Flow);
            let Some(item) = items.get(at) else {
                let last = items.last().filter(|last| self.is_inside(last, node)).map(|last| start(last));
                return self.append_in_brackets(span, last, &text);
            };
            let before = self.item_start(node, items, at, item)?;
            return Ok((before..before, format!("{text}, ")));
        }
        let column = self.editor.column(span.start);
        let mut text = String::new();
        if ends_open(value, true) {
            text = format!("{}- {}", " ".repeat(column), yaml_text::inline(value, Place::Block));
        } else {
            yaml_text::item(&mut text, value, column);
        }
        let text = self.broken(text.strip_suffix('\n').unwrap_or(&text));
        let Some(item) = items.get(at) else {
            return self.append_line(node, &text);
        };
        let dash = self.dash_before(self.item_start(node, items, at, item)?)?;
        Ok((dash..dash, format!("{}{}{}", text.trim_start(), self.editor.newline(), " ".repeat(column))))
    }

    /// The first byte of an item, which must be written in the list.
    fn item_start(
        &self,
        list: &Node,
        items: &[std::sync::Arc<Node>],
        at: usize,
        item: &Node,
    ) -> Result<usize, Refused> {
        let before = items[..at].iter().filter(|before| self.is_inside(before, list)).map(|item| item.span.end).max();
        if !self.is_inside(item, list) || before.is_some_and(|before| item.span.start < before) {
            return self.refused(Why::Alias, bytes_of(list).start);
        }
        let at = start(item);
        match self.word_before(at) {
            Some(word) if word.starts_with(['&', '!']) => self.refused(Why::Layout, at),
            _ => Ok(at),
        }
    }

    fn dash_before(&self, at: usize) -> Result<usize, Refused> {
        let before = self.editor.masked[..at].trim_end();
        if before.ends_with('-') { Ok(before.len() - 1) } else { self.refused(Why::Layout, at) }
    }

    /// Removes a pair of the mapping at the end of the way.
    fn remove_pair(&self, way: &Way<'_>, name: &str) -> Result<Replacement, Refused> {
        let Link { node, flow, .. } = way.last();
        let span = bytes_of(node);
        if let Some(tag) = &node.tag {
            return self.refused(Why::Tag(tag.name.clone()), tag.span.start as usize);
        }
        let (Data::Mapping(pairs), Some((key, value))) = (&node.data, node.pair(name)) else {
            return self.refused(Why::Layout, span.start);
        };
        if !self.is_inside(key, node) {
            return self.refused(Why::Merged, span.start);
        }
        let from = bytes_of(key).start;
        let end = match value.span.start >= key.span.end && self.is_inside(value, node) {
            true => bytes_of(value).end,
            false => return self.refused(Why::Alias, from),
        };
        self.check_replaceable(value)?;
        if pairs.len() == 1 {
            return self.replace(way, &Value::Mapping(Mapping::new()));
        }
        if *flow || self.editor.is_flow(node) {
            return self.cut_in_brackets(from, end);
        }
        let line = self.editor.line_start(from);
        if self.editor.text[line..from].trim().is_empty() {
            return self.cut_lines(line, end, value);
        }
        // The first pair of an item shares its line with the dash; the next one takes its place.
        let next = pairs.iter().map(|(key, _)| bytes_of(key).start).filter(|at| *at > from && *at < span.end).min();
        let line_end = self.editor.line_end(end);
        match next.filter(|next| line_end < *next && self.editor.is_blank(end..*next)) {
            Some(next) if self.editor.text[line_end..next].trim().is_empty() => Ok((from..next, String::new())),
            Some(_) => self.refused(Why::Comments, from),
            None => self.refused(Why::Layout, from),
        }
    }

    /// Removes an item of the list at the end of the way.
    fn remove_item(&self, way: &Way<'_>, at: usize) -> Result<Replacement, Refused> {
        let Link { node, flow, .. } = way.last();
        let span = bytes_of(node);
        if let Some(tag) = &node.tag {
            return self.refused(Why::Tag(tag.name.clone()), tag.span.start as usize);
        }
        let Data::Sequence(items) = &node.data else { return self.refused(Why::Layout, span.start) };
        let Some(item) = items.get(at) else { return self.refused(Why::Layout, span.start) };
        let from = self.item_start(node, items, at, item)?;
        if items.len() == 1 {
            return self.empty_list(way, item);
        }
        let end = bytes_of(item).end;
        if *flow || self.editor.is_flow(node) {
            return self.cut_in_brackets(from, end);
        }
        let dash = self.dash_before(from)?;
        let line = self.editor.line_start(dash);
        if self.editor.text[line..dash].trim().is_empty() {
            return self.cut_lines(line, end, item);
        }
        self.refused(Why::Layout, from)
    }

    /// An empty list in place of one with a single item. Its comments go with the item.
    fn empty_list(&self, way: &Way<'_>, item: &Node) -> Result<Replacement, Refused> {
        let link = way.last();
        let span = bytes_of(link.node);
        if self.editor.is_flow(link.node) {
            return Ok((span, "[]".to_owned()));
        }
        // Comments between the key and the item stay.
        let from = link.key.as_ref().and_then(|key| self.behind_colon(key.end));
        let line = self.editor.line_start(span.start);
        let end = self.editor.line_end(span.end);
        match from.filter(|from| *from <= line && self.editor.is_blank(*from..span.start)) {
            Some(from) if self.editor.is_blank(bytes_of(item).end..end) => {
                Ok((from..end, format!(" []{}", self.editor.text[from..line].trim_end())))
            }
            _ => self.refused(Why::Layout, span.start),
        }
    }

    /// Removes whole lines, up to the one on which something ends.
    fn cut_lines(&self, line: usize, end: usize, last: &Node) -> Result<Replacement, Refused> {
        let line_end = self.editor.line_end(end);
        if !self.editor.is_blank(end..line_end) {
            return self.refused(Why::Layout, end);
        }
        if self.editor.keeps_blank_lines(last) {
            return Ok((line..self.editor.behind_blank_lines(line_end), String::new()));
        }
        match self.editor.text[line_end..].find('\n') {
            Some(found) => Ok((line..line_end + found + 1, String::new())),
            // The last line of a file without a line break at its end.
            None => Ok((self.editor.text[..line].trim_end_matches(['\n', '\r']).len()..line_end, String::new())),
        }
    }

    /// Removes a part of a collection in brackets, with the comma that goes with it.
    fn cut_in_brackets(&self, from: usize, end: usize) -> Result<Replacement, Refused> {
        let masked = &self.editor.masked;
        let behind = masked[end..].len() - masked[end..].trim_start().len();
        let before = masked[..from].trim_end().len();
        if masked[end + behind..].starts_with(',') {
            let comma = end + behind + 1;
            let line = self.editor.line_start(from);
            let own_line = self.editor.text[line..from].trim().is_empty();
            if own_line && masked[comma..self.editor.line_end(comma)].trim().is_empty() {
                let next = self.editor.text[comma..].find('\n').map_or(comma, |found| comma + found + 1);
                return Ok((line..next, String::new()));
            }
            let blanks = self.editor.text[comma..].len() - self.editor.text[comma..].trim_start_matches(' ').len();
            return Ok((from..comma + blanks, String::new()));
        }
        if masked[..before].ends_with(',') {
            let between = &self.editor.text[before..from];
            if !between.trim().is_empty() {
                return self.refused(Why::Comments, from);
            }
            return Ok((before - 1..end, String::new()));
        }
        self.refused(Why::Layout, from)
    }

    /// The byte behind the colon of a key.
    fn behind_colon(&self, key_end: usize) -> Option<usize> {
        let rest = &self.editor.masked[key_end..];
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        rest[blanks..].starts_with(':').then_some(key_end + blanks + 1)
    }

    /// The word in front of a byte: an anchor or standard tag, if there is one.
    fn word_before(&self, at: usize) -> Option<&str> {
        let before = self.editor.masked[..at].trim_end();
        before.rsplit(|letter: char| letter.is_whitespace() || matches!(letter, '[' | '{' | ',')).next()
    }
}

fn is_empty(node: &Node) -> bool {
    node.tag.is_none()
        && match &node.data {
            Data::Scalar(_) => false,
            Data::Sequence(items) => items.is_empty(),
            Data::Mapping(pairs) => pairs.is_empty(),
        }
}

fn is_filled(value: &Value) -> bool {
    match value {
        Value::Sequence(items) => !items.is_empty(),
        Value::Mapping(pairs) => !pairs.is_empty(),
        _ => false,
    }
}

/// Whether the lines of a value end with a block scalar to which what follows would belong: blank lines, or a comment on
/// the line on which it ends.
fn ends_open(value: &Value, alone: bool) -> bool {
    match value {
        Value::String(text) => yaml_text::fits_literal(text) && (!alone || text.ends_with("\n\n")),
        Value::Sequence(items) => items.last().is_some_and(|last| ends_open(last, alone)),
        Value::Mapping(pairs) => pairs.iter().last().is_some_and(|(_, last)| ends_open(last, alone)),
        _ => false,
    }
}
