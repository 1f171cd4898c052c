//! Signed notifications, received by a listener of the test's own.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use cardseal_sandbox::faults::Kind;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use tokio::sync::mpsc;

use super::merchant::{GOOD_CARD, Merchant, sale_by_card, with};

struct Post {
    uri: Uri,
    signature: Option<String>,
    body: Bytes,
}

async fn listen() -> (String, mpsc::UnboundedReceiver<Post>) {
    async fn receive(
        State(sender): State<mpsc::UnboundedSender<Post>>,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) {
        let signature = headers.get("x-gp-signature");
        let signature = signature.map(|value| value.to_str().unwrap().to_owned());
        sender.send(Post { uri, signature, body }).ok();
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().fallback(receive).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, receiver)
}

fn signed(merchant: &Merchant, payload: &[u8]) -> String {
    let key = &merchant.info().credentials.app_key;
    hex::encode(Sha512::new().chain_update(payload).chain_update(key).finalize())
}

#[tokio::test]
async fn posts_what_became_of_a_transaction() {
    let (url, mut posts) = listen().await;
    let merchant = Merchant::open().await;
    merchant.set(&json!({ "webhook_url": url }));
    let id = merchant.charged("note", "AUTO").await;
    let notify = async |body: Value| merchant.sandbox.command("gp_api", "notify", &body).await;
    let told = notify(json!({ "transaction": id })).await.unwrap();
    assert_eq!(told, json!({ "attempts": 1, "status": 200 }));
    let post = posts.recv().await.unwrap();
    assert_eq!(post.uri.path(), "/hook");
    assert_eq!(post.signature.unwrap(), signed(&merchant, &post.body));
    let body: Value = serde_json::from_slice(&post.body).unwrap();
    for (name, value) in [
        ("id", id.as_str()),
        ("status", "CAPTURED"),
        ("amount", "1999"),
        ("currency", "USD"),
        ("reference", "note"),
    ] {
        assert_eq!(body[name], value);
    }
    assert_eq!(body["payment_method"]["result"], "00");
    assert_eq!(body["action"]["type"], "STATUS_NOTIFICATION");

    // With the signature first in the query, over the rest of it.
    notify(json!({ "transaction": id, "method": "GET" }))
        .await
        .unwrap();
    let query = posts.recv().await.unwrap().uri.query().unwrap().to_owned();
    let (first, rest) = query.split_once('&').unwrap();
    assert_eq!(
        first,
        format!("X-GP-Signature={}", signed(&merchant, rest.as_bytes()))
    );
    assert!(rest.starts_with(&format!("id={id}&status=CAPTURED")));

    for wrong in [
        json!({ "transaction": "TRN_unknown" }),
        json!({ "transaction": id, "url": "http://example.com" }),
        json!({ "transaction": id, "method": "PUT" }),
        json!({}),
    ] {
        assert!(notify(wrong.clone()).await.is_err(), "{wrong}");
    }
    merchant.set(&json!({ "webhook_url": null }));
    assert!(notify(json!({ "transaction": id })).await.is_err());
    assert_eq!(
        merchant.state()["notifications_sent"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn a_transaction_can_name_its_own_url() {
    let (url, mut posts) = listen().await;
    let merchant = Merchant::open().await;
    merchant.set(&json!({ "webhook_url": "http://127.0.0.1:9/" }));
    let own = json!({ "status_url": format!("{url}/own") });
    let body = with(sale_by_card("own", GOOD_CARD), "notifications", own);
    let made = merchant.post("/transactions", &body).await.good();
    let notify = json!({ "transaction": made["id"] });
    let answer = merchant
        .http
        .post(format!("{}/gp_api/notify", merchant.sandbox.info().control_url))
        .body(notify.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(posts.recv().await.unwrap().uri.path(), "/hook/own");
}

#[tokio::test]
async fn spoils_the_signature_on_request() {
    let (url, mut posts) = listen().await;
    let merchant = Merchant::open().await;
    let id = merchant.charged("bad", "AUTO").await;
    for kind in [
        Kind::BadSignature,
        Kind::WrongKeySignature,
        Kind::MissingSignature,
    ] {
        merchant.inject("notifications", kind);
        for good in [false, true] {
            let body = json!({ "transaction": id, "url": url });
            merchant.sandbox.command("gp_api", "notify", &body).await.unwrap();
            let post = posts.recv().await.unwrap();
            assert_eq!(
                post.signature == Some(signed(&merchant, &post.body)),
                good,
                "{kind:?}"
            );
            assert_eq!(post.signature.is_none(), !good && kind == Kind::MissingSignature);
        }
    }
}
