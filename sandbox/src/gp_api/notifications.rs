//! Notifications: what became of a transaction, posted to the merchant on request.

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::GpApi;
use super::access::sha512_hex;
use super::book::Delivered;
use crate::host::delivery::{self, Delivery, Message, deliver};
use crate::host::faults::Kind;

/// Name of the header, and of the parameter where it comes in the query.
const SIGNATURE: &str = "X-GP-Signature";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// Which transaction.
    transaction: String,
    /// Where to, instead of where the transaction or the settings say.
    #[serde(default)]
    url: Option<String>,
    /// `POST` with a body, or `GET` with a query.
    #[serde(default)]
    method: Option<String>,
}

impl GpApi {
    pub(crate) async fn notify(&self, body: &Value) -> Result<Value, String> {
        let request: Request = Request::deserialize(body).map_err(|error| error.to_string())?;
        let (told, status_url) = self
            .host
            .with(|ledger| self.notification(ledger, &request.transaction))
            .ok_or("unknown transaction")?;
        let url = request
            .url
            .or(status_url)
            .or_else(|| self.host.with(|ledger| ledger.settings.webhook_url.clone()))
            .ok_or("neither the request, the transaction nor the settings name a URL")?;
        delivery::check(&url)?;
        let message = match request.method.as_deref() {
            None | Some("POST") => {
                let body = told.to_string();
                Message {
                    method: Method::POST,
                    url,
                    headers: self
                        .signature(body.as_bytes())
                        .map(|signature| (SIGNATURE, signature))
                        .into_iter()
                        .collect(),
                    body,
                }
            }
            Some("GET") => {
                let query: Vec<String> = ["id", "status", "amount", "currency"]
                    .iter()
                    .filter_map(|name| Some(format!("{name}={}", told.get(name)?.as_str()?)))
                    .collect();
                let query = query.join("&");
                let signed = self
                    .signature(query.as_bytes())
                    .map(|signature| format!("{SIGNATURE}={signature}&"));
                Message {
                    method: Method::GET,
                    url: format!("{url}?{}{query}", signed.unwrap_or_default()),
                    headers: Vec::new(),
                    body: String::new(),
                }
            }
            Some(_) => return Err("method is POST or GET".into()),
        };
        let Delivery { attempts, status } = deliver(&message).await;
        tracing::info!(status, attempts, "gp_api notification");
        let sent = Delivered {
            transaction: request.transaction,
            at: self.host.now(),
            attempts,
            status,
        };
        self.host.with(|ledger| ledger.book.notifications_sent.push(sent));
        Ok(json!({ "attempts": attempts, "status": status }))
    }

    /// Over the payload; spoiled or left out if a fault says so.
    fn signature(&self, payload: &[u8]) -> Option<String> {
        let fault = self.host.notification_fault::<Self>();
        let key = if fault.is(Kind::WrongKeySignature) {
            "another key"
        } else {
            &self.app.key
        };
        let mut signature = sha512_hex(payload, key);
        if fault.is(Kind::BadSignature) {
            let last = if signature.ends_with('0') { "1" } else { "0" };
            signature.replace_range(signature.len() - 1.., last);
        }
        (!fault.is(Kind::MissingSignature)).then_some(signature)
    }
}
