//! Calls as plain values.

use serde_json::Value;

/// A call with the server's own token.
pub(super) struct Call<'a> {
    pub(super) method: &'static str,
    pub(super) path: String,
    /// The idempotency key: the same for every try of one action.
    pub(super) key: Option<&'a str>,
    pub(super) body: Option<Value>,
    /// Whether the body names the account.
    pub(super) account: bool,
}

impl<'a> Call<'a> {
    pub(super) const fn get(path: String) -> Self {
        Self {
            method: "GET",
            path,
            key: None,
            body: None,
            account: false,
        }
    }

    pub(super) const fn post(path: String, key: &'a str, body: Value) -> Self {
        Self {
            method: "POST",
            path,
            key: Some(key),
            body: Some(body),
            account: false,
        }
    }
}

/// A path with a query.
pub(super) fn query(path: &str, pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{path}?{query}")
}
