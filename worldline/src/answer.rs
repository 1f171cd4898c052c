//! Reads the JSON of a response, for both products.

use cardseal_transport::Response;
use serde_json::Value;

use crate::errors::{CallError, Communication};

/// Returns the JSON of a response, or `Null` if it has no body.
pub(crate) fn body<E: CallError>(
    answer: &Response,
    unmarshal: impl Fn(&[u8]) -> Option<Value>,
) -> Result<Value, E> {
    let unreadable = || Communication::NotJson(answer.status).into();
    match (answer.body.is_empty(), says_json(answer), answer.status) {
        (true, true, 300..400) => Err(Communication::Redirect(answer.status).into()),
        // Deletions have no body, but can have any content type.
        (true, true, _) | (true, false, 200..300) => Ok(Value::Null),
        (_, false, 404) => Err(E::not_found()),
        (_, false, _) => Err(unreadable()),
        (false, true, _) => unmarshal(&answer.body).ok_or_else(unreadable),
    }
}

/// Whether the content type is JSON. As in the official SDKs, a response without one counts as JSON.
fn says_json(answer: &Response) -> bool {
    answer.header("content-type").is_none_or(|kind| {
        let kind = kind.trim().to_ascii_lowercase();
        kind.starts_with("application/json") || kind.starts_with("application/problem+json")
    })
}
