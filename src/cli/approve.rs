//! `gatewright approve`: a person's consent to the plan that a source waits with.

use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use serde_json::json;

use super::{
    Session,
    database::{self, DatabaseArgs},
    output,
    reconcile::{outcome, require, tell},
};
use crate::reconcile::{attempt, trigger::Request};

/// Consent to the plan that a source waits with
///
/// Shows why the plan waits, asks on a terminal, and has the server apply exactly that plan: when the source or the
/// database has changed meanwhile, the new plan waits again. A plan that was refused (too many deletions, kinds that the
/// source may not touch, a lock-out) needs --force.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The source
    #[arg(value_name = "NAME")]
    name: String,
    /// Override what refused the plan
    #[arg(long)]
    force: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Seconds to wait for the outcome
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    timeout: u64,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&args.database.flags())?;
    session.start_quiet_log(&config)?;
    super::runtime()?.block_on(async {
        let store = database::existing(&config).await?;
        require(&store, &args.name).await?;
        let state = attempt::state_of(store.source(&args.name).await?.as_ref());
        let Some(pending) = state.pending else { bail!("the source {} has no plan that waits", args.name) };
        let run = store.run(pending.run).await?;
        let why = run.as_ref().and_then(|run| attempt::detail(run, "message")).and_then(|message| message.as_str());
        output::print(&format!("Run {}: {}\n", pending.run, why.unwrap_or("the plan waits for consent")))?;
        if pending.refused && !args.force {
            bail!(
                "this plan was refused; look at it by `gatewright show {}`, and give --force if it is right",
                pending.run
            );
        }
        if session.terminal.interactive && !args.yes && !session.terminal.ask("Apply this plan?")? {
            eprintln!("Nothing was changed.");
            return Ok(ExitCode::FAILURE);
        }
        let request =
            Request { by: session.actor(), approve: Some(pending.plan), force: args.force, ..Request::default() };
        let number = store.request(&args.name, &json!(request), &session.actor()).await?;
        let state = outcome(&store, &args.name, number, Duration::from_secs(args.timeout)).await?;
        let code = tell(&args.name, &state)?;
        store.close().await;
        Ok(code)
    })
}
