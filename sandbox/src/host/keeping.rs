//! The file of stored cards: a merchant keeps tokens over a restart, so the platforms keep the cards behind them. What is
//! written of a card is what is remembered of it, and no number. Sessions, orders and payments are forgotten.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use cardseal::redact::card_digits;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::StartError;

/// What of a platform's records outlasts the process.
pub(crate) trait Keep {
    /// The cards that are stored for good. `Null` if the platform stores none.
    fn cards(&self) -> Value {
        Value::Null
    }

    /// Puts back what `cards` gave.
    fn put_back(&mut self, _cards: Value) -> Result<(), serde_json::Error> {
        Ok(())
    }
}

/// The file, and what stands in it, by platform.
#[derive(Debug)]
pub(crate) struct Keeper {
    file: PathBuf,
    cards: Mutex<BTreeMap<String, Value>>,
}

impl Keeper {
    /// Reads the file, if there is one.
    pub(crate) fn open(file: PathBuf) -> Result<Self, StartError> {
        let about =
            |error: &dyn std::fmt::Display| StartError::Setting(format!("{}: {error}", file.display()));
        let cards = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| about(&error))?,
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(about(&error)),
        };
        Ok(Self {
            file,
            cards: Mutex::new(cards),
        })
    }

    /// Gives a platform the cards that it stored before.
    pub(crate) fn put_back(&self, platform: &str, book: &mut impl Keep) -> Result<(), StartError> {
        let cards = self.cards.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(cards) = cards.get(platform) else {
            return Ok(());
        };
        book.put_back(cards.clone())
            .map_err(|error| StartError::Setting(format!("{}: {platform}: {error}", self.file.display())))
    }

    /// Writes a platform's cards, if they are other ones than before.
    pub(crate) fn keep(&self, platform: &str, book: &impl Keep) {
        let now = book.cards();
        let mut cards = self.cards.lock().unwrap_or_else(PoisonError::into_inner);
        if *cards.get(platform).unwrap_or(&Value::Null) == now {
            return;
        }
        cards.insert(platform.to_owned(), now);
        if let Err(error) = self.write(&cards) {
            tracing::warn!(file = %self.file.display(), %error, "the stored cards could not be written");
        }
    }

    /// Whole or not at all, as the process may be killed. Only its owner may read it.
    fn write(&self, cards: &BTreeMap<String, Value>) -> io::Result<()> {
        let new = self.file.with_added_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
            .open(&new)?
            .write_all(&serde_json::to_vec_pretty(cards)?)?;
        fs::rename(new, &self.file)
    }
}

/// A list of cards as [`Keep::cards`] gives it.
pub(crate) fn written(cards: Vec<impl Serialize>) -> Value {
    if cards.is_empty() {
        return Value::Null;
    }
    serde_json::to_value(cards).unwrap_or_default()
}

/// The list of cards that [`written`] gave.
pub(crate) fn read<T: DeserializeOwned>(cards: Value) -> Result<Vec<T>, serde_json::Error> {
    let cards: Option<Vec<T>> = serde_json::from_value(cards)?;
    Ok(cards.unwrap_or_default())
}

/// The value that is written like this, of those that there are.
pub(crate) fn one_of<T: Serialize>(
    known: impl IntoIterator<Item = T>,
    written: &Value,
) -> Result<T, serde_json::Error> {
    known
        .into_iter()
        .find(|value| serde_json::to_value(value).is_ok_and(|value| value == *written))
        .ok_or_else(|| serde::de::Error::custom("a card has a value that this version does not know"))
}

/// A name as it is written: people type card numbers into the strangest fields.
pub(crate) fn redacted<S: Serializer>(name: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    name.as_deref().map(card_digits).serialize(serializer)
}
