//! `gatewright apply`: plans, shows, asks and commits.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use serde_json::json;

use super::{
    Session,
    database::{self, DatabaseArgs, Mode},
    inputs::InputArgs,
    output,
    plan::{self, Prepared},
};
use crate::{
    base::clock::{Clock, SystemClock},
    blueprint::{
        apply, drive,
        plan::Counts,
        planfile::{self, PlanFile},
        render,
    },
    reconcile::{guard, lockout::Lockout},
    registry::registry,
    store::{Broken, Committed, Store, StoreError},
};

/// Apply blueprints, or a saved plan, in one transaction
///
/// Shows the plan and, on a terminal, asks before it writes. Either all of it is written or nothing. Exits with 0 when it
/// is done, with 1 when it failed and nothing was written, with 3 when the database has changed since the plan was made.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, or folders to search for *.yaml and *.yml; or one plan saved by `gatewright plan --out`
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    inputs: InputArgs,
    /// Take the later one of contradicting entries, with a warning
    #[arg(long)]
    last_wins: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Apply even a plan after which no administrator could sign in any more
    #[arg(long)]
    force: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
    /// Show every object, however many there are
    #[arg(long, short)]
    verbose: bool,
}

/// Exit code of a plan that does not fit the database any more.
const STALE: u8 = 3;

/// How often files are planned again when someone else writes in between.
const ATTEMPTS: usize = 5;

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&args.database.flags())?;
    session.start_quiet_log(&config)?;
    let inputs = args.inputs.inputs(session, &config)?;
    let saved = saved_plan(&args.paths)?;
    super::runtime()?.block_on(async {
        let mode = if saved.is_some() { Mode::Look } else { Mode::Prepare };
        let Some(store) = database::open(&config, mode).await? else {
            anyhow::bail!("there is no database at {}, so this plan was made for another one", config.database.url);
        };
        let code = match saved {
            Some((path, file)) => apply_file(session, &args, &store, &path, &file).await,
            None => apply_paths(session, &args, &store, &inputs).await,
        };
        store.close().await;
        code
    })
}

/// The plan file, if that is what was given.
fn saved_plan(paths: &[PathBuf]) -> anyhow::Result<Option<(PathBuf, PlanFile)>> {
    let [path] = paths else { return Ok(None) };
    if !path.is_file() || std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 1 << 30) {
        return Ok(None);
    }
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(None) };
    if !planfile::is_plan_file(&text) {
        return Ok(None);
    }
    let file = planfile::read(&text).with_context(|| format!("{} cannot be applied", path.display()))?;
    Ok(Some((path.clone(), file)))
}

