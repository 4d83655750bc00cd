//! What a stage is, and what it may do to the flow that it is in.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::{Map as JsonMap, Value as Json};
use uuid::Uuid;

use super::{
    challenge::{Answer, Challenge, Errors},
    plan::{Plan, StageRef, Step},
    proof::{Evidence, Proof},
    query,
};
use crate::{
    expression::{Handle, Map, Value},
    identity::{
        user::User,
        visit::{Seat, Visit},
        world::World,
    },
    model::{Kind, Model, Object},
    policies::engine::Subject,
    store::StoreError,
};

/// What a stage does.
#[async_trait]
pub trait Stage: Send + Sync {
    /// Asks, or acts without asking. Runs on GET, and again before an answer is taken where the stage needs it.
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError>;

    /// Takes an answer. A stage that never asks acts in the same way on any request.
    async fn answer(&self, at: &mut StageContext<'_>, _answer: Answer) -> Result<Next, StageError> {
        self.challenge(at).await
    }
}

/// What follows.
#[derive(Debug)]
pub enum Next {
    /// The person is asked.
    Ask(Challenge),
    /// The answer was wrong: the person is asked again, or the flow begins anew if its binding says so.
    Wrong(Challenge, Errors),
    /// The stage is passed.
    Passed(Proof),
    /// The stage refuses: the flow ends with this message, or begins anew if its binding says so.
    Refused(String),
    /// The person goes elsewhere, and the flow waits.
    Away(String),
}

/// Why a stage could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stage is configured wrongly.
    #[error("the stage {stage} is configured wrongly: {problem}")]
    Configuration {
        /// Name of the stage.
        stage: String,
        /// What is wrong.
        problem: String,
    },
    /// Something that the stage needs failed.
    #[error("{0}")]
    Failed(String),
}

/// The behaviours of stages by the name of their kind.
#[derive(Clone, Default)]
pub struct StageTable(Arc<HashMap<&'static str, &'static dyn Stage>>);

impl StageTable {
    /// A table of these behaviours.
    pub fn new(stages: impl IntoIterator<Item = (&'static str, &'static dyn Stage)>) -> StageTable {
        StageTable(Arc::new(stages.into_iter().collect()))
    }

    /// What a stage of a kind does.
    pub fn get(&self, kind: &str) -> Option<&'static dyn Stage> {
        self.0.get(kind).copied()
    }
}

/// Where a stage stands when it is asked for a challenge or given an answer, and all that it may change.
pub struct StageContext<'a> {
    /// The server.
    pub world: &'a World,
    /// The objects of the flow as it was when the person began it.
    pub model: &'a Model,
    /// The flow.
    pub flow: &'a Arc<Object>,
    /// The stage; none for one of the server's own.
    pub stage: Option<&'a Arc<Object>>,
    /// What a stage of the server's own is to do.
    pub settings: &'a Json,
    /// The request.
    pub visit: &'a Visit,
    /// The session.
    pub seat: &'a mut Seat,
    /// The plan. Its first step is this stage's.
    pub plan: &'a mut Plan,
    /// Query of the flow's page, as pairs.
    pub query: &'a [(String, String)],
    /// Which execution this is.
    pub(super) execution: Uuid,
}

