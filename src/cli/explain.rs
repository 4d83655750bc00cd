//! `gatewright explain`: what a diagnostic code means.

use std::process::ExitCode;

use super::{Session, output};
use crate::base::diagnostic::{Code, explain, nearest};

/// Explain a diagnostic code such as GW0302
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The code; without one, all codes are listed
    code: Option<String>,
}

/// Runs the command.
pub fn run(_: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let Some(name) = args.code else {
        let list: String = Code::all().map(|code| format!("{code}  {}\n", code.info().title)).collect();
        output::print(&list)?;
        return Ok(ExitCode::SUCCESS);
    };
    match Code::find(&name) {
        Some(code) => {
            output::print(&explain::explain(code))?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let meant = nearest(&name, Code::all().map(|code| code.info().name));
            let hint = meant.map_or_else(
                || "`gatewright explain` lists all of them".to_owned(),
                |meant| format!("did you mean {meant}?"),
            );
            anyhow::bail!("there is no code {name}; {hint}")
        }
    }
}
