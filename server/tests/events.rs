//! What the merchant's server is told: signed, in order, at least once, whatever it does wrong.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cardseal_sandbox::faults::Kind;
use cardseal_webhooks::{Message, Secret, verify};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::crash::{Program, call};
use crate::shop::{APPROVED, DECLINED_51, Shop, config_text, sandbox, seal};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// What the merchant's server does with a request.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Takes it.
    Take,
    /// Answers with another status.
    Status(u16),
    /// Sends the client elsewhere, where it would be taken.
    Redirect,
    /// Closes the connection without an answer.
    Drop,
    /// Never answers.
    Hang,
    /// Answers a byte at a time, for longer than the time-out.
    Drip,
}

/// A request that arrived.
#[derive(Clone, Debug)]
struct Arrived {
    taken: bool,
    path: String,
    event: Value,
}

impl Arrived {
    fn subject(&self) -> String {
        let data = &self.event["data"];
        let subject = data["id"].as_str().or_else(|| data["customer_sha256"].as_str());
        subject.unwrap().to_owned()
    }
}

/// The merchant's server. It refuses what is not signed.
struct Receiver {
    url: String,
    arrived: Mutex<Vec<Arrived>>,
    /// What it does with the next requests; then it takes all.
    plan: Mutex<VecDeque<Does>>,
    /// What it does with every request, if anything else.
    always: Mutex<Option<Does>>,
}

