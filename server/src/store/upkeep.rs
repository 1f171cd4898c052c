//! Recovers abandoned work and wipes secrets that are no longer needed.

use cardseal::platform::Platform;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sqlx::{Row, SqliteConnection};

use super::{Result, Status, Store};

/// How long emptying the write-ahead log waits for readers. All writes wait meanwhile.
const CHECKPOINT_PATIENCE: Duration = Duration::from_millis(50);
/// How many sessions are wiped in one transaction.
const WIPED_AT_ONCE: u32 = 500;
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

    /// The claimed ids as a JSON array, for a query.
    fn ids(&self) -> String {
        self.with(|ids| Value::from(ids.keys().cloned().collect::<Vec<_>>()).to_string())
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

/// How much was recovered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Payments whose outcome is now unknown.
    pub payments: u64,
    /// Captures, voids and refunds whose outcome is now unknown.
    pub changes: u64,
    /// Sessions that are now open again, or used.
    pub sessions: u64,
}

impl Store {
    /// Recovers what was abandoned in flight when its process or task ended. Sessions are opened again, and payments
    /// get the status that `abandoned` has for theirs.
    pub async fn recover(&self, abandoned: &[(Status, Status)], now: i64) -> Result<Recovered> {
        let mut tx = self.write().await?;
        // Read within the transaction, during which nothing can be claimed.
        let busy = self.under_way.ids();
        let (mut payments, mut changes) = (0, 0);
        for (from, to) in abandoned {
            // The condition must be the index's, word for word.
            let updated = sqlx::query(
                "UPDATE payments SET status = ?1, updated_at = ?2
                    WHERE status IN ('in_flight', 'capture_in_flight', 'void_in_flight', 'refund_in_flight')
                    AND status = ?3 AND id NOT IN (SELECT value FROM json_each(?4))",
            )
            .bind(to.stored())
            .bind(now)
            .bind(from.stored())
            .bind(&busy)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if *from == Status::InFlight {
                payments += updated;
            } else {
                changes += updated;
            }
        }
        sqlx::query(
            "UPDATE changes SET state = 'unknown', updated_at = ?1
                WHERE state = 'in_flight' AND payment_id NOT IN (SELECT value FROM json_each(?2))",
        )
        .bind(now)
        .bind(&busy)
        .execute(&mut *tx)
        .await?;
        // A session whose card may have been charged is used; any other may be tried again.
        let used = sqlx::query(
            "UPDATE sessions SET state = 'used', kept = NULL,
                result_id = (SELECT id FROM payments WHERE session_id = sessions.id AND status <> 'failed')
             WHERE state = 'busy' AND id NOT IN (SELECT value FROM json_each(?1)) AND EXISTS
                (SELECT 1 FROM payments WHERE session_id = sessions.id AND status <> 'failed'
                    AND id NOT IN (SELECT value FROM json_each(?1)))",
        )
        .bind(&busy)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        let reopened = sqlx::query(
            "UPDATE sessions SET state = 'open'
             WHERE state = 'busy' AND id NOT IN (SELECT value FROM json_each(?1)) AND NOT EXISTS
                (SELECT 1 FROM payments WHERE session_id = sessions.id AND status <> 'failed')",
        )
        .bind(&busy)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(Recovered {
            payments,
            changes,
            sessions: used + reopened,
        })
    }

    /// Does the same while tasks are running. Returns `None` if there was nothing to recover.
    pub async fn recover_abandoned(
        &self,
        abandoned: &[(Status, Status)],
        now: i64,
    ) -> Result<Option<Recovered>> {
        if !self.has_abandoned().await? {
            return Ok(None);
        }
        let left = self.recover(abandoned, now).await?;
        Ok((left != Recovered::default()).then_some(left))
    }

