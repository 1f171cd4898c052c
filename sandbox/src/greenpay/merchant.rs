//! The merchant host: the calls of a merchant's server, which sends its secret along.

use serde_json::json;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::answers::{Answer, Echo};
use super::body::Body;
use super::checkout::{Charge, uuid};
use super::orders::{Order, Purchase, Purpose, State};
use super::wire::{DeleteAnswer, OrderAnswer, ReversalAnswer, ReversalResult};
use super::{Call, GreenPay, Ledger, Refusal};

/// A payment can be voided for three hours after it was accepted.
const VOID_WINDOW: Duration = Duration::hours(3);
/// And refunded for seven days.
const REFUND_WINDOW: Duration = Duration::days(7);

/// The terminals of the simulated merchant, one per currency.
pub(crate) const TERMINALS: [(&str, &str); 3] = [
    ("sandbox-0001-BNCR-CRC", "CRC"),
    ("sandbox-0002-BNCR-USD", "USD"),
    ("sandbox-0003-BNCR-GTQ", "GTQ"),
];

/// How a payment is reversed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reversal {
    Void,
    Refund,
}

impl GreenPay {
    /// `POST /tokenize`.
    pub(crate) fn order_token(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let body = &call.body;
        let echo = body.scalar("requestId").map(Echo::request_id);
        self.authenticated(body)
            .and_then(|()| {
                let request_id = body.scalar("requestId").ok_or(Refusal("Invalid requestId"))?;
                Ok(self.open_order(ledger, body, Purpose::Tokenize { request_id }))
            })
            .unwrap_or_else(|refusal| Answer::refusal(refusal, echo))
    }

    /// `POST /`.
    pub(crate) fn order_payment(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let body = &call.body;
        let echo = body.scalar("orderReference").map(Echo::order_id);
        self.authenticated(body)
            .and_then(|()| Ok(self.open_order(ledger, body, Purpose::Payment(purchase(body)?))))
            .unwrap_or_else(|refusal| Answer::refusal(refusal, echo))
    }

    /// `POST /tokenPayment`.
    pub(crate) fn pay_with_token(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let body = &call.body;
        let order_id = body.scalar("orderReference");
        let paid = self.authenticated(body).and_then(|()| {
            let purchase = purchase(body)?;
            let token = uuid(body.printed("token").as_deref())?;
            let card_token = ledger.book.card_token(token).ok_or(Refusal::INVALID_CARD_TOKEN)?;
            let charge = Charge {
                purchase,
                card: card_token.card.clone(),
                callback: None,
            };
            Ok(self.charge(ledger, charge, call.fault, None))
        });
        paid.unwrap_or_else(|refusal| {
            // The one failure of this kind that is documented has these fields, and this prefix.
            let refusal = if refusal == Refusal::INVALID_CARD_TOKEN {
                Refusal("Error: Invalid card token")
            } else {
                refusal
            };
            let mut answer = Answer::refusal(refusal, order_id.map(Echo::order_id));
            if let Some(fields) = answer.body.as_object_mut() {
                fields.insert("authorization".into(), json!(null));
                let amount = body.amount("amount").and_then(|text| text.parse::<f64>().ok());
                fields.insert("amount".into(), json!(amount));
                fields.insert("currency".into(), json!(body.text("currency")));
            }
            answer
        })
    }

    /// `POST /deleteToken`.
    pub(crate) fn delete_token(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let body = &call.body;
        let echo = body.scalar("requestId").map(Echo::request_id);
        let deleted = self.authenticated(body).and_then(|()| {
            let request_id = body.scalar("requestId").ok_or(Refusal("Invalid requestId"))?;
            let token = uuid(body.printed("token").as_deref())?;
            ledger
                .book
                .card_token(token)
                .ok_or(Refusal::INVALID_CARD_TOKEN)?
                .deleted = true;
            let answer = Answer::of(&DeleteAnswer {
                status: "DELETED",
                request_id: request_id.clone(),
                errors: [],
            });
            Ok(answer.signed_by(Echo::request_id(request_id)))
        });
        deleted.unwrap_or_else(|refusal| Answer::refusal(refusal, echo))
    }

