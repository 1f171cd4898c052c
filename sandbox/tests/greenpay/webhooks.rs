//! The platform's posts to the merchant, received by a listener of the test's own.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use cardseal_sandbox::SandboxOptions;
use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::shop::{GOOD_CARD, Shop, card, with};
use super::subscriptions::plan;

struct Post {
    path: String,
    content_type: String,
    body: Value,
    at: Instant,
}

/// A merchant's server that answers with the given status.
async fn listen(status: StatusCode) -> (String, mpsc::UnboundedReceiver<Post>) {
    type Sender = mpsc::UnboundedSender<Post>;
    async fn receive(
        State((sender, status)): State<(Sender, StatusCode)>,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> StatusCode {
        let post = Post {
            path: uri.path().into(),
            content_type: headers["content-type"].to_str().unwrap().into(),
            body: serde_json::from_slice(&body).unwrap(),
            at: Instant::now(),
        };
        sender.send(post).ok();
        status
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let router = Router::new().fallback(receive).with_state((sender, status));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, receiver)
}

async fn next(receiver: &mut mpsc::UnboundedReceiver<Post>) -> Post {
    tokio::time::timeout(Duration::from_secs(10), receiver.recv())
        .await
        .unwrap()
        .unwrap()
}

async fn shop_with(url: &str) -> Shop {
    let shop = Shop::open().await;
    shop.set(&json!({ "webhook_url": url }));
    shop
}

#[tokio::test]
async fn finds_the_merchants_server() {
    let (url, mut posts) = listen(StatusCode::OK).await;
    let shop = Shop::open_with(SandboxOptions {
        server_url: Some(format!("{url}/")),
        ..SandboxOptions::default()
    })
    .await;
    let told = &shop.sandbox.info().server_settings["greenpay"];
    let address = format!(
        "/hooks/v1/notifications/greenpay/{}",
        told["webhook_path_secret"].as_str().unwrap()
    );
    // Forgetting all else is not forgetting where the server is.
    for order in ["before", "after"] {
        shop.paid(order).await;
        let post = next(&mut posts).await;
        assert!(post.path.starts_with(&address), "{}", post.path);
        shop.sandbox.reset();
    }
}

#[tokio::test]
async fn tells_of_cards_and_payments() {
    let (url, mut posts) = listen(StatusCode::OK).await;
    let shop = shop_with(&url).await;
    let order = shop
        .order(
            "/tokenize",
            json!({ "requestId": "r", "callback": "http://127.0.0.1/back" }),
        )
        .await;
    let answer = shop.check_out("/tokenize", &order, &card(GOOD_CARD)).await;
    let post = next(&mut posts).await;
    assert_eq!(
        (post.path.as_str(), post.content_type.as_str()),
        ("/hooks/newCard", "application/json")
    );
    assert_eq!(
        post.body,
        with(answer.body.clone(), "callback", json!("http://127.0.0.1/back"))
    );
    assert!(shop.verified(&post.body).is_some());

    for number in [GOOD_CARD, "4485970366452449"] {
        let order = shop.payment_order("p").await;
        let answer = shop.check_out("/kount", &order, &card(number)).await;
        let post = next(&mut posts).await;
        assert_eq!(post.path, "/hooks/");
        assert_eq!(post.body, with(answer.body, "callback", json!("")));
    }
    let body = with(
        Shop::purchase("t"),
        "token",
        answer.body["result"]["token"].clone(),
    );
    shop.post(&shop.merchant("/tokenPayment"), &shop.signed_in(&body))
        .await;
    assert_eq!(next(&mut posts).await.body["orderId"], "t");

    // Refusals before the bank are not told.
    let order = shop.payment_order("q").await;
    shop.check_out("/", &order, &card("1")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(posts.try_recv().is_err());
    let sent = shop.state()["webhooks_sent"].clone();
    assert_eq!(sent.as_array().unwrap().len(), 4);
    assert_eq!(
        (&sent[0]["route"], &sent[0]["status"]),
        (&json!("/newCard"), &json!(200))
    );
}

#[tokio::test]
async fn tells_later_what_a_timeout_swallowed() {
    let (url, mut posts) = listen(StatusCode::OK).await;
    let shop = shop_with(&url).await;
    for kind in [Kind::GatewayTimeoutAfterCommit, Kind::DropAfterCommit] {
        let fault = Fault {
            webhook_after_ms: 400,
            ..Fault::new("greenpay", "checkout/", kind)
        };
        shop.sandbox.inject(fault).unwrap();
        let order = shop.payment_order("late").await;
        let start = Instant::now();
        let answer = shop.send("/", &order, &shop.seal(&card(GOOD_CARD))).await;
        assert!(answer.is_err() || answer.unwrap().status() == 504);
        let post = next(&mut posts).await;
        assert!(post.at - start >= Duration::from_millis(400));
        assert_eq!(
            (&post.body["orderId"], &post.body["status"]),
            (&json!("late"), &json!(200))
        );
        assert!(shop.verified(&post.body).is_some());
    }
}

#[tokio::test]
async fn a_spoiled_answer_does_not_spoil_the_webhook() {
    let (url, mut posts) = listen(StatusCode::OK).await;
    let shop = shop_with(&url).await;
    shop.inject("checkout/", Kind::BadSignature);
    let order = shop.payment_order("s").await;
    let answer = shop.check_out("/", &order, &card(GOOD_CARD)).await;
    assert_eq!(shop.verified(&answer.body), None);
    assert!(shop.verified(&next(&mut posts).await.body).is_some());
}

#[tokio::test]
async fn tries_three_times() {
    let (url, mut posts) = listen(StatusCode::INTERNAL_SERVER_ERROR).await;
    let shop = shop_with(&url).await;
    shop.paid("again").await;
    for _ in 0..3 {
        assert_eq!(next(&mut posts).await.body["orderId"], "again");
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while shop.state()["webhooks_sent"].as_array().unwrap().is_empty() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let sent = shop.state()["webhooks_sent"][0].clone();
    assert_eq!((&sent["attempts"], &sent["status"]), (&json!(3), &json!(500)));
    shop.set(&json!({ "webhook_url": null }));
    shop.paid("silent").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(posts.try_recv().is_err());
}

#[tokio::test]
async fn tells_of_what_it_charged_at_midnight() {
    let (url, mut posts) = listen(StatusCode::OK).await;
    let shop = Shop::open().await;
    let id = shop.subscribed(plan(&shop.stored(GOOD_CARD).await)).await;
    shop.set(&json!({ "webhook_url": url }));
    assert_eq!(shop.after_days(32).await, 1);
    let post = next(&mut posts).await;
    assert_eq!(post.path, "/hooks/subscription/payment/results");
    assert_eq!(
        (
            &post.body["status"],
            &post.body["result"]["order"]["order_reference"]
        ),
        (&json!("SUCCESS"), &json!(format!("{id}_1")))
    );
}
