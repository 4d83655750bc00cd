//! `gatewright serve`: migrates, applies the blueprints, and answers requests.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{
    Session,
    database::{self, DatabaseArgs, Mode},
    inputs::InputArgs,
    output,
};
use crate::{
    base::{
        clock::SystemClock,
        diagnostic::{Diagnostic, Severity, Sources},
    },
    blueprint::inputs::{Environment, Files, Inputs},
    config::{Config, Flag, log::Format},
    identity::world::World,
    reconcile::{
        attempt::{self, Attempted, Memory},
        content::Budget,
        declared,
        settings::Settings,
        state::ConditionType,
        supervisor,
        surroundings::Surroundings,
        trigger::Trigger,
    },
    registry::registry,
    stages,
    store::Store,
    web::{self, proxies::Proxies, visit::Site},
};

/// Run the server
///
/// Creates or migrates the database, applies the shipped blueprints, listens, and keeps every source of blueprints
/// applied: the given folders, and whatever the configuration and the blueprints declare. SIGHUP has all of them looked
/// at. Ends on SIGINT or SIGTERM.
///
/// On an empty database, GATEWRIGHT_BOOTSTRAP_PASSWORD, GATEWRIGHT_BOOTSTRAP_TOKEN and GATEWRIGHT_BOOTSTRAP_EMAIL (or the
/// same with AUTHENTIK_) give the first administrator, akadmin, a password, a token for the API and an address.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Follow the blueprints of this folder; may be given several times
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
        let mut around = surroundings(session, &config, &store, inputs)?;
        around.folders.extend(args.blueprints.iter().cloned());
        if config.blueprints.shipped {
            apply_first(&around, &Settings::shipped()).await.context(
                "the shipped blueprints do not apply to this database; see the findings above, or leave them out with \
                 --no-shipped",
            )?;
        }
        declare(session, &around, &args, &config).await?;
        let (stop, stopping) = watch::channel(false);
        let site = Site {
            world: World::new(store.clone(), around.registry.clone(), around.clock.clone()),
            stages: stages::table(),
            proxies: Arc::new(Proxies::new(config.trusted_networks().map_err(anyhow::Error::msg)?)),
        };
        let cleaning = tokio::spawn(clean_up(site.world.clone(), stopping.clone()));
        let (sources, reconciling) = supervisor::start(around, stopping);
        let listener = tokio::net::TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        tracing::info!(address = %listener.local_addr()?, "listening");
        let woken = tokio::spawn(wake(sources.clone()));
        let service = web::router(site, sources).into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).with_graceful_shutdown(stopped).await?;
        woken.abort();
        stop.send_replace(true);
        cleaning.await.context("the clean-up broke off")?;
        reconciling.await.context("the reconciler broke off")?;
        store.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// What reconciling needs from this process.
pub fn surroundings(session: &Session, config: &Config, store: &Store, inputs: Inputs) -> anyhow::Result<Surroundings> {
    let json = match config.log.format {
        Format::Json => true,
        Format::Text => false,
        Format::Auto => !session.terminal.stderr_is_terminal,
    };
    let colour = session.terminal.stderr_colour;
    Ok(Surroundings {
        store: store.clone(),
        registry: Arc::new(registry()?),
        inputs,
        clock: Arc::new(SystemClock),
        holder: format!("{}@{}", std::process::id(), uuid::Uuid::new_v4()),
        cache: cache(config),
        folders: config.blueprints.dirs.clone(),
        budget: Budget::default(),
        lease: LEASE,
        report: Arc::new(move |sources, found| report(json, colour, sources, found)),
        egress: config.egress.policy()?,
        trusted: declared::addresses(&config.sources, &operator_inputs(session)?),
        allow_plain: false,
        stopping: Arc::default(),
    })
}

/// What the operator's own declarations may read: whatever this process may.
fn operator_inputs(session: &Session) -> anyhow::Result<Inputs> {
    let process = session.environment.iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    Ok(Inputs {
        environment: Environment::new(process.collect(), BTreeMap::new(), &[])?,
        files: Files::new([PathBuf::from("/")]),
        ..Inputs::default()
    })
}

/// The folder for what is fetched: as configured, else next to an SQLite database, else among the temporary files.
fn cache(config: &Config) -> PathBuf {
    match (&config.cache, database::sqlite_file(&config.database.url)) {
        (Some(folder), _) => folder.clone(),
        (None, Some(file)) => file.with_extension("cache"),
        (None, None) => std::env::temp_dir().join("gatewright.cache"),
    }
}

/// How long the right to write for a source lasts when its holder dies.
const LEASE: Duration = Duration::from_secs(15);

/// Applies a source of the program itself before the server listens.
async fn apply_first(around: &Surroundings, settings: &Settings) -> anyhow::Result<()> {
    let mut memory = Memory::default();
    let deadline = tokio::time::Instant::now() + 4 * LEASE;
    loop {
        match attempt::attempt(around, settings, &mut memory, &Trigger::Start).await? {
            Attempted::Unchanged | Attempted::Applied(_) => return Ok(()),
            // Another process that starts on the same database is at it.
            Attempted::Busy if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Attempted::Stopped => bail!("the server was asked to end before it listened"),
            Attempted::Busy => bail!("another process holds the source {} and does not come to an end", settings.name),
            Attempted::Held | Attempted::Failed(_) => {
                let record = around.store.source(&settings.name).await?;
                let state = attempt::state_of(record.as_ref());
                let condition = state.conditions.get(&ConditionType::Ready);
                bail!("{}", condition.map_or("the source was not applied", |condition| condition.message.as_str()));
            }
        }
    }
}

/// Makes objects of the sources that the configuration and the command line declare.
async fn declare(session: &Session, around: &Surroundings, args: &Args, config: &Config) -> anyhow::Result<()> {
    let folders: Vec<PathBuf> = config.blueprints.dirs.iter().chain(&args.blueprints).cloned().collect();
    let known = around.store.source(declared::OWNER).await?.is_some();
    if folders.is_empty() && config.sources.is_empty() && !known {
        return Ok(());
    }
    let document = declared::document(&config.sources, &folders)?;
    let around = Surroundings { inputs: operator_inputs(session)?, ..around.clone() };
    apply_first(&around, &Settings::configuration(document))
        .await
        .context("the sources of the configuration cannot be declared")
}

/// How often what has ended is deleted.
const CLEAN_UP: Duration = Duration::from_secs(300);

/// Deletes ended sessions, links and events now and then, until the server stops.
async fn clean_up(world: World, mut stopping: watch::Receiver<bool>) {
    loop {
        if let Err(error) = world.store().clean_up(world.now()).await {
            tracing::warn!(%error, "what has ended could not be cleaned up");
        }
        tokio::select! {
            () = tokio::time::sleep(CLEAN_UP) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Has every source looked at on SIGHUP.
async fn wake(sources: supervisor::Handle) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        tracing::warn!("SIGHUP cannot be listened for");
        return;
    };
    while hangups.recv().await.is_some() {
        tracing::info!("SIGHUP: looking at all sources");
        sources.trigger_all(Trigger::Signal).await;
    }
}

/// Findings as the log is: excerpts for people, or one event each.
fn report(json: bool, colour: bool, sources: &Sources, found: &[Diagnostic]) {
    let found: Vec<Diagnostic> = found.iter().filter(|finding| finding.severity != Severity::Note).cloned().collect();
    if !json {
        eprint!("{}", output::findings(output::FindingFormat::Text, sources, &found, colour));
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
