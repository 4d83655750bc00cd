//! The kind `authentik_stages_prompt.promptstage`: shows a form.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{
    prompt::{FieldType, Prompt},
    prompt_field::Field,
};
use crate::expression::{Map, Value};
use crate::flows::{
    challenge::{Answer, Challenge, Errors, NO_FIELD},
    proof::Evidence,
    stage::{Next, Stage, StageContext, StageError},
};
use crate::model::{Family, Key, Kind, Object, Ref, Reference, Report};
use crate::policies::{
    engine::{self, PolicyError, Request},
    mappings::evaluate::{MappingError, prompt_value},
};
use crate::store::PersonField;

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

/// Key of the context: what was filled in so far.
pub(super) const PROMPT_DATA: &str = "prompt_data";
/// How long one validation policy may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Shows the form, and takes what is filled in once all of it is right.
pub(super) struct Behaviour;

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        Ok(Next::Ask(page(&fields(at).await?)))
    }

    async fn answer(&self, at: &mut StageContext<'_>, answer: Answer) -> Result<Next, StageError> {
        let fields = fields(at).await?;
        let mut errors = Errors::default();
        let mut values = Map::new();
        for field in &fields {
            if let Some(value) = field.judge(&answer, &mut errors) {
                if field.prompt.field_type == FieldType::Username && is_taken(at, &value).await? {
                    errors.add(&field.prompt.field_key, "Username is already taken.", "invalid");
                }
                values.insert(field.prompt.field_key.clone(), value);
            }
        }
        if errors.is_empty() && !passwords_agree(&fields, &values) {
            errors = Errors::whole("Passwords don't match.");
        }
        if errors.is_empty() {
            errors = validate(at, &mut values).await?;
        }
        // A body without anything is no answer, even where nothing has to be filled in.
        if !errors.is_empty() || answer.0.is_empty() {
            return Ok(Next::Wrong(page(&fields), errors));
        }
        at.plan.map_mut(PROMPT_DATA).extend(values);
        Ok(Next::Passed(at.prove(Evidence::Form)))
    }
}

fn page(fields: &[Field]) -> Challenge {
    let fields: Vec<Json> = fields.iter().map(Field::to_json).collect();
    Challenge::new("ak-stage-prompt", json!({ "fields": fields })).without_person()
}

/// The fields in their order, with what their expressions come to.
async fn fields(at: &StageContext<'_>) -> Result<Vec<Field>, StageError> {
    let mut prompts = Vec::new();
    for object in at.targets("fields") {
        let prompt: Prompt = serde_json::from_value(Json::Object(object.attrs.clone())).map_err(|error| {
            StageError::Configuration { stage: at.name(), problem: format!("one of its prompts: {error}") }
        })?;
        prompts.push((prompt, object));
    }
    prompts.sort_by_key(|(prompt, _)| prompt.order);
    let nothing = Map::new();
    let filled = at.plan.context.get(PROMPT_DATA).and_then(Value::as_map).unwrap_or(&nothing);
    let mut fields = Vec::new();
    for (prompt, object) in prompts {
        let is_choice = matches!(prompt.field_type, FieldType::RadioButtonGroup | FieldType::Dropdown);
        let choices = filled.get(&format!("{}__choices", prompt.field_key)).filter(|_| is_choice);
        let placeholder = match choices {
            Some(choices) => choices.clone(),
            None => value_of(at, &object, &prompt.placeholder, prompt.placeholder_expression).await?,
        };
        // What people filled in is never taken for an expression.
        let initial = match filled.get(&prompt.field_key) {
            Some(filled) => filled.clone(),
            None => value_of(at, &object, &prompt.initial_value, prompt.initial_value_expression).await?,
        };
        fields.push(Field::new(prompt, placeholder, initial));
    }
    Ok(fields)
}

/// What a text of a prompt comes to. An expression that fails counts as its text.
async fn value_of(
    at: &StageContext<'_>,
    prompt: &Object,
    text: &str,
    is_expression: bool,
) -> Result<Value, StageError> {
    if !is_expression {
        return Ok(Value::text(text));
    }
    let filled = at.plan.context.get(PROMPT_DATA).and_then(Value::as_map).cloned().unwrap_or_default();
    let subject = at.subject().await?;
    match prompt_value(at.world, at.visit, &subject, filled, prompt, text).await {
        Ok(value) => Ok(value),
        Err(MappingError::Store(error)) => Err(error.into()),
        Err(_) => Ok(Value::text(text)),
    }
}

/// Whether somebody else has a user name, in whatever letter case: people are found by it in any.
async fn is_taken(at: &StageContext<'_>, username: &Value) -> Result<bool, StageError> {
    let Some(username) = username.as_text() else { return Ok(false) };
    let own = at.subject().await?.id();
    let holders = at.world.store().people_by(PersonField::Username, username).await?;
    Ok(holders.iter().any(|holder| Some(*holder) != own))
}

/// Whether two fields for passwords, if there are exactly two, have the same content.
fn passwords_agree(fields: &[Field], values: &Map) -> bool {
    let is_password = |field: &&Field| field.prompt.field_type == FieldType::Password;
    let passwords: Vec<&str> = fields.iter().filter(is_password).map(|field| field.prompt.field_key.as_str()).collect();
    match passwords.as_slice() {
        [first, second] => values.get(*first) == values.get(*second),
        _ => true,
    }
}

/// Asks the validation policies, which may change the values.
async fn validate(at: &StageContext<'_>, values: &mut Map) -> Result<Errors, StageError> {
    let mut errors = Errors::default();
    let policies = at.stage.map(|stage| stage.targets("validation_policies").to_vec()).unwrap_or_default();
    if policies.is_empty() {
        return Ok(errors);
    }
    let subject = at.subject().await?;
    let context = Map::from_iter([(PROMPT_DATA.to_owned(), Value::Map(std::mem::take(values)))]);
    let mut request = Request { subject: &subject, visit: Some(at.visit), context, plan: None, debug: false };
    for policy in policies {
        let Some(policy) = at.model.known(policy) else {
            errors.add(NO_FIELD, "A policy that judges this form is missing.", "invalid");
            continue;
        };
        let run = engine::run(at.world, at.model, None, policy, &mut request);
        let verdict = tokio::time::timeout(PATIENCE, run).await;
        match verdict.unwrap_or(Err(PolicyError::TimedOut(PATIENCE.as_secs()))) {
            Ok(verdict) if verdict.passing => {}
            Ok(verdict) if verdict.messages.is_empty() => {
                errors.add(NO_FIELD, "These answers are not accepted.", "invalid");
            }
            Ok(verdict) => {
                for message in verdict.messages {
                    errors.add(NO_FIELD, message, "invalid");
                }
            }
            Err(PolicyError::Store(error)) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(stage = at.name(), policy = policy.text("name"), %error, "a validation policy failed");
                errors.add(NO_FIELD, error.to_string(), "invalid");
            }
        }
    }
    if let Some(Value::Map(changed)) = request.context.shift_remove(PROMPT_DATA) {
        *values = changed;
    } else {
        errors.add(NO_FIELD, "These answers are not accepted.", "invalid");
    }
    Ok(errors)
}
