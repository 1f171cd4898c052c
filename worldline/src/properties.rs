//! Reads the configuration files of the official SDKs:
//!
//! | SDK | format |
//! | --- | --- |
//! | Python | `[Section]`, then `prefix.key=value` |
//! | Java | `prefix.key=value` |
//! | Ruby | `prefix.key: value` |
//! | Node | JSON |
//!
//! Keys can be in any case, and two dots in a row count as one, because published samples have both. All mistakes are
//! reported together, without values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use crate::metadata::ShoppingCartExtension;

use cardseal_transport::Proxy;

/// The values of `authorizationType` in a file for Java. The other SDKs spell them differently.
const JAVA_SPELLINGS: &[&str] = &["V1HMAC", "OAUTH2"];

/// Members of the JSON for Node, and their keys. The template of that SDK has some of them in an object of their own.
const NODE_KEYS: &[(&str, &str)] = &[
    ("host", "endpoint.host"),
    ("scheme", "endpoint.scheme"),
    ("port", "endpoint.port"),
    ("apiEndpoint.host", "endpoint.host"),
    ("apiEndpoint.scheme", "endpoint.scheme"),
    ("apiEndpoint.port", "endpoint.port"),
    ("integrator", "integrator"),
    ("oauth2TokenUri", "oauth2.tokenUri"),
    ("oauth2.tokenUri", "oauth2.tokenUri"),
    ("shoppingCartExtension.creator", "shoppingCartExtension.creator"),
    ("shoppingCartExtension.name", "shoppingCartExtension.name"),
    ("shoppingCartExtension.version", "shoppingCartExtension.version"),
    (
        "shoppingCartExtension.extensionId",
        "shoppingCartExtension.extensionId",
    ),
    ("proxy.host", "proxy.host"),
    ("proxy.scheme", "proxy.scheme"),
    ("proxy.port", "proxy.port"),
    ("proxy.credentials", "proxy.credentials"),
    ("apiKeyId", CREDENTIALS.0),
    ("v1hmac.apiKey", CREDENTIALS.0),
    ("oauth2ClientId", CREDENTIALS.0),
    ("oauth2.clientId", CREDENTIALS.0),
    ("secretApiKey", CREDENTIALS.1),
    ("v1hmac.secretApiKey", CREDENTIALS.1),
    ("oauth2ClientSecret", CREDENTIALS.1),
    ("oauth2.clientSecret", CREDENTIALS.1),
];

/// Members of the JSON for Node that this client does not need: logging is turned on in code, ids are passed to calls.
const NODE_UNUSED: &[&str] = &[
    "acquirerId",
    "connectionOptions",
    "enableLogging",
    "httpBinUrl",
    "logger",
    "merchantId",
    "obfuscationRules",
    "openApiUrl",
];

/// The keys of the id and the secret, which only the JSON has.
const CREDENTIALS: (&str, &str) = ("credentials.id", "credentials.secret");

/// The properties of one platform.
pub struct Properties {
    prefix: &'static str,
    json: bool,
    values: BTreeMap<String, String>,
    known: BTreeSet<&'static str>,
    mistakes: Vec<PropertyMistake>,
}

/// A mistake in a properties file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyMistake {
    /// The key, or the line if it has no key.
    pub key: String,
    /// What is wrong, for example `is missing`.
    pub message: String,
}

/// All mistakes in a properties file. It contains keys, but never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertiesError(pub Vec<PropertyMistake>);

impl fmt::Display for PropertiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the properties have {} mistake(s):", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|PropertyMistake { key, message }| write!(f, " {key}: {message};"))
    }
}

impl std::error::Error for PropertiesError {}

/// Normalizes a key: lower case, and one dot for two.
fn normalized_key(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for c in key.trim().chars() {
        if !(c == '.' && out.ends_with('.')) {
            out.extend(c.to_lowercase());
        }
    }
    out
}

/// Removes the backslashes with which a file for Java escapes characters.
fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        out.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    out
}

