//! Events: signed and posted to the merchant in the order in which they happened, and again until they are taken.

use std::sync::Weak;
use std::time::Duration;

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use uuid::Uuid;

use super::book::{Delivered, Event};
use super::refusal::Refusal;
use super::{Answer, Call, Ledger, OnlinePayments, Reply, signature, timestamp, without_nulls};
use crate::host::Shared;
use crate::host::delivery::{self, Message};
use crate::host::faults::Kind;

const KEY_ID: &str = "X-GCS-KeyId";
const SIGNATURE: &str = "X-GCS-Signature";
const RETRY_COUNT: &str = "retry-count";
const VERIFICATION: &str = "X-GCS-Webhooks-Endpoint-Verification";

/// How soon after its time an operation comes to its end.
const TICK: Duration = Duration::from_millis(20);
/// How long an event waits for one that may overtake it.
const OVERTAKING: Duration = Duration::from_millis(300);

/// An event on its way to one address.
#[derive(Clone)]
pub(crate) struct Outgoing {
    kind: &'static str,
    id: String,
    url: String,
    body: Value,
    after: Duration,
}

/// Posts what comes through the queue, and lets operations come to their end. Ends with the sandbox.
pub(crate) fn deliver_in_order(
    platform: Weak<OnlinePayments>,
    shared: Shared,
    mut queue: UnboundedReceiver<Outgoing>,
) {
    tokio::spawn(async move {
        let work = async {
            let mut ticks = interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let event = tokio::select! {
                    event = queue.recv() => event,
                    _ = ticks.tick() => {
                        let Some(platform) = platform.upgrade() else { break };
                        platform.settle();
                        continue;
                    }
                };
                let (Some(event), Some(platform)) = (event, platform.upgrade()) else {
                    break;
                };
                if !event.after.is_zero() {
                    let shared = shared.clone();
                    tokio::spawn(async move {
                        tokio::select! {
                            () = async { sleep(event.after).await; platform.deliver(event).await; } => {}
                            () = shared.stopped() => {}
                        }
                    });
                    continue;
                }
                if platform.host.with(|ledger| ledger.settings.webhook_reorder)
                    && let Ok(Some(next)) = timeout(OVERTAKING, queue.recv()).await
                {
                    platform.clone().deliver(next).await;
                }
                platform.deliver(event).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = shared.stopped() => {}
        }
    });
}

impl OnlinePayments {
    /// Lets operations whose time has come end. What others have to tell waits for them, as it may have to come later.
    pub(crate) fn settle(&self) {
        let now = self.host.now();
        self.host.with(|ledger| {
            let others = std::mem::take(&mut ledger.book.outbox);
            ledger.book.settle(now);
            let own = std::mem::replace(&mut ledger.book.outbox, others);
            self.queue(ledger, own, Duration::ZERO);
        });
    }

    /// Hands what happened to the queue; under the lock, so that nothing overtakes.
    pub(crate) fn send_events(&self, after: Duration) {
        self.host.with(|ledger| {
            let events = std::mem::take(&mut ledger.book.outbox);
            self.queue(ledger, events, after);
        });
    }

    fn queue(&self, ledger: &Ledger, events: Vec<Event>, after: Duration) {
        let usual: Vec<String> = ledger.settings.webhook_url.iter().cloned().collect();
        for event in events {
            let id = Uuid::new_v4().to_string();
            let body = self.event(&event, &id, ledger.settings.webhook_array);
            for url in if event.urls.is_empty() {
                &usual
            } else {
                &event.urls
            } {
                let _stopped = self.events.send(Outgoing {
                    kind: event.kind,
                    id: id.clone(),
                    url: url.clone(),
                    body: body.clone(),
                    after,
                });
            }
        }
    }

    fn event(&self, event: &Event, id: &str, array: bool) -> Value {
        let mut fields = Map::new();
        fields.insert("apiVersion".into(), "v1".into());
        fields.insert("id".into(), id.into());
        fields.insert("created".into(), timestamp(event.at).into());
        fields.insert("merchantId".into(), self.info.merchant_id.as_str().into());
        fields.insert("type".into(), event.kind.into());
        if let Some((name, value)) = &event.about {
            fields.insert((*name).into(), without_nulls(value.clone()));
        }
        if array { json!([fields]) } else { json!(fields) }
    }

