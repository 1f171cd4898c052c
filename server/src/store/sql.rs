//! Statements, their parameters and the rows they return, whichever database runs them. Every statement is declared with
//! `statements!`, so that a test can read its query plan.

use std::borrow::Cow;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection};
use serde_json::json;

use super::events::Outbox;
use super::seal::{EMPTY, Index, Opener, Ring, RowSeal};
use super::{Result, StoreError, postgres};

/// The text of a statement, for each database. Only `statements!` makes one.
#[derive(Clone, Copy)]
pub(super) struct Statement {
    sqlite: &'static str,
    postgres: &'static str,
}

impl Statement {
    pub(super) const fn declared(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }

    #[cfg(test)]
    pub(super) const fn text(self) -> &'static str {
        self.sqlite
    }

    /// Empty if PostgreSQL has no such statement.
    #[cfg(test)]
    pub(super) const fn postgres(self) -> &'static str {
        self.postgres
    }
}

/// Declares the statements of a module, and lists them for the tests. PostgreSQL's text is translated from SQLite's,
/// unless it follows that after a comma.
macro_rules! statements {
    (@declared $text:expr) => {{
        const BYTES: [u8; $crate::store::dialect::length($text)] = $crate::store::dialect::bytes($text);
        $crate::store::sql::Statement::declared($text, $crate::store::dialect::text(&BYTES))
    }};
    (@declared $text:expr, $postgres:expr) => { $crate::store::sql::Statement::declared($text, $postgres) };
    ($($(#[doc = $doc:literal])* $name:ident = $text:expr $(, $postgres:expr)?;)+) => {
        $($(#[doc = $doc])* const $name: $crate::store::sql::Statement =
            $crate::store::sql::statements!(@declared $text $(, $postgres)?);)+

        #[cfg(test)]
        pub(in crate::store) const STATEMENTS: &[(&str, $crate::store::sql::Statement)] = &[$((stringify!($name), $name)),+];
    };
}
pub(super) use statements;

/// What a statement gets for a parameter. `NULL` has a type, too, because some databases need to know it.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Int(Option<i64>),
    Bool(Option<bool>),
    Text(Option<&'a str>),
    /// A list, as `json_each` reads it, or an array.
    Texts(&'a [String]),
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match *self {
            Self::Int(Some(number)) => number.into(),
            Self::Bool(Some(truth)) => truth.into(),
            Self::Text(Some(text)) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Int(None) | Self::Bool(None) | Self::Text(None) => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Texts(texts) => json!(texts).to_string().into(),
        })
    }
}

/// What can be a parameter.
pub(super) trait Param {
    /// `NULL` of this type.
    const NULL: Value<'static>;

    fn value(&self) -> Value<'_>;
}

impl<T: Param> Param for Option<T> {
    const NULL: Value<'static> = T::NULL;

    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(T::NULL, T::value)
    }
}

impl<T: Param + ?Sized> Param for &T {
    const NULL: Value<'static> = T::NULL;

    fn value(&self) -> Value<'_> {
        T::value(self)
    }
}

macro_rules! integers {
    ($($type:ty),+) => {$(
        impl Param for $type {
            const NULL: Value<'static> = Value::Int(None);

            fn value(&self) -> Value<'_> {
                Value::Int(Some((*self).into()))
            }
        }
    )+};
}

integers!(i64, u32, u16, u8);

impl Param for bool {
    const NULL: Value<'static> = Value::Bool(None);

    fn value(&self) -> Value<'_> {
        Value::Bool(Some(*self))
    }
}

impl Param for str {
    const NULL: Value<'static> = Value::Text(None);

    fn value(&self) -> Value<'_> {
        Value::Text(Some(self))
    }
}

impl Param for String {
    const NULL: Value<'static> = Value::Text(None);

    fn value(&self) -> Value<'_> {
        Value::Text(Some(self))
    }
}

impl Param for Cow<'_, str> {
    const NULL: Value<'static> = Value::Text(None);

    fn value(&self) -> Value<'_> {
        Value::Text(Some(self))
    }
}

impl Param for [String] {
    const NULL: Value<'static> = Value::Texts(&[]);

    fn value(&self) -> Value<'_> {
        Value::Texts(self)
    }
}

/// The parameters of a statement, in order.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::store::sql::Param::value(&$value)),*] };
}
pub(super) use params;

