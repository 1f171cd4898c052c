//! Commands that work on the database of a configuration, also while a server uses it.

use std::path::PathBuf;
use std::time::Duration;

use cardseal_server::api_key;
use cardseal_server::clock::{Clock, rfc3339};
use cardseal_server::config::Config;
use cardseal_server::scope::Scopes;
use cardseal_server::store::{ApiKey, AuditEntry, KeyId, Store, Validity};
use lexopt::{Arg, Parser, ValueExt};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// What the commands are.
pub(crate) const USAGE: &str = "\
  keys add --name NAME --scopes SCOPES [--days DAYS]
                        make an API key that may do what its scopes say (sessions, tokens, charge, refund, read, admin,
                        separated by commas), for so many days or for good, and print it; it is shown this once
  keys list             list the API keys
  keys rotate ID [--overlap-hours HOURS]
                        make an API key like another one, which then expires after so many hours (24)
  keys revoke ID        have an API key refused from now on
";

/// A command.
pub(crate) enum Command {
    AddKey {
        name: String,
        scopes: Scopes,
        days: Option<u32>,
    },
    ListKeys,
    RotateKey {
        id: KeyId,
        overlap: Duration,
    },
    RevokeKey {
        id: KeyId,
    },
}

/// A command, where it works, and how it answers.
pub(crate) struct Call {
    command: Command,
    config: Option<PathBuf>,
    json: bool,
}

/// The words of a call: what has no name, and `--name value`.
struct Words {
    plain: Vec<String>,
    named: Vec<(String, String)>,
    json: bool,
}

impl Words {
    fn read(mut parser: Parser) -> Result<Self, lexopt::Error> {
        let mut all = Self {
            plain: Vec::new(),
            named: Vec::new(),
            json: false,
        };
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("json") => all.json = true,
                Arg::Long(name) => {
                    let name = name.to_owned();
                    all.named.push((name, parser.value()?.string()?));
                }
                Arg::Value(value) => all.plain.push(value.string()?),
                Arg::Short(_) => return Err(argument.unexpected()),
            }
        }
        Ok(all)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.named.iter().position(|(own, _)| own == name)?;
        Some(self.named.swap_remove(at).1)
    }

    /// A whole number. `Err` if it is something else.
    fn number(&mut self, name: &str) -> Result<Option<u32>, ()> {
        self.take(name)
            .map(|text| text.parse().map_err(|_| ()))
            .transpose()
    }
}

/// Reads a call of a command. `None` if the first word is none.
pub(crate) fn read(parser: Parser) -> Result<Option<Call>, String> {
    let is_ours = std::env::args_os().nth(1).is_some_and(|first| first == "keys");
    if !is_ours {
        return Ok(None);
    }
    // What stands alone may be a secret, so no error repeats it.
    let call = Words::read(parser).ok().and_then(call);
    call.map(Some)
        .ok_or_else(|| format!("these arguments are not known\n\n{}{USAGE}", crate::USAGE))
}

fn call(mut words: Words) -> Option<Call> {
    let config = words.take("config").map(PathBuf::from);
    let plain: Vec<String> = std::mem::take(&mut words.plain);
    let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
    let command = match plain.as_slice() {
        ["keys", "add"] => Command::AddKey {
            name: words.take("name").filter(|name| is_name(name))?,
            scopes: words.take("scopes")?.parse().ok()?,
            days: words.number("days").ok()?.map(|days| days.clamp(1, 36_500)),
        },
        ["keys", "list"] => Command::ListKeys,
        ["keys", "rotate", id] => Command::RotateKey {
            id: (*id).into(),
            overlap: Duration::from_secs(
                60 * 60 * u64::from(words.number("overlap-hours").ok()?.unwrap_or(24)),
            ),
        },
        ["keys", "revoke", id] => Command::RevokeKey { id: (*id).into() },
        _ => return None,
    };
    words.named.is_empty().then_some(Call {
        command,
        config,
        json: words.json,
    })
}

