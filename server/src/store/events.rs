//! The outbox: what the merchant is told, written in the transaction that changes a payment, a stored card or a
//! customer. Events of one subject are sent in order, one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cardseal::platform::Platform;
use cardseal_gateways::amount::decimal_text;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use super::instances::Right;
use super::sql::{Row, params};
use super::{
    Columns, Db, EventId, Payment, Result, Store, StoreError, Subscription, Token, readable, statements,
};
use crate::clock::rfc3339;

/// The form of the body. Another number says that members have changed; new members do not need one.
const VERSION: u32 = 1;
/// How far ahead an attempt can be planned at most. One that is further was planned before the clock was put back.
pub(crate) const LONGEST_PAUSE_MS: i64 = 6 * 60 * 60_000;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)+) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum EventKind { $($(#[doc = $doc])+ $name,)+ }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The `type` in JSON, and the name in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// What it says, for the documentation.
            #[cfg(test)]
            pub(crate) const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)+ }
            }
        }
    };
}

kinds! {
    /// The payment was charged.
    PaymentApproved = "payment.approved";
    /// The bank holds the money until it is captured.
    PaymentAuthorized = "payment.authorized";
    /// The bank declined.
    PaymentDeclined = "payment.declined";
    /// Nothing was charged, and no bank was asked.
    PaymentFailed = "payment.failed";
    /// The outcome of the charge is unknown. Another event follows when it is known.
    PaymentUnknown = "payment.unknown";
    /// The money was captured.
    PaymentCaptured = "payment.captured";
    /// The money was certainly not captured.
    PaymentCaptureFailed = "payment.capture_failed";
    /// Whether the money was captured is unknown.
    PaymentCaptureUnknown = "payment.capture_unknown";
    /// The payment was cancelled before it was settled.
    PaymentVoided = "payment.voided";
    /// The payment was certainly not voided.
    PaymentVoidFailed = "payment.void_failed";
    /// Whether the payment was voided is unknown.
    PaymentVoidUnknown = "payment.void_unknown";
    /// Money was refunded, and some is left.
    PaymentPartiallyRefunded = "payment.partially_refunded";
    /// Money was refunded, and nothing is left.
    PaymentRefunded = "payment.refunded";
    /// The money was certainly not refunded.
    PaymentRefundFailed = "payment.refund_failed";
    /// Whether the money was refunded is unknown.
    PaymentRefundUnknown = "payment.refund_unknown";
    /// The platform charges the subscription.
    SubscriptionActive = "subscription.active";
    /// The subscription's first payment was not made.
    SubscriptionNotPaid = "subscription.not_paid";
    /// Several payments of the subscription failed, and the platform charges no more by itself.
    SubscriptionOnHold = "subscription.on_hold";
    /// The subscription has not begun.
    SubscriptionPending = "subscription.pending";
    /// The subscription is over.
    SubscriptionCancelled = "subscription.cancelled";
    /// The subscription takes another amount, or charges another card.
    SubscriptionUpdated = "subscription.updated";
    /// There is no subscription: the platform refused it, or was not asked.
    SubscriptionFailed = "subscription.failed";
    /// Whether there is a subscription is unknown. Another event follows when it is known.
    SubscriptionUnknown = "subscription.unknown";
    /// A card was stored, and can be charged.
    TokenStored = "token.stored";
    /// A stored card has other details, or was replaced by another card.
    TokenUpdated = "token.updated";
    /// A stored card was deleted.
    TokenRemoved = "token.removed";
    /// Nothing refers to the customer any more.
    CustomerErased = "customer.erased";
}

