//! Makes a subscription. As with a charge, its row and its key are on the disk before the platform is called, and the
//! platform is called once: whether there is one after a lost answer, the platform's list says.

use std::sync::Arc;

use cardseal_gateways::Amount;
use cardseal_gateways::error::{Doubt, Refusal};
use cardseal_gateways::subscription::{NewSubscription as Asked, Subscribing};
use tracing::Instrument;

use super::status;
use crate::App;
use crate::gate::Purpose;
use crate::metrics::Operation;
use crate::payments::Join;
use crate::persist::store_outcome;
use crate::reason::{Error, Reason};
use crate::store::{
    Claimed, Fingerprint, IdempotencyKey, NewSubscription, StoredAnswer, Subscription, SubscriptionClaim,
    SubscriptionStatus, SubscriptionUpdate, Token, TokenStatus,
};

/// A request for a subscription.
pub(crate) struct Request {
    pub(crate) token: Token,
    pub(crate) customer: Option<String>,
    pub(crate) amount: Amount,
    pub(crate) description: String,
    pub(crate) months: u8,
    pub(crate) starts_at: Option<i64>,
    pub(crate) ends_at: Option<i64>,
    pub(crate) key: Option<(IdempotencyKey, Fingerprint)>,
    /// Writes the answer to a request that the platform refused.
    pub(crate) refusal: Box<dyn Fn(&Error) -> StoredAnswer + Send + Sync>,
}

/// What came of it.
pub(crate) enum Created {
    /// The subscription, and whether an earlier request made it.
    Subscription(Box<Subscription>, bool),
    /// The answer to an earlier request that the platform refused.
    Refused(StoredAnswer),
}

/// Makes a subscription. The work goes on if the caller hangs up.
pub(crate) async fn create(app: &App, request: Request) -> Result<Created, Error> {
    super::offered(app.capabilities(request.token.platform)?)?;
    let owner = Arc::clone(app);
    app.to_completion(async move { carry_out(&owner, request).await })
        .await
}

async fn carry_out(app: &App, request: Request) -> Result<Created, Error> {
    let mut join = Join::within(&app.joins, app.config.limits.idempotency_wait);
    let (subscription, claimed) = loop {
        match app
            .store
            .claim_subscription(row(&request), app.clock.now())
            .await?
        {
            SubscriptionClaim::New(subscription, claimed) => break (subscription, claimed),
            SubscriptionClaim::Refused(answer) => return Ok(Created::Refused(answer)),
            SubscriptionClaim::Reused => return Err(Reason::KeyReused.into()),
            SubscriptionClaim::OutboxFull => return Err(Reason::OutboxFull.into()),
            SubscriptionClaim::TokenUnusable(TokenStatus::Unconfirmed) => {
                return Err(Reason::TokenUnconfirmed.into());
            }
            SubscriptionClaim::TokenUnusable(TokenStatus::Active | TokenStatus::Deleted) => {
                return Err(Reason::TokenDeleted.into());
            }
            SubscriptionClaim::Known(known) if known.status == SubscriptionStatus::InFlight => {
                if !join.wait(known.id.as_str()).await {
                    return Err(Reason::InProgress.into());
                }
            }
            SubscriptionClaim::Known(known) => return Ok(Created::Subscription(Box::new(known), true)),
        }
    };
    let working = app.joins.working(subscription.id.as_str());
    let outcome = call_platform(app, &request, &subscription).await;
    let error = outcome.as_ref().err().cloned();
    if let Ok(Subscribing::Unknown(doubt)) = &outcome {
        tracing::warn!(
            subscription = %subscription.id,
            doubt = doubt.as_str(),
            "whether there is a subscription is unknown"
        );
    }
    let refusal = error.as_ref().filter(|error| error.is_rejection());
    let finish = Arc::new(Finish {
        update: update(&outcome),
        refusal: refusal.map(|error| (request.refusal)(error)),
        _claimed: claimed,
    });
    let id = subscription.id.clone();
    let stored = store_outcome(app, "subscription", subscription.id.as_str(), move |app| {
        let (finish, id) = (Arc::clone(&finish), id.clone());
        async move { finish.store(&app, &id).await }
    })
    .await;
    drop(working);
    match (stored, error) {
        (Some(stored), None) => {
            app.metrics.subscription(stored.platform, stored.status);
            Ok(Created::Subscription(Box::new(stored), false))
        }
        // The row on disk says "in flight", and so does the answer.
        (None, None) => Ok(Created::Subscription(Box::new(subscription), false)),
        (_, Some(error)) => Err(error),
    }
}

fn row(request: &Request) -> NewSubscription {
    NewSubscription {
        platform: request.token.platform,
        token_id: request.token.id.clone(),
        customer: request.customer.clone(),
        amount: request.amount,
        description: request.description.clone(),
        months: request.months,
        starts_at: request.starts_at,
        ends_at: request.ends_at,
        key: request.key.clone(),
    }
}

async fn call_platform(
    app: &App,
    request: &Request,
    subscription: &Subscription,
) -> Result<Subscribing, Error> {
    let platform = subscription.platform;
    let gateway = Arc::clone(&app.account(platform)?.gateway);
    let transport = app.transport(platform, Operation::Subscribe)?.clone();
    let token = request.token.platform_token.clone().ok_or(Reason::TokenDeleted)?;
    let permit = app.enter(platform, Purpose::Operation).await?;
    let subscription = subscription.clone();
    // A task of its own: if it panics, the subscription is unknown and does not hang.
    let call: tokio::task::JoinHandle<Result<Subscribing, Refusal>> = tokio::spawn(
        async move {
            let _permit = permit;
            let asked = Asked {
                reference: subscription.id.as_str(),
                token: &token,
                amount: &subscription.amount,
                description: &subscription.description,
                months: subscription.months,
                starts_at: subscription.starts_at,
                ends_at: subscription.ends_at,
                first: None,
            };
            gateway.subscribe(&transport, &asked).await
        }
        .in_current_span(),
    );
    match call.await {
        Ok(result) => result.map_err(|refusal| Error::from(refusal).at(platform)),
        Err(_) => Ok(Subscribing::Unknown(Doubt::Interrupted)),
    }
}

fn update(outcome: &Result<Subscribing, Error>) -> SubscriptionUpdate {
    match outcome {
        Ok(Subscribing::Done(done)) => SubscriptionUpdate {
            status: Some(status(done.status)),
            platform_subscription: Some(done.platform_id.clone()),
            next_payment: done.next_payment.clone(),
            ..SubscriptionUpdate::default()
        },
        Ok(Subscribing::Unknown(_)) => SubscriptionUpdate {
            status: Some(SubscriptionStatus::Unknown),
            ..SubscriptionUpdate::default()
        },
        Err(_) => SubscriptionUpdate {
            status: Some(SubscriptionStatus::Failed),
            ..SubscriptionUpdate::default()
        },
    }
}

/// A result that is to be stored.
struct Finish {
    update: SubscriptionUpdate,
    refusal: Option<StoredAnswer>,
    _claimed: Claimed,
}

impl Finish {
    async fn store(
        &self,
        app: &App,
        id: &crate::store::SubscriptionId,
    ) -> Result<Subscription, crate::store::StoreError> {
        let update = self.update.clone();
        // Whoever has found it at the platform meanwhile knows more than an answer that is missing.
        let decide = move |before: &Subscription| before.status.is_unknown().then(|| update.clone());
        let refusal = self.refusal.clone();
        app.store
            .update_subscription(id, decide, refusal, true, app.clock.now())
            .await
    }
}
