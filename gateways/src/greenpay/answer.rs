//! Reads the platform's answers: what is documented as a refusal is one, and everything else is in doubt.

use cardseal::greenpay::platform_code;
use serde_json::Value;

use super::wire::{errors, payment_answer, status};
use crate::error::{Cause, Doubt, Error, Rejection, sentence};
use crate::lenient::UNREADABLE;
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

/// Whether an answer is a "no" that is documented: the bank declined, or the request was refused. It has the status of a
/// broken server, 500, but is no reason to look for one. A merchant or a terminal that the platform does not know is.
pub(super) fn is_documented_no(answer: &Response) -> bool {
    let Some(body) = object(&answer.body).filter(|_| answer.status == 500) else {
        return false;
    };
    let bank = payment_answer(&body).bank_code;
    let declined = bank.is_some_and(|code| !["", "00", UNREADABLE].contains(&code.as_str()));
    declined || known_failure(answer).is_some_and(|rejection| rejection.cause() != Cause::Setup)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: impl Into<String>) -> Response {
        Response {
            status,
            headers: Vec::new(),
            body: body.into().into_bytes(),
        }
    }

    #[test]
    fn a_decline_with_status_500_is_a_documented_no() {
        let declined =
            json!({ "status": 500, "orderId": "a", "result": { "success": false, "resp_code": "51" } });
        let refused = json!({ "status": 500, "errors": ["Invalid card token"] });
        for body in [&declined, &refused] {
            assert!(is_documented_no(&answer(500, body.to_string())), "{body}");
            // Only this status is documented for it.
            assert!(!is_documented_no(&answer(502, body.to_string())), "{body}");
        }
        for body in [
            json!({ "status": 500, "errors": ["Merchant doesn't exist"] }).to_string(),
            json!({ "status": 500, "errors": ["Database error"] }).to_string(),
            json!({ "status": 500, "result": { "resp_code": "00" } }).to_string(),
            json!({ "status": 500, "result": { "resp_code": [] } }).to_string(),
            json!({ "status": 500, "result": { "resp_code": "" } }).to_string(),
            "<html>Internal Server Error</html>".to_owned(),
            String::new(),
        ] {
            assert!(!is_documented_no(&answer(500, body.as_str())), "{body}");
        }
    }
}
