//! One process owns the database. A second one would take the payments of the first for abandoned.
//!
//! A connection of its own holds an advisory lock. Each connection that writes holds another one, shared, and was opened
//! while the first was held. A process that comes after takes the first lock, then waits until nobody has the second:
//! so nothing of the last owner is still being written, even if that owner has not noticed yet that it is one no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Connection, Postgres, Role};
use crate::store::sql::params;
use crate::store::worker::Lost;
use crate::store::{Result, StoreError};

/// How long a process that starts waits for the one before it, which may have been killed just now.
const WAIT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 5 });
/// How long the connections that wrote may take to close.
const LEAVE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);
/// How often the lock is checked, and taken again if it was lost.
const INTERVAL: Duration = Duration::from_millis(500);

// Two numbers name a lock: one of these, and one of the schema. `classid` in `pg_locks` has the first.
const OWN: &str = "SELECT pg_try_advisory_lock(734001, hashtext(coalesce(current_schema(), '')))";
const ALONE: &str = "SELECT pg_try_advisory_lock(734002, hashtext(coalesce(current_schema(), '')))";
const NOT_ALONE: &str = "SELECT pg_advisory_unlock(734002, hashtext(coalesce(current_schema(), '')))";
const WRITE: &str = "SELECT pg_try_advisory_lock_shared(734002, hashtext(coalesce(current_schema(), '')))";
const OWNS: &str = "SELECT EXISTS (SELECT 1 FROM pg_locks
    WHERE locktype = 'advisory' AND classid = 734001 AND pid = $1 AND granted)";
const PROCESS: &str = "SELECT pg_backend_pid()";

/// Whether this process owns the database.
#[derive(Default)]
pub(in crate::store) struct Ownership {
    /// Which time it is, counted from one; zero while another process may own the database.
    current: AtomicU64,
    /// The database's process that holds the lock.
    holder: AtomicI64,
}

impl Ownership {
    /// Which time this process owns the database, if it does.
    pub(super) fn current(&self) -> Option<u64> {
        Some(self.current.load(Ordering::Acquire)).filter(|current| *current > 0)
    }

    /// Opens a connection that may write, as long as the ownership does not change.
    pub(super) fn open_writer(&self, settings: &Postgres) -> Result<(Connection, u64)> {
        let current = self.current().ok_or_else(not_owned)?;
        let connection = Connection::open(settings, Role::Write)?;
        let holder = self.holder.load(Ordering::Acquire);
        // In this order: from the first on nobody can begin to own the database, and the second says that nobody has.
        if connection.says(WRITE, &[])? && connection.says(OWNS, params![holder])? {
            Ok((connection, current))
        } else {
            Err(not_owned())
        }
    }
}

fn not_owned() -> StoreError {
    StoreError::Unavailable("this process does not own the database at the moment".into())
}

/// The thread that holds the lock.
pub(in crate::store) struct Owner {
    stop: flume::Sender<tokio::sync::oneshot::Sender<()>>,
}

impl Owner {
    /// Takes the lock.
    pub(in crate::store) async fn start(settings: &Postgres) -> Result<(Self, Arc<Ownership>)> {
        let ownership = Arc::new(Ownership::default());
        let (stop, stopped) = flume::bounded(1);
        let (opened, opens) = tokio::sync::oneshot::channel();
        let mut thread = Thread {
            settings: settings.clone(),
            ownership: Arc::clone(&ownership),
            connection: None,
            times: 0,
        };
        std::thread::Builder::new()
            .name("store-owner".into())
            .spawn(move || {
                let taken = thread.take(WAIT);
                let failed = taken.is_err();
                let _ = opened.send(taken);
                if !failed {
                    thread.run(stopped);
                }
            })?;
        opens.await.map_err(|_| Lost::Closed)??;
        Ok((Self { stop }, ownership))
    }

    /// Gives the lock up.
    pub(in crate::store) async fn close(&self) {
        let (closed, closes) = tokio::sync::oneshot::channel();
        if self.stop.send_async(closed).await.is_ok() {
            let _ = closes.await;
        }
    }
}

struct Thread {
    settings: Postgres,
    ownership: Arc<Ownership>,
    connection: Option<Connection>,
    times: u64,
}

impl Thread {
    fn run(&mut self, stopped: flume::Receiver<tokio::sync::oneshot::Sender<()>>) {
        loop {
            let ended = stopped.recv_timeout(INTERVAL);
            if matches!(ended, Err(flume::RecvTimeoutError::Timeout)) {
                self.check();
                continue;
            }
            self.ownership.current.store(0, Ordering::Release);
            if let Some(connection) = self.connection.take() {
                connection.close();
            }
            // First: what a second close sends while somebody could still receive it would wait for ever.
            drop(stopped);
            drop(ended);
            return;
        }
    }

    /// Checks the lock, and takes it again if its connection was lost.
    fn check(&mut self) {
        if let Some(connection) = &self.connection {
            match connection.batch("SELECT 1") {
                Ok(()) => return,
                Err(cause) => {
                    tracing::error!(%cause, "the lock on the database was lost; nothing is written")
                }
            }
            self.ownership.current.store(0, Ordering::Release);
            self.connection = None;
        }
        match self.take(Duration::ZERO) {
            Ok(()) => tracing::info!("the lock on the database is taken again"),
            Err(cause) => tracing::debug!(%cause, "the lock on the database cannot be taken yet"),
        }
    }

    fn take(&mut self, wait: Duration) -> Result<()> {
        let connection = Connection::open(&self.settings, Role::Write)?;
        let holder = connection.number(PROCESS)?;
        until(wait, || connection.says(OWN, &[]))?;
        // Who wrote for the last owner, or for this one before the lock was lost, has to leave first.
        until(LEAVE.max(wait), || connection.says(ALONE, &[]))?;
        connection.says(NOT_ALONE, &[])?;
        self.connection = Some(connection);
        self.times += 1;
        self.ownership.holder.store(holder, Ordering::Release);
        self.ownership.current.store(self.times, Ordering::Release);
        Ok(())
    }
}

/// Tries until it works.
fn until(wait: Duration, works: impl Fn() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + wait;
    while !works()? {
        if Instant::now() >= end {
            return Err(StoreError::InUse);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
