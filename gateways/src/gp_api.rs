//! Global Payments GP API, version 2021-03-22.
//!
//! Bearer tokens everywhere: the server's own is cached, the browser's is made for each session and may create one
//! payment method and nothing else. Amounts are texts of minor units. The platform rejects a repeated
//! idempotency key and names the original, so a request whose answer was lost can be sent again with its key; and
//! a payment can be found by its reference.

mod access;
mod cards;
mod config;
mod notifications;
mod payments;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardseal::gp_api::wire::{ErrorBody, PaymentMethod};
use cardseal::gp_api::{Hosts, is_id, read_payment_method};
use cardseal::platform::Platform;
use cardseal::redact::card_digits;
use cardseal::session::{Kind, Mode};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::amount::{Amount, Currency};
use crate::error::{Doubt, Error, Refusal, Rejection, shortened};
use crate::gateway::{
    Change, ChargeAsk, Gateway, Handed, Notification, OpenSession, Opened, Outcome, PaymentRef, SessionAsk,
    StoredCard, TokenPatch,
};
use crate::oauth::TokenCache;
use crate::transport::{Response, Transport};

use access::Access;

/// Before each further look for what may not be readable yet: a fresh transaction takes up to some seconds.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(150),
    Duration::from_millis(600),
    Duration::from_millis(1500),
];

/// A merchant's account at Global Payments.
pub struct GpApi {
    hosts: Hosts,
    app_id: String,
    app_key: SecretString,
    account_name: Option<String>,
    tokenization_account_name: Option<String>,
    country: String,
    currency: Currency,
    use_network_token: bool,
    sandbox: bool,
    tokens: TokenCache<Arc<Access>>,
}

/// Why an answer is not what was asked for.
enum Problem {
    /// The platform's own refusal: nothing was done.
    Rejected(Rejection),
    /// The key was seen before; the id of what it made then, as far as the platform names it.
    Duplicate(Option<String>),
    /// Nobody knows.
    Doubtful(Doubt),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Rejected(rejection) => Refusal::Rejected(rejection).into(),
            Problem::Duplicate(_) => Self::Doubtful(Doubt::Contradictory),
            Problem::Doubtful(doubt) => Self::Doubtful(doubt),
        }
    }
}

/// Reads an answer: a JSON object with a good status, or what the flat error says.
fn read(answer: &Response) -> Result<Value, Problem> {
    let body = serde_json::from_slice::<Value>(&answer.body)
        .ok()
        .filter(Value::is_object);
    match (answer.status, body) {
        (200..=299, Some(body)) if text(&body, "/error_code").is_none() => Ok(body),
        // Deleting may answer without a body.
        (204, None) => Ok(json!({})),
        (400..=599, Some(body)) => Err(refused(answer.status, &body)),
        (500..=599, None) => Err(Problem::Doubtful(Doubt::NoAnswerBehindProxy)),
        _ => Err(Problem::Doubtful(Doubt::Undecodable)),
    }
}

