//! Payments: charges, captures, voids and refunds, and what became of those whose answer was lost.
//!
//! No HTTP and no SQL: a caller gets a [`Reply`] or an [`Error`], the store gets the new state of a row. What a caller
//! was sent is stored beside the outcome, so that the same request gets the same answer again; the caller says by
//! [`Render`] what that is.

mod change;
mod charge;
mod join;
mod lookups;
mod notification;
mod page;
mod reconcile;
mod report;
mod resolve;
mod state;

pub(crate) use change::{ChangeRequest, change};
pub(crate) use charge::{Charge, SubmissionOptions, charge, open_session};
pub(crate) use join::Join;
pub(crate) use lookups::Lookups;
pub(crate) use notification::{Received, take};
pub(crate) use page::refresh_page;
pub(crate) use reconcile::{reconcile, refresh};
pub(crate) use resolve::resolve;
pub(crate) use state::abandoned;

use crate::reason::{Error, Reason};
#[cfg(test)]
use crate::store::Status;
use crate::store::{Payment, StoredAnswer};

/// What a request for a payment came to.
pub(crate) enum Reply {
    /// The payment as it is.
    Payment {
        /// The payment.
        payment: Box<Payment>,
        /// An earlier request made it.
        replayed: bool,
    },
    /// An earlier request had this answer.
    Stored(StoredAnswer),
}

impl Reply {
    fn new(payment: Payment) -> Self {
        Self::Payment {
            payment: Box::new(payment),
            replayed: false,
        }
    }

    fn replayed(payment: Payment) -> Self {
        Self::Payment {
            payment: Box::new(payment),
            replayed: true,
        }
    }
}

/// Writes down what a caller is sent, for the store to keep under the idempotency key.
pub(crate) trait Render: Send + Sync {
    /// The answer that shows a payment.
    fn payment(&self, payment: &Payment) -> StoredAnswer;
    /// The answer that shows an error.
    fn error(&self, error: &Error) -> StoredAnswer;
}

/// A captured payment of 10.00, for tests of the rules.
#[cfg(test)]
fn example(status: Status) -> Payment {
    Payment {
        id: "pay_1".into(),
        platform: cardseal::platform::Platform::GpApi,
        status,
        amount: cardseal_gateways::Amount::parse("10.00", "USD").unwrap(),
        captured: 1000,
        refunded: 0,
        capture_later: false,
        network_token: None,
        description: "x".into(),
        token_id: None,
        session_id: None,
        order_reference: "r".into(),
        authorization: None,
        platform_payment: None,
        brand: None,
        bin: None,
        last4: None,
        redirect: None,
        decline: None,
        created_at: 1,
        updated_at: 1,
    }
}
