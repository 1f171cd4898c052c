//! What the transactions of the store cost: `cargo bench -p cardseal-server`. Rows per second and CPU of the process, for
//! 1, 16 and 64 callers. With `BENCH_ENCRYPTION`, what is stored is sealed. A benchmark library would measure the time of one caller.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use cardseal_gateways::Amount;
use cardseal_gateways::gateway::Approval;
use cardseal_server::store::{
    Attempt, BUSY_TIMEOUT, Claim, EncryptionKey, EncryptionKeys, Key, Location, NewPayment, NewSession,
    Payment, PaymentUpdate, Postgres, Scope, SessionId, Status, Store, StoredAnswer, Taker,
};
use secrecy::SecretBox;
use sqlx::ConnectOptions;

const TIME: Duration = Duration::from_secs(3);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let folder = std::env::var_os("BENCH_FOLDER").map_or_else(std::env::temp_dir, Into::into);
    println!(
        "{:<22} {:>8} {:>10} {:>8} {:>8} {:>8}",
        "name", "callers", "per second", "CPU µs", "p50 ms", "p99 ms"
    );
    for callers in [1, 16, 64] {
        measure(
            "session, inserted",
            callers,
            &folder,
            |store, number| async move {
                add(&store, number).await;
            },
        )
        .await;
        measure(
            "payment, both steps",
            callers,
            &folder,
            |store, number| async move {
                pay(&store, number).await;
            },
        )
        .await;
        measure("session, read", callers, &folder, {
            let known = Arc::new(tokio::sync::OnceCell::<SessionId>::new());
            move |store, number| {
                let known = Arc::clone(&known);
                async move {
                    let id = known.get_or_init(|| add(&store, number)).await;
                    assert!(store.session(id).await.unwrap().is_some());
                }
            }
        })
        .await;
    }
}

/// Runs something for a while with so many callers at once, on a new database.
async fn measure<F, W>(name: &str, callers: usize, folder: &Path, work: F)
where
    F: Fn(Arc<Store>, u64) -> W + Clone + Send + 'static,
    W: Future<Output = ()> + Send,
{
    let folder = tempfile::tempdir_in(folder).unwrap();
    let store = Arc::new(open(&folder.path().join("x.sqlite")).await);
    if std::env::var_os("BENCH_ENCRYPTION").is_some() {
        let key = EncryptionKey {
            name: "2026-11".into(),
            bytes: SecretBox::new(Box::new(std::array::from_fn(|at| at as u8 * 7))),
        };
        let keys = EncryptionKeys {
            current: Some("2026-11".into()),
            keys: vec![key],
        };
        store.use_keys(&keys).await.unwrap();
    }
    let counter = Arc::new(AtomicU64::new(0));
    let (began, cpu) = (Instant::now(), cpu());
    let mut tasks = Vec::new();
    for _ in 0..callers {
        let (store, counter, work) = (Arc::clone(&store), Arc::clone(&counter), work.clone());
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            while began.elapsed() < TIME {
                let start = Instant::now();
                work(Arc::clone(&store), counter.fetch_add(1, Ordering::Relaxed)).await;
                times.push(start.elapsed());
            }
            times
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let (wall, cpu) = (began.elapsed(), self::cpu() - cpu);
    store.close().await;
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!(
        "{name:<22} {callers:>8} {:>10.0} {:>8.1} {:>8.2} {:>8.2}",
        times.len() as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / times.len() as f64,
        at(50),
        at(99),
    );
}

/// A SQLite file, or a schema of the PostgreSQL server that `BENCH_POSTGRES` names (a URL with a query).
async fn open(path: &Path) -> Store {
    let Ok(server) = std::env::var("BENCH_POSTGRES") else {
        return Store::open(path).await.unwrap();
    };
    let schema = format!("b_{}", uuid::Uuid::new_v4().simple());
    let options: sqlx::postgres::PgConnectOptions = server.parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
    let writers = std::env::var("BENCH_WRITERS").map_or(8, |text| text.parse().unwrap());
    let url = format!("{server}&options=-csearch_path%3D{schema}").into();
    let settings = Postgres::parse(&url, None, writers, BUSY_TIMEOUT).unwrap();
    Store::open_at(&Location::Postgres(Box::new(settings)))
        .await
        .unwrap()
}

/// What this process has used, in all its threads.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // User and system time, in hundredths of a second.
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

async fn add(store: &Store, number: u64) -> SessionId {
    let session = NewSession {
        platform: Platform::GpApi,
        kind: Kind::Tokenize,
        mode: Mode::Direct,
        reference: format!("ref_{number:032}"),
        platform_state: format!("{{\"token\":\"{}\",\"number\":{number}}}", "t".repeat(120)).into(),
        customer: Some("customer-1".into()),
        token_id: None,
        amount: None,
        description: String::new(),
        capture_later: false,
        created_at: 1_800_000_000_000,
        expires_at: 1_800_000_600_000,
    };
    store.add_session(session).await.unwrap()
}

async fn pay(store: &Store, number: u64) {
    let key = Key {
        scope: Scope::Merchant,
        key: format!("{number:064x}").into(),
        fingerprint: format!("{number:064x}").into(),
    };
    let payment = NewPayment {
        platform: Platform::GpApi,
        amount: Amount::parse("12.34", "USD").unwrap(),
        token_id: None,
        session_id: None,
        subscription_id: None,
        order_reference: format!("order-{number}"),
        description: "An order".into(),
        customer: Some("customer-1".into()),
        brand: Some("visa".into()),
        bin: None,
        last4: Some("1111".into()),
        capture_later: false,
        network_token: None,
        authentication_id: None,
    };
    let attempt = Attempt {
        body_hash: String::new(),
        card: None,
        taker: Taker::Platform,
    };
    let claim = store.claim_payment(Some(key.clone()), payment, attempt, 0, 1_800_000_000_000);
    let Claim::New(payment, _claimed) = claim.await.unwrap() else {
        panic!("not claimed")
    };
    let decide = |payment: &Payment| {
        Some(PaymentUpdate {
            status: Status::Approved,
            approval: Approval {
                authorization: Some("123456".into()),
                platform_id: Some("TRN_aBcDeFgHiJkLmNoPqRsTuVwXyZ012345".into()),
                ..Approval::default()
            },
            decline: None,
            redirect: None,
            captured: payment.amount.minor(),
            event: Some(cardseal_server::store::EventKind::PaymentApproved),
        })
    };
    let answer = |payment: &Payment| {
        Some(StoredAnswer {
            status: 201,
            body: format!("{{\"id\":\"{}\",\"text\":\"{}\"}}", payment.id, "x".repeat(400)),
        })
    };
    let finished = store.finish_payment(&payment.id, Some(key), decide, answer, 1_800_000_000_100);
    assert_eq!(finished.await.unwrap().status, Status::Approved);
}
