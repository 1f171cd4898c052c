//! Removes rows that have outlived their use, a few at a time, and returns their space to the file system.

use std::path::Path;

use rusqlite::Connection;

use super::seal::Index;
use super::sql::{Statement, params};
use super::{Db, Result, Store, readable, sessions, statements, take_possession};

/// The table of who submitted a card first. Its rows are named by their digest in hex.
pub(super) const CLAIMS: &str = "claims";
/// How many pages stay free for new rows, however small the file is.
const LEAST_RESERVE: i64 = 256;

/// What is removed after a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiring {
    /// Idempotency keys, by their age. Those of a payment whose outcome is open stay.
    IdempotencyKeys,
    /// Notifications, by their age.
    Notifications,
    /// Captures, voids and refunds whose outcome is known, by the time since then.
    Changes,
    /// Events that were delivered or given up, by the time since then.
    Events,
    /// The audit log, by its age.
    Audit,
    /// Authentications, by the time since their end. One whose payment is open stays.
    Authentications,
    /// Sessions, by the time since their end. One that a card, payment, token or key still needs stays.
    Sessions,
}

impl Expiring {
    /// Everything that expires. Sessions come last, because they stay as long as their keys.
    pub const ALL: [Self; 7] = [
        Self::IdempotencyKeys,
        Self::Notifications,
        Self::Changes,
        Self::Events,
        Self::Audit,
        Self::Authentications,
        Self::Sessions,
    ];
}

/// How far a sweep has come: the time and the row of the last one that it has examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepPlace {
    time: i64,
    row: i64,
}

impl SweepPlace {
    /// Before the first row.
    pub const START: Self = Self {
        time: i64::MIN,
        row: i64::MIN,
    };
}

/// A step of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepStep {
    /// How many rows it removed.
    pub removed: usize,
    /// Where the next step goes on.
    pub place: SweepPlace,
    /// Whether more rows may have expired.
    pub more: bool,
}

/// Whether the outcome of a payment, or of a change to it, is open: `Status::is_unknown` in SQL.
macro_rules! open_statuses {
    () => {
        "('in_flight', 'unknown', 'capture_in_flight', 'capture_unknown', 'void_in_flight', 'void_unknown',
            'refund_in_flight', 'refund_unknown')"
    };
}

/// Whether a session is still needed: a card is on its way, its payment's outcome is open, its token waits for the
/// platform's confirmation, a repeated request needs its key, or its reference leads to a token that the sample's
/// route has stored.
macro_rules! session_is_done {
    () => {
        concat!(
            "sessions.state <> 'busy'
             AND NOT EXISTS (SELECT 1 FROM idempotency_keys WHERE scope = sessions.id)
             AND NOT EXISTS (SELECT 1 FROM payments WHERE session_id = sessions.id AND status IN ",
            open_statuses!(),
            ")
             AND NOT EXISTS (SELECT 1 FROM tokens WHERE id = sessions.result_id
                AND (status = 'unconfirmed' OR sessions.names_card AND status <> 'deleted'))"
        )
    };
}

/// Whether the payment of a key is settled.
macro_rules! key_is_done {
    () => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM payments WHERE id = idempotency_keys.payment_id AND status IN ",
            open_statuses!(),
            ")"
        )
    };
}

/// Whether the payment of an authentication is settled.
macro_rules! authentication_is_done {
    () => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM payments WHERE id = authentications.payment_id AND status IN ",
            open_statuses!(),
            ")"
        )
    };
}

