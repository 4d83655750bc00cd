//! Entries that apply another blueprint (spec blueprints §11): which document they mean, and circles among them.
//!
//! All documents of a run are planned together, so applying another one means no more than that it is there. What an
//! entry means is decided when it is resolved; the order of the documents, which only breaks ties, follows from
//! the entries that need no resolving.

use super::{
    document::{Document, Entry},
    value::Val,
    yaml::{Data, Node},
};
use crate::{
    base::diagnostic::{Code, Diagnostic, Severity, Span, nearest},
    model::Model,
};

/// The kind of these entries.
const KIND: &str = "authentik_blueprints.metaapplyblueprint";
/// Fields by which a blueprint is found.
const FIELDS: [&str; 2] = ["name", "path"];

/// Fields and values by which a blueprint is found.
type Wanted = Vec<(String, String)>;

/// One document applies another: positions of both, and where it says so.
pub type Application = (usize, usize, Span);

/// What the entries of all documents apply, as far as that can be told without resolving anything.
pub fn literal(documents: &[Document]) -> Vec<Application> {
    let mut applications = Vec::new();
    for (at, document) in documents.iter().enumerate() {
        for entry in &document.entries {
            let is_meta = matches!(&entry.model.data, Data::Scalar(scalar) if scalar.text.eq_ignore_ascii_case(KIND));
            if !is_meta {
                continue;
            }
            let identifiers = entry.attrs.iter().find(|pair| &*pair.key == "identifiers");
            let wanted = identifiers.and_then(|pair| wanted(&Val::literal(&pair.value)?));
            if let Some(child) = wanted.and_then(|wanted| find(documents, &wanted)) {
                applications.push((at, child, entry.model.span));
            }
        }
    }
    applications
}

/// Judges an entry whose attributes, in their order, came to `values`; gives the document that it applies.
pub fn judge(
    documents: &[Document],
    model: &Model,
    entry: &Entry,
    values: &[Val],
    found: &mut Vec<Diagnostic>,
) -> Option<usize> {
    found.extend(entry.state.as_deref().and_then(judge_state));
    let mut required = true;
    let mut identifiers = None;
    for (pair, value) in entry.attrs.iter().zip(values) {
        match (&*pair.key, value.peel()) {
            (_, Val::Unknown) => return None,
            ("required", Val::Bool(truth)) => required = *truth,
            ("required", _) => found
                .push(Diagnostic::new(Code::WRONG_TYPE, "`required` must be true or false").at(pair.value.span, "")),
            ("identifiers", value) if value.is_unknown() => return None,
            ("identifiers", value) => match wanted(value) {
                Some(wanted) => identifiers = Some((pair, wanted)),
                None => {
                    found.push(
                        Diagnostic::new(
                            Code::WRONG_TYPE,
                            "`identifiers` must be a mapping such as `name: …` or `path: …`",
                        )
                        .at(pair.value.span, ""),
                    );
                    return None;
                }
            },
            (other, _) => {
                let mut finding = Diagnostic::new(Code::UNKNOWN_FIELD, format!("{KIND} has no attribute `{other}`"))
                    .at(pair.key_span, "unknown attribute");
                if let Some(meant) = nearest(other, ["identifiers", "required"]) {
                    finding = finding.help(format!("did you mean `{meant}`?")).fix(
                        format!("rename it to `{meant}`"),
                        pair.key_span,
                        meant,
                    );
                }
                found.push(finding);
            }
        }
    }
    let Some((pair, wanted)) = identifiers else {
        found.push(
            Diagnostic::new(Code::REQUIRED_FIELD, "this entry does not say which blueprint to apply")
                .at(entry.model.span, "")
                .help("add `attrs:` with `identifiers:` and below it `name: …` or `path: …`"),
        );
        return None;
    };
    if let Some((key, _)) = wanted.iter().find(|(key, _)| !FIELDS.contains(&key.as_str())) {
        let mut finding =
            Diagnostic::new(Code::IDENTIFIER_FIELD, format!("`{key}` is not a field by which a blueprint is found"))
                .at(pair.value.pair(key).map_or(pair.value.span, |(key, _)| key.span), "")
                .help("blueprints are found by `name` or `path`");
        if let Some(meant) = nearest(key, FIELDS) {
            finding = finding.help(format!("did you mean `{meant}`?"));
        }
        found.push(finding);
        return None;
    }
    let child = find(documents, &wanted);
    if child.is_none() && required && !is_stored(model, &wanted) {
        let list: Vec<String> = wanted.iter().map(|(key, value)| format!("{key} `{value}`")).collect();
        let mut finding =
            Diagnostic::new(Code::META_NOT_FOUND, format!("there is no blueprint with the {}", list.join(" and the ")))
                .at(pair.value.span, "not found");
        let names: Vec<&str> = documents.iter().filter_map(|document| document.name.as_deref()).collect();
        if let Some(meant) = wanted.iter().find_map(|(_, value)| nearest(value, names.iter().copied())) {
            finding = finding.help(format!("did you mean `{meant}`?"));
        }
        found.push(finding.help("give its file as well, or say `required: false`"));
    }
    child
}

