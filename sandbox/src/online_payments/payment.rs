//! A payment with all that was done to it. Sums and its status follow from the operations.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::cards::CardFacts;
use super::fields::Money;
use super::statuses::{self, AUTHORIZED, CAPTURED, REDIRECTED, REJECTED};
use super::{refusal, timestamp};

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Payment,
    Capture,
    Refund,
    Cancel,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
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

    /// One operation, with its output named after its kind.
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
