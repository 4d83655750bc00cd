//! The `gatewright` program: parses the command line and runs one command.

use std::process::ExitCode;

/// Planning makes many small values; this allocator is markedly faster at it than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Started by the server itself for expressions that its own process must not run; no command for people.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == gatewright::expression::worker::ARGUMENT) {
        return gatewright::expression::worker::main();
    }
    gatewright::cli::main()
}
