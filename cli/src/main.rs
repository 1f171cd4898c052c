//! The program `cardseal`.

use std::process::ExitCode;

/// Wipes every heap block when it is freed: cards and keys pass through library code too.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

#[tokio::main]
async fn main() -> ExitCode {
    // Arguments that are no text are names of files at most; they are refused like unknown ones.
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    cardseal_cli::run(arguments.collect()).await
}
