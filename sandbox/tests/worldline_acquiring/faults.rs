use std::time::{Duration, Instant};

use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::json;

use crate::shop::{SCOPES, Shop};

const ID: &str = "worldline_acquiring";

#[tokio::test]
async fn an_answer_is_lost_after_the_work_is_done() {
    let shop = Shop::open().await;
    for (kind, status) in [
        (Kind::DropAfterCommit, None),
        (Kind::BadGatewayAfterCommit, Some(502)),
        (Kind::GatewayTimeoutAfterCommit, Some(504)),
    ] {
        shop.sandbox.inject(Fault::new(ID, "payments", kind)).unwrap();
        let before = shop.state()["payments"].as_array().unwrap().len();
        let body = shop.payment_body(1000);
        let bearer = shop.bearer(SCOPES).await;
        let path = "/processing/v1/100812/520000214/payments";
        let lost = shop.request("POST", path, &bearer).json(&body).send().await;
        assert_eq!(
            lost.ok().map(|answer| answer.status().as_u16()),
            status,
            "{kind:?}"
        );
        let payments = shop.state()["payments"].clone();
        assert_eq!(payments.as_array().unwrap().len(), before + 1, "{kind:?}");
        // The repeat is told what the first one was not.
        let told = shop.post("/payments", &body).await.is(201);
        assert_eq!(told["paymentId"], payments[before]["id"]);
        assert_eq!(shop.state()["payments"].as_array().unwrap().len(), before + 1);
    }
}

#[tokio::test]
async fn nothing_is_done_where_the_call_fails_before() {
    let shop = Shop::open().await;
    let fail = |kind, value: Option<&str>| {
        let fault = Fault {
            value: value.map(Into::into),
            ..Fault::new(ID, "payments", kind)
        };
        shop.sandbox.inject(fault).unwrap();
    };
    for (kind, value, status) in [
        (Kind::Html, Some("502"), 502),
        (Kind::ProblemJson, None, 503),
        (Kind::BadGatewayBeforeCommit, None, 502),
        (Kind::ServerError, None, 500),
    ] {
        fail(kind, value);
        let answer = shop.post("/payments", &shop.payment_body(1000)).await;
        assert_eq!(answer.status, status, "{kind:?}");
    }
    assert_eq!(shop.state()["payments"], json!([]));
    fail(Kind::RespCode, Some("51"));
    let declined = shop.post("/payments", &shop.payment_body(1000)).await.is(201);
    assert_eq!(
        (&declined["responseCode"], &declined["responseCodeCategory"]),
        (&json!("51"), &json!("DECLINED"))
    );
}

#[tokio::test]
async fn an_answer_is_late_on_either_side_of_the_work() {
    let shop = Shop::open().await;
    shop.service("GET", "/ping", None).await;
    for kind in [Kind::Delay, Kind::DelayAfterCommit] {
        let fault = Fault {
            ms: 300,
            ..Fault::new(ID, "payments", kind)
        };
        shop.sandbox.inject(fault).unwrap();
        let begun = Instant::now();
        shop.post("/payments", &shop.payment_body(1000)).await.is(201);
        assert!(begun.elapsed() >= Duration::from_millis(300), "{kind:?}");
    }
}

#[tokio::test]
async fn access_tokens_and_pings_fail_as_well() {
    let shop = Shop::open().await;
    shop.sandbox
        .inject(Fault::new(ID, "oauth", Kind::ServerError))
        .unwrap();
    assert_eq!(shop.grant(shop.form(SCOPES)).await.status, 500);
    shop.sandbox
        .inject(Fault::new(ID, "ping", Kind::BadGatewayAfterCommit))
        .unwrap();
    assert_eq!(shop.service("GET", "/ping", None).await.status, 502);
    assert_eq!(shop.service("GET", "/ping", None).await.status, 204);
    assert!(
        shop.sandbox
            .inject(Fault::new(ID, "tokens", Kind::Delay))
            .is_err()
    );
}

#[tokio::test]
async fn a_reset_forgets_everything_but_the_credentials() {
    let shop = Shop::open().await;
    shop.set(&json!({ "token_seconds": 5 }));
    let table = |shop: &Shop| shop.sandbox.info().server_settings[ID].clone();
    let before = table(&shop);
    shop.paid(1000).await;
    let bearer = shop.bearer(SCOPES).await;
    shop.sandbox.reset();
    let ping = shop.request("GET", "/services/v1/ping", &bearer);
    assert_eq!(shop.send(ping).await.status, 401);
    assert_eq!(
        shop.state(),
        json!({ "access_tokens_made": 0, "payments": [], "refunds": [], "verifications": [],
            "technical_reversals": [], "replays": 0 })
    );
    assert_eq!(shop.grant(shop.form(SCOPES)).await.is(200)["expires_in"], 300);
    assert_eq!(table(&shop), before);
    for wrong in [
        json!({ "token_seconds": -1 }),
        json!({ "repeats": "maybe" }),
        json!({ "x": 1 }),
    ] {
        assert!(shop.sandbox.change_settings(ID, &wrong).is_err(), "{wrong}");
    }
}

/// All that the server needs, with a key pair that is made for this start alone.
#[tokio::test]
async fn the_table_for_the_server_has_a_key_to_seal_to() {
    let (one, other) = (Shop::open().await, Shop::open().await);
    let table = |shop: &Shop| shop.sandbox.info().server_settings[ID].clone();
    let (one, other) = (table(&one), table(&other));
    assert_eq!(
        (&one["sealing"], &one["environment"], &one["acquirer_id"]),
        (&json!(true), &json!("custom"), &json!("100812"))
    );
    let key = |table: &serde_json::Value| -> serde_json::Value {
        serde_json::from_str(table["sealing_keys"][0]["jwk"].as_str().unwrap()).unwrap()
    };
    assert_eq!(key(&one)["kid"], one["sealing_keys"][0]["kid"]);
    assert_eq!(
        (&key(&one)["kty"], &key(&one)["crv"]),
        (&json!("EC"), &json!("P-256"))
    );
    assert_ne!(key(&one)["d"], key(&other)["d"]);
    assert_ne!(one["client_secret"], other["client_secret"]);
}
