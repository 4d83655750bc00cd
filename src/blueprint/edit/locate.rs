//! From a path to the place where a value is written, if it is written there.

use std::{ops::Range, sync::Arc};

use super::{
    super::yaml::{Data, Node, Style},
    Editor, Refused, Step, Why,
};

/// The way to a place: the nodes passed, and the steps that lead on where nothing is written yet.
pub struct Way<'e> {
    /// The root and each node on the way, the last one being the place itself or the deepest above it.
    pub nodes: Vec<Link<'e>>,
    /// Keys that do not exist, from the last node on.
    pub missing: Vec<String>,
}

/// A node with the key that leads to it.
#[derive(Clone)]
pub struct Link<'e> {
    /// The node.
    pub node: &'e Arc<Node>,
    /// The bytes of its key, for values of mappings.
    pub key: Option<Range<usize>>,
    /// Whether brackets or braces are around it.
    pub flow: bool,
}

impl<'e> Way<'e> {
    /// The last node.
    pub fn last(&self) -> &Link<'e> {
        // There is always the root.
        &self.nodes[self.nodes.len() - 1]
    }

    /// The node around the last one.
    pub fn above(&self) -> Option<&Link<'e>> {
        self.nodes.len().checked_sub(2).map(|at| &self.nodes[at])
    }
}

impl Editor {
    /// Follows a path. Only the last nodes may be missing, and only as keys.
    pub fn locate(&self, path: &[Step]) -> Result<Way<'_>, Refused> {
        let mut way = Way { nodes: vec![Link { node: &self.root, key: None, flow: false }], missing: Vec::new() };
        for (at, step) in path.iter().enumerate() {
            let link = way.last().clone();
            let (node, start) = (link.node, link.node.span.start as usize);
            let refused = |why| Refused { why, at: start };
            if let Some(tag) = &node.tag {
                return Err(Refused { why: Why::Tag(tag.name.clone()), at: tag.span.start as usize });
            }
            let flow = link.flow || self.is_flow(node);
            let next = match (step, &node.data) {
                (Step::Key(_), Data::Scalar(_)) if node.is_null() => None,
                (Step::Key(name), Data::Mapping(_)) => match node.pair(name) {
                    None => None,
                    Some((key, _)) if !self.within(key, node, start) => return Err(refused(Why::Merged)),
                    Some((key, value)) => {
                        let key = bytes(key);
                        if !self.within(value, node, key.end) {
                            return Err(Refused { why: Why::Alias, at: key.start });
                        }
                        Some(Link { node: value, key: Some(key), flow })
                    }
                },
                (Step::Index(index), Data::Sequence(items)) => {
                    let item = items.get(*index).ok_or_else(|| refused(Why::Layout))?;
                    let from = self.written_before(node, items, *index);
                    if !self.within(item, node, from) {
                        return Err(Refused { why: Why::Alias, at: from });
                    }
                    Some(Link { node: item, key: None, flow })
                }
                _ => return Err(refused(Why::Layout)),
            };
            match next {
                Some(link) => way.nodes.push(link),
                None => {
                    let rest = path[at..].iter().map(|step| match step {
                        Step::Key(name) => Ok(name.clone()),
                        Step::Index(_) => Err(refused(Why::Layout)),
                    });
                    way.missing = rest.collect::<Result<_, _>>()?;
                    break;
                }
            }
        }
        Ok(way)
    }

    /// Whether a node is written inside another one, from some byte on, and is no alias or merged pair.
    fn within(&self, inner: &Node, outer: &Node, from: usize) -> bool {
        let inner = bytes(inner);
        inner.start >= from && inner.end <= outer.span.end as usize
    }

    /// The end of the last item before an index that is written in the list.
    fn written_before(&self, list: &Node, items: &[Arc<Node>], index: usize) -> usize {
        let mut from = list.span.start as usize;
        for item in &items[..index] {
            if self.within(item, list, from) {
                from = item.span.end as usize;
            }
        }
        // The bracket or dash comes first.
        if index == 0 { from + 1 } else { from }
    }

    /// Whether a collection is in brackets or braces.
    pub fn is_flow(&self, node: &Node) -> bool {
        let text = &self.text[bytes(node)];
        match &node.data {
            Data::Sequence(_) => text.starts_with('[') && text.ends_with(']'),
            // A key in braces may begin a block mapping.
            Data::Mapping(pairs) => {
                let first = pairs.iter().map(|(key, _)| bytes(key).start).filter(|at| *at >= bytes(node).start).min();
                text.starts_with('{') && text.ends_with('}') && first != Some(bytes(node).start)
            }
            Data::Scalar(_) => false,
        }
    }

    /// The column of a byte, in characters.
    pub fn column(&self, at: usize) -> usize {
        self.text[self.line_start(at)..at].chars().count()
    }

    /// The first byte of the line.
    pub fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |found| found + 1)
    }

    /// The byte behind the line, its break not included.
    pub fn line_end(&self, at: usize) -> usize {
        let end = self.text[at..].find('\n').map_or(self.text.len(), |found| at + found);
        if self.text[at..end].ends_with('\r') { end - 1 } else { end }
    }

    /// The line break of the document.
    pub fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    /// Whether nothing follows on the line.
    pub fn is_last_on_line(&self, at: usize) -> bool {
        self.text[at..self.line_end(at)].trim().is_empty()
    }

    /// Whether nothing but comments stands in some bytes.
    pub fn is_blank(&self, range: Range<usize>) -> bool {
        self.masked[range].trim().is_empty()
    }

    /// Whether a node ends with a block scalar that keeps the blank lines behind it, which then belong to its value.
    pub fn keeps_blank_lines(&self, node: &Node) -> bool {
        let end = node.span.end;
        let inner = |inner: &Arc<Node>| inner.span.end == end && self.keeps_blank_lines(inner);
        match &node.data {
            Data::Sequence(items) => items.iter().any(inner),
            Data::Mapping(pairs) => pairs.iter().any(|(_, value)| inner(value)),
            Data::Scalar(scalar) => {
                let header = self.masked[bytes(node)].lines().next().unwrap_or("");
                matches!(scalar.style, Style::Literal | Style::Folded) && header.contains('+')
            }
        }
    }

    /// The byte behind the blank lines that follow the end of a line.
    pub fn behind_blank_lines(&self, line_end: usize) -> usize {
        let mut at = line_end;
        while let Some(found) = self.text[at..].find('\n') {
            let next = at + found + 1;
            if !self.text[at..next].trim().is_empty() {
                break;
            }
            at = next;
        }
        at
    }
}

/// The bytes of a node's content.
pub fn bytes(node: &Node) -> Range<usize> {
    node.span.start as usize..node.span.end as usize
}

/// The first byte of a node with its tag.
pub fn start(node: &Node) -> usize {
    node.tag.as_ref().map_or(node.span.start, |tag| tag.span.start.min(node.span.start)) as usize
}
