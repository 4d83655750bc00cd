//! A flow that somebody walks through: the stages still to come, and what is known so far.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uuid::Uuid;

use super::proof::Record;
use crate::expression::{Map, Value};

/// The stages still to come, and what is known so far. The first step is the current one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The flow.
    pub flow: Uuid,
    /// Steps, the current one first.
    pub steps: VecDeque<Step>,
    /// What stages and expressions know, by the names that expressions use.
    pub context: Map,
    /// What was proven on the way.
    #[serde(default)]
    pub proofs: Vec<Record>,
    /// Whom the flow was made for by a link; nobody else may take it over.
    #[serde(default)]
    pub pinned: Option<Uuid>,
    /// How often it was restarted by a wrong answer; a flow that goes in circles is ended.
    #[serde(default)]
    pub restarts: u32,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The binding that put the stage here; none for a stage that another one asked for.
    #[serde(default)]
    pub binding: Option<Uuid>,
    /// The stage.
    pub stage: StageRef,
    /// Whether the binding's policies are asked just before the stage is shown.
    #[serde(default)]
    pub re_evaluate: bool,
    /// What the stage remembers from one request to the next; gone when it is passed.
    #[serde(default)]
    pub memory: serde_json::Map<String, Json>,
    /// Whether the policies let the stage take part, once they were asked.
    #[serde(default)]
    pub admitted: bool,
}

/// Which stage a step shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageRef {
    /// A stage of the model.
    Stored(Uuid),
    /// A stage of the server's own: its name, and what it is to do.
    Passing {
        /// The name under which its behaviour is registered.
        kind: String,
        /// Settings.
        settings: Json,
    },
}

impl Step {
    /// A step without a binding.
    pub fn of(stage: StageRef) -> Step {
        Step { binding: None, stage, re_evaluate: false, memory: serde_json::Map::new(), admitted: false }
    }
}

impl Plan {
    /// Puts a stage next, after the current one.
    pub fn insert(&mut self, stage: StageRef) {
        let at = self.steps.len().min(1);
        self.steps.insert(at, Step::of(stage));
    }

    /// Puts a stage at the end.
    pub fn append(&mut self, stage: StageRef) {
        self.steps.push_back(Step::of(stage));
    }

    /// Has the person sent elsewhere after the current stage.
    pub fn redirect(&mut self, url: &str) {
        self.insert(StageRef::Passing {
            kind: super::redirect::PASSING_REDIRECT.to_owned(),
            settings: serde_json::json!({ "to": url }),
        });
    }

    /// A mapping of the context; made when it is missing.
    pub fn map_mut(&mut self, key: &str) -> &mut Map {
        let value = self.context.entry(key.to_owned()).or_default();
        if !matches!(value, Value::Map(_)) {
            *value = Value::Map(Map::new());
        }
        match value {
            Value::Map(map) => map,
            _ => unreachable!("it was made a mapping just now"),
        }
    }

    /// A text of the context.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.context.get(key).and_then(Value::as_text)
    }

    /// Whether the context holds something true.
    pub fn truth(&self, key: &str) -> bool {
        self.context.get(key).is_some_and(Value::truth)
    }
}
