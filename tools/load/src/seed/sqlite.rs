//! A SQLite file.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, ToSql, params_from_iter};

use super::{Result, SeedError, SeedResult, TablesResult, back};
use crate::job::SeedJob;
use crate::vary::{Pattern, bytes, integer};

/// Rows in a transaction; nothing has to survive a crash here.
const ROWS_AT_ONCE: u64 = 200_000;
/// Memory for pages, in KiB. Keys are random, so pages that do not fit are read and written again and again.
const CACHE_KIB: i64 = 2_000_000;
/// How long a count waits for whoever has locked the file.
const BUSY: Duration = Duration::from_secs(10);
/// Tables of the libraries, not of the server.
const NOT_OURS: [&str; 2] = ["sqlite_", "_sqlx_"];

/// Counts while others may write.
pub(super) fn count(file: &str) -> Result<TablesResult> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(file, flags)?;
    database.busy_timeout(BUSY)?;
    Ok(TablesResult {
        rows: row_counts(&database, &table_names(&database, &[])?)?,
        free_pages: Some(database.pragma_query_value(None, "freelist_count", |row| row.get(0))?),
    })
}

fn row_counts(database: &Connection, tables: &[String]) -> Result<BTreeMap<String, i64>> {
    let counts = tables.iter().map(|table| {
        let sql = format!("SELECT count(*) FROM {}", quoted(table));
        Ok((table.clone(), database.query_row(&sql, [], |row| row.get(0))?))
    });
    counts.collect()
}

struct Column {
    name: String,
    /// It numbers rows, its own table's or, as a reference, another's.
    number: bool,
}

