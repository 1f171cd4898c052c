//! Payments, refunds, and what is done to them. What the platform does with a step out of order is not known: here it is a
//! conflict, and nothing is done.

use serde_json::Value;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::book::{Item, Kind, Operation, References, Target, letters};
use super::cards::CardFacts;
use super::fields::{Fields, Money};
use super::issuer::{self, Verdict};
use super::refusal::Refusal;
use super::{Answer, Ledger, Success};
use crate::host::faults::{ActiveFault, Kind as FaultKind};

/// One call, whose operation is not known yet.
pub(crate) struct Call<'a> {
    pub(crate) fields: &'a Fields,
    /// `operationId`; empty where there is none.
    pub(crate) operation: String,
    /// In the path.
    pub(crate) id: &'a str,
    pub(crate) query: &'a str,
    pub(crate) fault: &'a ActiveFault,
    pub(crate) now: OffsetDateTime,
}

/// What is done to the payment or the refund of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Payment,
    Refund,
}

impl On {
    const fn id(self) -> &'static str {
        match self {
            Self::Payment => "paymentId",
            Self::Refund => "refundId",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Refund => "refund",
        }
    }

    pub(crate) fn item<'a>(self, ledger: &'a mut Ledger, id: &str) -> Result<&'a mut Item, Refusal> {
        let found = match self {
            Self::Payment => ledger.book.payment(id),
            Self::Refund => ledger.book.refund(id),
        };
        found.ok_or_else(|| Refusal::unknown(self.name()))
    }

    fn target(self, id: &str) -> Target {
        match self {
            Self::Payment => Target::Payment(id.into()),
            Self::Refund => Target::Refund(id.into()),
        }
    }
}

