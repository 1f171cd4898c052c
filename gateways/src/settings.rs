//! Reads settings and collects the mistakes, so that all are reported at once.
//!
//! The tree may come from a file, where values have types, or from environment variables, where everything is
//! text and an array is a table with the keys `0`, `1`, …. No value is ever repeated in a message.
//!
//! Every secret can also come from a file: `secret_file` names the file that holds `secret`.

use std::cell::{Ref, RefCell};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::Path;

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

/// The end of a setting that names the file of a secret.
const FILE: &str = "_file";
/// The largest file that can hold a secret; several times a private key.
const LARGEST_SECRET: u64 = 64 * 1024;

/// Where mistakes are collected, and warnings beside them.
#[derive(Debug, Default)]
pub struct Mistakes {
    mistakes: RefCell<Vec<Mistake>>,
    warnings: RefCell<Vec<Mistake>>,
}

impl Mistakes {
    /// The mistakes so far.
    pub fn borrow(&self) -> Ref<'_, Vec<Mistake>> {
        self.mistakes.borrow()
    }

    /// The mistakes.
    #[must_use]
    pub fn into_inner(self) -> Vec<Mistake> {
        self.mistakes.into_inner()
    }

    /// What does not prevent the start, so far.
    pub fn warnings(&self) -> Ref<'_, Vec<Mistake>> {
        self.warnings.borrow()
    }

    /// Adds one. What depends on a setting may read it once more, and one report is enough.
    fn add(list: &RefCell<Vec<Mistake>>, mistake: Mistake) {
        let mut list = list.borrow_mut();
        if !list.contains(&mistake) {
            list.push(mistake);
        }
    }
}

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

    /// Records a mistake of a key. Of a secret that comes from a file, it names the setting that is there.
    pub fn mistake(&self, key: &str, message: impl Into<String>) {
        Mistakes::add(&self.mistakes.mistakes, self.found(key, message));
    }

    /// Records a warning about a key.
    pub fn warning(&self, key: &str, message: impl Into<String>) {
        Mistakes::add(&self.mistakes.warnings, self.found(key, message));
    }

    fn found(&self, key: &str, message: impl Into<String>) -> Mistake {
        let file = format!("{key}{FILE}");
        let there = |key: &str| self.table.is_some_and(|table| table.contains_key(key));
        let is_secret = self.read.borrow().contains(&file);
        let key = if is_secret && !there(key) && there(&file) {
            &file
        } else {
            key
        };
        Mistake {
            key: self.path(key),
            message: message.into(),
        }
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

    /// A secret that must be there, as `key` or as the file that `key_file` names. After a mistake, an empty one takes
    /// its place.
    #[must_use]
    pub fn secret(&self, key: &str) -> SecretString {
        let file = format!("{key}{FILE}");
        if self.value(key).is_none() && self.value(&file).is_none() {
            self.mistake(key, "is missing");
        }
        self.optional_secret(key).unwrap_or_default()
    }

    /// A secret, if there is one, as `key` or as the file that `key_file` names.
    #[must_use]
    pub fn optional_secret(&self, key: &str) -> Option<SecretString> {
        let file = format!("{key}{FILE}");
        if self.value(&file).is_none() {
            return self.optional(key).map(Into::into);
        }
        if self.value(key).is_some() {
            self.mistake(
                key,
                format!("is given twice, as `{key}` and as `{file}`; remove one"),
            );
            return None;
        }
        let path = self.optional(&file)?;
        match secret_file(Path::new(&path)) {
            Ok((secret, exposed)) => {
                if let Some(exposed) = exposed {
                    self.warning(&file, exposed);
                }
                if secret.expose_secret().starts_with(PLACEHOLDER) {
                    self.mistake(&file, "names a file that has the text of the example; replace it");
                    return None;
                }
                Some(secret)
            }
            Err(wrong) => {
                self.mistake(&file, wrong);
                None
            }
        }
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

    /// The environment of a platform: one word of a list, the first being the default. `custom` comes with addresses
    /// of its own; every other one is reached over TLS.
    #[must_use]
    pub fn environment(&self, words: &[&'static str]) -> &'static str {
        self.environment_with(words, cardseal_transport::TLS)
    }

    fn environment_with(&self, words: &[&'static str], tls: bool) -> &'static str {
        let word = self.word("environment", words);
        if word != "custom" && !tls {
            self.mistake("environment", format!("{word:?} {}", cardseal_transport::NO_TLS));
        }
        word
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

/// Reads a secret from a file, without the line end that editors add, and what is wrong with who may open the file.
/// Messages name neither the file nor its content.
fn secret_file(path: &Path) -> Result<(SecretString, Option<&'static str>), &'static str> {
    let cannot = |error: std::io::Error| {
        let kinds = [
            (ErrorKind::NotFound, "names a file that does not exist"),
            (
                ErrorKind::PermissionDenied,
                "names a file that this user may not read",
            ),
            (ErrorKind::InvalidData, "names a file that is not text"),
        ];
        let known = kinds.iter().find(|(kind, _)| *kind == error.kind());
        known.map_or("names a file that cannot be read", |(_, message)| *message)
    };
    // By its path, so that opening a pipe does not wait for a writer.
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() {
        return Err("names something that is not a file");
    }
    if metadata.len() > LARGEST_SECRET {
        return Err("names a file that is too large for a secret");
    }
    let exposed = exposed(&metadata)?;
    let mut text = std::fs::read_to_string(path).map_err(cannot)?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    if text.trim().is_empty() {
        return Err("names an empty file");
    }
    Ok((text.into(), exposed))
}

/// Whether others may open a secret's file. Its group may: container platforms and service managers share secrets with
/// a process that way.
#[cfg(unix)]
fn exposed(metadata: &std::fs::Metadata) -> Result<Option<&'static str>, &'static str> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode();
    if mode & 0o002 != 0 {
        return Err("names a file that every user of this machine can write; run `chmod 600` on it");
    }
    Ok((mode & 0o004 != 0).then_some(
        "names a file that other users of this machine can read; run `chmod 600` on it, unless that is intended",
    ))
}

/// Other systems have no mode bits.
#[cfg(not(unix))]
fn exposed(_: &std::fs::Metadata) -> Result<Option<&'static str>, &'static str> {
    Ok(None)
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
    fn an_environment_that_needs_tls_is_refused_without_it() {
        for (environment, tls, mistaken) in [
            ("custom", false, false),
            ("sandbox", false, true),
            ("production", false, true),
            ("production", true, false),
        ] {
            let tree = json!({ "environment": environment });
            let mistakes = Mistakes::default();
            let settings = Settings::root(tree.as_object().unwrap(), &mistakes);
            let words = ["sandbox", "production", "custom"];
            assert_eq!(settings.environment_with(&words, tls), environment);
            let found: Vec<_> = mistakes
                .borrow()
                .iter()
                .map(|mistake| mistake.key.clone())
                .collect();
            assert_eq!(found == ["environment"], mistaken, "{environment} {tls}");
        }
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
