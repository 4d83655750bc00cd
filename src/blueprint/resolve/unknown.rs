//! Findings about names that nobody knows, with what may be meant.

use std::sync::Arc;

use super::{super::document::Pair, Resolver};
use crate::{
    base::diagnostic::{Code, Diagnostic, Span, nearest},
    model::{KindInfo, Registry},
};

impl Resolver<'_> {
    /// The finding about an id that no entry of the document has.
    pub(super) fn unknown_id(&self, document: usize, id: &str, span: Span) -> Diagnostic {
        let known: Vec<(Arc<str>, Span)> =
            self.documents[document].entries.iter().filter_map(|entry| entry.id.clone()).collect();
        let finding = Diagnostic::new(Code::KEY_OF_UNKNOWN, format!("no entry of this document has the id `{id}`"))
            .at(span, "unknown id");
        let Some(meant) = nearest(id, known.iter().map(|(id, _)| &**id)) else {
            return finding
                .help("give the entry an `id`, or use !Find for an object of another document or of the database");
        };
        let finding = finding.help(format!("did you mean `{meant}`?")).fix(format!("use `{meant}`"), span, meant);
        // Several ids may be as near, and the slip may be in any of them.
        let distance = |known: &str| strsim::damerau_levenshtein(id, known);
        let near = known.iter().filter(|(known, _)| &**known == meant || distance(known) <= distance(meant));
        near.take(3).fold(finding, |finding, (_, there)| finding.at(*there, "a similar id is given here"))
    }

    pub(super) fn unknown_identifier(&mut self, info: &KindInfo, pair: &Pair, part: &str, meant: Option<String>) {
        let mut finding = Diagnostic::new(Code::IDENTIFIER_FIELD, format!("`{part}` is not a field of {}", info.name))
            .at(pair.key_span, "unknown field");
        match meant {
            Some(meant) => {
                finding = finding.help(format!("did you mean `{meant}`?"));
                if part == &*pair.key {
                    finding = finding.fix(format!("rename it to `{meant}`"), pair.key_span, meant);
                }
            }
            None => {
                let names: Vec<&str> = info.fields.keys().map(String::as_str).collect();
                finding = finding.help(format!("the fields are {}", names.join(", ")));
            }
        }
        self.found.push(finding);
    }
}

/// The finding about a part of a condition's path that no kind knows.
pub(super) fn unknown_condition(model: &str, path: &str, part: &str, meant: Option<String>, span: Span) -> Diagnostic {
    let mut finding = Diagnostic::new(Code::FIND_FIELD, format!("`{part}` is not a field of {model}")).at(span, "");
    if let Some(meant) = meant {
        finding = finding.help(format!("did you mean `{meant}`?"));
        if part == path {
            finding = finding.fix(format!("use `{meant}`"), span, meant);
        }
    }
    finding
}

/// The finding about a kind name that nobody knows.
pub fn unknown_kind(registry: &Registry, name: &str, span: Span, literal: bool) -> Diagnostic {
    let mut finding =
        Diagnostic::new(Code::UNKNOWN_KIND, format!("there is no kind `{name}`")).at(span, "unknown kind");
    match registry.nearest(name) {
        Some(meant) => {
            finding = finding.help(format!("did you mean `{meant}`?"));
            if literal {
                finding = finding.fix(format!("use `{meant}`"), span, meant);
            }
        }
        None => finding = finding.help("`gatewright schema --list` names all kinds"),
    }
    finding
}

/// The finding about a kind name of another release, if it is one. Only a literal name can be corrected.
pub(super) fn renamed_kind(registry: &Registry, name: &str, span: Span, literal: bool) -> Option<Diagnostic> {
    let info = registry.find(name).filter(|info| info.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name)))?;
    let finding = Diagnostic::new(Code::RENAMED_KIND, format!("`{name}` is called `{}` now", info.name))
        .at(span, "name of another release");
    Some(if literal { finding.fix(format!("use `{}`", info.name), span, info.name) } else { finding })
}
