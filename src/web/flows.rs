//! Flows over HTTP: the executor, the inspector, and the addresses that lead into flows. Spec: flows §3.

use std::sync::Arc;

use axum::{
    Router,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    api::represent,
    body::Forms,
    refusal::{Refusal, json_answer},
    visit::{Call, Site, api, found, is_read, page, resource},
};
use crate::{
    expression::{Handle, Map},
    flows::{
        challenge::Answer,
        executor::{Executor, Reply, Sent, flow_named},
        flow::Flow,
        plan::Plan,
        planner::PlanError,
        query,
        slice::Slice,
        stage::{PENDING_USER, StageError},
    },
    identity::user::User,
    model::{Kind, Model, Object},
    policies::engine::{self, Request, Subject},
};

/// The routes.
pub fn router() -> Router<Site> {
    Router::new()
        .route(
            "/api/v3/flows/executor/{slug}/",
            resource(page("GET, POST, HEAD, OPTIONS"), |call| Box::pin(execute(call))),
        )
        .route("/api/v3/flows/inspector/{slug}/", resource(api("GET, HEAD, OPTIONS"), |call| Box::pin(inspect(call))))
        .route("/flows/-/default/{designation}/", resource(page("GET, HEAD"), |call| Box::pin(default(call))))
        .route("/flows/-/cancel/", resource(page("GET, HEAD"), |call| Box::pin(cancel(call))))
        .route("/flows/-/configure/{stage}/", resource(page("GET, HEAD"), |call| Box::pin(configure(call))))
}

async fn execute(call: &mut Call) -> Result<Response, Refusal> {
    let sent = match is_read(&call.visit) {
        true => Sent::Nothing,
        false => Sent::Answer(Answer(call.fields(Forms::JsonOrForm).await?)),
    };
    let own = query::parse(&call.visit.query);
    let query = own.iter().rev().find(|(name, _)| name == "query").map(|(_, value)| query::parse(value));
    let slug = call.param("slug").to_owned();
    let reply = executor(call).run(&slug, query.unwrap_or_default(), sent).await?;
    Ok(match reply {
        Reply::Challenge(challenge) => json_answer(StatusCode::OK, &challenge),
        Reply::Again => found(&own_address(call)),
        Reply::NotFound => return Err(Refusal::NotFound),
    })
}

fn executor(call: &mut Call) -> Executor<'_> {
    Executor { world: &call.site.world, stages: &call.site.stages, visit: &call.visit, seat: &mut call.seat }
}

/// Path and query of the request.
fn own_address(call: &Call) -> String {
    match call.visit.query.as_str() {
        "" => call.visit.path.clone(),
        query => format!("{}?{query}", call.visit.path),
    }
}

/// Where the flow in this session stands, and how it came there. For those who may see what goes on inside; for all others
/// there is no such thing.
async fn inspect(call: &mut Call) -> Result<Response, Refusal> {
    if !call.seat.person.as_ref().is_some_and(|person| person.may_debug()) {
        return Err(Refusal::NotFound);
    }
    let world = &call.site.world;
    let model = world.model().await?;
    let Some(flow) = flow_named(&model, call.param("slug")) else { return Err(Refusal::NotFound) };
    let session = represent::sha256(call.seat.session.id.to_string().as_bytes());
    let of_this_flow = |seen: &&Value| seen.get("flow") == Some(&json!(flow.id));
    let history: Vec<Value> =
        call.seat.data.history.iter().filter(of_this_flow).map(|seen| seen_plan(&model, seen, &session)).collect();
    let current = match call.seat.stored {
        true => world.store().execution(call.seat.session.id).await?.filter(|execution| execution.flow == flow.id),
        false => None,
    };
    let mut running = None;
    if let Some(execution) = current
        && let Some(content) = world.store().flow_slice(&execution.slice).await?
        && let Ok(slice) = Slice::parse(world.registry(), &execution.slice, &content)
        && let Ok(plan) = serde_json::from_value::<Plan>(execution.state)
    {
        let seen = json!({
            "steps": plan.steps.iter().take(2).map(|step| json!(step.binding)).collect::<Vec<_>>(),
            "context": crate::expression::Value::Map(plan.context).to_json(),
        });
        running = Some(seen_plan(&slice.model, &seen, &session));
    }
    let completed = running.is_none();
    let Some(current) = running.or_else(|| history.last().cloned()) else {
        return Ok(StatusCode::BAD_REQUEST.into_response());
    };
    let inspection = json!({ "plans": history, "current_plan": current, "is_completed": completed });
    Ok(json_answer(StatusCode::OK, &inspection))
}

/// A plan as the inspector shows it.
fn seen_plan(model: &Model, seen: &Value, session: &str) -> Value {
    let binding = |at: usize| {
        let id = seen["steps"][at].as_str().and_then(|id| id.parse::<Uuid>().ok());
        let binding = id.and_then(|id| model.known(id));
        binding.map_or_else(|| json!({}), |binding| represent::stage_binding(model, binding))
    };
    json!({
        "current_stage": binding(0),
        "next_planned_stage": binding(1),
        "plan_context": seen["context"],
        "session_id": session,
    })
}

