//! A flow with all that it consists of, as it was when somebody began it.
//!
//! Whoever is in the middle of a flow finishes it as it was, on any process, whatever is applied meanwhile. So the objects
//! that the flow consists of are stored once for each content, and named by its digest. People, groups and secrets are not
//! part of it: those are looked up as they are at each step.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{flow::Flow, stage_binding::FlowStageBinding};
use crate::{
    base::hash::FastMap,
    model::{Kind, Model, Need, Object, Registry, Residency, SecretState},
    policies::binding::PolicyBinding,
};

/// A flow at one revision.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Digest of the content.
    pub digest: String,
    /// The content, as it is stored.
    pub content: Arc<str>,
    /// The objects, as a model.
    pub model: Arc<Model>,
    /// The flow.
    pub flow: Arc<Object>,
}

/// Why a stored slice cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the stored flow cannot be read: {0}")]
pub struct SliceError(String);

#[derive(Serialize, Deserialize)]
struct Content {
    instance: Uuid,
    flow: Uuid,
    objects: Vec<Frozen>,
}

#[derive(Serialize, Deserialize)]
struct Frozen {
    id: Uuid,
    kind: String,
    number: Option<i64>,
    attrs: Map<String, Value>,
    edges: BTreeMap<String, Vec<Uuid>>,
    /// Names of the secrets that have a value.
    secrets: BTreeSet<String>,
}

impl Slice {
    /// The slice of a flow of a model.
    ///
    /// # Errors
    /// What the model does not hold.
    pub fn of(model: &Model, flow: &Arc<Object>) -> Result<Slice, Need> {
        let mut taken: FastMap<Uuid, Arc<Object>> = FastMap::default();
        let mut open = vec![flow.clone()];
        while let Some(object) = open.pop() {
            if taken.contains_key(&object.id) {
                continue;
            }
            let info = model.registry().get(object.kind);
            let other_flow = info.name == Flow::NAME && object.id != flow.id;
            if !other_flow {
                for target in object.edges.values().flatten() {
                    open.extend(model.known(*target).filter(|object| is_resident(model, object)).cloned());
                }
                // What is bound to the flow, and to its bindings of stages.
                for kind in [PolicyBinding::NAME, FlowStageBinding::NAME] {
                    let Some(kind) = model.registry().find(kind) else { continue };
                    for binding in model.referrers(kind.index, "target", object.id)? {
                        open.extend(model.known(binding).cloned());
                    }
                }
            }
            taken.insert(object.id, object);
        }
        let mut objects: Vec<Frozen> = taken.values().map(|object| freeze(model.registry(), object)).collect();
        objects.sort_by_key(|object| object.id);
        let content = Content { instance: model.instance, flow: flow.id, objects };
        let content = serde_json::to_string(&content).unwrap_or_default();
        let mut part = Model::partial(model.registry().clone(), model.instance, model.revision);
        for object in taken.into_values() {
            part.put(object);
        }
        let digest = blake3::hash(content.as_bytes()).to_hex().to_string();
        Ok(Slice { digest, content: content.into(), model: Arc::new(part), flow: flow.clone() })
    }

    /// A slice that was stored.
    ///
    /// # Errors
    /// When the text is not what [`Slice::of`] makes.
    pub fn parse(registry: &Arc<Registry>, digest: &str, content: &str) -> Result<Slice, SliceError> {
        let parsed: Content = serde_json::from_str(content).map_err(|error| SliceError(error.to_string()))?;
        let mut model = Model::partial(registry.clone(), parsed.instance, 0);
        for frozen in parsed.objects {
            // A kind that this program does not know, any more or yet, is left out; what refers to it says so.
            if let Some(object) = thaw(registry, frozen) {
                model.put(Arc::new(object));
            }
        }
        let flow = model.known(parsed.flow).cloned().ok_or_else(|| SliceError("the flow itself is missing".into()))?;
        Ok(Slice { digest: digest.to_owned(), content: content.into(), model: Arc::new(model), flow })
    }
}

fn is_resident(model: &Model, object: &Object) -> bool {
    model.registry().get(object.kind).residency == Residency::Resident
}

fn freeze(registry: &Registry, object: &Object) -> Frozen {
    Frozen {
        id: object.id,
        kind: registry.get(object.kind).name.to_owned(),
        number: object.number,
        attrs: object.attrs.clone(),
        edges: object.edges.iter().map(|(field, targets)| ((*field).to_owned(), targets.clone())).collect(),
        secrets: object.secrets.keys().map(|field| (*field).to_owned()).collect(),
    }
}

fn thaw(registry: &Registry, frozen: Frozen) -> Option<Object> {
    let kind = registry.find(&frozen.kind)?;
    let edges = frozen.edges.into_iter().filter_map(|(field, targets)| Some((kind.reference(&field)?.field, targets)));
    let secrets = kind.secret_names().filter(|(field, _)| frozen.secrets.contains(*field));
    Some(Object {
        id: frozen.id,
        kind: kind.index,
        number: frozen.number,
        attrs: frozen.attrs,
        edges: edges.collect(),
        secrets: secrets.map(|(field, _)| (field, SecretState::Planned)).collect(),
        revision: 0,
        created: 0,
        updated: 0,
    })
}
