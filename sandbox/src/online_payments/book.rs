//! What the simulated platform has booked.

use std::collections::{HashMap, HashSet};

use axum::http::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::cards::CardFacts;
use super::fields::Money;
use super::links::Link;
use super::mandates::Mandate;
use super::payouts::Payout;
use super::statuses::{self, AUTHORIZED, CANCELLED, CAPTURED, REDIRECTED, REJECTED};
use super::{refusal, timestamp};
use crate::host::clock;

/// How long keys of calls are kept.
const KEY_LIFETIME: time::Duration = time::Duration::hours(24);

/// A page's right to call the client API.
pub(crate) struct Session {
    pub(crate) customer_id: String,
    pub(crate) expires_at: OffsetDateTime,
    /// Stored cards that its page may offer.
    pub(crate) tokens: Vec<String>,
}

/// A stored card.
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) card: CardFacts,
    /// Of a temporary token: until when.
    pub(crate) until: Option<OffsetDateTime>,
    /// A temporary token is used once.
    pub(crate) used: bool,
    /// Its number in pages.
    pub(crate) account: u32,
}

impl Token {
    pub(crate) fn is_good(&self, now: OffsetDateTime) -> bool {
        !self.used && self.until.is_none_or(|until| now < until)
    }
}

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Payment,
    Capture,
    Refund,
    Cancel,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Capture => "capture",
            Self::Refund => "refund",
            Self::Cancel => "cancel",
        }
    }
}

/// The payment itself, or something done to it.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    pub(crate) amount: i64,
    pub(crate) code: u16,
    /// What the code turns into, and when.
    pub(crate) becomes: Option<(u16, OffsetDateTime)>,
    pub(crate) at: OffsetDateTime,
    /// `errorCode` of what was refused.
    pub(crate) error_code: Option<String>,
}

impl Operation {
    /// Done, or on its way.
    fn counts(&self) -> bool {
        !matches!(
            self.code,
            statuses::CAPTURE_REFUSED | statuses::REFUND_REFUSED | REJECTED | statuses::CANCELLED_BY_CUSTOMER
        )
    }
}

/// What waits for the holder to authenticate.
#[derive(Clone)]
pub(crate) struct Challenge {
    pub(crate) page: String,
    pub(crate) mac: String,
    /// Where the shopper goes afterwards, with the query.
    pub(crate) back: String,
}

pub(crate) struct Payment {
    /// Without the number of the operation.
    pub(crate) id: String,
    pub(crate) money: Money,
    pub(crate) reference: Option<String>,
    /// What is paid with: a card, or another product on whose page the shopper pays.
    pub(crate) product: u32,
    pub(crate) card: Option<CardFacts>,
    pub(crate) token: Option<String>,
    /// Captured with the authorization.
    pub(crate) sale: bool,
    /// To be stored once it is authorized.
    pub(crate) tokenize: bool,
    pub(crate) challenge: Option<Challenge>,
    /// The first is the payment itself.
    pub(crate) operations: Vec<Operation>,
    /// After a final capture no other comes.
    pub(crate) closed: bool,
    /// Where its events go.
    pub(crate) event_urls: Vec<String>,
}

impl Payment {
    fn total(&self, kind: Kind) -> i64 {
        self.operations
            .iter()
            .filter(|operation| operation.kind == kind && operation.counts())
            .map(|operation| operation.amount)
            .sum()
    }

    pub(crate) fn first_code(&self) -> u16 {
        self.operations.first().map_or(0, |first| first.code)
    }

    fn last_code(&self, kind: Kind) -> Option<u16> {
        let mut last = self.operations.iter().rev();
        last.find(|operation| operation.kind == kind)
            .map(|operation| operation.code)
    }

    fn captured_for_good(&self) -> i64 {
        let is_captured = |operation: &&Operation| {
            operation.code == CAPTURED && matches!(operation.kind, Kind::Payment | Kind::Capture)
        };
        self.operations
            .iter()
            .filter(is_captured)
            .map(|operation| operation.amount)
            .sum()
    }