impl Call<'_> {
    /// By a fault, the card, or the amount: the first that is not an approval.
    pub(crate) fn verdict(&self, card: Option<&Verdict>, amount: Option<u64>) -> Verdict {
        if self.fault.is(FaultKind::RespCode) {
            let code = self.fault.value().unwrap_or("5");
            return Verdict::Declined(code.into(), None);
        }
        match card {
            Some(verdict) if *verdict != Verdict::Approved => verdict.clone(),
            _ => amount.map_or(Verdict::Approved, issuer::of_amount),
        }
    }

    pub(crate) fn operation(&self, kind: Kind, amount: Money, verdict: Verdict) -> Operation {
        let with_code = matches!(kind, Kind::Authorization | Kind::Increment | Kind::Refund);
        let authorization_code = (with_code && !matches!(verdict, Verdict::Declined(..))).then(|| letters(6));
        Operation {
            kind,
            id: self.operation.clone(),
            at: self.now,
            amount,
            verdict,
            authorization_code,
            is_final: false,
            undone: false,
        }
    }

    pub(crate) fn reference(&self) -> Result<Option<String>, Refusal> {
        Ok(self
            .fields
            .text("references.merchantReference")?
            .map(str::to_owned))
    }

    /// `POST /payments`.
    pub(crate) fn pay(&self, ledger: &mut Ledger) -> Answer {
        let fields = self.fields;
        fields.timestamp("transactionTimestamp")?;
        let requested = fields
            .money("amount")?
            .ok_or_else(|| Refusal::missing("amount"))?;
        let authorization_type =
            fields.one_of("authorizationType", &["PRE_AUTHORIZATION", "FINAL_AUTHORIZATION"])?;
        let card = CardFacts::read(fields, self.now)?;
        let immediate = fields.flag("cardPaymentData.captureImmediately")? == Some(true);
        let in_part = fields.flag("cardPaymentData.allowPartialApproval")? == Some(true);
        let mut verdict = self.verdict(Some(&card.verdict), Some(requested.amount));
        let mut amount = requested.clone();
        if verdict == Verdict::Partly {
            if in_part && requested.amount > 1 {
                amount = requested.with(requested.amount / 2);
            } else {
                verdict = Verdict::Declined("5".into(), None);
            }
        }
        let pending = Duration::seconds(ledger.settings.pending_seconds.into());
        let pending_until = (verdict == Verdict::Later).then(|| self.now + pending);
        let payment = Item {
            id: Uuid::new_v4().to_string(),
            parent: None,
            merchant_reference: self.reference()?,
            authorization_type: authorization_type.map(Into::into),
            requested,
            immediate,
            pending_until,
            changed_at: self.now,
            references: References::make(&card),
            card,
            operations: vec![self.operation(Kind::Authorization, amount, verdict.clone())],
        };
        let mut answer = payment.body("paymentId", &ledger.settings, self.now, false);
        answer["cardPaymentData"] = payment.card.body();
        if pending_until.is_none() {
            merge(&mut answer, issuer::codes(&verdict, "ISSUER"));
        }
        answer["operationId"] = self.operation.as_str().into();
        let target = Target::Payment(payment.id.clone());
        ledger.book.payments.push(payment);
        Ok(Success::created(answer, target))
    }

    /// `GET /payments/{id}` and `GET /refunds/{id}`.
    pub(crate) fn read(&self, ledger: &mut Ledger, on: On) -> Answer {
        let operations = form_urlencoded::parse(self.query.as_bytes())
            .find(|(name, _)| name == "returnOperations")
            .is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"));
        let settings = ledger.settings.clone();
        let item = on.item(ledger, self.id)?;
        Ok(Success::ok(item.body(on.id(), &settings, self.now, operations)))
    }

    /// The amount of a follow-up, in the payment's currency, and not more than there is.
    pub(crate) fn part(&self, path: &str, of: &Money, most: u64, what: &str) -> Result<Money, Refusal> {
        let amount = match self.fields.money(path)? {
            None => of.with(most),
            Some(given) if given.currency != of.currency => {
                return Err(Refusal::invalid(&format!("{path}.currencyCode")));
            }
            Some(given) => given,
        };
        if amount.amount == 0 || amount.amount > most {
            return Err(Refusal::state(format!("{what}: there is less left, or nothing")));
        }
        Ok(amount)
    }

    /// Adds the operation, and answers with what it led to.
    pub(crate) fn done(&self, ledger: &mut Ledger, on: On, operation: Operation) -> Answer {
        let settings = ledger.settings.clone();
        let item = on.item(ledger, self.id)?;
        let mut answer = issuer::codes(&operation.verdict, responder(operation.kind));
        let code = operation.authorization_code.clone();
        let kind = operation.kind;
        item.operations.push(operation);
        item.changed_at = self.now;
        answer["operationId"] = self.operation.as_str().into();
        answer[on.name()] = item.summary(on.id(), &settings, self.now);
        // The client's type for what is done to a refund has neither.
        let is_payment = matches!(on, On::Payment);
        if is_payment && matches!(kind, Kind::Increment | Kind::Reversal) {
            answer["totalAuthorizedAmount"] = item.requested.with(item.authorized()).body();
        }
        if let Some(code) = code.filter(|_| is_payment) {
            answer["authorizationCode"] = code.into();
        }
        Ok(Success::created(answer, on.target(self.id)))
    }

    /// Something that is held, and not told later.
    pub(crate) fn held<'a>(&self, ledger: &'a mut Ledger, on: On) -> Result<&'a mut Item, Refusal> {
        self.fields.timestamp("transactionTimestamp")?;
        let now = self.now;
        let item = on.item(ledger, self.id)?;
        if item.is_pending(now) || item.authorized() == 0 {
            return Err(Refusal::state(format!("the {} is not authorized", on.name())));
        }
        Ok(item)
    }

    /// `POST /payments/{id}/captures` and `POST /refunds/{id}/captures`.
    pub(crate) fn capture(&self, ledger: &mut Ledger, on: On) -> Answer {
        let item = self.held(ledger, on)?;
        if item.is_closed() {
            return Err(Refusal::state("the last capture was made"));
        }
        let left = item.authorized().saturating_sub(item.captured());
        let amount = self.part("amount", &item.requested, left, "capture")?;
        if let Some(number) = self.fields.at("captureSequenceNumber")
            && number.as_u64().is_none_or(|number| number == 0)
        {
            return Err(Refusal::invalid("captureSequenceNumber"));
        }
        let is_final = self.fields.flag("isFinal")? == Some(true);
        let verdict = self.verdict(None, None);
        let operation = Operation {
            is_final,
            ..self.operation(Kind::Capture, amount, verdict)
        };
        self.done(ledger, on, operation)
    }

    /// `POST /payments/{id}/increments`. Declined by its own amount, as a payment is.
    pub(crate) fn increment(&self, ledger: &mut Ledger) -> Answer {
        let payment = self.held(ledger, On::Payment)?;
        if payment.captured() > 0 {
            return Err(Refusal::state("the payment was captured"));
        }
        let path = "incrementAmount";
        if !self.fields.has(path) {
            return Err(Refusal::missing(path));
        }
        let amount = self.part(path, &payment.requested, u64::MAX, "increment")?;
        let verdict = match self.verdict(None, Some(amount.amount)) {
            Verdict::Partly | Verdict::Later => Verdict::Approved,
            verdict @ (Verdict::Approved | Verdict::Declined(..)) => verdict,
        };
        let operation = self.operation(Kind::Increment, amount, verdict);
        self.done(ledger, On::Payment, operation)
    }

    /// `POST /payments/{id}/authorization-reversals`: before the first capture, all or a part.
    pub(crate) fn reverse(&self, ledger: &mut Ledger) -> Answer {
        let payment = self.held(ledger, On::Payment)?;
        if payment.captured() > 0 {
            return Err(Refusal::state("the payment was captured"));
        }
        let amount = self.part(
            "reversalAmount",
            &payment.requested,
            payment.authorized(),
            "reversal",
        )?;
        let operation = self.operation(Kind::Reversal, amount, self.verdict(None, None));
        self.done(ledger, On::Payment, operation)
    }
}

const fn responder(kind: Kind) -> &'static str {
    match kind {
        Kind::Authorization | Kind::Increment | Kind::Refund => "ISSUER",
        Kind::Capture | Kind::Reversal => "WORLDLINE",
    }
}

pub(crate) fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

/// An answer of an inquiry, with the codes of it.
pub(crate) fn inquiry(call: &Call<'_>, verdict: &Verdict, more: Value) -> Value {
    let mut answer = issuer::codes(verdict, "ISSUER");
    answer["operationId"] = call.operation.as_str().into();
    merge(&mut answer, more);
    answer
}

/// What is left of it: nothing that moves money.
pub(crate) fn nothing(answer: Value) -> Success {
    Success::created(answer, Target::Nothing)
}
