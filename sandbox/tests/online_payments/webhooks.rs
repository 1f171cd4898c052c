//! Signed events, received by a listener of the test's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use cardseal_sandbox::SandboxOptions;
use cardseal_sandbox::faults::Kind;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::shop::{DECLINED, Shop, VISA, by_card, hmac_sha256, with};

struct Post {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Post {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn is_signed(&self, shop: &Shop) -> bool {
        let key = &shop.info().webhook_key;
        self.header("x-gcs-keyid") == key.key_id
            && self.header("x-gcs-signature") == hmac_sha256(&key.secret, &self.body)
    }
}

struct Endpoint {
    url: String,
    posts: mpsc::UnboundedReceiver<Post>,
    /// What it answers.
    status: Arc<AtomicU16>,
}

type Shared = (mpsc::UnboundedSender<Post>, Arc<AtomicU16>);

async fn receive(
    State((sender, status)): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if method == Method::GET {
        return headers["x-gcs-webhooks-endpoint-verification"]
            .to_str()
            .unwrap()
            .to_owned()
            .into_response();
    }
    let path = uri.path().to_owned();
    sender.send(Post { path, headers, body }).ok();
    StatusCode::from_u16(status.load(Ordering::SeqCst))
        .unwrap()
        .into_response()
}

impl Endpoint {
    async fn open() -> Self {
        let (sender, posts) = mpsc::unbounded_channel();
        let status = Arc::new(AtomicU16::new(200));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new()
            .fallback(receive)
            .with_state((sender, status.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, posts, status }
    }

    async fn next(&mut self) -> Post {
        let next = tokio::time::timeout(Duration::from_secs(10), self.posts.recv());
        next.await.unwrap().unwrap()
    }

    async fn types(&mut self, count: usize) -> Vec<String> {
        let mut types = Vec::new();
        for _ in 0..count {
            types.push(self.next().await.json()["type"].as_str().unwrap().to_owned());
        }
        types
    }

    async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(500), self.posts.recv())
            .await
            .is_err()
    }
}

async fn open() -> (Shop, Endpoint) {
    let (shop, endpoint) = (Shop::open().await, Endpoint::open().await);
    shop.set(&json!({ "webhook_url": endpoint.url }));
    (shop, endpoint)
}

