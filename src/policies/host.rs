//! The world as expressions may see it: the host of the sandbox, over the server's state.
//!
//! | file | job |
//! |---|---|
//! | `request` | the HTTP request as an object |
//! | `rows` | objects of the model as rows of names and values |
//! | `query` | questions to the directory |
//! | `method` | methods of objects |
//! | `change` | the few writes that expressions may make |
//! | `net` | HTTP and names |
//!
//! What an expression may read is not limited by who it runs for: administrators write expressions. What it may write
//! are users and groups as far as they describe people; everything else is refused with a `PermissionError`. Secrets are
//! never among what can be read.

mod change;
mod method;
mod net;
mod plain;
mod query;
pub(super) mod request;
mod rows;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::engine::{self, PlanView, Request, Subject};
use crate::{
    expression::{Call, Host, HostError, Map, Names, ObjectRef, Query, Value},
    identity::{events, user::User, visit::Visit, world::World},
    model::{Kind, Model, Object},
    store::StoreError,
};

/// How deep policies may call each other by `ak_call_policy`.
const DEPTH: usize = 10;

tokio::task_local! {
    /// How many policies are waiting for one that they called.
    static CALLED: usize;
}

/// What expressions of one evaluation reach.
pub(super) struct Directory<'a> {
    world: &'a World,
    /// The model with what was looked up on the way.
    seen: tokio::sync::Mutex<Model>,
    subject: &'a Subject,
    visit: Option<&'a Visit>,
    /// What is guarded, for policies that are called.
    target: Option<&'a Object>,
    /// The plan's context as the evaluation began, for policies that are called.
    plan: Option<&'a Map>,
    /// Nothing is written.
    debug: bool,
    /// Name of the policy or mapping, for the change log and the events.
    name: String,
}

/// What a host of expressions is made of.
pub(super) struct Ground<'a> {
    pub world: &'a World,
    pub model: &'a Model,
    pub subject: &'a Subject,
    pub visit: Option<&'a Visit>,
    pub target: Option<&'a Object>,
    pub plan: Option<&'a Map>,
    pub debug: bool,
    pub name: String,
}

