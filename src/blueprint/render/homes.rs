//! Where an object belongs for a reader: to one application, to one flow, or only to its kind.

use std::collections::HashMap;

use uuid::Uuid;

use crate::model::{Family, KindInfo, Model};

const APPLICATION: &str = "authentik_core.application";
pub const FLOW: &str = "authentik_flows.flow";
pub const STAGE_BINDING: &str = "authentik_flows.flowstagebinding";
pub const POLICY_BINDING: &str = "authentik_policies.policybinding";
const PROMPT: &str = "authentik_stages_prompt.prompt";

/// Most references on the way home; real ones are at most five apart (mapping, provider, application).
const FAR: usize = 8;

/// Finds the applications and flows that objects belong to.
///
/// Applications and flows are homes. A binding belongs where its target does; a stage, prompt, policy, provider or
/// mapping to the home of everything that refers to it, if that is one. What several share belongs to none.
pub struct Homes<'m> {
    models: [&'m Model; 2],
    found: [HashMap<Uuid, Option<Uuid>>; 2],
}

impl<'m> Homes<'m> {
    /// Homes in the state after a plan, and for what is gone by then, in the state before it.
    pub fn new(before: &'m Model, after: &'m Model) -> Homes<'m> {
        Homes { models: [after, before], found: Default::default() }
    }

    /// The application or flow that the object of an id belongs to.
    pub fn of(&mut self, id: Uuid) -> Option<Uuid> {
        (0..2).find_map(|at| home(self.models[at], &mut self.found[at], id, FAR))
    }
}

fn home(model: &Model, found: &mut HashMap<Uuid, Option<Uuid>>, id: Uuid, steps: usize) -> Option<Uuid> {
    let steps = steps.checked_sub(1)?;
    if let Some(home) = found.get(&id) {
        return *home;
    }
    // Whoever comes back here in a circle of references finds nothing.
    found.insert(id, None);
    let object = model.known(id)?;
    let info = model.registry().get(object.kind);
    let home = match info.name {
        APPLICATION | FLOW => Some(id),
        STAGE_BINDING | POLICY_BINDING => {
            object.targets("target").first().and_then(|target| home(model, found, *target, steps))
        }
        _ if is_part(info) => {
            let mut only = None;
            for (_, source) in model.known_incoming(id) {
                match (only, home(model, found, source, steps)) {
                    (None, some) => only = some,
                    (Some(one), Some(other)) if one != other => return None,
                    _ => {}
                }
            }
            only
        }
        _ => None,
    };
    found.insert(id, home);
    home
}

fn is_part(info: &KindInfo) -> bool {
    let families = [Family::Stage, Family::Policy, Family::Provider, Family::PropertyMapping];
    info.name == PROMPT || families.iter().any(|family| info.families.contains(family))
}

/// The flows whose picture shows the object of an id: the flow itself, those that a stage or a binding is in, those
/// that a policy decides about.
pub fn flows_of(model: &Model, id: Uuid) -> Vec<Uuid> {
    let Some(object) = model.known(id) else { return Vec::new() };
    let info = model.registry().get(object.kind);
    let sources = |kind: &'static str, field: &'static str| {
        let of_kind = move |source: &Uuid| {
            model.known(*source).is_some_and(|object| model.registry().get(object.kind).name == kind)
        };
        model.known_incoming(id).filter(move |(found, _)| *found == field).map(|(_, source)| source).filter(of_kind)
    };
    match info.name {
        FLOW => vec![id],
        STAGE_BINDING | POLICY_BINDING => {
            // A policy may be bound to a stage binding, which is bound to a flow; nothing is bound to itself.
            object
                .targets("target")
                .iter()
                .filter(|target| **target != id)
                .flat_map(|target| flows_of(model, *target))
                .collect()
        }
        _ if info.families.contains(&Family::Stage) => {
            sources(STAGE_BINDING, "stage").flat_map(|source| flows_of(model, source)).collect()
        }
        _ if info.families.contains(&Family::Policy) => {
            sources(POLICY_BINDING, "policy").flat_map(|source| flows_of(model, source)).collect()
        }
        _ => Vec::new(),
    }
}
