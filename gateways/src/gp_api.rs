//! Global Payments GP API, version 2021-03-22.
//!
//! Every call has a bearer token. The server's own token is cached; each session of a page gets one that may only create
//! a payment method. Amounts are texts of minor units. The platform rejects a repeated idempotency key and names the
//! original, so a request whose answer was lost can be sent again with the same key. A payment can also be found by its
//! reference.

mod access;
mod answer;
mod cards;
mod config;
mod notifications;
mod payments;
mod threeds;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardseal::gp_api::read_payment_method;
use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::amount::{Amount, Currency};
use crate::authentication::{Authentication, AuthenticationParams, BrowserData};
use crate::error::{Doubt, Error, Refusal};
use crate::gateway::{
    Capabilities, Change, ChargeParams, Gateway, Listing, Notification, OpenSession, Outcome, PagePayload,
    PageSession, PaymentRef, PlatformSession, SessionParams, StoredCard, TokenPatch,
};
use crate::transport::Transport;
use crate::transport::access::ClientCredentials;

use access::Access;

/// Pauses before each further lookup: a new transaction can take some seconds to become readable.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(150),
    Duration::from_millis(600),
    Duration::from_millis(1500),
];

/// A merchant's account at Global Payments.
pub struct GpApi {
    /// Without a slash at the end.
    base_url: String,
    app_id: String,
    app_key: SecretString,
    account_name: Option<String>,
    tokenization_account_name: Option<String>,
    country: String,
    currency: Currency,
    use_network_token: bool,
    live: bool,
    /// None where no browser could come back.
    returns: Option<threeds::Returns>,
    access: ClientCredentials<Arc<Access>, Error>,
}

#[async_trait]
impl Gateway for GpApi {
    fn platform(&self) -> Platform {
        Platform::GpApi
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            default_mode: Mode::Direct,
            partial_refunds: true,
            payment_lookup: true,
            payment_list: true,
            authentications: self.returns.is_some(),
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
        vec![&self.base_url]
    }

    fn public_settings(&self) -> Map<String, Value> {
        let facts = json!({
            "base_url": self.base_url,
            "network_tokens": self.use_network_token,
            "currencies": [self.currency.code()],
        });
        facts.as_object().cloned().unwrap_or_default()
    }

    fn check(&self, payload: &PagePayload) -> Result<(), Refusal> {
        match payload {
            PagePayload::Sealed { .. } => Err(Refusal::NotOffered),
            PagePayload::Answer(answer) => read_payment_method(&wire::payment_method(answer))
                .map(|_| ())
                .map_err(|_| Refusal::Invalid("answer")),
        }
    }

    async fn session_reference(
        &self,
        transport: &Transport,
        token: &SecretString,
    ) -> Result<Option<String>, Error> {
        self.reference_of(transport, token).await
    }

    /// A token that may create one payment method: with any more it could charge and refund.
    async fn open_session(
        &self,
        transport: &Transport,
        params: &SessionParams<'_>,
    ) -> Result<PlatformSession, Error> {
        if params.kind != Kind::Tokenize || params.mode != Mode::Direct {
            return Err(Refusal::NotOffered.into());
        }
        self.browser_access(transport, params.reference).await
    }

    fn page(&self, session: &PageSession<'_>) -> Option<Map<String, Value>> {
        let token = session.state.expose_secret();
        (!token.is_empty()).then(|| self.public(token, session.reference))
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

    async fn charge(&self, transport: &Transport, params: &ChargeParams<'_>) -> Result<Outcome, Refusal> {
        self.charge_token(transport, params).await
    }

    async fn authenticate(
        &self,
        transport: &Transport,
        params: &AuthenticationParams<'_>,
    ) -> Result<Authentication, Error> {
        self.check_enrolment(transport, params).await
    }

    async fn continue_authentication(
        &self,
        transport: &Transport,
        params: &AuthenticationParams<'_>,
        state: &SecretString,
        browser: &BrowserData,
    ) -> Result<Authentication, Error> {
        self.initiate(transport, params, state, browser).await
    }

    async fn authentication_result(
        &self,
        transport: &Transport,
        params: &AuthenticationParams<'_>,
        state: &SecretString,
    ) -> Result<Authentication, Error> {
        self.authenticated(transport, params, state).await
    }

    async fn capture(
        &self,
        transport: &Transport,
        payment: &PaymentRef<'_>,
        amount: Option<&Amount>,
    ) -> Result<Change, Refusal> {
        self.change(transport, payment, payments::Verb::Capture, amount)
            .await
    }

    async fn void(&self, transport: &Transport, payment: &PaymentRef<'_>) -> Result<Change, Refusal> {
        self.change(transport, payment, payments::Verb::Reversal, None)
            .await
    }

    async fn refund(
        &self,
        transport: &Transport,
        payment: &PaymentRef<'_>,
        amount: Option<&Amount>,
    ) -> Result<Change, Refusal> {
        self.change(transport, payment, payments::Verb::Refund, amount)
            .await
    }

    async fn lookup(
        &self,
        transport: &Transport,
        params: &ChargeParams<'_>,
        repeat: bool,
    ) -> Result<Outcome, Refusal> {
        self.lookup_charge(transport, params, repeat, Doubt::Interrupted)
            .await
    }

    async fn list(&self, transport: &Transport, day: &str, page: u32) -> Result<Listing, Error> {
        self.list_day(transport, day, page).await
    }

    async fn confirm(&self, transport: &Transport, platform_id: &str) -> Result<Notification, Error> {
        self.confirmed(transport, platform_id).await
    }

    async fn read_token(&self, transport: &Transport, token: &SecretString) -> Result<StoredCard, Error> {
        self.stored_card(transport, token).await
    }

    async fn update_token(
        &self,
        transport: &Transport,
        token: &SecretString,
        patch: &TokenPatch,
    ) -> Result<StoredCard, Error> {
        self.patch_card(transport, token, patch).await
    }

    fn read_notification(
        &self,
        _route: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Notification, Error> {
        self.notification(headers, body)
    }

    fn read_query_notification(&self, _route: &str, query: &str) -> Result<Notification, Error> {
        self.query_notification(query)
    }
}

#[cfg(test)]
mod tests;