    /// `POST /transactions/void` and `/transactions/refund`. GreenPay offers refunds for terminals of one bank
    /// only; the simulated terminals can both void and refund, unless the setting `refunds` is off.
    pub(crate) fn reverse(&self, ledger: &mut Ledger, call: &Call<'_>, reversal: Reversal) -> Answer {
        let body = &call.body;
        if let Err(Refusal(text)) = self.authenticated(body) {
            return Answer::reversal_refusal(500, &json!([format!("Error: {text}")]));
        }
        let field = |name: &str| body.printed(name);
        let (Some(bin), Some(last4), Some(authorization), Some(reference)) = (
            field("bin"),
            field("last4"),
            field("authorization"),
            field("orderReference"),
        ) else {
            return Answer::reversal_refusal(
                500,
                &json!(["Error: bin, last4, authorization and orderReference are required"]),
            );
        };
        if reversal == Reversal::Refund && !ledger.settings.refunds {
            return Answer::reversal_refusal(
                500,
                &json!(["Error: Refund not available for this bank entity"]),
            );
        }
        let now = self.host.now();
        let found = ledger.book.transactions.iter_mut().rev().find(|transaction| {
            transaction.purchase.order_reference.to_string() == reference
                && transaction.authorization.as_ref() == Some(&authorization)
                && transaction.bin == bin
                && transaction.last4 == last4
        });
        let Some(transaction) = found else {
            return Answer::reversal_refusal(404, &json!(["Error: Transaction not found"]));
        };
        let (window, after) = match reversal {
            Reversal::Void => (VOID_WINDOW, State::Voided),
            Reversal::Refund => (REFUND_WINDOW, State::Refunded),
        };
        if transaction.state != State::Approved || !within(window, transaction.at, now) {
            return Answer::reversal_refusal(
                500,
                &json!([{
                    "success": false,
                    "result": null,
                    "errors": [["transaction", "not ready for reversion"]],
                    "code": 400,
                }]),
            );
        }
        transaction.state = after;
        Answer::of(&ReversalAnswer {
            code: 200,
            status: "SUCCESS",
            result: ReversalResult {
                order_reference: reference,
                void: (reversal == Reversal::Void).then_some(true),
                refund: (reversal == Reversal::Refund).then_some(true),
            },
            errors: [],
        })
    }

    pub(crate) fn authenticated(&self, body: &Body) -> Result<(), Refusal> {
        let known = &self.info.credentials;
        let is = |name: &str, expected: &str| body.text(name).is_some_and(|text| text == expected);
        if is("secret", &known.secret) && is("merchantId", &known.merchant_id) {
            Ok(())
        } else {
            Err(Refusal("Merchant doesn't exist"))
        }
    }

    fn open_order(&self, ledger: &mut Ledger, body: &Body, purpose: Purpose) -> Answer {
        let order = Order {
            session: Uuid::new_v4(),
            token: Uuid::new_v4(),
            purpose,
            callback: body.text("callback"),
            created_at: self.host.now(),
            used: false,
        };
        let answer = Answer::of(&OrderAnswer {
            session: order.session.to_string(),
            token: order.token.to_string(),
        });
        ledger.book.add_order(order);
        answer
    }
}

/// What is bought, if the terminal exists and takes the currency.
fn purchase(body: &Body) -> Result<Purchase, Refusal> {
    let terminal = body
        .text("terminal")
        .or_else(|| body.text("terminalId"))
        .unwrap_or_default();
    let (_, currency) = TERMINALS
        .iter()
        .find(|(name, _)| *name == terminal)
        .ok_or(Refusal("Bank entity doesn't exist"))?;
    if body.text("currency").as_deref() != Some(*currency) {
        return Err(Refusal("Invalid currency for the terminal"));
    }
    Ok(Purchase {
        order_reference: body
            .scalar("orderReference")
            .ok_or(Refusal("Invalid orderReference"))?,
        amount: body.amount("amount").ok_or(Refusal("Invalid amount"))?,
        currency: (*currency).into(),
    })
}

fn within(window: Duration, since: OffsetDateTime, now: OffsetDateTime) -> bool {
    now - since <= window
}