impl EventKind {
    pub(super) fn read(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

/// How far an event has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventState {
    /// It is to be sent, or sent again.
    Pending,
    /// The merchant's server has taken it.
    Delivered,
    /// It was sent for days in vain.
    Failed,
}

impl EventState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// The name in JSON and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A stored event.
#[derive(Clone)]
pub struct StoredEvent {
    /// The id.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// The payment, the stored card, or the digest of the customer.
    pub subject: String,
    /// The body, as it is sent.
    pub body: String,
    /// How far it has come.
    pub state: EventState,
    /// How often it was sent since it became pending.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub problem: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// When it was delivered or given up.
    pub settled_at: Option<i64>,
}

/// How an attempt to send an event ended.
pub enum Attempted {
    /// The merchant's server has taken it.
    Delivered,
    /// It is sent again at this time of the steady clock.
    Postponed {
        /// The time.
        at: i64,
        /// Why it failed.
        problem: String,
    },
    /// It is not sent again.
    GivenUp {
        /// Why it failed.
        problem: String,
    },
}

/// The outbox of this process: whether events are written, whether there is room, and what wakes the sender.
#[derive(Default)]
pub(crate) struct Outbox {
    open: AtomicBool,
    full: AtomicBool,
    written: Notify,
}

impl Outbox {
    /// Has events written from now on, or not.
    pub(crate) fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Release);
        if !open {
            self.set_full(false);
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Whether work that would lead to more events is refused.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// Sets that, and returns what it was.
    pub(crate) fn set_full(&self, full: bool) -> bool {
        self.full.swap(full, Ordering::AcqRel)
    }

    pub(super) fn wake(&self) {
        self.written.notify_one();
    }

    /// Waits for an event.
    pub(crate) async fn written(&self) {
        self.written.notified().await;
    }
}

#[derive(Serialize)]
struct Body<'a, T> {
    version: u32,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: T,
}

/// A payment as it is after the event. Neither customer nor description: an erasure would have to find them here.
#[derive(Serialize)]
struct PaymentData<'a> {
    id: &'a str,
    platform: &'static str,
    status: &'static str,
    amount: String,
    currency: &'static str,
    captured: String,
    refunded: String,
    token: Option<&'a str>,
    session: Option<&'a str>,
    /// Only of a subscription's payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<&'a str>,
    order_reference: &'a str,
    authorization: Option<&'a str>,
    brand: Option<&'a str>,
    last4: Option<&'a str>,
    decline: Option<DeclineData<'a>>,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct DeclineData<'a> {
    code: Option<&'a str>,
    reason: &'a str,
    message: Option<&'a str>,
}

impl<'a> From<&'a Payment> for PaymentData<'a> {
    fn from(payment: &'a Payment) -> Self {
        let currency = payment.amount.currency();
        Self {
            id: payment.id.as_str(),
            platform: payment.platform.id(),
            status: payment.status.shown(),
            amount: payment.amount.to_decimal_text(),
            currency: currency.code(),
            captured: decimal_text(payment.captured, currency),
            refunded: decimal_text(payment.refunded, currency),
            token: payment.token_id.as_ref().map(super::TokenId::as_str),
            session: payment.session_id.as_ref().map(super::SessionId::as_str),
            subscription: payment
                .subscription_id
                .as_ref()
                .map(super::SubscriptionId::as_str),
            order_reference: &payment.order_reference,
            authorization: payment.authorization.as_deref(),
            brand: payment.brand.as_deref(),
            last4: payment.last4.as_deref(),
            decline: payment.decline.as_ref().map(|decline| DeclineData {
                code: decline.code.as_deref(),
                reason: &decline.reason,
                message: decline.message.as_deref(),
            }),
            created_at: rfc3339(payment.created_at),
            updated_at: rfc3339(payment.updated_at),
        }
    }
}

/// A subscription after the event. Neither customer nor description, as of a payment.
#[derive(Serialize)]
struct SubscriptionData<'a> {
    id: &'a str,
    platform: &'static str,
    status: &'static str,
    amount: String,
    currency: &'static str,
    months: u8,
    token: &'a str,
    next_payment: Option<&'a str>,
    created_at: String,
    updated_at: String,
}

/// A stored card after the event. Nothing that an erasure would have to find here.
#[derive(Serialize)]
struct TokenData<'a> {
    id: &'a str,
    platform: &'static str,
    status: &'static str,
    brand: Option<&'a str>,
    last4: Option<&'a str>,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct CustomerData<'a> {
    /// The reference itself was erased.
    customer_sha256: &'a str,
}

/// The table.
pub(super) const TABLE: &str = "events";