impl Properties {
    /// Reads a file.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn from_file(path: &Path, section: &str, prefix: &'static str) -> Result<Self, PropertiesError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            PropertiesError(vec![PropertyMistake {
                key: "the file".into(),
                message: format!("cannot be read: {}", error.kind()),
            }])
        })?;
        Ok(Self::parse(&text, section, prefix))
    }

    /// Reads the text of a file. If it has sections, only the lines of `section` and those before the first section
    /// count. [`Properties::finish`] reports the mistakes.
    #[must_use]
    pub fn parse(text: &str, section: &str, prefix: &'static str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let mut properties = Self {
            prefix,
            json: text.trim_start().starts_with('{'),
            values: BTreeMap::new(),
            known: BTreeSet::new(),
            mistakes: Vec::new(),
        };
        if properties.json {
            properties.read_json(text);
        } else {
            properties.read_lines(text, section);
        }
        properties
    }

    fn read_json(&mut self, text: &str) {
        let Ok(Value::Object(members)) = serde_json::from_str(text) else {
            self.mistakes.push(PropertyMistake {
                key: "the file".into(),
                message: "is not JSON".into(),
            });
            return;
        };
        let mut named = Vec::new();
        for (name, value) in members {
            match value {
                _ if NODE_UNUSED.contains(&name.as_str()) => {}
                Value::Object(group) => {
                    named.extend(
                        group
                            .into_iter()
                            .map(|(own, value)| (format!("{name}.{own}"), value)),
                    );
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    named.push((name, value));
                }
            }
        }
        for (name, value) in named {
            let key = NODE_KEYS
                .iter()
                .find(|(own, _)| *own == name)
                .map(|(_, key)| *key);
            let value = match (&value, key) {
                (Value::Null, _) => continue,
                (Value::String(text), Some(_)) => text.clone(),
                (Value::Number(number), Some(_)) => number.to_string(),
                (_, Some(_)) => {
                    self.mistake(&name, "must be a string or a number");
                    continue;
                }
                (_, None) => {
                    self.mistake(&name, "is not a known property");
                    continue;
                }
            };
            let key = key.unwrap_or_default();
            if self.values.insert(normalized_key(key), value).is_some() {
                self.mistake(key, "is given twice");
            }
        }
        // The JSON does not name the kind of authorization, but its credentials show it.
        self.known.extend([CREDENTIALS.0, CREDENTIALS.1]);
        self.join_proxy();
    }

    /// Converts a proxy from the JSON for Node, which has host and port apart, and user name and password together.
    fn join_proxy(&mut self) {
        let mut take = |key: &str| self.values.remove(key);
        let (host, scheme, port) = (take("proxy.host"), take("proxy.scheme"), take("proxy.port"));
        let credentials = take("proxy.credentials");
        if let Some(host) = host {
            let (scheme, port) = (
                scheme.as_deref().unwrap_or("http"),
                port.as_deref().unwrap_or("3128"),
            );
            self.values
                .insert("proxy.uri".into(), format!("{scheme}://{host}:{port}"));
        }
        if let Some(credentials) = credentials {
            let (name, password) = credentials.split_once(':').unwrap_or((&credentials, ""));
            self.values.insert("proxy.username".into(), name.into());
            self.values.insert("proxy.password".into(), password.into());
        }
    }

    /// Whether this is the JSON for Node. It does not name the kind of authorization.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Returns the id and the secret, which only the JSON for Node can have.
    #[must_use]
    pub fn credentials(&self) -> (Option<String>, Option<SecretString>) {
        let value = |key: &str| self.values.get(key).cloned();
        (value(CREDENTIALS.0), value(CREDENTIALS.1).map(Into::into))
    }

    /// Whether the file was written for Java. Its timeouts are in milliseconds; those of the others are in seconds.
    fn is_java(&mut self) -> bool {
        self.get("authorizationType")
            .is_some_and(|kind| JAVA_SPELLINGS.contains(&kind.as_str()))
    }

    /// Checks that `authorizationType` is `kind`, in any SDK's spelling. It may be missing if it is not `required`,
    /// and from JSON.
    pub fn check_authorization(&mut self, kind: &str, required: bool) {
        match self.get("authorizationType") {
            Some(own)
                if own == kind || (own == kind.to_uppercase() && JAVA_SPELLINGS.contains(&own.as_str())) => {}
            None if self.json || !required => {}
            Some(_) | None => self.mistake("authorizationType", &format!("must be {kind}")),
        }
    }

    fn read_lines(&mut self, text: &str, section: &str) {
        let sections = text.lines().any(|line| line.trim_start().starts_with('['));
        let mut inside = true;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            // Comments, and the `---` with which a file for Ruby starts.
            if line.is_empty() || line.starts_with(['#', ';', '!']) || line.starts_with("---") {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                inside = name.trim().eq_ignore_ascii_case(section);
                continue;
            }
            if !inside {
                continue;
            }
            let Some((key, value)) = line.split_once(['=', ':']) else {
                self.mistake(&format!("line {}", number + 1), "is not key=value");
                continue;
            };
            let key = normalized_key(key);
            // The file can have properties of other programs, too.
            let Some(own) = key.strip_prefix(&format!("{}.", self.prefix)) else {
                continue;
            };
            let value = match sections {
                // In a file for Python, `%%` is a percent sign.
                true => value.trim().replace("%%", "%"),
                false => unescaped(value.trim()),
            };
            if self.values.insert(own.into(), value).is_some() {
                self.mistake(own, "is given twice");
            }
        }
    }

    /// Records a mistake, which [`Properties::finish`] will report.
    pub fn mistake(&mut self, key: &str, message: &str) {
        let key = match key.starts_with("line ") {
            true => key.into(),
            false => format!("{}.{key}", self.prefix),
        };
        self.mistakes.push(PropertyMistake {
            key,
            message: message.into(),
        });
    }

    /// Returns a value, or `None` if it is missing or empty.
    pub fn get(&mut self, key: &'static str) -> Option<String> {
        self.known.insert(key);
        self.values
            .get(&normalized_key(key))
            .filter(|value| !value.is_empty())
            .cloned()
    }

    /// Returns a required value. If it is missing, that is a mistake, and the value is empty.
    pub fn text(&mut self, key: &'static str) -> String {
        self.get(key).unwrap_or_else(|| {
            self.mistake(key, "is missing");
            String::new()
        })
    }

    /// Returns a number as text. In published samples, a comment follows it.
    fn digits(&mut self, key: &'static str) -> Option<String> {
        let text = self.get(key)?;
        let comment = text.find(" #").or_else(|| text.find("\t#"));
        Some(text.get(..comment.unwrap_or(text.len()))?.trim().into())
    }

    fn number(&mut self, key: &'static str, default: u64, most: u64) -> u64 {
        match self.digits(key).map(|text| text.parse::<u64>()) {
            None => default,
            Some(Ok(number)) if (1..=most).contains(&number) => number,
            Some(_) => {
                self.mistake(key, &format!("must be a whole number from 1 to {most}"));
                default
            }
        }
    }

    /// Returns a timeout: seconds, or milliseconds in a file for Java. -1 means no limit; in a file for Java, 0
    /// does, too.
    fn time(&mut self, key: &'static str) -> Option<Duration> {
        let text = self.digits(key)?;
        let java = self.is_java();
        if text == "-1" || (java && text == "0") {
            return Some(Duration::MAX);
        }
        // The SDKs use 32-bit integers.
        let number = self.number(key, 1, 0x7fff_ffff);
        Some(match java {
            true => Duration::from_millis(number),
            false => Duration::from_secs(number),
        })
    }

    fn flag(&mut self, key: &'static str, default: bool) -> bool {
        match self.get(key).map(|text| text.to_ascii_lowercase()).as_deref() {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(_) => {
                self.mistake(key, "must be true or false");
                default
            }
        }
    }

    /// Checks `https.protocols`. The client uses only TLS 1.2 and 1.3, so a list that allows neither is a mistake.
    fn check_protocols(&mut self) {
        if let Some(names) = self.get("https.protocols")
            && !names
                .split(',')
                .any(|name| ["TLSv1.2", "TLSv1.3"].contains(&name.trim()))
        {
            self.mistake("https.protocols", "must allow TLSv1.2 or TLSv1.3");
        }
    }

    /// Reads `shoppingCartExtension.creator`, `.name`, `.version`, and the optional `.extensionId`.
    pub fn shopping_cart_extension(&mut self) -> Option<ShoppingCartExtension> {
        let (creator, name, version) = (
            self.get("shoppingCartExtension.creator"),
            self.get("shoppingCartExtension.name"),
            self.get("shoppingCartExtension.version"),
        );
        let extension_id = self.get("shoppingCartExtension.extensionId");
        let said = [&creator, &name, &version, &extension_id]
            .iter()
            .any(|part| part.is_some());
        if let (Some(creator), Some(name), Some(version)) = (creator, name, version) {
            return Some(ShoppingCartExtension {
                creator,
                name,
                version,
                extension_id,
            });
        }
        if said {
            self.mistake(
                "shoppingCartExtension.creator",
                "goes together with name and version",
            );
        }
        None
    }

    /// Reads `proxy.uri`, and `proxy.username` with `proxy.password`.
    fn proxy(&mut self) -> Option<Proxy> {
        let uri = self.get("proxy.uri");
        let (name, password) = (self.get("proxy.username"), self.get("proxy.password"));
        let Some(uri) = uri else {
            if name.is_some() || password.is_some() {
                self.mistake("proxy.uri", "is missing");
            }
            return None;
        };
        // Plain HTTP is allowed: requests to the platform are encrypted on their way through the proxy.
        let host = Url::parse(&uri).ok().filter(|url| {
            let plain = url.query().is_none() && url.fragment().is_none() && url.path().len() <= 1;
            let apart = url.username().is_empty() && url.password().is_none();
            plain && apart && url.has_host() && ["http", "https"].contains(&url.scheme())
        });
        if host.is_none() {
            self.mistake("proxy.uri", "must be http://host:port or https://host:port");
            return None;
        }
        if host.is_some_and(|url| url.scheme() == "https") && !cardseal_transport::TLS {
            self.mistake("proxy.uri", cardseal_transport::NO_TLS);
        }
        if name.is_some() != password.is_some() {
            self.mistake("proxy.username", "and proxy.password go together");
        }
        Some(Proxy {
            uri,
            credentials: name.zip(password.map(Into::into)),
        })
    }

    /// Checks for unknown keys.
    ///
    /// # Errors
    /// Lists every mistake that was found since the file was read.
    pub fn finish(mut self) -> Result<(), PropertiesError> {
        let known: BTreeSet<String> = self.known.iter().map(|key| normalized_key(key)).collect();
        let unknown: Vec<String> = self
            .values
            .keys()
            .filter(|key| !known.contains(*key))
            .cloned()
            .collect();
        for key in unknown {
            self.mistake(&key, "is not a known property");
        }
        if self.mistakes.is_empty() {
            Ok(())
        } else {
            Err(PropertiesError(self.mistakes))
        }
    }
}

