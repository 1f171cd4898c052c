//! Work that is sent to a thread with a database connection, and its way back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::sql::Db;
use super::{Result, StoreError};

/// How much work may wait for a thread.
const QUEUE: usize = 4096;

/// Why work was not done that its thread did not refuse itself.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Lost {
    /// It waited too long.
    #[error("it did not answer in time")]
    TimedOut,
    /// The store was closed.
    #[error("it is closed")]
    Closed,
    /// The transaction that it was part of failed.
    #[error("{0}")]
    Failed(Arc<StoreError>),
}

impl From<Lost> for StoreError {
    fn from(lost: Lost) -> Self {
        Self::Unavailable(lost.into())
    }
}

/// How work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It did what it should.
    Done,
    /// It failed.
    Failed,
    /// The database refused something: its connection may be broken.
    Broken,
    /// A bug ended it, perhaps in the middle of a statement.
    Panicked,
}

/// Work without its types.
pub(super) trait Work: Send {
    /// Does it, and keeps the result. What it did before was rolled back if this is not the first time.
    fn run(&mut self, db: &Db<'_>) -> End;
    /// Hands the result to the caller.
    fn answer(self: Box<Self>);
    /// Hands the caller an error in its place.
    fn lose(self: Box<Self>, lost: Lost);
    /// Whether its caller has gone.
    fn is_unheard(&self) -> bool;
}

struct Typed<T, F> {
    work: F,
    result: Option<Result<T>>,
    caller: oneshot::Sender<Result<T>>,
    span: tracing::Span,
}

impl<T, F> Work for Typed<T, F>
where
    T: Send,
    F: Fn(&Db<'_>) -> Result<T> + Send,
{
    fn run(&mut self, db: &Db<'_>) -> End {
        let _span = self.span.enter();
        self.result = None;
        // What the work had borrowed is gone with it; the thread rolls back what it had written.
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(db))).unwrap_or(Err(StoreError::Panicked));
        let end = match &result {
            Ok(_) => End::Done,
            Err(StoreError::Unavailable(_) | StoreError::Database(_)) => End::Broken,
            Err(StoreError::Panicked) => End::Panicked,
            Err(_) => End::Failed,
        };
        self.result = Some(result);
        end
    }

    fn answer(self: Box<Self>) {
        // The caller may have gone.
        let _ = self
            .caller
            .send(self.result.unwrap_or_else(|| Err(Lost::Closed.into())));
    }

    fn lose(self: Box<Self>, lost: Lost) {
        let _ = self.caller.send(Err(lost.into()));
    }

    fn is_unheard(&self) -> bool {
        self.caller.is_closed()
    }
}

/// Work in a queue.
pub(super) struct Ticket {
    /// Set once: by the thread that begins the work, or by the caller who no longer waits for that.
    taken: Arc<AtomicBool>,
    pub(super) work: Box<dyn Work>,
    /// Not within a transaction.
    pub(super) alone: bool,
}

impl Ticket {
    /// Takes the work, unless its caller has given up waiting.
    pub(super) fn take(&self) -> bool {
        !self.taken.swap(true, Ordering::AcqRel)
    }
}

/// What a thread receives.
pub(super) enum Message {
    Work(Ticket),
    /// Close the connection, then drop the sender.
    Close(oneshot::Sender<()>),
}

/// The way to threads that do the same.
pub(super) struct Threads {
    queue: Queue,
    count: usize,
}

impl Threads {
    pub(super) const fn new(queue: Queue, count: usize) -> Self {
        Self { queue, count }
    }

    /// Runs a query, or a transaction.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn(&Db<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.queue.run(false, work).await
    }

    /// How much waits for a thread.
    pub(super) fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Ends the threads.
    pub(super) async fn close(&self) {
        self.queue.close(self.count).await;
    }
}

/// Where work waits for its threads.
pub(super) struct Queue {
    sender: flume::Sender<Message>,
    patience: Duration,
    #[cfg(test)]
    sent: std::sync::atomic::AtomicU64,
}

impl Queue {
    /// A queue, and the end of it that the threads have. Nothing waits longer than `patience` for a thread.
    pub(super) fn new(patience: Duration) -> (Self, flume::Receiver<Message>) {
        let (sender, receiver) = flume::bounded(QUEUE);
        let queue = Self {
            sender,
            patience,
            #[cfg(test)]
            sent: std::sync::atomic::AtomicU64::new(0),
        };
        (queue, receiver)
    }

    /// How much waits for a thread.
    pub(super) fn waiting(&self) -> usize {
        self.sender.len()
    }

    /// Sends work to a thread and waits for its result. Work that has begun is done even if the caller goes away.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        alone: bool,
        work: impl Fn(&Db<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let deadline = Instant::now() + self.patience;
        let (caller, mut result) = oneshot::channel();
        let taken = Arc::new(AtomicBool::new(false));
        let ticket = Ticket {
            taken: Arc::clone(&taken),
            work: Box::new(Typed {
                work,
                result: None,
                caller,
                span: tracing::Span::current(),
            }),
            alone,
        };
        let sent = match self.sender.try_send(Message::Work(ticket)) {
            Ok(()) => Ok(()),
            Err(flume::TrySendError::Full(message)) => timeout_at(deadline, self.sender.send_async(message))
                .await
                .map_or(Ok(()), |sent| sent.map_err(|_| Lost::Closed)),
            Err(flume::TrySendError::Disconnected(_)) => Err(Lost::Closed),
        };
        sent?;
        #[cfg(test)]
        self.sent.fetch_add(1, Ordering::AcqRel);
        let answered = match timeout_at(deadline, &mut result).await {
            Ok(answered) => answered,
            // Too late, and nobody has begun: now nobody will.
            Err(_) if !taken.swap(true, Ordering::AcqRel) => return Err(Lost::TimedOut.into()),
            Err(_) => result.await,
        };
        answered.unwrap_or_else(|_| Err(Lost::Closed.into()))
    }

    /// How much work was sent.
    #[cfg(test)]
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Ends as many threads as there are, after the work that was sent before.
    pub(super) async fn close(&self, threads: usize) {
        let mut closing = Vec::new();
        for _ in 0..threads {
            let (closed, waiting) = oneshot::channel();
            if self.sender.send_async(Message::Close(closed)).await.is_ok() {
                closing.push(waiting);
            }
        }
        for closed in closing {
            // An error means the same: the sender is gone.
            let _ = closed.await;
        }
    }
}
