use cardseal_sandbox::faults::Kind;
use serde_json::{Value, json};

use crate::shop::{APPROVED, Shop, WEBHOOK_SECRET, post};

/// The platform's answer to a payment, which is also its notification.
pub(crate) async fn signed_payment(shop: &Shop) -> (Value, Value) {
    let ask = json!({ "kind": "payment", "mode": "direct", "amount": "7.70", "currency": "USD" });
    let session = shop.merchant("POST", "/v1/sessions", Some(&ask)).await.is(201);
    let mut body = shop.seal(&session, APPROVED);
    body["session"] = session["session"].clone();
    let request = crate::shop::client()
        .post(format!("{}/", session["checkout_url"].as_str().unwrap()))
        .header("liszt-token", session["token"].as_str().unwrap())
        .json(&body);
    (session, request.send().await.unwrap().json().await.unwrap())
}

#[tokio::test]
async fn a_payment_that_a_browser_made_is_known_by_its_notification() {
    let shop = Shop::open().await;
    let (session, notification) = signed_payment(&shop).await;
    shop.notify("/", &notification).await.is(200);
    shop.notify("/", &notification).await.is(200);
    let payments = shop.get("/v1/payments").await.is(200);
    assert_eq!(payments["data"].as_array().unwrap().len(), 1);
    let payment = &payments["data"][0];
    assert_eq!(
        (&payment["status"], &payment["amount"]),
        (&json!("approved"), &json!("7.70"))
    );
    assert_eq!(payment["order_reference"], session["order_reference"]);
    // The page hands over the same a moment later.
    let hand_over = json!({ "session": session["id"], "answer": notification });
    let told = shop.page("/v1/payments", &hand_over).await.is(201);
    assert_eq!(told["id"], payment["id"]);
    // What is not verifiably the platform's is told nothing.
    let mut lie = hand_over;
    lie["answer"]["_signature"] = json!("00");
    shop.page("/v1/payments", &lie).await.problem(409, "session_used");
}

#[tokio::test]
async fn of_a_browsers_word_about_a_payment_only_what_is_signed_is_kept() {
    let shop = Shop::open().await;
    let (session, answer) = signed_payment(&shop).await;
    let mut lie = answer.clone();
    lie["authorization"] = json!("000000");
    lie["last4"] = json!("1111");
    let hand_over = json!({ "session": session["id"], "answer": lie });
    let payment = shop.page("/v1/payments", &hand_over).await.is(201);
    assert_eq!(
        (&payment["status"], &payment["authorization"], &payment["last4"]),
        (&json!("approved"), &json!(null), &json!(null))
    );
    shop.notify("/", &answer).await.is(200);
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    let known = shop.get(&path).await.is(200);
    assert_eq!(
        (&known["authorization"], &known["last4"]),
        (&answer["authorization"], &json!("4242"))
    );
}

#[tokio::test]
async fn takes_nothing_that_is_not_verifiably_the_platforms() {
    let shop = Shop::open().await;
    let (_, good) = signed_payment(&shop).await;
    let mut wrong = good.clone();
    wrong["status"] = 500.into();
    shop.notify("/", &wrong).await.problem(422, "signature_invalid");
    let mut unsigned = good.clone();
    unsigned.as_object_mut().unwrap().remove("_signature");
    shop.notify("", &unsigned).await.problem(422, "signature_invalid");
    shop.notify("/", &json!([1])).await.problem(400, "bad_json");
    shop.notify("/somewhere", &good).await.problem(404, "not_found");
    for secret in ["wrong", "webhook-secret-for-test", "webhook-secret-for-testsX"] {
        let path = format!("/v1/notifications/greenpay/{secret}/");
        let answer = shop
            .send(post(&path, &good).body(good.to_string().into()).unwrap())
            .await;
        answer.problem(404, "not_found");
    }
    let path = format!("/v1/notifications/other/{WEBHOOK_SECRET}/");
    shop.send(post(&path, &good).body(good.to_string().into()).unwrap())
        .await
        .problem(404, "not_found");
    assert_eq!(shop.get("/v1/payments").await.is(200)["data"], json!([]));
}

#[tokio::test]
async fn takes_nothing_without_a_secret_in_the_address() {
    let shop = Shop::open().await;
    let text = crate::shop::config_text(
        &shop.sandbox,
        &shop.folder.path().join("b.sqlite"),
        "127.0.0.1:0",
        "",
    )
    .replace(&format!("webhook_path_secret = \"{WEBHOOK_SECRET}\"\n"), "");
    let config =
        cardseal_server::config::Config::from_parts(&text, &std::collections::BTreeMap::new()).unwrap();
    let app = cardseal_server::Shared::start(config).await.unwrap();
    let (_, good) = signed_payment(&shop).await;
    let request =
        post(&format!("/v1/notifications/greenpay/{WEBHOOK_SECRET}/"), &good).body(good.to_string().into());
    let answer = crate::shop::send(cardseal_server::router(&app), request.unwrap()).await;
    answer.problem(404, "not_found");
}

#[tokio::test]
async fn news_of_a_payment_that_is_settled_changes_nothing() {
    let shop = Shop::open().await;
    let (_, notification) = signed_payment(&shop).await;
    shop.notify("/", &notification).await.is(200);
    let id = shop.get("/v1/payments").await.is(200)["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/payments/{id}/void");
    shop.merchant("POST", &path, Some(&json!({ "bin": "424242" })))
        .await
        .is(200);
    let mut again = notification.clone();
    again["callback"] = "another body, the same news".into();
    shop.notify("/", &again).await.is(200);
    assert_eq!(
        shop.get(&format!("/v1/payments/{id}")).await.is(200)["status"],
        "voided"
    );
}

#[tokio::test]
async fn a_lost_token_comes_back_with_its_notification() {
    let shop = Shop::open().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/v1/notifications/greenpay/{WEBHOOK_SECRET}",
        listener.local_addr().unwrap()
    );
    let router = shop.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    shop.sandbox
        .change_settings("greenpay", &json!({ "webhook_url": url }))
        .unwrap();
    let session = shop.session().await;
    let body = shop.seal(&session, APPROVED);
    shop.fault("checkout/tokenize", Kind::DropAfterCommit);
    shop.page("/v1/tokens", &body)
        .await
        .problem(504, "platform_timeout");
    for _ in 0..100 {
        if shop.get("/v1/tokens").await.is(200)["data"][0].is_object() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // The same card again gets the token that the platform had made.
    let token = shop.page("/v1/tokens", &body).await.is(201);
    assert_eq!(
        (&token["status"], &token["customer"]),
        (&json!("active"), &json!("c-1"))
    );
    shop.charge(&token, "k").await.is(201);
}

/// HTTP wants a 405 to name the methods that there are.
#[tokio::test]
async fn a_get_at_an_address_that_takes_none_is_told_what_is_allowed() {
    let shop = Shop::open().await;
    for address in [
        format!("/v1/notifications/greenpay/{WEBHOOK_SECRET}"),
        format!("/v1/notifications/greenpay/{WEBHOOK_SECRET}/newCard"),
        "/v1/payments/pay_x/void".to_owned(),
    ] {
        let answer = shop.get(&address).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (405, "method_not_allowed"),
            "{address}"
        );
        assert_eq!(answer.headers["allow"], "POST", "{address}");
    }
}
