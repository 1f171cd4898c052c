//! The database beside the server: SQLite's file, or PostgreSQL's schema in the runs that have a server (`npm test --
//! postgres`).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

/// Names PostgreSQL's server, with a user who may create schemas.
fn server() -> Option<String> {
    std::env::var("CARDSEAL_TEST_POSTGRES").ok()
}

/// The schema that takes the place of a file, and the URL that leads to it.
fn place(server: &str, path: &Path) -> (String, String) {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    let schema = format!("t_{:016x}", hasher.finish());
    let url = format!("{server}&options=-csearch_path%3D{schema}");
    (schema, url)
}

/// Whether this run has the server seal what it keeps.
pub(crate) fn is_encrypted() -> bool {
    std::env::var_os("CARDSEAL_TEST_ENCRYPTION").is_some()
}

/// `[encryption]` of the configuration, in such a run.
pub(crate) fn encryption() -> &'static str {
    if is_encrypted() {
        "[encryption]\ncurrent = \"test\"\n[encryption.keys.test]\n\
         key = \"6f1d8a0c4be2973550c6e9f3a1278d44b09e6c1f83a5d27e4c90b3586fa7e12d\"\n"
    } else {
        ""
    }
}

/// `[database]` of the configuration, and what belongs to it.
pub(crate) fn section(path: &Path) -> String {
    location(path) + encryption()
}

/// The same with a SQLite file, whatever database this run has.
pub(crate) fn file_section(path: &Path) -> String {
    format!("[database]\npath = {:?}\n", path.display()) + encryption()
}

fn location(path: &Path) -> String {
    let Some(server) = server() else {
        return format!("[database]\npath = {:?}\n", path.display());
    };
    let (schema, url) = place(&server, path);
    let create = async move {
        let options: PgConnectOptions = server.parse().unwrap();
        let mut connection = options.connect().await.unwrap();
        let create = AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
        sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    };
    // The caller may be within a runtime, or not.
    let created = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(create);
    });
    created.join().unwrap();
    format!("[database]\nurl = {url:?}\nwriters = 4\nlease_ms = 8000\n")
}

/// Whether this run has PostgreSQL.
pub(crate) fn is_postgres() -> bool {
    server().is_some()
}

/// A connection to it.
pub(crate) enum Database {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    pub(crate) async fn open(path: &Path) -> Self {
        if let Some(server) = server() {
            let options: PgConnectOptions = place(&server, path).1.parse().unwrap();
            return Self::Postgres(options.connect().await.unwrap());
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(Duration::from_secs(20));
        Self::Sqlite(options.connect().await.unwrap())
    }

    /// Runs statements.
    pub(crate) async fn run(&mut self, text: &str) {
        let text = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        match self {
            Self::Sqlite(connection) => text.execute(connection).await.map(|_| ()),
            Self::Postgres(connection) => text.execute(connection).await.map(|_| ()),
        }
        .unwrap();
    }

    /// The number that a query returns.
    pub(crate) async fn number(&mut self, text: &str) -> i64 {
        let text = AssertSqlSafe(text.to_owned());
        match self {
            Self::Sqlite(connection) => sqlx::query(text).fetch_one(connection).await.unwrap().get(0),
            Self::Postgres(connection) => sqlx::query(text).fetch_one(connection).await.unwrap().get(0),
        }
    }

    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
        .unwrap();
    }
}

/// Everything that the database has written down: SQLite's files, or all rows of PostgreSQL.
pub(crate) async fn written(path: &Path) -> Vec<u8> {
    let Database::Postgres(mut connection) = Database::open(path).await else {
        let mut all = Vec::new();
        for suffix in ["", "-wal", "-shm"] {
            let mut path = path.as_os_str().to_owned();
            path.push(suffix);
            all.extend(std::fs::read(path).unwrap_or_default());
        }
        return all;
    };
    let mut all = String::new();
    for table in [
        "tokens",
        "sessions",
        "payments",
        "idempotency_keys",
        "changes",
        "notifications",
        "claims",
        "events",
        "authentications",
    ] {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT CAST(row AS TEXT) FROM {table} AS row"
        )));
        for row in rows.fetch_all(&mut connection).await.unwrap() {
            all += row.get::<&str, _>(0);
            all.push('\n');
        }
    }
    all.into_bytes()
}

/// Another process that holds the write lock, such as a backup.
pub(crate) struct Lock(Database);

impl Lock {
    pub(crate) async fn take(path: &Path) -> Self {
        let mut database = Database::open(path).await;
        match database {
            Database::Sqlite(_) => database.run("BEGIN IMMEDIATE").await,
            Database::Postgres(_) => {
                let tables =
                    "tokens, sessions, payments, idempotency_keys, changes, notifications, claims, health";
                database
                    .run(&format!("BEGIN; LOCK TABLE {tables} IN EXCLUSIVE MODE"))
                    .await;
            }
        }
        Self(database)
    }

    pub(crate) async fn release(mut self) {
        self.0.run("ROLLBACK").await;
        self.0.close().await;
    }
}
