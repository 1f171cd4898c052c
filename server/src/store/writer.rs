//! The only connection that writes, on a thread of its own. Transactions that arrive together share one commit.
//!
//! A commit costs a write to the disk; the transactions in it cost little. So the thread runs what is waiting, each in
//! a savepoint, takes what arrives meanwhile, commits once, and only then answers. It waits for more only after several
//! have shared a commit, and then for a moment; a caller who is alone never waits for others.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::connection::Settings;
use super::sql::Db;
use super::worker::{End, Lost, Message, Queue, Ticket, Work};
use super::{Result, StoreError};

/// How many transactions may share a commit.
const BATCH: usize = 128;
/// After so many in one commit, more are on their way.
const CROWD: usize = 4;
/// How long the thread then waits for as many again. A commit for each two or three would cost more than that.
const GATHER: Duration = Duration::from_micros(300);

/// The way to the thread that writes.
pub(super) struct Writer {
    queue: Queue,
    busy_timeout: Duration,
    #[cfg(test)]
    commits: Arc<std::sync::atomic::AtomicU64>,
}

impl Writer {
    /// Opens the connection and starts the thread, which holds the lock as long as it writes.
    pub(super) fn open(settings: Settings, patience: Duration, lock: Arc<File>) -> Result<Self> {
        let (queue, receiver) = Queue::new(patience);
        let busy_timeout = settings.busy_timeout;
        #[cfg(test)]
        let commits = Arc::default();
        let mut thread = Thread {
            connection: Some(settings.writer()?),
            last: 0,
            settings,
            receiver,
            #[cfg(test)]
            commits: Arc::clone(&commits),
        };
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                let closed = thread.run();
                drop(thread);
                drop(lock);
                drop(closed);
            })?;
        Ok(Self {
            queue,
            busy_timeout,
            #[cfg(test)]
            commits,
        })
    }

    /// Runs a transaction. If it returns an error, or if this does, nothing of it is stored. It may not leave a part
    /// of its work undone in any other way: what it returns as `Ok` is committed.
    pub(super) async fn transaction<T: Send + 'static>(
        &self,
        work: impl Fn(&Db<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.queue.run(false, work).await
    }

    /// How long a statement waits for locks of other processes.
    pub(super) const fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    /// Runs something between two transactions.
    pub(super) async fn alone<T: Send + 'static>(
        &self,
        work: impl Fn(&Db<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.queue.run(true, work).await
    }

    /// How much waits for the thread.
    pub(super) fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Closes the connection, after the transactions that were sent before.
    pub(super) async fn close(&self) {
        self.queue.close(1).await;
    }

    #[cfg(test)]
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(std::sync::atomic::Ordering::Acquire)
    }
}

struct Thread {
    settings: Settings,
    receiver: flume::Receiver<Message>,
    /// `None` after a failure, until the next transaction.
    connection: Option<Connection>,
    /// How many transactions shared the last commit.
    last: usize,
    #[cfg(test)]
    commits: Arc<std::sync::atomic::AtomicU64>,
}

impl Thread {
    /// Works until the store is closed or dropped. Returns what tells that it has closed.
    fn run(&mut self) -> Option<tokio::sync::oneshot::Sender<()>> {
        let mut waiting = VecDeque::new();
        loop {
            if waiting.is_empty() {
                let Ok(message) = self.receiver.recv() else {
                    return None;
                };
                waiting.push_back(message);
            }
            if self.last >= CROWD && waiting.len() + self.receiver.len() < self.last {
                std::thread::sleep(GATHER);
            }
            waiting.extend(self.receiver.try_iter().take(BATCH.saturating_sub(waiting.len())));
            match waiting.pop_front() {
                Some(Message::Work(ticket)) if !ticket.take() => {}
                Some(Message::Work(ticket)) if ticket.alone => self.alone(ticket.work),
                Some(Message::Work(ticket)) => self.batch(ticket.work, &mut waiting),
                Some(Message::Close(closed)) => return Some(closed),
                None => {}
            }
        }
    }

    /// The connection, opened again if it failed.
    fn connected(&mut self) -> Result<&Connection> {
        if self.connection.is_none() {
            tracing::warn!("a database connection failed and is replaced");
            self.connection = Some(self.settings.writer()?);
        }
        self.connection.as_ref().ok_or(StoreError::Unknown("connection"))
    }