/// Nothing of such an entry is stored, so there is nothing that its state could be about.
fn judge_state(state: &Node) -> Option<Diagnostic> {
    let text = match Val::literal(state) {
        Some(Val::Text(text)) => text.to_string(),
        Some(other) => other.python_str(),
        None => String::new(),
    };
    let finding = Diagnostic::new(Code::UNKNOWN_KEY, format!("{KIND} has no `state`: nothing of it is stored"));
    match text.as_str() {
        // What entries are that do not say it.
        "present" => None,
        "absent" => Some(
            finding
                .at(state.span, "deletes nothing")
                .help("to delete what the other blueprint declares, say `state: absent` at its entries")
                .help("to not apply it any more, remove this entry"),
        ),
        _ => Some(finding.severity(Severity::Warning).at(state.span, "has no effect").help("remove it")),
    }
}

/// Makes warnings of the errors about blueprints that are not there, for runs that cannot know what is stored.
pub fn doubt(found: &mut [Diagnostic]) {
    for finding in found.iter_mut().filter(|finding| finding.code == Code::META_NOT_FOUND) {
        finding.severity = Severity::Warning;
        finding.message.push_str(" among the files");
        finding.help.push("it may be stored in the database, which `gatewright plan` asks".to_owned());
    }
}

fn wanted(value: &Val) -> Option<Wanted> {
    match value.peel() {
        Val::Map(map) if !map.is_empty() => {
            Some(map.iter().map(|(key, value)| (key.text(), value.python_str())).collect())
        }
        _ => None,
    }
}

fn find(documents: &[Document], wanted: &Wanted) -> Option<usize> {
    documents.iter().position(|document| {
        wanted.iter().all(|(key, value)| match key.as_str() {
            "name" => document.name.as_ref() == Some(value),
            "path" => {
                let full = &document.full_path;
                document.path == *value || full == value || full.ends_with(&format!("/{value}"))
            }
            _ => false,
        })
    })
}

/// Whether a stored blueprint instance has the wanted name or path.
fn is_stored(model: &Model, wanted: &Wanted) -> bool {
    let Some(info) = model.registry().find("authentik_blueprints.blueprintinstance") else { return false };
    model
        .known_of_kind(info.index)
        .any(|object| wanted.iter().all(|(key, value)| object.text(key).as_ref() == Some(value)))
}

/// An order of `count` documents in which those that are applied come before those that apply them.
pub fn order(count: usize, applications: &[Application]) -> Vec<usize> {
    visit(count, applications).order
}

/// Findings about blueprints that apply each other.
pub fn circles(count: usize, applications: &[Application]) -> Vec<Diagnostic> {
    let closing = visit(count, applications).circles;
    let finding = |span| {
        Diagnostic::new(Code::META_CYCLE, "the blueprint applied here applies this one, directly or through others")
            .at(span, "closes the circle")
    };
    closing.into_iter().map(finding).collect()
}

fn visit(count: usize, applications: &[Application]) -> Visit {
    let mut children = vec![Vec::new(); count];
    for (parent, child, span) in applications {
        children[*parent].push((*child, *span));
    }
    let mut visit = Visit { children, done: vec![Mark::New; count], order: Vec::new(), circles: Vec::new() };
    for at in 0..count {
        visit.go(at);
    }
    visit
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

struct Visit {
    children: Vec<Vec<(usize, Span)>>,
    done: Vec<Mark>,
    order: Vec<usize>,
    circles: Vec<Span>,
}

impl Visit {
    /// Depth-first with a stack of its own, so that no chain of documents can exhaust the real one.
    fn go(&mut self, start: usize) {
        let mut stack = vec![(start, 0)];
        while let Some((at, next)) = stack.pop() {
            if next == 0 {
                match self.done[at] {
                    Mark::Done | Mark::Open => continue,
                    Mark::New => self.done[at] = Mark::Open,
                }
            }
            match self.children[at].get(next) {
                Some((child, span)) => {
                    stack.push((at, next + 1));
                    match self.done[*child] {
                        Mark::Open => self.circles.push(*span),
                        Mark::New => stack.push((*child, 0)),
                        Mark::Done => {}
                    }
                }
                None => {
                    self.done[at] = Mark::Done;
                    self.order.push(at);
                }
            }
        }
    }
}