/// The columns of an event, in the order in which [`values`] reads them.
macro_rules! columns {
    () => {
        "id, kind, subject, body, state, attempts, problem, created_at, settled_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM events WHERE id = ?");
    SEQ = "SELECT seq FROM events WHERE id = ?";
    WAITS = "SELECT 1 FROM events WHERE subject = ? AND state = 'pending' LIMIT 1";
    INSERT = "INSERT INTO events (id, kind, subject, body, state, attempt_at, created_at)
        VALUES (?, ?, ?, ?, 'pending', ?, ?)";
    /// Now, or planned before the clock was put back.
    DUE = "SELECT 1 FROM events WHERE attempt_at IS NOT NULL AND attempt_at <= ?1
        UNION ALL SELECT 1 FROM events WHERE attempt_at IS NOT NULL AND attempt_at > ?2";
    /// Another instance that does the same is not waited for.
    TAKE = concat!("UPDATE events SET attempt_at = ?1, attempts = attempts + 1 WHERE seq IN
            (SELECT seq FROM events WHERE attempt_at IS NOT NULL AND attempt_at <= ?2 ORDER BY attempt_at LIMIT ?3)
        RETURNING ", columns!()),
        concat!("UPDATE events SET attempt_at = $1, attempts = attempts + 1 WHERE seq IN
            (SELECT seq FROM events WHERE attempt_at IS NOT NULL AND attempt_at <= $2 ORDER BY attempt_at LIMIT $3
                FOR UPDATE SKIP LOCKED)
        RETURNING ", columns!());
    /// Those whose time was planned before the clock was put back.
    TAKE_AHEAD = "UPDATE events SET attempt_at = ?1 WHERE attempt_at IS NOT NULL AND attempt_at > ?2";
    SETTLE = "UPDATE events SET state = ?, problem = ?, settled_at = ?, attempt_at = NULL
        WHERE id = ? AND state = 'pending'";
    /// Unless another instance sends it already.
    POSTPONE = "UPDATE events SET attempt_at = ?, problem = ? WHERE id = ? AND state = 'pending' AND attempts = ?";
    /// The first that waits behind the one that is settled.
    NEXT = "UPDATE events SET attempt_at = ?1 WHERE attempt_at IS NULL AND seq =
        (SELECT seq FROM events WHERE subject = ?2 AND state = 'pending' ORDER BY seq LIMIT 1)";
    REPLAY = "UPDATE events SET state = 'pending', attempts = 0, attempt_at = ?, problem = NULL, settled_at = NULL
        WHERE id = ? AND (state <> 'pending' OR attempt_at IS NOT NULL)";
    LIST = concat!("SELECT ", columns!(), ", seq FROM events WHERE seq < ? ORDER BY seq DESC LIMIT ?");
    LIST_OF_STATE = concat!("SELECT ", columns!(), ", seq FROM events
        WHERE state = ?3 AND seq < ?1 ORDER BY seq DESC LIMIT ?2");
    LIST_OF_SUBJECT = concat!("SELECT ", columns!(), ", seq FROM events
        WHERE subject = ?3 AND seq < ?1 AND (?4 IS NULL OR state = ?4) ORDER BY seq DESC LIMIT ?2");
    COUNT = "SELECT COUNT(*) FROM (SELECT 1 FROM events WHERE state = 'pending' LIMIT ?) AS pending";
}

fn read(row: &Row<'_>) -> Result<StoredEvent> {
    readable(TABLE, row, values)
}

fn values(row: &mut Columns<'_>) -> Result<StoredEvent> {
    Ok(StoredEvent {
        id: row.next()?,
        kind: row.word("kind", EventKind::read)?,
        subject: row.next()?,
        body: row.opened_text("body")?,
        state: row.word("state", EventState::read)?,
        attempts: row.next()?,
        problem: row.next()?,
        created_at: row.next()?,
        settled_at: row.next()?,
    })
}

fn write(db: &Db<'_>, kind: EventKind, subject: &str, data: impl Serialize, now: i64) -> Result<()> {
    let id = EventId::random();
    let body = Body {
        version: VERSION,
        id: id.as_str(),
        kind: kind.as_str(),
        timestamp: rfc3339(now),
        data,
    };
    let body = serde_json::to_string(&body).map_err(|error| StoreError::Database(error.into()))?;
    // Behind an earlier one that the merchant's server has not taken yet.
    let waits = db.exists(WAITS, params![subject])?;
    let attempt_at = (!waits).then_some(now);
    let seal = db.seal(TABLE, id.as_str());
    let body = seal.value("body", &body)?;
    db.execute(INSERT, params![id, kind.as_str(), subject, body, attempt_at, now])?;
    db.note_event();
    Ok(())
}

fn note_attempt(
    db: &Db<'_>,
    event: &StoredEvent,
    attempted: &Attempted,
    (now, steady): (i64, i64),
) -> Result<()> {
    let id = &event.id;
    let (state, problem) = match attempted {
        Attempted::Postponed { at, problem } => {
            db.execute(POSTPONE, params![at, problem, id, event.attempts])?;
            return Ok(());
        }
        Attempted::Delivered => (EventState::Delivered, None),
        Attempted::GivenUp { problem } => (EventState::Failed, Some(problem)),
    };
    db.execute(SETTLE, params![state.as_str(), problem, now, id])?;
    if db.execute(NEXT, params![steady, event.subject])? > 0 {
        db.note_event();
    }
    Ok(())
}

/// Tells of a payment, in the transaction that changed it.
pub(super) fn payment(db: &Db<'_>, kind: Option<EventKind>, payment: &Payment, now: i64) -> Result<()> {
    match kind {
        Some(kind) if db.has_outbox() => {
            write(db, kind, payment.id.as_str(), PaymentData::from(payment), now)
        }
        Some(_) | None => Ok(()),
    }
}

/// Tells of a subscription, in the transaction that changed it.
pub(super) fn subscription(
    db: &Db<'_>,
    kind: Option<EventKind>,
    subscription: &Subscription,
    now: i64,
) -> Result<()> {
    let Some(kind) = kind.filter(|_| db.has_outbox()) else {
        return Ok(());
    };
    let data = SubscriptionData {
        id: subscription.id.as_str(),
        platform: Platform::id(subscription.platform),
        status: subscription.status.shown(),
        amount: subscription.amount.to_decimal_text(),
        currency: subscription.amount.currency().code(),
        months: subscription.months,
        token: subscription.token_id.as_str(),
        next_payment: subscription.next_payment.as_deref(),
        created_at: rfc3339(subscription.created_at),
        updated_at: rfc3339(subscription.updated_at),
    };
    write(db, kind, subscription.id.as_str(), data, now)
}

/// Tells of a stored card, in the transaction that changed it.
pub(super) fn token(db: &Db<'_>, kind: EventKind, token: &Token, now: i64) -> Result<()> {
    if !db.has_outbox() {
        return Ok(());
    }
    let data = TokenData {
        id: token.id.as_str(),
        platform: Platform::id(token.platform),
        status: token.status.as_str(),
        brand: token.brand.as_deref(),
        last4: token.last4.as_deref(),
        created_at: rfc3339(token.created_at),
        updated_at: rfc3339(token.updated_at),
    };
    write(db, kind, token.id.as_str(), data, now)
}

/// Tells that a customer was erased.
pub(super) fn customer(db: &Db<'_>, customer: &str, now: i64) -> Result<()> {
    if !db.has_outbox() {
        return Ok(());
    }
    let digest = hex::encode(Sha256::digest(customer));
    let data = CustomerData {
        customer_sha256: &digest,
    };
    write(db, EventKind::CustomerErased, &digest, data, now)
}

impl Store {
    /// The outbox.
    pub(crate) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    /// Takes up to `limit` events that are due, and has each due again at `again` in case this process ends. Both times
    /// are of the steady clock.
    pub async fn take_events(&self, now: i64, again: i64, limit: u32) -> Result<Vec<StoredEvent>> {
        let due = self
            .list(move |db| db.exists(DUE, params![now, now + LONGEST_PAUSE_MS]))
            .await?;
        if !due {
            return Ok(Vec::new());
        }
        self.write_as(Right::ToBegin, move |db| {
            db.execute(TAKE_AHEAD, params![now, now + LONGEST_PAUSE_MS])?;
            let mut taken = Vec::new();
            for event in db.rows(TAKE, params![again, now, limit], |row| Ok(read(row)))? {
                match event {
                    Ok(event) => taken.push(event),
                    Err(cause @ StoreError::Unreadable { .. }) => {
                        tracing::error!(%cause, "an event cannot be sent because it cannot be read");
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(taken)
        })
        .await
    }

    /// Stores how attempts ended, all or none. After the last attempt of an event, the next one of its subject is due.
    pub async fn note_attempts(
        &self,
        ended: Vec<(StoredEvent, Attempted)>,
        (now, steady): (i64, i64),
    ) -> Result<()> {
        self.write_as(Right::ToFinish, move |db| {
            for (event, attempted) in &ended {
                note_attempt(db, event, attempted, (now, steady))?;
            }
            Ok(())
        })
        .await
    }

    /// Counts events that are to be sent, up to `limit`.
    pub async fn pending_events(&self, limit: u32) -> Result<i64> {
        let count = self.list(move |db| db.value(COUNT, params![limit])).await?;
        Ok(count.unwrap_or_default())
    }

    /// Loads an event.
    pub async fn event(&self, id: &EventId) -> Result<Option<StoredEvent>> {
        let id = id.clone();
        self.read(move |db| db.row(BY_ID, params![id], read)).await
    }

    /// Has an event sent again, or at once if it is due later. One that waits for an earlier one goes on waiting.
    pub async fn replay_event(&self, id: &EventId, steady: i64) -> Result<Option<StoredEvent>> {
        let id = id.clone();
        self.write(move |db| {
            if db.execute(REPLAY, params![steady, id])? > 0 {
                db.note_event();
            }
            db.row(BY_ID, params![id], read)
        })
        .await
    }

    /// Lists events, newest first.
    pub async fn events(
        &self,
        subject: Option<&str>,
        state: Option<EventState>,
        after: Option<&EventId>,
        limit: u32,
    ) -> Result<Vec<StoredEvent>> {
        let (subject, after) = (subject.map(ToOwned::to_owned), after.map(ToString::to_string));
        self.page(SEQ, after, limit, move |db, seq, limit| {
            let listed = |row: &Row<'_>| Ok((read(row), row.last()?));
            let state = state.map(EventState::as_str);
            match (&subject, state) {
                (Some(subject), state) => {
                    db.rows(LIST_OF_SUBJECT, params![seq, limit, subject, state], listed)
                }
                (None, Some(state)) => db.rows(LIST_OF_STATE, params![seq, limit, state], listed),
                (None, None) => db.rows(LIST, params![seq, limit], listed),
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, number, open};
    use super::super::{Expiring, PaymentId, PaymentUpdate, Status, SweepPlace};
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn update(status: Status, event: EventKind) -> PaymentUpdate {
        PaymentUpdate {
            status,
            approval: cardseal_gateways::gateway::Approval::default(),
            decline: None,
            redirect: None,
            captured: 0,
            event: Some(event),
        }
    }

    async fn payment(store: &Store, reference: &str) -> PaymentId {
        let new = testing::new_payment(reference);
        let attempt = super::super::Attempt {
            body_hash: "h".into(),
            card: None,
            taker: super::super::Taker::Platform,
        };
        let claim = store.claim_payment(None, new, attempt, 0, NOW).await.unwrap();
        let super::super::Claim::New(payment, _) = claim else {
            panic!("not claimed")
        };
        payment.id
    }

    async fn change(store: &Store, id: &PaymentId, status: Status, event: EventKind) {
        let decide = move |_: &Payment| Some(update(status, event));
        store.update_payment(id, decide, NOW).await.unwrap();
    }

    async fn take(store: &Store, now: i64) -> Vec<StoredEvent> {
        store.take_events(now, now + 1000, 9).await.unwrap()
    }

    async fn settle(store: &Store, event: &StoredEvent, attempted: Attempted) {
        let noted = store.note_attempts(vec![(event.clone(), attempted)], (NOW, NOW));
        noted.await.unwrap();
    }

    fn kinds(events: &[StoredEvent]) -> Vec<EventKind> {
        events.iter().map(|event| event.kind).collect()
    }

    /// A store with a payment that has two events, and another that has one.
    async fn two() -> (testing::Place, Store) {
        let (place, store) = open().await;
        store.outbox().set_open(true);
        let id = payment(&store, "a").await;
        change(&store, &id, Status::Unknown, EventKind::PaymentUnknown).await;
        change(&store, &id, Status::Approved, EventKind::PaymentApproved).await;
        (place, store)
    }

    #[tokio::test]
    async fn an_event_waits_for_the_one_before_it() {
        let (_place, store) = two().await;
        let other = payment(&store, "b").await;
        change(&store, &other, Status::Declined, EventKind::PaymentDeclined).await;
        let mut taken = take(&store, NOW).await;
        taken.sort_by_key(|event| event.kind.as_str());
        assert_eq!(
            kinds(&taken),
            [EventKind::PaymentDeclined, EventKind::PaymentUnknown]
        );
        assert!(take(&store, NOW + 999).await.is_empty());
        let first = taken.pop().unwrap();
        let (at, problem) = (NOW + 50, "status 500".to_owned());
        settle(&store, &first, Attempted::Postponed { at, problem }).await;
        assert!(take(&store, NOW + 49).await.is_empty());
        let again = take(&store, NOW + 50).await;
        assert_eq!((kinds(&again), again[0].attempts), (kinds(&[first]), 2));
        settle(&store, &again[0], Attempted::Delivered).await;
        assert_eq!(kinds(&take(&store, NOW + 51).await), [EventKind::PaymentApproved]);
    }

    /// Whoever took them may have gone.
    #[tokio::test]
    async fn what_was_taken_and_not_noted_is_due_again() {
        let (_place, store) = two().await;
        assert_eq!(take(&store, NOW).await.len(), 1);
        assert!(take(&store, NOW + 999).await.is_empty());
        assert_eq!(take(&store, NOW + 1000).await.len(), 1);
    }

    #[tokio::test]
    async fn an_event_that_is_given_up_lets_the_next_one_through() {
        let (_place, store) = two().await;
        let taken = take(&store, NOW).await;
        let problem = "timed_out".to_owned();
        settle(&store, &taken[0], Attempted::GivenUp { problem }).await;
        assert_eq!(kinds(&take(&store, NOW).await), [EventKind::PaymentApproved]);
        let failed = store.event(&taken[0].id).await.unwrap().unwrap();
        assert_eq!(
            (failed.state, failed.problem.as_deref()),
            (EventState::Failed, Some("timed_out"))
        );
        store.replay_event(&failed.id, NOW).await.unwrap();
        assert_eq!(kinds(&take(&store, NOW).await), [EventKind::PaymentUnknown]);
    }

    #[tokio::test]
    async fn a_replay_lets_nobody_past() {
        let (_place, store) = two().await;
        let first = take(&store, NOW).await.remove(0);
        settle(&store, &first, Attempted::Delivered).await;
        let second = take(&store, NOW).await.remove(0);
        let third = {
            let id = PaymentId::from(first.subject.as_str());
            change(&store, &id, Status::Voided, EventKind::PaymentVoided).await;
            store.events(None, None, None, 1).await.unwrap().remove(0)
        };
        // The third waits for the second, whatever is done to the first or to itself.
        store.replay_event(&third.id, NOW).await.unwrap();
        store.replay_event(&first.id, NOW).await.unwrap();
        let again = take(&store, NOW).await.remove(0);
        assert_eq!(again.id, first.id);
        settle(&store, &again, Attempted::Delivered).await;
        assert!(take(&store, NOW).await.is_empty());
        settle(&store, &second, Attempted::Delivered).await;
        assert_eq!(kinds(&take(&store, NOW).await), [EventKind::PaymentVoided]);
    }

    #[tokio::test]
    async fn events_planned_before_the_clock_was_put_back_are_due() {
        let (_place, store) = two().await;
        assert_eq!(take(&store, NOW - 30 * 24 * 60 * 60_000).await.len(), 1);
    }

    #[tokio::test]
    async fn a_change_that_is_rolled_back_tells_nothing() {
        let (_place, store) = open().await;
        store.outbox().set_open(true);
        let id = payment(&store, "a").await;
        let failed = store
            .write(move |db| {
                super::super::payments::update(
                    db,
                    &id,
                    &update(Status::Approved, EventKind::PaymentApproved),
                    NOW,
                )?;
                Err::<(), _>(StoreError::Unknown("test"))
            })
            .await;
        assert!(failed.is_err());
        assert_eq!(number(&store, "SELECT COUNT(*) FROM events").await, 0);
    }

    #[tokio::test]
    async fn what_was_abandoned_is_told() {
        let (_place, store) = open().await;
        store.outbox().set_open(true);
        payment(&store, "a").await;
        store.recover(&crate::payments::abandoned(), NOW).await.unwrap();
        assert_eq!(kinds(&take(&store, NOW).await), [EventKind::PaymentUnknown]);
    }

    #[tokio::test]
    async fn settled_events_expire_and_pending_ones_do_not() {
        let (_place, store) = two().await;
        let first = take(&store, NOW).await.remove(0);
        settle(&store, &first, Attempted::Delivered).await;
        for (before, removed) in [(NOW, 0), (NOW + 1, 1), (i64::MAX, 0)] {
            let step = store.remove_expired(Expiring::Events, before, SweepPlace::START, 9);
            assert_eq!(step.await.unwrap().removed, removed);
        }
        assert_eq!(store.pending_events(9).await.unwrap(), 1);
    }

    #[test]
    fn the_documentation_lists_every_type() {
        let page = include_str!("../../../docs/events.md");
        for kind in EventKind::ALL {
            let row = format!("| `{}` | {} |", kind.as_str(), kind.meaning().trim());
            assert!(page.contains(&row), "docs/events.md needs\n{row}");
        }
    }
}
