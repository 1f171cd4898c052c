//! What the metrics tell of the database.

use cardseal::platform::Platform;

use super::sql::params;
use super::{Result, Store, StoreError, statements};

/// The unknown payments of a platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// How many there are, and payments with an unknown change.
    pub count: i64,
    /// When the oldest of them was requested, in milliseconds since 1970.
    pub oldest: Option<i64>,
}

statements! {
    PAYMENTS = "SELECT COUNT(*), MIN(created_at) FROM payments WHERE platform = ?1 AND status = 'unknown'";
    CHANGES = "SELECT COUNT(*), MIN(changes.created_at)
        FROM changes CROSS JOIN payments ON payments.id = changes.payment_id
        WHERE changes.state = 'unknown' AND payments.platform = ?1";
    BYTES = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
        "SELECT pg_database_size(current_database())";
}

impl Store {
    /// Counts what is unknown at a platform.
    pub async fn unknown(&self, platform: Platform) -> Result<Unknown> {
        self.list(move |db| {
            let mut unknown = Unknown::default();
            for statement in [PAYMENTS, CHANGES] {
                let found = db.row(statement, params![platform.id()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
                let (count, oldest): (i64, Option<i64>) = found.unwrap_or_default();
                unknown.count += count;
                unknown.oldest = unknown.oldest.into_iter().chain(oldest).min();
            }
            Ok(unknown)
        })
        .await
    }

    /// The size of the database.
    pub async fn bytes(&self) -> Result<i64> {
        let bytes = self.list(|db| db.value(BYTES, params![])).await?;
        bytes.ok_or(StoreError::Unknown("size"))
    }

    /// How many transactions wait for a writer.
    pub fn writes_waiting(&self) -> usize {
        self.writer.waiting()
    }
}
