//! Encryption at rest: `[encryption]`, and where its keys come from.

use std::fmt;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use cardseal_gateways::Settings;
use cardseal_gateways::settings::Mistake;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use zeroize::Zeroizing;

use crate::store::{EncryptionKey, EncryptionKeys};

const KEY_BYTES: usize = 32;
/// The most that a command may print: a key has 64 digits.
const LONGEST_OUTPUT: u64 = 1024;
/// The fewest different bytes of a key. A random one has fewer once in more than 10^20 times.
const FEWEST_BYTES: usize = 12;
/// What `current` is to have rows written in clear again.
const CLEAR: &str = "clear";
/// Variables that begin with this are settings of this server, secrets among them. No command gets them.
const OWN_VARIABLES: &str = "CARDSEAL_";
/// Base64 as programs write it: with and without padding.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// `[encryption]`.
#[derive(Default)]
pub struct Encryption {
    /// The name of the key that seals.
    current: Option<String>,
    keys: Vec<(String, Source)>,
}

/// Where a key comes from.
enum Source {
    Key(SecretBox<[u8; KEY_BYTES]>),
    /// A program with its arguments, which prints the key.
    Command(Vec<String>, Duration),
}

/// Without the keys.
impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.keys.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Encryption")
            .field("current", &self.current)
            .field("keys", &names)
            .finish()
    }
}

/// A key that its command did not give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("encryption.keys.{key}.key_command {problem}")]
pub struct KeyError {
    /// The key's name.
    pub key: String,
    /// Why.
    pub problem: KeyProblem,
}

/// Why a command gave no key. Says nothing of what it printed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// There is no such program, or it may not be started.
    #[error("cannot be started: {0}")]
    NotStarted(std::io::ErrorKind),
    /// It ended with another code than zero.
    #[error("failed with exit code {0}; run it by hand to see why")]
    Failed(i32),
    /// A signal ended it, or its output could not be read.
    #[error("ended early; run it by hand to see why")]
    Ended,
    /// It took too long, and was ended.
    #[error("did not end within {0} ms; make it faster, or raise `command_timeout_ms`")]
    TimedOut(u128),
    /// It printed something else.
    #[error("printed something that {0}")]
    NoKey(&'static str),
}

impl From<KeyError> for Mistake {
    fn from(KeyError { key, problem }: KeyError) -> Self {
        Self {
            key: format!("encryption.keys.{key}.key_command"),
            message: problem.to_string(),
        }
    }
}

impl Encryption {
    /// Reads the table. Commands do not run yet.
    pub(crate) fn read(table: &Settings<'_>) -> Self {
        let current = table.optional("current");
        let all = table.table("keys");
        table.finish();
        if !table.exists() {
            return Self::default();
        }
        let keys: Vec<_> = all
            .keys()
            .into_iter()
            .filter_map(|name| {
                let source = source(&all.table(name));
                if !is_name(name) {
                    all.mistake(
                        name,
                        "must be called by 1 to 32 small letters, digits, - or _, and not `clear`",
                    );
                    return None;
                }
                Some((name.to_owned(), source?))
            })
            .collect();
        match &current {
            None => table.mistake(
                "current",
                "is missing: the name of the key that seals what is written from now on",
            ),
            Some(name) if name == CLEAR || all.keys().contains(&name.as_str()) => {}
            Some(_) => table.mistake("current", "is not the name of one of `encryption.keys`"),
        }
        if all.keys().is_empty() {
            table.mistake(
                "keys",
                "is missing: a table for each key, such as [encryption.keys.2026-11] with `key_file` or `key_command`",
            );
        }
        Self {
            current: current.filter(|name| name != CLEAR),
            keys,
        }
    }

    /// The keys. Runs the commands that print them, all at once.
    ///
    /// # Errors
    /// If a command gives no key.
    pub async fn keys(&self) -> Result<EncryptionKeys, KeyError> {
        let printed: Vec<_> = self
            .keys
            .iter()
            .map(|(_, source)| match source {
                Source::Key(_) => None,
                Source::Command(command, limit) => {
                    let (command, limit) = (command.clone(), *limit);
                    Some(tokio::spawn(async move { run(&command, limit).await }))
                }
            })
            .collect();
        let mut keys = Vec::new();
        for ((name, source), printed) in self.keys.iter().zip(printed) {
            let bytes = match (source, printed) {
                (Source::Key(bytes), _) => copy(bytes),
                (Source::Command(..), Some(task)) => {
                    let ended = task.await.unwrap_or(Err(KeyProblem::Ended));
                    ended.map_err(|problem| KeyError {
                        key: name.clone(),
                        problem,
                    })?
                }
                (Source::Command(..), None) => continue,
            };
            keys.push(EncryptionKey {
                name: name.clone(),
                bytes,
            });
        }
        Ok(EncryptionKeys {
            current: self.current.clone(),
            keys,
        })
    }
}

/// Names are part of every sealed value.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=32).contains(&name.len()) && name.bytes().all(plain) && name != CLEAR
}

fn source(table: &Settings<'_>) -> Option<Source> {
    let key = table.optional_secret("key");
    let command = table.list("key_command");
    let limit = Duration::from_millis(table.integer("command_timeout_ms", 10_000, &(100..=120_000)));
    table.finish();
    match (key, command.is_empty()) {
        (Some(_), false) => {
            table.mistake("key_command", "stands beside a key; remove one of them");
            None
        }
        (Some(key), true) => match parse(&key) {
            Ok(bytes) => Some(Source::Key(bytes)),
            Err(wrong) => {
                table.mistake("key", wrong);
                None
            }
        },
        (None, false) => Some(Source::Command(command, limit)),
        (None, true) => {
            let given = ["key", "key_file", "key_command"];
            if !table.keys().iter().any(|key| given.contains(key)) {
                table.mistake(
                    "key_file",
                    "is missing: a file with the key, or `key_command` in its place",
                );
            }
            None
        }
    }
}

