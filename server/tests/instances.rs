//! Several servers on one PostgreSQL database: one that is killed or stopped is replaced by its neighbours, and money
//! moves once. These do nothing in the runs without such a database.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use cardseal::crypto::public_key::PublicKey;
use cardseal::greenpay::GreenPay;
use cardseal_sandbox::RunningSandbox;
use cardseal_sandbox::faults::{Fault, Kind};
use cardseal_server::App;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::crash::{Program, call};
use crate::database::is_postgres;
use crate::shop::{APPROVED, Answer, config_text, merchant_request, post, sandbox, seal, send, serve};

const PATIENCE: Duration = Duration::from_secs(40);

fn key(sandbox: &RunningSandbox) -> GreenPay {
    GreenPay::new(PublicKey::parse(&sandbox.info().platforms.greenpay.public_key).unwrap())
}

fn booked(sandbox: &RunningSandbox) -> usize {
    sandbox.state()["greenpay"]["transactions"]
        .as_array()
        .unwrap()
        .len()
}

/// Two servers within this program.
struct Pair {
    sandbox: RunningSandbox,
    servers: [(App, Router); 2],
    _folder: TempDir,
}

impl Pair {
    async fn open() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let sandbox = sandbox().await;
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("x.sqlite");
        let one = serve(&sandbox, &database, settings).await;
        let two = serve(&sandbox, &database, settings).await;
        Self {
            sandbox,
            servers: [one, two],
            _folder: folder,
        }
    }

    async fn merchant(&self, server: usize, path: &str, body: &Value, key: &str) -> Answer {
        let request = merchant_request("POST", path, Some(body), &[("idempotency-key", key)]);
        send(self.servers[server].1.clone(), request).await
    }

    /// A card that one server opened a session for, and the other stored.
    async fn token(&self) -> Value {
        let page = async |server: usize, path: &str, body: Value| {
            let request = post(path, &body)
                .header("origin", crate::shop::ORIGIN)
                .body(body.to_string().into())
                .unwrap();
            send(self.servers[server].1.clone(), request).await.is(201)
        };
        let session = page(0, "/v1/sessions", json!({ "customer": "c-1" })).await;
        let sealed = seal(&key(&self.sandbox), &session, APPROVED);
        page(1, "/v1/tokens", sealed).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_at_two_servers_at_once_charges_once_and_gets_one_answer() {
    if !is_postgres() {
        return;
    }
    let pair = Pair::open().await;
    let token = pair.token().await;
    let mut slow = Fault::new("greenpay", "merchant/tokenPayment", Kind::Delay);
    (slow.times, slow.ms) = (0, 150);
    pair.sandbox.inject(slow).unwrap();
    for round in 0..10 {
        let body = json!({ "token": token["id"], "amount": "12.34", "currency": "USD" });
        let key = format!("k{round}");
        let (one, two) = tokio::join!(
            pair.merchant(0, "/v1/payments", &body, &key),
            pair.merchant(1, "/v1/payments", &body, &key)
        );
        let one = one.is(201);
        assert_eq!(one, two.is(201));
        assert_eq!(one["status"], "approved");
        let other = json!({ "token": token["id"], "amount": "9.99", "currency": "USD" });
        let reused = pair.merchant(round % 2, "/v1/payments", &other, &key).await;
        reused.problem(409, "idempotency_key_reused");
        // One makes it, the other waits for that.
        let (void, nothing) = (
            format!("/v1/payments/{}/void", one["id"].as_str().unwrap()),
            json!({}),
        );
        let (one, two) = tokio::join!(
            pair.merchant(0, &void, &nothing, "v"),
            pair.merchant(1, &void, &nothing, "v")
        );
        let voided = one.is(200);
        assert_eq!(voided, two.is(200));
        assert_eq!(voided["status"], "voided");
    }
    assert_eq!(booked(&pair.sandbox), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_lets_through_counts_at_the_other() {
    if !is_postgres() {
        return;
    }
    let pair = Pair::with(&[("CARDSEAL__LIMITS__CUSTOMER_SESSIONS_PER_MINUTE", "5")]).await;
    let open = async |server: usize, customer: &str| {
        let body = json!({ "customer": customer });
        let request = merchant_request("POST", "/v1/sessions", Some(&body), &[]);
        send(pair.servers[server].1.clone(), request).await
    };
    // They know of each other within a second.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..5 {
        open(0, "c-1").await.is(201);
    }
    open(0, "c-1").await.problem(429, "too_many_attempts");
    let mut opened = 0;
    while opened < 5 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if open(1, "c-1").await.status == 429 {
            break;
        }
        opened += 1;
    }
    assert!(opened < 5, "each counted for itself");
    open(1, "c-2").await.is(201);
}

/// What becomes of what a network carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Works,
    /// Nothing arrives, in neither direction, and nobody is told. It arrives once the network works again.
    Holds,
    /// The database gets what it is sent, and its answers do not arrive until the network works again.
    HoldsAnswers,
    /// Every connection breaks, and what was held is lost.
    Breaks,
}