    /// What can still be captured.
    pub(crate) fn capturable(&self) -> i64 {
        if self.first_code() == AUTHORIZED && !self.closed {
            self.money.amount - self.total(Kind::Capture) - self.total(Kind::Cancel)
        } else {
            0
        }
    }

    /// What can still be refunded.
    pub(crate) fn refundable(&self) -> i64 {
        self.captured_for_good() - self.total(Kind::Refund)
    }

    /// Nothing was captured yet.
    pub(crate) fn cancellable(&self) -> i64 {
        if self.total(Kind::Capture) == 0 {
            self.capturable()
        } else {
            0
        }
    }

    /// The status code of the whole.
    pub(crate) fn code(&self) -> u16 {
        let captured = self.captured_for_good();
        if captured > 0 && self.total(Kind::Refund) >= captured {
            let refunds = self.operations.iter().rev();
            let last = refunds
                .filter(|operation| operation.kind == Kind::Refund)
                .find(|operation| operation.counts());
            return last.map_or(CAPTURED, |refund| refund.code);
        }
        if let Some(code) = self.last_code(Kind::Capture) {
            return code;
        }
        let cancelled = self.total(Kind::Cancel);
        match self.last_code(Kind::Cancel) {
            Some(code) if cancelled >= self.money.amount => code,
            _ => self.first_code(),
        }
    }

    fn errors(&self, index: usize) -> Option<Value> {
        let code = self.operations.get(index)?.error_code.as_deref()?;
        Some(refusal::decline(code))
    }

    const fn method(&self) -> &'static str {
        if self.card.is_some() { "card" } else { "redirect" }
    }

    /// What an output tells of the means of payment, and under which name.
    fn specific(&self) -> (&'static str, Value) {
        let mut specific = json!({ "paymentProductId": self.product });
        if let Some(fields) = specific.as_object_mut() {
            if let Some(card) = &self.card {
                fields.insert(
                    "card".into(),
                    json!({
                        "bin": card.first6,
                        "cardNumber": card.masked(),
                        "countryCode": "99",
                        "expiryDate": card.expiry(),
                    }),
                );
            }
            fields.insert(
                "fraudResults".into(),
                json!({ "fraudServiceResult": "no-advice" }),
            );
            if self.code() != REJECTED && self.code() != REDIRECTED {
                fields.insert("authorisationCode".into(), "test123".into());
            }
            if let Some(token) = &self.token {
                fields.insert("token".into(), token.as_str().into());
            }
        }
        let name = if self.card.is_some() {
            "cardPaymentMethodSpecificOutput"
        } else {
            "redirectPaymentMethodSpecificOutput"
        };
        (name, specific)
    }

    fn output(&self, amount: i64, at: OffsetDateTime) -> Value {
        let (name, specific) = self.specific();
        let mut output = json!({
            "amountOfMoney": self.of_currency(amount),
            "references": { "merchantReference": self.reference },
            "paymentMethod": self.method(),
            "transactionDate": timestamp(at),
        });
        if let Some(fields) = output.as_object_mut() {
            fields.insert(name.into(), specific);
            if self.captured_for_good() > 0 {
                fields.insert(
                    "acquiredAmount".into(),
                    self.of_currency(self.captured_for_good()),
                );
            }
        }
        output
    }

    /// A refund has an output of its own kind.
    fn refund_output(&self, amount: i64, at: OffsetDateTime) -> Value {
        let name = if self.card.is_some() {
            "cardRefundMethodSpecificOutput"
        } else {
            "redirectRefundMethodSpecificOutput"
        };
        json!({
            "amountOfMoney": self.of_currency(amount),
            "references": { "merchantReference": self.reference },
            "paymentMethod": self.method(),
            "transactionDate": timestamp(at),
            name: {
                "totalAmountPaid": self.captured_for_good(),
                "totalAmountRefunded": self.total(Kind::Refund),
            },
        })
    }

    fn of_currency(&self, amount: i64) -> Value {
        json!({ "amount": amount, "currencyCode": self.money.currency })
    }

    pub(crate) fn operation_id(&self, index: usize) -> String {
        format!("{}_{index}", self.id)
    }

    /// The payment as a whole.
    pub(crate) fn json(&self) -> Value {
        let code = self.code();
        let at = self
            .operations
            .first()
            .map_or(OffsetDateTime::UNIX_EPOCH, |first| first.at);
        json!({
            "id": self.operation_id(0),
            "status": statuses::names(code).0,
            "statusOutput": statuses::output(
                code,
                self.cancellable() > 0,
                self.refundable() > 0,
                self.errors(0).as_ref(),
            ),
            "paymentOutput": self.output(self.money.amount, at),
        })
    }

    /// One operation, its output named as its kind wants it.
    pub(crate) fn operation_json(&self, index: usize, output: &str) -> Value {
        let Some(operation) = self.operations.get(index) else {
            return Value::Null;
        };
        let mut status = self.operation_status(index);
        if let Some(fields) = status.as_object_mut() {
            // Captures and refunds tell less of their status than payments.
            let told: Option<&[&str]> = match output {
                "captureOutput" => Some(&["statusCode"]),
                "refundOutput" => Some(&["statusCode", "statusCategory", "isCancellable", "errors"]),
                _ => None,
            };
            if let Some(told) = told {
                fields.retain(|name, _| told.contains(&name.as_str()));
            }
        }
        let mut json = json!({
            "id": self.operation_id(index),
            "status": statuses::names(operation.code).0,
            "statusOutput": status,
        });
        let (amount, at) = (operation.amount, operation.at);
        if let Some(fields) = json.as_object_mut() {
            fields.insert(
                output.into(),
                if output == "refundOutput" {
                    self.refund_output(amount, at)
                } else {
                    self.output(amount, at)
                },
            );
        }
        json
    }

    fn operation_status(&self, index: usize) -> Value {
        let code = self.operations.get(index).map_or(0, |operation| operation.code);
        // Of the whole: what can be done next does not depend on which operation is looked at.
        statuses::output(
            code,
            self.cancellable() > 0,
            self.refundable() > 0,
            self.errors(index).as_ref(),
        )
    }

    /// `Operations` of the details.
    pub(crate) fn operations_json(&self) -> Vec<Value> {
        let all = self.operations.iter().enumerate();
        all.map(|(index, operation)| {
            json!({
                "id": self.operation_id(index),
                "amountOfMoney": self.of_currency(operation.amount),
                "status": statuses::names(operation.code).0,
                "statusOutput": self.operation_status(index),
                "paymentMethod": self.method(),
                "references": { "merchantReference": self.reference },
                "transactionDate": timestamp(operation.at),
            })
        })
        .collect()
    }
}

