//! `gatewright diff`: what a branch of a repository would change.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use super::{
    Session,
    inputs::InputArgs,
    output::{self, NAMES, PlanFormat},
    server::{self, Server, ServerArgs},
};
use crate::{
    base::diagnostic::{Diagnostic, Severity},
    blueprint::{inputs::Inputs, render},
    model::Registry,
    reconcile::{
        content::Selection,
        pull_request::{
            compare::{Compared, How, compare, load_head},
            consequences::{Consequences, consequences},
            live::gather,
            revisions::{self, Pair},
        },
    },
    registry::registry,
};

/// Show what a branch of a git repository would change
///
/// Reads the blueprints of two revisions from the repository and plans the one against a model made of the other; there
/// is no database and nothing is checked out. As in a pull request, the changes are those made since the branch left
/// --from. What is declared no longer is shown as deleted. Exits with 0, or with 1 when the blueprints of --to have an
/// error; with --detailed-exitcode also with 2 when there are changes.
///
/// With --server the blueprints of --to are planned by a live server against the objects that it has, so that drift and
/// what people did by hand are seen as well. --from then only names what the branch goes into: what the branch declares no
/// longer is not shown, since only the server's source knows whether it deletes that.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository, or a folder in it
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// The revision that the branch goes into, such as origin/main
    #[arg(long, value_name = "REV")]
    from: String,
    /// The revision to look at; without it, or with WORKTREE, the files on disk
    #[arg(long, value_name = "REV")]
    to: Option<String>,
    /// Compare with --from itself instead of the commit where the branch left it
    #[arg(long)]
    exact: bool,
    /// Folder of the blueprints inside the repository
    #[arg(long, value_name = "SUB", default_value = "")]
    path: String,
    /// Take only files that match the pattern, relative to --path, such as 'apps/**'
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Leave out files that match the pattern
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Without the blueprints that a server applies by itself
    #[arg(long, conflicts_with = "server")]
    no_shipped: bool,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    inputs: InputArgs,
    /// Take the later one of contradicting entries, with a warning
    #[arg(long)]
    last_wins: bool,
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
    /// How many people each list of who gains or loses access names; 0 for counts only
    #[arg(long, value_name = "NUMBER", default_value_t = NAMES)]
    names: usize,
}

