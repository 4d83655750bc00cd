//! The kind `authentik_stages_source.sourcestage`: sends the user through a source in the middle of a flow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference};

/// Suspends the flow, sends the user to a source, and goes on when they return from there.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SourceStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Source that the user is sent to; it must be one that people can sign in with.
    pub source: Ref,
    /// Time within which the user must return, such as `minutes=10`; later the flow starts anew.
    #[schemars(length(min = 1))]
    pub resume_timeout: String,
}

impl Default for SourceStage {
    fn default() -> Self {
        SourceStage { name: String::new(), source: Ref::default(), resume_timeout: "minutes=10".to_owned() }
    }
}

impl Kind for SourceStage {
    const NAME: &'static str = "authentik_stages_source.sourcestage";
    const TITLE: &'static str = "Source stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name", "source"];
    const REFERENCES: &'static [Reference] = &[Reference::one("source", "authentik_core.source").cascade()];
}