/// What became of a hosted checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Open,
    Paid,
    Cancelled,
}

#[derive(Clone)]
pub(crate) struct Checkout {
    pub(crate) id: String,
    pub(crate) mac: String,
    /// Last part of the page's path.
    pub(crate) page: String,
    pub(crate) money: Money,
    pub(crate) reference: Option<String>,
    pub(crate) return_url: Option<String>,
    pub(crate) shows_result: bool,
    pub(crate) attempts_left: u32,
    pub(crate) sale: bool,
    pub(crate) tokenize: bool,
    pub(crate) tokens: Vec<String>,
    /// Nothing: all.
    pub(crate) products: Vec<u32>,
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) event_urls: Vec<String>,
    pub(crate) progress: Progress,
}

pub(crate) struct Tokenization {
    pub(crate) id: String,
    pub(crate) page: String,
    pub(crate) tokens: Vec<String>,
    pub(crate) products: Vec<u32>,
    pub(crate) asks_consent: bool,
    /// Whether the code of a stored card has to be given.
    pub(crate) cvv_for_stored: bool,
    pub(crate) expires_at: OffsetDateTime,
    /// The token and how it came to be.
    pub(crate) result: Option<(String, &'static str)>,
}

/// What a call with a key led to.
#[derive(Clone)]
pub(crate) enum Outcome {
    Running,
    Done(StatusCode, Option<String>),
}

struct KeyEntry {
    at: OffsetDateTime,
    outcome: Outcome,
}

/// Something to tell the merchant.
pub(crate) struct Event {
    pub(crate) kind: &'static str,
    /// Name and value of what it is about.
    pub(crate) about: Option<(&'static str, Value)>,
    /// Nothing: where the settings say.
    pub(crate) urls: Vec<String>,
    pub(crate) at: OffsetDateTime,
}

/// An event that was posted, or given up.
pub(crate) struct Sent {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) tries: u32,
    /// The merchant's HTTP status; nothing if there was no answer.
    pub(crate) status: Option<u16>,
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) sessions: HashMap<String, Session>,
    tokens: Vec<Token>,
    pub(crate) payments: Vec<Payment>,
    pub(crate) checkouts: Vec<Checkout>,
    pub(crate) tokenizations: Vec<Tokenization>,
    pub(crate) payouts: Vec<Payout>,
    pub(crate) links: Vec<Link>,
    pub(crate) mandates: Vec<Mandate>,
    keys: HashMap<(&'static str, String), KeyEntry>,
    pub(crate) nonces: HashSet<String>,
    /// Digests of encrypted inputs that were used.
    pub(crate) inputs: HashSet<[u8; 32]>,
    /// Why encrypted inputs were refused: what no answer tells.
    pub(crate) refused_inputs: Vec<String>,
    pub(crate) outbox: Vec<Event>,
    pub(crate) sent: Vec<Sent>,
}

impl Book {
    /// A token that can be used.
    pub(crate) fn token(&mut self, id: &str, now: OffsetDateTime) -> Option<&mut Token> {
        self.tokens
            .iter_mut()
            .find(|token| token.id == id && token.is_good(now))
    }