#[tokio::test]
async fn tells_all_that_happens_to_a_payment() {
    let (shop, mut endpoint) = open().await;
    let id = shop.paid(1000, "PRE_AUTHORIZATION").await;
    let payid = id.strip_suffix("_0").unwrap();
    let first = endpoint.next().await;
    assert!(first.is_signed(&shop));
    let event = first.json();
    assert_eq!(event["apiVersion"], "v1");
    assert_eq!(event["type"], "payment.created");
    assert_eq!(event["merchantId"], shop.info().merchant_id);
    assert_eq!(event["payment"]["id"], id);
    assert_eq!(event["id"].as_str().unwrap().len(), 36);
    // Seven decimals and an offset.
    let created = event["created"].as_str().unwrap();
    assert!(created.len() == 33 && created.ends_with("+00:00"), "{created}");
    assert_eq!(first.header("retry-count"), "0");
    assert_eq!(endpoint.types(1).await, ["payment.pending_capture"]);
    shop.post(&format!("/payments/{id}/capture"), &json!({}))
        .await
        .good(201);
    let requested = endpoint.next().await.json();
    assert_eq!(
        (&requested["type"], &requested["payment"]["id"]),
        (&json!("payment.capture_requested"), &json!(format!("{payid}_1")))
    );
    assert_eq!(endpoint.types(1).await, ["payment.captured"]);
    shop.post(&format!("/payments/{id}/refund"), &json!({}))
        .await
        .good(201);
    let refund = endpoint.next().await.json();
    assert_eq!(
        (&refund["type"], &refund["refund"]["status"]),
        (&json!("refund.refund_requested"), &json!("REFUND_REQUESTED"))
    );
    assert_eq!(endpoint.types(1).await, ["payment.refunded"]);
    let id = shop.paid(1000, "PRE_AUTHORIZATION").await;
    shop.post(&format!("/payments/{id}/cancel"), &json!({}))
        .await
        .good(200);
    shop.post("/payments", &by_card(1000, "SALE", DECLINED)).await;
    assert_eq!(
        endpoint.types(5).await,
        [
            "payment.created",
            "payment.pending_capture",
            "payment.cancelled",
            "payment.created",
            "payment.rejected"
        ]
    );
    assert!(!shop.state()["webhooks_sent"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn finds_the_merchants_server() {
    let mut endpoint = Endpoint::open().await;
    let shop = Shop::open_with(SandboxOptions {
        server_url: Some(endpoint.url.clone()),
        ..SandboxOptions::default()
    })
    .await;
    let told = shop.sandbox.info().server_settings["online_payments"].clone();
    let secret = told["webhook_path_secret"].as_str().unwrap();
    assert_eq!(told["base_url"], shop.info().base_url);
    assert_eq!(told["webhook_keys"][0]["id"], shop.info().webhook_key.key_id);
    // Forgetting all else is not forgetting where the server is.
    for _ in 0..2 {
        shop.paid(1000, "SALE").await;
        let path = format!("/hook/v1/notifications/online_payments/{secret}");
        assert_eq!(endpoint.next().await.path, path);
        endpoint.types(1).await;
        shop.sandbox.reset();
    }
}

#[tokio::test]
async fn settles_by_itself_when_the_time_has_come() {
    let (shop, mut endpoint) = open().await;
    shop.set(&json!({ "settle_after_ms": 3_600_000 }));
    let id = shop.paid(1000, "PRE_AUTHORIZATION").await;
    shop.post(&format!("/payments/{id}/capture"), &json!({}))
        .await
        .good(201);
    endpoint.types(3).await;
    assert!(endpoint.is_quiet().await);
    shop.advance(3600);
    assert_eq!(endpoint.types(1).await, ["payment.captured"]);
}

#[tokio::test]
async fn tries_again_until_the_merchant_takes_it() {
    let (shop, mut endpoint) = open().await;
    shop.set(&json!({ "webhook_retry_ms": [100, 100, 100] }));
    endpoint.status.store(500, Ordering::SeqCst);
    shop.post("/webhooks/sendtest", &json!({ "url": endpoint.url }))
        .await
        .good(204);
    let first = endpoint.next().await;
    let second = endpoint.next().await;
    endpoint.status.store(204, Ordering::SeqCst);
    let third = endpoint.next().await;
    assert!(endpoint.is_quiet().await);
    let counts = [&first, &second, &third].map(|post| post.header("retry-count").to_owned());
    assert_eq!(counts, ["0", "1", "2"]);
    // The same event, and the same bytes.
    assert_eq!((&first.body, &second.body), (&second.body, &third.body));
    assert!(third.is_signed(&shop));
    assert_eq!(first.json()["type"], "payment.test");
    let sent = &shop.state()["webhooks_sent"][0];
    assert_eq!((&sent["tries"], &sent["status"]), (&json!(3), &json!(204)));
    // Given up in the end.
    endpoint.status.store(500, Ordering::SeqCst);
    shop.post("/webhooks/sendtest", &json!({ "url": endpoint.url }))
        .await
        .good(204);
    endpoint.types(4).await;
    assert!(endpoint.is_quiet().await);
    assert_eq!(shop.state()["webhooks_sent"][1]["status"], 500);
}

#[tokio::test]
async fn a_payment_can_name_its_own_addresses() {
    let (shop, mut usual) = open().await;
    let mut own = Endpoint::open().await;
    let urls = json!([format!("{}/a", own.url), format!("{}/b", own.url)]);
    let body = with(
        by_card(1000, "SALE", VISA),
        "feedbacks",
        json!({ "webhooksUrls": urls }),
    );
    shop.post("/payments", &body).await.good(201);
    let mut paths = Vec::new();
    for _ in 0..4 {
        paths.push(own.next().await.path);
    }
    assert_eq!(paths, ["/hook/a", "/hook/b", "/hook/a", "/hook/b"]);
    assert!(usual.is_quiet().await);
    let elsewhere = with(
        body,
        "feedbacks",
        json!({ "webhookUrl": "https://example.com/hook" }),
    );
    assert_eq!(
        shop.post("/payments", &elsewhere).await.refusal(),
        (400, "INVALID_VALUE", "feedbacks.webhooksUrls")
    );
}

#[tokio::test]
async fn sends_twice_in_another_order_or_in_an_array_on_request() {
    let (shop, mut endpoint) = open().await;
    shop.set(&json!({ "webhook_duplicates": true }));
    shop.paid(1000, "SALE").await;
    let posts = [endpoint.next().await.json(), endpoint.next().await.json()];
    assert_eq!(posts[0], posts[1]);
    endpoint.types(2).await;
    shop.set(&json!({ "webhook_duplicates": false, "webhook_reorder": true }));
    shop.paid(1000, "SALE").await;
    assert_eq!(endpoint.types(2).await, ["payment.captured", "payment.created"]);
    shop.set(&json!({ "webhook_reorder": false, "webhook_array": true }));
    shop.paid(1000, "SALE").await;
    let post = endpoint.next().await;
    assert!(post.is_signed(&shop));
    assert_eq!(post.json()[0]["type"], "payment.created");
}

#[tokio::test]
async fn spoils_the_signature_on_request() {
    let (shop, mut endpoint) = open().await;
    for kind in [
        Kind::BadSignature,
        Kind::WrongKeySignature,
        Kind::MissingSignature,
    ] {
        shop.inject("webhooks", kind, |_| {});
        for good in [false, true] {
            shop.post("/webhooks/sendtest", &json!({ "url": endpoint.url }))
                .await
                .good(204);
            let post = endpoint.next().await;
            assert_eq!(post.is_signed(&shop), good, "{kind:?}");
            let missing = !post.headers.contains_key("x-gcs-signature");
            assert_eq!(missing, !good && kind == Kind::MissingSignature);
        }
    }
}

#[tokio::test]
async fn an_event_comes_after_an_answer_that_was_lost() {
    let (shop, mut endpoint) = open().await;
    shop.inject("payments", Kind::DropAfterCommit, |fault| {
        fault.webhook_after_ms = 400
    });
    let body = by_card(1000, "SALE", VISA);
    let start = std::time::Instant::now();
    let request = shop.signed(Method::POST, "/payments", Some(&body), &[]);
    assert!(request.send().await.is_err());
    endpoint.types(2).await;
    assert!(start.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn asks_an_endpoint_whether_it_is_one() {
    let (shop, endpoint) = open().await;
    let verify = async |body: Value| {
        shop.sandbox
            .command("online_payments", "verify_endpoint", &body)
            .await
    };
    assert_eq!(
        verify(json!({})).await.unwrap(),
        json!({ "verified": true, "status": 200 })
    );
    let other = json!({ "url": format!("{}/v2/x", shop.info().base_url) });
    assert_eq!(
        verify(other).await.unwrap(),
        json!({ "verified": false, "status": 404 })
    );
    assert!(verify(json!({ "url": "https://example.com" })).await.is_err());
    drop(endpoint);
}

#[tokio::test]
async fn tells_whether_a_key_is_the_right_one() {
    let shop = Shop::open().await;
    let key = &shop.info().webhook_key;
    // The signature of an empty body, not the secret.
    let signed = hmac_sha256(&key.secret, b"");
    for (secret, result) in [(&signed, "Valid"), (&key.secret, "Invalid")] {
        let body = json!({ "key": key.key_id, "secret": secret });
        let answer = shop.post("/webhooks/validateCredentials", &body).await;
        assert_eq!(answer.good(200), json!({ "result": result }));
    }
}

#[tokio::test]
async fn tells_again_how_an_operation_stands() {
    let (shop, mut endpoint) = open().await;
    let id = shop.paid(1000, "SALE").await;
    endpoint.types(2).await;
    let notify = async |body: Value| shop.sandbox.command("online_payments", "notify", &body).await;
    assert_eq!(
        notify(json!({ "payment": id })).await.unwrap(),
        json!({ "events": 1 })
    );
    assert_eq!(endpoint.types(1).await, ["payment.captured"]);
    assert!(notify(json!({ "payment": "1_0" })).await.is_err());
}
