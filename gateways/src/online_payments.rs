//! Worldline Online Payments, the platform behind PAYONE E-Payment.
//!
//! [`client`] is the client, with what the official server SDKs give their users. The rest makes a gateway of it:
//! sessions of pages, cards that pages encrypted, charges, and what is done to them. Every call that moves money has an
//! idempotence key, which stays the same for every try; the platform answers a repeat with the first outcome. A payment
//! that the platform has and has not decided is asked for by its id.

mod cards;
pub mod client;
mod config;
pub mod domain;
pub mod errors;
mod notifications;
mod payments;
pub mod signature;
pub mod status;
pub mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cardseal::http::Request;
use cardseal::platform::Platform;
use cardseal::redact::card_digits;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use url::Url;

use crate::amount::{Amount, Currency};
use crate::error::{Doubt, Error, Refusal, Rejection, shortened};
use crate::gateway::{
    Capabilities, Change, ChargeAsk, Frame, Gateway, Handed, Noticed, Notification, OpenSession, Opened,
    Outcome, PaymentRef, Progress, SessionAsk, StoredCard,
};
use crate::transport::{Failure, Response, Transport, is_loopback};
use crate::worldline::connection::Connection;
use crate::worldline::logging::CommunicatorLogger;

use client::{Client, MerchantClient};
use errors::{Communication, Fault, Mistake};
use webhooks::WebhooksHelper;

/// Before each further try.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1200)];

/// The platform keeps keys for at least a day; a little less, for clocks differ.
const KEYS_KEPT: Duration = Duration::from_secs(23 * 60 * 60);

/// The longest that a page encrypts to: a key of 4096 bits and a long name.
const LONGEST_SEALED: usize = 8192;

/// A merchant's account.
pub struct OnlinePayments {
    client: Client,
    merchant: MerchantClient,
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

/// The gateway's calls go over the caller's transport.
struct Unconnected;

#[async_trait]
impl Connection for Unconnected {
    async fn send(&self, _: Request) -> Result<Response, Failure> {
        Err(Failure::NotSent)
    }
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

/// What an error of the client says about a call.
enum Judged {
    /// Nothing was done.
    Refused(Refusal),
    /// Nobody knows.
    Doubtful(Doubt),
}

fn rejected(fault: &Fault) -> Judged {
    Judged::Refused(Refusal::Rejected(rejection(fault)))
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
        message: shortened(&card_digits(message)),
        status: Some(fault.status),
    }
}

/// A code or a name, which is short and plain or masked.
fn word(text: &str) -> String {
    shortened(&card_digits(text)).chars().take(80).collect()
}

/// A refusal is one only where the platform itself says in its own words that it did nothing.
fn judged(error: &errors::Error) -> Judged {
    match error {
        errors::Error::DeclinedPayment(declined) => rejected(&declined.fault),
        errors::Error::DeclinedRefund(declined) | errors::Error::DeclinedPayout(declined) => {
            rejected(&declined.fault)
        }
        // With a key, a conflict is a first request that is under way, whatever its code.
        errors::Error::Reference(fault) if fault.status == 409 => Judged::Doubtful(Doubt::Pending),
        errors::Error::Validation(fault)
        | errors::Error::Authorization(fault)
        | errors::Error::Reference(fault) => rejected(fault),
        errors::Error::NotFound => Judged::Refused(Refusal::Rejected(Rejection {
            code: Some("not_found".into()),
            status: Some(404),
            ..Rejection::default()
        })),
        errors::Error::Idempotence(_) => Judged::Doubtful(Doubt::Pending),
        // 402 without the payment: declined, or not, by a word that is not documented.
        errors::Error::Api(fault) => match fault.status {
            402 | 408 => Judged::Doubtful(Doubt::Undecodable),
            400..=499 => rejected(fault),
            500..=599 => Judged::Doubtful(Doubt::NoAnswerBehindProxy),
            _ => Judged::Doubtful(Doubt::Undecodable),
        },
        errors::Error::Platform(_) => Judged::Doubtful(Doubt::NoAnswerBehindProxy),
        errors::Error::Communication(Communication::Failure(failure)) => {
            match Error::from(*failure).into_doubt() {
                Ok(doubt) => Judged::Doubtful(doubt),
                Err(refusal) => Judged::Refused(refusal),
            }
        }
        errors::Error::Communication(Communication::NotJson(500..=599)) => {
            Judged::Doubtful(Doubt::NoAnswerBehindProxy)
        }
        errors::Error::Communication(Communication::NotJson(_) | Communication::Redirect(_)) => {
            Judged::Doubtful(Doubt::Undecodable)
        }
        errors::Error::Mistake(Mistake::Value(name)) => Judged::Refused(Refusal::Invalid(name)),
        errors::Error::Mistake(Mistake::ClearCardData) => Judged::Refused(Refusal::Invalid("card")),
    }
}

impl From<errors::Error> for Error {
    fn from(error: errors::Error) -> Self {
        match judged(&error) {
            Judged::Refused(refusal) => refusal.into(),
            Judged::Doubtful(doubt) => Self::Doubtful(doubt),
        }
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

    fn enable_logging(&self, logger: Arc<dyn CommunicatorLogger>) {
        self.client.enable_logging(logger);
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
