//! Online Payments: sessions, tokens, payments and their changes, the platform's own pages, webhooks. The page's part
//! is played here, by what the platform documents.

use std::time::Duration;

use aes::Aes256;
use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cardseal_sandbox::faults::{Fault, Kind};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use getrandom::SysRng;
use hmac::{Hmac, KeyInit, Mac};
use rsa::PublicKey;
use rsa::pkcs8::DecodePublicKey;
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};

use crate::shop::{Answer, Shop, WEBHOOK_SECRET, client};

const VISA: &str = "4567350000427977";
const DECLINED: &str = "4000000000000002";
const CHALLENGED: &str = "4000000000003220";

/// What a page encrypts to: a compact JWE.
fn seal(key: &Value, payload: &Value) -> String {
    let header = json!({ "alg": "RSA-OAEP", "enc": "A256CBC-HS512", "kid": key["keyId"] }).to_string();
    let header = URL_SAFE_NO_PAD.encode(header);
    let spki = STANDARD.decode(key["publicKey"].as_str().unwrap()).unwrap();
    let public = PublicKey::from_public_key_der(&spki).unwrap();
    let (mut cek, mut iv) = ([0; 64], [0; 16]);
    getrandom::fill(&mut cek).unwrap();
    getrandom::fill(&mut iv).unwrap();
    let wrapped = public
        .oaep_encrypt_with_rng::<sha1::Sha1, _>(&mut SysRng, &cek)
        .unwrap();
    let text = cbc::Encryptor::<Aes256>::new_from_slices(&cek[32..], &iv)
        .unwrap()
        .encrypt_padded_vec::<Pkcs7>(payload.to_string().as_bytes());
    let mut mac = Hmac::<Sha512>::new_from_slice(&cek[..32]).unwrap();
    mac.update(header.as_bytes());
    mac.update(&iv);
    mac.update(&text);
    mac.update(&(header.len() as u64 * 8).to_be_bytes());
    let tag = mac.finalize().into_bytes();
    let parts = [&wrapped[..], &iv, &text, &tag[..32]].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{}", parts.join("."))
}

/// What a page hands over for a session.
async fn input(session: &Value, number: &str) -> Value {
    let text = |name: &str| session[name].as_str().unwrap();
    let key: Value = client()
        .get(format!(
            "{}/v1/{}/crypto/publickey",
            text("clientApiUrl"),
            text("customerId")
        ))
        .header(
            "authorization",
            format!("GCS v1Client:{}", text("clientSessionId")),
        )
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let payload = json!({
        "clientSessionId": session["clientSessionId"], "nonce": uuid::Uuid::new_v4().simple().to_string(),
        "paymentProductId": 1, "tokenize": false, "collectedDeviceInformation": {},
        "paymentValues": [
            { "key": "cardNumber", "value": number }, { "key": "cardholderName", "value": "Zoë Müller" },
            { "key": "expiryDate", "value": "122030" }, { "key": "cvv", "value": "123" } ],
    });
    json!({ "session": session["id"], "encrypted_customer_input": seal(&key, &payload), "payment_product_id": 1 })
}

impl Shop {
    pub(crate) async fn online_payments(settings: &[(&str, &str)]) -> Self {
        let mut all = vec![
            (
                "CARDSEAL__PLATFORMS__ONLINE_PAYMENTS__RETURN_URL",
                "https://shop.example/return",
            ),
            (
                "CARDSEAL__PLATFORMS__ONLINE_PAYMENTS__WEBHOOK_KEYS__1__ID",
                "next-key",
            ),
            (
                "CARDSEAL__PLATFORMS__ONLINE_PAYMENTS__WEBHOOK_KEYS__1__SECRET",
                "next-secret",
            ),
        ];
        all.extend(settings);
        Self::beside("online_payments", &all).await
    }

    async fn op_session(&self, more: &Value) -> Value {
        let mut ask = json!({ "platform": "online_payments" });
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.merchant("POST", "/v1/sessions", Some(&ask)).await.is(201)
    }

    pub(crate) async fn op_token(&self) -> Value {
        let session = self.op_session(&json!({ "customer": "c-1" })).await;
        let hand = input(&session, VISA).await;
        self.page("/v1/tokens", &hand).await.is(201)
    }

    pub(crate) async fn op_charge(&self, token: &Value, amount: &str, more: &Value, key: &str) -> Answer {
        let mut body = json!({ "token": token["id"], "amount": amount, "currency": "EUR" });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.merchant_with("POST", "/v1/payments", Some(&body), &[("idempotency-key", key)])
            .await
    }

    async fn op_payment_session(&self, amount: &str, more: &Value) -> Value {
        let mut ask = json!({ "kind": "payment", "amount": amount, "currency": "EUR" });
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.op_session(&ask).await
    }

    fn op_state(&self) -> Value {
        self.sandbox.state()["online_payments"].clone()
    }

    pub(crate) fn op_booked(&self) -> Vec<Value> {
        self.op_state()["payments"].as_array().unwrap().clone()
    }

    fn op_set(&self, change: &Value) {
        self.sandbox.change_settings("online_payments", change).unwrap();
    }

