//! A PostgreSQL database.
//!
//! Constraints and indexes are dropped and made again at the end, so PostgreSQL itself checks that every copy is whole.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, Executor, PgConnection, Row as _};

use super::{Result, SeedError, SeedResult, TablesResult, back};
use crate::job::SeedJob;
use crate::vary::{Pattern, bytes, integer};

/// Bytes of rows that are sent at once.
const AT_ONCE: usize = 1 << 20;
/// Tables of the libraries, not of the server.
const NOT_OURS: &str = "_sqlx_";
/// What PostgreSQL writes before the digits of bytes.
const BYTES: &str = "\\x";

/// Nothing has to survive a crash here, and indexes are sorted in memory.
const SETTINGS: &str = "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'";
const TABLES: &str = "SELECT relname::text FROM pg_class
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace ORDER BY relname";
/// The columns that can be written, in order, and whether each numbers rows: its own table's, or another's.
const COLUMNS: &str = "SELECT attname::text, format_type(atttypid, NULL), attidentity <> '',
        attidentity <> '' OR (atttypid = 'bigint'::regtype AND EXISTS (
            SELECT FROM pg_constraint WHERE conrelid = attrelid AND contype = 'f' AND conkey = ARRAY[attnum]))
    FROM pg_attribute
    WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum";
/// What to drop, in order, and what makes it again, in the opposite order: references, other constraints, indexes.
const CONSTRAINTS: &str = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
        format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND contype IN ('f', 'u', 'p')
    ORDER BY contype, conrelid, conname";
const INDEXES: &str = "SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relnamespace = current_schema()::regnamespace
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid) ORDER BY indexrelid";

/// Counts while others may write.
pub(super) async fn count(url: &str) -> Result<TablesResult> {
    let mut database = PgConnection::connect(url).await?;
    let tables = table_names(&mut database, &[]).await?;
    let rows = row_counts(&mut database, &tables).await?;
    database.close().await?;
    Ok(TablesResult {
        rows,
        free_pages: None,
    })
}

struct Column {
    name: String,
    kind: String,
    /// New rows get the next of its numbers.
    identity: bool,
    /// It numbers rows, its own table's or, as a reference, another's.
    number: bool,
}

struct Table {
    name: String,
    columns: Vec<Column>,
    /// As text; every type has one.
    rows: Vec<Vec<Option<String>>>,
}

/// A value of a row, ready to be copied.
enum Cell {
    Null,
    Same(String),
    Text(Pattern),
    Bytes(Vec<u8>),
    Time(i64),
    Number(i64),
}

/// Fills the database.
pub(super) async fn fill(job: &SeedJob) -> Result<SeedResult> {
    let began = Instant::now();
    let mut database = PgConnection::connect(&job.database).await?;
    run(&mut database, SETTINGS).await?;
    let tables = tables(&mut database, &job.skip).await?;
    if tables.iter().all(|table| table.rows.is_empty()) {
        return Err(SeedError::Empty);
    }
    let stride = stride(&tables);
    let again = drop_indexes(&mut database).await?;
    for table in &tables {
        copy(&mut database, table, job, stride).await?;
    }
    for statement in again.iter().rev() {
        run(&mut database, statement).await?;
    }
    for table in &tables {
        for column in table.columns.iter().filter(|column| column.identity) {
            let next = format!(
                "SELECT setval(pg_get_serial_sequence($1, $2), max({})) FROM {}",
                quoted(&column.name),
                quoted(&table.name)
            );
            let next = sqlx::query(AssertSqlSafe(next)).bind(quoted(&table.name));
            database.execute(next.bind(&column.name)).await?;
        }
    }
    // As autovacuum would have it by now; and what is measured next does not pay for writing all this.
    for statement in ["VACUUM (FREEZE, ANALYZE)", "CHECKPOINT"] {
        run(&mut database, statement).await?;
    }
    let names = table_names(&mut database, &job.skip).await?;
    let rows = row_counts(&mut database, &names).await?;
    let mut samples = BTreeMap::new();
    for (name, column) in &job.columns {
        let table = tables.iter().find(|table| table.name == *name);
        let order = table.and_then(|table| table.columns.iter().find(|column| column.identity));
        if let Some(order) = order {
            let found = sample(&mut database, name, column, &order.name, job.samples).await?;
            samples.insert(format!("{name}.{column}"), found);
        }
    }
    database.close().await?;
    Ok(SeedResult {
        rows,
        samples,
        seconds: began.elapsed().as_secs_f64(),
    })
}