    fn alone(&mut self, mut work: Box<dyn Work>) {
        match self.connected() {
            Ok(connection) => {
                let end = work.run(&Db::sqlite(connection));
                if end == End::Broken {
                    self.connection = None;
                }
                work.answer();
            }
            Err(error) => work.lose(Lost::Failed(Arc::new(error))),
        }
    }

    /// Runs a transaction, those that wait and those that arrive meanwhile, and commits them together.
    fn batch(&mut self, first: Box<dyn Work>, waiting: &mut VecDeque<Message>) {
        let receiver = self.receiver.clone();
        let mut batch = Batch::default();
        let began = self.connected().and_then(|connection| batch.begin(connection));
        if let Err(error) = began {
            self.connection = None;
            // Those who wait have waited for the same lock.
            let lost = Lost::Failed(Arc::new(error));
            first.lose(lost.clone());
            let count = waiting.len();
            for _ in 0..count {
                match waiting.pop_front() {
                    Some(Message::Work(ticket)) if ticket.alone => waiting.push_back(Message::Work(ticket)),
                    Some(Message::Work(ticket)) if ticket.take() => ticket.work.lose(lost.clone()),
                    Some(Message::Work(_)) | None => {}
                    Some(close @ Message::Close(_)) => waiting.push_back(close),
                }
            }
            return;
        }
        let Some(connection) = self.connection.as_ref() else {
            return;
        };
        let mut next = Some(first);
        let mut ended = Ok(());
        while let Some(work) = next.take() {
            ended = batch.run(connection, work);
            if ended.is_err() || batch.done.len() >= BATCH {
                break;
            }
            next = take(waiting, &receiver);
        }
        self.last = batch.done.len();
        match ended.and_then(|()| batch.commit(connection)) {
            Ok(()) => {
                #[cfg(test)]
                self.commits.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
                if batch.broken {
                    self.connection = None;
                }
                batch.done.into_iter().for_each(Work::answer);
            }
            Err(error) => {
                // Closing it rolls back what is left of the transaction.
                self.connection = None;
                let lost = Lost::Failed(Arc::new(error));
                if batch.broken
                    && let Some(cause) = batch.done.pop()
                {
                    cause.answer();
                }
                for work in batch.done {
                    work.lose(lost.clone());
                }
            }
        }
    }
}

/// The next transaction, if one waits and nothing else comes before it.
fn take(waiting: &mut VecDeque<Message>, receiver: &flume::Receiver<Message>) -> Option<Box<dyn Work>> {
    loop {
        let message = waiting.pop_front().or_else(|| receiver.try_recv().ok())?;
        match message {
            Message::Work(Ticket { alone: true, .. }) | Message::Close(_) => {
                waiting.push_front(message);
                return None;
            }
            Message::Work(ticket) if ticket.take() => return Some(ticket.work),
            // Its caller has given up.
            Message::Work(_) => {}
        }
    }
}

/// Transactions that are committed together.
#[derive(Default)]
struct Batch {
    done: Vec<Box<dyn Work>>,
    /// Whether the connection may be broken.
    broken: bool,
}

impl Batch {
    fn begin(&mut self, connection: &Connection) -> Result<()> {
        step(connection, "BEGIN IMMEDIATE")
    }

    /// Runs a transaction within the batch. If it fails, what it wrote is rolled back and the others go on. An error
    /// means that the whole batch has failed.
    fn run(&mut self, connection: &Connection, mut work: Box<dyn Work>) -> Result<()> {
        step(connection, "SAVEPOINT work")?;
        let end = work.run(&Db::sqlite(connection));
        self.done.push(work);
        self.broken |= end == End::Broken;
        // When the disk is full, SQLite rolls everything back by itself.
        if connection.is_autocommit() {
            return Err(StoreError::Unavailable(
                "the transaction was rolled back with others".into(),
            ));
        }
        if end != End::Done {
            step(connection, "ROLLBACK TO work")?;
        }
        step(connection, "RELEASE work")
    }

    fn commit(&self, connection: &Connection) -> Result<()> {
        step(connection, "COMMIT")
    }
}

