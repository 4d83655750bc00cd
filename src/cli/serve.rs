//! `gatewright serve`: migrates, applies the blueprints, and answers requests.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use serde_json::json;

use super::{
    Session,
    database::{self, DatabaseArgs, Mode},
    inputs::InputArgs,
    output,
};
use crate::{
    base::clock::{Clock, SystemClock},
    blueprint::{
        apply, drive,
        engine::Options,
        inputs::Inputs,
        load::{Labelled, Loaded},
        shipped,
    },
    config::{Config, Flag},
    model::Registry,
    registry::registry,
    store::Store,
    web,
};

/// Run the server
///
/// Creates or migrates the database, applies the shipped blueprints and those of the given folders, each source in one
/// transaction, and then listens. Ends on SIGINT or SIGTERM.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Apply the blueprints of this folder as well
    #[arg(long, value_name = "DIR")]
    blueprints: Vec<PathBuf>,
    /// Leave the shipped blueprints out
    #[arg(long)]
    no_shipped: bool,
    /// Address and port to listen on [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    inputs: InputArgs,
}

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let mut flags = args.database.flags();
    if let Some(listen) = args.listen {
        flags.push(Flag { name: "--listen", key: "listen", value: json!(listen.to_string()) });
    }
    if args.no_shipped {
        flags.push(Flag { name: "--no-shipped", key: "blueprints.shipped", value: json!(false) });
    }
    let config = session.config(&flags)?;
    session.start_log(&config, "info")?;
    let inputs = args.inputs.inputs(session, &config)?;
    super::runtime()?.block_on(async {
        let Some(store) = database::open(&config, Mode::Prepare).await? else {
            bail!("the database cannot be opened");
        };
        let registry = Arc::new(registry()?);
        apply_all(session, &args, &config, &store, &registry, &inputs).await?;
        let listener = tokio::net::TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        tracing::info!(address = %listener.local_addr()?, "listening");
        axum::serve(listener, web::router(store.clone())).with_graceful_shutdown(stopped()).await?;
        store.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Applies the shipped blueprints, then the folders in order. A source that cannot be applied is reported and leaves the
/// state as it was; the server starts all the same, so that the rest keeps working.
async fn apply_all(
    session: &Session,
    args: &Args,
    config: &Config,
    store: &Store,
    registry: &Arc<Registry>,
    inputs: &Inputs,
) -> anyhow::Result<()> {
    if config.blueprints.shipped {
        let mut loaded = Loaded::default();
        shipped::add(&mut loaded);
        if !apply_one(session, store, registry, loaded, inputs, "shipped").await? {
            bail!(
                "the shipped blueprints do not apply to this database; see the findings above, or leave them out with --no-shipped"
            );
        }
    }
    for folder in config.blueprints.dirs.iter().chain(&args.blueprints) {
        let mut loaded = Loaded::default();
        loaded.add_paths(std::slice::from_ref(folder), &folder.display().to_string(), Labelled::SkipInFolders);
        if !apply_one(session, store, registry, loaded, inputs, &folder.display().to_string()).await? {
            tracing::error!(folder = %folder.display(), "the blueprints of this folder were not applied; nothing of them was written");
        }
    }
    Ok(())
}

async fn apply_one(
    session: &Session,
    store: &Store,
    registry: &Arc<Registry>,
    mut loaded: Loaded,
    inputs: &Inputs,
    origin: &str,
) -> anyhow::Result<bool> {
    let planned = drive::plan(store, registry, &mut loaded, inputs, Options::default()).await?;
    let mut found = std::mem::take(&mut loaded.found);
    found.extend(planned.outcome.found);
    let found = output::sorted(&loaded.sources, found, true);
    if !found.is_empty() {
        let colour = session.terminal.stderr_colour;
        eprint!("{}", output::findings(output::FindingFormat::Text, &loaded.sources, &found, colour));
    }
    if found.iter().any(crate::base::diagnostic::Diagnostic::is_error) {
        return Ok(false);
    }
    let plan = planned.outcome.plan;
    let run = apply::run(&plan, "serve", origin);
    let committed = drive::commit(store, registry, &plan, run, SystemClock.now_us()).await?;
    let counts = plan.counts();
    tracing::info!(
        source = origin,
        created = counts.create,
        updated = counts.update,
        deleted = counts.delete,
        unchanged = counts.unchanged,
        revision = committed.revision,
        "blueprints applied"
    );
    Ok(true)
}

/// Returns when the process is asked to end.
async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupt.await;
        }
    }
    tracing::info!("stopping");
}
