//! What an answer contains, before a product says what it means.

use cardseal_transport::Response;
use serde_json::Value;

use crate::errors::{CallError, Communication};

/// The JSON of an answer; `Null` where there is no body.
pub(crate) fn body<E: CallError>(
    answer: &Response,
    unmarshal: impl Fn(&[u8]) -> Option<Value>,
) -> Result<Value, E> {
    let unreadable = || Communication::NotJson(answer.status).into();
    match (answer.body.is_empty(), says_json(answer), answer.status) {
        (true, true, 300..400) => Err(Communication::Redirect(answer.status).into()),
        // Deleting answers without a body, whatever its type is called.
        (true, true, _) | (true, false, 200..300) => Ok(Value::Null),
        (_, false, 404) => Err(E::not_found()),
        (_, false, _) => Err(unreadable()),
        (false, true, _) => unmarshal(&answer.body).ok_or_else(unreadable),
    }
}

/// JSON by its own content type. Without one, as in the official SDKs, it counts as JSON.
fn says_json(answer: &Response) -> bool {
    answer.header("content-type").is_none_or(|kind| {
        let kind = kind.trim().to_ascii_lowercase();
        kind.starts_with("application/json") || kind.starts_with("application/problem+json")
    })
}
