//! A report about a charge, in one form for all sources: an answer, a lookup, a notification or the merchant.

use cardseal_gateways::gateway::{Approval, Decline, Outcome, PaymentEvent};

use super::state::{Event, Reporter, next, told};
use crate::store::{Payment, PaymentUpdate, Status};

/// A report about a charge.
pub(crate) struct Report {
    pub(crate) event: Event,
    pub(crate) approval: Approval,
    decline: Option<Decline>,
    redirect: Option<String>,
}

impl Report {
    fn new(event: Event) -> Self {
        Self {
            event,
            approval: Approval::default(),
            decline: None,
            redirect: None,
        }
    }

    /// Nothing was charged.
    pub(crate) fn failed() -> Self {
        Self::new(Event::Failed)
    }

    pub(crate) fn approved(approval: Approval) -> Self {
        Self {
            approval,
            ..Self::new(Event::Approved)
        }
    }

    pub(crate) fn authorized(approval: Approval) -> Self {
        Self {
            approval,
            ..Self::new(Event::Authorized)
        }
    }

    fn voided(approval: Approval) -> Self {
        Self {
            approval,
            ..Self::new(Event::Voided)
        }
    }

    fn declined(decline: Decline) -> Self {
        Self {
            decline: Some(decline),
            ..Self::new(Event::Declined)
        }
    }

    /// The same with the platform's reference of the payment, if there is one.
    pub(super) fn numbered(mut self, reference: Option<String>) -> Self {
        self.approval.platform_id = reference.or(self.approval.platform_id);
        self
    }

    /// The payment's new state after this report. `None` if the report means nothing in its state.
    pub(crate) fn update(&self, payment: &Payment, by: Reporter) -> Option<PaymentUpdate> {
        let status = next(payment.status, self.event, by)?;
        Some(PaymentUpdate {
            status,
            approval: self.approval.clone(),
            decline: self.decline.clone(),
            // The customer has a page to visit as long as the platform waits for that.
            redirect: (status == Status::Unknown)
                .then(|| self.redirect.clone().or_else(|| payment.redirect.clone()))
                .flatten(),
            captured: if status == Status::Approved {
                payment.amount.minor()
            } else {
                payment.captured
            },
            event: told(payment.status, self.event, status),
        })
    }

    /// Whether the report leaves an unknown payment exactly as it is.
    pub(crate) fn adds_nothing(&self, payment: &Payment) -> bool {
        let id_known = self.approval.platform_id.is_none() || payment.platform_payment.is_some();
        self.event == Event::Undecided && self.redirect.is_none() && id_known
    }
}

impl From<&Outcome> for Report {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Approved(approval) => Self::approved(approval.clone()),
            Outcome::Authorized(approval) => Self::authorized(approval.clone()),
            Outcome::Voided(approval) => Self::voided(approval.clone()),
            Outcome::Declined(decline) => Self::declined(decline.clone()),
            Outcome::Pending(pending) => Self {
                approval: Approval {
                    platform_id: Some(pending.platform_id.clone()),
                    ..Approval::default()
                },
                redirect: pending.redirect.clone(),
                ..Self::new(Event::Undecided)
            },
            Outcome::Unknown(_) => Self::new(Event::Undecided),
        }
    }
}

impl From<&PaymentEvent> for Report {
    fn from(news: &PaymentEvent) -> Self {
        match news {
            PaymentEvent::Approved(approval) => Self::approved(approval.clone()),
            PaymentEvent::Authorized(approval) => Self::authorized(approval.clone()),
            PaymentEvent::Voided(approval) => Self::voided(approval.clone()),
            PaymentEvent::Declined(decline) => Self::declined(decline.clone()),
            PaymentEvent::Failed(_) => Self::failed(),
        }
    }
}
