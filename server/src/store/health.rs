//! Checks whether the database can be read and written, by doing so.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::instances::Right;
use super::migrations::LATEST;
use super::sql::params;
use super::{Result, Store, StoreError, statements};

/// How long a result is reused, so that frequent probes are cheap.
const FRESH: Duration = Duration::from_secs(1);
/// A check that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(2);

/// The last result, and its time.
#[derive(Default)]
pub(super) struct Probe(Mutex<Option<(Instant, Health)>>);

/// The health of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Rows can be read.
    pub reader: bool,
    /// Rows can be written to disk.
    pub writer: bool,
    /// The tables have this version's form.
    pub migrations: bool,
}

impl Health {
    /// Whether the server is ready for requests.
    #[must_use]
    pub const fn is_ready(self) -> bool {
        self.reader && self.writer && self.migrations
    }
}

impl Store {
    /// Reads and writes a row, at most once a second for all callers together.
    pub async fn health(&self, now: i64) -> Health {
        let mut last = self.health.0.lock().await;
        if let Some((at, health)) = *last
            && at.elapsed() < FRESH
        {
            return health;
        }
        let (version, written) = tokio::join!(
            in_time("reading", self.version()),
            in_time("writing", self.probe_write(now))
        );
        let health = Health {
            reader: version.is_some(),
            writer: written.is_some(),
            migrations: version == Some(LATEST),
        };
        *last = Some((Instant::now(), health));
        health
    }

    async fn version(&self) -> Result<i64> {
        let version = self.read(|db| db.value(VERSION, params![])).await?;
        version.flatten().ok_or(StoreError::Unknown("version"))
    }

    async fn probe_write(&self, now: i64) -> Result<()> {
        self.write_as(Right::ToBegin, move |db| db.execute(PROBE, params![now]))
            .await
            .map(|_| ())
    }
}

statements! {
    VERSION = "SELECT MAX(version) FROM _sqlx_migrations";
    PROBE = "UPDATE health SET probed_at = ? WHERE id = 1";
}

async fn in_time<T>(what: &'static str, work: impl Future<Output = Result<T>>) -> Option<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(cause)) => {
            tracing::error!(what, %cause, "the health check of the database failed");
            None
        }
        Err(_) => {
            tracing::error!(what, "the health check of the database timed out");
            None
        }
    }
}
