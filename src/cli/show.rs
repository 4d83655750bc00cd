//! `gatewright show`: one run, whole.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    Session,
    database::{self, DatabaseArgs},
    history::{change_json, clock, message, origin, run_json, short},
    output,
};
use crate::{
    blueprint::{
        plan::Plan,
        render::{self, TextOptions, visible},
    },
    model::Registry,
    reconcile::{
        attempt,
        history::{self, is_applied},
        rollback::RollbackError,
        trigger::Trigger,
    },
    registry::registry,
    store::{ChangeRecord, RunRecord},
};

/// Show one run with everything that it wrote, or would have written
///
/// Runs have numbers, which `gatewright history` lists. For a run that was applied, shows what it changed; for one that waits,
/// was refused or found drift, the plan; for one that failed, what was wrong.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of the run
    #[arg(value_name = "RUN")]
    run: i64,
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
    super::runtime()?.block_on(async {
        let store = database::existing(&config).await?;
        let Some(run) = store.run(args.run).await? else { return Err(RollbackError::NoSuchRun(args.run).into()) };
        let changes = store.changes_by(run.id).await?;
        if args.json {
            output::print(&format!("{:#}\n", json(&run, &changes)))?;
        } else {
            let registry = registry()?;
            let plan = match (is_applied(&run), attempt::detail(&run, "plan")) {
                (false, Some(kept)) => history::kept_plan(kept, &registry),
                _ => history::as_plan(&changes, &history::names(&store, &changes).await?, &registry),
            };
            output::print(&text(session, &run, &plan, &registry))?;
        }
        store.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

fn json(run: &RunRecord, changes: &[ChangeRecord]) -> Value {
    let mut value = json!({ "version": 1, "kind": "run" });
    if let (Value::Object(all), Value::Object(run)) = (&mut value, run_json(run)) {
        all.extend(run);
    }
    for field in ["trigger", "durations_ms", "plan", "diagnostics", "rollback"] {
        value[field] = attempt::detail(run, field).cloned().unwrap_or_default();
    }
    value["changes"] = changes.iter().map(change_json).collect();
    value
}

fn text(session: &Session, run: &RunRecord, plan: &Plan, registry: &Registry) -> String {
    let mut text = format!("Run {}, {}, at {} UTC\n", run.id, run.run.outcome.as_str(), clock(run.at));
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("  {name:9} {}\n", visible(value)));
        }
    };
    line("by", &run.run.actor);
    line("from", &origin(run));
    if let Some(revision) = history::revision(run) {
        if let Some(commit) = &revision.commit {
            line("commit", &format!("{}  {}", short(&commit.id), commit.subject));
            line("author", &format!("{}, {} UTC", commit.author, clock(commit.at)));
        }
        line("signed by", revision.signer.as_deref().unwrap_or_default());
    }
    let trigger = attempt::detail(run, "trigger").and_then(|json| serde_json::from_value::<Trigger>(json.clone()).ok());
    line("because", &trigger.map(|trigger| trigger.text()).unwrap_or_default());
    if let Some(durations) = attempt::detail(run, "durations_ms").and_then(Value::as_object) {
        let took: Vec<String> = durations.iter().map(|(what, ms)| format!("{what} {ms} ms")).collect();
        line("took", &took.join(", "));
    }
    if run.times > 1 {
        line("repeated", &format!("{} times, last at {} UTC", run.times, clock(run.last_at)));
    }
    if let Some(message) = message(run) {
        text.push_str(&format!("\n{}\n", visible(message)));
    }
    let findings = findings(run);
    if !findings.is_empty() {
        text.push_str(&format!("\n{findings}"));
    }
    if plan.visible().next().is_some() {
        let options =
            TextOptions { colour: session.terminal.stdout_colour, width: session.terminal.width, verbose: true };
        let shown = render::text(plan, registry, &options);
        // The line at the end speaks of a plan, which this one is no longer.
        let body =
            if is_applied(run) { shown.trim_end().rsplit_once('\n').map_or("", |(body, _)| body) } else { &shown };
        text.push_str(&format!("\n{}\n", body.trim_end()));
        if let Some(left_out) = run.run.detail.pointer("/plan/left_out").filter(|_| !is_applied(run)) {
            text.push_str(&format!("… and {left_out} more changes, which are not kept.\n"));
        }
    } else if is_applied(run) {
        text.push_str("\nIt changed no object that is shown.\n");
    }
    if is_applied(run)
        && let Ok(counts) = serde_json::from_value(run.run.summary.clone())
    {
        text.push_str(&format!("\n{}\n", render::summary_line(counts, true)));
    }
    text
}

/// Findings about the documents, one a line.
fn findings(run: &RunRecord) -> String {
    let found = attempt::detail(run, "diagnostics").and_then(|found| found["diagnostics"].as_array());
    let mut text = String::new();
    for finding in found.into_iter().flatten() {
        let part = |name: &str| finding[name].as_str().unwrap_or_default();
        let label = &finding["labels"][0];
        let place = match (label["file"].as_str(), label["line"].as_u64()) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            _ => String::new(),
        };
        let line = format!("{place}{}[{}]: {}", part("severity"), part("code"), part("message"));
        text.push_str(&format!("{}\n", visible(&line)));
        for help in finding["help"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            text.push_str(&format!("  help: {}\n", visible(help)));
        }
    }
    text
}