/// A value of a row.
#[derive(Clone, Copy)]
pub(super) enum Cell<'r> {
    Null,
    Int(i64),
    Text(&'r str),
}

/// What a column can be read as.
pub(super) trait Column: Sized {
    /// `None` if the value is of another type.
    fn read(cell: Cell<'_>) -> Option<Self>;
}

impl<T: Column> Column for Option<T> {
    fn read(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            Cell::Int(_) | Cell::Text(_) => T::read(cell).map(Some),
        }
    }
}

impl Column for i64 {
    fn read(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Int(number) => Some(number),
            Cell::Null | Cell::Text(_) => None,
        }
    }
}

impl Column for u32 {
    fn read(cell: Cell<'_>) -> Option<Self> {
        i64::read(cell)?.try_into().ok()
    }
}

impl Column for u16 {
    fn read(cell: Cell<'_>) -> Option<Self> {
        i64::read(cell)?.try_into().ok()
    }
}

impl Column for bool {
    fn read(cell: Cell<'_>) -> Option<Self> {
        i64::read(cell).map(|number| number != 0)
    }
}

impl Column for String {
    fn read(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Text(text) => Some(text.into()),
            Cell::Null | Cell::Int(_) => None,
        }
    }
}

/// A column has a value that the statement does not expect. The value itself stays out of the message.
#[derive(Debug, thiserror::Error)]
#[error("column {0} has a value of another type")]
struct Unexpected(usize);

/// A row of a result, and what opens its values.
pub(super) struct Row<'r> {
    cells: Cells<'r>,
    ring: &'r Ring,
}

#[derive(Clone, Copy)]
enum Cells<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r postgres::Row),
}

impl<'r> Row<'r> {
    fn cell(&self, at: usize) -> Result<Cell<'r>> {
        let row = match self.cells {
            Cells::Sqlite(row) => row,
            Cells::Postgres(row) => return postgres::cell(row, at),
        };
        match row.get_ref(at)? {
            ValueRef::Null => Some(Cell::Null),
            ValueRef::Integer(number) => Some(Cell::Int(number)),
            ValueRef::Text(text) => std::str::from_utf8(text).ok().map(Cell::Text),
            ValueRef::Real(_) | ValueRef::Blob(_) => None,
        }
        .ok_or_else(|| unexpected(at))
    }

    /// A column.
    pub(super) fn get<T: Column>(&self, at: usize) -> Result<T> {
        T::read(self.cell(at)?).ok_or_else(|| unexpected(at))
    }

    /// The last column.
    pub(super) fn last<T: Column>(&self) -> Result<T> {
        let columns = match self.cells {
            Cells::Sqlite(row) => row.as_ref().column_count(),
            Cells::Postgres(row) => postgres::columns(row),
        };
        self.get(columns.saturating_sub(1))
    }

    /// A text, as it is stored.
    pub(super) fn stored(&self, at: usize) -> Result<Option<&'r str>> {
        match self.cell(at)? {
            Cell::Text(text) => Ok(Some(text)),
            Cell::Null => Ok(None),
            Cell::Int(_) => Err(unexpected(at)),
        }
    }

    /// What opens the values of this row.
    pub(super) const fn opener(&self, table: &'static str) -> Opener<'r> {
        self.ring.opener(table)
    }
}

pub(super) fn unexpected(at: usize) -> StoreError {
    StoreError::Database(Unexpected(at).into())
}

/// A connection that runs statements: a writer's within a transaction, or a reader's.
pub(super) struct Db<'c> {
    driver: Driver<'c>,
    ring: &'c Ring,
    outbox: Option<&'c Outbox>,
    /// Which process works here, for the rows that it claims.
    instance: Option<&'c str>,
    /// Whether there is an event to send once this is committed.
    event: std::cell::Cell<bool>,
}

#[derive(Clone, Copy)]
enum Driver<'c> {
    Sqlite(&'c Connection),
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "there is none"))]
    Postgres(&'c postgres::Connection),
}

impl<'c> Db<'c> {
    pub(super) const fn sqlite(connection: &'c Connection) -> Self {
        Self {
            driver: Driver::Sqlite(connection),
            ring: &EMPTY,
            outbox: None,
            instance: None,
            event: std::cell::Cell::new(false),
        }
    }

    #[cfg(feature = "postgres")]
    pub(super) const fn postgres(connection: &'c postgres::Connection) -> Self {
        Self {
            driver: Driver::Postgres(connection),
            ring: &EMPTY,
            outbox: None,
            instance: None,
            event: std::cell::Cell::new(false),
        }
    }

