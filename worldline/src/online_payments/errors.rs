//! The errors of a call: the exceptions of the official SDKs as one enum.

use serde_json::Value;

use super::domain::{ApiErrorItem, ErrorResponse, OperationResponse, PaymentResult, ProblemDetails};
use crate::answer;
use crate::errors::{CallError, OAuth2Error};
pub use crate::errors::{Communication, Mistake};
use crate::obfuscation;
use cardseal_transport::{Failure, Response};

/// The platform's reasons for refusing a request. `Display` of the error does not contain its texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fault {
    /// The HTTP status. `http_status_code` in the body can differ from it and be wrong.
    pub status: u16,
    /// Identifies this error to the platform's support.
    pub error_id: Option<String>,
    /// The reasons, if the body has the platform's own form.
    pub errors: Vec<ApiErrorItem>,
    /// The reason, if the body has the form of RFC 7807, as from some services.
    pub problem: Option<ProblemDetails>,
}

impl Fault {
    /// The `error_code` of the first reason, or its older `code`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        let first = self.errors.first()?;
        first.error_code.as_deref().or(first.code.as_deref())
    }
}

/// A payment that was created and declined.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclinedPayment {
    /// The platform's reasons.
    pub fault: Fault,
    /// The declined payment.
    pub result: PaymentResult,
}

/// A refund or a payout that was created and declined.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclinedOperation {
    /// The platform's reasons.
    pub fault: Fault,
    /// The declined refund or payout.
    pub result: OperationResponse,
}

/// An earlier request with the same idempotence key is still in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct InProgress {
    /// The platform's response.
    pub fault: Fault,
    /// The key of both requests.
    pub idempotence_key: String,
    /// When the platform received the first request, in milliseconds since 1970, if it says so.
    pub request_timestamp: Option<u64>,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The payment was declined (`DeclinedPaymentException`).
    #[error("the payment was declined")]
    DeclinedPayment(Box<DeclinedPayment>),
    /// The refund was declined (`DeclinedRefundException`).
    #[error("the refund was declined")]
    DeclinedRefund(Box<DeclinedOperation>),
    /// The payout was declined (`DeclinedPayoutException`).
    #[error("the payout was declined")]
    DeclinedPayout(Box<DeclinedOperation>),
    /// 400 (`ValidationException`).
    #[error("the platform rejected the request as invalid")]
    Validation(Box<Fault>),
    /// 403 (`AuthorizationException`).
    #[error("the platform denied access; check the API key, its secret and the merchant id")]
    Authorization(Box<Fault>),
    /// 409 for a call with a key (`IdempotenceException`).
    #[error("a request with the same idempotence key is in progress")]
    Idempotence(Box<InProgress>),
    /// 404, 409, 410 (`ReferenceException`).
    #[error("the platform does not know this id, or its state does not allow the operation")]
    Reference(Box<Fault>),
    /// 404 with a body that is not JSON (`NotFoundException`): probably not from the API.
    #[error("nothing answers at this address; check the endpoint's host")]
    NotFound,
    /// 500, 502, 503 (`PlatformException`; `DirectException` in older guides).
    #[error("the platform had an internal error")]
    Platform(Box<Fault>),
    /// Any other status (`ApiException`).
    #[error("the platform refused the request")]
    Api(Box<Fault>),
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

impl From<OAuth2Error> for Error {
    /// Only a replaced authenticator can cause this, because the product's own one needs no access token.
    fn from(_: OAuth2Error) -> Self {
        Self::Communication(Communication::Failure(Failure::NotSent))
    }
}

impl CallError for Error {
    fn not_found() -> Self {
        Self::NotFound
    }
}

/// How a 409 says that the first request is in progress: the codes that older and newer SDKs expect, and the
/// error's id. Each of them can be in any of the three members.
const IN_PROGRESS: &[&str] = &["1409", "30001002", "DUPLICATE_REQUEST_IN_PROGRESS"];

/// The response header of a repeated request.
pub(super) const REQUEST_TIMESTAMP: &str = "x-gcs-idempotence-request-timestamp";

/// Returns the time of the first request, in milliseconds since 1970.
pub(super) fn request_timestamp(answer: &Response) -> Option<u64> {
    answer.header(REQUEST_TIMESTAMP)?.trim().parse().ok()
}

