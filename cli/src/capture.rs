//! Captured requests with their answers: one as JSON, a HAR file of a browser, or a call of curl.
//!
//! They may hold cards and secrets of real shoppers. Nothing here has `Debug`, and what is shown of them goes through
//! [`shown`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal::redact;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A request, and what was answered.
#[derive(Clone, Default)]
pub struct Exchange {
    /// In upper case; empty if it is not known.
    pub method: String,
    /// Empty if it is not known.
    pub url: String,
    /// As they were sent.
    pub headers: Vec<(String, String)>,
    /// As it was sent.
    pub body: String,
    /// When it was sent.
    pub at: Option<OffsetDateTime>,
    /// What came back.
    pub answer: Option<Answer>,
}

/// An answer.
#[derive(Clone, Default)]
pub struct Answer {
    /// HTTP status, if it is known.
    pub status: Option<u16>,
    /// As they came.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: String,
}

/// Why a file is no captured request. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The text is none of the forms.
    #[error("is neither JSON nor a HAR file nor a call of curl")]
    Form,
    /// JSON without a request in it.
    #[error("is JSON, but holds no request: expected url, headers and body, or the body itself")]
    NoRequest,
    /// A quote of curl's call is not closed, or is one of a shell's own.
    #[error("is a call of curl whose quotes cannot be read; copy it \"as cURL (bash)\", without $'…'")]
    Quotes,
    /// curl reads the body from a file.
    #[error("is a call of curl that reads its body from a file; put the body into the call")]
    BodyFile,
}

/// Text from a capture for a person: masked, on one line, and no longer than a line.
#[must_use]
pub fn shown(text: &str) -> String {
    redact::line(text, 120)
}

