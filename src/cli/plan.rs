//! `gatewright plan`: what an apply would change.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;

use super::{
    Session,
    database::{self, DatabaseArgs, Mode},
    inputs::InputArgs,
    output::{self, NAMES, PlanFormat},
    server::{self, Server, ServerArgs},
};
use crate::{
    base::diagnostic::{Diagnostic, Severity},
    blueprint::{
        apply,
        drive::{self, Planned},
        engine::{self, Options},
        inputs::Inputs,
        load::{Labelled, Loaded},
        plan::{NoSecrets, Plan},
        planfile, render,
    },
    model::{Model, Registry},
    reconcile::{
        guard,
        pull_request::{
            consequences::{Consequences, consequences},
            live::gather,
        },
    },
    registry::registry,
    store::Store,
};

/// Show what applying blueprints would change
///
/// All documents given are one plan. Nothing is written. Exits with 0, or with 1 when a document has an error; with
/// --detailed-exitcode also with 2 when there are changes.
///
/// With --server the plan is made by a live server, for the objects that it has. !Env and !File see what this command may
/// see, and never the variables and files of the server.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, or folders to search for *.yaml and *.yml
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    inputs: InputArgs,
    /// Take the later one of contradicting entries, with a warning
    #[arg(long)]
    last_wins: bool,
    /// Save the plan to this file, for `gatewright apply FILE`
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    out: Option<PathBuf>,
    /// Exit with 2 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Form of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: PlanFormat,
    /// Same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Show every object, however many there are
    #[arg(long, short)]
    verbose: bool,
}

/// A plan that may be shown or applied, or the findings that refuse it.
pub struct Prepared {
    /// All registered kinds.
    pub registry: Arc<Registry>,
    /// The documents.
    pub loaded: Loaded,
    /// The plan with the model that it was made for.
    pub planned: Planned,
    /// Findings, sorted.
    pub found: Vec<Diagnostic>,
    /// What the plan does to people, if that was asked for.
    pub consequences: Option<Consequences>,
}

impl Prepared {
    /// Whether a finding refuses the plan.
    pub fn is_refused(&self) -> bool {
        self.found.iter().any(Diagnostic::is_error)
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.planned.outcome.plan
    }

    /// Findings as text for standard error.
    pub fn complain(&self, session: &Session) {
        if self.found.is_empty() {
            return;
        }
        let text = output::findings(
            output::FindingFormat::Text,
            &self.loaded.sources,
            &self.found,
            session.terminal.stderr_colour,
        );
        eprint!("{text}");
        if self.is_refused() {
            eprintln!("{}", output::closing_line(&self.found));
        }
    }
}

/// Plans files against a store, or against nothing when there is none yet.
pub async fn prepare(
    session: &Session,
    store: Option<&Store>,
    paths: &[PathBuf],
    inputs: &Inputs,
    last_wins: bool,
) -> anyhow::Result<Prepared> {
    prepare_with(session, store, paths, inputs, last_wins, false).await
}

/// As [`prepare`], and on wish looks at what the plan does to people.
async fn prepare_with(
    session: &Session,
    store: Option<&Store>,
    paths: &[PathBuf],
    inputs: &Inputs,
    last_wins: bool,
    people: bool,
) -> anyhow::Result<Prepared> {
    let registry = Arc::new(registry()?);
    let mut loaded = Loaded::with_keys(inputs.sops.clone());
    loaded.add_paths(paths, "cli", Labelled::SkipInFolders);
    let options = Options { offline: false, last_wins };
    let question = |plan: &Plan, before: &Model, after: &Model| {
        if !people || plan.is_empty() {
            return Ok(None);
        }
        consequences(before, after, &render::hidden(plan, &registry), NAMES).map(Some)
    };
    let (mut planned, consequences) = match store {
        Some(store) => drive::plan_and_ask(store, &registry, &mut loaded, inputs, options, &question).await?,
        None => {
            let model = Model::empty(registry.clone());
            loaded.arrange(&model, last_wins);
            let outcome = engine::run(&loaded, inputs, &NoSecrets, &model, options)
                .map_err(|_| anyhow::anyhow!("an empty model was asked for more than it can hold"))?;
            let answer = question(&outcome.plan, &model, &outcome.plan.applied_to(&model))
                .map_err(|_| anyhow::anyhow!("an empty model was asked for more than it can hold"))?;
            (Planned { outcome, model }, answer)
        }
    };
    let mut found = std::mem::take(&mut loaded.found);
    found.append(&mut planned.outcome.found);
    let found = output::sorted(&loaded.sources, found, session.global.quiet);
    Ok(Prepared { registry, loaded, planned, found, consequences })
}

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&args.database.flags())?;
    session.start_quiet_log(&config)?;
    let inputs = args.inputs.inputs(session, &config)?;
    if let Some(server) = args.server.server(session)? {
        return run_on(session, &server, &args, &inputs);
    }
    super::runtime()?.block_on(async {
        let store = database::open(&config, Mode::Look).await?;
        if store.is_none() && !session.global.quiet {
            eprintln!("note: there is no database at {} yet; the plan is for an empty one", config.database.url);
        }
        let format = args.form();
        let people = format == PlanFormat::Markdown;
        let prepared =
            prepare_with(session, store.as_ref(), &args.paths, &inputs, args.last_wins, people).await?;
        show(session, &prepared, format, args.verbose)?;
        if prepared.is_refused() {
            return Ok(ExitCode::FAILURE);
        }
        // A report for a pull request has said so already.
        if let Some(store) = store.as_ref().filter(|_| !people) {
            warn_of_lock_out(&prepared, store).await?;
        }
        if let Some(path) = &args.out {
            let Some(store) = &store else {
                anyhow::bail!(
                    "a plan can only be saved for a database that exists; `gatewright apply` and `gatewright serve` create it"
                );
            };
            save(session, &prepared, store, &args.paths, path)?;
        }
        if let Some(store) = store {
            store.close().await;
        }
        let changes = !prepared.plan().is_empty();
        Ok(if args.detailed_exitcode && changes { ExitCode::from(2) } else { ExitCode::SUCCESS })
    })
}

