//! Captures, voids and refunds. Each has a row on disk before the platform is called. The row's id is the idempotency
//! key for every attempt at the platform, and the payment's status is the lock.

use cardseal::platform::Platform;

use super::instances::Right;
use super::sql::{Row, params};
use super::{
    ChangeId, Claimed, Columns, Db, EventKind, Fingerprint, IdempotencyKey, Movement, Payment, PaymentId,
    Result, Status, Store, StoreError, StoredAnswer, events, idempotency, payments, readable, statements,
};

/// The pauses between two lookups of the same payment.
const LONGEST_PAUSE_MS: i64 = 300_000;

/// A change to be stored.
pub struct NewChange {
    /// The payment.
    pub payment: PaymentId,
    /// Capture, void or refund.
    pub movement: Movement,
    /// The first digits of the card, for platforms that need them.
    pub bin: Option<String>,
    /// The caller's idempotency key, and the fingerprint of its body.
    pub key: Option<(IdempotencyKey, Fingerprint)>,
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
    /// Refuse it: too many events wait for the merchant's server.
    OutboxFull,
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
    /// What the merchant is told.
    pub event: Option<EventKind>,
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

/// The table.
pub(super) const TABLE: &str = "changes";

/// The columns of a change, in the order in which [`values`] reads them.
macro_rules! columns {
    () => {
        "id, payment_id, kind, amount_minor, whole, bin, before, state, created_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM changes WHERE id = ?");
    UNKNOWN = concat!("SELECT ", columns!(), " FROM changes
        WHERE payment_id = ? AND state = 'unknown' ORDER BY created_at DESC LIMIT 1");
    UNKNOWN_OF_KIND = concat!("SELECT ", columns!(), " FROM changes
        WHERE payment_id = ? AND kind = ? AND state = 'unknown' ORDER BY created_at DESC LIMIT 1");
    BY_KEY = "SELECT fingerprint, answer_status, answer_body, id FROM changes
        WHERE payment_id = ? AND kind = ? AND caller_key = ?";
    INSERT = "INSERT INTO changes (id, payment_id, kind, amount_minor, whole, bin, state, before, caller_key,
            fingerprint, created_at, updated_at, instance)
        VALUES (?, ?, ?, ?, ?, ?, 'in_flight', ?, ?, ?, ?10, ?10, ?)";
    SET_STATE = "UPDATE changes SET state = ?, updated_at = ? WHERE id = ?";
    SET_STATUS = "UPDATE payments SET status = ?, updated_at = ? WHERE id = ?";
    BEGIN_AGAIN = "UPDATE changes SET state = 'in_flight', updated_at = ?, instance = ? WHERE id = ?";
    BEGIN = "UPDATE payments SET status = ?, updated_at = ?, instance = ? WHERE id = ?";
    SET_AMOUNTS = "UPDATE payments SET captured_minor = ?, refunded_minor = ? WHERE id = ?";
    ANSWER = "UPDATE changes SET answer_status = ?, answer_body = ? WHERE id = ? AND answer_status IS NULL";
    FREE_KEY = "UPDATE changes SET caller_key = NULL WHERE id = ? AND state = 'failed'";
    DUE_PAYMENTS = "SELECT id, look_at FROM payments
        WHERE status = 'unknown' AND platform = ?1 AND look_at <= ?2 ORDER BY look_at LIMIT ?3";
    AHEAD_PAYMENTS = "SELECT id, 0 FROM payments
        WHERE status = 'unknown' AND platform = ?1 AND look_at > ?2 ORDER BY look_at LIMIT ?3";
    DUE_CHANGES = "SELECT payments.id, changes.look_at
        FROM changes CROSS JOIN payments ON payments.id = changes.payment_id
        WHERE changes.state = 'unknown' AND payments.platform = ?1 AND changes.look_at <= ?2
        ORDER BY changes.look_at LIMIT ?3";
    AHEAD_CHANGES = "SELECT payments.id, 0
        FROM changes CROSS JOIN payments ON payments.id = changes.payment_id
        WHERE changes.state = 'unknown' AND payments.platform = ?1 AND changes.look_at > ?2
        ORDER BY changes.look_at LIMIT ?3";
    POSTPONE = "UPDATE payments SET look_at = ?1 + MIN(1000 << MIN(looks, 12), ?3), looks = looks + 1
         WHERE id = ?2 AND status = 'unknown'",
        "UPDATE payments SET look_at = $1 + LEAST(1000 << CAST(LEAST(looks, 12) AS INTEGER), $3), looks = looks + 1
         WHERE id = $2 AND status = 'unknown'";
    POSTPONE_CHANGES = "UPDATE changes SET look_at = ?1 + MIN(1000 << MIN(looks, 12), ?3), looks = looks + 1
         WHERE payment_id = ?2 AND state = 'unknown'",
        "UPDATE changes SET look_at = $1 + LEAST(1000 << CAST(LEAST(looks, 12) AS INTEGER), $3), looks = looks + 1
         WHERE payment_id = $2 AND state = 'unknown'";
}

fn read(row: &Row<'_>) -> Result<Change> {
    Ok(readable(TABLE, row, values)?.0)
}

/// A change, and whether its result is still open.
fn values(row: &mut Columns<'_>) -> Result<(Change, bool)> {
    let change = Change {
        id: row.next()?,
        payment: row.next()?,
        movement: row.word("kind", Movement::read)?,
        amount: payments::stored_amount(row.next()?)?,
        whole: row.next()?,
        bin: row.next()?,
        before: row.word("before", Status::read)?,
        again: false,
        created_at: 0,
    };
    let (again, open) = row.word("state", |state| match state {
        "unknown" => Some((true, true)),
        "in_flight" => Some((false, true)),
        "done" | "failed" => Some((false, false)),
        _ => None,
    })?;
    let created_at = row.next()?;
    let change = Change {
        again,
        created_at,
        ..change
    };
    Ok((change, open))
}

fn set_status(db: &Db<'_>, id: &PaymentId, status: Status, now: i64) -> Result<()> {
    db.execute(SET_STATUS, params![status.stored(), now, id])?;
    Ok(())
}

fn set_state(db: &Db<'_>, id: &ChangeId, state: &str, now: i64) -> Result<()> {
    db.execute(SET_STATE, params![state, now, id])?;
    Ok(())
}

/// What an earlier request with the same key came to, if there was one.
fn by_key(
    db: &Db<'_>,
    change: &NewChange,
    (key, fingerprint): &(IdempotencyKey, Fingerprint),
    payment: &Payment,
) -> Result<Option<ChangeClaim>> {
    let movement = change.movement.stored();
    let known = db.row(BY_KEY, params![change.payment, movement, key], |row| {
        let id: String = row.get(3)?;
        let answer = idempotency::answer(row, (1, 2), (TABLE, &id))?;
        Ok((row.get::<Option<Fingerprint>>(0)?, answer))
    })?;
    Ok(known.map(|(known, answer)| {
        if known.as_ref() != Some(fingerprint) {
            return ChangeClaim::Reused;
        }
        match answer {
            Some(answer) => ChangeClaim::Answered(answer),
            None => ChangeClaim::Pending(payment.clone()),
        }
    }))
}

fn insert(db: &Db<'_>, change: &Change, key: Option<&(IdempotencyKey, Fingerprint)>, now: i64) -> Result<()> {
    db.execute(
        INSERT,
        params![
            change.id,
            change.payment,
            change.movement.stored(),
            payments::minor(change.amount)?,
            change.whole,
            change.bin,
            change.before.stored(),
            key.map(|(key, _)| key),
            key.map(|(_, fingerprint)| fingerprint),
            now,
            db.instance(),
        ],
    )?;
    Ok(())
}

impl Store {
    /// Stores a change and locks its payment in one transaction, if `decide` allows it.
    pub async fn claim_change(
        &self,
        change: NewChange,
        decide: impl Fn(&Payment) -> ChangeDecision + Send + 'static,
        now: i64,
    ) -> Result<ChangeClaim> {
        let under_way = self.under_way.clone();
        self.write_as(Right::ToBegin, move |db| {
            let Some(payment) = payments::get(db, &change.payment)? else {
                return Ok(ChangeClaim::None);
            };
            if let Some(key) = &change.key
                && let Some(claim) = by_key(db, &change, key, &payment)?
            {
                return Ok(claim);
            }
            let (stored, status) = match decide(&payment) {
                ChangeDecision::Start { .. } | ChangeDecision::Again { .. } if db.is_outbox_full() => {
                    return Ok(ChangeClaim::OutboxFull);
                }
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
                        bin: change.bin.clone(),
                        before: payment.status,
                        again: false,
                        created_at: now,
                    };
                    insert(db, &stored, change.key.as_ref(), now)?;
                    (stored, status)
                }
                ChangeDecision::Again { status } => {
                    let movement = change.movement.stored();
                    let found = db.row(UNKNOWN_OF_KIND, params![payment.id, movement], read)?;
                    let Some(unknown) = found else {
                        return Ok(ChangeClaim::NotAllowed(payment));
                    };
                    db.execute(BEGIN_AGAIN, params![now, db.instance(), unknown.id])?;
                    let bin = unknown.bin.or_else(|| change.bin.clone());
                    (Change { bin, ..unknown }, status)
                }
                ChangeDecision::Done => return Ok(ChangeClaim::Done(payment)),
                ChangeDecision::NotAllowed => return Ok(ChangeClaim::NotAllowed(payment)),
                ChangeDecision::TooMuch => return Ok(ChangeClaim::TooMuch(payment)),
            };
            db.execute(BEGIN, params![status.stored(), now, db.instance(), payment.id])?;
            let claimed = under_way.enter(payment.id.as_str());
            Ok(ChangeClaim::New(stored, payment, claimed))
        })
        .await
    }