/// On to the flow that the brand has for a purpose.
async fn default(call: &mut Call) -> Result<Response, Refusal> {
    let model = call.site.world.model().await?;
    let designation = call.param("designation").to_owned();
    let (field, any) = match designation.as_str() {
        "authentication" => ("flow_authentication", true),
        "invalidation" => ("flow_invalidation", true),
        "recovery" => ("flow_recovery", false),
        "unenrollment" => ("flow_unenrollment", false),
        _ => return Err(Refusal::NotFound),
    };
    let of_application = match designation.as_str() {
        "authentication" => application_flow(call, &model),
        _ => None,
    };
    let of_brand = || call.visit.brand_target(field).and_then(|flow| model.known(flow).cloned());
    let flow = match of_application.or_else(of_brand) {
        Some(flow) => Some(flow),
        None if any => first_of(call, &model, &designation).await?,
        None => None,
    };
    let Some(flow) = flow else { return Err(Refusal::NotFound) };
    drop_flow(call, Some(flow.id)).await?;
    Ok(found(&flow_page(&flow, &call.visit.query)))
}

/// The flow by which an application that somebody is on the way to wants them to sign in.
fn application_flow(call: &Call, model: &Model) -> Option<Arc<Object>> {
    let application = model.known(call.seat.data.application?)?;
    let provider = model.known(*application.targets("provider").first()?)?;
    model.known(*provider.targets("authentication_flow").first()?).cloned()
}

/// The first flow of a designation, by slug, that the visitor may use.
async fn first_of(call: &Call, model: &Model, designation: &str) -> Result<Option<Arc<Object>>, Refusal> {
    let Some(kind) = model.registry().find(Flow::NAME) else { return Ok(None) };
    let mut flows: Vec<&Arc<Object>> = model
        .known_of_kind(kind.index)
        .filter(|flow| flow.attrs.get("designation").and_then(Value::as_str) == Some(designation))
        .collect();
    flows.sort_by_key(|flow| flow.text("slug"));
    let subject = call.seat.person.clone().map_or(Subject::Anonymous, Subject::Person);
    for flow in flows {
        let visit = Some(&call.visit);
        let mut request = Request { subject: &subject, visit, context: Map::new(), plan: None, debug: false };
        match engine::judge(&call.site.world, model, flow, &mut request).await {
            Ok(judgement) if judgement.passing => return Ok(Some(flow.clone())),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Address of a flow's page.
fn flow_page(flow: &Object, query: &str) -> String {
    let slug = flow.text("slug").unwrap_or_default();
    if query.is_empty() { format!("/if/flow/{slug}/") } else { format!("/if/flow/{slug}/?{query}") }
}

/// Gives the flow in the session up, unless it is one that is wanted.
async fn drop_flow(call: &mut Call, unless: Option<Uuid>) -> Result<(), Refusal> {
    if !call.seat.stored {
        return Ok(());
    }
    let (store, session) = (call.site.world.store(), call.seat.session.id);
    if let Some(execution) = store.execution(session).await?
        && Some(execution.flow) != unless
    {
        store.end_execution(session, execution.id).await?;
    }
    Ok(())
}

async fn cancel(call: &mut Call) -> Result<Response, Refusal> {
    drop_flow(call, None).await?;
    call.seat.data.application = None;
    call.seat.data.query.clear();
    Ok(found("/flows/-/default/invalidation/"))
}

/// Into the flow by which the person sets up a stage for themselves.
async fn configure(call: &mut Call) -> Result<Response, Refusal> {
    let Some(person) = call.seat.person.clone() else {
        let next = query::encode(&[("next".to_owned(), own_address(call))]);
        return Ok(found(&format!("/flows/-/default/authentication/?{next}")));
    };
    let model = call.site.world.model().await?;
    let stage = call.param("stage").parse::<Uuid>().ok().and_then(|id| model.known(id));
    let flow = stage.and_then(|stage| stage.targets("configure_flow").first()).and_then(|id| model.known(*id));
    let Some(flow) = flow.cloned() else { return Err(Refusal::NotFound) };
    let about = Handle::new(User::NAME, person.id().to_string());
    let context = Map::from_iter([(PENDING_USER.to_owned(), about.into())]);
    match executor(call).start(&flow, context).await {
        Ok(()) => Ok(found(&flow_page(&flow, &call.visit.query))),
        Err(PlanError::NotApplicable(_)) => Err(Refusal::NotFound),
        Err(PlanError::Failed(StageError::Store(error))) => Err(error.into()),
        Err(PlanError::Failed(error)) => {
            tracing::error!(%error, "a flow that sets up a stage cannot begin");
            Err(Refusal::NotFound)
        }
    }
}