/// Reads requests, in the order in which they were sent.
///
/// # Errors
/// If there is none.
pub fn read(text: &str) -> Result<Vec<Exchange>, Unreadable> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with("curl ") {
        return curl(text).map(|exchange| vec![exchange]);
    }
    let value: Value = serde_json::from_str(text).map_err(|_| Unreadable::Form)?;
    let exchanges: Vec<Exchange> = match &value {
        Value::Array(items) => items.iter().filter_map(exchange).collect(),
        Value::Object(members) => match members.get("log").and_then(|log| log.get("entries")) {
            Some(Value::Array(entries)) => entries.iter().filter_map(har).collect(),
            _ => exchange(&value).into_iter().collect(),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    if exchanges.is_empty() {
        return Err(Unreadable::NoRequest);
    }
    Ok(exchanges)
}

/// Reads an answer: `{ status, headers, body }`, or the body itself.
#[must_use]
pub fn read_answer(text: &str) -> Answer {
    let value: Option<Value> = serde_json::from_str(text).ok();
    let whole = value.as_ref().and_then(Value::as_object).filter(|members| {
        members.contains_key("body") && (members.contains_key("status") || members.contains_key("headers"))
    });
    whole.map_or_else(
        || Answer {
            body: text.trim().into(),
            ..Answer::default()
        },
        answer,
    )
}

/// The module's own form of a request, with `time` and `answer` if they are known; or a body alone.
fn exchange(value: &Value) -> Option<Exchange> {
    let members = value.as_object()?;
    if !members.contains_key("url") && !members.contains_key("headers") {
        return (!members.is_empty()).then(|| Exchange {
            method: "POST".into(),
            body: value.to_string(),
            ..Exchange::default()
        });
    }
    Some(Exchange {
        method: text(members, "method").unwrap_or("POST").to_ascii_uppercase(),
        url: text(members, "url").unwrap_or_default().into(),
        headers: headers(members.get("headers")),
        body: body(members.get("body")),
        at: text(members, "time").and_then(when),
        answer: members.get("answer").and_then(Value::as_object).map(answer),
    })
}

fn answer(members: &Map<String, Value>) -> Answer {
    Answer {
        status: members
            .get("status")
            .and_then(Value::as_u64)
            .and_then(|status| u16::try_from(status).ok()),
        headers: headers(members.get("headers")),
        body: body(members.get("body")),
    }
}

/// An entry of HAR 1.2.
fn har(entry: &Value) -> Option<Exchange> {
    let (request, response) = (entry.get("request")?.as_object()?, entry.get("response"));
    let response = response.and_then(Value::as_object);
    let content = response.and_then(|response| response.get("content"));
    let status = response
        .and_then(|response| response.get("status"))
        .and_then(Value::as_u64);
    let content = content.map(|content| {
        let text = content.get("text").and_then(Value::as_str).unwrap_or_default();
        let encoded = content.get("encoding").and_then(Value::as_str) == Some("base64");
        let decoded = encoded.then(|| {
            STANDARD
                .decode(text)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
        });
        decoded.flatten().unwrap_or_else(|| text.into())
    });
    Some(Exchange {
        method: text(request, "method").unwrap_or_default().to_ascii_uppercase(),
        url: text(request, "url").unwrap_or_default().into(),
        headers: headers(request.get("headers")),
        body: request
            .get("postData")
            .and_then(|data| data.get("text"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .into(),
        at: entry
            .get("startedDateTime")
            .and_then(Value::as_str)
            .and_then(when),
        // A status of 0 is a request without an answer.
        answer: status.filter(|status| *status != 0).map(|status| Answer {
            status: u16::try_from(status).ok(),
            headers: headers(response.and_then(|response| response.get("headers"))),
            body: content.unwrap_or_default(),
        }),
    })
}

/// A call of curl. Only options that change the request are read.
fn curl(text: &str) -> Result<Exchange, Unreadable> {
    if text.contains(" $'") {
        return Err(Unreadable::Quotes);
    }
    let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let words = shlex::split(&text).ok_or(Unreadable::Quotes)?;
    let mut words = words.into_iter().skip(1);
    let mut exchange = Exchange::default();
    while let Some(word) = words.next() {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (word.clone(), None),
        };
        let mut value = || inline.clone().or_else(|| words.next()).unwrap_or_default();
        match name.as_str() {
            "-X" | "--request" => exchange.method = value().to_ascii_uppercase(),
            "--url" => exchange.url = value(),
            "-H" | "--header" => {
                let line = value();
                if let Some((name, value)) = line.split_once(':') {
                    exchange.headers.push((name.trim().into(), value.trim().into()));
                }
            }
            "-u" | "--user" => {
                let credentials = STANDARD.encode(value());
                exchange
                    .headers
                    .push(("authorization".into(), ["Basic ", &credentials].concat()));
            }
            "-d" | "--data" | "--data-ascii" | "--data-raw" | "--data-binary" => {
                let data = value();
                if data.starts_with('@') && name != "--data-raw" {
                    return Err(Unreadable::BodyFile);
                }
                exchange.body.push_str(&data);
            }
            "--json" => {
                exchange.body.push_str(&value());
                exchange
                    .headers
                    .push(("content-type".into(), "application/json".into()));
            }
            "-o" | "--output" | "-b" | "--cookie" | "-A" | "--user-agent" | "-e" | "--referer" | "-m"
            | "--max-time" | "-x" | "--proxy" | "--connect-timeout" => {
                let _unused = value();
            }
            _ if word.starts_with('-') => {}
            _ if exchange.url.is_empty() => exchange.url = word,
            _ => {}
        }
    }
    if exchange.method.is_empty() {
        exchange.method = if exchange.body.is_empty() { "GET" } else { "POST" }.into();
    }
    Ok(exchange)
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str()
}

/// An object, or a list of names and values as in HAR.
fn headers(value: Option<&Value>) -> Vec<(String, String)> {
    match value {
        Some(Value::Object(members)) => members
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect(),
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(|item| {
                let item = item.as_object()?;
                Some((text(item, "name")?.to_owned(), text(item, "value")?.to_owned()))
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// A text as it was sent, or JSON that somebody put there as JSON.
fn body(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

fn when(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

impl Exchange {
    /// The header of this name, if there is one.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body as a JSON object.
    #[must_use]
    pub fn json(&self) -> Option<Map<String, Value>> {
        serde_json::from_str(&self.body).ok()
    }

    /// Path and query as they were sent, from the first slash after the host.
    #[must_use]
    pub fn target(&self) -> &str {
        let rest = self
            .url
            .split_once("://")
            .map_or(self.url.as_str(), |(_, rest)| rest);
        rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
    }

    /// Scheme, host and port, in lower case.
    #[must_use]
    pub fn origin(&self) -> String {
        let end = self.url.len() - self.target_len();
        self.url.get(..end).unwrap_or_default().to_ascii_lowercase()
    }

    fn target_len(&self) -> usize {
        let rest = self
            .url
            .split_once("://")
            .map_or(self.url.as_str(), |(_, rest)| rest);
        rest.find('/').map_or(0, |at| rest.len() - at)
    }

    /// What is below a base URL, if the request went there.
    #[must_use]
    pub fn below(&self, base: &str) -> Option<&str> {
        let base = base.trim_end_matches('/');
        let rest = (!base.is_empty()).then(|| self.url.strip_prefix(base))??;
        (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
    }
}

impl Answer {
    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// The header of this name, if there is one.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_request_in_each_form() {
        let own = r#"{"method":"post","url":"https://x.example/a?b","headers":{"A":"1"},"body":{"k":1}}"#;
        let har = r#"{"log":{"entries":[{"startedDateTime":"2026-11-30T10:00:00Z","request":{"method":"POST",
            "url":"https://x.example/a?b","headers":[{"name":"a","value":"1"}],"postData":{"text":"{\"k\":1}"}},
            "response":{"status":500,"headers":[],"content":{"text":"bm8=","encoding":"base64"}}}]}}"#;
        let curl = "curl 'https://x.example/a?b' \\\n  -H 'A: 1' --compressed --data-raw '{\"k\":1}'";
        for text in [own, har, curl] {
            let read = read(text).unwrap();
            let [exchange] = read.as_slice() else {
                panic!("one request")
            };
            assert_eq!(exchange.method, "POST");
            assert_eq!(
                (exchange.target(), &*exchange.origin()),
                ("/a?b", "https://x.example")
            );
            assert_eq!((exchange.header("a"), &*exchange.body), (Some("1"), "{\"k\":1}"));
        }
        let answer = read(har).unwrap().remove(0).answer.unwrap();
        assert_eq!((answer.status, &*answer.body), (Some(500), "no"));
        let bare = read(r#"{"session":"s","ld":"00","lk":"AA=="}"#)
            .unwrap()
            .remove(0);
        assert_eq!(bare.json().unwrap()["ld"], "00");
    }

    #[test]
    fn says_what_is_no_request() {
        for (text, expected) in [
            ("", Unreadable::Form),
            ("[1]", Unreadable::NoRequest),
            ("{}", Unreadable::NoRequest),
            ("curl 'https://x.example", Unreadable::Quotes),
            ("curl https://x.example -d @body.json", Unreadable::BodyFile),
            ("curl https://x.example --data-raw $'a'", Unreadable::Quotes),
        ] {
            assert_eq!(read(text).err(), Some(expected), "{text}");
        }
    }
}
