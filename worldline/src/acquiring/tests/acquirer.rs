//! A small simulated acquirer. The gateway's tests include this file, too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

pub(crate) const PAN: &str = "4176669999000104";
pub(crate) const SECRET: &str = "s+cr&t=%7";
pub(crate) const PROCESSING: &str = "/processing/v1/100812/520000214";

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
    /// The token is rejected.
    Unauthorized,
}

#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
    pub(crate) body: Value,
}

#[derive(Default)]
pub(crate) struct Acquirer {
    pub(crate) seen: Mutex<Vec<Seen>>,
    pub(crate) troubles: Mutex<Vec<Trouble>>,
    /// Fixed responses, by path.
    pub(crate) fixed: Mutex<BTreeMap<String, (u16, Value)>>,
    /// Request and response of each operation, by its id.
    pub(crate) known: Mutex<BTreeMap<String, (Value, Value)>>,
    pub(crate) operations: Mutex<Vec<Value>>,
    pub(crate) tokens: AtomicU32,
    pub(crate) done: AtomicU32,
}

pub(crate) const LATE: Duration = Duration::from_millis(2500);

impl Acquirer {
    pub(crate) async fn start() -> (Arc<Self>, String) {
        let platform = Arc::new(Self::default());
        let router = Router::new().fallback(serve).with_state(Arc::clone(&platform));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (platform, base)
    }

    pub(crate) fn answers(&self, path: &str, status: u16, body: Value) {
        self.fixed.lock().unwrap().insert(path.into(), (status, body));
    }

    pub(crate) fn trouble(&self, troubles: &[Trouble]) {
        *self.troubles.lock().unwrap() = troubles.iter().rev().copied().collect();
    }

    pub(crate) fn calls(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|seen| seen.path != "/connect/token")
            .cloned()
            .collect()
    }

    pub(crate) fn done(&self) -> u32 {
        self.done.load(Ordering::SeqCst)
    }

    /// A repeat with the same id and body gets the first response; with another body it is a conflict.
    fn carry_out(&self, seen: &Seen) -> (u16, Value) {
        if let Some(fixed) = self.fixed.lock().unwrap().get(&seen.path) {
            return fixed.clone();
        }
        if seen.method == "GET" && seen.path.starts_with(&format!("{PROCESSING}/payments/")) {
            let operations = self.operations.lock().unwrap().clone();
            return (
                200,
                json!({ "paymentId": "p-1", "status": "AUTHORIZED", "operations": operations,
                    "initialAuthorizationCode": "A1" }),
            );
        }
        let id = seen.body["operationId"].as_str().unwrap_or_default().to_owned();
        if let Some((body, answer)) = self.known.lock().unwrap().get(&id) {
            return if *body == seen.body {
                (201, answer.clone())
            } else {
                (
                    409,
                    json!({ "type": "https://x/duplicate", "title": "duplicate", "status": 409 }),
                )
            };
        }
        let approved = json!({ "operationId": id, "responder": "ISSUER", "responseCode": "0",
            "responseCodeCategory": "APPROVED", "responseCodeDescription": "APPROVED" });
        let with = |more: Value| {
            let mut answer = approved.clone();
            answer
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            answer
        };
        let operation = |kind: &str| {
            let mut operations = self.operations.lock().unwrap();
            operations.push(with(json!({ "operationType": kind })));
        };
        let tail = seen.path.strip_prefix(PROCESSING).unwrap_or(&seen.path);
        let answer = match tail {
            "/payments" => with(json!({
                "paymentId": "p-1", "totalAuthorizedAmount": seen.body["amount"], "initialAuthorizationCode": "A1",
                "status": if seen.body["cardPaymentData"]["captureImmediately"] == true { "PENDING_CAPTURE" } else { "AUTHORIZED" },
                "references": { "schemeTransactionId": "st-1" }, "cardPaymentData": { "brand": "VISA" } })),
            "/account-verifications" => with(json!({
                "references": { "schemeTransactionId": "st-1", "schemeTransactionLinkId": "link-1" } })),
            "/payments/p-1/captures" => {
                operation("CAPTURE");
                with(json!({ "payment": { "paymentId": "p-1", "status": "CONFIRMED" } }))
            }
            "/payments/p-1/refunds" => {
                operation("REFUND");
                with(json!({ "refund": { "refundId": "r-1" } }))
            }
            "/payments/p-1/authorization-reversals" => {
                operation("AUTHORIZATION_REVERSAL");
                with(json!({ "payment": { "paymentId": "p-1", "status": "REVERSED" } }))
            }
            path if path.starts_with("/operations/") => {
                let id = path.split('/').nth(2).unwrap_or_default();
                if !self.known.lock().unwrap().contains_key(id) {
                    return (404, json!({ "title": "not found", "status": 404 }));
                }
                with(json!({}))
            }
            _ => return (404, json!({ "title": "no such resource", "status": 404 })),
        };
        self.done.fetch_add(1, Ordering::SeqCst);
        self.known
            .lock()
            .unwrap()
            .insert(id, (seen.body.clone(), answer.clone()));
        (201, answer)
    }
}

pub(crate) async fn serve(State(platform): State<Arc<Acquirer>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().into()).unwrap();
    let seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().unwrap().to_string(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: serde_json::from_str(&text).unwrap_or_default(),
        text,
    };
    platform.seen.lock().unwrap().push(seen.clone());
    let reply = |status: u16, body: &Value| {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let status = StatusCode::from_u16(status).unwrap();
        (status, [("content-type", "application/json")], text).into_response()
    };
    if seen.path == "/connect/token" {
        if let Some((status, body)) = platform.fixed.lock().unwrap().get(&seen.path) {
            return reply(*status, body);
        }
        let number = platform.tokens.fetch_add(1, Ordering::SeqCst) + 1;
        return reply(
            200,
            &json!({ "access_token": format!("token-{number}"), "expires_in": 300 }),
        );
    }
    if seen.path == "/services/v1/ping" {
        return reply(204, &Value::Null);
    }
    let trouble = platform
        .troubles
        .lock()
        .unwrap()
        .pop()
        .unwrap_or(Trouble::Nothing);
    match trouble {
        Trouble::Unauthorized => return reply(401, &json!({ "title": "unauthorized", "status": 401 })),
        Trouble::LateBefore => {
            tokio::time::sleep(LATE).await;
            return reply(503, &Value::Null);
        }
        Trouble::Nothing | Trouble::LateAfter | Trouble::GatewayAfter => {}
    }
    let (status, body) = platform.carry_out(&seen);
    match trouble {
        Trouble::LateAfter => tokio::time::sleep(LATE).await,
        Trouble::GatewayAfter => return (StatusCode::BAD_GATEWAY, "<html>").into_response(),
        Trouble::Nothing | Trouble::LateBefore | Trouble::Unauthorized => {}
    }
    reply(status, &body)
}
