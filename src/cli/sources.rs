//! `gatewright sources`: where each source of blueprints stands.

use std::process::ExitCode;

use serde_json::json;

use super::{
    Session,
    database::{self, DatabaseArgs, Mode},
    output,
};
use crate::{
    reconcile::{
        attempt,
        settings::{self, Settings},
        state::{ConditionType, State},
    },
    registry::registry,
};

/// Show where each source of blueprints stands
///
/// Lists the declared sources with the revision that is applied and their conditions. Exits with 0 when all of them are
/// ready and none has drifted, with 1 otherwise.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these sources
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&args.database.flags())?;
    session.start_quiet_log(&config)?;
    let listed = super::runtime()?.block_on(async {
        let Some(store) = database::open(&config, Mode::Look).await? else { return anyhow::Ok(Vec::new()) };
        let registry = registry()?;
        let mut listed = Vec::new();
        for declared in settings::all(&store, &registry).await? {
            let settings = declared?;
            if args.names.is_empty() || args.names.contains(&settings.name) {
                let state = attempt::state_of(store.source(&settings.name).await?.as_ref());
                listed.push((settings, state));
            }
        }
        store.close().await;
        Ok(listed)
    })?;
    for name in &args.names {
        if !listed.iter().any(|(settings, _)| settings.name == *name) {
            anyhow::bail!("there is no source {name}; `gatewright sources` lists them");
        }
    }
    let mut listed = listed;
    listed.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    if args.json {
        let sources: Vec<_> = listed.iter().map(|(settings, state)| json(settings, state)).collect();
        let value = json!({ "version": 1, "kind": "sources", "sources": sources });
        output::print(&format!("{value:#}\n"))?;
    } else if listed.is_empty() {
        output::print("There is no source of blueprints.\n")?;
    } else {
        output::print(&text(&listed))?;
    }
    let fine = listed.iter().all(|(_, state)| state.is_ready() && !state.is(ConditionType::Drifted));
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a source is in one word.
pub fn status(state: &State) -> &'static str {
    if state.conditions.is_empty() {
        "new"
    } else if state.is(ConditionType::Drifted) {
        "drifted"
    } else if state.is_ready() {
        "ready"
    } else if state.is(ConditionType::Stalled) {
        "stalled"
    } else {
        "waiting"
    }
}

/// What there is to say about a source.
pub fn message(state: &State) -> &str {
    let telling = [ConditionType::Drifted, ConditionType::Ready]
        .into_iter()
        .filter_map(|kind| state.conditions.get(&kind).map(|condition| (kind, condition)))
        .find(|(kind, condition)| (*kind == ConditionType::Ready) != condition.status);
    telling.map_or("", |(_, condition)| condition.message.as_str())
}

fn text(listed: &[(Settings, State)]) -> String {
    let names = listed.iter().map(|(settings, _)| settings.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (settings, state) in listed {
        let applied = state.applied.as_ref().map_or("nothing applied yet", |applied| applied.revision.name.as_str());
        let name = &settings.name;
        text.push_str(&format!("{:8} {name:names$}  {}, {applied}\n", status(state), settings.origin.kind()));
        let message = message(state);
        if !message.is_empty() {
            text.push_str(&format!("         {message}\n"));
        }
    }
    text
}

fn json(settings: &Settings, state: &State) -> serde_json::Value {
    let conditions: Vec<_> = state
        .conditions
        .iter()
        .map(|(kind, condition)| {
            json!({
                "type": kind.name(),
                "status": condition.status,
                "reason": condition.reason,
                "message": condition.message,
                "since": condition.since,
                "revision": condition.revision,
            })
        })
        .collect();
    json!({
        "name": settings.name,
        "type": settings.origin.kind(),
        "status": status(state),
        "suspended": settings.suspended,
        "observed": state.observed,
        "applied": state.applied.as_ref().map(|applied| json!({ "revision": applied.revision, "at": applied.at })),
        "conditions": conditions,
        "run": state.run,
        "owned": state.owned,
        "orphans": state.orphans,
        "pending": state.pending.as_ref().map(|pending| json!({ "run": pending.run, "refused": pending.refused })),
    })
}
