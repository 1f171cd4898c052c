//! A request as a plain value. Nothing here sends anything.

use serde::{Serialize, Serializer};

/// What a caller hands to `fetch`, or looks at.
#[derive(Clone, Serialize)]
pub struct Request {
    /// `POST` in all of the tokenize flows so far.
    pub method: &'static str,
    /// Absolute, or relative to the page for the merchant's own server.
    pub url: String,
    /// Header names in lower case.
    #[serde(serialize_with = "as_object")]
    pub headers: Vec<(&'static str, String)>,
    /// JSON text. It never holds a card in clear unless the platform's own format demands it.
    pub body: String,
}

/// The headers of every JSON call.
pub(crate) fn json_headers() -> Vec<(&'static str, String)> {
    vec![
        ("accept", "application/json".into()),
        ("content-type", "application/json".into()),
    ]
}

fn as_object<S: Serializer>(headers: &[(&'static str, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| (name, value)))
}
