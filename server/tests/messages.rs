//! What an operator and a page are told of faults in the set-up: what was asked of whom, what came, and what to check.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

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

/// What the caller reads.
fn detail(answer: &Answer) -> &str {
    answer.json["detail"].as_str().unwrap()
}

/// Answers every call with this, as a proxy or a wrong host would.
async fn impostor(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut buffer = [0; 8192];
            let _ = socket.read(&mut buffer).await;
            let _ = socket.write_all(answer.as_bytes()).await;
            let _ = socket.shutdown().await;
        }
    });
    url
}

#[tokio::test]
async fn what_came_instead_of_a_platforms_answer_is_logged_with_platform_host_and_status() {
    listen();
    for (came, status, code) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
            200,
            "platform_answer_invalid",
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example/\r\ncontent-length: 0\r\n\r\n",
            302,
            "platform_answer_invalid",
        ),
        (
            "HTTP/1.1 500 x\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
            500,
            "platform_timeout",
        ),
    ] {
        for (id, setting, path) in [
            ("gp_api", "CARDSEAL__PLATFORMS__GP_API__BASE_URL", "/ucp"),
            ("ccbill", "CARDSEAL__PLATFORMS__CCBILL__BASE_URL", ""),
        ] {
            let url = impostor(came).await + path;
            let shop = Shop::beside(id, &[(setting, &url)]).await;
            let answer = shop.page("/v1/sessions", &json!({ "platform": id })).await;
            assert_eq!(answer.json["code"], code, "{id} {status}: {}", answer.text);
            let log = lines(&answer);
            for part in [
                format!("platform=\"{id}\""),
                "host=\"127.0.0.1:".into(),
                format!("status={status}"),
                format!("cause=\"{id}: "),
                "check ".into(),
            ] {
                assert!(log.contains(&part), "{id} {status}: no {part} in\n{log}");
            }
        }
    }
}

#[tokio::test]
async fn what_the_samples_routes_refuse_is_logged_with_code_and_cause() {
    listen();
    let shop = Shop::gp_api(&[("CARDSEAL__COMPAT__GP_NETWORK_TOKENS", "true")]).await;
    let body = json!({ "payment_reference": 5 });
    let answer = shop.merchant("POST", "/create-network-token", Some(&body)).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    let log = lines(&answer);
    assert!(
        log.contains("code=\"field_type\"") && log.contains("`payment_reference` must be"),
        "{log}"
    );
    let answer = shop.merchant("PUT", "/process-payment", None).await;
    let log = lines(&answer);
    assert!(log.contains("code=\"method_not_allowed\""), "{log}");
}

#[tokio::test]
async fn a_refusal_names_the_field_what_it_takes_and_the_right_call() {
    let shop = Shop::beside("ccbill", &[]).await;
    let payment = |platform: &str| json!({ "platform": platform, "kind": "payment", "amount": "1.00", "currency": "USD" });
    let answer = shop
        .merchant("POST", "/v1/sessions", Some(&payment("ccbill")))
        .await;
    assert_eq!(answer.json["field"], "customer_ip", "{}", answer.text);
    assert!(
        detail(&answer).contains("`customer_ip` must be the customer's IPv4"),
        "{}",
        answer.text
    );

    let body = json!({ "platform": "ccbill", "mode": "relay" });
    let answer = shop.merchant("POST", "/v1/sessions", Some(&body)).await;
    answer.problem(422, "not_offered");
    assert!(
        detail(&answer).contains("`ccbill` offers no session with `kind` `tokenize` and `mode` `relay`"),
        "{}",
        answer.text
    );

    let session = shop
        .page("/v1/sessions", &json!({ "platform": "greenpay" }))
        .await;
    let id = session.is(201)["id"].clone();
    let body = json!({ "session": id, "answer": {} });
    let answer = shop.page("/v1/tokens", &body).await;
    answer.problem(409, "session_wrong_kind");
    assert!(
        detail(&answer)
            .contains("`kind` `tokenize` and `mode` `relay`: send the encrypted card to `/v1/tokens`"),
        "{}",
        answer.text
    );
    let body = json!({ "session": id, "sealed": "abc" });
    let answer = shop.page("/v1/tokens", &body).await;
    assert!(
        detail(&answer).contains("send the fields that it returned"),
        "{}",
        answer.text
    );

    let body = json!({ "expiry": { "month": "12", "year": 2040 } });
    let answer = shop.merchant("PATCH", "/v1/tokens/tok_x", Some(&body)).await;
    answer.problem(422, "field_invalid");
    assert!(
        detail(&answer).contains("in `expiry`: `month` must be a whole number from 1 to 12; got other text"),
        "{}",
        answer.text
    );

    let answer = shop.merchant("GET", "/v1/payments?sort=up", None).await;
    assert_eq!(answer.json["field"], "sort", "{}", answer.text);
    for (path, part) in [
        ("/v1/sessions/", "slash at the end"),
        ("//v1/sessions", "single slashes"),
    ] {
        let answer = shop.merchant("POST", path, Some(&json!({}))).await;
        assert!(detail(&answer).contains(part), "{}", answer.text);
    }
}
