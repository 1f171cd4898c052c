//! Technical reversals: an undone operation is as if it had never been.

use super::book::{Kind, Target};
use super::issuer::{self, Verdict};
use super::payments::{Call, On};
use super::refusal::Refusal;
use super::{Answer, Ledger, Success};

impl Call<'_> {
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
        Ok(Success::created(answer, Target::TechnicalReversal))
    }

    fn undo_on(&self, ledger: &mut Ledger, on: On, id: &str) -> Result<(), Refusal> {
        let item = on.item(ledger, id)?;
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
        *on.item(ledger, id)? = without;
        Ok(())
    }
}

/// Marks the operation of a payment that made a refund.
pub(crate) fn set_undone(ledger: &mut Ledger, payment: Option<&str>, operation: Option<&str>, undone: bool) {
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
