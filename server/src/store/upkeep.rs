//! Recovers abandoned work and wipes secrets that are no longer needed.

use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::instances::Right;
use super::sql::params;
use super::{
    EventKind, PaymentId, Result, Status, Store, StoreError, SubscriptionId, events, payments, sessions,
    statements, subscriptions,
};

/// How long emptying the write-ahead log waits for readers. All writes wait meanwhile.
const CHECKPOINT_PATIENCE: Duration = Duration::from_millis(50);
/// How many sessions are wiped in one transaction.
const WIPED_AT_ONCE: usize = 500;
/// How long after a session's end a browser may send the platform's answer.
pub const ANSWER_GRACE_MS: i64 = 10 * 60_000;
/// How long after a session's end a payment on the platform's page is still accepted.
pub const PAGE_GRACE_MS: i64 = 7 * 24 * 60 * 60_000;

/// The payments and sessions that tasks are working on, with the number of tasks: one may begin before the last one
/// has ended.
#[derive(Clone, Default)]
pub struct UnderWay(Arc<Mutex<HashMap<String, u32>>>);

/// A claim on a payment or a session, held by the task that works on it. Once it is dropped, the row can be
/// recovered.
pub struct Claimed {
    under_way: UnderWay,
    id: String,
}

impl UnderWay {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, u32>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Registers the claim. This must happen before the commit that marks the row as busy, because a busy row without
    /// a claim counts as abandoned.
    pub(super) fn enter(&self, id: &str) -> Claimed {
        self.with(|ids| *ids.entry(id.into()).or_default() += 1);
        Claimed {
            under_way: self.clone(),
            id: id.into(),
        }
    }

    /// The claimed ids.
    fn ids(&self) -> Vec<String> {
        self.with(|ids| ids.keys().cloned().collect())
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.under_way.with(|ids| {
            if let Some(tasks) = ids.get_mut(&self.id) {
                *tasks -= 1;
                if *tasks == 0 {
                    ids.remove(&self.id);
                }
            }
        });
    }
}

/// What becomes of a payment whose platform call was abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandoned {
    /// The status in flight.
    pub from: Status,
    /// The status afterwards.
    pub to: Status,
    /// What the merchant is told.
    pub event: Option<EventKind>,
}

/// How much was recovered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Payments whose outcome is now unknown.
    pub payments: usize,
    /// Captures, voids and refunds whose outcome is now unknown.
    pub changes: usize,
    /// Subscriptions of which it is now unknown whether they exist.
    pub subscriptions: usize,
    /// Sessions that are now open again, or used.
    pub sessions: usize,
    /// Neighbours whose leases had ended.
    pub instances: usize,
}

