//! Evaluates property mappings and the expressions of prompts. Spec: flows §9.4.

use std::sync::Arc;

use serde_json::json;

use crate::{
    expression::{self, ErrorKind, Limits, Map, Outcome, Scope, Value, Variables},
    identity::{events, visit::Visit, world::World},
    model::Object,
    policies::{
        engine::Subject,
        expression::{described, handle, of_object, references},
        host::{Directory, Ground, request},
    },
    store::StoreError,
};

/// Why an evaluation gave no value.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The expression raised `SkipObject`: the object that is being mapped is to be left out.
    #[error("the object is to be skipped")]
    Skip,
    /// The expression cannot be compiled, or raised an error.
    #[error("{name}: {problem}")]
    Failed {
        /// Name of the mapping or prompt.
        name: String,
        /// What went wrong.
        problem: String,
    },
}

/// A mapping to be evaluated.
pub struct Mapping<'a> {
    /// The mapping; none for an expression of something else.
    pub object: Option<&'a Object>,
    /// Its name, for events and messages.
    pub name: &'a str,
    /// The expression.
    pub expression: &'a str,
    /// Whom it is about; nobody where it maps something else.
    pub subject: &'a Subject,
    /// The request that it is evaluated for.
    pub visit: Option<&'a Visit>,
    /// Further variables: `provider`, `token`, `ldap`, … as §9.4 lists them.
    pub variables: Map,
    /// A test: no event is written and nothing is stored.
    pub debug: bool,
}

/// Evaluates a mapping. The value is what the expression returned, a list of what it yielded if it yields, `None` to be
/// skipped. The variables come back as the expression left them.
///
/// # Errors
/// When the expression fails, which leaves an event, or skips the object.
pub async fn mapping(world: &World, mapping: Mapping<'_>) -> Result<(Value, Map), MappingError> {
    let outcome = run(world, &mapping).await;
    if let Err(MappingError::Failed { problem, .. }) = &outcome
        && !mapping.debug
    {
        tracing::warn!(mapping = mapping.name, problem, "a mapping failed");
        let context = json!({
            "expression": mapping.expression,
            "message": problem,
            "mapping": mapping.object.map(|object| events::describe(world.registry(), object)),
        });
        let actor = mapping.subject.person().map(Arc::as_ref);
        let (action, app) = ("property_mapping_exception", "authentik.core.expression.evaluator");
        events::write(world, mapping.visit, actor, action, app, context).await?;
    }
    let Outcome { value, variables, .. } = outcome?;
    Ok((value, variables))
}

/// The value of a prompt's placeholder or initial value that is an expression. Who calls this shows the expression's text
/// when it fails.
///
/// # Errors
/// When the expression fails, which leaves an event.
pub async fn prompt_value(
    world: &World,
    visit: &Visit,
    subject: &Subject,
    prompt_context: Map,
    prompt: &Object,
    expression: &str,
) -> Result<Value, MappingError> {
    let name = prompt.text("name").unwrap_or_default();
    let variables = Map::from_iter([("prompt_context".to_owned(), Value::Map(prompt_context))]);
    let evaluated =
        Mapping { object: Some(prompt), name: &name, expression, subject, visit: Some(visit), variables, debug: false };
    Ok(mapping(world, evaluated).await?.0)
}

async fn run(world: &World, mapping: &Mapping<'_>) -> Result<Outcome, MappingError> {
    let Mapping { object, name, expression, subject, visit, variables, debug } = mapping;
    let failed = |problem: String| MappingError::Failed { name: (*name).to_owned(), problem };
    // Names with characters that no variable has are known by others.
    let variables: Map =
        variables.iter().map(|(key, value)| (key.replace([':', '.', '-'], "_"), value.clone())).collect();
    let names = Variables::mapping(variables.keys().map(String::as_str));
    let program = expression::compile(expression, &names).map_err(|faults| failed(described(&faults)))?;
    let model = world.model().await?;
    let scope = Scope {
        user: handle(subject),
        http_request: visit.map(request::handle),
        object: object.map(|object| of_object(world.registry(), object)),
        debug: *debug,
        context: variables.clone(),
        plan: None,
        client_ip: visit.map(|visit| visit.client),
        variables,
    };
    let directory = Directory::new(Ground {
        world,
        model: &model,
        subject,
        visit: *visit,
        target: None,
        plan: None,
        debug: *debug,
        name: (*name).to_owned(),
    });
    match expression::evaluate(&program, scope, &directory, &Limits::default()).await {
        Ok(mut outcome) => {
            outcome.variables = references(world.registry(), outcome.variables);
            Ok(outcome)
        }
        Err(error) if error.kind == ErrorKind::Skip => Err(MappingError::Skip),
        Err(error) => Err(failed(error.to_string())),
    }
}
