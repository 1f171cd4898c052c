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
use cardseal::lenient::UNREADABLE;
use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::amount::{Amount, Currency};
use crate::error::{Doubt, Error, Refusal, Rejection, sentence};
use crate::gateway::{
    Capabilities, Change, ChargeAsk, Gateway, Handed, Notification, OpenSession, Opened, Outcome, PaymentRef,
    SessionAsk, StoredCard, TokenPatch,
};
use crate::transport::access::ClientCredentials;
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
    access: ClientCredentials<Arc<Access>, Error>,
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
    let mut body = serde_json::from_slice::<Value>(&answer.body)
        .ok()
        .filter(Value::is_object);
    if let Some(body) = &mut body {
        write_out(body);
    }
    match (answer.status, body) {
        (200..=299, Some(body)) if deciding(&body, "/error_code").is_none() => Ok(body),
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
            message: sentence(&message),
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

/// Makes texts of whole numbers, as this platform has texts for all of its codes and ids. Amounts stay what they are:
/// one that is no text is not the documented one.
fn write_out(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::Number(number) if name != "amount" && !number.is_f64() => {
                        *member = number.to_string().into();
                    }
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Array(_)
                    | Value::Object(_) => write_out(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(write_out),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A text that decides. One that is there and cannot be read is one that nothing fits.
fn deciding<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    let mut found = value;
    for name in pointer.split('/').skip(1) {
        found = match found {
            Value::Object(members) => members.get(name)?,
            Value::Null => return None,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Some(UNREADABLE);
            }
        };
    }
    match found {
        Value::Null => None,
        Value::String(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(UNREADABLE),
    }
}

/// A path with a query.
fn query(path: &str, pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{path}?{query}")
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
        vec![self.hosts.base()]
    }

    fn public_settings(&self) -> Map<String, Value> {
        let facts = json!({
            "base_url": self.hosts.base(),
            "network_tokens": self.use_network_token,
            "currencies": [self.currency.code()],
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
    use cardseal::gp_api::wire::AccessToken;

    use super::*;
    use crate::variants::variants;

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

    fn gateway() -> GpApi {
        let mistakes = crate::settings::Mistakes::default();
        let tree = json!({ "app_id": "a", "app_key": "k" });
        GpApi::from_settings(&crate::Settings::root(tree.as_object().unwrap(), &mistakes)).unwrap()
    }

    fn answered(status: u16, body: &Value) -> Result<Value, Problem> {
        read(&Response {
            status,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        })
    }

    #[test]
    fn one_odd_member_never_costs_the_rest_nor_makes_an_approval() {
        let gateway = gateway();
        let amount = Amount::parse("19.99", "USD").unwrap();
        let outcome = |body: &Value| match answered(200, body) {
            Ok(transaction) => gateway.outcome(&transaction, Some((&amount, "r-1"))),
            Err(Problem::Doubtful(doubt)) => Outcome::Unknown(doubt),
            Err(Problem::Rejected(_) | Problem::Duplicate(_)) => panic!("{body}"),
        };
        let captured = json!({ "id": "TRN_1", "time_created": "2026-11-21T10:00:00.000Z", "type": "SALE", "status": "CAPTURED",
            "channel": "CNP", "capture_mode": "AUTO", "amount": "1999", "currency": "USD", "country": "US",
            "merchant_id": "MER_1", "account_id": "TRA_1", "reference": "r-1", "batch_id": "BAT_1",
            "payment_method": { "result": "00", "message": "(00)[ test system ] Authorised", "entry_mode": "ECOM",
                "card": { "brand": "VISA", "authcode": "123456", "masked_number_last4": "XXXXXXXXXXXX5262",
                    "brand_reference": "b", "cvv_result": "MATCHED" } },
            "action": { "id": "ACT_1", "type": "AUTHORIZE", "result_code": "SUCCESS", "app_id": "a" } });
        assert!(matches!(outcome(&captured), Outcome::Approved(_)));
        for variant in variants(&captured) {
            let outcome = outcome(&variant.body);
            let said = format!("{} {:?}: {outcome:?}", variant.path, variant.odd);
            assert!(
                matches!(outcome, Outcome::Approved(_) | Outcome::Unknown(_)),
                "{said}"
            );
            let decides = [
                "/id",
                "/status",
                "/amount",
                "/currency",
                "/reference",
                "/action/result_code",
            ]
            .iter()
            .any(|member| variant.touches(member));
            if !decides {
                assert!(
                    matches!(&outcome, Outcome::Approved(approval) if approval.platform_id.as_deref() == Some("TRN_1")),
                    "{said}"
                );
            } else if !variant.is_absent() {
                assert!(!matches!(outcome, Outcome::Approved(_)), "{said}");
            }
        }
        let mut declined = captured;
        declined["status"] = "DECLINED".into();
        declined["payment_method"]["result"] = "51".into();
        declined["action"]["result_code"] = "DECLINED".into();
        for variant in variants(&declined) {
            let outcome = outcome(&variant.body);
            let said = format!("{} {:?}: {outcome:?}", variant.path, variant.odd);
            match outcome {
                Outcome::Declined(decline) => assert!(
                    variant.touches("/payment_method/result") || decline.reason == "insufficient_funds",
                    "{said}: {decline:?}"
                ),
                Outcome::Unknown(_) => assert!(
                    ["/id", "/status", "/amount", "/currency", "/reference"]
                        .iter()
                        .any(|member| variant.touches(member)),
                    "{said}"
                ),
                Outcome::Approved(_) | Outcome::Authorized(_) | Outcome::Voided(_) | Outcome::Pending(_) => {
                    panic!("{said}")
                }
            }
        }
        // A code as a number is the same code.
        declined["payment_method"]["result"] = 51.into();
        assert!(
            matches!(outcome(&declined), Outcome::Declined(decline) if decline.reason == "insufficient_funds")
        );
    }

    #[test]
    fn one_odd_member_never_costs_a_refusal_its_code() {
        let refused = json!({ "error_code": "INVALID_REQUEST_DATA", "detailed_error_code": "40213",
            "detailed_error_description": "amount contains unexpected data" });
        for variant in variants(&refused) {
            let said = format!("{} {:?}", variant.path, variant.odd);
            let Err(Problem::Rejected(rejection)) = answered(400, &variant.body) else {
                panic!("{said}");
            };
            let expected = match variant.touches("/detailed_error_code") {
                true => None,
                false => Some("40213"),
            };
            assert!(
                expected.is_none() || rejection.code.as_deref() == expected,
                "{said}: {rejection:?}"
            );
            assert!(
                variant.touches("/error_code") || rejection.name.as_deref() == Some("INVALID_REQUEST_DATA"),
                "{said}: {rejection:?}"
            );
        }
        let number = json!({ "error_code": "X", "detailed_error_code": 40_039,
            "detailed_error_description": "Idempotency Key seen before: id=TRN_1, status=CAPTURED" });
        assert!(matches!(answered(409, &number), Err(Problem::Duplicate(Some(id))) if id == "TRN_1"));
    }

    #[test]
    fn one_odd_member_never_costs_a_stored_card_or_a_token() {
        let method = json!({ "id": "PMT_1", "status": "ACTIVE", "usage_mode": "MULTIPLE", "merchant_id": "MER_1",
            "reference": "r-1", "name": "Ada", "time_created": "t", "account_name": "n",
            "card": { "number_last4": "xxxxxxxxxxxx1111", "brand": "VISA", "expiry_month": "12", "expiry_year": "30" },
            "action": { "id": "ACT_1", "type": "DETAIL", "result_code": "SUCCESS" } });
        for variant in variants(&method) {
            let read: PaymentMethod = serde_json::from_value(variant.body.clone()).unwrap();
            let card = read_payment_method(&read);
            let said = format!("{} {:?}: {card:?}", variant.path, variant.odd);
            let decides = ["/id", "/status", "/action/result_code"]
                .iter()
                .any(|member| variant.touches(member));
            if !decides {
                assert!(card.is_ok_and(|card| card.id == "PMT_1"), "{said}");
            } else if !variant.is_absent() {
                assert!(card.is_err(), "{said}");
            }
        }
        let token = json!({ "token": "t", "type": "Bearer", "app_id": "a", "app_name": "n", "time_created": "t",
            "seconds_to_expire": 600, "scope": { "merchant_id": "MER_1", "merchant_name": "m",
                "accounts": [{ "id": "TRA_1", "name": "transaction_processing", "permissions": ["PMT_POST_Create_Single"] }] } });
        for variant in variants(&token) {
            let read = serde_json::from_value::<AccessToken>(variant.body.clone());
            let said = format!("{} {:?}", variant.path, variant.odd);
            let Ok(read) = read else {
                let needed = ["/token", "/scope", "/seconds_to_expire"].contains(&variant.path.as_str());
                assert!(needed, "{said}");
                continue;
            };
            // What cannot be read may allow anything.
            let permissions = read
                .scope
                .accounts
                .iter()
                .flat_map(|account| &account.permissions);
            let plain = permissions
                .clone()
                .all(|permission| permission == "PMT_POST_Create_Single");
            let odd = variant.touches("/scope/accounts/0/permissions/0") && !variant.is_absent();
            let empty = matches!(&variant.odd, Some(Value::Array(items)) if items.is_empty());
            let same = variant.path == "/scope/accounts/0/permissions/0"
                && matches!(&variant.odd, Some(Value::String(text)) if text == "PMT_POST_Create_Single");
            assert!(!odd || empty || same || !plain, "{said}");
        }
    }
}
