//! Every fault that concerns this platform, seen from the client.

use std::time::{Duration, Instant};

use cardseal_sandbox::faults::Kind;
use reqwest::Method;
use serde_json::{Value, json};

use super::shop::{Answer, Shop, VISA, by_card};

async fn pay(shop: &Shop) -> reqwest::Result<reqwest::Response> {
    let body = by_card(1000, "SALE", VISA);
    shop.signed(Method::POST, "/payments", Some(&body), &[])
        .send()
        .await
}

async fn answer(shop: &Shop) -> Answer {
    Answer::of(pay(shop).await.unwrap()).await
}

#[tokio::test]
async fn does_nothing_or_all_and_says_neither() {
    let shop = Shop::open().await;
    let made = |shop: &Shop| shop.payments().len();
    for (kind, status, done) in [
        (Kind::BadGatewayBeforeCommit, 502, false),
        (Kind::BadGatewayAfterCommit, 502, true),
        (Kind::GatewayTimeoutBeforeCommit, 504, false),
        (Kind::GatewayTimeoutAfterCommit, 504, true),
        (Kind::TruncatedJson, 201, true),
    ] {
        let before = made(&shop);
        shop.inject("payments", kind, |_| {});
        let answer = answer(&shop).await;
        assert_eq!(
            (answer.http, made(&shop) - before),
            (status, usize::from(done)),
            "{kind:?}"
        );
        if status == 502 {
            assert_eq!(answer.body["errors"][0]["id"], "UNKNOWN_SERVER_ERROR");
        } else {
            assert_eq!(answer.body, Value::Null);
        }
    }
    for (kind, done) in [(Kind::DropBefore, false), (Kind::DropAfterCommit, true)] {
        let before = made(&shop);
        shop.inject("payments", kind, |_| {});
        assert!(pay(&shop).await.is_err());
        assert_eq!(made(&shop) - before, usize::from(done));
    }
}

#[tokio::test]
async fn answers_as_the_platform_and_what_stands_before_it_have_been_seen_to() {
    let shop = Shop::open().await;
    for (kind, value, status, content_type) in [
        (Kind::EmptyNotFound, None, 404, ""),
        (Kind::MisstatedError, None, 404, "application/json; charset=utf-8"),
        (Kind::ProblemJson, None, 503, "application/problem+json"),
        (Kind::ProblemJson, Some("400"), 400, "application/problem+json"),
        (Kind::Html, Some("502"), 502, "text/html; charset=utf-8"),
        (Kind::ServerError, None, 500, "text/plain; charset=utf-8"),
        (Kind::NotJson, None, 200, "application/json; charset=utf-8"),
    ] {
        shop.inject("payments", kind, |fault| fault.value = value.map(Into::into));
        let answer = answer(&shop).await;
        assert_eq!(
            (answer.http, answer.header("content-type").unwrap_or_default()),
            (status, content_type)
        );
        if kind == Kind::EmptyNotFound {
            assert_eq!(answer.text, "");
        } else if kind == Kind::MisstatedError {
            assert_eq!(answer.body["errors"][0]["httpStatusCode"], 500);
        } else if kind == Kind::ProblemJson {
            assert_eq!(answer.body["status"], status);
        } else {
            assert_eq!(answer.body, Value::Null);
        }
    }
    assert!(shop.payments().is_empty());
    shop.inject("payments", Kind::Huge, |fault| {
        fault.value = Some("100000".into())
    });
    let answer = answer(&shop).await;
    assert!(answer.text.len() > 100_000 && answer.body["payment"]["status"] == "CAPTURED");
}

#[tokio::test]
async fn applies_to_every_second_call_of_one_route() {
    let shop = Shop::open().await;
    shop.inject("payments", Kind::DropAfterCommit, |fault| {
        fault.times = 0;
        fault.every = 2;
    });
    let mut lost = Vec::new();
    for _ in 0..6 {
        lost.push(pay(&shop).await.is_err());
        shop.get("/services/testconnection").await.good(200);
    }
    assert_eq!(lost, [false, true, false, true, false, true]);
    assert_eq!(shop.payments().len(), 6);
    shop.sandbox.clear_faults();
    for _ in 0..3 {
        answer(&shop).await.good(201);
    }
}

#[tokio::test]
async fn goes_on_when_the_caller_has_gone() {
    let shop = Shop::open().await;
    shop.inject("payments", Kind::Delay, |fault| fault.ms = 200);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), pay(&shop))
            .await
            .is_err()
    );
    let start = Instant::now();
    while shop.payments().is_empty() && start.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(shop.payments().len(), 1);
    shop.inject("payments", Kind::DelayAfterCommit, |fault| fault.ms = 300);
    let start = Instant::now();
    answer(&shop).await.good(201);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn declines_with_the_code_it_is_told() {
    let shop = Shop::open().await;
    shop.inject("payments", Kind::RespCode, |fault| {
        fault.value = Some("30511001".into())
    });
    let answer = answer(&shop).await;
    assert_eq!(
        (answer.http, &answer.body["errors"][0]["errorCode"]),
        (402, &json!("30511001"))
    );
}

#[tokio::test]
async fn reaches_the_client_api_and_empty_answers_too() {
    let shop = Shop::open().await;
    let session = shop.session(json!({})).await;
    shop.inject("client/publickey", Kind::Html, |fault| {
        fault.value = Some("502".into())
    });
    assert_eq!(shop.page_get(&session, "/crypto/publickey").await.http, 502);
    shop.page_get(&session, "/crypto/publickey").await.good(200);
    let token = shop.stored(VISA).await;
    shop.inject("tokens/delete", Kind::DropAfterCommit, |_| {});
    let path = format!("/tokens/{token}");
    assert!(
        shop.signed(Method::DELETE, &path, None, &[])
            .send()
            .await
            .is_err()
    );
    assert_eq!(shop.get(&path).await.http, 404);
    // Who is not let in gets the fault all the same.
    shop.inject("*", Kind::ServerError, |_| {});
    let url = format!("{}/v2/x/services/testconnection", shop.info().base_url);
    assert_eq!(shop.http.get(url).send().await.unwrap().status(), 500);
}
