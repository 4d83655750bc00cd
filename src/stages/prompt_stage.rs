//! The kind `authentik_stages_prompt.promptstage`: shows a form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference, Report};

/// Shows prompts as one form, checks the answers and keeps them in the flow.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PromptStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Prompts of the form, at least one; each prompt's own `order` arranges them.
    pub fields: Vec<Ref>,
    /// Policies that must all pass before the answers are taken; they see the answers as `prompt_data`, and their
    /// messages are shown on the form.
    pub validation_policies: Vec<Ref>,
}

impl Kind for PromptStage {
    const NAME: &'static str = "authentik_stages_prompt.promptstage";
    const TITLE: &'static str = "Prompt stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name", "fields"];
    const REFERENCES: &'static [Reference] = &[
        Reference::many("fields", "authentik_stages_prompt.prompt"),
        Reference::many("validation_policies", "authentik_policies.policy"),
    ];

    fn check(&self, report: &mut Report) {
        if self.fields.is_empty() {
            report.error("fields", "is empty, so the form would ask nothing; list at least one prompt");
        }
    }
}
