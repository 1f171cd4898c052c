//! PostgreSQL. A connection belongs to a thread, which waits for it: a transaction is a closure here too.
//!
//! Several threads write at once, each transaction as if it were alone (`SERIALIZABLE`). If PostgreSQL cannot keep that
//! promise it rolls a transaction back, and its closure runs again: see `pool.rs`.

mod hints;
mod lease;
mod pool;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgDatabaseError, PgSslMode};
use sqlx::{Arguments, ConnectOptions, Connection as _, Executor, Row as _, TypeInfo, ValueRef as _};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::instances::{Instance, LEASE};
use super::sql::{Cell as Value, Value as Param, unexpected};
use super::worker::Threads;
use super::{ACQUIRE_TIMEOUT, Cause, LIST_READERS, READERS, Result, StoreError, migrations};
use crate::hints::Hints;
pub(super) use hints::Messengers;
pub(super) use lease::Keeper;
#[cfg(test)]
use sqlx::AssertSqlSafe;
pub(super) use sqlx::postgres::PgRow as Row;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a statement may take. The server ends it earlier; this is for one that no longer answers at all.
const ANSWER: Duration = Duration::from_secs(20);
/// How many parsed statements a connection keeps: more than there are.
const STATEMENTS: usize = 256;
/// The schemes of its URLs.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
/// The parameters that a URL may have. The driver would log an unknown one, with its value.
const PARAMETERS: &[&str] = &[
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "application_name",
    "options",
];

/// What every connection is told when it opens. A plan that reads a whole table would make a transaction depend on all
/// of its rows, so that it conflicts with every other; one that collects rows first would sort what an index has in
/// order.
const SETTINGS: &str = "SET statement_timeout = '15s';
    SET idle_in_transaction_session_timeout = '10s'; SET enable_seqscan = off;
    SET enable_bitmapscan = off; SET jit = off;";
const LOCK_TIMEOUT: &str = "SELECT set_config('lock_timeout', $1, false)";
const TO_WRITE: &str = "SET default_transaction_isolation = 'serializable';";
const TO_READ: &str = "SET default_transaction_read_only = on;";
/// What has to be on so that a commit stays after a power cut. Other databases may not know the second.
const DURABLE: &str = "SELECT current_setting('synchronous_commit'), current_setting('fsync', true),
    current_setting('transaction_read_only')";

/// How to reach a PostgreSQL database.
#[derive(Clone)]
pub struct Postgres {
    options: PgConnectOptions,
    writers: usize,
    /// How long a statement waits for locks of others.
    lock_timeout: Duration,
    /// How long a lease lasts that is not renewed.
    lease: Duration,
}

/// Without the password.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("host", &self.options.get_host())
            .field("port", &self.options.get_port())
            .field("database", &self.options.get_database())
            .field("writers", &self.writers)
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// Whether a URL is one of PostgreSQL's.
    #[must_use]
    pub fn is_url(url: &str) -> bool {
        SCHEMES.iter().any(|scheme| url.starts_with(scheme))
    }

    /// Reads a URL. `writers` is how many transactions may run at once, and `lock_timeout` how long a statement waits
    /// for locks of others.
    ///
    /// # Errors
    /// What is wrong with the URL, without any part of it.
    pub fn parse(
        url: &SecretString,
        password: Option<&SecretString>,
        writers: usize,
        lock_timeout: Duration,
    ) -> Result<Self, &'static str> {
        let text = url.expose_secret();
        if !Self::is_url(text) {
            return Err("must begin with postgres://");
        }
        let query = text.split_once('?').map_or("", |(_, query)| query);
        let pairs: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        if pairs.iter().any(|(name, _)| !PARAMETERS.contains(name)) {
            return Err("has a parameter that is not known; a password belongs into `password_file`");
        }
        let mut options: PgConnectOptions = text
            .parse()
            .map_err(|_| "must be like postgres://user@host:5432/database?sslmode=verify-full")?;
        if options.get_database().is_none() {
            return Err("must name a database: postgres://user@host:5432/database");
        }
        // Without this the driver would be content with a connection that anybody can read.
        let names_mode = pairs.iter().any(|(name, _)| *name == "sslmode");
        if !names_mode {
            let mode = if is_local(&options) {
                PgSslMode::Prefer
            } else {
                PgSslMode::VerifyFull
            };
            options = options.ssl_mode(mode);
        }
        if options.get_application_name().is_none() {
            options = options.application_name("cardseal-server");
        }
        if let Some(password) = password {
            options = options.password(password.expose_secret());
        }
        let options = options
            .statement_cache_capacity(STATEMENTS)
            .disable_statement_logging();
        Ok(Self {
            options,
            writers,
            lock_timeout,
            lease: LEASE,
        })
    }

    /// With another lease.
    #[must_use]
    pub const fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Whether somebody between this server and the database could read the connection, or take the database's place.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let checked = matches!(
            self.options.get_ssl_mode(),
            PgSslMode::VerifyFull | PgSslMode::VerifyCa
        );
        !checked && !is_local(&self.options)
    }

    pub(super) const fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host == "localhost"
        || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// An open database.