fn is_name(name: &str) -> bool {
    (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

impl Call {
    /// Does it.
    #[expect(clippy::print_stdout, reason = "it is what the caller asked for")]
    pub(crate) async fn run(self) -> Result<(), Box<dyn std::error::Error>> {
        let config = Config::load(self.config.as_deref())?;
        let store = Store::open_beside(&config.database).await?;
        let operation = self.command.operation();
        let object = self.command.object();
        let done = self.command.run(&store).await;
        if let Some(operation) = operation {
            let made = done.as_ref().ok().and_then(|answer| answer["id"].as_str());
            let entry = AuditEntry {
                actor: "command".into(),
                operation: operation.into(),
                object: object.or_else(|| made.map(ToOwned::to_owned)),
                outcome: if done.is_ok() { "done" } else { "failed" }.into(),
                status: None,
                request_id: None,
                at: Clock::default().now(),
            };
            store.add_audit_entry(entry).await?;
        }
        store.close().await;
        let answer = done?;
        if self.json {
            println!("{answer}");
        } else {
            print!("{}", plain(&answer));
        }
        Ok(())
    }
}

impl Command {
    /// Its name in the audit log, if it changes something.
    const fn operation(&self) -> Option<&'static str> {
        match self {
            Self::AddKey { .. } => Some("keys add"),
            Self::ListKeys => None,
            Self::RotateKey { .. } => Some("keys rotate"),
            Self::RevokeKey { .. } => Some("keys revoke"),
        }
    }

    /// What it is done to.
    fn object(&self) -> Option<String> {
        match self {
            Self::RotateKey { id, .. } | Self::RevokeKey { id } => Some(id.to_string()),
            Self::AddKey { .. } | Self::ListKeys => None,
        }
    }

    async fn run(self, store: &Store) -> Result<Value, Box<dyn std::error::Error>> {
        let now = Clock::default().now();
        let find = async |id: &KeyId| -> Result<ApiKey, Box<dyn std::error::Error>> {
            let key = store.api_key(id).await?;
            key.ok_or_else(|| "there is no such API key; `keys list` lists them".into())
        };
        match self {
            Self::AddKey { name, scopes, days } => {
                let expires_at = days.map(|days| now + i64::from(days) * 24 * 60 * 60_000);
                let key = api_key::generate_stored()?;
                let stored = store.add_api_key(&key, &name, scopes, expires_at, now).await?;
                Ok(with_key(&stored, &key, now))
            }
            Self::ListKeys => {
                let keys = store.api_keys().await?;
                Ok(keys.iter().map(|key| shown(key, now)).collect())
            }
            Self::RotateKey { id, overlap } => {
                let old = find(&id).await?;
                if old.validity(now) != Validity::Valid {
                    return Err(
                        "the API key has expired or was revoked; make another one with `keys add`".into(),
                    );
                }
                // As long as the old one was to last.
                let expires_at = old.expires_at.map(|at| now + (at - old.created_at));
                let key = api_key::generate_stored()?;
                let stored = store
                    .add_api_key(&key, &old.name, old.scopes, expires_at, now)
                    .await?;
                let end = now + i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX / 2);
                store.expire_api_key(&old.id, end).await?;
                Ok(with_key(&stored, &key, now))
            }
            Self::RevokeKey { id } => {
                find(&id).await?;
                store.revoke_api_key(&id, now).await?;
                Ok(shown(&find(&id).await?, now))
            }
        }
    }
}

fn shown(key: &ApiKey, now: i64) -> Value {
    json!({
        "id": key.id.as_str(),
        "name": key.name,
        "scopes": key.scopes.to_string(),
        "state": match key.validity(now) {
            Validity::Valid => "valid",
            Validity::Expired => "expired",
            Validity::Revoked => "revoked",
        },
        "created_at": rfc3339(key.created_at),
        "expires_at": key.expires_at.map(rfc3339),
        "revoked_at": key.revoked_at.map(rfc3339),
        "used_at": key.used_at.map(rfc3339),
    })
}

fn with_key(stored: &ApiKey, key: &SecretString, now: i64) -> Value {
    let mut shown = shown(stored, now);
    if let Value::Object(members) = &mut shown {
        members.insert("key".into(), key.expose_secret().into());
    }
    shown
}

/// A table for a list, and lines for one thing.
fn plain(answer: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| "-".to_owned(), ToOwned::to_owned);
    match answer {
        Value::Array(items) if items.is_empty() => "none\n".into(),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_object)
            .map(|item| {
                let words: Vec<String> = item
                    .iter()
                    .map(|(name, value)| format!("{name}={}", text(value)))
                    .collect();
                words.join("  ") + "\n"
            })
            .collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", text(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => answer.to_string(),
    }
}