    /// Stores the result of a change, the payment's new state from `decide`, and the answer for its caller. A result
    /// that is final does not change. Without an answer, and if nothing was done, the caller's key can be used again.
    pub async fn finish_change(
        &self,
        id: &ChangeId,
        result: ChangeResult,
        decide: impl Fn(&Payment, &Change) -> Option<ChangeUpdate> + Send + 'static,
        answer: impl Fn(&Payment) -> Option<StoredAnswer> + Send + 'static,
        now: i64,
    ) -> Result<Payment> {
        let id = id.clone();
        self.write_as(Right::ToFinish, move |db| {
            let found = db.row(BY_ID, params![id], |row| readable(TABLE, row, values))?;
            let (change, open) = found.ok_or(StoreError::Unknown("change"))?;
            let missing = StoreError::Unknown("payment of a change");
            let mut payment = payments::get(db, &change.payment)?.ok_or(missing)?;
            if open && let Some(update) = decide(&payment, &change) {
                let state = match result {
                    ChangeResult::Done => "done",
                    ChangeResult::Failed => "failed",
                    ChangeResult::Unknown => "unknown",
                };
                set_state(db, &id, state, now)?;
                let (captured, refunded) = (
                    payments::minor(update.captured)?,
                    payments::minor(update.refunded)?,
                );
                db.execute(SET_AMOUNTS, params![captured, refunded, payment.id])?;
                set_status(db, &payment.id, update.status, now)?;
                payment = Payment {
                    status: update.status,
                    captured: update.captured,
                    refunded: update.refunded,
                    updated_at: now,
                    ..payment
                };
                events::payment(db, update.event, &payment, now)?;
            }
            match answer(&payment) {
                Some(answer) => {
                    let seal = db.seal(TABLE, id.as_str());
                    let body = seal.value("answer_body", &answer.body)?;
                    db.execute(ANSWER, params![answer.status, body, id])?
                }
                None => db.execute(FREE_KEY, params![id])?,
            };
            Ok(payment)
        })
        .await
    }

