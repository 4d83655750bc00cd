//! `gatewright rollback`: back to the state before a run.

use std::{process::ExitCode, sync::Arc};

use serde_json::{Value, json};

use super::{
    Session,
    apply::STALE,
    database::{self, DatabaseArgs},
    output,
};
use crate::{
    base::clock::{Clock, SystemClock},
    blueprint::{
        apply,
        render::{self, TextOptions, visible},
    },
    model::Registry,
    reconcile::{
        guard,
        rollback::{self, Conflict, Rollback, Wish},
    },
    registry::registry,
    store::{Committed, StoreError},
};

/// Go back to the state before a run
///
/// Undoes the run and everything after it, in one transaction: what was created goes, what was deleted comes back under its
/// old id, and changed fields, secrets among them, get their former values. Shows the plan and, on a terminal, asks
/// before it writes. Sources whose runs are undone hold until their next revision. Exits with 0 when it is done, with 1 when
/// it was refused or failed and nothing was written, with 3 when the database has changed since the plan was made.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of the run, as `gatewright history` lists it
    #[arg(value_name = "RUN")]
    run: i64,
    /// Undo only what this run changed; refused where something later builds on it
    #[arg(long)]
    only: bool,
    /// Leave what cannot be undone as it is, and undo the rest
    #[arg(long)]
    force: bool,
    /// Show the plan and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
    /// Show every object, however many there are
    #[arg(long, short)]
    verbose: bool,
}

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&args.database.flags())?;
    session.start_quiet_log(&config)?;
    super::runtime()?.block_on(async {
        let store = database::existing(&config).await?;
        let registry = Arc::new(registry()?);
        let wish = Wish { run: args.run, only: args.only, force: args.force };
        let found = rollback::plan(&store, &registry, wish).await?;
        let refused = !found.conflicts.is_empty() && !args.force;
        if !args.json {
            complain(&registry, &found.conflicts, args.force);
        }
        if refused {
            if args.json {
                print_json(&found, &registry, true, None, &[])?;
            } else {
                eprintln!("Nothing was written. With --force, what cannot be undone stays as it is.");
            }
            return Ok(ExitCode::FAILURE);
        }
        if !args.json {
            output::print(&text(session, &found, &registry, args.verbose))?;
        }
        if args.dry_run || found.plan.is_empty() {
            if args.json {
                print_json(&found, &registry, false, None, &[])?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        if !args.force {
            let model = store.read().await?.model(registry.clone()).await?;
            let guarded = guard::check(&store, &found.plan, &model).await?;
            if guarded.refuses() {
                session.terminal.error(&anyhow::anyhow!("{}", guarded.render_text().trim_end()));
                eprintln!("Nothing was written. If this is what you want, give --force.");
                return Ok(ExitCode::FAILURE);
            }
        }
        if session.terminal.interactive && !args.yes && !args.json {
            let loss = found.plan.counts().delete;
            let loss = if loss > 0 { format!(" This deletes {loss}.") } else { String::new() };
            if !session.terminal.ask(&format!("Apply these changes?{loss}"))? {
                eprintln!("Nothing was written.");
                return Ok(ExitCode::FAILURE);
            }
        }
        let actor = session.actor();
        let mut changes = apply::changeset(&found.plan, &registry, found.run(wish, &actor))
            .map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
        changes.requests = found.requests(&actor);
        match store.commit(&registry, &changes, SystemClock.now_us()).await {
            Ok(committed) => {
                store.close().await;
                if args.json {
                    print_json(&found, &registry, false, Some(&committed), &[])?;
                } else {
                    report(session, &found)?;
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(StoreError::Stale(broken)) => {
                if args.json {
                    let moved: Vec<String> = broken.iter().map(ToString::to_string).collect();
                    print_json(&found, &registry, true, None, &moved)?;
                }
                session.terminal.error(&anyhow::Error::from(StoreError::Stale(broken)));
                if !args.json {
                    eprintln!("Nothing was written.");
                }
                Ok(ExitCode::from(STALE))
            }
            Err(error) => Err(error.into()),
        }
    })
}

fn text(session: &Session, found: &Rollback, registry: &Registry, verbose: bool) -> String {
    let runs = match found.runs.as_slice() {
        [] => return "There is nothing to undo.\n".to_owned(),
        [run] => format!("run {run}"),
        [first, .., last] => {
            format!("{} from {first} to {last}", output::counted(found.runs.len(), "run", "runs"))
        }
    };
    if found.plan.is_empty() {
        return format!("Undoing {runs} changes nothing: everything is as it was before.\n");
    }
    let options = TextOptions { colour: session.terminal.stdout_colour, width: session.terminal.width, verbose };
    format!("Undoes {runs}.\n\n{}", render::text(&found.plan, registry, &options))
}

fn complain(registry: &Registry, conflicts: &[Conflict], force: bool) {
    if conflicts.is_empty() {
        return;
    }
    eprintln!("{}", if force { "This stays as it is:" } else { "This cannot be undone:" });
    for conflict in conflicts {
        let title = registry.find(&conflict.kind).map_or(conflict.kind.as_str(), |info| info.title);
        let field = conflict.field.as_ref().map(|field| format!(", `{}`", visible(field))).unwrap_or_default();
        eprintln!("  {title} {}{field} {}", visible(&conflict.name), visible(&conflict.why));
    }
}

fn report(session: &Session, found: &Rollback) -> anyhow::Result<()> {
    for (source, _) in found.holds.iter().filter(|_| !session.global.quiet) {
        eprintln!("note: the source {source} holds until its next revision");
    }
    Ok(output::print(&format!("{}\n", render::summary_line(found.plan.counts(), true)))?)
}

fn print_json(
    found: &Rollback,
    registry: &Registry,
    refused: bool,
    committed: Option<&Committed>,
    stale: &[String],
) -> anyhow::Result<()> {
    let plan: Value = serde_json::from_str(&render::json(&found.plan, registry))?;
    let value = json!({
        "version": 1,
        "kind": "rollback",
        "refused": refused,
        "conflicts": found.conflicts,
        "stale": stale,
        "runs": found.runs,
        "holds": found.holds.iter().map(|(source, _)| source).collect::<Vec<_>>(),
        "plan": plan,
        "rows_written": committed.map_or(0, |committed| committed.rows_written),
        "revision": committed.map(|committed| committed.revision),
        "run": committed.and_then(|committed| committed.run),
    });
    Ok(output::print(&format!("{value:#}\n"))?)
}
