//! What may stand between a plan and its application: kinds that a source may not touch, too many deletions, a lock-out,
//! a person's consent.

use globset::GlobBuilder;

use super::{settings::Settings, source::Approval};
use crate::{
    blueprint::plan::Plan,
    model::{Family, Registry},
};

/// Deletions that no percentage forbids, so that a source of a few objects can lose one.
const ALWAYS_DELETABLE: usize = 3;

/// Why a plan is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One word that programs can rely on.
    pub reason: &'static str,
    /// What is refused and what to do.
    pub message: String,
}

/// What is known about a plan besides the plan.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Objects that the source owned before.
    pub owned: usize,
    /// Why nobody could administer the system any more after the plan, if so.
    pub lock_out: Option<String>,
}

/// The first reason that speaks against applying a plan, but for a person's consent.
pub fn judge(settings: &Settings, registry: &Registry, plan: &Plan, facts: &Facts) -> Option<Refusal> {
    kinds(settings, registry, plan)
        .or_else(|| deletions(settings, plan, facts))
        .or_else(|| facts.lock_out.clone().map(|message| Refusal { reason: "LockOut", message }))
}

/// Whether a plan waits for a person's consent.
pub fn waits(settings: &Settings, plan: &Plan) -> bool {
    settings.approval == Approval::Manual && !plan.is_empty()
}

fn kinds(settings: &Settings, registry: &Registry, plan: &Plan) -> Option<Refusal> {
    let patterns: Vec<_> = settings
        .allowed_kinds
        .iter()
        .filter_map(|pattern| GlobBuilder::new(pattern).build().ok())
        .map(|glob| glob.compile_matcher())
        .collect();
    let allowed = |kind: &str| match settings.allowed_kinds.is_empty() {
        // A source that declares sources reaches whatever those may reach, so that is nothing to happen by accident.
        true => registry.find(kind).is_none_or(|kind| !kind.is_a(Family::BlueprintSource.name())),
        false => patterns.iter().any(|pattern| pattern.is_match(kind)),
    };
    let refused: Vec<String> = plan
        .changes
        .iter()
        .filter(|change| !change.implied && !allowed(&change.object.kind))
        .map(|change| format!("{} {:?}", change.object.kind, change.object.name))
        .collect();
    let (first, others) = (refused.first()?, refused.len() - 1);
    let others = if others == 0 { String::new() } else { format!(" and {others} more") };
    Some(Refusal {
        reason: "KindNotAllowed",
        message: format!(
            "the source {} may not touch {first}{others}; list the kind in its `allowed_kinds` if it may",
            settings.name
        ),
    })
}

fn deletions(settings: &Settings, plan: &Plan, facts: &Facts) -> Option<Refusal> {
    let deleted = plan.changes.iter().filter(|change| change.after.is_none()).count();
    if deleted == 0 {
        return None;
    }
    let refuse = |why: String| {
        let message = format!(
            "the plan deletes {deleted} {}, {why}; look at it by `gatewright show`, and force it by `gatewright approve {} --force` \
             if it is right",
            if deleted == 1 { "object" } else { "objects" },
            settings.name
        );
        Some(Refusal { reason: "TooManyDeletions", message })
    };
    let percent = usize::from(settings.max_deleted_percent);
    if percent < 100 && facts.owned > 1 && deleted >= facts.owned && plan.counts().create == 0 && plan.unchanged == 0 {
        return refuse("which is everything that the source owns".to_owned());
    }
    if let Some(limit) = settings.max_deleted
        && deleted > limit as usize
    {
        return refuse(format!("and the source may delete {limit} at once"));
    }
    let share = (facts.owned * percent / 100).max(if percent == 0 { 0 } else { ALWAYS_DELETABLE });
    if percent < 100 && deleted > share {
        return refuse(format!("of {} that the source owns, and the limit is {percent} %", facts.owned));
    }
    None
}