fn copy(bytes: &SecretBox<[u8; KEY_BYTES]>) -> SecretBox<[u8; KEY_BYTES]> {
    SecretBox::init_with_mut(|copy: &mut [u8; KEY_BYTES]| copy.copy_from_slice(bytes.expose_secret()))
}

/// Reads a key: 32 bytes as hex or base64.
fn parse(text: &SecretString) -> Result<SecretBox<[u8; KEY_BYTES]>, &'static str> {
    let text = text.expose_secret().trim();
    // No random base64 has only such letters.
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let decoded = if is_hex {
        Ok(hex::decode(text).unwrap_or_default())
    } else {
        STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text))
    };
    let bytes = Zeroizing::new(decoded.map_err(
        |_| "is not a key: 32 bytes as hex or base64; `cardseal-server --generate-encryption-key` prints one",
    )?);
    if bytes.len() != KEY_BYTES {
        return Err(
            "has another length than 32 bytes; `cardseal-server --generate-encryption-key` prints a key",
        );
    }
    let mut different = bytes.to_vec();
    different.sort_unstable();
    different.dedup();
    let few = different.len() < FEWEST_BYTES;
    zeroize::Zeroize::zeroize(&mut different);
    if few {
        return Err("is not random: it has too few different bytes");
    }
    Ok(SecretBox::init_with_mut(|key: &mut [u8; KEY_BYTES]| {
        key.copy_from_slice(&bytes);
    }))
}

/// Runs a command and reads the key that it prints. What it prints as its errors goes nowhere: it may quote the key.
async fn run(command: &[String], limit: Duration) -> Result<SecretBox<[u8; KEY_BYTES]>, KeyProblem> {
    let (program, arguments) = command
        .split_first()
        .ok_or(KeyProblem::NotStarted(std::io::ErrorKind::InvalidInput))?;
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(OWN_VARIABLES) {
            command.env_remove(name);
        }
    }
    let mut child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| KeyProblem::NotStarted(error.kind()))?;
    let ended = async {
        let mut printed = Zeroizing::new(Vec::with_capacity(
            usize::try_from(LONGEST_OUTPUT).unwrap_or(1024) + 1,
        ));
        if let Some(output) = child.stdout.take() {
            let read = output.take(LONGEST_OUTPUT + 1).read_to_end(&mut printed).await;
            read.map_err(|_| KeyProblem::Ended)?;
        }
        let status = child.wait().await.map_err(|_| KeyProblem::Ended)?;
        match status.code() {
            Some(0) => Ok(printed),
            Some(code) => Err(KeyProblem::Failed(code)),
            None => Err(KeyProblem::Ended),
        }
    };
    let printed = tokio::time::timeout(limit, ended)
        .await
        .map_err(|_| KeyProblem::TimedOut(limit.as_millis()))??;
    if u64::try_from(printed.len()).unwrap_or(u64::MAX) > LONGEST_OUTPUT {
        return Err(KeyProblem::NoKey("is too long for a key"));
    }
    let text = std::str::from_utf8(&printed).map_err(|_| KeyProblem::NoKey("is not text"))?;
    parse(&text.into()).map_err(KeyProblem::NoKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: [u8; KEY_BYTES], form: usize) -> SecretString {
        let text = match form {
            0 => hex::encode(key),
            1 => hex::encode(key).to_uppercase(),
            2 => STANDARD.encode(key),
            _ => base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key) + "\n",
        };
        text.into()
    }

    #[test]
    fn a_key_is_32_bytes_in_any_usual_form() {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).unwrap();
        for form in 0..4 {
            assert_eq!(parse(&text(key, form)).unwrap().expose_secret(), &key, "{form}");
        }
        for (wrong, message) in [
            (hex::encode(&key[..31]), "has another length"),
            (STANDARD.encode([7; 33]), "has another length"),
            ("0".repeat(64), "is not random"),
            ("hunter2 hunter2".to_owned(), "is not a key"),
            (String::new(), "has another length"),
        ] {
            let error = parse(&wrong.as_str().into()).err().unwrap();
            assert!(error.starts_with(message), "{wrong}: {error}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_command_prints_a_key_or_says_what_is_wrong() {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).unwrap();
        let shell = async |script: &str, limit| {
            let command = ["/bin/sh", "-c", script].map(String::from);
            run(&command, Duration::from_millis(limit)).await
        };
        let good = format!("echo noise >&2; echo {}", hex::encode(key));
        assert_eq!(shell(&good, 20_000).await.unwrap().expose_secret(), &key);
        for (script, limit, problem) in [
            ("echo hunter2 >&2; exit 3", 20_000, KeyProblem::Failed(3)),
            ("kill -9 $$", 20_000, KeyProblem::Ended),
            ("sleep 60", 100, KeyProblem::TimedOut(100)),
            ("printf '\\377\\376'", 20_000, KeyProblem::NoKey("is not text")),
            (
                "head -c 3000 /dev/zero | tr '\\0' a",
                20_000,
                KeyProblem::NoKey("is too long for a key"),
            ),
        ] {
            assert_eq!(shell(script, limit).await.err().unwrap(), problem, "{script}");
        }
        let error = shell("echo hunter2", 20_000).await.err().unwrap();
        assert!(matches!(error, KeyProblem::NoKey(_)) && !error.to_string().contains("hunter2"));
        let nowhere = run(&["/nowhere/kms".to_owned()], Duration::from_secs(1)).await;
        let missing = KeyProblem::NotStarted(std::io::ErrorKind::NotFound);
        assert_eq!(nowhere.err().unwrap(), missing);
    }
}
