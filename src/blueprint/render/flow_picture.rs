//! A flow as a Mermaid picture: its stages in order, with the decisions on the way.

use std::fmt::Write;

use serde_json::Value;
use uuid::Uuid;

use super::{
    escape::label as escaped,
    homes::{POLICY_BINDING, STAGE_BINDING},
};
use crate::{
    blueprint::plan::{Action, label},
    model::{Model, Object},
};

const DENY_STAGE: &str = "authentik_stages_deny.denystage";

/// Longest label in characters.
const LABEL: usize = 60;

/// Draws the flow of an id as Mermaid text, without the fence. Empty when the model has no such flow.
///
/// Top to bottom: who may start the flow, the decisions of its own bindings, then each stage with the decisions that
/// it depends on. Whom the flow's decisions fail is denied; whom a stage's decisions fail goes on behind the stage.
/// Disabled bindings decide nothing and are not drawn.
pub fn mermaid(model: &Model, flow: Uuid) -> String {
    picture(model, flow, &Look { mark: &|_| None, name: &str::to_owned })
}

/// What a picture shows besides the flow itself.
pub struct Look<'a> {
    /// What happens to an object, for marking it.
    pub mark: &'a dyn Fn(Uuid) -> Option<Action>,
    /// Name of an object as it may be shown.
    pub name: &'a dyn Fn(&str) -> String,
}

/// As [`mermaid`], with marks.
pub fn picture(model: &Model, flow: Uuid, look: &Look<'_>) -> String {
    let Some(object) = model.known(flow) else { return String::new() };
    let mut drawing = Drawing { model, look, nodes: String::new(), edges: String::new(), count: 0, marked: [false; 3] };
    drawing.flow(object);
    drawing.finish()
}

struct Drawing<'a> {
    model: &'a Model,
    look: &'a Look<'a>,
    nodes: String,
    edges: String,
    count: usize,
    /// Whether something is marked as created, updated, deleted.
    marked: [bool; 3],
}

