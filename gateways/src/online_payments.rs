//! Worldline Online Payments, the platform behind PAYONE E-Payment.
//!
//! The client is [`cardseal_worldline::online_payments`]. This makes a gateway of it: sessions of pages, cards that
//! pages encrypted, charges, and what is done to them. Every call that moves money has an
//! idempotence key, which stays the same for every try; the platform answers a repeat with the first outcome. A payment
//! that the platform has and has not decided is asked for by its id.

mod cards;
mod config;
mod notifications;
mod payments;
pub mod status;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cardseal::platform::Platform;
use cardseal_worldline::online_payments::client::{Client, MerchantClient};
use cardseal_worldline::online_payments::errors::{self, Fault};
use cardseal_worldline::online_payments::webhooks::{self, WebhooksHelper};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use url::Url;

use crate::amount::{Amount, Currency};
use crate::error::{Doubt, Error, Refusal, Rejection, sentence, word};
use crate::gateway::{
    Capabilities, Change, ChargeAsk, Frame, Gateway, Handed, Noticed, Notification, OpenSession, Opened,
    Outcome, PaymentRef, Progress, SessionAsk, StoredCard,
};
use crate::transport::{Transport, is_loopback};
use crate::worldline::{CallLog, refused_here};

/// Before each further try.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1200)];

/// The platform keeps keys for at least a day; a little less, for clocks differ.
const KEYS_KEPT: Duration = Duration::from_secs(23 * 60 * 60);

/// The longest that a page encrypts to: a key of 4096 bits and a long name.
const LONGEST_SEALED: usize = 8192;

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
    sandbox: bool,
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

/// What the platform said, masked.
fn rejection(fault: &Fault) -> Rejection {
    let first = fault.errors.first();
    let problem = fault.problem.as_ref();
    let message = first
        .and_then(|error| error.message.as_deref())
        .or_else(|| problem.and_then(|problem| problem.detail.as_deref().or(problem.title.as_deref())))
        .unwrap_or_default();
    Rejection {
        code: fault.code().map(word),
        name: first.and_then(|error| error.id.as_deref()).map(word),
        message: sentence(message),
        status: Some(fault.status),
    }
}

/// A refusal is one only where the platform itself says in its own words that it did nothing.
impl From<&errors::Error> for Error {
    fn from(error: &errors::Error) -> Self {
        let rejected = |fault| Refusal::Rejected(rejection(fault)).into();
        match error {
            errors::Error::DeclinedPayment(declined) => rejected(&declined.fault),
            errors::Error::DeclinedRefund(declined) | errors::Error::DeclinedPayout(declined) => {
                rejected(&declined.fault)
            }
            // With a key, a conflict is a first request that is under way, whatever its code.
            errors::Error::Reference(fault) if fault.status == 409 => Self::Doubtful(Doubt::Pending),
            errors::Error::Validation(fault)
            | errors::Error::Authorization(fault)
            | errors::Error::Reference(fault) => rejected(fault),
            errors::Error::NotFound => Refusal::Rejected(Rejection {
                code: Some("not_found".into()),
                status: Some(404),
                ..Rejection::default()
            })
            .into(),
            errors::Error::Idempotence(_) => Self::Doubtful(Doubt::Pending),
            // 402 without the payment: declined, or not, by a word that is not documented.
            errors::Error::Api(fault) => match fault.status {
                402 | 408 => Self::Doubtful(Doubt::Undecodable),
                400..=499 => rejected(fault),
                500..=599 => Self::Doubtful(Doubt::NoAnswerBehindProxy),
                _ => Self::Doubtful(Doubt::Undecodable),
            },
            errors::Error::Platform(_) => Self::Doubtful(Doubt::NoAnswerBehindProxy),
            errors::Error::Communication(why) => (*why).into(),
            errors::Error::Mistake(mistake) => refused_here(*mistake, "card").into(),
        }
    }
}

impl From<errors::Error> for Error {
    fn from(error: errors::Error) -> Self {
        Self::from(&error)
    }
}

