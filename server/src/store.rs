//! Sessions, tokens, payments, subscriptions, idempotency keys and notifications, in one SQLite file or in a PostgreSQL
//! database.
//!
//! The store knows no payment rules. Within the transaction that writes a new state, it asks its caller what that
//! state is.
//!
//! Every commit is on disk before it returns, and transactions that arrive together share one flush. A SQLite file
//! belongs to one process. Several share a PostgreSQL database: each takes over what another left unfinished, once the
//! other's lease has ended.

mod audit;
mod authentications;
mod changes;
mod connection;
mod customers;
mod dialect;
mod events;
mod health;
mod idempotency;
mod ids;
mod instances;
mod keys;
mod migrations;
mod notifications;
mod overview;
mod payments;
#[cfg(test)]
mod plans;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(not(feature = "postgres"))]
#[path = "store/postgres/absent.rs"]
mod postgres;
mod reader;
mod reseal;
mod retention;
mod seal;
mod sessions;
mod sql;
mod status;
mod subscriptions;
#[cfg(test)]
pub(crate) mod testing;
mod tokens;
mod upkeep;
mod worker;
mod writer;

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use cardseal::platform::Platform;
use tracing::Instrument;

use crate::hints::Hints;
use connection::Settings;
use instances::{Instance, Right};
use postgres::{Keeper, Messengers};
use sql::{Columns, Db, Listed, Statement, params, readable, statements};
use worker::Threads;
use writer::Writer;

pub use audit::AuditEntry;
pub use authentications::{
    Authentication, AuthenticationState, Begun, NewAuthentication, Unusable, preference_text,
};
pub use changes::{Change, ChangeClaim, ChangeDecision, ChangeResult, ChangeUpdate, NewChange};
pub use customers::ErasedRows;
pub(crate) use events::LONGEST_PAUSE_MS as LONGEST_EVENT_PAUSE_MS;
pub use events::{Attempted, EventKind, EventState, StoredEvent};
pub use health::Health;
pub use idempotency::{Claim, Key, Scope, StoredAnswer};
pub use ids::{
    AuditId, AuthenticationId, ChangeId, EventId, Fingerprint, IdempotencyKey, KeyId, PaymentId, SessionId,
    SubscriptionId, TokenId,
};
pub use instances::LEASE;
pub use keys::{ApiKey, Validity};
pub use notifications::{Effect, Notice, NoticeAction, NoticeRule, NoticeSubject};
pub use overview::Unknown;
pub use payments::{Movement, NewPayment, Payment, PaymentFilter, PaymentUpdate, Status};
pub use postgres::Postgres;
pub use reseal::{SealPlace, SealStep};
pub use retention::{Compacted, Expiring, Shrunk, SweepPlace, SweepStep};
pub use seal::{EncryptionKey, EncryptionKeys, SealError};
pub use sessions::{Attempt, NewSession, Session, SessionClaim, SessionResult, SessionState, Storing, Taker};
pub use subscriptions::{
    ListedRule, NewSubscription, Recorded, Subscription, SubscriptionClaim, SubscriptionFilter,
    SubscriptionStatus, SubscriptionUpdate,
};
pub use tokens::{Token, TokenStatus};
pub use upkeep::{ANSWER_GRACE_MS, Abandoned, Claimed, PAGE_GRACE_MS, Recovered, UnderWay};

/// How long a statement waits while another process has locked the database.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for a database connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many connections read single rows, and how many read lists. A list that takes long delays other lists only.
const READERS: usize = 2;
const LIST_READERS: usize = 2;

