//! From parser events to the tree.

mod mapping;
mod properties;

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

use properties::{Meaning, Properties};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use super::{
    Data, Limits, Node, Scalar, Style, Value,
    cursor::Cursor,
    feed::{Feed, Probe, Stop},
    resolve::{self, Implicit},
    syntax,
};
use crate::base::{
    diagnostic::{Code, Diagnostic, FileId, Span, codes, nearest},
    text::shorten,
};

/// Longest implicit key, in characters from its start to the colon.
const MAX_KEY: usize = 1024;
/// Warnings, and errors, reported for one document; a file with more repeats itself.
const MAX_FINDINGS: usize = 200;
/// Characters of a text that a message shows.
const MAX_SHOWN: usize = 60;
/// Keys up to this length are kept once for the whole document.
const MAX_INTERNED: usize = 40;

/// Reads `text`; the second result is the comments passed on the way.
pub(super) fn build(
    file: FileId,
    text: &str,
    limits: &Limits,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Option<Arc<Node>>, Vec<Span>) {
    let body = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut builder = Builder {
        cursor: Cursor::new(body),
        offset: text.len() - body.len(),
        file,
        limits,
        diagnostics,
        failed: false,
        reported: [0; 2],
        stack: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        anchor_names: HashMap::new(),
        nodes: 0,
        expanded: 0,
        interned: HashSet::new(),
        empty: Arc::from(""),
    };
    let finished = builder.read(body);
    builder.report_tab();
    let comments = std::mem::take(&mut builder.cursor.comments);
    let comments = comments.into_iter().map(|range| builder.span(range)).collect();
    let complete = finished.is_some() && !builder.failed;
    (builder.root.take().filter(|_| complete), comments)
}

/// A node on its way into its parent.
#[derive(Clone)]
struct Finished {
    node: Arc<Node>,
    /// Nodes it consists of with aliases replaced.
    weight: usize,
    /// Levels of collections in it.
    height: usize,
}

/// A collection that is still open.
struct Frame {
    mapping: bool,
    flow: bool,
    /// A `key: value` inside `[ ]` without braces.
    single_pair: bool,
    start: usize,
    /// Column of a block collection, which its block scalars count their indentation from.
    column: isize,
    properties: Properties,
    /// Items of a list; keys and values in turn of a mapping.
    items: Vec<Arc<Node>>,
    /// Positions of merge keys in `items`.
    merges: Vec<usize>,
    /// Start of the current key, and whether a `?` announced it.
    key: (usize, bool),
    weight: usize,
    height: usize,
}

impl Frame {
    fn awaits_key(&self) -> bool {
        self.mapping && self.items.len().is_multiple_of(2)
    }
}

struct Builder<'a, 'd> {
    cursor: Cursor<'a>,
    /// Bytes of the mark before the text.
    offset: usize,
    file: FileId,
    limits: &'d Limits,
    diagnostics: &'d mut Vec<Diagnostic>,
    failed: bool,
    /// Warnings and errors so far.
    reported: [usize; 2],
    stack: Vec<Frame>,
    root: Option<Arc<Node>>,
    anchors: HashMap<usize, Finished>,
    anchor_names: HashMap<&'a str, Range<usize>>,
    nodes: usize,
    expanded: usize,
    interned: HashSet<Arc<str>>,
    empty: Arc<str>,
}

