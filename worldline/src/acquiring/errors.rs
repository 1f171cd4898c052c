//! The errors of a call: the exceptions of the official SDK as one enum.

use serde_json::Value;

use super::domain::ApiPaymentErrorResponse;
use crate::answer;
use crate::errors::CallError;
pub use crate::errors::{Communication, Mistake, OAuth2Error};
use crate::obfuscation;
use cardseal_transport::Response;

/// The platform's reason for refusing a request. `Display` of the error does not contain its texts, and secrets of the
/// request are masked in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fault {
    /// The HTTP status.
    pub status: u16,
    /// The body of the response.
    pub problem: ApiPaymentErrorResponse,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// 400 (`ValidationException`).
    #[error("the platform rejected the request as invalid")]
    Validation(Box<Fault>),
    /// 403 (`AuthorizationException`).
    #[error("the platform denied access; check the credentials and the account's permissions")]
    Authorization(Box<Fault>),
    /// 404, 409, 410 (`ReferenceException`). The platform's documentation calls 409 `IdempotenceException`, too.
    #[error("the platform does not know this id, or its state does not allow the operation")]
    Reference(Box<Fault>),
    /// 404 with a body that is not JSON (`NotFoundException`): probably not from the API.
    #[error("nothing answers at this address; check the endpoint's host")]
    NotFound,
    /// 500, 502, 503 (`PlatformException`).
    #[error("the platform had an internal error")]
    Platform(Box<Fault>),
    /// Any other status (`ApiException`).
    #[error("the platform refused the request")]
    Api(Box<Fault>),
    /// There is no access token (`OAuth2Exception`). The request was not sent.
    #[error("no access token was obtained")]
    OAuth2(#[from] OAuth2Error),
    /// There is no usable response (`CommunicationException`). The platform may have processed the request.
    #[error("the platform gave no usable response")]
    Communication(Communication),
    /// The request was not sent, because the client or the request is wrong.
    #[error(transparent)]
    Mistake(#[from] Mistake),
}

impl From<Communication> for Error {
    fn from(why: Communication) -> Self {
        Self::Communication(why)
    }
}

impl CallError for Error {
    fn not_found() -> Self {
        Self::NotFound
    }
}

/// Returns the body of a successful response, or the error that the response reports.
pub fn read(
    answer: &Response,
    secrets: &[String],
    unmarshal: impl Fn(&[u8]) -> Option<Value>,
) -> Result<Value, Error> {
    let status = answer.status;
    let not_json = Error::Communication(Communication::NotJson(status));
    let good = (200..300).contains(&status);
    let body = answer::body::<Error>(answer, unmarshal)?;
    if good {
        return Ok(body);
    }
    if !body.is_null() && !body.is_object() {
        return Err(not_json);
    }
    let mut problem: ApiPaymentErrorResponse = serde_json::from_value(body).unwrap_or_default();
    for text in [&mut problem.title, &mut problem.detail, &mut problem.instance]
        .into_iter()
        .flatten()
    {
        *text = obfuscation::without(secrets, text);
    }
    let fault = Box::new(Fault { status, problem });
    Err(match status {
        400 => Error::Validation(fault),
        403 => Error::Authorization(fault),
        404 | 409 | 410 => Error::Reference(fault),
        500 | 502 | 503 => Error::Platform(fault),
        _ => Error::Api(fault),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, kind: Option<&str>, body: &str) -> &'static str {
        let answer = Response {
            status,
            headers: kind
                .into_iter()
                .map(|kind| ("content-type".to_owned(), kind.to_owned()))
                .collect(),
            body: body.into(),
        };
        match read(&answer, &["hunter2-hunter2".into()], |bytes| {
            serde_json::from_slice(bytes).ok()
        }) {
            Ok(_) => "-",
            Err(error) => {
                assert!(!format!("{error} {error:?}").contains("hunter2"));
                match error {
                    Error::Validation(_) => "ValidationException",
                    Error::Authorization(_) => "AuthorizationException",
                    Error::Reference(_) => "ReferenceException",
                    Error::NotFound => "NotFoundException",
                    Error::Platform(_) => "PlatformException",
                    Error::Api(_) => "ApiException",
                    Error::OAuth2(_) => "OAuth2Exception",
                    Error::Communication(_) => "CommunicationException",
                    Error::Mistake(_) => "mistake",
                }
            }
        }
    }

    #[test]
    fn every_row_of_the_published_table() {
        const PROBLEM: Option<&str> = Some("application/problem+json; charset=utf-8");
        let body = r#"{"type":"https://x/y","title":"t","detail":"said hunter2-hunter2 again","status":500}"#;
        for (status, expected) in [
            (200, "-"),
            (201, "-"),
            (400, "ValidationException"),
            (401, "ApiException"),
            (402, "ApiException"),
            (403, "AuthorizationException"),
            (404, "ReferenceException"),
            (409, "ReferenceException"),
            (410, "ReferenceException"),
            (422, "ApiException"),
            (429, "ApiException"),
            (500, "PlatformException"),
            (502, "PlatformException"),
            (503, "PlatformException"),
            (504, "ApiException"),
        ] {
            assert_eq!(class(status, PROBLEM, body), expected, "{status}");
            assert_eq!(class(status, None, ""), expected, "{status} without a body");
        }
        for (status, kind, body, expected) in [
            (204, Some("text/plain"), "", "-"),
            (200, Some("text/html"), "<html>", "CommunicationException"),
            (502, Some("text/html"), "<html>", "CommunicationException"),
            (404, Some("text/html"), "<html>", "NotFoundException"),
            (500, None, "[]", "CommunicationException"),
            (400, None, "no", "CommunicationException"),
            // A redirect that says in the platform's own form what is wrong is an error like any other.
            (302, PROBLEM, body, "ApiException"),
            (302, None, body, "ApiException"),
            (302, None, "", "CommunicationException"),
            (302, Some("text/html"), "<html>", "CommunicationException"),
        ] {
            assert_eq!(class(status, kind, body), expected, "{status} {body}");
        }
    }
}
