//! GreenPay, generation 1: the merchant host, and the relay to the checkout host.
//!
//! Every call is a `POST` of JSON: to the merchant host with the merchant's secret in the body, or to the checkout host
//! with an order's session and token. The platform offers no lookup, no capture and no partial refund. After a lost
//! answer, only the notification tells the outcome; of subscriptions and their payments there are lists.

mod answer;
mod cards;
mod config;
mod forms;
mod notifications;
mod payments;
mod subscriptions;
mod wire;

use async_trait::async_trait;
use cardseal::crypto::public_key::PublicKey;
use cardseal::greenpay::{Hosts, Packed, SESSION_SECONDS, Target, Verb};
use cardseal::http::Request;
use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::amount::{Amount, Currency};
use crate::error::{Doubt, Error, Refusal};
use crate::gateway::{
    Capabilities, Capture, Change, ChargeParams, Gateway, Notification, OpenSession, Outcome, PagePayload,
    PageSession, PaymentRef, PlatformSession, SessionParams, StoredCard,
};
use crate::lenient::text;
use crate::subscription::{
    ListedSubscription, NewSubscription, Subscribing, SubscriptionChange, SubscriptionPaid,
    SubscriptionPayments, SubscriptionRef,
};
use crate::transport::{Response, Transport};

use answer::{decode, is_documented_no, rejection};
use wire::{Order, PaymentOrder, TokenizeOrder, check_sealed, errors, opaque};

/// Base URL of the merchant host, which only a server may call.
const fn merchant_url(hosts: &Hosts) -> Option<&'static str> {
    match hosts {
        Hosts::Sandbox => Some("https://sandbox-merchant.greenpay.me"),
        Hosts::Production => Some("https://merchant.greenpay.me"),
        Hosts::Custom(_) => None,
    }
}

/// A merchant's account at GreenPay.
pub struct GreenPay {
    merchant_url: String,
    hosts: Hosts,
    /// Of the platform's web forms, if it is known.
    payment_form: Option<String>,
    token_form: Option<String>,
    secret: SecretString,
    merchant_id: String,
    key: PublicKey,
    key_text: String,
    terminals: Vec<(Currency, String)>,
    token_policy: SignaturePolicy,
    payment_policy: SignaturePolicy,
    live: bool,
}

/// What happens if `_signature` is missing or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignaturePolicy {
    /// The answer is not trusted.
    Required,
    /// The answer is trusted: what the platform signs for payments is known only by analogy.
    Warn,
}

impl GreenPay {
    /// What a page needs. `card` is the platform's token, for an update. `None` if the web form is no longer known.
    fn public(
        &self,
        kind: Kind,
        mode: Mode,
        order: &Order,
        card: Option<&str>,
    ) -> Option<Map<String, Value>> {
        let mut public = Map::new();
        public.insert("public_key".into(), self.key_text.clone().into());
        if let Some(callback) = &order.callback {
            // The form has the order, and the page needs neither its token nor that of the card.
            public.insert("form_url".into(), self.form_url(kind, order, card)?.into());
            public.insert("return_url".into(), callback.clone().into());
            return Some(public);
        }
        if let Some(card) = card {
            public.insert("card_token".into(), card.into());
        }
        if mode == Mode::Direct {
            public.insert("session".into(), order.session.clone().into());
            public.insert("token".into(), order.token.clone().into());
            public.insert("checkout_url".into(), self.hosts.checkout().into());
        }
        Some(public)
    }

    async fn post<Body: Serialize + Sync>(
        &self,
        transport: &Transport,
        path: &str,
        body: &Body,
    ) -> Result<Response, Error> {
        // Serialising plain structs cannot fail; if it did, nothing would have been sent.
        let body = serde_json::to_string(body).map_err(|_| Refusal::NotSent)?;
        let headers = vec![
            ("accept", "application/json".into()),
            ("content-type", "application/json".into()),
        ];
        let request = Request {
            method: "POST",
            url: format!("{}{path}", self.merchant_url),
            headers,
            body,
        };
        Ok(transport.send_to_refuser(request, is_documented_no).await?)
    }