    /// The first try in place, so that events stay in order; the others later.
    async fn deliver(self: std::sync::Arc<Self>, event: Outgoing) {
        let (duplicates, waits) = self.host.with(|ledger| {
            let settings = &ledger.settings;
            (settings.webhook_duplicates, settings.webhook_retry_ms.clone())
        });
        for _ in 0..if duplicates { 2 } else { 1 } {
            let message = self.message(&event);
            let status = delivery::send(&with_count(&message, 0)).await;
            if taken(status) || waits.is_empty() {
                self.book_sent(&event, 1, status);
                continue;
            }
            let (platform, event, waits) = (self.clone(), event.clone(), waits.clone());
            tokio::spawn(async move {
                let again = async {
                    let mut status = None;
                    let mut tries = 1;
                    for wait in &waits {
                        sleep(Duration::from_millis((*wait).into())).await;
                        status = delivery::send(&with_count(&message, tries)).await;
                        tries += 1;
                        if taken(status) {
                            break;
                        }
                    }
                    platform.book_sent(&event, tries, status);
                };
                tokio::select! {
                    () = again => {}
                    () = platform.host.shared.stopped() => {}
                }
            });
        }
    }

    fn book_sent(&self, event: &Outgoing, tries: u32, status: Option<u16>) {
        tracing::info!(kind = event.kind, tries, status, "online_payments event");
        self.host.with(|ledger| {
            ledger.book.sent.push(Delivered {
                kind: event.kind,
                id: event.id.clone(),
                tries,
                status,
            });
        });
    }

    /// Signed, unless a fault says otherwise.
    fn message(&self, event: &Outgoing) -> Message {
        let fault = self.host.notification_fault::<Self>();
        let key = &self.info.webhook_key;
        let body = event.body.to_string();
        let secret = if fault.is(Kind::WrongKeySignature) {
            "another key"
        } else {
            &key.secret
        };
        let mut signed = signature::sign(secret, body.as_bytes());
        if fault.is(Kind::BadSignature) {
            let first = if signed.starts_with('A') { "B" } else { "A" };
            signed.replace_range(..1, first);
        }
        let mut headers = vec![(KEY_ID, key.key_id.clone())];
        if !fault.is(Kind::MissingSignature) {
            headers.push((SIGNATURE, signed));
        }
        Message {
            method: Method::POST,
            url: event.url.clone(),
            headers,
            body,
        }
    }

    /// Sends again how a payment, or one of its operations, stands.
    pub(crate) fn notify(&self, body: &Value) -> Result<Value, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Request {
            payment: String,
        }
        let request = Request::deserialize(body).map_err(|error| error.to_string())?;
        let now = self.host.now();
        let told = self.host.with(|ledger| {
            let (payment, index) = ledger.book.operation(&request.payment).ok_or("unknown payment")?;
            let id = payment.id.clone();
            let before = ledger.book.outbox.len();
            ledger.book.emit_operation(&id, index, now);
            Ok::<_, String>(ledger.book.outbox.len() - before)
        })?;
        self.send_events(Duration::ZERO);
        Ok(json!({ "events": told }))
    }

    /// Asks an address whether it accepts events: it must answer with the value of a header, as plain text.
    pub(crate) async fn verify_endpoint(&self, body: &Value) -> Result<Value, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Request {
            #[serde(default)]
            url: Option<String>,
        }
        let request = Request::deserialize(body).map_err(|error| error.to_string())?;
        let url = request
            .url
            .or_else(|| self.host.with(|ledger| ledger.settings.webhook_url.clone()))
            .ok_or("neither the request nor the settings name a URL")?;
        delivery::check(&url)?;
        let value = Uuid::new_v4().to_string();
        let answer = delivery::fetch(&Message {
            method: Method::GET,
            url,
            headers: vec![(VERIFICATION, value.clone())],
            body: String::new(),
        })
        .await;
        let Some(answer) = answer else {
            return Ok(json!({ "verified": false, "status": null }));
        };
        let plain = answer.content_type.starts_with("text/plain");
        let verified = answer.status == 200 && plain && answer.body == value.as_bytes();
        Ok(json!({ "verified": verified, "status": answer.status }))
    }

    /// `secret` is the signature of an empty body, not the secret. The words of the result are a guess.
    pub(crate) fn validate_credentials(&self, call: &Call<'_>) -> Answer {
        let key = &self.info.webhook_key;
        let valid = call.fields.needed("key")? == key.key_id
            && call.fields.needed("secret")? == signature::sign(&key.secret, b"");
        let result = if valid { "Valid" } else { "Invalid" };
        Ok(Reply::ok(json!({ "result": result })))
    }

    pub(crate) fn send_test(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let url = call.fields.needed("url")?;
        delivery::check(url).map_err(|_| Refusal::invalid("url"))?;
        let url = url.to_owned();
        ledger.book.emit("payment.test", None, vec![url], call.now);
        Ok(Reply::nothing())
    }
}

fn taken(status: Option<u16>) -> bool {
    status.is_some_and(|status| (200..300).contains(&status))
}

fn with_count(message: &Message, count: u32) -> Message {
    let mut headers = message.headers.clone();
    headers.push((RETRY_COUNT, count.to_string()));
    Message {
        method: message.method.clone(),
        url: message.url.clone(),
        headers,
        body: message.body.clone(),
    }
}
