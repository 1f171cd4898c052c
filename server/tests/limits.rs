//! Bounds on what is under way: calls to a platform, connections, and what a stop waits for.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cardseal_sandbox::RunningSandbox;
use cardseal_sandbox::faults::{Fault, Kind};
use cardseal_server::bounds::Bound;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::crash::{Program, call};
use crate::shop::{APPROVED, ORIGIN, Shop, client, config_text, sandbox, seal};

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_jammed_platform_refuses_what_was_not_sent_and_holds_up_no_other() {
    let settings = [
        ("CARDSEAL__HTTP__CALLS_PER_PLATFORM", "4"),
        ("CARDSEAL__HTTP__WAITING_PER_PLATFORM", "4"),
        ("CARDSEAL__HTTP__WAIT_MS", "60000"),
        ("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "20000"),
    ];
    let shop = Arc::new(Shop::gp_api(&settings).await);
    let token = shop.token(APPROVED).await;
    let orders = || {
        shop.sandbox.state()["greenpay"]["orders"]
            .as_array()
            .unwrap()
            .len()
    };
    let before = orders();
    let mut slow = Fault::new("greenpay", "merchant/tokenize", Kind::Delay);
    (slow.times, slow.ms) = (0, 1500);
    shop.sandbox.inject(slow).unwrap();

    let pages: Vec<_> = (0..1500)
        .map(|_| {
            let shop = Arc::clone(&shop);
            tokio::spawn(async move {
                shop.page("/v1/sessions", &json!({ "platform": "greenpay" }))
                    .await
            })
        })
        .collect();
    while shop.app.bounds.count(Bound::PlatformBusy) == 0 {
        tokio::task::yield_now().await;
    }
    // While pages wait for their sessions, money of the same platform moves, and another platform's sessions open.
    assert_eq!(shop.charge(&token, "k").await.is(201)["status"], "approved");
    let other = json!({ "platform": "gp_api", "mode": "direct" });
    shop.page("/v1/sessions", &other).await.is(201);

    let (mut opened, mut refused) = (0, 0);
    for page in pages {
        let answer = page.await.unwrap();
        if answer.status == 201 {
            opened += 1;
        } else {
            answer.problem(503, "platform_busy");
            assert_eq!(answer.headers["retry-after"], "5");
            refused += 1;
        }
    }
    assert_eq!(orders(), before + opened, "refused and sent all the same");
    assert_eq!(shop.app.bounds.count(Bound::PlatformBusy), refused);
    assert!(opened >= 7 && refused > 0, "{opened} opened, {refused} refused");
}

#[tokio::test]
async fn a_charge_without_a_place_is_not_made_and_its_key_is_good_again() {
    let shop = Arc::new(
        Shop::with(&[
            ("CARDSEAL__HTTP__CALLS_PER_PLATFORM", "1"),
            ("CARDSEAL__HTTP__WAITING_PER_PLATFORM", "0"),
        ])
        .await,
    );
    let token = shop.token(APPROVED).await;
    let mut slow = Fault::new("greenpay", "merchant/tokenPayment", Kind::DelayAfterCommit);
    slow.ms = 1000;
    shop.sandbox.inject(slow).unwrap();
    let first = tokio::spawn({
        let (shop, token) = (Arc::clone(&shop), token.clone());
        async move { shop.charge(&token, "first").await }
    });
    while shop.transactions().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = shop.charge(&token, "second").await;
    refused.problem(503, "platform_busy");
    let payment = format!("/v1/payments/{}", refused.json["payment"].as_str().unwrap());
    assert_eq!(shop.get(&payment).await.is(200)["status"], "failed");

    assert_eq!(first.await.unwrap().is(201)["status"], "approved");
    assert_eq!(shop.transactions().len(), 1);
    assert_eq!(shop.charge(&token, "second").await.is(201)["status"], "approved");
    assert_eq!(shop.transactions().len(), 2);
}

/// Everything that the other side sends until it closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset closes as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut text)).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_oversized_requests_are_closed_and_counted() {
    let shop = Shop::with(&[
        ("CARDSEAL__CONNECTIONS__HEADER_TIMEOUT_MS", "400"),
        ("CARDSEAL__CONNECTIONS__IDLE_TIMEOUT_MS", "500"),
        ("CARDSEAL__CONNECTIONS__BODY_TIMEOUT_MS", "400"),
        ("CARDSEAL__CONNECTIONS__MAX_HEADER_BYTES", "8192"),
    ])
    .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn({
        let app = Arc::clone(&shop.app);
        async move {
            cardseal_server::serve(&app, listener, async move { drop(stopped.await) }).await;
        }
    });
    let connect = async || TcpStream::connect(address).await.unwrap();
    let count = |bound| shop.app.bounds.count(bound);

    let mut half = connect().await;
    half.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n")
        .await
        .unwrap();
    assert_eq!(rest(&mut half).await, "");
    assert_eq!(count(Bound::HeaderTimeout), 1);

    // A byte now and then does not prolong it.
    let (mut reader, mut writer) = connect().await.into_split();
    let trickle = tokio::spawn(async move {
        while writer.write_all(b"G").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut nothing = Vec::new();
    let _ = timeout(PATIENCE, reader.read_to_end(&mut nothing)).await.unwrap();
    trickle.await.unwrap();
    assert_eq!(count(Bound::HeaderTimeout), 2);

    // One that never says anything, and one that has been served.
    assert_eq!(rest(&mut connect().await).await, "");
    let mut served = connect().await;
    served
        .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(&mut served).await.starts_with("HTTP/1.1 200 "));
    assert_eq!((count(Bound::HeaderTimeout), count(Bound::IdleTimeout)), (2, 2));

    let mut slow = connect().await;
    let head = format!(
        "POST /v1/sessions HTTP/1.1\r\nhost: x\r\norigin: {ORIGIN}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{"
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut slow).await;
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"),
        "{answer}"
    );
    assert_eq!(count(Bound::BodyTimeout), 1);

    let mut long = connect().await;
    let header = format!("GET /livez HTTP/1.1\r\nx: {}", "a".repeat(390_000));
    // It is refused before it has been read to the end.
    let _ = long.write_all(header.as_bytes()).await;
    let _ = rest(&mut long).await;
    assert_eq!(count(Bound::HeaderBytes), 1);

    drop(stop);
    timeout(PATIENCE, server).await.unwrap().unwrap();
}

