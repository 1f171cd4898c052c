//! The thread that keeps this process's lease: registers it, renews it, and gives it back.
//!
//! A lease is renewed even after it has ended, if nobody has taken over meanwhile: nothing has happened then that this
//! process would have to know. If somebody has, the process can store nothing more, and ends.
//!
//! Renewals are `SERIALIZABLE` too. A transaction that has looked for its row before a renewal, and is overtaken by whoever
//! deletes the row after it, is caught only if PostgreSQL has watched the renewal between the two.
//!
//! An advisory lock is held while a process migrates the database and registers. Versions before this one hold it as
//! long as they run.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::{Connection, Param, Postgres, Role, Trouble};
use crate::store::instances::Instance;
use crate::store::sql::params;
use crate::store::worker::Lost;
use crate::store::{Result, StoreError};

/// How long a process that starts waits for others that start.
const WAIT: Duration = Duration::from_secs(if cfg!(test) { 5 } else { 20 });
const PAUSE: Duration = Duration::from_millis(50);
/// A lease is renewed so often before it ends.
const RENEWALS: u32 = 5;
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How often a statement runs that other transactions get in the way of, and the pause in between.
const TRIES: u32 = 20;
const SHORT_PAUSE: Duration = Duration::from_millis(5);
/// How far this machine's clock may be from the database's.
const CLOCKS_MS: i64 = 10_000;

// Two numbers name the lock: this one, and one of the schema.
const LOCK: &str = "SELECT pg_try_advisory_lock(734001, hashtext(coalesce(current_schema(), '')))";
const UNLOCK: &str = "SELECT pg_advisory_unlock(734001, hashtext(coalesce(current_schema(), '')))";
const TIME: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
const REGISTER: &str = "INSERT INTO instances (id, started_at, expires_at) SELECT $1, time, time + $2
    FROM (SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS time) AS clock";
const RENEW: &str =
    "UPDATE instances SET expires_at = CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) + $2
    WHERE id = $1";
const GIVE_BACK: &str = "DELETE FROM instances WHERE id = $1";

enum Message {
    Register(oneshot::Sender<Result<()>>),
    /// Give the lease back, then drop the sender.
    Close(oneshot::Sender<()>),
}

/// The way to the thread.
pub(in crate::store) struct Keeper {
    messages: flume::Sender<Message>,
}

impl Keeper {
    /// Has the thread take the lock for the start.
    pub(super) async fn start(settings: &Postgres) -> Result<(Self, Arc<Instance>)> {
        let instance = Arc::new(Instance::with_lease(settings.lease));
        let (messages, receiver) = flume::bounded(1);
        let (opened, opens) = oneshot::channel();
        let mut thread = Thread {
            settings: settings.clone(),
            instance: Arc::clone(&instance),
            connection: None,
            registered: false,
            failures: 0,
        };
        std::thread::Builder::new()
            .name("store-lease".into())
            .spawn(move || {
                let locked = thread.lock();
                let failed = locked.is_err();
                let _ = opened.send(locked);
                if !failed {
                    thread.run(receiver);
                }
            })?;
        opens.await.map_err(|_| Lost::Closed)??;
        Ok((Self { messages }, instance))
    }

    /// Registers this process, and lets others start. The tables are there.
    pub(super) async fn register(&self) -> Result<()> {
        let (registered, registers) = oneshot::channel();
        let sent = self.messages.send_async(Message::Register(registered)).await;
        sent.map_err(|_| Lost::Closed)?;
        registers.await.map_err(|_| Lost::Closed)?
    }

    /// Gives the lease back: what is left belongs to the neighbours at once.
    pub(in crate::store) async fn close(&self) {
        let (closed, closes) = oneshot::channel();
        if self.messages.send_async(Message::Close(closed)).await.is_ok() {
            let _ = closes.await;
        }
    }
}

struct Thread {
    settings: Postgres,
    instance: Arc<Instance>,
    connection: Option<Connection>,
    registered: bool,
    failures: u32,
}

impl Thread {
    fn lock(&mut self) -> Result<()> {
        let connection = Connection::open(&self.settings, Role::Lease)?;
        let end = Instant::now() + WAIT;
        while !connection.says(LOCK, &[])? {
            if Instant::now() >= end {
                return Err(StoreError::OlderOwner);
            }
            std::thread::sleep(PAUSE);
        }
        self.connection = Some(connection);
        Ok(())
    }