fn refused(status: u16, body: &Value) -> Problem {
    let error: ErrorBody = serde_json::from_value(body.clone()).unwrap_or_default();
    let plain = |text: &Option<String>| {
        text.as_deref()
            .filter(|text| (1..=60).contains(&text.len()))
            .filter(|text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
            .map(str::to_owned)
    };
    let name = plain(&error.error_code);
    let code = plain(&error.detailed_error_code).or_else(|| name.clone());
    let message = error.detailed_error_description.unwrap_or_default();
    match (status, code.as_deref()) {
        (409, Some("40039" | "DUPLICATE_ACTION")) => Problem::Duplicate(original(&message)),
        // "Failed, automatically reversed, try again"; other errors on the way to the bank may hide that it paid.
        (500..=599, Some("50012")) | (400..=407 | 409..=499, Some(_)) => Problem::Rejected(Rejection {
            code,
            name,
            message: shortened(&card_digits(&message)),
            status: Some(status),
        }),
        (500..=599, _) => Problem::Doubtful(Doubt::NoAnswerBehindProxy),
        _ => Problem::Doubtful(Doubt::Undecodable),
    }
}

/// The id in "Idempotency Key seen before: id=TRN_…, status=…".
fn original(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("id=")?;
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .unwrap_or(rest.len());
    let id = rest.get(..end)?;
    ["TRN_", "VER_", "PMT_"]
        .iter()
        .any(|prefix| is_id(prefix, id))
        .then(|| id.into())
}

/// A text in an answer. Absent values are empty texts with this platform.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

/// A path with a query.
fn query(path: &str, pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{path}?{query}")
}

/// Keeps what is certain an error, and makes a doubt of what is not.
fn doubtful(error: Error) -> Result<Doubt, Refusal> {
    match error {
        Error::Refused(refusal) => Err(refusal),
        Error::Doubtful(doubt) => Ok(doubt),
        Error::SignatureInvalid => Ok(Doubt::SignatureInvalid),
        Error::Incomplete(_) => Ok(Doubt::Undecodable),
    }
}

#[async_trait]
impl Gateway for GpApi {
    fn platform(&self) -> Platform {
        Platform::GpApi
    }

    /// Which currencies an account takes is known to the platform alone.
    fn accepts(&self, currency: Currency) -> bool {
        Amount::from_minor(1, currency).is_ok()
    }

    fn notification_routes(&self) -> &'static [&'static str] {
        &[""]
    }

    fn default_mode(&self) -> Mode {
        Mode::Direct
    }

    fn browser_urls(&self) -> Vec<&str> {
        vec![self.hosts.base()]
    }

    fn refunds_parts(&self) -> bool {
        true
    }

    fn finds(&self) -> bool {
        true
    }

    fn demo_facts(&self) -> Map<String, Value> {
        let facts = json!({
            "base_url": self.hosts.base(),
            "network_tokens": self.use_network_token,
            "currencies": [self.currency.code()],
            "sandbox": self.sandbox,
        });
        facts.as_object().cloned().unwrap_or_default()
    }

    fn check(&self, handed: &Handed) -> Result<(), Refusal> {
        match handed {
            Handed::Sealed { .. } => Err(Refusal::NotOffered),
            Handed::Answer(answer) => serde_json::from_value::<PaymentMethod>(answer.clone())
                .ok()
                .and_then(|answer| read_payment_method(&answer).ok())
                .map(|_| ())
                .ok_or(Refusal::Invalid("answer")),
        }
    }

    async fn made_for(&self, transport: &Transport, token: &SecretString) -> Result<Option<String>, Error> {
        self.reference_of(transport, token).await
    }

    /// A token that may create one payment method: with any more it could charge and refund.
    async fn open_session(&self, transport: &Transport, ask: &SessionAsk<'_>) -> Result<Opened, Error> {
        if ask.kind != Kind::Tokenize || ask.mode != Mode::Direct {
            return Err(Refusal::NotOffered.into());
        }
        self.browser_access(transport, ask.reference).await
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

    async fn charge(&self, transport: &Transport, ask: &ChargeAsk<'_>) -> Result<Outcome, Refusal> {
        self.charge_token(transport, ask).await
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

    async fn find(
        &self,
        transport: &Transport,
        ask: &ChargeAsk<'_>,
        repeat: bool,
    ) -> Result<Outcome, Refusal> {
        self.find_out(transport, ask, repeat, Doubt::Interrupted).await
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
mod tests {
    use super::*;

    #[test]
    fn finds_the_original_of_a_repeated_key() {
        for (message, id) in [
            ("Idempotency Key seen before: id=TRN_abc-1_x", Some("TRN_abc-1_x")),
            (
                "Idempotency Key seen before: id=PMT_1, status=ACTIVE",
                Some("PMT_1"),
            ),
            ("Idempotency Key seen before: id=../../x", None),
            ("Idempotency Key seen before", None),
        ] {
            assert_eq!(original(message).as_deref(), id, "{message}");
        }
    }

    #[test]
    fn tells_a_refusal_from_a_doubt() {
        let read = |status, body: &str| {
            read(&Response {
                status,
                headers: Vec::new(),
                body: body.into(),
            })
        };
        let error = |code: &str| {
            format!(
                r#"{{"error_code":"WORD","detailed_error_code":"{code}","detailed_error_description":"card 4263970000005262"}}"#
            )
        };
        let Err(Problem::Rejected(rejection)) = read(400, &error("40005")) else {
            panic!("not a refusal");
        };
        assert_eq!(rejection.code.as_deref(), Some("40005"));
        assert_eq!(rejection.name.as_deref(), Some("WORD"));
        assert!(!rejection.message.contains("4263"));
        assert!(matches!(read(502, &error("50012")), Err(Problem::Rejected(_))));
        for (status, body) in [
            (502, error("50013")),
            (500, error("50134")),
            (502, "<html>".into()),
            (504, String::new()),
            (408, error("40001")),
            (200, "[]".into()),
            (200, "no".into()),
            (400, "<html>".into()),
            (400, "{}".into()),
            (302, "{}".into()),
        ] {
            assert!(
                matches!(read(status, &body), Err(Problem::Doubtful(_))),
                "{status} {body}"
            );
        }
        assert!(matches!(
            read(409, &error("40039")),
            Err(Problem::Duplicate(None))
        ));
        assert!(read(200, r#"{"id":"TRN_1"}"#).is_ok());
    }
}