    /// The same connection, for a transaction of an instance that may write events.
    pub(super) const fn with<'o>(&self, outbox: &'o Outbox, instance: &'o str, ring: &'o Ring) -> Db<'o>
    where
        'c: 'o,
    {
        Db {
            driver: self.driver,
            ring,
            outbox: Some(outbox),
            instance: Some(instance),
            event: std::cell::Cell::new(false),
        }
    }

    /// The instance, as its rows have it.
    pub(super) const fn instance(&self) -> Option<&str> {
        self.instance
    }

    /// The same connection, for what only reads.
    pub(super) const fn keyed<'o>(&self, ring: &'o Ring) -> Db<'o>
    where
        'c: 'o,
    {
        Db {
            driver: self.driver,
            ring,
            outbox: None,
            instance: None,
            event: std::cell::Cell::new(false),
        }
    }

    /// The keys in use.
    pub(super) const fn ring(&self) -> &'c Ring {
        self.ring
    }

    /// What seals the values of a row.
    pub(super) const fn seal<'r>(&'r self, table: &'static str, row: &'r str) -> RowSeal<'r> {
        self.ring.row(table, row)
    }

    /// Every form in which a text may be in a column that rows are found by; the first is the one that is written.
    pub(super) fn forms(&self, index: Index, text: &str) -> Result<Vec<String>> {
        self.ring.forms(index, text)
    }

    /// The first row of the first form for which there is one.
    pub(super) fn found<T>(
        &self,
        forms: &[String],
        mut find: impl FnMut(&str) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        for form in forms {
            if let Some(row) = find(form)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Whether events are to be written.
    pub(super) fn has_outbox(&self) -> bool {
        self.outbox.is_some_and(Outbox::is_open)
    }

    /// Whether work that leads to more events is to be refused.
    pub(super) fn is_outbox_full(&self) -> bool {
        self.outbox.is_some_and(Outbox::is_full)
    }

    /// Notes that there is an event to send.
    pub(super) fn note_event(&self) {
        self.event.set(true);
    }

    pub(super) fn has_event(&self) -> bool {
        self.event.get()
    }

    /// The newest rows of a list, whatever form its customer has in them. Each comes with its place.
    pub(super) fn newest<T>(
        &self,
        forms: &[String],
        limit: i64,
        rows: impl FnMut(&str) -> Result<Vec<(T, i64)>>,
    ) -> Result<Vec<(T, i64)>> {
        let mut all: Vec<(T, i64)> = forms
            .iter()
            .map(String::as_str)
            .map(rows)
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect();
        all.sort_by_key(|(_, seq)| std::cmp::Reverse(*seq));
        all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(all)
    }

    const fn cells<'r>(&self, cells: Cells<'r>) -> Row<'r>
    where
        'c: 'r,
    {
        Row {
            cells,
            ring: self.ring,
        }
    }

    /// Runs a statement, and returns how many rows it changed.
    pub(super) fn execute(&self, statement: Statement, params: &[Value<'_>]) -> Result<usize> {
        match self.driver {
            Driver::Sqlite(connection) => {
                Ok(prepare(connection, statement)?.execute(rusqlite::params_from_iter(params))?)
            }
            Driver::Postgres(connection) => connection.execute(statement.postgres, params),
        }
    }

    /// The first row.
    pub(super) fn row<T>(
        &self,
        statement: Statement,
        params: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.driver {
            Driver::Sqlite(connection) => {
                let mut prepared = prepare(connection, statement)?;
                let mut rows = prepared.query(rusqlite::params_from_iter(params))?;
                rows.next()?
                    .map(|row| read(&self.cells(Cells::Sqlite(row))))
                    .transpose()
            }
            Driver::Postgres(connection) => {
                let row = connection.row(statement.postgres, params)?;
                row.map(|row| read(&self.cells(Cells::Postgres(&row))))
                    .transpose()
            }
        }
    }

    /// Every row.
    pub(super) fn rows<T>(
        &self,
        statement: Statement,
        params: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        match self.driver {
            Driver::Sqlite(connection) => {
                let mut prepared = prepare(connection, statement)?;
                let mut rows = prepared.query(rusqlite::params_from_iter(params))?;
                let mut all = Vec::new();
                while let Some(row) = rows.next()? {
                    all.push(read(&self.cells(Cells::Sqlite(row)))?);
                }
                Ok(all)
            }
            Driver::Postgres(connection) => {
                let rows = connection.rows(statement.postgres, params)?;
                rows.iter()
                    .map(|row| read(&self.cells(Cells::Postgres(row))))
                    .collect()
            }
        }
    }

    /// The first column of the first row.
    pub(super) fn value<T: Column>(&self, statement: Statement, params: &[Value<'_>]) -> Result<Option<T>> {
        self.row(statement, params, |row| row.get(0))
    }

    /// Whether there is a row.
    pub(super) fn exists(&self, statement: Statement, params: &[Value<'_>]) -> Result<bool> {
        Ok(self.row(statement, params, |_| Ok(()))?.is_some())
    }

    /// Makes the transaction see the rows of this moment. SQLite has nobody else who writes.
    pub(super) fn begin_reading(&self) -> Result<()> {
        match self.driver {
            Driver::Sqlite(_) => Ok(()),
            Driver::Postgres(connection) => connection.batch("SELECT 1 FROM health"),
        }
    }

    /// SQLite's connection, for what is no statement of the store.
    pub(super) const fn connection(&self) -> Result<&'c Connection> {
        match self.driver {
            Driver::Sqlite(connection) => Ok(connection),
            Driver::Postgres(_) => Err(StoreError::Unknown("driver")),
        }
    }

    /// Runs statements that the store itself does not have.
    #[cfg(test)]
    pub(super) fn any(&self, text: &str) -> Result<()> {
        match self.driver {
            Driver::Sqlite(connection) => Ok(connection.execute_batch(text)?),
            Driver::Postgres(connection) => connection.any(text),
        }
    }

    /// The first number that such a statement returns.
    #[cfg(test)]
    pub(super) fn any_number(&self, text: &str) -> Result<i64> {
        match self.driver {
            Driver::Sqlite(connection) => Ok(connection.query_row(text, [], |row| row.get(0))?),
            Driver::Postgres(connection) => {
                let rows = connection.any_rows(text)?;
                self.cells(Cells::Postgres(&rows[0])).get(0)
            }
        }
    }
}

/// Parses each statement once per connection.
fn prepare(connection: &Connection, statement: Statement) -> Result<CachedStatement<'_>> {
    #[cfg(test)]
    super::plans::known(statement);
    Ok(connection.prepare_cached(statement.sqlite)?)
}

/// Reads the columns of a row from left to right, without looking up their names.
pub(super) struct Columns<'r> {
    row: &'r Row<'r>,
    at: usize,
    opener: Opener<'r>,
}