struct Table {
    name: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

/// A value of a row, ready to be copied.
enum Cell {
    Same(Value),
    Text(Pattern),
    Blob(Vec<u8>),
    Time(i64),
    Number(i64),
}

/// Fills the database.
pub(super) fn fill(job: &SeedJob) -> Result<SeedResult> {
    let began = Instant::now();
    // A wrong path must not make a new file.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_with_flags(&job.database, flags)?;
    for (pragma, value) in [
        ("journal_mode", "OFF"),
        ("synchronous", "OFF"),
        ("foreign_keys", "OFF"),
        ("locking_mode", "EXCLUSIVE"),
    ] {
        database.pragma_update(None, pragma, value)?;
    }
    database.pragma_update(None, "cache_size", -CACHE_KIB)?;
    database.pragma_update(None, "threads", 2)?;
    let tables = tables(&database, &job.skip)?;
    if tables.iter().all(|table| table.rows.is_empty()) {
        return Err(SeedError::Empty);
    }
    let stride = stride(&tables);
    let indexes = drop_indexes(&database)?;
    for table in &tables {
        copy(&mut database, table, job, stride)?;
    }
    for index in &indexes {
        database.execute_batch(index)?;
    }
    if job.check {
        check(&database)?;
    }
    let rows = row_counts(&database, &table_names(&database, &job.skip)?)?;
    let mut samples = BTreeMap::new();
    for (table, column) in &job.columns {
        let found = sample(&database, table, column, job.samples)?;
        samples.insert(format!("{table}.{column}"), found);
    }
    // The server opens it with its own mode.
    database.pragma_update(None, "locking_mode", "NORMAL")?;
    database.close().map_err(|(_, error)| error)?;
    Ok(SeedResult {
        rows,
        samples,
        seconds: began.elapsed().as_secs_f64(),
    })
}

fn quoted(name: &str) -> String {
    format!(r#""{}""#, name.replace('"', "\"\""))
}

fn names(database: &Connection, sql: &str) -> std::result::Result<Vec<String>, rusqlite::Error> {
    database.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

fn table_names(database: &Connection, skip: &[String]) -> Result<Vec<String>> {
    let mut all = names(database, "SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    all.retain(|name| !skip.contains(name) && !NOT_OURS.iter().any(|prefix| name.starts_with(prefix)));
    Ok(all)
}

fn tables(database: &Connection, skip: &[String]) -> Result<Vec<Table>> {
    let all = table_names(database, skip)?.into_iter();
    all.map(|name| {
        let columns = columns(database, &name)?;
        let sql = format!("SELECT {} FROM {}", list(&columns), quoted(&name));
        let mut statement = database.prepare(&sql)?;
        let rows = statement.query_map([], |row| (0..columns.len()).map(|index| row.get(index)).collect())?;
        let rows = rows.collect::<std::result::Result<_, _>>()?;
        drop(statement);
        Ok(Table { name, columns, rows })
    })
    .collect()
}

/// The columns that can be written, in order.
fn columns(database: &Connection, table: &str) -> Result<Vec<Column>> {
    let mut found = Vec::new();
    let mut keys = 0;
    let mut statement =
        database.prepare("SELECT name, type, pk FROM pragma_table_xinfo(?1) WHERE hidden = 0")?;
    let mut rows = statement.query([table])?;
    while let Some(row) = rows.next()? {
        let (kind, key): (String, i64) = (row.get(1)?, row.get(2)?);
        keys += i64::from(key > 0);
        found.push(Column {
            name: row.get(0)?,
            number: key > 0 && kind.eq_ignore_ascii_case("INTEGER"),
        });
    }
    // A key of several columns is no number of a row.
    if keys > 1 {
        for column in &mut found {
            column.number = false;
        }
    }
    let sql = "SELECT reference.\"from\" FROM pragma_foreign_key_list(?1) AS reference
        JOIN pragma_table_info(reference.\"table\") AS parent
            ON parent.pk > 0 AND (reference.\"to\" IS NULL OR parent.name = reference.\"to\")
        WHERE upper(parent.type) = 'INTEGER'";
    let mut statement = database.prepare(sql)?;
    let numbers = statement.query_map([table], |row| row.get(0))?;
    let numbers: Vec<String> = numbers.collect::<std::result::Result<_, _>>()?;
    for column in &mut found {
        column.number |= numbers.contains(&column.name);
    }
    Ok(found)
}

fn list(columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    names.join(", ")
}

/// By how much the numbers of one copy are higher than those of the one before, the same for all tables.
fn stride(tables: &[Table]) -> i64 {
    let numbers = tables.iter().flat_map(|table| {
        table.rows.iter().flat_map(|row| {
            row.iter()
                .zip(&table.columns)
                .filter_map(|(value, column)| match value {
                    Value::Integer(number) if column.number => Some(*number),
                    Value::Null | Value::Integer(_) | Value::Real(_) | Value::Text(_) | Value::Blob(_) => {
                        None
                    }
                })
        })
    });
    numbers.max().unwrap_or(0) + 1
}

/// The statements that make them again. Those that belong to a constraint stay.
fn drop_indexes(database: &Connection) -> Result<Vec<String>> {
    let of_statement = "FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY rowid";
    let statements = names(database, &format!("SELECT sql {of_statement}"))?;
    for name in names(database, &format!("SELECT name {of_statement}"))? {
        database.execute_batch(&format!("DROP INDEX {}", quoted(&name)))?;
    }
    Ok(statements)
}

fn copy(database: &mut Connection, table: &Table, job: &SeedJob, stride: i64) -> Result<()> {
    let cells: Vec<Vec<Cell>> = table
        .rows
        .iter()
        .map(|row| {
            row.iter()
                .zip(&table.columns)
                .map(|(value, column)| cell(value, column, &job.shared))
                .collect()
        })
        .collect();
    if cells.is_empty() {
        return Ok(());
    }
    let marks = vec!["?"; table.columns.len()].join(", ");
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({marks})",
        quoted(&table.name),
        list(&table.columns)
    );
    let a_transaction = (ROWS_AT_ONCE / u64::try_from(cells.len()).unwrap_or(1)).max(1);
    let mut next = 1;
    while next <= job.copies {
        let transaction = database.transaction()?;
        let mut insert = transaction.prepare(&sql)?;
        let last = job.copies.min(next + a_transaction - 1);
        for copy in next..=last {
            let back = back(job, copy);
            let up = stride.saturating_mul(i64::try_from(copy).unwrap_or(i64::MAX));
            for row in &cells {
                let values = row.iter().map(|cell| cell.write(copy, back, up));
                insert.execute(params_from_iter(values))?;
            }
        }
        drop(insert);
        transaction.commit()?;
        next = last + 1;
    }
    Ok(())
}

fn cell(value: &Value, column: &Column, shared: &BTreeMap<String, u64>) -> Cell {
    match value {
        Value::Integer(number) if column.number => Cell::Number(*number),
        Value::Integer(time) => Cell::Time(*time),
        Value::Text(text) => Cell::Text(Pattern::new(text, shared)),
        Value::Blob(blob) => Cell::Blob(blob.clone()),
        Value::Null | Value::Real(_) => Cell::Same(value.clone()),
    }
}

impl Cell {
    fn write(&self, copy: u64, back: i64, up: i64) -> Value {
        match self {
            Self::Same(value) => value.clone(),
            Self::Text(pattern) => Value::Text(pattern.write(copy)),
            Self::Blob(blob) => Value::Blob(bytes(blob, copy)),
            Self::Time(time) => Value::Integer(integer(*time, back)),
            Self::Number(number) => Value::Integer(number.saturating_add(up)),
        }
    }
}

fn check(database: &Connection) -> Result<()> {
    let mut statement = database.prepare("PRAGMA foreign_key_check")?;
    let mut broken = statement.query([])?;
    if let Some(row) = broken.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        return Err(SeedError::Damaged(
            "foreign_key_check",
            format!("{table} to {parent}"),
        ));
    }
    drop(broken);
    drop(statement);
    let found: String = database.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        Ok(())
    } else {
        Err(SeedError::Damaged("integrity_check", found))
    }
}

/// Rows that lie evenly between the first and the last, in the order in which they were stored.
fn sample(database: &Connection, table: &str, column: &str, count: u64) -> Result<Vec<String>> {
    let (table, column) = (quoted(table), quoted(column));
    let sql = format!("SELECT min(rowid), max(rowid) FROM {table} WHERE {column} IS NOT NULL");
    let (first, last): (Option<i64>, Option<i64>) =
        database.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT {column} FROM {table} WHERE rowid >= ?1 AND {column} IS NOT NULL ORDER BY rowid LIMIT 1"
    );
    let mut statement = database.prepare(&sql)?;
    let count = i64::try_from(count).unwrap_or(1).max(1);
    let mut found: Vec<String> = (0..count)
        .map(|index| {
            let at = first
                + i64::try_from(i128::from(last - first) * i128::from(index) / i128::from(count))
                    .unwrap_or(0);
            let parameters: [&dyn ToSql; 1] = [&at];
            statement.query_row(parameters, |row| row.get(0))
        })
        .collect::<std::result::Result<_, _>>()?;
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "
        CREATE TABLE people (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, customer TEXT,
            secret BLOB UNIQUE, created_at INTEGER NOT NULL, amount INTEGER NOT NULL) STRICT;
        CREATE INDEX people_by_customer ON people (customer, seq);
        CREATE UNIQUE INDEX people_of_today ON people (created_at, id) WHERE amount > 0;
        CREATE TABLE visits (digest TEXT NOT NULL, route TEXT NOT NULL, person TEXT NOT NULL REFERENCES people (id),
            number INTEGER REFERENCES people (seq), answer TEXT, PRIMARY KEY (digest, route)) STRICT, WITHOUT ROWID;
        CREATE TABLE health (id INTEGER PRIMARY KEY CHECK (id = 1)) STRICT;
        CREATE TABLE _sqlx_migrations (version INTEGER PRIMARY KEY);
        INSERT INTO health VALUES (1);
        INSERT INTO _sqlx_migrations VALUES (1);
        INSERT INTO people (id, customer, secret, created_at, amount) VALUES
            ('per_0123456789abcdef01234567', 'customer-0123456789', randomblob(16), 1700000000000, 7),
            ('per_fedcba9876543210fedcba98', 'customer-0123456789', NULL, 1700000000001, 0);
        INSERT INTO visits VALUES ('5f0c1d2e3a4b5c6d7e8f90', 'a', 'per_0123456789abcdef01234567', 1,
            '{\"id\":\"per_0123456789abcdef01234567\",\"amount\":\"12.34\"}');
    ";

    fn job(folder: &std::path::Path, copies: u64) -> SeedJob {
        let database = folder.join("seeded.sqlite");
        let connection = Connection::open(&database).unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        SeedJob {
            database: database.to_str().unwrap().to_owned(),
            copies,
            spread_ms: 1000,
            shared: [("customer-0123456789".to_owned(), 10)].into(),
            skip: vec!["health".into()],
            samples: 5,
            columns: vec![
                ("people".into(), "id".into()),
                ("people".into(), "customer".into()),
            ],
            check: true,
        }
    }

    #[test]
    fn copies_are_whole_and_refer_to_copies() {
        let folder = tempfile::tempdir().unwrap();
        let job = job(folder.path(), 100);
        let result = fill(&job).unwrap();
        let wanted = [("people".to_owned(), 202), ("visits".to_owned(), 101)];
        assert_eq!(result.rows, wanted.into());
        let ids = &result.samples["people.id"];
        assert_eq!(ids.len(), 5);
        assert_eq!(ids[0], "per_0123456789abcdef01234567");

        let counted = count(&job.database).unwrap();
        assert_eq!(counted.rows.get("people"), Some(&202));
        assert_eq!(counted.rows.get("health"), Some(&1));
        assert_eq!(counted.free_pages, Some(0));

        let database = Connection::open(&job.database).unwrap();
        let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(
            count("SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"),
            2
        );
        assert_eq!(count("SELECT count(*) FROM health"), 1);
        assert_eq!(count("SELECT count(*) FROM _sqlx_migrations"), 1);
        // Groups of ten copies, the first without copy 0, and the two rows that were there.
        assert_eq!(count("SELECT count(DISTINCT customer) FROM people"), 12);
        assert_eq!(
            count("SELECT count(*) FROM visits JOIN people ON people.seq = number AND people.id = person"),
            101
        );
        assert_eq!(
            count("SELECT count(*) FROM visits WHERE answer ->> 'id' = person"),
            101
        );
        assert_eq!(
            count("SELECT count(*) FROM visits WHERE answer ->> 'amount' = '12.34'"),
            101
        );
        assert_eq!(count("SELECT max(created_at) - min(created_at) FROM people"), 991);
        assert_eq!(count("SELECT count(*) FROM people WHERE amount NOT IN (0, 7)"), 0);
    }

    #[test]
    fn a_missing_file_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut job = job(folder.path(), 1);
        let other = folder.path().join("other.sqlite");
        job.database = other.to_str().unwrap().to_owned();
        assert!(fill(&job).is_err());
        assert!(!other.exists());
    }
}
