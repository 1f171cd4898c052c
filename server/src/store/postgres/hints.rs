//! Hints travel by `NOTIFY` and `LISTEN`, on two connections of their own.
//!
//! They are no part of a transaction that stores something: PostgreSQL lets transactions with a `NOTIFY` commit one after
//! the other only. Those of some milliseconds go together, and none go while there is nobody else.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, PgConnection, PgPool};
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{CONNECT, Postgres};
use crate::hints::{Hint, Hints};

/// How long a hint waits for others to go with, after one was sent.
const GATHER: Duration = Duration::from_millis(5);
/// How many go together. PostgreSQL takes up to 8,000 bytes.
const TOGETHER: usize = 400;
/// How long a statement may take.
const ANSWER: Duration = Duration::from_secs(2);
/// The pause after a failure, and how often a process looks whether it is alone.
const PAUSE: Duration = Duration::from_secs(1);

/// One for each schema: there each has its own tables.
const CHANNEL: &str = "SELECT 'cardseal_' || to_hex(hashtext(coalesce(current_schema(), '')))";
/// Nothing of a hint has to survive, so no disk is waited for.
const TO_SEND: &str = "SET synchronous_commit = off; SET statement_timeout = '2s'";
const HAS_OTHERS: &str = "SELECT EXISTS (SELECT 1 FROM instances WHERE id <> $1)";
const SEND: &str = "SELECT pg_notify($1, $2)";

/// The two tasks.
pub(in crate::store) struct Messengers {
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl Messengers {
    /// Starts them. `id` is this process's, which begins what it sends.
    pub(super) fn start(settings: &Postgres, id: &str) -> (Self, Hints) {
        let (hints, sent, heard) = Hints::to_others();
        let (stopping, tasks) = (CancellationToken::new(), TaskTracker::new());
        let sender = Sender::new(settings, id);
        tasks.spawn(stopping.clone().run_until_cancelled_owned(sender.run(sent)));
        let listening = listen(settings.clone(), id.to_owned(), heard);
        tasks.spawn(stopping.clone().run_until_cancelled_owned(listening));
        tasks.close();
        (Self { stopping, tasks }, hints)
    }

    /// Ends them, with their connections.
    pub(in crate::store) async fn close(&self) {
        self.stopping.cancel();
        self.tasks.wait().await;
    }
}

/// Logs the first failure of each kind and then fewer and fewer: without hints everything works, only later.
fn warn(failures: &mut u32, cause: &dyn std::fmt::Display, what: &'static str) {
    *failures = failures.saturating_add(1);
    if failures.is_power_of_two() {
        tracing::warn!(%cause, failures, what, "other processes are told later what happens here, or this one is");
    }
}

struct Sender {
    settings: Postgres,
    id: String,
    line: Option<Line>,
}

/// An open connection.
struct Line {
    connection: PgConnection,
    channel: String,
    /// Whether there are other processes, as of a time.
    others: Option<(bool, Instant)>,
}

impl Sender {
    fn new(settings: &Postgres, id: &str) -> Self {
        Self {
            settings: settings.clone(),
            id: id.to_owned(),
            line: None,
        }
    }

    async fn run(mut self, mut sent: mpsc::Receiver<Hint>) {
        let (mut hints, mut failures) = (Vec::with_capacity(TOGETHER), 0);
        while sent.recv_many(&mut hints, TOGETHER).await > 0 {
            let done = timeout(CONNECT + ANSWER, self.send(&hints)).await;
            hints.clear();
            let failed: Option<Box<dyn std::fmt::Display + Send>> = match done {
                Ok(Ok(())) => None,
                Ok(Err(cause)) => Some(Box::new(cause)),
                Err(late) => Some(Box::new(late)),
            };
            let pause = match failed {
                None => {
                    failures = 0;
                    GATHER
                }
                Some(cause) => {
                    self.line = None;
                    warn(&mut failures, &cause, "sending");
                    PAUSE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn send(&mut self, hints: &[Hint]) -> Result<(), sqlx::Error> {
        let line = match &mut self.line {
            Some(line) => line,
            None => {
                let mut connection = self.settings.options.connect().await?;
                connection.execute(sqlx::raw_sql(TO_SEND)).await?;
                let channel = sqlx::query_scalar(CHANNEL).fetch_one(&mut connection).await?;
                self.line.insert(Line {
                    connection,
                    channel,
                    others: None,
                })
            }
        };
        if !line.has_others(&self.id).await? {
            return Ok(());
        }
        let mut text = self.id.clone();
        for hint in hints {
            text.push(' ');
            hint.write(&mut text);
        }
        let query = sqlx::query(SEND).bind(&line.channel).bind(text);
        query.execute(&mut line.connection).await.map(|_| ())
    }
}

impl Line {
    async fn has_others(&mut self, id: &str) -> Result<bool, sqlx::Error> {
        if let Some((others, at)) = self.others
            && at.elapsed() < PAUSE
        {
            return Ok(others);
        }
        let query = sqlx::query_scalar(HAS_OTHERS).bind(id);
        let others = query.fetch_one(&mut self.connection).await?;
        self.others = Some((others, Instant::now()));
        Ok(others)
    }
}

/// Hears what others send, and says it to whoever listens in this process.
async fn listen(settings: Postgres, id: String, heard: broadcast::Sender<Hint>) {
    let mut failures = 0;
    loop {
        // The listener takes its connection from a pool, which opens it again if it breaks.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT)
            .connect_lazy_with(settings.options.clone());
        let Err(cause) = hear(&pool, &id, &heard, &mut failures).await;
        warn(&mut failures, &cause, "listening");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear(
    pool: &PgPool,
    id: &str,
    heard: &broadcast::Sender<Hint>,
    failures: &mut u32,
) -> Result<std::convert::Infallible, sqlx::Error> {
    let channel: String = sqlx::query_scalar(CHANNEL).fetch_one(pool).await?;
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(&channel).await?;
    *failures = 0;
    loop {
        let notification = listener.recv().await?;
        let mut words = notification.payload().split(' ');
        if words.next() == Some(id) {
            continue;
        }
        for hint in words.filter_map(Hint::read) {
            // An error means that nobody listens.
            let _ = heard.send(hint);
        }
    }
}
