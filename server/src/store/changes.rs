//! Captures, voids and refunds. Each has a row on disk before the platform is called. The row's id is the idempotency
//! key for every attempt at the platform, and the payment's status is the lock.

use cardseal::platform::Platform;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use super::{
    ChangeId, Claimed, Fingerprint, IdempotencyKey, Movement, Payment, PaymentId, Result, Status, Store,
    StoreError, StoredAnswer, payments, readable,
};

/// The pauses between two lookups of the same payment.
const LONGEST_PAUSE_MS: i64 = 300_000;

/// A change to be stored.
pub struct NewChange<'a> {
    /// The payment.
    pub payment: &'a PaymentId,
    /// Capture, void or refund.
    pub movement: Movement,
    /// The first digits of the card, for platforms that need them.
    pub bin: Option<&'a str>,
    /// The caller's idempotency key, and the fingerprint of its body.
    pub key: Option<(&'a IdempotencyKey, &'a Fingerprint)>,
}

/// What to do about a requested change, given the payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeDecision {
    /// Make it.
    Start {
        /// The payment's new status.
        status: Status,
        /// The amount in minor units.
        amount: u64,
        /// Whether it covers the whole payment and is sent without an amount.
        whole: bool,
    },
    /// Send the change whose outcome is unknown again.
    Again {
        /// The payment's new status.
        status: Status,
    },
    /// Nothing: it has been made already.
    Done,
    /// Refuse it: the payment's status does not allow it.
    NotAllowed,
    /// Refuse it: the amount exceeds what is left.
    TooMuch,
}

/// A stored change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its id, and the platform's idempotency key.
    pub id: ChangeId,
    /// The payment.
    pub payment: PaymentId,
    /// Capture, void or refund.
    pub movement: Movement,
    /// The amount in minor units.
    pub amount: u64,
    /// Whether it covers the whole payment and is sent without an amount.
    pub whole: bool,
    /// First digits of the card.
    pub bin: Option<String>,
    /// The payment's status before the change, restored if the change fails.
    pub before: Status,
    /// Whether the platform was called before and the answer was lost.
    pub again: bool,
    /// The time of the request, in milliseconds since 1970.
    pub created_at: i64,
}

/// The result of claiming a change.
pub enum ChangeClaim {
    /// The change is stored. Call the platform, and hold the claim until the outcome is stored.
    New(Change, Payment, Claimed),
    /// The same request was answered before.
    Answered(StoredAnswer),
    /// The same request is in progress, or was interrupted before it was answered.
    Pending(Payment),
    /// The key belongs to a request with another body.
    Reused,
    /// The change has been made already.
    Done(Payment),
    /// Refuse it: the payment's status does not allow it.
    NotAllowed(Payment),
    /// Refuse it: the amount exceeds what is left.
    TooMuch(Payment),
    /// No such payment.
    None,
}

/// A payment's new state after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeUpdate {
    /// The new status.
    pub status: Status,
    /// The captured amount in minor units.
    pub captured: u64,
    /// The refunded amount in minor units.
    pub refunded: u64,
}

/// The result of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeResult {
    /// The change was made.
    Done,
    /// The change was certainly not made.
    Failed,
    /// The platform's answer is missing or undecided.
    Unknown,
}

fn read(row: &SqliteRow) -> Result<Change> {
    readable("changes", row, values)
}

fn values(row: &SqliteRow) -> Result<Change> {
    let amount: i64 = row.try_get("amount_minor")?;
    Ok(Change {
        id: row.try_get("id")?,
        payment: row.try_get("payment_id")?,
        movement: Movement::read(row.try_get("kind")?)?,
        amount: u64::try_from(amount).map_err(|_| StoreError::Unknown("amount"))?,
        whole: row.try_get("whole")?,
        bin: row.try_get("bin")?,
        before: Status::read(row.try_get("before")?)?,
        again: match row.try_get("state")? {
            "unknown" => true,
            "in_flight" | "done" | "failed" => false,
            _ => return Err(StoreError::Unknown("state")),
        },
        created_at: row.try_get("created_at")?,
    })
}

async fn unknown_of(
    tx: &mut Transaction<'_, Sqlite>,
    payment: &PaymentId,
    movement: Movement,
) -> Result<Option<Change>> {
    let row = sqlx::query(
        "SELECT * FROM changes WHERE payment_id = ? AND kind = ? AND state = 'unknown'
            ORDER BY created_at DESC LIMIT 1",
    )
    .bind(payment)
    .bind(movement.stored())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(read).transpose()
}

