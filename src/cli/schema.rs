//! `gatewright schema`: the JSON Schemas of blueprints.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;

use super::{Session, output};
use crate::{model::publish, registry::registry};

/// Print the JSON Schema of blueprints, or of one kind
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A kind such as authentik_flows.flow; without one, the schema of a whole blueprint is printed
    kind: Option<String>,
    /// Write all schemas into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "kind")]
    out: Option<PathBuf>,
    /// List the kinds instead
    #[arg(long, conflicts_with_all = ["kind", "out"])]
    list: bool,
}

/// Runs the command.
pub fn run(_: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let registry = registry()?;
    if args.list {
        let list: String = registry.kinds().map(|info| format!("{}  {}\n", info.name, info.title)).collect();
        output::print(&list)?;
    } else if let Some(folder) = &args.out {
        for (name, text) in publish::files(&registry) {
            let path = folder.join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
            }
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    } else if let Some(name) = &args.kind {
        let Some(info) = registry.find(name) else {
            let hint = registry.nearest(name).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            anyhow::bail!("there is no kind {name}{hint}");
        };
        output::print(&format!("{:#}\n", publish::kind_schema(&registry, info)))?;
    } else {
        output::print(&format!("{:#}\n", publish::blueprint_schema(&registry)))?;
    }
    Ok(ExitCode::SUCCESS)
}