/// Five parts of base64url, the first of which says what the rest is.
fn check_sealed(text: &str) -> Result<(), Refusal> {
    let wrong = Refusal::Invalid("encrypted_customer_input");
    let parts: Vec<&str> = text.split('.').collect();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let whole = parts
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(plain));
    if parts.len() != 5 || !whole || text.len() > LONGEST_SEALED {
        return Err(wrong);
    }
    let header: Option<Value> = parts
        .first()
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
        .and_then(|header| serde_json::from_slice(&header).ok());
    let says = |name: &str, value: &str| header.as_ref().is_some_and(|header| header[name] == value);
    if says("alg", "RSA-OAEP") && says("enc", "A256CBC-HS512") {
        Ok(())
    } else {
        Err(wrong)
    }
}

/// Our word for the platform's number of a brand.
fn brand(product: Option<u32>) -> Option<String> {
    let word = match product? {
        1 => "visa",
        2 => "amex",
        3 => "mastercard",
        117 => "maestro",
        125 => "jcb",
        128 => "discover",
        130 => "cartes_bancaires",
        132 => "diners",
        3012 => "bancontact",
        _ => return None,
    };
    Some(word.into())
}

/// The last four digits of a masked number.
fn last4(masked: &str) -> Option<String> {
    let tail = masked.get(masked.len().checked_sub(4)?..)?;
    tail.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| tail.into())
}

/// `MMYY` or `MMYYYY`.
fn expiry(text: &str) -> Option<(u8, u16)> {
    let month: u8 = text.get(..2)?.parse().ok()?;
    let year: u16 = match text.len() {
        4 => 2000 + text.get(2..)?.parse::<u16>().ok()?,
        6 => text.get(2..)?.parse().ok()?,
        _ => return None,
    };
    (1..=12).contains(&month).then_some((month, year))
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
            ..Capabilities::new(!self.sandbox)
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

    fn check(&self, handed: &Handed) -> Result<(), Refusal> {
        match handed {
            Handed::Sealed { key: Some(_), .. } => Err(Refusal::Invalid("lk")),
            Handed::Sealed { data, key: None, .. } => check_sealed(data),
            Handed::Answer(_) => Ok(()),
        }
    }

    /// The page's client session stands inside, where only the platform can read it. What the platform's own pages
    /// led to is asked for by an id that no page can change.
    fn claim(&self, handed: &Handed) -> Option<SecretString> {
        match handed {
            Handed::Sealed { data, .. } => Some(data.as_str().into()),
            Handed::Answer(_) => None,
        }
    }

    async fn open_session(&self, transport: &Transport, ask: &SessionAsk<'_>) -> Result<Opened, Error> {
        self.open(transport, ask).await
    }

    async fn tokenize(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        handed: Handed,
    ) -> Result<StoredCard, Error> {
        self.store_card(transport, session, handed).await
    }

    async fn delete_token(&self, transport: &Transport, token: &SecretString) -> Result<(), Error> {
        self.forget_card(transport, token).await
    }

    async fn read_token(&self, transport: &Transport, token: &SecretString) -> Result<StoredCard, Error> {
        self.stored_card(transport, token).await
    }

    async fn charge(&self, transport: &Transport, ask: &ChargeAsk<'_>) -> Result<Outcome, Refusal> {
        self.charge_token(transport, ask, None).await
    }

    async fn pay(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        handed: Handed,
        fraud_check: bool,
    ) -> Result<Outcome, Refusal> {
        if fraud_check {
            return Err(Refusal::NotOffered);
        }
        self.charge_sealed(transport, session, handed).await
    }

    async fn look(
        &self,
        transport: &Transport,
        session: &OpenSession<'_>,
        answer: Option<&Value>,
    ) -> Result<Progress, Error> {
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

    async fn find(
        &self,
        transport: &Transport,
        ask: &ChargeAsk<'_>,
        repeat: bool,
    ) -> Result<Outcome, Refusal> {
        self.find_out(transport, ask, repeat).await
    }

    async fn confirm(&self, transport: &Transport, platform_id: &str) -> Result<Notification, Error> {
        self.confirmed(transport, platform_id).await
    }

    fn read_notifications(
        &self,
        _route: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<Noticed>, Error> {
        self.notifications(headers, body)
    }

    fn endpoint_verification(&self, headers: &[(&str, &str)]) -> Option<String> {
        webhooks::endpoint_verification(headers)
    }
}

#[cfg(test)]
mod tests;
