//! Expired rows go while the shop is busy, and no customer notices.

use std::time::Duration;

use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};

use crate::crash::{Program, SERVER};
use crate::database::{Database, is_postgres};
use crate::shop::{APPROVED, Shop, file_config_text, sandbox};
use crate::storage::until;

async fn connect(shop: &Shop) -> Database {
    Database::open(&shop.database()).await
}

/// The rows of a shop that has been open for a while: each payment with its session and its key. All at once, because
/// the server removes them as soon as it finds them.
const OLD: &str = "
    BEGIN;
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
    INSERT INTO sessions (id, platform, kind, mode, reference, state, result_id, created_at, expires_at)
        SELECT 'ses_old' || n, 'greenpay', 'payment', 'relay', 'old-' || n, 'used', 'pay_old' || n, n, n FROM n;
    INSERT INTO payments (id, platform, status, amount_minor, captured_minor, currency, order_reference, description,
            session_id, customer, last4, created_at, updated_at)
        SELECT result_id, platform, 'approved', 100, 100, 'USD', reference, 'x', id, 'c-1', '4242', created_at,
            created_at FROM sessions WHERE id LIKE 'ses_old%';
    INSERT INTO idempotency_keys (scope, key, fingerprint, payment_id, answer_status, answer_body, created_at)
        SELECT session_id, 'k', 'f', id, 201, replace('0000000000', '0', '000000000000000000000000000000000000000000000000000000000000') || '1', created_at FROM payments
        WHERE id LIKE 'pay_old%';
    INSERT INTO notifications (digest, platform, route, reference, effect, received_at)
        SELECT id, platform, '/', order_reference, 'known', created_at FROM payments WHERE id LIKE 'pay_old%';
    COMMIT;";

#[tokio::test(flavor = "multi_thread")]
async fn expired_rows_go_beside_the_traffic_and_their_payments_stay() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    let mut database = connect(&shop).await;
    database.run(OLD).await;
    // A day later, everything is examined from the start.
    shop.app.clock.advance(25 * 60 * 60);
    let old = "SELECT (SELECT count(*) FROM sessions WHERE id LIKE 'ses_old%') + (SELECT count(*)
        FROM idempotency_keys WHERE answer_body LIKE '000%') + (SELECT count(*) FROM notifications)";
    assert!(database.number(old).await > 6000);
    // Every answer is checked: a session, a stored card and a charge, again and again.
    let served = std::sync::atomic::AtomicU32::new(0);
    let done = std::sync::atomic::AtomicBool::new(false);
    let shopping = async || {
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            let number = served.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
            let bought = shop.token(APPROVED).await;
            let key = format!("traffic-{number}");
            let paid = shop.charge(&bought, &key).await.is(201);
            assert_eq!(shop.charge(&bought, &key).await.is(201), paid);
        }
    };
    let swept = async {
        let mut database = connect(&shop).await;
        loop {
            if database.number(old).await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        done.store(true, std::sync::atomic::Ordering::Release);
    };
    let all = async { tokio::join!(swept, shopping(), shopping(), shopping(), shopping()) };
    tokio::time::timeout(Duration::from_secs(120), all).await.unwrap();
    assert!(served.load(std::sync::atomic::Ordering::Acquire) >= 4);

    let stays =
        "SELECT count(*) FROM payments WHERE id LIKE 'pay_old%' AND session_id IS NULL AND last4 = '4242'";
    assert_eq!(database.number(stays).await, 3000);
    let paid = shop.get("/v1/payments/pay_old1").await.is(200);
    assert_eq!(
        (&paid["status"], &paid["amount"], &paid["captured"]),
        (&json!("approved"), &json!("1.00"), &json!("1.00"))
    );
    shop.get("/v1/sessions/ses_old1")
        .await
        .problem(404, "session_not_found");
    // What is young is remembered.
    let replayed = shop.charge(&token, "traffic-0").await;
    replayed.problem(409, "idempotency_key_reused");
    // The space is the file system's again. PostgreSQL does that by itself.
    if is_postgres() {
        return;
    }
    until("the file has shrunk", async || {
        let mut database = connect(&shop).await;
        let free = database.number("PRAGMA freelist_count").await;
        let pages = database.number("PRAGMA page_count").await;
        free <= (pages / 10).max(256)
    })
    .await;
}

/// By the program itself, while no server uses the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_an_earlier_version_is_compacted_by_a_command() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let (database, config) = (
        folder.path().join("x.sqlite"),
        folder.path().join("cardseal.toml"),
    );
    let text = file_config_text(&sandbox, &database, "127.0.0.1:0", "");
    std::fs::write(&config, text).unwrap();
    let compact = || {
        let mut command = std::process::Command::new(SERVER);
        command.args(["--compact", "--config"]).arg(&config).env_clear();
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, told, error) = compact();
    assert_eq!((code, told.as_str()), (Some(1), ""));
    assert!(error.contains("database file: "), "{error}");
    assert!(!database.exists());

    // Made without the setting that lets a file shrink, and with rows that are gone.
    let options = SqliteConnectOptions::new()
        .filename(&database)
        .create_if_missing(true);
    let mut old = options.connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE old (text TEXT); DROP TABLE old;")
        .execute(&mut old)
        .await
        .unwrap();
    let server = Program::start(&config);
    sqlx::raw_sql(OLD).execute(&mut old).await.unwrap();
    sqlx::raw_sql("DELETE FROM idempotency_keys")
        .execute(&mut old)
        .await
        .unwrap();
    let (code, _, error) = compact();
    assert!(
        code == Some(1) && error.contains("another process is using this database"),
        "{error}"
    );
    server.kill();
    sqlx::Connection::close(old).await.unwrap();

    let (code, told, error) = compact();
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let sizes: Vec<u64> = told.split(' ').filter_map(|word| word.parse().ok()).collect();
    let size = std::fs::metadata(&database).unwrap().len();
    assert!(
        sizes.len() == 2 && sizes[1] == size && size < sizes[0] * 2 / 3,
        "{told}"
    );
    let server = Program::start(&config);
    server.kill();
    let mut database = SqliteConnectOptions::new()
        .filename(&database)
        .connect()
        .await
        .unwrap();
    for (text, expected) in [
        ("PRAGMA auto_vacuum", 2),
        ("SELECT count(*) FROM payments", 3000),
        ("SELECT count(*) FROM pragma_foreign_key_check", 0),
    ] {
        let row = sqlx::query(text).fetch_one(&mut database).await.unwrap();
        assert_eq!(row.get::<i64, _>(0), expected, "{text}");
    }
}
