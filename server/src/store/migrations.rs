//! Migrates the database, with sqlx's own migrator and a connection of its own. A version has the same number in every
//! database.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
#[cfg(feature = "postgres")]
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqlStr};

#[cfg(feature = "postgres")]
use super::Postgres;
use super::{Result, StoreError, is_unavailable, postgres};

/// The name and the text of files in `migrations/`.
macro_rules! migrations {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../migrations/", $folder, $name, ".sql")))),+]
    };
}

/// All migrations of SQLite in order. A released one never changes, because the database stores its checksum.
pub(super) const MIGRATIONS: &[(&str, &str)] = migrations![
    "":
    "0001_start",
    "0002_parts",
    "0003_redirect",
    "0004_later",
    "0005_queues",
    "0006_binding",
    "0007_upkeep",
    "0008_attempts",
    "0009_retention",
    "0010_indexes",
    "0011_events",
    "0012_api_keys",
    "0013_audit",
    "0014_lists",
    "0015_instances",
    "0016_encryption",
    "0017_subscriptions",
    "0018_authentications",
];

/// The version of a database that is up to date.
pub(super) const LATEST: i64 = MIGRATIONS.len() as i64;

/// Those of PostgreSQL. The first makes the tables that SQLite has after its first ten.
#[cfg(feature = "postgres")]
pub(super) const POSTGRES: &[(&str, &str)] = migrations![
    "postgres/":
    "0010_start",
    "0011_events",
    "0012_api_keys",
    "0013_audit",
    "0014_lists",
    "0015_instances",
    "0016_encryption",
    "0017_subscriptions",
    "0018_authentications",
];
#[cfg(feature = "postgres")]
const FIRST_OF_POSTGRES: i64 = 10;
#[cfg(feature = "postgres")]
const _: () = assert!(
    FIRST_OF_POSTGRES - 1 + POSTGRES.len() as i64 == LATEST,
    "a migration is missing for one of the databases"
);

fn migrator(first: i64, migrations: &[(&'static str, &'static str)]) -> Migrator {
    let migrations = (first..).zip(migrations).map(|(version, (name, sql))| {
        let sql = SqlStr::from_static(sql);
        Migration::new(version, (*name).into(), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// Creates the file if necessary, and runs the pending migrations in one transaction.
pub(super) async fn run(path: &Path, busy_timeout: Duration) -> Result<()> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(busy_timeout)
        .foreign_keys(true)
        // Free pages of a new file can be returned to the file system while it is in use.
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .pragma("secure_delete", "ON")
        .connect()
        .await?;
    let done = migrate(&mut connection).await;
    // An error here says nothing about the migrations.
    let _ = connection.close().await;
    done
}

/// Whether a file is up to date.
pub(super) fn is_current(path: &Path) -> bool {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let version = rusqlite::Connection::open_with_flags(path, flags)
        .and_then(|file| file.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)));
    version.is_ok_and(|version| version == LATEST)
}

async fn migrate(connection: &mut SqliteConnection) -> Result<()> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    let counted: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *tx)
        .await?;
    if !(0..=LATEST).contains(&counted) {
        return Err(StoreError::TooNew);
    }
    let migrator = migrator(1, MIGRATIONS);
    // The first versions kept a count and not a table of migrations.
    migrator.skip(&mut *tx, Some(counted)).await?;
    migrator.run(&mut *tx).await?;
    // Those versions refuse a higher count than their own. A pragma takes no bound parameters; the number is ours.
    let count = format!("PRAGMA user_version = {LATEST}");
    sqlx::raw_sql(AssertSqlSafe(count)).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

/// The first version with instances.
#[cfg(feature = "postgres")]
const INSTANCES: i64 = 15;
#[cfg(feature = "postgres")]
const APPLIED: &str = "SELECT MAX(version) FROM _sqlx_migrations";
#[cfg(feature = "postgres")]
const HAS_INSTANCES: &str = "SELECT EXISTS (SELECT 1 FROM instances
    WHERE expires_at > extract(epoch FROM clock_timestamp()) * 1000)";

/// Migrates a PostgreSQL database, in one transaction. Nobody else may begin to use it meanwhile.
#[cfg(feature = "postgres")]
pub(super) async fn run_postgres(settings: &Postgres) -> Result<()> {
    let mut connection = settings.options().connect().await?;
    let done = migrate_postgres(&mut connection, POSTGRES).await;
    let _ = connection.close().await;
    done
}

#[cfg(feature = "postgres")]
pub(super) async fn migrate_postgres(
    connection: &mut PgConnection,
    migrations: &[(&'static str, &'static str)],
) -> Result<()> {
    let mut tx = connection.begin().await?;
    let after = FIRST_OF_POSTGRES + i64::try_from(migrations.len()).unwrap_or(i64::MAX) - 1;
    // Those that use the tables know their old form.
    if applied(&mut tx)
        .await?
        .is_some_and(|version| (INSTANCES..after).contains(&version))
        && sqlx::query_scalar(HAS_INSTANCES).fetch_one(&mut *tx).await?
    {
        return Err(StoreError::OlderInstances);
    }
    let mut migrator = migrator(FIRST_OF_POSTGRES, migrations);
    migrator.set_locking(false);
    migrator.run(&mut *tx).await?;
    Ok(tx.commit().await?)
}

