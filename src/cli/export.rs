//! `gatewright export`: a blueprint of what is stored.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use uuid::Uuid;

use super::{
    Session,
    database::{self, DatabaseArgs, Mode},
    output,
};
use crate::{
    blueprint::{
        drive,
        export::{Export, Options, Selection, export},
    },
    model::Model,
    registry::registry,
};

/// Write a blueprint of what is stored
///
/// The result applies to an empty database. Secrets are left as !Env placeholders, which are listed at its top.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Export one flow with its stages, prompts and policies
    #[arg(long, value_name = "SLUG")]
    flow: Option<String>,
    /// Export one object and what it refers to: a kind and the object's name, slug or id
    #[arg(long, num_args = 2, value_names = ["KIND", "NAME"], conflicts_with = "flow")]
    object: Option<Vec<String>>,
    /// With --object: leave out what it refers to
    #[arg(long, requires = "object")]
    only: bool,
    /// Write every attribute, also those that have their default
    #[arg(long)]
    full: bool,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&args.database.flags())?;
    session.start_quiet_log(&config)?;
    let model = super::runtime()?.block_on(async {
        let Some(store) = database::open(&config, Mode::Look).await? else {
            bail!("there is no database at {}", config.database.url);
        };
        let model = drive::whole_model(&store, &Arc::new(registry()?)).await?;
        store.close().await;
        anyhow::Ok(model)
    })?;
    let selection = match (&args.flow, args.object.as_deref()) {
        (Some(slug), _) => Selection::Flow(find(&model, "authentik_flows.flow", slug)?),
        (None, Some([kind, name])) => Selection::Objects { ids: vec![find(&model, kind, name)?], closure: !args.only },
        _ => Selection::Everything,
    };
    let options = Options { full: args.full, ..Options::default() };
    let Export { text, entries, placeholders, .. } = export(&model, &selection, &options)?;
    match &args.out {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
            if !session.global.quiet {
                let count = placeholders.len();
                eprintln!("Wrote {entries} entries to {}; {count} secrets are placeholders.", path.display());
            }
        }
        None => output::print(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The object of a kind or family with a natural identifier, name or id.
fn find(model: &Model, kind: &str, name: &str) -> anyhow::Result<Uuid> {
    let registry = model.registry();
    let kinds = registry.targets(kind);
    if kinds.is_empty() {
        let hint = registry.nearest(kind).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
        bail!("there is no kind {kind}{hint}");
    }
    let matches = |object: &crate::model::Object| {
        object.id.to_string() == name
            || registry.get(object.kind).keys.iter().any(|key| object.key_value(key).as_deref() == Some(name))
            || object.text("name").as_deref() == Some(name)
    };
    let found: Vec<Uuid> = kinds
        .iter()
        .flat_map(|kind| model.known_of_kind(*kind))
        .filter(|object| matches(object))
        .map(|object| object.id)
        .collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => bail!("there is no {kind} `{name}`"),
        several => bail!("{} objects of {kind} are called `{name}`; give the id", several.len()),
    }
}