pub(super) struct Opened {
    pub(super) instance: Arc<Instance>,
    /// `None` for a command that takes no lease.
    pub(super) keeper: Option<Keeper>,
    /// `None` for a command, which tells nobody anything.
    pub(super) messengers: Option<(Messengers, Hints)>,
    pub(super) writers: Threads,
    pub(super) readers: Threads,
    pub(super) lists: Threads,
}

/// Migrates the database, takes a lease on it, and opens its connections.
pub(super) async fn open(settings: &Postgres) -> Result<Opened> {
    let (keeper, instance) = Keeper::start(settings).await?;
    migrations::run_postgres(settings).await?;
    keeper.register().await?;
    connect(settings, instance, Some(keeper)).await
}

/// Opens the database for a command that needs no lease, if it is up to date.
pub(super) async fn open_beside(settings: &Postgres) -> Result<Option<Opened>> {
    // Refuses what a server refuses, with the same messages.
    let checked = settings.clone();
    let opened =
        tokio::task::spawn_blocking(move || Connection::open(&checked, Role::Write).map(Connection::close));
    opened.await.map_err(|_| StoreError::Panicked)??;
    if !migrations::is_current_postgres(settings).await? {
        return Ok(None);
    }
    let settings = Postgres {
        writers: 1,
        ..settings.clone()
    };
    connect(&settings, Arc::new(Instance::none()), None)
        .await
        .map(Some)
}

async fn connect(settings: &Postgres, instance: Arc<Instance>, keeper: Option<Keeper>) -> Result<Opened> {
    let start = async |role, name, threads| pool::start(settings, role, name, threads, ACQUIRE_TIMEOUT).await;
    let writers = start(Role::Write, "store-writer", settings.writers).await?;
    let readers = start(Role::Read, "store-reader", READERS).await?;
    let lists = start(Role::Read, "store-lists", LIST_READERS).await?;
    Ok(Opened {
        messengers: keeper
            .as_ref()
            .map(|_| Messengers::start(settings, instance.id())),
        instance,
        keeper,
        writers,
        readers,
        lists,
    })
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Write,
    Read,
    /// To keep the lease.
    Lease,
}

/// How long a statement may take until its connection counts as lost. A lease has to survive that.
fn answer(role: Role, settings: &Postgres) -> Duration {
    match role {
        Role::Write | Role::Read => ANSWER,
        Role::Lease => ANSWER.min(settings.lease / 3),
    }
}

/// What has happened to a connection since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    #[default]
    None,
    /// The database refused a statement, and with it the transaction.
    Refused,
    /// Another transaction was in the way. This one may run again.
    Conflict,
    /// The connection is gone.
    Lost,
}

/// What the database said. Its details stay out: they quote rows.
#[derive(Debug, thiserror::Error)]
#[error("{message} (SQLSTATE {code})")]
struct Refusal {
    code: String,
    message: String,
}

/// A connection, and what drives it on its thread.
pub(super) struct Connection {
    inner: RefCell<PgConnection>,
    trouble: Cell<Trouble>,
    runtime: Runtime,
    answer: Duration,
}

