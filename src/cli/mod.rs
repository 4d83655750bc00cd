//! The command line: one file for each command, and nothing that another floor could need.

mod apply;
mod approve;
mod blame;
mod check;
mod comment;
mod completions;
mod database;
mod diff;
mod drift;
mod explain;
mod export;
mod history;
mod inputs;
mod man;
mod migrate;
mod output;
mod plan;
mod reconcile;
mod rollback;
mod schema;
mod serve;
mod server;
mod show;
mod sources;
mod validate;
mod verify_audit;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{self, Config, ConfigFile, Environment, Flag};
use output::{Colour, Terminal};

/// Identity as code: declare users, groups, applications and login flows in YAML, see the plan, apply it.
#[derive(Debug, Parser)]
#[command(name = "gatewright", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command takes.
#[derive(Debug, clap::Args)]
struct Global {
    /// Read the configuration from this file instead of gatewright.toml
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    config: Option<PathBuf>,
    /// When to use colour; auto is on a terminal, and never when NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Global options")]
    color: Colour,
    /// Leave out notes and hints
    #[arg(long, short, global = true, help_heading = "Global options")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Validate(validate::Args),
    Plan(plan::Args),
    Diff(diff::Args),
    Comment(comment::Args),
    Apply(apply::Args),
    Sources(sources::Args),
    Reconcile(reconcile::Args),
    Approve(approve::Args),
    History(history::Args),
    Show(show::Args),
    Blame(blame::Args),
    Rollback(rollback::Args),
    Drift(drift::Args),
    Export(export::Args),
    Schema(schema::Args),
    Migrate(migrate::Args),
    Explain(explain::Args),
    VerifyAudit(verify_audit::Args),
    Check(check::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// What a command knows of the process that it runs in.
struct Session {
    global: Global,
    environment: Environment,
    terminal: Terminal,
}

/// Exit code of a wrong command line; 2 is taken by `plan --detailed-exitcode`.
const USAGE: u8 = 64;

/// Runs the program.
pub fn main() -> ExitCode {
    run(std::env::args_os().collect(), Environment::of_process())
}

fn run(arguments: Vec<OsString>, environment: Environment) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let is_help = !error.use_stderr();
            let _ = error.print();
            return if is_help { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    let terminal = Terminal::new(cli.global.color, &environment);
    let context = Session { global: cli.global, environment, terminal };
    let result = match cli.command {
        Command::Serve(args) => serve::run(&context, args),
        Command::Validate(args) => validate::run(&context, args),
        Command::Plan(args) => plan::run(&context, args),
        Command::Diff(args) => diff::run(&context, args),
        Command::Comment(args) => comment::run(&context, args),
        Command::Apply(args) => apply::run(&context, args),
        Command::Sources(args) => sources::run(&context, args),
        Command::Reconcile(args) => reconcile::run(&context, args),
        Command::Approve(args) => approve::run(&context, args),
        Command::History(args) => history::run(&context, args),
        Command::Show(args) => show::run(&context, args),
        Command::Blame(args) => blame::run(&context, args),
        Command::Rollback(args) => rollback::run(&context, args),
        Command::Drift(args) => drift::run(&context, args),
        Command::Export(args) => export::run(&context, args),
        Command::Schema(args) => schema::run(&context, args),
        Command::Migrate(args) => migrate::run(&context, args),
        Command::Explain(args) => explain::run(&context, args),
        Command::VerifyAudit(args) => verify_audit::run(&context, args),
        Command::Check(args) => check::run(&context, args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            context.terminal.error(&error);
            ExitCode::FAILURE
        }
    }
}

/// The definition of the command line, for completions and manual pages.
fn command() -> clap::Command {
    Cli::command()
}

impl Session {
    /// The effective configuration under the given flags.
    fn config(&self, flags: &[Flag]) -> anyhow::Result<Config> {
        let file = ConfigFile::find(self.global.config.as_deref(), &self.environment, std::path::Path::new("."))?;
        config::load(file.as_ref(), &self.environment, flags).context("the configuration has mistakes")
    }

    /// Sets up the log of a command that answers at once: only warnings unless told otherwise, and as text also where
    /// standard error is no terminal, since its other lines are text.
    fn start_quiet_log(&self, config: &Config) -> anyhow::Result<()> {
        let mut log = config.log.clone();
        let usual = config::log::Log::default();
        if log.level == usual.level {
            "warn".clone_into(&mut log.level);
        }
        if log.format == usual.format {
            log.format = config::log::Format::Text;
        }
        self.start_log(&log)
    }

    /// Sets up the log as configured.
    fn start_log(&self, log: &config::log::Log) -> anyhow::Result<()> {
        Ok(config::log::init(log, self.terminal.stderr_is_terminal, self.terminal.stderr_colour)?)
    }

    /// Who runs the command, for the change log.
    fn actor(&self) -> String {
        let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| self.environment.get(name));
        format!("cli:{}", user.unwrap_or("unknown"))
    }
}

/// A runtime for commands that talk to a database.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the asynchronous runtime does not start")
}
