//! What the control API knows of this platform.

use cardseal_sandbox::Info;
use serde_json::{Value, json};

use super::merchant::{GOOD_CARD, Merchant};

fn url(merchant: &Merchant, path: &str) -> String {
    format!("{}{path}", merchant.sandbox.info().control_url)
}

async fn post(merchant: &Merchant, path: &str, body: Value) -> (u16, Value) {
    let request = merchant.http.post(url(merchant, path)).body(body.to_string());
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (
        status,
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default(),
    )
}

#[tokio::test]
async fn tells_where_it_is_and_how_to_get_in() {
    let merchant = Merchant::open().await;
    let info: Value = serde_json::to_value(merchant.sandbox.info()).unwrap();
    let gp_api = &info["platforms"]["gp_api"];
    assert_eq!(
        gp_api["base_url"],
        format!("http://{}/gp_api/ucp", merchant.sandbox.info().listen)
    );
    assert_eq!(gp_api["credentials"]["app_id"].as_str().unwrap().len(), 32);
    assert_eq!(gp_api["credentials"]["app_key"].as_str().unwrap().len(), 16);
    assert!(gp_api["merchant_id"].as_str().unwrap().starts_with("MER_"));
    for (index, prefix, name) in [(0, "TRA_", "transaction_processing"), (1, "TKA_", "tokenization")] {
        let account = &gp_api["accounts"][index];
        assert!(account["id"].as_str().unwrap().starts_with(prefix));
        assert_eq!(account["name"], name);
    }
    serde_json::from_value::<Info>(info).unwrap();
}

#[tokio::test]
async fn changes_settings() {
    let merchant = Merchant::open().await;
    let all = json!({
        "webhook_url": "http://127.0.0.1:9/", "verification_returns_id": false, "verification_keeps_id": true,
        "single_use_minutes": 5, "delete_permission": true, "network_tokens": false,
        "authentication_required": true, "refund_percent": 115,
        "readable_after_ms": 1500, "settled_after_seconds": 60, "gzip": false, "cors_origins": ["*"],
    });
    assert_eq!(post(&merchant, "/gp_api/settings", all.clone()).await, (200, all));
    for wrong in [
        json!({ "refund_percent": 110 }),
        json!({ "webhook_url": "https://example.com" }),
        json!({ "zip": true }),
        json!({ "single_use_minutes": -1 }),
    ] {
        let (status, _) = post(&merchant, "/gp_api/settings", wrong.clone()).await;
        assert_eq!(status, 422, "{wrong}");
    }
}

#[tokio::test]
async fn does_what_it_is_told_and_nothing_unknown() {
    let merchant = Merchant::open().await;
    let (status, told) = post(&merchant, "/gp_api/expire_tokens", json!({})).await;
    assert_eq!((status, told), (200, json!({ "expired": 1 })));
    let bare = merchant.http.post(url(&merchant, "/gp_api/expire_tokens"));
    assert_eq!(bare.send().await.unwrap().status(), 200);
    assert_eq!(
        merchant.get("/transactions").await.text("detailed_error_code"),
        "40002"
    );
    for (path, status) in [
        ("/gp_api/explode", 404),
        ("/greenpay/expire_tokens", 404),
        ("/other/expire_tokens", 404),
        ("/gp_api/notify", 422),
    ] {
        assert_eq!(post(&merchant, path, json!({})).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn forgets_all_on_a_reset() {
    let merchant = Merchant::open().await;
    merchant.charged("gone", "AUTO").await;
    merchant.stored(GOOD_CARD).await;
    merchant.set(&json!({ "gzip": false }));
    merchant.sandbox.reset();
    let empty = json!({
        "access_tokens_made": 0, "payment_methods": [], "transactions": [], "verifications_made": 0, "authentications": [],
        "notifications_sent": [], "idempotency_keys": {},
    });
    assert_eq!(merchant.state(), empty);
    assert_eq!(
        merchant.get("/transactions").await.text("detailed_error_code"),
        "40001"
    );
    merchant.new_token(json!({})).await;
}
