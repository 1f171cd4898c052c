//! What can go wrong with a call: the exceptions of the official SDK as one type.

use serde_json::Value;

use super::domain::ApiPaymentErrorResponse;
use crate::answer;
use crate::errors::CallError;
pub use crate::errors::{Communication, Mistake, OAuth2Error};
use crate::obfuscation;
use cardseal_transport::Response;

/// What the platform said when it refused. Its texts are not in `Display`, and what was secret in the request is left
/// out of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fault {
    /// Of the HTTP answer.
    pub status: u16,
    /// What it said.
    pub problem: ApiPaymentErrorResponse,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// 400 (`ValidationException`).
    #[error("the platform found a mistake in the request")]
    Validation(Box<Fault>),
    /// 403 (`AuthorizationException`).
    #[error("the platform refused access")]
    Authorization(Box<Fault>),
    /// 404, 409, 410 (`ReferenceException`). 409 is what the SDK's page calls `IdempotenceException`, too.
    #[error("the platform does not know it, or not in this state")]
    Reference(Box<Fault>),
    /// 404 of something that is not the API (`NotFoundException`).
    #[error("there is no such address at the platform")]
    NotFound,
    /// 500, 502, 503 (`PlatformException`).
    #[error("the platform failed")]
    Platform(Box<Fault>),
    /// Any other status (`ApiException`).
    #[error("the platform refused the request")]
    Api(Box<Fault>),
    /// No access token (`OAuth2Exception`); the call was not made.
    #[error("there is no access token")]
    OAuth2(#[from] OAuth2Error),
    /// No usable answer (`CommunicationException`).
    #[error("the platform gave no usable answer")]
    Communication(Communication),
    /// The request was not made.
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

/// The body of a good answer, or what a bad one says.
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
