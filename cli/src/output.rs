//! What is printed: text for people, JSON for programs, colours for terminals.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Command;
use serde::Serialize;
use serde_json::Value;

use crate::args::Shell;

/// Something is wrong with what was looked at.
pub(crate) const WRONG: u8 = 1;
/// The call is wrong, or a file cannot be read.
pub(crate) const USAGE: u8 = 2;
/// It could not be decided.
pub(crate) const UNDECIDED: u8 = 3;

/// What a command found.
pub(crate) struct Outcome {
    pub(crate) code: u8,
    pub(crate) json: Value,
    pub(crate) text: String,
}

impl Outcome {
    pub(crate) fn new(code: u8, report: &impl Serialize, text: String) -> Self {
        Self {
            code,
            json: serde_json::to_value(report).unwrap_or_default(),
            text,
        }
    }
}

/// Why a command could not do its work. Its text holds no card number, key or secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self {
            code: USAGE,
            text: text.into(),
        }
    }

    pub(crate) fn wrong(text: impl Into<String>) -> Self {
        Self {
            code: WRONG,
            text: text.into(),
        }
    }
}

/// Whether standard output takes colours.
pub(crate) fn colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stdout().is_terminal()
}

/// Paints a word, if the terminal takes it.
pub(crate) fn painted(word: &str, colour: u8) -> String {
    if colours() {
        format!("\u{1b}[{colour}m{word}\u{1b}[0m")
    } else {
        word.to_owned()
    }
}

pub(crate) fn show(outcome: &Outcome, json: bool) -> ExitCode {
    let text = if json {
        serde_json::to_string_pretty(&outcome.json).unwrap_or_default()
    } else {
        outcome.text.trim_end().to_owned()
    };
    print(&format!("{text}\n"));
    ExitCode::from(outcome.code)
}

/// A reader that has gone away is no failure.
pub(crate) fn print(text: &str) {
    let _gone = std::io::stdout().write_all(text.as_bytes());
}

#[expect(clippy::print_stderr, reason = "a program's messages")]
pub(crate) fn refuse(failure: &Failure) -> ExitCode {
    eprintln!("cardseal: {}", failure.text);
    ExitCode::from(failure.code)
}

/// What clap has to say: help and version on standard output, mistakes on standard error.
#[expect(clippy::print_stderr, reason = "a program's messages")]
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // A mistaken argument is repeated in the text: it may be what should not be there.
    let text = cardseal::redact::card_digits(&error.render().to_string());
    if error.use_stderr() {
        eprint!("{text}");
        ExitCode::from(USAGE)
    } else {
        print(&text);
        ExitCode::SUCCESS
    }
}

pub(crate) fn completions(shell: Shell, command: &mut Command) -> ExitCode {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, command, "cardseal", &mut text);
    print(&String::from_utf8_lossy(&text));
    ExitCode::SUCCESS
}

/// The man page, with a section for each command.
pub(crate) fn man(mut command: Command) -> ExitCode {
    command.build();
    let mut text = Vec::new();
    let page = |command: Command, text: &mut Vec<u8>| clap_mangen::Man::new(command).render(text);
    let mut made = page(command.clone(), &mut text);
    for part in command.get_subcommands().filter(|part| part.get_name() != "help") {
        let section = clap_mangen::Man::new(part.clone().name(format!("cardseal {}", part.get_name())));
        let mut body = Vec::new();
        made = made.and_then(|()| {
            section.render_description_section(&mut body)?;
            section.render_synopsis_section(&mut body)?;
            section.render_options_section(&mut body)
        });
        let name = part.get_name().to_ascii_uppercase();
        text.extend(format!(".SH \"CARDSEAL {name}\"\n").into_bytes());
        // Sections of the command become parts of its section.
        text.extend(
            String::from_utf8_lossy(&body)
                .replace("\n.SH ", "\n.SS ")
                .replacen(".SH ", ".SS ", 1)
                .into_bytes(),
        );
    }
    match made {
        Ok(()) => {
            print(&String::from_utf8_lossy(&text));
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&Failure::usage(error.to_string())),
    }
}
