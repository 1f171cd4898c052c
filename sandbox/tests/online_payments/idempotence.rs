//! One key, one outcome.

use std::time::Duration;

use cardseal_sandbox::faults::Kind;
use serde_json::json;

use super::shop::{DECLINED, Shop, VISA, by_card};

const STAMP: &str = "x-gcs-idempotence-request-timestamp";

#[tokio::test]
async fn gives_the_first_outcome_again() {
    let shop = Shop::open().await;
    let first = shop
        .post_with_key("/payments", &by_card(1000, "SALE", VISA), "a")
        .await;
    assert_eq!((first.http, first.header(STAMP)), (201, None));
    // Even for another request.
    let again = shop
        .post_with_key("/payments", &by_card(2000, "SALE", VISA), "a")
        .await;
    assert_eq!((again.http, &again.body), (201, &first.body));
    let stamp: i64 = again.header(STAMP).unwrap().parse().unwrap();
    assert!(stamp > 1_700_000_000_000);
    assert_eq!(shop.payments().len(), 1);
    // A decline is an outcome, and so is a refusal.
    for body in [by_card(1000, "SALE", DECLINED), json!({})] {
        let key = shop.unique();
        let first = shop.post_with_key("/payments", &body, &key).await;
        let again = shop
            .post_with_key("/payments", &by_card(1, "SALE", VISA), &key)
            .await;
        assert_eq!((again.http, &again.body), (first.http, &first.body));
        assert!(again.header(STAMP).is_some());
    }
    shop.post("/payments", &by_card(1000, "SALE", VISA))
        .await
        .good(201);
    assert_eq!(shop.payments().len(), 3);
}

#[tokio::test]
async fn keeps_keys_for_a_day_and_by_operation() {
    let shop = Shop::open().await;
    let id = shop.paid(1000, "PRE_AUTHORIZATION").await;
    let (capture, refund) = (
        format!("/payments/{id}/capture"),
        format!("/payments/{id}/refund"),
    );
    let first = shop
        .post_with_key(&capture, &json!({ "amount": 100 }), "k")
        .await
        .good(201);
    let again = shop
        .post_with_key(&capture, &json!({ "amount": 100 }), "k")
        .await
        .good(201);
    assert_eq!(first, again);
    shop.post_with_key(&refund, &json!({}), "k").await.good(201);
    shop.post_with_key(&refund, &json!({}), "k").await.good(201);
    assert_eq!(shop.payments()[0]["operations"].as_array().unwrap().len(), 3);
    shop.advance(86_401);
    let later = shop
        .post_with_key(&capture, &json!({ "amount": 100 }), "k")
        .await
        .good(201);
    assert_ne!(first["id"], later["id"]);
    let cancel = shop.paid(1000, "PRE_AUTHORIZATION").await;
    for _ in 0..2 {
        shop.post_with_key(&format!("/payments/{cancel}/cancel"), &json!({}), "c")
            .await
            .good(200);
    }
}

#[tokio::test]
async fn says_that_the_first_is_still_running() {
    let shop = Shop::open().await;
    let body = by_card(1000, "SALE", VISA);
    for (kind, code) in [
        (Kind::Delay, None),
        (Kind::Delay, Some("1409")),
        (Kind::DelayAfterCommit, Some("30001002")),
    ] {
        shop.set(&json!({ "in_progress_code": code }));
        shop.inject("payments", kind, |fault| fault.ms = 1500);
        let key = shop.unique();
        let first = shop.post_with_key("/payments", &body, &key);
        let second = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            shop.post_with_key("/payments", &body, &key).await
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!((first.http, second.http), (201, 409));
        let errors = second.body["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1);
        let error = &errors[0];
        assert_eq!(error.get("errorCode"), code.map(|code| json!(code)).as_ref());
        assert_eq!(
            (&error["id"], &error["httpStatusCode"]),
            (&json!("DUPLICATE_REQUEST_IN_PROGRESS"), &json!(409))
        );
        // When the first one came, as of every repeat.
        let third = shop.post_with_key("/payments", &body, &key).await;
        assert_eq!(third.body, first.body);
        assert!(second.header(STAMP).is_some());
        assert_eq!(second.header(STAMP), third.header(STAMP));
    }
    assert_eq!(shop.payments().len(), 3);
}

#[tokio::test]
async fn of_many_calls_with_one_key_one_does_something() {
    let shop = Shop::open().await;
    let body = by_card(1000, "SALE", VISA);
    let calls = (0..12).map(|_| shop.post_with_key("/payments", &body, "many"));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| matches!(answer.http, 201 | 409)));
    assert_eq!(shop.payments().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_can_be_had_again() {
    let shop = Shop::open().await;
    let body = by_card(1000, "SALE", VISA);
    shop.inject("payments", Kind::DropAfterCommit, |_| {});
    let request = shop.signed(
        reqwest::Method::POST,
        "/payments",
        Some(&body),
        &[("x-gcs-idempotence-key", "l")],
    );
    assert!(request.send().await.is_err());
    assert_eq!(shop.payments().len(), 1);
    let again = shop.post_with_key("/payments", &body, "l").await;
    assert!(again.header(STAMP).is_some());
    let id = again.good(201)["payment"]["id"].as_str().unwrap().to_owned();
    assert_eq!(shop.payments()[0]["id"], id.strip_suffix("_0").unwrap());
    // What failed before the work leaves no trace of the key.
    for kind in [Kind::DropBefore, Kind::BadGatewayBeforeCommit, Kind::ServerError] {
        let key = shop.unique();
        shop.inject("payments", kind, |_| {});
        let extra = [("x-gcs-idempotence-key", &*key)];
        let request = shop.signed(reqwest::Method::POST, "/payments", Some(&body), &extra);
        assert!(request.send().await.is_err() || kind != Kind::DropBefore);
        let again = shop.post_with_key("/payments", &body, &key).await;
        assert_eq!((again.http, again.header(STAMP)), (201, None), "{kind:?}");
    }
}

#[tokio::test]
async fn takes_keys_as_long_as_the_platform_does_and_none_where_they_have_no_place() {
    let shop = Shop::open().await;
    let body = by_card(1000, "SALE", VISA);
    // The documentation knows 40; the tests of the platform's own clients send 52.
    for length in [40, 52] {
        shop.post_with_key("/payments", &body, &"k".repeat(length))
            .await
            .good(201);
    }
    let long = shop.post_with_key("/payments", &body, &"k".repeat(65)).await;
    assert_eq!(long.refusal(), (400, "INVALID_VALUE", "X-GCS-Idempotence-Key"));
    // A session is made anew each time.
    let first = shop.post_with_key("/sessions", &json!({}), "s").await.good(201);
    let second = shop.post_with_key("/sessions", &json!({}), "s").await.good(201);
    assert_ne!(first, second);
}
