//! Responses of the simulated hosts, among them those that no well-behaved server gives.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::faults::{Applied, Kind};

/// Marks a response that is not to be sent: the connection is cut instead.
#[derive(Clone, Copy)]
pub(crate) struct Cut;

const HUGE_BYTES: usize = 32 * 1024 * 1024;
const CHUNK: &[u8] = &[b' '; 64 * 1024];

pub(crate) fn json(status: StatusCode, body: &Value) -> Response {
    with_json_type(status, Body::from(body.to_string()))
}

fn with_json_type(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}

fn cut() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Cut);
    response
}

/// The response of a fault that keeps the work from being done.
pub(crate) fn fail_before(applied: &Applied) -> Option<Response> {
    let status = |usual: StatusCode| {
        applied
            .value()
            .and_then(|value| value.parse::<u16>().ok())
            .and_then(|code| StatusCode::from_u16(code).ok())
            .unwrap_or(usual)
    };
    Some(match applied.kind()? {
        Kind::DropBefore => cut(),
        Kind::GatewayTimeoutBeforeCommit => StatusCode::GATEWAY_TIMEOUT.into_response(),
        Kind::ServerError => {
            (status(StatusCode::INTERNAL_SERVER_ERROR), "Internal Server Error").into_response()
        }
        Kind::Html => {
            let page = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>Be right back</h1></body></html>";
            (status(StatusCode::OK), Html(page)).into_response()
        }
        Kind::EmptyNotFound => StatusCode::NOT_FOUND.into_response(),
        Kind::MisstatedError => json(status(StatusCode::NOT_FOUND), &misstated()),
        Kind::ProblemJson => problem(status(StatusCode::SERVICE_UNAVAILABLE)),
        Kind::BadGatewayBeforeCommit => StatusCode::BAD_GATEWAY.into_response(),
        Kind::NotJson => with_json_type(StatusCode::OK, Body::from("status=201&ok")),
        Kind::Delay
        | Kind::DelayAfterCommit
        | Kind::DropAfterCommit
        | Kind::GatewayTimeoutAfterCommit
        | Kind::BadGatewayAfterCommit
        | Kind::TruncatedJson
        | Kind::Huge
        | Kind::ResultNull
        | Kind::RequestIdType
        | Kind::BadSignature
        | Kind::MissingSignature
        | Kind::StrippedZeroSignature
        | Kind::WrongKeySignature
        | Kind::WrongKeyDecrypt
        | Kind::RespCode => return None,
    })
}

/// As recorded of Online Payments.
fn misstated() -> Value {
    json!({
        "errorId": Uuid::new_v4().to_string(),
        "errors": [{
            "errorCode": "20001101",
            "code": "9999",
            "id": "UNKNOWN_SERVER_ERROR",
            "message": "UNKNOWN_SERVER_ERROR",
            "category": "DIRECT_PLATFORM_ERROR",
            "httpStatusCode": 500,
            "retriable": false,
        }],
        "status": 500,
    })
}

fn problem(status: StatusCode) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": "simulated",
        "instance": format!("/{}", Uuid::new_v4()),
    });
    let mut response = json(status, &body);
    let problem = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, problem);
    response
}

/// The response after the work was done.
pub(crate) fn respond(status: StatusCode, body: &Value, applied: &Applied) -> Response {
    match applied.kind() {
        Some(Kind::DropAfterCommit) => cut(),
        Some(Kind::GatewayTimeoutAfterCommit) => StatusCode::GATEWAY_TIMEOUT.into_response(),
        Some(Kind::BadGatewayAfterCommit) => StatusCode::BAD_GATEWAY.into_response(),
        Some(Kind::TruncatedJson) => {
            let mut text = body.to_string().into_bytes();
            text.truncate(text.len() / 2);
            with_json_type(status, Body::from(text))
        }
        Some(Kind::Huge) => {
            let bytes = applied
                .value()
                .and_then(|value| value.parse().ok())
                .unwrap_or(HUGE_BYTES);
            with_json_type(status, padded(bytes, body))
        }
        _ => json(status, body),
    }
}

/// Blanks, then the answer.
fn padded(bytes: usize, body: &Value) -> Body {
    let blanks = std::iter::repeat_n(Bytes::from_static(CHUNK), bytes / CHUNK.len());
    let rest = CHUNK.get(..bytes % CHUNK.len()).unwrap_or_default();
    let chunks = blanks.chain([Bytes::from_static(rest), Bytes::from(body.to_string())]);
    Body::from_stream(stream::iter(chunks.map(Ok::<_, std::convert::Infallible>)))
}