fn configure(sandbox: &RunningSandbox, folder: &Path, more: &str) -> std::path::PathBuf {
    let config = folder.join("cardseal.toml");
    let text = config_text(sandbox, &folder.join("x.sqlite"), "127.0.0.1:0", more);
    std::fs::write(&config, text).unwrap();
    config
}

fn address_of(program: &Program) -> SocketAddr {
    program.url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// A new connection with one request on it, and how long it took.
#[cfg(target_os = "linux")]
async fn served(address: SocketAddr) -> Duration {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    began.elapsed()
}

/// 2,000 half headers, 2,000 bodies of one byte, 5,000 idle connections, all at once and all kept open.
#[cfg(target_os = "linux")]
async fn attack(address: SocketAddr, from: &str) -> Vec<tokio::task::JoinHandle<Option<TcpStream>>> {
    let body = format!(
        "POST /v1/sessions HTTP/1.1\r\nhost: x\r\norigin: {ORIGIN}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{"
    );
    let starts = [
        (2000, "GET /healthz HTTP/1.1\r\nhost: x\r\n".to_owned()),
        (2000, body),
        (5000, String::new()),
    ];
    let from: SocketAddr = format!("{from}:0").parse().unwrap();
    let all = starts
        .into_iter()
        .flat_map(|(times, start)| std::iter::repeat_n(start, times));
    let mut attackers = Vec::new();
    for start in all {
        attackers.push(tokio::spawn(async move {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(from).unwrap();
            let mut stream = socket.connect(address).await.ok()?;
            stream.write_all(start.as_bytes()).await.ok()?;
            Some(stream)
        }));
    }
    attackers
}

/// The attack from one address while a client of another, or of the same, opens new connections: the log, and how it went.
#[cfg(target_os = "linux")]
async fn is_served_under_attack(more: &str, from: &str) -> (String, String) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .unwrap();
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    // No time-out helps: what makes room is the bound alone.
    let more = format!(
        "[log]\nlevel = \"warn\"\n[connections]\nheader_timeout_ms = 120000\nidle_timeout_ms = 600000\n\
         body_timeout_ms = 120000\n{more}"
    );
    let program = Program::start_with_files(&configure(&sandbox, folder.path(), &more), 1024, &log);
    let address = address_of(&program);
    let attackers = attack(address, from).await;
    let mut times = Vec::new();
    while times.len() < 40 || attackers.iter().any(|attacker| !attacker.is_finished()) {
        times.push(timeout(PATIENCE, served(address)).await.unwrap());
    }
    let mut open = Vec::new();
    for attacker in attackers {
        open.extend(attacker.await.unwrap());
    }
    for _ in 0..20 {
        times.push(timeout(PATIENCE, served(address)).await.unwrap());
    }
    times.sort_unstable();
    let figures = format!(
        "{} attackers, {} served: {:?} to {:?}",
        open.len(),
        times.len(),
        times[0],
        times[times.len() - 1]
    );
    // Not each of them within a second, because the machine that runs the attack and the tests may be slow by itself.
    assert!(times[times.len() - 1] < Duration::from_secs(10), "{times:?}");
    assert!(times[times.len() * 9 / 10] < Duration::from_secs(1), "{times:?}");
    let began = Instant::now();
    assert_eq!(
        tokio::task::spawn_blocking(move || program.terminate())
            .await
            .unwrap(),
        Some(0)
    );
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    drop(open);
    (std::fs::read_to_string(log).unwrap(), figures)
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn an_attacker_with_thousands_of_connections_keeps_nobody_out() {
    let (log, figures) = is_served_under_attack("", "127.0.0.2").await;
    println!("{figures}");
    assert!(
        log.contains("fewer connections than configured") && log.contains("open_files=1024"),
        "{log}"
    );
    let lines = log.lines().filter(|line| line.contains("bounds acted")).count();
    assert!(
        (1..40).contains(&lines) && log.contains("max_per_address"),
        "{log}"
    );
    assert!(!log.contains("accept_failed"), "{log}");
}

/// Behind a proxy all connections come from one address, those of the attacker and those of the client.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn an_attacker_behind_the_same_proxy_keeps_nobody_out() {
    let trust = "max_per_address = 0\n";
    let (log, figures) = is_served_under_attack(trust, "127.0.0.1").await;
    println!("{figures}");
    assert!(log.contains("max_connections"), "{log}");
}

