//! GreenPay's posts to the merchant: the same JSON as the answer, plus `callback`.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::GreenPay;
use crate::host::clock;
use crate::host::delivery::{Delivery, Message, deliver};

/// The webhook that repeats an answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Webhook {
    /// Below the merchant's base URL: `/`, `/newCard` or `/subscription/payment/results`.
    pub(crate) route: &'static str,
    /// What the order was made with.
    pub(crate) callback: Option<String>,
}

/// A webhook that was delivered or given up.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Delivered {
    route: &'static str,
    #[serde(with = "clock::as_text")]
    at: OffsetDateTime,
    attempts: u32,
    /// The merchant's HTTP status; `None` if there was no answer.
    status: Option<u16>,
    body: Value,
}

/// Posts in the background after a while.
pub(crate) fn send_later(
    greenpay: Arc<GreenPay>,
    base: String,
    webhook: Webhook,
    body: Value,
    after: Duration,
) {
    tokio::spawn(async move {
        let send = async {
            tokio::time::sleep(after).await;
            send(&greenpay, &base, &webhook, body).await;
        };
        tokio::select! {
            () = send => {}
            () = greenpay.host.shared.stopped() => {}
        }
    });
}

async fn send(greenpay: &GreenPay, base: &str, webhook: &Webhook, mut body: Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(
            "callback".into(),
            webhook.callback.clone().unwrap_or_default().into(),
        );
    }
    let url = format!("{}{}", base.trim_end_matches('/'), webhook.route);
    let Delivery { attempts, status } = deliver(&Message {
        method: Method::POST,
        url,
        headers: Vec::new(),
        body: body.to_string(),
    })
    .await;
    tracing::info!(route = webhook.route, status, attempts, "webhook");
    if let Some(fields) = body.as_object_mut() {
        for name in ["nickname", "cardHolder"] {
            if let Some(Value::String(text)) = fields.get_mut(name) {
                *text = cardseal::redact::card_digits(text);
            }
        }
    }
    let at = greenpay.host.now();
    greenpay.host.with(|ledger| {
        ledger.book.webhooks_sent.push(Delivered {
            route: webhook.route,
            at,
            attempts,
            status,
            body,
        })
    });
}
