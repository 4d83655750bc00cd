//! Evaluation of tags (spec blueprints §3) without the scope defects that the spec marks.
//!
//! Every argument of every tag may be a tag itself, at any depth, and `!Enumerate` opens its scope wherever it
//! stands. What a tag says about other entries and stored objects is asked from a [`World`].

mod collections;
mod outside;

use std::{collections::HashMap, sync::Arc};

use indexmap::IndexMap;

use super::{
    document::Document,
    format,
    inputs::{Folder, Inputs},
    value::{MapKey, Val},
    yaml::{Data, Node, Tag},
};
use crate::{
    base::diagnostic::{Code, Diagnostic, Span, nearest},
    model::{Need, symbol},
};

/// Why an evaluation did not come to a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// A diagnostic has been reported.
    Reported,
    /// The model does not hold something that decides the value; load it and evaluate again.
    Need(Need),
    /// The value depends on a piece of work that is being done further up.
    Blocked(u64),
    /// The chain of entries that force each other is long; its far end is to be decided first.
    Deferred,
}

impl From<Need> for Fault {
    fn from(need: Need) -> Self {
        Fault::Need(need)
    }
}

/// `!Find` and `!FindObject` in resolved form.
#[derive(Debug)]
pub struct Query {
    /// Name of a kind or family, as given.
    pub model: String,
    /// Where the name stands.
    pub model_span: Span,
    /// Whether the kind name is written out there.
    pub model_literal: bool,
    /// All must hold.
    pub conditions: Vec<Condition>,
}

/// One condition of a [`Query`].
#[derive(Debug)]
pub struct Condition {
    /// Field, relation path or lookup.
    pub field: String,
    /// Where it stands.
    pub span: Span,
    /// What to compare with.
    pub value: Val,
}

/// What evaluation asks from whoever knows the entries and the model.
pub trait World {
    /// The object of the entry with this id.
    ///
    /// # Errors
    /// A [`Fault`]; unknown ids are reported.
    fn key_of(&mut self, id: &Arc<str>, span: Span) -> Result<Val>;

    /// The first object that matches, null when none does; the whole object as a mapping if `whole`.
    ///
    /// # Errors
    /// A [`Fault`]; unknown kinds and fields are reported.
    fn find(&mut self, query: &Query, span: Span, whole: bool) -> Result<Val>;

    /// Takes a finding.
    fn report(&mut self, finding: Diagnostic);

    /// What all evaluations of the run have in common.
    fn meter(&mut self) -> &mut Meter;
}

/// Nesting of tags, collections and context look-ups.
const MAX_DEPTH: usize = 160;
/// Rounds of all `!Enumerate` tags of one value together.
const MAX_ROUNDS: usize = 200_000;
/// What tags may add to one value, in bytes as [`Val::weight`] counts them.
const MAX_VALUE: usize = 8 << 20;
/// What tags may add to all documents of a run together, in the same bytes.
const MAX_RUN: usize = 128 << 20;

/// Comparisons that all look-ups of a run may make together; those by natural keys need few.
const MAX_COMPARED: usize = 5_000_000;

/// Counts what tags make of the documents of a run, so that a small document cannot exhaust memory or stack.
#[derive(Debug, Default)]
pub struct Meter {
    /// Evaluations inside each other, also those of other entries.
    depth: usize,
    /// Bytes that tags have added.
    spent: usize,
    /// Objects that look-ups have been compared with.
    compared: usize,
}

impl Meter {
    /// How many evaluations are inside each other, those of entries that wait for others included.
    pub fn nesting(&self) -> usize {
        self.depth
    }

    /// Counts comparisons of a look-up; false when the run has made too many.
    pub fn compare(&mut self, count: usize) -> bool {
        self.compared = self.compared.saturating_add(count);
        self.compared <= MAX_COMPARED
    }
}

/// The values of a document's context by name, as positions in [`Document::context`].
pub type ContextIndex = HashMap<MapKey, Vec<usize>>;

/// Finds out where a document's context has each name.
pub fn index_context(document: &Document) -> ContextIndex {
    let mut index = ContextIndex::new();
    for (at, (name, _)) in document.context.iter().enumerate() {
        if let Some(key) = Val::literal(name).and_then(Val::into_key) {
            index.entry(key).or_default().push(at);
        }
    }
    index
}