/// What failed in the database.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("database: {0}")]
    Database(#[source] Cause),
    /// The disk is full or failing, or the file is locked or read-only. Nothing was stored; it may work later.
    #[error("the database cannot be used: {0}")]
    Unavailable(#[source] Cause),
    /// The file, or its lock file, cannot be opened.
    #[error("database file: {0}")]
    File(#[from] std::io::Error),
    /// Another process has opened the file.
    #[error("another process is using this database")]
    InUse,
    /// A neighbour has taken over what this process worked on.
    #[error(
        "this process did not renew its lease on the database in time, and another one has taken over its work"
    )]
    LeaseLost,
    /// A version that does not share the database has it, or another process takes long to migrate it.
    #[error(
        "a process of an older version owns this database, or another process is still migrating it; stop the older \
         one, or try again"
    )]
    OlderOwner,
    /// The tables have to change, and others use them.
    #[error(
        "this version changes the tables, and processes of an older version use them; stop all of those, then start this \
         one"
    )]
    OlderInstances,
    /// What one process has timed would be early or late for another.
    #[error(
        "this machine's clock and the database's are {0} seconds apart; set both by the time of the network (NTP)"
    )]
    ClocksApart(i64),
    /// The file has hard links. SQLite names its log after the path, so two paths would corrupt the database.
    #[error("the database file has hard links; remove all but one")]
    Linked,
    /// The database refuses this user, or has no database of this name.
    #[error("the database refuses the connection; check the user, the password and the name in its URL: {0}")]
    Access(#[source] Cause),
    /// There is no connection to the database that can be trusted.
    #[error("no TLS connection to the database: {0}")]
    Tls(#[source] Cause),
    /// The database would lose what it has acknowledged.
    #[error("the database acknowledges commits that a crash takes back: {0} is off; turn it on")]
    NotDurable(&'static str),
    /// The database only reads.
    #[error(
        "the database is read-only: this is a replica, or the user may not write; connect to the primary"
    )]
    ReadOnly,
    /// PostgreSQL does this by itself.
    #[error("only a SQLite file is compacted; PostgreSQL's autovacuum returns space by itself")]
    NothingToCompact,
    /// A newer version wrote the database.
    #[error("the database was written by a newer version; start that version, or restore a backup")]
    TooNew,
    /// A migration that has run differs from this version's.
    #[error("another build made the database (migration {0} differs); start that build, or restore a backup")]
    OtherMigration(i64),
    /// This version cannot read a row.
    #[error("row {row} of table {table} cannot be read: {reason}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The row's id.
        row: String,
        /// Which value is wrong. Never the value itself.
        reason: String,
    },
    /// A column has a value that this version does not know.
    #[error("a column has an unknown value: {0}")]
    Unknown(&'static str),
    /// A value does not open, or cannot be sealed.
    #[error("its {column} {problem}")]
    Sealed {
        /// Its column.
        column: &'static str,
        /// Why.
        problem: SealError,
    },
    /// A key of the configuration is not the one of that name that sealed rows.
    #[error(
        "the encryption key `{0}` is another key than the one of that name that sealed this database; restore it, and \
         give a new key a new name"
    )]
    WrongKey(String),
    /// Rows need a key that the configuration does not have.
    #[error(
        "{rows} row(s) of the database are sealed with the encryption key `{key}`, which is not configured; add it \
         again, and remove it only when no row needs it"
    )]
    MissingKey {
        /// The key's name.
        key: String,
        /// How many rows need it.
        rows: u64,
    },
    /// A bug ended a transaction. Nothing was stored.
    #[error("a transaction panicked")]
    Panicked,
}

/// Whether a result code of SQLite says that the file or the disk cannot be used now.
const fn is_unavailable(code: i32) -> bool {
    // The low byte is the kind: no permission, busy, locked, out of memory, read-only, input or output, corrupt, full,
    // cannot be opened, not a database.
    matches!(code & 0xff, 3 | 5 | 6 | 7 | 8 | 10 | 11 | 13 | 14 | 26)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code);
        if code.is_some_and(is_unavailable) {
            Self::Unavailable(error.into())
        } else {
            Self::Database(error.into())
        }
    }
}

/// A result of the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Location {
    /// A file.
    Sqlite {
        /// Its path.
        path: PathBuf,
        /// How long a statement waits for locks of other processes.
        busy_timeout: Duration,
    },
    /// A server.
    Postgres(Box<Postgres>),
}

/// The way to what writes.
enum Writers {
    Sqlite(Writer),
    Postgres {
        threads: Threads,
        keeper: Option<Keeper>,
        messengers: Option<Messengers>,
    },
}

impl Writers {
    const fn sqlite(&self) -> Option<&Writer> {
        match self {
            Self::Sqlite(writer) => Some(writer),
            Self::Postgres { .. } => None,
        }
    }

    fn waiting(&self) -> usize {
        match self {
            Self::Sqlite(writer) => writer.waiting(),
            Self::Postgres { threads, .. } => threads.waiting(),
        }
    }
}

/// The open database. A method that returns a [`StoreError`] has stored nothing, unless the connection to a server was
/// lost during the commit: then nobody knows, and who repeats the request finds out.
pub struct Store {
    writer: Writers,
    reader: Threads,
    lists: Threads,
    /// Whether a secret was wiped that may still be in the write-ahead log.
    wiped: Arc<AtomicBool>,
    health: health::Probe,
    instance: Arc<Instance>,
    under_way: UnderWay,
    outbox: Arc<events::Outbox>,
    keys: seal::Keys,
    sealing: reseal::Progress,
    hints: Hints,
}

