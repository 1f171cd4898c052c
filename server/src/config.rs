//! The configuration, from a TOML file, `.env` and the environment, which takes precedence. It is read once at start.
//! All mistakes are reported together, and no value is ever printed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cardseal::platform::Platform;
pub use cardseal_gateways::settings::Mistake;
use cardseal_gateways::settings::Mistakes;
use cardseal_gateways::transport::Timeouts;
use cardseal_gateways::{Gateway, Settings};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::connections::ConnectionLimits;
use crate::encryption::Encryption;
use crate::events::Events;
use crate::gate::CallLimits;
use crate::store::{BUSY_TIMEOUT, LEASE, Location, Postgres};
use crate::tls::Tls;
use crate::traces::TracesConfig;

/// The prefix of our environment variables. A double underscore separates levels.
const PREFIX: &str = "CARDSEAL__";

/// The server's configuration.
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The path prefix of all routes, such as `/pay`.
    pub base_path: Option<String>,
    /// The origins whose pages may call.
    pub allowed_origins: Vec<String>,
    /// The merchant's API key.
    pub api_key: SecretString,
    /// Whether to take the client's address from `X-Forwarded-For`.
    pub trust_forwarded_for: bool,
    /// The certificate, if this server speaks TLS itself.
    pub tls: Option<Tls>,
    /// Whether the process may be dumped and debugged.
    pub core_dumps: bool,
    /// Where the database is.
    pub database: Location,
    /// The keys that seal what the database keeps, if there are any.
    pub encryption: Encryption,
    /// How long rows are kept.
    pub retention: Retention,
    /// Events for the merchant's server, if they are on.
    pub events: Option<Events>,
    /// Limits on requests, attempts and sessions.
    pub limits: Limits,
    /// Limits on connections.
    pub connections: ConnectionLimits,
    /// Time-outs of calls to platforms.
    pub timeouts: Timeouts,
    /// Limits on calls to platforms.
    pub calls: CallLimits,
    /// Where Prometheus reads, if it may.
    pub metrics: Option<MetricsListener>,
    /// Where traces go, if anywhere.
    pub traces: Option<TracesConfig>,
    /// The configured platforms.
    pub platforms: BTreeMap<Platform, Account>,
    /// The isolated fields, if they are on.
    pub fields: Option<Fields>,
    /// The demo, if it is on.
    pub demo: Option<Demo>,
    /// APIs of other servers that are offered as well.
    pub compat: Compat,
    /// Whether logs are JSON.
    pub json_logs: bool,
    /// The log level: `error`, `warn`, `info` or `debug`.
    pub log_level: &'static str,
    /// Whether calls to platforms are logged, by gateways that can do so.
    pub log_platform_calls: bool,
    /// A digest of `[database]`, to see whether it changed.
    database_digest: [u8; 32],
    /// Problems that do not prevent the start. They are logged.
    pub warnings: Vec<String>,
}

/// Where Prometheus reads.
#[derive(Clone, Debug)]
pub struct MetricsListener {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// What readers must send as a bearer token, if anything.
    pub token: Option<SecretString>,
}

/// How long rows are kept. Payments and stored cards do not expire.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Sessions and authentications, after their end.
    pub sessions: Duration,
    /// Idempotency keys of payments.
    pub idempotency_keys: Duration,
    /// Notifications.
    pub notifications: Duration,
    /// Events, after they were delivered or given up.
    pub events: Duration,
    /// The audit log.
    pub audit: Duration,
    /// Captures, voids and refunds, with their idempotency keys, after their outcome is known.
    pub changes: Duration,
}

/// Limits on requests, attempts and sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body.
    pub body_bytes: usize,
    /// Calls per minute and client address without the API key.
    pub browser_requests_per_minute: u32,
    /// How many calls may come at once.
    pub browser_burst: u32,
    /// How long a repeated request waits for the first one to finish.
    pub idempotency_wait: Duration,
    /// How many cards one session may send to its platform.
    pub session_attempts: u32,
    /// Cards per minute for one customer.
    pub customer_attempts_per_minute: u32,
    /// Cards per minute in total.
    pub attempts_per_minute: u32,
    /// Sessions per minute for one customer.
    pub customer_sessions_per_minute: u32,
    /// Sessions per minute that pages may open, in total.
    pub sessions_per_minute: u32,
}

/// A configured platform.
#[derive(Clone)]
pub struct Account {
    /// The client of the platform.
    pub gateway: Arc<dyn Gateway>,
    /// The secret part of the webhook address. Without it, notifications are refused.
    pub webhook_path_secret: Option<SecretString>,
}

/// APIs of other servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compat {
    /// The API of Global Payments' network-tokenization sample.
    pub gp_network_tokens: bool,
}

/// The demo page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demo {
    /// The folder with the page's files.
    pub www: PathBuf,
    /// The folder with the package's files.
    pub pkg: PathBuf,
}

/// The card fields that pages show in a frame.
#[derive(Clone, Debug)]
pub struct Fields {
    /// The origins of the pages that may show them.
    pub parents: Vec<String>,
    /// The folder with the package's files.
    pub pkg: PathBuf,
}

