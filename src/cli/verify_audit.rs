//! `gatewright verify-audit`: whether the change log is as it was written.

use std::process::ExitCode;

use super::{
    Session,
    database::{self, DatabaseArgs},
    output,
};

/// Verify the hash chain of the change log
///
/// Every change is recorded with a hash over itself and the one before it. Exits with 0 when the chain is whole, with 1
/// when a record was changed, removed or added by something else than this program, naming the first such record.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&args.database.flags())?;
    session.start_quiet_log(&config)?;
    super::runtime()?.block_on(async {
        let store = database::existing(&config).await?;
        let report = store.verify_audit().await?;
        store.close().await;
        if args.json {
            let fault = report.fault.as_ref().map(|_| report.to_string());
            let value = serde_json::json!({ "version": 1, "kind": "audit", "records": report.intact, "whole": fault.is_none(), "fault": fault });
            output::print(&format!("{value}\n"))?;
        } else {
            let text = report.to_string();
            let mut letters = text.chars();
            let sentence: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
            output::print(&format!("{sentence}.\n"))?;
        }
        Ok(if report.fault.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}
