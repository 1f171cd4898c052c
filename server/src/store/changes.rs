//! Captures, voids and refunds. A row is on the disk before the platform hears of it; its id is the platform's
//! idempotency key for every try, and the payment's own status is the lock.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use super::{
    Claimed, Movement, Payment, Result, Status, Store, StoreError, StoredAnswer, new_id, payments, readable,
};

/// Between two lookups of the same payment.
const LONGEST_PAUSE_MS: i64 = 300_000;

/// A change to be made.
pub struct NewChange<'a> {
    /// Of this payment.
    pub payment: &'a str,
    /// What.
    pub movement: Movement,
    /// How much in minor units; all there is without one.
    pub amount: Option<u64>,
    /// First digits of the card, for platforms that want them.
    pub bin: Option<&'a str>,
    /// The caller's key, and the fingerprint of the body that came with it.
    pub key: Option<(&'a str, &'a str)>,
}

/// A stored change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Ours, and the platform's idempotency key.
    pub id: String,
    /// Of this payment.
    pub payment: String,
    /// What.
    pub movement: Movement,
    /// How much in minor units.
    pub amount: u64,
    /// Whether it is of all there is, sent without an amount.
    pub whole: bool,
    /// First digits of the card.
    pub bin: Option<String>,
    /// Whether the platform was asked before and its answer was lost.
    pub again: bool,
    /// When it was asked for.
    pub created_at: i64,
}

/// What became of the wish to change a payment.
pub enum ChangeClaim {
    /// It is stored: ask the platform, and hold the claim until the outcome is stored.
    New(Change, Payment, Claimed),
    /// The same request, answered.
    Answered(StoredAnswer),
    /// The same request, under way or settled without an answer.
    Pending(Payment),
    /// The key came with another body.
    Reused,
    /// It has been done already.
    Done(Payment),
    /// The status does not allow it.
    NotAllowed(Payment),
    /// It is more than is left.
    TooMuch(Payment),
    /// No such payment.
    None,
}

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeResult {
    /// Done.
    Done,
    /// Certainly not done.
    Failed,
    /// Nobody knows.
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
        again: match row.try_get("state")? {
            "unknown" => true,
            "in_flight" | "done" | "failed" => false,
            _ => return Err(StoreError::Unknown("state")),
        },
        created_at: row.try_get("created_at")?,
    })
}

/// Whether a payment's status lets it be changed so, and of how much.
fn allowed(payment: &Payment, change: &NewChange<'_>) -> Option<u64> {
    let status = payment.status;
    let whole = payment.amount.minor();
    let left = payment.captured.saturating_sub(payment.refunded);
    match change.movement {
        Movement::Capture => (status == Status::Authorized).then(|| change.amount.unwrap_or(whole)),
        Movement::Void => matches!(status, Status::Approved | Status::Authorized).then_some(whole),
        Movement::Refund => matches!(status, Status::Approved | Status::PartiallyRefunded)
            .then(|| change.amount.unwrap_or(left)),
    }
}

/// Asking again for what is done answers with the payment as it is.
fn is_done(payment: &Payment, change: &NewChange<'_>) -> bool {
    match change.movement {
        Movement::Void => payment.status == Status::Voided,
        Movement::Refund => {
            payment.status == Status::Refunded
                && change.amount.is_none_or(|amount| amount == payment.captured)
        }
        Movement::Capture => {
            payment.status == Status::Approved
                && payment.capture_later
                && change.amount.is_none_or(|amount| amount == payment.captured)
        }
    }
}

