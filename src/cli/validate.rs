//! `gatewright validate`: judges files without a database.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use super::{Session, inputs::InputArgs, output};
use crate::{
    base::diagnostic::Diagnostic,
    blueprint::{
        engine::{self, Options},
        load::{Labelled, Loaded},
        plan::NoSecrets,
    },
    model::Model,
    registry::registry,
};

/// Check blueprint files without a database
///
/// Reports every mistake of every file at once: syntax, unknown keys, kinds, attributes and values, tags that cannot be
/// resolved, entries that contradict each other. Exits with 0 when there is no error, else with 1.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, or folders to search for *.yaml and *.yml
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    inputs: InputArgs,
    /// Take the later one of contradicting entries, with a warning
    #[arg(long)]
    last_wins: bool,
    /// Form of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: output::FindingFormat,
    /// Same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&[])?;
    let mut inputs = args.inputs.inputs(session, &config)?;
    inputs.lenient = true;
    let registry = Arc::new(registry()?);
    let model = Model::empty(registry);
    let mut loaded = Loaded::with_keys(inputs.sops.clone());
    loaded.add_paths(&args.paths, "cli", Labelled::Take);
    loaded.arrange(&model, args.last_wins);
    let options = Options { offline: true, last_wins: args.last_wins };
    let outcome = engine::run(&loaded, &inputs, &NoSecrets, &model, options)
        .map_err(|_| anyhow::anyhow!("an empty model was asked for more than it can hold"))?;
    let mut found = std::mem::take(&mut loaded.found);
    found.extend(outcome.found);
    let found = output::sorted(&loaded.sources, found, session.global.quiet);
    let format = if args.json { output::FindingFormat::Json } else { args.format };
    output::print(&output::findings(format, &loaded.sources, &found, session.terminal.stdout_colour))?;
    if format == output::FindingFormat::Text {
        let files = output::counted(loaded.files(), "file", "files");
        let entries = output::counted(loaded.entries(), "entry", "entries");
        output::print(&format!("{files}, {entries}: {}\n", output::closing_line(&found)))?;
    }
    let refused = found.iter().any(Diagnostic::is_error);
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