// Searches return each row with its time, its place and whether it may go. Whatever removes one checks that again
// within its transaction.
statements! {
    EXPIRED_KEYS = concat!("SELECT created_at, rowid, ", key_is_done!(), " FROM idempotency_keys
        WHERE created_at < ?1 AND created_at >= ?2 AND (created_at > ?2 OR rowid > ?3)
        ORDER BY created_at, rowid LIMIT ?4");
    EXPIRED_NOTIFICATIONS = "SELECT received_at, rowid, TRUE FROM notifications
        WHERE received_at < ?1 AND received_at >= ?2 AND (received_at > ?2 OR rowid > ?3)
        ORDER BY received_at, rowid LIMIT ?4";
    EXPIRED_CHANGES = "SELECT updated_at, rowid, TRUE FROM changes WHERE state IN ('done', 'failed')
        AND updated_at < ?1 AND updated_at >= ?2 AND (updated_at > ?2 OR rowid > ?3)
        ORDER BY updated_at, rowid LIMIT ?4";
    EXPIRED_EVENTS = "SELECT settled_at, rowid, TRUE FROM events WHERE settled_at IS NOT NULL
        AND settled_at < ?1 AND settled_at >= ?2 AND (settled_at > ?2 OR rowid > ?3)
        ORDER BY settled_at, rowid LIMIT ?4";
    EXPIRED_AUDIT = "SELECT at, rowid, TRUE FROM audit
        WHERE at < ?1 AND at >= ?2 AND (at > ?2 OR rowid > ?3) ORDER BY at, rowid LIMIT ?4";
    EXPIRED_AUTHENTICATIONS = concat!("SELECT expires_at, rowid, ", authentication_is_done!(), " FROM authentications
        WHERE expires_at < ?1 AND expires_at >= ?2 AND (expires_at > ?2 OR rowid > ?3)
        ORDER BY expires_at, rowid LIMIT ?4");
    EXPIRED_SESSIONS = concat!("SELECT expires_at, rowid, ", session_is_done!(), " FROM sessions
        WHERE expires_at < ?1 AND expires_at >= ?2 AND (expires_at > ?2 OR rowid > ?3)
        ORDER BY expires_at, rowid LIMIT ?4");
    REMOVE_KEY = concat!("DELETE FROM idempotency_keys WHERE rowid = ? AND created_at = ? AND ", key_is_done!());
    REMOVE_NOTIFICATION = "DELETE FROM notifications WHERE rowid = ? AND received_at = ?";
    REMOVE_CHANGE = "DELETE FROM changes WHERE rowid = ? AND updated_at = ? AND state IN ('done', 'failed')";
    REMOVE_EVENT = "DELETE FROM events WHERE rowid = ? AND settled_at = ?";
    REMOVE_AUTHENTICATION = concat!("DELETE FROM authentications WHERE rowid = ? AND expires_at = ? AND ",
        authentication_is_done!());
    REMOVE_AUDIT = "DELETE FROM audit WHERE rowid = ? AND at = ?";
    SESSION_IS_DONE = concat!("SELECT id FROM sessions WHERE rowid = ? AND expires_at = ? AND ", session_is_done!());
    /// A session that is open again has led to nothing, and its card may be submitted elsewhere.
    TO_CLAIM = "SELECT id, claim, COALESCE(customer_sealed, customer) FROM sessions
        WHERE id = ? AND claim IS NOT NULL AND state <> 'open'";
    KEEP_CLAIM = "INSERT INTO claims (digest, customer, customer_sealed) VALUES (unhex(?), ?, ?)
        ON CONFLICT (digest) DO NOTHING";
    DETACH_PAYMENTS = "UPDATE payments SET session_id = NULL WHERE session_id = ?";
    REMOVE_SESSION = "DELETE FROM sessions WHERE id = ?";
    CLAIMED_BEFORE = "SELECT 1 FROM claims WHERE digest = unhex(?)
        AND (customer IS NULL OR customer NOT IN (SELECT value FROM json_each(?)))";
    FREE_PAGES = "PRAGMA freelist_count", "";
    PAGES = "PRAGMA page_count", "";
    AUTO_VACUUM = "PRAGMA auto_vacuum", "";
}

/// `PRAGMA auto_vacuum` of a file whose free pages can be returned while it is in use.
const INCREMENTAL: i64 = 2;

impl Expiring {
    const fn expired(self) -> Statement {
        match self {
            Self::IdempotencyKeys => EXPIRED_KEYS,
            Self::Notifications => EXPIRED_NOTIFICATIONS,
            Self::Changes => EXPIRED_CHANGES,
            Self::Events => EXPIRED_EVENTS,
            Self::Audit => EXPIRED_AUDIT,
            Self::Authentications => EXPIRED_AUTHENTICATIONS,
            Self::Sessions => EXPIRED_SESSIONS,
        }
    }

    /// Removes the row at a place, if nothing needs it any more.
    fn remove(self, db: &Db<'_>, place: SweepPlace) -> Result<usize> {
        let SweepPlace { time, row } = place;
        match self {
            Self::IdempotencyKeys => db.execute(REMOVE_KEY, params![row, time]),
            Self::Notifications => db.execute(REMOVE_NOTIFICATION, params![row, time]),
            Self::Changes => db.execute(REMOVE_CHANGE, params![row, time]),
            Self::Events => db.execute(REMOVE_EVENT, params![row, time]),
            Self::Audit => db.execute(REMOVE_AUDIT, params![row, time]),
            Self::Authentications => db.execute(REMOVE_AUTHENTICATION, params![row, time]),
            Self::Sessions => remove_session(db, row, time),
        }
    }
}

/// Removes a session. Who submitted a card first stays known.
fn remove_session(db: &Db<'_>, row: i64, time: i64) -> Result<usize> {
    let Some(id) = db.value::<String>(SESSION_IS_DONE, params![row, time])? else {
        return Ok(0);
    };
    let claim = db.row(TO_CLAIM, params![id], |row| {
        readable(sessions::TABLE, row, |row| {
            row.next::<String>()?;
            Ok((row.next::<String>()?, row.opened("customer")?))
        })
    })?;
    if let Some((digest, customer)) = claim {
        let seal = db.seal(CLAIMS, &digest);
        let customer = seal.found("customer", Index::Customer, customer.as_deref())?;
        db.execute(KEEP_CLAIM, params![digest, customer.by, customer.sealed])?;
    }
    db.execute(DETACH_PAYMENTS, params![id])?;
    db.execute(REMOVE_SESSION, params![id])
}

/// Whether a card was submitted first in a session that is gone, of another customer, or either of the two is of no
/// customer.
pub(super) fn claimed_before(db: &Db<'_>, claim: &str, customers: &[String]) -> Result<bool> {
    db.exists(CLAIMED_BEFORE, params![claim, *customers])
}

/// An expired row.
struct Expired {
    place: SweepPlace,
    done: bool,
}

/// How much of the file is free, in pages.
struct Space {
    free: i64,
    pages: i64,
    /// Whether free pages can be returned without rewriting the file.
    incremental: bool,
}

impl Space {
    fn of(db: &Db<'_>) -> Result<Self> {
        let value = |statement| {
            db.value::<i64>(statement, params![])
                .map(Option::unwrap_or_default)
        };
        Ok(Self {
            free: value(FREE_PAGES)?,
            pages: value(PAGES)?,
            incremental: value(AUTO_VACUUM)? == INCREMENTAL,
        })
    }

    /// Free pages beyond those that new rows will soon need.
    fn surplus(&self) -> i64 {
        self.free - (self.pages / 10).max(LEAST_RESERVE)
    }
}

/// How a step of [`Store::shrink`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shrunk {
    /// The file has no more free space than it will soon need.
    Done,
    /// There is more to return.
    More,
    /// The file is of a version that cannot return space while it is in use. [`Store::compact`] changes that.
    NotPossible,
}

/// The size of a file that was compacted, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

impl Store {
    /// Examines up to `limit` rows that expired before a time, and removes those that nothing needs any more. The
    /// next step goes on at the place that this one returns.
    pub async fn remove_expired(
        &self,
        what: Expiring,
        before: i64,
        place: SweepPlace,
        limit: u32,
    ) -> Result<SweepStep> {
        let expired = self
            .list(move |db| {
                db.rows(
                    what.expired(),
                    params![before, place.time, place.row, limit],
                    |row| {
                        let place = SweepPlace {
                            time: row.get(0)?,
                            row: row.get(1)?,
                        };
                        let done = row.get(2)?;
                        Ok(Expired { place, done })
                    },
                )
            })
            .await?;
        let place = expired.last().map_or(place, |last| last.place);
        let more = expired.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let done: Vec<SweepPlace> = expired
            .iter()
            .filter(|row| row.done)
            .map(|row| row.place)
            .collect();
        let removed = if done.is_empty() {
            0
        } else {
            self.write(move |db| {
                done.iter()
                    .map(|place| what.remove(db, *place))
                    .sum::<Result<usize>>()
            })
            .await?
        };
        Ok(SweepStep { removed, place, more })
    }

    /// Has the write-ahead log emptied, after rows were removed that may have named a customer.
    pub fn note_removed(&self) {
        self.wipes().note();
    }

    /// Returns up to `pages` free pages to the file system, if the file has more than it will soon need.
    ///
    /// PostgreSQL does this by itself: its autovacuum gives the space to new rows, and free pages at the end of a table
    /// to the file system.
    pub async fn shrink(&self, pages: u32) -> Result<Shrunk> {
        if self.is_postgres() {
            return Ok(Shrunk::Done);
        }
        let space = self.list(Space::of).await?;
        if space.surplus() <= 0 {
            return Ok(Shrunk::Done);
        }
        if !space.incremental {
            return Ok(Shrunk::NotPossible);
        }
        let pages = space.surplus().min(i64::from(pages));
        // The file itself becomes shorter when the log is emptied.
        let wipes = self.wipes();
        self.write(move |db| {
            wipes.note();
            // A pragma takes no bound parameters; the number is ours.
            let text = format!("PRAGMA incremental_vacuum({pages})");
            let mut statement = db.connection()?.prepare(&text)?;
            let mut freed = statement.query([])?;
            while freed.next()?.is_some() {}
            Ok(())
        })
        .await?;
        Ok(if space.surplus() > pages {
            Shrunk::More
        } else {
            Shrunk::Done
        })
    }

    /// Rewrites a database file that no process uses: without free space, without traces of what was deleted, and so
    /// that it can shrink while it is in use. This needs as much space again while it runs.
    ///
    /// # Errors
    /// If the file does not exist or is in use, or if the disk is full. The file is then as it was.
    pub fn compact(path: &Path) -> Result<Compacted> {
        let before = std::fs::metadata(path)?.len();
        let (path, _lock) = take_possession(path)?;
        let connection = Connection::open(&path)?;
        connection.execute_batch(
            "PRAGMA secure_delete = ON;
             PRAGMA auto_vacuum = INCREMENTAL;
             VACUUM;
             PRAGMA wal_checkpoint(TRUNCATE);",
        )?;
        connection.close().map_err(|(_, error)| error)?;
        let after = std::fs::metadata(&path)?.len();
        Ok(Compacted { before, after })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    const DAY: i64 = 24 * 60 * 60_000;
    const NOW: i64 = 1_800_000_000_000;

    use super::super::testing::{self, number, open};

    async fn sql(store: &Store, text: &str) {
        testing::sql(store, text).await.unwrap();
    }

    /// A store whose file a test looks at.
    async fn file() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("x.sqlite")).await.unwrap();
        (folder, store)
    }

    /// What is left of one kind, after sweeps that examine a few rows at a time.
    async fn sweep(store: &Store, what: Expiring, before: i64) -> usize {
        let (mut place, mut removed) = (SweepPlace::START, 0);
        loop {
            let step = store.remove_expired(what, before, place, 3).await.unwrap();
            removed += step.removed;
            place = step.place;
            if !step.more {
                return removed;
            }
        }
    }

    fn payment(id: &str, status: Status, session: &str) -> String {
        format!(
            "INSERT INTO payments (id, platform, status, amount_minor, currency, order_reference, description,
                session_id, created_at, updated_at)
             VALUES ('{id}', 'greenpay', '{}', 1234, 'USD', '{id}', 'x', {session}, 1, 1);",
            status.stored()
        )
    }

    fn session(id: &str, kind: &str, state: &str, more: &str, expires: i64) -> String {
        format!(
            "INSERT INTO sessions (id, platform, kind, mode, reference, state, created_at, expires_at, {})
             VALUES ('{id}', 'greenpay', '{kind}', 'relay', 'ref-{id}', '{state}', 1, {expires}, {});",
            more.split('=').next().unwrap(),
            more.split('=').nth(1).unwrap(),
        )
    }

    fn token(id: &str, status: &str, platform_token: &str) -> String {
        format!(
            "INSERT INTO tokens (id, platform, platform_token, status, created_at, updated_at)
             VALUES ('{id}', 'greenpay', '{platform_token}', '{status}', 1, 1);"
        )
    }

    fn key(scope: &str, key: &str, payment: &str, created: i64) -> String {
        format!(
            "INSERT INTO idempotency_keys (scope, key, fingerprint, payment_id, answer_status, answer_body, created_at)
             VALUES ('{scope}', '{key}', 'f', '{payment}', 201, '{{}}', {created});"
        )
    }

    /// Whatever the outcome of a payment, it decides over its key and its session as `Status::is_unknown` has it.
    #[tokio::test]
    async fn keys_and_sessions_of_open_payments_stay() {
        let (_folder, store) = open().await;
        for (at, status) in Status::ALL.iter().enumerate() {
            let id = format!("pay_{at}");
            sql(
                &store,
                &[
                    session(
                        &format!("ses_{at}"),
                        "payment",
                        "used",
                        &format!("result_id='{id}'"),
                        10,
                    ),
                    payment(&id, *status, &format!("'ses_{at}'")),
                    key("merchant", &format!("k{at}"), &id, 10),
                ]
                .concat(),
            )
            .await;
        }
        let open = Status::ALL.iter().filter(|status| status.is_unknown()).count();
        let settled = Status::ALL.len() - open;
        assert_eq!(sweep(&store, Expiring::IdempotencyKeys, 11).await, settled);
        assert_eq!(sweep(&store, Expiring::Sessions, 11).await, settled);
        for (at, status) in Status::ALL.iter().enumerate() {
            let payment = store.payment(&format!("pay_{at}").as_str().into()).await;
            let payment = payment.unwrap().unwrap();
            assert_eq!(payment.status, *status);
            assert_eq!(payment.session_id.is_some(), status.is_unknown(), "{status:?}");
            let session = store.session(&format!("ses_{at}").as_str().into()).await;
            assert_eq!(session.unwrap().is_some(), status.is_unknown(), "{status:?}");
        }
        assert_eq!(
            number(&store, "SELECT count(*) FROM idempotency_keys").await,
            i64::try_from(open).unwrap()
        );
    }

    #[tokio::test]
    async fn what_is_young_or_still_needed_stays() {
        let (_folder, store) = open().await;
        let old = NOW - 40 * DAY;
        sql(
            &store,
            &[
                token("tok_active", "active", "p1"),
                token("tok_waiting", "unconfirmed", "p2"),
                token("tok_sample", "active", "ref-ses_sample"),
                payment("pay_1", Status::Approved, "NULL"),
                session("ses_abandoned", "tokenize", "open", "result_id=NULL", old),
                session("ses_stored", "tokenize", "used", "result_id='tok_active'", old),
                session("ses_young", "tokenize", "open", "result_id=NULL", NOW - 20 * DAY),
                session("ses_busy", "tokenize", "busy", "result_id=NULL", old),
                session("ses_waiting", "tokenize", "used", "result_id='tok_waiting'", old),
                session(
                    "ses_sample",
                    "tokenize",
                    "used",
                    "result_id, names_card='tok_sample', TRUE",
                    old,
                ),
                session("ses_keyed", "payment", "used", "result_id='pay_1'", old),
                key("ses_keyed", "k", "pay_1", NOW - 20 * DAY),
            ]
            .concat(),
        )
        .await;
        let before = NOW - 30 * DAY;
        assert_eq!(sweep(&store, Expiring::IdempotencyKeys, before).await, 0);
        assert_eq!(sweep(&store, Expiring::Sessions, before).await, 2);
        for id in ["ses_young", "ses_busy", "ses_waiting", "ses_sample", "ses_keyed"] {
            assert!(store.session(&id.into()).await.unwrap().is_some(), "{id}");
        }
        // Confirmed, deleted, finished, and with an expired key.
        sql(
            &store,
            "UPDATE tokens SET status = 'active' WHERE id = 'tok_waiting';
             UPDATE tokens SET status = 'deleted', platform_token = NULL WHERE id = 'tok_sample';
             UPDATE sessions SET state = 'open' WHERE id = 'ses_busy';",
        )
        .await;
        let later = NOW + 20 * DAY;
        assert_eq!(sweep(&store, Expiring::IdempotencyKeys, later).await, 1);
        assert_eq!(sweep(&store, Expiring::Sessions, later).await, 5);
    }

    /// Whoever submitted a card first keeps it, however long ago that was.
    #[tokio::test]
    async fn a_card_stays_its_first_customers_after_its_session_is_gone() {
        use cardseal::platform::Platform;
        use cardseal::session::{Kind, Mode};

        use super::super::{Attempt, NewSession, SessionClaim, Taker};
        let (_folder, store) = open().await;
        let card = secrecy::SecretString::from("wrapped key");
        let claim = async |customer: Option<&str>, created_at: i64| {
            let session = NewSession {
                platform: Platform::GreenPay,
                kind: Kind::Payment,
                mode: Mode::Relay,
                reference: uuid::Uuid::new_v4().to_string(),
                platform_state: "s".into(),
                customer: customer.map(Into::into),
                token_id: None,
                amount: Some((1, "USD")),
                description: "x".into(),
                capture_later: false,
                created_at,
                expires_at: created_at + 1000,
            };
            let id = store.add_session(session).await.unwrap();
            let attempt = Attempt {
                body_hash: "h".into(),
                card: Some(card.clone()),
                taker: Taker::Platform,
            };
            let claimed = store.claim_session(&id, attempt, created_at, 0).await.unwrap();
            (id, matches!(claimed, SessionClaim::Claimed(..)))
        };
        let (first, claimed) = claim(Some("a"), NOW).await;
        assert!(claimed);
        sql(&store, "UPDATE sessions SET state = 'used'").await;
        assert_eq!(sweep(&store, Expiring::Sessions, NOW + 2000).await, 1);
        assert!(store.session(&first).await.unwrap().is_none());
        let later = NOW + 40 * DAY;
        assert!(!claim(Some("b"), later).await.1);
        assert!(!claim(None, later).await.1);
        assert!(claim(Some("a"), later).await.1);
    }

    #[tokio::test]
    async fn notifications_and_finished_changes_go_and_sums_stay() {
        let (_folder, store) = open().await;
        let mut rows = payment("pay_1", Status::PartiallyRefunded, "NULL");
        rows += "UPDATE payments SET captured_minor = 1234, refunded_minor = 34;";
        for (id, state, at) in [
            ("chg_1", "done", 10),
            ("chg_2", "failed", 10),
            ("chg_3", "unknown", 10),
            ("chg_4", "in_flight", 10),
            ("chg_5", "done", 20),
        ] {
            rows += &format!(
                "INSERT INTO changes (id, payment_id, kind, amount_minor, whole, state, before, created_at, updated_at)
                 VALUES ('{id}', 'pay_1', 'refund', 17, FALSE, '{state}', 'approved', 1, {at});"
            );
        }
        for (digest, at) in [("d1", 10), ("d2", 10), ("d3", 20)] {
            rows += &format!(
                "INSERT INTO notifications (digest, platform, route, reference, effect, received_at)
                 VALUES ('{digest}', 'greenpay', '/', 'r', 'known', {at});"
            );
        }
        sql(&store, &rows).await;
        assert_eq!(sweep(&store, Expiring::Changes, 20).await, 2);
        assert_eq!(sweep(&store, Expiring::Notifications, 20).await, 2);
        assert!(store.knows_notification("d3").await.unwrap());
        assert!(!store.knows_notification("d1").await.unwrap());
        assert!(store.unknown_change(&"pay_1".into()).await.unwrap().is_some());
        let payment = store.payment(&"pay_1".into()).await.unwrap().unwrap();
        assert_eq!((payment.captured, payment.refunded), (1234, 34));
    }

    /// Rows of the same millisecond, and more of them than a step takes.
    #[tokio::test]
    async fn a_sweep_passes_what_stays_and_reaches_everything_once() {
        let (_folder, store) = open().await;
        let mut rows = String::new();
        for at in 0..20 {
            let status = if at % 2 == 0 {
                Status::Unknown
            } else {
                Status::Declined
            };
            rows += &payment(&format!("pay_{at}"), status, "NULL");
            rows += &key("merchant", &format!("k{at}"), &format!("pay_{at}"), 5 + at / 10);
        }
        sql(&store, &rows).await;
        let (mut place, mut steps) = (SweepPlace::START, 0);
        loop {
            let step = store
                .remove_expired(Expiring::IdempotencyKeys, 100, place, 3)
                .await
                .unwrap();
            assert!(step.place != place || !step.more);
            place = step.place;
            steps += 1;
            if !step.more {
                break;
            }
        }
        assert_eq!(steps, 7);
        assert_eq!(number(&store, "SELECT count(*) FROM idempotency_keys").await, 10);
        // What expires later comes after that place.
        sql(&store, &key("merchant", "later", "pay_1", 50)).await;
        let step = store
            .remove_expired(Expiring::IdempotencyKeys, 100, place, 3)
            .await;
        assert_eq!(step.unwrap().removed, 1);
    }

    #[tokio::test]
    async fn every_search_for_expired_rows_uses_its_index() {
        let (_folder, store) = file().await;
        for what in Expiring::ALL {
            let text = format!("EXPLAIN QUERY PLAN {}", what.expired().text());
            let plan = store.read(move |db| {
                let mut statement = db.connection()?.prepare(&text)?;
                let steps = statement.query_map([1, 1, 1, 1], |row| row.get::<_, String>("detail"))?;
                Ok(steps.collect::<std::result::Result<Vec<_>, _>>()?)
            });
            for step in plan.await.unwrap() {
                assert!(
                    step.starts_with("SEARCH") || step.starts_with("CORRELATED"),
                    "{what:?}: {step}"
                );
            }
        }
    }

    fn filled(rows: u32) -> String {
        let mut text = String::new();
        for at in 0..rows {
            text += &format!(
                "INSERT INTO notifications (digest, platform, route, reference, effect, received_at)
                 VALUES ('{at:0>600}', 'greenpay', '/', 'r', 'known', {at});"
            );
        }
        text
    }

    fn size(folder: &tempfile::TempDir) -> u64 {
        std::fs::metadata(folder.path().join("x.sqlite")).unwrap().len()
    }

    #[tokio::test]
    async fn the_file_shrinks_in_small_steps_while_it_is_in_use() {
        let (folder, store) = file().await;
        sql(&store, &filled(6000)).await;
        assert!(store.empty_log().await.unwrap());
        let before = size(&folder);
        let mut place = SweepPlace::START;
        loop {
            let step = store
                .remove_expired(Expiring::Notifications, 5900, place, 64)
                .await
                .unwrap();
            place = step.place;
            if !step.more {
                break;
            }
        }
        let mut steps = 0;
        loop {
            steps += 1;
            match store.shrink(64).await.unwrap() {
                Shrunk::More => {}
                Shrunk::Done => break,
                Shrunk::NotPossible => panic!("a new file can shrink"),
            }
        }
        assert!(steps > 3, "{steps}");
        assert!(store.empty_log().await.unwrap());
        let after = size(&folder);
        assert!(after < before / 3, "{before} {after}");
        // What stays free is for new rows.
        assert_eq!(store.shrink(64).await.unwrap(), Shrunk::Done);
        assert_eq!(number(&store, "SELECT count(*) FROM notifications").await, 100);
        let sound: String = store
            .read(|db| {
                Ok(db
                    .connection()?
                    .query_row("PRAGMA integrity_check", [], |row| row.get(0))?)
            })
            .await
            .unwrap();
        assert_eq!(sound, "ok");
    }

    #[tokio::test]
    async fn an_old_file_shrinks_after_it_was_compacted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        // As a version without incremental vacuum made it.
        let old = Connection::open(&path).unwrap();
        old.execute_batch("CREATE TABLE old (id INTEGER PRIMARY KEY); DROP TABLE old;")
            .unwrap();
        drop(old);
        let store = Store::open(&path).await.unwrap();
        sql(&store, &filled(6000)).await;
        sql(&store, "DELETE FROM notifications WHERE received_at < 5900").await;
        assert_eq!(store.shrink(64).await.unwrap(), Shrunk::NotPossible);
        // It belongs to the server.
        assert!(matches!(
            Store::compact(&path),
            Err(super::super::StoreError::InUse)
        ));
        store.close().await;
        drop(store);
        let size_before = size(&folder);
        let size = Store::compact(&path).unwrap();
        assert!(
            size.before == size_before && size.after < size.before / 3,
            "{size:?}"
        );
        let store = Store::open(&path).await.unwrap();
        assert_eq!(number(&store, "PRAGMA auto_vacuum").await, 2);
        assert_eq!(number(&store, "SELECT count(*) FROM notifications").await, 100);
        assert!(Store::compact(&folder.path().join("none.sqlite")).is_err());
        assert!(!folder.path().join("none.sqlite").exists());
    }
}
