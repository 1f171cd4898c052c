use axum::http::Request;
use serde_json::json;

use crate::shop::{APPROVED, ORIGIN, Shop, WEBHOOK_SECRET, logs, post};

#[tokio::test]
async fn everything_of_the_merchants_needs_the_key() {
    let shop = Shop::open().await;
    for (method, path) in [
        ("GET", "/v1/tokens"),
        ("GET", "/v1/tokens/tok_x"),
        ("DELETE", "/v1/tokens/tok_x"),
        ("GET", "/v1/payments"),
        ("GET", "/v1/payments/pay_x"),
        ("POST", "/v1/payments/pay_x/void"),
        ("POST", "/v1/payments/pay_x/refund"),
        ("POST", "/v1/payments/pay_x/resolve"),
    ] {
        let bare = Request::builder().method(method).uri(path);
        shop.send(bare.body(String::new().into()).unwrap())
            .await
            .problem(401, "api_key_missing");
        let page = Request::builder()
            .method(method)
            .uri(path)
            .header("origin", ORIGIN);
        shop.send(page.body(String::new().into()).unwrap())
            .await
            .problem(401, "api_key_missing");
        for key in [
            "Bearer wrong",
            "Bearer ",
            "Basic x",
            "wrong",
            "Bearer 9d41c7e05b8f2a6613e4b90d7fa258cd",
        ] {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("authorization", key);
            shop.send(request.body(String::new().into()).unwrap())
                .await
                .problem(401, "api_key_invalid");
        }
    }
    let body = json!({ "token": "tok_x", "amount": "1", "currency": "USD" });
    shop.page("/v1/payments", &body)
        .await
        .problem(401, "api_key_missing");
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let shop = Shop::open().await;
    for origin in [
        "https://evil.example",
        "http://shop.example",
        "https://shop.example:8443",
        "null",
        "",
    ] {
        let request = post("/v1/sessions", &json!({}))
            .header("origin", origin)
            .body("{}".into())
            .unwrap();
        let answer = shop.send(request).await;
        answer.problem(403, "origin_not_allowed");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    let request = post("/v1/sessions", &json!({})).body("{}".into()).unwrap();
    shop.send(request).await.problem(401, "api_key_missing");
}

#[tokio::test]
async fn answers_the_preflights_of_allowed_pages() {
    let shop = Shop::open().await;
    let preflight = |origin: &str| {
        Request::builder()
            .method("OPTIONS")
            .uri("/v1/tokens")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,idempotency-key")
            .body(String::new().into())
            .unwrap()
    };
    let answer = shop.send(preflight(ORIGIN)).await;
    assert_eq!(answer.headers["access-control-allow-origin"], ORIGIN);
    let headers = answer.headers["access-control-allow-headers"].to_str().unwrap();
    assert!(
        headers.contains("content-type")
            && headers.contains("idempotency-key")
            && !headers.contains("authorization")
    );
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    let other = shop.send(preflight("https://evil.example")).await;
    assert!(!other.headers.contains_key("access-control-allow-origin"));
    // Refusals can be read by the page, too.
    let refused = shop.page("/v1/tokens", &json!({})).await;
    assert_eq!(refused.headers["access-control-allow-origin"], ORIGIN);
    assert!(
        refused.headers["access-control-expose-headers"]
            .to_str()
            .unwrap()
            .contains("x-request-id")
    );
}

#[tokio::test]
async fn refused_preflights_are_logged_with_the_reason_and_without_cards() {
    crate::secrets::listen();
    let shop = Shop::open().await;
    let preflight = async |path: &str, origin: &str, method: &str, headers: &str| {
        let request = Request::builder()
            .method("OPTIONS")
            .uri(path)
            .header("origin", origin)
            .header("access-control-request-method", method)
            .header("access-control-request-headers", headers);
        shop.send(request.body(String::new().into()).unwrap()).await;
    };
    preflight(
        "/v1/tokens",
        "https://wrong-origin.example",
        "POST",
        "content-type",
    )
    .await;
    preflight("/v1/wrong-method", ORIGIN, "PATCH", "content-type").await;
    preflight("/v1/wrong-header", ORIGIN, "POST", "content-type,x-wrong-header").await;
    preflight(
        "/v1/4000056655665556",
        "https://4000056655665556.example",
        "POST",
        "",
    )
    .await;
    let secret = format!("/v1/notifications/greenpay/{WEBHOOK_SECRET}");
    preflight(&secret, "https://wrong-origin.example", "PUT", "").await;
    preflight("/v1/right", ORIGIN, "POST", "content-type, Idempotency-Key").await;
    let log = String::from_utf8_lossy(&logs().lock().unwrap()).into_owned();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("preflight refused"))
        .collect();
    for words in [
        ["/v1/tokens", "https://wrong-origin.example", "allowed_origins"],
        ["/v1/wrong-method", ORIGIN, "may not use this method"],
        ["/v1/wrong-header", "x-wrong-header", "one of these headers"],
    ] {
        let found = lines
            .iter()
            .filter(|line| words.iter().all(|word| line.contains(word)));
        assert_eq!(found.count(), 1, "{words:?} in {lines:?}");
    }
    assert!(!lines.iter().any(|line| line.contains("/v1/right")), "{lines:?}");
    for secret in ["4000056655665556", WEBHOOK_SECRET] {
        assert!(!lines.iter().any(|line| line.contains(secret)), "{lines:?}");
    }
}