/// All mistakes in the configuration.
pub struct ConfigError(Vec<Mistake>);

impl ConfigError {
    /// Each of them.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} mistake(s):", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|Mistake { key, message }| write!(f, "\n  {key}: {message}"))
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}

/// What reading a configuration found.
pub struct Examined {
    /// The configuration, or all mistakes in it.
    pub config: Result<Config, ConfigError>,
    /// What does not prevent the start. Also there if there are mistakes.
    pub warnings: Vec<Mistake>,
}

impl Examined {
    fn failed(mistakes: Vec<Mistake>, warnings: Vec<Mistake>) -> Self {
        Self {
            config: Err(ConfigError(mistakes)),
            warnings,
        }
    }

    /// Runs the commands that print encryption keys. What is wrong with one is a mistake.
    #[must_use]
    pub async fn with_keys(self) -> Self {
        let Self { config, warnings } = self;
        let config = match config {
            Ok(config) => match config.encryption.keys().await {
                Ok(_) => Ok(config),
                Err(wrong) => Err(ConfigError(vec![wrong.into()])),
            },
            failed => failed,
        };
        Self { config, warnings }
    }

    /// The configuration with its warnings.
    pub(crate) fn into_config(self) -> Result<Config, ConfigError> {
        let mut config = self.config?;
        let warnings = self.warnings.into_iter();
        config.warnings = warnings
            .map(|Mistake { key, message }| format!("{key} {message}"))
            .collect();
        Ok(config)
    }
}