impl Args {
    fn form(&self) -> PlanFormat {
        if self.json { PlanFormat::Json } else { self.format }
    }
}

/// Has a live server make the plan.
fn run_on(session: &Session, server: &Server, args: &Args, inputs: &Inputs) -> anyhow::Result<ExitCode> {
    if !args.database.flags().is_empty() {
        anyhow::bail!("a plan is made for a database or for a server; leave out --database or --server");
    }
    let registry = Arc::new(registry()?);
    let mut loaded = Loaded::with_keys(inputs.sops.clone());
    loaded.add_paths(&args.paths, "cli", Labelled::SkipInFolders);
    if let Some(code) = server::refuse_unsendable(session, args.form(), &mut loaded, &registry)? {
        return Ok(code);
    }
    let people = (args.form() == PlanFormat::Markdown).then_some(NAMES);
    let show = server::show(session, args.form(), args.verbose, people);
    let request = gather(&registry, &mut loaded, inputs, args.last_wins, show);
    let answer = super::runtime()?.block_on(server.plan(&request))?;
    server::print(session, &request.show, &answer, false)?;
    Ok(server::code(&answer, args.detailed_exitcode))
}

/// Says that nobody could administer the system after this plan. To plan it is fine; `apply` refuses it.
async fn warn_of_lock_out(prepared: &Prepared, store: &Store) -> anyhow::Result<()> {
    if prepared.plan().is_empty() {
        return Ok(());
    }
    let found = guard::check(store, prepared.plan(), &prepared.planned.model).await?;
    if found.refuses() {
        eprintln!("warning: `gatewright apply` refuses this without --force, and applies a saved plan as it is");
        eprint!("{}", found.render_text());
    }
    Ok(())
}

fn show(session: &Session, prepared: &Prepared, format: PlanFormat, verbose: bool) -> anyhow::Result<()> {
    let (plan, registry) = (prepared.plan(), &prepared.registry);
    match format {
        PlanFormat::Json => {
            let mut value: serde_json::Value = serde_json::from_str(&render::json(plan, registry))?;
            let text = output::findings(output::FindingFormat::Json, &prepared.loaded.sources, &prepared.found, false);
            let findings: serde_json::Value = serde_json::from_str(&text)?;
            value["refused"] = serde_json::json!(prepared.is_refused());
            let model = &prepared.planned.model;
            value["base"] = serde_json::json!({ "instance": model.instance, "revision": model.revision });
            value["diagnostics"] = findings["diagnostics"].clone();
            output::print(&format!("{value:#}\n"))?;
        }
        PlanFormat::Text => {
            prepared.complain(session);
            if !prepared.is_refused() {
                output::print(&plan_text(session, prepared, verbose, session.terminal.stdout_colour))?;
            }
        }
        PlanFormat::Markdown => {
            prepared.complain(session);
            if prepared.is_refused() {
                return Ok(output::print(&output::refusal_markdown(&prepared.loaded.sources, &prepared.found))?);
            }
            let sources = &prepared.loaded.sources;
            let warnings: Vec<String> = prepared
                .found
                .iter()
                .filter(|finding| finding.severity == Severity::Warning)
                .map(|finding| output::warning(sources, finding))
                .collect();
            let after = plan.applied_to(&prepared.planned.model);
            let options = render::MarkdownOptions {
                alert: prepared.consequences.as_ref().map(Consequences::alert).unwrap_or_default(),
                access: prepared.consequences.as_ref().map(Consequences::access).unwrap_or_default(),
                ..render::MarkdownOptions::default()
            };
            let text = render::markdown(plan, &prepared.planned.model, &after, registry, &warnings, &options);
            output::print(&text)?;
        }
    }
    Ok(())
}

/// The plan as text.
pub fn plan_text(session: &Session, prepared: &Prepared, verbose: bool, colour: bool) -> String {
    let options = render::TextOptions { colour, width: session.terminal.width, verbose };
    render::text(prepared.plan(), &prepared.registry, &options)
}

/// Names the paths that a run was about, for its record.
pub fn origin(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(" ")
}

fn save(session: &Session, prepared: &Prepared, store: &Store, paths: &[PathBuf], out: &PathBuf) -> anyhow::Result<()> {
    let plan = prepared.plan();
    let run = apply::run(plan, &session.actor(), &origin(paths));
    let changes = apply::changeset(plan, &prepared.registry, run)
        .map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    let text = plan_text(session, prepared, true, false);
    let file =
        planfile::save(&changes, &prepared.registry, store.key(), plan.instance, plan.revision, plan.counts(), text)?;
    write_private(out, &file).with_context(|| format!("cannot write {}", out.display()))?;
    if !session.global.quiet {
        eprintln!("Saved the plan to {0}. Apply exactly this with `gatewright apply {0}`.", out.display());
    }
    Ok(())
}

/// Writes a file that only its owner may read.
fn write_private(path: &PathBuf, text: &str) -> std::io::Result<()> {
    use std::{
        io::Write,
        os::unix::fs::{OpenOptionsExt, PermissionsExt},
    };
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // A file that was there already keeps its mode otherwise.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())
}
