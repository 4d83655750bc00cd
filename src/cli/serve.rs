//! `gatewright serve`: migrates, applies the blueprints, and answers requests.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    Session,
    database::{self, DatabaseArgs, Mode},
    inputs::InputArgs,
    output,
};
use crate::{
    base::{
        clock::{Clock, SystemClock},
        diagnostic::{Diagnostic, Sources},
    },
    blueprint::{
        apply, drive,
        engine::Options,
        inputs::Inputs,
        load::{Labelled, Loaded},
        shipped,
    },
    config::{Config, Flag, log::Format},
    model::Registry,
    registry::registry,
    store::{Store, StoreError},
    web,
};

/// Run the server
///
/// Creates or migrates the database, applies the shipped blueprints and those of the given folders, each source in one
/// transaction, and then listens. Ends on SIGINT or SIGTERM.
///
/// On an empty database, GATEWRIGHT_BOOTSTRAP_PASSWORD, GATEWRIGHT_BOOTSTRAP_TOKEN and GATEWRIGHT_BOOTSTRAP_EMAIL (or the
/// same with AUTHENTIK_) give the first administrator, akadmin, a password, a token for the API and an address.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Apply the blueprints of this folder as well; may be given several times
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
    session.start_log(&config.log)?;
    let inputs = args.inputs.inputs(session, &config)?;
    super::runtime()?.block_on(async {
        let stopped = stop_request().context("the system gives no signals")?;
        let Some(store) = database::open(&config, Mode::Prepare).await? else {
            bail!("the database cannot be opened");
        };
        let registry = Arc::new(registry()?);
        apply_all(session, &args, &config, &store, &registry, &inputs).await?;
        let listener = tokio::net::TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        tracing::info!(address = %listener.local_addr()?, "listening");
        axum::serve(listener, web::router(store.clone())).with_graceful_shutdown(stopped).await?;
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
    let target = Target { session, config, store, registry, inputs };
    if config.blueprints.shipped {
        let load = || {
            let mut loaded = Loaded::default();
            shipped::add(&mut loaded);
            loaded
        };
        if !apply_one(&target, "shipped", load).await? {
            bail!(
                "the shipped blueprints do not apply to this database; see the findings above, or leave them out with --no-shipped"
            );
        }
    }
    for folder in config.blueprints.dirs.iter().chain(&args.blueprints) {
        let name = folder.display().to_string();
        let load = || {
            let mut loaded = Loaded::with_keys(inputs.sops.clone());
            loaded.add_paths(std::slice::from_ref(folder), &name, Labelled::SkipInFolders);
            loaded
        };
        if !apply_one(&target, &name, load).await? {
            tracing::error!(folder = %folder.display(), "the blueprints of this folder were not applied; nothing of them was written");
        }
    }
    Ok(())
}

/// What blueprints are applied to, and with what.
struct Target<'t> {
    session: &'t Session,
    config: &'t Config,
    store: &'t Store,
    registry: &'t Arc<Registry>,
    inputs: &'t Inputs,
}

/// How often a source is planned again when another process writes in between, as those that start together do.
const ATTEMPTS: usize = 10;

/// Applies one source; false when a finding refuses it.
async fn apply_one(target: &Target<'_>, origin: &str, load: impl Fn() -> Loaded) -> anyhow::Result<bool> {
    let Target { store, registry, .. } = *target;
    for attempt in 1.. {
        let mut loaded = load();
        let planned = drive::plan(store, registry, &mut loaded, target.inputs, Options::default()).await?;
        let mut found = std::mem::take(&mut loaded.found);
        found.extend(planned.outcome.found);
        let found = output::sorted(&loaded.sources, found, true);
        if attempt == 1 {
            report(target, &loaded.sources, &found);
        }
        if found.iter().any(Diagnostic::is_error) {
            return Ok(false);
        }
        let plan = planned.outcome.plan;
        let run = apply::run(&plan, "serve", origin);
        let committed = match drive::commit(store, registry, &plan, run, SystemClock.now_us()).await {
            Err(drive::DriveError::Store(StoreError::Stale(_))) if attempt < ATTEMPTS => {
                tracing::info!(source = origin, attempt, "another process has written meanwhile; planning again");
                continue;
            }
            committed => committed?,
        };
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
        return Ok(true);
    }
    Ok(false)
}

/// Findings as the log is: excerpts for people, or one event each.
fn report(target: &Target<'_>, sources: &Sources, found: &[Diagnostic]) {
    let terminal = &target.session.terminal;
    let json = match target.config.log.format {
        Format::Json => true,
        Format::Text => false,
        Format::Auto => !terminal.stderr_is_terminal,
    };
    if !json {
        eprint!("{}", output::findings(output::FindingFormat::Text, sources, found, terminal.stderr_colour));
        return;
    }
    for finding in found {
        let (code, message) = (finding.code.to_string(), &finding.message);
        let place = match finding.labels.first() {
            Some(label) => sources.place(label.span),
            None => finding.path.clone().unwrap_or_default(),
        };
        if finding.is_error() {
            tracing::error!(code, place, "{message}");
        } else {
            tracing::warn!(code, place, "{message}");
        }
    }
}

/// Completes when the process is asked to end. Made before anything else is done, so that a request that comes early ends
/// the server in order, too.
fn stop_request() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
    })
}
