//! Fills a database with copies of the rows that it has.
//!
//! It knows no table: it reads the columns, the keys and the references from the database, and so what the server stores
//! today is what is copied. Indexes are made once at the end, which takes a fraction of the time.

mod postgres;
mod sqlite;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::job::{SeedJob, TablesJob};

/// What the URL of a PostgreSQL database begins with.
const POSTGRES: &str = "postgres://";

type Result<T, E = SeedError> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedError {
    /// SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL.
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
    /// The result is damaged.
    #[error("{0}: {1}")]
    Damaged(&'static str, String),
    /// There is nothing to copy.
    #[error("the database has no rows")]
    Empty,
}

/// The database as it is now.
#[derive(Serialize)]
pub(crate) struct SeedResult {
    /// Rows by table.
    rows: BTreeMap<String, i64>,
    /// Values by `table.column`, from the oldest row to the newest.
    samples: BTreeMap<String, Vec<String>>,
    /// How long it took.
    seconds: f64,
}

/// What a database holds.
#[derive(Serialize)]
pub(crate) struct TablesResult {
    /// Rows by table.
    rows: BTreeMap<String, i64>,
    /// Pages of the file that hold nothing. PostgreSQL has no such number.
    free_pages: Option<i64>,
}

/// Fills the database.
///
/// # Errors
/// The database refuses it, or has nothing that could be copied.
pub(crate) async fn fill(job: &SeedJob) -> Result<SeedResult> {
    if job.database.starts_with(POSTGRES) {
        postgres::fill(job).await
    } else {
        sqlite::fill(job)
    }
}

/// Counts while others may write.
///
/// # Errors
/// The database cannot be read.
pub(crate) async fn count(job: &TablesJob) -> Result<TablesResult> {
    if job.database.starts_with(POSTGRES) {
        postgres::count(&job.database).await
    } else {
        sqlite::count(&job.database)
    }
}

/// The first copy is the oldest: how much older than what was copied.
fn back(job: &SeedJob, copy: u64) -> i64 {
    let (copies, left) = (i128::from(job.copies), i128::from(job.copies - copy));
    i64::try_from(i128::from(job.spread_ms) * left / copies).unwrap_or(0)
}
