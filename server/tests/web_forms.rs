//! GreenPay's web forms: the card is entered at the platform, and the customer brings the answer back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};

use crate::shop::{APPROVED, Answer, DECLINED_51, Shop, WEBHOOK_SECRET};

const RETURN: &str = "https://shop.example/return/order-7";

fn browser() -> reqwest::Client {
    let _ = crate::shop::client();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(std::time::Duration::from_secs(20))
        .build()
        .unwrap()
}

async fn open(shop: &Shop, ask: Value) -> Value {
    let mut ask = ask;
    ask["mode"] = "direct".into();
    ask["return_url"] = RETURN.into();
    shop.merchant("POST", "/v1/sessions", Some(&ask)).await.is(201)
}

async fn payment(shop: &Shop) -> Value {
    let ask = json!({ "kind": "payment", "amount": "7.70", "currency": "USD" });
    open(shop, ask).await
}

/// Fills in the form, as the customer would. Returns the platform's response.
async fn fill(session: &Value, number: &str) -> reqwest::Result<reqwest::Response> {
    let url = session["form_url"].as_str().unwrap();
    let page = browser().get(url).send().await?;
    assert_eq!(page.status(), 200);
    assert!(page.text().await?.contains("<form method=\"post\""));
    let typed =
        format!("cardNumber={number}&cardHolder=Ana+Mora&expirationDate=12%2F30&cvc=123&nickname=my+card");
    let request = browser()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(typed);
    request.send().await
}

/// The answer in the address that the platform sends the customer to.
fn brought_back(response: &reqwest::Response) -> Value {
    assert_eq!(response.status(), 303);
    let address = response.headers()["location"].to_str().unwrap();
    let answer = address
        .strip_prefix(RETURN)
        .and_then(|rest| rest.strip_prefix('/'));
    serde_json::from_slice(&STANDARD.decode(answer.unwrap()).unwrap()).unwrap()
}

async fn answer(session: &Value, number: &str) -> Value {
    brought_back(&fill(session, number).await.unwrap())
}

async fn hand_over(shop: &Shop, path: &str, session: &Value, answer: &Value) -> Answer {
    let body = json!({ "session": session["id"], "answer": answer });
    shop.page(path, &body).await
}

#[tokio::test]
async fn a_card_entered_at_the_form_is_stored_and_waits_for_the_platforms_word() {
    let shop = Shop::open().await;
    let session = open(&shop, json!({ "customer": "c-1" })).await;
    assert_eq!(session["return_url"], RETURN);
    for key in ["session", "token", "checkout_url", "card_token"] {
        assert_eq!(session.get(key), None, "{key}");
    }
    let path = format!("/v1/sessions/{}/page", session["id"].as_str().unwrap());
    let again = shop.page(&path, &json!({})).await.is(200);
    assert_eq!(again["form_url"], session["form_url"]);
    assert_eq!(shop.sandbox.state()["greenpay"]["orders"][0]["callback"], RETURN);

    let answer = answer(&session, APPROVED).await;
    let token = hand_over(&shop, "/v1/tokens", &session, &answer).await.is(201);
    assert_eq!(
        (&token["status"], &token["last4"], &token["nickname"]),
        (&json!("unconfirmed"), &json!("4242"), &json!("my card"))
    );
    let repeated = hand_over(&shop, "/v1/tokens", &session, &answer).await;
    assert_eq!(repeated.is(201), token);
    shop.charge(&token, "k").await.problem(409, "token_unconfirmed");
    shop.notify("/newCard", &answer).await.is(200);
    shop.charge(&token, "k").await.is(201);
    let path = session["form_url"].as_str().unwrap();
    let used = browser().get(path).send().await.unwrap();
    assert_eq!(used.status(), 404);
}

