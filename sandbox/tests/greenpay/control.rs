//! The control API, and how the sandbox starts and stops.

use cardseal_sandbox::{Info, Sandbox, SandboxOptions, StartError};
use serde_json::{Value, json};

use super::shop::{GOOD_CARD, Shop, card};

fn url(shop: &Shop, path: &str) -> String {
    format!("{}{path}", shop.sandbox.info().control_url)
}

async fn read(shop: &Shop, path: &str) -> Value {
    shop.http
        .get(url(shop, path))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

async fn post(shop: &Shop, path: &str, body: Value) -> (u16, String) {
    let answer = shop
        .http
        .post(url(shop, path))
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn tells_about_itself() {
    let shop = Shop::open().await;
    let info: Info = serde_json::from_value(read(&shop, "").await).unwrap();
    assert!(info.ready);
    assert_eq!(info.control_url, format!("http://{}/_sandbox", info.listen));
    let greenpay = info.platforms.greenpay;
    assert_eq!(
        greenpay.merchant_url,
        format!("http://{}/greenpay/merchant", info.listen)
    );
    assert_eq!(
        greenpay.checkout_url,
        format!("http://{}/greenpay/checkout", info.listen)
    );
    assert_eq!(greenpay.credentials.secret.len(), 172);
    let currencies: Vec<_> = greenpay
        .credentials
        .terminals
        .iter()
        .map(|terminal| terminal.currency.as_str())
        .collect();
    assert_eq!(currencies, ["CRC", "USD", "GTQ"]);
    assert!(greenpay.public_key.starts_with("MIGf"));
}

#[tokio::test]
async fn moves_the_clock() {
    let shop = Shop::open().await;
    let order = shop.token_order().await;
    let (status, now) = post(&shop, "/clock", json!({ "advance_seconds": 1801 })).await;
    assert_eq!(status, 200);
    assert!(now.contains("now") && now.contains('Z'));
    assert_eq!(
        shop.check_out("/tokenize", &order, &card(GOOD_CARD))
            .await
            .error(),
        "Session not found"
    );
    assert_eq!(post(&shop, "/clock", json!({ "reset": true })).await.0, 200);
    assert_eq!(
        shop.check_out("/tokenize", &order, &card(GOOD_CARD)).await.http,
        200
    );
    assert_eq!(
        post(&shop, "/clock", json!({ "advance_seconds": -1 })).await.0,
        422
    );
    assert_eq!(post(&shop, "/clock", json!({ "advance": 1 })).await.0, 400);
}

#[tokio::test]
async fn orders_and_clears_faults() {
    let shop = Shop::open().await;
    let fault = json!({
        "platform": "greenpay", "route": "merchant/tokenize", "kind": "server_error", "times": 2, "ms": 5,
        "value": "503", "webhook_after_ms": 1,
    });
    assert_eq!(post(&shop, "/faults", fault).await.0, 204);
    let call = async || {
        shop.http
            .post(shop.merchant("/tokenize"))
            .body("{}")
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(call().await, 503);
    let cleared = shop.http.delete(url(&shop, "/faults")).send().await.unwrap();
    assert_eq!(cleared.status(), 204);
    assert_eq!(call().await, 500);
    for (fault, status) in [
        (
            json!({ "platform": "greenpay", "route": "merchant/nothing", "kind": "delay" }),
            422,
        ),
        (json!({ "platform": "other", "route": "*", "kind": "delay" }), 404),
        (
            json!({ "platform": "greenpay", "route": "*", "kind": "explode" }),
            400,
        ),
        (
            json!({ "platform": "greenpay", "route": "*", "kind": "delay", "every": 0 }),
            422,
        ),
        (
            json!({ "platform": "greenpay", "route": "*", "kind": "delay", "sometimes": 1 }),
            400,
        ),
    ] {
        let (given, text) = post(&shop, "/faults", fault.clone()).await;
        assert_eq!(given, status, "{fault}");
        assert!(text.contains("error"));
    }
    for kind in [
        "delay",
        "delay_after_commit",
        "drop_before",
        "drop_after_commit",
        "gateway_timeout_after_commit",
        "gateway_timeout_before_commit",
        "bad_gateway_after_commit",
        "bad_gateway_before_commit",
        "server_error",
        "html",
        "truncated_json",
        "huge",
        "not_json",
        "result_null",
        "request_id_type",
        "bad_signature",
        "missing_signature",
        "stripped_zero_signature",
        "wrong_key_signature",
        "wrong_key_decrypt",
        "resp_code",
    ] {
        let fault = json!({ "platform": "greenpay", "route": "*", "kind": kind });
        assert_eq!(post(&shop, "/faults", fault).await.0, 204, "{kind}");
    }
}

#[tokio::test]
async fn changes_settings() {
    let shop = Shop::open().await;
    let all = json!({
        "failure_http_status": 200, "session_reuse": true, "counter_arithmetic": "old", "utf8_decoder": "aes_js_3",
        "webhook_url": "http://127.0.0.1:9/", "sign": false, "require_kount_session": true,
        "cors_origins": ["*"], "refunds": false, "update_keeps_token": true,
    });
    let (status, text) = post(&shop, "/greenpay/settings", all.clone()).await;
    assert_eq!(
        (status, serde_json::from_str::<Value>(&text).unwrap()),
        (200, all.clone())
    );
    assert_eq!(
        post(&shop, "/greenpay/settings", json!({ "sign": "yes" }))
            .await
            .0,
        422
    );
    assert_eq!(
        post(
            &shop,
            "/greenpay/settings",
            json!({ "webhook_url": "http://example.com" })
        )
        .await
        .0,
        422
    );
    assert_eq!(post(&shop, "/other/settings", json!({})).await.0, 404);
    assert_eq!(read(&shop, "/greenpay/settings").await, all);
}

#[tokio::test]
async fn forgets_all_on_a_reset() {
    let shop = Shop::open().await;
    shop.stored(GOOD_CARD).await;
    shop.set(&json!({ "sign": false }));
    assert_eq!(
        read(&shop, "/state").await["greenpay"]["card_tokens"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(post(&shop, "/reset", json!({})).await.0, 204);
    let empty = json!({ "orders": [], "card_tokens": [], "transactions": [], "subscriptions": [], "webhooks_sent": [] });
    assert_eq!(read(&shop, "/state").await["greenpay"], empty);
    assert_eq!(read(&shop, "/greenpay/settings").await["sign"], true);
    assert_eq!(shop.stored(GOOD_CARD).await.len(), 36);
}

#[tokio::test]
async fn serves_this_machine_only() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.168.1.1:0"] {
        let options = SandboxOptions {
            listen: listen.parse().unwrap(),
            ..SandboxOptions::default()
        };
        let started = Sandbox::start(options).await.map(drop);
        assert!(matches!(started, Err(StartError::NotLoopback(_))), "{listen}");
    }
    let options = SandboxOptions {
        server_url: Some("http://example.com".into()),
        ..SandboxOptions::default()
    };
    assert!(matches!(
        Sandbox::start(options).await.map(drop),
        Err(StartError::Setting(_))
    ));
    let options = SandboxOptions {
        key_bits: 512,
        ..SandboxOptions::default()
    };
    assert!(matches!(
        Sandbox::start(options).await.map(drop),
        Err(StartError::Key(_))
    ));
}

#[tokio::test]
async fn stops() {
    let shop = Shop::open().await;
    let listen = shop.sandbox.info().listen.clone();
    shop.token_order().await;
    let (sandbox, http) = (shop.sandbox, shop.http);
    sandbox.stop().await;
    assert!(
        http.get(format!("http://{listen}/_sandbox"))
            .send()
            .await
            .is_err()
    );
    let again = SandboxOptions {
        listen: listen.parse().unwrap(),
        ..SandboxOptions::default()
    };
    assert_eq!(Sandbox::start(again).await.unwrap().info().listen, listen);
}