/// What is shown.
struct Shown {
    registry: Arc<Registry>,
    compared: Compared,
    consequences: Consequences,
    /// Findings, sorted.
    found: Vec<Diagnostic>,
    /// Names of the revisions.
    revisions: [String; 2],
    moved_on: bool,
    notes: Vec<String>,
}

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&[])?;
    session.start_quiet_log(&config)?;
    let inputs = args.inputs.inputs(session, &config)?;
    let selection = Selection::new(&args.path, &args.include, &args.exclude)?;
    let pair = revisions::read(&args.repo, &args.from, args.to.as_deref(), args.exact, &selection)?;
    if pair.base.files.is_empty() && pair.head.files.is_empty() {
        anyhow::bail!("neither {} nor {} has a blueprint to look at", pair.base.revision.name, pair.head.revision.name);
    }
    let registry = Arc::new(registry()?);
    if let Some(server) = args.server.server(session)? {
        return run_on(session, &server, &args, &registry, pair, &selection.folder, inputs);
    }
    let how = How { folder: &selection.folder, shipped: !args.no_shipped, last_wins: args.last_wins };
    let mut compared = compare(&registry, &pair.base, &pair.head, &inputs, how)?;
    let consequences = consequences(&compared.before, &compared.after, &compared.plan.hidden, args.names)
        .map_err(|needs| anyhow::anyhow!("the model was asked for more than it can hold: {needs:?}"))?;
    let found = output::sorted(&compared.loaded.sources, std::mem::take(&mut compared.found), session.global.quiet);
    let mut notes = pair.notes;
    if pair.head.files.is_empty() {
        notes.push(NOTHING_LEFT.to_owned());
    }
    let revisions = [pair.base.revision.name, pair.head.revision.name];
    let shown = Shown { registry, compared, consequences, found, revisions, moved_on: pair.moved_on, notes };
    shown.print(session, args.form(), args.verbose)?;
    if shown.is_refused() {
        return Ok(ExitCode::FAILURE);
    }
    let changes = !shown.compared.plan.is_empty();
    Ok(if args.detailed_exitcode && changes { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

impl Args {
    fn form(&self) -> PlanFormat {
        if self.json { PlanFormat::Json } else { self.format }
    }
}

/// Said of a revision without blueprints.
const NOTHING_LEFT: &str = "there is no blueprint left; a source without blueprints is not applied";

/// Has a live server plan the head.
fn run_on(
    session: &Session,
    server: &Server,
    args: &Args,
    registry: &Arc<Registry>,
    pair: Pair,
    folder: &str,
    inputs: Inputs,
) -> anyhow::Result<ExitCode> {
    // What a pipeline may not know is compared with nothing, as without a server.
    let inputs = Inputs { lenient: true, ..inputs };
    let (mut loaded, sealed) = load_head(&pair.head, folder, &inputs);
    if let Some(code) = server::refuse_unsendable(session, args.form(), &mut loaded, registry)? {
        return Ok(code);
    }
    let [from, to] = [pair.base.revision.name, pair.head.revision.name];
    let mut show = server::show(session, args.form(), args.verbose, Some(args.names));
    show.origin = Some(format!("Blueprints of `{}` for `{}`,", short(&to), short(&from)));
    show.notes = pair.notes;
    if pair.head.files.is_empty() {
        show.notes.push(NOTHING_LEFT.to_owned());
    }
    if !sealed.is_empty() {
        let names: Vec<String> = sealed.iter().map(|file| format!("`{file}`")).collect();
        show.notes.push(format!("files that cannot be decrypted here are left out: {}", names.join(", ")));
    }
    let request = gather(registry, &mut loaded, &inputs, args.last_wins, show);
    let mut answer = super::runtime()?.block_on(server.plan(&request))?;
    answer.plan["revisions"] = serde_json::json!({ "from": from, "to": to });
    answer.plan["impact"] = serde_json::json!(answer.impact);
    answer.plan["lockout"] = serde_json::json!(answer.lockout);
    answer.plan["notes"] = serde_json::json!(answer.notes);
    server::print(session, &request.show, &answer, true)?;
    Ok(server::code(&answer, args.detailed_exitcode))
}

impl Shown {
    fn is_refused(&self) -> bool {
        self.found.iter().any(Diagnostic::is_error)
    }

    /// What is to be known besides findings, in one line each; names stand between backticks.
    fn asides(&self) -> Vec<String> {
        let mut asides = self.notes.clone();
        asides.extend(
            self.compared
                .base_faults
                .iter()
                .map(|fault| format!("base does not apply: {fault}; compared with what does")),
        );
        if !self.compared.unknown.is_empty() {
            let names: Vec<&str> = self.compared.unknown.iter().map(String::as_str).collect();
            asides.push(format!("values that are not known here are not compared: {}", names.join(", ")));
        }
        asides
    }

    fn print(&self, session: &Session, format: PlanFormat, verbose: bool) -> anyhow::Result<()> {
        let sources = &self.compared.loaded.sources;
        let plan = &self.compared.plan;
        match format {
            PlanFormat::Json => {
                let mut value: serde_json::Value = serde_json::from_str(&render::json(plan, &self.registry))?;
                let text = output::findings(output::FindingFormat::Json, sources, &self.found, false);
                let findings: serde_json::Value = serde_json::from_str(&text)?;
                value["refused"] = serde_json::json!(self.is_refused());
                value["revisions"] = serde_json::json!({ "from": self.revisions[0], "to": self.revisions[1] });
                value["impact"] = serde_json::to_value(&self.consequences.impact)?;
                value["lockout"] = serde_json::to_value(&self.consequences.lockout)?;
                value["notes"] = serde_json::json!(self.asides());
                value["diagnostics"] = findings["diagnostics"].clone();
                output::print(&format!("{value:#}\n"))?;
            }
            PlanFormat::Text => {
                self.complain(session);
                if !self.is_refused() {
                    let options = render::TextOptions {
                        colour: session.terminal.stdout_colour,
                        width: session.terminal.width,
                        verbose,
                    };
                    let people = self.consequences.text();
                    let gap = if people.is_empty() { "" } else { "\n" };
                    output::print(&format!("{people}{gap}{}", render::text(plan, &self.registry, &options)))?;
                }
            }
            PlanFormat::Markdown => {
                self.complain(session);
                let text =
                    if self.is_refused() { output::refusal_markdown(sources, &self.found) } else { self.markdown() };
                output::print(&text)?;
            }
        }
        Ok(())
    }

    /// Findings and asides as text for standard error.
    fn complain(&self, session: &Session) {
        let sources = &self.compared.loaded.sources;
        if !self.found.is_empty() {
            let colour = session.terminal.stderr_colour;
            eprint!("{}", output::findings(output::FindingFormat::Text, sources, &self.found, colour));
        }
        if self.is_refused() {
            eprintln!("{}", output::closing_line(&self.found));
        }
        if !session.global.quiet {
            if self.moved_on {
                eprintln!(
                    "note: compared with {}, where the changes began; it has moved on since",
                    short(&self.revisions[0])
                );
            }
            for aside in self.asides() {
                eprintln!("note: {}", render::escape::visible(&aside));
            }
        }
    }

    fn markdown(&self) -> String {
        let sources = &self.compared.loaded.sources;
        let findings = self.found.iter().filter(|finding| finding.severity == Severity::Warning);
        let warnings: Vec<String> =
            self.asides().into_iter().chain(findings.map(|finding| output::warning(sources, finding))).collect();
        let [from, to] = [&self.revisions[0], &self.revisions[1]].map(|revision| short(revision));
        let began = if self.moved_on { " (where the changes began; it has moved on since)" } else { "" };
        let options = render::MarkdownOptions {
            alert: self.consequences.alert(),
            access: self.consequences.access(),
            origin: Some(format!("Blueprints of `{to}` against those of `{from}`{began}, without a database.")),
            ..render::MarkdownOptions::default()
        };
        let Compared { plan, before, after, .. } = &self.compared;
        render::markdown(plan, before, after, &self.registry, &warnings, &options)
    }
}

/// A revision with as much of its commit's id as people look at.
fn short(revision: &str) -> String {
    match revision.rsplit_once('@') {
        Some((name, id)) => format!("{name}@{}", id.chars().take(12).collect::<String>()),
        None => revision.to_owned(),
    }
}
