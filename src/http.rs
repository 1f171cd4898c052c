//! Requests as plain values, which the caller sends.

use crate::json::{self, Object};
use crate::object::{IntoValue, Members, Value, object};

/// A request, for `fetch`. It may contain a card, so it has no `Debug`.
#[derive(Clone)]
pub struct Request {
    /// `POST` or `GET`.
    pub method: &'static str,
    /// Absolute, or relative to the page's origin for the merchant's own server.
    pub url: String,
    /// Header names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or empty for a `GET`. It contains a card in clear text only if the platform's format requires that.
    pub body: String,
}

object!(Request, request, {
    "method" = request.method,
    "url" = &request.url,
    "headers" = Headers(&request.headers),
    "body" ? Some(&request.body).filter(|body| !body.is_empty()),
});

impl Request {
    /// Creates a `POST` with a JSON body.
    pub(crate) fn post(url: String, body: impl Fn(&mut Object<'_>)) -> Self {
        Self {
            method: "POST",
            url,
            headers: json_headers(),
            body: json::text(body),
        }
    }

    /// Creates a `GET` that accepts JSON.
    #[must_use]
    pub fn get(url: String) -> Self {
        Self {
            method: "GET",
            url,
            headers: json_headers(),
            body: String::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds an idempotency key, if there is one.
    #[must_use]
    pub fn idempotent(self, key: Option<String>) -> Self {
        match key {
            Some(key) => self.header("idempotency-key", key),
            None => self,
        }
    }
}

/// The headers of a JSON request.
fn json_headers() -> Vec<(&'static str, String)> {
    vec![
        ("accept", "application/json".into()),
        ("content-type", "application/json".into()),
    ]
}

/// Writes headers as an object.
struct Headers<'a>(&'a [(&'static str, String)]);

impl<'a> IntoValue<'a> for Headers<'a> {
    fn into_value(self) -> Value<'a> {
        let mut members = Members::default();
        for (name, value) in self.0 {
            members.text(name, value);
        }
        Value::Object(members)
    }
}
