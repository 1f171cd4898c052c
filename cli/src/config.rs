//! The server's configuration, as far as the platforms' accounts are concerned. The server's own `check` reads the rest.

use cardseal::platform::Platform;
use cardseal_gateways::settings::{Mistake, Mistakes};
use cardseal_gateways::{Settings, gateway};
use serde_json::{Map, Value};

use crate::platforms;

/// A configuration file. It holds secrets: no `Debug`, and no value of it is ever shown.
pub struct Config {
    /// Where it was read, for reports.
    pub name: String,
    tree: Map<String, Value>,
    /// What is wrong with the platforms' tables.
    pub mistakes: Vec<Mistake>,
}

impl Config {
    /// Reads the text of a TOML file.
    ///
    /// # Errors
    /// The line near which it is not TOML. The library's own message quotes the line, which may hold a secret.
    pub fn read(name: &str, text: &str) -> Result<Self, String> {
        let tree: Map<String, Value> = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = error.span().map_or(0, |span| {
                text.get(..span.start).unwrap_or("").lines().count().max(1)
            });
            format!("{name} is not TOML near line {line}")
        })?;
        let found = Mistakes::default();
        let root = Settings::root(&tree, &found);
        let platforms = root.table("platforms");
        for platform in Platform::ALL {
            let table = platforms.table(platform.id());
            if table.exists() {
                // Only its mistakes are of interest here.
                let _gateway = gateway(*platform, &table);
            }
        }
        platforms.finish();
        let mistakes = found.into_inner();
        Ok(Self {
            name: name.into(),
            tree,
            mistakes,
        })
    }

    /// The platforms that have a table.
    #[must_use]
    pub fn platforms(&self) -> Vec<Platform> {
        let has = |platform: &Platform| self.table(*platform).is_some();
        Platform::ALL.iter().copied().filter(has).collect()
    }

    fn table(&self, platform: Platform) -> Option<&Map<String, Value>> {
        self.tree.get("platforms")?.get(platform.id())?.as_object()
    }

    /// A setting of a platform: a text, or the content of the file that `key_file` names.
    #[must_use]
    pub fn text(&self, platform: Platform, key: &str) -> Option<String> {
        let table = self.table(platform)?;
        match table.get(key) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(_) => None,
            None => {
                let file = table.get(&format!("{key}_file"))?.as_str()?;
                let text = std::fs::read_to_string(file).ok()?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        }
    }

    /// Two texts of each entry of a list of tables.
    #[must_use]
    pub fn pairs(&self, platform: Platform, key: &str, names: [&str; 2]) -> Vec<[String; 2]> {
        let entries = self.table(platform).and_then(|table| table.get(key));
        let entries = entries
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let pair = |entry: &Value| {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
            let [first, second] = names;
            Some([text(first)?, text(second)?])
        };
        entries.iter().filter_map(pair).collect()
    }

    /// The whole table of a platform, for the gateways' own readers.
    #[must_use]
    pub fn settings(&self, platform: Platform) -> Option<&Map<String, Value>> {
        self.table(platform)
    }

    /// `environment`, or what a missing one means.
    #[must_use]
    pub fn environment(&self, platform: Platform) -> String {
        let usual = platforms::of(platform).usual_environment;
        self.text(platform, "environment").unwrap_or_else(|| usual.into())
    }

    /// The origins whose pages may call the server.
    #[must_use]
    pub fn allowed_origins(&self) -> Option<Vec<String>> {
        let list = self.tree.get("server")?.get("allowed_origins")?;
        Some(match list {
            Value::Array(items) => items
                .iter()
                .filter_map(|item| item.as_str().map(Into::into))
                .collect(),
            Value::String(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
        })
    }
}
