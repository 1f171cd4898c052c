//! Payments, refunds, and what is done to them. What the platform does with a step out of turn is not known: here it is a
//! conflict, and nothing is done.

use axum::http::StatusCode;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::book::{Item, Kind, Operation, References, Target, letters};
use super::cards::CardFacts;
use super::fields::{Fields, Money};
use super::issuer::{self, Verdict};
use super::refusal::Refusal;
use super::{Answer, Ledger, Reply};
use crate::host::faults::{Applied, Kind as Fault};

/// One call, whose operation is not known yet.
pub(crate) struct Call<'a> {
    pub(crate) fields: &'a Fields,
    /// `operationId`; empty where there is none.
    pub(crate) operation: String,
    /// In the path.
    pub(crate) id: &'a str,
    pub(crate) query: &'a str,
    pub(crate) applied: &'a Applied,
    pub(crate) now: OffsetDateTime,
}

/// What is done to the payment or the refund of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
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

    fn find<'a>(self, ledger: &'a mut Ledger, id: &str) -> Result<&'a mut Item, Refusal> {
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
        if self.applied.is(Fault::RespCode) {
            let code = self.applied.value().unwrap_or("5");
            return Verdict::Declined(code.into(), None);
        }
        match card {
            Some(verdict) if *verdict != Verdict::Approved => verdict.clone(),
            _ => amount.map_or(Verdict::Approved, issuer::of_amount),
        }
    }

    fn made(&self, kind: Kind, amount: Money, verdict: Verdict) -> Operation {
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

    fn reference(&self) -> Result<Option<String>, Refusal> {
        Ok(self
            .fields
            .text("references.merchantReference")?
            .map(str::to_owned))
    }

    /// `POST /payments`.
    pub(crate) fn pay(&self, ledger: &mut Ledger) -> Answer {
        let fields = self.fields;
        fields.timestamp("transactionTimestamp")?;
        let asked = fields
            .money("amount")?
            .ok_or_else(|| Refusal::missing("amount"))?;
        let authorization_type =
            fields.one_of("authorizationType", &["PRE_AUTHORIZATION", "FINAL_AUTHORIZATION"])?;
        let card = CardFacts::read(fields, self.now)?;
        let immediate = fields.flag("cardPaymentData.captureImmediately")? == Some(true);
        let in_part = fields.flag("cardPaymentData.allowPartialApproval")? == Some(true);
        let mut verdict = self.verdict(Some(&card.verdict), Some(asked.amount));
        let mut amount = asked.clone();
        if verdict == Verdict::Partly {
            if in_part && asked.amount > 1 {
                amount = asked.with(asked.amount / 2);
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
            asked,
            immediate,
            pending_until,
            changed_at: self.now,
            references: References::make(&card),
            card,
            operations: vec![self.made(Kind::Authorization, amount, verdict.clone())],
        };
        let mut answer = payment.body("paymentId", &ledger.settings, self.now, false);
        answer["cardPaymentData"] = payment.card.body();
        if pending_until.is_none() {
            merge(&mut answer, issuer::codes(&verdict, "ISSUER"));
        }
        answer["operationId"] = self.operation.as_str().into();
        let target = Target::Payment(payment.id.clone());
        ledger.book.payments.push(payment);
        Ok(Reply::created(answer, target))
    }

    /// `GET /payments/{id}` and `GET /refunds/{id}`.
    fn read(&self, ledger: &mut Ledger, on: On) -> Answer {
        let operations = form_urlencoded::parse(self.query.as_bytes())
            .find(|(name, _)| name == "returnOperations")
            .is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"));
        let settings = ledger.settings.clone();
        let item = on.find(ledger, self.id)?;
        Ok(Reply {
            status: StatusCode::OK,
            body: item.body(on.id(), &settings, self.now, operations),
            target: Target::Nothing,
        })
    }

    pub(crate) fn read_payment(&self, ledger: &mut Ledger) -> Answer {
        self.read(ledger, On::Payment)
    }

    pub(crate) fn read_refund(&self, ledger: &mut Ledger) -> Answer {
        self.read(ledger, On::Refund)
    }

    /// The amount of a follow-up, in the payment's currency, and not more than there is.
    fn part(&self, path: &str, of: &Money, most: u64, what: &str) -> Result<Money, Refusal> {
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
    fn done(&self, ledger: &mut Ledger, on: On, operation: Operation) -> Answer {
        let settings = ledger.settings.clone();
        let item = on.find(ledger, self.id)?;
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
            answer["totalAuthorizedAmount"] = item.asked.with(item.authorized()).body();
        }
        if let Some(code) = code.filter(|_| is_payment) {
            answer["authorizationCode"] = code.into();
        }
        Ok(Reply::created(answer, on.target(self.id)))
    }

    /// Something that is held, and not told later.
    fn held<'a>(&self, ledger: &'a mut Ledger, on: On) -> Result<&'a mut Item, Refusal> {
        self.fields.timestamp("transactionTimestamp")?;
        let now = self.now;
        let item = on.find(ledger, self.id)?;
        if item.is_pending(now) || item.authorized() == 0 {
            return Err(Refusal::state(format!("the {} is not authorized", on.name())));
        }
        Ok(item)
    }

    /// `POST /payments/{id}/captures` and `POST /refunds/{id}/captures`.
    fn capture(&self, ledger: &mut Ledger, on: On) -> Answer {
        let item = self.held(ledger, on)?;
        if item.is_closed() {
            return Err(Refusal::state("the last capture was made"));
        }
        let left = item.authorized().saturating_sub(item.captured());
        let amount = self.part("amount", &item.asked, left, "capture")?;
        if let Some(number) = self.fields.at("captureSequenceNumber")
            && number.as_u64().is_none_or(|number| number == 0)
        {
            return Err(Refusal::invalid("captureSequenceNumber"));
        }
        let is_final = self.fields.flag("isFinal")? == Some(true);
        let verdict = self.verdict(None, None);
        let operation = Operation {
            is_final,
            ..self.made(Kind::Capture, amount, verdict)
        };
        self.done(ledger, on, operation)
    }

    pub(crate) fn capture_payment(&self, ledger: &mut Ledger) -> Answer {
        self.capture(ledger, On::Payment)
    }

    pub(crate) fn capture_refund(&self, ledger: &mut Ledger) -> Answer {
        self.capture(ledger, On::Refund)
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
        let amount = self.part(path, &payment.asked, u64::MAX, "increment")?;
        let verdict = match self.verdict(None, Some(amount.amount)) {
            Verdict::Partly | Verdict::Later => Verdict::Approved,
            verdict @ (Verdict::Approved | Verdict::Declined(..)) => verdict,
        };
        let operation = self.made(Kind::Increment, amount, verdict);
        self.done(ledger, On::Payment, operation)
    }

    /// `POST /payments/{id}/authorization-reversals`: before the first capture, all or a part.
    pub(crate) fn reverse(&self, ledger: &mut Ledger) -> Answer {
        let payment = self.held(ledger, On::Payment)?;
        if payment.captured() > 0 {
            return Err(Refusal::state("the payment was captured"));
        }
        let amount = self.part("reversalAmount", &payment.asked, payment.authorized(), "reversal")?;
        let operation = self.made(Kind::Reversal, amount, self.verdict(None, None));
        self.done(ledger, On::Payment, operation)
    }

    /// `POST /payments/{id}/refunds`: up to what was captured.
    pub(crate) fn refund(&self, ledger: &mut Ledger) -> Answer {
        let reference = self.reference()?;
        let payment = self.held(ledger, On::Payment)?;
        let left = payment.captured().saturating_sub(payment.refunded());
        let amount = self.part("amount", &payment.asked, left, "refund")?;
        let operation = self.made(Kind::Refund, amount, self.verdict(None, None));
        let card = payment.card.clone();
        payment.operations.push(operation.clone());
        payment.changed_at = self.now;
        self.book_refund(ledger, operation, card, Some(self.id.into()), reference)
    }

    /// `POST /refunds`: to a card, without a payment.
    pub(crate) fn refund_alone(&self, ledger: &mut Ledger) -> Answer {
        let fields = self.fields;
        fields.timestamp("transactionTimestamp")?;
        let amount = fields
            .money("amount")?
            .ok_or_else(|| Refusal::missing("amount"))?;
        fields.text("originalTransactionReferences.originalSchemeTransactionId")?;
        let card = CardFacts::read(fields, self.now)?;
        let verdict = match self.verdict(Some(&card.verdict), Some(amount.amount)) {
            Verdict::Partly | Verdict::Later => Verdict::Approved,
            verdict @ (Verdict::Approved | Verdict::Declined(..)) => verdict,
        };
        let operation = self.made(Kind::Refund, amount, verdict);
        self.book_refund(ledger, operation, card, None, self.reference()?)
    }

    fn book_refund(
        &self,
        ledger: &mut Ledger,
        operation: Operation,
        card: CardFacts,
        parent: Option<String>,
        merchant_reference: Option<String>,
    ) -> Answer {
        let at = if parent.is_some() {
            "captureImmediately"
        } else {
            "cardPaymentData.captureImmediately"
        };
        let mut answer = issuer::codes(&operation.verdict, "ISSUER");
        let refund = Item {
            id: Uuid::new_v4().to_string(),
            merchant_reference,
            authorization_type: None,
            asked: operation.amount.clone(),
            immediate: self.fields.flag(at)? == Some(true),
            pending_until: None,
            changed_at: self.now,
            references: References::make(&card),
            card,
            operations: vec![operation],
            parent,
        };
        answer["operationId"] = self.operation.as_str().into();
        if refund.parent.is_some() {
            answer["refund"] = refund.summary("refundId", &ledger.settings, self.now);
        } else {
            let mut body = refund.body("refundId", &ledger.settings, self.now, false);
            body["cardPaymentData"] = refund.card.body();
            // Named otherwise here than where the refund is read.
            if let Some(code) = body
                .as_object_mut()
                .and_then(|body| body.remove("initialAuthorizationCode"))
            {
                body["authorizationCode"] = code;
            }
            merge(&mut answer, body);
        }
        let target = Target::Refund(refund.id.clone());
        ledger.book.refunds.push(refund);
        Ok(Reply::created(answer, target))
    }

    /// `POST /refunds/{id}/authorization-reversals`: all of it, before it is captured.
    pub(crate) fn reverse_refund(&self, ledger: &mut Ledger) -> Answer {
        let refund = self.held(ledger, On::Refund)?;
        if refund.captured() > 0 {
            return Err(Refusal::state("the refund was captured"));
        }
        let amount = refund.asked.with(refund.authorized());
        let made_by = refund.operations.first().map(|first| first.id.clone());
        let parent = refund.parent.clone();
        let operation = self.made(Kind::Reversal, amount, self.verdict(None, None));
        // Of the payment, nothing is paid back then.
        if !matches!(operation.verdict, Verdict::Declined(..)) {
            set_undone(ledger, parent.as_deref(), made_by.as_deref(), true);
        }
        self.done(ledger, On::Refund, operation)
    }

    /// `POST /operations/{id}/reverse`: as if the operation had never been.
    pub(crate) fn undo(&self, ledger: &mut Ledger) -> Answer {
        self.fields.timestamp("transactionTimestamp")?;
        self.fields.text("reason")?;
        let known = ledger.book.known.get(self.id);
        let known = known.ok_or_else(|| Refusal::unknown("operation"))?;
        if known.undone {
            return Err(Refusal::state("the operation was undone before"));
        }
        let target = known.target.clone();
        match &target {
            Target::Nothing => {}
            Target::TechnicalReversal => {
                return Err(Refusal::state("a technical reversal cannot be undone"));
            }
            Target::Payment(id) => self.undo_on(ledger, On::Payment, id)?,
            Target::Refund(id) => self.undo_on(ledger, On::Refund, id)?,
        }
        if let Some(known) = ledger.book.known.get_mut(self.id) {
            known.undone = true;
        }
        ledger.book.reversals.push(self.id.into());
        let mut answer = issuer::codes(&Verdict::Approved, "WORLDLINE");
        answer["operationId"] = self.operation.as_str().into();
        Ok(Reply::created(answer, Target::TechnicalReversal))
    }

    fn undo_on(&self, ledger: &mut Ledger, on: On, id: &str) -> Result<(), Refusal> {
        let item = on.find(ledger, id)?;
        let place = item
            .operations
            .iter()
            .position(|operation| operation.id == self.id);
        let mut without = item.clone();
        if let Some(operation) = place.and_then(|place| without.operations.get_mut(place)) {
            operation.undone = true;
        }
        let is_first = place == Some(0);
        let later = item
            .operations
            .iter()
            .skip(1)
            .any(|operation| !operation.undone && !matches!(operation.verdict, Verdict::Declined(..)));
        // A refund goes with its capture; a payment with what was done to it does not.
        let stands = if is_first {
            on == On::Refund || !later
        } else {
            without.captured() <= without.authorized()
                && (on == On::Refund || without.refunded() <= without.captured())
        };
        if !stands {
            return Err(Refusal::state("later operations stand on it"));
        }
        let first = item.operations.first().map(|first| first.id.clone());
        let reversal = place
            .and_then(|place| item.operations.get(place))
            .is_some_and(|operation| operation.kind == Kind::Reversal);
        let parent = item.parent.clone();
        let amount = without.authorized();
        if on == On::Refund && reversal {
            // The refund is there again, if what was captured still covers it.
            let fits = parent.as_deref().is_none_or(|parent| {
                ledger
                    .book
                    .payment(parent)
                    .is_some_and(|payment| payment.refunded() + amount <= payment.captured())
            });
            if !fits {
                return Err(Refusal::state("later operations stand on it"));
            }
            set_undone(ledger, parent.as_deref(), first.as_deref(), false);
        } else if on == On::Refund && is_first {
            set_undone(ledger, parent.as_deref(), first.as_deref(), true);
        }
        without.changed_at = self.now;
        *on.find(ledger, id)? = without;
        Ok(())
    }
}

/// Marks the operation of a payment that made a refund.
fn set_undone(ledger: &mut Ledger, payment: Option<&str>, operation: Option<&str>, undone: bool) {
    let Some(payment) = payment.and_then(|id| ledger.book.payment(id)) else {
        return;
    };
    let found = payment
        .operations
        .iter_mut()
        .find(|known| Some(known.id.as_str()) == operation);
    if let Some(found) = found {
        found.undone = undone;
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
pub(crate) fn nothing(answer: Value) -> Reply {
    Reply::created(answer, Target::Nothing)
}