impl Connection {
    /// Connects. This waits, so it belongs on a thread of its own.
    pub(super) fn open(settings: &Postgres, role: Role) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let connected = runtime.block_on(async { timeout(CONNECT, settings.options.connect()).await });
        let inner = match connected {
            Ok(connected) => connected.map_err(at_start)?,
            Err(_) => return Err(StoreError::Unavailable("it does not answer".into())),
        };
        let connection = Self {
            inner: RefCell::new(inner),
            trouble: Cell::default(),
            runtime,
            answer: answer(role, settings),
        };
        if role != Role::Read {
            connection.check()?;
        }
        connection.batch(SETTINGS)?;
        let lock_timeout = settings.lock_timeout.as_millis().to_string();
        connection.row(LOCK_TIMEOUT, &[Param::Text(Some(&lock_timeout))])?;
        connection.batch(match role {
            Role::Write | Role::Lease => TO_WRITE,
            Role::Read => TO_READ,
        })?;
        Ok(connection)
    }

    /// Refuses a database that would lose what it has acknowledged, and one that cannot be written.
    fn check(&self) -> Result<()> {
        let Some(row) = self.row(DURABLE, &[])? else {
            return Err(StoreError::Unknown("settings"));
        };
        for (at, name) in ["synchronous_commit", "fsync"].into_iter().enumerate() {
            if matches!(cell(&row, at)?, Value::Text("off")) {
                return Err(StoreError::NotDurable(name));
            }
        }
        if matches!(cell(&row, 2)?, Value::Text("on")) {
            return Err(StoreError::ReadOnly);
        }
        Ok(())
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T> {
        let (trouble, error) = match self.runtime.block_on(async { timeout(self.answer, work).await }) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => failure(error),
            Err(_) => (
                Trouble::Lost,
                StoreError::Unavailable("it does not answer".into()),
            ),
        };
        self.trouble.set(self.trouble.get().max(trouble));
        Err(error)
    }

    /// What has happened since this was last asked.
    pub(super) fn take_trouble(&self) -> Trouble {
        self.trouble.take()
    }

    /// Runs statements without parameters.
    pub(super) fn batch(&self, text: &'static str) -> Result<()> {
        let mut connection = self.inner.borrow_mut();
        self.wait(async { (&mut *connection).execute(sqlx::raw_sql(text)).await })
            .map(|_| ())
    }

    /// Runs a statement, and returns how many rows it changed.
    pub(super) fn execute(&self, text: &'static str, params: &[Param<'_>]) -> Result<usize> {
        let query = sqlx::query_with(text, arguments(params)?);
        let mut connection = self.inner.borrow_mut();
        let done = self.wait(async { (&mut *connection).execute(query).await })?;
        Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
    }

    /// The first row. The others are read too: an error that comes after the first belongs to this statement.
    pub(super) fn row(&self, text: &'static str, params: &[Param<'_>]) -> Result<Option<Row>> {
        Ok(self.rows(text, params)?.into_iter().next())
    }

    /// Every row.
    pub(super) fn rows(&self, text: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        let query = sqlx::query_with(text, arguments(params)?);
        let mut connection = self.inner.borrow_mut();
        self.wait(async { (&mut *connection).fetch_all(query).await })
    }

    /// Whether a query returns a row that says so.
    fn says(&self, text: &'static str, params: &[Param<'_>]) -> Result<bool> {
        let row = self.row(text, params)?;
        Ok(row.is_some_and(|row| matches!(cell(&row, 0), Ok(Value::Int(1)))))
    }

    /// The number that a query returns.
    fn number(&self, text: &'static str) -> Result<i64> {
        let row = self.row(text, &[])?;
        let Some(Value::Int(number)) = row.as_ref().map(|row| cell(row, 0)).transpose()? else {
            return Err(StoreError::Unknown("number"));
        };
        Ok(number)
    }

    /// Says good-bye to the database, if it still listens.
    pub(super) fn close(self) {
        let Self { inner, runtime, .. } = self;
        let inner = inner.into_inner();
        let _ = runtime.block_on(async { timeout(CONNECT, inner.close()).await });
    }

    /// Runs statements that the store itself does not have.
    #[cfg(test)]
    pub(super) fn any(&self, text: &str) -> Result<()> {
        let mut connection = self.inner.borrow_mut();
        let text = AssertSqlSafe(text.to_owned());
        self.wait(async { (&mut *connection).execute(sqlx::raw_sql(text)).await })
            .map(|_| ())
    }

    #[cfg(test)]
    pub(super) fn any_rows(&self, text: &str) -> Result<Vec<Row>> {
        let mut connection = self.inner.borrow_mut();
        let text = AssertSqlSafe(text.to_owned());
        self.wait(async { (&mut *connection).fetch_all(sqlx::query(text)).await })
    }
}

