//! Reads the platform's answers: what is documented as a refusal is one, and everything else is in doubt.

use cardseal::greenpay::platform_code;
use cardseal::greenpay::wire::{DeleteAnswer, ErrorEntry};
use serde::Deserialize;

use crate::error::{Doubt, Error, Rejection, sentence};
use crate::transport::Response;

pub(super) fn decode<Shape: for<'de> Deserialize<'de>>(answer: &Response) -> Result<Shape, Error> {
    object(&answer.body).ok_or(Error::Doubtful(undecodable(answer.status)))
}

/// A JSON object of a shape. Derived shapes would take an array in the order of their fields, too.
pub(super) fn object<Shape: for<'de> Deserialize<'de>>(body: &[u8]) -> Option<Shape> {
    let braced = body.trim_ascii_start().first() == Some(&b'{');
    braced.then(|| serde_json::from_slice(body).ok()).flatten()
}

pub(super) const fn undecodable(status: u16) -> Doubt {
    match status {
        500..=599 => Doubt::NoAnswerBehindProxy,
        _ => Doubt::Undecodable,
    }
}

pub(super) fn texts(errors: Option<&[ErrorEntry]>) -> String {
    let texts: Vec<&str> = errors
        .unwrap_or_default()
        .iter()
        .map(|entry| entry.0.as_str())
        .collect();
    texts.join("; ")
}

/// A refusal in the platform's words, if there are any.
pub(super) fn rejection(status: Option<u16>, errors: Option<&[ErrorEntry]>) -> Option<Rejection> {
    let text = texts(errors);
    (!text.is_empty()).then(|| Rejection {
        code: platform_code(&text).map(Into::into),
        name: None,
        message: sentence(&text),
        status,
    })
}

/// A refusal whose text is documented; any other may hide something that happened. All failures share a body with a
/// status and texts.
pub(super) fn known_failure(answer: &Response) -> Option<Rejection> {
    let failure: DeleteAnswer = object(&answer.body)?;
    let status = failure.status.integer();
    let status = status
        .and_then(|status| u16::try_from(status).ok())
        .unwrap_or(answer.status);
    rejection(Some(status), failure.errors.as_deref()).filter(|rejection| rejection.code.is_some())
}