fn step(connection: &Connection, text: &str) -> Result<()> {
    connection.prepare_cached(text)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use tokio::task::JoinHandle;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A writer for a table of notes, and for one whose rows name a note.
    struct Notes {
        writer: Arc<Writer>,
        _folder: tempfile::TempDir,
    }

    impl Notes {
        fn open(patience: Duration) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.sqlite");
            let create = "PRAGMA journal_mode = WAL;
                CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
                CREATE TABLE links (id INTEGER PRIMARY KEY, note INTEGER NOT NULL REFERENCES notes (id));";
            Connection::open(&path).unwrap().execute_batch(create).unwrap();
            let lock = Arc::new(File::create(folder.path().join("lock")).unwrap());
            let settings = Settings {
                path,
                busy_timeout: Duration::from_secs(5),
            };
            Self {
                writer: Arc::new(Writer::open(settings, patience, lock).unwrap()),
                _folder: folder,
            }
        }

        /// Sends a transaction, and returns when it is in the queue.
        async fn send<T: Send + 'static>(
            &self,
            work: impl Fn(&Db<'_>) -> Result<T> + Send + 'static,
        ) -> JoinHandle<Result<T>> {
            let (writer, before) = (Arc::clone(&self.writer), self.writer.queue.sent());
            let sent = tokio::spawn(async move { writer.transaction(work).await });
            let patience = Instant::now() + LONG;
            while self.writer.queue.sent() == before {
                assert!(Instant::now() < patience, "it is not sent");
                tokio::task::yield_now().await;
            }
            sent
        }

        /// Holds the writer within a transaction, so that others arrive together. Returns what releases it.
        async fn hold(&self) -> (mpsc::Sender<()>, JoinHandle<Result<()>>) {
            let (release, released) = mpsc::channel();
            let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
            let held = self.send(move |_| {
                let _ = begun.send(());
                let _ = released.recv();
                Ok(())
            });
            let held = held.await;
            begins.recv().await.unwrap();
            (release, held)
        }

        async fn texts(&self) -> Vec<String> {
            let all = |db: &Db<'_>| {
                let mut all = db.connection()?.prepare("SELECT text FROM notes ORDER BY id")?;
                let all = all.query_map([], |row| row.get(0))?;
                Ok(all.collect::<rusqlite::Result<_>>()?)
            };
            self.writer.transaction(all).await.unwrap()
        }
    }

    fn add(db: &Db<'_>, text: &str) -> Result<i64> {
        let connection = db.connection()?;
        connection.execute("INSERT INTO notes (text) VALUES (?)", [text])?;
        Ok(connection.last_insert_rowid())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn transactions_that_arrive_together_share_a_commit() {
        let notes = Notes::open(LONG);
        let before = notes.writer.commits();
        let (release, held) = notes.hold().await;
        let mut callers = Vec::new();
        for number in 0..100 {
            let work = move |db: &Db<'_>| add(db, &number.to_string());
            callers.push(notes.send(work).await);
        }
        release.send(()).unwrap();
        held.await.unwrap().unwrap();
        for (number, caller) in callers.into_iter().enumerate() {
            // Each gets its own result.
            assert_eq!(caller.await.unwrap().unwrap(), i64::try_from(number).unwrap() + 1);
        }
        assert_eq!(notes.writer.commits() - before, 1);
        assert_eq!(notes.texts().await.len(), 100);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_commit_has_no_more_than_its_share() {
        let notes = Notes::open(LONG);
        let before = notes.writer.commits();
        let (release, held) = notes.hold().await;
        let mut callers = Vec::new();
        for _ in 0..3 * BATCH {
            callers.push(notes.send(|db| add(db, "x")).await);
        }
        release.send(()).unwrap();
        held.await.unwrap().unwrap();
        for caller in callers {
            caller.await.unwrap().unwrap();
        }
        // The one that held the writer takes a place of the first.
        assert_eq!(notes.writer.commits() - before, 4);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_transaction_that_fails_leaves_its_neighbours_alone() {
        let notes = Notes::open(LONG);
        let before = notes.writer.commits();
        let (release, held) = notes.hold().await;
        let first = notes.send(|db| add(db, "first")).await;
        let refused = notes.send(|db| {
            add(db, "refused")?;
            Err::<(), _>(StoreError::Unknown("test"))
        });
        let refused = refused.await;
        let wrong = notes.send(|db| {
            add(db, "wrong")?;
            Ok(db
                .connection()?
                .execute("INSERT INTO links (note) VALUES (77)", [])?)
        });
        let wrong = wrong.await;
        let panics = notes.send(|db| {
            add(db, "panics")?;
            if db.connection()?.is_autocommit() {
                return Ok(());
            }
            panic!("as a bug would")
        });
        let panics = panics.await;
        let last = notes.send(|db| add(db, "last")).await;
        release.send(()).unwrap();
        held.await.unwrap().unwrap();
        first.await.unwrap().unwrap();
        assert!(matches!(refused.await.unwrap(), Err(StoreError::Unknown("test"))));
        assert!(matches!(wrong.await.unwrap(), Err(StoreError::Database(_))));
        assert!(matches!(panics.await.unwrap(), Err(StoreError::Panicked)));
        last.await.unwrap().unwrap();
        assert_eq!(notes.writer.commits() - before, 1);
        assert_eq!(notes.texts().await, ["first", "last"]);
    }

    /// Who is answered earlier may tell somebody what a power cut then takes back.
    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_is_answered_before_the_commit() {
        let notes = Notes::open(LONG);
        let (release, held) = notes.hold().await;
        let mut early = notes.send(|db| add(db, "early")).await;
        // Not even who wrote nothing: it has read what is not on the disk yet.
        let mut seen = notes
            .send(|db| {
                Ok(db
                    .connection()?
                    .query_row("SELECT count(*) FROM notes", [], |row| row.get::<_, i64>(0))?)
            })
            .await;
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let (go_on, goes_on) = mpsc::channel::<()>();
        let late = notes.send(move |db| {
            let _ = begun.send(());
            let _ = goes_on.recv();
            // Checked at the commit, which this one makes fail.
            db.connection()?
                .execute_batch("PRAGMA defer_foreign_keys = ON; INSERT INTO links (note) VALUES (77)")?;
            Ok(())
        });
        let late = late.await;
        release.send(()).unwrap();
        begins.recv().await.unwrap();
        let answered = tokio::time::timeout(Duration::from_millis(50), &mut early).await;
        answered.unwrap_err();
        let answered = tokio::time::timeout(Duration::from_millis(50), &mut seen).await;
        answered.unwrap_err();
        go_on.send(()).unwrap();
        for lost in [
            early.await.unwrap().map(|_| ()),
            seen.await.unwrap().map(|_| ()),
            late.await.unwrap(),
            held.await.unwrap(),
        ] {
            assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
        }
        // Nothing of it is stored, and the writer goes on.
        assert_eq!(notes.texts().await, [""; 0]);
        notes.writer.transaction(|db| add(db, "next")).await.unwrap();
        assert_eq!(notes.texts().await, ["next"]);
    }

    /// When the disk is full, SQLite rolls back what the neighbours have written, too.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_fails_all_that_would_have_been_committed_with_it() {
        let notes = Notes::open(LONG);
        let full = |db: &Db<'_>| Ok(db.connection()?.execute_batch("PRAGMA max_page_count = 1")?);
        notes.writer.alone(full).await.unwrap();
        let (release, held) = notes.hold().await;
        let small = notes.send(|db| add(db, "small")).await;
        let large = notes.send(|db| add(db, &"x".repeat(100_000))).await;
        let later = notes.send(|db| add(db, "later")).await;
        release.send(()).unwrap();
        held.await.unwrap().unwrap_err();
        for lost in [small, large] {
            let lost = lost.await.unwrap();
            assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
        }
        later.await.unwrap().unwrap();
        assert_eq!(notes.texts().await, ["later"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_transaction_that_waited_too_long_never_runs() {
        let notes = Notes::open(Duration::from_millis(100));
        let (release, held) = notes.hold().await;
        let late = notes.send(|db| add(db, "late")).await.await.unwrap();
        assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
        release.send(()).unwrap();
        // One that has begun is waited for, however long it takes.
        held.await.unwrap().unwrap();
        assert_eq!(notes.texts().await, [""; 0]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_transaction_is_committed_even_if_its_caller_has_gone() {
        let notes = Notes::open(LONG);
        let (release, held) = notes.hold().await;
        let gone = notes.send(|db| add(db, "sent")).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        release.send(()).unwrap();
        held.await.unwrap().unwrap();
        assert_eq!(notes.texts().await, ["sent"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_sent_before_the_end_is_committed_and_nothing_after_it() {
        let notes = Notes::open(LONG);
        let (release, held) = notes.hold().await;
        let before = notes.send(|db| add(db, "before")).await;
        let writer = Arc::clone(&notes.writer);
        let closed = tokio::spawn(async move { writer.close().await });
        release.send(()).unwrap();
        held.await.unwrap().unwrap();
        before.await.unwrap().unwrap();
        closed.await.unwrap();
        let after = notes.writer.transaction(|db| add(db, "after")).await;
        assert!(matches!(after, Err(StoreError::Unavailable(_))), "{after:?}");
    }
}