impl Store {
    /// Opens the database file, and creates it if necessary. No other process can open it meanwhile.
    ///
    /// # Errors
    /// If the database is in use, is newer than this version, or cannot be opened.
    pub async fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, BUSY_TIMEOUT).await
    }

    /// Opens the database with another time-out for locks of other processes.
    ///
    /// # Errors
    /// If the database is in use, is newer than this version, or cannot be opened.
    pub async fn open_with(path: &Path, busy_timeout: Duration) -> Result<Self> {
        Self::open_patiently(path, busy_timeout, ACQUIRE_TIMEOUT).await
    }

    /// Opens a database, wherever it is.
    ///
    /// # Errors
    /// If the database is in use, is newer than this version, or cannot be opened.
    pub async fn open_at(location: &Location) -> Result<Self> {
        match location {
            Location::Sqlite { path, busy_timeout } => Self::open_with(path, *busy_timeout).await,
            Location::Postgres(settings) => Self::open_postgres(settings).await,
        }
    }

    /// Opens a database for a command that changes a row or two, also while a server uses it.
    ///
    /// # Errors
    /// If the database is of another version and in use, or cannot be opened.
    pub async fn open_beside(location: &Location) -> Result<Self> {
        match location {
            Location::Sqlite { path, busy_timeout } if migrations::is_current(path) => {
                let path = path.canonicalize()?;
                let settings = Settings {
                    path: path.clone(),
                    busy_timeout: *busy_timeout,
                };
                // Not locked: SQLite itself lets one transaction wait for another.
                let unlocked = Arc::new(open_lock(&path)?);
                Self::sqlite(&settings, ACQUIRE_TIMEOUT, unlocked)
            }
            Location::Postgres(settings) => match postgres::open_beside(settings).await? {
                Some(opened) => Ok(Self::of_postgres(opened)),
                None => Self::open_at(location).await,
            },
            Location::Sqlite { .. } => Self::open_at(location).await,
        }
    }

    async fn open_postgres(settings: &Postgres) -> Result<Self> {
        Ok(Self::of_postgres(postgres::open(settings).await?))
    }

    fn of_postgres(opened: postgres::Opened) -> Self {
        let (messengers, hints) = opened.messengers.unzip();
        Self {
            hints: hints.unwrap_or_default(),
            writer: Writers::Postgres {
                threads: opened.writers,
                keeper: opened.keeper,
                messengers,
            },
            reader: opened.readers,
            lists: opened.lists,
            wiped: Arc::default(),
            health: health::Probe::default(),
            instance: opened.instance,
            under_way: UnderWay::default(),
            outbox: Arc::default(),
            keys: seal::Keys::default(),
            sealing: reseal::Progress::default(),
        }
    }

    const fn is_postgres(&self) -> bool {
        matches!(self.writer, Writers::Postgres { .. })
    }

    async fn open_patiently(path: &Path, busy_timeout: Duration, patience: Duration) -> Result<Self> {
        let (path, lock) = take_possession(path)?;
        // Before the others: a connection that knows the old tables would misread the new ones.
        migrations::run(&path, busy_timeout).await?;
        Self::sqlite(&Settings { path, busy_timeout }, patience, Arc::new(lock))
    }

    fn sqlite(settings: &Settings, patience: Duration, lock: Arc<File>) -> Result<Self> {
        Ok(Self {
            hints: Hints::default(),
            writer: Writers::Sqlite(Writer::open(settings.clone(), patience, lock)?),
            reader: reader::start(settings, "store-reader", READERS, patience)?,
            lists: reader::start(settings, "store-lists", LIST_READERS, patience)?,
            // The last process may have left something in the log.
            wiped: Arc::new(AtomicBool::new(true)),
            health: health::Probe::default(),
            instance: Arc::new(Instance::of_a_file()),
            under_way: UnderWay::default(),
            outbox: Arc::default(),
            keys: seal::Keys::default(),
            sealing: reseal::Progress::default(),
        })
    }

    /// Runs a transaction. What it returns as `Ok` is stored, and on the disk; an error means that nothing is.
    ///
    /// The closure may run several times: what it did in the database before is rolled back then. It can move nothing
    /// out of itself, and what else it changes must not mind being changed again.
    async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&Db<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.transact(None, work).await
    }

    /// The same for what one process has claimed, or claims now: nothing is stored if another has taken over.
    async fn write_as<T: Send + 'static>(
        &self,
        right: Right,
        work: impl Fn(&Db<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // Nobody else opens a file.
        self.transact(self.is_postgres().then_some(right), work).await
    }

    async fn transact<T: Send + 'static>(
        &self,
        right: Option<Right>,
        work: impl Fn(&Db<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if right != Some(Right::ToFinish) {
            self.instance.check_reach()?;
        }
        let span = tracing::info_span!(target: "cardseal::trace", "database transaction");
        let (outbox, keys) = (Arc::clone(&self.outbox), self.keys.clone());
        let instance = Arc::clone(&self.instance);
        let work = move |db: &Db<'_>| {
            let ring = keys.ring();
            let db = db.with(&outbox, instance.id(), &ring);
            if let Some(right) = right {
                instance.check(&db, right)?;
            }
            let value = work(&db)?;
            Ok((value, db.has_event()))
        };
        let (value, has_event) = match &self.writer {
            Writers::Sqlite(writer) => writer.transaction(work).instrument(span).await,
            Writers::Postgres { threads, .. } => threads.run(work).instrument(span).await,
        }?;
        if has_event {
            self.outbox.wake();
        }
        Ok(value)
    }

    /// Reads a row.
    async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&Db<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.instance.check_reach()?;
        let keys = self.keys.clone();
        self.reader.run(move |db| work(&db.keyed(&keys.ring()))).await
    }

    /// Reads rows.
    async fn list<T: Send + 'static>(
        &self,
        work: impl Fn(&Db<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.instance.check_reach()?;
        let keys = self.keys.clone();
        self.lists.run(move |db| work(&db.keyed(&keys.ring()))).await
    }

    /// Reads a page of a list, newest first: what comes after the row of an id, or the newest. `seq` finds that row's
    /// place, and `rows` reads so many rows that stand after a place, each with its own.
    async fn page<T: Send + 'static>(
        &self,
        seq: Statement,
        after: Option<String>,
        limit: u32,
        rows: impl Fn(&Db<'_>, i64, i64) -> Result<Vec<(Result<T>, i64)>> + Send + 'static,
    ) -> Result<Vec<T>> {
        self.list(move |db| {
            let start = match &after {
                None => Some(i64::MAX),
                Some(after) => db.value(seq, params![after])?,
            };
            let Some(start) = start else {
                return Ok(Vec::new());
            };
            let mut list = Listed::new(start, limit);
            while let Some((seq, limit)) = list.wanted() {
                list.add(rows(db, seq, limit)?)?;
            }
            Ok(list.into_inner())
        })
        .await
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<()> {
        self.read(|db| db.exists(PING, params![])).await.map(|_| ())
    }

    /// The way to other processes that share the database.
    pub(crate) const fn hints(&self) -> &Hints {
        &self.hints
    }

    /// Closes the database.
    pub async fn close(&self) {
        // The last connection empties the log, and only one that writes can do that.
        self.reader.close().await;
        self.lists.close().await;
        match &self.writer {
            Writers::Sqlite(writer) => writer.close().await,
            Writers::Postgres {
                threads,
                keeper,
                messengers,
            } => {
                if let Some(messengers) = messengers {
                    messengers.close().await;
                }
                threads.close().await;
                // Last: whoever has no lease writes nothing.
                if let Some(keeper) = keeper {
                    keeper.close().await;
                }
            }
        }
    }
}

