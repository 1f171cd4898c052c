//! GreenPay's posts to the merchant: the same JSON as the answer, plus `callback`.
//!
//! Whether the real platform repeats a post that failed is not documented; this one tries three times.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{Method, Request, Uri};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::GreenPay;
use crate::clock;

const ATTEMPTS: u32 = 3;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(500);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where an answer is told.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Hook {
    /// Below the merchant's base URL: `/` or `/newCard`.
    pub(crate) route: &'static str,
    /// What the order was made with.
    pub(crate) callback: Option<String>,
}

/// A post that was made, or given up.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sent {
    route: &'static str,
    #[serde(with = "clock::as_text")]
    at: OffsetDateTime,
    attempts: u32,
    /// The merchant's HTTP status; nothing if there was no answer.
    status: Option<u16>,
    body: Value,
}

/// A merchant's base URL: plain HTTP to this machine, as the sandbox never talks to anyone else.
pub(crate) fn check_base(url: &str) -> Result<(), String> {
    let refused = || "a webhook URL is http:// and a loopback host".to_owned();
    let uri: Uri = url.parse().map_err(|_| refused())?;
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let loopback = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if uri.scheme_str() == Some("http") && loopback && uri.query().is_none() {
        Ok(())
    } else {
        Err(refused())
    }
}

/// Posts in the background after a while.
pub(crate) fn send_later(greenpay: Arc<GreenPay>, base: String, hook: Hook, body: Value, after: Duration) {
    tokio::spawn(async move {
        let send = async {
            tokio::time::sleep(after).await;
            send(&greenpay, &base, &hook, body).await;
        };
        tokio::select! {
            () = send => {}
            () = greenpay.shared.stopped() => {}
        }
    });
}

async fn send(greenpay: &GreenPay, base: &str, hook: &Hook, mut body: Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(
            "callback".into(),
            hook.callback.clone().unwrap_or_default().into(),
        );
    }
    let url = format!("{}{}", base.trim_end_matches('/'), hook.route);
    let mut status = None;
    let mut attempts = 0;
    while attempts < ATTEMPTS && !status.is_some_and(|status| (200..300).contains(&status)) {
        if attempts > 0 {
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
        attempts += 1;
        status = post(&url, &body).await;
    }
    tracing::info!(route = hook.route, status, attempts, "webhook");
    if let Some(fields) = body.as_object_mut() {
        for name in ["nickname", "cardHolder"] {
            if let Some(Value::String(text)) = fields.get_mut(name) {
                *text = cardseal::redact::card_digits(text);
            }
        }
    }
    let at = greenpay.shared.clock.now();
    greenpay.with(|ledger| {
        ledger.book.webhooks_sent.push(Sent {
            route: hook.route,
            at,
            attempts,
            status,
            body,
        })
    });
}

async fn post(url: &str, body: &Value) -> Option<u16> {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json")
        .body(Full::from(body.to_string()))
        .ok()?;
    let answer = tokio::time::timeout(ATTEMPT_TIMEOUT, client.request(request))
        .await
        .ok()?
        .ok()?;
    Some(answer.status().as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_to_this_machine_only() {
        for good in [
            "http://127.0.0.1:8080",
            "http://localhost/hooks",
            "http://[::1]:9/",
            "http://127.9.9.9/a/b",
        ] {
            assert_eq!(check_base(good), Ok(()), "{good}");
        }
        for bad in [
            "https://127.0.0.1",
            "http://example.com",
            "http://127.0.0.1.example.com",
            "/",
            "",
            "http://127.0.0.1/?a=b",
            "http://10.0.0.1",
        ] {
            assert!(check_base(bad).is_err(), "{bad}");
        }
    }
}