impl Config {
    /// Reads the file, `.env` and the environment. Without a file name it reads `cardseal.toml`, if that exists.
    ///
    /// # Errors
    /// All mistakes.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::examine(file).into_config()
    }

    /// Reads what [`load`](Self::load) reads, and returns mistakes and warnings together.
    #[must_use]
    pub fn examine(file: Option<&Path>) -> Examined {
        let (mut mistakes, mut warnings) = (Vec::new(), Vec::new());
        let mut found = |list: Result<Option<String>, &str>, path: &Path| {
            let key = path.display().to_string();
            match list {
                Ok(None) => {}
                Ok(Some(message)) => warnings.push(Mistake { key, message }),
                Err(message) => mistakes.push(Mistake {
                    key,
                    message: message.into(),
                }),
            }
        };
        let mut environment: BTreeMap<String, String> = BTreeMap::new();
        let dotenv = Path::new(".env");
        let mut complete = true;
        if dotenv.exists() {
            found(permissions(dotenv), dotenv);
            match dotenv_lines(dotenv) {
                Ok(lines) => environment.extend(lines),
                Err(wrong) => {
                    found(Err(wrong), dotenv);
                    complete = false;
                }
            }
        }
        // Our variables are UTF-8.
        environment.extend(
            std::env::vars_os()
                .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?))),
        );
        let named = file
            .map(Path::to_owned)
            .or_else(|| environment.get("CARDSEAL_CONFIG").map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| "cardseal.toml".into());
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => {
                found(permissions(&path), &path);
                text
            }
            Err(_) if named.is_none() && !path.exists() => String::new(),
            Err(error) => {
                found(Err(&format!("cannot be read: {}", error.kind())), &path);
                complete = false;
                String::new()
            }
        };
        // What seems to be missing may be in what could not be read.
        if !complete {
            return Examined::failed(mistakes, warnings);
        }
        let mut examined = Self::examine_parts(&text, &environment);
        warnings.append(&mut examined.warnings);
        examined.warnings = warnings;
        if !mistakes.is_empty() {
            if let Err(ConfigError(more)) = examined.config {
                mistakes.extend(more);
            }
            examined.config = Err(ConfigError(mistakes));
        }
        examined
    }

    /// Parses the text of a file and an environment.
    ///
    /// # Errors
    /// All mistakes.
    pub fn from_parts(text: &str, environment: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        Self::examine_parts(text, environment).into_config()
    }

    fn examine_parts(text: &str, environment: &BTreeMap<String, String>) -> Examined {
        let found = Mistakes::default();
        let mut tree: Map<String, Value> = match toml::from_str(text) {
            Ok(tree) => tree,
            Err(error) => {
                let error: toml::de::Error = error;
                // The full message quotes the line, which may contain a secret.
                let line = error.span().map_or(0, |span| {
                    text.get(..span.start).unwrap_or("").lines().count().max(1)
                });
                // Alone: what else the file says is not known, and nothing in it is missing.
                let mistake = Mistake {
                    key: "the file".into(),
                    message: format!("is not TOML near line {line}"),
                };
                return Examined::failed(vec![mistake], Vec::new());
            }
        };
        for (name, value) in environment {
            if let Some(path) = name.strip_prefix(PREFIX) {
                let keys: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
                overlay(&mut tree, &keys, value);
            }
        }
        let database = tree.get("database").map(Value::to_string).unwrap_or_default();
        let config = Self::read(&Settings::root(&tree, &found), Sha256::digest(database).into());
        let warnings = found.warnings().clone();
        match config {
            Some(config) if found.borrow().is_empty() => Examined {
                config: Ok(config),
                warnings,
            },
            _ => Examined::failed(found.into_inner(), warnings),
        }
    }

    fn read(root: &Settings<'_>, database_digest: [u8; 32]) -> Option<Self> {
        let server = root.table("server");
        let listen_text = server
            .optional("listen")
            .unwrap_or_else(|| "127.0.0.1:8080".into());
        let listen: Option<SocketAddr> = listen_text.parse().ok();
        if listen.is_none() {
            server.mistake("listen", "must be an address and a port such as 127.0.0.1:8080");
        }
        let base_path = base_path(&server);
        let mut allowed_origins = server.list("allowed_origins");
        if allowed_origins.iter().any(|text| !is_origin(text)) {
            server.mistake(
                "allowed_origins",
                "must be origins such as https://shop.example, without a path",
            );
        }
        let api_key = api_key(&server);
        let trust_forwarded_for = server.boolean("trust_forwarded_for", false);
        let core_dumps = server.boolean("core_dumps", false);
        if core_dumps {
            server.warning(
                "core_dumps",
                "is on: a dump of this process holds the platforms' secrets; turn it off when you have finished debugging",
            );
        }
        let tls_table = server.table("tls");
        let tls = Tls::from_settings(&tls_table);
        let plain = !tls_table.exists() && !trust_forwarded_for;
        if plain && listen.is_some_and(|address| !address.ip().is_loopback()) {
            server.warning(
                "listen",
                "is not a loopback address, and this server speaks plain HTTP: the API key and what pages send can be \
                 read on the way; set [server.tls], or put a proxy with TLS in front and set `trust_forwarded_for`",
            );
        }
        server.finish();

        let database = database(&root.table("database"));

        let encryption = Encryption::read(&root.table("encryption"));
        let retention = retention(&root.table("retention"));
        let events = Events::read(&root.table("events"));
        let limits = limits(&root.table("limits"));
        let connections = connections(&root.table("connections"));
        let (timeouts, calls) = http(&root.table("http"));

        let metrics = metrics(&root.table("metrics"));
        let traces = TracesConfig::from_settings(&root.table("traces"));

        let log = root.table("log");
        let json_logs = log.word("format", &["text", "json"]) == "json";
        let log_level = log.word("level", &["info", "error", "warn", "debug"]);
        let log_platform_calls = log.boolean("platform_calls", false);
        log.finish();

        let platforms = platforms(&root.table("platforms"));
        for (platform, account) in &platforms {
            if account.gateway.capabilities().handles_clear_cards {
                let settings = root.table("platforms").table(platform.id());
                settings.warning(
                    "sealing",
                    "is on: cards pass through this server in clear; it is in full PCI DSS scope (SAQ D)",
                );
            }
        }
        let demo = demo(&root.table("demo"), listen, tls.is_some(), &platforms);
        let fields = fields(&root.table("fields"), demo.as_ref(), &mut allowed_origins);
        let compat = compat(&root.table("compat"), demo.is_some(), &platforms);
        root.finish();
        Some(Self {
            listen: listen?,
            base_path,
            allowed_origins,
            api_key,
            trust_forwarded_for,
            tls,
            core_dumps,
            database: database?,
            encryption,
            retention,
            events,
            limits,
            connections,
            timeouts,
            calls,
            metrics,
            traces,
            platforms,
            fields,
            demo,
            compat,
            json_logs,
            log_level,
            log_platform_calls,
            database_digest,
            warnings: Vec::new(),
        })
    }

    /// The configured platforms, in the order of [`Platform::ALL`].
    #[must_use]
    pub fn platforms(&self) -> Vec<(Platform, &Account)> {
        let platforms = self.platforms.iter();
        platforms
            .map(|(platform, account)| (*platform, account))
            .collect()
    }

    /// Keeps what cannot change while the server runs as it is in the running configuration. Returns the settings whose
    /// new values wait for a restart.
    pub(crate) fn keep(&mut self, running: &Self) -> Vec<&'static str> {
        let mut kept = Vec::new();
        macro_rules! keep {
            ($($name:literal: $field:ident),* $(,)?) => {$(
                if self.$field != running.$field {
                    kept.push($name);
                    self.$field.clone_from(&running.$field);
                }
            )*};
        }
        keep! {
            "server.listen": listen,
            "server.trust_forwarded_for": trust_forwarded_for,
            "server.core_dumps": core_dumps,
            "connections": connections,
            "demo": demo,
            "log.format": json_logs,
        }
        if self.tls.is_some() != running.tls.is_some() {
            kept.push("server.tls");
            self.tls.clone_from(&running.tls);
        }
        let listen = |config: &Self| config.metrics.as_ref().map(|metrics| metrics.listen);
        if listen(self) != listen(running) {
            kept.push("metrics.listen");
            self.metrics.clone_from(&running.metrics);
        }
        if self.traces != running.traces {
            kept.push("traces");
        }
        if self.database_digest != running.database_digest {
            kept.push("database");
        }
        self.database_digest = running.database_digest;
        self.database.clone_from(&running.database);
        kept
    }

    /// Allows the demo page's origin, at the address that the server is bound to. Each of its two names is a parent of
    /// the fields at the other.
    pub fn open_demo_origins(&mut self, bound: SocketAddr) {
        if self.demo.is_some() {
            let origins = [
                format!("http://{bound}"),
                format!("http://localhost:{}", bound.port()),
            ];
            if let Some(fields) = &mut self.fields {
                fields.parents.extend_from_slice(&origins);
            }
            self.allowed_origins.extend(origins);
        }
    }
}

