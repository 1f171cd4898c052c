//! The server as a program: reads the configuration, then serves until it is told to stop. [`USAGE`] lists its options.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cardseal_server::config::Config;
use cardseal_server::store::Store;
use cardseal_server::{Shared, api_key, listen, logging, serve};
use secrecy::ExposeSecret;

const USAGE: &str = "\
Keeps the merchant's secrets, opens sessions with the payment platforms, stores tokens and charges them.

Usage: cardseal-server [--config FILE]
       cardseal-server --compact [--config FILE]
       cardseal-server --generate-api-key | --openapi | --help

  --config FILE         configuration to read; default: CARDSEAL_CONFIG, or else cardseal.toml in this directory
  --compact             rewrite the database file without free space, while no server uses it; needs as much space again
  --generate-api-key    print a random value for `api_key` or `webhook_path_secret`
  --openapi             print the OpenAPI contract as JSON
  --help                print this
";

/// Wipes every heap block when it is freed: cards that this server decrypts pass through library code too.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

#[tokio::main]
#[expect(clippy::print_stderr, reason = "the log may not have been set up yet")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cardseal-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let file = match arguments()? {
        Arguments::Serve { config } => config,
        Arguments::Help => {
            print_usage();
            return Ok(());
        }
        Arguments::GenerateApiKey => return print_key(),
        Arguments::OpenApi => return print_contract(),
        Arguments::Compact { config } => return compact(config.as_deref()),
    };
    let mut config = Config::load(file.as_deref())?;
    // Its last lines are written when this function ends.
    let _log = logging::start(&config);
    let listener = listen(config.listen)?;
    let address = listener.local_addr()?;
    config.open_demo_origins(address);
    let app = Shared::start(config).await?;
    ready(address);
    serve(&app, listener, told_to_stop()).await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the one line that programs wait for")]
fn ready(address: SocketAddr) {
    tracing::info!(%address, "listening");
    println!("{{\"ready\":true,\"listen\":\"{address}\"}}");
}

async fn told_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} }
        return;
    }
    // On an error no signal can be received, and only SIGKILL ends the server.
    let _ = interrupt.await;
}

enum Arguments {
    Serve { config: Option<PathBuf> },
    Help,
    GenerateApiKey,
    OpenApi,
    Compact { config: Option<PathBuf> },
}

fn arguments() -> Result<Arguments, String> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_str()).collect();
    let file = |index: usize| arguments.get(index).map(PathBuf::from);
    match texts.as_slice() {
        [] => Ok(Arguments::Serve { config: None }),
        [Some("--help" | "-h")] => Ok(Arguments::Help),
        [Some("--generate-api-key")] => Ok(Arguments::GenerateApiKey),
        [Some("--openapi")] => Ok(Arguments::OpenApi),
        [Some("--config"), _] => Ok(Arguments::Serve { config: file(1) }),
        [Some("--compact")] => Ok(Arguments::Compact { config: None }),
        [Some("--compact"), Some("--config"), _] => Ok(Arguments::Compact { config: file(2) }),
        _ => Err(format!("these arguments are not known\n\n{USAGE}")),
    }
}

/// Compacts the database of a configuration.
#[expect(clippy::print_stdout, reason = "it is what the caller asked for")]
fn compact(config: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    let path = Config::load(config)?.database;
    let size = Store::compact(&path)?;
    println!(
        "{}: {} bytes before, {} now",
        path.display(),
        size.before,
        size.after
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what the caller asked for")]
fn print_usage() {
    print!("{USAGE}");
}

#[expect(clippy::print_stdout, reason = "it is what the caller asked for")]
fn print_key() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", api_key::generate()?.expose_secret());
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what the caller asked for")]
fn print_contract() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", cardseal_server::openapi().to_pretty_json()?);
    Ok(())
}
