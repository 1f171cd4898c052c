//! The audit log: who did what, to what, and how it ended.

use cardseal_server::api_key::generate_stored;
use cardseal_server::scope::{Scope, Scopes};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::shop::{APPROVED, Shop};

async fn entries(shop: &Shop, query: &str) -> Vec<Value> {
    let page = shop.get(&format!("/v1/audit?limit=100{query}")).await.is(200);
    page["data"].as_array().unwrap().clone()
}

/// What the entries say, oldest first: actor, operation, object and outcome.
fn told(entries: &[Value]) -> Vec<[Value; 4]> {
    let told = |entry: &Value| ["actor", "operation", "object", "outcome"].map(|name| entry[name].clone());
    entries.iter().rev().map(told).collect()
}

#[tokio::test]
async fn every_change_with_a_key_is_in_the_log_and_nothing_else() {
    let shop = Shop::open().await;
    // A page has no key.
    let token = shop.token(APPROVED).await;
    assert!(entries(&shop, "").await.is_empty());
    let payment = shop.charge(&token, "a").await.is(201);
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    shop.get(&path).await.is(200);
    let refunded = shop.merchant("POST", &format!("{path}/refund"), None).await;
    let request_id = refunded.headers["x-request-id"].clone();
    refunded.is(200);
    shop.merchant("POST", &format!("{path}/void"), None)
        .await
        .problem(409, "payment_state");
    let body = json!({ "token": token["id"], "amount": "x", "currency": "USD" });
    shop.merchant("POST", "/v1/payments", Some(&body))
        .await
        .problem(422, "amount_invalid");
    shop.merchant("DELETE", "/v1/customers/c-1", None).await.is(200);
    let customer = hex::encode(Sha256::digest("c-1"));
    let by = json!("configuration");
    let all = entries(&shop, "").await;
    assert_eq!(
        told(&all),
        [
            [
                by.clone(),
                json!("createPayment"),
                payment["id"].clone(),
                json!("done")
            ],
            [
                by.clone(),
                json!("refundPayment"),
                payment["id"].clone(),
                json!("done")
            ],
            [
                by.clone(),
                json!("voidPayment"),
                payment["id"].clone(),
                json!("payment_state")
            ],
            [
                by.clone(),
                json!("createPayment"),
                Value::Null,
                json!("amount_invalid")
            ],
            [by, json!("eraseCustomer"), json!(customer), json!("done")],
        ]
    );
    let refund = &all[3];
    assert_eq!(
        (&refund["status"], &refund["request_id"]),
        (&json!(200), &json!(request_id.to_str().unwrap()))
    );
    let text = json!(all).to_string();
    for secret in [APPROVED, "4242", "c-1", "Ana"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_log_names_the_key_also_of_what_was_refused() {
    let shop = Shop::open().await;
    let key = generate_stored().unwrap();
    let now = shop.app.clock.now();
    let scopes = Scopes::of(Scope::Sessions);
    let id = shop
        .app
        .store
        .add_api_key(&key, "a", scopes, None, now)
        .await
        .unwrap()
        .id;
    let authorization = format!("Bearer {}", key.expose_secret());
    let send = async |method: &str, path: &str| {
        let mut request = crate::shop::merchant_request(method, path, Some(&json!({})), &[]);
        request
            .headers_mut()
            .insert("authorization", authorization.parse().unwrap());
        shop.send(request).await
    };
    let session = send("POST", "/v1/sessions").await.is(201);
    send("POST", "/v1/payments/pay_x/refund")
        .await
        .problem(403, "api_key_scope");
    send("POST", "/v1/payments/4242%204242/refund")
        .await
        .problem(403, "api_key_scope");
    send("GET", "/v1/audit").await.problem(403, "api_key_scope");
    let by = json!(id.as_str());
    let of_key = entries(&shop, &format!("&actor={id}")).await;
    assert_eq!(
        told(&of_key),
        [
            [
                by.clone(),
                json!("createSession"),
                session["id"].clone(),
                json!("done")
            ],
            [
                by.clone(),
                json!("refundPayment"),
                json!("pay_x"),
                json!("api_key_scope")
            ],
            [by, json!("refundPayment"), Value::Null, json!("api_key_scope")],
        ]
    );
    let of_object = entries(&shop, "&object=pay_x").await;
    assert_eq!(of_object, [of_key[1].clone()]);
    assert_eq!(
        entries(&shop, &format!("&object=pay_x&actor={id}")).await,
        of_object
    );
    assert!(
        entries(&shop, "&object=pay_x&actor=configuration")
            .await
            .is_empty()
    );
    let first = shop.get("/v1/audit?limit=2").await.is(200);
    let after = format!("&after={}", first["next"].as_str().unwrap());
    assert_eq!(entries(&shop, &after).await, of_key[2..]);
    shop.get("/v1/audit?key=x").await.problem(422, "unknown_field");
}
