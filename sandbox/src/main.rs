//! The sandbox as a program: prints what its clients need once it is ready, then serves until it is told to stop.

mod saved;

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use cardseal_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Map, Value};
use tokio::sync::oneshot;
use tracing::Level;

const USAGE: &str = "\
Simulates payment platforms on loopback, for tests and demos. Prints one line of JSON when it is ready.

Usage: cardseal-sandbox [OPTIONS]

  --listen ADDRESS      loopback address and port to listen on; port 0 picks a free one [127.0.0.1:0]
  --key-bits BITS       size of the RSA key pairs, 1024 to 4096 [1024]
  --state FILE          keep keys and credentials in FILE, so that they are the same at every start, and stored cards
                        beside it, in FILE.cards; made if they are not there. Payments are kept in memory alone
  --toml                print the server's tables [platforms.…] as TOML, in place of the line of JSON
  --platform ID         tell the server's settings of this platform alone; may be repeated [all]. The others play too
  --server-url URL      merchant's server on this machine, which gets the notifications [none]
  --exit-with-stdin     stop when standard input closes
  --log-calls           log one line for each call on standard error, without bodies
  --version             print the version
  --help                print this
";

const VERSION: &str = concat!("cardseal-sandbox ", env!("CARGO_PKG_VERSION"), "\n");

struct Arguments {
    options: SandboxOptions,
    state: Option<PathBuf>,
    toml: bool,
    /// Whose settings are told; all if empty.
    platforms: Vec<String>,
    exit_with_stdin: bool,
    log_calls: bool,
}

/// What the program was asked for.
enum Asked {
    Run(Arguments),
    /// A text to print.
    Text(&'static str),
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut arguments = Arguments {
        options: SandboxOptions::default(),
        state: None,
        toml: false,
        platforms: Vec::new(),
        exit_with_stdin: false,
        log_calls: false,
    };
    while let Some(argument) = given.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        let mut value = || {
            inline
                .clone()
                .or_else(|| given.next())
                .ok_or_else(|| format!("{name} needs a value"))
        };
        let options = &mut arguments.options;
        match name.as_str() {
            "--listen" => {
                let text = value()?;
                options.listen = text
                    .parse::<SocketAddr>()
                    .map_err(|_| format!("{text} is not an address and port"))?;
            }
            "--key-bits" => {
                let text = value()?;
                options.key_bits = text
                    .parse()
                    .map_err(|_| format!("{text} is not a number of bits"))?;
            }
            "--server-url" => options.server_url = Some(value()?),
            "--state" => arguments.state = Some(value()?.into()),
            "--toml" => arguments.toml = true,
            "--platform" => arguments.platforms.push(value()?),
            "--exit-with-stdin" => arguments.exit_with_stdin = true,
            "--log-calls" => arguments.log_calls = true,
            "--help" | "-h" => return Ok(Asked::Text(USAGE)),
            "--version" | "-V" => return Ok(Asked::Text(VERSION)),
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(Asked::Run(arguments))
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's output")]
#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(Asked::Run(arguments)) => arguments,
        Ok(Asked::Text(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "tells its parent where it listens")]
async fn run(mut arguments: Arguments) -> Result<(), Box<dyn Error>> {
    // Off by default: a parent that never reads the pipe would stop us once it is full.
    let level = if arguments.log_calls {
        Level::INFO
    } else {
        Level::WARN
    };
    tracing_subscriber::fmt()
        // Else a log that cannot be written would end the calls that are logged.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(level)
        .init();
    let shutdown = Shutdown::listen(arguments.exit_with_stdin)?;
    if let Some(file) = &arguments.state {
        saved::read_or_make(file, &mut arguments.options)?;
        arguments.options.cards = Some(file.with_added_extension("cards"));
    }
    let sandbox = Sandbox::start(arguments.options).await?;
    let mut info = sandbox.info().clone();
    only(&mut info.server_settings, &arguments.platforms)?;
    if arguments.toml {
        let tables = serde_json::json!({ "platforms": info.server_settings });
        print!("{}", toml::to_string(&tables)?);
    } else {
        println!("{}", serde_json::to_string(&info)?);
    }
    // A file or a pipe holds it back otherwise.
    std::io::stdout().flush()?;
    shutdown.requested().await;
    sandbox.stop().await;
    Ok(())
}

/// Leaves the tables of these platforms, or all if there are none.
fn only(tables: &mut Map<String, Value>, platforms: &[String]) -> Result<(), String> {
    for id in platforms {
        if !tables.contains_key(id) {
            let ids: Vec<_> = tables.keys().map(String::as_str).collect();
            return Err(format!("there is no platform {id}; there are {}", ids.join(", ")));
        }
    }
    if !platforms.is_empty() {
        tables.retain(|id, _| platforms.contains(id));
    }
    Ok(())
}

/// What stops the program. It listens before the line is printed, since the reader may stop it at once.
struct Shutdown {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
    stdin: oneshot::Receiver<()>,
    /// Held so that `stdin` stays silent.
    _open: Option<oneshot::Sender<()>>,
}

impl Shutdown {
    fn listen(exit_with_stdin: bool) -> std::io::Result<Self> {
        #[cfg(unix)]
        use tokio::signal::unix::{SignalKind, signal};
        let (closed, stdin) = oneshot::channel();
        let open = if exit_with_stdin {
            // A thread, as the runtime would wait for a read of its own at the end.
            std::thread::spawn(move || {
                let _bytes = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
                let _gone = closed.send(());
            });
            None
        } else {
            Some(closed)
        };
        Ok(Self {
            #[cfg(unix)]
            signals: [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?],
            stdin,
            _open: open,
        })
    }

    #[cfg(unix)]
    async fn requested(self) {
        let [mut interrupt, mut terminate] = self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = self.stdin => {}
        }
    }

    #[cfg(not(unix))]
    async fn requested(self) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = self.stdin => {}
        }
    }
}
