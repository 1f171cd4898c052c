//! What the control API knows of this platform.

use cardseal_sandbox::Info;
use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};

use super::shop::{Shop, VISA};

async fn post(shop: &Shop, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/online_payments/{path}", shop.sandbox.info().control_url);
    let answer = shop.http.post(url).body(body.to_string()).send().await.unwrap();
    let status = answer.status().as_u16();
    (
        status,
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default(),
    )
}

#[tokio::test]
async fn tells_where_it_is_and_how_to_get_in() {
    let shop = Shop::open().await;
    let info: Value = serde_json::to_value(shop.sandbox.info()).unwrap();
    let platform = &info["platforms"]["online_payments"];
    // Without a path: the platform's libraries take none.
    assert_eq!(
        platform["base_url"],
        format!("http://{}", shop.sandbox.info().listen)
    );
    for pointer in [
        "/merchant_id",
        "/credentials/api_key_id",
        "/credentials/secret_api_key",
        "/webhook_key/key_id",
        "/webhook_key/secret",
    ] {
        assert!(
            platform.pointer(pointer).unwrap().as_str().unwrap().len() > 9,
            "{pointer}"
        );
    }
    assert_ne!(
        platform["credentials"]["secret_api_key"],
        platform["webhook_key"]["secret"]
    );
    serde_json::from_value::<Info>(info).unwrap();
}

#[tokio::test]
async fn changes_settings() {
    let shop = Shop::open().await;
    let all = json!({
        "webhook_url": "http://127.0.0.1:9/", "webhook_retry_ms": [1], "webhook_duplicates": true,
        "webhook_reorder": true, "webhook_array": true, "strict_signature": true, "date_tolerance_seconds": 1,
        "session_minutes": 1, "hosted_tokenization_minutes": 1, "temporary_token_minutes": 1,
        "created_status": 200, "in_progress_code": "30001002", "settle_after_ms": 1,
        "waiting_authorizations": true, "products": [1], "co_branded_bins": ["456735"],
        "cardholder_name_required": false, "declined_cards": [], "challenge_cards": [], "cors_origins": ["*"],
        "declined_refund_amounts": [1], "surcharged_bins": ["4"], "converted_bins": ["5"],
    });
    assert_eq!(post(&shop, "settings", all.clone()).await, (200, all));
    for wrong in [
        json!({ "created_status": 202 }),
        json!({ "webhook_url": "https://example.com" }),
        json!({ "products": [840] }),
        json!({ "session": 1 }),
        json!({ "session_minutes": -1 }),
    ] {
        assert_eq!(post(&shop, "settings", wrong.clone()).await.0, 422, "{wrong}");
    }
}

#[tokio::test]
async fn does_what_it_is_told_and_nothing_unknown() {
    let shop = Shop::open().await;
    let session = shop.session(json!({})).await;
    assert_eq!(
        post(&shop, "expire_sessions", json!({})).await,
        (200, json!({ "expired": 1 }))
    );
    assert_eq!(shop.page_get(&session, "/crypto/publickey").await.http, 403);
    for (command, status) in [("explode", 404), ("notify", 422), ("verify_endpoint", 422)] {
        assert_eq!(post(&shop, command, json!({})).await.0, status, "{command}");
    }
    let fault = Fault::new("online_payments", "payments/void", Kind::Delay);
    assert!(
        shop.sandbox
            .inject(fault)
            .unwrap_err()
            .contains("payments/capture")
    );
}

#[tokio::test]
async fn forgets_all_but_its_keys_on_a_reset() {
    let shop = Shop::open().await;
    let session = shop.session(json!({})).await;
    let key = shop.page_get(&session, "/crypto/publickey").await.good(200);
    let before = shop.paid(1000, "SALE").await;
    shop.stored(VISA).await;
    shop.set(&json!({ "created_status": 200 }));
    shop.sandbox.reset();
    let empty = json!({
        "sessions_made": 0, "inputs_opened": 0, "inputs_refused": [], "tokens": [], "payments": [],
        "hosted_checkouts": [], "hosted_tokenizations": [], "payouts": [], "payment_links": [],
        "mandates": [], "webhooks_sent": [],
    });
    assert_eq!(shop.state(), empty);
    assert_eq!(shop.page_get(&session, "/crypto/publickey").await.http, 403);
    let session = shop.session(json!({})).await;
    assert_eq!(shop.page_get(&session, "/crypto/publickey").await.good(200), key);
    // No id comes twice.
    assert_ne!(shop.paid(1000, "SALE").await, before);
}

#[tokio::test]
async fn shows_no_full_card_number() {
    let shop = Shop::open().await;
    shop.paid(1000, "SALE").await;
    shop.stored(VISA).await;
    let state = shop.state();
    assert!(!state.to_string().contains(VISA));
    assert_eq!(
        (&state["payments"][0]["last4"], &state["tokens"][0]["first6"]),
        (&json!("7977"), &json!("456735"))
    );
}
