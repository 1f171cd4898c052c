//! Changes a subscription, at the platform first: another amount, another card, or its end.
//!
//! None of these moves money, and each says what is to be, not by how much it changes: made twice, it is the same. So if
//! the answer is lost, the caller may send the request again; before that, the platform's list is asked.

use std::sync::Arc;

use cardseal_gateways::Amount;
use cardseal_gateways::error::Doubt;
use cardseal_gateways::gateway::Change;
use cardseal_gateways::subscription::SubscriptionChange;
use secrecy::SecretString;

use super::{get, listed, reference};
use crate::App;
use crate::gate::Purpose;
use crate::metrics::Operation;
use crate::persist::store_outcome;
use crate::reason::{Error, Reason};
use crate::store::{Subscription, SubscriptionId, SubscriptionStatus, SubscriptionUpdate, Token};

/// What a subscription is to be.
#[derive(Clone)]
enum Wanted {
    Amount(Amount),
    Card(crate::store::TokenId, SecretString),
    Cancelled(String),
}

impl Wanted {
    fn asked(&self) -> SubscriptionChange<'_> {
        match self {
            Self::Amount(amount) => SubscriptionChange::Amount(amount),
            Self::Card(_, token) => SubscriptionChange::Token(token),
            Self::Cancelled(reason) => SubscriptionChange::Cancel { reason },
        }
    }

    fn update(&self) -> SubscriptionUpdate {
        let none = SubscriptionUpdate::default();
        match self {
            Self::Amount(amount) => SubscriptionUpdate {
                amount: Some(*amount),
                ..none
            },
            Self::Card(token, _) => SubscriptionUpdate {
                token_id: Some(token.clone()),
                ..none
            },
            Self::Cancelled(_) => SubscriptionUpdate {
                status: Some(SubscriptionStatus::Cancelled),
                ..none
            },
        }
    }

    /// Whether a subscription is so already, as far as the platform's list tells. It does not tell the card.
    fn is_so(&self, subscription: &Subscription) -> bool {
        match self {
            Self::Amount(amount) => subscription.status.is_live() && subscription.amount == *amount,
            Self::Card(..) => false,
            Self::Cancelled(_) => subscription.status == SubscriptionStatus::Cancelled,
        }
    }
}

/// Has a subscription take another amount, or charge another card.
pub(crate) async fn change(
    app: &App,
    id: SubscriptionId,
    amount: Option<Amount>,
    token: Option<Token>,
) -> Result<Subscription, Error> {
    let wanted = match (amount, token) {
        (Some(amount), _) => Wanted::Amount(amount),
        (None, Some(token)) => {
            let card = token.platform_token.ok_or(Reason::TokenDeleted)?;
            Wanted::Card(token.id, card)
        }
        (None, None) => return get(app, &id).await,
    };
    start(app, id, wanted).await
}

/// Ends a subscription. One that is over stays as it is.
pub(crate) async fn cancel(app: &App, id: SubscriptionId, reason: String) -> Result<Subscription, Error> {
    start(app, id, Wanted::Cancelled(reason)).await
}

async fn start(app: &App, id: SubscriptionId, wanted: Wanted) -> Result<Subscription, Error> {
    let owner = Arc::clone(app);
    app.to_completion(async move { carry_out(&owner, &id, wanted).await })
        .await
}

async fn carry_out(app: &App, id: &SubscriptionId, wanted: Wanted) -> Result<Subscription, Error> {
    let mut subscription = get(app, id).await?;
    if subscription.status == SubscriptionStatus::Unknown {
        // It may be there, and then it is to be changed.
        subscription = listed::refresh(app, id.clone()).await?;
    }
    if wanted.is_so(&subscription) {
        return Ok(subscription);
    }
    if !subscription.status.is_live() {
        return Err(Reason::SubscriptionState(subscription.status).into());
    }
    match call_platform(app, &subscription, &wanted).await {
        Ok(Change::Done) => {}
        Ok(Change::Unknown(doubt)) => {
            tracing::warn!(
                subscription = %id,
                doubt = doubt.as_str(),
                "whether a subscription was changed is unknown; the platform is asked"
            );
            return doubtful(app, id, &wanted, doubt).await;
        }
        // Somebody else may have ended it at the platform.
        Err(error) if error.is_rejection() => {
            let now = listed::refresh(app, id.clone()).await.unwrap_or(subscription);
            return if wanted.is_so(&now) { Ok(now) } else { Err(error) };
        }
        Err(error) => return Err(error),
    }
    let made = Arc::new(wanted);
    let row = id.clone();
    let stored = store_outcome(app, "change of a subscription", id.as_str(), move |app| {
        let (made, id) = (Arc::clone(&made), row.clone());
        async move {
            let decide = move |before: &Subscription| before.status.is_live().then(|| made.update());
            app.store
                .update_subscription(&id, decide, None, false, app.clock.now())
                .await
        }
    });
    let stored = stored.await.ok_or(Reason::NotStoredYet)?;
    app.metrics.subscription(stored.platform, stored.status);
    Ok(stored)
}

/// What the list says after a lost answer. If it does not confirm the change, the caller has to ask again.
async fn doubtful(
    app: &App,
    id: &SubscriptionId,
    wanted: &Wanted,
    doubt: Doubt,
) -> Result<Subscription, Error> {
    let now = listed::refresh(app, id.clone()).await;
    match now {
        Ok(now) if wanted.is_so(&now) => Ok(now),
        Ok(now) => {
            app.store.hurry_subscription(id).await?;
            Err(Error::from(cardseal_gateways::Error::Doubtful(doubt)).at(now.platform))
        }
        Err(error) => Err(error),
    }
}

async fn call_platform(app: &App, subscription: &Subscription, wanted: &Wanted) -> Result<Change, Error> {
    let platform = subscription.platform;
    let gateway = &app.account(platform)?.gateway;
    let operation = match wanted {
        Wanted::Amount(_) | Wanted::Card(..) => Operation::ChangeSubscription,
        Wanted::Cancelled(_) => Operation::CancelSubscription,
    };
    let transport = app.transport(platform, operation)?;
    let of = reference(subscription).ok_or(Reason::Internal("a live subscription has no id"))?;
    let _permit = app.enter(platform, Purpose::Operation).await?;
    let made = gateway.change_subscription(transport, &of, &wanted.asked()).await;
    made.map_err(|refusal| Error::from(refusal).at(platform))
}
