//! What an answer holds, before a platform says what it means.

use serde_json::Value;

use crate::transport::{Failure, Response};

/// Why there is no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Communication {
    /// No connection, or no answer.
    Failure(Failure),
    /// The answer is not JSON, or not the documented one.
    NotJson(u16),
    /// The answer points elsewhere, and says nothing else.
    Redirect(u16),
}

/// An answer that is not one of the API.
pub(crate) enum Foreign {
    /// A 404 of something else.
    NotFound,
    /// Not JSON, though it should be.
    Unreadable(Communication),
}

/// The JSON of an answer; `Null` where there is no body.
pub(crate) fn body(answer: &Response, unmarshal: impl Fn(&[u8]) -> Option<Value>) -> Result<Value, Foreign> {
    let unreadable = || Foreign::Unreadable(Communication::NotJson(answer.status));
    match (answer.body.is_empty(), says_json(answer), answer.status) {
        (true, true, 300..400) => Err(Foreign::Unreadable(Communication::Redirect(answer.status))),
        // Deleting answers without a body, whatever its type is called.
        (true, true, _) | (true, false, 200..300) => Ok(Value::Null),
        (_, false, 404) => Err(Foreign::NotFound),
        (_, false, _) => Err(unreadable()),
        (false, true, _) => unmarshal(&answer.body).ok_or_else(unreadable),
    }
}

/// JSON by its own word. Without one, as in the official SDKs, it counts as JSON.
fn says_json(answer: &Response) -> bool {
    answer.header("content-type").is_none_or(|kind| {
        let kind = kind.trim().to_ascii_lowercase();
        kind.starts_with("application/json") || kind.starts_with("application/problem+json")
    })
}