    /// Whether something may be abandoned. This can be wrong about work that is just beginning; [`Store::recover`]
    /// checks again within its transaction.
    async fn has_abandoned(&self) -> Result<bool> {
        let row = self
            .row(
                sqlx::query(
                    "SELECT EXISTS (SELECT 1 FROM payments
                        WHERE status IN ('in_flight', 'capture_in_flight', 'void_in_flight', 'refund_in_flight')
                        AND id NOT IN (SELECT value FROM json_each(?1)))
                     OR EXISTS (SELECT 1 FROM changes
                        WHERE state = 'in_flight' AND payment_id NOT IN (SELECT value FROM json_each(?1)))
                     OR EXISTS (SELECT 1 FROM sessions
                        WHERE state = 'busy' AND id NOT IN (SELECT value FROM json_each(?1)) AND NOT EXISTS
                        (SELECT 1 FROM payments WHERE session_id = sessions.id
                            AND id IN (SELECT value FROM json_each(?1))))",
                )
                .bind(self.under_way.ids()),
            )
            .await?;
        Ok(row.ok_or(sqlx::Error::RowNotFound)?.try_get(0)?)
    }

    /// Wipes the secrets of sessions that can no longer be used, a limited number at a time. `pages` are the
    /// platforms with pages of their own, whose sessions can be looked up for days.
    pub async fn wipe_sessions(&self, pages: &[Platform], now: i64) -> Result<u64> {
        const DUE: &str =
            "SELECT id FROM sessions WHERE kept IS NOT NULL AND expires_at < ?1 AND expires_at + CASE
                WHEN mode <> 'direct' THEN 0
                WHEN kind = 'payment' AND platform IN (SELECT value FROM json_each(?2)) THEN ?3
                ELSE ?4 END < ?1 ORDER BY expires_at LIMIT ?5";
        let pages = Value::from_iter(pages.iter().map(|platform| platform.id())).to_string();
        let due = sqlx::query(DUE)
            .bind(now)
            .bind(&pages)
            .bind(PAGE_GRACE_MS)
            .bind(ANSWER_GRACE_MS)
            .bind(WIPED_AT_ONCE);
        let rows = self.rows(due).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let ids: Vec<String> = rows.iter().filter_map(|row| row.try_get("id").ok()).collect();
        let mut tx = self.write().await?;
        let wiped =
            sqlx::query("UPDATE sessions SET kept = NULL WHERE id IN (SELECT value FROM json_each(?))")
                .bind(Value::from(ids).to_string())
                .execute(&mut *tx)
                .await?
                .rows_affected();
        tx.commit().await?;
        self.note_wiped();
        Ok(wiped)
    }

    /// Notes that a secret was wiped that is still in the write-ahead log.
    pub(super) fn note_wiped(&self) {
        self.wiped.store(true, Ordering::Release);
    }

    /// Empties the write-ahead log if it contains a wiped secret. The log has at most a few megabytes, so this is
    /// quick. Returns whether nothing is left to do.
    pub async fn empty_log(&self) -> Result<bool> {
        if !self.wiped.swap(false, Ordering::AcqRel) {
            return Ok(true);
        }
        let emptied = self.checkpoint().await;
        // A reader may prevent it. Try again next time.
        if !matches!(emptied, Ok(true)) {
            self.note_wiped();
        }
        emptied
    }

    async fn checkpoint(&self) -> Result<bool> {
        let mut connection = self.writer.acquire().await?;
        let result = checkpoint(&mut connection, self.busy_timeout).await;
        if result.is_err() {
            connection.close_on_drop();
        }
        result
    }
}

/// Waits for readers no longer than [`CHECKPOINT_PATIENCE`], because a backup may read for minutes.
async fn checkpoint(connection: &mut SqliteConnection, busy_timeout: Duration) -> Result<bool> {
    set_busy_timeout(connection, CHECKPOINT_PATIENCE).await?;
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(&mut *connection)
        .await?;
    set_busy_timeout(connection, busy_timeout).await?;
    let busy: i64 = row.try_get(0)?;
    Ok(busy == 0)
}

async fn set_busy_timeout(connection: &mut SqliteConnection, timeout: Duration) -> Result<()> {
    // A pragma takes no bound parameters; the number is ours.
    let text = format!("PRAGMA busy_timeout = {}", timeout.as_millis());
    sqlx::raw_sql(sqlx::AssertSqlSafe(text))
        .execute(connection)
        .await?;
    Ok(())
}
