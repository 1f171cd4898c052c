//! Threads that write to PostgreSQL, each transaction by itself, and threads that read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Connection, Postgres, Role, Trouble};
use crate::store::sql::Db;
use crate::store::worker::{End, Lost, Message, Queue, Threads, Work};
use crate::store::{Result, StoreError};

/// How often a transaction runs at most, and for how long it is tried again.
const ATTEMPTS: u32 = 40;
const PATIENCE: Duration = Duration::from_secs(8);
/// The longest pause before the second attempt. It doubles with each, up to the longest of all.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// After so many conflicts a transaction runs alone. Those that meet at one page of an index go on meeting, the more of
/// them there are, and a long one would never get through.
const CROWD: u32 = 5;
/// Locks a table that every transaction locks, before the transaction sees any row: those that run alone wait for the
/// others and hold them up. A process that is stopped with such a lock loses it with `idle_in_transaction_session_timeout`.
const BEGIN: &str = "BEGIN; LOCK TABLE health IN ROW SHARE MODE";
const BEGIN_ALONE: &str = "BEGIN; LOCK TABLE health IN EXCLUSIVE MODE";

/// Opens the connections, each on its thread.
pub(in crate::store) async fn start(
    settings: &Postgres,
    role: Role,
    name: &str,
    threads: usize,
    patience: Duration,
) -> Result<Threads> {
    let (queue, receiver) = Queue::new(patience);
    let (opened, opens) = flume::bounded(threads);
    for _ in 0..threads {
        let mut thread = Thread {
            settings: settings.clone(),
            role,
            connection: None,
        };
        let (receiver, opened) = (receiver.clone(), opened.clone());
        std::thread::Builder::new().name(name.into()).spawn(move || {
            let connected = thread.connected().map(|_| ());
            let failed = connected.is_err();
            let _ = opened.send(connected);
            drop(opened);
            if !failed {
                thread.run(receiver);
            }
        })?;
    }
    for _ in 0..threads {
        opens.recv_async().await.map_err(|_| Lost::Closed)??;
    }
    Ok(Threads::new(queue, threads))
}

struct Thread {
    settings: Postgres,
    role: Role,
    connection: Option<Connection>,
}

/// How an attempt ended.
enum Attempt {
    /// The caller can have its result.
    Over,
    /// Another transaction was in the way.
    Conflict(StoreError),
    /// The connection was lost before anything was committed.
    Lost(StoreError),
    /// Nothing helps.
    Failed(StoreError),
}

impl Thread {
    fn run(&mut self, receiver: flume::Receiver<Message>) {
        loop {
            match receiver.recv() {
                Ok(Message::Work(ticket)) => {
                    // Nobody needs to read what nobody hears.
                    let unheard = self.role == Role::Read && ticket.work.is_unheard();
                    if ticket.take() && !unheard {
                        self.serve(ticket.work);
                    }
                }
                Ok(Message::Close(closed)) => {
                    self.disconnect();
                    // First: what a second close sends while somebody could still receive it would wait for ever.
                    drop(receiver);
                    drop(closed);
                    return;
                }
                Err(flume::RecvError::Disconnected) => return,
            }
        }
    }

    fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close();
        }
    }

    /// The connection, opened again if it was lost.
    fn connected(&mut self) -> Result<&Connection> {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(&self.settings, self.role)?);
        }
        self.connection.as_ref().ok_or(StoreError::Unknown("connection"))
    }

    fn serve(&mut self, mut work: Box<dyn Work>) {
        let until = Instant::now() + PATIENCE;
        let (mut conflicts, mut losses) = (0, 0);
        loop {
            let error = match self.attempt(&mut *work, conflicts >= CROWD) {
                Attempt::Over => return work.answer(),
                Attempt::Conflict(_) if conflicts < ATTEMPTS && Instant::now() < until => {
                    conflicts += 1;
                    std::thread::sleep(pause(conflicts));
                    continue;
                }
                // The database was started anew, say; a second time it is down.
                Attempt::Lost(_) if losses == 0 => {
                    losses += 1;
                    continue;
                }
                Attempt::Conflict(error) | Attempt::Lost(error) | Attempt::Failed(error) => error,
            };
            return work.lose(Lost::Failed(Arc::new(error)));
        }
    }

    fn attempt(&mut self, work: &mut dyn Work, alone: bool) -> Attempt {
        let role = self.role;
        let connection = match self.connected() {
            Ok(connection) => connection,
            Err(error) => return Attempt::Failed(error),
        };
        connection.take_trouble();
        let (attempt, keep) = match role {
            Role::Read => read(connection, work),
            Role::Write | Role::Lease => transact(connection, work, if alone { BEGIN_ALONE } else { BEGIN }),
        };
        if !keep {
            self.connection = None;
        }
        attempt
    }
}

/// Reads. Each statement is a transaction of its own, which cannot write. Returns whether the connection can be kept.
fn read(connection: &Connection, work: &mut dyn Work) -> (Attempt, bool) {
    let end = work.run(&Db::postgres(connection));
    match connection.take_trouble() {
        Trouble::Lost => (Attempt::Lost(lost()), false),
        Trouble::Conflict => (Attempt::Conflict(conflict()), true),
        Trouble::Refused | Trouble::None => (Attempt::Over, end != End::Panicked),
    }
}

/// Runs a transaction, and commits it. Returns whether the connection can be kept.
fn transact(connection: &Connection, work: &mut dyn Work, begin: &'static str) -> (Attempt, bool) {
    if let Err(error) = connection.batch(begin) {
        return match connection.take_trouble() {
            Trouble::Lost => (Attempt::Lost(error), false),
            Trouble::Conflict => (Attempt::Conflict(error), false),
            Trouble::Refused | Trouble::None => (Attempt::Failed(error), false),
        };
    }
    let end = work.run(&Db::postgres(connection));
    let attempt = match (end, connection.take_trouble()) {
        (_, Trouble::Lost) => return (Attempt::Lost(lost()), false),
        (End::Panicked, _) => return (Attempt::Over, false),
        (_, Trouble::Conflict) => Attempt::Conflict(conflict()),
        (End::Done, Trouble::None) => return commit(connection),
        // PostgreSQL would answer the commit with a rollback, and call that a success.
        (End::Done, Trouble::Refused) => Attempt::Failed(StoreError::Database(
            "a statement failed, and the transaction went on".into(),
        )),
        (End::Failed | End::Broken, Trouble::Refused | Trouble::None) => Attempt::Over,
    };
    let rolled_back = connection.batch("ROLLBACK").is_ok();
    (attempt, rolled_back)
}

fn commit(connection: &Connection) -> (Attempt, bool) {
    let Err(error) = connection.batch("COMMIT") else {
        return (Attempt::Over, true);
    };
    match connection.take_trouble() {
        Trouble::Conflict => (Attempt::Conflict(conflict()), true),
        // It may have been committed. Every caller is prepared for that: whoever repeats a request finds its row.
        Trouble::Lost | Trouble::Refused | Trouble::None => (Attempt::Failed(error), false),
    }
}

fn conflict() -> StoreError {
    StoreError::Unavailable("other transactions were in the way too often".into())
}

fn lost() -> StoreError {
    StoreError::Unavailable("the connection was lost".into())
}

/// A random pause, so that two transactions do not meet again.
fn pause(conflicts: u32) -> Duration {
    let longest = LONGEST_PAUSE.min(FIRST_PAUSE * (1 << conflicts.min(8)));
    let share = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
    longest.mul_f64(share)
}
