//! Worldline Acquiring, an acquirer's API for servers alone: cards go to it in clear.
//!
//! The client is [`cardseal_worldline::acquiring`]. This makes a gateway of it. The platform has
//! nothing that a page could seal a card to, and no tokens: a page seals to the merchant's own key ([`crate::sealing`]),
//! and the card is opened for the one call to the platform. What is stored of a card is the scheme's id of its
//! verification, which later payments refer to and which spends nothing by itself.
//!
//! Every operation has an id, by which the platform knows a repeat. A payment whose answer stays lost is undone by it.

mod answer;
mod cards;
mod config;
mod payments;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardseal::platform::Platform;
use cardseal_worldline::acquiring::client::{Client, MerchantClient};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::amount::{Amount, Currency};
use crate::error::{Error, Refusal};
use crate::gateway::{
    Capabilities, Change, ChargeParams, Gateway, OpenSession, Outcome, PagePayload, PageSession, PaymentRef,
    PlatformSession, SessionParams, StoredCard,
};
use crate::sealing::{self, KeyRing};
use crate::transport::Transport;
use crate::worldline::CallLog;

/// Before each further try.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_millis(1200),
    Duration::from_secs(4),
];

/// For how long the platform knows an operation's id is not documented. An hour is a guess on the safe side: after it
/// nothing is sent again.
const IDS_KNOWN: Duration = Duration::from_secs(60 * 60);

/// A merchant's account.
pub struct WorldlineAcquiring {
    client: Client<()>,
    merchant: MerchantClient<()>,
    base: String,
    ring: Option<KeyRing>,
    later_type: &'static str,
    initiator: &'static str,
    stored_use: &'static str,
    session_seconds: u32,
    live: bool,
}

impl WorldlineAcquiring {
    /// The client, over the caller's transport.
    fn over(&self, transport: &Transport) -> MerchantClient {
        self.merchant.over(Arc::new(transport.clone()))
    }
}

#[async_trait]
impl Gateway for WorldlineAcquiring {
    fn platform(&self) -> Platform {
        Platform::WorldlineAcquiring
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            session_capture_later: true,
            session_stored_card: true,
            partial_refunds: true,
            payment_lookup: true,
            change_lookup: true,
            idempotency_window: IDS_KNOWN,
            handles_clear_cards: self.ring.is_some(),
            ..Capabilities::new(self.live)
        }
    }

    /// Which currencies an account takes is known to the platform alone.
    fn accepts(&self, currency: Currency) -> bool {
        Amount::from_minor(1, currency).is_ok()
    }

    fn log_calls(&self, log: Arc<dyn Fn(&str) + Send + Sync>) {
        self.client.enable_logging(Arc::new(CallLog(log)));
    }

    fn public_settings(&self) -> Map<String, Value> {
        let facts = json!({ "base_url": self.base });
        facts.as_object().cloned().unwrap_or_default()
    }

    fn check(&self, payload: &PagePayload) -> Result<(), Refusal> {
        match payload {
            PagePayload::Sealed { .. } if self.ring.is_none() => Err(Refusal::NotOffered),
            PagePayload::Sealed {
                key: None,
                product: None,
                data,
            } if data.len() <= sealing::MAX_BYTES => Ok(()),
            PagePayload::Sealed {
                key: None,
                product: None,
                ..
            } => Err(Refusal::Sealed(sealing::Refusal::Oversized)),
            PagePayload::Sealed { .. } => Err(Refusal::Invalid("sealed")),
            PagePayload::Answer(_) => Err(Refusal::NotOffered),
        }
    }

    async fn open_session(
        &self,
        _: &Transport,
        params: &SessionParams<'_>,
    ) -> Result<PlatformSession, Error> {
        self.open(params)
    }

    fn page(&self, _: &PageSession<'_>) -> Option<Map<String, Value>> {
        self.public()
    }

    async fn tokenize(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        payload: PagePayload,
    ) -> Result<StoredCard, Error> {
        self.verify(transport, session, payload).await
    }

    /// The platform stores nothing.
    async fn delete_token(&self, _: &Transport, _: &SecretString) -> Result<(), Error> {
        Ok(())
    }

    /// The platform wants the card itself, which is not stored.
    async fn charge(&self, _: &Transport, _: &ChargeParams<'_>) -> Result<Outcome, Refusal> {
        Err(Refusal::NotOffered)
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

    async fn capture(
        &self,
        transport: &Transport,
        payment: &PaymentRef<'_>,
        _amount: Option<&Amount>,
    ) -> Result<Change, Refusal> {
        self.change(transport, payment, payments::Verb::Capture).await
    }

    async fn void(&self, transport: &Transport, payment: &PaymentRef<'_>) -> Result<Change, Refusal> {
        self.change(transport, payment, payments::Verb::Reverse).await
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
        _repeat: bool,
    ) -> Result<Outcome, Refusal> {
        self.lookup_charge(transport, params).await
    }
}

#[cfg(test)]
mod tests;
