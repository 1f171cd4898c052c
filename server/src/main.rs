//! The server as a program: reads the configuration, then serves until it is told to stop. [`USAGE`] lists its options.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cardseal_server::config::{Config, Examined, Mistake};
#[cfg(unix)]
use cardseal_server::reload_on_hangup;
use cardseal_server::store::Store;
use cardseal_server::{Live, Shared, api_key, listen, logging, process, serve_live};
use secrecy::ExposeSecret;
use serde_json::json;

const USAGE: &str = "\
Keeps the merchant's secrets, opens sessions with the payment platforms, stores tokens and charges them.

Usage: cardseal-server [--config FILE]
       cardseal-server check [--config FILE] [--json]
       cardseal-server --compact [--config FILE]
       cardseal-server --generate-api-key | --openapi | --help

  --config FILE         configuration to read; default: CARDSEAL_CONFIG, or else cardseal.toml in this directory
  check                 read a configuration and report every mistake and warning; opens and changes nothing.
                        Ends with 0 if there are none, with 1 if there are warnings, with 2 if there are mistakes
  --json                report as JSON
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
        Ok(code) => code,
        Err(error) => {
            eprintln!("cardseal-server: {error}");
            // As a check ends that found mistakes.
            let check = std::env::args_os().nth(1).is_some_and(|first| first == "check");
            ExitCode::from(if check { 2 } else { 1 })
        }
    }
}

async fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    match arguments()? {
        Arguments::Serve { config } => start(config.as_deref()).await?,
        Arguments::Check { config, json } => return Ok(check(&Config::examine(config.as_deref()), json)),
        Arguments::Help => print_usage(),
        Arguments::GenerateApiKey => print_key()?,
        Arguments::OpenApi => print_contract()?,
        Arguments::Compact { config } => compact(config.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn start(file: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::load(file)?;
    // Its last lines are written when this function ends.
    let _log = logging::start(&config);
    process::protect(&config);
    let listener = listen(config.listen)?;
    let address = listener.local_addr()?;
    config.open_demo_origins(address);
    #[cfg(unix)]
    let hangups = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    let live = Live::new(Shared::start(config).await?);
    ready(address);
    #[cfg(unix)]
    let reloads = reload_on_hangup(hangups, &live, file.map(Path::to_owned), address);
    #[cfg(not(unix))]
    let reloads = std::future::pending();
    serve_live(&live, listener, told_to_stop(), reloads).await;
    Ok(())
}

/// Reports what reading a configuration found.
#[expect(clippy::print_stdout, reason = "it is what the caller asked for")]
fn check(examined: &Examined, as_json: bool) -> ExitCode {
    let mistakes = examined
        .config
        .as_ref()
        .err()
        .map_or(&[][..], |error| error.mistakes());
    let warnings = examined.warnings.as_slice();
    if as_json {
        let list = |list: &[Mistake]| -> Vec<_> {
            let items = list.iter();
            items
                .map(|Mistake { key, message }| json!({ "key": key, "message": message }))
                .collect()
        };
        let report = json!({
            "valid": mistakes.is_empty(), "mistakes": list(mistakes), "warnings": list(warnings),
        });
        println!("{report}");
    } else {
        for Mistake { key, message } in mistakes {
            println!("mistake: {key} {message}");
        }
        for Mistake { key, message } in warnings {
            println!("warning: {key} {message}");
        }
        println!("{} mistake(s), {} warning(s)", mistakes.len(), warnings.len());
    }
    match (mistakes, warnings) {
        ([], []) => ExitCode::SUCCESS,
        ([], _) => ExitCode::from(1),
        _ => ExitCode::from(2),
    }
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
    Check { config: Option<PathBuf>, json: bool },
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
        [Some("check")] => Ok(Arguments::Check {
            config: None,
            json: false,
        }),
        [Some("check"), Some("--json")] => Ok(Arguments::Check {
            config: None,
            json: true,
        }),
        [Some("check"), Some("--config"), _] => Ok(Arguments::Check {
            config: file(2),
            json: false,
        }),
        [Some("check"), Some("--config"), _, Some("--json")] => Ok(Arguments::Check {
            config: file(2),
            json: true,
        }),
        [Some("check"), Some("--json"), Some("--config"), _] => Ok(Arguments::Check {
            config: file(3),
            json: true,
        }),
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
