//! Reads the platform's answers: what is documented as a refusal is one, and everything else is in doubt.

use cardseal::greenpay::platform_code;
use serde_json::Value;

use super::wire::{errors, status};
use crate::error::{Doubt, Error, Rejection, sentence};
use crate::transport::Response;

pub(super) fn decode(answer: &Response) -> Result<Value, Error> {
    object(&answer.body).ok_or(Error::Doubtful(undecodable(answer.status)))
}

/// A JSON object.
pub(super) fn object(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok().filter(Value::is_object)
}

pub(super) const fn undecodable(status: u16) -> Doubt {
    match status {
        500..=599 => Doubt::NoAnswerBehindProxy,
        _ => Doubt::Undecodable,
    }
}

/// A refusal in the platform's words, if there are any.
pub(super) fn rejection(status: Option<u16>, errors: &str) -> Option<Rejection> {
    (!errors.is_empty()).then(|| Rejection {
        code: platform_code(errors).map(Into::into),
        name: None,
        message: sentence(errors),
        status,
    })
}

/// A refusal whose text is documented; any other may hide something that happened. All failures share a body with a
/// status and texts.
pub(super) fn known_failure(answer: &Response) -> Option<Rejection> {
    let body = object(&answer.body)?;
    let status = status(&body, "status").integer();
    let status = status
        .and_then(|status| u16::try_from(status).ok())
        .unwrap_or(answer.status);
    rejection(Some(status), &errors(&body)).filter(|rejection| rejection.code.is_some())
}
