//! A request as a plain value. Nothing here sends anything.

use crate::json::{self, Object};
use crate::object::{IntoValue, Members, Value, object};

/// What a caller hands to `fetch`, or looks at. It has no `Debug`: it may hold a card.
#[derive(Clone)]
pub struct Request {
    /// `POST` or `GET`.
    pub method: &'static str,
    /// Absolute, or relative to the page for the merchant's own server.
    pub url: String,
    /// Header names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// JSON text, empty for a `GET`. It never holds a card in clear unless the platform's own format demands it.
    pub body: String,
}

object!(Request, request, {
    "method" = request.method,
    "url" = &request.url,
    "headers" = Headers(&request.headers),
    "body" ? Some(&request.body).filter(|body| !body.is_empty()),
});

impl Request {
    /// JSON that asks for JSON.
    pub(crate) fn post(url: String, body: impl Fn(&mut Object<'_>)) -> Self {
        Self {
            method: "POST",
            url,
            headers: json_headers(),
            body: json::text(body),
        }
    }

    /// A question without a body that asks for JSON.
    #[must_use]
    pub fn get(url: String) -> Self {
        Self {
            method: "GET",
            url,
            headers: json_headers(),
            body: String::new(),
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With the key by which it happens once, however often it is sent.
    #[must_use]
    pub fn idempotent(self, key: Option<String>) -> Self {
        match key {
            Some(key) => self.header("idempotency-key", key),
            None => self,
        }
    }
}

/// The headers of every JSON call.
fn json_headers() -> Vec<(&'static str, String)> {
    vec![
        ("accept", "application/json".into()),
        ("content-type", "application/json".into()),
    ]
}

/// Headers as an object.
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
