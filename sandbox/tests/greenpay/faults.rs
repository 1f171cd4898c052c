//! Every fault, seen from the client.

use std::time::{Duration, Instant};

use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};

use super::shop::{Answer, GOOD_CARD, Shop, card};

fn transactions(shop: &Shop) -> usize {
    shop.state()["transactions"].as_array().unwrap().len()
}

async fn pay(shop: &Shop) -> reqwest::Result<reqwest::Response> {
    let order = shop.payment_order("f").await;
    shop.send("/", &order, &shop.seal(&card(GOOD_CARD))).await
}

async fn tokenized(shop: &Shop) -> Answer {
    shop.check_out("/tokenize", &shop.token_order().await, &card(GOOD_CARD))
        .await
}

#[tokio::test]
async fn delays() {
    let shop = Shop::open().await;
    for kind in [Kind::Delay, Kind::DelayAfterCommit] {
        shop.sandbox
            .inject(Fault {
                ms: 300,
                ..Fault::new("greenpay", "checkout/", kind)
            })
            .unwrap();
        let start = Instant::now();
        assert_eq!(pay(&shop).await.unwrap().status(), 200);
        assert!(start.elapsed() >= Duration::from_millis(300));
        let start = Instant::now();
        assert_eq!(pay(&shop).await.unwrap().status(), 200);
        assert!(start.elapsed() < Duration::from_millis(300));
    }
}

#[tokio::test]
async fn goes_on_when_the_caller_has_gone() {
    let shop = Shop::open().await;
    shop.sandbox
        .inject(Fault {
            ms: 200,
            ..Fault::new("greenpay", "checkout/", Kind::Delay)
        })
        .unwrap();
    let order = shop.payment_order("f").await;
    let sealed = shop.seal(&card(GOOD_CARD));
    let late = tokio::time::timeout(Duration::from_millis(50), shop.send("/", &order, &sealed)).await;
    assert!(late.is_err());
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(transactions(&shop), 1);
}

#[tokio::test]
async fn cuts_the_connection_before_and_after_the_work() {
    let shop = Shop::open().await;
    shop.inject("checkout/", Kind::DropBefore);
    let error = pay(&shop).await.unwrap_err();
    assert!(!error.is_timeout() && error.status().is_none(), "{error:?}");
    assert_eq!(transactions(&shop), 0);
    shop.inject("checkout/", Kind::DropAfterCommit);
    assert!(pay(&shop).await.is_err());
    assert_eq!(transactions(&shop), 1);
    assert_eq!(pay(&shop).await.unwrap().status(), 200);
}

#[tokio::test]
async fn times_out_at_the_gateway_before_and_after_the_work() {
    let shop = Shop::open().await;
    for (kind, booked) in [
        (Kind::GatewayTimeoutBeforeCommit, 0),
        (Kind::GatewayTimeoutAfterCommit, 1),
    ] {
        shop.inject("checkout/", kind);
        let answer = pay(&shop).await.unwrap();
        assert_eq!(answer.status(), 504);
        assert_eq!(answer.text().await.unwrap(), "");
        assert_eq!(transactions(&shop), booked);
    }
}

#[tokio::test]
async fn answers_what_is_no_json() {
    let shop = Shop::open().await;
    for (kind, value, status, kind_of_body) in [
        (Kind::ServerError, None, 500, "text/plain"),
        (Kind::ServerError, Some("503"), 503, "text/plain"),
        (Kind::Html, None, 200, "text/html"),
        (Kind::Html, Some("502"), 502, "text/html"),
        (Kind::NotJson, None, 200, "application/json"),
    ] {
        let value = value.map(str::to_owned);
        shop.sandbox
            .inject(Fault {
                value,
                ..Fault::new("greenpay", "checkout/", kind)
            })
            .unwrap();
        let answer = pay(&shop).await.unwrap();
        assert_eq!(answer.status(), status);
        assert!(
            answer.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with(kind_of_body)
        );
        assert!(serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).is_err());
    }
    assert_eq!(transactions(&shop), 0);
}

#[tokio::test]
async fn cuts_an_answer_short_and_blows_it_up() {
    let shop = Shop::open().await;
    shop.inject("checkout/", Kind::TruncatedJson);
    let answer = pay(&shop).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).is_err());
    shop.inject_with("checkout/", Kind::Huge, "200000");
    let bytes = pay(&shop).await.unwrap().bytes().await.unwrap();
    assert!(bytes.len() > 200_000);
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap()["status"], 200);
    shop.inject("checkout/", Kind::Huge);
    assert!(pay(&shop).await.unwrap().bytes().await.unwrap().len() > 32 << 20);
    assert_eq!(transactions(&shop), 3);
}

