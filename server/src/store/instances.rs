//! The processes that share a database. Each has a row with a lease, which it renews, and whatever it works on names it.
//! Once a lease has ended, a neighbour deletes the row and takes over the work, in one transaction.
//!
//! Transactions run as if one after the other. One of a process that looks for its own row therefore comes before the
//! one that deletes it, or finds it gone: whoever was stopped for a while, and wakes, writes nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::sql::params;
use super::{Db, PaymentId, Result, Store, StoreError, statements};

/// How long a lease lasts that is not renewed.
pub const LEASE: Duration = Duration::from_secs(15);
/// The process that a file belongs to. Its row is always there.
const OF_A_FILE: &str = "file";

/// What a transaction needs the lease for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// To begin work: the lease has to last.
    ToBegin,
    /// To store what came of it: nobody may have taken it over.
    ToFinish,
}

statements! {
    /// Whether the lease lasts, if the row is there.
    LASTS = "SELECT expires_at > 0 FROM instances WHERE id = ?",
        "SELECT expires_at > extract(epoch FROM clock_timestamp()) * 1000 FROM instances WHERE id = $1";
    /// The database's clock. That of a file measures no lease.
    TIME = "SELECT 0", "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
    /// Ids begin with the time at which their process started.
    ELDEST = "SELECT id FROM instances WHERE expires_at > 0 ORDER BY id LIMIT 1",
        "SELECT id FROM instances WHERE expires_at > extract(epoch FROM clock_timestamp()) * 1000 ORDER BY id LIMIT 1";
    HAS_ENDED = "SELECT EXISTS (SELECT 1 FROM instances WHERE expires_at <= ? AND id <> ?)";
    END = "DELETE FROM instances WHERE expires_at <= ? AND id <> ?";
    ASK = "UPDATE payments SET asked_by = ?1 WHERE id = ?2 AND (asked_by IS NULL OR asked_by = ?1
        OR NOT EXISTS (SELECT 1 FROM instances WHERE instances.id = payments.asked_by))";
    ASKED = "UPDATE payments SET asked_by = NULL WHERE id = ? AND asked_by = ?";
}

/// This process among those that share the database.
pub(super) struct Instance {
    id: String,
    /// How long its lease lasts that is not renewed, and what this process knows about it. `None`: for ever.
    lease: Option<(Duration, Mutex<Known>)>,
    /// Cancelled when a neighbour has taken over.
    lost: CancellationToken,
}

/// When the lease was asked for last, and since when it has been renewed without a gap.
struct Known {
    asked: Instant,
    since: Instant,
}

impl Instance {
    pub(super) fn of_a_file() -> Self {
        Self {
            id: OF_A_FILE.into(),
            lease: None,
            lost: CancellationToken::new(),
        }
    }

    /// A new one, whose lease is asked for now.
    #[cfg(any(feature = "postgres", test))]
    pub(super) fn with_lease(lease: Duration) -> Self {
        let now = Instant::now();
        Self {
            id: uuid::Uuid::now_v7().simple().to_string(),
            lease: Some((
                lease,
                Mutex::new(Known {
                    asked: now,
                    since: now,
                }),
            )),
            lost: CancellationToken::new(),
        }
    }

