//! The properties file of the official SDKs: `[Section]`, then `prefix.key=value`.
//!
//! Keys are read without regard to case and doubled dots count as one, as both spellings are in use. Every mistake is
//! named at once, and no value is ever repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use crate::settings::{Mistake, Mistakes, Settings};
use crate::transport::Proxy;

/// The keys of a properties file that begin with a platform's prefix.
pub struct Properties {
    prefix: &'static str,
    values: BTreeMap<String, String>,
    known: BTreeSet<&'static str>,
    mistakes: Vec<Mistake>,
}

/// Why a properties file cannot be used. Holds keys, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertiesError(pub Vec<Mistake>);

impl fmt::Display for PropertiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the properties have {} mistake(s):", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|Mistake { key, message }| write!(f, " {key}: {message};"))
    }
}

impl std::error::Error for PropertiesError {}

/// Lower case, without the second of two dots.
fn plain(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for c in key.trim().chars() {
        if !(c == '.' && out.ends_with('.')) {
            out.extend(c.to_lowercase());
        }
    }
    out
}

impl Properties {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn from_file(path: &Path, section: &str, prefix: &'static str) -> Result<Self, PropertiesError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            PropertiesError(vec![Mistake {
                key: "the file".into(),
                message: format!("cannot be read: {}", error.kind()),
            }])
        })?;
        Ok(Self::parse(&text, section, prefix))
    }

    /// Reads the text of a file: the lines of a section, or those before any. Mistakes come out in
    /// [`Properties::finish`].
    #[must_use]
    pub fn parse(text: &str, section: &str, prefix: &'static str) -> Self {
        let mut properties = Self {
            prefix,
            values: BTreeMap::new(),
            known: BTreeSet::new(),
            mistakes: Vec::new(),
        };
        let mut inside = true;
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';', '!']) {
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
                properties.mistake(&format!("line {}", number + 1), "is not key=value");
                continue;
            };
            let key = plain(key);
            // Files hold the properties of other programs too.
            let Some(own) = key.strip_prefix(&format!("{prefix}.")) else {
                continue;
            };
            if properties
                .values
                .insert(own.into(), value.trim().into())
                .is_some()
            {
                properties.mistake(own, "is given twice");
            }
        }
        properties
    }

    /// Records a mistake.
    pub fn mistake(&mut self, key: &str, message: &str) {
        let key = match key.starts_with("line ") {
            true => key.into(),
            false => format!("{}.{key}", self.prefix),
        };
        self.mistakes.push(Mistake {
            key,
            message: message.into(),
        });
    }

    /// A value, if there is one that is not empty.
    pub fn get(&mut self, key: &'static str) -> Option<String> {
        self.known.insert(key);
        self.values
            .get(&plain(key))
            .filter(|value| !value.is_empty())
            .cloned()
    }

    /// A value that must be there.
    pub fn text(&mut self, key: &'static str) -> String {
        self.get(key).unwrap_or_else(|| {
            self.mistake(key, "is missing");
            String::new()
        })
    }

    /// A whole number. The published samples have a comment behind it.
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

    /// Seconds; -1 is for ever.
    fn seconds(&mut self, key: &'static str, default: u64, most: u64) -> Duration {
        if self.digits(key).as_deref() == Some("-1") {
            return Duration::MAX;
        }
        Duration::from_secs(self.number(key, default, most))
    }

    /// `proxy.uri`, and `proxy.username` with `proxy.password`.
    fn proxy(&mut self) -> Option<Proxy> {
        let uri = self.get("proxy.uri");
        let (name, password) = (self.get("proxy.username"), self.get("proxy.password"));
        let Some(uri) = uri else {
            if name.is_some() || password.is_some() {
                self.mistake("proxy.uri", "is missing");
            }
            return None;
        };
        // Also in clear: what goes through it to an https address is encrypted all the same.
        let host = Url::parse(&uri).ok().filter(|url| {
            let plain = url.query().is_none() && url.fragment().is_none() && url.path().len() <= 1;
            let apart = url.username().is_empty() && url.password().is_none();
            plain && apart && url.has_host() && ["http", "https"].contains(&url.scheme())
        });
        if host.is_none() {
            self.mistake("proxy.uri", "must be http://host:port or https://host:port");
            return None;
        }
        if name.is_some() != password.is_some() {
            self.mistake("proxy.username", "and proxy.password go together");
        }
        Some(Proxy {
            uri,
            credentials: name.zip(password.map(Into::into)),
        })
    }

    /// Names what nobody asked for, and everything else that is wrong.
    ///
    /// # Errors
    /// Every mistake.
    pub fn finish(mut self) -> Result<(), PropertiesError> {
        let known: BTreeSet<String> = self.known.iter().map(|key| plain(key)).collect();
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

/// Where a platform is and how it is connected to: the keys that the platforms of the family share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `https://host`, with a port if one is set, without a slash at the end.
    pub base: String,
    /// Until a connection stands; [`Duration::MAX`] is for ever.
    pub connect_timeout: Duration,
    /// Until the whole answer is there; [`Duration::MAX`] is for ever.
    pub socket_timeout: Duration,
    /// Connections at once.
    pub max_connections: usize,
    /// Who built the shop, for the platform's own diagnosis.
    pub integrator: String,
    /// What calls go through.
    pub proxy: Option<Proxy>,
}

impl Endpoint {
    /// The defaults of the properties file.
    #[must_use]
    pub fn new(base: impl Into<String>, integrator: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            connect_timeout: Duration::from_secs(5),
            socket_timeout: Duration::from_secs(300),
            max_connections: 10,
            integrator: integrator.into(),
            proxy: None,
        }
    }

    /// `integrator`, `endpoint.host`, `endpoint.scheme` (https), `endpoint.port` (-1: the scheme's own),
    /// `connectTimeout` (5 seconds; -1: for ever), `socketTimeout` (300; the same), `maxConnections` (10) and
    /// `proxy.uri`, `proxy.username`, `proxy.password`.
    pub fn from_properties(properties: &mut Properties) -> Self {
        let host = properties.text("endpoint.host");
        let scheme = properties.get("endpoint.scheme");
        let port = properties.get("endpoint.port").filter(|port| port != "-1");
        // A whole address is taken as well, without a path: the version of the API is not the caller's to choose.
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
                    properties.mistake("endpoint.host", &message);
                    String::new()
                }
            }
        };
        let integrator = properties.text("integrator");
        Self {
            base,
            connect_timeout: properties.seconds("connectTimeout", 5, 600),
            socket_timeout: properties.seconds("socketTimeout", 300, 3600),
            max_connections: usize::try_from(properties.number("maxConnections", 10, 1000)).unwrap_or(10),
            integrator,
            proxy: properties.proxy(),
        }
    }
}

/// Scheme, host and port, and nothing else; clear HTTP on this machine only.
///
/// # Errors
/// What is wrong, without the address.
pub fn checked_base(address: &str) -> Result<String, String> {
    let mistakes = Mistakes::default();
    let mut table = Map::new();
    table.insert("x".into(), Value::from(address));
    let base = Settings::root(&table, &mistakes).base_url("x");
    let Some(base) = base else {
        let message = mistakes.into_inner().into_iter().next();
        return Err(message.map_or_else(|| "is not an address".into(), |mistake| mistake.message));
    };
    let path = base.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    match path {
        Some(_) => Err("must be a host without a path".into()),
        None => Ok(base),
    }
}

#[cfg(test)]
mod tests {
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
