//! A request as a plain value. Nothing here sends anything.

use serde::{Serialize, Serializer};

use crate::json::{self, Object};

/// What a caller hands to `fetch`, or looks at. It has no `Debug`: it may hold a card.
#[derive(Clone, Serialize)]
pub struct Request {
    /// `POST` or `GET`.
    pub method: &'static str,
    /// Absolute, or relative to the page for the merchant's own server.
    pub url: String,
    /// Header names in lower case.
    #[serde(serialize_with = "as_object")]
    pub headers: Vec<(&'static str, String)>,
    /// JSON text, empty for a `GET`. It never holds a card in clear unless the platform's own format demands it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
}

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

fn as_object<S: Serializer>(headers: &[(&'static str, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| (name, value)))
}
