//! A small simulated platform. The gateway's tests include this file, too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

pub(crate) const KEY: &str = "TESTKEY0001";
pub(crate) const SECRET: &str = "dGVzdC1zZWNyZXQtMDAwMQ==";
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A fault of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Nothing,
    /// The operation is done, but the response comes too late.
    LateAfter,
    /// The operation is not done, and no response comes.
    LateBefore,
    /// The operation is done, but a proxy loses the response.
    GatewayAfter,
    /// The operation is done, but the platform responds with an error.
    ErrorAfter,
    /// The first request is in progress.
    Busy,
}

pub(crate) const TROUBLES: [Trouble; 6] = [
    Trouble::Nothing,
    Trouble::LateAfter,
    Trouble::LateBefore,
    Trouble::GatewayAfter,
    Trouble::ErrorAfter,
    Trouble::Busy,
];

#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

#[derive(Default)]
pub(crate) struct Platform {
    /// Status, code and flags of a new payment.
    pub(crate) payment: Mutex<Value>,
    /// Fixed responses, by path.
    pub(crate) fixed: Mutex<BTreeMap<String, (u16, Value)>>,
    pub(crate) troubles: Mutex<Vec<Trouble>>,
    pub(crate) answers: Mutex<BTreeMap<String, (u16, Value)>>,
    pub(crate) done: AtomicU32,
    pub(crate) seen: Mutex<Vec<Seen>>,
}

pub(crate) const LATE: Duration = Duration::from_millis(3000);

pub(crate) fn status(status: &str, code: i64) -> Value {
    json!({ "status": status, "statusOutput": { "statusCode": code } })
}

impl Platform {
    pub(crate) async fn start() -> (Arc<Self>, String) {
        let platform = Arc::new(Self::default());
        platform.becomes("CAPTURED", 9);
        let router = Router::new().fallback(serve).with_state(Arc::clone(&platform));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (platform, base)
    }

    pub(crate) fn becomes(&self, word: &str, code: i64) {
        *self.payment.lock().unwrap() = status(word, code);
    }

    pub(crate) fn answers(&self, path: &str, status: u16, body: Value) {
        self.fixed.lock().unwrap().insert(path.into(), (status, body));
    }

    pub(crate) fn trouble(&self, troubles: &[Trouble]) {
        *self.troubles.lock().unwrap() = troubles.to_vec();
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn done(&self) -> u32 {
        self.done.load(Ordering::SeqCst)
    }

    /// Carries out a request. A known idempotence key gets the first response again.
    fn carry_out(&self, seen: &Seen) -> (u16, Value) {
        if let Some(fixed) = self.fixed.lock().unwrap().get(&seen.path) {
            return fixed.clone();
        }
        let payment = || {
            let mut payment = self.payment.lock().unwrap().clone();
            payment["id"] = json!("3254564310_0");
            payment
        };
        let answer = match (seen.method.as_str(), seen.path.rsplit('/').next().unwrap()) {
            ("POST", "payments") => {
                let mut payment = payment();
                payment["paymentOutput"] = json!({
                    "amountOfMoney": seen.body["order"]["amountOfMoney"],
                    "references": seen.body["order"]["references"],
                });
                (201, json!({ "payment": payment }))
            }
            ("POST", "cancel") => (200, json!({ "payment": payment() })),
            ("POST", "capture" | "refund") => {
                let mut made = payment();
                made["id"] = json!("3254564310_1");
                (201, made)
            }
            ("GET", "3254564310_0") => (200, payment()),
            _ => (
                404,
                json!({ "errorId": "e", "errors": [{ "errorCode": "50001130", "id": "UNKNOWN" }] }),
            ),
        };
        let Some(key) = seen.headers.get("x-gcs-idempotence-key") else {
            return answer;
        };
        let mut answers = self.answers.lock().unwrap();
        if let Some(first) = answers.get(key) {
            return first.clone();
        }
        self.done.fetch_add(1, Ordering::SeqCst);
        answers.insert(key.clone(), answer.clone());
        answer
    }
}

pub(crate) async fn serve(State(platform): State<Arc<Platform>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let headers: BTreeMap<String, String> = text(&parts.headers);
    let path = parts.uri.to_string();
    let seen = Seen {
        method: parts.method.to_string(),
        path,
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let expected = signature(&seen);
    platform.seen.lock().unwrap().push(seen.clone());
    if seen.headers.get("authorization") != Some(&expected) {
        return (
            StatusCode::FORBIDDEN,
            axum::Json(json!({ "errors": [{ "code": "9007" }] })),
        )
            .into_response();
    }
    let trouble = {
        let mut troubles = platform.troubles.lock().unwrap();
        if troubles.is_empty() {
            Trouble::Nothing
        } else {
            troubles.remove(0)
        }
    };
    if trouble == Trouble::LateBefore {
        tokio::time::sleep(LATE).await;
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if trouble == Trouble::Busy {
        let body = json!({ "errors": [{ "errorCode": "1409" }] });
        return (StatusCode::CONFLICT, axum::Json(body)).into_response();
    }
    let again = seen
        .headers
        .get("x-gcs-idempotence-key")
        .is_some_and(|key| platform.answers.lock().unwrap().contains_key(key));
    let (status, answer) = platform.carry_out(&seen);
    let mut headers = HeaderMap::new();
    if again {
        headers.insert(
            "x-gcs-idempotence-request-timestamp",
            "1795250000000".parse().unwrap(),
        );
    }
    match trouble {
        Trouble::LateAfter => tokio::time::sleep(LATE).await,
        Trouble::GatewayAfter => {
            return (StatusCode::BAD_GATEWAY, axum::response::Html("<html>Bad gateway")).into_response();
        }
        Trouble::ErrorAfter => {
            let body = json!({ "errors": [{ "errorCode": "20001101" }] });
            return (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(body)).into_response();
        }
        Trouble::Nothing | Trouble::LateBefore | Trouble::Busy => {}
    }
    let status = StatusCode::from_u16(status).unwrap();
    if status == StatusCode::NO_CONTENT {
        return status.into_response();
    }
    (status, headers, axum::Json(answer)).into_response()
}

pub(crate) fn text(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect()
}

/// Computes the signature of a received request.
pub(crate) fn signature(seen: &Seen) -> String {
    let header = |name: &str| seen.headers.get(name).cloned().unwrap_or_default();
    let mut text = format!(
        "{}\n{}\n{}\n",
        seen.method,
        header("content-type"),
        header("date")
    );
    for (name, value) in seen.headers.iter().filter(|(name, _)| name.starts_with("x-gcs")) {
        text.push_str(&format!("{name}:{value}\n"));
    }
    text.push_str(&format!("{}\n", seen.path));
    format!("GCS v1HMAC:{KEY}:{}", mac(SECRET, &text))
}

/// HMAC-SHA256 in base64, as the platform computes it.
pub(crate) fn mac(secret: &str, text: &str) -> String {
    let mut mac: Hmac<Sha256> = Hmac::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}