/// A platform's address and the connection settings, which both products share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// For example `https://host` or `https://host:8443`, without a slash at the end.
    pub base: String,
    /// The time limit for connecting; 5 seconds by default. [`Duration::MAX`] means no limit.
    pub connect_timeout: Duration,
    /// The time limit for the whole response; 300 seconds by default. [`Duration::MAX`] means no limit.
    pub socket_timeout: Duration,
    /// The most connections at the same time; 10 by default.
    pub max_connections: usize,
    /// How long a request waits for a connection before it fails unsent. `None`, the default, means no limit.
    pub connection_request_timeout: Option<Duration>,
    /// Whether connections are kept for later requests; true by default.
    pub connection_reuse: bool,
    /// The name of the company that built the shop. It is sent in the metadata header.
    pub integrator: String,
    /// The proxy; none by default.
    pub proxy: Option<Proxy>,
}

impl Endpoint {
    /// Creates an endpoint with the default settings.
    #[must_use]
    pub fn new(base: impl Into<String>, integrator: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            connect_timeout: Duration::from_secs(5),
            socket_timeout: Duration::from_secs(300),
            max_connections: 10,
            connection_request_timeout: None,
            connection_reuse: true,
            integrator: integrator.into(),
            proxy: None,
        }
    }

    /// Reads `integrator`, `endpoint.host`, `endpoint.scheme` (`https` by default), `endpoint.port` (-1, the
    /// scheme's own, by default), `connectTimeout`, `socketTimeout`, `maxConnections`, the proxy, and Java's
    /// `connectionRequestTimeout`, `connectionReuse` and `https.protocols`.
    pub fn from_properties(properties: &mut Properties) -> Self {
        let host = properties.text("endpoint.host");
        let scheme = properties.get("endpoint.scheme");
        let port = properties.get("endpoint.port").filter(|port| port != "-1");
        // A URL is accepted, too, but without a path, because the client chooses the version of the API.
        let mut address = match host.split_once("://") {
            Some(_) => host.clone(),
            None => format!("{}://{host}", scheme.as_deref().unwrap_or("https")),
        };
        while address.ends_with('/') {
            address.pop();
        }
        if let Some(port) = &port {
            if port.parse::<u16>().is_ok_and(|port| port > 0) {
                address = format!("{address}:{port}");
            } else {
                properties.mistake("endpoint.port", "must be a port, or -1 for the usual one");
            }
        }
        let base = if host.is_empty() {
            String::new()
        } else {
            match checked_base(&address) {
                Ok(base) => base,
                Err(message) => {
                    properties.mistake("endpoint.host", message);
                    String::new()
                }
            }
        };
        let integrator = properties.text("integrator");
        let defaults = Self::new("", "");
        let max_connections = properties.number("maxConnections", 10, 100_000);
        properties.check_protocols();
        Self {
            base,
            connect_timeout: properties
                .time("connectTimeout")
                .unwrap_or(defaults.connect_timeout),
            socket_timeout: properties
                .time("socketTimeout")
                .unwrap_or(defaults.socket_timeout),
            max_connections: usize::try_from(max_connections).unwrap_or(defaults.max_connections),
            connection_request_timeout: properties.time("connectionRequestTimeout"),
            connection_reuse: properties.flag("connectionReuse", defaults.connection_reuse),
            integrator,
            proxy: properties.proxy(),
        }
    }
}

