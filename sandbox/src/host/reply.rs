//! Replies of the platforms, and what faults make of them: responses that no well-behaved server gives.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use uuid::Uuid;

use super::faults::{ActiveFault, Kind};

/// Marks a response in whose place the connection is cut.
#[derive(Clone, Copy)]
pub(crate) struct Cut;

const HUGE_BYTES: usize = 32 * 1024 * 1024;
const CHUNK: &[u8] = &[b' '; 64 * 1024];

/// What a platform answers.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Option<String>,
    headers: HeaderMap,
    /// Why it is a refusal, for the log.
    refusal: Option<String>,
}

impl Reply {
    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self::text(status, body.to_string())
    }

    /// With a body that is JSON already.
    pub(crate) fn text(status: StatusCode, body: String) -> Self {
        Self {
            body: Some(body),
            ..Self::empty(status)
        }
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            body: None,
            headers: HeaderMap::new(),
            refusal: None,
        }
    }

    pub(crate) fn typed(self, content_type: &'static str) -> Self {
        self.with(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    pub(crate) fn refused(mut self, why: impl Into<String>) -> Self {
        self.refusal = Some(why.into());
        self
    }

    /// Logs one line for the request.
    pub(crate) fn log(&self, platform: &str, route: &str, fault: &ActiveFault) {
        let (status, refusal) = (self.status.as_u16(), self.refusal.as_deref());
        tracing::info!(platform, route, status, refusal, fault = ?fault.kind(), "request");
    }

    /// The response, or what a fault makes of it once the work is done.
    pub(crate) fn under(self, fault: &ActiveFault) -> Response {
        let mut response = match (fault.kind(), self.body) {
            (Some(Kind::DropAfterCommit), _) => return cut(),
            (Some(Kind::GatewayTimeoutAfterCommit), _) => return StatusCode::GATEWAY_TIMEOUT.into_response(),
            (_, None) => self.status.into_response(),
            (Some(Kind::TruncatedJson), Some(body)) => {
                let mut body = body.into_bytes();
                body.truncate(body.len() / 2);
                with_json_type(self.status, Body::from(body))
            }
            (Some(Kind::Huge), Some(body)) => {
                let bytes = fault.value().and_then(|value| value.parse().ok());
                with_json_type(self.status, padded(bytes.unwrap_or(HUGE_BYTES), body))
            }
            (_, Some(body)) => with_json_type(self.status, Body::from(body)),
        };
        response.headers_mut().extend(self.headers);
        response
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        self.under(&ActiveFault::default())
    }
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
pub(crate) fn fail_before(fault: &ActiveFault) -> Option<Response> {
    let status = |usual: StatusCode| {
        let code = fault.value().and_then(|value| value.parse::<u16>().ok());
        code.and_then(|code| StatusCode::from_u16(code).ok())
            .unwrap_or(usual)
    };
    Some(match fault.kind() {
        Some(Kind::DropBefore) => cut(),
        Some(Kind::GatewayTimeoutBeforeCommit) => StatusCode::GATEWAY_TIMEOUT.into_response(),
        Some(Kind::ServerError) => {
            (status(StatusCode::INTERNAL_SERVER_ERROR), "Internal Server Error").into_response()
        }
        Some(Kind::Html) => {
            let page = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>Be right back</h1></body></html>";
            (status(StatusCode::OK), Html(page)).into_response()
        }
        Some(Kind::EmptyNotFound) => StatusCode::NOT_FOUND.into_response(),
        Some(Kind::MisstatedError) => {
            with_json_type(status(StatusCode::NOT_FOUND), Body::from(misstated().to_string()))
        }
        Some(Kind::ProblemJson) => problem(status(StatusCode::SERVICE_UNAVAILABLE)),
        Some(Kind::NotJson) => with_json_type(StatusCode::OK, Body::from("status=201&ok")),
        _ => return None,
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
    let reply = Reply::json(status, &body).typed("application/problem+json");
    reply.into_response()
}

/// Blanks, then the answer.
fn padded(bytes: usize, body: String) -> Body {
    let blanks = std::iter::repeat_n(Bytes::from_static(CHUNK), bytes / CHUNK.len());
    let rest = CHUNK.get(..bytes % CHUNK.len()).unwrap_or_default();
    let chunks = blanks.chain([Bytes::from_static(rest), Bytes::from(body)]);
    Body::from_stream(stream::iter(chunks.map(Ok::<_, std::convert::Infallible>)))
}