    pub(crate) fn tokens(&mut self) -> &mut Vec<Token> {
        &mut self.tokens
    }

    pub(crate) fn payment(&mut self, id: &str) -> Option<&mut Payment> {
        self.payments.iter_mut().find(|payment| payment.id == id)
    }

    /// A payment by the id of one of its operations, and which.
    pub(crate) fn operation(&mut self, id: &str) -> Option<(&mut Payment, usize)> {
        let (payment, index) = id.split_once('_')?;
        let index = index.parse().ok()?;
        let payment = self.payment(payment)?;
        (index < payment.operations.len() && payment.operation_id(index) == id).then_some((payment, index))
    }

    /// What a call with this key led to before, and when it came.
    pub(crate) fn outcome(
        &mut self,
        route: &'static str,
        key: &str,
        now: OffsetDateTime,
    ) -> Option<(OffsetDateTime, Outcome)> {
        self.keys.retain(|_, entry| now - entry.at < KEY_LIFETIME);
        let entry = self.keys.get(&(route, key.to_owned()))?;
        Some((entry.at, entry.outcome.clone()))
    }

    pub(crate) fn remember(&mut self, route: &'static str, key: &str, at: OffsetDateTime, outcome: Outcome) {
        self.keys
            .insert((route, key.to_owned()), KeyEntry { at, outcome });
    }

    pub(crate) fn forget(&mut self, route: &'static str, key: &str) {
        self.keys.remove(&(route, key.to_owned()));
    }

