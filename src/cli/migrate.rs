//! `gatewright migrate`: brings blueprint files of other releases up to date.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;

use super::{Session, inputs::InputArgs, output};
use crate::{
    base::diagnostic::Diagnostic,
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
/// with 2 when a file would change; with 1 when a file cannot be read or parsed, which does not keep the others from
/// being rewritten. What a machine cannot rewrite is listed, for correction by hand.
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
    let mut loaded = Loaded::with_keys(inputs.sops.clone());
    loaded.add_paths(&args.paths, "cli", Labelled::Take);
    loaded.arrange(&model, false);
    let options = Options { offline: true, last_wins: true };
    let outcome = engine::run(&loaded, &inputs, &NoSecrets, &model, options)
        .map_err(|_| anyhow::anyhow!("an empty model was asked for more than it can hold"))?;
    let rewritten = migrate::rewrite(&loaded, &outcome.found);
    for (file, change) in &rewritten.texts {
        let name = &loaded.sources.get(*file).name;
        if args.write {
            let mark = if loaded.has_bom(*file) { "\u{feff}" } else { "" };
            std::fs::write(name, format!("{mark}{}", change.text)).with_context(|| format!("cannot write {name}"))?;
            if !session.global.quiet {
                output::print(&format!("rewritten: {name}\n"))?;
            }
        } else {
            output::print(&change.diff)?;
        }
    }
    // What keeps a file from being understood keeps it from being rewritten.
    let unusable = std::mem::take(&mut loaded.found).into_iter().filter(Diagnostic::is_error);
    let left = output::sorted(&loaded.sources, unusable.chain(rewritten.left).collect(), false);
    let failed = left.iter().any(Diagnostic::is_error);
    if !left.is_empty() {
        let colour = session.terminal.stderr_colour;
        eprint!("{}", output::findings(output::FindingFormat::Text, &loaded.sources, &left, colour));
        eprintln!("To be corrected by hand: {}", output::closing_line(&left));
    }
    let rewritten = rewritten.texts;
    let verb = if args.write { "rewritten" } else { "to rewrite" };
    let looked = output::counted(loaded.files(), "file", "files");
    output::print(&format!("{looked} looked at, {} {verb}.\n", rewritten.len()))?;
    Ok(match (failed, args.write || rewritten.is_empty()) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(2),
    })
}