/// The end of an edge that is still open: the node and what leads on from it.
type Open = (String, &'static str);

impl Drawing<'_> {
    fn flow(&mut self, flow: &Object) {
        let start = self.node("([", "])", &self.name(flow.id), None, self.mark(&[flow.id]));
        let mut open: Vec<Open> = vec![(start.clone(), "")];
        let mut denied: Vec<Open> = Vec::new();
        if let Some(requirement) = requirement(flow) {
            let node = self.node("{", "}", requirement, None, None);
            self.join(&open, &node);
            open = vec![(node.clone(), "pass")];
            denied.push((node, "fail"));
        }
        let (passed, failed) = self.decisions(flow, open);
        open = passed;
        denied.extend(failed);
        for binding in self.bound(STAGE_BINDING, flow.id) {
            let stage = binding.targets("stage").first().copied().unwrap_or_default();
            let (passed, skipped) = self.decisions(&binding, open);
            let node = self.node("[", "]", &self.name(stage), self.title(stage), self.mark(&[binding.id, stage]));
            self.join(&passed, &node);
            match binding.attrs.get("invalid_response_action").and_then(Value::as_str) {
                Some("restart") => self.edge(&node, &start, "-.->|wrong answer|"),
                Some("restart_with_context") => {
                    self.edge(&node, &start, "-.->|wrong answer, keeping what is known|");
                }
                _ => {}
            }
            open = skipped;
            match self.kind(stage) {
                Some(DENY_STAGE) => denied.push((node, "")),
                _ => open.push((node, "")),
            }
        }
        if !open.is_empty() {
            let end = self.node("([", "])", "Done", None, None);
            self.join(&open, &end);
        }
        if !denied.is_empty() {
            let end = self.node("([", "])", "Denied", None, None);
            self.join(&denied, &end);
        }
    }

    /// Draws the decisions of what is bound to a target; gives where those go on who pass and who fail.
    fn decisions(&mut self, target: &Object, mut open: Vec<Open>) -> (Vec<Open>, Vec<Open>) {
        let all = target.attrs.get("policy_engine_mode").and_then(Value::as_str) == Some("all");
        let bindings: Vec<Object> = self
            .bound(POLICY_BINDING, target.id)
            .into_iter()
            .filter(|binding| binding.attrs.get("enabled") != Some(&Value::Bool(false)))
            .collect();
        if bindings.is_empty() {
            return (open, Vec::new());
        }
        let (mut passed, mut failed) = (Vec::new(), Vec::new());
        for binding in &bindings {
            let node = self.decision(binding);
            self.join(&open, &node);
            let (on, off) = if all { ("pass", "fail") } else { ("fail", "pass") };
            open = vec![(node.clone(), on)];
            if all { failed.push((node, off)) } else { passed.push((node, off)) }
        }
        // Behind the last decision: everything passed in one mode, nothing in the other.
        if all { (open, failed) } else { (passed, open) }
    }

    fn decision(&mut self, binding: &Object) -> String {
        let mut subject = None;
        for (field, words) in [("policy", ""), ("group", "in group "), ("user", "is user ")] {
            if let Some(target) = binding.targets(field).first() {
                subject = Some((*target, words));
                break;
            }
        }
        let negated = binding.attrs.get("negate") == Some(&Value::Bool(true));
        let not = if negated { "not " } else { "" };
        let Some((id, words)) = subject else {
            return self.node("{", "}", "nothing to decide by", None, self.mark(&[binding.id]));
        };
        let title = if words.is_empty() { self.title(id) } else { None };
        let text = match (negated, words) {
            (true, "") => format!("not: {}", self.name(id)),
            _ => format!("{not}{words}{}", self.name(id)),
        };
        self.node("{", "}", &text, title, self.mark(&[binding.id, id]))
    }

    /// Objects of a kind whose `target` is the given one, in their order.
    fn bound(&self, kind: &str, target: Uuid) -> Vec<Object> {
        let mut bound: Vec<Object> = self
            .model
            .known_incoming(target)
            .filter(|(field, _)| *field == "target")
            .filter_map(|(_, source)| self.model.known(source))
            .filter(|object| self.model.registry().get(object.kind).name == kind)
            .map(|object| (**object).clone())
            .collect();
        let order = |object: &Object| object.attrs.get("order").and_then(Value::as_i64).unwrap_or_default();
        bound.sort_by_cached_key(|object| (order(object), label(self.model, object), object.id));
        bound
    }

    fn name(&self, id: Uuid) -> String {
        let name = self.model.known(id).map_or_else(|| id.to_string(), |object| label(self.model, object));
        (self.look.name)(&name)
    }

    fn kind(&self, id: Uuid) -> Option<&'static str> {
        self.model.known(id).map(|object| self.model.registry().get(object.kind).name)
    }

    fn title(&self, id: Uuid) -> Option<&'static str> {
        self.model.known(id).map(|object| self.model.registry().get(object.kind).title)
    }

    /// The strongest of what happens to a node's objects: coming and going of the first counts most.
    fn mark(&self, ids: &[Uuid]) -> Option<Action> {
        let marks: Vec<Action> = ids.iter().filter_map(|id| (self.look.mark)(*id)).collect();
        marks.iter().find(|mark| **mark != Action::Update).or(marks.first()).copied()
    }

    fn node(&mut self, open: &str, close: &str, text: &str, below: Option<&str>, mark: Option<Action>) -> String {
        let id = format!("n{}", self.count);
        self.count += 1;
        let mut label = escaped(text, LABEL);
        if let Some(below) = below {
            label = format!("{label}<br/>{}", escaped(below, LABEL));
        }
        let class = match mark {
            None => "",
            Some(Action::Create) => ":::added",
            Some(Action::Update) => ":::changed",
            Some(Action::Delete) => ":::removed",
        };
        if let Some(mark) = mark {
            self.marked[mark as usize] = true;
        }
        // Writing into a string cannot fail, here and below.
        let _ = writeln!(self.nodes, "    {id}{open}\"{label}\"{close}{class}");
        id
    }

    fn join(&mut self, open: &[Open], to: &str) {
        for (from, word) in open {
            let arrow = if word.is_empty() { "-->".to_owned() } else { format!("-->|{word}|") };
            self.edge(from, to, &arrow);
        }
    }

    fn edge(&mut self, from: &str, to: &str, arrow: &str) {
        let _ = writeln!(self.edges, "    {from} {arrow} {to}");
    }

    fn finish(self) -> String {
        let mut out = format!("flowchart TD\n{}{}", self.nodes, self.edges);
        // Only the outline is coloured, so that the picture is readable on light and dark pages.
        let classes = [
            (Action::Create, "added stroke:#2da44e,stroke-width:3px"),
            (Action::Update, "changed stroke:#bf8700,stroke-width:3px"),
            (Action::Delete, "removed stroke:#cf222e,stroke-width:3px,stroke-dasharray:5 5"),
        ];
        for (_, class) in classes.iter().filter(|(action, _)| self.marked[*action as usize]) {
            let _ = writeln!(out, "    classDef {class}");
        }
        out
    }
}

fn requirement(flow: &Object) -> Option<&str> {
    match flow.attrs.get("authentication").and_then(Value::as_str)? {
        "none" => None,
        "require_authenticated" => Some("is signed in"),
        "require_unauthenticated" => Some("is not signed in"),
        "require_superuser" => Some("is a superuser"),
        "require_redirect" => Some("comes from another flow"),
        "require_outpost" => Some("comes from an outpost"),
        other => Some(other),
    }
}
