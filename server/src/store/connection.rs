//! Opens connections to the database file.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::Result;

/// How many parsed statements a connection keeps: more than there are.
const STATEMENTS: usize = 256;

/// How to open the file.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) path: PathBuf,
    /// How long a statement waits for locks of other processes.
    pub(super) busy_timeout: Duration,
}

impl Settings {
    /// Opens the connection that writes.
    pub(super) fn writer(&self) -> Result<Connection> {
        let connection = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.execute_batch(
            // Overwrites what is deleted, so that it does not stay in free pages. A log of 16 MB, and not of 4, moves a
            // page that changes often into the file less often: a sixth less CPU per row.
            "PRAGMA secure_delete = ON;
             PRAGMA foreign_keys = ON;
             PRAGMA wal_autocheckpoint = 4000;",
        )?;
        Ok(connection)
    }

    /// Opens a connection that only reads.
    pub(super) fn reader(&self) -> Result<Connection> {
        let connection = self.open(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.execute_batch("PRAGMA query_only = ON;")?;
        Ok(connection)
    }

    fn open(&self, flags: OpenFlags) -> Result<Connection> {
        // Each connection belongs to one thread.
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(self.busy_timeout)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Every commit is on the disk before it returns; what a savepoint needs stays in memory.
        connection.execute_batch(
            "PRAGMA synchronous = FULL;
             PRAGMA temp_store = MEMORY;",
        )?;
        Ok(connection)
    }
}
