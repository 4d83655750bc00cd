//! Planning a flow for somebody: whether it applies, and which stages take part. Spec: flows §2.2.
//!
//! There is no cache of plans that could go stale: all objects are in memory, so planning costs microseconds.

use serde_json::Value as Json;

use super::{
    flow::{Authentication, Flow},
    plan::{Plan, StageRef, Step},
    slice::Slice,
    stage::{self, StageError},
    stage_binding::FlowStageBinding,
};
use crate::{
    expression::Map,
    identity::{visit::Visit, world::World},
    model::{Kind, Object},
    policies::engine::{self, MoreStage, PlanView, Request, Subject},
};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The flow is not for this person or this request. What the policies said, a line each; may be empty.
    #[error("the flow does not apply: {0}")]
    NotApplicable(String),
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] StageError),
}

impl From<crate::store::StoreError> for PlanError {
    fn from(error: crate::store::StoreError) -> Self {
        PlanError::Failed(error.into())
    }
}

/// What is said when no policy says anything.
pub const DOES_NOT_APPLY: &str = "Flow does not apply to current user.";

/// A flow to be planned.
pub struct Planning<'a> {
    /// The server.
    pub world: &'a World,
    /// The flow.
    pub slice: &'a Slice,
    /// The request.
    pub visit: &'a Visit,
    /// Who is signed in.
    pub visitor: &'a Subject,
    /// Whether the context comes from the server's own code and not from a request. Then it may name whom the flow is
    /// about, and the flow's demand on who is signed in does not count.
    pub trusted: bool,
}

impl Planning<'_> {
    /// Plans the flow.
    ///
    /// # Errors
    /// When the flow does not apply, or the database fails.
    pub async fn plan(&self, context: Map) -> Result<Plan, PlanError> {
        let Planning { world, slice, visit, visitor, trusted } = *self;
        let about = stage::subject_in(world, &context).await?.filter(|_| trusted);
        if about.is_none() {
            self.check_requirement(&context)?;
        }
        let subject = about.as_ref().unwrap_or(visitor);
        let flow = &slice.flow;
        let mut request = Request { subject, visit: Some(visit), context: context.clone(), plan: None, debug: false };
        let judgement = engine::judge(world, &slice.model, flow, &mut request).await?;
        if !judgement.passing {
            return Err(PlanError::NotApplicable(judgement.messages.join("\n")));
        }
        let mut plan = Plan { flow: flow.id, context, ..Plan::default() };
        for (binding, stage) in bindings(slice) {
            let flag = |field: &str, default: bool| binding.attrs.get(field).and_then(Json::as_bool).unwrap_or(default);
            if flag("evaluate_on_plan", false) && !self.admits(&mut plan, &binding, subject).await? {
                continue;
            }
            let mut step = Step::of(StageRef::Stored(stage));
            step.binding = Some(binding.id);
            step.re_evaluate = flag("re_evaluate_policies", true);
            plan.steps.push_back(step);
        }
        Ok(plan)
    }

    /// Whether the policies of a binding let its stage take part. Expressions may change the plan.
    ///
    /// A stage is left out only when its policies say so. Where a policy that broke could have let it take part, nobody goes
    /// on without it: the stage may be the one that asks for the second factor.
    ///
    /// # Errors
    /// When the database fails, and when the policies came to no decision.
    pub async fn admits(&self, plan: &mut Plan, binding: &Object, subject: &Subject) -> Result<bool, StageError> {
        let mut view = PlanView { context: plan.context.clone(), ..PlanView::default() };
        let context = plan.context.clone();
        let mut request = Request { subject, visit: Some(self.visit), context, plan: Some(&mut view), debug: false };
        let judgement = engine::judge(self.world, &self.slice.model, binding, &mut request).await?;
        plan.context = view.context;
        for url in view.redirects {
            plan.redirect(&url);
        }
        for MoreStage { stage, last } in view.stages {
            if self.slice.model.known(stage).is_none() {
                let problem = format!("a policy wants the stage {stage} in the plan, which is none of this flow's");
                return Err(StageError::Failed(problem));
            }
            let stage = StageRef::Stored(stage);
            if last { plan.append(stage) } else { plan.insert(stage) }
        }
        for message in &judgement.messages {
            tracing::info!(binding = %binding.id, passing = judgement.passing, message, "a policy of a stage binding");
        }
        if judgement.undecided {
            let problem = format!("the policies of the stage binding {} came to no decision", binding.id);
            return Err(StageError::Failed(problem));
        }
        Ok(judgement.passing)
    }

    /// Checks the flow's demand on who is signed in, for those who plan with a context that is trusted and demand it all the
    /// same.
    ///
    /// # Errors
    /// When it is not met.
    pub fn check_requirement(&self, context: &Map) -> Result<(), PlanError> {
        let declared = serde_json::from_value(Json::Object(self.slice.flow.attrs.clone()));
        // Settings that cannot be read demand more than anybody has.
        let Ok(Flow { authentication, .. }) = declared else {
            return Err(PlanError::NotApplicable(String::new()));
        };
        let person = self.visitor.person();
        let met = match authentication {
            Authentication::None => true,
            Authentication::RequireAuthenticated => person.is_some(),
            Authentication::RequireUnauthenticated => person.is_none(),
            Authentication::RequireSuperuser => person.is_some_and(|person| person.is_superuser()),
            Authentication::RequireRedirect => self.trusted && context.contains_key("is_redirected"),
            Authentication::RequireOutpost => self.visit.outpost.is_some(),
        };
        if met { Ok(()) } else { Err(PlanError::NotApplicable(String::new())) }
    }
}

/// The bindings of a flow in their order, each with its stage.
pub fn bindings(slice: &Slice) -> Vec<(std::sync::Arc<Object>, uuid::Uuid)> {
    let Some(kind) = slice.model.registry().find(FlowStageBinding::NAME) else { return Vec::new() };
    let of_flow = slice
        .model
        .known_of_kind(kind.index)
        .filter(|binding| binding.targets("target").first() == Some(&slice.flow.id))
        .filter_map(|binding| Some((binding.clone(), *binding.targets("stage").first()?)));
    let mut bindings: Vec<_> = of_flow.collect();
    bindings.sort_by_key(|(binding, _)| (binding.attrs.get("order").and_then(Json::as_i64).unwrap_or(0), binding.id));
    bindings
}