    /// Relays ciphertext to the checkout host, with the order's token in the header.
    async fn relay(
        &self,
        transport: &Transport,
        verb: Verb,
        session: &OpenSession<'_>,
        packed: &Packed,
    ) -> Result<Response, Error> {
        let order = Order::read(session.state)?;
        let target = Target::Direct {
            hosts: self.hosts.clone(),
            session: order.session,
            token: order.token,
        };
        let request = verb.request(&target, packed);
        Ok(transport.send_to_refuser(request, is_documented_no).await?)
    }

    fn terminal(&self, currency: Currency) -> Result<&str, Refusal> {
        self.terminals
            .iter()
            .find(|(of, _)| *of == currency)
            .map(|(_, terminal)| terminal.as_str())
            .ok_or(Refusal::CurrencyNotSupported)
    }

    fn payment_order<'a>(
        &'a self,
        amount: &'a Amount,
        reference: &'a str,
        description: &'a str,
    ) -> Result<PaymentOrder<'a>, Refusal> {
        Ok(PaymentOrder {
            secret: self.secret.expose_secret(),
            merchant_id: &self.merchant_id,
            terminal: self.terminal(amount.currency())?,
            amount: RawValue::from_string(amount.to_decimal_text())
                .map_err(|_| Refusal::Invalid("amount"))?,
            currency: amount.currency().code(),
            description,
            order_reference: reference,
            token: None,
            callback: None,
        })
    }
}