/// Evaluates the nodes of one document.
pub struct Evaluator<'a, W: World> {
    world: &'a mut W,
    inputs: &'a Inputs,
    document: &'a Document,
    names: &'a ContextIndex,
    engine: &'a IndexMap<MapKey, Val>,
    folder: Option<&'a Folder>,
    /// Index and value of each enclosing `!Enumerate`, outermost first; nothing for one whose iterable is being resolved.
    scopes: Vec<Option<(Val, Val)>>,
    depth: usize,
    rounds: usize,
    spent: usize,
    /// Contexts and `!Enumerate` bodies inside each other: what is evaluated there multiplies the document.
    expanding: usize,
}

type Result<T> = std::result::Result<T, Fault>;

impl<'a, W: World> Evaluator<'a, W> {
    /// `names` is the [`index_context`] of the document, `engine` are the context values that the engine itself gives,
    /// `folder` is where the document lies.
    pub fn new(
        world: &'a mut W,
        inputs: &'a Inputs,
        document: &'a Document,
        names: &'a ContextIndex,
        engine: &'a IndexMap<MapKey, Val>,
        folder: Option<&'a Folder>,
    ) -> Self {
        let scopes = Vec::new();
        Evaluator {
            world,
            inputs,
            document,
            names,
            engine,
            folder,
            scopes,
            depth: 0,
            rounds: 0,
            spent: 0,
            expanding: 0,
        }
    }

    /// The value of a node with all tags in it resolved.
    ///
    /// # Errors
    /// A [`Fault`].
    pub fn whole(&mut self, node: &Node) -> Result<Val> {
        let value = self.eval(node)?;
        // Values of other entries may be parts of this one, and parts of others in turn.
        if value.depth() > MAX_DEPTH {
            return self.too_deep(node);
        }
        Ok(value)
    }

    fn eval(&mut self, node: &Node) -> Result<Val> {
        if self.depth >= MAX_DEPTH {
            return self.too_deep(node);
        }
        self.depth += 1;
        self.world.meter().depth += 1;
        let value = match &node.tag {
            Some(tag) => self.tag(tag, node),
            None => self.plain(node),
        };
        self.world.meter().depth -= 1;
        self.depth -= 1;
        value
    }

    fn too_deep<T>(&mut self, node: &Node) -> Result<T> {
        self.fail(Code::DEPTH, "tags and values are nested too deeply here", node.span)
    }

    /// Counts the making of a value where tags multiply what the document says, and refuses to go beyond the budget. What
    /// is written out in a document is bounded by its size.
    fn spend(&mut self, bytes: usize, node: &Node) -> Result<()> {
        if self.expanding == 0 {
            return Ok(());
        }
        self.spent = self.spent.saturating_add(bytes);
        let meter = self.world.meter();
        meter.spent = meter.spent.saturating_add(bytes);
        if self.spent > MAX_VALUE || meter.spent > MAX_RUN {
            return self.fail(Code::YAML_BUDGET, "the tags here multiply the document beyond all measure", node.span);
        }
        Ok(())
    }

    /// A copy of a value that exists already.
    fn copied(&mut self, value: Val, node: &Node) -> Result<Val> {
        self.expanding += 1;
        let within = self.spend(value.weight(), node);
        self.expanding -= 1;
        within.map(|()| value)
    }

    fn plain(&mut self, node: &Node) -> Result<Val> {
        let text = if let Data::Scalar(scalar) = &node.data { scalar.text.len() } else { 0 };
        self.spend(Val::WEIGHT + text, node)?;
        match &node.data {
            Data::Scalar(scalar) => Ok(Val::of_scalar(scalar)),
            Data::Sequence(items) => items.iter().map(|item| self.eval(item)).collect::<Result<_>>().map(Val::List),
            Data::Mapping(pairs) => {
                let mut map = IndexMap::with_capacity(pairs.len());
                for (key, value) in pairs {
                    let key = self.key(key)?;
                    let value = self.eval(value)?;
                    map.insert(key, value);
                }
                Ok(Val::Map(map))
            }
        }
    }

