//! What the simulated platform has recorded.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use super::cards::CardFacts;
use super::hosted::{Checkout, Tokenization};
use super::idempotence::Keys;
use super::links::Link;
use super::mandates::Mandate;
use super::payment::{Kind, Payment};
use super::payouts::Payout;
use super::statuses::{self, AUTHORIZED, CANCELLED, CAPTURED, REDIRECTED, REJECTED};
use crate::host::keeping::{self, Keep};

/// A page's right to call the client API.
pub(crate) struct Session {
    pub(crate) customer_id: String,
    pub(crate) expires_at: OffsetDateTime,
    /// Stored cards that its page may offer.
    pub(crate) tokens: Vec<String>,
}

/// A stored card.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) card: CardFacts,
    /// Of a temporary token: until when.
    #[serde(skip)]
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

/// An event for the merchant.
pub(crate) struct Event {
    pub(crate) kind: &'static str,
    /// Name and value of what it is about.
    pub(crate) about: Option<(&'static str, Value)>,
    /// Empty for the URL of the settings.
    pub(crate) urls: Vec<String>,
    pub(crate) at: OffsetDateTime,
}

/// An event that was delivered or given up.
pub(crate) struct Delivered {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) tries: u32,
    /// The merchant's HTTP status; `None` if there was no answer.
    pub(crate) status: Option<u16>,
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) sessions: HashMap<String, Session>,
    pub(super) tokens: Vec<Token>,
    pub(crate) payments: Vec<Payment>,
    pub(crate) checkouts: Vec<Checkout>,
    pub(crate) tokenizations: Vec<Tokenization>,
    pub(crate) payouts: Vec<Payout>,
    pub(crate) links: Vec<Link>,
    pub(crate) mandates: Vec<Mandate>,
    pub(crate) keys: Keys,
    pub(crate) nonces: HashSet<String>,
    /// Digests of encrypted inputs that were used.
    pub(crate) inputs: HashSet<[u8; 32]>,
    /// Why encrypted inputs were refused: what no answer tells.
    pub(crate) refused_inputs: Vec<String>,
    pub(crate) outbox: Vec<Event>,
    pub(crate) sent: Vec<Delivered>,
}

impl Keep for Book {
    fn cards(&self) -> Value {
        // With those that were deleted, so that the numbers of the others stay theirs.
        let lasting = self.tokens.iter().filter(|token| token.until.is_none());
        keeping::written(lasting.collect())
    }

    fn put_back(&mut self, cards: Value) -> Result<(), serde_json::Error> {
        self.tokens = keeping::read(cards)?;
        Ok(())
    }
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

    pub(crate) fn emit(
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

    /// Emits the event for the state of an operation.
    pub(crate) fn emit_operation(&mut self, id: &str, index: usize, at: OffsetDateTime) {
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
        self.emit(kind, Some(about), urls, at);
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
            self.emit_operation(&id, index, now);
        }
    }
}
