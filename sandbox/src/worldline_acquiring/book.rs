//! What the simulated platform has recorded. Sums and statuses are never stored: they follow from the operations, so an
//! undone operation is as if it had never been.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use cardseal::redact::card_digits;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::cards::CardFacts;
use super::fields::Money;
use super::issuer::{self, Verdict};
use super::settings::Settings;
use crate::host::access::AccessTokens;
use crate::host::clock;
use crate::host::keeping::Keep;

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Authorization,
    Increment,
    Capture,
    Refund,
    Reversal,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Authorization => "AUTHORIZATION",
            Self::Increment => "INCREMENT",
            Self::Capture => "CAPTURE",
            Self::Refund => "REFUND",
            Self::Reversal => "AUTHORIZATION_REVERSAL",
        }
    }
}

/// Something that was done to a payment, or to a refund.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) at: OffsetDateTime,
    pub(crate) amount: Money,
    pub(crate) verdict: Verdict,
    pub(crate) authorization_code: Option<String>,
    /// Of a capture: what is not captured is let go.
    pub(crate) is_final: bool,
    /// By a technical reversal.
    pub(crate) undone: bool,
}

impl Operation {
    /// Moved money, and was not undone.
    const fn counts(&self) -> bool {
        !self.undone && !matches!(self.verdict, Verdict::Declined(..))
    }

    fn body(&self) -> Value {
        let mut body = issuer::codes(&self.verdict, "ISSUER");
        body["operationType"] = self.kind.name().into();
        body["operationId"] = self.id.as_str().into();
        body["operationTimestamp"] = seconds(self.at).into();
        body["amount"] = self.amount.body();
        if let Some(code) = &self.authorization_code {
            body["authorizationCode"] = code.as_str().into();
        }
        if let Some(members) = body.as_object_mut() {
            members.remove("responder");
            members.remove("additionalResponseData");
        }
        body
    }

    fn shown(&self) -> Value {
        json!({
            "type": self.kind.name(),
            "id": card_digits(&self.id),
            "amount": self.amount.amount,
            "approved": !matches!(self.verdict, Verdict::Declined(..)),
            "undone": self.undone,
        })
    }
}

/// A payment, or a refund: the first operation makes it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) id: String,
    /// Of a refund: the payment, if there is one.
    pub(crate) parent: Option<String>,
    pub(crate) merchant_reference: Option<String>,
    pub(crate) authorization_type: Option<String>,
    /// What the first operation asked for.
    pub(crate) requested: Money,
    /// Captured without a call of its own.
    pub(crate) immediate: bool,
    /// Until then nobody is told.
    pub(crate) pending_until: Option<OffsetDateTime>,
    pub(crate) changed_at: OffsetDateTime,
    pub(crate) card: CardFacts,
    pub(crate) references: References,
    pub(crate) operations: Vec<Operation>,
}

impl Item {
    fn sum(&self, kind: Kind) -> u64 {
        self.operations
            .iter()
            .filter(|operation| operation.kind == kind && operation.counts())
            .map(|operation| operation.amount.amount)
            .sum()
    }

    fn first(&self) -> Option<&Operation> {
        self.operations.first()
    }

    /// The first operation was undone, and with it all.
    fn is_undone(&self) -> bool {
        self.first().is_some_and(|first| first.undone)
    }

    fn is_declined(&self) -> bool {
        self.first()
            .is_some_and(|first| matches!(first.verdict, Verdict::Declined(..)))
    }

    /// What is held, or was before it was captured.
    pub(crate) fn authorized(&self) -> u64 {
        let first = self
            .first()
            .filter(|first| first.counts())
            .map_or(0, |first| first.amount.amount);
        if first == 0 {
            return 0;
        }
        (first + self.sum(Kind::Increment)).saturating_sub(self.sum(Kind::Reversal))
    }

    pub(crate) fn captured(&self) -> u64 {
        if self.immediate {
            self.authorized()
        } else {
            self.sum(Kind::Capture)
        }
    }