#[tokio::test]
async fn a_payment_made_at_the_form_counts_as_far_as_it_is_signed() {
    let shop = Shop::open().await;
    let session = payment(&shop).await;
    let other = payment(&shop).await;
    let good = answer(&session, APPROVED).await;
    let foreign = hand_over(&shop, "/v1/payments", &other, &good).await;
    foreign.problem(422, "field_invalid");
    let mut lie = good.clone();
    lie["last4"] = "1111".into();
    let paid = hand_over(&shop, "/v1/payments", &session, &lie).await.is(201);
    assert_eq!(
        (&paid["status"], &paid["amount"], &paid["last4"]),
        (&json!("approved"), &json!("7.70"), &json!(null))
    );
    let again = hand_over(&shop, "/v1/payments", &session, &lie).await.is(201);
    assert_eq!(again["id"], paid["id"]);
    shop.notify("/", &good).await.is(200);
    let path = format!("/v1/payments/{}", paid["id"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.is(200)["last4"], "4242");
    assert_eq!(shop.transactions().len(), 1);

    let declined = answer(&other, DECLINED_51).await;
    let refused = hand_over(&shop, "/v1/payments", &other, &declined).await.is(201);
    assert_eq!(
        (&refused["status"], &refused["decline"]["reason"]),
        (&json!("declined"), &json!("insufficient_funds"))
    );
}

#[tokio::test]
async fn a_forged_answer_pays_nothing_and_stores_nothing() {
    let shop = Shop::open().await;
    let session = payment(&shop).await;
    shop.fault("forms/payment", Kind::WrongKeySignature);
    let forged = answer(&session, APPROVED).await;
    let unknown = hand_over(&shop, "/v1/payments", &session, &forged).await.is(202);
    assert_eq!(unknown["status"], "unknown");
    let token = open(&shop, json!({})).await;
    shop.fault("forms/token", Kind::BadSignature);
    let forged = answer(&token, APPROVED).await;
    let refused = hand_over(&shop, "/v1/tokens", &token, &forged).await;
    refused.problem(422, "signature_invalid");
}

#[tokio::test]
async fn a_customer_who_never_comes_back_has_paid_all_the_same() {
    let shop = Shop::open().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}/v1/notifications/greenpay/{WEBHOOK_SECRET}");
    let router = shop.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let webhook = json!({ "webhook_url": url });
    shop.sandbox.change_settings("greenpay", &webhook).unwrap();

    let session = payment(&shop).await;
    let mut fault = Fault::new("greenpay", "forms/payment", Kind::DropAfterCommit);
    fault.webhook_after_ms = 1000;
    shop.sandbox.inject(fault).unwrap();
    fill(&session, APPROVED).await.unwrap_err();
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    let outcome = async || shop.get(&path).await.is(200);
    for _ in 0..400 {
        if outcome().await["status"] != "open" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let known = outcome().await;
    assert_eq!(
        (
            &known["status"],
            &known["payment"]["status"],
            &known["payment"]["last4"]
        ),
        (&json!("used"), &json!("approved"), &json!("4242"))
    );
    assert_eq!(shop.transactions().len(), 1);
}

#[tokio::test]
async fn a_stored_card_is_replaced_at_the_form() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    let before = shop.sandbox.state()["greenpay"]["card_tokens"][0]["token"].clone();
    let session = open(&shop, json!({ "kind": "update", "token": token["id"] })).await;
    let url = session["form_url"].as_str().unwrap();
    assert!(url.ends_with(&format!("?{}", before.as_str().unwrap())));
    let answer = answer(&session, "5555555555554444").await;
    let replaced = hand_over(&shop, "/v1/tokens", &session, &answer).await.is(200);
    assert_eq!(
        (&replaced["id"], &replaced["status"]),
        (&token["id"], &json!("unconfirmed"))
    );
    let cards = shop.sandbox.state()["greenpay"]["card_tokens"].clone();
    assert_eq!(
        (&cards[0]["deleted"], &cards[1]["last4"]),
        (&json!(true), &json!("4444"))
    );
    shop.notify("/newCard", &answer).await.is(200);
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    let known = shop.get(&path).await.is(200);
    assert_eq!(
        (&known["status"], &known["last4"]),
        (&json!("active"), &json!("4444"))
    );
}

#[tokio::test]
async fn only_the_merchant_opens_a_form_and_only_for_an_address_that_a_path_can_follow() {
    let shop = Shop::open().await;
    let ask = |mode: &str, url: &str| json!({ "mode": mode, "return_url": url });
    shop.page("/v1/sessions", &ask("direct", RETURN))
        .await
        .problem(401, "api_key_missing");
    let long = format!("https://shop.example/{}", "a".repeat(200));
    for (mode, url, code) in [
        ("relay", RETURN, "unknown_field"),
        ("direct", "https://shop.example/?order=7", "field_invalid"),
        ("direct", "http://shop.example/", "field_invalid"),
        ("direct", "shop.example", "field_invalid"),
        ("direct", long.as_str(), "field_invalid"),
    ] {
        let answer = shop.merchant("POST", "/v1/sessions", Some(&ask(mode, url))).await;
        assert_eq!(
            (answer.code(), &answer.json["field"]),
            (code, &json!("return_url")),
            "{mode} {url}"
        );
    }
    let mut localized = ask("direct", RETURN);
    localized["locale"] = "es_CR".into();
    let answer = shop.merchant("POST", "/v1/sessions", Some(&localized)).await;
    assert_eq!(answer.json["field"], "locale");
    assert_eq!(shop.sandbox.state()["greenpay"]["orders"], json!([]));
}
