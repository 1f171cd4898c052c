//! Erases a customer: subscriptions are cancelled and stored cards deleted, at the platforms and here, and so is what
//! refers to the customer in sessions, payments and subscriptions.
//!
//! No HTTP and no SQL, as in [`crate::payments`]. Payments stay, without the customer: amounts, dates, brand, last
//! four digits and references are the merchant's accounts. So an unknown payment can still be reconciled.

use std::collections::BTreeMap;
use std::sync::Arc;

use cardseal::platform::Platform;

use crate::App;
use crate::reason::{Error, Reason};
use crate::store::{ErasedRows, SessionId, StoreError, SubscriptionId, SubscriptionStatus, TokenId};
use crate::{subscriptions, tokens};

/// How many rows of each kind one transaction changes.
const ROWS: u32 = 100;

/// What was erased, and what could not be.
pub(crate) struct Erasure {
    /// Cards that were deleted by this call.
    pub(crate) tokens: usize,
    /// Sessions that no longer refer to the customer, or are gone.
    pub(crate) sessions: usize,
    /// Payments that no longer refer to the customer.
    pub(crate) payments: usize,
    /// Subscriptions that were cancelled by this call.
    pub(crate) subscriptions: usize,
    /// What still refers to the customer.
    pub(crate) left: Vec<Left>,
}

/// Something that still refers to the customer.
pub(crate) struct Left {
    pub(crate) item: Item,
    pub(crate) platform: Platform,
    /// Why it is left.
    pub(crate) reason: Error,
}

pub(crate) enum Item {
    Subscription(SubscriptionId),
    Token(TokenId),
    Session(SessionId),
}

/// Erases what it can. The same call again tries what is left. The work goes on if the caller hangs up.
pub(crate) async fn erase(app: &App, customer: String) -> Result<Erasure, Error> {
    let owner = Arc::clone(app);
    app.to_completion(async move { carry_out(&owner, &customer).await })
        .await
}

async fn carry_out(app: &App, customer: &str) -> Result<Erasure, Error> {
    // First, so that no open session stores another card meanwhile.
    let closed = repeat(|| app.store.close_sessions_of_customer(customer, ROWS)).await?;
    // Before the cards: the platform would go on charging a subscription as long as it can.
    let (subscriptions, lasting) = cancel_subscriptions(app, customer).await?;
    let (tokens, failed) = delete_tokens(app, customer).await?;
    let erased = repeat(|| app.store.erase_customer(customer, ROWS, app.clock.now())).await?;
    // Asked last, so that nothing is missing: a card whose session was busy may have been stored since.
    let mut left = Vec::new();
    for (session, platform) in app.store.storing_sessions_of_customer(customer).await? {
        left.push(Left {
            item: Item::Session(session),
            platform,
            reason: Reason::CardOnItsWay.into(),
        });
    }
    for (subscription, platform) in app.store.subscriptions_of_customer(customer).await? {
        let reason = lasting.get(subscription.as_str()).cloned();
        left.push(Left {
            item: Item::Subscription(subscription),
            platform,
            reason: reason.unwrap_or_else(|| Reason::SubscriptionState(SubscriptionStatus::Unknown).into()),
        });
    }
    for (token, platform) in app.store.tokens_of_customer(customer).await? {
        let reason = failed.get(token.as_str()).cloned();
        left.push(Left {
            item: Item::Token(token),
            platform,
            reason: reason.unwrap_or_else(|| Reason::CardOnItsWay.into()),
        });
    }
    let erasure = Erasure {
        tokens,
        sessions: closed.sessions + erased.sessions,
        payments: erased.payments,
        subscriptions,
        left,
    };
    tracing::info!(
        tokens = erasure.tokens,
        sessions = erasure.sessions,
        payments = erasure.payments,
        subscriptions = erasure.subscriptions,
        left = erasure.left.len(),
        "a customer was erased"
    );
    Ok(erasure)
}

/// Repeats a step until nothing is left for it.
async fn repeat<F: Future<Output = Result<ErasedRows, StoreError>>>(
    step: impl Fn() -> F,
) -> Result<ErasedRows, StoreError> {
    let mut sum = ErasedRows::default();
    loop {
        let done = step().await?;
        sum.sessions += done.sessions;
        sum.payments += done.payments;
        if !done.more {
            return Ok(sum);
        }
    }
}

/// Cancels the customer's subscriptions. Returns how many were cancelled, and why the others were not, by their ids.
async fn cancel_subscriptions(app: &App, customer: &str) -> Result<(usize, BTreeMap<String, Error>), Error> {
    let (mut cancelled, mut failed) = (0, BTreeMap::new());
    for (id, _) in app.store.subscriptions_of_customer(customer).await? {
        let name = id.as_str().to_owned();
        match subscriptions::cancel(app, id, "the customer was erased".into()).await {
            Ok(_) => cancelled += 1,
            Err(error) => drop(failed.insert(name, error)),
        }
    }
    Ok((cancelled, failed))
}

/// Deletes the customer's cards. Returns how many were deleted, and why the others were not, by their ids.
async fn delete_tokens(app: &App, customer: &str) -> Result<(usize, BTreeMap<String, Error>), Error> {
    let mut platforms: BTreeMap<Platform, Vec<TokenId>> = BTreeMap::new();
    for (token, platform) in app.store.tokens_of_customer(customer).await? {
        platforms.entry(platform).or_default().push(token);
    }
    // A platform that hangs does not delay the others.
    let mut tasks = tokio::task::JoinSet::new();
    for tokens in platforms.into_values() {
        let app = Arc::clone(app);
        tasks.spawn(async move { delete_at_platform(&app, tokens).await });
    }
    let (mut deleted, mut failed) = (0, BTreeMap::new());
    while let Some(ended) = tasks.join_next().await {
        let (count, errors) = ended.map_err(|_| crate::TaskPanicked)?;
        deleted += count;
        failed.extend(errors);
    }
    Ok((deleted, failed))
}

/// Deletes cards of one platform, one after the other. Once the platform is away, the rest waits for the next call.
async fn delete_at_platform(app: &App, tokens: Vec<TokenId>) -> (usize, BTreeMap<String, Error>) {
    let (mut deleted, mut failed) = (0, BTreeMap::new());
    let mut away: Option<Error> = None;
    for token in tokens {
        let id = token.as_str().to_owned();
        if let Some(error) = &away {
            failed.insert(id, error.clone());
            continue;
        }
        match tokens::delete(app, token).await {
            Ok(_) => deleted += 1,
            Err(error) => {
                // A refusal is about one card only.
                if !error.is_rejection() {
                    away = Some(error.clone());
                }
                failed.insert(id, error);
            }
        }
    }
    (deleted, failed)
}
