//! Every fault that concerns this platform, seen from the client.

use std::time::{Duration, Instant};

use cardseal_sandbox::faults::{Fault, Kind};
use reqwest::Method;
use serde_json::{Value, json};

use super::merchant::{Answer, GOOD_CARD, Merchant, sale_by_card};

async fn pay(merchant: &Merchant, key: &str) -> reqwest::Result<reqwest::Response> {
    merchant
        .request(Method::POST, "/transactions", &merchant.token)
        .header("x-gp-idempotency", key)
        .json(&sale_by_card(&format!("ref-{key}"), GOOD_CARD))
        .send()
        .await
}

fn inject(merchant: &Merchant, kind: Kind, change: impl FnOnce(&mut Fault)) {
    let mut fault = Fault::new("gp_api", "transactions", kind);
    change(&mut fault);
    merchant.sandbox.inject(fault).unwrap();
}

#[tokio::test]
async fn loses_the_answer_of_a_charge_that_was_made() {
    let merchant = Merchant::open().await;
    merchant.inject("transactions", Kind::DropAfterCommit);
    assert!(pay(&merchant, "a").await.is_err());
    assert_eq!(merchant.transactions().len(), 1);
    // Both ways back: the key, and the reference.
    let again = Answer::of(pay(&merchant, "a").await.unwrap()).await;
    assert_eq!(again.refusal(), (409, "DUPLICATE_ACTION", "40039"));
    let id = again.told().split_once("id=").unwrap().1;
    let by_id = merchant.get(&format!("/transactions/{id}")).await.good();
    let by_reference = merchant.get("/transactions?reference=ref-a").await.good();
    assert_eq!(by_reference["transactions"][0]["id"], by_id["id"]);
    assert_eq!(by_id["status"], "CAPTURED");
    merchant.inject("transactions", Kind::DropBefore);
    assert!(pay(&merchant, "b").await.is_err());
    assert_eq!(merchant.transactions().len(), 1);
    pay(&merchant, "b").await.unwrap().error_for_status().unwrap();
}

#[tokio::test]
async fn a_bad_gateway_tells_nothing_of_what_was_done() {
    let merchant = Merchant::open().await;
    let mut bodies = Vec::new();
    for (kind, made) in [
        (Kind::BadGatewayBeforeCommit, 0),
        (Kind::BadGatewayAfterCommit, 1),
    ] {
        merchant.inject("transactions", kind);
        let answer = Answer::of(pay(&merchant, "g").await.unwrap()).await;
        assert_eq!(answer.refusal(), (502, "SYSTEM_ERROR_DOWNSTREAM", "50013"));
        assert_eq!(merchant.transactions().len(), made);
        bodies.push(answer.body);
    }
    assert_eq!(bodies[0], bodies[1]);
    for (kind, made) in [
        (Kind::GatewayTimeoutBeforeCommit, 1),
        (Kind::GatewayTimeoutAfterCommit, 2),
    ] {
        merchant.inject("transactions", kind);
        let answer = pay(&merchant, "t").await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.text().await.unwrap()),
            (504, String::new())
        );
        assert_eq!(merchant.transactions().len(), made);
    }
}

#[tokio::test]
async fn loses_every_fifth_answer_until_cleared() {
    let merchant = Merchant::open().await;
    inject(&merchant, Kind::DropAfterCommit, |fault| {
        fault.times = 0;
        fault.every = 5;
    });
    let mut lost = Vec::new();
    for count in 1..=20 {
        if pay(&merchant, &count.to_string()).await.is_err() {
            lost.push(count);
        }
        // Other routes do not count.
        merchant.get("/transactions").await.good();
    }
    assert_eq!(lost, [5, 10, 15, 20]);
    assert_eq!(merchant.transactions().len(), 20);
    merchant.sandbox.clear_faults();
    for count in 21..=26 {
        pay(&merchant, &count.to_string()).await.unwrap();
    }
}

#[tokio::test]
async fn goes_on_when_the_caller_has_gone() {
    let merchant = Merchant::open().await;
    inject(&merchant, Kind::Delay, |fault| fault.ms = 200);
    let late = tokio::time::timeout(Duration::from_millis(50), pay(&merchant, "late")).await;
    assert!(late.is_err());
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(merchant.transactions().len(), 1);
    let start = Instant::now();
    inject(&merchant, Kind::DelayAfterCommit, |fault| fault.ms = 300);
    pay(&merchant, "slow").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn answers_what_is_no_json() {
    let merchant = Merchant::open().await;
    for (kind, value, status, made) in [
        (Kind::ServerError, None, 500, 0),
        (Kind::ServerError, Some("503"), 503, 0),
        (Kind::Html, None, 200, 0),
        (Kind::Html, Some("502"), 502, 0),
        (Kind::NotJson, None, 200, 0),
        (Kind::TruncatedJson, None, 200, 1),
    ] {
        inject(&merchant, kind, |fault| fault.value = value.map(str::to_owned));
        let answer = pay(&merchant, "n").await.unwrap();
        assert_eq!(answer.status(), status);
        assert!(serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).is_err());
        assert_eq!(merchant.transactions().len(), made);
    }
}

