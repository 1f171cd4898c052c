//! The contract of the network-tokenization sample.

use axum::http::Request;
use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};

use crate::gp_api::{APPROVED, single};
use crate::shop::{ORIGIN, Shop};

async fn shop() -> Shop {
    Shop::gp_api(&[("CARDSEAL__COMPAT__GP_NETWORK_TOKENS", "true")]).await
}

async fn config(shop: &Shop) -> String {
    let request = Request::builder().uri("/config").header("origin", ORIGIN);
    let answer = shop.send(request.body(String::new().into()).unwrap()).await;
    let token = answer.json["data"]["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(
        answer.text,
        format!(r#"{{"success":true,"data":{{"accessToken":"{token}"}}}}"#)
    );
    token
}

/// What the official fields hand to the page.
async fn payment_reference(shop: &Shop, number: &str) -> Value {
    let token = config(shop).await;
    let base = &shop.sandbox.info().platforms.gp_api.base_url;
    single(base, &token, &json!("any"), number).await["id"].clone()
}

/// The sample's page and its routes have one address, and browsers send no `Origin` when a page reads from its own.
#[tokio::test]
async fn a_page_behind_the_same_address_gets_its_configuration() {
    let shop = shop().await;
    let own = ORIGIN.split_once("://").unwrap().1;
    let ask = |path: &str, site: &str, host: &str| {
        let request = Request::builder().uri(path).header("host", host);
        let request = request.header("sec-fetch-site", site);
        request.body(String::new().into()).unwrap()
    };
    shop.send(ask("/config", "same-origin", own)).await.is(200);
    for (site, host) in [
        ("cross-site", own),
        ("none", own),
        ("same-origin", "evil.example"),
    ] {
        let refused = shop.send(ask("/config", site, host)).await;
        assert_eq!(refused.status, 401, "{site} {host}");
    }
    // What moves money, or lists cards, asks such a page for the key.
    let refused = shop.send(ask("/list-tokens", "same-origin", own)).await;
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn answers_byte_for_byte_as_the_sample_does() {
    let shop = shop().await;
    let reference = payment_reference(&shop, APPROVED).await;
    let body = json!({ "payment_reference": reference });
    let created = shop.page("/create-network-token", &body).await;
    assert_eq!(created.status, 200, "{}", created.text);
    let data = &created.json["data"];
    let (id, at) = (data["id"].as_str().unwrap(), data["created_at"].as_str().unwrap());
    assert_eq!(
        created.json,
        json!({
            "success": true,
            "data": { "id": id, "brand": "VISA", "masked_card": "5262", "usage_mode": "USE_NETWORK_TOKEN",
                "status": "Active", "created_at": at },
            "message": "Network token created successfully",
        })
    );
    assert!(
        id.starts_with("PMT_") && at.len() == 25 && at.ends_with("+00:00"),
        "{id} {at}"
    );
    // The platform's own id stays inside, and the same reference again is the same token.
    assert!(!shop.gp().to_string().contains(id));
    assert_eq!(shop.page("/create-network-token", &body).await.text, created.text);
    let list = shop.get("/list-tokens").await.is(200);
    assert_eq!(list, json!({ "success": true, "data": [data] }));

    let pay = format!(r#"{{"pmt_id":"{id}","amount":10.00,"currency":"USD"}}"#);
    let paid = shop.merchant("POST", "/process-payment", Some(&raw(&pay))).await;
    let transaction = shop.booked()[0]["id"].clone();
    assert!(
        paid.text
            .contains(r#""amount":10.00,"currency":"USD","authCode":"#),
        "{}",
        paid.text
    );
    assert_eq!(
        paid.json,
        json!({
            "success": true,
            "data": { "transactionId": transaction, "status": "SUCCESS", "amount": 10.0, "currency": "USD",
                "authCode": paid.json["data"]["authCode"], "tokenUsageMode": "USE_NETWORK_TOKEN" },
            "message": "Payment processed successfully",
        })
    );
}

fn raw(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn amounts_are_the_digits_that_were_sent() {
    let shop = shop().await;
    let reference = payment_reference(&shop, APPROVED).await;
    let created = shop
        .page(
            "/create-network-token",
            &json!({ "payment_reference": reference }),
        )
        .await
        .is(200);
    let id = created["data"]["id"].as_str().unwrap();
    let pay = async |amount: &str, key: &str| {
        let body = format!(r#"{{"pmt_id":"{id}","amount":{amount},"currency":"USD"}}"#);
        let request = Request::builder()
            .method("POST")
            .uri("/process-payment")
            .header("authorization", format!("Bearer {}", crate::shop::API_KEY))
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        shop.send(request.body(body.into()).unwrap()).await
    };
    for (index, (amount, minor)) in [
        ("19.99", "1999"),
        ("0.29", "29"),
        ("1.15", "115"),
        ("8.2", "820"),
        ("10", "1000"),
        ("\"64.10\"", "6410"),
        ("10.00000", "1000"),
        ("1e1", "1000"),
        ("1E+1", "1000"),
        ("0.2e1", "200"),
        ("1999e-2", "1999"),
        ("199900e-4", "1999"),
        ("1.99900e1", "1999"),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("k{index}");
        let first = pay(amount, &key).await;
        assert_eq!(first.status, 200, "{}", first.text);
        assert_eq!(pay(amount, &key).await.text, first.text);
        assert_eq!(shop.booked()[index]["amount"], minor, "{amount}");
    }
    let booked = shop.booked().len();
    for amount in [
        "0.00",
        "1.005",
        "-1",
        "true",
        "null",
        "1e-3",
        "1e30",
        "\"1e\"",
        "\"e1\"",
        "\"1e400\"",
        "\"1.0.0\"",
        "\"\"",
        "0e9",
        "1005e-3",
    ] {
        let answer = pay(amount, "bad").await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json["success"]),
            (422, &json!(false)),
            "{amount} {}",
            answer.text
        );
    }
    assert_eq!(shop.booked().len(), booked);

    let mut fault = Fault::new("gp_api", "transactions", Kind::RespCode);
    fault.value = Some("51".into());
    shop.sandbox.inject(fault).unwrap();
    assert_eq!(
        pay("5.00", "declined").await.text,
        r#"{"message":"Transaction failed: Insufficient funds","success":false}"#
    );
}

#[tokio::test]
async fn failures_have_the_samples_shape_and_nothing_is_open_to_everybody() {
    let shop = shop().await;
    for (method, path) in [
        ("GET", "/config"),
        ("GET", "/list-tokens"),
        ("POST", "/process-payment"),
        ("POST", "/create-network-token"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("origin", "https://elsewhere.example")
            .header("content-type", "application/json");
        let answer = shop.send(request.body("{}".to_owned().into()).unwrap()).await;
        assert!(
            answer.status == 403 || answer.status == 401,
            "{path} {}",
            answer.status
        );
        assert_eq!(answer.json["success"], false, "{path}");
        assert!(answer.json["message"].as_str().unwrap().contains(": "), "{path}");
    }
    // A page may not list or charge.
    let answer = shop.page("/process-payment", &json!({})).await;
    assert_eq!(answer.status, 401);

    shop.gp_setting(&json!({ "verification_returns_id": false }));
    let reference = payment_reference(&shop, APPROVED).await;
    let answer = shop
        .page(
            "/create-network-token",
            &json!({ "payment_reference": reference }),
        )
        .await;
    assert_eq!(
        answer.json,
        json!({ "success": false, "message": "Failed to create network token: no token returned" })
    );
    let unknown = json!({ "payment_reference": "PMT_00000000-0000-4000-8000-000000000000" });
    let answer = shop.page("/create-network-token", &unknown).await;
    assert!(
        answer.json["message"]
            .as_str()
            .unwrap()
            .starts_with("RESOURCE_NOT_FOUND: "),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn a_wrong_key_is_told_in_the_platforms_words() {
    let shop = Shop::gp_api(&[
        ("CARDSEAL__COMPAT__GP_NETWORK_TOKENS", "true"),
        ("CARDSEAL__PLATFORMS__GP_API__APP_KEY", "another key"),
    ])
    .await;
    let request = Request::builder().uri("/config").header("origin", ORIGIN);
    let answer = shop.send(request.body(String::new().into()).unwrap()).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json["success"]),
        (422, &json!(false))
    );
    let message = answer.json["message"].as_str().unwrap();
    assert!(message.starts_with("ACTION_NOT_AUTHORIZED: "), "{message}");
}

#[tokio::test]
async fn is_not_there_unless_it_is_switched_on() {
    let shop = Shop::gp_api(&[]).await;
    let request = Request::builder().uri("/config").header("origin", ORIGIN);
    shop.send(request.body(String::new().into()).unwrap())
        .await
        .problem(404, "not_found");
}

/// Of a network token for a card, as the page sees it.
async fn network_token(shop: &Shop) -> (Value, Value) {
    let body = json!({ "payment_reference": payment_reference(shop, APPROVED).await });
    let created = shop.page("/create-network-token", &body).await.is(200);
    (body, created["data"].clone())
}

#[tokio::test]
async fn a_payment_reference_twice_at_once_is_one_network_token() {
    let shop = shop().await;
    for round in 1..=8 {
        let body = json!({ "payment_reference": payment_reference(&shop, APPROVED).await });
        let (first, second) = tokio::join!(
            shop.page("/create-network-token", &body),
            shop.page("/create-network-token", &body)
        );
        assert_eq!(first.is(200), second.is(200));
        let list = shop.get("/list-tokens").await.is(200);
        assert_eq!(list["data"].as_array().unwrap().len(), round);
    }
}

#[tokio::test]
async fn all_network_tokens_are_listed_whatever_else_is_stored() {
    let shop = shop().await;
    let mut made = Vec::new();
    for _ in 0..12 {
        made.push(network_token(&shop).await.1);
    }
    for _ in 0..101 {
        shop.token(crate::shop::APPROVED).await;
    }
    let list = shop.get("/list-tokens").await.is(200);
    assert_eq!(list["data"], json!(made));
}

#[tokio::test]
async fn a_deleted_network_token_is_never_active_again() {
    let shop = shop().await;
    let (body, data) = network_token(&shop).await;
    let id = data["id"].as_str().unwrap().replace("PMT_", "tok_");
    shop.gp_setting(&json!({ "delete_permission": true }));
    shop.merchant("DELETE", &format!("/v1/tokens/{id}"), None)
        .await
        .is(200);
    let again = shop.page("/create-network-token", &body).await;
    assert_eq!(
        (again.status.as_u16(), again.json),
        (
            409,
            json!({ "success": false, "message": "Failed to create network token: the token has been deleted" })
        )
    );
    assert_eq!(shop.get("/list-tokens").await.is(200)["data"], json!([]));
    let pay = json!({ "pmt_id": data["id"], "amount": 1, "currency": "USD" });
    let refused = shop.merchant("POST", "/process-payment", Some(&pay)).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json["message"]),
        (409, &json!("TOKEN_DELETED: the token has been deleted"))
    );
}

#[tokio::test]
async fn a_card_of_a_session_is_not_exchanged_here() {
    let shop = shop().await;
    let session = shop.gp_session().await;
    let single = shop.single(&session, APPROVED).await;
    let body = json!({ "payment_reference": single["id"] });
    let refused = shop.page("/create-network-token", &body).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json["success"]),
        (409, &json!(false))
    );
    assert!(
        refused.json["message"]
            .as_str()
            .unwrap()
            .starts_with("TOKEN_BELONGS_ELSEWHERE: "),
        "{}",
        refused.text
    );
    assert_eq!(shop.gp()["verifications_made"], 0);
    let hand = json!({ "session": session["id"], "answer": single });
    shop.page("/v1/tokens", &hand).await.is(201);
    // Nor is what was stored of it, and nothing of either kind is charged for anyone else.
    for keeps_id in [false, true] {
        shop.gp_setting(&json!({ "verification_keeps_id": keeps_id }));
        let token = shop.gp_token(APPROVED).await;
        for method in shop.gp()["payment_methods"].as_array().unwrap() {
            let body = json!({ "payment_reference": method["id"] });
            let refused = shop.page("/create-network-token", &body).await;
            assert!(refused.status.is_client_error(), "{}", refused.text);
        }
        shop.gp_pay(&token, "1.00", &json!({}), &keeps_id.to_string())
            .await
            .is(201);
    }
    assert_eq!(
        shop.get("/v1/tokens").await.is(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

/// The platform may write a reference in capitals.
#[tokio::test]
async fn a_card_of_a_session_is_known_in_capitals_too() {
    let shop = shop().await;
    let mut session = shop.gp_session().await;
    session["reference"] = session["reference"].as_str().unwrap().to_uppercase().into();
    let single = shop.single(&session, APPROVED).await;
    let body = json!({ "payment_reference": single["id"] });
    let refused = shop.page("/create-network-token", &body).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert_eq!(shop.gp()["verifications_made"], 0);
}

/// No place at the platform: it does not hear of the payment reference at all.
#[tokio::test]
async fn a_payment_reference_takes_a_place_at_the_platform() {
    let shop = Shop::gp_api(&[
        ("CARDSEAL__COMPAT__GP_NETWORK_TOKENS", "true"),
        ("CARDSEAL__HTTP__CALLS_PER_PLATFORM", "1"),
        ("CARDSEAL__HTTP__WAITING_PER_PLATFORM", "0"),
        ("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "20000"),
    ])
    .await;
    let token = shop.gp_token(APPROVED).await;
    let body = json!({ "payment_reference": payment_reference(&shop, APPROVED).await });
    shop.gp_fault("transactions", Kind::DelayAfterCommit, 1, 3000);
    let none = json!({});
    let (paid, refused) = tokio::join!(shop.gp_pay(&token, "1.00", &none, "k"), async {
        while shop.booked().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        shop.gp_fault("*", Kind::DropBefore, 0, 0);
        let refused = shop.page("/create-network-token", &body).await;
        shop.sandbox.clear_faults();
        refused
    });
    paid.is(201);
    let message = refused.json["message"].as_str().unwrap();
    assert!(message.starts_with("PLATFORM_BUSY: "), "{message}");
    shop.page("/create-network-token", &body).await.is(200);
}

#[tokio::test]
async fn a_wrong_method_or_body_is_refused_in_the_samples_shape() {
    let shop = shop().await;
    for (path, right) in [
        ("/config", "GET"),
        ("/create-network-token", "POST"),
        ("/list-tokens", "GET"),
        ("/process-payment", "POST"),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if method == right {
                continue;
            }
            let answer = shop.merchant(method, path, None).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json),
                (
                    405,
                    &json!({ "success": false,
                        "message": "METHOD_NOT_ALLOWED: the address does not take this method" })
                ),
                "{method} {path}"
            );
            let allow = answer.headers["allow"].to_str().unwrap();
            assert!(allow.contains(right), "{method} {path} {allow}");
        }
        if right == "GET" {
            continue;
        }
        for (kind, body) in [
            ("application/json", "{"),
            ("application/json", "[]"),
            ("application/json", ""),
            ("text/plain", "pmt_id=1"),
            ("application/x-www-form-urlencoded", "pmt_id=1"),
        ] {
            let request = Request::builder()
                .method("POST")
                .uri(path)
                .header("origin", ORIGIN)
                .header("authorization", format!("Bearer {}", crate::shop::API_KEY))
                .header("content-type", kind);
            let answer = shop.send(request.body(body.to_owned().into()).unwrap()).await;
            assert!(answer.status.is_client_error(), "{path} {body} {}", answer.text);
            assert_eq!(answer.json["success"], false, "{path} {body}");
            assert!(answer.json["message"].is_string(), "{path} {body}");
        }
    }
}

/// Pages send more than the sample's own; a card number is refused wherever it stands.
#[tokio::test]
async fn further_keys_are_ignored_as_in_the_sample() {
    let shop = shop().await;
    let body =
        json!({ "payment_reference": payment_reference(&shop, APPROVED).await, "csrf": "x", "card": {} });
    let created = shop.page("/create-network-token", &body).await.is(200);
    let pay = json!({ "pmt_id": created["data"]["id"], "amount": 10.00, "currency": "USD", "note": "x" });
    let paid = shop
        .merchant("POST", "/process-payment", Some(&pay))
        .await
        .is(200);
    assert_eq!(paid["success"], true);
    let pay = json!({ "pmt_id": created["data"]["id"], "amount": 10.00, "note": APPROVED });
    let refused = shop.merchant("POST", "/process-payment", Some(&pay)).await;
    assert_eq!(refused.status, 422);
    assert_eq!(shop.booked().len(), 1);
}
