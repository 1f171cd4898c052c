//! Worldline Online Payments, the platform behind PAYONE E-Payment.
//!
//! The client is [`cardseal_worldline::online_payments`]. This module makes a gateway of it. Every call that moves money
//! has an idempotence key, which stays the same for every try: the platform answers a repeat with the first outcome. A
//! payment that the platform has not decided yet is looked up by its id.

mod answer;
mod cards;
mod config;
mod notifications;
mod payments;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardseal::platform::Platform;
use cardseal_worldline::online_payments::client::{Client, MerchantClient};
use cardseal_worldline::online_payments::webhooks::{self, WebhooksHelper};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use url::Url;

use crate::amount::{Amount, Currency};
use crate::error::{Error, Refusal};
use crate::gateway::{
    Capabilities, Change, ChargeParams, Event, Frame, Gateway, Notification, OpenSession, Outcome,
    PagePayload, PageSession, PageState, PaymentRef, PlatformSession, SessionParams, StoredCard,
};
use crate::transport::{Transport, is_loopback};
use crate::worldline::CallLog;

use wire::{SessionState, check_sealed};

/// Before each further try.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1200)];

/// The platform keeps keys for at least a day; a little less, for clocks differ.
const KEYS_KEPT: Duration = Duration::from_secs(23 * 60 * 60);

/// A merchant's account.
pub struct OnlinePayments {
    client: Client<()>,
    merchant: MerchantClient<()>,
    merchant_id: String,
    base: String,
    /// The script around the platform's form in a frame.
    tokenizer: String,
    client_api: Option<String>,
    webhooks: WebhooksHelper,
    later_mode: &'static str,
    initiator: Option<&'static str>,
    return_url: Option<String>,
    locale: Option<String>,
    variant: Option<String>,
    session_seconds: u32,
    live: bool,
}

impl OnlinePayments {
    /// The client, over the caller's transport.
    fn over(&self, transport: &Transport) -> MerchantClient {
        self.merchant.over(Arc::new(transport.clone()))
    }

    /// An address that a page may be sent to: https, or where the platform itself is, on this machine.
    fn page_url(&self, text: &str) -> Option<String> {
        let url = Url::parse(text).ok()?;
        url.host()?;
        let clear = url.scheme() == "http" && is_loopback(&url) && self.base.starts_with("http://");
        (text.len() <= 2048 && (url.scheme() == "https" || clear)).then(|| text.to_owned())
    }
}

#[async_trait]
impl Gateway for OnlinePayments {
    fn platform(&self) -> Platform {
        Platform::OnlinePayments
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            hosted_page: true,
            partial_refunds: true,
            payment_lookup: true,
            change_lookup: true,
            idempotency_window: KEYS_KEPT,
            ..Capabilities::new(self.live)
        }
    }

    /// Which currencies an account takes is known to the platform alone.
    fn accepts(&self, currency: Currency) -> bool {
        Amount::from_minor(1, currency).is_ok()
    }

    fn notification_routes(&self) -> &'static [&'static str] {
        &[""]
    }

    fn browser_urls(&self) -> Vec<&str> {
        let mut urls = vec![self.base.as_str()];
        urls.extend(self.client_api.as_deref());
        urls
    }

    fn frame(&self) -> Option<Frame<'_>> {
        Some(Frame {
            pages: &self.base,
            script: &self.tokenizer,
        })
    }

    fn log_calls(&self, log: Arc<dyn Fn(&str) + Send + Sync>) {
        self.client.enable_logging(Arc::new(CallLog(log)));
    }

    fn public_settings(&self) -> Map<String, Value> {
        let facts = json!({
            "base_url": self.base,
            "tokenizer_url": self.tokenizer,
            // Without it nobody comes back from a bank's page, and the platform asks for no authentication.
            "return_url": self.return_url,
        });
        facts.as_object().cloned().unwrap_or_default()
    }

    fn check(&self, payload: &PagePayload) -> Result<(), Refusal> {
        match payload {
            PagePayload::Sealed { key: Some(_), .. } => Err(Refusal::Invalid("lk")),
            PagePayload::Sealed { data, key: None, .. } => check_sealed(data),
            PagePayload::Answer(_) => Ok(()),
        }
    }

    /// The page's client session stands inside, where only the platform can read it. What the platform's own pages
    /// led to is looked up by an id that no page can change.
    fn claim(&self, payload: &PagePayload) -> Option<SecretString> {
        match payload {
            PagePayload::Sealed { data, .. } => Some(data.as_str().into()),
            PagePayload::Answer(_) => None,
        }
    }

    async fn open_session(
        &self,
        transport: &Transport,
        params: &SessionParams<'_>,
    ) -> Result<PlatformSession, Error> {
        self.open(transport, params).await
    }

    fn page(&self, session: &PageSession<'_>) -> Option<Map<String, Value>> {
        SessionState::read(session.state).page
    }

    async fn tokenize(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        payload: PagePayload,
    ) -> Result<StoredCard, Error> {
        self.store_card(transport, session, payload).await
    }

    async fn delete_token(&self, transport: &Transport, token: &SecretString) -> Result<(), Error> {
        self.forget_card(transport, token).await
    }

    async fn read_token(&self, transport: &Transport, token: &SecretString) -> Result<StoredCard, Error> {
        self.stored_card(transport, token).await
    }

    async fn charge(&self, transport: &Transport, params: &ChargeParams<'_>) -> Result<Outcome, Refusal> {
        self.charge_token(transport, params, None).await
    }

    async fn pay(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        payload: PagePayload,
        fraud_check: bool,
    ) -> Result<Outcome, Refusal> {
        if fraud_check {
            return Err(Refusal::NotOffered);
        }
        self.charge_sealed(transport, session, payload).await
    }

    async fn page_state(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        answer: Option<&Value>,
    ) -> Result<PageState, Error> {
        self.hosted_checkout(transport, session, answer).await
    }

    async fn capture(
        &self,
        transport: &Transport,
        payment: &PaymentRef<'_>,
        _amount: Option<&Amount>,
    ) -> Result<Change, Refusal> {
        self.change(transport, payment, payments::Verb::Capture).await
    }

    async fn void(&self, transport: &Transport, payment: &PaymentRef<'_>) -> Result<Change, Refusal> {
        self.change(transport, payment, payments::Verb::Cancel).await
    }

    async fn refund(
        &self,
        transport: &Transport,
        payment: &PaymentRef<'_>,
        _amount: Option<&Amount>,
    ) -> Result<Change, Refusal> {
        self.change(transport, payment, payments::Verb::Refund).await
    }

    async fn lookup(
        &self,
        transport: &Transport,
        params: &ChargeParams<'_>,
        repeat: bool,
    ) -> Result<Outcome, Refusal> {
        self.lookup_charge(transport, params, repeat).await
    }

    async fn confirm(&self, transport: &Transport, platform_id: &str) -> Result<Notification, Error> {
        self.confirmed(transport, platform_id).await
    }

    fn read_notifications(
        &self,
        _route: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<Event>, Error> {
        self.notifications(headers, body)
    }

    fn endpoint_verification(&self, headers: &[(&str, &str)]) -> Option<String> {
        webhooks::endpoint_verification(headers)
    }
}

#[cfg(test)]
mod tests;