/// So few files that accepting fails.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_want_of_files_does_not_end_the_server() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let config = configure(&sandbox, folder.path(), "");
    let quiet = Program::start(&config);
    let own = std::fs::read_dir(format!("/proc/{}/fd", quiet.id()))
        .unwrap()
        .count();
    quiet.kill();
    let files = u32::try_from(own + 8).unwrap();
    let program = Program::start_with_files(&config, files, &log);
    let address = address_of(&program);
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    for _ in 0..5 {
        timeout(PATIENCE, served(address)).await.unwrap();
    }
    let code = tokio::task::spawn_blocking(move || program.terminate());
    assert_eq!(code.await.unwrap(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("accept_failed"), "{log}");
}

/// Kilobytes of memory that the process has for itself.
#[cfg(target_os = "linux")]
fn own_memory(program: &Program) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Proxies keep thousands of connections open, and a buffer for each would be most of the server's memory.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_that_waits_holds_no_buffer() {
    const CONNECTIONS: i64 = 500;
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let more = "[connections]\nmax_per_address = 0\n";
    let program = Program::start(&configure(&sandbox, folder.path(), more));
    let address = address_of(&program);
    let used = async || {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut answer = vec![0; 4096];
        // Twice: what is kept after a response serves the next request as well.
        for _ in 0..2 {
            stream
                .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
                .await
                .unwrap();
            let read = timeout(PATIENCE, stream.read(&mut answer))
                .await
                .unwrap()
                .unwrap();
            assert!(answer[..read].starts_with(b"HTTP/1.1 200 "));
        }
        stream
    };
    // A few may hold one.
    let mut open = Vec::new();
    for _ in 0..150 {
        open.push(used().await);
    }
    let before = own_memory(&program);
    for _ in 0..CONNECTIONS {
        open.push(used().await);
    }
    let each = (own_memory(&program) - before) * 1024 / CONNECTIONS;
    println!("{each} bytes for each connection");
    assert!(each < 5000, "{each}");
    program.kill();
}