statements! {
    PING = "SELECT 1";
}

/// Creates the file, readable by its owner only, and locks it until the process ends.
///
/// The lock belongs to the file, not to a path: symbolic links are followed, hard links refused.
fn take_possession(path: &Path) -> Result<(PathBuf, File)> {
    if !path.exists() {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        options.open(path)?;
    }
    let path = path.canonicalize()?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&std::fs::metadata(&path)?) > 1 {
        return Err(StoreError::Linked);
    }
    let lock = open_lock(&path)?;
    match lock.try_lock() {
        Ok(()) => Ok((path, lock)),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The file beside the database that its owner locks.
fn open_lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let mut options = OpenOptions::new();
    Ok(options.create(true).truncate(false).write(true).open(name)?)
}

/// The platform of a row.
fn platform(columns: &mut Columns<'_>) -> Result<Platform> {
    columns.word("platform", Platform::from_id)
}

#[cfg(test)]
mod tests {
    use sqlx::SqlitePool;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::migrations::MIGRATIONS;
    use super::*;
    use crate::payments::abandoned;

    fn attempt() -> Attempt {
        Attempt {
            body_hash: "h".into(),
            card: None,
            taker: Taker::Platform,
        }
    }

    fn new_payment(session: Option<&SessionId>, reference: &str) -> NewPayment {
        NewPayment {
            session_id: session.cloned(),
            ..testing::new_payment(reference)
        }
    }

    /// Runs a statement that the store itself does not have.
    async fn run(store: &Store, statement: &str) -> Result<()> {
        testing::sql(store, statement).await
    }

    async fn pragma(store: &Store, text: &'static str) -> i64 {
        let query = move |db: &Db<'_>| db.any_number(text);
        store.writer.sqlite().unwrap().alone(query).await.unwrap()
    }