fn quoted(name: &str) -> String {
    format!(r#""{}""#, name.replace('"', "\"\""))
}

/// The statements are made of names that the catalogue has.
async fn run(database: &mut PgConnection, text: &str) -> Result<()> {
    database
        .execute(sqlx::raw_sql(AssertSqlSafe(text.to_owned())))
        .await?;
    Ok(())
}

async fn rows(database: &mut PgConnection, text: &str) -> Result<Vec<PgRow>> {
    Ok(database
        .fetch_all(sqlx::query(AssertSqlSafe(text.to_owned())))
        .await?)
}

async fn table_names(database: &mut PgConnection, skip: &[String]) -> Result<Vec<String>> {
    let all = rows(database, TABLES).await?;
    let mut all: Vec<String> = all.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    all.retain(|name| !skip.contains(name) && !name.starts_with(NOT_OURS));
    Ok(all)
}

async fn row_counts(database: &mut PgConnection, tables: &[String]) -> Result<BTreeMap<String, i64>> {
    let mut counts = BTreeMap::new();
    for table in tables {
        let text = format!("SELECT count(*) FROM {}", quoted(table));
        let count = database.fetch_one(sqlx::query(AssertSqlSafe(text))).await?;
        counts.insert(table.clone(), count.try_get(0)?);
    }
    Ok(counts)
}

async fn tables(database: &mut PgConnection, skip: &[String]) -> Result<Vec<Table>> {
    let mut all = Vec::new();
    for name in table_names(database, skip).await? {
        let columns = columns(database, &name).await?;
        let texts = columns
            .iter()
            .map(|column| format!("{}::text", quoted(&column.name)));
        let texts: Vec<String> = texts.collect();
        let text = format!("SELECT {} FROM {}", texts.join(", "), quoted(&name));
        let found = rows(database, &text).await?;
        let cells = |row: &PgRow| (0..columns.len()).map(|at| row.try_get(at)).collect();
        let rows = found.iter().map(cells).collect::<Result<_, sqlx::Error>>()?;
        all.push(Table { name, columns, rows });
    }
    Ok(all)
}

async fn columns(database: &mut PgConnection, table: &str) -> Result<Vec<Column>> {
    let found = database
        .fetch_all(sqlx::query(COLUMNS).bind(quoted(table)))
        .await?;
    let columns = found.iter().map(|row| {
        Ok(Column {
            name: row.try_get(0)?,
            kind: row.try_get(1)?,
            identity: row.try_get(2)?,
            number: row.try_get(3)?,
        })
    });
    columns.collect()
}

/// By how much the numbers of one copy are higher than those of the one before, the same for all tables.
fn stride(tables: &[Table]) -> i64 {
    let numbers = tables.iter().flat_map(|table| {
        table.rows.iter().flat_map(|row| {
            row.iter()
                .zip(&table.columns)
                .filter(|(_, column)| column.number)
                .filter_map(|(value, _)| value.as_ref()?.parse::<i64>().ok())
        })
    });
    numbers.max().unwrap_or(0) + 1
}

/// Drops constraints and indexes. The statements make them again, the last one first.
async fn drop_indexes(database: &mut PgConnection) -> Result<Vec<String>> {
    let mut again = Vec::new();
    for list in [CONSTRAINTS, INDEXES] {
        for row in rows(database, list).await? {
            let drop: String = row.try_get(0)?;
            run(database, &drop).await?;
            again.push(row.try_get(1)?);
        }
    }
    Ok(again)
}

async fn copy(database: &mut PgConnection, table: &Table, job: &SeedJob, stride: i64) -> Result<()> {
    let cells = table.rows.iter().map(|row| {
        let values = row.iter().zip(&table.columns);
        values
            .map(|(value, column)| cell(value.as_deref(), column, &job.shared))
            .collect()
    });
    let cells: Vec<Vec<Cell>> = cells.collect();
    if cells.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = table.columns.iter().map(|column| quoted(&column.name)).collect();
    let into = format!("COPY {} ({}) FROM STDIN", quoted(&table.name), names.join(", "));
    let mut sink = database.copy_in_raw(&into).await?;
    let mut lines = String::with_capacity(AT_ONCE + AT_ONCE / 8);
    for copy in 1..=job.copies {
        let back = back(job, copy);
        let up = stride.saturating_mul(i64::try_from(copy).unwrap_or(i64::MAX));
        for row in &cells {
            for (index, cell) in row.iter().enumerate() {
                lines.push_str(if index == 0 { "" } else { "\t" });
                cell.write(&mut lines, copy, back, up);
            }
            lines.push('\n');
        }
        if lines.len() > AT_ONCE {
            sink.send(lines.as_bytes()).await?;
            lines.clear();
        }
    }
    sink.send(lines.as_bytes()).await?;
    sink.finish().await?;
    Ok(())
}

fn cell(value: Option<&str>, column: &Column, shared: &BTreeMap<String, u64>) -> Cell {
    let Some(text) = value else {
        return Cell::Null;
    };
    let number = text.parse::<i64>();
    match (column.kind.as_str(), number) {
        ("bigint" | "integer" | "smallint", Ok(number)) if column.number => Cell::Number(number),
        ("bigint" | "integer" | "smallint", Ok(time)) => Cell::Time(time),
        ("text" | "character varying", _) => Cell::Text(Pattern::new(text, shared)),
        ("bytea", _) => match text.strip_prefix(BYTES).and_then(from_hex) {
            Some(bytes) => Cell::Bytes(bytes),
            None => Cell::Same(text.into()),
        },
        _ => Cell::Same(text.into()),
    }
}

impl Cell {
    /// Writes it as COPY reads it.
    fn write(&self, line: &mut String, copy: u64, back: i64, up: i64) {
        // Writing to a text cannot fail.
        let _never = match self {
            Self::Null => write!(line, "\\N"),
            Self::Same(text) => {
                escape(line, text);
                Ok(())
            }
            Self::Text(pattern) => {
                escape(line, &pattern.write(copy));
                Ok(())
            }
            Self::Bytes(original) => {
                escape(line, BYTES);
                bytes(original, copy)
                    .iter()
                    .try_for_each(|byte| write!(line, "{byte:02x}"))
            }
            Self::Time(time) => write!(line, "{}", integer(*time, back)),
            Self::Number(number) => write!(line, "{}", number.saturating_add(up)),
        };
    }
}

fn escape(line: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '\\' => line.push_str("\\\\"),
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            other => line.push(other),
        }
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Rows that lie evenly between the first and the last, in the order in which they were stored.
async fn sample(
    database: &mut PgConnection,
    table: &str,
    column: &str,
    order: &str,
    count: u64,
) -> Result<Vec<String>> {
    let (table, column, order) = (quoted(table), quoted(column), quoted(order));
    let text = format!("SELECT min({order}), max({order}) FROM {table} WHERE {column} IS NOT NULL");
    let ends = database.fetch_one(sqlx::query(AssertSqlSafe(text))).await?;
    let (Some(first), Some(last)) = (ends.try_get::<Option<i64>, _>(0)?, ends.try_get(1)?) else {
        return Ok(Vec::new());
    };
    let last: i64 = last;
    let text = format!(
        "SELECT {column} FROM {table} WHERE {order} >= $1 AND {column} IS NOT NULL ORDER BY {order} LIMIT 1"
    );
    let count = i64::try_from(count).unwrap_or(1).max(1);
    let mut found: Vec<String> = Vec::new();
    for index in 0..count {
        let at = i128::from(last - first) * i128::from(index) / i128::from(count);
        let query = sqlx::query(AssertSqlSafe(text.clone())).bind(first + i64::try_from(at).unwrap_or(0));
        found.push(database.fetch_one(query).await?.try_get(0)?);
    }
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"
        CREATE TABLE people (seq BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, id TEXT NOT NULL UNIQUE,
            customer TEXT, secret BYTEA UNIQUE, created_at BIGINT NOT NULL, amount BIGINT NOT NULL, known BOOLEAN);
        CREATE INDEX people_by_customer ON people (customer, seq);
        CREATE UNIQUE INDEX people_of_today ON people (created_at, id) WHERE amount > 0;
        CREATE TABLE visits (seq BIGINT GENERATED BY DEFAULT AS IDENTITY, digest TEXT NOT NULL, route TEXT NOT NULL,
            person TEXT NOT NULL REFERENCES people (id), number BIGINT REFERENCES people (seq), answer TEXT,
            "authorization" TEXT, PRIMARY KEY (digest, route));
        CREATE TABLE health (id BIGINT PRIMARY KEY CHECK (id = 1));
        CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY);
        INSERT INTO health VALUES (1);
        INSERT INTO _sqlx_migrations VALUES (1);
        INSERT INTO people (id, customer, secret, created_at, amount, known) VALUES
            ('per_0123456789abcdef01234567', 'customer-0123456789', '\x000102030405060708090a0b0c0d0e0f', 1700000000000, 7, TRUE),
            ('per_fedcba9876543210fedcba98', 'customer-0123456789', NULL, 1700000000001, 0, NULL);
        INSERT INTO visits (digest, route, person, number, answer, "authorization") VALUES
            ('5f0c1d2e3a4b5c6d7e8f90', E'a\tb\\n\nc', 'per_0123456789abcdef01234567', 1,
                '{"id":"per_0123456789abcdef01234567","amount":"12.34"}', NULL);
    "#;

    async fn number(database: &mut PgConnection, text: &str) -> i64 {
        rows(database, text).await.unwrap()[0].get(0)
    }

    #[ignore = "needs a PostgreSQL server: npm test -- postgres"]
    #[tokio::test]
    async fn copies_are_whole_and_refer_to_copies() {
        let server = std::env::var("CARDSEAL_TEST_POSTGRES").unwrap();
        let mut maintenance = PgConnection::connect(&server).await.unwrap();
        let name = format!("seed_{}", uuid::Uuid::new_v4().simple());
        run(&mut maintenance, &format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        let (before, query) = server.split_once('?').unwrap_or((&server, ""));
        let (host, _) = before.rsplit_once('/').unwrap();
        let url = format!("{host}/{name}?{query}");
        let mut database = PgConnection::connect(&url).await.unwrap();
        let job = SeedJob {
            database: url.clone(),
            copies: 100,
            spread_ms: 1000,
            shared: [("customer-0123456789".to_owned(), 10)].into(),
            skip: vec!["health".into()],
            samples: 5,
            columns: vec![
                ("people".into(), "id".into()),
                ("people".into(), "customer".into()),
            ],
            check: true,
        };
        assert!(fill(&job).await.is_err());
        run(&mut database, SCHEMA).await.unwrap();
        let schema = "SELECT count(*) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
            WHERE relnamespace = current_schema()::regnamespace";
        let references = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated";
        let indexes = number(&mut database, schema).await;

        let result = fill(&job).await.unwrap();
        assert_eq!(
            result.rows,
            [("people".to_owned(), 202), ("visits".to_owned(), 101)].into()
        );
        let ids = &result.samples["people.id"];
        assert_eq!((ids.len(), ids[0].as_str()), (5, "per_0123456789abcdef01234567"));
        let counted = count(&url).await.unwrap();
        assert_eq!(
            (counted.rows.get("people"), counted.rows.get("health")),
            (Some(&202), Some(&1))
        );

        for (text, wanted) in [
            (schema, indexes),
            (references, 2),
            ("SELECT count(*) FROM health", 1),
            ("SELECT count(*) FROM _sqlx_migrations", 1),
            // Groups of ten copies, the first without copy 0, and the two rows that were there.
            ("SELECT count(DISTINCT customer) FROM people", 12),
            (
                "SELECT count(*) FROM visits JOIN people ON people.seq = number AND people.id = person",
                101,
            ),
            ("SELECT count(DISTINCT secret) FROM people", 101),
            (
                "SELECT count(*) FROM people WHERE secret IS NULL OR length(secret) = 16",
                202,
            ),
            ("SELECT count(*) FROM visits WHERE route = E'a\\tb\\\\n\\nc'", 101),
            (
                "SELECT count(*) FROM visits WHERE answer::json ->> 'id' = person",
                101,
            ),
            ("SELECT max(created_at) - min(created_at) FROM people", 991),
            ("SELECT count(*) FROM people WHERE amount NOT IN (0, 7)", 0),
            (
                "INSERT INTO people (id, created_at, amount) VALUES ('new', 1, 1)
                    RETURNING (seq = (SELECT max(seq) + 1 FROM people))::int::bigint",
                1,
            ),
        ] {
            assert_eq!(number(&mut database, text).await, wanted, "{text}");
        }
        database.close().await.unwrap();
        run(&mut maintenance, &format!("DROP DATABASE {name}"))
            .await
            .unwrap();
    }
}