/// Checks that an address is only scheme, host and port. Plain HTTP is allowed only for this machine.
///
/// # Errors
/// Says what is wrong, without the address.
pub fn checked_base(address: &str) -> Result<String, &'static str> {
    let base = cardseal_transport::base_url(address)?;
    let path = base.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    match path {
        Some(_) => Err("must be a host without a path"),
        None => Ok(base),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const PREFIX: &str = "onlinepayments.api";

    fn read(text: &str) -> Result<(Endpoint, Option<String>), Vec<String>> {
        let mut properties = Properties::parse(text, "OnlinePaymentsSDK", PREFIX);
        let endpoint = Endpoint::from_properties(&mut properties);
        let kind = properties.get("authorizationType");
        let keys = |error: PropertiesError| error.0.into_iter().map(|mistake| mistake.key).collect();
        properties.finish().map(|()| (endpoint, kind)).map_err(keys)
    }

    #[test]
    fn reads_the_published_file_in_both_spellings() {
        for (name, dot) in [("onlinepayments", ".."), ("onlinePayments", ".")] {
            let text = format!(
                "[OnlinePaymentsSDK]\r\n{name}.api.integrator=Shop\n{name}.api.endpoint.host = payment.preprod.payone.com\n\
                 ; The following keys are optional\n{name}.api{dot}endpoint.scheme=https\n{name}.api{dot}endpoint.port=-1\n\
                 {name}.api.connectTimeout=7\n{name}.api.socketTimeout=30\n{name}.api.maxConnections=3\n\
                 {name}.api.authorizationType=v1HMAC\n[Other]\n{name}.api.integrator=x\nno pair"
            );
            let (endpoint, kind) = read(&text).unwrap();
            assert_eq!(
                endpoint,
                Endpoint {
                    base: "https://payment.preprod.payone.com".into(),
                    connect_timeout: Duration::from_secs(7),
                    socket_timeout: Duration::from_secs(30),
                    max_connections: 3,
                    connection_request_timeout: None,
                    connection_reuse: true,
                    integrator: "Shop".into(),
                    proxy: None,
                }
            );
            assert_eq!(kind.as_deref(), Some("v1HMAC"));
        }
    }

    #[test]
    fn has_the_published_defaults() {
        let (endpoint, kind) = read(
            "onlinepayments.api.integrator=Shop\nonlinepayments.api.endpoint.host=payment.payone.com\nother.key=1",
        )
        .unwrap();
        assert_eq!(endpoint, Endpoint::new("https://payment.payone.com", "Shop"));
        assert_eq!(
            (
                endpoint.connect_timeout,
                endpoint.socket_timeout,
                endpoint.max_connections
            ),
            (Duration::from_secs(5), Duration::from_secs(300), 10)
        );
        assert_eq!(kind, None);
    }

    #[test]
    fn reads_the_files_of_every_official_client() {
        const KEYS: &str = "endpoint.host=payment.preprod.example.com\nconnectTimeout=1000\nsocketTimeout=1500\n\
            maxConnections=100\nintegrator=Shop\nproxy.uri=https://proxy.example:8888\nproxy.username=me\nproxy.password=pw\n\
            shoppingCartExtension.creator=Maker\nshoppingCartExtension.name=Cart\nshoppingCartExtension.version=1.0\n\
            shoppingCartExtension.extensionId=7\n";
        let lines = |separator: &str, more: &str| {
            format!("{KEYS}{more}")
                .lines()
                .map(|line| format!("onlinePayments.api.{}\n", line.replacen('=', separator, 1)))
                .collect::<String>()
        };
        let python = format!(
            "# settings\n[OnlinePaymentsSDK]\n{}",
            lines("=", "authorizationType=v1HMAC")
        );
        let java = format!(
            "# settings\n{}",
            lines(
                "=",
                "authorizationType=V1HMAC\nconnectionRequestTimeout=2000\nconnectionReuse=false\n\
                https.protocols=TLSv1, TLSv1.1, TLSv1.2"
            )
        );
        let ruby = format!(
            "--- # settings\n  {}",
            lines(": ", "authorizationType=v1HMAC").replace('\n', "\n  ")
        );
        for (text, unit, wait, reuse) in [
            (python, Duration::from_secs(1), None, true),
            (
                java,
                Duration::from_millis(1),
                Some(Duration::from_secs(2)),
                false,
            ),
            (ruby, Duration::from_secs(1), None, true),
        ] {
            let mut properties = Properties::parse(&text, "OnlinePaymentsSDK", PREFIX);
            let endpoint = Endpoint::from_properties(&mut properties);
            properties.check_authorization("v1HMAC", true);
            let extension = properties.shopping_cart_extension();
            properties.finish().unwrap();
            assert_eq!(
                endpoint,
                Endpoint {
                    base: "https://payment.preprod.example.com".into(),
                    connect_timeout: unit * 1000,
                    socket_timeout: unit * 1500,
                    max_connections: 100,
                    connection_request_timeout: wait,
                    connection_reuse: reuse,
                    integrator: "Shop".into(),
                    proxy: Some(Proxy {
                        uri: "https://proxy.example:8888".into(),
                        credentials: Some(("me".into(), "pw".to_owned().into())),
                    }),
                },
                "{text}"
            );
            let extension = extension.unwrap();
            assert_eq!(
                (
                    extension.creator.as_str(),
                    extension.name.as_str(),
                    extension.version.as_str()
                ),
                ("Maker", "Cart", "1.0")
            );
            assert_eq!(extension.extension_id.as_deref(), Some("7"));
        }
    }

    #[test]
    fn reads_the_json_that_node_is_configured_with() {
        let read = |text: &str| {
            let mut properties = Properties::parse(text, "OnlinePaymentsSDK", PREFIX);
            let endpoint = Endpoint::from_properties(&mut properties);
            properties.check_authorization("v1HMAC", true);
            let extension = properties.shopping_cart_extension();
            let (id, secret) = properties.credentials();
            let secret = secret.map(|secret| secret.expose_secret().to_owned());
            properties
                .finish()
                .map(|()| (endpoint, extension.is_some(), id, secret))
        };
        let flat = r#"{ "integrator": "Shop", "host": "payment.preprod.example.com", "scheme": "https", "port": 443,
            "enableLogging": false, "apiKeyId": "key", "secretApiKey": "hunter2",
            "proxy": { "host": "proxy.example", "credentials": "me:p:w" },
            "shoppingCartExtension": { "creator": "Maker", "name": "Cart", "version": "1" } }"#;
        let (endpoint, extension, id, secret) = read(flat).unwrap();
        assert_eq!(
            endpoint,
            Endpoint {
                proxy: Some(Proxy {
                    uri: "http://proxy.example:3128".into(),
                    credentials: Some(("me".into(), "p:w".to_owned().into())),
                }),
                ..Endpoint::new("https://payment.preprod.example.com", "Shop")
            }
        );
        assert!(extension);
        assert_eq!((id.as_deref(), secret.as_deref()), (Some("key"), Some("hunter2")));
        // The template from the tests of the SDK for Node.
        let grouped = r#"{ "merchantId": "MERCHANT", "apiEndpoint": { "host": "payment.preprod.example.com", "scheme": "https",
            "port": 443 }, "openApiUrl": "https://x/y", "v1hmac": { "apiKey": "key", "secretApiKey": "hunter2" },
            "integrator": "Shop", "enableLogging": false, "httpBinUrl": "http://x" }"#;
        let (endpoint, extension, id, secret) = read(grouped).unwrap();
        assert_eq!(
            endpoint,
            Endpoint::new("https://payment.preprod.example.com", "Shop")
        );
        assert!(!extension);
        assert_eq!((id.as_deref(), secret.as_deref()), (Some("key"), Some("hunter2")));
        for (text, key) in [
            ("{", "the file"),
            (r#"{ "colour": "hunter2" }"#, "colour"),
            (r#"{ "host": ["hunter2"] }"#, "host"),
            (
                r#"{ "host": "a", "apiEndpoint": { "host": "hunter2" } }"#,
                "endpoint.host",
            ),
            (r#"{ "host": "hunter2.example" }"#, "integrator"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(key) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn reads_each_file_as_its_own_client_does() {
        let of = |text: &str| {
            read(&format!(
                "{text}\nonlinePayments.api.integrator=x\nonlinePayments.api.endpoint.host=payment.payone.com"
            ))
        };
        let java = |more: &str| {
            of(&format!(
                "onlinePayments.api.authorizationType=V1HMAC\nonlinePayments.api.{more}"
            ))
        };
        let python = |more: &str| of(&format!("[OnlinePaymentsSDK]\nonlinePayments.api.{more}"));
        let proxy = "proxy.username=a\nonlinePayments.api.proxy.uri=http\\://proxy.example\\:80\nonlinePayments.api.proxy.password=";
        let credentials = |read: Result<(Endpoint, Option<String>), Vec<String>>| {
            let (_, password) = read.unwrap().0.proxy.unwrap().credentials.unwrap();
            password.expose_secret().to_owned()
        };
        assert_eq!(credentials(java(&format!("{proxy}p\\=%%\\\\"))), "p=%%\\");
        let proxy = proxy.replace('\\', "");
        assert_eq!(credentials(python(&format!("{proxy}p\\%%"))), "p\\%");
        assert_eq!(java("socketTimeout=0").unwrap().0.socket_timeout, Duration::MAX);
        assert_eq!(
            java("connectTimeout=-1").unwrap().0.connect_timeout,
            Duration::MAX
        );
        assert_eq!(
            java("https.protocols=TLSv1, TLSv1.1").unwrap_err(),
            ["onlinepayments.api.https.protocols"]
        );
        assert_eq!(
            java("connectionReuse=maybe").unwrap_err(),
            ["onlinepayments.api.connectionReuse"]
        );
        for wrong in ["0", "2147483648", "1.5", "1s"] {
            assert!(python(&format!("connectTimeout={wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn takes_comments_behind_numbers_no_time_out_and_a_proxy() {
        let of = |more: &str| {
            read(&format!(
                "onlinepayments.api.integrator=Shop #1\nonlinepayments.api.endpoint.host=payment.payone.com\n{more}"
            ))
            .map(|(endpoint, _)| endpoint)
        };
        let endpoint = of("onlinepayments.api.connectTimeout=-1 # use -1 for no timeout\n\
            onlinepayments.api.socketTimeout=-1\nonlinepayments.api.maxConnections=7\t# seven\n\
            onlinepayments.api.proxy.uri=http://proxy.example:3128\n\
            onlinepayments.api.proxy.username=me\nonlinepayments.api.proxy.password=hunter2 #")
        .unwrap();
        assert_eq!(
            (
                endpoint.connect_timeout,
                endpoint.socket_timeout,
                endpoint.max_connections,
                endpoint.integrator.as_str()
            ),
            (Duration::MAX, Duration::MAX, 7, "Shop #1")
        );
        assert!(!format!("{endpoint:?}").contains("hunter2"));
        let proxy = |password: &str| Proxy {
            uri: "http://proxy.example:3128".into(),
            credentials: Some(("me".into(), password.to_owned().into())),
        };
        assert_eq!(endpoint.proxy, Some(proxy("hunter2 #")));
        assert_ne!(endpoint.proxy, Some(proxy("hunter2")));
        for (more, key) in [
            (
                "proxy.username=hunter2\nonlinepayments.api.proxy.password=x",
                "proxy.uri",
            ),
            ("proxy.uri=proxy.example", "proxy.uri"),
            ("proxy.uri=ftp://proxy.example", "proxy.uri"),
            ("proxy.uri=http://proxy.example/path", "proxy.uri"),
            ("proxy.uri=http://me:hunter2@proxy.example", "proxy.uri"),
            (
                "proxy.uri=http://proxy.example\nonlinepayments.api.proxy.username=x",
                "proxy.username",
            ),
            ("connectTimeout=-2", "connectTimeout"),
            ("socketTimeout=0", "socketTimeout"),
            ("maxConnections=-1", "maxConnections"),
        ] {
            let mistakes = of(&format!("onlinepayments.api.{more}")).unwrap_err();
            assert!(
                mistakes.iter().any(|own| own.ends_with(key)),
                "{more}: {mistakes:?}"
            );
        }
    }

    #[test]
    fn takes_a_host_or_its_address_and_no_path() {
        let base = |host: &str, more: &str| {
            read(&format!(
                "onlinepayments.api.integrator=x\nonlinepayments.api.endpoint.host={host}\n{more}"
            ))
            .map(|(endpoint, _)| endpoint.base)
        };
        for (host, more, expected) in [
            ("https://payment.payone.com/", "", "https://payment.payone.com"),
            (
                "payment.payone.com",
                "onlinepayments.api.endpoint.port=8443",
                "https://payment.payone.com:8443",
            ),
            (
                "127.0.0.1",
                "onlinepayments.api.endpoint.scheme=http\nonlinepayments.api.endpoint.port=80",
                "http://127.0.0.1",
            ),
        ] {
            assert_eq!(base(host, more).unwrap(), expected, "{host}");
        }
        for (host, more) in [
            ("https://payment.payone.com/v2/", ""),
            ("payment.payone.com/v2", ""),
            ("payment.payone.com", "onlinepayments.api.endpoint.scheme=http"),
            ("payment.payone.com", "onlinepayments.api.endpoint.scheme=ftp"),
            ("user:secret@payment.payone.com", ""),
            ("payment.payone.com?x", ""),
            ("payment.payone.com", "onlinepayments.api.endpoint.port=0"),
            ("payment.payone.com", "onlinepayments.api.endpoint.port=99999"),
        ] {
            assert!(base(host, more).is_err(), "{host} {more}");
        }
    }

    #[test]
    fn names_every_mistake_and_no_value() {
        let text = "onlinepayments.api.endpoint.host=hunter2/path\nonlinepayments.api.connectTimeout=hunter2\n\
            onlinepayments.api.maxConnections=0\nonlinepayments.api.colour=hunter2\nhunter2";
        let mut properties = Properties::parse(text, "OnlinePaymentsSDK", PREFIX);
        let _ = Endpoint::from_properties(&mut properties);
        let error = properties.finish().unwrap_err().to_string();
        for key in [
            "endpoint.host",
            "connectTimeout",
            "maxConnections",
            "colour",
            "integrator",
            "line 5",
        ] {
            assert!(error.contains(key), "{key} is not in {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }
}
