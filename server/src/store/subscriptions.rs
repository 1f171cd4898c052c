//! Subscriptions. A row is on the disk before the platform is asked for one.

use cardseal::platform::Platform;
use cardseal_gateways::Amount;
use cardseal_gateways::subscription::SubscriptionPayment;

use super::instances::Right;
use super::payments::{amount, minor};
use super::seal::Index;
use super::sql::{Row, params};
use super::status::statuses;
use super::{
    Claimed, Columns, Db, EventKind, Fingerprint, IdempotencyKey, NewPayment, Payment, PaymentUpdate, Result,
    Status, Store, StoreError, StoredAnswer, SubscriptionId, TokenId, TokenStatus, events, idempotency,
    payments, platform, readable, statements, tokens,
};

/// How long a subscription without news is left alone: the platform's webhook may have been lost.
const LONGEST_PAUSE_MS: i64 = 6 * 60 * 60_000;

statuses! {
    /// The status of a subscription.
    SubscriptionStatus {
        /// The platform is being asked for it.
        InFlight = "in_flight", "unknown";
        /// Whether there is one is unknown.
        Unknown = "unknown", "unknown";
        /// There is none.
        Failed = "failed", "failed";
        /// It has not begun.
        Pending = "pending", "pending";
        /// The platform charges what is due.
        Active = "active", "active";
        /// Its first payment was not made.
        NotPaid = "not_paid", "not_paid";
        /// Several payments failed, and the platform charges no more by itself.
        OnHold = "on_hold", "on_hold";
        /// It is over.
        Cancelled = "cancelled", "cancelled";
    }
}

impl SubscriptionStatus {
    /// What the merchant is told of a subscription that becomes this.
    const fn kind(self) -> Option<EventKind> {
        Some(match self {
            Self::InFlight => return None,
            Self::Unknown => EventKind::SubscriptionUnknown,
            Self::Failed => EventKind::SubscriptionFailed,
            Self::Pending => EventKind::SubscriptionPending,
            Self::Active => EventKind::SubscriptionActive,
            Self::NotPaid => EventKind::SubscriptionNotPaid,
            Self::OnHold => EventKind::SubscriptionOnHold,
            Self::Cancelled => EventKind::SubscriptionCancelled,
        })
    }

    /// Whether it is at the platform and not over.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Active | Self::NotPaid | Self::OnHold)
    }

    /// Whether it may be at the platform without being known here.
    #[must_use]
    pub const fn is_unknown(self) -> bool {
        matches!(self, Self::InFlight | Self::Unknown)
    }
}

/// A subscription to be stored.
pub struct NewSubscription {
    /// The platform.
    pub platform: Platform,
    /// The stored card that is charged.
    pub token_id: TokenId,
    /// The merchant's reference of the customer.
    pub customer: Option<String>,
    /// What a payment takes.
    pub amount: Amount,
    /// What the customer reads.
    pub description: String,
    /// Months between two payments.
    pub months: u8,
    /// When the first payment is due, in milliseconds since 1970.
    pub starts_at: Option<i64>,
    /// When it ends, in milliseconds since 1970.
    pub ends_at: Option<i64>,
    /// The caller's idempotency key, and the fingerprint of its body.
    pub key: Option<(IdempotencyKey, Fingerprint)>,
}

/// A stored subscription.
#[derive(Clone)]
pub struct Subscription {
    /// The id.
    pub id: SubscriptionId,
    /// The platform.
    pub platform: Platform,
    /// The status.
    pub status: SubscriptionStatus,
    /// The stored card that is charged.
    pub token_id: TokenId,
    /// The merchant's reference of the customer.
    pub customer: Option<String>,
    /// What a payment takes.
    pub amount: Amount,
    /// What the customer reads.
    pub description: String,
    /// Months between two payments.
    pub months: u8,
    /// When the first payment is due, in milliseconds since 1970.
    pub starts_at: Option<i64>,
    /// When it ends, in milliseconds since 1970.
    pub ends_at: Option<i64>,
    /// The day of the next payment, as the platform says.
    pub next_payment: Option<String>,
    /// The platform's own id.
    pub platform_subscription: Option<String>,
    /// Rises with each change.
    pub version: i64,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub updated_at: i64,
}

/// Which subscriptions a list has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionFilter {
    /// All of them.
    All,
    /// Those with this status.
    Status(SubscriptionStatus),
    /// Those of a customer, by the merchant's reference.
    Customer(String),
}

