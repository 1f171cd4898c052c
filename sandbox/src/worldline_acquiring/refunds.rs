//! Refunds: of a payment, or to a card.

use uuid::Uuid;

use super::book::{Item, Kind, Operation, References, Target};
use super::cards::CardFacts;
use super::issuer::{self, Verdict};
use super::payments::{Call, On, merge};
use super::refusal::Refusal;
use super::reversals::set_undone;
use super::{Answer, Ledger, Success};

impl Call<'_> {
    /// `POST /payments/{id}/refunds`: up to what was captured.
    pub(crate) fn refund(&self, ledger: &mut Ledger) -> Answer {
        let reference = self.reference()?;
        let payment = self.held(ledger, On::Payment)?;
        let left = payment.captured().saturating_sub(payment.refunded());
        let amount = self.part("amount", &payment.requested, left, "refund")?;
        let operation = self.operation(Kind::Refund, amount, self.verdict(None, None));
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
        let operation = self.operation(Kind::Refund, amount, verdict);
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
            requested: operation.amount.clone(),
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
        Ok(Success::created(answer, target))
    }

    /// `POST /refunds/{id}/authorization-reversals`: all of it, before it is captured.
    pub(crate) fn reverse_refund(&self, ledger: &mut Ledger) -> Answer {
        let refund = self.held(ledger, On::Refund)?;
        if refund.captured() > 0 {
            return Err(Refusal::state("the refund was captured"));
        }
        let amount = refund.requested.with(refund.authorized());
        let made_by = refund.operations.first().map(|first| first.id.clone());
        let parent = refund.parent.clone();
        let operation = self.operation(Kind::Reversal, amount, self.verdict(None, None));
        // Of the payment, nothing is paid back then.
        if !matches!(operation.verdict, Verdict::Declined(..)) {
            set_undone(ledger, parent.as_deref(), made_by.as_deref(), true);
        }
        self.done(ledger, On::Refund, operation)
    }
}
