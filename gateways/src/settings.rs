//! Reads settings and collects the mistakes, so that all are reported at once.
//!
//! The tree may come from a file, where values have types, or from environment variables, where everything is
//! text and an array is a table with the keys `0`, `1`, …. No value is ever repeated in a message.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

/// How the example's configuration begins every value that only a platform can give: "from GreenPay".
const PLACEHOLDER: &str = "from ";

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key, for example `platforms.greenpay.secret`.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

/// Where mistakes are collected.
pub type Mistakes = RefCell<Vec<Mistake>>;

/// One table of settings.
pub struct Settings<'a> {
    path: String,
    table: Option<&'a Map<String, Value>>,
    mistakes: &'a Mistakes,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Settings<'a> {
    /// The topmost table.
    #[must_use]
    pub const fn root(table: &'a Map<String, Value>, mistakes: &'a Mistakes) -> Self {
        Self {
            path: String::new(),
            table: Some(table),
            mistakes,
            read: RefCell::new(BTreeSet::new()),
        }
    }

    fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.into()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        self.read.borrow_mut().insert(key.into());
        self.table?.get(key)
    }

    /// Records a mistake of a key.
    pub fn mistake(&self, key: &str, message: impl Into<String>) {
        self.mistakes.borrow_mut().push(Mistake {
            key: self.path(key),
            message: message.into(),
        });
    }

    /// Whether the table exists.
    #[must_use]
    pub const fn exists(&self) -> bool {
        self.table.is_some()
    }

    /// The keys of the table.
    #[must_use]
    pub fn keys(&self) -> Vec<&'a str> {
        self.table
            .map(|table| table.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    /// A text, if there is one.
    #[must_use]
    pub fn optional(&self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) if text.trim().is_empty() => {
                self.mistake(key, "is empty");
                None
            }
            Value::String(text) if text.starts_with(PLACEHOLDER) => {
                self.mistake(key, "still has the text of the example; replace it");
                None
            }
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => {
                self.mistake(key, "must be text");
                None
            }
        }
    }

    /// A required text. After a mistake, an empty text takes its place.
    #[must_use]
    pub fn text(&self, key: &str) -> String {
        if self.value(key).is_none() {
            self.mistake(key, "is missing");
        }
        self.optional(key).unwrap_or_default()
    }

    /// A secret that must be there.
    #[must_use]
    pub fn secret(&self, key: &str) -> SecretString {
        self.text(key).into()
    }

    /// A secret, if there is one.
    #[must_use]
    pub fn optional_secret(&self, key: &str) -> Option<SecretString> {
        self.optional(key).map(Into::into)
    }

    /// A part of a URL that serves as a password, if there is one.
    pub fn check_path_secret(&self, key: &str) {
        let Some(secret) = self.optional_secret(key) else {
            return;
        };
        let text = secret.expose_secret();
        let fits = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !fits || !(16..=128).contains(&text.len()) {
            self.mistake(key, "must be 16 to 128 letters, digits, - or _");
        }
    }

    /// An address without a slash at its end, that must be there. Clear HTTP is for this machine only: secrets
    /// travel to it.
    #[must_use]
    pub fn base_url(&self, key: &str) -> Option<String> {
        let text = self.text(key);
        if text.is_empty() {
            return None;
        }
        cardseal_transport::base_url(&text)
            .map_err(|message| self.mistake(key, message))
            .ok()
    }

    /// A yes or no.
    #[must_use]
    pub fn boolean(&self, key: &str, default: bool) -> bool {
        match self.value(key) {
            None => default,
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) if text == "true" || text == "false" => text == "true",
            Some(_) => {
                self.mistake(key, "must be true or false");
                default
            }
        }
    }

    /// A whole number in a range.
    #[must_use]
    pub fn integer(&self, key: &str, default: u64, range: &RangeInclusive<u64>) -> u64 {
        let value = match self.value(key) {
            None => return default,
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_u64(),
        };
        value.filter(|value| range.contains(value)).unwrap_or_else(|| {
            self.mistake(
                key,
                format!("must be a whole number from {} to {}", range.start(), range.end()),
            );
            default
        })
    }

    /// One word of a list, the first being the default.
    #[must_use]
    pub fn word(&self, key: &str, words: &[&'static str]) -> &'static str {
        let default = words.first().copied().unwrap_or_default();
        let Some(text) = self.optional(key) else {
            return default;
        };
        words
            .iter()
            .copied()
            .find(|word| *word == text)
            .unwrap_or_else(|| {
                self.mistake(key, format!("must be one of: {}", words.join(", ")));
                default
            })
    }

    /// Texts: an array, or one text with commas.
    #[must_use]
    pub fn list(&self, key: &str) -> Vec<String> {
        let items: Option<Vec<String>> = match self.value(key) {
            None => return Vec::new(),
            Some(Value::String(text)) => Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(Into::into)
                    .collect(),
            ),
            Some(Value::Array(items)) => items.iter().map(|item| item.as_str().map(Into::into)).collect(),
            Some(Value::Object(items)) => items.values().map(|item| item.as_str().map(Into::into)).collect(),
            Some(Value::Number(_) | Value::Bool(_) | Value::Null) => None,
        };
        items.unwrap_or_else(|| {
            self.mistake(key, "must be a list of texts");
            Vec::new()
        })
    }

    /// A table inside this one.
    #[must_use]
    pub fn table(&self, key: &str) -> Self {
        let table = match self.value(key) {
            Some(Value::Object(table)) => Some(table),
            Some(_) => {
                self.mistake(key, "must be a table");
                None
            }
            None => None,
        };
        Settings {
            path: self.path(key),
            table,
            mistakes: self.mistakes,
            read: RefCell::default(),
        }
    }

    /// An array of tables inside this one.
    #[must_use]
    pub fn tables(&self, key: &str) -> Vec<Self> {
        let items: Vec<(String, &'a Value)> = match self.value(key) {
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (index.to_string(), item))
                .collect(),
            Some(Value::Object(items)) => items.iter().map(|(index, item)| (index.clone(), item)).collect(),
            Some(_) => {
                self.mistake(key, "must be an array of tables");
                Vec::new()
            }
            None => Vec::new(),
        };
        items
            .into_iter()
            .map(|(index, item)| {
                let key = format!("{key}[{index}]");
                if !item.is_object() {
                    self.mistake(&key, "must be a table");
                }
                Settings {
                    path: self.path(&key),
                    table: item.as_object(),
                    mistakes: self.mistakes,
                    read: RefCell::default(),
                }
            })
            .collect()
    }

    /// Reports every unknown key.
    pub fn finish(&self) {
        let read = self.read.borrow();
        for key in self.keys() {
            if !read.contains(key) {
                self.mistake(key, "is not a known setting");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn collects_every_mistake_and_shows_no_value() {
        let tree = json!({"a": "hunter2", "n": 70_000, "b": "maybe", "w": "purple", "l": [1], "t": 5, "typo": "hunter2"});
        let mistakes = Mistakes::default();
        let settings = Settings::root(tree.as_object().unwrap(), &mistakes);
        assert_eq!(settings.text("a"), "hunter2");
        let _ = settings.text("missing");
        assert_eq!(settings.integer("n", 1, &(0..=65_535)), 1);
        assert!(!settings.boolean("b", false));
        assert_eq!(settings.word("w", &["red", "green"]), "red");
        assert!(settings.list("l").is_empty());
        assert!(!settings.table("t").exists());
        settings.finish();
        let found: Vec<_> = mistakes
            .borrow()
            .iter()
            .map(|mistake| mistake.key.clone())
            .collect();
        assert_eq!(found, ["missing", "n", "b", "w", "l", "t", "typo"]);
        assert!(!format!("{:?}", mistakes.borrow()).contains("hunter2"));
    }

    #[test]
    fn takes_text_of_the_environment_for_every_type() {
        let tree = json!({"n": "80", "b": "true", "l": "a, b", "t": {"0": {"x": "1"}, "1": {"x": "2"}}});
        let mistakes = Mistakes::default();
        let settings = Settings::root(tree.as_object().unwrap(), &mistakes);
        assert_eq!(settings.integer("n", 1, &(0..=65_535)), 80);
        assert!(settings.boolean("b", false));
        assert_eq!(settings.list("l"), ["a", "b"]);
        assert_eq!(
            settings
                .tables("t")
                .iter()
                .map(|table| table.text("x"))
                .collect::<Vec<_>>(),
            ["1", "2"]
        );
        settings.finish();
        assert!(mistakes.borrow().is_empty());
    }
}