/// The result of claiming a subscription.
pub enum SubscriptionClaim {
    /// It is stored. Ask the platform for it, and hold the claim until the outcome is stored.
    New(Subscription, Claimed),
    /// The platform refused the same request.
    Refused(StoredAnswer),
    /// The same request made it, or is making it.
    Known(Subscription),
    /// The key belongs to a request with another body.
    Reused,
    /// The stored card cannot be charged.
    TokenUnusable(TokenStatus),
    /// Too many events wait for the merchant's server.
    OutboxFull,
}

/// What changes of a subscription. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionUpdate {
    /// The status.
    pub status: Option<SubscriptionStatus>,
    /// The platform's own id.
    pub platform_subscription: Option<String>,
    /// What a payment takes.
    pub amount: Option<Amount>,
    /// The stored card that is charged.
    pub token_id: Option<TokenId>,
    /// The day of the next payment.
    pub next_payment: Option<String>,
}

/// Whether a subscription can be charged now.
pub(super) enum Chargeable {
    Yes,
    No(SubscriptionStatus),
    /// This payment of it is not settled.
    Busy(Box<Payment>),
}

/// Decides what a payment becomes, given what the platform lists.
pub type ListedRule = dyn Fn(&Payment, &SubscriptionPayment) -> Option<PaymentUpdate> + Send;

/// What came of a list of the platform.
pub enum Recorded {
    /// It is stored.
    Done {
        /// The subscription as it is now.
        subscription: Box<Subscription>,
        /// The payment that was asked for and that the list does not settle.
        open: Option<Box<Payment>>,
        /// The payments that have another status now.
        settled: Vec<Payment>,
    },
    /// The subscription has changed since the platform was asked. Ask again.
    Stale,
}

/// The table.
pub(super) const TABLE: &str = "subscriptions";