/// The network between a server and the database.
struct Network {
    address: SocketAddr,
    state: watch::Sender<State>,
}

impl Network {
    async fn new(database: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, states) = watch::channel(State::Works);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (database, states) = (database.clone(), states.clone());
                tokio::spawn(async move {
                    let far = TcpStream::connect(database).await.unwrap();
                    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                    let asks = carry(from_near, to_far, states.clone(), &[State::Holds]);
                    let answers = carry(from_far, to_near, states, &[State::Holds, State::HoldsAnswers]);
                    tokio::select! { () = asks => {}, () = answers => {} }
                });
            }
        });
        Self { address, state }
    }

    fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut states: watch::Receiver<State>,
    held: &[State],
) {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let read = tokio::select! {
            read = from.read(&mut bytes) => read.unwrap_or(0),
            broken = states.wait_for(|state| *state == State::Breaks) => {
                drop(broken);
                return;
            }
        };
        let Ok(state) = states
            .wait_for(|state| !held.contains(state))
            .await
            .map(|state| *state)
        else {
            return;
        };
        if read == 0 || state == State::Breaks || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

/// A program with the card that it stored.
struct Shop {
    sandbox: RunningSandbox,
    config: PathBuf,
    client: reqwest::Client,
    _folder: TempDir,
}

impl Shop {
    async fn new() -> Self {
        let sandbox = sandbox().await;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("cardseal.toml");
        let more = "[http]\nrequest_timeout_ms = 20000\n";
        let text = config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", more);
        std::fs::write(&config, text).unwrap();
        Self {
            sandbox,
            config,
            client: crate::shop::client(),
            _folder: folder,
        }
    }

    fn config(&self) -> &Path {
        &self.config
    }

    /// The configuration of a server that reaches the database through a network of its own.
    async fn behind(&self) -> (Network, PathBuf) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        let (before, rest) = text.split_once("url = \"postgres://").unwrap();
        let (user, rest) = rest.split_once('@').unwrap();
        let (address, rest) = rest.split_once('/').unwrap();
        let network = Network::new(address.to_owned()).await;
        let address = network.address;
        let path = self.config.with_file_name("behind.toml");
        std::fs::write(
            &path,
            format!("{before}url = \"postgres://{user}@{address}/{rest}"),
        )
        .unwrap();
        (network, path)
    }

    async fn token(&self, program: &Program) -> Value {
        let url = &program.url;
        let (_, session) = call(
            &self.client,
            "POST",
            format!("{url}/v1/sessions"),
            Some(&json!({})),
            None,
        )
        .await
        .unwrap();
        let sealed = seal(&key(&self.sandbox), &session, APPROVED);
        let (status, token) = call(
            &self.client,
            "POST",
            format!("{url}/v1/tokens"),
            Some(&sealed),
            None,
        )
        .await
        .unwrap();
        assert_eq!(status, 201);
        token
    }

    async fn charge(&self, url: &str, token: &Value, key: &str) -> Option<(u16, Value)> {
        let body = json!({ "token": token["id"], "amount": "5.00", "currency": "USD" });
        call(
            &self.client,
            "POST",
            format!("{url}/v1/payments"),
            Some(&body),
            Some(key),
        )
        .await
    }

    /// Begins a charge that the platform books at once and answers late.
    async fn slow_charge(
        &self,
        program: &Program,
        token: &Value,
    ) -> tokio::task::JoinHandle<Option<(u16, Value)>> {
        let mut slow = Fault::new("greenpay", "merchant/tokenPayment", Kind::DelayAfterCommit);
        slow.ms = 8000;
        self.sandbox.inject(slow).unwrap();
        let (client, url, token) = (
            self.client.clone(),
            format!("{}/v1/payments", program.url),
            token.clone(),
        );
        let charge = tokio::spawn(async move {
            let body = json!({ "token": token["id"], "amount": "5.00", "currency": "USD" });
            call(&client, "POST", url, Some(&body), Some("k")).await
        });
        let patience = Instant::now() + PATIENCE;
        while booked(&self.sandbox) == 0 {
            assert!(Instant::now() < patience, "nothing was charged");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        charge
    }

    /// Asks a server for the payment of the key until no neighbour works on it any more.
    async fn taken_over(&self, url: &str, token: &Value) -> Value {
        let patience = Instant::now() + PATIENCE;
        loop {
            let (status, answer) = self.charge(url, token, "k").await.unwrap();
            if status == 202 {
                return answer;
            }
            assert_eq!(
                (status, &answer["code"]),
                (409, &json!("idempotency_in_progress")),
                "{answer}"
            );
            assert!(Instant::now() < patience, "nobody took over");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_of_a_server_that_was_killed_is_its_neighbours_and_no_charge_is_made_again() {
    if !is_postgres() {
        return;
    }
    let shop = Shop::new().await;
    let (one, two) = (Program::start(shop.config()), Program::start(shop.config()));
    let token = shop.token(&one).await;
    let charge = shop.slow_charge(&one, &token).await;
    // While it lives, a neighbour takes nothing over.
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        let url = format!("{}/v1/payments", two.url);
        let (_, page) = call(&shop.client, "GET", url, None, None).await.unwrap();
        assert_eq!(page["data"][0]["status"], "unknown");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    one.kill();
    assert_eq!(charge.await.unwrap(), None);
    let payment = shop.taken_over(&two.url, &token).await;
    assert_eq!(payment["status"], "unknown");
    assert_eq!(
        shop.charge(&two.url, &token, "k").await.unwrap(),
        (202, payment.clone())
    );
    assert_eq!(booked(&shop.sandbox), 1);
    // And what is new goes on.
    assert_eq!(shop.charge(&two.url, &token, "new").await.unwrap().0, 201);
    let resolve = format!(
        "{}/v1/payments/{}/resolve",
        two.url,
        payment["id"].as_str().unwrap()
    );
    let word = json!({ "status": "approved" });
    let (status, _) = call(&shop.client, "POST", resolve, Some(&word), None)
        .await
        .unwrap();
    assert_eq!(status, 200);
    assert_eq!(two.terminate(), Some(0));
}

/// Stopped as a whole, as a machine under a debugger or a hypervisor is: it wakes with the platform's answer in its hands.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_stopped_beyond_its_lease_writes_nothing_and_ends() {
    if !is_postgres() {
        return;
    }
    let shop = Shop::new().await;
    let log = shop.config.with_file_name("log");
    let one = Program::start_logging(shop.config(), std::fs::File::create(&log).unwrap());
    let two = Program::start(shop.config());
    let token = shop.token(&one).await;
    let charge = shop.slow_charge(&one, &token).await;
    let signal = |name: &str| {
        let id = one.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    };
    signal("-STOP");
    let payment = shop.taken_over(&two.url, &token).await;
    let resolve = format!(
        "{}/v1/payments/{}/resolve",
        two.url,
        payment["id"].as_str().unwrap()
    );
    let word = json!({ "status": "failed" });
    let (status, _) = call(&shop.client, "POST", resolve, Some(&word), None)
        .await
        .unwrap();
    assert_eq!(status, 200);
    signal("-CONT");
    let code = tokio::task::spawn_blocking(move || one.ended()).await.unwrap();
    assert_eq!(code, Some(1));
    // It may say that the payment is unknown, or nothing.
    let told = charge.await.unwrap();
    assert!(told.as_ref().is_none_or(|(status, _)| *status != 201), "{told:?}");
    let url = format!("{}/v1/payments/{}", two.url, payment["id"].as_str().unwrap());
    let (_, found) = call(&shop.client, "GET", url, None, None).await.unwrap();
    assert_eq!(found["status"], "failed");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(
        log.contains("another process has taken over") && log.contains("did not renew its lease"),
        "{log}"
    );
    assert_eq!(booked(&shop.sandbox), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_stop_finishes_and_its_neighbour_goes_on_at_once() {
    if !is_postgres() {
        return;
    }
    let shop = Shop::new().await;
    let (one, two) = (Program::start(shop.config()), Program::start(shop.config()));
    let token = shop.token(&one).await;
    let charge = shop.slow_charge(&one, &token).await;
    let waits = {
        let (client, url, token) = (
            shop.client.clone(),
            format!("{}/v1/payments", two.url),
            token.clone(),
        );
        tokio::spawn(async move {
            let body = json!({ "token": token["id"], "amount": "5.00", "currency": "USD" });
            call(&client, "POST", url, Some(&body), Some("k")).await.unwrap()
        })
    };
    let code = tokio::task::spawn_blocking(move || one.terminate())
        .await
        .unwrap();
    assert_eq!(code, Some(0));
    let (status, payment) = charge.await.unwrap().unwrap();
    assert_eq!((status, &payment["status"]), (201, &json!("approved")));
    assert_eq!(waits.await.unwrap(), (status, payment));
    assert_eq!(booked(&shop.sandbox), 1);
}

/// It gets no answer from the database, and no error: its neighbour takes over, and what was on its way arrives too late.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_cut_off_from_the_database_harms_nothing_when_it_is_back() {
    if !is_postgres() {
        return;
    }
    let shop = Shop::new().await;
    let (network, config) = shop.behind().await;
    let (one, two) = (Program::start(&config), Program::start(shop.config()));
    let token = shop.token(&one).await;
    let charge = shop.slow_charge(&one, &token).await;
    network.set(State::Holds);
    let payment = shop.taken_over(&two.url, &token).await;
    let id = payment["id"].as_str().unwrap();
    // Whoever asks the other one is told so at once.
    let asked = Instant::now();
    let (status, problem) = shop.charge(&one.url, &token, "new").await.unwrap();
    assert_eq!(
        (status, &problem["code"]),
        (503, &json!("storage_unavailable")),
        "{problem}"
    );
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let word = json!({ "status": "failed" });
    let resolve = format!("{}/v1/payments/{id}/resolve", two.url);
    let (status, _) = call(&shop.client, "POST", resolve, Some(&word), None)
        .await
        .unwrap();
    assert_eq!(status, 200);
    network.set(State::Works);
    // It may say that the payment is unknown, or nothing.
    let told = charge.await.unwrap();
    assert!(told.as_ref().is_none_or(|(status, _)| *status != 201), "{told:?}");
    let code = tokio::task::spawn_blocking(move || one.ended()).await.unwrap();
    assert_eq!(code, Some(1));
    let url = format!("{}/v1/payments/{id}", two.url);
    let (_, found) = call(&shop.client, "GET", url, None, None).await.unwrap();
    assert_eq!(found["status"], "failed");
    assert_eq!(booked(&shop.sandbox), 1);
    assert_eq!(shop.charge(&two.url, &token, "new").await.unwrap().0, 201);
    assert_eq!(booked(&shop.sandbox), 2);
}

/// The database has what it was sent, commits too, and the server does not know.
#[tokio::test(flavor = "multi_thread")]
async fn commits_whose_answers_are_lost_charge_nothing_twice() {
    if !is_postgres() {
        return;
    }
    let shop = Arc::new(Shop::new().await);
    let (network, config) = shop.behind().await;
    let (one, two) = (Program::start(&config), Program::start(shop.config()));
    let token = shop.token(&one).await;
    let over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let (shop, over, token) = (Arc::clone(&shop), Arc::clone(&over), token.clone());
            let urls = [one.url.clone(), two.url.clone()];
            tokio::spawn(async move {
                let mut told = Vec::new();
                for number in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    // As a balancer would, the other one is asked where one cannot answer.
                    let key = format!("k-{caller}-{number}");
                    let patience = Instant::now() + PATIENCE;
                    for url in urls.iter().cycle() {
                        match shop.charge(url, &token, &key).await {
                            Some((status @ (201 | 202), payment)) => {
                                told.push((key, status, payment));
                                break;
                            }
                            Some((409 | 503, _)) | None => {}
                            Some(other) => panic!("{other:?}"),
                        }
                        assert!(Instant::now() < patience, "{key} never ends");
                    }
                }
                told
            })
        })
        .collect();
    for round in 0..12_u64 {
        tokio::time::sleep(Duration::from_millis(150 + 37 * round)).await;
        network.set(State::HoldsAnswers);
        tokio::time::sleep(Duration::from_millis(40 + 25 * (round % 4))).await;
        network.set(State::Breaks);
        tokio::time::sleep(Duration::from_millis(20)).await;
        network.set(State::Works);
    }
    over.store(true, Ordering::Relaxed);
    let (mut approved, mut unknown) = (0, 0);
    for caller in callers {
        for (key, status, payment) in caller.await.unwrap() {
            let (again, same) = shop.charge(&two.url, &token, &key).await.unwrap();
            assert_eq!((again, &same["id"]), (status, &payment["id"]), "{key}");
            if status == 201 {
                approved += 1;
            } else {
                unknown += 1;
            }
        }
    }
    let booked = booked(&shop.sandbox);
    assert!(
        approved > 20 && unknown < approved,
        "{approved} approved, {unknown} unknown"
    );
    assert!(
        (approved..=approved + unknown).contains(&booked),
        "{booked} booked, {approved} approved, {unknown} unknown"
    );
}
