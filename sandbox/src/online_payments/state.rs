//! What the control API shows of the records, without full card numbers.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::book::Book;
use super::hosted::Progress;
use super::payment::Payment;
use super::statuses;
use crate::host::clock;

fn list<T>(items: &[T], show: impl Fn(&T) -> Value) -> Value {
    items.iter().map(show).collect()
}

fn payment(payment: &Payment) -> Value {
    json!({
        "id": payment.id,
        "status": statuses::names(payment.code()).0,
        "status_code": payment.code(),
        "amount": payment.money.amount,
        "currency": payment.money.currency,
        "merchant_reference": payment.reference,
        "product": payment.product,
        "last4": payment.card.as_ref().map(|card| &card.last4),
        "operations": list(&payment.operations, |operation| {
            json!({
                "kind": operation.kind.name(),
                "amount": operation.amount,
                "status_code": operation.code,
                "at": clock::text(operation.at),
            })
        }),
    })
}

const fn progress(progress: Progress) -> &'static str {
    match progress {
        Progress::Open => "open",
        Progress::Paid => "paid",
        Progress::Cancelled => "cancelled",
    }
}

impl Book {
    pub(crate) fn state(&self, now: OffsetDateTime) -> Value {
        json!({
            "sessions_made": self.sessions.len(),
            "inputs_opened": self.inputs.len(),
            "inputs_refused": self.refused_inputs,
            "tokens": list(&self.tokens, |token| {
                json!({
                    "id": token.id,
                    "first6": token.card.first6,
                    "last4": token.card.last4,
                    "product": token.card.product,
                    "temporary": token.until.is_some(),
                    "usable": token.is_good(now),
                })
            }),
            "payments": list(&self.payments, payment),
            "hosted_checkouts": list(&self.checkouts, |checkout| {
                json!({ "id": checkout.id, "progress": progress(checkout.progress) })
            }),
            "hosted_tokenizations": list(&self.tokenizations, |tokenization| {
                let token = tokenization.result.as_ref().map(|(token, _)| token);
                json!({ "id": tokenization.id, "token": token })
            }),
            "payouts": list(&self.payouts, |payout| {
                json!({
                    "id": payout.id,
                    "status": payout.status(),
                    "amount": payout.money.amount,
                    "currency": payout.money.currency,
                    "last4": payout.card.last4,
                })
            }),
            "payment_links": list(&self.links, |link| {
                json!({ "id": link.id, "status": link.status(self, now) })
            }),
            "mandates": list(&self.mandates, |mandate| {
                json!({ "reference": mandate.reference, "status": mandate.status.name() })
            }),
            "webhooks_sent": list(&self.sent, |sent| {
                json!({ "type": sent.kind, "id": sent.id, "tries": sent.tries, "status": sent.status })
            }),
        })
    }
}