    pub(crate) fn tell(
        &mut self,
        kind: &'static str,
        about: Option<(&'static str, Value)>,
        urls: Vec<String>,
        at: OffsetDateTime,
    ) {
        self.outbox.push(Event {
            kind,
            about,
            urls,
            at,
        });
    }

    /// Tells what an operation is now.
    pub(crate) fn tell_operation(&mut self, id: &str, index: usize, at: OffsetDateTime) {
        let Some(payment) = self.payments.iter().find(|payment| payment.id == id) else {
            return;
        };
        let Some(operation) = payment.operations.get(index) else {
            return;
        };
        let kind = match (operation.kind, operation.code) {
            (Kind::Payment, AUTHORIZED) => "payment.pending_capture",
            (Kind::Payment | Kind::Capture, CAPTURED) => "payment.captured",
            (Kind::Payment, REJECTED) => "payment.rejected",
            (Kind::Payment, REDIRECTED) => "payment.redirected",
            (Kind::Payment, statuses::AUTHORIZATION_WAITS) => "payment.authorization_requested",
            (Kind::Capture, statuses::CAPTURE_WAITS) => "payment.capture_requested",
            (Kind::Capture, statuses::CAPTURE_REFUSED) => "payment.rejected_capture",
            (Kind::Refund, statuses::REFUND_WAITS) => "refund.refund_requested",
            (Kind::Refund, statuses::REFUNDED) => "payment.refunded",
            (Kind::Cancel, CANCELLED) => "payment.cancelled",
            // No event is documented for the others.
            _ => return,
        };
        let about = if kind.starts_with("refund.") {
            ("refund", payment.operation_json(index, "refundOutput"))
        } else {
            ("payment", payment.operation_json(index, "paymentOutput"))
        };
        let urls = payment.event_urls.clone();
        self.tell(kind, Some(about), urls, at);
    }

    /// Lets operations come to their end.
    pub(crate) fn settle(&mut self, now: OffsetDateTime) {
        let mut settled = Vec::new();
        for payment in &mut self.payments {
            for (index, operation) in payment.operations.iter_mut().enumerate() {
                if let Some((code, at)) = operation.becomes
                    && at <= now
                {
                    operation.code = code;
                    operation.becomes = None;
                    settled.push((payment.id.clone(), index));
                }
            }
        }
        for (id, index) in settled {
            self.tell_operation(&id, index, now);
        }
    }

    /// What the control API tells.
    pub(crate) fn state(&self, now: OffsetDateTime) -> Value {
        let payments = self.payments.iter().map(|payment| {
            let operations = payment.operations.iter().map(|operation| {
                json!({
                    "kind": operation.kind.name(),
                    "amount": operation.amount,
                    "status_code": operation.code,
                    "at": clock::text(operation.at),
                })
            });
            json!({
                "id": payment.id,
                "status": statuses::names(payment.code()).0,
                "status_code": payment.code(),
                "amount": payment.money.amount,
                "currency": payment.money.currency,
                "merchant_reference": payment.reference,
                "product": payment.product,
                "last4": payment.card.as_ref().map(|card| &card.last4),
                "operations": operations.collect::<Vec<_>>(),
            })
        });
        let tokens = self.tokens.iter().map(|token| {
            json!({
                "id": token.id,
                "first6": token.card.first6,
                "last4": token.card.last4,
                "product": token.card.product,
                "temporary": token.until.is_some(),
                "usable": token.is_good(now),
            })
        });
        let checkouts = self.checkouts.iter().map(|checkout| {
            json!({
                "id": checkout.id,
                "progress": match checkout.progress {
                    Progress::Open => "open",
                    Progress::Paid => "paid",
                    Progress::Cancelled => "cancelled",
                },
            })
        });
        let tokenizations = self.tokenizations.iter().map(|tokenization| {
            json!({
                "id": tokenization.id,
                "token": tokenization.result.as_ref().map(|(token, _)| token),
            })
        });
        let payouts = self.payouts.iter().map(|payout| {
            json!({
                "id": payout.id,
                "status": payout.status(),
                "amount": payout.money.amount,
                "currency": payout.money.currency,
                "last4": payout.card.last4,
            })
        });
        let links = self
            .links
            .iter()
            .map(|link| json!({ "id": link.id, "status": link.status(self, now) }));
        let mandates = self
            .mandates
            .iter()
            .map(|mandate| json!({ "reference": mandate.reference, "status": mandate.status.name() }));
        let sent = self.sent.iter().map(
            |sent| json!({ "type": sent.kind, "id": sent.id, "tries": sent.tries, "status": sent.status }),
        );
        json!({
            "sessions_made": self.sessions.len(),
            "inputs_opened": self.inputs.len(),
            "inputs_refused": self.refused_inputs,
            "tokens": tokens.collect::<Vec<_>>(),
            "payments": payments.collect::<Vec<_>>(),
            "hosted_checkouts": checkouts.collect::<Vec<_>>(),
            "hosted_tokenizations": tokenizations.collect::<Vec<_>>(),
            "payouts": payouts.collect::<Vec<_>>(),
            "payment_links": links.collect::<Vec<_>>(),
            "mandates": mandates.collect::<Vec<_>>(),
            "webhooks_sent": sent.collect::<Vec<_>>(),
        })
    }
}