statements! {
    // The condition must be the index's, word for word. Left behind is what this process has claimed and no task works
    // on, and what belongs to no instance any more.
    ABANDON_PAYMENTS = "UPDATE payments SET status = ?1, updated_at = ?2
        WHERE status IN ('in_flight', 'capture_in_flight', 'void_in_flight', 'refund_in_flight')
        AND status = ?3 AND (instance = ?5 AND id NOT IN (SELECT value FROM json_each(?4))
            OR NOT EXISTS (SELECT 1 FROM instances WHERE instances.id = payments.instance)) RETURNING id";
    ABANDON_CHANGES = "UPDATE changes SET state = 'unknown', updated_at = ?1
        WHERE state = 'in_flight' AND (instance = ?3 AND payment_id NOT IN (SELECT value FROM json_each(?2))
            OR NOT EXISTS (SELECT 1 FROM instances WHERE instances.id = changes.instance))";
    ABANDON_SUBSCRIPTIONS = "UPDATE subscriptions SET status = 'unknown', version = version + 1, looks = 0, look_at = 0,
            updated_at = ?1
        WHERE status = 'in_flight' AND (instance = ?3 AND id NOT IN (SELECT value FROM json_each(?2))
            OR NOT EXISTS (SELECT 1 FROM instances WHERE instances.id = subscriptions.instance)) RETURNING id";
    // A session whose card may have been charged is used; any other may be tried again.
    USE_SESSIONS = "UPDATE sessions SET state = 'used', kept = NULL,
            result_id = (SELECT id FROM payments WHERE session_id = sessions.id AND status <> 'failed' LIMIT 1)
        WHERE state = 'busy' AND (instance = ?2 AND id NOT IN (SELECT value FROM json_each(?1))
                AND NOT EXISTS (SELECT 1 FROM payments WHERE session_id = sessions.id
                    AND id IN (SELECT value FROM json_each(?1)))
            OR NOT EXISTS (SELECT 1 FROM instances WHERE instances.id = sessions.instance))
        AND EXISTS (SELECT 1 FROM payments WHERE session_id = sessions.id AND status <> 'failed')";
    REOPEN_SESSIONS = "UPDATE sessions SET state = 'open'
        WHERE state = 'busy' AND (instance = ?2 AND id NOT IN (SELECT value FROM json_each(?1))
            OR NOT EXISTS (SELECT 1 FROM instances WHERE instances.id = sessions.instance))
        AND NOT EXISTS (SELECT 1 FROM payments WHERE session_id = sessions.id AND status <> 'failed')";
    HAS_ABANDONED = "SELECT EXISTS (SELECT 1 FROM payments
            WHERE status IN ('in_flight', 'capture_in_flight', 'void_in_flight', 'refund_in_flight')
            AND (instance = ?2 AND id NOT IN (SELECT value FROM json_each(?1))
                OR NOT EXISTS (SELECT 1 FROM instances WHERE instances.id = payments.instance)))
        OR EXISTS (SELECT 1 FROM changes
            WHERE state = 'in_flight' AND (instance = ?2 AND payment_id NOT IN (SELECT value FROM json_each(?1))
                OR NOT EXISTS (SELECT 1 FROM instances WHERE instances.id = changes.instance)))
        OR EXISTS (SELECT 1 FROM subscriptions
            WHERE status = 'in_flight' AND (instance = ?2 AND id NOT IN (SELECT value FROM json_each(?1))
                OR NOT EXISTS (SELECT 1 FROM instances WHERE instances.id = subscriptions.instance)))
        OR EXISTS (SELECT 1 FROM sessions
            WHERE state = 'busy' AND (instance = ?2 AND id NOT IN (SELECT value FROM json_each(?1))
                AND NOT EXISTS (SELECT 1 FROM payments WHERE session_id = sessions.id
                    AND id IN (SELECT value FROM json_each(?1)))
                OR NOT EXISTS (SELECT 1 FROM instances WHERE instances.id = sessions.instance)))";
    OVER = "SELECT id FROM sessions WHERE kept IS NOT NULL AND platform = ? AND kind = ? AND mode = ?
        AND expires_at < ? ORDER BY expires_at LIMIT ?";
    WIPE = "UPDATE sessions SET kept = NULL WHERE id IN (SELECT value FROM json_each(?))";
}

/// Notes within a transaction that it wipes a secret, which stays in the write-ahead log until that is emptied.
pub(super) struct Wipes(Arc<AtomicBool>);

