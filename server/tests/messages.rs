//! What an operator and a page are told of faults in the set-up: what was asked of whom, what came, and what to check.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::secrets::listen;
use crate::shop::{Answer, ORIGIN, Shop, WEBHOOK_SECRET, logs};

/// What the log has about a request.
fn lines(answer: &Answer) -> String {
    let id = answer.headers["x-request-id"].to_str().unwrap();
    let log = logs().lock().unwrap().clone();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(id)).collect();
    lines.join("\n")
}

#[tokio::test]
async fn credentials_that_a_platform_does_not_take_are_a_fault_of_the_set_up() {
    listen();
    for (id, setting, value) in [
        ("greenpay", "CARDSEAL__PLATFORMS__GREENPAY__MERCHANT_ID", "nobody"),
        ("gp_api", "CARDSEAL__PLATFORMS__GP_API__APP_KEY", "wrong"),
        (
            "online_payments",
            "CARDSEAL__PLATFORMS__ONLINE_PAYMENTS__SECRET_API_KEY",
            "d3Jvbmc=",
        ),
        ("ccbill", "CARDSEAL__PLATFORMS__CCBILL__FRONTEND_SECRET", "wrong"),
    ] {
        let shop = if id == "greenpay" {
            Shop::with(&[(setting, value)]).await
        } else {
            Shop::beside(id, &[(setting, value)]).await
        };
        let answer = shop.page("/v1/sessions", &json!({ "platform": id })).await;
        answer.problem(502, "platform_setup");
        let log = lines(&answer);
        for part in [
            &format!("platform=\"{id}\""),
            "host=\"127.0.0.1:",
            "platform code ",
            "check credentials, account and permissions",
        ] {
            assert!(log.contains(part), "{id}: no {part} in\n{log}");
        }
    }
}

#[tokio::test]
async fn a_platform_that_is_down_is_named_with_its_host_and_the_reason() {
    listen();
    let settings = [("CARDSEAL__PLATFORMS__GP_API__BASE_URL", "http://127.0.0.1:1/ucp")];
    let shop = Shop::gp_api(&settings).await;
    let answer = shop.page("/v1/sessions", &json!({ "platform": "gp_api" })).await;
    answer.problem(503, "platform_unavailable");
    let log = lines(&answer);
    for part in [
        "platform=\"gp_api\"",
        "host=\"127.0.0.1:1\"",
        "reason=\"Connection refused",
        "could not connect",
    ] {
        assert!(log.contains(part), "no {part} in\n{log}");
    }
    assert!(!log.contains("/ucp"), "{log}");
}

#[tokio::test]
async fn no_refusal_is_logged_without_a_cause() {
    listen();
    let shop = Shop::open().await;
    for answer in [
        shop.get("/nowhere").await,
        shop.merchant("GET", "/v1/tokens/tok_x", None).await,
        shop.merchant("POST", "/v1/payments", Some(&json!({}))).await,
        shop.merchant("PUT", "/v1/payments", None).await,
    ] {
        let log = lines(&answer);
        assert!(log.contains("cause=\"") && !log.contains("cause=\"\""), "{log}");
    }
}

#[tokio::test]
async fn an_origin_that_is_not_allowed_is_logged_beside_those_that_are() {
    listen();
    let shop = Shop::open().await;
    let preflight = Request::builder()
        .method("OPTIONS")
        .uri("/v1/sessions")
        .header("origin", "https://elsewhere-4711.example")
        .header("access-control-request-method", "POST")
        .body(Body::empty())
        .unwrap();
    shop.send(preflight).await;
    let log = logs().lock().unwrap().clone();
    let log = String::from_utf8_lossy(&log);
    let line = log
        .lines()
        .find(|line| line.contains("preflight refused") && line.contains("elsewhere-4711"))
        .unwrap();
    assert!(line.contains(&format!("allowed_origins=\"{ORIGIN}\"")), "{line}");

    let call = Request::builder()
        .method("POST")
        .uri("/v1/sessions")
        .header("origin", "https://elsewhere-4712.example")
        .body(Body::empty())
        .unwrap();
    let answer = shop.send(call).await;
    answer.problem(403, "origin_not_allowed");
    let log = lines(&answer);
    assert!(
        log.contains("elsewhere-4712") && log.contains(&format!("({ORIGIN})")),
        "{log}"
    );
}

#[tokio::test]
async fn a_prefix_that_the_proxy_keeps_is_told_and_can_be_configured() {
    let shop = Shop::open().await;
    let answer = shop.page("/pay/v1/sessions", &json!({})).await;
    answer.problem(404, "not_found");
    let detail = answer.json["detail"].as_str().unwrap();
    assert!(
        detail.contains("POST /pay/v1/sessions") && detail.contains("`base_path` to /pay"),
        "{detail}"
    );
    let secret = format!("/pay/v1/notifications/greenpay/{WEBHOOK_SECRET}/x");
    let answer = shop.page(&secret, &json!({})).await;
    answer.problem(404, "not_found");
    assert!(!answer.text.contains(WEBHOOK_SECRET), "{}", answer.text);

    let shop = Shop::with(&[("CARDSEAL__SERVER__BASE_PATH", "/pay")]).await;
    for path in ["/pay/healthz", "/healthz", "/pay/openapi.json"] {
        shop.get(path).await.is(200);
    }
    let session = shop.page("/pay/v1/sessions", &json!({})).await;
    assert_eq!(session.headers["cache-control"], "no-store");
    session.is(201);
    let answer = shop.page("/v1/sessions", &json!({})).await;
    answer.problem(404, "not_found");
    let detail = answer.json["detail"].as_str().unwrap();
    assert!(detail.contains("stand under /pay"), "{detail}");
    let wrong = shop.merchant("PUT", "/pay/v1/payments", None).await;
    wrong.problem(405, "method_not_allowed");
}
