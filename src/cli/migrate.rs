//! `gatewright migrate`: brings blueprint files of other releases up to date.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;

use super::{Session, inputs::InputArgs, output};
use crate::{
    blueprint::{
        engine::{self, Options},
        load::{Labelled, Loaded},
        migrate,
        plan::NoSecrets,
    },
    model::Model,
    registry::registry,
};

/// Rewrite blueprint files that use names or shapes of other releases
///
/// Shows the changes as a diff, and with --write makes them, keeping comments and layout. Exits with 0; without --write
/// with 2 when a file would change.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, or folders to search for *.yaml and *.yml
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Rewrite the files
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    inputs: InputArgs,
}

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&[])?;
    let mut inputs = args.inputs.inputs(session, &config)?;
    inputs.lenient = true;
    let model = Model::empty(Arc::new(registry()?));
    let mut loaded = Loaded::default();
    loaded.add_paths(&args.paths, "cli", Labelled::Take);
    loaded.arrange(&model, false);
    let options = Options { offline: true, last_wins: true };
    let outcome = engine::run(&loaded, &inputs, &NoSecrets, &model, options)
        .map_err(|_| anyhow::anyhow!("an empty model was asked for more than it can hold"))?;
    let rewritten = migrate::rewrite(&loaded, &outcome.found);
    for (file, text) in &rewritten.texts {
        let before = loaded.sources.get(*file);
        if args.write {
            let restored = if loaded.has_bom(*file) { format!("\u{feff}{text}") } else { text.clone() };
            std::fs::write(&before.name, restored).with_context(|| format!("cannot write {}", before.name))?;
            if !session.global.quiet {
                output::print(&format!("rewritten: {}\n", before.name))?;
            }
        } else {
            output::print(&migrate::diff(&before.name, &before.text, text))?;
        }
    }
    let left = output::sorted(&loaded.sources, rewritten.left, false);
    if !left.is_empty() {
        let colour = session.terminal.stderr_colour;
        eprint!("{}", output::findings(output::FindingFormat::Text, &loaded.sources, &left, colour));
    }
    let rewritten = rewritten.texts;
    let plural = if rewritten.len() == 1 { "file" } else { "files" };
    let verb = if args.write { "rewritten" } else { "to rewrite" };
    output::print(&format!("{} {plural} {verb}, {} looked at.\n", rewritten.len(), loaded.documents.len()))?;
    Ok(if args.write || rewritten.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}