    /// Of a payment.
    pub(crate) fn refunded(&self) -> u64 {
        self.sum(Kind::Refund)
    }

    /// Whether a final capture was made.
    pub(crate) fn is_closed(&self) -> bool {
        self.immediate
            || self
                .operations
                .iter()
                .any(|operation| operation.kind == Kind::Capture && operation.is_final && operation.counts())
    }

    fn captured_at(&self) -> Option<OffsetDateTime> {
        if self.immediate {
            return self.first().map(|first| first.at);
        }
        let mut captures = self
            .operations
            .iter()
            .filter(|operation| operation.kind == Kind::Capture && operation.counts());
        captures.next_back().map(|capture| capture.at)
    }

    pub(crate) fn is_pending(&self, now: OffsetDateTime) -> bool {
        !self.is_undone() && self.pending_until.is_some_and(|until| now < until)
    }

    pub(crate) fn status(&self, settings: &Settings, now: OffsetDateTime) -> &'static str {
        if self.is_declined() {
            "NOT_AUTHORIZED"
        } else if self.is_pending(now) {
            "PENDING"
        } else if self.authorized() == 0 {
            "REVERSED"
        } else if self.captured() == 0 {
            "AUTHORIZED"
        } else {
            let wait = Duration::seconds(settings.confirm_after_seconds.into());
            match self.captured_at() {
                Some(at) if now - at < wait => "PENDING_CAPTURE",
                _ => "CONFIRMED",
            }
        }
    }

    /// What an answer of an operation says of it, with the name of its id.
    pub(crate) fn summary(&self, id: &str, settings: &Settings, now: OffsetDateTime) -> Value {
        json!({
            id: self.id,
            "status": self.status(settings, now),
            "statusTimestamp": seconds(self.changed_at),
            "references": self.references.body(),
        })
    }

    /// All of it, as it is read. Of the card there is nothing but its brand.
    pub(crate) fn body(&self, id: &str, settings: &Settings, now: OffsetDateTime, operations: bool) -> Value {
        let mut body = self.summary(id, settings, now);
        if let Some(brand) = &self.card.brand {
            body["cardPaymentData"] = json!({ "brand": brand });
        }
        if let Some(payment) = &self.parent {
            body["referencedPaymentId"] = payment.as_str().into();
        }
        if !self.is_pending(now) {
            body["totalAuthorizedAmount"] = self.requested.with(self.authorized()).body();
        }
        if let Some(code) = self.authorization_code().filter(|_| !self.is_pending(now)) {
            body["initialAuthorizationCode"] = code.into();
        }
        if operations {
            body["operations"] = self
                .operations
                .iter()
                .filter(|operation| !operation.undone)
                .map(Operation::body)
                .collect();
        }
        body
    }

    pub(crate) fn authorization_code(&self) -> Option<&str> {
        self.first()?.authorization_code.as_deref()
    }

    fn shown(&self, settings: &Settings, now: OffsetDateTime) -> Value {
        json!({
            "id": self.id,
            "payment": self.parent,
            "status": self.status(settings, now),
            "merchant_reference": self.merchant_reference.as_deref().map(card_digits),
            "authorization_type": self.authorization_type,
            "amount": self.requested.amount,
            "currency": self.requested.currency,
            "authorized": self.authorized(),
            "captured": self.captured(),
            "refunded": self.refunded(),
            "last4": self.card.last4,
            "brand": self.card.brand.as_deref().map(card_digits),
            "network_token": self.card.network_token,
            "security_code_result": self.card.code_result,
            "card_on_file": self.card.on_file,
            "scheme_transaction_id": self.references.scheme_transaction_id,
            "operations": self.operations.iter().map(Operation::shown).collect::<Vec<_>>(),
        })
    }
}

