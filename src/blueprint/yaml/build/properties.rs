//! Tags and anchors: reading them where they are written, and what they mean.

use std::ops::Range;

use super::{
    super::{TAGS, Tag, cursor::is_name_byte},
    Builder,
};
use crate::base::diagnostic::{Code, nearest};

/// Prefix that `!!` stands for.
const STANDARD: &str = "tag:yaml.org,2002:";
/// Standard tags that have a meaning here, without their `!!`.
const STANDARD_TAGS: &[&str] =
    &["str", "int", "float", "bool", "null", "seq", "map", "timestamp", "binary", "set", "omap", "pairs"];
/// The properties written before a node.
#[derive(Default)]
pub(super) struct Properties {
    pub tag: Option<Meaning>,
    pub tag_range: Range<usize>,
    /// The parser's number of the anchor; 0 if there is none.
    pub anchor: usize,
}

/// What a tag asks for.
pub(super) enum Meaning {
    /// `!`: resolve as if plain.
    NonSpecific,
    /// A `!!` tag, without the marks.
    Standard(&'static str),
    /// A blueprint tag, or an unknown one after its error was reported.
    Blueprint(String),
}

impl Builder<'_, '_> {
    /// Moves over tag and anchor of a node, in whichever order.
    pub(super) fn properties(&mut self, anchor: usize, tag: Option<&saphyr_parser::Tag>) -> Properties {
        let mut found = Properties { anchor, ..Properties::default() };
        let count = usize::from(anchor > 0) + usize::from(tag.is_some());
        for _ in 0..count {
            let Some(range) = self.cursor.take_property(self.in_flow()) else { break };
            if self.cursor.text.as_bytes()[range.start] == b'!' {
                if matches!(self.cursor.byte(), b',' | b'[' | b']' | b'{' | b'}') {
                    let (end, finding) = (range.end, "a tag must be followed by a blank");
                    let finding = self
                        .error(Code::YAML_SYNTAX, finding, range.start..end + 1, "YAML 1.1 reads on to the next blank")
                        .fix("insert a blank", self.span(end..end), " ");
                    self.report(finding);
                }
                found.tag_range = range;
            } else {
                self.anchor_name(range);
            }
        }
        found.tag = tag.map(|tag| self.meaning(format!("{}{}", tag.handle, tag.suffix), found.tag_range.clone()));
        found
    }

    fn anchor_name(&mut self, range: Range<usize>) {
        let text = self.cursor.text;
        let name = &text[range.start + 1..range.end];
        if let Some(first) = self.anchor_names.get(name).cloned() {
            let finding = self
                .error(Code::YAML_ANCHOR, format!("the anchor `&{name}` is defined twice"), range, "second definition")
                .at(self.span(first), "first definition")
                .help("Give each anchor its own name.");
            self.report(finding);
            return;
        }
        self.check_name(range.clone());
        self.anchor_names.insert(name, range);
    }

    /// YAML 1.1 names of anchors are letters, digits, `-` and `_`.
    pub(super) fn check_name(&mut self, range: Range<usize>) {
        let name = &self.cursor.text[range.start + 1..range.end];
        let next = self.cursor.text.as_bytes().get(range.end);
        if !matches!(next, Some(b'[' | b'{')) && name.bytes().all(is_name_byte) {
            return;
        }
        let finding = self
            .error(
                Code::YAML_SYNTAX,
                "the name of an anchor is made of ASCII letters, digits, `-` and `_`, then a blank",
                range,
                "",
            )
            .help("Rename the anchor, or put the value in quotes if the mark belongs to it.");
        self.report(finding);
    }

    fn meaning(&mut self, full: String, range: Range<usize>) -> Meaning {
        if full == "!" {
            return Meaning::NonSpecific;
        }
        let standard = full.strip_prefix(STANDARD);
        if let Some(tag) = standard.and_then(|name| STANDARD_TAGS.iter().find(|tag| **tag == name)) {
            return Meaning::Standard(tag);
        }
        if !TAGS.contains(&full.as_str()) {
            let shown = standard.map_or_else(|| full.clone(), |name| format!("!!{name}"));
            let mut finding = self.error(Code::YAML_TAG, format!("unknown tag `{shown}`"), range.clone(), "");
            let near = match standard {
                Some(name) => nearest(name, STANDARD_TAGS.iter().copied()).map(|tag| format!("!!{tag}")),
                None => nearest(&full, TAGS.iter().copied()).map(str::to_owned),
            };
            finding = match near {
                Some(near) => finding.help(format!("Did you mean `{near}`?")).fix(
                    format!("replace the tag by `{near}`"),
                    self.span(range),
                    near,
                ),
                None if standard.is_some() => finding.help("Remove the tag."),
                None => finding.help(format!("The tags of blueprints are {}.", TAGS.join(", "))),
            };
            self.report(finding);
        }
        Meaning::Blueprint(full)
    }

    pub(super) fn blueprint_tag(&self, properties: &Properties) -> Option<Tag> {
        match &properties.tag {
            Some(Meaning::Blueprint(name)) => {
                Some(Tag { name: name.clone(), span: self.span(properties.tag_range.clone()) })
            }
            _ => None,
        }
    }
}
