//! The `gatewright` program: parses the command line and runs one command.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatewright::cli::main()
}