    pub(crate) fn op_fault(&self, route: &str, kind: Kind, times: u32, ms: u64) {
        let mut fault = Fault::new("online_payments", route, kind);
        (fault.times, fault.ms) = (times, ms);
        self.sandbox.inject(fault).unwrap();
    }

    /// Waits until a payment has this status.
    pub(crate) async fn op_becomes(&self, payment: &Value, status: &str) -> Value {
        let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
        let mut last = Value::Null;
        let mut tries = 0;
        while tries < 200 {
            tries += 1;
            last = self.get(&path).await.is(200);
            if last["status"] == status {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(last["status"], status, "{last}");
        last
    }

    /// An event as the platform would send it.
    async fn op_event(&self, key: (&str, &str), body: &str) -> Answer {
        let mac = Hmac::<Sha256>::new_from_slice(key.1.as_bytes()).unwrap();
        let signature = STANDARD.encode(mac.chain_update(body).finalize().into_bytes());
        let request = Request::post(format!("/v1/notifications/online_payments/{WEBHOOK_SECRET}"))
            .header("content-type", "application/json")
            .header("X-GCS-Signature", signature)
            .header("X-GCS-KeyId", key.0)
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.send(request).await
    }

    fn op_webhook_key(&self) -> (String, String) {
        let key = &self.sandbox.info().platforms.online_payments.webhook_key;
        (key.key_id.clone(), key.secret.clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_the_page_encrypts_becomes_a_token_that_is_charged_changed_and_forgotten() {
    let shop = Shop::online_payments(&[]).await;
    shop.op_set(&json!({ "strict_signature": true }));
    let session = shop.op_session(&json!({ "customer": "c-1" })).await;
    for name in ["clientSessionId", "customerId", "clientApiUrl", "assetUrl"] {
        assert!(session[name].is_string(), "{name}: {session}");
    }
    assert_eq!(
        (&session["mode"], &session["kind"], &session["expires_in"]),
        (&json!("relay"), &json!("tokenize"), &json!(1800))
    );
    let hand = input(&session, VISA).await;
    let token = shop.page("/v1/tokens", &hand).await.is(201);
    assert_eq!(
        (
            &token["status"],
            &token["brand"],
            &token["last4"],
            &token["expiry"]["year"],
            &token["customer"]
        ),
        (
            &json!("active"),
            &json!("visa"),
            &json!("7977"),
            &json!(2030),
            &json!("c-1")
        )
    );
    // The same again gets the same; the platform's own token never leaves the server.
    assert_eq!(shop.page("/v1/tokens", &hand).await.is(201), token);
    let platform_token = shop.op_state()["tokens"][0]["id"].as_str().unwrap().to_owned();
    assert!(!token.to_string().contains(&platform_token));
    let payment = shop.op_charge(&token, "19.99", &json!({}), "k").await;
    assert!([201, 202].contains(&payment.status.as_u16()), "{}", payment.text);
    let payment = shop.op_becomes(&payment.json, "approved").await;
    assert_eq!(
        (&payment["captured"], &payment["last4"]),
        (&json!("19.99"), &json!("7977"))
    );
    // Held, captured in part, paid back in two parts.
    let held = shop
        .op_charge(&token, "10.00", &json!({ "capture": "later" }), "k2")
        .await
        .is(201);
    assert_eq!(held["status"], "authorized");
    shop.change(&held, "capture", &json!({ "amount": "8.00" })).await;
    let taken = shop.op_becomes(&held, "approved").await;
    assert_eq!(taken["captured"], "8.00");
    shop.change(&held, "refund", &json!({ "amount": "3.00" })).await;
    shop.op_becomes(&held, "partially_refunded").await;
    shop.change(&held, "refund", &json!({ "amount": "9.00" }))
        .await
        .problem(422, "amount_invalid");
    shop.change(&held, "refund", &json!({})).await;
    let back = shop.op_becomes(&held, "refunded").await;
    assert_eq!(back["refunded"], "8.00");
    let other = shop
        .op_charge(&token, "5.00", &json!({ "capture": "later" }), "k3")
        .await
        .is(201);
    shop.change(&other, "void", &json!({})).await;
    shop.op_becomes(&other, "voided").await;
    // A captured payment cannot be cancelled: the platform says so.
    shop.change(&payment, "void", &json!({}))
        .await
        .problem(422, "platform_rejected");
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    assert_eq!(
        shop.merchant("DELETE", &path, None).await.is(200)["status"],
        "deleted"
    );
    shop.op_charge(&token, "1.00", &json!({}), "k4")
        .await
        .problem(409, "token_deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_charged_for_the_amount_that_the_merchant_fixed() {
    let shop = Shop::online_payments(&[]).await;
    let session = shop
        .op_payment_session("12.34", &json!({ "order_reference": "order-77" }))
        .await;
    let hand = input(&session, VISA).await;
    // Nothing but what the platform's page encrypts is taken, and nothing in clear.
    for wrong in ["x", "a.b.c.d.e"] {
        let mut wrong_hand = hand.clone();
        wrong_hand["encrypted_customer_input"] = wrong.into();
        shop.page("/v1/payments", &wrong_hand)
            .await
            .problem(422, "field_invalid");
    }
    let mut clear = hand.clone();
    clear["amount"] = "4567350000427977".into();
    shop.page("/v1/payments", &clear)
        .await
        .problem(422, "clear_card_data");
    assert!(shop.op_booked().is_empty());
    let payment = shop.page("/v1/payments", &hand).await;
    assert!([201, 202].contains(&payment.status.as_u16()), "{}", payment.text);
    let payment = shop.op_becomes(&payment.json, "approved").await;
    assert_eq!(
        (&payment["amount"], &payment["order_reference"], &payment["last4"]),
        (&json!("12.34"), &json!("order-77"), &json!("7977"))
    );
    // Once.
    shop.page("/v1/payments", &hand).await;
    assert_eq!(shop.op_booked().len(), 1);
    // A decline has its transaction, and uses the session up.
    let session = shop.op_payment_session("1.00", &json!({})).await;
    let hand = input(&session, DECLINED).await;
    let declined = shop.page("/v1/payments", &hand).await.is(201);
    assert_eq!(
        (&declined["status"], &declined["decline"]["reason"]),
        (&json!("declined"), &json!("rejected_by_issuer"))
    );
    // An input of another session is refused, and the session can be used again.
    let first = shop.op_payment_session("1.00", &json!({})).await;
    let second = shop.op_payment_session("2.00", &json!({})).await;
    let mut wrong = input(&first, VISA).await;
    let spoiled = wrong["encrypted_customer_input"].as_str().unwrap().to_owned();
    let middle = spoiled.len() / 2;
    let swapped = if spoiled.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    wrong["encrypted_customer_input"] =
        format!("{}{swapped}{}", &spoiled[..middle], &spoiled[middle + 1..]).into();
    shop.page("/v1/payments", &wrong)
        .await
        .problem(422, "platform_rejected");
    let right = input(&first, VISA).await;
    let paid = shop.page("/v1/payments", &right).await;
    assert!([201, 202].contains(&paid.status.as_u16()), "{}", paid.text);
    drop(second);
    // A reference that is too long for the platform is refused before anything is opened.
    let ask = json!({ "platform": "online_payments", "kind": "payment", "amount": "1.00", "currency": "EUR",
        "order_reference": "x".repeat(41) });
    shop.merchant("POST", "/v1/sessions", Some(&ask))
        .await
        .problem(422, "field_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_has_to_authenticate_is_sent_there_and_waited_for() {
    let shop = Shop::online_payments(&[]).await;
    for (action, status) in [("pass", "approved"), ("fail", "declined")] {
        let session = shop.op_payment_session("3.00", &json!({})).await;
        let hand = input(&session, CHALLENGED).await;
        let waiting = shop.page("/v1/payments", &hand).await.is(202);
        assert_eq!(waiting["status"], "unknown");
        let url = waiting["redirect"]["url"].as_str().unwrap();
        let path = format!("/v1/payments/{}/refresh", waiting["id"].as_str().unwrap());
        assert!(shop.merchant("POST", &path, None).await.is(202)["redirect"]["url"].is_string());
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        http.post(url)
            .body(format!("action={action}"))
            .send()
            .await
            .unwrap();
        let settled = shop.op_becomes(&waiting, status).await;
        assert!(settled.get("redirect").is_none(), "{settled}");
    }
    assert_eq!(shop.op_booked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_card_is_read_from_the_platform_and_cannot_be_changed_there() {
    let shop = Shop::online_payments(&[]).await;
    let token = shop.op_token().await;
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    let refresh = format!("{path}/refresh");
    let read = shop.merchant("POST", &refresh, None).await.is(200);
    for name in ["id", "status", "brand", "last4", "expiry", "holder", "customer"] {
        assert_eq!(read[name], token[name], "{name}: {read}");
    }
    // The platform is what is asked.
    shop.op_fault("tokens/get", Kind::BadGatewayBeforeCommit, 0, 0);
    shop.merchant("POST", &refresh, None)
        .await
        .problem(504, "platform_timeout");
    shop.merchant("PATCH", &path, Some(&json!({ "holder": "Ana" })))
        .await
        .problem(422, "not_offered");
    assert_eq!(shop.get(&path).await.is(200), read);
}

/// The platform has one token for one card, whoever types it in: it is stored once, for the first customer.
#[tokio::test(flavor = "multi_thread")]
async fn one_card_is_one_token_of_one_customer() {
    let shop = Shop::online_payments(&[]).await;
    let token = shop.op_token().await;
    assert_eq!(shop.op_token().await["id"], token["id"]);
    for more in [json!({ "customer": "c-2" }), json!({})] {
        let session = shop.op_session(&more).await;
        let hand = input(&session, VISA).await;
        shop.page("/v1/tokens", &hand)
            .await
            .problem(409, "token_belongs_elsewhere");
    }
    let list = shop.get("/v1/tokens").await.is(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    shop.op_charge(&token, "1.00", &json!({}), "k").await.is(201);
    // Forgotten there and here, then typed in again: another token.
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    shop.merchant("DELETE", &path, None).await.is(200);
    let session = shop.op_session(&json!({ "customer": "c-2" })).await;
    let hand = input(&session, VISA).await;
    let other = shop.page("/v1/tokens", &hand).await.is(201);
    assert_ne!(other["id"], token["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_nobody_has_filled_in_is_open() {
    let shop = Shop::online_payments(&[]).await;
    let session = shop.op_session(&json!({ "mode": "direct" })).await;
    let hand = json!({ "session": session["id"], "answer": {} });
    for _ in 0..2 {
        shop.page("/v1/tokens", &hand).await.problem(409, "page_open");
    }
    // What is wrong for another reason is said.
    shop.op_fault("hostedtokenizations/get", Kind::ServerError, 1, 0);
    let failed = shop.page("/v1/tokens", &hand).await;
    assert_ne!(failed.code(), "page_open");
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.is(200)["status"], "open");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_own_pages_lead_to_payments_and_tokens() {
    let shop = Shop::online_payments(&[]).await;
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let form = [
        ("cardNumber", VISA),
        ("cardholderName", "Jane Doe"),
        ("expiryDate", "12/30"),
        ("cvv", "123"),
    ];
    let encoded = form
        .iter()
        .map(|(name, value)| format!("{name}={}", value.replace(' ', "+").replace('/', "%2F")))
        .collect::<Vec<_>>()
        .join("&");
    // A checkout: not done, then paid, found by the merchant.
    let session = shop
        .op_payment_session(
            "7.00",
            &json!({ "mode": "direct", "return_url": "https://shop.example/back", "locale": "de_DE" }),
        )
        .await;
    let id = session["id"].as_str().unwrap().to_owned();
    let hand = json!({ "session": id, "answer": {} });
    shop.page("/v1/payments", &hand)
        .await
        .problem(422, "field_invalid");
    assert_eq!(
        shop.get(&format!("/v1/sessions/{id}")).await.is(200)["status"],
        "open"
    );
    http.post(session["redirectUrl"].as_str().unwrap())
        .body(encoded.clone())
        .send()
        .await
        .unwrap();
    let looked = shop.get(&format!("/v1/sessions/{id}")).await.is(200);
    assert_eq!(looked["status"], "used");
    let payment = shop.op_becomes(&looked["payment"], "approved").await;
    assert_eq!(
        (&payment["amount"], &payment["last4"]),
        (&json!("7.00"), &json!("7977"))
    );
    // Again, and by whoever else asks: the same payment.
    assert_eq!(
        shop.get(&format!("/v1/sessions/{id}")).await.is(200)["payment"]["id"],
        payment["id"]
    );
    shop.change(&payment, "refund", &json!({})).await;
    shop.op_becomes(&payment, "refunded").await;
    // One that the page comes back from.
    let session = shop
        .op_payment_session(
            "8.00",
            &json!({ "mode": "direct", "return_url": "https://shop.example/back" }),
        )
        .await;
    let sent = http
        .post(session["redirectUrl"].as_str().unwrap())
        .body(encoded.clone())
        .send()
        .await
        .unwrap();
    let text = match sent.headers().get("location") {
        Some(location) => location.to_str().unwrap().to_owned(),
        None => sent.text().await.unwrap(),
    };
    let mac = text.split("RETURNMAC=").nth(1).unwrap();
    let mac: String = mac
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let wrong = json!({ "session": session["id"], "answer": { "RETURNMAC": "made-up" } });
    shop.page("/v1/payments", &wrong)
        .await
        .problem(422, "field_invalid");
    let hand = json!({ "session": session["id"], "answer": { "RETURNMAC": mac } });
    let paid = shop.page("/v1/payments", &hand).await;
    assert!([201, 202].contains(&paid.status.as_u16()), "{}", paid.text);
    assert_eq!(paid.json["amount"], "8.00");
    assert_eq!(shop.page("/v1/payments", &hand).await.json["id"], paid.json["id"]);
    // One that the customer leaves.
    let session = shop
        .op_payment_session("9.00", &json!({ "mode": "direct" }))
        .await;
    http.post(session["redirectUrl"].as_str().unwrap())
        .body("action=cancel")
        .send()
        .await
        .unwrap();
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    let left = shop.get(&path).await.is(200);
    assert_eq!(
        (&left["status"], &left["payment"]),
        (&json!("cancelled"), &Value::Null)
    );
    // Only the merchant says where customers go.
    let ask = json!({ "platform": "online_payments", "mode": "direct", "variant": "x.html" });
    shop.page("/v1/sessions", &ask)
        .await
        .problem(401, "api_key_missing");
    // A form for a card.
    let ask =
        json!({ "platform": "online_payments", "mode": "direct", "locale": "de_DE", "customer": "c-9" });
    let session = shop.page("/v1/sessions", &ask).await.is(201);
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.is(200)["status"], "open");
    let typed = format!("{encoded}&storePermanently=true");
    http.post(session["hostedTokenizationUrl"].as_str().unwrap())
        .body(typed)
        .send()
        .await
        .unwrap();
    let hand = json!({ "session": session["id"], "answer": {} });
    let token = shop.page("/v1/tokens", &hand).await.is(201);
    assert_eq!(
        (&token["status"], &token["last4"], &token["customer"]),
        (&json!("active"), &json!("7977"), &json!("c-9"))
    );
    assert_eq!(shop.get(&path).await.is(200)["token"]["id"], token["id"]);
    let charged = shop.op_charge(&token, "1.00", &json!({}), "k").await;
    shop.op_becomes(&charged.json, "approved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_never_a_second_charge() {
    let shop = Shop::online_payments(&[]).await;
    let token = shop.op_token().await;
    let mut expected = 0;
    for kind in [
        Kind::DropAfterCommit,
        Kind::DropBefore,
        Kind::GatewayTimeoutAfterCommit,
        Kind::BadGatewayAfterCommit,
        Kind::BadGatewayBeforeCommit,
        Kind::TruncatedJson,
        Kind::ServerError,
        Kind::Html,
        Kind::NotJson,
    ] {
        shop.op_fault("payments", kind, 1, 0);
        let payment = shop
            .op_charge(&token, "4.00", &json!({}), &format!("{kind:?}"))
            .await;
        assert!(
            [201, 202].contains(&payment.status.as_u16()),
            "{kind:?} {}",
            payment.text
        );
        shop.op_becomes(&payment.json, "approved").await;
        expected += 1;
        assert_eq!(shop.op_booked().len(), expected, "{kind:?}");
    }
    // No answer for as long as the first call lasts: known later, by itself.
    shop.op_fault("payments", Kind::GatewayTimeoutAfterCommit, 3, 0);
    let payment = shop.op_charge(&token, "4.00", &json!({}), "long").await.is(202);
    shop.op_becomes(&payment, "approved").await;
    assert_eq!(shop.op_booked().len(), expected + 1);
    // The same with what a page encrypted, which is not kept: within the call it is found.
    let session = shop.op_payment_session("5.00", &json!({})).await;
    let hand = input(&session, VISA).await;
    shop.op_fault("payments", Kind::DropAfterCommit, 2, 0);
    let payment = shop.page("/v1/payments", &hand).await;
    shop.op_becomes(&payment.json, "approved").await;
    assert_eq!(shop.op_booked().len(), expected + 2);
    // Changes.
    for (index, kind) in [
        Kind::DropAfterCommit,
        Kind::BadGatewayAfterCommit,
        Kind::DropBefore,
    ]
    .into_iter()
    .enumerate()
    {
        let held = shop
            .op_charge(
                &token,
                "6.00",
                &json!({ "capture": "later" }),
                &format!("held{index}"),
            )
            .await
            .is(201);
        shop.op_fault("payments/capture", kind, 1, 0);
        shop.change(&held, "capture", &json!({})).await;
        shop.op_becomes(&held, "approved").await;
        shop.op_fault("payments/refund", kind, 3, 0);
        shop.change(&held, "refund", &json!({ "amount": "2.00" })).await;
        let back = shop.op_becomes(&held, "partially_refunded").await;
        assert_eq!(back["refunded"], "2.00");
        let booked = shop.op_booked().pop().unwrap();
        let made = |kind: &str| {
            let operations = booked["operations"].as_array().unwrap().iter();
            operations.filter(|operation| operation["kind"] == kind).count()
        };
        assert_eq!((made("capture"), made("refund")), (1, 1), "{kind:?} {booked}");
    }
}

/// The platform is still at the first request when it is asked again, whatever it calls that.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_request_that_is_under_way_is_waited_for() {
    let shop = Shop::online_payments(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "400")]).await;
    let token = shop.op_token().await;
    for (index, code) in ["1409", "30001002", "1"].into_iter().enumerate() {
        shop.op_set(&json!({ "in_progress_code": code }));
        shop.op_fault("payments", Kind::DelayAfterCommit, 1, 2500);
        let order = json!({ "capture": "later" });
        let payment = shop.op_charge(&token, "4.00", &order, code).await;
        assert!(
            [201, 202].contains(&payment.status.as_u16()),
            "{code} {}",
            payment.text
        );
        shop.op_becomes(&payment.json, "authorized").await;
        assert_eq!(shop.op_booked().len(), index + 1, "{code}");
        shop.op_fault("payments/capture", Kind::DelayAfterCommit, 1, 2500);
        shop.change(&payment.json, "capture", &json!({})).await;
        shop.op_becomes(&payment.json, "approved").await;
        let booked = shop.op_booked().pop().unwrap();
        let operations = booked["operations"].as_array().unwrap().iter();
        let captures = operations.filter(|operation| operation["kind"] == "capture");
        assert_eq!(captures.count(), 1, "{code} {booked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_its_time_is_waited_for_and_what_is_refused_in_the_end_is_told() {
    let shop = Shop::online_payments(&[]).await;
    let token = shop.op_token().await;
    shop.op_set(&json!({ "settle_after_ms": 1500 }));
    let held = shop
        .op_charge(&token, "10.00", &json!({ "capture": "later" }), "a")
        .await
        .is(201);
    let waiting = shop.change(&held, "capture", &json!({})).await.is(202);
    assert_eq!(waiting["status"], "capture_unknown");
    shop.change(&held, "refund", &json!({}))
        .await
        .problem(409, "payment_state");
    shop.op_becomes(&held, "approved").await;
    // The platform's amounts that fail in the end.
    let held = shop
        .op_charge(&token, "13.03", &json!({ "capture": "later" }), "b")
        .await
        .is(201);
    shop.change(&held, "capture", &json!({})).await.is(202);
    let refused = shop.op_becomes(&held, "authorized").await;
    assert_eq!(refused["captured"], "0.00");
    let declined = shop.op_charge(&token, "13.02", &json!({}), "c").await.is(201);
    assert_eq!(declined["status"], "declined");
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_verified_stored_once_and_not_believed() {
    let shop = Shop::online_payments(&[]).await;
    let token = shop.op_token().await;
    let (id, secret) = shop.op_webhook_key();
    let key = (id.as_str(), secret.as_str());
    // The address, asked for.
    let ask = |path: String, word: &str| {
        Request::get(path)
            .header("X-GCS-Webhooks-Endpoint-Verification", word)
            .body(Body::empty())
            .unwrap()
    };
    let address = format!("/v1/notifications/online_payments/{WEBHOOK_SECRET}");
    let answer = shop.send(ask(address.clone(), "5f0c9a5e-1111")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.text.as_str()),
        (200, "5f0c9a5e-1111")
    );
    assert!(
        answer.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    shop.send(ask(address, "<script>"))
        .await
        .problem(405, "method_not_allowed");
    let wrong = "/v1/notifications/online_payments/another-secret-entirely".to_owned();
    shop.send(ask(wrong, "word")).await.problem(404, "not_found");
    // A payment whose answer was lost for good is settled by the event, which is only a hint.
    shop.op_fault("payments", Kind::GatewayTimeoutAfterCommit, 0, 0);
    shop.op_fault("payments/get", Kind::BadGatewayBeforeCommit, 0, 0);
    let body =
        json!({ "token": token["id"], "amount": "4.00", "currency": "EUR", "order_reference": "order-5" });
    let payment = shop.merchant("POST", "/v1/payments", Some(&body)).await.is(202);
    let booked = shop.op_booked().pop().unwrap();
    let number = booked["id"]
        .as_str()
        .unwrap()
        .split('_')
        .next()
        .unwrap()
        .to_owned();
    let event = json!({ "apiVersion": "v1", "id": "e-1", "created": "2026-11-21T09:00:00.1234567+01:00",
        "merchantId": shop.sandbox.info().platforms.online_payments.merchant_id, "type": "payment.captured",
        "payment": { "id": format!("{number}_0"), "status": "CAPTURED", "paymentOutput": {
            "references": { "merchantReference": "order-5" } } } });
    let text = event.to_string();
    // Wrong key, wrong secret, another body, no signature.
    shop.op_event(("unknown", &secret), &text)
        .await
        .problem(422, "signature_invalid");
    shop.op_event((&id, "wrong"), &text)
        .await
        .problem(422, "signature_invalid");
    shop.op_event(("next-key", &secret), &text)
        .await
        .problem(422, "signature_invalid");
    // While the platform cannot confirm it, it is not taken, and will be sent again.
    assert_eq!(shop.op_event(key, &text).await.status.as_u16() / 100, 5);
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.is(200)["status"], "unknown");
    shop.sandbox.clear_faults();
    shop.op_fault("payments", Kind::GatewayTimeoutAfterCommit, 0, 0);
    shop.op_event(key, &text).await.is(200);
    assert_eq!(shop.get(&path).await.is(200)["status"], "approved");
    // Replayed, in an array, with the other key, spaced differently: nothing more.
    for again in [text.clone(), json!([event]).to_string(), format!(" {text} ")] {
        shop.op_event(("next-key", "next-secret"), &again).await.is(200);
    }
    assert_eq!(shop.op_booked().len(), 1);
    // Of several, each counts: one about a payment that the platform does not know is not taken, and the one behind it is;
    // so is one without an id behind another without one.
    for (order, taken) in [("order-6", false), ("order-7", true)] {
        shop.op_fault("payments", Kind::GatewayTimeoutAfterCommit, 0, 0);
        let body =
            json!({ "token": token["id"], "amount": "6.00", "currency": "EUR", "order_reference": order });
        let other = shop.merchant("POST", "/v1/payments", Some(&body)).await.is(202);
        shop.sandbox.clear_faults();
        let (mut first, mut second) = (event.clone(), event.clone());
        let number = shop.op_booked().pop().unwrap()["id"].as_str().unwrap().to_owned();
        second["payment"] = json!({ "id": format!("{}_0", number.trim_end_matches("_0")) });
        if taken {
            first["merchantId"] = "SomebodyElse".into();
            first.as_object_mut().unwrap().remove("id");
            second.as_object_mut().unwrap().remove("id");
        } else {
            (first["id"], first["payment"]) = ("e-3".into(), json!({ "id": "1_0" }));
            second["id"] = "e-4".into();
        }
        let answer = shop.op_event(key, &json!([first, second]).to_string()).await;
        assert_eq!(answer.status.is_success(), taken, "{}", answer.text);
        let path = format!("/v1/payments/{}", other["id"].as_str().unwrap());
        assert_eq!(shop.get(&path).await.is(200)["status"], "approved", "{order}");
    }
    // One that says what is not so changes nothing, signed as it may be.
    let mut lie = event.clone();
    (lie["id"], lie["payment"]["status"], lie["type"]) =
        ("e-2".into(), "REJECTED".into(), "payment.rejected".into());
    shop.op_event(key, &lie.to_string()).await.is(200);
    assert_eq!(shop.get(&path).await.is(200)["status"], "approved");
    // Unreadable, or of another version.
    shop.op_event(key, "{}").await.problem(400, "bad_json");
    shop.op_event(key, "no").await.problem(400, "bad_json");
    assert_eq!(shop.op_event(key, "[]").await.status.as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_delivers_and_a_capture_that_took_its_time_is_settled_at_once() {
    let shop = Shop::online_payments(&[]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = shop.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let url = format!("http://{address}/v1/notifications/online_payments/{WEBHOOK_SECRET}");
    let checked = shop
        .sandbox
        .command("online_payments", "verify_endpoint", &json!({ "url": url }))
        .await;
    assert!(checked.is_ok(), "{checked:?}");
    shop.op_set(&json!({ "webhook_url": url, "webhook_duplicates": true, "webhook_array": true }));
    let token = shop.op_token().await;
    shop.op_set(&json!({ "settle_after_ms": 700 }));
    let held = shop
        .op_charge(&token, "10.00", &json!({ "capture": "later" }), "a")
        .await
        .is(201);
    shop.change(&held, "capture", &json!({})).await.is(202);
    shop.op_becomes(&held, "approved").await;
    // A checkout whose customer never comes back is known by its event alone.
    let session = shop
        .op_payment_session("7.00", &json!({ "mode": "direct", "order_reference": "gone-1" }))
        .await;
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let form = format!("cardNumber={VISA}&cardholderName=Jane&expiryDate=1230&cvv=123");
    http.post(session["redirectUrl"].as_str().unwrap())
        .body(form)
        .send()
        .await
        .unwrap();
    for _ in 0..200 {
        let list = shop.get("/v1/payments").await.is(200);
        let found = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|payment| payment["order_reference"] == "gone-1");
        if found.is_some_and(|payment| payment["status"] == "approved") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the event of the checkout was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_and_an_absent_platform_are_told_apart() {
    let shop =
        Shop::online_payments(&[("CARDSEAL__PLATFORMS__ONLINE_PAYMENTS__SECRET_API_KEY", "wrong")]).await;
    let answer = shop
        .page("/v1/sessions", &json!({ "platform": "online_payments" }))
        .await;
    answer.problem(502, "platform_setup");
    assert_eq!(answer.json["platform_code"], "9007");
    let shop = Shop::online_payments(&[(
        "CARDSEAL__PLATFORMS__ONLINE_PAYMENTS__BASE_URL",
        "http://127.0.0.1:1",
    )])
    .await;
    shop.page("/v1/sessions", &json!({ "platform": "online_payments" }))
        .await
        .problem(503, "platform_unavailable");
    let ask = json!({ "platform": "online_payments", "kind": "update", "token": "tok_x" });
    shop.merchant("POST", "/v1/sessions", Some(&ask))
        .await
        .problem(404, "token_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_logged_without_what_is_secret_in_them() {
    crate::secrets::listen();
    let shop = Shop::online_payments(&[("CARDSEAL__LOG__PLATFORM_CALLS", "true")]).await;
    let session = shop.op_session(&json!({ "customer": "c-1" })).await;
    let hand = input(&session, VISA).await;
    let token = shop.page("/v1/tokens", &hand).await.is(201);
    let payment = shop
        .op_charge(&token, "4.00", &json!({ "capture": "later" }), "k")
        .await
        .is(201);
    shop.change(&payment, "capture", &json!({})).await;
    let checkout = shop
        .op_payment_session("7.00", &json!({ "mode": "direct" }))
        .await;
    shop.get(&format!("/v1/sessions/{}", checkout["id"].as_str().unwrap()))
        .await
        .is(200);
    let state = shop.op_state();
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    shop.merchant("DELETE", &path, None).await.is(200);
    let log = String::from_utf8_lossy(&crate::shop::logs().lock().unwrap().clone()).into_owned();
    let platform_payment = state["payments"][0]["id"].as_str().unwrap();
    for known in [
        "platform call",
        "/tokens/********",
        "PENDING_CAPTURE",
        platform_payment,
    ] {
        assert!(log.contains(known), "{known} is not in the log");
    }
    let info = &shop.sandbox.info().platforms.online_payments;
    for secret in [
        state["tokens"][0]["id"].as_str().unwrap(),
        state["hosted_checkouts"][0]["id"].as_str().unwrap(),
        session["clientSessionId"].as_str().unwrap(),
        session["customerId"].as_str().unwrap(),
        hand["encrypted_customer_input"].as_str().unwrap(),
        checkout["redirectUrl"].as_str().unwrap(),
        info.credentials.secret_api_key.as_str(),
        "GCS v1HMAC:",
        "Zoë",
        VISA,
    ] {
        assert!(
            !log.contains(secret),
            "the log holds {}…",
            secret.get(..8).unwrap_or(secret)
        );
    }
}

/// Declines on the platform's page, of which the platform tells too, are not the payment.
#[tokio::test(flavor = "multi_thread")]
async fn a_customer_may_try_again_on_the_platforms_page() {
    let shop = Shop::online_payments(&[]).await;
    let session = shop
        .op_payment_session("7.00", &json!({ "mode": "direct", "order_reference": "try-1" }))
        .await;
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let form = |number: &str| format!("cardNumber={number}&cardholderName=Jane&expiryDate=1230&cvv=123");
    let page = session["redirectUrl"].as_str().unwrap();
    http.post(page).body(form(DECLINED)).send().await.unwrap();
    let number = shop.op_booked()[0]["id"].as_str().unwrap().to_owned();
    let (id, secret) = shop.op_webhook_key();
    let event = |event: &str| {
        json!({ "apiVersion": "v1", "id": event, "type": "payment.rejected",
            "payment": { "id": format!("{number}_0") } })
        .to_string()
    };
    shop.op_event((&id, &secret), &event("e-1")).await.is(200);
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    let looked = shop.get(&path).await.is(200);
    assert_eq!(
        (&looked["status"], &looked["payment"]),
        (&json!("open"), &Value::Null)
    );
    http.post(page).body(form(VISA)).send().await.unwrap();
    let looked = shop.get(&path).await.is(200);
    shop.op_becomes(&looked["payment"], "approved").await;
    shop.op_event((&id, &secret), &event("e-2")).await.is(200);
    assert_eq!(shop.get(&path).await.is(200)["payment"]["status"], "approved");
    assert_eq!(
        shop.get("/v1/payments").await.is(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_money_moves_is_settled_after_the_restart() {
    use crate::crash::{Program, call};
    let sandbox = crate::shop::sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let info = &sandbox.info().platforms.online_payments;
    let more = format!(
        "[platforms.online_payments]\nenvironment = \"custom\"\nbase_url = {:?}\nmerchant_id = {:?}\napi_key_id = {:?}\n\
         secret_api_key = {:?}\n",
        info.base_url, info.merchant_id, info.credentials.api_key_id, info.credentials.secret_api_key
    );
    let text = crate::shop::config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", &more);
    std::fs::write(&config, text).unwrap();
    let http = client();
    let mut program = Program::start(&config);
    let post = async |program: &Program, path: &str, body: Value, key: Option<&str>| {
        let url = format!("{}{path}", program.url);
        call(&http, "POST", url, Some(&body), key).await.unwrap()
    };
    let (_, session) = post(
        &program,
        "/v1/sessions",
        json!({ "platform": "online_payments" }),
        None,
    )
    .await;
    let (status, token) = post(&program, "/v1/tokens", input(&session, VISA).await, None).await;
    assert_eq!(status, 201, "{token}");
    let order = |reference: &str| {
        json!({ "token": token["id"], "amount": "9.00", "currency": "EUR", "capture": "later",
            "order_reference": reference })
    };
    let (status, held) = post(&program, "/v1/payments", order("held"), Some("held")).await;
    assert_eq!((status, &held["status"]), (201, &json!("authorized")));
    let of = |verb: &str| format!("/v1/payments/{}/{verb}", held["id"].as_str().unwrap());
    for (route, path, body, reference, expected) in [
        (
            "payments",
            "/v1/payments".to_owned(),
            order("killed"),
            "killed",
            "authorized",
        ),
        ("payments/capture", of("capture"), json!({}), "held", "approved"),
        (
            "payments/refund",
            of("refund"),
            json!({ "amount": "4.00" }),
            "held",
            "partially_refunded",
        ),
    ] {
        let mut slow = Fault::new("online_payments", route, Kind::DelayAfterCommit);
        (slow.times, slow.ms) = (1, 3000);
        sandbox.inject(slow).unwrap();
        let url = format!("{}{path}", program.url);
        let (asking, http) = (body.clone(), http.clone());
        let asked = tokio::spawn(async move { call(&http, "POST", url, Some(&asking), Some("a-key")).await });
        tokio::time::sleep(Duration::from_millis(1200)).await;
        program.kill();
        assert_eq!(asked.await.unwrap(), None, "{route}: it was not killed in time");
        program = Program::start(&config);
        let mut last = Value::Null;
        let mut tries = 0;
        while last["status"] != expected && tries < 200 {
            tries += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let url = format!("{}/v1/payments", program.url);
            let (_, list) = call(&client(), "GET", url, None, None).await.unwrap();
            let payments = list["data"].as_array().unwrap();
            last = payments
                .iter()
                .find(|payment| payment["order_reference"] == reference)
                .cloned()
                .unwrap_or_default();
        }
        assert_eq!(last["status"], expected, "{route}: {last}");
    }
    let booked = sandbox.state()["online_payments"]["payments"].clone();
    assert_eq!(booked.as_array().unwrap().len(), 2, "{booked}");
    let made = |kind: &str| {
        booked
            .to_string()
            .matches(&format!("\"kind\":\"{kind}\""))
            .count()
    };
    assert_eq!((made("capture"), made("refund")), (1, 1), "{booked}");
}