    fn run(&mut self, messages: flume::Receiver<Message>) {
        loop {
            match messages.recv_timeout(self.pause()) {
                Ok(Message::Register(registered)) => {
                    let _ = registered.send(self.register());
                }
                Ok(Message::Close(closed)) => {
                    self.give_back();
                    // First: what a second close sends while somebody could still receive it would wait for ever.
                    drop(messages);
                    drop(closed);
                    return;
                }
                Err(flume::RecvTimeoutError::Timeout) if self.registered && !self.instance.is_lost() => {
                    self.renew();
                }
                Err(flume::RecvTimeoutError::Timeout) => {}
                Err(flume::RecvTimeoutError::Disconnected) => return self.give_back(),
            }
        }
    }

    fn pause(&self) -> Duration {
        let pause = self.settings.lease / RENEWALS;
        if self.failures > 0 {
            pause.min(LONGEST_PAUSE)
        } else {
            pause
        }
    }

    fn millis(&self) -> i64 {
        i64::try_from(self.settings.lease.as_millis()).unwrap_or(i64::MAX)
    }

    /// The connection, opened again if it was lost.
    fn connected(&mut self) -> Result<&Connection> {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(&self.settings, Role::Lease)?);
        }
        self.connection.as_ref().ok_or(StoreError::Unknown("connection"))
    }

    fn register(&mut self) -> Result<()> {
        let (asked, lease, instance) = (Instant::now(), self.millis(), Arc::clone(&self.instance));
        let connection = self.connected()?;
        check_clocks(connection)?;
        run(connection, REGISTER, params![instance.id(), lease])?;
        connection.says(UNLOCK, &[])?;
        instance.renewed(asked);
        self.registered = true;
        Ok(())
    }

    fn renew(&mut self) {
        let (asked, lease, instance) = (Instant::now(), self.millis(), Arc::clone(&self.instance));
        let renewed = self
            .connected()
            .and_then(|connection| run(connection, RENEW, params![instance.id(), lease]));
        match renewed {
            Ok(0) => {
                tracing::error!(
                    "the lease on the database was not renewed in time, and another process has taken over"
                );
                instance.lose();
            }
            Ok(_) => {
                if self.failures > 0 {
                    tracing::info!("the lease on the database is renewed again");
                }
                self.failures = 0;
                instance.renewed(asked);
            }
            Err(cause) => {
                self.connection = None;
                self.failures = self.failures.saturating_add(1);
                // A database that is away must not log a line twice a second.
                if self.failures.is_power_of_two() {
                    tracing::error!(%cause, failures = self.failures, "the lease on the database cannot be renewed");
                }
            }
        }
    }

    fn give_back(&mut self) {
        let (registered, instance) = (self.registered, Arc::clone(&self.instance));
        let Ok(connection) = self.connected() else { return };
        if registered && let Err(cause) = run(connection, GIVE_BACK, params![instance.id()]) {
            tracing::warn!(%cause, "the lease on the database could not be given back; it ends by itself");
        }
        if let Some(connection) = self.connection.take() {
            connection.close();
        }
    }
}

/// Runs a statement, again if another transaction was in the way.
fn run(connection: &Connection, text: &'static str, params: &[Param<'_>]) -> Result<usize> {
    connection.take_trouble();
    let mut tries = 0;
    loop {
        tries += 1;
        let done = connection.execute(text, params);
        if done.is_ok() || tries == TRIES || connection.take_trouble() != Trouble::Conflict {
            return done;
        }
        std::thread::sleep(SHORT_PAUSE);
    }
}

/// Sessions end and events are due by the clock of whichever process looks.
fn check_clocks(connection: &Connection) -> Result<()> {
    let own = || {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    };
    let before = own();
    let time = connection.number(TIME)?;
    let after = own();
    // The database said it at some time between the two.
    let apart = (time - after).max(before - time);
    if apart > CLOCKS_MS {
        return Err(StoreError::ClocksApart(apart / 1000));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_survives_a_renewal_that_takes_its_longest() {
        let settings = |lease| {
            Postgres::parse(&"postgres://u@h/d".into(), None, 1, PAUSE)
                .unwrap()
                .with_lease(lease)
        };
        for lease in [
            Duration::from_secs(1),
            Duration::from_secs(15),
            Duration::from_secs(120),
        ] {
            let settings = settings(lease);
            assert!(lease / RENEWALS + super::super::answer(Role::Lease, &settings) < lease - lease / 8);
        }
    }
}