impl Receiver {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Arc::new(Self {
            url: format!("http://{}/events?shop=1", listener.local_addr().unwrap()),
            arrived: Mutex::default(),
            plan: Mutex::default(),
            always: Mutex::default(),
        });
        let owner = Arc::clone(&receiver);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let owner = Arc::clone(&owner);
                tokio::spawn(async move { owner.serve(stream).await });
            }
        });
        receiver
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut bytes = Vec::new();
        let (head, body) = loop {
            let mut chunk = [0; 4096];
            let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
            bytes.extend_from_slice(&chunk[..read]);
            let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                break (head, bytes[end + 4..end + 4 + length].to_vec());
            }
        };
        let does = {
            let always = *self.always.lock().unwrap();
            always
                .or_else(|| self.plan.lock().unwrap().pop_front())
                .unwrap_or(Does::Take)
        };
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let message = Message {
            id: header(&head, "webhook-id").unwrap(),
            timestamp: header(&head, "webhook-timestamp").unwrap(),
            body: &body,
        };
        let signature = header(&head, "webhook-signature").unwrap();
        // A receiver that still has the old secret alone.
        for secret in [SECRET, OLD_SECRET] {
            let secret = [Secret::parse(secret).unwrap()];
            verify(&secret, &message, signature, SystemTime::now()).unwrap();
        }
        let event: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(event["id"], message.id);
        let taken = matches!(does, Does::Take);
        self.arrived.lock().unwrap().push(Arrived { taken, path, event });
        let answer =
            |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        match does {
            Does::Take => stream.write_all(answer("204 No Content").as_bytes()).await.ok()?,
            Does::Status(status) => stream
                .write_all(answer(&format!("{status} No")).as_bytes())
                .await
                .ok()?,
            Does::Redirect => {
                let elsewhere = format!("307 Elsewhere\r\nlocation: {}/elsewhere", self.url);
                stream.write_all(answer(&elsewhere).as_bytes()).await.ok()?;
            }
            Does::Drop => {}
            Does::Hang => {
                let _ = stream.read(&mut [0]).await;
            }
            Does::Drip => {
                let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
                stream.write_all(head.as_bytes()).await.ok()?;
                loop {
                    stream.write_all(b"x").await.ok()?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        Some(())
    }

    fn plan(&self, plan: &[Does]) {
        self.plan.lock().unwrap().extend(plan);
    }

    fn always(&self, does: Option<Does>) {
        *self.always.lock().unwrap() = does;
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    /// What was taken, with repeats.
    fn taken(&self) -> Vec<Arrived> {
        let arrived = self.arrived();
        arrived.into_iter().filter(|arrived| arrived.taken).collect()
    }

    /// The types of a subject's events that were taken, each once.
    fn types_of(&self, subject: &Value) -> Vec<String> {
        let mut seen = Vec::new();
        let mut types = Vec::new();
        for arrived in self.taken() {
            let id = arrived.event["id"].clone();
            if arrived.subject() == subject.as_str().unwrap() && !seen.contains(&id) {
                seen.push(id);
                types.push(arrived.event["type"].as_str().unwrap().to_owned());
            }
        }
        types
    }

    /// Waits until the subject's events have been taken.
    async fn wait_for(&self, subject: &Value, types: &[&str]) {
        until(&format!("{types:?} of {subject}"), async || {
            self.types_of(subject) == types
        })
        .await;
    }

    /// No event arrived before an earlier one of its subject had been taken.
    fn assert_order(&self, order: &BTreeMap<String, Vec<String>>) {
        let mut taken: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for arrived in self.arrived() {
            let id = arrived.event["id"].as_str().unwrap().to_owned();
            let subject = arrived.subject();
            let place = order[&subject].iter().position(|other| *other == id).unwrap();
            let before = taken.entry(subject).or_default();
            for earlier in &order[&arrived.subject()][..place] {
                assert!(
                    before.contains(earlier),
                    "{id} arrived before {earlier} was taken"
                );
            }
            if arrived.taken {
                before.push(id);
            }
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(own, _)| own.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let waited = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waited).await;
    assert!(waited.is_ok(), "in vain: {what}");
}

/// A shop whose events go to a receiver.
async fn shop(more: &[(&str, &str)]) -> (Shop, Arc<Receiver>) {
    let receiver = Receiver::start().await;
    let secrets = format!("{SECRET},{OLD_SECRET}");
    let mut settings = vec![
        ("CARDSEAL__EVENTS__URL", receiver.url.as_str()),
        ("CARDSEAL__EVENTS__SECRETS", secrets.as_str()),
        ("CARDSEAL__EVENTS__TIMEOUT_MS", "500"),
        ("CARDSEAL__EVENTS__FIRST_PAUSE_MS", "10"),
    ];
    settings.extend(more);
    let shop = Shop::with(&settings).await;
    (shop, receiver)
}

async fn events(shop: &Shop, query: &str) -> Vec<Value> {
    let page = shop.get(&format!("/v1/events?limit=100{query}")).await.is(200);
    page["data"].as_array().unwrap().clone()
}

/// The ids of every subject's events, oldest first.
async fn order(shop: &Shop) -> BTreeMap<String, Vec<String>> {
    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in events(shop, "").await.into_iter().rev() {
        let subject = event["subject"].as_str().unwrap().to_owned();
        order
            .entry(subject)
            .or_default()
            .push(event["id"].as_str().unwrap().to_owned());
    }
    order
}

async fn all_delivered(shop: &Shop) -> bool {
    events(shop, "&state=pending").await.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_told_with_what_it_led_to() {
    let (shop, receiver) = shop(&[]).await;
    let token = shop.token(APPROVED).await;
    let payment = shop.charge(&token, "a").await.is(201);
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    shop.merchant("POST", &format!("{path}/refund"), None)
        .await
        .is(200);
    let types = ["payment.approved", "payment.refunded"];
    receiver.wait_for(&payment["id"], &types).await;
    let declined = shop.token(DECLINED_51).await;
    let refused = shop.charge(&declined, "b").await.json;
    receiver.wait_for(&refused["id"], &["payment.declined"]).await;
    shop.merchant("DELETE", "/v1/customers/c-1", None).await.is(200);
    receiver
        .wait_for(&token["id"], &["token.stored", "token.removed"])
        .await;
    until("the customer", async || {
        receiver.taken().last().unwrap().event["type"] == "customer.erased"
    })
    .await;

    let taken = receiver.taken();
    let shown = shop.get(&path).await.is(200);
    for (event, status) in taken
        .iter()
        .filter(|arrived| arrived.subject() == payment["id"])
        .zip(["approved", "refunded"])
    {
        assert_eq!(event.path, "/events?shop=1");
        assert_eq!(
            (&event.event["version"], &event.event["data"]["status"]),
            (&json!(1), &json!(status))
        );
        for name in [
            "amount",
            "currency",
            "brand",
            "last4",
            "order_reference",
            "token",
            "authorization",
        ] {
            assert_eq!(event.event["data"][name], shown[name], "{name}");
        }
    }
    let last = taken
        .iter()
        .rfind(|arrived| arrived.subject() == payment["id"])
        .unwrap();
    for name in ["captured", "refunded", "updated_at", "decline"] {
        assert_eq!(last.event["data"][name], shown[name], "{name}");
    }
    // What an erasure would have to find again, or nobody may have, is in no event.
    for arrived in &taken {
        let text = arrived.event.to_string();
        for secret in [APPROVED, "424242", "c-1", "Ana", "My Visa"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_tells_what_becomes_of_it_and_of_its_payments() {
    let (shop, receiver) = shop(&[]).await;
    let token = shop.token(APPROVED).await;
    let body = json!({ "token": token["id"], "amount": "12.30", "currency": "USD", "description": "Coffee" });
    let made = shop
        .merchant("POST", "/v1/subscriptions", Some(&body))
        .await
        .is(201);
    let path = format!("/v1/subscriptions/{}", made["id"].as_str().unwrap());
    let paid = shop
        .merchant("POST", &format!("{path}/payments"), None)
        .await
        .is(201);
    receiver.wait_for(&paid["id"], &["payment.approved"]).await;
    // The same amount is no news.
    for amount in ["13.00", "13.00"] {
        let amount = json!({ "amount": amount });
        shop.merchant("PATCH", &path, Some(&amount)).await.is(200);
    }
    shop.merchant("POST", &format!("{path}/cancel"), None)
        .await
        .is(200);
    let types = [
        "subscription.active",
        "subscription.updated",
        "subscription.cancelled",
    ];
    receiver.wait_for(&made["id"], &types).await;
    let taken = receiver.taken();
    let of = |id: &Value| taken.iter().rfind(|arrived| arrived.subject() == *id).unwrap();
    assert_eq!(of(&paid["id"]).event["data"]["subscription"], made["id"]);
    let last = &of(&made["id"]).event["data"];
    for (name, value) in [("status", "cancelled"), ("amount", "13.00"), ("currency", "USD")] {
        assert_eq!(last[name], value, "{last}");
    }
    assert_eq!((&last["months"], &last["token"]), (&json!(1), &token["id"]));
    // An erasure would have to find these.
    for name in ["customer", "description"] {
        assert!(last.get(name).is_none(), "{last}");
    }
    // What is lost is told, and again when it is known.
    shop.fault("merchant/subscriptions", Kind::DropAfterCommit);
    let lost = shop
        .merchant("POST", "/v1/subscriptions", Some(&body))
        .await
        .is(202);
    receiver
        .wait_for(&lost["id"], &["subscription.unknown", "subscription.active"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_payment_tells_when_it_is_known() {
    let (shop, receiver) = shop(&[]).await;
    let token = shop.token(APPROVED).await;
    shop.fault("merchant/tokenPayment", Kind::DropAfterCommit);
    let payment = shop.charge(&token, "a").await.is(202);
    receiver.wait_for(&payment["id"], &["payment.unknown"]).await;
    let path = format!("/v1/payments/{}/resolve", payment["id"].as_str().unwrap());
    shop.merchant("POST", &path, Some(&json!({ "status": "approved" })))
        .await
        .is(200);
    receiver
        .wait_for(&payment["id"], &["payment.unknown", "payment.approved"])
        .await;
    // Known already: nothing happened.
    shop.merchant("POST", &path, Some(&json!({ "status": "approved" })))
        .await;
    assert_eq!(
        events(&shop, &format!("&subject={}", payment["id"].as_str().unwrap()))
            .await
            .len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_receiver_does_every_event_arrives_in_order() {
    let (shop, receiver) = shop(&[]).await;
    let token = shop.token(APPROVED).await;
    receiver.wait_for(&token["id"], &["token.stored"]).await;
    receiver.plan(&[
        Does::Status(500),
        Does::Drop,
        Does::Redirect,
        Does::Hang,
        Does::Status(404),
        Does::Drip,
        Does::Take,
        Does::Status(503),
        Does::Hang,
        Does::Take,
        Does::Drop,
        Does::Status(410),
    ]);
    let mut payments = Vec::new();
    for number in 0..6 {
        let payment = shop.charge(&token, &format!("k{number}")).await.is(201);
        let path = format!("/v1/payments/{}/refund", payment["id"].as_str().unwrap());
        shop.merchant("POST", &path, None).await.is(200);
        payments.push(payment);
    }
    for payment in &payments {
        receiver
            .wait_for(&payment["id"], &["payment.approved", "payment.refunded"])
            .await;
    }
    until("all are noted", async || all_delivered(&shop).await).await;
    receiver.assert_order(&order(&shop).await);
    assert!(
        receiver
            .arrived()
            .iter()
            .all(|arrived| arrived.path == "/events?shop=1")
    );
    assert!(receiver.arrived().len() > receiver.taken().len());
    for event in events(&shop, "").await {
        assert_eq!(
            (&event["state"], &event["problem"]),
            (&json!("delivered"), &Value::Null)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_outbox_refuses_new_work_and_loses_nothing() {
    let (shop, receiver) = shop(&[("CARDSEAL__EVENTS__MAX_PENDING", "2")]).await;
    let token = shop.token(APPROVED).await;
    receiver.wait_for(&token["id"], &["token.stored"]).await;
    receiver.always(Some(Does::Status(500)));
    let payment = shop.charge(&token, "a").await.is(201);
    shop.fault("merchant/tokenPayment", Kind::DropAfterCommit);
    let unknown = shop.charge(&token, "b").await.is(202);
    until("it is full", async || {
        let answer = shop.page("/v1/sessions", &json!({})).await;
        answer.status == 503 && answer.code() == "outbox_full" && answer.headers.contains_key("retry-after")
    })
    .await;
    let booked = shop.transactions().len();
    shop.charge(&token, "c").await.problem(503, "outbox_full");
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    shop.merchant("POST", &format!("{path}/refund"), None)
        .await
        .problem(503, "outbox_full");
    assert_eq!(shop.get(&path).await.is(200)["status"], "approved");
    assert_eq!(shop.transactions().len(), booked);
    // What was begun before gets its answer, and its event.
    assert_eq!(shop.charge(&token, "a").await.is(201), payment);
    let resolve = format!("/v1/payments/{}/resolve", unknown["id"].as_str().unwrap());
    shop.merchant("POST", &resolve, Some(&json!({ "status": "approved" })))
        .await
        .is(200);

    receiver.always(None);
    receiver.wait_for(&payment["id"], &["payment.approved"]).await;
    receiver
        .wait_for(&unknown["id"], &["payment.unknown", "payment.approved"])
        .await;
    until("there is room", async || {
        shop.charge(&token, "c").await.status == 201
    })
    .await;
    receiver.assert_order(&order(&shop).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_shown_and_sent_again() {
    let (shop, receiver) = shop(&[]).await;
    let token = shop.token(APPROVED).await;
    let payment = shop.charge(&token, "a").await.is(201);
    receiver.wait_for(&payment["id"], &["payment.approved"]).await;
    until("all are noted", async || all_delivered(&shop).await).await;
    let all = events(&shop, "").await;
    let types: Vec<&Value> = all.iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["payment.approved", "token.stored"]);
    let first = shop.get("/v1/events?limit=1").await.is(200);
    assert_eq!(first["data"][0], all[0]);
    let second = format!("/v1/events?limit=1&after={}", first["next"].as_str().unwrap());
    let second = shop.get(&second).await.is(200);
    assert_eq!((&second["data"][0], &second["next"]), (&all[1], &Value::Null));
    let of_token = events(
        &shop,
        &format!("&subject={}&state=delivered", token["id"].as_str().unwrap()),
    )
    .await;
    assert_eq!(of_token, [all[1].clone()]);
    assert!(events(&shop, "&state=failed").await.is_empty());
    shop.get("/v1/events?state=lost")
        .await
        .problem(422, "field_invalid");
    shop.get("/v1/events?customer=c")
        .await
        .problem(422, "unknown_field");
    shop.get("/v1/events?subject=")
        .await
        .problem(422, "field_invalid");
    shop.get("/v1/tokens?subject=x")
        .await
        .problem(422, "unknown_field");

    let path = format!("/v1/events/{}", all[0]["id"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.is(200), all[0]);
    let before = receiver.taken().len();
    let replayed = shop
        .merchant("POST", &format!("{path}/replay"), None)
        .await
        .is(202);
    assert_eq!(replayed["body"], all[0]["body"]);
    until("it is sent again", async || receiver.taken().len() == before + 1).await;
    assert_eq!(receiver.taken().last().unwrap().event, all[0]["body"]);
    for (method, path) in [("GET", "/v1/events/evt_x"), ("POST", "/v1/events/evt_x/replay")] {
        shop.merchant(method, path, None)
            .await
            .problem(404, "event_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_no_event() {
    let receiver = Receiver::start().await;
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let more = format!(
        "[limits]\nbrowser_requests_per_minute = 100000\nbrowser_burst = 100000\n[log]\nlevel = \"error\"\n\
         [events]\nurl = {:?}\nsecrets = [{SECRET:?}, {OLD_SECRET:?}]\ntimeout_ms = 300\nfirst_pause_ms = 10\n",
        receiver.url
    );
    let text = config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", &more);
    std::fs::write(&config, text).unwrap();
    let client = crate::shop::client();
    let key = cardseal::crypto::public_key::PublicKey::parse(&sandbox.info().platforms.greenpay.public_key);
    let key = cardseal::greenpay::GreenPay::new(key.unwrap());
    let mut payments = Vec::new();
    for round in 0..3 {
        let program = Program::start(&config);
        receiver.plan(&[Does::Status(500), Does::Hang, Does::Take, Does::Drop]);
        let post = async |path: &str, body: Value, key: Option<&str>| {
            let url = format!("{}{path}", program.url);
            call(&client, "POST", url, Some(&body), key).await.unwrap().1
        };
        let session = post("/v1/sessions", json!({}), None).await;
        let token = post("/v1/tokens", seal(&key, &session, APPROVED), None).await;
        for number in 0..4 {
            let key = format!("key-{round}-{number}");
            let charge = json!({ "token": token["id"], "amount": "1.00", "currency": "USD" });
            let payment = post("/v1/payments", charge, Some(&key)).await;
            let refund = format!("/v1/payments/{}/refund", payment["id"].as_str().unwrap());
            post(&refund, json!({}), None).await;
            payments.push(payment["id"].clone());
        }
        // Some were sent and not noted, some not sent.
        program.kill();
    }
    let program = Program::start(&config);
    for payment in &payments {
        receiver
            .wait_for(payment, &["payment.approved", "payment.refunded"])
            .await;
    }
    let url = format!("{}/v1/events?limit=100", program.url);
    let (_, page) = call(&client, "GET", url, None, None).await.unwrap();
    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in page["data"].as_array().unwrap().iter().rev() {
        let subject = event["subject"].as_str().unwrap().to_owned();
        order
            .entry(subject)
            .or_default()
            .push(event["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        order.values().map(Vec::len).sum::<usize>(),
        3 + 2 * payments.len()
    );
    receiver.assert_order(&order);
}

#[tokio::test]
async fn without_a_receiver_nothing_is_written() {
    let shop = Shop::open().await;
    shop.token(APPROVED).await;
    assert!(events(&shop, "").await.is_empty());
}
