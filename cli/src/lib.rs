//! Cardseal on the command line, for people in trouble: packs and opens test cards, says what is wrong with a key, a
//! signature or a request, and starts the simulated platforms. `docs/cli.md` describes each command.
//!
//! Nothing here shows a card number, a key or a secret. Captured requests may hold real ones: what is shown of them is
//! masked.

pub mod args;
pub mod capture;
mod card;
pub mod config;
pub mod doctor;
mod greenpay;
mod key;
mod open;
mod output;
mod pack;
mod platforms;
mod read;
mod sandbox;
mod uuid;
mod verify;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{CommandFactory, Parser};

use crate::args::{Arguments, Command};
use crate::output::{Failure, Outcome};

/// Runs the program with these arguments, the first being its name.
pub async fn run(arguments: Vec<String>) -> ExitCode {
    // Before anything else looks at them: whoever lists the machine's processes sees arguments, and shells keep them.
    if arguments
        .iter()
        .skip(1)
        .any(|argument| cardseal::redact::holds_card_number(argument))
    {
        return output::refuse(&Failure::usage(
            "an argument holds a card number: every process of this machine can see arguments, and shells keep them. \
             Pass the card on standard input, or name a published test card with --test-card",
        ));
    }
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return output::usage(&error),
    };
    let json = arguments.json;
    let outcome = match arguments.command {
        Command::Pack(options) => pack::run(&options),
        Command::Open(options) => open::run(&options),
        Command::Key(options) => key::run(&options),
        Command::Verify(options) => verify::run(&options.what),
        Command::Doctor(options) => doctor::command::run(options).await,
        Command::Sandbox(options) => return sandbox::run(options).await,
        Command::Completions { shell } => return output::completions(shell, &mut Arguments::command()),
        Command::Man => return output::man(Arguments::command()),
    };
    match outcome {
        Ok(outcome) => output::show(&outcome, json),
        Err(failure) => output::refuse(&failure),
    }
}

type Result<T = Outcome> = std::result::Result<T, Failure>;

/// Milliseconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "exact for the next 280,000 years")]
pub(crate) fn now_ms() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_millis() as f64
}