    /// None at all, for a command that works on nothing that others could take over.
    #[cfg(feature = "postgres")]
    pub(super) fn none() -> Self {
        Self {
            id: String::new(),
            lease: None,
            lost: CancellationToken::new(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    fn known(&self) -> Option<(Duration, MutexGuard<'_, Known>)> {
        let (lease, known) = self.lease.as_ref()?;
        Some((*lease, known.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Notes that the lease was renewed, by a request of that time.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "a file needs no lease")
    )]
    pub(super) fn renewed(&self, asked: Instant) {
        if let Some((lease, mut known)) = self.known() {
            if asked >= known.asked + lease {
                known.since = asked;
            }
            known.asked = asked;
        }
    }

    /// Notes that a neighbour has taken over.
    pub(super) fn lose(&self) {
        self.lost.cancel();
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Whether the lease certainly lasts, by a clock that also runs while this process is stopped.
    fn holds(&self) -> bool {
        !self.is_lost()
            && self
                .known()
                .is_none_or(|(lease, known)| known.asked.elapsed() < lease - lease / 8)
    }

    /// Refuses at once what would wait for a database that this process does not reach: a network that loses everything
    /// says nothing, and each connection would have to find that out by itself. The lease already has.
    pub(super) fn check_reach(&self) -> Result<()> {
        if self.holds() || self.is_lost() {
            return Ok(());
        }
        Err(StoreError::Unavailable(
            "this process could not renew its lease; it tries again".into(),
        ))
    }

    /// How long ago a neighbour's lease must have ended. While the database was away nobody could renew: then the
    /// neighbours get as much time as this process has had.
    fn patience(&self) -> Duration {
        self.known().map_or(Duration::ZERO, |(lease, known)| {
            if known.since.elapsed() < lease {
                lease
            } else {
                Duration::ZERO
            }
        })
    }

    /// Checks within a transaction that nobody has taken over.
    pub(super) fn check(&self, db: &Db<'_>, right: Right) -> Result<()> {
        match db.value(LASTS, params![self.id])? {
            Some(true) => Ok(()),
            Some(false) if right == Right::ToFinish => Ok(()),
            Some(false) => Err(StoreError::Unavailable(
                "this process has not renewed its lease in time; it tries again".into(),
            )),
            None => {
                self.lose();
                Err(StoreError::LeaseLost)
            }
        }
    }

    /// Ends the leases of neighbours that were not renewed. Returns how many.
    pub(super) fn end_others(&self, db: &Db<'_>) -> Result<usize> {
        if self.lease.is_none() {
            return Ok(0);
        }
        let time: i64 = db.value(TIME, params![])?.unwrap_or_default();
        db.execute(END, params![time - millis(self.patience()), self.id])
    }

    /// Whether there are such leases.
    pub(super) fn has_ended_others(&self, db: &Db<'_>) -> Result<bool> {
        if self.lease.is_none() {
            return Ok(false);
        }
        let time: i64 = db.value(TIME, params![])?.unwrap_or_default();
        let found = db.value(HAS_ENDED, params![time - millis(self.patience()), self.id])?;
        Ok(found.unwrap_or_default())
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl Store {
    /// Whether this process may begin work on money: whether its lease certainly lasts.
    #[must_use]
    pub fn may_begin(&self) -> bool {
        self.instance.holds()
    }

    /// Whether a neighbour has taken over what this process worked on. Nothing can be stored then.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.instance.is_lost()
    }

    /// Waits until that happens.
    pub async fn lost(&self) {
        self.instance.lost.cancelled().await;
    }

    /// Whether several processes may share the database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.instance.lease.is_some()
    }

    /// Whether this process does what one is enough for, such as removing expired rows: the eldest does. If two do for a
    /// moment, or none, nothing is lost.
    pub async fn tidies(&self) -> Result<bool> {
        if !self.is_shared() {
            return Ok(true);
        }
        let eldest: Option<String> = self.list(|db| db.value(ELDEST, params![])).await?;
        Ok(eldest.is_some_and(|eldest| eldest == self.instance.id()))
    }

    /// Takes the right to ask the platform about a payment, unless a neighbour has it. Give it back with
    /// [`Store::asked`]. Within this process the caller sees to it that one task has it.
    pub async fn ask(&self, payment: &PaymentId) -> Result<bool> {
        if !self.is_shared() {
            return Ok(true);
        }
        let payment = payment.clone();
        let asks = self.write_as(Right::ToBegin, move |db| {
            db.execute(ASK, params![db.instance(), payment])
        });
        Ok(asks.await? > 0)
    }

    /// Gives that right back. If this fails, the process keeps it until it asks again.
    pub async fn asked(&self, payment: &PaymentId) -> Result<()> {
        if !self.is_shared() {
            return Ok(());
        }
        let payment = payment.clone();
        let asked = self.write_as(Right::ToFinish, move |db| {
            db.execute(ASKED, params![payment, db.instance()])
        });
        asked.await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(40);

    #[test]
    fn a_lease_lasts_as_long_as_it_is_renewed() {
        let instance = Instance::with_lease(SHORT);
        assert!(instance.holds() && instance.check_reach().is_ok());
        std::thread::sleep(SHORT);
        assert!(!instance.holds() && instance.check_reach().is_err());
        instance.renewed(Instant::now());
        assert!(instance.holds() && instance.check_reach().is_ok());
        instance.lose();
        assert!(!instance.holds());
    }

    #[test]
    fn neighbours_get_time_to_renew_after_a_gap() {
        let instance = Instance::with_lease(SHORT);
        assert_eq!(instance.patience(), SHORT);
        let began = Instant::now();
        while began.elapsed() < SHORT {
            instance.renewed(Instant::now());
        }
        assert_eq!(instance.patience(), Duration::ZERO);
        std::thread::sleep(SHORT);
        instance.renewed(Instant::now());
        assert_eq!(instance.patience(), SHORT);
    }

    #[test]
    fn a_file_has_no_lease_that_could_end() {
        let instance = Instance::of_a_file();
        assert!(instance.holds() && instance.patience() == Duration::ZERO);
    }
}
