//! What follows a payment: it is read, captured, refunded, cancelled.

use serde_json::{Value, json};

use super::fields::Money;
use super::payment::{Kind as OperationKind, Operation, Payment};
use super::payments::{BY_ISSUER, declined, found, settled_at};
use super::refusal::{self, Refusal};
use super::statuses::{
    CANCEL_WAITS, CANCELLED, CAPTURE_REFUSED, CAPTURE_UNCERTAIN, CAPTURE_WAITS, CAPTURED, REFUND_REFUSED,
    REFUND_UNCERTAIN, REFUND_WAITS, REFUNDED,
};
use super::{Answer, Call, Ledger, OnlinePayments, Reply};
use crate::host::faults::Kind;

/// Amounts of captures and refunds that fail in the end.
const REFUSED_AMOUNTS: [i64; 2] = [1303, 1309];
/// Amounts of captures and refunds whose end is not known.
const UNCERTAIN_AMOUNTS: [i64; 2] = [1203, 1209];

impl OnlinePayments {
    pub(crate) fn read_payment(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let (payment, index) = found(ledger, call)?;
        Ok(Reply::ok(read(payment, index)))
    }

    pub(crate) fn read_details(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let (payment, index) = found(ledger, call)?;
        let mut details = read(payment, index);
        if let Some(fields) = details.as_object_mut() {
            // With a capital letter.
            fields.insert("Operations".into(), payment.operations_json().into());
        }
        Ok(Reply::ok(details))
    }

    pub(crate) fn read_captures(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        list(ledger, call, OperationKind::Capture, "captures", "captureOutput")
    }

    pub(crate) fn read_refunds(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        list(ledger, call, OperationKind::Refund, "refunds", "refundOutput")
    }

    pub(crate) fn capture(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let amount = call.fields.amount("amount")?;
        let is_final = call.fields.flag("isFinal")?.unwrap_or(false);
        let (payment, _) = found(ledger, call)?;
        let left = payment.capturable();
        if left == 0 {
            return Err(Refusal::not_allowed_now());
        }
        let amount = amount.unwrap_or(left);
        if amount == 0 || amount > left {
            return Err(Refusal::invalid("amount"));
        }
        payment.closed = is_final;
        let end = ending(amount, CAPTURED, CAPTURE_REFUSED, CAPTURE_UNCERTAIN);
        let (id, index) = operate(ledger, call, OperationKind::Capture, amount, CAPTURE_WAITS, end)?;
        let payment = ledger.book.payment(&id).ok_or_else(Refusal::unknown_payment)?;
        Ok(Reply::created(payment.operation_json(index, "captureOutput")))
    }

    pub(crate) fn refund(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let money = call.fields.money("amountOfMoney")?;
        let (payment, _) = found(ledger, call)?;
        let left = payment.refundable();
        let exceeds = money
            .as_ref()
            .is_some_and(|money| money.currency == payment.money.currency && money.amount > left);
        if left == 0 || exceeds {
            return Err(Refusal::not_allowed_now());
        }
        let amount = partial(money, payment, left)?;
        if let Some(code) = refund_decline(ledger, call, amount) {
            return decline_refund(ledger, call, amount, code);
        }
        let end = ending(amount, REFUNDED, REFUND_REFUSED, REFUND_UNCERTAIN);
        let (id, index) = operate(ledger, call, OperationKind::Refund, amount, REFUND_WAITS, end)?;
        let payment = ledger.book.payment(&id).ok_or_else(Refusal::unknown_payment)?;
        Ok(Reply::created(payment.operation_json(index, "refundOutput")))
    }

    pub(crate) fn cancel(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let money = call.fields.money("amountOfMoney")?;
        let (payment, _) = found(ledger, call)?;
        let left = payment.cancellable();
        if left == 0 {
            return Err(Refusal::not_allowed_now());
        }
        let amount = partial(money, payment, left)?;
        let end = Some(CANCELLED);
        let (id, index) = operate(ledger, call, OperationKind::Cancel, amount, CANCEL_WAITS, end)?;
        let payment = ledger.book.payment(&id).ok_or_else(Refusal::unknown_payment)?;
        Ok(Reply::ok(
            json!({ "payment": payment.operation_json(index, "paymentOutput") }),
        ))
    }
}

/// `errorCode` of a refund that the issuer declines at once.
fn refund_decline(ledger: &Ledger, call: &Call<'_>, amount: i64) -> Option<String> {
    if call.fault.is(Kind::RespCode) {
        return call.fault.value().map(Into::into);
    }
    let declined = ledger.settings.declined_refund_amounts.contains(&amount);
    declined.then(|| BY_ISSUER.to_owned())
}

/// Books a refund that was declined. Its HTTP status is taken to be that of a declined payment.
fn decline_refund(ledger: &mut Ledger, call: &Call<'_>, amount: i64, code: String) -> Answer {
    let errors = refusal::decline(&code);
    let (payment, _) = found(ledger, call)?;
    let index = payment.operations.len();
    payment.operations.push(Operation {
        kind: OperationKind::Refund,
        amount,
        code: REFUND_REFUSED,
        becomes: None,
        at: call.now,
        error_code: Some(code),
    });
    let result = payment.operation_json(index, "refundOutput");
    Ok(declined(&errors, "refundResult", result))
}

/// The payment, or one of its operations if the id names one.
fn read(payment: &Payment, index: usize) -> Value {
    if index == 0 {
        payment.json()
    } else {
        payment.operation_json(index, "paymentOutput")
    }
}

/// The names of the lists are those of the libraries' models.
fn list(ledger: &mut Ledger, call: &Call<'_>, kind: OperationKind, name: &str, output: &str) -> Answer {
    let (payment, _) = found(ledger, call)?;
    let all = payment.operations.iter().enumerate();
    let these: Vec<Value> = all
        .filter(|(_, operation)| operation.kind == kind)
        .map(|(index, _)| payment.operation_json(index, output))
        .collect();
    Ok(Reply::ok(json!({ name: these })))
}

/// An amount that is not more than what is left, in the payment's currency. All of it if none is given.
fn partial(money: Option<Money>, payment: &Payment, left: i64) -> Result<i64, Refusal> {
    match money {
        None => Ok(left),
        Some(money) if money.currency != payment.money.currency => {
            Err(Refusal::invalid("amountOfMoney.currencyCode"))
        }
        Some(money) if money.amount == 0 || money.amount > left => {
            Err(Refusal::invalid("amountOfMoney.amount"))
        }
        Some(money) => Ok(money.amount),
    }
}

/// How an operation ends, by its amount.
fn ending(amount: i64, good: u16, refused: u16, uncertain: u16) -> Option<u16> {
    Some(if REFUSED_AMOUNTS.contains(&amount) {
        refused
    } else if UNCERTAIN_AMOUNTS.contains(&amount) {
        uncertain
    } else {
        good
    })
}

/// Books an operation: the payment's id, and its own number.
fn operate(
    ledger: &mut Ledger,
    call: &Call<'_>,
    kind: OperationKind,
    amount: i64,
    code: u16,
    end: Option<u16>,
) -> Result<(String, usize), Refusal> {
    let at = settled_at(&ledger.settings, call.now);
    let (payment, _) = found(ledger, call)?;
    let (id, index) = (payment.id.clone(), payment.operations.len());
    payment.operations.push(Operation {
        kind,
        amount,
        code,
        becomes: end.map(|end| (end, at)),
        at: call.now,
        error_code: None,
    });
    ledger.book.emit_operation(&id, index, call.now);
    Ok((id, index))
}