/// The version of a PostgreSQL database. `None` if it is empty.
#[cfg(feature = "postgres")]
async fn applied(connection: &mut PgConnection) -> Result<Option<i64>> {
    let table: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !table {
        return Ok(None);
    }
    Ok(sqlx::query_scalar(APPLIED).fetch_one(connection).await?)
}

/// Whether a PostgreSQL database is up to date.
#[cfg(feature = "postgres")]
pub(super) async fn is_current_postgres(settings: &Postgres) -> Result<bool> {
    let mut connection = settings.options().connect().await?;
    let version = applied(&mut connection).await;
    let _ = connection.close().await;
    Ok(version? == Some(LATEST))
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let error = match postgres::refused(error) {
            Ok(refused) => return refused,
            Err(error) => error,
        };
        let unavailable = if let sqlx::Error::Database(error) = &error {
            let code = error.code().and_then(|code| code.parse().ok());
            code.is_some_and(is_unavailable)
        } else {
            matches!(error, sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed)
        };
        if unavailable {
            Self::Unavailable(error.into())
        } else {
            Self::Database(error.into())
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
            return error.into();
        }
        if let MigrateError::VersionMismatch(version) = error {
            return Self::OtherMigration(version);
        }
        if matches!(error, MigrateError::VersionMissing(_)) {
            return Self::TooNew;
        }
        sqlx::Error::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use sqlx::SqlitePool;

    use super::super::Store;
    use super::*;

    async fn open(path: &Path) -> SqlitePool {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        SqlitePool::connect_with(options).await.unwrap()
    }

    async fn versions(pool: &SqlitePool) -> (Vec<i64>, i64) {
        let recorded = sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version");
        let counted = sqlx::query_scalar("PRAGMA user_version");
        (
            recorded.fetch_all(pool).await.unwrap(),
            counted.fetch_one(pool).await.unwrap(),
        )
    }

    #[tokio::test]
    async fn what_a_counting_version_ran_is_recorded_and_does_not_run_again() {
        let folder = tempfile::tempdir().unwrap();
        for count in 0..=MIGRATIONS.len() {
            let path = folder.path().join(format!("{count}.sqlite"));
            let pool = open(&path).await;
            for (_, migration) in &MIGRATIONS[..count] {
                sqlx::raw_sql(*migration).execute(&pool).await.unwrap();
            }
            let counted = format!("PRAGMA user_version = {count}");
            sqlx::raw_sql(AssertSqlSafe(counted))
                .execute(&pool)
                .await
                .unwrap();
            for _ in 0..2 {
                let store = Store::open(&path).await.unwrap();
                store.close().await;
            }
            assert_eq!(versions(&pool).await, ((1..=LATEST).collect(), LATEST));
        }
    }

    #[tokio::test]
    async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let newer = LATEST + 1;
        for (name, step) in [
            ("counted", format!("PRAGMA user_version = {newer}")),
            (
                "recorded",
                format!("INSERT INTO _sqlx_migrations VALUES ({newer}, 'x', 0, TRUE, x'00', 0)"),
            ),
        ] {
            let path = folder.path().join(name);
            Store::open(&path).await.unwrap().close().await;
            let pool = open(&path).await;
            sqlx::raw_sql(AssertSqlSafe(step)).execute(&pool).await.unwrap();
            let before = versions(&pool).await;
            assert!(
                matches!(Store::open(&path).await, Err(StoreError::TooNew)),
                "{name}"
            );
            assert_eq!(versions(&pool).await, before, "{name}");
        }
    }

    #[tokio::test]
    async fn tables_of_another_migration_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        Store::open(&path).await.unwrap().close().await;
        let pool = open(&path).await;
        sqlx::raw_sql("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 3")
            .execute(&pool)
            .await
            .unwrap();
        assert!(matches!(
            Store::open(&path).await,
            Err(StoreError::OtherMigration(3))
        ));
    }

    #[tokio::test]
    async fn of_several_migrations_all_run_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        let pool = open(&path).await;
        sqlx::raw_sql(MIGRATIONS[0].1).execute(&pool).await.unwrap();
        // The last one stumbles over what is there already.
        sqlx::raw_sql("PRAGMA user_version = 1; ALTER TABLE sessions ADD COLUMN attempts INTEGER")
            .execute(&pool)
            .await
            .unwrap();
        assert!(matches!(Store::open(&path).await, Err(StoreError::Database(_))));
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_schema WHERE name IN ('changes', '_sqlx_migrations')",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        assert!(tables.is_empty(), "{tables:?}");
    }
}