/// The columns of a subscription, in the order in which [`values`] reads them.
macro_rules! columns {
    () => {
        "id, platform, status, token_id, COALESCE(customer_sealed, customer), amount_minor, currency, description, months,
            starts_at, ends_at, next_payment, platform_subscription, version, created_at, updated_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM subscriptions WHERE id = ?");
    BY_PLATFORM = concat!("SELECT ", columns!(), " FROM subscriptions
        WHERE platform = ? AND platform_subscription = ?");
    BY_KEY = "SELECT id, fingerprint, answer_status, answer_body FROM subscriptions WHERE caller_key = ?";
    SEQ = "SELECT seq FROM subscriptions WHERE id = ?";
    LIST = concat!("SELECT ", columns!(), ", seq FROM subscriptions WHERE seq < ? ORDER BY seq DESC LIMIT ?");
    LIST_BY_STATUS = concat!("SELECT ", columns!(), ", seq FROM subscriptions
        WHERE status = ? AND seq < ? ORDER BY seq DESC LIMIT ?");
    LIST_BY_CUSTOMER = concat!("SELECT ", columns!(), ", seq FROM subscriptions
        WHERE customer = ? AND seq < ? ORDER BY seq DESC LIMIT ?");
    INSERT = "INSERT INTO subscriptions (id, platform, status, token_id, customer, customer_sealed, amount_minor, currency,
            description, months, starts_at, ends_at, caller_key, fingerprint, created_at, updated_at, instance)
        VALUES (?, ?, 'in_flight', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?14, ?14, ?)";
    UPDATE = concat!("UPDATE subscriptions SET status = ?, platform_subscription = COALESCE(?, platform_subscription),
            amount_minor = ?, token_id = ?, next_payment = ?, version = version + 1, looks = 0, look_at = ?,
            updated_at = ?
        WHERE id = ? RETURNING ", columns!());
    ANSWER = "UPDATE subscriptions SET answer_status = ?, answer_body = ? WHERE id = ?";
    FREE_KEY = "UPDATE subscriptions SET caller_key = NULL WHERE id = ?";
    /// A list that was asked for before a payment says nothing about it.
    BEGIN_PAYMENT = "UPDATE subscriptions SET version = version + 1 WHERE id = ?";
    /// How many attempts were declined under a reference before.
    COUNT_DECLINE = "UPDATE payments SET declines = 1 + COALESCE((SELECT MAX(other.declines) FROM payments AS other
            WHERE other.subscription_id = ?1 AND other.platform_payment = ?2 AND other.id <> ?3), 0)
        WHERE id = ?3 AND declines = 0";
    DUE = "SELECT id FROM subscriptions WHERE look_at IS NOT NULL AND look_at <= ?1 ORDER BY look_at LIMIT ?2";
    /// Planned before the clock was put back.
    AHEAD = "SELECT id FROM subscriptions WHERE look_at IS NOT NULL AND look_at > ?1 ORDER BY look_at LIMIT ?2";
    /// Those whose payment is not settled, whatever became of them.
    UNPAID = "SELECT subscription_id FROM payments
        WHERE subscription_id IS NOT NULL AND status IN ('in_flight', 'unknown')
        AND status = 'unknown' AND (look_at <= ?1 OR look_at > ?2) LIMIT ?3";
    /// A pause that doubles, up to hours.
    POSTPONE = "UPDATE subscriptions SET look_at = ?1 + MIN(1000 << MIN(looks, 15), ?3), looks = looks + 1
         WHERE id = ?2 AND look_at IS NOT NULL",
        "UPDATE subscriptions SET look_at = $1 + LEAST(1000 << CAST(LEAST(looks, 15) AS INTEGER), $3), looks = looks + 1
         WHERE id = $2 AND look_at IS NOT NULL";
    POSTPONE_PAYMENT = "UPDATE payments SET look_at = ?1 + MIN(1000 << MIN(looks, 15), ?3), looks = looks + 1
            WHERE subscription_id = ?2 AND subscription_id IS NOT NULL AND status IN ('in_flight', 'unknown')",
        "UPDATE payments SET look_at = $1 + LEAST(1000 << CAST(LEAST(looks, 15) AS INTEGER), $3), looks = looks + 1
            WHERE subscription_id = $2 AND subscription_id IS NOT NULL AND status IN ('in_flight', 'unknown')";
    /// Nothing is open: the next look is in hours.
    REST = "UPDATE subscriptions SET look_at = ?, looks = 0 WHERE id = ? AND look_at IS NOT NULL";
    HURRY = "UPDATE subscriptions SET look_at = 0, looks = 0 WHERE id = ? AND look_at IS NOT NULL";
}

fn read(row: &Row<'_>) -> Result<Subscription> {
    readable(TABLE, row, values)
}

fn values(row: &mut Columns<'_>) -> Result<Subscription> {
    Ok(Subscription {
        id: row.next()?,
        platform: platform(row)?,
        status: row.word("status", SubscriptionStatus::read)?,
        token_id: row.next()?,
        customer: row.opened("customer")?,
        amount: amount(row)?,
        description: row.opened_text("description")?,
        months: {
            let months: i64 = row.next()?;
            u8::try_from(months).map_err(|_| StoreError::Unknown("months"))?
        },
        starts_at: row.next()?,
        ends_at: row.next()?,
        next_payment: row.next()?,
        platform_subscription: row.next()?,
        version: row.next()?,
        created_at: row.next()?,
        updated_at: row.next()?,
    })
}

pub(super) fn get(db: &Db<'_>, id: &SubscriptionId) -> Result<Option<Subscription>> {
    db.row(BY_ID, params![id], read)
}

/// What an earlier request with the same key came to, if there was one.
fn by_key(
    db: &Db<'_>,
    (key, fingerprint): &(IdempotencyKey, Fingerprint),
) -> Result<Option<SubscriptionClaim>> {
    let known = db.row(BY_KEY, params![key], |row| {
        let id: SubscriptionId = row.get(0)?;
        let answer = idempotency::answer(row, (2, 3), (TABLE, id.as_str()))?;
        Ok((id, row.get::<Option<Fingerprint>>(1)?, answer))
    })?;
    let Some((id, known, answer)) = known else {
        return Ok(None);
    };
    if known.as_ref() != Some(fingerprint) {
        return Ok(Some(SubscriptionClaim::Reused));
    }
    if let Some(answer) = answer {
        return Ok(Some(SubscriptionClaim::Refused(answer)));
    }
    let subscription = get(db, &id)?.ok_or(StoreError::Unknown("subscription of a key"))?;
    Ok(Some(SubscriptionClaim::Known(subscription)))
}

fn insert(db: &Db<'_>, new: &NewSubscription, token_id: &TokenId, now: i64) -> Result<Subscription> {
    let id = SubscriptionId::random();
    let seal = db.seal(TABLE, id.as_str());
    let customer = seal.found("customer", Index::Customer, new.customer.as_deref())?;
    let (key, fingerprint) = new.key.clone().unzip();
    db.execute(
        INSERT,
        params![
            id,
            new.platform.id(),
            token_id,
            customer.by,
            customer.sealed,
            minor(new.amount.minor())?,
            new.amount.currency().code(),
            seal.value("description", &new.description)?,
            new.months,
            new.starts_at,
            new.ends_at,
            key,
            fingerprint,
            now,
            db.instance(),
        ],
    )?;
    get(db, &id)?.ok_or(StoreError::Unknown("subscription"))
}

/// Writes what changed, and tells the merchant.
pub(super) fn update(
    db: &Db<'_>,
    before: &Subscription,
    new: &SubscriptionUpdate,
    now: i64,
) -> Result<Subscription> {
    let status = new.status.unwrap_or(before.status);
    let amount = new.amount.unwrap_or(before.amount);
    let token_id = new.token_id.as_ref().unwrap_or(&before.token_id);
    let next_payment = new.next_payment.as_ref().or(before.next_payment.as_ref());
    let after = db.row(
        UPDATE,
        params![
            status.stored(),
            new.platform_subscription,
            minor(amount.minor())?,
            token_id,
            next_payment.filter(|_| status != SubscriptionStatus::Cancelled),
            (status.is_live() || status == SubscriptionStatus::Unknown).then_some(now),
            now,
            before.id,
        ],
        read,
    )?;
    let after = after.ok_or(StoreError::Unknown("subscription"))?;
    let kind = if after.status != before.status {
        after.status.kind()
    } else if after.amount != before.amount || after.token_id != before.token_id {
        Some(EventKind::SubscriptionUpdated)
    } else {
        None
    };
    events::subscription(db, kind, &after, now)?;
    Ok(after)
}

/// Whether an update says anything new.
fn is_news(before: &Subscription, new: &SubscriptionUpdate) -> bool {
    new.status.is_some_and(|status| status != before.status)
        || new.amount.is_some_and(|amount| amount != before.amount)
        || new
            .token_id
            .as_ref()
            .is_some_and(|token| *token != before.token_id)
        || new.next_payment.is_some() && new.next_payment != before.next_payment
        || new.platform_subscription.is_some() && new.platform_subscription != before.platform_subscription
}

/// Marks that a payment of a subscription begins, if it can.
pub(super) fn charge(db: &Db<'_>, id: &SubscriptionId) -> Result<Chargeable> {
    let subscription = get(db, id)?.ok_or(StoreError::Unknown("subscription"))?;
    if !subscription.status.is_live() {
        return Ok(Chargeable::No(subscription.status));
    }
    if let Some(open) = payments::open_of(db, id)? {
        return Ok(Chargeable::Busy(Box::new(open)));
    }
    db.execute(BEGIN_PAYMENT, params![id])?;
    Ok(Chargeable::Yes)
}

/// Notes what a payment's own answer says about the attempts under its reference.
pub(super) fn note_payment(db: &Db<'_>, payment: &Payment) -> Result<()> {
    if payment.status == Status::Declined {
        db.execute(
            COUNT_DECLINE,
            params![payment.subscription_id, payment.platform_payment, payment.id],
        )?;
    }
    Ok(())
}

/// Stores a payment that the platform lists, if it says something new. Returns the payment then.
fn record(
    db: &Db<'_>,
    subscription: &Subscription,
    listed: &SubscriptionPayment,
    approved: bool,
    decide: &ListedRule,
    now: i64,
) -> Result<Option<Payment>> {
    let known = payments::numbered(db, &subscription.id, &listed.reference)?;
    let is_news = match &known {
        None => true,
        Some((payment, _)) if approved => {
            matches!(
                payment.status,
                Status::Declined | Status::Failed | Status::Unknown | Status::InFlight
            )
        }
        Some((_, declines)) => listed.declines > *declines,
    };
    if !is_news {
        return Ok(None);
    }
    let amount = listed.amount.unwrap_or(subscription.amount);
    let open = payments::open_of(db, &subscription.id)?.filter(|open| open.amount == amount);
    let target = match (open, known) {
        (Some(open), _) => open,
        (None, Some((known, _))) => known,
        (None, None) => match payments::unnumbered(db, &subscription.id, amount)?.filter(|_| approved) {
            Some(by_hand) => by_hand,
            None => insert_payment(db, subscription, listed, amount, now)?,
        },
    };
    let news = decide(&target, listed);
    if let Some(new) = &news {
        payments::update(db, &target.id, new, now)?;
    }
    payments::number(db, &target.id, &listed.reference, listed.declines)?;
    match news {
        Some(_) => payments::get(db, &target.id),
        None => Ok(None),
    }
}

/// A payment that the platform made by itself.
fn insert_payment(
    db: &Db<'_>,
    subscription: &Subscription,
    listed: &SubscriptionPayment,
    amount: Amount,
    now: i64,
) -> Result<Payment> {
    let token = tokens::get(db, &subscription.token_id)?;
    let token = token.as_ref();
    let mut new = NewPayment {
        platform: subscription.platform,
        amount,
        token_id: token.map(|token| token.id.clone()),
        session_id: None,
        subscription_id: Some(subscription.id.clone()),
        authentication_id: None,
        order_reference: listed.reference.clone(),
        description: subscription.description.clone(),
        customer: subscription.customer.clone(),
        brand: token.and_then(|token| token.brand.clone()),
        bin: token.and_then(|token| token.bin.clone()),
        last4: token.and_then(|token| token.last4.clone()),
        capture_later: false,
        network_token: None,
    };
    if let Some(payment) = payments::insert(db, &new, now)? {
        return Ok(payment);
    }
    // The merchant has used this text as a reference of its own.
    new.order_reference = uuid::Uuid::new_v4().to_string();
    payments::insert(db, &new, now)?.ok_or(StoreError::Unknown("order reference"))
}

impl Store {
    /// Binds the key and stores the subscription.
    pub async fn claim_subscription(&self, new: NewSubscription, now: i64) -> Result<SubscriptionClaim> {
        let under_way = self.under_way.clone();
        self.write_as(Right::ToBegin, move |db| {
            if let Some(key) = &new.key
                && let Some(claim) = by_key(db, key)?
            {
                return Ok(claim);
            }
            let token = tokens::get(db, &new.token_id)?;
            let token = match token {
                Some(token) if token.status == TokenStatus::Active => token,
                other => {
                    let status = other.map_or(TokenStatus::Deleted, |token| token.status);
                    return Ok(SubscriptionClaim::TokenUnusable(status));
                }
            };
            if db.is_outbox_full() {
                return Ok(SubscriptionClaim::OutboxFull);
            }
            let subscription = insert(db, &new, &token.id, now)?;
            let claimed = under_way.enter(subscription.id.as_str());
            Ok(SubscriptionClaim::New(subscription, claimed))
        })
        .await
    }

    /// Loads a subscription.
    pub async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>> {
        let id = id.clone();
        self.read(move |db| get(db, &id)).await
    }

    /// Finds a subscription by the platform's id of it.
    pub async fn subscription_of(
        &self,
        platform: Platform,
        platform_id: &str,
    ) -> Result<Option<SubscriptionId>> {
        let platform_id = platform_id.to_owned();
        let found = self
            .read(move |db| db.row(BY_PLATFORM, params![platform.id(), platform_id], read))
            .await?;
        Ok(found.map(|subscription| subscription.id))
    }

    /// Lists subscriptions, newest first.
    pub async fn subscriptions(
        &self,
        filter: SubscriptionFilter,
        after: Option<&SubscriptionId>,
        limit: u32,
    ) -> Result<Vec<Subscription>> {
        let after = after.map(ToString::to_string);
        self.page(SEQ, after, limit, move |db, seq, limit| {
            let item = |row: &Row<'_>| Ok((read(row), row.last()?));
            match &filter {
                SubscriptionFilter::All => db.rows(LIST, params![seq, limit], item),
                SubscriptionFilter::Status(status) => {
                    db.rows(LIST_BY_STATUS, params![status.stored(), seq, limit], item)
                }
                SubscriptionFilter::Customer(customer) => {
                    db.newest(&db.forms(Index::Customer, customer)?, limit, |form| {
                        db.rows(LIST_BY_CUSTOMER, params![form, seq, limit], item)
                    })
                }
            }
        })
        .await
    }

    /// Gives a subscription its new state from `decide`, if there is one. With an answer, its key gets that from now on;
    /// one that was not asked for at the platform leaves its key free.
    pub async fn update_subscription(
        &self,
        id: &SubscriptionId,
        decide: impl Fn(&Subscription) -> Option<SubscriptionUpdate> + Send + 'static,
        refusal: Option<StoredAnswer>,
        frees_key: bool,
        now: i64,
    ) -> Result<Subscription> {
        let id = id.clone();
        self.write_as(Right::ToFinish, move |db| {
            let before = get(db, &id)?.ok_or(StoreError::Unknown("subscription"))?;
            let after = match decide(&before) {
                Some(new) if is_news(&before, &new) => update(db, &before, &new, now)?,
                Some(_) | None => before,
            };
            if after.status == SubscriptionStatus::Failed {
                if let Some(refusal) = &refusal {
                    let seal = db.seal(TABLE, id.as_str());
                    let body = seal.value("answer_body", &refusal.body)?;
                    db.execute(ANSWER, params![refusal.status, body, id])?;
                } else if frees_key {
                    db.execute(FREE_KEY, params![id])?;
                }
            }
            Ok(after)
        })
        .await
    }

    /// Stores what the platform lists about a subscription, in one transaction: its state and its payments, which are
    /// approved or declined. Nothing is stored if the subscription has changed since `version`.
    pub async fn record_listed(
        &self,
        id: &SubscriptionId,
        version: i64,
        state: SubscriptionUpdate,
        listed: Vec<(SubscriptionPayment, bool)>,
        decide: Box<ListedRule>,
        now: i64,
    ) -> Result<Recorded> {
        let id = id.clone();
        self.write_as(Right::ToFinish, move |db| {
            let before = get(db, &id)?.ok_or(StoreError::Unknown("subscription"))?;
            if before.version != version {
                return Ok(Recorded::Stale);
            }
            let mut settled = Vec::new();
            for (payment, approved) in &listed {
                settled.extend(record(db, &before, payment, *approved, &*decide, now)?);
            }
            let subscription = if is_news(&before, &state) {
                update(db, &before, &state, now)?
            } else {
                before
            };
            Ok(Recorded::Done {
                subscription: Box::new(subscription),
                open: payments::open_of(db, &id)?.map(Box::new),
                settled,
            })
        })
        .await
    }

    /// The subscriptions that the platform is to be asked about, on the steady clock.
    pub async fn due_subscriptions(&self, steady: i64, limit: u32) -> Result<Vec<SubscriptionId>> {
        self.list(move |db| {
            let ahead = steady.saturating_add(2 * LONGEST_PAUSE_MS);
            let mut due: Vec<SubscriptionId> =
                db.rows(UNPAID, params![steady, ahead, limit], |row| row.get(0))?;
            due.extend(db.rows(DUE, params![steady, limit], |row| row.get::<SubscriptionId>(0))?);
            due.extend(db.rows(AHEAD, params![ahead, limit], |row| row.get::<SubscriptionId>(0))?);
            let mut seen = std::collections::HashSet::new();
            due.retain(|id| seen.insert(id.clone()));
            due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(due)
        })
        .await
    }

    /// Plans when the platform is asked again. As long as something is open, that is soon, after pauses that grow.
    pub async fn plan_subscription(&self, id: &SubscriptionId, is_open: bool, steady: i64) -> Result<()> {
        let id = id.clone();
        self.write(move |db| {
            if !is_open {
                db.execute(REST, params![steady.saturating_add(LONGEST_PAUSE_MS), id])?;
                return Ok(());
            }
            for plan in [POSTPONE, POSTPONE_PAYMENT] {
                db.execute(plan, params![steady, id, LONGEST_PAUSE_MS])?;
            }
            Ok(())
        })
        .await
    }

    /// Has the platform asked about a subscription at the next opportunity.
    pub async fn hurry_subscription(&self, id: &SubscriptionId) -> Result<()> {
        let id = id.clone();
        self.write(move |db| db.execute(HURRY, params![id]))
            .await
            .map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use cardseal_gateways::gateway::{Approval, Decline, Outcome};

    use super::super::{Attempt, Claim, Scope, Taker, testing};
    use super::*;
    use crate::payments::{abandoned, listed_rule};

    /// A store with a card and a live subscription of it, of 12.30.
    async fn subscribed() -> (testing::Place, Store, SubscriptionId) {
        let (place, store) = testing::open().await;
        let token = "INSERT INTO tokens (id, platform, platform_token, last4, status, created_at, updated_at)
            VALUES ('tok_1', 'greenpay', 't', '4242', 'active', 1, 1)";
        testing::sql(&store, token).await.unwrap();
        let SubscriptionClaim::New(subscription, _claimed) =
            store.claim_subscription(new(None), 1).await.unwrap()
        else {
            panic!("not claimed")
        };
        let live = SubscriptionUpdate {
            status: Some(SubscriptionStatus::Active),
            platform_subscription: Some("p".into()),
            ..SubscriptionUpdate::default()
        };
        let live = move |_: &Subscription| Some(live.clone());
        store
            .update_subscription(&subscription.id, live, None, false, 1)
            .await
            .unwrap();
        (place, store, subscription.id)
    }

    fn new(key: Option<&str>) -> NewSubscription {
        NewSubscription {
            platform: Platform::GreenPay,
            token_id: "tok_1".into(),
            customer: Some("c-1".into()),
            amount: usd("12.30"),
            description: "Coffee".into(),
            months: 1,
            starts_at: None,
            ends_at: None,
            key: key.map(|key| (key.into(), "f".into())),
        }
    }

    fn usd(text: &str) -> Amount {
        Amount::parse(text, "USD").unwrap()
    }

    /// An entry of the platform's list, and whether it was paid.
    fn listed(reference: &str, amount: &str, declines: u32, approved: bool) -> (SubscriptionPayment, bool) {
        let outcome = if approved {
            Outcome::Approved(Approval {
                authorization: Some(format!("auth-{reference}")),
                platform_id: Some(reference.into()),
                ..Approval::default()
            })
        } else {
            Outcome::Declined(Decline {
                code: None,
                reason: "declined".into(),
                message: None,
            })
        };
        let payment = SubscriptionPayment {
            reference: reference.into(),
            amount: Some(usd(amount)),
            outcome,
            declines,
        };
        (payment, approved)
    }

    async fn record(store: &Store, id: &SubscriptionId, list: &[(SubscriptionPayment, bool)]) -> usize {
        let version = store.subscription(id).await.unwrap().unwrap().version;
        let state = SubscriptionUpdate::default();
        let recorded = store.record_listed(id, version, state, list.to_vec(), listed_rule(), 2);
        match recorded.await.unwrap() {
            Recorded::Done { settled, .. } => settled.len(),
            Recorded::Stale => panic!("stale"),
        }
    }

    /// Asks for a payment now, of that amount.
    async fn begin(store: &Store, id: &SubscriptionId, reference: &str, amount: &str) -> Claim {
        let payment = NewPayment {
            subscription_id: Some(id.clone()),
            amount: usd(amount),
            ..testing::new_payment(reference)
        };
        let attempt = Attempt {
            body_hash: String::new(),
            card: None,
            taker: Taker::Platform,
        };
        let key = super::super::Key {
            scope: Scope::Subscription(id.clone()),
            key: reference.into(),
            fingerprint: "f".into(),
        };
        store
            .claim_payment(Some(key), payment, attempt, 0, 1)
            .await
            .unwrap()
    }

    /// Status and reference at the platform, newest first.
    async fn payments(store: &Store, id: &SubscriptionId) -> Vec<(Status, Option<String>)> {
        let filter = super::super::PaymentFilter::Subscription(id.clone());
        let all = store.payments(filter, None, 100).await.unwrap();
        all.into_iter()
            .map(|payment| (payment.status, payment.platform_payment))
            .collect()
    }

    #[tokio::test]
    async fn a_list_that_is_read_again_says_nothing_new() {
        let (_place, store, id) = subscribed().await;
        let first = [listed("p_1", "12.30", 0, true), listed("p_2", "12.30", 2, false)];
        assert_eq!(record(&store, &id, &first).await, 2);
        assert_eq!(record(&store, &id, &first).await, 0);
        // Declined once more: no other payment, and nothing that a merchant has not been told.
        assert_eq!(record(&store, &id, &[listed("p_2", "12.30", 3, false)]).await, 0);
        assert_eq!(record(&store, &id, &[listed("p_2", "12.30", 3, true)]).await, 1);
        let known = payments(&store, &id).await;
        let expected = [Some("p_2".to_owned()), Some("p_1".to_owned())].map(|of| (Status::Approved, of));
        assert_eq!(known, expected);
    }

    #[tokio::test]
    async fn what_is_new_after_a_request_is_the_payment_that_was_asked_for() {
        let (_place, store, id) = subscribed().await;
        record(&store, &id, &[listed("p_1", "12.30", 1, false)]).await;
        let Claim::New(asked, claimed) = begin(&store, &id, "mine", "12.30").await else {
            panic!("not claimed")
        };
        assert!(matches!(
            begin(&store, &id, "other", "12.30").await,
            Claim::SubscriptionBusy(_)
        ));
        // The decline of before is none of its news.
        assert_eq!(record(&store, &id, &[listed("p_1", "12.30", 1, false)]).await, 0);
        assert_eq!(record(&store, &id, &[listed("p_1", "12.30", 1, true)]).await, 1);
        let asked = store.payment(&asked.id).await.unwrap().unwrap();
        assert_eq!(asked.status, Status::Approved);
        assert_eq!(asked.order_reference, "mine");
        assert_eq!(
            payments(&store, &id).await,
            [Status::Approved, Status::Declined].map(|status| (status, Some("p_1".to_owned())))
        );
        drop(claimed);
    }

    /// Somebody has changed the amount at the platform: what it took is another payment.
    #[tokio::test]
    async fn a_payment_of_another_amount_is_not_the_one_that_was_asked_for() {
        let (_place, store, id) = subscribed().await;
        let Claim::New(asked, claimed) = begin(&store, &id, "mine", "12.30").await else {
            panic!("not claimed")
        };
        assert_eq!(record(&store, &id, &[listed("p_1", "99.00", 0, true)]).await, 1);
        assert_eq!(
            store.payment(&asked.id).await.unwrap().unwrap().status,
            Status::InFlight
        );
        assert_eq!(payments(&store, &id).await.len(), 2);
        assert_eq!(record(&store, &id, &[listed("p_1", "99.00", 0, true)]).await, 0);
        drop(claimed);
    }

    #[tokio::test]
    async fn a_list_from_before_a_change_is_not_taken() {
        let (_place, store, id) = subscribed().await;
        let version = store.subscription(&id).await.unwrap().unwrap().version;
        let Claim::New(_, claimed) = begin(&store, &id, "mine", "12.30").await else {
            panic!("not claimed")
        };
        let list = vec![listed("p_1", "12.30", 0, true)];
        let state = SubscriptionUpdate::default();
        let recorded = store
            .record_listed(&id, version, state, list, listed_rule(), 2)
            .await;
        assert!(matches!(recorded.unwrap(), Recorded::Stale));
        assert_eq!(payments(&store, &id).await, [(Status::InFlight, None)]);
        drop(claimed);
    }

    #[tokio::test]
    async fn a_subscription_whose_task_has_ended_is_unknown_and_due() {
        let (_place, store, _) = subscribed().await;
        let SubscriptionClaim::New(left, claimed) =
            store.claim_subscription(new(Some("k")), 1).await.unwrap()
        else {
            panic!("not claimed")
        };
        assert_eq!(store.recover_abandoned(&abandoned(), 2).await.unwrap(), None);
        let known = store.claim_subscription(new(Some("k")), 1).await.unwrap();
        assert!(matches!(known, SubscriptionClaim::Known(known) if known.id == left.id));
        drop(claimed);
        let recovered = store.recover_abandoned(&abandoned(), 2).await.unwrap();
        assert_eq!(recovered.unwrap().subscriptions, 1);
        let status = store.subscription(&left.id).await.unwrap().unwrap().status;
        assert_eq!(status, SubscriptionStatus::Unknown);
        let due = store.due_subscriptions(10, 9).await.unwrap();
        assert!(due.contains(&left.id));
        for id in &due {
            store.plan_subscription(id, *id == left.id, 10).await.unwrap();
        }
        assert_eq!(store.due_subscriptions(10, 9).await.unwrap(), [""; 0]);
        assert_eq!(
            store.due_subscriptions(1010, 9).await.unwrap(),
            [left.id.as_str()]
        );
    }

    #[tokio::test]
    async fn a_payment_that_is_unknown_is_due_whatever_became_of_its_subscription() {
        let (_place, store, id) = subscribed().await;
        let Claim::New(_, claimed) = begin(&store, &id, "mine", "12.30").await else {
            panic!("not claimed")
        };
        drop(claimed);
        store.recover_abandoned(&abandoned(), 2).await.unwrap();
        let over = SubscriptionUpdate {
            status: Some(SubscriptionStatus::Cancelled),
            ..SubscriptionUpdate::default()
        };
        let over = move |_: &Subscription| Some(over.clone());
        store
            .update_subscription(&id, over, None, false, 2)
            .await
            .unwrap();
        assert_eq!(store.due_subscriptions(5, 9).await.unwrap(), [id.as_str()]);
        store.plan_subscription(&id, true, 5).await.unwrap();
        assert_eq!(store.due_subscriptions(6, 9).await.unwrap(), [""; 0]);
        assert_eq!(store.due_subscriptions(5000, 9).await.unwrap(), [id.as_str()]);
    }
}
