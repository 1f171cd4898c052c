//! Reads the platform's answers: a refusal is one only with a code that says that nothing was done.

use cardseal::gp_api::is_id;
use serde_json::{Value, json};

use crate::error::{Doubt, Error, Refusal, Rejection, sentence};
use crate::lenient::{self, UNREADABLE, Unreadable};
use crate::transport::Response;

/// Why an answer cannot be used.
pub(super) enum Problem {
    /// The platform's own refusal: nothing was done.
    Rejected(Rejection),
    /// The key was seen before; the id of what it made then, as far as the platform names it.
    Duplicate(Option<String>),
    /// Nobody knows.
    Doubtful(Doubt),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Rejected(rejection) => Refusal::Rejected(rejection).into(),
            Problem::Duplicate(_) => Self::Doubtful(Doubt::Contradictory),
            Problem::Doubtful(doubt) => Self::Doubtful(doubt),
        }
    }
}

/// Reads an answer: a JSON object with a good status, or what the flat error says.
pub(super) fn read(answer: &Response) -> Result<Value, Problem> {
    let mut body = serde_json::from_slice::<Value>(&answer.body)
        .ok()
        .filter(Value::is_object);
    if let Some(body) = &mut body {
        write_out(body);
    }
    match (answer.status, body) {
        (200..=299, Some(body)) if deciding(&body, "/error_code").is_none() => Ok(body),
        // Deleting may answer without a body.
        (204, None) => Ok(json!({})),
        (400..=599, Some(body)) => Err(refused(answer.status, &body)),
        (401, None) => Err(unauthenticated()),
        (500..=599, None) => Err(Problem::Doubtful(Doubt::NoAnswerBehindProxy)),
        _ => Err(Problem::Doubtful(Doubt::Undecodable)),
    }
}

pub(super) fn refused(status: u16, body: &Value) -> Problem {
    let plain = |pointer| {
        lenient::text(body, pointer)
            .filter(|text| (1..=60).contains(&text.len()))
            .filter(|text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
    };
    let name = plain("/error_code");
    let code = plain("/detailed_error_code").or_else(|| name.clone());
    let message = lenient::text(body, "/detailed_error_description").unwrap_or_default();
    match (status, code.as_deref()) {
        (409, Some("40039" | "DUPLICATE_ACTION")) => Problem::Duplicate(original(&message)),
        // "Failed, automatically reversed, try again"; other errors on the way to the bank may hide that it paid.
        (500..=599, Some("50012")) | (400..=407 | 409..=499, Some(_)) => Problem::Rejected(Rejection {
            code,
            name,
            message: sentence(&message),
            status: Some(status),
        }),
        (500..=599, _) => Problem::Doubtful(Doubt::NoAnswerBehindProxy),
        (401, None) => unauthenticated(),
        _ => Problem::Doubtful(Doubt::Undecodable),
    }
}

/// A 401 in nobody's words, as a proxy writes it: a request that was not authenticated did nothing.
fn unauthenticated() -> Problem {
    Problem::Rejected(Rejection {
        code: None,
        name: None,
        message: "the platform does not take these credentials".into(),
        status: Some(401),
    })
}

/// The id in "Idempotency Key seen before: id=TRN_…, status=…".
pub(super) fn original(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("id=")?;
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .unwrap_or(rest.len());
    let id = rest.get(..end)?;
    ["TRN_", "VER_", "PMT_", "AUT_"]
        .iter()
        .any(|prefix| is_id(prefix, id))
        .then(|| id.into())
}

/// A text in an answer. Absent values are empty texts with this platform.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

/// Makes texts of whole numbers, as this platform has texts for all of its codes and ids. Amounts stay what they are:
/// one that is no text is not the documented one.
pub(super) fn write_out(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::Number(number) if name != "amount" && !number.is_f64() => {
                        *member = number.to_string().into();
                    }
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Array(_)
                    | Value::Object(_) => write_out(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(write_out),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A text that decides. One that is there and cannot be read is one that nothing fits.
pub(super) fn deciding<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    match lenient::member(value, pointer) {
        Ok(None) => None,
        Ok(Some(Value::String(text))) => Some(text.as_str()).filter(|text| !text.is_empty()),
        Ok(Some(_)) | Err(Unreadable) => Some(UNREADABLE),
    }
}
