//! The `gatewright` program: parses the command line and runs one command.

use std::process::ExitCode;

/// Planning makes many small values; this allocator is markedly faster at it than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gatewright::cli::main()
}