impl Wipes {
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Store {
    /// Recovers what was abandoned in flight when its process or task ended. Sessions are opened again, and payments
    /// get the status that `abandoned` has for theirs. What a neighbour works on is left alone until its lease has ended.
    pub async fn recover(&self, abandoned: &[Abandoned], now: i64) -> Result<Recovered> {
        let (abandoned, under_way) = (abandoned.to_vec(), self.under_way.clone());
        let instance = Arc::clone(&self.instance);
        self.write_as(Right::ToBegin, move |db| {
            // What the transaction sees from here on was claimed before: who claims registers that before the commit,
            // and an end of that work that comes after this makes the transaction fail.
            db.begin_reading()?;
            let busy = under_way.ids();
            let mut recovered = Recovered {
                instances: instance.end_others(db)?,
                ..Recovered::default()
            };
            for Abandoned { from, to, event } in &abandoned {
                let ids: Vec<PaymentId> = db.rows(
                    ABANDON_PAYMENTS,
                    params![to.stored(), now, from.stored(), busy[..], instance.id()],
                    |row| row.get(0),
                )?;
                for id in &ids {
                    match payments::get(db, id) {
                        Ok(Some(payment)) => events::payment(db, *event, &payment, now)?,
                        Ok(None) => {}
                        // It must not keep others from being recovered.
                        Err(cause @ StoreError::Unreadable { .. }) => {
                            tracing::error!(%cause, "an event is missing because its payment cannot be read");
                        }
                        Err(error) => return Err(error),
                    }
                }
                let updated = ids.len();
                if *from == Status::InFlight {
                    recovered.payments += updated;
                } else {
                    recovered.changes += updated;
                }
            }
            db.execute(ABANDON_CHANGES, params![now, busy[..], instance.id()])?;
            let ids: Vec<SubscriptionId> = db.rows(
                ABANDON_SUBSCRIPTIONS,
                params![now, busy[..], instance.id()],
                |row| row.get(0),
            )?;
            recovered.subscriptions = ids.len();
            for id in &ids {
                match subscriptions::get(db, id) {
                    Ok(Some(subscription)) => {
                        let kind = Some(EventKind::SubscriptionUnknown);
                        events::subscription(db, kind, &subscription, now)?;
                    }
                    Ok(None) => {}
                    Err(cause @ StoreError::Unreadable { .. }) => {
                        tracing::error!(%cause, "an event is missing because its subscription cannot be read");
                    }
                    Err(error) => return Err(error),
                }
            }
            recovered.sessions = db.execute(USE_SESSIONS, params![busy[..], instance.id()])?
                + db.execute(REOPEN_SESSIONS, params![busy[..], instance.id()])?;
            Ok(recovered)
        })
        .await
    }

    /// Does the same while tasks are running. Returns `None` if there was nothing to recover.
    pub async fn recover_abandoned(&self, abandoned: &[Abandoned], now: i64) -> Result<Option<Recovered>> {
        if !self.has_abandoned().await? {
            return Ok(None);
        }
        let left = self.recover(abandoned, now).await?;
        Ok((left != Recovered::default()).then_some(left))
    }

    /// Whether something may be abandoned. This can be wrong about work that is just beginning; [`Store::recover`]
    /// checks again within its transaction.
    async fn has_abandoned(&self) -> Result<bool> {
        let (busy, instance) = (self.under_way.ids(), Arc::clone(&self.instance));
        self.list(move |db| {
            let found: Option<bool> = db.value(HAS_ABANDONED, params![busy[..], instance.id()])?;
            Ok(found.unwrap_or_default() || instance.has_ended_others(db)?)
        })
        .await
    }

    /// Wipes the secrets of sessions that can no longer be used, a limited number at a time. `pages` are the
    /// platforms with pages of their own, whose sessions can be looked up for days.
    pub async fn wipe_sessions(&self, pages: &[Platform], now: i64) -> Result<usize> {
        let pages = pages.to_vec();
        let over: Vec<String> = self
            .list(move |db| {
                let mut over = Vec::new();
                // A search for each grace finds only what is over, however much is within its grace.
                for (platform, kind, mode) in sessions::sorts() {
                    let grace = match (kind, mode) {
                        (_, Mode::Relay) => 0,
                        (Kind::Payment, Mode::Direct) if pages.contains(&platform) => PAGE_GRACE_MS,
                        (_, Mode::Direct) => ANSWER_GRACE_MS,
                    };
                    let left = i64::try_from(WIPED_AT_ONCE.saturating_sub(over.len())).unwrap_or_default();
                    let (kind, mode) = (sessions::kind_text(kind), sessions::mode_text(mode));
                    over.extend(db.rows(
                        OVER,
                        params![platform.id(), kind, mode, now - grace, left],
                        |row| row.get(0),
                    )?);
                }
                Ok(over)
            })
            .await?;
        if over.is_empty() {
            return Ok(0);
        }
        let wiped = self.wipes();
        self.write(move |db| {
            wiped.note();
            db.execute(WIPE, params![over[..]])
        })
        .await
    }

    /// What a transaction notes it with when it wipes a secret.
    pub(super) fn wipes(&self) -> Wipes {
        Wipes(Arc::clone(&self.wiped))
    }

    /// Empties the write-ahead log if it contains a wiped secret. The log usually has less than 20 MB, so this is
    /// quick. Returns whether nothing is left to do.
    ///
    /// In PostgreSQL there is nothing to do: its autovacuum removes what was overwritten, and its log is used again.
    pub async fn empty_log(&self) -> Result<bool> {
        let Some(writer) = self.writer.sqlite() else {
            return Ok(true);
        };
        let (wiped, busy_timeout) = (Arc::clone(&self.wiped), writer.busy_timeout());
        // Between two transactions: whoever has noted something has committed it, too.
        writer
            .alone(move |db| {
                if !wiped.swap(false, Ordering::AcqRel) {
                    return Ok(true);
                }
                let emptied = checkpoint(db.connection()?, busy_timeout);
                // A reader may prevent it. Try again next time.
                if !matches!(emptied, Ok(true)) {
                    wiped.store(true, Ordering::Release);
                }
                emptied
            })
            .await
    }
}

/// Waits for readers no longer than [`CHECKPOINT_PATIENCE`], because a backup may read for minutes.
fn checkpoint(connection: &Connection, busy_timeout: Duration) -> Result<bool> {
    connection.busy_timeout(CHECKPOINT_PATIENCE)?;
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    connection.busy_timeout(busy_timeout)?;
    Ok(busy == 0)
}