    fn key(&mut self, node: &Node) -> Result<MapKey> {
        if let Some(tag) = &node.tag {
            return self.fail(
                Code::TAG_AS_KEY,
                format!("{} is used as a key, where it is never resolved", tag.name),
                node.span,
            );
        }
        match Val::literal(node).and_then(Val::into_key) {
            Some(MapKey::Text(text)) if symbol::is_reserved(&text) => {
                self.fail(Code::RESERVED_KEY, format!("the key `{text}` is reserved"), node.span)
            }
            Some(key) => Ok(key),
            None => self.fail(Code::YAML_KEY, format!("{} cannot be a key", node.kind_name()), node.span),
        }
    }

    fn fail<T>(&mut self, code: Code, message: impl Into<String>, span: Span) -> Result<T> {
        self.world.report(Diagnostic::new(code, message).at(span, ""));
        Err(Fault::Reported)
    }

    fn wrong_form<T>(&mut self, node: &Node, form: &str) -> Result<T> {
        let name = node.tag.as_ref().map_or("this tag", |tag| tag.name.as_str()).to_owned();
        self.world.report(
            Diagnostic::new(Code::TAG_FORM, format!("{name} is not written this way"))
                .at(node.span, "")
                .help(format!("the form is `{form}`")),
        );
        Err(Fault::Reported)
    }

    fn tag(&mut self, tag: &Tag, node: &Node) -> Result<Val> {
        match tag.name.as_str() {
            "!KeyOf" => match scalar(node) {
                Some(id) => self.world.key_of(id, node.span),
                None => self.wrong_form(node, "!KeyOf id"),
            },
            "!Env" => self.env(node),
            "!File" => self.file(node),
            "!Context" => self.context(node),
            "!Format" => self.format(node),
            "!Find" => self.find(node, false),
            "!FindObject" => self.find(node, true),
            "!Condition" => self.condition(node),
            "!If" => self.choose(node),
            "!Enumerate" => self.enumerate(node),
            "!Index" => self.scope(node, |(index, _)| index),
            "!Value" => self.scope(node, |(_, value)| value),
            "!AtIndex" => self.at_index(node),
            "!ParseJSON" => self.parse_json(node),
            other => self.fail(Code::YAML_TAG, format!("{other} is no tag of the blueprint format"), tag.span),
        }
    }

    fn format(&mut self, node: &Node) -> Result<Val> {
        let Some([template, arguments @ ..]) = sequence(node) else {
            return self.wrong_form(node, "!Format [format, argument…]");
        };
        let template_value = self.eval(template)?;
        let arguments = self.all(arguments)?;
        let Val::Text(text) = template_value.peel() else {
            return match template_value.peel() {
                Val::Unknown => Ok(Val::Unknown),
                _ => self.wrong_form(node, "!Format [format, argument…]"),
            };
        };
        match format::format(text, &arguments) {
            Ok(value) => self.copied(value.secret_if(template_value.is_secret()), node),
            Err(why) => self.fail(Code::FORMAT_MISMATCH, why, node.span),
        }
    }

    fn all(&mut self, nodes: &[Arc<Node>]) -> Result<Vec<Val>> {
        nodes.iter().map(|node| self.eval(node)).collect()
    }

    fn find(&mut self, node: &Node, whole: bool) -> Result<Val> {
        let form = if whole { "!FindObject [model, [field, value]…]" } else { "!Find [model, [field, value]…]" };
        let Some([model, conditions @ ..]) = sequence(node) else {
            return self.wrong_form(node, form);
        };
        let mut query = Query {
            model: String::new(),
            model_span: model.span,
            model_literal: model.tag.is_none(),
            conditions: Vec::new(),
        };
        match self.eval(model)?.peel() {
            Val::Text(name) => query.model = name.to_string(),
            Val::Unknown => return Ok(Val::Unknown),
            _ => return self.wrong_form(node, form),
        }
        let mut unknown = false;
        for condition in conditions {
            let (None, Some([field, value])) = (&condition.tag, sequence(condition)) else {
                return self.wrong_form(node, form);
            };
            let name = match self.eval(field)?.peel() {
                Val::Text(name) => name.to_string(),
                Val::Unknown => return Ok(Val::Unknown),
                _ => return self.wrong_form(node, form),
            };
            let value = self.eval(value)?;
            unknown |= value.is_unknown();
            query.conditions.push(Condition { field: name, span: field.span, value });
        }
        if query.conditions.is_empty() {
            return self.wrong_form(node, form);
        }
        let found = self.world.find(&query, node.span, whole)?;
        let found = self.copied(found, node)?;
        Ok(if unknown && matches!(found, Val::Null) { Val::Unknown } else { found })
    }