fn arguments(params: &[Param<'_>]) -> Result<PgArguments> {
    let mut arguments = PgArguments::default();
    for param in params {
        match *param {
            Param::Int(number) => Arguments::add(&mut arguments, number),
            Param::Bool(truth) => Arguments::add(&mut arguments, truth),
            Param::Text(text) => Arguments::add(&mut arguments, text),
            Param::Texts(texts) => Arguments::add(&mut arguments, texts),
        }
        .map_err(StoreError::Database)?;
    }
    Ok(arguments)
}

/// A value of a row.
pub(super) fn cell(row: &Row, at: usize) -> Result<Value<'_>> {
    let value = row.try_get_raw(at).map_err(|error| failure(error).1)?;
    if value.is_null() {
        return Ok(Value::Null);
    }
    let bytes = value.as_bytes().map_err(StoreError::Database)?;
    let number = |bytes: &[u8]| match bytes.len() {
        8 => bytes.try_into().ok().map(i64::from_be_bytes),
        4 => bytes
            .try_into()
            .ok()
            .map(|bytes| i32::from_be_bytes(bytes).into()),
        2 => bytes
            .try_into()
            .ok()
            .map(|bytes| i16::from_be_bytes(bytes).into()),
        1 => Some(i64::from(bytes.first() == Some(&1))),
        _ => None,
    };
    match value.type_info().name() {
        "INT8" | "INT4" | "INT2" | "BOOL" => number(bytes).map(Value::Int),
        "TEXT" | "VARCHAR" | "NAME" => std::str::from_utf8(bytes).ok().map(Value::Text),
        _ => None,
    }
    .ok_or_else(|| unexpected(at))
}

/// How many columns a row has.
pub(super) fn columns(row: &Row) -> usize {
    row.columns().len()
}

/// An error that PostgreSQL itself reported, as the store's. Any other comes back as it is.
pub(super) fn refused(error: sqlx::Error) -> Result<StoreError, sqlx::Error> {
    let refused = error.as_database_error();
    if refused.is_some_and(|error| error.try_downcast_ref::<PgDatabaseError>().is_some()) {
        Ok(failure(error).1)
    } else {
        Err(error)
    }
}

/// What an error means for the connection and for the caller.
pub(super) fn failure(error: sqlx::Error) -> (Trouble, StoreError) {
    if matches!(
        error,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed
    ) {
        return (Trouble::Lost, StoreError::Unavailable(error.into()));
    }
    let refused = error.as_database_error();
    let Some(refused) = refused.and_then(|refused| refused.try_downcast_ref::<PgDatabaseError>()) else {
        return (Trouble::Refused, StoreError::Database(error.into()));
    };
    let code = refused.code().to_owned();
    let cause: Cause = Refusal {
        message: refused.message().into(),
        code: code.clone(),
    }
    .into();
    match code.as_str() {
        // A serialization failure, a deadlock, and what another transaction inserted just before: with `SERIALIZABLE`
        // that may come first.
        "40001" | "40P01" | "23505" => (Trouble::Conflict, StoreError::Database(cause)),
        // The server ends this connection.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => (Trouble::Lost, StoreError::Unavailable(cause)),
        // Read-only, a lock or a statement that took too long.
        "25006" | "55P03" | "57014" => (Trouble::Refused, StoreError::Unavailable(cause)),
        _ => match code.get(..2) {
            // Connections.
            Some("08") => (Trouble::Lost, StoreError::Unavailable(cause)),
            // Resources, such as the disk and connections; the operating system; damage.
            Some("53" | "58" | "XX") => (Trouble::Refused, StoreError::Unavailable(cause)),
            _ => (Trouble::Refused, StoreError::Database(cause)),
        },
    }
}

/// Why a connection could not be opened.
fn at_start(error: sqlx::Error) -> StoreError {
    if matches!(error, sqlx::Error::Tls(_)) {
        return StoreError::Tls(error.into());
    }
    let code = error.as_database_error().and_then(|error| error.code());
    let code = code.map(std::borrow::Cow::into_owned).unwrap_or_default();
    match (code.get(..2), failure(error).1) {
        // The user, the password, the database.
        (Some("28" | "3D" | "42"), StoreError::Database(cause)) => StoreError::Access(cause),
        (_, error) => error,
    }
}
