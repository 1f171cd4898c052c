//! Subscriptions: making them, changing them, paying one now, and what the platform lists of them.
//!
//! No HTTP and no SQL, as in [`crate::payments`]. The platform charges a subscription by itself and numbers the payments.
//! Its lists are what counts: the answer to a call only says sooner what the lists say. Nothing is asked for twice
//! because its answer was lost.

mod change;
mod create;
mod listed;
mod pay;

pub(crate) use change::{cancel, change};
pub(crate) use create::{Created, Request, create};
pub(crate) use listed::{refresh, take};
pub(crate) use pay::{Payment, pay};

use cardseal_gateways::gateway::Capabilities;
use cardseal_gateways::subscription::{SubscriptionRef, SubscriptionStatus as Listed};

use crate::App;
use crate::reason::{Error, Reason};
use crate::store::{Subscription, SubscriptionId, SubscriptionStatus};

/// Loads a subscription.
pub(crate) async fn get(app: &App, id: &SubscriptionId) -> Result<Subscription, Error> {
    let subscription = app.store.subscription(id).await?;
    Ok(subscription.ok_or(Reason::SubscriptionNotFound)?)
}

/// Refuses platforms that have no subscriptions.
pub(crate) fn offered(can: Capabilities) -> Result<(), Reason> {
    if can.subscriptions {
        Ok(())
    } else {
        Err(Reason::NotOffered)
    }
}

/// A stored subscription for its gateway. `None` if it is not known to be at the platform.
fn reference(subscription: &Subscription) -> Option<SubscriptionRef<'_>> {
    Some(SubscriptionRef {
        platform_id: subscription.platform_subscription.as_deref()?,
        reference: subscription.id.as_str(),
        amount: &subscription.amount,
    })
}

const fn status(listed: Listed) -> SubscriptionStatus {
    match listed {
        Listed::Active => SubscriptionStatus::Active,
        Listed::NotPaid => SubscriptionStatus::NotPaid,
        Listed::OnHold => SubscriptionStatus::OnHold,
        Listed::Pending => SubscriptionStatus::Pending,
        Listed::Cancelled => SubscriptionStatus::Cancelled,
    }
}