impl<'a> Directory<'a> {
    /// A host for one evaluation.
    pub fn new(ground: Ground<'a>) -> Directory<'a> {
        let Ground { world, model, subject, visit, target, plan, debug, name } = ground;
        let seen = tokio::sync::Mutex::new(model.clone());
        Directory { world, seen, subject, visit, target, plan, debug, name }
    }

    async fn call_policy(&self, name: &str, context: Map) -> Result<Value, HostError> {
        let depth = CALLED.try_with(|depth| *depth).unwrap_or(0) + 1;
        if depth > DEPTH {
            return Err(HostError::raise("RecursionError", format!("policies call each other more than {DEPTH} deep")));
        }
        let model = self.seen.lock().await.clone();
        let found = model.by_key("authentik_policies.policy", "name", name).ok().flatten().cloned();
        let Some(policy) = found else {
            return Err(HostError::raise("ValueError", format!("there is no policy named {name:?}")));
        };
        let mut view = self.plan.map(|plan| PlanView { context: plan.clone(), ..PlanView::default() });
        let mut request =
            Request { subject: self.subject, visit: self.visit, context, plan: view.as_mut(), debug: self.debug };
        let run = engine::run(self.world, &model, self.target, &policy, &mut request);
        let verdict = match CALLED.scope(depth, run).await {
            Ok(verdict) => verdict,
            Err(engine::PolicyError::Store(error)) => return Err(failed(error)),
            Err(error) => return Err(HostError::raise("RuntimeError", format!("the policy {name:?}: {error}"))),
        };
        let context = request.context;
        if view.is_some_and(|view| Some(&view.context) != self.plan || !view.redirects.is_empty()) {
            return Err(HostError::raise(
                "RuntimeError",
                format!("the policy {name:?} changes the flow's plan, which a called policy cannot; bind it instead"),
            ));
        }
        let messages = verdict.messages.into_iter().map(Value::Text).collect();
        Ok(Value::Map(Map::from_iter([
            ("passing".to_owned(), Value::Bool(verdict.passing)),
            ("messages".to_owned(), Value::List(messages)),
            ("raw_result".to_owned(), verdict.raw),
            ("context".to_owned(), Value::Map(context)),
        ])))
    }

    async fn create_event(&self, action: &str, context: Map) -> Result<Value, HostError> {
        if self.debug {
            return Ok(Value::None);
        }
        let action = format!("custom_{action}");
        let actor = self.subject.person().map(AsRef::as_ref);
        let context = plain::shown(&Value::Map(context));
        events::write(self.world, self.visit, actor, &action, "authentik.events.utils", context)
            .await
            .map_err(failed)?;
        Ok(Value::None)
    }

    /// The stored object of a reference.
    async fn object(&self, object: &ObjectRef) -> Result<std::sync::Arc<Object>, HostError> {
        let gone = || HostError::raise("LookupError", format!("the {} {} is not stored", object.kind, object.id));
        let id: Uuid = object.id.parse().map_err(|_| gone())?;
        let mut seen = self.seen.lock().await;
        let found = self.world.ask(&mut seen, |model| Ok(model.get(id)?.cloned())).await.map_err(failed)?;
        found.ok_or_else(gone)
    }

    /// Whether a reference is to a user.
    fn is_user(object: &ObjectRef) -> bool {
        object.kind == User::NAME
    }

    async fn has_authenticator(&self, user: &ObjectRef, device_type: Option<&str>) -> Result<Value, HostError> {
        let kinds: Vec<&str> = match device_type {
            None => query::DEVICES.to_vec(),
            Some(named) => {
                let kind = query::DEVICES
                    .iter()
                    .find(|kind| kind.starts_with(&format!("authentik_stages_authenticator_{named}.")));
                vec![kind.ok_or_else(|| {
                    HostError::raise("ValueError", format!("there are no devices of the type {named:?}"))
                })?]
            }
        };
        let Ok(id) = user.id.parse::<Uuid>() else { return Ok(Value::Bool(false)) };
        let mut seen = self.seen.lock().await;
        let has = self.world.ask(&mut seen, |model| {
            for kind in &kinds {
                let Some(kind) = model.registry().find(kind) else { continue };
                for device in model.referrers(kind.index, "user", id)? {
                    let confirmed = model.get(device)?.and_then(|device| device.attrs.get("confirmed")?.as_bool());
                    if confirmed.unwrap_or(true) {
                        return Ok(true);
                    }
                }
            }
            Ok(false)
        });
        has.await.map(Value::Bool).map_err(failed)
    }
}

impl Host for Directory<'_> {
    fn attributes<'a>(
        &'a self,
        objects: &'a [ObjectRef],
        names: &'a Names,
    ) -> BoxFuture<'a, Result<Vec<Option<Map>>, HostError>> {
        Box::pin(rows::attributes(self, objects, names))
    }

    fn query(&self, query: Query) -> BoxFuture<'_, Result<Value, HostError>> {
        Box::pin(query::answer(self, query))
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, HostError>> {
        Box::pin(async move {
            match call {
                Call::Method { object, name, arguments, named: _ } => {
                    method::run(self, &object, &name, arguments).await
                }
                Call::Create { model, .. } => Err(change::refused(&format!("create objects such as {model}"))),
                Call::Save { object, changes } => change::save(self, &object, changes).await,
                Call::Delete { object } => Err(change::refused(&format!("delete objects such as {}", object.kind))),
                Call::Relate { object, relation, change, members } => {
                    change::relate(self, &object, &relation, change, &members).await
                }
                Call::HasAuthenticator { user, device_type } => {
                    self.has_authenticator(&user, device_type.as_deref()).await
                }
                Call::CallPolicy { name, context } => self.call_policy(&name, context).await,
                Call::CreateEvent { action, context } => self.create_event(&action, context).await,
                Call::CreateJwt { .. } => {
                    Err(HostError::raise("NotImplementedError", "this release issues no tokens to expressions"))
                }
                Call::ResolveDns { host, version } => net::resolve(&host, version).await,
                Call::ReverseDns { address } => net::reverse(&address).await,
                Call::DefineAttribute(_) => {
                    Err(HostError::raise("RuntimeError", "attributes are defined in mappings of RADIUS providers only"))
                }
                Call::Http(call) => net::http(self.world, call).await,
                Call::Random(bytes) => {
                    let mut random = vec![0; usize::from(bytes)];
                    getrandom::fill(&mut random).map_err(|error| HostError::fatal(error.to_string()))?;
                    Ok(Value::Bytes(random))
                }
                Call::Now => Ok(plain::moment(self.world.now())),
            }
        })
    }
}

/// The end of an evaluation because of the store.
fn failed(error: StoreError) -> HostError {
    HostError::fatal(format!("the database failed: {error}"))
}
