//! `gatewright reconcile`: has a source looked at now.

use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use serde_json::json;

use super::{
    Session,
    database::{self, DatabaseArgs},
    output, sources,
};
use crate::{
    reconcile::{
        attempt, settings,
        state::{ConditionType, State},
        trigger::Request,
    },
    registry::registry,
    store::Store,
};

/// Have a source of blueprints looked at now
///
/// Leaves a request in the database, which a running server takes up within a second or two.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The source
    #[arg(value_name = "NAME")]
    name: String,
    /// Wait for the outcome; exits with 0 when the source is ready, with 1 otherwise
    #[arg(long)]
    wait: bool,
    /// Seconds to wait for a server to take the request up, and again for the outcome
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    timeout: u64,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// How often the outcome is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&args.database.flags())?;
    session.start_quiet_log(&config)?;
    super::runtime()?.block_on(async {
        let store = database::existing(&config).await?;
        require(&store, &args.name).await?;
        let request = Request { by: session.actor(), ..Request::default() };
        let number = store.request(&args.name, &json!(request), &session.actor()).await?;
        let code = if args.wait {
            let state = outcome(&store, &args.name, number, Duration::from_secs(args.timeout)).await?;
            tell(&args.name, &state)?
        } else {
            if !session.global.quiet {
                eprintln!("The source {} will be looked at by the server; --wait waits for the outcome.", args.name);
            }
            ExitCode::SUCCESS
        };
        store.close().await;
        Ok(code)
    })
}

/// Fails unless a source is declared.
pub async fn require(store: &Store, name: &str) -> anyhow::Result<()> {
    let declared = settings::all(store, &registry()?).await?;
    let mut names: Vec<String> = declared.into_iter().filter_map(Result::ok).map(|settings| settings.name).collect();
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    names.sort();
    match names.as_slice() {
        [] => bail!("there is no source {name}, and no other either"),
        _ => bail!("there is no source {name}; there are {}", names.join(", ")),
    }
}

/// The state of a source after a request was dealt with.
pub async fn outcome(store: &Store, name: &str, number: i64, timeout: Duration) -> anyhow::Result<State> {
    let started = tokio::time::Instant::now();
    loop {
        let state = attempt::state_of(store.source(name).await?.as_ref());
        if state.handled >= number {
            return Ok(state);
        }
        if started.elapsed() > timeout {
            bail!(
                "no server has dealt with the request within {} s; is one running on this database?",
                timeout.as_secs()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Prints where a source stands.
pub fn tell(name: &str, state: &State) -> anyhow::Result<ExitCode> {
    let applied = state.applied.as_ref().map_or("nothing applied yet", |applied| applied.revision.name.as_str());
    let message = sources::message(state);
    let message = if message.is_empty() { String::new() } else { format!(": {message}") };
    output::print(&format!("{name} is {}, {applied}{message}\n", sources::status(state)))?;
    let fine = state.is_ready() && !state.is(ConditionType::Drifted);
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