/// Returns the body of a successful response, or the error that the response reports. `key` is the idempotence key of
/// the request. `secrets` are masked in the platform's texts.
pub fn read(
    answer: &Response,
    key: Option<&str>,
    secrets: &[String],
    unmarshal: impl Fn(&[u8]) -> Option<Value>,
) -> Result<Value, Error> {
    let status = answer.status;
    let not_json = Error::Communication(Communication::NotJson(status));
    let body = answer::body::<Error>(answer, unmarshal)?;
    if (200..300).contains(&status) {
        return Ok(body);
    }
    if !body.is_null() && !body.is_object() {
        return Err(not_json);
    }
    let fault = fault(status, &body, secrets);
    let result = |name: &str| body.get(name).filter(|result| result.is_object()).cloned();
    if let Some(result) = result("paymentResult") {
        let result = serde_json::from_value(result).map_err(|_| not_json)?;
        return Err(Error::DeclinedPayment(Box::new(DeclinedPayment {
            fault,
            result,
        })));
    }
    for (name, declined) in [
        (
            "payoutResult",
            Error::DeclinedPayout as fn(Box<DeclinedOperation>) -> Error,
        ),
        ("refundResult", Error::DeclinedRefund),
    ] {
        if let Some(result) = result(name) {
            let result = serde_json::from_value(result).map_err(|_| not_json)?;
            return Err(declined(Box::new(DeclinedOperation { fault, result })));
        }
    }
    let fault = Box::new(fault);
    Err(match (status, key) {
        (400, _) => Error::Validation(fault),
        (403, _) => Error::Authorization(fault),
        (409, Some(key)) if in_progress(&fault, answer) => Error::Idempotence(Box::new(InProgress {
            fault: *fault,
            idempotence_key: key.into(),
            request_timestamp: request_timestamp(answer),
        })),
        (404 | 409 | 410, _) => Error::Reference(fault),
        (500 | 502 | 503, _) => Error::Platform(fault),
        _ => Error::Api(fault),
    })
}

fn in_progress(fault: &Fault, answer: &Response) -> bool {
    let said = match fault.errors.as_slice() {
        [only] => [&only.error_code, &only.code, &only.id]
            .into_iter()
            .flatten()
            .any(|word| IN_PROGRESS.contains(&word.as_str())),
        _ => false,
    };
    said || answer.header(REQUEST_TIMESTAMP).is_some()
}

