use cardseal_sandbox::faults::Kind;
use serde_json::{Value, json};

use crate::shop::{APPROVED, Shop};

#[tokio::test]
async fn a_relayed_session_keeps_the_platforms_session_on_the_server() {
    let shop = Shop::open().await;
    let session = shop.session().await;
    assert!(session["id"].as_str().unwrap().starts_with("ses_"));
    assert_eq!(session["platform"], "greenpay");
    assert_eq!(
        (&session["kind"], &session["mode"]),
        (&json!("tokenize"), &json!("relay"))
    );
    assert_eq!(session["expires_in"], 1800);
    assert_eq!(
        session["public_key"],
        shop.sandbox.info().platforms.greenpay.public_key
    );
    let order = &shop.sandbox.state()["greenpay"]["orders"][0];
    for secret in ["session", "token", "request_id"] {
        let secret = order[secret].as_str().unwrap();
        assert!(!session.to_string().contains(secret));
    }
    for key in ["session", "token", "checkout_url", "card_token", "amount"] {
        assert_eq!(session.get(key), None, "{key}");
    }
}

#[tokio::test]
async fn a_direct_session_hands_out_what_the_browser_needs() {
    let shop = Shop::open().await;
    let session = shop
        .page("/v1/sessions", &json!({ "mode": "direct" }))
        .await
        .is(201);
    let order = &shop.sandbox.state()["greenpay"]["orders"][0];
    assert_eq!(session["session"], order["session"]);
    assert_eq!(session["token"], order["token"]);
    assert_eq!(
        session["checkout_url"],
        shop.sandbox.info().platforms.greenpay.checkout_url
    );
}

#[tokio::test]
async fn a_payment_session_carries_its_amount_exactly() {
    let shop = Shop::open().await;
    let session = shop.payment_session("19.99").await;
    assert_eq!(
        (&session["amount"], &session["currency"]),
        (&json!("19.99"), &json!("USD"))
    );
    let order = &shop.sandbox.state()["greenpay"]["orders"][0];
    assert_eq!(order["amount"], "19.99");
    assert_eq!(order["order_reference"], session["order_reference"]);
}

#[tokio::test]
async fn only_the_merchant_opens_sessions_that_charge_or_replace() {
    let shop = Shop::open().await;
    let pay = json!({ "kind": "payment", "amount": "1.00", "currency": "USD" });
    shop.page("/v1/sessions", &pay)
        .await
        .problem(401, "api_key_missing");
    shop.page("/v1/sessions", &json!({ "kind": "update", "token": "tok_x" }))
        .await
        .problem(401, "api_key_missing");
}

#[tokio::test]
async fn refuses_what_cannot_be_opened() {
    let shop = Shop::open().await;
    let open = async |body: Value| shop.merchant("POST", "/v1/sessions", Some(&body)).await;
    for (body, code, field) in [
        (json!({ "kind": "steal" }), "field_invalid", "kind"),
        (json!({ "mode": "sideways" }), "field_invalid", "mode"),
        (json!({ "mode": 5 }), "field_type", "mode"),
        (json!({ "platform": "other" }), "field_invalid", "platform"),
        (json!({ "customer": "" }), "field_invalid", "customer"),
        (
            json!({ "customer": "x".repeat(256) }),
            "field_invalid",
            "customer",
        ),
        (json!({ "amount": "1.00" }), "unknown_field", "amount"),
        (json!({ "kind": "payment" }), "field_missing", "amount"),
        (
            json!({ "kind": "payment", "amount": 1, "currency": "USD" }),
            "field_type",
            "amount",
        ),
        (
            json!({ "kind": "payment", "amount": "1.001", "currency": "USD" }),
            "amount_invalid",
            "amount",
        ),
        (
            json!({ "kind": "payment", "amount": "-1", "currency": "USD" }),
            "amount_invalid",
            "amount",
        ),
        (
            json!({ "kind": "payment", "amount": "0", "currency": "USD" }),
            "amount_invalid",
            "amount",
        ),
        (
            json!({ "kind": "payment", "amount": "1e3", "currency": "USD" }),
            "amount_invalid",
            "amount",
        ),
        (
            json!({ "kind": "payment", "amount": "1", "currency": "EUR" }),
            "currency_not_supported",
            "currency",
        ),
        (
            json!({ "kind": "payment", "amount": "1", "currency": "usd" }),
            "currency_not_supported",
            "currency",
        ),
        (json!({ "kind": "update" }), "field_missing", "token"),
    ] {
        let answer = open(body.clone()).await;
        assert_eq!(
            (answer.code(), &answer.json["field"]),
            (code, &json!(field)),
            "{body}"
        );
    }
    open(json!({ "kind": "update", "token": "tok_nothing" }))
        .await
        .problem(404, "token_not_found");
}

#[tokio::test]
async fn a_platform_that_fails_is_told_apart() {
    let shop = Shop::open().await;
    let open = async || shop.page("/v1/sessions", &json!({})).await;
    for (kind, status, code) in [
        (Kind::Html, 502, "platform_answer_invalid"),
        (Kind::NotJson, 502, "platform_answer_invalid"),
        (Kind::ServerError, 504, "platform_timeout"),
        (Kind::GatewayTimeoutBeforeCommit, 504, "platform_timeout"),
        (Kind::DropBefore, 504, "platform_timeout"),
        (Kind::Huge, 502, "platform_answer_invalid"),
    ] {
        shop.fault("merchant/tokenize", kind);
        open().await.problem(status, code);
    }
    open().await.is(201);
    let Shop {
        sandbox,
        app,
        router,
        folder,
    } = shop;
    sandbox.stop().await;
    let request = crate::shop::merchant_request("POST", "/v1/sessions", Some(&json!({})), &[]);
    let answer = crate::shop::send(router, request).await;
    answer.problem(503, "platform_unavailable");
    assert!(answer.headers.contains_key("retry-after"));
    drop((app, folder));
}

#[tokio::test]
async fn a_wrong_account_is_named() {
    let shop = Shop::with(&[("CARDSEAL__PLATFORMS__GREENPAY__SECRET", "not-the-secret")]).await;
    let answer = shop.page("/v1/sessions", &json!({})).await;
    answer.problem(502, "platform_setup");
    assert_eq!(answer.json["platform_code"], "merchant_unknown");
}

/// Nobody knows how old such a session is; the customer opens another one and goes on.
#[tokio::test]
async fn a_session_from_before_the_clock_was_put_back_is_expired() {
    let shop = Shop::open().await;
    let session = shop.session().await;
    shop.app.clock.advance(-86_400);
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.is(200)["status"], "expired");
    shop.page("/v1/tokens", &shop.seal(&session, APPROVED))
        .await
        .problem(410, "session_expired");
    shop.token(APPROVED).await;
}