/// Refuses a file that every user of the machine can write: any of them could redirect cards and money. A file that
/// its group can write or others can read is a warning, because groups are set up on purpose and container platforms
/// mount secrets world-readable.
#[cfg(unix)]
fn permissions(path: &Path) -> Result<Option<String>, &'static str> {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = std::fs::metadata(path) else {
        // The file has just been read and is gone now.
        return Ok(None);
    };
    let mode = metadata.permissions().mode();
    if mode & 0o002 != 0 {
        return Err("can be written by every user of this machine; run `chmod 600` on it");
    }
    let problem = if mode & 0o020 != 0 {
        "can be written by its group, which decides where cards and money go"
    } else if mode & 0o044 != 0 {
        "can be read by other users of this machine and may hold secrets"
    } else {
        return Ok(None);
    };
    Ok(Some(format!(
        "{problem}; run `chmod 600` on it, unless that is intended"
    )))
}

/// Other systems have no mode bits.
#[cfg(not(unix))]
fn permissions(_: &Path) -> Result<Option<String>, &'static str> {
    Ok(None)
}

/// The lines of `.env`. The library's errors quote the line, which may contain a secret.
fn dotenv_lines(path: &Path) -> Result<Vec<(String, String)>, &'static str> {
    let lines = dotenvy::from_path_iter(path).map_err(|_| "cannot be read")?;
    let lines = lines.map(|line| line.map_err(|_| "has a line that is not KEY=value"));
    lines.collect()
}

/// Sets the value of an environment variable in the tree.
fn overlay(table: &mut Map<String, Value>, keys: &[String], value: &str) {
    match keys {
        [] => {}
        [key] => {
            table.insert(key.clone(), value.into());
        }
        [key, rest @ ..] => {
            let entry = table
                .entry(key.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            // Turns an array of the file into a table by index, so that one entry can be replaced.
            if let Value::Array(items) = entry {
                let items = items
                    .drain(..)
                    .enumerate()
                    .map(|(index, item)| (index.to_string(), item))
                    .collect();
                *entry = Value::Object(items);
            }
            if let Value::Object(inner) = entry {
                overlay(inner, rest, value);
            }
        }
    }
}

fn api_key(server: &Settings<'_>) -> SecretString {
    let key = server.secret("api_key");
    if !key.expose_secret().is_empty()
        && let Some(reason) = crate::api_key::weakness(key.expose_secret())
    {
        server.mistake("api_key", reason);
    }
    key
}

/// Reads `base_path`: segments of letters, digits and `-._~`, each after a slash.
fn base_path(server: &Settings<'_>) -> Option<String> {
    let path = server.optional("base_path")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let part = |part: &str| !part.is_empty() && part.bytes().all(plain) && !matches!(part, "." | "..");
    let fits = path
        .strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(part));
    if !fits {
        server.mistake(
            "base_path",
            "must be a path such as /pay, without a slash at the end",
        );
    }
    Some(path)
}

/// Whether this is an origin as browsers send it: scheme, host and port.
fn is_origin(text: &str) -> bool {
    let Some(host) = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
    else {
        return false;
    };
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".:-[]".contains(&byte);
    !host.is_empty() && host.bytes().all(allowed)
}

/// The default number of transactions that PostgreSQL may run at once.
const WRITERS: u64 = 8;

