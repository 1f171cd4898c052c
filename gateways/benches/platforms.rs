//! What the server does for every card, payment and notification: `cargo bench -p cardseal-gateways`.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal::platform::Platform;
use cardseal_gateways::sealing::{KeyRing, PrivateKey};
use cardseal_gateways::settings::Mistakes;
use cardseal_gateways::{Gateway, Settings, gateway};
use cardseal_worldline::online_payments::webhooks::{InMemorySecretKeyStore, WebhooksHelper};
use divan::{Bencher, black_box};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn greenpay() -> (Arc<dyn Gateway>, Value) {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/greenpay.json")).unwrap();
    let settings = json!({
        "merchant_id": "m", "secret": "s", "public_key": vectors["rsa_keys"]["t1024"]["public_spki_pem"],
        "terminals": [{ "terminal": "t", "currency": "USD" }],
    });
    let mistakes = Mistakes::default();
    let settings = Settings::root(settings.as_object().unwrap(), &mistakes);
    (gateway(Platform::GreenPay, &settings).unwrap(), vectors)
}

/// The signature of the published vector with this id.
fn signature(vectors: &Value, id: &str) -> String {
    let all = vectors["signatures"].as_array().unwrap();
    let vector = all.iter().find(|vector| vector["id"] == id).unwrap();
    text(vector, "signature_hex").into()
}

/// A card that a page sealed for Worldline Acquiring: P-256, AES-256-GCM, and the checks of what is inside.
#[divan::bench]
fn open_sealed_card(bencher: Bencher) {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/sealing.json")).unwrap();
    let jwk = vectors["key"]["jwk"].to_string();
    let ring = KeyRing::new(&[(text(&vectors["key"], "kid"), PrivateKey::Jwk(&jwk))]).unwrap();
    let sealed = &vectors["sealed"][0];
    let (jwe, session) = (text(sealed, "jwe"), text(sealed, "session"));
    let now = sealed["exp"].as_i64().unwrap() - 1;
    bencher.bench(|| ring.open(black_box(jwe), session, now).unwrap());
}

/// A declined payment: the RSA signature, the answer, and the reason of the decline.
#[divan::bench]
fn greenpay_payment_notification(bencher: Bencher) {
    let (gateway, vectors) = greenpay();
    let body = json!({
        "status": 500, "orderId": "xwr-123456", "authorization": null, "last4": "1111", "brand": "Visa",
        "errors": ["Error: declined"], "_signature": signature(&vectors, "checkout-500"),
        "result": { "success": false, "resp_code": "51", "reserved_private4": "FONDOS INSUFICIENTES" },
    })
    .to_string();
    bencher.bench(|| {
        gateway
            .read_notification("", &[], black_box(body.as_bytes()))
            .unwrap()
    });
}

/// A stored card: the RSA signature and the card.
#[divan::bench]
fn greenpay_card_notification(bencher: Bencher) {
    let (gateway, vectors) = greenpay();
    let body = json!({
        "status": 201, "requestId": "xwr-1023", "errors": [], "expiration_date": "3012", "brand": "Visa",
        "nickname": "My Visa", "_signature": signature(&vectors, "tokenize-201-string-id"),
        "result": { "token": "1c3a0f89-3b56-4b0e-9d16-2e3f7b8a9c01", "last_digits": "1111", "bin": "411111" },
    })
    .to_string();
    bencher.bench(|| {
        gateway
            .read_notification("newCard", &[], black_box(body.as_bytes()))
            .unwrap()
    });
}

/// An event of Online Payments: the HMAC over the body, and the payment in it.
#[divan::bench]
fn online_payments_event(bencher: Bencher) {
    let body = json!({
        "apiVersion": "v1", "id": "34b8a607-1fce-4003-b3ae-a4d29e92b232", "created": "2026-11-21T10:00:00.000+0000",
        "merchantId": "merchant", "type": "payment.captured",
        "payment": {
            "id": "3066019730_0", "status": "CAPTURED",
            "paymentOutput": {
                "amountOfMoney": { "amount": 1999, "currencyCode": "EUR" },
                "references": { "merchantReference": "order-1" }, "paymentMethod": "card",
                "cardPaymentMethodSpecificOutput": {
                    "paymentProductId": 1, "authorisationCode": "533793",
                    "card": { "cardNumber": "************1111", "expiryDate": "1230" },
                },
            },
            "statusOutput": { "isCancellable": false, "statusCategory": "COMPLETED", "statusCode": 9 },
        },
    })
    .to_string();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"secret").unwrap();
    mac.update(body.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let headers = [("x-gcs-keyid", "key"), ("x-gcs-signature", signature.as_str())];
    let keys = InMemorySecretKeyStore::default();
    keys.store_secret_key("key", "secret".into());
    let webhooks = WebhooksHelper::new(Arc::new(keys));
    bencher.bench(|| webhooks.unmarshal(black_box(body.as_bytes()), &headers).unwrap());
}