#[tokio::test]
async fn blows_an_answer_up_also_when_it_is_compressed() {
    let merchant = Merchant::open().await;
    inject(&merchant, Kind::Huge, |fault| fault.value = Some("200000".into()));
    let bytes = pay(&merchant, "h").await.unwrap().bytes().await.unwrap();
    assert!(bytes.len() > 200_000);
    assert_eq!(
        serde_json::from_slice::<Value>(&bytes).unwrap()["status"],
        "CAPTURED"
    );
    let mut fault = Fault::new("gp_api", "transactions/list", Kind::Huge);
    fault.value = Some("2000000".into());
    merchant.sandbox.inject(fault).unwrap();
    let request = merchant.request(Method::GET, "/transactions", &merchant.token);
    let answer = request.header("accept-encoding", "gzip").send().await.unwrap();
    assert!(answer.bytes().await.unwrap().len() < 100_000);
}

#[tokio::test]
async fn declines_with_the_result_it_was_told() {
    let merchant = Merchant::open().await;
    inject(&merchant, Kind::RespCode, |fault| fault.value = Some("51".into()));
    let answer = Answer::of(pay(&merchant, "51").await.unwrap()).await.good();
    assert_eq!(
        (&answer["status"], &answer["payment_method"]["result"]),
        (&json!("DECLINED"), &json!("51"))
    );
}

#[tokio::test]
async fn reaches_every_route() {
    let merchant = Merchant::open().await;
    let routes = [
        ("accesstoken", Method::POST, "/accesstoken"),
        ("payment-methods", Method::POST, "/payment-methods"),
        ("payment-methods/list", Method::GET, "/payment-methods"),
        ("payment-methods/search", Method::POST, "/payment-methods/search"),
        ("payment-methods/get", Method::GET, "/payment-methods/PMT_x"),
        ("payment-methods/edit", Method::PATCH, "/payment-methods/PMT_x"),
        ("payment-methods/delete", Method::DELETE, "/payment-methods/PMT_x"),
        ("verifications", Method::POST, "/verifications"),
        ("verifications/get", Method::GET, "/verifications/VER_x"),
        ("authentications", Method::POST, "/authentications"),
        (
            "authentications/initiate",
            Method::POST,
            "/authentications/AUT_x/initiate",
        ),
        (
            "authentications/result",
            Method::POST,
            "/authentications/AUT_x/result",
        ),
        ("transactions", Method::POST, "/transactions"),
        ("transactions/list", Method::GET, "/transactions"),
        ("transactions/get", Method::GET, "/transactions/TRN_x"),
        (
            "transactions/capture",
            Method::POST,
            "/transactions/TRN_x/capture",
        ),
        ("transactions/refund", Method::POST, "/transactions/TRN_x/refund"),
        (
            "transactions/reversal",
            Method::POST,
            "/transactions/TRN_x/reversal",
        ),
    ];
    let status = async |method: &Method, path: &str| {
        let request = merchant.request(method.clone(), path, &merchant.token);
        request.send().await.unwrap().status().as_u16()
    };
    for (name, ..) in &routes {
        merchant.inject(name, Kind::GatewayTimeoutBeforeCommit);
    }
    for hit in [true, false] {
        for (name, method, path) in &routes {
            assert_eq!(status(method, path).await == 504, hit, "{name}");
        }
    }
    let mut all = Fault::new("gp_api", "*", Kind::GatewayTimeoutBeforeCommit);
    all.times = 0;
    merchant.sandbox.inject(all).unwrap();
    for (name, method, path) in &routes {
        assert_eq!(status(method, path).await, 504, "{name}");
    }
    // The other platform goes on.
    let other = &merchant.sandbox.info().platforms.greenpay.merchant_url;
    let answer = merchant.http.post(other).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 500);
    let unknown = Fault::new("gp_api", "transactions/split", Kind::Delay);
    assert!(merchant.sandbox.inject(unknown).is_err());
}
