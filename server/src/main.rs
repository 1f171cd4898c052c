//! The server as a program: reads the configuration, then serves until it is told to stop. [`USAGE`] lists its options.

mod commands;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cardseal_server::config::{Config, Examined, Mistake};
#[cfg(unix)]
use cardseal_server::reload_on_hangup;
use cardseal_server::remote::{self, Remote};
use cardseal_server::store::{Location, Store, StoreError};
use cardseal_server::{Live, Shared, api_key, listen, logging, process, serve_live};
use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;
use secrecy::ExposeSecret;
use serde_json::json;

const USAGE: &str = "\
Keeps the merchant's secrets, opens sessions with the payment platforms, stores tokens and charges them.

Usage: cardseal-server [--config FILE]
       cardseal-server check [--config FILE] [--json]
       cardseal-server unknown [--config FILE] [--url URL] [--json]
       cardseal-server resolve PAYMENT STATUS [--authorization CODE] [--config FILE] [--url URL] [--json]
       cardseal-server reconcile PLATFORM [DAY] [--config FILE] [--url URL] [--json]
       cardseal-server keys ... [--config FILE] [--json]
       cardseal-server --compact [--config FILE]
       cardseal-server --generate-api-key | --generate-event-secret | --generate-encryption-key | --openapi | --version | --help

  --config FILE         configuration to read; default: CARDSEAL_CONFIG, or else cardseal.toml in this directory
  check                 read a configuration and report every mistake and warning; opens and changes nothing, and
                        runs the commands that print encryption keys.
                        Ends with 0 if there are none, with 1 if there are warnings, with 2 if there are mistakes
  unknown               list the payments whose outcome is unknown, and what to do about each
  resolve               settle such a payment by hand, after a look at the platform's own records; STATUS is approved,
                        authorized, failed, voided or refunded
  reconcile             compare the payments of a day in UTC, such as 2026-11-30, with the platform's own records;
                        default: yesterday. Ends with 1 if there are differences
  --url URL             where the server runs that is asked; default: where the configuration has it listen
  --json                report as JSON
  --compact             rewrite a SQLite file without free space, while no server uses it; needs as much space again
  --generate-api-key    print a random value for `api_key` or `webhook_path_secret`
  --generate-event-secret  print a random value for `events.secret`
  --generate-encryption-key  print a random key for `[encryption]`
  --openapi             print the OpenAPI contract as JSON
  --version             print the version
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
            let check = std::env::args_os().any(|argument| argument == "check");
            ExitCode::from(if check { 2 } else { 1 })
        }
    }
}

async fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    if let Some(call) = commands::read(lexopt::Parser::from_env())? {
        call.run().await?;
        return Ok(ExitCode::SUCCESS);
    }
    let arguments = Arguments::read(lexopt::Parser::from_env());
    let arguments =
        arguments.map_err(|error| format!("{}\n\n{USAGE}{}", without_value(error), commands::USAGE))?;
    let config = arguments.config.as_deref();
    match arguments.command {
        Command::Serve => start(config).await?,
        Command::Check => {
            let examined = Config::examine(config).with_keys().await;
            return Ok(check(&examined, arguments.json));
        }
        Command::Unknown | Command::Resolve | Command::Reconcile => return ask(&arguments).await,
        Command::Help => print_usage(),
        Command::Version => print_version(),
        Command::GenerateApiKey => print_key()?,
        Command::GenerateEventSecret => print_event_secret()?,
        Command::GenerateEncryptionKey => print_encryption_key()?,
        Command::OpenApi => print_contract()?,
        Command::Compact => compact(config)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the running server, and reports what it says.
#[expect(clippy::print_stdout, reason = "it is what the caller asked for")]
async fn ask(arguments: &Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let config = Config::load(arguments.config.as_deref())?;
    let server = Remote::new(&config, arguments.url.as_deref())?;
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    let (answer, text) = match (arguments.command, words.as_slice()) {
        (Command::Resolve, [payment, status]) => {
            let authorization = arguments.authorization.as_deref();
            let payment = server.resolve(payment, status, authorization).await?;
            let text = server.describe(&payment);
            (payment, text)
        }
        (Command::Reconcile, [platform, day @ ..]) => {
            let report = server.reconcile(platform, day.first().copied()).await?;
            let text = remote::describe_reconciliation(&report);
            (report, text)
        }
        _ => {
            let payments = server.unknown().await?;
            let text = server.describe_unknown(&payments);
            (payments, text)
        }
    };
    if arguments.json {
        println!("{answer}");
    } else {
        print!("{text}");
    }
    let differs = answer["differences"]
        .as_array()
        .is_some_and(|all| !all.is_empty());
    Ok(ExitCode::from(u8::from(differs)))
}

async fn start(file: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::load(file)?;
    // Its last lines are written when this function ends.
    let _log = logging::start(&config);
    process::protect(&config);
    let listener = listen(config.listen)?;
    let address = listener.local_addr()?;
    config.open_demo_origins(address);
    let metrics = config
        .metrics
        .as_ref()
        .map(|metrics| listen(metrics.listen))
        .transpose()?;
    #[cfg(unix)]
    let hangups = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    let live = Live::new(Shared::start(config).await?);
    ready(
        address,
        metrics.as_ref().and_then(|listener| listener.local_addr().ok()),
    );
    #[cfg(unix)]
    let reloads = reload_on_hangup(hangups, &live, file.map(Path::to_owned), address);
    #[cfg(not(unix))]
    let reloads = std::future::pending();
    serve_live(&live, listener, metrics, told_to_stop(), reloads).await;
    if live.app().store.is_lost() {
        return Err(StoreError::LeaseLost.into());
    }
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
fn ready(address: SocketAddr, metrics: Option<SocketAddr>) {
    tracing::info!(%address, "listening");
    let mut line = format!("\"ready\":true,\"listen\":\"{address}\"");
    if let Some(metrics) = metrics {
        tracing::info!(address = %metrics, "metrics can be read");
        line += &format!(",\"metrics\":\"{metrics}\"");
    }
    println!("{{{line}}}");
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

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Serve,
    Check,
    Unknown,
    Resolve,
    Reconcile,
    Help,
    Version,
    GenerateApiKey,
    GenerateEventSecret,
    GenerateEncryptionKey,
    OpenApi,
    Compact,
}

impl Command {
    /// The command of a word.
    fn named(word: &str) -> Option<Self> {
        match word {
            "check" => Some(Self::Check),
            "unknown" => Some(Self::Unknown),
            "resolve" => Some(Self::Resolve),
            "reconcile" => Some(Self::Reconcile),
            _ => None,
        }
    }

    /// The fewest words that may follow, and the most.
    const fn words(self) -> (usize, usize) {
        match self {
            Self::Resolve => (2, 2),
            Self::Reconcile => (1, 2),
            Self::Serve
            | Self::Check
            | Self::Unknown
            | Self::Help
            | Self::Version
            | Self::GenerateApiKey
            | Self::GenerateEventSecret
            | Self::GenerateEncryptionKey
            | Self::OpenApi
            | Self::Compact => (0, 0),
        }
    }

    /// Whether the command asks a running server.
    const fn asks(self) -> bool {
        matches!(self, Self::Unknown | Self::Resolve | Self::Reconcile)
    }
}

/// What was asked for on the command line.
struct Arguments {
    command: Command,
    words: Vec<String>,
    config: Option<PathBuf>,
    url: Option<String>,
    authorization: Option<String>,
    json: bool,
}

impl Arguments {
    fn read(mut parser: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut command = None;
        let mut read = Self {
            command: Command::Serve,
            words: Vec::new(),
            config: None,
            url: None,
            authorization: None,
            json: false,
        };
        while let Some(argument) = parser.next()? {
            let named = match argument {
                Long("config") => {
                    read.config = Some(parser.value()?.into());
                    continue;
                }
                Long("url") => {
                    read.url = Some(parser.value()?.string()?);
                    continue;
                }
                Long("authorization") => {
                    read.authorization = Some(parser.value()?.string()?);
                    continue;
                }
                Long("json") => {
                    read.json = true;
                    continue;
                }
                Value(word) if command.is_some() => {
                    read.words.push(word.string()?);
                    continue;
                }
                Value(ref word) => {
                    let named = word.to_str().and_then(Command::named);
                    named.ok_or_else(|| argument.unexpected())?
                }
                Long("help") | Short('h') => Command::Help,
                Long("version") | Short('V') => Command::Version,
                Long("generate-api-key") => Command::GenerateApiKey,
                Long("generate-event-secret") => Command::GenerateEventSecret,
                Long("generate-encryption-key") => Command::GenerateEncryptionKey,
                Long("openapi") => Command::OpenApi,
                Long("compact") => Command::Compact,
                Long(_) | Short(_) => return Err(argument.unexpected()),
            };
            if command.replace(named).is_some() {
                return Err("one command at a time".into());
            }
        }
        read.command = command.unwrap_or(Command::Serve);
        let (fewest, most) = read.command.words();
        if !(fewest..=most).contains(&read.words.len()) {
            return Err("this command takes other arguments".into());
        }
        if read.json && !read.command.asks() && read.command != Command::Check {
            return Err("--json does not belong to this command".into());
        }
        if read.url.is_some() && !read.command.asks() {
            return Err("--url does not belong to this command".into());
        }
        if read.authorization.is_some() && read.command != Command::Resolve {
            return Err("--authorization belongs to `resolve`".into());
        }
        Ok(read)
    }
}

/// An error of the command line, which may end up in a log. A value that has lost its option may be a secret.
fn without_value(error: lexopt::Error) -> String {
    match error {
        lexopt::Error::UnexpectedValue { option, .. } => format!("{option} takes no value"),
        lexopt::Error::UnexpectedArgument(_) => "an argument is not known here".into(),
        other @ (lexopt::Error::MissingValue { .. }
        | lexopt::Error::UnexpectedOption(_)
        | lexopt::Error::ParsingFailed { .. }
        | lexopt::Error::NonUnicodeValue(_)
        | lexopt::Error::Custom(_)) => other.to_string(),
    }
}

/// Compacts the database of a configuration.
#[expect(clippy::print_stdout, reason = "it is what the caller asked for")]
fn compact(config: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    let Location::Sqlite { path, .. } = Config::load(config)?.database else {
        return Err(StoreError::NothingToCompact.into());
    };
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
    print!("{USAGE}{}", commands::USAGE);
}

#[expect(clippy::print_stdout, reason = "it is what the caller asked for")]
fn print_version() {
    println!("cardseal-server {}", env!("CARGO_PKG_VERSION"));
}

#[expect(clippy::print_stdout, reason = "it is what the caller asked for")]
fn print_key() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", api_key::generate()?.expose_secret());
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what the caller asked for")]
fn print_event_secret() -> Result<(), Box<dyn std::error::Error>> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|_| "the system's random source does not work")?;
    println!("{}", *cardseal_webhooks::Secret::text(&*bytes)?);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what the caller asked for")]
fn print_encryption_key() -> Result<(), Box<dyn std::error::Error>> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|_| "the system's random source does not work")?;
    println!("{}", *zeroize::Zeroizing::new(hex::encode(*bytes)));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what the caller asked for")]
fn print_contract() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", cardseal_server::openapi().to_pretty_json()?);
    Ok(())
}