#[tokio::test]
async fn spoils_the_body() {
    let shop = Shop::open().await;
    shop.inject("checkout/tokenize", Kind::ResultNull);
    let answer = tokenized(&shop).await;
    assert_eq!((answer.http, &answer.body["result"]), (200, &Value::Null));
    assert!(shop.verified(&answer.body).is_some());
    for (sent, echoed) in [
        (json!(7), json!("7")),
        (json!("7"), json!(7)),
        (json!("r-7"), json!(["r-7"])),
    ] {
        shop.inject("checkout/tokenize", Kind::RequestIdType);
        let order = shop.order("/tokenize", json!({ "requestId": sent })).await;
        let answer = shop.check_out("/tokenize", &order, &card(GOOD_CARD)).await;
        assert_eq!(answer.body["requestId"], echoed);
    }
}

#[tokio::test]
async fn spoils_the_signature() {
    let shop = Shop::open().await;
    for kind in [
        Kind::BadSignature,
        Kind::WrongKeySignature,
        Kind::MissingSignature,
    ] {
        shop.inject("checkout/tokenize", kind);
        let answer = tokenized(&shop).await;
        assert_eq!(answer.body["status"], 201);
        assert_eq!(
            answer.body.get("_signature").is_none(),
            kind == Kind::MissingSignature
        );
        assert_eq!(shop.verified(&answer.body), None, "{kind:?}");
        assert!(shop.verified(&tokenized(&shop).await.body).is_some());
    }
}

#[tokio::test]
async fn strips_zeros_off_a_signature_as_soon_as_there_are_some() {
    let shop = Shop::open().await;
    shop.inject("merchant/deleteToken", Kind::StrippedZeroSignature);
    let mut stripped = None;
    for id in 0..500 {
        let token = shop.stored(GOOD_CARD).await;
        let body = shop.signed_in(&json!({ "token": token, "requestId": id }));
        let answer = shop.post(&shop.merchant("/deleteToken"), &body).await;
        assert!(shop.verified(&answer.body).is_some());
        if answer.body["_signature"].as_str().unwrap().len() < 256 {
            stripped = Some(id);
            break;
        }
    }
    assert!(stripped.is_some());
}

#[tokio::test]
async fn opens_with_the_wrong_key() {
    let shop = Shop::open().await;
    shop.inject("checkout/tokenize", Kind::WrongKeyDecrypt);
    assert_eq!(tokenized(&shop).await.error(), "Session not exists or is wrong");
    assert_eq!(tokenized(&shop).await.http, 200);
}

#[tokio::test]
async fn declines_with_the_code_it_was_told() {
    let shop = Shop::open().await;
    for (code, state) in [("899", "reversed"), ("996", "declined"), ("51", "declined")] {
        shop.inject_with("checkout/", Kind::RespCode, code);
        let answer = Answer::of(pay(&shop).await.unwrap()).await;
        assert_eq!(
            (answer.http, &answer.body["result"]["resp_code"]),
            (500, &json!(code))
        );
        let state_now = shop.state();
        assert_eq!(
            state_now["transactions"].as_array().unwrap().last().unwrap()["state"],
            state
        );
    }
    let token = shop.stored(GOOD_CARD).await;
    shop.inject_with("merchant/tokenPayment", Kind::RespCode, "899");
    let body = shop.signed_in(&super::shop::with(Shop::purchase("t"), "token", json!(token)));
    let answer = shop.post(&shop.merchant("/tokenPayment"), &body).await;
    assert_eq!(answer.body["result"]["resp_code"], "899");
}

#[tokio::test]
async fn reaches_every_route() {
    let shop = Shop::open().await;
    let urls = [
        ("merchant/tokenize", shop.merchant("/tokenize")),
        ("merchant/", shop.merchant("")),
        ("merchant/tokenPayment", shop.merchant("/tokenPayment")),
        ("merchant/deleteToken", shop.merchant("/deleteToken")),
        ("merchant/transactions/void", shop.merchant("/transactions/void")),
        (
            "merchant/transactions/refund",
            shop.merchant("/transactions/refund"),
        ),
        ("checkout/tokenize", shop.checkout_url("/tokenize")),
        ("checkout/tokenize/update", shop.checkout_url("/tokenize/update")),
        ("checkout/kount", shop.checkout_url("/kount")),
        ("checkout/", shop.checkout_url("/")),
    ];
    for (route, _) in &urls {
        shop.inject(route, Kind::GatewayTimeoutBeforeCommit);
    }
    for status in [504, 500] {
        for (route, url) in &urls {
            let answer = shop.http.post(url).body("{}").send().await.unwrap();
            assert_eq!(answer.status(), status, "{route}");
        }
    }
    shop.sandbox
        .inject(Fault {
            times: 0,
            ..Fault::new("greenpay", "*", Kind::GatewayTimeoutBeforeCommit)
        })
        .unwrap();
    for (route, url) in &urls {
        assert_eq!(
            shop.http.post(url).body("{}").send().await.unwrap().status(),
            504,
            "{route}"
        );
    }
    shop.sandbox.clear_faults();
    assert_eq!(
        shop.http
            .post(&urls[0].1)
            .body("{}")
            .send()
            .await
            .unwrap()
            .status(),
        500
    );
}