impl StageContext<'_> {
    /// Identity of the execution: what is remembered for it means nothing to another.
    pub fn execution(&self) -> Uuid {
        self.execution
    }

    /// The stage's settings as its kind declares them; references are in the object's edges.
    ///
    /// # Errors
    /// When the stored settings do not fit the kind, which only a newer or older program can have written.
    pub fn declared<K: Kind + DeserializeOwned>(&self) -> Result<K, StageError> {
        let attrs = self.stage.map(|stage| stage.attrs.clone()).unwrap_or_default();
        serde_json::from_value(Json::Object(attrs)).map_err(|error| StageError::Configuration {
            stage: self.name(),
            problem: format!("its settings do not fit {}: {error}", K::NAME),
        })
    }

    /// The stage's name.
    pub fn name(&self) -> String {
        self.stage.and_then(|stage| stage.text("name")).unwrap_or_default()
    }

    /// The objects that a field of the stage refers to, in their order.
    pub fn targets(&self, field: &str) -> Vec<Arc<Object>> {
        let ids = self.stage.map(|stage| stage.targets(field)).unwrap_or_default();
        ids.iter().filter_map(|id| self.model.known(*id).cloned()).collect()
    }

    /// A secret of the stage as it is now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn secret(&self, field: &str) -> Result<Option<zeroize::Zeroizing<String>>, StageError> {
        match self.stage {
            Some(stage) => Ok(self.world.store().reveal(stage.id, field).await?),
            None => Ok(None),
        }
    }

    /// The value of a key in the query of the flow's page.
    pub fn asked(&self, key: &str) -> Option<&str> {
        query::value(self.query, key)
    }

    /// What this stage remembers of this execution from one request to the next.
    pub fn memory(&mut self) -> &mut JsonMap<String, Json> {
        if self.plan.steps.is_empty() {
            self.plan.steps.push_front(Step::of(StageRef::Passing { kind: String::new(), settings: Json::Null }));
        }
        &mut self.plan.steps[0].memory
    }

    /// Whom the flow is about: the context's `pending_user`, none when it has none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pending(&self) -> Result<Option<Subject>, StageError> {
        subject_in(self.world, &self.plan.context).await
    }

    /// Who is signed in.
    pub fn visitor(&self) -> Subject {
        self.seat.person.clone().map_or(Subject::Anonymous, Subject::Person)
    }

    /// Whom the flow is about, or else who is signed in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn subject(&self) -> Result<Subject, StageError> {
        Ok(self.pending().await?.unwrap_or_else(|| self.visitor()))
    }

    /// Makes the flow about somebody.
    pub fn set_pending(&mut self, subject: &Subject) {
        self.plan.context.insert(PENDING_USER.to_owned(), subject.handle());
    }

    /// Evidence that this stage was passed in this execution, for whom the flow is about now.
    pub fn prove(&self, evidence: Evidence) -> Proof {
        let person = subject_id(&self.plan.context).or_else(|| self.seat.person.as_ref().map(|person| person.id()));
        Proof { execution: self.execution, stage: self.stage.map(|stage| stage.id), person, evidence }
    }

    /// Passed, because there was nothing to show.
    pub fn done(&self) -> Result<Next, StageError> {
        Ok(Next::Passed(self.prove(Evidence::Done)))
    }

    /// Absolute address of a path on this server.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.visit.origin())
    }

    /// Address of another flow's page, with the query of this one.
    pub fn page_of(&self, flow: &Object) -> String {
        let slug = flow.text("slug").unwrap_or_default();
        let query = query::encode(self.query);
        if query.is_empty() { format!("/if/flow/{slug}/") } else { format!("/if/flow/{slug}/?{query}") }
    }
}

/// Key of the context: whom the flow is about.
pub const PENDING_USER: &str = "pending_user";

/// The stored user of a context.
pub fn subject_id(context: &Map) -> Option<Uuid> {
    match context.get(PENDING_USER) {
        Some(Value::Handle(handle)) if handle.kind == User::NAME => handle.id.parse().ok(),
        _ => None,
    }
}

/// Whom a context is about.
///
/// # Errors
/// When the database fails.
pub async fn subject_in(world: &World, context: &Map) -> Result<Option<Subject>, StageError> {
    let Some(Value::Handle(Handle { kind, id, attributes })) = context.get(PENDING_USER) else { return Ok(None) };
    if kind != User::NAME {
        return Ok(None);
    }
    if id.is_empty() {
        return Ok(attributes.clone().map(Subject::Unsaved));
    }
    let Ok(id) = id.parse() else { return Ok(None) };
    Ok(world.person(id).await?.map(Subject::Person))
}