async fn set_status(
    tx: &mut Transaction<'_, Sqlite>,
    id: &PaymentId,
    status: Status,
    now: i64,
) -> Result<()> {
    sqlx::query("UPDATE payments SET status = ?, updated_at = ? WHERE id = ?")
        .bind(status.stored())
        .bind(now)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn set_state(tx: &mut Transaction<'_, Sqlite>, id: &ChangeId, state: &str, now: i64) -> Result<()> {
    sqlx::query("UPDATE changes SET state = ?, updated_at = ? WHERE id = ?")
        .bind(state)
        .bind(now)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What an earlier request with the same key came to, if there was one.
async fn by_key(
    tx: &mut Transaction<'_, Sqlite>,
    change: &NewChange<'_>,
    (key, fingerprint): (&IdempotencyKey, &Fingerprint),
    payment: &Payment,
) -> Result<Option<ChangeClaim>> {
    let row = sqlx::query("SELECT * FROM changes WHERE payment_id = ? AND kind = ? AND caller_key = ?")
        .bind(change.payment)
        .bind(change.movement.stored())
        .bind(key)
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    if row.try_get::<Option<Fingerprint>, _>("fingerprint")?.as_ref() != Some(fingerprint) {
        return Ok(Some(ChangeClaim::Reused));
    }
    let status: Option<u16> = row.try_get("answer_status")?;
    let body: Option<String> = row.try_get("answer_body")?;
    Ok(Some(match status.zip(body) {
        Some((status, body)) => ChangeClaim::Answered(StoredAnswer { status, body }),
        None => ChangeClaim::Pending(payment.clone()),
    }))
}

async fn insert(
    tx: &mut Transaction<'_, Sqlite>,
    change: &Change,
    key: Option<(&IdempotencyKey, &Fingerprint)>,
    now: i64,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO changes (id, payment_id, kind, amount_minor, whole, bin, state, before, caller_key,
            fingerprint, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, 'in_flight', ?, ?, ?, ?, ?)",
    )
    .bind(&change.id)
    .bind(&change.payment)
    .bind(change.movement.stored())
    .bind(payments::minor(change.amount)?)
    .bind(change.whole)
    .bind(&change.bin)
    .bind(change.before.stored())
    .bind(key.map(|(key, _)| key))
    .bind(key.map(|(_, fingerprint)| fingerprint))
    .bind(now)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// Stores a change and locks its payment in one transaction, if `decide` allows it.
    pub async fn claim_change(
        &self,
        change: &NewChange<'_>,
        decide: impl Fn(&Payment) -> ChangeDecision + Send,
        now: i64,
    ) -> Result<ChangeClaim> {
        let mut tx = self.write().await?;
        let Some(payment) = payments::get(&mut tx, change.payment).await? else {
            return Ok(ChangeClaim::None);
        };
        if let Some(key) = change.key
            && let Some(claim) = by_key(&mut tx, change, key, &payment).await?
        {
            return Ok(claim);
        }
        let (stored, status) = match decide(&payment) {
            ChangeDecision::Start {
                status,
                amount,
                whole,
            } => {
                let stored = Change {
                    id: ChangeId::random(),
                    payment: payment.id.clone(),
                    movement: change.movement,
                    amount,
                    whole,
                    bin: change.bin.map(Into::into),
                    before: payment.status,
                    again: false,
                    created_at: now,
                };
                insert(&mut tx, &stored, change.key, now).await?;
                (stored, status)
            }
            ChangeDecision::Again { status } => {
                let Some(unknown) = unknown_of(&mut tx, &payment.id, change.movement).await? else {
                    return Ok(ChangeClaim::NotAllowed(payment));
                };
                set_state(&mut tx, &unknown.id, "in_flight", now).await?;
                let bin = unknown.bin.or_else(|| change.bin.map(Into::into));
                (Change { bin, ..unknown }, status)
            }
            ChangeDecision::Done => return Ok(ChangeClaim::Done(payment)),
            ChangeDecision::NotAllowed => return Ok(ChangeClaim::NotAllowed(payment)),
            ChangeDecision::TooMuch => return Ok(ChangeClaim::TooMuch(payment)),
        };
        set_status(&mut tx, &payment.id, status, now).await?;
        let claimed = self.under_way.enter(payment.id.as_str());
        tx.commit().await?;
        Ok(ChangeClaim::New(stored, payment, claimed))
    }

    /// Stores the result of a change, the payment's new state from `decide`, and the answer for its caller. A result
    /// that is final does not change. Without an answer, and if nothing was done, the caller's key can be used again.
    pub async fn finish_change(
        &self,
        id: &ChangeId,
        result: ChangeResult,
        decide: impl Fn(&Payment, &Change) -> Option<ChangeUpdate> + Send,
        answer: impl Fn(&Payment) -> Option<StoredAnswer> + Send,
        now: i64,
    ) -> Result<Payment> {
        let mut tx = self.write().await?;
        let row = sqlx::query("SELECT * FROM changes WHERE id = ?")
            .bind(id)
            .fetch_one(&mut *tx)
            .await?;
        let change = read(&row)?;
        let open = matches!(row.try_get("state")?, "in_flight" | "unknown");
        let payment = payments::get(&mut tx, &change.payment)
            .await?
            .ok_or(StoreError::Unknown("payment of a change"))?;
        if open && let Some(update) = decide(&payment, &change) {
            let state = match result {
                ChangeResult::Done => "done",
                ChangeResult::Failed => "failed",
                ChangeResult::Unknown => "unknown",
            };
            set_state(&mut tx, id, state, now).await?;
            sqlx::query("UPDATE payments SET captured_minor = ?, refunded_minor = ? WHERE id = ?")
                .bind(payments::minor(update.captured)?)
                .bind(payments::minor(update.refunded)?)
                .bind(&payment.id)
                .execute(&mut *tx)
                .await?;
            set_status(&mut tx, &payment.id, update.status, now).await?;
        }
        let payment = payments::get(&mut tx, &change.payment)
            .await?
            .ok_or(StoreError::Unknown("payment of a change"))?;
        match answer(&payment) {
            Some(answer) => {
                sqlx::query(
                    "UPDATE changes SET answer_status = ?, answer_body = ?
                     WHERE id = ? AND answer_status IS NULL",
                )
                .bind(answer.status)
                .bind(&answer.body)
                .bind(id)
                .execute(&mut *tx)
                .await?
            }
            None => {
                sqlx::query("UPDATE changes SET caller_key = NULL WHERE id = ? AND state = 'failed'")
                    .bind(id)
                    .execute(&mut *tx)
                    .await?
            }
        };
        tx.commit().await?;
        Ok(payment)
    }

    /// The change of a payment whose outcome is unknown.
    pub async fn unknown_change(&self, payment: &PaymentId) -> Result<Option<Change>> {
        let row = self.row(sqlx::query(
            "SELECT * FROM changes WHERE payment_id = ? AND state = 'unknown' ORDER BY created_at DESC LIMIT 1",
        )
        .bind(payment)).await?;
        row.as_ref().map(read).transpose()
    }

    /// Payments of a platform that are unknown, or have an unknown change, and are due for a lookup. The one that has
    /// waited longest comes first. `now` is a time of the steady clock.
    pub async fn unknown_payments(&self, platform: Platform, now: i64, limit: u32) -> Result<Vec<PaymentId>> {
        // A time beyond the longest pause was written before the clock was put back. It counts as due.
        let query = sqlx::query(
            "SELECT id, MIN(CASE WHEN look_at > ?3 THEN 0 ELSE look_at END) AS due FROM (
                SELECT id, look_at FROM payments WHERE status = 'unknown' AND platform = ?1
                    AND (look_at <= ?2 OR look_at > ?3)
                UNION ALL
                SELECT payments.id, changes.look_at FROM changes JOIN payments ON payments.id = changes.payment_id
                    WHERE changes.state = 'unknown' AND payments.platform = ?1
                    AND (changes.look_at <= ?2 OR changes.look_at > ?3))
             GROUP BY id ORDER BY due, id LIMIT ?4",
        )
        .bind(platform.id())
        .bind(now)
        .bind(now + LONGEST_PAUSE_MS)
        .bind(limit);
        let rows = self.rows(query).await?;
        let mut ids = Vec::new();
        for row in rows {
            ids.push(row.try_get("id")?);
        }
        Ok(ids)
    }

    /// Notes that a lookup left a payment unknown, and schedules the next one after a longer pause.
    pub async fn note_lookup(&self, payment: &PaymentId, now: i64) -> Result<()> {
        let mut tx = self.write().await?;
        for table in ["payments SET", "changes SET"] {
            let own = if table.starts_with("payments") {
                "id"
            } else {
                "payment_id"
            };
            let state = if table.starts_with("payments") {
                "status"
            } else {
                "state"
            };
            // The text contains nothing from a caller.
            let text = format!(
                "UPDATE {table} look_at = ?1 + MIN(1000 << MIN(looks, 12), {LONGEST_PAUSE_MS}), looks = looks + 1
                 WHERE {own} = ?2 AND {state} = 'unknown'"
            );
            sqlx::query(sqlx::AssertSqlSafe(text))
                .bind(now)
                .bind(payment)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
