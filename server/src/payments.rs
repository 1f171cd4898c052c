//! Payments: charges, captures, voids and refunds, and the lookup of those whose answer was lost.
//!
//! There is no HTTP and no SQL here. A caller gets a [`Reply`] or an [`Error`]; the store gets the new state of a
//! row. The answer is stored with the outcome, so that a repeated request gets the same answer. The caller's
//! [`Render`] writes it.

mod change;
mod charge;
mod join;
mod listed;
mod lookups;
mod notification;
mod page;
mod reconcile;
mod reconciliation;
mod report;
mod resolve;
mod state;

pub(crate) use change::{ChangeRequest, change};
pub(crate) use charge::{Charge, SubmissionOptions, charge, open_session};
pub(crate) use join::{Join, Joins, Working};
pub(crate) use listed::{listed_rule, never_arrived};
pub(crate) use lookups::Lookups;
pub(crate) use notification::{Received, take};
pub(crate) use page::refresh_page;
pub(crate) use reconcile::{reconcile, refresh};
pub(crate) use reconciliation::{Difference, DifferenceKind, Source, compare};
pub(crate) use resolve::resolve;
pub(crate) use state::abandoned;

use crate::reason::{Error, Reason};
#[cfg(test)]
use crate::store::Status;
use crate::store::{Payment, StoredAnswer};

/// The result of a request for a payment.
pub(crate) enum Reply {
    /// A payment.
    Payment {
        /// The payment.
        payment: Box<Payment>,
        /// Whether an earlier request made it.
        replayed: bool,
    },
    /// The stored answer of an earlier request.
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

/// Writes the answers for a caller, which the store keeps under the idempotency key.
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
        subscription_id: None,
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