fn fault(status: u16, body: &Value, secrets: &[String]) -> Fault {
    let clean = |text: &mut Option<String>| {
        if let Some(text) = text {
            *text = obfuscation::without(secrets, text);
        }
    };
    let error: ErrorResponse = serde_json::from_value(body.clone()).unwrap_or_default();
    let mut errors = error.errors.unwrap_or_default();
    errors.iter_mut().for_each(|error| clean(&mut error.message));
    let says = ["title", "detail", "type"]
        .iter()
        .any(|name| body.get(name).is_some());
    let problem = says.then(|| {
        let mut problem: ProblemDetails = serde_json::from_value(body.clone()).unwrap_or_default();
        clean(&mut problem.title);
        clean(&mut problem.detail);
        clean(&mut problem.instance);
        problem
    });
    Fault {
        status,
        error_id: error.error_id,
        errors,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, kind: Option<&str>, body: &str) -> Response {
        Response {
            status,
            headers: kind
                .into_iter()
                .map(|kind| ("content-type".to_owned(), kind.to_owned()))
                .collect(),
            body: body.into(),
        }
    }

    fn class(result: &Result<Value, Error>) -> &'static str {
        match result {
            Ok(_) => "-",
            Err(Error::DeclinedPayment(_)) => "DeclinedPaymentException",
            Err(Error::DeclinedRefund(_)) => "DeclinedRefundException",
            Err(Error::DeclinedPayout(_)) => "DeclinedPayoutException",
            Err(Error::Validation(_)) => "ValidationException",
            Err(Error::Authorization(_)) => "AuthorizationException",
            Err(Error::Idempotence(_)) => "IdempotenceException",
            Err(Error::Reference(_)) => "ReferenceException",
            Err(Error::NotFound) => "NotFoundException",
            Err(Error::Platform(_)) => "PlatformException",
            Err(Error::Api(_)) => "ApiException",
            Err(Error::Communication(_)) => "CommunicationException",
            Err(Error::Mistake(_)) => "mistake",
        }
    }

    const JSON: Option<&str> = Some("application/json; charset=utf-8");

    fn error(code: &str) -> String {
        json!({ "errorId": "e", "errors": [{ "errorCode": code, "httpStatusCode": 500 }] }).to_string()
    }

    #[test]
    fn every_row_of_the_published_tables() {
        let plain = error("50001111");
        let declined =
            |name: &str| json!({ "errorId": "e", "errors": [], name: { "id": "1_0" } }).to_string();
        let busy = |name: &str, word: &str| json!({ "errors": [{ name: word }] }).to_string();
        let two = json!({ "errors": [{ "errorCode": "1409" }, { "errorCode": "1409" }] }).to_string();
        for (status, kind, body, key, expected) in [
            (200, JSON, "{}", None, "-"),
            (201, JSON, "{}", None, "-"),
            (204, None, "", None, "-"),
            (204, Some("text/plain"), "", None, "-"),
            (200, Some("text/html"), "<html>", None, "CommunicationException"),
            (200, JSON, "no", None, "CommunicationException"),
            (
                402,
                JSON,
                &declined("paymentResult"),
                None,
                "DeclinedPaymentException",
            ),
            (
                400,
                JSON,
                &declined("paymentResult"),
                None,
                "DeclinedPaymentException",
            ),
            (
                400,
                JSON,
                &declined("payoutResult"),
                None,
                "DeclinedPayoutException",
            ),
            (
                402,
                JSON,
                &declined("refundResult"),
                None,
                "DeclinedRefundException",
            ),
            (400, JSON, &plain, None, "ValidationException"),
            (
                400,
                Some("application/problem+json"),
                r#"{"title":"x"}"#,
                None,
                "ValidationException",
            ),
            (401, JSON, &plain, None, "ApiException"),
            (402, JSON, &plain, None, "ApiException"),
            (403, JSON, &plain, None, "AuthorizationException"),
            (404, JSON, &plain, None, "ReferenceException"),
            (404, None, "", None, "ReferenceException"),
            (404, Some("text/html"), "<html>", None, "NotFoundException"),
            (404, Some("text/html"), "", None, "NotFoundException"),
            (409, JSON, &error("1409"), Some("k"), "IdempotenceException"),
            (409, JSON, &error("30001002"), Some("k"), "IdempotenceException"),
            (409, JSON, &error("1409"), None, "ReferenceException"),
            (409, JSON, &plain, Some("k"), "ReferenceException"),
            (409, JSON, &two, Some("k"), "ReferenceException"),
            (
                409,
                JSON,
                &busy("id", "DUPLICATE_REQUEST_IN_PROGRESS"),
                Some("k"),
                "IdempotenceException",
            ),
            (
                409,
                JSON,
                &busy("id", "DUPLICATE_REQUEST_IN_PROGRESS"),
                None,
                "ReferenceException",
            ),
            (
                409,
                JSON,
                &busy("code", "1409"),
                Some("k"),
                "IdempotenceException",
            ),
            (
                409,
                JSON,
                &busy("code", "30001002"),
                Some("k"),
                "IdempotenceException",
            ),
            (
                409,
                JSON,
                &busy("id", "REFERENCE_IN_USE"),
                Some("k"),
                "ReferenceException",
            ),
            (
                409,
                JSON,
                &busy("message", "1409"),
                Some("k"),
                "ReferenceException",
            ),
            (400, JSON, &busy("code", "1409"), Some("k"), "ValidationException"),
            (410, JSON, &plain, None, "ReferenceException"),
            (418, JSON, &plain, None, "ApiException"),
            (500, JSON, &plain, None, "PlatformException"),
            (502, JSON, &plain, None, "PlatformException"),
            (503, JSON, "", None, "PlatformException"),
            (504, JSON, &plain, None, "ApiException"),
            (
                502,
                Some("text/html"),
                "<html>Bad gateway",
                None,
                "CommunicationException",
            ),
            (500, None, "<html>", None, "CommunicationException"),
            (500, JSON, "[1]", None, "CommunicationException"),
            (302, None, "", None, "CommunicationException"),
            (302, Some("text/html"), "<html>", None, "CommunicationException"),
            (302, JSON, &plain, None, "ApiException"),
        ] {
            let result = read(&answer(status, kind, body), key, &[], |bytes| {
                serde_json::from_slice(bytes).ok()
            });
            assert_eq!(class(&result), expected, "{status} {kind:?} {body} {key:?}");
        }
    }

    #[test]
    fn the_documented_table_names_every_error() {
        let guide = include_str!("../../../docs/online-payments.md");
        let (_, table) = guide
            .split_once("| exception | here | when |\n|---|---|---|\n")
            .unwrap();
        let mut documented: Vec<String> = table
            .lines()
            .take_while(|line| line.starts_with('|'))
            .map(|row| {
                let cell = |at: usize| row.split('|').nth(at).unwrap().trim().replace('`', "");
                let name = cell(1).split(' ').next().unwrap_or_default().to_owned();
                format!("{name} {}", cell(2).replace("Error::", ""))
            })
            .collect();
        let fault = Box::<Fault>::default;
        let operation = || {
            Box::new(DeclinedOperation {
                fault: Fault::default(),
                result: OperationResponse::default(),
            })
        };
        let mut known: Vec<String> = [
            Error::DeclinedPayment(Box::new(DeclinedPayment {
                fault: Fault::default(),
                result: PaymentResult::default(),
            })),
            Error::DeclinedRefund(operation()),
            Error::DeclinedPayout(operation()),
            Error::Validation(fault()),
            Error::Authorization(fault()),
            Error::Idempotence(Box::new(InProgress {
                fault: Fault::default(),
                idempotence_key: String::new(),
                request_timestamp: None,
            })),
            Error::Reference(fault()),
            Error::NotFound,
            Error::Platform(fault()),
            Error::Api(fault()),
            Error::Communication(Communication::NotJson(200)),
            Error::Mistake(Mistake::ClearCardData),
        ]
        .into_iter()
        .map(|error| {
            let shown = format!("{error:?}");
            let variant = shown.split('(').next().unwrap_or_default().to_owned();
            // A value that cannot be sent has no exception there.
            let name = class(&Err(error)).replace("mistake", "");
            format!("{name} {variant}")
        })
        .collect();
        documented.sort();
        known.sort();
        assert_eq!(documented, known);
    }

    #[test]
    fn tells_when_the_first_request_came() {
        let mut first = answer(409, JSON, &error("9999"));
        first
            .headers
            .push((REQUEST_TIMESTAMP.into(), "1795250000000".into()));
        let result = read(&first, Some("k"), &[], |bytes| serde_json::from_slice(bytes).ok());
        let Err(Error::Idempotence(in_progress)) = result else {
            panic!("{result:?}");
        };
        assert_eq!(
            (
                in_progress.idempotence_key.as_str(),
                in_progress.request_timestamp
            ),
            ("k", Some(1_795_250_000_000))
        );
    }

    #[test]
    fn reads_the_recorded_refusals() {
        // As recorded from the platform: indented, with carriage returns and without `errorCode`.
        let body = "{\r\n  \"errorId\" : \"e-1\",\r\n  \"errors\" : [ {\r\n    \"code\" : \"9007\",\r\n    \
            \"id\" : \"ACCESS_TO_MERCHANT_NOT_ALLOWED\",\r\n    \"httpStatusCode\" : 403\r\n  } ],\r\n  \"status\" : 403\r\n}";
        let Err(Error::Authorization(fault)) = read(&answer(403, JSON, body), None, &[], |bytes| {
            serde_json::from_slice(bytes).ok()
        }) else {
            panic!("not refused");
        };
        assert_eq!(
            (fault.error_id.as_deref(), fault.code()),
            (Some("e-1"), Some("9007"))
        );
        // The status of the response counts, whatever the body says.
        let result = read(&answer(404, JSON, &error("20001101")), None, &[], |bytes| {
            serde_json::from_slice(bytes).ok()
        });
        assert!(matches!(result, Err(Error::Reference(fault)) if fault.status == 404));
    }

    #[test]
    fn an_error_says_nothing_of_the_body() {
        let body = json!({ "errors": [{ "errorCode": "1", "message": "card 4567350000427977" }],
            "paymentResult": { "creationOutput": { "token": "hunter2" } } });
        let result = read(&answer(402, JSON, &body.to_string()), None, &[], |bytes| {
            serde_json::from_slice(bytes).ok()
        });
        let error = result.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("4567350000427977"),
            "{shown}"
        );
    }
}