    #[tokio::test]
    async fn payments_of_the_first_version_are_carried_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true);
        let old = SqlitePool::connect_with(options).await.unwrap();
        sqlx::raw_sql(MIGRATIONS[0].1).execute(&old).await.unwrap();
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
        let left = store.recover(&abandoned(), 2).await.unwrap();
        assert_eq!(left.changes, 1);
        for (id, status, captured, refunded) in [
            ("pay_a", Status::Approved, 1234, 0),
            ("pay_b", Status::Refunded, 1234, 1234),
            ("pay_c", Status::VoidUnknown, 1234, 0),
            ("pay_d", Status::Declined, 0, 0),
        ] {
            let payment = store.payment(&id.into()).await.unwrap().unwrap();
            assert_eq!(
                (payment.status, payment.captured, payment.refunded),
                (status, captured, refunded),
                "{id}"
            );
        }
        let change = store.unknown_change(&"pay_c".into()).await.unwrap().unwrap();
        assert_eq!(
            (change.movement, change.whole, change.again),
            (Movement::Void, true, true)
        );
        let broken = "SELECT count(*) FROM pragma_foreign_key_check";
        assert_eq!(pragma(&store, broken).await, 0);
    }

    /// A store of the version before, with what this one would not let in.
    async fn before_binding(rows: &str) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true);
        let old = SqlitePool::connect_with(options).await.unwrap();
        for (_, migration) in &MIGRATIONS[..5] {
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
            let token = store.token(&id.into()).await.unwrap().unwrap();
            assert_eq!((token.id.as_str(), token.status), (kept, status), "{id}");
            assert_eq!(token.holder.is_some(), status != TokenStatus::Deleted, "{id}");
        }
        let listed = store.tokens(Some("a"), None, 10).await.unwrap();
        assert_eq!(listed.len(), 1);
        // What was deleted is gone under both names.
        store.delete_token(&"tok_first".into(), 2).await.unwrap();
        let token = store.token(&"tok_again".into()).await.unwrap().unwrap();
        assert_eq!(token.status, TokenStatus::Deleted);
        assert!(token.platform_token.is_none());
    }

    /// The database itself enforces this.
    #[tokio::test]
    async fn a_platforms_token_is_active_once() {
        let (_folder, store) = before_binding("").await;
        let insert = async |id: &str, platform: &str, status: &str| {
            let statement = format!(
                "INSERT INTO tokens (id, platform, platform_token, status, created_at, updated_at)
                    VALUES ('{id}', '{platform}', 'PMT_1', '{status}', 1, 1)"
            );
            run(&store, &statement).await
        };
        insert("tok_1", "gp_api", "active").await.unwrap();
        insert("tok_2", "gp_api", "active").await.unwrap_err();
        insert("tok_3", "ccbill", "active").await.unwrap();
        // A browser that names somebody else's token does not block its owner.
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
        let found = store.session_of(Platform::GpApi, "PMT_1").await.unwrap();
        assert_eq!(found.unwrap(), "ses_2");
        for id in ["ses_1", "ses_3", "ses_4", "ses_5"] {
            assert!(store.session(&id.into()).await.unwrap().is_some(), "{id}");
        }
    }

    /// Payments that cannot be looked up must not delay those that can.
    #[tokio::test]
    async fn unknown_payments_of_another_platform_starve_nobody() {
        let (_place, store) = testing::open().await;
        for (id, platform) in (0..40)
            .map(|index| (format!("pay_a{index}"), "greenpay"))
            .chain([("pay_z".into(), "online_payments")])
        {
            let statement = format!(
                "INSERT INTO payments (id, platform, status, amount_minor, currency, order_reference, description,
                    created_at, updated_at) VALUES ('{id}', '{platform}', 'unknown', 1, 'EUR', '{id}', 'x', 1, 1)"
            );
            run(&store, &statement).await.unwrap();
        }
        let found = store.unknown_payments(Platform::OnlinePayments, 5, 16).await;
        assert_eq!(found.unwrap(), ["pay_z"]);
        assert!(
            store
                .unknown_payments(Platform::GpApi, 5, 16)
                .await
                .unwrap()
                .is_empty()
        );
    }

    /// Who has waited longest comes first; a time that was written before the clock was put back does not count.
    #[tokio::test]
    async fn unknown_payments_are_due_in_the_order_of_their_waiting() {
        let (_place, store) = testing::open().await;
        let now = 1_800_000_000_000_i64;
        for (id, look_at) in [
            ("pay_late", now - 1),
            ("pay_early", now - 5000),
            ("pay_soon", now + 200_000),
            ("pay_tomorrow", now + 86_400_000),
        ] {
            let statement = format!(
                "INSERT INTO payments (id, platform, status, amount_minor, currency, order_reference, description,
                    look_at, created_at, updated_at)
                    VALUES ('{id}', 'gp_api', 'unknown', 1, 'EUR', '{id}', 'x', {look_at}, 1, 1)"
            );
            run(&store, &statement).await.unwrap();
        }
        let due = store.unknown_payments(Platform::GpApi, now, 16).await.unwrap();
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

    /// Another name of the file is the same file: a second process would call the first one's payments unknown.
    #[cfg(unix)]
    #[tokio::test]
    async fn one_process_owns_the_file_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        let store = Store::open(&path).await.unwrap();
        std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
        for link in ["y.sqlite", "elsewhere/x.sqlite"] {
            let link = folder.path().join(link);
            std::os::unix::fs::symlink(&path, &link).unwrap();
            assert!(matches!(Store::open(&link).await, Err(StoreError::InUse)));
        }
        let linked = folder.path().join("hard.sqlite");
        std::fs::hard_link(&path, &linked).unwrap();
        assert!(matches!(Store::open(&linked).await, Err(StoreError::Linked)));
        store.close().await;
        drop(store);
        // Two names have two logs: what one process writes by one of them is lost to the next by the other.
        assert!(matches!(Store::open(&path).await, Err(StoreError::Linked)));
        std::fs::remove_file(linked).unwrap();
        Store::open(&folder.path().join("y.sqlite")).await.unwrap();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_to_a_file_that_is_not_there_yet_makes_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link.sqlite");
        std::os::unix::fs::symlink(folder.path().join("x.sqlite"), &link).unwrap();
        let _store = Store::open(&link).await.unwrap();
        assert!(matches!(
            Store::open(&folder.path().join("x.sqlite")).await,
            Err(StoreError::InUse)
        ));
    }

    /// A server that is told to stop twice, say.
    #[tokio::test(flavor = "multi_thread")]
    async fn closing_again_ends() {
        for _ in 0..20 {
            let (_place, store) = testing::open().await;
            store.close().await;
            let again = tokio::time::timeout(Duration::from_secs(30), store.close());
            again.await.unwrap();
        }
    }

    async fn session(store: &Store, description: &str) -> Result<SessionId> {
        store
            .add_session(NewSession {
                platform: Platform::GreenPay,
                kind: cardseal::session::Kind::Payment,
                mode: cardseal::session::Mode::Relay,
                reference: "r".into(),
                platform_state: "s3cret-of-the-platform".to_owned().into(),
                customer: None,
                token_id: None,
                amount: Some((100, "USD")),
                description: description.into(),
                capture_later: false,
                created_at: 1,
                expires_at: 1000,
            })
            .await
    }

    /// SQLite rolls back by itself when the disk is full. A connection that still counts the transaction as open
    /// would refuse every write until a restart.
    #[tokio::test]
    async fn the_first_write_after_a_full_disk_works() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("x.sqlite")).await.unwrap();
        // To the connection, a file that may not grow is a disk that is full.
        for _ in 0..2 {
            pragma(&store, "PRAGMA max_page_count = 1").await;
            let long = "x".repeat(3000);
            let mut stored = 0;
            let error = loop {
                match session(&store, &long).await {
                    Ok(_) => stored += 1,
                    Err(error) => break error,
                }
                assert!(stored < 1000, "the file grew");
            };
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
            session(&store, &long).await.unwrap();
        }
        assert!(store.health(1).await.is_ready());
    }

    #[tokio::test]
    async fn the_first_write_after_a_read_only_time_works() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("x.sqlite")).await.unwrap();
        let read_only = |db: &Db<'_>| Ok(db.connection()?.execute_batch("PRAGMA query_only = ON")?);
        store.writer.sqlite().unwrap().alone(read_only).await.unwrap();
        let error = session(&store, "x").await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        session(&store, "x").await.unwrap();
    }

    #[tokio::test]
    async fn a_lock_of_another_process_is_waited_for_and_then_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        let store = Store::open_with(&path, Duration::from_millis(50)).await.unwrap();
        let other = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path))
            .await
            .unwrap();
        let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let error = session(&store, "x").await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        let health = store.health(1).await;
        assert_eq!(
            (health.reader, health.writer, health.migrations),
            (true, false, true)
        );
        lock.rollback().await.unwrap();
        session(&store, "x").await.unwrap();
    }

    #[tokio::test]
    async fn a_reading_connection_that_failed_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        let store = Store::open(&path).await.unwrap();
        let settings = Settings {
            path: path.canonicalize().unwrap(),
            busy_timeout: BUSY_TIMEOUT,
        };
        let reader = reader::start(&settings, "reader", 1, ACQUIRE_TIMEOUT).unwrap();
        // What is set for one connection is not set for the next.
        let cache = async || -> i64 {
            let query = |db: &Db<'_>| {
                Ok(db
                    .connection()?
                    .query_row("PRAGMA cache_size", [], |row| row.get(0))?)
            };
            reader.run(query).await.unwrap()
        };
        let execute = async |text: &'static str| {
            let run = move |db: &Db<'_>| Ok(db.connection()?.execute_batch(text)?);
            reader.run(run).await
        };
        let usual = cache().await;
        execute("PRAGMA cache_size = 77").await.unwrap();
        assert_eq!(cache().await, 77);
        execute("SELECT * FROM nothing").await.unwrap_err();
        assert_eq!(cache().await, usual);
        // It cannot write.
        execute("DELETE FROM sessions").await.unwrap_err();
        store.ping().await.unwrap();
    }

    /// A task that ends early must not leave a payment that is in flight for ever; one that goes on must not be disturbed.
    #[tokio::test]
    async fn what_nobody_works_on_is_recovered_and_nothing_else() {
        let (_place, store) = testing::open().await;
        let id = session(&store, "x").await.unwrap();
        let other = session(&store, "x").await.unwrap();
        let claim = async |session: &SessionId, reference: &str| {
            let new = new_payment(Some(session), reference);
            let Claim::New(payment, claimed) = store.claim_payment(None, new, attempt(), 0, 1).await.unwrap()
            else {
                panic!("not claimed")
            };
            (payment.id, claimed)
        };
        let (busy, claimed) = claim(&id, "a").await;
        let (left, dropped) = claim(&other, "b").await;
        assert_eq!(store.recover_abandoned(&abandoned(), 2).await.unwrap(), None);
        assert_eq!(
            store.recover(&abandoned(), 2).await.unwrap(),
            Recovered::default()
        );
        drop(dropped);
        let recovered = Recovered {
            payments: 1,
            sessions: 1,
            ..Recovered::default()
        };
        assert_eq!(
            store.recover_abandoned(&abandoned(), 2).await.unwrap(),
            Some(recovered)
        );
        assert_eq!(store.recover_abandoned(&abandoned(), 2).await.unwrap(), None);
        let status = async |id: &PaymentId| store.payment(id).await.unwrap().unwrap().status;
        assert_eq!(
            (status(&busy).await, status(&left).await),
            (Status::InFlight, Status::Unknown)
        );
        let state = async |id: &SessionId| store.session(id).await.unwrap().unwrap().state;
        assert_eq!(
            (state(&id).await, state(&other).await),
            (SessionState::Busy, SessionState::Used)
        );

        let card = session(&store, "x").await.unwrap();
        let SessionClaim::Claimed(_, held) = store.claim_session(&card, attempt(), 1, 0).await.unwrap()
        else {
            panic!("not claimed")
        };
        store.recover(&abandoned(), 2).await.unwrap();
        assert_eq!(state(&card).await, SessionState::Busy);
        // The next one begins before the last one is quite over.
        store.reopen_session(&card).await.unwrap();
        let SessionClaim::Claimed(_, next) = store.claim_session(&card, attempt(), 1, 0).await.unwrap()
        else {
            panic!("not claimed")
        };
        drop(held);
        store.recover(&abandoned(), 2).await.unwrap();
        assert_eq!(state(&card).await, SessionState::Busy);
        drop(next);
        let recovered = Recovered {
            sessions: 1,
            ..Recovered::default()
        };
        assert_eq!(
            store.recover_abandoned(&abandoned(), 2).await.unwrap(),
            Some(recovered)
        );
        assert_eq!(state(&card).await, SessionState::Open);
        drop(claimed);
    }

    /// A payment that begins while the upkeep reads is not one that was left behind.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_begins_just_now_was_not_left_behind() {
        let (_place, store) = testing::open().await;
        let store = Arc::new(store);
        let tasks = Arc::clone(&store);
        let claims = tokio::spawn(async move {
            let mut claims = Vec::new();
            for number in 0..400 {
                let new = new_payment(None, &format!("order-{number}"));
                claims.push(tasks.claim_payment(None, new, attempt(), 0, 1).await.unwrap());
            }
            claims
        });
        while !claims.is_finished() {
            assert_eq!(store.recover_abandoned(&abandoned(), 2).await.unwrap(), None);
        }
        assert_eq!(claims.await.unwrap().len(), 400);
    }

    #[tokio::test]
    async fn secrets_are_wiped_when_their_session_is_over_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        let store = Store::open(&path).await.unwrap();
        let secret = b"s3cret-of-the-platform";
        let id = session(&store, "x").await.unwrap();
        let held = || {
            ["x.sqlite", "x.sqlite-wal"].map(|name| {
                let bytes = std::fs::read(folder.path().join(name)).unwrap();
                bytes.windows(secret.len()).any(|window| window == secret)
            })
        };
        assert_eq!(store.wipe_sessions(&[], 1000).await.unwrap(), 0);
        assert!(held().contains(&true));
        assert_eq!(store.wipe_sessions(&[], 1001).await.unwrap(), 1);
        assert!(
            store
                .session(&id)
                .await
                .unwrap()
                .unwrap()
                .platform_state
                .is_none()
        );
        assert!(store.empty_log().await.unwrap());
        assert_eq!(held(), [false, false]);
        // Secrets stay as long as an answer from a page of the shop or the platform is accepted.
        for (mode, platform, grace) in [
            ("direct", "greenpay", ANSWER_GRACE_MS),
            ("direct", "online_payments", PAGE_GRACE_MS),
        ] {
            let id = session(&store, "x").await.unwrap();
            let changed =
                format!("UPDATE sessions SET mode = '{mode}', platform = '{platform}' WHERE id = '{id}'");
            run(&store, &changed).await.unwrap();
            for (now, wiped) in [(1000 + grace, 0), (1001 + grace, 1)] {
                assert_eq!(
                    store
                        .wipe_sessions(&[Platform::OnlinePayments], now)
                        .await
                        .unwrap(),
                    wiped,
                    "{platform}"
                );
            }
        }
    }

    /// A backup reads for minutes: emptying the log does not wait for it, and no write waits behind that.
    #[tokio::test]
    async fn a_reader_that_stays_holds_up_no_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        let store = Store::open_with(&path, Duration::from_secs(20)).await.unwrap();
        session(&store, "x").await.unwrap();
        let other = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path))
            .await
            .unwrap();
        let mut backup = other.begin().await.unwrap();
        sqlx::query("SELECT * FROM sessions")
            .fetch_all(&mut *backup)
            .await
            .unwrap();
        session(&store, "x").await.unwrap();
        let began = std::time::Instant::now();
        assert!(!store.empty_log().await.unwrap());
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        backup.rollback().await.unwrap();
        assert!(store.empty_log().await.unwrap());
        // A lock of another process is waited for as before.
        assert_eq!(pragma(&store, "PRAGMA busy_timeout").await, 20_000);
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_read_is_named_and_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("x.sqlite")).await.unwrap();
        for id in ["pay_1", "pay_2", "pay_3", "pay_4"] {
            let statement = format!(
                "INSERT INTO payments (id, platform, status, amount_minor, currency, order_reference, description,
                    created_at, updated_at) VALUES ('{id}', 'greenpay', 'approved', 1, 'EUR', '{id}', 'x', 1, 1)"
            );
            run(&store, &statement).await.unwrap();
        }
        // As a bad sector would, past the checks.
        for damage in [
            "UPDATE payments SET status = 'approvee' WHERE id = 'pay_3'",
            "UPDATE payments SET currency = CAST(x'45ff52' AS TEXT) WHERE id = 'pay_2'",
        ] {
            let damage = format!("PRAGMA ignore_check_constraints = ON; {damage}");
            run(&store, &damage).await.unwrap();
        }
        for id in ["pay_3", "pay_2"] {
            let error = store.payment(&id.into()).await.err().unwrap();
            let text = error.to_string();
            assert!(matches!(error, StoreError::Unreadable { .. }), "{text}");
            assert!(text.contains("payments") && text.contains(id), "{text}");
            assert!(!text.contains("approvee"), "{text}");
        }
        let ids = async |after: Option<&str>, limit| -> Vec<PaymentId> {
            let after = after.map(PaymentId::from);
            let payments = store
                .payments(PaymentFilter::All, after.as_ref(), limit)
                .await
                .unwrap();
            payments.into_iter().map(|payment| payment.id).collect()
        };
        assert_eq!(ids(None, 9).await, ["pay_4", "pay_1"]);
        assert_eq!(ids(None, 2).await, ["pay_4", "pay_1"]);
        assert_eq!(ids(Some("pay_4"), 1).await, ["pay_1"]);
        store.recover(&abandoned(), 2).await.unwrap();
    }

    #[tokio::test]
    async fn every_commit_is_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("x.sqlite")).await.unwrap();
        let settings = |db: &Db<'_>| -> Result<(String, i64)> {
            let mode = db
                .connection()?
                .query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
            let synchronous = db
                .connection()?
                .query_row("PRAGMA synchronous", [], |row| row.get(0))?;
            Ok((mode, synchronous))
        };
        for found in [
            store.writer.sqlite().unwrap().alone(settings).await,
            store.read(settings).await,
        ] {
            assert_eq!(found.unwrap(), ("wal".to_owned(), 2));
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
