//! Statements and the rows they return. Every statement is declared with `statements!`, so that a test can read its
//! query plan.

use rusqlite::types::FromSql;
use rusqlite::{CachedStatement, Connection, Params, Row};

use super::{Result, StoreError};

/// The text of a statement. Only `statements!` makes one.
#[derive(Clone, Copy)]
pub(super) struct Statement(&'static str);

impl Statement {
    pub(super) const fn declared(text: &'static str) -> Self {
        Self(text)
    }

    #[cfg(test)]
    pub(super) const fn text(self) -> &'static str {
        self.0
    }
}

/// Declares the statements of a module, and lists them for the tests.
macro_rules! statements {
    ($($(#[doc = $doc:literal])* $name:ident = $text:expr;)+) => {
        $($(#[doc = $doc])* const $name: $crate::store::sql::Statement =
            $crate::store::sql::Statement::declared($text);)+

        #[cfg(test)]
        pub(in crate::store) const STATEMENTS: &[(&str, $crate::store::sql::Statement)] = &[$((stringify!($name), $name)),+];
    };
}
pub(super) use statements;

/// A connection that runs statements: the writer's within a transaction, or a reader's.
pub(super) struct Db<'c> {
    connection: &'c Connection,
}

impl<'c> Db<'c> {
    pub(super) const fn new(connection: &'c Connection) -> Self {
        Self { connection }
    }

    /// Parses each statement once per connection.
    fn prepare(&self, statement: Statement) -> Result<CachedStatement<'c>> {
        #[cfg(test)]
        super::plans::known(statement);
        Ok(self.connection.prepare_cached(statement.0)?)
    }

    /// Runs a statement, and returns how many rows it changed.
    pub(super) fn execute(&self, statement: Statement, params: impl Params) -> Result<usize> {
        Ok(self.prepare(statement)?.execute(params)?)
    }

    /// The first row.
    pub(super) fn row<T>(
        &self,
        statement: Statement,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut prepared = self.prepare(statement)?;
        let mut rows = prepared.query(params)?;
        rows.next()?.map(read).transpose()
    }

    /// Every row.
    pub(super) fn rows<T>(
        &self,
        statement: Statement,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut prepared = self.prepare(statement)?;
        let mut rows = prepared.query(params)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    /// The first column of the first row.
    pub(super) fn value<T: FromSql>(&self, statement: Statement, params: impl Params) -> Result<Option<T>> {
        self.row(statement, params, |row| Ok(row.get(0)?))
    }

    /// Whether there is a row.
    pub(super) fn exists(&self, statement: Statement, params: impl Params) -> Result<bool> {
        Ok(self.row(statement, params, |_| Ok(()))?.is_some())
    }

    /// The connection itself, for what is no statement of the store.
    pub(super) const fn connection(&self) -> &'c Connection {
        self.connection
    }
}

/// Reads the columns of a row from left to right, without looking up their names.
pub(super) struct Columns<'r> {
    row: &'r Row<'r>,
    at: usize,
}

impl<'r> Columns<'r> {
    pub(super) const fn of(row: &'r Row<'r>) -> Self {
        Self { row, at: 0 }
    }

    /// The next column.
    pub(super) fn next<T: FromSql>(&mut self) -> Result<T> {
        let at = self.at;
        self.at += 1;
        Ok(self.row.get(at)?)
    }

    /// The next column, a text that has to be one of those that `known` translates. `what` names the column.
    pub(super) fn word<T>(&mut self, what: &'static str, known: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let at = self.at;
        self.at += 1;
        let text = self.row.get_ref(at)?.as_str().map_err(rusqlite::Error::from)?;
        known(text).ok_or(StoreError::Unknown(what))
    }
}

/// Reads a row of a table, whose first column is the id. An error has its table and id, but never a value.
pub(super) fn readable<T>(
    table: &'static str,
    row: &Row<'_>,
    read: impl FnOnce(&mut Columns<'_>) -> Result<T>,
) -> Result<T> {
    read(&mut Columns::of(row)).map_err(|error| {
        let id = row.get::<_, String>(0).ok();
        let plain = |id: &String| {
            id.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        StoreError::Unreadable {
            table,
            row: id.filter(plain).unwrap_or_else(|| "without a readable id".into()),
            reason: if let StoreError::Unknown(what) = error {
                format!("its {what} is not known")
            } else {
                error.to_string()
            },
        }
    })
}

/// A page of a list. Rows that cannot be read are logged and skipped, and later rows fill the page.
pub(super) struct Listed<T> {
    items: Vec<T>,
    limit: usize,
    /// The row to go on after.
    seq: i64,
    more: bool,
}

impl<T> Listed<T> {
    pub(super) fn new(seq: i64, limit: u32) -> Self {
        Self {
            items: Vec::new(),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            seq,
            more: true,
        }
    }

    /// The row to go on after, and how many rows are still missing.
    pub(super) fn wanted(&self) -> Option<(i64, i64)> {
        let left = self.limit - self.items.len();
        (self.more && left > 0).then(|| (self.seq, i64::try_from(left).unwrap_or(i64::MAX)))
    }

    /// Adds what was read for `wanted`: each row with its place in the list.
    pub(super) fn add(&mut self, rows: Vec<(Result<T>, i64)>) -> Result<()> {
        self.more = self.items.len() + rows.len() >= self.limit;
        for (item, seq) in rows {
            self.seq = seq;
            match item {
                Ok(item) => self.items.push(item),
                Err(cause @ StoreError::Unreadable { .. }) => {
                    tracing::error!(%cause, "a row is missing from a list because it cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn into_inner(self) -> Vec<T> {
        self.items
    }
}
