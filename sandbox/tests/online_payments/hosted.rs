//! Hosted checkout and hosted tokenization, with their pages as a browser without scripts uses them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha384};

use super::shop::{Answer, CHALLENGED, DECLINED, Shop, VISA, order, with};

fn card(number: &str) -> Vec<(&str, &str)> {
    vec![
        ("cardNumber", number),
        ("cardholderName", "Zoë Müller"),
        ("expiryDate", "12/30"),
        ("cvv", "123"),
    ]
}

async fn submit(shop: &Shop, url: &str, fields: &[(&str, &str)], accept: &str) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let request = shop.http.post(url).header("Accept", accept);
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    Answer::of(request.body(body).send().await.unwrap()).await
}

async fn checkout(shop: &Shop, change: Value) -> Value {
    let mut input =
        json!({ "returnUrl": "https://shop.example/return", "locale": "de_DE", "showResultPage": false });
    input
        .as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    let body = with(order(123), "hostedCheckoutSpecificInput", input);
    let body = with(
        body,
        "cardPaymentMethodSpecificInput",
        json!({ "authorizationMode": "SALE" }),
    );
    shop.post("/hostedcheckouts", &body).await.good(200)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

async fn status(shop: &Shop, made: &Value) -> Value {
    let path = format!("/hostedcheckouts/{}", text(made, "hostedCheckoutId"));
    shop.get(&path).await.good(200)
}

#[tokio::test]
async fn pays_on_a_page_and_comes_back() {
    let shop = Shop::open().await;
    let made = checkout(&shop, json!({})).await;
    let id = text(&made, "hostedCheckoutId");
    assert!(id.len() == 10 && id.bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(
        (text(&made, "RETURNMAC").len(), text(&made, "merchantReference")),
        (36, "order-1")
    );
    assert_eq!(made.get("invalidTokens"), None);
    let url = text(&made, "redirectUrl");
    assert!(url.ends_with(text(&made, "partialRedirectUrl")));
    assert_eq!(
        status(&shop, &made).await,
        json!({ "status": "IN_PROGRESS", "createdPaymentOutput": { "paymentStatusCategory": "STATUS_UNKNOWN" } })
    );
    let page = shop.http.get(url).send().await.unwrap();
    assert_eq!(page.headers()["cache-control"], "no-store");
    let html = page.text().await.unwrap();
    assert!(html.contains("order-1") && html.contains("cardNumber"));
    // A mistyped card costs no attempt.
    let wrong = submit(&shop, url, &card("4567350000427978"), "text/html").await;
    assert_eq!(wrong.http, 422);
    assert!(wrong.text.contains("card number is not valid") && !wrong.text.contains("4567350000427978"));
    let paid = submit(&shop, url, &card("4567 3500 0042 7977"), "text/html").await;
    assert_eq!(paid.http, 303);
    let back = format!(
        "https://shop.example/return?RETURNMAC={}&hostedCheckoutId={id}",
        text(&made, "RETURNMAC")
    );
    assert_eq!(paid.header("location"), Some(&*back));
    let told = status(&shop, &made).await;
    assert_eq!(told["status"], "PAYMENT_CREATED");
    let output = &told["createdPaymentOutput"];
    assert_eq!(output["paymentStatusCategory"], "SUCCESSFUL");
    assert_eq!(output["payment"]["id"], format!("{id}_0"));
    assert_eq!(
        output["payment"]["statusOutput"],
        json!({ "isCancellable": false, "statusCategory": "COMPLETED", "statusCode": 9, "isAuthorized": false,
            "isRefundable": true })
    );
    // Once is enough.
    assert_eq!(submit(&shop, url, &card(VISA), "text/html").await.http, 404);
    assert_eq!(shop.payments().len(), 1);
    shop.post(&format!("/payments/{id}_0/refund"), &json!({}))
        .await
        .good(201);
}

#[tokio::test]
async fn shows_the_result_unless_told_not_to() {
    let shop = Shop::open().await;
    let made = checkout(&shop, json!({ "showResultPage": true })).await;
    let paid = submit(&shop, text(&made, "redirectUrl"), &card(VISA), "text/html").await;
    assert_eq!(paid.http, 200);
    assert!(
        paid.text.contains("https://shop.example/return?RETURNMAC="),
        "{}",
        paid.text
    );
    let nowhere = checkout(&shop, json!({ "returnUrl": null })).await;
    let paid = submit(&shop, text(&nowhere, "redirectUrl"), &card(VISA), "text/html").await;
    assert_eq!(paid.http, 200);
    assert_eq!(status(&shop, &nowhere).await["status"], "PAYMENT_CREATED");
}

#[tokio::test]
async fn counts_attempts() {
    let shop = Shop::open().await;
    let made = checkout(&shop, json!({ "allowedNumberOfPaymentAttempts": 2 })).await;
    let url = text(&made, "redirectUrl");
    assert_eq!(submit(&shop, url, &card(DECLINED), "text/html").await.http, 402);
    assert_eq!(status(&shop, &made).await["status"], "IN_PROGRESS");
    assert_eq!(submit(&shop, url, &card(DECLINED), "text/html").await.http, 303);
    let told = status(&shop, &made).await;
    assert_eq!(told["createdPaymentOutput"]["paymentStatusCategory"], "REJECTED");
    let again = checkout(&shop, json!({ "allowedNumberOfPaymentAttempts": 2 })).await;
    let url = text(&again, "redirectUrl");
    assert_eq!(submit(&shop, url, &card(DECLINED), "text/html").await.http, 402);
    assert_eq!(submit(&shop, url, &card(VISA), "text/html").await.http, 303);
    assert_eq!(
        status(&shop, &again).await["createdPaymentOutput"]["paymentStatusCategory"],
        "SUCCESSFUL"
    );
    assert_eq!(shop.payments().len(), 2);
}

#[tokio::test]
async fn can_be_cancelled_or_expire() {
    let shop = Shop::open().await;
    let made = checkout(&shop, json!({})).await;
    let cancelled = submit(
        &shop,
        text(&made, "redirectUrl"),
        &[("action", "cancel")],
        "text/html",
    )
    .await;
    assert!(
        cancelled
            .header("location")
            .unwrap()
            .starts_with("https://shop.example/return?RETURNMAC=")
    );
    assert_eq!(
        status(&shop, &made).await,
        json!({ "status": "CANCELLED_BY_CONSUMER" })
    );
    let short = checkout(&shop, json!({ "sessionTimeout": 5 })).await;
    shop.advance(301);
    let url = text(&short, "redirectUrl");
    assert_eq!(shop.http.get(url).send().await.unwrap().status(), 404);
    assert_eq!(submit(&shop, url, &card(VISA), "text/html").await.http, 404);
    assert!(shop.payments().is_empty());
}

#[tokio::test]
async fn sends_the_shopper_to_authenticate_on_the_way() {
    let shop = Shop::open().await;
    let made = checkout(&shop, json!({})).await;
    let next = submit(&shop, text(&made, "redirectUrl"), &card(CHALLENGED), "text/html").await;
    let challenge = next.header("location").unwrap().to_owned();
    assert_eq!(
        status(&shop, &made).await["createdPaymentOutput"]["paymentStatusCategory"],
        "STATUS_UNKNOWN"
    );
    let back = submit(&shop, &challenge, &[("action", "pass")], "text/html").await;
    let id = text(&made, "hostedCheckoutId");
    assert!(
        back.header("location")
            .unwrap()
            .ends_with(&format!("&hostedCheckoutId={id}"))
    );
    assert_eq!(
        status(&shop, &made).await["createdPaymentOutput"]["payment"]["status"],
        "CAPTURED"
    );
}

#[tokio::test]
async fn offers_stored_cards_and_stores_new_ones() {
    let shop = Shop::open().await;
    let token = shop.stored(VISA).await;
    let made = checkout(&shop, json!({ "tokens": format!("{token},unknown") })).await;
    assert_eq!(made["invalidTokens"], json!(["unknown"]));
    let url = text(&made, "redirectUrl");
    assert!(
        shop.http
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("************7977")
    );
    let fields = [("storedCard", &*token), ("cvv", "12")];
    assert_eq!(submit(&shop, url, &fields, "text/html").await.http, 422);
    let fields = [("storedCard", &*token), ("cvv", "123")];
    assert_eq!(submit(&shop, url, &fields, "text/html").await.http, 303);
    let output = status(&shop, &made).await["createdPaymentOutput"]["payment"]["paymentOutput"].clone();
    assert_eq!(output["cardPaymentMethodSpecificOutput"]["token"], *token);
    // A token of somebody else's order is not offered, and not taken.
    let other = checkout(&shop, json!({})).await;
    let url = text(&other, "redirectUrl");
    assert_eq!(submit(&shop, url, &fields, "text/html").await.http, 422);
    let mut new = card("4012000033330026");
    new.push(("storePermanently", "true"));
    assert_eq!(submit(&shop, url, &new, "text/html").await.http, 303);
    let output = status(&shop, &other).await["createdPaymentOutput"]["payment"]["paymentOutput"].clone();
    let token = output["cardPaymentMethodSpecificOutput"]["token"]
        .as_str()
        .unwrap();
    shop.get(&format!("/tokens/{token}")).await.good(200);
}

#[tokio::test]
async fn refuses_checkouts_that_cannot_be() {
    let shop = Shop::open().await;
    for (input, member) in [
        (
            json!({ "returnUrl": format!("https://{}", "a".repeat(200)) }),
            "returnUrl",
        ),
        (json!({ "returnUrl": "javascript:alert(1)" }), "returnUrl"),
        (
            json!({ "allowedNumberOfPaymentAttempts": 11 }),
            "allowedNumberOfPaymentAttempts",
        ),
        (
            json!({ "allowedNumberOfPaymentAttempts": 0 }),
            "allowedNumberOfPaymentAttempts",
        ),
        (json!({ "sessionTimeout": 0 }), "sessionTimeout"),
        (json!({ "locale": "invalid_locale" }), "locale"),
    ] {
        let body = with(order(123), "hostedCheckoutSpecificInput", input);
        let answer = shop.post("/hostedcheckouts", &body).await;
        let member = format!("hostedCheckoutSpecificInput.{member}");
        assert_eq!(answer.refusal(), (400, "INVALID_VALUE", &*member));
        assert_eq!(answer.body["errors"][0]["code"], "1008");
    }
    assert_eq!(
        shop.post("/hostedcheckouts", &json!({})).await.refusal().1,
        "PARAMETER_NOT_FOUND_IN_REQUEST"
    );
    assert_eq!(
        shop.post("/hostedtokenizations", &json!({ "locale": "invalid_locale" }))
            .await
            .refusal(),
        (400, "INVALID_VALUE", "locale")
    );
    for path in ["/hostedcheckouts/1", "/hostedtokenizations/1"] {
        let answer = shop.get(path).await;
        assert_eq!(answer.http, 404);
        let error = &answer.body["errors"][0];
        assert_eq!(
            (&error["httpStatusCode"], &error["errorCode"]),
            (&json!(500), &json!("20001101"))
        );
    }
    shop.set(&json!({ "products": [1, 3] }));
    let only = json!({ "restrictTo": { "products": [3] } });
    let made = checkout(&shop, json!({ "paymentProductFilters": only })).await;
    assert_eq!(
        submit(&shop, text(&made, "redirectUrl"), &card(VISA), "text/html")
            .await
            .http,
        422
    );
}

async fn tokenization(shop: &Shop, body: Value) -> Value {
    shop.post("/hostedtokenizations", &body).await.good(201)
}

fn paying(id: &str) -> Value {
    with(
        with(order(1000), "hostedTokenizationId", json!(id)),
        "cardPaymentMethodSpecificInput",
        json!({ "authorizationMode": "SALE" }),
    )
}

#[tokio::test]
async fn makes_a_token_for_one_payment_in_a_frame() {
    let shop = Shop::open().await;
    let made = tokenization(&shop, json!({})).await;
    let (id, url) = (
        text(&made, "hostedTokenizationId"),
        text(&made, "hostedTokenizationUrl"),
    );
    assert_eq!(
        (&made["invalidTokens"], &made["expiredCardTokens"]),
        (&json!([]), &json!([]))
    );
    let path = format!("/hostedtokenizations/{id}");
    // Found, though nobody has filled it in.
    assert_eq!(shop.get(&path).await.good(200), json!({}));
    assert_eq!(
        shop.post("/payments", &paying(id)).await.refusal(),
        (400, "INVALID_VALUE", "hostedTokenizationId")
    );
    let page = shop.http.get(url).send().await.unwrap();
    // Nothing keeps it out of a frame.
    assert!(
        !page.headers().contains_key("x-frame-options")
            && !page.headers().contains_key("content-security-policy")
    );
    let html = page.text().await.unwrap();
    assert!(html.contains("frame.js") && !html.contains("storePermanently"));
    let wrong = submit(&shop, url, &card("1"), "application/json").await;
    assert_eq!((wrong.http, &wrong.body["success"]), (422, &json!(false)));
    assert_eq!(wrong.body["error"]["message"], "The card number is not valid");
    let done = submit(&shop, url, &card(VISA), "application/json")
        .await
        .good(200);
    assert_eq!(done, json!({ "success": true, "hostedTokenizationId": id }));
    let told = shop.get(&path).await.good(200);
    assert_eq!(
        (&told["tokenStatus"], &told["token"]["isTemporary"]),
        (&json!("CREATED"), &json!(true))
    );
    let paid = shop.post("/payments", &paying(id)).await.good(201);
    assert_eq!(paid["payment"]["status"], "CAPTURED");
    // Once.
    assert_eq!(shop.post("/payments", &paying(id)).await.http, 404);
    assert_eq!(shop.get(&path).await.http, 404);
}

#[tokio::test]
async fn a_temporary_token_lasts_two_hours() {
    let shop = Shop::open().await;
    for (seconds, status) in [(7199, 201), (7201, 404)] {
        let made = tokenization(&shop, json!({})).await;
        submit(
            &shop,
            text(&made, "hostedTokenizationUrl"),
            &card(VISA),
            "application/json",
        )
        .await
        .good(200);
        shop.advance(seconds);
        let answer = shop
            .post("/payments", &paying(text(&made, "hostedTokenizationId")))
            .await;
        assert_eq!(answer.http, status);
    }
    let late = tokenization(&shop, json!({})).await;
    shop.advance(7201);
    let url = text(&late, "hostedTokenizationUrl");
    assert_eq!(
        submit(&shop, url, &card(VISA), "application/json").await.http,
        404
    );
    assert_eq!(submit(&shop, url, &card(VISA), "text/html").await.http, 404);
}

#[tokio::test]
async fn keeps_the_card_with_the_shoppers_consent() {
    let shop = Shop::open().await;
    let made = tokenization(&shop, json!({ "askConsumerConsent": true })).await;
    let (id, url) = (
        text(&made, "hostedTokenizationId"),
        text(&made, "hostedTokenizationUrl"),
    );
    assert!(
        shop.http
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("storePermanently")
    );
    let mut fields = card(VISA);
    fields.push(("storePermanently", "true"));
    // Without a script the page says how it went.
    assert_eq!(submit(&shop, url, &fields, "text/html").await.http, 200);
    let told = shop.get(&format!("/hostedtokenizations/{id}")).await.good(200);
    let token = text(&told["token"], "id");
    assert_eq!(
        (&told["token"]["isTemporary"], &told["tokenStatus"]),
        (&json!(false), &json!("CREATED"))
    );
    shop.post("/payments", &paying(id)).await.good(201);
    shop.get(&format!("/tokens/{token}")).await.good(200);
    // Chosen again the next time, and without its code if the merchant says so.
    let rules = json!({ "ValidationRules": { "cvvMandatoryForExistingToken": false } });
    let made = tokenization(
        &shop,
        json!({ "tokens": token, "creditCardSpecificInput": rules }),
    )
    .await;
    let fields = [("storedCard", token)];
    submit(
        &shop,
        text(&made, "hostedTokenizationUrl"),
        &fields,
        "application/json",
    )
    .await
    .good(200);
    let path = format!("/hostedtokenizations/{}", text(&made, "hostedTokenizationId"));
    let told = shop.get(&path).await.good(200);
    assert_eq!(
        (&told["token"]["id"], &told["tokenStatus"]),
        (&json!(token), &json!("UNCHANGED"))
    );
    shop.advance(6 * 366 * 86_400);
    let made = tokenization(&shop, json!({ "tokens": format!("{token},unknown") })).await;
    assert_eq!(
        (&made["expiredCardTokens"], &made["invalidTokens"]),
        (&json!([token]), &json!(["unknown"]))
    );
}

#[tokio::test]
async fn serves_a_script_whose_digest_it_told() {
    let shop = Shop::open().await;
    let made = tokenization(&shop, json!({})).await;
    let url = format!(
        "{}/hostedtokenization/js/client/tokenizer.min.js",
        shop.info().base_url
    );
    let script = shop
        .http
        .get(url)
        .header("Origin", "https://shop.example")
        .send()
        .await
        .unwrap();
    // A script with a digest is fetched across origins.
    assert_eq!(script.headers()["access-control-allow-origin"], "*");
    assert!(
        script.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/javascript")
    );
    let script = script.bytes().await.unwrap();
    assert_eq!(
        made["sri"],
        format!("sha384-{}", STANDARD.encode(Sha384::digest(&script)))
    );
    for path in ["frame.js", "style.css", "products/1.svg"] {
        let url = format!("{}/online_payments/assets/{path}", shop.info().base_url);
        assert_eq!(shop.http.get(url).send().await.unwrap().status(), 200, "{path}");
    }
}