impl<'r> Columns<'r> {
    /// Those of a row of a table. If any are sealed, the first is the row's id.
    pub(super) const fn of(table: &'static str, row: &'r Row<'r>) -> Self {
        Self {
            row,
            at: 0,
            opener: row.opener(table),
        }
    }

    /// The next column, whose value may be sealed.
    pub(super) fn opened(&mut self, column: &'static str) -> Result<Option<String>> {
        let at = self.at;
        self.at += 1;
        let Some(stored) = self.row.stored(at)? else {
            return Ok(None);
        };
        let id = self.row.stored(0)?.unwrap_or_default();
        self.opener.open(column, id, stored).map(Some)
    }

    /// The same for a value that is never missing.
    pub(super) fn opened_text(&mut self, column: &'static str) -> Result<String> {
        let at = self.at;
        self.opened(column)?.ok_or_else(|| unexpected(at))
    }

    /// The next column.
    pub(super) fn next<T: Column>(&mut self) -> Result<T> {
        let at = self.at;
        self.at += 1;
        self.row.get(at)
    }

    /// The next column, a text that has to be one of those that `known` translates. `what` names the column.
    pub(super) fn word<T>(&mut self, what: &'static str, known: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let at = self.at;
        self.at += 1;
        match self.row.cell(at)? {
            Cell::Text(text) => known(text).ok_or(StoreError::Unknown(what)),
            Cell::Null | Cell::Int(_) => Err(unexpected(at)),
        }
    }
}

/// Reads a row of a table, whose first column is the id. An error has its table and id, but never a value.
pub(super) fn readable<T>(
    table: &'static str,
    row: &Row<'_>,
    read: impl FnOnce(&mut Columns<'_>) -> Result<T>,
) -> Result<T> {
    read(&mut Columns::of(table, row)).map_err(|error| {
        let id = row.get::<String>(0).ok();
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
