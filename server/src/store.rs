//! What is kept, in one SQLite file: sessions, tokens, payments, idempotency keys, notifications.
//!
//! Every commit is on the disk before it returns (`synchronous = FULL`). One process owns the file: what was
//! under way when the last one ended is settled at the next start, which a second process would do to the first.

mod changes;
mod idempotency;
mod notifications;
mod payments;
mod sessions;
mod tokens;

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

pub use changes::{Change, ChangeClaim, ChangeResult, NewChange};
pub use idempotency::{Claim, Key, StoredAnswer};
pub use notifications::Notice;
pub use payments::{Movement, NewPayment, Payment, Settlement, Status};
pub use sessions::{NewSession, Session, SessionClaim, SessionState, Storing};
pub use tokens::{Token, TokenStatus};

const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_start.sql"),
    include_str!("../migrations/0002_parts.sql"),
    include_str!("../migrations/0003_redirect.sql"),
    include_str!("../migrations/0004_later.sql"),
    include_str!("../migrations/0005_queues.sql"),
    include_str!("../migrations/0006_binding.sql"),
];

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The file or its lock.
    #[error("database file: {0}")]
    File(#[from] std::io::Error),
    /// Another process has it.
    #[error("another server is using this database")]
    InUse,
    /// A newer version wrote it.
    #[error("the database was written by a newer version")]
    TooNew,
    /// A value that this version does not know.
    #[error("the database holds a value that is not known: {0}")]
    Unknown(&'static str),
}

/// Shorthand.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The open database.
pub struct Store {
    /// One connection: writes wait for one another here and not inside SQLite.
    writer: SqlitePool,
    reader: SqlitePool,
    _lock: File,
}

/// What the last process left behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recovered {
    /// Payments whose outcome is now unknown.
    pub payments: u64,
    /// Captures, voids and refunds whose outcome is now unknown.
    pub changes: u64,
}

impl Store {
    /// Opens the file, creates it if need be, and takes possession of it.
    ///
    /// # Errors
    /// If it is in use, newer than this version, or cannot be opened.
    pub async fn open(path: &Path) -> Result<Self> {
        let lock = lock(path)?;
        private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true)
            // What is deleted or wiped does not linger in free pages.
            .pragma("secure_delete", "ON");
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await?;
        migrate(&writer).await?;
        // After the migration: a connection that knows the old tables would misread the new ones.
        let reader = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await?;
        Ok(Self {
            writer,
            reader,
            _lock: lock,
        })
    }

    async fn write(&self) -> Result<Transaction<'_, Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Settles what was under way when the last process ended: sessions are open again, money is unknown.
    ///
    /// # Errors
    /// Of the database.
    pub async fn recover(&self, now: i64) -> Result<Recovered> {
        let mut tx = self.write().await?;
        let payments =
            sqlx::query("UPDATE payments SET status = 'unknown', updated_at = ? WHERE status = 'in_flight'")
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected();
        let mut changes = 0;
        sqlx::query("UPDATE changes SET state = 'unknown', updated_at = ? WHERE state = 'in_flight'")
            .bind(now)
            .execute(&mut *tx)
            .await?;
        for (from, to) in [
            ("capture_in_flight", "capture_unknown"),
            ("void_in_flight", "void_unknown"),
            ("refund_in_flight", "refund_unknown"),
        ] {
            changes += sqlx::query("UPDATE payments SET status = ?, updated_at = ? WHERE status = ?")
                .bind(to)
                .bind(now)
                .bind(from)
                .execute(&mut *tx)
                .await?
                .rows_affected();
        }
        // A session whose card may have been charged is used; any other may be tried again.
        sqlx::query(
            "UPDATE sessions SET state = 'used', kept = NULL,
                result_id = (SELECT id FROM payments WHERE session_id = sessions.id AND status <> 'failed')
             WHERE state = 'busy' AND EXISTS
                (SELECT 1 FROM payments WHERE session_id = sessions.id AND status <> 'failed')",
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query("UPDATE sessions SET state = 'open' WHERE state = 'busy'")
            .execute(&mut *tx)
            .await?;
        // What came of a page of the platform's is asked for also when the customer was late.
        sqlx::query(
            "UPDATE sessions SET kept = NULL WHERE kept IS NOT NULL
                AND expires_at + CASE WHEN kind = 'payment' AND mode = 'direct' THEN 604800000 ELSE 0 END < ?",
        )
            .bind(now)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Recovered { payments, changes })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.reader).await?;
        Ok(())
    }

    /// Writes everything out and closes the file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Brings the tables up to date.
async fn migrate(writer: &SqlitePool) -> Result<()> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *tx)
        .await?;
    let done = usize::try_from(version).map_err(|_| StoreError::TooNew)?;
    let pending = MIGRATIONS.get(done..).ok_or(StoreError::TooNew)?;
    for migration in pending {
        sqlx::raw_sql(*migration).execute(&mut *tx).await?;
    }
    // A pragma takes no bound value; this one is our own count.
    let version = format!("PRAGMA user_version = {}", MIGRATIONS.len());
    sqlx::raw_sql(sqlx::AssertSqlSafe(version))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Held until the process ends, however it ends.
fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(name)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Creates the file so that only its owner can read it.
fn private(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)?;
    Ok(())
}

/// A new id: a prefix and 122 random bits.
fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn payments_of_the_first_version_are_carried_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true);
        let old = SqlitePool::connect_with(options).await.unwrap();
        sqlx::raw_sql(MIGRATIONS[0]).execute(&old).await.unwrap();
        sqlx::raw_sql(
            "PRAGMA user_version = 1;
             INSERT INTO payments (id, platform, status, amount_minor, currency, order_reference, description,
                created_at, updated_at) VALUES
                ('pay_a', 'greenpay', 'approved', 1234, 'USD', 'a', 'x', 1, 1),
                ('pay_b', 'greenpay', 'refunded', 1234, 'USD', 'b', 'x', 1, 1),
                ('pay_c', 'greenpay', 'void_in_flight', 1234, 'USD', 'c', 'x', 1, 1),
                ('pay_d', 'greenpay', 'declined', 1234, 'USD', 'd', 'x', 1, 1);
             INSERT INTO idempotency_keys (scope, key, fingerprint, payment_id, created_at)
                VALUES ('merchant', 'k', 'f', 'pay_a', 1);",
        )
        .execute(&old)
        .await
        .unwrap();
        old.close().await;
        let store = Store::open(&path).await.unwrap();
        let left = store.recover(2).await.unwrap();
        assert_eq!(left.changes, 1);
        for (id, status, captured, refunded) in [
            ("pay_a", Status::Approved, 1234, 0),
            ("pay_b", Status::Refunded, 1234, 1234),
            ("pay_c", Status::VoidUnknown, 1234, 0),
            ("pay_d", Status::Declined, 0, 0),
        ] {
            let payment = store.payment(id).await.unwrap().unwrap();
            assert_eq!(
                (payment.status, payment.captured, payment.refunded),
                (status, captured, refunded),
                "{id}"
            );
        }
        let change = store.unknown_change("pay_c").await.unwrap().unwrap();
        assert_eq!(
            (change.movement, change.whole, change.again),
            (Movement::Void, true, true)
        );
        let broken = sqlx::query("PRAGMA foreign_key_check")
            .fetch_all(&store.reader)
            .await
            .unwrap();
        assert!(broken.is_empty());
    }

    /// A store of the version before, with what this one would not let in.
    async fn before_binding(rows: &str) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true);
        let old = SqlitePool::connect_with(options).await.unwrap();
        for migration in &MIGRATIONS[..5] {
            sqlx::raw_sql(*migration).execute(&old).await.unwrap();
        }
        let rows = format!("PRAGMA user_version = 5; {rows}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(rows))
            .execute(&old)
            .await
            .unwrap();
        old.close().await;
        let store = Store::open(&path).await.unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn a_platforms_token_that_was_stored_twice_stays_the_first_customers() {
        let row = |id: &str, platform: &str, token: &str, status: &str, customer: &str| {
            format!(
                "INSERT INTO tokens (id, platform, platform_token, holder, status, customer, created_at, updated_at)
                    VALUES ('{id}', '{platform}', '{token}', 'Jane', '{status}', {customer}, 1, 1);"
            )
        };
        let (_folder, store) = before_binding(
            &[
                row("tok_first", "gp_api", "PMT_1", "active", "'a'"),
                row("tok_stranger", "gp_api", "PMT_1", "active", "'b'"),
                row("tok_strangers", "gp_api", "PMT_1", "active", "'b'"),
                row("tok_again", "gp_api", "PMT_1", "active", "'a'"),
                row("tok_nobody", "gp_api", "PMT_1", "active", "NULL"),
                row("tok_claim", "gp_api", "PMT_1", "unconfirmed", "'c'"),
                row("tok_other", "ccbill", "PMT_1", "active", "'b'"),
                row("tok_guest", "online_payments", "t", "active", "NULL"),
                row("tok_guests", "online_payments", "t", "active", "NULL"),
            ]
            .concat(),
        )
        .await;
        for (id, kept, status) in [
            ("tok_first", "tok_first", TokenStatus::Active),
            ("tok_again", "tok_first", TokenStatus::Active),
            ("tok_stranger", "tok_stranger", TokenStatus::Deleted),
            ("tok_strangers", "tok_strangers", TokenStatus::Deleted),
            ("tok_nobody", "tok_nobody", TokenStatus::Deleted),
            ("tok_claim", "tok_claim", TokenStatus::Unconfirmed),
            ("tok_other", "tok_other", TokenStatus::Active),
            ("tok_guest", "tok_guest", TokenStatus::Active),
            ("tok_guests", "tok_guest", TokenStatus::Active),
        ] {
            let token = store.token(id).await.unwrap().unwrap();
            assert_eq!((token.id.as_str(), token.status), (kept, status), "{id}");
            assert_eq!(token.holder.is_some(), status != TokenStatus::Deleted, "{id}");
        }
        let listed = store.tokens(Some("a"), None, 10).await.unwrap();
        assert_eq!(listed.len(), 1);
        // What was deleted is gone under both names.
        store.delete_token("tok_first", 2).await.unwrap();
        let token = store.token("tok_again").await.unwrap().unwrap();
        assert_eq!(token.status, TokenStatus::Deleted);
        assert!(token.platform_token.is_none());
    }

    /// The database itself says so, whoever writes.
    #[tokio::test]
    async fn a_platforms_token_is_active_once() {
        let (_folder, store) = before_binding("").await;
        let insert = async |id: &str, platform: &str, status: &str| {
            sqlx::query(
                "INSERT INTO tokens (id, platform, platform_token, status, created_at, updated_at)
                    VALUES (?, ?, 'PMT_1', ?, 1, 1)",
            )
            .bind(id)
            .bind(platform)
            .bind(status)
            .execute(&store.writer)
            .await
        };
        insert("tok_1", "gp_api", "active").await.unwrap();
        insert("tok_2", "gp_api", "active").await.unwrap_err();
        insert("tok_3", "ccbill", "active").await.unwrap();
        // A browser that claims somebody else's token keeps nobody from having it.
        insert("tok_4", "gp_api", "unconfirmed").await.unwrap();
        insert("tok_5", "gp_api", "unconfirmed").await.unwrap();
    }

    #[tokio::test]
    async fn of_two_sessions_of_one_reference_the_used_one_keeps_it() {
        let row = |id: &str, kind: &str, state: &str, at: i64| {
            format!(
                "INSERT INTO sessions (id, platform, kind, mode, reference, state, created_at, expires_at)
                    VALUES ('{id}', 'gp_api', '{kind}', 'direct', 'PMT_1', '{state}', {at}, 9);"
            )
        };
        let (_folder, store) = before_binding(
            &[
                row("ses_1", "tokenize", "open", 1),
                row("ses_2", "tokenize", "used", 2),
                row("ses_3", "tokenize", "used", 3),
                row("ses_4", "payment", "open", 1),
                row("ses_5", "payment", "open", 2),
            ]
            .concat(),
        )
        .await;
        let found = store.session_of("gp_api", "PMT_1").await.unwrap();
        assert_eq!(found.as_deref(), Some("ses_2"));
        for id in ["ses_1", "ses_3", "ses_4", "ses_5"] {
            assert!(store.session(id).await.unwrap().is_some(), "{id}");
        }
    }

    /// Payments that nobody can ask about must not stand in the way of those that can be asked about.
    #[tokio::test]
    async fn unknown_payments_of_another_platform_starve_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("x.sqlite")).await.unwrap();
        for (id, platform) in (0..40)
            .map(|index| (format!("pay_a{index}"), "greenpay"))
            .chain([("pay_z".into(), "online_payments")])
        {
            sqlx::query(
                "INSERT INTO payments (id, platform, status, amount_minor, currency, order_reference, description,
                    created_at, updated_at) VALUES (?1, ?2, 'unknown', 1, 'EUR', ?1, 'x', 1, 1)",
            )
            .bind(id)
            .bind(platform)
            .execute(&store.writer)
            .await
            .unwrap();
        }
        let found = store.unknown_payments("online_payments", 5, 16).await;
        assert_eq!(found.unwrap(), ["pay_z"]);
        assert!(store.unknown_payments("gp_api", 5, 16).await.unwrap().is_empty());
    }

    /// Who has waited longest comes first; a time that was written before the clock was put back does not count.
    #[tokio::test]
    async fn unknown_payments_are_due_in_the_order_of_their_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("x.sqlite")).await.unwrap();
        let now = 1_800_000_000_000_i64;
        for (id, look_at) in [
            ("pay_late", now - 1),
            ("pay_early", now - 5000),
            ("pay_soon", now + 200_000),
            ("pay_tomorrow", now + 86_400_000),
        ] {
            sqlx::query(
                "INSERT INTO payments (id, platform, status, amount_minor, currency, order_reference, description,
                    look_at, created_at, updated_at) VALUES (?1, 'gp_api', 'unknown', 1, 'EUR', ?1, 'x', ?2, 1, 1)",
            )
            .bind(id)
            .bind(look_at)
            .execute(&store.writer)
            .await
            .unwrap();
        }
        let due = store.unknown_payments("gp_api", now, 16).await.unwrap();
        assert_eq!(due, ["pay_tomorrow", "pay_early", "pay_late"]);
    }

    #[tokio::test]
    async fn one_process_owns_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        let store = Store::open(&path).await.unwrap();
        assert!(matches!(Store::open(&path).await, Err(StoreError::InUse)));
        store.close().await;
        drop(store);
        Store::open(&path).await.unwrap().ping().await.unwrap();
    }

    #[tokio::test]
    async fn every_commit_is_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("x.sqlite")).await.unwrap();
        for pool in [&store.writer, &store.reader] {
            let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
                .fetch_one(pool)
                .await
                .unwrap();
            let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
                .fetch_one(pool)
                .await
                .unwrap();
            assert_eq!((mode.as_str(), synchronous), ("wal", 2));
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn nobody_else_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        let _store = Store::open(&path).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
    }
}