/// What a client sends before it has its answer is served as well, whether it comes whole or in part.
#[tokio::test]
async fn requests_that_come_early_are_served_in_turn() {
    let shop = Shop::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let app = Arc::clone(&shop.app);
    let server = tokio::spawn(async move {
        cardseal_server::serve(&app, listener, async move { drop(stopped.await) }).await;
    });
    // So many that none keeps its buffer.
    let mut others = Vec::new();
    for _ in 0..150 {
        others.push(TcpStream::connect(address).await.unwrap());
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    // One and a half, then one and two halves, until only the last is left.
    let (first, second) = request.split_at(9);
    for text in [request, first] {
        stream.write_all(text.as_bytes()).await.unwrap();
    }
    let mut answer = vec![0; 4096];
    let read = timeout(PATIENCE, stream.read(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200 "));
    let both = [second, request, &request.repeat(20), last].concat();
    stream.write_all(both.as_bytes()).await.unwrap();
    let answers = rest(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 23, "{answers}");
    drop(stop);
    timeout(PATIENCE, server).await.unwrap().unwrap();
}

/// Each request logs a line; a pipe holds 64 KB.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_holds_up_no_request() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let (unread, log) = std::io::pipe().unwrap();
    let program = Program::start_logging(&configure(&sandbox, folder.path(), ""), log);
    let client = client();
    for _ in 0..2000 {
        let answer = client.get(format!("{}/livez", program.url)).send();
        let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);
    }
    let code = tokio::task::spawn_blocking(move || program.terminate());
    assert_eq!(timeout(PATIENCE, code).await.unwrap().unwrap(), Some(0));
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_loses_no_line_of_the_log() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let program = Program::start_logging(&configure(&sandbox, folder.path(), ""), file);
    let client = client();
    for _ in 0..300 {
        let url = format!("{}/livez", program.url);
        assert_eq!(client.get(url).send().await.unwrap().status(), 200);
    }
    let code = tokio::task::spawn_blocking(move || program.terminate());
    assert_eq!(code.await.unwrap(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("request served").count(), 300);
    assert!(
        log.trim_end().lines().last().unwrap().contains("stopping"),
        "{log}"
    );
}

/// Neither a half header, nor an idle connection, nor a page that waits for a slow platform holds up the stop; a charge
/// does, until it has settled.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_money_and_for_nothing_else() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = configure(&sandbox, folder.path(), "");
    let client = client();
    let key = cardseal::greenpay::GreenPay::new(
        cardseal::crypto::public_key::PublicKey::parse(&sandbox.info().platforms.greenpay.public_key)
            .unwrap(),
    );
    for money in [false, true] {
        let program = Program::start(&config);
        let (address, url) = (address_of(&program), program.url.clone());
        let post = async |path: &str, body: serde_json::Value| {
            call(&client, "POST", format!("{url}{path}"), Some(&body), None)
                .await
                .unwrap()
                .1
        };
        let session = post("/v1/sessions", json!({})).await;
        let token = post("/v1/tokens", seal(&key, &session, APPROVED)).await;
        let transactions = || {
            sandbox.state()["greenpay"]["transactions"]
                .as_array()
                .unwrap()
                .len()
        };
        let before = transactions();

        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
        let mut body = TcpStream::connect(address).await.unwrap();
        body.write_all(b"POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
            .await
            .unwrap();
        let _silent = TcpStream::connect(address).await.unwrap();
        let mut slow = Fault::new("greenpay", "merchant/tokenize", Kind::DelayAfterCommit);
        slow.ms = 25_000;
        sandbox.inject(slow).unwrap();
        let orders = || sandbox.state()["greenpay"]["orders"].as_array().unwrap().len();
        let opened = orders();
        let page = tokio::spawn({
            let (client, url) = (client.clone(), format!("{url}/v1/sessions"));
            async move { call(&client, "POST", url, Some(&json!({})), None).await }
        });
        while orders() == opened {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let charge = money.then(|| {
            let mut slow = Fault::new("greenpay", "merchant/tokenPayment", Kind::DelayAfterCommit);
            slow.ms = 5000;
            sandbox.inject(slow).unwrap();
            let (client, url) = (client.clone(), format!("{url}/v1/payments"));
            let body = json!({ "token": token["id"], "amount": "5.00", "currency": "USD" });
            tokio::spawn(async move { call(&client, "POST", url, Some(&body), Some("k")).await })
        });
        while money && transactions() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let began = Instant::now();
        let code = tokio::task::spawn_blocking(move || program.terminate());
        assert_eq!(code.await.unwrap(), Some(0));
        let took = began.elapsed();
        if let Some(charge) = charge {
            let (status, payment) = charge.await.unwrap().unwrap();
            assert_eq!((status, &payment["status"]), (201, &json!("approved")));
        }
        // The page's session takes 25 seconds.
        assert!(took < Duration::from_secs(15), "{took:?}");
        page.abort();
        drop((half, body));
    }
}