/// The scheme's names of something. Their form is of no meaning; letters alone cannot be taken for a card number.
#[derive(Clone, Debug)]
pub(crate) struct References {
    pub(crate) scheme_transaction_id: String,
    link_id: Option<String>,
    retrieval: String,
}

impl References {
    pub(crate) fn make(card: &CardFacts) -> Self {
        Self {
            scheme_transaction_id: letters(15),
            link_id: (card.brand.as_deref() == Some("MASTERCARD")).then(|| letters(22)),
            retrieval: letters(12),
        }
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "schemeTransactionId": self.scheme_transaction_id,
            "retrievalReferenceNumber": self.retrieval,
        });
        if let Some(link) = &self.link_id {
            body["schemeTransactionLinkId"] = link.as_str().into();
        }
        body
    }
}

/// The time without a fraction, which some clients cannot read.
pub(crate) fn seconds(at: OffsetDateTime) -> String {
    clock::text(at.replace_nanosecond(0).unwrap_or(at))
}

/// Capital letters by chance.
pub(crate) fn letters(count: usize) -> String {
    std::iter::repeat_with(|| Uuid::new_v4().into_bytes())
        .flatten()
        .map(|byte| char::from(b'A' + byte % 26))
        .take(count)
        .collect()
}

/// A verification of a card.
pub(crate) struct Verification {
    pub(crate) operation: String,
    pub(crate) card: CardFacts,
    pub(crate) approved: bool,
    pub(crate) references: References,
}

/// What an operation's id stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Of a payment.
    Payment(String),
    /// Of a refund.
    Refund(String),
    /// Of what moved no money.
    Nothing,
    /// A technical reversal, which cannot be undone.
    TechnicalReversal,
}

/// An operation that was carried out.
pub(crate) struct Known {
    /// Of what was asked: salted, as a card may stand in it.
    pub(crate) digest: [u8; 32],
    pub(crate) status: StatusCode,
    pub(crate) answer: Option<Value>,
    pub(crate) target: Target,
    pub(crate) undone: bool,
}

/// Everything.
#[derive(Default)]
pub(crate) struct Book {
    /// Each with its scopes.
    pub(crate) tokens: AccessTokens<Vec<&'static str>>,
    pub(crate) tokens_made: u64,
    pub(crate) known: BTreeMap<String, Known>,
    pub(crate) payments: Vec<Item>,
    pub(crate) refunds: Vec<Item>,
    pub(crate) verifications: Vec<Verification>,
    /// Ids of operations that were undone, in that order.
    pub(crate) reversals: Vec<String>,
    /// Repeats that were told the first answer.
    pub(crate) replays: u64,
}

/// This platform stores no cards: the merchant does.
impl Keep for Book {}

impl Book {
    pub(crate) fn payment(&mut self, id: &str) -> Option<&mut Item> {
        self.payments.iter_mut().find(|payment| payment.id == id)
    }

    pub(crate) fn refund(&mut self, id: &str) -> Option<&mut Item> {
        self.refunds.iter_mut().find(|refund| refund.id == id)
    }

    pub(crate) fn state(&self, settings: &Settings, now: OffsetDateTime) -> Value {
        let shown =
            |items: &[Item]| -> Vec<Value> { items.iter().map(|item| item.shown(settings, now)).collect() };
        let verifications: Vec<Value> = self
            .verifications
            .iter()
            .map(|verification| {
                json!({
                    "operation": card_digits(&verification.operation),
                    "approved": verification.approved,
                    "last4": verification.card.last4,
                    "network_token": verification.card.network_token,
                    "card_on_file": verification.card.on_file,
                    "scheme_transaction_id": verification.references.scheme_transaction_id,
                })
            })
            .collect();
        json!({
            "access_tokens_made": self.tokens_made,
            "payments": shown(&self.payments),
            "refunds": shown(&self.refunds),
            "verifications": verifications,
            "technical_reversals": self.reversals.iter().map(|id| card_digits(id)).collect::<Vec<_>>(),
            "replays": self.replays,
        })
    }
}