    /// The change of a payment whose outcome is unknown.
    pub async fn unknown_change(&self, payment: &PaymentId) -> Result<Option<Change>> {
        let payment = payment.clone();
        self.read(move |db| db.row(UNKNOWN, params![payment], read)).await
    }

    /// Payments of a platform that are unknown, or have an unknown change, and are due for a lookup. The one that has
    /// waited longest comes first. `now` is a time of the steady clock.
    pub async fn unknown_payments(&self, platform: Platform, now: i64, limit: u32) -> Result<Vec<PaymentId>> {
        self.list(move |db| {
            // A time beyond the longest pause was written before the clock was put back. It counts as due.
            let ahead = now + LONGEST_PAUSE_MS;
            let mut due: Vec<(i64, PaymentId)> = Vec::new();
            for (statement, time) in [
                (DUE_PAYMENTS, now),
                (AHEAD_PAYMENTS, ahead),
                (DUE_CHANGES, now),
                (AHEAD_CHANGES, ahead),
            ] {
                let found = db.rows(statement, params![platform.id(), time, limit], |row| {
                    Ok((row.get(1)?, row.get(0)?))
                })?;
                due.extend(found);
            }
            due.sort_by(|(a, first), (b, second)| a.cmp(b).then_with(|| first.as_str().cmp(second.as_str())));
            let mut ids: Vec<PaymentId> = Vec::new();
            for (_, id) in due {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(ids)
        })
        .await
    }

    /// Notes that a lookup left a payment unknown, and schedules the next one after a longer pause.
    pub async fn note_lookup(&self, payment: &PaymentId, now: i64) -> Result<()> {
        let payment = payment.clone();
        self.write_as(Right::ToFinish, move |db| {
            for postpone in [POSTPONE, POSTPONE_CHANGES] {
                db.execute(postpone, params![now, payment, LONGEST_PAUSE_MS])?;
            }
            Ok(())
        })
        .await
    }
}
