//! Where requests may go. A card is sent only to a published host of its platform, to the host in the page's
//! options, or, from a page on this machine, to this machine.
//!
//! URLs are compared as text, by scheme, host and port. URLs that need decoding are refused.

use crate::error::{Code, Error, Result};
use crate::text;

/// A base URL without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Reads an `https` URL, or an `http` URL of this machine, without user, query or fragment.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text::split_once(text, "://")?;
        let authority = text::before(rest, b'/');
        let fine = match scheme {
            "https" => is_authority(authority),
            "http" => is_loopback_authority(authority),
            _ => false,
        };
        (fine && is_plain(text)).then(|| Self::trimmed(text))
    }

    /// Reads such a URL, or a path of the page's own origin. The path can be empty.
    #[must_use]
    pub fn parse_server(text: &str) -> Option<Self> {
        let is_path = text.is_empty() || text.starts_with('/') && !text.starts_with("//");
        if is_path && is_plain(text) {
            Some(Self::trimmed(text))
        } else {
            Self::parse(text)
        }
    }

    /// Reads the base URL of a session. Its host must be one of `published`, or this machine if `local` says that
    /// the page is from this machine.
    ///
    /// # Errors
    /// `malformed` if it is not a base URL; `session_host_refused`, with the origin in the message.
    pub fn of_session(
        text: &str,
        field: &'static str,
        published: &[&str],
        local: bool,
        malformed: Code,
    ) -> Result<Self> {
        let url = Self::parse(text).ok_or_else(|| Error::new(malformed).at(field))?;
        let known = published
            .iter()
            .any(|host| same_origin(origin(host), url.origin()));
        if known || local && is_loopback(&url.0) {
            return Ok(url);
        }
        let message = [
            "the session names ",
            url.origin(),
            ", which is not one of the platform's hosts; if it is right, name it in the option environment",
        ];
        Err(Error::new(Code::SessionHostRefused)
            .at(field)
            .with_message(message.concat()))
    }

    /// The URL, without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Appends a path.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        [&self.0, path].concat()
    }

    /// The path, if the URL has a host.
    pub(crate) fn path(&self) -> &str {
        self.0.strip_prefix(self.origin()).unwrap_or_default()
    }

    fn origin(&self) -> &str {
        origin(&self.0)
    }

    fn trimmed(text: &str) -> Self {
        Self(text.trim_end_matches('/').into())
    }
}

/// Whether a URL is of this machine, at any port.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    let authority = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    authority.is_some_and(|rest| is_loopback_authority(text::before(rest, b'/')))
}

/// Whether a text has no character that could end or hide the host: no space, quote, fragment, query, user or
/// backslash.
fn is_plain(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c <= ' ' || matches!(c, '"' | '?' | '#' | '@' | '\\'))
}

/// Whether a text is a host with an optional port.
fn is_authority(text: &str) -> bool {
    let (host, port) = split_port(text);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '%') || !c.is_ascii();
    let is_address = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.');
    let fine = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.bytes().any(|byte| byte == b':') && address.chars().all(is_address),
        None => host.chars().any(|c| c != '.') && host.chars().all(is_name),
    };
    fine && port.is_none_or(|port| port.is_empty() || port.parse::<u16>().is_ok())
}

fn is_loopback_authority(text: &str) -> bool {
    let (host, port) = split_port(text);
    let mut parts = host.as_bytes().split(|byte| *byte == b'.');
    let is_number = |part: &[u8]| (1..=3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let is_v4 = parts.next() == Some(b"127") && parts.clone().count() == 3 && parts.all(is_number);
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    (is_v4 || host == "localhost" || host == "[::1]") && port.is_none_or(is_port)
}

/// Splits at the last colon that is not inside an IPv6 address.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let from = authority
        .bytes()
        .rposition(|byte| byte == b']')
        .unwrap_or_default();
    let colon = |rest: &str| rest.bytes().position(|byte| byte == b':');
    match authority.get(from..).and_then(colon) {
        Some(at) => (
            authority.get(..from + at).unwrap_or_default(),
            authority.get(from + at + 1..),
        ),
        None => (authority, None),
    }
}

/// Returns scheme, host and port.
fn origin(url: &str) -> &str {
    let host = text::split_once(url, "://").map_or(url, |(_, rest)| rest);
    let end = url.len() - host.len() + text::before(host, b'/').len();
    url.get(..end).unwrap_or_default()
}

/// Compares origins. The default port may be written, and hosts can be in any case.
fn same_origin(published: &str, given: &str) -> bool {
    let given = given.strip_suffix(":443").unwrap_or(given);
    published.eq_ignore_ascii_case(given.strip_suffix(':').unwrap_or(given))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn takes_https_and_this_machine_alone() {
        for url in [
            "https://c.example",
            "https://c.example:8443/x/",
            "https://b\u{fc}cher.example",
            "https://[2001:db8::1]:9",
            "http://127.0.0.1:81/x/",
            "http://localhost",
            "http://[::1]:9",
        ] {
            let parsed = BaseUrl::parse(url).unwrap();
            assert_eq!(parsed.as_str(), url.trim_end_matches('/'));
        }
        for url in [
            "http://shop.example",
            "http://127.0.0.1.example",
            "http://[::1].example",
            "http://127.0.0.1@evil.example",
            "ftp://x",
            "https://",
            "https:///x",
            "https://...",
            "https://a b",
            "https://u@h",
            "https://h:port",
            "https://h:99999",
            "https://[::1",
            "//x",
            "javascript:1",
            "https://x?y",
            "https://x#y",
            "https://x\\y",
            "https://x\ty",
            "/x",
            "",
        ] {
            assert_eq!(BaseUrl::parse(url), None, "{url}");
        }
        for path in ["", "/", "/shop/"] {
            assert!(BaseUrl::parse_server(path).is_some(), "{path}");
        }
        for path in ["//x", "x", "http://x.example", "/a b"] {
            assert_eq!(BaseUrl::parse_server(path), None, "{path}");
        }
    }

    #[test]
    fn a_session_names_a_published_host_or_this_machine_from_this_machine() {
        let named = |url: &str, local| {
            let published = ["https://api.example/ucp", "https://api.eu.example"];
            BaseUrl::of_session(url, "base_url", &published, local, Code::SessionMalformed)
                .map_err(|error| error.code())
        };
        for url in [
            "https://api.example/ucp",
            "https://API.example:443/other/",
            "https://api.eu.example",
        ] {
            assert!(named(url, false).is_ok(), "{url}");
        }
        for url in [
            "https://evil.example",
            "https://api.example.evil.example",
            "https://api%2eexample",
            "https://api.example:444",
            "https://api.example.",
            "https://xapi.example",
            "http://127.0.0.1",
        ] {
            assert_eq!(named(url, false), Err(Code::SessionHostRefused), "{url}");
        }
        assert!(named("http://127.0.0.1:8080", true).is_ok());
        assert_eq!(named("https://evil.example", true), Err(Code::SessionHostRefused));
        assert_eq!(named("http://api.example", true), Err(Code::SessionMalformed));
    }
}