async fn apply_file(
    session: &Session,
    args: &Args,
    store: &Store,
    path: &std::path::Path,
    file: &PlanFile,
) -> anyhow::Result<ExitCode> {
    let registry = registry()?;
    if store.read().await?.instance() != file.instance {
        anyhow::bail!("{} was made for another database", path.display());
    }
    let changes = file.open(&registry, store.key()).with_context(|| format!("{} cannot be applied", path.display()))?;
    if !args.json {
        output::print(&file.text)?;
    }
    if !confirmed(session, args, file.summary)? {
        return Ok(ExitCode::FAILURE);
    }
    match store.commit(&registry, &changes, SystemClock.now_us()).await {
        Ok(committed) => {
            report(args, file.summary, &committed)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(StoreError::Stale(broken)) => stale(session, args, broken),
        Err(error) => Err(error.into()),
    }
}

async fn apply_paths(
    session: &Session,
    args: &Args,
    store: &Store,
    inputs: &crate::blueprint::inputs::Inputs,
) -> anyhow::Result<ExitCode> {
    for attempt in 1.. {
        let prepared = plan::prepare(session, Some(store), &args.paths, inputs, args.last_wins).await?;
        prepared.complain(session);
        if prepared.is_refused() {
            if args.json {
                output::print(&format!("{:#}\n", refused(&prepared)?))?;
            } else {
                eprintln!("Nothing was written.");
            }
            return Ok(ExitCode::FAILURE);
        }
        let counts = prepared.plan().counts();
        if !args.json {
            let text = plan::plan_text(session, &prepared, args.verbose, session.terminal.stdout_colour);
            output::print(&text)?;
        }
        if !args.force && !prepared.plan().is_empty() {
            let found = guard::check(store, prepared.plan(), &prepared.planned.model).await?;
            if found.refuses() {
                return locks_out(session, args, &found);
            }
        }
        if attempt == 1 && !prepared.plan().is_empty() && !confirmed(session, args, counts)? {
            return Ok(ExitCode::FAILURE);
        }
        let run = apply::run(prepared.plan(), &session.actor(), &plan::origin(&args.paths));
        match drive::commit(store, &prepared.registry, prepared.plan(), run, SystemClock.now_us()).await {
            Ok(committed) => {
                report(args, counts, &committed)?;
                return Ok(ExitCode::SUCCESS);
            }
            // What a person has agreed to must not change behind their back; an unattended run may look again.
            Err(drive::DriveError::Store(StoreError::Stale(broken))) => {
                let asked = session.terminal.interactive && !args.yes;
                if asked || attempt >= ATTEMPTS {
                    return stale(session, args, broken);
                }
                if !session.global.quiet {
                    eprintln!("note: someone else has written meanwhile; planning again");
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ExitCode::FAILURE)
}

/// Refuses a plan after which nobody could administer the system.
fn locks_out(session: &Session, args: &Args, found: &Lockout) -> anyhow::Result<ExitCode> {
    if args.json {
        let value = json!({ "version": 1, "kind": "applied", "refused": true, "rows_written": 0, "stale": [], "diagnostics": [], "lock_out": found });
        output::print(&format!("{value:#}\n"))?;
    }
    session.terminal.error(&anyhow::anyhow!("{}", found.render_text().trim_end()));
    if !args.json {
        eprintln!("Nothing was written. If this is what you want, apply it with --force.");
    }
    Ok(ExitCode::FAILURE)
}

/// Says what has changed since the plan was made.
fn stale(session: &Session, args: &Args, broken: Vec<Broken>) -> anyhow::Result<ExitCode> {
    if args.json {
        let moved: Vec<String> = broken.iter().map(ToString::to_string).collect();
        let value = json!({ "version": 1, "kind": "applied", "refused": true, "rows_written": 0, "stale": moved, "diagnostics": [] });
        output::print(&format!("{value:#}\n"))?;
    }
    session.terminal.error(&anyhow::Error::from(StoreError::Stale(broken)));
    if !args.json {
        eprintln!("Nothing was written.");
    }
    Ok(ExitCode::from(STALE))
}

fn confirmed(session: &Session, args: &Args, counts: Counts) -> anyhow::Result<bool> {
    if args.yes || args.json || !session.terminal.interactive {
        return Ok(true);
    }
    let loss = if counts.delete > 0 { format!(" This deletes {}.", counts.delete) } else { String::new() };
    let yes = session.terminal.ask(&format!("Apply these changes?{loss}"))?;
    if !yes {
        eprintln!("Nothing was written.");
    }
    Ok(yes)
}

fn refused(prepared: &Prepared) -> anyhow::Result<serde_json::Value> {
    let text = output::findings(output::FindingFormat::Json, &prepared.loaded.sources, &prepared.found, false);
    let findings: serde_json::Value = serde_json::from_str(&text)?;
    Ok(
        json!({ "version": 1, "kind": "applied", "refused": true, "rows_written": 0, "stale": [], "diagnostics": findings["diagnostics"] }),
    )
}

fn report(args: &Args, counts: Counts, committed: &Committed) -> anyhow::Result<()> {
    if args.json {
        let value = json!({
            "version": 1,
            "kind": "applied",
            "refused": false,
            "summary": counts,
            "rows_written": committed.rows_written,
            "revision": committed.revision,
            "run": committed.run,
        });
        output::print(&format!("{value:#}\n"))?;
    } else {
        output::print(&format!("{}\n", render::summary_line(counts, true)))?;
    }
    Ok(())
}
