//! What the platform lists of a subscription: its state, and its payments. Whoever has reason to ask comes here: the
//! webhook, the merchant, a call whose answer was lost, and a job that asks every few hours in case a webhook is lost.
//!
//! A list is taken as a whole or not at all. One that was asked for before something changed here is asked for again.

use std::sync::Arc;
use std::time::Duration;

use cardseal_gateways::gateway::Outcome;
use cardseal_gateways::subscription::{ListedSubscription, SubscriptionPayment};

use super::{get, reference, status};
use crate::App;
use crate::gate::Purpose;
use crate::metrics::Operation;
use crate::payments::{self, Received};
use crate::reason::{Error, Reason};
use crate::store::{
    Effect, Notice, NoticeSubject, Recorded, Subscription, SubscriptionId, SubscriptionStatus,
    SubscriptionUpdate,
};

/// After this time a request that the platform does not list has not arrived: it was sent on a connection that has been
/// closed for long.
const LOST_AFTER: Duration = Duration::from_secs(15 * 60);
/// How often a list is asked for again because something changed meanwhile.
const TRIES: u32 = 4;
/// More pages than any subscription has payments for.
const MOST_PAGES: u32 = 1000;

/// What the platform lists.
struct List {
    state: Option<ListedSubscription>,
    payments: Vec<SubscriptionPayment>,
}

/// Asks the platform about a subscription and stores what it says. Goes on if the caller hangs up.
pub(crate) async fn refresh(app: &App, id: SubscriptionId) -> Result<Subscription, Error> {
    let owner = Arc::clone(app);
    app.to_completion(async move { look_up(&owner, &id).await }).await
}

/// Asks the platform about the subscription that a notification names, and notes that. The notification itself proves
/// nothing.
pub(crate) async fn take(app: &App, received: &Received<'_>, platform_id: &str) -> Result<(), Error> {
    let Received {
        platform,
        route,
        digest,
        ..
    } = *received;
    let effect = if app.store.knows_notification(digest).await? {
        Effect::Duplicate
    } else {
        let effect = match app.store.subscription_of(platform, platform_id).await? {
            Some(id) => {
                refresh(app, id).await?;
                Effect::SubscriptionListed
            }
            // The answer that made it may not be stored yet. The job asks then, or it is sent again.
            None => Effect::Unmatched,
        };
        let notice = Notice {
            digest: digest.to_owned(),
            platform,
            route: route.to_owned(),
            reference: platform_id.to_owned(),
        };
        let subject = NoticeSubject::None(effect);
        app.store.notify(notice, subject, app.clock.now()).await?
    };
    app.metrics.notified(platform, effect);
    tracing::info!(
        platform = platform.id(),
        route,
        effect = effect.stored(),
        "notification processed"
    );
    Ok(())
}

async fn look_up(app: &App, id: &SubscriptionId) -> Result<Subscription, Error> {
    for _ in 0..TRIES {
        let before = get(app, id).await?;
        if before.status == SubscriptionStatus::InFlight || before.status == SubscriptionStatus::Failed {
            return Ok(before);
        }
        let list = ask(app, &before).await?;
        let recorded = store(app, &before, list).await?;
        if let Some(now) = recorded {
            return Ok(now);
        }
    }
    // It changes all the time: what changes it knows more than a list.
    app.store.hurry_subscription(id).await?;
    get(app, id).await
}

/// Reads the lists. They move no money, so a server that stops does not wait for them.
async fn ask(app: &App, subscription: &Subscription) -> Result<List, Error> {
    let platform = subscription.platform;
    let gateway = &app.account(platform)?.gateway;
    let transport = app.transport(platform, Operation::Lookup)?;
    let failed = |error: cardseal_gateways::Error| Error::from(error).at(platform);
    let _permit = app.enter(platform, Purpose::Operation).await?;
    let lookup = async {
        let state = gateway
            .find_subscription(transport, subscription.id.as_str())
            .await
            .map_err(failed)?;
        let known = Subscription {
            platform_subscription: state
                .as_ref()
                .map(|state| state.platform_id.clone())
                .or_else(|| subscription.platform_subscription.clone()),
            ..subscription.clone()
        };
        let mut payments = Vec::new();
        if let Some(of) = reference(&known) {
            for page in 1..=MOST_PAGES {
                let listed = gateway
                    .subscription_payments(transport, &of, page)
                    .await
                    .map_err(failed)?;
                payments.extend(listed.items);
                if !listed.more {
                    break;
                }
            }
        }
        Ok(List { state, payments })
    };
    match app.stopping.run_until_cancelled(lookup).await {
        Some(list) => list,
        None => Err(Reason::Busy(crate::gate::Busy).into()),
    }
}

/// Stores a list. `None` if it came too late.
async fn store(app: &App, before: &Subscription, list: List) -> Result<Option<Subscription>, Error> {
    let id = &before.id;
    let age = app.lookups.age_of(id.as_str(), before.created_at, &app.clock);
    let update = match &list.state {
        Some(state) => SubscriptionUpdate {
            status: state.status.map(status),
            platform_subscription: Some(state.platform_id.clone()),
            amount: state.amount,
            token_id: None,
            next_payment: state.next_payment.clone(),
        },
        // There is none, and there will be none.
        None if before.status == SubscriptionStatus::Unknown && age >= LOST_AFTER => SubscriptionUpdate {
            status: Some(SubscriptionStatus::Failed),
            ..SubscriptionUpdate::default()
        },
        None => SubscriptionUpdate::default(),
    };
    let settled = |payment: &SubscriptionPayment| match payment.outcome {
        Outcome::Approved(_) => Some(true),
        Outcome::Declined(_) => Some(false),
        Outcome::Authorized(_) | Outcome::Voided(_) | Outcome::Pending(_) | Outcome::Unknown(_) => None,
    };
    let payments = list
        .payments
        .into_iter()
        .filter_map(|payment| settled(&payment).map(|approved| (payment, approved)))
        .collect();
    let now = app.clock.now();
    let recorded = app
        .store
        .record_listed(id, before.version, update, payments, payments::listed_rule(), now)
        .await?;
    let Recorded::Done {
        subscription,
        open,
        settled,
    } = recorded
    else {
        return Ok(None);
    };
    for payment in &settled {
        app.metrics.outcome(payment.platform, payment.status);
        app.lookups.settled(payment.id.as_str());
        tracing::info!(
            subscription = %id,
            payment = %payment.id,
            status = payment.status.stored(),
            "the platform lists a payment of a subscription"
        );
    }
    if subscription.status != before.status {
        app.metrics
            .subscription(subscription.platform, subscription.status);
        app.lookups.settled(id.as_str());
    }
    let mut is_open = subscription.status == SubscriptionStatus::Unknown;
    if let Some(open) = open {
        is_open |= !payments::never_arrived(app, &open, LOST_AFTER).await?;
    }
    app.store
        .plan_subscription(id, is_open, app.clock.steady())
        .await?;
    Ok(Some(*subscription))
}
