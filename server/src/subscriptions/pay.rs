//! Charges a subscription now.
//!
//! The platform numbers the payment, and may count it as another attempt of one that it declined before. So the list is
//! read first: what it has as new afterwards is this payment.

use std::sync::Arc;

use super::{get, listed};
use crate::App;
use crate::payments::{self, Charge, Render, Reply};
use crate::reason::{Error, Reason};
use crate::store::{Key, SubscriptionId, SubscriptionStatus};

/// A request for a payment now.
pub(crate) struct Payment {
    pub(crate) subscription: SubscriptionId,
    pub(crate) order_reference: String,
    pub(crate) key: Option<Key>,
    pub(crate) render: Arc<dyn Render>,
}

/// Charges a subscription once per key. The charge goes on if the caller hangs up.
pub(crate) async fn pay(app: &App, request: Payment) -> Result<Reply, Error> {
    let mut subscription = get(app, &request.subscription).await?;
    super::offered(app.capabilities(subscription.platform)?)?;
    // A repeated request gets its answer, whatever the platform says by now.
    let repeated = match &request.key {
        Some(key) => app.store.knows_key(key).await?,
        None => false,
    };
    if !repeated {
        if subscription.status == SubscriptionStatus::InFlight {
            return Err(Reason::SubscriptionState(subscription.status).into());
        }
        subscription = listed::refresh(app, subscription.id).await?;
        if !subscription.status.is_live() {
            return Err(Reason::SubscriptionState(subscription.status).into());
        }
    }
    let token = app.store.token(&subscription.token_id).await?;
    let token = token.ok_or(Reason::Internal("a subscription has no token"))?;
    let Payment {
        order_reference,
        key,
        render,
        ..
    } = request;
    let charge = Charge::of_subscription(subscription, token, order_reference, key, render);
    payments::charge(app, charge).await
}