#[async_trait]
impl Gateway for GreenPay {
    fn platform(&self) -> Platform {
        Platform::GreenPay
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // The signature does not cover the token.
            direct_needs_notifications: true,
            web_form: self.payment_form.is_some() && self.token_form.is_some(),
            changes_need_bin: true,
            subscriptions: true,
            ..Capabilities::new(self.live)
        }
    }

    fn accepts(&self, currency: Currency) -> bool {
        self.terminal(currency).is_ok()
    }

    fn notification_routes(&self) -> &'static [&'static str] {
        notifications::ROUTES
    }

    fn browser_urls(&self) -> Vec<&str> {
        vec![self.hosts.checkout()]
    }

    fn public_settings(&self) -> Map<String, Value> {
        let currencies: Vec<_> = self
            .terminals
            .iter()
            .map(|(currency, _)| currency.code())
            .collect();
        let facts = json!({
            "checkout_url": self.hosts.checkout(),
            "public_key": self.key_text,
            "key_bits": self.key.bits(),
            "currencies": currencies,
        });
        facts.as_object().cloned().unwrap_or_default()
    }

    fn check(&self, payload: &PagePayload) -> Result<(), Refusal> {
        match payload {
            PagePayload::Sealed { data, key, .. } => check_sealed(data, key.as_deref().unwrap_or_default()),
            PagePayload::Answer(_) => Ok(()),
        }
    }

    /// Nothing in the ciphertext names a session. Single bits of `ld` can be changed by whoever has it; `lk` cannot be
    /// made anew without the key inside. An answer of the direct way is signed over the session's reference.
    fn claim(&self, payload: &PagePayload) -> Option<SecretString> {
        match payload {
            PagePayload::Sealed { key, .. } => key.clone().map(Into::into),
            PagePayload::Answer(_) => None,
        }
    }

    /// "Create tokenization order" (`POST /tokenize`) and "Create payment order" (`POST /`): the answer holds
    /// `session` and `token`, or the order failed. An update uses the same order as a new token.
    async fn open_session(
        &self,
        transport: &Transport,
        params: &SessionParams<'_>,
    ) -> Result<PlatformSession, Error> {
        let callback = self.callback(params)?;
        let answer = match params.kind {
            Kind::Tokenize | Kind::Update => {
                let order = TokenizeOrder {
                    secret: self.secret.expose_secret(),
                    merchant_id: &self.merchant_id,
                    request_id: params.reference,
                    callback: callback.as_deref(),
                };
                self.post(transport, "/tokenize", &order).await?
            }
            Kind::Payment => {
                let amount = params.amount.ok_or(Refusal::Invalid("amount"))?;
                let order = PaymentOrder {
                    callback: callback.as_deref(),
                    ..self.payment_order(amount, params.reference, params.description)?
                };
                self.post(transport, "/", &order).await?
            }
        };
        let order = decode(&answer)?;
        let (Some(session), Some(token)) = (text(&order, "/session"), text(&order, "/token")) else {
            return Err(match rejection(Some(answer.status), &errors(&order)) {
                Some(rejection) => Refusal::Rejected(rejection).into(),
                None => Error::Doubtful(Doubt::Undecodable),
            });
        };
        if !opaque(&session) || !opaque(&token) {
            return Err(Error::Doubtful(Doubt::Undecodable));
        }
        let order = Order {
            session,
            token,
            callback,
        };
        let public = self.public(params.kind, params.mode, &order, params.token);
        let public = public.ok_or(Refusal::NotOffered)?;
        let state = serde_json::to_string(&order).map_err(|_| Refusal::NotSent)?;
        Ok(PlatformSession {
            state: state.into(),
            public,
            seconds: SESSION_SECONDS,
        })
    }

    fn page(&self, session: &PageSession<'_>) -> Option<Map<String, Value>> {
        if session.kind == Kind::Update && session.token.is_none() {
            return None;
        }
        let order = Order::read(session.state).ok()?;
        self.public(session.kind, session.mode, &order, session.token)
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
        if params.capture == Capture::Later || params.network_token == Some(true) {
            return Err(Refusal::NotOffered);
        }
        self.charge_token(transport, params).await
    }

    async fn pay(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        payload: PagePayload,
        fraud_check: bool,
    ) -> Result<Outcome, Refusal> {
        self.charge_card(transport, session, payload, fraud_check).await
    }

    async fn void(&self, transport: &Transport, payment: &PaymentRef<'_>) -> Result<Change, Refusal> {
        self.reverse(transport, "/transactions/void", payment).await
    }

    async fn refund(
        &self,
        transport: &Transport,
        payment: &PaymentRef<'_>,
        amount: Option<&Amount>,
    ) -> Result<Change, Refusal> {
        // "Refund transaction" has no amount: whole transactions only.
        if amount.is_some_and(|amount| amount != payment.amount) {
            return Err(Refusal::NotOffered);
        }
        self.reverse(transport, "/transactions/refund", payment).await
    }

    async fn subscribe(
        &self,
        transport: &Transport,
        new: &NewSubscription<'_>,
    ) -> Result<Subscribing, Refusal> {
        self.create_subscription(transport, new).await
    }

    async fn change_subscription(
        &self,
        transport: &Transport,
        of: &SubscriptionRef<'_>,
        change: &SubscriptionChange<'_>,
    ) -> Result<Change, Refusal> {
        self.modify_subscription(transport, of, change).await
    }

    async fn pay_subscription(
        &self,
        transport: &Transport,
        of: &SubscriptionRef<'_>,
    ) -> Result<SubscriptionPaid, Refusal> {
        self.pay_subscription_now(transport, of).await
    }

    async fn find_subscription(
        &self,
        transport: &Transport,
        reference: &str,
    ) -> Result<Option<ListedSubscription>, Error> {
        self.listed_subscription(transport, reference).await
    }

    async fn subscription_payments(
        &self,
        transport: &Transport,
        of: &SubscriptionRef<'_>,
        page: u32,
    ) -> Result<SubscriptionPayments, Error> {
        self.payments_of_subscription(transport, of, page).await
    }

    fn read_notification(
        &self,
        route: &str,
        _headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Notification, Error> {
        self.notification(route, body)
    }
}