async fn unknown_of(
    tx: &mut Transaction<'_, Sqlite>,
    payment: &str,
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

async fn set_status(tx: &mut Transaction<'_, Sqlite>, id: &str, status: Status, now: i64) -> Result<()> {
    sqlx::query("UPDATE payments SET status = ?, updated_at = ? WHERE id = ?")
        .bind(status.stored())
        .bind(now)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

impl Store {
    /// Stores a change and locks its payment, both or neither.
    ///
    /// # Errors
    /// Of the database.
    pub async fn claim_change(&self, change: &NewChange<'_>, now: i64) -> Result<ChangeClaim> {
        let mut tx = self.write().await?;
        let Some(payment) = payments::get(&mut tx, change.payment).await? else {
            return Ok(ChangeClaim::None);
        };
        if let Some((key, fingerprint)) = change.key {
            let row =
                sqlx::query("SELECT * FROM changes WHERE payment_id = ? AND kind = ? AND caller_key = ?")
                    .bind(change.payment)
                    .bind(change.movement.stored())
                    .bind(key)
                    .fetch_optional(&mut *tx)
                    .await?;
            if let Some(row) = row {
                if row.try_get::<Option<&str>, _>("fingerprint")? != Some(fingerprint) {
                    return Ok(ChangeClaim::Reused);
                }
                let status: Option<u16> = row.try_get("answer_status")?;
                let body: Option<String> = row.try_get("answer_body")?;
                return Ok(match status.zip(body) {
                    Some((status, body)) => ChangeClaim::Answered(StoredAnswer { status, body }),
                    None => ChangeClaim::Pending(payment),
                });
            }
        }
        // A void cannot happen twice, so one that may have happened can be asked for again.
        if change.movement == Movement::Void
            && payment.status == Status::VoidUnknown
            && let Some(mut again) = unknown_of(&mut tx, &payment.id, Movement::Void).await?
        {
            sqlx::query("UPDATE changes SET state = 'in_flight', updated_at = ? WHERE id = ?")
                .bind(now)
                .bind(&again.id)
                .execute(&mut *tx)
                .await?;
            set_status(&mut tx, &payment.id, Status::VoidInFlight, now).await?;
            let claimed = self.under_way.enter(&payment.id);
            tx.commit().await?;
            again.bin = again.bin.or_else(|| change.bin.map(Into::into));
            return Ok(ChangeClaim::New(again, payment, claimed));
        }
        if is_done(&payment, change) {
            return Ok(ChangeClaim::Done(payment));
        }
        let Some(amount) = allowed(&payment, change) else {
            return Ok(ChangeClaim::NotAllowed(payment));
        };
        let left = payment.captured.saturating_sub(payment.refunded);
        if change.movement == Movement::Refund && amount > left {
            return Ok(ChangeClaim::TooMuch(payment));
        }
        // All of an untouched payment is sent as the platform's "all".
        let whole = match change.movement {
            Movement::Void => true,
            Movement::Capture => amount == payment.amount.minor(),
            Movement::Refund => payment.refunded == 0 && amount == payment.captured,
        };
        let stored = Change {
            id: new_id("chg"),
            payment: payment.id.clone(),
            movement: change.movement,
            amount,
            whole,
            bin: change.bin.map(Into::into),
            again: false,
            created_at: now,
        };
        sqlx::query(
            "INSERT INTO changes (id, payment_id, kind, amount_minor, whole, bin, state, before, caller_key,
                fingerprint, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, 'in_flight', ?, ?, ?, ?, ?)",
        )
        .bind(&stored.id)
        .bind(&stored.payment)
        .bind(stored.movement.stored())
        .bind(i64::try_from(amount).map_err(|_| StoreError::Unknown("amount"))?)
        .bind(whole)
        .bind(&stored.bin)
        .bind(payment.status.stored())
        .bind(change.key.map(|(key, _)| key))
        .bind(change.key.map(|(_, fingerprint)| fingerprint))
        .bind(now)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        set_status(&mut tx, &payment.id, change.movement.in_flight(), now).await?;
        let claimed = self.under_way.enter(&payment.id);
        tx.commit().await?;
        Ok(ChangeClaim::New(stored, payment, claimed))
    }

    /// Stores what a change came to, and the answer to its caller. A change that is settled stays so. Without an
    /// answer the caller's key is free again, if nothing was done.
    ///
    /// # Errors
    /// Of the database.
    pub async fn finish_change(
        &self,
        id: &str,
        result: ChangeResult,
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
        let before = Status::read(row.try_get("before")?)?;
        let payment = payments::get(&mut tx, &change.payment)
            .await?
            .ok_or(StoreError::Unknown("payment of a change"))?;
        let locked = [change.movement.in_flight(), change.movement.unknown()].contains(&payment.status);
        if open && locked {
            let state = match result {
                ChangeResult::Done => "done",
                ChangeResult::Failed => "failed",
                ChangeResult::Unknown => "unknown",
            };
            sqlx::query("UPDATE changes SET state = ?, updated_at = ? WHERE id = ?")
                .bind(state)
                .bind(now)
                .bind(id)
                .execute(&mut *tx)
                .await?;
            let (mut captured, mut refunded) = (payment.captured, payment.refunded);
            let status = match (result, change.movement) {
                (ChangeResult::Failed, _) => before,
                (ChangeResult::Unknown, movement) => movement.unknown(),
                (ChangeResult::Done, Movement::Void) => Status::Voided,
                (ChangeResult::Done, Movement::Capture) => {
                    captured = change.amount;
                    Status::Approved
                }
                (ChangeResult::Done, Movement::Refund) => {
                    refunded += change.amount;
                    if refunded >= captured {
                        Status::Refunded
                    } else {
                        Status::PartiallyRefunded
                    }
                }
            };
            let minor = |amount| i64::try_from(amount).map_err(|_| StoreError::Unknown("amount"));
            sqlx::query("UPDATE payments SET captured_minor = ?, refunded_minor = ? WHERE id = ?")
                .bind(minor(captured)?)
                .bind(minor(refunded)?)
                .bind(&payment.id)
                .execute(&mut *tx)
                .await?;
            set_status(&mut tx, &payment.id, status, now).await?;
        }
        let payment = payments::get(&mut tx, &change.payment)
            .await?
            .ok_or(StoreError::Unknown("payment of a change"))?;
        match answer(&payment) {
            Some(answer) => {
                sqlx::query("UPDATE changes SET answer_status = ?, answer_body = ? WHERE id = ? AND answer_status IS NULL")
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

    /// The change that left a payment's outcome unknown.
    ///
    /// # Errors
    /// Of the database.
    pub async fn unknown_change(&self, payment: &str) -> Result<Option<Change>> {
        let row = self.row(sqlx::query(
            "SELECT * FROM changes WHERE payment_id = ? AND state = 'unknown' ORDER BY created_at DESC LIMIT 1",
        )
        .bind(payment)).await?;
        row.as_ref().map(read).transpose()
    }

    /// Payments of a platform whose own outcome, or that of a change, is unknown and due to be looked up, the one that
    /// has waited longest first. `now` is of the clock that never goes back.
    ///
    /// # Errors
    /// Of the database.
    pub async fn unknown_payments(&self, platform: &str, now: i64, limit: u32) -> Result<Vec<String>> {
        // Later than the longest pause: written before the clock was put back. It is due.
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
        .bind(platform)
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

    /// The platform was asked about an unknown payment and could not say. The pauses grow.
    ///
    /// # Errors
    /// Of the database.
    pub async fn looked(&self, payment: &str, now: i64) -> Result<()> {
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
            // Nothing of a caller's stands in this text.
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
