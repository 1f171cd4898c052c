//! Whether the database can be read and written now, by trying it.

use std::time::{Duration, Instant};

use sqlx::Row;
use tokio::sync::Mutex;

use super::migrations::LATEST;
use super::{Result, Store};

/// How long a verdict is good for, so that frequent probes cost little.
const FRESH: Duration = Duration::from_secs(1);
/// What takes longer does not work.
const PATIENCE: Duration = Duration::from_secs(2);

/// The last verdict, and when it was found.
#[derive(Default)]
pub(super) struct Probe(Mutex<Option<(Instant, Health)>>);

/// What the database can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// A row can be read.
    pub reader: bool,
    /// A row can be written and is on the disk.
    pub writer: bool,
    /// The tables are those of this version.
    pub migrations: bool,
}

impl Health {
    /// Whether requests can be served.
    #[must_use]
    pub const fn is_ready(self) -> bool {
        self.reader && self.writer && self.migrations
    }
}

impl Store {
    /// Reads and writes a row, at most once a second however many callers there are.
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
        let row = self
            .row(sqlx::query("SELECT MAX(version) FROM _sqlx_migrations"))
            .await?;
        Ok(row.ok_or(sqlx::Error::RowNotFound)?.try_get(0)?)
    }

    async fn probe_write(&self, now: i64) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE health SET probed_at = ? WHERE id = 1")
            .bind(now)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn in_time<T>(what: &'static str, work: impl Future<Output = Result<T>>) -> Option<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(cause)) => {
            tracing::error!(what, %cause, "the database fails its health check");
            None
        }
        Err(_) => {
            tracing::error!(what, "the database does not answer its health check in time");
            None
        }
    }
}