impl<'a> Builder<'a, '_> {
    /// Consumes all events. `None` after a finding that makes going on pointless.
    fn read(&mut self, text: &'a str) -> Option<()> {
        let probe = Probe::default();
        let feed = Feed::new(text, &probe, self.limits.depth, self.limits.nodes.saturating_mul(2));
        let mut parser = Parser::new(feed);
        let mut documents = 0;
        loop {
            let next = parser.next_event();
            if let Some((at, stop)) = probe.stopped.get() {
                return match stop {
                    Stop::Depth => self.too_deep(at..at + 1),
                    Stop::Nodes => self.too_many_nodes(at),
                };
            }
            match next {
                None => break,
                Some(Err(error)) => self.scan_error(&error, text, &probe)?,
                Some(Ok((Event::DocumentStart(_), span))) => {
                    documents += 1;
                    if documents > 1 {
                        return self.second_document(probe.byte(text, span.start.index()));
                    }
                }
                Some(Ok((event, span))) => {
                    let end = |index| probe.byte(text, index);
                    self.event(event, span, end)?;
                }
            }
        }
        if documents == 0 {
            self.prologue();
            self.root = Some(self.null(self.cursor.end).node);
        }
        self.leftover();
        Some(())
    }

    /// Checks that nothing but the end marker follows the root. The parser lets a block scalar at the root have lines
    /// that are not indented, YAML 1.1 does not.
    fn leftover(&mut self) {
        self.cursor.skip_blank();
        let rest = &self.cursor.text[self.cursor.at..];
        let ends = rest.strip_prefix("...").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\n', '\r']));
        if rest.is_empty() || ends {
            return;
        }
        let range = self.cursor.at..self.cursor.line_end(self.cursor.at);
        let finding = self.error(Code::YAML_SYNTAX, "text behind the end of the document", range, "");
        self.report(finding.help("Indent the lines of a `|` or `>` block."));
    }

    fn event(&mut self, event: Event, span: saphyr_parser::Span, byte: impl Fn(usize) -> usize) -> Option<()> {
        match event {
            Event::Alias(id) => {
                self.lead_in(false);
                let found = self.alias_token();
                self.alias(id, found)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let empty = style == ScalarStyle::Plain && text.is_empty();
                let bare = anchor == 0 && tag.is_none();
                let place = self.lead_in(empty && bare);
                let properties = self.properties(anchor, tag.as_deref());
                let finished = if empty {
                    self.scalar(
                        if bare { place..place } else { self.cursor.end..self.cursor.end },
                        Style::Plain,
                        "",
                        &properties,
                    )
                } else {
                    self.cursor.skip_blank();
                    let start = self.cursor.at;
                    match style {
                        ScalarStyle::Plain => {
                            let end = byte(span.end.index());
                            self.cursor.pass(end);
                            self.check_plain(start..end);
                            self.scalar(start..end, Style::Plain, &text, &properties)
                        }
                        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                            let end = self.cursor.quoted_end();
                            self.cursor.pass(end);
                            let style = if style == ScalarStyle::SingleQuoted { Style::Single } else { Style::Double };
                            self.scalar(start..end, style, &text, &properties)
                        }
                        ScalarStyle::Literal | ScalarStyle::Folded => {
                            let parent = self.stack.last().map_or(-1, |frame| frame.column);
                            let (range, content) = self.cursor.block_scalar(parent);
                            let style = if style == ScalarStyle::Literal { Style::Literal } else { Style::Folded };
                            self.scalar(range, style, &content, &properties)
                        }
                    }
                };
                self.attach(finished, anchor)
            }
            Event::SequenceStart(anchor, tag) => self.open(false, anchor, tag.as_deref(), byte(span.end.index())),
            Event::MappingStart(anchor, tag) => self.open(true, anchor, tag.as_deref(), byte(span.end.index())),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => Some(()),
        }
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.file, range.start + self.offset, range.end + self.offset)
    }

    fn report(&mut self, finding: Diagnostic) {
        self.failed |= finding.is_error();
        let reported = &mut self.reported[usize::from(finding.is_error())];
        *reported += 1;
        if *reported <= MAX_FINDINGS {
            self.diagnostics.push(finding);
        }
    }

    fn error(&self, code: codes::Code, message: impl Into<String>, range: Range<usize>, label: &str) -> Diagnostic {
        Diagnostic::new(code, message).at(self.span(range), label)
    }

    fn prologue(&mut self) {
        if let Err((range, message)) = self.cursor.skip_prologue() {
            let finding = self.error(Code::YAML_SYNTAX, message, range.clone(), "");
            self.report(finding);
            self.cursor.pass(range.end);
        }
    }

    /// Moves over the indicators before the next node and returns where the node is if nothing is written for it.
    fn lead_in(&mut self, unwritten: bool) -> usize {
        let Some(frame) = self.stack.last_mut() else {
            self.prologue();
            return self.cursor.end;
        };
        let cursor = &mut self.cursor;
        if frame.awaits_key() {
            if frame.flow && !frame.single_pair {
                cursor.take(b',', false);
            }
            let explicit = cursor.take(b'?', true).is_some();
            cursor.skip_blank();
            let at = cursor.at;
            frame.key = (at, explicit);
            if unwritten && !explicit {
                let finding = self.error(Code::YAML_SYNTAX, "a `:` without a key before it", at..at + 1, "");
                self.report(finding.help("Write the key, or put the value in quotes if the colon belongs to it."));
            }
        } else if frame.mapping {
            let (start, explicit) = frame.key;
            let colon = cursor.take(b':', !frame.flow);
            if let Some(colon) = colon.filter(|_| !explicit) {
                self.check_key(start, colon);
            }
        } else {
            let (indicator, spaced) = if frame.flow { (b',', false) } else { (b'-', true) };
            cursor.take(indicator, spaced);
        }
        self.cursor.end
    }

    fn check_key(&mut self, start: usize, colon: usize) {
        let key = &self.cursor.text[start..colon];
        if !key.contains(['\n', '\r']) && (key.len() <= MAX_KEY || key.chars().count() <= MAX_KEY) {
            return;
        }
        let end = self.cursor.line_end(start).min(colon);
        let message = "a key and its `:` must be on one line of at most 1024 characters";
        let finding = self.error(Code::YAML_SYNTAX, message, start..end, "this key");
        self.report(finding.help("Shorten the key, or write `? ` before it."));
    }

    fn in_flow(&self) -> bool {
        self.stack.last().is_some_and(|frame| frame.flow)
    }

    /// Findings about a plain scalar that the YAML 1.2 scanner accepts.
    fn check_plain(&mut self, range: Range<usize>) {
        let raw = &self.cursor.text[range.clone()];
        if let Some(at) = raw.find('\t') {
            self.cursor.tab.get_or_insert(range.start + at);
        }
        if !self.in_flow() {
            return;
        }
        let bad_start = raw.starts_with(['|', '>', ':']);
        if let Some(at) = raw.find('?').or(bad_start.then_some(0)) {
            let mark = &raw[at..at + 1];
            let message = format!(
                "an unquoted value inside [ ] or {{ }} cannot {} `{mark}`",
                if at == 0 { "begin with" } else { "contain" }
            );
            let mut finding =
                self.error(Code::YAML_SYNTAX, message, range.clone(), "").help("Put the value in quotes.");
            if let Some(quoted) = syntax::quoted(raw) {
                finding = finding.fix("put the value in quotes", self.span(range), quoted);
            }
            self.report(finding);
        }
    }

    fn shared_text(&mut self, text: &str) -> Arc<str> {
        if text.is_empty() {
            return self.empty.clone();
        }
        if text.len() > MAX_INTERNED || !self.stack.last().is_some_and(Frame::awaits_key) {
            return Arc::from(text);
        }
        if let Some(known) = self.interned.get(text) {
            return known.clone();
        }
        let new: Arc<str> = Arc::from(text);
        self.interned.insert(new.clone());
        new
    }

    fn null(&self, at: usize) -> Finished {
        let data =
            Data::Scalar(Scalar { text: self.empty.clone(), style: Style::Plain, value: Value::Null, secret: false });
        let node = Arc::new(Node { span: self.span(at..at), tag: None, data });
        Finished { node, weight: 1, height: 0 }
    }

    fn scalar(&mut self, range: Range<usize>, style: Style, text: &str, properties: &Properties) -> Finished {
        let value = match &properties.tag {
            None if style == Style::Plain => self.implicit(text, range.clone()),
            Some(Meaning::NonSpecific) => self.implicit(text, range.clone()),
            None | Some(Meaning::Blueprint(_)) => Value::Text,
            Some(Meaning::Standard(tag)) => match resolve::explicit(tag, text) {
                Some(Ok(value)) => value,
                Some(Err(why)) => self.broken(format!("this is no value for `!!{tag}`: {why}"), range.clone(), None),
                None => self.wrong_data(tag, "a scalar", range.clone()),
            },
        };
        let data = Data::Scalar(Scalar { text: self.shared_text(text), style, value, secret: false });
        let node = Arc::new(Node { span: self.span(range), tag: self.blueprint_tag(properties), data });
        Finished { node, weight: 1, height: 0 }
    }

    fn implicit(&mut self, text: &str, range: Range<usize>) -> Value {
        let key = self.stack.last().is_some_and(Frame::awaits_key);
        match resolve::implicit(text) {
            Implicit::Value(value) => value,
            Implicit::Merge if key => {
                if let Some(frame) = self.stack.last_mut() {
                    frame.merges.push(frame.items.len());
                }
                Value::Text
            }
            Implicit::Equals if key => Value::Text,
            Implicit::Merge => self.broken("`<<` has a meaning as a key only".into(), range, Some(text)),
            Implicit::Equals => self.broken("an unquoted `=` has no value in YAML 1.1".into(), range, Some(text)),
            Implicit::Broken(why) => {
                self.broken(format!("`{}` has no value: {why}", shorten(text, MAX_SHOWN)), range, Some(text))
            }
        }
    }

    /// Reports a scalar without value; `plain` is its text if quotes would make it text.
    fn broken(&mut self, message: String, range: Range<usize>, plain: Option<&str>) -> Value {
        let mut finding = self.error(Code::YAML_SCALAR, message, range.clone(), "");
        if let Some(quoted) = plain.and_then(syntax::quoted) {
            finding = finding.help("Put it in quotes if it is meant as text.").fix(
                "put the value in quotes",
                self.span(range),
                quoted,
            );
        }
        self.report(finding);
        Value::Null
    }

    fn wrong_data(&mut self, tag: &str, what: &str, range: Range<usize>) -> Value {
        let finding = self.error(Code::YAML_SCALAR, format!("`!!{tag}` does not go with {what}"), range, "");
        self.report(finding);
        Value::Null
    }

    fn alias_token(&mut self) -> Range<usize> {
        let found = self.cursor.take_property(self.in_flow());
        found.unwrap_or(self.cursor.at..self.cursor.at)
    }

    fn alias(&mut self, id: usize, range: Range<usize>) -> Option<()> {
        if !range.is_empty() {
            self.check_name(range.clone());
        }
        let name = self.cursor.text[range.clone()].to_owned();
        let Some(target) = self.anchors.get(&id).cloned() else {
            let finding = self
                .error(
                    Code::YAML_ALIAS,
                    format!("`{name}` stands inside the collection that it names"),
                    range.clone(),
                    "",
                )
                .help("A document cannot contain itself.");
            self.report(finding);
            let null = self.null(range.start);
            return self.attach(null, 0);
        };
        if self.stack.len() + target.height > self.limits.depth {
            return self.too_deep(range);
        }
        self.expanded = self.expanded.saturating_add(target.weight);
        if self.expanded > self.limits.expansion {
            return self.too_expanded(range);
        }
        self.attach(target, 0)
    }

    /// Puts a node into the innermost open collection and remembers it under its anchor.
    fn attach(&mut self, finished: Finished, anchor: usize) -> Option<()> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return self.too_many_nodes(self.cursor.at);
        }
        if anchor > 0 {
            self.anchors.insert(anchor, finished.clone());
        }
        match self.stack.last_mut() {
            Some(frame) => {
                frame.weight = frame.weight.saturating_add(finished.weight);
                frame.height = frame.height.max(finished.height);
                frame.items.push(finished.node);
            }
            None => self.root = Some(finished.node),
        }
        Some(())
    }

    /// Opens a collection; `token_end` is where the parser saw its opening token end.
    fn open(&mut self, mapping: bool, anchor: usize, tag: Option<&saphyr_parser::Tag>, token_end: usize) -> Option<()> {
        self.lead_in(false);
        let properties = self.properties(anchor, tag);
        self.cursor.skip_blank();
        let start = self.cursor.at;
        // A block mapping or the mapping of `[a: b]` may also start at a bracket, that of its first key, but it has no
        // token of its own.
        let bracket = self.cursor.byte() == if mapping { b'{' } else { b'[' } && token_end > start;
        let flow = bracket || self.in_flow();
        let single_pair = flow && !bracket;
        if self.stack.len() >= self.limits.depth {
            return self.too_deep(start..start + 1);
        }
        let column = if flow { -1 } else { self.cursor.column(start) as isize };
        if flow && !single_pair {
            self.cursor.pass(start + 1);
        }
        self.stack.push(Frame {
            mapping,
            flow,
            single_pair,
            start,
            column,
            properties,
            items: Vec::new(),
            merges: Vec::new(),
            key: (start, false),
            weight: 1,
            height: 0,
        });
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        let Some(mut frame) = self.stack.pop() else { return Some(()) };
        if frame.flow && !frame.single_pair {
            self.cursor.take(b',', false);
            self.cursor.take(if frame.mapping { b'}' } else { b']' }, false);
        }
        let range = frame.start..self.cursor.end.max(frame.start);
        let mut data =
            if frame.mapping { self.mapping(&mut frame)? } else { Data::Sequence(std::mem::take(&mut frame.items)) };
        if let Some(Meaning::Standard(tag)) = frame.properties.tag {
            data = self.standard_collection(tag, data, range.clone());
        }
        let node = Arc::new(Node { span: self.span(range), tag: self.blueprint_tag(&frame.properties), data });
        let finished = Finished { node, weight: frame.weight, height: frame.height + 1 };
        self.attach(finished, frame.properties.anchor)
    }

    fn report_tab(&mut self) {
        if let Some(at) = self.cursor.tab.take() {
            let finding = syntax::tab(self.span(at..at + 1), self.cursor.line_start(at), at, self.cursor.text);
            self.report(finding);
        }
    }

    fn scan_error(&mut self, error: &ScanError, text: &str, probe: &Probe) -> Option<()> {
        if error.info() == syntax::UNKNOWN_ANCHOR {
            // The parser has consumed the alias and can go on.
            self.lead_in(false);
            let range = self.alias_token();
            let name = &self.cursor.text[range.clone()];
            let known: Vec<&str> = self.anchor_names.keys().copied().collect();
            let mut finding =
                self.error(Code::YAML_ALIAS, format!("`{name}` has no anchor before it"), range.clone(), "");
            finding = match nearest(name.trim_start_matches('*'), known) {
                Some(near) => finding.help(format!("Did you mean `*{near}`?")),
                None => finding.help("Put the value in quotes if the asterisk belongs to it."),
            };
            self.report(finding);
            let null = self.null(range.start);
            return self.attach(null, 0);
        }
        let at = probe.byte(text, error.marker().index());
        let open = self.stack.iter().rev().find(|frame| frame.flow && !frame.single_pair).map(|frame| frame.start);
        let finding = syntax::explain(error.info(), text, at, open, |range| self.span(range));
        let tab_on_line = self.cursor.tab.is_some_and(|tab| self.cursor.line_start(tab) == self.cursor.line_start(at));
        if !tab_on_line {
            self.report(finding);
        }
        self.failed = true;
        None
    }

    fn second_document(&mut self, at: usize) -> Option<()> {
        let range = at..self.cursor.line_end(at);
        let finding = self
            .error(Code::YAML_DOCUMENTS, "a blueprint is one YAML document, here a second one begins", range, "")
            .help("Move what follows into a file of its own.");
        self.report(finding);
        None
    }

    fn too_deep(&mut self, range: Range<usize>) -> Option<()> {
        let message = format!("more than {} collections inside each other", self.limits.depth);
        let finding = self.error(Code::YAML_BUDGET, message, range, "");
        self.report(finding);
        None
    }

    fn too_many_nodes(&mut self, at: usize) -> Option<()> {
        let message = format!("the document has more than {} values", self.limits.nodes);
        let finding = self.error(Code::YAML_BUDGET, message, at..at, "").help("Split the file.");
        self.report(finding);
        None
    }

    fn too_expanded(&mut self, range: Range<usize>) -> Option<()> {
        let message =
            format!("aliases and merge keys multiply the document by more than {} values", self.limits.expansion);
        let finding = self.error(Code::YAML_BUDGET, message, range, "with this one the limit is passed");
        self.report(finding);
        None
    }
}