/// Many clients of one proxy that adds their ports.
#[tokio::test]
async fn each_client_behind_a_proxy_is_counted_alone() {
    let shop = Shop::with(&[
        ("CARDSEAL__LIMITS__BROWSER_BURST", "1"),
        ("CARDSEAL__LIMITS__BROWSER_REQUESTS_PER_MINUTE", "1"),
        ("CARDSEAL__SERVER__TRUST_FORWARDED_FOR", "true"),
    ])
    .await;
    let status = async |forwarded: &str| {
        let request = post("/v1/tokens", &json!({}))
            .header("origin", ORIGIN)
            .header("x-forwarded-for", forwarded)
            .body("{}".into())
            .unwrap();
        shop.send(request).await.status.as_u16()
    };
    for client in [
        "192.0.2.1:4711",
        "192.0.2.2:4711",
        "198.51.100.9, 192.0.2.3:1",
        "[2001:db8:0:1::1]:4711",
        "\"[2001:db8:0:2::1]:4711\"",
    ] {
        assert_eq!(status(client).await, 422, "{client}");
    }
    // The same clients from other ports, in other forms, and from their own /64.
    for client in [
        "192.0.2.1:4712",
        "192.0.2.2",
        "::ffff:192.0.2.3",
        "2001:db8:0:1:ffff::9",
        "[2001:db8:0:2::2]",
    ] {
        assert_eq!(status(client).await, 429, "{client}");
    }
}

#[tokio::test]
async fn pages_are_slowed_down_and_the_merchant_is_not() {
    let shop = Shop::with(&[("CARDSEAL__LIMITS__BROWSER_BURST", "3")]).await;
    let shop = {
        // The sandbox needs three calls for one token; these are all of them.
        shop.token(APPROVED).await;
        shop
    };
    let mut limited = None;
    for _ in 0..5 {
        let answer = shop.page("/v1/tokens", &json!({})).await;
        if answer.status == 429 {
            limited = Some(answer);
        }
    }
    let limited = limited.unwrap();
    limited.problem(429, "rate_limited");
    assert!(
        limited.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            >= 1
    );
    for _ in 0..10 {
        shop.get("/v1/tokens").await.is(200);
    }
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_problems() {
    let shop = Shop::open().await;
    shop.get("/").await.problem(404, "not_found");
    shop.get("/v1/nothing").await.problem(404, "not_found");
    shop.get("/v1/tokens/%ff").await.problem(404, "not_found");
    shop.get("/v1/demo").await.problem(404, "not_found");
    shop.merchant("PUT", "/v1/tokens", None)
        .await
        .problem(405, "method_not_allowed");
    shop.merchant("DELETE", "/healthz", None)
        .await
        .problem(405, "method_not_allowed");
    shop.merchant("GET", "/v1/payments/x/void", None)
        .await
        .problem(405, "method_not_allowed");
}