/// `[database]`. `path` is the older way to name a file.
fn database(table: &Settings<'_>) -> Option<Location> {
    let url = table.optional_secret("url");
    let path = table.optional("path");
    let password = table.optional_secret("password");
    let default = u64::try_from(BUSY_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
    let busy_timeout = Duration::from_millis(table.integer("busy_timeout_ms", default, &(0..=60_000)));
    let writers = table.integer("writers", WRITERS, &(1..=64));
    let default = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
    let lease = Duration::from_millis(table.integer("lease_ms", default, &(1000..=120_000)));
    let file = |path: PathBuf| Location::Sqlite { path, busy_timeout };
    let location = match (url, path) {
        (Some(_), Some(_)) => {
            table.mistake(
                "path",
                "cannot stand beside `url`: both say where the database is",
            );
            None
        }
        (None, path) => Some(file(path.unwrap_or_else(|| "cardseal.sqlite".into()).into())),
        (Some(url), None) => match url.expose_secret().strip_prefix("sqlite:") {
            Some("") => {
                table.mistake("url", "must name a file: sqlite:cardseal.sqlite");
                None
            }
            Some(path) => Some(file(path.strip_prefix("//").unwrap_or(path).into())),
            None => postgres(table, &url, password.as_ref(), writers, busy_timeout)
                .map(|settings| Location::Postgres(Box::new(settings.with_lease(lease)))),
        },
    };
    if password.is_some() && !matches!(location, Some(Location::Postgres(_)) | None) {
        table.mistake("password", "is only for a `url` that begins with postgres://");
    }
    table.finish();
    location
}

fn postgres(
    table: &Settings<'_>,
    url: &SecretString,
    password: Option<&SecretString>,
    writers: u64,
    lock_timeout: Duration,
) -> Option<Postgres> {
    if !Postgres::is_url(url.expose_secret()) {
        table.mistake(
            "url",
            "must be sqlite:cardseal.sqlite or postgres://user@host:5432/database?sslmode=verify-full",
        );
        return None;
    }
    match Postgres::parse(url, password, usize::try_from(writers).unwrap_or(1), lock_timeout) {
        Ok(settings) => {
            if settings.is_exposed() {
                table.warning(
                    "url",
                    "leads over a connection that is not checked, so others could read or take it; use \
                     sslmode=verify-full",
                );
            }
            Some(settings)
        }
        Err(wrong) => {
            table.mistake("url", wrong);
            None
        }
    }
}

fn retention(table: &Settings<'_>) -> Retention {
    const LONGEST: u64 = 3650;
    // A week: as long as callers may repeat a request, and longer than any platform repeats a notification.
    const WEEK: u64 = 7;
    let days = |key, default, least| {
        let days = table.integer(key, default, &(least..=LONGEST));
        Duration::from_secs(days * 24 * 60 * 60)
    };
    let retention = Retention {
        // A payment on a platform's page is accepted until a week after the session's end.
        sessions: days("session_days", 30, WEEK + 1),
        idempotency_keys: days("idempotency_key_days", 30, WEEK),
        notifications: days("notification_days", 30, WEEK),
        changes: days("change_days", 90, WEEK),
        events: days("event_days", 30, 1),
        audit: days("audit_days", 365, 1),
    };
    table.finish();
    if retention.changes < retention.idempotency_keys {
        table.mistake(
            "change_days",
            "must be at least `idempotency_key_days`: the idempotency key of a refund goes with the refund",
        );
    }
    retention
}

fn limits(table: &Settings<'_>) -> Limits {
    let small = |key, default, range| u32::try_from(table.integer(key, default, &range)).unwrap_or(u32::MAX);
    let limits = Limits {
        body_bytes: small("body_bytes", 16_384, 1024..=1_048_576)
            .try_into()
            .unwrap_or(16_384),
        browser_requests_per_minute: small("browser_requests_per_minute", 60, 1..=1_000_000),
        browser_burst: small("browser_burst", 20, 1..=100_000),
        idempotency_wait: Duration::from_millis(table.integer("idempotency_wait_ms", 15_000, &(0..=120_000))),
        session_attempts: small("session_attempts", 5, 1..=1000),
        customer_attempts_per_minute: small("customer_attempts_per_minute", 10, 1..=1_000_000),
        attempts_per_minute: small("attempts_per_minute", 600, 1..=1_000_000),
        customer_sessions_per_minute: small("customer_sessions_per_minute", 20, 1..=1_000_000),
        sessions_per_minute: small("sessions_per_minute", 1200, 1..=1_000_000),
    };
    table.finish();
    limits
}

/// Reads a count.
pub(crate) fn count(
    table: &Settings<'_>,
    key: &str,
    default: u64,
    range: &std::ops::RangeInclusive<u64>,
) -> usize {
    usize::try_from(table.integer(key, default, range)).unwrap_or(usize::MAX)
}

fn connections(table: &Settings<'_>) -> ConnectionLimits {
    let time = |key, default, range| Duration::from_millis(table.integer(key, default, &range));
    let max_per_address = count(table, "max_per_address", 256, &(0..=1_000_000));
    let limits = ConnectionLimits {
        max: count(table, "max", 4096, &(16..=1_000_000)),
        max_per_address: (max_per_address > 0).then_some(max_per_address),
        header_timeout: time("header_timeout_ms", 10_000, 50..=120_000),
        idle_timeout: time("idle_timeout_ms", 75_000, 50..=600_000),
        body_timeout: time("body_timeout_ms", 20_000, 50..=120_000),
        max_header_bytes: count(table, "max_header_bytes", 16_384, &(8192..=262_144)),
    };
    table.finish();
    limits
}

fn http(table: &Settings<'_>) -> (Timeouts, CallLimits) {
    let timeouts = Timeouts {
        connect: Duration::from_millis(table.integer("connect_timeout_ms", 5000, &(10..=60_000))),
        request: Duration::from_millis(table.integer("request_timeout_ms", 30_000, &(50..=180_000))),
    };
    let calls = CallLimits {
        under_way: count(table, "calls_per_platform", 64, &(1..=10_000)),
        waiting: count(table, "waiting_per_platform", 512, &(0..=10_000)),
        wait: Duration::from_millis(table.integer("wait_ms", 5000, &(0..=60_000))),
    };
    table.finish();
    (timeouts, calls)
}

/// Reads `[metrics]`. Without an address, nothing listens.
fn metrics(table: &Settings<'_>) -> Option<MetricsListener> {
    let listen = table.optional("listen");
    let token = table.optional_secret("token");
    table.finish();
    let Some(listen) = listen else {
        if token.is_some() {
            table.mistake(
                "listen",
                "is missing: where Prometheus reads, such as 127.0.0.1:9464",
            );
        }
        return None;
    };
    let Ok(listen) = listen.parse::<SocketAddr>() else {
        table.mistake("listen", "must be an address and a port such as 127.0.0.1:9464");
        return None;
    };
    if !listen.ip().is_loopback() && token.is_none() {
        table.warning(
            "listen",
            "is not a loopback address: whoever reaches it reads how much is sold; set `token`, or keep others away",
        );
    }
    Some(MetricsListener { listen, token })
}

fn platforms(table: &Settings<'_>) -> BTreeMap<Platform, Account> {
    let mut platforms = BTreeMap::new();
    for platform in Platform::ALL {
        let settings = table.table(platform.id());
        if !settings.exists() {
            continue;
        }
        let gateway = cardseal_gateways::gateway(*platform, &settings);
        let webhook_path_secret = settings.optional_secret("webhook_path_secret");
        if let Some(reason) = webhook_path_secret
            .as_ref()
            .and_then(|secret| crate::api_key::pattern(secret.expose_secret()))
        {
            settings.mistake("webhook_path_secret", reason);
        }
        if let Some(gateway) = gateway {
            platforms.insert(
                *platform,
                Account {
                    gateway,
                    webhook_path_secret,
                },
            );
        }
    }
    if table.keys().is_empty() {
        table.mistake(
            "greenpay",
            "no platform is configured; add a section such as this one",
        );
    }
    table.finish();
    platforms
}

fn compat(table: &Settings<'_>, demo: bool, platforms: &BTreeMap<Platform, Account>) -> Compat {
    let there = platforms.contains_key(&Platform::GpApi);
    let compat = Compat {
        gp_network_tokens: table.boolean("gp_network_tokens", demo && there),
    };
    table.finish();
    if compat.gp_network_tokens && !there {
        table.mistake("gp_network_tokens", "needs [platforms.gp_api]");
    }
    compat
}

fn demo(
    table: &Settings<'_>,
    listen: Option<SocketAddr>,
    tls: bool,
    platforms: &BTreeMap<Platform, Account>,
) -> Option<Demo> {
    let enabled = table.boolean("enabled", false);
    let demo = Demo {
        www: table.optional("www").unwrap_or_else(|| "www".into()).into(),
        pkg: table.optional("pkg").unwrap_or_else(|| "pkg".into()).into(),
    };
    table.finish();
    if !enabled {
        return None;
    }
    table.warning(
        "enabled",
        "is on: the demo page may charge, refund and delete without the merchant's API key",
    );
    if listen.is_some_and(|address| !address.ip().is_loopback()) {
        table.mistake(
            "enabled",
            "the demo accepts calls without a key, so it must listen on a loopback address",
        );
    }
    if tls {
        table.mistake("enabled", "the demo speaks plain HTTP; remove [server.tls]");
    }
    let live = |account: &Account| account.gateway.capabilities().live;
    if platforms.values().any(live) {
        table.mistake(
            "enabled",
            "the demo accepts calls without a key, so it cannot run with a live platform",
        );
    }
    for (key, path) in [("www", &demo.www), ("pkg", &demo.pkg)] {
        if !path.is_dir() {
            table.mistake(key, "is not a directory");
        }
    }
    Some(demo)
}

/// Reads `[fields]`. The demo has the fields too, from its own package. Their origin may call.
fn fields(table: &Settings<'_>, demo: Option<&Demo>, allowed_origins: &mut Vec<String>) -> Option<Fields> {
    const FORM: &str = "must be an origin such as https://fields.shop.example, without a path";
    let enabled = table.boolean("enabled", false);
    let origin = table.optional("origin");
    let parents = table.list("parents");
    let pkg: PathBuf = table.optional("pkg").unwrap_or_else(|| "pkg".into()).into();
    table.finish();
    if !enabled {
        return demo.map(|demo| Fields {
            parents: Vec::new(),
            pkg: demo.pkg.clone(),
        });
    }
    match &origin {
        None => table.mistake(
            "origin",
            "is missing: where browsers find this server, other than the shop",
        ),
        Some(origin) if !is_origin(origin) => table.mistake("origin", FORM),
        Some(origin) if parents.contains(origin) => table.mistake(
            "origin",
            "is one of `parents`: a page of the same origin can read the fields, so use another host",
        ),
        Some(_) => {}
    }
    if parents.is_empty() {
        table.mistake(
            "parents",
            "is missing: the origins of the pages that show the fields",
        );
    }
    if parents.iter().any(|text| !is_origin(text)) {
        table.mistake(
            "parents",
            "must be origins such as https://shop.example, without a path",
        );
    }
    if !pkg.join(crate::api::FIELDS_PAGE).is_file() {
        table.mistake(
            "pkg",
            "is not the folder `pkg` of the npm package: it has no card-fields.html",
        );
    }
    allowed_origins.extend(origin);
    Some(Fields { parents, pkg })
}

#[cfg(test)]
mod tests {
    mod secrets;

    use super::*;

    const KEY: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC7JHoJfg6yNzLMOWet8Z49a4KD0dCspMAYvo2YAMB7/wdEycocujbhJ2n/seONi+5XqTqqFkM5VBl8rmkkFPZk/7x0xmdsTPECSWnHK+HhoaNDFPR3j8jQhVo1laxiqcEhAHegi5cwtFosuJAvSKAFKEvyxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn names_every_mistake_at_once_and_no_value() {
        let text = r#"
            [server]
            listen = "here"
            allowed_origins = ["https://shop.example/path"]
            api_key = "hunter2-short"
            colour = "green"
            [limits]
            body_bytes = 5
            [retention]
            session_days = 7
            idempotency_key_days = 6
            notification_days = 0
            change_days = 20
            token_days = 1
            [platforms.greenpay]
            environment = "custom"
            merchant_url = "http://merchant.example"
            secret = "hunter2"
            public_key = "hunter2-junk"
            signature_policy = "maybe"
            [platforms.nonsense]
            x = 1
        "#;
        let error = Config::from_parts(text, &BTreeMap::new())
            .err()
            .unwrap()
            .to_string();
        for key in [
            "server.listen:",
            "server.allowed_origins:",
            "server.api_key:",
            "server.colour:",
            "limits.body_bytes:",
            "retention.session_days: must be a whole number from 8 to 3650",
            "retention.idempotency_key_days: must be a whole number from 7 to 3650",
            "retention.notification_days:",
            "retention.change_days: must be at least `idempotency_key_days`",
            "retention.token_days:",
            "platforms.greenpay.merchant_url:",
            "platforms.greenpay.checkout_url:",
            "platforms.greenpay.merchant_id:",
            "platforms.greenpay.public_key:",
            "platforms.greenpay.signature_policy:",
            "platforms.greenpay.terminals:",
            "platforms.nonsense:",
        ] {
            assert!(error.contains(key), "{key} is not in\n{error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn the_secrets_of_the_example_and_of_a_hurry_are_refused() {
        let example = include_str!("../config.example.toml");
        let error = Config::from_parts(example, &BTreeMap::new())
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("server.api_key: is a placeholder") && !error.contains("replace-me"),
            "{error}"
        );
        let placeholders = example
            .lines()
            .filter(|line| !line.starts_with('#') && line.contains(" = \"from "));
        assert_eq!(
            error.matches("still has the text of the example").count(),
            placeholders.count()
        );
        assert!(error.contains("platforms.gp_api.app_key: still has the text of the example"));
        for (variable, name) in [
            ("CARDSEAL__SERVER__API_KEY", "server.api_key:"),
            (
                "CARDSEAL__PLATFORMS__GP_API__WEBHOOK_PATH_SECRET",
                "platforms.gp_api.webhook_path_secret:",
            ),
        ] {
            let error = Config::from_parts(example, &environment(&[(variable, &"a".repeat(32))]))
                .err()
                .unwrap()
                .to_string();
            assert!(
                error.contains(&format!("{name} has too few different characters")),
                "{error}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_write_is_refused_and_one_that_they_can_read_is_a_warning() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cardseal.toml");
        let text = "[server]\napi_key = \"5f3a9c1e7b2d4068af91c3e5d7b80246\"\n[platforms.gp_api]\n\
                    environment = \"sandbox\"\napp_id = \"a\"\napp_key = \"k\"\ncountry = \"US\"\ncurrency = \"USD\"\n";
        std::fs::write(&path, text).unwrap();
        for (mode, warnings) in [
            (0o600, 0),
            (0o400, 0),
            (0o640, 1),
            (0o644, 1),
            (0o444, 1),
            (0o660, 1),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let config = Config::load(Some(&path)).unwrap();
            assert_eq!(config.warnings.len(), warnings, "{mode:o}");
        }
        for mode in [0o666, 0o602, 0o777] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = Config::load(Some(&path)).err().unwrap().to_string();
            assert!(
                error.contains("cardseal.toml: can be written by every user"),
                "{error}"
            );
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn the_database_is_a_file_or_a_url() {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, "hunter2\n").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let read = |database: &str| {
            let text = format!(
                "[server]\napi_key = \"5f3a9c1e7b2d4068af91c3e5d7b80246\"\n[database]\n{database}\n\
                 [platforms.gp_api]\napp_id = \"a\"\napp_key = \"k\"\n"
            );
            Config::from_parts(&text, &BTreeMap::new())
        };
        for (text, path) in [
            ("", "cardseal.sqlite"),
            ("path = \"a.sqlite\"", "a.sqlite"),
            ("url = \"sqlite:a.sqlite\"", "a.sqlite"),
            ("url = \"sqlite:/srv/a.sqlite\"", "/srv/a.sqlite"),
            ("url = \"sqlite:///srv/a.sqlite\"", "/srv/a.sqlite"),
        ] {
            let Location::Sqlite { path: found, .. } = read(text).unwrap().database else {
                panic!("{text}")
            };
            assert_eq!(found, PathBuf::from(path), "{text}");
        }
        let url = "url = \"postgres://u@db.example/d\"";
        let with_file = format!("{url}\npassword_file = {password:?}");
        let config = read(&with_file).unwrap();
        assert!(matches!(config.database, Location::Postgres(_)));
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        let shown = format!("{:?}", config.database);
        assert!(
            shown.contains("db.example") && !shown.contains("hunter2"),
            "{shown}"
        );
        let exposed = read("url = \"postgres://u@db.example/d?sslmode=require\"").unwrap();
        assert!(
            exposed.warnings[0].starts_with("database.url leads"),
            "{:?}",
            exposed.warnings
        );
        for (wrong, key) in [
            ("url = \"mysql://u:hunter2@h/d\"".to_owned(), "database.url"),
            ("url = \"postgres://u:hunter2@h\"".to_owned(), "database.url"),
            (
                "url = \"postgres://h/d?password=hunter2\"".to_owned(),
                "database.url",
            ),
            ("url = \"sqlite:\"".to_owned(), "database.url"),
            (format!("{url}\npath = \"x\""), "database.path"),
            (
                format!("{url}\npassword_file = \"/nowhere\""),
                "database.password_file",
            ),
            (
                format!("path = \"x\"\npassword_file = {password:?}"),
                "database.password_file",
            ),
            (format!("{url}\nwriters = 0"), "database.writers"),
            (format!("{url}\nlease_ms = 999"), "database.lease_ms"),
        ] {
            let error = read(&wrong)
                .err()
                .unwrap_or_else(|| panic!("{wrong}"))
                .to_string();
            assert!(error.contains(key) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_return_url_that_will_be_missed_is_a_warning() {
        let text = "[server]\napi_key = \"5f3a9c1e7b2d4068af91c3e5d7b80246\"\n[platforms.gp_api]\napp_id = \"a\"\n\
                    app_key = \"k\"\n[platforms.online_payments]\nmerchant_id = \"m\"\napi_key_id = \"a\"\n\
                    secret_api_key = \"s\"\n";
        let warnings = |text: &str| Config::from_parts(text, &BTreeMap::new()).unwrap().warnings;
        let missed = warnings(text);
        assert_eq!(missed.len(), 1, "{missed:?}");
        assert!(missed[0].starts_with("platforms.online_payments.return_url is missing: "));
        assert!(warnings(&format!("{text}return_url = \"https://shop.example/return\"\n")).is_empty());
    }

    #[test]
    fn a_broken_file_is_named_without_its_text() {
        let error = Config::from_parts("[server]\napi_key = hunter2", &BTreeMap::new())
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("line 2") && !error.contains("hunter2"), "{error}");
        // What the rest of the file says is not known.
        assert!(!error.contains("missing"), "{error}");
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/greenpay.json")).unwrap();
        let key = find_key(&vectors).unwrap_or_else(|| KEY.into());
        let text = "[server]\nlisten = \"127.0.0.1:1\"\n[[platforms.greenpay.terminals]]\nterminal = \"a\"\ncurrency = \"CRC\"";
        let config = Config::from_parts(
            text,
            &environment(&[
                ("CARDSEAL__SERVER__LISTEN", "127.0.0.1:2"),
                ("CARDSEAL__SERVER__API_KEY", "5f3a9c1e7b2d4068af91c3e5d7b80246"),
                (
                    "CARDSEAL__SERVER__ALLOWED_ORIGINS",
                    "https://a.example,https://b.example",
                ),
                ("CARDSEAL__PLATFORMS__GREENPAY__ENVIRONMENT", "production"),
                ("CARDSEAL__PLATFORMS__GREENPAY__SECRET", "s"),
                ("CARDSEAL__PLATFORMS__GREENPAY__MERCHANT_ID", "m"),
                ("CARDSEAL__PLATFORMS__GREENPAY__PUBLIC_KEY", &key),
                ("CARDSEAL__PLATFORMS__GREENPAY__TERMINALS__0__CURRENCY", "USD"),
                ("PATH", "/bin"),
            ]),
        )
        .unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.allowed_origins, ["https://a.example", "https://b.example"]);
        let gateway = &config.platforms[&Platform::GreenPay].gateway;
        assert!(
            gateway.accepts(cardseal_gateways::Currency::USD)
                && !gateway.accepts(cardseal_gateways::Currency::CRC)
        );
    }

    /// Any public key of the vectors.
    fn find_key(value: &Value) -> Option<String> {
        match value {
            Value::String(text) if text.contains("MIG") || text.contains("MIIB") => {
                cardseal::crypto::public_key::PublicKey::parse(text)
                    .is_ok()
                    .then(|| text.clone())
            }
            Value::Array(items) => items.iter().find_map(find_key),
            Value::Object(items) => items.values().find_map(find_key),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }
}