    fn condition(&mut self, node: &Node) -> Result<Val> {
        let form = "!Condition [AND|NAND|OR|NOR|XOR|XNOR, value…]";
        let Some([mode, values @ ..]) = sequence(node) else {
            return self.wrong_form(node, form);
        };
        let name = match self.eval(mode)?.peel() {
            Val::Text(name) => name.to_uppercase(),
            Val::Unknown => return Ok(Val::Unknown),
            _ => return self.wrong_form(node, form),
        };
        let modes = ["AND", "NAND", "OR", "NOR", "XOR", "XNOR"];
        if !modes.contains(&name.as_str()) {
            let mut finding =
                Diagnostic::new(Code::CONDITION_MODE, format!("`{name}` is no mode of !Condition")).at(mode.span, "");
            finding = match nearest(&name, modes) {
                Some(meant) => {
                    finding.help(format!("did you mean `{meant}`?")).fix(format!("use `{meant}`"), mode.span, meant)
                }
                None => finding.help(format!("the modes are {}", modes.join(", "))),
            };
            self.world.report(finding);
            return Err(Fault::Reported);
        }
        if values.is_empty() {
            return self.wrong_form(node, form);
        }
        let truths: Vec<Option<bool>> = self.all(values)?.iter().map(Val::truth).collect();
        let unknown = truths.contains(&None);
        let result = match name.as_str() {
            "AND" | "NAND" if truths.contains(&Some(false)) => Some(false),
            "OR" | "NOR" if truths.contains(&Some(true)) => Some(true),
            _ if unknown => None,
            "AND" | "NAND" => Some(true),
            "OR" | "NOR" => Some(false),
            _ => Some(truths.iter().filter(|truth| **truth == Some(true)).count() % 2 == 1),
        };
        let negated = matches!(name.as_str(), "NAND" | "NOR" | "XNOR");
        Ok(result.map_or(Val::Unknown, |truth| Val::Bool(truth != negated)))
    }

    fn choose(&mut self, node: &Node) -> Result<Val> {
        let form = "!If [condition]` or `!If [condition, then, else]";
        match sequence(node) {
            Some([condition]) => Ok(self.eval(condition)?.truth().map_or(Val::Unknown, Val::Bool)),
            Some([condition, then, otherwise]) => match self.eval(condition)?.truth() {
                Some(true) => self.eval(then),
                Some(false) => self.eval(otherwise),
                None => {
                    self.eval(then)?;
                    self.eval(otherwise)?;
                    Ok(Val::Unknown)
                }
            },
            _ => self.wrong_form(node, form),
        }
    }

    fn parse_json(&mut self, node: &Node) -> Result<Val> {
        let value = match &node.data {
            Data::Scalar(scalar) => Val::Text(scalar.text.clone()),
            Data::Sequence(items) if items.len() == 1 => self.eval(&items[0])?,
            _ => return self.wrong_form(node, "!ParseJSON text` or `!ParseJSON [text]"),
        };
        let secret = value.is_secret();
        match value.peel() {
            Val::Unknown => Ok(Val::Unknown),
            Val::Text(text) => match serde_json::from_str(text) {
                Ok(json) => self.copied(Val::from_json(&json).secret_if(secret), node),
                Err(error) => {
                    let why = if secret { String::new() } else { format!(": {error}") };
                    self.fail(Code::PARSE_JSON, format!("this is not JSON{why}"), node.span)
                }
            },
            other => {
                let message = format!("!ParseJSON reads text, not {}", other.kind_name());
                self.fail(Code::PARSE_JSON, message, node.span)
            }
        }
    }
}

/// The raw text of a tag in scalar form.
fn scalar(node: &Node) -> Option<&Arc<str>> {
    match &node.data {
        Data::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}

/// The items of a tag in sequence form.
fn sequence(node: &Node) -> Option<&[Arc<Node>]> {
    match &node.data {
        Data::Sequence(items) => Some(items),
        _ => None,
    }
}
